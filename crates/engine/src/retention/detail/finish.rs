//! From births and returns to rows: one per segment, cohort and bucket.

use super::table::Meaning;
use super::walk::{Birth, Own, Walker};
use super::{BORN, Detail, Measure, Partial};
use crate::breakdown::{MAX_SEGMENTS, OTHER, Segments};
use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, push_within, tag_of, time_of, zeroed};
use crate::insights::cell::Summed;
use crate::insights::combinations::Combinations;
use crate::parallel::{Workers, merge};
use crate::tick::Tick;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::sync::Arc;

/// One cell of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// One text per dimension.
    pub segment: Arc<[String]>,
    /// Calendar start of the unit of the births, in milliseconds; may lie before the range.
    pub cohort: i64,
    /// Subjects born in it.
    pub size: u64,
    /// From 0.
    pub bucket: usize,
    /// Subjects of them that were retained in the bucket.
    pub retained: u64,
    /// What the measure says; none where there is nobody to speak of.
    pub value: Option<f64>,
    /// Is the bucket over for everybody who could have been born in the cohort?
    pub complete: bool,
}

/// What was counted of one line: a segment, or a set of segments that births are in.
#[derive(Debug, Clone)]
struct Triangle {
    sizes: Vec<u64>,
    /// By cohort, then bucket.
    retained: Vec<u64>,
    /// The same, where a property is measured.
    sums: Vec<Summed>,
}

/// What was counted of some subjects, in any order.
#[derive(Debug, Clone)]
pub struct Counts {
    lines: FxHashMap<u32, Triangle>,
    pub(super) segments: Arc<Segments>,
    pub(super) sets: Arc<Combinations>,
    budget: Budget,
}

impl Counts {
    pub(super) fn new(detail: &Detail, segments: &Arc<Segments>, sets: &Arc<Combinations>) -> Self {
        Counts {
            lines: FxHashMap::default(),
            segments: segments.clone(),
            sets: sets.clone(),
            budget: Budget::new(detail.plan.memory_limit),
        }
    }

    pub(super) fn add(&mut self, detail: &Detail, birth: Birth, cells: &[Own]) -> Result<()> {
        let columns = detail.columns();
        if !self.lines.contains_key(&birth.line) {
            let triangle = Triangle::new(detail, &mut self.budget)?;
            self.lines.try_reserve(1).map_err(|_| Error::OutOfMemory("segments"))?;
            self.lines.insert(birth.line, triangle);
        }
        let Some(t) = self.lines.get_mut(&birth.line) else {
            return Ok(());
        };
        if let Some(size) = t.sizes.get_mut(birth.cohort) {
            *size += 1;
        }
        let from = birth.cohort * columns;
        let retained = t.retained.get_mut(from..from + columns).into_iter().flatten();
        for (n, own) in retained.zip(cells) {
            *n += u64::from(own.retained);
        }
        let sums = t.sums.get_mut(from..from + columns).into_iter().flatten();
        for (sum, own) in sums.zip(cells).filter(|(_, own)| own.sum.n > 0) {
            add_sum(sum, &own.sum, &mut self.budget)?;
        }
        Ok(())
    }

    /// Takes over the numbers of another's segments and sets of them.
    pub(super) fn translation(&mut self, other: &Counts) -> Result<Translation> {
        if Arc::ptr_eq(&self.segments, &other.segments) && Arc::ptr_eq(&self.sets, &other.sets) {
            return Ok(Translation::Same);
        }
        let segments = Arc::make_mut(&mut self.segments).absorb(&other.segments, &mut self.budget)?;
        let sets = Arc::make_mut(&mut self.sets).absorb(&other.sets, &segments, &mut self.budget)?;
        Ok(Translation::Ours { segments, sets })
    }

    /// Both together, of different subjects and one question.
    pub fn merge(mut self, other: Counts) -> Result<Self> {
        let ours = self.translation(&other)?;
        for (line, theirs) in other.lines {
            let line = ours.line(line);
            match self.lines.get_mut(&line) {
                Some(t) => t.add(&theirs, &mut self.budget)?,
                None => {
                    self.lines.try_reserve(1).map_err(|_| Error::OutOfMemory("segments"))?;
                    self.budget.take(theirs.bytes())?;
                    self.lines.insert(line, theirs);
                }
            }
        }
        Ok(self)
    }

