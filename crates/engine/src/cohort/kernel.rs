//! Counts what the conditions of cohorts ask of events, all of them in one pass.

use super::compare::Compare;
use super::distinct::Distinct;
use super::members::Members;
use super::sequence::Search;
use crate::chunk::{Chunk, Hits, Kind, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::expr::Selector;
use crate::gather::{Budget, for_each_event, grow_within, pack, tag_of, try_for_each_subject};
use crate::insights::Aggregate;
use crate::insights::exact_sum::ExactSum;
use crate::insights::per_subject::{Add, PerSubject};
use crate::insights::source::Numbers;
use crate::mask::Mask;
use crate::parallel::Workers;
use crate::partial::{Reader, Tag, Writer};
use crate::postings::Postings;
use crate::subjects::SubjectSet;
use crate::tick::Tick;
use crate::time::Span64;
use std::borrow::Cow;

/// What is counted.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    pub by: Kind,
    pub counted: Vec<Counted>,
    /// The largest number of a subject that is expected.
    pub most: SubjectNo,
    /// Canonical user of each user, where identities were merged.
    pub remap: Option<&'a [SubjectNo]>,
    /// Bytes a partial, or the answer, may take.
    pub memory_limit: usize,
}

/// One condition on events.
#[derive(Debug, Clone)]
pub struct Counted {
    /// One selector, or the steps of a sequence.
    pub selectors: Vec<Selector>,
    /// The instants of its window.
    pub span: Span64,
    pub what: What,
}

/// What is asked of the events in the window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum What {
    Times(Compare),
    Measured {
        property: u32,
        aggregate: Aggregate,
        is: Compare,
    },
    FirstTime,
    Sequence,
}

impl Counted {
    /// The instants whose events it has to see: a first time needs all history before it.
    pub fn reads(&self) -> Span64 {
        match self.what {
            What::FirstTime if self.span.from < self.span.to => Span64 {
                from: i64::MIN,
                to: self.span.to,
            },
            _ => self.span,
        }
    }

    /// Does it have to see an event in a run of instants (both inclusive)?
    pub fn wants(&self, event: u32, first: i64, last: i64) -> bool {
        let span = self.reads();
        let asked = |s: &Selector| s.events().is_none_or(|e| e.contains(&event));
        first < span.to && last >= span.from && self.selectors.iter().any(asked)
    }

    /// Does somebody without any event fulfil it?
    pub fn holds_for_none(&self) -> bool {
        match self.what {
            What::Times(is) => is.holds(0.0),
            What::Measured { aggregate, is, .. } => {
                matches!(aggregate, Aggregate::Sum | Aggregate::Distinct) && is.holds(0.0)
            }
            What::FirstTime | What::Sequence => false,
        }
    }
}

impl Plan<'_> {
    /// The instants that have to be read; empty when there is nothing to count.
    pub fn reads(&self) -> Span64 {
        let spans = self.counted.iter().map(Counted::reads).filter(|s| s.from < s.to);
        let both = spans.reduce(|a, b| Span64 {
            from: a.from.min(b.from),
            to: a.to.max(b.to),
        });
        both.unwrap_or(Span64 { from: 0, to: 0 })
    }
}

/// A value per subject; `none` stands for no value.
#[derive(Debug, Clone)]
struct Dense<T>(Vec<T>);

impl<T: Clone> Dense<T> {
    #[inline]
    fn at(&mut self, no: SubjectNo, none: &T, budget: &mut Budget) -> Result<&mut T> {
        if no as usize >= self.0.len() {
            let more = (no as usize + 1 - self.0.len()).max(self.0.len() / 4);
            if self.0.capacity() < self.0.len() + more {
                grow_within(&mut self.0, more, budget)?;
            }
            self.0.resize(self.0.len() + more, none.clone());
        }
        self.0
            .get_mut(no as usize)
            .ok_or_else(|| Error::corrupt("cohort: no room for a subject"))
    }
}

