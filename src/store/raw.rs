//! A segment as it is stored: buffers of its own, so that it can be decoded on any thread.

use super::segment::{self, Columns, Encoded, Head};
use crate::error::Result;
use crate::pg::spi::Rows;
use engine::chunk::{Chunk, Events, Inserts};
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
    /// The insert ids, which hashes may follow from.
    insert_ids: Vec<(u32, Vec<u8>)>,
    columns: Encoded,
}

impl Raw {
    /// Copies the buffers out of a result whose columns after the head are users, times and inserts; these come with the
    /// column of insert ids.
    pub fn fetch(
        rows: &Rows,
        i: usize,
        head: Head,
        core: Core,
        insert_ids: Option<&Columns>,
        columns: Option<&Columns>,
    ) -> Result<Raw> {
        let mut raw = Raw {
            users: core.users.then(|| rows.bytes(i, 9)).transpose()?,
            times: core.times.then(|| rows.bytes(i, 10)).transpose()?,
            inserts: rows.bytes_or_null(i, 11, core.inserts)?,
            insert_ids: Vec::new(),
            columns: Encoded::default(),
            head,
        };
        if let Some(ids) = insert_ids.filter(|_| raw.inserts.is_some()) {
            raw.insert_ids = ids.fetch(raw.head.no)?.properties;
        }
        if let Some(columns) = columns {
            raw.columns = columns.fetch(raw.head.no)?;
        }
        Ok(raw)
    }

    /// Decodes everything but inserts; damaged bytes are an error that names the segment.
    pub fn decode(&self) -> Result<Chunk, Error> {
        self.decode_columns().map_err(|e| self.damaged(e))
    }

    /// Insert hashes and priorities, if they were fetched and there are any.
    pub fn inserts(&self) -> Result<Option<Inserts>, Error> {
        let Some(bytes) = &self.inserts else { return Ok(None) };
        segment::decode_inserts(bytes, self.head.n, &self.insert_ids)
            .map(Some)
            .map_err(|e| self.damaged(e))
    }

    fn damaged(&self, e: Error) -> Error {
        match e {
            Error::Corrupt(what) => Error::Corrupt(format!("segment {}: {what}", self.head.no)),
            e => e,
        }
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
        self.columns.decode_into(&mut chunk)?;
        Ok(chunk)
    }
}

/// `n` rows with one value.
fn same<T: Clone>(value: T, n: usize) -> Result<Vec<T>, Error> {
    let mut v = try_vec(n, "a column")?;
    v.resize(n, value);
    Ok(v)
}
