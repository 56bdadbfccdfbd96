//! Reordering and selecting rows of a chunk.

use crate::chunk::{Chunk, Column, Events, GroupColumn, Inserts, PropertyColumn};
use crate::error::{Error, Result, try_vec};

/// The rows `rows` of a chunk, in that order; a row may be picked more than once. Dictionaries are kept whole.
pub fn gather(chunk: &Chunk, rows: &[usize]) -> Result<Chunk> {
    if rows.iter().any(|r| *r >= chunk.len()) {
        return Err(Error::param("row out of range"));
    }
    let events = match &chunk.events {
        Events::One(e) => Events::One(*e),
        Events::Each(v) => Events::Each(pick(v, rows)?),
    };
    let inserts = match &chunk.inserts {
        Some(i) => Some(Inserts {
            hash: pick(&i.hash, rows)?,
            priority: pick(&i.priority, rows)?,
        }),
        None => None,
    };
    let mut groups = try_vec(chunk.groups.len(), "gathered rows")?;
    for g in &chunk.groups {
        groups.push(pick_groups(g, rows)?);
    }
    let mut properties = try_vec(chunk.properties.len(), "gathered rows")?;
    for p in &chunk.properties {
        let column = match &p.column {
            Column::Dict { values, codes } => Column::Dict {
                values: values.clone(),
                codes: pick(codes, rows)?,
            },
            Column::Number(v) => Column::Number(pick(v, rows)?),
        };
        properties.push(PropertyColumn {
            property: p.property,
            column,
        });
    }
    Ok(Chunk {
        events,
        user: pick(&chunk.user, rows)?,
        time: pick(&chunk.time, rows)?,
        inserts,
        groups,
        properties,
    })
}

/// Elements of a column; the default where a row does not exist.
pub(super) fn pick<T: Copy + Default>(column: &[T], rows: &[usize]) -> Result<Vec<T>> {
    let mut out = try_vec(rows.len(), "gathered rows")?;
    out.extend(rows.iter().map(|r| column.get(*r).copied().unwrap_or_default()));
    Ok(out)
}

pub(super) fn pick_groups(g: &GroupColumn, rows: &[usize]) -> Result<GroupColumn> {
    let mut more = Vec::new();
    if !g.more.is_empty() {
        for (new, old) in rows.iter().enumerate() {
            for (_, group) in entries(g, *old) {
                crate::intern::push(&mut more, (new as u32, *group))?;
            }
        }
    }
    Ok(GroupColumn {
        kind: g.kind,
        first: pick(&g.first, rows)?,
        more,
    })
}

/// The further groups of a row.
pub(super) fn entries(g: &GroupColumn, row: usize) -> &[(u32, u32)] {
    let from = g.more.partition_point(|(r, _)| (*r as usize) < row);
    let own = g.more.get(from..).unwrap_or_default();
    let n = own.iter().take_while(|(r, _)| *r as usize == row).count();
    own.get(..n).unwrap_or_default()
}
