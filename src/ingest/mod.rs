//! From records to stored events: names become numbers, duplicates inside a batch fall away, errors are kept.
//!
//! Reading and judging records is the engine's; this side talks to the dictionary and the store.

mod identity;
mod import;
mod import_csv;
mod import_profiles;
pub mod inbox;
mod lanes;
mod line;
mod marks;
mod mirror;
pub mod profiles;
mod read;
mod relation;
mod runs;
mod sticky;
pub mod track;

use crate::error::Result;
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Sql};
use crate::registry::lexicon::{self, Space};
use crate::registry::{self, Project, blocked};
use crate::settings::{self, Dedupe};
use crate::store::{self, Lock, append, maintain};
use engine::chunk::USER;
use engine::ingest::{self, Event, Intake, Key, Reason, RecordError, Unattributed};
use engine::regroup;
use engine::row::{EventRow, insert_hash};
use engine::tick::Tick;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};
use sticky::Sticky;

/// What became of the events of a call.
#[derive(Default)]
pub struct Stored {
    pub imported: usize,
    pub duplicates: usize,
    /// Events that are blocked, or matched a drop filter, and were discarded.
    pub blocked: u64,
    /// Which records matched a drop filter.
    pub dropped: Vec<usize>,
    /// The records that were refused.
    pub failed: Vec<RecordError>,
}

/// Different messages one call leaves in `ingest_error`; the rest is counted under one line.
const MAX_MESSAGES: usize = 100;

/// The wall clock in milliseconds since 1970-01-01 UTC.
pub fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(0))
}

/// Opens a project for ingestion. The lock comes before the keys are read: whoever registers a key with backfill waits for
/// us, and finds our events.
pub fn open(sql: &Sql, project: Option<&str>) -> Result<Project> {
    let name = project.map_or_else(settings::project, str::to_string);
    store::lock_shared(&name, Lock::Ingest);
    registry::open_for_writing(sql, project)
}

/// Reads lines of events and stores them slice by slice, so that memory is bounded whatever is sent. `look` sees what was
/// read so far, and may end it; `each` hears what became of a slice. Events that are not `live` are history: they carry what they
/// carry.
pub fn store_lines(
    sql: &Sql,
    project: &Project,
    lines: &[u8],
    strict: bool,
    live: bool,
    look: &dyn Fn(&Intake) -> Result<()>,
    each: &mut dyn FnMut(Stored),
) -> Result<()> {
    let (limits, keys) = (settings::limits(), keys(project));
    let sticky = live.then(|| Sticky::of(sql, project)).flatten();
    let settings = ingest::Settings {
        limits: &limits,
        now_ms: now_ms(),
        strict,
        keys: &keys,
        sticky: sticky.as_ref().map(|s| s as &dyn ingest::Sticky),
    };
    let mut intake = self::intake(sql, project, &keys)?;
    // The engine's callback speaks the engine's errors; ours is kept beside it.
    let mut failure = None;
    let outcome = ingest::fill_ndjson(lines, &settings, &mut Interrupts, &mut intake, &mut |intake| {
        let mut take = || {
            sticky.as_ref().map_or(Ok(()), Sticky::outcome)?;
            look(intake)?;
            if intake.is_full() {
                each(store(sql, project, intake)?);
            }
            Ok(())
        };
        take().map_err(|f| {
            failure = Some(f);
            engine::error::Error::Cancelled
        })
    });
    if let Some(f) = failure {
        return Err(f);
    }
    outcome?;
    each(store(sql, project, &mut intake)?);
    Ok(())
}

/// The registered keys, as the engine wants them.
pub fn keys(project: &Project) -> Vec<Key> {
    project
        .keys
        .iter()
        .map(|k| Key {
            kind: k.kind,
            property: k.property.clone(),
        })
        .collect()
}

/// An empty batch for a project.
pub fn intake(sql: &Sql, project: &Project, keys: &[Key]) -> Result<Intake> {
    let mut intake = Intake::new(keys);
    intake.block(blocked::read(sql, project)?);
    intake.know(|space| lexicon::known(project.table, space))?;
    Ok(intake)
}

/// Stores the events of a batch, keeps its errors, and makes it empty for the next.
pub fn store(sql: &Sql, project: &Project, intake: &mut Intake) -> Result<Stored> {
    // What is learnt now is added to what is known, which must not be held meanwhile.
    intake.know(|_| Vec::new())?;
    let stripped = intake.strip();
    for space in intake.spaces() {
        let numbers = lexicon::number(sql, project, space, &intake.unnumbered(space)?)?;
        intake.number(space, &numbers)?;
    }
    store::identity::link(sql, project, intake.links()?)?;
    let dedupe = settings::dedupe()?;
    let imported = intake.len();
    let duplicates = intake.dedupe(dedupe == Dedupe::Replace)?;
    Interrupts.tick()?;
    keep_errors(sql, project, &intake.failed, &intake.unattributed)?;
    keep_blocked(sql, project, &intake.blocked, &intake.dropped, &stripped)?;
    let blocked = intake.blocked.values().chain(intake.dropped.values()).sum();
    append::append(sql, project, intake, dedupe)?;
    maintain::after_ingest(sql, project, imported - duplicates)?;
    let failed = std::mem::take(&mut intake.failed);
    let dropped = std::mem::take(&mut intake.dropped_records);
    intake.clear();
    intake.know(|space| lexicon::known(project.table, space))?;
    Ok(Stored {
        imported,
        duplicates,
        blocked,
        dropped,
        failed,
    })
}

