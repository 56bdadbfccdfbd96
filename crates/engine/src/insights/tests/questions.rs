//! Random questions, events and profiles for insights.

use super::*;
use crate::breakdown::{Named, Ranges, Shape};
use crate::time::DateUnit;

pub fn value() -> impl Strategy<Value = Option<Value>> {
    let json = prop::sample::select(vec![
        "null",
        "\"\"",
        "\"a\"",
        "\"b\"",
        "1",
        "\"1\"",
        "1.5",
        "-3.7",
        "1e17",
        "true",
        "[]",
        "[\"a\",\"b\"]",
        "[\"b\",1,\"\",null,\"b\"]",
        "[[1],{}]",
        "{\"k\":1}",
    ]);
    prop_oneof![1 => Just(None), 4 => json.prop_map(|j| Some(serde_json::from_str(j).unwrap()))]
}

pub fn profiles() -> impl Strategy<Value = SharedProfile> {
    prop::collection::vec(value(), 0..9).prop_map(|v| {
        let mut values: Vec<Value> = v.iter().flatten().cloned().collect();
        values.sort();
        values.dedup();
        let code = |v: &Option<Value>| v.as_ref().map_or(0, |v| values.binary_search(v).unwrap() as u32 + 1);
        let codes = v.iter().map(code).collect();
        Arc::new(ProfileColumn { values, codes })
    })
}

pub fn memberships() -> impl Strategy<Value = Option<Arc<Membership>>> {
    let lists = prop::collection::vec(groups(), 0..8).prop_map(|lists| {
        let of = |(user, list): (usize, Vec<u32>)| list.into_iter().map(move |g| (user as u32, g));
        let mut pairs: Vec<(u32, u32)> = lists.into_iter().enumerate().flat_map(of).collect();
        pairs.sort_unstable();
        Some(Arc::new(Membership::from_pairs(&pairs).unwrap()))
    });
    prop_oneof![Just(None), lists]
}

/// Ranges of different widths.
pub fn bounds() -> Ranges {
    Ranges::at(vec![0.5, 2.0]).unwrap()
}

/// Buckets of which the first that lists a value has it.
pub fn named() -> Named {
    let (one, two) = (Value::number(1.0), Value::number(2.0));
    let buckets = [
        ("first", vec![one.clone(), Value::str("a")]),
        ("second", vec![two, one]),
    ];
    Named::new(buckets.map(|(name, values)| (name.to_string(), values))).unwrap()
}

/// `users_who_did` stands for a table that is made from the events; it only goes with companies.
pub fn dimension(by: Kind) -> BoxedStrategy<Dimension> {
    let group = (COMPANY..=TEAM, profiles(), memberships(), any::<bool>()).prop_map(
        move |(kind, column, membership, via_profile)| Dimension::GroupProperty {
            kind,
            column,
            membership,
            via_profile: via_profile && by == USER,
        },
    );
    let id = (COMPANY..=TEAM, profiles(), memberships()).prop_map(|(kind, ids, membership)| Dimension::GroupId {
        kind,
        ids,
        membership,
    });
    let numbers = |kinds: std::ops::RangeInclusive<Kind>| {
        // Some subjects are beyond what was expected.
        let most = prop::sample::select(vec![0, 3, 6, u32::MAX]);
        (kinds, most, memberships()).prop_map(|(kind, most, membership)| Dimension::Numbers {
            kind,
            most,
            membership: membership.filter(|_| kind != USER),
        })
    };
    let event = prop::sample::select(vec![P, N]).prop_map(Dimension::EventProperty);
    let event = (event, 0..8).prop_map(|(d, shape)| {
        let dates = Shape::Dates(Calendar::utc(), DateUnit::Day);
        match shape {
            0 => Dimension::Shaped(
                Box::new(d),
                Shape::Numbers(Ranges::new(2.0, Some(-1.0), Some(4.0)).unwrap()),
            ),
            1 if matches!(d, Dimension::EventProperty(P)) => Dimension::Shaped(Box::new(d), dates),
            // The zone is that of the question.
            3 => Dimension::Shaped(Box::new(d), Shape::Numbers(bounds())),
            4 => Dimension::Shaped(Box::new(d), Shape::Named(Arc::new(named()))),
            2 => Dimension::Time(Shape::Dates(Calendar::utc(), DateUnit::HourOfDay)),
            _ => d,
        }
    });
    match by {
        USER => prop_oneof![3 => event, 2 => profiles().prop_map(Dimension::UserProfile), 2 => group, 1 => id, 2 => numbers(USER..=TEAM)].boxed(),
        COMPANY => {
            let users = Just(Dimension::UsersWhoDid(Arc::default()));
            prop_oneof![3 => event, 2 => group, 1 => id, 1 => users, 2 => numbers(COMPANY..=TEAM)].boxed()
        }
        _ => prop_oneof![2 => event, 2 => group, 1 => id, 2 => numbers(COMPANY..=TEAM)].boxed(),
    }
}

