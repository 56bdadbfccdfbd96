//! Insights: how many events, how many different users or groups, per interval and segment.
//!
//! A kernel gathers a partial from chunks; partials of any chunks merge in any order; finishing gives dense rows. Reads
//! chunks and the selectors' hits on them; evaluates no filter.

mod cells;
mod combinations;
mod finish;
mod partial;
#[cfg(test)]
mod tests;
mod users_who_did;

pub use finish::{Row, finish};
pub use partial::Partial;
pub use users_who_did::{UsersWhoDid, UsersWhoDidTable};

use crate::breakdown::{Breakdown, Dimension, Event, MAX_SEGMENTS, Scope};
use crate::chunk::{Chunk, Column, Hits, Kind, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::gather::{BucketFinder, for_each_row, try_for_each_subject, zeroed};
use crate::tick::{EVERY, Tick};
use crate::time::Buckets;
use partial::Counts;

/// What is counted of the picked events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Events. By a group key: events attributed to it, once each, also with several groups; but an event counts in
    /// the own segment of each of its groups.
    Total,
    /// Different subjects with at least one event in the interval.
    Unique,
}

/// One curve of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    pub measure: Measure,
    pub by: Kind,
    pub label: String,
}

/// What an insights report asks.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    pub metrics: Vec<Metric>,
    pub buckets: Buckets,
    pub breakdown: Vec<Dimension>,
    /// Segments to show; the rest becomes one, `$other`.
    pub top: usize,
    /// Canonical user of each user, where identities were merged.
    pub remap: Option<&'a [SubjectNo]>,
    /// Bytes a partial, or the answer, may take.
    pub memory_limit: usize,
}

/// Not a line of any table.
const UNKNOWN: u32 = u32::MAX;

/// Counts chunks.
#[derive(Debug)]
pub struct Kernel<'p> {
    plan: &'p Plan<'p>,
    /// Per metric: does a segment depend on the very subject?
    scopes: Vec<Scope>,
    breakdown: Breakdown<'p>,
    partial: Partial,
}

impl<'p> Kernel<'p> {
    /// Checks the plan: an error where a dimension makes no sense for a metric.
    pub fn new(plan: &'p Plan<'p>) -> Result<Self> {
        let mut scopes = Vec::new();
        for m in &plan.metrics {
            let mut scope = Scope::Row;
            for d in &plan.breakdown {
                if d.scope(m.by)? == Scope::Subject {
                    scope = Scope::Subject;
                }
            }
            scopes.push(scope);
        }
        let mut partial = Partial::new(plan)?;
        Ok(Kernel {
            plan,
            scopes,
            breakdown: Breakdown::new(&plan.breakdown, &mut partial.budget)?,
            partial,
        })
    }

    /// Counts the events of a chunk; `hits` has what each metric's selector picked.
    pub fn push(&mut self, chunk: &Chunk, hits: &[Hits], tick: &mut dyn Tick) -> Result<()> {
        if hits.len() != self.plan.metrics.len() {
            return Err(Error::param("insights: one selection per metric is needed"));
        }
        self.breakdown.next_chunk(chunk, &mut self.partial.budget)?;
        for (i, h) in hits.iter().enumerate() {
            let Partial { counts, budget, .. } = &mut self.partial;
            let (Some(m), Some(counts)) = (self.plan.metrics.get(i), counts.get_mut(i)) else {
                continue;
            };
            if !self.plan.breakdown.is_empty() {
                self.push_broken_down(i, chunk, h, tick)?;
                continue;
            }
            let mut finder = BucketFinder::new(&self.plan.buckets.starts, self.plan.buckets.range);
            match counts {
                Counts::Totals(table) => total(chunk, m.by, h, tick, |row, n| {
                    match chunk.time.get(row).and_then(|t| finder.of(*t)) {
                        Some(bucket) => table.slot(0, bucket, budget).map(|c| *c += n),
                        None => Ok(()),
                    }
                })?,
                Counts::Sets(table) => {
                    let mut last = (usize::MAX, 0);
                    try_for_each_subject(chunk, m.by, h, self.plan.remap, tick, |row, no| {
                        let Some(bucket) = chunk.time.get(row).and_then(|t| finder.of(*t)) else {
                            return Ok(());
                        };
                        // The events of a subject come in runs.
                        if last == (bucket, no) {
                            return Ok(());
                        }
                        last = (bucket, no);
                        table.slot(0, bucket, budget)?.add(no, budget)
                    })?;
                }
            }
        }
        Ok(())
    }

