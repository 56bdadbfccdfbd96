//! Steps in any order, in one pass: for funnels whose steps all float, when each subject is counted once and no event can
//! fill two steps.
//!
//! An attempt from an entry has the different steps that happen in its window. With optimized re-entry every event is an
//! entry: two ends of a window slide over the events, and the number of different steps between them is kept.

use super::prepared::Prepared;
use crate::gather::{tag_of, time_of};
use crate::time::Span64;

/// Attempts of one subject after another.
#[derive(Debug)]
pub(super) struct Sliding<'a> {
    steps: &'a [u8],
    count: usize,
    window_ms: i64,
    /// Events of each step in the window.
    inside: Vec<u32>,
}

impl<'a> Sliding<'a> {
    /// `steps` has the one step of each tag.
    pub fn new(p: &'a Prepared<'a>, steps: &'a [u8]) -> Self {
        Sliding {
            steps,
            count: p.plan.steps,
            window_ms: p.plan.window_ms,
            inside: vec![0; p.plan.steps],
        }
    }

    fn step(&self, event: u64) -> usize {
        self.steps.get(tag_of(event) as usize).map_or(0, |s| usize::from(*s))
    }

    /// The first entry: any event in the span.
    pub fn first(&self, events: &[u64], span: Span64) -> Option<usize> {
        let inside = |e: &u64| time_of(*e) >= span.from && time_of(*e) < span.to;
        events.iter().position(inside)
    }

    /// The entry of the attempt that counts when every event is tried: the first that converts, else the one that goes
    /// furthest, else the earliest; of several before the same second step the last.
    // `step` is below `count`, the length of `inside`: a tag's one bit is that of a step.
    #[allow(clippy::indexing_slicing)]
    pub fn best(&mut self, events: &[u64], span: Span64) -> Option<usize> {
        self.inside.fill(0);
        let (mut different, mut right) = (0, 0);
        let mut best: (usize, Option<usize>) = (0, None);
        let mut cluster = i64::MIN;
        for (left, event) in events.iter().enumerate() {
            let t = time_of(*event);
            // Simultaneous entries have the same events in their windows: the first of them stands for all.
            if t >= span.from && t < span.to && t != cluster {
                cluster = t;
                let end = t.saturating_add(self.window_ms);
                while let Some(e) = events.get(right).filter(|e| time_of(**e) <= end) {
                    let n = &mut self.inside[usize::from(self.steps[tag_of(*e) as usize])];
                    different += usize::from(*n == 0);
                    *n += 1;
                    right += 1;
                }
                if different > best.0 {
                    best = (different, Some(left));
                    if different == self.count {
                        break;
                    }
                }
            } else if t < span.from {
                right = right.max(left + 1);
                continue;
            }
            if right > left {
                let n = &mut self.inside[usize::from(self.steps[tag_of(*event) as usize])];
                *n -= 1;
                different -= usize::from(*n == 0);
            } else {
                right = left + 1;
            }
        }
        let entry = best.1?;
        if best.0 < 2 {
            return Some(entry);
        }
        // Between the entry and its second step are only repetitions of the entry.
        let same = |e: &u64| self.step(*e) == self.step(events.get(entry).copied().unwrap_or(0));
        let run = events.iter().skip(entry).take_while(|e| same(e));
        let inside = run.take_while(|e| time_of(**e) < span.to).count();
        Some(entry + inside.max(1) - 1)
    }

    /// When the steps of the attempt from an entry were reached, one after another.
    pub fn attempt(&self, events: &[u64], entry: usize, reached: &mut Vec<i64>) {
        reached.clear();
        let Some(event) = events.get(entry) else { return };
        let start = time_of(*event);
        let end = start.saturating_add(self.window_ms);
        let mut done = 1u128 << self.step(*event);
        reached.push(start);
        let before = events.get(..entry).unwrap_or(&[]);
        let from = entry - before.iter().rev().take_while(|e| time_of(**e) == start).count();
        for e in events.iter().skip(from).take_while(|e| time_of(**e) <= end) {
            let bit = 1u128 << self.step(*e);
            if done & bit == 0 {
                done |= bit;
                reached.push(time_of(*e));
                if reached.len() == self.count {
                    break;
                }
            }
        }
    }
}
