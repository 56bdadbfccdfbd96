//! activity: what a user did, or what happened at a group, the newest first.

use super::arguments::required;
use super::subject;
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::instants::{timestamp, to_ms};
use crate::pg::spi::{self, Sql};
use crate::registry::event_names::{EventNames, set};
use crate::registry::{self, Project};
use crate::settings;
use crate::store::feed::{self, Ask, Entry};
use engine::chunk::{Kind, SubjectNo, USER};
use engine::error::Error;
use pgrx::JsonB;
use pgrx::datum::{Date, TimestampWithTimeZone};
use pgrx::prelude::*;
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};

/// Days of the feed that nobody named.
const USUAL_DAYS: i32 = 30;

type Row = (TimestampWithTimeZone, String, Option<String>, JsonB);

/// What is asked.
struct Question<'a> {
    by: &'a str,
    id: &'a str,
    from: Option<Date>,
    to: Option<Date>,
    hide: Vec<String>,
    before: Option<TimestampWithTimeZone>,
    page_size: Option<i32>,
    project: Option<&'a str>,
}

fn run(sql: &Sql, q: &Question) -> Result<Vec<Row>> {
    let project = registry::open(sql, q.project)?;
    let by = project.kind(q.by)?;
    let limit = match q.page_size {
        None => usize::MAX,
        Some(n) => usize::try_from(n).ok().filter(|n| *n > 0).ok_or_else(|| {
            Failure::param(
                "page_size must be 1 or more",
                "Ask for the next page with before => the time of the last event of this one; NULL returns everything.",
            )
        })?,
    };
    let day = |d: Date| d.to_unix_epoch_days();
    let to = match q.to {
        Some(d) => day(d),
        None => project.calendar.day_of(crate::ingest::now_ms())?,
    };
    let from = q.from.map_or(to.saturating_sub(USUAL_DAYS - 1), day);
    if from > to {
        return Err(Failure::param(
            "from_date lies after to_date",
            "Both dates are inclusive.",
        ));
    }
    let mut span = project.calendar.days(from, to)?;
    if let Some(before) = q.before {
        span.to = span.to.min(to_ms(before));
    }
    let Some(of) = subject::find(sql, &project, by, q.id)?.filter(|_| span.from < span.to) else {
        return Ok(Vec::new());
    };
    let names = EventNames::read(sql, &project, false)?;
    let mut hidden = names.hidden.clone();
    for name in &q.hide {
        for event in names.numbers(name) {
            set(&mut hidden, event);
        }
    }
    let ask = Ask {
        by,
        subjects: &of.all,
        span,
        limit,
        hidden: &hidden,
    };
    rows(sql, &project, &names, feed::newest(sql, &project, &ask)?)
}

/// Events as rows, the newest first; simultaneous ones by name, user and properties.
fn rows(sql: &Sql, project: &Project, names: &EventNames, entries: Vec<Entry>) -> Result<Vec<Row>> {
    let ids = ids(sql, project, &entries)?;
    let properties = property_names(sql, project)?;
    let mut memory = 0usize;
    let mut found = engine::error::try_vec(entries.len(), "events of a feed")?;
    for e in entries {
        let mut object = Map::new();
        for (no, value) in &e.properties {
            if let Some(name) = properties.get(no) {
                object.insert(name.clone(), value.to_json());
            }
        }
        for key in &project.keys {
            let mut of_key = e.groups.iter().filter(|(kind, _)| *kind == key.kind);
            let mut list: Vec<Json> = Vec::new();
            list.extend(of_key.by_ref().filter_map(|g| Some(Json::from(ids.get(g)?.as_str()))));
            match list.len() {
                0 => {}
                1 => drop(list.pop().and_then(|one| object.insert(key.property.clone(), one))),
                _ => drop(object.insert(key.property.clone(), Json::Array(list))),
            }
        }
        let event = names.shown().rank(e.event)? as usize;
        let event = names.names.get(event).cloned().unwrap_or_default();
        let properties = Json::Object(object);
        let text = properties.to_string();
        memory = memory.saturating_add(text.len().saturating_mul(4).saturating_add(200));
        if memory > settings::query_memory() {
            return Err(Error::Limit {
                message: "the feed needs more memory than analytics_groups.query_memory".into(),
                hint: Some("Ask page by page: page_size => 1000, before => the time of the last event.".into()),
            }
            .into());
        }
        let user = ids.get(&(USER, e.user)).cloned();
        found.push((e.at, event, user, text, properties));
    }
    found.sort_unstable_by(|a, b| {
        let newest = b.0.cmp(&a.0);
        newest.then_with(|| (&a.1, &a.2, &a.3).cmp(&(&b.1, &b.2, &b.3)))
    });
    found
        .into_iter()
        .map(|(at, event, user, _, properties)| Ok((timestamp(at)?, event, user, JsonB(properties))))
        .collect()
}

fn property_names(sql: &Sql, project: &Project) -> Result<BTreeMap<u32, String>> {
    let rows = sql.read(&project.sql("SELECT no::bigint, name FROM @.property"), &[])?;
    (0..rows.len())
        .map(|i| {
            Ok((
                u32::try_from(rows.int(i, 0)?).unwrap_or(0),
                rows.text(i, 1)?.to_string(),
            ))
        })
        .collect()
}

/// The ids of everybody on the events; of users those they have after identity merges.
fn ids(sql: &Sql, project: &Project, entries: &[Entry]) -> Result<BTreeMap<(Kind, SubjectNo), String>> {
    let mut wanted: BTreeMap<Kind, BTreeSet<SubjectNo>> = BTreeMap::new();
    for e in entries {
        wanted.entry(USER).or_default().insert(e.user);
        for (kind, no) in &e.groups {
            wanted.entry(*kind).or_default().insert(*no);
        }
    }
    let mut ids = BTreeMap::new();
    for (kind, numbers) in wanted {
        let numbers: Vec<SubjectNo> = numbers.into_iter().filter(|n| *n != 0).collect();
        let found = match kind {
            USER => subject::canonical_ids(sql, project, &numbers)?,
            kind => subject::ids(sql, project, kind, &numbers)?,
        };
        ids.extend(found.into_iter().map(|(no, id)| ((kind, no), id)));
    }
    Ok(ids)
}

#[pg_extern(schema = "analytics_groups", stable, parallel_restricted)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn activity(
    by: Option<&str>,
    id: Option<&str>,
    from_date: default!(Option<Date>, "NULL"),
    to_date: default!(Option<Date>, "NULL"),
    hide: default!(Option<Vec<Option<String>>>, "NULL"),
    before: default!(Option<TimestampWithTimeZone>, "NULL"),
    page_size: default!(Option<i32>, "100"),
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(at, TimestampWithTimeZone),
            name!(event, String),
            name!(user_id, Option<String>),
            name!(properties, JsonB),
        ),
    >,
    ErrorReport,
> {
    let question = Question {
        by: required(by, "by", "Use 'user' or a registered group key.")?,
        id: required(id, "id", "It is a distinct_id, or the id of a group.")?,
        from: from_date,
        to: to_date,
        hide: hide.into_iter().flatten().flatten().collect(),
        before,
        page_size,
        project,
    };
    let rows = spi::connect(|sql| run(sql, &question))?;
    Ok(TableIterator::new(rows))
}
