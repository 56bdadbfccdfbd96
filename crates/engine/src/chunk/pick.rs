//! Some of the rows of a chunk as a chunk of their own.

use super::{Chunk, Column, Events, GroupColumn, Inserts};
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
    /// Values that no row has any more stay in the dictionary.
    fn pick(self, rows: &[u32]) -> Result<Self> {
        Ok(match self {
            Column::Dict { values, codes } => Column::Dict {
                values,
                codes: of(&codes, rows)?,
            },
            Column::Number(numbers) => Column::Number(of(&numbers, rows)?),
        })
    }
}

impl Chunk {
    /// The chunk of these rows, which are ascending. Columns that no row has any more stay.
    pub fn pick(self, rows: &[u32]) -> Result<Chunk> {
        let mut groups = try_vec(self.groups.len(), "groups of events")?;
        for g in &self.groups {
            groups.push(g.pick(rows)?);
        }
        let mut properties = self.properties;
        for p in &mut properties {
            let column = std::mem::replace(&mut p.column, Column::Number(Vec::new()));
            p.column = column.pick(rows)?;
        }
        Ok(Chunk {
            events: match self.events {
                Events::One(e) => Events::One(e),
                Events::Each(events) => Events::Each(of(&events, rows)?),
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
            groups,
            properties,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::PropertyColumn;
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
            let picked = chunk(&all).pick(&places).unwrap();
            picked.check().unwrap();
            prop_assert_eq!(picked, chunk(&kept));
        }
    }
}
