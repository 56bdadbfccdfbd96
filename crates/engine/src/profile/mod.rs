//! Profiles of users and groups: reading the updates of `/engage` and `/groups`, and applying them.
//!
//! A profile is a [`Value::Object`] of its properties. All eight operations work for users and groups alike. Nothing here
//! knows where profiles are stored, or which group keys are registered.

mod apply;
mod parse;

#[cfg(test)]
mod tests;

pub use crate::ingest::{RecordError, RecordProblem};
pub use apply::{LAST_SEEN, apply};
pub use parse::parse_updates;

use crate::value::Value;

/// Whose profiles a batch of updates is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Users,
    Groups,
}

/// The profile an update is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A `distinct_id`, normalised as that of an event.
    User(Box<str>),
    /// A group: the property name of its key, which may not be registered, and its id.
    Group { key: Box<str>, id: Box<str> },
}

/// One operation. Names and strings are cut already, names are in byte order and each is there once.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Overwrites; null removes, for it reads as "not set".
    Set(Vec<(Box<str>, Value)>),
    /// Writes what is not set.
    SetOnce(Vec<(Box<str>, Value)>),
    /// Adds numbers; what is not set counts as 0.
    Add(Vec<(Box<str>, Value)>),
    /// Pushes one value to the end of a list.
    Append(Vec<(Box<str>, Value)>),
    /// Pushes the strings and numbers that the list lacks.
    Union(Vec<(Box<str>, Vec<Value>)>),
    /// Removes every element equal to the value.
    Remove(Vec<(Box<str>, Value)>),
    /// Removes properties.
    Unset(Vec<Box<str>>),
    /// Removes the profile. Events stay.
    Delete,
}

/// One object of `/engage` or `/groups`.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    pub target: Target,
    /// In the order they apply: set, set_once, add, append, union, remove, unset, delete. Never empty.
    pub ops: Vec<Op>,
    /// `$time` in milliseconds since 1970-01-01 UTC: what `$last_seen` becomes; otherwise it becomes now.
    pub time: Option<i64>,
    /// Leave `$last_seen` alone.
    pub ignore_time: bool,
    /// With a deletion: the profile of this very id, even if the id is an alias of another.
    pub ignore_alias: bool,
}
