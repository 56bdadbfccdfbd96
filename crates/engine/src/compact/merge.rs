//! The rows of one event out of many chunks, in one chunk with common, sorted dictionaries.

use super::gather::entries;
use crate::chunk::{Chunk, Column, Events, GroupColumn, Inserts, Kind, PropertyColumn, SubjectNo};
use crate::error::{Error, Result, try_vec};
use crate::intern::{Interner, push};
use crate::tick::{EVERY, Tick};
use crate::value::Value;
use std::collections::BTreeSet;

/// Rows of one event in one chunk, ascending.
pub(super) struct Part<'a> {
    pub chunk: &'a Chunk,
    pub rows: Vec<u32>,
}

/// Old codes to new ones; cleared in constant time.
#[derive(Default)]
pub(super) struct Remap {
    /// Epoch in the upper half, new code in the lower.
    slots: Vec<u64>,
    epoch: u32,
}

impl Remap {
    /// Forgets everything and makes room for codes below `n`.
    pub fn begin(&mut self, n: usize) -> Result<()> {
        if self.epoch == u32::MAX {
            self.slots.clear();
            self.epoch = 0;
        }
        self.epoch += 1;
        crate::intern::pad_to(&mut self.slots, n)
    }

    /// The new code of an old one, if it was set.
    pub fn get(&self, old: u32) -> Option<u32> {
        let slot = self.slots.get(old as usize)?;
        ((slot >> 32) as u32 == self.epoch).then_some(*slot as u32)
    }

    /// Sets a new code.
    pub fn set(&mut self, old: u32, new: u32) {
        if let Some(slot) = self.slots.get_mut(old as usize) {
            *slot = u64::from(self.epoch) << 32 | u64::from(new);
        }
    }
}

