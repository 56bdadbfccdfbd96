//! Lookup tables: attributes of the values of a property, joined when a report asks for them.
//!
//! A column of a table is a [`Lookup`]: what each value of the property stands for. Joined to the property of a chunk it
//! is one more column, under a number of its own ([`Lookups`]), which filters, breakdowns and measures read like any other.

pub mod csv;
mod merged;
mod table;
#[cfg(test)]
mod tests;

pub use csv::MAX_COLUMNS;
pub use table::{MAX_BYTES, MAX_ROWS, Table};

use crate::chunk::{Chunk, Column, Kind, ProfileColumn, PropertyColumn};
use crate::error::{Error, Result, try_vec};
use crate::history::History;
use crate::intern::push;
use crate::tick::{EVERY, Tick};
use crate::value::Value;
use hashbrown::HashMap;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Numbers of joined columns begin here; those of the project's lexicon lie below.
pub const JOINED: u32 = 1 << 31;

const MEMORY: &str = "a lookup table";

/// One column of a lookup table, by the join key.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    /// Each once; code k = `values[k - 1]`.
    values: Vec<Value>,
    /// Keys that have a value.
    codes: HashMap<Box<str>, u32>,
    /// The same for keys that are written as numbers are, by the bits of the number.
    numbers: FxHashMap<u64, u32>,
}

impl Lookup {
    /// From the keys and the values of a column as they are stored: two JSON arrays of one length, null where nothing is
    /// set.
    pub fn read(keys: &str, column: &str, tick: &mut dyn Tick) -> Result<Lookup> {
        let damaged = |e: serde_json::Error| Error::corrupt(format!("lookup table: {e}"));
        let keys: Vec<Box<str>> = serde_json::from_str(keys).map_err(damaged)?;
        tick.tick()?;
        let column: Vec<Value> = serde_json::from_str(column).map_err(damaged)?;
        if keys.len() != column.len() {
            return Err(Error::corrupt("lookup table: columns of different length"));
        }
        Lookup::new(keys.into_iter().zip(column), tick)
    }

    /// From pairs of key and value; null is not set.
    pub fn new(pairs: impl Iterator<Item = (Box<str>, Value)>, tick: &mut dyn Tick) -> Result<Lookup> {
        let oom = |_| Error::OutOfMemory(MEMORY);
        let mut values = crate::intern::Interner::default();
        let mut out = Lookup::default();
        out.codes
            .try_reserve(pairs.size_hint().0)
            .map_err(|_| Error::OutOfMemory(MEMORY))?;
        for (i, (key, value)) in pairs.enumerate() {
            if i % EVERY == 0 {
                tick.tick()?;
            }
            if value == Value::Null {
                continue;
            }
            let code = values.code(&value)?;
            if let Some(bits) = bits_of(&key) {
                out.numbers.try_reserve(1).map_err(oom)?;
                out.numbers.insert(bits, code);
            }
            out.codes.try_reserve(1).map_err(|_| Error::OutOfMemory(MEMORY))?;
            out.codes.insert(key, code);
        }
        out.values = values.into_values();
        Ok(out)
    }

    /// Bytes it takes in memory, about.
    pub fn memory(&self) -> usize {
        let values: usize = self.values.iter().map(Value::memory).sum();
        let keys: usize = self.codes.keys().map(|k| k.len() + 48).sum();
        values.saturating_add(keys).saturating_add(self.numbers.capacity() * 16)
    }

    /// What a value of the property stands for; lists stand for nothing here. Texts are compared as they are, numbers and
    /// booleans as they are written.
    pub fn of(&self, value: &Value) -> Option<&Value> {
        self.value(self.code(value))
    }

    fn value(&self, code: u32) -> Option<&Value> {
        (code as usize).checked_sub(1).and_then(|i| self.values.get(i))
    }

    fn code(&self, value: &Value) -> u32 {
        let known = match value {
            Value::Str(s) => self.codes.get(s),
            Value::Bool(true) => self.codes.get("true"),
            Value::Bool(false) => self.codes.get("false"),
            Value::Int(_) | Value::Float(_) => self.codes.get(value.to_text().as_str()),
            Value::Null | Value::List(_) | Value::Object(_) => None,
        };
        known.copied().unwrap_or(0)
    }

