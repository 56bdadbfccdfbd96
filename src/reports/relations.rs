//! group_members and user_groups: who belongs to a group, and which groups a user belongs to.
//!
//! One belongs by what was done: events of the user that are attributed to the group; or by what is said: the user's
//! profile lists the group.

use super::arguments::required;
use super::attributed::ALWAYS;
use super::context::Context;
use super::members::{self, Page};
use super::subject::{self, Subject};
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::instants::{timestamp, to_ms};
use crate::pg::spi::{self, Arg, Sql};
use crate::registry::{self, Project};
use crate::settings;
use crate::store::identity;
use crate::store::scan::{self, Need};
use engine::chunk::{Kind, SubjectNo, USER};
use engine::expr::References;
use engine::relations::{Kernel, Plan, Together};
use engine::time::Span64;
use pgrx::JsonB;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;
use std::collections::BTreeMap;

/// What two subjects have to do with each other.
#[derive(Debug, Clone, Copy, Default)]
struct Tie {
    listed: bool,
    together: Option<Together>,
}

type Seen = (bool, i64, Option<TimestampWithTimeZone>, Option<TimestampWithTimeZone>);

impl Tie {
    fn columns(self) -> Result<Seen> {
        let t = self.together;
        let at = |ms: Option<i64>| ms.map(timestamp).transpose();
        Ok((
            self.listed,
            t.map_or(0, |t| t.events as i64),
            at(t.map(|t| t.first))?,
            at(t.map(|t| t.last))?,
        ))
    }
}

/// Everybody of `others` on the events of a subject up to an instant.
fn together(
    sql: &Sql,
    project: &Project,
    of: &Subject,
    others: Vec<Kind>,
    until: i64,
) -> Result<Vec<(Kind, SubjectNo, Together)>> {
    let remap = Context::new(sql, project, &[], References::default())?.remap()?;
    let mut kinds: Vec<Kind> = others.iter().copied().chain([of.kind]).filter(|k| *k != USER).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let need = Need {
        events: None,
        kinds,
        properties: Vec::new(),
        ..Need::default()
    };
    let plan = Plan {
        of: of.kind,
        subjects: &of.all,
        others,
        remap: remap.as_deref(),
        memory_limit: settings::query_memory(),
    };
    let span = Span64 { to: until, ..ALWAYS };
    let waiting = scan::waiting(sql, project, &need, span)?;
    let low = of.all.first().copied().map_or(0, i64::from);
    let high = of.all.last().copied().map_or(0, i64::from);
    let kernels = scan::scan_with(
        sql,
        project,
        &need,
        span,
        &waiting,
        &|head| of.kind != USER || head.user_max >= low && head.user_min <= high,
        &settings::workers(),
        || Ok(Kernel::new(&plan)),
        |kernel, chunk, keep, tick| kernel.push(chunk, keep, tick),
    )?;
    let partial = engine::parallel::merge(kernels.into_iter().map(Kernel::finish), |a, b| a.merge(b))?;
    Ok(partial.finish()?)
}

type Member = (String, Seen, JsonB);

