//! Which segments of a breakdown are shown.

use super::evaluate::Cells;
use super::finish::{Part, grouped, parts};
use super::latest::Those;
use super::{Partial, Plan};
use crate::breakdown::MAX_DIMENSIONS;
use crate::chunk::{Kind, SubjectNo};
use crate::error::{Error, Result, try_vec};
use crate::gather::{push_within, zeroed};
use crate::tick::{EVERY, Tick};
use std::cmp::Ordering;

/// The segments to show, best first, or those that are asked for.
pub fn rank(plan: &Plan, partial: &mut Partial, tick: &mut dyn Tick) -> Result<Vec<usize>> {
    let mut order: Vec<usize> = try_vec(1, "segments")?;
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
    let score = match partial.scores.take() {
        Some(known) => known,
        None => scores(plan, partial, tick)?,
    };
    order = in_rank(partial)?;
    let texts = |s: usize| partial.segments.texts(s);
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

/// What each segment ranks by.
fn scores(plan: &Plan, partial: &mut Partial, tick: &mut dyn Tick) -> Result<Vec<Option<f64>>> {
    let all = partial.segments.len();
    let mut score: Vec<Option<f64>> = zeroed(all, &mut partial.budget)?;
    if let (Some(m), Some(counts), Some(latest)) =
        (plan.metrics.first(), partial.counts.first_mut(), partial.latest.first())
    {
        // Where the metric has nothing.
        let mut nothing = Cells {
            counts,
            measure: m.measure,
            positions: &[],
            latest: Those::default(),
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
        partial
            .budget
            .give(parts.capacity() * size_of::<Part>() + latest.bytes());
    }
    Ok(score)
}

/// The subjects whose ids have to be known before segments can be shown, or told apart in rank. To be called before
/// [`super::finish`], which needs [`Partial::name`] for each of them.
pub fn unnamed(plan: &Plan, partial: &mut Partial, tick: &mut dyn Tick) -> Result<Vec<(Kind, SubjectNo)>> {
    if !partial.segments.has_numbers() {
        return Ok(Vec::new());
    }
    partial.settle(plan, tick)?;
    let scores = scores(plan, partial, tick)?;
    let points = |s: usize| scores.get(s).copied().flatten().unwrap_or(f64::NEG_INFINITY);
    let mut order = in_rank(partial)?;
    if plan.top > 0 && plan.top < order.len() {
        let (_, least, _) = order.select_nth_unstable_by(plan.top - 1, |a, b| points(*b).total_cmp(&points(*a)));
        let least = points(*least);
        // Of those with equal points the text decides.
        order.retain(|s| points(*s).total_cmp(&least).is_ge());
    }
    order.truncate(if plan.top == 0 { 0 } else { usize::MAX });
    let mut subjects: Vec<(Kind, SubjectNo)> = Vec::new();
    for (i, segment) in order.iter().enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        for subject in partial.segments.unnamed(*segment) {
            push_within(&mut subjects, subject, &mut partial.budget)?;
        }
    }
    subjects.sort_unstable();
    subjects.dedup();
    partial
        .budget
        .give(subjects.capacity() * size_of::<(Kind, SubjectNo)>());
    partial.scores = Some(scores);
    Ok(subjects)
}

/// Every segment that has a rank.
fn in_rank(partial: &Partial) -> Result<Vec<usize>> {
    let all = partial.segments.len();
    let mut order: Vec<usize> = try_vec(all.max(1), "segments")?;
    order.extend((0..all).filter(|s| partial.is_live(*s) && !partial.segments.is_other(*s)));
    Ok(order)
}
