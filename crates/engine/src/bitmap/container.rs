//! What can be asked of one container, and of two: everything about the lower 16 bits of ids.
//!
//! The bytes come from stored values and may be corrupt: then the answers are wrong, but nothing reads or writes past
//! the end, and nothing panics.

use super::view::{CONTAINER_WORDS, Container, fill};
use super::{kernels, runs};
use crate::error::Result;

/// One bit per id of a container.
pub(super) type Words = [u64; CONTAINER_WORDS];

#[inline]
pub(super) fn low(id: [u8; 2]) -> u16 {
    u16::from_le_bytes(id)
}

/// First and last id of a run.
#[inline]
pub(super) fn run(&[a, b, c, d]: &[u8; 4]) -> (u16, u16) {
    let first = u16::from_le_bytes([a, b]);
    (first, first.saturating_add(u16::from_le_bytes([c, d])))
}

#[inline]
fn bit(bits: &[[u8; 8]], id: u16) -> bool {
    bits.get(usize::from(id >> 6))
        .is_some_and(|w| u64::from_le_bytes(*w) >> (id & 63) & 1 == 1)
}

/// Bits `first ..= last` that are set.
fn ones(bits: &[[u8; 8]], first: u16, last: u16) -> u32 {
    let (from, to) = (usize::from(first >> 6), usize::from(last >> 6));
    let (head, tail) = (u64::MAX << (first & 63), u64::MAX >> (63 - (last & 63)));
    match bits.get(from..=to) {
        Some([w]) => (u64::from_le_bytes(*w) & head & tail).count_ones(),
        Some([a, middle @ .., b]) => {
            let ends = (u64::from_le_bytes(*a) & head).count_ones() + (u64::from_le_bytes(*b) & tail).count_ones();
            ends + middle.iter().map(|w| u64::from_le_bytes(*w).count_ones()).sum::<u32>()
        }
        _ => 0,
    }
}

