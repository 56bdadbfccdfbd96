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

/// Ids that are looked up together.
const PAGE: i64 = 10_000;

type Row = (
    String,
    JsonB,
    Option<TimestampWithTimeZone>,
    Option<TimestampWithTimeZone>,
);

/// First and last event of every subject of a kind, by number; (MAX, MIN) = none.
pub type Seen = Vec<(i64, i64)>;

/// Looks at every event there is.
pub fn seen(sql: &Sql, project: &Project, kind: Kind) -> Result<Seen> {
    let remap = identity::remap(sql, project)?.filter(|_| kind == USER);
    let remap = remap.as_deref();
    let need = Need {
        events: None,
        kinds: if kind == USER { Vec::new() } else { vec![kind] },
        properties: Vec::new(),
        ..Need::default()
    };
    let mut seen: Seen = Vec::new();
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

/// A user or group that is known, by an event or a profile.
pub struct Known {
    pub id: String,
    /// The profile as JSON.
    pub profile: Option<String>,
    /// First and last event.
    pub seen: Option<(i64, i64)>,
}

/// Calls `each` with everybody of a kind whose id comes after `after`, in order of the ids, until it says that this is
/// enough. `only`: of these ids.
pub fn known(
    sql: &Sql,
    project: &Project,
    kind: Kind,
    seen: &Seen,
    (after, only): (&str, Option<&[&str]>),
    each: &mut dyn FnMut(Known) -> Result<bool>,
) -> Result<()> {
    let remap = identity::remap(sql, project)?.filter(|_| kind == USER);
    let table = if kind == USER {
        "@.user_profile p ON p.no = s.no"
    } else {
        "@.group_profile p ON p.kind = s.kind AND p.no = s.no"
    };
    let kind = Arg::Int2(kind as i16);
    let text = |condition: &str| {
        project.sql(&format!(
            "SELECT s.no, s.id, p.properties::text FROM @.subject s LEFT JOIN {table}
             WHERE s.kind = $1 AND s.id > $2 {condition} ORDER BY s.id LIMIT $3"
        ))
    };
    let (mut after, page) = (after.to_string(), Arg::Int(PAGE));
    loop {
        let rows = match only {
            None => sql.read(&text(""), &[kind, Arg::Text(&after), page])?,
            Some(ids) => sql.read(
                &text("AND s.id = ANY($4)"),
                &[kind, Arg::Text(&after), page, Arg::Texts(ids)],
            )?,
        };
        for i in 0..rows.len() {
            if i % EVERY == 0 {
                Interrupts.tick()?;
            }
            let no = u32::try_from(rows.int(i, 0)?).unwrap_or(0);
            // Who was merged into another is that other.
            if canonical(remap.as_deref(), no) != no {
                continue;
            }
            let seen = seen.get(no as usize).copied().filter(|(first, last)| first <= last);
            let profile: Option<&str> = rows.get(i, 2);
            // The dictionary also keeps ids whose profile is gone and that have no event: nobody is there.
            if seen.is_none() && profile.is_none() {
                continue;
            }
            let one = Known {
                id: rows.text(i, 1)?.to_string(),
                profile: profile.map(str::to_string),
                seen,
            };
            if !each(one)? {
                return Ok(());
            }
        }
        match rows.len() {
            n if n < PAGE as usize => return Ok(()),
            n => after = rows.text(n - 1, 1)?.to_string(),
        }
    }
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
    let seen = seen(sql, project, kind)?;
    let mut out = Vec::new();
    known(sql, project, kind, &seen, (after.unwrap_or(""), None), &mut |one| {
        let json: serde_json::Value = match &one.profile {
            Some(text) => serde_json::from_str(text).map_err(|e| Failure::internal(format!("profile: {e}")))?,
            None => serde_json::json!({}),
        };
        if filter
            .as_ref()
            .is_none_or(|f| f.matches(&Value::from_json(&json), &one.id))
        {
            let (first, last) = match one.seen {
                Some((first, last)) => (Some(timestamp(first)?), Some(timestamp(last)?)),
                None => (None, None),
            };
            out.push((one.id, JsonB(json), first, last));
        }
        Ok(out.len() < limit)
    })?;
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
