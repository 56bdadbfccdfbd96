//! Optimized re-entry in one pass: which entry counts when each subject is counted once, steps are in loose order, and no
//! event can fill two steps.
//!
//! Of several entries before the same step 2 only the last counts, so every chain begins as a pair of neighbours: a step 2
//! and the last entry before it. A step k + 1 takes every chain that waits for it and whose window is open. So the chains
//! of one level are always neighbours, older ones are further, and each event moves a range of chains by changing its ends:
//! O(events + chains). The first chain of a range is the one that began first; it is the first to convert, and the first
//! whose window ends.
//!
//! The grace matters only to a subject with a step k within it before a step k − 1; such a subject is left to the search.

use super::prepared::Prepared;
use crate::error::Result;
use crate::gather::{Budget, push_within, tag_of, time_of};
use crate::time::Span64;

/// Which entry counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Nobody,
    Entry(usize),
    /// Needs the search.
    Irregular,
}

/// A chain of steps: when and where it began.
#[derive(Debug, Clone, Copy)]
struct Chain {
    start: i64,
    entry: usize,
}

/// Chooses the entries of one subject after another.
#[derive(Debug)]
pub(super) struct Latest<'a> {
    steps: &'a [u8],
    count: usize,
    window_ms: i64,
    grace_ms: i64,
    chains: Vec<Chain>,
    /// The chains that wait for each step, as a range of `chains`.
    waiting: Vec<(usize, usize)>,
    /// When each step happened last.
    last: Vec<i64>,
    budget: Budget,
}

impl<'a> Latest<'a> {
    /// `steps` has the one step of each tag.
    pub fn new(p: &'a Prepared<'a>, steps: &'a [u8]) -> Self {
        let plan = p.plan;
        Latest {
            steps,
            count: plan.steps,
            window_ms: plan.window_ms,
            grace_ms: plan.grace_ms,
            chains: Vec::new(),
            waiting: vec![(0, 0); plan.steps],
            // One more, so that the step after the last one never happened.
            last: vec![i64::MIN; plan.steps + 1],
            budget: Budget::new(plan.memory_limit),
        }
    }

    /// The entry of the attempt that counts: the first that converts, else the one that goes furthest, else the earliest.
    // A step is below `count` (a tag's one bit is that of a step: this kernel runs without exclusions and in loose order),
    // `waiting` has `count` ranges and `last` one more time; ranges end at the length of `chains`.
    #[allow(clippy::indexing_slicing)]
    pub fn choose(&mut self, events: &[u64], span: Span64) -> Result<Choice> {
        self.chains.clear();
        self.waiting.fill((0, 0));
        self.last.fill(i64::MIN);
        let mut entry: Option<Chain> = None;
        let mut first: Option<usize> = None;
        // Steps taken and chain of the best attempt whose window has ended.
        let mut ended: (usize, usize) = (0, usize::MAX);
        let mut end = |taken: usize, chain: usize| {
            if taken > ended.0 || (taken == ended.0 && chain < ended.1) {
                ended = (taken, chain);
            }
        };
        for (at, event) in events.iter().enumerate() {
            let step = match self.steps.get(tag_of(*event) as usize) {
                Some(s) if usize::from(*s) < self.count => usize::from(*s),
                _ => continue,
            };
            let t = time_of(*event);
            if self.grace_ms > 0 && self.last[step + 1] >= t.saturating_sub(self.grace_ms) {
                return Ok(Choice::Irregular);
            }
            self.last[step] = t;
            if step == 0 {
                if t >= span.from && t < span.to {
                    entry = Some(Chain { start: t, entry: at });
                    first = first.or(Some(at));
                }
                continue;
            }
            let reaches = |c: &Chain| t.saturating_sub(c.start) <= self.window_ms;
            if step == 1 {
                // Earlier entries before this step are absorbed, or their windows have ended.
                if let Some(chain) = entry.take().filter(reaches) {
                    if self.count == 2 {
                        return Ok(Choice::Entry(chain.entry));
                    }
                    let n = self.chains.len();
                    push_within(&mut self.chains, chain, &mut self.budget)?;
                    let w = &mut self.waiting[2];
                    *w = if w.0 == w.1 { (n, n + 1) } else { (w.0, n + 1) };
                }
                continue;
            }
            let (mut from, to) = std::mem::take(&mut self.waiting[step]);
            let oldest = from;
            while from < to && !reaches(&self.chains[from]) {
                from += 1;
            }
            if from > oldest {
                end(step, oldest);
            }
            if from == to {
                continue;
            }
            if step + 1 == self.count {
                return Ok(Choice::Entry(self.chains[from].entry));
            }
            let next = &mut self.waiting[step + 1];
            if next.0 == next.1 {
                *next = (from, to);
            } else if next.1 == from {
                next.1 = to;
            } else {
                // A chain between them has ended, so these older ones have, too.
                end(step + 1, next.0);
                *next = (from, to);
            }
        }
        for (step, (from, to)) in self.waiting.iter().enumerate() {
            if from < to {
                end(step, *from);
            }
        }
        if let Some(chain) = self.chains.get(ended.1).filter(|_| ended.0 > 0) {
            return Ok(Choice::Entry(chain.entry));
        }
        Ok(first.map_or(Choice::Nobody, Choice::Entry))
    }
}
