//! The law of insights as plain as it can be written, against the kernel.

use super::questions::*;
use super::*;
use crate::breakdown::Shape;
use crate::time::DateUnit;

/// As `Ranges` of 2 from -1 to 4 and parts of dates show a single value.
fn shaped(shape: Option<&Shape>, v: Option<&Value>) -> String {
    let plain = single(v);
    match (shape, v) {
        (None, _) => plain,
        (_, None | Some(Value::Null)) => plain,
        (Some(Shape::Named(_)), Some(v)) => match v.to_text().as_str() {
            "1" | "a" => "first".into(),
            "2" => "second".into(),
            _ => "(remaining values)".into(),
        },
        (Some(Shape::Numbers(r)), Some(v)) if *r == bounds() => match v.as_f64() {
            None => "(non-numeric values)".into(),
            Some(x) if x < 0.5 => "<0.5".into(),
            Some(x) if x < 2.0 => "[0.5,2)".into(),
            Some(_) => ">=2".into(),
        },
        (Some(Shape::Numbers(_)), Some(v)) => match v.as_f64() {
            None => "(non-numeric values)".into(),
            Some(x) if x < -1.0 => "<-1".into(),
            Some(x) if x < 1.0 => "[-1,1)".into(),
            Some(x) if x < 3.0 => "[1,3)".into(),
            Some(x) if x < 4.0 => "[3,4)".into(),
            Some(_) => ">=4".into(),
        },
        // No value of these tests is a date.
        (Some(Shape::Dates(..)), Some(_)) => "(no date)".into(),
    }
}

fn texts(shape: Option<&Shape>, v: Option<&Value>) -> BTreeSet<String> {
    let single = |v| shaped(shape, v);
    match v {
        Some(Value::List(l)) if !l.is_empty() => l.iter().map(|e| single(Some(e))).collect(),
        Some(Value::List(_)) => BTreeSet::from(["(not set)".to_string()]),
        v => BTreeSet::from([single(v)]),
    }
}

fn single(v: Option<&Value>) -> String {
    match v {
        None | Some(Value::Null) => "(not set)".into(),
        Some(Value::Str(s)) if s.is_empty() => "(empty string)".into(),
        Some(v) => v.to_text(),
    }
}

/// What the events say that the kernel is given in tables.
struct World<'a> {
    plan: &'a Plan<'a>,
    events: &'a [Ev],
    only: &'a Option<BTreeSet<u32>>,
    /// The selection that "users who did" looks at.
    did: usize,
    at_least: usize,
    zone: jiff::tz::TimeZone,
}

