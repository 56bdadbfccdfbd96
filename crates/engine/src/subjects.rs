//! Sets of subjects built by reports: a sorted list while small, one bit per subject once dense.
//!
//! Roaring bitmaps are the format of stored sets; while counting, adding a single subject has to cost a nanosecond or
//! two, which these do.

use crate::bitmap::View;
use crate::chunk::SubjectNo;
use crate::error::{Error, Result};
use crate::gather::{Budget, grow_within, zeroed};
use crate::partial::{Reader, Writer};

/// A set of subjects. 0 is never a member.
#[derive(Debug, Clone)]
pub enum SubjectSet {
    /// The first `clean` are sorted and distinct; what follows is in the order it came in.
    List { items: Vec<SubjectNo>, clean: usize },
    /// Bit `s % 64` of word `s / 64`.
    Bits(Vec<u64>),
}

impl Default for SubjectSet {
    fn default() -> Self {
        SubjectSet::List {
            items: Vec::new(),
            clean: 0,
        }
    }
}

impl SubjectSet {
    /// Adds a subject.
    #[inline]
    pub fn add(&mut self, no: SubjectNo, budget: &mut Budget) -> Result<()> {
        match self {
            SubjectSet::Bits(words) => {
                if let Some(w) = words.get_mut(no as usize / 64) {
                    *w |= 1 << (no % 64);
                    return Ok(());
                }
            }
            SubjectSet::List { items, .. } => {
                if items.last() == Some(&no) {
                    return Ok(());
                }
                if items.len() < items.capacity() {
                    items.push(no);
                    return Ok(());
                }
            }
        }
        self.make_room(no, budget)?;
        self.add(no, budget)
    }

    /// Adds the subjects of a run of rows; 0, nobody, is passed over.
    pub fn extend_run(&mut self, run: &[SubjectNo], budget: &mut Budget) -> Result<()> {
        let mut last = 0;
        for (i, &no) in run.iter().enumerate() {
            if let SubjectSet::Bits(words) = self {
                let rest = run.get(i..).unwrap_or(&[]);
                return Self::set_run(words, rest, budget);
            }
            // The events of a subject come in runs.
            if no != last && no != 0 {
                self.add(no, budget)?;
            }
            last = no;
        }
        Ok(())
    }

    fn set_run(words: &mut Vec<u64>, run: &[SubjectNo], budget: &mut Budget) -> Result<()> {
        let top = run.iter().copied().max().unwrap_or(0) as usize / 64;
        if top >= words.len() {
            let more = (top + 1 - words.len()).max(words.len() / 4);
            if words.capacity() < words.len() + more {
                grow_within(words, more, budget)?;
            }
            words.resize(words.len() + more, 0);
        }
        set_bits(words, run);
        if let Some(w) = words.first_mut() {
            *w &= !1;
        }
        Ok(())
    }

    /// True when there are no members.
    pub fn is_empty(&self) -> bool {
        match self {
            SubjectSet::List { items, .. } => items.is_empty(),
            SubjectSet::Bits(words) => words.iter().all(|w| *w == 0),
        }
    }

    /// Is a subject a member? Quickest in a set that was settled.
    pub fn contains(&self, no: SubjectNo) -> bool {
        match self {
            SubjectSet::List { items, clean } => {
                let (sorted, rest) = items.split_at_checked(*clean).unwrap_or((&[], items));
                sorted.binary_search(&no).is_ok() || rest.contains(&no)
            }
            SubjectSet::Bits(words) => words.get(no as usize / 64).is_some_and(|w| w >> (no % 64) & 1 == 1),
        }
    }

    /// Every member, in no particular order; some more than once, unless the set was settled.
    pub fn each(&self, mut f: impl FnMut(SubjectNo)) {
        match self {
            SubjectSet::List { items, .. } => items.iter().for_each(|s| f(*s)),
            SubjectSet::Bits(words) => ones(words).for_each(f),
        }
    }

    /// No member is larger.
    pub fn top(&self) -> SubjectNo {
        match self {
            SubjectSet::List { items, .. } => items.iter().copied().max().unwrap_or(0),
            SubjectSet::Bits(words) => (words.len() as u32).saturating_mul(64).saturating_sub(1),
        }
    }

