//! The intervals of a report, and the days its trailing windows look at.

use crate::error::{Error, Result};
use crate::time::{Buckets, Calendar, HOUR_MS, MAX_BUCKETS, Span64, Unit};

/// Intervals that are shown, intervals before them that rolling averages need, and days.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// Every interval that is counted, in order: `lead` before the range, then those of the range.
    pub buckets: Buckets,
    /// Intervals before the range.
    pub lead: usize,
    /// The interval just before the range is what the first one of the range lacks to a whole week, month …; it is
    /// counted nowhere.
    pub gap: bool,
    /// The days that trailing windows look at; empty without such metrics.
    pub days: Buckets,
    /// The last day of each interval inside of the range, as an index into `days`.
    pub last_day: Vec<usize>,
}

impl From<Buckets> for Timeline {
    fn from(buckets: Buckets) -> Self {
        Timeline {
            days: Buckets {
                labels: Vec::new(),
                starts: Vec::new(),
                range: Span64 { from: 0, to: 0 },
            },
            last_day: Vec::new(),
            buckets,
            lead: 0,
            gap: false,
        }
    }
}

impl Timeline {
    /// The intervals of `from_day ..= to_day` with `before` more intervals in front, and `trailing` days to the end of
    /// each one.
    pub fn new(
        calendar: &Calendar,
        unit: Unit,
        from_day: i32,
        to_day: i32,
        before: usize,
        trailing: u32,
    ) -> Result<Self> {
        let mut line = Timeline::from(calendar.buckets(unit, from_day, to_day)?);
        if before > 0 {
            line.extend(calendar, unit, from_day, before)?;
        }
        if trailing > 0 {
            line.look_back(calendar, trailing)?;
        }
        Ok(line)
    }

    /// The instants that make a difference, ascending: between two neighbours it does not matter when an event happened.
    pub fn cuts(&self) -> Vec<i64> {
        let of = |b: &Buckets| [b.starts.as_slice(), &[b.range.from, b.range.to]].concat();
        let mut cuts = of(&self.buckets);
        if !self.days.starts.is_empty() {
            cuts.extend(of(&self.days));
        }
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }

    fn extend(&mut self, calendar: &Calendar, unit: Unit, from_day: i32, before: usize) -> Result<()> {
        let too_many = || Error::Limit {
            message: format!("more than {MAX_BUCKETS} intervals"),
            hint: Some("Use a smaller \"rolling\", a larger unit or a shorter range.".into()),
        };
        if before.saturating_add(self.buckets.len()) > MAX_BUCKETS {
            return Err(too_many());
        }
        let steps = before as i64;
        let mut labels = Vec::new();
        match unit {
            Unit::Range => {
                return Err(Error::param_hint(
                    "a rolling average needs intervals",
                    "Leave \"rolling\" out, or use a unit such as day.",
                ));
            }
            Unit::Minute | Unit::Hour => {
                let step = if unit == Unit::Minute { HOUR_MS / 60 } else { HOUR_MS };
                let first = self.buckets.range.from;
                labels.extend((1..=steps).rev().map(|i| first - i * step));
            }
            _ => {
                let first = calendar.unit_start_day(unit, from_day)?;
                let start = calendar.add_units(unit, first, -steps)?;
                labels = calendar.buckets(unit, start, first - 1)?.labels;
                if first < from_day {
                    labels.push(calendar.day_start(first)?);
                    self.gap = true;
                }
            }
        }
        self.lead = labels.len();
        self.buckets.range.from = labels.first().copied().unwrap_or(self.buckets.range.from);
        let mut starts = labels.clone();
        starts.append(&mut self.buckets.starts);
        self.buckets.starts = starts;
        labels.append(&mut self.buckets.labels);
        self.buckets.labels = labels;
        Ok(())
    }

    fn look_back(&mut self, calendar: &Calendar, trailing: u32) -> Result<()> {
        let last = |i: usize| calendar.day_of(self.buckets.end(i).saturating_sub(1));
        let count = self.buckets.len();
        let (first, end) = (last(0)?, last(count.saturating_sub(1))?);
        let back = i32::try_from(trailing).map_err(|_| Error::param("a trailing window of too many days"))?;
        let first = first.saturating_sub(back - 1);
        self.days = calendar.buckets(Unit::Day, first, end)?;
        self.last_day = (0..count)
            .map(|i| Ok(usize::try_from(last(i)? - first).unwrap_or(0)))
            .collect::<Result<_>>()?;
        Ok(())
    }

    /// The instants that have to be read.
    pub fn reads(&self) -> Span64 {
        let counted = self.buckets.range;
        if self.days.is_empty() {
            return counted;
        }
        Span64 {
            from: counted.from.min(self.days.range.from),
            to: counted.to.max(self.days.range.to),
        }
    }

    /// True for the interval that is counted nowhere.
    pub fn is_gap(&self, bucket: usize) -> bool {
        self.gap && bucket + 1 == self.lead
    }

    /// Which days a window of `trailing` days over any interval from `from` on looks at.
    pub fn looked_at(&self, trailing: u32, from: usize) -> Vec<bool> {
        let mut days = vec![false; self.days.len()];
        for (bucket, last) in self.last_day.iter().enumerate().skip(from) {
            if self.is_gap(bucket) {
                continue;
            }
            let first = (last + 1).saturating_sub(trailing as usize);
            for day in days.iter_mut().take(last + 1).skip(first) {
                *day = true;
            }
        }
        days
    }
}
