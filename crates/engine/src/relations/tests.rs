use super::*;
use crate::gather::testing::*;
use crate::tick::NoTick;
use proptest::prelude::*;
use std::collections::BTreeMap;

proptest! {
    #[test]
    fn agrees_with_looking_at_every_event(
        drawn in prop::collection::vec((0i64..99, 0u32..7, groups(), groups()), 0..40),
        of in prop::sample::select(vec![USER, COMPANY, TEAM]), no in 1u32..5, remap in remaps(),
        dealt in prop::collection::vec(0usize..4, 1..40),
    ) {
        let events: Vec<Ev> = drawn.iter().map(|(t, user, c, teams)| Ev { teams: teams.clone(), ..Ev::new(*t, 1, *user, c) }).collect();
        let canonical = |u: u32| canonical(remap.as_deref(), USER, u);
        let subjects: Vec<u32> = match of {
            USER => (1..8).filter(|u| canonical(*u) == no).collect(),
            _ => vec![no],
        };
        let others: Vec<Kind> = [USER, COMPANY, TEAM].into_iter().filter(|k| *k != of).collect();
        let plan = Plan { of, subjects: &subjects, others: others.clone(), remap: remap.as_deref(), memory_limit: 1 << 20 };
        let mut all: Option<Partial> = None;
        for events in deal(&events, &dealt) {
            let (chunk, _) = chunk_of(&events, 1, of, &None);
            let mut k = Kernel::new(&plan);
            k.push(&chunk, &Mask::all(events.len()), &mut NoTick).unwrap();
            let part = k.finish();
            all = Some(match all {
                None => part,
                Some(a) => a.merge(part).unwrap(),
            });
        }
        let mut expected: BTreeMap<(Kind, u32), Together> = BTreeMap::new();
        for e in events.iter().filter(|e| e.subjects(of, &None, remap.as_deref()).contains(&no)) {
            for kind in &others {
                for other in e.subjects(*kind, &None, remap.as_deref()) {
                    let t = expected.entry((*kind, other)).or_insert(Together { events: 0, first: e.t, last: e.t });
                    *t = Together { events: t.events + 1, first: t.first.min(e.t), last: t.last.max(e.t) };
                }
            }
        }
        let expected: Vec<_> = expected.into_iter().map(|((k, n), t)| (k, n, t)).collect();
        prop_assert_eq!(all.unwrap().finish().unwrap(), expected);
    }
}
