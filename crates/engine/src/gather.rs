//! What the report kernels share: picked rows become subjects, instants become buckets, memory is counted, and events
//! are gathered per subject in order of time.
//!
//! Touches chunks only to read them; knows no report.

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;

use crate::chunk::{Chunk, Hits, Kind, SubjectNo, USER};
use crate::error::{Error, MEMORY_HINT, Result, try_vec};
use crate::mask::Mask;
use crate::postings::Postings;
use crate::tick::{EVERY, Tick};
use crate::time::Span64;

/// Bytes a report may still use; the bound on everything that grows with the data.
#[derive(Debug, Clone)]
pub struct Budget {
    used: usize,
    limit: usize,
}

impl Budget {
    /// Nothing used of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Budget { used: 0, limit }
    }

    /// Counts `bytes` more, or says that the report is too big.
    pub fn take(&mut self, bytes: usize) -> Result<()> {
        self.used = self.used.saturating_add(bytes);
        if self.used > self.limit {
            Err(too_big(self.limit))
        } else {
            Ok(())
        }
    }

    /// Counts `bytes` less.
    pub fn give(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
    }

    /// Bytes counted so far.
    pub fn used(&self) -> usize {
        self.used
    }

    /// The bound.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Puts another bound in place, checked at the next growth.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }
}

fn too_big(limit: usize) -> Error {
    Error::Limit {
        message: format!("the report needs more than {} kB of memory", limit / 1024),
        hint: Some(MEMORY_HINT.into()),
    }
}

/// Appends to a vector that grows by doubling, counted and without aborting when memory is short.
#[inline]
pub fn push_within<T>(v: &mut Vec<T>, item: T, budget: &mut Budget) -> Result<()> {
    if v.len() == v.capacity() {
        grow_within(v, v.capacity().max(4), budget)?;
    }
    v.push(item);
    Ok(())
}

/// Makes room for `more` items, counted.
#[cold]
pub fn grow_within<T>(v: &mut Vec<T>, more: usize, budget: &mut Budget) -> Result<()> {
    let before = v.capacity();
    budget.take(more.saturating_mul(size_of::<T>()))?;
    v.try_reserve_exact(more).map_err(|_| Error::OutOfMemory("a report"))?;
    let counted = before.saturating_add(more);
    budget.give(counted.saturating_sub(v.capacity()).saturating_mul(size_of::<T>()));
    Ok(())
}

/// The number a subject is counted under: users through the table of identity merges, groups as they are.
#[inline]
pub fn canonical(remap: Option<&[SubjectNo]>, kind: Kind, no: SubjectNo) -> SubjectNo {
    match remap {
        Some(table) if kind == USER => table.get(no as usize).copied().unwrap_or(no),
        _ => no,
    }
}

/// [`Chunk::for_each_subject`] with identity merges, errors and cancellation. Subject 0 is never passed on.
pub fn try_for_each_subject(
    chunk: &Chunk,
    kind: Kind,
    hits: &Hits,
    remap: Option<&[SubjectNo]>,
    tick: &mut dyn Tick,
    mut f: impl FnMut(usize, SubjectNo) -> Result<()>,
) -> Result<()> {
    if hits.more.is_none() && hits.rows.is_all() && (remap.is_none() || kind != USER) {
        return for_every_subject(chunk, kind, tick, f);
    }
    let column = chunk.group(kind);
    let firsts = match column {
        _ if kind == USER => &chunk.user,
        Some(c) => &c.first,
        None => return Ok(()),
    };
    for (n, row) in hits.rows.ones().enumerate() {
        if n % EVERY == 0 {
            tick.tick()?;
        }
        let no = canonical(remap, kind, firsts.get(row).copied().unwrap_or(0));
        if no != 0 {
            f(row, no)?;
        }
    }
    for (i, (row, no)) in column.iter().flat_map(|c| &c.more).enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        let picked = match &hits.more {
            Some(m) => m.get(i),
            None => hits.rows.get(*row as usize),
        };
        if picked {
            f(*row as usize, *no)?;
        }
    }
    Ok(())
}

/// The same when every row is picked and no identity was merged: most chunks of most questions.
fn for_every_subject(
    chunk: &Chunk,
    kind: Kind,
    tick: &mut dyn Tick,
    mut f: impl FnMut(usize, SubjectNo) -> Result<()>,
) -> Result<()> {
    let column = chunk.group(kind);
    let firsts = match column {
        _ if kind == USER => &chunk.user,
        Some(c) => &c.first,
        None => return Ok(()),
    };
    for (n, part) in firsts.chunks(EVERY).enumerate() {
        tick.tick()?;
        for (row, no) in (n * EVERY..).zip(part) {
            if *no != 0 {
                f(row, *no)?;
            }
        }
    }
    for (row, no) in column.iter().flat_map(|c| &c.more) {
        f(*row as usize, *no)?;
    }
    Ok(())
}

