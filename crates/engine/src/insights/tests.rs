use super::*;
use crate::chunk::Kind;
use crate::chunk::{Membership, ProfileColumn};
use crate::gather::testing::*;
use crate::tick::NoTick;
use crate::time::{Buckets, Calendar, Unit};
use crate::value::Value;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod groups;
mod oracle;
mod profiles;
mod questions;
mod whom;

fn metric(measure: Measure, by: Kind) -> Metric {
    Metric {
        measure,
        by,
        label: format!("{measure:?} {by}"),
        profiles: false,
    }
}

fn plan(metrics: Vec<Metric>, buckets: Buckets, breakdown: Vec<Dimension>) -> Plan<'static> {
    Plan {
        metrics,
        time: buckets.into(),
        breakdown,
        formulas: vec![],
        smoothing: Smoothing::None,
        shown: None,
        top: 200,
        remap: None,
        memory_limit: 1 << 30,
    }
}

fn gather<'p>(plan: &'p Plan<'p>, events: &[Ev], only: &Option<BTreeSet<u32>>) -> Partial {
    let mut k = Kernel::new(plan).unwrap();
    // A selection per metric: the filter on companies only touches those of metrics by company.
    let mut hits = Vec::new();
    for (i, m) in plan.metrics.iter().enumerate() {
        hits.push(chunk_of(events, plan.metrics.len(), m.by, only).1.remove(i));
    }
    let (chunk, _) = chunk_of(events, 0, USER, &None);
    k.push(&chunk, &hits, &mut NoTick).unwrap();
    k.finish()
}

fn run(plan: &Plan, events: &[Ev]) -> Vec<Row> {
    finish(plan, gather(plan, events, &None), &mut NoTick).unwrap()
}

/// In another order than the numbers'.
fn id_of(kind: Kind, no: u32) -> String {
    format!("{}-{kind}", no.wrapping_mul(7) % 10)
}

/// Finishes once the subjects that are asked for have their ids.
fn finish_named(plan: &Plan, mut partial: Partial) -> Vec<Row> {
    for (kind, no) in unnamed(plan, &mut partial, &mut NoTick).unwrap() {
        partial.name(kind, no, &id_of(kind, no)).unwrap();
    }
    finish(plan, partial, &mut NoTick).unwrap()
}

fn values(rows: &[Row]) -> Vec<f64> {
    rows.iter().map(|r| r.value.unwrap()).collect()
}

/// "segment/segment" and value, of one metric and bucket.
fn segments(rows: &[Row]) -> Vec<(String, f64)> {
    rows.iter().map(|r| (r.segment.join("/"), r.value.unwrap())).collect()
}

fn named(pairs: &[(&str, f64)]) -> Vec<(String, f64)> {
    pairs.iter().map(|(s, v)| (s.to_string(), *v)).collect()
}

fn range(unit: Unit, from: &str, to: &str) -> Buckets {
    Calendar::utc().buckets(unit, day(from), day(to)).unwrap()
}

fn one_day(unit: Unit) -> Buckets {
    range(unit, "2024-01-01", "2024-01-01")
}

const T: i64 = 1_704_103_200_000; // 2024-01-01T10:00:00Z

fn list(items: &[&str]) -> Option<Value> {
    Some(Value::List(items.iter().map(|s| Value::str(*s)).collect()))
}

/// Texts by subject number; "-" is not set.
fn profile(texts: &[&str]) -> SharedProfile {
    let mut values: Vec<Value> = Vec::new();
    let codes = texts.iter().map(|t| {
        if *t == "-" {
            return 0;
        }
        let v = if t.contains(',') {
            list(&t.split(',').collect::<Vec<_>>()).unwrap()
        } else {
            Value::str(*t)
        };
        values.push(v);
        values.len() as u32
    });
    let codes = codes.collect();
    Arc::new(ProfileColumn { values, codes })
}

use crate::chunk::SharedProfile;

#[test]
fn attribution_of_the_worked_example() {
    // Companies: acme 1, globex 2, 42 is 3; team eng 1.
    let mut events = [
        Ev::new(T, 15, 1, &[1]),
        Ev::new(T, 15, 2, &[1, 2]),
        Ev::new(T, 15, 3, &[]),
        Ev::new(T, 15, 4, &[]),
        Ev::new(T, 15, 1, &[3]),
    ];
    events[0].teams = vec![1];
    let metrics = vec![
        metric(Measure::Total, USER),
        metric(Measure::Unique, USER),
        metric(Measure::Unique, COMPANY),
        metric(Measure::Unique, TEAM),
    ];
    assert_eq!(
        values(&run(&plan(metrics, one_day(Unit::Range), vec![]), &events)),
        [5.0, 4.0, 3.0, 1.0]
    );
}

