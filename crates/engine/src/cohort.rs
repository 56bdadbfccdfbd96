//! Cohorts: sets of users, or of the groups of one key, that are defined by what they did and what their profiles say.
//!
//! [`Definition`] reads the JSON of a cohort; [`Kernel`] counts the events that its conditions ask for, all of them in one
//! pass; [`finish`] says who fulfils each condition, [`who`] whose profile a filter picks, and [`evaluate`] puts the
//! answers together. Reads chunks only; knows no store and no report.
//!
//! # What the law leaves open
//!
//! * `"within": "30 days"` is the last 30 days with today as the last of them; weeks are 7 days; a month or year reaches
//!   back to the day after the same date of an earlier month or year.
//! * What has no value fulfils no comparison: an average, a median, a least or a largest value without any number. Counts, sums and
//!   numbers of different values are 0 of nothing, so `at_most` includes who never did it.
//! * The steps of a sequence are different events, none earlier than the one before; events of one instant convert in the
//!   order of the steps.

mod around;
mod compare;
mod definition;
mod distinct;
mod finish;
mod kernel;
mod members;
mod partial;
mod plan;
mod profiles;
mod sequence;
#[cfg(test)]
mod tests;
mod tree;
mod window;

pub use compare::Compare;
pub use definition::{Behaviour, Condition, Definition, Test, users_who_did};
pub use finish::finish;
pub use kernel::Kernel;
pub use members::Members;
pub use partial::Partial;
pub use plan::{Counted, Plan, What};
pub use profiles::{nobody_fits, who};
pub use tree::{Answers, Blank, evaluate, may_be_unknown};
pub use window::Window;
