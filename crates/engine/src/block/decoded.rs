//! A block that is asked several questions: what was decoded for one is there for the next, and the rows of an event are
//! found without looking at the others.

use super::{Wanted, add_columns, decode};
use crate::chunk::{Chunk, Column, Kind};
use crate::error::{Error, Result, try_vec};
use crate::time::Span64;
use crate::value::Value;
use hashbrown::HashMap;

/// The columns of a block that somebody asked for, and where the rows of each event are.
#[derive(Debug, Clone)]
pub struct Decoded {
    chunk: Chunk,
    /// Ascending events, each with its ascending rows.
    places: Vec<(u32, Vec<u32>)>,
    span: (i64, i64),
    /// Columns that were asked for, whether the block has them or not; ascending.
    kinds: Vec<Kind>,
    properties: Vec<u32>,
}

/// What is asked of a block.
pub struct Asked<'a> {
    /// Ascending; `None` = any.
    pub events: Option<&'a [u32]>,
    pub kinds: &'a [Kind],
    pub properties: &'a [u32],
    pub span: Span64,
}

fn merged<T: Copy + Ord>(a: &[T], b: &[T]) -> Vec<T> {
    let mut all = [a, b].concat();
    all.sort_unstable();
    all.dedup();
    all
}

impl Decoded {
    /// Decodes what is asked for first.
    pub fn new(asked: &Asked, data: &[u8]) -> Result<Self> {
        let wanted = Wanted {
            kinds: Some(asked.kinds.to_vec()),
            properties: Some(asked.properties.to_vec()),
            inserts: true,
        };
        let chunk = decode(data, &wanted)?;
        let bounds = chunk.time.iter().min().zip(chunk.time.iter().max());
        Ok(Decoded {
            places: places(&chunk)?,
            span: bounds.map_or((0, 0), |(a, b)| (*a, *b)),
            chunk,
            kinds: merged(asked.kinds, &[]),
            properties: merged(asked.properties, &[]),
        })
    }

    /// The same with more columns.
    pub fn extended(mut self, asked: &Asked, data: &[u8]) -> Result<Self> {
        add_columns(data, asked.kinds, asked.properties, &mut self.chunk)?;
        self.kinds = merged(&self.kinds, asked.kinds);
        self.properties = merged(&self.properties, asked.properties);
        Ok(self)
    }

    /// Are all asked columns there?
    pub fn has(&self, asked: &Asked) -> bool {
        let kinds = asked.kinds.iter().all(|k| self.kinds.binary_search(k).is_ok());
        kinds
            && asked
                .properties
                .iter()
                .all(|p| self.properties.binary_search(p).is_ok())
    }

    /// The asked rows with the asked columns and their insert hashes.
    pub fn pick(&self, asked: &Asked) -> Result<Chunk> {
        let whole = self.span.0 >= asked.span.from && self.span.1 < asked.span.to;
        let within = |row: &u32| {
            let time = self.chunk.time.get(*row as usize);
            whole || time.is_some_and(|t| *t >= asked.span.from && *t < asked.span.to)
        };
        let mut rows: Vec<u32> = Vec::new();
        match asked.events {
            None => {
                rows = try_vec(self.chunk.len(), "events that wait")?;
                rows.extend((0..self.chunk.len() as u32).filter(within));
            }
            Some(events) => {
                let wanted = |event: &u32| events.binary_search(event).is_ok();
                for (_, places) in self.places.iter().filter(|(event, _)| wanted(event)) {
                    let reserved = rows.try_reserve(places.len());
                    reserved.map_err(|_| Error::OutOfMemory("events that wait"))?;
                    rows.extend(places.iter().copied().filter(within));
                }
                // Runs that ascend, which this sort merges.
                rows.sort();
            }
        }
        self.chunk.pick(&rows, asked.kinds, asked.properties)
    }

    /// About what it takes in memory.
    pub fn memory(&self) -> usize {
        let columns = self.chunk.properties.iter().map(|p| match &p.column {
            Column::Number(v) => v.len().saturating_mul(8),
            Column::Dict { values, codes } => {
                let values = values.iter().map(Value::memory).sum::<usize>();
                codes.len().saturating_mul(4).saturating_add(values)
            }
        });
        let groups = self.chunk.groups.iter().map(|g| 4 * g.first.len() + 8 * g.more.len());
        let core = self.chunk.len().saturating_mul(36);
        columns
            .chain(groups)
            .fold(core.saturating_add(256), usize::saturating_add)
    }
}

