//! A small number for each of many subjects: counters, or masks of sub-intervals.

use crate::chunk::SubjectNo;
use crate::error::{Error, Result};
use crate::gather::{Budget, grow_within, zeroed};
use crate::partial::{Reader, Writer};

/// Numbers by subject, 0 for subjects without one. Built with one way of [`Combine`] throughout.
#[derive(Debug, Clone)]
pub enum PerSubject {
    /// The first `clean` are sorted by subject, each once; what follows is in the order it came in.
    List { items: Vec<(SubjectNo, u32)>, clean: usize },
    /// By subject number.
    Dense(Vec<u32>),
}

/// What two numbers of one subject become.
pub trait Combine {
    fn combine(a: u32, b: u32) -> u32;
}

/// Adds, up to the largest number.
pub struct Add;
/// Sets the bits of both.
pub struct Or;

impl Combine for Add {
    #[inline]
    fn combine(a: u32, b: u32) -> u32 {
        a.saturating_add(b)
    }
}

impl Combine for Or {
    #[inline]
    fn combine(a: u32, b: u32) -> u32 {
        a | b
    }
}

impl Default for PerSubject {
    fn default() -> Self {
        PerSubject::List {
            items: Vec::new(),
            clean: 0,
        }
    }
}

impl PerSubject {
    /// Combines the number of a subject, never 0, with `n`.
    #[inline]
    pub fn put<C: Combine>(&mut self, no: SubjectNo, n: u32, budget: &mut Budget) -> Result<()> {
        match self {
            PerSubject::Dense(numbers) => {
                if let Some(x) = numbers.get_mut(no as usize) {
                    *x = C::combine(*x, n);
                    return Ok(());
                }
            }
            PerSubject::List { items, .. } => {
                // The events of a subject come in runs.
                if let Some(last) = items.last_mut()
                    && last.0 == no
                {
                    last.1 = C::combine(last.1, n);
                    return Ok(());
                }
                if items.len() < items.capacity() {
                    items.push((no, n));
                    return Ok(());
                }
            }
        }
        self.make_room::<C>(no, budget)?;
        self.put::<C>(no, n, budget)
    }

    /// Adds 1 for every row, as it is stored: 0, nobody, is passed over. In an array without a branch on the data.
    pub fn add_rows(&mut self, subjects: &[SubjectNo], budget: &mut Budget) -> Result<()> {
        let mut rest = subjects;
        while !rest.is_empty() {
            if let PerSubject::Dense(numbers) = self {
                let mut done = 0;
                for no in rest {
                    let Some(n) = numbers.get_mut(*no as usize) else { break };
                    *n = n.saturating_add(1);
                    done += 1;
                }
                if let Some(nobody) = numbers.first_mut() {
                    *nobody = 0;
                }
                rest = rest.get(done..).unwrap_or(&[]);
            }
            // One by one until there is an array, or room in it. The events of a subject come in runs.
            let Some(first) = rest.first() else { return Ok(()) };
            let run = rest.iter().take_while(|no| *no == first).count();
            if *first != 0 {
                self.put::<Add>(*first, u32::try_from(run).unwrap_or(u32::MAX), budget)?;
            }
            rest = rest.get(run..).unwrap_or(&[]);
        }
        Ok(())
    }

    /// After this, putting `no` once does not come back here.
    #[cold]
    fn make_room<C: Combine>(&mut self, no: SubjectNo, budget: &mut Budget) -> Result<()> {
        match self {
            PerSubject::Dense(numbers) => {
                let need = no as usize + 1;
                let more = need.saturating_sub(numbers.len()).max(numbers.len() / 4);
                if numbers.capacity() < numbers.len() + more {
                    grow_within(numbers, more, budget)?;
                }
                numbers.resize(numbers.len() + more, 0);
            }
            PerSubject::List { .. } => {
                self.settle::<C>();
                let PerSubject::List { items, .. } = self else {
                    return Ok(());
                };
                let top = items.last().map_or(0, |(s, _)| *s).max(no) as usize;
                // From here on an array takes no more than twice the room of the list, and needs no sorting.
                if items.len() >= 64 && items.len() * 4 >= top {
                    let mut numbers: Vec<u32> = zeroed(top + 1, budget)?;
                    for (s, n) in items.iter() {
                        if let Some(x) = numbers.get_mut(*s as usize) {
                            *x = *n;
                        }
                    }
                    budget.give(items.capacity() * size_of::<(SubjectNo, u32)>());
                    *self = PerSubject::Dense(numbers);
                } else if items.len() * 2 > items.capacity() || items.capacity() == 0 {
                    grow_within(items, items.capacity().max(4), budget)?;
                }
            }
        }
        Ok(())
    }

