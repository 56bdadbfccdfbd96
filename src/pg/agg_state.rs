//! Transition states that are flat values of a concrete type, changed in place.
//!
//! The contract with the executor: inside an aggregate the current state belongs to the transition function, which may
//! change it and return the same pointer; any other pointer is copied into the aggregate's memory and the old state is
//! freed by the executor. So a state that outgrew its buffer is returned in the current, short-lived context, and
//! nothing is ever freed here.

use crate::pg::varlena::{RawState, new_varlena, plain};
use pgrx::{PgSqlErrorCode, pg_sys, pg_sys::panic::ErrorReport};

/// Fails unless an aggregate or a window function is being computed: only then is the state ours to change.
pub(super) fn must_be_aggregate(fcinfo: pg_sys::FunctionCallInfo) -> Result<(), ErrorReport> {
    // SAFETY: `fcinfo` comes from the function manager for this very call; its context is null or a node. This is what
    // AggCheckCallContext looks at, without the cost of a guarded call for each row.
    let inside = unsafe {
        fcinfo.as_ref().is_some_and(|f| {
            pgrx::is_a(f.context, pg_sys::NodeTag::T_AggState)
                || pgrx::is_a(f.context, pg_sys::NodeTag::T_WindowAggState)
        })
    };
    if inside {
        return Ok(());
    }
    Err(ErrorReport::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "this function is a part of an aggregate and can't be called by itself",
        "",
    ))
}

/// The state after one more input.
///
/// Without a state, `start` makes the bytes of the first one. Otherwise `step` gets the whole buffer, used or not, and
/// either changes it in place (`None`) or returns the bytes of the state that replaces it.
pub fn change<S: RawState>(
    fcinfo: pg_sys::FunctionCallInfo,
    state: Option<S>,
    start: impl FnOnce() -> Result<Vec<u8>, ErrorReport>,
    step: impl FnOnce(&mut [u8]) -> Result<Option<Vec<u8>>, ErrorReport>,
) -> Result<S, ErrorReport> {
    must_be_aggregate(fcinfo)?;
    match state {
        None => made(&start()?),
        Some(state) => changed(state, step),
    }
}

/// A state of these bytes.
pub(super) fn made<S: RawState>(bytes: &[u8]) -> Result<S, ErrorReport> {
    Ok(S::of(pg_sys::Datum::from(new_varlena(bytes)?)))
}

/// The state that `step` makes of one. Only within an aggregate, which is to be checked before.
pub(super) fn changed<S: RawState>(
    state: S,
    step: impl FnOnce(&mut [u8]) -> Result<Option<Vec<u8>>, ErrorReport>,
) -> Result<S, ErrorReport> {
    // SAFETY: the argument is a varlena that is not null. A plain one, which is how the states made here look, is used as
    // it is; a short, compressed or external one (a state that went through a tuple) is copied.
    let value = unsafe { plain(state.datum()) };
    // SAFETY: a plain varlena of VARSIZE bytes, at least its header. Inside an aggregate (checked above) the transition
    // value is referenced by nobody else during the call, and a detoasted copy is ours.
    let buffer = unsafe {
        let len = pgrx::varsize_any(value).saturating_sub(4);
        std::slice::from_raw_parts_mut(value.cast::<u8>().add(4), len)
    };
    match step(buffer)? {
        None => Ok(S::of(pg_sys::Datum::from(value))),
        Some(bytes) => made(&bytes),
    }
}