/// The rows of each event.
fn places(chunk: &Chunk) -> Result<Vec<(u32, Vec<u32>)>> {
    let oom = |_| Error::OutOfMemory("events that wait");
    let mut places: Vec<(u32, Vec<u32>)> = Vec::new();
    let mut numbers: HashMap<u32, usize> = HashMap::default();
    for row in 0..chunk.len() {
        let event = chunk.event(row);
        let at = match numbers.get(&event) {
            Some(at) => *at,
            None => {
                numbers
                    .try_reserve(1)
                    .map_err(|_| Error::OutOfMemory("events that wait"))?;
                numbers.insert(event, places.len());
                crate::intern::push(&mut places, (event, Vec::new()))?;
                places.len() - 1
            }
        };
        if let Some((_, rows)) = places.get_mut(at) {
            rows.try_reserve(1).map_err(oom)?;
            rows.push(row as u32);
        }
    }
    places.sort_unstable_by_key(|(event, _)| *event);
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::encode;
    use crate::chunk::{Events, GroupColumn, Inserts, PropertyColumn};
    use proptest::prelude::*;

    type Row = (u32, u32, i64, u32, u32);

    fn block(rows: &[Row]) -> Chunk {
        Chunk {
            events: Events::Each(rows.iter().map(|r| r.0).collect()),
            user: rows.iter().map(|r| r.1).collect(),
            time: rows.iter().map(|r| r.2).collect(),
            inserts: Some(Inserts {
                hash: rows.iter().map(|r| u64::from(r.3)).collect(),
                priority: vec![7; rows.len()],
            }),
            groups: vec![GroupColumn {
                kind: 1,
                first: rows.iter().map(|r| r.3).collect(),
                more: Vec::new(),
            }],
            properties: vec![PropertyColumn {
                property: 3,
                column: Column::Dict {
                    values: (0..4).map(Value::Int).collect(),
                    codes: rows.iter().map(|r| r.4).collect(),
                },
            }],
        }
    }

    type Wish = (Option<Vec<u32>>, bool, bool, i64, i64);

    proptest! {
        /// However many questions come one after the other, each has the rows and columns that looking at every row of the
        /// block gives.
        #[test]
        fn questions_are_answered_as_by_looking_at_every_row(
            rows in prop::collection::vec((1u32..6, 0u32..4, 0i64..9, 0u32..4, 0u32..5), 1..40),
            wishes in prop::collection::vec(
                (prop::option::of(prop::collection::vec(0u32..7, 0..4)), any::<bool>(), any::<bool>(), 0i64..9, 0i64..10), 1..6),
        ) {
            let data = encode(&block(&rows)).unwrap();
            let mut kept: Option<Decoded> = None;
            for (events, group, property, from, to) in wishes {
                let wish: Wish = (events.map(|mut e| { e.sort_unstable(); e.dedup(); e }), group, property, from, to);
                let asked = Asked {
                    events: wish.0.as_deref(),
                    kinds: if group { &[1] } else { &[] },
                    properties: if property { &[3, 9] } else { &[] },
                    span: Span64 { from, to },
                };
                let decoded = match kept.take() {
                    None => Decoded::new(&asked, &data).unwrap(),
                    Some(d) if d.has(&asked) => d,
                    Some(d) => d.extended(&asked, &data).unwrap(),
                };
                prop_assert!(decoded.has(&asked) && decoded.memory() > 0);
                let got = decoded.pick(&asked).unwrap();
                got.check().unwrap();
                let wanted = |r: &&Row| r.2 >= from && r.2 < to && wish.0.as_ref().is_none_or(|e| e.contains(&r.0));
                let want: Vec<Row> = rows.iter().filter(wanted).copied().collect();
                prop_assert_eq!(got.len(), want.len());
                prop_assert_eq!(got.group(1).is_some(), group);
                prop_assert_eq!(got.property(3).is_some(), property);
                for (i, r) in want.iter().enumerate() {
                    prop_assert_eq!((got.event(i), got.user[i], got.time[i]), (r.0, r.1, r.2));
                    let inserts = got.inserts.as_ref().unwrap();
                    prop_assert_eq!((inserts.hash[i], inserts.priority[i]), (u64::from(r.3), 7));
                    if let Some(g) = got.group(1) {
                        prop_assert_eq!(g.first[i], r.3);
                    }
                    if let Some(column) = got.property(3) {
                        let value = column.get(i).map(|v| v.into_owned());
                        prop_assert_eq!(value, r.4.checked_sub(1).map(|v| Value::Int(i64::from(v))));
                    }
                }
                kept = Some(decoded);
            }
        }
    }
}