/// Calls `f(row, subjects)` for every picked row in order, with all its picked subjects of `kind`. A row without one is
/// passed over, except for users, where it comes with no subject: an event without a user is still an event.
pub fn for_each_row(
    chunk: &Chunk,
    kind: Kind,
    hits: &Hits,
    remap: Option<&[SubjectNo]>,
    tick: &mut dyn Tick,
    mut f: impl FnMut(usize, &[SubjectNo]) -> Result<()>,
) -> Result<()> {
    let mut left = EVERY;
    let mut pause = || {
        left -= 1;
        if left == 0 {
            left = EVERY;
            return tick.tick();
        }
        Ok(())
    };
    if kind == USER {
        for row in hits.rows.ones() {
            pause()?;
            match canonical(remap, kind, chunk.user.get(row).copied().unwrap_or(0)) {
                0 => f(row, &[])?,
                user => f(row, &[user])?,
            }
        }
        return Ok(());
    }
    let Some(column) = chunk.group(kind) else { return Ok(()) };
    let mut rows = hits.rows.clone();
    if let Some(more) = &hits.more {
        for i in more.ones() {
            if let Some((row, _)) = column.more.get(i) {
                rows.set(*row as usize, true);
            }
        }
    }
    let mut entries = column.more.iter().enumerate().peekable();
    let mut subjects: Vec<SubjectNo> = Vec::new();
    for row in rows.ones() {
        pause()?;
        subjects.clear();
        if hits.rows.get(row)
            && let Some(&first) = column.first.get(row)
            && first != 0
        {
            subjects.push(first);
        }
        // Not next_if: rustc 1.95 miscompiles it when optimising.
        while let Some(&(i, (r, no))) = entries.peek() {
            if *r as usize > row {
                break;
            }
            entries.next();
            let here = column.more.get(i).is_some_and(|(r, _)| *r as usize == row);
            let picked = hits.more.as_ref().map_or(hits.rows.get(row), |m| m.get(i));
            if here && picked {
                subjects
                    .try_reserve(1)
                    .map_err(|_| Error::OutOfMemory("groups of an event"))?;
                subjects.push(*no);
            }
        }
        if !subjects.is_empty() {
            f(row, &subjects)?;
        }
    }
    Ok(())
}

/// Calls `f(row, subject, mask)` once for every (row, subject) that at least one of `hits` picks; bit k of `mask` says
/// that `hits[k]` does. At most 128 selectors.
pub fn for_each_event(
    chunk: &Chunk,
    kind: Kind,
    hits: &[Hits],
    remap: Option<&[SubjectNo]>,
    tick: &mut dyn Tick,
    mut f: impl FnMut(usize, SubjectNo, u128) -> Result<()>,
) -> Result<()> {
    let active: Vec<(u128, &Hits)> = hits
        .iter()
        .take(128)
        .enumerate()
        .filter(|(_, h)| h.rows.any() || h.more.as_ref().is_some_and(Mask::any))
        .map(|(k, h)| (1u128 << k, h))
        .collect();
    if disjoint(&active, chunk.len()) {
        for (bit, h) in &active {
            try_for_each_subject(chunk, kind, h, remap, tick, |row, no| f(row, no, *bit))?;
        }
        return Ok(());
    }
    let mut union = Mask::none(chunk.len());
    for (_, h) in &active {
        union.or(&h.rows);
    }
    let column = chunk.group(kind);
    let firsts = match column {
        _ if kind == USER => &chunk.user,
        Some(c) => &c.first,
        None => return Ok(()),
    };
    for (n, row) in union.ones().enumerate() {
        if n % EVERY == 0 {
            tick.tick()?;
        }
        let no = canonical(remap, kind, firsts.get(row).copied().unwrap_or(0));
        if no != 0 {
            let mask = active
                .iter()
                .filter(|(_, h)| h.rows.get(row))
                .fold(0, |m, (bit, _)| m | bit);
            f(row, no, mask)?;
        }
    }
    for (i, (row, no)) in column.iter().flat_map(|c| &c.more).enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        let row = *row as usize;
        let picks = |h: &Hits| h.more.as_ref().map_or_else(|| h.rows.get(row), |m| m.get(i));
        let mask = active.iter().filter(|(_, h)| picks(h)).fold(0, |m, (bit, _)| m | bit);
        if mask != 0 {
            f(row, *no, mask)?;
        }
    }
    Ok(())
}

/// True when no (row, subject) can be picked by two selectors.
fn disjoint(active: &[(u128, &Hits)], rows: usize) -> bool {
    if active.len() < 2 {
        return true;
    }
    let mut seen = Mask::none(rows);
    for (_, h) in active {
        let mut both = seen.clone();
        both.and(&h.rows);
        if h.more.is_some() || both.any() {
            return false;
        }
        seen.or(&h.rows);
    }
    true
}

/// Finds buckets of instants, quickly for runs of near instants and for evenly spaced buckets.
#[derive(Debug, Clone)]
pub struct BucketFinder<'a> {
    starts: &'a [i64],
    range: Span64,
    per_ms: f64,
    /// The bucket of the last answer.
    at: usize,
    span: Span64,
}

