//! Funnels straight from their definition: sets of events, looked through from end to end for every step.

use super::super::*;
use crate::breakdown::{OTHER, texts_of};
use crate::gather::testing::*;
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An event of one subject. `values`: held properties, dimensions, what the filter reads, what is measured.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    t: i64,
    mask: u128,
    values: Vec<Option<Value>>,
}

/// What the test knows of the sources of values, in plain words.
pub type ValueOf<'f> = &'f dyn Fn(&Dimension, &Ev, u32) -> Option<Value>;

#[derive(Debug, Clone)]
struct Attempt {
    /// (step, position, reached)
    steps: Vec<(usize, usize, i64)>,
}

impl Attempt {
    fn entry(&self) -> usize {
        self.steps[0].1
    }
}

enum End {
    Converted,
    Window,
    Excluded(usize),
    Broken(i64),
}

struct Subject<'a> {
    plan: &'a Plan<'a>,
    events: Vec<Event>,
    span: Span64,
}

impl Subject<'_> {
    fn held(&self, i: usize) -> Option<&[Option<Value>]> {
        let held = &self.events[i].values[..self.plan.held.len()];
        held.iter().all(Option::is_some).then_some(held)
    }

    fn open(&self, done: &[(usize, usize, i64)]) -> Vec<usize> {
        let floats = |k: usize| self.plan.floating >> k & 1 == 1;
        let next = done.len();
        if !floats(next) {
            return vec![next];
        }
        // The neighbours of the next step that float with it.
        let block = |k: &usize| (next.min(*k)..=next.max(*k)).all(floats);
        (0..self.plan.steps)
            .filter(block)
            .filter(|k| done.iter().all(|d| d.0 != *k))
            .collect()
    }

    fn can_enter(&self, i: usize) -> bool {
        let e = &self.events[i];
        self.open(&[]).iter().any(|k| e.mask >> k & 1 == 1)
            && e.t >= self.span.from
            && e.t < self.span.to
            && self.held(i).is_some()
    }

    fn attempt(&self, entry: usize, used: &BTreeSet<usize>) -> (Attempt, End) {
        let plan = self.plan;
        let step = *self
            .open(&[])
            .iter()
            .find(|k| self.events[entry].mask >> **k & 1 == 1)
            .unwrap();
        let end = self.events[entry].t + plan.window_ms;
        let mut steps = vec![(step, entry, self.events[entry].t)];
        loop {
            let k = steps.len();
            if k == plan.steps {
                return (Attempt { steps }, End::Converted);
            }
            let open = self.open(&steps);
            let (_, last, reached) = steps[k - 1];
            let time = self.events[last].t;
            let strict = plan.ordering == Ordering::Strict;
            let grace = if strict || plan.floating != 0 { 0 } else { plan.grace_ms };
            let fills = |i: &usize| {
                let e = &self.events[*i];
                open.iter().any(|k| e.mask >> k & 1 == 1)
                    && self.held(*i) == self.held(entry)
                    && self.held(*i).is_some()
            };
            let free = |i: &usize| !used.contains(i) && steps.iter().all(|s| s.1 != *i);
            let timely = |i: &usize| {
                let t = self.events[*i].t;
                t >= self.span.from && t >= time - grace && t <= end
            };
            let all = || (0..self.events.len()).filter(|i| free(i) && timely(i));
            let mut found = all().find(|i| fills(i));
            if strict {
                let Some(next) = all().map(|i| self.events[i].t).min() else {
                    return (Attempt { steps }, End::Window);
                };
                found = found.filter(|i| self.events[*i].t == next);
                if found.is_none() {
                    return (Attempt { steps }, End::Broken(next));
                }
            }
            let floats = |k: usize| plan.floating >> k & 1 == 1;
            let excludes = |i: &usize| {
                let e = &self.events[*i];
                let of_gap = plan.exclusions.iter().enumerate().any(|(n, x)| {
                    e.mask >> (plan.steps + n) & 1 == 1 && x.from < k && k <= x.to && !floats(k) && !floats(k - 1)
                });
                of_gap
                    && self.held(*i) == self.held(entry)
                    && e.t > reached
                    && e.t <= end
                    && found.is_none_or(|f| e.t < self.events[f].t)
            };
            if let Some(x) = (0..self.events.len()).filter(|i| free(i)).find(|i| excludes(i)) {
                return (Attempt { steps }, End::Excluded(x));
            }
            let Some(i) = found else {
                return (Attempt { steps }, End::Window);
            };
            let step = *open.iter().find(|k| self.events[i].mask >> **k & 1 == 1).unwrap();
            steps.push((step, i, reached.max(self.events[i].t)));
        }
    }

    /// All attempts that matter, in order of their entries.
    fn attempts(&self) -> Vec<Attempt> {
        let plan = self.plan;
        let entries: Vec<usize> = (0..self.events.len()).filter(|i| self.can_enter(*i)).collect();
        let none = BTreeSet::new();
        let one = plan.count == Count::Unique && plan.breakdown.is_empty();
        if one && plan.reentry == Reentry::Default {
            return entries.first().map(|e| self.attempt(*e, &none).0).into_iter().collect();
        }
        let mut values: Vec<_> = entries.iter().map(|i| self.held(*i)).collect();
        values.sort();
        values.dedup();
        let mut all: Vec<Attempt> = Vec::new();
        for value in values {
            let mine: Vec<usize> = entries.iter().copied().filter(|i| self.held(*i) == value).collect();
            all.extend(match (plan.count, plan.reentry) {
                (Count::Unique, Reentry::Optimized) => self.every(&mine),
                (_, Reentry::Default) => self.in_turn(&mine),
                _ => self.most_recent(&mine),
            });
        }
        all.sort_by_key(Attempt::entry);
        if one {
            let furthest = all.iter().map(|a| a.steps.len()).max();
            all.retain(|a| Some(a.steps.len()) == furthest);
            all.truncate(1);
        }
        all
    }

    fn every(&self, entries: &[usize]) -> Vec<Attempt> {
        let none = BTreeSet::new();
        let tried: Vec<Attempt> = entries.iter().map(|e| self.attempt(*e, &none).0).collect();
        let second = |a: &Attempt| a.steps.get(1).map(|s| s.1);
        let superseded = |a: &Attempt| {
            tried
                .iter()
                .any(|b| b.entry() > a.entry() && second(a).is_some_and(|s| b.entry() < s) && second(a) == second(b))
        };
        tried.iter().filter(|a| !superseded(a)).cloned().collect()
    }

    /// Where the next entry may be after an attempt.
    fn after(&self, attempt: &Attempt, end: &End) -> usize {
        let from = |t: i64| self.events.iter().position(|e| e.t >= t).unwrap_or(self.events.len());
        match end {
            End::Converted => attempt.steps.iter().map(|s| s.1).max().unwrap() + 1,
            End::Window => from(attempt.steps[0].2 + self.plan.window_ms + 1),
            End::Excluded(x) => x + 1,
            End::Broken(t) => from(*t),
        }
    }

    fn in_turn(&self, entries: &[usize]) -> Vec<Attempt> {
        let (mut used, mut cursor, mut all) = (BTreeSet::new(), 0, Vec::new());
        while let Some(entry) = entries.iter().copied().find(|e| *e >= cursor && !used.contains(e)) {
            let (attempt, end) = self.attempt(entry, &used);
            used.extend(attempt.steps.iter().map(|s| s.1));
            cursor = self.after(&attempt, &end);
            all.push(attempt);
        }
        all
    }

    fn most_recent(&self, entries: &[usize]) -> Vec<Attempt> {
        let (mut used, mut barred) = (BTreeSet::new(), BTreeSet::new());
        let (mut cursor, mut all) = (0, Vec::new());
        loop {
            let may = |e: &usize| *e >= cursor && !used.contains(e) && !barred.contains(e);
            let Some(first) = entries.iter().copied().find(may) else {
                return all;
            };
            let (attempt, end) = self.attempt(first, &used);
            let Some(second) = attempt.steps.get(1).map(|s| s.1) else {
                if let End::Excluded(x) = end {
                    barred.insert(x);
                }
                used.insert(first);
                cursor = first + 1;
                all.push(attempt);
                continue;
            };
            let strict = self.plan.ordering == Ordering::Strict;
            let same = |e: &usize| self.attempt(*e, &used).0.steps.get(1).map(|s| s.1) == Some(second);
            let absorbing = entries
                .iter()
                .copied()
                .filter(may)
                .filter(|e| *e > first && *e < second && !strict);
            let entry = absorbing.filter(same).max().unwrap_or(first);
            let (attempt, end) = self.attempt(entry, &used);
            used.extend(attempt.steps.iter().map(|s| s.1));
            if let End::Excluded(x) = end {
                barred.insert(x);
            }
            cursor = self.after(&attempt, &end);
            all.push(attempt);
        }
    }

    /// The value of a source (counted after the held ones) for an attempt.
    fn attributed(&self, attempt: &Attempt, source: usize) -> Option<Value> {
        let of = |s: &(usize, usize, i64)| self.events[s.1].values[self.plan.held.len() + source].clone();
        let d = self.plan.sources()[self.plan.held.len() + source];
        let of_subject = match d {
            Dimension::EventProperty(_) => false,
            Dimension::GroupProperty { kind, .. } => *kind == self.plan.by,
            _ => true,
        };
        match self.plan.attribution {
            _ if of_subject => of(&attempt.steps[0]),
            Attribution::First => attempt.steps.iter().find_map(of),
            Attribution::Last => attempt.steps.iter().rev().find_map(of),
            Attribution::Step(k) => attempt.steps.iter().find(|s| s.0 == k).and_then(of),
        }
    }

    /// When each step was reached, and the number of its event.
    fn steps(&self, attempt: &Attempt) -> Vec<Step> {
        let number = |at: usize| self.events[at].values.last()?.as_ref()?.as_f64();
        let measured = |at: usize| self.plan.measured.as_ref().and_then(|_| number(at));
        attempt.steps.iter().map(|s| (s.2, measured(s.1))).collect()
    }

    fn segments(&self, attempt: &Attempt) -> BTreeSet<Vec<String>> {
        let mut all = BTreeSet::from([Vec::new()]);
        for d in 0..self.plan.breakdown.len() {
            let value = self.attributed(attempt, d);
            let mut longer = BTreeSet::new();
            texts_of(value.as_ref(), &mut |text| {
                for s in &all {
                    let mut s = s.clone();
                    s.push(text.to_string());
                    longer.insert(s);
                }
                Ok(())
            })
            .unwrap();
            all = longer;
        }
        all
    }
}

