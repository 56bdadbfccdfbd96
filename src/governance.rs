//! What an admin says of the lexicon: what is hidden or blocked, how names are shown, and which events are one event.

use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::spi::{self, Arg, Sql};
use crate::registry::lexicon::{self, Space};
use crate::registry::{Project, access};
use crate::reports::required;
use crate::settings;
use pgrx::prelude::*;

const EVENT: &str = "The view lexicon_events lists the events there are.";
const PROPERTY: &str = "The view lexicon_properties lists the event properties there are.";

/// What tells events apart: without it they could not be stored.
const NEEDED: [&str; 5] = ["time", "distinct_id", "$insert_id", "$device_id", "$user_id"];

/// One of the two tables of the lexicon.
#[derive(Debug, Clone, Copy)]
struct Table {
    space: Space,
    name: &'static str,
    /// In words, and where the names are listed.
    of: &'static str,
    view: &'static str,
}

const EVENTS: Table = Table {
    space: Space::Event,
    name: "event_name",
    of: "event",
    view: EVENT,
};
const PROPERTIES: Table = Table {
    space: Space::Property,
    name: "property",
    of: "property",
    view: PROPERTY,
};

fn administer<R>(project: Option<&str>, f: impl FnOnce(&Sql, &Project) -> Result<R>) -> Result<R> {
    spi::connect(|sql| {
        let name = project.map_or_else(settings::project, str::to_string);
        f(sql, &access::administered(sql, &name)?)
    })
}

impl Table {
    /// The error for a name that nobody ever sent.
    fn unknown(&self, sql: &Sql, project: &Project, name: &str) -> Result<Failure> {
        let near = lexicon::near(sql, project, self.space, name)?;
        let near: Vec<String> = near.iter().map(|n| format!("\"{n}\"")).collect();
        Ok(Failure::unknown(
            format!("{} \"{name}\" was never sent to project \"{}\"", self.of, project.name),
            if near.is_empty() {
                self.view.to_string()
            } else {
                format!("Did you mean {}?", near.join(" or "))
            },
        ))
    }

    /// Sets a column of a name that is known.
    fn set(&self, sql: &Sql, project: &Project, name: &str, set: &str, value: Option<&str>) -> Result<()> {
        let text = format!("UPDATE @.{} SET {set} WHERE name = $1 AND $2 IS NOT NULL", self.name);
        let changed = sql.write(
            &project.sql(&text),
            &[Arg::Text(name), Arg::Text(value.unwrap_or_default())],
        )?;
        match changed.processed() {
            0 => Err(self.unknown(sql, project, name)?),
            _ => Ok(()),
        }
    }

