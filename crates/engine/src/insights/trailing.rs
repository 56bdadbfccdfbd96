//! Different subjects of trailing windows, and since the start, from the sets of single days: one pass over all
//! subject-days with the day each subject was last seen, instead of a union per window.

use crate::error::Result;
use crate::gather::{Budget, grow_within, zeroed};
use crate::subjects::SubjectSet;
use crate::tick::Tick;

/// When each subject was last seen; used again for one segment after another.
#[derive(Debug, Default)]
pub struct LastSeen {
    /// Column + 1 + `base` by subject; up to `base` it is of an earlier segment.
    last: Vec<u32>,
    base: u32,
}

impl LastSeen {
    /// For every column, the number of different subjects in it and the `window - 1` columns before. `sets` come with
    /// their columns in ascending order; several of one column are one set.
    pub fn count<'s>(
        &mut self,
        sets: impl Iterator<Item = (usize, &'s SubjectSet)>,
        columns: usize,
        window: usize,
        budget: &mut Budget,
        tick: &mut dyn Tick,
    ) -> Result<Vec<u64>> {
        if self.base.checked_add(columns as u32 + 1).is_none() {
            self.last.fill(0);
            self.base = 0;
        }
        let base = self.base;
        // A subject is in the windows that end with the columns from one change to the other.
        let mut changes: Vec<i64> = zeroed(columns + 1, budget)?;
        for (column, set) in sets {
            tick.tick()?;
            let top = set.top() as usize;
            if self.last.len() <= top {
                let more = top + 1 - self.last.len();
                if self.last.capacity() <= top {
                    grow_within(&mut self.last, more, budget)?;
                }
                self.last.resize(top + 1, 0);
            }
            let end = column.saturating_add(window).min(columns);
            let last = self.last.as_mut_slice();
            let mark = base + column as u32 + 1;
            let mut fresh = 0i64;
            set.each(|no| {
                let Some(seen) = last.get_mut(no as usize) else { return };
                let before = std::mem::replace(seen, mark);
                if before <= base {
                    fresh += 1;
                    return;
                }
                // The windows it was in so far go on from where they would have ended.
                let until = ((before - base - 1) as usize).saturating_add(window).min(columns);
                let from = until.max(column);
                if let Some(c) = changes.get_mut(from) {
                    *c += 1;
                }
                if let Some(c) = changes.get_mut(end) {
                    *c -= 1;
                }
            });
            if let Some(c) = changes.get_mut(column) {
                *c += fresh;
            }
            if let Some(c) = changes.get_mut(end) {
                *c -= fresh;
            }
        }
        self.base = base + columns as u32 + 1;
        let mut now = 0i64;
        let mut counts = zeroed(columns, budget)?;
        for (n, change) in counts.iter_mut().zip(&changes) {
            now += change;
            *n = u64::try_from(now).unwrap_or(0);
        }
        budget.give((columns + 1) * size_of::<i64>());
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::NoTick;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn counts_what_unions_count(
            segments in prop::collection::vec(prop::collection::vec(prop::collection::btree_set(1u32..12, 0..8), 1..20), 1..4),
            window in 1usize..9,
        ) {
            let mut seen = LastSeen::default();
            let mut budget = Budget::new(usize::MAX);
            for days in &segments {
                let mut sets = Vec::new();
                for (d, subjects) in days.iter().enumerate() {
                    // Dealt out to two sets, with repetitions.
                    for part in 0..2 {
                        let mut set = SubjectSet::default();
                        for s in subjects.iter().filter(|s| *s % 3 != part) {
                            set.add(*s, &mut budget).unwrap();
                        }
                        sets.push((d, set));
                    }
                }
                let found = seen.count(sets.iter().map(|(d, s)| (*d, s)), days.len(), window, &mut budget, &mut NoTick).unwrap();
                let naive = |d: usize| {
                    let days = &days[(d + 1).saturating_sub(window)..=d];
                    days.iter().flatten().collect::<BTreeSet<_>>().len() as u64
                };
                prop_assert_eq!(found, (0..days.len()).map(naive).collect::<Vec<_>>());
            }
        }
    }
}
