//! The arguments that all funnel reports share: from SQL to a plan, and from the store to what was gathered.

use super::read::Reading;
use crate::error::{Failure, Result};
use crate::pg::instants::milliseconds;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::Sql;
use crate::registry::{self, Project};
use crate::reports::arguments::{self, required};
use crate::reports::context::Context;
use crate::reports::insights::{dimensions, need};
use crate::reports::parts::in_parts;
use crate::reports::session_starts;
use crate::settings;
use crate::store::scan::{self, Passes};
use engine::breakdown::Dimension;
use engine::chunk::Kind;
use engine::expr::{Expr, References, Selector, SelectorSpec};
use engine::funnel::{Attribution, Count, Counts, Exclusion, GlobalFilter, MAX_HELD, Ordering, Plan, Reentry};
use engine::postings::Part;
use engine::time::{DAY_MS, HOUR_MS, Unit};
use pgrx::datum::{Date, Interval};
use serde_json::Value as Json;

const STEPS_HINT: &str =
    "For example '[\"Sign Up\", {\"event\":\"Purchase\",\"filter\":\"properties[\\\"amount\\\"] > 10\"}]'.";
const EXCLUDE_HINT: &str =
    "For example '[\"Cancel\"]', or '[{\"event\":\"Cancel\",\"between\":[1,2]}]' for the first two steps.";

/// What `within` is when nobody says so.
const USUAL_WINDOW: i64 = 7 * DAY_MS;
/// No session is longer than a day, and no day than 25 hours.
const LONGEST_SESSION: i64 = DAY_MS + 2 * HOUR_MS;

/// The arguments as they come from SQL.
pub struct Arguments<'a> {
    pub steps: Option<Jsonb>,
    pub from: Option<Date>,
    pub to: Option<Date>,
    pub by: Option<&'a str>,
    pub within: Option<Interval>,
    pub count: Option<&'a str>,
    pub ordering: Option<&'a str>,
    pub reentry: Option<&'a str>,
    pub exclude: Option<Jsonb>,
    pub hold: Option<Vec<Option<String>>>,
    pub breakdown: Option<Jsonb>,
    pub attribution: Option<&'a str>,
    pub filter: Option<&'a str>,
    pub grace: Option<Interval>,
    pub top: Option<i32>,
    /// Of funnel and funnel_trend.
    pub property: Option<&'a str>,
    pub project: Option<&'a str>,
}

/// What was asked, apart from the project.
pub struct Question<'a> {
    steps: Vec<Step>,
    exclusions: Vec<(SelectorSpec, Exclusion)>,
    days: (i32, i32),
    by: &'a str,
    window_ms: i64,
    grace_ms: i64,
    count: Count,
    /// Every session is counted, and is the window.
    by_session: bool,
    ordering: Ordering,
    floating: u128,
    reentry: Reentry,
    hold: Vec<String>,
    breakdown: Option<Json>,
    attribution: Attribution,
    filter: Option<Expr>,
    top: usize,
    property: Option<&'a str>,
    project: Option<&'a str>,
}

struct Step {
    name: String,
    spec: SelectorSpec,
}

/// Picks one of a few words.
fn word<T: Copy>(argument: &str, value: Option<&str>, words: &[(&str, T)]) -> Result<T> {
    let found = words.iter().find(|(w, _)| Some(*w) == value);
    found.map(|(_, t)| *t).ok_or_else(|| {
        let allowed: Vec<String> = words.iter().map(|(w, _)| format!("'{w}'")).collect();
        let value = value.map_or("NULL".into(), |v| format!("\"{v}\""));
        Failure::param(
            format!("unknown {argument} {value}"),
            format!("Use one of {}.", allowed.join(", ")),
        )
    })
}

/// How a step is called in the answer: its label, else its event, else the events it takes joined by "or".
fn step_name(json: &Json, spec: &SelectorSpec) -> String {
    if let Some(label) = json.get("label").and_then(Json::as_str) {
        return label.to_string();
    }
    if spec.alternatives.iter().any(|a| a.event.is_none()) {
        "$any".to_string()
    } else {
        spec.event_names().join(" or ")
    }
}

