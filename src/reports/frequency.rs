//! frequency: in how many hours of a day, or days of a week or month, users or groups are active.

mod members;

use super::active::{self, Activity};
use super::arguments::{self, required};
use super::context::Context;
use crate::error::Result;
use crate::pg::ErrorReport;
use crate::pg::instants::timestamp;
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::registry::{self, Project};
use crate::settings;
use engine::expr::References;
use engine::frequency::{Kernel, Partial, Plan, finish};
use engine::time::Unit;
use pgrx::datum::{Date, TimestampWithTimeZone};
use pgrx::prelude::*;
use serde_json::Value as Json;

type Row = (Vec<String>, TimestampWithTimeZone, i32, i64);

/// What is asked, apart from the project.
struct Question<'a> {
    event: Json,
    range: (Option<Date>, Option<Date>),
    by: &'a str,
    unit: &'a str,
    every: Option<&'a str>,
    cumulative: bool,
    project: Option<&'a str>,
}

impl<'a> Question<'a> {
    fn new(
        event: Option<Jsonb>,
        range: (Option<Date>, Option<Date>),
        by: Option<&'a str>,
        (unit, every): (Option<&'a str>, Option<&'a str>),
        cumulative: Option<bool>,
        project: Option<&'a str>,
    ) -> Result<Self> {
        Ok(Question {
            event: required(event, "event", "'\"$any\"' is any event.")?.parse("event")?,
            range,
            by: required(by, "by", "Count by 'user' or a registered group key.")?,
            unit: required(unit, "unit", "Use 'day', 'week' or 'month'.")?,
            every,
            cumulative: required(
                cumulative,
                "cumulative",
                "false counts exactly so many, true so many or more.",
            )?,
            project,
        })
    }

    /// Gathers who was active when, for `answer`.
    fn ask<R>(&self, sql: &Sql, answer: impl FnOnce(&Project, &Plan, Partial) -> Result<R>) -> Result<R> {
        let project = registry::open(sql, self.project)?;
        let days = arguments::range(self.range.0, self.range.1)?;
        let by = project.kind(self.by)?;
        let unit = Unit::parse(self.unit)?;
        let every = match self.every {
            Some(e) => Unit::parse(e)?,
            None if unit == Unit::Day => Unit::Hour,
            None => Unit::Day,
        };
        let spec = arguments::selector(&self.event, "event", &[])?;
        let context = Context::new(sql, &project, &[&spec], References::default())?;
        arguments::notice_unknown(&context, &[&spec])?;
        let remap = context.remap()?;
        let selector = context.bind(&spec, by, None)?;
        let limit = settings::query_memory();
        let mut plan = Plan::new(by, &project.calendar, (unit, every), days, self.cumulative, limit)?;
        plan.remap = remap.as_deref();
        let plan = plan;
        let activity = Activity {
            by,
            selector: &selector,
            span: plan.reads(),
            whole_days: every == Unit::Day,
            remap: plan.remap,
        };
        let kernels = active::gather(
            sql,
            &project,
            &activity,
            || Kernel::new(&plan),
            |kernel, day, subjects| kernel.partial().add_portable(&plan, day, subjects),
            Kernel::push,
        )?;
        let partial = engine::parallel::merge(kernels.into_iter().map(Kernel::finish), |a, b| a.merge(b, &plan))?;
        answer(&project, &plan, partial)
    }
}

fn run(sql: &Sql, q: &Question) -> Result<Vec<Row>> {
    q.ask(sql, |_, plan, partial| {
        finish(plan, partial, &mut Interrupts)?
            .into_iter()
            .map(|r| Ok((Vec::new(), timestamp(r.bucket)?, r.active as i32, r.count as i64)))
            .collect()
    })
}

#[pg_extern(schema = "analytics_groups", name = "frequency", stable, parallel_restricted)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn frequency(
    event: default!(Option<Jsonb>, "'\"$any\"'"),
    from_date: default!(Option<Date>, "NULL"),
    to_date: default!(Option<Date>, "NULL"),
    by: default!(Option<&str>, "'user'"),
    unit: default!(Option<&str>, "'week'"),
    every: default!(Option<&str>, "NULL"),
    cumulative: default!(Option<bool>, "true"),
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(segment, Vec<String>),
            name!(bucket, TimestampWithTimeZone),
            name!(active, i32),
            name!(count, i64),
        ),
    >,
    ErrorReport,
> {
    let question = Question::new(event, (from_date, to_date), by, (unit, every), cumulative, project)?;
    let rows = spi::connect(|sql| run(sql, &question))?;
    Ok(TableIterator::new(rows))
}
