//! The newest events of one subject, with everything they carry.

use super::raw::{Core, Raw};
use super::scan::{self, Need};
use super::segment::{self, Head};
use crate::error::Result;
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Sql};
use crate::registry::Project;
use engine::chunk::{Chunk, Kind, SubjectNo, USER};
use engine::dedupe::Duplicates;
use engine::error::Error;
use engine::relations::rows_of;
use engine::tick::Tick;
use engine::time::Span64;
use engine::value::Value;
use std::collections::BTreeMap;

/// An event with everything it carries.
#[derive(Debug)]
pub struct Entry {
    pub at: i64,
    pub event: u32,
    pub user: SubjectNo,
    pub groups: Vec<(Kind, SubjectNo)>,
    pub properties: Vec<(u32, Value)>,
}

/// Whose events, when, and how many.
pub struct Ask<'a> {
    pub by: Kind,
    /// Ascending: a user may have several numbers, before identity merges.
    pub subjects: &'a [SubjectNo],
    pub span: Span64,
    /// As many of the newest, and those that happened at the same time as the last of them.
    pub limit: usize,
    /// By event number.
    pub hidden: &'a [bool],
}

/// Where an event lies: a waiting chunk, or a segment as a row of the result that lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Waiting(usize),
    Sealed(usize),
}

/// Events found so far: time, place, row.
struct Newest {
    found: Vec<(i64, Place, usize)>,
    limit: usize,
}

impl Newest {
    fn push(&mut self, at: i64, place: Place, row: usize) -> Result<()> {
        self.found
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory("events of a feed"))?;
        self.found.push((at, place, row));
        if self.found.len() >= self.limit.saturating_mul(2).max(1024) {
            self.cut();
        }
        Ok(())
    }

    /// Forgets what is too old; returns the time of the oldest that counts, once there are enough.
    fn cut(&mut self) -> Option<i64> {
        let last = self.limit.checked_sub(1).filter(|l| *l < self.found.len())?;
        let (_, oldest, _) = self
            .found
            .select_nth_unstable_by_key(last, |(at, ..)| std::cmp::Reverse(*at));
        let oldest = oldest.0;
        self.found.retain(|(at, ..)| *at >= oldest);
        Some(oldest)
    }
}

