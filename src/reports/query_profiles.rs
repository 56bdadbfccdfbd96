//! query_users and query_groups: everybody that is known, filtered by profile, page by page.

use super::attributed::ALWAYS;
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::instants::timestamp;
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{self, Arg, Sql};
use crate::registry::{self, Project};
use crate::store::identity;
use crate::store::scan::{self, Need};
use engine::chunk::{Hits, Kind, SubjectNo, USER};
use engine::expr::{ProfileFilter, ProfileScope};
use engine::tick::{EVERY, Tick};
use engine::value::Value;
use pgrx::JsonB;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;

type Row = (
    String,
    JsonB,
    Option<TimestampWithTimeZone>,
    Option<TimestampWithTimeZone>,
);

/// First and last event of every subject of a kind, by number; (MAX, MIN) = none.
fn seen(sql: &Sql, project: &Project, kind: Kind, remap: Option<&[SubjectNo]>) -> Result<Vec<(i64, i64)>> {
    let need = Need {
        events: None,
        kinds: if kind == USER { Vec::new() } else { vec![kind] },
        properties: Vec::new(),
        ..Need::default()
    };
    let mut seen: Vec<(i64, i64)> = Vec::new();
    scan::scan(sql, project, &need, ALWAYS, &mut |chunk, keep| {
        let mut grown = Ok(());
        chunk.for_each_subject(kind, &Hits::rows(keep.clone()), |row, subject| {
            let subject = if kind == USER {
                canonical(remap, subject)
            } else {
                subject
            };
            let (i, t) = (subject as usize, chunk.time.get(row).copied().unwrap_or_default());
            if seen.len() <= i && grown.is_ok() {
                grown = seen.try_reserve(i + 1 - seen.len());
                if grown.is_ok() {
                    seen.resize(i + 1, (i64::MAX, i64::MIN));
                }
            }
            if let Some(s) = seen.get_mut(i) {
                *s = (s.0.min(t), s.1.max(t));
            }
        });
        grown.map_err(|_| engine::error::Error::OutOfMemory("first and last events").into())
    })?;
    Ok(seen)
}

fn canonical(remap: Option<&[SubjectNo]>, user: SubjectNo) -> SubjectNo {
    remap.and_then(|r| r.get(user as usize).copied()).unwrap_or(user)
}

fn query(
    sql: &Sql,
    project: &Project,
    kind: Kind,
    scope: ProfileScope,
    filter: Option<&str>,
    after: Option<&str>,
    page_size: i32,
) -> Result<Vec<Row>> {
    let limit = usize::try_from(page_size).ok().filter(|n| *n > 0).ok_or_else(|| {
        Failure::param(
            "page_size must be 1 or more",
            "Ask for the next page with after => the last id of this one.",
        )
    })?;
    let filter = match filter {
        None => None,
        Some(text) => {
            let expr = engine::expr::parse(text).map_err(|e| Failure::from(e).within("filter"))?;
            Some(ProfileFilter::bind(&expr, scope, &project.calendar)?)
        }
    };
    let remap = identity::remap(sql, project)?.filter(|_| kind == USER);
    let seen = seen(sql, project, kind, remap.as_deref())?;
    let table = if kind == USER {
        "@.user_profile p ON p.no = s.no"
    } else {
        "@.group_profile p ON p.kind = s.kind AND p.no = s.no"
    };
    let rows = sql.read(
        &project.sql(&format!(
            "SELECT s.no, s.id, p.properties::text FROM @.subject s LEFT JOIN {table}
             WHERE s.kind = $1 AND s.id > $2 ORDER BY s.id"
        )),
        &[Arg::Int2(kind as i16), Arg::Text(after.unwrap_or(""))],
    )?;
    let mut out = Vec::new();
    for i in 0..rows.len() {
        if i % EVERY == 0 {
            Interrupts.tick()?;
        }
        if out.len() >= limit {
            break;
        }
        let no = u32::try_from(rows.int(i, 0)?).unwrap_or(0);
        // Who was merged into another is that other.
        if canonical(remap.as_deref(), no) != no {
            continue;
        }
        let span = seen.get(no as usize).copied().filter(|(first, last)| first <= last);
        let profile: Option<&str> = rows.get(i, 2);
        // The dictionary also keeps ids whose profile is gone and that have no event: nobody is there.
        if span.is_none() && profile.is_none() {
            continue;
        }
        let json: serde_json::Value = match profile {
            Some(text) => serde_json::from_str(text).map_err(|e| Failure::internal(format!("profile: {e}")))?,
            None => serde_json::json!({}),
        };
        let id = rows.text(i, 1)?;
        if let Some(f) = &filter
            && !f.matches(&Value::from_json(&json), id)
        {
            continue;
        }
        let (first, last) = match span {
            Some((first, last)) => (Some(timestamp(first)?), Some(timestamp(last)?)),
            None => (None, None),
        };
        out.push((id.to_string(), JsonB(json), first, last));
    }
    Ok(out)
}

#[pg_extern(schema = "analytics_groups", stable, parallel_restricted)]
#[allow(clippy::type_complexity)]
fn query_users(
    filter: default!(Option<&str>, "NULL"),
    after: default!(Option<&str>, "NULL"),
    page_size: default!(Option<i32>, "1000"),
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(id, String),
            name!(properties, JsonB),
            name!(first_seen, Option<TimestampWithTimeZone>),
            name!(last_seen, Option<TimestampWithTimeZone>),
        ),
    >,
    ErrorReport,
> {
    let rows = spi::connect(|sql| {
        let project = registry::open(sql, project)?;
        query(
            sql,
            &project,
            USER,
            ProfileScope::User,
            filter,
            after,
            page_size.unwrap_or(1000),
        )
    })?;
    Ok(TableIterator::new(rows))
}

#[pg_extern(schema = "analytics_groups", stable, parallel_restricted)]
#[allow(clippy::type_complexity)]
fn query_groups(
    group_key: Option<&str>,
    filter: default!(Option<&str>, "NULL"),
    after: default!(Option<&str>, "NULL"),
    page_size: default!(Option<i32>, "1000"),
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(id, String),
            name!(properties, JsonB),
            name!(first_seen, Option<TimestampWithTimeZone>),
            name!(last_seen, Option<TimestampWithTimeZone>),
        ),
    >,
    ErrorReport,
> {
    let rows = spi::connect(|sql| {
        let project = registry::open(sql, project)?;
        let key = group_key.filter(|k| *k != "user").unwrap_or("");
        let kind = project.kind(key)?;
        query(
            sql,
            &project,
            kind,
            ProfileScope::Group(key),
            filter,
            after,
            page_size.unwrap_or(1000),
        )
    })?;
    Ok(TableIterator::new(rows))
}
