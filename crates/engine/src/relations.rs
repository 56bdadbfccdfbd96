//! Who has to do with whom: the subjects of other kinds on the events of one subject, and since when.

use crate::chunk::{Chunk, Kind, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::gather::{Budget, canonical};
use crate::mask::Mask;
use crate::tick::{EVERY, Tick};
use rustc_hash::FxHashMap;

/// Whose events are looked at, and for what.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    pub of: Kind,
    /// The one subject, ascending: a user may have several numbers, before identity merges.
    pub subjects: &'a [SubjectNo],
    /// Kinds of the subjects to find.
    pub others: Vec<Kind>,
    /// Canonical user of each user, where identities were merged.
    pub remap: Option<&'a [SubjectNo]>,
    /// Bytes a partial may take.
    pub memory_limit: usize,
}

/// Events of two subjects together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Together {
    pub events: u64,
    pub first: i64,
    pub last: i64,
}

/// What was found so far.
#[derive(Debug)]
pub struct Partial {
    found: FxHashMap<(Kind, SubjectNo), Together>,
    budget: Budget,
}

/// Looks at chunks.
#[derive(Debug)]
pub struct Kernel<'p> {
    plan: &'p Plan<'p>,
    partial: Partial,
}

impl Partial {
    fn add(&mut self, key: (Kind, SubjectNo), t: Together) -> Result<()> {
        if let Some(known) = self.found.get_mut(&key) {
            known.events += t.events;
            known.first = known.first.min(t.first);
            known.last = known.last.max(t.last);
            return Ok(());
        }
        if self.found.len() == self.found.capacity() {
            self.budget.take(self.found.capacity().max(4) * 40)?;
            self.found
                .try_reserve(1)
                .map_err(|_| Error::OutOfMemory("subjects of events"))?;
        }
        self.found.insert(key, t);
        Ok(())
    }

    /// Both together.
    pub fn merge(mut self, other: Partial) -> Result<Partial> {
        for (key, t) in other.found {
            self.add(key, t)?;
        }
        Ok(self)
    }

    /// Everybody that was found, by kind and number.
    pub fn finish(self) -> Result<Vec<(Kind, SubjectNo, Together)>> {
        let mut all = crate::error::try_vec(self.found.len(), "subjects of events")?;
        all.extend(self.found.into_iter().map(|((kind, no), t)| (kind, no, t)));
        all.sort_unstable_by_key(|(kind, no, _)| (*kind, *no));
        Ok(all)
    }
}

impl<'p> Kernel<'p> {
    /// Nothing found.
    pub fn new(plan: &'p Plan<'p>) -> Self {
        Kernel {
            plan,
            partial: Partial {
                found: FxHashMap::default(),
                budget: Budget::new(plan.memory_limit),
            },
        }
    }

    /// Takes the rows of a chunk that count.
    pub fn push(&mut self, chunk: &Chunk, keep: &Mask, tick: &mut dyn Tick) -> Result<()> {
        let (plan, partial) = (self.plan, &mut self.partial);
        let mut rows = rows_of(chunk, plan.of, plan.subjects);
        rows.and(keep);
        for (i, row) in rows.ones().enumerate() {
            if i % EVERY == 0 {
                tick.tick()?;
            }
            let t = chunk.time.get(row).copied().unwrap_or(0);
            let once = Together {
                events: 1,
                first: t,
                last: t,
            };
            for kind in &plan.others {
                if *kind == USER {
                    match canonical(plan.remap, USER, chunk.user.get(row).copied().unwrap_or(0)) {
                        0 => {}
                        user => partial.add((USER, user), once)?,
                    }
                } else if let Some(column) = chunk.group(*kind) {
                    column.of_row(row).try_for_each(|no| partial.add((*kind, no), once))?;
                }
            }
        }
        Ok(())
    }

    /// What was found.
    pub fn finish(self) -> Partial {
        self.partial
    }
}

/// The rows of a chunk that are of one of the subjects, which ascend.
pub fn rows_of(chunk: &Chunk, kind: Kind, subjects: &[SubjectNo]) -> Mask {
    let among = |no: &SubjectNo| *no != 0 && subjects.binary_search(no).is_ok();
    if kind == USER {
        return Mask::from_fn(chunk.len(), |row| chunk.user.get(row).is_some_and(among));
    }
    let Some(column) = chunk.group(kind) else {
        return Mask::none(chunk.len());
    };
    let mut rows = Mask::from_fn(chunk.len(), |row| column.first.get(row).is_some_and(among));
    for (row, _) in column.more.iter().filter(|(_, no)| among(no)) {
        rows.set(*row as usize, true);
    }
    rows
}

#[cfg(test)]
mod tests;
