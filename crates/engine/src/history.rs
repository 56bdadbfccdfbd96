//! Properties of groups whose past is kept: what an event's groups had when it happened.
//!
//! A property is a list of changes of each group. Joined to the groups and the times of a chunk it is one more column of
//! the events, which filters, breakdowns and measures read like any other (see `lookup::Lookups`).

use crate::chunk::{Chunk, Column, Kind, SubjectNo};
use crate::error::{Error, Result, try_vec};
use crate::intern::{Interner, push};
use crate::tick::{EVERY, Tick};
use crate::value::Value;

const MEMORY: &str = "the history of a property";

/// One property of the groups of a key, over time.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub kind: Kind,
    /// Each once; code k = `values[k - 1]`, 0 = not set.
    values: Vec<Value>,
    /// Groups that ever had it, ascending, with where their changes begin.
    groups: Vec<(SubjectNo, u32)>,
    /// Since when a group has which code: ascending for each group.
    changes: Vec<(i64, u32)>,
}

impl History {
    /// From changes in order of group and time: the value that holds since an instant, null = not set.
    ///
    /// # Errors
    /// No memory, changes out of order, or more values than there are codes.
    pub fn new(
        kind: Kind,
        changes: impl Iterator<Item = Result<(SubjectNo, i64, Value)>>,
        tick: &mut dyn Tick,
    ) -> Result<History> {
        let mut values = Interner::default();
        let mut out = History {
            kind,
            ..History::default()
        };
        for (i, change) in changes.enumerate() {
            if i % EVERY == 0 {
                tick.tick()?;
            }
            let (group, since, value) = change?;
            let code = match value {
                Value::Null => 0,
                value => values.code(&value)?,
            };
            match out.groups.last() {
                Some((last, _)) if *last > group => return Err(Error::corrupt("changes of a property out of order")),
                Some((last, _)) if *last == group => {
                    if out.changes.last().is_some_and(|(before, _)| *before >= since) {
                        return Err(Error::corrupt("changes of a property out of order"));
                    }
                }
                _ => {
                    let begin = u32::try_from(out.changes.len()).map_err(|_| Error::OutOfMemory(MEMORY))?;
                    push(&mut out.groups, (group, begin))?;
                }
            }
            push(&mut out.changes, (since, code))?;
        }
        out.values = values.into_values();
        Ok(out)
    }

    /// The code of a group at an instant: that of its last change until then. O(log changes).
    fn code(&self, group: SubjectNo, at: i64) -> u32 {
        let Ok(i) = self.groups.binary_search_by_key(&group, |(no, _)| *no) else {
            return 0;
        };
        let begin = self.groups.get(i).map_or(0, |(_, b)| *b as usize);
        let end = self.groups.get(i + 1).map_or(self.changes.len(), |(_, b)| *b as usize);
        let of_group = self.changes.get(begin..end).unwrap_or_default();
        let until = of_group.partition_point(|(since, _)| *since <= at);
        until
            .checked_sub(1)
            .and_then(|last| of_group.get(last))
            .map_or(0, |(_, code)| *code)
    }

    fn value(&self, code: u32) -> Option<&Value> {
        (code as usize).checked_sub(1).and_then(|i| self.values.get(i))
    }

    /// What a group had at an instant, if it was set.
    pub fn at(&self, group: SubjectNo, at: i64) -> Option<&Value> {
        self.value(self.code(group, at))
    }

    /// The property as a column of events: what the one group of an event had when it happened; of several groups the list
    /// of what was set, where elements of lists are elements.
    pub fn column(&self, chunk: &Chunk, tick: &mut dyn Tick) -> Result<Column> {
        let mut codes = try_vec(chunk.len(), MEMORY)?;
        let Some(groups) = chunk.group(self.kind) else {
            codes.resize(chunk.len(), 0);
            let values = Vec::new();
            return Ok(Column::Dict { values, codes });
        };
        // Only the values that this chunk has, each once; `own` by code of the history.
        let mut values = Interner::default();
        let mut own: Vec<u32> = try_vec(self.values.len() + 1, MEMORY)?;
        own.resize(self.values.len() + 1, 0);
        let mut more = groups.more.iter().peekable();
        for row in 0..chunk.len() {
            if row % EVERY == 0 {
                tick.tick()?;
            }
            let at = chunk.time.get(row).copied().unwrap_or(0);
            let first = groups.first.get(row).copied().unwrap_or(0);
            if more.peek().is_none_or(|(r, _)| *r as usize != row) {
                let code = self.code(first, at);
                let slot = own.get_mut(code as usize).ok_or_else(|| Error::corrupt(MEMORY))?;
                if *slot == 0
                    && let Some(value) = self.value(code)
                {
                    *slot = values.code(value)?;
                }
                codes.push(*slot);
                continue;
            }
            let mut list = Vec::new();
            let further = std::iter::from_fn(|| more.next_if(|(r, _)| *r as usize == row)).map(|(_, group)| *group);
            for group in std::iter::once(first).chain(further) {
                match self.at(group, at) {
                    None => {}
                    Some(Value::List(l)) => l.iter().try_for_each(|v| push(&mut list, v.clone()))?,
                    Some(v) => push(&mut list, v.clone())?,
                }
            }
            codes.push(if list.is_empty() {
                0
            } else {
                values.code(&Value::List(list))?
            });
        }
        let values = values.into_values();
        Ok(Column::Dict { values, codes })
    }

