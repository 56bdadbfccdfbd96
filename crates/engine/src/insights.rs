//! Insights: events, different users or groups, and aggregates of properties, per interval and segment.
//!
//! A kernel gathers a partial from chunks; partials of any chunks merge in any order; finishing gives dense rows. Reads
//! chunks and the selectors' hits on them; evaluates no filter.

mod broken_down;
pub(crate) mod cell;
mod cells;
mod coded;
pub(crate) mod combinations;
mod evaluate;
pub(crate) mod exact_sum;
mod finish;
mod formula;
pub(crate) mod group_users;
mod latest;
mod measure;
mod members;
mod partial;
pub(crate) mod per_subject;
mod plain;
mod profiles;
mod rank;
pub(crate) mod runs;
mod series;
pub(crate) mod source;
mod subject_values;
#[cfg(test)]
mod tests;
mod timeline;
mod touches;
mod trailing;
mod users_who_did;

pub(crate) use combinations::Combinations;
pub(crate) use evaluate::of_keys;
pub use finish::{Row, finish};
pub use formula::Formula;
pub use measure::{Aggregate, Inner, Measure, Metric, Touch};
pub use members::{Member, members, metrics as member_metrics};
pub use partial::Partial;
pub use profiles::{PROFILE_PROPERTY, Profiles};
pub use rank::unnamed;
pub use series::Smoothing;
pub use timeline::Timeline;
pub use users_who_did::{UsersWhoDid, UsersWhoDidTable};

use crate::breakdown::{Breakdown, Dimension, Scope};
use crate::chunk::{Chunk, Hits, Kind, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::sessions::Starts;
use crate::tick::Tick;
use broken_down::{Lines, UNKNOWN};
use plain::Source;
use runs::Run;
use source::{Picked, ValueNumbers};
use std::sync::Arc;

/// What an insights report asks.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    pub metrics: Vec<Metric>,
    pub time: Timeline,
    pub breakdown: Vec<Dimension>,
    /// Curves computed from those of the metrics.
    pub formulas: Vec<Formula>,
    /// What is done to every curve in the end.
    pub smoothing: Smoothing,
    /// Segments to show; the rest becomes one, `$other`.
    pub top: usize,
    /// Exactly these segments instead of the best.
    pub shown: Option<Shown>,
    /// Canonical user of each user, where identities were merged.
    pub remap: Option<&'a [SubjectNo]>,
    /// Bytes a partial, or the answer, may take.
    pub memory_limit: usize,
}

/// The segments another report shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// In this order.
    pub segments: Vec<Vec<String>>,
    /// `$other` as well; else what is in none of the segments is left out.
    pub rest: bool,
}

/// What the kernel keeps for one metric beside what it counted.
#[derive(Debug)]
struct State {
    /// Does a segment depend on the very subject?
    scope: Scope,
    ids: ValueNumbers,
    positions: coded::Positions,
    /// Days that a trailing window looks at.
    days: Vec<bool>,
}

/// Lines of the codes of a breakdown.
#[derive(Debug, Default)]
struct ByCode {
    /// What is counted by: it decides what a code is.
    by: Kind,
    /// The chunk they were last cleared for.
    chunk: u64,
    lines: Vec<u32>,
}

impl ByCode {
    /// Those of `codes` codes of the `chunk`th chunk; what is `lasting` means the same in every chunk.
    fn of(all: &mut Vec<ByCode>, by: Kind, chunk: u64, codes: usize, lasting: bool) -> Result<&mut Vec<u32>> {
        if !all.iter().any(|c| c.by == by) {
            all.push(ByCode {
                by,
                ..ByCode::default()
            });
        }
        let found = all.iter_mut().find(|c| c.by == by);
        let own = found.ok_or_else(|| Error::corrupt("insights: no such codes"))?;
        if own.lines.len() != codes || !lasting && own.chunk != chunk {
            own.lines.clear();
            own.lines
                .try_reserve(codes)
                .map_err(|_| Error::OutOfMemory("segments"))?;
            own.lines.resize(codes, UNKNOWN);
        }
        own.chunk = chunk;
        Ok(&mut own.lines)
    }
}

/// Counts chunks.
#[derive(Debug)]
pub struct Kernel<'p> {
    plan: &'p Plan<'p>,
    /// The sessions of what a metric counts by, where it counts sessions.
    sessions: &'p [Option<Arc<Starts>>],
    /// One per metric.
    states: Vec<State>,
    breakdown: Breakdown<'p>,
    /// Metrics that count by one kind have the same lines.
    by_code: Vec<ByCode>,
    /// Chunks seen so far.
    chunks: u64,
    /// Runs of the chunk at hand.
    runs: Vec<Run>,
    partial: Partial,
}

impl<'p> Kernel<'p> {
    /// Checks the plan: an error where a dimension makes no sense for a metric.
    pub fn new(plan: &'p Plan<'p>) -> Result<Self> {
        let mut states = Vec::new();
        for m in &plan.metrics {
            if m.profiles {
                profiles::check(&plan.breakdown)?;
            }
            let mut scope = Scope::Row;
            for d in &plan.breakdown {
                if d.scope(m.by)? == Scope::Subject {
                    scope = Scope::Subject;
                }
                if matches!(d, Dimension::UsersWhoDid(_)) && m.measure.trailing_days().is_some() {
                    return Err(Error::param_hint(
                        "\"users_who_did\" is a property of a group in one interval, a trailing window has several",
                        "Use the measure unique.",
                    ));
                }
                if matches!(d.plain().0, Dimension::Numbers { .. }) && m.measure.touch().is_some() {
                    return Err(Error::param(
                        "insights: one segment of several is chosen by their texts",
                    ));
                }
            }
            let trailing = m.measure.trailing_days();
            states.push(State {
                scope,
                ids: ValueNumbers::default(),
                positions: coded::Positions::default(),
                days: trailing.map_or(Vec::new(), |n| plan.time.looked_at(n, 0)),
            });
        }
        let mut partial = Partial::new(plan)?;
        Ok(Kernel {
            plan,
            sessions: &[],
            states,
            breakdown: Breakdown::new(&plan.breakdown, &mut partial.budget)?,
            by_code: Vec::new(),
            chunks: 0,
            runs: Vec::new(),
            partial,
        })
    }