impl<'a> Question<'a> {
    /// Reads the arguments; what needs the project is left for later.
    pub fn new(a: Arguments<'a>) -> Result<Self> {
        let steps_json = required(a.steps, "steps", STEPS_HINT)?.parse("steps")?;
        let Json::Array(list) = &steps_json else {
            return Err(Failure::param("steps must be an array of event selectors", STEPS_HINT));
        };
        if list.len() < 2 {
            return Err(Failure::param("a funnel needs at least two steps", STEPS_HINT));
        }
        if list.len() > engine::funnel::MAX_STEPS {
            return Err(Failure::param(
                format!("a funnel of {} steps", list.len()),
                format!("A funnel has 2 to {} steps.", engine::funnel::MAX_STEPS),
            ));
        }
        let (ordering, any) = word(
            "ordering",
            a.ordering,
            &[
                ("loose", (Ordering::Loose, false)),
                ("any", (Ordering::Loose, true)),
                ("strict", (Ordering::Strict, false)),
            ],
        )?;
        let (mut steps, mut floating) = (Vec::new(), 0u128);
        for (i, json) in list.iter().enumerate() {
            let place = format!("step {}", i + 1);
            let spec = arguments::selector(json, &place, &["label", "order"])?;
            let floats = match json.get("order") {
                None | Some(Json::Null) => any,
                Some(Json::String(s)) if s == "any" => true,
                Some(Json::String(s)) if s == "loose" => false,
                Some(_) => {
                    return Err(Failure::param(
                        format!("{place}: \"order\" must be \"any\" or \"loose\""),
                        "Neighbouring steps of \"order\":\"any\" may come in any order among themselves.",
                    ));
                }
            };
            floating |= u128::from(floats) << i;
            let name = step_name(json, &spec);
            steps.push(Step { name, spec });
        }
        let breakdown = a.breakdown.map(|b| b.parse("breakdown")).transpose()?;
        let (count, by_session) = word(
            "count",
            a.count.map(|c| if c == "session" { "sessions" } else { c }),
            &[
                ("unique", (Count::Unique, false)),
                ("total", (Count::Total, false)),
                ("sessions", (Count::Unique, true)),
            ],
        )?;
        let window_ms = milliseconds(&required(
            a.within,
            "within",
            "The time from the entry to the last step, for example '7 days'.",
        )?);
        if by_session && window_ms != USUAL_WINDOW {
            return Err(Failure::param(
                "the window of a funnel that counts sessions is the session",
                "Leave out within, or count 'unique' or 'total'.",
            ));
        }
        Ok(Question {
            exclusions: exclusions(a.exclude, steps.len())?,
            steps,
            days: arguments::range(a.from, a.to)?,
            by: required(a.by, "by", "Count by 'user' or a registered group key.")?,
            window_ms: if by_session { LONGEST_SESSION } else { window_ms },
            grace_ms: milliseconds(&required(
                a.grace,
                "grace",
                "How much earlier than the step before it a step may be; '0' turns it off.",
            )?),
            count,
            by_session,
            ordering,
            floating,
            reentry: word(
                "reentry",
                a.reentry,
                &[("default", Reentry::Default), ("optimized", Reentry::Optimized)],
            )?,
            hold: hold(a.hold)?,
            breakdown,
            attribution: attribution(a.attribution)?,
            filter: arguments::filter(a.filter)?,
            top: required(a.top, "top", TOP_HINT)?
                .try_into()
                .ok()
                .filter(|t: &usize| *t > 0)
                .ok_or_else(|| Failure::param("top must be 1 or more", TOP_HINT))?,
            property: a.property,
            project: a.project,
        })
    }

