//! Lifecycle: which subjects are new, retained, resurrected or dormant in each interval.
//!
//! A subject is active in an interval in which it has a picked event. It is then *new* when it has no picked event
//! before the interval, over all history; *retained* when it was active in the interval before; else *resurrected*.
//! *Dormant* is who was active in the interval before and is not in this one. Sets of subjects per interval make up the
//! partial, so stored sets of days can stand for their rows.

mod members;

pub use members::members;

use crate::chunk::{Chunk, Hits, Kind, SubjectNo};
use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, grow_within, try_for_each_subject};
use crate::insights::runs::{self, Run};
use crate::insights::source::Picked;
use crate::partial::{Reader, Tag, Writer};
use crate::subjects::SubjectSet;
use crate::tick::Tick;
use crate::time::{Buckets, Calendar, Span64, Unit};

/// What a subject is in an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    New,
    Retained,
    Resurrected,
    Dormant,
}

/// All states, in the order of the rows.
pub const STATES: [State; 4] = [State::New, State::Retained, State::Resurrected, State::Dormant];

impl State {
    /// How the rows call it.
    pub fn name(self) -> &'static str {
        match self {
            State::New => "new",
            State::Retained => "retained",
            State::Resurrected => "resurrected",
            State::Dormant => "dormant",
        }
    }
}

/// What a lifecycle report asks.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    pub by: Kind,
    /// Everything before the intervals as one, the interval before the first, and the intervals.
    slots: Buckets,
    /// Canonical user of each user, where identities were merged.
    pub remap: Option<&'a [SubjectNo]>,
    /// Bytes a partial, or the answer, may take.
    pub memory_limit: usize,
}

/// Slots before the first interval.
const BEFORE: usize = 2;

impl<'a> Plan<'a> {
    /// The intervals of `unit` (day and longer) from the one `from_day` lies in, taken whole, up to `to_day`.
    pub fn new(
        by: Kind,
        calendar: &Calendar,
        unit: Unit,
        (from_day, to_day): (i32, i32),
        remap: Option<&'a [SubjectNo]>,
        memory_limit: usize,
    ) -> Result<Self> {
        if matches!(unit, Unit::Minute | Unit::Hour | Unit::Range) {
            return Err(Error::param_hint(
                "a lifecycle needs intervals of days",
                "Use the unit day, week, month, quarter or year.",
            ));
        }
        let first = calendar.unit_start_day(unit, from_day)?;
        let before = calendar.add_units(unit, first, -1)?;
        let mut slots = calendar.buckets(unit, before, to_day)?;
        slots.labels.insert(0, i64::MIN);
        slots.starts.insert(0, i64::MIN);
        slots.range.from = i64::MIN;
        Ok(Plan {
            by,
            slots,
            remap,
            memory_limit,
        })
    }

    /// The instants that have to be read: all history up to the end of the range.
    pub fn reads(&self) -> Span64 {
        self.slots.range
    }
}

/// One row: the subjects in one state in one interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Calendar start of the interval in milliseconds.
    pub bucket: i64,
    pub state: State,
    pub count: u64,
}

/// Who was active when.
#[derive(Debug, Clone)]
pub struct Partial {
    /// One per slot.
    sets: Vec<SubjectSet>,
    budget: Budget,
}

impl Partial {
    fn new(plan: &Plan) -> Result<Self> {
        let mut budget = Budget::new(plan.memory_limit);
        let mut sets = Vec::new();
        grow_within(&mut sets, plan.slots.len(), &mut budget)?;
        sets.resize_with(plan.slots.len(), SubjectSet::default);
        Ok(Partial { sets, budget })
    }

    /// Memory in use.
    pub fn bytes(&self) -> usize {
        self.budget.used()
    }

    /// Adds the subjects of a whole day, which begins at `day`, instead of that day's rows: as they are counted, after
    /// identity merges; 0 is passed over. Nothing happens outside of the instants that the plan reads.
    pub fn add_set(&mut self, plan: &Plan, day: i64, subjects: impl Iterator<Item = SubjectNo>) -> Result<()> {
        let set = plan.slots.of(day).and_then(|slot| self.sets.get_mut(slot));
        if let Some(set) = set {
            for no in subjects.filter(|no| *no != 0) {
                set.add(no, &mut self.budget)?;
            }
        }
        Ok(())
    }

