//! The time a condition is about.

use crate::error::{Error, Result};
use crate::time::{Calendar, Span64, Unit};
use jiff::civil::Date;

/// The days that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// So many days, months or years up to the day as of which members are found.
    Last { n: u32, unit: Unit },
    /// Days since 1970-01-01, both inclusive.
    Between(i32, i32),
}

const WITHIN: &str = "Write \"within\":\"30 days\", with days, weeks, months or years.";
const EPOCH: Date = Date::constant(1970, 1, 1);
/// Longest window in each unit: about a century.
const MOST: u32 = 36_600;

impl Window {
    /// Reads `30 days`, `1 week`, `3 months`, `1 year`.
    pub fn within(text: &str) -> Result<Window> {
        let wrong = || Error::param_hint(format!("\"{text}\" is no length of time in days or more"), WITHIN);
        let mut words = text.split_whitespace();
        let (Some(n), Some(unit), None) = (words.next(), words.next(), words.next()) else {
            return Err(wrong());
        };
        let n: u32 = n.parse().map_err(|_| wrong())?;
        let (n, unit) = match unit.strip_suffix('s').unwrap_or(unit) {
            "day" => (Some(n), Unit::Day),
            "week" => (n.checked_mul(7), Unit::Day),
            "month" => (Some(n), Unit::Month),
            "year" => (Some(n), Unit::Year),
            _ => return Err(wrong()),
        };
        match n.filter(|n| (1..=MOST).contains(n)) {
            Some(n) => Ok(Window::Last { n, unit }),
            None => Err(Error::param_hint(
                format!("\"{text}\" must be at least one day and at most a century"),
                WITHIN,
            )),
        }
    }

    /// Reads two dates.
    pub fn between(from: &str, to: &str) -> Result<Window> {
        let day = |text: &str, name: &str| {
            let date: Date = text.parse().map_err(|_| {
                Error::param_hint(
                    format!("{name} \"{text}\" is not a date"),
                    "Write dates as \"2024-01-31\"; both are inclusive.",
                )
            })?;
            EPOCH
                .until(date)
                .map(|s| s.get_days())
                .map_err(|_| Error::param(format!("{name} is out of range")))
        };
        let (from, to) = (day(from, "from_date")?, day(to, "to_date")?);
        if from > to {
            return Err(Error::param_hint(
                "from_date lies after to_date",
                "Both dates are inclusive.",
            ));
        }
        Ok(Window::Between(from, to))
    }

    /// The instants of the window when members are found as of the end of `day`: what happens later has not happened yet.
    pub fn span(self, calendar: &Calendar, day: i32) -> Result<Span64> {
        let (from, to) = match self {
            Window::Last { n, unit } => {
                let before = calendar.add_units(unit, day, -i64::from(n))?;
                (before.saturating_add(1), day)
            }
            Window::Between(from, to) => (from, to.min(day)),
        };
        if from > to {
            let at = calendar.day_start(from)?;
            return Ok(Span64 { from: at, to: at });
        }
        calendar.days(from, to)
    }
}
