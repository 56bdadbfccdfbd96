//! Folding: single events that wait become one block, which reports read many times faster.
//!
//! Nothing is sealed and no order changes: every event keeps its batch as the priority it has among duplicates. One
//! transaction deletes the rows and writes the block.

use super::append::bounds;
use super::{Lock, maintain};
use crate::error::Result;
use crate::pg::owner;
use crate::pg::spi::{self, Arg, Sql};
use crate::registry::{self, Project};
use engine::block;
use engine::chunk::Events;
use pgrx::prelude::*;
use std::collections::BTreeSet;

/// Makes a block of the single events that wait, unless somebody maintains the project; returns how many there were.
#[pg_extern(schema = "analytics_groups", name = "_fold", volatile, strict)]
#[search_path(pg_catalog, pg_temp)]
fn fold_rows(project: &str) -> Result<i64, crate::pg::ErrorReport> {
    let project = spi::connect(|sql| registry::open_for_writing(sql, Some(project)))?;
    let folded = owner::as_owner(project.owner, || {
        spi::connect(|sql| {
            if !super::try_lock(sql, &project.name, Lock::Maintain)? {
                return Ok(0);
            }
            fold(sql, &project)
        })
    })?;
    Ok(folded)
}

fn fold(sql: &Sql, project: &Project) -> Result<i64> {
    let Some(chunk) = maintain::take_rows(sql, project)? else {
        return Ok(0);
    };
    let (min, max) = bounds(&chunk.time)?;
    let events: BTreeSet<i32> = match &chunk.events {
        Events::One(event) => BTreeSet::from([*event as i32]),
        Events::Each(events) => events.iter().map(|e| *e as i32).collect(),
    };
    let events: Vec<i32> = events.into_iter().collect();
    sql.write(
        &project.sql(
            "INSERT INTO @.event_block (batch, n, events, at_min, at_max, data)
             VALUES (nextval('@.batch_no'::regclass), $1, $2, $3, $4, $5)",
        ),
        &[
            Arg::Int4(chunk.len() as i32),
            Arg::Int4s(&events),
            Arg::Int(min),
            Arg::Int(max),
            Arg::Bytes(&block::encode(&chunk)?),
        ],
    )?;
    Ok(chunk.len() as i64)
}