    /// What the elements of a list stand for, in their order, null where an element is not in the table; elements of
    /// what one stands for are elements. `None` when none is in the table.
    fn of_list(&self, list: &[Value]) -> Result<Option<Value>> {
        let mut out = try_vec(list.len(), MEMORY)?;
        for element in list {
            match self.of(element) {
                None => push(&mut out, Value::Null)?,
                Some(Value::List(l)) => l.iter().try_for_each(|v| push(&mut out, v.clone()))?,
                Some(v) => push(&mut out, v.clone())?,
            }
        }
        let set = out.iter().any(|v| *v != Value::Null);
        Ok(set.then_some(Value::List(out)))
    }

    /// The column joined to a column of the property.
    pub fn join(&self, column: &Column, tick: &mut dyn Tick) -> Result<Column> {
        let mut joined = Joining::new(self);
        let codes = match column {
            Column::Dict { values, codes } => joined.translate(values, codes, tick)?,
            Column::Number(numbers) => {
                let mut codes = try_vec(numbers.len(), MEMORY)?;
                for block in numbers.chunks(EVERY) {
                    tick.tick()?;
                    for n in block {
                        // Both zeros are one number.
                        let code = self.numbers.get(&(n + 0.0).to_bits()).copied().unwrap_or(0);
                        codes.push(joined.of_code(code)?);
                    }
                }
                codes
            }
        };
        Ok(Column::Dict {
            values: joined.values,
            codes,
        })
    }

    /// The column joined to a property of profiles.
    pub fn join_profile(&self, column: &ProfileColumn, tick: &mut dyn Tick) -> Result<ProfileColumn> {
        let mut joined = Joining::new(self);
        let codes = joined.translate(&column.values, &column.codes, tick)?;
        Ok(ProfileColumn {
            values: joined.values,
            codes,
        })
    }
}

/// The bits of the number that a key writes the way numbers are written.
fn bits_of(key: &str) -> Option<u64> {
    if !key.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        return None;
    }
    let n: f64 = key.parse().ok()?;
    (Value::number(n).to_text() == key).then(|| (n + 0.0).to_bits())
}

/// A joined column in the making: only the values that it has, each once.
struct Joining<'l> {
    lookup: &'l Lookup,
    values: Vec<Value>,
    of_code: FxHashMap<u32, u32>,
    /// Lists may come from the table or be made of several of its values.
    of_list: HashMap<Value, u32>,
}

impl<'l> Joining<'l> {
    fn new(lookup: &'l Lookup) -> Self {
        Joining {
            lookup,
            values: Vec::new(),
            of_code: FxHashMap::default(),
            of_list: HashMap::new(),
        }
    }

    fn translate(&mut self, values: &[Value], codes: &[u32], tick: &mut dyn Tick) -> Result<Vec<u32>> {
        let mut known = try_vec(values.len() + 1, MEMORY)?;
        known.push(0);
        for block in values.chunks(EVERY) {
            tick.tick()?;
            for v in block {
                known.push(match v {
                    Value::List(l) => match self.lookup.of_list(l)? {
                        None => 0,
                        Some(list) => self.of_list(list)?,
                    },
                    v => self.of_code(self.lookup.code(v))?,
                });
            }
        }
        let mut out = try_vec(codes.len(), MEMORY)?;
        out.extend(codes.iter().map(|c| known.get(*c as usize).copied().unwrap_or(0)));
        Ok(out)
    }

    fn of_code(&mut self, code: u32) -> Result<u32> {
        if let Some(c) = self.of_code.get(&code) {
            return Ok(*c);
        }
        let own = match self.lookup.value(code) {
            None => 0,
            Some(list @ Value::List(_)) => self.of_list(list.clone())?,
            Some(v) => self.add(v.clone())?,
        };
        self.of_code.try_reserve(1).map_err(|_| Error::OutOfMemory(MEMORY))?;
        self.of_code.insert(code, own);
        Ok(own)
    }

    fn of_list(&mut self, list: Value) -> Result<u32> {
        if let Some(c) = self.of_list.get(&list) {
            return Ok(*c);
        }
        let own = self.add(list.clone())?;
        self.of_list.try_reserve(1).map_err(|_| Error::OutOfMemory(MEMORY))?;
        self.of_list.insert(list, own);
        Ok(own)
    }

