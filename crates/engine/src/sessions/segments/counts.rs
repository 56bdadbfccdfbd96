//! Sessions counted by segment and bucket, and the rows that they become.

use super::super::segment_members::Own;
use super::super::{Cell, Row, extend, of_bucket};
use super::Segmented;
use crate::breakdown::{MAX_SEGMENTS, OTHER, Segments};
use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, push_within};
use crate::insights::Combinations;
use crate::tick::{EVERY, Tick};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::sync::Arc;

/// What was counted of some subjects.
#[derive(Debug)]
pub struct SegmentCounts {
    pub(in crate::sessions) segments: Segments,
    pub(in crate::sessions) combinations: Combinations,
    /// By line and bucket.
    pub(super) cells: FxHashMap<(u32, u32), Cell>,
    /// The sessions of one bucket, in any order, where somebody asks whose they are.
    pub(in crate::sessions) owns: Vec<Own>,
    pub(in crate::sessions) budget: Budget,
}

impl SegmentCounts {
    pub(super) fn new(question: &Segmented, limit: usize) -> Self {
        SegmentCounts {
            segments: Segments::new(question.features.len()),
            combinations: Combinations::default(),
            cells: FxHashMap::default(),
            owns: Vec::new(),
            budget: Budget::new(limit),
        }
    }

    /// Both together, in any order: of different subjects.
    pub fn merge(mut self, other: SegmentCounts) -> Result<SegmentCounts> {
        self.absorb(other)?;
        Ok(self)
    }

    pub(super) fn absorb(&mut self, other: SegmentCounts) -> Result<()> {
        let budget = &mut self.budget;
        let segments = self.segments.absorb(&other.segments, budget)?;
        let sets = self.combinations.absorb(&other.combinations, &segments, budget)?;
        let ours = |line: u32| match line.checked_sub(MAX_SEGMENTS) {
            None => segments.get(line as usize).copied().unwrap_or(0),
            Some(n) => sets.get(n as usize).copied().unwrap_or(0),
        };
        for own in other.owns {
            let line = ours(own.line);
            push_within(&mut self.owns, Own { line, ..own }, budget)?;
        }
        for ((line, bucket), cell) in other.cells {
            let line = ours(line);
            if !self.cells.contains_key(&(line, bucket)) {
                budget.take(size_of::<((u32, u32), Cell)>() * 2)?;
                self.cells.try_reserve(1).map_err(|_| Error::OutOfMemory("segments"))?;
            }
            add(self.cells.entry((line, bucket)).or_default(), &cell, budget)?;
        }
        Ok(())
    }
}

fn add(into: &mut Cell, from: &Cell, budget: &mut Budget) -> Result<()> {
    into.sessions += from.sessions;
    into.events += from.events;
    extend(&mut into.durations, &from.durations, budget)
}

/// Segments as the lines of an answer.
pub(in crate::sessions) struct Shown {
    /// Those that are shown, best first.
    pub order: Vec<usize>,
    /// The line of each segment; the rest shares the one after those that are shown.
    pub line_of: Vec<u32>,
}

/// Which segments are shown: by the number of sessions, ties by text.
pub(in crate::sessions) fn shown(
    question: &Segmented,
    counted: &mut SegmentCounts,
    tick: &mut dyn Tick,
) -> Result<Shown> {
    let all = counted.segments.len();
    let mut score: Vec<u64> = crate::gather::zeroed(all, &mut counted.budget)?;
    for (i, ((line, _), cell)) in counted.cells.iter().enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        for s in counted.combinations.members(line) {
            if let Some(n) = score.get_mut(*s as usize) {
                *n += cell.sessions;
            }
        }
    }
    let texts = |s: usize| counted.segments.texts(s);
    let points = |s: usize| Reverse(score.get(s).copied().unwrap_or(0));
    let mut order: Vec<usize> = try_vec(all, "segments")?;
    order.extend((0..all).filter(|s| texts(*s).any(|t| **t != *OTHER)));
    order.sort_unstable_by(|a, b| points(*a).cmp(&points(*b)).then_with(|| texts(*a).cmp(texts(*b))));
    order.truncate(question.top);
    let mut line_of: Vec<u32> = crate::gather::zeroed(all, &mut counted.budget)?;
    line_of.fill(order.len() as u32);
    for (n, s) in order.iter().enumerate() {
        if let Some(l) = line_of.get_mut(*s) {
            *l = n as u32;
        }
    }
    Ok(Shown { order, line_of })
}

/// The segments to show become rows.
pub fn show_segments(question: &Segmented, mut counted: SegmentCounts, tick: &mut dyn Tick) -> Result<Vec<Row>> {
    let plan = question.plan;
    let Shown { order, line_of } = shown(question, &mut counted, tick)?;
    let mut budget = std::mem::replace(&mut counted.budget, Budget::new(0));
    let budget = &mut budget;
    let all = counted.segments.len();
    let texts = |s: usize| counted.segments.texts(s);
    let rest = order.len();
    let lines = rest + usize::from(rest < all);
    let buckets = plan.buckets.len();
    if lines.saturating_mul(buckets).saturating_mul(size_of::<Row>()) > plan.memory_limit {
        return Err(Error::Limit {
            message: "the report has too many rows".into(),
            hint: Some("Use a larger unit, a shorter range, or a smaller \"top\".".into()),
        });
    }
    budget.take(lines.saturating_mul(buckets).saturating_mul(size_of::<Cell>()))?;
    let mut cells: Vec<Cell> = try_vec(lines.saturating_mul(buckets), "sessions")?;
    cells.resize(lines.saturating_mul(buckets), Cell::default());
    for (i, ((line, bucket), cell)) in counted.cells.iter().enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        let mut in_rest = false;
        for s in counted.combinations.members(line) {
            let line = line_of.get(*s as usize).copied().unwrap_or(rest as u32) as usize;
            if line == rest && std::mem::replace(&mut in_rest, true) {
                continue;
            }
            if let Some(into) = cells.get_mut(line * buckets + *bucket as usize) {
                add(into, cell, budget)?;
            }
        }
    }
    let mut rows = try_vec(cells.len(), "sessions")?;
    for (line, of_line) in cells.chunks_mut(buckets.max(1)).enumerate() {
        let segment: Arc<[String]> = match order.get(line) {
            Some(s) => texts(*s).map(|t| t.to_string()).collect(),
            None => question.features.iter().map(|_| OTHER.to_string()).collect(),
        };
        for (cell, bucket) in of_line.iter_mut().zip(&plan.buckets.labels) {
            tick.tick()?;
            rows.push(Row {
                segment: segment.clone(),
                ..of_bucket(cell, *bucket)
            });
        }
    }
    Ok(rows)
}