    /// [`Partial::add_set`] for subjects in the portable format of roaring bitmaps.
    pub fn add_portable(&mut self, plan: &Plan, day: i64, subjects: &[u8]) -> Result<()> {
        match plan.slots.of(day).and_then(|slot| self.sets.get_mut(slot)) {
            Some(set) => set.union_portable(subjects, &mut self.budget),
            None => Ok(()),
        }
    }

    /// Both together, of the same plan.
    pub fn merge(self, other: Partial, plan: &Plan) -> Result<Partial> {
        let (mut into, from) = if self.bytes() >= other.bytes() {
            (self, other)
        } else {
            (other, self)
        };
        if into.sets.len() != from.sets.len() || into.sets.len() != plan.slots.len() {
            return Err(Error::corrupt("partial: of another report"));
        }
        into.budget.set_limit(plan.memory_limit);
        for (a, b) in into.sets.iter_mut().zip(&from.sets) {
            a.union(b, &mut into.budget)?;
        }
        Ok(into)
    }

    /// Bytes for another process.
    pub fn encode(&mut self) -> Result<Vec<u8>> {
        let mut w = Writer::new(Tag::Lifecycle, self.bytes())?;
        w.len(self.sets.len())?;
        self.sets.iter_mut().try_for_each(|s| s.encode(&mut w))?;
        w.finish()
    }

    /// Reads what `encode` wrote for the same plan.
    pub fn decode(bytes: &[u8], plan: &Plan) -> Result<Partial> {
        let mut r = Reader::new(Tag::Lifecycle, bytes)?;
        let mut p = Partial::new(plan)?;
        if r.len(12)? != p.sets.len() {
            return Err(Error::corrupt("partial: of another report"));
        }
        for set in &mut p.sets {
            *set = SubjectSet::decode(&mut r, &mut p.budget)?;
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
        let Partial { sets, budget } = &mut self.partial;
        let (plan, runs) = (self.plan, &mut self.runs);
        runs::find(&chunk.time, &plan.slots, |_| false, runs, budget, tick)?;
        if let Some(picked) = Picked::new(chunk, plan.by, hits, runs, plan.remap, true) {
            return picked.runs(tick, |run| match sets.get_mut(run.bucket as usize) {
                Some(set) => picked.add_to(run, set, budget),
                None => Ok(()),
            });
        }
        let mut finder = crate::gather::BucketFinder::new(&plan.slots.starts, plan.slots.range);
        try_for_each_subject(chunk, plan.by, hits, plan.remap, tick, |row, no| {
            let slot = chunk.time.get(row).and_then(|t| finder.of(*t));
            match slot.and_then(|s| sets.get_mut(s)) {
                Some(set) => set.add(no, budget),
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

/// Every interval with each of the states, in order: one pass over all sets with the interval each subject was last
/// seen in.
pub fn finish(plan: &Plan, mut partial: Partial, tick: &mut dyn Tick) -> Result<Vec<Row>> {
    if partial.sets.len() != plan.slots.len() {
        return Err(Error::corrupt("partial: of another report"));
    }
    let mut last: Vec<u32> = Vec::new();
    let mut rows = try_vec(4 * partial.sets.len(), "rows of a report")?;
    let mut before = 0;
    for (slot, set) in partial.sets.iter_mut().enumerate() {
        tick.tick()?;
        let active = set.count();
        let top = set.top() as usize;
        if last.len() <= top {
            if last.capacity() <= top {
                let more = top + 1 - last.len();
                grow_within(&mut last, more, &mut partial.budget)?;
            }
            last.resize(top + 1, 0);
        }
        let (mut new, mut retained) = (0, 0);
        let (now, seen) = (slot as u32 + 1, last.as_mut_slice());
        set.each(|no| {
            if let Some(s) = seen.get_mut(no as usize) {
                new += u64::from(*s == 0);
                retained += u64::from(*s == now - 1 && *s != 0);
                *s = now;
            }
        });
        if slot >= BEFORE {
            let counts = [new, retained, active - new - retained, before - retained];
            let bucket = plan.slots.labels.get(slot).copied().unwrap_or(0);
            rows.extend(STATES.iter().zip(counts).map(|(state, count)| Row {
                bucket,
                state: *state,
                count,
            }));
        }
        before = active;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests;
