//! Which project a call means, what it may do there, and what names its data uses.
//!
//! Projects and keys are created by the SQL functions in sql/registry.sql; this side reads them.

pub mod access;
pub mod blocked;
pub mod event_names;
pub mod lexicon;

use crate::error::{Failure, Result};
use crate::pg::spi::{Arg, Rows, Sql};
use crate::pg::{ErrorReport, Oid, catalog, transaction};
use engine::chunk::{Kind, USER};
use engine::lookup::Lookups;
use engine::time::Calendar;
use pgrx::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;

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
    /// How often ids have left its dictionary.
    pub erasures: i32,
    /// Whether users may be in groups until further notice (src/ingest/sticky.rs).
    pub sticky: bool,
    /// Some event or property is blocked.
    pub blocked: bool,
    /// Columns of lookup tables that this call joins to properties of events.
    pub lookups: RefCell<Lookups>,
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

    /// The key and the property that `key.property` names. Keys may contain dots: the registered ones decide where the key
    /// ends.
    pub fn split_key<'n>(&self, name: &'n str) -> Option<(&GroupKey, &'n str)> {
        let of = |k: &GroupKey| name.strip_prefix(&*k.property)?.strip_prefix('.');
        let key = self
            .keys
            .iter()
            .filter(|k| of(k).is_some())
            .max_by_key(|k| k.property.len())?;
        Some((key, of(key)?))
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

    /// What a kind holds, in words.
    pub fn plural(&self, kind: Kind) -> String {
        match self.keys.iter().find(|k| k.kind == kind) {
            Some(k) => format!("groups of {}", k.property),
            None if kind == USER => "users".to_string(),
            None => "groups of a key that is gone".to_string(),
        }
    }

    /// A statement with `@` standing for the project's schema.
    pub fn sql(&self, text: &str) -> String {
        text.replace('@', &self.schema)
    }
}

/// The tables that are read or written by name. That they are ordinary tables is checked with every call: the schema
/// belongs to whoever created the project.
const TABLES: [&str; 28] = [
    "event_name",
    "property",
    "drop_filter",
    "subject",
    "user_profile",
    "group_profile",
    "kept_history",
    "group_history",
    "sticky_group",
    "merged_group",
    "identity",
    "identity_sealed",
    "event_row",
    "event_block",
    "segment",
    "segment_column",
    "subject_set",
    "event_day",
    "user_stream",
    "cohort",
    "lookup_table",
    "lookup_column",
    "lookup_mapping",
    "ingest_error",
    "import_mark",
    "import_row",
    "import_error",
    "deletion",
];

/// What the catalogs say of a project's schema. It changes seldom and is asked for with every event.
#[derive(Clone)]
struct Standing {
    table: Oid,
    schema: String,
    owner: Oid,
    /// The role that asked, and whether it may write.
    user: Oid,
    may_write: bool,
    /// The state of the catalogs this holds for.
    generation: u64,
}

thread_local! {
    static STANDINGS: RefCell<HashMap<String, Standing>> = RefCell::default();
}

/// Projects whose standing a session remembers.
const MOST_STANDINGS: usize = 100;

/// Runs a statement that reads; `fresh` looks past the snapshot of the calling statement.
fn look<'s>(sql: &'s Sql, fresh: bool, text: &str, args: &[Arg]) -> Result<Rows<'s>> {
    if fresh {
        sql.write(text, args)
    } else {
        sql.read(text, args)
    }
}

fn standing(sql: &Sql, name: &str, fresh: bool) -> Result<Option<Standing>> {
    let (generation, user) = (catalog::generation(), catalog::current_user());
    let known = STANDINGS.with_borrow(|s| s.get(name).cloned());
    if let Some(s) = known.filter(|s| s.generation == generation && s.user == user) {
        return Ok(Some(s));
    }
    let rows = look(
        sql,
        fresh,
        "SELECT n.nspowner, pg_catalog.has_table_privilege(c.oid, 'INSERT'), pg_catalog.quote_ident(n.nspname::text),
                (SELECT pg_catalog.string_agg(t.relname::text, ', ') FROM pg_catalog.pg_class t
                 WHERE t.relnamespace = n.oid AND t.relname = ANY($2) AND t.relkind <> 'r'),
                c.oid
         FROM pg_catalog.pg_namespace n
         JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'event_row'
         WHERE n.nspname = 'analytics_' || $1",
        &[Arg::Text(name), Arg::Texts(&TABLES)],
    )?;
    if rows.len() == 0 {
        return Ok(None);
    }
    if let Some(replaced) = rows.get::<&str>(0, 3) {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("project \"{name}\" is not as create_project made it: {replaced}"),
            "Its tables must be ordinary tables; a view in their place could run its owner's code as you.",
        ));
    }
    let standing = Standing {
        table: rows.get(0, 4).unwrap_or(Oid::INVALID),
        schema: rows.text(0, 2)?.to_string(),
        owner: rows.get(0, 0).unwrap_or(Oid::INVALID),
        user,
        may_write: rows.get(0, 1).unwrap_or(false),
        generation,
    };
    STANDINGS.with_borrow_mut(|s| {
        if s.len() >= MOST_STANDINGS {
            s.clear();
        }
        s.insert(name.to_string(), standing.clone());
    });
    Ok(Some(standing))
}

/// `fresh` looks past the snapshot of the calling statement: a writer must see a project or a key that the same statement
/// has just made, and one that was registered since the statement began.
fn find(sql: &Sql, name: &str, fresh: bool) -> Result<Option<(Project, bool)>> {
    let text = "SELECT p.timezone, p.week_start, k.kind, k.property, p.erasures, p.sticky, p.blocked
                FROM analytics_groups.project p LEFT JOIN analytics_groups.group_key k ON k.project = p.id
                WHERE p.name = $1";
    let rows = if fresh {
        sql.write_by_key(text, &[Arg::Text(name)])?
    } else {
        sql.read(text, &[Arg::Text(name)])?
    };
    if rows.len() == 0 {
        return Ok(None);
    }
    let Some(standing) = standing(sql, name, fresh)? else {
        return Ok(None);
    };
    let calendar = Calendar::new(rows.text(0, 0)?, rows.text(0, 1)?)?;
    let keys = (0..rows.len()).filter_map(|i| Some((i, rows.get::<i16>(i, 2)?)));
    let mut keys = keys
        .map(|(i, kind)| {
            Ok(GroupKey {
                kind: kind as Kind,
                property: rows.text(i, 3)?.to_string(),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    keys.sort_by_key(|k| k.kind);
    let project = Project {
        table: standing.table,
        name: name.to_string(),
        schema: standing.schema,
        owner: standing.owner,
        calendar,
        keys,
        erasures: rows.get(0, 4).unwrap_or(0),
        sticky: rows.get(0, 5).unwrap_or(false),
        blocked: rows.get(0, 6).unwrap_or(false),
        lookups: RefCell::default(),
    };
    Ok(Some((project, standing.may_write)))
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
    if transaction::keeps_its_snapshot() {
        // An erasure since then is not seen: this fails, as any change of a row that somebody else has changed.
        sql.write(&project.sql("SELECT FROM @.deletion WHERE no = 0 FOR SHARE"), &[])?;
    }
    lexicon::hold(project.table, project.erasures);
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
