//! What is derived from segments, brought up to date for the days that a maintenance changed.

use super::stream;
use crate::error::Result;
use crate::pg::spi::Sql;
use crate::registry::Project;
use std::collections::BTreeSet;

/// The (event, day) pairs of which a maintenance sealed, replaced or dropped rows. Days are counted from 1970-01-01 in the
/// project's zone.
#[derive(Debug, Default)]
pub struct Touched {
    pairs: BTreeSet<(u32, i32)>,
    last: Option<(u32, i32)>,
}

impl Touched {
    /// Notes one pair; cheap for runs of the same one.
    pub fn add(&mut self, event: u32, day: i32) {
        if self.last != Some((event, day)) {
            self.last = Some((event, day));
            self.pairs.insert((event, day));
        }
    }

    /// The pairs, by event, then day.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, i32)> + '_ {
        self.pairs.iter().copied()
    }
}

/// Rebuilds everything derived from the segments of the touched days. Runs once, at the end of a maintenance, in its
/// transaction: a reader's snapshot has segments and what is derived from them in step.
pub fn settle(sql: &Sql, project: &Project, touched: &Touched) -> Result<()> {
    stream::settle(sql, project, &touched.pairs().map(|(_, day)| day).collect(), false)
}
