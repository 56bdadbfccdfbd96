//! The breakdown argument of reports: from JSON to dimensions.

use crate::error::{Failure, Result};
use crate::registry::Project;
use crate::reports::arguments;
use crate::reports::context::{AT_EVENT, Context, DISTINCT_ID, GROUP_ID, LOOKUP};
use engine::breakdown::{Dimension, Named, Ranges, Shape};
use engine::chunk::{Kind, USER};
use engine::expr::SelectorSpec;
use engine::time::{Calendar, DateUnit};
use engine::value::Value;
use serde_json::Value as Json;
use std::sync::Arc;

const MAX_DIMENSIONS: usize = 4;
/// How a breakdown calls the time of an event.
const TIME: &str = "$time";

/// One dimension as it was written.
pub enum DimensionSpec {
    Event(String),
    User(String),
    Group {
        kind: Kind,
        property: String,
        via_profile: bool,
    },
    /// What the groups of the event had when it happened.
    GroupAtEvent {
        kind: Kind,
        property: String,
    },
    UsersWhoDid {
        selector: SelectorSpec,
        at_least: u32,
    },
    /// What a property stands for in a lookup table: `property.column`.
    Lookup(String),
    /// In a cohort or not.
    Cohort(String),
    /// The time of the event.
    Time(DateUnit),
    /// The values of another one, in ranges of numbers, in buckets with names, or as parts of dates.
    Ranges(Box<DimensionSpec>, Ranges),
    Named(Box<DimensionSpec>, Arc<Named>),
    Dates(Box<DimensionSpec>, DateUnit),
}

impl DimensionSpec {
    /// The dimension for what counts `by`, with the columns it needs; `None` for "users who did", which takes a pass over the store.
    pub fn load(&self, context: &mut Context, calendar: &Calendar, by: Kind) -> Result<Option<Dimension>> {
        let dates = |unit: &DateUnit| Shape::Dates(calendar.clone(), *unit);
        let mut shaped = |inner: &DimensionSpec, shape: Shape| {
            // The texts are needed for their shape.
            let ids = std::mem::replace(&mut context.on_demand.ids, false);
            let inner = inner.load(context, calendar, by);
            context.on_demand.ids = ids;
            let inner = inner?;
            Ok::<_, Failure>(inner.map(|d| Dimension::Shaped(Box::new(d), shape)))
        };
        Ok(match self {
            DimensionSpec::Ranges(inner, ranges) => shaped(inner, Shape::Numbers(ranges.clone()))?,
            DimensionSpec::Named(inner, named) => shaped(inner, Shape::Named(named.clone()))?,
            DimensionSpec::Dates(inner, unit) => shaped(inner, dates(unit))?,
            DimensionSpec::Time(unit) => Some(Dimension::Time(dates(unit))),
            DimensionSpec::Lookup(name) => Some(context.lookup_dimension(name)?),
            DimensionSpec::Event(p) => Some(Dimension::EventProperty(context.load_property(p)?)),
            DimensionSpec::User(p)
                if p == DISTINCT_ID
                    && let Some(most) = context.numbers(USER)? =>
            {
                Some(Dimension::Numbers {
                    kind: USER,
                    most,
                    membership: None,
                })
            }
            DimensionSpec::User(p) => Some(Dimension::UserProfile(context.load_user(p)?)),
            DimensionSpec::GroupAtEvent { kind, property } => {
                Some(Dimension::EventProperty(context.load_history(*kind, property)?))
            }
            DimensionSpec::Group {
                kind,
                property,
                via_profile,
            } if property == GROUP_ID
                && !via_profile
                && let Some(most) = context.numbers(*kind)? =>
            {
                Some(Dimension::Numbers {
                    kind: *kind,
                    most,
                    membership: context.load_membership(*kind)?,
                })
            }
            DimensionSpec::Group {
                kind,
                property,
                via_profile,
            } => Some(Dimension::GroupProperty {
                kind: *kind,
                column: context.load_group(*kind, property)?,
                membership: context.load_membership(*kind)?,
                via_profile: *via_profile,
            }),
            DimensionSpec::Cohort(name) => Some(context.cohort_dimension(name, by)?),
            DimensionSpec::UsersWhoDid { .. } => None,
        })
    }
}

