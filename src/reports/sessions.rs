//! sessions: how often users, or groups, came, how long they stayed and how much they did.

mod members;

use super::arguments::{self, required};
use super::context::Context;
use super::insights::need;
use super::stream::{self, Order};
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::instants::{interval, milliseconds, timestamp};
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::registry::event_names::EventNames;
use crate::registry::{self, Project};
use crate::settings;
use crate::store::scan;
use crate::store::stream::Reading;
use engine::chunk::{Kind, USER};
use engine::expr::{Expr, References, SelectorSpec};
use engine::sessions::{EventKernel, Marks, Mode, Partial, Plan, StreamKernel, finish};
use engine::time::Unit;
use pgrx::datum::{Date, Interval, TimestampWithTimeZone};
use pgrx::prelude::*;
use serde_json::Value as Json;

type Row = (
    Vec<String>,
    TimestampWithTimeZone,
    i64,
    Option<f64>,
    Option<Interval>,
    Option<Interval>,
);

const USUAL_TIMEOUT: i64 = 30 * 60 * 1000;

/// What makes a session, as it was asked for.
struct Definition {
    mode: Mode,
    starts: Option<SelectorSpec>,
    ends: Option<SelectorSpec>,
    property: Option<String>,
}

fn definition(
    timeout: &Interval,
    starts: Option<Json>,
    ends: Option<Json>,
    property: Option<&str>,
) -> Result<Definition> {
    let timeout = milliseconds(timeout);
    if timeout < 0 {
        return Err(Failure::param(
            "timeout must not be negative",
            "A gap longer than it ends a session, for example '30 minutes'.",
        ));
    }
    let mode = match (&starts, &ends, property) {
        (None, None, None) => Mode::Timeout(timeout),
        (Some(_), Some(_), None) => Mode::Events,
        (None, None, Some(_)) => Mode::Property,
        (Some(_), None, None) | (None, Some(_), None) => {
            return Err(Failure::param(
                "starts and ends belong together",
                "For example starts => '\"Login\"', ends => '\"Logout\"'.",
            ));
        }
        _ => {
            return Err(Failure::param(
                "sessions are made by starts and ends, or by a property, not by both",
                "Leave one of them out.",
            ));
        }
    };
    if !matches!(mode, Mode::Timeout(_)) && timeout != USUAL_TIMEOUT {
        return Err(Failure::param(
            "timeout is for sessions that end by inactivity",
            "Leave out timeout, or leave out starts, ends and property.",
        ));
    }
    let selector = |json: Option<Json>, name| json.map(|j| arguments::selector(&j, name, &[])).transpose();
    Ok(Definition {
        mode,
        starts: selector(starts, "starts")?,
        ends: selector(ends, "ends")?,
        property: property.map(str::to_string),
    })
}

/// What is asked, apart from the project.
struct Question<'a> {
    range: (Option<Date>, Option<Date>),
    by: &'a str,
    unit: &'a str,
    definition: Definition,
    filter: Option<&'a str>,
    project: Option<&'a str>,
}

