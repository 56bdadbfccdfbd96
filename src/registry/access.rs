//! What an admin may do to a project's schema: grant, revoke, and make the number sequence of a new group key.
//!
//! It runs as the project's owner, after the caller was found to be an admin, so that all privileges have one grantor and
//! all objects one owner. The statements are fixed; names in them are quoted by Postgres.

use super::Project;
use crate::error::{Failure, Result};
use crate::pg::spi::{self, Arg, Sql};
use crate::pg::{ErrorReport, Oid, owner};
use pgrx::prelude::*;

/// What a role may do, each including the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Reader,
    Writer,
    Admin,
}

impl Level {
    fn parse(s: &str) -> Result<Level> {
        match s {
            "reader" => Ok(Level::Reader),
            "writer" => Ok(Level::Writer),
            "admin" => Ok(Level::Admin),
            other => Err(Failure::param(
                format!("unknown privilege \"{other}\""),
                "Use reader, writer or admin.",
            )),
        }
    }
}

/// The project, when the caller is its admin.
pub fn administered(sql: &Sql, project: &str) -> Result<Project> {
    sql.write("SELECT analytics_groups._need($1, 'admin')", &[Arg::Text(project)])?;
    super::open_for_writing(sql, Some(project))
}

fn grants(level: Level) -> Vec<&'static str> {
    let mut all = vec![
        "GRANT USAGE ON SCHEMA @ TO #",
        "GRANT SELECT ON ALL TABLES IN SCHEMA @ TO #",
        "GRANT SELECT ON ALL SEQUENCES IN SCHEMA @ TO #",
    ];
    if level >= Level::Writer {
        all.push("GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA @ TO #");
        all.push("GRANT USAGE ON ALL SEQUENCES IN SCHEMA @ TO #");
    }
    if level >= Level::Admin {
        // Never TRIGGER: maintenance runs as the owner, and with it whatever hangs on the tables.
        all.push("GRANT CREATE ON SCHEMA @ TO #");
    }
    all
}

/// Taking a privilege takes those that contain it; what remains is what is weaker.
fn revokes(level: Level) -> Vec<&'static str> {
    let mut all = vec!["REVOKE CREATE ON SCHEMA @ FROM #"];
    if level <= Level::Writer {
        all.push("REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA @ FROM #");
        all.push("REVOKE USAGE ON ALL SEQUENCES IN SCHEMA @ FROM #");
    }
    if level <= Level::Reader {
        all.push("REVOKE ALL ON ALL TABLES IN SCHEMA @ FROM #");
        all.push("REVOKE ALL ON ALL SEQUENCES IN SCHEMA @ FROM #");
        all.push("REVOKE ALL ON SCHEMA @ FROM #");
    }
    all
}

#[pg_extern(schema = "analytics_groups", name = "_change_access", volatile, strict)]
#[search_path(pg_catalog, pg_temp)]
fn change_access(project: &str, role: Oid, privilege: &str, grant: bool) -> Result<(), ErrorReport> {
    let level = Level::parse(privilege)?;
    spi::connect(|sql| {
        let project = administered(sql, project)?;
        let quoted = sql.write(
            "SELECT rolname::text, quote_ident(rolname) FROM pg_roles WHERE oid = $1",
            &[Arg::Oid(role)],
        )?;
        let quoted = quoted.text(0, 1)?.to_string();
        owner::as_owner(project.owner, || {
            for statement in if grant { grants(level) } else { revokes(level) } {
                sql.command(&project.sql(statement).replace('#', &quoted))?;
            }
            Ok(())
        })
    })?;
    Ok(())
}

/// Makes the sequence that numbers the groups of a new key, for everybody who may write.
#[pg_extern(schema = "analytics_groups", name = "_create_sequence", volatile, strict)]
#[search_path(pg_catalog, pg_temp)]
fn create_sequence(project: &str, kind: i16) -> Result<(), ErrorReport> {
    spi::connect(|sql| {
        let project = administered(sql, project)?;
        let rows = sql.write(
            "SELECT quote_ident(role::text), privilege FROM analytics_groups.access WHERE project = $1",
            &[Arg::Text(&project.name)],
        )?;
        let mut statements = vec![format!("CREATE SEQUENCE @.subject_no_{kind} MAXVALUE 4294967295")];
        for i in 0..rows.len() {
            let privilege = if rows.text(i, 1)? == "reader" {
                "SELECT"
            } else {
                "SELECT, USAGE"
            };
            statements.push(format!(
                "GRANT {privilege} ON SEQUENCE @.subject_no_{kind} TO {}",
                rows.text(i, 0)?
            ));
        }
        drop(rows);
        owner::as_owner(project.owner, || {
            statements.iter().try_for_each(|s| sql.command(&project.sql(s)))
        })
    })?;
    Ok(())
}
