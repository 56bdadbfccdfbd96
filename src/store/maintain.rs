//! Sealing what waits: blocks and rows become segments, merged with small segments whose days they touch.
//!
//! One transaction deletes what waited and writes the segments: a reader's snapshot has the one or the other, and a kill
//! in between leaves what was there before.

use super::Lock;
use super::erase;
use super::seal::Sealer;
use super::segment::{self, Head};
use super::settle::{self, Pace, Touched};
use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{self, Arg, Sql};
use crate::pg::{interrupts, owner};
use crate::registry::{self, Project};
use crate::settings;
use engine::chunk::Chunk;
use engine::chunk_builder::ChunkBuilder;
use engine::compact::{self, Arranged, Source};
use engine::row;
use engine::tick::{EVERY, Tick};
use pgrx::prelude::*;
use std::collections::BTreeMap;

/// Waiting events one step takes up; a longer backlog is worked off in several steps of one transaction.
const STEP_EVENTS: i64 = 500_000;

/// Takes waiting events out of the delta, at most about [`STEP_EVENTS`].
fn take_waiting(sql: &Sql, project: &Project) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let heads = sql.write(
        &project.sql("SELECT batch, n::bigint FROM @.event_block ORDER BY batch LIMIT 10000"),
        &[],
    )?;
    let (mut batches, mut events) = (Vec::new(), 0i64);
    for i in 0..heads.len() {
        if events >= STEP_EVENTS {
            break;
        }
        batches.push(heads.int(i, 0)?);
        events = events.saturating_add(heads.int(i, 1)?);
    }
    drop(heads);
    if !batches.is_empty() {
        let gone = sql.write(
            &project.sql("DELETE FROM @.event_block WHERE batch = ANY($1) RETURNING batch, data"),
            &[Arg::Ints(&batches)],
        )?;
        if gone.len() != batches.len() {
            return Err(Failure::internal("a block disappeared during maintenance"));
        }
        for i in 0..gone.len() {
            Interrupts.tick()?;
            let source = Source::from_block(&gone.bytes(i, 1)?)
                .map_err(|e| Failure::from(e).within(format!("block {}", gone.int(i, 0).unwrap_or(0))))?;
            sources.push(source);
        }
    }
    if let Some(chunk) = take_rows(sql, project)? {
        sources.push(Source::from_chunk(chunk)?);
    }
    Ok(sources)
}

/// Takes single events out of the delta, at most [`STEP_EVENTS`].
pub(super) fn take_rows(sql: &Sql, project: &Project) -> Result<Option<Chunk>> {
    let rows = sql.write(
        &project.sql(
            "DELETE FROM @.event_row WHERE ctid = ANY (ARRAY(SELECT r.ctid FROM @.event_row r LIMIT $1))
             RETURNING batch, data",
        ),
        &[Arg::Int(STEP_EVENTS)],
    )?;
    if rows.len() == 0 {
        return Ok(None);
    }
    let mut builder = ChunkBuilder::new();
    for i in 0..rows.len() {
        if i % EVERY == 0 {
            Interrupts.tick()?;
        }
        builder.push(&row::decode(&rows.bytes(i, 1)?)?, rows.int(i, 0)?)?;
    }
    Ok(Some(builder.finish()?))
}

/// The segments of events.
fn heads(sql: &Sql, project: &Project, events: &[i32]) -> Result<BTreeMap<u32, Vec<Head>>> {
    let found = sql.write(
        &project.sql(&format!(
            "SELECT {} FROM @.segment WHERE event = ANY($1) ORDER BY event, day_min, user_min, no",
            segment::HEAD
        )),
        &[Arg::Int4s(events)],
    )?;
    let mut out: BTreeMap<u32, Vec<Head>> = BTreeMap::new();
    for i in 0..found.len() {
        let head = segment::head(&found, i)?;
        out.entry(head.event).or_default().push(head);
    }
    Ok(out)
}

/// Seals one step of what waits; returns how many events it took up, and notes whose days changed.
fn step(sealer: &mut Sealer, touched: &mut Touched) -> Result<usize> {
    let (sql, project) = (sealer.sql, sealer.project);
    let waiting = take_waiting(sql, project)?;
    let taken = waiting.iter().map(Source::len).sum();
    let waiting = vec![Source::join(waiting, &mut Interrupts)?];
    let of_event = compact::by_event(&waiting, &mut Interrupts)?;
    let events: Vec<i32> = of_event.iter().map(|(e, _)| *e as i32).collect();
    let heads = heads(sql, project, &events)?;
    for (event, parts) in of_event {
        let rows = Arranged::new(event, parts, &project.calendar, &mut Interrupts)?;
        for (day, own) in rows.days() {
            touched.add(event, day, own.len() as u64);
        }
        sealer.seal(&rows, heads.get(&event).map(Vec::as_slice).unwrap_or_default())?;
    }
    Ok(taken)
}