impl<'a> BucketFinder<'a> {
    /// Buckets that begin at `starts` (ascending), inside of `range`.
    pub fn new(starts: &'a [i64], range: Span64) -> Self {
        let first = starts.first().copied().unwrap_or(range.from);
        let length = range.to.saturating_sub(first).max(1) as f64;
        BucketFinder {
            starts,
            range,
            per_ms: starts.len() as f64 / length,
            at: 0,
            span: Span64 { from: 1, to: 0 },
        }
    }

    /// The bucket of an instant; `None` outside of the range.
    #[inline]
    pub fn of(&mut self, t: i64) -> Option<usize> {
        if t >= self.span.from && t < self.span.to {
            return Some(self.at);
        }
        self.search(t)
    }

    fn search(&mut self, t: i64) -> Option<usize> {
        if t < self.range.from || t >= self.range.to {
            return None;
        }
        let begins = |i: usize| self.starts.get(i).copied().unwrap_or(i64::MAX);
        let first = begins(0);
        // Buckets are nearly even (days of 23 hours, months of 28 days), so the guess is off by little or nothing.
        let guess = (t.saturating_sub(first) as f64 * self.per_ms) as usize;
        let mut at = guess.min(self.starts.len().checked_sub(1)?);
        let mut tries = 4;
        while tries > 0 && begins(at) > t && at > 0 {
            at -= 1;
            tries -= 1;
        }
        while tries > 0 && begins(at + 1) <= t {
            at += 1;
            tries -= 1;
        }
        if !(begins(at) <= t && t < begins(at + 1)) {
            at = self.starts.partition_point(|s| *s <= t).checked_sub(1)?;
        }
        self.at = at;
        self.span = Span64 {
            from: begins(at).max(self.range.from),
            to: begins(at + 1).min(self.range.to),
        };
        Some(at)
    }
}

/// Bits of the tag that travels with a gathered event.
pub const TAG_BITS: u32 = 20;
const BIAS: i64 = 1 << 43;

/// An event of a subject: its time and a tag, ordered by time, then tag.
#[inline]
pub fn pack(t: i64, tag: u32) -> Result<u64> {
    let biased = t.wrapping_add(BIAS) as u64;
    if biased >= 1 << (64 - TAG_BITS) || tag >= 1 << TAG_BITS {
        return Err(Error::corrupt("time of an event out of range"));
    }
    Ok(biased << TAG_BITS | u64::from(tag))
}

/// [`pack`] for a time and a tag that lie between others which were packed without an error.
#[inline]
pub(crate) fn pack_known(t: i64, tag: u32) -> u64 {
    (t.wrapping_add(BIAS) as u64) << TAG_BITS | u64::from(tag)
}

/// Adds what selectors picked of a chunk to postings, each event tagged with the number of its selector. False, and
/// nothing done, when an event can be picked by two of them.
pub fn push_disjoint(
    postings: &mut Postings,
    chunk: &Chunk,
    kind: Kind,
    hits: &[Hits],
    remap: Option<&[SubjectNo]>,
    budget: &mut Budget,
    tick: &mut dyn Tick,
) -> Result<bool> {
    let active: Vec<(u128, &Hits)> = hits
        .iter()
        .enumerate()
        .filter(|(_, h)| h.rows.any() || h.more.as_ref().is_some_and(Mask::any))
        .map(|(k, h)| (k as u128, h))
        .collect();
    if !disjoint(&active, chunk.len()) {
        return Ok(false);
    }
    for (k, h) in active {
        let tag = k as u32;
        let plain = remap.is_none() || kind != USER;
        if plain && h.more.is_none() && h.rows.is_all() {
            let column = chunk.group(kind);
            let firsts = match column {
                _ if kind == USER => &chunk.user,
                Some(c) => &c.first,
                None => continue,
            };
            postings.push_rows(firsts, &chunk.time, tag, budget, tick)?;
            for (row, no) in column.iter().flat_map(|c| &c.more) {
                if let Some(t) = chunk.time.get(*row as usize) {
                    postings.push(*no, pack(*t, tag)?, budget)?;
                }
            }
        } else {
            try_for_each_subject(chunk, kind, h, remap, tick, |row, no| match chunk.time.get(row) {
                Some(t) => postings.push(no, pack(*t, tag)?, budget),
                None => Ok(()),
            })?;
        }
    }
    Ok(true)
}

/// The least packed event that is not before an instant.
pub(crate) fn earliest_from(t: i64) -> u64 {
    let biased = t.saturating_add(BIAS).max(0) as u64;
    biased.min(u64::MAX >> TAG_BITS) << TAG_BITS
}

/// Time of a packed event.
#[inline]
pub fn time_of(entry: u64) -> i64 {
    (entry >> TAG_BITS) as i64 - BIAS
}

/// Tag of a packed event.
#[inline]
pub fn tag_of(entry: u64) -> u32 {
    (entry & ((1 << TAG_BITS) - 1)) as u32
}

/// A counted vector of zeros.
pub fn zeroed<T: Copy + Default>(n: usize, budget: &mut Budget) -> Result<Vec<T>> {
    budget.take(n.saturating_mul(size_of::<T>()))?;
    let mut v = try_vec(n, "a report")?;
    v.resize(n, T::default());
    Ok(v)
}