/// What was found for one condition.
#[derive(Debug, Clone)]
enum Found {
    Set(SubjectSet),
    Times(PerSubject),
    /// Sum and number of the values.
    Sums(Dense<(ExactSum, u64)>),
    /// Least or largest value, NaN for none.
    Extremes(Dense<f64>),
    Distinct(Distinct),
    /// First time, `i64::MAX` for none.
    Firsts(Dense<i64>),
    Steps(Postings),
}

impl Found {
    fn new(what: What, most: SubjectNo, by: Kind, budget: &mut Budget) -> Result<Found> {
        Ok(match what {
            What::Times(is) if is.of_any().is_some() => Found::Set(SubjectSet::default()),
            What::Times(_) => Found::Times(PerSubject::default()),
            What::Measured { aggregate, .. } => match aggregate {
                Aggregate::Min | Aggregate::Max => Found::Extremes(Dense(Vec::new())),
                Aggregate::Distinct => Found::Distinct(Distinct::default()),
                _ => Found::Sums(Dense(Vec::new())),
            },
            What::FirstTime => Found::Firsts(Dense(Vec::new())),
            What::Sequence => Found::Steps(Postings::for_subjects(most, by == USER, budget)?),
        })
    }
}

fn nothing() -> (ExactSum, u64) {
    (ExactSum::default(), 0)
}

/// The lesser or the larger of two numbers, of which the first may be missing.
fn extreme(aggregate: Aggregate, a: f64, b: f64) -> f64 {
    let keep = if aggregate == Aggregate::Min { a <= b } else { a >= b };
    if keep { a } else { b }
}

/// What was found in some chunks.
#[derive(Debug, Clone)]
pub struct Partial {
    found: Vec<Found>,
    budget: Budget,
}

fn other_report() -> Error {
    Error::corrupt("partial: of another report")
}

impl Partial {
    fn new(plan: &Plan) -> Result<Self> {
        let mut budget = Budget::new(plan.memory_limit);
        let found = plan
            .counted
            .iter()
            .map(|c| Found::new(c.what, plan.most, plan.by, &mut budget));
        Ok(Partial {
            found: found.collect::<Result<_>>()?,
            budget,
        })
    }

    /// Memory in use.
    pub fn bytes(&self) -> usize {
        self.budget.used()
    }

    /// Both together, of the same plan.
    pub fn merge(self, other: Partial, plan: &Plan) -> Result<Partial> {
        let (mut into, from) = if self.bytes() >= other.bytes() {
            (self, other)
        } else {
            (other, self)
        };
        if into.found.len() != from.found.len() || into.found.len() != plan.counted.len() {
            return Err(other_report());
        }
        let budget = &mut into.budget;
        budget.set_limit(plan.memory_limit);
        for ((a, b), counted) in into.found.iter_mut().zip(from.found).zip(&plan.counted) {
            match (a, b) {
                (Found::Set(a), Found::Set(b)) => a.union(&b, budget)?,
                (Found::Times(a), Found::Times(b)) => a.merge::<Add>(&b, budget)?,
                (Found::Sums(a), Found::Sums(b)) => {
                    for (no, (sum, n)) in b.0.iter().enumerate().filter(|(_, x)| x.1 > 0) {
                        let ours = a.at(no as SubjectNo, &nothing(), budget)?;
                        ours.0.merge(sum, budget)?;
                        ours.1 += n;
                    }
                }
                (Found::Extremes(a), Found::Extremes(b)) => {
                    let What::Measured { aggregate, .. } = counted.what else {
                        return Err(other_report());
                    };
                    for (no, x) in b.0.iter().enumerate().filter(|(_, x)| !x.is_nan()) {
                        let ours = a.at(no as SubjectNo, &f64::NAN, budget)?;
                        *ours = extreme(aggregate, *ours, *x);
                    }
                }
                (Found::Distinct(a), Found::Distinct(b)) => a.merge(b, budget)?,
                (Found::Firsts(a), Found::Firsts(b)) => {
                    for (no, t) in b.0.iter().enumerate().filter(|(_, t)| **t != i64::MAX) {
                        let ours = a.at(no as SubjectNo, &i64::MAX, budget)?;
                        *ours = (*ours).min(*t);
                    }
                }
                (Found::Steps(a), Found::Steps(b)) => a.append(b, budget)?,
                _ => return Err(other_report()),
            }
        }
        Ok(into)
    }

