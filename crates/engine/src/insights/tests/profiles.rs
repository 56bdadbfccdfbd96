//! Metrics of profiles against lists of them, beside a metric of events that they leave as it is.

use super::questions::events;
use super::*;
use crate::expr::{Alternative, Selector};

const LAST: u32 = 8;

fn anybody() -> Selector {
    Selector {
        alternatives: vec![Alternative {
            event: None,
            filter: None,
            first: None,
        }],
    }
}

/// By subject number.
fn column_of(values: &[Option<Value>]) -> SharedProfile {
    let mut column = ProfileColumn::default();
    column.codes.push(0);
    for v in values {
        let code = match v {
            None => 0,
            Some(v) => {
                column.values.iter().position(|o| o == v).unwrap_or_else(|| {
                    column.values.push(v.clone());
                    column.values.len() - 1
                }) + 1
            }
        };
        column.codes.push(code as u32);
    }
    Arc::new(column)
}

fn value() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        1 => Just(None),
        3 => (0i64..4).prop_map(|n| Some(Value::Int(n))),
        1 => Just(Some(Value::str("x"))),
        1 => Just(Some(Value::List(vec![Value::Int(1), Value::str("x")]))),
    ]
}

/// The measure of the profiles that have these values.
fn by_hand(measure: Measure, values: &[&Option<Value>]) -> Option<f64> {
    let Measure::Property { aggregate, .. } = measure else {
        return Some(values.len() as f64);
    };
    let set = || values.iter().filter_map(|v| v.as_ref());
    let mut x: Vec<f64> = set().filter_map(Value::as_f64).collect();
    x.sort_unstable_by(f64::total_cmp);
    let sum: f64 = x.iter().sum();
    match aggregate {
        Aggregate::Sum => Some(sum),
        Aggregate::Distinct => {
            let mut seen = BTreeSet::new();
            for v in set() {
                match v {
                    Value::List(l) => seen.extend(l.iter().map(Value::to_text)),
                    v => drop(seen.insert(v.to_text())),
                }
            }
            Some(seen.len() as f64)
        }
        _ if x.is_empty() => None,
        Aggregate::Average => Some(sum / x.len() as f64),
        Aggregate::Min => x.first().copied(),
        Aggregate::Max => x.last().copied(),
        _ => Some((x[(x.len() - 1) / 2] + x[x.len() / 2]) / 2.0),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn profiles_are_counted_once_and_shown_in_every_interval(
        drawn in events(utc("2024-01-01T00:00:00")), by in prop::sample::select(vec![USER, COMPANY]),
        who in prop::collection::btree_set(1..=LAST, 0..8), broken_down in any::<bool>(),
        values in prop::collection::vec(value(), LAST as usize), plans in prop::collection::vec(prop::option::of(0i64..3), LAST as usize),
        aggregate in prop::option::of(prop::sample::select(vec![
            Aggregate::Sum, Aggregate::Average, Aggregate::Percentile(0.5), Aggregate::Min, Aggregate::Max, Aggregate::Distinct,
        ])), first in any::<bool>(), smoothing in prop::sample::select(vec![Smoothing::None, Smoothing::Cumulative, Smoothing::Rolling(2)]),
    ) {
        let measure = match aggregate {
            Some(aggregate) => Measure::Property { property: PROFILE_PROPERTY, aggregate },
            None => Measure::Total,
        };
        let of_profiles = Metric { profiles: true, label: "profiles".into(), ..metric(measure, by) };
        let of_events = metric(Measure::Total, by);
        let names: Vec<Option<Value>> = plans.iter().map(|p| p.map(Value::Int)).collect();
        let breakdown = if broken_down { vec![Dimension::of_subject(by, column_of(&names))] } else { vec![] };
        let calendar = Calendar::utc();
        let question = |metrics: Vec<Metric>| {
            let before = smoothing.before();
            let time = Timeline::new(&calendar, Unit::Day, day("2024-01-01"), day("2024-01-04"), before, 0).unwrap();
            Plan { time, smoothing, ..plan(metrics, range(Unit::Day, "2024-01-01", "2024-01-04"), breakdown.clone()) }
        };
        let alone = question(vec![of_events.clone()]);
        let expected = run(&alone, &drawn);

        let place = usize::from(!first);
        let mut metrics = vec![of_events.clone()];
        metrics.insert(place, of_profiles);
        let p = question(metrics);
        let profiles = Profiles {
            who: who.iter().copied().collect(),
            selector: anybody(),
            property: aggregate.map(|_| column_of(&values)),
        };
        let (chunk, hits) = chunk_of(&drawn, 1, by, &None);
        let mut both = vec![hits[0].clone()];
        both.insert(place, Hits::rows(crate::mask::Mask::none(chunk.len())));
        let mut events = Kernel::new(&p).unwrap();
        events.push(&chunk, &both, &mut NoTick).unwrap();
        let mut kernel = Kernel::new(&p).unwrap();
        kernel.push_profiles(place, &profiles, &mut NoTick).unwrap();
        let rows = finish(&p, events.finish().merge(kernel.finish(), &p).unwrap(), &mut NoTick).unwrap();

        let mut seen: BTreeSet<Vec<String>> = BTreeSet::new();
        for r in &rows {
            seen.insert(r.segment.to_vec());
            if *r.metric != *"profiles" {
                let same = |o: &&Row| o.segment == r.segment && o.bucket == r.bucket;
                let value = expected.iter().find(same).map_or(Some(0.0), |o| o.value);
                prop_assert_eq!(r.value, value);
                continue;
            }
            let here = |no: &&u32| {
                let name = names[**no as usize - 1].as_ref().map_or("(not set)".to_string(), Value::to_text);
                !broken_down || r.segment[0] == name
            };
            let own: Vec<&Option<Value>> = who.iter().filter(here).map(|no| &values[*no as usize - 1]).collect();
            prop_assert_eq!(r.value, by_hand(measure, &own), "{:?}", r);
        }
        if aggregate.is_none() && broken_down {
            for no in &who {
                let name = names[*no as usize - 1].as_ref().map_or("(not set)".to_string(), Value::to_text);
                prop_assert!(seen.contains(&vec![name]));
            }
        }
    }
}

#[test]
fn what_only_events_have_does_not_break_down_profiles() {
    let of_profiles = || Metric {
        profiles: true,
        ..metric(Measure::Total, COMPANY)
    };
    for d in [Dimension::EventProperty(P), Dimension::UsersWhoDid(Arc::default())] {
        let p = plan(vec![of_profiles()], one_day(Unit::Day), vec![d]);
        assert!(matches!(Kernel::new(&p), Err(Error::Param { hint: Some(_), .. })));
    }
}
