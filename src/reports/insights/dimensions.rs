//! The breakdown argument of reports: from JSON to dimensions.

use crate::error::{Failure, Result};
use crate::registry::Project;
use crate::reports::arguments;
use crate::reports::context::GROUP_ID;
use engine::chunk::Kind;
use engine::expr::SelectorSpec;
use serde_json::Value as Json;

const MAX_DIMENSIONS: usize = 4;

/// One dimension as it was written.
pub enum DimensionSpec {
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