    /// Bytes for another process.
    pub fn encode(&mut self) -> Result<Vec<u8>> {
        let mut w = Writer::new(Tag::Cohort, self.bytes())?;
        w.len(self.found.len())?;
        for found in &mut self.found {
            match found {
                Found::Set(s) => s.encode(&mut w)?,
                Found::Times(n) => n.encode::<Add>(&mut w)?,
                Found::Sums(v) => {
                    w.len(v.0.iter().filter(|x| x.1 > 0).count())?;
                    for (no, (sum, n)) in v.0.iter().enumerate().filter(|(_, x)| x.1 > 0) {
                        w.u32(no as u32)?;
                        w.u64(*n)?;
                        sum.encode(&mut w)?;
                    }
                }
                Found::Extremes(v) => {
                    w.len(v.0.len())?;
                    v.0.iter().try_for_each(|x| w.u64(x.to_bits()))?;
                }
                Found::Distinct(d) => d.encode(&mut w)?,
                Found::Firsts(v) => {
                    w.len(v.0.len())?;
                    v.0.iter().try_for_each(|t| w.u64(*t as u64))?;
                }
                Found::Steps(p) => p.encode(&mut w)?,
            }
        }
        w.finish()
    }

    /// Reads what `encode` wrote for the same plan.
    pub fn decode(bytes: &[u8], plan: &Plan) -> Result<Partial> {
        let mut r = Reader::new(Tag::Cohort, bytes)?;
        let mut p = Partial::new(plan)?;
        if r.len(1)? != p.found.len() {
            return Err(other_report());
        }
        let budget = &mut p.budget;
        for (found, counted) in p.found.iter_mut().zip(&plan.counted) {
            match found {
                Found::Set(s) => *s = SubjectSet::decode(&mut r, budget)?,
                Found::Times(n) => *n = PerSubject::decode(&mut r, budget)?,
                Found::Sums(v) => {
                    for _ in 0..r.len(12)? {
                        let (no, n) = (r.u32()?, r.u64()?);
                        let sum = ExactSum::decode(&mut r, budget)?;
                        *v.at(no, &nothing(), budget)? = (sum, n);
                    }
                }
                Found::Extremes(v) => {
                    for bits in r.u64s()? {
                        let no = v.0.len() as SubjectNo;
                        *v.at(no, &f64::NAN, budget)? = f64::from_bits(bits);
                        v.0.truncate(no as usize + 1);
                    }
                }
                Found::Distinct(d) => *d = Distinct::decode(&mut r, budget)?,
                Found::Firsts(v) => {
                    for t in r.u64s()? {
                        let no = v.0.len() as SubjectNo;
                        *v.at(no, &i64::MAX, budget)? = t as i64;
                        v.0.truncate(no as usize + 1);
                    }
                }
                Found::Steps(p) => {
                    let steps = counted.selectors.len();
                    *p = Postings::decode(&mut r, budget, |tag| tag != 0 && tag >> steps == 0)?;
                }
            }
        }
        r.finish()?;
        Ok(p)
    }
}

/// Counts chunks.
#[derive(Debug)]
pub struct Kernel<'p> {
    plan: &'p Plan<'p>,
    partial: Partial,
}

impl<'p> Kernel<'p> {
    /// Nothing counted.
    pub fn new(plan: &'p Plan<'p>) -> Result<Self> {
        Ok(Kernel {
            plan,
            partial: Partial::new(plan)?,
        })
    }

