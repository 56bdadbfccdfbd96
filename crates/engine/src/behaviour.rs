//! Behaviour of one subject, from rows in any order: funnels, sequences, returns, paths and touches of any table.
//!
//! An aggregate collects what it needs of each row into one flat [`state`], in the order rows happen to come. States of
//! parts of the rows are put together by appending. Order, ties and meaning are the business of the final functions,
//! which sort first: so the answer does not depend on how rows were spread over workers, and the same rows have one
//! answer.

pub mod funnel;
mod order;
pub mod path;
pub mod pattern;
pub mod retention;
pub mod sequence;
pub mod state;
mod ties;

#[cfg(test)]
mod tests;

/// The most conditions an aggregate takes: each is one bit of a row.
pub const MAX_CONDITIONS: usize = 64;

/// What a row is to an aggregate over conditions: when it happened, and which of them it meets (bit 0 = the first).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub at: i64,
    pub meets: u64,
}

/// Checks the number of conditions.
pub fn conditions(n: usize) -> crate::error::Result<()> {
    use crate::error::Error;
    match n {
        0 => Err(Error::param_hint(
            "there is no condition",
            "Give at least one condition, such as event = 'Signup'.",
        )),
        1..=MAX_CONDITIONS => Ok(()),
        _ => Err(Error::Limit {
            message: format!("{n} conditions are too many"),
            hint: Some(format!("There can be up to {MAX_CONDITIONS}.")),
        }),
    }
}
