//! Aggregates over ids and over `roaringbitmap64`, on one flat state type, `rb64_state`.
//!
//! All share one combine and two final functions, because the state knows what it is. Over no rows, or NULLs only, there
//! is no state, and every aggregate answers NULL.

use crate::pg::ErrorReport;
use crate::pg::agg_state::change;
use crate::pg::direct::per_row;
use crate::pg::varlena::{RawRb64State, Rb64State, Rb64StateBuf, Roaring64, Roaring64Buf, received};
use crate::types::{count, from_c_str, from_hex, set_binary, set_text, stored, to_c_string, to_hex};
use engine::bitmap::state::{self, Kind, Wide as Ids};
use pgrx::prelude::*;
use std::ffi::{CStr, CString};

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_state_in(literal: &CStr) -> Result<Rb64StateBuf, ErrorReport> {
    let literal = from_c_str(literal)?;
    let bytes = from_hex(literal).unwrap_or_else(|| {
        Err(ErrorReport::new(
            PgSqlErrorCode::ERRCODE_INVALID_TEXT_REPRESENTATION,
            "the state of a bitmap aggregate is written as \\x and hexadecimal digits",
            "",
        ))
    })?;
    state::check::<Ids>(&bytes).map_err(set_text)?;
    Rb64StateBuf::new(bytes)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_state_out(state: Rb64State<'_>) -> Result<CString, ErrorReport> {
    to_c_string(to_hex(state::used(state.0).map_err(stored)?)?)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_state_recv(mut message: pgrx::Internal) -> Result<Rb64StateBuf, ErrorReport> {
    let bytes = received(&mut message)?;
    state::check::<Ids>(&bytes).map_err(set_binary)?;
    Rb64StateBuf::new(bytes)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_state_send(state: Rb64State<'_>) -> Result<&[u8], ErrorReport> {
    state::used(state.0).map_err(stored)
}

per_row! {
    fn rb64_build_trans(
        fcinfo,
        state: Option<RawRb64State>,
        id: Option<i64>,
    ) -> RawRb64State {
        let Some(id) = id else { return Ok(state) };
        let id = id as u64;
        change(
            fcinfo,
            state,
            || state::start_id::<Ids>(id).map_err(stored),
            |s| state::push_id::<Ids>(s, id).map_err(stored),
        )
        .map(Some)
    }

    fn rb64_or_trans(
        fcinfo,
        state: Option<RawRb64State>,
        set: Option<Roaring64<'_>>,
    ) -> RawRb64State {
        add(Kind::Or, state, set, fcinfo)
    }

    fn rb64_and_trans(
        fcinfo,
        state: Option<RawRb64State>,
        set: Option<Roaring64<'_>>,
    ) -> RawRb64State {
        add(Kind::And, state, set, fcinfo)
    }

    fn rb64_xor_trans(
        fcinfo,
        state: Option<RawRb64State>,
        set: Option<Roaring64<'_>>,
    ) -> RawRb64State {
        add(Kind::Xor, state, set, fcinfo)
    }
}

fn add(
    kind: Kind,
    state: Option<RawRb64State>,
    set: Option<Roaring64<'_>>,
    fcinfo: crate::pg::FunctionCallInfo,
) -> Result<Option<RawRb64State>, ErrorReport> {
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
    fn rb64_state_combine(
        fcinfo,
        state: Option<RawRb64State>,
        other: Option<Rb64State<'_>>,
    ) -> RawRb64State {
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
fn rb64_state_final(state: Rb64State<'_>) -> Result<Roaring64Buf, ErrorReport> {
    Roaring64Buf::new(state::finish::<Ids>(state.0).map_err(stored)?)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_state_cardinality(state: Rb64State<'_>) -> Result<i64, ErrorReport> {
    state::cardinality::<Ids>(state.0).map(count).map_err(stored)
}