#[test]
fn measurements_of_the_worked_example() {
    let watch = |user, companies: &[u32]| Ev::new(T, 7, user, companies);
    let events = [
        watch(1, &[1]),
        watch(1, &[1]),
        watch(2, &[1]),
        watch(3, &[2]),
        watch(3, &[2]),
        watch(4, &[]),
        watch(1, &[]),
    ];
    let metrics = vec![
        metric(Measure::Total, USER),
        metric(Measure::Unique, USER),
        metric(Measure::Unique, COMPANY),
    ];
    assert_eq!(
        values(&run(&plan(metrics, one_day(Unit::Range), vec![]), &events)),
        [7.0, 4.0, 2.0]
    );
}

/// Appendix B. acme = 1, globex = 2; "old" was no group when e1 came; u0 is user 10.
#[test]
fn the_end_to_end_example() {
    let t = |s: &str| utc(&format!("2024-01-{s}:00"));
    let ev = |s: &str, user, companies: &[u32]| Ev::new(t(s), 15, user, companies);
    let events = [
        ev("01T09:00", 10, &[]),
        ev("01T10:00", 1, &[1]),
        ev("01T10:05", 2, &[2]),
        ev("01T11:00", 3, &[1]),
        ev("01T12:00", 2, &[1, 2]),
        ev("02T09:00", 4, &[1]),
        ev("03T09:00", 2, &[2]),
        ev("03T10:00", 5, &[]),
        ev("03T10:00", 1, &[1]),
    ];
    let metrics = vec![
        metric(Measure::Unique, USER),
        metric(Measure::Unique, COMPANY),
        metric(Measure::Total, USER),
        metric(Measure::Total, COMPANY),
    ];
    let whole = plan(metrics.clone(), range(Unit::Range, "2024-01-01", "2024-01-03"), vec![]);
    assert_eq!(values(&run(&whole, &events)), [6.0, 2.0, 9.0, 7.0]);
    let daily = plan(
        metrics[..2].to_vec(),
        range(Unit::Day, "2024-01-01", "2024-01-03"),
        vec![],
    );
    assert_eq!(values(&run(&daily, &events)), [4.0, 1.0, 3.0, 2.0, 1.0, 2.0]);

    let buckets = range(Unit::Day, "2024-01-01", "2024-01-01");
    let mut users = UsersWhoDid::new(COMPANY, 1, &buckets, None, 1 << 20).unwrap();
    let (chunk, hits) = chunk_of(&events, 1, COMPANY, &None);
    users.push(&chunk, &hits[0], &mut NoTick).unwrap();
    let table = users.finish().unwrap();
    assert_eq!((table.users(0, 1), table.users(0, 2), table.users(0, 3)), (3, 1, 0));
}

#[test]
fn lists_of_the_documentation() {
    let mut events = [Ev::new(T, 1, 1, &[]), Ev::new(T, 1, 2, &[]), Ev::new(T, 1, 3, &[])];
    events[0].p = list(&["P1", "P2", "P4"]);
    events[1].p = list(&["P2", "P3", "P4"]);
    events[2].p = list(&["P3", "P4"]);
    let p = plan(
        vec![metric(Measure::Total, USER)],
        one_day(Unit::Day),
        vec![Dimension::EventProperty(P)],
    );
    assert_eq!(
        segments(&run(&p, &events)),
        named(&[("P4", 3.0), ("P2", 2.0), ("P3", 2.0), ("P1", 1.0)])
    );
}

#[test]
fn values_that_are_not_plain_text() {
    let json = [
        "null",
        "\"\"",
        "[]",
        "[\"\",null,[1,2],\"a\",\"a\",1]",
        "{\"b\":1,\"a\":[true]}",
        "true",
        "1.50",
        "\"1.5\"",
    ];
    let mut events: Vec<Ev> = (0..9).map(|i| Ev::new(T, 1, i + 1, &[])).collect();
    for (e, j) in events.iter_mut().zip(json) {
        e.p = Some(serde_json::from_str(j).unwrap());
    }
    let p = plan(
        vec![metric(Measure::Unique, USER)],
        one_day(Unit::Day),
        vec![Dimension::EventProperty(P)],
    );
    let mut found = segments(&run(&p, &events));
    found.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let expected = [
        ("(empty string)", 2.0),
        ("(not set)", 4.0),
        ("1", 1.0),
        ("1.5", 2.0),
        ("[1,2]", 1.0),
        ("a", 1.0),
        ("true", 1.0),
        ("{\"a\":[true],\"b\":1}", 1.0),
    ];
    assert_eq!(found, named(&expected));
}

