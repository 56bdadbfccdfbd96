//! What an admin says of the lexicon: what is hidden or blocked, how names are shown, and which events or properties are one.

use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Arg, Sql};
use crate::registry::lexicon::{self, Space};
use crate::registry::{Project, access, blocked};
use crate::reports::required;
use crate::settings;
use engine::ingest::DropFilter;
use pgrx::prelude::*;

const EVENT: &str = "The view lexicon_events lists the events there are.";
const PROPERTY: &str = "The view lexicon_properties lists the event properties there are.";

const FILTERS: &str = "The view drop_filters lists the filters there are.";

/// What tells events apart: without it they could not be stored.
const NEEDED: [&str; 5] = ["time", "distinct_id", "$insert_id", "$device_id", "$user_id"];

/// One of the two tables of the lexicon.
#[derive(Debug, Clone, Copy)]
struct Table {
    space: Space,
    name: &'static str,
    /// In words, and where the names are listed.
    of: &'static str,
    plural: &'static str,
    view: &'static str,
}

const EVENTS: Table = Table {
    space: Space::Event,
    name: "event_name",
    of: "event",
    plural: "events",
    view: EVENT,
};
const PROPERTIES: Table = Table {
    space: Space::Property,
    name: "property",
    of: "property",
    plural: "properties",
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
        blocked::note(sql, project)
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

impl Table {
    /// The names of an argument, each known.
    fn known<'n>(&self, sql: &Sql, project: &Project, names: Option<&'n [Option<String>]>) -> Result<Vec<&'n str>> {
        let names: Vec<&str> = names.unwrap_or_default().iter().flatten().map(String::as_str).collect();
        if names.is_empty() {
            return Err(Failure::param(
                format!("{} must name one {} or more", self.plural, self.of),
                self.view,
            ));
        }
        let rows = sql.write(
            &project.sql(&format!(
                "SELECT name FROM @.{} WHERE name = ANY($1) ORDER BY no FOR UPDATE",
                self.name
            )),
            &[Arg::Texts(&names)],
        )?;
        let found = (0..rows.len()).map(|i| rows.text(i, 0)).collect::<Result<Vec<_>>>()?;
        match names.iter().find(|n| !found.contains(n)) {
            Some(missing) => Err(self.unknown(sql, project, missing)?),
            None => Ok(names),
        }
    }

    fn merge(&self, sql: &Sql, project: &Project, names: Option<&[Option<String>]>, into: &str) -> Result<()> {
        let (of, plural) = (self.of, self.plural);
        let names = self.known(sql, project, names)?;
        if names.contains(&into) {
            return Err(Failure::param(
                format!("{of} \"{into}\" can't be merged into itself"),
                format!("Name the other {plural}, and the one that they become."),
            ));
        }
        if into.is_empty() || self.space == Space::Event && (into == "*" || into == "$any") {
            return Err(Failure::param(
                format!("\"{into}\" is no {of} to merge into"),
                self.view,
            ));
        }
        let target = lexicon::number(sql, project, self.space, &[into])?;
        let target = target.first().copied().unwrap_or(0);
        // Two merges at a time, one into what the other merges away, would make a chain: the second waits and sees it.
        sql.write(
            &project.sql(&format!("LOCK TABLE @.{} IN SHARE ROW EXCLUSIVE MODE", self.name)),
            &[],
        )?;
        let chain = sql.write(
            &project.sql(&format!(
                "SELECT e.name, c.name FROM @.{0} e JOIN @.{0} c ON c.no = e.merged_into
                 WHERE e.no = $1 OR c.name = ANY($2) ORDER BY e.name LIMIT 1",
                self.name
            )),
            &[Arg::Int4(target as i32), Arg::Texts(&names)],
        )?;
        if chain.len() > 0 {
            let (one, into) = (chain.text(0, 0)?, chain.text(0, 1)?);
            return Err(Failure::param(
                format!("{of} \"{one}\" is merged into \"{into}\": merged {plural} can't be merged in turn"),
                format!(
                    "Merge all of them into one, or take it apart first: SELECT analytics_groups.unmerge_{plural}('{{{one}}}');"
                ),
            ));
        }
        sql.write(
            &project.sql(&format!(
                "UPDATE @.{} SET merged_into = $1 WHERE name = ANY($2)",
                self.name
            )),
            &[Arg::Int4(target as i32), Arg::Texts(&names)],
        )?;
        Ok(())
    }

    fn unmerge(&self, sql: &Sql, project: &Project, names: Option<&[Option<String>]>) -> Result<()> {
        let names = self.known(sql, project, names)?;
        let changed = sql.write(
            &project.sql(&format!(
                "UPDATE @.{} SET merged_into = NULL WHERE name = ANY($1) AND merged_into IS NOT NULL",
                self.name
            )),
            &[Arg::Texts(&names)],
        )?;
        match changed.processed() {
            0 => Err(Failure::param(
                format!("none of these {} is merged into another", self.plural),
                self.view,
            )),
            _ => Ok(()),
        }
    }
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn merge_events(
    events: Option<Vec<Option<String>>>,
    into_event: Option<&str>,
    project: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    let into = required(into_event, "into_event", EVENT)?;
    Ok(administer(project, |sql, p| {
        EVENTS.merge(sql, p, events.as_deref(), into)
    })?)
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn unmerge_events(
    events: Option<Vec<Option<String>>>,
    project: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    Ok(administer(project, |sql, p| EVENTS.unmerge(sql, p, events.as_deref()))?)
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn merge_properties(
    properties: Option<Vec<Option<String>>>,
    into_property: Option<&str>,
    project: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    let into = required(into_property, "into_property", PROPERTY)?;
    Ok(administer(project, |sql, p| {
        let names = properties.iter().flatten().flatten().map(String::as_str);
        if let Some(name) = names.chain([into]).find(|n| NEEDED.contains(n) || p.key(n).is_some()) {
            return Err(Failure::param(
                format!("property \"{name}\" can't be merged: events are told apart or attributed by it"),
                "Merge properties that only describe events; the groups of a key are merged with merge_groups.",
            ));
        }
        PROPERTIES.merge(sql, p, properties.as_deref(), into)
    })?)
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn unmerge_properties(
    properties: Option<Vec<Option<String>>>,
    project: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    Ok(administer(project, |sql, p| {
        PROPERTIES.unmerge(sql, p, properties.as_deref())
    })?)
}

/// Drop filters of one project.
const MOST_FILTERS: i64 = 15;

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn add_drop_filter(
    event: Option<&str>,
    properties: Option<Jsonb>,
    project: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    let event = required(event, "event", EVENT)?;
    let properties = required(
        properties,
        "properties",
        "For example '{\"env\": [\"test\", \"staging\"]}'.",
    )?;
    let value = properties.value("properties")?;
    DropFilter::new(event, value).map_err(Failure::from)?;
    Ok(administer(project, |sql, p| {
        sql.write(&p.sql("LOCK TABLE @.drop_filter IN SHARE ROW EXCLUSIVE MODE"), &[])?;
        let there = sql.write(&p.sql("SELECT count(*) FROM @.drop_filter"), &[])?;
        if there.int(0, 0)? >= MOST_FILTERS {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("project \"{}\" already has {MOST_FILTERS} drop filters", p.name),
                "Each is looked at with every event of its name: remove one with remove_drop_filter, or block the event.",
            ));
        }
        sql.write(
            &p.sql(
                "INSERT INTO @.drop_filter (no, event, properties)
                 SELECT (SELECT coalesce(max(no), 0) + 1 FROM @.drop_filter), $1, $2::jsonb
                 WHERE NOT EXISTS (SELECT FROM @.drop_filter WHERE event = $1 AND properties = $2::jsonb)",
            ),
            &[Arg::Text(event), Arg::Text(properties.text())],
        )?;
        blocked::note(sql, p)
    })?)
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn remove_drop_filter(
    event: Option<&str>,
    properties: default!(Option<Jsonb>, "NULL"),
    project: default!(Option<&str>, "NULL"),
) -> Result<i64, ErrorReport> {
    let event = required(event, "event", FILTERS)?;
    Ok(administer(project, |sql, p| {
        let mut args = vec![Arg::Text(event)];
        args.extend(properties.as_ref().map(|p| Arg::Text(p.text())));
        let these = if properties.is_some() {
            "AND properties = $2::jsonb"
        } else {
            ""
        };
        let gone = sql.write(
            &p.sql(&format!("DELETE FROM @.drop_filter WHERE event = $1 {these}")),
            &args,
        )?;
        if gone.processed() == 0 {
            return Err(Failure::unknown(
                format!("project \"{}\" has no such drop filter of event \"{event}\"", p.name),
                FILTERS,
            ));
        }
        blocked::note(sql, p)?;
        Ok(i64::try_from(gone.processed()).unwrap_or(i64::MAX))
    })?)
}
