use super::*;
use crate::chunk::USER;
use crate::gather::testing::*;
use crate::tick::NoTick;
use crate::time::DAY_MS;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn gather(plan: &Plan, events: &[Ev], only: &Option<BTreeSet<u32>>) -> Partial {
    let mut k = Kernel::new(plan).unwrap();
    let (chunk, hits) = chunk_of(events, 1, plan.by, only);
    k.push(&chunk, &hits[0], &mut NoTick).unwrap();
    k.finish()
}

fn counts(rows: &[Row]) -> Vec<[u64; 4]> {
    rows.chunks(4)
        .map(|r| [r[0].count, r[1].count, r[2].count, r[3].count])
        .collect()
}

#[test]
fn a_company_comes_stays_leaves_and_comes_back() {
    let day = |d: i64, company: u32| Ev::new(utc("2024-01-01T12:00:00") + d * DAY_MS, 1, 7, &[company]);
    // Company 1 on days 0, 1, 3; company 2 on days 0 and 2; company 3 long ago, the day before, and on day 0.
    let events = [
        day(0, 1),
        day(1, 1),
        day(3, 1),
        day(0, 2),
        day(2, 2),
        day(-40, 3),
        day(-1, 3),
        day(0, 3),
    ];
    let range = (super::tests::day("2024-01-01"), super::tests::day("2024-01-04"));
    let plan = Plan::new(COMPANY, &Calendar::utc(), Unit::Day, range, None, 1 << 20).unwrap();
    let rows = finish(&plan, gather(&plan, &events, &None), &mut NoTick).unwrap();
    // new, retained, resurrected, dormant
    assert_eq!(counts(&rows), [[2, 1, 0, 0], [0, 1, 0, 2], [0, 0, 1, 1], [0, 0, 1, 1]]);
    assert_eq!(rows[0].bucket, utc("2024-01-01T00:00:00"));
    // By user it is one that never pauses.
    let plan = Plan::new(USER, &Calendar::utc(), Unit::Day, range, None, 1 << 20).unwrap();
    let rows = finish(&plan, gather(&plan, &events, &None), &mut NoTick).unwrap();
    assert_eq!(counts(&rows), [[0, 1, 0, 0]; 4]);
}