    /// Bytes it takes in memory, about.
    pub fn memory(&self) -> usize {
        let values: usize = self.values.iter().map(Value::memory).sum();
        values
            .saturating_add(self.groups.capacity() * 8)
            .saturating_add(self.changes.capacity() * 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::{Events, GroupColumn};
    use crate::tick::NoTick;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const KIND: Kind = 3;

    fn history(changes: &BTreeMap<(SubjectNo, i64), Value>) -> History {
        let each = changes.iter().map(|((no, since), v)| Ok((*no, *since, v.clone())));
        History::new(KIND, each, &mut NoTick).unwrap()
    }

    /// What is so, said slowly: of all changes of the group until then the last one.
    fn slow(changes: &BTreeMap<(SubjectNo, i64), Value>, group: SubjectNo, at: i64) -> Option<Value> {
        let of_group = changes.iter().filter(|((no, since), _)| *no == group && *since <= at);
        let last = of_group.max_by_key(|((_, since), _)| *since);
        last.map(|(_, v)| v.clone()).filter(|v| *v != Value::Null)
    }

    fn values() -> impl Strategy<Value = Value> {
        let list = |l: Vec<&str>| Value::List(l.into_iter().map(Value::str).collect());
        prop_oneof![
            Just(Value::Null),
            Just(Value::str("free")),
            Just(Value::str("pro")),
            Just(Value::Int(7)),
            Just(list(vec!["a"])),
            Just(list(vec!["free", "pro"])),
        ]
    }

    #[test]
    fn the_value_changes_with_the_instant_itself() {
        let changes = BTreeMap::from([((5, 0), Value::str("free")), ((5, 100), Value::str("pro"))]);
        let h = history(&changes);
        assert_eq!(h.at(5, 99), Some(&Value::str("free")));
        assert_eq!(h.at(5, 100), Some(&Value::str("pro")));
        assert_eq!(h.at(4, 100), None);
        assert_eq!(h.at(5, -1), None);
    }

    #[test]
    fn changes_out_of_order_are_an_error() {
        for rows in [[(5, 10), (5, 10)], [(5, 10), (4, 20)]] {
            let each = rows.into_iter().map(|(no, since)| Ok((no, since, Value::Int(1))));
            assert!(History::new(KIND, each, &mut NoTick).is_err());
        }
    }

    proptest! {
        #[test]
        fn columns_agree_with_the_slow_way(
            changes in prop::collection::btree_map((1u32..6, 0i64..30), values(), 0..25),
            rows in prop::collection::vec((0i64..35, prop::collection::btree_set(1u32..8, 0..4)), 0..40),
        ) {
            let h = history(&changes);
            let mut groups = GroupColumn { kind: KIND, ..GroupColumn::default() };
            for (row, (_, of_row)) in rows.iter().enumerate() {
                groups.first.push(of_row.first().copied().unwrap_or(0));
                groups.more.extend(of_row.iter().skip(1).map(|g| (row as u32, *g)));
            }
            let chunk = Chunk {
                events: Events::One(1),
                user: vec![0; rows.len()],
                time: rows.iter().map(|(at, _)| *at).collect(),
                groups: vec![groups],
                ..Chunk::default()
            };
            let Column::Dict { values, codes } = h.column(&chunk, &mut NoTick).unwrap() else { panic!() };
            let mut once = values.clone();
            once.sort();
            once.dedup();
            prop_assert_eq!(once.len(), values.len());
            for ((at, of_row), code) in rows.iter().zip(codes) {
                let found: Vec<Value> = of_row.iter().filter_map(|g| slow(&changes, *g, *at)).collect();
                let wanted = if of_row.len() < 2 { found.first().cloned() } else {
                    let all: Vec<Value> = found.into_iter().flat_map(|v| match v { Value::List(l) => l, v => vec![v] }).collect();
                    (!all.is_empty()).then_some(Value::List(all))
                };
                prop_assert_eq!((code as usize).checked_sub(1).map(|i| values[i].clone()), wanted);
            }
        }
    }
}
