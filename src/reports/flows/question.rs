//! What flows and flow_paths are asked: their arguments, read and judged before anything of the project is known.

use super::super::arguments::{self, required};
use super::super::funnel::question::{exclusions, hold};
use crate::error::{Failure, Result};
use crate::pg::instants::milliseconds;
use crate::pg::jsonb::Jsonb;
use engine::expr::{Expr, SelectorSpec};
use engine::flows::{Count, MAX_ANCHORS, MAX_STEPS};
use engine::funnel::Exclusion;
use engine::time::DAY_MS;
use pgrx::datum::{Date, Interval};
use serde_json::Value as Json;

const ANCHOR_HINT: &str = "An event selector or several: '\"Sign Up\"', or '[\"Sign Up\", {\"event\":\"Purchase\",\"reverse\":2,\"forward\":0}]'.";
pub(super) const SPLIT_HINT: &str =
    "For example split => '{\"Purchase\":\"plan\"}', or '{\"$any\":\"country\"}' for every event.";
/// What `within` is when nobody says so.
const USUAL_WITHIN: i64 = 30 * DAY_MS;
/// Longest window.
const MAX_WITHIN: i64 = 366 * DAY_MS;

/// The arguments that both functions share, as they come from SQL.
pub(super) struct Arguments<'a> {
    pub anchors: Option<Jsonb>,
    pub range: (Option<Date>, Option<Date>),
    pub by: Option<&'a str>,
    pub forward: Option<i32>,
    pub reverse: Option<i32>,
    pub within: Option<Interval>,
    pub count: Option<&'a str>,
    pub collapse: Option<bool>,
    pub hide: Option<Vec<Option<String>>>,
    pub exclude: Option<Jsonb>,
    pub hold: Option<Vec<Option<String>>>,
    pub split: Option<Jsonb>,
    pub filter: Option<&'a str>,
}

/// An anchor, with its steps.
pub(super) struct AnchorSpec {
    pub selector: SelectorSpec,
    pub forward: usize,
    pub reverse: usize,
}

/// What both functions are asked.
pub(super) struct Question {
    pub anchors: Vec<AnchorSpec>,
    pub range: (Option<Date>, Option<Date>),
    pub by: String,
    pub within_ms: i64,
    pub collapse: bool,
    pub count: Count,
    pub by_session: bool,
    pub hide: Vec<String>,
    pub exclusions: Vec<(SelectorSpec, Exclusion)>,
    pub hold: Vec<String>,
    /// Event name, or none for all others, and the dimension it is split by.
    pub splits: Vec<(Option<String>, Json)>,
    pub filter: Option<Expr>,
}

fn steps(n: Option<i64>, name: &str) -> Result<usize> {
    let n = n.and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= MAX_STEPS);
    n.ok_or_else(|| Failure::param(format!("{name} must be 0 to {MAX_STEPS}"), "It is a number of steps."))
}

/// The anchors: one, or several in order. Each may say how many steps are shown at it.
fn anchors(json: &Json, forward: usize, reverse: usize) -> Result<Vec<AnchorSpec>> {
    let list = match json {
        Json::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    if list.is_empty() {
        return Err(Failure::param("anchors must not be empty", ANCHOR_HINT));
    }
    if list.len() > MAX_ANCHORS {
        return Err(Failure::param(
            format!("more than {MAX_ANCHORS} anchors"),
            "A funnel has up to 100 steps.",
        ));
    }
    let own = |json: &Json, key: &str, usual: usize| match json.get(key) {
        None | Some(Json::Null) => Ok(usual),
        Some(n) => steps(n.as_i64(), &format!("anchors: \"{key}\"")),
    };
    list.iter()
        .map(|json| {
            Ok(AnchorSpec {
                selector: arguments::selector(json, "anchors", &["forward", "reverse"])?,
                forward: own(json, "forward", forward)?,
                reverse: own(json, "reverse", reverse)?,
            })
        })
        .collect()
}

fn splits(json: Option<Jsonb>) -> Result<Vec<(Option<String>, Json)>> {
    match json.map(|j| j.parse("split")).transpose()? {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::Object(o)) => Ok(o
            .into_iter()
            .map(|(event, by)| ((event != "$any" && event != "*").then_some(event), by))
            .collect()),
        Some(_) => Err(Failure::param(
            "split must be an object of event names and what each is split by",
            SPLIT_HINT,
        )),
    }
}

/// Reads the arguments.
pub(super) fn question(a: Arguments) -> Result<Question> {
    let json = required(a.anchors, "anchors", ANCHOR_HINT)?.parse("anchors")?;
    let forward = steps(a.forward.map(i64::from), "forward")?;
    let reverse = steps(a.reverse.map(i64::from), "reverse")?;
    let anchors = anchors(&json, forward, reverse)?;
    const WITHIN: &str = "How far a step may be from its anchor, for example '7 days'; at most 366 days.";
    let within_ms = milliseconds(&required(a.within, "within", WITHIN)?);
    if !(0..=MAX_WITHIN).contains(&within_ms) {
        return Err(Failure::param("within must be 0 to 366 days", WITHIN));
    }
    let (count, by_session) = match required(a.count, "count", "Use 'unique', 'total' or 'sessions'.")? {
        "unique" => (Count::Unique, false),
        "total" => (Count::Total, false),
        "session" | "sessions" => (Count::Unique, true),
        other => {
            return Err(Failure::param(
                format!("unknown count \"{other}\""),
                "Use 'unique' (the first anchor of everybody), 'total' (every anchor) or 'sessions' (the first of every session).",
            ));
        }
    };
    if by_session && within_ms != USUAL_WITHIN {
        return Err(Failure::param(
            "the window of flows that count sessions is the session",
            "Leave out within, or count 'unique' or 'total'.",
        ));
    }
    if anchors.len() == 1 && a.exclude.is_some() {
        return Err(Failure::param(
            "exclude ends the way between two anchors, and there is only one",
            "Name another anchor, or use hide to leave events out.",
        ));
    }
    let exclusions = exclusions(a.exclude, anchors.len())?;
    Ok(Question {
        range: a.range,
        by: required(a.by, "by", "Count by 'user' or a registered group key.")?.to_string(),
        within_ms,
        collapse: required(a.collapse, "collapse", "true makes equal events one step.")?,
        count,
        by_session,
        hide: a.hide.into_iter().flatten().flatten().collect(),
        exclusions,
        hold: hold(a.hold)?,
        splits: splits(a.split)?,
        filter: arguments::filter(a.filter)?,
        anchors,
    })
}

impl Question {
    /// The only anchor, where nothing but plain steps around it is asked for.
    pub fn simple(&self) -> Option<&AnchorSpec> {
        let plain = self.hold.is_empty() && self.splits.is_empty() && self.filter.is_none() && !self.by_session;
        match self.anchors.as_slice() {
            [one] if plain => Some(one),
            _ => None,
        }
    }
}
