//! Which user an id stands for: the table of identity merges that reports count through.
//!
//! An id is linked to another one at most once, and the other may be linked in turn. Whoever is at the end of the links is
//! who is counted.

use crate::chunk::SubjectNo;
use crate::error::{Result, try_vec};
use crate::gather::Budget;
use crate::subjects::SubjectSet;

/// Links one after the other that are followed. A cluster has 500 ids at most, and a device before them; only links that
/// run in a circle, which nobody writes, are longer.
pub const MOST_HOPS: usize = 1000;

/// The user every number stands for, up to the largest that is linked: numbers beyond stand for themselves. `links` are
/// (number, the number it is linked to).
pub fn table(links: &[(SubjectNo, SubjectNo)]) -> Result<Vec<SubjectNo>> {
    table_over(&[0], links, |_| false)
}

/// The table of `links` and of those that `table` is made of. `is_end` says of a number whether another one stands for it
/// in `table`.
pub fn table_over(
    table: &[SubjectNo],
    links: &[(SubjectNo, SubjectNo)],
    is_end: impl Fn(SubjectNo) -> bool,
) -> Result<Vec<SubjectNo>> {
    let last = links.iter().map(|(no, _)| *no as usize).max().unwrap_or(0);
    let len = table.len().max(last + 1);
    let mut all: Vec<SubjectNo> = try_vec(len, "merged identities")?;
    all.extend_from_slice(table);
    all.extend(table.len() as SubjectNo..len as SubjectNo);
    for (no, to) in links {
        if let Some(slot) = all.get_mut(*no as usize) {
            *slot = *to;
        }
    }
    // Whoever stood for a user that is now somebody else.
    let moved = links.iter().any(|(no, _)| is_end(*no));
    let before = if moved { table.len() as SubjectNo } else { 0 };
    for no in (0..before).chain(links.iter().map(|(no, _)| *no)) {
        let mut end = no;
        for _ in 0..MOST_HOPS {
            match all.get(end as usize) {
                Some(next) if *next != end => end = *next,
                _ => break,
            }
        }
        if let Some(slot) = all.get_mut(no as usize) {
            *slot = end;
        }
    }
    Ok(all)
}

/// The users that a stored set of ids stands for, in order; `None` when nobody of them is linked, so that the set says it
/// as it is. `portable` is in the portable format of roaring bitmaps.
pub fn merged(portable: &[u8], table: &[SubjectNo], budget: &mut Budget) -> Result<Option<Vec<SubjectNo>>> {
    let mut set = SubjectSet::default();
    set.union_portable(portable, budget)?;
    let of = |no: SubjectNo| table.get(no as usize).copied().unwrap_or(no);
    let mut linked = false;
    set.each(|no| linked |= of(no) != no);
    if !linked {
        return Ok(None);
    }
    let (mut users, mut added) = (SubjectSet::default(), Ok(()));
    set.each(|no| {
        if added.is_ok() {
            added = users.add(of(no), budget);
        }
    });
    added?;
    Ok(Some(users.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;
    use crate::tick::NoTick;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// Links as they come to be: each number once, and never in a circle. The end of each by hand.
    fn links() -> impl Strategy<Value = (Vec<(u32, u32)>, BTreeMap<u32, u32>)> {
        prop::collection::vec((1u32..40, 1u32..60), 0..60).prop_map(|drawn| {
            let mut to: BTreeMap<u32, u32> = BTreeMap::new();
            let end = |to: &BTreeMap<u32, u32>, mut no: u32| {
                while let Some(next) = to.get(&no) {
                    no = *next;
                }
                no
            };
            for (no, other) in drawn {
                if !to.contains_key(&no) && end(&to, other) != no {
                    to.insert(no, other);
                }
            }
            let ends = (0..100).map(|no| (no, end(&to, no))).collect();
            (to.into_iter().collect(), ends)
        })
    }

    proptest! {
        #[test]
        fn everybody_stands_for_the_end_of_the_links((links, ends) in links()) {
            let table = table(&links).unwrap();
            for (no, end) in ends {
                prop_assert_eq!(table.get(no as usize).copied().unwrap_or(no), end);
            }
        }

        #[test]
        fn more_links_make_the_table_of_all((links, ends) in links(), cut in any::<prop::sample::Index>()) {
            let (sealed, open) = links.split_at(cut.index(links.len() + 1));
            let sealed = table(sealed).unwrap();
            let is_end = |no: u32| sealed.iter().zip(0..).any(|(to, from)| *to == no && from != no);
            let all = table_over(&sealed, open, is_end).unwrap();
            for (no, end) in ends {
                prop_assert_eq!(all.get(no as usize).copied().unwrap_or(no), end);
            }
        }

        #[test]
        fn a_set_of_ids_is_a_set_of_users((links, ends) in links(), ids in prop::collection::btree_set(1u32..100, 0..40)) {
            let table = table(&links).unwrap();
            let sorted: Vec<u32> = ids.iter().copied().collect();
            let stored = codec::encode_subjects(&sorted, &mut NoTick).unwrap();
            let (portable, _) = codec::open_subjects(&stored).unwrap();
            let want: BTreeSet<u32> = ids.iter().map(|no| ends[no]).collect();
            match merged(portable, &table, &mut Budget::new(1 << 20)).unwrap() {
                Some(users) => prop_assert_eq!(users, want.into_iter().collect::<Vec<_>>()),
                None => prop_assert_eq!(want, ids),
            }
        }
    }

    #[test]
    fn links_in_a_circle_end() {
        assert_eq!(table(&[(1, 2), (2, 1)]).unwrap().len(), 3);
        assert!(table(&[]).unwrap() == [0]);
    }
}
