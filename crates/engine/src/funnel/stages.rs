//! The attempt from the first entry, step after step, with a few numbers for each subject.
//!
//! When no event can fill two steps, an attempt from the first entry is a cascade of joins: a step is the earliest of its
//! events from an instant on, which the step before decides. So a pass over the events of a step, in any order, needs of
//! each subject an instant to compare with and the earliest event so far. Floating neighbours are one stage: the earliest
//! event of each.
//!
//! # What else is decided
//!
//! Let L be the steps of the attempt from the first entry. Every attempt starts at this entry or later, and takes a step k
//! not before the earliest step k in the chain that knows no window. So when there is no event of step L + 1 in that chain
//! either, no attempt has more than L steps, and the subject is *decided*, whatever is asked for:
//!
//! * Default re-entry with a breakdown counts the best attempt, of equals the first: this one. All events of the subject
//!   must carry the same values, so that there is one segment.
//! * Optimized re-entry counts the earliest entry that goes as far, but of several before the same second step the last.
//!   Those between the first entry and its step 2 have the same step 2, and therefore all steps after it: the last of
//!   them is the entry. It takes one more pass over the events of step 1 to find it. The same holds when all steps float:
//!   no attempt has steps that do not happen after the first entry, and entries before the second event are of its step.

use super::{Count, Ordering, Plan, Reentry};
use crate::error::{Error, Result};
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// When a step happened that did not.
pub(super) const NEVER: i64 = i64::MIN;
/// From when on the events of a subject are wanted that needs none.
pub(super) const NONE: i64 = i64::MAX;

/// The stages of a funnel. The cells of a subject are from when on its events are wanted, and when each step happened.
/// They are atomic so that threads may share them; where they do not, that costs nothing.
#[derive(Debug)]
pub(super) struct Stages<'p> {
    pub plan: &'p Plan<'p>,
    /// Steps that are read together: floating neighbours, and every other one alone.
    stages: Vec<Range<usize>>,
}

impl<'p> Stages<'p> {
    /// `None` where this can not answer. That no event fills two steps is for the caller to know.
    pub fn new(plan: &'p Plan<'p>) -> Option<Self> {
        let simple = plan.count == Count::Unique
            && plan.ordering == Ordering::Loose
            && plan.exclusions.is_empty()
            && plan.held.is_empty()
            // Only times are kept here, and no event.
            && plan.measured.is_none()
            && plan.buckets.is_none()
            && (plan.reentry == Reentry::Default || plan.floating == 0 || plan.floating == plan.step_bits());
        let mut stages: Vec<Range<usize>> = Vec::new();
        let floats = |k: usize| plan.floating >> k & 1 == 1;
        for k in 0..plan.steps {
            match stages.last_mut() {
                Some(last) if floats(k) && floats(k - 1) => last.end = k + 1,
                _ => stages.push(k..k + 1),
            }
        }
        simple.then_some(Stages { plan, stages })
    }

    /// Cells of a subject.
    #[inline]
    pub fn width(&self) -> usize {
        self.plan.steps + 1
    }

    /// The steps of a stage; `None` past the last.
    #[inline]
    pub fn steps(&self, stage: usize) -> Option<Range<usize>> {
        self.stages.get(stage).cloned()
    }

    /// Begins with a subject that may enter.
    #[inline]
    pub fn open(&self, cells: &[AtomicI64]) {
        if let (Some((wanted, times)), Some(steps)) = (cells.split_first(), self.steps(0)) {
            wanted.store(self.plan.entry.from, Relaxed);
            self.wait(times, steps);
        }
    }

    /// From now on the steps may happen, however late.
    #[inline]
    fn wait(&self, times: &[AtomicI64], steps: Range<usize>) {
        let after = self.plan.last().saturating_add(1);
        for t in times.get(steps).into_iter().flatten() {
            t.store(after, Relaxed);
        }
    }

    /// The cell that an event of a step of this stage changes: to the least of it and the event's time.
    #[inline]
    pub fn earlier(cells: &[AtomicI64], step: usize, t: i64) -> Option<&AtomicI64> {
        let (from, best) = (cells.first()?, cells.get(step + 1)?);
        (t < best.load(Relaxed) && t >= from.load(Relaxed)).then_some(best)
    }

    /// Does an event of the step matter to the entry, once all stages are judged?
    pub fn chooses_entry(&self, step: usize) -> bool {
        self.plan.reentry == Reentry::Optimized && (self.plan.floating != 0 || step == 0)
    }

