//! Every condition against an obvious count by hand, trees against plain booleans, sequences against every assignment.

use super::sequence::Search;
use super::*;
use crate::chunk::{Events, Kind, USER};
use crate::error::Error;
use crate::expr::{Alternative, Selector};
use crate::gather::testing::*;
use crate::gather::{Budget, canonical, pack};
use crate::insights::Aggregate;
use crate::mask::Mask;
use crate::parallel::Workers;
use crate::tick::NoTick;
use crate::time::{Calendar, DAY_MS, Span64, Unit};
use crate::value::Value;
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const MOST: u32 = 9;

fn budget() -> Budget {
    Budget::new(1 << 30)
}

/// Picks the events of these names.
fn selector(events: &[u32]) -> Selector {
    let alternatives = events.iter().map(|e| Alternative {
        first: None,
        event: Some(*e),
        filter: None,
    });
    Selector {
        alternatives: alternatives.collect(),
    }
}

/// The number of an event's name, kept in `mask`.
fn name(e: &Ev) -> u32 {
    e.mask as u32
}

fn push(kernel: &mut Kernel, by: Kind, events: &[Ev]) {
    let (mut chunk, _) = chunk_of(events, 1, by, &None);
    chunk.events = Events::Each(events.iter().map(name).collect());
    kernel.push(&chunk, &Mask::all(chunk.len()), &mut NoTick).unwrap();
}

fn counted(plan: &Plan, chunks: &[Vec<Ev>]) -> Vec<Members> {
    let partials = chunks.chunks(2).map(|two| {
        let mut k = Kernel::new(plan).unwrap();
        two.iter()
            .filter(|c| !c.is_empty())
            .for_each(|c| push(&mut k, plan.by, c));
        let bytes = k.finish().encode().unwrap();
        Partial::decode(&bytes, plan).unwrap()
    });
    let all = partials.reduce(|a, b| a.merge(b, plan).unwrap()).unwrap();
    finish(plan, all, &Workers::serial(), &mut NoTick).unwrap()
}

/// Can the steps be assigned to different events, none earlier than the one before?
fn follows(events: &[(i64, u32)], used: &mut Vec<usize>, steps: &[Selector]) -> bool {
    let Some((first, rest)) = steps.split_first() else {
        return true;
    };
    let since = used.last().map_or(i64::MIN, |i| events[*i].0);
    (0..events.len()).any(|i| {
        if used.contains(&i) || events[i].0 < since || !first.events().unwrap().contains(&events[i].1) {
            return false;
        }
        used.push(i);
        let found = follows(events, used, rest);
        used.pop();
        found
    })
}

