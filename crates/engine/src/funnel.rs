//! Funnels: how many users or groups went through steps in order within a window, and how long it took.
//!
//! Gathers the events of all steps per subject, then walks each subject's events in time. This is the default funnel:
//! each subject once, from its first entry in the range. Evaluates no filter.

#[cfg(test)]
mod tests;
mod walk;

use crate::chunk::{Chunk, Hits, Kind, SubjectNo, USER};
use crate::error::{Error, Result, try_vec};
use crate::gather::{self, Budget, TAG_BITS, for_each_event, grow_within, pack, push_within};
use crate::parallel::Workers;
use crate::partial::{Reader, Tag, Writer};
use crate::postings::Postings;
use crate::tick::Tick;
use crate::time::Span64;
use rustc_hash::FxHashMap;

/// Most steps of a funnel.
pub const MAX_STEPS: usize = 100;
/// Longest window: 367 days, so that a year fits wherever it begins.
pub const MAX_WINDOW_MS: i64 = 367 * crate::time::DAY_MS;

/// What a funnel asks.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    /// Number of steps, 2 to [`MAX_STEPS`].
    pub steps: usize,
    pub by: Kind,
    /// Where the entry may lie. Completion may lie up to `window_ms` later, so chunks must reach that far.
    pub entry: Span64,
    /// Longest time from the entry to a step, inclusive, in milliseconds.
    pub window_ms: i64,
    /// How much earlier than the step before it a step may be, in milliseconds.
    pub grace_ms: i64,
    /// Canonical user of each user, where identities were merged.
    pub remap: Option<&'a [SubjectNo]>,
    /// Bytes a partial, or the answer, may take.
    pub memory_limit: usize,
}

/// One step of the answer. Times are in milliseconds, over the subjects that reached the step; none for the first.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRow {
    /// From 1.
    pub step: usize,
    /// Subjects that reached it.
    pub count: u64,
    /// Share of those who reached the step before it.
    pub step_conversion: Option<f64>,
    /// Share of those who entered.
    pub overall_conversion: Option<f64>,
    pub avg_time: Option<f64>,
    pub median_time: Option<f64>,
    pub avg_time_from_start: Option<f64>,
    pub median_time_from_start: Option<f64>,
}

impl Plan<'_> {
    fn check(&self) -> Result<()> {
        if !(2..=MAX_STEPS).contains(&self.steps) {
            return Err(Error::param_hint(
                format!("a funnel of {} steps", self.steps),
                format!("A funnel has 2 to {MAX_STEPS} steps."),
            ));
        }
        if !(1..=MAX_WINDOW_MS).contains(&self.window_ms) {
            return Err(Error::param_hint(
                "the window of a funnel is too short or too long",
                "\"within\" must be positive and at most 367 days.",
            ));
        }
        if !(0..=MAX_WINDOW_MS).contains(&self.grace_ms) {
            return Err(Error::param_hint(
                "the grace of a funnel is negative or too long",
                "\"grace\" is usually a few seconds; '0' turns it off.",
            ));
        }
        Ok(())
    }

    /// The last instant an event can matter.
    fn last(&self) -> i64 {
        self.entry.to.saturating_sub(1).saturating_add(self.window_ms)
    }
}

/// Gathers chunks.
#[derive(Debug)]
pub struct Kernel<'p> {
    plan: &'p Plan<'p>,
    partial: Partial,
}

/// The events of the steps, gathered so far.
#[derive(Debug, Clone)]
pub struct Partial {
    steps: usize,
    /// Tagged with an index into `masks`.
    postings: Postings,
    masks: Masks,
    budget: Budget,
}

/// Numbers for the sets of steps that events match.
#[derive(Debug, Clone, Default)]
struct Masks {
    all: Vec<u128>,
    numbers: FxHashMap<u128, u32>,
    last: (u128, u32),
}

impl Masks {
    /// Every single step, numbered as the steps are.
    fn of_steps(steps: usize, budget: &mut Budget) -> Result<Self> {
        let mut masks = Masks::default();
        for k in 0..steps.min(MAX_STEPS) {
            masks.number(1 << k, budget)?;
        }
        Ok(masks)
    }

    #[inline]
    fn number(&mut self, mask: u128, budget: &mut Budget) -> Result<u32> {
        if self.last.0 != mask {
            self.last = (mask, self.look_up(mask, budget)?);
        }
        Ok(self.last.1)
    }

