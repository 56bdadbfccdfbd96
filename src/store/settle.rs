//! What is derived from segments, brought up to date for the days that a maintenance changed.

use super::{sets, stream};
use crate::error::Result;
use crate::pg::spi::Sql;
use crate::registry::Project;
use std::collections::BTreeMap;

/// The (event, day) pairs of which a maintenance sealed, replaced or dropped rows, with the number of sealed ones. Days
/// are counted from 1970-01-01 in the project's zone.
#[derive(Debug, Default)]
pub struct Touched {
    pairs: BTreeMap<(u32, i32), u64>,
}

impl Touched {
    /// Notes `rows` more of one pair.
    pub fn add(&mut self, event: u32, day: i32, rows: u64) {
        *self.pairs.entry((event, day)).or_default() += rows;
    }

    /// The pairs, by event, then day.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, i32)> + '_ {
        self.pairs.keys().copied()
    }

    /// The pairs with their rows.
    pub fn rows(&self) -> impl Iterator<Item = ((u32, i32), u64)> + '_ {
        self.pairs.iter().map(|(pair, n)| (*pair, *n))
    }
}

/// How much is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Everything: somebody asked for it.
    Now,
    /// What pays, in proportion to what was sealed: an ingestion waits for it.
    Later,
}

/// Rebuilds everything derived from the segments of the touched days. Runs once, at the end of a maintenance, in its
/// transaction: a reader's snapshot has segments and what is derived from them in step.
pub fn settle(sql: &Sql, project: &Project, touched: &Touched, pace: Pace) -> Result<()> {
    sets::build::settle(sql, project, touched, pace)?;
    stream::settle(sql, project, touched, pace)
}