/// Does a subject fulfil a condition, by its events alone?
fn by_hand(c: &Counted, events: &[&Ev], remap: Option<&[u32]>) -> bool {
    let of = |s: &Selector, e: &Ev| s.events().unwrap().contains(&name(e));
    let inside = |e: &&&Ev| e.t >= c.span.from && e.t < c.span.to;
    let asked: Vec<&&Ev> = events
        .iter()
        .filter(inside)
        .filter(|e| of(&c.selectors[0], e))
        .collect();
    match c.what {
        What::Times(is) => is.holds(asked.len() as f64),
        What::Users { times, is } => {
            let mut of_user: BTreeMap<u32, u32> = BTreeMap::new();
            for e in asked.iter().filter(|e| e.user != 0) {
                *of_user.entry(canonical(remap, USER, e.user)).or_default() += 1;
            }
            is.holds(of_user.values().filter(|n| **n >= times).count() as f64)
        }
        What::FirstTime => {
            let first = events.iter().filter(|e| of(&c.selectors[0], e)).map(|e| e.t).min();
            first.is_some_and(|t| t >= c.span.from && t < c.span.to)
        }
        What::Sequence => {
            let all: Vec<(i64, u32)> = events.iter().filter(inside).map(|e| (e.t, name(e))).collect();
            follows(&all, &mut Vec::new(), &c.selectors)
        }
        What::Measured {
            aggregate: Aggregate::Distinct,
            is,
            ..
        } => {
            let mut seen = BTreeSet::new();
            for v in asked.iter().filter_map(|e| e.p.as_ref()) {
                let items = match v {
                    Value::List(l) => l.clone(),
                    v => vec![v.clone()],
                };
                seen.extend(items.iter().filter(|v| **v != Value::Null).map(Value::to_text));
            }
            is.holds(seen.len() as f64)
        }
        What::Measured {
            property,
            aggregate,
            is,
        } => {
            let number = |e: &&&Ev| match property {
                N => e.n,
                _ => e.p.as_ref().and_then(Value::as_f64),
            };
            let x: Vec<f64> = asked.iter().filter_map(number).collect();
            let sum: f64 = x.iter().sum();
            match aggregate {
                Aggregate::Sum => is.holds(sum),
                _ if x.is_empty() => false,
                Aggregate::Average => is.holds(sum / x.len() as f64),
                Aggregate::Percentile(_) => {
                    let mut x = x;
                    x.sort_unstable_by(f64::total_cmp);
                    let (low, high) = (x[(x.len() - 1) / 2], x[x.len() / 2]);
                    is.holds(low + (high - low) / 2.0)
                }
                Aggregate::Min => is.holds(x.iter().copied().fold(f64::INFINITY, f64::min)),
                _ => is.holds(x.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            }
        }
    }
}

fn compare() -> impl Strategy<Value = Compare> {
    (0..3, 0..4).prop_map(|(way, n)| {
        let n = f64::from(n);
        [Compare::AtLeast(n), Compare::AtMost(n), Compare::Exactly(n)][way as usize]
    })
}

fn span() -> impl Strategy<Value = Span64> {
    (0i64..8, 0i64..8).prop_map(|(from, days)| Span64 {
        from: from * DAY_MS,
        to: (from + days) * DAY_MS,
    })
}

fn some_events() -> impl Strategy<Value = Selector> {
    prop::collection::btree_set(1u32..4, 1..3).prop_map(|e| selector(&e.into_iter().collect::<Vec<_>>()))
}

fn condition() -> impl Strategy<Value = Counted> {
    let aggregate = prop_oneof![
        Just(Aggregate::Sum),
        Just(Aggregate::Average),
        Just(Aggregate::Min),
        Just(Aggregate::Max),
        Just(Aggregate::Percentile(0.5)),
        Just(Aggregate::Percentile(0.5)),
    ];
    let what = prop_oneof![
        3 => compare().prop_map(What::Times),
        3 => (1u32..4, compare()).prop_map(|(times, is)| What::Users { times, is }),
        3 => (prop_oneof![Just(P), Just(N)], aggregate, compare())
            .prop_map(|(property, aggregate, is)| What::Measured { property, aggregate, is }),
        2 => compare().prop_map(|is| What::Measured { property: P, aggregate: Aggregate::Distinct, is }),
        1 => Just(What::FirstTime),
        2 => Just(What::Sequence),
    ];
    (what, span(), prop::collection::vec(some_events(), 2..4)).prop_map(|(what, span, mut selectors)| {
        if what != What::Sequence {
            selectors.truncate(1);
        }
        Counted { selectors, span, what }
    })
}

fn event() -> impl Strategy<Value = Ev> {
    let value = prop_oneof![
        Just(Value::Int(1)),
        Just(Value::str("1")),
        (0i64..4).prop_map(Value::Int),
        Just(Value::List(vec![
            Value::Int(2),
            Value::Null,
            Value::str("x"),
            Value::Int(2)
        ])),
    ];
    let number = (-3i32..6).prop_map(|n| f64::from(n) / 2.0);
    // Many at one instant.
    let time = (0i64..10, 0i64..3).prop_map(|(d, part)| d * DAY_MS + part * (DAY_MS / 3));
    (
        time,
        1u32..4,
        0u32..8,
        groups(),
        prop::option::of(value),
        prop::option::of(number),
    )
        .prop_map(|(t, name, user, companies, p, n)| Ev {
            p,
            n,
            ..Ev::new(t, u128::from(name), user, &companies)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn every_condition_is_as_counted_by_hand(
        events in prop::collection::vec(event(), 0..40), to in prop::collection::vec(0usize..4, 1..9),
        conditions in prop::collection::vec(condition(), 1..5), by in prop_oneof![Just(USER), Just(COMPANY)], remap in remaps(),
    ) {
        let plan = Plan { by, counted: conditions, most: MOST, remap: remap.as_deref(), memory_limit: 1 << 24 };
        let found = counted(&plan, &deal(&events, &to));
        for (c, members) in plan.counted.iter().zip(&found) {
            for no in 1..=MOST {
                let canonical = by != USER || remap.as_ref().and_then(|r| r.get(no as usize)).is_none_or(|to| *to == no);
                if !canonical {
                    continue;
                }
                let own: Vec<&Ev> = events.iter().filter(|e| e.subjects(by, &None, remap.as_deref()).contains(&no)).collect();
                prop_assert_eq!(members.contains(no), by_hand(c, &own, remap.as_deref()), "{:?} of {}", c, no);
            }
            prop_assert_eq!(c.holds_for_none(), by_hand(c, &[], None));
        }
    }

    #[test]
    fn whatever_a_segment_is_not_wanted_for_changes_nothing(
        events in prop::collection::vec(event(), 1..20), conditions in prop::collection::vec(condition(), 1..4),
    ) {
        let plan = Plan { by: USER, counted: conditions, most: MOST, remap: None, memory_limit: 1 << 24 };
        // A segment has one event.
        let segments: Vec<Vec<Ev>> = (1..4).map(|n| events.iter().filter(|e| name(e) == n).cloned().collect()).collect();
        let wanted = |s: &&Vec<Ev>| {
            let (first, last) = (s.iter().map(|e| e.t).min(), s.iter().map(|e| e.t).max());
            first.zip(last).is_some_and(|(f, l)| plan.counted.iter().any(|c| c.wants(name(&s[0]), f, l)))
        };
        let some: Vec<Vec<Ev>> = segments.iter().filter(wanted).cloned().chain([Vec::new()]).collect();
        prop_assert_eq!(counted(&plan, &segments), counted(&plan, &some));
        let span = plan.reads();
        for e in &events {
            let read = e.t >= span.from && e.t < span.to;
            prop_assert!(read || !plan.counted.iter().any(|c| c.wants(name(e), e.t, e.t)));
        }
    }

    #[test]
    fn a_sequence_is_found_if_any_assignment_exists(
        events in prop::collection::vec((0i64..4, 0u32..16), 0..8), steps in 1usize..5,
    ) {
        let mut packed: Vec<u64> = events.iter().map(|(t, mask)| pack(*t, *mask).unwrap()).collect();
        packed.sort_unstable();
        fn any(events: &[(i64, u32)], used: &mut Vec<usize>, step: usize, steps: usize) -> bool {
            step == steps || (0..events.len()).any(|i| {
                let since = used.last().map_or(i64::MIN, |u| events[*u].0);
                if used.contains(&i) || events[i].0 < since || events[i].1 >> step & 1 == 0 {
                    return false;
                }
                used.push(i);
                let found = any(events, used, step + 1, steps);
                used.pop();
                found
            })
        }
        let found = Search::default().completes(&packed, steps).unwrap();
        prop_assert_eq!(found, any(&events, &mut Vec::new(), 0, steps));
    }

    #[test]
    fn members_are_a_set(a in prop::collection::btree_set(1u32..200, 0..60), b in prop::collection::btree_set(1u32..200, 0..60), most in 1u32..200) {
        let build = |s: &BTreeSet<u32>| {
            let mut m = Members::none(most, &mut budget()).unwrap();
            s.iter().for_each(|no| m.put(*no, true));
            m
        };
        let cut = |s: &BTreeSet<u32>| s.iter().copied().filter(|no| *no <= most).collect::<BTreeSet<_>>();
        let (x, y, a, b) = (build(&a), build(&b), cut(&a), cut(&b));
        let list = |m: &Members| m.to_vec().unwrap().into_iter().collect::<BTreeSet<_>>();
        let mut and = x.copy(&mut budget()).unwrap();
        and.and(&y);
        prop_assert_eq!(list(&and), &a & &b);
        let mut or = x.copy(&mut budget()).unwrap();
        or.or(&y);
        prop_assert_eq!(list(&or), &a | &b);
        let mut not = x.copy(&mut budget()).unwrap();
        not.not();
        prop_assert_eq!(list(&not), &(1..=most).collect::<BTreeSet<_>>() - &a);
        prop_assert_eq!(not.count(), u64::from(most) - x.count());
        prop_assert!(!not.contains(0) && !not.contains(most + 1));
        let column = x.column(None, Value::Bool(true), Value::Bool(false)).unwrap();
        for no in 0..=most {
            prop_assert_eq!(column.get(no), Some(&Value::Bool(a.contains(&no))));
        }
    }

    #[test]
    fn merged_users_are_members_through_whom_they_became(
        members in prop::collection::btree_set(1u32..8, 0..8), remap in remaps(),
    ) {
        let of = |no: u32| remap.as_ref().and_then(|r| r.get(no as usize).copied()).unwrap_or(no);
        let mut m = Members::none(8, &mut budget()).unwrap();
        members.iter().for_each(|no| m.put(*no, true));
        let mut frozen = m.copy(&mut budget()).unwrap();
        frozen.merged(remap.as_deref());
        let moved: BTreeSet<u32> = members.iter().map(|no| of(*no)).collect();
        prop_assert_eq!(frozen.to_vec().unwrap(), moved.into_iter().collect::<Vec<_>>());
        m.canonical(remap.as_deref());
        let kept: Vec<u32> = members.iter().copied().filter(|no| of(*no) == *no).collect();
        prop_assert_eq!(m.to_vec().unwrap(), kept);
        let column = m.column(remap.as_deref(), Value::Bool(true), Value::Bool(false)).unwrap();
        for no in 1..=8 {
            prop_assert_eq!(column.get(no), Some(&Value::Bool(m.contains(of(no)))));
        }
    }
}

fn tree() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        (0usize..3).prop_map(Condition::Behaviour),
        (0usize..2).prop_map(Condition::Where),
        prop_oneof![Just("a"), Just("b")].prop_map(|n| Condition::Cohort(n.into())),
    ];
    leaf.prop_recursive(4, 20, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Condition::All),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Condition::Any),
            inner.prop_map(|c| Condition::Not(Box::new(c))),
        ]
    })
}

