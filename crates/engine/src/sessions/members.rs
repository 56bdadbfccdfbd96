//! Who had the sessions of one bucket.

use super::{Partial, Plan, events};
use crate::chunk::SubjectNo;
use crate::error::{Error, Result};
use crate::gather::push_within;
use crate::tick::Tick;

/// What one subject had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Had {
    pub sessions: u64,
    pub events: u64,
}

pub(super) fn no_such_bucket() -> Error {
    Error::param_hint(
        "the report has no interval that begins at bucket",
        "It is the column \"bucket\" of the report's row.",
    )
}

/// The subjects with sessions in the bucket with this label, in order of their numbers. Only for what was gathered event by
/// event.
pub fn members(plan: &Plan, mut partial: Partial, bucket: i64, tick: &mut dyn Tick) -> Result<Vec<(SubjectNo, Had)>> {
    let wanted = plan.buckets.labels.iter().position(|l| *l == bucket);
    let wanted = wanted.ok_or_else(no_such_bucket)?;
    let rows = std::mem::take(&mut partial.rows);
    let mut found: Vec<(SubjectNo, Had)> = Vec::new();
    events::cut(plan, rows, tick, |no, bucket, session| {
        if bucket != wanted {
            return Ok(());
        }
        match found.last_mut() {
            Some((last, had)) if *last == no => {
                had.sessions += 1;
                had.events += session.events;
                Ok(())
            }
            _ => {
                let had = Had {
                    sessions: 1,
                    events: session.events,
                };
                push_within(&mut found, (no, had), &mut partial.budget)
            }
        }
    })?;
    Ok(found)
}
