//! One stored buffer with all columns of an ingested batch, mixed events included.
//!
//! Payload: shard u16, number of sections u32, a directory of (section u8, id u32, offset u32, length u32) in strictly
//! ascending order of (section, id), and the sections, each a column with an envelope of its own.

pub mod decoded;

use crate::chunk::{Chunk, Events, GroupColumn, Inserts, Kind, PropertyColumn};
use crate::codec::frame::{Codec, Reader, open, seal};
use crate::codec::{
    decode_column_beside, decode_group, decode_ids, decode_inserts_with, decode_times, encode_column, encode_group,
    encode_ids, encode_inserts, encode_inserts_beside, encode_times, followed, insert_hashes,
};
use crate::error::{Error, Result, try_vec};

/// Most rows of one block.
pub const MAX_ROWS: usize = 1 << 22;

/// The only shard there is so far: reserved for stores on several machines, cut by a hash of the user.
const SHARD: u16 = 0;
const ENTRY: usize = 13;

const ONE_EVENT: u8 = 1;
const EVENTS: u8 = 2;
const USERS: u8 = 3;
const TIMES: u8 = 4;
const INSERTS: u8 = 5;
const GROUP: u8 = 6;
const PROPERTY: u8 = 7;

/// Which columns to decode; events, users and times always are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wanted {
    /// Group kinds; `None` = all.
    pub kinds: Option<Vec<Kind>>,
    /// Properties; `None` = all.
    pub properties: Option<Vec<u32>>,
    /// Insert hashes and priorities.
    pub inserts: bool,
}

impl Wanted {
    /// Every column.
    pub fn all() -> Self {
        Wanted {
            kinds: None,
            properties: None,
            inserts: true,
        }
    }
}

/// Encodes a chunk with every column it has.
pub fn encode(chunk: &Chunk) -> Result<Vec<u8>> {
    chunk.check()?;
    let mut block = Assembly::empty(chunk.len())?;
    match &chunk.events {
        Events::One(e) => block.add(ONE_EVENT, *e, Vec::new())?,
        Events::Each(v) => block.add(EVENTS, 0, encode_ids(v)?)?,
    }
    block.add(USERS, 0, encode_ids(&chunk.user)?)?;
    block.add(TIMES, 0, encode_times(&chunk.time)?)?;
    if let Some(i) = &chunk.inserts {
        block.add(INSERTS, 0, encode_inserts(i)?)?;
    }
    for g in &chunk.groups {
        block.group(g)?;
    }
    for p in &chunk.properties {
        block.property(p.property, encode_column(&p.column)?)?;
    }
    block.finish()
}

/// A block that is put together column by column.
pub(crate) struct Assembly {
    rows: usize,
    sections: Vec<(u8, u32, Vec<u8>)>,
}

impl Assembly {
    fn empty(rows: usize) -> Result<Self> {
        if rows > MAX_ROWS {
            return Err(Error::Limit {
                message: format!("a batch of {rows} events, more than {MAX_ROWS}"),
                hint: Some("Write smaller batches.".into()),
            });
        }
        let sections = Vec::new();
        Ok(Assembly { rows, sections })
    }

    /// Begins with the columns every batch has, which must be of one length.
    pub(crate) fn new(rows: usize, events: &[u32], users: &[u32], times: &[i64]) -> Result<Self> {
        if [events.len(), users.len(), times.len()] != [rows; 3] {
            return Err(Error::corrupt("block: columns of different length"));
        }
        let mut block = Assembly::empty(rows)?;
        block.add(EVENTS, 0, encode_ids(events)?)?;
        block.add(USERS, 0, encode_ids(users)?)?;
        block.add(TIMES, 0, encode_times(times)?)?;
        Ok(block)
    }

    /// Adds insert hashes and priorities, but for hashes that are those of a property of the block.
    pub(crate) fn inserts(&mut self, inserts: &Inserts, beside: Option<(u32, &[u64])>) -> Result<()> {
        if inserts.hash.len() != self.rows {
            return Err(Error::corrupt("block: columns of different length"));
        }
        let body = match beside {
            Some((property, hashes)) => encode_inserts_beside(inserts, property, hashes)?,
            None => encode_inserts(inserts)?,
        };
        self.add(INSERTS, 0, body)
    }

    fn add(&mut self, kind: u8, id: u32, body: Vec<u8>) -> Result<()> {
        crate::intern::push(&mut self.sections, (kind, id, body))
    }