fn percentile_50(mut v: Vec<i64>) -> Option<f64> {
    v.sort_unstable();
    let at = |i: usize| v[i] as f64;
    let position = v.len().checked_sub(1)? as f64 / 2.0;
    let (low, high) = (position.floor() as usize, position.ceil() as usize);
    Some(at(low) + (at(high) - at(low)) * position.fract())
}

/// Tests sum up small multiples of 1/2, which no order of summation makes a difference to.
fn numbers_of(mut v: Vec<f64>) -> Numbers {
    v.sort_by(f64::total_cmp);
    let (low, high) = (v.len().saturating_sub(1) / 2, v.len() / 2);
    let sum = v.iter().sum::<f64>() + 0.0;
    Numbers {
        sum,
        average: (!v.is_empty()).then(|| sum / v.len() as f64),
        median: v.get(low).map(|a| (a + v[high]) / 2.0),
        min: v.first().copied(),
        max: v.last().copied(),
    }
}

fn rows_of(plan: &Plan, segment: &[String], bucket: i64, attempts: &[Vec<Step>]) -> Vec<StepRow> {
    let reached: Vec<Vec<i64>> = attempts.iter().map(|a| a.iter().map(|s| s.0).collect()).collect();
    let n = |k: usize| reached.iter().filter(|r| r.len() > k).count();
    let ratio = |a: usize, b: usize| if b == 0 { None } else { Some(a as f64 / b as f64) };
    let mean = |v: &Vec<i64>| {
        if v.is_empty() {
            None
        } else {
            Some(v.iter().sum::<i64>() as f64 / v.len() as f64)
        }
    };
    let rows = (0..plan.steps).map(|k| {
        let there = || reached.iter().filter(|r| r.len() > k && k > 0);
        let before: Vec<i64> = there().map(|r| r[k] - r[k - 1]).collect();
        let start: Vec<i64> = there().map(|r| r[k] - r[0]).collect();
        StepRow {
            segment: segment.to_vec().into(),
            bucket,
            step: k + 1,
            count: n(k) as u64,
            step_conversion: ratio(n(k), n(k.saturating_sub(1))),
            overall_conversion: ratio(n(k), n(0)),
            avg_time: mean(&before),
            median_time: percentile_50(before),
            avg_time_from_start: mean(&start),
            median_time_from_start: percentile_50(start),
            numbers: plan.measured.as_ref().map(|_| {
                let there = attempts.iter().filter_map(|a| a.get(k));
                numbers_of(there.filter_map(|s| s.1).collect())
            }),
        }
    });
    rows.collect()
}

