//! A segment as it is stored: buffers of its own, so that it can be decoded on any thread.

use super::segment::{Columns, Head};
use crate::error::Result;
use crate::pg::spi::Rows;
use engine::chunk::{Chunk, Events, Kind, PropertyColumn};
use engine::codec;
use engine::error::{Error, try_vec};

/// Core columns that are wanted of a segment.
#[derive(Debug, Clone, Copy)]
pub struct Core {
    pub users: bool,
    pub times: bool,
    pub inserts: bool,
}

/// The wanted columns of one segment, encoded.
pub struct Raw {
    pub head: Head,
    /// `None` = not read.
    users: Option<Vec<u8>>,
    times: Option<Vec<u8>>,
    inserts: Option<Vec<u8>>,
    groups: Vec<(Kind, Vec<u8>)>,
    properties: Vec<(u32, Vec<u8>)>,
}

impl Raw {
    /// Copies the buffers out of a result whose columns after the head are users, times and inserts.
    pub fn fetch(rows: &Rows, i: usize, head: Head, core: Core, columns: Option<&Columns>) -> Result<Raw> {
        let mut raw = Raw {
            users: core.users.then(|| rows.bytes(i, 9)).transpose()?,
            times: core.times.then(|| rows.bytes(i, 10)).transpose()?,
            inserts: rows.bytes_or_null(i, 11, core.inserts)?,
            groups: Vec::new(),
            properties: Vec::new(),
            head,
        };
        if let Some(columns) = columns {
            columns.fetch(raw.head.no, &mut raw.groups, &mut raw.properties)?;
        }
        Ok(raw)
    }

    /// Decodes everything; damaged bytes are an error that names the segment.
    pub fn decode(&self) -> Result<Chunk, Error> {
        self.decode_columns().map_err(|e| match e {
            Error::Corrupt(what) => Error::Corrupt(format!("segment {}: {what}", self.head.no)),
            e => e,
        })
    }

    fn decode_columns(&self) -> Result<Chunk, Error> {
        let n = self.head.n;
        let mut chunk = Chunk {
            events: Events::One(self.head.event),
            user: match &self.users {
                Some(bytes) => codec::decode_ids(bytes, n)?,
                None => same(0, n)?,
            },
            time: match &self.times {
                Some(bytes) => codec::decode_times(bytes, n)?,
                None => same(self.head.at_min, n)?,
            },
            ..Chunk::default()
        };
        if let Some(bytes) = &self.inserts {
            chunk.inserts = Some(codec::decode_inserts(bytes, n)?);
        }
        for (kind, bytes) in &self.groups {
            chunk.groups.push(codec::decode_group(*kind, bytes, n)?);
        }
        for (property, bytes) in &self.properties {
            let column = codec::decode_column(bytes, n)?;
            let property = *property;
            chunk.properties.push(PropertyColumn { property, column });
        }
        chunk.groups.sort_unstable_by_key(|g| g.kind);
        chunk.properties.sort_unstable_by_key(|p| p.property);
        Ok(chunk)
    }
}

/// `n` rows with one value.
fn same<T: Clone>(value: T, n: usize) -> Result<Vec<T>, Error> {
    let mut v = try_vec(n, "a column")?;
    v.resize(n, value);
    Ok(v)
}
