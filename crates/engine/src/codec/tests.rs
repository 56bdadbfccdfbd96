use super::*;
use crate::chunk::{Column, Inserts};
use proptest::collection::vec;
use proptest::prelude::*;

/// Numbers as the store sees them: sorted runs, narrow ranges, repeats, extremes.
fn ids() -> impl Strategy<Value = Vec<u32>> {
    let run = prop_oneof![
        (any::<u32>(), 0usize..600).prop_map(|(v, n)| vec![v; n]),
        (0u32..1 << 20, vec(0u32..50, 0..600)).prop_map(|(base, steps)| {
            let mut v = base;
            steps
                .into_iter()
                .map(|s| {
                    v += s;
                    v
                })
                .collect()
        }),
        vec(1_000_000u32..1_000_900, 0..600),
        vec(prop_oneof![Just(0), Just(u32::MAX), any::<u32>()], 0..600),
    ];
    vec(run, 0..4).prop_map(|runs| runs.concat())
}

fn times() -> impl Strategy<Value = Vec<i64>> {
    let day = 86_400_000i64;
    let run = prop_oneof![
        (any::<i64>(), 0usize..400).prop_map(|(v, n)| vec![v; n]),
        (0i64..20_000).prop_flat_map(move |d| vec(d * day..(d + 1) * day, 0..600)),
        vec(
            prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0), any::<i64>()],
            0..300
        ),
    ];
    vec(run, 0..4).prop_map(|runs| runs.concat())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-300i64..300).prop_map(Value::Int),
        any::<f64>().prop_map(Value::number),
        Just(Value::Int(i64::MAX)),
        Just(Value::number(9.3e18)),
        ".{0,12}".prop_map(Value::str),
        "[ab]{0,3}".prop_map(Value::str),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::List),
            vec(("[a-c]{0,2}".prop_map(Box::<str>::from), inner), 0..5).prop_map(Value::object),
        ]
    })
}

/// Sorted texts that share how they begin.
fn numbered(before: &str, n: u32, after: &str) -> Vec<Value> {
    let mut all: Vec<String> = (0..n).map(|i| format!("{before}{}{after}", i * 37)).collect();
    all.sort_unstable();
    all.into_iter().map(Value::str).collect()
}

#[test]
fn numbered_texts_take_less_than_two_bytes() {
    let list = numbered("https://shop.example/page/", 20_000, "");
    let stored = encode_values(&list).unwrap();
    assert!(stored.len() < 20_000 * 2, "{} bytes", stored.len());
    assert_eq!(decode_values(&stored).unwrap(), list);
}

/// What people send as insert ids, and what else may stand in their place.
fn insert_id() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => any::<u64>().prop_map(|n| Value::str(format!("{n:016x}"))),
        2 => any::<u128>().prop_map(|n| {
            let h = format!("{n:032x}");
            Value::str(format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..]))
        }),
        2 => "[a-zA-Z0-9-]{1,36}".prop_map(Value::str),
        1 => "[ab]{0,200}".prop_map(Value::str),
        1 => (0i64..5).prop_map(Value::Int),
        1 => Just(Value::Null),
    ]
}

fn numbers() -> impl Strategy<Value = Vec<f64>> {
    let unset = Just(f64::NAN);
    let whole = (-1000i64..100_000).prop_map(|k| k as f64);
    let cents = (-1000i64..10_000_000).prop_map(|k| k as f64 / 100.0);
    let odd = prop_oneof![
        Just(-0.0),
        Just(f64::INFINITY),
        Just(9_007_199_254_740_993.0),
        Just(f64::MIN_POSITIVE),
        any::<f64>()
    ];
    prop_oneof![
        vec(unset, 0..300),
        vec(prop_oneof![whole.clone(), unset], 0..700),
        vec(cents.clone(), 0..700),
        vec(prop_oneof![20 => cents, 20 => whole, 1 => odd, 3 => unset], 0..700),
    ]
}

fn same_numbers(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .all(|(x, y)| x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan())
}

fn rows_of(c: &Column) -> Vec<Option<Value>> {
    (0..c.len()).map(|i| c.get(i).map(|v| v.into_owned())).collect()
}

fn group() -> impl Strategy<Value = GroupColumn> {
    vec(vec(1u32..50, 0..4), 0..400).prop_map(|lists| {
        let mut g = GroupColumn {
            kind: 3,
            ..GroupColumn::default()
        };
        for (row, list) in lists.iter().enumerate() {
            let first = list.first().copied().unwrap_or(0);
            g.first.push(first);
            let rest: std::collections::BTreeSet<u32> = list.iter().copied().filter(|x| *x != first).collect();
            g.more.extend(rest.into_iter().map(|s| (row as u32, s)));
        }
        g
    })
}

