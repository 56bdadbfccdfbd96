//! sessionize: numbers the sessions of a partition, row by row.

use super::{constant, finite};
use crate::pg::behaviour::{Instant, Span};
use crate::pg::window::Window;
use crate::pg::{ErrorReport, FunctionCallInfo};
use pgrx::prelude::*;

/// Arguments of a window function are read for each row through the window, so it is declared by hand.
#[pg_extern(sql = r#"
CREATE FUNCTION analytics_groups.sessionize(at timestamp with time zone, gap interval) RETURNS bigint
    IMMUTABLE PARALLEL SAFE WINDOW
    LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
pub(super) fn sessionize(fcinfo: FunctionCallInfo) -> Result<Option<i64>, ErrorReport> {
    let window = Window::of(fcinfo)?;
    let gap = constant(window.argument::<Span>(1), "gap")?.0;
    let at = finite(window.argument::<Instant>(0))?;
    number(window, at, gap)
}

#[pg_extern(sql = r#"
CREATE FUNCTION analytics_groups.sessionize(at bigint, gap bigint) RETURNS bigint
    IMMUTABLE PARALLEL SAFE WINDOW
    LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
pub(super) fn sessionize_int(fcinfo: FunctionCallInfo) -> Result<Option<i64>, ErrorReport> {
    let window = Window::of(fcinfo)?;
    let gap = constant(window.argument::<i64>(1), "gap")?;
    let at = window.argument::<i64>(0);
    number(window, at, gap)
}

/// The number of the session of a row at this time.
fn number(mut window: Window, at: Option<i64>, gap: i64) -> Result<Option<i64>, ErrorReport> {
    if gap < 0 {
        return Err(ErrorReport::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the gap between sessions is negative",
            "",
        )
        .set_hint("It is the longest time between two events of a session, such as '30 minutes', or a number in the unit of the times."));
    }
    let Some(at) = at else { return Ok(None) };
    let kept = window.kept()?;
    if kept.number > 0 && at < kept.last {
        return Err(ErrorReport::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the rows of a partition are not in order of time",
            "",
        )
        .set_hint("Order the window by the same time: OVER (PARTITION BY … ORDER BY at)."));
    }
    if kept.number == 0 || at.saturating_sub(kept.last) > gap {
        kept.number += 1;
    }
    kept.last = at;
    Ok(Some(kept.number))
}