impl Container<'_> {
    /// First and last id.
    pub(super) fn bounds(&self) -> (u16, u16) {
        match self {
            Container::Array(ids) => (
                ids.first().map_or(0, |id| low(*id)),
                ids.last().map_or(0, |id| low(*id)),
            ),
            Container::Bits(bits) => {
                let at = |i: usize, in_word: u32| i as u16 * 64 + in_word as u16;
                let word = |w: &[u8; 8]| u64::from_le_bytes(*w);
                let first = bits.iter().position(|w| word(w) != 0).unwrap_or(0);
                let last = bits.iter().rposition(|w| word(w) != 0).unwrap_or(0);
                let of = |i: usize| bits.get(i).map_or(0, word);
                (
                    at(first, of(first).trailing_zeros() & 63),
                    at(last, 63 - (of(last).leading_zeros() & 63)),
                )
            }
            Container::Runs(runs) => (
                runs.first().map_or(0, |r| run(r).0),
                runs.last().map_or(0, |r| run(r).1),
            ),
        }
    }

    /// Is `id` one of the ids?
    pub(super) fn contains(&self, id: u16) -> bool {
        match self {
            Container::Array(ids) => ids.binary_search_by_key(&id, |i| low(*i)).is_ok(),
            Container::Bits(bits) => bit(bits, id),
            Container::Runs(runs) => {
                let after = runs.partition_point(|r| run(r).0 <= id);
                let before = after.checked_sub(1).and_then(|i| runs.get(i));
                before.is_some_and(|r| run(r).1 >= id)
            }
        }
    }

    /// How many ids are smaller than or equal to `id`.
    pub(super) fn rank(&self, id: u16) -> u32 {
        match self {
            Container::Array(ids) => ids.partition_point(|i| low(*i) <= id) as u32,
            Container::Bits(bits) => ones(bits, 0, id),
            Container::Runs(runs) => runs
                .iter()
                .map(run)
                .take_while(|(first, _)| *first <= id)
                .map(|(first, last)| u32::from(last.min(id).saturating_sub(first)) + 1)
                .sum(),
        }
    }

    /// Calls `f` with first and last id of every stretch of neighbours.
    pub(super) fn try_for_each_range(&self, mut f: impl FnMut(u16, u16) -> Result<()>) -> Result<()> {
        match self {
            Container::Array(ids) => {
                let mut ids = ids.iter().map(|id| low(*id));
                let Some(mut first) = ids.next() else { return Ok(()) };
                let mut last = first;
                for id in ids {
                    if id.wrapping_sub(last) != 1 {
                        f(first, last)?;
                        first = id;
                    }
                    last = id;
                }
                f(first, last)
            }
            Container::Bits(bits) => {
                let mut open: Option<u16> = None;
                for (i, w) in bits.iter().enumerate() {
                    let base = i as u16 * 64;
                    // Bits where a stretch begins, or has ended just before.
                    let word = u64::from_le_bytes(*w);
                    let mut edges = word ^ (word << 1 | u64::from(open.is_some()));
                    while edges != 0 {
                        let at = base + edges.trailing_zeros() as u16;
                        match open.take() {
                            None => open = Some(at),
                            Some(first) => f(first, at.wrapping_sub(1))?,
                        }
                        edges &= edges - 1;
                    }
                }
                match open {
                    Some(first) => f(first, u16::MAX),
                    None => Ok(()),
                }
            }
            Container::Runs(runs) => runs.iter().map(run).try_for_each(|(first, last)| f(first, last)),
        }
    }

    /// Sets the bits of the ids.
    pub(super) fn or_into(&self, words: &mut Words) -> Result<()> {
        match self {
            Container::Array(ids) => {
                for id in *ids {
                    let id = low(*id);
                    if let Some(word) = words.get_mut(usize::from(id >> 6)) {
                        *word |= 1 << (id & 63);
                    }
                }
            }
            Container::Bits(bits) => {
                for (word, more) in words.iter_mut().zip(*bits) {
                    *word |= u64::from_le_bytes(*more);
                }
            }
            Container::Runs(runs) => {
                for r in *runs {
                    let (first, last) = run(r);
                    fill(words, u32::from(first), u32::from(last))?;
                }
            }
        }
        Ok(())
    }

    /// How many ids the two have in common.
    pub(super) fn common(&self, other: &Container<'_>) -> u32 {
        use Container::{Array, Bits, Runs};
        match (self, other) {
            (Array(a), Array(b)) => common_of_arrays(a, b),
            (Array(ids), Bits(bits)) | (Bits(bits), Array(ids)) => {
                ids.iter().map(|id| u32::from(bit(bits, low(*id)))).sum()
            }
            (Array(ids), Runs(runs)) | (Runs(runs), Array(ids)) => {
                let mut runs = runs.iter().map(run).peekable();
                let mut n = 0;
                for id in ids.iter().map(|id| low(*id)) {
                    while runs.next_if(|(_, last)| *last < id).is_some() {}
                    match runs.peek() {
                        Some((first, _)) => n += u32::from(*first <= id),
                        None => break,
                    }
                }
                n
            }
            (Bits(a), Bits(b)) => common_of_bits(a, b),
            (Bits(bits), Runs(runs)) | (Runs(runs), Bits(bits)) => {
                runs.iter().map(run).map(|(first, last)| ones(bits, first, last)).sum()
            }
            (Runs(a), Runs(b)) => runs::common(a, b),
        }
    }
}

/// Ids of the shorter of two arrays that are looked up in the other, when it is this many times longer.
const MUCH_LONGER: usize = 64;

fn common_of_arrays(a: &[[u8; 2]], b: &[[u8; 2]]) -> u32 {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if short.len() * MUCH_LONGER < long.len() {
        let long = Container::Array(long);
        return short.iter().map(|id| u32::from(long.contains(low(*id)))).sum();
    }
    kernels::common(a, b)
}

/// The ids two arrays have in common.
pub(super) fn intersect_arrays(a: &[[u8; 2]], b: &[[u8; 2]], out: &mut Vec<u16>) {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if short.len() * MUCH_LONGER < long.len() {
        let long = Container::Array(long);
        out.clear();
        out.extend(short.iter().map(|id| low(*id)).filter(|id| long.contains(*id)));
        return;
    }
    kernels::intersect(a, b, out);
}

fn common_of_bits(a: &[[u8; 8]], b: &[[u8; 8]]) -> u32 {
    let (Some(a), Some(b)) = (a.first_chunk::<CONTAINER_WORDS>(), b.first_chunk::<CONTAINER_WORDS>()) else {
        return a
            .iter()
            .zip(b)
            .map(|(x, y)| (u64::from_le_bytes(*x) & u64::from_le_bytes(*y)).count_ones())
            .sum();
    };
    kernels::count_common(a, b)
}
