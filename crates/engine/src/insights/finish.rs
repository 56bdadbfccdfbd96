//! From counts to rows: ranking, the rest as one segment, dense output.

use super::cells::Table;
use super::combinations::Combinations;
use super::partial::Counts;
use super::{Partial, Plan};
use crate::breakdown::OTHER;
use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, zeroed};
use crate::subjects::SubjectSet;
use crate::tick::{EVERY, Tick};
use std::cmp::Reverse;
use std::sync::Arc;

/// One value of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The metric's label.
    pub metric: Arc<str>,
    /// One text per dimension.
    pub segment: Arc<[String]>,
    /// Calendar start of the interval in milliseconds.
    pub bucket: i64,
    pub value: Option<f64>,
}

/// Every metric × shown segment × bucket, in this order; segments by rank, `$other` last.
///
/// Segments rank by the first metric over the whole range, ties by text. A value that is itself called `$other` in
/// every position belongs to the rest, since nobody could tell the two apart.
pub fn finish(plan: &Plan, mut partial: Partial, tick: &mut dyn Tick) -> Result<Vec<Row>> {
    if !partial.fits(plan) {
        return Err(Error::corrupt("partial: of another report"));
    }
    partial.budget.set_limit(plan.memory_limit);
    let buckets = plan.buckets.len();
    let all = partial.segments.len();
    let shown = rank(plan, &mut partial, tick)?;
    // Line of the output for each segment; the rest shares the line after the shown ones.
    let rest = shown.len();
    let mut line: Vec<u32> = zeroed(all, &mut partial.budget)?;
    line.fill(rest as u32);
    for (n, s) in shown.iter().enumerate() {
        if let Some(l) = line.get_mut(*s) {
            *l = n as u32;
        }
    }
    let has_rest = rest < all;
    let lines = rest + usize::from(has_rest);
    let rows = lines
        .checked_mul(buckets)
        .and_then(|n| n.checked_mul(plan.metrics.len()));
    let rows = rows
        .filter(|n| n.saturating_mul(size_of::<Row>()) <= plan.memory_limit)
        .ok_or_else(|| Error::Limit {
            message: "the report has too many rows".into(),
            hint: Some("Use a larger unit, a shorter range, or a smaller \"top\".".into()),
        })?;
    let mut names: Vec<Arc<[String]>> = try_vec(lines, "segments")?;
    for s in &shown {
        names.push(partial.segments.texts(*s).map(|t| t.to_string()).collect());
    }
    if has_rest {
        names.push(plan.breakdown.iter().map(|_| OTHER.to_string()).collect());
    }
    let mut out = try_vec(rows, "rows of a report")?;
    for (m, counts) in plan.metrics.iter().zip(&mut partial.counts) {
        let mut values: Vec<u64> = zeroed(lines * buckets, &mut partial.budget)?;
        let place = |segment: u32| line.get(segment as usize).map_or(rest, |l| *l as usize);
        let fill = Fill {
            place,
            combinations: &partial.combinations,
            rest,
            buckets,
        };
        fill.add(counts, &mut values, partial.budget.limit(), tick)?;
        let label: Arc<str> = m.label.as_str().into();
        let mut value = values.iter();
        for name in &names {
            tick.tick()?;
            for bucket in &plan.buckets.labels {
                out.push(Row {
                    metric: label.clone(),
                    segment: name.clone(),
                    bucket: *bucket,
                    value: value.next().map(|n| *n as f64),
                });
            }
        }
        partial.budget.give(values.capacity() * size_of::<u64>());
    }
    Ok(out)
}

