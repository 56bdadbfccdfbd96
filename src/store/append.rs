//! Writing what was ingested: a batch as one block, a few events as rows.

use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Sql};
use crate::registry::Project;
use crate::settings::{self, Dedupe};
use engine::block;
use engine::chunk::Chunk;
use engine::chunk_builder::ChunkBuilder;
use engine::row::{self, EventRow};
use engine::tick::{EVERY, Tick};

/// Events of one block: larger batches are cut, so that reading one buffer stays cheap.
const MAX_BLOCK_EVENTS: usize = 50_000;

/// The number of a new batch and the priority its events have among duplicates: later batches replace earlier ones, and
/// in mode `skip` lose against whatever was there.
pub fn next_batch(sql: &Sql, project: &Project, dedupe: Dedupe) -> Result<(i64, i64)> {
    let rows = sql.write(&project.sql("SELECT nextval('@.batch_no'::regclass)"), &[])?;
    let batch = rows.int(0, 0)?;
    Ok((batch, if dedupe == Dedupe::Skip { -batch } else { batch }))
}

/// Stores events whose names are already numbers.
pub fn append(sql: &Sql, project: &Project, events: &[EventRow], dedupe: Dedupe) -> Result<()> {
    if events.len() < settings::block_events() {
        return append_rows(sql, project, events, dedupe);
    }
    for part in events.chunks(MAX_BLOCK_EVENTS) {
        let (batch, priority) = next_batch(sql, project, dedupe)?;
        let mut builder = ChunkBuilder::new();
        for (i, event) in part.iter().enumerate() {
            if i % EVERY == 0 {
                Interrupts.tick()?;
            }
            builder.push(event, priority)?;
        }
        insert_block(sql, project, batch, &builder.finish()?)?;
    }
    Ok(())
}

/// Stores a chunk as a block of its own.
pub fn insert_block(sql: &Sql, project: &Project, batch: i64, chunk: &Chunk) -> Result<()> {
    let mut events: Vec<i32> = (0..chunk.len()).map(|i| chunk.event(i) as i32).collect();
    events.sort_unstable();
    events.dedup();
    let (min, max) = bounds(&chunk.time)?;
    let data = block::encode(chunk)?;
    sql.write(
        &project
            .sql("INSERT INTO @.event_block (batch, n, events, at_min, at_max, data) VALUES ($1, $2, $3, $4, $5, $6)"),
        &[
            Arg::Int(batch),
            Arg::Int4(chunk.len() as i32),
            Arg::Int4s(&events),
            Arg::Int(min),
            Arg::Int(max),
            Arg::Bytes(&data),
        ],
    )?;
    Ok(())
}

/// First and last instant of a buffer that has rows.
pub fn bounds(times: &[i64]) -> Result<(i64, i64)> {
    match (times.iter().min(), times.iter().max()) {
        (Some(a), Some(b)) => Ok((*a, *b)),
        _ => Err(Failure::internal("an empty buffer")),
    }
}

fn append_rows(sql: &Sql, project: &Project, events: &[EventRow], dedupe: Dedupe) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let (_, priority) = next_batch(sql, project, dedupe)?;
    let buffers = events
        .iter()
        .map(row::encode)
        .collect::<engine::error::Result<Vec<_>>>()?;
    let data: Vec<&[u8]> = buffers.iter().map(Vec::as_slice).collect();
    let names: Vec<i32> = events.iter().map(|e| e.event as i32).collect();
    let times: Vec<i64> = events.iter().map(|e| e.time).collect();
    sql.write(
        &project.sql(
            "INSERT INTO @.event_row (batch, event, at, data)
             SELECT $1, e, a, d FROM unnest($2, $3, $4) AS t(e, a, d)",
        ),
        &[
            Arg::Int(priority),
            Arg::Int4s(&names),
            Arg::Ints(&times),
            Arg::ByteStrings(&data),
        ],
    )?;
    Ok(())
}
