//! Sessions: runs of a subject's events, cut at midnight of the project's zone.
//!
//! Two ways in: [`StreamKernel`] walks the user-major stream, where a session by inactivity is nothing but a gap;
//! [`EventKernel`] gathers events in any order, for everything else. Both end in a [`Partial`].

mod events;
mod members;
mod segment_members;
mod segments;
mod starts;
#[cfg(test)]
mod starts_tests;
mod stream;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, grow_within, push_within, zeroed};
use crate::parallel::Workers;
use crate::partial::{Reader, Tag, Writer};
use crate::tick::Tick;
use crate::time::{Buckets, Calendar};
pub use events::{EventKernel, Marks};
pub use members::{Had, members};
pub use segment_members::segment_members;
pub use segments::{
    Feature, SegmentCounts, SegmentKernel, SegmentPartial, Segmented, count_segments, finish_segments, show_segments,
};
pub use starts::{EventStarts, Found, Starts, StreamStarts, USUAL_TIMEOUT};
use std::sync::{Arc, Mutex, PoisonError};
pub use stream::StreamKernel;

/// What makes a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A gap of more than so many milliseconds ends it.
    Timeout(i64),
    /// A start event begins it when none is open, an end event ends it. What is open at midnight ends there, without a
    /// duration.
    Events,
    /// Every other value of a property begins one; events without a value are passed over.
    Property,
}

/// A question about sessions.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    pub mode: Mode,
    pub buckets: Buckets,
    /// First instant of every day of the range, ascending.
    pub days: Vec<i64>,
    /// By event number: events that neither begin nor prolong a session.
    pub excluded: Vec<bool>,
    /// Canonical users, by user; see [`crate::gather::canonical`].
    pub remap: Option<&'a [u32]>,
    pub memory_limit: usize,
}

impl<'a> Plan<'a> {
    /// For `buckets` over `from_day ..= to_day`.
    pub fn new(mode: Mode, calendar: &Calendar, from_day: i32, to_day: i32, buckets: Buckets) -> Result<Plan<'a>> {
        let days = (from_day..=to_day)
            .map(|d| calendar.day_start(d))
            .collect::<Result<Vec<_>>>()?;
        Ok(Plan {
            mode,
            buckets,
            days,
            excluded: Vec::new(),
            remap: None,
            memory_limit: usize::MAX,
        })
    }

    fn excludes(&self, event: u32) -> bool {
        self.excluded.get(event as usize).copied().unwrap_or(false)
    }
}

/// The sessions of one bucket.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Cell {
    sessions: u64,
    events: u64,
    /// Milliseconds of every session that has a duration; at most a day, and a day has few enough.
    durations: Vec<u32>,
}

/// One session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session {
    start: i64,
    events: u64,
    /// `None` where it was cut before its end event.
    duration: Option<u32>,
}

/// A part of the answer: of some users, or of some events.
#[derive(Debug, Clone)]
pub struct Partial {
    cells: Vec<Cell>,
    rows: Vec<events::Row>,
    budget: Budget,
}

/// One bucket of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// One text per feature of a breakdown.
    pub segment: Arc<[String]>,
    /// What the bucket is labelled with, milliseconds.
    pub bucket: i64,
    pub sessions: u64,
    /// `None` when there are no sessions.
    pub events_per_session: Option<f64>,
    /// Milliseconds, over the sessions that have a duration.
    pub avg_duration: Option<f64>,
    /// As [`Row::avg_duration`]; the mean of the two in the middle when their number is even.
    pub median_duration: Option<f64>,
    /// As [`Row::avg_duration`]: of ten nine are not longer; between two of them linear.
    pub p90_duration: Option<f64>,
}

impl Partial {
    fn new(plan: &Plan) -> Result<Self> {
        let mut budget = Budget::new(plan.memory_limit);
        let n = plan.buckets.len();
        budget.take(n.saturating_mul(size_of::<Cell>()))?;
        let mut cells = try_vec(n, "sessions")?;
        cells.resize(n, Cell::default());
        Ok(Partial {
            cells,
            rows: Vec::new(),
            budget,
        })
    }

    fn add(&mut self, bucket: usize, session: Session) -> Result<()> {
        let Some(cell) = self.cells.get_mut(bucket) else {
            return Err(Error::corrupt("a session outside of the range"));
        };
        cell.sessions += 1;
        cell.events += session.events;
        match session.duration {
            Some(d) => push_within(&mut cell.durations, d, &mut self.budget),
            None => Ok(()),
        }
    }

    /// Both together, in any order: partials of different users, or of different events.
    pub fn merge(mut self, other: Partial, plan: &Plan) -> Result<Partial> {
        self.budget.set_limit(plan.memory_limit);
        for (into, from) in self.cells.iter_mut().zip(other.cells) {
            into.sessions += from.sessions;
            into.events += from.events;
            extend(&mut into.durations, &from.durations, &mut self.budget)?;
        }
        for row in other.rows {
            push_within(&mut self.rows, row, &mut self.budget)?;
        }
        Ok(self)
    }