    fn look_up(&mut self, mask: u128, budget: &mut Budget) -> Result<u32> {
        if let Some(n) = self.numbers.get(&mask) {
            return Ok(*n);
        }
        let n = u32::try_from(self.all.len())
            .ok()
            .filter(|n| *n < 1 << TAG_BITS)
            .ok_or_else(|| Error::Limit {
                message: "events of the funnel match too many different sets of steps".into(),
                hint: Some("Use fewer steps, or steps that fewer events have in common.".into()),
            })?;
        budget.take(48)?;
        self.numbers
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory("steps of a funnel"))?;
        self.numbers.insert(mask, n);
        push_within(&mut self.all, mask, budget)?;
        Ok(n)
    }
}

impl<'p> Kernel<'p> {
    /// Checks the plan.
    pub fn new(plan: &'p Plan<'p>) -> Result<Self> {
        plan.check()?;
        Ok(Kernel {
            plan,
            partial: Partial::new(plan)?,
        })
    }

    /// The same for subjects numbered up to about `most`, which decides how they are spread and not what comes out.
    pub fn for_subjects(mut self, most: SubjectNo) -> Result<Self> {
        let p = &mut self.partial;
        p.postings = Postings::for_subjects(most, self.plan.by == USER, &mut p.budget)?;
        Ok(self)
    }

    /// Gathers the events of a chunk; `hits` has what the selector of each step picked.
    pub fn push(&mut self, chunk: &Chunk, hits: &[Hits], tick: &mut dyn Tick) -> Result<()> {
        if hits.len() != self.plan.steps {
            return Err(Error::param("funnel: one selection per step is needed"));
        }
        let (from, last) = (self.plan.entry.from, self.plan.last());
        let Partial {
            postings,
            masks,
            budget,
            ..
        } = &mut self.partial;
        let inside = chunk.time.iter().all(|t| *t >= from && *t <= last);
        // A step alone has its number as a tag: those sets come first.
        if inside && gather::push_disjoint(postings, chunk, self.plan.by, hits, self.plan.remap, budget, tick)? {
            return Ok(());
        }
        for_each_event(
            chunk,
            self.plan.by,
            hits,
            self.plan.remap,
            tick,
            |row, no, mask| match chunk.time.get(row) {
                Some(&t) if t >= from && t <= last => {
                    let n = masks.number(mask, budget)?;
                    postings.push(no, pack(t, n)?, budget)
                }
                _ => Ok(()),
            },
        )
    }

    /// What was gathered.
    pub fn finish(self) -> Partial {
        self.partial
    }
}

impl Partial {
    fn new(plan: &Plan) -> Result<Self> {
        let mut budget = Budget::new(plan.memory_limit);
        Ok(Partial {
            steps: plan.steps,
            postings: Postings::default(),
            masks: Masks::of_steps(plan.steps, &mut budget)?,
            budget,
        })
    }

    /// Memory in use.
    pub fn bytes(&self) -> usize {
        self.budget.used()
    }

    /// Both together; the order makes no difference to what comes out in the end.
    pub fn merge(self, other: Partial, plan: &Plan) -> Result<Partial> {
        if self.steps != plan.steps || other.steps != plan.steps {
            return Err(Error::corrupt("partial: of another funnel"));
        }
        let (mut into, mut from) = if self.bytes() >= other.bytes() {
            (self, other)
        } else {
            (other, self)
        };
        into.budget.set_limit(plan.memory_limit);
        let mut numbers = try_vec(from.masks.all.len(), "steps of a funnel")?;
        for mask in &from.masks.all {
            numbers.push(into.masks.number(*mask, &mut into.budget)?);
        }
        from.postings.retag(&numbers);
        into.postings.append(from.postings, &mut into.budget)?;
        Ok(into)
    }

    /// Bytes for another process.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut w = Writer::new(Tag::Funnel, self.postings.len() * 12 + self.masks.all.len() * 16)?;
        w.len(self.steps)?;
        w.len(self.masks.all.len())?;
        for m in &self.masks.all {
            w.u64(*m as u64)?;
            w.u64((*m >> 64) as u64)?;
        }
        self.postings.encode(&mut w)?;
        w.finish()
    }

    /// Reads what `encode` wrote for the same plan.
    pub fn decode(bytes: &[u8], plan: &Plan) -> Result<Partial> {
        let bad = || Error::corrupt("partial: not of this funnel");
        plan.check()?;
        let mut r = Reader::new(Tag::Funnel, bytes)?;
        let mut p = Partial::new(plan)?;
        if r.u64()? != plan.steps as u64 {
            return Err(bad());
        }
        for i in 0..r.len(16)? {
            let mask = u128::from(r.u64()?) | u128::from(r.u64()?) << 64;
            if mask == 0 || mask >> plan.steps != 0 || p.masks.number(mask, &mut p.budget)? as usize != i {
                return Err(bad());
            }
        }
        let known = p.masks.all.len();
        p.postings = Postings::decode(&mut r, &mut p.budget, |tag| (tag as usize) < known)?;
        r.finish()?;
        Ok(p)
    }
}

