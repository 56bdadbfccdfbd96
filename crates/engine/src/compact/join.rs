//! Many sources made one, with one dictionary for each property: what is split into events afterwards is compared once.

use super::columns::Scratch;
use super::source::Source;
use crate::chunk::{Chunk, Events, GroupColumn, Inserts, Kind};
use crate::codec::raw::{RawColumn, RawValues};
use crate::codec::values::put_value;
use crate::error::{Error, Result, try_vec};
use crate::intern::{pad_to, push};
use crate::tick::{EVERY, Tick};
use crate::value::Value;
use std::collections::BTreeSet;

impl Source {
    /// The rows of all sources, one after the other.
    pub fn join(mut sources: Vec<Source>, tick: &mut dyn Tick) -> Result<Source> {
        if sources.len() == 1
            && let Some(only) = sources.pop()
        {
            return Ok(only);
        }
        let total: usize = sources.iter().map(Source::len).sum();
        if u32::try_from(total).is_err() {
            return Err(Error::Limit {
                message: "more than 2^32 events in one compaction".into(),
                hint: Some("Compact fewer blocks at a time.".into()),
            });
        }
        let core = core(&sources, total, tick)?;
        let properties: BTreeSet<u32> = sources.iter().flat_map(|s| s.properties.iter().map(|p| p.0)).collect();
        let mut scratch = Scratch::default();
        let mut out = try_vec(properties.len(), "properties")?;
        for property in properties {
            let columns: Vec<(usize, Option<RawColumn>)> = sources
                .iter_mut()
                .map(|s| {
                    let at = s.properties.iter().position(|(p, _)| *p == property);
                    (s.len(), at.map(|i| s.properties.swap_remove(i).1))
                })
                .collect();
            out.push((property, column(columns, total, &mut scratch, tick)?));
        }
        Source::checked(core, out)
    }
}

fn core(sources: &[Source], total: usize, tick: &mut dyn Tick) -> Result<Chunk> {
    let mut events: Vec<u32> = try_vec(total, "joined column")?;
    let mut user: Vec<u32> = try_vec(total, "joined column")?;
    let mut time: Vec<i64> = try_vec(total, "joined column")?;
    let mut inserts = Inserts::default();
    let any = sources.iter().any(|s| s.inserts().is_some());
    for s in sources {
        tick.tick()?;
        match &s.core.events {
            Events::One(e) => events.resize(events.len() + s.len(), *e),
            Events::Each(v) => events.extend_from_slice(v),
        }
        user.extend_from_slice(&s.core.user);
        time.extend_from_slice(&s.core.time);
        if let Some(i) = s.inserts() {
            inserts
                .hash
                .try_reserve(s.len())
                .map_err(|_| Error::OutOfMemory("joined column"))?;
            inserts.hash.extend_from_slice(&i.hash);
            inserts
                .priority
                .try_reserve(s.len())
                .map_err(|_| Error::OutOfMemory("joined column"))?;
            inserts.priority.extend_from_slice(&i.priority);
        } else if any {
            pad_to(&mut inserts.hash, time.len())?;
            pad_to(&mut inserts.priority, time.len())?;
        }
    }
    let kinds: BTreeSet<Kind> = sources
        .iter()
        .flat_map(|s| s.core.groups.iter().map(|g| g.kind))
        .collect();
    let mut groups = try_vec(kinds.len(), "groups")?;
    for kind in kinds {
        let mut g = GroupColumn {
            kind,
            first: try_vec(total, "joined column")?,
            more: Vec::new(),
        };
        for s in sources {
            tick.tick()?;
            let base = g.first.len() as u32;
            match s.core.group(kind) {
                None => g.first.resize(g.first.len() + s.len(), 0),
                Some(own) => {
                    g.first.extend_from_slice(&own.first);
                    for (row, group) in &own.more {
                        push(&mut g.more, (base + row, *group))?;
                    }
                }
            }
        }
        groups.push(g);
    }
    Ok(Chunk {
        events: Events::Each(events),
        user,
        time,
        inserts: any.then_some(inserts),
        groups,
        properties: Vec::new(),
    })
}

