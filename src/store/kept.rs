//! Decoded columns of blocks that wait for maintenance, kept by a backend from one report to the next: a dashboard asks
//! many questions of the same blocks, and decoding them would be most of what a report costs.
//!
//! A block is kept under everything that tells one version of its row from another, so that what is kept is never stale;
//! and only who was given the row by Postgres, with the caller's rights and snapshot, comes here with its name. Of a block
//! that would not fit into the setting nothing is kept.

use super::cache::Cache;
use crate::error::Result;
use crate::pg::spi::Rows;
use crate::settings;
use engine::block::{self, Wanted};
use engine::chunk::{Chunk, Column, Events, Kind};
use engine::error::{Error, try_vec};
use engine::time::Span64;
use engine::value::Value;
use std::cell::RefCell;
use std::collections::HashMap;

/// A version of the row of a block: table, batch, the transaction that wrote it and where, and its length.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version {
    table: i64,
    batch: i64,
    written: String,
}

/// What a statement must select to tell versions apart, besides the batch.
pub const VERSION: &str = "tableoid::bigint, concat_ws(' ', xmin, ctid, octet_length(data))";

impl Version {
    /// From the columns of [`VERSION`], which begin at `column`.
    pub fn read(rows: &Rows, i: usize, batch: i64, column: usize) -> Result<Self> {
        Ok(Version {
            table: rows.int(i, column)?,
            batch,
            written: rows.text(i, column + 1)?.to_string(),
        })
    }
}

/// The columns of a block that somebody asked for, and where the rows of each event are.
struct Block {
    chunk: Chunk,
    /// Ascending events, each with its ascending rows.
    places: Vec<(u32, Vec<u32>)>,
    span: (i64, i64),
    /// Columns that were asked for, whether the block has them or not; ascending.
    kinds: Vec<Kind>,
    properties: Vec<u32>,
}

thread_local! {
    static KEPT: RefCell<Cache<Version, Block>> = RefCell::default();
}

/// What is asked of a block.
pub struct Asked<'a> {
    /// Ascending; `None` = any.
    pub events: Option<&'a [u32]>,
    pub kinds: &'a [Kind],
    pub properties: &'a [u32],
    pub span: Span64,
}

/// The asked rows of a block with the asked columns and their insert hashes. `data` fetches the stored buffer, if it is
/// needed.
pub fn rows_of(version: Version, asked: &Asked, data: impl FnOnce() -> Result<Vec<u8>>) -> Result<Chunk> {
    let answer = KEPT.with_borrow_mut(|kept| {
        let block = kept.get(&version).filter(|block| block.has(asked));
        block.map(|block| block.pick(asked))
    });
    if let Some(chunk) = answer {
        return chunk;
    }
    let data = data()?;
    let block = match KEPT.with_borrow_mut(|kept| kept.forget(&version)) {
        Some(known) => known.extended(asked, &data)?,
        None => Block::new(asked, &data)?,
    };
    let (chunk, bytes) = (block.pick(asked)?, block.bytes());
    KEPT.with_borrow_mut(|kept| kept.keep(version, block, bytes, settings::session_cache()))?;
    Ok(chunk)
}

fn merged<T: Copy + Ord>(a: &[T], b: &[T]) -> Vec<T> {
    let mut all = [a, b].concat();
    all.sort_unstable();
    all.dedup();
    all
}

impl Block {
    fn new(asked: &Asked, data: &[u8]) -> Result<Self> {
        let wanted = Wanted {
            kinds: Some(asked.kinds.to_vec()),
            properties: Some(asked.properties.to_vec()),
            inserts: true,
        };
        let chunk = block::decode(data, &wanted)?;
        let bounds = chunk.time.iter().min().zip(chunk.time.iter().max());
        Ok(Block {
            places: places(&chunk)?,
            span: bounds.map_or((0, 0), |(a, b)| (*a, *b)),
            chunk,
            kinds: merged(asked.kinds, &[]),
            properties: merged(asked.properties, &[]),
        })
    }

    /// The same with more columns.
    fn extended(mut self, asked: &Asked, data: &[u8]) -> Result<Self> {
        block::add_columns(data, asked.kinds, asked.properties, &mut self.chunk)?;
        self.kinds = merged(&self.kinds, asked.kinds);
        self.properties = merged(&self.properties, asked.properties);
        Ok(self)
    }

    fn has(&self, asked: &Asked) -> bool {
        let kinds = asked.kinds.iter().all(|k| self.kinds.binary_search(k).is_ok());
        kinds
            && asked
                .properties
                .iter()
                .all(|p| self.properties.binary_search(p).is_ok())
    }

    fn pick(&self, asked: &Asked) -> Result<Chunk> {
        let whole = self.span.0 >= asked.span.from && self.span.1 < asked.span.to;
        let within = |row: &u32| {
            let time = self.chunk.time.get(*row as usize);
            whole || time.is_some_and(|t| *t >= asked.span.from && *t < asked.span.to)
        };
        let mut rows: Vec<u32> = Vec::new();
        match asked.events {
            None => {
                rows = try_vec(self.chunk.len(), "events that wait")?;
                rows.extend((0..self.chunk.len() as u32).filter(within));
            }
            Some(events) => {
                let wanted = |event: &u32| events.binary_search(event).is_ok();
                for (_, places) in self.places.iter().filter(|(event, _)| wanted(event)) {
                    let reserved = rows.try_reserve(places.len());
                    reserved.map_err(|_| Error::OutOfMemory("events that wait"))?;
                    rows.extend(places.iter().copied().filter(within));
                }
                // Runs that ascend, which this sort merges.
                rows.sort();
            }
        }
        Ok(self.chunk.pick(&rows, asked.kinds, asked.properties)?)
    }

    /// About what it takes in memory.
    fn bytes(&self) -> usize {
        let columns = self.chunk.properties.iter().map(|p| match &p.column {
            Column::Number(v) => v.len().saturating_mul(8),
            Column::Dict { values, codes } => {
                let values = values.iter().map(Value::memory).sum::<usize>();
                codes.len().saturating_mul(4).saturating_add(values)
            }
        });
        let groups = self.chunk.groups.iter().map(|g| 4 * g.first.len() + 8 * g.more.len());
        let core = self.chunk.len().saturating_mul(36);
        columns
            .chain(groups)
            .fold(core.saturating_add(256), usize::saturating_add)
    }
}

/// The rows of each event.
fn places(chunk: &Chunk) -> Result<Vec<(u32, Vec<u32>)>> {
    let of = |event: u32, rows: usize| try_vec(rows, "events that wait").map(|v: Vec<u32>| (event, v));
    let events = match &chunk.events {
        Events::Each(events) => events,
        Events::One(event) => {
            let mut all = of(*event, chunk.len())?;
            all.1.extend(0..chunk.len() as u32);
            return Ok(vec![all]);
        }
    };
    let mut counts: HashMap<u32, usize> = HashMap::new();
    for event in events {
        *counts.entry(*event).or_default() += 1;
    }
    let mut places = counts
        .into_iter()
        .map(|(event, rows)| of(event, rows))
        .collect::<Result<Vec<_>, _>>()?;
    places.sort_unstable_by_key(|(event, _)| *event);
    let numbers: HashMap<u32, usize> = places.iter().enumerate().map(|(i, (event, _))| (*event, i)).collect();
    for (row, event) in (0..).zip(events) {
        if let Some((_, rows)) = numbers.get(event).and_then(|i| places.get_mut(*i)) {
            rows.push(row);
        }
    }
    Ok(places)
}
