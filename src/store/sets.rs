//! Sets of subjects by day: who did an event, or any event, on a day, counted before anybody asks.
//!
//! A set that is stored equals the sealed rows of its event and day exactly, in every snapshot: [`build`] runs in the
//! transaction that changes segments. What waits for maintenance is not in it. Sets hold user numbers as they were
//! ingested; a reader applies identity merges ([`Sets::merge`]).
//!
//! Which sets there are, for each day:
//! * no row in `event_day`: nothing is sealed on that day, for any event;
//! * an event in `event_day.uncovered`: it has sealed rows and no sets: read the segments. Such are events with fewer
//!   than [`RARE`] rows that day, and days that changed too little to be counted anew. [`ANY`] among them: the day has no
//!   sets of "any event";
//! * every other event is covered: it has a set of users (kind 0, with the number of all rows) if it has rows that day,
//!   and a set of each kind that a row is attributed to. No set means none.

pub mod build;
pub mod check;
mod count;

use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Sql};
use crate::registry::Project;
use crate::settings;
use engine::chunk::{Kind, SubjectNo, USER};
use engine::codec;
use engine::gather::Budget;
use engine::identity;
use engine::tick::Tick;

/// Stands for "any event" where an event number is expected.
pub const ANY: u32 = 0;

/// An event with fewer rows than this on a day gets no sets: they would take more room than its rows.
pub const RARE: u64 = 64;

/// Pairs of kind and event that are asked for one by one.
const SINGLE: usize = 8;

/// Who did an event on a day.
#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    /// 0 = users, others = group keys.
    pub kind: Kind,
    /// Event number, or [`ANY`].
    pub event: u32,
    /// Days since 1970-01-01 in the project's zone.
    pub day: i32,
    /// Sealed rows of the event and day that have a subject of the kind.
    pub events: u64,
    /// All sealed rows of the event and day.
    pub rows: u64,
    /// Distinct subjects.
    pub card: u64,
    /// The subjects as they are stored, if they were asked for; see [`Set::portable`].
    pub data: Option<Vec<u8>>,
}

impl Set {
    /// The subjects in the portable format of roaring bitmaps, after the checksum was compared. What
    /// [`engine::subjects::SubjectSet::union_portable`] and [`engine::bitmap::View`] take.
    pub fn portable(&self) -> Result<&[u8]> {
        let damaged = |e: engine::error::Error| Failure::from(e).within(self.name());
        let data = self
            .data
            .as_deref()
            .ok_or_else(|| Failure::internal("a set was read without its subjects"))?;
        let (portable, members) = codec::open_subjects(data).map_err(damaged)?;
        if members != self.card {
            return Err(damaged(engine::error::Error::corrupt(
                "another number of members than stated",
            )));
        }
        Ok(portable)
    }

    /// Makes a set of ids, as they were sent, one of users.
    fn merge(&mut self, table: &[SubjectNo]) -> Result<()> {
        let mut budget = Budget::new(settings::query_memory());
        let merged = identity::merged(self.portable()?, table, &mut budget);
        let Some(users) = merged.map_err(|e| Failure::from(e).within(self.name()))? else {
            return Ok(());
        };
        self.card = users.len() as u64;
        self.data = Some(codec::encode_subjects(&users, &mut Interrupts)?);
        Ok(())
    }

    fn name(&self) -> String {
        name(self.kind, self.event, self.day)
    }
}

fn name(kind: Kind, event: u32, day: i32) -> String {
    format!("subject_set (kind {kind}, event {event}, day {day})")
}

/// The answer of [`read`].
#[derive(Debug, Default)]
pub struct Sets {
    /// By kind, event, day.
    pub sets: Vec<Set>,
    /// The asked (event, day) pairs that are not covered, by day: their sealed rows have to be counted.
    pub uncovered: Vec<(u32, i32)>,
}

impl Sets {
    /// Lets sets of users, read with their subjects, hold everybody as they are counted after identity merges.
    pub fn merge(&mut self, table: &[SubjectNo]) -> Result<()> {
        for set in self.sets.iter_mut().filter(|s| s.kind == USER) {
            Interrupts.tick()?;
            set.merge(table)?;
        }
        Ok(())
    }
}

