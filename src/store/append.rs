//! Writing what was ingested: a batch as one block, a few events as rows.

use crate::error::{Failure, Result};
use crate::pg::spi::{Arg, Sql};
use crate::registry::Project;
use crate::settings::{self, Dedupe};
use engine::block::{self, Wanted};
use engine::ingest::Intake;
use engine::row::{self, EventRow};

/// The number of a new batch and the priority its events have among duplicates: later batches replace earlier ones, and
/// in mode `skip` lose against whatever was there.
pub fn next_batch(sql: &Sql, project: &Project, dedupe: Dedupe) -> Result<(i64, i64)> {
    let rows = sql.write(&project.sql("SELECT nextval('@.batch_no'::regclass)"), &[])?;
    let batch = rows.int(0, 0)?;
    Ok((batch, if dedupe == Dedupe::Skip { -batch } else { batch }))
}

/// Stores a batch whose names are numbered: as a block, or as rows when it is small.
pub fn append(sql: &Sql, project: &Project, intake: &mut Intake, dedupe: Dedupe) -> Result<()> {
    if intake.is_empty() {
        return Ok(());
    }
    let (batch, priority) = next_batch(sql, project, dedupe)?;
    let data = intake.encode(priority)?;
    if intake.len() < settings::block_events() {
        let chunk = block::decode(&data, &Wanted::all())?;
        let rows: Vec<EventRow> = (0..chunk.len()).map(|row| EventRow::from_chunk(&chunk, row)).collect();
        return insert_rows(sql, project, priority, &rows);
    }
    let (events, min, max) = intake.summary()?;
    let events: Vec<i32> = events.into_iter().map(|e| e as i32).collect();
    sql.write(
        &project
            .sql("INSERT INTO @.event_block (batch, n, events, at_min, at_max, data) VALUES ($1, $2, $3, $4, $5, $6)"),
        &[
            Arg::Int(batch),
            Arg::Int4(intake.len() as i32),
            Arg::Int4s(&events),
            Arg::Int(min),
            Arg::Int(max),
            Arg::Bytes(&data),
        ],
    )?;
    Ok(())
}

/// Stores one event: one statement, because this is what a service does all day.
pub fn append_one(sql: &Sql, project: &Project, event: &EventRow, dedupe: Dedupe) -> Result<()> {
    let sign = match dedupe {
        Dedupe::Replace => "",
        Dedupe::Skip => "-",
    };
    let text = format!(
        "INSERT INTO @.event_row (batch, event, at, data) VALUES ({sign}nextval('@.batch_no'::regclass), $1, $2, $3)"
    );
    sql.write_by_key(
        &project.sql(&text),
        &[
            Arg::Int4(event.event as i32),
            Arg::Int(event.time),
            Arg::Bytes(&row::encode(event)?),
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

fn insert_rows(sql: &Sql, project: &Project, priority: i64, events: &[EventRow]) -> Result<()> {
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
