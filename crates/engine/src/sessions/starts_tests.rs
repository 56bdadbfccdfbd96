//! Reports that count sessions answer as if every session were a subject of its own.

use super::*;
use crate::breakdown::Dimension;
use crate::chunk::{Chunk, Events, Kind, ProfileColumn, SharedProfile, USER};
use crate::funnel::{self, Ordering, Reentry};
use crate::gather::testing::*;
use crate::insights::{self, Measure, Metric, Shown, Smoothing, Timeline, member_metrics};
use crate::mask::Mask;
use crate::stream::{Builder, Columns, Part, Ranks, decode, encode};
use crate::tick::NoTick;
use crate::time::{Calendar, DAY_MS, DayCache, HOUR_MS, Span64, Unit};
use crate::value::Value;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const MINUTE: i64 = 60_000;
/// Events with this bit are of number 2, which is in no session; all others of number 1.
const PASSED_OVER: u128 = 1 << 7;

fn passed_over(e: &Ev) -> bool {
    e.mask & PASSED_OVER != 0
}

fn numbered(events: &[Ev], mut chunk: Chunk) -> Chunk {
    chunk.events = Events::Each(events.iter().map(|e| 1 + u32::from(passed_over(e))).collect());
    chunk
}

/// The events with every subject of `by` replaced by its session there, and whose each session is.
fn relabelled(plan: &Plan, calendar: &Calendar, by: Kind, timeout: i64, events: &[Ev]) -> (Vec<Ev>, Vec<u32>) {
    let mut times: BTreeMap<u32, BTreeSet<i64>> = BTreeMap::new();
    let counts = |e: &Ev| !passed_over(e) && e.t >= plan.buckets.range.from && e.t < plan.buckets.range.to;
    for e in events.iter().filter(|e| counts(e)) {
        for s in e.subjects(by, &None, plan.remap) {
            times.entry(s).or_default().insert(e.t);
        }
    }
    let (mut sessions, mut owners) = (BTreeMap::new(), vec![0]);
    for (subject, times) in times {
        let mut last = None;
        for t in times {
            let day = calendar.day_of(t).unwrap();
            if last.is_none_or(|(d, l)| d != day || t - l > timeout) {
                owners.push(subject);
            }
            last = Some((day, t));
            sessions.insert((subject, t), owners.len() as u32 - 1);
        }
    }
    let relabel = |e: &Ev| {
        let mut e = e.clone();
        let of = |s: u32, e: &Ev| sessions.get(&(s, e.t)).copied().filter(|_| counts(e));
        if by == USER {
            e.user = of(e.canonical_user(plan.remap), &e).unwrap_or(0);
        } else {
            e.companies = e.companies.iter().filter_map(|c| of(*c, &e)).collect();
        }
        e
    };
    (events.iter().map(relabel).collect(), owners)
}

fn from_events(plan: &Plan, by: Kind, events: &[Ev], to: &[usize]) -> Starts {
    let mut kernels = Vec::new();
    for part in deal(events, to) {
        let mut kernel = EventStarts::new(plan, by).unwrap();
        let inside = |i: usize| part[i].t >= plan.buckets.range.from && part[i].t < plan.buckets.range.to;
        let chunk = numbered(&part, chunk_of(&part, 0, by, &None).0);
        kernel
            .push(&chunk, &Mask::from_fn(part.len(), inside), &mut NoTick)
            .unwrap();
        kernels.push(kernel);
    }
    let found = EventStarts::finish(kernels, &Workers::new(2, 0), &mut NoTick).unwrap();
    Starts::new(plan, found, &mut NoTick).unwrap()
}

