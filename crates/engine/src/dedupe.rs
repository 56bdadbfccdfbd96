//! Which of several events with one identity stays.
//!
//! Identity is (event, user, time, insert hash); an event without an insert hash is never a duplicate. The highest
//! priority stays; of equal priorities, which one batch can only hold when its maker did not clean it, the later row.

mod seen;

use crate::chunk::{Chunk, Inserts};
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::tick::{EVERY, Tick};
use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use seen::{Maybe, Times};
use std::hash::BuildHasher;
use std::sync::{Mutex, OnceLock, PoisonError};

type Identity = (u64, i64, u32, u32);

/// Where a row is, and what it wins by: compared in the order of the fields.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Standing {
    priority: i64,
    chunk: u32,
    row: u32,
}

impl Standing {
    fn of(chunks: &[&Chunk], (chunk, row): At) -> Option<Self> {
        let inserts = chunks.get(chunk as usize)?.inserts.as_ref()?;
        let priority = *inserts.priority.get(row as usize)?;
        Some(Standing { priority, chunk, row })
    }
}

/// The identity of a row; `None` = it has none.
fn identity(chunk: &Chunk, row: usize) -> Option<Identity> {
    let hash = *chunk.inserts.as_ref()?.hash.get(row)?;
    let (time, user) = (*chunk.time.get(row)?, *chunk.user.get(row)?);
    (hash != 0).then(|| (hash, time, user, chunk.event(row)))
}

fn count_hashed(chunk: &Chunk) -> usize {
    let of = |i: &Inserts| i.hash.iter().filter(|h| **h != 0).count();
    chunk.inserts.as_ref().map_or(0, of)
}

/// Which chunk and which of its rows.
type At = (u32, u32);

/// The row that holds each identity. What the rows are is in their chunks: a table of their places stays small, so that
/// most of it is in a cache.
#[derive(Default)]
struct Best {
    table: HashTable<At>,
    hasher: DefaultHashBuilder,
}

fn identity_at(chunks: &[&Chunk], (chunk, row): At) -> Option<Identity> {
    chunks.get(chunk as usize).and_then(|c| identity(c, row as usize))
}

impl Best {
    fn reserve(&mut self, chunks: &[&Chunk], more: usize) -> Result<()> {
        let hasher = &self.hasher;
        let rehash = |at: &At| hasher.hash_one(identity_at(chunks, *at));
        let reserved = self.table.try_reserve(more, rehash);
        reserved.map_err(|_| Error::OutOfMemory("duplicates"))
    }

    fn get(&self, chunks: &[&Chunk], identity: Identity) -> Option<Standing> {
        let is = |at: &At| identity_at(chunks, *at) == Some(identity);
        let at = self.table.find(self.hasher.hash_one(Some(identity)), is)?;
        Standing::of(chunks, *at)
    }

    /// Lets a row, if it has an identity, have it as far as the others allow; the loser goes into `masks`.
    fn contend(&mut self, chunks: &[&Chunk], at: At, masks: &mut [Option<Mask>]) -> Result<()> {
        if let (Some(identity), Some(mine)) = (identity_at(chunks, at), Standing::of(chunks, at)) {
            self.reserve(chunks, 1)?;
            if let Some(loser) = self.enter(chunks, identity, mine) {
                drop_row(chunks, masks, loser);
            }
        }
        Ok(())
    }

    /// Lets a row have its identity; the answer is the row that does not have it, if there are two.
    fn enter(&mut self, chunks: &[&Chunk], identity: Identity, mine: Standing) -> Option<Standing> {
        let hasher = &self.hasher;
        let is = |at: &At| identity_at(chunks, *at) == Some(identity);
        let rehash = |at: &At| hasher.hash_one(identity_at(chunks, *at));
        match self.table.entry(hasher.hash_one(Some(identity)), is, rehash) {
            Entry::Vacant(e) => {
                e.insert((mine.chunk, mine.row));
                None
            }
            Entry::Occupied(mut e) => {
                let held = Standing::of(chunks, *e.get())?;
                let (winner, loser) = (held.max(mine), held.min(mine));
                *e.get_mut() = (winner.chunk, winner.row);
                Some(loser)
            }
        }
    }
}

