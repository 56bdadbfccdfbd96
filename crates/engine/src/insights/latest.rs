//! The cell that each subject was counted in last, kept apart from the sets of the cells.
//!
//! Most subjects stay in one segment: their events then cost a look into one array, and the sets of the cells, which may be
//! many and small, stay empty. When a subject moves, the cell it leaves takes it into its set. So the subjects of a cell
//! are those of its set and those that are here, where one may be among both.

use super::cells::Table;
use crate::chunk::SubjectNo;
use crate::error::{Error, Result};
use crate::gather::{Budget, grow_within, zeroed};
use crate::subjects::SubjectSet;

/// Rows after which it shows whether subjects stay where they are.
const TRIAL: usize = 32_768;

/// In no cell.
const NOWHERE: u32 = u32::MAX - 1;

/// The cell of each subject, by its position in the table.
#[derive(Debug, Clone, Default)]
pub struct Latest {
    /// By subject.
    of: Vec<u32>,
    rows: usize,
    moves: usize,
    /// Subjects moved too often, or the array would be too large.
    given_up: bool,
}

impl Latest {
    /// Never used.
    pub fn none() -> Self {
        Latest {
            given_up: true,
            ..Latest::default()
        }
    }

    /// Says whether the next `rows` rows, of subjects up to `top`, are to be counted here. What is here goes into the sets
    /// of `table` when it does not pay.
    pub fn begin(
        &mut self,
        top: SubjectNo,
        rows: usize,
        table: &mut Table<SubjectSet>,
        budget: &mut Budget,
    ) -> Result<bool> {
        if self.given_up {
            return Ok(false);
        }
        if self.rows > TRIAL && self.moves > self.rows / 4 {
            self.give_up(table, budget)?;
            return Ok(false);
        }
        self.rows += rows;
        let need = top as usize + 1;
        if need > self.of.len() {
            // A few rows of a few subjects with large numbers are not worth an array.
            if need / 16 > self.rows {
                return Ok(false);
            }
            let more = (need - self.of.len()).max(self.of.len() / 4);
            let left = budget.limit().saturating_sub(budget.used());
            if more.saturating_mul(size_of::<u32>()) > left / 4 {
                self.give_up(table, budget)?;
                return Ok(false);
            }
            self.grow(self.of.len() + more, budget)?;
        }
        Ok(true)
    }

    fn grow(&mut self, n: usize, budget: &mut Budget) -> Result<()> {
        if self.of.capacity() < n {
            let more = n - self.of.len();
            grow_within(&mut self.of, more, budget)?;
        }
        self.of.resize(n, NOWHERE);
        Ok(())
    }

    /// True when a subject was counted in this very cell last; else [`Latest::put`] does more.
    #[inline(always)]
    pub fn is_in(&self, no: SubjectNo, cell: u32) -> bool {
        self.of.get(no as usize) == Some(&cell)
    }

    /// Counts a subject, never 0, in a cell. Only after [`Latest::begin`] said so.
    pub fn put(&mut self, no: SubjectNo, cell: u32, table: &mut Table<SubjectSet>, budget: &mut Budget) -> Result<()> {
        let left = match self.of.get_mut(no as usize) {
            Some(at) if cell < NOWHERE => std::mem::replace(at, cell),
            // There is no place for it here.
            _ => return set_of(table, cell)?.add(no, budget),
        };
        if left == NOWHERE || left == cell {
            return Ok(());
        }
        self.moves += 1;
        set_of(table, left)?.add(no, budget)
    }

    /// True when nobody is here.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Moves everybody into the sets.
    pub fn flush(&mut self, table: &mut Table<SubjectSet>, budget: &mut Budget) -> Result<()> {
        let of = std::mem::take(&mut self.of);
        for (no, at) in of.iter().enumerate().filter(|(_, at)| **at != NOWHERE) {
            set_of(table, *at)?.add(no as SubjectNo, budget)?;
        }
        budget.give(of.capacity() * size_of::<u32>());
        Ok(())
    }

    fn give_up(&mut self, table: &mut Table<SubjectSet>, budget: &mut Budget) -> Result<()> {
        self.given_up = true;
        self.flush(table, budget)
    }

