//! Event selectors: which events a metric, a step or an anchor is about.

use super::ast::{Expr, References};
use super::bind::Names;
use super::filter::{Filter, bind};
use super::first::FirstTimes;
use super::read_selector::{Outer, Reading};
use crate::chunk::{Chunk, Events, Hits, Kind};
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::tick::Tick;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::sync::Arc;

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
    /// Only first times of each subject: of all the alternatives of the selector that have the same number here.
    pub first: Option<usize>,
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
    /// Picks only what happened at the first time of its subject.
    pub first: Option<Arc<FirstTimes>>,
}

impl AlternativeSpec {
    /// How messages call it: the event's name in quotes.
    fn name(&self) -> String {
        Json::from(self.event.as_deref().unwrap_or("$any")).to_string()
    }
}

/// Says which selector an error of a filter comes from; positions stay those of the filter's own text.
pub(super) fn within(place: &str, e: Error) -> Error {
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

pub(super) fn wrong(message: impl Into<String>) -> Error {
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
        let mut reading = Reading::default();
        reading.read(json, extra, &Outer::default())?;
        Ok(SelectorSpec {
            alternatives: reading.alternatives,
        })
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

    /// Selectors whose first times must be known before it can be bound, in the order that [`SelectorSpec::bind_with`]
    /// wants them. They pick every time, without the filter of the report: the first time is that of the event with
    /// the selector's own filters, whatever else is asked of it.
    pub fn firsts(&self) -> Vec<SelectorSpec> {
        let mut firsts: Vec<SelectorSpec> = Vec::new();
        for a in &self.alternatives {
            let Some(n) = a.first else { continue };
            let every = AlternativeSpec {
                first: None,
                ..a.clone()
            };
            match firsts.get_mut(n) {
                Some(known) => known.alternatives.push(every),
                // They are numbered in order of appearance.
                None => firsts.push(SelectorSpec {
                    alternatives: vec![every],
                }),
            }
        }
        firsts
    }

    /// Binds one that asks for no first times.
    pub fn bind(&self, names: &dyn Names, by: Kind, global: Option<&Expr>) -> Result<Selector> {
        self.bind_with(names, by, global, &[])
    }

    /// Binds it to a project for a report that counts `by`; `global` is a filter that must hold as well, `firsts` are the
    /// first times of the subjects that are counted, one for each of [`SelectorSpec::firsts`].
    pub fn bind_with(
        &self,
        names: &dyn Names,
        by: Kind,
        global: Option<&Expr>,
        firsts: &[Arc<FirstTimes>],
    ) -> Result<Selector> {
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
            let first = a.first.map(|n| {
                let known = firsts.get(n).cloned();
                known.ok_or_else(|| wrong(format!("first_time of {} is not available here", a.name())))
            });
            let one = Alternative {
                event: None,
                filter,
                first: first.transpose()?,
            };
            let events = match (&a.event, names.any_event()) {
                (None, None) => vec![None],
                (None, Some(any)) => any.iter().copied().map(Some).collect(),
                (Some(name), _) => names.events(name).into_iter().map(Some).collect(),
            };
            // Nobody sent it.
            let events = if events.is_empty() { vec![Some(0)] } else { events };
            Ok((one, events))
        });
        let mut bound = Vec::new();
        for a in alternatives {
            let (one, events): (Alternative, Vec<Option<u32>>) = a?;
            bound.extend(events.into_iter().map(|event| Alternative { event, ..one.clone() }));
        }
        Ok(Selector { alternatives: bound })
    }
}

impl Selector {
    /// Of one that was bound for any event: for every event, those that any event leaves out as well.
    pub fn of_every_event(mut self) -> Selector {
        self.alternatives.truncate(1);
        self.alternatives.iter_mut().for_each(|a| a.event = None);
        self
    }

    /// Numbers of the events it can pick, sorted; `None` = any event.
    pub fn events(&self) -> Option<Vec<u32>> {
        let all: Option<BTreeSet<u32>> = self.alternatives.iter().map(|a| a.event).collect();
        all.map(|s| s.into_iter().filter(|e| *e != 0).collect())
    }

    /// True when it looks at nothing but the event's name.
    pub fn is_plain(&self) -> bool {
        self.alternatives
            .iter()
            .all(|a| a.filter.is_none() && a.first.is_none())
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
        self.alternatives.iter().any(|a| a.first.is_some()) || self.filters().any(Filter::reads_time)
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
            let hits = match &a.first {
                None => hits,
                Some(first) => first.only(hits, chunk, by, tick)?,
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