    /// The cell that an event of such a step changes: to the greatest of it and the event's time. It is a later entry,
    /// before the second event.
    #[inline]
    pub fn later_entry<'c>(&self, cells: &'c [AtomicI64], step: usize, t: i64) -> Option<&'c AtomicI64> {
        let (wanted, times) = cells.split_first()?;
        let own = times.get(step)?;
        let before = own.load(Relaxed);
        let decided = before != NEVER && wanted.load(Relaxed) == NONE;
        if t <= before || t >= self.plan.entry.to || !decided {
            return None;
        }
        let last = if self.plan.floating == 0 {
            times.get(1)?.load(Relaxed)
        } else {
            others(times, step)
        };
        (t <= last).then_some(own)
    }

    /// The entry of a subject, once it is known.
    #[inline]
    pub fn entry(&self, cells: &[AtomicI64]) -> Option<i64> {
        let first = self.steps(0)?;
        let times = cells.get(first.start + 1..first.end + 1).unwrap_or(&[]);
        times.iter().map(|t| t.load(Relaxed)).filter(|t| *t != NEVER).min()
    }

    /// After all events of a stage: does the subject go on? True when it is left to others.
    #[inline]
    pub fn judge(&self, stage: usize, cells: &[AtomicI64]) -> bool {
        let plan = self.plan;
        let Some((wanted, times)) = cells.split_first() else {
            return false;
        };
        let open = self.steps(stage).and_then(|s| times.get(s)).unwrap_or(&[]);
        if open.first().is_none_or(|t| t.load(Relaxed) == NEVER) {
            return false;
        }
        let Some(entry) = self.entry(cells).filter(|e| *e < plan.entry.to) else {
            open.iter().for_each(|t| t.store(NEVER, Relaxed));
            wanted.store(NONE, Relaxed);
            return false;
        };
        let end = entry.saturating_add(plan.window_ms);
        let (mut late, mut missing, mut latest) = (false, false, NEVER);
        for time in open {
            let t = time.load(Relaxed);
            if t > end {
                missing = true;
                late |= t <= plan.last();
                time.store(NEVER, Relaxed);
            } else {
                latest = latest.max(t);
            }
        }
        if !missing && let Some(next) = self.steps(stage + 1) {
            wanted.store(latest.saturating_sub(self.grace()).max(plan.entry.from), Relaxed);
            self.wait(times, next);
            return false;
        }
        // Another entry may get further.
        if late && (plan.reentry == Reentry::Optimized || !plan.breakdown.is_empty()) {
            return self.leave(cells);
        }
        wanted.store(NONE, Relaxed);
        false
    }

    #[inline]
    fn grace(&self) -> i64 {
        if self.plan.floating == 0 { self.plan.grace_ms } else { 0 }
    }

    /// Leaves a subject that has entered to those who see all its events. No step of any attempt is earlier than the grace
    /// allows.
    pub fn leave(&self, cells: &[AtomicI64]) -> bool {
        let grace = self.grace().saturating_mul(self.plan.steps as i64);
        match (cells.first(), self.entry(cells)) {
            (Some(wanted), Some(entry)) => {
                wanted.store(entry.saturating_sub(grace), Relaxed);
                true
            }
            _ => false,
        }
    }

    /// When the steps of a decided subject were reached, one after another; false when it is not decided or never entered.
    #[inline]
    pub fn reached(&self, cells: &[AtomicI64], reached: &mut Vec<i64>) -> Result<bool> {
        reached.clear();
        let Some((wanted, times)) = cells.split_first() else {
            return Ok(false);
        };
        if wanted.load(Relaxed) != NONE {
            return Ok(false);
        }
        let mut latest = NEVER;
        for stage in &self.stages {
            let from = reached.len();
            for t in times.get(stage.clone()).into_iter().flatten() {
                let t = t.load(Relaxed);
                if t != NEVER {
                    latest = latest.max(t);
                    reached.try_reserve(1).map_err(|_| Error::OutOfMemory("a funnel"))?;
                    reached.push(if stage.len() == 1 { latest } else { t });
                }
            }
            if stage.len() > 1
                && let Some(block) = reached.get_mut(from..)
            {
                block.sort_unstable();
            }
            if reached.len() < stage.end {
                break;
            }
        }
        Ok(!reached.is_empty())
    }
}

/// How late an event of `step` comes before the first event of any other; simultaneous ones come in order of the steps.
fn others(times: &[AtomicI64], step: usize) -> i64 {
    let others = times.iter().enumerate().filter(|(k, _)| *k != step);
    let times = others.map(|(k, t)| (k, t.load(Relaxed))).filter(|(_, t)| *t != NEVER);
    times.map(|(k, t)| t - i64::from(k < step)).min().unwrap_or(NEVER)
}
