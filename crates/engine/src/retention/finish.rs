//! From births and returns to rows: one per cohort and bucket.

use super::{Alignment, BORN, Births, Criterion, Partial, Plan, RETURNED};
use crate::error::{Result, try_vec};
use crate::gather::{BucketFinder, Budget, tag_of, time_of, zeroed};
use crate::parallel::{Workers, merge};
use crate::tick::Tick;
use crate::time::Span64;

/// One cell of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Calendar start of the unit of the births, in milliseconds; may lie before the range.
    pub cohort: i64,
    /// Subjects born in it.
    pub size: u64,
    /// From 0.
    pub bucket: usize,
    /// Subjects of them that were retained in the bucket.
    pub retained: u64,
    /// Share of them; none without births.
    pub value: Option<f64>,
    /// Is the bucket over for everybody who could have been born in the cohort?
    pub complete: bool,
}

/// Sizes of the cohorts and how many of each were retained in each bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    sizes: Vec<u64>,
    /// By cohort, then bucket.
    retained: Vec<u64>,
}

impl Counts {
    /// Both together, of different subjects and one question.
    pub fn merge(mut self, other: Counts) -> Self {
        let add = |a: &mut [u64], b: &[u64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        add(&mut self.sizes, &other.sizes);
        add(&mut self.retained, &other.retained);
        self
    }
}

/// Every cohort × bucket, in this order.
pub fn finish(plan: &Plan, partial: Partial, tick: &mut dyn Tick) -> Result<Vec<Row>> {
    let counts = count_on(plan, partial, &Workers::serial(), tick)?;
    rows(plan, &counts, tick)
}

/// Counts the subjects of a partial, spread over threads.
pub fn count_on(plan: &Plan, partial: Partial, workers: &Workers, tick: &mut dyn Tick) -> Result<Counts> {
    let Partial { postings, mut budget } = partial;
    budget.set_limit(plan.memory_limit);
    let (cohorts, cells) = (plan.cohorts.len(), plan.cohorts.len().saturating_mul(plan.buckets + 1));
    budget.take(workers.threads().saturating_mul(cohorts + cells).saturating_mul(8))?;
    let units = Span64 {
        from: plan.edges.first().copied().unwrap_or(0),
        to: plan.edges.iter().rev().find(|e| **e != i64::MAX).copied().unwrap_or(0),
    };
    let make = || {
        let mut counted = Budget::new(usize::MAX);
        Ok(Triangle {
            plan,
            finder: BucketFinder::new(&plan.cohorts.starts, plan.cohorts.range),
            units: BucketFinder::new(&plan.edges, units),
            counts: Counts {
                sizes: zeroed(cohorts, &mut counted)?,
                retained: zeroed(cells, &mut counted)?,
            },
            returns: Vec::new(),
            in_units: Vec::new(),
        })
    };
    let range = plan.cohorts.range;
    let in_range = |e: u64| tag_of(e) & BORN != 0 && time_of(e) >= range.from && time_of(e) < range.to;
    let more = budget.limit().saturating_sub(budget.used());
    let states = postings.walk(workers, in_range, more, tick, make, |triangle, _, events| {
        triangle.add(events)
    })?;
    merge(states.into_iter().map(|t| t.counts), |a, b| Ok(a.merge(b)))
}

/// One row per cohort and bucket.
pub fn rows(plan: &Plan, counts: &Counts, tick: &mut dyn Tick) -> Result<Vec<Row>> {
    let columns = plan.buckets + 1;
    let mut rows = try_vec(plan.cohorts.len() * columns, "rows of a report")?;
    let cells = counts.retained.chunks(columns);
    for (c, ((label, size), retained)) in plan.cohorts.labels.iter().zip(&counts.sizes).zip(cells).enumerate() {
        tick.tick()?;
        for (n, kept) in retained.iter().enumerate() {
            rows.push(Row {
                cohort: *label,
                size: *size,
                bucket: n,
                retained: *kept,
                value: (*size > 0).then(|| *kept as f64 / *size as f64),
                // The youngest possible member is born when the row's births end.
                complete: plan.edge(c, plan.cohorts.end(c), n + 1) <= plan.now_ms,
            });
        }
    }
    Ok(rows)
}

struct Triangle<'a> {
    plan: &'a Plan<'a>,
    finder: BucketFinder<'a>,
    /// The calendar units of the buckets, up to the last one that ends.
    units: BucketFinder<'a>,
    counts: Counts,
    /// Times of the current subject's returns.
    returns: Vec<i64>,
    /// The same by calendar unit: each unit that has any, and the last of them.
    in_units: Vec<(usize, i64)>,
}

