//! Values by subject, gathered in any order and visited subject by subject.

use crate::chunk::SubjectNo;
use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, grow_within, push_within, zeroed};
use crate::tick::{EVERY, Tick};

/// Pairs of a subject and a value: the key of a number, or the number of a value.
#[derive(Debug, Clone, Default)]
pub struct SubjectValues {
    pub(super) subjects: Vec<SubjectNo>,
    pub(super) values: Vec<u64>,
}

impl SubjectValues {
    /// Adds a value of a subject.
    #[inline]
    pub fn push(&mut self, no: SubjectNo, value: u64, budget: &mut Budget) -> Result<()> {
        push_within(&mut self.subjects, no, budget)?;
        push_within(&mut self.values, value, budget)
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Adds the pairs of another.
    pub fn append(&mut self, other: &SubjectValues, budget: &mut Budget) -> Result<()> {
        let spare = self.subjects.capacity().min(self.values.capacity()) - self.len();
        if other.len() > spare {
            grow_within(&mut self.subjects, other.len(), budget)?;
            grow_within(&mut self.values, other.len(), budget)?;
        }
        self.subjects.extend_from_slice(&other.subjects);
        self.values.extend_from_slice(&other.values);
        Ok(())
    }

    /// Calls `f` with the values of each subject, sorted. Takes linear time for dense subjects, and where the pairs
    /// already come by subject.
    pub fn visit(
        &self,
        budget: &mut Budget,
        tick: &mut dyn Tick,
        mut f: impl FnMut(&mut [u64]) -> Result<()>,
    ) -> Result<()> {
        let n = self.len();
        if u32::try_from(n).is_err() || self.subjects.len() != n {
            return Err(Error::corrupt("insights: values without subjects"));
        }
        let top = self.subjects.iter().copied().max().unwrap_or(0) as usize;
        let mut sorted: Vec<u64> = Vec::new();
        if self.subjects.is_sorted() {
            grow_within(&mut sorted, n, budget)?;
            sorted.extend_from_slice(&self.values);
            let mut rest = sorted.as_mut_slice();
            for (i, same) in self.subjects.chunk_by(|a, b| a == b).enumerate() {
                if i % (EVERY / 8) == 0 {
                    tick.tick()?;
                }
                let (run, tail) = std::mem::take(&mut rest).split_at_mut(same.len());
                rest = tail;
                run.sort_unstable();
                f(run)?;
            }
        } else if top / 8 <= n {
            // A counting sort.
            let mut ends: Vec<u32> = zeroed(top + 2, budget)?;
            for subjects in self.subjects.chunks(EVERY) {
                tick.tick()?;
                for s in subjects {
                    if let Some(e) = ends.get_mut(*s as usize + 1) {
                        *e += 1;
                    }
                }
            }
            let mut sum = 0;
            for e in &mut ends {
                sum += *e;
                *e = sum;
            }
            sorted = zeroed(n, budget)?;
            for (subjects, values) in self.subjects.chunks(EVERY).zip(self.values.chunks(EVERY)) {
                tick.tick()?;
                for (s, v) in subjects.iter().zip(values) {
                    if let Some(at) = ends.get_mut(*s as usize) {
                        if let Some(slot) = sorted.get_mut(*at as usize) {
                            *slot = *v;
                        }
                        *at += 1;
                    }
                }
            }
            // Now each number is where the subject's values end.
            let mut rest = sorted.as_mut_slice();
            let mut from = 0;
            for (i, end) in ends.iter().take(top + 1).enumerate() {
                if i % EVERY == 0 {
                    tick.tick()?;
                }
                if *end > from {
                    let (run, tail) = std::mem::take(&mut rest).split_at_mut((*end - from) as usize);
                    (rest, from) = (tail, *end);
                    run.sort_unstable();
                    f(run)?;
                }
            }
            budget.give(ends.capacity() * size_of::<u32>());
        } else {
            budget.take(n.saturating_mul(24))?;
            let mut pairs: Vec<(SubjectNo, u64)> = try_vec(n, "values of subjects")?;
            pairs.extend(self.subjects.iter().copied().zip(self.values.iter().copied()));
            tick.tick()?;
            pairs.sort_unstable();
            sorted = try_vec(n, "values of subjects")?;
            for same in pairs.chunk_by(|a, b| a.0 == b.0) {
                sorted.clear();
                sorted.extend(same.iter().map(|(_, v)| *v));
                f(&mut sorted)?;
            }
            budget.give(n.saturating_mul(24));
            return Ok(());
        }
        budget.give(sorted.capacity() * size_of::<u64>());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::NoTick;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn every_subject_comes_once_with_its_values_in_order(
            mut pairs in prop::collection::vec((prop_oneof![5 => 1u32..40, 1 => 1u32..4_000_000], 0u64..9), 0..300),
            sorted in any::<bool>(), cut in any::<prop::sample::Index>(),
        ) {
            if sorted {
                pairs.sort_unstable();
            }
            let mut budget = Budget::new(usize::MAX);
            let at = cut.index(pairs.len() + 1);
            let mut of = |pairs: &[(u32, u64)]| {
                let mut v = SubjectValues::default();
                pairs.iter().for_each(|(s, x)| v.push(*s, *x, &mut budget).unwrap());
                v
            };
            let (mut all, more) = (of(&pairs[..at]), of(&pairs[at..]));
            all.append(&more, &mut Budget::new(usize::MAX)).unwrap();
            let mut expected: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
            for (s, x) in &pairs {
                expected.entry(*s).or_default().push(*x);
            }
            expected.values_mut().for_each(|v| v.sort_unstable());
            let mut found = Vec::new();
            all.visit(&mut Budget::new(usize::MAX), &mut NoTick, |run| {
                found.push(run.to_vec());
                Ok(())
            }).unwrap();
            prop_assert_eq!(found, expected.into_values().collect::<Vec<_>>());
        }
    }
}
