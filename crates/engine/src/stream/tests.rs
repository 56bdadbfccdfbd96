use super::*;
use crate::tick::NoTick;
use proptest::prelude::*;

/// Numbers of the events "b", "d", "a", "c", in the order of their names.
const SORTED: [u32; 4] = [7, 2, 9, 4];

fn ranks() -> Ranks {
    Ranks::new(&SORTED).unwrap()
}

type Ev = (u32, i32, u32, u32);

/// Users around the borders of parts, few days, times that tie.
fn event() -> impl Strategy<Value = Ev> {
    let user = prop_oneof![0u32..4, 65_534u32..65_538, 200_000u32..200_002];
    let ms = prop_oneof![0u32..4, 0u32..90_000_000];
    (user, 19_000i32..19_003, ms, prop::sample::select(SORTED.to_vec()))
}

/// The obvious form of the stream: all events sorted, as (part, day, user, ms, event).
fn obvious(events: &[Ev]) -> Vec<(u32, i32, u32, u32, u32)> {
    let order = |e: u32| SORTED.iter().position(|x| *x == e).unwrap();
    let mut all: Vec<_> = events.iter().filter(|e| e.0 != 0).copied().collect();
    all.sort_by_key(|(u, d, ms, e)| (u >> 16, *d, *u, *ms, order(*e)));
    all.into_iter().map(|(u, d, ms, e)| (u >> 16, d, u, ms, e)).collect()
}

fn parts(events: &[Ev]) -> Vec<((u32, i32), Part)> {
    let ranks = ranks();
    let mut b = Builder::new(&ranks, usize::MAX);
    events.iter().for_each(|(u, d, ms, e)| b.push(*u, *d, *ms, *e).unwrap());
    let sorted = b.finish(&mut NoTick).unwrap();
    let part = |s: &Sorted| {
        let mut p = Part::default();
        s.part(&ranks, &mut p).unwrap();
        p
    };
    sorted.iter().map(|(place, s)| (*place, part(s))).collect()
}

/// A part spelled out, event by event.
fn spelled((part, day): (u32, i32), p: &Part) -> Vec<(u32, i32, u32, u32, u32)> {
    let mut rows = p.events.iter().zip(&p.times);
    let mut out = Vec::new();
    for (u, n) in p.users.iter().zip(&p.lengths) {
        let mut at = 0;
        for (k, (e, t)) in rows.by_ref().take(*n as usize).enumerate() {
            assert_eq!(k == 0, t & FIRST != 0);
            at = if k == 0 { t ^ FIRST } else { at + t };
            out.push((part, day, part << PART_BITS | u, at, *e));
        }
    }
    out
}