impl Triangle<'_> {
    /// Counts one subject. `events` are in order of time.
    fn add(&mut self, events: &[u64]) -> Result<()> {
        self.returns.clear();
        self.returns
            .try_reserve(events.len())
            .map_err(|_| crate::error::Error::OutOfMemory("returns"))?;
        self.returns.extend(
            events
                .iter()
                .filter(|e| tag_of(**e) & RETURNED != 0)
                .map(|e| time_of(*e)),
        );
        let by_unit = self.plan.alignment == Alignment::Calendar && self.plan.criterion == Criterion::On;
        if by_unit {
            self.find_units()?;
        }
        let mut counted = None;
        for (i, e) in events.iter().enumerate().filter(|(_, e)| tag_of(**e) & BORN != 0) {
            let t0 = time_of(*e);
            match self.finder.of(t0) {
                Some(c) if counted != Some(c) => {
                    counted = Some(c);
                    // Of simultaneous births any that is a return as well makes the birth one.
                    let both = events
                        .get(i..)
                        .unwrap_or(&[])
                        .iter()
                        .take_while(|e| time_of(**e) == t0)
                        .any(|e| tag_of(*e) == BORN | RETURNED);
                    if by_unit {
                        self.birth_by_unit(c, t0);
                    } else {
                        self.birth(c, t0, both);
                    }
                }
                _ => {}
            }
            // The first birth ever is the only one, also when it lies outside of the range.
            if self.plan.births == Births::First {
                break;
            }
        }
        Ok(())
    }

    /// Works out in which calendar units the current subject returned.
    fn find_units(&mut self) -> Result<()> {
        self.in_units.clear();
        self.in_units
            .try_reserve(self.returns.len())
            .map_err(|_| crate::error::Error::OutOfMemory("returns"))?;
        for t in &self.returns {
            let unit = match self.units.of(*t) {
                Some(unit) => unit,
                None => match self.plan.edges.partition_point(|e| e <= t).checked_sub(1) {
                    Some(unit) => unit,
                    None => continue,
                },
            };
            match self.in_units.last_mut() {
                Some((same, last)) if *same == unit => *last = *t,
                _ => self.in_units.push((unit, *t)),
            }
        }
        Ok(())
    }

    /// Counts a subject born at `t0` in cohort `c`, a calendar unit, who is retained in every unit with a return.
    fn birth_by_unit(&mut self, c: usize, t0: i64) {
        let columns = self.plan.buckets + 1;
        if let Some(size) = self.counts.sizes.get_mut(c) {
            *size += 1;
        }
        let Some(cells) = self.counts.retained.get_mut(c * columns..(c + 1) * columns) else {
            return;
        };
        let from = self.in_units.partition_point(|(unit, _)| *unit < c);
        for (unit, last) in self.in_units.iter().skip(from) {
            // A return is later than the birth.
            if *last <= t0 {
                continue;
            }
            match cells.get_mut(unit - c) {
                Some(cell) => *cell += 1,
                None => break,
            }
        }
    }

    /// Counts a subject born at `t0` in cohort `c`; `both` when the birth is a return as well.
    fn birth(&mut self, c: usize, t0: i64, both: bool) {
        let plan = self.plan;
        let columns = plan.buckets + 1;
        if let Some(size) = self.counts.sizes.get_mut(c) {
            *size += 1;
        }
        let Some(cells) = self.counts.retained.get_mut(c * columns..(c + 1) * columns) else {
            return;
        };
        let after = self.returns.partition_point(|t| *t <= t0);
        let mut later = self.returns.get(after..).unwrap_or(&[]);
        // The bucket of an instant after the birth, if it is one of the report's.
        let units = &mut self.units;
        let mut bucket = |t: i64| match plan.alignment {
            Alignment::Rolling => usize::try_from((t - t0) / plan.unit_ms).ok(),
            Alignment::Calendar => match units.of(t) {
                Some(unit) => unit.checked_sub(c),
                None => {
                    let starts = plan.edges.get(c..).unwrap_or(&[]);
                    starts.partition_point(|s| *s <= t).checked_sub(1)
                }
            },
        };
        let mut keep = |from: usize, to: usize| {
            for cell in cells.iter_mut().take(to).skip(from) {
                *cell += 1;
            }
        };
        match plan.criterion {
            Criterion::On => {
                while let Some(n) = later.first().and_then(|t| bucket(*t)).filter(|n| *n < columns) {
                    keep(n, n + 1);
                    let next = plan.edge(c, t0, n + 1);
                    later = later.get(later.partition_point(|t| *t < next)..).unwrap_or(&[]);
                }
            }
            Criterion::OnOrAfter => {
                if let Some(n) = later.last().and_then(|t| bucket(*t)) {
                    keep(0, n.saturating_add(1));
                }
            }
            Criterion::OnOrBefore => {
                if let Some(n) = later.first().and_then(|t| bucket(*t)) {
                    keep(n, columns);
                }
            }
            Criterion::Streak => {
                let mut n = 0;
                while n < columns {
                    let next = plan.edge(c, t0, n + 1);
                    let until = later.partition_point(|t| *t < next);
                    if until == 0 && !(n == 0 && both) {
                        break;
                    }
                    later = later.get(until..).unwrap_or(&[]);
                    n += 1;
                }
                keep(0, n);
            }
        }
    }
}