    /// Takes the rows of a chunk into account that `keep` picks.
    pub fn push(&mut self, chunk: &Chunk, keep: &Mask, tick: &mut dyn Tick) -> Result<()> {
        let bounds = |f: fn(i64, i64) -> i64| chunk.time.iter().copied().reduce(f);
        let (Some(first), Some(last)) = (bounds(i64::min), bounds(i64::max)) else {
            return Ok(());
        };
        let Partial { found, budget } = &mut self.partial;
        for (counted, found) in self.plan.counted.iter().zip(found) {
            let span = counted.reads();
            if first >= span.to || last < span.from {
                continue;
            }
            let mut rows = Cow::Borrowed(keep);
            if first < span.from || last >= span.to {
                let inside = |i: usize| chunk.time.get(i).is_some_and(|t| *t >= span.from && *t < span.to);
                rows.to_mut().retain(tick, inside)?;
            }
            let mut hits = crate::error::try_vec(counted.selectors.len(), "steps")?;
            for s in &counted.selectors {
                hits.push(s.hits(chunk, &rows, self.plan.by, tick)?);
            }
            if hits
                .iter()
                .any(|h| h.rows.any() || h.more.as_ref().is_some_and(Mask::any))
            {
                add(self.plan, counted.what, found, chunk, &hits, budget, tick)?;
            }
        }
        Ok(())
    }

    /// What was counted.
    pub fn finish(self) -> Partial {
        self.partial
    }
}

/// The subjects of the rows as they are stored, where all rows count, each for one subject.
fn plain<'c>(plan: &Plan, chunk: &'c Chunk, hits: &Hits) -> Option<&'c [SubjectNo]> {
    if !hits.rows.is_full() || hits.more.is_some() {
        return None;
    }
    match plan.by {
        USER => plan.remap.is_none().then_some(chunk.user.as_slice()),
        by => {
            let groups = chunk.group(by).filter(|g| g.more.is_empty())?;
            Some(groups.first.as_slice())
        }
    }
}

fn add(
    plan: &Plan,
    what: What,
    found: &mut Found,
    chunk: &Chunk,
    hits: &[Hits],
    budget: &mut Budget,
    tick: &mut dyn Tick,
) -> Result<()> {
    let (by, remap) = (plan.by, plan.remap);
    if let Found::Steps(postings) = found {
        return for_each_event(chunk, by, hits, remap, tick, |row, no, mask| {
            match chunk.time.get(row) {
                Some(t) => postings.push(no, pack(*t, mask as u32)?, budget),
                None => Ok(()),
            }
        });
    }
    let [hits] = hits else {
        return Err(Error::corrupt("cohort: a condition of several events"));
    };
    let subjects = plain(plan, chunk, hits);
    match found {
        Found::Set(set) => match subjects {
            Some(subjects) => set.extend_run(subjects, budget),
            None => {
                let mut last = 0;
                try_for_each_subject(chunk, by, hits, remap, tick, |_, no| {
                    if no == last {
                        return Ok(());
                    }
                    last = no;
                    set.add(no, budget)
                })
            }
        },
        Found::Times(times) => {
            // The events of a subject come in runs.
            let (mut run, mut n) = (0, 0);
            match subjects {
                Some(subjects) => {
                    for block in subjects.chunks(crate::tick::EVERY) {
                        tick.tick()?;
                        for &no in block {
                            if no == run {
                                n += 1;
                                continue;
                            }
                            if run != 0 {
                                times.put::<Add>(run, n, budget)?;
                            }
                            (run, n) = (no, 1);
                        }
                    }
                }
                None => try_for_each_subject(chunk, by, hits, remap, tick, |_, no| {
                    if no == run {
                        n += 1;
                        return Ok(());
                    }
                    if run != 0 {
                        times.put::<Add>(run, n, budget)?;
                    }
                    (run, n) = (no, 1);
                    Ok(())
                })?,
            }
            if run != 0 {
                times.put::<Add>(run, n, budget)?;
            }
            Ok(())
        }
        Found::Firsts(firsts) => try_for_each_subject(chunk, by, hits, remap, tick, |row, no| {
            let Some(t) = chunk.time.get(row) else { return Ok(()) };
            let first = firsts.at(no, &i64::MAX, budget)?;
            *first = (*first).min(*t);
            Ok(())
        }),
        Found::Sums(_) | Found::Extremes(_) | Found::Distinct(_) => {
            let What::Measured {
                property, aggregate, ..
            } = what
            else {
                return Err(other_report());
            };
            measured(plan, (property, aggregate), found, chunk, hits, budget, tick)
        }
        Found::Steps(_) => Ok(()),
    }
}

