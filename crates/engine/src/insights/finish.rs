//! From counts to rows: ranking, the rest as one segment, dense output.

use super::cell::number_of;
use super::combinations::Combinations;
use super::evaluate::{Cells, of_nothing};
use super::latest::{Grouped, Latest};
use super::measure::{Measure, Metric};
use super::partial::{Counts, any_table};
use super::rank::rank;
use super::trailing::LastSeen;
use super::{Partial, Plan, Smoothing};
use crate::breakdown::OTHER;
use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, push_within, zeroed};
use crate::tick::{EVERY, Tick};
use crate::value::Value;
use std::sync::Arc;

/// One value of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The label of the metric or formula.
    pub metric: Arc<str>,
    /// One text per dimension; in a distribution the value as one more.
    pub segment: Arc<[String]>,
    /// Calendar start of the interval in milliseconds.
    pub bucket: i64,
    pub value: Option<f64>,
}

/// The points of one metric or formula in one segment, over all intervals.
struct Curve {
    label: Arc<str>,
    segment: Arc<[String]>,
    points: Vec<Option<f64>>,
    /// The same in all intervals, smoothing is for the others.
    level: bool,
}

/// One cell: the line of the output it belongs to, its interval or day, its position in the table.
pub(super) type Part = (u32, u32, u32);

/// Every metric, then every formula × shown segment × interval, in this order; segments by rank, `$other` last. In a
/// distribution the values follow each other from small to large.
///
/// Segments rank by the first metric over the whole range, ties by text. A value that is itself called `$other` in
/// every position belongs to the rest, since nobody could tell the two apart.
pub fn finish(plan: &Plan, mut partial: Partial, tick: &mut dyn Tick) -> Result<Vec<Row>> {
    if !partial.fits(plan) {
        return Err(Error::corrupt("partial: of another report"));
    }
    partial.budget.set_limit(plan.memory_limit);
    partial.settle(plan, tick)?;
    let shown = rank(plan, &mut partial, tick)?;
    let all = partial.segments.len();
    // Line of the output for each segment; the rest shares the line after the shown ones.
    let rest = shown.len();
    let mut line: Vec<u32> = zeroed(all, &mut partial.budget)?;
    line.fill(rest as u32);
    for (n, s) in shown.iter().enumerate() {
        if let Some(l) = line.get_mut(*s) {
            *l = n as u32;
        }
    }
    let live = (0..all).filter(|s| partial.is_live(*s)).count();
    let has_rest = plan.shown.as_ref().map_or(rest < live, |s| s.rest);
    let lines = rest + usize::from(has_rest);
    let columns = plan.time.buckets.len();
    bounded(plan, lines.saturating_mul(plan.metrics.len() + plan.formulas.len()))?;
    let mut names: Vec<Arc<[String]>> = try_vec(lines, "segments")?;
    for s in &shown {
        if partial.segments.unnamed(*s).next().is_some() {
            return Err(Error::corrupt(
                "events of a group or user that is not in the dictionary",
            ));
        }
        names.push(partial.segments.texts(*s).map(|t| t.to_string()).collect());
    }
    if has_rest {
        names.push(plan.breakdown.iter().map(|_| OTHER.to_string()).collect());
    }
    let mut curves: Vec<Curve> = try_vec(lines, "segments")?;
    // Where the curves of each metric begin.
    let mut first: Vec<usize> = Vec::new();
    let mut seen = LastSeen::default();
    let known = partial.latest.iter().zip(&partial.known);
    for ((m, counts), (latest, known)) in plan.metrics.iter().zip(&mut partial.counts).zip(known) {
        first.push(curves.len());
        let parts = parts(
            counts,
            &partial.combinations,
            &line,
            rest as u32,
            &mut partial.budget,
            tick,
        )?;
        let groups = cells_of_values(&parts).map(|same| same.iter().map(|p| p.2));
        let latest = grouped(latest, counts, groups, &mut partial.budget)?;
        let of = Measured {
            plan,
            metric: m,
            counts,
            latest: &latest,
            parts: &parts,
            names: &names,
        };
        if m.measure.is_distribution() {
            of.distribution(&mut curves, tick)?;
            continue;
        }
        let mut points = match m.measure {
            Measure::Active { .. } | Measure::CumulativeUnique => of.windows(&mut seen, known, tick)?,
            _ => of.values(tick)?,
        };
        if m.measure == Measure::Unique {
            for (p, n) in points.iter_mut().flatten().zip(known) {
                *p = p.map(|x| x + *n as f64);
            }
        }
        if m.profiles {
            for p in &mut points {
                let now = p.last().copied().flatten();
                p.fill(now);
            }
        }
        let label: Arc<str> = m.label.as_str().into();
        curves.try_reserve(lines).map_err(|_| Error::OutOfMemory("segments"))?;
        for (segment, points) in names.iter().zip(points) {
            curves.push(Curve {
                label: label.clone(),
                segment: segment.clone(),
                points,
                level: m.profiles,
            });
        }
        partial
            .budget
            .give(parts.capacity() * size_of::<Part>() + latest.bytes());
    }
    for f in &plan.formulas {
        let label: Arc<str> = f.label.as_str().into();
        curves.try_reserve(lines).map_err(|_| Error::OutOfMemory("segments"))?;
        for (n, segment) in names.iter().enumerate() {
            tick.tick()?;
            let of = |metric: usize, column: usize| {
                let curve = first.get(metric).and_then(|i| curves.get(i + n))?;
                curve.points.get(column).copied().flatten()
            };
            let points = (0..columns).map(|c| f.value(&|m| of(m, c))).collect();
            curves.push(Curve {
                label: label.clone(),
                segment: segment.clone(),
                points,
                level: false,
            });
        }
    }
    rows(plan, &curves, tick)
}

