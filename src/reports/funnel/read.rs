//! From the store to counted attempts: events of all steps at once, or where that is enough, those of one step after another.

use crate::error::Result;
use crate::pg::interrupts::Interrupts;
use crate::store::scan::Passes;
use engine::chunk::{Chunk, Hits, SubjectNo};
use engine::expr::Selector;
use engine::funnel::{Cascade, Counts, Kernel, Ordering, Partial, Plan, count_decided, count_on};
use engine::mask::Mask;
use engine::parallel::{Workers, merge};
use engine::postings::Part;
use engine::tick::Tick;
use std::collections::BTreeSet;

/// A question, ready to be read.
pub struct Reading<'a> {
    pub plan: &'a Plan<'a>,
    /// Of the steps, then of the exclusions.
    pub selectors: &'a [Selector],
    pub passes: Passes<'a>,
    pub workers: &'a Workers<'a>,
    /// The greatest number of a subject, or of a session where those are counted.
    pub most: SubjectNo,
}

/// What every selector picks, and in strict order that any event may break it.
fn all_hits(
    plan: &Plan,
    selectors: &[Selector],
    chunk: &Chunk,
    keep: &Mask,
    tick: &mut dyn Tick,
) -> engine::error::Result<Vec<Hits>> {
    let hits = selectors.iter().map(|s| s.hits(chunk, keep, plan.by, tick));
    let mut hits = hits.collect::<engine::error::Result<Vec<Hits>>>()?;
    if plan.ordering == Ordering::Strict {
        hits.push(Hits::rows(keep.clone()));
    }
    Ok(hits)
}

impl Reading<'_> {
    /// Gathers the events of a part of the subjects and counts them.
    pub fn counts(&self, part: Part) -> Result<Counts> {
        self.at_once(part, |plan, partial, workers| {
            count_on(plan, partial, workers, &mut Interrupts)
        })
    }

    /// Gathers the events of a part of the subjects for `walk`.
    pub fn at_once<C>(
        &self,
        part: Part,
        walk: impl Fn(&Plan, Partial, &Workers) -> engine::error::Result<C>,
    ) -> Result<C> {
        // Threads know nothing of the database.
        let (plan, selectors, most) = (self.plan, self.selectors, self.most);
        let kernels = self.passes.run(
            None,
            &|_| true,
            || Ok(Kernel::new(plan)?.for_subjects(most)?.only(part)),
            |kernel, chunk, keep, tick| kernel.push(chunk, &all_hits(plan, selectors, chunk, keep, tick)?, tick),
        )?;
        let partial = merge(kernels.into_iter().map(Kernel::finish), |a, b| a.merge(b, plan))?;
        Ok(walk(plan, partial, self.workers)?)
    }

    /// The events of each step, when no two steps have one in common.
    fn events_of_steps(&self) -> Option<Vec<Vec<u32>>> {
        let mut seen = BTreeSet::new();
        let steps = self.selectors.iter().take(self.plan.steps);
        let events: Option<Vec<Vec<u32>>> = steps.map(Selector::events).collect();
        events.filter(|e| e.iter().flatten().all(|e| seen.insert(*e)))
    }

    /// Reads one step after another, and gathers the events of those whom that does not decide. `None` when it is not
    /// that kind of question.
    pub fn step_by_step(&self) -> Result<Option<Counts>> {
        let (plan, selectors, most) = (self.plan, self.selectors, self.most);
        let Some(events) = self.events_of_steps() else {
            return Ok(None);
        };
        // A pass costs something for every subject there is, and gathering for every event.
        if self.passes.rows() < most as usize {
            return Ok(None);
        }
        let Some(mut cascade) = Cascade::new(plan, most)? else {
            return Ok(None);
        };
        let step = |k: usize, chunk: &Chunk, keep: &Mask, tick: &mut dyn Tick| match selectors.get(k) {
            Some(s) => s.hits(chunk, keep, plan.by, tick),
            None => Ok(Hits::rows(Mask::none(chunk.len()))),
        };
        while let Some(steps) = cascade.steps() {
            let of: Vec<u32> = events.get(steps.clone()).unwrap_or(&[]).concat();
            let seen = self.passes.run(
                Some(&of),
                &|_| true,
                || cascade.reader(),
                |reader, chunk, keep, tick| {
                    for k in steps.clone() {
                        cascade.push(reader, k, chunk, &step(k, chunk, keep, tick)?, tick)?;
                    }
                    Ok(())
                },
            )?;
            if !cascade.advance(seen, self.workers, &mut Interrupts)? {
                return Ok(None);
            }
        }
        if !cascade.goes_on() {
            return Ok(Some(count_decided(&cascade, self.workers, &mut Interrupts)?));
        }
        let rest = Plan {
            memory_limit: plan.memory_limit.saturating_sub(cascade.bytes()),
            ..plan.clone()
        };
        let kernels = self.passes.run(
            None,
            &|_| true,
            || Kernel::new(&rest)?.for_subjects(most),
            |kernel, chunk, keep, tick| {
                let mut left = Vec::new();
                for (k, hits) in all_hits(&rest, selectors, chunk, keep, tick)?.into_iter().enumerate() {
                    if hits.rows.any() || hits.more.is_some() {
                        cascade.push_entries(k, chunk, &hits, tick)?;
                        left.push(cascade.undecided(chunk, hits, tick)?);
                    } else {
                        left.push(hits);
                    }
                }
                kernel.push(chunk, &left, tick)
            },
        )?;
        let partial = merge(kernels.into_iter().map(Kernel::finish), |a, b| a.merge(b, &rest))?;
        let mut counts = count_decided(&cascade, self.workers, &mut Interrupts)?;
        counts.merge(count_on(&rest, partial, self.workers, &mut Interrupts)?)?;
        Ok(Some(counts))
    }
}
