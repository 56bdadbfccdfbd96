//! Lookup tables as they are stored: one row for each table, for each of its columns, and for each property mapped to one.
//!
//! A column is one JSON array, so that a report reads the join key and the one column it asks for.

use super::{Lock, lock};
use crate::error::{Failure, Result};
use crate::pg::Oid;
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Sql};
use crate::registry::{Project, lexicon};
use crate::settings;
use engine::cache::Cache;
use engine::error::Error;
use engine::lookup::{Lookup, MAX_ROWS, Table};
use pgrx::prelude::*;
use std::cell::RefCell;
use std::sync::Arc;

/// Stores a table in place of one of the same name.
pub fn write(sql: &Sql, project: &Project, name: &str, table: &Table) -> Result<()> {
    lock(sql, &project.name, Lock::Lookups)?;
    let others = sql.write(
        &project.sql("SELECT coalesce(sum(rows), 0)::bigint FROM @.lookup_table WHERE name <> $1"),
        &[Arg::Text(name)],
    )?;
    let others = others.int(0, 0)?;
    let rows = table.rows as i64;
    if others.saturating_add(rows) > MAX_ROWS as i64 {
        return Err(Error::Limit {
            message: format!(
                "{rows} rows beside the {others} of other lookup tables; at most {MAX_ROWS} are possible in a project"
            ),
            hint: Some("Drop tables that no report needs: SELECT analytics_groups.drop_lookup_table('…').".into()),
        }
        .into());
    }
    sql.write(
        &project.sql(
            "INSERT INTO @.lookup_table (name, rows, bytes) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET rows = excluded.rows, bytes = excluded.bytes, updated_at = now()",
        ),
        &[Arg::Text(name), Arg::Int(rows), Arg::Int(table.bytes as i64)],
    )?;
    sql.write(
        &project.sql("DELETE FROM @.lookup_column WHERE lookup = $1"),
        &[Arg::Text(name)],
    )?;
    let insert = project.sql("INSERT INTO @.lookup_column (lookup, no, name, data) VALUES ($1, $2, $3, $4)");
    for ((column, data), no) in table.columns.iter().zip(&table.data).zip(0..) {
        sql.write(
            &insert,
            &[Arg::Text(name), Arg::Int4(no), Arg::Text(column), Arg::Text(data)],
        )?;
    }
    Ok(())
}

/// The names of a query's rows, as they stand or near to one that does not exist.
fn names(sql: &Sql, project: &Project, text: &str, args: &[Arg]) -> Result<Vec<String>> {
    let rows = sql.read(&project.sql(text), args)?;
    (0..rows.len()).map(|i| Ok(rows.text(i, 0)?.to_string())).collect()
}

fn near(name: &str, known: &[String], otherwise: String) -> String {
    let near = lexicon::nearest(name, known.iter().map(String::as_str));
    let near: Vec<String> = near.iter().map(|n| format!("\"{n}\"")).collect();
    if near.is_empty() {
        otherwise
    } else {
        format!("Did you mean {}?", near.join(" or "))
    }
}

/// The error for a table that does not exist.
fn unknown(sql: &Sql, project: &Project, name: &str) -> Result<Failure> {
    let known = names(
        sql,
        project,
        "SELECT name FROM @.lookup_table ORDER BY name LIMIT 5000",
        &[],
    )?;
    Ok(Failure::unknown(
        format!("lookup table \"{name}\" was not found in project \"{}\"", project.name),
        near(
            name,
            &known,
            "Lookup tables are made with set_lookup_table(…) and listed in the view lookup_tables.".into(),
        ),
    ))
}

/// Deletes a table that no property is mapped to.
pub fn delete(sql: &Sql, project: &Project, name: &str) -> Result<()> {
    lock(sql, &project.name, Lock::Lookups)?;
    let rows = sql.write(
        &project.sql("SELECT property FROM @.lookup_mapping WHERE lookup = $1 ORDER BY property"),
        &[Arg::Text(name)],
    )?;
    let mapped = (0..rows.len()).map(|i| Ok(format!("\"{}\"", rows.text(i, 0)?)));
    let mapped = mapped.collect::<Result<Vec<_>>>()?;
    if !mapped.is_empty() {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
            format!("lookup table \"{name}\" is joined to {}", mapped.join(", ")),
            "Take the mapping away first: SELECT analytics_groups.unmap_lookup('…').",
        ));
    }
    let gone = sql.write(
        &project.sql("DELETE FROM @.lookup_table WHERE name = $1"),
        &[Arg::Text(name)],
    )?;
    if gone.processed() == 0 {
        return Err(unknown(sql, project, name)?);
    }
    sql.write(
        &project.sql("DELETE FROM @.lookup_column WHERE lookup = $1"),
        &[Arg::Text(name)],
    )?;
    Ok(())
}

