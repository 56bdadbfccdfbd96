//! Event selectors: which events a metric, a step or an anchor is about.

use super::ast::{Expr, References};
use super::bind::Names;
use super::filter::{Filter, bind};
use super::parser::{near, parse};
use crate::chunk::{Chunk, Events, Hits, Kind};
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::tick::Tick;
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;

/// Most events one selector may combine.
const MAX_ALTERNATIVES: usize = 1000;
/// Most levels of `any` inside `any`.
const MAX_LEVELS: usize = 16;
/// Keys of a selector itself.
const KEYS: [&str; 4] = ["event", "filter", "any", "first_time"];

/// An event selector as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectorSpec {
    /// An event is picked when any of them picks it.
    pub alternatives: Vec<AlternativeSpec>,
}

/// One event name, and the condition on it.
#[derive(Debug, Clone, PartialEq)]
pub struct AlternativeSpec {
    /// `None` = any event.
    pub event: Option<String>,
    pub filter: Option<Expr>,
}

/// An event selector bound to a project.
#[derive(Debug, Clone)]
pub struct Selector {
    pub alternatives: Vec<Alternative>,
}

/// One event, and the condition on it.
#[derive(Debug, Clone)]
pub struct Alternative {
    /// `None` = any event, 0 = an event nobody sent.
    pub event: Option<u32>,
    pub filter: Option<Filter>,
}

impl AlternativeSpec {
    /// How messages call it: the event's name in quotes.
    fn name(&self) -> String {
        Json::from(self.event.as_deref().unwrap_or("$any")).to_string()
    }
}