fn holds(tree: &Condition, leaf: &impl Fn(&Condition) -> bool) -> bool {
    match tree {
        Condition::All(l) => l.iter().all(|c| holds(c, leaf)),
        Condition::Any(l) => l.iter().any(|c| holds(c, leaf)),
        Condition::Not(c) => !holds(c, leaf),
        c => leaf(c),
    }
}

proptest! {
    #[test]
    fn a_tree_holds_as_its_leaves_say(tree in tree(), bits in prop::collection::vec(any::<u8>(), 7), blank in any::<u8>(), unsure in any::<u8>()) {
        let set = |i: usize| {
            let mut m = Members::none(8, &mut budget()).unwrap();
            (1..=8).for_each(|no| m.put(no, bits[i] >> (no - 1) & 1 == 1));
            m
        };
        let place = |c: &Condition| match c {
            Condition::Behaviour(i) => *i,
            Condition::Where(i) => 3 + i,
            Condition::Cohort(n) => 5 + usize::from(n == "b"),
            _ => unreachable!(),
        };
        let answers = Answers {
            behaviours: (0..3).map(set).collect(),
            filters: (3..5).map(set).collect(),
            cohorts: BTreeMap::from([("a".to_string(), set(5)), ("b".to_string(), set(6))]),
        };
        let found = evaluate(&tree, &answers, 8, &mut budget()).unwrap();
        for no in 1..=8u32 {
            prop_assert_eq!(found.contains(no), holds(&tree, &|c| bits[place(c)] >> (no - 1) & 1 == 1));
        }
        // What nobody may be: never left out when the tree can hold for some of the answers that are possible.
        let of = |i: usize| if unsure >> i & 1 == 1 { Blank::UNSURE } else { Blank::is(blank >> i & 1 == 1) };
        let cohorts = BTreeMap::from([("a".to_string(), of(5)), ("b".to_string(), of(6))]);
        let open = may_be_unknown(&tree, &[of(0), of(1), of(2)], &[of(3), of(4)], &cohorts);
        for guess in 0..128u32 {
            let says = |c: &Condition| {
                let i = place(c);
                if unsure >> i & 1 == 1 { guess >> i & 1 == 1 } else { blank >> i & 1 == 1 }
            };
            prop_assert!(open || !holds(&tree, &says));
        }
    }
}

