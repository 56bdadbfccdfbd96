//! What walkers count: durations of steps, or with a breakdown the attempts of each subject. Mergeable.

use super::{Count, Plan, Reentry};
use crate::breakdown::{OTHER, Segments};
use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, grow_within, push_within, zeroed};
use crate::insights::cell::key_of;
use crate::tick::{EVERY, Tick};
use std::cmp::Reverse;

/// A step that was reached: when, and what its event carries.
pub(super) trait Reached: Copy {
    fn at(self) -> i64;
    /// NaN = none, or nobody asks.
    fn number(self) -> f64;
}

impl Reached for i64 {
    #[inline]
    fn at(self) -> i64 {
        self
    }
    #[inline]
    fn number(self) -> f64 {
        f64::NAN
    }
}

impl Reached for (i64, f64) {
    #[inline]
    fn at(self) -> i64 {
        self.0
    }
    #[inline]
    fn number(self) -> f64 {
        self.1
    }
}

/// Durations of one step, one per attempt that reached it, and the numbers that were measured, as their keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Times {
    pub from_previous: Vec<i64>,
    pub from_start: Vec<i64>,
    pub numbers: Vec<u64>,
}

impl Times {
    #[inline]
    fn push(&mut self, from_previous: i64, from_start: i64, budget: &mut Budget) -> Result<()> {
        if self.from_start.len() == self.from_start.capacity() {
            let more = self.from_start.capacity().max(16);
            grow_within(&mut self.from_start, more, budget)?;
            grow_within(&mut self.from_previous, more, budget)?;
        }
        self.from_previous.push(from_previous);
        self.from_start.push(from_start);
        Ok(())
    }

    fn append(&mut self, other: &Times, budget: &mut Budget) -> Result<()> {
        append(&mut self.from_start, &other.from_start, budget)?;
        append(&mut self.from_previous, &other.from_previous, budget)?;
        append(&mut self.numbers, &other.numbers, budget)
    }
}

fn append<T: Copy>(into: &mut Vec<T>, from: &[T], budget: &mut Budget) -> Result<()> {
    if into.capacity() - into.len() < from.len() {
        grow_within(into, from.len(), budget)?;
    }
    into.extend_from_slice(from);
    Ok(())
}

/// One attempt: its steps.
#[inline]
fn add<R: Reached>(times: &mut [Times], reached: impl IntoIterator<Item = R>, budget: &mut Budget) -> Result<()> {
    let (mut start, mut before) = (None, 0);
    for (times, step) in times.iter_mut().zip(reached) {
        let (at, number) = (step.at(), step.number());
        if !number.is_nan() {
            push_within(&mut times.numbers, key_of(number), budget)?;
        }
        let start = *start.get_or_insert(at);
        let since = if at == start { 0 } else { at - before };
        times.push(since, at - start, budget)?;
        before = at;
    }
    Ok(())
}

/// What was counted of some subjects, in any order.
#[derive(Debug, Clone)]
pub struct Counts {
    steps: usize,
    /// Numbers in a record for each step.
    words: usize,
    broken_down: bool,
    keeps_all: bool,
    recorded: usize,
    /// One per bucket.
    cells: Vec<Cell>,
    pub(super) segments: Segments,
    pub(super) budget: Budget,
}

/// What was counted in one bucket.
#[derive(Debug, Clone, Default)]
struct Cell {
    /// One per step, without a breakdown.
    times: Vec<Times>,
    /// With one, of attempts in one segment that no other attempt competes with: by segment, then step.
    alone: Vec<Times>,
    /// With one, of all others a run of numbers for each subject: how many attempts; of each how many segments and steps it has and
    /// whether the filter takes it, then the segments, then when each step was reached, followed by the bits of its number
    /// where one is measured.
    records: Vec<i64>,
}