fn corrupt<T: std::fmt::Debug>(r: Result<T>) {
    assert!(matches!(r, Err(Error::Corrupt(_))), "{r:?}");
}

proptest! {
    #[test]
    fn ids_come_back(v in ids()) {
        let bytes = encode_ids(&v).unwrap();
        prop_assert!(bytes.len() <= frame::HEADER + 1 + 4 * v.len().max(1), "never larger than raw");
        prop_assert_eq!(decode_ids(&bytes, v.len()).unwrap(), v);
    }

    #[test]
    fn times_come_back(v in times()) {
        let bytes = encode_times(&v).unwrap();
        prop_assert!(bytes.len() <= frame::HEADER + 1 + 8 * v.len().max(1), "never larger than raw");
        prop_assert_eq!(decode_times(&bytes, v.len()).unwrap(), v);
    }

    #[test]
    fn inserts_come_back(v in vec((prop_oneof![2 => Just(0), 3 => any::<u64>()], -3i64..3), 0..600), keep in 0u8..3) {
        let hash = |h: u64| match keep { 0 => 0, 1 => h.max(1), _ => h };
        let i = Inserts {
            hash: v.iter().map(|(h, _)| hash(*h)).collect(),
            priority: v.iter().map(|(_, p)| *p).collect(),
        };
        prop_assert_eq!(decode_inserts(&encode_inserts(&i).unwrap(), v.len()).unwrap(), i);
    }

    #[test]
    fn inserts_that_follow_from_ids_come_back(
        rows in vec((insert_id(), 0u8..8, any::<u64>(), -3i64..3), 0..300),
        faithful in any::<bool>(),
    ) {
        let values: Vec<Value> = rows.iter().map(|r| r.0.clone()).collect();
        let mut distinct = values.clone();
        distinct.sort();
        distinct.dedup();
        distinct.retain(|v| *v != Value::Null);
        let code = |v: &Value| distinct.binary_search(v).map_or(0, |i| i as u32 + 1);
        let codes = values.iter().map(code).collect();
        let column = encode_column(&Column::Dict { values: distinct.clone(), codes }).unwrap();
        let of_id = |v: &Value| match v {
            Value::Str(s) => crate::row::insert_hash(s),
            _ => 0,
        };
        let derived: Vec<u64> = values.iter().map(of_id).collect();
        prop_assert_eq!(&insert_hashes(&column, rows.len()).unwrap(), &derived);
        // Mostly what the ids say, else another hash, or none.
        let hash = |(i, r): (usize, &(Value, u8, u64, i64))| match r.1 {
            0 if !faithful => r.2,
            1 if !faithful => 0,
            _ => derived[i],
        };
        let inserts = Inserts {
            hash: rows.iter().enumerate().map(hash).collect(),
            priority: rows.iter().map(|r| r.3).collect(),
        };
        let stored = encode_inserts_beside(&inserts, 7, &derived).unwrap();
        let got = decode_inserts_with(&stored, rows.len(), |property| {
            assert_eq!(property, 7);
            insert_hashes(&column, rows.len())
        });
        prop_assert_eq!(got.unwrap(), inserts);
        if faithful && rows.len() > 100 && derived.iter().any(|h| *h != 0) {
            prop_assert!(stored.len() < 3 * rows.len(), "hashes are not stored twice");
            prop_assert!(decode_inserts(&stored, rows.len()).is_err(), "the ids are needed");
            let short = decode_inserts_with(&stored, rows.len(), |_| Ok(vec![1]));
            prop_assert!(short.is_err());
        }
    }

    #[test]
    fn sorted_texts_come_back(
        texts in vec(prop_oneof![
            "https://shop\\.example/(item|page|checkout)/[0-9]{1,6}",
            "company_[0-9]{7}",
            "[a-zé]{0,4}",
            ".{0,300}",
        ], 0..150),
        duplicates in 0usize..3,
    ) {
        let mut texts = texts;
        texts.sort_unstable();
        if duplicates > 0 {
            texts.dedup();
        }
        let list: Vec<Value> = texts.into_iter().map(Value::str).collect();
        prop_assert_eq!(decode_values(&encode_values(&list).unwrap()).unwrap(), list);
    }

    #[test]
    fn groups_come_back(g in group()) {
        prop_assert_eq!(decode_group(3, &encode_group(&g).unwrap(), g.first.len()).unwrap(), g);
    }

    #[test]
    fn hexadecimal_texts_come_back(
        width in 1usize..70, v in vec(vec(any::<u8>(), 70), 0..40), odd in prop::option::of(value()),
    ) {
        let hex = |b: &Vec<u8>| b.iter().map(|b| format!("{b:02x}")).collect::<String>().get(..width * 2).unwrap().to_string();
        let mut list: Vec<Value> = v.iter().map(|b| Value::str(hex(b))).collect();
        let encoded = encode_values(&list).unwrap();
        prop_assert_eq!(&decode_values(&encoded).unwrap(), &list);
        if list.len() > 1 && width < 64 {
            prop_assert_eq!(encoded.len(), frame::HEADER + 10 + list.len() * width);
        }
        list.extend(odd);
        prop_assert_eq!(decode_values(&encode_values(&list).unwrap()).unwrap(), list);
    }

    #[test]
    fn values_come_back(v in vec(value(), 0..40)) {
        prop_assert_eq!(decode_values(&encode_values(&v).unwrap()).unwrap(), v);
    }

    #[test]
    fn numbers_come_back_bit_by_bit(v in numbers()) {
        match decode_column(&encode_column(&Column::Number(v.clone())).unwrap(), v.len()).unwrap() {
            Column::Number(got) => prop_assert!(same_numbers(&got, &v)),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn dictionaries_come_back(
        list in prop_oneof![vec(value(), 0..40), vec((0i64..2000).prop_map(|k| Value::number(k as f64 / 8.0)), 300..900), vec(numbers(), 1..2).prop_map(|v| {
            v.concat().into_iter().filter(|f| f.is_finite()).map(Value::number).collect::<Vec<_>>()
        })],
        picks in vec(any::<prop::sample::Index>(), 0..700),
    ) {
        let mut values = list;
        values.sort();
        values.dedup();
        let codes = picks.iter().map(|i| i.index(values.len() + 1) as u32).collect::<Vec<_>>();
        let column = Column::Dict { values, codes };
        let got = decode_column(&encode_column(&column).unwrap(), picks.len()).unwrap();
        prop_assert_eq!(rows_of(&got), rows_of(&column));
        // The same, with the values left encoded.
        for raw in [
            raw::decode_raw(&encode_column(&column).unwrap(), picks.len()).unwrap(),
            raw::to_raw(&column).unwrap(),
        ] {
            let value = |row: usize| match &raw {
                raw::RawColumn::Dict { codes, values, .. } if codes[row] == 0 => {
                    assert!(values.of_code(0).is_empty() && values.of_code(values.len() as u32 + 1).is_empty());
                    None
                }
                raw::RawColumn::Dict { codes, values, .. } => Some(raw::value_of(values.of_code(codes[row])).unwrap()),
                raw::RawColumn::Number(v) => Some(v[row]).filter(|f| !f.is_nan()).map(Value::number),
            };
            let rows: Vec<_> = (0..picks.len()).map(value).collect();
            let want: Vec<_> = (0..picks.len()).map(|i| column.get(i).map(|v| v.into_owned())).collect();
            prop_assert_eq!(rows, want);
        }
    }

    /// Whatever bytes come in, decoding ends with an answer or an error.
    #[test]
    fn payloads_of_noise_are_errors_not_panics(
        codec in 1u8..13, flags in 0u8..5, rows in 0usize..600, payload in vec(any::<u8>(), 0..300), small in any::<bool>(),
    ) {
        let payload: Vec<u8> = if small { payload.iter().map(|b| b % 4).collect() } else { payload };
        let mut bytes = frame::seal(Codec::Ids, flags, rows, &payload).unwrap();
        bytes[1] = codec;
        reseal(&mut bytes);
        decode_all(&bytes, rows);
    }

    /// As above, close to what is valid: one byte of a real payload changed, the checksum right.
    #[test]
    fn damaged_payloads_under_a_right_checksum_never_panic(which in 0usize..11, at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let (mut bytes, rows) = samples().swap_remove(which);
        let at = at.index(bytes.len());
        bytes[at] = to;
        reseal(&mut bytes);
        decode_all(&bytes, rows);
    }
}

/// Makes the checksum right again.
fn reseal(bytes: &mut [u8]) {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..11]), &bytes[frame::HEADER..]);
    bytes[11..frame::HEADER].copy_from_slice(&crc.to_le_bytes());
}