    /// Takes over another's subjects; `places` turns its positions into ours.
    pub fn absorb(
        &mut self,
        other: Latest,
        places: &[u32],
        table: &mut Table<SubjectSet>,
        budget: &mut Budget,
    ) -> Result<()> {
        if self.of.len() < other.of.len() {
            self.grow(other.of.len(), budget)?;
        }
        let places = and_nowhere(places.iter().copied(), budget)?;
        for (no, (ours, theirs)) in self.of.iter_mut().zip(&other.of).enumerate() {
            // Who is nowhere and who is not can't be foreseen: no branch depends on it.
            let at = *of_cell(&places, *theirs).ok_or_else(no_cell)?;
            let before = *ours;
            *ours = if before == NOWHERE { at } else { before };
            if *ours != at && at != NOWHERE {
                set_of(table, at)?.add(no as SubjectNo, budget)?;
            }
        }
        budget.give(places.capacity() * size_of::<u32>());
        Ok(())
    }

    /// How many are here, and who, by group: `groups` gives the group of each cell, and cells with a number of
    /// `listed.len()` or above are left out. Who they are is said for groups that are `listed`.
    pub fn by_group(&self, groups: &[u32], listed: &[bool], budget: &mut Budget) -> Result<Grouped> {
        if self.of.is_empty() {
            return Ok(Grouped::default());
        }
        let mut by_cell: Vec<u32> = zeroed(groups.len() + 1, budget)?;
        let last = groups.len();
        for at in &self.of {
            if let Some(n) = by_cell.get_mut((*at as usize).min(last)) {
                *n += 1;
            }
        }
        let mut counts: Vec<u32> = zeroed(listed.len(), budget)?;
        for (n, g) in by_cell.iter().zip(groups) {
            if let Some(c) = counts.get_mut(*g as usize) {
                *c += n;
            }
        }
        budget.give(by_cell.capacity() * size_of::<u32>());
        let mut found = Grouped {
            counts,
            ends: Vec::new(),
            subjects: Vec::new(),
        };
        if !listed.contains(&true) {
            return Ok(found);
        }
        // A counting sort. At first each number is where the group begins.
        found.ends = zeroed(listed.len(), budget)?;
        let mut sum = 0;
        for ((end, n), listed) in found.ends.iter_mut().zip(&found.counts).zip(listed) {
            *end = sum;
            sum += if *listed { *n } else { 0 };
        }
        found.subjects = zeroed(sum as usize, budget)?;
        let is_listed = |group: &u32| listed.get(*group as usize) == Some(&true);
        let of_listed = groups.iter().map(|g| if is_listed(g) { *g } else { NOWHERE });
        let of_listed = and_nowhere(of_listed, budget)?;
        for (no, at) in self.of.iter().enumerate() {
            if let Some(group) = of_cell(&of_listed, *at).filter(|g| **g != NOWHERE)
                && let Some(end) = found.ends.get_mut(*group as usize)
                && let Some(slot) = found.subjects.get_mut(*end as usize)
            {
                *slot = no as SubjectNo;
                *end += 1;
            }
        }
        budget.give(of_listed.capacity() * size_of::<u32>());
        Ok(found)
    }
}

/// Something of every cell, and [`NOWHERE`] for being in none.
fn and_nowhere(cells: impl ExactSizeIterator<Item = u32>, budget: &mut Budget) -> Result<Vec<u32>> {
    let mut all = Vec::new();
    grow_within(&mut all, cells.len() + 1, budget)?;
    all.extend(cells);
    all.push(NOWHERE);
    Ok(all)
}

/// What [`and_nowhere`] has of a cell.
#[inline(always)]
fn of_cell(all: &[u32], cell: u32) -> Option<&u32> {
    all.get((cell as usize).min(all.len().wrapping_sub(1)))
}

fn no_cell() -> Error {
    Error::corrupt("insights: no such cell")
}

fn set_of(table: &mut Table<SubjectSet>, at: u32) -> Result<&mut SubjectSet> {
    table.at(at as usize).ok_or_else(no_cell)
}

/// Subjects by group, each in one.
#[derive(Debug, Default)]
pub struct Grouped {
    counts: Vec<u32>,
    /// Where those of each group end.
    ends: Vec<u32>,
    subjects: Vec<SubjectNo>,
}

/// The subjects of one group.
#[derive(Debug, Clone, Copy, Default)]
pub struct Those<'g> {
    pub count: u64,
    /// Ascending, when the group was listed.
    pub subjects: &'g [SubjectNo],
}

