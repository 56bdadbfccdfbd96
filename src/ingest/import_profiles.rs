//! import_profiles: the rows of a relation as profiles of users, or of the groups of a key.
//!
//! Each row sets the properties that its columns say; what is NULL stays as it was. With a start time, the rows of a group are
//! its versions: each holds until the next begins, so that what is NULL is not set while it holds.

use super::Stored;
use super::import::Mode;
use super::line::Slot;
use super::profiles;
use super::read::{Asked, Reader};
use super::relation::{Mapping, Relation, Selected};
use super::runs::{Part, Run};
use crate::error::{Failure, Result};
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::pg::{ErrorReport, Oid, interrupts};
use crate::registry::Project;
use crate::store::history::{self, Said};
use engine::chunk::USER;
use engine::profile::What;
use pgrx::JsonB;
use pgrx::prelude::*;
use serde_json::Value as Json;

/// What a mapping of profiles may say, beside the properties.
const KEYS: [&str; 6] = [
    "user_column",
    "group_key",
    "group_id_column",
    "json_properties_column",
    "insert_time_column",
    "start_time_column",
];

/// Profiles that are locked and written together.
pub(super) const AT_ONCE: usize = 10_000;

/// Whose profiles the rows are, the columns that are read, and what becomes of each.
fn slots(project: &Project, mapping: &Mapping, relation: &Relation) -> Result<(What, Vec<(Slot, Selected)>)> {
    const WHOSE: &str = "Say {\"user_column\": \"id\"} for users, or {\"group_key\": \"company_id\", \"group_id_column\": \"id\"} for groups.";
    let user = mapping.column(relation, "user_column")?;
    let (what, begin, id) = match (user, mapping.text("group_key")) {
        (Some(column), None) => (What::Users, "{\"$distinct_id\":".to_string(), column),
        (None, Some(key)) => {
            if project.kind(key)? == USER {
                return Err(Failure::param("mapping: group_key: users have a user_column", WHOSE));
            }
            let begin = format!("{{\"$group_key\":{},\"$group_id\":", Json::from(key));
            (What::Groups, begin, mapping.needed(relation, "group_id_column", WHOSE)?)
        }
        (Some(_), Some(_)) => {
            return Err(Failure::param(
                "mapping: user_column and group_key exclude each other",
                WHOSE,
            ));
        }
        (None, None) => return Err(Failure::param("mapping: user_column or group_key is missing", WHOSE)),
    };
    let start = mapping.column(relation, "start_time_column")?;
    let mut slots = vec![(Slot::Begin(begin), Selected::nothing())];
    match start {
        None => slots.push((Slot::Around("", ",\"$set\":{"), id.json())),
        Some(_) if what == What::Users => {
            return Err(Failure::param(
                "mapping: start_time_column: the past of properties is kept for groups, not for users",
                "Import a view of the row of each user that holds now: SELECT DISTINCT ON (id) … ORDER BY id, valid_from DESC.",
            ));
        }
        Some(start) => {
            // That a version began is no sign of life: $last_seen stays.
            slots.push((Slot::Around("", ",\"$ignore_time\":true,\"$time\":"), id.json()));
            slots.push((Slot::Around("", ",\"$set\":{"), start.start()?));
        }
    }
    if let Some(column) = mapping.column(relation, "json_properties_column")? {
        slots.push((Slot::Object, column.object()?));
    }
    for (property, column) in mapping.rest(relation, &[])? {
        let slot = match start {
            None => Slot::property(&property),
            Some(_) => Slot::nullable(&property),
        };
        slots.push((slot, column.json()));
    }
    Ok((what, slots))
}

/// Versions are read in the order in which they began; of those that began at once, the one that was inserted last is the last.
fn order(mapping: &Mapping, relation: &Relation) -> Result<Option<String>> {
    let Some(start) = mapping.column(relation, "start_time_column")? else {
        return Ok(None);
    };
    let mut order = start.start()?.sql;
    if let Some(inserted) = mapping.column(relation, "insert_time_column")? {
        order = format!("{order}, {}", inserted.sql());
    }
    Ok(Some(order))
}

/// Says which columns have no past: of them the last version is what stays.
fn warn(sql: &Sql, project: &Project, mapping: &Mapping, relation: &Relation) -> Result<()> {
    let Some(key) = mapping
        .text("group_key")
        .filter(|_| mapping.text("start_time_column").is_some())
    else {
        return Ok(());
    };
    let kept = history::kept(sql, project, project.kind(key)?)?;
    let rest = mapping.rest(relation, &[])?;
    let lost: Vec<&str> = rest
        .iter()
        .map(|(p, _)| p.as_str())
        .filter(|p| !kept.contains(*p))
        .collect();
    if !lost.is_empty() {
        interrupts::notice(&format!(
            "the history of {} of {key} is not kept: the last version is what stays; an admin can have it kept with keep_history('{key}', …)",
            lost.join(", ")
        ));
    }
    Ok(())
}

/// Applies updates, and keeps what is wrong with them.
pub(super) fn store(sql: &Sql, project: &Project, what: What, said: Said, records: &[&str]) -> Result<Stored> {
    let (imported, failed) = profiles::apply_records(sql, project, what, said, records)?;
    super::keep_errors(sql, project, &failed, &[])?;
    Ok(Stored {
        imported,
        failed,
        ..Stored::default()
    })
}

#[pg_extern(
    schema = "analytics_groups",
    volatile,
    sql = r#"
CREATE FUNCTION analytics_groups.import_profiles(source regclass, mapping jsonb, mode text DEFAULT 'full', project text DEFAULT NULL) RETURNS jsonb
VOLATILE SET search_path = pg_catalog, pg_temp LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#
)]
fn import_profiles(
    source: Option<Oid>,
    mapping: Option<Jsonb>,
    mode: Option<&str>,
    project: Option<&str>,
) -> Result<JsonB, ErrorReport> {
    let mode = Mode::parse(mode, true)?;
    let mapping = Mapping::read(mapping, &KEYS)?;
    let answer = spi::connect(|sql| {
        let project = super::open(sql, project)?;
        let relation = Relation::open(sql, source)?;
        let (what, slots) = slots(&project, &mapping, &relation)?;
        let target = match mapping.text("group_key") {
            Some(key) => format!("groups: {key}"),
            None => "users".to_string(),
        };
        let asked = Asked {
            mapping: &mapping,
            relation: &relation,
            mode,
            target: &target,
            until: None,
            most: AT_ONCE,
            order: order(&mapping, &relation)?,
        };
        let said = match asked.order {
            None => Said::Changes,
            Some(_) => Said::Versions,
        };
        warn(sql, &project, &mapping, &relation)?;
        let mut reader = Reader::open(sql, &project, &asked, slots)?;
        let mut run = Run::new(sql, &project, "import_profiles", &relation.sql, &target);
        while let Some(lines) = reader.lines()? {
            let text = String::from_utf8(lines.bytes).map_err(|_| Failure::internal("rows that are no UTF-8"))?;
            let records: Vec<&str> = text.lines().collect();
            run.took(lines.count, store(sql, &project, what, said, &records)?)?;
        }
        run.end(reader.close().as_deref(), Part::Whole)?;
        Ok(run.tally.answer())
    })?;
    Ok(answer)
}
