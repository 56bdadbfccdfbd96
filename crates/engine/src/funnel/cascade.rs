//! Funnels step after step: a pass over the events of each step alone, and no event beside another.
//!
//! When no event can fill two steps, an attempt from the first entry is a cascade of joins: a step is the earliest of its
//! events from an instant on, which the step before decides, so that a pass over the events of a step, in any order, needs
//! of each subject an instant to compare with and the earliest event so far. Subjects are dense numbers, so this is an
//! array; threads share it, since the least of some numbers does not depend on their order.
//!
//! # What else is decided
//!
//! Let L be the steps of the attempt from the first entry. Every attempt starts at this entry or later, and takes a step k
//! not before the earliest step k in the chain that knows no window. So when there is no event of step L + 1 in that chain
//! either, no attempt has more than L steps, and the subject is *decided*, whatever is asked for:
//!
//! * Default re-entry with a breakdown counts the best attempt, of equals the first: this one. All events of the subject
//!   must carry the same values ([`Alike`]), so that there is one segment.
//! * Optimized re-entry counts the earliest entry that goes as far, but of several before the same second step the last.
//!   Those between the first entry and its step 2 have the same step 2, and therefore all steps after it: the last of
//!   them is the entry. It takes one more pass over the events of step 1 to find it. The same holds when all steps float:
//!   no attempt has steps that do not happen after the first entry, and entries before the second event are of its step.
//!
//! The events of the others are gathered and walked ([`super::Kernel`]); the cascade says which those are.

use super::alike::Alike;
use super::{Attribution, Count, Ordering, Plan, Reentry};
use crate::breakdown::Dimension;
use crate::chunk::{Chunk, Hits, SubjectNo, USER};
use crate::error::{Error, Result, try_vec};
use crate::gather::{canonical, try_for_each_subject};
use crate::mask::Mask;
use crate::parallel::Workers;
use crate::tick::Tick;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::Relaxed};

/// When a step happened that did not.
pub(super) const NEVER: i64 = i64::MIN;
/// From when on the events of a subject are wanted that needs none.
const NONE: i64 = i64::MAX;
/// Subjects that one job judges.
pub(super) const AT_ONCE: usize = 1 << 14;

/// The attempt from the first entry of every subject.
#[derive(Debug)]
pub struct Cascade<'p> {
    pub(super) plan: &'p Plan<'p>,
    /// The steps of each pass: one, or floating neighbours.
    stages: Vec<Range<usize>>,
    stage: usize,
    /// Of each subject: from when on events are wanted, then when each step happened.
    cells: Vec<AtomicI64>,
    width: usize,
    /// An event of a subject that there is no room for.
    beyond: AtomicBool,
    undecided: AtomicUsize,
    /// Values of the subjects, as each thread has seen them, while no thread uses it.
    alike: Mutex<Vec<Alike<'p>>>,
}

impl<'p> Cascade<'p> {
    /// A cascade for subjects numbered up to `most`. `None` where events have to be gathered: it is not that kind of
    /// funnel, or there is little room. That no event is picked by two steps is for the caller to know.
    pub fn new(plan: &'p Plan<'p>, most: SubjectNo) -> Result<Option<Self>> {
        plan.check()?;
        let all = plan.step_bits();
        let simple = plan.count == Count::Unique
            && plan.ordering == Ordering::Loose
            && plan.exclusions.is_empty()
            && plan.held.is_empty()
            && plan.buckets.is_none()
            && (plan.reentry == Reentry::Default || plan.floating == 0 || plan.floating == all);
        // What an attempt that ends early has of such a step differs from what a longer one has.
        let step = matches!(plan.attribution, Attribution::Step(k) if k > 0);
        let varies = |d: &&Dimension| step || matches!(d.plain().0, Dimension::Time(_));
        if !simple || plan.carried().iter().any(varies) {
            return Ok(None);
        }
        let (subjects, width) = (most as usize + 1, plan.steps + 1);
        let bytes = subjects.saturating_mul(width).saturating_mul(size_of::<AtomicI64>());
        if bytes.saturating_add(subjects * 8) > plan.memory_limit / 2 {
            return Ok(None);
        }
        let mut cells = try_vec(subjects * width, "a funnel")?;
        cells.resize_with(subjects * width, || AtomicI64::new(NEVER));
        let mut cascade = Cascade {
            plan,
            stages: stages(plan),
            stage: 0,
            cells,
            width,
            beyond: AtomicBool::new(false),
            undecided: AtomicUsize::new(0),
            alike: Mutex::default(),
        };
        cascade.open_first();
        Ok(Some(cascade))
    }

    fn open_first(&mut self) {
        let steps = self.stages.first().cloned().unwrap_or(0..0);
        let (from, after) = (self.plan.entry.from, self.plan.last().saturating_add(1));
        // Subject 0 is nobody.
        for cells in self.cells.chunks_exact_mut(self.width).skip(1) {
            if let Some((wanted, times)) = cells.split_first_mut() {
                *wanted.get_mut() = from;
                for t in times.get_mut(steps.clone()).into_iter().flatten() {
                    *t.get_mut() = after;
                }
            }
        }
    }

