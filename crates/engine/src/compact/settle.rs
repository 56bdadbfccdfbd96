//! The columns of one segment, in the one form that its rows allow.

use super::gather::{pick, pick_groups};
use super::merge::Remap;
use crate::chunk::{Chunk, Column, Inserts, PropertyColumn};
use crate::codec::{dict_as_numbers, too_many_distinct};
use crate::error::{Error, Result, try_vec};
use crate::intern::push;
use crate::value::Value;
use hashbrown::HashMap;

/// Picks rows of a merged event. Empty columns are left out, dictionaries hold the used values in order, and a column of
/// mostly different numbers becomes numbers, one of few different ones a dictionary.
pub(super) fn segment(merged: &Chunk, rows: &[usize], remap: &mut Remap) -> Result<Chunk> {
    let mut chunk = Chunk {
        events: merged.events.clone(),
        user: pick(&merged.user, rows)?,
        time: pick(&merged.time, rows)?,
        ..Chunk::default()
    };
    if let Some(i) = &merged.inserts {
        let hash = pick(&i.hash, rows)?;
        if hash.iter().any(|h| *h != 0) {
            let priority = pick(&i.priority, rows)?;
            chunk.inserts = Some(Inserts { hash, priority });
        }
    }
    for g in &merged.groups {
        let g = pick_groups(g, rows)?;
        if !g.more.is_empty() || g.first.iter().any(|s| *s != 0) {
            push(&mut chunk.groups, g)?;
        }
    }
    for p in &merged.properties {
        let column = match &p.column {
            Column::Dict { values, codes } => dictionary(values, pick(codes, rows)?, remap)?,
            Column::Number(v) => numbers(pick(v, rows)?)?,
        };
        if let Some(column) = column {
            let property = p.property;
            push(&mut chunk.properties, PropertyColumn { property, column })?;
        }
    }
    Ok(chunk)
}

fn dictionary(all: &[Value], mut codes: Vec<u32>, remap: &mut Remap) -> Result<Option<Column>> {
    remap.begin(all.len() + 1)?;
    let mut used: Vec<u32> = Vec::new();
    for c in codes.iter().filter(|c| **c != 0) {
        if remap.get(*c).is_none() {
            remap.set(*c, 0);
            push(&mut used, *c)?;
        }
    }
    if used.is_empty() {
        return Ok(None);
    }
    used.sort_unstable();
    let mut values = try_vec(used.len(), "dictionary")?;
    for (new, old) in (1..).zip(&used) {
        remap.set(*old, new);
        values.push(all.get(*old as usize - 1).cloned().unwrap_or(Value::Null));
    }
    for c in &mut codes {
        *c = remap.get(*c).unwrap_or(0);
    }
    Ok(Some(match dict_as_numbers(&values, &codes)? {
        Some(numbers) => Column::Number(numbers),
        None => Column::Dict { values, codes },
    }))
}

fn numbers(v: Vec<f64>) -> Result<Option<Column>> {
    let set = v.iter().filter(|f| !f.is_nan()).count();
    if set == 0 {
        return Ok(None);
    }
    let mut distinct: HashMap<u64, u32> = HashMap::new();
    for f in v.iter().filter(|f| !f.is_nan()) {
        distinct.try_reserve(1).map_err(|_| Error::OutOfMemory("dictionary"))?;
        distinct.insert(f.to_bits(), 0);
        if too_many_distinct(distinct.len(), set) {
            return Ok(Some(Column::Number(v)));
        }
    }
    let mut order: Vec<f64> = try_vec(distinct.len(), "dictionary")?;
    order.extend(distinct.keys().map(|b| f64::from_bits(*b)));
    order.sort_unstable_by(f64::total_cmp);
    for (code, f) in (1..).zip(&order) {
        distinct.insert(f.to_bits(), code);
    }
    let mut codes = try_vec(v.len(), "dictionary")?;
    codes.extend(v.iter().map(|f| distinct.get(&f.to_bits()).copied().unwrap_or(0)));
    let mut values = try_vec(order.len(), "dictionary")?;
    values.extend(order.iter().map(|f| Value::number(*f)));
    Ok(Some(Column::Dict { values, codes }))
}