#[test]
fn windows_end_with_the_day_they_are_seen_from() {
    let calendar = Calendar::utc();
    let days = |w: Window, today: &str| {
        let s = w.span(&calendar, day(today)).unwrap();
        (s.from, s.to)
    };
    let between = |from: &str, to: &str| {
        let s = calendar.days(day(from), day(to)).unwrap();
        (s.from, s.to)
    };
    let within = |t: &str| Window::within(t).unwrap();
    // The example of the law.
    assert_eq!(
        days(within("30 days"), "2024-03-31"),
        between("2024-03-02", "2024-03-31")
    );
    assert_eq!(days(within("1 day"), "2024-03-31"), between("2024-03-31", "2024-03-31"));
    assert_eq!(
        days(within("2 weeks"), "2024-03-31"),
        between("2024-03-18", "2024-03-31")
    );
    assert_eq!(
        days(within("1 month"), "2024-03-31"),
        between("2024-03-01", "2024-03-31")
    );
    assert_eq!(
        days(within("1 year"), "2024-03-01"),
        between("2023-03-02", "2024-03-01")
    );
    let march = Window::between("2024-03-01", "2024-03-31").unwrap();
    assert_eq!(days(march, "2025-01-01"), between("2024-03-01", "2024-03-31"));
    assert_eq!(days(march, "2024-03-10"), between("2024-03-01", "2024-03-10"));
    let s = march.span(&calendar, day("2024-02-01")).unwrap();
    assert_eq!(s.from, s.to);
    for wrong in [
        "",
        "30",
        "30 hours",
        "0 days",
        "-1 days",
        "1.5 days",
        "30 days ago",
        "4000000000 weeks",
    ] {
        assert!(
            matches!(Window::within(wrong), Err(Error::Param { hint: Some(_), .. })),
            "{wrong}"
        );
    }
    assert!(Window::between("2024-02-30", "2024-03-01").is_err());
    assert!(Window::between("2024-03-02", "2024-03-01").is_err());
}

