//! funnel and its kin: who went through steps within a window, by user or by group.

mod members;
pub mod question;
mod read;
mod significance;
mod times;
mod trend;

use crate::error::Result;
use crate::pg::ErrorReport;
use crate::pg::instants::interval;
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use engine::funnel::rows;
use pgrx::datum::{Date, Interval};
use pgrx::prelude::*;
use question::{Arguments, Question};

type Row = (
    Vec<String>,
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

fn run(sql: &Sql, question: &Question) -> Result<Vec<Row>> {
    let found = question.ask(sql, None, |plan, counts| rows(plan, counts, &mut Interrupts))?;
    let time = |t: Option<f64>| t.and_then(interval);
    Ok(found
        .into_iter()
        .map(|r| {
            (
                r.segment.to_vec(),
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
            )
        })
        .collect())
}

#[pg_extern(schema = "analytics_groups", name = "funnel", stable, parallel_restricted)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn funnel(
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
    property: default!(Option<&str>, "NULL"),
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(segment, Vec<String>),
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
    let rows = spi::connect(|sql| run(sql, &question))?;
    Ok(TableIterator::new(rows))
}