impl Grouped {
    /// Those of a group.
    pub fn of(&self, group: usize) -> Those<'_> {
        let end = |g: usize| self.ends.get(g).copied().unwrap_or(0) as usize;
        let from = group.checked_sub(1).map_or(0, end);
        Those {
            count: self.counts.get(group).copied().unwrap_or(0).into(),
            subjects: self.subjects.get(from..end(group)).unwrap_or(&[]),
        }
    }

    /// Memory, as it was counted.
    pub fn bytes(&self) -> usize {
        (self.counts.capacity() + self.ends.capacity() + self.subjects.capacity()) * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    type Sets = BTreeMap<u32, BTreeSet<u32>>;

    struct Counter {
        table: Table<SubjectSet>,
        latest: Latest,
        naive: Sets,
        budget: Budget,
    }

    impl Counter {
        fn new(limit: usize) -> Self {
            let mut budget = Budget::new(limit);
            let table = Table::new(false, 1, &mut budget).unwrap();
            let (latest, naive) = (Latest::default(), Sets::new());
            Counter {
                table,
                latest,
                naive,
                budget,
            }
        }

        fn push(&mut self, rows: &[(u32, u32)]) {
            let top = rows.iter().map(|r| r.1).max().unwrap_or(0);
            let (table, budget) = (&mut self.table, &mut self.budget);
            let here = self.latest.begin(top, rows.len(), table, budget).unwrap();
            for (line, no) in rows {
                let at = table.place(*line, 0, budget).unwrap();
                match here {
                    true if self.latest.is_in(*no, at as u32) => {}
                    true => self.latest.put(*no, at as u32, table, budget).unwrap(),
                    false => table.at(at).unwrap().add(*no, budget).unwrap(),
                }
                self.naive.entry(*line).or_default().insert(*no);
            }
        }

        /// By line, from the sets and from what is here.
        fn found(&mut self) -> Sets {
            let lines: Vec<u32> = self.table.keys().map(|k| k.0).collect();
            // Two lines are left out.
            let groups: Vec<u32> = lines.iter().map(|l| if *l < 2 { u32::MAX } else { *l }).collect();
            let count = groups
                .iter()
                .filter(|g| **g != u32::MAX)
                .max()
                .map_or(0, |g| *g as usize + 1);
            // The third is only counted, as if it had no set.
            let listed: Vec<bool> = (0..count).map(|g| g != 2).collect();
            let grouped = self.latest.by_group(&groups, &listed, &mut self.budget).unwrap();
            let mut found = Sets::new();
            for (at, line) in lines.iter().enumerate().filter(|(_, l)| **l >= 2) {
                let set = found.entry(*line).or_default();
                self.table.at(at).unwrap().each(|no| {
                    set.insert(no);
                });
                let those = grouped.of(*line as usize);
                assert!(those.subjects.is_sorted_by(|a, b| a < b));
                let who = (0..self.latest.of.len() as u32).filter(|no| self.latest.is_in(*no, at as u32));
                let who: Vec<u32> = who.collect();
                assert_eq!(those.count, who.len() as u64);
                assert_eq!(those.subjects, if *line == 2 { &[][..] } else { &who });
                set.extend(who);
            }
            found
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn a_cell_has_its_set_and_those_that_are_here(
            chunks in prop::collection::vec(prop::collection::vec((0u32..6, 1u32..60), 0..90), 0..6),
            more in prop::collection::vec((0u32..9, prop_oneof![9 => 1u32..80, 1 => 1u32..100_000]), 0..90),
            stable in any::<bool>(), flushed in any::<bool>(), short in any::<bool>(),
        ) {
            let mut a = Counter::new(if short { 20_000 } else { usize::MAX });
            for chunk in &chunks {
                let rows: Vec<(u32, u32)> = chunk.iter().map(|(l, no)| (if stable { no % 5 } else { *l }, *no)).collect();
                a.push(&rows);
            }
            let mut b = Counter::new(usize::MAX);
            b.push(&more);
            a.budget.set_limit(usize::MAX);
            let mut places = Vec::new();
            for (line, _, set) in b.table.iter_mut() {
                let at = a.table.place(line, 0, &mut a.budget).unwrap();
                a.table.at(at).unwrap().union(set, &mut a.budget).unwrap();
                places.push(at as u32);
            }
            a.latest.absorb(b.latest, &places, &mut a.table, &mut a.budget).unwrap();
            for (line, set) in b.naive {
                a.naive.entry(line).or_default().extend(set);
            }
            if flushed {
                a.latest.flush(&mut a.table, &mut a.budget).unwrap();
                prop_assert!(a.latest.of.is_empty());
            }
            a.naive.retain(|line, _| *line >= 2);
            prop_assert_eq!(a.found(), a.naive);
        }
    }

    #[test]
    fn who_moves_all_the_time_is_not_kept_here() {
        let mut c = Counter::new(usize::MAX);
        for round in 0..10u32 {
            c.push(&(1..8000).map(|no| (no % 7 + round % 2, no)).collect::<Vec<_>>());
        }
        assert!(c.latest.given_up && c.latest.of.is_empty());
        c.naive.retain(|line, _| *line >= 2);
        assert_eq!(c.found(), c.naive);
    }
}
