//! Batches in columns against the obvious way: record by record, row by row.

use super::doors::settings;
use super::random::{any_json, line, small_limits};
use super::*;
use crate::block::{self, Wanted};
use crate::chunk::{Chunk, USER};
use crate::chunk_builder::ChunkBuilder;
use crate::names::Names;
use crate::row::{EventRow, insert_hash};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Numbers of names per space, given in the order they are asked for.
#[derive(Default)]
struct Lexicon(HashMap<Space, HashMap<String, u32>>);

impl Lexicon {
    fn number(&mut self, space: Space, name: &str) -> u32 {
        let names = self.0.entry(space).or_default();
        // Neither dense nor ascending: nothing may depend on it.
        let next = (names.len() as u32 + 1) * 7919 % 100_003;
        *names.entry(name.to_string()).or_insert(next)
    }
}

/// What a batch becomes: its rows, how many duplicates fell away, and what was said about the others.
#[derive(Debug, PartialEq)]
struct Became {
    rows: Vec<EventRow>,
    /// Devices and the users they are linked to.
    links: BTreeMap<u32, u32>,
    duplicates: usize,
    failed: Vec<RecordError>,
    ignored: usize,
    unattributed: Vec<Unattributed>,
}

fn rows(chunk: &Chunk) -> Vec<EventRow> {
    chunk.check().unwrap();
    (0..chunk.len()).map(|r| EventRow::from_chunk(chunk, r)).collect()
}

/// Record by record, with a list of rows that is searched for each duplicate.
fn obvious(bytes: &[u8], s: &Settings, lexicon: &mut Lexicon, keep_last: bool) -> Became {
    let batch = parse_ndjson(bytes, s, &mut NoTick).unwrap();
    let mut kept: Vec<EventRow> = Vec::new();
    let mut links = BTreeMap::new();
    for e in &batch.events {
        if let (Some(device), Some(user)) = (&e.device_id, &e.user_id)
            && !user.starts_with("$device:")
        {
            let device = lexicon.number(Space::Subject(USER), &format!("$device:{device}"));
            let user = lexicon.number(Space::Subject(USER), user);
            links.entry(device).or_insert(user);
        }
        let row = EventRow {
            event: lexicon.number(Space::Event, &e.name),
            user: match &*e.distinct_id {
                "" => 0,
                id => lexicon.number(Space::Subject(USER), id),
            },
            time: e.time,
            insert_hash: e.insert_id.as_deref().map_or(0, insert_hash),
            groups: e
                .groups
                .iter()
                .map(|(k, ids)| (*k, ids.iter().map(|i| lexicon.number(Space::Subject(*k), i)).collect()))
                .collect(),
            properties: e
                .properties
                .iter()
                .map(|(p, v)| (lexicon.number(Space::Property, p), v.clone()))
                .collect(),
        };
        let same = |r: &&mut EventRow| {
            r.insert_hash != 0
                && (r.event, r.user, r.time, r.insert_hash) == (row.event, row.user, row.time, row.insert_hash)
        };
        match kept.iter_mut().find(same) {
            None => kept.push(row),
            Some(earlier) if keep_last => *earlier = row,
            Some(_) => {}
        }
    }
    let mut builder = ChunkBuilder::new();
    kept.iter().for_each(|r| builder.push(r, 5).unwrap());
    Became {
        duplicates: batch.events.len() - kept.len(),
        rows: rows(&builder.finish().unwrap()),
        links,
        failed: batch.failed,
        ignored: batch.ignored,
        unattributed: batch.unattributed,
    }
}

