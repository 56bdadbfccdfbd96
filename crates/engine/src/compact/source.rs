//! What compaction reads: blocks, rows and older segments, with the values of their properties still encoded.

use crate::block::open_block;
use crate::chunk::{Chunk, Events, GroupColumn, Inserts, Kind};
use crate::codec::frame::Codec;
use crate::codec::raw::{RawColumn, decode_raw_beside, to_raw};
use crate::codec::{decode_group, decode_ids, decode_inserts_with, decode_times, hashes_of};
use crate::error::Result;
use crate::intern::push;

/// Rows of one stored buffer.
#[derive(Debug)]
pub struct Source {
    /// Everything but properties.
    pub(super) core: Chunk,
    /// Sorted by property.
    pub(super) properties: Vec<(u32, RawColumn)>,
}

impl Source {
    /// A block.
    pub fn from_block(bytes: &[u8]) -> Result<Self> {
        let opened = open_block(bytes, None)?;
        let rows = opened.core.len();
        let mut properties = Vec::new();
        for (property, body) in opened.properties {
            let groups = |kind: Kind| opened.core.group(kind);
            push(&mut properties, (property, decode_raw_beside(body, rows, &groups)?))?;
        }
        let mut source = Source::checked(opened.core, properties)?;
        if let Some(inserts) = opened.inserts {
            source.add_inserts(inserts)?;
        }
        Ok(source)
    }

    /// A chunk in memory.
    pub fn from_chunk(mut chunk: Chunk) -> Result<Self> {
        chunk.check()?;
        let mut properties = Vec::new();
        for p in std::mem::take(&mut chunk.properties) {
            push(&mut properties, (p.property, to_raw(&p.column)?))?;
        }
        Source::checked(chunk, properties)
    }

    /// Users and times of a segment of `rows` rows; groups, properties and at last inserts follow.
    pub fn from_segment(event: u32, rows: usize, users: &[u8], times: &[u8]) -> Result<Self> {
        let core = Chunk {
            events: Events::One(event),
            user: decode_ids(users, rows)?,
            time: decode_times(times, rows)?,
            ..Chunk::default()
        };
        Source::checked(core, Vec::new())
    }

    /// Adds the groups of a kind.
    pub fn add_group(&mut self, kind: Kind, bytes: &[u8]) -> Result<()> {
        let column: GroupColumn = decode_group(kind, bytes, self.len())?;
        let at = self.core.groups.partition_point(|g| g.kind < kind);
        self.core.groups.insert(at, column);
        self.core.check()
    }

    /// Adds a property. The groups are there already: it may follow from them.
    pub fn add_property(&mut self, property: u32, bytes: &[u8]) -> Result<()> {
        let column = decode_raw_beside(bytes, self.len(), &|kind| self.core.group(kind))?;
        let at = self.properties.partition_point(|(p, _)| *p < property);
        self.properties.insert(at, (property, column));
        Ok(())
    }

    /// Adds insert hashes and priorities. The properties are there already: hashes may follow from them.
    pub fn add_inserts(&mut self, bytes: &[u8]) -> Result<()> {
        let inserts = decode_inserts_with(bytes, self.len(), |property| match self.property(property) {
            Some(column) => hashes_of(column),
            None => Err(Codec::Inserts.corrupt("the insert ids are missing")),
        })?;
        self.core.inserts = Some(inserts);
        self.core.check()
    }

    pub(super) fn checked(core: Chunk, mut properties: Vec<(u32, RawColumn)>) -> Result<Self> {
        core.check()?;
        properties.sort_by_key(|(p, _)| *p);
        Ok(Source { core, properties })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.core.len()
    }

    /// True when there are no rows.
    pub fn is_empty(&self) -> bool {
        self.core.is_empty()
    }

    pub(super) fn inserts(&self) -> Option<&Inserts> {
        self.core.inserts.as_ref()
    }

    pub(super) fn property(&self, property: u32) -> Option<&RawColumn> {
        let i = self.properties.binary_search_by_key(&property, |(p, _)| *p).ok()?;
        self.properties.get(i).map(|(_, c)| c)
    }
}

/// Rows of one source, ascending.
#[derive(Debug)]
pub struct Part<'a> {
    pub source: &'a Source,
    pub rows: Vec<u32>,
}

impl<'a> Part<'a> {
    /// Every row.
    pub fn whole(source: &'a Source) -> Result<Self> {
        let mut rows = crate::error::try_vec(source.len(), "rows of an event")?;
        rows.extend(0..source.len() as u32);
        Ok(Part { source, rows })
    }
}

/// The further groups of a row.
pub(super) fn entries(g: &GroupColumn, row: usize) -> &[(u32, u32)] {
    let from = g.more.partition_point(|(r, _)| (*r as usize) < row);
    let own = g.more.get(from..).unwrap_or_default();
    let n = own.iter().take_while(|(r, _)| *r as usize == row).count();
    own.get(..n).unwrap_or_default()
}
