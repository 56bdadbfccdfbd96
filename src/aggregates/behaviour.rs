//! Behaviour aggregates: what a user, or whoever rows are grouped by, did in time. They work on any table.
//!
//! All share one flat state type, `behaviour_state`, and one combine function, because the state knows what it was asked.

mod funnel;
mod path;
mod retention;
mod sequence;
mod sessions;

use crate::pg::ErrorReport;
use crate::pg::behaviour::{BehaviourState, BehaviourStateBuf, Instant, RawBehaviour, TextBuf, change, is_text};
use crate::pg::direct::per_row;
use crate::pg::varlena::received;
use crate::types::{binary, from_c_str, from_hex, stored, text, to_c_string, to_hex};
use engine::behaviour::state::{self, Asked, Change};
use engine::error::{Error, try_vec};
use pgrx::prelude::*;
use std::ffi::{CStr, CString};

// Completes the type, so it comes after each function of it, and declares the aggregates over the others.
pgrx::extension_sql_file!(
    "../../sql/behaviour.sql",
    name = "behaviour",
    requires = [
        behaviour_state_in,
        behaviour_state_out,
        behaviour_state_recv,
        behaviour_state_send,
        funnel::window_funnel_final,
        funnel::window_funnel_times_final,
        funnel::window_funnel_times_int_final,
        retention::conditions_final,
        retention::returns_final,
        sequence::sequence_match_final,
        sequence::sequence_count_final,
        sequence::sequence_next_final,
        path::path_final,
        path::touch_final,
        sessions::sessionize,
        sessions::sessionize_int,
    ]
);

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn behaviour_state_in(literal: &CStr) -> Result<BehaviourStateBuf, ErrorReport> {
    let bytes = from_hex(from_c_str(literal)?).unwrap_or_else(|| {
        Err(ErrorReport::new(
            PgSqlErrorCode::ERRCODE_INVALID_TEXT_REPRESENTATION,
            "the state of a behaviour aggregate is written as \\x and hexadecimal digits",
            "",
        )
        .set_hint("It is not meant to be written by hand."))
    })?;
    state::check(&bytes, is_text).map_err(text)?;
    BehaviourStateBuf::new(bytes)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn behaviour_state_out(state: BehaviourState<'_>) -> Result<CString, ErrorReport> {
    to_c_string(to_hex(state::used(state.0).map_err(stored)?)?)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn behaviour_state_recv(mut message: pgrx::Internal) -> Result<BehaviourStateBuf, ErrorReport> {
    let bytes = received(&mut message)?;
    state::check(&bytes, is_text).map_err(binary)?;
    BehaviourStateBuf::new(bytes)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn behaviour_state_send(state: BehaviourState<'_>) -> Result<&[u8], ErrorReport> {
    state::used(state.0).map_err(stored)
}

per_row! {
    /// STRICT: the executor itself takes the one state there is when the other is missing, and copies it.
    fn behaviour_combine(
        fcinfo,
        state: Option<RawBehaviour>,
        other: Option<BehaviourState<'_>>,
    ) -> RawBehaviour {
        let (Some(state), Some(other)) = (state, other) else {
            return Ok(None);
        };
        change(
            fcinfo,
            Some(state),
            || Ok(Vec::new()),
            |s| state::combine(s, other.0).map_err(stored),
        )
        .map(Some)
    }
}

/// A transition: the state that was asked this, made when there is none, and what becomes of it.
fn collect(
    fcinfo: crate::pg::FunctionCallInfo,
    state: Option<RawBehaviour>,
    asked: Asked<'_>,
    step: impl FnOnce(&mut [u8]) -> Result<Change, Error>,
) -> Result<Option<RawBehaviour>, ErrorReport> {
    change(
        fcinfo,
        state,
        || state::start(asked).map_err(stored),
        |s| step(s).map_err(stored),
    )
    .map(Some)
}

/// A text of a state as a result. It is as long as somebody's column has it.
fn copied(value: &[u8]) -> Result<TextBuf, ErrorReport> {
    let mut bytes = try_vec(value.len(), "text").map_err(stored)?;
    bytes.extend_from_slice(value);
    TextBuf::new(bytes)
}

/// An argument that must not be NULL.
fn constant<T>(value: Option<T>, name: &str) -> Result<T, ErrorReport> {
    value.ok_or_else(|| {
        ErrorReport::new(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            format!("{name} must not be NULL"),
            "",
        )
        .set_hint("Only the time, a condition and a value may be NULL: such a row has no time, doesn't meet the condition or has no value.")
    })
}

/// The time of a row, if it has one; infinity is none that others could be compared with.
fn finite(at: Option<Instant>) -> Result<Option<i64>, ErrorReport> {
    match at {
        Some(Instant(i64::MIN | i64::MAX)) => Err(ErrorReport::new(
            PgSqlErrorCode::ERRCODE_DATETIME_FIELD_OVERFLOW,
            "an event can't happen at infinity",
            "",
        )
        .set_hint("Leave such rows out: … FILTER (WHERE isfinite(at)).")),
        at => Ok(at.map(|a| a.0)),
    }
}
