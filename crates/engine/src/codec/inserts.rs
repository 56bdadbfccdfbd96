//! Insert hashes and priorities.
//!
//! The insert id of an event is stored as the property it was sent as, and its hash follows from it. So where a row's hash
//! is that of a text in a property column stored beside, the hash is not stored again but worked out when it is asked for.

use super::frame::{Codec, open_rows, seal};
use super::ints::{Presence, get_i64s, get_presence, put_i64s, put_presence};
use super::raw::{RawColumn, RawValues, decode_raw};
use super::values::with_text;
use crate::chunk::Inserts;
use crate::error::{Result, try_vec};
use crate::row::insert_hash_of;

/// Hashes are those of a property's texts, but for the ones that are stored.
const DERIVED: u8 = 1;

fn lengths_fit(inserts: &Inserts) -> Result<()> {
    if inserts.priority.len() == inserts.hash.len() {
        Ok(())
    } else {
        Err(Codec::Inserts.corrupt("columns of different length"))
    }
}

/// Encodes insert hashes and priorities, which must be of one length.
pub fn encode_inserts(inserts: &Inserts) -> Result<Vec<u8>> {
    lengths_fit(inserts)?;
    let n = inserts.hash.len();
    let mut out = try_vec(n.saturating_mul(9), "encoded column")?;
    put_presence(&mut out, n, |i| inserts.hash.get(i).is_some_and(|h| *h != 0))?;
    for h in inserts.hash.iter().filter(|h| **h != 0) {
        out.extend_from_slice(&h.to_le_bytes());
    }
    put_i64s(&mut out, &inserts.priority)?;
    seal(Codec::Inserts, 0, n, &out)
}

/// The same for rows whose column of `property` is stored beside and has these hashes ([`insert_hashes`]): those that agree
/// are left out.
pub fn encode_inserts_beside(inserts: &Inserts, property: u32, hashes: &[u64]) -> Result<Vec<u8>> {
    lengths_fit(inserts)?;
    let n = inserts.hash.len();
    let agrees = |(hash, derived): (&u64, &u64)| *hash != 0 && hash == derived;
    if hashes.len() != n || !inserts.hash.iter().zip(hashes).any(agrees) {
        return encode_inserts(inserts);
    }
    let mut out = Vec::new();
    out.extend_from_slice(&property.to_le_bytes());
    let own = |i: usize| inserts.hash.get(i) != hashes.get(i);
    put_presence(&mut out, n, own)?;
    for (hash, _) in inserts.hash.iter().zip(hashes).filter(|(h, d)| h != d) {
        out.try_reserve(8)
            .map_err(|_| crate::error::Error::OutOfMemory("encoded column"))?;
        out.extend_from_slice(&hash.to_le_bytes());
    }
    put_i64s(&mut out, &inserts.priority)?;
    seal(Codec::Inserts, DERIVED, n, &out)
}

/// Decodes insert hashes and priorities of `rows` rows that need no other column.
pub fn decode_inserts(bytes: &[u8], rows: usize) -> Result<Inserts> {
    decode_inserts_with(bytes, rows, |property| {
        Err(Codec::Inserts.corrupt(&format!("property {property} is missing")))
    })
}

/// Decodes insert hashes and priorities of `rows` rows; `hashes` is asked for those of a property ([`insert_hashes`]) if
/// they are needed.
pub fn decode_inserts_with(bytes: &[u8], rows: usize, hashes: impl FnOnce(u32) -> Result<Vec<u64>>) -> Result<Inserts> {
    let f = open_rows(Codec::Inserts, bytes, rows)?;
    let mut r = f.payload;
    let property = match f.flags {
        0 => None,
        DERIVED => Some(r.u32()?),
        _ => return Err(r.corrupt("unknown flags")),
    };
    let presence = get_presence(&mut r, rows)?;
    let stored = r.take(presence.count(rows).saturating_mul(8))?;
    let mut stored = stored.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b));
    let priority = get_i64s(&mut r, rows)?;
    r.finish()?;
    let mut hash = match property {
        None => Vec::new(),
        Some(p) => hashes(p)?,
    };
    if property.is_some() && hash.len() != rows {
        return Err(Codec::Inserts.corrupt("a property of another length"));
    }
    if property.is_none() {
        hash = try_vec(rows, "insert hashes")?;
        hash.resize(rows, 0);
    }
    match presence {
        Presence::All => hash.iter_mut().zip(stored).for_each(|(h, s)| *h = s),
        Presence::None => {}
        Presence::Bits(_) => {
            for (i, h) in hash.iter_mut().enumerate() {
                if presence.get(i) {
                    *h = stored.next().unwrap_or(0);
                }
            }
        }
    }
    Ok(Inserts { hash, priority })
}

/// The hashes that the rows of a property column would have as insert ids; 0 where there is no text.
pub fn insert_hashes(column: &[u8], rows: usize) -> Result<Vec<u64>> {
    hashes_of(&decode_raw(column, rows)?)
}

/// As [`insert_hashes`], of a column that is open already.
pub(crate) fn hashes_of(column: &RawColumn) -> Result<Vec<u64>> {
    match column {
        RawColumn::Dict { codes, values, .. } => hashes(codes, values),
        RawColumn::Number(v) => {
            let mut out = try_vec(v.len(), "insert hashes")?;
            out.resize(v.len(), 0);
            Ok(out)
        }
    }
}

/// As [`insert_hashes`], from codes and the values they stand for.
pub(crate) fn hashes(codes: &[u32], values: &RawValues) -> Result<Vec<u64>> {
    hashes_by(codes, values.len(), |code| values.of_code(code))
}

/// The same, with the stored form of the values of codes up to `count`.
pub(crate) fn hashes_by<'v>(codes: &[u32], count: usize, value: impl Fn(u32) -> &'v [u8]) -> Result<Vec<u64>> {
    let mut table: Vec<u64> = try_vec(count + 1, "insert hashes")?;
    table.push(0);
    table.extend((1..=count as u32).map(|code| with_text(value(code), insert_hash_of).unwrap_or(0)));
    let mut out = try_vec(codes.len(), "insert hashes")?;
    out.extend(codes.iter().map(|c| table.get(*c as usize).copied().unwrap_or(0)));
    Ok(out)
}
