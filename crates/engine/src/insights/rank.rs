//! Which segments of a breakdown are shown.

use super::evaluate::Cells;
use super::finish::{Part, grouped, parts};
use super::{Partial, Plan};
use crate::breakdown::{MAX_DIMENSIONS, OTHER};
use crate::error::{Error, Result, try_vec};
use crate::gather::zeroed;
use crate::tick::Tick;
use std::cmp::Ordering;

/// The segments to show, best first, or those that are asked for.
pub fn rank(plan: &Plan, partial: &mut Partial, tick: &mut dyn Tick) -> Result<Vec<usize>> {
    let all = partial.segments.len();
    let mut order: Vec<usize> = try_vec(all.max(1), "segments")?;
    if plan.breakdown.is_empty() {
        order.push(0);
        return Ok(order);
    }
    if let Some(shown) = &plan.shown {
        order = try_vec(shown.segments.len(), "segments")?;
        for texts in &shown.segments {
            if texts.len() != plan.breakdown.len() {
                return Err(Error::param("a segment of another breakdown"));
            }
            let mut tuple = [0; MAX_DIMENSIONS];
            for (number, text) in tuple.iter_mut().zip(texts) {
                *number = partial.segments.text(text, &mut partial.budget)?;
            }
            order.push(partial.segments.segment(tuple, &mut partial.budget)? as usize);
        }
        return Ok(order);
    }
    let mut score: Vec<Option<f64>> = zeroed(all, &mut partial.budget)?;
    if let (Some(m), Some(counts), Some(latest)) = (
        plan.metrics.first(),
        partial.counts.first_mut(),
        partial.latest.first(),
    ) {
        // Where the metric has nothing.
        let mut nothing = Cells {
            counts,
            measure: m.measure,
            positions: &[],
            latest: &[],
            memory_limit: plan.memory_limit,
        };
        score.fill(nothing.score(tick)?);
        let mut own: Vec<u32> = try_vec(all, "segments")?;
        own.extend(0..all as u32);
        let parts = parts(counts, &partial.combinations, &own, u32::MAX, &mut partial.budget, tick)?;
        // Only what happened in the range, and in the days before it that its windows look at.
        let looked_at = m
            .measure
            .trailing_days()
            .map(|n| plan.time.looked_at(n, plan.time.lead));
        let counts_in = |column: u32| match &looked_at {
            Some(days) => days.get(column as usize) == Some(&true),
            None => column as usize >= plan.time.lead,
        };
        let groups = || parts.chunk_by(|a, b| a.0 == b.0);
        let in_range = |p: &Part| counts_in(p.1).then_some(p.2);
        let each = groups().map(|same| same.iter().filter_map(in_range));
        let latest = grouped(latest, counts, each, &mut partial.budget)?;
        let mut positions: Vec<u32> = Vec::new();
        for (group, same) in groups().enumerate() {
            tick.tick()?;
            positions.clear();
            positions
                .try_reserve(same.len())
                .map_err(|_| Error::OutOfMemory("segments"))?;
            positions.extend(same.iter().filter_map(in_range));
            let mut cells = Cells {
                counts,
                measure: m.measure,
                positions: &positions,
                latest: latest.of(group),
                memory_limit: plan.memory_limit,
            };
            if let Some(s) = same.first().and_then(|p| score.get_mut(p.0 as usize)) {
                *s = cells.score(tick)?;
            }
        }
        partial.budget.give(parts.capacity() * size_of::<Part>() + latest.bytes());
    }
    let texts = |s: usize| partial.segments.texts(s);
    order.extend((0..all).filter(|s| texts(*s).any(|t| **t != *OTHER)));
    let points = |s: usize| score.get(s).copied().flatten().unwrap_or(f64::NEG_INFINITY);
    let better =
        |a: &usize, b: &usize| -> Ordering { points(*b).total_cmp(&points(*a)).then_with(|| texts(*a).cmp(texts(*b))) };
    if plan.top < order.len() {
        if plan.top > 0 {
            order.select_nth_unstable_by(plan.top - 1, better);
        }
        order.truncate(plan.top);
    }
    order.sort_unstable_by(better);
    Ok(order)
}
