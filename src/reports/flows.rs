//! flows and flow_paths: what users, or groups, do right after an anchor event, and right before it.

mod members;
mod question;

use super::arguments::{self};
use super::context::Context;
use super::insights::{dimensions, need};
use super::session_starts;
use super::stream::{self, Order};
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::registry::event_names::{EventNames, set};
use crate::registry::{self, Project};
use crate::settings;
use crate::store::scan;
use crate::store::stream::Reading;
use engine::breakdown::Dimension;
use engine::chunk::{Hits, Kind, USER};
use engine::expr::{Expr, References, Selector, SelectorSpec};
use engine::flows::{
    Anchor, EventKernel, Journey, JourneyKernel, JourneyPartial, Partial, Paths, Plan, Split, StreamKernel, Trails,
    edges, finish, finish_journeys, top_paths,
};
use engine::parallel::Workers;
use engine::postings::Part;
use engine::stream::Columns;
use engine::time::Span64;
use pgrx::datum::{Date, Interval};
use pgrx::prelude::*;
use question::{AnchorSpec, Arguments, Question, SPLIT_HINT, question};
use serde_json::Value as Json;

/// By event number: what the anchor picks as far as names go, and what it names.
fn picked(spec: &SelectorSpec, anchor: &Selector, names: &EventNames) -> (Vec<bool>, Vec<bool>) {
    let (mut anchors, mut named) = (vec![false; names.ranks.top()], Vec::new());
    for a in &anchor.alternatives {
        match a.event {
            None => anchors.fill(true),
            Some(0) => {}
            Some(event) => set(&mut anchors, event),
        }
    }
    for event in spec.event_names().into_iter().flat_map(|name| names.numbers(name)) {
        set(&mut named, event);
    }
    (anchors, named)
}

/// What is known of the project before events are read.
struct Ground<'a> {
    sql: &'a Sql,
    project: &'a Project,
    by: Kind,
    remap: Option<&'a [u32]>,
    names: &'a EventNames,
    hidden: Vec<bool>,
    entry: Span64,
}

/// Looks up what a question names, and answers it: `simple` where it is about the steps around one anchor, else `all`.
fn ask<R>(
    sql: &Sql,
    q: &Question,
    project: Option<&str>,
    simple: impl FnOnce(&Around) -> Result<R>,
    all: impl FnOnce(&Ways) -> Result<R>,
) -> Result<R> {
    let project = registry::open(sql, project)?;
    let (from_day, to_day) = arguments::range(q.range.0, q.range.1)?;
    let by = project.kind(&q.by)?;
    let selectors = q.anchors.iter().map(|a| &a.selector);
    let refs: Vec<&SelectorSpec> = selectors.chain(q.exclusions.iter().map(|x| &x.0)).collect();
    let references = q.filter.as_ref().map_or_else(References::default, Expr::references);
    let mut context = Context::new(sql, &project, &refs, references)?;
    arguments::notice_unknown(&context, &refs)?;
    let remap = context.remap()?;
    let names = EventNames::read(sql, &project, false)?;
    let mut hidden = names.hidden.clone();
    for name in &q.hide {
        if q.anchors
            .iter()
            .any(|a| a.selector.event_names().contains(&name.as_str()))
        {
            return Err(Failure::param(
                format!("hide names the anchor \"{name}\""),
                "Leave it out, or use collapse => true to see it once where it is repeated.",
            ));
        }
        let events = names.numbers(name);
        if events.is_empty() {
            context.notice_unknown_event(name)?;
        }
        events.into_iter().for_each(|event| set(&mut hidden, event));
    }
    let ground = Ground {
        sql,
        project: &project,
        by,
        remap: remap.as_deref(),
        names: &names,
        hidden,
        entry: project.calendar.days(from_day, to_day)?,
    };
    match q.simple() {
        Some(anchor) => around(&ground, q, anchor, &context, simple),
        None => ways(&ground, q, &mut context, all),
    }
}

/// A question about the steps around one anchor, ready to be asked.
struct Around<'a> {
    ground: &'a Ground<'a>,
    plan: &'a Plan<'a>,
    anchor: Selector,
    /// By event number: what the anchor picks as far as names go.
    anchors: Vec<bool>,
}

fn around<R>(
    ground: &Ground,
    q: &Question,
    spec: &AnchorSpec,
    context: &Context,
    f: impl FnOnce(&Around) -> Result<R>,
) -> Result<R> {
    let anchor = context.bind(&spec.selector, ground.by, None)?;
    let (anchors, named) = picked(&spec.selector, &anchor, ground.names);
    let plan = Plan {
        by: ground.by,
        entry: ground.entry,
        forward: spec.forward,
        reverse: spec.reverse,
        within_ms: q.within_ms,
        collapse: q.collapse,
        count: q.count,
        hidden: ground.hidden.clone(),
        named,
        ranks: ground.names.shown(),
        remap: ground.remap,
        memory_limit: settings::query_memory(),
    };
    plan.check()?;
    f(&Around {
        ground,
        plan: &plan,
        anchor,
        anchors,
    })
}