impl World<'_> {
    fn bucket(&self, t: i64) -> Option<usize> {
        let b = &self.plan.time.buckets;
        (0..b.len()).find(|i| b.starts[*i] <= t && t < b.end(*i))
    }

    fn users_who_did(&self, bucket: usize, company: u32) -> usize {
        let mut users: BTreeMap<u32, usize> = BTreeMap::new();
        for e in self.events {
            let companies = e.subjects(COMPANY, self.only, None);
            let user = e.canonical_user(self.plan.remap);
            let counts = e.mask >> self.did & 1 == 1 && companies.contains(&company) && user != 0;
            if counts && self.bucket(e.t) == Some(bucket) {
                *users.entry(user).or_default() += 1;
            }
        }
        users.values().filter(|n| **n >= self.at_least).count()
    }

    /// The values of a dimension for an event, when `subject` is counted by `by`.
    fn values(&self, d: &Dimension, e: &Ev, by: Kind, subject: Option<u32>, bucket: usize) -> BTreeSet<String> {
        let user = e.canonical_user(self.plan.remap);
        let groups = |kind: Kind, membership: &Option<Arc<Membership>>, via_profile: bool| -> Vec<u32> {
            if by == kind {
                return vec![subject.unwrap()];
            }
            let on_event = if kind == COMPANY {
                e.companies.clone()
            } else {
                e.teams.clone()
            };
            if !via_profile && !on_event.is_empty() {
                return on_event;
            }
            match membership {
                Some(m) if by == USER && user != 0 => m.of(user).to_vec(),
                _ => vec![],
            }
        };
        let (d, shape) = d.plain();
        let texts = |v: Option<&Value>| texts(shape, v);
        let of_all = |groups: Vec<u32>, column: &SharedProfile| -> BTreeSet<String> {
            if groups.is_empty() {
                return BTreeSet::from(["(not set)".to_string()]);
            }
            groups.iter().flat_map(|g| texts(column.get(*g))).collect()
        };
        match d {
            Dimension::Time(_) => {
                let shown = self.zone.to_datetime(jiff::Timestamp::from_millisecond(e.t).unwrap());
                BTreeSet::from([format!("{:02}", shown.hour())])
            }
            Dimension::Shaped(..) | Dimension::Lookup { .. } => unreachable!(),
            Dimension::EventProperty(P) => texts(e.p.as_ref()),
            Dimension::EventProperty(_) => texts(e.n.map(Value::number).as_ref()),
            Dimension::UserProfile(column) => texts(column.get(user)),
            Dimension::GroupProperty {
                kind,
                column,
                membership,
                via_profile,
            } => of_all(groups(*kind, membership, *via_profile), column),
            Dimension::GroupId { kind, ids, membership } => of_all(groups(*kind, membership, false), ids),
            Dimension::Numbers { kind, membership, .. } => {
                let subjects = match *kind {
                    USER if user == 0 => vec![],
                    USER => vec![user],
                    kind => groups(kind, membership, false),
                };
                match subjects.as_slice() {
                    [] => BTreeSet::from(["(not set)".to_string()]),
                    some => some.iter().map(|no| id_of(*kind, *no)).collect(),
                }
            }
            Dimension::UsersWhoDid(_) => BTreeSet::from([self.users_who_did(bucket, subject.unwrap()).to_string()]),
        }
    }

    fn segments(&self, e: &Ev, by: Kind, subject: Option<u32>, bucket: usize) -> BTreeSet<Vec<String>> {
        let mut all = BTreeSet::from([vec![]]);
        for d in &self.plan.breakdown {
            let values = self.values(d, e, by, subject, bucket);
            let longer = |s: &Vec<String>| {
                values
                    .iter()
                    .map(|v| [&s[..], std::slice::from_ref(v)].concat())
                    .collect::<Vec<_>>()
            };
            all = all.iter().flat_map(longer).collect();
        }
        all
    }

    /// One event as one metric counts it, once per subject and segment.
    fn facts(&self, i: usize, m: &Metric) -> Vec<Fact> {
        let mut facts = Vec::new();
        for (number, e) in self.events.iter().enumerate().filter(|(_, e)| e.mask >> i & 1 == 1) {
            let mut counted: Vec<Option<u32>> = e
                .subjects(m.by, self.only, self.plan.remap)
                .into_iter()
                .map(Some)
                .collect();
            let of_events = matches!(m.measure, Measure::Total | Measure::Property { .. });
            if counted.is_empty() && m.by == USER && of_events {
                counted.push(None);
            }
            let value = match m.measure.property() {
                None => None,
                Some(P) => e.p.clone().filter(|v| *v != Value::Null),
                Some(_) => e.n.map(Value::number),
            };
            let numeric = value.as_ref().is_some_and(|v| v.as_f64().is_some());
            let contributes = match m.measure {
                Measure::Property {
                    aggregate: Aggregate::Distinct,
                    ..
                } => !values_of(&value).is_empty(),
                Measure::Property { .. } => numeric,
                Measure::PerSubject {
                    inner: Inner::Property { aggregate, .. },
                    ..
                } => matches!(aggregate, Aggregate::Sum | Aggregate::Distinct) || numeric,
                _ => true,
            };
            // Trailing windows have no interval to speak of, and no dimension that asks for it.
            let bucket = match m.measure {
                Measure::Active { .. } => Some(0),
                _ => self.bucket(e.t).filter(|b| !self.plan.time.is_gap(*b)),
            };
            let Some(bucket) = bucket.filter(|_| contributes) else {
                continue;
            };
            for subject in counted {
                for segment in self.segments(e, m.by, subject, bucket) {
                    let fact = Fact {
                        segment,
                        t: e.t,
                        event: number,
                        subject,
                        value: value.clone(),
                    };
                    facts.push((bucket, fact));
                }
            }
        }
        if let Measure::UniqueIn(touch) = m.measure {
            let place = |f: &(usize, Fact)| (f.0, f.1.subject, f.1.t, f.1.segment.clone());
            facts.sort_by_key(place);
            if touch == Touch::Last {
                facts.reverse();
            }
            facts.dedup_by_key(|f| (f.0, f.1.subject));
        }
        facts.into_iter().map(|f| f.1).collect()
    }

    /// The intervals that are shown and as many before them, as (label, from, to).
    fn intervals(&self, q: &Question, before: i64) -> Vec<(i64, i64, i64)> {
        let shown = q.calendar.buckets(q.unit, q.from, q.to).unwrap();
        let mut all = Vec::new();
        for i in (1..=before).rev() {
            all.push(match q.unit {
                Unit::Hour => (
                    0,
                    shown.range.from - i * crate::time::HOUR_MS,
                    shown.range.from - (i - 1) * crate::time::HOUR_MS,
                ),
                unit => {
                    let first = q.calendar.unit_start_day(unit, q.from).unwrap();
                    let start = |n| {
                        q.calendar
                            .day_start(q.calendar.add_units(unit, first, n).unwrap())
                            .unwrap()
                    };
                    (0, start(-i), start(1 - i))
                }
            });
        }
        all.extend((0..shown.len()).map(|i| (shown.labels[i], shown.starts[i], shown.end(i))));
        all
    }

    fn rows(&self, q: &Question) -> Vec<Row> {
        let plan = self.plan;
        let facts: Vec<Vec<Fact>> = plan.metrics.iter().enumerate().map(|(i, m)| self.facts(i, m)).collect();
        let before = plan.smoothing.before();
        let intervals = self.intervals(q, before as i64);
        // The instants that a metric looks at for the interval that ends with `to`.
        let span = |m: &Metric, from: i64, to: i64| match m.measure {
            Measure::Active { days } => {
                let last = q.calendar.day_of(to - 1).unwrap();
                let day = |d: i32| q.calendar.day_start(d).unwrap();
                (day(last + 1 - days as i32), day(last + 1))
            }
            Measure::CumulativeUnique => (intervals[before].1, to),
            _ => (from, to),
        };
        let looked_at = |m: &Metric, f: &Fact, all: &[(i64, i64, i64)]| {
            all.iter()
                .any(|(_, from, to)| (span(m, *from, *to).0..span(m, *from, *to).1).contains(&f.t))
        };
        let of = |m: &Metric, facts: &[Fact], segments: &[Vec<String>], from: i64, to: i64| -> Found {
            let (from, to) = span(m, from, to);
            let picked = facts
                .iter()
                .filter(|f| segments.contains(&f.segment) && (from..to).contains(&f.t));
            found(m.measure, &picked.collect::<Vec<_>>())
        };
        let mut names: BTreeSet<Vec<String>> = BTreeSet::new();
        for (m, facts) in plan.metrics.iter().zip(&facts) {
            let seen = |f: &&Fact| matches!(m.measure, Measure::CumulativeUnique) || looked_at(m, f, &intervals);
            names.extend(facts.iter().filter(seen).map(|f| f.segment.clone()));
        }
        if plan.breakdown.is_empty() {
            names = BTreeSet::from([vec![]]);
        }
        let mut names: Vec<Vec<String>> = names.into_iter().collect();
        let score = |s: &Vec<String>| {
            let m = &plan.metrics[0];
            let mut picked: Vec<&Fact> = facts[0].iter().filter(|f| f.segment == *s).collect();
            picked.retain(|f| looked_at(m, f, &intervals[before..]));
            rank_of(m.measure, &picked)
        };
        names.sort_by(|a, b| score(b).total_cmp(&score(a)));
        let rest = names.split_off(plan.top.min(names.len()));
        let mut lines: Vec<(Vec<String>, Vec<Vec<String>>)> = names.into_iter().map(|s| (s.clone(), vec![s])).collect();
        if !rest.is_empty() {
            lines.push((vec!["$other".to_string(); plan.breakdown.len()], rest));
        }
        let mut rows = Vec::new();
        for (m, facts) in plan.metrics.iter().zip(&facts) {
            for (name, segments) in &lines {
                let points: Vec<Found> = intervals
                    .iter()
                    .map(|(_, from, to)| of(m, facts, segments, *from, *to))
                    .collect();
                let mut curves: Vec<(Vec<String>, Vec<Option<f64>>)> = Vec::new();
                if m.measure.is_distribution() {
                    let mut values: Vec<f64> = points.iter().flat_map(|p| p.subjects.iter().copied()).collect();
                    values.sort_by(f64::total_cmp);
                    values.dedup();
                    for v in values {
                        let text = Value::number(v).to_text();
                        let n = |p: &Found| Some(p.subjects.iter().filter(|x| **x == v).count() as f64);
                        curves.push(([&name[..], &[text]].concat(), points.iter().map(n).collect()));
                    }
                } else {
                    curves.push((name.clone(), points.iter().map(|p| p.value).collect()));
                }
                for (segment, points) in curves {
                    for (i, (label, ..)) in intervals.iter().enumerate().skip(before) {
                        let upto = match plan.smoothing {
                            Smoothing::None => i..i + 1,
                            Smoothing::Rolling(n) => i + 1 - n..i + 1,
                            Smoothing::Cumulative => before..i + 1,
                        };
                        let some: Vec<f64> = points[upto].iter().flatten().copied().collect();
                        let sum = some.iter().fold(None, |s, x| Some(s.unwrap_or(0.0) + x));
                        let value = match plan.smoothing {
                            Smoothing::Rolling(_) => sum.map(|s| s / some.len() as f64),
                            _ => sum,
                        };
                        rows.push(Row {
                            metric: m.label.as_str().into(),
                            segment: segment.clone().into(),
                            bucket: *label,
                            value,
                        });
                    }
                }
            }
        }
        rows
    }
}

