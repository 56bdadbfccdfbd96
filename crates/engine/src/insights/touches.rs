//! Subjects that count in one segment of an interval only: that of their first event in it, or of their last.
//!
//! Events are in order of time; simultaneous ones, and the segments of one event, in order of the segments' texts. Until
//! the end it is open which event is the first, so that the sets of the cells are made there.

use super::broken_down::{Cursor, Lines};
use super::cells::Table;
use super::measure::Touch;
use super::plain::Source;
use super::runs::Run;
use crate::breakdown::{Event, Scope, Segments};
use crate::chunk::{Hits, SubjectNo};
use crate::error::{Error, Result};
use crate::gather::{Budget, for_each_row};
use crate::partial::{Reader, Writer};
use crate::subjects::SubjectSet;
use crate::tick::{EVERY, Tick};
use rustc_hash::FxHashMap;
use std::cmp::Ordering;

/// What an entry takes, with the room that a table of them leaves.
const ENTRY: usize = 48;

/// The event that counts so far, of every subject in every interval: when it was and the segment it is in.
#[derive(Debug, Clone)]
pub struct Touches {
    /// `None` for a metric that does not ask.
    touch: Option<Touch>,
    of: FxHashMap<(u32, SubjectNo), (i64, u32)>,
}

/// Is `a`, an instant and a segment, before `b`?
fn compare(a: (i64, u32), b: (i64, u32), segments: &Segments) -> Ordering {
    let texts = |s: u32| segments.texts(s as usize);
    a.0.cmp(&b.0).then_with(|| match a.1 == b.1 {
        true => Ordering::Equal,
        false => texts(a.1).cmp(texts(b.1)),
    })
}

fn better(touch: Option<Touch>, new: (i64, u32), old: (i64, u32), segments: &Segments) -> bool {
    let order = compare(new, old, segments);
    match touch {
        Some(Touch::Last) => order.is_gt(),
        _ => order.is_lt(),
    }
}

impl Touches {
    /// Nobody yet.
    pub fn new(touch: Option<Touch>) -> Self {
        Touches {
            touch,
            of: FxHashMap::default(),
        }
    }

    /// Does the metric ask for them?
    pub fn are_asked_for(&self) -> bool {
        self.touch.is_some()
    }

    /// Could an event of this instant count?
    #[inline]
    fn may_count(&self, column: u32, no: SubjectNo, t: i64) -> bool {
        self.of.get(&(column, no)).is_none_or(|(at, _)| match self.touch {
            Some(Touch::Last) => t >= *at,
            _ => t <= *at,
        })
    }

    fn put(
        &mut self,
        (column, no): (u32, SubjectNo),
        new: (i64, u32),
        segments: &Segments,
        budget: &mut Budget,
    ) -> Result<()> {
        if let Some(old) = self.of.get_mut(&(column, no)) {
            if better(self.touch, new, *old, segments) {
                *old = new;
            }
            return Ok(());
        }
        budget.take(ENTRY)?;
        self.of
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory("subjects of segments"))?;
        self.of.insert((column, no), new);
        Ok(())
    }

    /// Takes over another's; `translation` has our number of each of its segments.
    pub fn absorb(
        &mut self,
        other: Touches,
        translation: &[u32],
        segments: &Segments,
        budget: &mut Budget,
    ) -> Result<()> {
        for (key, (t, segment)) in other.of {
            let segment = translation.get(segment as usize).copied().unwrap_or(0);
            self.put(key, (t, segment), segments, budget)?;
        }
        Ok(())
    }

    /// Moves everybody into the sets of the cells.
    pub fn settle(&mut self, table: &mut Table<SubjectSet>, budget: &mut Budget, tick: &mut dyn Tick) -> Result<()> {
        let of = std::mem::take(&mut self.of);
        let bytes = of.len() * ENTRY;
        for (i, ((column, no), (_, segment))) in of.into_iter().enumerate() {
            if i % EVERY == 0 {
                tick.tick()?;
            }
            table.slot(segment, column as usize, budget)?.add(no, budget)?;
        }
        budget.give(bytes);
        Ok(())
    }

    /// Writes them.
    pub fn encode(&self, w: &mut Writer) -> Result<()> {
        w.len(self.of.len())?;
        for ((column, no), (t, segment)) in &self.of {
            w.u32(*column)?;
            w.u32(*no)?;
            w.u64(*t as u64)?;
            w.u32(*segment)?;
        }
        Ok(())
    }

    /// Reads what `encode` wrote, with so many columns.
    pub fn read(&mut self, r: &mut Reader, columns: usize, segments: &Segments, budget: &mut Budget) -> Result<()> {
        for n in 0..r.len(20)? {
            let (column, no, t, segment) = (r.u32()?, r.u32()?, r.u64()? as i64, r.u32()?);
            self.put((column, no), (t, segment), segments, budget)?;
            let known = (column as usize) < columns && (segment as usize) < segments.len() && no != 0;
            if !known || self.of.len() != n + 1 {
                return Err(Error::corrupt("partial: of another report"));
            }
        }
        Ok(())
    }
}

/// Looks at the picked rows of a chunk one by one.
#[allow(clippy::too_many_arguments)]
pub fn push(
    touches: &mut Touches,
    hits: &Hits,
    runs: &[Run],
    scope: Scope,
    source: Source,
    lines: &mut Lines,
    budget: &mut Budget,
    tick: &mut dyn Tick,
) -> Result<()> {
    let mut cursor = Cursor::new(runs);
    let (chunk, by) = (source.chunk, lines.by);
    for_each_row(chunk, by, hits, lines.remap, tick, |row, subjects| {
        let (Some(bucket), Some(&t)) = (cursor.bucket(row), chunk.time.get(row)) else {
            return Ok(());
        };
        let event = Event::of_row(chunk, row, by, subjects, bucket as usize);
        for no in subjects {
            // Most events are neither the first nor the last, and their segments do not matter.
            if !touches.may_count(bucket, *no, t) {
                continue;
            }
            let of = if scope == Scope::Subject { *no } else { 0 };
            let found = lines.breakdown.of(event, of, lines.segments, budget)?;
            for segment in found.iter() {
                touches.put((bucket, *no), (t, *segment), lines.segments, budget)?;
            }
        }
        Ok(())
    })
}
