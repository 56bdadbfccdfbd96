//! The user-major stream of a project: kept by maintenance, read by reports that ask for events of any name user by user.
//!
//! A day that has sealed rows is in `user_stream`, either whole (at every moment its parts equal the sealed rows of the
//! day that have a user) or as a mark, which is a row of part -1. What is missing is made up by the reader, so answers are
//! the same in every state; only the time they take differs:
//!
//! * stored days without waiting events are handed out as they lie there;
//! * stored days with waiting events are merged with them, unless a waiting event may be a duplicate of a sealed one;
//! * marked days, and days that only wait, are gathered from segments and waiting rows, and sorted.
//!
//! Events are stored under the ids they were sent with. A reader of a project with identity merges puts them where their
//! users are, all parts of all days before the first is handed out.
//!
//! **When a day is built.** A maintenance that changes a day deletes its stream, for it can't be changed in place, and
//! builds it again within a bound: at most [`LEAST_BUDGET`] rows, or [`AMPLIFICATION`] rows for every row it has sealed,
//! whatever is more. A day that does not fit is marked, and what was left of the bound is saved up in `n` of the mark;
//! later maintenances go on with it. A maintenance that somebody asked for builds everything. So building costs a fixed share of ingestion, a busy day is at times read
//! the slow way, and a quiet one is built by the next maintenance. Building a row takes about 0.1 µs, all in.

use super::scan::{self, Need};
use super::settle::{Pace, Touched};
use super::stream_build::{Built, build, windows};
use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Sql};
use crate::registry::Project;
use crate::registry::event_names::EventNames;
use crate::settings;
use engine::chunk::SubjectNo;
use engine::dedupe::Duplicates;
use engine::stream::{
    Buffers, Builder, Columns, Due, Extra, MAX_NAMES, MERGED_BYTES, Merged, Part, Piece, Ranks, Sorted, Source, choose,
    merge, part_of,
};
use engine::tick::{EVERY, Tick};
use engine::time::{DayCache, Span64};
use std::collections::{BTreeMap, BTreeSet};

/// Rows a maintenance may build, however little it has sealed.
const LEAST_BUDGET: u64 = 2_000_000;
/// Rows it may build for every row it has sealed.
const AMPLIFICATION: u64 = 10;
/// A day with more rows is not kept as a stream: sorting it would take too much memory.
const LARGEST_DAY: u64 = 32_000_000;
/// The part number of a mark.
const MARK: i32 = -1;

/// Brings the stream up to date after a maintenance that changed `touched` days.
///
/// [`Pace::Now`] takes whatever it takes: every day that is marked becomes whole.
pub fn settle(sql: &Sql, project: &Project, touched: &Touched, pace: Pace) -> Result<()> {
    let mut days: BTreeSet<i32> = touched.pairs().map(|(_, day)| day).collect();
    let list: Vec<i32> = days.iter().copied().collect();
    let old = sql.write(
        &project.sql("DELETE FROM @.user_stream WHERE day = ANY($1) OR part = -1 RETURNING day, part, n"),
        &[Arg::Int4s(&list)],
    )?;
    let mut saved: BTreeMap<i32, u64> = BTreeMap::new();
    for i in 0..old.len() {
        let int = |c: usize| old.get::<i32>(i, c).unwrap_or_default();
        if int(1) == MARK {
            saved.insert(int(0), u64::try_from(int(2)).unwrap_or(0));
        }
    }
    drop(old);
    days.extend(saved.keys());
    if days.is_empty() {
        return Ok(());
    }
    let names = sql
        .write(&project.sql("SELECT count(*) FROM @.event_name"), &[])?
        .int(0, 0)?;
    if names > MAX_NAMES as i64 {
        return days.iter().try_for_each(|day| mark(sql, project, *day, 0));
    }
    let names = EventNames::read(sql, project, true)?;
    let sizes = sizes(sql, project, &days)?;
    let size = |day: &i32| sizes.get(day).copied().unwrap_or(0);
    let sealed: u64 = touched.rows().map(|(_, n)| n).sum();
    let budget = match pace {
        Pace::Now => u64::MAX,
        Pace::Later => LEAST_BUDGET.max(sealed.saturating_mul(AMPLIFICATION)),
    };
    let due = days.iter().map(|d| Due {
        day: *d,
        size: size(d),
        saved: saved.get(d).copied().unwrap_or(0),
    });
    let (chosen, waiting) = choose(due.collect(), budget, LARGEST_DAY);
    waiting.iter().try_for_each(|d| mark(sql, project, d.day, d.saved))?;
    let chosen: BTreeSet<i32> = chosen.into_iter().collect();
    windows(
        chosen.iter().copied(),
        |d| size(&d),
        |days| {
            let built = build(sql, project, &names.ranks, days, true)?;
            store(sql, project, &names.ranks, built.days, &built.parts)
        },
    )
}

