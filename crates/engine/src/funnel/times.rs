//! How long those who converted took: a histogram of the times from the entry to the last step.

use super::{Counts, Plan};
use crate::error::{Error, Result, try_vec};
use crate::tick::Tick;
use crate::time::{DAY_MS, HOUR_MS};
use std::sync::Arc;

/// Most ranges of a histogram.
pub const MAX_RANGES: usize = 10_000;

/// One range of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeRow {
    pub segment: Arc<[String]>,
    /// In milliseconds, inclusive.
    pub at_least: i64,
    /// In milliseconds, exclusive.
    pub below: i64,
    /// Attempts that took this long.
    pub count: u64,
}

/// Widths that people read with ease, in milliseconds.
const WIDTHS: [i64; 31] = [
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    1000,
    2000,
    5000,
    10_000,
    15_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    HOUR_MS,
    2 * HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    2 * DAY_MS,
    7 * DAY_MS,
    14 * DAY_MS,
    30 * DAY_MS,
];

/// Ranges of one width from 0 to the longest time, at most `most` of them and as many as a width of [`WIDTHS`] allows; the
/// same for every segment. Nothing when nobody converted.
pub fn times(plan: &Plan, counts: Counts, most: usize, tick: &mut dyn Tick) -> Result<Vec<TimeRow>> {
    if !(1..=MAX_RANGES).contains(&most) {
        return Err(Error::param_hint(
            format!("a histogram of {most} ranges"),
            format!("1 to {MAX_RANGES} are possible."),
        ));
    }
    let lines = counts.lines(plan, tick)?;
    let took = |line: &Vec<Vec<super::counts::Times>>| -> Vec<i64> {
        let last = line.iter().filter_map(|steps| steps.last());
        last.flat_map(|t| t.from_start.iter().copied()).collect()
    };
    let longest = lines.times.iter().flatten().filter_map(|steps| steps.last());
    let Some(longest) = longest.flat_map(|t| t.from_start.iter().copied()).max() else {
        return Ok(Vec::new());
    };
    let fits = |w: &i64| longest / w < most as i64;
    // Wider than the last width only when there is no other way.
    let width = WIDTHS.into_iter().find(fits).unwrap_or(longest / most as i64 + 1);
    let ranges = (longest / width + 1) as usize;
    let mut rows = try_vec(ranges.saturating_mul(lines.names.len()), "rows of a funnel")?;
    for (name, line) in lines.names.into_iter().zip(&lines.times) {
        tick.tick()?;
        let segment: Arc<[String]> = name.into();
        let mut counts = try_vec(ranges, "rows of a funnel")?;
        counts.resize(ranges, 0u64);
        for t in took(line) {
            if let Some(c) = counts.get_mut((t / width) as usize) {
                *c += 1;
            }
        }
        for (n, count) in (0..).zip(counts) {
            rows.push(TimeRow {
                segment: segment.clone(),
                at_least: n * width,
                below: (n + 1) * width,
                count,
            });
        }
    }
    Ok(rows)
}