/// Runs every decoder and checks what they promise; returns how many accepted the bytes.
fn decode_all(bytes: &[u8], rows: usize) -> usize {
    let mut ok = 0;
    ok += usize::from(decode_ids(bytes, rows).is_ok_and(|v| v.len() == rows));
    ok += usize::from(decode_times(bytes, rows).is_ok_and(|v| v.len() == rows));
    if let Ok(plain) = decode_inserts(bytes, rows) {
        assert!(plain.hash.len() == rows && plain.priority.len() == rows);
    }
    let with_ids = decode_inserts_with(bytes, rows, |_| Ok(vec![3; rows]));
    ok += usize::from(with_ids.is_ok_and(|v| v.hash.len() == rows && v.priority.len() == rows));
    ok += usize::from(decode_values(bytes).is_ok());
    ok += usize::from(crate::row::decode(bytes).is_ok());
    if let Ok(c) = crate::block::decode(bytes, &crate::block::Wanted::all()) {
        c.check().unwrap();
        ok += 1;
    }
    let mut chunk = crate::chunk::Chunk {
        user: vec![0; rows],
        time: vec![0; rows],
        ..Default::default()
    };
    chunk.events = crate::chunk::Events::One(1);
    if let Ok(g) = decode_group(1, bytes, rows) {
        chunk.groups.push(g);
        ok += 1;
    }
    if let Ok((set, members)) = open_subjects(bytes) {
        let mut passed = 0;
        let whole = View::new(set).unwrap().try_for_each(|_| {
            passed += 1;
            Ok(())
        });
        ok += usize::from(whole.is_ok() && passed == members);
    }
    let raw = raw::decode_raw(bytes, rows);
    if let Ok(column) = decode_column(bytes, rows) {
        assert!(raw.is_ok(), "left encoded it can be read as well");
        chunk
            .properties
            .push(crate::chunk::PropertyColumn { property: 1, column });
        ok += 1;
    }
    chunk.check().unwrap();
    ok
}

