//! What is remembered of rows that wait: their users and times as bits, and the times of each event.

use crate::error::{Error, Result, try_vec};
use hashbrown::HashMap;

/// Which (user, time) pairs may be there: a bitmap that errs for about one of a hundred others, with all bits of a pair in one
/// word (a blocked Bloom filter: Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007).
pub(super) struct Maybe {
    words: Vec<u64>,
}

/// Bits of a [`Maybe`] for each pair.
const BITS_PER_PAIR: usize = 16;

impl Maybe {
    pub(super) fn new(pairs: usize) -> Result<Self> {
        let n = pairs.saturating_mul(BITS_PER_PAIR).div_ceil(64).next_power_of_two();
        let mut words: Vec<u64> = try_vec(n, "duplicates")?;
        words.resize(n, 0);
        Ok(Maybe { words })
    }

    fn place(&self, user: u32, time: i64) -> (usize, u64) {
        // Odd factors with their bits well spread; the upper half of the product is the mixed one.
        let x = (time as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(user).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        let hash = (x ^ x >> 32).wrapping_mul(0xff51_afd7_ed55_8ccd);
        let bits = 1 << (hash >> 58) | 1 << (hash >> 52 & 63) | 1 << (hash >> 46 & 63);
        (hash as usize & self.words.len().saturating_sub(1), bits)
    }

    /// Adds a pair; true when it may have been there.
    pub(super) fn add(&mut self, user: u32, time: i64) -> bool {
        let (word, bits) = self.place(user, time);
        self.words.get_mut(word).is_some_and(|w| {
            let there = *w & bits == bits;
            *w |= bits;
            there
        })
    }

    pub(super) fn has(&self, user: u32, time: i64) -> bool {
        let (word, bits) = self.place(user, time);
        self.words.get(word).is_some_and(|w| w & bits == bits)
    }
}

/// Times by event, while they are collected.
#[derive(Default)]
pub(super) struct Times {
    lists: Vec<(u32, Vec<i64>)>,
    /// Where the list of an event is, plus one; of events with small numbers, which nearly all have.
    places: Vec<u32>,
    others: HashMap<u32, u32>,
}

impl Times {
    const SMALL: usize = 1 << 14;

    pub(super) fn push(&mut self, event: u32, time: i64) -> Result<()> {
        let place = match self.places.get(event as usize) {
            Some(place) => *place,
            None => self.others.get(&event).copied().unwrap_or(0),
        };
        let (_, list) = match self.lists.get_mut((place as usize).wrapping_sub(1)) {
            Some(list) => list,
            None => self.open(event)?,
        };
        // Many events of one instant are one.
        match list.last() {
            Some(last) if *last == time => Ok(()),
            _ => crate::intern::push(list, time),
        }
    }

    #[cold]
    fn open(&mut self, event: u32) -> Result<&mut (u32, Vec<i64>)> {
        crate::intern::push(&mut self.lists, (event, Vec::new()))?;
        let place = self.lists.len() as u32;
        if (event as usize) < Self::SMALL {
            crate::intern::pad_to(&mut self.places, event as usize + 1)?;
        }
        match self.places.get_mut(event as usize) {
            Some(p) => *p = place,
            None => {
                let reserved = self.others.try_reserve(1);
                reserved.map_err(|_| Error::OutOfMemory("duplicates"))?;
                self.others.insert(event, place);
            }
        }
        self.lists.last_mut().ok_or(Error::OutOfMemory("duplicates"))
    }

    pub(super) fn sorted(self) -> HashMap<u32, Vec<i64>> {
        let sorted = |(event, mut list): (u32, Vec<i64>)| {
            list.sort_unstable();
            (event, list)
        };
        self.lists.into_iter().map(sorted).collect()
    }
}
