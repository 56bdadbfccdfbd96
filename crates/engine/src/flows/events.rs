//! Flows of any kind, from events in any order: gathered per subject, sorted, and walked.

use super::{Count, END, Partial, Path, Plan};
use crate::chunk::{Chunk, Hits, SubjectNo};
use crate::error::Result;
use crate::gather::{Budget, for_each_event, grow_within, pack, push_within, tag_of, time_of};
use crate::mask::Mask;
use crate::parallel::Workers;
use crate::postings;
use crate::stream::{FIRST, PART_BITS, Part};
use crate::tick::{EVERY, Tick};

/// Lowest bit of a tag: not an anchor. Of events of one time and name anchors come first.
const OTHER: u32 = 1;

/// Gathers the visible events of subjects of any kind.
pub struct EventKernel<'p> {
    plan: &'p Plan<'p>,
    partial: Partial,
}

impl<'p> EventKernel<'p> {
    /// Nothing yet.
    pub fn new(plan: &'p Plan) -> Result<Self> {
        plan.check()?;
        Ok(EventKernel {
            plan,
            partial: Partial::new(plan),
        })
    }

    /// The same for one part of the subjects.
    pub fn only(mut self, part: postings::Part) -> Self {
        self.partial.postings = std::mem::take(&mut self.partial.postings).only(part);
        self
    }

    /// Takes the rows of a chunk that count; `anchors` are those that the anchor picks.
    pub fn push(&mut self, chunk: &Chunk, keep: &Mask, anchors: &Hits, tick: &mut dyn Tick) -> Result<()> {
        let (plan, partial) = (self.plan, &mut self.partial);
        let hits = [Hits::rows(keep.clone()), anchors.clone()];
        for_each_event(chunk, plan.by, &hits, plan.remap, tick, |row, subject, mask| {
            let t = chunk.time.get(row).copied().unwrap_or(0);
            let picked = mask & 2 != 0;
            partial.gather(plan, subject, t, chunk.event(row), picked)
        })
    }

    /// Takes one part of a day that begins at `day_start`, with all its columns; `anchors` by event number.
    pub fn push_part(
        &mut self,
        number: u32,
        day_start: i64,
        part: &Part,
        anchors: &[bool],
        tick: &mut dyn Tick,
    ) -> Result<()> {
        let mut rows = part.events.iter().zip(&part.times);
        let mut seen = 0;
        for (user, length) in part.users.iter().zip(&part.lengths) {
            seen += *length as usize;
            if seen >= EVERY {
                seen = 0;
                tick.tick()?;
            }
            let mut at = day_start;
            for (event, step) in rows.by_ref().take(*length as usize) {
                at += i64::from(step & !FIRST);
                let anchor = anchors.get(*event as usize).copied().unwrap_or(false);
                self.partial
                    .gather(self.plan, number << PART_BITS | user, at, *event, anchor)?;
            }
        }
        Ok(())
    }

    /// What was gathered.
    pub fn finish(self) -> Partial {
        self.partial
    }
}

impl Partial {
    #[inline]
    fn gather(&mut self, plan: &Plan, subject: u32, t: i64, event: u32, picked: bool) -> Result<()> {
        let hidden = plan.hides(event);
        let anchor = picked && (!hidden || plan.names(event));
        if hidden && !anchor {
            return Ok(());
        }
        let tag = u32::from(plan.code(event)?) << 1 | if anchor { 0 } else { OTHER };
        let entry = pack(t, tag)?;
        self.postings.push(subject, entry, &mut self.budget)
    }
}

/// A step that could be taken: its event, and the first and last time of it (they differ when equal ones are collapsed).
#[derive(Debug, Clone, Copy)]
struct Step {
    code: u16,
    first: i64,
    last: i64,
}

/// What one thread finds.
struct Walker {
    found: Partial,
    steps: Vec<Step>,
    entries: Vec<(usize, i64)>,
}

