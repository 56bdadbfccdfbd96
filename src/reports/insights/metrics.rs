//! The metrics argument of insights: from JSON to measures.

use crate::error::{Failure, Result};
use crate::registry::Project;
use crate::reports::arguments;
use crate::reports::context::Context;
use engine::chunk::Kind;
use engine::cohort::Compare;
use engine::expr::{AlternativeSpec, Expr, SelectorSpec};
use engine::insights::{Aggregate, Inner, Measure, PROFILE_PROPERTY, Touch};
use serde_json::Value as Json;
use std::collections::BTreeSet;

const METRIC_KEYS: [&str; 8] = [
    "measure",
    "by",
    "label",
    "property",
    "percentile",
    "per",
    "attribution",
    "groups",
];
const PROFILE_KEYS: [&str; 6] = ["profiles", "measure", "property", "percentile", "filter", "label"];
const MAX_METRICS: usize = 40;
const EXAMPLE: &str = "For example {\"event\":\"Purchase\",\"measure\":\"average\",\"property\":\"amount\"} or {\"event\":\"Login\",\"measure\":\"median\",\"per\":\"total\"}.";

/// A metric as it was written.
pub struct MetricSpec {
    pub selector: SelectorSpec,
    pub measure: MeasureSpec,
    pub by: Kind,
    pub label: String,
    /// Profiles are counted; the selector stands for their filter.
    pub profiles: bool,
    /// Only groups of which so many users did something.
    pub groups: Option<GroupsSpec>,
}

/// A condition on the groups that are counted.
pub struct GroupsSpec {
    pub selector: SelectorSpec,
    /// How often each of the users did it, at least.
    pub times: u32,
    /// The number of these users.
    pub is: Compare,
}

impl MetricSpec {
    /// Everything that picks events for it.
    pub fn selectors(&self) -> impl Iterator<Item = &SelectorSpec> {
        [Some(&self.selector), self.groups.as_ref().map(|g| &g.selector)]
            .into_iter()
            .flatten()
    }
}

/// A measure, with the names of properties instead of their numbers.
pub enum MeasureSpec {
    /// Reads no property.
    Plain(Measure),
    Property(String, Aggregate),
    /// Of a property of profiles.
    OfProfiles(String, Aggregate),
    PerProperty {
        property: String,
        inner: Aggregate,
        outer: Aggregate,
    },
}

impl MeasureSpec {
    /// True when it is a list of values instead of one.
    pub fn is_distribution(&self) -> bool {
        match self {
            MeasureSpec::Plain(m) => m.is_distribution(),
            MeasureSpec::Property(..) | MeasureSpec::OfProfiles(..) => false,
            MeasureSpec::PerProperty { outer, .. } => *outer == Aggregate::Distribution,
        }
    }

    /// The measure, once the properties are known.
    pub fn bind(&self, context: &mut Context) -> Result<Measure> {
        Ok(match self {
            MeasureSpec::Plain(m) => *m,
            MeasureSpec::Property(name, aggregate) => Measure::Property {
                property: context.load_named(name)?,
                aggregate: *aggregate,
            },
            MeasureSpec::OfProfiles(_, aggregate) => Measure::Property {
                property: PROFILE_PROPERTY,
                aggregate: *aggregate,
            },
            MeasureSpec::PerProperty { property, inner, outer } => Measure::PerSubject {
                inner: Inner::Property {
                    property: context.load_named(property)?,
                    aggregate: *inner,
                },
                outer: *outer,
            },
        })
    }
}