fn mark(sql: &Sql, project: &Project, day: i32, saved: u64) -> Result<()> {
    sql.write(
        &project.sql("INSERT INTO @.user_stream (day, part, n, users, times, events) VALUES ($1, -1, $2, '', '', '')"),
        &[Arg::Int4(day), Arg::Int4(i32::try_from(saved).unwrap_or(i32::MAX))],
    )?;
    Ok(())
}

/// About how many sealed rows each day has: a segment over many days is taken to be even.
fn sizes(sql: &Sql, project: &Project, days: &BTreeSet<i32>) -> Result<BTreeMap<i32, u64>> {
    let mut sizes = BTreeMap::new();
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return Ok(sizes);
    };
    let rows = sql.write(
        &project.sql("SELECT day_min, day_max, n FROM @.segment WHERE day_max >= $1 AND day_min <= $2"),
        &[Arg::Int4(*first), Arg::Int4(*last)],
    )?;
    for i in 0..rows.len() {
        let int = |c: usize| rows.get::<i32>(i, c).unwrap_or_default();
        let (min, max, n) = (int(0), int(1), u64::try_from(int(2)).unwrap_or(0));
        let length = u64::try_from(max.saturating_sub(min)).unwrap_or(0) + 1;
        for day in days.range(min..=max.max(min)) {
            *sizes.entry(*day).or_default() += n.div_ceil(length);
        }
    }
    Ok(sizes)
}

fn store(
    sql: &Sql,
    project: &Project,
    ranks: &Ranks,
    mut empty: BTreeSet<i32>,
    parts: &[((u32, i32), Sorted)],
) -> Result<()> {
    let mut part = Part::default();
    for ((number, day), sorted) in parts {
        Interrupts.tick()?;
        sorted.part(ranks, &mut part)?;
        insert(sql, project, *day, *number, &part)?;
        empty.remove(day);
    }
    // Nobody has a user on these days: an empty part says that they are there.
    empty
        .iter()
        .try_for_each(|day| insert(sql, project, *day, 0, &Part::default()))
}

fn insert(sql: &Sql, project: &Project, day: i32, number: u32, part: &Part) -> Result<()> {
    let b = engine::stream::encode(part)?;
    sql.write(
        &project.sql("INSERT INTO @.user_stream (day, part, n, users, times, events) VALUES ($1, $2, $3, $4, $5, $6)"),
        &[
            Arg::Int4(day),
            Arg::Int4(number as i32),
            Arg::Int4(part.n as i32),
            Arg::Bytes(&b.users),
            Arg::Bytes(&b.times),
            Arg::Bytes(&b.events),
        ],
    )?;
    Ok(())
}

/// The events of users on a run of whole days, ready to be read part by part.
pub struct Reading<'a> {
    sql: &'a Sql,
    project: &'a Project,
    first: i32,
    last: i32,
    /// Stored days that are read as they are.
    stored: BTreeSet<i32>,
    /// Days that are marked.
    marked: BTreeSet<i32>,
    /// Everything else, by (part, day). A part of a stored day that is here takes the stored one's place.
    gathered: Vec<((u32, i32), Sorted)>,
}

impl<'a> Reading<'a> {
    /// Can the days be read under the users that ids stand for, within the memory of a report? Without identity merges
    /// they always can.
    pub fn fits(sql: &Sql, project: &Project, first: i32, last: i32, remap: Option<&[SubjectNo]>) -> Result<bool> {
        if remap.is_none() {
            return Ok(true);
        }
        let rows = sql.read(
            &project.sql(
                "SELECT coalesce(sum(n), 0)::bigint, coalesce(bool_or(part < 0), false) FROM @.user_stream
                 WHERE day BETWEEN $1 AND $2",
            ),
            &[Arg::Int4(first), Arg::Int4(last)],
        )?;
        let (n, marked) = (rows.int(0, 0)?, rows.get::<bool>(0, 1).unwrap_or(true));
        let bytes = usize::try_from(n).unwrap_or(usize::MAX).saturating_mul(MERGED_BYTES);
        Ok(!marked && bytes <= settings::query_memory())
    }