/// One row per step.
pub fn finish(plan: &Plan, partial: Partial, tick: &mut dyn Tick) -> Result<Vec<StepRow>> {
    finish_on(plan, partial, &Workers::serial(), tick)
}

/// The same, with subjects spread over threads.
pub fn finish_on(plan: &Plan, partial: Partial, workers: &Workers, tick: &mut dyn Tick) -> Result<Vec<StepRow>> {
    plan.check()?;
    let Partial {
        steps,
        mut postings,
        masks,
        mut budget,
    } = partial;
    if steps != plan.steps {
        return Err(Error::corrupt("partial: of another funnel"));
    }
    budget.set_limit(plan.memory_limit);
    // Numbers in the order of the masks: simultaneous events then sort by their set of steps, and what comes out does
    // not depend on the order in which events were stored or sets of steps were met.
    let mut by_mask = try_vec(masks.all.len(), "steps of a funnel")?;
    by_mask.extend(masks.all.iter().copied());
    by_mask.sort_unstable();
    let mut numbers: Vec<u32> = try_vec(masks.all.len(), "steps of a funnel")?;
    numbers.extend(masks.all.iter().map(|m| by_mask.partition_point(|o| o < m) as u32));
    postings.retag(&numbers);
    let is_entry = walk::entry_test(plan, &by_mask);
    let more = budget.limit().saturating_sub(budget.used());
    let make = || {
        let times: Vec<Times> = (0..steps).map(|_| Times::default()).collect();
        Ok((walk::Walker::new(plan, &by_mask), times, Budget::new(budget.limit())))
    };
    let states = postings.walk(
        workers,
        is_entry,
        more,
        tick,
        make,
        |(walker, times, for_times), _, events| {
            let reached = walker.attempt(events);
            let Some(start) = reached.first() else { return Ok(()) };
            let mut before = *start;
            for (times, at) in times.iter_mut().zip(reached) {
                times.push(at - before, at - start, for_times)?;
                before = *at;
            }
            Ok(())
        },
    )?;
    let mut times: Vec<Times> = (0..steps).map(|_| Times::default()).collect();
    for (_, of_thread, _) in states {
        for (all, some) in times.iter_mut().zip(of_thread) {
            all.append(some, &mut budget)?;
        }
    }
    let count = |k: Option<usize>| k.and_then(|k| times.get(k)).map_or(0, |t| t.from_start.len());
    let ratio = |a: usize, b: usize| (b > 0).then(|| a as f64 / b as f64);
    let counts: Vec<usize> = (0..steps).map(|k| count(Some(k))).collect();
    let entered = counts.first().copied().unwrap_or(0);
    let mut before = entered;
    let mut rows = Vec::new();
    for (k, (t, n)) in times.iter_mut().zip(counts).enumerate() {
        let timed = k > 0;
        tick.tick()?;
        rows.push(StepRow {
            step: k + 1,
            count: n as u64,
            step_conversion: ratio(n, before),
            overall_conversion: ratio(n, entered),
            avg_time: average(&t.from_previous).filter(|_| timed),
            median_time: median(&mut t.from_previous).filter(|_| timed),
            avg_time_from_start: average(&t.from_start).filter(|_| timed),
            median_time_from_start: median(&mut t.from_start).filter(|_| timed),
        });
        before = n;
    }
    Ok(rows)
}

/// Durations of one step, one per subject that reached it.
#[derive(Debug, Default)]
struct Times {
    from_previous: Vec<i64>,
    from_start: Vec<i64>,
}

impl Times {
    fn append(&mut self, mut other: Times, budget: &mut Budget) -> Result<()> {
        if self.from_start.is_empty() {
            *self = other;
            return Ok(());
        }
        grow_within(&mut self.from_start, other.from_start.len(), budget)?;
        grow_within(&mut self.from_previous, other.from_previous.len(), budget)?;
        self.from_start.append(&mut other.from_start);
        self.from_previous.append(&mut other.from_previous);
        Ok(())
    }

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
}

fn average(v: &[i64]) -> Option<f64> {
    let sum: i128 = v.iter().map(|t| i128::from(*t)).sum();
    (!v.is_empty()).then(|| sum as f64 / v.len() as f64)
}

/// The middle value, or halfway between the two middle ones.
fn median(v: &mut [i64]) -> Option<f64> {
    let middle = v.len() / 2;
    if v.is_empty() {
        return None;
    }
    let even = v.len().is_multiple_of(2);
    let (below, at, _) = v.select_nth_unstable(middle);
    let upper = *at as f64;
    match below.iter().max() {
        Some(lower) if even => Some((*lower as f64 + upper) / 2.0),
        _ => Some(upper),
    }
}