#[test]
fn a_groups_own_row_counts_an_event_of_two_groups_once_each() {
    let events = [Ev::new(T, 3, 1, &[1, 2]), Ev::new(T, 3, 1, &[1])];
    let metrics = vec![metric(Measure::Total, COMPANY), metric(Measure::Unique, COMPANY)];
    let ids = profile(&["-", "acme", "globex"]);
    let by_id = Dimension::GroupId {
        kind: COMPANY,
        ids,
        membership: None,
    };
    let found = run(&plan(metrics.clone(), one_day(Unit::Day), vec![by_id]), &events);
    assert_eq!(
        segments(&found),
        named(&[("acme", 2.0), ("globex", 1.0), ("acme", 1.0), ("globex", 1.0)])
    );
    // Both are on one plan: the event counts there once, the companies are two.
    let column = profile(&["-", "pro", "pro"]);
    let by_plan = Dimension::GroupProperty {
        kind: COMPANY,
        column,
        membership: None,
        via_profile: false,
    };
    let found = run(&plan(metrics, one_day(Unit::Day), vec![by_plan]), &events);
    assert_eq!(segments(&found), named(&[("pro", 2.0), ("pro", 2.0)]));
}

#[test]
fn group_properties_in_a_report_by_user() {
    let events = [Ev::new(T, 1, 1, &[1, 2]), Ev::new(T, 1, 2, &[]), Ev::new(T, 1, 3, &[3])];
    let column = profile(&["-", "pro", "free", "-"]);
    let membership = Some(Arc::new(Membership::from_pairs(&[(1, 2), (2, 1)]).unwrap()));
    let run = |membership: Option<Arc<Membership>>, via_profile| {
        let d = Dimension::GroupProperty {
            kind: COMPANY,
            column: column.clone(),
            membership,
            via_profile,
        };
        segments(&run(
            &plan(vec![metric(Measure::Unique, USER)], one_day(Unit::Day), vec![d]),
            &events,
        ))
    };
    assert_eq!(
        run(None, false),
        named(&[("(not set)", 2.0), ("free", 1.0), ("pro", 1.0)])
    );
    // User 2 belongs to company 1; the events of the others speak for themselves.
    assert_eq!(
        run(membership.clone(), false),
        named(&[("pro", 2.0), ("(not set)", 1.0), ("free", 1.0)])
    );
    assert_eq!(
        run(membership, true),
        named(&[("(not set)", 1.0), ("free", 1.0), ("pro", 1.0)])
    );
}

#[test]
fn memberships_are_read_when_an_event_needs_them() {
    let unread = Arc::new(Membership::unread());
    let d = Dimension::GroupProperty {
        kind: COMPANY,
        column: profile(&["-", "pro", "free"]),
        membership: Some(unread.clone()),
        via_profile: false,
    };
    let metrics = vec![metric(Measure::Unique, USER), metric(Measure::Unique, COMPANY)];
    let p = plan(metrics, one_day(Unit::Day), vec![d]);
    let events = [Ev::new(T, 3, 1, &[1]), Ev::new(T, 3, 2, &[2]), Ev::new(T, 2, 3, &[])];
    let found = run(&p, &events);
    assert_eq!(
        segments(&found),
        named(&[("free", 1.0), ("pro", 1.0), ("free", 1.0), ("pro", 1.0)])
    );
    assert!(!unread.is_missed());
    let (chunk, hits) = chunk_of(&[Ev::new(T, 3, 4, &[])], 2, USER, &None);
    assert!(Kernel::new(&p).unwrap().push(&chunk, &hits, &mut NoTick).is_err());
    assert!(unread.is_missed());
}

