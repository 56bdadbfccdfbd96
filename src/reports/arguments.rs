//! Arguments and results that several reports share.

use super::context::Context;
use crate::error::{Failure, Result};
use engine::expr::{Expr, SelectorSpec};
use pgrx::datum::{Date, Interval, TimestampWithTimeZone};
use serde_json::Value as Json;

/// Microseconds from 1970-01-01 to 2000-01-01, where Postgres counts from.
const PG_EPOCH_US: i64 = 946_684_800_000_000;
const DAY_US: i64 = 86_400_000_000;

/// An instant for SQL.
pub fn timestamp(ms: i64) -> Result<TimestampWithTimeZone> {
    let us = ms.saturating_mul(1000).saturating_sub(PG_EPOCH_US);
    TimestampWithTimeZone::try_from(us).map_err(|_| Failure::internal("an instant outside of what Postgres can hold"))
}

/// A duration for SQL, from milliseconds.
pub fn interval(ms: f64) -> Option<Interval> {
    Interval::new(0, 0, (ms * 1000.0).round() as i64).ok()
}

/// Milliseconds of an interval: days are 24 hours, months 30 days.
pub fn milliseconds(i: &Interval) -> i64 {
    let days = i64::from(i.months()) * 30 + i64::from(i.days());
    days.saturating_mul(DAY_US).saturating_add(i.micros()).div_euclid(1000)
}

/// Both dates of a range as days since 1970-01-01.
pub fn range(from: Option<Date>, to: Option<Date>) -> Result<(i32, i32)> {
    let day = |d: Option<Date>, name: &str| {
        let d = d.ok_or_else(|| {
            Failure::param(
                format!("{name} must not be NULL"),
                "Both dates are inclusive, in the project's time zone.",
            )
        })?;
        if d.is_infinity() || d.is_neg_infinity() {
            return Err(Failure::param(format!("{name} must not be infinite"), "Name a day."));
        }
        Ok(d.to_unix_epoch_days())
    };
    let (from, to) = (day(from, "from_date")?, day(to, "to_date")?);
    if from > to {
        return Err(Failure::param(
            "from_date lies after to_date",
            "Both dates are inclusive.",
        ));
    }
    Ok((from, to))
}

/// An argument that must be there.
pub fn required<T>(value: Option<T>, name: &str, hint: &str) -> Result<T> {
    value.ok_or_else(|| Failure::param(format!("{name} must not be NULL"), hint))
}

/// A report-wide filter.
pub fn filter(text: Option<&str>) -> Result<Option<Expr>> {
    match text {
        None => Ok(None),
        Some(t) => Ok(Some(
            engine::expr::parse(t).map_err(|e| Failure::from(e).within("filter"))?,
        )),
    }
}

/// An event selector, with the name of its argument in errors.
pub fn selector(json: &Json, argument: &str, extra: &[&str]) -> Result<SelectorSpec> {
    SelectorSpec::parse_with(json, extra).map_err(|e| Failure::from(e).within(argument))
}

/// A notice for every event of a selector that nobody ever sent.
pub fn notice_unknown(context: &Context, specs: &[&SelectorSpec]) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for name in specs.iter().flat_map(|s| s.event_names()) {
        if seen.insert(name) {
            context.notice_unknown_event(name)?;
        }
    }
    Ok(())
}