    fn add(&mut self, value: Value) -> Result<u32> {
        push(&mut self.values, value)?;
        u32::try_from(self.values.len()).map_err(|_| Error::corrupt("lookup table: too many values"))
    }
}

/// What a joined column comes from.
#[derive(Debug, Clone)]
enum Joined {
    /// What the values of a property stand for.
    Lookup(u32, Arc<Lookup>),
    /// What the groups of the event had when it happened.
    History(Arc<History>),
    /// Properties that are one: the first that the event carries.
    Merged(Vec<u32>),
}

/// The columns that one call joins to events.
#[derive(Debug, Clone, Default)]
pub struct Lookups(Vec<Joined>);

impl Lookups {
    /// The number of a column joined to the property `of`.
    pub fn add(&mut self, of: u32, lookup: Arc<Lookup>) -> Result<u32> {
        self.number(Joined::Lookup(of, lookup))
    }

    /// The number of a column joined to the groups and the time of events.
    pub fn add_history(&mut self, history: Arc<History>) -> Result<u32> {
        self.number(Joined::History(history))
    }

    /// The number of the column of properties that are one, in the order in which they count.
    pub fn add_merged(&mut self, properties: Vec<u32>) -> Result<u32> {
        self.number(Joined::Merged(properties))
    }

    fn number(&mut self, joined: Joined) -> Result<u32> {
        let no = u32::try_from(self.0.len()).map_err(|_| Error::corrupt("too many joined columns"))?;
        push(&mut self.0, joined)?;
        Ok(JOINED | no)
    }

    fn joined(&self, property: u32) -> Option<&Joined> {
        self.0.get(property.checked_sub(JOINED)? as usize)
    }

    /// The property that a number of a joined column belongs to, and what is joined to it.
    pub fn get(&self, property: u32) -> Option<(u32, Arc<Lookup>)> {
        match self.joined(property)? {
            Joined::Lookup(of, lookup) => Some((*of, lookup.clone())),
            Joined::History(_) | Joined::Merged(_) => None,
        }
    }

    /// The properties that the store must deliver for these, in order.
    pub fn stored(&self, properties: &[u32]) -> Vec<u32> {
        let mut all = BTreeSet::new();
        for p in properties {
            match self.joined(*p) {
                None => drop(all.insert(*p)),
                Some(Joined::Lookup(of, _)) => all.extend(self.stored(&[*of])),
                Some(Joined::History(_)) => {}
                Some(Joined::Merged(of)) => all.extend(of),
            }
        }
        all.into_iter().collect()
    }

    /// The group keys whose groups, and the times of events, are needed for these.
    pub fn kinds(&self, properties: &[u32]) -> BTreeSet<Kind> {
        let kind = |p: &u32| match self.joined(*p) {
            Some(Joined::History(history)) => Some(history.kind),
            _ => None,
        };
        properties.iter().filter_map(kind).collect()
    }

    /// Joins those columns to a chunk that are among `properties`.
    pub fn join(&self, chunk: &mut Chunk, properties: &[u32], tick: &mut dyn Tick) -> Result<()> {
        for p in properties {
            if let Some(joined) = self.joined(*p)
                && let Some(column) = self.column(joined, chunk, tick)?
            {
                push(&mut chunk.properties, PropertyColumn { property: *p, column })?;
                chunk.properties.sort_unstable_by_key(|p| p.property);
            }
        }
        Ok(())
    }

    /// A joined column of a chunk; `None` when no event has anything there.
    fn column(&self, joined: &Joined, chunk: &Chunk, tick: &mut dyn Tick) -> Result<Option<Column>> {
        match joined {
            Joined::History(history) => history.column(chunk, tick).map(Some),
            Joined::Merged(of) => {
                let mut columns = try_vec(of.len(), MEMORY)?;
                columns.extend(of.iter().filter_map(|p| chunk.property(*p)));
                merged::first_of(&columns, tick)
            }
            Joined::Lookup(of, lookup) => match (chunk.property(*of), self.joined(*of)) {
                (Some(column), _) => lookup.join(column, tick).map(Some),
                (None, Some(merged @ Joined::Merged(_))) => match self.column(merged, chunk, tick)? {
                    Some(column) => lookup.join(&column, tick).map(Some),
                    None => Ok(None),
                },
                _ => Ok(None),
            },
        }
    }
}
