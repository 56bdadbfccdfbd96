//! Which project a call means, what it may do there, and what names its data uses.
//!
//! Projects and keys are created by the SQL functions in sql/registry.sql; this side reads them.

pub mod access;
pub mod event_names;
pub mod lexicon;

use crate::error::{Failure, Result};
use crate::pg::spi::{Arg, Sql};
use crate::pg::{ErrorReport, Oid};
use engine::chunk::{Kind, USER};
use engine::time::Calendar;
use pgrx::prelude::*;

/// A project as one call sees it.
pub struct Project {
    /// One of its tables, by oid: what a session remembers is kept by this, for ids begin anew when the extension is made
    /// anew or a dump is restored.
    pub table: Oid,
    pub name: String,
    /// The quoted schema of its tables.
    pub schema: String,
    pub owner: Oid,
    pub calendar: Calendar,
    pub keys: Vec<GroupKey>,
}

/// A registered group key.
#[derive(Debug, Clone)]
pub struct GroupKey {
    pub kind: Kind,
    pub property: String,
}

impl Project {
    /// The key of a property name.
    pub fn key(&self, property: &str) -> Option<&GroupKey> {
        self.keys.iter().find(|k| k.property == property)
    }

    /// What `by` counts: `user`, or a registered group key.
    pub fn kind(&self, by: &str) -> Result<Kind> {
        if by == "user" {
            return Ok(USER);
        }
        self.key(by).map(|k| k.kind).ok_or_else(|| {
            let known: Vec<&str> = self.keys.iter().map(|k| k.property.as_str()).collect();
            Failure::unknown(
                format!("unknown group key \"{by}\" in project \"{}\"", self.name),
                if known.is_empty() {
                    "Count by 'user', or register a key first: SELECT analytics_groups.add_group_key('company_id');"
                        .to_string()
                } else {
                    format!("Count by 'user' or one of: {}.", known.join(", "))
                },
            )
        })
    }

    /// A statement with `@` standing for the project's schema.
    pub fn sql(&self, text: &str) -> String {
        text.replace('@', &self.schema)
    }
}

/// The tables that are read or written by name. That they are ordinary tables is checked with every call: the schema
/// belongs to whoever created the project.
const TABLES: [&str; 14] = [
    "event_name",
    "property",
    "subject",
    "user_profile",
    "group_profile",
    "identity",
    "event_row",
    "event_block",
    "segment",
    "segment_column",
    "subject_set",
    "event_day",
    "user_stream",
    "ingest_error",
];

/// `fresh` looks past the snapshot of the calling statement: a writer must see a project or a key that the same statement
/// has just made, and one that was registered since the statement began.
fn find(sql: &Sql, name: &str, fresh: bool) -> Result<Option<(Project, bool)>> {
    let run = |text: &str, args: &[Arg]| {
        if fresh {
            sql.write(text, args)
        } else {
            sql.read(text, args)
        }
    };
    let rows = run(
        "SELECT p.id, p.timezone, p.week_start, n.nspowner,
                pg_catalog.has_table_privilege(c.oid, 'INSERT'), pg_catalog.quote_ident(n.nspname::text),
                (SELECT pg_catalog.string_agg(t.relname::text, ', ') FROM pg_catalog.pg_class t
                 WHERE t.relnamespace = n.oid AND t.relname = ANY($2) AND t.relkind <> 'r'),
                c.oid
         FROM analytics_groups.project p
         JOIN pg_catalog.pg_namespace n ON n.nspname = 'analytics_' || p.name
         JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'event_row'
         WHERE p.name = $1",
        &[Arg::Text(name), Arg::Texts(&TABLES)],
    )?;
    if rows.len() == 0 {
        return Ok(None);
    }
    if let Some(replaced) = rows.get::<&str>(0, 6) {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("project \"{name}\" is not as create_project made it: {replaced}"),
            "Its tables must be ordinary tables; a view in their place could run its owner's code as you.",
        ));
    }
    let id: i32 = rows.get(0, 0).unwrap_or_default();
    let calendar = Calendar::new(rows.text(0, 1)?, rows.text(0, 2)?)?;
    let keys = run(
        "SELECT kind, property FROM analytics_groups.group_key WHERE project = $1 ORDER BY kind",
        &[Arg::Int4(id)],
    )?;
    let keys = (0..keys.len())
        .map(|i| {
            Ok(GroupKey {
                kind: keys.get::<i16>(i, 0).unwrap_or_default() as Kind,
                property: keys.text(i, 1)?.to_string(),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let project = Project {
        table: rows.get(0, 7).unwrap_or(Oid::INVALID),
        name: name.to_string(),
        schema: rows.text(0, 5)?.to_string(),
        owner: rows.get(0, 3).unwrap_or(Oid::INVALID),
        calendar,
        keys,
    };
    Ok(Some((project, rows.get(0, 4).unwrap_or(false))))
}

fn name_of(project: Option<&str>) -> String {
    project.map_or_else(crate::settings::project, str::to_string)
}

fn missing(name: &str) -> Failure {
    let hint = if name == "default" {
        "It is created with the first event: SELECT analytics_groups.track('Sign Up', 'user-1');"
    } else {
        "Create it with analytics_groups.create_project, or ask an admin of the project for access."
    };
    Failure::unknown(format!("project \"{name}\" does not exist"), hint)
}

/// The project a report means. Only reads.
pub fn open(sql: &Sql, project: Option<&str>) -> Result<Project> {
    let name = name_of(project);
    find(sql, &name, false)?.map(|(p, _)| p).ok_or_else(|| missing(&name))
}

/// The project a writer means; `default` is created the first time it is needed.
pub fn open_for_writing(sql: &Sql, project: Option<&str>) -> Result<Project> {
    let name = name_of(project);
    let mut found = find(sql, &name, true)?;
    if found.is_none() && name == "default" {
        sql.write("SELECT analytics_groups._need_or_create('default', 'reader')", &[])?;
        found = find(sql, &name, true)?;
    }
    let (project, may_write) = found.ok_or_else(|| missing(&name))?;
    if !may_write {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("only a writer of project \"{name}\" may do this"),
            format!(
                "An admin can grant it: SELECT analytics_groups.grant_access('<role>', 'writer', project => '{name}');"
            ),
        ));
    }
    Ok(project)
}

/// Refuses time zones and week starts that reports could not cut days with.
#[pg_extern(schema = "analytics_groups", name = "_check_calendar", immutable, parallel_safe)]
fn check_calendar(timezone: Option<&str>, week_start: Option<&str>) -> Result<(), ErrorReport> {
    let (Some(zone), Some(week)) = (timezone, week_start) else {
        return Err(Failure::param(
            "time zone and week start must not be NULL",
            "Leave them out for UTC and monday.",
        )
        .into());
    };
    Calendar::new(zone, week).map_err(Failure::from)?;
    Ok(())
}

/// The tables of a project, as SQL with `@project@` for its quoted schema; run by create_project.
#[pg_extern(schema = "analytics_groups", name = "_project_template", immutable, parallel_safe)]
fn project_template() -> &'static str {
    include_str!("../../sql/project_template.sql")
}

/// The setting, whether or not this session has loaded the library before.
#[pg_extern(schema = "analytics_groups", name = "_max_group_keys", stable, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn max_group_keys() -> i32 {
    crate::settings::max_group_keys()
}