    fn push_broken_down(&mut self, metric: usize, chunk: &Chunk, hits: &Hits, tick: &mut dyn Tick) -> Result<()> {
        let Partial {
            counts,
            segments,
            combinations,
            budget,
            ..
        } = &mut self.partial;
        let (Some(m), Some(counts), Some(&scope)) = (
            self.plan.metrics.get(metric),
            counts.get_mut(metric),
            self.scopes.get(metric),
        ) else {
            return Ok(());
        };
        let remap = self.plan.remap;
        let mut finder = BucketFinder::new(&self.plan.buckets.starts, self.plan.buckets.range);
        let mut seen: Vec<u32> = Vec::new();
        // One property with a dictionary, the commonest breakdown: what each code is counted under is worked out once.
        let (codes, values) = match self.plan.breakdown.as_slice() {
            [Dimension::EventProperty(p)] => match chunk.property(*p) {
                Some(Column::Dict { values, codes }) => (codes.as_slice(), values.len() + 1),
                _ => (&[][..], 0),
            },
            _ => (&[][..], 0),
        };
        let mut lines: Vec<u32> = zeroed(values, budget)?;
        budget.give(values * size_of::<u32>());
        lines.fill(UNKNOWN);
        for_each_row(chunk, m.by, hits, remap, tick, |row, subjects| {
            let Some(bucket) = chunk.time.get(row).and_then(|t| finder.of(*t)) else {
                return Ok(());
            };
            let user = match subjects {
                [user] if m.by == USER => *user,
                _ => 0,
            };
            let event = Event {
                chunk,
                row,
                user,
                by: m.by,
                bucket,
            };
            if let Some(line) = codes.get(row).and_then(|code| lines.get_mut(*code as usize)) {
                if *line == UNKNOWN && (m.measure == Measure::Total || !subjects.is_empty()) {
                    let found = self.breakdown.of(event, 0, segments, budget)?;
                    *line = combinations.line(found, budget)?;
                }
                match counts {
                    Counts::Totals(table) => {
                        *table.slot(*line, bucket, budget)? += 1;
                        return Ok(());
                    }
                    Counts::Sets(table) if *line < MAX_SEGMENTS => {
                        for no in subjects {
                            table.slot(*line, bucket, budget)?.add(*no, budget)?;
                        }
                        return Ok(());
                    }
                    // Sets are kept per segment, not per combination.
                    Counts::Sets(_) => {}
                }
            }
            match (&mut *counts, scope) {
                // Without a subject nobody is counted, and no segment may come into being.
                (Counts::Sets(_), _) if subjects.is_empty() => {}
                (Counts::Sets(table), Scope::Row) => {
                    let found = self.breakdown.of(event, 0, segments, budget)?;
                    for no in subjects {
                        for s in found.iter() {
                            table.slot(*s, bucket, budget)?.add(*no, budget)?;
                        }
                    }
                }
                (Counts::Sets(table), Scope::Subject) => {
                    for no in subjects {
                        for s in self.breakdown.of(event, *no, segments, budget)? {
                            table.slot(*s, bucket, budget)?.add(*no, budget)?;
                        }
                    }
                }
                (Counts::Totals(table), Scope::Row) => {
                    let found = self.breakdown.of(event, 0, segments, budget)?;
                    let line = combinations.line(found, budget)?;
                    *table.slot(line, bucket, budget)? += 1;
                }
                (Counts::Totals(table), Scope::Subject) => {
                    // Two groups of one event can share a segment: it counts there once.
                    seen.clear();
                    for no in subjects {
                        let found = self.breakdown.of(event, *no, segments, budget)?;
                        seen.try_reserve(found.len())
                            .map_err(|_| Error::OutOfMemory("segments of an event"))?;
                        seen.extend_from_slice(found);
                    }
                    let line = combinations.line(&mut seen, budget)?;
                    *table.slot(line, bucket, budget)? += 1;
                }
            }
            Ok(())
        })
    }

    /// What was counted.
    pub fn finish(mut self) -> Partial {
        self.partial.budget.give(self.breakdown.bytes());
        self.partial
    }
}

/// Calls `f(row, 1)` for every event that counts in a total by `by`.
fn total(
    chunk: &Chunk,
    by: Kind,
    hits: &Hits,
    tick: &mut dyn Tick,
    mut f: impl FnMut(usize, u64) -> Result<()>,
) -> Result<()> {
    let several = chunk.group(by).is_some_and(|g| !g.more.is_empty());
    if by != USER && several {
        return for_each_row(chunk, by, hits, None, tick, |row, _| f(row, 1));
    }
    if by != USER {
        return try_for_each_subject(chunk, by, hits, None, tick, |row, _| f(row, 1));
    }
    for (i, row) in hits.rows.ones().enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        f(row, 1)?;
    }
    Ok(())
}