    /// The segments to show, best first, and whether there are others. Segments rank by births, ties by text.
    pub(super) fn shown(&mut self, detail: &Detail) -> Result<(Vec<u32>, bool)> {
        if detail.breakdown.is_empty() {
            return Ok((vec![0], false));
        }
        let mut score: Vec<u64> = zeroed(self.segments.len(), &mut self.budget)?;
        for (line, t) in &self.lines {
            let size: u64 = t.sizes.iter().sum();
            for s in self.sets.members(line) {
                if let Some(n) = score.get_mut(*s as usize) {
                    *n += size;
                }
            }
        }
        let points = |s: u32| score.get(s as usize).copied().unwrap_or(0);
        let texts = |s: u32| self.segments.texts(s as usize);
        let alive = |s: &u32| points(*s) > 0;
        let mut order: Vec<u32> = try_vec(score.len(), "segments")?;
        // A value that is itself called `$other` everywhere belongs to the rest, since nobody could tell the two apart.
        order.extend((0..score.len() as u32).filter(|s| alive(s) && texts(*s).any(|t| **t != *OTHER)));
        let all = (0..score.len() as u32).filter(alive).count();
        order.sort_unstable_by(|a, b| {
            let better = Reverse(points(*a)).cmp(&Reverse(points(*b)));
            better.then_with(|| texts(*a).cmp(texts(*b)))
        });
        order.truncate(detail.top);
        let rest = order.len() < all;
        Ok((order, rest))
    }

    /// Everything on the lines that `takes` as one.
    fn whole(&mut self, detail: &Detail, takes: impl Fn(u32) -> bool) -> Result<Triangle> {
        let mut whole = Triangle::new(detail, &mut self.budget)?;
        for (_, t) in self.lines.iter().filter(|(line, _)| takes(**line)) {
            whole.add(t, &mut self.budget)?;
        }
        Ok(whole)
    }
}

/// Our number for another's line.
pub(super) enum Translation {
    Same,
    Ours { segments: Vec<u32>, sets: Vec<u32> },
}

impl Translation {
    pub fn line(&self, theirs: u32) -> u32 {
        let Translation::Ours { segments, sets } = self else {
            return theirs;
        };
        let ours = match theirs.checked_sub(MAX_SEGMENTS) {
            None => segments.get(theirs as usize),
            Some(n) => sets.get(n as usize),
        };
        ours.copied().unwrap_or(0)
    }
}

fn add_sum(into: &mut Summed, from: &Summed, budget: &mut Budget) -> Result<()> {
    into.n += from.n;
    into.sum.merge(&from.sum, budget)
}

impl Triangle {
    fn new(detail: &Detail, budget: &mut Budget) -> Result<Self> {
        let cohorts = detail.plan.cohorts.len();
        let cells = cohorts.saturating_mul(detail.columns());
        let mut sums = Vec::new();
        if detail.property().is_some() {
            crate::gather::grow_within(&mut sums, cells, budget)?;
            sums.resize(cells, Summed::default());
        }
        Ok(Triangle {
            sizes: zeroed(cohorts, budget)?,
            retained: zeroed(cells, budget)?,
            sums,
        })
    }

    fn bytes(&self) -> usize {
        (self.sizes.capacity() + self.retained.capacity()) * 8 + self.sums.capacity() * size_of::<Summed>()
    }

