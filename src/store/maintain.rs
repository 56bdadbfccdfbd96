//! Sealing what waits: blocks and rows become segments, merged with the segments whose days they touch.
//!
//! One transaction deletes what waited and writes the segments: a reader's snapshot has the one or the other, and a kill
//! in between leaves what was there before.

use super::settle::{self, Pace, Touched};
use super::{Lock, segment};
use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{self, Arg, Sql};
use crate::pg::{interrupts, owner};
use crate::registry::{self, Project};
use crate::settings;
use engine::block::{self, Wanted};
use engine::chunk::Chunk;
use engine::chunk_builder::ChunkBuilder;
use engine::compact::{self, gather};
use engine::row;
use engine::tick::{EVERY, Tick};
use engine::time::DayCache;
use pgrx::prelude::*;
use std::collections::BTreeMap;

/// Waiting events one step takes up; a longer backlog is worked off in several steps of one transaction.
const STEP_EVENTS: i64 = 500_000;

/// Takes waiting events out of the delta, at most about [`STEP_EVENTS`].
fn take_waiting(sql: &Sql, project: &Project) -> Result<Vec<Chunk>> {
    let mut chunks = Vec::new();
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
            let chunk = block::decode(&gone.bytes(i, 1)?, &Wanted::all())
                .map_err(|e| Failure::from(e).within(format!("block {}", gone.int(i, 0).unwrap_or(0))))?;
            chunks.push(chunk);
        }
    }
    let rows = sql.write(
        &project.sql(
            "DELETE FROM @.event_row WHERE ctid = ANY (ARRAY(SELECT r.ctid FROM @.event_row r LIMIT $1))
             RETURNING batch, data",
        ),
        &[Arg::Int(STEP_EVENTS)],
    )?;
    if rows.len() > 0 {
        let mut builder = ChunkBuilder::new();
        for i in 0..rows.len() {
            if i % EVERY == 0 {
                Interrupts.tick()?;
            }
            builder.push(&row::decode(&rows.bytes(i, 1)?)?, rows.int(i, 0)?)?;
        }
        chunks.push(builder.finish()?);
    }
    Ok(chunks)
}

/// A run of days of one event that is sealed together: present segments and what waits for those days.
struct Unit {
    segments: Vec<segment::Head>,
    rows: Vec<(usize, usize)>,
}

/// Splits the waiting rows of one event into units. A unit is what one segment (or the user ranges of one big day) covers;
/// rows between two segments join the one before while that is small, so that rare events end in few segments.
fn units(heads: Vec<segment::Head>, mut rows: Vec<(i32, usize, usize)>, target: usize) -> Vec<Unit> {
    let mut slots: Vec<(i32, i32, Vec<segment::Head>)> = Vec::new();
    for h in heads {
        match slots.last_mut() {
            Some((_, last, heads)) if h.day_min <= *last => {
                *last = (*last).max(h.day_max);
                heads.push(h);
            }
            _ => slots.push((h.day_min, h.day_max, vec![h])),
        }
    }
    rows.sort_unstable();
    let mut of_slot: BTreeMap<(usize, bool), Vec<(usize, usize)>> = BTreeMap::new();
    for (day, chunk, row) in rows {
        // Slots are disjoint and sorted: the last one that begins on or before the day, if any.
        let after = slots.partition_point(|(first, _, _)| *first <= day);
        let joins = after
            .checked_sub(1)
            .and_then(|i| slots.get(i))
            .is_some_and(|(_, last, heads)| day <= *last || heads.iter().map(|h| h.n).sum::<usize>() < target);
        of_slot.entry((after, joins)).or_default().push((chunk, row));
    }
    of_slot
        .into_iter()
        .map(|((after, joins), rows)| {
            let segments = match after.checked_sub(1).filter(|_| joins).and_then(|i| slots.get_mut(i)) {
                Some((_, _, heads)) => std::mem::take(heads),
                None => Vec::new(),
            };
            Unit { segments, rows }
        })
        .collect()
}

