//! The day of many instants in any order.

use crate::error::{Error, Result};
use crate::time::{Calendar, DAY_MS};

/// Longest range whose day starts are worked out in advance: 55 years.
const MAX_TABLE: i32 = 20_000;

/// Day starts of a range. Days are cut at [`Calendar::day_start`] alone, so they never go back in time, even where a
/// zone's clock does across midnight.
pub(super) struct DayTable<'a> {
    calendar: &'a Calendar,
    first: i32,
    /// Start of `first` and of every day after it; empty when the range is too long.
    starts: Vec<i64>,
}

impl<'a> DayTable<'a> {
    pub fn new(calendar: &'a Calendar, times: impl Iterator<Item = i64>) -> Result<Self> {
        let (mut min, mut max) = (i64::MAX, i64::MIN);
        for t in times {
            (min, max) = (min.min(t), max.max(t));
        }
        let mut table = DayTable {
            calendar,
            first: 0,
            starts: Vec::new(),
        };
        if min <= max {
            let (first, _) = table.work_out(min)?;
            let (last, _) = table.work_out(max)?;
            if last.saturating_sub(first) <= MAX_TABLE {
                table.first = first;
                for day in first..=last {
                    table.starts.push(calendar.day_start(day)?);
                }
            }
        }
        Ok(table)
    }

    /// The last day that starts at or before `t`, and its start.
    fn work_out(&self, t: i64) -> Result<(i32, i64)> {
        let day = self.calendar.day_of(t)?;
        let next = day.saturating_add(1);
        for day in [next, day] {
            if let Ok(start) = self.calendar.day_start(day)
                && start <= t
            {
                return Ok((day, start));
            }
        }
        Ok((day - 1, self.calendar.day_start(day - 1)?))
    }

    fn look_up(&self, t: i64) -> Option<(i32, i64)> {
        let guess = t.checked_sub(*self.starts.first()?)? / DAY_MS;
        let mut i = usize::try_from(guess).ok()?.min(self.starts.len() - 1);
        while self.starts.get(i).is_some_and(|s| *s > t) {
            i = i.checked_sub(1)?;
        }
        while self.starts.get(i + 1).is_some_and(|s| *s <= t) {
            i += 1;
        }
        Some((self.first + i as i32, *self.starts.get(i)?))
    }

    /// The day of an instant and the milliseconds since it began.
    pub fn locate(&self, t: i64) -> Result<(i32, u32)> {
        let (day, start) = match self.look_up(t) {
            Some(found) => found,
            None => self.work_out(t)?,
        };
        match u32::try_from(t.saturating_sub(start)) {
            Ok(ms) => Ok((day, ms)),
            Err(_) => Err(Error::param("date out of range")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn days_begin_at_their_start_and_never_go_back(
            times in prop::collection::vec(0i64..2_000_000_000_000, 1..20),
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"]),
        ) {
            let c = Calendar::new(zone, "monday").unwrap();
            let table = DayTable::new(&c, times.iter().copied()).unwrap();
            let single = DayTable { calendar: &c, first: 0, starts: Vec::new() };
            for t in times {
                let (day, ms) = table.locate(t).unwrap();
                prop_assert_eq!(single.locate(t).unwrap(), (day, ms));
                prop_assert_eq!(c.day_start(day).unwrap() + i64::from(ms), t);
                prop_assert!(t < c.day_start(day + 1).unwrap());
            }
        }
    }

    #[test]
    fn a_clock_set_back_across_midnight_does_not_reopen_the_day_before() {
        // In St. John's the clock went back an hour at 00:01 on 2006-10-29.
        let c = Calendar::new("America/St_Johns", "monday").unwrap();
        let day = 13_450;
        let start = c.day_start(day).unwrap();
        let times: Vec<i64> = (-2..4).map(|h| start + h * 1_800_000).collect();
        let table = DayTable::new(&c, times.iter().copied()).unwrap();
        let days: Vec<i32> = times.iter().map(|t| table.locate(*t).unwrap().0).collect();
        assert_eq!(days, [day - 1, day - 1, day, day, day, day]);
    }
}
