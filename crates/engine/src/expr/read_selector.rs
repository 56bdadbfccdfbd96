//! Event selectors as JSON: names, filters, `any` of several, first times.

use super::ast::Expr;
use super::parser::{near, parse};
use super::select::{AlternativeSpec, within, wrong};
use crate::error::{Error, Result};
use serde_json::{Map, Value as Json};

/// Most events one selector may combine.
const MAX_ALTERNATIVES: usize = 1000;
/// Most levels of `any` inside `any`.
const MAX_LEVELS: usize = 16;
/// Keys of a selector itself.
const KEYS: [&str; 4] = ["event", "filter", "any", "first_time"];

/// The alternatives read so far, and how many first times they ask for.
#[derive(Default)]
pub(super) struct Reading {
    pub alternatives: Vec<AlternativeSpec>,
    firsts: usize,
}

/// What the selectors around one say about it.
#[derive(Default)]
pub(super) struct Outer {
    filter: Option<Expr>,
    first: Option<usize>,
    /// For messages: ", selector 2 of any".
    place: String,
    level: usize,
}

fn both(a: Option<&Expr>, b: Option<Expr>) -> Option<Expr> {
    match (a, b) {
        (Some(a), Some(b)) => Some(Expr::And(vec![a.clone(), b])),
        (Some(a), None) => Some(a.clone()),
        (None, b) => b,
    }
}

impl Reading {
    /// Reads a selector that may also have the keys `extra`, which are the caller's.
    pub fn read(&mut self, json: &Json, extra: &[&str], outer: &Outer) -> Result<()> {
        match json {
            Json::String(name) => self.push(name, None, outer.first, outer),
            Json::Object(object) => self.object(object, extra, outer),
            other => {
                let what = match other {
                    Json::Null => "null",
                    Json::Bool(_) => "a boolean",
                    Json::Number(_) => "a number",
                    _ => "an array",
                };
                Err(wrong(format!("an event selector can't be {what}{}", outer.place)))
            }
        }
    }

    fn push(&mut self, name: &str, filter: Option<Expr>, first: Option<usize>, outer: &Outer) -> Result<()> {
        if name.is_empty() {
            return Err(wrong(format!("the event name is empty{}", outer.place)));
        }
        if self.alternatives.len() >= MAX_ALTERNATIVES {
            return Err(Error::Limit {
                message: format!("more than {MAX_ALTERNATIVES} events in one selector"),
                hint: Some("Use \"$any\" with a filter.".into()),
            });
        }
        self.alternatives.push(AlternativeSpec {
            event: (name != "*" && name != "$any").then(|| name.to_string()),
            filter: both(outer.filter.as_ref(), filter),
            first,
        });
        Ok(())
    }

    fn object(&mut self, object: &Map<String, Json>, extra: &[&str], outer: &Outer) -> Result<()> {
        let place = &outer.place;
        known_keys(object, extra, place)?;
        let first = self.first(object, outer)?;
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
            (Some(name), None) => self.push(name, filter, first, outer),
            (None, Some(Json::Array(list))) => {
                if list.is_empty() {
                    return Err(wrong(format!("any needs at least one selector{place}")));
                }
                if outer.level >= MAX_LEVELS {
                    return Err(wrong(format!("more than {MAX_LEVELS} levels of any")));
                }
                let filter = both(outer.filter.as_ref(), filter);
                for (i, inner) in list.iter().enumerate() {
                    let outer = Outer {
                        filter: filter.clone(),
                        first,
                        place: format!(", selector {} of any{place}", i + 1),
                        level: outer.level + 1,
                    };
                    self.read(inner, &[], &outer)?;
                }
                Ok(())
            }
            (None, Some(_)) => Err(wrong(format!("any must be an array of selectors{place}"))),
            (Some(_), Some(_)) => Err(wrong(format!("event and any exclude each other{place}"))),
            (None, None) => Err(wrong(format!("an event selector needs event or any{place}"))),
        }
    }

    /// The number of the first times that a selector asks for, if it does.
    fn first(&mut self, object: &Map<String, Json>, outer: &Outer) -> Result<Option<usize>> {
        let place = &outer.place;
        match (object.get("first_time"), outer.first) {
            (None | Some(Json::Null | Json::Bool(false)), first) => Ok(first),
            (Some(Json::Bool(true)), None) => {
                self.firsts += 1;
                Ok(Some(self.firsts - 1))
            }
            (Some(Json::Bool(true)), Some(_)) => Err(Error::param_hint(
                format!("first_time inside of first_time{place}"),
                "The first time of any of them is what \"any\" with first_time picks; for the first times of each, say it inside alone.",
            )),
            (Some(_), _) => Err(wrong(format!("first_time must be true or false{place}"))),
        }
    }
}

fn known_keys(object: &Map<String, Json>, extra: &[&str], place: &str) -> Result<()> {
    let known = || KEYS.into_iter().chain(extra.iter().copied());
    let Some(key) = object.keys().find(|k| !known().any(|n| n == k.as_str())) else {
        return Ok(());
    };
    let allowed = format!("Allowed are {}.", known().collect::<Vec<_>>().join(", "));
    Err(Error::param_hint(
        format!("unknown key \"{key}\" in an event selector{place}"),
        match near(key, known()) {
            Some(n) => format!("Did you mean {n}? {allowed}"),
            None => allowed,
        },
    ))
}
