//! window_funnel and window_funnel_times: how far through the steps of a funnel, and when.

use super::{collect, constant, finite};
use crate::pg::behaviour::{BehaviourState, Flags, Instant, RawBehaviour, Span};
use crate::pg::direct::per_row;
use crate::pg::interrupts::Interrupts;
use crate::pg::{ErrorReport, FunctionCallInfo};
use crate::types::stored;
use engine::behaviour::Row;
use engine::behaviour::funnel::{self, Mode, Plan};
use engine::behaviour::state::{self, Asked, Kind};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;

per_row! {
    fn window_funnel_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        within: Option<Span>,
        at: Option<Instant>,
        steps: Option<Flags<'_>>,
    ) -> RawBehaviour {
        let within = constant(within, "within")?.0;
        add(fcinfo, state, within, Mode::default(), finite(at)?, steps)
    }

    fn window_funnel_mode_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        within: Option<Span>,
        mode: Option<&str>,
        at: Option<Instant>,
        steps: Option<Flags<'_>>,
    ) -> RawBehaviour {
        let within = constant(within, "within")?.0;
        let mode = Mode::parse(constant(mode, "mode")?).map_err(stored)?;
        add(fcinfo, state, within, mode, finite(at)?, steps)
    }

    fn window_funnel_int_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        within: Option<i64>,
        at: Option<i64>,
        steps: Option<Flags<'_>>,
    ) -> RawBehaviour {
        add(fcinfo, state, constant(within, "within")?, Mode::default(), at, steps)
    }

    fn window_funnel_int_mode_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        within: Option<i64>,
        mode: Option<&str>,
        at: Option<i64>,
        steps: Option<Flags<'_>>,
    ) -> RawBehaviour {
        let mode = Mode::parse(constant(mode, "mode")?).map_err(stored)?;
        add(fcinfo, state, constant(within, "within")?, mode, at, steps)
    }
}

/// A row without a time is checked like any other, and passed over.
fn add(
    fcinfo: FunctionCallInfo,
    state: Option<RawBehaviour>,
    within: i64,
    mode: Mode,
    at: Option<i64>,
    steps: Option<Flags<'_>>,
) -> Result<Option<RawBehaviour>, ErrorReport> {
    let (meets, conditions) = constant(steps, "the array of conditions")?.read()?;
    let plan = Plan::new(conditions, within, mode).map_err(stored)?;
    let asked = Asked {
        kind: Kind::Funnel,
        conditions,
        parameters: &plan.parameters(),
    };
    collect(fcinfo, state, asked, |s| match at {
        Some(at) if plan.wants(meets) => state::push(s, asked, Row { at, meets }, None),
        _ => state::pass(s, asked),
    })
}

/// Over no rows nobody came as far as the first step.
#[pg_extern(schema = "analytics_groups", immutable, parallel_safe)]
pub(super) fn window_funnel_final(state: Option<BehaviourState<'_>>) -> Result<i32, ErrorReport> {
    let level = state.map_or(Ok(0), |s| funnel::level(s.0, &mut Interrupts));
    Ok(level.map_err(stored)? as i32)
}

#[pg_extern(schema = "analytics_groups", immutable, parallel_safe)]
pub(super) fn window_funnel_times_int_final(state: Option<BehaviourState<'_>>) -> Result<Vec<i64>, ErrorReport> {
    state
        .map_or(Ok(Vec::new()), |s| funnel::times(s.0, &mut Interrupts))
        .map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, parallel_safe)]
pub(super) fn window_funnel_times_final(
    state: Option<BehaviourState<'_>>,
) -> Result<Vec<TimestampWithTimeZone>, ErrorReport> {
    let out_of_range = |_| stored(engine::error::Error::corrupt("time of a funnel"));
    window_funnel_times_int_final(state)?
        .into_iter()
        .map(|t| TimestampWithTimeZone::try_from(t).map_err(out_of_range))
        .collect()
}
