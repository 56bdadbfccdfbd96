use super::*;
use crate::chunk::USER;
use crate::error::Error;
use crate::gather::testing::*;
use crate::tick::NoTick;
use crate::time::{DAY_MS, HOUR_MS};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn plan(steps: usize, by: Kind, from: i64, to: i64, window_ms: i64) -> Plan<'static> {
    let entry = Span64 { from, to };
    Plan {
        steps,
        by,
        entry,
        window_ms,
        grace_ms: 2000,
        remap: None,
        memory_limit: 1 << 30,
    }
}

fn gather<'p>(plan: &'p Plan<'p>, events: &[Ev], only: &Option<BTreeSet<u32>>) -> Partial {
    let mut k = Kernel::new(plan).unwrap();
    let (chunk, hits) = chunk_of(events, plan.steps, plan.by, only);
    k.push(&chunk, &hits, &mut NoTick).unwrap();
    k.finish()
}

fn run(plan: &Plan, events: &[Ev]) -> Vec<StepRow> {
    finish(plan, gather(plan, events, &None), &mut NoTick).unwrap()
}

fn counts(rows: &[StepRow]) -> Vec<u64> {
    rows.iter().map(|r| r.count).collect()
}

/// Letters become steps: A is the first. Minutes since the start of the range.
fn letters(events: &[(i64, char)], user: u32) -> Vec<Ev> {
    let mask = |c: char| {
        if c.is_ascii_uppercase() {
            1u128 << (c as u32 - 'A' as u32)
        } else {
            0
        }
    };
    events
        .iter()
        .map(|(m, c)| Ev::new(m * 60_000, mask(*c), user, &[]))
        .collect()
}

fn in_sequence(s: &str) -> Vec<u64> {
    let events: Vec<(i64, char)> = s
        .split(' ')
        .zip(0..)
        .map(|(c, i)| (i, c.chars().next().unwrap()))
        .collect();
    // F is no step of A to E.
    let events: Vec<_> = events.into_iter().filter(|(_, c)| *c != 'F').collect();
    counts(&run(&plan(5, USER, 0, DAY_MS, DAY_MS), &letters(&events, 1)))
}

#[test]
fn other_events_in_between_are_ignored() {
    assert_eq!(in_sequence("A B C D E"), [1, 1, 1, 1, 1]);
    assert_eq!(in_sequence("A B F C D E"), [1, 1, 1, 1, 1]);
    assert_eq!(in_sequence("A B D C D E"), [1, 1, 1, 1, 1]);
    assert_eq!(in_sequence("A B C E"), [1, 1, 1, 0, 0]);
}

#[test]
fn a_later_first_step_does_not_restart_the_window() {
    let events = letters(&[(60, 'A'), (90, 'A'), (105, 'B'), (135, 'C')], 1);
    assert_eq!(counts(&run(&plan(3, USER, 0, DAY_MS, HOUR_MS), &events)), [1, 1, 0]);
}

#[test]
fn the_window_is_inclusive_and_may_end_after_the_range() {
    let p = plan(2, USER, 0, 1000, 500);
    assert_eq!(
        counts(&run(&p, &[Ev::new(999, 1, 1, &[]), Ev::new(1499, 2, 1, &[])])),
        [1, 1]
    );
    assert_eq!(
        counts(&run(&p, &[Ev::new(999, 1, 1, &[]), Ev::new(1500, 2, 1, &[])])),
        [1, 0]
    );
    assert_eq!(
        counts(&run(&p, &[Ev::new(1000, 1, 1, &[]), Ev::new(1400, 2, 1, &[])])),
        [0, 0]
    );
}

