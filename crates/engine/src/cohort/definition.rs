//! The JSON of a cohort: a tree of conditions.

use super::compare::Compare;
use super::sequence::MAX_STEPS;
use super::window::Window;
use crate::error::{Error, Result};
use crate::expr::{Expr, References, SelectorSpec, parse};
use crate::insights::Aggregate;
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;

/// Most levels of `all`, `any` and `not`.
const MAX_LEVELS: usize = 16;
/// Most conditions of one cohort.
const MAX_CONDITIONS: usize = 64;
const EXAMPLE: &str = "For example {\"all\":[{\"did\":\"Purchase\",\"at_least\":2,\"within\":\"30 days\"},{\"where\":\"user[\\\"plan\\\"] == \\\"pro\\\"\"}]}.";
const WINDOW: [&str; 3] = ["within", "from_date", "to_date"];
const COMPARE: [&str; 3] = ["at_least", "at_most", "exactly"];
/// The key that says which condition an object is.
const KINDS: [&str; 10] = [
    "all",
    "any",
    "not",
    "did",
    "did_not",
    "first_time",
    "sequence",
    "users_who_did",
    "where",
    "cohort",
];

/// A cohort as it was written. Equal conditions on events are there once.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    pub root: Condition,
    pub behaviours: Vec<Behaviour>,
    /// Conditions on profiles.
    pub filters: Vec<Expr>,
}

/// The tree; conditions on events and on profiles by their place in the lists of [`Definition`].
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Behaviour(usize),
    Where(usize),
    /// Is in another cohort.
    Cohort(String),
}

/// A condition on what a subject did.
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviour {
    /// One selector, or the steps of a sequence.
    pub steps: Vec<SelectorSpec>,
    pub window: Window,
    pub test: Test,
}

/// What is asked of the events.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// How many there are.
    Times(Compare),
    /// How many users of a group did it so many times. Only for cohorts of groups.
    Users { times: u32, is: Compare },
    /// An aggregate of a property.
    Measured {
        property: String,
        aggregate: Aggregate,
        is: Compare,
    },
    /// The first of all times is in the window.
    FirstTime,
    /// There are events for all steps, in order.
    Sequence,
}

fn wrong(message: impl Into<String>) -> Error {
    Error::param_hint(message, EXAMPLE)
}

/// Says which condition an error comes from.
fn within(place: &str, e: Error) -> Error {
    match e {
        Error::Syntax {
            message,
            position,
            hint,
        } => Error::Syntax {
            message: format!("{place}: {message}"),
            position,
            hint,
        },
        Error::Param { message, hint } => Error::Param {
            message: format!("{place}: {message}"),
            hint,
        },
        e => e,
    }
}

impl Definition {
    /// Reads a definition. Filters are parsed, names are not looked up.
    pub fn parse(json: &Json) -> Result<Definition> {
        let mut reader = Reader::default();
        let root = reader.condition(json, 0)?;
        Ok(Definition {
            root,
            behaviours: reader.behaviours,
            filters: reader.filters,
        })
    }

    /// What the conditions on profiles read.
    pub fn references(&self) -> References {
        let mut all = References::default();
        self.filters.iter().for_each(|f| all.merge(f.references()));
        all.cohorts.extend(self.named().into_iter().map(str::to_string));
        all
    }

    /// The selectors of all conditions on events.
    pub fn selectors(&self) -> impl Iterator<Item = &SelectorSpec> {
        self.behaviours.iter().flat_map(|b| &b.steps)
    }

    /// The cohorts that are conditions of the tree.
    pub fn named(&self) -> BTreeSet<&str> {
        fn add<'d>(c: &'d Condition, out: &mut BTreeSet<&'d str>) {
            match c {
                Condition::All(l) | Condition::Any(l) => l.iter().for_each(|c| add(c, out)),
                Condition::Not(c) => add(c, out),
                Condition::Cohort(name) => drop(out.insert(name)),
                Condition::Behaviour(_) | Condition::Where(_) => {}
            }
        }
        let mut out = BTreeSet::new();
        add(&self.root, &mut out);
        out
    }

    /// Every cohort that it depends on, also inside of filters.
    pub fn cohorts(&self) -> BTreeSet<String> {
        let mut all = self.references().cohorts;
        self.selectors().for_each(|s| all.extend(s.references().cohorts));
        all
    }
}