    /// The names of the steps.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|s| s.name.as_str())
    }

    /// Does it ask for segments?
    pub fn is_broken_down(&self) -> bool {
        match &self.breakdown {
            None | Some(Json::Null) => false,
            Some(Json::Array(list)) => !list.is_empty(),
            Some(_) => true,
        }
    }

    /// Reads the store and counts; `answer` makes rows of it. With a `unit`, a funnel of its own for each interval.
    pub fn ask<R>(
        &self,
        sql: &Sql,
        unit: Option<Unit>,
        answer: impl FnOnce(&Plan, Counts) -> engine::error::Result<R>,
    ) -> Result<R> {
        self.walk(
            sql,
            unit,
            |reading, part| {
                if part == Part::WHOLE
                    && let Some(counts) = reading.step_by_step()?
                {
                    return Ok(counts);
                }
                reading.counts(part)
            },
            |mut a, b| {
                a.merge(b)?;
                Ok(a)
            },
            |_, _, plan, counts| Ok(answer(plan, counts)?),
        )
    }

    /// Reads the store; `count` walks a part of the subjects, `merge` adds what it found of others, and `answer` makes rows
    /// of all of it.
    pub fn walk<C, R>(
        &self,
        sql: &Sql,
        unit: Option<Unit>,
        count: impl Fn(&Reading, Part) -> Result<C>,
        merge: impl Fn(C, C) -> engine::error::Result<C>,
        answer: impl FnOnce(&Project, Kind, &Plan, C) -> Result<R>,
    ) -> Result<R> {
        let project = registry::open(sql, self.project)?;
        let by = project.kind(self.by)?;
        let specs: Vec<&SelectorSpec> = self
            .steps
            .iter()
            .map(|s| &s.spec)
            .chain(self.exclusions.iter().map(|x| &x.0))
            .collect();
        let references = self.filter.as_ref().map_or_else(References::default, Expr::references);
        let mut context = Context::new(sql, &project, &specs, references)?;
        arguments::notice_unknown(&context, &specs)?;
        let remap = context.remap()?;
        let (from_day, to_day) = self.days;
        let buckets = unit
            .map(|u| project.calendar.buckets(u, from_day, to_day))
            .transpose()?;
        let sessions = match self.by_session {
            true => {
                let range = project.calendar.days(from_day, to_day)?;
                Some(session_starts::read(sql, &project, by, range, remap.as_deref())?)
            }
            false => None,
        };
        let plan = Plan {
            remap: remap.as_deref(),
            sessions: sessions.as_ref(),
            buckets: buckets.as_ref(),
            ..self.plan(&project, &mut context, by)?
        };
        plan.check()?;
        let selectors = self.bind(&context, by)?;
        let sources: Vec<Dimension> = plan.sources().into_iter().chain(&plan.measured).cloned().collect();
        let mut need = need(selectors.iter(), [by], &sources);
        let strict = self.ordering == Ordering::Strict;
        if strict {
            // Every event of a subject may break the order.
            need.events = None;
        }
        let workers = settings::workers();
        let waiting = scan::waiting(sql, &project, &need, plan.reads())?;
        let most = match &sessions {
            Some(s) => u32::try_from(s.len()).unwrap_or(u32::MAX),
            None => context.most(by)?,
        };
        let reading = Reading {
            plan: &plan,
            selectors: &selectors,
            passes: Passes::new(sql, &project, &need, plan.reads(), &workers, &waiting)?,
            workers: &workers,
            most,
        };
        let found = in_parts(|part| count(&reading, part), |a, b| Ok(merge(a, b)?))?;
        answer(&project, by, &plan, found)
    }

    fn plan(&self, project: &Project, context: &mut Context, by: Kind) -> Result<Plan<'static>> {
        let entry = project.calendar.days(self.days.0, self.days.1)?;
        let held = self
            .hold
            .iter()
            .map(|p| Ok(Dimension::EventProperty(context.load_named(p)?)))
            .collect::<Result<Vec<_>>>()?;
        let breakdown = dimensions(self.breakdown.as_ref(), project)?
            .iter()
            .map(|d| {
                let loaded = d.load(context, &project.calendar, by)?;
                loaded.ok_or_else(|| Failure::not_available("a breakdown of funnels by \"users_who_did\""))
            })
            .collect::<Result<Vec<_>>>()?;
        let filter = match &self.filter {
            Some(f) => Some(GlobalFilter::new(f, context, by).map_err(|e| Failure::from(e).within("filter"))?),
            None => None,
        };
        let measured = self.property.map(|p| context.load_named(p)).transpose()?;
        Ok(Plan {
            window_ms: self.window_ms,
            grace_ms: self.grace_ms,
            ordering: self.ordering,
            floating: self.floating,
            reentry: self.reentry,
            count: self.count,
            exclusions: self.exclusions.iter().map(|x| x.1).collect(),
            held,
            breakdown,
            attribution: self.attribution,
            filter,
            measured: measured.map(Dimension::EventProperty),
            top: self.top,
            ..Plan::new(self.steps.len(), by, entry, settings::query_memory())
        })
    }

    fn bind(&self, context: &Context, by: Kind) -> Result<Vec<Selector>> {
        let steps = self.steps.iter().map(|s| &s.spec).zip(1..);
        let steps = steps.map(|(s, i)| (s, format!("step {i}")));
        let exclusions = self.exclusions.iter().map(|x| (&x.0, "exclude".to_string()));
        steps
            .chain(exclusions)
            .map(|(s, place)| context.bind(s, by, None).map_err(|e| e.within(place)))
            .collect()
    }
}