fn load(sql: &Sql, project: &Project, heads: &[segment::Head]) -> Result<Vec<Chunk>> {
    let numbers: Vec<i64> = heads.iter().map(|h| h.no).collect();
    let rows = sql.write(
        &project.sql(&format!(
            "SELECT {}, users, times, inserts FROM @.segment WHERE no = ANY($1)",
            segment::HEAD
        )),
        &[Arg::Ints(&numbers)],
    )?;
    let columns = segment::columns(sql, project, &numbers, None)?;
    let mut chunks = Vec::new();
    for i in 0..rows.len() {
        Interrupts.tick()?;
        let head = segment::head(&rows, i)?;
        let mut chunk = segment::core(&rows, i, &head, true)?;
        columns
            .decode_into(head.no, &mut chunk)
            .map_err(|e| e.within(format!("segment {}", head.no)))?;
        chunk
            .check()
            .map_err(|e| Failure::from(e).within(format!("segment {}", head.no)))?;
        chunks.push(chunk);
    }
    Ok(chunks)
}

/// Seals one step of what waits; returns how many events it took up, and notes whose days changed.
fn step(sql: &Sql, project: &Project, touched: &mut Touched) -> Result<usize> {
    let waiting = take_waiting(sql, project)?;
    let taken = waiting.iter().map(Chunk::len).sum();
    let mut days = DayCache::new(&project.calendar);
    let mut of_event: BTreeMap<u32, Vec<(i32, usize, usize)>> = BTreeMap::new();
    for (c, chunk) in waiting.iter().enumerate() {
        Interrupts.tick()?;
        for (r, t) in chunk.time.iter().enumerate() {
            let (event, day) = (chunk.event(r), days.day_of(*t)?);
            of_event.entry(event).or_default().push((day, c, r));
        }
    }
    let target = settings::segment_rows();
    for (event, rows) in of_event {
        for (day, _, _) in &rows {
            touched.add(event, *day, 1);
        }
        let found = sql.write(
            &project.sql(&format!(
                "SELECT {} FROM @.segment WHERE event = $1 ORDER BY day_min, user_min, no",
                segment::HEAD
            )),
            &[Arg::Int4(event as i32)],
        )?;
        let heads = (0..found.len())
            .map(|i| segment::head(&found, i))
            .collect::<Result<Vec<_>>>()?;
        drop(found);
        for unit in units(heads, rows, target) {
            let mut chunks = load(sql, project, &unit.segments)?;
            let mut of_chunk: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for (c, r) in unit.rows {
                of_chunk.entry(c).or_default().push(r);
            }
            for (c, mut rows) in of_chunk {
                rows.sort_unstable();
                if let Some(chunk) = waiting.get(c) {
                    chunks.push(gather(chunk, &rows)?);
                }
            }
            let sealed = compact::compact(chunks, &project.calendar, target, target * 2, &mut Interrupts)?;
            let old: Vec<i64> = unit.segments.iter().map(|h| h.no).collect();
            if !old.is_empty() {
                segment::delete(sql, project, &old)?;
            }
            for s in &sealed {
                Interrupts.tick()?;
                segment::insert(sql, project, s)?;
            }
        }
    }
    Ok(taken)
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
            let backlog = super::waiting(sql, &project)?;
            let (mut done, mut touched) = (0, Touched::default());
            // What arrives meanwhile is left for the next time, or a busy project would never be done.
            while done < backlog {
                let taken = step(sql, &project, &mut touched)?;
                if taken == 0 {
                    break;
                }
                done += taken as i64;
            }
            settle::settle(sql, &project, &touched, if wait { Pace::Now } else { Pace::Later })?;
            Ok(done)
        })
    })?;
    Ok(sealed)
}

/// Called after every ingestion: maintains when enough waits. A failure is a warning, for the events are stored.
pub fn after_ingest(sql: &Sql, project: &Project, ingested: usize) -> Result<()> {
    let Some(limit) = settings::auto_maintain() else {
        return Ok(());
    };
    if !due(ingested) || super::waiting(sql, project)? < limit {
        return Ok(());
    }
    let failed = sql.write("SELECT analytics_groups._try_maintain($1)", &[Arg::Text(&project.name)])?;
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
