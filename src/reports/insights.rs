//! insights: events, unique users and unique groups over time, side by side, broken down.

use super::arguments::{self, required};
use super::context::{Context, GROUP_ID};
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::instants::timestamp;
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::registry::{self, Project};
use crate::settings;
use crate::store::scan::{self, Need};
use engine::breakdown::Dimension;
use engine::chunk::{Hits, Kind, USER};
use engine::expr::{Expr, References, Selector, SelectorSpec};
use engine::insights::{Kernel, Measure, Metric, Plan, UsersWhoDid, finish};
use engine::time::{Buckets, Unit};
use pgrx::datum::{Date, TimestampWithTimeZone};
use pgrx::prelude::*;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::sync::Arc;

const METRIC_KEYS: [&str; 6] = ["measure", "by", "label", "property", "percentile", "per"];
const MAX_METRICS: usize = 40;
const MAX_DIMENSIONS: usize = 4;

/// A metric as it was written.
struct MetricSpec {
    selector: SelectorSpec,
    measure: Measure,
    by: Kind,
    label: String,
}

fn text<'j>(metric: &'j Json, key: &str) -> Result<Option<&'j str>> {
    match metric.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(s)) => Ok(Some(s)),
        Some(_) => Err(Failure::param(
            format!("metrics: \"{key}\" must be a string"),
            "For example {\"event\":\"Sign Up\",\"measure\":\"unique\",\"by\":\"company_id\"}.",
        )),
    }
}

/// A, B, … Z, AA, AB …
fn default_label(mut i: usize) -> String {
    let mut label = Vec::new();
    loop {
        label.push(b'A' + (i % 26) as u8);
        if i < 26 {
            break;
        }
        i = i / 26 - 1;
    }
    label.iter().rev().map(|b| char::from(*b)).collect()
}

fn metric(json: &Json, i: usize, project: &Project) -> Result<MetricSpec> {
    let selector = arguments::selector(json, "metrics", &METRIC_KEYS)?;
    let measure = match text(json, "measure")? {
        None | Some("total") => Measure::Total,
        Some("unique") => Measure::Unique,
        Some(
            m @ ("dau" | "wau" | "mau" | "cumulative_unique" | "sessions" | "sum" | "average" | "median" | "percentile"
            | "p25" | "p75" | "p90" | "p95" | "p99" | "min" | "max" | "distinct" | "distribution"),
        ) => return Err(Failure::not_available(format!("the measure \"{m}\""))),
        Some(m) => {
            return Err(Failure::param(
                format!("metrics: unknown measure \"{m}\""),
                "Use total or unique.",
            ));
        }
    };
    for key in ["property", "percentile", "per"] {
        if json.get(key).is_some_and(|v| !v.is_null()) {
            return Err(Failure::not_available(format!("\"{key}\" of a metric")));
        }
    }
    Ok(MetricSpec {
        selector,
        measure,
        by: project.kind(text(json, "by")?.unwrap_or("user"))?,
        label: text(json, "label")?.map_or_else(|| default_label(i), str::to_string),
    })
}

