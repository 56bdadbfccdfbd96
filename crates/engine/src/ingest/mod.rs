//! From the JSON people send to events ready for storing: parse, validate, normalise, attribute.
//!
//! The parts are [`parse_ndjson`], [`parse_batch_json`], [`parse_value`] and [`from_parts`] (four doors to one rule
//! book), [`attribute`] (which groups a value names), [`identify`] (whose event it is) and [`answer`] (the reply in
//! the shape of `/import`). Nothing here reads or writes storage; subjects and names are still text.
//!
//! Many records at once go into an [`Intake`] ([`fill_ndjson`]): columns from the start, and a faster reader for records of
//! the usual shape. It gives what the other doors give, event by event, or it hands the record to them.
//!
//! What becomes of the properties of an event:
//!
//! | property | becomes |
//! |---|---|
//! | `time`, else `$time` | [`Event::time`]; not stored as a property |
//! | `distinct_id`, else `$distinct_id` | [`Event::distinct_id`]; not stored as a property |
//! | `$device_id`, `$user_id`, `$insert_id` | the field of that name, and stored as sent |
//! | `token`, `ip` | dropped: a credential, and an address that is only sent to be looked up |
//! | `$ignore` | its presence drops the event, counted in [`Batch::ignored`] |
//! | `bucket`, `$bucket` | record error: forbidden names |
//! | a registered group key | [`Event::groups`], and stored as sent |
//! | any other set to `null` | dropped: null reads as "not set" everywhere |
//! | any other | stored; strings and names are cut at `string_chars` |

mod answer;
mod attribute;
mod blocked;
mod cells;
mod clean;
mod column;
mod identity;
mod intake;
mod json;
mod plain;
mod record;
mod scan;
mod shape;
mod source;
mod sticky;
mod when;

#[cfg(test)]
mod tests;

pub use answer::answer;
pub use attribute::{Attribution, attribute};
pub use blocked::{Blocked, DropFilter};
pub use identity::{Identity, canonical_number, given_id, identify, is_device};
pub use intake::{Intake, SLICE, Space};
pub use record::{from_parts, parse_value};
pub use source::{Sink, each_json, each_ndjson, fill_ndjson, parse_batch_json, parse_ndjson};
pub use sticky::{Held, Sticky};

pub(crate) use clean::{Bounds, cut, json_bytes, tidy};
pub(crate) use identity::{id_text, sent_id};
pub(crate) use when::instant;
use when::settle;

use crate::chunk::Kind;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::value::Value;

/// The property that tells duplicates apart.
pub const INSERT_ID_PROPERTY: &str = "$insert_id";

/// A registered group key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub kind: Kind,
    /// The exact, case-sensitive name of the property that carries the ids.
    pub property: String,
}

/// How a batch is read.
///
/// Both modes refuse the same records but for these, which `strict` refuses as well: a missing time (lax: now), a time
/// more than an hour ahead (lax: now), a group id that is a boolean, an object, a nested list or a number beyond 64
/// bits (lax: stored but not attributed), and a group id longer than `string_chars` (lax: cut).
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    pub limits: &'a Limits,
    /// Milliseconds since 1970-01-01 UTC.
    pub now_ms: i64,
    pub strict: bool,
    /// The registered group keys; events are attributed to these alone.
    pub keys: &'a [Key],
    /// The groups that users are in until further notice; `None` when nobody is.
    pub sticky: Option<&'a dyn Sticky>,
}

/// An event that passed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Event {
    /// Position of the record in what was sent, from 0.
    pub index: usize,
    pub name: Box<str>,
    /// Normalised by [`identify`]; empty = an event without a user.
    pub distinct_id: Box<str>,
    /// Without the `$device:` prefix.
    pub device_id: Option<Box<str>>,
    pub user_id: Option<Box<str>>,
    /// Milliseconds since 1970-01-01 UTC.
    pub time: i64,
    /// Without it an event is never a duplicate.
    pub insert_id: Option<Box<str>>,
    /// The distinct groups of each key that has any, in the order of [`Settings::keys`].
    pub groups: Vec<(Kind, Vec<Box<str>>)>,
    /// What is stored, sorted by name, each name once.
    pub properties: Vec<(Box<str>, Value)>,
}

impl Event {
    /// The distinct id of the device that the event links to its user: an event with both says whose the device is.
    pub fn linked_device(&self) -> Option<String> {
        let user = self.user_id.as_deref().filter(|u| identity::is_user(u));
        user.and(self.device_id.as_deref())
            .map(|d| format!("{}{d}", identity::DEVICE))
    }
}

/// A record that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordError {
    /// Position of the record in what was sent, from 0.
    pub index: usize,
    /// `$insert_id` as far as it could be read.
    pub insert_id: Option<String>,
    /// What is wrong: `event`, `properties.time`, …; `record` for the whole.
    pub field: String,
    pub message: String,
}

/// Why values of a group key were not attributed although their event was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// More ids than one event may have.
    TooMany,
    /// A boolean, an object, a nested list or a number beyond 64 bits.
    NotAnId,
}

/// Values of a group key that were not attributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unattributed {
    /// The record they came in.
    pub index: usize,
    pub kind: Kind,
    pub reason: Reason,
    /// How many.
    pub values: usize,
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// To be stored; the second part is empty for all but a few.
    Event(Event, Vec<Unattributed>),
    Failed(RecordError),
    /// It carried `$ignore`.
    Ignored,
}

/// What became of all records of a call. `events`, `failed` and `ignored` add up to the records sent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    pub events: Vec<Event>,
    pub failed: Vec<RecordError>,
    /// Records dropped because they carry `$ignore`.
    pub ignored: usize,
    pub unattributed: Vec<Unattributed>,
}

impl Batch {
    /// Adds one record.
    pub fn push(&mut self, outcome: Outcome) -> Result<()> {
        match outcome {
            Outcome::Event(e, notes) => {
                push(&mut self.events, e)?;
                for n in notes {
                    push(&mut self.unattributed, n)?;
                }
            }
            Outcome::Failed(e) => push(&mut self.failed, e)?,
            Outcome::Ignored => self.ignored += 1,
        }
        Ok(())
    }
}

fn push<T>(v: &mut Vec<T>, t: T) -> Result<()> {
    v.try_reserve(1).map_err(|_| Error::OutOfMemory("a batch of events"))?;
    v.push(t);
    Ok(())
}

/// What is wrong with a field, before it is known which record it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordProblem {
    pub field: String,
    pub message: String,
}

impl RecordProblem {
    /// `'field' is invalid: why`.
    pub fn new(field: impl Into<String>, why: impl std::fmt::Display) -> Self {
        let field = field.into();
        RecordProblem {
            message: format!("'{field}' is invalid: {why}"),
            field,
        }
    }

    /// The error of a record.
    pub fn at(self, index: usize, insert_id: Option<String>) -> RecordError {
        RecordError {
            index,
            insert_id,
            field: self.field,
            message: self.message,
        }
    }
}
