use super::*;
use crate::breakdown::{Dimension, OTHER, Ranges, Shape};
use crate::chunk::{Chunk, Column, Events, Hits, ProfileColumn, PropertyColumn, SharedProfile, USER};
use crate::mask::Mask;
use crate::parallel::Workers;
use crate::postings;
use crate::stream::{Builder, Columns, Part, Ranks, decode, encode};
use crate::tick::NoTick;
use crate::time::{DayCache, Unit};
use crate::value::Value;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const MINUTE: i64 = 60_000;
const DAY: i32 = 19_810; // 2024-03-28, three days before clocks change in Berlin
const LAST: i32 = DAY + 5;
/// Numbers of "A", "B", "C".
const SORTED: [u32; 3] = [3, 1, 2];
const NAMES: [&str; 3] = ["A", "B", "C"];

#[derive(Debug, Clone)]
struct Ev {
    user: u32,
    t: i64,
    event: u32,
    start: bool,
    end: bool,
    value: Option<i64>,
}

fn ev(user: u32, t: i64) -> Ev {
    Ev {
        user,
        t,
        event: 1,
        start: false,
        end: false,
        value: None,
    }
}

/// Sessions of one subject and day, by the words of the law: their events, and how long they lasted if anybody knows.
fn cut<'e>(mode: Mode, day: &[&'e Ev]) -> Vec<(Vec<&'e Ev>, Option<i64>)> {
    let mut sessions: Vec<Vec<&Ev>> = Vec::new();
    let mut closed: Vec<bool> = Vec::new();
    for e in day {
        let open = sessions.last().zip(closed.last()).filter(|(_, c)| !**c).map(|(s, _)| s);
        let last = open.and_then(|s| s.last());
        let joins = match mode {
            Mode::Timeout(gap) => last.is_some_and(|l| e.t - l.t <= gap),
            Mode::Events => last.is_some(),
            Mode::Property if e.value.is_none() => continue,
            Mode::Property => last.is_some_and(|l| l.value == e.value),
        };
        if joins {
            sessions.last_mut().unwrap().push(e);
            if mode == Mode::Events && e.end {
                *closed.last_mut().unwrap() = true;
            }
        } else if mode != Mode::Events || e.start {
            sessions.push(vec![e]);
            closed.push(false);
        }
    }
    let timed = |c: bool| mode != Mode::Events || c;
    let lasted = |(s, c): (Vec<&'e Ev>, bool)| {
        let duration = timed(c).then(|| s[s.len() - 1].t - s[0].t);
        (s, duration)
    };
    sessions.into_iter().zip(closed).map(lasted).collect()
}

/// All sessions: their events, and how long they lasted.
fn all<'e>(mode: Mode, calendar: &Calendar, excluded: &[u32], events: &'e [Ev]) -> Vec<(Vec<&'e Ev>, Option<i64>)> {
    let mut of_day: BTreeMap<(u32, i32), Vec<&Ev>> = BTreeMap::new();
    for e in events.iter().filter(|e| e.user != 0 && !excluded.contains(&e.event)) {
        let day = calendar.day_of(e.t).unwrap();
        if (DAY..=LAST).contains(&day) {
            of_day.entry((e.user, day)).or_default().push(e);
        }
    }
    let mut found = Vec::new();
    for (_, mut day) in of_day {
        day.sort_by_key(|e| {
            let rank = SORTED.iter().position(|s| *s == e.event);
            let value = e.value.map(|v| crate::row::insert_hash(&v.to_string()));
            // Where starts and ends are not asked for, they are events like any other, and so are values.
            let marked = mode == Mode::Events;
            let value = value.filter(|_| mode == Mode::Property);
            (e.t, rank, marked && e.start, marked && e.end, value, e.value)
        });
        found.extend(cut(mode, &day));
    }
    found
}