    /// Sorts what came in, each subject once.
    pub fn settle<C: Combine>(&mut self) {
        if let PerSubject::List { items, clean } = self
            && *clean < items.len()
        {
            if !items.is_sorted_by(|a, b| a.0 < b.0) {
                items.sort_unstable_by_key(|(s, _)| *s);
                items.dedup_by(|from, into| {
                    let same = from.0 == into.0;
                    if same {
                        into.1 = C::combine(into.1, from.1);
                    }
                    same
                });
            }
            *clean = items.len();
        }
    }

    /// Combines with the numbers of another.
    pub fn merge<C: Combine>(&mut self, other: &PerSubject, budget: &mut Budget) -> Result<()> {
        if let (PerSubject::List { items, .. }, PerSubject::Dense(theirs)) = (&*self, other) {
            let mut numbers = PerSubject::Dense(zeroed(theirs.len(), budget)?);
            if let PerSubject::Dense(n) = &mut numbers {
                n.copy_from_slice(theirs);
            }
            for (s, n) in items {
                numbers.put::<C>(*s, *n, budget)?;
            }
            budget.give(items.capacity() * size_of::<(SubjectNo, u32)>());
            *self = numbers;
            return Ok(());
        }
        match other {
            PerSubject::List { items, .. } => items.iter().try_for_each(|(s, n)| self.put::<C>(*s, *n, budget)),
            PerSubject::Dense(theirs) => {
                if let PerSubject::Dense(ours) = self {
                    if ours.len() < theirs.len() {
                        let more = theirs.len() - ours.len();
                        if ours.capacity() < theirs.len() {
                            grow_within(ours, more, budget)?;
                        }
                        ours.resize(theirs.len(), 0);
                    }
                    for (a, b) in ours.iter_mut().zip(theirs) {
                        *a = C::combine(*a, *b);
                    }
                }
                Ok(())
            }
        }
    }

    /// Every number that is not 0, by subject.
    pub fn each<C: Combine>(&mut self, mut f: impl FnMut(SubjectNo, u32)) {
        self.settle::<C>();
        match self {
            PerSubject::List { items, .. } => items.iter().for_each(|(s, n)| f(*s, *n)),
            PerSubject::Dense(numbers) => {
                for (s, n) in numbers.iter().enumerate() {
                    if *n != 0 {
                        f(s as SubjectNo, *n);
                    }
                }
            }
        }
    }

    /// Writes the numbers.
    pub fn encode<C: Combine>(&mut self, w: &mut Writer) -> Result<()> {
        self.settle::<C>();
        match self {
            PerSubject::List { items, .. } => {
                w.u32(0)?;
                w.len(items.len())?;
                items.iter().try_for_each(|(s, n)| {
                    w.u32(*s)?;
                    w.u32(*n)
                })
            }
            PerSubject::Dense(numbers) => {
                w.u32(1)?;
                w.u32s(numbers)
            }
        }
    }

