//! retention and its kin: of those who did one thing, how many came back, by user or by group.

mod members;
mod question;
mod summary;

use crate::pg::ErrorReport;
use crate::pg::instants::timestamp;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi;
use pgrx::datum::{Date, TimestampWithTimeZone};
use pgrx::prelude::*;
use question::{Arguments, Question};

#[pg_extern(schema = "analytics_groups", name = "retention", stable, parallel_restricted)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn retention(
    born: Option<Jsonb>,
    returned: default!(Option<Jsonb>, "'\"$any\"'"),
    from_date: default!(Option<Date>, "NULL"),
    to_date: default!(Option<Date>, "NULL"),
    by: default!(Option<&str>, "'user'"),
    unit: default!(Option<&str>, "'day'"),
    buckets: default!(Option<i32>, "7"),
    brackets: default!(Option<Vec<Option<i32>>>, "NULL"),
    criterion: default!(Option<&str>, "'on_or_after'"),
    alignment: default!(Option<&str>, "'rolling'"),
    births: default!(Option<&str>, "'every'"),
    measure: default!(Option<&str>, "'rate'"),
    property: default!(Option<&str>, "NULL"),
    breakdown: default!(Option<Jsonb>, "NULL"),
    filter: default!(Option<&str>, "NULL"),
    top: default!(Option<i32>, "200"),
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(segment, Vec<String>),
            name!(cohort, TimestampWithTimeZone),
            name!(size, i64),
            name!(bucket, i32),
            name!(retained, i64),
            name!(value, Option<f64>),
            name!(complete, bool),
        ),
    >,
    ErrorReport,
> {
    let question = Question::new(Arguments {
        born,
        returned,
        from: from_date,
        to: to_date,
        by,
        unit,
        buckets,
        brackets,
        criterion,
        alignment,
        births,
        measure,
        property,
        breakdown,
        filter,
        top,
        project,
    })?;
    let found = spi::connect(|sql| question.ask(sql, |ready| ready.rows()))?;
    let rows = found.into_iter().map(|r| {
        Ok((
            r.segment.to_vec(),
            timestamp(r.cohort)?,
            r.size as i64,
            r.bucket as i32,
            r.retained as i64,
            r.value,
            r.complete,
        ))
    });
    Ok(TableIterator::new(rows.collect::<crate::error::Result<Vec<_>>>()?))
}
