//! One subject's way through a funnel. The walker is chosen once for a report.

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
    /// Steps in order from the entry that counts.
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
}

impl<'a> Walker<'a> {
    /// A walker for the events of `prepared`.
    pub fn new(p: &'a Prepared<'a>) -> Self {
        let plan = p.plan;
        let attributes = !plan.breakdown.is_empty() || plan.filter.is_some();
        let plain = plan.ordering == Ordering::Loose && plan.exclusions.is_empty() && plan.held.is_empty();
        let simple = plain && !attributes && plan.count == Count::Unique;
        let in_turn = plain && plan.floating == 0 && plan.reentry == Reentry::Default;
        let all_float = plan.floating == (1u128 << plan.steps) - 1;
        let mode = match (p.single(), plan.reentry) {
            (_, Reentry::Default) if simple && plan.floating == 0 => Mode::Plain,
            (Some(steps), Reentry::Optimized) if simple && plan.floating == 0 => Mode::Latest(Latest::new(p, steps)),
            (Some(steps), _) if simple && all_float => Mode::Sliding(Sliding::new(p, steps)),
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
                    counts.attempt(bucket, self.plain.reached.iter().copied())?;
                }
                Ok(())
            }
            Mode::Latest(latest) => match latest.choose(events, span)? {
                Choice::Nobody => Ok(()),
                Choice::Entry(entry) => {
                    self.plain.walk(self.p, events, entry, span);
                    counts.attempt(bucket, self.plain.reached.iter().copied())
                }
                Choice::Irregular => self.search(subject, events, span, bucket, counts, tick),
            },
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
        let whom = plan.owner(subject);
        let Some(attributor) = &mut self.attributor else {
            for fills in attempts.iter() {
                counts.attempt(bucket, fills.iter().map(|f| f.reached))?;
            }
            return Ok(());
        };
        if plan.breakdown.is_empty() {
            for fills in attempts.iter() {
                attributor.attribute(whom, events, fills);
                if attributor.passes()? {
                    counts.attempt(bucket, fills.iter().map(|f| f.reached))?;
                }
            }
            return Ok(());
        }
        let mut record = counts.subject(bucket)?;
        for fills in attempts.iter() {
            attributor.attribute(whom, events, fills);
            let passes = attributor.passes()?;
            let segments = attributor.segments(record.segments, record.budget)?;
            record.attempt(segments, passes, fills.iter().map(|f| f.reached))?;
        }
        Ok(())
    }
}

impl Attempt {
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
