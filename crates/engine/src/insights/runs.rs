//! Runs of rows that fall into one interval, found once per chunk for all metrics.

use crate::error::Result;
use crate::gather::{BucketFinder, Budget, push_within};
use crate::tick::{EVERY, Tick};
use crate::time::Buckets;
use std::ops::Range;

/// Rows `from .. to` of a chunk, all of one interval; at most about [`EVERY`] of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub from: u32,
    pub to: u32,
    pub bucket: u32,
}

impl Run {
    /// The rows.
    pub fn rows(&self) -> Range<usize> {
        self.from as usize..self.to as usize
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        (self.to - self.from) as usize
    }
}

/// Rows looked at together.
const BLOCK: usize = 64;

/// Finds the runs of a chunk. Rows outside of the range, and of buckets that `skip` names, are in none.
///
/// A chunk comes sorted by day and user, so that a run mostly is a day; then it costs well below a nanosecond per row.
pub fn find(
    times: &[i64],
    buckets: &Buckets,
    skip: impl Fn(usize) -> bool,
    runs: &mut Vec<Run>,
    budget: &mut Budget,
    tick: &mut dyn Tick,
) -> Result<()> {
    runs.clear();
    let mut finder = BucketFinder::new(&buckets.starts, buckets.range);
    // The run that is open, and its interval: from `open.0` on, `open.1` long.
    let mut run: Option<Run> = None;
    let mut open = (0i64, 0u64);
    let mut at = 0;
    while at < times.len() {
        if at % EVERY < BLOCK {
            tick.tick()?;
        }
        let block = times.get(at..(at + BLOCK).min(times.len())).unwrap_or(&[]);
        let inside = |t: i64| (t.wrapping_sub(open.0) as u64) < open.1;
        if block.iter().fold(true, |all, t| all & inside(*t)) {
            at += block.len();
            if let Some(r) = &mut run {
                r.to = at as u32;
                if r.len() >= EVERY {
                    let rest = Run { from: r.to, ..*r };
                    push_within(runs, std::mem::replace(r, rest), budget)?;
                }
            }
            continue;
        }
        for t in block {
            if (t.wrapping_sub(open.0) as u64) >= open.1 {
                if let Some(done) = run.take().filter(|r| r.len() > 0) {
                    push_within(runs, done, budget)?;
                }
                open = (0, 0);
                if let Some(bucket) = finder.of(*t) {
                    let begin = buckets.starts.get(bucket).copied().unwrap_or(*t);
                    let begin = begin.max(buckets.range.from);
                    if !skip(bucket) {
                        open = (begin, buckets.end(bucket).wrapping_sub(begin) as u64);
                        run = Some(Run {
                            from: at as u32,
                            to: at as u32,
                            bucket: bucket as u32,
                        });
                    }
                }
            }
            at += 1;
            if let Some(r) = &mut run {
                r.to = at as u32;
            }
        }
    }
    if let Some(done) = run.filter(|r| r.len() > 0) {
        push_within(runs, done, budget)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::NoTick;
    use crate::time::{Calendar, DAY_MS, Unit};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_row_of_the_range_is_in_the_run_of_its_interval(
            mut days in prop::collection::vec((-2i64..9, 0i64..DAY_MS), 0..400), sorted in any::<bool>(),
            unit in prop::sample::select(vec![Unit::Hour, Unit::Day, Unit::Week, Unit::Range]), skipped in 0usize..4,
        ) {
            if sorted {
                days.sort_unstable();
            }
            let times: Vec<i64> = days.iter().map(|(d, t)| d * DAY_MS + t).collect();
            let buckets = Calendar::utc().buckets(unit, 0, 6).unwrap();
            let mut runs = Vec::new();
            find(&times, &buckets, |b| b == skipped, &mut runs, &mut Budget::new(usize::MAX), &mut NoTick).unwrap();
            prop_assert!(runs.is_sorted_by(|a, b| a.to <= b.from) && runs.iter().all(|r| r.from < r.to));
            for (row, t) in times.iter().enumerate() {
                let run = runs.iter().find(|r| r.rows().contains(&row)).map(|r| r.bucket as usize);
                prop_assert_eq!(run, buckets.of(*t).filter(|b| *b != skipped));
            }
        }
    }
}
