//! Which users did something in a cell, a group in one interval or over all, and how often each.

use crate::chunk::SubjectNo;
use crate::error::{Error, Result};
use crate::gather::{Budget, push_within};
use crate::partial::{Reader, Writer};

/// Cells and users with numbers of events.
#[derive(Debug, Clone, Default)]
pub(crate) struct GroupUsers {
    /// Sorted, and each pair once, up to `clean`.
    found: Vec<Found>,
    clean: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    /// The group in the lower half.
    cell: u64,
    user: SubjectNo,
    events: u32,
}

impl GroupUsers {
    /// Bytes of an entry that is written.
    const WRITTEN: usize = 16;

    /// Adds events of a user.
    pub fn add(&mut self, cell: u64, user: SubjectNo, events: u32, budget: &mut Budget) -> Result<()> {
        if let Some(last) = self.found.last_mut()
            && (last.cell, last.user) == (cell, user)
        {
            last.events = last.events.saturating_add(events);
            return Ok(());
        }
        if self.found.len() == self.found.capacity() && self.found.len() >= self.clean.saturating_mul(2).max(1024) {
            self.settle();
        }
        push_within(&mut self.found, Found { cell, user, events }, budget)
    }

    /// Adds what another found.
    pub fn merge(&mut self, other: &GroupUsers, budget: &mut Budget) -> Result<()> {
        other
            .found
            .iter()
            .try_for_each(|f| self.add(f.cell, f.user, f.events, budget))
    }

    /// Calls `f` with every cell in which a user has so many events, in order, and the number of these users.
    pub fn each(&mut self, at_least: u32, mut f: impl FnMut(u64, u32) -> Result<()>) -> Result<()> {
        self.settle();
        for cell in self.found.chunk_by(|a, b| a.cell == b.cell) {
            let users = cell.iter().filter(|f| f.events >= at_least).count() as u32;
            if let Some(first) = cell.first()
                && users > 0
            {
                f(first.cell, users)?;
            }
        }
        Ok(())
    }

    fn settle(&mut self) {
        self.found.sort_unstable();
        self.found.dedup_by(|from, into| {
            let same = (from.cell, from.user) == (into.cell, into.user);
            if same {
                into.events = into.events.saturating_add(from.events);
            }
            same
        });
        self.clean = self.found.len();
    }

    /// Bytes it takes when written.
    pub fn written(&self) -> usize {
        self.found.len() * Self::WRITTEN
    }

    /// Writes what was found.
    pub fn encode(&mut self, w: &mut Writer) -> Result<()> {
        self.settle();
        w.len(self.found.len())?;
        self.found.iter().try_for_each(|f| {
            w.u64(f.cell)?;
            w.u32(f.user)?;
            w.u32(f.events)
        })
    }

    /// Adds what `encode` wrote, of cells that there are.
    pub fn decode(&mut self, r: &mut Reader, is_cell: impl Fn(u64) -> bool, budget: &mut Budget) -> Result<()> {
        for _ in 0..r.len(Self::WRITTEN)? {
            let (cell, user, events) = (r.u64()?, r.u32()?, r.u32()?);
            if user == 0 || cell as u32 == 0 || !is_cell(cell) {
                return Err(Error::corrupt("partial: not users of groups"));
            }
            self.add(cell, user, events, budget)?;
        }
        Ok(())
    }
}