/// What is in the intake, as it would be stored and read.
fn stored(intake: &mut Intake, lexicon: &mut Lexicon, keep_last: bool) -> Became {
    for space in intake.spaces() {
        let numbers: Vec<u32> = intake
            .unnumbered(space)
            .unwrap()
            .iter()
            .map(|n| lexicon.number(space, n))
            .collect();
        intake.number(space, &numbers).unwrap();
    }
    let links = intake.links().unwrap();
    assert!(links.is_sorted_by(|a, b| a.0 < b.0), "{links:?}");
    let duplicates = intake.dedupe(keep_last).unwrap();
    let chunk = block::decode(&intake.encode(5).unwrap(), &Wanted::all()).unwrap();
    let inserts = chunk.inserts.as_ref().unwrap();
    assert!(inserts.priority.iter().all(|p| *p == 5));
    let (events, first, last) = intake.summary().unwrap();
    assert!((0..chunk.len()).all(|r| events.contains(&chunk.event(r)) && (first..=last).contains(&chunk.time[r])));
    assert_eq!(chunk.len(), intake.len());
    let became = Became {
        rows: rows(&chunk),
        links: links.into_iter().collect(),
        duplicates,
        failed: intake.failed.clone(),
        ignored: intake.ignored,
        unattributed: intake.unattributed.clone(),
    };
    intake.clear();
    assert!(intake.is_empty() && intake.failed.is_empty() && intake.ignored == 0);
    became
}

/// A JSON string, written in one of the ways there are.
fn string(text: &str, escaped: bool) -> String {
    if !escaped {
        return serde_json::to_string(text).unwrap();
    }
    let units: String = text.encode_utf16().map(|u| format!("\\u{u:04x}")).collect();
    format!("\"{units}\"")
}

