//! One subject's way through a funnel. The walker is chosen once for a report.

use super::attempts::Fill;
use super::attribute::Attributor;
use super::counts::Counts;
use super::in_turn::InTurn;
use super::latest::{Choice, Latest};
use super::prepared::Prepared;
use super::search::Search;
use super::sliding::Sliding;
use super::{Count, MAX_STEPS, Ordering, Plan, Reentry};
use crate::chunk::SubjectNo;
use crate::error::Result;
use crate::gather::{BucketFinder, time_of};
use crate::tick::Tick;
use crate::time::Span64;

/// How attempts are found.
#[derive(Debug)]
enum Mode<'a> {
    /// Steps in order from the first entry.
    Plain,
    /// Steps in order from the entry that counts, where there is one such entry: without a breakdown, or when all events
    /// of a subject carry the same values and therefore are in the same segments.
    Latest(Latest<'a>),
    /// Steps in any order.
    Sliding(Sliding<'a>),
    /// Everything else.
    Search,
}

/// Walks the events of one subject after another. Holds nothing that outlives a subject but memory and what it looked up,
/// so that every thread may have its own.
#[derive(Debug)]
pub struct Walker<'a> {
    p: &'a Prepared<'a>,
    mode: Mode<'a>,
    /// Where it does, and else the search.
    in_turn: Option<InTurn<'a>>,
    search: Search<'a>,
    attributor: Option<Attributor<'a>>,
    plain: Attempt,
}

/// An attempt of steps in order.
#[derive(Debug)]
struct Attempt {
    /// Positions of the events that serve as steps.
    used: Vec<usize>,
    /// When each step was reached, never before the step before it.
    reached: Vec<i64>,
    /// Both together, for those who ask.
    fills: Vec<Fill>,
}

impl<'a> Walker<'a> {
    /// A walker for the events of `prepared`.
    pub fn new(p: &'a Prepared<'a>) -> Self {
        let plan = p.plan;
        let attributes = !plan.breakdown.is_empty() || plan.filter.is_some();
        let plain = plan.ordering == Ordering::Loose && plan.exclusions.is_empty() && plan.held.is_empty();
        let unique = plain && plan.count == Count::Unique;
        let simple = unique && !attributes;
        let measures = plan.measured.is_some();
        let in_turn = plain && plan.floating == 0 && plan.reentry == Reentry::Default;
        let all_float = plan.floating == (1u128 << plan.steps) - 1;
        let mode = match (p.single(), plan.reentry) {
            (_, Reentry::Default) if simple && plan.floating == 0 => Mode::Plain,
            (Some(steps), Reentry::Optimized) if unique && plan.floating == 0 => Mode::Latest(Latest::new(p, steps)),
            // It says when steps were reached and not by which events.
            (Some(steps), _) if simple && all_float && !measures => Mode::Sliding(Sliding::new(p, steps)),
            _ => Mode::Search,
        };
        Walker {
            mode,
            in_turn: p.single().filter(|_| in_turn).map(|steps| InTurn::new(p, steps)),
            search: Search::new(p),
            attributor: attributes.then(|| Attributor::new(p)),
            plain: Attempt {
                used: Vec::with_capacity(MAX_STEPS),
                reached: Vec::with_capacity(MAX_STEPS),
                fills: Vec::with_capacity(MAX_STEPS),
            },
            p,
        }
    }

    /// Counts the attempts of one subject, whose events are in order of time and tag.
    pub fn subject(
        &mut self,
        subject: SubjectNo,
        events: &[u64],
        counts: &mut Counts,
        tick: &mut dyn Tick,
    ) -> Result<()> {
        let plan = self.p.plan;
        let Some(buckets) = plan.buckets else {
            return self.funnel(subject, events, plan.entry, 0, counts, tick);
        };
        // A funnel of its own for every bucket with an entry: nothing before it, nothing after its last window.
        let mut finder = BucketFinder::new(&buckets.starts, buckets.range);
        let mut rest = events;
        loop {
            let Some(at) = rest.iter().position(|e| self.p.is_entry(*e, buckets.range)) else {
                return Ok(());
            };
            let Some(bucket) = rest.get(at).and_then(|e| finder.of(time_of(*e))) else {
                return Ok(());
            };
            let span = Span64 {
                from: buckets.starts.get(bucket).copied().unwrap_or(buckets.range.from),
                to: buckets.end(bucket),
            };
            let last = (span.to - 1).saturating_add(plan.window_ms);
            let from = rest.partition_point(|e| time_of(*e) < span.from);
            let to = rest.partition_point(|e| time_of(*e) <= last);
            let near = rest.get(from..to).unwrap_or(&[]);
            self.funnel(subject, near, span, bucket, counts, tick)?;
            let next = rest.partition_point(|e| time_of(*e) < span.to);
            rest = rest.get(next..).unwrap_or(&[]);
        }
    }

    fn funnel(
        &mut self,
        subject: SubjectNo,
        events: &[u64],
        span: Span64,
        bucket: usize,
        counts: &mut Counts,
        tick: &mut dyn Tick,
    ) -> Result<()> {
        match &mut self.mode {
            Mode::Plain => {
                if let Some(entry) = events.iter().position(|e| self.p.is_entry(*e, span)) {
                    self.plain.walk(self.p, events, entry, span);
                    self.count_plain(events, bucket, counts)?;
                }
                Ok(())
            }
            Mode::Latest(latest) => {
                if !self.p.plan.breakdown.is_empty() && !self.p.alike(events) {
                    return self.search(subject, events, span, bucket, counts, tick);
                }
                match latest.choose(events, span)? {
                    Choice::Nobody => Ok(()),
                    Choice::Entry(entry) => {
                        self.plain.walk(self.p, events, entry, span);
                        self.chosen(subject, events, bucket, counts)
                    }
                    Choice::Irregular => self.search(subject, events, span, bucket, counts, tick),
                }
            }
            Mode::Sliding(sliding) => {
                let entry = match self.p.plan.reentry {
                    Reentry::Default => sliding.first(events, span),
                    Reentry::Optimized => sliding.best(events, span),
                };
                if let Some(entry) = entry {
                    sliding.attempt(events, entry, &mut self.plain.reached);
                    counts.attempt(bucket, self.plain.reached.iter().copied())?;
                }
                Ok(())
            }
            Mode::Search => self.search(subject, events, span, bucket, counts, tick),
        }
    }