/// One small buffer of every codec and encoding, with its number of rows.
fn samples() -> Vec<(Vec<u8>, usize)> {
    use crate::{block, chunk_builder::ChunkBuilder, row};
    let event = row::EventRow {
        event: 300,
        user: 7,
        time: -5,
        insert_hash: row::insert_hash("x"),
        groups: vec![(1, vec![9, 8, 4])],
        properties: vec![
            (2, Value::List(vec![Value::Null, Value::number(0.5)])),
            (900, Value::str("pro")),
        ],
    };
    let mut builder = ChunkBuilder::new();
    builder.push(&event, 3).unwrap();
    builder
        .push(
            &row::EventRow {
                time: 9,
                ..row::EventRow::default()
            },
            4,
        )
        .unwrap();
    let group = GroupColumn {
        kind: 1,
        first: vec![5, 0, 6],
        more: vec![(0, 6), (2, 7), (2, 9)],
    };
    let sorted: Vec<u32> = (0..260).map(|i| i * 3).collect();
    let text = vec![Value::str(
        "a long enough text that repeats itself, repeats itself; ".repeat(4),
    )];
    let dict = Column::Dict {
        values: vec![Value::Bool(true), Value::str("b")],
        codes: vec![2, 0, 1, 2],
    };
    vec![
        (encode_ids(&sorted).unwrap(), 260),
        (encode_times(&[1, 1 << 40, -7]).unwrap(), 3),
        (
            encode_inserts(&Inserts {
                hash: vec![0, 77, 1 << 60],
                priority: vec![1, 1, 2],
            })
            .unwrap(),
            3,
        ),
        (
            encode_inserts_beside(
                &Inserts {
                    hash: vec![5, 77, 1 << 60],
                    priority: vec![1, 1, 2],
                },
                9,
                &[5, 0, 1 << 60],
            )
            .unwrap(),
            3,
        ),
        (encode_group(&group).unwrap(), 3),
        (encode_column(&dict).unwrap(), 4),
        (encode_column(&Column::Number(vec![0.25, f64::NAN, 3.0])).unwrap(), 3),
        (encode_values(&text).unwrap(), 1),
        (block::encode(&builder.finish().unwrap()).unwrap(), 2),
        (row::encode(&event).unwrap(), 1),
        (encode_values(&["00ff", "a0b1", "1234"].map(Value::str)).unwrap(), 3),
        (encode_values(&numbered("/items/", 40, "")).unwrap(), 40),
        (
            encode_values(&numbered("/", 40, "?abcdefghijklmnopqrstuvwxyz")).unwrap(),
            40,
        ),
        (
            encode_subjects(&[1, 2, 3, 70_000], &mut crate::tick::NoTick).unwrap(),
            4,
        ),
    ]
}