#[test]
fn only_subjects_that_may_be_shown_need_their_ids() {
    let event = |company: u32, user: u32| Ev::new(T, 3, user, &[company]);
    let mut events: Vec<Ev> = (1..=3).map(|user| event(1, user)).collect();
    events.extend([
        event(2, 1),
        event(2, 2),
        event(3, 1),
        event(3, 2),
        event(4, 1),
        event(4, 1),
        event(5, 1),
    ]);
    let d = Dimension::Numbers {
        kind: COMPANY,
        most: 5,
        membership: None,
    };
    let metrics = vec![metric(Measure::Unique, USER), metric(Measure::Total, USER)];
    let p = Plan {
        top: 2,
        ..plan(metrics, one_day(Unit::Range), vec![d])
    };
    let mut partial = gather(&p, &events, &None);
    let asked = unnamed(&p, &mut partial, &mut NoTick).unwrap();
    assert_eq!(asked, [(COMPANY, 1), (COMPANY, 2), (COMPANY, 3)]);
    let names = [(1, "first"), (2, "z"), (3, "a")];
    assert!(finish(&p, partial.clone(), &mut NoTick).is_err());
    names
        .iter()
        .for_each(|(no, id)| partial.name(COMPANY, *no, id).unwrap());
    assert_eq!(
        segments(&finish(&p, partial, &mut NoTick).unwrap()),
        named(&[
            ("first", 3.0),
            ("a", 2.0),
            ("$other", 2.0),
            ("first", 3.0),
            ("a", 2.0),
            ("$other", 5.0)
        ])
    );
}

/// acme 1, globex 2, init 3; selector 0 is Download, selector 1 Login.
#[test]
fn users_who_did_of_the_worked_example() {
    let events = [
        Ev::new(T, 2, 1, &[1]),
        Ev::new(T + 1, 2, 2, &[1]),
        Ev::new(T + 2, 1, 1, &[1]),
        Ev::new(T + 3, 1, 3, &[2]),
        Ev::new(T + 4, 2, 4, &[3]),
        Ev::new(T + 5, 2, 1, &[1]),
    ];
    let buckets = one_day(Unit::Day);
    let table = |at_least| {
        let mut users = UsersWhoDid::new(COMPANY, at_least, &buckets, None, 1 << 20).unwrap();
        let (chunk, hits) = chunk_of(&events, 2, COMPANY, &None);
        users.push(&chunk, &hits[1], &mut NoTick).unwrap();
        Arc::new(users.finish().unwrap())
    };
    let by = |at_least| vec![Dimension::UsersWhoDid(table(at_least))];
    let p = plan(vec![metric(Measure::Unique, COMPANY)], buckets.clone(), by(1));
    assert_eq!(segments(&run(&p, &events)), named(&[("0", 1.0), ("2", 1.0)]));
    // u1 logs in twice, u2 once.
    let p = plan(vec![metric(Measure::Unique, COMPANY)], buckets.clone(), by(2));
    assert_eq!(segments(&run(&p, &events)), named(&[("0", 1.0), ("1", 1.0)]));
    assert!(UsersWhoDid::new(USER, 1, &buckets, None, 1).is_err());
    assert!(UsersWhoDid::new(COMPANY, 0, &buckets, None, 1).is_err());
}

#[test]
fn the_rest_is_one_segment_and_counts_everybody_once() {
    let mut events = Vec::new();
    for (user, p) in [
        (1, "a"),
        (2, "a"),
        (3, "a"),
        (1, "b"),
        (2, "b"),
        (1, "c"),
        (1, "d"),
        (2, "d"),
    ] {
        events.push(Ev {
            p: Some(Value::str(p)),
            ..Ev::new(T, 1, user, &[])
        });
    }
    let d = vec![Dimension::EventProperty(P), Dimension::EventProperty(N)];
    let p = Plan {
        top: 2,
        ..plan(vec![metric(Measure::Unique, USER)], one_day(Unit::Day), d)
    };
    let expected = [("a/(not set)", 3.0), ("b/(not set)", 2.0), ("$other/$other", 2.0)];
    assert_eq!(segments(&run(&p, &events)), named(&expected));
    let p = Plan { top: 0, ..p };
    assert_eq!(segments(&run(&p, &events)), named(&[("$other/$other", 3.0)]));
}