/// One property of all sources. Numbers stay numbers while no source has anything else.
fn column(
    columns: Vec<(usize, Option<RawColumn>)>,
    total: usize,
    scratch: &mut Scratch,
    tick: &mut dyn Tick,
) -> Result<RawColumn> {
    let only_numbers = columns.iter().all(|(_, c)| !matches!(c, Some(RawColumn::Dict { .. })));
    if only_numbers {
        let mut out: Vec<f64> = try_vec(total, "joined column")?;
        for (n, c) in columns {
            match c {
                Some(RawColumn::Number(v)) => out.extend_from_slice(&v),
                _ => out.resize(out.len() + n, f64::NAN),
            }
        }
        return Ok(RawColumn::Number(out));
    }
    if mostly_different(&columns) {
        return concatenated(columns, total, tick);
    }
    scratch.begin(0)?;
    let mut out: Vec<u32> = try_vec(total, "joined column")?;
    let mut number = Vec::new();
    for (n, c) in columns {
        tick.tick()?;
        match c {
            None => out.resize(out.len() + n, 0),
            Some(RawColumn::Dict { codes, values, .. }) => {
                let map = mapped(&values, scratch, tick)?;
                out.extend(codes.iter().map(|c| map.get(*c as usize).copied().unwrap_or(0)));
            }
            Some(RawColumn::Number(v)) => {
                for (i, f) in v.iter().enumerate() {
                    if i % EVERY == 0 {
                        tick.tick()?;
                    }
                    if f.is_nan() {
                        out.push(0);
                        continue;
                    }
                    number.clear();
                    put_value(&mut number, &Value::number(*f))?;
                    out.push(scratch.code(&number)?);
                }
            }
        }
    }
    Ok(RawColumn::Dict {
        codes: out,
        values: scratch.take_values(),
        distinct: true,
    })
}

/// Are the dictionaries so long that most rows must differ? Then comparing all values here is work without use: each
/// segment compares its own, in a table that fits a cache.
fn mostly_different(columns: &[(usize, Option<RawColumn>)]) -> bool {
    let (mut set, mut values) = (0, 0);
    for (_, c) in columns {
        match c {
            Some(RawColumn::Dict { codes, values: v, .. }) => {
                set += codes.iter().filter(|c| **c != 0).count();
                values += v.len();
            }
            Some(RawColumn::Number(_)) => return false,
            None => {}
        }
    }
    values > 1024 && values > set / 2
}

/// One dictionary after the other.
fn concatenated(columns: Vec<(usize, Option<RawColumn>)>, total: usize, tick: &mut dyn Tick) -> Result<RawColumn> {
    let mut out: Vec<u32> = try_vec(total, "joined column")?;
    let mut all = RawValues::default();
    for (n, c) in columns {
        tick.tick()?;
        match c {
            Some(RawColumn::Dict { codes, values, .. }) => {
                let base = all.len() as u32;
                out.extend(codes.iter().map(|c| if *c == 0 { 0 } else { base + c }));
                all.append(&values)?;
            }
            _ => out.resize(out.len() + n, 0),
        }
    }
    Ok(RawColumn::Dict {
        codes: out,
        values: all,
        distinct: false,
    })
}

/// The common code of each code of a dictionary.
fn mapped(values: &RawValues, scratch: &mut Scratch, tick: &mut dyn Tick) -> Result<Vec<u32>> {
    let mut map: Vec<u32> = try_vec(values.len() + 1, "dictionary")?;
    map.push(0);
    for code in 1..=values.len() as u32 {
        if (code as usize).is_multiple_of(EVERY) {
            tick.tick()?;
        }
        map.push(scratch.code(values.of_code(code))?);
    }
    Ok(map)
}
