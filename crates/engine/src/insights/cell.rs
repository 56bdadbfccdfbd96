//! What a cell can hold: counts, sets, exact sums, extremes, values, and values by subject.
//!
//! Cells merge in any order to the same content, up to the order of lists that are sorted before they are used.

use super::exact_sum::ExactSum;
use super::per_subject::{Add, PerSubject};
use super::subject_values::SubjectValues;
use crate::error::{Error, Result};
use crate::gather::{Budget, grow_within};
use crate::partial::{Reader, Writer};
use crate::subjects::SubjectSet;

/// Content of a cell. `ids` translates the numbers of another partial's values into ours.
pub trait Cell: Default + Clone {
    /// Bytes of the smallest encoded cell.
    const SMALLEST: usize;
    fn merge(&mut self, other: &Self, ids: Option<&[u32]>, budget: &mut Budget) -> Result<()>;
    fn encode(&mut self, w: &mut Writer) -> Result<()>;
    /// `values` different values are known; numbers of values beyond are corrupt.
    fn decode(r: &mut Reader, values: Option<usize>, budget: &mut Budget) -> Result<Self>;
}

fn ours(ids: &[u32], theirs: u32) -> Result<u32> {
    // Numbers of values begin with 1; 0 is no value.
    if theirs == 0 {
        return Ok(0);
    }
    let id = ids.get(theirs as usize - 1).map(|n| n + 1);
    id.ok_or_else(|| Error::corrupt("partial: unknown value"))
}

impl Cell for u64 {
    const SMALLEST: usize = 8;
    fn merge(&mut self, other: &Self, _: Option<&[u32]>, _: &mut Budget) -> Result<()> {
        *self = self.saturating_add(*other);
        Ok(())
    }
    fn encode(&mut self, w: &mut Writer) -> Result<()> {
        w.u64(*self)
    }
    fn decode(r: &mut Reader, _: Option<usize>, _: &mut Budget) -> Result<Self> {
        r.u64()
    }
}

/// Sets of subjects, or of numbers of values.
impl Cell for SubjectSet {
    const SMALLEST: usize = 12;
    fn merge(&mut self, other: &Self, ids: Option<&[u32]>, budget: &mut Budget) -> Result<()> {
        match ids {
            None => self.union(other, budget),
            Some(ids) => {
                let mut result = Ok(());
                other.each(|theirs| {
                    if result.is_ok() {
                        result = ours(ids, theirs).and_then(|id| self.add(id, budget));
                    }
                });
                result
            }
        }
    }
    fn encode(&mut self, w: &mut Writer) -> Result<()> {
        SubjectSet::encode(self, w)
    }
    fn decode(r: &mut Reader, values: Option<usize>, budget: &mut Budget) -> Result<Self> {
        let set = SubjectSet::decode(r, budget)?;
        if let Some(known) = values
            && set.top() as usize > known
        {
            return Err(Error::corrupt("partial: unknown value"));
        }
        Ok(set)
    }
}

/// A sum and the number of its summands.
#[derive(Debug, Clone, Default)]
pub struct Summed {
    pub sum: ExactSum,
    pub n: u64,
}

impl Summed {
    /// Adds a number; NaN is none.
    #[inline]
    pub fn add(&mut self, x: f64, budget: &mut Budget) -> Result<()> {
        if x.is_nan() {
            return Ok(());
        }
        self.n += 1;
        self.sum.add(x, budget)
    }
}

impl Cell for Summed {
    const SMALLEST: usize = 32;
    fn merge(&mut self, other: &Self, _: Option<&[u32]>, budget: &mut Budget) -> Result<()> {
        self.n = self.n.saturating_add(other.n);
        self.sum.merge(&other.sum, budget)
    }
    fn encode(&mut self, w: &mut Writer) -> Result<()> {
        w.u64(self.n)?;
        self.sum.encode(w)
    }
    fn decode(r: &mut Reader, _: Option<usize>, budget: &mut Budget) -> Result<Self> {
        Ok(Summed {
            n: r.u64()?,
            sum: ExactSum::decode(r, budget)?,
        })
    }
}

/// The least and the largest number.
#[derive(Debug, Clone)]
pub struct Extremes {
    pub low: f64,
    pub high: f64,
}

impl Default for Extremes {
    fn default() -> Self {
        Extremes {
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
        }
    }
}

impl Extremes {
    /// Takes a number into account; NaN is none.
    #[inline]
    pub fn add(&mut self, x: f64) {
        // Zero has one sign, so that the order of the numbers does not matter.
        let x = x + 0.0;
        if x < self.low {
            self.low = x;
        }
        if x > self.high {
            self.high = x;
        }
    }
}

