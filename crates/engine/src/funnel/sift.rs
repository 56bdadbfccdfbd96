//! Deciding the subjects of one partition before any event is sorted: [`Stages`] over events that lie in a cache.

use super::Reentry;
use super::attribute::Attributor;
use super::counts::Counts;
use super::prepared::Prepared;
use super::stages::{NEVER, NONE, Stages};
use crate::error::Result;
use crate::gather::{Budget, earliest_from, grow_within, tag_of, time_of};
use crate::postings::{Partition, Wanted};
use crate::tick::Tick;
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Most stages: each is a pass over all events of a partition.
const MOST_STAGES: usize = 8;
/// No event was seen.
const UNSEEN: u32 = 0;
/// Events with different values were.
const MIXED: u32 = u32::MAX;

/// Decides and counts; kept from one partition to the next.
#[derive(Debug)]
pub(super) struct Sifter<'a> {
    p: &'a Prepared<'a>,
    stages: Stages<'a>,
    /// The one step of each tag.
    steps: &'a [u8],
    cells: Vec<AtomicI64>,
    /// One more than the tuple of values that the events of each subject carry.
    seen: Vec<u32>,
    reached: Vec<i64>,
    attributor: Option<Attributor<'a>>,
    budget: Budget,
}

impl<'a> Sifter<'a> {
    /// `None` where every subject has to be walked.
    pub fn new(p: &'a Prepared<'a>) -> Option<Self> {
        let plan = p.plan;
        let attributes = !plan.breakdown.is_empty() || plan.filter.is_some();
        // Optimized re-entry leaves too many.
        let stages = Stages::new(plan).filter(|s| s.steps(MOST_STAGES).is_none());
        let stages = stages.filter(|_| plan.reentry == Reentry::Default)?;
        Some(Sifter {
            stages,
            steps: p.single()?,
            cells: Vec::new(),
            seen: Vec::new(),
            reached: Vec::new(),
            attributor: attributes.then(|| Attributor::new(p)),
            budget: Budget::new(plan.memory_limit),
            p,
        })
    }

    /// Counts who is decided; the events of the others are wanted.
    pub fn sift(
        &mut self,
        partition: Partition,
        counts: &mut Counts,
        wanted: &mut Vec<u64>,
        tick: &mut dyn Tick,
    ) -> Result<Wanted> {
        let (width, subjects) = (self.stages.width(), partition.subjects());
        if self.cells.len() < subjects * width {
            let more = subjects * width - self.cells.len();
            grow_within(&mut self.cells, more, &mut self.budget)?;
            self.cells.resize_with(subjects * width, || AtomicI64::new(NEVER));
        }
        let all = self.cells.get(..subjects * width).unwrap_or(&[]);
        for cells in all.chunks_exact(width) {
            cells.iter().for_each(|c| c.store(NEVER, Relaxed));
            self.stages.open(cells);
        }
        let mut left = false;
        let mut stage = 0;
        while let Some(steps) = self.stages.steps(stage) {
            self.read(partition, &steps, all, tick)?;
            for cells in all.chunks_exact(width) {
                left |= self.stages.judge(stage, cells);
            }
            stage += 1;
        }
        self.seen.clear();
        if self.attributor.is_some() && self.p.carries() {
            left |= self.look(partition, tick)?;
        }
        let all = self.cells.get(..subjects * width).unwrap_or(&[]);
        wanted.clear();
        for (local, cells) in all.chunks_exact(width).enumerate() {
            if left {
                let from = cells.first().map_or(NONE, |c| c.load(Relaxed));
                if wanted.len() == wanted.capacity() {
                    grow_within(wanted, subjects - wanted.len(), &mut self.budget)?;
                }
                wanted.push(if from == NONE { u64::MAX } else { earliest_from(from) });
            }
            if !self.stages.reached(cells, &mut self.reached)? {
                continue;
            }
            let times = self.reached.iter().copied();
            let Some(attributor) = &mut self.attributor else {
                counts.attempt(0, times)?;
                continue;
            };
            let tuple = self.seen.get(local).map_or(0, |n| n.saturating_sub(1));
            attributor.attribute_alike(partition.subject(local), tuple);
            let passes = attributor.passes()?;
            if !self.p.plan.breakdown.is_empty() {
                attributor.count_alone(0, passes, times, counts)?;
            } else if passes {
                counts.attempt(0, times)?;
            }
        }
        Ok(if left { Wanted::From } else { Wanted::Nothing })
    }

    /// Reads the events of some steps.
    fn read(&self, partition: Partition, steps: &Range<usize>, all: &[AtomicI64], tick: &mut dyn Tick) -> Result<()> {
        let width = self.stages.width();
        let step_of = |tag: u32| self.steps.get(tag as usize).map_or(usize::MAX, |s| usize::from(*s));
        let note = |local: u16, event: u64, step: usize| {
            let (at, t) = (usize::from(local) * width, time_of(event));
            if let Some(cells) = all.get(at..at + width)
                && let Some(cell) = Stages::earlier(cells, step, t)
            {
                cell.store(t, Relaxed);
            }
        };
        for (tag, locals, events) in partition.runs() {
            tick.tick()?;
            let rows = locals.iter().zip(events);
            match tag.map(step_of) {
                Some(step) if steps.contains(&step) => rows.for_each(|(local, event)| note(*local, *event, step)),
                Some(_) => {}
                None => {
                    for (local, event) in rows {
                        let step = step_of(tag_of(*event));
                        if steps.contains(&step) {
                            note(*local, *event, step);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Leaves the subjects whose events carry different values; true when there are some.
    fn look(&mut self, partition: Partition, tick: &mut dyn Tick) -> Result<bool> {
        let (width, subjects) = (self.stages.width(), partition.subjects());
        if self.seen.capacity() < subjects {
            grow_within(&mut self.seen, subjects, &mut self.budget)?;
        }
        self.seen.resize(subjects, UNSEEN);
        let may_lack = self.p.plan.may_lack_value();
        for (locals, events) in partition.pages() {
            tick.tick()?;
            for (local, event) in locals.iter().zip(events) {
                let tuple = self.p.tuple(*event);
                let number = if may_lack && tuple != 0 { MIXED } else { tuple + 1 };
                if let Some(seen) = self.seen.get_mut(usize::from(*local))
                    && *seen != number
                {
                    *seen = if *seen == UNSEEN { number } else { MIXED };
                }
            }
        }
        let mut left = false;
        for (cells, seen) in self.cells.chunks_exact(width).zip(&self.seen) {
            left |= *seen == MIXED && self.stages.leave(cells);
        }
        Ok(left)
    }
}
