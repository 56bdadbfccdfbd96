//! Which events of a chunk go when a user or a group is erased, and what becomes of those that stay.

use crate::chunk::{Chunk, Column, GroupColumn, Kind, SubjectNo};
use crate::error::{Error, Result, try_vec};
use crate::intern::push;
use crate::mask::Mask;
use crate::tick::{EVERY, Tick};
use crate::value::Value;
use std::collections::HashMap;

/// The rows that a mask does not have, ascending.
pub fn others(mask: &Mask) -> Result<Vec<u32>> {
    let mut rows = try_vec(mask.len().saturating_sub(mask.count()), "rows that stay")?;
    rows.extend((0..mask.len() as u32).filter(|r| !mask.get(*r as usize)));
    Ok(rows)
}

/// The events of users, who are given ascending.
pub fn of_users(chunk: &Chunk, users: &[SubjectNo]) -> Mask {
    let is = |row: usize| chunk.user.get(row).is_some_and(|u| users.binary_search(u).is_ok());
    Mask::from_fn(chunk.len(), is)
}

/// The events with one of these hashes of insert ids, which are given ascending.
pub fn of_inserts(chunk: &Chunk, hashes: &[u64]) -> Mask {
    let Some(inserts) = &chunk.inserts else {
        return Mask::none(chunk.len());
    };
    let is = |row: usize| inserts.hash.get(row).is_some_and(|h| hashes.binary_search(h).is_ok());
    Mask::from_fn(chunk.len(), is)
}

/// The events that are attributed to a group and to no other of its key, and those that are attributed to others as well.
pub fn of_group(chunk: &Chunk, kind: Kind, group: SubjectNo) -> (Mask, Mask) {
    let Some(column) = chunk.group(kind) else {
        return (Mask::none(chunk.len()), Mask::none(chunk.len()));
    };
    let mut others = Mask::none(chunk.len());
    for (row, _) in &column.more {
        others.set(*row as usize, true);
    }
    let among = |row: usize| others.get(row) && column.of_row(row).any(|g| g == group);
    let alone = |row: usize| !others.get(row) && column.first.get(row) == Some(&group);
    (Mask::from_fn(chunk.len(), alone), Mask::from_fn(chunk.len(), among))
}

/// Takes a group off the events of `rows`, and its id out of the lists that the property of the key has on them; `names`
/// tells the id. Everything else stays as it was sent.
pub fn leave(
    chunk: &mut Chunk,
    (kind, group): (Kind, SubjectNo),
    rows: &Mask,
    property: Option<u32>,
    names: &dyn Fn(&Value) -> bool,
    tick: &mut dyn Tick,
) -> Result<()> {
    if let Some(column) = chunk.groups.iter_mut().find(|g| g.kind == kind) {
        let old = std::mem::take(column);
        *column = without(&old, group, rows, tick)?;
    }
    chunk.groups.retain(|g| g.first.iter().any(|s| *s != 0));
    let column = chunk.properties.iter_mut().find(|p| Some(p.property) == property);
    if let Some(Column::Dict { values, codes }) = column.map(|p| &mut p.column) {
        shorten(values, codes, rows, names, tick)?;
    }
    Ok(())
}

fn without(old: &GroupColumn, group: SubjectNo, rows: &Mask, tick: &mut dyn Tick) -> Result<GroupColumn> {
    let mut new = GroupColumn {
        kind: old.kind,
        first: try_vec(old.first.len(), "groups of events")?,
        more: Vec::new(),
    };
    for row in 0..old.first.len() {
        if row % EVERY == 0 {
            tick.tick()?;
        }
        let mut left = old.of_row(row).filter(|g| *g != group || !rows.get(row));
        new.first.push(left.next().unwrap_or(0));
        for g in left {
            push(&mut new.more, (row as u32, g))?;
        }
    }
    Ok(new)
}

