//! Different values of a property by subject.

use crate::chunk::{Column, SubjectNo};
use crate::error::{Error, Result};
use crate::gather::{Budget, push_within};
use crate::partial::{Reader, Writer};
use crate::value::Value;
use rustc_hash::FxHashMap;

/// Pairs of a subject and a value. Values count as one when they read the same, as in the measure `distinct`.
#[derive(Debug, Clone, Default)]
pub struct Distinct {
    numbers: FxHashMap<Box<str>, u32>,
    /// Subject in the upper half, number of the value in the lower; some more than once.
    pairs: Vec<u64>,
}

impl Distinct {
    fn number(&mut self, text: &str, budget: &mut Budget) -> Result<u32> {
        if let Some(n) = self.numbers.get(text) {
            return Ok(*n);
        }
        budget.take(text.len() + 48)?;
        let n = u32::try_from(self.numbers.len()).map_err(|_| Error::corrupt("cohort: too many values"))?;
        self.numbers
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory("values of a property"))?;
        self.numbers.insert(text.into(), n);
        Ok(n)
    }

    fn push(&mut self, no: SubjectNo, value: u32, budget: &mut Budget) -> Result<()> {
        let pair = u64::from(no) << 32 | u64::from(value);
        if self.pairs.last() == Some(&pair) {
            return Ok(());
        }
        if self.pairs.len() == self.pairs.capacity() {
            self.settle();
            if self.pairs.len() * 2 > self.pairs.capacity() {
                return push_within_doubled(&mut self.pairs, pair, budget);
            }
        }
        self.pairs.push(pair);
        Ok(())
    }

    fn settle(&mut self) {
        self.pairs.sort_unstable();
        self.pairs.dedup();
    }

    /// The numbers of the values of a column by code, lists as their elements; nothing for a column of numbers.
    pub fn codes(&mut self, column: Option<&Column>, budget: &mut Budget) -> Result<Vec<Vec<u32>>> {
        let Some(Column::Dict { values, .. }) = column else {
            return Ok(Vec::new());
        };
        let mut all = crate::error::try_vec(values.len() + 1, "values of a property")?;
        all.push(Vec::new());
        for value in values {
            let mut of = Vec::new();
            let items = match value {
                Value::List(l) => l.as_slice(),
                v => std::slice::from_ref(v),
            };
            for v in items.iter().filter(|v| !matches!(v, Value::Null)) {
                let n = self.number(&v.to_text(), budget)?;
                of.try_reserve(1)
                    .map_err(|_| Error::OutOfMemory("values of a property"))?;
                of.push(n);
            }
            all.push(of);
        }
        Ok(all)
    }

    /// Adds the values of a row; `codes` is what [`Distinct::codes`] said of the column.
    pub fn add(
        &mut self,
        no: SubjectNo,
        column: Option<&Column>,
        codes: &[Vec<u32>],
        row: usize,
        budget: &mut Budget,
    ) -> Result<()> {
        match column {
            None => Ok(()),
            Some(Column::Dict { codes: rows, .. }) => {
                let code = rows.get(row).copied().unwrap_or(0);
                let values = codes.get(code as usize).map(Vec::as_slice).unwrap_or(&[]);
                values.iter().try_for_each(|v| self.push(no, *v, budget))
            }
            Some(Column::Number(numbers)) => {
                let x = numbers.get(row).copied().unwrap_or(f64::NAN) + 0.0;
                if x.is_nan() {
                    return Ok(());
                }
                let n = self.number(&Value::number(x).to_text(), budget)?;
                self.push(no, n, budget)
            }
        }
    }

    /// Adds what another found.
    pub fn merge(&mut self, other: Distinct, budget: &mut Budget) -> Result<()> {
        let mut numbers: Vec<u32> = crate::gather::zeroed(other.numbers.len(), budget)?;
        for (text, theirs) in &other.numbers {
            let ours = self.number(text, budget)?;
            if let Some(n) = numbers.get_mut(*theirs as usize) {
                *n = ours;
            }
        }
        for pair in other.pairs {
            let value = numbers.get((pair & u64::from(u32::MAX)) as usize).copied().unwrap_or(0);
            self.push((pair >> 32) as u32, value, budget)?;
        }
        budget.give(numbers.capacity() * size_of::<u32>());
        Ok(())
    }

    /// Calls `f` with every subject that has a value, and how many.
    pub fn each(&mut self, mut f: impl FnMut(SubjectNo, usize)) {
        self.settle();
        for same in self.pairs.chunk_by(|a, b| a >> 32 == b >> 32) {
            if let Some(first) = same.first() {
                f((first >> 32) as u32, same.len());
            }
        }
    }

    /// Writes values and pairs.
    pub fn encode(&mut self, w: &mut Writer) -> Result<()> {
        self.settle();
        let mut texts: Vec<(&u32, &Box<str>)> = crate::error::try_vec(self.numbers.len(), "a partial result")?;
        texts.extend(self.numbers.iter().map(|(t, n)| (n, t)));
        texts.sort_unstable();
        w.len(texts.len())?;
        texts.iter().try_for_each(|(_, t)| w.text(t))?;
        w.u64s(&self.pairs)
    }

    /// Reads what `encode` wrote.
    pub fn decode(r: &mut Reader, budget: &mut Budget) -> Result<Distinct> {
        let bad = || Error::corrupt("partial: not values of subjects");
        let mut d = Distinct::default();
        for i in 0..r.len(8)? {
            if d.number(r.text()?, budget)? as usize != i {
                return Err(bad());
            }
        }
        d.pairs = r.u64s()?;
        budget.take(d.pairs.capacity() * size_of::<u64>())?;
        let known = d.numbers.len() as u64;
        let fits = |p: &u64| p & u64::from(u32::MAX) < known && p >> 32 != 0;
        if !d.pairs.iter().all(fits) {
            return Err(bad());
        }
        Ok(d)
    }
}

/// Appends to a vector that is full, doubling it.
fn push_within_doubled(v: &mut Vec<u64>, item: u64, budget: &mut Budget) -> Result<()> {
    if v.len() < v.capacity() {
        crate::gather::grow_within(v, v.capacity().max(4), budget)?;
    }
    push_within(v, item, budget)
}
