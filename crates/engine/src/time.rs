//! Days, calendar units and buckets in a project's time zone.
//!
//! Instants are milliseconds since 1970-01-01 UTC, days are counted from 1970-01-01 in the zone. Days are cut where the
//! zone's clock passes midnight (or where the day begins when a transition skips midnight).

use crate::error::{Error, Result};
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Milliseconds of an hour.
pub const HOUR_MS: i64 = 3_600_000;
/// Milliseconds of 24 hours.
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// Most buckets one report may have.
pub const MAX_BUCKETS: usize = 100_000;

/// A time zone and the day its weeks begin with.
#[derive(Debug, Clone)]
pub struct Calendar {
    zone: TimeZone,
    week_start: Weekday,
}

/// Length of a report's intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    /// One bucket for the whole range.
    Range,
}

impl Unit {
    /// Reads the names of the SQL surface.
    pub fn parse(s: &str) -> Result<Unit> {
        Ok(match s {
            "minute" => Unit::Minute,
            "hour" => Unit::Hour,
            "day" => Unit::Day,
            "week" => Unit::Week,
            "month" => Unit::Month,
            "quarter" => Unit::Quarter,
            "year" => Unit::Year,
            "range" => Unit::Range,
            _ => {
                return Err(Error::param_hint(
                    format!("unknown unit \"{s}\""),
                    "Use minute, hour, day, week, month, quarter, year or range.",
                ));
            }
        })
    }
}

/// A half-open span of instants, `from <= t < to`, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span64 {
    pub from: i64,
    pub to: i64,
}

/// The intervals of a report, in order and without gaps.
#[derive(Debug, Clone, PartialEq)]
pub struct Buckets {
    /// Calendar start of each bucket: what it is labelled with. The first may lie before `range.from`.
    pub labels: Vec<i64>,
    /// Start of each bucket inside the range; the end is the next start, or `range.to`.
    pub starts: Vec<i64>,
    pub range: Span64,
}

impl Buckets {
    /// The bucket an instant falls into; `None` outside of the range.
    pub fn of(&self, t: i64) -> Option<usize> {
        if t < self.range.from || t >= self.range.to {
            return None;
        }
        self.starts.partition_point(|s| *s <= t).checked_sub(1)
    }

    /// First instant after bucket `i`.
    pub fn end(&self, i: usize) -> i64 {
        self.starts.get(i + 1).copied().unwrap_or(self.range.to)
    }

    /// Number of buckets.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }
}

const EPOCH: Date = Date::constant(1970, 1, 1);

fn out_of_range<E>(_: E) -> Error {
    Error::param("date out of range")
}

impl Calendar {
    /// A calendar for an IANA zone name and a week start (`monday` … `sunday`).
    pub fn new(zone: &str, week_start: &str) -> Result<Calendar> {
        let tz = TimeZone::get(zone).map_err(|_| {
            Error::param_hint(
                format!("unknown time zone \"{zone}\""),
                "Use an IANA name such as UTC or Europe/Berlin.",
            )
        })?;
        let week_start = match week_start {
            "monday" => Weekday::Monday,
            "tuesday" => Weekday::Tuesday,
            "wednesday" => Weekday::Wednesday,
            "thursday" => Weekday::Thursday,
            "friday" => Weekday::Friday,
            "saturday" => Weekday::Saturday,
            "sunday" => Weekday::Sunday,
            other => {
                return Err(Error::param_hint(
                    format!("unknown week start \"{other}\""),
                    "Use the English name of a weekday in lower case, such as monday or sunday.",
                ));
            }
        };
        Ok(Calendar { zone: tz, week_start })
    }

    /// UTC with weeks from Monday.
    pub fn utc() -> Calendar {
        Calendar {
            zone: TimeZone::UTC,
            week_start: Weekday::Monday,
        }
    }

    fn date(&self, day: i32) -> Result<Date> {
        EPOCH
            .checked_add(Span::new().try_days(day).map_err(out_of_range)?)
            .map_err(out_of_range)
    }

    fn day_number(date: Date) -> i32 {
        EPOCH.until(date).map(|s| s.get_days()).unwrap_or(0)
    }

    fn civil(&self, t: i64) -> Result<DateTime> {
        let ts = Timestamp::from_millisecond(t).map_err(out_of_range)?;
        Ok(self.zone.to_datetime(ts))
    }