/// The points of all curves as rows.
fn rows(plan: &Plan, curves: &[Curve], tick: &mut dyn Tick) -> Result<Vec<Row>> {
    bounded(plan, curves.len())?;
    let labels = plan.time.buckets.labels.get(plan.time.lead..).unwrap_or(&[]);
    let mut out = try_vec(curves.len().saturating_mul(labels.len()), "rows of a report")?;
    for curve in curves {
        tick.tick()?;
        let smoothing = if curve.level { Smoothing::None } else { plan.smoothing };
        let points = smoothing.apply(&curve.points, &plan.time);
        out.extend(labels.iter().zip(points).map(|(bucket, value)| Row {
            metric: curve.label.clone(),
            segment: curve.segment.clone(),
            bucket: *bucket,
            value,
        }));
    }
    Ok(out)
}

/// Refuses more curves than their rows have room.
fn bounded(plan: &Plan, curves: usize) -> Result<()> {
    let rows = curves.saturating_mul(plan.time.buckets.len());
    if rows.saturating_mul(size_of::<Row>()) <= plan.memory_limit {
        return Ok(());
    }
    Err(Error::Limit {
        message: "the report has too many rows".into(),
        hint: Some("Use a larger unit, a shorter range, or a smaller \"top\".".into()),
    })
}

/// Every cell with the line of the output it belongs to, sorted. A cell of a combination belongs to each of its
/// segments, but once to the rest, however many of its segments are in it.
pub(super) fn parts(
    counts: &Counts,
    combinations: &Combinations,
    line: &[u32],
    rest: u32,
    budget: &mut Budget,
    tick: &mut dyn Tick,
) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    any_table!(counts, t => for (position, (of, column)) in t.keys().enumerate() {
        if position % EVERY == 0 {
            tick.tick()?;
        }
        let mut in_rest = false;
        for segment in combinations.members(&of) {
            let line = line.get(*segment as usize).copied().unwrap_or(rest);
            if line == rest && std::mem::replace(&mut in_rest, true) {
                continue;
            }
            push_within(&mut parts, (line, column as u32, position as u32), budget)?;
        }
    });
    parts.sort_unstable();
    Ok(parts)
}

/// The cells of each line and interval.
fn cells_of_values(parts: &[Part]) -> impl Iterator<Item = &[Part]> {
    parts.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1))
}

/// The subjects that are not in the sets of the cells, by groups of cells, given by their positions.
pub(super) fn grouped(
    latest: &Latest,
    counts: &Counts,
    groups: impl Iterator<Item = impl Iterator<Item = u32>>,
    budget: &mut Budget,
) -> Result<Grouped> {
    let Counts::Sets(table) = counts else {
        return Ok(Grouped::default());
    };
    if latest.is_empty() {
        return Ok(Grouped::default());
    }
    let mut of: Vec<u32> = zeroed(table.len(), budget)?;
    of.fill(u32::MAX);
    // Who they are does not matter where no set has anybody.
    let mut listed: Vec<bool> = Vec::new();
    for (number, positions) in groups.enumerate() {
        let mut sets = false;
        for position in positions {
            sets |= table.peek(position as usize).is_some_and(|set| !set.is_empty());
            if let Some(g) = of.get_mut(position as usize) {
                *g = number as u32;
            }
        }
        push_within(&mut listed, sets, budget)?;
    }
    let found = latest.by_group(&of, &listed, budget)?;
    budget.give(of.capacity() * size_of::<u32>() + listed.capacity());
    Ok(found)
}

/// One metric on its way from cells to curves.
struct Measured<'a> {
    plan: &'a Plan<'a>,
    metric: &'a Metric,
    counts: &'a mut Counts,
    /// By line and interval, as they come in `parts`.
    latest: &'a Grouped,
    parts: &'a [Part],
    names: &'a [Arc<[String]>],
}

