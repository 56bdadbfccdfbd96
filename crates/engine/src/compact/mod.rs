//! Compaction: blocks of mixed events and older segments in, sorted segments of one event each out.
//!
//! The answer depends on the rows alone, not on how they were spread over chunks: dictionaries are sorted and hold only
//! what is used, and rows that tie on (day, user, time, insert hash) are put in the order of their content.

mod days;
mod gather;
mod merge;
mod settle;

use crate::chunk::{Chunk, Events};
use crate::error::{Error, Result};
use crate::intern::push;
use crate::tick::{EVERY, Tick};
use crate::time::Calendar;
use days::DayTable;
pub use gather::gather;
use hashbrown::HashMap;
use merge::{Part, Remap};
use std::cmp::Ordering;

/// A segment that is ready to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Sealed {
    pub event: u32,
    /// First and last day that has a row, in the project's zone, counted from 1970-01-01.
    pub day_min: i32,
    pub day_max: i32,
    /// First and last instant, milliseconds.
    pub ts_min: i64,
    pub ts_max: i64,
    /// Least and greatest user number, 0 = events without a user.
    pub user_min: u32,
    pub user_max: u32,
    /// Rows sorted by (day, user, time). `inserts` is there when any row has an insert hash; the priority of a row
    /// without one is 0.
    pub chunk: Chunk,
}

/// Merges chunks into segments, in the order of (event, day, user).
///
/// Duplicates are dropped as in [`crate::dedupe::keep_masks`]. Whole days are gathered until a segment has
/// `target_rows`; no segment grows beyond `max_rows` by a further day, and a day with more is split between users, so
/// only a user with more events of one name in one day makes a larger one. The segments of an event are disjoint in
/// days, or in users inside of one day.
pub fn compact(
    chunks: Vec<Chunk>,
    calendar: &Calendar,
    target_rows: usize,
    max_rows: usize,
    tick: &mut dyn Tick,
) -> Result<Vec<Sealed>> {
    let rows: usize = chunks.iter().map(Chunk::len).sum();
    if u32::try_from(rows).is_err() {
        return Err(Error::Limit {
            message: "more than 2^32 events in one compaction".into(),
            hint: Some("Compact fewer blocks at a time.".into()),
        });
    }
    chunks.iter().try_for_each(Chunk::check)?;
    let days = DayTable::new(calendar, chunks.iter().flat_map(|c| c.time.iter().copied()))?;
    let mut remap = Remap::default();
    let mut sealed = Vec::new();
    for (event, parts) in by_event(&chunks, tick)? {
        let merged = merge::merge(event, &parts, &mut remap, tick)?;
        let ordered = order(&merged, &days, tick)?;
        for segment in cut(&merged, ordered, target_rows, max_rows)? {
            tick.tick()?;
            let chunk = settle::segment(&merged, &segment.rows, &mut remap)?;
            let range = |of: &[i64]| {
                (
                    of.iter().min().copied().unwrap_or(0),
                    of.iter().max().copied().unwrap_or(0),
                )
            };
            let (ts_min, ts_max) = range(&chunk.time);
            push(
                &mut sealed,
                Sealed {
                    event,
                    day_min: segment.day_min,
                    day_max: segment.day_max,
                    ts_min,
                    ts_max,
                    user_min: chunk.user.iter().min().copied().unwrap_or(0),
                    user_max: chunk.user.iter().max().copied().unwrap_or(0),
                    chunk,
                },
            )?;
        }
    }
    Ok(sealed)
}

/// The rows of each event, ascending by event; inside of it in the order of chunks and rows.
fn by_event<'a>(chunks: &'a [Chunk], tick: &mut dyn Tick) -> Result<Vec<(u32, Vec<Part<'a>>)>> {
    let mut events: HashMap<u32, Vec<Part<'a>>> = HashMap::new();
    for chunk in chunks.iter().filter(|c| !c.is_empty()) {
        let mut own: HashMap<u32, Vec<u32>> = HashMap::new();
        match &chunk.events {
            Events::One(e) => {
                let mut all = crate::error::try_vec(chunk.len(), "rows of an event")?;
                all.extend(0..chunk.len() as u32);
                own.insert(*e, all);
            }
            Events::Each(v) => {
                for (row, e) in v.iter().enumerate() {
                    if row % EVERY == 0 {
                        tick.tick()?;
                    }
                    push(own.entry(*e).or_default(), row as u32)?;
                }
            }
        }
        for (e, rows) in own {
            push(events.entry(e).or_default(), Part { chunk, rows })?;
        }
    }
    let mut events: Vec<_> = events.into_iter().collect();
    events.sort_unstable_by_key(|(e, _)| *e);
    Ok(events)
}

/// Rows of one day in their final order.
struct Day {
    day: i32,
    rows: Vec<usize>,
}

