//! sessions: how often users, or groups, came, how long they stayed and how much they did.

mod members;

use super::arguments::{self, required};
use super::context::Context;
use super::insights::{DimensionSpec, dimensions, need};
use super::parts::in_parts;
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
use engine::breakdown::{Dimension, Shape};
use engine::chunk::{Kind, USER};
use engine::expr::{Expr, References, SelectorSpec};
use engine::sessions::{
    EventKernel, Feature, Marks, Mode, Partial, Plan, SegmentCounts, SegmentKernel, Segmented, StreamKernel,
    USUAL_TIMEOUT, count_segments, finish, show_segments,
};
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
    Option<Interval>,
);

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

/// What a session is called by itself, as the official clients do.
const DURATION: &str = "$duration_s";
const EVENTS: &str = "$event_count";
const START_EVENT: &str = "$origin_start";
const END_EVENT: &str = "$origin_end";

/// What one dimension of the breakdown says of a session.
fn feature(spec: &DimensionSpec, context: &mut Context, project: &Project, by: Kind) -> Result<Feature> {
    let own = |name: &str, shape: Option<Shape>| {
        Ok(match name {
            DURATION => Some(Feature::Duration(shape)),
            EVENTS => Some(Feature::Events(shape)),
            START_EVENT if shape.is_none() => Some(Feature::StartEvent),
            END_EVENT if shape.is_none() => Some(Feature::EndEvent),
            START_EVENT | END_EVENT => {
                return Err(Failure::param(
                    format!("\"{name}\" has no buckets"),
                    "It is the name of an event; break down by it alone.",
                ));
            }
            _ => None,
        })
    };
    let found = match spec {
        DimensionSpec::Event(name) => own(name, None)?,
        DimensionSpec::Ranges(inner, ranges) => match &**inner {
            DimensionSpec::Event(name) => own(name, Some(Shape::Numbers(ranges.clone())))?,
            _ => None,
        },
        DimensionSpec::Named(inner, named) => match &**inner {
            DimensionSpec::Event(name) => own(name, Some(Shape::Named(named.clone())))?,
            _ => None,
        },
        _ => None,
    };
    if let Some(own) = found {
        return Ok(own);
    }
    let loaded = spec.load(context, &project.calendar, by)?;
    Ok(Feature::Of(loaded.ok_or_else(|| {
        Failure::param(
            "\"users_who_did\" can not break down sessions",
            "Break down by a property of events, users, groups or of the session.",
        )
    })?))
}

/// What is asked, apart from the project.
struct Question<'a> {
    range: (Option<Date>, Option<Date>),
    by: &'a str,
    unit: &'a str,
    definition: Definition,
    filter: Option<&'a str>,
    breakdown: Option<Json>,
    /// Segments to show.
    top: usize,
    project: Option<&'a str>,
}

/// The argument "top".
fn most(top: Option<i32>) -> Result<usize> {
    const TOP: &str = "It is the number of segments to show; the rest becomes $other.";
    let top = usize::try_from(required(top, "top", TOP)?).ok().filter(|t| *t > 0);
    top.ok_or_else(|| Failure::param("top must be 1 or more", TOP))
}