fn text<'j>(object: &'j Json, key: &str) -> Result<Option<&'j str>> {
    match object.get(key) {
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

/// An aggregate by its name; `percentile` needs its number beside it.
fn aggregate(name: &str, percentile: Option<&Json>) -> Result<Option<Aggregate>> {
    let found = match name {
        "sum" => Aggregate::Sum,
        "average" => Aggregate::Average,
        "median" => Aggregate::Percentile(0.5),
        "p25" => Aggregate::Percentile(0.25),
        "p75" => Aggregate::Percentile(0.75),
        "p90" => Aggregate::Percentile(0.9),
        "p95" => Aggregate::Percentile(0.95),
        "p99" => Aggregate::Percentile(0.99),
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        "distinct" => Aggregate::Distinct,
        "distribution" => Aggregate::Distribution,
        "percentile" => {
            let number = percentile.and_then(Json::as_f64).filter(|p| (0.0..=100.0).contains(p));
            let number = number.ok_or_else(|| {
                Failure::param(
                    "metrics: \"percentile\" must be a number from 0 to 100",
                    "For example {\"event\":\"Purchase\",\"measure\":\"percentile\",\"percentile\":95,\"property\":\"amount\"}.",
                )
            })?;
            return Ok(Some(Aggregate::Percentile(number / 100.0)));
        }
        _ => return Ok(None),
    };
    Ok(Some(found))
}

/// What "per" says each subject has: an aggregate of a property, or the number of its events.
fn per(json: &Json) -> Result<Option<(String, Aggregate)>> {
    const HINT: &str = "Use \"per\":\"total\", or \"per\":{\"measure\":\"sum\",\"property\":\"amount\"} with sum, average, min, max or distinct.";
    let wrong = |what: String| Failure::param(format!("metrics: {what}"), HINT);
    match json {
        Json::String(s) if s == "total" => Ok(None),
        Json::Object(o) => {
            if let Some(key) = o.keys().find(|k| *k != "measure" && *k != "property") {
                return Err(wrong(format!("unknown key \"{key}\" of \"per\"")));
            }
            let property = text(json, "property")?;
            match (text(json, "measure")?.unwrap_or("total"), property) {
                ("total", None) => Ok(None),
                ("total", Some(_)) => Err(wrong("the total of a property is its \"sum\"".into())),
                (name, property) => {
                    let inner = aggregate(name, None)
                        .ok()
                        .flatten()
                        .filter(|a| !matches!(a, Aggregate::Percentile(_) | Aggregate::Distribution));
                    let inner = inner.ok_or_else(|| wrong(format!("\"{name}\" is no measure of \"per\"")))?;
                    let property = property.ok_or_else(|| wrong(format!("\"{name}\" needs a \"property\"")))?;
                    Ok(Some((property.to_string(), inner)))
                }
            }
        }
        _ => Err(wrong("\"per\" must be \"total\" or an object".into())),
    }
}

fn measure(json: &Json) -> Result<MeasureSpec> {
    let of = |key: &str| json.get(key).filter(|v| !v.is_null());
    let property = text(json, "property")?;
    let name = text(json, "measure")?;
    let name = match (name, of("per"), property) {
        (Some(name), _, _) => name,
        (None, Some(_), _) => "average",
        (None, None, Some(_)) => {
            return Err(Failure::param(
                "metrics: a \"property\" needs a \"measure\"",
                "Name one of sum, average, median, percentile, min, max, distinct.",
            ));
        }
        (None, None, None) => "total",
    };
    if of("percentile").is_some() && name != "percentile" {
        return Err(Failure::param(
            format!("metrics: \"percentile\" goes with the measure percentile, not with {name}"),
            "Use \"measure\":\"percentile\" beside it.",
        ));
    }
    let plain = match name {
        "total" => Some(Measure::Total),
        "unique" => Some(Measure::Unique),
        "dau" => Some(Measure::Active { days: 1 }),
        "wau" => Some(Measure::Active { days: 7 }),
        "mau" => Some(Measure::Active { days: 30 }),
        "cumulative_unique" => Some(Measure::CumulativeUnique),
        "sessions" => Some(Measure::Sessions),
        _ => None,
    };
    if let Some(plain) = plain {
        if let Some(key) = ["property", "per"].into_iter().find(|k| of(k).is_some()) {
            return Err(Failure::param(
                format!("metrics: the measure {name} has no \"{key}\""),
                match key {
                    "property" => "Use sum, average, median, percentile, min, max or distinct of a property.",
                    _ => "Use average, median, percentile, min, max, sum or distribution of what each subject has.",
                },
            ));
        }
        return Ok(MeasureSpec::Plain(plain));
    }
    let Some(outer) = aggregate(name, of("percentile"))? else {
        return Err(Failure::param(
            format!("metrics: unknown measure \"{name}\""),
            "Use total, unique, dau, wau, mau, cumulative_unique, sessions, sum, average, median, percentile, p25, p75, p90, p95, p99, min, max, distinct or distribution.",
        ));
    };
    let per = match of("per") {
        Some(p) => Some(per(p)?),
        None if outer == Aggregate::Distribution && property.is_none() => Some(None),
        None => None,
    };
    match (per, property) {
        (Some(_), Some(_)) => Err(Failure::param(
            "metrics: with \"per\" the property belongs inside of it",
            "For example \"per\":{\"measure\":\"sum\",\"property\":\"amount\"}.",
        )),
        (Some(_), None) if outer == Aggregate::Distinct => Err(Failure::param(
            "metrics: what each subject has can not be counted as distinct",
            "Use \"measure\":\"distribution\" for the number of subjects with each value.",
        )),
        (Some(None), None) => Ok(MeasureSpec::Plain(Measure::PerSubject {
            inner: Inner::Total,
            outer,
        })),
        (Some(Some((property, inner))), None) => Ok(MeasureSpec::PerProperty { property, inner, outer }),
        (None, _) if outer == Aggregate::Distribution => Err(Failure::param(
            "metrics: a distribution is one of what each subject has",
            "Use \"per\":\"total\", or \"per\":{\"measure\":\"sum\",\"property\":\"amount\"}.",
        )),
        (None, Some(p)) => Ok(MeasureSpec::Property(p.to_string(), outer)),
        (None, None) => Err(Failure::param(
            format!("metrics: the measure {name} needs a \"property\", or \"per\""),
            EXAMPLE,
        )),
    }
}

/// Which of the segments that a subject touched counts it, where that is not each of them.
fn attributed(measure: MeasureSpec, attribution: Option<&str>) -> Result<MeasureSpec> {
    const HINT: &str = "For example {\"event\":\"Login\",\"measure\":\"unique\",\"attribution\":\"first\"}: each subject counts in the segment of its first event in an interval; or \"last\". Without it a subject counts in every segment it touched.";
    let Some(attribution) = attribution else {
        return Ok(measure);
    };
    let touch = match attribution {
        "first" => Touch::First,
        "last" => Touch::Last,
        other => {
            return Err(Failure::param(
                format!("metrics: unknown attribution \"{other}\""),
                HINT,
            ));
        }
    };
    match measure {
        MeasureSpec::Plain(Measure::Unique) => Ok(MeasureSpec::Plain(Measure::UniqueIn(touch))),
        _ => Err(Failure::param(
            "metrics: \"attribution\" goes with the measure unique",
            HINT,
        )),
    }
}

fn metric(json: &Json, i: usize, project: &Project) -> Result<MetricSpec> {
    let label = text(json, "label")?.map_or_else(|| default_label(i), str::to_string);
    if json.get("profiles").is_some() {
        return profiles(json, label, project);
    }
    let measure = attributed(measure(json)?, text(json, "attribution")?)?;
    Ok(MetricSpec {
        selector: arguments::selector(json, "metrics", &METRIC_KEYS)?,
        by: project.kind(text(json, "by")?.unwrap_or("user"))?,
        label,
        profiles: false,
        groups: groups(json, &measure)?,
        measure,
    })
}

/// The condition on the groups that a metric counts.
fn groups(json: &Json, measure: &MeasureSpec) -> Result<Option<GroupsSpec>> {
    let Some(condition) = json.get("groups").filter(|g| !g.is_null()) else {
        return Ok(None);
    };
    if matches!(
        measure,
        MeasureSpec::Plain(Measure::Active { .. } | Measure::CumulativeUnique)
    ) {
        return Err(Failure::param(
            "metrics: \"groups\" is about one interval, and the measure looks at several",
            "Use the measure unique, or a cohort with \"users_who_did\" and days of its own.",
        ));
    }
    let read = engine::cohort::users_who_did(condition);
    let (selector, times, is) = read.map_err(|e| Failure::from(e).within("metrics: groups"))?;
    Ok(Some(GroupsSpec { selector, times, is }))
}

/// `{"profiles":"company_id","measure":"sum","property":"seats"}`
fn profiles(json: &Json, label: String, project: &Project) -> Result<MetricSpec> {
    const HINT: &str = "For example {\"profiles\":\"company_id\"}, or {\"profiles\":\"company_id\",\"measure\":\"median\",\"property\":\"seats\"}; sum, average, median, percentile, min, max and distinct need a property, total has none.";
    let wrong = |what: String| Err(Failure::param(format!("metrics: {what}"), HINT));
    let keys = json.as_object().into_iter().flat_map(|o| o.keys());
    if let Some(key) = keys.clone().find(|k| !PROFILE_KEYS.contains(&k.as_str())) {
        return wrong(format!("\"{key}\" does not go with \"profiles\""));
    }
    let Some(of) = text(json, "profiles")? else {
        return wrong("\"profiles\" must be \"user\" or a group key".to_string());
    };
    if let (Some(name), None) = (text(json, "measure")?, text(json, "property")?)
        && aggregate(name, json.get("percentile"))?.is_some()
    {
        return wrong(format!("the measure {name} of profiles needs a \"property\""));
    }
    let measure = match measure(json)? {
        MeasureSpec::Plain(Measure::Total) => MeasureSpec::Plain(Measure::Total),
        MeasureSpec::Property(property, aggregate) => MeasureSpec::OfProfiles(property, aggregate),
        _ => {
            let name = text(json, "measure")?.unwrap_or_default();
            return wrong(format!("the measure {name} is one of events, not of profiles"));
        }
    };
    let filter = match text(json, "filter")? {
        Some(filter) => Some(engine::expr::parse(filter).map_err(|e| Failure::from(e).within("metrics: filter"))?),
        None => None,
    };
    if let Some(filter) = &filter {
        only_profiles(filter, "metrics: filter")?;
    }
    let everybody = AlternativeSpec {
        event: None,
        filter,
        first: None,
    };
    Ok(MetricSpec {
        selector: SelectorSpec {
            alternatives: vec![everybody],
        },
        measure,
        by: project.kind(of)?,
        label,
        profiles: true,
        groups: None,
    })
}

/// Refuses a filter on what profiles do not have.
pub fn only_profiles(filter: &Expr, place: &str) -> Result<()> {
    const HINT: &str = "Use user[\"property\"] or group[\"key\"][\"property\"]; a filter on events belongs into the metric that counts them.";
    let read = filter.references();
    let what = match read.properties.first() {
        Some(p) => format!("properties[\"{p}\"] belongs to events, and profiles are counted"),
        None if read.time || read.event_name => "a profile has no time and no event name".to_string(),
        None => return Ok(()),
    };
    Err(Failure::param(format!("{place}: {what}"), HINT))
}

/// One metric, or an array of up to 40.
pub fn metrics(json: &Json, project: &Project) -> Result<Vec<MetricSpec>> {
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
