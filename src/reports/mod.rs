//! One file per report: read the arguments, make a plan, read the store, run the engine's kernel, return rows.
//!
//! A report never touches stored bytes and never writes: it runs on a hot standby and in READ ONLY transactions.

mod active;
mod activity;
mod arguments;
pub mod attributed;
pub mod cohort;
mod company;
pub mod context;
mod export;
mod flows;
mod frequency;
mod funnel;
mod insights;
mod lifecycle;
mod members;
mod parts;
mod query_profiles;
mod relations;
mod retention;
mod session_starts;
mod sessions;
mod stream;
pub mod subject;
mod subject_numbers;
pub mod tables;

pub use arguments::{filter, notice_unknown, range, required, selector};
