//! cohort_members and cohort_size: who is in a cohort, and how many were at the end of each interval.

use super::{find, known_members};
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::instants::timestamp;
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{self, Arg, Sql};
use crate::registry;
use crate::reports::arguments::{self, required};
use crate::reports::context::Inside;
use engine::chunk::USER;
use engine::error::Error;
use engine::tick::{EVERY, Tick};
use engine::time::Unit;
use pgrx::JsonB;
use pgrx::datum::{Date, TimestampWithTimeZone};
use pgrx::prelude::*;

/// Most intervals of one question: each is a look at the events of its own.
const MAX_INTERVALS: usize = 93;

fn members(sql: &Sql, name: &str, project: Option<&str>) -> Result<Vec<(String, JsonB)>> {
    let project = registry::open(sql, project)?;
    let found = find(sql, &project, name, &Inside::now(&project)?)?;
    let kind = found.kind;
    let members = known_members(sql, &project, found, i64::MAX)?;
    let table = if kind == USER {
        "@.user_profile p ON p.no = s.no"
    } else {
        "@.group_profile p ON p.kind = s.kind AND p.no = s.no"
    };
    let rows = sql.read(
        &project.sql(&format!(
            "SELECT s.no, s.id, p.properties::text FROM @.subject s LEFT JOIN {table} WHERE s.kind = $1 ORDER BY s.id"
        )),
        &[Arg::Int2(kind as i16)],
    )?;
    let count = usize::try_from(members.count()).unwrap_or(usize::MAX);
    let mut out = engine::error::try_vec(count.min(rows.len()), "members of a cohort")?;
    for i in 0..rows.len() {
        if i % EVERY == 0 {
            Interrupts.tick()?;
        }
        if !members.contains(u32::try_from(rows.int(i, 0)?).unwrap_or(0)) {
            continue;
        }
        let profile = match rows.get::<&str>(i, 2) {
            Some(text) => serde_json::from_str(text).map_err(|e| Failure::internal(format!("profile: {e}")))?,
            None => serde_json::json!({}),
        };
        out.push((rows.text(i, 1)?.to_string(), JsonB(profile)));
    }
    Ok(out)
}

fn size(
    sql: &Sql,
    name: &str,
    range: (Option<Date>, Option<Date>),
    unit: &str,
    project: Option<&str>,
) -> Result<Vec<(TimestampWithTimeZone, i64)>> {
    let project = registry::open(sql, project)?;
    let (from, to) = arguments::range(range.0, range.1)?;
    let unit = Unit::parse(unit)?;
    if matches!(unit, Unit::Minute | Unit::Hour) {
        return Err(Failure::param(
            "the size of a cohort is known for whole days",
            "Use unit => 'day', 'week', 'month', 'quarter', 'year' or 'range'.",
        ));
    }
    let buckets = project.calendar.buckets(unit, from, to)?;
    if buckets.len() > MAX_INTERVALS {
        return Err(Error::Limit {
            message: format!("more than {MAX_INTERVALS} intervals of a cohort's size"),
            hint: Some("Use a larger unit or a shorter range.".into()),
        }
        .into());
    }
    let now = Inside::now(&project)?;
    let mut out = Vec::new();
    for (i, label) in buckets.labels.iter().enumerate() {
        Interrupts.tick()?;
        let end = buckets.end(i);
        let inside = now.clone().until(project.calendar.day_of(end.saturating_sub(1))?);
        let found = find(sql, &project, name, &inside)?;
        let members = known_members(sql, &project, found, end)?;
        out.push((timestamp(*label)?, members.count() as i64));
    }
    Ok(out)
}

#[pg_extern(schema = "analytics_groups", stable, parallel_restricted)]
fn cohort_members(
    name: Option<&str>,
    project: default!(Option<&str>, "NULL"),
) -> Result<TableIterator<'static, (name!(id, String), name!(properties, JsonB))>, ErrorReport> {
    let name = required(name, "name", "The view cohorts lists them.")?;
    let rows = spi::connect(|sql| members(sql, name, project))?;
    Ok(TableIterator::new(rows))
}

#[pg_extern(schema = "analytics_groups", stable, parallel_restricted)]
#[allow(clippy::type_complexity)]
fn cohort_size(
    name: Option<&str>,
    from_date: Option<Date>,
    to_date: Option<Date>,
    unit: default!(Option<&str>, "'day'"),
    project: default!(Option<&str>, "NULL"),
) -> Result<TableIterator<'static, (name!(bucket, TimestampWithTimeZone), name!(size, i64))>, ErrorReport> {
    let name = required(name, "name", "The view cohorts lists them.")?;
    let unit = required(unit, "unit", "For example 'day', 'week' or 'month'.")?;
    let rows = spi::connect(|sql| size(sql, name, (from_date, to_date), unit, project))?;
    Ok(TableIterator::new(rows))
}
