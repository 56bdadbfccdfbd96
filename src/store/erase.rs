//! Taking events out of the store for good: segments that hold any are written anew without them, in the transaction of
//! whoever asks. A snapshot from before reads the old ones; every other reads, counts and finds duplicates as if the events
//! had never been there.
//!
//! Only sealed events are looked at: of what waits, a version that was replaced would come to light with the one that
//! replaced it. So what waits is sealed first, under locks that let nothing else arrive.

use super::seal::Sealer;
use super::segment::{self, Head};
use super::settle::{self, Pace, Touched};
use super::{Lock, maintain};
use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Sql};
use crate::pg::transaction;
use crate::registry::Project;
use engine::chunk::{Chunk, Column, Kind, PropertyColumn, SubjectNo};
use engine::codec;
use engine::erase::others;
use engine::mask::Mask;
use engine::tick::{EVERY, Tick};
use engine::time::{DayCache, Span64};
use pgrx::prelude::*;

/// Where events that go may be, and which columns tell them.
pub struct Reach {
    /// `None` = any.
    pub events: Option<Vec<u32>>,
    pub span: Span64,
    /// First and last.
    pub users: (SubjectNo, SubjectNo),
    pub kinds: Vec<Kind>,
    pub properties: Vec<u32>,
    /// Their insert ids tell them, too: everything is read.
    pub inserts: bool,
}

impl Default for Reach {
    fn default() -> Self {
        Reach {
            events: None,
            span: Span64 {
                from: i64::MIN,
                to: i64::MAX,
            },
            users: (0, u32::MAX),
            kinds: Vec::new(),
            properties: Vec::new(),
            inserts: false,
        }
    }
}

/// Says what becomes of events.
pub trait Judge {
    /// Those that go.
    fn gone(&mut self, chunk: &Chunk) -> Result<Mask>;

    /// Those that stay and change.
    fn changed(&mut self, chunk: &Chunk) -> Mask {
        Mask::none(chunk.len())
    }

    /// Changes these, in a chunk that has all of its columns.
    fn change(&mut self, _chunk: &mut Chunk, _rows: &Mask) -> Result<()> {
        Ok(())
    }
}

/// Takes the locks of a deletion: whoever ingests or maintains ends first, and nobody begins before this transaction ends.
pub fn lock(sql: &Sql, project: &str) -> Result<()> {
    if transaction::keeps_its_snapshot() {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_ACTIVE_SQL_TRANSACTION,
            "what is deleted must be seen as it is now, not as it was when the transaction began",
            "Delete in a transaction of isolation level READ COMMITTED.",
        ));
    }
    super::lock(sql, project, Lock::Ingest)?;
    super::lock(sql, project, Lock::Maintain)
}

/// A deletion in progress. Whoever makes one holds the locks of [`lock`].
pub struct Erasure<'a> {
    sealer: Sealer<'a>,
    touched: Touched,
}

impl<'a> Erasure<'a> {
    /// Seals what waits.
    pub fn begin(sql: &'a Sql, project: &'a Project) -> Result<Self> {
        let (mut sealer, mut touched) = (Sealer::new(sql, project)?, Touched::default());
        maintain::seal_waiting(&mut sealer, &mut touched)?;
        Ok(Erasure { sealer, touched })
    }

    /// Takes events away; returns how many.
    pub fn erase(&mut self, reach: &Reach, judge: &mut dyn Judge) -> Result<u64> {
        erase(&mut self.sealer, &mut self.touched, reach, judge)
    }

    /// Brings everything that is derived from segments in step; maintenance builds what is dropped now.
    pub fn end(self) -> Result<()> {
        let (sql, project) = (self.sealer.sql, self.sealer.project);
        settle::settle(sql, project, &self.touched, Pace::Later)?;
        forget_empty_days(sql, project, &self.touched)
    }
}

