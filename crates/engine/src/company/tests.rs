use super::*;
use crate::gather::testing::*;
use crate::tick::NoTick;
use crate::time::HOUR_MS;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn figures(plan: &Plan, chunks: &[Vec<Ev>]) -> Figures {
    let partials = chunks.iter().map(|events| {
        let (chunk, _) = chunk_of(events, 1, COMPANY, &None);
        let mut k = Kernel::new(plan, Part::WHOLE);
        k.push(&chunk, &Mask::all(events.len()), &mut NoTick).unwrap();
        k.finish()
    });
    let all = partials.reduce(|a, b| a.merge(b).unwrap()).unwrap();
    finish(plan, all, &Workers::serial(), &mut NoTick).unwrap()
}

#[test]
fn a_company_with_four_kinds_of_users() {
    let noon = |d: i64, user: u32| Ev::new(d * DAY_MS + 12 * HOUR_MS, 1, user, &[1]);
    // As of the end of day 100: 1 came on day 90 and was back the day after; 2 is here since day 1; 3 was away since day 1;
    // 4 was last seen on day 60.
    let events = [
        noon(90, 1),
        noon(91, 1),
        noon(1, 2),
        noon(70, 2),
        noon(99, 2),
        noon(1, 3),
        noon(100, 3),
        noon(60, 4),
    ];
    let other = Ev::new(100 * DAY_MS, 1, 9, &[2]);
    let plan = Plan::new(&Calendar::utc(), COMPANY, 1, 100, None, 1 << 20).unwrap();
    let f = figures(&plan, &[events.to_vec(), vec![other]]);
    assert_eq!((f.dau, f.wau, f.mau, f.events), (1, 2, 3, 4));
    assert_eq!((f.new, f.retained, f.resurrected, f.dormant), (1, 1, 1, 1));
    assert_eq!(
        (f.day_1, f.week_1),
        (Share { of: 4, kept: 1 }, Share { of: 3, kept: 0 })
    );
    // User 2 was back 69 days after its first event, which is too late; of user 4 the time is not over.
    assert_eq!(f.month_1, Share { of: 2, kept: 0 });
}

proptest! {
    #[test]
    fn agrees_with_the_words(
        drawn in prop::collection::vec((0i64..24 * 130, 0u32..7, groups()), 0..60), day in 60i32..130, remap in remaps(),
        dealt in prop::collection::vec(0usize..4, 1..40),
    ) {
        let events: Vec<Ev> = drawn.iter().map(|(h, user, c)| Ev::new(h * HOUR_MS, 1, *user, c)).collect();
        let plan = Plan::new(&Calendar::utc(), COMPANY, 1, day, remap.as_deref(), 1 << 20).unwrap();
        let end = (i64::from(day) + 1) * DAY_MS;
        let mut users: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
        for e in events.iter().filter(|e| e.companies.contains(&1) && e.t < end) {
            users.entry(e.canonical_user(remap.as_deref())).or_default().push(e.t);
        }
        users.remove(&0);
        let mut f = Figures::default();
        for times in users.values() {
            let first = *times.iter().min().unwrap();
            let within = |from: i64, to: i64| times.iter().filter(|t| **t >= from && **t < to).count() as u64;
            let last = |from: i64, to: i64| within(end - from * DAY_MS, end - to * DAY_MS);
            f.dau += u64::from(last(1, 0) > 0);
            f.wau += u64::from(last(7, 0) > 0);
            f.mau += u64::from(last(30, 0) > 0);
            f.events += last(30, 0);
            let new = first >= end - 30 * DAY_MS;
            match (last(30, 0) > 0, last(60, 30) > 0) {
                (true, _) if new => f.new += 1,
                (true, true) => f.retained += 1,
                (true, false) => f.resurrected += 1,
                (false, true) => f.dormant += 1,
                _ => {}
            }
            for (share, from, to) in [(&mut f.day_1, 1, 2), (&mut f.week_1, 7, 14), (&mut f.month_1, 30, 60)] {
                if first + to * DAY_MS <= end {
                    share.of += 1;
                    share.kept += u64::from(within(first + from * DAY_MS, first + to * DAY_MS) > 0);
                }
            }
        }
        let read: Vec<Vec<Ev>> = deal(&events, &dealt).into_iter().map(|c| c.into_iter().filter(|e| e.t < end).collect()).collect();
        prop_assert_eq!(figures(&plan, &read), f);
    }
}
