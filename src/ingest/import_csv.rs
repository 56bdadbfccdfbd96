//! import_profiles_csv: profiles of users, or of the groups of a key, from a text of CSV.

use super::import_profiles::{AT_ONCE, store};
use super::relation::properties;
use super::runs::{Part, Run};
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi;
use crate::registry::Project;
use crate::reports::required;
use crate::settings;
use crate::store::history::Said;
use engine::chunk::USER;
use engine::ingest::RecordError;
use engine::lookup::csv::{Records, check_header, value_of};
use engine::profile::{RecordProblem, What};
use engine::tick::{EVERY, Tick};
use engine::value::Value;
use pgrx::JsonB;
use pgrx::prelude::*;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

const WHOSE: &str = "Say {\"user_column\": \"id\"} for users, or {\"group_key\": \"company_id\", \"group_id_column\": \"id\"} for groups.";

const HEADER: &str = "The first line names the columns, unless the mapping does: {\"columns\": [\"id\", \"plan\"]}.";

/// What the columns of a text mean.
struct Columns {
    what: What,
    /// The key whose groups the rows are.
    group_key: Option<String>,
    /// The position of the id.
    id: usize,
    /// What the others become; `None` = left out.
    properties: Vec<Option<String>>,
}

/// What was said of the columns.
#[derive(Default)]
struct Mapping {
    user: Option<String>,
    group_key: Option<String>,
    group_id: Option<String>,
    /// The names of the columns, of a text that has no header.
    columns: Option<Vec<String>>,
    properties: BTreeMap<String, Option<String>>,
}

fn wrong(what: impl std::fmt::Display) -> Failure {
    Failure::param(
        format!("mapping: {what}"),
        "It is a JSON object with the keys user_column, or group_key and group_id_column, and columns and property_mappings.",
    )
}

impl Mapping {
    fn read(mapping: Json) -> Result<Mapping> {
        let Json::Object(object) = mapping else {
            return Err(wrong("it must be an object"));
        };
        let mut out = Mapping::default();
        let texts = |list: Vec<Json>| -> Option<Vec<String>> {
            list.into_iter().map(|v| v.as_str().map(str::to_string)).collect()
        };
        for (key, value) in object {
            match (key.as_str(), value) {
                (_, Json::Null) => {}
                ("user_column" | "user_column_name", Json::String(name)) => out.user = Some(name),
                ("group_id_column" | "group_id_column_name", Json::String(name)) => out.group_id = Some(name),
                ("group_key", Json::String(name)) => out.group_key = Some(name),
                ("columns", Json::Array(list)) => {
                    let names = texts(list).ok_or_else(|| wrong("columns must be an array of names"))?;
                    out.columns = Some(names);
                }
                ("property_mappings", Json::Object(pairs)) => {
                    out.properties = properties(pairs).map_err(wrong)?;
                }
                ("user_column" | "group_id_column" | "group_key" | "columns" | "property_mappings", _) => {
                    return Err(wrong(format!("{key} is of the wrong type")));
                }
                _ => return Err(wrong(format!("unknown key \"{key}\""))),
            }
        }
        Ok(out)
    }

    /// Finds the columns by their names.
    fn columns(&self, project: &Project, names: &[String]) -> Result<Columns> {
        let find = |key: &str, name: &str| {
            names.iter().position(|n| n == name).ok_or_else(|| {
                Failure::new(
                    PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                    format!("mapping: {key}: the text has no column \"{name}\""),
                    format!("It has: {}.", names.join(", ")),
                )
            })
        };
        let (what, id) = match (&self.user, &self.group_key, &self.group_id) {
            (Some(name), None, None) => (What::Users, find("user_column", name)?),
            (None, Some(key), Some(name)) => {
                if project.kind(key)? == USER {
                    return Err(Failure::param("mapping: group_key: users have a user_column", WHOSE));
                }
                (What::Groups, find("group_id_column", name)?)
            }
            // Without an id the address tells who it is.
            (None, None, None) => {
                let address = |n: &String| {
                    self.properties
                        .get(n)
                        .map_or(n.as_str() == "$email", |p| p.as_deref() == Some("$email"))
                };
                let at = names.iter().position(address);
                let missing = || {
                    Failure::param(
                        "mapping: user_column or group_key is missing, and no column is $email",
                        WHOSE,
                    )
                };
                (What::Users, at.ok_or_else(missing)?)
            }
            (None, Some(_), None) => return Err(Failure::param("mapping: group_id_column is missing", WHOSE)),
            (None, None, Some(_)) => return Err(Failure::param("mapping: group_key is missing", WHOSE)),
            (Some(_), ..) => {
                return Err(Failure::param(
                    "mapping: user_column and group_key exclude each other",
                    WHOSE,
                ));
            }
        };
        for name in self.properties.keys() {
            find("property_mappings", name)?;
        }
        let is_id = |i: usize| i == id && (self.user.is_some() || self.group_id.is_some());
        let mut properties: Vec<Option<String>> = Vec::new();
        for (i, name) in names.iter().enumerate() {
            let property = match self.properties.get(name) {
                Some(property) => property.clone(),
                None if is_id(i) => None,
                None => Some(name.clone()),
            };
            if property.is_some() && properties.contains(&property) {
                let second = property.unwrap_or_default();
                return Err(Failure::param(
                    format!("mapping: column \"{name}\" would be a second \"{second}\""),
                    "Give it another name in property_mappings, or leave it out: {\"property_mappings\": {\"column\": null}}.",
                ));
            }
            properties.push(property);
        }
        Ok(Columns {
            what,
            group_key: self.group_key.clone(),
            id,
            properties,
        })
    }
}