/// Maps a property to a table. To the one it is mapped to already is fine, to another one is an error.
pub fn map(sql: &Sql, project: &Project, property: &str, name: &str) -> Result<()> {
    lock(sql, &project.name, Lock::Lookups)?;
    let known = sql.write(
        &project.sql("SELECT 1::bigint FROM @.lookup_table WHERE name = $1"),
        &[Arg::Text(name)],
    )?;
    if known.len() == 0 {
        return Err(unknown(sql, project, name)?);
    }
    let rows = sql.write(
        &project.sql("SELECT lookup FROM @.lookup_mapping WHERE property = $1"),
        &[Arg::Text(property)],
    )?;
    if rows.len() > 0 {
        let other = rows.text(0, 0)?;
        if other == name {
            return Ok(());
        }
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT,
            format!("property \"{property}\" is mapped to lookup table \"{other}\""),
            "A property has one lookup table, a table any number of properties. Take that mapping away first: SELECT analytics_groups.unmap_lookup('…').",
        ));
    }
    sql.write(
        &project.sql("INSERT INTO @.lookup_mapping (property, lookup) VALUES ($1, $2)"),
        &[Arg::Text(property), Arg::Text(name)],
    )?;
    Ok(())
}

/// Takes the mapping of a property away.
pub fn unmap(sql: &Sql, project: &Project, property: &str) -> Result<()> {
    let gone = sql.write(
        &project.sql("DELETE FROM @.lookup_mapping WHERE property = $1"),
        &[Arg::Text(property)],
    )?;
    if gone.processed() == 0 {
        return Err(not_mapped(sql, project, property)?);
    }
    Ok(())
}

/// The error for a property without a lookup table.
pub fn not_mapped(sql: &Sql, project: &Project, property: &str) -> Result<Failure> {
    Ok(Failure::unknown(
        format!("property \"{property}\" is not mapped to a lookup table"),
        near(
            property,
            &mapped(sql, project)?,
            "Map it: SELECT analytics_groups.map_lookup('property', 'table'); the view lookup_tables lists what is mapped."
                .into(),
        ),
    ))
}

/// Every property that is mapped to a table.
pub fn mapped(sql: &Sql, project: &Project) -> Result<Vec<String>> {
    names(
        sql,
        project,
        "SELECT property FROM @.lookup_mapping ORDER BY property",
        &[],
    )
}

/// The rows of a key and of a column as they were written: project, and transaction and place of each.
type Version = (Oid, String);

thread_local! {
    static KEPT: RefCell<Cache<Version, Arc<Lookup>>> = RefCell::default();
}

/// A column of the table that a property is mapped to.
pub fn read(sql: &Sql, project: &Project, property: &str, column: &str) -> Result<Arc<Lookup>> {
    let rows = sql.read(
        &project.sql("SELECT lookup FROM @.lookup_mapping WHERE property = $1"),
        &[Arg::Text(property)],
    )?;
    if rows.len() == 0 {
        return Err(not_mapped(sql, project, property)?);
    }
    let name = rows.text(0, 0)?;
    let found = sql.read(
        &project.sql(
            "SELECT k.data, c.data, concat_ws(' ', k.xmin, k.ctid, c.xmin, c.ctid, octet_length(k.data), octet_length(c.data))
             FROM @.lookup_column c JOIN @.lookup_column k ON k.lookup = c.lookup AND k.no = 0
             WHERE c.lookup = $1 AND c.name = $2",
        ),
        &[Arg::Text(name), Arg::Text(column)],
    )?;
    if found.len() == 0 {
        let known = names(
            sql,
            project,
            "SELECT name FROM @.lookup_column WHERE lookup = $1 ORDER BY no",
            &[Arg::Text(name)],
        )?;
        return Err(Failure::unknown(
            format!("lookup table \"{name}\" has no column \"{column}\""),
            near(column, &known, format!("Its columns are {}.", known.join(", "))),
        ));
    }
    let version = (project.table, found.text(0, 2)?.to_string());
    if let Some(lookup) = KEPT.with_borrow_mut(|kept| kept.get(&version).cloned()) {
        return Ok(lookup);
    }
    let within = |e| Failure::from(e).within(format!("lookup table \"{name}\""));
    let lookup = Lookup::read(found.text(0, 0)?, found.text(0, 1)?, &mut Interrupts).map_err(within)?;
    let bytes = lookup.memory();
    let lookup = Arc::new(lookup);
    if bytes > settings::query_memory() {
        return Err(within(Error::Limit {
            message: format!("column \"{column}\" needs {bytes} bytes, more than analytics_groups.query_memory"),
            hint: Some("Raise the setting, or keep fewer rows in the table.".into()),
        }));
    }
    KEPT.with_borrow_mut(|kept| kept.keep(version, Arc::clone(&lookup), bytes, settings::session_cache()))?;
    Ok(lookup)
}

/// Calls `problem` with every table that is not as it should be.
pub fn verify(sql: &Sql, project: &Project, problem: &mut dyn FnMut(&str, String)) -> Result<()> {
    let rows = sql.read(
        &project.sql(
            "SELECT c.lookup, c.name, k.data, c.data FROM @.lookup_column c
             LEFT JOIN @.lookup_column k ON k.lookup = c.lookup AND k.no = 0 ORDER BY c.lookup, c.no",
        ),
        &[],
    )?;
    for i in 0..rows.len() {
        let (name, column) = (rows.text(i, 0)?, rows.text(i, 1)?);
        let Some(keys) = rows.get::<&str>(i, 2) else {
            problem(&format!("lookup table \"{name}\""), "no join key".to_string());
            continue;
        };
        if let Err(e) = Lookup::read(keys, rows.text(i, 3)?, &mut Interrupts) {
            problem(&format!("lookup table \"{name}\""), format!("column \"{column}\": {e}"));
        }
    }
    Ok(())
}