/// Sorts the rows of one event by (day, user, time, insert hash, content) and drops duplicates.
fn order(merged: &Chunk, days: &DayTable<'_>, tick: &mut dyn Tick) -> Result<Vec<Day>> {
    // User, millisecond of the day and row in one number: sorting needs no look at the columns.
    let mut keys: HashMap<i32, Vec<u128>> = HashMap::new();
    for (row, (time, user)) in merged.time.iter().zip(&merged.user).enumerate() {
        if row % EVERY == 0 {
            tick.tick()?;
        }
        let (day, ms) = days.locate(*time)?;
        let key = u128::from(*user) << 64 | u128::from(ms) << 32 | row as u128;
        push(keys.entry(day).or_default(), key)?;
    }
    let mut out = crate::error::try_vec(keys.len(), "days")?;
    for (day, mut keys) in keys {
        tick.tick()?;
        keys.sort_unstable();
        let mut rows: Vec<usize> = crate::error::try_vec(keys.len(), "sorted rows")?;
        for run in keys.chunk_by(|a, b| a >> 32 == b >> 32) {
            let from = rows.len();
            rows.extend(run.iter().map(|k| *k as u32 as usize));
            if run.len() > 1
                && let Some(own) = rows.get_mut(from..)
            {
                tick.tick()?;
                let kept = settle_ties(merged, own);
                rows.truncate(from + kept);
            }
        }
        out.push(Day { day, rows });
    }
    out.sort_unstable_by_key(|d| d.day);
    Ok(out)
}

/// Orders rows of one user and instant and moves those that stay to the front; returns how many do.
fn settle_ties(merged: &Chunk, rows: &mut [usize]) -> usize {
    let hash = |r: usize| {
        merged
            .inserts
            .as_ref()
            .and_then(|i| i.hash.get(r).copied())
            .unwrap_or(0)
    };
    let priority = |r: usize| {
        merged
            .inserts
            .as_ref()
            .and_then(|i| i.priority.get(r).copied())
            .unwrap_or(0)
    };
    rows.sort_unstable_by(|a, b| {
        let (ha, hb) = (hash(*a), hash(*b));
        ha.cmp(&hb).then_with(|| match ha {
            0 => content(merged, *a, *b),
            // The winner first; of equal priorities the later row.
            _ => (priority(*b), *b).cmp(&(priority(*a), *a)),
        })
    });
    let mut kept = 0;
    let mut last = 0;
    for i in 0..rows.len() {
        let Some(row) = rows.get(i).copied() else { break };
        let h = hash(row);
        if h != 0 && h == last {
            continue;
        }
        last = h;
        if let Some(slot) = rows.get_mut(kept) {
            *slot = row;
            kept += 1;
        }
    }
    kept
}

/// Order of two rows by what they hold: groups, then properties; not set comes first.
fn content(merged: &Chunk, a: usize, b: usize) -> Ordering {
    use crate::chunk::Column;
    let groups = merged.groups.iter().map(|g| {
        let first = g.first.get(a).cmp(&g.first.get(b));
        let rest = |r: usize| gather::entries(g, r).iter().map(|(_, s)| *s);
        first.then_with(|| rest(a).cmp(rest(b)))
    });
    // Merged dictionaries are sorted, so their codes compare as the values do.
    let properties = merged.properties.iter().map(|p| match &p.column {
        Column::Dict { codes, .. } => codes.get(a).cmp(&codes.get(b)),
        Column::Number(v) => {
            let number = |r: usize| v.get(r).copied().filter(|f| !f.is_nan());
            match (number(a), number(b)) {
                (Some(x), Some(y)) => x.total_cmp(&y),
                (x, y) => x.is_some().cmp(&y.is_some()),
            }
        }
    });
    groups.chain(properties).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

/// Rows of one segment.
#[derive(Default)]
struct Segment {
    day_min: i32,
    day_max: i32,
    rows: Vec<usize>,
}

/// Gathers days into segments, and splits a day that is too large between users.
fn cut(merged: &Chunk, days: Vec<Day>, target_rows: usize, max_rows: usize) -> Result<Vec<Segment>> {
    let max_rows = max_rows.max(1);
    let target_rows = target_rows.clamp(1, max_rows);
    let mut out = Vec::new();
    let mut open = Segment::default();
    for Day { day, rows } in days {
        let full = open.rows.len() >= target_rows || open.rows.len().saturating_add(rows.len()) > max_rows;
        if full && !open.rows.is_empty() {
            push(&mut out, std::mem::take(&mut open))?;
        }
        if rows.len() <= max_rows {
            if open.rows.is_empty() {
                open.day_min = day;
            }
            open.day_max = day;
            open.rows
                .try_reserve(rows.len())
                .map_err(|_| Error::OutOfMemory("segment"))?;
            open.rows.extend(rows);
            continue;
        }
        let even = rows.len().div_ceil(rows.len().div_ceil(max_rows));
        let mut piece: Vec<usize> = Vec::new();
        let of_day = |rows| Segment {
            day_min: day,
            day_max: day,
            rows,
        };
        let user = |r: &usize| merged.user.get(*r).copied();
        for run in rows.chunk_by(|a, b| user(a) == user(b)) {
            let full = piece.len() >= even || piece.len().saturating_add(run.len()) > max_rows;
            if full && !piece.is_empty() {
                push(&mut out, of_day(std::mem::take(&mut piece)))?;
            }
            piece
                .try_reserve(run.len())
                .map_err(|_| Error::OutOfMemory("segment"))?;
            piece.extend_from_slice(run);
        }
        if !piece.is_empty() {
            push(&mut out, of_day(piece))?;
        }
    }
    if !open.rows.is_empty() {
        push(&mut out, open)?;
    }
    Ok(out)
}
