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

/// The cell of each subject, by its position in the table.
#[derive(Debug, Clone, Default)]
pub struct Latest {
    /// Position + 1 by subject; 0 = in none.
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
            if self.of.capacity() < self.of.len() + more {
                grow_within(&mut self.of, more, budget)?;
            }
            self.of.resize(self.of.len() + more, 0);
        }
        Ok(true)
    }

    /// Counts a subject, never 0, in a cell. Only after [`Latest::begin`] said so.
    #[inline]
    pub fn put(
        &mut self,
        no: SubjectNo,
        cell: u32,
        table: &mut Table<SubjectSet>,
        budget: &mut Budget,
    ) -> Result<()> {
        match self.of.get_mut(no as usize) {
            Some(at) if *at == cell + 1 => Ok(()),
            Some(at) if *at == 0 => {
                *at = cell + 1;
                Ok(())
            }
            Some(at) => {
                let left = std::mem::replace(at, cell + 1);
                self.moves += 1;
                set_of(table, left)?.add(no, budget)
            }
            None => set_of(table, cell + 1)?.add(no, budget),
        }
    }

    /// True when nobody is here.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Moves everybody into the sets.
    pub fn flush(&mut self, table: &mut Table<SubjectSet>, budget: &mut Budget) -> Result<()> {
        let of = std::mem::take(&mut self.of);
        for (no, at) in of.iter().enumerate().filter(|(_, at)| **at != 0) {
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
            let more = other.of.len() - self.of.len();
            if self.of.capacity() < other.of.len() {
                grow_within(&mut self.of, more, budget)?;
            }
            self.of.resize(other.of.len(), 0);
        }
        let pairs = self.of.iter_mut().zip(&other.of).enumerate();
        for (no, (ours, theirs)) in pairs.filter(|(_, (_, theirs))| **theirs != 0) {
            let place = places.get(*theirs as usize - 1).copied().unwrap_or(u32::MAX);
            match place.checked_add(1) {
                Some(at) if *ours == 0 => *ours = at,
                Some(at) if *ours == at => {}
                Some(at) => set_of(table, at)?.add(no as SubjectNo, budget)?,
                None => return Err(no_such_cell()),
            }
        }
        Ok(())
    }

    /// The subjects by group, where `groups` gives the group of each cell; those of a cell with a number of `count` or
    /// above are left out.
    pub fn by_group(&self, groups: &[u32], count: usize, budget: &mut Budget) -> Result<Grouped> {
        if self.of.is_empty() {
            return Ok(Grouped::default());
        }
        let group = |at: &u32| {
            let cell = (*at as usize).checked_sub(1)?;
            groups.get(cell).map(|g| *g as usize).filter(|g| *g < count)
        };
        let mut ends: Vec<u32> = zeroed(count + 1, budget)?;
        for g in self.of.iter().filter_map(group) {
            if let Some(n) = ends.get_mut(g + 1) {
                *n += 1;
            }
        }
        let mut sum = 0;
        for e in &mut ends {
            sum += *e;
            *e = sum;
        }
        let mut subjects: Vec<SubjectNo> = zeroed(sum as usize, budget)?;
        for (no, at) in self.of.iter().enumerate() {
            if let Some(g) = group(at)
                && let Some(end) = ends.get_mut(g)
                && let Some(slot) = subjects.get_mut(*end as usize)
            {
                *slot = no as SubjectNo;
                *end += 1;
            }
        }
        Ok(Grouped { ends, subjects })
    }
}

#[inline]
fn set_of(table: &mut Table<SubjectSet>, at: u32) -> Result<&mut SubjectSet> {
    table.at(at as usize - 1).ok_or_else(no_such_cell)
}

fn no_such_cell() -> Error {
    Error::corrupt("insights: no such cell")
}

/// Subjects by group, each in one.
#[derive(Debug, Default)]
pub struct Grouped {
    /// Where those of each group end.
    ends: Vec<u32>,
    subjects: Vec<SubjectNo>,
}

impl Grouped {
    /// The subjects of a group, ascending.
    pub fn of(&self, group: usize) -> &[SubjectNo] {
        let end = |g: usize| self.ends.get(g).copied().unwrap_or(0) as usize;
        let from = group.checked_sub(1).map_or(0, end);
        self.subjects.get(from..end(group)).unwrap_or(&[])
    }

    /// Memory, as it was counted.
    pub fn bytes(&self) -> usize {
        (self.ends.capacity() + self.subjects.capacity()) * size_of::<u32>()
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
            let count = groups.iter().filter(|g| **g != u32::MAX).max().map_or(0, |g| *g as usize + 1);
            let grouped = self.latest.by_group(&groups, count, &mut self.budget).unwrap();
            let mut found = Sets::new();
            for (at, line) in lines.iter().enumerate().filter(|(_, l)| **l >= 2) {
                let set = found.entry(*line).or_default();
                self.table.at(at).unwrap().each(|no| {
                    set.insert(no);
                });
                assert!(grouped.of(*line as usize).is_sorted_by(|a, b| a < b));
                set.extend(grouped.of(*line as usize));
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
