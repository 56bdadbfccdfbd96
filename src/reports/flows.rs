//! flows and flow_paths: what users, or groups, do right after an anchor event, and right before it.

mod members;

use super::arguments::{self, required};
use super::context::Context;
use super::insights::need;
use super::stream::{self, Order};
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::instants::milliseconds;
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::registry::event_names::{EventNames, set};
use crate::registry::{self, Project};
use crate::settings;
use crate::store::scan;
use crate::store::stream::Reading;
use engine::chunk::USER;
use engine::expr::{References, Selector, SelectorSpec};
use engine::flows::{Count, EventKernel, MAX_STEPS, Partial, Paths, Plan, StreamKernel, edges, finish, top_paths};
use engine::parallel::Workers;
use engine::postings::Part;
use engine::stream::Columns;
use engine::time::DAY_MS;
use pgrx::datum::{Date, Interval};
use pgrx::prelude::*;
use serde_json::Value as Json;

const ANCHOR_HINT: &str =
    "One event selector: '\"Sign Up\"', or '{\"event\":\"Purchase\",\"filter\":\"properties[\\\"amount\\\"] > 10\"}'.";
/// Longest window.
const MAX_WITHIN: i64 = 366 * DAY_MS;

/// What both functions are asked.
struct Question {
    anchor: SelectorSpec,
    range: (Option<Date>, Option<Date>),
    by: String,
    forward: usize,
    reverse: usize,
    within_ms: i64,
    collapse: bool,
    count: Count,
    hide: Vec<String>,
}

#[allow(clippy::too_many_arguments)]
fn question(
    anchors: Option<Jsonb>,
    range: (Option<Date>, Option<Date>),
    by: Option<&str>,
    forward: Option<i32>,
    reverse: Option<i32>,
    within: Option<Interval>,
    count: Option<&str>,
    collapse: Option<bool>,
    hide: Option<Vec<Option<String>>>,
) -> Result<Question> {
    let anchors = required(anchors, "anchors", ANCHOR_HINT)?.parse("anchors")?;
    let anchor = match &anchors {
        Json::Array(list) => match list.as_slice() {
            [one] => one,
            [] => return Err(Failure::param("anchors must not be empty", ANCHOR_HINT)),
            _ => return Err(Failure::not_available("more than one anchor")),
        },
        one => one,
    };
    let steps = |n: Option<i32>, name: &str| {
        let n = n.and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= MAX_STEPS);
        n.ok_or_else(|| Failure::param(format!("{name} must be 0 to {MAX_STEPS}"), "It is a number of steps."))
    };
    const WITHIN: &str = "How far a step may be from its anchor, for example '7 days'; at most 366 days.";
    let within_ms = milliseconds(&required(within, "within", WITHIN)?);
    if !(0..=MAX_WITHIN).contains(&within_ms) {
        return Err(Failure::param("within must be 0 to 366 days", WITHIN));
    }
    let count = match required(count, "count", "Use 'unique' or 'total'.")? {
        "unique" => Count::Unique,
        "total" => Count::Total,
        "session" | "sessions" => return Err(Failure::not_available("counting flows by session")),
        other => {
            return Err(Failure::param(
                format!("unknown count \"{other}\""),
                "Use 'unique' (the first anchor of everybody) or 'total' (every anchor).",
            ));
        }
    };
    Ok(Question {
        anchor: arguments::selector(anchor, "anchors", &[])?,
        range,
        by: required(by, "by", "Count by 'user' or a registered group key.")?.to_string(),
        forward: steps(forward, "forward")?,
        reverse: steps(reverse, "reverse")?,
        within_ms,
        collapse: required(collapse, "collapse", "true makes equal events one step.")?,
        count,
        hide: hide.into_iter().flatten().flatten().collect(),
    })
}

/// By event number: what the anchor picks as far as names go, and what it names.
fn picked(anchor: &Selector, names: &EventNames) -> (Vec<bool>, Vec<bool>) {
    let (mut anchors, mut named) = (vec![false; names.ranks.top()], Vec::new());
    for a in &anchor.alternatives {
        match a.event {
            None => anchors.fill(true),
            Some(0) => {}
            Some(event) => {
                set(&mut anchors, event);
                set(&mut named, event);
            }
        }
    }
    (anchors, named)
}

