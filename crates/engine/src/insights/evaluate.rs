//! From cells to values: one number, or the numbers of a distribution.

use super::cell::{Cell, key_of, number_of};
use super::cells::Table;
use super::exact_sum::ExactSum;
use super::latest::Those;
use super::measure::{Aggregate, Inner, Measure};
use super::partial::Counts;
use super::per_subject::Add;
use crate::error::{Error, Result};
use crate::gather::{Budget, push_within};
use crate::subjects::SubjectSet;
use crate::tick::Tick;

/// The cells that make up one value: of one segment and interval, or several of each.
pub struct Cells<'a> {
    pub counts: &'a mut Counts,
    pub measure: Measure,
    /// Positions in the table.
    pub positions: &'a [u32],
    /// Subjects of these cells that may not be in their sets.
    pub latest: Those<'a>,
    pub memory_limit: usize,
}

/// Calls `f` with the content of all cells as one.
pub(super) fn whole<T: Cell, R>(
    table: &mut Table<T>,
    positions: &[u32],
    limit: usize,
    f: impl FnOnce(&mut T, &mut Budget) -> Result<R>,
) -> Result<R> {
    let mut budget = Budget::new(limit);
    if let [one] = positions
        && let Some(cell) = table.at(*one as usize)
    {
        return f(cell, &mut budget);
    }
    let mut all = T::default();
    for p in positions {
        if let Some(cell) = table.at(*p as usize) {
            all.merge(cell, None, &mut budget)?;
        }
    }
    f(&mut all, &mut budget)
}

/// The number of subjects that are in the sets of these cells, or in `latest`.
fn subjects(table: &mut Table<SubjectSet>, positions: &[u32], latest: Those, limit: usize) -> Result<Option<f64>> {
    whole(table, positions, limit, |set, budget| {
        let n = match positions {
            _ if set.is_empty() => latest.count,
            [_] => set.count() + latest.subjects.iter().filter(|no| !set.contains(**no)).count() as u64,
            _ => {
                latest.subjects.iter().try_for_each(|no| set.add(*no, budget))?;
                set.count()
            }
        };
        Ok(Some(n as f64))
    })
}

/// What `measure` is of no event at all.
pub fn of_nothing(measure: Measure) -> Option<f64> {
    let of = |a: Aggregate| matches!(a, Aggregate::Sum | Aggregate::Distinct).then_some(0.0);
    match measure {
        Measure::Total
        | Measure::Unique
        | Measure::UniqueIn(_)
        | Measure::Active { .. }
        | Measure::CumulativeUnique
        | Measure::Sessions => Some(0.0),
        Measure::Property { aggregate, .. } => of(aggregate),
        Measure::PerSubject { outer, .. } => of(outer),
    }
}

