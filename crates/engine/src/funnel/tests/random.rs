//! Random funnels against the definition.

use super::cascade::by_cascade;
use super::definition::{ValueOf, report};
use super::*;
use crate::breakdown::{Dimension, OTHER};
use crate::chunk::{Membership, ProfileColumn, SharedProfile};
use crate::expr::Names;
use crate::time::Calendar;
use crate::value::Value;
use proptest::prelude::*;
use std::sync::Arc;

/// A profile property: the plan of users, or of companies, by number.
fn profile(names: &[&str]) -> SharedProfile {
    let mut values: Vec<Value> = Vec::new();
    let mut codes = Vec::new();
    for n in names {
        let at = values.iter().position(|v| v.as_str() == Some(n)).unwrap_or_else(|| {
            values.push(Value::str(*n));
            values.len() - 1
        });
        codes.push(if n.is_empty() { 0 } else { at as u32 + 1 });
    }
    Arc::new(ProfileColumn { values, codes })
}

const USER_PLANS: [&str; 6] = ["", "free", "pro", "free", "", "pro"];
const COMPANY_PLANS: [&str; 5] = ["", "gold", "", "gold", "tin"];

struct Known(Calendar);

impl Names for Known {
    fn event(&self, _: &str) -> Option<u32> {
        None
    }
    fn property(&self, name: &str) -> Option<u32> {
        match name {
            "p" => Some(P),
            "n" => Some(N),
            _ => None,
        }
    }
    fn group_kind(&self, key: &str) -> Option<Kind> {
        (key == "company_id").then_some(COMPANY)
    }
    fn user_column(&self, _: &str) -> Option<SharedProfile> {
        Some(profile(&USER_PLANS))
    }
    fn group_column(&self, _: Kind, _: &str) -> Option<SharedProfile> {
        Some(profile(&COMPANY_PLANS))
    }
    fn membership(&self, _: Kind) -> Option<Arc<Membership>> {
        None
    }
    fn event_names(&self) -> Option<SharedProfile> {
        None
    }
    fn distinct_ids(&self) -> Option<SharedProfile> {
        None
    }
    fn calendar(&self) -> &Calendar {
        &self.0
    }
}

fn company_plan(by: Kind) -> Dimension {
    Dimension::GroupProperty {
        kind: COMPANY,
        column: profile(&COMPANY_PLANS),
        membership: None,
        via_profile: by == 9,
    }
}

/// What a source says of an event of a subject.
fn value_of(by: Kind, remap: Option<Vec<u32>>) -> impl Fn(&Dimension, &Ev, u32) -> Option<Value> {
    move |d, e, subject| match d {
        Dimension::EventProperty(P) => e.p.clone(),
        Dimension::EventProperty(_) => e.n.map(Value::number),
        Dimension::UserProfile(_) => {
            let name = USER_PLANS.get(e.canonical_user(remap.as_deref()) as usize)?;
            (!name.is_empty()).then(|| Value::str(*name))
        }
        _ => {
            let plan = |g: u32| COMPANY_PLANS[g as usize];
            let groups = if by == COMPANY {
                vec![subject]
            } else {
                e.companies.clone()
            };
            let value = |g: &u32| match plan(*g) {
                "" => Value::Null,
                name => Value::str(name),
            };
            let mut list: Vec<Value> = groups.iter().map(value).collect();
            list.sort();
            match (groups.len(), list.last()?) {
                (_, Value::Null) => None,
                (1, one) => Some(one.clone()),
                _ => {
                    list.dedup();
                    Some(Value::List(list))
                }
            }
        }
    }
}

/// Everything a random funnel may ask, and one of the filters with its meaning.
#[derive(Debug, Clone)]
struct Options {
    floating: u128,
    strict: bool,
    optimized: bool,
    total: bool,
    exclusions: Vec<Exclusion>,
    held: Vec<u32>,
    breakdown: Vec<u8>,
    attribution: Attribution,
    filter: u8,
    measured: Option<u32>,
    top: usize,
    trend: bool,
}

