//! funnel_significance: which segments convert better or worse than chance would explain.

use super::question::{Arguments, Question};
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::reports::arguments::required;
use engine::funnel::{Verdict, significance};
use pgrx::datum::{Date, Interval};
use pgrx::prelude::*;

type Row = (
    Vec<String>,
    i64,
    i64,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    bool,
    Option<String>,
);

const HINT: &str = "For example breakdown => '[\"country\"]', control => '{us}'.";

fn run(sql: &Sql, question: &Question, control: Option<&[String]>) -> Result<Vec<Row>> {
    let found = question.ask(sql, None, |plan, counts| {
        significance(plan, counts, control, &mut Interrupts)
    })?;
    Ok(found
        .into_iter()
        .map(|r| {
            let verdict = match r.verdict {
                Verdict::Higher => Some("higher"),
                Verdict::Lower => Some("lower"),
                Verdict::NotSignificant => Some("not significant"),
                Verdict::InsufficientSamples => Some("insufficient samples"),
                Verdict::Nothing => None,
            };
            (
                r.segment.to_vec(),
                r.entered as i64,
                r.converted as i64,
                r.conversion,
                r.p_value,
                r.p_value.map(|p| 1.0 - p),
                matches!(r.verdict, Verdict::Higher | Verdict::Lower),
                verdict.map(str::to_string),
            )
        })
        .collect())
}

#[pg_extern(
    schema = "analytics_groups",
    name = "funnel_significance",
    stable,
    parallel_restricted
)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn funnel_significance(
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
    control: default!(Option<Vec<Option<String>>>, "NULL"),
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(segment, Vec<String>),
            name!(entered, i64),
            name!(converted, i64),
            name!(conversion, Option<f64>),
            name!(p_value, Option<f64>),
            name!(confidence, Option<f64>),
            name!(significant, bool),
            name!(verdict, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let control = control
        .map(|c| {
            c.into_iter()
                .map(|t| required(t, "a text of control", HINT))
                .collect::<Result<Vec<_>>>()
        })
        .transpose()?;
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
    if !question.is_broken_down() {
        let message = "significance compares segments, and there is no breakdown";
        return Err(Failure::param(message, HINT).into());
    }
    let rows = spi::connect(|sql| run(sql, &question, control.as_deref()))?;
    Ok(TableIterator::new(rows))
}
