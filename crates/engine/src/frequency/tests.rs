use super::*;
use crate::chunk::USER;
use crate::gather::testing::*;
use crate::tick::NoTick;
use crate::time::{DAY_MS, HOUR_MS};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn gather(plan: &Plan, events: &[Ev], only: &Option<BTreeSet<u32>>) -> Partial {
    let mut k = Kernel::new(plan).unwrap();
    let (chunk, hits) = chunk_of(events, 1, plan.by, only);
    k.push(&chunk, &hits[0], &mut NoTick).unwrap();
    k.finish()
}

#[test]
fn the_worked_example() {
    // u1 {Mon, Tue, Wed}, u2 {Mon}, u3 {Mon to Fri}, u4 {Tue, Wed}.
    let monday = utc("2024-01-01T12:00:00");
    let days: [&[i64]; 4] = [&[0, 1, 2], &[0], &[0, 1, 2, 3, 4], &[1, 2]];
    let of = |(u, days): (usize, &&[i64])| {
        days.iter()
            .map(move |d| Ev::new(monday + d * DAY_MS, 1, u as u32 + 1, &[]))
            .collect::<Vec<_>>()
    };
    let events: Vec<Ev> = days.iter().enumerate().flat_map(of).collect();
    let week = (day("2024-01-01"), day("2024-01-07"));
    for (cumulative, expected) in [(true, [4, 3, 2, 1, 1, 0, 0]), (false, [1, 1, 1, 0, 1, 0, 0])] {
        let plan = Plan::new(
            USER,
            &Calendar::utc(),
            (Unit::Week, Unit::Day),
            week,
            cumulative,
            1 << 20,
        )
        .unwrap();
        let rows = finish(&plan, gather(&plan, &events, &None), &mut NoTick).unwrap();
        assert_eq!(rows.iter().map(|r| r.count).collect::<Vec<_>>(), expected);
        assert_eq!(rows.iter().map(|r| r.active).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    }
    let month = Plan::new(
        USER,
        &Calendar::utc(),
        (Unit::Month, Unit::Day),
        (day("2024-02-10"), day("2024-02-11")),
        true,
        1 << 20,
    )
    .unwrap();
    assert_eq!(
        finish(&month, gather(&month, &events, &None), &mut NoTick)
            .unwrap()
            .len(),
        29
    );
    for units in [
        (Unit::Day, Unit::Day),
        (Unit::Week, Unit::Hour),
        (Unit::Range, Unit::Day),
        (Unit::Day, Unit::Minute),
    ] {
        assert!(Plan::new(USER, &Calendar::utc(), units, week, true, 1).is_err());
    }
}

#[test]
fn days_of_25_hours_have_25_parts() {
    let berlin = Calendar::new("Europe/Berlin", "monday").unwrap();
    let days = (day("2024-10-26"), day("2024-10-28"));
    let plan = Plan::new(USER, &berlin, (Unit::Day, Unit::Hour), days, true, 1 << 20).unwrap();
    let start = berlin.day_start(days.0 + 1).unwrap();
    let events: Vec<Ev> = (0..25).map(|h| Ev::new(start + h * HOUR_MS, 1, 1, &[])).collect();
    let rows = finish(&plan, gather(&plan, &events, &None), &mut NoTick).unwrap();
    assert_eq!(rows.len(), 24 + 25 + 24);
    assert!(rows[24..49].iter().all(|r| r.count == 1) && rows[49..].iter().all(|r| r.count == 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn agrees_with_the_definition(
        (zone, eve) in prop::sample::select(&ZONES[..]),
        drawn in prop::collection::vec((-60i64..400, 0u128..2, 0u32..7, groups()), 0..60),
        units in prop::sample::select(vec![(Unit::Day, Unit::Hour), (Unit::Week, Unit::Day), (Unit::Month, Unit::Day)]),
        by in 0u16..2, length in 0i32..12, cumulative in any::<bool>(),
        only in filters(), remap in remaps(), dealt in prop::collection::vec(0usize..4, 1..40),
    ) {
        let from = day(eve);
        let calendar = Calendar::new(zone, "sunday").unwrap();
        let origin = calendar.day_start(from).unwrap();
        let events: Vec<Ev> = drawn.iter().map(|(h, mask, user, c)| Ev::new(origin + h * HOUR_MS / 2, *mask, *user, c)).collect();
        let mut plan = Plan::new(by, &calendar, units, (from, from + length), cumulative, 1 << 20).unwrap();
        plan.remap = remap.as_deref();
        let intervals = calendar.buckets(units.0, from, from + length).unwrap();
        let mut expected = Vec::new();
        for i in 0..intervals.len() {
            let first = calendar.day_of(intervals.labels[i]).unwrap();
            let next = calendar.add_units(units.0, first, 1).unwrap();
            let (start, end) = (calendar.day_start(first).unwrap(), calendar.day_start(next).unwrap());
            let parts = match units.1 {
                Unit::Hour => (end - start) / HOUR_MS,
                _ => i64::from(next - first),
            };
            let part = |t: i64| match units.1 {
                Unit::Hour => (t - start) / HOUR_MS,
                _ => i64::from(calendar.day_of(t).unwrap()),
            };
            for active in 1..=parts as u32 {
                let mut count = 0;
                for no in 1..10 {
                    let own = |e: &&Ev| {
                        let inside = (intervals.starts[i]..intervals.end(i)).contains(&e.t);
                        inside && e.mask & 1 == 1 && e.subjects(by, &only, remap.as_deref()).contains(&no)
                    };
                    let n = events.iter().filter(own).map(|e| part(e.t)).collect::<BTreeSet<_>>().len() as u32;
                    count += u64::from(if cumulative { n >= active } else { n == active });
                }
                expected.push(Row { bucket: intervals.labels[i], active, count });
            }
        }
        let rows = finish(&plan, gather(&plan, &events, &only), &mut NoTick).unwrap();
        prop_assert_eq!(&rows, &expected);
        for r in &rows {
            let who = members(&plan, gather(&plan, &events, &only), r.bucket, r.active, &mut NoTick).unwrap();
            let fits = |n: u32| if cumulative { n >= r.active } else { n == r.active };
            prop_assert_eq!(who.len() as u64, r.count);
            prop_assert!(who.is_sorted() && who.iter().all(|(no, n)| *no != 0 && fits(*n)));
        }
        let mut all: Option<Partial> = None;
        for events in deal(&events, &dealt) {
            let part = Partial::decode(&gather(&plan, &events, &only).encode().unwrap(), &plan).unwrap();
            all = Some(match all {
                None => part,
                Some(a) => a.merge(part, &plan).unwrap(),
            });
        }
        prop_assert_eq!(&finish(&plan, all.unwrap(), &mut NoTick).unwrap(), &expected);
        if units.1 == Unit::Day {
            let mut sets = Kernel::new(&plan).unwrap();
            for e in events.iter().filter(|e| e.mask & 1 == 1) {
                let day = calendar.day_start(calendar.day_of(e.t).unwrap()).unwrap();
                sets.partial().add_set(&plan, day, e.subjects(by, &only, remap.as_deref()).into_iter()).unwrap();
            }
            prop_assert_eq!(&finish(&plan, sets.finish(), &mut NoTick).unwrap(), &expected);
        }
    }

    #[test]
    fn garbage_is_refused(at in any::<prop::sample::Index>(), byte in 1u8..) {
        let plan = Plan::new(USER, &Calendar::utc(), (Unit::Week, Unit::Day), (day("2024-01-01"), day("2024-01-09")), true, 1 << 20).unwrap();
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
