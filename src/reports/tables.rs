//! What a project holds as relations for any SQL: `events`, `users` and `groups` in its schema.
//!
//! They are foreign tables, so that conditions on their columns reach the store: a range of `time` and the names of
//! events decide which segments are read, an id which profile.

mod events;
mod people;

use crate::error::{Failure, Result};
use crate::pg::FunctionCallInfo;
use crate::pg::foreign::{self, Asked, Condition, Op, Relation, Rows, Value};
use crate::pg::instants::millisecond_of;
use crate::pg::spi::{self, Sql};
use crate::registry::{self, Project};
use engine::time::Span64;
use events::Events;
use people::People;
use pgrx::prelude::*;
use std::collections::BTreeSet;

/// One of the relations.
enum Table {
    Events(Box<Events>),
    People(Box<People>),
}

/// The project that a schema belongs to.
fn project_of(sql: &Sql, schema: &str) -> Result<Project> {
    let name = schema.strip_prefix("analytics_").ok_or_else(|| {
        Failure::new(
            PgSqlErrorCode::ERRCODE_FDW_TABLE_NOT_FOUND,
            format!("schema \"{schema}\" is not that of a project"),
            "Foreign tables of this server belong into the schema that create_project makes: analytics_<project>.",
        )
    })?;
    registry::open(sql, Some(name))
}

fn unknown(relation: &str) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_FDW_TABLE_NOT_FOUND,
        format!("\"{relation}\" is no relation of a project"),
        "There are events, users and groups.",
    )
}

impl Relation for Table {
    const PRUNES_BY: &'static [&'static str] = &["time", "event", "distinct_id", "group_key", "group_id"];

    fn estimate(schema: &str, relation: &str) -> Result<f64> {
        // Pages that VACUUM has counted are good enough, and need no right to read.
        let (table, each) = match relation {
            "events" => ("segment", 30_000.0),
            "users" => ("user_profile", 1.0),
            "groups" => ("group_profile", 1.0),
            _ => return Err(unknown(relation)),
        };
        spi::connect(|sql| {
            let rows = sql.read(
                "SELECT c.reltuples::bigint FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n
                 ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
                &[spi::Arg::Text(schema), spi::Arg::Text(table)],
            )?;
            let counted = if rows.len() == 0 { -1 } else { rows.int(0, 0)? };
            Ok(if counted < 1 { 10_000.0 } else { counted as f64 * each })
        })
    }

    fn open(asked: Asked) -> Result<Self> {
        spi::connect(|sql| {
            let project = project_of(sql, &asked.schema)?;
            match asked.relation.as_str() {
                "events" => Ok(Table::Events(Box::new(Events::open(sql, project, &asked)?))),
                "users" => Ok(Table::People(Box::new(People::users(sql, project, &asked)?))),
                "groups" => Ok(Table::People(Box::new(People::groups(sql, project, &asked)?))),
                other => Err(unknown(other)),
            }
        })
    }

    fn fill(&mut self, rows: &mut Rows) -> Result<bool> {
        spi::connect(|sql| match self {
            Table::Events(events) => events.fill(sql, rows),
            Table::People(people) => people.fill(sql, rows),
        })
    }

    fn explain(&self) -> Vec<(&'static str, String)> {
        match self {
            Table::Events(events) => events.explain(),
            Table::People(_) => Vec::new(),
        }
    }
}

/// The texts that a column may have after all conditions on it; `None` = any.
fn texts(asked: &Asked, column: &str) -> Option<BTreeSet<String>> {
    let mut allowed: Option<BTreeSet<String>> = None;
    for condition in asked.conditions.iter().filter(|c| c.column == column) {
        let (Value::Texts(texts), Op::Equal | Op::AnyOf) = (&condition.value, condition.op) else {
            continue;
        };
        let of_this: BTreeSet<String> = texts.iter().cloned().collect();
        allowed = Some(match allowed {
            None => of_this,
            Some(before) => before.intersection(&of_this).cloned().collect(),
        });
    }
    allowed
}

/// The milliseconds in which a column of instants may lie after all conditions on it.
fn span(conditions: &[Condition], column: &str) -> Span64 {
    let mut span = Span64 {
        from: i64::MIN,
        to: i64::MAX,
    };
    for condition in conditions.iter().filter(|c| c.column == column) {
        let Value::Instant(us) = condition.value else {
            continue;
        };
        let at = millisecond_of(us);
        if matches!(condition.op, Op::Greater | Op::GreaterOrEqual | Op::Equal) {
            span.from = span.from.max(at);
        }
        if matches!(condition.op, Op::Less | Op::LessOrEqual | Op::Equal) {
            span.to = span.to.min(at.saturating_add(1));
        }
    }
    span
}

#[pg_extern(
    schema = "analytics_groups",
    name = "_relations",
    sql = r#"
CREATE FUNCTION analytics_groups._relations() RETURNS fdw_handler
LANGUAGE c STRICT SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#
)]
fn relations(_call: FunctionCallInfo) -> i64 {
    foreign::handler::<Table>()
}
