//! Two groups of a key that turn out to be one: what becomes of the events of the one that is given up.

use crate::chunk::{Chunk, GroupColumn, Kind, SubjectNo};
use crate::erase::of_group;
use crate::error::{Result, try_vec};
use crate::intern::push;
use crate::mask::Mask;
use crate::tick::{EVERY, Tick};
use std::collections::HashSet;

/// The events that are attributed to a group, alone or among others.
pub fn of(chunk: &Chunk, kind: Kind, group: SubjectNo) -> Mask {
    let (alone, among) = of_group(chunk, kind, group);
    Mask::from_fn(chunk.len(), |row| alone.get(row) || among.get(row))
}

/// Attributes the events of `from` to `into` instead, in the same place of their lists; an event of both is of `into` once.
/// What the events carry stays as it was sent. O(rows).
pub fn merge(chunk: &mut Chunk, kind: Kind, from: SubjectNo, into: SubjectNo, tick: &mut dyn Tick) -> Result<()> {
    let Some(column) = chunk.groups.iter_mut().find(|g| g.kind == kind) else {
        return Ok(());
    };
    let mut new = GroupColumn {
        kind,
        first: try_vec(column.first.len(), "groups of events")?,
        more: Vec::new(),
    };
    new.first
        .extend(column.first.iter().map(|g| if *g == from { into } else { *g }));
    for (i, (row, group)) in column.more.iter().enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        push(&mut new.more, (*row, if *group == from { into } else { *group }))?;
    }
    once(&new.first, &mut new.more);
    *column = new;
    Ok(())
}

/// Puts further groups of rows in order, and leaves each group of a row there once.
pub fn once(first: &[SubjectNo], more: &mut Vec<(u32, SubjectNo)>) {
    more.sort_unstable();
    more.dedup();
    more.retain(|(row, group)| first.get(*row as usize) != Some(group));
}

/// The groups of one list in the same order, each once.
pub fn distinct(mut groups: Vec<SubjectNo>) -> Vec<SubjectNo> {
    let mut seen = HashSet::new();
    groups.retain(|group| seen.insert(*group));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Events;
    use crate::tick::NoTick;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn events_of_one_group_become_those_of_the_other(
            lists in proptest::collection::vec(proptest::collection::vec(1u32..6, 0..4), 1..40),
            from in 1u32..6,
            into in 1u32..6,
        ) {
            let lists: Vec<Vec<u32>> = lists.into_iter().map(distinct).collect();
            let mut more: Vec<(u32, u32)> = Vec::new();
            for (row, list) in (0u32..).zip(&lists) {
                more.extend(list.iter().skip(1).map(|g| (row, *g)));
            }
            more.sort_unstable();
            let mut chunk = Chunk {
                events: Events::One(1),
                user: vec![1; lists.len()],
                time: vec![0; lists.len()],
                groups: vec![GroupColumn { kind: 2, first: lists.iter().map(|l| l.first().copied().unwrap_or(0)).collect(), more }],
                ..Chunk::default()
            };
            let changed: Vec<usize> = of(&chunk, 2, from).ones().collect();
            let holders: Vec<usize> = (0..lists.len()).filter(|row| lists[*row].contains(&from)).collect();
            prop_assert_eq!(changed, holders);
            merge(&mut chunk, 2, from, into, &mut NoTick).unwrap();
            chunk.check().unwrap();
            for (row, list) in lists.iter().enumerate() {
                let renamed: Vec<u32> = list.iter().map(|g| if *g == from { into } else { *g }).collect();
                let mut expected = renamed.clone();
                let mut now: Vec<u32> = chunk.group(2).map(|g| g.of_row(row).collect()).unwrap_or_default();
                prop_assert_eq!(now.first(), renamed.first());
                expected.sort_unstable();
                expected.dedup();
                now.sort_unstable();
                prop_assert_eq!(now, expected);
            }
        }
    }
}