/// The newest events of a subject inside of a span, in no particular order. Everything else about them is read only where
/// they lie.
pub fn newest(sql: &Sql, project: &Project, ask: &Ask) -> Result<Vec<Entry>> {
    if ask.subjects.is_empty() || ask.limit == 0 {
        return Ok(Vec::new());
    }
    let kinds: Vec<Kind> = project.keys.iter().map(|k| k.kind).collect();
    let properties = property_numbers(sql, project)?;
    let everything = Need {
        events: None,
        kinds: kinds.clone(),
        properties: properties.clone(),
        ..Need::default()
    };
    let waiting = scan::waiting(sql, project, &everything, ask.span)?;
    let refs: Vec<&Chunk> = waiting.iter().collect();
    let duplicates = Duplicates::new(&refs, &mut Interrupts)?;
    let mut newest = Newest {
        found: Vec::new(),
        limit: ask.limit,
    };
    let visible = |event: u32| ask.hidden.get(event as usize) != Some(&true);
    let (low, high) = match ask.by {
        USER => (ask.subjects.first().copied(), ask.subjects.last().copied()),
        _ => (Some(0), Some(u32::MAX)),
    };
    let segments = sql.read(
        &project.sql(&format!(
            "SELECT {}, users, times, inserts FROM @.segment
             WHERE at_max >= $1 AND at_min < $2 AND user_max >= $3 AND user_min <= $4 ORDER BY at_max DESC, no",
            segment::HEAD
        )),
        &[
            Arg::Int(ask.span.from),
            Arg::Int(ask.span.to),
            Arg::Int(i64::from(low.unwrap_or(0))),
            Arg::Int(i64::from(high.unwrap_or(u32::MAX))),
        ],
    )?;
    // What duplicates are found by, where something that waits may be one.
    let insert_ids = match duplicates.is_empty() {
        true => None,
        false => segment::insert_ids(sql, project, false)?,
    };
    let own: Vec<Kind> = if ask.by == USER { Vec::new() } else { vec![ask.by] };
    let fetch = |i: usize, head: Head, may_touch: bool, wanted: (&[Kind], &[u32])| -> Result<Raw> {
        let columns = segment::columns(sql, project, &[head.no], Some(wanted), false)?;
        let ids = match insert_ids {
            Some(property) if may_touch => Some(segment::columns(
                sql,
                project,
                &[head.no],
                Some((&[], &[property])),
                false,
            )?),
            _ => None,
        };
        let core = Core {
            users: true,
            times: true,
            inserts: may_touch,
        };
        Raw::fetch(&segments, i, head, core, ids.as_ref(), Some(&columns))
    };
    for i in 0..segments.len() {
        Interrupts.tick()?;
        let head = segment::head(&segments, i)?;
        if newest.cut().is_some_and(|oldest| head.at_max < oldest) {
            break;
        }
        if !visible(head.event) {
            continue;
        }
        let may_touch = duplicates.may_touch(head.event, head.at_min, head.at_max);
        let raw = fetch(i, head, may_touch, (&own, &[]))?;
        let (chunk, keep) = scan::look(&raw, ask.span, &duplicates, &mut Interrupts)?;
        let mut rows = rows_of(&chunk, ask.by, ask.subjects);
        rows.and(&keep);
        for row in rows.ones() {
            newest.push(chunk.time.get(row).copied().unwrap_or(0), Place::Sealed(i), row)?;
        }
    }
    for (i, (chunk, stays)) in waiting.iter().zip(duplicates.delta_masks()).enumerate() {
        Interrupts.tick()?;
        let mut rows = rows_of(chunk, ask.by, ask.subjects);
        rows.and(&scan::staying(chunk, ask.span, stays));
        for row in rows.ones().filter(|row| visible(chunk.event(*row))) {
            newest.push(chunk.time.get(row).copied().unwrap_or(0), Place::Waiting(i), row)?;
        }
    }
    newest.cut();
    let mut by_place: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
    for (_, place, row) in &newest.found {
        by_place.entry(*place).or_default().push(*row);
    }
    let mut out = engine::error::try_vec(newest.found.len(), "events of a feed")?;
    for (place, rows) in by_place {
        Interrupts.tick()?;
        let decoded;
        let chunk = match place {
            Place::Waiting(i) => waiting.get(i),
            Place::Sealed(i) => {
                decoded = fetch(i, segment::head(&segments, i)?, false, (&kinds, &properties))?.decode()?;
                Some(&decoded)
            }
        };
        if let Some(chunk) = chunk {
            out.extend(rows.into_iter().map(|row| entry(chunk, row)));
        }
    }
    Ok(out)
}

fn entry(chunk: &Chunk, row: usize) -> Entry {
    let groups = chunk.groups.iter();
    let values = chunk.properties.iter();
    Entry {
        at: chunk.time.get(row).copied().unwrap_or(0),
        event: chunk.event(row),
        user: chunk.user.get(row).copied().unwrap_or(0),
        groups: groups.flat_map(|g| g.of_row(row).map(|no| (g.kind, no))).collect(),
        properties: values
            .filter_map(|p| Some((p.property, p.column.get(row)?.into_owned())))
            .collect(),
    }
}

fn property_numbers(sql: &Sql, project: &Project) -> Result<Vec<u32>> {
    let rows = sql.read(&project.sql("SELECT no FROM @.property ORDER BY no"), &[])?;
    Ok((0..rows.len())
        .filter_map(|i| u32::try_from(rows.get::<i32>(i, 0)?).ok())
        .collect())
}
