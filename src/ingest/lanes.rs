//! Two lanes of an import: while a worker reads and judges the lines of a slice, the backend stores the slice before it and
//! fetches the rows of the next. Without a worker the backend does one after the other.

use super::read::Lines;
use super::{Stored, intake, keys, now_ms, store};
use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::Sql;
use crate::registry::{Project, lexicon};
use crate::settings;
use engine::error::Error;
use engine::ingest::{self, Intake};
use engine::tick::Tick;
use std::sync::{Mutex, PoisonError};

/// Hears what became of a slice.
pub(super) type Each<'a> = &'a mut dyn FnMut(&Lines, Stored) -> Result<()>;

/// Gives the next slice; none after the last.
pub(super) type Next<'a> = &'a mut dyn FnMut() -> Result<Option<Lines>>;

/// A slice whose lines were read.
struct Filled {
    lines: Lines,
    batch: Intake,
    /// All of its lines are in the batch.
    whole: bool,
}

/// Stores all rows that are to be read.
pub(super) fn run(sql: &Sql, project: &Project, read: Next, each: Each) -> Result<()> {
    let (limits, keys) = (settings::limits(), keys(project));
    let now_ms = now_ms();
    let fill = |lines: &Lines, intake: &mut Intake, tick: &mut dyn Tick| {
        // Imports are history: they carry what they carry.
        let settings = ingest::Settings {
            limits: &limits,
            now_ms,
            strict: true,
            keys: &keys,
            sticky: None,
        };
        // A slice that is more than a batch may hold is left to the other way.
        let mut full = false;
        let filled = ingest::fill_ndjson(&lines.bytes, &settings, tick, intake, &mut |intake| {
            full = intake.is_full() && intake.len() < lines.count;
            if full { Err(Error::Cancelled) } else { Ok(()) }
        });
        match filled {
            Err(Error::Cancelled) if full => Ok(false),
            filled => filled.map(|()| true),
        }
    };
    let workers = settings::import_workers();
    let mut keep = |filled: Filled| -> Result<Intake> {
        let mut batch = filled.batch;
        let stored = if filled.whole {
            store(sql, project, &mut batch)?
        } else {
            batch = intake(sql, project, &keys)?;
            in_parts(sql, project, &filled.lines)?
        };
        each(&filled.lines, stored)?;
        Ok(batch)
    };
    let mut filled: Option<Filled> = None;
    let mut batch = intake(sql, project, &keys)?;
    let mut next = read()?;
    while let Some(lines) = next.take() {
        // Whoever holds what is known keeps it from growing.
        for batch in filled.iter_mut().map(|f| &mut f.batch).chain([&mut batch]) {
            batch.know(|_| Vec::new())?;
        }
        batch.know(|space| lexicon::known(project.table, space))?;
        let lane = Mutex::new((&mut batch, false));
        let mut other = None;
        workers.stream(
            &mut Interrupts,
            |feeder| {
                feeder.push(&lines, lines.count)?;
                other = filled.take().map(&mut keep).transpose()?;
                next = read()?;
                Ok::<_, Failure>(())
            },
            &|_, lines: &Lines, tick| {
                let mut lane = lane.lock().unwrap_or_else(PoisonError::into_inner);
                let (batch, whole) = &mut *lane;
                *whole = fill(lines, batch, tick)?;
                Ok(())
            },
        )?;
        let whole = lane.into_inner().unwrap_or_else(PoisonError::into_inner).1;
        let other = other.map_or_else(|| intake(sql, project, &keys), Ok)?;
        let batch = std::mem::replace(&mut batch, other);
        filled = Some(Filled { lines, batch, whole });
    }
    filled.map(keep).transpose()?;
    Ok(())
}

/// Stores a slice in as many batches as it takes.
fn in_parts(sql: &Sql, project: &Project, lines: &Lines) -> Result<Stored> {
    let mut all = Stored::default();
    super::store_lines(sql, project, &lines.bytes, true, false, &|_| Ok(()), &mut |stored| {
        all.imported += stored.imported;
        all.duplicates += stored.duplicates;
        all.blocked += stored.blocked;
        all.dropped.extend(stored.dropped);
        all.failed.extend(stored.failed);
    })?;
    Ok(all)
}