    /// Members and repetitions of them: how many times [`SubjectSet::each`] calls.
    pub fn entries(&self) -> usize {
        match self {
            SubjectSet::List { items, .. } => items.len(),
            SubjectSet::Bits(words) => words.iter().map(|w| w.count_ones() as usize).sum(),
        }
    }

    /// After this, adding `no` once does not come back here.
    #[cold]
    fn make_room(&mut self, no: SubjectNo, budget: &mut Budget) -> Result<()> {
        match self {
            SubjectSet::Bits(words) => {
                let need = no as usize / 64 + 1;
                let more = need.saturating_sub(words.len()).max(words.len() / 4);
                if words.capacity() < words.len() + more {
                    grow_within(words, more, budget)?;
                }
                words.resize(words.len() + more, 0);
            }
            SubjectSet::List { .. } => {
                self.settle();
                let SubjectSet::List { items, .. } = self else {
                    return Ok(());
                };
                let top = items.last().copied().unwrap_or(0).max(no) as usize;
                // From here on bits take no more than twice the room of the list, and need no sorting.
                if items.len() >= 64 && items.len() * 64 >= top {
                    let mut words: Vec<u64> = zeroed(top / 64 + 1, budget)?;
                    set_bits(&mut words, items);
                    budget.give(items.capacity() * size_of::<SubjectNo>());
                    *self = SubjectSet::Bits(words);
                } else if items.len() * 2 > items.capacity() || items.capacity() == 0 {
                    grow_within(items, items.capacity().max(4), budget)?;
                }
            }
        }
        Ok(())
    }

    /// Sorts what came in.
    pub fn settle(&mut self) {
        if let SubjectSet::List { items, clean } = self
            && *clean < items.len()
        {
            merge_runs(items);
            items.dedup();
            *clean = items.len();
        }
    }

    /// Number of members.
    pub fn count(&mut self) -> u64 {
        self.settle();
        match self {
            SubjectSet::List { items, .. } => items.len() as u64,
            SubjectSet::Bits(words) => words.iter().map(|w| u64::from(w.count_ones())).sum(),
        }
    }

    /// Adds all members of another set.
    pub fn union(&mut self, other: &SubjectSet, budget: &mut Budget) -> Result<()> {
        match other {
            SubjectSet::List { items, .. } => items.iter().try_for_each(|s| self.add(*s, budget)),
            SubjectSet::Bits(theirs) => {
                if let SubjectSet::List { items, .. } = self {
                    let top = items.iter().copied().max().unwrap_or(0) as usize;
                    // A list that reaches far past the other's bits stays one.
                    if top / 64 > theirs.len().saturating_mul(8).saturating_add(1024) {
                        return ones(theirs).try_for_each(|s| self.add(s, budget));
                    }
                    let mut words: Vec<u64> = zeroed((top / 64 + 1).max(theirs.len()), budget)?;
                    set_bits(&mut words, items);
                    budget.give(items.capacity() * size_of::<SubjectNo>());
                    *self = SubjectSet::Bits(words);
                }
                if let SubjectSet::Bits(ours) = self {
                    if ours.len() < theirs.len() {
                        let more = theirs.len() - ours.len();
                        if ours.capacity() < theirs.len() {
                            grow_within(ours, more, budget)?;
                        }
                        ours.resize(theirs.len(), 0);
                    }
                    for (a, b) in ours.iter_mut().zip(theirs) {
                        *a |= b;
                    }
                }
                Ok(())
            }
        }
    }

    /// Adds all members of a stored set, given in the portable format of roaring bitmaps, without building that set: a
    /// pass over its bytes. The memory of the result is counted.
    pub fn union_portable(&mut self, bytes: &[u8], budget: &mut Budget) -> Result<()> {
        let view = View::new(bytes)?;
        if view.contains(0)? {
            return Err(Error::corrupt("a stored set with subject 0"));
        }
        let words = view.words();
        if let SubjectSet::List { items, .. } = self {
            let members = view.cardinality().saturating_add(items.len() as u64);
            // Few members far apart stay a list: bits would take 16 times its room and more.
            if members.saturating_mul(8) < words as u64 {
                return view.try_for_each(|s| self.add(s, budget));
            }
            let top = items.iter().copied().max().unwrap_or(0) as usize;
            let mut bits: Vec<u64> = zeroed((top / 64 + 1).max(words), budget)?;
            set_bits(&mut bits, items);
            budget.give(items.capacity() * size_of::<SubjectNo>());
            *self = SubjectSet::Bits(bits);
        }
        let SubjectSet::Bits(ours) = self else { return Ok(()) };
        if ours.len() < words {
            let more = words - ours.len();
            if ours.capacity() < words {
                grow_within(ours, more, budget)?;
            }
            ours.resize(words, 0);
        }
        view.or_into(ours)
    }

