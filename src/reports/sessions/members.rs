//! sessions_members: who had the sessions of an interval, or of a segment of it.

use super::{Question, ask, definition, most};
use crate::error::Result;
use crate::pg::ErrorReport;
use crate::pg::instants::to_ms;
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::registry::Project;
use crate::reports::arguments::required;
use crate::reports::members::{self, Page};
use engine::chunk::{Kind, SubjectNo};
use engine::sessions::{Had, Partial, Plan, SegmentCounts, Segmented, members as find, segment_members};
use pgrx::JsonB;
use pgrx::datum::{Date, Interval, TimestampWithTimeZone};
use pgrx::prelude::*;

fn run(
    sql: &Sql,
    q: &Question,
    segment: Option<Vec<Option<String>>>,
    bucket: i64,
    page: Page,
) -> Result<Vec<(String, i64, i64, JsonB)>> {
    let rows = |project: &Project, by: Kind, found: &[(SubjectNo, Had)]| {
        let rows = members::rows(sql, project, by, found, page)?;
        let columns =
            |(id, had, properties): (String, Had, JsonB)| (id, had.sessions as i64, had.events as i64, properties);
        Ok(rows.into_iter().map(columns).collect())
    };
    let texts = |dimensions: usize| members::segment(segment.clone(), dimensions);
    let whole = |project: &Project, by: Kind, plan: &Plan, partial: Partial| {
        texts(0)?;
        rows(project, by, &find(plan, partial, bucket, &mut Interrupts)?)
    };
    let segments = |project: &Project, question: &Segmented, counts: SegmentCounts| {
        let segment = texts(question.features.len())?;
        let found = segment_members(question, counts, &segment, &mut Interrupts)?;
        rows(project, question.by, &found)
    };
    ask(sql, q, Some(bucket), whole, segments)
}

#[pg_extern(schema = "analytics_groups", name = "sessions_members", stable, parallel_restricted)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn sessions_members(
    from_date: Option<Date>,
    to_date: Option<Date>,
    by: default!(Option<&str>, "'user'"),
    unit: default!(Option<&str>, "'day'"),
    timeout: default!(Option<Interval>, "'30 minutes'"),
    starts: default!(Option<Jsonb>, "NULL"),
    ends: default!(Option<Jsonb>, "NULL"),
    property: default!(Option<&str>, "NULL"),
    filter: default!(Option<&str>, "NULL"),
    breakdown: default!(Option<Jsonb>, "NULL"),
    top: default!(Option<i32>, "200"),
    segment: default!(Option<Vec<Option<String>>>, "NULL"),
    bucket: default!(Option<TimestampWithTimeZone>, "NULL"),
    after: default!(Option<&str>, "NULL"),
    page_size: default!(Option<i32>, "NULL"),
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(id, String),
            name!(sessions, i64),
            name!(events, i64),
            name!(properties, JsonB),
        ),
    >,
    ErrorReport,
> {
    let timeout = required(
        timeout,
        "timeout",
        "A gap longer than it ends a session, for example '30 minutes'.",
    )?;
    let starts = starts.map(|s| s.parse("starts")).transpose()?;
    let ends = ends.map(|s| s.parse("ends")).transpose()?;
    let question = Question {
        range: (from_date, to_date),
        by: required(by, "by", "Count by 'user' or a registered group key.")?,
        unit: required(unit, "unit", "For example 'day', 'week' or 'range'.")?,
        definition: definition(&timeout, starts, ends, property)?,
        filter,
        breakdown: breakdown.map(|b| b.parse("breakdown")).transpose()?,
        top: most(top)?,
        project,
    };
    let bucket = required(bucket, "bucket", "It is the column \"bucket\" of the report's row.")?;
    let page = Page::new(after, page_size)?;
    let rows = spi::connect(|sql| run(sql, &question, segment, to_ms(bucket), page))?;
    Ok(TableIterator::new(rows))
}