/// Days without a sealed event are not listed.
fn forget_empty_days(sql: &Sql, project: &Project, touched: &Touched) -> Result<()> {
    let mut days: Vec<i32> = touched.pairs().map(|(_, day)| day).collect();
    days.sort_unstable();
    days.dedup();
    for table in ["event_day", "user_stream"] {
        sql.write(
            &project.sql(&format!(
                "DELETE FROM @.{table} d WHERE d.day = ANY($1)
                 AND NOT EXISTS (SELECT FROM @.segment s WHERE s.day_min <= d.day AND s.day_max >= d.day)"
            )),
            &[Arg::Int4s(&days)],
        )?;
    }
    Ok(())
}

fn heads(sql: &Sql, project: &Project, reach: &Reach) -> Result<Vec<Head>> {
    let text = format!(
        "SELECT {} FROM @.segment WHERE at_max >= $1 AND at_min < $2 AND user_max >= $3 AND user_min <= $4",
        segment::HEAD
    );
    let events: Option<Vec<i32>> = reach.events.as_ref().map(|e| e.iter().map(|n| *n as i32).collect());
    let mut args = vec![
        Arg::Int(reach.span.from),
        Arg::Int(reach.span.to),
        Arg::Int(i64::from(reach.users.0)),
        Arg::Int(i64::from(reach.users.1)),
    ];
    let rows = match &events {
        None => sql.write(&project.sql(&format!("{text} ORDER BY no")), &args)?,
        Some(events) => {
            args.push(Arg::Int4s(events));
            sql.write(&project.sql(&format!("{text} AND event = ANY($5) ORDER BY no")), &args)?
        }
    };
    let mut heads = engine::error::try_vec(rows.len(), "segments")?;
    for i in 0..rows.len() {
        heads.push(segment::head(&rows, i)?);
    }
    Ok(heads)
}

fn erase(sealer: &mut Sealer, touched: &mut Touched, reach: &Reach, judge: &mut dyn Judge) -> Result<u64> {
    let (sql, project) = (sealer.sql, sealer.project);
    let mut days = DayCache::new(&project.calendar);
    let mut erased = 0;
    for head in heads(sql, project, reach)? {
        Interrupts.tick()?;
        let chunk = match reach.inserts {
            true => read_whole(sql, project, &head)?,
            false => read(sql, project, &head, reach)?,
        };
        let mut gone = judge.gone(&chunk)?;
        let inside = |row: usize| {
            let time = chunk.time.get(row);
            time.is_some_and(|t| *t >= reach.span.from && *t < reach.span.to)
        };
        gone.retain(&mut Interrupts, inside)?;
        let mut changed = judge.changed(&chunk);
        changed.retain(&mut Interrupts, inside)?;
        if !gone.any() && !changed.any() {
            continue;
        }
        for (i, row) in gone.ones().chain(changed.ones()).enumerate() {
            if i % EVERY == 0 {
                Interrupts.tick()?;
            }
            let time = chunk.time.get(row).copied().unwrap_or(0);
            touched.add(head.event, days.day_of(time)?, 0);
        }
        drop(chunk);
        erased += gone.count() as u64;
        if changed.any() {
            let mut whole = read_whole(sql, project, &head)?;
            judge.change(&mut whole, &changed)?;
            sealer.replace(&head, whole, others(&gone)?)?;
        } else {
            sealer.keep(&head, others(&gone)?)?;
        }
    }
    Ok(erased)
}

/// Users and times of a segment, and the columns that tell.
fn read(sql: &Sql, project: &Project, head: &Head, reach: &Reach) -> Result<Chunk> {
    let rows = sql.write(
        &project.sql(&format!(
            "SELECT {}, users, times FROM @.segment WHERE no = $1",
            segment::HEAD
        )),
        &[Arg::Int(head.no)],
    )?;
    let mut chunk = segment::core(&rows, 0, head)?;
    if !reach.kinds.is_empty() || !reach.properties.is_empty() {
        let lookups = project.lookups.borrow().clone();
        let stored = lookups.stored(&reach.properties);
        segment::columns(sql, project, &[head.no], Some((&reach.kinds, &stored)), true)?
            .fetch(head.no)?
            .decode_into(&mut chunk)
            .map_err(|e| damaged(e, head.no))?;
        lookups.join(&mut chunk, &reach.properties, &mut Interrupts)?;
    }
    Ok(chunk)
}