#[test]
fn the_segments_of_another_report_are_shown_as_they_are() {
    let event = |user, p: &str| Ev {
        p: Some(Value::str(p)),
        ..Ev::new(T, 1, user, &[])
    };
    let events = [event(1, "a"), event(2, "a"), event(3, "b"), event(3, "c")];
    let with = |rest| Plan {
        shown: Some(Shown {
            segments: vec![vec!["x".into()], vec!["b".into()]],
            rest,
        }),
        ..plan(
            vec![metric(Measure::Unique, USER)],
            one_day(Unit::Day),
            vec![Dimension::EventProperty(P)],
        )
    };
    assert_eq!(
        segments(&run(&with(true), &events)),
        named(&[("x", 0.0), ("b", 1.0), ("$other", 3.0)])
    );
    assert_eq!(segments(&run(&with(false), &events)), named(&[("x", 0.0), ("b", 1.0)]));
    assert_eq!(
        segments(&run(&with(true), &[])),
        named(&[("x", 0.0), ("b", 0.0), ("$other", 0.0)])
    );
}

#[test]
fn a_value_called_other_joins_the_rest() {
    let event = |user, p: &str| Ev {
        p: Some(Value::str(p)),
        ..Ev::new(T, 1, user, &[])
    };
    let events = [event(1, "$other"), event(2, "$other"), event(3, "a"), event(1, "b")];
    let d = vec![Dimension::EventProperty(P)];
    let p = Plan {
        top: 1,
        ..plan(vec![metric(Measure::Unique, USER)], one_day(Unit::Day), d)
    };
    assert_eq!(segments(&run(&p, &events)), named(&[("a", 1.0), ("$other", 2.0)]));
}

#[test]
fn without_events_there_are_rows_only_without_a_breakdown() {
    let m = || vec![metric(Measure::Total, USER), metric(Measure::Unique, COMPANY)];
    let rows = run(&plan(m(), one_day(Unit::Hour), vec![]), &[]);
    assert_eq!(rows.len(), 48);
    assert!(rows.iter().all(|r| r.segment.is_empty() && r.value == Some(0.0)));
    assert!(run(&plan(m(), one_day(Unit::Hour), vec![Dimension::EventProperty(P)]), &[]).is_empty());
}

#[test]
fn what_makes_no_sense_is_refused_with_a_hint() {
    let table = Arc::new(
        UsersWhoDid::new(COMPANY, 1, &one_day(Unit::Day), None, 1)
            .unwrap()
            .finish()
            .unwrap(),
    );
    let via_profile = Dimension::GroupProperty {
        kind: COMPANY,
        column: profile(&[]),
        membership: None,
        via_profile: true,
    };
    for (by, d) in [
        (USER, Dimension::UsersWhoDid(table.clone())),
        (TEAM, Dimension::UsersWhoDid(table)),
        (COMPANY, Dimension::UserProfile(profile(&[]))),
        (COMPANY, via_profile),
    ] {
        let p = plan(vec![metric(Measure::Unique, by)], one_day(Unit::Day), vec![d]);
        assert!(matches!(Kernel::new(&p), Err(Error::Param { hint: Some(_), .. })));
    }
    let five = vec![Dimension::EventProperty(P); 5];
    let p = plan(vec![metric(Measure::Unique, USER)], one_day(Unit::Day), five);
    assert!(matches!(Kernel::new(&p), Err(Error::Param { hint: Some(_), .. })));
}

