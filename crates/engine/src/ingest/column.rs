//! One property of a batch under construction: numbers as long as there are only numbers, else codes of a dictionary whose
//! values are kept in their stored form, so that nothing is allocated per value and nothing encoded twice.

use crate::chunk::GroupColumn;
use crate::codec::raw::RawValues;
use crate::codec::values::{is_text, put_text, put_value};
use crate::codec::{encode_numbers, exact_number, hashes_by, too_many_distinct};
use crate::compact::sort::encode_smallest;
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
    table: HashTable<Slot>,
    hasher: DefaultHashBuilder,
    /// The value that is being looked up, when it is no text.
    one: Vec<u8>,
}

/// The hash is kept, so that neither growing nor passing over another value has to look at the values.
struct Slot {
    hash: u32,
    code: u32,
}

fn value_at<'r>(raw: &'r [u8], ends: &[u32], code: u32) -> &'r [u8] {
    let index = (code as usize).wrapping_sub(1);
    let start = index.checked_sub(1).and_then(|i| ends.get(i).copied()).unwrap_or(0);
    let end = ends.get(index).copied().unwrap_or(0);
    raw.get(start as usize..end as usize).unwrap_or_default()
}

/// The table takes a value's place from the lowest bits and its tag from the highest ones.
fn widen(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

impl Dictionary {
    fn hash(&self, bytes: &[u8]) -> u32 {
        let mut h = self.hasher.build_hasher();
        h.write(bytes);
        h.finish() as u32
    }

    /// The code of a text. It is hashed where it is: reading back what was just copied would stall the processor.
    fn code_of_text(&mut self, s: &str) -> Result<u32> {
        let hash = self.hash(s.as_bytes());
        let same = |slot: &Slot| slot.hash == hash && is_text(value_at(&self.raw, &self.ends, slot.code), s);
        if let Some(slot) = self.table.find(widen(hash), same) {
            return Ok(slot.code);
        }
        put_text(&mut self.raw, s)?;
        self.add(hash)
    }

    /// The code of any other value. The stored form is canonical: equal values have equal bytes.
    fn code_of(&mut self, v: &Value) -> Result<u32> {
        if let Value::Str(s) = v {
            return self.code_of_text(s);
        }
        self.one.clear();
        put_value(&mut self.one, v)?;
        let hash = self.hash(&self.one);
        let same = |slot: &Slot| slot.hash == hash && value_at(&self.raw, &self.ends, slot.code) == self.one;
        if let Some(slot) = self.table.find(widen(hash), same) {
            return Ok(slot.code);
        }
        let oom = |_| Error::OutOfMemory("dictionary");
        self.raw.try_reserve(self.one.len()).map_err(oom)?;
        self.raw.extend_from_slice(&self.one);
        self.add(hash)
    }

    /// Numbers the value that was just appended to `raw`.
    fn add(&mut self, hash: u32) -> Result<u32> {
        let end = u32::try_from(self.raw.len()).map_err(|_| Error::Limit {
            message: "more than 4 GB of distinct values in one column".into(),
            hint: Some("Write smaller batches.".into()),
        })?;
        push(&mut self.ends, end)?;
        let code = self.ends.len() as u32;
        let rehash = |slot: &Slot| widen(slot.hash);
        self.table
            .try_reserve(1, rehash)
            .map_err(|_| Error::OutOfMemory("dictionary"))?;
        self.table.insert_unique(widen(hash), Slot { hash, code }, rehash);
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
        let code = self.values.code_of_text(s)?;
        self.push_code(row, code)
    }

    /// Sets a row to a number that needs no dictionary to come back as it was, or to any other value.
    pub fn push(&mut self, row: usize, v: &Value) -> Result<()> {
        if !self.mixed
            && let Some(f) = exact_number(v)
        {
            if self.numbers.len() < row {
                pad_numbers(&mut self.numbers, row)?;
            }
            return push(&mut self.numbers, f);
        }
        self.mix()?;
        let code = self.values.code_of(v)?;
        self.push_code(row, code)
    }

    fn push_code(&mut self, row: usize, code: u32) -> Result<()> {
        if self.codes.len() < row {
            pad_to(&mut self.codes, row)?;
        }
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
                let code = self.values.code_of(&Value::number(*f))?;
                self.push_code(row, code)?;
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

    /// The stored column of `n` rows, which may follow from the groups stored `beside`; `None` when none of them is set.
    pub fn encode(&mut self, n: usize, beside: Option<&GroupColumn>) -> Result<Option<Vec<u8>>> {
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
        let mut codes = try_vec(n, "column")?;
        codes.extend_from_slice(&self.codes);
        let Dictionary { raw, ends, .. } = &mut self.values;
        let values = RawValues::from_parts(std::mem::take(raw), std::mem::take(ends));
        let encoded = encode_smallest(&mut codes, &values, beside);
        (*raw, *ends) = values.into_parts();
        encoded.map(Some)
    }

    /// The hashes that the rows have as insert ids, 0 where there is no text; `None` when all are numbers.
    pub fn insert_hashes(&self) -> Result<Option<Vec<u64>>> {
        if !self.mixed {
            return Ok(None);
        }
        let Dictionary { raw, ends, .. } = &self.values;
        hashes_by(&self.codes, ends.len(), |code| value_at(raw, ends, code)).map(Some)
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