/// One row per bucket of some sessions.
fn rows_of(buckets: &Buckets, segment: &[&str], sessions: &[(Vec<&Ev>, Option<i64>)]) -> Vec<Row> {
    let mut cells: Vec<Vec<(u64, Option<i64>)>> = vec![Vec::new(); buckets.len()];
    for (session, duration) in sessions {
        cells[buckets.of(session[0].t).unwrap()].push((session.len() as u64, *duration));
    }
    let row = |(bucket, cell): (&i64, &Vec<(u64, Option<i64>)>)| {
        let mut durations: Vec<i64> = cell.iter().filter_map(|c| c.1).collect();
        durations.sort_unstable();
        let d = durations.len();
        let mean = |sum: f64, n: usize| (n > 0).then(|| sum / n as f64);
        let p90 = |d: &[i64]| {
            let place = 0.9 * (d.len() - 1) as f64;
            let (low, high) = (d[place as usize] as f64, d[place.ceil() as usize] as f64);
            low + (place - place.floor()) * (high - low)
        };
        Row {
            segment: segment.iter().map(|t| t.to_string()).collect(),
            bucket: *bucket,
            sessions: cell.len() as u64,
            events_per_session: mean(cell.iter().map(|c| c.0 as f64).sum(), cell.len()),
            avg_duration: mean(durations.iter().map(|d| *d as f64).sum(), d),
            median_duration: (d > 0).then(|| (durations[(d - 1) / 2] + durations[d / 2]) as f64 / 2.0),
            p90_duration: (d > 0).then(|| p90(&durations)),
        }
    };
    buckets.labels.iter().zip(&cells).map(row).collect()
}

fn oracle(mode: Mode, calendar: &Calendar, buckets: &Buckets, excluded: &[u32], events: &[Ev]) -> Vec<Row> {
    rows_of(buckets, &[], &all(mode, calendar, excluded, events))
}

/// A list that an event has, as it is written: the same for simultaneous events of one name.
fn tags(e: &Ev) -> Option<Value> {
    let text =
        ["null", "\"x\"", "[\"x\",\"y\"]", "[\"z\",\"x\"]", "[]"][((e.t / MINUTE + i64::from(e.event)) % 5) as usize];
    Some(serde_json::from_str(text).unwrap()).filter(|v| *v != Value::Null)
}

/// The plan of users, by number.
fn plans() -> SharedProfile {
    Arc::new(ProfileColumn {
        values: vec![Value::str("pro")],
        codes: vec![0, 1],
    })
}

/// The texts of a feature of a session, by the words of the law.
fn texts(mode: Mode, feature: &Feature, session: &[&Ev], duration: Option<i64>) -> Vec<String> {
    let first = |of: &dyn Fn(&Ev) -> Option<Value>| match mode {
        Mode::Timeout(_) => session.iter().find_map(|e| of(e)),
        _ => of(session[0]),
    };
    let name = |e: &Ev| vec![NAMES[SORTED.iter().position(|s| *s == e.event).unwrap()].to_string()];
    let value = match feature {
        Feature::Of(Dimension::EventProperty(5)) => first(&|e| e.value.map(Value::Int)),
        Feature::Of(Dimension::EventProperty(_)) => first(&tags),
        Feature::Of(_) => (session[0].user == 1).then(|| Value::str("pro")),
        Feature::Duration(None) => duration.map(|d| Value::number(d as f64 / 1000.0)),
        Feature::Duration(_) => {
            let range = |d| {
                if d < 600_000 {
                    "<600"
                } else if d < 1_200_000 {
                    "[600,1200)"
                } else {
                    ">=1200"
                }
            };
            return vec![duration.map_or("(not set)", range).to_string()];
        }
        Feature::Events(_) => Some(Value::Int(session.len() as i64)),
        Feature::StartEvent => return name(session[0]),
        Feature::EndEvent => return name(session[session.len() - 1]),
    };
    let mut texts = match value {
        None => vec!["(not set)".to_string()],
        Some(Value::List(l)) if l.is_empty() => vec!["(not set)".to_string()],
        Some(Value::List(l)) => l.iter().map(Value::to_text).collect(),
        Some(v) => vec![v.to_text()],
    };
    texts.sort();
    texts
}

