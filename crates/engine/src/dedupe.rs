//! Which of several events with one identity stays.
//!
//! Identity is (event, user, time, insert hash); an event without an insert hash is never a duplicate. The highest
//! priority stays; of equal priorities, which one batch can only hold when its maker did not clean it, the later row.

use crate::chunk::{Chunk, Inserts};
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::tick::{EVERY, Tick};
use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashSet, HashTable};
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
            let mine = Standing::of(chunks, (c as u32, row as u32));
            if let (Some(identity), Some(mine)) = (identity(chunk, row), mine)
                && let Some(loser) = best.enter(chunks, identity, mine)
            {
                drop_row(chunks, masks, loser);
            }
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
/// The answer is that of [`keep_masks`] over the sealed chunks followed by the delta.
pub struct Duplicates<'a> {
    delta: Vec<&'a Chunk>,
    best: Best,
    /// Behind a lock, because sealed chunks are checked on any thread; losers are rare.
    masks: Mutex<Vec<Option<Mask>>>,
    /// Times of the delta's rows with an insert hash, by event, sorted.
    times: HashMap<u32, Vec<i64>>,
    /// (event, user, time) of these rows: the insert hashes of a segment are only asked for when it has any of them. Made
    /// when a segment may: mostly what waits is later than all of them. `None` = there was no memory.
    met: OnceLock<Option<HashSet<(u32, u32, i64)>>>,
    /// One bit per possible low end of a hash of those, so that most sealed rows need no look-up.
    bits: Vec<u64>,
}

