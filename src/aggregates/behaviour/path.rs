//! path_agg, first_touch and last_touch: what happened in turn, and what was there first and last.

use super::{collect, constant, copied, finite};
use crate::pg::behaviour::{BehaviourState, Instant, RawBehaviour, TextArray, TextBuf, TextBytes};
use crate::pg::direct::per_row;
use crate::pg::interrupts::Interrupts;
use crate::pg::{ErrorReport, FunctionCallInfo};
use crate::types::stored;
use engine::behaviour::path::{self, Options};
use engine::behaviour::state::{self, Asked, Kind};
use pgrx::prelude::*;

per_row! {
    fn path_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        at: Option<Instant>,
        event: Option<TextBytes<'_>>,
    ) -> RawBehaviour {
        add(fcinfo, state, i32::MAX, false, finite(at)?, event)
    }

    fn path_most_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        at: Option<Instant>,
        event: Option<TextBytes<'_>>,
        most: Option<i32>,
    ) -> RawBehaviour {
        add(fcinfo, state, constant(most, "most")?, false, finite(at)?, event)
    }

    fn path_collapse_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        at: Option<Instant>,
        event: Option<TextBytes<'_>>,
        most: Option<i32>,
        collapse: Option<bool>,
    ) -> RawBehaviour {
        let collapse = constant(collapse, "collapse")?;
        add(fcinfo, state, constant(most, "most")?, collapse, finite(at)?, event)
    }

    fn path_int_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        at: Option<i64>,
        event: Option<TextBytes<'_>>,
    ) -> RawBehaviour {
        add(fcinfo, state, i32::MAX, false, at, event)
    }

    fn path_int_most_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        at: Option<i64>,
        event: Option<TextBytes<'_>>,
        most: Option<i32>,
    ) -> RawBehaviour {
        add(fcinfo, state, constant(most, "most")?, false, at, event)
    }

    fn path_int_collapse_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        at: Option<i64>,
        event: Option<TextBytes<'_>>,
        most: Option<i32>,
        collapse: Option<bool>,
    ) -> RawBehaviour {
        let collapse = constant(collapse, "collapse")?;
        add(fcinfo, state, constant(most, "most")?, collapse, at, event)
    }
}

fn add(
    fcinfo: FunctionCallInfo,
    state: Option<RawBehaviour>,
    most: i32,
    collapse: bool,
    at: Option<i64>,
    event: Option<TextBytes<'_>>,
) -> Result<Option<RawBehaviour>, ErrorReport> {
    let options = Options::new(most, collapse).map_err(stored)?;
    let asked = Asked {
        kind: Kind::Path,
        conditions: 0,
        parameters: &options.parameters(),
    };
    match (at, event) {
        (Some(at), Some(event)) => collect(fcinfo, state, asked, |s| path::push(s, asked, at, event.0)),
        _ => Ok(state),
    }
}

#[pg_extern(
    schema = "analytics_groups",
    name = "path_agg_final",
    immutable,
    strict,
    parallel_safe
)]
pub(super) fn path_final(state: BehaviourState<'_>) -> Result<TextArray, ErrorReport> {
    TextArray::of(&path::path(state.0, &mut Interrupts).map_err(stored)?)
}

per_row! {
    fn first_touch_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        at: Option<Instant>,
        value: Option<TextBytes<'_>>,
    ) -> RawBehaviour {
        touch(Kind::First, fcinfo, state, finite(at)?, value)
    }

    fn last_touch_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        at: Option<Instant>,
        value: Option<TextBytes<'_>>,
    ) -> RawBehaviour {
        touch(Kind::Last, fcinfo, state, finite(at)?, value)
    }

    fn first_touch_int_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        at: Option<i64>,
        value: Option<TextBytes<'_>>,
    ) -> RawBehaviour {
        touch(Kind::First, fcinfo, state, at, value)
    }

    fn last_touch_int_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        at: Option<i64>,
        value: Option<TextBytes<'_>>,
    ) -> RawBehaviour {
        touch(Kind::Last, fcinfo, state, at, value)
    }
}

fn touch(
    kind: Kind,
    fcinfo: FunctionCallInfo,
    state: Option<RawBehaviour>,
    at: Option<i64>,
    value: Option<TextBytes<'_>>,
) -> Result<Option<RawBehaviour>, ErrorReport> {
    let asked = Asked {
        kind,
        conditions: 0,
        parameters: &[],
    };
    match (at, value) {
        (Some(at), Some(value)) => collect(fcinfo, state, asked, |s| state::keep(s, asked, at, value.0)),
        _ => Ok(state),
    }
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
pub(super) fn touch_final(state: BehaviourState<'_>) -> Result<Option<TextBuf>, ErrorReport> {
    let value = path::touch(state.0).map_err(stored)?;
    value.map(copied).transpose()
}
