use super::state::Kind;
use super::*;
use crate::tick::NoTick;
use proptest::prelude::*;
use std::collections::BTreeSet;

mod format_spec;
mod mutations;
mod wide;

type Oracle = BTreeSet<u32>;

/// The states of sets of 32-bit ids; what they stand for is decoded by the library.
mod state {
    pub use super::super::state::used;
    use super::super::state::{Change, Kind, Narrow};
    use super::*;

    pub fn start_id(id: u32) -> Result<Vec<u8>> {
        super::super::state::start_id::<Narrow>(id)
    }
    pub fn push_id(state: &mut [u8], id: u32) -> Result<Change> {
        super::super::state::push_id::<Narrow>(state, id)
    }
    pub fn start_set(kind: Kind, set: &[u8]) -> Result<Vec<u8>> {
        super::super::state::start_set::<Narrow>(kind, set)
    }
    pub fn push_set(state: &mut [u8], kind: Kind, set: &[u8]) -> Result<Change> {
        super::super::state::push_set::<Narrow>(state, kind, set)
    }
    pub fn combine(state: &mut [u8], other: &[u8]) -> Result<Change> {
        super::super::state::combine::<Narrow>(state, other)
    }
    pub fn check(state: &[u8]) -> Result<()> {
        super::super::state::check::<Narrow>(state)
    }
    pub fn finish(state: &[u8]) -> Result<Bitmap> {
        let bytes = super::super::state::finish::<Narrow>(state)?;
        let n = super::super::state::cardinality::<Narrow>(state)?;
        let set = Bitmap::from_portable(&bytes)?;
        assert_eq!(n, set.len());
        Ok(set)
    }
}

fn parse(text: &str, tick: &mut impl Tick) -> Result<Bitmap> {
    Bitmap::from_portable(&text::parse(text, tick)?)
}

fn to_text(set: &Bitmap, tick: &mut impl Tick) -> Result<String> {
    text::write(&View::new(&set.clone().into_portable()?)?, tick)
}

/// Sets with all three kinds of containers: sparse ids, dense blocks, and runs.
fn ids() -> impl Strategy<Value = Vec<u32>> {
    let id = prop_oneof![0..300u32, 65_000..66_000u32, any::<u32>(), Just(u32::MAX), Just(0)];
    let sparse = proptest::collection::vec(id, 0..60);
    let runs = proptest::collection::vec((0..8u32, 0..60_000u32, 0..6_000u32, 1..4usize), 0..3).prop_map(|runs| {
        runs.into_iter()
            .flat_map(|(hi, lo, n, step)| (0..n).step_by(step).map(move |i| (hi << 16) + lo + i))
            .collect::<Vec<u32>>()
    });
    (sparse, runs).prop_map(|(a, b)| a.into_iter().chain(b).collect())
}

fn set(ids: &[u32]) -> Bitmap {
    Bitmap::from_ids(ids.iter().copied(), &mut NoTick).unwrap()
}

fn bytes(ids: &[u32]) -> Vec<u8> {
    set(ids).into_portable().unwrap()
}

fn oracle(ids: &[u32]) -> Oracle {
    ids.iter().copied().collect()
}

fn of_op(op: Op, a: &Oracle, b: &Oracle) -> Oracle {
    match op {
        Op::And => a & b,
        Op::Or => a | b,
        Op::Xor => a ^ b,
        Op::AndNot => a - b,
    }
}

fn content(b: &Bitmap) -> Vec<u32> {
    b.iter().collect()
}

/// Does what Postgres does with the answer of a transition function.
fn feed(
    state: &mut Option<Vec<u8>>,
    start: impl FnOnce() -> Vec<u8>,
    step: impl FnOnce(&mut [u8]) -> super::state::Change,
) {
    match state {
        None => *state = Some(start()),
        Some(s) => {
            if let Some(new) = step(s) {
                *state = Some(new);
            }
        }
    }
}

fn build(ids: &[u32]) -> Option<Vec<u8>> {
    let mut s = None;
    for &id in ids {
        feed(
            &mut s,
            || state::start_id(id).unwrap(),
            |s| state::push_id(s, id).unwrap(),
        );
    }
    s
}

