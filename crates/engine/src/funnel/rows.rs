//! From gathered events to the rows of the report.

use super::counts::{Counts, Times};
use super::prepared::Prepared;
use super::sift::Sifter;
use super::walk::Walker;
use super::{Partial, Plan};
use crate::error::{Error, Result, try_vec};
use crate::gather::Budget;
use crate::insights::{Aggregate, of_keys};
use crate::parallel::{Workers, merge};
use crate::postings::Wanted;
use crate::tick::Tick;
use std::sync::Arc;

/// One step of the answer. Times are in milliseconds, over the counted attempts that reached the step; none for the first.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRow {
    /// One text per dimension.
    pub segment: Arc<[String]>,
    /// Calendar start of the interval in milliseconds; the start of the range without intervals.
    pub bucket: i64,
    /// From 1.
    pub step: usize,
    /// Subjects, or attempts, that reached it.
    pub count: u64,
    /// Share of those who reached the step before it.
    pub step_conversion: Option<f64>,
    /// Share of those who entered.
    pub overall_conversion: Option<f64>,
    pub avg_time: Option<f64>,
    pub median_time: Option<f64>,
    pub avg_time_from_start: Option<f64>,
    pub median_time_from_start: Option<f64>,
    /// Of the events that fill the step in those attempts, where a property is measured.
    pub numbers: Option<Numbers>,
}

/// Aggregates of the numbers that some events carry; of none the sum is 0 and there is no other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Numbers {
    /// Exact, and rounded once.
    pub sum: f64,
    pub average: Option<f64>,
    pub median: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
}

impl Numbers {
    fn of(keys: &mut [u64], budget: &mut Budget) -> Result<Self> {
        let mut of = |aggregate| of_keys(keys, aggregate, budget);
        Ok(Numbers {
            sum: of(Aggregate::Sum)?.unwrap_or(0.0),
            average: of(Aggregate::Average)?,
            median: of(Aggregate::Percentile(0.5))?,
            min: of(Aggregate::Min)?,
            max: of(Aggregate::Max)?,
        })
    }
}

/// Walks every subject, on threads.
pub fn count_on(plan: &Plan, partial: Partial, workers: &Workers, tick: &mut dyn Tick) -> Result<Counts> {
    plan.check()?;
    if !partial.fits(plan) {
        return Err(Error::corrupt("partial: of another funnel"));
    }
    let Partial {
        mut postings,
        table,
        mut budget,
        ..
    } = partial;
    budget.set_limit(plan.memory_limit);
    let prepared = Prepared::new(plan, table, &mut postings, &mut budget)?;
    let more = budget.limit().saturating_sub(budget.used());
    let states = postings.walk_sifted(
        workers,
        |e| prepared.is_entry(e, plan.entry),
        more,
        tick,
        || Ok((Walker::new(&prepared), Counts::new(plan)?, Sifter::new(&prepared))),
        |(_, counts, sifter), partition, wanted, tick| match sifter {
            // A pass costs something for every subject of the partition.
            Some(s) if partition.len() >= partition.subjects() => s.sift(partition, counts, wanted, tick),
            _ => Ok(Wanted::All),
        },
        |(walker, counts, _), no, events, tick| walker.subject(no, events, counts, tick),
    )?;
    merge(states.into_iter().map(|(_, counts, _)| counts), |mut a, b| {
        a.merge(b)?;
        Ok(a)
    })
}

/// One row per segment, bucket and step.
pub fn finish(plan: &Plan, partial: Partial, tick: &mut dyn Tick) -> Result<Vec<StepRow>> {
    finish_on(plan, partial, &Workers::serial(), tick)
}

/// The same, with subjects spread over threads.
pub fn finish_on(plan: &Plan, partial: Partial, workers: &Workers, tick: &mut dyn Tick) -> Result<Vec<StepRow>> {
    rows(plan, count_on(plan, partial, workers, tick)?, tick)
}

/// One row per segment, bucket and step; segments by rank, the rest last.
pub fn rows(plan: &Plan, counts: Counts, tick: &mut dyn Tick) -> Result<Vec<StepRow>> {
    let lines = counts.lines(plan, tick)?;
    let buckets = plan.buckets.map_or(1, |b| b.len());
    let count = lines.names.len().saturating_mul(buckets).saturating_mul(plan.steps);
    if count.saturating_mul(size_of::<StepRow>()) > plan.memory_limit {
        return Err(Error::Limit {
            message: "the report has too many rows".into(),
            hint: Some("Use a larger unit, a shorter range, or a smaller \"top\".".into()),
        });
    }
    let mut rows = try_vec(count, "rows of a funnel")?;
    for (name, times) in lines.names.into_iter().zip(lines.times) {
        let segment: Arc<[String]> = name.into();
        for (b, times) in times.into_iter().enumerate() {
            let label = plan.buckets.and_then(|b2| b2.labels.get(b)).copied();
            steps(plan, &segment, label.unwrap_or(plan.entry.from), times, &mut rows, tick)?;
        }
    }
    Ok(rows)
}

fn steps(
    plan: &Plan,
    segment: &Arc<[String]>,
    bucket: i64,
    mut times: Vec<Times>,
    rows: &mut Vec<StepRow>,
    tick: &mut dyn Tick,
) -> Result<()> {
    let ratio = |a: usize, b: usize| (b > 0).then(|| a as f64 / b as f64);
    let entered = times.first().map_or(0, |t| t.from_start.len());
    let mut before = entered;
    for (k, t) in times.iter_mut().enumerate() {
        let n = t.from_start.len();
        tick.tick()?;
        let of = |times: &mut [i64]| match k {
            0 => (None, None),
            _ => (average(times), median(times)),
        };
        let from_start = of(&mut t.from_start);
        // The step before the second one is the start.
        let from_previous = if k == 1 { from_start } else { of(&mut t.from_previous) };
        rows.push(StepRow {
            segment: segment.clone(),
            bucket,
            step: k + 1,
            count: n as u64,
            step_conversion: ratio(n, before),
            overall_conversion: ratio(n, entered),
            avg_time: from_previous.0,
            median_time: from_previous.1,
            avg_time_from_start: from_start.0,
            median_time_from_start: from_start.1,
            numbers: match plan.measured {
                Some(_) => Some(Numbers::of(&mut t.numbers, &mut Budget::new(plan.memory_limit))?),
                None => None,
            },
        });
        before = n;
    }
    Ok(())
}

fn average(v: &[i64]) -> Option<f64> {
    let sum: i128 = v.iter().map(|t| i128::from(*t)).sum();
    (!v.is_empty()).then(|| sum as f64 / v.len() as f64)
}

/// The middle value, or halfway between the two middle ones.
fn median(v: &mut [i64]) -> Option<f64> {
    let middle = v.len() / 2;
    if v.is_empty() {
        return None;
    }
    let even = v.len().is_multiple_of(2);
    let (below, at, _) = v.select_nth_unstable(middle);
    let upper = *at as f64;
    match below.iter().max() {
        Some(lower) if even => Some((*lower as f64 + upper) / 2.0),
        _ => Some(upper),
    }
}