#[test]
fn a_definition_is_read() {
    let d = Definition::parse(&json!({"all": [
        {"did": "Purchase", "at_least": 2, "within": "30 days"},
        {"not": {"any": [{"did": "Purchase", "at_least": 2, "within": "30 days"}, {"cohort": "staff"}]}},
        {"did": {"event": "View", "filter": "cohort(\"beta\")"}, "measure": "sum", "property": "n", "at_most": -1.5, "from_date": "2024-01-01", "to_date": "2024-01-31"},
        {"where": "user[\"plan\"] == \"pro\" or cohort('vip')"},
    ]}))
    .unwrap();
    // Equal conditions are counted once.
    assert_eq!((d.behaviours.len(), d.filters.len()), (2, 1));
    assert_eq!(d.named(), BTreeSet::from(["staff"]));
    let all: Vec<String> = d.cohorts().into_iter().collect();
    assert_eq!(all, ["beta", "staff", "vip"]);
    assert!(d.references().user.contains("plan"));
    assert_eq!(d.behaviours[0].window, Window::Last { n: 30, unit: Unit::Day });
    assert_eq!(
        d.behaviours[1].test,
        Test::Measured {
            property: "n".into(),
            aggregate: Aggregate::Sum,
            is: Compare::AtMost(-1.5)
        }
    );
    let mut deep = json!({"cohort": "x"});
    for _ in 0..20 {
        deep = json!({ "not": deep });
    }
    assert!(matches!(Definition::parse(&deep), Err(Error::Limit { .. })));
    let many: Vec<_> = (0..100).map(|i| json!({ "cohort": i.to_string() })).collect();
    assert!(matches!(
        Definition::parse(&json!({ "any": many })),
        Err(Error::Limit { .. })
    ));
    let users = json!({"users_who_did": {"event": "A", "filter": "properties[\"n\"] > 1"}, "times": 2, "at_most": 3, "within": "1 day"});
    let expected = Test::Users {
        times: 2,
        is: Compare::AtMost(3.0),
    };
    assert_eq!(Definition::parse(&users).unwrap().behaviours[0].test, expected);
    for wrong in [
        json!({"users_who_did": "A", "within": "1 day"}),
        json!({"users_who_did": "A", "at_least": 1}),
        json!({"users_who_did": "A", "at_least": 1.5, "within": "1 day"}),
        json!({"users_who_did": "A", "at_least": 1, "exactly": 1, "within": "1 day"}),
        json!({"users_who_did": "A", "at_least": 1, "times": 0, "within": "1 day"}),
        json!({"users_who_did": "A", "at_least": 1, "measure": "sum", "within": "1 day"}),
        json!({"did": "A", "at_least": 1, "times": 2, "within": "1 day"}),
    ] {
        assert!(
            matches!(Definition::parse(&wrong), Err(Error::Param { hint: Some(_), .. })),
            "{wrong}"
        );
    }
    let p90 = json!({"did": "A", "measure": "p90", "property": "n", "at_least": 1, "within": "1 day"});
    assert!(matches!(
        Definition::parse(&p90),
        Err(Error::Param { hint: Some(_), .. })
    ));
}