impl Cell for Extremes {
    const SMALLEST: usize = 16;
    fn merge(&mut self, other: &Self, _: Option<&[u32]>, _: &mut Budget) -> Result<()> {
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
        Ok(())
    }
    fn encode(&mut self, w: &mut Writer) -> Result<()> {
        w.u64(self.low.to_bits())?;
        w.u64(self.high.to_bits())
    }
    fn decode(r: &mut Reader, _: Option<usize>, _: &mut Budget) -> Result<Self> {
        Ok(Extremes {
            low: f64::from_bits(r.u64()?),
            high: f64::from_bits(r.u64()?),
        })
    }
}

/// A number as a whole number of the same order. Zero has one sign.
#[inline]
pub fn key_of(x: f64) -> u64 {
    let bits = (x + 0.0).to_bits();
    // All bits of negative numbers are flipped, of others the sign.
    bits ^ (((bits as i64) >> 63) as u64 | 1 << 63)
}

/// The number of a key.
#[inline]
pub fn number_of(key: u64) -> f64 {
    let flipped = if key >> 63 == 1 { 1 << 63 } else { u64::MAX };
    f64::from_bits(key ^ flipped)
}

/// Numbers as their keys, in any order.
#[derive(Debug, Clone, Default)]
pub struct Values {
    pub keys: Vec<u64>,
}

impl Values {
    /// Appends the numbers that are not NaN.
    #[inline]
    pub fn extend(&mut self, numbers: impl ExactSizeIterator<Item = f64>, budget: &mut Budget) -> Result<()> {
        self.reserve(numbers.len(), budget)?;
        self.keys.extend(numbers.filter(|x| !x.is_nan()).map(key_of));
        Ok(())
    }

    /// Makes room for `n` more.
    #[inline]
    pub fn reserve(&mut self, n: usize, budget: &mut Budget) -> Result<()> {
        if self.keys.capacity() - self.keys.len() < n {
            let more = n.max(self.keys.capacity()).max(4);
            grow_within(&mut self.keys, more, budget)?;
        }
        Ok(())
    }
}

impl Cell for Values {
    const SMALLEST: usize = 8;
    fn merge(&mut self, other: &Self, _: Option<&[u32]>, budget: &mut Budget) -> Result<()> {
        self.reserve(other.keys.len(), budget)?;
        self.keys.extend_from_slice(&other.keys);
        Ok(())
    }
    fn encode(&mut self, w: &mut Writer) -> Result<()> {
        w.u64s(&self.keys)
    }
    fn decode(r: &mut Reader, _: Option<usize>, budget: &mut Budget) -> Result<Self> {
        let keys = r.u64s()?;
        if keys.iter().any(|k| number_of(*k).is_nan()) {
            return Err(Error::corrupt("partial: not numbers"));
        }
        budget.take(keys.capacity() * size_of::<u64>())?;
        Ok(Values { keys })
    }
}

/// Event counts by subject.
impl Cell for PerSubject {
    const SMALLEST: usize = 12;
    fn merge(&mut self, other: &Self, _: Option<&[u32]>, budget: &mut Budget) -> Result<()> {
        PerSubject::merge::<Add>(self, other, budget)
    }
    fn encode(&mut self, w: &mut Writer) -> Result<()> {
        PerSubject::encode::<Add>(self, w)
    }
    fn decode(r: &mut Reader, _: Option<usize>, budget: &mut Budget) -> Result<Self> {
        PerSubject::decode(r, budget)
    }
}

/// Values by subject.
impl Cell for SubjectValues {
    const SMALLEST: usize = 16;
    fn merge(&mut self, other: &Self, ids: Option<&[u32]>, budget: &mut Budget) -> Result<()> {
        let from = self.len();
        self.append(other, budget)?;
        if let Some(ids) = ids {
            for value in self.values.iter_mut().skip(from) {
                *value = u64::from(ours(ids, *value as u32)?);
            }
        }
        Ok(())
    }
    fn encode(&mut self, w: &mut Writer) -> Result<()> {
        w.u32s(&self.subjects)?;
        w.u64s(&self.values)
    }
    fn decode(r: &mut Reader, known: Option<usize>, budget: &mut Budget) -> Result<Self> {
        let (subjects, values) = (r.u32s()?, r.u64s()?);
        let sound = |v: &u64| match known {
            Some(known) => *v <= known as u64,
            None => !number_of(*v).is_nan(),
        };
        if subjects.len() != values.len() || subjects.contains(&0) || !values.iter().all(sound) {
            return Err(Error::corrupt("partial: not values of subjects"));
        }
        budget.take(subjects.capacity() * 4 + values.capacity() * 8)?;
        Ok(SubjectValues { subjects, values })
    }
}