/// Everything that a segment holds.
fn read_whole(sql: &Sql, project: &Project, head: &Head) -> Result<Chunk> {
    let rows = sql.write(
        &project.sql(&format!(
            "SELECT {}, users, times, inserts FROM @.segment WHERE no = $1",
            segment::HEAD
        )),
        &[Arg::Int(head.no)],
    )?;
    let mut chunk = segment::core(&rows, 0, head)?;
    let columns = segment::columns(sql, project, &[head.no], None, true)?.fetch(head.no)?;
    columns.decode_into(&mut chunk).map_err(|e| damaged(e, head.no))?;
    if let Some(bytes) = rows.bytes_or_null(0, 11, true)? {
        let inserts = segment::decode_inserts(&bytes, head.n, &columns.properties);
        chunk.inserts = Some(inserts.map_err(|e| damaged(e, head.no))?);
    }
    Ok(chunk)
}

fn damaged(e: engine::error::Error, segment: i64) -> Failure {
    Failure::from(e).within(format!("segment {segment}"))
}

/// Before an instant.
struct Before(i64);

impl Judge for Before {
    fn gone(&mut self, chunk: &Chunk) -> Result<Mask> {
        let is = |row: usize| chunk.time.get(row).is_some_and(|t| *t < self.0);
        Ok(Mask::from_fn(chunk.len(), is))
    }
}

/// Takes away the sealed events that are older than the project keeps them; whole days of its zone. Whoever maintains the
/// project settles what is touched.
pub(super) fn expire(sealer: &mut Sealer, touched: &mut Touched) -> Result<u64> {
    let (sql, project) = (sealer.sql, sealer.project);
    let rows = sql.write(
        "SELECT (extract(epoch FROM now() - p.keep_events_for) * 1000)::bigint
         FROM analytics_groups.project p WHERE p.name = $1 AND p.keep_events_for IS NOT NULL",
        &[Arg::Text(&project.name)],
    )?;
    if rows.len() == 0 {
        return Ok(0);
    }
    let calendar = &project.calendar;
    let first = calendar.day_start(calendar.day_of(rows.int(0, 0)?)?)?;
    drop(rows);
    let mut reach = Reach::default();
    reach.span.to = first;
    let mut own = Touched::default();
    let erased = erase(sealer, &mut own, &reach, &mut Before(first))?;
    for (event, day) in own.pairs() {
        touched.add(event, day, 0);
    }
    if erased > 0 {
        forget_empty_days(sql, project, &own)?;
        log(sql, project, What::Period, erased)?;
    }
    Ok(erased)
}

/// What is deleted. Maintenance takes the first three off the disk; the others go as rows of any table do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    User,
    Group,
    Events,
    Key,
    Period,
    /// What vanished from the source of an import, or changed in it.
    Mirror,
}

/// Notes what was deleted, and which files hold old versions of it.
pub fn log(sql: &Sql, project: &Project, what: What, events: u64) -> Result<()> {
    let (what, scrub) = match what {
        What::User => ("user", true),
        What::Group => ("group", true),
        What::Events => ("events", true),
        What::Key => ("key", false),
        What::Period => ("period", false),
        What::Mirror => ("mirror", false),
    };
    sql.write(
        &project.sql(
            "INSERT INTO @.deletion (no, what, events, xid, files)
             SELECT (SELECT max(no) + 1 FROM @.deletion), $1, $2,
                    CASE WHEN $4 THEN pg_current_xact_id()::text::bigint ELSE 0 END,
                    CASE WHEN $4 THEN (SELECT array_agg(f.file) FROM analytics_groups._text_files($3) f) ELSE '{}' END",
        ),
        &[
            Arg::Text(what),
            Arg::Int(i64::try_from(events).unwrap_or(i64::MAX)),
            Arg::Text(&project.name),
            Arg::Bool(scrub),
        ],
    )?;
    Ok(())
}

