//! insights_members: who is behind one value of insights.

use super::compare;
use super::{Arguments, Question, Report, need, open};
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::instants::to_ms;
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::registry;
use crate::reports::arguments::{self, required};
use crate::reports::members::{self, Page};
use crate::settings;
use crate::store::scan;
use engine::insights::{Kernel, Measure, Plan, Shown, Smoothing, Timeline, member_metrics};
use engine::time::{Buckets, Span64};
use pgrx::JsonB;
use pgrx::datum::{Date, Interval, TimestampWithTimeZone};
use pgrx::prelude::*;
use std::borrow::Cow;

/// Which value is meant.
struct Cell<'a> {
    metric: Option<&'a str>,
    segment: Option<Vec<Option<String>>>,
    bucket: Option<TimestampWithTimeZone>,
}

/// Id, events, value, properties.
type Out = (String, i64, Option<f64>, JsonB);

fn run(sql: &Sql, metrics: &serde_json::Value, a: &Arguments, cell: Cell, page: Page) -> Result<Vec<Out>> {
    let project = registry::open(sql, a.project)?;
    let days = arguments::range(a.from, a.to)?;
    let (mut report, mut question) = open(sql, &project, metrics, a)?;
    let labels: Vec<&str> = question.metrics.iter().map(|m| m.label.as_str()).collect();
    let (chosen, earlier) = chosen(&labels, cell.metric, a.compare.is_some())?;
    let (Some(metric), true) = (question.metrics.get(chosen).cloned(), chosen < question.specs.len()) else {
        return Err(Failure::internal("a metric that is not there"));
    };
    if metric.profiles {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            "insights_members lists who is behind events, and the metric counts profiles",
            "query_users and query_groups list profiles, with the same filter.",
        ));
    }
    let measure = metric.measure;
    let dimensions = question.dimensions.len();
    let mut segment = members::segment(cell.segment, dimensions + usize::from(measure.is_distribution()))?;
    let value = if measure.is_distribution() { segment.pop() } else { None };

    let trailing = measure.trailing_days().unwrap_or(0);
    let timeline = |days: (i32, i32)| Timeline::new(&project.calendar, question.unit, days.0, days.1, 0, trailing);
    let now = timeline(days)?;
    let n = bucket(&now.buckets, cell.bucket)?;
    let looked_at = match (&a.compare, earlier) {
        (Some(by), true) => timeline(compare::earlier(&project.calendar, by, days)?)?,
        _ => now,
    };
    let Some(span) = instants(&looked_at, measure, n) else {
        return Ok(Vec::new());
    };
    let shown = if members::is_rest(&segment) {
        let rows = report.ask(&question, days, None)?;
        let shown = compare::shown(&rows, dimensions);
        if !shown.rest {
            return Ok(Vec::new());
        }
        shown
    } else {
        Shown {
            segments: vec![segment],
            rest: false,
        }
    };
    question.specs = question.specs.into_iter().skip(chosen).take(1).collect();
    let cell = cell_of(&looked_at, measure, n, span);
    let found = report.members(&question, measure, metric.by, value.as_deref(), cell, shown)?;
    let found: Vec<_> = found.into_iter().map(|m| (m.no, (m.events, m.value))).collect();
    let rows = members::rows(sql, &project, metric.by, &found, page)?;
    Ok(rows
        .into_iter()
        .map(|(id, (events, value), properties)| (id, events as i64, value, properties))
        .collect())
}

/// The metric of a label, and whether its curve of the earlier period is meant.
fn chosen(labels: &[&str], wanted: Option<&str>, compared: bool) -> Result<(usize, bool)> {
    let Some(wanted) = wanted else {
        return match labels {
            [_] => Ok((0, false)),
            _ => Err(Failure::param(
                "metric must be given: the report has several",
                format!("Use one of the labels {}.", labels.join(", ")),
            )),
        };
    };
    let of = |label: &str| labels.iter().position(|l| *l == label);
    if let Some(i) = of(wanted) {
        return Ok((i, false));
    }
    if let Some(i) = wanted.strip_suffix(compare::SUFFIX).filter(|_| compared).and_then(of) {
        return Ok((i, true));
    }
    Err(Failure::param(
        format!("no metric has the label \"{wanted}\""),
        format!(
            "Use one of the labels {}; a formula is made of several numbers, which can be asked for one by one.",
            labels.join(", ")
        ),
    ))
}

/// The interval that begins at an instant.
fn bucket(buckets: &Buckets, at: Option<TimestampWithTimeZone>) -> Result<usize> {
    const HINT: &str = "It is the column \"bucket\" of the report's row; with unit => 'range' it can be left out.";
    let Some(at) = at else {
        return match buckets.len() {
            1 => Ok(0),
            _ => Err(Failure::param("bucket must be given: the report has several", HINT)),
        };
    };
    let at = to_ms(at);
    let found = buckets.labels.iter().position(|l| *l == at);
    found.ok_or_else(|| Failure::param("the report has no interval that begins at bucket", HINT))
}

