//! import_profiles: the rows of a relation as profiles of users, or of the groups of a key.
//!
//! Each row sets the properties that its columns say; what is NULL stays as it was.

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
use crate::pg::{ErrorReport, Oid};
use crate::registry::Project;
use engine::chunk::USER;
use engine::profile::What;
use pgrx::JsonB;
use pgrx::prelude::*;
use serde_json::Value as Json;

/// What a mapping of profiles may say, beside the properties.
const KEYS: [&str; 5] = [
    "user_column",
    "group_key",
    "group_id_column",
    "json_properties_column",
    "insert_time_column",
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
    let mut slots = vec![
        (Slot::Begin(begin), Selected::nothing()),
        (Slot::Around("", ",\"$set\":{"), id.json()),
    ];
    if let Some(column) = mapping.column(relation, "json_properties_column")? {
        slots.push((Slot::Object, column.object()?));
    }
    for (property, column) in mapping.rest(relation, &[])? {
        slots.push((Slot::property(&property), column.json()));
    }
    Ok((what, slots))
}

/// Applies updates, and keeps what is wrong with them.
pub(super) fn store(sql: &Sql, project: &Project, what: What, records: &[&str]) -> Result<Stored> {
    let (imported, failed) = profiles::apply_records(sql, project, what, records)?;
    super::keep_errors(sql, project, &failed, &[])?;
    Ok(Stored {
        imported,
        duplicates: 0,
        blocked: 0,
        failed,
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
        };
        let mut reader = Reader::open(sql, &project, &asked, slots)?;
        let mut run = Run::new(sql, &project, "import_profiles", &relation.sql, &target);
        while let Some(lines) = reader.lines()? {
            let text = String::from_utf8(lines.bytes).map_err(|_| Failure::internal("rows that are no UTF-8"))?;
            let records: Vec<&str> = text.lines().collect();
            run.took(lines.count, store(sql, &project, what, &records)?)?;
        }
        run.end(reader.close().as_deref(), Part::Whole)?;
        Ok(run.tally.answer())
    })?;
    Ok(answer)
}