/// Gathers sessions for `whole`, or where `whose` asks for those of a bucket the events they are made of; with a breakdown
/// counts them by segment for `segments`.
fn ask<R>(
    sql: &Sql,
    q: &Question,
    whose: Option<i64>,
    whole: impl FnOnce(&Project, Kind, &Plan, Partial) -> Result<R>,
    segments: impl FnOnce(&Project, &Segmented, SegmentCounts) -> Result<R>,
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
        Some(p) => Some(context.load_named(p)?),
        None => None,
    };
    let specs = dimensions(q.breakdown.as_ref(), &project)?;
    let features = specs.iter().map(|s| feature(s, &mut context, &project, by));
    let features = features.collect::<Result<Vec<_>>>()?;
    let remap = context.remap()?;
    let names = EventNames::read(sql, &project, false)?;
    let mut plan = Plan::new(definition.mode, &project.calendar, from_day, to_day, buckets)?;
    plan.excluded = names.no_activity();
    plan.remap = remap.as_deref();
    plan.memory_limit = settings::query_memory();
    let workers = settings::workers();
    let by_stream = matches!(definition.mode, Mode::Timeout(_)) && by == USER && filter.is_none() && whose.is_none();
    if by_stream
        && features.is_empty()
        && !names.is_merged()
        && Reading::fits(sql, &project, from_day, to_day, plan.remap)?
    {
        let columns = StreamKernel::new(&plan)?.columns();
        let reading = Reading::open(sql, &project, &names.ranks, (from_day, to_day), plan.remap)?;
        let kernels = stream::walk(
            reading,
            &names.ranks,
            columns,
            Order::Any,
            &workers,
            || StreamKernel::new(&plan),
            |kernel, piece, part, tick| kernel.push(project.calendar.day_start(piece.day)?, part, tick),
        )?;
        let partials = kernels.into_iter().map(StreamKernel::finish);
        let partial = engine::parallel::merge(partials, |a, b| a.merge(b, &plan))?;
        return whole(&project, by, &plan, partial);
    }
    let everything = SelectorSpec::parse(&Json::from("$any"))?;
    let everything = context.bind(&everything, by, filter.as_ref())?.of_every_event();
    let bind = |s: &Option<SelectorSpec>| s.as_ref().map(|s| context.bind(s, by, None)).transpose();
    let (starts, ends) = (bind(&definition.starts)?, bind(&definition.ends)?);
    // What a start or an end names is meant, hidden or not.
    let named = definition
        .starts
        .iter()
        .chain(&definition.ends)
        .flat_map(|s| s.event_names());
    for event in named.flat_map(|name| names.numbers(name)) {
        if let Some(excluded) = plan.excluded.get_mut(event as usize) {
            *excluded = false;
        }
    }
    let read: Vec<Dimension> = features
        .iter()
        .filter_map(|f| match f {
            Feature::Of(d) => Some(d.clone()),
            _ => None,
        })
        .collect();
    let mut need = need([&everything].into_iter().chain(&starts).chain(&ends), [by], &read);
    need.properties.extend(property);
    need.properties.sort_unstable();
    need.properties.dedup();
    let marks = |chunk: &_, keep: &_, tick: &mut dyn engine::tick::Tick| {
        Ok::<_, engine::error::Error>(match (&starts, &ends, property) {
            (Some(s), Some(e), _) => Marks::Events(s.hits(chunk, keep, by, tick)?, e.hits(chunk, keep, by, tick)?),
            (_, _, Some(p)) => Marks::Property(p),
            _ => Marks::None,
        })
    };
    let span = plan.buckets.range;
    if features.is_empty() {
        let kernels = scan::scan_on(
            sql,
            &project,
            &need,
            span,
            &workers,
            || EventKernel::new(&plan, by, names.shown()),
            |kernel, chunk, keep, tick| {
                let hits = everything.hits(chunk, keep, by, tick)?;
                kernel.push(chunk, &hits, &marks(chunk, keep, tick)?, tick)
            },
        )?;
        let partials = kernels.into_iter().map(EventKernel::finish);
        let partial = engine::parallel::merge(partials, |a, b| a.merge(b, &plan))?;
        return whole(&project, by, &plan, partial);
    }
    let question = Segmented {
        plan: &plan,
        by,
        ranks: names.shown(),
        names: &names.names,
        features,
        top: q.top,
        whose,
    };
    question.check()?;
    let count = |part| {
        let kernels = scan::scan_on(
            sql,
            &project,
            &need,
            span,
            &workers,
            || Ok(SegmentKernel::new(&question)?.only(part)),
            |kernel, chunk, keep, tick| {
                let hits = everything.hits(chunk, keep, by, tick)?;
                kernel.push(chunk, &hits, &marks(chunk, keep, tick)?, tick)
            },
        )?;
        let partials = kernels.into_iter().map(SegmentKernel::finish);
        let partial = engine::parallel::merge(partials, |a, b| a.merge(b, &question))?;
        Ok(count_segments(&question, partial, &workers, &mut Interrupts)?)
    };
    let counts = in_parts(count, |a, b| Ok(a.merge(b)?))?;
    segments(&project, &question, counts)
}

fn run(sql: &Sql, q: &Question) -> Result<Vec<Row>> {
    let whole = |_: &Project, _: Kind, plan: &Plan, partial: Partial| {
        rows(finish(plan, partial, &settings::workers(), &mut Interrupts)?)
    };
    let segments = |_: &Project, question: &Segmented, counts: SegmentCounts| {
        rows(show_segments(question, counts, &mut Interrupts)?)
    };
    ask(sql, q, None, whole, segments)
}

fn rows(found: Vec<engine::sessions::Row>) -> Result<Vec<Row>> {
    let time = |t: Option<f64>| t.and_then(interval);
    found
        .into_iter()
        .map(|r| {
            Ok((
                r.segment.to_vec(),
                timestamp(r.bucket)?,
                r.sessions as i64,
                r.events_per_session,
                time(r.avg_duration),
                time(r.median_duration),
                time(r.p90_duration),
            ))
        })
        .collect()
}

#[pg_extern(schema = "analytics_groups", name = "sessions", stable, parallel_restricted)]
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
    top: default!(Option<i32>, "200"),
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
            name!(p90_duration, Option<Interval>),
        ),
    >,
    ErrorReport,
> {
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
        breakdown: breakdown.map(|b| b.parse("breakdown")).transpose()?,
        top: most(top)?,
        project,
    };
    let rows = spi::connect(|sql| run(sql, &question))?;
    Ok(TableIterator::new(rows))
}
