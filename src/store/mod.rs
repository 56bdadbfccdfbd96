//! The store: where events wait (rows, blocks), where they are sealed (segments), and how both are read as chunks.
//!
//! It knows buffers, batches and days; it does not know what a funnel is.

pub mod append;
pub mod backfill;
pub mod cohort;
pub mod erase;
pub mod feed;
mod fold;
pub mod history;
pub mod identity;
mod kept;
pub mod lookup;
pub mod maintain;
pub mod pieces;
pub mod raw;
pub mod scan;
pub mod seal;
pub mod segment;
pub mod sets;
pub mod settle;
pub mod stream;
mod stream_build;
pub mod verify;

use crate::error::Result;
use crate::pg::spi::{Arg, Sql};
use crate::pg::transaction;
use crate::registry::Project;

/// What an advisory lock of a project protects.
#[derive(Clone, Copy)]
pub enum Lock {
    /// Held shared by every ingestion; exclusively by what must wait for all of them.
    Ingest = 1,
    /// Held by the one maintenance (or backfill) of a project.
    Maintain = 2,
    /// Held by whoever changes lookup tables.
    Lookups = 3,
}

fn lock_key(project: &str, lock: Lock) -> i64 {
    engine::row::insert_hash(&format!("analytics_groups {} {project}", lock as u8)) as i64
}

/// Takes a lock until the end of the transaction, after everybody else that holds it.
pub fn lock(sql: &Sql, project: &str, lock: Lock) -> Result<()> {
    sql.write(
        "SELECT pg_catalog.pg_advisory_xact_lock($1)",
        &[Arg::Int(lock_key(project, lock))],
    )?;
    Ok(())
}

/// Takes a lock beside others that hold it the same way.
pub fn lock_shared(project: &str, lock: Lock) {
    transaction::lock_shared(lock_key(project, lock));
}

/// Takes a lock if nobody holds it.
pub fn try_lock(sql: &Sql, project: &str, lock: Lock) -> Result<bool> {
    let rows = sql.write(
        "SELECT pg_catalog.pg_try_advisory_xact_lock($1)",
        &[Arg::Int(lock_key(project, lock))],
    )?;
    Ok(rows.get::<bool>(0, 0).unwrap_or(false))
}

/// Events that wait for maintenance in blocks, and as single rows, by what both say of themselves.
pub fn waiting(sql: &Sql, project: &Project) -> Result<(i64, i64)> {
    let rows = sql.write(
        &project
            .sql("SELECT (SELECT coalesce(sum(n), 0) FROM @.event_block)::bigint, (SELECT count(*) FROM @.event_row)"),
        &[],
    )?;
    Ok((rows.int(0, 0)?, rows.int(0, 1)?))
}
