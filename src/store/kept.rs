//! Decoded columns of blocks that wait for maintenance, kept by a backend from one report to the next: a dashboard asks
//! many questions of the same blocks, and decoding them would be most of what a report costs.
//!
//! A block is kept under everything that tells one version of its row from another, so that what is kept is never stale;
//! and only who was given the row by Postgres, with the caller's rights and snapshot, comes here with its name. Of a block
//! that would not fit into the setting nothing is kept.

use crate::error::Result;
use crate::pg::Oid;
use crate::pg::spi::Rows;
use crate::registry::Project;
use crate::settings;
use engine::block::decoded::{Asked, Decoded};
use engine::cache::Cache;
use engine::chunk::Chunk;
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

thread_local! {
    static KEPT: RefCell<Cache<Version, Decoded>> = RefCell::default();
    /// How often ids had left the dictionary of each project.
    static ERASURES: RefCell<HashMap<Oid, i32>> = RefCell::default();
}

/// Forgets everything when ids of a project were erased since: what is kept may still hold their texts, though no report
/// would find them.
pub fn forget_erased(project: &Project) {
    let before = ERASURES.with_borrow_mut(|e| e.insert(project.table, project.erasures));
    if before.is_some_and(|n| n != project.erasures) {
        KEPT.with_borrow_mut(|kept| *kept = Cache::default());
    }
}

/// The asked rows of a block with the asked columns and their insert hashes. `data` fetches the stored buffer, if it is
/// needed.
pub fn rows_of(version: Version, asked: &Asked, data: impl FnOnce() -> Result<Vec<u8>>) -> Result<Chunk> {
    let answer = KEPT.with_borrow_mut(|kept| {
        let block = kept.get(&version).filter(|block| block.has(asked));
        block.map(|block| Ok(block.pick(asked)?))
    });
    if let Some(chunk) = answer {
        return chunk;
    }
    let data = data()?;
    let block = match KEPT.with_borrow_mut(|kept| kept.forget(&version)) {
        Some(known) => known.extended(asked, &data)?,
        None => Decoded::new(asked, &data)?,
    };
    let (chunk, bytes) = (block.pick(asked)?, block.memory());
    KEPT.with_borrow_mut(|kept| kept.keep(version, block, bytes, settings::session_cache()))?;
    Ok(chunk)
}