    /// Reads numbers, counting their memory.
    pub fn decode(r: &mut Reader, budget: &mut Budget) -> Result<PerSubject> {
        let bad = || Error::corrupt("partial: not numbers of subjects");
        match r.u32()? {
            0 => {
                let n = r.len(8)?;
                let mut items = Vec::new();
                grow_within(&mut items, n, budget)?;
                for _ in 0..n {
                    items.push((r.u32()?, r.u32()?));
                }
                let sorted = items.is_sorted_by(|a, b| a.0 < b.0) && items.first().is_none_or(|(s, _)| *s != 0);
                if !sorted || items.iter().any(|(_, n)| *n == 0) {
                    return Err(bad());
                }
                Ok(PerSubject::List {
                    clean: items.len(),
                    items,
                })
            }
            1 => {
                let numbers = r.u32s()?;
                if numbers.first().is_some_and(|n| *n != 0) {
                    return Err(bad());
                }
                budget.take(numbers.capacity() * size_of::<u32>())?;
                Ok(PerSubject::Dense(numbers))
            }
            _ => Err(bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partial::Tag;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn build<C: Combine>(puts: &[(u32, u32)]) -> PerSubject {
        let mut p = PerSubject::default();
        let mut budget = Budget::new(usize::MAX);
        puts.iter().for_each(|(s, n)| p.put::<C>(*s, *n, &mut budget).unwrap());
        p
    }

    fn numbers<C: Combine>(p: &mut PerSubject) -> Vec<(u32, u32)> {
        let mut v = Vec::new();
        p.each::<C>(|s, n| v.push((s, n)));
        v
    }

    fn check<C: Combine>(a: &[(u32, u32)], b: &[(u32, u32)]) {
        let map = |puts: &[(u32, u32)]| {
            let mut m: BTreeMap<u32, u32> = BTreeMap::new();
            for (s, n) in puts {
                let x = m.entry(*s).or_default();
                *x = C::combine(*x, *n);
            }
            m.into_iter().collect::<Vec<_>>()
        };
        let (mut x, mut y) = (build::<C>(a), build::<C>(b));
        assert_eq!(numbers::<C>(&mut x), map(a));
        for (one, other) in [(&x, &y), (&y, &x)] {
            let mut both = one.clone();
            both.merge::<C>(other, &mut Budget::new(usize::MAX)).unwrap();
            assert_eq!(numbers::<C>(&mut both), map(&[a, b].concat()));
        }
        let mut w = Writer::new(Tag::Insights, 0).unwrap();
        y.encode::<C>(&mut w).unwrap();
        let bytes = w.finish().unwrap();
        let mut r = Reader::new(Tag::Insights, &bytes).unwrap();
        let mut back = PerSubject::decode(&mut r, &mut Budget::new(usize::MAX)).unwrap();
        assert_eq!(numbers::<C>(&mut back), map(b));
        r.finish().unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn rows_count_one_each(
            chunks in prop::collection::vec(prop::collection::vec((0u32..400, 1usize..4), 0..120), 0..8),
        ) {
            let (mut numbers, mut budget) = (PerSubject::default(), Budget::new(usize::MAX));
            let mut naive: BTreeMap<u32, u32> = BTreeMap::new();
            for chunk in &chunks {
                let rows: Vec<u32> = chunk.iter().flat_map(|(no, n)| std::iter::repeat_n(*no, *n)).collect();
                numbers.add_rows(&rows, &mut budget).unwrap();
                rows.iter().filter(|no| **no != 0).for_each(|no| *naive.entry(*no).or_default() += 1);
            }
            let mut found = BTreeMap::new();
            numbers.each::<Add>(|no, n| {
                found.insert(no, n);
            });
            prop_assert_eq!(found, naive);
        }

        #[test]
        fn behaves_like_a_map(
            a in prop::collection::vec((prop_oneof![6 => 1u32..200, 1 => 1u32..100_000], 1u32..9), 0..500),
            b in prop::collection::vec((1u32..600, 1u32..9), 0..700),
        ) {
            check::<Add>(&a, &b);
            check::<Or>(&b, &a);
        }
    }

    #[test]
    fn memory_is_counted() {
        let mut budget = Budget::new(1 << 20);
        let mut p = PerSubject::default();
        (1..100_000).for_each(|s| p.put::<Add>(s, 1, &mut budget).unwrap());
        assert!(matches!(p, PerSubject::Dense(_)));
        assert!(budget.used() < 700_000, "{}", budget.used());
        let mut p = PerSubject::default();
        let mut small = Budget::new(100_000);
        let grown = (1..200_000u32).try_for_each(|s| p.put::<Add>(s.wrapping_mul(20_011).max(1), 1, &mut small));
        assert!(matches!(grown, Err(Error::Limit { hint: Some(_), .. })));
    }
}
