//! Which steps simultaneous rows can take together.
//!
//! Rows of the same time have no order of their own, so a chain may go through them in whatever order suits it. Whether
//! steps k+1 … j can all be taken at one instant is then a question of who takes which: under [`Rule::Distinct`] each
//! needs a row of its own, which is a matching of steps with rows.

use super::{MAX_CONDITIONS, Row};
use crate::error::{Error, Result};

/// How a chain may use rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Each step has a row of its own.
    Distinct,
    /// One row may take several steps.
    Many,
    /// Each step is later than the one before.
    Later,
}

/// Answers, for steps in ascending order, how far a chain must have come before this instant to take them.
pub struct Ties<'a> {
    rule: Rule,
    rows: &'a [Row],
    /// The step asked last, and its answer.
    last: usize,
    floor: usize,
    matching: Option<Matching>,
}

impl<'a> Ties<'a> {
    pub fn new(mut rule: Rule, rows: &'a [Row]) -> Self {
        if rule == Rule::Distinct {
            if rows.len() == 1 {
                rule = Rule::Later;
            } else if rows.iter().all(|r| r.meets.count_ones() <= 1) {
                rule = Rule::Many;
            }
        }
        Ties {
            rule,
            rows,
            last: 0,
            floor: 0,
            matching: None,
        }
    }

    /// The least k such that the rows can take all of the steps k+1 … `step` at this instant. Some row meets `step`, which
    /// is larger than at the last call.
    pub fn floor(&mut self, step: usize) -> Result<usize> {
        let in_turn = step == self.last + 1;
        self.last = step;
        if !in_turn || self.rule == Rule::Later {
            self.floor = step - 1;
        }
        if self.rule != Rule::Distinct {
            return Ok(self.floor);
        }
        let matching = match &mut self.matching {
            Some(m) => m,
            none => none.insert(Matching::new(self.rows)?),
        };
        if !in_turn {
            matching.release(|_| true);
        }
        while !matching.take(step) && self.floor + 1 < step {
            self.floor += 1;
            let floor = self.floor;
            matching.release(|s| s <= floor);
        }
        Ok(self.floor)
    }
}

/// Steps matched with rows by augmenting paths.
struct Matching {
    /// Conditions a row meets, and the step that has it; 0 = none.
    rows: Vec<(u64, usize)>,
    seen: Vec<bool>,
}

impl Matching {
    /// Of rows that meet the same condition as many as there can be steps are enough: a step with that many to choose
    /// from can always be given one that is left over. So a large tie costs no more than a small one.
    fn new(rows: &[Row]) -> Result<Self> {
        let mut counts = [0u8; MAX_CONDITIONS];
        let mut kept = Vec::new();
        for row in rows {
            let mut wanted = false;
            let mut rest = row.meets;
            while rest != 0 {
                if let Some(n) = counts.get_mut(rest.trailing_zeros() as usize)
                    && usize::from(*n) < MAX_CONDITIONS
                {
                    *n += 1;
                    wanted = true;
                }
                rest &= rest - 1;
            }
            if wanted {
                kept.try_reserve(1)
                    .map_err(|_| Error::OutOfMemory("simultaneous rows"))?;
                kept.push((row.meets, 0));
            }
        }
        Ok(Matching {
            seen: crate::error::try_vec(kept.len(), "simultaneous rows")?,
            rows: kept,
        })
    }

    fn release(&mut self, which: impl Fn(usize) -> bool) {
        for (_, step) in &mut self.rows {
            if which(*step) {
                *step = 0;
            }
        }
    }

    /// Finds a row for a step, moving others to other rows when that helps.
    fn take(&mut self, step: usize) -> bool {
        self.seen.clear();
        self.seen.resize(self.rows.len(), false);
        self.augment(step)
    }

    /// Each call but the first is for a step that has a row, so they nest no deeper than there are steps.
    fn augment(&mut self, step: usize) -> bool {
        for i in 0..self.rows.len() {
            let (Some(&(meets, taken)), Some(seen)) = (self.rows.get(i), self.seen.get_mut(i)) else {
                return false;
            };
            if *seen || meets >> (step - 1) & 1 == 0 {
                continue;
            }
            *seen = true;
            if taken == 0 || self.augment(taken) {
                if let Some(row) = self.rows.get_mut(i) {
                    row.1 = step;
                }
                return true;
            }
        }
        false
    }
}
