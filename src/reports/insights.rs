//! insights: events, unique users and unique groups, and aggregates of properties over time, side by side, broken down.

mod compare;
mod dimensions;
mod groups;
mod members;
mod metrics;
mod profiles;
pub mod settled;

use super::arguments::{self, required};
use super::context::{Context, OnDemand};
use super::session_starts;
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::instants::timestamp;
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::registry::{self, Project};
use crate::settings;
use crate::store::identity::Remap;
use crate::store::scan::{self, Need};
pub use dimensions::{DimensionSpec, dimensions};
use engine::breakdown::Dimension;
use engine::chunk::{Kind, USER};
use engine::expr::{Expr, References, Selector, SelectorSpec};
use engine::insights::{Formula, Kernel, Measure, Metric, Plan, Shown, Smoothing, Timeline, finish, unnamed};
use engine::sessions::Starts;
use engine::time::Unit;
use metrics::{MetricSpec, metrics};
use pgrx::datum::{Date, Interval, TimestampWithTimeZone};
use pgrx::prelude::*;
use serde_json::Value as Json;
use settled::Settled;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::Arc;

struct Report<'a> {
    sql: &'a Sql,
    project: &'a Project,
    context: Context<'a>,
    filter: Option<Expr>,
    time: Timeline,
    remap: Remap,
}

impl Report<'_> {
    /// Dimensions for the kernel; "users who did" runs its own pass over the store.
    fn dimension(&mut self, spec: &DimensionSpec, by: Kind) -> Result<Dimension> {
        if let Some(loaded) = spec.load(&mut self.context, &self.project.calendar, by)? {
            return Ok(loaded);
        }
        let DimensionSpec::UsersWhoDid { selector, at_least } = spec else {
            return Err(Failure::internal("a dimension that nothing can load"));
        };
        let table = self.users_who_did(selector, *at_least, by)?;
        Ok(Dimension::UsersWhoDid(Arc::new(table)))
    }
}

/// What the store must deliver for selectors, counted kinds and dimensions.
pub fn need<'s>(
    selectors: impl Iterator<Item = &'s Selector> + Clone,
    by: impl IntoIterator<Item = Kind>,
    breakdown: &[Dimension],
) -> Need {
    let events: Option<Vec<Vec<u32>>> = selectors.clone().map(Selector::events).collect();
    let events = events.map(|lists| {
        lists
            .into_iter()
            .flatten()
            .collect::<BTreeSet<u32>>()
            .into_iter()
            .collect()
    });
    let mut kinds: BTreeSet<Kind> = by.into_iter().filter(|k| *k != USER).collect();
    let mut properties: BTreeSet<u32> = BTreeSet::new();
    for s in selectors {
        kinds.extend(s.kinds());
        properties.extend(s.properties());
    }
    for d in breakdown {
        match d.plain().0 {
            Dimension::EventProperty(p) if *p != 0 => drop(properties.insert(*p)),
            Dimension::Lookup { property, of, .. } => properties.extend([*property, *of]),
            Dimension::GroupProperty { kind, .. }
            | Dimension::GroupId { kind, .. }
            | Dimension::Numbers { kind, .. }
                if *kind != USER =>
            {
                kinds.insert(*kind);
            }
            _ => {}
        }
    }
    Need {
        events,
        kinds: kinds.into_iter().collect(),
        properties: properties.into_iter().collect(),
        cuts: None,
        nobody: false,
    }
}

/// True when a report that counts by these kinds never asks who did an event.
pub fn nobody_matters<'s>(
    mut selectors: impl Iterator<Item = &'s Selector>,
    by: impl IntoIterator<Item = Kind>,
) -> bool {
    by.into_iter().all(|k| k != USER) && !selectors.any(Selector::reads_user)
}

type Row = (String, Vec<String>, TimestampWithTimeZone, Option<f64>);

/// The arguments after the metrics.
struct Arguments<'a> {
    from: Option<Date>,
    to: Option<Date>,
    unit: &'a str,
    breakdown: Option<Json>,
    filter: Option<&'a str>,
    smoothing: Smoothing,
    compare: Option<Interval>,
    formulas: Vec<String>,
    top: i32,
    project: Option<&'a str>,
}

/// What is asked of any range of days.
struct Question {
    specs: Vec<MetricSpec>,
    metrics: Vec<Metric>,
    dimensions: Vec<DimensionSpec>,
    formulas: Vec<Formula>,
    unit: Unit,
    smoothing: Smoothing,
    top: usize,
}