fn dimension(json: &Json, project: &Project) -> Result<DimensionSpec> {
    const HINT: &str = "Use \"country\" (event property), \"user.plan\", \"group.company_id\", \"group.company_id.plan\", \"lookup.sku.category\", \"cohort.name\", {\"property\":\"amount\",\"bucket\":{\"size\":10,\"min\":0,\"max\":100}}, {\"property\":\"$time\",\"unit\":\"day_of_week\"}, or {\"users_who_did\":\"Login\",\"at_least\":1}.";
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
                if let Some(property) = property.strip_suffix(AT_EVENT) {
                    return Ok(DimensionSpec::GroupAtEvent {
                        kind: key.kind,
                        property: property.to_string(),
                    });
                }
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
            if let Some(name) = s.strip_prefix(LOOKUP) {
                return Ok(DimensionSpec::Lookup(name.to_string()));
            }
            if let Some(name) = s.strip_prefix("cohort.") {
                return Ok(DimensionSpec::Cohort(name.to_string()));
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
            if let Some(key) = o.keys().find(|k| !matches!(k.as_str(), "property" | "bucket" | "unit")) {
                return Err(Failure::param(format!("breakdown: unknown key \"{key}\""), HINT));
            }
            let Some(property @ Json::String(name)) = o.get("property") else {
                return Err(Failure::param("breakdown: not a dimension", HINT));
            };
            match (o.get("bucket"), o.get("unit")) {
                (Some(_), Some(_)) => Err(Failure::param("breakdown: bucket and unit exclude each other", HINT)),
                (Some(_), None) if name == TIME => Err(Failure::param("breakdown: a time has no bucket", HINT)),
                (Some(Json::Array(buckets)), None) => {
                    let named = Arc::new(named(buckets)?);
                    Ok(DimensionSpec::Named(Box::new(dimension(property, project)?), named))
                }
                (Some(bucket), None) => {
                    let ranges = ranges(bucket)?;
                    Ok(DimensionSpec::Ranges(Box::new(dimension(property, project)?), ranges))
                }
                (None, Some(unit)) => {
                    let unit = unit
                        .as_str()
                        .ok_or_else(|| Failure::param("breakdown: \"unit\" must be a string", HINT))?;
                    let unit = DateUnit::parse(unit).map_err(|e| Failure::from(e).within("breakdown"))?;
                    if name == TIME {
                        return Ok(DimensionSpec::Time(unit));
                    }
                    Ok(DimensionSpec::Dates(Box::new(dimension(property, project)?), unit))
                }
                (None, None) if name == TIME => Err(Failure::param(
                    "breakdown: \"$time\" needs a \"unit\"",
                    "For example {\"property\":\"$time\",\"unit\":\"day_of_week\"}.",
                )),
                (None, None) => dimension(property, project),
            }
        }
        _ => Err(Failure::param("breakdown: not a dimension", HINT)),
    }
}

/// Buckets with names: `[{"name":"DACH","values":["DE","AT","CH"]}, …]`.
fn named(list: &[Json]) -> Result<Named> {
    const HINT: &str =
        "For example {\"property\":\"country\",\"bucket\":[{\"name\":\"DACH\",\"values\":[\"DE\",\"AT\",\"CH\"]}]}.";
    let bucket = |json: &Json| {
        let object = json.as_object().filter(|o| o.len() == 2);
        let name = object.and_then(|o| o.get("name")).and_then(Json::as_str);
        let values = object.and_then(|o| o.get("values")).and_then(Json::as_array);
        match (name, values) {
            (Some(name), Some(values)) => Ok((name.to_string(), values.iter().map(Value::from_json).collect())),
            _ => Err(Failure::param(
                "breakdown: a bucket with a name needs \"name\" and \"values\"",
                HINT,
            )),
        }
    };
    let buckets = list.iter().map(bucket).collect::<Result<Vec<(String, Vec<Value>)>>>()?;
    if buckets.is_empty() {
        return Err(Failure::param("breakdown: no bucket", HINT));
    }
    Named::new(buckets).map_err(|e| Failure::from(e).within("breakdown"))
}

/// Ranges of numbers: even ones, or between bounds.
fn ranges(json: &Json) -> Result<Ranges> {
    const HINT: &str = "For example {\"property\":\"amount\",\"bucket\":{\"size\":10,\"min\":0,\"max\":100}}; min and max may be left out; {\"at\":[10,50,100]} for ranges of different widths; [{\"name\":\"DACH\",\"values\":[\"DE\",\"AT\"]}] for values.";
    let Json::Object(o) = json else {
        return Err(Failure::param(
            "breakdown: \"bucket\" must be an object or an array",
            HINT,
        ));
    };
    if let Some(at) = o.get("at").filter(|_| o.len() == 1) {
        let bounds = at.as_array().and_then(|l| l.iter().map(Json::as_f64).collect());
        let bounds = bounds.ok_or_else(|| Failure::param("breakdown: \"at\" must be an array of numbers", HINT))?;
        return Ranges::at(bounds).map_err(|e| Failure::from(e).within("breakdown"));
    }
    if let Some(key) = o.keys().find(|k| !matches!(k.as_str(), "size" | "min" | "max")) {
        return Err(Failure::param(
            format!("breakdown: unknown key \"{key}\" of a bucket"),
            HINT,
        ));
    }
    let number = |key: &str| match o.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(n) => match n.as_f64() {
            Some(x) => Ok(Some(x)),
            None => Err(Failure::param(format!("breakdown: \"{key}\" must be a number"), HINT)),
        },
    };
    let size = number("size")?.ok_or_else(|| Failure::param("breakdown: a bucket needs a \"size\"", HINT))?;
    Ranges::new(size, number("min")?, number("max")?).map_err(|e| Failure::from(e).within("breakdown"))
}

/// The dimensions of a breakdown, at most four.
pub fn dimensions(json: Option<&Json>, project: &Project) -> Result<Vec<DimensionSpec>> {
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