/// Through stored parts of the stream, each with a kernel of its own.
fn from_stream(plan: &Plan, calendar: &Calendar, events: &[Ev]) -> Starts {
    let ranks = Ranks::new(&[1, 2]).unwrap();
    let mut days = DayCache::new(calendar);
    let mut builder = Builder::new(&ranks, usize::MAX);
    for e in events {
        let (day, ms) = days.locate(e.t).unwrap();
        if e.t >= plan.buckets.range.from && e.t < plan.buckets.range.to {
            builder.push(e.user, day, ms, 1 + u32::from(passed_over(e))).unwrap();
        }
    }
    let mut found = Vec::new();
    for ((number, day), sorted) in builder.finish(&mut NoTick).unwrap() {
        let (mut built, mut part) = (Part::default(), Part::default());
        sorted.part(&ranks, &mut built).unwrap();
        let mut kernel = StreamStarts::new(plan).unwrap();
        assert_eq!(kernel.columns(), Columns::ALL);
        decode(&encode(&built).unwrap(), kernel.columns(), &mut part).unwrap();
        let start = calendar.day_start(day).unwrap();
        kernel.push(number, start, &part, &mut NoTick).unwrap();
        found.push(kernel.finish());
    }
    Starts::new(plan, found, &mut NoTick).unwrap()
}

fn events() -> impl Strategy<Value = Vec<Ev>> {
    let minutes = prop_oneof![0i64..72 * 60, (0i64..72 * 6).prop_map(|x| x * 10)];
    let p = prop::sample::select(vec![None, Some("a"), Some("b")]);
    let one = (
        minutes,
        0i64..2,
        1u128..8,
        prop::bool::weighted(0.1),
        0u32..5,
        groups(),
        p,
    );
    let ev = move |(minute, ms, mask, passed, user, companies, p): (_, _, u128, bool, _, Vec<u32>, Option<&str>)| Ev {
        p: p.map(Value::str),
        ..Ev::new(
            utc("2024-03-30T00:00:00") + minute * MINUTE + ms,
            if passed { mask | PASSED_OVER } else { mask },
            user,
            &companies,
        )
    };
    prop::collection::vec(one.prop_map(ev), 0..60)
}

/// A property of subjects, by number.
fn profile(owners: Option<&[u32]>) -> SharedProfile {
    let of = [0, 1, 2, 0, 1, 2, 2];
    let codes = match owners {
        None => of.to_vec(),
        Some(owners) => owners.iter().map(|o| of[*o as usize]).collect(),
    };
    let values = vec![Value::str("x"), Value::str("y")];
    Arc::new(ProfileColumn { values, codes })
}

fn breakdown(which: usize, by: Kind, owners: Option<&[u32]>) -> Vec<Dimension> {
    let own = Dimension::of_subject(by, profile(owners));
    let p = Dimension::EventProperty(P);
    match which {
        0 => vec![],
        1 => vec![p],
        2 => vec![own],
        _ => vec![own, p],
    }
}

fn session_plan<'a>(timeout: i64, calendar: &Calendar, remap: Option<&'a [u32]>) -> Plan<'a> {
    let (from, to) = (day("2024-03-30"), day("2024-03-31"));
    let buckets = calendar.buckets(Unit::Range, from, to).unwrap();
    let mut plan = Plan::new(Mode::Timeout(timeout), calendar, from, to, buckets).unwrap();
    plan.excluded = vec![false, false, true];
    plan.remap = remap;
    plan
}

