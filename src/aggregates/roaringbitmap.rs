//! Aggregates over ids and over `roaringbitmap`, on one flat state type, `rb_state`.
//!
//! All share one combine and two final functions, because the state knows what it is. Over no rows, or NULLs only, there
//! is no state, and every aggregate answers NULL.

use crate::pg::ErrorReport;
use crate::pg::agg_state::change;
use crate::pg::direct::per_row;
use crate::pg::varlena::{RawRbState, RbState, RbStateBuf, Roaring, RoaringBuf, received};
use crate::types::{count, from_c_str, from_hex, set_binary, set_text, stored, to_c_string, to_hex};
use engine::bitmap::state::{self, Kind, Narrow as Ids};
use pgrx::prelude::*;
use std::ffi::{CStr, CString};

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_state_in(literal: &CStr) -> Result<RbStateBuf, ErrorReport> {
    let literal = from_c_str(literal)?;
    let bytes = from_hex(literal).unwrap_or_else(|| {
        Err(ErrorReport::new(
            PgSqlErrorCode::ERRCODE_INVALID_TEXT_REPRESENTATION,
            "the state of a bitmap aggregate is written as \\x and hexadecimal digits",
            "",
        ))
    })?;
    state::check::<Ids>(&bytes).map_err(set_text)?;
    RbStateBuf::new(bytes)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_state_out(state: RbState<'_>) -> Result<CString, ErrorReport> {
    to_c_string(to_hex(state::used(state.0).map_err(stored)?)?)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_state_recv(mut message: pgrx::Internal) -> Result<RbStateBuf, ErrorReport> {
    let bytes = received(&mut message)?;
    state::check::<Ids>(&bytes).map_err(set_binary)?;
    RbStateBuf::new(bytes)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_state_send(state: RbState<'_>) -> Result<&[u8], ErrorReport> {
    state::used(state.0).map_err(stored)
}

per_row! {
    fn rb_build_trans(
        fcinfo,
        state: Option<RawRbState>,
        id: Option<i32>,
    ) -> RawRbState {
        let Some(id) = id else { return Ok(state) };
        let id = id as u32;
        change(
            fcinfo,
            state,
            || state::start_id::<Ids>(id).map_err(stored),
            |s| state::push_id::<Ids>(s, id).map_err(stored),
        )
        .map(Some)
    }

    fn rb_or_trans(
        fcinfo,
        state: Option<RawRbState>,
        set: Option<Roaring<'_>>,
    ) -> RawRbState {
        add(Kind::Or, state, set, fcinfo)
    }

    fn rb_and_trans(
        fcinfo,
        state: Option<RawRbState>,
        set: Option<Roaring<'_>>,
    ) -> RawRbState {
        add(Kind::And, state, set, fcinfo)
    }

    fn rb_xor_trans(
        fcinfo,
        state: Option<RawRbState>,
        set: Option<Roaring<'_>>,
    ) -> RawRbState {
        add(Kind::Xor, state, set, fcinfo)
    }
}

fn add(
    kind: Kind,
    state: Option<RawRbState>,
    set: Option<Roaring<'_>>,
    fcinfo: crate::pg::FunctionCallInfo,
) -> Result<Option<RawRbState>, ErrorReport> {
    let Some(set) = set else { return Ok(state) };
    change(
        fcinfo,
        state,
        || state::start_set::<Ids>(kind, set.0).map_err(stored),
        |s| state::push_set::<Ids>(s, kind, set.0).map_err(stored),
    )
    .map(Some)
}

per_row! {
    /// STRICT: the executor itself takes the one state there is when the other is missing, and copies it.
    fn rb_state_combine(
        fcinfo,
        state: Option<RawRbState>,
        other: Option<RbState<'_>>,
    ) -> RawRbState {
        let (Some(state), Some(other)) = (state, other) else {
            return Ok(None);
        };
        change(
            fcinfo,
            Some(state),
            || Ok(Vec::new()),
            |s| state::combine::<Ids>(s, other.0).map_err(stored),
        )
        .map(Some)
    }
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_state_final(state: RbState<'_>) -> Result<RoaringBuf, ErrorReport> {
    RoaringBuf::new(state::finish::<Ids>(state.0).map_err(stored)?)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_state_cardinality(state: RbState<'_>) -> Result<i64, ErrorReport> {
    state::cardinality::<Ids>(state.0).map(count).map_err(stored)
}
