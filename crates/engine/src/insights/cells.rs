//! A table of counts or sets, one cell per (segment, bucket) that has any.

use crate::error::{Error, Result};
use crate::gather::{Budget, push_within, zeroed};
use rustc_hash::FxHashMap;

/// Cells by (segment, bucket).
#[derive(Debug, Clone)]
pub struct Table<T> {
    index: Index,
    keys: Vec<u64>,
    cells: Vec<T>,
    /// Key and position of cells asked for lately, by some bits of the key.
    recent: Vec<(u64, usize)>,
}

#[derive(Debug, Clone)]
enum Index {
    /// Position + 1 per bucket, when there is one segment only.
    Dense(Vec<u32>),
    Hash(FxHashMap<u64, u32>),
}

/// Cells remembered; a power of two.
const RECENT: usize = 256;
const NO_KEY: u64 = u64::MAX;

/// Segment and bucket of a key.
pub fn parts(key: u64) -> (u32, usize) {
    ((key >> 32) as u32, key as u32 as usize)
}

impl<T: Default> Table<T> {
    /// No cells. `single` when every cell will be of segment 0.
    pub fn new(single: bool, buckets: usize, budget: &mut Budget) -> Result<Self> {
        let index = match single {
            true => Index::Dense(zeroed(buckets, budget)?),
            false => Index::Hash(FxHashMap::default()),
        };
        Ok(Table {
            index,
            keys: Vec::new(),
            cells: Vec::new(),
            recent: vec![(NO_KEY, 0); RECENT],
        })
    }

    /// The cell of a segment and bucket, made when it is not there.
    #[inline]
    pub fn slot(&mut self, segment: u32, bucket: usize, budget: &mut Budget) -> Result<&mut T> {
        let key = u64::from(segment) << 32 | bucket as u64;
        let hash = (segment as usize).wrapping_mul(31).wrapping_add(bucket) % RECENT;
        let at = match self.recent.get(hash) {
            Some((k, at)) if *k == key => *at,
            _ => {
                let at = self.position(key, budget)?;
                if let Some(r) = self.recent.get_mut(hash) {
                    *r = (key, at);
                }
                at
            }
        };
        self.cells
            .get_mut(at)
            .ok_or_else(|| Error::corrupt("insights: no such cell"))
    }

    fn position(&mut self, key: u64, budget: &mut Budget) -> Result<usize> {
        let known = match &self.index {
            Index::Dense(v) => v.get(parts(key).1).copied().unwrap_or(0).checked_sub(1),
            Index::Hash(m) => m.get(&key).copied(),
        };
        if let Some(at) = known {
            return Ok(at as usize);
        }
        let at = self.cells.len();
        let n = u32::try_from(at).map_err(|_| Error::corrupt("insights: too many cells"))?;
        match &mut self.index {
            Index::Dense(v) => {
                let entry = v
                    .get_mut(parts(key).1)
                    .ok_or_else(|| Error::corrupt("insights: no such bucket"))?;
                *entry = n + 1;
            }
            Index::Hash(m) => {
                budget.take(24)?;
                m.try_reserve(1).map_err(|_| Error::OutOfMemory("segments"))?;
                m.insert(key, n);
            }
        }
        push_within(&mut self.keys, key, budget)?;
        push_within(&mut self.cells, T::default(), budget)?;
        Ok(at)
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Every cell with its segment and bucket, in no particular order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, usize, &mut T)> {
        self.keys.iter().zip(&mut self.cells).map(|(k, c)| {
            let (segment, bucket) = parts(*k);
            (segment, bucket, c)
        })
    }
}