/// Takes ids out of lists. The values stay distinct; some may be of no row any more.
fn shorten(
    values: &mut Vec<Value>,
    codes: &mut [u32],
    rows: &Mask,
    names: &dyn Fn(&Value) -> bool,
    tick: &mut dyn Tick,
) -> Result<()> {
    let out_of_memory = |_| Error::OutOfMemory("values of a property");
    let mut known: HashMap<Value, u32> = HashMap::new();
    known.try_reserve(values.len()).map_err(out_of_memory)?;
    known.extend(values.iter().cloned().zip(1..));
    let mut shorter: HashMap<u32, u32> = HashMap::new();
    for row in rows.ones() {
        if row % EVERY == 0 {
            tick.tick()?;
        }
        let Some(code) = codes.get_mut(row).filter(|c| **c != 0) else {
            continue;
        };
        if let Some(new) = shorter.get(code) {
            *code = *new;
            continue;
        }
        let Some(Value::List(list)) = values.get(*code as usize - 1) else {
            continue;
        };
        let left = Value::List(list.iter().filter(|v| !names(v)).cloned().collect());
        let new = match known.get(&left) {
            Some(new) => *new,
            None => {
                push(values, left.clone())?;
                known.insert(left, values.len() as u32);
                values.len() as u32
            }
        };
        shorter.insert(*code, new);
        *code = new;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::{Events, PropertyColumn};
    use proptest::prelude::*;

    /// An event: its user, and the groups its property lists, which it is attributed to if the key was there already.
    type Event = (u32, Vec<u32>, bool);

    const KIND: Kind = 3;
    const PROPERTY: u32 = 7;

    fn chunk(events: &[Event]) -> Chunk {
        let mut groups = GroupColumn {
            kind: KIND,
            ..GroupColumn::default()
        };
        let (mut values, mut codes) = (Vec::new(), Vec::new());
        for (row, (_, list, attributed)) in events.iter().enumerate() {
            let own = if *attributed { list.as_slice() } else { &[] };
            groups.first.push(own.first().copied().unwrap_or(0));
            let mut more: Vec<(u32, u32)> = own.iter().skip(1).map(|g| (row as u32, *g)).collect();
            more.sort_unstable();
            groups.more.extend(more);
            let value = Value::List(list.iter().map(|g| Value::Int(i64::from(*g))).collect());
            let at = values.iter().position(|v| *v == value).unwrap_or_else(|| {
                values.push(value);
                values.len() - 1
            });
            codes.push(at as u32 + 1);
        }
        Chunk {
            events: Events::One(1),
            user: events.iter().map(|e| e.0).collect(),
            time: (0..events.len() as i64).collect(),
            inserts: None,
            groups: vec![groups],
            properties: vec![PropertyColumn {
                property: PROPERTY,
                column: Column::Dict { values, codes },
            }],
        }
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let list = proptest::collection::btree_set(1u32..6, 0..4).prop_map(|s| s.into_iter().collect::<Vec<_>>());
        let list = list.prop_flat_map(|l| Just(l).prop_shuffle());
        proptest::collection::vec((0u32..5, list, any::<bool>()), 0..40)
    }

    proptest! {
        #[test]
        fn users_lose_exactly_their_events(events in events(), users in proptest::collection::btree_set(1u32..5, 0..3)) {
            let users: Vec<u32> = users.into_iter().collect();
            let stay = others(&of_users(&chunk(&events), &users)).unwrap();
            let naive: Vec<u32> = (0..).zip(&events).filter(|(_, e)| !users.contains(&e.0)).map(|(i, _)| i).collect();
            prop_assert_eq!(stay, naive);
        }

        #[test]
        fn inserts_tell_exactly_their_events(hashes in proptest::collection::vec(0u64..9, 0..40), gone in proptest::collection::btree_set(1u64..9, 0..4)) {
            let mut chunk = chunk(&vec![(1, Vec::new(), false); hashes.len()]);
            let gone: Vec<u64> = gone.into_iter().collect();
            prop_assert!(!of_inserts(&chunk, &gone).any());
            chunk.inserts = Some(crate::chunk::Inserts { priority: vec![1; hashes.len()], hash: hashes.clone() });
            let found: Vec<usize> = of_inserts(&chunk, &gone).ones().collect();
            let naive: Vec<usize> = (0..).zip(&hashes).filter(|(_, h)| gone.contains(h)).map(|(i, _)| i).collect();
            prop_assert_eq!(found, naive);
        }

        #[test]
        fn a_group_leaves_the_events_it_shares(events in events(), group in 1u32..6) {
            let mut chunk = chunk(&events);
            let (alone, among) = of_group(&chunk, KIND, group);
            let names = |v: &Value| *v == Value::Int(i64::from(group));
            leave(&mut chunk, (KIND, group), &among, Some(PROPERTY), &names, &mut crate::tick::NoTick).unwrap();
            chunk.check().unwrap();
            for (row, (_, list, attributed)) in events.iter().enumerate() {
                let own: &[u32] = if *attributed { list } else { &[] };
                prop_assert_eq!(alone.get(row), own == [group]);
                prop_assert_eq!(among.get(row), own.len() > 1 && own.contains(&group));
                let shared = among.get(row);
                let mut left: Vec<u32> = own.iter().copied().filter(|g| !shared || *g != group).collect();
                let mut now: Vec<u32> = chunk.group(KIND).map(|g| g.of_row(row).collect()).unwrap_or_default();
                left.sort_unstable();
                now.sort_unstable();
                prop_assert_eq!(now, left);
                let sent = list.iter().filter(|g| !shared || **g != group).map(|g| Value::Int(i64::from(*g)));
                let value = chunk.property(PROPERTY).and_then(|c| c.get(row)).map(|v| v.into_owned());
                prop_assert_eq!(value, Some(Value::List(sent.collect())));
            }
        }
    }
}