    /// The members in order.
    pub fn to_vec(&mut self) -> Vec<SubjectNo> {
        self.settle();
        match self {
            SubjectSet::List { items, .. } => items.clone(),
            SubjectSet::Bits(words) => ones(words).collect(),
        }
    }

    /// Writes the set.
    pub fn encode(&mut self, w: &mut Writer) -> Result<()> {
        self.settle();
        match self {
            SubjectSet::List { items, .. } => {
                w.u32(0)?;
                w.u32s(items)
            }
            SubjectSet::Bits(words) => {
                w.u32(1)?;
                w.u64s(words)
            }
        }
    }

    /// Reads a set, counting its memory.
    pub fn decode(r: &mut Reader, budget: &mut Budget) -> Result<SubjectSet> {
        let bad = || Error::corrupt("partial: not a set of subjects");
        match r.u32()? {
            0 => {
                let items = r.u32s()?;
                if !items.is_sorted_by(|a, b| a < b) || items.first() == Some(&0) {
                    return Err(bad());
                }
                budget.take(items.capacity() * size_of::<SubjectNo>())?;
                let clean = items.len();
                Ok(SubjectSet::List { items, clean })
            }
            1 => {
                let words = r.u64s()?;
                if words.first().is_some_and(|w| w & 1 == 1) || words.len() > (u32::MAX as usize) / 64 + 1 {
                    return Err(bad());
                }
                budget.take(words.capacity() * size_of::<u64>())?;
                Ok(SubjectSet::Bits(words))
            }
            _ => Err(bad()),
        }
    }
}

/// Sorts. The rows of a segment come by subject, so what came in is mostly a few ascending runs, which merge faster
/// than they sort.
fn merge_runs(items: &mut Vec<SubjectNo>) {
    const FEW: usize = 8;
    let ends = |v: &[SubjectNo]| v.windows(2).filter(|w| matches!(w, [a, b] if a > b)).take(FEW).count();
    match ends(items) {
        0 => return,
        FEW => return items.sort_unstable(),
        _ => {}
    }
    let mut merged: Vec<SubjectNo> = Vec::new();
    if merged.try_reserve_exact(items.len()).is_err() {
        return items.sort_unstable();
    }
    while !items.is_sorted() {
        merged.clear();
        let mut runs = items.chunk_by(|a, b| a <= b);
        while let Some(a) = runs.next() {
            merge(a, runs.next().unwrap_or(&[]), &mut merged);
        }
        items.clear();
        items.extend_from_slice(&merged);
    }
}

/// Appends two ascending runs as one.
fn merge(mut a: &[SubjectNo], mut b: &[SubjectNo], into: &mut Vec<SubjectNo>) {
    while let ([x, a_rest @ ..], [y, b_rest @ ..]) = (a, b) {
        // Without branches on the data, which nobody could predict.
        let from_a = x <= y;
        into.push(if from_a { *x } else { *y });
        a = if from_a { a_rest } else { a };
        b = if from_a { b } else { b_rest };
    }
    into.extend_from_slice(a);
    into.extend_from_slice(b);
}

fn set_bits(words: &mut [u64], items: &[SubjectNo]) {
    for s in items {
        if let Some(w) = words.get_mut(*s as usize / 64) {
            *w |= 1 << (s % 64);
        }
    }
}

