//! Worked examples of the variants.

use super::*;
use crate::breakdown::Dimension;
use crate::time::Calendar;
use crate::value::Value;

/// `minutes letter[/value]`, for example `60 A/shirt`; lower-case letters are exclusions of the plan, in order.
fn story(plan: &Plan, text: &str) -> Vec<Ev> {
    let mut events = Vec::new();
    for e in text.split(", ") {
        let (minutes, what) = e.split_once(' ').unwrap();
        let (letter, value) = what.split_once('/').map_or((what, None), |(l, v)| (l, Some(v)));
        let mut mask = if plan.ordering == Ordering::Strict {
            1 << plan.steps
        } else {
            0
        };
        for c in letter.chars().filter(|c| *c != 'F') {
            mask |= if c.is_ascii_uppercase() {
                1u128 << (c as u32 - 'A' as u32)
            } else {
                1u128 << (plan.steps as u32 + c as u32 - 'a' as u32)
            };
        }
        let t = (minutes.parse::<f64>().unwrap() * 60_000.0) as i64;
        events.push(Ev {
            p: value.map(Value::str),
            ..Ev::new(t, mask, 1, &[])
        });
    }
    events
}

fn hours(steps: usize, window: i64) -> Plan<'static> {
    plan(steps, USER, 0, DAY_MS, window * HOUR_MS)
}

fn ask(plan: &Plan, text: &str) -> Vec<u64> {
    counts(&run(plan, &story(plan, text)))
}

fn segments(plan: &Plan, text: &str) -> Vec<(String, u64)> {
    let rows = run(plan, &story(plan, text));
    rows.iter().map(|r| (r.segment.join("/"), r.count)).collect()
}

fn named<'a>(rows: &'a [(String, u64)], segment: &str) -> Vec<u64> {
    let mine = |r: &&'a (String, u64)| r.0 == segment;
    rows.iter().filter(mine).map(|r| r.1).collect()
}

#[test]
fn totals_begin_again_after_the_end_of_an_attempt() {
    let total = Plan {
        count: Count::Total,
        ..hours(2, 1)
    };
    assert_eq!(ask(&total, "0 A, 1 A, 2 B"), [1, 1]);
    let day = "60 A, 80 A, 90 B, 100 A, 180 A, 190 B";
    assert_eq!(ask(&total, day), [3, 2]);
    assert_eq!(ask(&hours(2, 1), day), [1, 1]);
}

#[test]
fn optimized_tries_every_entry() {
    let unique = Plan {
        reentry: Reentry::Optimized,
        ..hours(2, 1)
    };
    let total = Plan {
        count: Count::Total,
        ..unique.clone()
    };
    // The most recent of several before the same B.
    let rows = run(&unique, &story(&unique, "0 A, 10 A, 20 A, 25 B"));
    assert_eq!((counts(&rows), rows[1].avg_time), (vec![1, 1], Some(300_000.0)));
    // A … its window ends … A B.
    assert_eq!(ask(&hours(2, 1), "0 A, 120 A, 130 B"), [1, 0]);
    assert_eq!(ask(&unique, "0 A, 120 A, 130 B"), [1, 1]);
    // A A (the window of the first ends) B.
    assert_eq!(ask(&hours(2, 1), "0 A, 50 A, 70 B"), [1, 0]);
    assert_eq!(ask(&total, "0 A, 50 A, 70 B"), [2, 1]);
    assert_eq!(ask(&total, "0 A, 50 A"), [2, 0]);
    let three = Plan {
        steps: 3,
        ..total.clone()
    };
    assert_eq!(ask(&three, "0 A, 5 B, 10 A, 15 C"), [1, 1, 1]);
    // With grace an early step 2 belongs to the earliest step 1 within it.
    assert_eq!(ask(&total, "1 B, 1.01 A, 1.02 A"), [2, 1]);
}

#[test]
fn the_first_conversion_counts() {
    let p = Plan {
        reentry: Reentry::Optimized,
        ..hours(3, 1)
    };
    let rows = run(&p, &story(&p, "0 A, 5 B, 10 A, 15 B, 20 C"));
    assert_eq!(
        (counts(&rows), rows[2].avg_time_from_start),
        (vec![1, 1, 1], Some(1_200_000.0))
    );
    // The window of the first pair has ended.
    let rows = run(&p, &story(&p, "0 A, 5 B, 10 A, 15 B, 65 C"));
    assert_eq!(
        (counts(&rows), rows[2].avg_time_from_start),
        (vec![1, 1, 1], Some(3_300_000.0))
    );
}