#[derive(Default)]
struct Reader {
    behaviours: Vec<Behaviour>,
    filters: Vec<Expr>,
    conditions: usize,
}

impl Reader {
    fn condition(&mut self, json: &Json, level: usize) -> Result<Condition> {
        let Json::Object(object) = json else {
            return Err(wrong("a condition of a cohort must be an object"));
        };
        self.conditions += 1;
        if self.conditions > MAX_CONDITIONS || level >= MAX_LEVELS {
            return Err(Error::Limit {
                message: format!("a cohort has more than {MAX_CONDITIONS} conditions or {MAX_LEVELS} levels"),
                hint: Some("Define a part of it as a cohort of its own and use {\"cohort\":\"name\"}.".into()),
            });
        }
        let mut kinds = KINDS.iter().filter(|k| object.contains_key(**k));
        let (kind, value) = match (kinds.next(), kinds.next()) {
            (Some(kind), None) => (*kind, object.get(*kind).unwrap_or(&Json::Null)),
            (Some(a), Some(b)) => {
                return Err(wrong(format!("\"{a}\" and \"{b}\" are two conditions in one object")));
            }
            (None, _) => {
                let keys: Vec<String> = object.keys().map(|k| format!("\"{k}\"")).collect();
                return Err(Error::param_hint(
                    format!(
                        "a cohort's condition can't be told from {}",
                        if keys.is_empty() { "{}".into() } else { keys.join(", ") }
                    ),
                    format!("Name one of {}. {EXAMPLE}", KINDS.join(", ")),
                ));
            }
        };
        match kind {
            "all" | "any" => {
                only(object, kind, &[])?;
                let list = value.as_array().filter(|l| !l.is_empty());
                let list = list.ok_or_else(|| wrong(format!("\"{kind}\" needs a list of conditions")))?;
                let list = list
                    .iter()
                    .map(|c| self.condition(c, level + 1))
                    .collect::<Result<Vec<_>>>()?;
                Ok(if kind == "all" {
                    Condition::All(list)
                } else {
                    Condition::Any(list)
                })
            }
            "not" => {
                only(object, kind, &[])?;
                Ok(Condition::Not(Box::new(self.condition(value, level + 1)?)))
            }
            "where" => {
                only(object, kind, &[])?;
                self.filter(text(value, kind)?)
            }
            "cohort" => {
                only(object, kind, &[])?;
                Ok(Condition::Cohort(text(value, kind)?.to_string()))
            }
            _ => self.behaviour(object, kind, value),
        }
    }

    fn filter(&mut self, text: &str) -> Result<Condition> {
        let expr = parse(text).map_err(|e| within("where", e))?;
        let r = expr.references();
        if let Some(p) = r.properties.first() {
            return Err(Error::param_hint(
                format!("where: properties[\"{p}\"] belongs to events, and members are chosen by their profile"),
                "Use user[\"property\"] or group[\"key\"][\"property\"]; a filter on events belongs into \"did\":{\"event\":…,\"filter\":…}.",
            ));
        }
        if let Some((_, p)) = r.group.iter().find(|(_, p)| p.ends_with("@event")) {
            return Err(Error::param_hint(
                format!(
                    "where: \"{p}\" is what a group had when an event happened, and members are chosen by their profile"
                ),
                "Leave @event out; a filter on events belongs into \"did\":{\"event\":…,\"filter\":…}.",
            ));
        }
        if r.time || r.event_name {
            return Err(Error::param_hint(
                "where: a profile has no time and no event name",
                "A filter on events belongs into \"did\":{\"event\":…,\"filter\":…}.",
            ));
        }
        let at = self.filters.iter().position(|f| *f == expr).unwrap_or_else(|| {
            self.filters.push(expr);
            self.filters.len() - 1
        });
        Ok(Condition::Where(at))
    }