#[test]
fn memory_is_bounded() {
    // One event whose breakdown explodes: 200 elements in each of four dimensions.
    let words: Vec<String> = (0..200).map(|i| i.to_string()).collect();
    let p = list(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let event = Ev {
        p,
        ..Ev::new(T, 1, 1, &[])
    };
    let four = vec![Dimension::EventProperty(P); 4];
    let p = Plan {
        memory_limit: 10 << 20,
        ..plan(vec![metric(Measure::Total, USER)], one_day(Unit::Day), four)
    };
    let (chunk, hits) = chunk_of(&[event], 1, USER, &None);
    let pushed = Kernel::new(&p).unwrap().push(&chunk, &hits, &mut NoTick);
    assert!(matches!(pushed, Err(Error::Limit { hint: Some(_), .. })));
    // Many rows.
    let minutes = range(Unit::Minute, "2024-01-01", "2024-01-30");
    let p = Plan {
        memory_limit: 1 << 20,
        ..plan(vec![metric(Measure::Unique, USER)], minutes, vec![])
    };
    let empty = Kernel::new(&p).map(Kernel::finish).unwrap();
    assert!(matches!(
        finish(&p, empty, &mut NoTick),
        Err(Error::Limit { hint: Some(_), .. })
    ));
    // A merge keeps to the limit as well.
    let events: Vec<Ev> = (0..60_000u32).map(|u| Ev::new(T, 1, u * 70 + 1, &[])).collect();
    let wide = plan(vec![metric(Measure::Unique, USER)], one_day(Unit::Day), vec![]);
    let half = |i: usize| gather(&wide, &events[i * 30_000..][..30_000], &None);
    assert!(half(0).bytes() >= 120_000);
    let narrow = Plan {
        memory_limit: 200_000,
        ..wide.clone()
    };
    assert!(half(0).merge(half(1), &wide).is_ok());
    assert!(matches!(
        half(0).merge(half(1), &narrow),
        Err(Error::Limit { hint: Some(_), .. })
    ));
}

/// What the store knows of settled days stands for their rows: sets of subjects, and plain numbers.
#[test]
fn whole_days_can_stand_for_their_rows() {
    let calendar = Calendar::new("Europe/Berlin", "monday").unwrap();
    let (from, to) = (day("2024-03-20"), day("2024-04-10"));
    let mut events = Vec::new();
    for d in from - 40..=to + 3 {
        let start = calendar.day_start(d).unwrap();
        for user in (1..30u32).filter(|u| (d.unsigned_abs() * 7 + u * u) % 11 < 3) {
            events.push(Ev::new(start + i64::from(user) * 1000, 1, user, &[user % 4 + 1]));
        }
    }
    let sets = [Measure::Unique, Measure::CumulativeUnique].into_iter();
    let sets: Vec<Measure> = sets.chain([1, 7, 30].map(|days| Measure::Active { days })).collect();
    for (unit, before) in [
        (Unit::Day, 0),
        (Unit::Day, 6),
        (Unit::Week, 2),
        (Unit::Month, 0),
        (Unit::Range, 0),
    ] {
        let time = Timeline::new(&calendar, unit, from, to, before, 30).unwrap();
        for by in [USER, COMPANY] {
            let mut metrics: Vec<Metric> = sets.iter().map(|m| metric(*m, by)).collect();
            metrics.push(metric(Measure::Total, by));
            let p = Plan {
                time: time.clone(),
                smoothing: if before > 0 {
                    Smoothing::Rolling(before + 1)
                } else {
                    Smoothing::None
                },
                ..plan(metrics, time.buckets.clone(), vec![])
            };
            let (chunk, hits) = chunk_of(&events, 1, by, &None);
            let mut rows = Kernel::new(&p).unwrap();
            rows.push(&chunk, &vec![hits[0].clone(); sets.len() + 1], &mut NoTick)
                .unwrap();
            let expected = finish(&p, rows.finish(), &mut NoTick).unwrap();
            let mut whole = Kernel::new(&p).unwrap();
            for d in from - 40..=to + 3 {
                let start = calendar.day_start(d).unwrap();
                let today = events.iter().filter(|e| calendar.day_of(e.t).unwrap() == d);
                let today: Vec<&Ev> = today.collect();
                let subjects: BTreeSet<u32> = today.iter().flat_map(|e| e.subjects(by, &None, None)).collect();
                for (m, measure) in sets.iter().enumerate() {
                    let alone = match measure {
                        Measure::Unique => unit == Unit::Day,
                        m => *m == Measure::Active { days: 1 },
                    };
                    if alone && d % 2 == 0 {
                        whole.partial().add_known(&p, m, start, subjects.len() as u64).unwrap();
                    } else {
                        whole
                            .partial()
                            .add_set(&p, m, start, subjects.iter().copied().chain([0]))
                            .unwrap();
                    }
                }
                whole
                    .partial()
                    .add_total(&p, sets.len(), start, today.len() as u64)
                    .unwrap();
            }
            let far = Partial::decode(&whole.finish().encode().unwrap(), &p).unwrap();
            let both = far.merge(Kernel::new(&p).unwrap().finish(), &p).unwrap();
            assert_eq!(finish(&p, both, &mut NoTick).unwrap(), expected, "{unit:?} {by}");
            let mut kernel = Kernel::new(&p).unwrap();
            assert!(kernel.partial().add_known(&p, 1, time.buckets.range.from, 1).is_err());
            assert!(
                kernel
                    .partial()
                    .add_set(&p, sets.len(), time.buckets.range.from, [1].into_iter())
                    .is_err()
            );
            assert!(kernel.partial().add_total(&p, 0, time.buckets.range.from, 1).is_err());
        }
    }
}