    fn instant(&self, d: DateTime) -> Result<i64> {
        // The compatible rule: a time inside a gap is read with the offset before it, so midnight that does not
        // exist becomes the first instant after the gap.
        Ok(self
            .zone
            .to_zoned(d)
            .map_err(out_of_range)?
            .timestamp()
            .as_millisecond())
    }

    /// The instant a text names: `2024-01-01` (where that day begins in this zone), `2024-01-01T10:00:00` (a clock time
    /// in this zone), or the same with `Z` or an offset. Rounded to milliseconds; `None` for any other text.
    pub fn parse_instant(&self, text: &str) -> Option<i64> {
        let text = text.trim();
        let rounded = |t: Timestamp| Some(t.round(jiff::Unit::Millisecond).ok()?.as_millisecond());
        if let Ok(t) = text.parse::<Timestamp>() {
            return rounded(t);
        }
        // Anything but a plain clock time here would be an offset or a zone that did not parse above.
        let plain = |c: char| c.is_ascii_digit() || matches!(c, ' ' | 'T' | 't' | ':' | '.' | '-');
        if !text.chars().all(plain) || text.chars().filter(|c| *c == '-').count() > 2 {
            return None;
        }
        rounded(self.zone.to_zoned(text.parse::<DateTime>().ok()?).ok()?.timestamp())
    }

    fn date_start(&self, date: Date) -> Result<i64> {
        self.instant(date.at(0, 0, 0, 0))
    }

    /// The day of an instant, counted from 1970-01-01 in this zone.
    pub fn day_of(&self, t: i64) -> Result<i32> {
        let day = Self::day_number(self.civil(t)?.date());
        // Where a clock falls back across midnight the date on the wall runs backwards; days do not.
        if t < self.day_start(day)? {
            return Ok(day.saturating_sub(1));
        }
        Ok(if t >= self.day_start(day.saturating_add(1))? {
            day.saturating_add(1)
        } else {
            day
        })
    }

    /// First instant of a day.
    pub fn day_start(&self, day: i32) -> Result<i64> {
        self.date_start(self.date(day)?)
    }

    /// The instants of `from_day ..= to_day`.
    pub fn days(&self, from_day: i32, to_day: i32) -> Result<Span64> {
        Ok(Span64 {
            from: self.day_start(from_day)?,
            to: self.day_start(to_day.saturating_add(1))?,
        })
    }

    /// Index of the calendar unit an instant lies in, for differences between two instants; and the same for a day.
    pub fn unit_index(&self, unit: Unit, t: i64) -> Result<i64> {
        let d = self.civil(t)?;
        Ok(match unit {
            Unit::Minute => t.div_euclid(60_000),
            Unit::Hour => t.div_euclid(HOUR_MS),
            _ => self.date_index(unit, d.date()),
        })
    }

    fn date_index(&self, unit: Unit, date: Date) -> i64 {
        let months = i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
        match unit {
            Unit::Week => i64::from(Self::day_number(self.week_of(date))).div_euclid(7),
            Unit::Month => months,
            Unit::Quarter => months.div_euclid(3),
            Unit::Year => i64::from(date.year()),
            _ => i64::from(Self::day_number(date)),
        }
    }

    fn week_of(&self, date: Date) -> Date {
        let back = self.week_start.until(date.weekday());
        date.checked_sub(Span::new().days(i64::from(back))).unwrap_or(date)
    }

    /// The first day of the calendar unit that `day` lies in.
    pub fn unit_start_day(&self, unit: Unit, day: i32) -> Result<i32> {
        Ok(Self::day_number(self.unit_date(unit, self.date(day)?)))
    }

    fn unit_date(&self, unit: Unit, date: Date) -> Date {
        let first = |m: i8| Date::new(date.year(), m, 1).unwrap_or(date);
        match unit {
            Unit::Week => self.week_of(date),
            Unit::Month => first(date.month()),
            Unit::Quarter => first((date.month() - 1) / 3 * 3 + 1),
            Unit::Year => first(1),
            _ => date,
        }
    }

    /// The day `n` units after `day`, which must be the start of a unit.
    pub fn add_units(&self, unit: Unit, day: i32, n: i64) -> Result<i32> {
        let span = match unit {
            Unit::Week => Span::new().try_weeks(n),
            Unit::Month => Span::new().try_months(n),
            Unit::Quarter => Span::new().try_months(n.saturating_mul(3)),
            Unit::Year => Span::new().try_years(n),
            _ => Span::new().try_days(n),
        };
        let date = self
            .date(day)?
            .checked_add(span.map_err(out_of_range)?)
            .map_err(out_of_range)?;
        Ok(Self::day_number(date))
    }