    fn behaviour(&mut self, object: &Map<String, Json>, kind: &str, value: &Json) -> Result<Condition> {
        let mut allowed = WINDOW.to_vec();
        if kind == "did" {
            allowed.extend(COMPARE);
            allowed.extend(["measure", "property"]);
        }
        if kind == "users_who_did" {
            allowed.extend(COMPARE);
            allowed.push("times");
        }
        only(object, kind, &allowed)?;
        let selector = |json: &Json| SelectorSpec::parse(json).map_err(|e| within(kind, e));
        let steps = match (kind, value) {
            ("sequence", Json::Array(list)) if (2..=MAX_STEPS).contains(&list.len()) => {
                list.iter().map(selector).collect::<Result<Vec<_>>>()?
            }
            ("sequence", _) => {
                return Err(Error::param_hint(
                    format!("\"sequence\" needs a list of 2 to {MAX_STEPS} events"),
                    "For example {\"sequence\":[\"Sign Up\",\"Purchase\"],\"within\":\"30 days\"}.",
                ));
            }
            (_, one) => vec![selector(one)?],
        };
        let window = window(object, kind)?;
        let test = match kind {
            "did" => did(object)?,
            "users_who_did" => users(object)?,
            "did_not" => Test::Times(Compare::Exactly(0.0)),
            "first_time" => Test::FirstTime,
            _ => Test::Sequence,
        };
        let b = Behaviour { steps, window, test };
        let at = self.behaviours.iter().position(|o| *o == b).unwrap_or_else(|| {
            self.behaviours.push(b);
            self.behaviours.len() - 1
        });
        Ok(Condition::Behaviour(at))
    }
}

fn only(object: &Map<String, Json>, kind: &str, more: &[&str]) -> Result<()> {
    match object.keys().find(|k| *k != kind && !more.contains(&k.as_str())) {
        None => Ok(()),
        Some(key) => Err(Error::param_hint(
            format!("\"{key}\" does not go with \"{kind}\""),
            if more.is_empty() {
                format!("\"{kind}\" stands alone. {EXAMPLE}")
            } else {
                format!("Beside \"{kind}\" there may be {}.", more.join(", "))
            },
        )),
    }
}

fn text<'j>(value: &'j Json, key: &str) -> Result<&'j str> {
    value
        .as_str()
        .filter(|t| !t.is_empty())
        .ok_or_else(|| wrong(format!("\"{key}\" must be a text")))
}

/// Exactly one limit of time.
fn window(object: &Map<String, Json>, kind: &str) -> Result<Window> {
    const HINT: &str =
        "Use \"within\":\"30 days\", or both \"from_date\":\"2024-01-01\" and \"to_date\":\"2024-01-31\".";
    let of = |key: &str| object.get(key).map(|v| text(v, key)).transpose();
    match (of("within")?, of("from_date")?, of("to_date")?) {
        (Some(within), None, None) => Window::within(within),
        (None, Some(from), Some(to)) => Window::between(from, to),
        (None, None, None) => Err(Error::param_hint(format!("\"{kind}\" needs a time"), HINT)),
        (Some(_), _, _) => Err(Error::param_hint(
            format!("\"{kind}\" has both \"within\" and dates"),
            HINT,
        )),
        _ => Err(Error::param_hint(format!("\"{kind}\" has one date of two"), HINT)),
    }
}

const COMPARE_HINT: &str = "Say \"at_least\":2, \"at_most\":2 or \"exactly\":2.";

/// Exactly one comparison, and its key. `what` is what a condition of the kind compares.
fn comparison(object: &Map<String, Json>, kind: &str, what: &str) -> Result<(&'static str, Compare)> {
    const HINT: &str = COMPARE_HINT;
    let mut given = COMPARE.iter().filter_map(|k| Some((*k, object.get(*k)?)));
    let (key, n) = match (given.next(), given.next()) {
        (Some(one), None) => one,
        (None, _) => return Err(Error::param_hint(format!("\"{kind}\" does not say {what}"), HINT)),
        (Some(_), Some(_)) => return Err(Error::param_hint(format!("\"{kind}\" says twice {what}"), HINT)),
    };
    let n = n.as_f64().filter(|n| n.is_finite());
    let n = n.ok_or_else(|| Error::param_hint(format!("\"{key}\" must be a number"), HINT))?;
    let is = match key {
        "at_least" => Compare::AtLeast(n),
        "at_most" => Compare::AtMost(n),
        _ => Compare::Exactly(n),
    };
    Ok((key, is))
}