    /// Finds what is stored of the days, and makes up what is not; under the users that ids stand for.
    pub fn open(
        sql: &'a Sql,
        project: &'a Project,
        ranks: &Ranks,
        (first, last): (i32, i32),
        remap: Option<&[SubjectNo]>,
    ) -> Result<Self> {
        let rows = sql.read(
            &project.sql("SELECT day, min(part) FROM @.user_stream WHERE day BETWEEN $1 AND $2 GROUP BY day"),
            &[Arg::Int4(first), Arg::Int4(last)],
        )?;
        let (mut stored, mut marked) = (BTreeSet::new(), BTreeSet::new());
        for i in 0..rows.len() {
            let int = |c: usize| rows.get::<i32>(i, c).unwrap_or_default();
            let of = if int(1) == MARK { &mut marked } else { &mut stored };
            of.insert(int(0));
        }
        drop(rows);
        let mut reading = Reading {
            sql,
            project,
            first,
            last,
            stored,
            marked,
            gathered: Vec::new(),
        };
        reading.make_up(ranks)?;
        if let Some(table) = remap {
            reading.merge(ranks, table)?;
        }
        Ok(reading)
    }

    /// Puts every event where its user is.
    fn merge(&mut self, ranks: &Ranks, table: &[SubjectNo]) -> Result<()> {
        let as_sent = Reading {
            sql: self.sql,
            project: self.project,
            first: self.first,
            last: self.last,
            stored: std::mem::take(&mut self.stored),
            marked: BTreeSet::new(),
            gathered: std::mem::take(&mut self.gathered),
        };
        let mut merged = Merged::new(ranks, table, settings::query_memory());
        let mut part = Part::default();
        as_sent.pieces(Columns::ALL, &mut |piece| {
            piece.load(Columns::ALL, ranks, &mut part)?;
            Ok(merged.push(piece.part, piece.day, &part, &mut Interrupts)?)
        })?;
        self.gathered = merged.finish(&mut Interrupts)?;
        Ok(())
    }

    /// First and last day that has events.
    pub fn extent(&self) -> Option<(i32, i32)> {
        let days = || {
            self.stored
                .iter()
                .copied()
                .chain(self.gathered.iter().map(|((_, d), _)| *d))
        };
        days().min().zip(days().max())
    }

    /// Merges what waits into stored days, and gathers the days that are not stored or must be looked at closely.
    fn make_up(&mut self, ranks: &Ranks) -> Result<()> {
        let (sql, project) = (self.sql, self.project);
        let span = project.calendar.days(self.first, self.last)?;
        let waiting = scan::waiting(sql, project, &Need::default(), span)?;
        let refs: Vec<_> = waiting.iter().collect();
        let duplicates = Duplicates::new(&refs, &mut Interrupts)?;
        let mut cache = DayCache::new(&project.calendar);
        let mut extra: BTreeMap<(i32, u32), Vec<Extra>> = BTreeMap::new();
        let mut close = std::mem::take(&mut self.marked);
        for (chunk, stays) in waiting.iter().zip(duplicates.delta_masks()) {
            let keep = scan::staying(chunk, span, stays);
            for (i, row) in keep.ones().enumerate() {
                if i % EVERY == 0 {
                    Interrupts.tick()?;
                }
                let (Some(user), Some(t)) = (chunk.user.get(row).copied(), chunk.time.get(row)) else {
                    continue;
                };
                if user == 0 {
                    continue;
                }
                let (day, ms) = cache.locate(*t)?;
                if !self.stored.contains(&day) {
                    close.insert(day);
                    continue;
                }
                let hash = chunk.inserts.as_ref().and_then(|x| x.hash.get(row).copied());
                let e = Extra::new(user, ms, chunk.event(row), hash.unwrap_or(0) != 0, ranks)?;
                extra.entry((day, part_of(user))).or_default().push(e);
            }
        }
        drop(waiting);
        let mut merged = Vec::new();
        for ((day, number), mut rows) in extra {
            rows.sort_unstable();
            match self.merged(day, number, &rows, ranks)? {
                Some(sorted) => merged.push(((number, day), sorted)),
                None => drop(close.insert(day)),
            }
        }
        merged.retain(|((_, day), _)| !close.contains(day));
        self.stored.retain(|d| !close.contains(d));
        let mut gathered = self.gather(&close, ranks)?;
        gathered.append(&mut merged);
        gathered.sort_unstable_by_key(|(place, _)| *place);
        self.gathered = gathered;
        Ok(())
    }

