//! Funnels of few subjects: a pass over the events of each step alone, and no event beside another.
//!
//! Where the cells of all subjects ([`Stages`]) fit into a cache, events need not be gathered at all: threads share the
//! cells, since the least of some numbers does not depend on their order. The events of those who are not decided are
//! gathered and walked ([`super::Kernel`]); the cascade says which those are.

use super::Plan;
use super::alike::Alike;
use super::stages::{NEVER, Stages};
use crate::breakdown::Dimension;
use crate::chunk::{Chunk, Hits, SubjectNo, USER};
use crate::error::{Result, try_vec};
use crate::gather::{canonical, try_for_each_subject};
use crate::mask::Mask;
use crate::parallel::Workers;
use crate::tick::Tick;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of cells up to which a processor's own cache has most of them.
const IN_CACHE: usize = 1 << 20;
/// Subjects that one job judges.
pub(super) const AT_ONCE: usize = 1 << 14;

/// The attempt from the first entry of every subject.
#[derive(Debug)]
pub struct Cascade<'p> {
    pub(super) stages: Stages<'p>,
    stage: usize,
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
        // Events are told by their subjects here, and sessions by the times of events.
        if plan.sessions.is_some() {
            return Ok(None);
        }
        let varies = |d: &&Dimension| plan.may_lack_value() || matches!(d.plain().0, Dimension::Time(_));
        let Some(stages) = Stages::new(plan).filter(|_| !plan.carried().iter().any(varies)) else {
            return Ok(None);
        };
        let (subjects, width) = (most as usize + 1, stages.width());
        let bytes = subjects.saturating_mul(width).saturating_mul(size_of::<AtomicI64>());
        if bytes > IN_CACHE || bytes.saturating_mul(2) > plan.memory_limit / 2 {
            return Ok(None);
        }
        let mut cells = try_vec(subjects * width, "a funnel")?;
        cells.resize_with(subjects * width, || AtomicI64::new(NEVER));
        // Subject 0 is nobody.
        cells.chunks_exact(width).skip(1).for_each(|c| stages.open(c));
        Ok(Some(Cascade {
            stages,
            stage: 0,
            cells,
            width,
            beyond: AtomicBool::new(false),
            undecided: AtomicUsize::new(0),
            alike: Mutex::default(),
        }))
    }

    /// The steps whose events are to be read now; `None` when all were.
    pub fn steps(&self) -> Option<Range<usize>> {
        self.stages.steps(self.stage)
    }

    /// What a thread has seen, for [`Cascade::push`].
    pub fn reader(&self) -> Result<Option<Alike<'p>>> {
        if self.stages.plan.carried().is_empty() {
            return Ok(None);
        }
        match self.pool().pop() {
            Some(alike) => Ok(Some(alike)),
            None => Alike::new(self.stages.plan, self.subjects()).map(Some),
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
            alike.note(self.stages.plan, chunk, hits, tick)?;
        }
        self.each(chunk, hits, tick, |cells, t| {
            if let Some(cell) = Stages::earlier(cells, step, t) {
                cell.fetch_min(t, Relaxed);
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
        let (by, remap) = (self.stages.plan.by, self.stages.plan.remap);
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
                self.left(self.stages.judge(self.stage, cells));
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
                self.left(self.stages.leave(cells));
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

    fn left(&self, one: bool) {
        if one {
            self.undecided.fetch_add(1, Relaxed);
        }
    }

    /// When all steps were read: must all events be read again?
    pub fn goes_on(&self) -> bool {
        self.undecided.load(Relaxed) > 0 || self.stages.chooses_entry(0)
    }

    /// Finds the entries that count of what a step picked, where entries are chosen: the last one before the second event.
    pub fn push_entries(&self, step: usize, chunk: &Chunk, hits: &Hits, tick: &mut dyn Tick) -> Result<()> {
        if !self.stages.chooses_entry(step) {
            return Ok(());
        }
        self.each(chunk, hits, tick, |cells, t| {
            if let Some(cell) = self.stages.later_entry(cells, step, t) {
                cell.fetch_max(t, Relaxed);
            }
        })
    }

    /// The events that are needed of what a selector picked: those of subjects that are not decided.
    pub fn undecided(&self, chunk: &Chunk, mut hits: Hits, tick: &mut dyn Tick) -> Result<Hits> {
        let (by, remap) = (self.stages.plan.by, self.stages.plan.remap);
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
                c.more
                    .get(i)
                    .is_some_and(|(row, no)| picked(*row) && wanted(*no, *row as usize))
            }));
        }
        hits.rows
            .retain(tick, |row| wanted(firsts.get(row).copied().unwrap_or(0), row))?;
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
}