    /// Adds the groups of a kind.
    pub(crate) fn group(&mut self, g: &GroupColumn) -> Result<()> {
        self.add(GROUP, u32::from(g.kind), encode_group(g)?)
    }

    /// Adds the encoded column of a property.
    pub(crate) fn property(&mut self, property: u32, body: Vec<u8>) -> Result<()> {
        self.add(PROPERTY, property, body)
    }

    /// The stored buffer.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>> {
        self.sections.sort_unstable_by_key(|(kind, id, _)| (*kind, *id));
        let total: usize = self.sections.iter().map(|(_, _, body)| body.len() + ENTRY).sum();
        let mut out = try_vec(total.saturating_add(6), "block")?;
        out.extend_from_slice(&SHARD.to_le_bytes());
        out.extend_from_slice(&(self.sections.len() as u32).to_le_bytes());
        let mut offset = 0usize;
        for (kind, id, body) in &self.sections {
            out.push(*kind);
            out.extend_from_slice(&id.to_le_bytes());
            // Lengths beyond 32 bits are refused when the whole is sealed.
            out.extend_from_slice(&(offset as u32).to_le_bytes());
            out.extend_from_slice(&(body.len() as u32).to_le_bytes());
            offset = offset.saturating_add(body.len());
        }
        for (_, _, body) in &self.sections {
            out.extend_from_slice(body);
        }
        seal(Codec::Block, 0, self.rows, &out)
    }
}

struct Section<'a> {
    kind: u8,
    id: u32,
    body: &'a [u8],
}

/// Reads and checks the directory: ascending, without gaps, nothing after the last section.
fn directory<'a>(r: &mut Reader<'a>) -> Result<Vec<Section<'a>>> {
    let shard = r.u16()?;
    if shard != SHARD {
        return Err(r.corrupt(&format!("shard {shard}")));
    }
    let count = r.u32()? as usize;
    let table = r.take(count.saturating_mul(ENTRY))?;
    let mut entries = Reader::new(table, Codec::Block);
    let mut sections: Vec<Section<'a>> = try_vec(count, "block directory")?;
    let mut expected = 0usize;
    for _ in 0..count {
        let (kind, id) = (entries.u8()?, entries.u32()?);
        let (offset, len) = (entries.u32()? as usize, entries.u32()? as usize);
        if offset != expected || sections.last().is_some_and(|s| (s.kind, s.id) >= (kind, id)) {
            return Err(r.corrupt("directory out of order"));
        }
        let body = r.take(len)?;
        expected += len;
        sections.push(Section { kind, id, body });
    }
    Ok(sections)
}

/// Decodes the columns that are wanted.
pub fn decode(bytes: &[u8], wanted: &Wanted) -> Result<Chunk> {
    let opened = open_block(bytes, wanted.kinds.as_deref())?;
    let rows = opened.core.len();
    let mut chunk = opened.core;
    if let Some(body) = opened.inserts.filter(|_| wanted.inserts) {
        let properties = &opened.properties;
        let hashes = |property: u32| match properties.iter().find(|(p, _)| *p == property) {
            Some((_, column)) => insert_hashes(column, rows),
            None => Err(Codec::Block.corrupt("insert ids are missing")),
        };
        chunk.inserts = Some(decode_inserts_with(body, rows, hashes)?);
    }
    let wants = |property: u32| wanted.properties.as_ref().is_none_or(|p| p.contains(&property));
    add_properties(&mut chunk, &opened.properties, &opened.groups, wants)?;
    Ok(chunk)
}