    /// A stored part with waiting rows in it; `None` when only the segments know.
    fn merged(&self, day: i32, number: u32, rows: &[Extra], ranks: &Ranks) -> Result<Option<Sorted>> {
        let found = self.sql.read(
            &self
                .project
                .sql("SELECT n, users, times, events FROM @.user_stream WHERE day = $1 AND part = $2"),
            &[Arg::Int4(day), Arg::Int4(number as i32)],
        )?;
        let mut part = Part::default();
        if found.len() > 0 {
            let piece = Piece {
                part: number,
                day,
                source: Source::Stored(buffers(&found, 0, 0, Columns::ALL)?),
            };
            piece.load(Columns::ALL, ranks, &mut part)?;
        }
        Ok(merge(&part, rows, ranks, &mut Interrupts)?)
    }

    /// Gathers days through the ordinary scan, which gives every row once.
    fn gather(&self, days: &BTreeSet<i32>, ranks: &Ranks) -> Result<Vec<((u32, i32), Sorted)>> {
        let mut builder = Builder::new(ranks, settings::query_memory());
        let mut cache = DayCache::new(&self.project.calendar);
        for (from, to) in runs(days) {
            let span: Span64 = self.project.calendar.days(from, to)?;
            scan::scan(self.sql, self.project, &Need::default(), span, &mut |chunk, keep| {
                for (i, row) in keep.ones().enumerate() {
                    if i % EVERY == 0 {
                        Interrupts.tick()?;
                    }
                    let (Some(user), Some(t)) = (chunk.user.get(row), chunk.time.get(row)) else {
                        continue;
                    };
                    let (day, ms) = cache.locate(*t)?;
                    if days.contains(&day) {
                        builder.push(*user, day, ms, chunk.event(row))?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(builder.finish(&mut Interrupts)?)
    }

    /// Hands out all parts, those of one number together, its days in order. Only the wanted columns are read.
    pub fn pieces(self, columns: Columns, each: &mut dyn FnMut(Piece) -> Result<()>) -> Result<()> {
        let days: Vec<i32> = self.stored.iter().copied().collect();
        let rows = self.sql.read(
            &self.project.sql(
                "SELECT part, day, n, users, times, events FROM @.user_stream
                 WHERE day = ANY($1) AND part >= 0 ORDER BY part, day",
            ),
            &[Arg::Int4s(&days)],
        )?;
        let mut gathered = self.gathered.into_iter().peekable();
        for i in 0..rows.len() {
            Interrupts.tick()?;
            let int = |c: usize| rows.get::<i32>(i, c).unwrap_or_default();
            let place = (int(0) as u32, int(1));
            let mut replaced = false;
            while gathered.peek().is_some_and(|(p, _)| *p <= place) {
                if let Some((p, sorted)) = gathered.next() {
                    replaced |= p == place;
                    each(piece(p, Source::Gathered(sorted)))?;
                }
            }
            if !replaced {
                each(piece(place, Source::Stored(buffers(&rows, i, 2, columns)?)))?;
            }
        }
        gathered.try_for_each(|(p, sorted)| each(piece(p, Source::Gathered(sorted))))
    }
}

fn piece((part, day): (u32, i32), source: Source) -> Piece {
    Piece { part, day, source }
}

/// Reads n, users, times and events from the columns that begin at `c`.
fn buffers(rows: &crate::pg::spi::Rows, i: usize, c: usize, columns: Columns) -> Result<Buffers> {
    let n = rows.get::<i32>(i, c).and_then(|n| usize::try_from(n).ok());
    let column = |at: usize, wanted: bool| Ok::<_, Failure>(rows.bytes_or_null(i, at, wanted)?.unwrap_or_default());
    Ok(Buffers {
        n: n.ok_or_else(|| engine::error::Error::corrupt("stream with a negative number of events"))?,
        users: column(c + 1, columns.users)?,
        times: column(c + 2, columns.times)?,
        events: column(c + 3, columns.events)?,
    })
}

/// Consecutive days as (first, last); many of them as one, for every run costs a scan.
fn runs(days: &BTreeSet<i32>) -> Vec<(i32, i32)> {
    let mut runs: Vec<(i32, i32)> = Vec::new();
    for day in days {
        match runs.last_mut() {
            Some((_, last)) if day - *last == 1 => *last = *day,
            _ => runs.push((*day, *day)),
        }
    }
    match (runs.first(), runs.last()) {
        (Some((first, _)), Some((_, last))) if runs.len() > 4 => vec![(*first, *last)],
        _ => runs,
    }
}

/// Every difference between the stream and the segments, as (object, problem).
pub fn verify(sql: &Sql, project: &Project, problem: &mut dyn FnMut(String, String)) -> Result<()> {
    let names = EventNames::read(sql, project, false)?;
    let rows = sql.read(&project.sql("SELECT day_min, day_max, n FROM @.segment"), &[])?;
    let mut sizes: BTreeMap<i32, u64> = BTreeMap::new();
    for i in 0..rows.len() {
        Interrupts.tick()?;
        let int = |c: usize| rows.get::<i32>(i, c).unwrap_or_default();
        let (min, max, n) = (int(0), int(1), u64::try_from(int(2)).unwrap_or(0));
        let length = u64::try_from(i64::from(max) - i64::from(min)).unwrap_or(0) + 1;
        for day in min..=max {
            *sizes.entry(day).or_default() += n.div_ceil(length);
        }
    }
    let rows = sql.read(&project.sql("SELECT DISTINCT day FROM @.user_stream"), &[])?;
    for i in 0..rows.len() {
        sizes.entry(rows.get::<i32>(i, 0).unwrap_or_default()).or_default();
    }
    drop(rows);
    let size = |d: i32| sizes.get(&d).copied().unwrap_or(0);
    windows(sizes.keys().copied(), size, |days| {
        // A segment that can't be read is reported where segments are.
        match build(sql, project, &names.ranks, days, false) {
            Ok(built) => compare(sql, project, &names.ranks, days, built, problem),
            Err(_) => Ok(()),
        }
    })
}

fn compare(
    sql: &Sql,
    project: &Project,
    ranks: &Ranks,
    days: &BTreeSet<i32>,
    built: Built,
    problem: &mut dyn FnMut(String, String),
) -> Result<()> {
    let list: Vec<i32> = days.iter().copied().collect();
    let rows = sql.read(
        &project.sql(
            "SELECT part, day, n, users, times, events FROM @.user_stream
             WHERE day = ANY($1) ORDER BY day, part",
        ),
        &[Arg::Int4s(&list)],
    )?;
    let (mut missing, mut marked) = (built.days, BTreeSet::new());
    let mut wanted: BTreeMap<(u32, i32), Sorted> = built.parts.into_iter().collect();
    let (mut stored, mut want) = (Part::default(), Part::default());
    let object = |number: u32, day: i32| format!("user_stream day {day} part {number}");
    for i in 0..rows.len() {
        Interrupts.tick()?;
        let int = |c: usize| rows.get::<i32>(i, c).unwrap_or_default();
        missing.remove(&int(1));
        if int(0) == MARK {
            marked.insert(int(1));
            continue;
        }
        let (number, day) = (int(0) as u32, int(1));
        let loaded =
            buffers(&rows, i, 2, Columns::ALL).and_then(|b| Ok(engine::stream::decode(&b, Columns::ALL, &mut stored)?));
        match wanted.remove(&(number, day)) {
            Some(sorted) => sorted.part(ranks, &mut want)?,
            None => want.clear(),
        }
        match loaded {
            Err(e) => problem(object(number, day), e.message),
            Ok(()) if stored != want => problem(object(number, day), "is not what the segments hold".into()),
            Ok(()) => {}
        }
    }
    for (number, day) in wanted.into_keys() {
        if !missing.contains(&day) && !marked.contains(&day) {
            problem(object(number, day), "is missing".into());
        }
    }
    for day in missing {
        problem(format!("user_stream day {day}"), "is missing".into());
    }
    Ok(())
}
