//! Re-reads everything that is stored and reports what is not as it should be.

use super::segment;
use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{self, Arg, Sql};
use crate::registry::{self, Project};
use engine::bitmap::Bitmap;
use engine::block::{self, Wanted};
use engine::chunk::{Chunk, Kind, USER};
use engine::row;
use engine::tick::Tick;
use engine::time::DayCache;
use pgrx::prelude::*;
use std::collections::HashMap;

/// The numbers that the lexicon and the dictionary know.
struct Known {
    events: Bitmap,
    properties: Bitmap,
    subjects: HashMap<Kind, Bitmap>,
}

fn numbers(sql: &Sql, text: &str, args: &[Arg]) -> Result<Bitmap> {
    let rows = sql.read(text, args)?;
    let mut ids = engine::error::try_vec(rows.len(), "numbers of the dictionary")?;
    for i in 0..rows.len() {
        ids.push(u32::try_from(rows.int(i, 0)?).unwrap_or(0));
    }
    Ok(Bitmap::from_ids(ids, &mut Interrupts)?)
}

fn known(sql: &Sql, project: &Project) -> Result<Known> {
    let mut subjects = HashMap::new();
    for kind in std::iter::once(USER).chain(project.keys.iter().map(|k| k.kind)) {
        let text = project.sql("SELECT no FROM @.subject WHERE kind = $1 ORDER BY no");
        subjects.insert(kind, numbers(sql, &text, &[Arg::Int2(kind as i16)])?);
    }
    Ok(Known {
        events: numbers(
            sql,
            &project.sql("SELECT no::bigint FROM @.event_name ORDER BY no"),
            &[],
        )?,
        properties: numbers(sql, &project.sql("SELECT no::bigint FROM @.property ORDER BY no"), &[])?,
        subjects,
    })
}

/// Ids that were merged into a group that is not there, or that are of a group themselves.
fn check_merged(sql: &Sql, project: &Project, problems: &mut Problems) -> Result<()> {
    let rows = sql.read(
        &project.sql(
            "SELECT m.id, EXISTS (SELECT FROM @.subject s WHERE s.kind = m.kind AND s.id = m.id) FROM @.merged_group m
             WHERE NOT EXISTS (SELECT FROM @.subject s WHERE s.kind = m.kind AND s.no = m.no)
             OR EXISTS (SELECT FROM @.subject s WHERE s.kind = m.kind AND s.id = m.id) ORDER BY m.kind, m.id",
        ),
        &[],
    )?;
    for i in 0..rows.len() {
        let why = match rows.get::<bool>(i, 1) {
            Some(true) => "is a group of its own",
            _ => "was merged into a group that is not in the dictionary",
        };
        problems.add(&format!("group \"{}\"", rows.text(i, 0)?), why);
    }
    Ok(())
}

/// Collects problems as (object, problem).
struct Problems(Vec<(String, String)>);

impl Problems {
    fn add(&mut self, object: &str, problem: impl Into<String>) {
        self.0.push((object.to_string(), problem.into()));
    }

    /// What every chunk must satisfy, wherever it is stored.
    fn check_chunk(&mut self, object: &str, chunk: &Chunk, known: &Known) {
        if let Err(e) = chunk.check() {
            self.add(object, e.to_string());
            return;
        }
        let lost = |ids: &Bitmap, n: u32| n != 0 && !ids.contains(n);
        let users = known.subjects.get(&USER);
        if chunk.user.iter().any(|u| users.is_none_or(|ids| lost(ids, *u))) {
            self.add(object, "a user that is not in the dictionary");
        }
        if (0..chunk.len()).any(|i| !known.events.contains(chunk.event(i))) {
            self.add(object, "an event that is not in the lexicon");
        }
        for g in &chunk.groups {
            let all = g.first.iter().copied().chain(g.more.iter().map(|(_, s)| *s));
            match known.subjects.get(&g.kind) {
                None => self.add(object, format!("groups of kind {}, which is not registered", g.kind)),
                Some(ids) if all.into_iter().any(|s| lost(ids, s)) => {
                    self.add(
                        object,
                        format!("a group of kind {} that is not in the dictionary", g.kind),
                    );
                }
                Some(_) => {}
            }
        }
        if chunk.properties.iter().any(|p| !known.properties.contains(p.property)) {
            self.add(object, "a property that is not in the lexicon");
        }
    }
}

/// Looks for events that are in two segments, among segments of one event that lie over one another.
#[derive(Default)]
struct Once {
    event: u32,
    day_max: i32,
    /// Segments so far; what they hold is only collected when there can be two.
    shared: bool,
    names: Vec<i64>,
    seen: Vec<(i64, u32, u64)>,
}