#[test]
fn the_first_week_is_taken_whole() {
    // Tuesday; the range begins on Thursday.
    let events = [Ev::new(utc("2024-01-02T12:00:00"), 1, 1, &[])];
    let range = (day("2024-01-04"), day("2024-01-04"));
    let plan = Plan::new(USER, &Calendar::utc(), Unit::Week, range, None, 1 << 20).unwrap();
    let rows = finish(&plan, gather(&plan, &events, &None), &mut NoTick).unwrap();
    assert_eq!(
        (counts(&rows), rows[0].bucket),
        (vec![[1, 0, 0, 0]], utc("2024-01-01T00:00:00"))
    );
    for unit in [Unit::Hour, Unit::Minute, Unit::Range] {
        assert!(Plan::new(USER, &Calendar::utc(), unit, range, None, 1).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn agrees_with_the_definition(
        (zone, eve) in prop::sample::select(&ZONES[..]),
        drawn in prop::collection::vec((-900i64..400, 0u128..2, 0u32..7, groups()), 0..60),
        unit in prop::sample::select(vec![Unit::Day, Unit::Week, Unit::Month]), by in 0u16..2, length in 0i32..12,
        only in filters(), remap in remaps(), dealt in prop::collection::vec(0usize..4, 1..40),
    ) {
        let from = day(eve);
        let calendar = Calendar::new(zone, "sunday").unwrap();
        let origin = calendar.day_start(from).unwrap();
        let events: Vec<Ev> = drawn.iter().map(|(h, mask, user, c)| Ev::new(origin + h * crate::time::HOUR_MS, *mask, *user, c)).collect();
        let plan = Plan::new(by, &calendar, unit, (from, from + length), remap.as_deref(), 1 << 20).unwrap();
        let end = calendar.day_start(from + length + 1).unwrap();
        // Every subject's picked instants.
        let times = |no: u32| -> Vec<i64> {
            let own = |e: &&Ev| e.mask & 1 == 1 && e.t < end && e.subjects(by, &only, remap.as_deref()).contains(&no);
            events.iter().filter(own).map(|e| e.t).collect()
        };
        let start = |n: i64| {
            let first = calendar.unit_start_day(unit, from).unwrap();
            calendar.day_start(calendar.add_units(unit, first, n).unwrap()).unwrap()
        };
        let mut expected = Vec::new();
        for n in (0..).take_while(|n| start(*n) < end) {
            let mut counts = [0u64; 4];
            for no in 1..10 {
                let active = |n: i64| times(no).iter().any(|t| (start(n)..start(n + 1)).contains(t));
                let known = times(no).iter().any(|t| *t < start(n));
                match (active(n), active(n - 1)) {
                    (true, true) => counts[1] += 1,
                    (true, false) if known => counts[2] += 1,
                    (true, false) => counts[0] += 1,
                    (false, true) => counts[3] += 1,
                    (false, false) => {}
                }
            }
            expected.push(counts);
        }
        let rows = finish(&plan, gather(&plan, &events, &only), &mut NoTick).unwrap();
        prop_assert_eq!(&counts(&rows), &expected);
        // Who is in each state: as many as were counted, and in one state only.
        for states in rows.chunks(4) {
            let mut seen = BTreeSet::new();
            for r in states {
                let who = members(&plan, gather(&plan, &events, &only), r.bucket, r.state, &mut NoTick).unwrap();
                prop_assert_eq!(who.len() as u64, r.count);
                prop_assert!(who.is_sorted() && who.iter().all(|no| *no != 0 && seen.insert(*no)));
            }
        }
        let mut all: Option<Partial> = None;
        for events in deal(&events, &dealt) {
            let part = Partial::decode(&gather(&plan, &events, &only).encode().unwrap(), &plan).unwrap();
            all = Some(match all {
                None => part,
                Some(a) => a.merge(part, &plan).unwrap(),
            });
        }
        prop_assert_eq!(&finish(&plan, all.unwrap(), &mut NoTick).unwrap(), &rows);
        // Sets of days instead of rows.
        let mut sets = Kernel::new(&plan).unwrap();
        for e in events.iter().filter(|e| e.mask & 1 == 1) {
            let day = calendar.day_start(calendar.day_of(e.t).unwrap()).unwrap();
            sets.partial().add_set(&plan, day, e.subjects(by, &only, remap.as_deref()).into_iter()).unwrap();
        }
        prop_assert_eq!(&finish(&plan, sets.finish(), &mut NoTick).unwrap(), &rows);
    }

    #[test]
    fn garbage_is_refused(at in any::<prop::sample::Index>(), byte in 1u8..) {
        let range = (day("2024-01-01"), day("2024-01-09"));
        let plan = Plan::new(USER, &Calendar::utc(), Unit::Day, range, None, 1 << 20).unwrap();
        let events: Vec<Ev> = (1..80).map(|u| Ev::new(utc("2024-01-01T00:00:00") + i64::from(u) * 9_000_000, 1, u, &[])).collect();
        let mut bytes = gather(&plan, &events, &None).encode().unwrap();
        let i = at.index(bytes.len());
        bytes[i] ^= byte;
        prop_assert!(Partial::decode(&bytes, &plan).is_err());
        let n = bytes.len() - 4;
        let sum = crc32c::crc32c(&bytes[..n]).to_le_bytes();
        bytes[n..].copy_from_slice(&sum);
        if let Ok(p) = Partial::decode(&bytes, &plan) {
            drop(finish(&plan, p, &mut NoTick));
        }
    }
}