/// Says which selector an error of a filter comes from; positions stay those of the filter's own text.
fn within(place: &str, e: Error) -> Error {
    match e {
        Error::Syntax {
            message,
            position,
            hint,
        } => Error::Syntax {
            message: format!("filter of {place}: {message}"),
            position,
            hint,
        },
        Error::Param { message, hint } => Error::Param {
            message: format!("filter of {place}: {message}"),
            hint,
        },
        e => e,
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::param_hint(
        message,
        "An event selector is \"Purchase\", \"$any\", {\"event\":\"Purchase\",\"filter\":\"…\"} or {\"any\":[selector, …]}.",
    )
}

impl SelectorSpec {
    /// Reads a selector. Filters are parsed; a syntax error keeps its position and says which selector it is in.
    pub fn parse(json: &Json) -> Result<SelectorSpec> {
        SelectorSpec::parse_with(json, &[])
    }

    /// Reads a selector that is part of something larger: an object may also have the keys `extra`, which are the
    /// caller's (`label`, `measure` …).
    pub fn parse_with(json: &Json, extra: &[&str]) -> Result<SelectorSpec> {
        let mut alternatives = Vec::new();
        read(json, extra, None, "", 0, &mut alternatives)?;
        Ok(SelectorSpec { alternatives })
    }

    /// What all filters read.
    pub fn references(&self) -> References {
        let mut all = References::default();
        for filter in self.alternatives.iter().filter_map(|a| a.filter.as_ref()) {
            all.merge(filter.references());
        }
        all
    }

    /// The event names it asks for, each once, in order of appearance.
    pub fn event_names(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let names = self.alternatives.iter().filter_map(|a| a.event.as_deref());
        names.filter(|n| seen.insert(*n)).collect()
    }

    /// Binds it to a project for a report that counts `by`; `global` is a filter that must hold as well.
    pub fn bind(&self, names: &dyn Names, by: Kind, global: Option<&Expr>) -> Result<Selector> {
        let global_alone = match global {
            Some(g) => Some(bind(g, names, by)?),
            None => None,
        };
        let alternatives = self.alternatives.iter().map(|a| {
            let filter = match (&a.filter, global) {
                (None, _) => global_alone.clone(),
                (Some(f), global) => {
                    // On its own first, so that its errors name its place.
                    let own = bind(f, names, by).map_err(|e| within(&a.name(), e))?;
                    Some(match global {
                        Some(g) => bind(&Expr::And(vec![g.clone(), f.clone()]), names, by)?,
                        None => own,
                    })
                }
            };
            let event = a.event.as_ref().map(|name| names.event(name).unwrap_or(0));
            Ok(Alternative { event, filter })
        });
        Ok(Selector {
            alternatives: alternatives.collect::<Result<_>>()?,
        })
    }
}

fn both(a: Option<&Expr>, b: Option<Expr>) -> Option<Expr> {
    match (a, b) {
        (Some(a), Some(b)) => Some(Expr::And(vec![a.clone(), b])),
        (Some(a), None) => Some(a.clone()),
        (None, b) => b,
    }
}

fn read(
    json: &Json,
    extra: &[&str],
    outer: Option<&Expr>,
    place: &str,
    level: usize,
    out: &mut Vec<AlternativeSpec>,
) -> Result<()> {
    match json {
        Json::String(name) => push(name, outer, None, place, out),
        Json::Object(object) => read_object(object, extra, outer, place, level, out),
        other => {
            let what = match other {
                Json::Null => "null",
                Json::Bool(_) => "a boolean",
                Json::Number(_) => "a number",
                _ => "an array",
            };
            Err(wrong(format!("an event selector can't be {what}{place}")))
        }
    }
}

fn push(
    name: &str,
    outer: Option<&Expr>,
    filter: Option<Expr>,
    place: &str,
    out: &mut Vec<AlternativeSpec>,
) -> Result<()> {
    if name.is_empty() {
        return Err(wrong(format!("the event name is empty{place}")));
    }
    if out.len() >= MAX_ALTERNATIVES {
        return Err(Error::Limit {
            message: format!("more than {MAX_ALTERNATIVES} events in one selector"),
            hint: Some("Use \"$any\" with a filter.".into()),
        });
    }
    out.push(AlternativeSpec {
        event: (name != "*" && name != "$any").then(|| name.to_string()),
        filter: both(outer, filter),
    });
    Ok(())
}

fn read_object(
    object: &Map<String, Json>,
    extra: &[&str],
    outer: Option<&Expr>,
    place: &str,
    level: usize,
    out: &mut Vec<AlternativeSpec>,
) -> Result<()> {
    let known = || KEYS.into_iter().chain(extra.iter().copied());
    if let Some(key) = object.keys().find(|k| !known().any(|n| n == k.as_str())) {
        let allowed = format!("Allowed are {}.", known().collect::<Vec<_>>().join(", "));
        return Err(Error::param_hint(
            format!("unknown key \"{key}\" in an event selector{place}"),
            match near(key, known()) {
                Some(n) => format!("Did you mean {n}? {allowed}"),
                None => allowed,
            },
        ));
    }
    match object.get("first_time") {
        None | Some(Json::Bool(false)) => {}
        Some(Json::Bool(true)) => {
            return Err(Error::param_hint(
                format!("first_time is not available yet{place}"),
                "Leave it out to count every occurrence.",
            ));
        }
        Some(_) => return Err(wrong(format!("first_time must be true or false{place}"))),
    }
    let event = match object.get("event") {
        None | Some(Json::Null) => None,
        Some(Json::String(name)) => Some(name.as_str()),
        Some(_) => return Err(wrong(format!("event must be a string{place}"))),
    };
    let filter = match object.get("filter") {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => {
            let of = match event {
                Some(name) => Json::from(name).to_string(),
                None => "\"any\"".to_string(),
            };
            Some(parse(text).map_err(|e| within(&format!("{of}{place}"), e))?)
        }
        Some(_) => return Err(wrong(format!("filter must be a string{place}"))),
    };
    match (event, object.get("any")) {
        (Some(name), None) => push(name, outer, filter, place, out),
        (None, Some(Json::Array(list))) => {
            if list.is_empty() {
                return Err(wrong(format!("any needs at least one selector{place}")));
            }
            if level >= MAX_LEVELS {
                return Err(wrong(format!("more than {MAX_LEVELS} levels of any")));
            }
            let filter = both(outer, filter);
            for (i, inner) in list.iter().enumerate() {
                let place = format!(", selector {} of any{place}", i + 1);
                read(inner, &[], filter.as_ref(), &place, level + 1, out)?;
            }
            Ok(())
        }
        (None, Some(_)) => Err(wrong(format!("any must be an array of selectors{place}"))),
        (Some(_), Some(_)) => Err(wrong(format!("event and any exclude each other{place}"))),
        (None, None) => Err(wrong(format!("an event selector needs event or any{place}"))),
    }
}

impl Selector {
    /// Numbers of the events it can pick, sorted; `None` = any event.
    pub fn events(&self) -> Option<Vec<u32>> {
        let all: Option<BTreeSet<u32>> = self.alternatives.iter().map(|a| a.event).collect();
        all.map(|s| s.into_iter().filter(|e| *e != 0).collect())
    }

    /// True when it looks at nothing but the event's name.
    pub fn is_plain(&self) -> bool {
        self.alternatives.iter().all(|a| a.filter.is_none())
    }

    /// Event properties whose columns it reads.
    pub fn properties(&self) -> BTreeSet<u32> {
        self.filters().flat_map(|f| f.properties()).copied().collect()
    }

    /// Group kinds whose columns it reads.
    pub fn kinds(&self) -> BTreeSet<Kind> {
        self.filters().flat_map(|f| f.kinds()).copied().collect()
    }

    /// Does any condition look at the time of an event?
    pub fn reads_time(&self) -> bool {
        self.filters().any(Filter::reads_time)
    }

    /// Does any condition look at the user of an event, for what is counted by a group key?
    pub fn reads_user(&self) -> bool {
        self.filters().any(Filter::reads_user)
    }

    fn filters(&self) -> impl Iterator<Item = &Filter> {
        self.alternatives.iter().filter_map(|a| a.filter.as_ref())
    }

    /// What it picks of the rows in `base`. `by` is what it was bound for; whether a row belongs to any subject of that
    /// kind is left to [`Chunk::for_each_subject`].
    pub fn hits(&self, chunk: &Chunk, base: &Mask, by: Kind, tick: &mut dyn Tick) -> Result<Hits> {
        let mut all = Hits::rows(Mask::none(base.len()));
        for a in &self.alternatives {
            let rows = of_event(chunk, a.event, base, tick)?;
            if !rows.any() {
                continue;
            }
            let hits = match &a.filter {
                None => Hits::rows(rows),
                Some(f) => f.hits(chunk, &rows, tick)?,
            };
            all = either(all, hits, chunk, by);
        }
        Ok(all)
    }
}

/// The rows of one event.
fn of_event(chunk: &Chunk, event: Option<u32>, base: &Mask, tick: &mut dyn Tick) -> Result<Mask> {
    let none = || Mask::none(base.len());
    Ok(match (event, &chunk.events) {
        (None, _) => base.clone(),
        (Some(0), _) => none(),
        (Some(e), Events::One(x)) if e == *x => base.clone(),
        (Some(_), Events::One(_)) => none(),
        (Some(e), Events::Each(v)) => {
            let mut rows = base.clone();
            rows.retain(tick, |i| v.get(i) == Some(&e))?;
            rows
        }
    })
}

/// What either of two choices picks. When one of them chose entry by entry, the other is spelled out the same way.
fn either(mut a: Hits, b: Hits, chunk: &Chunk, by: Kind) -> Hits {
    if a.more.is_some() || b.more.is_some() {
        let more = chunk.group(by).map_or(&[][..], |g| &g.more);
        let entries = |h: &Hits| match &h.more {
            Some(m) => m.clone(),
            None => Mask::from_fn(more.len(), |i| more.get(i).is_some_and(|e| h.rows.get(e.0 as usize))),
        };
        let mut union = entries(&a);
        union.or(&entries(&b));
        a.more = Some(union);
    }
    a.rows.or(&b.rows);
    a
}
