//! Rows in any order become parts; a few rows more are merged into a part that is there.

use super::{FIRST, PART_BITS, Part, Ranks, part_of};
use crate::chunk::SubjectNo;
use crate::error::{Error, Result};
use crate::gather::{Budget, push_within};
use crate::tick::{EVERY, Tick};
use hashbrown::HashMap;

/// One event as a number that sorts by (user, time, event name).
const MS_BITS: u32 = 28;
const RANK_BITS: u32 = 20;
const LOW: u32 = (1 << PART_BITS) - 1;

#[inline]
fn key(user: SubjectNo, ms: u32, rank: u32) -> Result<u64> {
    if ms >= FIRST || rank >= 1 << RANK_BITS {
        return Err(Error::corrupt("time of an event outside of its day"));
    }
    Ok(u64::from(user & LOW) << (MS_BITS + RANK_BITS) | u64::from(ms) << RANK_BITS | u64::from(rank))
}

#[inline]
fn user(key: u64) -> u32 {
    (key >> (MS_BITS + RANK_BITS)) as u32
}

#[inline]
fn ms(key: u64) -> u32 {
    (key >> RANK_BITS) as u32 & ((1 << MS_BITS) - 1)
}

#[inline]
fn rank(key: u64) -> u32 {
    key as u32 & ((1 << RANK_BITS) - 1)
}

/// The events of one part, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sorted {
    keys: Vec<u64>,
}

impl Sorted {
    /// From keys in order.
    pub(super) fn from_keys(keys: Vec<u64>) -> Self {
        Sorted { keys }
    }

    /// The key of the same event of another user.
    pub(super) fn under(user: SubjectNo, key: u64) -> u64 {
        u64::from(user & LOW) << (MS_BITS + RANK_BITS) | key & ((1 << (MS_BITS + RANK_BITS)) - 1)
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The columns of a part.
    pub fn part(&self, ranks: &Ranks, into: &mut Part) -> Result<()> {
        let oom = |_| Error::OutOfMemory("a part of the stream");
        into.clear();
        into.n = self.keys.len();
        into.times.try_reserve(into.n).map_err(oom)?;
        into.events.try_reserve(into.n).map_err(oom)?;
        for run in self.keys.chunk_by(|a, b| user(*a) == user(*b)) {
            let Some(first) = run.first() else { continue };
            into.users.try_reserve(1).map_err(oom)?;
            into.users.push(user(*first));
            into.lengths.try_reserve(1).map_err(oom)?;
            into.lengths.push(run.len() as u32);
            into.times.push(FIRST | ms(*first));
            into.times
                .extend(run.iter().zip(run.iter().skip(1)).map(|(a, b)| ms(*b) - ms(*a)));
            into.events.extend(run.iter().map(|k| ranks.event(rank(*k))));
        }
        Ok(())
    }
}

/// Gathers events of any days, in any order.
pub struct Builder<'a> {
    ranks: &'a Ranks,
    found: HashMap<(u32, i32), usize>,
    parts: Vec<((u32, i32), Vec<u64>)>,
    last: usize,
    budget: Budget,
}

impl<'a> Builder<'a> {
    /// Nothing yet; at most `memory` bytes will be held.
    pub fn new(ranks: &'a Ranks, memory: usize) -> Self {
        Builder {
            ranks,
            found: HashMap::new(),
            parts: Vec::new(),
            last: usize::MAX,
            budget: Budget::new(memory),
        }
    }

    /// Adds an event, `ms` milliseconds after its day began. Events without a user are not part of a stream.
    #[inline]
    pub fn push(&mut self, user: SubjectNo, day: i32, ms: u32, event: u32) -> Result<()> {
        if user == 0 {
            return Ok(());
        }
        let key = key(user, ms, self.ranks.rank(event)?)?;
        let place = (part_of(user), day);
        if self.parts.get(self.last).is_none_or(|(p, _)| *p != place) {
            self.last = self.find(place)?;
        }
        match self.parts.get_mut(self.last) {
            Some((_, keys)) => push_within(keys, key, &mut self.budget),
            None => Ok(()),
        }
    }

    fn find(&mut self, place: (u32, i32)) -> Result<usize> {
        if let Some(at) = self.found.get(&place) {
            return Ok(*at);
        }
        self.found
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory("parts of the stream"))?;
        let at = self.parts.len();
        push_within(&mut self.parts, (place, Vec::new()), &mut self.budget)?;
        self.found.insert(place, at);
        Ok(at)
    }

    /// The parts by (part, day), each sorted.
    pub fn finish(mut self, tick: &mut dyn Tick) -> Result<Vec<((u32, i32), Sorted)>> {
        self.parts.sort_unstable_by_key(|(place, _)| *place);
        let mut out = crate::error::try_vec(self.parts.len(), "parts of the stream")?;
        for (place, mut keys) in self.parts {
            // A sort can't be stopped, and does not need to be: it takes milliseconds for a part.
            tick.tick()?;
            keys.sort_unstable();
            out.push((place, Sorted { keys }));
        }
        Ok(out)
    }
}

/// A row that waits and is to be merged into a stored part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extra {
    key: u64,
    /// It has an insert id, so it may be the same event as one that is stored.
    hashed: bool,
}

impl Extra {
    /// A waiting event of a user in the part.
    pub fn new(user: SubjectNo, ms: u32, event: u32, hashed: bool, ranks: &Ranks) -> Result<Self> {
        Ok(Extra {
            key: key(user, ms, ranks.rank(event)?)?,
            hashed,
        })
    }
}

/// Calls `each` with the low bits of every user of a part and the keys of the user's events, in order.
pub(super) fn keys_of(part: &Part, ranks: &Ranks, each: &mut dyn FnMut(u32, &[u64]) -> Result<()>) -> Result<()> {
    let mut events = part.events.iter().zip(&part.times);
    let mut keys: Vec<u64> = Vec::new();
    for (u, length) in part.users.iter().zip(&part.lengths) {
        keys.clear();
        keys.try_reserve(*length as usize)
            .map_err(|_| Error::OutOfMemory("a part of the stream"))?;
        let mut at = 0u32;
        for (event, time) in events.by_ref().take(*length as usize) {
            at = if time & FIRST != 0 {
                time ^ FIRST
            } else {
                at.wrapping_add(*time)
            };
            keys.push(key(*u, at, ranks.rank(*event)?)?);
        }
        each(*u, &keys)?;
    }
    Ok(())
}

/// Merges sorted rows into a part. `None` when one of them might be a duplicate of a stored event: both have one user, time
/// and name, and only the segments know whether also one insert id.
pub fn merge(stored: &Part, extra: &[Extra], ranks: &Ranks, tick: &mut dyn Tick) -> Result<Option<Sorted>> {
    let mut keys: Vec<u64> = crate::error::try_vec(stored.n.saturating_add(extra.len()), "a part of the stream")?;
    let mut more = extra.iter().peekable();
    let (mut since, mut doubt) = (0, false);
    keys_of(stored, ranks, &mut |_, of_user| {
        since += of_user.len();
        if since >= EVERY {
            since = 0;
            tick.tick()?;
        }
        for key in of_user {
            while let Some(e) = more.next_if(|e| e.key <= *key) {
                doubt |= e.key == *key && e.hashed;
                keys.push(e.key);
            }
            keys.push(*key);
        }
        Ok(())
    })?;
    if doubt {
        return Ok(None);
    }
    keys.extend(more.map(|e| e.key));
    Ok(Some(Sorted { keys }))
}
