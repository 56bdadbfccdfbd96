//! Sets of 64-bit ids: the value behind the SQL type `roaringbitmap64`.
//!
//! ```text
//! parts u64 | (upper half of the ids u32 | a set of their lower halves in the 32-bit portable format)*
//! ```
//!
//! This is the 64-bit extension of the Roaring specification, little-endian; the parts ascend by their upper halves and
//! none is empty.

mod operations;

pub use operations::{
    apply, cardinality, cardinality_of, common, compact, compare, contains_all, from_narrow, hash, import, intersects,
    into_ids, of_ids, same, shift, slice, stats, to_narrow, with_range,
};

use super::View;
use crate::error::{Error, Result, try_vec};
use std::cmp::Ordering;

/// Bytes of the smallest part: its key and a set of one run.
const MIN_PART: usize = 4 + 4 + 1 + 4 + 2 + 4;

/// Ids that filling or flipping a range may add: a set of so many ids is hundreds of megabytes in runs already.
const MAX_FILL: u64 = 1 << 38;

/// A set of 64-bit ids whose number of parts fits its bytes; the parts are checked one after the other, as they are read.
#[derive(Debug, Clone, Copy)]
pub struct View64<'a> {
    bytes: &'a [u8],
    parts: u64,
    body: &'a [u8],
}

/// Where a part ends is only known when it was read.
struct Parts<'a> {
    left: u64,
    rest: &'a [u8],
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<(u32, View<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let part = self
            .rest
            .split_first_chunk::<4>()
            .ok_or_else(|| Error::corrupt("bitmap: a part is cut off"))
            .and_then(|(key, rest)| Ok((u32::from_le_bytes(*key), View::prefix(rest)?)));
        Some(match part {
            Ok((key, (view, rest))) => {
                self.rest = rest;
                Ok((key, view))
            }
            Err(e) => {
                self.left = 0;
                Err(e)
            }
        })
    }
}

fn split(id: u64) -> (u32, u32) {
    ((id >> 32) as u32, id as u32)
}

fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

impl<'a> View64<'a> {
    /// Reads the header. [`Error::Corrupt`] when it declares more than there can be.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        let (parts, body) = bytes
            .split_first_chunk::<8>()
            .ok_or_else(|| Error::corrupt("bitmap: the header is cut off"))?;
        let parts = u64::from_le_bytes(*parts);
        if parts > (body.len() / MIN_PART) as u64 {
            return Err(Error::corrupt("bitmap: more parts than there is room for"));
        }
        Ok(View64 { bytes, parts, body })
    }

    fn parts(&self) -> Parts<'a> {
        Parts {
            left: self.parts,
            rest: self.body,
        }
    }

    /// True for the set without ids.
    pub fn is_empty(&self) -> bool {
        self.parts == 0
    }

    /// Number of ids.
    pub fn cardinality(&self) -> Result<u64> {
        let mut n = 0u64;
        for part in self.parts() {
            n = n.saturating_add(part?.1.cardinality());
        }
        Ok(n)
    }

    /// Number of parts and of the containers in them.
    pub fn containers(&self) -> Result<(u64, u64)> {
        let mut n = 0;
        for part in self.parts() {
            n += part?.1.containers() as u64;
        }
        Ok((self.parts, n))
    }

    /// The 32-bit sets with the upper halves of their ids.
    pub fn try_for_each_part(&self, mut f: impl FnMut(u32, View<'a>) -> Result<()>) -> Result<()> {
        self.parts()
            .try_for_each(|part| part.and_then(|(key, view)| f(key, view)))
    }

    /// Is `id` in the set?
    pub fn contains(&self, id: u64) -> Result<bool> {
        let (high, low) = split(id);
        for part in self.parts() {
            let (key, view) = part?;
            if key >= high {
                return if key == high { view.contains(low) } else { Ok(false) };
            }
        }
        Ok(false)
    }

    /// How many ids are smaller than or equal to `id`.
    pub fn rank(&self, id: u64) -> Result<u64> {
        let (high, low) = split(id);
        let mut n = 0;
        for part in self.parts() {
            let (key, view) = part?;
            match key.cmp(&high) {
                Ordering::Less => n += view.cardinality(),
                Ordering::Equal => return Ok(n + view.rank(low)?),
                Ordering::Greater => break,
            }
        }
        Ok(n)
    }

    /// The smallest id.
    pub fn min(&self) -> Result<Option<u64>> {
        match self.parts().next().transpose()? {
            Some((key, view)) => Ok(view.min()?.map(|low| join(key, low))),
            None => Ok(None),
        }
    }

    /// The largest id.
    pub fn max(&self) -> Result<Option<u64>> {
        let mut last = None;
        for part in self.parts() {
            last = Some(part?);
        }
        match last {
            Some((key, view)) => Ok(view.max()?.map(|low| join(key, low))),
            None => Ok(None),
        }
    }

    /// Calls `f` with every id, ascending in a well-formed set; stops at the first error.
    pub fn try_for_each(&self, mut f: impl FnMut(u64) -> Result<()>) -> Result<()> {
        self.try_for_each_part(|key, view| view.try_for_each(|low| f(join(key, low))))
    }

    /// Checks everything: what follows the parts, their order, and each of them down to its ids.
    pub fn check(&self) -> Result<()> {
        let mut parts = self.parts();
        let mut before = None;
        for part in &mut parts {
            let (key, view) = part?;
            if before >= Some(key) {
                return Err(Error::corrupt("bitmap: parts out of order"));
            }
            if view.is_empty() {
                return Err(Error::corrupt("bitmap: an empty part"));
            }
            view.check()?;
            before = Some(key);
        }
        match parts.rest.len() {
            0 => Ok(()),
            n => Err(Error::corrupt(format!("bitmap: {n} bytes too many"))),
        }
    }
}

/// Writes part after part.
pub(super) struct Writer64 {
    out: Vec<u8>,
    parts: u64,
}

impl Writer64 {
    pub(super) fn with_room(bytes: usize) -> Result<Self> {
        let mut out = try_vec(bytes.saturating_add(8), "bitmap")?;
        out.extend_from_slice(&[0; 8]);
        Ok(Writer64 { out, parts: 0 })
    }

    /// `write` appends a set that is not empty.
    fn part(&mut self, key: u32, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        self.out.extend_from_slice(&key.to_le_bytes());
        write(&mut self.out)?;
        self.parts += 1;
        Ok(())
    }

    pub(super) fn copy(&mut self, key: u32, set: &[u8]) -> Result<()> {
        self.part(key, |out| {
            out.try_reserve(set.len()).map_err(|_| Error::OutOfMemory("bitmap"))?;
            out.extend_from_slice(set);
            Ok(())
        })
    }

    /// As [`Writer64::copy`], unless the set is empty.
    pub(super) fn copy_some(&mut self, key: u32, set: &[u8]) -> Result<()> {
        if View::new(set)?.is_empty() {
            return Ok(());
        }
        self.copy(key, set)
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        if let Some(parts) = self.out.first_chunk_mut::<8>() {
            *parts = self.parts.to_le_bytes();
        }
        self.out
    }
}
