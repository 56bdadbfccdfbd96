//! Counts what the conditions of cohorts ask of events, all of them in one pass.

use super::around::Around;
use super::compare::Compare;
use super::partial::{Found, Partial, extreme, nothing, other_report};
use super::plan::{Plan, What};
use crate::chunk::{Chunk, Hits, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::gather::{Budget, canonical, for_each_event, pack, try_for_each_subject};
use crate::insights::Aggregate;
use crate::insights::per_subject::Add;
use crate::insights::source::Numbers;
use crate::mask::Mask;
use crate::tick::Tick;
use std::borrow::Cow;

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
        if chunk.is_empty() {
            return Ok(());
        }
        let bounds = |(first, last): (i64, i64), t: &i64| (first.min(*t), last.max(*t));
        let (first, last) = chunk.time.iter().fold((i64::MAX, i64::MIN), bounds);
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
                        times.add_rows(block, budget)?;
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
        // An event without a user is nobody's.
        Found::Users(users) => try_for_each_subject(chunk, by, hits, remap, tick, |row, group| {
            match canonical(remap, USER, chunk.user.get(row).copied().unwrap_or(0)) {
                0 => Ok(()),
                user => users.add(u64::from(group), user, 1, budget),
            }
        }),
        Found::Firsts(firsts) => try_for_each_subject(chunk, by, hits, remap, tick, |row, no| {
            let Some(t) = chunk.time.get(row) else { return Ok(()) };
            let first = firsts.at(no, &i64::MAX, budget)?;
            *first = (*first).min(*t);
            Ok(())
        }),
        Found::Sums(_) | Found::Extremes(_) | Found::Medians(_) | Found::Distinct(_) => {
            let What::Measured {
                property,
                aggregate,
                is,
            } = what
            else {
                return Err(other_report());
            };
            measured(plan, (property, aggregate, is), found, chunk, hits, budget, tick)
        }
        Found::Steps(_) => Ok(()),
    }
}

fn measured(
    plan: &Plan,
    (property, aggregate, is): (u32, Aggregate, Compare),
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
            Found::Medians(v) => {
                v.at(no, &Around::default(), budget)?.add(x, is.number());
                Ok(())
            }
            _ => Ok(()),
        }
    })
}
