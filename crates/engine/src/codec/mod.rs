//! The stored form of columns. `FORMAT.md` next to this crate's manifest is the grammar.
//!
//! Every buffer is a [`frame`]: version, codec, row count, length, CRC32C. Decoders take the number of rows from the
//! caller, check everything they read, and answer [`Error::Corrupt`](crate::error::Error::Corrupt) for whatever does not
//! fit; they never panic and never allocate for a count that the caller or the bytes at hand do not vouch for.

mod column;
mod follow;
pub mod frame;
mod front;
mod inserts;
pub(crate) mod ints;
pub(crate) mod raw;
pub(crate) mod values;

#[cfg(test)]
mod tests;

use crate::bitmap::{Bitmap, View};
use crate::chunk::{GroupColumn, Kind, SubjectNo};
use crate::error::{Error, Result, try_vec};
use crate::tick::Tick;
use crate::value::Value;
pub use column::{decode_column, decode_column_beside, encode_column};
pub(crate) use column::{encode_dictionary, encode_numbers, exact_number, too_many_distinct};
pub(crate) use follow::encode_following;
pub use follow::{Groups, followed};
use frame::{Codec, Reader, open, open_rows, seal};
pub use inserts::{decode_inserts, decode_inserts_with, encode_inserts, encode_inserts_beside, insert_hashes};
pub(crate) use inserts::{hashes, hashes_by, hashes_of};
use ints::{get_i64s, get_u32s, put_i64s, put_u32s};

/// Encodes subject or event numbers.
pub fn encode_ids(ids: &[u32]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    put_u32s(&mut out, ids)?;
    seal(Codec::Ids, 0, ids.len(), &out)
}

/// Decodes `rows` numbers.
pub fn decode_ids(bytes: &[u8], rows: usize) -> Result<Vec<u32>> {
    let mut r = plain(Codec::Ids, bytes, rows)?;
    let ids = get_u32s(&mut r, rows)?;
    r.finish()?;
    Ok(ids)
}

/// Encodes instants in milliseconds.
pub fn encode_times(times: &[i64]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    put_i64s(&mut out, times)?;
    seal(Codec::Times, 0, times.len(), &out)
}

/// Decodes `rows` instants.
pub fn decode_times(bytes: &[u8], rows: usize) -> Result<Vec<i64>> {
    let mut r = plain(Codec::Times, bytes, rows)?;
    let times = get_i64s(&mut r, rows)?;
    r.finish()?;
    Ok(times)
}

/// Opens a frame that uses no flags.
fn plain(codec: Codec, bytes: &[u8], rows: usize) -> Result<Reader<'_>> {
    let f = open_rows(codec, bytes, rows)?;
    if f.flags != 0 {
        return Err(codec.corrupt("unknown flags"));
    }
    Ok(f.payload)
}

/// Encodes the groups of one key. The kind is not part of the bytes.
pub fn encode_group(group: &GroupColumn) -> Result<Vec<u8>> {
    lists_fit(&group.first, &group.more)?;
    let mut out = Vec::new();
    put_u32s(&mut out, &group.first)?;
    let more = u32::try_from(group.more.len()).map_err(|_| Error::Limit {
        message: "more than 2^32 further groups in one batch".into(),
        hint: Some("Write smaller batches.".into()),
    })?;
    out.extend_from_slice(&more.to_le_bytes());
    if more != 0 {
        let mut side: Vec<u32> = try_vec(group.more.len(), "encoded column")?;
        side.extend(group.more.iter().map(|(row, _)| *row));
        put_u32s(&mut out, &side)?;
        side.clear();
        side.extend(group.more.iter().map(|(_, g)| *g));
        put_u32s(&mut out, &side)?;
    }
    seal(Codec::Group, 0, group.first.len(), &out)
}

/// Decodes the groups of `rows` rows as a column of `kind`.
pub fn decode_group(kind: Kind, bytes: &[u8], rows: usize) -> Result<GroupColumn> {
    let mut r = plain(Codec::Group, bytes, rows)?;
    let first = get_u32s(&mut r, rows)?;
    let count = r.u32()? as usize;
    let mut more: Vec<(u32, SubjectNo)> = Vec::new();
    if count != 0 {
        // The pairs ascend strictly, so at least one of the two streams spends a bit on each pair.
        if count / 8 > r.left() {
            return Err(r.corrupt("more groups than bytes"));
        }
        let rows_of = get_u32s(&mut r, count)?;
        let groups = get_u32s(&mut r, count)?;
        more = try_vec(count, "further groups")?;
        more.extend(rows_of.into_iter().zip(groups));
    }
    r.finish()?;
    lists_fit(&first, &more)?;
    Ok(GroupColumn { kind, first, more })
}

/// Entries ascend, and each is a further group of a row that exists, not the row's first one again.
fn lists_fit(first: &[SubjectNo], more: &[(u32, SubjectNo)]) -> Result<()> {
    let fits = |(row, g): &(u32, SubjectNo)| *g != 0 && first.get(*row as usize).is_some_and(|f| f != g);
    if more.is_sorted_by(|a, b| a < b) && more.iter().all(fits) {
        Ok(())
    } else {
        Err(Codec::Group.corrupt("list of groups out of order"))
    }
}

/// Encodes a set of subjects, given in order: the portable format of roaring bitmaps, with runs where they are smaller.
pub fn encode_subjects(sorted: &[SubjectNo], tick: &mut impl Tick) -> Result<Vec<u8>> {
    if !sorted.is_sorted_by(|a, b| a < b) || sorted.first() == Some(&0) {
        return Err(Codec::Subjects.corrupt("subjects out of order"));
    }
    let set = Bitmap::from_ids(sorted.iter().copied(), tick)?.into_portable()?;
    seal(Codec::Subjects, 0, sorted.len(), &set)
}

/// Opens what [`encode_subjects`] wrote. The answer is in the portable format; its header was checked, its containers
/// are when they are read. The number of members is the second part of the answer.
pub fn open_subjects(bytes: &[u8]) -> Result<(&[u8], u64)> {
    let f = open(Codec::Subjects, bytes)?;
    let set = f.payload.rest();
    let members = View::new(set)?.cardinality();
    if f.flags != 0 || members != f.rows as u64 {
        return Err(Codec::Subjects.corrupt("wrong number of members"));
    }
    Ok((set, members))
}

/// Encodes a list of values, compressed when that pays.
pub fn encode_values(list: &[Value]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    values::put_values(&mut out, list)?;
    seal(Codec::Values, 0, list.len(), &out)
}

/// Decodes a list of values; its length is in the bytes.
pub fn decode_values(bytes: &[u8]) -> Result<Vec<Value>> {
    let f = open(Codec::Values, bytes)?;
    let list = values::get_values(f.payload)?;
    if f.flags != 0 || list.len() != f.rows {
        return Err(Codec::Values.corrupt("wrong number of values"));
    }
    Ok(list)
}