    /// Blocks a name, which is made where nobody ever sent it, or lets it in again.
    fn block(&self, sql: &Sql, project: &Project, name: &str, blocked: bool) -> Result<()> {
        if blocked {
            lexicon::number(sql, project, self.space, &[name])?;
        }
        self.set(sql, project, name, &format!("blocked = {blocked}"), None)?;
        let found = sql.write(
            &project.sql(
                "SELECT count(*) FROM (SELECT FROM @.event_name WHERE blocked UNION ALL SELECT FROM @.property WHERE blocked) x",
            ),
            &[],
        )?;
        sql.write(
            "UPDATE analytics_groups.project SET blocked = $2 WHERE name = $1",
            &[Arg::Text(&project.name), Arg::Bool(found.int(0, 0)? > 0)],
        )?;
        Ok(())
    }
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn hide_event(
    event: Option<&str>,
    hidden: default!(bool, true),
    project: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    let event = required(event, "event", EVENT)?;
    let set = format!("hidden = {hidden}");
    Ok(administer(project, |sql, p| EVENTS.set(sql, p, event, &set, None))?)
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn hide_property(
    property: Option<&str>,
    hidden: default!(bool, true),
    project: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    let property = required(property, "property", PROPERTY)?;
    let set = format!("hidden = {hidden}");
    Ok(administer(project, |sql, p| {
        PROPERTIES.set(sql, p, property, &set, None)
    })?)
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn block_event(
    event: Option<&str>,
    blocked: default!(bool, true),
    project: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    let event = required(event, "event", EVENT)?;
    Ok(administer(project, |sql, p| EVENTS.block(sql, p, event, blocked))?)
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn block_property(
    property: Option<&str>,
    blocked: default!(bool, true),
    project: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    let property = required(property, "property", PROPERTY)?;
    Ok(administer(project, |sql, p| {
        let refused = |why: &str, hint: &str| Err(Failure::param(format!("property \"{property}\" {why}"), hint));
        if blocked && NEEDED.contains(&property) {
            return refused("can't be blocked: it says which event this is", "Block another one.");
        }
        if blocked && p.key(property).is_some() {
            return refused(
                "can't be blocked: it is a group key",
                "Drop the key first: SELECT analytics_groups.drop_group_key('…');",
            );
        }
        PROPERTIES.block(sql, p, property, blocked)
    })?)
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn set_event_display_name(
    event: Option<&str>,
    display_name: Option<&str>,
    project: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    let event = required(event, "event", EVENT)?;
    Ok(administer(project, |sql, p| {
        EVENTS.set(sql, p, event, "display_name = NULLIF($2, '')", display_name)
    })?)
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn set_property_display_name(
    property: Option<&str>,
    display_name: Option<&str>,
    project: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    let property = required(property, "property", PROPERTY)?;
    Ok(administer(project, |sql, p| {
        PROPERTIES.set(sql, p, property, "display_name = NULLIF($2, '')", display_name)
    })?)
}

/// The events of an argument, each known.
fn known<'n>(sql: &Sql, project: &Project, events: Option<&'n [Option<String>]>) -> Result<Vec<&'n str>> {
    let names: Vec<&str> = events
        .unwrap_or_default()
        .iter()
        .flatten()
        .map(String::as_str)
        .collect();
    if names.is_empty() {
        return Err(Failure::param("events must name one event or more", EVENT));
    }
    let rows = sql.write(
        &project.sql("SELECT name FROM @.event_name WHERE name = ANY($1) ORDER BY no FOR UPDATE"),
        &[Arg::Texts(&names)],
    )?;
    let found = (0..rows.len()).map(|i| rows.text(i, 0)).collect::<Result<Vec<_>>>()?;
    match names.iter().find(|n| !found.contains(n)) {
        Some(missing) => Err(EVENTS.unknown(sql, project, missing)?),
        None => Ok(names),
    }
}

fn merge(sql: &Sql, project: &Project, events: Option<&[Option<String>]>, into: &str) -> Result<()> {
    let names = known(sql, project, events)?;
    if names.contains(&into) {
        return Err(Failure::param(
            format!("event \"{into}\" can't be merged into itself"),
            "Name the other events, and the one that they become.",
        ));
    }
    if into.is_empty() || into == "*" || into == "$any" {
        return Err(Failure::param(format!("\"{into}\" is no event to merge into"), EVENT));
    }
    let target = lexicon::number(sql, project, Space::Event, &[into])?;
    let target = target.first().copied().unwrap_or(0);
    // Two merges at a time, one into what the other merges away, would make a chain: the second waits and sees it.
    sql.write(&project.sql("LOCK TABLE @.event_name IN SHARE ROW EXCLUSIVE MODE"), &[])?;
    let chain = sql.write(
        &project.sql(
            "SELECT e.name, c.name FROM @.event_name e JOIN @.event_name c ON c.no = e.merged_into
             WHERE e.no = $1 OR c.name = ANY($2) ORDER BY e.name LIMIT 1",
        ),
        &[Arg::Int4(target as i32), Arg::Texts(&names)],
    )?;
    if chain.len() > 0 {
        let (of, into) = (chain.text(0, 0)?, chain.text(0, 1)?);
        return Err(Failure::param(
            format!("event \"{of}\" is merged into \"{into}\": merged events can't be merged in turn"),
            format!(
                "Merge all of them into one, or take it apart first: SELECT analytics_groups.unmerge_events('{{{of}}}');"
            ),
        ));
    }
    sql.write(
        &project.sql("UPDATE @.event_name SET merged_into = $1 WHERE name = ANY($2)"),
        &[Arg::Int4(target as i32), Arg::Texts(&names)],
    )?;
    Ok(())
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn merge_events(
    events: Option<Vec<Option<String>>>,
    into_event: Option<&str>,
    project: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    let into = required(into_event, "into_event", EVENT)?;
    Ok(administer(project, |sql, p| merge(sql, p, events.as_deref(), into))?)
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn unmerge_events(
    events: Option<Vec<Option<String>>>,
    project: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    Ok(administer(project, |sql, p| {
        let names = known(sql, p, events.as_deref())?;
        let changed = sql.write(
            &p.sql("UPDATE @.event_name SET merged_into = NULL WHERE name = ANY($1) AND merged_into IS NOT NULL"),
            &[Arg::Texts(&names)],
        )?;
        match changed.processed() {
            0 => Err(Failure::param("none of these events is merged into another", EVENT)),
            _ => Ok(()),
        }
    })?)
}
