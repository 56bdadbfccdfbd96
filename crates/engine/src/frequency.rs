//! Frequency: in how many hours of a day, or days of a week or month, each subject was active.
//!
//! Per interval every active subject has a mask of its sub-intervals; the number of bits is what it ranks by. Masks of
//! chunks merge by "or", so the order of anything does not matter.

mod members;

pub use members::members;

use crate::chunk::{Chunk, Hits, Kind, SubjectNo};
use crate::error::{Error, Result, try_vec};
use crate::gather::{BucketFinder, Budget, grow_within, try_for_each_subject};
use crate::insights::per_subject::{Or, PerSubject};
use crate::insights::runs::{self, Run};
use crate::insights::source::Picked;
use crate::partial::{Reader, Tag, Writer};
use crate::subjects::SubjectSet;
use crate::tick::Tick;
use crate::time::{Buckets, Calendar, Span64, Unit};

/// What a frequency report asks.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    pub by: Kind,
    intervals: Buckets,
    /// The sub-intervals that lie in the range.
    parts: Buckets,
    /// Interval of each part, and which part of the whole interval it is.
    place: Vec<(u32, u32)>,
    /// Parts of each whole interval.
    size: Vec<u32>,
    /// Count subjects that were active in at least so many parts, not in exactly so many.
    pub cumulative: bool,
    /// Canonical user of each user, where identities were merged.
    pub remap: Option<&'a [SubjectNo]>,
    /// Bytes a partial, or the answer, may take.
    pub memory_limit: usize,
}

/// Most parts of an interval: a month has 31 days, a day 25 hours, one of them in a change of the clocks.
const MOST: u32 = 32;

impl<'a> Plan<'a> {
    /// Hours of days, days of weeks, or days of months, of `from_day ..= to_day`. An interval that begins before the
    /// range, or ends after it, counts only what is inside.
    pub fn new(
        by: Kind,
        calendar: &Calendar,
        (unit, every): (Unit, Unit),
        (from_day, to_day): (i32, i32),
        cumulative: bool,
        memory_limit: usize,
    ) -> Result<Self> {
        if !matches!(
            (unit, every),
            (Unit::Day, Unit::Hour) | (Unit::Week | Unit::Month, Unit::Day)
        ) {
            return Err(Error::param_hint(
                "a frequency is of hours in a day, days in a week or days in a month",
                "Use unit => 'day', every => 'hour'; or unit => 'week' or 'month', every => 'day'.",
            ));
        }
        let intervals = calendar.buckets(unit, from_day, to_day)?;
        let parts = calendar.buckets(every, from_day, to_day)?;
        let mut size = try_vec(intervals.len(), "intervals")?;
        let mut place = try_vec(parts.len(), "intervals")?;
        let mut first = calendar.unit_start_day(unit, from_day)?;
        for i in 0..intervals.len() {
            let next = calendar.add_units(unit, first, 1)?;
            let whole = calendar.buckets(every, first, next - 1)?;
            let n = u32::try_from(whole.len()).unwrap_or(MOST).min(MOST);
            size.push(n);
            let inside = parts
                .starts
                .iter()
                .skip(place.len())
                .take_while(|t| **t < intervals.end(i));
            place.extend(inside.map(|t| (i as u32, whole.of(*t).unwrap_or(0) as u32)));
            first = next;
        }
        Ok(Plan {
            by,
            intervals,
            parts,
            place,
            size,
            cumulative,
            remap: None,
            memory_limit,
        })
    }

    /// The instants that have to be read.
    pub fn reads(&self) -> Span64 {
        self.intervals.range
    }
}

/// One row: the subjects that were active in (at least) so many parts of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Calendar start of the interval in milliseconds.
    pub bucket: i64,
    pub active: u32,
    pub count: u64,
}

/// Masks of active parts, per interval.
#[derive(Debug, Clone)]
pub struct Partial {
    masks: Vec<PerSubject>,
    budget: Budget,
}

impl Partial {
    fn new(plan: &Plan) -> Result<Self> {
        let mut budget = Budget::new(plan.memory_limit);
        let mut masks = Vec::new();
        grow_within(&mut masks, plan.intervals.len(), &mut budget)?;
        masks.resize_with(plan.intervals.len(), PerSubject::default);
        Ok(Partial { masks, budget })
    }

    /// Memory in use.
    pub fn bytes(&self) -> usize {
        self.budget.used()
    }

    /// Adds the subjects of a whole day, which begins at `day`, instead of that day's rows: as they are counted, after
    /// identity merges; 0 is passed over. Only where days are counted; nothing happens outside of the range.
    pub fn add_set(&mut self, plan: &Plan, day: i64, subjects: impl Iterator<Item = SubjectNo>) -> Result<()> {
        let part = plan.parts.of(day).and_then(|p| plan.place.get(p));
        if let Some((interval, bit)) = part
            && let Some(masks) = self.masks.get_mut(*interval as usize)
        {
            for no in subjects.filter(|no| *no != 0) {
                masks.put::<Or>(no, 1 << bit, &mut self.budget)?;
            }
        }
        Ok(())
    }

