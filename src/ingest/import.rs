//! import_events: the rows of a relation as events.
//!
//! Each row becomes a line of JSON, and lines go the way of `track_ndjson`, slice by slice: what is wrong with a row fails
//! that row alone, and memory is bounded. All of an import is one transaction.

use super::lanes;
use super::line::Slot;
use super::Stored;
use super::read::{Lines, Reader};
use super::relation::{Mapping, Relation, Selected};
use crate::error::{Failure, Result};
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self};
use crate::pg::{ErrorReport, Oid};
use engine::ingest::{self, RecordError, SLICE};
use pgrx::JsonB;
use pgrx::prelude::*;
use serde_json::Value as Json;

/// What a mapping of events may say, beside the properties.
const KEYS: [&str; 8] = [
    "event_name",
    "event_column",
    "time_column",
    "user_column",
    "device_column",
    "insert_id_column",
    "json_properties_column",
    "insert_time_column",
];

/// Refused records that are spelt out in the answer.
const SHOWN: usize = 100;

/// What became of the rows of an import.
#[derive(Default)]
pub(super) struct Tally {
    pub rows: usize,
    pub imported: usize,
    pub duplicates: usize,
    pub refused: usize,
    /// The first of them.
    pub shown: Vec<RecordError>,
}

impl Tally {
    /// Adds records that were refused; `before` rows were read before those that they count from.
    pub fn refuse(&mut self, failed: Vec<RecordError>, before: usize) {
        self.refused += failed.len();
        let room = SHOWN.saturating_sub(self.shown.len());
        self.shown.extend(failed.into_iter().take(room).map(|mut f| {
            f.index += before;
            f
        }));
    }

    /// Adds what became of a slice of lines.
    pub fn add(&mut self, lines: &Lines, stored: Stored) {
        self.imported += stored.imported;
        self.duplicates += stored.duplicates;
        self.refuse(stored.failed, self.rows);
        self.rows += lines.count;
    }

    /// The answer of `/import`, and how many rows there were.
    pub fn answer(self) -> JsonB {
        let mut answer = ingest::answer(self.imported, self.duplicates, &self.shown);
        if let Json::Object(o) = &mut answer {
            o.insert("num_rows".into(), self.rows.into());
            o.insert("num_failed".into(), self.refused.into());
        }
        JsonB(answer)
    }
}

/// How an import chooses its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// All of them.
    All,
    /// Those whose insert time is later than that of all rows before.
    Append,
}

impl Mode {
    /// Reads the argument; `full` says whether all rows may be imported again and again.
    pub fn parse(mode: Option<&str>, full: bool) -> Result<Mode> {
        match mode {
            Some("append") => Ok(Mode::Append),
            Some("one_time") => Ok(Mode::All),
            Some("full") if full => Ok(Mode::All),
            Some("full") => Err(Failure::param(
                "mode 'full' is for profiles: events would be imported again with every call",
                "Use 'append' with insert_time_column, or 'one_time'.",
            )),
            Some("mirror") => Err(Failure::not_available("mode 'mirror'")),
            other => Err(Failure::param(
                format!("unknown mode {}", other.map_or("NULL".into(), |m| format!("\"{m}\""))),
                if full {
                    "Use 'full' (all rows), 'append' (rows inserted since the import before) or 'one_time'."
                } else {
                    "Use 'append' (rows inserted since the import before) or 'one_time' (all rows)."
                },
            )),
        }
    }
}

/// The columns that are read, and what becomes of each.
fn slots(mapping: &Mapping, relation: &Relation) -> Result<Vec<(Slot, Selected)>> {
    const EVENT: &str =
        "Say {\"event_name\": \"Order Placed\"} when all rows are one event, or {\"event_column\": \"kind\"}.";
    const TIME: &str = "Name the column that says when it happened: {\"time_column\": \"created_at\"}.";
    let mut slots = Vec::new();
    match (mapping.text("event_name"), mapping.column(relation, "event_column")?) {
        (Some(name), None) => {
            let begin = format!("{{\"event\":{},\"properties\":{{", Json::from(name));
            slots.push((Slot::Begin(begin), Selected::nothing()));
        }
        (None, Some(column)) => {
            let around = Slot::Around("{\"event\":", ",\"properties\":{");
            slots.push((around, column.text()));
        }
        (Some(_), Some(_)) => {
            return Err(Failure::param(
                "mapping: event_name and event_column exclude each other",
                EVENT,
            ));
        }
        (None, None) => return Err(Failure::param("mapping: event_name or event_column is missing", EVENT)),
    }
    if let Some(column) = mapping.column(relation, "json_properties_column")? {
        slots.push((Slot::Object, column.object()?));
    }
    let mut taken = vec!["time"];
    let time = mapping.needed(relation, "time_column", TIME)?;
    slots.push((Slot::property("time"), time.instant()?));
    let device = mapping.column(relation, "device_column")?;
    // Beside a device the id of a user says whose the device is.
    let user_is = if device.is_some() { "$user_id" } else { "distinct_id" };
    for (column, property) in [
        (mapping.column(relation, "user_column")?, user_is),
        (device, "$device_id"),
        (
            mapping.column(relation, "insert_id_column")?,
            ingest::INSERT_ID_PROPERTY,
        ),
    ] {
        if let Some(column) = column {
            taken.push(property);
            slots.push((Slot::property(property), column.json()));
        }
    }
    for (property, column) in mapping.rest(relation, &taken)? {
        slots.push((Slot::property(&property), column.json()));
    }
    Ok(slots)
}

#[pg_extern(
    schema = "analytics_groups",
    volatile,
    sql = r#"
CREATE FUNCTION analytics_groups.import_events(source regclass, mapping jsonb, mode text DEFAULT 'append', project text DEFAULT NULL) RETURNS jsonb
VOLATILE SET search_path = pg_catalog, pg_temp LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#
)]
fn import_events(
    source: Option<Oid>,
    mapping: Option<Jsonb>,
    mode: Option<&str>,
    project: Option<&str>,
) -> Result<JsonB, ErrorReport> {
    let mode = Mode::parse(mode, false)?;
    let mapping = Mapping::read(mapping, &KEYS)?;
    let answer = spi::connect(|sql| {
        let project = super::open(sql, project)?;
        let relation = Relation::open(sql, source)?;
        // One relation may be the source of several events.
        let of = mapping.text("event_name").or(mapping.text("event_column"));
        let target = format!("events: {}", of.unwrap_or_default());
        let slots = slots(&mapping, &relation)?;
        let mut reader = Reader::open(sql, &project, &mapping, &relation, mode, &target, slots, SLICE)?;
        let mut tally = Tally::default();
        lanes::run(sql, &project, &mut reader, &mut |reader, lines, stored| {
            tally.add(lines, stored);
            reader.progress("import_events", tally.rows, tally.refused);
            Ok(())
        })?;
        reader.close()?;
        Ok(tally.answer())
    })?;
    Ok(answer)
}