    /// Cuts `from_day ..= to_day` into buckets. Minutes and hours are elapsed time counted from the start of the
    /// hour or minute in the zone; larger units follow the calendar.
    pub fn buckets(&self, unit: Unit, from_day: i32, to_day: i32) -> Result<Buckets> {
        if from_day > to_day {
            return Err(Error::param_hint(
                "from_date lies after to_date",
                "Both dates are inclusive.",
            ));
        }
        let range = self.days(from_day, to_day)?;
        let mut labels = Vec::new();
        let too_many = || Error::Limit {
            message: format!("more than {MAX_BUCKETS} intervals"),
            hint: Some("Use a larger unit or a shorter range.".into()),
        };
        match unit {
            Unit::Range => labels.push(range.from),
            Unit::Minute | Unit::Hour => {
                let step = if unit == Unit::Minute { 60_000 } else { HOUR_MS };
                if (range.to - range.from) / step >= MAX_BUCKETS as i64 {
                    return Err(too_many());
                }
                let mut t = range.from;
                while t < range.to {
                    labels.push(t);
                    t += step;
                }
            }
            _ => {
                let mut day = self.unit_start_day(unit, from_day)?;
                while day <= to_day {
                    if labels.len() >= MAX_BUCKETS {
                        return Err(too_many());
                    }
                    labels.push(self.day_start(day)?);
                    day = self.add_units(unit, day, 1)?;
                }
            }
        }
        let starts = labels.iter().map(|t| (*t).max(range.from)).collect();
        Ok(Buckets { labels, starts, range })
    }
}

/// Remembers the day of the last instant, so that runs of near instants need no calendar arithmetic.
pub struct DayCache<'a> {
    calendar: &'a Calendar,
    span: Span64,
    day: i32,
}

impl<'a> DayCache<'a> {
    /// An empty cache over a calendar.
    pub fn new(calendar: &'a Calendar) -> Self {
        DayCache {
            calendar,
            span: Span64 { from: 0, to: 0 },
            day: 0,
        }
    }

    /// As [`Calendar::day_of`].
    pub fn day_of(&mut self, t: i64) -> Result<i32> {
        if t < self.span.from || t >= self.span.to {
            self.day = self.calendar.day_of(t)?;
            self.span = self.calendar.days(self.day, self.day)?;
        }
        Ok(self.day)
    }

