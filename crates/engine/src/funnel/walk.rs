//! One subject's way through a funnel.

use super::{MAX_STEPS, Plan};
use crate::gather::{tag_of, time_of};

/// Walks the events of one subject after another.
#[derive(Debug)]
pub struct Walker<'a> {
    plan: &'a Plan<'a>,
    masks: &'a [u128],
    /// Positions of the events that serve as steps of the current attempt.
    used: Vec<usize>,
    /// When each step was reached, never before the step before it.
    reached: Vec<i64>,
}

/// True for an event that can be an entry.
pub fn entry_test<'a>(plan: &'a Plan<'a>, masks: &'a [u128]) -> impl Fn(u64) -> bool + 'a {
    move |e| {
        let t = time_of(e);
        matches(masks, e, 0) && t >= plan.entry.from && t < plan.entry.to
    }
}

#[inline]
fn matches(masks: &[u128], event: u64, step: usize) -> bool {
    masks.get(tag_of(event) as usize).is_some_and(|m| m >> step & 1 == 1)
}

impl<'a> Walker<'a> {
    /// `masks` has the set of steps of each tag.
    pub fn new(plan: &'a Plan<'a>, masks: &'a [u128]) -> Self {
        Walker {
            plan,
            masks,
            used: Vec::with_capacity(MAX_STEPS),
            reached: Vec::with_capacity(MAX_STEPS),
        }
    }

    /// When the steps were reached in the subject's one attempt; empty when it never entered.
    ///
    /// `events` are in order of time, simultaneous ones in order of their set of steps as a number with step 1 as the
    /// lowest bit: of several events that would do, the first in this order is taken. The entry is the first event in
    /// range that matches step 1, and is never given up for a later one.
    pub fn attempt(&mut self, events: &[u64]) -> &[i64] {
        self.used.clear();
        self.reached.clear();
        let is_entry = entry_test(self.plan, self.masks);
        let Some((entry, first)) = events.iter().enumerate().find(|(_, e)| is_entry(**e)) else {
            return &self.reached;
        };
        let start = time_of(*first);
        let end = start.saturating_add(self.plan.window_ms);
        self.used.push(entry);
        self.reached.push(start);
        let (mut at, mut time, mut latest) = (entry, start, start);
        for step in 1..self.plan.steps {
            // The grace links two neighbouring steps: it counts from the event that serves as the step before.
            let earliest = time.saturating_sub(self.plan.grace_ms).max(self.plan.entry.from);
            let before = events.get(..at).unwrap_or(&[]);
            let early = before.iter().rev().take_while(|e| time_of(**e) >= earliest).count();
            let from = at - early;
            let found = events
                .iter()
                .enumerate()
                .skip(from)
                .take_while(|(_, e)| time_of(**e) <= end)
                .find(|(i, e)| matches(self.masks, **e, step) && !self.used.contains(i));
            let Some((i, e)) = found else { break };
            (at, time) = (i, time_of(*e));
            latest = latest.max(time);
            self.used.push(i);
            self.reached.push(latest);
        }
        &self.reached
    }
}