fn ones(words: &[u64]) -> impl Iterator<Item = SubjectNo> + '_ {
    words.iter().enumerate().flat_map(|(i, &w)| {
        let mut w = w;
        std::iter::from_fn(move || {
            if w == 0 {
                return None;
            }
            let bit = w.trailing_zeros();
            w &= w - 1;
            Some(i as u32 * 64 + bit)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitmap::Bitmap;
    use crate::partial::Tag;
    use crate::tick::NoTick;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn item() -> impl Strategy<Value = u32> {
        prop_oneof![6 => 1u32..300, 2 => 1u32..100_000, 1 => 1u32..20_000_000]
    }

    /// A few ascending runs, far apart enough to stay a list.
    fn runs() -> impl Strategy<Value = Vec<u32>> {
        let run = prop::collection::vec((1u32..60).prop_map(|s| s * 50_000), 0..40);
        prop::collection::vec(run, 0..10).prop_map(|mut runs| {
            runs.iter_mut().for_each(|r| r.sort_unstable());
            runs.concat()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn behaves_like_a_set(
            a in prop_oneof![prop::collection::vec(item(), 0..400), runs()], b in prop::collection::vec(1u32..2000, 0..2000),
        ) {
            let mut budget = Budget::new(usize::MAX);
            let mut build = |v: &[u32]| {
                let mut set = SubjectSet::default();
                v.iter().for_each(|s| set.add(*s, &mut budget).unwrap());
                set
            };
            let (mut x, mut y) = (build(&a), build(&b));
            let oracle = |v: &[u32]| v.iter().copied().collect::<BTreeSet<u32>>();
            prop_assert_eq!(x.is_empty(), a.is_empty());
            prop_assert!((0..400).all(|s| x.contains(s) == a.contains(&s)));
            prop_assert_eq!(x.count(), oracle(&a).len() as u64);
            prop_assert!((0..400).all(|s| x.contains(s) == a.contains(&s)));
            let mut runs = SubjectSet::default();
            for run in a.chunks(37) {
                runs.extend_run(&[&[0], run, &[0]].concat(), &mut Budget::new(usize::MAX)).unwrap();
            }
            let mut each = BTreeSet::new();
            runs.each(|s| {
                each.insert(s);
            });
            prop_assert_eq!(&each, &oracle(&a));
            prop_assert!(each.iter().all(|s| *s <= runs.top()));
            prop_assert_eq!(x.to_vec(), oracle(&a).into_iter().collect::<Vec<_>>());
            let both: Vec<u32> = oracle(&a).union(&oracle(&b)).copied().collect();
            let mut xy = x.clone();
            xy.union(&y, &mut Budget::new(usize::MAX)).unwrap();
            prop_assert_eq!(xy.to_vec(), both.clone());
            let mut yx = y.clone();
            yx.union(&x, &mut Budget::new(usize::MAX)).unwrap();
            prop_assert_eq!(yx.to_vec(), both.clone());
            let stored = |v: &[u32]| Bitmap::from_ids(v.iter().copied(), &mut NoTick).unwrap().into_portable().unwrap();
            let mut stored_too = x.clone();
            stored_too.union_portable(&stored(&b), &mut Budget::new(usize::MAX)).unwrap();
            prop_assert_eq!(stored_too.to_vec(), both.clone());
            let mut stored_too = y.clone();
            stored_too.union_portable(&stored(&a), &mut Budget::new(usize::MAX)).unwrap();
            prop_assert_eq!(stored_too.to_vec(), both);
            let mut w = Writer::new(Tag::Insights, 0).unwrap();
            y.encode(&mut w).unwrap();
            let bytes = w.finish().unwrap();
            let mut r = Reader::new(Tag::Insights, &bytes).unwrap();
            prop_assert_eq!(SubjectSet::decode(&mut r, &mut Budget::new(usize::MAX)).unwrap().to_vec(), y.to_vec());
            r.finish().unwrap();
        }
    }

    #[test]
    fn dense_sets_are_bits_and_their_memory_is_counted() {
        let mut budget = Budget::new(1 << 20);
        let mut set = SubjectSet::default();
        for s in (1..100_000).rev() {
            set.add(s, &mut budget).unwrap();
        }
        assert!(matches!(set, SubjectSet::Bits(_)));
        assert!(budget.used() < 40_000, "{}", budget.used());
        let mut small = Budget::new(100_000);
        let mut set = SubjectSet::default();
        let grown = (1..200_000u32).try_for_each(|s| set.add(s.wrapping_mul(20_011).max(1), &mut small));
        assert!(matches!(grown, Err(Error::Limit { hint: Some(_), .. })));
    }
}
