//! Sessions by inactivity, read off the user-major stream.

use super::{Mode, Partial, Plan, Session, scratch};
use crate::error::{Error, Result};
use crate::gather::BucketFinder;
use crate::stream::{Columns, FIRST, Part};
use crate::tick::{EVERY, Tick};

/// Counts sessions by inactivity of users, part by part in any order; kernels of different parts or days are merged.
pub struct StreamKernel<'p> {
    plan: &'p Plan<'p>,
    timeout: u32,
    excludes: bool,
    partial: Partial,
    lengths: Vec<u32>,
}

impl<'p> StreamKernel<'p> {
    /// Nothing yet.
    pub fn new(plan: &'p Plan) -> Result<Self> {
        let Mode::Timeout(timeout) = plan.mode else {
            return Err(Error::param("these sessions can't be read off the stream"));
        };
        Ok(StreamKernel {
            plan,
            // No gap inside of a day is longer; the mark of a user's first event is.
            timeout: u32::try_from(timeout.max(0)).unwrap_or(FIRST).min(FIRST - 1),
            excludes: plan.excluded.iter().any(|x| *x),
            partial: Partial::new(plan)?,
            lengths: Vec::new(),
        })
    }

    /// What it reads of a part.
    pub fn columns(&self) -> Columns {
        Columns {
            users: false,
            times: true,
            events: self.excludes,
        }
    }

    /// Takes one part of a day that begins at `day_start`.
    pub fn push(&mut self, day_start: i64, part: &Part, tick: &mut dyn Tick) -> Result<()> {
        if part.n == 0 {
            return Ok(());
        }
        let Some(bucket) = self.plan.buckets.of(day_start) else {
            return Err(Error::corrupt("a day outside of the range"));
        };
        let next = self.plan.buckets.end(bucket);
        let day_end = self.plan.days.get(self.plan.days.partition_point(|d| *d <= day_start));
        let day_end = day_end.copied().unwrap_or(self.plan.buckets.range.to);
        if day_end <= next && !self.excludes {
            self.whole_day(bucket, part, tick)
        } else {
            self.by_start(day_start, part, tick)
        }
    }

    /// All sessions of the day are in one bucket, so their starts don't matter, and no event is excluded.
    fn whole_day(&mut self, bucket: usize, part: &Part, tick: &mut dyn Tick) -> Result<()> {
        scratch(&mut self.lengths, part.n + 1, &mut self.partial.budget)?;
        tick.tick()?;
        let durations = split(&part.times, self.timeout, &mut self.lengths);
        let Some(cell) = self.partial.cells.get_mut(bucket) else {
            return Err(Error::corrupt("a session outside of the range"));
        };
        cell.sessions += durations.len() as u64;
        cell.events += part.n as u64;
        super::extend(&mut cell.durations, durations, &mut self.partial.budget)
    }

    fn by_start(&mut self, day_start: i64, part: &Part, tick: &mut dyn Tick) -> Result<()> {
        let timeout = i64::from(self.timeout);
        let mut finder = BucketFinder::new(&self.plan.buckets.starts, self.plan.buckets.range);
        let partial = &mut self.partial;
        let mut close = |open: &mut Option<(i64, i64, u64)>| match open.take() {
            None => Ok(()),
            Some((start, last, events)) => {
                let bucket = finder
                    .of(start)
                    .ok_or_else(|| Error::corrupt("a session outside of the range"))?;
                let duration = u32::try_from(last - start).ok();
                partial.add(
                    bucket,
                    Session {
                        start,
                        events,
                        duration,
                    },
                )
            }
        };
        let mut open: Option<(i64, i64, u64)> = None;
        let mut at = day_start;
        for (i, step) in part.times.iter().enumerate() {
            if i % EVERY == 0 {
                tick.tick()?;
            }
            if step & FIRST != 0 {
                close(&mut open)?;
                at = day_start + i64::from(step ^ FIRST);
            } else {
                at += i64::from(*step);
            }
            if self.excludes && part.events.get(i).is_some_and(|e| self.plan.excludes(*e)) {
                continue;
            }
            match &mut open {
                Some((_, last, events)) if at - *last <= timeout => (*last, *events) = (at, *events + 1),
                _ => {
                    close(&mut open)?;
                    open = Some((at, at, 1));
                }
            }
        }
        close(&mut open)
    }

    /// What was counted.
    pub fn finish(self) -> Partial {
        self.partial
    }
}

/// The durations of the sessions of a part, in order. `out` must be longer than `times` by one.
///
/// Every event either adds its gap or begins a session, and both are done without a branch: where sessions end can't be
/// predicted, and a misprediction costs more than ten events. A first event is marked above every timeout.
// `at` grows by at most one per event, so it stays below `out.len()`; `split_at` is given the length that was made.
#[allow(clippy::indexing_slicing)]
fn split<'o>(times: &[u32], timeout: u32, out: &'o mut [u32]) -> &'o [u32] {
    if out.len() <= times.len() {
        return &[];
    }
    let (mut at, mut duration) = (0usize, 0u32);
    for gap in times {
        let begins = *gap > timeout;
        out[at] = duration;
        at += usize::from(begins);
        duration = if begins { 0 } else { duration.wrapping_add(*gap) };
    }
    out[at] = duration;
    // The first event ended a session that was none.
    out.get(1..=at).unwrap_or(&[])
}
