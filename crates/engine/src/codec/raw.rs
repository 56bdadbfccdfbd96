//! Property columns whose values stay encoded: rewriting a column needs to know which values are equal, not what they are.
//!
//! Every value has one encoded form, so equal bytes are equal values.

use super::column::{codes_fit, decode_numbers};
use super::follow::{Groups, get_codes, has_codes, no_groups};
use super::frame::{Codec, Reader, open_rows};
use super::values::{get_encoded, get_value, put_value, skip_value};
use crate::chunk::Column;
use crate::error::{Error, Result, try_vec};
use crate::value::Value;

/// As [`Column`], with encoded values.
#[derive(Debug)]
pub(crate) enum RawColumn {
    Dict {
        codes: Vec<u32>,
        values: RawValues,
        /// Is every value there once? Stored columns are so; joined ones whose rows mostly differ are not compared.
        distinct: bool,
    },
    Number(Vec<f64>),
}

/// Encoded values, one after the other.
#[derive(Debug, Default)]
pub(crate) struct RawValues {
    bytes: Vec<u8>,
    /// Where each value ends.
    ends: Vec<u32>,
}

impl RawValues {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The value of a code; empty for a code that has none.
    #[inline]
    pub fn of_code(&self, code: u32) -> &[u8] {
        let i = (code as usize).wrapping_sub(1);
        let from = if i == 0 {
            0
        } else {
            self.ends.get(i.wrapping_sub(1)).map_or(0, |e| *e as usize)
        };
        let to = self.ends.get(i).map_or(0, |e| *e as usize);
        self.bytes.get(from..to).unwrap_or_default()
    }

    /// From encoded values, one after the other, and where each ends.
    pub fn from_parts(bytes: Vec<u8>, ends: Vec<u32>) -> Self {
        RawValues { bytes, ends }
    }

    /// The inverse of [`RawValues::from_parts`].
    pub fn into_parts(self) -> (Vec<u8>, Vec<u32>) {
        (self.bytes, self.ends)
    }

    /// Appends all values of another list.
    pub fn append(&mut self, other: &RawValues) -> Result<()> {
        let oom = |_| Error::OutOfMemory("dictionary");
        self.bytes.try_reserve(other.bytes.len()).map_err(oom)?;
        self.ends.try_reserve(other.ends.len()).map_err(oom)?;
        let base = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        if u32::try_from(self.bytes.len()).is_err() {
            return Err(too_much());
        }
        self.ends.extend(other.ends.iter().map(|e| base as u32 + e));
        Ok(())
    }

    /// Appends a value.
    pub fn push(&mut self, value: &[u8]) -> Result<()> {
        let oom = |_| Error::OutOfMemory("dictionary");
        self.bytes.try_reserve(value.len()).map_err(oom)?;
        self.ends.try_reserve(1).map_err(oom)?;
        self.bytes.extend_from_slice(value);
        self.close()
    }

    fn close(&mut self) -> Result<()> {
        let end = u32::try_from(self.bytes.len()).map_err(|_| too_much())?;
        self.ends.push(end);
        Ok(())
    }

    /// All values, one after the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets the values and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

fn too_much() -> Error {
    Error::Limit {
        message: "more than 4 GiB of distinct values in one column".into(),
        hint: Some("Write smaller batches.".into()),
    }
}

/// Decodes a property column of `rows` rows that needs no other column, and leaves its values encoded.
pub(crate) fn decode_raw(bytes: &[u8], rows: usize) -> Result<RawColumn> {
    decode_raw_beside(bytes, rows, &no_groups)
}

/// The same with the groups that the column may follow.
pub(crate) fn decode_raw_beside(bytes: &[u8], rows: usize, groups: Groups<'_>) -> Result<RawColumn> {
    let f = open_rows(Codec::Column, bytes, rows)?;
    let mut r = f.payload;
    if !has_codes(f.flags) {
        return decode_numbers(f.flags, r, rows).map(RawColumn::Number);
    }
    let codes = get_codes(f.flags, &mut r, rows, groups)?;
    let (count, raw) = get_encoded(r)?;
    codes_fit(count, &codes)?;
    // Every value takes a byte at least.
    if count > raw.len() || u32::try_from(raw.len()).is_err() {
        return Err(Codec::Column.corrupt("more values than bytes"));
    }
    let mut ends = try_vec(count, "dictionary")?;
    let mut r = Reader::new(&raw, Codec::Column);
    for _ in 0..count {
        skip_value(&mut r)?;
        ends.push((raw.len() - r.left()) as u32);
    }
    r.finish()?;
    let bytes = match raw {
        std::borrow::Cow::Owned(v) => v,
        std::borrow::Cow::Borrowed(b) => {
            let mut v = try_vec(b.len(), "dictionary")?;
            v.extend_from_slice(b);
            v
        }
    };
    let values = RawValues { bytes, ends };
    let distinct = true;
    Ok(RawColumn::Dict {
        codes,
        values,
        distinct,
    })
}

/// The same column with its values encoded.
pub(crate) fn to_raw(column: &Column) -> Result<RawColumn> {
    let copy = |n: usize| try_vec(n, "column");
    Ok(match column {
        Column::Dict { values, codes } => {
            codes_fit(values.len(), codes)?;
            let mut own: Vec<u32> = try_vec(codes.len(), "column")?;
            own.extend_from_slice(codes);
            let mut raw = RawValues::default();
            for v in values {
                put_value(&mut raw.bytes, v)?;
                raw.ends.try_reserve(1).map_err(|_| Error::OutOfMemory("dictionary"))?;
                raw.close()?;
            }
            RawColumn::Dict {
                codes: own,
                values: raw,
                distinct: true,
            }
        }
        Column::Number(v) => {
            let mut own: Vec<f64> = copy(v.len())?;
            own.extend_from_slice(v);
            RawColumn::Number(own)
        }
    })
}

/// Decodes one value.
pub(crate) fn value_of(encoded: &[u8]) -> Result<Value> {
    get_value(&mut Reader::new(encoded, Codec::Column))
}