    /// Bytes for another process.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut w = Writer::new(Tag::Sessions, self.rows.len() * 24)?;
        w.len(self.cells.len())?;
        for c in &self.cells {
            w.u64(c.sessions)?;
            w.u64(c.events)?;
            w.u32s(&c.durations)?;
        }
        w.len(self.rows.len())?;
        for r in &self.rows {
            w.u32(r.subject)?;
            w.u32(r.tag)?;
            w.u64(r.time as u64)?;
            w.u64(r.value)?;
        }
        w.finish()
    }

    /// Reads what `encode` wrote for the same plan.
    pub fn decode(bytes: &[u8], plan: &Plan) -> Result<Partial> {
        let mut r = Reader::new(Tag::Sessions, bytes)?;
        let mut partial = Partial::new(plan)?;
        if r.len(24)? != partial.cells.len() {
            return Err(Error::corrupt("partial: another number of buckets"));
        }
        for cell in &mut partial.cells {
            (cell.sessions, cell.events, cell.durations) = (r.u64()?, r.u64()?, r.u32s()?);
            partial.budget.take(cell.durations.capacity() * 4)?;
        }
        let n = r.len(24)?;
        for _ in 0..n {
            let (subject, tag, time, value) = (r.u32()?, r.u32()?, r.u64()? as i64, r.u64()?);
            let row = events::Row {
                subject,
                time,
                tag,
                value,
            };
            push_within(&mut partial.rows, row, &mut partial.budget)?;
        }
        r.finish()?;
        Ok(partial)
    }
}

/// The rows of the answer, one per bucket; buckets are spread over threads.
pub fn finish(plan: &Plan, mut partial: Partial, workers: &Workers, tick: &mut dyn Tick) -> Result<Vec<Row>> {
    events::walk(plan, &mut partial, tick)?;
    let sessions = partial.cells.iter().map(|c| c.durations.len()).sum();
    let mut cells = try_vec(plan.buckets.len(), "sessions")?;
    let labelled = partial.cells.into_iter().zip(&plan.buckets.labels);
    cells.extend(labelled.map(|(cell, bucket)| Mutex::new((cell, *bucket, None))));
    workers.each(cells.len(), sessions, tick, &|_, item, _| {
        if let Some(slot) = cells.get(item) {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            let (cell, bucket, row) = &mut *slot;
            *row = Some(of_bucket(cell, *bucket));
        }
        Ok(())
    })?;
    let mut rows = try_vec(cells.len(), "sessions")?;
    let slots = cells
        .into_iter()
        .map(|c| c.into_inner().unwrap_or_else(PoisonError::into_inner));
    rows.extend(slots.filter_map(|(_, _, row)| row));
    Ok(rows)
}

fn of_bucket(cell: &mut Cell, bucket: i64) -> Row {
    let per = |sum: u64, n: u64| (n > 0).then(|| sum as f64 / n as f64);
    let total: u64 = cell.durations.iter().map(|d| u64::from(*d)).sum();
    let (median, p90) = percentiles(&mut cell.durations);
    Row {
        segment: Arc::default(),
        bucket,
        sessions: cell.sessions,
        events_per_session: per(cell.events, cell.sessions),
        avg_duration: per(total, cell.durations.len() as u64),
        median_duration: median,
        p90_duration: p90,
    }
}

/// The median and what is below a tenth, by quickselect: linear on average, and the second only among the larger half.
fn percentiles(values: &mut [u32]) -> (Option<f64>, Option<f64>) {
    let Some(last) = values.len().checked_sub(1) else {
        return (None, None);
    };
    let middle = last / 2;
    let (_, low, above) = values.select_nth_unstable(middle);
    let low = f64::from(*low);
    let median = match above.iter().min() {
        Some(high) if last % 2 == 1 => (low + f64::from(*high)) / 2.0,
        _ => low,
    };
    let place = 0.9 * last as f64;
    let below = place.floor() as usize;
    // Of one or two values the middle one is also the one below.
    let Some(at) = below.checked_sub(middle + 1) else {
        let high = above.iter().min().map_or(low, |h| f64::from(*h));
        return (Some(median), Some(low + (place - below as f64) * (high - low)));
    };
    if at >= above.len() {
        return (Some(median), Some(low));
    }
    let (_, low, above) = above.select_nth_unstable(at);
    let low = f64::from(*low);
    let high = above.iter().min().map_or(low, |h| f64::from(*h));
    (Some(median), Some(low + (place - below as f64) * (high - low)))
}

/// Appends many numbers, counted.
fn extend(v: &mut Vec<u32>, more: &[u32], budget: &mut Budget) -> Result<()> {
    if v.capacity() - v.len() < more.len() {
        grow_within(v, more.len().max(v.capacity()), budget)?;
    }
    v.extend_from_slice(more);
    Ok(())
}

/// Room for one number per event, reused.
fn scratch(v: &mut Vec<u32>, n: usize, budget: &mut Budget) -> Result<()> {
    if v.len() < n {
        budget.give(v.capacity() * 4);
        *v = zeroed(n, budget)?;
    }
    Ok(())
}