/// Records of the usual shape, in any spelling, with a corner here and there.
fn usual() -> impl Strategy<Value = Vec<u8>> {
    let scalar = prop_oneof![
        6 => ("[a-c]{0,4}|[a-zé]{5,9}", prop::bool::weighted(0.1)).prop_map(|(s, e)| string(&s, e)),
        2 => (0i64..40).prop_map(|i| i.to_string()),
        2 => (0i64..4000).prop_map(|i| format!("{}.{:02}", i / 100, i % 100)),
        1 => any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| serde_json::to_string(&f).unwrap()),
        1 => prop::sample::select(vec!["true", "false", "null", "-0", "1.0", "1e3", "-7.5E-3", "9007199254740993",
            "12345678901234567890", "1e400", "\"\\u0000\"", "\"\\ud83d\\ude00\"", "\"\\ud800\"", "\"\\x\"", "[]", "{}", "01"])
            .prop_map(String::from),
        1 => Just("\"0f8fad5b-d9cb-469f-a165-70867728950e\"".to_string()),
        1 => any_json().prop_map(|j| j.to_string()),
    ];
    let id = prop_oneof![
        8 => (0u32..6).prop_map(|u| format!("\"u{u}\"")),
        1 => (0u32..3).prop_map(|u| format!("\"$device:d{u}\"")),
        1 => prop::sample::select(vec!["\"\"", "7", "-1", "0", "1.5", "null", "\"anon\"", "\"$device:\"", "true",
            "\"$device:$device:x\"", "\"undefined\"", "\"\\u0075\"", "[\"g1\",\"g2\",\"g1\"]", "[]", "[null,3]"]).prop_map(String::from),
    ];
    let time = prop_oneof![
        6 => (0u32..3).prop_map(|t| format!("{}", 1_700_000_000 + t)),
        2 => (0u32..3).prop_map(|t| format!("{}.5", 1_700_000_000 + t)),
        1 => prop::sample::select(vec!["1700000000123", "0", "-5", "null", "\"now\"", "1704067300", "1704067200000",
            "17000000001235.5", "1e9", "9999999999"]).prop_map(String::from),
    ];
    let ids = prop::sample::select(vec![
        "$device_id",
        "$user_id",
        "distinct_id",
        "$distinct_id",
        "company_id",
        "team_id",
    ]);
    let names = prop::sample::select(vec![
        "a", "b", "plan", "é", "", "token", "ip", "longer", "$time", "bucket", "$ignore", "c\\u0061", "plan ",
    ]);
    // Devices before and after they are whose.
    let both = prop_oneof![
        4 => Just(Vec::new()),
        1 => ("d[1-3]", "u[1-3]").prop_map(|(d, u)| vec![("$device_id".to_string(), format!("\"{d}\"")), ("$user_id".to_string(), format!("\"{u}\""))]),
        1 => (prop::sample::select(vec!["\"$device:d1\"", "7", "\"\\u0064\"", "\"$device:\"", "\"\""]),
              prop::sample::select(vec!["\"$device:d2\"", "\"\"", "8", "\"u1\""]))
            .prop_map(|(d, u)| vec![("$user_id".to_string(), u.to_string()), ("$device_id".to_string(), d.to_string())]),
    ];
    let member = prop_oneof![
        8 => (names, scalar).prop_map(|(k, v)| (k.to_string(), v)),
        3 => (ids, id.clone()).prop_map(|(k, v)| (k.to_string(), v)),
    ];
    let insert = prop::option::of(prop_oneof![
        6 => (0u32..5).prop_map(|i| format!("\"i-{i}\"")),
        1 => prop::sample::select(vec!["\"\"", "\"a b\"", "3", "null", "\"0\"", "\"none\"", "\"0f8fad5b-d9cb-469f-a165-70867728950e\""])
            .prop_map(String::from),
    ]);
    let event = prop_oneof![
        10 => prop::sample::select(vec!["\"E\"", "\"F\""]),
        1 => prop::sample::select(vec!["\"\"", "\"$identify\"", "null", "3", "\"longer than it may be\"", "\"\\u0045\""]),
    ];
    let space = prop::sample::select(vec!["", "", "", " ", "\t ", "\r"]);
    let odd = 0u32..40;
    (
        event,
        time,
        id,
        insert,
        both,
        prop::collection::vec(member, 0..6),
        space,
        odd,
    )
        .prop_map(|(event, time, id, insert, both, members, sp, odd)| {
            let mut all = vec![("time".to_string(), time), ("distinct_id".to_string(), id)];
            all.extend(insert.map(|i| ("$insert_id".to_string(), i)));
            all.extend(both);
            all.extend(members);
            let members: Vec<String> = all
                .iter()
                .map(|(k, v)| format!("{sp}\"{k}\"{sp}:{sp}{v}{sp}"))
                .collect();
            let properties = format!("{{{}}}", members.join(","));
            match odd {
                0 => format!("{{\"event\":{event},\"event\":\"E\",\"properties\":{properties}}}"),
                1 => format!("{{\"properties\":{properties},\"event\":{event},\"other\":[1,{{}}]}}"),
                2 => format!("{{\"properties\":{properties},\"properties\":{properties},\"event\":{event}}}"),
                3 => format!("{{\"event\":{event},\"properties\":{properties}}}}}"),
                4 => format!("{{\"event\":{event},\"properties\":{properties}"),
                5 => format!("{{\"event\":{event},\"n\":-1.5e2,\"s\":\"x\",\"properties\":{properties}}}"),
                6 => format!("{{\"event\":{event},\"s\":\"\\q\",\"properties\":{properties},}}"),
                _ => format!("{sp}{{{sp}\"event\"{sp}:{sp}{event},\"properties\":{sp}{properties}{sp}}}{sp}"),
            }
            .into_bytes()
        })
}