impl Cells<'_> {
    /// The value, for measures that have one.
    pub fn value(&mut self, tick: &mut dyn Tick) -> Result<Option<f64>> {
        let (at, limit) = (self.positions, self.memory_limit);
        match (&mut *self.counts, self.measure) {
            (Counts::Totals(t), _) => whole(t, at, limit, |n, _| Ok(Some(*n as f64))),
            (Counts::Sets(t) | Counts::Distinct(t), _) => subjects(t, at, self.latest, limit),
            (Counts::Sums(t), Measure::Property { aggregate, .. }) => whole(t, at, limit, |s, _| {
                Ok(match aggregate {
                    Aggregate::Sum => Some(s.sum.value()),
                    _ => average(&s.sum, s.n),
                })
            }),
            (Counts::Extremes(t), Measure::Property { aggregate, .. }) => whole(t, at, limit, |e, _| {
                let some = e.low <= e.high;
                Ok(some.then_some(if aggregate == Aggregate::Min { e.low } else { e.high }))
            }),
            (Counts::Values(t), Measure::Property { aggregate, .. }) => {
                whole(t, at, limit, |v, budget| of_keys(&mut v.keys, aggregate, budget))
            }
            (_, Measure::PerSubject { outer, .. }) => {
                let mut budget = Budget::new(limit);
                let mut keys = self.inner(&mut budget, tick)?;
                of_keys(&mut keys, outer, &mut budget)
            }
            _ => Err(Error::corrupt("insights: cells of another measure")),
        }
    }

    /// How many subjects have each value, in order of the values, for a distribution.
    pub fn distribution(&mut self, tick: &mut dyn Tick) -> Result<Vec<(u64, u64)>> {
        let mut budget = Budget::new(self.memory_limit);
        let mut keys = self.inner(&mut budget, tick)?;
        keys.sort_unstable();
        let mut found: Vec<(u64, u64)> = Vec::new();
        for same in keys.chunk_by(|a, b| a == b) {
            if let Some(key) = same.first() {
                push_within(&mut found, (*key, same.len() as u64), &mut budget)?;
            }
        }
        Ok(found)
    }

    /// The value of every subject that has one, as keys.
    fn inner(&mut self, budget: &mut Budget, tick: &mut dyn Tick) -> Result<Vec<u64>> {
        let (at, limit) = (self.positions, self.memory_limit);
        let mut keys = Vec::new();
        let aggregate = match self.measure {
            Measure::PerSubject {
                inner: Inner::Property { aggregate, .. },
                ..
            } => aggregate,
            _ => Aggregate::Sum,
        };
        match &mut *self.counts {
            Counts::Times(t) => whole(t, at, limit, |cell, _| {
                let mut result = Ok(());
                cell.each::<Add>(|_, n| {
                    if result.is_ok() {
                        result = push_within(&mut keys, key_of(f64::from(n)), budget);
                    }
                });
                result
            })?,
            Counts::PerValue(t) | Counts::PerDistinct(t) => whole(t, at, limit, |cell, scratch| {
                let mut sums = Budget::new(limit);
                cell.visit(scratch, tick, |values| {
                    if let Some(key) = of_subject(values, aggregate, &mut sums)? {
                        push_within(&mut keys, key, budget)?;
                    }
                    Ok(())
                })
            })?,
            _ => return Err(Error::corrupt("insights: cells of another measure")),
        }
        Ok(keys)
    }

    /// What a segment ranks by, the more the better: events of a total, subjects of a unique, and so on; values that
    /// are not a size rank by the number of events or subjects behind them.
    pub fn score(&mut self, tick: &mut dyn Tick) -> Result<Option<f64>> {
        let (at, limit) = (self.positions, self.memory_limit);
        let aggregate = match self.measure {
            Measure::Property { aggregate, .. } => aggregate,
            Measure::PerSubject { outer, .. } => outer,
            _ => Aggregate::Sum,
        };
        let per_subject = matches!(self.measure, Measure::PerSubject { .. });
        match (&mut *self.counts, aggregate) {
            (Counts::Sums(t), Aggregate::Average) => whole(t, at, limit, |s, _| Ok(Some(s.n as f64))),
            (Counts::Values(t), _) => whole(t, at, limit, |v, _| Ok(Some(v.keys.len() as f64))),
            (_, Aggregate::Min) => Ok(self.value(tick)?.map(|v| -v)),
            (_, Aggregate::Average | Aggregate::Percentile(_) | Aggregate::Distribution) if per_subject => {
                Ok(Some(self.inner(&mut Budget::new(limit), tick)?.len() as f64))
            }
            _ => self.value(tick),
        }
    }
}

fn average(sum: &ExactSum, n: u64) -> Option<f64> {
    (n > 0).then(|| sum.value() / n as f64)
}

/// An aggregate of numbers.
pub(crate) fn of_keys(keys: &mut [u64], aggregate: Aggregate, budget: &mut Budget) -> Result<Option<f64>> {
    Ok(match aggregate {
        Aggregate::Sum | Aggregate::Average => {
            let mut sum = ExactSum::default();
            for key in keys.iter() {
                sum.add(number_of(*key), budget)?;
            }
            match aggregate {
                Aggregate::Sum => Some(sum.value()),
                _ => average(&sum, keys.len() as u64),
            }
        }
        Aggregate::Min => keys.iter().min().map(|k| number_of(*k)),
        Aggregate::Max => keys.iter().max().map(|k| number_of(*k)),
        Aggregate::Percentile(p) => percentile(keys, p),
        Aggregate::Distinct | Aggregate::Distribution => {
            return Err(Error::corrupt("insights: cells of another measure"));
        }
    })
}

/// `percentile_cont` of SQL: between two values linear, computed in the same way to the last bit.
fn percentile(keys: &mut [u64], p: f64) -> Option<f64> {
    let last = keys.len().checked_sub(1)?;
    let place = p.clamp(0.0, 1.0) * last as f64;
    let below = (place.floor() as usize).min(last);
    let (_, low, above) = keys.select_nth_unstable(below);
    let low = number_of(*low);
    let part = place - below as f64;
    if part == 0.0 {
        return Some(low);
    }
    let high = above.iter().min().map_or(low, |k| number_of(*k));
    Some(low + part * (high - low))
}

/// The value of one subject from its entries, which are sorted, as a key.
pub(super) fn of_subject(entries: &[u64], aggregate: Aggregate, budget: &mut Budget) -> Result<Option<u64>> {
    let sum = |budget: &mut Budget| {
        let mut sum = ExactSum::default();
        entries.iter().try_for_each(|e| sum.add(number_of(*e), budget))?;
        Ok::<_, Error>(sum)
    };
    let value = match aggregate {
        Aggregate::Sum => match entries {
            [one] => return Ok(Some(*one)),
            _ => Some(sum(budget)?.value()),
        },
        Aggregate::Average => average(&sum(budget)?, entries.len() as u64),
        Aggregate::Min => return Ok(entries.first().copied()),
        Aggregate::Max => return Ok(entries.last().copied()),
        _ => {
            // Number 0 is no value.
            let different = entries
                .chunk_by(|a, b| a == b)
                .filter(|s| s.first() != Some(&0))
                .count();
            Some(different as f64)
        }
    };
    Ok(value.map(key_of))
}