impl Cell {
    /// The steps of the attempts that are alone in a segment.
    fn of_segment(&mut self, segment: u32, steps: usize, budget: &mut Budget) -> Result<&mut [Times]> {
        let from = segment as usize * steps;
        if self.alone.len() < from + steps {
            if self.alone.capacity() < from + steps {
                let more = (from + steps - self.alone.len()).max(self.alone.len());
                grow_within(&mut self.alone, more, budget)?;
            }
            self.alone.resize_with(from + steps, Times::default);
        }
        Ok(self.alone.get_mut(from..from + steps).unwrap_or_default())
    }
}

/// Durations by line of the answer.
pub(super) struct Lines {
    pub names: Vec<Vec<String>>,
    /// By line, bucket, step.
    pub times: Vec<Vec<Vec<Times>>>,
}

impl Counts {
    /// Nothing counted.
    pub fn new(plan: &Plan) -> Result<Self> {
        let buckets = plan.buckets.map_or(1, |b| b.len());
        let mut budget = Budget::new(plan.memory_limit);
        budget.take(buckets.saturating_mul(size_of::<Cell>() + plan.steps * size_of::<Times>()))?;
        let mut cells = try_vec(buckets, "a funnel")?;
        let broken_down = !plan.breakdown.is_empty();
        let steps = if broken_down { 0 } else { plan.steps };
        for _ in 0..buckets {
            cells.push(Cell {
                times: vec![Times::default(); steps],
                alone: Vec::new(),
                records: Vec::new(),
            });
        }
        Ok(Counts {
            steps: plan.steps,
            words: plan.words(),
            broken_down,
            keeps_all: false,
            recorded: 0,
            cells,
            segments: Segments::new(plan.breakdown.len()),
            budget,
        })
    }

    /// Counts an attempt, without a breakdown.
    #[inline]
    pub(super) fn attempt<R: Reached>(&mut self, bucket: usize, reached: impl IntoIterator<Item = R>) -> Result<()> {
        match self.cells.get_mut(bucket) {
            Some(cell) => add(&mut cell.times, reached, &mut self.budget),
            None => Ok(()),
        }
    }

    /// Counts the only attempt of a subject, or one of attempts that all count, which is in one segment.
    pub(super) fn alone<R: Reached>(
        &mut self,
        bucket: usize,
        segment: u32,
        reached: impl IntoIterator<Item = R>,
    ) -> Result<()> {
        let Some(cell) = self.cells.get_mut(bucket) else {
            return Ok(());
        };
        let steps = cell.of_segment(segment, self.steps, &mut self.budget)?;
        add(steps, reached, &mut self.budget)
    }

