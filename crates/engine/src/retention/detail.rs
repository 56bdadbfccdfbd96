//! Retention in detail: by segments of the births, in brackets of several units, with what those who came back had of a
//! property, and who they are.
//!
//! Counts what [`super::Kernel`] counts. It keeps more of every event, so the plain question is left to that one.

mod finish;
mod members;
mod partial;
mod summary;
mod table;
#[cfg(test)]
mod tests;
mod walk;

pub use finish::{Counts, Row, count_on, rows};
pub use members::{Asked, Found, Member, Outcome, find_on};
pub use partial::Partial;
pub use summary::{Average, SummaryRow, summary};

use super::{BORN, MAX_BUCKETS, Plan, RETURNED};
use crate::breakdown::{Breakdown, Dimension, Event};
use crate::chunk::{Chunk, Hits, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::gather::{canonical, for_each_event, pack};
use crate::insights::source::Numbers;
use crate::postings::{Part, Postings};
use crate::tick::Tick;

/// What the cells of the answer say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The share of those who were born.
    Rate,
    /// How many came back.
    Count,
    /// The sum of a property of the events they came back with.
    Sum(u32),
    /// That sum by the number of those who came back.
    Average(u32),
}

/// What is asked beyond the plain question.
#[derive(Debug, Clone)]
pub struct Detail<'a> {
    pub plan: Plan<'a>,
    /// Where each bracket ends, in units, ascending; the first begins at 0. None: every unit is a bucket.
    brackets: Vec<usize>,
    /// Segments of the births.
    pub breakdown: Vec<Dimension>,
    pub measure: Measure,
    /// Segments to show; the rest becomes one.
    pub top: usize,
}

/// Most brackets.
pub const MAX_BRACKETS: usize = 730;

/// The last bucket that a question in these brackets needs.
pub fn last_bucket(brackets: &[usize]) -> Result<usize> {
    let wrong = |what: &str| {
        Err(Error::param_hint(
            format!("brackets {what}"),
            "They are where each bracket ends, in units: '{1,7,30}' is the first one, the six after it, and the rest up to 30.",
        ))
    };
    if brackets.len() > MAX_BRACKETS {
        return wrong("are too many");
    }
    if brackets.first() == Some(&0) || !brackets.is_sorted_by(|a, b| a < b) {
        return wrong("must be positive and ascend");
    }
    match brackets.last() {
        Some(last) if *last > MAX_BUCKETS => wrong("reach too far"),
        Some(last) => Ok(last - 1),
        None => wrong("must not be empty"),
    }
}

impl<'a> Detail<'a> {
    /// `plan` reaches to [`last_bucket`] of the brackets, where there are any.
    pub fn new(
        plan: Plan<'a>,
        brackets: Vec<usize>,
        breakdown: Vec<Dimension>,
        measure: Measure,
        top: usize,
    ) -> Result<Self> {
        if !brackets.is_empty() && last_bucket(&brackets)? != plan.buckets {
            return Err(Error::param("retention: brackets of another plan"));
        }
        for d in &breakdown {
            d.scope(plan.by)?;
            if matches!(d.plain().0, Dimension::UsersWhoDid(_)) {
                return Err(Error::param_hint(
                    "\"users_who_did\" can not break down retention",
                    "Break down by a property of events, users or groups.",
                ));
            }
        }
        Ok(Detail {
            plan,
            brackets,
            breakdown,
            measure,
            top,
        })
    }

    /// Buckets of the answer.
    pub fn columns(&self) -> usize {
        match self.brackets.len() {
            0 => self.plan.buckets + 1,
            n => n,
        }
    }

    /// The bucket of the answer that a number of units after the birth is in; [`Detail::columns`] when it is beyond.
    fn column(&self, unit: usize) -> usize {
        match self.brackets.len() {
            0 => unit.min(self.columns()),
            _ => self.brackets.partition_point(|b| *b <= unit),
        }
    }

    /// The unit that bucket `n` of the answer begins with.
    fn first_unit(&self, n: usize) -> usize {
        match self.brackets.len() {
            0 => n,
            _ => n
                .checked_sub(1)
                .map_or(0, |n| self.brackets.get(n).copied().unwrap_or(usize::MAX)),
        }
    }

    fn property(&self) -> Option<u32> {
        match self.measure {
            Measure::Sum(p) | Measure::Average(p) => Some(p),
            Measure::Rate | Measure::Count => None,
        }
    }
}

/// Gathers chunks.
#[derive(Debug)]
pub struct Kernel<'p> {
    detail: &'p Detail<'p>,
    breakdown: Breakdown<'p>,
    partial: Partial,
}

impl<'p> Kernel<'p> {
    /// Nothing gathered.
    pub fn new(detail: &'p Detail<'p>) -> Result<Self> {
        let mut partial = Partial::new(detail);
        Ok(Kernel {
            detail,
            breakdown: Breakdown::new(&detail.breakdown, &mut partial.budget)?,
            partial,
        })
    }

    /// The same for subjects numbered up to about `most`, which decides how they are spread and not what comes out.
    pub fn for_subjects(mut self, most: SubjectNo) -> Result<Self> {
        let p = &mut self.partial;
        p.postings = Postings::for_subjects(most, self.detail.plan.by == USER, &mut p.budget)?;
        Ok(self)
    }

    /// The same for one part of the subjects.
    pub fn only(mut self, part: Part) -> Self {
        self.partial.postings = std::mem::take(&mut self.partial.postings).only(part);
        self
    }

    /// Gathers the events of a chunk: what the selectors of births and of returns picked. An event may be both.
    pub fn push(&mut self, chunk: &Chunk, born: &Hits, returned: &Hits, tick: &mut dyn Tick) -> Result<()> {
        let (detail, breakdown) = (self.detail, &mut self.breakdown);
        let Partial {
            postings,
            table,
            budget,
        } = &mut self.partial;
        let plan = &detail.plan;
        let (births, returns) = plan.reads();
        let inside = |span: crate::time::Span64, t: i64| t >= span.from && t < span.to;
        breakdown.next_chunk(chunk, budget)?;
        let numbers = match detail.property() {
            Some(p) => Numbers::of(chunk, p)?,
            None => Numbers::Nothing,
        };
        let hits = [born.clone(), returned.clone()];
        for_each_event(chunk, plan.by, &hits, plan.remap, tick, |row, no, mask| {
            let Some(&t) = chunk.time.get(row) else { return Ok(()) };
            let born = u32::from(mask & 1 != 0 && inside(births, t)) * BORN;
            let returned = u32::from(mask & 2 != 0 && inside(returns, t)) * RETURNED;
            if born | returned == 0 {
                return Ok(());
            }
            let line = if born != 0 {
                let user = chunk.user.get(row).copied().unwrap_or(0);
                let event = Event {
                    chunk,
                    row,
                    user: canonical(plan.remap, USER, user),
                    by: plan.by,
                    bucket: 0,
                };
                let found = breakdown.of(event, no, &mut table.segments, budget)?;
                table.lines.line(found, budget)?
            } else {
                0
            };
            let x = if returned != 0 { numbers.get(row) } else { f64::NAN };
            let tag = table.tag(born | returned, line, x, budget)?;
            postings.push(no, pack(t, tag)?, budget)
        })
    }

    /// What was gathered.
    pub fn finish(self) -> Partial {
        self.partial
    }
}