proptest! {
    #[test]
    fn sessions_are_counted_as_subjects_are(
        events in events(),
        by in USER..=COMPANY,
        which in 0usize..4,
        unit in prop::sample::select(vec![Unit::Hour, Unit::Day, Unit::Range]),
        timeout in prop::sample::select(vec![0, 10 * MINUTE, 30 * MINUTE, 24 * HOUR_MS]),
        remap in remaps(),
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin"]),
        to in prop::collection::vec(0usize..4, 1..5),
    ) {
        let calendar = Calendar::new(zone, "monday").unwrap();
        let remap = remap.filter(|_| by == USER);
        let plan = session_plan(timeout, &calendar, remap.as_deref());
        let starts = from_events(&plan, by, &events, &to);
        if by == USER && remap.is_none() {
            prop_assert_eq!(&starts, &from_stream(&plan, &calendar, &events));
        }
        let (other, owners) = relabelled(&plan, &calendar, by, timeout, &events);
        prop_assert_eq!(starts.len() + 1, owners.len());
        for (session, owner) in owners.iter().enumerate() {
            prop_assert_eq!(starts.owner(session as u32), *owner);
        }
        let ask = |measure, breakdown, remap| insights::Plan {
            metrics: vec![Metric { measure, by, label: "A".into(), profiles: false }],
            time: Timeline::from(calendar.buckets(unit, day("2024-03-30"), day("2024-03-31")).unwrap()),
            breakdown,
            formulas: vec![],
            smoothing: Smoothing::None,
            top: 200,
            shown: None,
            remap,
            memory_limit: usize::MAX,
        };
        let (a, b) = (
            ask(Measure::Sessions, breakdown(which, by, None), remap.as_deref()),
            ask(Measure::Unique, breakdown(which, by, Some(&owners)), None),
        );
        let tables = [Some(Arc::new(starts))];
        let mut merged: Option<insights::Partial> = None;
        for part in deal(&events, &to) {
            let mut kernel = insights::Kernel::new(&a).unwrap().with_sessions(&tables);
            let (chunk, hits) = chunk_of(&part, 1, by, &None);
            kernel.push(&numbered(&part, chunk), &hits, &mut NoTick).unwrap();
            let mut found = kernel.finish();
            let found = insights::Partial::decode(&found.encode().unwrap(), &a).unwrap();
            merged = Some(match merged.take() {
                Some(m) => m.merge(found, &a).unwrap(),
                None => found,
            });
        }
        let mut kernel = insights::Kernel::new(&b).unwrap();
        let (chunk, hits) = chunk_of(&other, 1, by, &None);
        kernel.push(&chunk, &hits, &mut NoTick).unwrap();
        let rows = insights::finish(&a, merged.unwrap(), &mut NoTick).unwrap();
        prop_assert_eq!(&rows, &insights::finish(&b, kernel.finish(), &mut NoTick).unwrap());
        if unit != Unit::Range {
            return Ok(());
        }
        // Who had them: the owners of the sessions that are behind the other number.
        for row in rows {
            let shown = || Some(Shown { segments: vec![row.segment.to_vec()], rest: false });
            let mut who: BTreeMap<u32, f64> = BTreeMap::new();
            let c = insights::Plan { metrics: member_metrics(Measure::Unique, by), shown: shown(), ..b.clone() };
            let mut kernel = insights::Kernel::new(&c).unwrap();
            kernel.push(&chunk, &vec![hits[0].clone(); c.metrics.len()], &mut NoTick).unwrap();
            for m in insights::members(&c, Measure::Unique, None, None, kernel.finish(), &mut NoTick).unwrap() {
                *who.entry(owners[m.no as usize]).or_default() += 1.0;
            }
            let c = insights::Plan { metrics: member_metrics(Measure::Sessions, by), shown: shown(), ..a.clone() };
            let tables: Vec<_> = c.metrics.iter().map(|m| tables[0].clone().filter(|_| m.measure == Measure::Sessions)).collect();
            let mut kernel = insights::Kernel::new(&c).unwrap().with_sessions(&tables);
            let (chunk, hits) = chunk_of(&events, 1, by, &None);
            kernel.push(&numbered(&events, chunk), &vec![hits[0].clone(); c.metrics.len()], &mut NoTick).unwrap();
            let sessions = tables.iter().flatten().next().map(|t| &**t);
            let found = insights::members(&c, Measure::Sessions, None, sessions, kernel.finish(), &mut NoTick).unwrap();
            let found: BTreeMap<u32, f64> = found.iter().map(|m| (m.no, m.value.unwrap())).collect();
            prop_assert_eq!(found.values().sum::<f64>(), row.value.unwrap());
            prop_assert_eq!(found, who);
        }
    }

    #[test]
    fn a_funnel_inside_of_sessions_takes_each_for_a_subject(
        events in events(),
        by in USER..=COMPANY,
        which in 0usize..4,
        (strict, optimized, grace) in any::<(bool, bool, bool)>(),
        timeout in prop::sample::select(vec![0, 30 * MINUTE, 24 * HOUR_MS]),
        remap in remaps(),
        to in prop::collection::vec(0usize..4, 1..5),
    ) {
        let calendar = Calendar::utc();
        let remap = remap.filter(|_| by == USER);
        let plan = session_plan(timeout, &calendar, remap.as_deref());
        let starts = from_events(&plan, by, &events, &to);
        let (other, owners) = relabelled(&plan, &calendar, by, timeout, &events);
        let base = |owners| funnel::Plan {
            window_ms: DAY_MS + 2 * HOUR_MS,
            grace_ms: if grace { 2000 } else { 0 },
            ordering: if strict { Ordering::Strict } else { Ordering::Loose },
            reentry: if optimized { Reentry::Optimized } else { Reentry::Default },
            breakdown: breakdown(which, by, owners),
            ..funnel::Plan::new(3, by, Span64 { ..plan.buckets.range }, usize::MAX)
        };
        let answer = |plan: &funnel::Plan, events: &[Ev], to: &[usize]| {
            let mut merged: Option<funnel::Partial> = None;
            for part in deal(events, to) {
                let mut kernel = funnel::Kernel::new(plan).unwrap();
                let (chunk, mut hits) = chunk_of(&part, 3, by, &None);
                if strict {
                    hits.push(crate::chunk::Hits::rows(Mask::all(part.len())));
                }
                kernel.push(&numbered(&part, chunk), &hits, &mut NoTick).unwrap();
                let found = funnel::Partial::decode(&kernel.finish().encode().unwrap(), plan).unwrap();
                merged = Some(match merged.take() {
                    Some(m) => m.merge(found, plan).unwrap(),
                    None => found,
                });
            }
            funnel::finish(plan, merged.unwrap(), &mut NoTick).unwrap()
        };
        let counted = funnel::Plan { sessions: Some(&starts), remap: plan.remap, ..base(None) };
        let rows = answer(&counted, &events, &to);
        let by_number = base(Some(&owners));
        prop_assert_eq!(&rows, &answer(&by_number, &other, &to));
        // Who is behind it: the owners of the sessions that are behind the other count.
        let who = |plan: &funnel::Plan, events: &[Ev], asked: funnel::Asked, segment: &[String]| {
            let mut kernel = funnel::Kernel::new(plan).unwrap();
            let (chunk, mut hits) = chunk_of(events, 3, by, &None);
            if strict {
                hits.push(crate::chunk::Hits::rows(Mask::all(events.len())));
            }
            kernel.push(&numbered(events, chunk), &hits, &mut NoTick).unwrap();
            let found = funnel::find_on(plan, kernel.finish(), asked, &Workers::new(2, 0), &mut NoTick).unwrap();
            found.finish(plan, asked, segment, &mut NoTick).unwrap()
        };
        for row in &rows {
            let asked = funnel::Asked { step: row.step, outcome: funnel::Outcome::Converted };
            let found = who(&counted, &events, asked, &row.segment);
            prop_assert_eq!(found.iter().map(|(_, n)| n).sum::<u64>(), row.count);
            let mut want: BTreeMap<u32, u64> = BTreeMap::new();
            for (session, n) in who(&by_number, &other, asked, &row.segment) {
                *want.entry(owners[session as usize]).or_default() += n;
            }
            prop_assert_eq!(found, want.into_iter().collect::<Vec<_>>());
        }
    }
}
