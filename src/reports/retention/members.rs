//! retention_members: who of a cohort came back in a bucket, or did not.

use super::question::{Arguments, Question, word};
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::instants::{timestamp, to_ms};
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::reports::members::{self, Page};
use engine::retention::detail::{Asked, Found, Outcome, find_on};
use pgrx::JsonB;
use pgrx::datum::{Date, TimestampWithTimeZone};
use pgrx::prelude::*;

type Row = (String, TimestampWithTimeZone, f64, JsonB);

/// Which number is meant.
struct Cell {
    cohort: Option<TimestampWithTimeZone>,
    bucket: Option<i32>,
    outcome: Outcome,
    segment: Option<Vec<Option<String>>>,
}

fn run(sql: &Sql, q: &Question, cell: Cell, page: Page) -> Result<Vec<Row>> {
    q.ask(sql, |ready| {
        let labels = ready.detail.plan.cohorts();
        let asked = Asked {
            cohort: cohort(labels, cell.cohort)?,
            bucket: cell.bucket.map(|b| usize::try_from(b).unwrap_or(usize::MAX)),
            outcome: cell.outcome,
        };
        if asked.bucket.is_none() && asked.outcome == Outcome::Lost {
            return Err(Failure::param(
                "bucket must be given: one is lost in a bucket",
                "outcome => 'lost' are those who were born and not retained in the bucket.",
            ));
        }
        let segment = members::segment(cell.segment, ready.detail.breakdown.len())?;
        let found = ready.walk(
            |partial, workers| find_on(ready.detail, partial, asked, workers, &mut Interrupts),
            Found::merge,
        )?;
        let found = found.finish(ready.detail, &segment)?;
        let found: Vec<_> = found.into_iter().map(|m| (m.no, (m.born, m.value))).collect();
        members::rows(ready.sql, ready.project, ready.by, &found, page)?
            .into_iter()
            .map(|(id, (born, value), properties)| Ok((id, timestamp(born)?, value, properties)))
            .collect()
    })
}

/// The number of the cohort that begins at an instant.
fn cohort(labels: &[i64], at: Option<TimestampWithTimeZone>) -> Result<usize> {
    const HINT: &str = "It is the column \"cohort\" of the report's row; where there is one it can be left out.";
    let Some(at) = at.map(to_ms) else {
        return match labels.len() {
            1 => Ok(0),
            _ => Err(Failure::param("cohort must be given: the report has several", HINT)),
        };
    };
    let found = labels.iter().position(|l| *l == at);
    found.ok_or_else(|| Failure::param("the report has no cohort that begins there", HINT))
}

#[pg_extern(schema = "analytics_groups", name = "retention_members", stable, parallel_restricted)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn retention_members(
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
    cohort: default!(Option<TimestampWithTimeZone>, "NULL"),
    bucket: default!(Option<i32>, "NULL"),
    outcome: default!(Option<&str>, "'retained'"),
    segment: default!(Option<Vec<Option<String>>>, "NULL"),
    after: default!(Option<&str>, "NULL"),
    page_size: default!(Option<i32>, "NULL"),
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(id, String),
            name!(born_at, TimestampWithTimeZone),
            name!(value, f64),
            name!(properties, JsonB),
        ),
    >,
    ErrorReport,
> {
    let outcomes = [("retained", Outcome::Retained), ("lost", Outcome::Lost)];
    let cell = Cell {
        cohort,
        bucket,
        outcome: word("outcome", outcome, &outcomes)?,
        segment,
    };
    let page = Page::new(after, page_size)?;
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
    let rows = spi::connect(|sql| run(sql, &question, cell, page))?;
    Ok(TableIterator::new(rows))
}