fn measured(
    plan: &Plan,
    (property, aggregate): (u32, Aggregate),
    found: &mut Found,
    chunk: &Chunk,
    hits: &Hits,
    budget: &mut Budget,
    tick: &mut dyn Tick,
) -> Result<()> {
    let (by, remap) = (plan.by, plan.remap);
    if let Found::Distinct(distinct) = found {
        let column = chunk.property(property);
        let codes = distinct.codes(column, budget)?;
        return try_for_each_subject(chunk, by, hits, remap, tick, |row, no| {
            distinct.add(no, column, &codes, row, budget)
        });
    }
    let numbers = Numbers::of(chunk, property)?;
    try_for_each_subject(chunk, by, hits, remap, tick, |row, no| {
        let x = numbers.get(row);
        if x.is_nan() {
            return Ok(());
        }
        match found {
            Found::Sums(sums) => {
                let slot = sums.at(no, &nothing(), budget)?;
                slot.1 += 1;
                slot.0.add(x, budget)
            }
            Found::Extremes(v) => {
                let slot = v.at(no, &f64::NAN, budget)?;
                *slot = extreme(aggregate, *slot, x);
                Ok(())
            }
            _ => Ok(()),
        }
    })
}

/// Who fulfils each condition, in the order of the plan.
pub fn finish(plan: &Plan, partial: Partial, workers: &Workers, tick: &mut dyn Tick) -> Result<Vec<Members>> {
    if partial.found.len() != plan.counted.len() {
        return Err(other_report());
    }
    let mut budget = partial.budget;
    budget.set_limit(plan.memory_limit);
    let mut out = crate::error::try_vec(plan.counted.len(), "conditions of a cohort")?;
    for (found, counted) in partial.found.into_iter().zip(&plan.counted) {
        tick.tick()?;
        let mut members = if counted.holds_for_none() {
            Members::all(plan.most, &mut budget)?
        } else {
            Members::none(plan.most, &mut budget)?
        };
        match (found, counted.what) {
            (Found::Set(set), What::Times(is)) => {
                members = Members::none(plan.most, &mut budget)?;
                members.add(&set);
                if is.of_any() == Some(false) {
                    members.not();
                }
            }
            (Found::Times(mut times), What::Times(is)) => {
                times.each::<Add>(|no, n| members.put(no, is.holds(f64::from(n))));
            }
            (Found::Sums(v), What::Measured { aggregate, is, .. }) => {
                for (no, (sum, n)) in v.0.iter().enumerate().filter(|(_, x)| x.1 > 0) {
                    let value = match aggregate {
                        Aggregate::Average => sum.value() / *n as f64,
                        _ => sum.value(),
                    };
                    members.put(no as SubjectNo, is.holds(value));
                }
            }
            (Found::Extremes(v), What::Measured { is, .. }) => {
                for (no, x) in v.0.iter().enumerate().filter(|(_, x)| !x.is_nan()) {
                    members.put(no as SubjectNo, is.holds(*x));
                }
            }
            (Found::Distinct(mut d), What::Measured { is, .. }) => {
                d.each(|no, n| members.put(no, is.holds(n as f64)));
            }
            (Found::Firsts(v), What::FirstTime) => {
                for (no, t) in v.0.iter().enumerate() {
                    if *t >= counted.span.from && *t < counted.span.to {
                        members.put(no as SubjectNo, true);
                    }
                }
            }
            (Found::Steps(postings), What::Sequence) => {
                let steps = counted.selectors.len();
                let found = postings.walk(
                    workers,
                    |event| tag_of(event) >> (steps - 1) & 1 == 1,
                    plan.memory_limit,
                    tick,
                    || Ok((Search::default(), SubjectSet::default(), Budget::new(plan.memory_limit))),
                    |(search, set, budget), no, events| match search.completes(events, steps)? {
                        true => set.add(no, budget),
                        false => Ok(()),
                    },
                )?;
                found.iter().for_each(|(_, set, _)| members.add(set));
            }
            _ => return Err(other_report()),
        }
        out.push(members);
    }
    Ok(out)
}
