//! Instants, dates and intervals between SQL and the engine, which counts milliseconds since 1970-01-01 UTC.

use crate::error::{Failure, Result};
use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::pg_sys::TimestampTz;

/// Microseconds from 1970-01-01 to 2000-01-01, where Postgres counts from.
pub(super) const PG_EPOCH_US: i64 = 946_684_800_000_000;
const DAY_US: i64 = 86_400_000_000;

/// An instant for the engine, rounded to the nearest millisecond.
pub fn to_ms(at: TimestampWithTimeZone) -> i64 {
    let us: TimestampTz = at.into();
    us.saturating_add(PG_EPOCH_US).saturating_add(500).div_euclid(1000)
}

/// An instant for SQL.
pub fn timestamp(ms: i64) -> Result<TimestampWithTimeZone> {
    let us = ms.saturating_mul(1000).saturating_sub(PG_EPOCH_US);
    TimestampWithTimeZone::try_from(us).map_err(|_| Failure::internal("an instant outside of what Postgres can hold"))
}

/// Microseconds since 2000-01-01 UTC, as Postgres has them, of an instant of the engine.
pub fn micros(ms: i64) -> i64 {
    ms.saturating_mul(1000).saturating_sub(PG_EPOCH_US)
}

/// The millisecond in which an instant of Postgres lies; the infinities are the ends of the range.
pub fn millisecond_of(us: i64) -> i64 {
    match us {
        i64::MIN | i64::MAX => us,
        us => us.saturating_add(PG_EPOCH_US).div_euclid(1000),
    }
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