/// Seals everything that waits, for somebody who holds the locks: nothing arrives meanwhile.
pub(super) fn seal_waiting(sealer: &mut Sealer, touched: &mut Touched) -> Result<()> {
    while step(sealer, touched)? > 0 {
        Interrupts.tick()?;
    }
    Ok(())
}

/// Puts segments that lie over one another in order, for every event.
fn tidy(sealer: &mut Sealer) -> Result<()> {
    let (sql, project) = (sealer.sql, sealer.project);
    let rows = sql.write(
        &project.sql("SELECT event FROM @.segment GROUP BY event HAVING count(*) > 1 ORDER BY event"),
        &[],
    )?;
    let events: Vec<i32> = (0..rows.len()).filter_map(|i| rows.get(i, 0)).collect();
    drop(rows);
    for (event, heads) in heads(sql, project, &events)? {
        Interrupts.tick()?;
        sealer.tidy(event, heads)?;
    }
    Ok(())
}

/// Seals everything that waits now. Without `wait`, does nothing while somebody else maintains the project.
#[pg_extern(schema = "analytics_groups", name = "_maintain", volatile, strict)]
#[search_path(pg_catalog, pg_temp)]
fn maintain(project: &str, wait: bool) -> Result<i64, crate::pg::ErrorReport> {
    let project = spi::connect(|sql| registry::open_for_writing(sql, Some(project)))?;
    let sealed = owner::as_owner(project.owner, || {
        spi::connect(|sql| {
            if wait {
                super::lock(sql, &project.name, Lock::Maintain)?;
            } else if !super::try_lock(sql, &project.name, Lock::Maintain)? {
                return Ok(0);
            }
            let (blocks, rows) = super::waiting(sql, &project)?;
            let backlog = blocks.saturating_add(rows);
            let (mut done, mut touched) = (0, Touched::default());
            let mut sealer = Sealer::new(sql, &project)?;
            // What arrives meanwhile is left for the next time, or a busy project would never be done.
            while done < backlog {
                let taken = step(&mut sealer, &mut touched)?;
                if taken == 0 {
                    break;
                }
                done += taken as i64;
            }
            erase::expire(&mut sealer, &mut touched)?;
            if wait {
                tidy(&mut sealer)?;
            }
            let pace = if wait { Pace::Now } else { Pace::Later };
            settle::settle(sql, &project, &touched, pace)?;
            super::identity::seal(sql, &project, pace)?;
            if wait {
                sql.write("SELECT analytics_groups._scrub($1)", &[Arg::Text(&project.name)])?;
            }
            Ok(done)
        })
    })?;
    Ok(sealed)
}

/// Called after every ingestion: maintains when enough waits, or folds single events when there are many of them. A
/// failure is a warning, for the events are stored.
pub fn after_ingest(sql: &Sql, project: &Project, ingested: usize) -> Result<()> {
    let Some(limit) = settings::auto_maintain() else {
        return Ok(());
    };
    if !due(ingested) {
        return Ok(());
    }
    let (blocks, rows) = super::waiting(sql, project)?;
    let upkeep = if blocks.saturating_add(rows) >= limit {
        "SELECT analytics_groups._try_upkeep($1, true)"
    } else if rows >= settings::fold_after() {
        "SELECT analytics_groups._try_upkeep($1, false)"
    } else {
        return Ok(());
    };
    let failed = sql.write(upkeep, &[Arg::Text(&project.name)])?;
    if let Some(why) = failed.get::<&str>(0, 0) {
        interrupts::warning(
            &format!("project \"{}\" could not be maintained: {why}", project.name),
            "The events are stored. Run CALL analytics_groups.maintain() to see the error itself.",
        );
    }
    Ok(())
}

/// Counting what waits costs a scan of the delta, so a backend that sends single events asks only now and then.
fn due(ingested: usize) -> bool {
    use std::cell::Cell;
    thread_local! {
        static SINCE: Cell<usize> = const { Cell::new(0) };
    }
    let since = SINCE.get() + ingested;
    let due = since >= 1000;
    SINCE.set(if due { 0 } else { since });
    due
}
