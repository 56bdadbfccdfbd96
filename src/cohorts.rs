//! What changes cohorts: define_cohort, drop_cohort, freeze_cohort. For writers of a project.
//!
//! A definition is asked before it is stored, so that what can't be answered is refused here and not in some report later.

use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::registry::{self, Project};
use crate::reports::cohort as reports;
use crate::reports::context::Inside;
use crate::store::cohort as table;
use engine::cohort::Definition;
use pgrx::prelude::*;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// Longest name, in characters.
const MAX_NAME: usize = 255;

fn check_name(name: &str) -> Result<()> {
    let long = name.chars().nth(MAX_NAME).is_some();
    if name.trim() != name || name.is_empty() || long || name.chars().any(char::is_control) {
        return Err(Failure::param(
            format!("\"{name}\" can't be the name of a cohort"),
            format!("Use 1 to {MAX_NAME} characters, without spaces around them."),
        ));
    }
    Ok(())
}

/// What every other cohort depends on.
fn dependencies(sql: &Sql, project: &Project, but: &str) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut out = BTreeMap::new();
    for (name, _, json) in table::all(sql, project)?.into_iter().filter(|c| c.0 != but) {
        // One that can no longer be read is the error of whoever asks for it.
        if let Ok(definition) = Definition::parse(&json) {
            out.insert(name, definition.cohorts());
        }
    }
    Ok(out)
}

fn define(sql: &Sql, name: &str, json: &Json, by: &str, project: Option<&str>) -> Result<()> {
    check_name(name)?;
    let project = registry::open_for_writing(sql, project)?;
    let kind = project.kind(by)?;
    let definition = Definition::parse(json).map_err(|e| Failure::from(e).within("definition"))?;
    let others = dependencies(sql, &project, name)?;
    reports::check(name, &definition, &others)?;
    for (other, holds, _) in table::all(sql, &project)? {
        if holds != kind && others.get(&other).is_some_and(|on| on.contains(name)) {
            return Err(Failure::param(
                format!(
                    "cohort \"{other}\" holds {} and is made of \"{name}\"",
                    project.plural(holds)
                ),
                "Define that one anew first, or take another name.",
            ));
        }
    }
    let inside = Inside::now(&project)?.enter(name)?;
    reports::check_names(sql, &project, &definition, kind, &inside)?;
    table::write(sql, &project, name, kind, json)
}

fn drop_it(sql: &Sql, name: &str, project: Option<&str>) -> Result<()> {
    let project = registry::open_for_writing(sql, project)?;
    let users: Vec<String> = dependencies(sql, &project, name)?
        .into_iter()
        .filter(|(_, on)| on.contains(name))
        .map(|(user, _)| format!("\"{user}\""))
        .collect();
    if !users.is_empty() {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
            format!("cohort \"{name}\" is a condition of {}", users.join(", ")),
            "Drop or define these first.",
        ));
    }
    if table::delete(sql, &project, name)? {
        Ok(())
    } else {
        Err(table::unknown(sql, &project, name)?)
    }
}

fn freeze(sql: &Sql, name: &str, project: Option<&str>) -> Result<i64> {
    let project = registry::open_for_writing(sql, project)?;
    let found = reports::find(sql, &project, name, &Inside::now(&project)?)?;
    let members = reports::known_members(sql, &project, found, i64::MAX)?.to_vec()?;
    table::freeze(sql, &project, name, &members)?;
    Ok(members.len() as i64)
}

const NAME: &str = "The view cohorts lists the names there are.";

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn define_cohort(
    name: Option<&str>,
    definition: Option<Jsonb>,
    by: default!(Option<&str>, "'user'"),
    project: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    let name = crate::reports::required(name, "name", NAME)?;
    let definition = crate::reports::required(
        definition,
        "definition",
        "For example '{\"did\":\"Purchase\",\"at_least\":2,\"within\":\"30 days\"}'.",
    )?
    .parse("definition")?;
    let by = crate::reports::required(by, "by", "Count by 'user' or a registered group key.")?;
    spi::connect(|sql| define(sql, name, &definition, by, project))?;
    Ok(())
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn drop_cohort(name: Option<&str>, project: default!(Option<&str>, "NULL")) -> Result<(), ErrorReport> {
    let name = crate::reports::required(name, "name", NAME)?;
    spi::connect(|sql| drop_it(sql, name, project))?;
    Ok(())
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn freeze_cohort(name: Option<&str>, project: default!(Option<&str>, "NULL")) -> Result<i64, ErrorReport> {
    let name = crate::reports::required(name, "name", NAME)?;
    Ok(spi::connect(|sql| freeze(sql, name, project))?)
}
