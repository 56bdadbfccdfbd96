//! Sets of 32-bit ids: the value behind the SQL type `roaringbitmap`.
//!
//! A set travels and is stored in the portable format of the Roaring specification, which other databases and libraries
//! read. Pure: bytes and texts in, bytes and texts out. Nothing that comes in is believed before it is checked.

mod container;
mod kernels;
pub mod ops;
mod pair;
mod pieces;
mod ranges;
mod runs;
pub mod state;
pub mod text;
mod unite;
mod view;
pub mod wide;
mod writer;

pub use pieces::Pieces;
pub use view::View;

use crate::error::{Error, Result, try_vec};
use crate::tick::{EVERY, Tick};
use roaring::RoaringBitmap;

/// Containers a set can have: one for each value of the upper 16 bits of an id.
const MAX_CONTAINERS: usize = 1 << 16;

/// Bytes of the largest set in memory, per container.
const CONTAINER_BYTES: usize = 8192;

/// Ids sorted and merged at a time while a set is built.
const BATCH: usize = 1 << 16;

/// Results that may need more than this are only computed when the memory can be reserved.
const LARGE: usize = 32 << 20;

/// A set of `u32`. SQL's signed `integer` is the same 32 bits: -1 is the largest id.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bitmap(RoaringBitmap);

/// A set operation of two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    And,
    Or,
    Xor,
    /// In the left set and not in the right one.
    AndNot,
}

impl Bitmap {
    /// The set of `ids`, in any order, with or without repetitions.
    pub fn from_ids(ids: impl IntoIterator<Item = u32>, tick: &mut impl Tick) -> Result<Self> {
        let mut b = Builder::default();
        for id in ids {
            b.add(id, tick)?;
        }
        b.finish()
    }

    /// Reads the portable format. The whole slice must be one well-formed set: [`Error::Corrupt`] otherwise.
    pub fn from_portable(bytes: &[u8]) -> Result<Self> {
        // Bounds the declared number of containers by the bytes there are, before anything is allocated.
        View::new(bytes)?;
        if bytes.len() > LARGE {
            can_reserve(bytes.len())?;
        }
        let mut rest = bytes;
        let set = RoaringBitmap::deserialize_from(&mut rest).map_err(|e| Error::corrupt(format!("bitmap: {e}")))?;
        if !rest.is_empty() {
            return Err(Error::corrupt(format!("bitmap: {} bytes too many", rest.len())));
        }
        Ok(Bitmap(set))
    }

    /// Writes the portable format, with run containers where they are smaller.
    ///
    /// One set can have several encodings, so bytes that differ do not mean sets that differ; see [`same`].
    pub fn into_portable(mut self) -> Result<Vec<u8>> {
        self.0.optimize();
        let mut out = try_vec(self.0.serialized_size(), "bitmap")?;
        self.0
            .serialize_into(&mut out)
            .map_err(|e| Error::corrupt(format!("bitmap: {e}")))?;
        Ok(out)
    }

    /// `self op other`.
    pub fn apply(self, op: Op, other: Self) -> Result<Self> {
        let (mut a, b) = (self.0, other.0);
        let parts = containers(&a) + containers(&b);
        if parts.saturating_mul(CONTAINER_BYTES) > LARGE {
            can_reserve(parts.min(MAX_CONTAINERS).saturating_mul(CONTAINER_BYTES))?;
        }
        match op {
            Op::And => a &= b,
            Op::Or => a |= b,
            Op::Xor => a ^= b,
            Op::AndNot => a -= b,
        }
        Ok(Bitmap(a))
    }

    /// How many ids `self op other` has, without making it.
    pub fn cardinality_of(&self, op: Op, other: &Self) -> u64 {
        match op {
            Op::And => self.0.intersection_len(&other.0),
            Op::Or => self.0.union_len(&other.0),
            Op::Xor => self.0.symmetric_difference_len(&other.0),
            Op::AndNot => self.0.difference_len(&other.0),
        }
    }

    /// Number of ids.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// True for the set without ids.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is `id` in the set?
    pub fn contains(&self, id: u32) -> bool {
        self.0.contains(id)
    }

    /// Is every id of `other` in this set?
    pub fn contains_all(&self, other: &Self) -> bool {
        other.0.is_subset(&self.0)
    }

    /// Have the sets an id in common?
    pub fn intersects(&self, other: &Self) -> bool {
        !self.0.is_disjoint(&other.0)
    }

    /// The ids in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter()
    }
}

impl IntoIterator for Bitmap {
    type Item = u32;
    type IntoIter = roaring::bitmap::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Do two portable encodings mean the same set? Equal bytes are not even decoded.
pub fn same(a: &[u8], b: &[u8]) -> Result<bool> {
    if a == b {
        return Ok(true);
    }
    ops::same(&View::new(a)?, &View::new(b)?)
}

/// The portable format of the set of `ids`, in any order, with or without repetitions.
pub fn of_ids(mut ids: Vec<u32>) -> Result<Vec<u8>> {
    sort_ids(&mut ids);
    let mut out = Vec::new();
    ops::of_sorted(&ids, &mut out)?;
    Ok(out)
}

/// Sorts ids; those that come in order cost one look each.
fn sort_ids(ids: &mut [u32]) {
    if !ids.is_sorted() {
        ids.sort_unstable();
    }
}

fn containers(set: &RoaringBitmap) -> usize {
    set.statistics().n_containers as usize
}

/// Fails when `bytes` cannot be had now. The library allocates infallibly, so large work asks first.
fn can_reserve(bytes: usize) -> Result<()> {
    try_vec::<u8>(bytes, "bitmap").map(drop)
}

/// Collects ids in any order.
#[derive(Default)]
struct Builder {
    set: RoaringBitmap,
    batch: Vec<u32>,
}

impl Builder {
    fn add(&mut self, id: u32, tick: &mut impl Tick) -> Result<()> {
        if self.batch.len() == BATCH {
            self.flush();
        }
        if self.batch.len().is_multiple_of(EVERY) {
            tick.tick()?;
        }
        if self.batch.len() == self.batch.capacity() {
            let more = self.batch.capacity().clamp(16, BATCH);
            self.batch
                .try_reserve(more)
                .map_err(|_| Error::OutOfMemory("ids of a bitmap"))?;
        }
        self.batch.push(id);
        Ok(())
    }

    fn flush(&mut self) {
        add_ids(&mut self.set, &mut self.batch);
        self.batch.clear();
    }

    fn finish(mut self) -> Result<Bitmap> {
        self.flush();
        Ok(Bitmap(self.set))
    }
}

/// Adds `ids`, which are sorted on the way.
fn add_ids(set: &mut RoaringBitmap, ids: &mut Vec<u32>) {
    if !ids.is_sorted() {
        ids.sort_unstable();
    }
    ids.dedup();
    if set.max() < ids.first().copied() {
        // Everything is past the end: no need to look at what is there. Sorted, so nothing is left out.
        let _ = set.append(ids.iter().copied());
    } else if let Ok(new) = RoaringBitmap::from_sorted_iter(ids.iter().copied()) {
        *set |= new;
    }
}

#[cfg(test)]
mod tests;
