//! A fixed-length set of row numbers: which rows of a chunk a selector picked.

use crate::error::Result;
use crate::tick::{EVERY, Tick};
use std::ops::Range;

/// One bit per row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mask {
    words: Vec<u64>,
    len: usize,
}

impl Mask {
    /// `len` rows, none picked.
    pub fn none(len: usize) -> Self {
        Mask {
            words: vec![0; len.div_ceil(64)],
            len,
        }
    }

    /// `len` rows, all picked.
    pub fn all(len: usize) -> Self {
        let mut m = Mask {
            words: vec![u64::MAX; len.div_ceil(64)],
            len,
        };
        m.trim();
        m
    }

    /// Picks row `i` when `f(i)`.
    pub fn from_fn(len: usize, mut f: impl FnMut(usize) -> bool) -> Self {
        let mut m = Mask::none(len);
        for (w, word) in m.words.iter_mut().enumerate() {
            let base = w * 64;
            for bit in 0..64.min(len - base) {
                *word |= u64::from(f(base + bit)) << bit;
            }
        }
        m
    }

    fn trim(&mut self) {
        let tail = self.len % 64;
        if tail != 0
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1u64 << tail) - 1;
        }
    }

    /// Number of rows, picked or not.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there are no rows at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Is row `i` picked? False past the end.
    pub fn get(&self, i: usize) -> bool {
        self.words.get(i / 64).is_some_and(|w| w >> (i % 64) & 1 == 1)
    }

    /// Picks or drops row `i`; nothing happens past the end.
    pub fn set(&mut self, i: usize, on: bool) {
        if i < self.len
            && let Some(w) = self.words.get_mut(i / 64)
        {
            *w = *w & !(1 << (i % 64)) | u64::from(on) << (i % 64);
        }
    }

    /// Number of picked rows.
    pub fn count(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// True when every row is picked.
    pub fn is_all(&self) -> bool {
        self.count() == self.len
    }

    /// True when at least one row is picked.
    pub fn any(&self) -> bool {
        self.words.iter().any(|w| *w != 0)
    }

    /// True when every row is picked.
    pub fn is_full(&self) -> bool {
        self.count() == self.len
    }

    /// The words that hold `rows`, with the bits outside of it cleared, and the row of each word's first bit.
    fn words_of(&self, rows: Range<usize>) -> impl Iterator<Item = (usize, u64)> + '_ {
        let (from, to) = (rows.start, rows.end.min(self.len).max(rows.start));
        let first = from / 64;
        let words = self.words.get(first..to.div_ceil(64)).unwrap_or(&[]);
        words.iter().enumerate().map(move |(i, w)| {
            let base = (first + i) * 64;
            let low = if base < from {
                u64::MAX << (from - base)
            } else {
                u64::MAX
            };
            let high = if base + 64 > to {
                (1u64 << (to - base)) - 1
            } else {
                u64::MAX
            };
            (base, w & low & high)
        })
    }

    /// Number of picked rows in a range.
    pub fn count_in(&self, rows: Range<usize>) -> usize {
        self.words_of(rows).map(|(_, w)| w.count_ones() as usize).sum()
    }

    /// The picked rows of a range, in order.
    pub fn ones_in(&self, rows: Range<usize>) -> impl Iterator<Item = usize> + '_ {
        self.words_of(rows).flat_map(|(base, word)| {
            let mut w = word;
            std::iter::from_fn(move || {
                if w == 0 {
                    return None;
                }
                let bit = w.trailing_zeros() as usize;
                w &= w - 1;
                Some(base + bit)
            })
        })
    }

    /// Keeps the rows that `other` picks as well.
    pub fn and(&mut self, other: &Mask) {
        for (i, w) in self.words.iter_mut().enumerate() {
            *w &= other.words.get(i).copied().unwrap_or(0);
        }
    }

    /// Adds the rows that `other` picks.
    pub fn or(&mut self, other: &Mask) {
        for (w, o) in self.words.iter_mut().zip(&other.words) {
            *w |= o;
        }
        self.trim();
    }

    /// Picks what was not picked.
    pub fn not(&mut self) {
        for w in &mut self.words {
            *w = !*w;
        }
        self.trim();
    }

    /// Keeps the picked rows for which `f` holds; asks `tick` as it goes.
    pub fn retain(&mut self, tick: &mut dyn Tick, mut f: impl FnMut(usize) -> bool) -> Result<()> {
        for (block, words) in self.words.chunks_mut(EVERY / 64).enumerate() {
            tick.tick()?;
            for (w, word) in words.iter_mut().enumerate() {
                let base = block * EVERY + w * 64;
                let mut kept = 0;
                if *word == u64::MAX {
                    for bit in 0..64 {
                        kept |= u64::from(f(base + bit)) << bit;
                    }
                } else {
                    let mut left = *word;
                    while left != 0 {
                        let bit = left.trailing_zeros() as usize;
                        left &= left - 1;
                        kept |= u64::from(f(base + bit)) << bit;
                    }
                }
                *word = kept;
            }
        }
        Ok(())
    }

    /// The picked rows in order.
    pub fn ones(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(i, &w)| {
            let mut w = w;
            std::iter::from_fn(move || {
                if w == 0 {
                    return None;
                }
                let bit = w.trailing_zeros() as usize;
                w &= w - 1;
                Some(i * 64 + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::NoTick;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn mask_is_a_set_of_rows(
            a in proptest::collection::vec(any::<bool>(), 0..200), flip in any::<u8>(), from in 0usize..210, to in 0usize..210,
        ) {
            let n = a.len();
            let m = Mask::from_fn(n, |i| a[i]);
            prop_assert_eq!(m.ones().collect::<Vec<_>>(), (0..n).filter(|i| a[*i]).collect::<Vec<_>>());
            prop_assert_eq!(m.count(), a.iter().filter(|x| **x).count());
            prop_assert_eq!(m.is_full(), a.iter().all(|x| *x));
            let part: Vec<usize> = (from..to.min(n)).filter(|i| a[*i]).collect();
            prop_assert_eq!(m.count_in(from..to), part.len());
            prop_assert_eq!(m.ones_in(from..to).collect::<Vec<_>>(), part);
            let mut inv = m.clone();
            inv.not();
            prop_assert_eq!(inv.count(), n - m.count());
            let mut both = m.clone();
            both.or(&inv);
            prop_assert_eq!(&both, &Mask::all(n));
            both.and(&m);
            prop_assert_eq!(&both, &m);
            let mut kept = m.clone();
            kept.retain(&mut NoTick, |i| i % 3 == 0).unwrap();
            prop_assert_eq!(&kept, &Mask::from_fn(n, |i| a[i] && i % 3 == 0));
            let at = flip as usize;
            both.set(at, true);
            prop_assert_eq!(both.get(at), at < n);
        }
    }
}