impl Around<'_> {
    /// How often each path was taken.
    fn paths(&self) -> Result<Paths> {
        let (plan, workers) = (self.plan, settings::workers());
        let unfiltered = self.anchor.is_plain();
        let fits = || {
            let (first, last) = self.days()?;
            Reading::fits(self.ground.sql, self.ground.project, first, last, plan.remap)
        };
        let partial = if plan.by == USER && unfiltered && !self.ground.names.is_merged() && fits()? {
            let partials = self.streamed(&workers)?;
            engine::parallel::merge(partials.into_iter(), |a, b| a.merge(b, plan))?
        } else {
            self.gathered(Part::WHOLE, &workers)?
        };
        Ok(finish(plan, partial, &workers, &mut Interrupts)?)
    }

    /// The first and the last day that is read.
    fn days(&self) -> Result<(i32, i32)> {
        let (span, calendar) = (self.plan.span(), &self.ground.project.calendar);
        Ok((calendar.day_of(span.from)?, calendar.day_of(span.to.saturating_sub(1))?))
    }

    /// Follows users along the stream.
    fn streamed(&self, workers: &Workers) -> Result<Vec<Partial>> {
        let (plan, anchors) = (self.plan, &self.anchors);
        let Ground {
            sql, project, names, ..
        } = *self.ground;
        let reading = Reading::open(sql, project, &names.ranks, self.days()?, plan.remap)?;
        let calendar = &project.calendar;
        let day_start = |day: i32| calendar.day_start(day);
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
            self.ground.sql,
            self.ground.project,
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

/// A question about ways from anchor to anchor, with every option, ready to be asked.
struct Ways<'a> {
    ground: &'a Ground<'a>,
    journey: &'a Journey<'a>,
    selectors: Vec<Selector>,
}

fn ways<R>(ground: &Ground, q: &Question, context: &mut Context, f: impl FnOnce(&Ways) -> Result<R>) -> Result<R> {
    let Ground {
        sql,
        project,
        by,
        remap,
        names,
        ..
    } = *ground;
    let mut held = Vec::new();
    for p in &q.hold {
        held.push(Dimension::EventProperty(context.load_named(p)?));
    }
    let mut splits = Vec::new();
    for (name, json) in &q.splits {
        let event = match name {
            None => None,
            Some(name) => match names.number(name) {
                Some(event) => Some(event),
                None => {
                    context.notice_unknown_event(name)?;
                    continue;
                }
            },
        };
        let list = Json::Array(vec![json.clone()]);
        let specs = dimensions(Some(&list), project).map_err(|e| e.within("split"))?;
        for spec in specs {
            let of = spec.load(context, &project.calendar, by)?;
            let of = of.ok_or_else(|| Failure::param("\"users_who_did\" can not split events", SPLIT_HINT))?;
            splits.push(Split { event, of });
        }
    }
    let everything = SelectorSpec::parse(&Json::from("$any"))?;
    let everything = context.bind(&everything, by, q.filter.as_ref())?.of_every_event();
    let mut selectors = vec![everything];
    let mut anchors = Vec::new();
    for a in &q.anchors {
        let bound = context.bind(&a.selector, by, None).map_err(|e| e.within("anchors"))?;
        anchors.push(Anchor {
            forward: a.forward,
            reverse: a.reverse,
            named: picked(&a.selector, &bound, names).1,
        });
        selectors.push(bound);
    }
    for (x, _) in &q.exclusions {
        selectors.push(context.bind(x, by, None).map_err(|e| e.within("exclude"))?);
    }
    let sessions = match q.by_session {
        true => Some(session_starts::read(sql, project, by, ground.entry, remap)?),
        false => None,
    };
    let journey = Journey {
        by,
        anchors,
        entry: ground.entry,
        within_ms: q.within_ms,
        collapse: q.collapse,
        count: q.count,
        hidden: ground.hidden.clone(),
        exclusions: q.exclusions.iter().map(|x| x.1).collect(),
        held,
        splits,
        ranks: names.shown(),
        remap,
        sessions: sessions.as_ref(),
        memory_limit: settings::query_memory(),
    };
    journey.check()?;
    f(&Ways {
        ground,
        journey: &journey,
        selectors,
    })
}

