//! One attempt after another in one pass: for steps in loose order and default re-entry, when no event can fill two steps.
//!
//! The attempt at hand is a number of steps and the end of its window; whatever event comes is its next step, or nothing to
//! it, or lies past its end. As in [`super::latest`], a subject for which the grace matters is left to the search.

use super::attempts::{Attempts, Fill};
use super::prepared::Prepared;
use crate::error::Result;
use crate::gather::{Budget, tag_of, time_of};
use crate::time::Span64;

/// Attempts of one subject after another.
#[derive(Debug)]
pub(super) struct InTurn<'a> {
    steps: &'a [u8],
    count: usize,
    window_ms: i64,
    grace_ms: i64,
    /// When each step happened last.
    last: Vec<i64>,
    pub attempts: Attempts,
    budget: Budget,
}

impl<'a> InTurn<'a> {
    /// `steps` has the one step of each tag.
    pub fn new(p: &'a Prepared<'a>, steps: &'a [u8]) -> Self {
        let plan = p.plan;
        InTurn {
            steps,
            count: plan.steps,
            window_ms: plan.window_ms,
            grace_ms: plan.grace_ms,
            // One more, so that the step after the last one never happened.
            last: vec![i64::MIN; plan.steps + 1],
            attempts: Attempts::default(),
            budget: Budget::new(plan.memory_limit),
        }
    }

    /// Finds the attempts that begin in `span`, the first one alone when `one`; false when the subject needs the search.
    // A step is below `count` (a tag's one bit is that of a step: this kernel runs without exclusions and in loose order)
    // and `last` has one more time.
    #[allow(clippy::indexing_slicing)]
    pub fn run(&mut self, events: &[u64], span: Span64, one: bool) -> Result<bool> {
        self.attempts.clear();
        self.last.fill(i64::MIN);
        let (mut filled, mut end) = (0, 0);
        for (at, event) in events.iter().enumerate() {
            let step = match self.steps.get(tag_of(*event) as usize) {
                Some(s) if usize::from(*s) < self.count => usize::from(*s),
                _ => continue,
            };
            let t = time_of(*event);
            if self.grace_ms > 0 && self.last[step + 1] >= t.saturating_sub(self.grace_ms) {
                return Ok(false);
            }
            self.last[step] = t;
            if filled > 0 && t > end {
                self.attempts.close(filled, &mut self.budget)?;
                filled = 0;
            }
            if filled == 0 {
                if one && !self.attempts.is_empty() {
                    continue;
                }
                if step == 0 && t >= span.from && t < span.to {
                    end = t.saturating_add(self.window_ms);
                } else {
                    continue;
                }
            } else if step != filled {
                continue;
            }
            let fill = Fill {
                step: step as u32,
                at: at as u32,
                reached: t,
            };
            self.attempts.push(fill, &mut self.budget)?;
            filled += 1;
            if filled == self.count {
                self.attempts.close(filled, &mut self.budget)?;
                filled = 0;
            }
        }
        if filled > 0 {
            self.attempts.close(filled, &mut self.budget)?;
        }
        Ok(true)
    }
}