/// Sends every row with an insert hash into `best`, the losers into `masks`.
fn contest(chunks: &[&Chunk], best: &mut Best, masks: &mut [Option<Mask>], tick: &mut dyn Tick) -> Result<()> {
    best.reserve(chunks, chunks.iter().map(|c| count_hashed(c)).sum())?;
    for (c, chunk) in chunks.iter().enumerate() {
        for row in 0..chunk.inserts.as_ref().map_or(0, |i| i.hash.len()) {
            if row % EVERY == 0 {
                tick.tick()?;
            }
            // Row numbers are u32 in every format, so neither cast cuts.
            best.contend(chunks, (c as u32, row as u32), masks)?;
        }
    }
    Ok(())
}

fn drop_row(chunks: &[&Chunk], masks: &mut [Option<Mask>], loser: Standing) {
    let at = loser.chunk as usize;
    if let (Some(chunk), Some(mask)) = (chunks.get(at), masks.get_mut(at)) {
        mask.get_or_insert_with(|| Mask::all(chunk.len()))
            .set(loser.row as usize, false);
    }
}

/// The rows of each chunk that stay; `None` = all of them. Chunks without `inserts` have no duplicates.
pub fn keep_masks(chunks: &[&Chunk], tick: &mut dyn Tick) -> Result<Vec<Option<Mask>>> {
    let mut masks = vec![None; chunks.len()];
    contest(chunks, &mut Best::default(), &mut masks, tick)?;
    Ok(masks)
}

/// Duplicates between a few small chunks (the delta) and many big ones (sealed segments) among which there are none.
///
/// The answer is that of [`keep_masks`] over the sealed chunks followed by the delta. Nearly always there are no duplicates,
/// so that rows are compared closely only where a bitmap of users and times leaves a doubt: collecting the delta is two
/// passes over it without a table of its rows.
pub struct Duplicates<'a> {
    delta: Vec<&'a Chunk>,
    /// Every row of the delta that has an identity and keeps it among the delta. Made when a sealed row is so much like one
    /// of them that their insert hashes have to be compared.
    best: OnceLock<Best>,
    /// Held by who makes it.
    making: Mutex<()>,
    /// Behind a lock, because sealed chunks are checked on any thread; losers are rare.
    masks: Mutex<Vec<Option<Mask>>>,
    /// Times of the delta's rows with an insert hash, by event, sorted.
    times: HashMap<u32, Vec<i64>>,
    pairs: Maybe,
}

