//! funnel: who went through steps in order within a window, by user or by group.

use super::arguments::{self, required};
use super::context::Context;
use super::insights::need;
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::instants::{interval, milliseconds};
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::registry;
use crate::settings;
use crate::store::scan;
use engine::chunk::Hits;
use engine::expr::{References, SelectorSpec};
use engine::funnel::{Kernel, Plan, finish_on};
use engine::time::Span64;
use pgrx::datum::{Date, Interval};
use pgrx::prelude::*;
use serde_json::Value as Json;

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
);

const STEPS_HINT: &str =
    "For example '[\"Sign Up\", {\"event\":\"Purchase\",\"filter\":\"properties[\\\"amount\\\"] > 10\"}]'.";

/// How a step is called in the answer: its label, else its event, else the events it takes joined by "or".
fn step_name(json: &Json, spec: &SelectorSpec) -> String {
    if let Some(label) = json.get("label").and_then(Json::as_str) {
        return label.to_string();
    }
    let any = spec.alternatives.iter().any(|a| a.event.is_none());
    if any {
        "$any".to_string()
    } else {
        spec.event_names().join(" or ")
    }
}

#[allow(clippy::too_many_arguments)]
fn run(
    sql: &Sql,
    steps: &Json,
    from: Option<Date>,
    to: Option<Date>,
    by: &str,
    within: &Interval,
    grace: &Interval,
    project: Option<&str>,
) -> Result<Vec<Row>> {
    let project = registry::open(sql, project)?;
    let (from_day, to_day) = arguments::range(from, to)?;
    let by = project.kind(by)?;
    let Json::Array(list) = steps else {
        return Err(Failure::param("steps must be an array of event selectors", STEPS_HINT));
    };
    if list.len() < 2 {
        return Err(Failure::param("a funnel needs at least two steps", STEPS_HINT));
    }
    let specs = list
        .iter()
        .enumerate()
        .map(|(i, s)| arguments::selector(s, &format!("step {}", i + 1), &["label"]))
        .collect::<Result<Vec<_>>>()?;
    let refs: Vec<&SelectorSpec> = specs.iter().collect();
    let context = Context::new(sql, &project, &refs, References::default())?;
    arguments::notice_unknown(&context, &refs)?;
    let remap = context.remap()?;
    let selectors = specs
        .iter()
        .enumerate()
        .map(|(i, s)| {
            s.bind(&context, by, None)
                .map_err(|e| Failure::from(e).within(format!("step {}", i + 1)))
        })
        .collect::<Result<Vec<_>>>()?;

    let entry = project.calendar.days(from_day, to_day)?;
    let plan = Plan {
        steps: list.len(),
        by,
        entry,
        window_ms: milliseconds(within),
        grace_ms: milliseconds(grace),
        remap: remap.as_deref(),
        memory_limit: settings::query_memory(),
    };
    // Entries lie in the range; completion may lie past it, by up to the window.
    let span = Span64 {
        from: entry.from,
        to: entry.to.saturating_add(plan.window_ms),
    };
    let need = need(selectors.iter(), [by], &[]);
    let workers = settings::workers();
    let most = context.most(by)?;
    let kernels = scan::scan_on(
        sql,
        &project,
        &need,
        span,
        &workers,
        || Kernel::new(&plan)?.for_subjects(most),
        |kernel, chunk, keep, tick| {
            let hits = selectors
                .iter()
                .map(|s| s.hits(chunk, keep, by, tick))
                .collect::<engine::error::Result<Vec<Hits>>>()?;
            kernel.push(chunk, &hits, tick)
        },
    )?;
    let partial = engine::parallel::merge(kernels.into_iter().map(Kernel::finish), |a, b| a.merge(b, &plan))?;
    let rows = finish_on(&plan, partial, &workers, &mut Interrupts)?;
    let time = |t: Option<f64>| t.and_then(interval);
    Ok(rows
        .into_iter()
        .zip(list.iter().zip(&specs))
        .map(|(r, (json, spec))| {
            (
                Vec::new(),
                r.step as i32,
                step_name(json, spec),
                r.count as i64,
                r.step_conversion,
                r.overall_conversion,
                time(r.avg_time),
                time(r.median_time),
                time(r.avg_time_from_start),
                time(r.median_time_from_start),
            )
        })
        .collect())
}

#[pg_extern(schema = "analytics_groups", name = "funnel", stable, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn funnel(
    steps: Option<Jsonb>,
    from_date: Option<Date>,
    to_date: Option<Date>,
    by: default!(Option<&str>, "'user'"),
    within: default!(Option<Interval>, "'7 days'"),
    grace: default!(Option<Interval>, "'2 seconds'"),
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
        ),
    >,
    ErrorReport,
> {
    let steps = required(steps, "steps", STEPS_HINT)?.parse("steps")?;
    let by = required(by, "by", "Count by 'user' or a registered group key.")?;
    let within = required(
        within,
        "within",
        "The time from the entry to the last step, for example '7 days'.",
    )?;
    let grace = required(
        grace,
        "grace",
        "How much earlier than the step before it a step may be; '0' turns it off.",
    )?;
    let rows = spi::connect(|sql| run(sql, &steps, from_date, to_date, by, &within, &grace, project))?;
    Ok(TableIterator::new(rows))
}
