//! funnel_trend: a funnel of its own for each interval of entries.

use super::question::{Arguments, Question};
use crate::error::Result;
use crate::pg::ErrorReport;
use crate::pg::instants::{interval, timestamp};
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::reports::arguments::required;
use engine::funnel::rows;
use engine::time::Unit;
use pgrx::datum::{Date, Interval, TimestampWithTimeZone};
use pgrx::prelude::*;

type Row = (
    Vec<String>,
    TimestampWithTimeZone,
    i32,
    String,
    i64,
    Option<f64>,
    Option<f64>,
    Option<Interval>,
    Option<Interval>,
    Option<Interval>,
    Option<Interval>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
);

fn run(sql: &Sql, question: &Question, unit: Unit) -> Result<Vec<Row>> {
    let found = question.ask(sql, Some(unit), |plan, counts| rows(plan, counts, &mut Interrupts))?;
    let time = |t: Option<f64>| t.and_then(interval);
    found
        .into_iter()
        .map(|r| {
            Ok((
                r.segment.to_vec(),
                timestamp(r.bucket)?,
                r.step as i32,
                question.names().nth(r.step - 1).unwrap_or_default().to_string(),
                r.count as i64,
                r.step_conversion,
                r.overall_conversion,
                time(r.avg_time),
                time(r.median_time),
                time(r.avg_time_from_start),
                time(r.median_time_from_start),
                r.numbers.map(|n| n.sum),
                r.numbers.and_then(|n| n.average),
                r.numbers.and_then(|n| n.median),
                r.numbers.and_then(|n| n.min),
                r.numbers.and_then(|n| n.max),
            ))
        })
        .collect()
}

#[pg_extern(schema = "analytics_groups", name = "funnel_trend", stable, parallel_restricted)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn funnel_trend(
    steps: Option<Jsonb>,
    from_date: Option<Date>,
    to_date: Option<Date>,
    by: default!(Option<&str>, "'user'"),
    within: default!(Option<Interval>, "'7 days'"),
    count: default!(Option<&str>, "'unique'"),
    ordering: default!(Option<&str>, "'loose'"),
    reentry: default!(Option<&str>, "'default'"),
    exclude: default!(Option<Jsonb>, "NULL"),
    hold: default!(Option<Vec<Option<String>>>, "NULL"),
    breakdown: default!(Option<Jsonb>, "NULL"),
    attribution: default!(Option<&str>, "'first'"),
    filter: default!(Option<&str>, "NULL"),
    grace: default!(Option<Interval>, "'2 seconds'"),
    top: default!(Option<i32>, "200"),
    unit: default!(Option<&str>, "'day'"),
    property: default!(Option<&str>, "NULL"),
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(segment, Vec<String>),
            name!(bucket, TimestampWithTimeZone),
            name!(step, i32),
            name!(event, String),
            name!(count, i64),
            name!(step_conversion, Option<f64>),
            name!(overall_conversion, Option<f64>),
            name!(avg_time, Option<Interval>),
            name!(median_time, Option<Interval>),
            name!(avg_time_from_start, Option<Interval>),
            name!(median_time_from_start, Option<Interval>),
            name!(sum, Option<f64>),
            name!(average, Option<f64>),
            name!(median, Option<f64>),
            name!(min, Option<f64>),
            name!(max, Option<f64>),
        ),
    >,
    ErrorReport,
> {
    let unit = Unit::parse(required(unit, "unit", "For example 'day', 'week' or 'month'.")?)
        .map_err(crate::error::Failure::from)?;
    let question = Question::new(Arguments {
        steps,
        from: from_date,
        to: to_date,
        by,
        within,
        count,
        ordering,
        reentry,
        exclude,
        hold,
        breakdown,
        attribution,
        filter,
        grace,
        top,
        property,
        project,
    })?;
    let rows = spi::connect(|sql| run(sql, &question, unit))?;
    Ok(TableIterator::new(rows))
}