    /// The steps whose events are to be read now; `None` when all were.
    pub fn steps(&self) -> Option<Range<usize>> {
        self.stages.get(self.stage).cloned()
    }

    /// What a thread has seen, for [`Cascade::push`].
    pub fn reader(&self) -> Result<Option<Alike<'p>>> {
        if self.plan.carried().is_empty() {
            return Ok(None);
        }
        match self.pool().pop() {
            Some(alike) => Ok(Some(alike)),
            None => Alike::new(self.plan, self.subjects()).map(Some),
        }
    }

    /// Reads the events that a step picked.
    pub fn push(
        &self,
        reader: &mut Option<Alike<'p>>,
        step: usize,
        chunk: &Chunk,
        hits: &Hits,
        tick: &mut dyn Tick,
    ) -> Result<()> {
        if let Some(alike) = reader {
            alike.note(self.plan, chunk, hits, tick)?;
        }
        self.each(chunk, hits, tick, |cells, t| {
            if let (Some(from), Some(best)) = (cells.first(), cells.get(step + 1))
                && t < best.load(Relaxed)
                && t >= from.load(Relaxed)
            {
                best.fetch_min(t, Relaxed);
            }
        })
    }

    /// Calls `f` with the cells of the subject and the time of every picked event.
    fn each(
        &self,
        chunk: &Chunk,
        hits: &Hits,
        tick: &mut dyn Tick,
        mut f: impl FnMut(&[AtomicI64], i64),
    ) -> Result<()> {
        let (by, remap) = (self.plan.by, self.plan.remap);
        try_for_each_subject(chunk, by, hits, remap, tick, |row, no| {
            let at = no as usize * self.width;
            match (self.cells.get(at..at + self.width), chunk.time.get(row)) {
                (Some(cells), Some(t)) => f(cells, *t),
                _ => self.beyond.store(true, Relaxed),
            }
            Ok(())
        })
    }

    /// After the events of [`Cascade::steps`] were read: who has gone on, and what the others need. Takes what the threads
    /// have seen. False when the events are better gathered at once.
    pub fn advance(
        &mut self,
        readers: impl IntoIterator<Item = Option<Alike<'p>>>,
        workers: &Workers,
        tick: &mut dyn Tick,
    ) -> Result<bool> {
        self.pool().extend(readers.into_iter().flatten());
        let subjects = self.subjects();
        workers.each(subjects.div_ceil(AT_ONCE), subjects, tick, &|_, item, _| {
            for (_, cells) in self.part(item) {
                self.judge(cells);
            }
            Ok(())
        })?;
        self.stage += 1;
        if self.stage == 1 && self.pool().first().is_some_and(|a| !a.mostly()) {
            return Ok(false);
        }
        if self.steps().is_none() {
            let mut seen = std::mem::take(&mut *self.pool());
            if let Some(mut all) = seen.pop() {
                seen.into_iter().try_for_each(|a| all.absorb(a))?;
                self.leave_mixed(&all);
                self.pool().push(all);
            }
        }
        Ok(!self.beyond.load(Relaxed))
    }

    fn pool(&self) -> MutexGuard<'_, Vec<Alike<'p>>> {
        self.alike.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves the subjects whose values differ, of those who have entered.
    fn leave_mixed(&self, alike: &Alike) {
        for (no, cells) in (0..).zip(self.cells.chunks_exact(self.width)) {
            if alike.tuple(no).is_none() {
                self.leave(cells);
            }
        }
    }

    /// The subjects of one job and their cells.
    pub(super) fn part(&self, item: usize) -> impl Iterator<Item = (SubjectNo, &[AtomicI64])> {
        let from = item * AT_ONCE;
        let to = (from + AT_ONCE).min(self.subjects());
        let cells = self.cells.get(from * self.width..to * self.width).unwrap_or(&[]);
        (from as SubjectNo..).zip(cells.chunks_exact(self.width))
    }

    /// The entry of a subject, once it is known.
    fn entry(&self, cells: &[AtomicI64]) -> Option<i64> {
        let first = self.stages.first().cloned().unwrap_or(0..0);
        let times = cells.get(first.start + 1..first.end + 1).unwrap_or(&[]);
        times.iter().map(|t| t.load(Relaxed)).filter(|t| *t != NEVER).min()
    }

    fn judge(&self, cells: &[AtomicI64]) {
        let plan = self.plan;
        let Some((wanted, times)) = cells.split_first() else { return };
        let open = self.steps().and_then(|s| times.get(s)).unwrap_or(&[]);
        if open.first().is_none_or(|t| t.load(Relaxed) == NEVER) {
            return;
        }
        let entry = match self.entry(cells) {
            Some(entry) if entry < plan.entry.to => entry,
            _ => {
                open.iter().for_each(|t| t.store(NEVER, Relaxed));
                return wanted.store(NONE, Relaxed);
            }
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
        match self.stages.get(self.stage + 1).filter(|_| !missing) {
            Some(next) => {
                wanted.store(latest.saturating_sub(self.grace()).max(plan.entry.from), Relaxed);
                for t in times.get(next.clone()).into_iter().flatten() {
                    t.store(plan.last().saturating_add(1), Relaxed);
                }
            }
            // Another entry may get further.
            None if late && self.chooses() => self.leave(cells),
            None => wanted.store(NONE, Relaxed),
        }
    }

    fn grace(&self) -> i64 {
        if self.plan.floating == 0 {
            self.plan.grace_ms
        } else {
            0
        }
    }

    /// Does it matter what other entries come to?
    fn chooses(&self) -> bool {
        self.plan.reentry == Reentry::Optimized || !self.plan.breakdown.is_empty()
    }

    /// Leaves a subject to those who see all its events. No step of any attempt is earlier than the grace allows.
    fn leave(&self, cells: &[AtomicI64]) {
        let grace = self.grace().saturating_mul(self.plan.steps as i64);
        if let (Some(wanted), Some(entry)) = (cells.first(), self.entry(cells)) {
            wanted.store(entry.saturating_sub(grace), Relaxed);
            self.undecided.fetch_add(1, Relaxed);
        }
    }

    /// When all steps were read: must all events be read again?
    pub fn goes_on(&self) -> bool {
        self.undecided.load(Relaxed) > 0 || self.plan.reentry == Reentry::Optimized
    }

    /// Finds the entries that count of what a step picked, where entries are chosen: the last one before the second event.
    pub fn push_entries(&self, step: usize, chunk: &Chunk, hits: &Hits, tick: &mut dyn Tick) -> Result<()> {
        if self.plan.reentry != Reentry::Optimized || (self.plan.floating == 0 && step > 0) {
            return Ok(());
        }
        let to = self.plan.entry.to;
        if self.plan.floating == 0 {
            return self.each(chunk, hits, tick, |cells, t| {
                if let [wanted, entry, second, ..] = cells
                    && t <= second.load(Relaxed)
                    && t > entry.load(Relaxed)
                    && t < to
                    && wanted.load(Relaxed) == NONE
                {
                    entry.fetch_max(t, Relaxed);
                }
            });
        }
        self.each(chunk, hits, tick, |cells, t| {
            if let Some((wanted, times)) = cells.split_first()
                && let Some(own) = times.get(step)
                && t > own.load(Relaxed)
                && t < to
                && wanted.load(Relaxed) == NONE
                && t <= others(times, step)
            {
                own.fetch_max(t, Relaxed);
            }
        })
    }

    /// The events that are needed of what a selector picked: those of subjects that are not decided.
    pub fn undecided(&self, chunk: &Chunk, mut hits: Hits, tick: &mut dyn Tick) -> Result<Hits> {
        let (by, remap) = (self.plan.by, self.plan.remap);
        let wanted = |no: SubjectNo, row: usize| {
            let from = self.cells.get(canonical(remap, by, no) as usize * self.width);
            let t = chunk.time.get(row).copied().unwrap_or(NEVER);
            no != 0 && from.is_some_and(|f| t >= f.load(Relaxed))
        };
        let column = chunk.group(by);
        let firsts = match column {
            _ if by == USER => &chunk.user,
            Some(c) => &c.first,
            None => return Ok(hits),
        };
        if let Some(c) = column.filter(|c| !c.more.is_empty()) {
            hits.more = Some(Mask::from_fn(c.more.len(), |i| {
                let picked = |row: u32| hits.more.as_ref().map_or(hits.rows.get(row as usize), |m| m.get(i));
                c.more.get(i).is_some_and(|(row, no)| picked(*row) && wanted(*no, *row as usize))
            }));
        }
        hits.rows.retain(tick, |row| wanted(firsts.get(row).copied().unwrap_or(0), row))?;
        Ok(hits)
    }

    /// Room for this many subjects, the one that is nobody included.
    pub(super) fn subjects(&self) -> usize {
        self.cells.len() / self.width
    }

    /// Memory in use.
    pub fn bytes(&self) -> usize {
        self.cells.len() * size_of::<AtomicI64>() + self.pool().iter().map(Alike::bytes).sum::<usize>()
    }

    /// What all threads have seen.
    pub(super) fn take_alike(&self) -> Option<Alike<'p>> {
        self.pool().pop()
    }

    /// When the steps of a decided subject were reached, one after another.
    pub(super) fn reached(&self, cells: &[AtomicI64], reached: &mut Vec<i64>) -> Result<bool> {
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
            if let Some(block) = reached.get_mut(from..) {
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

/// Steps that are read together: floating neighbours, and every other one alone.
fn stages(plan: &Plan) -> Vec<Range<usize>> {
    let mut stages: Vec<Range<usize>> = Vec::new();
    let floats = |k: usize| plan.floating >> k & 1 == 1;
    for k in 0..plan.steps {
        match stages.last_mut() {
            Some(last) if floats(k) && floats(k - 1) => last.end = k + 1,
            _ => stages.push(k..k + 1),
        }
    }
    stages
}