/// Adds group and property columns to what was decoded of the block before; those that the chunk has already stay as they
/// are.
pub fn add_columns(bytes: &[u8], kinds: &[Kind], properties: &[u32], chunk: &mut Chunk) -> Result<()> {
    let frame = open(Codec::Block, bytes)?;
    let rows = frame.rows;
    if frame.flags != 0 || rows != chunk.len() {
        return Err(Codec::Block.corrupt("unknown flags, or another number of rows than before"));
    }
    let mut r = frame.payload;
    let sections = directory(&mut r)?;
    r.finish()?;
    let mut groups: Vec<(Kind, &[u8])> = try_vec(sections.len(), "block directory")?;
    let mut stored: Vec<(u32, &[u8])> = try_vec(sections.len(), "block directory")?;
    for s in &sections {
        match (s.kind, Kind::try_from(s.id)) {
            (GROUP, Ok(kind)) => groups.push((kind, s.body)),
            (PROPERTY, _) if properties.contains(&s.id) && chunk.property(s.id).is_none() => {
                stored.push((s.id, s.body));
            }
            _ => {}
        }
    }
    for (kind, body) in groups.iter().filter(|(k, _)| kinds.contains(k)) {
        if chunk.group(*kind).is_none() {
            crate::intern::push(&mut chunk.groups, decode_group(*kind, body, rows)?)?;
            chunk.groups.sort_unstable_by_key(|g| g.kind);
        }
    }
    add_properties(chunk, &stored, &groups, |_| true)?;
    chunk.properties.sort_unstable_by_key(|p| p.property);
    Ok(())
}

/// Decodes property columns, some of which follow the groups of the block.
fn add_properties(
    chunk: &mut Chunk,
    stored: &[(u32, &[u8])],
    groups: &[(Kind, &[u8])],
    wants: impl Fn(u32) -> bool,
) -> Result<()> {
    let rows = chunk.len();
    for (property, body) in stored.iter().filter(|(p, _)| wants(*p)) {
        // Groups that nobody asked for, but the property follows.
        let mut beside = None;
        if let Some(kind) = followed(body)?
            && chunk.group(kind).is_none()
            && let Some((_, groups)) = groups.iter().find(|(k, _)| *k == kind)
        {
            beside = Some(decode_group(kind, groups, rows)?);
        }
        let groups = |kind: Kind| chunk.groups.iter().chain(&beside).find(|g| g.kind == kind);
        let column = decode_column_beside(body, rows, &groups)?;
        let property = *property;
        crate::intern::push(&mut chunk.properties, PropertyColumn { property, column })?;
    }
    Ok(())
}

/// A block of which properties and insert hashes are still encoded.
pub(crate) struct Opened<'a> {
    pub core: Chunk,
    pub inserts: Option<&'a [u8]>,
    /// Ascending.
    pub properties: Vec<(u32, &'a [u8])>,
    /// All groups as they are stored.
    pub groups: Vec<(Kind, &'a [u8])>,
}

/// Opens a block and decodes all but properties and insert hashes; of the groups those of `kinds`, `None` = all.
pub(crate) fn open_block<'a>(bytes: &'a [u8], kinds: Option<&[Kind]>) -> Result<Opened<'a>> {
    let frame = open(Codec::Block, bytes)?;
    let corrupt = |what: &str| Err(Codec::Block.corrupt(what));
    let rows = frame.rows;
    if frame.flags != 0 || rows > MAX_ROWS {
        return corrupt("unknown flags or too many rows");
    }
    let mut r = frame.payload;
    let sections = directory(&mut r)?;
    r.finish()?;
    let (mut events, mut user, mut time) = (None, None, None);
    let mut chunk = Chunk::default();
    let mut inserts = None;
    let mut properties = try_vec(sections.len(), "block directory")?;
    let mut groups = Vec::new();
    for s in &sections {
        match s.kind {
            ONE_EVENT if s.body.is_empty() && events.is_none() => events = Some(Events::One(s.id)),
            EVENTS if s.id == 0 && events.is_none() => events = Some(Events::Each(decode_ids(s.body, rows)?)),
            USERS if s.id == 0 => user = Some(decode_ids(s.body, rows)?),
            TIMES if s.id == 0 => time = Some(decode_times(s.body, rows)?),
            INSERTS if s.id == 0 => inserts = Some(s.body),
            GROUP => {
                let kind = match Kind::try_from(s.id) {
                    Ok(k) if k != crate::chunk::USER => k,
                    _ => return corrupt("kind out of range"),
                };
                crate::intern::push(&mut groups, (kind, s.body))?;
                if kinds.is_none_or(|k| k.contains(&kind)) {
                    chunk.groups.push(decode_group(kind, s.body, rows)?);
                }
            }
            PROPERTY => properties.push((s.id, s.body)),
            _ => return corrupt("unknown section"),
        }
    }
    let (Some(events), Some(user), Some(time)) = (events, user, time) else {
        return corrupt("section missing");
    };
    (chunk.events, chunk.user, chunk.time) = (events, user, time);
    Ok(Opened {
        core: chunk,
        inserts,
        properties,
        groups,
    })
}
