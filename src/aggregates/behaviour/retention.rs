//! retention_agg: which conditions were met, and in which periods somebody came back.

use super::{collect, constant, finite};
use crate::pg::behaviour::{BehaviourState, Flags, Instant, RawBehaviour, Span};
use crate::pg::direct::per_row;
use crate::pg::interrupts::Interrupts;
use crate::pg::{ErrorReport, FunctionCallInfo};
use crate::types::stored;
use engine::behaviour::retention::{self, BORN, Periods, RETURNED};
use engine::behaviour::state::{self, Asked, Kind};
use engine::behaviour::{Row, conditions};
use pgrx::prelude::*;

per_row! {
    fn conditions_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        met: Option<Flags<'_>>,
    ) -> RawBehaviour {
        let (meets, n) = constant(met, "the array of conditions")?.read()?;
        conditions(n).map_err(stored)?;
        let asked = Asked {
            kind: Kind::Conditions,
            conditions: n,
            parameters: &[],
        };
        collect(fcinfo, state, asked, |s| state::mark(s, asked, meets))
    }
}

#[pg_extern(
    schema = "analytics_groups",
    name = "retention_conditions_final",
    immutable,
    strict,
    parallel_safe
)]
pub(super) fn conditions_final(state: BehaviourState<'_>) -> Result<Vec<bool>, ErrorReport> {
    retention::met(state.0).map_err(stored)
}

per_row! {
    fn returns_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        every: Option<Span>,
        periods: Option<i32>,
        at: Option<Instant>,
        born: Option<bool>,
        returned: Option<bool>,
    ) -> RawBehaviour {
        let asked_for = Periods::new(constant(every, "every")?.0, constant(periods, "periods")?).map_err(stored)?;
        add(fcinfo, state, &asked_for, finite(at)?, born, returned)
    }

    fn returns_int_trans(
        fcinfo,
        state: Option<RawBehaviour>,
        every: Option<i64>,
        periods: Option<i32>,
        at: Option<i64>,
        born: Option<bool>,
        returned: Option<bool>,
    ) -> RawBehaviour {
        let asked_for = Periods::new(constant(every, "every")?, constant(periods, "periods")?).map_err(stored)?;
        add(fcinfo, state, &asked_for, at, born, returned)
    }
}

fn add(
    fcinfo: FunctionCallInfo,
    state: Option<RawBehaviour>,
    periods: &Periods,
    at: Option<i64>,
    born: Option<bool>,
    returned: Option<bool>,
) -> Result<Option<RawBehaviour>, ErrorReport> {
    let mut meets = 0;
    if born == Some(true) {
        meets |= BORN;
    }
    if returned == Some(true) {
        meets |= RETURNED;
    }
    let asked = Asked {
        kind: Kind::Returns,
        conditions: 2,
        parameters: &periods.parameters(),
    };
    collect(fcinfo, state, asked, |s| match at {
        Some(at) if meets != 0 => state::push(s, asked, Row { at, meets }, None),
        _ => state::pass(s, asked),
    })
}

#[pg_extern(
    schema = "analytics_groups",
    name = "retention_returns_final",
    immutable,
    strict,
    parallel_safe
)]
pub(super) fn returns_final(state: BehaviourState<'_>) -> Result<Option<Vec<bool>>, ErrorReport> {
    retention::returns(state.0, &mut Interrupts).map_err(stored)
}
