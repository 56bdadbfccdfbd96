//! Sets of segments that single events are in.
//!
//! An event with a list is in several segments, but once in the rest, however many of its segments end up there. Which
//! do is known only at the end, so totals of such events are kept per set of segments.

use crate::breakdown::MAX_SEGMENTS;
use crate::error::{Error, Result};
use crate::gather::{Budget, push_within};
use crate::partial::{Reader, Writer};
use std::collections::HashMap;
use std::sync::Arc;

/// Numbers for sets of two or more segments, from [`MAX_SEGMENTS`] on, so that they share a table with segments.
#[derive(Debug, Clone, Default)]
pub struct Combinations {
    sets: Vec<Arc<[u32]>>,
    numbers: HashMap<Arc<[u32]>, u32>,
}

impl Combinations {
    /// What an event in these segments is counted under: the segment if it is only one, else the number of the set.
    #[inline]
    pub fn line(&mut self, segments: &mut Vec<u32>, budget: &mut Budget) -> Result<u32> {
        if let [one] = segments.as_slice() {
            return Ok(*one);
        }
        segments.sort_unstable();
        segments.dedup();
        match segments.as_slice() {
            [one] => Ok(*one),
            several => self.number(several, budget),
        }
    }

    fn number(&mut self, set: &[u32], budget: &mut Budget) -> Result<u32> {
        if let Some(n) = self.numbers.get(set) {
            return Ok(*n);
        }
        let n = u32::try_from(self.sets.len())
            .ok()
            .and_then(|n| n.checked_add(MAX_SEGMENTS))
            .filter(|n| *n < u32::MAX);
        let n = n.ok_or_else(|| Error::corrupt("insights: too many sets of segments"))?;
        budget.take(size_of_val(set) + 64)?;
        self.numbers
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory("segments"))?;
        let shared: Arc<[u32]> = set.into();
        self.numbers.insert(shared.clone(), n);
        push_within(&mut self.sets, shared, budget)?;
        Ok(n)
    }

    /// The segments of a line: itself, or the members of the set it stands for.
    pub fn members<'a>(&'a self, line: &'a u32) -> &'a [u32] {
        match line.checked_sub(MAX_SEGMENTS) {
            None => std::slice::from_ref(line),
            Some(n) => self.sets.get(n as usize).map_or(&[], |s| s),
        }
    }

    /// Number of sets.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Takes over another's sets, whose segments `translation` turns into ours; the answer has our number of each.
    pub fn absorb(&mut self, other: &Combinations, translation: &[u32], budget: &mut Budget) -> Result<Vec<u32>> {
        let mut numbers = crate::error::try_vec(other.len(), "segments")?;
        let mut ours: Vec<u32> = Vec::new();
        for set in &other.sets {
            ours.clear();
            ours.try_reserve(set.len())
                .map_err(|_| Error::OutOfMemory("segments"))?;
            ours.extend(set.iter().filter_map(|s| translation.get(*s as usize)));
            numbers.push(self.line(&mut ours, budget)?);
        }
        Ok(numbers)
    }

    /// Writes the sets.
    pub fn encode(&self, w: &mut Writer) -> Result<()> {
        w.len(self.sets.len())?;
        self.sets.iter().try_for_each(|s| w.u32s(s))
    }

    /// Reads sets of segments below `segments`.
    pub fn decode(r: &mut Reader, segments: usize, budget: &mut Budget) -> Result<Self> {
        let mut c = Combinations::default();
        for i in 0..r.len(16)? {
            let set = r.u32s()?;
            let ordered = set.len() >= 2 && set.is_sorted_by(|a, b| a < b);
            let known = set.last().is_some_and(|s| (*s as usize) < segments);
            if !ordered || !known || c.number(&set, budget)? as usize != i + MAX_SEGMENTS as usize {
                return Err(Error::corrupt("partial: not sets of segments"));
            }
        }
        Ok(c)
    }
}