proptest! {
    #[test]
    fn builder_sorts(events in prop::collection::vec(event(), 0..80)) {
        let got: Vec<_> = parts(&events).iter().flat_map(|(place, p)| spelled(*place, p)).collect();
        prop_assert_eq!(got, obvious(&events));
    }

    #[test]
    fn what_was_encoded_is_decoded(events in prop::collection::vec(event(), 0..600), users: bool, times: bool, names: bool) {
        for (_, part) in parts(&events) {
            let buffers = encode(&part).unwrap();
            let mut all = Part::default();
            decode(&buffers, Columns::ALL, &mut all).unwrap();
            prop_assert_eq!(&all, &part);
            let some = Columns { users, times, events: names };
            decode(&buffers, some, &mut all).unwrap();
            prop_assert_eq!(&all.users, if users { &part.users } else { &part.events[..0] });
            prop_assert_eq!(&all.times, if times { &part.times } else { &part.events[..0] });
            prop_assert_eq!(&all.events, if names { &part.events } else { &part.events[..0] });
        }
    }

    /// Bytes with a right checksum and wrong contents are refused or decode to something that keeps the promises.
    #[test]
    fn garbage_keeps_the_promises(n in 0usize..600, payload in prop::collection::vec(any::<u8>(), 0..60), flags in 0u8..2) {
        use crate::codec::frame::{Codec, seal};
        let seal = |c| seal(c, flags, n, &payload).unwrap();
        let buffers = Buffers {
            n,
            users: seal(Codec::StreamUsers),
            times: seal(Codec::StreamTimes),
            events: seal(Codec::StreamEvents),
        };
        let none = Columns { users: false, times: false, events: false };
        for columns in [Columns { users: true, ..none }, Columns { times: true, ..none }, Columns { events: true, ..none }] {
            let mut p = Part::default();
            if decode(&buffers, columns, &mut p).is_ok() {
                prop_assert_eq!(flags, 0);
                prop_assert!(!columns.users || p.lengths.iter().sum::<u32>() as usize == n);
                prop_assert!(!columns.times || p.times.len() == n && p.times.iter().all(|t| *t < FIRST << 1));
                prop_assert!(!columns.events || p.events.len() == n);
            }
        }
    }

    #[test]
    fn damage_is_noticed(events in prop::collection::vec(event(), 1..60), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        for (_, part) in parts(&events) {
            let good = encode(&part).unwrap();
            for column in 0..3 {
                let mut bad = good.clone();
                let bytes = [&mut bad.users, &mut bad.times, &mut bad.events];
                let bytes = bytes.into_iter().nth(column).unwrap();
                let i = at.index(bytes.len());
                bytes[i] ^= 1 << bit;
                prop_assert!(decode(&bad, Columns::ALL, &mut Part::default()).is_err());
            }
        }
    }

    /// Moving what was merged equals building under the users that everybody stands for.
    #[test]
    fn merged_identities_equal_building(
        events in prop::collection::vec(event(), 0..80),
        links in prop::collection::btree_map(prop_oneof![1u32..4, 65_534u32..65_538, 200_000u32..200_002], 65_535u32..65_540, 0..5),
    ) {
        let table = crate::identity::table(&links.iter().map(|(a, b)| (*a, *b)).filter(|(a, b)| a < b).collect::<Vec<_>>()).unwrap();
        let user = |u: u32| table.get(u as usize).copied().unwrap_or(u);
        let ranks = ranks();
        let mut merged = Merged::new(&ranks, &table, usize::MAX);
        for ((part, day), p) in parts(&events) {
            merged.push(part, day, &p, &mut NoTick).unwrap();
        }
        let mut got = Vec::new();
        for (place, sorted) in merged.finish(&mut NoTick).unwrap() {
            let mut p = Part::default();
            sorted.part(&ranks, &mut p).unwrap();
            got.extend(spelled(place, &p));
        }
        let under: Vec<Ev> = events.iter().map(|(u, d, ms, e)| (user(*u), *d, *ms, *e)).collect();
        prop_assert_eq!(got, obvious(&under));
    }

    /// Merging equals building from all rows, unless a row that has an insert id meets its like.
    #[test]
    fn merge_equals_building(
        events in prop::collection::vec((0u32..3, Just(19_000i32), 0u32..6, prop::sample::select(SORTED.to_vec())), 0..30),
        more in prop::collection::vec(((0u32..4, Just(19_000i32), 0u32..6, prop::sample::select(SORTED.to_vec())), any::<bool>()), 0..12),
    ) {
        let ranks = ranks();
        let stored = parts(&events).pop().map(|(_, p)| p).unwrap_or_default();
        let mut extra: Vec<Extra> = more
            .iter()
            .filter(|((u, ..), _)| *u != 0)
            .map(|((u, _, ms, e), hashed)| Extra::new(*u, *ms, *e, *hashed, &ranks).unwrap())
            .collect();
        extra.sort_unstable();
        let suspect = more.iter().any(|(e, hashed)| *hashed && e.0 != 0 && events.contains(e));
        let merged = merge(&stored, &extra, &ranks, &mut NoTick).unwrap();
        prop_assert_eq!(merged.is_none(), suspect);
        if let Some(sorted) = merged {
            let mut got = Part::default();
            sorted.part(&ranks, &mut got).unwrap();
            let all: Vec<Ev> = events.iter().copied().chain(more.iter().map(|(e, _)| *e)).collect();
            let want = parts(&all).pop().map(|(_, p)| p).unwrap_or_default();
            prop_assert_eq!(got, want);
        }
    }
}

#[test]
fn nonsense_is_not_encoded() {
    let good = parts(&[(1, 19_000, 5, 7), (1, 19_000, 9, 7), (2, 19_000, 1, 2)])
        .pop()
        .unwrap()
        .1;
    encode(&good).unwrap();
    let mut bad = vec![good.clone(); 5];
    bad[0].users.reverse();
    bad[1].lengths = vec![3, 0];
    bad[2].times[0] ^= FIRST;
    bad[3].events.pop();
    bad[4].users[1] = 1 << PART_BITS;
    for b in bad {
        assert!(encode(&b).is_err());
    }
}

#[test]
fn an_unknown_event_is_corrupt() {
    let ranks = ranks();
    let mut b = Builder::new(&ranks, usize::MAX);
    assert!(b.push(1, 0, 0, 3).is_err());
    assert!(b.push(1, 0, 0, 300).is_err());
    assert!(b.push(1, 0, FIRST, 7).is_err());
}

#[test]
fn memory_is_bounded() {
    let ranks = ranks();
    let mut b = Builder::new(&ranks, 1000);
    let grown = (0..1000).try_for_each(|i| b.push(1, 0, i, 7));
    assert!(matches!(grown, Err(Error::Limit { .. })));
}
