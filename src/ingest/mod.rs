//! From records to stored events: names become numbers, duplicates inside a batch fall away, errors are kept.
//!
//! Reading and judging records is the engine's; this side talks to the dictionary and the store.

pub mod inbox;
pub mod profiles;
pub mod track;

use crate::error::Result;
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Sql};
use crate::registry::lexicon::{self, Space};
use crate::registry::{self, Project};
use crate::settings::{self, Dedupe};
use crate::store::{self, Lock, append, maintain};
use engine::chunk::{Kind, USER};
use engine::ingest::{Batch, Event, Key, Reason};
use engine::row::{EventRow, insert_hash};
use engine::tick::{EVERY, Tick};
use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

/// What became of the events of a call.
pub struct Stored {
    pub imported: usize,
    pub duplicates: usize,
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
    store::lock_shared(sql, &name, Lock::Ingest)?;
    registry::open_for_writing(sql, project)
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

/// Stores the events of a batch and keeps its errors.
pub fn store(sql: &Sql, project: &Project, batch: &Batch) -> Result<Stored> {
    let rows = number(sql, project, &batch.events)?;
    let dedupe = settings::dedupe()?;
    let before = rows.len();
    let rows = without_duplicates(rows, dedupe);
    keep_errors(sql, project, batch)?;
    append::append(sql, project, &rows, dedupe)?;
    maintain::after_ingest(sql, project, rows.len())?;
    Ok(Stored {
        imported: before,
        duplicates: before - rows.len(),
    })
}

/// Turns the names of events into numbers, with one trip to the dictionary per space of names.
fn number(sql: &Sql, project: &Project, events: &[Event]) -> Result<Vec<EventRow>> {
    let names = lexicon::assign(sql, project, Space::Event, events.iter().map(|e| &*e.name))?;
    let properties = lexicon::assign(
        sql,
        project,
        Space::Property,
        events.iter().flat_map(|e| e.properties.iter().map(|(p, _)| &**p)),
    )?;
    let users = lexicon::assign(
        sql,
        project,
        Space::Subject(USER),
        events.iter().map(|e| &*e.distinct_id).filter(|d| !d.is_empty()),
    )?;
    let mut groups: HashMap<Kind, HashMap<&str, u32>> = HashMap::new();
    for key in &project.keys {
        let ids = events.iter().flat_map(|e| {
            e.groups
                .iter()
                .filter(|(k, _)| *k == key.kind)
                .flat_map(|(_, ids)| ids.iter().map(|i| &**i))
        });
        groups.insert(key.kind, lexicon::assign(sql, project, Space::Subject(key.kind), ids)?);
    }
    let mut rows = engine::error::try_vec(events.len(), "a batch of events")?;
    for (i, e) in events.iter().enumerate() {
        if i % EVERY == 0 {
            Interrupts.tick()?;
        }
        let numbers = |kind: &Kind, ids: &[Box<str>]| {
            let of = groups.get(kind);
            ids.iter()
                .filter_map(|id| of.and_then(|g| g.get(&**id).copied()))
                .collect::<Vec<u32>>()
        };
        rows.push(EventRow {
            event: names.get(&*e.name).copied().unwrap_or(0),
            user: users.get(&*e.distinct_id).copied().unwrap_or(0),
            time: e.time,
            insert_hash: e.insert_id.as_deref().map_or(0, insert_hash),
            groups: e.groups.iter().map(|(k, ids)| (*k, numbers(k, ids))).collect(),
            properties: e
                .properties
                .iter()
                .filter_map(|(p, v)| properties.get(&**p).map(|no| (*no, v.clone())))
                .collect(),
        });
    }
    Ok(rows)
}

/// Of the events of one batch with one identity the last stays, or the first in mode `skip`.
fn without_duplicates(rows: Vec<EventRow>, dedupe: Dedupe) -> Vec<EventRow> {
    let mut seen: HashMap<(u32, u32, i64, u64), usize> = HashMap::new();
    let mut out: Vec<EventRow> = Vec::with_capacity(rows.len());
    for row in rows {
        if row.insert_hash == 0 {
            out.push(row);
            continue;
        }
        match seen.entry((row.event, row.user, row.time, row.insert_hash)) {
            std::collections::hash_map::Entry::Vacant(v) => {
                v.insert(out.len());
                out.push(row);
            }
            std::collections::hash_map::Entry::Occupied(o) => {
                if dedupe == Dedupe::Replace
                    && let Some(earlier) = out.get_mut(*o.get())
                {
                    *earlier = row;
                }
            }
        }
    }
    out
}

fn keep_errors(sql: &Sql, project: &Project, batch: &Batch) -> Result<()> {
    if batch.failed.is_empty() && batch.unattributed.is_empty() {
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
    for f in &batch.failed {
        count("refused", f.field.clone(), f.message.clone(), 1);
    }
    for u in &batch.unattributed {
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