impl Once {
    fn continues(&self, head: &segment::Head) -> bool {
        !self.names.is_empty() && head.event == self.event && head.day_min <= self.day_max
    }

    fn open(&mut self, head: &segment::Head, next: Option<&segment::Head>) {
        self.day_max = if self.names.is_empty() {
            head.day_max
        } else {
            self.day_max.max(head.day_max)
        };
        self.event = head.event;
        self.shared =
            !self.names.is_empty() || next.is_some_and(|n| n.event == head.event && n.day_min <= self.day_max);
        self.names.push(head.no);
    }

    fn add(&mut self, chunk: &Chunk) -> Result<()> {
        let Some(inserts) = chunk.inserts.as_ref().filter(|_| self.shared) else {
            return Ok(());
        };
        self.seen
            .try_reserve(chunk.len())
            .map_err(|_| engine::error::Error::OutOfMemory("insert hashes"))?;
        let rows = chunk.time.iter().zip(&chunk.user).zip(&inserts.hash);
        self.seen
            .extend(rows.filter(|(_, h)| **h != 0).map(|((t, u), h)| (*t, *u, *h)));
        Ok(())
    }

    fn finish(&mut self, problems: &mut Problems) -> Result<()> {
        Interrupts.tick()?;
        self.seen.sort_unstable();
        Interrupts.tick()?;
        if self.seen.windows(2).any(|w| matches!(w, [a, b] if a == b)) {
            let names: Vec<String> = self.names.iter().map(i64::to_string).collect();
            problems.add(
                &format!("segments {}", names.join(", ")),
                "the same event in two of them",
            );
        }
        self.names.clear();
        self.seen.clear();
        Ok(())
    }
}

fn verify_segments(sql: &Sql, project: &Project, known: &Known, problems: &mut Problems) -> Result<()> {
    let rows = sql.read(
        &project.sql(&format!(
            "SELECT {}, users, times, inserts FROM @.segment ORDER BY event, day_min, user_min, no",
            segment::HEAD
        )),
        &[],
    )?;
    let heads = (0..rows.len())
        .map(|i| segment::head(&rows, i))
        .collect::<Result<Vec<_>>>()?;
    let mut once = Once::default();
    let mut days = DayCache::new(&project.calendar);
    for (i, head) in heads.iter().enumerate() {
        Interrupts.tick()?;
        let object = format!("segment {}", head.no);
        if !once.continues(head) {
            once.finish(problems)?;
        }
        // The next one tells whether this one lies alone on its days.
        once.open(head, heads.get(i + 1));
        let decoded = segment::core(&rows, i, head).and_then(|mut chunk| {
            let columns = segment::columns(
                sql,
                project,
                &[head.no],
                Some((&all_kinds(project), &all_properties(known))),
                false,
            )?;
            let columns = columns.fetch(head.no)?;
            columns.decode_into(&mut chunk)?;
            if let Some(bytes) = rows.bytes_or_null(i, 11, true)? {
                chunk.inserts = Some(segment::decode_inserts(&bytes, head.n, &columns.properties)?);
            }
            Ok(chunk)
        });
        match decoded {
            Err(e) => problems.add(&object, e.message),
            Ok(chunk) => {
                problems.check_chunk(&object, &chunk, known);
                check_head(&object, head, &chunk, &mut days, problems)?;
                once.add(&chunk)?;
            }
        }
    }
    once.finish(problems)?;
    let orphans = sql.read(
        &project.sql(
            "SELECT DISTINCT segment FROM @.segment_column c
             WHERE NOT EXISTS (SELECT FROM @.segment s WHERE s.no = c.segment) ORDER BY segment",
        ),
        &[],
    )?;
    for i in 0..orphans.len() {
        problems.add(
            &format!("segment {}", orphans.int(i, 0)?),
            "columns without their segment",
        );
    }
    Ok(())
}

fn all_kinds(project: &Project) -> Vec<Kind> {
    project.keys.iter().map(|k| k.kind).collect()
}

fn all_properties(known: &Known) -> Vec<u32> {
    known.properties.iter().collect()
}