fn segmented(question: &Segmented, excluded: &[u32], calendar: &Calendar, events: &[Ev]) -> Vec<Row> {
    type Sessions<'e> = Vec<(Vec<&'e Ev>, Option<i64>)>;
    let mode = question.plan.mode;
    let mut found: BTreeMap<Vec<String>, Sessions> = BTreeMap::new();
    let sessions = all(mode, calendar, excluded, events);
    let of = |(session, duration): &(Vec<&Ev>, Option<i64>)| {
        let mut segments = vec![vec![]];
        for f in &question.features {
            let texts = texts(mode, f, session, *duration);
            let with = |s: &Vec<String>| {
                texts
                    .iter()
                    .map(|t| [s.clone(), vec![t.clone()]].concat())
                    .collect::<Vec<_>>()
            };
            segments = segments.iter().flat_map(with).collect();
        }
        segments
    };
    for session in &sessions {
        for segment in of(session) {
            found.entry(segment).or_default().push(session.clone());
        }
    }
    let mut ranked: Vec<(Vec<String>, Sessions)> = found.into_iter().collect();
    ranked.sort_by_key(|(segment, sessions)| (std::cmp::Reverse(sessions.len()), segment.clone()));
    let mut rows = Vec::new();
    let buckets = &question.plan.buckets;
    for (segment, sessions) in ranked.iter().take(question.top) {
        let texts: Vec<&str> = segment.iter().map(String::as_str).collect();
        rows.extend(rows_of(buckets, &texts, sessions));
    }
    if ranked.len() > question.top {
        let rest = |s: &Vec<String>| ranked.iter().skip(question.top).any(|(r, _)| r == s);
        let others: Sessions = sessions.iter().filter(|s| of(s).iter().any(rest)).cloned().collect();
        rows.extend(rows_of(buckets, &vec!["$other"; question.features.len()], &others));
    }
    rows
}

fn gather_segments(question: &Segmented, events: &[Ev]) -> SegmentPartial {
    gather_part(question, events, postings::Part::WHOLE)
}

fn gather_part(question: &Segmented, events: &[Ev], part: postings::Part) -> SegmentPartial {
    let mut kernel = SegmentKernel::new(question).unwrap().only(part);
    let range = question.plan.buckets.range;
    let inside = Mask::from_fn(events.len(), |i| events[i].t >= range.from && events[i].t < range.to);
    let hits = Hits::rows(inside);
    let marks = marks(question.plan.mode, events);
    kernel.push(&chunk(events), &hits, &marks, &mut NoTick).unwrap();
    let partial = kernel.finish();
    SegmentPartial::decode(&partial.encode().unwrap(), question).unwrap()
}

fn chunk(events: &[Ev]) -> Chunk {
    let values: Vec<Value> = (1..4).map(Value::Int).collect();
    let mut lists: Vec<Value> = events.iter().filter_map(tags).collect();
    lists.sort();
    lists.dedup();
    let of = |e: &Ev| tags(e).map_or(0, |v| lists.binary_search(&v).unwrap() as u32 + 1);
    let tags = Column::Dict {
        codes: events.iter().map(of).collect(),
        values: lists.clone(),
    };
    let codes = events.iter().map(|e| e.value.map_or(0, |v| v as u32)).collect();
    Chunk {
        events: Events::Each(events.iter().map(|e| e.event).collect()),
        user: events.iter().map(|e| e.user).collect(),
        time: events.iter().map(|e| e.t).collect(),
        properties: vec![PropertyColumn {
            property: 5,
            column: Column::Dict { values, codes },
        }]
        .into_iter()
        .chain([PropertyColumn {
            property: 6,
            column: tags,
        }])
        .collect(),
        ..Chunk::default()
    }
}

fn marks(mode: Mode, events: &[Ev]) -> Marks {
    let hits = |f: fn(&Ev) -> bool| Hits::rows(Mask::from_fn(events.len(), |i| f(&events[i])));
    match mode {
        Mode::Timeout(_) => Marks::None,
        Mode::Events => Marks::Events(hits(|e| e.start), hits(|e| e.end)),
        Mode::Property => Marks::Property(5),
    }
}

