//! import_events: the rows of a relation as events.
//!
//! Each row becomes a line of JSON, and lines go the way of `track_ndjson`, slice by slice: what is wrong with a row fails
//! that row alone, and memory is bounded. All of an import is one transaction.

use super::line::Slot;
use super::read::{Asked, Reader};
use super::relation::{Mapping, Relation, Selected};
use super::runs::{self, Part, Run};
use super::{Stored, lanes, mirror};
use crate::error::{Failure, Result};
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::pg::{ErrorReport, Oid};
use crate::registry::Project;
use crate::registry::access::administered;
use crate::store::erase;
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
    pub blocked: u64,
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

    /// Adds what became of so many rows.
    pub fn add(&mut self, rows: usize, stored: Stored) {
        self.imported += stored.imported;
        self.duplicates += stored.duplicates;
        self.blocked += stored.blocked;
        self.refuse(stored.failed, self.rows);
        self.rows += rows;
    }

    /// The answer of `/import`, and how many rows there were.
    pub fn answer(self) -> JsonB {
        self.answer_with(&[])
    }

    /// The same, with further numbers.
    pub fn answer_with(self, more: &[(&str, u64)]) -> JsonB {
        let mut answer = ingest::answer(self.imported, self.duplicates, self.blocked, &self.shown);
        if let Json::Object(o) = &mut answer {
            o.insert("num_rows".into(), self.rows.into());
            o.insert("num_failed".into(), self.refused.into());
            for (name, n) in more {
                o.insert((*name).into(), (*n).into());
            }
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
    /// Those that are new or changed since the last time; what is gone goes.
    Mirror,
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
            Some("mirror") if !full => Ok(Mode::Mirror),
            Some("mirror") => Err(Failure::param(
                "mode 'mirror' is for events: a property that nobody sets any more stays in a profile",
                "Use 'full', and delete profiles with people_delete or group_delete.",
            )),
            other => Err(Failure::param(
                format!("unknown mode {}", other.map_or("NULL".into(), |m| format!("\"{m}\""))),
                if full {
                    "Use 'full' (all rows), 'append' (rows inserted since the import before) or 'one_time'."
                } else {
                    "Use 'append' (rows inserted since the import before), 'mirror' (what changed since, by insert_id_column) or 'one_time' (all rows)."
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

/// What the events of a mapping are called, in the list of imports: one relation may be the source of several.
fn target(mapping: &Mapping) -> String {
    let of = mapping.text("event_name").or(mapping.text("event_column"));
    format!("events: {}", of.unwrap_or_default())
}

/// Imports what is asked for in one transaction.
fn import(
    sql: &Sql,
    project: &Project,
    (mapping, relation): (&Mapping, &Relation),
    (mode, until, part): (Mode, Option<&str>, Part),
) -> Result<JsonB> {
    let target = target(mapping);
    let asked = Asked {
        mapping,
        relation,
        mode,
        target: &target,
        until,
        most: SLICE,
        order: None,
    };
    let mut reader = Reader::open(sql, project, &asked, slots(mapping, relation)?)?;
    let mut run = Run::new(sql, project, "import_events", &relation.sql, &target);
    lanes::run(sql, project, &mut || reader.lines(), &mut |lines, stored| {
        run.took(lines.count, stored)
    })?;
    run.end(reader.close().as_deref(), part)?;
    Ok(run.tally.answer())
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
    let text = mapping.as_ref().map(|m| m.text().to_string());
    let mapping = Mapping::read(mapping, &KEYS)?;
    let answer = spi::connect(|sql| {
        if mode == Mode::Mirror {
            // What is wrong with the mapping is said before anything is locked.
            let relation = Relation::open(sql, source)?;
            mirror::identity(&mapping, &relation)?;
            slots(&mapping, &relation)?;
            return mirror::alone(sql, source, &text.unwrap_or_default(), project);
        }
        let project = super::open(sql, project)?;
        let relation = Relation::open(sql, source)?;
        import(sql, &project, (&mapping, &relation), (mode, None, Part::Whole))
    })?;
    Ok(answer)
}

/// Where the batches of an import end.
#[pg_extern(schema = "analytics_groups", name = "_import_plan", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn import_plan(
    source: Option<Oid>,
    mapping: Option<Jsonb>,
    batch_rows: Option<i64>,
    project: Option<&str>,
) -> Result<Vec<String>, ErrorReport> {
    let mapping = Mapping::read(mapping, &KEYS)?;
    let rows = batch_rows.filter(|n| *n > 0).ok_or_else(|| {
        Failure::param(
            "batch_rows must be a positive number",
            "It is the number of rows after which is committed, for example 500000.",
        )
    })?;
    Ok(spi::connect(|sql| {
        let project = super::open(sql, project)?;
        let relation = Relation::open(sql, source)?;
        slots(&mapping, &relation)?;
        let column = mapping.column(&relation, "insert_time_column")?;
        let marks = column.ok_or_else(super::read::no_insert_time)?.marks()?;
        runs::plan(sql, &project, (&relation.sql, &target(&mapping)), &marks, rows)
    })?)
}

/// One batch of an import.
#[pg_extern(schema = "analytics_groups", name = "_import_batch", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn import_batch(
    source: Option<Oid>,
    mapping: Option<Jsonb>,
    until: &str,
    more: bool,
    project: Option<&str>,
) -> Result<JsonB, ErrorReport> {
    let mapping = Mapping::read(mapping, &KEYS)?;
    Ok(spi::connect(|sql| {
        let project = super::open(sql, project)?;
        let relation = Relation::open(sql, source)?;
        let part = Part::Batch { more };
        import(sql, &project, (&mapping, &relation), (Mode::Append, Some(until), part))
    })?)
}

#[pg_extern(schema = "analytics_groups", name = "_mirror_events", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn mirror_events(source: Option<Oid>, mapping: Option<Jsonb>, project: &str) -> Result<JsonB, ErrorReport> {
    let text = mapping.as_ref().map(|m| m.text().to_string()).unwrap_or_default();
    let mapping = Mapping::read(mapping, &KEYS)?;
    Ok(spi::connect(|sql| {
        let project = administered(sql, project)?;
        erase::lock(sql, &project.name)?;
        let relation = Relation::open(sql, source)?;
        let slots = slots(&mapping, &relation)?;
        let name = mapping.text("event_name");
        let event = match mapping.column(&relation, "event_column")? {
            Some(column) => format!("{}::text", column.sql()),
            None => name.map_or("NULL".into(), |_| "NULL::text".into()),
        };
        let run = Run::new(sql, &project, "import_events", &relation.sql, &target(&mapping));
        let source = mirror::Source {
            mapping: &mapping,
            text: &text,
            relation: &relation,
            slots,
            event,
            name,
        };
        mirror::run(sql, &project, run, source)
    })?)
}