/// The instants that an interval's value is about.
fn instants(time: &Timeline, measure: Measure, n: usize) -> Option<Span64> {
    let from = *time.buckets.starts.get(n)?;
    let to = time.buckets.end(n);
    if let Some(days) = measure.trailing_days() {
        let last = *time.last_day.get(n)?;
        let first = (last + 1).saturating_sub(days as usize);
        return Some(Span64 {
            from: *time.days.starts.get(first)?,
            to: time.days.end(last),
        });
    }
    let from = match measure {
        Measure::CumulativeUnique => time.buckets.range.from,
        _ => from,
    };
    Some(Span64 { from, to })
}

/// The intervals that are counted for a value: what segments say of groups is about each, also in a running count.
fn cell_of(time: &Timeline, measure: Measure, n: usize, span: Span64) -> Buckets {
    let upto = |of: &[i64]| of.iter().take(n + 1).copied().collect();
    match measure {
        Measure::CumulativeUnique => Buckets {
            labels: upto(&time.buckets.labels),
            starts: upto(&time.buckets.starts),
            range: span,
        },
        _ => Buckets {
            labels: vec![span.from],
            starts: vec![span.from],
            range: span,
        },
    }
}

impl Report<'_> {
    /// Counts one cell by subject: the first metric's, over its intervals.
    fn members(
        &mut self,
        q: &Question,
        measure: Measure,
        by: engine::chunk::Kind,
        value: Option<&str>,
        cell: Buckets,
        shown: Shown,
    ) -> Result<Vec<engine::insights::Member>> {
        let span = cell.range;
        self.time = cell.into();
        let breakdown = q
            .dimensions
            .iter()
            .map(|d| self.dimension(d, by))
            .collect::<Result<Vec<_>>>()?;
        let Some(spec) = q.specs.first() else {
            return Err(Failure::internal("a metric that is not there"));
        };
        let selector = self.context.bind(&spec.selector, by, self.filter.as_ref())?;
        let groups = self.groups(spec)?;
        let mut need = need([&selector].into_iter(), [by], &breakdown);
        need.properties.extend(measure.property());
        need.properties.sort_unstable();
        need.properties.dedup();
        // A trailing window is an interval as any other here.
        let plan = Plan {
            metrics: member_metrics(measure, by),
            time: self.time.clone(),
            breakdown,
            formulas: Vec::new(),
            smoothing: Smoothing::None,
            top: q.top,
            shown: Some(shown),
            remap: self.remap.as_deref(),
            memory_limit: settings::query_memory(),
        };
        let sessions = self.sessions(&plan)?;
        let counted = sessions.iter().flatten().next();
        let kernels = scan::scan_on(
            self.sql,
            self.project,
            &need,
            span,
            &settings::workers(),
            || Ok(Kernel::new(&plan)?.with_sessions(&sessions)),
            |kernel, chunk, keep, tick| {
                let mut keep = Cow::Borrowed(keep);
                if let Some(s) = counted {
                    // What is in no session counts for nothing.
                    keep.to_mut().retain(tick, |row| !s.excludes(chunk.event(row)))?;
                }
                let mut hits = selector.hits(chunk, &keep, by, tick)?;
                if let Some(groups) = &groups {
                    groups.keep(&plan.time.buckets, chunk, &mut hits, tick)?;
                }
                kernel.push(chunk, &vec![hits; plan.metrics.len()], tick)
            },
        )?;
        let partial = engine::parallel::merge(kernels.into_iter().map(Kernel::finish), |a, b| a.merge(b, &plan))?;
        Ok(engine::insights::members(
            &plan,
            measure,
            value,
            counted.map(|s| &**s),
            partial,
            &mut Interrupts,
        )?)
    }
}

#[pg_extern(schema = "analytics_groups", name = "insights_members", stable, parallel_restricted)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn insights_members(
    metrics: Option<Jsonb>,
    from_date: Option<Date>,
    to_date: Option<Date>,
    unit: default!(Option<&str>, "'day'"),
    breakdown: default!(Option<Jsonb>, "NULL"),
    filter: default!(Option<&str>, "NULL"),
    compare: default!(Option<Interval>, "NULL"),
    top: default!(Option<i32>, "200"),
    metric: default!(Option<&str>, "NULL"),
    segment: default!(Option<Vec<Option<String>>>, "NULL"),
    bucket: default!(Option<TimestampWithTimeZone>, "NULL"),
    after: default!(Option<&str>, "NULL"),
    page_size: default!(Option<i32>, "NULL"),
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(id, String),
            name!(events, i64),
            name!(value, Option<f64>),
            name!(properties, JsonB),
        ),
    >,
    ErrorReport,
> {
    let metrics = required(metrics, "metrics", "For example '[\"Sign Up\"]'.")?.parse("metrics")?;
    let arguments = Arguments {
        from: from_date,
        to: to_date,
        unit: required(unit, "unit", "For example 'day', 'week' or 'range'.")?,
        breakdown: breakdown.map(|b| b.parse("breakdown")).transpose()?,
        filter,
        smoothing: Smoothing::None,
        compare,
        formulas: Vec::new(),
        top: required(
            top,
            "top",
            "It is the number of segments to show; the rest becomes $other.",
        )?,
        project,
    };
    let cell = Cell {
        metric,
        segment,
        bucket,
    };
    let page = Page::new(after, page_size)?;
    let rows = spi::connect(|sql| run(sql, &metrics, &arguments, cell, page))?;
    Ok(TableIterator::new(rows))
}