/// A question about one project, ready to be asked.
struct Ready<'a> {
    sql: &'a Sql,
    project: &'a Project,
    plan: &'a Plan<'a>,
    anchor: Selector,
    names: &'a EventNames,
    /// By event number: what the anchor picks as far as names go.
    anchors: Vec<bool>,
}

/// Looks up what a question names, and answers it with `f`.
fn ask<R>(sql: &Sql, q: &Question, project: Option<&str>, f: impl FnOnce(&Ready) -> Result<R>) -> Result<R> {
    let project = registry::open(sql, project)?;
    let (from_day, to_day) = arguments::range(q.range.0, q.range.1)?;
    let by = project.kind(&q.by)?;
    let refs = [&q.anchor];
    let context = Context::new(sql, &project, &refs, References::default())?;
    arguments::notice_unknown(&context, &refs)?;
    let anchor = context.bind(&q.anchor, by, None)?;
    let remap = context.remap()?;
    let names = EventNames::read(sql, &project, false)?;
    let (anchors, named) = picked(&anchor, &names);
    let mut hidden = names.hidden.clone();
    for name in &q.hide {
        if q.anchor.event_names().contains(&name.as_str()) {
            return Err(Failure::param(
                format!("hide names the anchor \"{name}\""),
                "Leave it out, or use collapse => true to see it once where it is repeated.",
            ));
        }
        match names.number(name) {
            Some(event) => set(&mut hidden, event),
            None => context.notice_unknown_event(name)?,
        }
    }
    let plan = Plan {
        by,
        entry: project.calendar.days(from_day, to_day)?,
        forward: q.forward,
        reverse: q.reverse,
        within_ms: q.within_ms,
        collapse: q.collapse,
        count: q.count,
        hidden,
        named,
        ranks: &names.ranks,
        remap: remap.as_deref(),
        memory_limit: settings::query_memory(),
    };
    plan.check()?;
    f(&Ready {
        sql,
        project: &project,
        plan: &plan,
        anchor,
        names: &names,
        anchors,
    })
}

impl Ready<'_> {
    /// How often each path was taken.
    fn paths(&self) -> Result<Paths> {
        let (plan, workers) = (self.plan, settings::workers());
        let unfiltered = self.anchor.is_plain();
        let partial = if plan.by == USER && plan.remap.is_none() && unfiltered {
            let partials = self.streamed(&workers)?;
            engine::parallel::merge(partials.into_iter(), |a, b| a.merge(b, plan))?
        } else {
            self.gathered(Part::WHOLE, &workers)?
        };
        Ok(finish(plan, partial, &workers, &mut Interrupts)?)
    }

    /// Follows users along the stream.
    fn streamed(&self, workers: &Workers) -> Result<Vec<Partial>> {
        let (plan, project, names, anchors) = (self.plan, self.project, self.names, &self.anchors);
        let span = plan.span();
        let days = (
            project.calendar.day_of(span.from)?,
            project.calendar.day_of(span.to.saturating_sub(1))?,
        );
        let reading = Reading::open(self.sql, project, &names.ranks, days.0, days.1)?;
        let day_start = |day: i32| project.calendar.day_start(day);
        if StreamKernel::answers(plan) {
            // Where all there is lies within the window, nothing can be late and no time has to be read.
            let times = match reading.extent() {
                Some((first, last)) => {
                    let all = project.calendar.days(first, last)?;
                    all.to.saturating_sub(all.from) > plan.within_ms
                }
                None => false,
            };
            let make = || StreamKernel::new(plan, anchors, times);
            let push = |kernel: &mut StreamKernel,
                        piece: &engine::stream::Piece,
                        part: &_,
                        tick: &mut dyn engine::tick::Tick| {
                kernel.push(piece.part, day_start(piece.day)?, part, tick)
            };
            let columns = make()?.columns();
            stream::walk(reading, &names.ranks, columns, Order::Days, workers, make, push)?
                .into_iter()
                .map(|k| Ok(StreamKernel::finish(k)?))
                .collect()
        } else {
            let make = || EventKernel::new(plan);
            let push = |kernel: &mut EventKernel,
                        piece: &engine::stream::Piece,
                        part: &_,
                        tick: &mut dyn engine::tick::Tick| {
                kernel.push_part(piece.part, day_start(piece.day)?, part, anchors, tick)
            };
            let kernels = stream::walk(reading, &names.ranks, Columns::ALL, Order::Any, workers, make, push)?;
            Ok(kernels.into_iter().map(EventKernel::finish).collect())
        }
    }

    /// Gathers the events of one part of the subjects.
    fn gathered(&self, part: Part, workers: &Workers) -> Result<Partial> {
        let (plan, anchor) = (self.plan, &self.anchor);
        let mut need = need([anchor].into_iter(), [plan.by], &[]);
        need.events = None;
        let kernels = scan::scan_on(
            self.sql,
            self.project,
            &need,
            plan.span(),
            workers,
            || Ok(EventKernel::new(plan)?.only(part)),
            |kernel, chunk, keep, tick| {
                let hits = anchor.hits(chunk, keep, plan.by, tick)?;
                kernel.push(chunk, keep, &hits, tick)
            },
        )?;
        let partials = kernels.into_iter().map(EventKernel::finish);
        Ok(engine::parallel::merge(partials, |a, b| a.merge(b, plan))?)
    }
}