#[test]
fn partials_of_other_reports_and_damaged_ones_are_refused() {
    let count = Counted {
        selectors: vec![selector(&[1])],
        span: Span64 { from: 0, to: DAY_MS },
        what: What::Times(Compare::AtLeast(2.0)),
    };
    let plan = |counted: Vec<Counted>| Plan {
        by: USER,
        counted,
        most: MOST,
        remap: None,
        memory_limit: 1 << 20,
    };
    let (one, two) = (plan(vec![count.clone()]), plan(vec![count.clone(), count]));
    let mut k = Kernel::new(&one).unwrap();
    push(&mut k, USER, &[Ev::new(1, 1, 3, &[]), Ev::new(2, 1, 3, &[])]);
    let mut partial = k.finish();
    let bytes = partial.encode().unwrap();
    assert!(Partial::decode(&bytes, &two).is_err());
    for i in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[i] ^= 1;
        assert!(Partial::decode(&bad, &one).is_err());
    }
    assert!(partial.merge(Kernel::new(&two).unwrap().finish(), &one).is_err());
    // Memory is bounded.
    let tight = Plan {
        memory_limit: 1000,
        ..plan(one.counted.clone())
    };
    let mut k = Kernel::new(&tight).unwrap();
    let far: Vec<Ev> = (1..500).map(|u| Ev::new(1, 1, u * 1000, &[])).collect();
    let (mut chunk, _) = chunk_of(&far, 1, USER, &None);
    chunk.events = Events::One(1);
    let full = k.push(&chunk, &Mask::all(chunk.len()), &mut NoTick);
    assert!(matches!(full, Err(Error::Limit { hint: Some(_), .. })));
}