const TOP_HINT: &str = "It is the number of segments to show; the rest becomes $other.";

pub fn exclusions(json: Option<Jsonb>, steps: usize) -> Result<Vec<(SelectorSpec, Exclusion)>> {
    let json = json.map(|j| j.parse("exclude")).transpose()?;
    let list = match &json {
        None | Some(Json::Null) => &[][..],
        Some(Json::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    list.iter()
        .map(|json| {
            let spec = arguments::selector(json, "exclude", &["between"])?;
            let wrong = || {
                Failure::param(
                    format!("exclude: \"between\" must be two steps of the {steps}, the earlier one first"),
                    EXCLUDE_HINT,
                )
            };
            let (from, to) = match json.get("between") {
                None | Some(Json::Null) => (1, steps),
                Some(Json::Array(pair)) => match pair.as_slice() {
                    [a, b] => {
                        let step = |n: &Json| {
                            let n = n.as_u64().and_then(|n| usize::try_from(n).ok());
                            n.filter(|n| (1..=steps).contains(n)).ok_or_else(wrong)
                        };
                        (step(a)?, step(b)?)
                    }
                    _ => return Err(wrong()),
                },
                Some(_) => return Err(wrong()),
            };
            if from >= to {
                return Err(wrong());
            }
            let between = Exclusion {
                from: from - 1,
                to: to - 1,
            };
            Ok((spec, between))
        })
        .collect()
}

pub fn hold(list: Option<Vec<Option<String>>>) -> Result<Vec<String>> {
    const HINT: &str = "For example hold => '{item_id}': every step must have the same item_id.";
    let list = list.unwrap_or_default();
    if list.len() > MAX_HELD {
        return Err(Failure::param(
            format!("{} properties held constant", list.len()),
            format!("At most {MAX_HELD} are possible."),
        ));
    }
    let list: Vec<String> = list
        .into_iter()
        .map(|p| required(p, "a property to hold", HINT))
        .collect::<Result<_>>()?;
    match list.iter().find(|p| p.is_empty()) {
        Some(_) => Err(Failure::param("a property to hold has an empty name", HINT)),
        None => Ok(list),
    }
}

/// 'first', 'last', 'step1' …
fn attribution(text: Option<&str>) -> Result<Attribution> {
    let step = |s: &str| {
        let n = s.strip_prefix("step")?.parse::<usize>().ok()?;
        n.checked_sub(1)
    };
    match text {
        Some("first") => Ok(Attribution::First),
        Some("last") => Ok(Attribution::Last),
        other => other.and_then(step).map(Attribution::Step).ok_or_else(|| {
            let value = other.map_or("NULL".into(), |v| format!("\"{v}\""));
            Failure::param(
                format!("unknown attribution {value}"),
                "Use 'first', 'last', or the number of a step, such as 'step1'.",
            )
        }),
    }
}