/// A comparison with a count.
fn count(object: &Map<String, Json>, kind: &str, what: &str) -> Result<Compare> {
    let (key, is) = comparison(object, kind, what)?;
    if is.number() < 0.0 || is.number().fract() != 0.0 {
        return Err(Error::param_hint(
            format!("\"{key}\" must be a whole number of 0 or more"),
            COMPARE_HINT,
        ));
    }
    Ok(is)
}

/// Reads `{"users_who_did":selector,"times":2,"at_least":3}`, which is a condition without a time of its own: the selector,
/// how often each user did it, and what the number of these users is compared with.
pub fn users_who_did(json: &Json) -> Result<(SelectorSpec, u32, Compare)> {
    const KIND: &str = "users_who_did";
    const EXAMPLE: &str = "For example {\"users_who_did\":\"Login\",\"at_least\":3}.";
    let object = json.as_object();
    let (Some(object), Some(selector)) = (object, object.and_then(|o| o.get(KIND))) else {
        return Err(Error::param_hint("it is not a condition on groups", EXAMPLE));
    };
    only(object, KIND, &[COMPARE.as_slice(), &["times"]].concat())?;
    let selector = SelectorSpec::parse(selector).map_err(|e| within(KIND, e))?;
    match users(object)? {
        Test::Users { times, is } => Ok((selector, times, is)),
        _ => Err(Error::param_hint("it is not a condition on groups", EXAMPLE)),
    }
}

fn users(object: &Map<String, Json>) -> Result<Test> {
    let times = match object.get("times") {
        None => Some(1),
        Some(n) => n.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0),
    };
    let times = times.ok_or_else(|| {
        Error::param_hint(
            "\"times\" must be a whole number of 1 or more",
            "It is how often each of the users did it, or more often.",
        )
    })?;
    let is = count(object, "users_who_did", "how many users")?;
    Ok(Test::Users { times, is })
}

fn did(object: &Map<String, Json>) -> Result<Test> {
    const OFTEN: &str = "how often";
    let of = |key: &str| object.get(key).map(|v| text(v, key)).transpose();
    const MEASURE: &str =
        "Use \"measure\":\"sum\", average, median, min, max or distinct, with \"property\":\"amount\".";
    match (of("measure")?, of("property")?) {
        (None, None) | (Some("total"), None) => Ok(Test::Times(count(object, "did", OFTEN)?)),
        (Some(measure), property) => {
            let (_, is) = comparison(object, "did", OFTEN)?;
            let aggregate = match measure {
                "sum" => Aggregate::Sum,
                "average" => Aggregate::Average,
                "min" => Aggregate::Min,
                "max" => Aggregate::Max,
                "distinct" => Aggregate::Distinct,
                "median" => Aggregate::Percentile(0.5),
                other => {
                    return Err(Error::param_hint(
                        format!("unknown measure \"{other}\" of a cohort"),
                        MEASURE,
                    ));
                }
            };
            match property {
                Some("$time" | "$distinct_id") => Err(Error::Unsupported {
                    message: "a cohort by a measure of the time or the distinct_id of events".into(),
                    hint: Some("Use a property of the events.".into()),
                }),
                Some(p) => Ok(Test::Measured {
                    property: p.to_string(),
                    aggregate,
                    is,
                }),
                None => Err(Error::param_hint(
                    format!("the measure \"{measure}\" needs a \"property\""),
                    MEASURE,
                )),
            }
        }
        (None, Some(_)) => Err(Error::param_hint("a \"property\" needs a \"measure\"", MEASURE)),
    }
}