    /// Begins the record of a subject's attempts, with a breakdown.
    pub(super) fn subject(&mut self, bucket: usize) -> Result<Record<'_>> {
        let Counts {
            cells,
            segments,
            budget,
            recorded,
            words,
            ..
        } = self;
        let cell = cells
            .get_mut(bucket)
            .ok_or_else(|| Error::corrupt("funnel: a bucket too many"))?;
        *recorded += 1;
        let at = cell.records.len();
        push_within(&mut cell.records, 0, budget)?;
        Ok(Record {
            records: &mut cell.records,
            at,
            measured: *words > 1,
            segments,
            budget,
        })
    }

    /// Attempts that reached a step (from 0) so far, without a breakdown.
    pub(super) fn reached(&self, step: usize) -> usize {
        let cells = self.cells.iter().filter_map(|c| c.times.get(step));
        cells.map(|t| t.from_start.len()).sum()
    }

    /// Forgets the attempts, without a breakdown.
    pub(super) fn forget(&mut self) {
        for t in self.cells.iter_mut().flat_map(|c| &mut c.times) {
            t.from_start.clear();
            t.from_previous.clear();
            t.numbers.clear();
        }
    }

    /// With a breakdown, keeps a record of every attempt, also of those that need none to be counted.
    pub(super) fn keeping_all(self) -> Self {
        Counts {
            keeps_all: true,
            ..self
        }
    }

    /// Is a record kept of every attempt?
    pub(super) fn keeps_all(&self) -> bool {
        self.keeps_all
    }

    /// Records so far, with a breakdown. A subject may have several.
    pub(super) fn recorded(&self) -> usize {
        self.recorded
    }

    /// Calls `f` with the number of the record and the steps reached, for every attempt that counts on line 0.
    pub(super) fn each_on(
        &self,
        plan: &Plan,
        line: &[u32],
        tick: &mut dyn Tick,
        mut f: impl FnMut(usize, usize) -> Result<()>,
    ) -> Result<()> {
        match self.cells.as_slice() {
            [cell] => Chooser::new(plan).each(&cell.records, line, tick, |n, _, reached| {
                f(n, reached.len() / self.words)
            }),
            _ => Err(Error::param("members of a funnel are those of one interval")),
        }
    }

    /// Both together; the order makes no difference to what comes out in the end.
    pub fn merge(&mut self, other: Counts) -> Result<()> {
        if self.steps != other.steps || self.words != other.words || self.cells.len() != other.cells.len() {
            return Err(Error::corrupt("counts of another funnel"));
        }
        self.recorded += other.recorded;
        let ours = self.segments.absorb(&other.segments, &mut self.budget)?;
        for (into, from) in self.cells.iter_mut().zip(&other.cells) {
            for (a, b) in into.times.iter_mut().zip(&from.times) {
                a.append(b, &mut self.budget)?;
            }
            for (segment, theirs) in from.alone.chunks_exact(self.steps).enumerate() {
                if theirs.iter().all(|t| t.from_start.is_empty()) {
                    continue;
                }
                let segment = ours.get(segment).copied().unwrap_or(0);
                let steps = into.of_segment(segment, self.steps, &mut self.budget)?;
                for (a, b) in steps.iter_mut().zip(theirs) {
                    a.append(b, &mut self.budget)?;
                }
            }
            let mut at = into.records.len();
            append(&mut into.records, &from.records, &mut self.budget)?;
            while let Some(attempts) = into.records.get(at).copied() {
                at += 1;
                for _ in 0..attempts {
                    let Some([segments, steps, _]) =
                        into.records.get(at..at + 3).and_then(|h| <[i64; 3]>::try_from(h).ok())
                    else {
                        return Err(Error::corrupt("counts of another funnel"));
                    };
                    let from = at + 3;
                    let to = from + segments as usize;
                    for s in into.records.get_mut(from..to).into_iter().flatten() {
                        *s = ours.get(*s as usize).copied().map_or(0, i64::from);
                    }
                    at = to + steps as usize * self.words;
                }
            }
        }
        Ok(())
    }

    /// Which segments to show.
    ///
    /// Segments rank by attempts that entered, over all buckets, ties by text. A value that is itself called `$other` in
    /// every position belongs to the rest, since nobody could tell the two apart.
    pub(super) fn rank(&mut self, plan: &Plan, tick: &mut dyn Tick) -> Result<Shown> {
        if !self.broken_down {
            return Ok(Shown {
                names: vec![Vec::new()],
                line: vec![0],
            });
        }
        let all = self.segments.len();
        let mut line: Vec<u32> = zeroed(all, &mut self.budget)?;
        // At first each segment is a line of its own.
        line.iter_mut().zip(0..).for_each(|(l, n)| *l = n);
        let score = self.tally(plan, &line, all, tick)?;
        let segments = &self.segments;
        let points = |s: usize| Reverse(score.get(s).map_or(0, |t| t.0));
        let other = |s: usize| segments.texts(s).all(|t| **t == *OTHER);
        let alive = |s: &usize| points(*s).0 > 0;
        let texts = |s: usize| segments.texts(s);
        let mut order: Vec<usize> = try_vec(all, "segments")?;
        order.extend((0..all).filter(|s| alive(s) && !other(*s)));
        order.sort_unstable_by(|a, b| points(*a).cmp(&points(*b)).then_with(|| texts(*a).cmp(texts(*b))));
        order.truncate(plan.top);
        let rest = order.len();
        line.fill(rest as u32);
        let mut names: Vec<Vec<String>> = try_vec(rest + 1, "segments")?;
        for (n, s) in order.iter().enumerate() {
            if let Some(l) = line.get_mut(*s) {
                *l = n as u32;
            }
            names.push(texts(*s).map(|t| t.to_string()).collect());
        }
        if (0..all).filter(alive).count() > rest {
            names.push(plan.breakdown.iter().map(|_| OTHER.to_string()).collect());
        }
        Ok(Shown { names, line })
    }

    /// How many entered and how many converted, by line, over all buckets; `line` has the line of each segment.
    pub(super) fn tally(
        &self,
        plan: &Plan,
        line: &[u32],
        lines: usize,
        tick: &mut dyn Tick,
    ) -> Result<Vec<(u64, u64)>> {
        let mut tally = try_vec(lines, "segments")?;
        tally.resize(lines, (0, 0));
        for cell in &self.cells {
            for (steps, line) in cell.alone.chunks_exact(self.steps).zip(line) {
                let reached = |t: Option<&Times>| t.map_or(0, |t| t.from_start.len() as u64);
                if let Some((entered, converted)) = tally.get_mut(*line as usize) {
                    *entered += reached(steps.first());
                    *converted += reached(steps.last());
                }
            }
            Chooser::new(plan).each(&cell.records, line, tick, |_, line, reached| {
                if let Some((entered, converted)) = tally.get_mut(line as usize) {
                    *entered += 1;
                    *converted += u64::from(reached.len() == self.steps * self.words);
                }
                Ok(())
            })?;
        }
        Ok(tally)
    }

    /// Durations by line, bucket and step, the best segments first and the rest as one.
    pub(super) fn lines(mut self, plan: &Plan, tick: &mut dyn Tick) -> Result<Lines> {
        let Shown { names, line } = self.rank(plan, tick)?;
        if !self.broken_down {
            let times = self.cells.into_iter().map(|c| c.times).collect();
            return Ok(Lines {
                names,
                times: vec![times],
            });
        }
        let cells = names.len().saturating_mul(self.cells.len()).saturating_mul(self.steps);
        self.budget.take(cells.saturating_mul(size_of::<Times>()))?;
        let mut times: Vec<Vec<Vec<Times>>> = try_vec(names.len(), "segments")?;
        for _ in 0..names.len() {
            let buckets = self.cells.iter();
            times.push(buckets.map(|_| vec![Times::default(); self.steps]).collect());
        }
        for (bucket, cell) in self.cells.iter().enumerate() {
            for (steps, line) in cell.alone.chunks_exact(self.steps).zip(&line) {
                let into = times.get_mut(*line as usize).and_then(|l| l.get_mut(bucket));
                for (a, b) in into.into_iter().flatten().zip(steps) {
                    a.append(b, &mut self.budget)?;
                }
            }
            Chooser::new(plan).each(&cell.records, &line, tick, |_, line, reached| {
                match times.get_mut(line as usize).and_then(|l| l.get_mut(bucket)) {
                    Some(t) if self.words == 1 => add(t, reached.iter().copied(), &mut self.budget),
                    Some(t) => add(t, measured(reached), &mut self.budget),
                    None => Ok(()),
                }
            })?;
        }
        Ok(Lines { names, times })
    }
}