/// When a step was reached, and the number of its event.
type Step = (i64, Option<f64>);
/// An attempt of some subject: who, its segments, whether the filter takes it, its steps.
type Outcome = (u32, BTreeSet<Vec<String>>, bool, Vec<Step>);

/// The steps of the attempts that count in the segments that `inside` picks.
fn counted(plan: &Plan, all: &[Outcome], inside: &dyn Fn(&Vec<String>) -> bool) -> Vec<Vec<Step>> {
    let there = all.iter().filter(|(_, segments, ..)| segments.iter().any(inside));
    if plan.count == Count::Total {
        return there.filter(|o| o.2).map(|o| o.3.clone()).collect();
    }
    let mut best: BTreeMap<u32, &Outcome> = BTreeMap::new();
    for o in there {
        if plan.reentry == Reentry::Default && !o.2 {
            continue;
        }
        let kept = best.entry(o.0).or_insert(o);
        if o.3.len() > kept.3.len() {
            *kept = o;
        }
    }
    best.values().filter(|o| o.2).map(|o| o.3.clone()).collect()
}

/// The whole report. `takes` is the filter, on the values it reads.
pub fn report(
    plan: &Plan,
    events: &[Ev],
    only: &Option<BTreeSet<u32>>,
    value_of: ValueOf,
    takes: &dyn Fn(&[Option<Value>]) -> bool,
) -> Vec<StepRow> {
    let mut streams: BTreeMap<u32, Vec<Event>> = BTreeMap::new();
    let reads = plan.filter.iter().flat_map(|f| &f.reads);
    let sources: Vec<&Dimension> = plan.held.iter().chain(&plan.breakdown).chain(reads).collect();
    for e in events.iter().filter(|e| e.mask != 0) {
        let steps = e.mask & ((1 << plan.steps) - 1) != 0;
        // What fills no step carries only what an exclusion must have.
        let carries = steps || !plan.held.is_empty() && e.mask & ((1 << (plan.steps + plan.exclusions.len())) - 1) != 0;
        for s in e.subjects(plan.by, only, plan.remap) {
            let mut values: Vec<_> = sources.iter().map(|d| value_of(d, e, s).filter(|_| carries)).collect();
            if let Some(d) = &plan.measured {
                values.push(value_of(d, e, s).filter(|v| carries && v.as_f64().is_some()));
            }
            let event = Event {
                t: e.t,
                mask: e.mask,
                values,
            };
            streams.entry(s).or_default().push(event);
        }
    }
    streams.values_mut().for_each(|s| s.sort());
    let whole = [(plan.entry.from, plan.entry)];
    let spans: Vec<(i64, Span64)> = match plan.buckets {
        None => whole.to_vec(),
        Some(b) => (0..b.len())
            .map(|i| {
                let (from, to) = (b.starts[i], b.end(i));
                (b.labels[i], Span64 { from, to })
            })
            .collect(),
    };
    let mut cells: Vec<(i64, Vec<Outcome>)> = Vec::new();
    for (label, span) in spans {
        let mut all: Vec<Outcome> = Vec::new();
        for (who, stream) in &streams {
            let inside = |e: &&Event| e.t >= span.from && e.t <= span.to - 1 + plan.window_ms;
            let events = stream.iter().filter(inside).cloned().collect();
            let subject = Subject { plan, events, span };
            for a in subject.attempts() {
                let reads = plan.filter.as_ref().map_or(0, |f| f.reads.len());
                let values: Vec<_> = (0..reads)
                    .map(|n| subject.attributed(&a, plan.breakdown.len() + n))
                    .collect();
                let passes = plan.filter.is_none() || takes(&values);
                all.push((*who, subject.segments(&a), passes, subject.steps(&a)));
            }
        }
        cells.push((label, all));
    }
    let every: BTreeSet<Vec<String>> = cells
        .iter()
        .flat_map(|(_, all)| all.iter().flat_map(|o| o.1.iter().cloned()))
        .collect();
    let is = |s: &Vec<String>| {
        let s = s.clone();
        move |o: &Vec<String>| *o == s
    };
    let score = |s: &Vec<String>| -> usize { cells.iter().map(|(_, all)| counted(plan, all, &is(s)).len()).sum() };
    let mut ranked: Vec<(usize, Vec<String>)> = every
        .iter()
        .map(|s| (score(s), s.clone()))
        .filter(|s| s.0 > 0)
        .collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    if plan.breakdown.is_empty() {
        ranked = vec![(0, Vec::new())];
    }
    let (named, mut rest): (Vec<_>, Vec<_>) = ranked
        .into_iter()
        .map(|s| s.1)
        .partition(|s| s.is_empty() || s.iter().any(|t| t != OTHER));
    let top = if plan.breakdown.is_empty() { 1 } else { plan.top };
    let shown: Vec<_> = named.iter().take(top).cloned().collect();
    rest.extend(named.iter().skip(top).cloned());
    let mut rows = Vec::new();
    for s in &shown {
        for (label, all) in &cells {
            rows.extend(rows_of(plan, s, *label, &counted(plan, all, &is(s))));
        }
    }
    if !rest.is_empty() {
        let name: Arc<[String]> = plan.breakdown.iter().map(|_| OTHER.to_string()).collect();
        let hidden = |s: &Vec<String>| !shown.contains(s);
        for (label, all) in &cells {
            rows.extend(rows_of(plan, &name, *label, &counted(plan, all, &hidden)));
        }
    }
    rows
}