fn group_members_of(
    sql: &Sql,
    (key, id): (&str, &str),
    at: Option<TimestampWithTimeZone>,
    page: Page,
    project: Option<&str>,
) -> Result<Vec<Member>> {
    let project = registry::open(sql, project)?;
    let kind = key_of(&project, key)?;
    let until = at.map_or(i64::MAX, |at| to_ms(at).saturating_add(1));
    let mut ties: BTreeMap<SubjectNo, Tie> = BTreeMap::new();
    // A group that no event and no profile names may still be listed.
    let group = subject::find(sql, &project, kind, id)?;
    let names = match &group {
        Some(group) => subject::names(sql, &project, group)?,
        None => vec![id.to_string()],
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if let Some(group) = group {
        for (_, user, together) in together(sql, &project, &group, vec![USER], until)? {
            ties.entry(user).or_default().together = Some(together);
        }
    }
    let rows = sql.read(
        &project.sql(
            "SELECT p.no FROM @.user_profile p
             WHERE p.properties ? $1 AND EXISTS (
                 SELECT FROM analytics_groups._listed(p.properties, $1) l (id) WHERE l.id = ANY($2))",
        ),
        &[Arg::Text(key), Arg::Texts(&names)],
    )?;
    let mut listed = engine::error::try_vec(rows.len(), "members of a group")?;
    for i in 0..rows.len() {
        listed.push(u32::try_from(rows.int(i, 0)?).unwrap_or(0));
    }
    let ends = identity::ends(sql, &project, &listed, false)?;
    // The profile of an id that was merged into a user is not the user's.
    for (user, _) in listed.into_iter().zip(ends).filter(|(user, end)| user == end) {
        ties.entry(user).or_default().listed = true;
    }
    let found: Vec<(SubjectNo, Tie)> = ties.into_iter().collect();
    members::rows(sql, &project, USER, &found, page)?
        .into_iter()
        .map(|(id, tie, properties)| Ok((id, tie.columns()?, properties)))
        .collect()
}

fn key_of(project: &Project, key: &str) -> Result<Kind> {
    match project.kind(key)? {
        USER => Err(Failure::param(
            "users have no members",
            "Name a registered group key, for example 'company_id'.",
        )),
        kind => Ok(kind),
    }
}

fn user_groups_of(sql: &Sql, id: &str, project: Option<&str>) -> Result<Vec<(String, String, Seen, JsonB)>> {
    let project = registry::open(sql, project)?;
    let Some(user) = subject::find(sql, &project, USER, id)? else {
        return Ok(Vec::new());
    };
    let kinds: Vec<Kind> = project.keys.iter().map(|k| k.kind).collect();
    let mut ties: BTreeMap<(Kind, SubjectNo), Tie> = BTreeMap::new();
    for (kind, group, together) in together(sql, &project, &user, kinds, i64::MAX)? {
        ties.entry((kind, group)).or_default().together = Some(together);
    }
    let mut unknown = Vec::new();
    for key in &project.keys {
        let rows = sql.read(
            &project.sql(
                "SELECT DISTINCT coalesce(s.no, 0), l.id FROM @.user_profile p
                 CROSS JOIN LATERAL analytics_groups._listed(p.properties, $1) l (id)
                 LEFT JOIN (SELECT kind, id, no FROM @.subject UNION ALL SELECT kind, id, no FROM @.merged_group) s
                     ON s.kind = $2 AND s.id = l.id
                 WHERE p.no = $3 AND p.properties ? $1",
            ),
            &[
                Arg::Text(&key.property),
                Arg::Int2(key.kind as i16),
                Arg::Int(i64::from(user.no)),
            ],
        )?;
        for i in 0..rows.len() {
            match u32::try_from(rows.int(i, 0)?).unwrap_or(0) {
                // Listed, and nothing else is known of it.
                0 => unknown.push((key.property.clone(), rows.text(i, 1)?.to_string())),
                group => ties.entry((key.kind, group)).or_default().listed = true,
            }
        }
    }
    let mut out = Vec::new();
    for key in &project.keys {
        let of_key = ties.range((key.kind, 0)..=(key.kind, SubjectNo::MAX));
        let found: Vec<(SubjectNo, Tie)> = of_key.map(|((_, no), tie)| (*no, *tie)).collect();
        for (id, tie, properties) in members::rows(sql, &project, key.kind, &found, Page::new(None, None)?)? {
            out.push((key.property.clone(), id, tie.columns()?, properties));
        }
    }
    let listed = Tie {
        listed: true,
        together: None,
    };
    for (key, id) in unknown {
        out.push((key, id, listed.columns()?, JsonB(serde_json::json!({}))));
    }
    let place = |key: &str| project.keys.iter().position(|k| k.property == key);
    out.sort_by(|a, b| (place(&a.0), &a.1).cmp(&(place(&b.0), &b.1)));
    Ok(out)
}

#[pg_extern(schema = "analytics_groups", stable, parallel_restricted)]
#[allow(clippy::type_complexity)]
fn group_members(
    group_key: Option<&str>,
    group_id: Option<&str>,
    at: default!(Option<TimestampWithTimeZone>, "NULL"),
    after: default!(Option<&str>, "NULL"),
    page_size: default!(Option<i32>, "NULL"),
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(id, String),
            name!(listed, bool),
            name!(events, i64),
            name!(first_seen, Option<TimestampWithTimeZone>),
            name!(last_seen, Option<TimestampWithTimeZone>),
            name!(properties, JsonB),
        ),
    >,
    ErrorReport,
> {
    let key = required(
        group_key,
        "group_key",
        "A registered group key, for example 'company_id'.",
    )?;
    let id = required(group_id, "group_id", "The id of a group, for example 'acme'.")?;
    let page = Page::new(after, page_size)?;
    let rows = spi::connect(|sql| group_members_of(sql, (key, id), at, page, project))?;
    let rows = rows
        .into_iter()
        .map(|(id, (listed, events, first, last), properties)| (id, listed, events, first, last, properties));
    Ok(TableIterator::new(rows))
}

#[pg_extern(schema = "analytics_groups", stable, parallel_restricted)]
#[allow(clippy::type_complexity)]
fn user_groups(
    distinct_id: Option<&str>,
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(group_key, String),
            name!(group_id, String),
            name!(listed, bool),
            name!(events, i64),
            name!(first_seen, Option<TimestampWithTimeZone>),
            name!(last_seen, Option<TimestampWithTimeZone>),
            name!(properties, JsonB),
        ),
    >,
    ErrorReport,
> {
    let id = required(distinct_id, "distinct_id", "The id of a user, for example 'user-1'.")?;
    let rows = spi::connect(|sql| user_groups_of(sql, id, project))?;
    let rows = rows
        .into_iter()
        .map(|(key, id, (listed, events, first, last), properties)| (key, id, listed, events, first, last, properties));
    Ok(TableIterator::new(rows))
}
