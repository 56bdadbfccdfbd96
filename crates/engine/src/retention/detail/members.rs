//! Who is behind one cell of retention: each subject is counted as ever, and what it added is looked at.

use super::finish::{Counts, others, walk};
use super::{Detail, Measure, Partial};
use crate::breakdown::OTHER;
use crate::chunk::SubjectNo;
use crate::error::{Error, Result};
use crate::gather::{Budget, grow_within, push_within};
use crate::parallel::{Workers, merge};
use crate::tick::Tick;

/// What became of those who were born.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Retained in the bucket.
    Retained,
    /// Born and not retained in the bucket.
    Lost,
}

/// Which number is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Number of the cohort, from 0.
    pub cohort: usize,
    /// None: everybody who was born.
    pub bucket: Option<usize>,
    pub outcome: Outcome,
}

/// One of those behind a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member {
    pub no: SubjectNo,
    /// When it was born, in milliseconds.
    pub born: i64,
    /// What it adds: its sum of the measured property, else 1.
    pub value: f64,
}

/// What was found of some subjects, in any order.
#[derive(Debug)]
pub struct Found {
    /// The whole, which says what segments are shown.
    counts: Counts,
    /// With the line of their birth.
    members: Vec<(Member, u32)>,
    budget: Budget,
}

/// Finds the members of a partial, spread over threads.
pub fn find_on(
    detail: &Detail,
    partial: Partial,
    asked: Asked,
    workers: &Workers,
    tick: &mut dyn Tick,
) -> Result<Found> {
    if asked.bucket.is_some_and(|n| n >= detail.columns()) {
        return Err(Error::param_hint(
            format!("the report has no bucket {}", asked.bucket.unwrap_or(0)),
            format!("Its buckets are 0 to {}.", detail.columns() - 1),
        ));
    }
    let limit = detail.plan.memory_limit;
    let states = walk(
        detail,
        partial,
        workers,
        tick,
        |segments, sets| Found {
            counts: Counts::new(detail, segments, sets),
            members: Vec::new(),
            budget: Budget::new(limit),
        },
        |found, no, birth, cells| {
            found.counts.add(detail, birth, cells)?;
            if birth.cohort != asked.cohort {
                return Ok(());
            }
            let own = asked.bucket.and_then(|n| cells.get(n));
            let retained = own.is_some_and(|o| o.retained);
            if asked.bucket.is_some() && retained != (asked.outcome == Outcome::Retained) {
                return Ok(());
            }
            let value = match (detail.measure, own) {
                (Measure::Sum(_) | Measure::Average(_), Some(own)) => own.sum.sum.value(),
                _ => 1.0,
            };
            let member = Member {
                no,
                born: birth.at,
                value,
            };
            push_within(&mut found.members, (member, birth.line), &mut found.budget)
        },
    )?;
    merge(states.into_iter(), Found::merge)
}

impl Found {
    /// Both together, of different subjects.
    pub fn merge(mut self, other: Found) -> Result<Found> {
        grow_within(&mut self.members, other.members.len(), &mut self.budget)?;
        let ours = self.counts.translation(&other.counts)?;
        self.members
            .extend(other.members.iter().map(|(m, line)| (*m, ours.line(*line))));
        self.counts = self.counts.merge(other.counts)?;
        Ok(self)
    }

    /// The subjects in a segment, in order of their numbers; of those beyond the segments that are shown where it is the
    /// rest.
    pub fn finish(mut self, detail: &Detail, segment: &[String]) -> Result<Vec<Member>> {
        let mut wanted: Vec<bool> = Vec::new();
        let count = self.counts.segments.len();
        if !segment.is_empty() && segment.iter().all(|t| t == OTHER) {
            let (shown, rest) = self.counts.shown(detail)?;
            if !rest {
                return Ok(Vec::new());
            }
            wanted = others(count, &shown)?;
        } else {
            grow_within(&mut wanted, count, &mut self.budget)?;
            let segments = &self.counts.segments;
            let same = |s: usize| segments.texts(s).map(|t| &**t).eq(segment.iter().map(String::as_str));
            wanted.extend((0..count).map(same));
        }
        let sets = &self.counts.sets;
        let is_wanted = |s: &u32| wanted.get(*s as usize) == Some(&true);
        self.members
            .retain(|(_, line)| sets.members(line).iter().any(is_wanted));
        self.members.sort_unstable_by_key(|(m, _)| m.no);
        let mut out = crate::error::try_vec(self.members.len(), "members")?;
        out.extend(self.members.iter().map(|(m, _)| *m));
        Ok(out)
    }
}
