//! Some of the rows of a chunk as a chunk of their own.

use super::{Chunk, Column, Events, GroupColumn, Inserts, Kind, PropertyColumn};
use crate::error::{Result, try_vec};

fn of<T: Copy + Default>(column: &[T], rows: &[u32]) -> Result<Vec<T>> {
    let mut out = try_vec(rows.len(), "rows of events")?;
    out.extend(
        rows.iter()
            .map(|r| column.get(*r as usize).copied().unwrap_or_default()),
    );
    Ok(out)
}

impl GroupColumn {
    fn pick(&self, rows: &[u32]) -> Result<Self> {
        let mut more = Vec::new();
        if !self.more.is_empty() {
            for (new, old) in (0..).zip(rows) {
                let from = self.more.partition_point(|(r, _)| r < old);
                let own = self.more.iter().skip(from).take_while(|(r, _)| r == old);
                for (_, group) in own {
                    crate::intern::push(&mut more, (new, *group))?;
                }
            }
        }
        Ok(GroupColumn {
            kind: self.kind,
            first: of(&self.first, rows)?,
            more,
        })
    }
}

impl Column {
    /// Values that no row has any more are left out of the dictionary.
    fn pick(&self, rows: &[u32]) -> Result<Self> {
        let (values, codes) = match self {
            Column::Number(numbers) => return Ok(Column::Number(of(numbers, rows)?)),
            Column::Dict { values, codes } => (values, codes),
        };
        let mut fresh: Vec<u32> = try_vec(values.len(), "rows of events")?;
        fresh.resize(values.len(), 0);
        let (mut kept, mut picked) = (Vec::new(), try_vec(rows.len(), "rows of events")?);
        for row in rows {
            let old = codes
                .get(*row as usize)
                .map_or(usize::MAX, |c| (*c as usize).wrapping_sub(1));
            let (Some(value), Some(new)) = (values.get(old), fresh.get_mut(old)) else {
                picked.push(0);
                continue;
            };
            if *new == 0 {
                crate::intern::push(&mut kept, value.clone())?;
                *new = kept.len() as u32;
            }
            picked.push(*new);
        }
        Ok(Column::Dict {
            values: kept,
            codes: picked,
        })
    }
}

impl Chunk {
    /// The chunk of these rows, which are ascending, with the columns of these kinds and properties. Columns that no row has
    /// any more stay.
    pub fn pick(&self, rows: &[u32], kinds: &[Kind], properties: &[u32]) -> Result<Chunk> {
        let mut chunk = Chunk {
            events: match &self.events {
                Events::One(e) => Events::One(*e),
                Events::Each(events) => Events::Each(of(events, rows)?),
            },
            user: of(&self.user, rows)?,
            time: of(&self.time, rows)?,
            inserts: match &self.inserts {
                None => None,
                Some(i) => Some(Inserts {
                    hash: of(&i.hash, rows)?,
                    priority: of(&i.priority, rows)?,
                }),
            },
            groups: Vec::new(),
            properties: Vec::new(),
        };
        for g in self.groups.iter().filter(|g| kinds.contains(&g.kind)) {
            crate::intern::push(&mut chunk.groups, g.pick(rows)?)?;
        }
        for p in self.properties.iter().filter(|p| properties.contains(&p.property)) {
            let (property, column) = (p.property, p.column.pick(rows)?);
            crate::intern::push(&mut chunk.properties, PropertyColumn { property, column })?;
        }
        Ok(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;
    use proptest::prelude::*;

    fn chunk(rows: &[(u32, u32, i64, Vec<u32>, u32)]) -> Chunk {
        let more = rows.iter().enumerate().flat_map(|(i, r)| {
            let groups = r.3.iter().skip(1);
            groups.map(move |g| (i as u32, *g)).collect::<Vec<_>>()
        });
        let column = |column| PropertyColumn { property: 7, column };
        Chunk {
            events: Events::Each(rows.iter().map(|r| r.0).collect()),
            user: rows.iter().map(|r| r.1).collect(),
            time: rows.iter().map(|r| r.2).collect(),
            inserts: Some(Inserts {
                hash: rows.iter().map(|r| u64::from(r.4)).collect(),
                priority: rows.iter().map(|r| r.2 * 2).collect(),
            }),
            groups: vec![GroupColumn {
                kind: 1,
                first: rows.iter().map(|r| r.3.first().copied().unwrap_or(0)).collect(),
                more: more.collect(),
            }],
            properties: vec![
                column(Column::Dict {
                    values: (1..4).map(Value::Int).collect(),
                    codes: rows.iter().map(|r| r.4 % 4).collect(),
                }),
                PropertyColumn {
                    property: 8,
                    column: Column::Number(rows.iter().map(|r| f64::from(r.4)).collect()),
                },
            ],
        }
    }

    proptest! {
        #[test]
        fn the_rows_that_are_picked_are_as_they_were(
            rows in prop::collection::vec((0u32..9, 0u32..9, 0i64..9, prop::collection::btree_set(1u32..6, 0..4), 0u32..9, any::<bool>()), 0..40),
        ) {
            let row = |r: &(u32, u32, i64, std::collections::BTreeSet<u32>, u32, bool)| (r.0, r.1, r.2, r.3.iter().copied().collect::<Vec<_>>(), r.4);
            let all: Vec<_> = rows.iter().map(row).collect();
            let kept: Vec<_> = rows.iter().filter(|r| r.5).map(row).collect();
            let places: Vec<u32> = (0..).zip(&rows).filter(|(_, r)| r.5).map(|(i, _)| i).collect();
            let picked = chunk(&all).pick(&places, &[1], &[7, 8]).unwrap();
            picked.check().unwrap();
            let expected = chunk(&kept);
            for row in 0..kept.len() {
                for property in [7, 8] {
                    prop_assert_eq!(picked.property(property).unwrap().get(row), expected.property(property).unwrap().get(row));
                }
            }
            if let Column::Dict { values, codes } = picked.property(7).unwrap() {
                prop_assert!((1..=values.len() as u32).all(|c| codes.contains(&c)), "a value that no row has");
            }
            let without = |c: &Chunk| Chunk { properties: Vec::new(), ..c.clone() };
            prop_assert_eq!(without(&picked), without(&expected));
            let one = chunk(&all).pick(&places, &[], &[8]).unwrap();
            prop_assert!(one.groups.is_empty() && one.property(7).is_none());
            prop_assert_eq!(one.property(8), picked.property(8));
        }
    }
}