impl Columns {
    /// A row as the update of a profile. The id is a text, whatever it looks like.
    fn update(&self, fields: &mut [String]) -> Result<String, RecordProblem> {
        let field = match self.what {
            What::Users => "$distinct_id",
            What::Groups => "$group_id",
        };
        let count = fields.len();
        if count != self.properties.len() {
            let why = format!("has {count} fields, the header has {}", self.properties.len());
            return Err(RecordProblem::new("record", why));
        }
        let id = fields.get(self.id).cloned().unwrap_or_default();
        if id.trim().is_empty() {
            return Err(RecordProblem::new(field, "must not be blank"));
        }
        let mut set = Map::new();
        for (property, field) in self.properties.iter().zip(fields) {
            match (property, value_of(std::mem::take(field))) {
                (None, _) | (_, Value::Null) => {}
                (Some(name), value) => {
                    set.insert(name.clone(), value.to_json());
                }
            }
        }
        let mut update = Map::new();
        if let Some(key) = &self.group_key {
            update.insert("$group_key".into(), key.as_str().into());
        }
        update.insert(field.into(), id.into());
        update.insert("$set".into(), set.into());
        Ok(Json::Object(update).to_string())
    }
}

fn unreadable(e: engine::error::Error) -> Failure {
    Failure::from(e).within("csv")
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn import_profiles_csv(
    csv: Option<&str>,
    mapping: Option<Jsonb>,
    project: default!(Option<&str>, "NULL"),
) -> Result<JsonB, ErrorReport> {
    let csv = required(csv, "csv", "A header and a row for each profile: E'id,plan\\nann,pro'.")?;
    let mapping = Mapping::read(required(mapping, "mapping", WHOSE)?.parse("mapping")?)?;
    Ok(spi::connect(|sql| {
        let project = super::open(sql, project)?;
        let mut records = Records::new(csv);
        let mut names = Vec::new();
        match &mapping.columns {
            Some(columns) => names.clone_from(columns),
            None => {
                records
                    .next(&mut names)
                    .map_err(|p| Failure::param(format!("csv: header: {}", p.message()), HEADER))?;
            }
        }
        if names.is_empty() {
            return Err(Failure::param("csv: there is no header", HEADER));
        }
        check_header(&names, HEADER).map_err(unreadable)?;
        let columns = mapping.columns(&project, &names)?;
        let target = match &columns.group_key {
            Some(key) => format!("groups: {key}"),
            None => "users".to_string(),
        };
        let most = settings::limits().batch_records;
        let mut run = Run::new(sql, &project, "import_profiles_csv", "csv", &target);
        let (mut fields, mut updates, mut failed) = (Vec::new(), Vec::new(), Vec::<RecordError>::new());
        let (mut row, mut places) = (0, Vec::new());
        loop {
            let found = records.next(&mut fields);
            if row % EVERY == 0 {
                Interrupts.tick()?;
            }
            let ended = found == Ok(false);
            if ended || row - run.tally.rows >= AT_ONCE {
                let texts: Vec<&str> = updates.iter().map(String::as_str).collect();
                let mut stored = store(sql, &project, columns.what, Said::Changes, &texts)?;
                for f in &mut stored.failed {
                    f.index = places.get(f.index).copied().unwrap_or(0);
                }
                super::keep_errors(sql, &project, &failed, &[])?;
                stored.failed.append(&mut failed);
                stored.failed.sort_by_key(|f| f.index);
                run.took(row - run.tally.rows, stored)?;
                updates.clear();
                places.clear();
            }
            if ended {
                break;
            }
            if row >= most {
                return Err(Failure::from(engine::error::Error::Limit {
                    message: format!("more than {most} rows in one call"),
                    hint: Some(
                        "Split the rows over several calls, or COPY them into a table for import_profiles.".into(),
                    ),
                }));
            }
            let at = row - run.tally.rows;
            let update = match found {
                Err(problem) => Err(RecordProblem::new("record", problem.message())),
                Ok(_) => columns.update(&mut fields),
            };
            match update {
                Ok(update) => {
                    places.push(at);
                    updates.push(update);
                }
                Err(problem) => failed.push(problem.at(at, None)),
            }
            row += 1;
        }
        run.end(None, Part::Whole)?;
        Ok(run.tally.answer())
    })?)
}
