//! Compaction: blocks of mixed events and older segments in, sorted segments of one event each out.
//!
//! What comes out depends on the rows alone, not on how they were spread over sources: dictionaries hold only what is
//! used, in an order that follows from the rows, and rows that tie on (day, user, time, insert hash) are put in the order
//! of their content. Values of properties are never decoded on the way: equal bytes are equal values.

mod columns;
mod days;
mod join;
mod order;
pub(crate) mod sort;
mod source;
mod tiers;

use crate::chunk::Events;
use crate::error::Result;
use crate::intern::push;
use crate::tick::{EVERY, Tick};
use crate::time::Calendar;
pub use columns::{Scratch, Sealed};
use hashbrown::HashMap;
pub use order::Arranged;
pub use source::{Part, Source};
use std::ops::Range;
pub use tiers::{Extent, Growth, choose};

/// Merges sources into segments, in the order of (event, day, user); see [`Arranged::cut`].
///
/// Duplicates are dropped as in [`crate::dedupe::keep_masks`].
pub fn compact(
    sources: &[Source],
    calendar: &Calendar,
    target_rows: usize,
    max_rows: usize,
    tick: &mut dyn Tick,
) -> Result<Vec<Sealed>> {
    let mut scratch = Scratch::default();
    let mut sealed = Vec::new();
    for (event, parts) in by_event(sources, tick)? {
        let arranged = Arranged::new(event, parts, calendar, tick)?;
        for rows in arranged.cut(0..arranged.len(), target_rows, max_rows)? {
            push(&mut sealed, arranged.encode(rows, &mut scratch, tick)?)?;
        }
    }
    Ok(sealed)
}

/// The rows of each event, ascending by event; inside of it in the order of sources and rows.
pub fn by_event<'a>(sources: &'a [Source], tick: &mut dyn Tick) -> Result<Vec<(u32, Vec<Part<'a>>)>> {
    let mut events: HashMap<u32, Vec<Part<'a>>> = HashMap::new();
    for source in sources.iter().filter(|c| !c.is_empty()) {
        match &source.core.events {
            Events::One(e) => push(events.entry(*e).or_default(), Part::whole(source)?)?,
            Events::Each(v) => {
                let mut own: HashMap<u32, Vec<u32>> = HashMap::new();
                for (row, e) in v.iter().enumerate() {
                    if row % EVERY == 0 {
                        tick.tick()?;
                    }
                    push(own.entry(*e).or_default(), row as u32)?;
                }
                for (e, rows) in own {
                    push(events.entry(e).or_default(), Part { source, rows })?;
                }
            }
        }
    }
    let mut events: Vec<_> = events.into_iter().collect();
    events.sort_unstable_by_key(|(e, _)| *e);
    Ok(events)
}

impl Arranged<'_> {
    /// Cuts rows into segments. Whole days are gathered until a segment has `target_rows`; no segment grows beyond
    /// `max_rows` by a further day, and a day with more is split between users, so only a user with more events of one name
    /// in one day makes a larger one. The segments are disjoint in days, or in users inside of one day.
    pub fn cut(&self, rows: Range<usize>, target_rows: usize, max_rows: usize) -> Result<Vec<Range<usize>>> {
        let max_rows = max_rows.max(1);
        let target_rows = target_rows.clamp(1, max_rows);
        let mut out = Vec::new();
        let mut open = rows.start..rows.start;
        for (_, day) in self.days() {
            let day = day.start.max(rows.start)..day.end.min(rows.end);
            if day.is_empty() {
                continue;
            }
            let full = open.len() >= target_rows || open.len().saturating_add(day.len()) > max_rows;
            if full && !open.is_empty() {
                push(&mut out, open.clone())?;
                open = day.start..day.start;
            }
            if day.len() <= max_rows {
                open.end = day.end;
                continue;
            }
            let even = day.len().div_ceil(day.len().div_ceil(max_rows));
            let mut piece = day.start..day.start;
            let users = self.user.get(day.clone()).unwrap_or_default();
            for run in users.chunk_by(|a, b| a == b) {
                let full = piece.len() >= even || piece.len().saturating_add(run.len()) > max_rows;
                if full && !piece.is_empty() {
                    push(&mut out, piece.clone())?;
                    piece.start = piece.end;
                }
                piece.end += run.len();
            }
            if !piece.is_empty() {
                push(&mut out, piece)?;
            }
            open = day.end..day.end;
        }
        if !open.is_empty() {
            push(&mut out, open)?;
        }
        Ok(out)
    }

    /// Encodes the rows of one segment, as [`Arranged::cut`] made them.
    pub fn encode(&self, rows: Range<usize>, scratch: &mut Scratch, tick: &mut dyn Tick) -> Result<Sealed> {
        tick.tick()?;
        self.seal(rows, scratch, tick)
    }
}