#[test]
fn floating_steps() {
    // Signup (anchored), A and B in any order, Pay (anchored).
    let p = Plan {
        floating: 0b0110,
        ..hours(4, 24)
    };
    assert_eq!(ask(&p, "0 A, 1 C, 2 B, 3 D"), [1, 1, 1, 1]);
    assert_eq!(ask(&p, "0 A, 1 B, 2 D, 3 C"), [1, 1, 1, 0]);
    assert_eq!(ask(&p, "0 B, 1 A, 2 C, 3 D"), [1, 1, 0, 0]);
    let all = Plan {
        floating: 0b111,
        ..hours(3, 1)
    };
    assert_eq!(ask(&all, "0 C, 1 A, 2 B"), [1, 1, 1]);
    assert_eq!(ask(&all, "0 C, 1 A, 61 B"), [1, 1, 0]);
    let best = Plan {
        reentry: Reentry::Optimized,
        ..all
    };
    let rows = run(&best, &story(&best, "0 C, 1 A, 60.5 B, 61 C"));
    assert_eq!(
        (counts(&rows), rows[2].avg_time_from_start),
        (vec![1, 1, 1], Some(3_600_000.0))
    );
}

#[test]
fn nothing_may_lie_between_steps_in_strict_order() {
    let p = Plan {
        ordering: Ordering::Strict,
        ..hours(3, 24)
    };
    assert_eq!(ask(&p, "0 A, 1 B, 2 C"), [1, 1, 1]);
    assert_eq!(ask(&p, "0 A, 1 B, 2 F, 3 C"), [1, 1, 0]);
    assert_eq!(ask(&p, "0 A, 1 A, 2 B, 3 C"), [1, 0, 0]);
    // Of simultaneous events the next step comes first, the others after it.
    assert_eq!(ask(&p, "0 F, 0 A, 1 B, 2 C"), [1, 0, 0]);
    assert_eq!(ask(&p, "0 A, 1 F, 1 B, 2 C"), [1, 1, 0]);
    let best = Plan {
        reentry: Reentry::Optimized,
        ..p.clone()
    };
    assert_eq!(ask(&best, "0 A, 1 A, 2 B, 3 C"), [1, 1, 1]);
    // The event that breaks the order may enter.
    let total = Plan {
        count: Count::Total,
        ..p
    };
    assert_eq!(ask(&total, "0 A, 1 A, 2 B, 3 C, 4 A, 5 F"), [3, 1, 1]);
}

#[test]
fn exclusions_end_an_attempt() {
    let p = Plan {
        exclusions: vec![Exclusion { from: 0, to: 1 }],
        ..hours(3, 24)
    };
    assert_eq!(ask(&p, "0 A, 1 a, 2 B, 3 C"), [1, 0, 0]);
    assert_eq!(ask(&p, "0 A, 2 B, 2.5 a, 3 C"), [1, 1, 1]);
    // Strictly between: simultaneous ones are outside.
    assert_eq!(ask(&p, "0 A, 0 a, 2 a, 2 B, 3 C"), [1, 1, 1]);
    // Excluding the step itself: A A A B has the entries 1 and 3.
    let total = Plan {
        count: Count::Total,
        exclusions: vec![Exclusion { from: 0, to: 1 }],
        ..hours(2, 24)
    };
    assert_eq!(ask(&total, "0 Aa, 1 Aa, 2 Aa, 3 B"), [2, 1]);
    // Through grace step 2 lies before step 1: no room.
    assert_eq!(ask(&total, "1 B, 1.01 a, 1.02 A"), [1, 1]);
}