fn gather<'p>(plan: &'p Plan, ranks: &'p Ranks, events: &[Ev]) -> Partial {
    let marks = marks(plan.mode, events);
    let mut kernel = EventKernel::new(plan, USER, ranks).unwrap();
    let range = plan.buckets.range;
    let inside = Mask::from_fn(events.len(), |i| events[i].t >= range.from && events[i].t < range.to);
    kernel
        .push(&chunk(events), &Hits::rows(inside), &marks, &mut NoTick)
        .unwrap();
    kernel.finish()
}

/// Through the stream, a kernel of its own for every part, stored and read again.
fn streamed(plan: &Plan, calendar: &Calendar, ranks: &Ranks, events: &[Ev]) -> Partial {
    let mut days = DayCache::new(calendar);
    let mut builder = Builder::new(ranks, usize::MAX);
    for e in events {
        let (day, ms) = days.locate(e.t).unwrap();
        if (DAY..=LAST).contains(&day) {
            builder.push(e.user, day, ms, e.event).unwrap();
        }
    }
    let mut all = StreamKernel::new(plan).unwrap().finish();
    for ((_, day), sorted) in builder.finish(&mut NoTick).unwrap() {
        let (mut built, mut part) = (Part::default(), Part::default());
        sorted.part(ranks, &mut built).unwrap();
        let mut kernel = StreamKernel::new(plan).unwrap();
        decode(&encode(&built).unwrap(), kernel.columns(), &mut part).unwrap();
        assert_ne!(kernel.columns(), Columns::ALL);
        kernel
            .push(calendar.day_start(day).unwrap(), &part, &mut NoTick)
            .unwrap();
        all = kernel.finish().merge(all, plan).unwrap();
    }
    all
}

fn plan<'a>(mode: Mode, calendar: &Calendar, unit: Unit) -> Plan<'a> {
    let buckets = calendar.buckets(unit, DAY, LAST).unwrap();
    Plan::new(mode, calendar, DAY, LAST, buckets).unwrap()
}

fn events() -> impl Strategy<Value = Vec<Ev>> {
    let t = prop_oneof![
        (0i64..6 * 24 * 6).prop_map(|x| x * 10 * MINUTE),
        (0i64..8 * 24 * 60).prop_map(|x| x * MINUTE + x % 3 - 1),
    ];
    let one = (
        prop_oneof![0u32..3, Just(70_000)],
        t,
        1u32..4,
        any::<(bool, bool)>(),
        prop::option::of(1i64..4),
    );
    prop::collection::vec(one, 0..60).prop_map(|list| {
        let ev = |(user, t, event, (start, end), value)| Ev {
            user,
            t: (i64::from(DAY) - 1) * 86_400_000 + t,
            event,
            start,
            end,
            value,
        };
        list.into_iter().map(ev).collect()
    })
}

fn features() -> impl Strategy<Value = Vec<Feature>> {
    let shape = || Shape::Numbers(Ranges::new(600.0, Some(600.0), Some(1200.0)).unwrap());
    let one = prop::sample::select(vec![
        Feature::Of(Dimension::EventProperty(5)),
        Feature::Of(Dimension::EventProperty(6)),
        Feature::Of(Dimension::UserProfile(plans())),
        Feature::Duration(None),
        Feature::Duration(Some(shape())),
        Feature::Events(None),
        Feature::StartEvent,
        Feature::EndEvent,
    ]);
    prop::collection::vec(one, 1..4)
}