/// Stores one event; `false` = it is blocked.
pub fn store_one(sql: &Sql, project: &Project, mut event: Event, notes: &[Unattributed]) -> Result<bool> {
    if project.blocked {
        let blocked = blocked::read(sql, project)?;
        let one = |event: &str| BTreeMap::from([(event.to_string(), 1)]);
        if blocked.events.contains(&*event.name) {
            keep_blocked(sql, project, &one(&event.name), &BTreeMap::new(), &[])?;
            return Ok(false);
        }
        if blocked.drops(&event) {
            keep_blocked(sql, project, &BTreeMap::new(), &one(&event.name), &[])?;
            return Ok(false);
        }
        let (off, stay) = event
            .properties
            .into_iter()
            .partition(|(name, _)| blocked.properties.contains(&**name));
        event.properties = stay;
        let off: Vec<_> = off;
        let off: Vec<String> = off.iter().map(|(name, _)| name.to_string()).collect();
        keep_blocked(sql, project, &BTreeMap::new(), &BTreeMap::new(), &off)?;
    }
    let number = |space, name: &str| match lexicon::recall(project.table, space, name) {
        Some(no) => Ok(no),
        None => lexicon::number(sql, project, space, &[name]).map(|n| n.first().copied().unwrap_or(0)),
    };
    let mut row = EventRow {
        event: number(Space::Event, &event.name)?,
        time: event.time,
        insert_hash: event.insert_id.as_deref().map_or(0, insert_hash),
        ..EventRow::default()
    };
    for (p, v) in &event.properties {
        row.properties.push((number(Space::Property, p)?, v.clone()));
    }
    if !event.distinct_id.is_empty() {
        row.user = number(Space::Subject(USER), &event.distinct_id)?;
    }
    if let Some(device) = event.linked_device() {
        let device = number(Space::Subject(USER), &device)?;
        store::identity::link(sql, project, vec![(device, row.user)])?;
    }
    for (kind, ids) in &event.groups {
        let ids: Vec<&str> = ids.iter().map(|id| &**id).collect();
        let numbers = match ids.as_slice() {
            [one] => vec![number(Space::Subject(*kind), one)?],
            // Two ids of a list may be one group by now.
            ids => regroup::distinct(lexicon::number(sql, project, Space::Subject(*kind), ids)?),
        };
        row.groups.push((*kind, numbers));
    }
    keep_errors(sql, project, &[], notes)?;
    append::append_one(sql, project, &row, settings::dedupe()?)?;
    maintain::after_ingest(sql, project, 1)?;
    Ok(true)
}

/// Counts what was discarded: events one by one, and for each property the call that carried it.
fn keep_blocked(
    sql: &Sql,
    project: &Project,
    events: &BTreeMap<String, u64>,
    dropped: &BTreeMap<String, u64>,
    properties: &[String],
) -> Result<()> {
    let text =
        project.sql("INSERT INTO @.ingest_error (outcome, field, message, records) VALUES ('blocked', $1, $2, $3)");
    let keep = |field: &str, message: &str, n: u64| {
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        sql.write(&text, &[Arg::Text(field), Arg::Text(message), Arg::Int(n)])
    };
    for (event, n) in events {
        keep("event", &format!("event \"{event}\" is blocked: it was discarded"), *n)?;
    }
    for (event, n) in dropped {
        keep(
            "event",
            &format!("event \"{event}\" matched a drop filter: it was discarded"),
            *n,
        )?;
    }
    for property in properties {
        let field = format!("properties.{property}");
        keep(&field, "the property is blocked: events were stored without it", 1)?;
    }
    Ok(())
}

fn keep_errors(sql: &Sql, project: &Project, failed: &[RecordError], unattributed: &[Unattributed]) -> Result<()> {
    if failed.is_empty() && unattributed.is_empty() {
        return Ok(());
    }
    let mut counts: BTreeMap<(&str, String, String), i64> = BTreeMap::new();
    let mut count = |outcome: &'static str, field: String, message: String, n: i64| {
        let key = (outcome, field, message);
        let key = if counts.len() < MAX_MESSAGES || counts.contains_key(&key) {
            key
        } else {
            (
                outcome,
                "record".to_string(),
                "further messages of this call".to_string(),
            )
        };
        *counts.entry(key).or_default() += n;
    };
    for f in failed {
        count("refused", f.field.clone(), f.message.clone(), 1);
    }
    for u in unattributed {
        let key = project
            .keys
            .iter()
            .find(|k| k.kind == u.kind)
            .map(|k| k.property.as_str())
            .unwrap_or("");
        let why = match u.reason {
            Reason::TooMany => "more groups than one event may have",
            Reason::NotAnId => "not a group id: use strings or numbers",
        };
        count(
            "unattributed",
            format!("properties.{key}"),
            why.to_string(),
            u.values as i64,
        );
    }
    let text = project.sql("INSERT INTO @.ingest_error (outcome, field, message, records) VALUES ($1, $2, $3, $4)");
    for ((outcome, field, message), n) in &counts {
        sql.write(
            &text,
            &[Arg::Text(outcome), Arg::Text(field), Arg::Text(message), Arg::Int(*n)],
        )?;
    }
    Ok(())
}
