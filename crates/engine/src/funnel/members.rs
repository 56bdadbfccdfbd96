//! Who is behind the count of a step: each subject is walked and counted as ever, and what it added is looked at.

use super::counts::{Counts, NO_LINE, Shown};
use super::prepared::Prepared;
use super::walk::Walker;
use super::{Partial, Plan};
use crate::breakdown::OTHER;
use crate::chunk::SubjectNo;
use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, grow_within, push_within};
use crate::parallel::{Workers, merge};
use crate::tick::Tick;

/// What became of an attempt at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It reached the step.
    Converted,
    /// It reached the step before and not this one.
    Dropped,
}

/// Which count is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// From 1.
    pub step: usize,
    pub outcome: Outcome,
}

impl Asked {
    /// Checks that the funnel has the step, and that one can drop out before it.
    pub fn check(&self, plan: &Plan) -> Result<()> {
        if !(1..=plan.steps).contains(&self.step) {
            return Err(Error::param_hint(
                format!("step {} of a funnel of {}", self.step, plan.steps),
                "Steps are numbered from 1.",
            ));
        }
        if self.step == 1 && self.outcome == Outcome::Dropped {
            return Err(Error::param_hint(
                "nobody drops out before the first step",
                "outcome => 'dropped' at step 2 is who did step 1 and not step 2.",
            ));
        }
        Ok(())
    }

    /// Is an attempt that got so far one of them?
    fn takes(&self, reached: usize) -> bool {
        match self.outcome {
            Outcome::Converted => reached >= self.step,
            Outcome::Dropped => reached + 1 == self.step,
        }
    }

    /// How many attempts of one subject, without a breakdown, are among them.
    fn of(&self, counts: &Counts) -> usize {
        let reached = |step: usize| step.checked_sub(1).map_or(0, |k| counts.reached(k));
        match self.outcome {
            Outcome::Converted => reached(self.step),
            Outcome::Dropped => reached(self.step - 1).saturating_sub(reached(self.step)),
        }
    }
}

/// What was found of some subjects, in any order.
#[derive(Debug)]
pub struct Found {
    /// With a breakdown the attempts of all subjects, since only the whole says which segments are shown.
    counts: Counts,
    /// The subject, or the session, of each record.
    subjects: Vec<SubjectNo>,
    /// Without one the answer.
    members: Vec<(SubjectNo, u64)>,
    budget: Budget,
}

/// Walks every subject, on threads.
pub fn find_on(plan: &Plan, partial: Partial, asked: Asked, workers: &Workers, tick: &mut dyn Tick) -> Result<Found> {
    plan.check()?;
    asked.check(plan)?;
    if !partial.fits(plan) {
        return Err(Error::corrupt("partial: of another funnel"));
    }
    let Partial {
        mut postings,
        table,
        mut budget,
        ..
    } = partial;
    budget.set_limit(plan.memory_limit);
    let prepared = Prepared::new(plan, table, &mut postings, &mut budget)?;
    let more = budget.limit().saturating_sub(budget.used());
    let make = || {
        let found = Found {
            counts: Counts::new(plan)?.keeping_all(),
            subjects: Vec::new(),
            members: Vec::new(),
            budget: Budget::new(plan.memory_limit),
        };
        Ok((Walker::new(&prepared), found))
    };
    let broken_down = !plan.breakdown.is_empty();
    let states = postings.walk_long(
        workers,
        |e| prepared.is_entry(e, plan.entry),
        more,
        tick,
        make,
        |(walker, found), no, events, tick| {
            let before = found.counts.recorded();
            walker.subject(no, events, &mut found.counts, tick)?;
            if broken_down {
                for _ in before..found.counts.recorded() {
                    push_within(&mut found.subjects, no, &mut found.budget)?;
                }
                return Ok(());
            }
            let n = asked.of(&found.counts);
            found.counts.forget();
            match n {
                0 => Ok(()),
                n => push_within(&mut found.members, (no, n as u64), &mut found.budget),
            }
        },
    )?;
    merge(states.into_iter().map(|(_, found)| found), Found::merge)
}

impl Found {
    /// Both together, of different subjects.
    pub fn merge(mut self, other: Found) -> Result<Found> {
        self.counts.merge(other.counts)?;
        grow_within(&mut self.subjects, other.subjects.len(), &mut self.budget)?;
        self.subjects.extend_from_slice(&other.subjects);
        grow_within(&mut self.members, other.members.len(), &mut self.budget)?;
        self.members.extend_from_slice(&other.members);
        Ok(self)
    }

    /// The subjects in a segment, in order of their numbers, and how many of their attempts, or of their sessions, are
    /// there; of those beyond the segments that are shown where it is the rest.
    pub fn finish(
        mut self,
        plan: &Plan,
        asked: Asked,
        segment: &[String],
        tick: &mut dyn Tick,
    ) -> Result<Vec<(SubjectNo, u64)>> {
        if !plan.breakdown.is_empty() {
            let line = self.line(plan, segment, tick)?;
            let Found {
                counts,
                subjects,
                members,
                budget,
            } = &mut self;
            counts.each_on(plan, &line, tick, |n, reached| {
                if !asked.takes(reached) {
                    return Ok(());
                }
                let Some(no) = subjects.get(n) else {
                    return Err(Error::corrupt("funnel: attempts of an unknown subject"));
                };
                match members.last_mut() {
                    Some((last, times)) if last == no => *times += 1,
                    _ => push_within(members, (*no, 1), budget)?,
                }
                Ok(())
            })?;
        }
        tick.tick()?;
        self.members.sort_unstable();
        if plan.sessions.is_some() {
            self.by_owner(plan);
        }
        Ok(self.members)
    }

    /// Those whose sessions were found, in place of them. Sessions are numbered subject by subject.
    fn by_owner(&mut self, plan: &Plan) {
        for (no, _) in &mut self.members {
            *no = plan.owner(*no);
        }
        self.members.dedup_by(|next, one| {
            let same = next.0 == one.0;
            if same {
                one.1 += next.1;
            }
            same
        });
    }

    /// Line 0 for the segments that are meant, no line for others.
    fn line(&mut self, plan: &Plan, segment: &[String], tick: &mut dyn Tick) -> Result<Vec<u32>> {
        let rest = !segment.is_empty() && segment.iter().all(|t| t == OTHER);
        if rest {
            let Shown { names, mut line } = self.counts.rank(plan, tick)?;
            let other = names.last().is_some_and(|n| n.iter().all(|t| t == OTHER));
            let last = names.len().saturating_sub(1) as u32;
            for l in &mut line {
                *l = if other && *l == last { 0 } else { NO_LINE };
            }
            return Ok(line);
        }
        let segments = &self.counts.segments;
        let mut line = try_vec(segments.len(), "segments")?;
        line.extend((0..segments.len()).map(|s| {
            let same = segments.texts(s).map(|t| &**t).eq(segment.iter().map(String::as_str));
            if same { 0 } else { NO_LINE }
        }));
        Ok(line)
    }
}
