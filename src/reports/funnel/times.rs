//! funnel_times: how long those who converted took, as a histogram.

use super::question::{Arguments, Question};
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::instants::interval;
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use engine::funnel::times;
use pgrx::datum::{Date, Interval};
use pgrx::prelude::*;

type Row = (Vec<String>, Option<Interval>, Option<Interval>, i64);

fn run(sql: &Sql, question: &Question, buckets: usize) -> Result<Vec<Row>> {
    let found = question.ask(sql, None, |plan, counts| times(plan, counts, buckets, &mut Interrupts))?;
    Ok(found
        .into_iter()
        .map(|r| {
            (
                r.segment.to_vec(),
                interval(r.at_least as f64),
                interval(r.below as f64),
                r.count as i64,
            )
        })
        .collect())
}

#[pg_extern(schema = "analytics_groups", name = "funnel_times", stable, parallel_restricted)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn funnel_times(
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
    buckets: default!(Option<i32>, "20"),
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(segment, Vec<String>),
            name!(at_least, Option<Interval>),
            name!(below, Option<Interval>),
            name!(count, i64),
        ),
    >,
    ErrorReport,
> {
    let buckets = buckets.and_then(|b| usize::try_from(b).ok()).ok_or_else(|| {
        Failure::param(
            "buckets must be 1 or more",
            "buckets => 20 gives at most 20 ranges of one width.",
        )
    })?;
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
        property: None,
        project,
    })?;
    let rows = spi::connect(|sql| run(sql, &question, buckets))?;
    Ok(TableIterator::new(rows))
}