/// Gathers sessions, or where `who` asks for it the events they are made of, for `answer`.
fn ask<R>(
    sql: &Sql,
    q: &Question,
    who: bool,
    answer: impl FnOnce(&Project, Kind, &Plan, Partial) -> Result<R>,
) -> Result<R> {
    let definition = &q.definition;
    let project = registry::open(sql, q.project)?;
    let (from_day, to_day) = arguments::range(q.range.0, q.range.1)?;
    let by = project.kind(q.by)?;
    let filter = arguments::filter(q.filter)?;
    let buckets = project.calendar.buckets(Unit::parse(q.unit)?, from_day, to_day)?;
    let refs: Vec<&SelectorSpec> = definition.starts.iter().chain(&definition.ends).collect();
    let references = filter.as_ref().map_or_else(References::default, Expr::references);
    let mut context = Context::new(sql, &project, &refs, references)?;
    arguments::notice_unknown(&context, &refs)?;
    let property = match &definition.property {
        Some(p) => Some(context.load_property(p)?),
        None => None,
    };
    let remap = context.remap()?;
    let names = EventNames::read(sql, &project, false)?;
    let mut plan = Plan::new(definition.mode, &project.calendar, from_day, to_day, buckets)?;
    plan.excluded = names.no_activity();
    plan.remap = remap.as_deref();
    plan.memory_limit = settings::query_memory();
    let workers = settings::workers();
    let by_stream =
        matches!(definition.mode, Mode::Timeout(_)) && by == USER && remap.is_none() && filter.is_none() && !who;
    let partials: Vec<Partial> = if by_stream {
        let columns = StreamKernel::new(&plan)?.columns();
        let reading = Reading::open(sql, &project, &names.ranks, from_day, to_day)?;
        let kernels = stream::walk(
            reading,
            &names.ranks,
            columns,
            Order::Any,
            &workers,
            || StreamKernel::new(&plan),
            |kernel, piece, part, tick| kernel.push(project.calendar.day_start(piece.day)?, part, tick),
        )?;
        kernels.into_iter().map(StreamKernel::finish).collect()
    } else {
        let everything = context.bind(&SelectorSpec::parse(&Json::from("$any"))?, by, filter.as_ref())?;
        let bind = |s: &Option<SelectorSpec>| s.as_ref().map(|s| context.bind(s, by, None)).transpose();
        let (starts, ends) = (bind(&definition.starts)?, bind(&definition.ends)?);
        // What a start or an end names is meant, hidden or not.
        let alternatives = starts.iter().chain(&ends).flat_map(|s| &s.alternatives);
        for event in alternatives.filter_map(|a| a.event) {
            if let Some(excluded) = plan.excluded.get_mut(event as usize) {
                *excluded = false;
            }
        }
        let plan = &plan;
        let mut need = need([&everything].into_iter().chain(&starts).chain(&ends), [by], &[]);
        need.properties.extend(property);
        need.properties.sort_unstable();
        need.properties.dedup();
        let kernels = scan::scan_on(
            sql,
            &project,
            &need,
            plan.buckets.range,
            &workers,
            || EventKernel::new(plan, by, &names.ranks),
            |kernel, chunk, keep, tick| {
                let hits = everything.hits(chunk, keep, by, tick)?;
                let marks = match (&starts, &ends, property) {
                    (Some(s), Some(e), _) => {
                        Marks::Events(s.hits(chunk, keep, by, tick)?, e.hits(chunk, keep, by, tick)?)
                    }
                    (_, _, Some(p)) => Marks::Property(p),
                    _ => Marks::None,
                };
                kernel.push(chunk, &hits, &marks, tick)
            },
        )?;
        kernels.into_iter().map(EventKernel::finish).collect()
    };
    let partial = engine::parallel::merge(partials.into_iter(), |a, b| a.merge(b, &plan))?;
    answer(&project, by, &plan, partial)
}

fn run(sql: &Sql, q: &Question) -> Result<Vec<Row>> {
    ask(sql, q, false, |_, _, plan, partial| {
        finish(plan, partial, &settings::workers(), &mut Interrupts)?
            .into_iter()
            .map(|r| {
                let time = |t: Option<f64>| t.and_then(interval);
                Ok((
                    Vec::new(),
                    timestamp(r.bucket)?,
                    r.sessions as i64,
                    r.events_per_session,
                    time(r.avg_duration),
                    time(r.median_duration),
                ))
            })
            .collect()
    })
}

#[pg_extern(schema = "analytics_groups", name = "sessions", stable, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn sessions(
    from_date: Option<Date>,
    to_date: Option<Date>,
    by: default!(Option<&str>, "'user'"),
    unit: default!(Option<&str>, "'day'"),
    timeout: default!(Option<Interval>, "'30 minutes'"),
    starts: default!(Option<Jsonb>, "NULL"),
    ends: default!(Option<Jsonb>, "NULL"),
    property: default!(Option<&str>, "NULL"),
    filter: default!(Option<&str>, "NULL"),
    breakdown: default!(Option<Jsonb>, "NULL"),
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(segment, Vec<String>),
            name!(bucket, TimestampWithTimeZone),
            name!(sessions, i64),
            name!(events_per_session, Option<f64>),
            name!(avg_duration, Option<Interval>),
            name!(median_duration, Option<Interval>),
        ),
    >,
    ErrorReport,
> {
    if breakdown.is_some() {
        Err(Failure::not_available("a breakdown of sessions"))?;
    }
    let by = required(by, "by", "Count by 'user' or a registered group key.")?;
    let unit = required(unit, "unit", "For example 'day', 'week' or 'range'.")?;
    let timeout = required(
        timeout,
        "timeout",
        "A gap longer than it ends a session, for example '30 minutes'.",
    )?;
    let starts = starts.map(|s| s.parse("starts")).transpose()?;
    let ends = ends.map(|s| s.parse("ends")).transpose()?;
    let question = Question {
        range: (from_date, to_date),
        by,
        unit,
        definition: definition(&timeout, starts, ends, property)?,
        filter,
        project,
    };
    let rows = spi::connect(|sql| run(sql, &question))?;
    Ok(TableIterator::new(rows))
}