fn run(sql: &Sql, metrics_json: &Json, a: &Arguments) -> Result<Vec<Row>> {
    let project = registry::open(sql, a.project)?;
    let days = arguments::range(a.from, a.to)?;
    let earlier = match &a.compare {
        Some(by) => Some(compare::earlier(&project.calendar, by, days)?),
        None => None,
    };
    let (mut report, question) = open(sql, &project, metrics_json, a)?;
    report.context.on_demand = OnDemand {
        memberships: true,
        // A comparison looks for segments by their texts, which also choose one of several.
        ids: earlier.is_none() && question.metrics.iter().all(|m| m.measure.touch().is_none()),
    };
    let mut rows = report.ask(&question, days, None)?;
    if let Some(earlier) = earlier {
        let labels = project.calendar.buckets(question.unit, days.0, days.1)?.labels;
        let shown = compare::shown(&rows, question.dimensions.len());
        let before = report.ask(&question, earlier, Some(shown))?;
        compare::append(&mut rows, before, &labels)?;
    }
    rows.into_iter()
        .map(|r| Ok((r.metric.to_string(), r.segment.to_vec(), timestamp(r.bucket)?, r.value)))
        .collect()
}

/// Reads the arguments, and what they name.
fn open<'a>(sql: &'a Sql, project: &'a Project, metrics_json: &Json, a: &Arguments) -> Result<(Report<'a>, Question)> {
    let days = arguments::range(a.from, a.to)?;
    let unit = Unit::parse(a.unit)?;
    let specs = metrics(metrics_json, project)?;
    let formulas = formulas(&a.formulas, &specs)?;
    let dimensions = dimensions(a.breakdown.as_ref(), project)?;
    let filter = arguments::filter(a.filter)?;
    let top = usize::try_from(a.top).ok().filter(|t| *t > 0).ok_or_else(|| {
        Failure::param(
            "top must be 1 or more",
            "It is the number of segments to show; the rest becomes $other.",
        )
    })?;

    let mut selectors: Vec<&SelectorSpec> = specs.iter().flat_map(MetricSpec::selectors).collect();
    for d in &dimensions {
        if let DimensionSpec::UsersWhoDid { selector, .. } = d {
            selectors.push(selector);
        }
    }
    if let Some(filter) = filter.as_ref().filter(|_| specs.iter().any(|m| m.profiles)) {
        metrics::only_profiles(filter, "filter")?;
    }
    let references = filter.as_ref().map_or_else(References::default, Expr::references);
    let mut context = Context::new(sql, project, &selectors, references)?;
    arguments::notice_unknown(&context, &selectors)?;
    let metrics = specs
        .iter()
        .map(|m| {
            Ok(Metric {
                measure: match m.measure.bind(&mut context)? {
                    // There is one segment only.
                    Measure::UniqueIn(_) if dimensions.is_empty() => Measure::Unique,
                    measure => measure,
                },
                by: m.by,
                label: m.label.clone(),
                profiles: m.profiles,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    for d in &dimensions {
        // A cohort breaks down what it holds, and so every metric.
        if let DimensionSpec::Cohort(name) = d {
            for m in &metrics {
                context.cohort_dimension(name, m.by)?;
            }
        }
    }
    let remap = context.remap()?;
    let report = Report {
        sql,
        project,
        context,
        filter,
        time: project.calendar.buckets(unit, days.0, days.1)?.into(),
        remap,
    };
    let question = Question {
        specs,
        metrics,
        dimensions,
        formulas,
        unit,
        smoothing: a.smoothing,
        top,
    };
    Ok((report, question))
}

impl Report<'_> {
    /// The answer over a range of days; in the segments `shown`, else in the best.
    fn ask(&mut self, q: &Question, days: (i32, i32), shown: Option<Shown>) -> Result<Vec<engine::insights::Row>> {
        let answer = self.ask_once(q, days, shown.clone());
        if answer.is_err() && self.context.missed_memberships() {
            return self.ask_once(q, days, shown);
        }
        answer
    }

    fn ask_once(&mut self, q: &Question, days: (i32, i32), shown: Option<Shown>) -> Result<Vec<engine::insights::Row>> {
        let trailing = q
            .metrics
            .iter()
            .filter_map(|m| m.measure.trailing_days())
            .max()
            .unwrap_or(0);
        let before = q.smoothing.before();
        self.time = Timeline::new(&self.project.calendar, q.unit, days.0, days.1, before, trailing)?;
        let by = q.metrics.first().map_or(USER, |m| m.by);
        let breakdown = q
            .dimensions
            .iter()
            .map(|d| self.dimension(d, by))
            .collect::<Result<Vec<_>>>()?;
        let mut selectors = Vec::new();
        for spec in &q.specs {
            selectors.push(self.selector(spec)?);
        }
        let groups = q.specs.iter().map(|m| self.groups(m)).collect::<Result<Vec<_>>>()?;
        let profiles = self.profiles(&q.specs)?;
        let mut need = need(selectors.iter(), q.metrics.iter().map(|m| m.by), &breakdown);
        let of_events = q.metrics.iter().filter(|m| !m.profiles);
        need.properties.extend(of_events.filter_map(|m| m.measure.property()));
        need.properties.sort_unstable();
        need.properties.dedup();
        let plan = Plan {
            metrics: q.metrics.clone(),
            time: self.time.clone(),
            breakdown,
            formulas: q.formulas.clone(),
            smoothing: q.smoothing,
            top: q.top,
            shown,
            remap: self.remap.as_deref(),
            memory_limit: settings::query_memory(),
        };
        let workers = settings::workers();
        let span = plan.time.reads();
        let sessions = self.sessions(&plan)?;
        let (sql, project) = (self.sql, self.project);
        let waiting = scan::waiting(sql, project, &need, span)?;
        // What sets stand for is known by event alone.
        let chosen = groups.iter().any(Option::is_some);
        let settled = match chosen {
            true => None,
            false => Settled::read(sql, project, &plan, q.unit, &selectors, &waiting)?,
        };
        // What sets stand for is found by time, and so is the session of an event.
        let at_a_time = |d: &Dimension| matches!(d.plain().0, Dimension::Time(_));
        let in_time = chosen
            || sessions.iter().any(Option::is_some)
            || selectors.iter().any(Selector::reads_time)
            // Which event of an interval is the first is in their times.
            || plan.metrics.iter().any(|m| m.measure.touch().is_some())
            || plan.breakdown.iter().any(at_a_time);
        if settled.is_none() && !in_time {
            need.cuts = Some(plan.time.cuts());
        }
        need.nobody = nobody_matters(selectors.iter(), plan.metrics.iter().map(|m| m.by));
        let mut kernels = Vec::new();
        if let Some(s) = &settled {
            let mut kernel = Kernel::new(&plan)?;
            s.fill(project, &plan, q.unit, kernel.partial())?;
            kernels.push(kernel);
        }
        if !settled.as_ref().is_some_and(Settled::answers_all) {
            kernels.extend(scan::scan_with(
                sql,
                project,
                &need,
                span,
                &waiting,
                &|head| settled.as_ref().is_none_or(|s| s.wants(&selectors, head)),
                &workers,
                || Ok(Kernel::new(&plan)?.with_sessions(&sessions)),
                |kernel, chunk, keep, tick| {
                    let mut hits = Vec::new();
                    for (i, (selector, m)) in selectors.iter().zip(&plan.metrics).enumerate() {
                        let rows = match &settled {
                            Some(s) => s.rows(i, chunk, keep, tick)?,
                            None => Cow::Borrowed(keep),
                        };
                        let mut picked = selector.hits(chunk, &rows, m.by, tick)?;
                        if let Some(Some(only)) = groups.get(i) {
                            only.keep(&plan.time.buckets, chunk, &mut picked, tick)?;
                        }
                        hits.push(picked);
                    }
                    kernel.push(chunk, &hits, tick)
                },
            )?);
        }
        if !profiles.is_empty() {
            let mut kernel = Kernel::new(&plan)?;
            for (metric, of) in &profiles {
                kernel.push_profiles(*metric, of, &mut Interrupts)?;
            }
            kernels.push(kernel);
        }
        let mut partial = engine::parallel::merge(kernels.into_iter().map(Kernel::finish), |a, b| a.merge(b, &plan))?;
        let subjects = unnamed(&plan, &mut partial, &mut Interrupts)?;
        for of_kind in subjects.chunk_by(|a, b| a.0 == b.0) {
            let Some((kind, _)) = of_kind.first() else { continue };
            let numbers: Vec<i64> = of_kind.iter().map(|(_, no)| i64::from(*no)).collect();
            self.context
                .ids_of(*kind, &numbers, &mut |no, id| Ok(partial.name(*kind, no, id)?))?;
        }
        Ok(finish(&plan, partial, &mut Interrupts)?)
    }
}

impl Report<'_> {
    /// The sessions that metrics count: those of each kind are found once, for all the days that the report touches.
    fn sessions(&self, plan: &Plan) -> Result<Vec<Option<Arc<Starts>>>> {
        let mut known: BTreeMap<Kind, Arc<Starts>> = BTreeMap::new();
        let mut all = Vec::new();
        for m in &plan.metrics {
            if m.measure != Measure::Sessions {
                all.push(None);
                continue;
            }
            let of_kind = match known.entry(m.by) {
                Entry::Occupied(of_kind) => of_kind.into_mut(),
                Entry::Vacant(of_kind) => {
                    let range = plan.time.buckets.range;
                    let found = session_starts::read(self.sql, self.project, m.by, range, plan.remap)?;
                    of_kind.insert(Arc::new(found))
                }
            };
            all.push(Some(Arc::clone(of_kind)));
        }
        Ok(all)
    }
}

/// Formulas over the metrics' labels. Their names must differ from these, and from each other.
fn formulas(texts: &[String], metrics: &[MetricSpec]) -> Result<Vec<Formula>> {
    const MAX_CURVES: usize = 40;
    let labels: Vec<&str> = metrics.iter().map(|m| m.label.as_str()).collect();
    if labels.len() + texts.len() > MAX_CURVES {
        return Err(Failure::param(
            format!("more than {MAX_CURVES} metrics and formulas"),
            "Ask for them in two reports.",
        ));
    }
    let mut names: BTreeSet<String> = labels.iter().map(|l| l.to_string()).collect();
    let mut formulas = Vec::new();
    for text in texts {
        let place = || format!("formula \"{text}\"");
        let f = Formula::parse(text, &labels).map_err(|e| Failure::from(e).within(place()))?;
        let list = f
            .metrics()
            .into_iter()
            .filter_map(|m| metrics.get(m))
            .find(|m| m.measure.is_distribution());
        if let Some(m) = list {
            return Err(Failure::param(
                format!("{}: \"{}\" is a distribution, which is no number", place(), m.label),
                "Use another measure of it, such as average or median.",
            ));
        }
        if !names.insert(f.label.clone()) {
            return Err(Failure::param(
                format!("{}: the name \"{}\" is taken", place(), f.label),
                "Give it a name of its own: \"name = A / B\".",
            ));
        }
        formulas.push(f);
    }
    Ok(formulas)
}

/// Rolling averages and running sums exclude each other.
fn smoothing(rolling: Option<i32>, cumulative: Option<bool>) -> Result<Smoothing> {
    let cumulative = required(cumulative, "cumulative", "It is true or false.")?;
    match (rolling, cumulative) {
        (Some(_), true) => Err(Failure::param(
            "rolling and cumulative exclude each other",
            "Use one of them.",
        )),
        (Some(n), false) => Ok(Smoothing::rolling(i64::from(n))?),
        (None, true) => Ok(Smoothing::Cumulative),
        (None, false) => Ok(Smoothing::None),
    }
}

#[pg_extern(schema = "analytics_groups", name = "insights", stable, parallel_restricted)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn insights(
    metrics: Option<Jsonb>,
    from_date: Option<Date>,
    to_date: Option<Date>,
    unit: default!(Option<&str>, "'day'"),
    breakdown: default!(Option<Jsonb>, "NULL"),
    filter: default!(Option<&str>, "NULL"),
    rolling: default!(Option<i32>, "NULL"),
    cumulative: default!(Option<bool>, "false"),
    compare: default!(Option<Interval>, "NULL"),
    formulas: default!(Option<Vec<Option<String>>>, "NULL"),
    top: default!(Option<i32>, "200"),
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(metric, String),
            name!(segment, Vec<String>),
            name!(bucket, TimestampWithTimeZone),
            name!(value, Option<f64>),
        ),
    >,
    ErrorReport,
> {
    let metrics = required(metrics, "metrics", "For example '[\"Sign Up\"]'.")?;
    let metrics = metrics.parse("metrics")?;
    let formulas = formulas
        .unwrap_or_default()
        .into_iter()
        .map(|f| required(f, "a formula", "For example formulas => '{\"stickiness = A / B\"}'."));
    let arguments = Arguments {
        from: from_date,
        to: to_date,
        unit: required(unit, "unit", "For example 'day', 'week' or 'range'.")?,
        breakdown: breakdown.map(|b| b.parse("breakdown")).transpose()?,
        filter,
        smoothing: smoothing(rolling, cumulative)?,
        compare,
        formulas: formulas.collect::<Result<_>>()?,
        top: required(
            top,
            "top",
            "It is the number of segments to show; the rest becomes $other.",
        )?,
        project,
    };
    let rows = spi::connect(|sql| run(sql, &metrics, &arguments))?;
    Ok(TableIterator::new(rows))
}
