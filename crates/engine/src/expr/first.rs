//! When each subject did something for the first time, for selectors that pick nothing but first times.
//!
//! First means over all history: the kernel is given everything that the selector picks, whatever the range of the report.

use crate::chunk::{Chunk, Hits, Kind, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::gather::{Budget, try_for_each_subject};
use crate::mask::Mask;
use crate::tick::{EVERY, Tick};

/// Later than everything: the subject never did it.
const NEVER: i64 = i64::MAX;

/// The first time of every subject of a kind, by its number before identity merges.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FirstTimes {
    at: Vec<i64>,
}

impl FirstTimes {
    /// Milliseconds since 1970-01-01 UTC; `None` = never.
    pub fn of(&self, no: SubjectNo) -> Option<i64> {
        self.at.get(no as usize).copied().filter(|t| *t != NEVER)
    }

    /// What of `hits` happened at the first time of its subject: several events, if they were simultaneous. Events of
    /// nobody are nobody's first.
    pub(super) fn only(&self, mut hits: Hits, chunk: &Chunk, by: Kind, tick: &mut dyn Tick) -> Result<Hits> {
        let is_first = |row: usize, no: SubjectNo| no != 0 && self.of(no) == chunk.time.get(row).copied();
        if by == USER {
            hits.rows
                .retain(tick, |row| is_first(row, chunk.user.get(row).copied().unwrap_or(0)))?;
            return Ok(hits);
        }
        let Some(column) = chunk.group(by) else {
            return Ok(Hits::rows(Mask::none(hits.rows.len())));
        };
        if !column.more.is_empty() {
            let entry = |i: usize| column.more.get(i).map(|(row, no)| (*row as usize, *no));
            let mut more = match hits.more.take() {
                Some(more) => more,
                None => Mask::from_fn(column.more.len(), |i| {
                    entry(i).is_some_and(|(row, _)| hits.rows.get(row))
                }),
            };
            more.retain(tick, |i| entry(i).is_some_and(|(row, no)| is_first(row, no)))?;
            hits.more = Some(more);
        }
        hits.rows
            .retain(tick, |row| is_first(row, column.first.get(row).copied().unwrap_or(0)))?;
        Ok(hits)
    }
}

/// Finds first times.
#[derive(Debug)]
pub struct FirstTimesKernel<'a> {
    by: Kind,
    remap: Option<&'a [SubjectNo]>,
    /// By number after identity merges.
    at: Vec<i64>,
    budget: Budget,
}

impl<'a> FirstTimesKernel<'a> {
    /// For subjects of one kind, within so many bytes.
    pub fn new(by: Kind, remap: Option<&'a [SubjectNo]>, memory_limit: usize) -> Self {
        FirstTimesKernel {
            by,
            remap,
            at: Vec::new(),
            budget: Budget::new(memory_limit),
        }
    }

    /// Takes what was picked of a chunk.
    pub fn push(&mut self, chunk: &Chunk, hits: &Hits, tick: &mut dyn Tick) -> Result<()> {
        let (at, budget) = (&mut self.at, &mut self.budget);
        try_for_each_subject(chunk, self.by, hits, self.remap, tick, |row, no| {
            let t = chunk.time.get(row).copied().unwrap_or(NEVER);
            if at.len() <= no as usize {
                grow(at, no as usize + 1, budget)?;
            }
            match at.get_mut(no as usize) {
                Some(first) if *first > t => *first = t,
                _ => {}
            }
            Ok(())
        })
    }

    /// What two threads found.
    pub fn merge(mut self, other: Self) -> Result<Self> {
        grow(&mut self.at, other.at.len(), &mut self.budget)?;
        for (a, b) in self.at.iter_mut().zip(&other.at) {
            *a = (*a).min(*b);
        }
        Ok(self)
    }

    /// The first times; those who were merged into one user share its.
    pub fn finish(mut self, tick: &mut dyn Tick) -> Result<FirstTimes> {
        let Some(remap) = self.remap.filter(|_| self.by == USER) else {
            return Ok(FirstTimes { at: self.at });
        };
        let mut at = Vec::new();
        grow(&mut at, self.at.len().max(remap.len()), &mut self.budget)?;
        for (no, first) in at.iter_mut().enumerate() {
            if no % EVERY == 0 {
                tick.tick()?;
            }
            let user = remap.get(no).map_or(no, |user| *user as usize);
            *first = self.at.get(user).copied().unwrap_or(NEVER);
        }
        Ok(FirstTimes { at })
    }
}

/// Makes room for so many subjects, of whom nothing is known.
fn grow(at: &mut Vec<i64>, len: usize, budget: &mut Budget) -> Result<()> {
    let more = len.saturating_sub(at.len());
    if more > at.capacity() - at.len() {
        let before = at.capacity();
        // By half at least, so that a kernel that meets subjects one by one does not copy each time.
        at.try_reserve_exact(more.max(before / 2))
            .map_err(|_| Error::OutOfMemory("first times"))?;
        budget.take((at.capacity() - before).saturating_mul(size_of::<i64>()))?;
    }
    if more > 0 {
        at.resize(len, NEVER);
    }
    Ok(())
}