fn positive(n: Option<i32>, most: i32, name: &str, hint: &str) -> Result<usize> {
    let n = n
        .filter(|n| (1..=most).contains(n))
        .and_then(|n| usize::try_from(n).ok());
    n.ok_or_else(|| Failure::param(format!("{name} must be 1 to {most}"), hint))
}

#[pg_extern(schema = "analytics_groups", name = "flows", stable, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn flows(
    anchors: Option<Jsonb>,
    from_date: Option<Date>,
    to_date: Option<Date>,
    by: default!(Option<&str>, "'user'"),
    forward: default!(Option<i32>, "3"),
    reverse: default!(Option<i32>, "0"),
    within: default!(Option<Interval>, "'30 days'"),
    rows: default!(Option<i32>, "3"),
    collapse: default!(Option<bool>, "false"),
    hide: default!(Option<Vec<Option<String>>>, "NULL"),
    count: default!(Option<&str>, "'unique'"),
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(step, i32),
            name!(event, String),
            name!(kind, String),
            name!(next_event, String),
            name!(next_kind, String),
            name!(count, i64),
        ),
    >,
    ErrorReport,
> {
    let range = (from_date, to_date);
    let q = question(anchors, range, by, forward, reverse, within, count, collapse, hide)?;
    let shown = positive(
        rows,
        50,
        "rows",
        "It is the number of events to show per step; the rest becomes $other.",
    )?;
    let edges = spi::connect(|sql| {
        ask(sql, &q, project, |r| {
            Ok(edges(r.plan, &r.paths()?, &r.names.names, shown, &mut Interrupts)?)
        })
    })?;
    let rows: Vec<_> = edges
        .into_iter()
        .map(|e| {
            let kinds = (e.from.kind.to_string(), e.to.kind.to_string());
            (e.step, e.from.event, kinds.0, e.to.event, kinds.1, e.count as i64)
        })
        .collect();
    Ok(TableIterator::new(rows))
}

#[pg_extern(schema = "analytics_groups", name = "flow_paths", stable, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn flow_paths(
    anchors: Option<Jsonb>,
    from_date: Option<Date>,
    to_date: Option<Date>,
    by: default!(Option<&str>, "'user'"),
    forward: default!(Option<i32>, "3"),
    reverse: default!(Option<i32>, "0"),
    within: default!(Option<Interval>, "'30 days'"),
    count: default!(Option<&str>, "'unique'"),
    collapse: default!(Option<bool>, "false"),
    hide: default!(Option<Vec<Option<String>>>, "NULL"),
    top: default!(Option<i32>, "50"),
    project: default!(Option<&str>, "NULL"),
) -> Result<TableIterator<'static, (name!(path, Vec<String>), name!(count, i64), name!(share, f64))>, ErrorReport> {
    let range = (from_date, to_date);
    let q = question(anchors, range, by, forward, reverse, within, count, collapse, hide)?;
    let top = positive(top, 1_000_000, "top", "It is the number of paths to show.")?;
    let rows = spi::connect(|sql| {
        ask(sql, &q, project, |r| {
            Ok(top_paths(r.plan, &r.paths()?, &r.names.names, top, &mut Interrupts)?)
        })
    })?;
    let rows: Vec<_> = rows.into_iter().map(|r| (r.path, r.count as i64, r.share)).collect();
    Ok(TableIterator::new(rows))
}