#[test]
fn two_seconds_of_grace() {
    let t = 10 * HOUR_MS;
    let events = |gap| [Ev::new(t, 2, 1, &[]), Ev::new(t + gap, 1, 1, &[])];
    let rows = run(&plan(2, USER, 0, DAY_MS, HOUR_MS), &events(1500));
    assert_eq!(counts(&rows), [1, 1]);
    assert_eq!(rows[1].avg_time, Some(0.0));
    assert_eq!(counts(&run(&plan(2, USER, 0, DAY_MS, HOUR_MS), &events(2000))), [1, 1]);
    assert_eq!(counts(&run(&plan(2, USER, 0, DAY_MS, HOUR_MS), &events(2001))), [1, 0]);
    let strict = Plan {
        grace_ms: 0,
        ..plan(2, USER, 0, DAY_MS, HOUR_MS)
    };
    assert_eq!(counts(&run(&strict, &events(1500))), [1, 0]);
    assert_eq!(counts(&run(&strict, &events(0))), [1, 1]);
    // Never from before the range.
    assert_eq!(
        counts(&run(&plan(2, USER, t + 1, DAY_MS, HOUR_MS), &events(1500))),
        [1, 0]
    );
}

#[test]
fn one_event_fills_one_step() {
    let p = plan(2, USER, 0, DAY_MS, HOUR_MS);
    assert_eq!(counts(&run(&p, &[Ev::new(5, 3, 1, &[])])), [1, 0]);
    assert_eq!(
        counts(&run(&p, &[Ev::new(5, 3, 1, &[]), Ev::new(5, 3, 1, &[])])),
        [1, 1]
    );
    // Of two simultaneous events that may enter, the one that can do nothing else is taken, in either order.
    for events in [[(5, 1), (5, 3)], [(5, 3), (5, 1)]] {
        let events = events.map(|(t, m)| Ev::new(t, m, 1, &[]));
        assert_eq!(counts(&run(&p, &events)), [1, 1]);
    }
}

#[test]
fn companies_convert_through_different_users() {
    // acme = 1, globex = 2.
    let t = |s: &str| utc(&format!("2024-01-01T{s}:00"));
    let events = [
        Ev::new(t("10:00"), 1, 1, &[1]),
        Ev::new(t("10:30"), 2, 2, &[1]),
        Ev::new(t("11:00"), 1, 3, &[2]),
        Ev::new(t("11:05"), 2, 3, &[2, 1]),
    ];
    let (from, to) = (t("00:00"), t("00:00") + DAY_MS);
    let users = run(&plan(2, USER, from, to, DAY_MS), &events);
    assert_eq!(counts(&users), [2, 1]);
    assert_eq!(users[0].step_conversion, Some(1.0));
    assert_eq!(users[1].step_conversion, Some(0.5));
    let companies = run(&plan(2, COMPANY, from, to, DAY_MS), &events);
    assert_eq!(counts(&companies), [2, 2]);
    // 1800 s and 300 s.
    assert_eq!(companies[1].avg_time, Some(1_050_000.0));
    assert_eq!(companies[1].median_time, Some(1_050_000.0));
}

/// Appendix B. Selectors: Signup, Invite, Pay. acme = 1, globex = 2; "old" was no group when e1 came.
#[test]
fn the_end_to_end_example() {
    let t = |s: &str| utc(&format!("2024-{s}:00"));
    let events = [
        Ev::new(t("01-01T09:00"), 1, 10, &[]),
        Ev::new(t("01-01T10:00"), 1, 1, &[1]),
        Ev::new(t("01-01T10:05"), 1, 2, &[2]),
        Ev::new(t("01-01T11:00"), 2, 3, &[1]),
        Ev::new(t("01-01T12:00"), 2, 2, &[1, 2]),
        Ev::new(t("01-02T09:00"), 4, 4, &[1]),
        Ev::new(t("01-03T09:00"), 4, 2, &[2]),
        Ev::new(t("01-03T10:00"), 0, 5, &[]),
        Ev::new(t("01-03T10:00"), 0, 1, &[1]),
    ];
    let (from, to) = (t("01-01T00:00"), t("01-04T00:00"));
    assert_eq!(counts(&run(&plan(3, USER, from, to, DAY_MS), &events)), [3, 1, 0]);
    let companies = run(&plan(3, COMPANY, from, to, DAY_MS), &events);
    assert_eq!(counts(&companies), [2, 2, 1]);
    assert_eq!(companies[2].avg_time_from_start, Some(82_800_000.0));
}