fn lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop_oneof![
        3 => prop::collection::vec(usual(), 0..30),
        1 => prop::collection::vec(prop_oneof![usual(), line()], 0..30),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn columns_agree_with_rows(
        first in lines(), second in lines(), strict: bool, small: bool, keep_last: bool, key in 0usize..12, slice in 1usize..40,
    ) {
        // Longer than the names with a meaning, which would lose it otherwise.
        let limits = if small { Limits { string_chars: 12, ..small_limits() } } else { Limits::default() };
        let mut keys = keys();
        // A key may be named like a property with a meaning.
        match key {
            0 => keys[1].property = "$user_id".into(),
            1 => keys[1].property = "plan".into(),
            2 => keys.clear(),
            _ => {}
        }
        let s = settings(&limits, &keys, strict);
        let mut lexicon = Lexicon::default();
        let mut intake = Intake::new(&keys);
        // The second batch meets a reader that has seen the first, and names that are known by then.
        for lines in [first, second] {
            let bytes = lines.join(&b'\n');
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            let known: BTreeMap<_, _> = intake.spaces().into_iter().map(|space| {
                let mut names = Names::new();
                for (name, no) in lexicon.0.get(&space).into_iter().flatten() {
                    names.insert(name, *no).unwrap();
                }
                (format!("{space:?}"), vec![Arc::new(Names::new()), Arc::new(names)])
            }).collect();
            intake.know(|space| known[&format!("{space:?}")].clone()).unwrap();
            fill_ndjson(&bytes, &s, &mut NoTick, &mut intake, &mut |_| Ok(())).unwrap();
            let want = obvious(&bytes, &s, &mut lexicon, keep_last);
            prop_assert_eq!(stored(&mut intake, &mut lexicon, keep_last), want, "{}", shown);
        }
        // Cut into slices, the records are the same ones.
        let bytes = b"{\"event\":\"E\",\"properties\":{\"time\":1700000000,\"distinct_id\":\"u\"}}\nx\n".repeat(slice);
        let (mut events, mut failed, mut turns) = (0, 0, 0);
        fill_ndjson(&bytes, &s, &mut NoTick, &mut intake, &mut |i| {
            turns += 1;
            events += i.len();
            failed += i.failed.len();
            i.clear();
            Ok(())
        }).unwrap();
        prop_assert_eq!((events + intake.len(), failed + intake.failed.len()), (slice, slice));
        prop_assert!(turns >= slice, "after every record that is refused");
    }
}

#[test]
fn usual_records_take_the_fast_way() {
    let limits = Limits::default();
    let keys = keys();
    let s = settings(&limits, &keys, true);
    let mut intake = Intake::new(&keys);
    for line in [
        r#"{"event":"E","properties":{"time":1700000000,"distinct_id":"u","$insert_id":"0f8fad5b-d9cb-469f-a165-70867728950e"}}"#,
        r#"{ "event": "E", "properties": { "time": 1700000000.25, "distinct_id": 77, "company_id": "acme", "team_id": 3 } }"#,
        r#"{"properties":{"$device_id":"d","$user_id":null,"time":1700000000,"a":"C\u00f4te \"x\"","b":-1.5,"c":true,"é":""},"event":"F"}"#,
        r#"{"event":"E","properties":{"distinct_id":"$device:x","time":1700000000,"token":"t","ip":null,"company_id":""}}"#,
    ] {
        assert!(intake.take_plain(line, &s).unwrap(), "{line}");
    }
    for line in [
        r#"{"event":"E","properties":{"time":1700000000,"distinct_id":"u","company_id":["a","b"]}}"#,
        r#"{"event":"E","properties":{"time":1700000000,"distinct_id":"u","distinct_id":"v"}}"#,
        r#"{"event":"E","properties":{"time":1700000000,"distinct_id":"anon"}}"#,
        r#"{"event":"E","properties":{"time":1700000000,"$ignore":null}}"#,
        r#"{"event":"E","properties":{}}"#,
    ] {
        assert!(!intake.take_plain(line, &s).unwrap(), "{line}");
    }
    assert_eq!(intake.len(), 4);
}

/// Events that have nothing in common must not need a table of all events times all their properties.
#[test]
fn a_batch_is_full_before_sparse_columns_fill_the_memory() {
    let limits = Limits::default();
    let s = settings(&limits, &[], true);
    let mut intake = Intake::new(&[]);
    let mut text = String::new();
    for i in 0..3000 {
        let members: String = (0..20).map(|p| format!("\"p{}\":{p},", i * 20 + p)).collect();
        text.push_str(&format!(
            "{{\"event\":\"E\",\"properties\":{{{members}\"time\":1700000000}}}}\n"
        ));
    }
    let mut largest = 0;
    let mut events = 0;
    fill_ndjson(text.as_bytes(), &s, &mut NoTick, &mut intake, &mut |i| {
        if i.is_full() {
            largest = largest.max(i.len());
            events += i.len();
            i.clear();
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(events + intake.len(), 3000);
    assert!(largest > 0 && largest < 1000, "{largest}");
}
