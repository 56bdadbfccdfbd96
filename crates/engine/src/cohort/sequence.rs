//! Did the steps of a sequence follow each other?

use crate::error::{Error, Result};
use crate::gather::{tag_of, time_of};

/// Most steps: one bit each in the tag of an event.
pub const MAX_STEPS: usize = 16;

/// Works on the events of one subject at a time.
#[derive(Debug, Default)]
pub struct Search {
    /// The step that each event of one instant fills, if any.
    filled: Vec<Option<u8>>,
    seen: Vec<bool>,
}

impl Search {
    /// Are there different events for all `steps`, none earlier than the one before it? `events` are packed with the steps
    /// that each can fill as their tag, in order of time. Of the events of one instant as many steps as possible are
    /// filled: reaching further sooner is never worse.
    pub fn completes(&mut self, events: &[u64], steps: usize) -> Result<bool> {
        let mut reached = 0;
        for same in events.chunk_by(|a, b| time_of(*a) == time_of(*b)) {
            reached = match same {
                [one] => reached + usize::from(tag_of(*one) >> reached & 1 == 1),
                _ => self.advance(same, reached, steps)?,
            };
            if reached >= steps {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How many steps are reached after events of one instant: an assignment of steps to events, grown step by step along
    /// augmenting paths (H. W. Kuhn, 1955).
    fn advance(&mut self, same: &[u64], mut reached: usize, steps: usize) -> Result<usize> {
        let (filled, seen) = (&mut self.filled, &mut self.seen);
        filled.clear();
        filled
            .try_reserve(same.len())
            .map_err(|_| Error::OutOfMemory("events of one instant"))?;
        filled.resize(same.len(), None);
        seen.clear();
        seen.try_reserve(same.len())
            .map_err(|_| Error::OutOfMemory("events of one instant"))?;
        seen.resize(same.len(), false);
        while reached < steps {
            seen.fill(false);
            if !augment(same, reached as u8, filled, seen) {
                break;
            }
            reached += 1;
        }
        Ok(reached)
    }
}

/// Finds an event for a step, moving others if need be. At most as deep as there are steps.
fn augment(same: &[u64], step: u8, filled: &mut [Option<u8>], seen: &mut [bool]) -> bool {
    for (i, event) in same.iter().enumerate() {
        if tag_of(*event) >> step & 1 == 0 || seen.get(i).copied().unwrap_or(true) {
            continue;
        }
        if let Some(s) = seen.get_mut(i) {
            *s = true;
        }
        let free = match filled.get(i).copied().flatten() {
            None => true,
            Some(other) => augment(same, other, filled, seen),
        };
        if free {
            if let Some(f) = filled.get_mut(i) {
                *f = Some(step);
            }
            return true;
        }
    }
    false
}
