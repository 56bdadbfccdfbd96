//! Property columns: a local dictionary with packed codes, or numbers as scaled integers or raw.

use super::follow::{Groups, get_codes, has_codes, no_groups};
use super::frame::{Codec, Reader, open_rows, seal};
use super::ints::{Presence, get_i64s, get_presence, put_i64s, put_presence, put_u32s};
use super::values::{get_values, put_encoded, put_values};
use crate::chunk::Column;
use crate::error::{Result, try_vec};
use crate::value::Value;
use std::borrow::Cow;

pub(super) const DICT: u8 = 1;
const SCALED: u8 = 2;
const FLOATS: u8 = 3;

/// Powers of ten that numbers are scaled by.
const SCALES: [f64; 5] = [1.0, 10.0, 100.0, 1000.0, 10000.0];
/// Whole numbers up to here are exact in an f64.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The number a value is, if a column of numbers gives exactly this value back.
pub(crate) fn exact_number(v: &Value) -> Option<f64> {
    v.as_f64().filter(|f| Value::number(*f) == *v)
}

/// With this many distinct numbers among `set` values a dictionary no longer pays.
pub(crate) fn too_many_distinct(distinct: usize, set: usize) -> bool {
    distinct > 256 && distinct > set / 4
}

/// The same column as numbers, when it holds nothing else and most of them differ.
pub(crate) fn dict_as_numbers(values: &[Value], codes: &[u32]) -> Result<Option<Vec<f64>>> {
    let set = codes.iter().filter(|c| **c != 0).count();
    if !too_many_distinct(values.len(), set) {
        return Ok(None);
    }
    let mut table = try_vec(values.len() + 1, "numbers")?;
    table.push(f64::NAN);
    for v in values {
        match exact_number(v) {
            Some(f) => table.push(f),
            None => return Ok(None),
        }
    }
    let mut out = try_vec(codes.len(), "numbers")?;
    out.extend(
        codes
            .iter()
            .map(|c| table.get(*c as usize).copied().unwrap_or(f64::NAN)),
    );
    Ok(Some(out))
}

/// Encodes a property column. A dictionary of mostly different numbers is stored (and comes back) as numbers.
pub fn encode_column(column: &Column) -> Result<Vec<u8>> {
    let numbers = match column {
        Column::Number(v) => Cow::Borrowed(v.as_slice()),
        Column::Dict { values, codes } => match dict_as_numbers(values, codes)? {
            Some(v) => Cow::Owned(v),
            None => {
                codes_fit(values.len(), codes)?;
                let mut out = Vec::new();
                put_u32s(&mut out, codes)?;
                put_values(&mut out, values)?;
                return seal(Codec::Column, DICT, codes.len(), &out);
            }
        },
    };
    encode_numbers(&numbers)
}

/// Encodes a property column from a dictionary of `count` different values that are encoded already.
pub(crate) fn encode_dictionary(codes: &[u32], count: usize, raw: &[u8]) -> Result<Vec<u8>> {
    codes_fit(count, codes)?;
    let mut out = Vec::new();
    put_u32s(&mut out, codes)?;
    put_encoded(&mut out, count, raw)?;
    seal(Codec::Column, DICT, codes.len(), &out)
}

/// Encodes a property column that holds numbers alone; NaN = not set.
pub(crate) fn encode_numbers(numbers: &[f64]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    if let Some((scale, ints)) = scaled(numbers)? {
        out.push(scale);
        put_presence(&mut out, numbers.len(), |i| numbers.get(i).is_some_and(|f| !f.is_nan()))?;
        put_i64s(&mut out, &ints)?;
        return seal(Codec::Column, SCALED, numbers.len(), &out);
    }
    out = try_vec(numbers.len().saturating_mul(8), "encoded column")?;
    for f in numbers.iter() {
        let f = if f.is_nan() { f64::NAN } else { *f };
        out.extend_from_slice(&f.to_le_bytes());
    }
    seal(Codec::Column, FLOATS, numbers.len(), &out)
}

pub(super) fn codes_fit(values: usize, codes: &[u32]) -> Result<()> {
    match codes.iter().max() {
        Some(c) if *c as usize > values => Err(Codec::Column.corrupt("code without a value")),
        _ => Ok(()),
    }
}

fn scale_one(f: f64, by: f64) -> Option<i64> {
    let scaled = (f * by).round();
    if scaled.is_nan() || scaled.abs() > EXACT {
        return None;
    }
    // Through the integer, as it is decoded: -0.0 must not pass for 0.
    let k = scaled as i64;
    (unscale(k, by).to_bits() == f.to_bits()).then_some(k)
}

fn unscale(k: i64, by: f64) -> f64 {
    k as f64 / by
}

/// The numbers times a power of ten as integers, when every one comes back bit by bit. What is not set becomes the least
/// of them, which costs no bits in blocks without any.
fn scaled(numbers: &[f64]) -> Result<Option<(u8, Vec<i64>)>> {
    let set = || numbers.iter().copied().filter(|f| !f.is_nan());
    for (scale, by) in SCALES.iter().enumerate() {
        if !set().all(|f| scale_one(f, *by).is_some()) {
            continue;
        }
        let least = set().filter_map(|f| scale_one(f, *by)).min().unwrap_or(0);
        let mut ints = try_vec(numbers.len(), "scaled numbers")?;
        ints.extend(numbers.iter().map(|f| scale_one(*f, *by).unwrap_or(least)));
        return Ok(Some((scale as u8, ints)));
    }
    Ok(None)
}

/// Decodes a property column of `rows` rows that needs no other column.
pub fn decode_column(bytes: &[u8], rows: usize) -> Result<Column> {
    decode_column_beside(bytes, rows, &no_groups)
}

/// Decodes a property column of `rows` rows, with the groups it may [follow](super::followed).
pub fn decode_column_beside(bytes: &[u8], rows: usize, groups: Groups<'_>) -> Result<Column> {
    let f = open_rows(Codec::Column, bytes, rows)?;
    let mut r = f.payload;
    match f.flags {
        way if has_codes(way) => {
            let codes = get_codes(way, &mut r, rows, groups)?;
            let values = get_values(r)?;
            codes_fit(values.len(), &codes)?;
            Ok(Column::Dict { values, codes })
        }
        method => decode_numbers(method, r, rows).map(Column::Number),
    }
}

/// Decodes what [`encode_numbers`] wrote.
pub(super) fn decode_numbers(method: u8, mut r: Reader<'_>, rows: usize) -> Result<Vec<f64>> {
    match method {
        SCALED => decode_scaled(r, rows),
        FLOATS => {
            let bytes = r.take(rows.saturating_mul(8))?;
            r.finish()?;
            let mut out = try_vec(rows, "numbers")?;
            out.extend(bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)));
            Ok(out)
        }
        _ => Err(Codec::Column.corrupt("unknown encoding")),
    }
}

fn decode_scaled(mut r: Reader<'_>, rows: usize) -> Result<Vec<f64>> {
    let scale = r.u8()?;
    let by = *SCALES.get(scale as usize).ok_or_else(|| r.corrupt("unknown scale"))?;
    let presence = get_presence(&mut r, rows)?;
    let ints = get_i64s(&mut r, rows)?;
    r.finish()?;
    let mut out: Vec<f64> = try_vec(rows, "numbers")?;
    out.extend(ints.iter().map(|k| unscale(*k, by)));
    if !matches!(presence, Presence::All) {
        for (i, f) in out.iter_mut().enumerate() {
            if !presence.get(i) {
                *f = f64::NAN;
            }
        }
    }
    Ok(out)
}
