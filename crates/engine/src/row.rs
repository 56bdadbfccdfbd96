//! One event by itself: the row delta, and what ingestion hands to the store.

use crate::chunk::{Chunk, Kind, SubjectNo};
use crate::codec::frame::{Codec, open_rows, put_varint, seal, unzigzag, zigzag};
use crate::codec::values::{get_value, put_value};
use crate::error::{Result, try_vec};
use crate::value::Value;

/// One event, numbers already assigned.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventRow {
    /// Event name, as its number in the project's lexicon.
    pub event: u32,
    /// The user, 0 = none.
    pub user: SubjectNo,
    /// Milliseconds since 1970-01-01 UTC.
    pub time: i64,
    /// [`insert_hash`] of `$insert_id`; 0 = none, never a duplicate.
    pub insert_hash: u64,
    /// The groups of the event by kind; the first of a list is the one a single-valued reader sees.
    pub groups: Vec<(Kind, Vec<SubjectNo>)>,
    /// Properties that are set, by number in the project's lexicon.
    pub properties: Vec<(u32, Value)>,
}

/// Hash of an insert id; never 0, which means that there is none.
pub fn insert_hash(insert_id: &str) -> u64 {
    insert_hash_of(insert_id.as_bytes())
}

/// The same of its bytes. Stored buffers rely on it: it must never change.
pub(crate) fn insert_hash_of(insert_id: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(insert_id).max(1)
}

/// The stored form of one event.
pub fn encode(row: &EventRow) -> Result<Vec<u8>> {
    let mut out = try_vec(64, "encoded event")?;
    put_varint(&mut out, u64::from(row.event));
    put_varint(&mut out, u64::from(row.user));
    put_varint(&mut out, zigzag(row.time));
    out.extend_from_slice(&row.insert_hash.to_le_bytes());
    put_varint(&mut out, row.groups.len() as u64);
    for (kind, list) in &row.groups {
        put_varint(&mut out, u64::from(*kind));
        put_varint(&mut out, list.len() as u64);
        list.iter().for_each(|g| put_varint(&mut out, u64::from(*g)));
    }
    put_varint(&mut out, row.properties.len() as u64);
    for (property, v) in &row.properties {
        put_varint(&mut out, u64::from(*property));
        put_value(&mut out, v)?;
    }
    seal(Codec::Row, 0, 1, &out)
}

/// Reads what [`encode`] wrote.
pub fn decode(bytes: &[u8]) -> Result<EventRow> {
    let f = open_rows(Codec::Row, bytes, 1)?;
    if f.flags != 0 {
        return Err(Codec::Row.corrupt("unknown flags"));
    }
    let mut r = f.payload;
    let (event, user, time) = (r.varint32()?, r.varint32()?, unzigzag(r.varint()?));
    let insert_hash = r.u64()?;
    let kinds = r.count()?;
    let mut groups: Vec<(Kind, Vec<SubjectNo>)> = try_vec(kinds, "groups")?;
    for _ in 0..kinds {
        let kind = Kind::try_from(r.varint32()?).map_err(|_| r.corrupt("kind out of range"))?;
        let n = r.count()?;
        let mut list = try_vec(n, "groups")?;
        for _ in 0..n {
            list.push(r.varint32()?);
        }
        groups.push((kind, list));
    }
    let n = r.count()?;
    let mut properties: Vec<(u32, Value)> = try_vec(n, "properties")?;
    for _ in 0..n {
        properties.push((r.varint32()?, get_value(&mut r)?));
    }
    r.finish()?;
    Ok(EventRow {
        event,
        user,
        time,
        insert_hash,
        groups,
        properties,
    })
}

impl EventRow {
    /// Row `row` of a chunk with everything the chunk holds of it; groups beyond the first in ascending order.
    pub fn from_chunk(chunk: &Chunk, row: usize) -> EventRow {
        let groups = chunk.groups.iter().filter_map(|g| {
            let list: Vec<SubjectNo> = g.of_row(row).collect();
            (!list.is_empty()).then_some((g.kind, list))
        });
        let properties = chunk.properties.iter();
        EventRow {
            event: chunk.event(row),
            user: chunk.user.get(row).copied().unwrap_or(0),
            time: chunk.time.get(row).copied().unwrap_or(0),
            insert_hash: chunk
                .inserts
                .as_ref()
                .and_then(|i| i.hash.get(row).copied())
                .unwrap_or(0),
            groups: groups.collect(),
            properties: properties
                .filter_map(|p| p.column.get(row).map(|v| (p.property, v.into_owned())))
                .collect(),
        }
    }
}