    /// The same with the sessions that metrics count, one entry per metric.
    pub fn with_sessions(self, sessions: &'p [Option<Arc<Starts>>]) -> Self {
        Kernel { sessions, ..self }
    }

    /// Counts the events of a chunk; `hits` has what each metric's selector picked.
    pub fn push(&mut self, chunk: &Chunk, hits: &[Hits], tick: &mut dyn Tick) -> Result<()> {
        if hits.len() != self.plan.metrics.len() {
            return Err(Error::param("insights: one selection per metric is needed"));
        }
        let time = &self.plan.time;
        self.chunks += 1;
        self.breakdown.next_chunk(chunk, &mut self.partial.budget)?;
        let by_interval = |m: &Metric| m.measure.trailing_days().is_none();
        if self.plan.metrics.iter().any(by_interval) {
            let budget = &mut self.partial.budget;
            runs::find(
                &chunk.time,
                &time.buckets,
                |b| time.is_gap(b),
                &mut self.runs,
                budget,
                tick,
            )?;
            for (i, h) in hits.iter().enumerate() {
                if self.plan.metrics.get(i).is_some_and(by_interval) {
                    self.count(i, chunk, h, tick)?;
                }
            }
        }
        for (i, h) in hits.iter().enumerate() {
            if self.plan.metrics.get(i).is_none_or(by_interval) {
                continue;
            }
            let days = self.states.get(i).map_or(&[][..], |s| &s.days);
            let unseen = |day: usize| days.get(day) != Some(&true);
            runs::find(
                &chunk.time,
                &time.days,
                unseen,
                &mut self.runs,
                &mut self.partial.budget,
                tick,
            )?;
            self.count(i, chunk, h, tick)?;
        }
        Ok(())
    }

    /// Counts for one metric, over the runs at hand.
    fn count(&mut self, metric: usize, chunk: &Chunk, hits: &Hits, tick: &mut dyn Tick) -> Result<()> {
        let Partial {
            counts,
            segments,
            combinations,
            values,
            latest,
            touches,
            budget,
            ..
        } = &mut self.partial;
        let (Some(m), Some(counts), Some(latest), Some(touches), Some(state)) = (
            self.plan.metrics.get(metric),
            counts.get_mut(metric),
            latest.get_mut(metric),
            touches.get_mut(metric),
            self.states.get_mut(metric),
        ) else {
            return Ok(());
        };
        let State {
            scope, ids, positions, ..
        } = state;
        let remap = self.plan.remap;
        let sessions = self.sessions.get(metric).and_then(Option::as_deref);
        if m.measure == Measure::Sessions && sessions.is_none() {
            return Err(Error::param("insights: the sessions are not known"));
        }
        let property = m.measure.property().unwrap_or(0);
        let column = chunk.property(property).filter(|_| m.measure.counts_values());
        if m.measure.counts_values() {
            ids.next_chunk(column)?;
        }
        let zero = matches!(
            m.measure,
            Measure::PerSubject {
                inner: Inner::Property {
                    aggregate: Aggregate::Sum,
                    ..
                },
                ..
            }
        );
        let source = Source {
            chunk,
            column,
            property,
            ids,
            zero,
            sessions,
        };
        let picked = Picked::new(chunk, m.by, hits, &self.runs, remap, m.measure.needs_subject());
        if self.plan.breakdown.is_empty()
            && let Some(picked) = &picked
        {
            return plain::push(counts, picked, source, values, budget, tick);
        }
        // Without a breakdown there is one segment.
        let touch = m.measure.touch().filter(|_| !self.plan.breakdown.is_empty());
        let coded = match touch {
            Some(_) => None,
            None => self.breakdown.coded(chunk, m.by),
        };
        let mut nowhere = Vec::new();
        // What a code means in this chunk it need not mean in the next.
        let by_code = match &coded {
            Some((_, codes, lasting)) => {
                positions.begin(*codes, *lasting)?;
                ByCode::of(&mut self.by_code, m.by, self.chunks, *codes, *lasting)?
            }
            None => &mut nowhere,
        };
        let coded = coded.map(|(c, _, _)| c);
        let mut lines = Lines {
            breakdown: &mut self.breakdown,
            segments,
            combinations,
            by_code,
            by: m.by,
            remap: remap.filter(|_| m.by == USER),
        };
        if touch.is_some() {
            let runs = &self.runs;
            return touches::push(touches, hits, runs, *scope, source, &mut lines, budget, tick);
        }
        match (&picked, &coded) {
            (Some(p), Some(c)) => coded::push_coded(
                counts, latest, p, c, source, &mut lines, positions, values, budget, tick,
            ),
            _ => {
                let runs = &self.runs;
                broken_down::push_rows(counts, hits, runs, *scope, source, &mut lines, values, budget, tick)
            }
        }
    }

    /// What was counted.
    pub fn finish(mut self) -> Partial {
        let ids: usize = self.states.iter().map(|s| s.ids.bytes()).sum();
        let runs = self.runs.capacity() * size_of::<Run>();
        self.partial.budget.give(self.breakdown.bytes() + ids + runs);
        self.partial
    }

    /// What was counted so far, to add what is known without rows.
    pub fn partial(&mut self) -> &mut Partial {
        &mut self.partial
    }
}