#[test]
fn nobody_entered() {
    let rows = run(&plan(2, USER, 0, 10, 10), &[Ev::new(1, 2, 1, &[])]);
    assert_eq!(counts(&rows), [0, 0]);
    assert!(
        rows.iter()
            .all(|r| r.step_conversion.is_none() && r.overall_conversion.is_none() && r.avg_time.is_none())
    );
}

#[test]
fn wrong_plans_are_refused_with_a_hint() {
    let good = plan(2, USER, 0, 10, 10);
    let wrong = [
        Plan {
            steps: 1,
            ..good.clone()
        },
        Plan {
            steps: 101,
            ..good.clone()
        },
        Plan {
            window_ms: 0,
            ..good.clone()
        },
        Plan {
            window_ms: MAX_WINDOW_MS + 1,
            ..good.clone()
        },
        Plan {
            grace_ms: -1,
            ..good.clone()
        },
    ];
    for p in &wrong {
        assert!(matches!(Kernel::new(p), Err(Error::Param { hint: Some(_), .. })));
    }
    let small = Plan {
        memory_limit: 1000,
        ..good
    };
    let events: Vec<Ev> = (0..1000).map(|u| Ev::new(1, 1, u + 1, &[])).collect();
    let (chunk, hits) = chunk_of(&events, 2, USER, &None);
    let pushed = Kernel::new(&small).unwrap().push(&chunk, &hits, &mut NoTick);
    assert!(matches!(pushed, Err(Error::Limit { hint: Some(_), .. })));
}

/// When the steps were reached, straight from the definition, over events in any order.
fn attempt(plan: &Plan, events: &[(i64, u128)]) -> Vec<i64> {
    let mut left: Vec<(i64, u128)> = events.to_vec();
    let mut chosen: Vec<i64> = Vec::new();
    for step in 0..plan.steps {
        let can = |(t, mask): &(i64, u128)| {
            let timely = match (chosen.first(), chosen.last()) {
                (Some(entry), Some(before)) => *t >= before - plan.grace_ms && t - entry <= plan.window_ms,
                _ => *t < plan.entry.to,
            };
            mask >> step & 1 == 1 && *t >= plan.entry.from && timely
        };
        let Some(best) = left.iter().filter(|e| can(e)).min().copied() else {
            break;
        };
        let at = left.iter().position(|e| *e == best).unwrap();
        left.remove(at);
        chosen.push(best.0);
    }
    // Durations never run backwards.
    (0..chosen.len()).map(|k| *chosen[..=k].iter().max().unwrap()).collect()
}

fn percentile_50(mut v: Vec<i64>) -> Option<f64> {
    v.sort_unstable();
    let at = |i: usize| v[i] as f64;
    let position = v.len().checked_sub(1)? as f64 / 2.0;
    let (low, high) = (position.floor() as usize, position.ceil() as usize);
    Some(at(low) + (at(high) - at(low)) * position.fract())
}

