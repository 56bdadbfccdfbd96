//! funnel_members: who reached a step of a funnel, or dropped out before it.

use super::question::{Arguments, Question};
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::reports::arguments::required;
use crate::reports::members::{self, Page};
use engine::funnel::{Asked, Found, Outcome, find_on};
use pgrx::JsonB;
use pgrx::datum::{Date, Interval};
use pgrx::prelude::*;

type Row = (String, i64, JsonB);

fn run(sql: &Sql, q: &Question, asked: Asked, segment: Option<Vec<Option<String>>>, page: Page) -> Result<Vec<Row>> {
    let rows = q.walk(
        sql,
        None,
        |reading, part| {
            reading.at_once(part, |plan, partial, workers| {
                find_on(plan, partial, asked, workers, &mut Interrupts)
            })
        },
        Found::merge,
        |project, by, plan, found| {
            let segment = members::segment(segment, plan.breakdown.len())?;
            let found = found.finish(plan, asked, &segment, &mut Interrupts)?;
            members::rows(sql, project, by, &found, page)
        },
    )?;
    Ok(rows.into_iter().map(|(id, n, p)| (id, n as i64, p)).collect())
}

fn asked(step: Option<i32>, outcome: Option<&str>) -> Result<Asked> {
    let step = required(step, "step", "It is the number of the report's row, from 1.")?;
    let outcome = match outcome {
        Some("converted") => Outcome::Converted,
        Some("dropped") => Outcome::Dropped,
        other => {
            let value = other.map_or("NULL".into(), |v| format!("\"{v}\""));
            return Err(Failure::param(
                format!("unknown outcome {value}"),
                "Use 'converted' (reached the step) or 'dropped' (reached the step before and not this one).",
            ));
        }
    };
    Ok(Asked {
        step: usize::try_from(step).unwrap_or(0),
        outcome,
    })
}

#[pg_extern(schema = "analytics_groups", name = "funnel_members", stable, parallel_restricted)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn funnel_members(
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
    step: default!(Option<i32>, "1"),
    outcome: default!(Option<&str>, "'converted'"),
    segment: default!(Option<Vec<Option<String>>>, "NULL"),
    after: default!(Option<&str>, "NULL"),
    page_size: default!(Option<i32>, "NULL"),
    project: default!(Option<&str>, "NULL"),
) -> Result<TableIterator<'static, (name!(id, String), name!(times, i64), name!(properties, JsonB))>, ErrorReport> {
    let asked = asked(step, outcome)?;
    let page = Page::new(after, page_size)?;
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
    let rows = spi::connect(|sql| run(sql, &question, asked, segment, page))?;
    Ok(TableIterator::new(rows))
}