#[test]
fn every_bit_flip_and_every_truncation_is_refused() {
    for (bytes, rows) in samples() {
        assert_eq!(decode_all(&bytes, rows), 1, "exactly its own decoder reads a buffer");
        for len in 0..bytes.len() {
            assert_eq!(decode_all(&bytes[..len], rows), 0, "truncated to {len}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode_all(&damaged, rows), 0, "bit {bit}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(decode_all(&longer, rows), 0, "a trailing byte");
    }
}

#[test]
fn errors_name_what_is_wrong() {
    let good = encode_ids(&[1, 2, 3]).unwrap();
    let says = |bytes: &[u8], rows: usize, what: &str| {
        let e = decode_ids(bytes, rows).unwrap_err().to_string();
        assert!(e.contains(what), "{e} should say {what}");
    };
    let damaged = |at: usize, to: u8| {
        let mut b = good.clone();
        b[at] = to;
        b
    };
    says(&damaged(0, 2), 3, "version 2");
    says(&damaged(1, 2), 3, "kind 2");
    says(&damaged(20, 9), 3, "checksum");
    says(&good[..20], 3, "length");
    says(&good, 4, "3 rows where 4");
    says(&[], 0, "truncated");
}

#[test]
fn huge_declared_counts_are_refused_before_memory_is_reserved() {
    // A group column of one row that claims four thousand million further groups.
    let mut payload = vec![0, 1, 0, 0, 0];
    payload.extend_from_slice(&u32::MAX.to_le_bytes());
    payload.extend_from_slice(&[0; 10]);
    corrupt(decode_group(1, &frame::seal(Codec::Group, 0, 1, &payload).unwrap(), 1));
    // Values: a count, and an unpacked size, that the bytes do not vouch for.
    for method in [0u8, 1] {
        for (count, raw) in [(u32::MAX, 3u32), (3, u32::MAX), (3, 1 << 30), (u32::MAX, u32::MAX)] {
            let payload = [&count.to_le_bytes()[..], &[method], &raw.to_le_bytes(), &[0, 0, 0]].concat();
            corrupt(decode_values(
                &frame::seal(Codec::Values, 0, count as usize, &payload).unwrap(),
            ));
        }
    }
    // A block of constant columns with more rows than a block may have.
    let bytes = frame::seal(Codec::Block, 0, u32::MAX as usize, &[0, 0, 0, 0, 0, 0]).unwrap();
    corrupt(crate::block::decode(&bytes, &crate::block::Wanted::all()));
    // A list that claims more elements than there are bytes.
    let payload = [
        &1u32.to_le_bytes()[..],
        &[0],
        &6u32.to_le_bytes(),
        &[6, 0xff, 0xff, 0xff, 0xff, 0x0f],
    ]
    .concat();
    corrupt(decode_values(&frame::seal(Codec::Values, 0, 1, &payload).unwrap()));
}

/// What is nearly a UUID must not come back as one.
#[test]
fn uuids_come_back_to_the_letter() {
    let uuid = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let mut texts = vec![
        uuid.to_string(),
        uuid.to_uppercase(),
        uuid.replace('-', ""),
        format!("{uuid} "),
    ];
    for at in 0..uuid.len() {
        for to in ["-", "0", "f", "g", "F", "/", ":"] {
            let mut t = uuid.to_string();
            t.replace_range(at..=at, to);
            texts.push(t);
        }
    }
    for t in &texts {
        let one = vec![Value::str(t.as_str()), Value::Int(1)];
        assert_eq!(decode_values(&encode_values(&one).unwrap()).unwrap(), one);
        let mut stored = Vec::new();
        values::put_text(&mut stored, t).unwrap();
        for other in &texts {
            assert_eq!(values::is_text(&stored, other), t == other, "{t} {other}");
        }
    }
    for n in [0, 1, 126, 127, 128, 129, 200, 16_383, 16_384, 16_385] {
        let (t, mut stored) = ("x".repeat(n), Vec::new());
        values::put_text(&mut stored, &t).unwrap();
        assert!(values::is_text(&stored, &t) && !values::is_text(&stored, &"x".repeat(n + 1)));
        assert!(!values::is_text(&stored, &"y".repeat(n.max(1))));
    }
}

#[test]
fn nesting_is_bounded_both_ways() {
    let nest = |n: usize| (0..n).fold(Value::Null, |v, _| Value::List(vec![v]));
    let deepest = vec![nest(values::MAX_DEPTH)];
    assert_eq!(decode_values(&encode_values(&deepest).unwrap()).unwrap(), deepest);
    assert!(matches!(
        encode_values(&[nest(values::MAX_DEPTH + 1)]),
        Err(Error::Limit { .. })
    ));
    let mut raw = [6u8, 1].repeat(100_000);
    raw.push(0);
    let payload = [&1u32.to_le_bytes()[..], &[0], &(raw.len() as u32).to_le_bytes(), &raw].concat();
    corrupt(decode_values(&frame::seal(Codec::Values, 0, 1, &payload).unwrap()));
}

#[test]
fn encodings_are_as_small_as_they_should_be() {
    let n = 100_000u32;
    let per_row = |bytes: Vec<u8>| bytes.len() as f64 / f64::from(n);
    assert!(encode_ids(&vec![7; n as usize]).unwrap().len() < 32);
    let sorted: Vec<u32> = (0..n).map(|i| i * 5 + i % 3).collect();
    assert!(per_row(encode_ids(&sorted).unwrap()) < 0.45);
    let wide: Vec<u32> = (0..n)
        .map(|i| 4_000_000_000 + i.wrapping_mul(2_654_435_761) % 1000)
        .collect();
    assert!(per_row(encode_ids(&wide).unwrap()) < 1.3);
    let day_times: Vec<i64> = (0..i64::from(n))
        .map(|i| i / 5000 * 86_400_000 * 9 + i * 7919 % 86_400_000)
        .collect();
    assert!(per_row(encode_times(&day_times).unwrap()) < 3.6);
    let cents: Vec<f64> = (0..n).map(|i| f64::from(i % 10_000) / 100.0).collect();
    assert!(per_row(encode_column(&Column::Number(cents)).unwrap()) < 1.85);
    let text: Vec<Value> = (0..1000)
        .map(|i| Value::str(format!("https://example.com/page/{i}")))
        .collect();
    assert!(encode_values(&text).unwrap().len() < 12_000);
}

#[test]
fn a_dictionary_of_mostly_different_numbers_becomes_numbers() {
    let column = |n: i64, copies: usize| Column::Dict {
        values: (0..n).map(|i| Value::number(i as f64 / 10.0)).collect(),
        codes: (0..n as u32 * copies as u32).map(|i| i % (n as u32 + 1)).collect(),
    };
    let back = |c: &Column| decode_column(&encode_column(c).unwrap(), c.len()).unwrap();
    assert!(matches!(back(&column(300, 2)), Column::Number(_)));
    assert!(matches!(back(&column(300, 20)), Column::Dict { .. }));
    assert!(matches!(back(&column(200, 1)), Column::Dict { .. }));
    // One whole number that an f64 cannot hold keeps the dictionary.
    let mut c = column(300, 2);
    if let Column::Dict { values, .. } = &mut c {
        values.push(Value::Int((1 << 53) + 1));
    }
    assert_eq!(back(&c), c);
}

#[test]
fn what_cannot_be_read_back_is_not_written() {
    let g = |more| GroupColumn {
        kind: 1,
        first: vec![5, 0],
        more,
    };
    for more in [
        vec![(0, 5)],
        vec![(2, 1)],
        vec![(1, 0)],
        vec![(1, 3), (0, 2)],
        vec![(0, 2), (0, 2)],
    ] {
        corrupt(encode_group(&g(more)));
    }
    corrupt(encode_column(&Column::Dict {
        values: vec![Value::Null],
        codes: vec![2],
    }));
    corrupt(encode_inserts(&Inserts {
        hash: vec![1],
        priority: vec![],
    }));
    // Values in another form than the canonical one are put right.
    let odd = [
        Value::Float(1.0),
        Value::Float(f64::NAN),
        Value::Object(vec![("b".into(), Value::Null), ("a".into(), Value::Null)]),
    ];
    let got = decode_values(&encode_values(&odd).unwrap()).unwrap();
    assert_eq!(
        got,
        [
            Value::Int(1),
            Value::Null,
            Value::object([("a".into(), Value::Null), ("b".into(), Value::Null)])
        ]
    );
}
