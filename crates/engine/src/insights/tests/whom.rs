//! Who is behind a value: together they make it up.

use super::questions::{events, measures};
use super::*;
use crate::breakdown::OTHER;

/// The members of a segment, the report's segments being `rows`.
fn whom(
    m: &Metric,
    events: &[Ev],
    buckets: &Buckets,
    breakdown: &[Dimension],
    rows: &[Row],
    segment: &[String],
) -> Vec<Member> {
    let mut name = segment.to_vec();
    let value = m.measure.is_distribution().then(|| name.pop().unwrap());
    let rest = !name.is_empty() && name.iter().all(|t| t == OTHER);
    let mut segments: Vec<Vec<String>> = Vec::new();
    for r in rows {
        let name = r.segment[..breakdown.len()].to_vec();
        if rest && name.iter().any(|t| t != OTHER) && !segments.contains(&name) {
            segments.push(name);
        }
    }
    if !rest {
        segments = vec![name];
    }
    let plan = Plan {
        shown: Some(Shown { segments, rest }),
        ..plan(member_metrics(m.measure, m.by), buckets.clone(), breakdown.to_vec())
    };
    members(
        &plan,
        m.measure,
        value.as_deref(),
        None,
        gather(&plan, events, &None),
        &mut NoTick,
    )
    .unwrap()
}

#[test]
fn totals_have_a_row_for_nobody() {
    let events = [
        Ev::new(T, 1, 1, &[1]),
        Ev::new(T, 1, 0, &[1]),
        Ev::new(T, 1, 1, &[1, 2]),
    ];
    let day = one_day(Unit::Range);
    let found = |measure, by| {
        let m = metric(measure, by);
        // Every metric of a plan for members has the same selection.
        let events: Vec<Ev> = events.iter().map(|e| Ev { mask: 7, ..e.clone() }).collect();
        let rows = run(&plan(vec![m.clone()], day.clone(), vec![]), &events);
        let list = whom(&m, &events, &day, &[], &rows, &[]);
        list.into_iter()
            .map(|m| (m.no, m.events, m.value.unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(found(Measure::Total, USER), [(0, 1, 1.0), (1, 2, 2.0)]);
    assert_eq!(found(Measure::Unique, USER), [(1, 2, 1.0)]);
    // An event of two groups is in the row of each.
    assert_eq!(found(Measure::Total, COMPANY), [(1, 3, 3.0), (2, 1, 1.0)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn members_make_up_the_value(
        drawn in events(utc("2024-01-01T00:00:00")), measure in measures(), by in prop::sample::select(vec![USER, COMPANY]),
        broken_down in any::<bool>(), top in 1usize..3,
    ) {
        // One interval, for which a trailing window and a running count are what was different in it.
        let measure = match measure {
            Measure::Active { .. } | Measure::CumulativeUnique => Measure::Unique,
            m => m,
        };
        let m = metric(measure, by);
        let events: Vec<Ev> = drawn.iter().map(|e| Ev { mask: (e.mask & 1) * 7, ..e.clone() }).collect();
        let buckets = range(Unit::Range, "2024-01-01", "2024-01-06");
        let breakdown = if broken_down { vec![Dimension::EventProperty(P)] } else { vec![] };
        let report = Plan { top, ..plan(vec![m.clone()], buckets.clone(), breakdown.clone()) };
        let rows = run(&report, &events);
        for r in &rows {
            let found = whom(&m, &events, &buckets, &breakdown, &rows, &r.segment);
            prop_assert!(found.is_sorted_by(|a, b| a.no < b.no));
            let values: Vec<f64> = found.iter().filter_map(|m| m.value).collect();
            let named = found.iter().filter(|m| m.no != 0).count() as f64;
            let sum = values.iter().sum::<f64>();
            let value = r.value.unwrap_or(f64::NAN);
            let about = |a: f64, b: f64| (a - b).abs() <= 1e-6 * a.abs().max(b.abs()).max(1.0);
            let whole = by == USER || events.iter().all(|e| e.companies.len() < 2);
            match measure {
                Measure::Unique | Measure::UniqueIn(_) => prop_assert_eq!(named, value),
                Measure::Total if whole => prop_assert_eq!(sum, value),
                Measure::Property { aggregate: Aggregate::Sum, .. } if whole => prop_assert!(about(sum, value), "{} {}", sum, value),
                Measure::Property { aggregate: Aggregate::Max, .. } if by == COMPANY && r.value.is_some() => {
                    prop_assert_eq!(values.iter().copied().fold(f64::NEG_INFINITY, f64::max), value);
                }
                Measure::PerSubject { outer: Aggregate::Distribution, .. } => prop_assert_eq!(named, value),
                Measure::PerSubject { outer: Aggregate::Average, .. } => {
                    prop_assert_eq!(r.value.is_none(), found.is_empty());
                    prop_assert!(found.is_empty() || about(sum / named, value));
                }
                _ => {}
            }
            for one in &found {
                if one.no == 0 || broken_down {
                    continue;
                }
                let own: Vec<Ev> = events.iter().filter(|e| e.mask != 0 && e.subjects(by, &None, None).contains(&one.no)).cloned().collect();
                prop_assert!(one.events as usize <= own.len());
            }
        }
    }
}