/// The sets of kinds and events ([`ANY`] is one) over `day_from ..= day_to`, and what they leave out. Reads the caller's
/// snapshot; subjects are only fetched when they are wanted.
pub fn read(
    sql: &Sql,
    project: &Project,
    kinds: &[Kind],
    events: &[u32],
    day_from: i32,
    day_to: i32,
    with_subjects: bool,
) -> Result<Sets> {
    let mut out = Sets::default();
    let days = sql.read(
        &project.sql("SELECT day, uncovered FROM @.event_day WHERE day BETWEEN $1 AND $2 ORDER BY day"),
        &[Arg::Int4(day_from), Arg::Int4(day_to)],
    )?;
    for i in 0..days.len() {
        let (day, uncovered) = day_row(&days, i)?;
        out.uncovered
            .extend(uncovered.iter().filter(|e| events.contains(e)).map(|e| (*e, day)));
    }
    if days.len() == 0 {
        return Ok(out);
    }
    drop(days);
    let kinds: Vec<i32> = kinds.iter().map(|k| i32::from(*k)).collect();
    let events: Vec<i32> = events.iter().map(|e| *e as i32).collect();
    let columns = if with_subjects { ", data" } else { "" };
    let days = [Arg::Int4(day_from), Arg::Int4(day_to)];
    // A plan for lists of unknown length reads the sets of all events; a few single questions read what they need.
    let single = kinds.len().saturating_mul(events.len()) <= SINGLE;
    let (matches, asked): (&str, Vec<[Arg; 2]>) = if single {
        let pairs = kinds
            .iter()
            .flat_map(|k| events.iter().map(|e| [Arg::Int4(*k), Arg::Int4(*e)]));
        ("kind = $1 AND event = $2", pairs.collect())
    } else {
        (
            "kind = ANY($1) AND event = ANY($2)",
            vec![[Arg::Int4s(&kinds), Arg::Int4s(&events)]],
        )
    };
    let text = project.sql(&format!(
        "SELECT kind, event, day, events, rows, card{columns} FROM @.subject_set
         WHERE {matches} AND day BETWEEN $3 AND $4"
    ));
    for [kind, event] in asked {
        let rows = sql.read(&text, &[kind, event, days[0], days[1]])?;
        out.sets
            .try_reserve(rows.len())
            .map_err(|_| engine::error::Error::OutOfMemory("sets of subjects"))?;
        for i in 0..rows.len() {
            out.sets.push(set_row(&rows, i, with_subjects)?);
        }
    }
    out.sets.sort_unstable_by_key(|s| (s.kind, s.event, s.day));
    Ok(out)
}

/// A row of `event_day`: the day and its uncovered events.
fn day_row(rows: &crate::pg::spi::Rows, i: usize) -> Result<(i32, Vec<u32>)> {
    let null = || Failure::internal("unexpected NULL");
    let day: i32 = rows.get(i, 0).ok_or_else(null)?;
    let uncovered: Vec<i32> = rows.get(i, 1).ok_or_else(null)?;
    Ok((day, uncovered.into_iter().map(|e| e as u32).collect()))
}

/// A row of `subject_set` in the order of its columns.
fn set_row(rows: &crate::pg::spi::Rows, i: usize, with_subjects: bool) -> Result<Set> {
    let null = || Failure::internal("unexpected NULL");
    let count = |c: usize| Ok::<_, Failure>(rows.int(i, c)?.max(0) as u64);
    Ok(Set {
        kind: rows.get::<i16>(i, 0).ok_or_else(null)? as Kind,
        event: rows.get::<i32>(i, 1).ok_or_else(null)? as u32,
        day: rows.get(i, 2).ok_or_else(null)?,
        events: count(3)?,
        rows: count(4)?,
        card: count(5)?,
        data: rows.bytes_or_null(i, 6, with_subjects)?,
    })
}