fn fold(kind: Kind, sets: &[Vec<u32>]) -> Option<Vec<u8>> {
    let mut s = None;
    for ids in sets {
        let b = bytes(ids);
        feed(
            &mut s,
            || state::start_set(kind, &b).unwrap(),
            |s| state::push_set(s, kind, &b).unwrap(),
        );
    }
    s
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn algebra_is_that_of_sets(a in ids(), b in ids(), probe in any::<u32>()) {
        let (x, y, ox, oy) = (set(&a), set(&b), oracle(&a), oracle(&b));
        prop_assert_eq!(content(&x), ox.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!(x.len(), ox.len() as u64);
        prop_assert_eq!(x.is_empty(), ox.is_empty());
        for op in [Op::And, Op::Or, Op::Xor, Op::AndNot] {
            let want = of_op(op, &ox, &oy);
            prop_assert_eq!(x.cardinality_of(op, &y), want.len() as u64);
            let got = x.clone().apply(op, y.clone()).unwrap();
            prop_assert_eq!(content(&got), want.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(x.intersects(&y), !ox.is_disjoint(&oy));
            prop_assert!(x.clone().apply(Op::Or, y.clone()).unwrap().contains_all(&got));
        }
        check_ops(&a, &b);
        prop_assert_eq!(x.contains_all(&y), ox.is_superset(&oy));
        prop_assert_eq!(x.contains(probe), ox.contains(&probe));
        prop_assert_eq!(same(&bytes(&a), &bytes(&b)).unwrap(), ox == oy);
    }

    #[test]
    fn portable_and_text_round_trip(a in ids(), probes in proptest::collection::vec(any::<u32>(), 10)) {
        let b = set(&a);
        let bytes = b.clone().into_portable().unwrap();
        prop_assert_eq!(&Bitmap::from_portable(&bytes).unwrap(), &b);
        prop_assert_eq!(&parse(&to_text(&b, &mut NoTick).unwrap(), &mut NoTick).unwrap(), &b);
        let view = View::new(&bytes).unwrap();
        prop_assert_eq!(view.cardinality(), b.len());
        prop_assert_eq!(view.is_empty(), b.is_empty());
        check_view(&view, &b);
        for p in probes.iter().chain(&a) {
            for p in [*p, p.wrapping_add(1)] {
                prop_assert_eq!(view.contains(p).unwrap(), b.contains(p));
            }
        }
        // Another encoding of the same set: no run containers.
        let mut other = b.0.clone();
        other.remove_run_compression();
        let mut plain = Vec::new();
        other.serialize_into(&mut plain).unwrap();
        prop_assert!(same(&bytes, &plain).unwrap());
        check_view(&View::new(&plain).unwrap(), &b);
        prop_assert_eq!(Bitmap::from_portable(&plain).unwrap().into_portable().unwrap(), bytes);
    }

    #[test]
    fn built_like_a_set(a in proptest::collection::vec(any::<u32>(), 1..6000), narrow in 1..100_000u32, cut in any::<prop::sample::Index>()) {
        let a: Vec<u32> = a.iter().map(|x| x % narrow).collect();
        let want: Vec<u32> = oracle(&a).into_iter().collect();
        let whole = build(&a).unwrap();
        prop_assert_eq!(content(&state::finish(&whole).unwrap()), &want[..]);
        // One set, one encoding: that of the library after it looked for runs.
        prop_assert_eq!(super::state::finish::<super::state::Narrow>(&whole).unwrap(), set(&want).into_portable().unwrap());
        state::check(state::used(&whole).unwrap()).unwrap();
        let (l, r) = a.split_at(cut.index(a.len()));
        for (x, y) in [(build(l), build(r)), (build(r), build(l))] {
            let (Some(mut x), Some(y)) = (x, y) else { continue };
            let x = state::combine(&mut x, state::used(&y).unwrap()).unwrap().unwrap_or(x);
            prop_assert_eq!(content(&state::finish(&x).unwrap()), &want[..]);
        }
    }

    #[test]
    fn folded_like_sets(sets in proptest::collection::vec(ids(), 1..8), cut in any::<prop::sample::Index>()) {
        for (kind, op) in [(Kind::Or, Op::Or), (Kind::And, Op::And), (Kind::Xor, Op::Xor)] {
            let want = sets.iter().map(|s| oracle(s)).reduce(|a, b| of_op(op, &a, &b)).unwrap();
            let want: Vec<u32> = want.into_iter().collect();
            let whole = fold(kind, &sets).unwrap();
            prop_assert_eq!(content(&state::finish(&whole).unwrap()), &want[..]);
            state::check(state::used(&whole).unwrap()).unwrap();
            let (l, r) = sets.split_at(cut.index(sets.len()));
            for (x, y) in [(fold(kind, l), fold(kind, r)), (fold(kind, r), fold(kind, l))] {
                let (Some(mut x), Some(y)) = (x, y) else { continue };
                let x = state::combine(&mut x, state::used(&y).unwrap()).unwrap().unwrap_or(x);
                prop_assert_eq!(content(&state::finish(&x).unwrap()), &want[..]);
            }
        }
    }

    #[test]
    fn noise_is_refused_or_understood(noise in proptest::collection::vec(any::<u8>(), 0..200), runs in any::<bool>()) {
        let mut noise = noise;
        if let Some(cookie) = noise.first_chunk_mut::<4>() {
            *cookie = if runs { [0x3b, 0x30, 1, 0] } else { [0x3a, 0x30, 0, 0] };
        }
        survives(&noise);
        let mut forged = vec![1, 1 + noise.len() as u8 % 4, 0, 0];
        forged.extend(&noise);
        survives_as_state(&forged);
    }
}

/// The operations on bytes against sets of numbers, and against the library.
fn check_ops(a: &[u32], b: &[u32]) {
    let (x, y, ox, oy) = (bytes(a), bytes(b), oracle(a), oracle(b));
    // The same set without runs: another encoding.
    let mut plain = Vec::new();
    let mut without = set(a).0;
    without.remove_run_compression();
    without.serialize_into(&mut plain).unwrap();
    let (u, v) = (View::new(&x).unwrap(), View::new(&y).unwrap());
    let p = View::new(&plain).unwrap();
    for op in [Op::And, Op::Or, Op::Xor, Op::AndNot] {
        let want = of_op(op, &ox, &oy);
        let as_set = set(&want.iter().copied().collect::<Vec<_>>()).into_portable().unwrap();
        assert_eq!(ops::apply(op, &u, &v, &mut NoTick).unwrap(), as_set, "{op:?}");
        let got = ops::apply(op, &p, &v, &mut NoTick).unwrap();
        assert!(same(&got, &as_set).unwrap(), "{op:?} of another encoding");
        assert_eq!(ops::cardinality_of(op, &u, &v).unwrap(), want.len() as u64);
        assert_eq!(ops::cardinality_of(op, &p, &v).unwrap(), want.len() as u64);
        let own = View::new(&as_set).unwrap();
        assert!(
            op == Op::Xor
                || ops::contains_all(
                    &View::new(&ops::apply(Op::Or, &u, &v, &mut NoTick).unwrap()).unwrap(),
                    &own
                )
                .unwrap()
        );
    }
    assert_eq!(ops::intersects(&u, &v).unwrap(), !ox.is_disjoint(&oy));
    assert_eq!(ops::contains_all(&u, &v).unwrap(), ox.is_superset(&oy));
    assert!(ops::contains_all(&p, &u).unwrap() && ops::contains_all(&u, &p).unwrap());
    assert_eq!(ops::compare(&u, &v).unwrap(), ox.iter().cmp(oy.iter()));
    assert_eq!(ops::compare(&p, &v).unwrap(), ox.iter().cmp(oy.iter()));
    assert_eq!(ops::hash(&u, 7).unwrap() == ops::hash(&v, 7).unwrap(), ox == oy);
    assert_eq!(ops::hash(&p, 7).unwrap(), ops::hash(&u, 7).unwrap());
    assert_eq!(ops::compact(&p).unwrap(), x);
    assert_eq!(
        (u.min().unwrap(), u.max().unwrap()),
        (ox.first().copied(), ox.last().copied())
    );
    assert_eq!(
        (p.min().unwrap(), p.max().unwrap()),
        (ox.first().copied(), ox.last().copied())
    );
    let (own, rest) = View::prefix(&x).unwrap();
    assert_eq!((own.bytes(), rest.len()), (&x[..], 0));
    let mut most = 0;
    for probe in a.iter().chain(b).step_by(1 + (a.len() + b.len()) / 40).copied() {
        // Of a set that lies elsewhere only the header and one container are read.
        for bytes in [&x, &plain] {
            let mut read = 0;
            let mut pieces = Pieces::new(bytes.len(), |from, n| {
                read += n;
                Ok(bytes[from..(from + n).min(bytes.len())].to_vec())
            });
            assert_eq!(pieces.contains(probe).unwrap(), ox.contains(&probe));
            most = most.max(read);
            let mut pieces = Pieces::new(bytes.len(), |from, n| {
                Ok(bytes[from..(from + n).min(bytes.len())].to_vec())
            });
            assert_eq!(pieces.cardinality().unwrap(), ox.len() as u64);
            assert_eq!(pieces.is_empty().unwrap(), ox.is_empty());
            assert_eq!(
                (pieces.min().unwrap(), pieces.max().unwrap()),
                (u.min().unwrap(), u.max().unwrap())
            );
        }
        let want = ox.range(..=probe).count() as u64;
        assert_eq!((u.rank(probe).unwrap(), p.rank(probe).unwrap()), (want, want));
    }
    assert!(most <= 1900 + 8 + 8 * u.containers() + 4 * 8194, "{most} bytes read");
    for (skip, take) in [
        (0, 1),
        (1, 5),
        (ox.len() as u64 / 2, 4000),
        (ox.len() as u64, 1),
        (0, u64::MAX),
    ] {
        let want: Vec<u32> = ox
            .iter()
            .copied()
            .skip(skip as usize)
            .take(take.min(1 << 40) as usize)
            .collect();
        assert_eq!(ops::slice(&u, skip, take, &mut NoTick).unwrap(), bytes(&want));
    }
    for by in [0i64, 1, -1, 65_536, -65_537, 1 << 31, i64::MAX, i64::MIN, 1 - (1 << 32)] {
        let moved = ox.iter().map(|id| i128::from(*id) + i128::from(by));
        let want: Vec<u32> = moved.filter_map(|id| u32::try_from(id).ok()).collect();
        assert_eq!(ops::shift(&u, by, &mut NoTick).unwrap(), bytes(&want));
    }
}

#[test]
fn ranges_are_runs() {
    for (first, last) in [
        (0, 0),
        (5, 4),
        (0, u32::MAX),
        (65_535, 65_536),
        (70_000, 200_000),
        (u32::MAX, u32::MAX),
    ] {
        let mut want = RoaringBitmap::new();
        if first <= last {
            want.insert_range(first..=last);
        }
        assert_eq!(ops::range(first, last).unwrap(), Bitmap(want).into_portable().unwrap());
    }
}

/// A pass over the bytes gives the ids, one by one and as bits.
fn check_view(view: &View<'_>, b: &Bitmap) {
    let mut ids = Vec::new();
    let each = view.try_for_each(|id| {
        ids.push(id);
        Ok(())
    });
    assert_eq!((each, &ids), (Ok(()), &content(b)));
    let low: Vec<u32> = ids.iter().copied().filter(|id| *id < 1 << 24).collect();
    let low = set(&low).into_portable().unwrap();
    let low = View::new(&low).unwrap();
    let mut words = vec![0u64; low.words()];
    low.or_into(&mut words).unwrap();
    let bits = (0..words.len() as u32 * 64).filter(|i| words[*i as usize / 64] >> (i % 64) & 1 == 1);
    assert!(bits.eq(ids.iter().copied().filter(|id| *id < 1 << 24)));
    if low.words() > 0 {
        let mut short = vec![0u64; low.words() - 1];
        assert!(matches!(low.or_into(&mut short), Err(Error::Corrupt(_))));
    }
}

/// Bytes are refused, or they are a set that agrees with itself.
fn survives(bytes: &[u8]) {
    if let Ok(view) = View::new(bytes) {
        for id in [0, 1, 70_000, 65_536 * 3 + 5, u32::MAX] {
            let _ = view.contains(id);
        }
        let mut passed = 0;
        let _ = view.try_for_each(|_| {
            passed += 1;
            if passed < 1 << 20 {
                Ok(())
            } else {
                Err(Error::Cancelled)
            }
        });
        let mut words = vec![0u64; 4096];
        let _ = view.or_into(&mut words);
    }
    let Ok(b) = Bitmap::from_portable(bytes) else { return };
    b.0.internal_validate().unwrap();
    let ids: Vec<u32> = b.iter().collect();
    assert!(ids.is_sorted_by(|x, y| x < y));
    assert_eq!(ids.len() as u64, b.len());
    assert_eq!(b, set(&ids));
    let again = b.clone().into_portable().unwrap();
    assert_eq!(Bitmap::from_portable(&again).unwrap(), b);
    let view = View::new(&again).unwrap();
    assert_eq!(view.cardinality(), b.len());
    assert!(ids.iter().all(|id| view.contains(*id).unwrap()));
}

fn survives_as_state(bytes: &[u8]) {
    let checked = state::check(bytes);
    let finished = state::finish(bytes);
    if checked.is_ok() {
        let b = finished.unwrap();
        b.0.internal_validate().unwrap();
    }
    for kind in [Kind::Or, Kind::And, Kind::Xor] {
        let mut s = bytes.to_vec();
        let _ = state::push_set(&mut s, kind, &self::bytes(&[1, 2, 3]));
        let mut good = state::start_set(kind, &self::bytes(&[5])).unwrap();
        let _ = state::combine(&mut good, bytes);
    }
    let mut s = bytes.to_vec();
    let _ = state::push_id(&mut s, 7);
    let mut good = build(&[1]).unwrap();
    let _ = state::combine(&mut good, bytes);
}

#[test]
fn every_truncation_and_bit_flip_is_an_error_or_a_sound_set() {
    let dense: Vec<u32> = (0..5000).map(|i| i * 2).collect();
    let run: Vec<u32> = (10..200).chain(400..410).collect();
    let many: Vec<u32> = (0..5)
        .flat_map(|c| [c << 16, (c << 16) + 1, (c << 16) + 2, (c << 16) + 3])
        .collect();
    for ids in [vec![], vec![7], vec![1, 2, 3, 70_000, u32::MAX], run, many, dense] {
        let good = bytes(&ids);
        survives(&good);
        for n in 0..good.len() {
            assert!(
                Bitmap::from_portable(&good[..n]).is_err(),
                "cut to {n} of {}",
                good.len()
            );
        }
        let long = [&good[..], &[0]].concat();
        assert!(Bitmap::from_portable(&long).is_err());
        // Every bit of a small set, every bit of the header and some of the body of a large one.
        for byte in (0..good.len()).filter(|b| good.len() < 500 || *b < 64 || b % 97 == 0) {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[byte] ^= 1 << bit;
                survives(&bad);
            }
        }
    }
}

#[test]
fn states_survive_truncation_and_bit_flips() {
    let sets = [vec![1, 2, 3], vec![3, 4, 70_000], (0..300).collect()];
    let mut merged: Vec<u32> = (0..1500).map(|i| i * 3).collect();
    merged.extend(0..10);
    let states = [
        build(&[3, 1, 2]),
        build(&merged),
        fold(Kind::Or, &sets),
        fold(Kind::And, &sets),
        fold(Kind::Xor, &sets),
    ];
    for state in states.map(|s| state::used(&s.unwrap()).unwrap().to_vec()) {
        state::check(&state).unwrap();
        for n in 0..state.len() {
            assert!(state::check(&state[..n]).is_err());
            survives_as_state(&state[..n]);
        }
        assert!(state::check(&[&state[..], &[0]].concat()).is_err());
        for byte in (0..state.len()).filter(|b| *b < 64 || b % 13 == 0) {
            for bit in 0..8 {
                let mut bad = state.clone();
                bad[byte] ^= 1 << bit;
                survives_as_state(&bad);
            }
        }
    }
}

#[test]
fn a_declared_size_is_not_allocated() {
    // 65,536 containers, 4 billion containers, and none of their bytes.
    for bytes in [
        &[0x3a, 0x30, 0, 0, 0, 0, 1, 0][..],
        &[0x3a, 0x30, 0, 0, 0xff, 0xff, 0xff, 0xff],
        &[0x3b, 0x30, 0xff, 0xff],
        &[0x3b, 0x30, 0xff, 0xff, 0xff, 0xff],
    ] {
        assert!(matches!(View::new(bytes), Err(Error::Corrupt(_))));
        assert!(matches!(Bitmap::from_portable(bytes), Err(Error::Corrupt(_))));
    }
}

#[test]
fn states_of_different_aggregates_do_not_mix() {
    let b = bytes(&[1]);
    let mut or = state::start_set(Kind::Or, &b).unwrap();
    let and = state::start_set(Kind::And, &b).unwrap();
    assert!(matches!(state::combine(&mut or, &and), Err(Error::Corrupt(_))));
    assert!(matches!(
        state::push_set(&mut or, Kind::Xor, &b),
        Err(Error::Corrupt(_))
    ));
    assert!(matches!(state::push_id(&mut or, 1), Err(Error::Corrupt(_))));
}

#[test]
fn a_state_stays_in_place_most_of_the_time() {
    let mut moves = 0;
    let mut s = state::start_id(0).unwrap();
    let rows = 200_000u32;
    for i in 1..rows {
        let id = i.wrapping_mul(2_654_435_761) >> 12;
        if let Some(new) = state::push_id(&mut s, id).unwrap() {
            s = new;
            moves += 1;
        }
    }
    assert!(moves < 60, "{moves} new buffers");
    let mut few = state::start_id(0).unwrap();
    moves = 0;
    for i in 1..rows {
        if let Some(new) = state::push_id(&mut few, i % 100).unwrap() {
            few = new;
            moves += 1;
        }
    }
    assert!(moves < 20, "{moves} new buffers for a small set");
    assert_eq!(state::finish(&few).unwrap().len(), 100);
}

#[test]
fn text_is_signed_in_unsigned_order() {
    let b = parse(" { -1, 5 ,5,-2147483648,2147483647, 0 } ", &mut NoTick).unwrap();
    assert_eq!(to_text(&b, &mut NoTick).unwrap(), "{0,5,2147483647,-2147483648,-1}");
    assert_eq!(to_text(&parse("{ }", &mut NoTick).unwrap(), &mut NoTick).unwrap(), "{}");
    for (bad, at) in [
        ("", 1),
        ("{", 2),
        ("{1", 3),
        ("{1} x", 5),
        ("{1,}", 4),
        ("{,}", 2),
        ("{1x}", 3),
        ("{1, 2147483648}", 5),
        ("{1;2}", 3),
        ("{é}", 2),
    ] {
        match parse(bad, &mut NoTick) {
            Err(Error::Syntax { position, hint, .. }) => assert_eq!((position, hint.is_some()), (at, true), "{bad}"),
            other => panic!("{bad}: {other:?}"),
        }
    }
}

#[test]
fn runs_are_stored_as_runs() {
    let all = Bitmap::from_ids(0..100_000, &mut NoTick)
        .unwrap()
        .into_portable()
        .unwrap();
    assert!(all.len() < 40, "{} bytes", all.len());
}

#[test]
fn long_work_can_be_cancelled() {
    struct After(usize);
    impl Tick for After {
        fn tick(&mut self) -> Result<()> {
            self.0 = self.0.checked_sub(1).ok_or(Error::Cancelled)?;
            Ok(())
        }
    }
    let ids = || (0..200_000u32).map(|i| i * 3);
    assert_eq!(Bitmap::from_ids(ids(), &mut After(20)), Err(Error::Cancelled));
    let b = Bitmap::from_ids(ids(), &mut After(60)).unwrap();
    assert_eq!(to_text(&b, &mut After(20)), Err(Error::Cancelled));
    let text = to_text(&b, &mut After(60)).unwrap();
    assert_eq!(parse(&text, &mut After(20)), Err(Error::Cancelled));
    assert_eq!(parse(&text, &mut After(60)), Ok(b));
}
