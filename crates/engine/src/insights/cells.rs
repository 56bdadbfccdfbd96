//! A table of whatever is counted, one cell per (line, bucket) that has any: a line is a segment, or a combination of
//! segments that single events are in.

use crate::breakdown::MAX_SEGMENTS;
use crate::error::{Error, Result};
use crate::gather::{Budget, push_within, zeroed};
use rustc_hash::FxHashMap;

/// Cells by (line, bucket).
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
    /// Position + 1 per bucket, when there is one line only.
    Dense(Vec<u32>),
    /// Position + 1 per segment, when there is one bucket only; lines of several segments are hashed.
    Lines(Vec<u32>, FxHashMap<u64, u32>),
    Hash(FxHashMap<u64, u32>),
}

/// Cells remembered; a power of two.
const RECENT: usize = 256;
const NO_KEY: u64 = u64::MAX;

/// Line and bucket of a key.
pub fn parts(key: u64) -> (u32, usize) {
    ((key >> 32) as u32, key as u32 as usize)
}

impl<T: Default> Table<T> {
    /// No cells. `single` when every cell will be of segment 0.
    pub fn new(single: bool, buckets: usize, budget: &mut Budget) -> Result<Self> {
        let index = match single {
            true => Index::Dense(zeroed(buckets, budget)?),
            false if buckets == 1 => Index::Lines(Vec::new(), FxHashMap::default()),
            false => Index::Hash(FxHashMap::default()),
        };
        Ok(Table {
            index,
            keys: Vec::new(),
            cells: Vec::new(),
            recent: vec![(NO_KEY, 0); RECENT],
        })
    }

    /// The cell of a line and bucket, made when it is not there.
    #[inline]
    pub fn slot(&mut self, line: u32, bucket: usize, budget: &mut Budget) -> Result<&mut T> {
        let at = self.place(line, bucket, budget)?;
        self.cells
            .get_mut(at)
            .ok_or_else(|| Error::corrupt("insights: no such cell"))
    }

    /// The position of a cell, made when it is not there; it stays the same from then on.
    #[inline]
    pub fn place(&mut self, line: u32, bucket: usize, budget: &mut Budget) -> Result<usize> {
        let key = u64::from(line) << 32 | bucket as u64;
        let hash = (line as usize).wrapping_mul(31).wrapping_add(bucket) % RECENT;
        if let Some((k, at)) = self.recent.get(hash)
            && *k == key
        {
            return Ok(*at);
        }
        let at = self.position(key, budget)?;
        if let Some(r) = self.recent.get_mut(hash) {
            *r = (key, at);
        }
        Ok(at)
    }

    /// The cell at a position.
    #[inline]
    pub fn at(&mut self, position: usize) -> Option<&mut T> {
        self.cells.get_mut(position)
    }

    fn position(&mut self, key: u64, budget: &mut Budget) -> Result<usize> {
        let known = match &self.index {
            Index::Dense(v) => v.get(parts(key).1).copied().unwrap_or(0).checked_sub(1),
            Index::Lines(v, m) => match parts(key).0 {
                line if line < MAX_SEGMENTS => v.get(line as usize).copied().unwrap_or(0).checked_sub(1),
                _ => m.get(&key).copied(),
            },
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
            Index::Lines(v, _) if parts(key).0 < MAX_SEGMENTS => {
                let line = parts(key).0 as usize;
                while v.len() <= line {
                    push_within(v, 0, budget)?;
                }
                if let Some(entry) = v.get_mut(line) {
                    *entry = n + 1;
                }
            }
            Index::Lines(_, m) | Index::Hash(m) => {
                budget.take(24)?;
                m.try_reserve(1).map_err(|_| Error::OutOfMemory("segments"))?;
                m.insert(key, n);
            }
        }
        push_within(&mut self.keys, key, budget)?;
        push_within(&mut self.cells, T::default(), budget)?;
        Ok(at)
    }

    /// The cell at a position, to look at.
    pub fn peek(&self, position: usize) -> Option<&T> {
        self.cells.get(position)
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Line and bucket of every cell, by position.
    pub fn keys(&self) -> impl Iterator<Item = (u32, usize)> + '_ {
        self.keys.iter().map(|k| parts(*k))
    }

    /// Every cell with its line and bucket, by position.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, usize, &mut T)> {
        self.keys.iter().zip(&mut self.cells).map(|(k, c)| {
            let (line, bucket) = parts(*k);
            (line, bucket, c)
        })
    }
}
