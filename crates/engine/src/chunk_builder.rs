//! Rows to columns: makes a [`Chunk`] of a batch that is ingested, or of the single events a reader finds.

use crate::chunk::{Chunk, Column, Events, GroupColumn, Inserts, Kind, PropertyColumn, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::intern::{Interner, pad_to, push};
use crate::row::EventRow;
use crate::value::Value;
use hashbrown::HashMap;

/// Collects rows.
#[derive(Default)]
pub struct ChunkBuilder {
    events: Vec<u32>,
    user: Vec<SubjectNo>,
    time: Vec<i64>,
    inserts: Inserts,
    groups: Vec<GroupColumn>,
    properties: Vec<Builder>,
    /// Property number to index in `properties`.
    by_number: HashMap<u32, u32>,
}

struct Builder {
    property: u32,
    /// As long as the last row that has the property.
    codes: Vec<u32>,
    values: Interner,
}

impl ChunkBuilder {
    /// An empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// True when no row was pushed.
    pub fn is_empty(&self) -> bool {
        self.time.is_empty()
    }

    /// Adds a row. Of a property that occurs twice the last value stays; lists of one kind are joined, 0 and repeated
    /// groups are passed over. After an error the builder must not be used any further.
    pub fn push(&mut self, row: &EventRow, priority: i64) -> Result<()> {
        let at = u32::try_from(self.len()).map_err(|_| Error::Limit {
            message: "more than 2^32 events in one batch".into(),
            hint: Some("Write smaller batches.".into()),
        })?;
        push(&mut self.events, row.event)?;
        push(&mut self.user, row.user)?;
        push(&mut self.time, row.time)?;
        push(&mut self.inserts.hash, row.insert_hash)?;
        push(&mut self.inserts.priority, priority)?;
        for (kind, list) in &row.groups {
            self.push_groups(at, *kind, list)?;
        }
        for (property, v) in &row.properties {
            self.push_property(at, *property, v)?;
        }
        Ok(())
    }

    fn push_groups(&mut self, at: u32, kind: Kind, list: &[SubjectNo]) -> Result<()> {
        if kind == USER {
            return Err(Error::param("users are not groups"));
        }
        let mut list = list.iter().copied().filter(|g| *g != 0).peekable();
        if list.peek().is_none() {
            return Ok(());
        }
        let index = match self.groups.iter().position(|g| g.kind == kind) {
            Some(i) => i,
            None => {
                let column = GroupColumn {
                    kind,
                    ..GroupColumn::default()
                };
                push(&mut self.groups, column)?;
                self.groups.len() - 1
            }
        };
        let Some(column) = self.groups.get_mut(index) else {
            return Ok(());
        };
        if column.first.len() <= at as usize {
            pad_to(&mut column.first, at as usize)?;
            push(&mut column.first, list.next().unwrap_or(0))?;
        }
        if list.peek().is_none() {
            return Ok(());
        }
        let first = column.first.last().copied().unwrap_or(0);
        // This row's entries are the last ones: in order, then each once.
        let from = column.more.partition_point(|(r, _)| *r < at);
        let mut own: Vec<SubjectNo> = column.more.drain(from..).map(|(_, g)| g).collect();
        own.extend(list.filter(|g| *g != first));
        own.sort_unstable();
        own.dedup();
        for g in own {
            push(&mut column.more, (at, g))?;
        }
        Ok(())
    }

    fn push_property(&mut self, at: u32, property: u32, v: &Value) -> Result<()> {
        let index = match self.by_number.get(&property) {
            Some(i) => *i,
            None => {
                let i = self.properties.len() as u32;
                self.by_number
                    .try_reserve(1)
                    .map_err(|_| Error::OutOfMemory("properties"))?;
                self.by_number.insert(property, i);
                let builder = Builder {
                    property,
                    codes: Vec::new(),
                    values: Interner::default(),
                };
                push(&mut self.properties, builder)?;
                i
            }
        };
        let Some(b) = self.properties.get_mut(index as usize) else {
            return Ok(());
        };
        let code = b.values.code(v)?;
        pad_to(&mut b.codes, at as usize + 1)?;
        if let Some(slot) = b.codes.get_mut(at as usize) {
            *slot = code;
        }
        Ok(())
    }

    /// The columns: dictionaries in order of first appearance, with insert hashes and priorities.
    pub fn finish(self) -> Result<Chunk> {
        let n = self.time.len();
        let mut groups = self.groups;
        for g in &mut groups {
            pad_to(&mut g.first, n)?;
        }
        groups.sort_unstable_by_key(|g| g.kind);
        let mut properties = Vec::new();
        for mut b in self.properties {
            pad_to(&mut b.codes, n)?;
            let column = Column::Dict {
                values: b.values.into_values(),
                codes: b.codes,
            };
            push(
                &mut properties,
                PropertyColumn {
                    property: b.property,
                    column,
                },
            )?;
        }
        properties.sort_unstable_by_key(|p| p.property);
        Ok(Chunk {
            events: Events::Each(self.events),
            user: self.user,
            time: self.time,
            inserts: Some(self.inserts),
            groups,
            properties,
        })
    }
}
