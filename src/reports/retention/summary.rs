//! retention_summary: all complete cohorts as one row.

use super::question::{Arguments, Question, word};
use crate::pg::ErrorReport;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi;
use engine::retention::detail::{Average, summary};
use pgrx::datum::Date;
use pgrx::prelude::*;

#[pg_extern(schema = "analytics_groups", name = "retention_summary", stable, parallel_restricted)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn retention_summary(
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
    average: default!(Option<&str>, "'weighted'"),
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(segment, Vec<String>),
            name!(bucket, i32),
            name!(size, Option<f64>),
            name!(retained, Option<f64>),
            name!(value, Option<f64>),
        ),
    >,
    ErrorReport,
> {
    let averages = [("weighted", Average::Weighted), ("pooled", Average::Pooled)];
    let average = word("average", average, &averages)?;
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
    let found = spi::connect(|sql| {
        question.ask(sql, |ready| {
            let (columns, measure) = (ready.detail.columns(), ready.detail.measure);
            Ok(summary(&ready.rows()?, columns, measure, average)?)
        })
    })?;
    let rows: Vec<_> = found
        .into_iter()
        .map(|r| (r.segment.to_vec(), r.bucket as i32, r.size, r.retained, r.value))
        .collect();
    Ok(TableIterator::new(rows))
}