struct Fact {
    segment: Vec<String>,
    t: i64,
    event: usize,
    subject: Option<u32>,
    value: Option<Value>,
}

struct Question {
    calendar: Calendar,
    unit: Unit,
    from: i32,
    to: i32,
}

/// The value of an interval; in a distribution those of the subjects.
struct Found {
    value: Option<f64>,
    subjects: Vec<f64>,
    contributing: usize,
}

/// The values that count as different ones.
fn values_of(v: &Option<Value>) -> BTreeSet<String> {
    match v {
        None | Some(Value::Null) => BTreeSet::new(),
        Some(Value::List(l)) => l.iter().filter(|v| **v != Value::Null).map(Value::to_text).collect(),
        Some(v) => BTreeSet::from([v.to_text()]),
    }
}

/// Exact, as a multiple of 2^-80: the numbers of these tests are such multiples, or of their size and above.
fn exact_sum(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    // Adding up every pair exactly: the errors of each addition are added in turn until nothing is lost.
    sorted.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let mut parts: Vec<f64> = Vec::new();
    for mut x in sorted {
        let mut kept = Vec::new();
        for p in parts {
            let (big, small) = if x.abs() < p.abs() { (p, x) } else { (x, p) };
            let high = big + small;
            let low = small - (high - big);
            if low != 0.0 {
                kept.push(low);
            }
            x = high;
        }
        kept.push(x);
        parts = kept;
    }
    // Parts do not overlap; the numbers of these tests leave no tie to be broken by a third.
    parts.iter().sum::<f64>() + 0.0
}