fn oracle(plan: &Plan, events: &[Ev], only: &Option<BTreeSet<u32>>) -> Vec<StepRow> {
    let mut streams: BTreeMap<u32, Vec<(i64, u128)>> = BTreeMap::new();
    for e in events.iter().filter(|e| e.mask != 0) {
        for s in e.subjects(plan.by, only, plan.remap) {
            streams.entry(s).or_default().push((e.t, e.mask));
        }
    }
    let reached: Vec<Vec<i64>> = streams.values().map(|s| attempt(plan, s)).collect();
    let n = |k: usize| reached.iter().filter(|r| r.len() > k).count();
    let ratio = |a: usize, b: usize| if b == 0 { None } else { Some(a as f64 / b as f64) };
    let mean = |v: &Vec<i64>| {
        if v.is_empty() {
            None
        } else {
            Some(v.iter().sum::<i64>() as f64 / v.len() as f64)
        }
    };
    let rows = (0..plan.steps).map(|k| {
        let there = || reached.iter().filter(|r| r.len() > k && k > 0);
        let before: Vec<i64> = there().map(|r| r[k] - r[k - 1]).collect();
        let start: Vec<i64> = there().map(|r| r[k] - r[0]).collect();
        StepRow {
            step: k + 1,
            count: n(k) as u64,
            step_conversion: ratio(n(k), n(k.saturating_sub(1))),
            overall_conversion: ratio(n(k), n(0)),
            avg_time: mean(&before),
            median_time: percentile_50(before),
            avg_time_from_start: mean(&start),
            median_time_from_start: percentile_50(start),
        }
    });
    rows.collect()
}

fn events(steps: u32) -> impl Strategy<Value = Vec<Ev>> {
    // Few instants, so that there are ties; some within a grace of 3, some at the edges of range and window.
    let mask = prop_oneof![4 => (0..steps).prop_map(|k| 1u128 << k), 2 => 0u128..(1 << steps)];
    let ev = (prop_oneof![3 => -4i64..60, 1 => 8i64..14], mask, 0u32..6, groups());
    prop::collection::vec(
        ev.prop_map(|(t, mask, user, companies)| Ev::new(t, mask, user, &companies)),
        0..60,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn agrees_with_the_definition(
        (steps, events) in (2u32..6).prop_flat_map(|n| (Just(n as usize), events(n))),
        by in prop::sample::select(vec![USER, COMPANY]),
        to in 10i64..50, window in 1i64..40, grace in prop::sample::select(vec![0i64, 1, 3, 100]),
        only in filters(), remap in remaps(),
        dealt in prop::collection::vec(0usize..4, 1..40), order in Just(vec![0, 1, 2, 3]).prop_shuffle(),
    ) {
        let p = Plan { grace_ms: grace, remap: remap.as_deref(), ..plan(steps, by, 0, to, window) };
        let expected = oracle(&p, &events, &only);
        prop_assert_eq!(&finish(&p, gather(&p, &events, &only), &mut NoTick).unwrap(), &expected);
        // The same from four workers, merged in some order, each through bytes.
        let parts = deal(&events, &dealt);
        let mut parts: Vec<Option<Partial>> = parts.iter().map(|e| Some(gather(&p, e, &only))).collect();
        let mut all: Option<Partial> = None;
        for i in order {
            let part = parts[i].take().unwrap();
            let part = Partial::decode(&part.encode().unwrap(), &p).unwrap();
            all = Some(match all {
                None => part,
                Some(a) => a.merge(part, &p).unwrap(),
            });
        }
        prop_assert_eq!(&finish(&p, all.unwrap(), &mut NoTick).unwrap(), &expected);
    }

    #[test]
    fn garbage_is_refused(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let p = plan(3, USER, 0, 100, 100);
        let events: Vec<Ev> = (0..20).map(|i| Ev::new(i, 1 + i as u128 % 7, 1 + i as u32 % 3, &[])).collect();
        let bytes = gather(&p, &events, &None).encode().unwrap();
        let mut broken = bytes.clone();
        broken[at.index(bytes.len())] ^= byte;
        prop_assert_eq!(Partial::decode(&broken, &p).is_ok(), broken == bytes);
        prop_assert!(Partial::decode(&bytes[..cut.index(bytes.len())], &p).is_err());
        // A right checksum over wrong content must not panic either.
        let n = broken.len() - 4;
        let sum = crc32c::crc32c(&broken[..n]).to_le_bytes();
        broken[n..].copy_from_slice(&sum);
        if let Ok(partial) = Partial::decode(&broken, &p) {
            finish(&p, partial, &mut NoTick).unwrap();
        }
    }
}