fn check_head(
    object: &str,
    head: &segment::Head,
    chunk: &Chunk,
    days: &mut DayCache,
    problems: &mut Problems,
) -> Result<()> {
    let mut last: Option<(i32, u32, i64, u64)> = None;
    let (mut at, mut users, mut day) = ((i64::MAX, i64::MIN), (i64::MAX, i64::MIN), (i32::MAX, i32::MIN));
    for (i, (t, u)) in chunk.time.iter().zip(&chunk.user).enumerate() {
        let h = &chunk.inserts.as_ref().and_then(|c| c.hash.get(i).copied()).unwrap_or(0);
        if i % engine::tick::EVERY == 0 {
            Interrupts.tick()?;
        }
        let d = days.day_of(*t)?;
        let key = (d, *u, *t, *h);
        match last {
            Some(l) if (l.0, l.1, l.2) > (d, *u, *t) => {
                problems.add(object, "rows out of order");
                return Ok(());
            }
            Some(l) if l == key && *h != 0 => {
                problems.add(object, "the same event twice");
                return Ok(());
            }
            _ => {}
        }
        last = Some(key);
        at = (at.0.min(*t), at.1.max(*t));
        users = (users.0.min(i64::from(*u)), users.1.max(i64::from(*u)));
        day = (day.0.min(d), day.1.max(d));
    }
    let stated = (
        head.n,
        (head.at_min, head.at_max),
        (head.user_min, head.user_max),
        (head.day_min, head.day_max),
    );
    if stated != (chunk.len(), at, users, day) {
        problems.add(
            object,
            "its row counts, times, users or days are not what its columns hold",
        );
    }
    Ok(())
}

fn verify_waiting(sql: &Sql, project: &Project, known: &Known, problems: &mut Problems) -> Result<()> {
    let blocks = sql.read(
        &project.sql("SELECT batch, n::bigint, at_min, at_max, events, data FROM @.event_block ORDER BY batch"),
        &[],
    )?;
    for i in 0..blocks.len() {
        Interrupts.tick()?;
        let object = format!("block {}", blocks.int(i, 0)?);
        match block::decode(&blocks.bytes(i, 5)?, &Wanted::all()) {
            Err(e) => problems.add(&object, e.to_string()),
            Ok(chunk) => {
                problems.check_chunk(&object, &chunk, known);
                let stated = (blocks.int(i, 1)?, blocks.int(i, 2)?, blocks.int(i, 3)?);
                let events: Vec<i32> = blocks.get(i, 4).unwrap_or_default();
                let bounds = super::append::bounds(&chunk.time)?;
                let listed = (0..chunk.len()).all(|r| events.contains(&(chunk.event(r) as i32)));
                if stated != (chunk.len() as i64, bounds.0, bounds.1) || !listed {
                    problems.add(&object, "its row count, times or events are not what it holds");
                }
            }
        }
    }
    drop(blocks);
    let rows = sql.read(
        &project.sql("SELECT ctid::text, event, at, data, batch FROM @.event_row"),
        &[],
    )?;
    for i in 0..rows.len() {
        if i % 4096 == 0 {
            Interrupts.tick()?;
        }
        let object = || format!("event_row {}", rows.text(i, 0).unwrap_or("?"));
        match row::decode(&rows.bytes(i, 3)?) {
            Err(e) => problems.add(&object(), e.to_string()),
            Ok(event) => {
                if rows.get::<i32>(i, 1) != Some(event.event as i32) || rows.int(i, 2)? != event.time {
                    problems.add(&object(), "its event or time is not what it holds");
                }
                let mut one = engine::chunk_builder::ChunkBuilder::new();
                one.push(&event, rows.int(i, 4)?)?;
                problems.check_chunk(&object(), &one.finish()?, known);
            }
        }
    }
    Ok(())
}

/// Every problem found in a project's store; none on a healthy one.
#[pg_extern(schema = "analytics_groups", name = "verify", stable, parallel_restricted)]
#[allow(clippy::type_complexity)]
fn verify(
    project: default!(Option<&str>, "NULL"),
) -> Result<TableIterator<'static, (name!(object, String), name!(problem, String))>, crate::pg::ErrorReport> {
    let problems = spi::connect(|sql| {
        let project = registry::open(sql, project)?;
        let known = known(sql, &project)?;
        let mut problems = Problems(Vec::new());
        verify_segments(sql, &project, &known, &mut problems)?;
        verify_waiting(sql, &project, &known, &mut problems)?;
        super::sets::check::verify(sql, &project, &mut |object, what| problems.add(object, what))?;
        super::identity::verify(sql, &project, &mut |object, problem| problems.add(object, problem))?;
        check_merged(sql, &project, &mut problems)?;
        super::cohort::verify(sql, &project, &mut |object, problem| problems.add(object, problem))?;
        super::lookup::verify(sql, &project, &mut |object, problem| problems.add(object, problem))?;
        super::stream::verify(sql, &project, &mut |object, problem| problems.add(&object, problem))?;
        Ok::<_, Failure>(problems)
    })?;
    Ok(TableIterator::new(problems.0))
}
