mod cascade;
mod definition;
mod numbers;
mod options;
mod random;

use super::*;
use crate::error::Error;
use crate::gather::testing::*;
use crate::tick::NoTick;
use crate::time::{DAY_MS, HOUR_MS};
use std::collections::BTreeSet;

fn plan(steps: usize, by: Kind, from: i64, to: i64, window_ms: i64) -> Plan<'static> {
    Plan {
        window_ms,
        ..Plan::new(steps, by, Span64 { from, to }, 1 << 30)
    }
}

fn gather<'p>(plan: &'p Plan<'p>, events: &[Ev], only: &Option<BTreeSet<u32>>) -> Partial {
    let mut k = Kernel::new(plan).unwrap();
    let (chunk, hits) = chunk_of(events, plan.selectors(), plan.by, only);
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