impl<'a> Duplicates<'a> {
    /// Collects the delta.
    pub fn new(delta: &[&'a Chunk], tick: &mut dyn Tick) -> Result<Self> {
        let mut d = Duplicates {
            delta: delta.to_vec(),
            best: Best::default(),
            masks: Mutex::default(),
            times: HashMap::default(),
            met: OnceLock::new(),
            bits: Vec::new(),
        };
        let mut masks = vec![None; delta.len()];
        contest(delta, &mut d.best, &mut masks, tick)?;
        d.masks = Mutex::new(masks);
        let words = d.best.table.len().saturating_mul(16).div_ceil(64).next_power_of_two();
        d.bits
            .try_reserve_exact(words)
            .map_err(|_| Error::OutOfMemory("duplicates"))?;
        d.bits.resize(words, 0);
        let mut last = None;
        for (c, chunk) in delta.iter().enumerate() {
            for row in 0..chunk.len() {
                if row % EVERY == 0 {
                    tick.tick()?;
                }
                let Some((_, time, user, event)) = identity_at(delta, (c as u32, row as u32)) else {
                    continue;
                };
                let (word, bit) = Self::place(user, time, words);
                if let Some(w) = d.bits.get_mut(word) {
                    *w |= bit;
                }
                if last != Some((event, time)) {
                    last = Some((event, time));
                    crate::intern::push(d.times.entry(event).or_default(), time)?;
                }
            }
        }
        d.times.values_mut().for_each(|t| t.sort_unstable());
        Ok(d)
    }

    /// True when nothing of the delta can be a duplicate.
    pub fn is_empty(&self) -> bool {
        self.best.table.is_empty()
    }

    fn place(user: u32, time: i64, words: usize) -> (usize, u64) {
        // Odd factors with their bits well spread; the upper half of the product is the mixed one.
        let x = (time as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(user).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        let hash = x ^ x >> 32;
        ((hash >> 6) as usize & (words - 1), 1 << (hash & 63))
    }

    fn maybe(&self, event: u32, user: u32, time: i64) -> Result<bool> {
        let (word, bit) = Self::place(user, time, self.bits.len().max(1));
        if self.bits.get(word).is_none_or(|w| w & bit == 0) {
            return Ok(false);
        }
        let met = self.met.get_or_init(|| self.meet()).as_ref();
        let met = met.ok_or(Error::OutOfMemory("duplicates"))?;
        Ok(met.contains(&(event, user, time)))
    }

    fn meet(&self) -> Option<HashSet<(u32, u32, i64)>> {
        let mut met = HashSet::default();
        met.try_reserve(self.best.table.len()).ok()?;
        let rows = self.best.table.iter().filter_map(|at| identity_at(&self.delta, *at));
        met.extend(rows.map(|(_, time, user, event)| (event, user, time)));
        Some(met)
    }

    /// Can rows of this event with times in `ts_min ..= ts_max` have duplicates in the delta? If not, a segment's insert
    /// hashes need not be read.
    pub fn may_touch(&self, event: u32, ts_min: i64, ts_max: i64) -> bool {
        self.times.get(&event).is_some_and(|t| {
            let from = t.partition_point(|x| *x < ts_min);
            t.get(from).is_some_and(|x| *x <= ts_max)
        })
    }

    /// The rows of a sealed chunk that stay; `None` = all of them. Remembers which rows of the delta lose. `inserts` is
    /// asked for the insert hashes of the chunk, `None` = there are none, when users and times leave a doubt.
    pub fn check(&self, sealed: &Chunk, inserts: impl FnOnce() -> Result<Option<Inserts>>) -> Result<Option<Mask>> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut rows: Vec<usize> = Vec::new();
        for (row, (time, user)) in sealed.time.iter().zip(&sealed.user).enumerate() {
            if self.maybe(sealed.event(row), *user, *time)? {
                crate::intern::push(&mut rows, row)?;
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let Some(inserts) = inserts()? else { return Ok(None) };
        let mut mask: Option<Mask> = None;
        for row in rows {
            let (Some(hash), Some(time), Some(user)) =
                (inserts.hash.get(row), sealed.time.get(row), sealed.user.get(row))
            else {
                break;
            };
            let Some(held) = self.best.get(&self.delta, (*hash, *time, *user, sealed.event(row))) else {
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
mod tests {
    use super::*;
    use crate::chunk::Events;
    use crate::tick::NoTick;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Row = (u32, u32, i64, u64, i64);

    fn chunk(rows: &[Row]) -> Chunk {
        Chunk {
            events: Events::Each(rows.iter().map(|r| r.0).collect()),
            user: rows.iter().map(|r| r.1).collect(),
            time: rows.iter().map(|r| r.2).collect(),
            inserts: Some(Inserts {
                hash: rows.iter().map(|r| r.3).collect(),
                priority: rows.iter().map(|r| r.4).collect(),
            }),
            ..Chunk::default()
        }
    }

    fn naive(chunks: &[Vec<Row>]) -> Vec<Vec<bool>> {
        let mut best = BTreeMap::new();
        for (c, rows) in chunks.iter().enumerate() {
            for (i, r) in rows.iter().enumerate() {
                let held = best.entry((r.0, r.1, r.2, r.3)).or_insert((r.4, c, i));
                *held = (*held).max((r.4, c, i));
            }
        }
        let stays = |c: usize, i: usize, r: &Row| r.3 == 0 || best[&(r.0, r.1, r.2, r.3)] == (r.4, c, i);
        let each = chunks.iter().enumerate();
        each.map(|(c, rows)| rows.iter().enumerate().map(|(i, r)| stays(c, i, r)).collect())
            .collect()
    }

    fn bools(mask: &Option<Mask>, n: usize) -> Vec<bool> {
        (0..n).map(|i| mask.as_ref().is_none_or(|m| m.get(i))).collect()
    }

    fn row() -> impl Strategy<Value = Row> {
        (0u32..2, 0u32..3, 0i64..3, 0u64..4, -2i64..3)
    }

    proptest! {
        #[test]
        fn masks_agree_with_the_naive_way(
            rows in prop::collection::vec(prop::collection::vec(row(), 0..40), 0..5),
            without in 0usize..6,
        ) {
            let mut rows = rows;
            let mut chunks: Vec<Chunk> = rows.iter().map(|r| chunk(r)).collect();
            if let Some(c) = chunks.get_mut(without) {
                c.inserts = None;
                rows[without].iter_mut().for_each(|r| r.3 = 0);
            }
            let masks = keep_masks(&chunks.iter().collect::<Vec<_>>(), &mut NoTick).unwrap();
            let got: Vec<_> = masks.iter().zip(&rows).map(|(m, r)| bools(m, r.len())).collect();
            let want = naive(&rows);
            prop_assert!(masks.iter().flatten().all(|m| m.count() < m.len()), "a mask that drops nothing is None");
            prop_assert_eq!(got, want);
        }

        #[test]
        fn delta_against_sealed_is_the_same_as_all_at_once(
            sealed in prop::collection::vec(prop::collection::vec(row(), 0..40), 0..4),
            delta in prop::collection::vec(prop::collection::vec(row(), 0..20), 0..4),
        ) {
            // Segments hold no duplicates among themselves.
            let clean = naive(&sealed);
            let sealed: Vec<Vec<Row>> = sealed
                .iter()
                .zip(&clean)
                .map(|(rows, keep)| rows.iter().zip(keep).filter(|(_, k)| **k).map(|(r, _)| *r).collect())
                .collect();
            let all: Vec<Vec<Row>> = sealed.iter().chain(&delta).cloned().collect();
            let want = naive(&all);
            let sealed: Vec<Chunk> = sealed.iter().map(|r| chunk(r)).collect();
            let delta: Vec<Chunk> = delta.iter().map(|r| chunk(r)).collect();
            let d = Duplicates::new(&delta.iter().collect::<Vec<_>>(), &mut NoTick).unwrap();
            let mut got = Vec::new();
            for c in &sealed {
                let mut mask = None;
                let touches = (0..2).any(|e| {
                    let times = (0..c.len()).filter(|i| c.event(*i) == e).map(|i| c.time[i]);
                    let (lo, hi) = times.fold((i64::MAX, i64::MIN), |(a, b), t| (a.min(t), b.max(t)));
                    lo <= hi && d.may_touch(e, lo, hi)
                });
                if touches {
                    mask = d.check(c, || Ok(c.inserts.clone())).unwrap();
                }
                got.push(bools(&mask, c.len()));
            }
            got.extend(d.delta_masks().iter().zip(&delta).map(|(m, c)| bools(m, c.len())));
            prop_assert_eq!(got, want);
        }
    }

    #[test]
    fn only_ranges_with_delta_rows_are_touched() {
        let delta = chunk(&[(1, 1, 100, 7, 1), (1, 1, 300, 8, 1), (2, 1, 200, 0, 1)]);
        let d = Duplicates::new(&[&delta], &mut NoTick).unwrap();
        assert!(d.may_touch(1, 100, 100) && d.may_touch(1, 0, 1000));
        assert!(!d.may_touch(1, 101, 299) && !d.may_touch(1, 301, 999));
        assert!(
            !d.may_touch(2, 0, 1000),
            "rows without an insert hash have no duplicates"
        );
        assert!(!d.may_touch(3, 0, 1000));
    }
}