fn options(steps: usize) -> impl Strategy<Value = Options> {
    let exclusion = (0..steps - 1, 1..steps).prop_map(|(a, b)| Exclusion {
        from: a.min(b - 1),
        to: b.max(a + 1),
    });
    let attribution = prop_oneof![
        2 => Just(Attribution::First),
        1 => Just(Attribution::Last),
        1 => (0..steps).prop_map(Attribution::Step),
    ];
    let whole = (1u128 << steps) - 1;
    (
        prop_oneof![4 => Just(0), 2 => Just(whole), 2 => 0..=whole],
        prop::bool::weighted(0.2),
        any::<bool>(),
        any::<bool>(),
        prop_oneof![2 => Just(vec![]), 1 => prop::collection::vec(exclusion, 1..3)],
        prop_oneof![3 => Just(vec![]), 2 => Just(vec![P]), 1 => Just(vec![P, N])],
        prop_oneof![3 => Just(vec![]), 3 => (0u8..4).prop_map(|d| vec![d]), 1 => Just(vec![0, 1]), 1 => Just(vec![1, 3])],
        attribution,
        (prop_oneof![3 => Just(0u8), 1 => 1u8..4], measured()),
        prop_oneof![Just(1usize), Just(2), Just(200)],
        prop::bool::weighted(0.2),
    )
        .prop_map(
            |(floating, strict, optimized, total, exclusions, held, breakdown, attribution, (filter, measured), top, trend)| Options {
                floating: if strict { 0 } else { floating },
                exclusions: if strict { vec![] } else { exclusions },
                strict,
                optimized,
                total,
                held,
                breakdown,
                attribution,
                filter,
                measured,
                top,
                trend,
            },
        )
}

fn filter(n: u8, by: Kind) -> Option<GlobalFilter> {
    let text = match n {
        1 => "properties[\"n\"] > 1",
        2 => "properties[\"p\"] == \"x\" or not defined(properties[\"n\"])",
        3 => "group[\"company_id\"][\"plan\"] == \"gold\"",
        _ => return None,
    };
    let expr = crate::expr::parse(text).unwrap();
    Some(GlobalFilter::new(&expr, &Known(Calendar::utc()), by).unwrap())
}

/// The same in plain words; what is read comes in order of name.
fn takes(n: u8) -> impl Fn(&[Option<Value>]) -> bool {
    let is = |v: &Option<Value>, text: &str| match v {
        Some(Value::List(l)) => l.iter().any(|v| v.as_str() == Some(text)),
        v => v.as_ref().and_then(Value::as_str) == Some(text),
    };
    move |values| match (n, values) {
        (1, [n]) => n.as_ref().and_then(Value::as_f64).is_some_and(|n| n > 1.0),
        (2, [n, p]) => is(p, "x") || n.is_none(),
        (3, [plan]) => is(plan, "gold"),
        other => panic!("unexpected values {other:?}"),
    }
}

impl Options {
    fn plan<'a>(&self, base: Plan<'a>) -> Plan<'a> {
        let by = base.by;
        let dimension = |d: &u8| match d {
            0 => Dimension::EventProperty(P),
            1 => Dimension::EventProperty(N),
            2 if by == USER => Dimension::UserProfile(profile(&USER_PLANS)),
            _ => company_plan(by),
        };
        Plan {
            floating: self.floating,
            ordering: if self.strict { Ordering::Strict } else { Ordering::Loose },
            reentry: if self.optimized {
                Reentry::Optimized
            } else {
                Reentry::Default
            },
            count: if self.total { Count::Total } else { Count::Unique },
            exclusions: self.exclusions.clone(),
            held: self.held.iter().map(|p| Dimension::EventProperty(*p)).collect(),
            breakdown: self.breakdown.iter().map(dimension).collect(),
            attribution: self.attribution,
            filter: filter(self.filter, by),
            measured: self.measured.map(Dimension::EventProperty),
            top: self.top,
            ..base
        }
    }
}

fn measured() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![3 => Just(None), 2 => Just(Some(N)), 1 => Just(Some(P))]
}

