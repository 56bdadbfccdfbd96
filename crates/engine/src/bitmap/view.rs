//! Questions answered from the portable bytes alone, without decoding the set.

use super::MAX_CONTAINERS;
use crate::error::{Error, Result};

/// Cookie of a set without run containers; the number of containers follows.
const COOKIE_PLAIN: u32 = 12346;
/// Lower half of the cookie of a set with run containers; the upper half is the number of containers less one.
const COOKIE_RUNS: u16 = 12347;
/// Sets with run containers have a table of offsets from this many containers on.
const OFFSETS_FROM: usize = 4;
/// More ids than this in a container are a bit map of 8 kB, fewer a sorted array.
const ARRAY_LIMIT: u32 = 4096;

/// A portable set whose header fits its bytes; the containers themselves are not checked.
///
/// ```text
/// no runs   cookie u32 | containers u32 | (key u16, cardinality - 1 u16)* | offset u32 *            | containers
/// runs      cookie u16, containers - 1 u16 | run bits | (key, cardinality - 1)* | offset* from 4 on | containers
/// ```
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    bytes: &'a [u8],
    /// One bit per container; empty when no container is a run container.
    runs: &'a [u8],
    descriptions: &'a [[u8; 4]],
    /// Where each container begins; `None` when the first begins at `body` and the others follow.
    offsets: Option<&'a [[u8; 4]]>,
    body: usize,
}

impl<'a> View<'a> {
    /// Reads the header. [`Error::Corrupt`] when it is not one or when it declares more than there is.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        let short = || Error::corrupt("bitmap: the header is cut off");
        let (cookie, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
        let cookie = u32::from_le_bytes(*cookie);
        let (count, runs, rest) = if cookie == COOKIE_PLAIN {
            let (n, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
            (u32::from_le_bytes(*n) as usize, &[][..], rest)
        } else if cookie as u16 == COOKIE_RUNS {
            let n = (cookie >> 16) as usize + 1;
            let (runs, rest) = rest.split_at_checked(n.div_ceil(8)).ok_or_else(short)?;
            (n, runs, rest)
        } else {
            return Err(Error::corrupt("bitmap: not the portable format"));
        };
        if count > MAX_CONTAINERS {
            return Err(Error::corrupt("bitmap: too many containers"));
        }
        let (descriptions, mut rest) = rest.split_at_checked(count * 4).ok_or_else(short)?;
        let mut offsets = None;
        if runs.is_empty() || count >= OFFSETS_FROM {
            let (o, r) = rest.split_at_checked(count * 4).ok_or_else(short)?;
            offsets = Some(o.as_chunks().0);
            rest = r;
        }
        Ok(View {
            bytes,
            runs,
            descriptions: descriptions.as_chunks().0,
            offsets,
            body: bytes.len() - rest.len(),
        })
    }

    /// Number of ids as the header has it; for a set that was checked, its true number.
    pub fn cardinality(&self) -> u64 {
        self.descriptions
            .iter()
            .map(|&[_, _, lo, hi]| u64::from(u16::from_le_bytes([lo, hi])) + 1)
            .sum()
    }

    /// True for the set without ids.
    pub fn is_empty(&self) -> bool {
        self.descriptions.is_empty()
    }

    /// Is `id` in the set? Looks at one container only.
    pub fn contains(&self, id: u32) -> Result<bool> {
        let (key, low) = ((id >> 16) as u16, id as u16);
        let Ok(i) = self
            .descriptions
            .binary_search_by_key(&key, |&[lo, hi, _, _]| u16::from_le_bytes([lo, hi]))
        else {
            return Ok(false);
        };
        let cut = || Error::corrupt("bitmap: a container is cut off");
        let body = self.bytes.get(self.start(i)?..).ok_or_else(cut)?;
        if self.is_run(i) {
            let (n, runs) = body.split_first_chunk::<2>().ok_or_else(cut)?;
            let runs = runs.get(..usize::from(u16::from_le_bytes(*n)) * 4).ok_or_else(cut)?;
            let runs: &[[u8; 4]] = runs.as_chunks().0;
            let after = runs.partition_point(|&[lo, hi, _, _]| u16::from_le_bytes([lo, hi]) <= low);
            let run = after.checked_sub(1).and_then(|i| runs.get(i));
            return Ok(run.is_some_and(|&[a, b, c, d]| {
                let into = low.checked_sub(u16::from_le_bytes([a, b]));
                into.is_some_and(|into| into <= u16::from_le_bytes([c, d]))
            }));
        }
        let n = self.size(i);
        if n <= ARRAY_LIMIT {
            let values = body.get(..n as usize * 2).ok_or_else(cut)?;
            let values: &[[u8; 2]] = values.as_chunks().0;
            Ok(values.binary_search_by_key(&low, |v| u16::from_le_bytes(*v)).is_ok())
        } else {
            let byte = body.get(usize::from(low / 8)).ok_or_else(cut)?;
            Ok(byte >> (low % 8) & 1 == 1)
        }
    }

    fn is_run(&self, i: usize) -> bool {
        self.runs.get(i / 8).is_some_and(|b| b >> (i % 8) & 1 == 1)
    }

    /// Ids of container `i`; 0 past the end.
    fn size(&self, i: usize) -> u32 {
        self.descriptions
            .get(i)
            .map_or(0, |&[_, _, lo, hi]| u32::from(u16::from_le_bytes([lo, hi])) + 1)
    }

    /// First byte of container `i`.
    fn start(&self, i: usize) -> Result<usize> {
        if let Some(offsets) = self.offsets {
            return Ok(offsets.get(i).map_or(0, |o| u32::from_le_bytes(*o) as usize));
        }
        // At most two containers to step over.
        let mut at = self.body;
        for k in 0..i {
            at += if self.is_run(k) {
                let n = self.bytes.get(at..).and_then(|b| b.first_chunk::<2>());
                let n = n.ok_or_else(|| Error::corrupt("bitmap: a container is cut off"))?;
                2 + usize::from(u16::from_le_bytes(*n)) * 4
            } else if self.size(k) <= ARRAY_LIMIT {
                self.size(k) as usize * 2
            } else {
                8192
            };
        }
        Ok(at)
    }
}
