//! Parts of instants as text, in the zone of a calendar: what breakdowns by date show.

use super::{Calendar, Unit};
use crate::error::{Error, Result};
use jiff::civil::Weekday;

/// What is shown of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateUnit {
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    HourOfDay,
    DayOfWeek,
}

impl DateUnit {
    /// Reads the names of the SQL surface.
    pub fn parse(s: &str) -> Result<DateUnit> {
        Ok(match s {
            "hour" => DateUnit::Hour,
            "day" => DateUnit::Day,
            "week" => DateUnit::Week,
            "month" => DateUnit::Month,
            "quarter" => DateUnit::Quarter,
            "year" => DateUnit::Year,
            "hour_of_day" => DateUnit::HourOfDay,
            "day_of_week" => DateUnit::DayOfWeek,
            _ => {
                return Err(Error::param_hint(
                    format!("unknown unit \"{s}\" of a date"),
                    "Use hour, day, week, month, quarter, year, hour_of_day or day_of_week.",
                ));
            }
        })
    }
}

impl Calendar {
    /// The part of an instant that the zone's clock shows: `2024-01-31 10:00`, the first day of the unit, `00` to `23`, or
    /// `monday` to `sunday`.
    pub fn date_part(&self, unit: DateUnit, t: i64) -> Result<String> {
        let clock = self.civil(t)?;
        let date = clock.date();
        let first = |unit: Unit| self.unit_date(unit, date).to_string();
        Ok(match unit {
            DateUnit::Hour => format!("{date} {:02}:00", clock.hour()),
            DateUnit::Day => date.to_string(),
            DateUnit::Week => first(Unit::Week),
            DateUnit::Month => first(Unit::Month),
            DateUnit::Quarter => first(Unit::Quarter),
            DateUnit::Year => first(Unit::Year),
            DateUnit::HourOfDay => format!("{:02}", clock.hour()),
            DateUnit::DayOfWeek => match date.weekday() {
                Weekday::Monday => "monday",
                Weekday::Tuesday => "tuesday",
                Weekday::Wednesday => "wednesday",
                Weekday::Thursday => "thursday",
                Weekday::Friday => "friday",
                Weekday::Saturday => "saturday",
                Weekday::Sunday => "sunday",
            }
            .to_string(),
        })
    }
}