fn value() -> impl Strategy<Value = Option<Value>> {
    let text = |s: &str| Some(Value::str(s));
    prop_oneof![
        2 => Just(None),
        3 => Just(text("x")),
        2 => Just(text("y")),
        1 => Just(text("")),
        1 => Just(text(OTHER)),
        2 => (-2i8..3).prop_map(|n| Some(Value::number(f64::from(n) / 2.0))),
        1 => Just(Some(Value::List(vec![Value::str("x"), Value::str("y")]))),
    ]
}
/// Few instants, so that there are ties; some within a grace of 3, some at the edges of range and window.
fn events(bits: usize, single: bool) -> impl Strategy<Value = Vec<Ev>> {
    let one = (0..bits as u32).prop_map(|k| 1u128 << k);
    let mask = if single {
        one.boxed()
    } else {
        prop_oneof![4 => one, 2 => 0u128..(1 << bits)].boxed()
    };
    let time = prop_oneof![3 => -4i64..60, 1 => 8i64..14];
    let ev = (time, mask, 0u32..6, groups(), value(), prop::option::of(0u8..3));
    prop::collection::vec(
        ev.prop_map(|(t, mask, user, companies, p, n)| Ev {
            p,
            n: n.map(f64::from),
            ..Ev::new(t, mask, user, &companies)
        }),
        0..60,
    )
}

/// The same from four workers, merged in some order, each through bytes; then walked by two, whose counts are merged.
fn in_parts(p: &Plan, events: &[Ev], only: &Option<BTreeSet<u32>>, dealt: &[usize], order: Vec<usize>) -> Vec<StepRow> {
    let parts = deal(events, dealt);
    let mut parts: Vec<Option<Partial>> = parts.iter().map(|e| Some(gather(p, e, only))).collect();
    let mut all: Option<Partial> = None;
    for i in order {
        let part = parts[i].take().unwrap();
        let part = Partial::decode(&part.encode().unwrap(), p).unwrap();
        all = Some(match all {
            None => part,
            Some(a) => a.merge(part, p).unwrap(),
        });
    }
    let Partial {
        mut postings,
        table,
        mut budget,
        ..
    } = all.unwrap();
    let prepared = Prepared::new(p, table, &mut postings, &mut budget).unwrap();
    let walked = postings.walk(
        &crate::parallel::Workers::serial(),
        |e| prepared.is_entry(e, p.entry),
        usize::MAX,
        &mut NoTick,
        || {
            let walkers = [Walker::new(&prepared), Walker::new(&prepared)];
            Ok((walkers, [Counts::new(p)?, Counts::new(p)?], 0))
        },
        |(walkers, counts, n), no, events| {
            *n += 1;
            walkers[*n % 2].subject(no, events, &mut counts[*n % 2], &mut NoTick)
        },
    );
    let (_, counts, _) = walked.unwrap().pop().unwrap();
    let [mut a, b] = counts;
    a.merge(b).unwrap();
    rows::rows(p, a, &mut NoTick).unwrap()
}

/// Intervals of 10, 12 and 18 ms in place of days.
fn intervals() -> Buckets {
    let starts = vec![0, 10, 22];
    Buckets {
        labels: starts.clone(),
        starts,
        range: Span64 { from: 0, to: 40 },
    }
}

fn compare(p: &Plan, events: &[Ev], only: &Option<BTreeSet<u32>>, n: u8, dealt: &[usize], order: Vec<usize>) {
    let remap = p.remap.map(<[u32]>::to_vec);
    let of = value_of(p.by, remap);
    let value_of: ValueOf = &of;
    let expected = report(p, events, only, value_of, &takes(n));
    for threads in [1, 3] {
        let workers = crate::parallel::Workers::new(threads, 0);
        assert_eq!(
            finish_on(p, gather(p, events, only), &workers, &mut NoTick).unwrap(),
            expected
        );
    }
    assert_eq!(in_parts(p, events, only, dealt, order), expected);
    if let Some(found) = by_cascade(p, events, only, dealt) {
        assert_eq!(found, expected);
    }
    if p.buckets.is_none() {
        members_are_those_counted(p, events, only, &expected, value_of, &takes(n));
    }
}

