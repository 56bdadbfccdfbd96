//! sequence_match, sequence_count and sequence_next: patterns over what happened in turn.

use super::{collect, constant, copied, finite};
use crate::pg::behaviour::{BehaviourState, Flags, Instant, RawBehaviour, TextBuf, TextBytes};
use crate::pg::direct::per_row;
use crate::pg::interrupts::Interrupts;
use crate::pg::{ErrorReport, FunctionCallInfo};
use crate::types::stored;
use engine::behaviour::state::{self, Asked};
use engine::behaviour::{Row, sequence};
use engine::error::Error;
use pgrx::prelude::*;

/// A pattern that can't be read is a wrong argument, wherever it stands.
fn wrong(e: Error) -> ErrorReport {
    match e {
        Error::Syntax {
            message,
            position,
            hint,
        } => stored(Error::Param {
            message: format!("pattern: {message} at position {position}"),
            hint,
        }),
        e => stored(e),
    }
}

/// `seconds`: the pattern's times are seconds; otherwise they are what the column counts.
fn add(
    fcinfo: FunctionCallInfo,
    state: Option<RawBehaviour>,
    pattern: Option<&str>,
    seconds: bool,
    at: Option<i64>,
    value: Option<Option<TextBytes<'_>>>,
    met: Option<Flags<'_>>,
) -> Result<Option<RawBehaviour>, ErrorReport> {
    let pattern = constant(pattern, "pattern")?;
    let (meets, conditions) = constant(met, "the array of conditions")?.read()?;
    let asked = Asked {
        kind: sequence::kind(seconds, value.is_some()),
        conditions,
        parameters: pattern.as_bytes(),
    };
    // The pattern is read once for each group, when its state is made, and after that it is compared.
    if state.is_none() {
        sequence::pattern(asked).map_err(wrong)?;
    }
    collect(fcinfo, state, asked, |s| {
        let Some(at) = at else { return state::pass(s, asked) };
        let row = Row { at, meets };
        match value {
            None if meets != 0 => state::push(s, asked, row, None),
            Some(Some(value)) => state::push(s, asked, row, Some(value.0)),
            _ => state::pass(s, asked),
        }
    })
}

per_row! {
    fn sequence_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        pattern: Option<&str>,
        at: Option<Instant>,
        met: Option<Flags<'_>>,
    ) -> RawBehaviour {
        add(fcinfo, state, pattern, true, finite(at)?, None, met)
    }

    fn sequence_int_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        pattern: Option<&str>,
        at: Option<i64>,
        met: Option<Flags<'_>>,
    ) -> RawBehaviour {
        add(fcinfo, state, pattern, false, at, None, met)
    }
}

#[pg_extern(schema = "analytics_groups", immutable, parallel_safe)]
pub(super) fn sequence_match_final(state: Option<BehaviourState<'_>>) -> Result<bool, ErrorReport> {
    let found = state.map_or(Ok(0), |s| sequence::count(s.0, 1, &mut Interrupts));
    Ok(found.map_err(stored)? > 0)
}

#[pg_extern(schema = "analytics_groups", immutable, parallel_safe)]
pub(super) fn sequence_count_final(state: Option<BehaviourState<'_>>) -> Result<i64, ErrorReport> {
    let found = state.map_or(Ok(0), |s| sequence::count(s.0, usize::MAX, &mut Interrupts));
    Ok(found.map_err(stored)? as i64)
}

per_row! {
    fn sequence_next_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        pattern: Option<&str>,
        at: Option<Instant>,
        value: Option<TextBytes<'_>>,
        met: Option<Flags<'_>>,
    ) -> RawBehaviour {
        add(fcinfo, state, pattern, true, finite(at)?, Some(value), met)
    }

    fn sequence_next_int_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        pattern: Option<&str>,
        at: Option<i64>,
        value: Option<TextBytes<'_>>,
        met: Option<Flags<'_>>,
    ) -> RawBehaviour {
        add(fcinfo, state, pattern, false, at, Some(value), met)
    }
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
pub(super) fn sequence_next_final(state: BehaviourState<'_>) -> Result<Option<TextBuf>, ErrorReport> {
    let value = sequence::next(state.0, &mut Interrupts).map_err(stored)?;
    value.map(copied).transpose()
}