fn rows_of(parts: &[Part<'_>]) -> usize {
    parts.iter().map(|p| p.rows.len()).sum()
}

/// One column of all parts.
fn join<T: Copy + Default>(parts: &[Part<'_>], of: impl Fn(&Chunk) -> Option<&[T]>) -> Result<Vec<T>> {
    let mut out = try_vec(rows_of(parts), "merged column")?;
    for p in parts {
        let column = of(p.chunk).unwrap_or_default();
        out.extend(
            p.rows
                .iter()
                .map(|r| column.get(*r as usize).copied().unwrap_or_default()),
        );
    }
    Ok(out)
}

/// Puts the parts one after the other. Columns in which no row has anything are left out; numbers are in canonical form.
pub(super) fn merge(event: u32, parts: &[Part<'_>], remap: &mut Remap, tick: &mut dyn Tick) -> Result<Chunk> {
    let mut inserts = Inserts {
        hash: join(parts, |c| c.inserts.as_ref().map(|i| i.hash.as_slice()))?,
        priority: join(parts, |c| c.inserts.as_ref().map(|i| i.priority.as_slice()))?,
    };
    for (priority, hash) in inserts.priority.iter_mut().zip(&inserts.hash) {
        if *hash == 0 {
            *priority = 0;
        }
    }
    let mut chunk = Chunk {
        events: Events::One(event),
        user: join(parts, |c| Some(&c.user))?,
        time: join(parts, |c| Some(&c.time))?,
        inserts: inserts.hash.iter().any(|h| *h != 0).then_some(inserts),
        ..Chunk::default()
    };
    let chunks = || parts.iter().map(|p| p.chunk);
    let kinds: BTreeSet<Kind> = chunks().flat_map(|c| c.groups.iter().map(|g| g.kind)).collect();
    for kind in kinds {
        tick.tick()?;
        let g = groups(kind, parts)?;
        if !g.more.is_empty() || g.first.iter().any(|s| *s != 0) {
            push(&mut chunk.groups, g)?;
        }
    }
    let properties: BTreeSet<u32> = chunks().flat_map(|c| c.properties.iter().map(|p| p.property)).collect();
    for property in properties {
        tick.tick()?;
        let columns: Vec<Option<&Column>> = chunks().map(|c| c.property(property)).collect();
        let column = match numbers(parts, &columns)? {
            Some(numbers) => Column::Number(numbers),
            None => dictionary(parts, &columns, remap, tick)?,
        };
        let set = match &column {
            Column::Dict { values, .. } => !values.is_empty(),
            Column::Number(v) => v.iter().any(|f| !f.is_nan()),
        };
        if set {
            push(&mut chunk.properties, PropertyColumn { property, column })?;
        }
    }
    Ok(chunk)
}

fn groups(kind: Kind, parts: &[Part<'_>]) -> Result<GroupColumn> {
    let mut more: Vec<(u32, SubjectNo)> = Vec::new();
    let mut base = 0u32;
    for p in parts {
        if let Some(g) = p.chunk.group(kind).filter(|g| !g.more.is_empty()) {
            for (new, old) in (base..).zip(&p.rows) {
                for (_, group) in entries(g, *old as usize) {
                    push(&mut more, (new, *group))?;
                }
            }
        }
        base = base.saturating_add(p.rows.len() as u32);
    }
    Ok(GroupColumn {
        kind,
        first: join(parts, |c| c.group(kind).map(|g| g.first.as_slice()))?,
        more,
    })
}

/// The joined column when every part stores numbers.
fn numbers(parts: &[Part<'_>], columns: &[Option<&Column>]) -> Result<Option<Vec<f64>>> {
    let all_numbers = columns.iter().flatten().all(|c| match c {
        // Infinity reads as null, which a column of numbers does not have.
        Column::Number(v) => !v.iter().any(|f| f.is_infinite()),
        Column::Dict { .. } => false,
    });
    if !all_numbers {
        return Ok(None);
    }
    let mut out = try_vec(rows_of(parts), "merged column")?;
    for (p, column) in parts.iter().zip(columns) {
        let v: &[f64] = match column {
            Some(Column::Number(v)) => v,
            _ => &[],
        };
        // Adding 0.0 makes -0.0 positive and leaves all else as it is.
        let number = |r: &u32| {
            v.get(*r as usize)
                .copied()
                .filter(|f| !f.is_nan())
                .map_or(f64::NAN, |f| f + 0.0)
        };
        out.extend(p.rows.iter().map(number));
    }
    Ok(Some(out))
}

fn dictionary(
    parts: &[Part<'_>],
    columns: &[Option<&Column>],
    remap: &mut Remap,
    tick: &mut dyn Tick,
) -> Result<Column> {
    let mut interner = Interner::default();
    let mut codes: Vec<u32> = try_vec(rows_of(parts), "merged column")?;
    for (p, column) in parts.iter().zip(columns) {
        for rows in p.rows.chunks(EVERY) {
            tick.tick()?;
            match column {
                None => codes.resize(codes.len() + rows.len(), 0),
                Some(Column::Number(v)) => {
                    for r in rows {
                        let set = v.get(*r as usize).filter(|f| !f.is_nan());
                        codes.push(set.map_or(Ok(0), |f| interner.code(&Value::number(*f)))?);
                    }
                }
                Some(Column::Dict { .. }) => {}
            }
        }
        if let Some(Column::Dict { values, codes: old }) = column {
            remap.begin(values.len() + 1)?;
            for rows in p.rows.chunks(EVERY) {
                tick.tick()?;
                for r in rows {
                    let code = old.get(*r as usize).copied().unwrap_or(0);
                    let new = match (remap.get(code), code) {
                        (Some(new), _) => new,
                        (None, 0) => 0,
                        (None, _) => {
                            let v = values.get(code as usize - 1).unwrap_or(&Value::Null);
                            let new = interner.code(v)?;
                            remap.set(code, new);
                            new
                        }
                    };
                    codes.push(new);
                }
            }
        }
    }
    sorted(interner.into_values(), codes)
}

/// Puts a dictionary in the order of its values.
fn sorted(values: Vec<Value>, mut codes: Vec<u32>) -> Result<Column> {
    let mut order: Vec<(Value, u32)> = try_vec(values.len(), "dictionary")?;
    order.extend(values.into_iter().zip(1..));
    order.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let mut rank: Vec<u32> = try_vec(order.len() + 1, "dictionary")?;
    rank.resize(order.len() + 1, 0);
    for (new, (_, old)) in (1..).zip(&order) {
        if let Some(slot) = rank.get_mut(*old as usize) {
            *slot = new;
        }
    }
    for c in &mut codes {
        *c = rank.get(*c as usize).copied().unwrap_or(0);
    }
    let mut values = Vec::new();
    values
        .try_reserve_exact(order.len())
        .map_err(|_| Error::OutOfMemory("dictionary"))?;
    values.extend(order.into_iter().map(|(v, _)| v));
    Ok(Column::Dict { values, codes })
}