/// The segments to show, best first.
fn rank(plan: &Plan, partial: &mut Partial, tick: &mut dyn Tick) -> Result<Vec<usize>> {
    let all = partial.segments.len();
    let mut order: Vec<usize> = try_vec(all, "segments")?;
    if plan.breakdown.is_empty() {
        order.push(0);
        return Ok(order);
    }
    let mut score: Vec<u64> = zeroed(all, &mut partial.budget)?;
    match partial.counts.first_mut() {
        Some(Counts::Totals(table)) => {
            for (of, _, n) in table.iter_mut() {
                for segment in partial.combinations.members(&of) {
                    if let Some(s) = score.get_mut(*segment as usize) {
                        *s = s.saturating_add(*n);
                    }
                }
            }
        }
        Some(Counts::Sets(table)) => {
            let mut sets = try_vec(table.len(), "segments")?;
            sets.extend(table.iter_mut().map(|(segment, _, set)| (segment, set)));
            sets.sort_unstable_by_key(|(segment, _)| *segment);
            for same in sets.chunk_by_mut(|a, b| a.0 == b.0) {
                tick.tick()?;
                let Some(s) = same.first().and_then(|(segment, _)| score.get_mut(*segment as usize)) else {
                    continue;
                };
                *s = match same {
                    [(_, set)] => set.count(),
                    many => {
                        let mut budget = Budget::new(plan.memory_limit);
                        let mut whole = SubjectSet::default();
                        for (_, set) in many.iter() {
                            whole.union(set, &mut budget)?;
                        }
                        whole.count()
                    }
                };
            }
        }
        None => {}
    }
    let texts = |s: usize| partial.segments.texts(s);
    order.extend((0..all).filter(|s| texts(*s).any(|t| **t != *OTHER)));
    let points = |s: usize| Reverse(score.get(s).copied().unwrap_or(0));
    let better = |a: &usize, b: &usize| points(*a).cmp(&points(*b)).then_with(|| texts(*a).cmp(texts(*b)));
    if plan.top < order.len() {
        if plan.top > 0 {
            order.select_nth_unstable_by(plan.top - 1, better);
        }
        order.truncate(plan.top);
    }
    order.sort_unstable_by(better);
    Ok(order)
}

/// Adds up cells into lines of `buckets` values.
struct Fill<'a, F> {
    /// The line of a segment.
    place: F,
    combinations: &'a Combinations,
    /// The line of what is not shown.
    rest: usize,
    buckets: usize,
}

impl<F: Fn(u32) -> usize> Fill<'_, F> {
    fn add(&self, counts: &mut Counts, values: &mut [u64], memory_limit: usize, tick: &mut dyn Tick) -> Result<()> {
        match counts {
            Counts::Totals(table) => self.totals(table, values, tick),
            Counts::Sets(table) => self.sets(table, values, memory_limit, tick),
        }
    }

    fn cell<'v>(&self, values: &'v mut [u64], line: usize, bucket: usize) -> Option<&'v mut u64> {
        values.get_mut(line * self.buckets + bucket)
    }

    fn totals(&self, table: &mut Table<u64>, values: &mut [u64], tick: &mut dyn Tick) -> Result<()> {
        for (i, (of, bucket, n)) in table.iter_mut().enumerate() {
            if i % EVERY == 0 {
                tick.tick()?;
            }
            let mut in_rest = false;
            for segment in self.combinations.members(&of) {
                let line = (self.place)(*segment);
                // In the rest an event counts once, however many of its segments it was in.
                if line == self.rest && std::mem::replace(&mut in_rest, true) {
                    continue;
                }
                if let Some(v) = self.cell(values, line, bucket) {
                    *v = v.saturating_add(*n);
                }
            }
        }
        Ok(())
    }

    fn sets(
        &self,
        table: &mut Table<SubjectSet>,
        values: &mut [u64],
        memory_limit: usize,
        tick: &mut dyn Tick,
    ) -> Result<()> {
        let mut others: Vec<(usize, SubjectSet)> = Vec::new();
        for (i, (segment, bucket, set)) in table.iter_mut().enumerate() {
            if i % EVERY == 0 {
                tick.tick()?;
            }
            let line = (self.place)(segment);
            if line == self.rest {
                others.try_reserve(1).map_err(|_| Error::OutOfMemory("segments"))?;
                others.push((bucket, std::mem::take(set)));
            } else if let Some(v) = self.cell(values, line, bucket) {
                *v = set.count();
            }
        }
        // And so does a subject.
        others.sort_unstable_by_key(|(bucket, _)| *bucket);
        for same in others.chunk_by(|a, b| a.0 == b.0) {
            tick.tick()?;
            let mut whole = SubjectSet::default();
            let mut scratch = Budget::new(memory_limit);
            for (_, set) in same {
                whole.union(set, &mut scratch)?;
            }
            if let Some((bucket, _)) = same.first()
                && let Some(v) = self.cell(values, self.rest, *bucket)
            {
                *v = whole.count();
            }
        }
        Ok(())
    }
}
