//! Building the user-major stream of days from their segments.

use super::segment;
use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Sql};
use crate::registry::Project;
use engine::codec;
use engine::error::Error;
use engine::stream::{Builder, Ranks, Sorted};
use engine::tick::{EVERY, Tick};
use engine::time::DayCache;
use std::collections::BTreeSet;

/// Rows that are built together: their keys take 16 MB, twice that while they grow.
const ROWS_AT_ONCE: u64 = 2_000_000;
/// A gap of days over which it pays to read segments for nothing.
const GAP: i32 = 7;

/// What the segments say of a set of days.
pub struct Built {
    /// Days that have any sealed row.
    pub days: BTreeSet<i32>,
    /// The events of their users, by (part, day).
    pub parts: Vec<((u32, i32), Sorted)>,
}

/// Calls `each` for windows of `days`, small enough to be held in memory; `size` says how many rows a day has.
pub fn windows(
    days: impl Iterator<Item = i32>,
    size: impl Fn(i32) -> u64,
    mut each: impl FnMut(&BTreeSet<i32>) -> Result<()>,
) -> Result<()> {
    let mut window: BTreeSet<i32> = BTreeSet::new();
    let mut rows = 0;
    for day in days {
        let far = window.last().is_some_and(|last| day - last > GAP);
        if !window.is_empty() && (far || rows + size(day) > ROWS_AT_ONCE) {
            each(&window)?;
            window.clear();
            rows = 0;
        }
        window.insert(day);
        rows += size(day);
    }
    if window.is_empty() { Ok(()) } else { each(&window) }
}

/// Sorts the sealed rows of `days`. `fresh` sees what this transaction has sealed; without it the caller's snapshot is
/// read.
pub fn build(sql: &Sql, project: &Project, ranks: &Ranks, days: &BTreeSet<i32>, fresh: bool) -> Result<Built> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return Ok(Built {
            days: BTreeSet::new(),
            parts: Vec::new(),
        });
    };
    let text = project.sql(&format!(
        "SELECT {}, users, times FROM @.segment WHERE day_max >= $1 AND day_min <= $2",
        segment::HEAD
    ));
    let args = [Arg::Int4(*first), Arg::Int4(*last)];
    let rows = if fresh {
        sql.write(&text, &args)?
    } else {
        sql.read(&text, &args)?
    };
    let mut builder = Builder::new(ranks, usize::MAX);
    let mut cache = DayCache::new(&project.calendar);
    let mut found = BTreeSet::new();
    for i in 0..rows.len() {
        Interrupts.tick()?;
        let head = segment::head(&rows, i)?;
        if days.range(head.day_min..=head.day_max).next().is_none() {
            continue;
        }
        let damaged = |e: Error| Failure::from(e).within(format!("segment {}", head.no));
        let users = codec::decode_ids(&rows.bytes(i, 9)?, head.n).map_err(damaged)?;
        let times = codec::decode_times(&rows.bytes(i, 10)?, head.n).map_err(damaged)?;
        let mut wanted = None;
        for (k, (user, t)) in users.iter().zip(&times).enumerate() {
            if k % EVERY == 0 {
                Interrupts.tick()?;
            }
            let (day, ms) = cache.locate(*t)?;
            if wanted.is_none_or(|(d, _)| d != day) {
                let is = days.contains(&day);
                if is {
                    found.insert(day);
                }
                wanted = Some((day, is));
            }
            if wanted == Some((day, true)) {
                builder.push(*user, day, ms, head.event)?;
            }
        }
    }
    Ok(Built {
        days: found,
        parts: builder.finish(&mut Interrupts)?,
    })
}
