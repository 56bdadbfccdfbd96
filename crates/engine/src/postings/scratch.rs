//! One partition of postings in the order of its subjects, and of time.

use super::Page;
use crate::chunk::SubjectNo;
use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, grow_within, push_within};
use crate::tick::{EVERY, Tick};

/// One partition, sorted by subject. Kept from one partition to the next.
#[derive(Debug)]
pub(super) struct Scratch {
    /// The subjects there are, and where the events of each end in `sorted`.
    ends: Vec<(u32, u32)>,
    counts: Vec<u32>,
    sorted: Vec<u64>,
    /// Of each subject, the packed event from which on events are wanted.
    pub(super) from: Vec<u64>,
    budget: Budget,
}

/// Makes `v` hold `n` zeros.
fn zeros<T: Copy + Default>(v: &mut Vec<T>, n: usize, budget: &mut Budget) -> Result<()> {
    v.clear();
    if n > v.capacity() {
        grow_within(v, n, budget)?;
    }
    v.resize(n, T::default());
    Ok(())
}

impl Scratch {
    pub(super) fn new(memory_limit: usize) -> Self {
        Scratch {
            ends: Vec::new(),
            counts: Vec::new(),
            sorted: Vec::new(),
            from: Vec::new(),
            budget: Budget::new(memory_limit),
        }
    }

    /// Counting sort by subject, stable; of the wanted events alone when `some`.
    // Every index is a local number <= top, for which `counts` has room, or comes from the prefix sums of the very counts
    // that the loop before made, which end at `rows`.
    #[allow(clippy::indexing_slicing)]
    pub(super) fn sort<'p>(
        &mut self,
        pages: impl Iterator<Item = &'p Page> + Clone,
        rows: usize,
        some: bool,
        tick: &mut dyn Tick,
    ) -> Result<()> {
        u32::try_from(rows).map_err(|_| too_many())?;
        let top = usize::from(pages.clone().filter_map(Page::top).max().unwrap_or(0));
        zeros(&mut self.counts, top + 2, &mut self.budget)?;
        zeros(&mut self.sorted, rows, &mut self.budget)?;
        let counts = self.counts.as_mut_slice();
        let from = self.from.as_slice();
        if some && from.len() <= top {
            return Err(Error::corrupt("postings of unknown subjects"));
        }
        for page in pages.clone() {
            tick.tick()?;
            if !some {
                for &local in &page.locals {
                    counts[usize::from(local) + 1] += 1;
                }
                continue;
            }
            for (&local, &e) in page.locals.iter().zip(&page.entries) {
                counts[usize::from(local) + 1] += u32::from(e >= from[usize::from(local)]);
            }
        }
        self.ends.clear();
        let mut sum = 0;
        for (after, c) in counts.iter_mut().enumerate() {
            sum += *c;
            if *c > 0 {
                push_within(&mut self.ends, (after as u32 - 1, sum), &mut self.budget)?;
            }
            *c = sum;
        }
        let sorted = self.sorted.as_mut_slice();
        for page in pages {
            tick.tick()?;
            for (&local, &e) in page.locals.iter().zip(&page.entries) {
                if some && e < from[usize::from(local)] {
                    continue;
                }
                let at = &mut counts[usize::from(local)];
                sorted[*at as usize] = e;
                *at += 1;
            }
        }
        Ok(())
    }

    pub(super) fn sort_pairs(&mut self, pairs: &[(SubjectNo, u64)], tick: &mut dyn Tick) -> Result<()> {
        u32::try_from(pairs.len()).map_err(|_| too_many())?;
        self.budget.take(size_of_val(pairs))?;
        let mut ordered: Vec<(SubjectNo, u64)> = try_vec(pairs.len(), "events of a report")?;
        ordered.extend_from_slice(pairs);
        tick.tick()?;
        ordered.sort_unstable();
        zeros(&mut self.sorted, pairs.len(), &mut self.budget)?;
        self.ends.clear();
        for (i, ((no, e), slot)) in ordered.iter().zip(&mut self.sorted).enumerate() {
            *slot = *e;
            match self.ends.last_mut() {
                Some((last, end)) if last == no => *end = i as u32 + 1,
                _ => push_within(&mut self.ends, (*no, i as u32 + 1), &mut self.budget)?,
            }
        }
        self.budget.give(size_of_val(pairs));
        Ok(())
    }

    pub(super) fn visit(
        &mut self,
        candidate: &impl Fn(u64) -> bool,
        tick: &mut dyn Tick,
        mut f: impl FnMut(u32, &[u64], &mut dyn Tick) -> Result<()>,
    ) -> Result<()> {
        let mut rest = self.sorted.as_mut_slice();
        let (mut from, mut since_tick) = (0, 0);
        for &(local, end) in &self.ends {
            let taken = std::mem::take(&mut rest);
            let Some((run, tail)) = taken.split_at_mut_checked((end - from) as usize) else {
                return Err(Error::corrupt("postings out of order"));
            };
            (rest, from) = (tail, end);
            since_tick += run.len();
            if since_tick >= EVERY {
                since_tick = 0;
                tick.tick()?;
            }
            if run.iter().any(|e| candidate(*e)) {
                put_in_order(run);
                f(local, run, tick)?;
            }
        }
        Ok(())
    }
}

fn too_many() -> Error {
    Error::Limit {
        message: "more than 2^32 events in one part of a report".into(),
        hint: Some("Ask for a shorter range.".into()),
    }
}

/// Sorts the events of one subject, mostly few and nearly in order.
#[inline]
fn put_in_order(run: &mut [u64]) {
    if run.is_sorted() {
        return;
    }
    if run.len() > 24 {
        return run.sort_unstable();
    }
    for end in 1..run.len() {
        let mut at = end;
        while let Some(before) = at.checked_sub(1)
            && let Some([a, b]) = run.get_mut(before..=at)
            && *a > *b
        {
            std::mem::swap(a, b);
            at = before;
        }
    }
}