pub fn aggregates() -> impl Strategy<Value = Aggregate> {
    let simple = vec![
        Aggregate::Sum,
        Aggregate::Average,
        Aggregate::Min,
        Aggregate::Max,
        Aggregate::Distinct,
    ];
    let percent = prop::sample::select(vec![0.0, 0.25, 0.5, 0.9, 1.0]).prop_map(Aggregate::Percentile);
    prop_oneof![4 => prop::sample::select(simple), 2 => percent]
}

pub fn measures() -> impl Strategy<Value = Measure> {
    let property = || prop::sample::select(vec![P, N]);
    let plain = prop::sample::select(vec![Measure::Total, Measure::Unique, Measure::CumulativeUnique]);
    let active = prop::sample::select(vec![1, 2, 7]).prop_map(|days| Measure::Active { days });
    let of = (property(), aggregates()).prop_map(|(property, aggregate)| Measure::Property { property, aggregate });
    let inner = (property(), aggregates()).prop_map(|(property, aggregate)| match aggregate {
        Aggregate::Percentile(_) => Inner::Total,
        aggregate => Inner::Property { property, aggregate },
    });
    let per = (inner, aggregates()).prop_map(|(inner, outer)| Measure::PerSubject {
        inner,
        outer: if outer == Aggregate::Distinct {
            Aggregate::Distribution
        } else {
            outer
        },
    });
    let one_only = prop::sample::select(vec![Touch::First, Touch::Last]).prop_map(Measure::UniqueIn);
    prop_oneof![3 => plain, 2 => one_only, 2 => active, 3 => of, 3 => per]
}

/// Kinds that metrics count by, and dimensions that make sense for all of them.
pub fn question() -> impl Strategy<Value = (Vec<Metric>, Vec<Dimension>)> {
    let alone = (USER..=TEAM).prop_flat_map(move |by| {
        let metrics = prop::collection::vec(measures().prop_map(move |m| metric(m, by)), 1..3);
        (metrics, prop::collection::vec(dimension(by), 0..4))
    });
    let mixed = prop::collection::vec((measures(), USER..=TEAM).prop_map(|(m, by)| metric(m, by)), 1..4);
    let mixed = (mixed, prop::collection::vec(dimension(TEAM), 0..3));
    prop_oneof![alone, mixed]
}

pub fn events(origin: i64) -> impl Strategy<Value = Vec<Ev>> {
    let hours = prop_oneof![4 => -5i64..120, 1 => Just(24i64), 1 => 0i64..3].prop_map(|h| h * crate::time::HOUR_MS);
    let n = prop_oneof![
        Just(None),
        prop::sample::select(vec![0.0, -0.0, 1.0, 1.5, 2.0, 0.1, -3.7, 1e17, 1e-9]).prop_map(Some)
    ];
    let ev = (hours, -1i64..2, 0u128..8, 0u32..7, groups(), groups(), value(), n);
    let ev = ev.prop_map(move |(h, ms, mask, user, companies, teams, p, n)| Ev {
        teams,
        p,
        n,
        ..Ev::new(origin + h + ms, mask, user, &companies)
    });
    prop::collection::vec(ev, 0..40)
}