proptest! {
    #[test]
    fn segments_are_those_of_the_law(
        events in events(),
        cut in any::<prop::sample::Index>(),
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin"]),
        unit in prop::sample::select(vec![Unit::Hour, Unit::Day, Unit::Range]),
        mode in prop::sample::select(vec![
            Mode::Timeout(30 * MINUTE), Mode::Timeout(0), Mode::Timeout(600 * MINUTE), Mode::Events, Mode::Property,
        ]),
        features in features(),
        top in 1usize..5,
        excluded in prop::option::of(1u32..4),
    ) {
        let calendar = Calendar::new(zone, "monday").unwrap();
        let ranks = Ranks::new(&SORTED).unwrap();
        let names = NAMES.map(String::from);
        let mut plan = plan(mode, &calendar, unit);
        plan.excluded = (0..4).map(|e| Some(e) == excluded).collect();
        let question = Segmented { plan: &plan, by: USER, ranks: &ranks, names: &names, features, top, whose: None };
        let excluded: Vec<u32> = excluded.into_iter().collect();
        let (a, b) = events.split_at(cut.index(events.len() + 1));
        let partial = gather_segments(&question, b).merge(gather_segments(&question, a), &question).unwrap();
        let found = finish_segments(&question, partial, &Workers::new(2, 0), &mut NoTick).unwrap();
        let want = segmented(&question, &excluded, &calendar, &events);
        prop_assert_eq!(found, want.clone());
        // Part by part of the subjects.
        let of_part = |part| {
            let partial = gather_part(&question, &events, part);
            count_segments(&question, partial, &Workers::serial(), &mut NoTick).unwrap()
        };
        let counts = postings::Part::all(3).map(of_part).reduce(|a, b| a.merge(b).unwrap()).unwrap();
        prop_assert_eq!(show_segments(&question, counts, &mut NoTick).unwrap(), want.clone());
        // Whoever is behind a number: together they are it, and alone each has as many.
        let some = || want.iter().filter(|r| r.sessions > 0);
        for row in some().take(1).chain(some().next_back()) {
            let asked = Segmented { whose: Some(row.bucket), ..question.clone() };
            let of_part = |part| {
                let partial = gather_part(&asked, &events, part);
                count_segments(&asked, partial, &Workers::new(2, 0), &mut NoTick).unwrap()
            };
            let counts = postings::Part::all(2).map(of_part).reduce(|a, b| a.merge(b).unwrap()).unwrap();
            let found = segment_members(&asked, counts, &row.segment, &mut NoTick).unwrap();
            prop_assert!(found.is_sorted_by(|a, b| a.0 < b.0));
            prop_assert_eq!(found.iter().map(|f| f.1.sessions).sum::<u64>(), row.sessions);
            let per_session = row.events_per_session.unwrap_or(0.0);
            let done = found.iter().map(|f| f.1.events).sum::<u64>() as f64;
            prop_assert!((done - per_session * row.sessions as f64).abs() < 1e-6);
            if row.segment.iter().all(|t| t == OTHER) {
                continue;
            }
            let all = Segmented { top: 1000, ..question.clone() };
            for (no, had) in found.into_iter().take(2) {
                let own: Vec<_> = events.iter().filter(|e| e.user == no).cloned().collect();
                let rows = segmented(&all, &excluded, &calendar, &own);
                let same = rows.iter().find(|r| (&r.segment, r.bucket) == (&row.segment, row.bucket)).unwrap();
                prop_assert_eq!(same.sessions, had.sessions);
            }
        }
        let wrong = Segmented { whose: Some(-1), ..question };
        prop_assert!(SegmentKernel::new(&wrong).is_err());
    }

    #[test]
    fn every_way_answers_as_the_law(
        events in events(),
        cut in any::<prop::sample::Index>(),
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin"]),
        unit in prop::sample::select(vec![Unit::Hour, Unit::Day, Unit::Week, Unit::Range]),
        mode in prop::sample::select(vec![
            Mode::Timeout(30 * MINUTE), Mode::Timeout(0), Mode::Timeout(600 * MINUTE), Mode::Events, Mode::Property,
        ]),
        excluded in prop::option::of(1u32..4),
    ) {
        let calendar = Calendar::new(zone, "monday").unwrap();
        let ranks = Ranks::new(&SORTED).unwrap();
        let mut plan = plan(mode, &calendar, unit);
        plan.excluded = (0..4).map(|e| Some(e) == excluded).collect();
        let excluded: Vec<u32> = excluded.into_iter().collect();
        let want = oracle(mode, &calendar, &plan.buckets, &excluded, &events);
        let (a, b) = events.split_at(cut.index(events.len() + 1));
        let (a, b) = (gather(&plan, &ranks, a), gather(&plan, &ranks, b));
        let a = Partial::decode(&a.encode().unwrap(), &plan).unwrap();
        let merged = b.merge(a, &plan).unwrap();
        prop_assert_eq!(&finish(&plan, merged, &Workers::new(2, 0), &mut NoTick).unwrap(), &want);
        if let Mode::Timeout(_) = mode {
            let partial = streamed(&plan, &calendar, &ranks, &events);
            let partial = Partial::decode(&partial.encode().unwrap(), &plan).unwrap();
            prop_assert_eq!(&finish(&plan, partial, &Workers::new(2, 0), &mut NoTick).unwrap(), &want);
        }
    }

    #[test]
    fn garbage_is_no_partial(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let calendar = Calendar::utc();
        let plan = plan(Mode::Events, &calendar, Unit::Day);
        prop_assert!(Partial::decode(&bytes, &plan).is_err());
        let ranks = Ranks::new(&SORTED).unwrap();
        let features = vec![Feature::Of(Dimension::EventProperty(5))];
        let question = Segmented { plan: &plan, by: USER, ranks: &ranks, names: &[], features, top: 1, whose: None };
        prop_assert!(SegmentPartial::decode(&bytes, &question).is_err());
    }
}