impl Ways<'_> {
    /// How often each path was taken.
    fn trails(&self) -> Result<Trails> {
        let workers = settings::workers();
        let partial = self.gathered(Part::WHOLE, &workers)?;
        let names = &self.ground.names.names;
        Ok(finish_journeys(
            self.journey,
            names,
            partial,
            &workers,
            &mut Interrupts,
        )?)
    }

    /// Gathers the events of one part of the subjects, or of the sessions.
    fn gathered(&self, part: Part, workers: &Workers) -> Result<JourneyPartial> {
        let (journey, selectors, by) = (self.journey, &self.selectors, self.ground.by);
        let carried: Vec<Dimension> = journey.carried().into_iter().cloned().collect();
        let mut need = need(selectors.iter(), [by], &carried);
        need.events = None;
        // Nothing of a session lies outside of the range.
        let span = match journey.sessions {
            Some(_) => journey.entry,
            None => journey.span(),
        };
        let kernels = scan::scan_on(
            self.ground.sql,
            self.ground.project,
            &need,
            span,
            workers,
            || Ok(JourneyKernel::new(journey)?.only(part)),
            |kernel, chunk, keep, tick| {
                let hits = selectors
                    .iter()
                    .map(|s| s.hits(chunk, keep, by, tick))
                    .collect::<engine::error::Result<Vec<Hits>>>()?;
                kernel.push(chunk, &hits, tick)
            },
        )?;
        let partials = kernels.into_iter().map(JourneyKernel::finish);
        Ok(engine::parallel::merge(partials, |a, b| a.merge(b, journey))?)
    }
}

fn positive(n: Option<i32>, most: i32, name: &str, hint: &str) -> Result<usize> {
    let n = n
        .filter(|n| (1..=most).contains(n))
        .and_then(|n| usize::try_from(n).ok());
    n.ok_or_else(|| Failure::param(format!("{name} must be 1 to {most}"), hint))
}

#[pg_extern(schema = "analytics_groups", name = "flows", stable, parallel_restricted)]
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
    exclude: default!(Option<Jsonb>, "NULL"),
    hold: default!(Option<Vec<Option<String>>>, "NULL"),
    split: default!(Option<Jsonb>, "NULL"),
    filter: default!(Option<&str>, "NULL"),
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
            name!(anchor, i32),
            name!(next_anchor, i32),
            name!(next_step, i32),
        ),
    >,
    ErrorReport,
> {
    let q = question(Arguments {
        anchors,
        range: (from_date, to_date),
        by,
        forward,
        reverse,
        within,
        count,
        collapse,
        hide,
        exclude,
        hold,
        split,
        filter,
    })?;
    let shown = positive(
        rows,
        50,
        "rows",
        "It is the number of events to show per step; the rest becomes $other.",
    )?;
    let edges = spi::connect(|sql| {
        let simple = |a: &Around| {
            let names = &a.ground.names.names;
            Ok(edges(a.plan, &a.paths()?, names, shown, &mut Interrupts)?)
        };
        let all = |w: &Ways| Ok(w.trails()?.edges(shown, &mut Interrupts)?);
        ask(sql, &q, project, simple, all)
    })?;
    let rows: Vec<_> = edges
        .into_iter()
        .map(|e| {
            let kinds = (e.from.kind.to_string(), e.to.kind.to_string());
            let to = (e.next_anchor, e.next_step);
            (
                e.step,
                e.from.event,
                kinds.0,
                e.to.event,
                kinds.1,
                e.count as i64,
                e.anchor,
                to.0,
                to.1,
            )
        })
        .collect();
    Ok(TableIterator::new(rows))
}

#[pg_extern(schema = "analytics_groups", name = "flow_paths", stable, parallel_restricted)]
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
    exclude: default!(Option<Jsonb>, "NULL"),
    hold: default!(Option<Vec<Option<String>>>, "NULL"),
    split: default!(Option<Jsonb>, "NULL"),
    filter: default!(Option<&str>, "NULL"),
    project: default!(Option<&str>, "NULL"),
) -> Result<TableIterator<'static, (name!(path, Vec<String>), name!(count, i64), name!(share, f64))>, ErrorReport> {
    let q = question(Arguments {
        anchors,
        range: (from_date, to_date),
        by,
        forward,
        reverse,
        within,
        count,
        collapse,
        hide,
        exclude,
        hold,
        split,
        filter,
    })?;
    let top = positive(top, 1_000_000, "top", "It is the number of paths to show.")?;
    let rows = spi::connect(|sql| {
        let simple = |a: &Around| {
            let names = &a.ground.names.names;
            Ok(top_paths(a.plan, &a.paths()?, names, top, &mut Interrupts)?)
        };
        ask(sql, &q, project, simple, |w| {
            Ok(w.trails()?.top(top, &mut Interrupts)?)
        })
    })?;
    let rows: Vec<_> = rows.into_iter().map(|r| (r.path, r.count as i64, r.share)).collect();
    Ok(TableIterator::new(rows))
}
