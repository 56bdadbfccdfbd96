//! What changes lookup tables: set_lookup_table, map_lookup, unmap_lookup, drop_lookup_table. For writers of a project.

use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::registry;
use crate::reports::required;
use crate::store::lookup as table;
use engine::lookup::Table;
use pgrx::prelude::*;

/// Longest name of a table, in characters.
const MAX_NAME: usize = 255;

const NAME: &str = "The view lookup_tables lists the names there are.";
const PROPERTY: &str = "For example 'product_id', 'user.city' or 'group.company_id.industry'.";

fn check_name(name: &str) -> Result<()> {
    let long = name.chars().nth(MAX_NAME).is_some();
    if name.trim() != name || name.is_empty() || long || name.chars().any(char::is_control) {
        return Err(Failure::param(
            format!("\"{name}\" can't be the name of a lookup table"),
            format!("Use 1 to {MAX_NAME} characters, without spaces around them."),
        ));
    }
    Ok(())
}

/// A table in place of the one of its name: all of it, or an error and nothing of it.
fn set(
    sql: &Sql,
    name: &str,
    project: Option<&str>,
    read: impl FnOnce() -> Result<Table, engine::error::Error>,
) -> Result<i64> {
    check_name(name)?;
    let project = registry::open_for_writing(sql, project)?;
    let found = read().map_err(|e| Failure::from(e).within(format!("lookup table \"{name}\"")))?;
    table::write(sql, &project, name, &found)?;
    Ok(found.rows as i64)
}

fn check_property(project: &registry::Project, property: &str) -> Result<()> {
    let refused = |why: &str| {
        Err(Failure::param(
            format!("\"{property}\" can't be mapped to a lookup table: {why}"),
            PROPERTY,
        ))
    };
    let (name, of_group) = match property.strip_prefix("group.") {
        Some(rest) => match project.split_key(rest) {
            Some((_, name)) => (name, true),
            None => return refused("it names no property of a registered group key"),
        },
        None => (property.strip_prefix("user.").unwrap_or(property), false),
    };
    match name {
        "" => refused("it has no name"),
        "$distinct_id" => refused("who a user is belongs in the user's profile"),
        "$group_id" if of_group => refused("what a group is belongs in its profile"),
        "$time" if name == property => refused("it is the time of the event"),
        _ if property.starts_with("cohort.") || property.starts_with("lookup.") => refused("it is no property"),
        _ => Ok(()),
    }
}

#[pg_extern(schema = "analytics_groups", name = "set_lookup_table", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn set_lookup_table_csv(
    name: Option<&str>,
    csv: Option<&str>,
    project: default!(Option<&str>, "NULL"),
) -> Result<i64, ErrorReport> {
    let name = required(name, "name", NAME)?;
    let csv = required(
        csv,
        "csv",
        "A header and a row for each key: E'sku,category\\np1,Shoes'.",
    )?;
    Ok(spi::connect(|sql| {
        set(sql, name, project, || Table::from_csv(csv, &mut Interrupts))
    })?)
}

#[pg_extern(schema = "analytics_groups", name = "set_lookup_table", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn set_lookup_table_rows(
    name: Option<&str>,
    rows: Option<Jsonb>,
    key: Option<&str>,
    project: default!(Option<&str>, "NULL"),
) -> Result<i64, ErrorReport> {
    let name = required(name, "name", NAME)?;
    let rows = required(
        rows,
        "rows",
        "An array of objects; of a table: (SELECT jsonb_agg(t) FROM products t).",
    )?;
    let key = required(
        key,
        "key",
        "The member of the rows that is the join key, for example 'sku'.",
    )?;
    Ok(spi::connect(|sql| {
        set(sql, name, project, || {
            let records = rows
                .records("rows")
                .map_err(|f| engine::error::Error::param_hint(f.message, f.hint.unwrap_or_default()))?;
            Table::from_objects(&records, key, &mut Interrupts)
        })
    })?)
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn map_lookup(
    property: Option<&str>,
    lookup_table: Option<&str>,
    project: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    let property = required(property, "property", PROPERTY)?;
    let name = required(lookup_table, "lookup_table", NAME)?;
    spi::connect(|sql| {
        let project = registry::open_for_writing(sql, project)?;
        check_property(&project, property)?;
        table::map(sql, &project, property, name)
    })?;
    Ok(())
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn unmap_lookup(property: Option<&str>, project: default!(Option<&str>, "NULL")) -> Result<(), ErrorReport> {
    let property = required(property, "property", PROPERTY)?;
    spi::connect(|sql| {
        let project = registry::open_for_writing(sql, project)?;
        table::unmap(sql, &project, property)
    })?;
    Ok(())
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn drop_lookup_table(name: Option<&str>, project: default!(Option<&str>, "NULL")) -> Result<(), ErrorReport> {
    let name = required(name, "name", NAME)?;
    spi::connect(|sql| {
        let project = registry::open_for_writing(sql, project)?;
        table::delete(sql, &project, name)
    })?;
    Ok(())
}
