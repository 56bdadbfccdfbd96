//! The SQL functions that take events.

use super::sticky::Sticky;
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::instants::to_ms;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi;
use crate::settings;
use engine::ingest::{self, Intake, Outcome, Settings};
use engine::value::Value;
use pgrx::JsonB;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;

fn refused(message: String) -> Failure {
    Failure::param(message, "Nothing of this call was stored.")
}

/// What to do with a batch that has refused records.
fn aborts(on_error: Option<&str>) -> Result<bool> {
    match on_error {
        Some("continue") => Ok(false),
        Some("abort") => Ok(true),
        other => Err(Failure::param(
            format!(
                "unknown value {} of on_error",
                other.map_or("NULL".into(), |o| format!("\"{o}\""))
            ),
            "Use 'continue' (store the good records, list the others) or 'abort' (raise an error, store nothing).",
        )),
    }
}

/// Opens the project, reads the lines with its keys, stores their events slice by slice, so that the memory of a call is
/// bounded whatever is sent, and answers in the shape of `/import`.
fn run(project: Option<&str>, strict: bool, on_error: Option<&str>, lines: &[u8]) -> Result<JsonB> {
    let abort = aborts(on_error)?;
    spi::connect(|sql| {
        let project = super::open(sql, project)?;
        let look = |intake: &Intake| match intake.failed.first() {
            Some(f) if abort => Err(refused(format!("record {}: {}", f.index, f.message))),
            _ => Ok(()),
        };
        let (mut imported, mut duplicates, mut blocked, mut failed) = (0, 0, 0, Vec::new());
        super::store_lines(sql, &project, lines, strict, true, &look, &mut |stored| {
            imported += stored.imported;
            duplicates += stored.duplicates;
            blocked += stored.blocked;
            failed.extend(stored.failed);
        })?;
        Ok(JsonB(ingest::answer(imported, duplicates, blocked, &failed)))
    })
}

#[pg_extern(schema = "analytics_groups", name = "track", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn track_one(
    event: Option<&str>,
    distinct_id: Option<&str>,
    properties: default!(Option<Jsonb>, "'{}'"),
    at: default!(Option<TimestampWithTimeZone>, "now()"),
    insert_id: default!(Option<&str>, "NULL"),
    project: default!(Option<&str>, "NULL"),
) -> Result<bool, ErrorReport> {
    let event =
        event.ok_or_else(|| Failure::param("event must not be NULL", "Name what happened, for example 'Sign Up'."))?;
    let properties = match properties {
        Some(p) => p.value("properties")?,
        None => Value::Object(Vec::new()),
    };
    spi::connect(|sql| {
        let project = super::open(sql, project)?;
        let (limits, keys) = (settings::limits(), super::keys(&project));
        let now_ms = super::now_ms();
        let sticky = Sticky::of(sql, &project);
        let settings = Settings {
            limits: &limits,
            now_ms,
            strict: true,
            keys: &keys,
            sticky: sticky.as_ref().map(|s| s as &dyn ingest::Sticky),
        };
        let at = at.map_or(now_ms, to_ms);
        let outcome = ingest::from_parts(event, distinct_id, properties, at, insert_id, &settings);
        sticky.as_ref().map_or(Ok(()), Sticky::outcome)?;
        match outcome {
            Outcome::Event(event, notes) => super::store_one(sql, &project, event, &notes),
            Outcome::Failed(f) => Err(Failure::param(f.message, "The event was not stored.")),
            Outcome::Ignored => Ok(false),
        }
    })
    .map_err(ErrorReport::from)
}

#[pg_extern(schema = "analytics_groups", name = "track", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn track_json(
    events: Option<Jsonb>,
    strict: default!(bool, true),
    project: default!(Option<&str>, "NULL"),
) -> Result<JsonB, ErrorReport> {
    Ok(json(events, strict, Some("continue"), project)?)
}

/// The form with `on_error`. It is one of its own, and none of the JSON forms has more than three arguments, so that
/// `track('Sign Up', 'user-1', '{…}')` with untyped literals can only mean the form for one event.
#[pg_extern(schema = "analytics_groups", name = "track", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn track_json_or_abort(
    events: Option<Jsonb>,
    on_error: Option<&str>,
    project: default!(Option<&str>, "NULL"),
) -> Result<JsonB, ErrorReport> {
    Ok(json(events, true, on_error, project)?)
}

fn json(events: Option<Jsonb>, strict: bool, on_error: Option<&str>, project: Option<&str>) -> Result<JsonB> {
    let events = events
        .ok_or_else(|| Failure::param("events must not be NULL", "Send one event object or an array of them."))?;
    let records = events.records("events")?;
    let mut lines = String::new();
    let size = records.iter().map(|r| r.len() + 1).sum();
    lines
        .try_reserve_exact(size)
        .map_err(|_| engine::error::Error::OutOfMemory("a batch of events"))?;
    // The text of a jsonb value has no line breaks: one record a line, each judged on its own.
    for record in records {
        lines.push_str(record);
        lines.push('\n');
    }
    run(project, strict, on_error, lines.as_bytes())
}

#[pg_extern(schema = "analytics_groups", name = "track_ndjson", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn track_ndjson_text(
    lines: Option<&str>,
    strict: default!(bool, true),
    on_error: default!(Option<&str>, "'continue'"),
    project: default!(Option<&str>, "NULL"),
) -> Result<JsonB, ErrorReport> {
    Ok(ndjson(lines.map(str::as_bytes), strict, on_error, project)?)
}

#[pg_extern(schema = "analytics_groups", name = "track_ndjson", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn track_ndjson_bytes(
    lines: Option<&[u8]>,
    strict: default!(bool, true),
    on_error: default!(Option<&str>, "'continue'"),
    project: default!(Option<&str>, "NULL"),
) -> Result<JsonB, ErrorReport> {
    Ok(ndjson(lines, strict, on_error, project)?)
}

fn ndjson(lines: Option<&[u8]>, strict: bool, on_error: Option<&str>, project: Option<&str>) -> Result<JsonB> {
    let lines = lines.ok_or_else(|| Failure::param("lines must not be NULL", "Send one JSON event a line."))?;
    run(project, strict, on_error, lines)
}