/// Says that ids have left the dictionary: what other sessions remember of it no longer holds, and a transaction that began
/// earlier and keeps its snapshot may no longer write.
pub fn ids_are_gone(sql: &Sql, project: &Project) -> Result<()> {
    sql.write(
        "UPDATE analytics_groups.project SET erasures = erasures + 1 WHERE name = $1",
        &[Arg::Text(&project.name)],
    )?;
    sql.write(&project.sql("UPDATE @.deletion SET at = now() WHERE no = 0"), &[])?;
    Ok(())
}

/// Takes the groups of a kind off every event, which stay as they were sent.
pub fn detach(sql: &Sql, project: &Project, kind: Kind, property: &str) -> Result<()> {
    let rows = sql.write(
        &project.sql("SELECT segment FROM @.segment_column WHERE class = 'g' AND no = $1 ORDER BY segment"),
        &[Arg::Int4(i32::from(kind))],
    )?;
    let segments = (0..rows.len()).map(|i| rows.int(i, 0)).collect::<Result<Vec<_>>>()?;
    drop(rows);
    let rows = sql.write(
        &project.sql("SELECT no::bigint FROM @.property WHERE name = $1"),
        &[Arg::Text(property)],
    )?;
    let property = match rows.len() {
        0 => None,
        _ => u32::try_from(rows.int(0, 0)?).ok(),
    };
    drop(rows);
    for no in segments {
        Interrupts.tick()?;
        if let Some(property) = property {
            stand_alone(sql, project, no, kind, property)?;
        }
        sql.write(
            &project.sql("DELETE FROM @.segment_column WHERE segment = $1 AND class = 'g' AND no = $2"),
            &[Arg::Int(no), Arg::Int4(i32::from(kind))],
        )?;
    }
    sql.write(
        &project.sql("DELETE FROM @.subject_set WHERE kind = $1"),
        &[Arg::Int2(kind as i16)],
    )?;
    Ok(())
}

/// Writes a property that follows the groups of a kind as it would be without them.
fn stand_alone(sql: &Sql, project: &Project, segment: i64, kind: Kind, property: u32) -> Result<()> {
    let rows = sql.write(
        &project.sql("SELECT n::bigint FROM @.segment WHERE no = $1"),
        &[Arg::Int(segment)],
    )?;
    let n = usize::try_from(rows.int(0, 0)?).unwrap_or(0);
    drop(rows);
    let columns = segment::columns(sql, project, &[segment], Some((&[kind], &[property])), true)?.fetch(segment)?;
    let Some((_, data)) = columns.properties.first() else {
        return Ok(());
    };
    if codec::followed(data).map_err(|e| damaged(e, segment))? != Some(kind) {
        return Ok(());
    }
    let mut chunk = Chunk {
        time: engine::error::try_vec(n, "a column")?,
        ..Chunk::default()
    };
    chunk.time.resize(n, 0);
    columns.decode_into(&mut chunk).map_err(|e| damaged(e, segment))?;
    let column: Option<&Column> = chunk.properties.first().map(|p: &PropertyColumn| &p.column);
    if let Some(column) = column {
        let data = codec::encode_column(column)?;
        sql.write(
            &project.sql("UPDATE @.segment_column SET data = $3 WHERE segment = $1 AND class = 'p' AND no = $2"),
            &[Arg::Int(segment), Arg::Int4(property as i32), Arg::Bytes(&data)],
        )?;
    }
    Ok(())
}