/// The steps of a record with numbers.
fn measured(reached: &[i64]) -> impl Iterator<Item = (i64, f64)> {
    let pairs = reached.chunks_exact(2);
    pairs.filter_map(|p| {
        p.first()
            .zip(p.last())
            .map(|(at, bits)| (*at, f64::from_bits(*bits as u64)))
    })
}

/// The line of what is left out.
pub(super) const NO_LINE: u32 = u32::MAX;

/// Segments as the lines of an answer, best first; the last may be the rest.
pub(super) struct Shown {
    pub names: Vec<Vec<String>>,
    /// The line of each segment.
    pub line: Vec<u32>,
}

/// The record of one subject.
pub(super) struct Record<'c> {
    records: &'c mut Vec<i64>,
    at: usize,
    measured: bool,
    pub segments: &'c mut Segments,
    pub budget: &'c mut Budget,
}

impl Record<'_> {
    /// Adds an attempt.
    pub fn attempt<R: Reached>(
        &mut self,
        segments: &[u32],
        passes: bool,
        reached: impl ExactSizeIterator<Item = R>,
    ) -> Result<()> {
        let head = [segments.len() as i64, reached.len() as i64, i64::from(passes)];
        let segments = segments.iter().map(|s| i64::from(*s));
        for n in head.into_iter().chain(segments) {
            push_within(self.records, n, self.budget)?;
        }
        for step in reached {
            push_within(self.records, step.at(), self.budget)?;
            if self.measured {
                push_within(self.records, step.number().to_bits() as i64, self.budget)?;
            }
        }
        if let Some(n) = self.records.get_mut(self.at) {
            *n += 1;
        }
        Ok(())
    }
}

