//! `COPY analytics_groups.inbox`: the lines of one statement, handed to the store in batches.
//!
//! A row trigger takes each line away before it would be written to the table; statement triggers begin and end the batch.

use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::interrupts::{self};
use crate::pg::spi;
use engine::ingest::RecordError;
use pgrx::prelude::*;
use std::cell::RefCell;

/// Bytes gathered before a part is stored: bounds memory, and makes blocks of a good size.
const FLUSH_BYTES: usize = 16 << 20;

#[derive(Default)]
struct Inbox {
    lines: Vec<u8>,
    /// Records handed on before the gathered ones.
    before: usize,
    count: usize,
    failed: Vec<RecordError>,
    refused: usize,
    blocked: u64,
}

thread_local! {
    static INBOX: RefCell<Inbox> = RefCell::new(Inbox::default());
}

/// The table has one column, the line.
const FIRST: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN;

/// Refused records that are spelt out in the warning.
const KEPT_ERRORS: usize = 10;

fn flush() -> Result<()> {
    let (lines, before) = INBOX.with_borrow_mut(|i| {
        let before = i.before;
        i.before += std::mem::take(&mut i.count);
        (std::mem::take(&mut i.lines), before)
    });
    if lines.is_empty() {
        return Ok(());
    }
    spi::connect(|sql| {
        let project = super::open(sql, None)?;
        super::store_lines(sql, &project, &lines, true, true, &|_| Ok(()), &mut |stored| {
            INBOX.with_borrow_mut(|i| {
                i.refused += stored.failed.len();
                i.blocked += stored.blocked;
                let room = KEPT_ERRORS.saturating_sub(i.failed.len());
                i.failed.extend(stored.failed.into_iter().take(room).map(|mut f| {
                    f.index += before;
                    f
                }));
            });
        })
    })
}

/// Trigger functions take no `schema`; they are put there by the module they are in.
#[pg_schema]
pub mod analytics_groups {
    use super::*;

    #[pg_trigger]
    fn inbox_begin<'a>(
        _trigger: &'a pgrx::PgTrigger<'a>,
    ) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, ErrorReport> {
        // A statement that failed half-way may have left lines behind.
        INBOX.take();
        Ok(None::<PgHeapTuple<'a, AllocatedByPostgres>>)
    }

    #[pg_trigger]
    fn inbox_line<'a>(
        trigger: &'a pgrx::PgTrigger<'a>,
    ) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, ErrorReport> {
        let row = trigger.new();
        let line: Option<&str> = match &row {
            Some(row) => row.get_by_index(FIRST).map_err(|e| Failure::internal(e.to_string()))?,
            None => None,
        };
        if let Some(line) = line {
            let gathered = INBOX.with_borrow_mut(|i| {
                i.lines
                    .try_reserve(line.len() + 1)
                    .map_err(|_| engine::error::Error::OutOfMemory("lines of the inbox"))?;
                // One row is one record: a line break inside a JSON text is only white space between its tokens.
                let from = i.lines.len();
                i.lines.extend_from_slice(line.as_bytes());
                if line.contains(['\n', '\r']) {
                    for b in i.lines.iter_mut().skip(from) {
                        if matches!(*b, b'\n' | b'\r') {
                            *b = b' ';
                        }
                    }
                }
                i.lines.push(b'\n');
                i.count += usize::from(!line.trim().is_empty());
                Ok::<_, engine::error::Error>(i.lines.len())
            });
            if gathered.map_err(Failure::from)? >= FLUSH_BYTES {
                flush()?;
            }
        }
        Ok(None::<PgHeapTuple<'a, AllocatedByPostgres>>)
    }

    #[pg_trigger]
    fn inbox_end<'a>(
        _trigger: &'a pgrx::PgTrigger<'a>,
    ) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, ErrorReport> {
        flush()?;
        let inbox = INBOX.take();
        if inbox.blocked > 0 {
            interrupts::notice(&format!(
                "{} of {} records were discarded: their events are blocked",
                inbox.blocked, inbox.before
            ));
        }
        if inbox.refused > 0 {
            let listed: Vec<String> = inbox
                .failed
                .iter()
                .map(|f| format!("record {}: {}", f.index, f.message))
                .collect();
            interrupts::warning(
                &format!(
                    "{} of {} records were refused: {}",
                    inbox.refused,
                    inbox.before,
                    listed.join("; ")
                ),
                "The others are stored. The view analytics_groups.ingest_errors counts what was refused and why.",
            );
        }
        Ok(None::<PgHeapTuple<'a, AllocatedByPostgres>>)
    }
}