/// Whoever is behind a count: together they are it, and alone each is counted as often.
fn members_are_those_counted(
    p: &Plan,
    events: &[Ev],
    only: &Option<BTreeSet<u32>>,
    rows: &[StepRow],
    value_of: ValueOf,
    takes: &dyn Fn(&[Option<Value>]) -> bool,
) {
    let workers = crate::parallel::Workers::serial();
    let count = |rows: &[StepRow], segment: &[String], step: usize| {
        let row = rows.iter().find(|r| *r.segment == *segment && r.step == step);
        row.map_or(0, |r| r.count)
    };
    for r in rows {
        for outcome in [Outcome::Converted, Outcome::Dropped] {
            let asked = Asked { step: r.step, outcome };
            if asked.check(p).is_err() {
                continue;
            }
            let found = find_on(p, gather(p, events, only), asked, &workers, &mut NoTick).unwrap();
            let who = found.finish(p, asked, &r.segment, &mut NoTick).unwrap();
            let number = |rows: &[StepRow]| match outcome {
                Outcome::Converted => count(rows, &r.segment, r.step),
                Outcome::Dropped => count(rows, &r.segment, r.step - 1) - count(rows, &r.segment, r.step),
            };
            assert_eq!(
                who.iter().map(|(_, n)| n).sum::<u64>(),
                number(rows),
                "{asked:?} {:?}",
                r.segment
            );
            assert!(who.is_sorted_by(|a, b| a.0 < b.0));
            if r.step != 2 || r.segment.iter().any(|t| t == OTHER) {
                continue;
            }
            for (no, times) in who {
                let mine = |e: &&Ev| e.subjects(p.by, only, p.remap).contains(&no);
                let own: Vec<Ev> = events.iter().filter(mine).map(|e| of_one(e, p.by, no)).collect();
                let alone = Plan { top: 99, ..p.clone() };
                let theirs = report(&alone, &own, only, value_of, takes);
                assert_eq!(times, number(&theirs), "{asked:?} {:?} {no}", r.segment);
            }
        }
    }
}

/// An event as the only one of its groups that is counted has it. What other properties say of it stays.
fn of_one(e: &Ev, by: Kind, no: u32) -> Ev {
    let companies = if by == COMPANY { vec![no] } else { e.companies.clone() };
    Ev { companies, ..e.clone() }
}

/// Bits of events: steps, exclusions, and in strict order the one that every event has.
fn bits(p: &Plan, events: &mut [Ev]) {
    let inside = (1u128 << (p.steps + p.exclusions.len())) - 1;
    for e in events {
        e.mask &= inside;
        if p.ordering == Ordering::Strict {
            e.mask |= 1 << p.steps;
        }
    }
}

fn cases(default: u32) -> ProptestConfig {
    let n = std::env::var("FUNNEL_CASES").ok().and_then(|n| n.parse().ok());
    ProptestConfig::with_cases(n.unwrap_or(default))
}