impl Measured<'_> {
    /// The cells of one line and interval, the `group`th.
    fn cells<'c>(&'c mut self, positions: &'c [u32], group: usize) -> Cells<'c> {
        Cells {
            counts: self.counts,
            measure: self.metric.measure,
            positions,
            latest: self.latest.of(group),
            memory_limit: self.plan.memory_limit,
        }
    }

    /// The points of each line.
    fn values(mut self, tick: &mut dyn Tick) -> Result<Vec<Vec<Option<f64>>>> {
        let mut points = self.empty(of_nothing(self.metric.measure))?;
        let parts = self.parts;
        let mut positions: Vec<u32> = Vec::new();
        for (group, same) in cells_of_values(parts).enumerate() {
            tick.tick()?;
            let Some((line, column, _)) = same.first() else {
                continue;
            };
            fill(&mut positions, same)?;
            let value = self.cells(&positions, group).value(tick)?;
            if let Some(p) = points.get_mut(*line as usize).and_then(|l| l.get_mut(*column as usize)) {
                *p = value;
            }
        }
        Ok(points)
    }

    fn empty(&self, value: Option<f64>) -> Result<Vec<Vec<Option<f64>>>> {
        let columns = self.plan.time.buckets.len();
        let mut lines = try_vec(self.names.len(), "segments")?;
        for _ in self.names {
            let mut points = try_vec(columns, "segments")?;
            points.resize(columns, value);
            lines.push(points);
        }
        Ok(lines)
    }

    /// The points of each line, for windows that reach back to earlier days or to the start of the range.
    fn windows(self, seen: &mut LastSeen, known: &[u64], tick: &mut dyn Tick) -> Result<Vec<Vec<Option<f64>>>> {
        let time = &self.plan.time;
        let trailing = self.metric.measure.trailing_days();
        // A running count begins with the range.
        let (columns, window, from) = match trailing {
            Some(days) => (time.days.len(), days as usize, 0),
            None => (time.buckets.len(), usize::MAX, time.lead),
        };
        let mut points = self.empty(Some(0.0))?;
        let Counts::Sets(table) = self.counts else {
            return Err(Error::corrupt("insights: cells of another measure"));
        };
        let mut budget = Budget::new(self.plan.memory_limit);
        for (line, points) in points.iter_mut().enumerate() {
            tick.tick()?;
            let begin = self.parts.partition_point(|p| (p.0 as usize) < line);
            let of_line = self.parts.get(begin..).unwrap_or(&[]);
            let mut sets = try_vec(of_line.len().min(self.parts.len()), "segments")?;
            for (l, column, position) in of_line {
                if *l as usize != line {
                    break;
                }
                if *column as usize >= from
                    && let Some(set) = table.peek(*position as usize)
                {
                    sets.push((*column as usize, set));
                }
            }
            let counts = seen.count(sets.iter().copied(), columns, window, &mut budget, tick)?;
            for (i, p) in points.iter_mut().enumerate() {
                let column = match trailing {
                    Some(_) => time.last_day.get(i).copied().unwrap_or(0),
                    None => i,
                };
                let n = counts.get(column).copied().unwrap_or(0) + known.get(column).copied().unwrap_or(0);
                *p = Some(n as f64);
            }
            budget.give(counts.capacity() * size_of::<u64>());
        }
        Ok(points)
    }

    /// A curve for each segment and value.
    fn distribution(mut self, curves: &mut Vec<Curve>, tick: &mut dyn Tick) -> Result<()> {
        let columns = self.plan.time.buckets.len();
        let (parts, names, plan) = (self.parts, self.names, self.plan);
        let label: Arc<str> = self.metric.label.as_str().into();
        let mut positions: Vec<u32> = Vec::new();
        let mut budget = Budget::new(plan.memory_limit);
        for of_line in parts.chunk_by(|a, b| a.0 == b.0) {
            // (value, interval, subjects)
            let mut found: Vec<(u64, u32, u64)> = Vec::new();
            for same in of_line.chunk_by(|a, b| a.1 == b.1) {
                let Some((_, column, _)) = same.first() else { continue };
                fill(&mut positions, same)?;
                for (key, n) in self.cells(&positions, usize::MAX).distribution(tick)? {
                    push_within(&mut found, (key, *column, n), &mut budget)?;
                }
            }
            found.sort_unstable();
            let Some(name) = of_line.first().and_then(|p| names.get(p.0 as usize)) else {
                continue;
            };
            for same in found.chunk_by(|a, b| a.0 == b.0) {
                tick.tick()?;
                bounded(plan, curves.len() + 1)?;
                let mut points = try_vec(columns, "segments")?;
                points.resize(columns, Some(0.0));
                for (_, column, n) in same {
                    if let Some(p) = points.get_mut(*column as usize) {
                        *p = Some(*n as f64);
                    }
                }
                let text = same.first().map(|s| Value::number(number_of(s.0)).to_text());
                curves.try_reserve(1).map_err(|_| Error::OutOfMemory("segments"))?;
                curves.push(Curve {
                    label: label.clone(),
                    segment: name.iter().cloned().chain(text).collect(),
                    points,
                    level: false,
                });
            }
            budget.give(found.capacity() * size_of::<(u64, u32, u64)>());
        }
        Ok(())
    }
}

fn fill(positions: &mut Vec<u32>, parts: &[Part]) -> Result<()> {
    positions.clear();
    positions
        .try_reserve(parts.len())
        .map_err(|_| Error::OutOfMemory("segments"))?;
    positions.extend(parts.iter().map(|p| p.2));
    Ok(())
}