    /// The day of an instant, and its milliseconds since that day began.
    pub fn locate(&mut self, t: i64) -> Result<(i32, u32)> {
        let day = self.day_of(t)?;
        let ms = u32::try_from(t - self.span.from).map_err(|_| Error::corrupt("time of an event out of range"))?;
        Ok((day, ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(zone: &str, s: &str) -> i64 {
        let d: DateTime = s.parse().unwrap();
        d.to_zoned(TimeZone::get(zone).unwrap())
            .unwrap()
            .timestamp()
            .as_millisecond()
    }

    fn day(s: &str) -> i32 {
        Calendar::day_number(s.parse().unwrap())
    }

    #[test]
    fn days_follow_the_zone() {
        let berlin = Calendar::new("Europe/Berlin", "monday").unwrap();
        assert_eq!(
            berlin.day_of(at("UTC", "2024-03-30T23:30:00")).unwrap(),
            day("2024-03-31")
        );
        let d = berlin.days(day("2024-03-31"), day("2024-03-31")).unwrap();
        assert_eq!(d.to - d.from, 23 * HOUR_MS);
        // Half an hour before midnight comes twice: the second time belongs to the day that had begun.
        let johns = Calendar::new("America/St_Johns", "monday").unwrap();
        let twice = at("UTC", "2006-10-29T03:00:00");
        assert_eq!(johns.day_of(twice).unwrap(), day("2006-10-29"));
        assert!(johns.day_start(day("2006-10-29")).unwrap() <= twice);
        // Midnight does not exist on this day in Sao Paulo: the day begins at 01:00.
        let sp = Calendar::new("America/Sao_Paulo", "monday").unwrap();
        assert_eq!(
            sp.day_start(day("2018-11-04")).unwrap(),
            at("UTC", "2018-11-04T03:00:00")
        );
    }

    #[test]
    fn buckets_are_labelled_with_their_calendar_start() {
        let c = Calendar::new("UTC", "sunday").unwrap();
        let b = c.buckets(Unit::Week, day("2024-01-03"), day("2024-01-16")).unwrap();
        let labels: Vec<i64> = ["2023-12-31", "2024-01-07", "2024-01-14"]
            .map(|s| at("UTC", &format!("{s}T00:00:00")))
            .into();
        assert_eq!(b.labels, labels);
        assert_eq!(b.starts[0], at("UTC", "2024-01-03T00:00:00"));
        assert_eq!(b.of(at("UTC", "2024-01-06T23:59:59")), Some(0));
        assert_eq!(b.of(at("UTC", "2024-01-07T00:00:00")), Some(1));
        assert_eq!(b.of(at("UTC", "2024-01-17T00:00:00")), None);
        assert_eq!(
            c.buckets(Unit::Quarter, day("2024-02-01"), day("2024-07-01"))
                .unwrap()
                .len(),
            3
        );
        let berlin = Calendar::new("Europe/Berlin", "monday").unwrap();
        assert_eq!(
            berlin
                .buckets(Unit::Hour, day("2024-10-27"), day("2024-10-27"))
                .unwrap()
                .len(),
            25
        );
        assert!(c.buckets(Unit::Day, day("2024-01-02"), day("2024-01-01")).is_err());
    }

    #[test]
    fn texts_name_instants() {
        let berlin = Calendar::new("Europe/Berlin", "monday").unwrap();
        let parse = |s| berlin.parse_instant(s);
        assert_eq!(parse("2024-01-01"), Some(at("Europe/Berlin", "2024-01-01T00:00:00")));
        assert_eq!(
            parse("2024-07-01T10:30"),
            Some(at("Europe/Berlin", "2024-07-01T10:30:00"))
        );
        assert_eq!(
            parse(" 2024-07-01 10:30:00.0006 "),
            Some(at("Europe/Berlin", "2024-07-01T10:30:00") + 1)
        );
        assert_eq!(parse("2024-01-01T10:00:00Z"), Some(at("UTC", "2024-01-01T10:00:00")));
        assert_eq!(
            parse("2024-01-01T10:00:00+05:30"),
            Some(at("UTC", "2024-01-01T04:30:00"))
        );
        assert_eq!(parse("2024-01-01T10:00-05"), Some(at("UTC", "2024-01-01T15:00:00")));
        for bad in [
            "",
            "yesterday",
            "2024-13-01",
            "2024-01-01T25:00",
            "2024-01-01T10:00+99:00",
            "2024",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        // Midnight does not exist on this day: it begins at 01:00.
        let sp = Calendar::new("America/Sao_Paulo", "monday").unwrap();
        assert_eq!(sp.parse_instant("2018-11-04"), Some(at("UTC", "2018-11-04T03:00:00")));
    }

    #[test]
    fn unknown_names_are_errors_with_a_hint() {
        assert!(matches!(
            Calendar::new("Mars/Base", "monday"),
            Err(Error::Param { hint: Some(_), .. })
        ));
        assert!(matches!(
            Calendar::new("UTC", "Montag"),
            Err(Error::Param { hint: Some(_), .. })
        ));
    }

    proptest! {
        #[test]
        fn day_and_units_agree_with_the_naive_way(
            t in 0i64..4_000_000_000_000,
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/Sao_Paulo", "America/St_Johns", "Pacific/Chatham", "Asia/Kolkata"]),
        ) {
            let c = Calendar::new(zone, "monday").unwrap();
            let d = c.day_of(t).unwrap();
            prop_assert!(c.day_start(d).unwrap() <= t && t < c.day_start(d + 1).unwrap());
            prop_assert_eq!(DayCache::new(&c).day_of(t).unwrap(), d);
            for unit in [Unit::Day, Unit::Week, Unit::Month, Unit::Quarter, Unit::Year] {
                let start = c.unit_start_day(unit, d).unwrap();
                let next = c.add_units(unit, start, 1).unwrap();
                prop_assert!(start <= d && d < next);
                prop_assert_eq!(c.unit_index(unit, t).unwrap(), c.unit_index(unit, c.day_start(start).unwrap()).unwrap());
                prop_assert_eq!(c.unit_index(unit, t).unwrap() + 1, c.unit_index(unit, c.day_start(next).unwrap()).unwrap());
            }
        }
    }
}