impl<'a> Duplicates<'a> {
    /// Collects the delta.
    pub fn new(delta: &[&'a Chunk], tick: &mut dyn Tick) -> Result<Self> {
        let mut pairs = Maybe::new(delta.iter().map(|c| count_hashed(c)).sum())?;
        let mut times = Times::default();
        let mut doubts: Vec<At> = Vec::new();
        for (c, chunk) in delta.iter().enumerate() {
            let Some(inserts) = &chunk.inserts else { continue };
            let rows = inserts.hash.iter().zip(&chunk.time).zip(&chunk.user);
            for (row, ((hash, time), user)) in rows.enumerate() {
                if row % EVERY == 0 {
                    tick.tick()?;
                }
                if *hash == 0 {
                    continue;
                }
                if pairs.add(*user, *time) {
                    // Row numbers are u32 in every format, so neither cast cuts.
                    crate::intern::push(&mut doubts, (c as u32, row as u32))?;
                }
                times.push(chunk.event(row), *time)?;
            }
        }
        let times = times.sorted();
        Ok(Duplicates {
            delta: delta.to_vec(),
            best: OnceLock::new(),
            making: Mutex::default(),
            masks: Mutex::new(Self::among(delta, &doubts, tick)?),
            times,
            pairs,
        })
    }

    /// The rows of the delta that stay among themselves. `doubts` are rows of whose user and time others may be, each but
    /// the first of its like.
    fn among(delta: &[&Chunk], doubts: &[At], tick: &mut dyn Tick) -> Result<Vec<Option<Mask>>> {
        let mut masks = vec![None; delta.len()];
        if doubts.is_empty() {
            return Ok(masks);
        }
        let mut alike = Maybe::new(doubts.len())?;
        for at in doubts {
            if let Some((_, time, user, _)) = identity_at(delta, *at) {
                alike.add(user, time);
            }
        }
        let mut best = Best::default();
        best.reserve(delta, doubts.len())?;
        for (c, chunk) in delta.iter().enumerate() {
            for row in 0..chunk.len() {
                if row % EVERY == 0 {
                    tick.tick()?;
                }
                let (Some(user), Some(time)) = (chunk.user.get(row), chunk.time.get(row)) else {
                    break;
                };
                if alike.has(*user, *time) {
                    best.contend(delta, (c as u32, row as u32), &mut masks)?;
                }
            }
        }
        Ok(masks)
    }

    /// True when nothing of the delta can be a duplicate.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    fn best(&self, tick: &mut dyn Tick) -> Result<&Best> {
        if let Some(best) = self.best.get() {
            return Ok(best);
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(best) = self.best.get() {
            return Ok(best);
        }
        let mut best = Best::default();
        let mut masks = vec![None; self.delta.len()];
        contest(&self.delta, &mut best, &mut masks, tick)?;
        Ok(self.best.get_or_init(|| best))
    }

    /// Can rows of this event with times in `ts_min ..= ts_max` have duplicates in the delta? If not, a segment's insert
    /// hashes need not be read.
    pub fn may_touch(&self, event: u32, ts_min: i64, ts_max: i64) -> bool {
        self.times.get(&event).is_some_and(|t| {
            let from = t.partition_point(|x| *x < ts_min);
            t.get(from).is_some_and(|x| *x <= ts_max)
        })
    }

    /// Rows of a sealed chunk that have the event and time of a row of the delta and, most likely, its user.
    fn alike(&self, sealed: &Chunk) -> Result<Vec<usize>> {
        let mut rows: Vec<usize> = Vec::new();
        let mut of: (u32, &[i64]) = (0, &[]);
        for (row, (time, user)) in sealed.time.iter().zip(&sealed.user).enumerate() {
            let event = sealed.event(row);
            if row == 0 || event != of.0 {
                of = (event, self.times.get(&event).map(Vec::as_slice).unwrap_or_default());
            }
            let within = of.1.first().is_some_and(|t| t <= time) && of.1.last().is_some_and(|t| t >= time);
            if within && self.pairs.has(*user, *time) && of.1.binary_search(time).is_ok() {
                crate::intern::push(&mut rows, row)?;
            }
        }
        Ok(rows)
    }

    /// The rows of a sealed chunk that stay; `None` = all of them. Remembers which rows of the delta lose. `inserts` is
    /// asked for the insert hashes of the chunk, `None` = there are none, when users and times leave a doubt.
    pub fn check(
        &self,
        sealed: &Chunk,
        inserts: impl FnOnce() -> Result<Option<Inserts>>,
        tick: &mut dyn Tick,
    ) -> Result<Option<Mask>> {
        if self.is_empty() {
            return Ok(None);
        }
        let rows = self.alike(sealed)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let Some(inserts) = inserts()? else { return Ok(None) };
        let best = self.best(tick)?;
        let mut mask: Option<Mask> = None;
        for row in rows {
            let (Some(hash), Some(time), Some(user)) =
                (inserts.hash.get(row), sealed.time.get(row), sealed.user.get(row))
            else {
                break;
            };
            let Some(held) = best.get(&self.delta, (*hash, *time, *user, sealed.event(row))) else {
                continue;
            };
            if inserts.priority.get(row).is_some_and(|p| *p > held.priority) {
                let mut masks = self.masks.lock().unwrap_or_else(PoisonError::into_inner);
                drop_row(&self.delta, &mut masks, held);
            } else {
                mask.get_or_insert_with(|| Mask::all(sealed.len())).set(row, false);
            }
        }
        Ok(mask)
    }

    /// The rows of each delta chunk that stay, after every sealed chunk was checked; those of some event, after those of
    /// this event were. Checking a chunk again changes nothing.
    pub fn delta_masks(&self) -> Vec<Option<Mask>> {
        self.masks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests;