    /// [`Partial::add_set`] for subjects in the portable format of roaring bitmaps.
    pub fn add_portable(&mut self, plan: &Plan, day: i64, subjects: &[u8]) -> Result<()> {
        let mut set = SubjectSet::default();
        let mut scratch = Budget::new(plan.memory_limit);
        set.union_portable(subjects, &mut scratch)?;
        self.add_set(plan, day, set.to_vec().into_iter())
    }

    /// Both together, of the same plan.
    pub fn merge(self, other: Partial, plan: &Plan) -> Result<Partial> {
        let (mut into, from) = if self.bytes() >= other.bytes() {
            (self, other)
        } else {
            (other, self)
        };
        if into.masks.len() != from.masks.len() || into.masks.len() != plan.intervals.len() {
            return Err(Error::corrupt("partial: of another report"));
        }
        into.budget.set_limit(plan.memory_limit);
        for (a, b) in into.masks.iter_mut().zip(&from.masks) {
            a.merge::<Or>(b, &mut into.budget)?;
        }
        Ok(into)
    }

    /// Bytes for another process.
    pub fn encode(&mut self) -> Result<Vec<u8>> {
        let mut w = Writer::new(Tag::Frequency, self.bytes())?;
        w.len(self.masks.len())?;
        self.masks.iter_mut().try_for_each(|m| m.encode::<Or>(&mut w))?;
        w.finish()
    }

    /// Reads what `encode` wrote for the same plan.
    pub fn decode(bytes: &[u8], plan: &Plan) -> Result<Partial> {
        let mut r = Reader::new(Tag::Frequency, bytes)?;
        let mut p = Partial::new(plan)?;
        if r.len(12)? != p.masks.len() {
            return Err(Error::corrupt("partial: of another report"));
        }
        for masks in &mut p.masks {
            *masks = PerSubject::decode(&mut r, &mut p.budget)?;
        }
        r.finish()?;
        Ok(p)
    }
}

/// Counts chunks.
#[derive(Debug)]
pub struct Kernel<'p> {
    plan: &'p Plan<'p>,
    runs: Vec<Run>,
    partial: Partial,
}

impl<'p> Kernel<'p> {
    /// Nothing counted.
    pub fn new(plan: &'p Plan<'p>) -> Result<Self> {
        Ok(Kernel {
            plan,
            runs: Vec::new(),
            partial: Partial::new(plan)?,
        })
    }

    /// Takes the picked events of a chunk into account.
    pub fn push(&mut self, chunk: &Chunk, hits: &Hits, tick: &mut dyn Tick) -> Result<()> {
        let Partial { masks, budget } = &mut self.partial;
        let (plan, runs) = (self.plan, &mut self.runs);
        runs::find(&chunk.time, &plan.parts, |_| false, runs, budget, tick)?;
        let place = |part: usize| plan.place.get(part).copied().unwrap_or((u32::MAX, 0));
        if let Some(picked) = Picked::new(chunk, plan.by, hits, runs, plan.remap, true) {
            return picked.runs(tick, |run| {
                let (interval, bit) = place(run.bucket as usize);
                let Some(masks) = masks.get_mut(interval as usize) else {
                    return Ok(());
                };
                // The events of a subject come in runs.
                let mut last = 0;
                picked.try_each(run, |_, no| {
                    if no == last {
                        return Ok(());
                    }
                    last = no;
                    masks.put::<Or>(no, 1 << bit, budget)
                })
            });
        }
        let mut finder = BucketFinder::new(&plan.parts.starts, plan.parts.range);
        try_for_each_subject(chunk, plan.by, hits, plan.remap, tick, |row, no| {
            let Some(part) = chunk.time.get(row).and_then(|t| finder.of(*t)) else {
                return Ok(());
            };
            let (interval, bit) = place(part);
            match masks.get_mut(interval as usize) {
                Some(masks) => masks.put::<Or>(no, 1 << bit, budget),
                None => Ok(()),
            }
        })
    }

    /// What was counted.
    pub fn finish(mut self) -> Partial {
        self.partial.budget.give(self.runs.capacity() * size_of::<Run>());
        self.partial
    }

    /// What was counted so far, to add what is known without rows.
    pub fn partial(&mut self) -> &mut Partial {
        &mut self.partial
    }
}

/// Every interval with 1 to as many active parts as it has, in order.
pub fn finish(plan: &Plan, mut partial: Partial, tick: &mut dyn Tick) -> Result<Vec<Row>> {
    if partial.masks.len() != plan.intervals.len() {
        return Err(Error::corrupt("partial: of another report"));
    }
    let total = plan.size.iter().map(|n| *n as usize).sum();
    let mut rows = try_vec(total, "rows of a report")?;
    for (i, masks) in partial.masks.iter_mut().enumerate() {
        tick.tick()?;
        let mut exactly = [0u64; MOST as usize + 1];
        masks.each::<Or>(|_, mask| {
            if let Some(n) = exactly.get_mut(mask.count_ones() as usize) {
                *n += 1;
            }
        });
        let bucket = plan.intervals.labels.get(i).copied().unwrap_or(0);
        for active in 1..=plan.size.get(i).copied().unwrap_or(0) {
            let from = exactly.get(active as usize..).unwrap_or(&[]);
            let count = match plan.cumulative {
                true => from.iter().sum(),
                false => from.first().copied().unwrap_or(0),
            };
            rows.push(Row { bucket, active, count });
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests;