fn aggregate(a: Aggregate, numbers: &[f64]) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    match a {
        Aggregate::Sum => Some(exact_sum(numbers)),
        Aggregate::Average => (!numbers.is_empty()).then(|| exact_sum(numbers) / numbers.len() as f64),
        Aggregate::Min => sorted.first().copied(),
        Aggregate::Max => sorted.last().copied(),
        Aggregate::Percentile(p) => {
            let place = p * (sorted.len().checked_sub(1)? as f64);
            let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            Some(low + (place - place.floor()) * (high - low))
        }
        Aggregate::Distinct | Aggregate::Distribution => None,
    }
}

/// Numbers, or the number of different values, of events.
fn of_events(a: Aggregate, events: &BTreeMap<usize, &Option<Value>>) -> Option<f64> {
    if a == Aggregate::Distinct {
        return Some(
            events
                .values()
                .flat_map(|v| values_of(v))
                .collect::<BTreeSet<_>>()
                .len() as f64,
        );
    }
    let numbers: Vec<f64> = events
        .values()
        .filter_map(|v| v.as_ref()?.as_f64())
        .map(|x| x + 0.0)
        .collect();
    aggregate(a, &numbers)
}

fn found(measure: Measure, facts: &[&Fact]) -> Found {
    let events: BTreeMap<usize, &Option<Value>> = facts.iter().map(|f| (f.event, &f.value)).collect();
    let people: BTreeSet<u32> = facts.iter().filter_map(|f| f.subject).collect();
    let mut subjects = Vec::new();
    let value = match measure {
        Measure::Total => Some(events.len() as f64),
        Measure::Unique
        | Measure::UniqueIn(_)
        | Measure::Active { .. }
        | Measure::CumulativeUnique
        | Measure::Sessions => Some(people.len() as f64),
        Measure::Property { aggregate, .. } => of_events(aggregate, &events),
        Measure::PerSubject { inner, outer } => {
            for who in people {
                let own: BTreeMap<usize, &Option<Value>> = facts
                    .iter()
                    .filter(|f| f.subject == Some(who))
                    .map(|f| (f.event, &f.value))
                    .collect();
                let value = match inner {
                    Inner::Total => Some(own.len() as f64),
                    Inner::Property { aggregate, .. } => of_events(aggregate, &own),
                };
                subjects.extend(value);
            }
            aggregate(outer, &subjects)
        }
    };
    let contributing = if matches!(measure, Measure::PerSubject { .. }) {
        subjects.len()
    } else {
        events.len()
    };
    Found {
        value,
        subjects,
        contributing,
    }
}

