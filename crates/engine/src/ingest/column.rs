//! One property of a batch under construction: numbers as long as there are only numbers, else codes of a dictionary whose
//! values are kept in their stored form, so that nothing is allocated per value and nothing encoded twice.

use crate::codec::values::{put_text, put_value};
use crate::codec::{encode_dictionary, encode_numbers, exact_number, too_many_distinct};
use crate::error::{Error, Result, try_vec};
use crate::intern::{pad_to, push};
use crate::value::Value;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::{BuildHasher, Hasher};

/// Distinct values in the order of their codes, which begin with 1.
#[derive(Default)]
struct Dictionary {
    /// The values as a list of values is stored.
    raw: Vec<u8>,
    /// Where each value ends in `raw`.
    ends: Vec<u32>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// The value that is being looked up.
    one: Vec<u8>,
}

fn value_at<'r>(raw: &'r [u8], ends: &[u32], code: u32) -> &'r [u8] {
    let index = (code as usize).wrapping_sub(1);
    let start = index.checked_sub(1).and_then(|i| ends.get(i).copied()).unwrap_or(0);
    let end = ends.get(index).copied().unwrap_or(0);
    raw.get(start as usize..end as usize).unwrap_or_default()
}

impl Dictionary {
    /// The code of the value in `one`. The stored form is canonical: equal values have equal bytes.
    fn code(&mut self) -> Result<u32> {
        let hash = |bytes: &[u8]| {
            let mut h = self.hasher.build_hasher();
            h.write(bytes);
            h.finish()
        };
        let at = hash(&self.one);
        let same = |c: &u32| value_at(&self.raw, &self.ends, *c) == self.one;
        if let Some(c) = self.table.find(at, same) {
            return Ok(*c);
        }
        let end = u32::try_from(self.raw.len() + self.one.len()).map_err(|_| Error::Limit {
            message: "more than 4 GB of distinct values in one column".into(),
            hint: Some("Write smaller batches.".into()),
        })?;
        let oom = |_| Error::OutOfMemory("dictionary");
        self.raw.try_reserve(self.one.len()).map_err(oom)?;
        self.raw.extend_from_slice(&self.one);
        push(&mut self.ends, end)?;
        let code = self.ends.len() as u32;
        let rehash = |c: &u32| hash(value_at(&self.raw, &self.ends, *c));
        self.table
            .try_reserve(1, rehash)
            .map_err(|_| Error::OutOfMemory("dictionary"))?;
        self.table.insert_unique(at, code, rehash);
        Ok(code)
    }

    fn clear(&mut self) {
        self.raw.clear();
        self.ends.clear();
        self.table.clear();
    }
}

/// A property of a batch. Rows are set in ascending order, each at most once; a row that is not set has no value.
#[derive(Default)]
pub(super) struct PropertyBuilder {
    /// As long as the last row that is set, while there are only numbers; NaN = not set.
    numbers: Vec<f64>,
    /// The same once something else came in; 0 = not set.
    codes: Vec<u32>,
    /// Whether `codes` is in use.
    mixed: bool,
    values: Dictionary,
}

fn pad_numbers(v: &mut Vec<f64>, len: usize) -> Result<()> {
    v.try_reserve(len.saturating_sub(v.len()))
        .map_err(|_| Error::OutOfMemory("column"))?;
    if v.len() < len {
        v.resize(len, f64::NAN);
    }
    Ok(())
}

impl PropertyBuilder {
    /// True when no row is set.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.codes.is_empty()
    }

    /// Sets a row to a text.
    pub fn push_text(&mut self, row: usize, s: &str) -> Result<()> {
        self.mix()?;
        self.values.one.clear();
        put_text(&mut self.values.one, s)?;
        self.push_code(row)
    }

    /// Sets a row to a number that needs no dictionary to come back as it was, or to any other value.
    pub fn push(&mut self, row: usize, v: &Value) -> Result<()> {
        if !self.mixed
            && let Some(f) = exact_number(v)
        {
            pad_numbers(&mut self.numbers, row)?;
            return push(&mut self.numbers, f);
        }
        self.mix()?;
        self.values.one.clear();
        put_value(&mut self.values.one, v)?;
        self.push_code(row)
    }

    fn push_code(&mut self, row: usize) -> Result<()> {
        let code = self.values.code()?;
        pad_to(&mut self.codes, row)?;
        push(&mut self.codes, code)
    }

    /// Turns numbers into a dictionary: something else is coming.
    fn mix(&mut self) -> Result<()> {
        if self.mixed {
            return Ok(());
        }
        self.mixed = true;
        let numbers = std::mem::take(&mut self.numbers);
        for (row, f) in numbers.iter().enumerate() {
            if !f.is_nan() {
                self.values.one.clear();
                put_value(&mut self.values.one, &Value::number(*f))?;
                self.push_code(row)?;
            }
        }
        Ok(())
    }

    /// Keeps these rows, in this order. The values that fall away stay in the dictionary; a column that is not empty does
    /// not become so, even when no row is left that has a value.
    pub fn keep(&mut self, rows: &[u32]) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        if self.mixed {
            self.codes = pick(&self.codes, rows, 0)?;
        } else {
            self.numbers = pick(&self.numbers, rows, f64::NAN)?;
        }
        Ok(())
    }

    /// The stored column of `n` rows; `None` when none of them is set.
    pub fn encode(&mut self, n: usize) -> Result<Option<Vec<u8>>> {
        if !self.mixed {
            if self.numbers.iter().all(|f| f.is_nan()) {
                return Ok(None);
            }
            pad_numbers(&mut self.numbers, n)?;
            if self.differ()? {
                return encode_numbers(&self.numbers).map(Some);
            }
            self.mix()?;
        }
        if self.codes.iter().all(|c| *c == 0) {
            return Ok(None);
        }
        pad_to(&mut self.codes, n)?;
        encode_dictionary(&self.codes, self.values.ends.len(), &self.values.raw).map(Some)
    }

    /// Whether a dictionary of the numbers would not pay.
    fn differ(&self) -> Result<bool> {
        let set = self.numbers.iter().filter(|f| !f.is_nan()).count();
        let mut seen: HashTable<u64> = HashTable::new();
        let hasher = &self.values.hasher;
        let rehash = |b: &u64| hasher.hash_one(*b);
        for f in self.numbers.iter().filter(|f| !f.is_nan()) {
            let bits = f.to_bits();
            let hash = hasher.hash_one(bits);
            if seen.find(hash, |b| *b == bits).is_none() {
                seen.try_reserve(1, rehash)
                    .map_err(|_| Error::OutOfMemory("distinct numbers"))?;
                seen.insert_unique(hash, bits, rehash);
                if too_many_distinct(seen.len(), set) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Forgets the rows and keeps the room.
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.codes.clear();
        self.mixed = false;
        self.values.clear();
    }
}

/// Elements of a column; `none` where a row is beyond its end.
pub(super) fn pick<T: Copy>(column: &[T], rows: &[u32], none: T) -> Result<Vec<T>> {
    let mut out = try_vec(rows.len(), "kept rows")?;
    out.extend(rows.iter().map(|r| column.get(*r as usize).copied().unwrap_or(none)));
    Ok(out)
}