    fn add(&mut self, other: &Triangle, budget: &mut Budget) -> Result<()> {
        let add = |a: &mut [u64], b: &[u64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        add(&mut self.sizes, &other.sizes);
        add(&mut self.retained, &other.retained);
        let sums = self.sums.iter_mut().zip(&other.sums);
        sums.filter(|(_, b)| b.n > 0)
            .try_for_each(|(a, b)| add_sum(a, b, budget))
    }
}

/// Walks all subjects, spread over threads: `make` a state for each, `f` takes every birth that counts.
pub(super) fn walk<S: Send>(
    detail: &Detail,
    partial: Partial,
    workers: &Workers,
    tick: &mut dyn Tick,
    make: impl Fn(&Arc<Segments>, &Arc<Combinations>) -> S + Sync,
    f: impl Fn(&mut S, u32, Birth, &[Own]) -> Result<()> + Sync,
) -> Result<Vec<S>> {
    let Partial {
        mut postings,
        table,
        mut budget,
    } = partial;
    budget.set_limit(detail.plan.memory_limit);
    let (places, meanings) = table.canonical()?;
    postings.retag(&places);
    budget.take(meanings.capacity() * size_of::<Meaning>())?;
    let (segments, sets) = (Arc::new(table.segments), Arc::new(table.lines));
    let range = detail.plan.cohorts.range;
    let is_birth = |e: u64| meanings.get(tag_of(e) as usize).is_some_and(|m| m.0 & BORN != 0);
    let in_range = |e: u64| is_birth(e) && time_of(e) >= range.from && time_of(e) < range.to;
    let more = budget.limit().saturating_sub(budget.used());
    let states = postings.walk(
        workers,
        in_range,
        more,
        tick,
        || Ok((Walker::new(detail, &meanings)?, make(&segments, &sets))),
        |(walker, state), no, events| walker.subject(events, |birth, cells| f(state, no, birth, cells)),
    )?;
    let mut out = try_vec(states.len(), "a report")?;
    out.extend(states.into_iter().map(|(_, s)| s));
    Ok(out)
}

/// Counts the subjects of a partial, spread over threads.
pub fn count_on(detail: &Detail, partial: Partial, workers: &Workers, tick: &mut dyn Tick) -> Result<Counts> {
    let states = walk(
        detail,
        partial,
        workers,
        tick,
        |segments, sets| Counts::new(detail, segments, sets),
        |counts, _, birth, cells| counts.add(detail, birth, cells),
    )?;
    merge(states.into_iter(), Counts::merge)
}

/// Segments by rank, the rest last; of each every cohort × bucket.
pub fn rows(detail: &Detail, mut counts: Counts, tick: &mut dyn Tick) -> Result<Vec<Row>> {
    let (shown, rest) = counts.shown(detail)?;
    let (cohorts, columns) = (detail.plan.cohorts.len(), detail.columns());
    let lines = shown.len() + usize::from(rest);
    let count = lines.saturating_mul(cohorts).saturating_mul(columns);
    if count.saturating_mul(size_of::<Row>()) > detail.plan.memory_limit {
        return Err(Error::Limit {
            message: "the report has too many rows".into(),
            hint: Some("Use a larger unit, a shorter range, or a smaller \"top\".".into()),
        });
    }
    let mut out = try_vec(count, "rows of a report")?;
    let sets = counts.sets.clone();
    let mut names: Vec<Arc<[String]>> = Vec::new();
    for s in &shown {
        let texts = counts.segments.texts(*s as usize).map(|t| t.to_string());
        let name: Arc<[String]> = texts.collect();
        push_within(&mut names, name, &mut counts.budget)?;
    }
    for (s, name) in shown.iter().zip(&names) {
        let t = counts.whole(detail, |line| sets.members(&line).contains(s))?;
        put(detail, name, &t, &mut out, tick)?;
        counts.budget.give(t.bytes());
    }
    if rest {
        let is_rest = others(counts.segments.len(), &shown)?;
        let other = |s: &u32| is_rest.get(*s as usize) == Some(&true);
        let t = counts.whole(detail, |line| sets.members(&line).iter().any(other))?;
        let name: Arc<[String]> = detail.breakdown.iter().map(|_| OTHER.to_string()).collect();
        put(detail, &name, &t, &mut out, tick)?;
    }
    Ok(out)
}

/// By segment, whether it is not among those that are shown.
pub(super) fn others(segments: usize, shown: &[u32]) -> Result<Vec<bool>> {
    let mut rest = try_vec(segments, "segments")?;
    rest.resize(segments, true);
    for s in shown {
        if let Some(r) = rest.get_mut(*s as usize) {
            *r = false;
        }
    }
    Ok(rest)
}

fn put(detail: &Detail, name: &Arc<[String]>, t: &Triangle, out: &mut Vec<Row>, tick: &mut dyn Tick) -> Result<()> {
    let (plan, columns) = (&detail.plan, detail.columns());
    for (c, (label, size)) in plan.cohorts.labels.iter().zip(&t.sizes).enumerate() {
        tick.tick()?;
        for n in 0..columns {
            let at = c * columns + n;
            let retained = t.retained.get(at).copied().unwrap_or(0);
            let sum = || t.sums.get(at).map_or(0.0, |s| s.sum.value());
            let by = |a: f64, b: u64| (b > 0).then(|| a / b as f64);
            out.push(Row {
                segment: name.clone(),
                cohort: *label,
                size: *size,
                bucket: n,
                retained,
                value: match detail.measure {
                    Measure::Rate => by(retained as f64, *size),
                    Measure::Count => Some(retained as f64),
                    Measure::Sum(_) => Some(sum()),
                    Measure::Average(_) => by(sum(), retained),
                },
                // The youngest possible member is born when the row's births end.
                complete: plan.edge(c, plan.cohorts.end(c), detail.first_unit(n + 1)) <= plan.now_ms,
            });
        }
    }
    Ok(())
}