/// Finds the paths of everything gathered.
pub(super) fn walk(plan: &Plan, mut partial: Partial, workers: &Workers, tick: &mut dyn Tick) -> Result<Partial> {
    let postings = std::mem::take(&mut partial.postings);
    if postings.is_empty() {
        return Ok(partial);
    }
    let make = || Ok(Walker::new(plan));
    let enters = |e: u64| enters(plan, e);
    let walkers = postings.walk(workers, enters, plan.memory_limit, tick, make, |w, _, events| {
        w.subject(plan, events)
    })?;
    walkers.into_iter().try_fold(partial, |all, w| all.merge(w.found, plan))
}

/// Finds who has paths that `takes` takes, among everything gathered, and how many.
pub(super) fn walk_each(
    plan: &Plan,
    partial: Partial,
    workers: &Workers,
    tick: &mut dyn Tick,
    takes: impl Fn(&Path) -> bool + Sync,
) -> Result<Vec<(SubjectNo, u64)>> {
    let make = || Ok((Walker::new(plan), Vec::new()));
    let enters = |e: u64| enters(plan, e);
    let walkers = partial.postings.walk(
        workers,
        enters,
        plan.memory_limit,
        tick,
        make,
        |(w, members), no, events| {
            w.subject(plan, events)?;
            let paths = w.found.paths.drain().filter(|(path, _)| takes(path));
            match paths.map(|(_, n)| n).sum() {
                0 => Ok(()),
                n => push_within(members, (no, n), &mut w.found.budget),
            }
        },
    )?;
    let mut all = Vec::new();
    let mut budget = Budget::new(plan.memory_limit);
    for (_, members) in walkers {
        grow_within(&mut all, members.len(), &mut budget)?;
        all.extend(members);
    }
    Ok(all)
}

fn enters(plan: &Plan, e: u64) -> bool {
    tag_of(e) & OTHER == 0 && time_of(e) >= plan.entry.from && time_of(e) < plan.entry.to
}

impl Walker {
    fn new(plan: &Plan) -> Self {
        Walker {
            found: Partial::new(plan),
            steps: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Adds the paths of one subject, whose events are in order.
    fn subject(&mut self, plan: &Plan, events: &[u64]) -> Result<()> {
        let (steps, entries, found) = (&mut self.steps, &mut self.entries, &mut self.found);
        steps.clear();
        entries.clear();
        for e in events {
            let (t, code) = (time_of(*e), (tag_of(*e) >> 1) as u16);
            match steps.last_mut() {
                Some(s) if plan.collapse && s.code == code => s.last = t,
                _ => {
                    let enough = entries.first().is_some_and(|(at, _)| steps.len() > at + plan.forward);
                    if plan.count == Count::Unique && enough {
                        break;
                    }
                    let step = Step {
                        code,
                        first: t,
                        last: t,
                    };
                    push_within(steps, step, &mut found.budget)?;
                }
            }
            let at = steps.len() - 1;
            let first = match plan.count {
                Count::Unique => entries.is_empty(),
                Count::Total => !plan.collapse || entries.last().is_none_or(|(last, _)| *last != at),
            };
            if enters(plan, *e) && first {
                push_within(entries, (at, t), &mut found.budget)?;
            }
        }
        entries
            .iter()
            .try_for_each(|(at, t)| found.add(path(plan, steps, *at, *t), 1))
    }
}

fn path(plan: &Plan, steps: &[Step], at: usize, t: i64) -> Path {
    let mut path = Path::default();
    let code = |i: usize| steps.get(i).map_or(END, |s| s.code);
    path.put(plan.reverse, code(at));
    for k in 1..=plan.reverse {
        let before = at.checked_sub(k).and_then(|i| steps.get(i));
        match before.filter(|s| s.last >= t.saturating_sub(plan.within_ms)) {
            Some(s) => path.put(plan.reverse - k, s.code),
            None => {
                path.put(plan.reverse - k, END);
                break;
            }
        }
    }
    for k in 1..=plan.forward {
        let after = steps.get(at + k);
        match after.filter(|s| s.first <= t.saturating_add(plan.within_ms)) {
            Some(s) => path.put(plan.reverse + k, s.code),
            None => {
                path.put(plan.reverse + k, END);
                break;
            }
        }
    }
    path
}
