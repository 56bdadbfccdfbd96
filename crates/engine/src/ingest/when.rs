//! The time rule: what a sent time means, and which times are accepted.

use crate::time::HOUR_MS;
use crate::value::Value;

/// 1971-01-01, the earliest time accepted.
pub(super) const EARLIEST_MS: i64 = 365 * 24 * HOUR_MS;

/// Below this a number is seconds, from here on milliseconds: 1e10 ms lies before [`EARLIEST_MS`] and 1e10 s in the
/// year 2286, so no accepted time is ambiguous.
const SECONDS_BELOW: f64 = 1e10;

/// The instant a number means, in milliseconds: whole or fractional seconds, or whole milliseconds.
pub(crate) fn instant(v: &Value) -> Result<i64, &'static str> {
    match v {
        Value::Int(i) if i.unsigned_abs() < SECONDS_BELOW as u64 => Ok(i * 1000),
        Value::Int(i) => Ok(*i),
        Value::Float(f) if f.abs() < SECONDS_BELOW => Ok((f * 1000.0).round() as i64),
        Value::Float(_) => Err("milliseconds since epoch must be a whole number"),
        _ => Err("must be specified as seconds or milliseconds since epoch, as a number"),
    }
}

/// Applies the age rule: since 1971, up to an hour ahead is now, later is an error in strict mode and now otherwise.
pub(crate) fn settle(time: i64, now_ms: i64, strict: bool) -> Result<i64, &'static str> {
    if time < EARLIEST_MS {
        Err("must not be earlier than 1971-01-01")
    } else if strict && time > now_ms.saturating_add(HOUR_MS) {
        Err("must not be more than one hour in the future")
    } else {
        Ok(time.min(now_ms))
    }
}
