//! The attempts of one subject, as those who find them hand them on.

use crate::error::Result;
use crate::gather::{Budget, push_within};

/// A step of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fill {
    pub step: u32,
    /// Position of the event among the subject's.
    pub at: u32,
    /// When the step was reached, never before the step before it.
    pub reached: i64,
}

/// An attempt that was made.
#[derive(Debug, Clone, Copy)]
struct Found {
    entry: u32,
    from: usize,
    len: usize,
}

/// The attempts of one subject and their steps.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    found: Vec<Found>,
    all: Vec<Fill>,
}

impl Attempts {
    pub fn clear(&mut self) {
        self.found.clear();
        self.all.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The steps of each attempt, in order of their entries.
    pub fn iter(&self) -> impl Iterator<Item = &[Fill]> {
        let steps = |f: &Found| self.all.get(f.from..f.from + f.len).unwrap_or(&[]);
        self.found.iter().map(steps)
    }

    /// Adds a step to the attempt at the end.
    pub fn push(&mut self, fill: Fill, budget: &mut Budget) -> Result<()> {
        push_within(&mut self.all, fill, budget)
    }

    /// The last `len` steps are an attempt.
    pub fn close(&mut self, len: usize, budget: &mut Budget) -> Result<()> {
        let from = self.all.len() - len;
        let entry = self.all.get(from).map_or(0, |f| f.at);
        push_within(&mut self.found, Found { entry, from, len }, budget)
    }

    /// Entry and length of the only attempt, where just one is kept.
    pub fn only(&self) -> Option<(u32, usize)> {
        self.found.first().map(|f| (f.entry, f.len))
    }

    /// Brings the attempts into the order of their entries.
    pub fn sort(&mut self) {
        self.found.sort_unstable_by_key(|f| f.entry);
    }
}