proptest! {
    #![proptest_config(cases(400))]
    #[test]
    fn agrees_with_the_definition(
        (steps, mut events) in (2usize..6).prop_flat_map(|n| (Just(n), events(n, false))),
        by in prop::sample::select(vec![USER, COMPANY]),
        to in 10i64..50, window in 1i64..40, grace in prop::sample::select(vec![0i64, 1, 3, 100]),
        only in filters(), remap in remaps(),
        dealt in prop::collection::vec(0usize..4, 1..40), order in Just(vec![0, 1, 2, 3]).prop_shuffle(),
    ) {
        let p = Plan { grace_ms: grace, remap: remap.as_deref(), ..plan(steps, by, 0, to, window) };
        bits(&p, &mut events);
        compare(&p, &events, &only, 0, &dealt, order);
    }

    /// Where no event matches two steps, one-pass walkers answer.
    #[test]
    fn one_pass_agrees_with_the_definition(
        (steps, mut events) in (2usize..6).prop_flat_map(|n| (Just(n), events(n, true))),
        by in prop::sample::select(vec![USER, COMPANY]),
        to in 10i64..60, window in prop_oneof![1i64..40, 3i64..12], grace in prop::sample::select(vec![0i64, 0, 1, 3]),
        any_order in prop::bool::weighted(0.3), optimized in any::<bool>(), remap in remaps(),
        total in prop::bool::weighted(0.3), broken_down in prop::bool::weighted(0.3), filtered in 0u8..4,
        measured in measured(),
        dealt in prop::collection::vec(0usize..4, 1..40), order in Just(vec![0, 1, 2, 3]).prop_shuffle(),
    ) {
        let p = Plan {
            grace_ms: grace,
            remap: remap.as_deref(),
            floating: if any_order { (1 << steps) - 1 } else { 0 },
            reentry: if optimized { Reentry::Optimized } else { Reentry::Default },
            count: if total { Count::Total } else { Count::Unique },
            breakdown: if broken_down { vec![Dimension::EventProperty(P)] } else { vec![] },
            filter: filter(u8::from(filtered == 1), by),
            measured: measured.map(Dimension::EventProperty),
            ..plan(steps, by, 0, to, window)
        };
        bits(&p, &mut events);
        compare(&p, &events, &None, u8::from(filtered == 1), &dealt, order);
    }

    #[test]
    fn every_option_agrees_with_the_definition(
        (steps, mut events, options) in (2usize..5).prop_flat_map(|n| (Just(n), events(n + 2, false), options(n))),
        by in prop::sample::select(vec![USER, COMPANY]),
        to in 10i64..50, window in 1i64..40, grace in prop::sample::select(vec![0i64, 1, 3, 100]),
        only in filters(), remap in remaps(),
        dealt in prop::collection::vec(0usize..4, 1..40), order in Just(vec![0, 1, 2, 3]).prop_shuffle(),
    ) {
        let buckets = intervals();
        let mut base = Plan { grace_ms: grace, remap: remap.as_deref(), ..plan(steps, by, 0, to, window) };
        if options.trend {
            base.entry = buckets.range;
            base.buckets = Some(&buckets);
        }
        let p = options.plan(base);
        bits(&p, &mut events);
        compare(&p, &events, &only, options.filter, &dealt, order);
    }

    /// Values that mostly are those of the subject, so that a breakdown leaves much to a cascade.
    #[test]
    fn steps_one_after_another_agree_with_the_definition(
        (steps, mut events, options) in (2usize..5).prop_flat_map(|n| (Just(n), events(n, true), options(n))),
        by in prop::sample::select(vec![USER, COMPANY]), own in prop::bool::weighted(0.8),
        to in 10i64..50, window in prop_oneof![1i64..40, 3i64..12], grace in prop::sample::select(vec![0i64, 0, 1, 3, 100]),
        only in filters(), remap in remaps(),
        dealt in prop::collection::vec(0usize..4, 1..40), order in Just(vec![0, 1, 2, 3]).prop_shuffle(),
    ) {
        for e in events.iter_mut().filter(|_| own) {
            e.p = [None, Some(Value::str("x")), Some(Value::str("y"))][e.user as usize % 3].clone();
            e.n = [None, Some(1.0), Some(2.0)][e.user as usize / 2];
            if by == COMPANY {
                (e.p, e.n) = (Some(Value::str("x")), None);
            }
        }
        let base = Plan { grace_ms: grace, remap: remap.as_deref(), ..plan(steps, by, 0, to, window) };
        let p = Plan { count: Count::Unique, exclusions: vec![], held: vec![], ordering: Ordering::Loose, ..options.plan(base) };
        bits(&p, &mut events);
        compare(&p, &events, &only, options.filter, &dealt, order);
    }

    #[test]
    fn garbage_is_refused(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let p = Plan {
            breakdown: vec![Dimension::EventProperty(P)],
            measured: Some(Dimension::EventProperty(P)),
            ..plan(3, USER, 0, 100, 100)
        };
        let events: Vec<Ev> = (0..20)
            .map(|i| Ev {
                p: Some(Value::number((i % 4) as f64)),
                ..Ev::new(i, 1 + i as u128 % 7, 1 + i as u32 % 3, &[])
            })
            .collect();
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
