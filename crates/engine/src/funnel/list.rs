//! Positions of the events of one selector, in order: found by time, and passed over once they are used.

use crate::error::Result;
use crate::gather::{Budget, grow_within, push_within, time_of};

/// Used by an attempt that counts.
pub(super) const TAKEN: u8 = 1;
/// Ended an attempt: never an entry.
pub(super) const BARRED: u8 = 2;

/// Positions of events, ascending.
#[derive(Debug, Default)]
pub(super) struct List {
    at: Vec<u32>,
    /// Where to go on from here: itself, or past used events.
    next: Vec<u32>,
    /// Entries of `next` that were changed, where that is kept: room for all of them is.
    changed: Option<Vec<u32>>,
    hint: usize,
}

impl List {
    /// No positions.
    pub fn clear(&mut self) {
        self.at.clear();
        self.next.clear();
        self.changed = None;
        self.hint = 0;
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Adds a position after all others.
    pub fn push(&mut self, pos: u32, budget: &mut Budget) -> Result<()> {
        let n = self.at.len() as u32;
        push_within(&mut self.at, pos, budget)?;
        push_within(&mut self.next, n, budget)
    }

    /// Keeps what [`List::restore`] needs.
    pub fn remember(&mut self, budget: &mut Budget) -> Result<()> {
        let mut changed = Vec::new();
        grow_within(&mut changed, self.at.len(), budget)?;
        self.changed = Some(changed);
        Ok(())
    }

    /// Forgets which events were used.
    pub fn restore(&mut self) {
        for i in self.changed.iter_mut().flat_map(|c| c.drain(..)) {
            if let Some(n) = self.next.get_mut(i as usize) {
                *n = i;
            }
        }
    }

    /// The position at an index.
    pub fn get(&self, i: usize) -> Option<u32> {
        self.at.get(i).copied()
    }

    /// The first index at which `before` is false; quick near the last answer.
    pub fn lower(&mut self, before: impl Fn(u32) -> bool) -> usize {
        let n = self.at.len();
        let (mut low, mut high) = (0, n);
        let mut step = 1;
        let mut i = self.hint.min(n);
        if self.get(i).is_some_and(&before) {
            while self.get(i).is_some_and(&before) {
                low = i + 1;
                i = i.saturating_add(step);
                step *= 2;
            }
            high = i.min(n);
        } else {
            while i > 0 {
                high = i;
                i = i.saturating_sub(step);
                step *= 2;
                if self.get(i).is_some_and(&before) {
                    low = i + 1;
                    break;
                }
            }
        }
        let part = self.at.get(low..high).unwrap_or(&[]);
        self.hint = low + part.partition_point(|p| before(*p));
        self.hint
    }

    /// The first index from `i` on whose event is not used.
    pub fn free(&mut self, start: usize, flags: &[u8]) -> usize {
        let mut i = start;
        while let Some(next) = self.next.get(i).map(|n| *n as usize) {
            if next != i {
                i = next;
            } else if self.get(i).is_some_and(|p| is(flags, p, TAKEN)) {
                i += 1;
            } else {
                break;
            }
        }
        let mut j = start;
        while j < i {
            let Some(n) = self.next.get_mut(j) else { break };
            let further = (*n as usize).max(j + 1);
            if *n as usize == j
                && let Some(changed) = &mut self.changed
            {
                // Each entry once, so there is room.
                changed.push(j as u32);
            }
            *n = i as u32;
            j = further;
        }
        i
    }
}

/// Does the event at a position have a flag?
pub(super) fn is(flags: &[u8], pos: u32, flag: u8) -> bool {
    flags.get(pos as usize).is_some_and(|f| f & flag != 0)
}

/// When the event at a position happened.
pub(super) fn time_at(events: &[u64], pos: u32) -> i64 {
    events.get(pos as usize).map_or(i64::MAX, |e| time_of(*e))
}