    /// Counts the only attempt of a subject, which was walked.
    fn chosen(&mut self, subject: SubjectNo, events: &[u64], bucket: usize, counts: &mut Counts) -> Result<()> {
        let Some(attributor) = &mut self.attributor else {
            return self.count_plain(events, bucket, counts);
        };
        self.plain.fill();
        attributor.attribute(subject, events, &self.plain.fills);
        let passes = attributor.passes()?;
        if self.p.plan.breakdown.is_empty() {
            return match passes {
                true => self.count_plain(events, bucket, counts),
                false => Ok(()),
            };
        }
        if self.p.plan.measured.is_some() {
            return attributor.count_alone(bucket, passes, steps(self.p, events, &self.plain.fills), counts);
        }
        attributor.count_alone(bucket, passes, self.plain.reached.iter().copied(), counts)
    }

    /// Counts the attempt of steps in order, without a breakdown.
    fn count_plain(&self, events: &[u64], bucket: usize, counts: &mut Counts) -> Result<()> {
        let reached = self.plain.reached.iter().copied();
        if self.p.plan.measured.is_none() {
            return counts.attempt(bucket, reached);
        }
        let numbers = self.plain.used.iter().map(|at| self.p.number(events.get(*at)));
        counts.attempt(bucket, reached.zip(numbers))
    }

    fn search(
        &mut self,
        subject: SubjectNo,
        events: &[u64],
        span: Span64,
        bucket: usize,
        counts: &mut Counts,
        tick: &mut dyn Tick,
    ) -> Result<()> {
        let plan: &Plan = self.p.plan;
        let one = plan.count == Count::Unique && plan.breakdown.is_empty();
        let quick = match &mut self.in_turn {
            Some(q) => q.run(events, span, one)?,
            None => false,
        };
        if !quick {
            self.search.run(events, span, one, tick)?;
        }
        let attempts = match &self.in_turn {
            Some(q) if quick => &q.attempts,
            _ => &self.search.attempts,
        };
        let Some(attributor) = &mut self.attributor else {
            for fills in attempts.iter() {
                counts.attempt(bucket, steps(self.p, events, fills))?;
            }
            return Ok(());
        };
        if plan.breakdown.is_empty() {
            for fills in attempts.iter() {
                attributor.attribute(subject, events, fills);
                if attributor.passes()? {
                    counts.attempt(bucket, steps(self.p, events, fills))?;
                }
            }
            return Ok(());
        }
        if plan.count == Count::Total {
            for fills in attempts.iter() {
                attributor.attribute(subject, events, fills);
                let passes = attributor.passes()?;
                attributor.count_alone(bucket, passes, steps(self.p, events, fills), counts)?;
            }
            return Ok(());
        }
        let mut record = counts.subject(bucket)?;
        for fills in attempts.iter() {
            attributor.attribute(subject, events, fills);
            let passes = attributor.passes()?;
            let segments = attributor.segments(record.segments, record.budget)?;
            record.attempt(segments, passes, steps(self.p, events, fills))?;
        }
        Ok(())
    }
}

/// When the steps of an attempt were reached, and what their events carry.
fn steps<'s>(p: &'s Prepared, events: &'s [u64], fills: &'s [Fill]) -> impl ExactSizeIterator<Item = (i64, f64)> + 's {
    let measures = p.plan.measured.is_some();
    let number = move |f: &Fill| match measures {
        true => p.number(events.get(f.at as usize)),
        false => f64::NAN,
    };
    fills.iter().map(move |f| (f.reached, number(f)))
}

impl Attempt {
    /// Makes `fills` of the steps that were walked.
    fn fill(&mut self) {
        self.fills.clear();
        let steps = self.used.iter().zip(&self.reached).zip(0..);
        self.fills.extend(steps.map(|((at, reached), step)| Fill {
            step,
            at: *at as u32,
            reached: *reached,
        }));
    }

    /// Steps in order, each the earliest event that qualifies, from an entry on.
    fn walk(&mut self, p: &Prepared, events: &[u64], entry: usize, span: Span64) {
        let plan = p.plan;
        self.used.clear();
        self.reached.clear();
        let Some(first) = events.get(entry) else { return };
        let start = time_of(*first);
        let end = start.saturating_add(plan.window_ms);
        self.used.push(entry);
        self.reached.push(start);
        let (mut at, mut time, mut latest) = (entry, start, start);
        for step in 1..plan.steps {
            // The grace links two neighbouring steps: it counts from the event that serves as the step before.
            let earliest = time.saturating_sub(plan.grace_ms).max(span.from);
            let before = events.get(..at).unwrap_or(&[]);
            let early = before.iter().rev().take_while(|e| time_of(**e) >= earliest).count();
            let from = at - early;
            let found = events
                .iter()
                .enumerate()
                .skip(from)
                .take_while(|(_, e)| time_of(**e) <= end)
                .find(|(i, e)| p.mask(**e) >> step & 1 == 1 && !self.used.contains(i));
            let Some((i, e)) = found else { break };
            (at, time) = (i, time_of(*e));
            latest = latest.max(time);
            self.used.push(i);
            self.reached.push(latest);
        }
    }
}