fn sessions(mode: Mode, list: &[Ev]) -> Vec<(u64, Option<f64>)> {
    let calendar = Calendar::utc();
    let ranks = Ranks::new(&SORTED).unwrap();
    let plan = plan(mode, &calendar, Unit::Day);
    let rows = finish(&plan, gather(&plan, &ranks, list), &Workers::serial(), &mut NoTick).unwrap();
    rows.iter()
        .map(|r| (r.sessions, r.avg_duration.map(|d| d / MINUTE as f64)))
        .collect()
}

fn at(day: i32, hour: i64, minute: i64) -> i64 {
    i64::from(DAY + day) * 86_400_000 + (hour * 60 + minute) * MINUTE
}

#[test]
fn examples_of_the_law() {
    let gap = Mode::Timeout(30 * MINUTE);
    let times = [(1, 0), (1, 10), (1, 50), (2, 10), (2, 25)];
    let one: Vec<Ev> = times.iter().map(|(h, m)| ev(1, at(0, *h, *m))).collect();
    assert_eq!(sessions(gap, &one)[0], (2, Some(22.5))); // 10 and 35 minutes
    let night = [at(0, 23, 30), at(0, 23, 50), at(1, 0, 5), at(1, 0, 10)].map(|t| ev(1, t));
    assert_eq!(sessions(gap, &night)[..2], [(1, Some(20.0)), (1, Some(5.0))]);
    let login = |h, m| Ev {
        start: true,
        ..ev(1, at(0, h, m))
    };
    let logout = |h, m| Ev {
        end: true,
        ..ev(1, at(0, h, m))
    };
    let shift = [login(11, 0), login(11, 15), logout(11, 45), logout(12, 15)];
    assert_eq!(sessions(Mode::Events, &shift)[0], (1, Some(45.0)));
    let property = |t, v| Ev {
        value: Some(v),
        ..ev(1, t)
    };
    let changes = [
        (at(0, 23, 15), 1),
        (at(0, 23, 45), 1),
        (at(1, 0, 15), 1),
        (at(1, 0, 30), 1),
    ];
    let changes = changes.map(|(t, v)| property(t, v));
    assert_eq!(
        sessions(Mode::Property, &changes)[..2],
        [(1, Some(30.0)), (1, Some(15.0))]
    );
    // Cut at midnight before its end event: a session without a duration, and the end alone makes none.
    let over = [
        Ev {
            start: true,
            ..ev(1, at(0, 23, 0))
        },
        Ev {
            end: true,
            ..ev(1, at(1, 1, 0))
        },
    ];
    assert_eq!(sessions(Mode::Events, &over)[..2], [(1, None), (0, None)]);
}