/// Chooses the attempts that count, subject by subject.
struct Chooser {
    /// Each subject once in each line.
    unique: bool,
    /// The filter only sees the attempt that was chosen.
    choose_first: bool,
    words: usize,
    lines: Vec<(u32, Reverse<usize>, usize)>,
    /// (where its times begin, how many they are, whether the filter takes it)
    attempts: Vec<(usize, usize, bool)>,
}

impl Chooser {
    fn new(plan: &Plan) -> Self {
        let unique = plan.count == Count::Unique;
        Chooser {
            unique,
            choose_first: unique && plan.reentry == Reentry::Optimized,
            words: plan.words(),
            lines: Vec::new(),
            attempts: Vec::new(),
        }
    }

    /// Calls `f` with the number of the subject's record, the line and the steps of every attempt that counts.
    fn each(
        &mut self,
        records: &[i64],
        line: &[u32],
        tick: &mut dyn Tick,
        mut f: impl FnMut(usize, u32, &[i64]) -> Result<()>,
    ) -> Result<()> {
        let mut record = 0;
        let number = |at: usize| records.get(at).copied().unwrap_or(0) as usize;
        let (mut at, mut left) = (0, EVERY);
        while at < records.len() {
            left -= 1;
            if left == 0 {
                left = EVERY;
                tick.tick()?;
            }
            self.lines.clear();
            self.attempts.clear();
            let attempts = number(at);
            at += 1;
            for n in 0..attempts {
                let (segments, steps, passes) = (number(at), number(at + 1), number(at + 2) == 1);
                at += 3;
                let reserved = self.attempts.try_reserve(1).and(self.lines.try_reserve(segments));
                reserved.map_err(|_| Error::OutOfMemory("segments"))?;
                self.attempts.push((at + segments, steps, passes));
                if passes || self.choose_first {
                    for s in records.get(at..at + segments).unwrap_or(&[]) {
                        let line = line.get(*s as usize).copied().unwrap_or(0);
                        if line != NO_LINE {
                            self.lines.push((line, Reverse(steps), n));
                        }
                    }
                }
                at += segments + steps * self.words;
            }
            // Uniques: the attempt that went furthest in each line, of several the first. Totals: an attempt once in each.
            self.lines.sort_unstable();
            if self.unique {
                self.lines.dedup_by_key(|l| l.0);
            } else {
                self.lines.dedup();
            }
            for (line, _, n) in &self.lines {
                if let Some((from, steps, true)) = self.attempts.get(*n).copied() {
                    let to = from + steps * self.words;
                    f(record, *line, records.get(from..to).unwrap_or(&[]))?;
                }
            }
            record += 1;
        }
        Ok(())
    }
}
