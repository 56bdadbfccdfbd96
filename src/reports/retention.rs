//! retention: of those who did one thing, how many came back, by user or by group.

use super::arguments::{self, required};
use super::context::Context;
use super::insights::{need, nobody_matters};
use super::parts::in_parts;
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::instants::timestamp;
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::registry;
use crate::settings;
use crate::store::scan;
use engine::expr::{Expr, References};
use engine::retention::{Alignment, Births, Criterion, Kernel, Plan, Question, count_on, rows};
use engine::time::{Span64, Unit};
use pgrx::datum::{Date, TimestampWithTimeZone};
use pgrx::prelude::*;
use serde_json::Value as Json;

type Row = (Vec<String>, TimestampWithTimeZone, i64, i32, i64, Option<f64>, bool);

/// Picks one of a few words.
fn word<T: Copy>(argument: &str, value: Option<&str>, words: &[(&str, T)]) -> Result<T> {
    let found = words.iter().find(|(w, _)| Some(*w) == value);
    found.map(|(_, t)| *t).ok_or_else(|| {
        let allowed: Vec<String> = words.iter().map(|(w, _)| format!("'{w}'")).collect();
        Failure::param(
            format!(
                "unknown {argument} {}",
                value.map_or("NULL".into(), |v| format!("\"{v}\""))
            ),
            format!("Use one of {}.", allowed.join(", ")),
        )
    })
}

/// The words of the arguments.
struct Options {
    by: String,
    unit: Unit,
    buckets: usize,
    criterion: Criterion,
    alignment: Alignment,
    births: Births,
}

fn run(
    sql: &Sql,
    born: &Json,
    returned: &Json,
    range: (Option<Date>, Option<Date>),
    options: &Options,
    filter: Option<&str>,
    project: Option<&str>,
) -> Result<Vec<Row>> {
    let project = registry::open(sql, project)?;
    let (from_day, to_day) = arguments::range(range.0, range.1)?;
    let by = project.kind(&options.by)?;
    let filter = arguments::filter(filter)?;
    let specs = [
        arguments::selector(born, "born", &[])?,
        arguments::selector(returned, "returned", &[])?,
    ];
    let refs = [&specs[0], &specs[1]];
    let references = filter.as_ref().map_or_else(References::default, Expr::references);
    let context = Context::new(sql, &project, &refs, references)?;
    arguments::notice_unknown(&context, &refs)?;
    let remap = context.remap()?;
    let born = specs[0].bind(&context, by, filter.as_ref())?;
    let returned = specs[1].bind(&context, by, filter.as_ref())?;
    let plan = Plan::new(
        Question {
            by,
            unit: options.unit,
            buckets: options.buckets,
            criterion: options.criterion,
            alignment: options.alignment,
            births: options.births,
            from_day,
            to_day,
            now_ms: crate::ingest::now_ms(),
            remap: remap.as_deref(),
            memory_limit: settings::query_memory(),
        },
        &project.calendar,
    )?;
    let (born_span, returned_span) = plan.reads();
    let span = Span64 {
        from: born_span.from.min(returned_span.from),
        to: born_span.to.max(returned_span.to),
    };
    let mut need = need([&born, &returned].into_iter(), [by], &[]);
    need.nobody = nobody_matters([&born, &returned].into_iter(), [by]);
    let workers = settings::workers();
    let most = context.most(by)?;
    let count = |part| {
        let kernels = scan::scan_on(
            sql,
            &project,
            &need,
            span,
            &workers,
            || Ok(Kernel::new(&plan).for_subjects(most)?.only(part)),
            |kernel, chunk, keep, tick| {
                let b = born.hits(chunk, keep, by, tick)?;
                let r = returned.hits(chunk, keep, by, tick)?;
                kernel.push(chunk, &b, &r, tick)
            },
        )?;
        let partials = kernels.into_iter().map(Kernel::finish).collect::<Result<Vec<_>, _>>()?;
        let partial = engine::parallel::merge(partials.into_iter(), |a, b| a.merge(b, &plan))?;
        Ok(count_on(&plan, partial, &workers, &mut Interrupts)?)
    };
    let counts = in_parts(count, |a, b| Ok(a.merge(b)))?;
    rows(&plan, &counts, &mut Interrupts)?
        .into_iter()
        .map(|r| {
            Ok((
                Vec::new(),
                timestamp(r.cohort)?,
                r.size as i64,
                r.bucket as i32,
                r.retained as i64,
                r.value,
                r.complete,
            ))
        })
        .collect()
}

#[pg_extern(schema = "analytics_groups", name = "retention", stable, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn retention(
    born: Option<Jsonb>,
    returned: default!(Option<Jsonb>, "'\"$any\"'"),
    from_date: default!(Option<Date>, "NULL"),
    to_date: default!(Option<Date>, "NULL"),
    by: default!(Option<&str>, "'user'"),
    unit: default!(Option<&str>, "'day'"),
    buckets: default!(Option<i32>, "7"),
    criterion: default!(Option<&str>, "'on_or_after'"),
    alignment: default!(Option<&str>, "'rolling'"),
    births: default!(Option<&str>, "'every'"),
    filter: default!(Option<&str>, "NULL"),
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
    let born = required(born, "born", "The event that begins, for example '\"Sign Up\"'.")?.parse("born")?;
    let returned = required(
        returned,
        "returned",
        "The event to come back with; '\"$any\"' is any event.",
    )?
    .parse("returned")?;
    let options = Options {
        by: required(by, "by", "Count by 'user' or a registered group key.")?.to_string(),
        unit: word(
            "unit",
            unit,
            &[("day", Unit::Day), ("week", Unit::Week), ("month", Unit::Month)],
        )?,
        buckets: buckets
            .and_then(|b| usize::try_from(b).ok())
            .ok_or_else(|| Failure::param("buckets must be 0 or more", "buckets => 7 gives the buckets 0 to 7."))?,
        criterion: word(
            "criterion",
            criterion,
            &[
                ("on", Criterion::On),
                ("on_or_after", Criterion::OnOrAfter),
                ("on_or_before", Criterion::OnOrBefore),
                ("streak", Criterion::Streak),
            ],
        )?,
        alignment: word(
            "alignment",
            alignment,
            &[("rolling", Alignment::Rolling), ("calendar", Alignment::Calendar)],
        )?,
        births: word("births", births, &[("every", Births::Every), ("first", Births::First)])?,
    };
    let rows = spi::connect(|sql| run(sql, &born, &returned, (from_date, to_date), &options, filter, project))?;
    Ok(TableIterator::new(rows))
}
