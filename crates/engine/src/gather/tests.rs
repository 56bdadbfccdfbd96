use super::testing::*;
use super::*;
use crate::tick::NoTick;
use std::collections::BTreeSet;

use proptest::prelude::*;

fn events() -> impl Strategy<Value = Vec<Ev>> {
    let ev = (0i64..50, 0u128..8, 0u32..8, groups(), groups());
    let ev = ev.prop_map(|(t, mask, user, companies, teams)| Ev {
        teams,
        ..Ev::new(t, mask, user, &companies)
    });
    prop::collection::vec(ev, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn every_event_of_a_subject_comes_once_with_all_it_matches(
        events in events(), by in 0u16..4, selectors in 1usize..4, only in filters(), remap in remaps(),
    ) {
        let (chunk, hits) = chunk_of(&events, selectors, by, &only);
        let mut found = Vec::new();
        for_each_event(&chunk, by, &hits, remap.as_deref(), &mut NoTick, |row, no, mask| {
            found.push((row, no, mask));
            Ok(())
        }).unwrap();
        found.sort_unstable();
        let mut wanted = Vec::new();
        for (row, e) in events.iter().enumerate() {
            let mask = e.mask & ((1 << selectors) - 1);
            let subjects = if by == 3 { BTreeSet::new() } else { e.subjects(by, &only, remap.as_deref()) };
            wanted.extend(subjects.into_iter().filter(|_| mask != 0).map(|no| (row, no, mask)));
        }
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn every_row_comes_with_its_subjects(events in events(), by in 0u16..4, only in filters(), remap in remaps()) {
        let (chunk, hits) = chunk_of(&events, 1, by, &only);
        let mut found = Vec::new();
        for_each_row(&chunk, by, &hits[0], remap.as_deref(), &mut NoTick, |row, subjects| {
            found.push((row, subjects.iter().copied().collect::<BTreeSet<u32>>(), subjects.len()));
            Ok(())
        }).unwrap();
        let mut wanted = Vec::new();
        for (row, e) in events.iter().enumerate().filter(|(_, e)| e.mask & 1 == 1) {
            let subjects = if by == 3 { BTreeSet::new() } else { e.subjects(by, &only, remap.as_deref()) };
            if by == USER || !subjects.is_empty() {
                let n = subjects.len();
                wanted.push((row, subjects, n));
            }
        }
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn the_bucket_finder_finds_what_buckets_find(
        steps in prop::collection::vec(1i64..1000, 1..30), clip in 0i64..500, ts in prop::collection::vec(-100i64..20_000, 1..50),
    ) {
        let mut starts: Vec<i64> = steps.iter().scan(0, |t, s| { *t += s; Some(*t) }).collect();
        let first = starts[0].max(starts[0] + clip.min(steps.get(1).copied().unwrap_or(1) - 1));
        starts[0] = first;
        let range = Span64 { from: first, to: starts[starts.len() - 1] + 700 };
        let buckets = crate::time::Buckets { labels: starts.clone(), starts: starts.clone(), range };
        let mut finder = BucketFinder::new(&starts, range);
        for t in ts {
            prop_assert_eq!(finder.of(t), buckets.of(t));
        }
    }
}

#[test]
fn packed_events_keep_time_and_tag() {
    for t in [-(1i64 << 43), -1, 0, 1_700_000_000_000, (1 << 43) - 1] {
        let e = pack(t, 1_048_575).unwrap();
        assert_eq!((time_of(e), tag_of(e)), (t, 1_048_575));
    }
    assert!(pack(1 << 43, 0).is_err());
    assert!(pack(i64::MIN, 0).is_err());
    assert!(pack(0, 1 << 20).is_err());
}

#[test]
fn cancelling_stops_the_loops() {
    struct Stop;
    impl Tick for Stop {
        fn tick(&mut self) -> Result<()> {
            Err(Error::Cancelled)
        }
    }
    let events: Vec<Ev> = (0..5000).map(|i| Ev::new(i, 3, 1, &[1])).collect();
    for by in [USER, COMPANY] {
        let (chunk, hits) = chunk_of(&events, 2, by, &None);
        let all = |_: usize, _: u32, _: u128| Ok(());
        assert_eq!(
            for_each_event(&chunk, by, &hits, None, &mut Stop, all),
            Err(Error::Cancelled)
        );
        assert_eq!(
            for_each_row(&chunk, by, &hits[0], None, &mut Stop, |_, _| Ok(())),
            Err(Error::Cancelled)
        );
        assert_eq!(
            try_for_each_subject(&chunk, by, &hits[0], None, &mut Stop, |_, _| Ok(())),
            Err(Error::Cancelled)
        );
    }
}
