use super::*;
use crate::gather::time_of;
use crate::partial::Tag;
use crate::tick::NoTick;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn subjects() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 1u32..40, 2 => 1u32..100_000, 1 => any::<u32>().prop_map(|s| s.max(1))]
}

#[test]
fn every_subject_is_a_place_of_its_own() {
    for (bits, block) in [(LEAST_BITS, LEAST_BLOCK_BITS), (LEAST_BITS, 11), (9, 6), (16, 16)] {
        let spread = Spread { bits, block };
        for no in (0..1u64 << 32).step_by(9_973).map(|n| n as u32).chain([u32::MAX]) {
            let at = spread.partition(no);
            assert!(at < spread.partitions());
            match spread.local(no) {
                Some(local) => assert_eq!(spread.subject(at, local), no),
                None => assert!(bits < 16 && u64::from(no) >> (16 + bits) > 0),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn every_event_is_visited_once_by_subject_in_order_of_time(
        all in prop::collection::vec((subjects(), 0i64..30, 0u32..4, 1usize..60), 0..120),
        threads in 1usize..4, most in prop_oneof![Just(0u32), Just(100_000), Just(u32::MAX)], mixed in any::<bool>(), in_runs in any::<bool>(),
    ) {
        let mut budget = Budget::new(usize::MAX);
        let mut a = Postings::default();
        let mut b = if mixed { Postings::for_subjects(most, in_runs, &mut budget).unwrap() } else { Postings::default() };
        let mut oracle: BTreeMap<u32, Vec<(i64, u32)>> = BTreeMap::new();
        for (i, (s, t, tag, times)) in all.iter().enumerate() {
            let into = if i % 3 == 0 { &mut a } else { &mut b };
            for k in 0..*times {
                let t = (t + k as i64 * 7) % 30 - 15;
                into.push(*s, pack(t, *tag).unwrap(), &mut budget).unwrap();
                oracle.entry(*s).or_default().push((t, *tag));
                let (no, last) = into.last_mut().unwrap();
                prop_assert_eq!((no, *last), (*s, pack(t, *tag).unwrap()));
            }
        }
        let mut column: Vec<u32> = all.iter().flat_map(|(s, _, _, times)| vec![s - 1; *times]).collect();
        column.sort_unstable();
        let times: Vec<i64> = (0..column.len() as i64).map(|i| i * 13 % 30 - 15).collect();
        b.push_rows(&column, &times, 3, &mut budget, &mut NoTick).unwrap();
        for (s, t) in column.iter().zip(&times).filter(|(s, _)| **s != 0) {
            oracle.entry(*s).or_default().push((*t, 3));
        }
        let mut w = Writer::new(Tag::Retention, 0).unwrap();
        b.encode(&mut w).unwrap();
        let bytes = w.finish().unwrap();
        let mut r = Reader::new(Tag::Retention, &bytes).unwrap();
        let mut copy = Postings::decode(&mut r, &mut budget, |tag| tag < 4).unwrap();
        r.finish().unwrap();
        copy.append(a.clone(), &mut budget).unwrap();
        a.append(b, &mut budget).unwrap();
        a.retag(&[0, 2, 1, 3]);
        a.retag(&[0, 2, 1, 3]);
        oracle.values_mut().for_each(|v| v.sort_unstable());
        prop_assert_eq!(a.len(), oracle.values().map(Vec::len).sum::<usize>());
        let wanted: BTreeMap<_, _> = oracle.into_iter().filter(|(_, v)| v.iter().any(|(_, tag)| *tag == 0)).collect();
        for p in [a, copy] {
            let visit = |found: &mut BTreeMap<u32, Vec<(i64, u32)>>, no: u32, events: &[u64]| {
                let events = events.iter().map(|e| (time_of(*e), tag_of(*e))).collect();
                assert!(found.insert(no, events).is_none());
                Ok(())
            };
            let workers = Workers::new(threads, 0);
            let walked = p.walk(&workers, |e| tag_of(e) == 0, usize::MAX, &mut NoTick, || Ok(BTreeMap::new()), visit);
            let mut found = BTreeMap::new();
            for (no, events) in walked.unwrap().into_iter().flatten() {
                prop_assert!(found.insert(no, events).is_none());
            }
            prop_assert_eq!(&found, &wanted);
        }
    }
}

#[test]
fn parts_hold_every_subject_once() {
    let mut budget = Budget::new(usize::MAX);
    for of in [1, 2, 7] {
        let mut found = Vec::new();
        for part in Part::all(of) {
            let mut p = Postings::for_subjects(100_000, true, &mut budget).unwrap().only(part);
            let column: Vec<u32> = (0..50_000).step_by(3).collect();
            p.push_rows(&column, &vec![7; column.len()], 1, &mut budget, &mut NoTick)
                .unwrap();
            for no in (100_000..200_000).step_by(17) {
                p.push(no, pack(3, 0).unwrap(), &mut budget).unwrap();
            }
            found.extend(p.iter().map(|(no, _)| no));
        }
        found.sort_unstable();
        let wanted: Vec<u32> = (3..50_000).step_by(3).chain((100_000..200_000).step_by(17)).collect();
        assert_eq!(found, wanted, "{of} parts");
    }
}

#[test]
fn memory_is_counted() {
    let mut budget = Budget::new(1 << 20);
    let mut p = Postings::default();
    let grown = (0..200_000u32).try_for_each(|i| p.push(1 + i % 5000, u64::from(i), &mut budget));
    assert!(matches!(grown, Err(Error::Limit { hint: Some(_), .. })));
    assert!(p.len() > 60_000, "{}", p.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn only_wanted_events_are_visited(
        all in prop::collection::vec((subjects(), 0i64..30), 0..300), threads in 1usize..4, from in 0i64..40,
    ) {
        let mut budget = Budget::new(usize::MAX);
        let mut p = Postings::for_subjects(100_000, true, &mut budget).unwrap();
        // Of every third subject nothing is wanted, of the next all, of the others what is late enough.
        let since = |no: u32| match no % 3 {
            0 => i64::MAX,
            1 => i64::MIN,
            _ => from,
        };
        let mut oracle: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
        for (no, t) in &all {
            p.push(*no, pack(*t, 1).unwrap(), &mut budget).unwrap();
            // What is beyond the expected is not sifted.
            if p.spread.local(*no).is_none() || *t >= since(*no) {
                oracle.entry(*no).or_default().push(*t);
            }
        }
        oracle.values_mut().for_each(|v| v.sort_unstable());
        let walked = p.walk_sifted(
            &Workers::new(threads, 0), |_| true, usize::MAX, &mut NoTick, || Ok(BTreeMap::new()),
            |_, partition: Partition, wanted, _| {
                let since = (0..partition.subjects()).map(|local| since(partition.subject(local)));
                *wanted = since.map(crate::gather::earliest_from).collect();
                let rows = || partition.pages().flat_map(|(locals, events)| locals.iter().zip(events));
                let some = rows().any(|(local, e)| *e >= wanted[usize::from(*local)]);
                Ok(if some { Wanted::From } else { Wanted::Nothing })
            },
            |found, no, events, _| {
                assert!(found.insert(no, events.iter().map(|e| time_of(*e)).collect::<Vec<_>>()).is_none());
                Ok(())
            },
        );
        let mut found = BTreeMap::new();
        walked.unwrap().into_iter().for_each(|more| found.extend(more));
        prop_assert_eq!(found, oracle);
    }
}

proptest! {
    #[test]
    fn runs_hold_every_event_with_its_tag(
        steps in prop::collection::vec((0u32..5, prop::collection::vec(1u32..40_000, 1..300), any::<bool>(), any::<bool>()), 0..60),
        in_runs in any::<bool>(),
    ) {
        let mut budget = Budget::new(usize::MAX);
        let make = |budget: &mut Budget| Postings::for_subjects(40_000, in_runs, budget).unwrap();
        let (mut a, mut b) = (make(&mut budget), make(&mut budget));
        for (tag, mut subjects, other, changed) in steps {
            let into = if other { &mut b } else { &mut a };
            subjects.sort_unstable();
            let times: Vec<i64> = (0..subjects.len() as i64).collect();
            into.push_rows(&subjects, &times, tag, &mut budget, &mut NoTick).unwrap();
            if changed {
                into.push(7, pack(0, tag).unwrap(), &mut budget).unwrap();
                *into.last_mut().unwrap().1 = pack(1, 4 - tag).unwrap();
            }
        }
        b.retag(&[4, 2, 0, 1, 3]);
        a.append(b, &mut budget).unwrap();
        for number in 0..a.spread.partitions() {
            let p = Partition { postings: &a, number };
            for (tag, _, events) in p.runs() {
                prop_assert!(tag.is_none_or(|tag| events.iter().all(|e| tag_of(*e) == tag)));
            }
            let rows = |locals: &[u16], events: &[u64]| locals.iter().copied().zip(events.iter().copied()).collect::<Vec<_>>();
            let all: Vec<_> = p.pages().flat_map(|(l, e)| rows(l, e)).collect();
            prop_assert_eq!(p.runs().flat_map(|(_, l, e)| rows(l, e)).collect::<Vec<_>>(), all);
        }
    }
}