fn rank_of(measure: Measure, facts: &[&Fact]) -> f64 {
    let all = found(measure, facts);
    let a = match measure {
        Measure::Property { aggregate, .. } => aggregate,
        Measure::PerSubject { outer, .. } => outer,
        _ => Aggregate::Sum,
    };
    match a {
        Aggregate::Min => all.value.map_or(f64::NEG_INFINITY, |v| -v),
        Aggregate::Average | Aggregate::Percentile(_) | Aggregate::Distribution => all.contributing as f64,
        _ => all.value.unwrap_or(f64::NEG_INFINITY),
    }
}

/// Equal to the last bit; else the first rows that differ.
fn same(found: &[Row], expected: &[Row]) -> Result<(), TestCaseError> {
    for (f, e) in found.iter().zip(expected) {
        prop_assert_eq!(f, e);
        prop_assert_eq!(f.value.map(f64::to_bits), e.value.map(f64::to_bits), "{:?}", f);
    }
    prop_assert_eq!(found.len(), expected.len());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn agrees_with_the_definition(
        (zone, eve, events) in prop::sample::select(&ZONES[..]).prop_flat_map(|(z, d)| {
            (Just(z), Just(d), events(at(z, &format!("{d}T00:00:00"))))
        }),
        (mut metrics, mut breakdown) in question(),
        unit in prop::sample::select(vec![Unit::Hour, Unit::Day, Unit::Week, Unit::Month, Unit::Range]),
        length in 0i32..4, late in any::<bool>(), top in prop_oneof![Just(200usize), 0usize..4], at_least in 1u32..3,
        only in filters(), remap in remaps(),
        smoothing in prop::sample::select(vec![Smoothing::None, Smoothing::None, Smoothing::Rolling(1), Smoothing::Rolling(3), Smoothing::Cumulative]),
        dealt in prop::collection::vec(0usize..4, 1..40), order in Just(vec![0, 1, 2, 3]).prop_shuffle(),
    ) {
        let from = day(eve) + i32::from(late);
        let calendar = Calendar::new(zone, "monday").unwrap();
        let smoothing = if unit == Unit::Range && smoothing != Smoothing::Cumulative { Smoothing::None } else { smoothing };
        // "Users who did" is about one interval.
        let who_did = breakdown.iter().any(|d| matches!(d, Dimension::UsersWhoDid(_)));
        for m in &mut metrics {
            if who_did && matches!(m.measure, Measure::Active { .. }) {
                m.measure = Measure::Unique;
            }
        }
        // One segment of several is chosen by their texts, which must be known.
        let by_number = breakdown.iter().any(|d| matches!(d.plain().0, Dimension::Numbers { .. }));
        for m in metrics.iter_mut().filter(|m| by_number && m.measure.touch().is_some()) {
            m.measure = Measure::Unique;
        }
        let trailing = metrics.iter().filter_map(|m| m.measure.trailing_days()).max().unwrap_or(0);
        let time = Timeline::new(&calendar, unit, from, from + length, smoothing.before(), trailing).unwrap();
        let buckets = time.buckets.clone();
        let chunks = deal(&events, &dealt);
        // The pre-pass, by two workers that merge.
        let worker = |chunks: &[Vec<Ev>]| {
            let mut users = UsersWhoDid::new(COMPANY, at_least, &buckets, remap.as_deref(), 1 << 20).unwrap();
            for events in chunks {
                let (chunk, hits) = chunk_of(events, 1, COMPANY, &only);
                users.push(&chunk, &hits[0], &mut NoTick).unwrap();
            }
            users
        };
        let far = worker(&chunks[2..]).encode().unwrap();
        let table = Arc::new(worker(&chunks[..1]).merge(worker(&chunks[1..2])).unwrap().merge_encoded(&far).unwrap().finish().unwrap());
        for d in &mut breakdown {
            match d {
                Dimension::UsersWhoDid(_) => *d = Dimension::UsersWhoDid(table.clone()),
                Dimension::Time(shape) => *shape = Shape::Dates(calendar.clone(), DateUnit::HourOfDay),
                _ => {}
            }
        }
        let p = Plan { top, remap: remap.as_deref(), time, smoothing, ..plan(metrics, buckets.clone(), breakdown) };
        let world = World { plan: &p, events: &events, only: &only, did: 0, at_least: at_least as usize, zone: jiff::tz::TimeZone::get(zone).unwrap() };
        let expected = world.rows(&Question { calendar, unit, from, to: from + length });
        same(&finish_named(&p, gather(&p, &events, &only)), &expected)?;
        // One kernel over several chunks, whose codes differ.
        let mut parts: Vec<Option<Partial>> = chunks.iter().map(|e| Some(gather(&p, e, &only))).collect();
        let mut all: Option<Partial> = None;
        for i in order {
            let mut part = parts[i].take().unwrap();
            if i % 2 == 1 {
                part = Partial::decode(&part.encode().unwrap(), &p).unwrap();
            }
            all = Some(match all {
                None => part,
                Some(a) => a.merge(part, &p).unwrap(),
            });
        }
        same(&finish_named(&p, all.unwrap()), &expected)?;
        let mut kernel = Kernel::new(&p).unwrap();
        for events in &chunks {
            let of = |(i, m): (usize, &Metric)| chunk_of(events, p.metrics.len(), m.by, &only).1.remove(i);
            let hits: Vec<Hits> = p.metrics.iter().enumerate().map(of).collect();
            kernel.push(&chunk_of(events, 0, USER, &None).0, &hits, &mut NoTick).unwrap();
        }
        same(&finish_named(&p, kernel.finish()), &expected)?;
    }

    #[test]
    fn garbage_is_refused(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let metrics = vec![metric(Measure::Unique, USER), metric(Measure::Total, COMPANY), metric(Measure::UniqueIn(Touch::Last), USER)];
        let p = plan(metrics, one_day(Unit::Hour), vec![Dimension::EventProperty(P), Dimension::EventProperty(N)]);
        let event = |i: u32| Ev { p: list(&["a", "b"]), n: Some(f64::from(i % 3)), ..Ev::new(T + i64::from(i) * 1_000_000, 7, i, &[i + 1]) };
        let bytes = gather(&p, &(0..20).map(event).collect::<Vec<_>>(), &None).encode().unwrap();
        let mut broken = bytes.clone();
        broken[at.index(bytes.len())] ^= byte;
        prop_assert_eq!(Partial::decode(&broken, &p).is_ok(), broken == bytes);
        prop_assert!(Partial::decode(&bytes[..cut.index(bytes.len())], &p).is_err());
        let n = broken.len() - 4;
        let sum = crc32c::crc32c(&broken[..n]).to_le_bytes();
        broken[n..].copy_from_slice(&sum);
        if let Ok(partial) = Partial::decode(&broken, &p) {
            finish(&p, partial, &mut NoTick).unwrap();
        }
    }
}