fn metrics(json: &Json, project: &Project) -> Result<Vec<MetricSpec>> {
    let list = match json {
        Json::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    if list.is_empty() || list.len() > MAX_METRICS {
        return Err(Failure::param(
            format!("metrics must have 1 to {MAX_METRICS} entries"),
            "For example '[\"Sign Up\", {\"event\":\"Sign Up\",\"measure\":\"unique\",\"by\":\"company_id\"}]'.",
        ));
    }
    let metrics = list
        .iter()
        .enumerate()
        .map(|(i, m)| metric(m, i, project))
        .collect::<Result<Vec<_>>>()?;
    let labels: BTreeSet<&str> = metrics.iter().map(|m| m.label.as_str()).collect();
    if labels.len() < metrics.len() {
        return Err(Failure::param(
            "metrics: two metrics have the same label",
            "Give each its own \"label\".",
        ));
    }
    Ok(metrics)
}

/// One dimension as it was written.
enum DimensionSpec {
    Event(String),
    User(String),
    Group {
        kind: Kind,
        property: String,
        via_profile: bool,
    },
    UsersWhoDid {
        selector: SelectorSpec,
        at_least: u32,
    },
}

fn dimension(json: &Json, project: &Project) -> Result<DimensionSpec> {
    const HINT: &str = "Use \"country\" (event property), \"user.plan\", \"group.company_id\", \"group.company_id.plan\", or {\"users_who_did\":\"Login\",\"at_least\":1}.";
    match json {
        Json::String(s) => {
            if let Some(p) = s.strip_prefix("user.") {
                return Ok(DimensionSpec::User(p.to_string()));
            }
            if let Some(rest) = s.strip_prefix("group.") {
                // Keys may contain dots: the registered ones decide where the key ends.
                let key = project
                    .keys
                    .iter()
                    .filter(|k| {
                        rest == k.property || rest.strip_prefix(&*k.property).is_some_and(|r| r.starts_with('.'))
                    })
                    .max_by_key(|k| k.property.len());
                let Some(key) = key else {
                    return project
                        .kind(rest.split('.').next().unwrap_or(rest))
                        .and(Err(Failure::param("breakdown", HINT)));
                };
                let property = rest.get(key.property.len() + 1..).unwrap_or(GROUP_ID);
                let (property, via_profile) = match property.strip_suffix("@profile") {
                    Some(p) => (p, true),
                    None => (property, false),
                };
                return Ok(DimensionSpec::Group {
                    kind: key.kind,
                    property: property.to_string(),
                    via_profile,
                });
            }
            if s.starts_with("cohort.") {
                return Err(Failure::not_available("a breakdown by cohort"));
            }
            Ok(DimensionSpec::Event(s.clone()))
        }
        Json::Object(o) => {
            if let Some(selector) = o.get("users_who_did") {
                if let Some(key) = o.keys().find(|k| *k != "users_who_did" && *k != "at_least") {
                    return Err(Failure::param(format!("breakdown: unknown key \"{key}\""), HINT));
                }
                let at_least = match o.get("at_least") {
                    None => 1,
                    Some(n) => n
                        .as_u64()
                        .and_then(|n| u32::try_from(n).ok())
                        .filter(|n| *n > 0)
                        .ok_or_else(|| {
                            Failure::param("breakdown: \"at_least\" must be a whole number of 1 or more", HINT)
                        })?,
                };
                let selector = arguments::selector(selector, "breakdown: users_who_did", &[])?;
                return Ok(DimensionSpec::UsersWhoDid { selector, at_least });
            }
            if o.contains_key("bucket") || o.contains_key("unit") {
                return Err(Failure::not_available("a breakdown into buckets"));
            }
            match (o.get("property"), o.len()) {
                (Some(p @ Json::String(_)), 1) => dimension(p, project),
                _ => Err(Failure::param("breakdown: not a dimension", HINT)),
            }
        }
        _ => Err(Failure::param("breakdown: not a dimension", HINT)),
    }
}

fn dimensions(json: Option<&Json>, project: &Project) -> Result<Vec<DimensionSpec>> {
    let list = match json {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(Json::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    if list.len() > MAX_DIMENSIONS {
        return Err(Failure::param(
            format!("more than {MAX_DIMENSIONS} breakdowns"),
            "Leave some out.",
        ));
    }
    list.iter().map(|d| dimension(d, project)).collect()
}

struct Report<'a> {
    sql: &'a Sql,
    project: &'a Project,
    context: Context<'a>,
    filter: Option<Expr>,
    buckets: Buckets,
    remap: Option<Vec<u32>>,
}

impl Report<'_> {
    /// Dimensions for the kernel; "users who did" runs its own pass over the store.
    fn dimension(&mut self, spec: &DimensionSpec, by: Kind) -> Result<Dimension> {
        Ok(match spec {
            DimensionSpec::Event(p) => Dimension::EventProperty(self.context.load_property(p)?),
            DimensionSpec::User(p) => Dimension::UserProfile(self.context.load_user(p)?),
            DimensionSpec::Group {
                kind,
                property,
                via_profile,
            } => Dimension::GroupProperty {
                kind: *kind,
                column: self.context.load_group(*kind, property)?,
                membership: self.context.load_membership(*kind)?,
                via_profile: *via_profile,
            },
            DimensionSpec::UsersWhoDid { selector, at_least } => {
                let bound = selector.bind(&self.context, by, None)?;
                let mut kernel = UsersWhoDid::new(
                    by,
                    *at_least,
                    &self.buckets,
                    self.remap.as_deref(),
                    settings::query_memory(),
                )?;
                let need = need([&bound].into_iter(), [by], &[]);
                scan::scan(self.sql, self.project, &need, self.buckets.range, &mut |chunk, keep| {
                    let hits = bound.hits(chunk, keep, by, &mut Interrupts)?;
                    Ok(kernel.push(chunk, &hits, &mut Interrupts)?)
                })?;
                Dimension::UsersWhoDid(Arc::new(kernel.finish()?))
            }
        })
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
        match d {
            Dimension::EventProperty(p) if *p != 0 => drop(properties.insert(*p)),
            Dimension::GroupProperty { kind, .. } | Dimension::GroupId { kind, .. } => drop(kinds.insert(*kind)),
            _ => {}
        }
    }
    Need {
        events,
        kinds: kinds.into_iter().collect(),
        properties: properties.into_iter().collect(),
    }
}

type Row = (String, Vec<String>, TimestampWithTimeZone, Option<f64>);

#[allow(clippy::too_many_arguments)]
fn run(
    sql: &Sql,
    metrics_json: &Json,
    from: Option<Date>,
    to: Option<Date>,
    unit: &str,
    breakdown: Option<&Json>,
    filter: Option<&str>,
    top: i32,
    project: Option<&str>,
) -> Result<Vec<Row>> {
    let project = registry::open(sql, project)?;
    let (from_day, to_day) = arguments::range(from, to)?;
    let buckets = project.calendar.buckets(Unit::parse(unit)?, from_day, to_day)?;
    let metrics = metrics(metrics_json, &project)?;
    let dimension_specs = dimensions(breakdown, &project)?;
    let filter = arguments::filter(filter)?;
    let top = usize::try_from(top).ok().filter(|t| *t > 0).ok_or_else(|| {
        Failure::param(
            "top must be 1 or more",
            "It is the number of segments to show; the rest becomes $other.",
        )
    })?;

    let mut specs: Vec<&SelectorSpec> = metrics.iter().map(|m| &m.selector).collect();
    for d in &dimension_specs {
        if let DimensionSpec::UsersWhoDid { selector, .. } = d {
            specs.push(selector);
        }
    }
    let references = filter.as_ref().map_or_else(References::default, Expr::references);
    let context = Context::new(sql, &project, &specs, references)?;
    arguments::notice_unknown(&context, &specs)?;
    let remap = context.remap()?;
    let mut report = Report {
        sql,
        project: &project,
        context,
        filter,
        buckets,
        remap,
    };

    let by = metrics.first().map_or(USER, |m| m.by);
    let breakdown = dimension_specs
        .iter()
        .map(|d| report.dimension(d, by))
        .collect::<Result<Vec<_>>>()?;
    let selectors = metrics
        .iter()
        .map(|m| Ok(m.selector.bind(&report.context, m.by, report.filter.as_ref())?))
        .collect::<Result<Vec<_>>>()?;
    let need = need(selectors.iter(), metrics.iter().map(|m| m.by), &breakdown);
    let plan = Plan {
        metrics: metrics
            .iter()
            .map(|m| Metric {
                measure: m.measure,
                by: m.by,
                label: m.label.clone(),
            })
            .collect(),
        buckets: report.buckets.clone(),
        breakdown,
        top,
        remap: report.remap.as_deref(),
        memory_limit: settings::query_memory(),
    };
    let workers = settings::workers();
    let kernels = scan::scan_on(
        sql,
        &project,
        &need,
        plan.buckets.range,
        &workers,
        || Kernel::new(&plan),
        |kernel, chunk, keep, tick| {
            let hits = selectors
                .iter()
                .zip(&metrics)
                .map(|(s, m)| s.hits(chunk, keep, m.by, tick))
                .collect::<engine::error::Result<Vec<Hits>>>()?;
            kernel.push(chunk, &hits, tick)
        },
    )?;
    let partial = engine::parallel::merge(kernels.into_iter().map(Kernel::finish), |a, b| a.merge(b, &plan))?;
    let rows = finish(&plan, partial, &mut Interrupts)?;
    rows.into_iter()
        .map(|r| Ok((r.metric.to_string(), r.segment.to_vec(), timestamp(r.bucket)?, r.value)))
        .collect()
}

#[pg_extern(schema = "analytics_groups", name = "insights", stable, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn insights(
    metrics: Option<Jsonb>,
    from_date: Option<Date>,
    to_date: Option<Date>,
    unit: default!(Option<&str>, "'day'"),
    breakdown: default!(Option<Jsonb>, "NULL"),
    filter: default!(Option<&str>, "NULL"),
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
    let unit = required(unit, "unit", "For example 'day', 'week' or 'range'.")?;
    let top = required(
        top,
        "top",
        "It is the number of segments to show; the rest becomes $other.",
    )?;
    let breakdown = breakdown.map(|b| b.parse("breakdown")).transpose()?;
    let rows = spi::connect(|sql| {
        run(
            sql,
            &metrics,
            from_date,
            to_date,
            unit,
            breakdown.as_ref(),
            filter,
            top,
            project,
        )
    })?;
    Ok(TableIterator::new(rows))
}