#[test]
fn a_held_property_has_one_value() {
    let unique = Plan {
        held: vec![Dimension::EventProperty(P)],
        ..hours(2, 24)
    };
    let total = Plan {
        count: Count::Total,
        ..unique.clone()
    };
    let day = "0 A/shirt, 1 A/hat, 2 B/hat";
    assert_eq!(ask(&unique, day), [1, 0]);
    assert_eq!(ask(&total, day), [2, 1]);
    // What is not set can not enter.
    assert_eq!(ask(&unique, "0 A, 1 B, 2 A/hat, 3 B/hat"), [1, 1]);
    let broken_down = Plan {
        breakdown: vec![Dimension::EventProperty(P)],
        ..unique
    };
    let rows = segments(&broken_down, day);
    assert_eq!((named(&rows, "shirt"), named(&rows, "hat")), (vec![1, 0], vec![1, 1]));
}

#[test]
fn a_breakdown_labels_attempts() {
    let p = Plan {
        breakdown: vec![Dimension::EventProperty(P)],
        attribution: Attribution::Step(0),
        ..hours(2, 24)
    };
    let rows = segments(&p, "0 A/shirt, 1 A/jeans, 2 B, 3 A/shoes");
    assert_eq!((named(&rows, "shirt"), named(&rows, "shoes")), (vec![1, 1], vec![1, 0]));
    assert!(named(&rows, "jeans").is_empty());
    // First: filled forward; last: filled back; a step: as it is.
    let filled = |attribution| {
        let p = Plan {
            attribution,
            ..p.clone()
        };
        segments(&p, "0 A, 1 B/hat").first().map(|r| r.0.clone())
    };
    assert_eq!(filled(Attribution::First).as_deref(), Some("hat"));
    assert_eq!(filled(Attribution::Last).as_deref(), Some("hat"));
    assert_eq!(filled(Attribution::Step(0)).as_deref(), Some("(not set)"));
    assert_eq!(filled(Attribution::Step(1)).as_deref(), Some("hat"));
    // A subject once per segment, with the attempt that went furthest.
    let twice = "0 A/hat, 1 B, 2 A/hat, 3 A/shoes";
    assert_eq!(named(&segments(&p, twice), "hat"), [1, 1]);
    let rest = Plan { top: 1, ..p };
    let rows = segments(&rest, "0 A/b, 1 B, 2 A/a, 3 B, 4 A/c, 5 B");
    assert_eq!((named(&rows, "a"), named(&rows, "$other")), (vec![1, 1], vec![1, 1]));
}

#[test]
fn every_interval_is_a_funnel_of_its_own() {
    let from = utc("2024-01-01T00:00:00");
    let buckets = Calendar::utc()
        .buckets(crate::time::Unit::Day, day("2024-01-01"), day("2024-01-02"))
        .unwrap();
    let p = Plan {
        buckets: Some(&buckets),
        ..plan(2, USER, buckets.range.from, buckets.range.to, DAY_MS)
    };
    let at = |hours: i64, mask| Ev::new(from + hours * HOUR_MS, mask, 1, &[]);
    let rows = run(&p, &[at(10, 1), at(12, 2), at(30, 1), at(50, 2)]);
    let got: Vec<_> = rows.iter().map(|r| (r.bucket - from, r.step, r.count)).collect();
    assert_eq!(got, [(0, 1, 1), (0, 2, 1), (DAY_MS, 1, 1), (DAY_MS, 2, 1)]);
}

#[test]
fn wrong_options_are_refused_with_a_hint() {
    let good = hours(3, 1);
    let p = || Dimension::EventProperty(P);
    let wrong = [
        Plan {
            ordering: Ordering::Strict,
            floating: 1,
            ..good.clone()
        },
        Plan {
            ordering: Ordering::Strict,
            exclusions: vec![Exclusion { from: 0, to: 1 }],
            ..good.clone()
        },
        Plan {
            exclusions: vec![Exclusion { from: 1, to: 1 }],
            ..good.clone()
        },
        Plan {
            exclusions: vec![Exclusion { from: 0, to: 3 }],
            ..good.clone()
        },
        Plan {
            held: vec![p(), p(), p(), p()],
            ..good.clone()
        },
        Plan {
            breakdown: vec![p(), p(), p(), p(), p()],
            ..good.clone()
        },
        Plan {
            attribution: Attribution::Step(3),
            ..good.clone()
        },
    ];
    for p in &wrong {
        assert!(matches!(Kernel::new(p), Err(Error::Param { hint: Some(_), .. })));
    }
}
