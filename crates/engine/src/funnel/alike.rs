//! Subjects all of whose events carry the same values: whatever event an attempt takes them from, they are these.

use super::Plan;
use super::source::{Row, Sources};
use super::table::Table;
use crate::chunk::{Chunk, Hits, SubjectNo, USER};
use crate::error::Result;
use crate::gather::{Budget, canonical, push_within, try_for_each_subject, zeroed};
use crate::tick::Tick;

/// No event was seen.
const UNSEEN: u32 = 0;
/// Events with different values were.
const MIXED: u32 = u32::MAX;

/// The values of each subject, as far as they are the same.
#[derive(Debug)]
pub struct Alike<'p> {
    sources: Sources<'p>,
    pub(super) table: Table,
    /// One more than the number of a subject's tuple.
    seen: Vec<u32>,
    /// The same by code of the column at hand, as far as it was looked up.
    numbers: Vec<u32>,
    budget: Budget,
}

impl<'p> Alike<'p> {
    pub(super) fn new(plan: &'p Plan<'p>, subjects: usize) -> Result<Self> {
        let mut budget = Budget::new(plan.memory_limit / 4);
        let carried = plan.carried();
        Ok(Alike {
            table: Table::new(carried.len(), plan.selectors(), &mut budget)?,
            sources: Sources::new(plan.by, carried, &mut budget)?,
            seen: zeroed(subjects, &mut budget)?,
            numbers: Vec::new(),
            budget,
        })
    }

    /// Looks at the values of picked events.
    pub(super) fn note(&mut self, plan: &Plan, chunk: &Chunk, hits: &Hits, tick: &mut dyn Tick) -> Result<()> {
        let Alike {
            sources,
            table,
            seen,
            numbers,
            budget,
        } = self;
        sources.next_chunk(chunk, budget)?;
        let codes = sources.only_codes(chunk);
        numbers.clear();
        try_for_each_subject(chunk, plan.by, hits, plan.remap, tick, |row, subject| {
            let Some(seen) = seen.get_mut(subject as usize).filter(|s| **s != MIXED) else {
                return Ok(());
            };
            let code = codes.map(|c| c.get(row).copied().unwrap_or(0) as usize);
            let known = code.and_then(|c| numbers.get(c)).filter(|n| **n != UNSEEN);
            let number = match known {
                Some(n) => *n,
                None => {
                    let user = chunk.user.get(row).copied().unwrap_or(0);
                    let at = Row {
                        chunk,
                        row,
                        user: canonical(plan.remap, USER, user),
                        subject,
                    };
                    let n = sources.tuple(at, table, budget)? + 1;
                    if let Some(code) = code {
                        put(numbers, code, n, budget)?;
                    }
                    n
                }
            };
            if *seen != number {
                *seen = if *seen == UNSEEN { number } else { MIXED };
            }
            Ok(())
        })
    }

    /// Adds what another thread has seen.
    pub(super) fn absorb(&mut self, other: Alike) -> Result<()> {
        let ours = self.table.absorb_tuples(&other.table, &mut self.budget)?;
        for (a, b) in self.seen.iter_mut().zip(&other.seen) {
            let b = match *b {
                UNSEEN | MIXED => *b,
                n => ours.get(n as usize - 1).map_or(MIXED, |n| n + 1),
            };
            *a = match (*a, b) {
                (a, UNSEEN) => a,
                (UNSEEN, b) => b,
                (a, b) if a == b => a,
                _ => MIXED,
            };
        }
        Ok(())
    }

    /// Is it so for most?
    pub(super) fn mostly(&self) -> bool {
        let count = |f: fn(&u32) -> bool| self.seen.iter().filter(|s| f(s)).count();
        count(|s| *s == MIXED) <= count(|s| *s != MIXED && *s != UNSEEN)
    }

    /// The tuple of values of a subject's events; `None` when they differ.
    pub(super) fn tuple(&self, no: SubjectNo) -> Option<u32> {
        match self.seen.get(no as usize).copied().unwrap_or(UNSEEN) {
            MIXED => None,
            n => Some(n.saturating_sub(1)),
        }
    }

    /// Memory in use.
    pub(super) fn bytes(&self) -> usize {
        self.budget.used()
    }

    /// The table of the tuples, and the tuple of every subject.
    pub(super) fn into_parts(self) -> (Table, Vec<u32>) {
        (self.table, self.seen)
    }
}

#[cold]
fn put(numbers: &mut Vec<u32>, code: usize, number: u32, budget: &mut Budget) -> Result<()> {
    while numbers.len() <= code {
        push_within(numbers, UNSEEN, budget)?;
    }
    if let Some(n) = numbers.get_mut(code) {
        *n = number;
    }
    Ok(())
}
