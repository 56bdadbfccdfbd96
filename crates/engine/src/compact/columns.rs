//! The columns of one segment, encoded, in the one form that its rows allow.

use super::order::{Arranged, At};
use super::sort::encode_smallest;
use super::source::{Part, entries};
use crate::chunk::{GroupColumn, Inserts, Kind};
use crate::codec::raw::{RawColumn, RawValues};
use crate::codec::values::{number_of, put_value};
use crate::codec::{
    encode_group, encode_ids, encode_inserts, encode_inserts_beside, encode_numbers, encode_times, exact_number,
    hashes, too_many_distinct,
};
use crate::error::{Error, Result, try_vec};
use crate::intern::push;
use crate::tick::{EVERY, Tick};
use crate::value::Value;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::ops::Range;

/// A segment that is ready to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Sealed {
    pub event: u32,
    pub rows: usize,
    /// First and last day that has a row, in the project's zone, counted from 1970-01-01.
    pub day_min: i32,
    pub day_max: i32,
    /// First and last instant, milliseconds.
    pub ts_min: i64,
    pub ts_max: i64,
    /// Least and greatest user number, 0 = events without a user.
    pub user_min: u32,
    pub user_max: u32,
    /// Encoded columns. `inserts` is there when any row has an insert hash.
    pub users: Vec<u8>,
    pub times: Vec<u8>,
    pub inserts: Option<Vec<u8>>,
    /// Kinds that any row is attributed to, and properties that any row has, ascending.
    pub groups: Vec<(Kind, Vec<u8>)>,
    pub properties: Vec<(u32, Vec<u8>)>,
}

/// Memory that is used again from column to column.
#[derive(Default)]
pub struct Scratch {
    /// New codes of old ones: epoch in the upper half, code in the lower, so that all are forgotten by the next epoch.
    slots: Vec<u64>,
    epoch: u32,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    values: RawValues,
    codes: Vec<u32>,
    /// The property that holds insert ids, and the hashes of the rows at hand by it.
    insert_ids: Option<u32>,
    id_hashes: Vec<u64>,
    /// Properties of group keys: their columns may follow the groups.
    keys: Vec<(u32, Kind)>,
}

impl Scratch {
    /// For events whose insert ids are stored as a property: hashes that follow from it are not stored again.
    pub fn with_insert_ids(property: Option<u32>) -> Self {
        Scratch {
            insert_ids: property,
            ..Scratch::default()
        }
    }

    /// The same for events with group keys, whose properties say what the groups say.
    pub fn with_keys(mut self, keys: Vec<(u32, Kind)>) -> Self {
        self.keys = keys;
        self
    }

    /// The property that holds insert ids.
    pub fn insert_ids(&self) -> Option<u32> {
        self.insert_ids
    }

    pub(super) fn begin(&mut self, slots: usize) -> Result<()> {
        if self.epoch == u32::MAX {
            self.slots.clear();
            self.epoch = 0;
        }
        self.epoch += 1;
        crate::intern::pad_to(&mut self.slots, slots)?;
        self.table.clear();
        self.values.clear();
        self.codes.clear();
        Ok(())
    }

    /// The new code of a value.
    pub(super) fn code(&mut self, value: &[u8]) -> Result<u32> {
        let (hasher, values) = (&self.hasher, &mut self.values);
        let hash = hasher.hash_one(value);
        if let Some(c) = self.table.find(hash, |c| values.of_code(*c) == value) {
            return Ok(*c);
        }
        values.push(value)?;
        let code = u32::try_from(values.len()).map_err(|_| Error::Limit {
            message: "more than 2^32 distinct values in one column".into(),
            hint: None,
        })?;
        let rehash = |c: &u32| hasher.hash_one(values.of_code(*c));
        self.table
            .try_reserve(1, rehash)
            .map_err(|_| Error::OutOfMemory("dictionary"))?;
        self.table.insert_unique(hash, code, rehash);
        Ok(code)
    }
}

impl Scratch {
    /// The values that got codes since the beginning.
    pub(super) fn take_values(&mut self) -> RawValues {
        std::mem::take(&mut self.values)
    }
}

impl Arranged<'_> {
    /// Encodes rows as one segment; the range must not be empty.
    pub(super) fn seal(&self, rows: Range<usize>, scratch: &mut Scratch, tick: &mut dyn Tick) -> Result<Sealed> {
        let empty = || Error::param("a segment without rows");
        let user = self.user.get(rows.clone()).ok_or_else(empty)?;
        let time = self.time.get(rows.clone()).ok_or_else(empty)?;
        let at = self.at.get(rows.clone()).ok_or_else(empty)?;
        let (ts_min, ts_max) = self.time_range(rows.clone()).ok_or_else(empty)?;
        let day = |row: usize| {
            let i = self.days.partition_point(|(_, end)| *end <= row);
            self.days.get(i).map_or(0, |d| d.0)
        };
        let mut sealed = Sealed {
            event: self.event,
            rows: rows.len(),
            day_min: day(rows.start),
            day_max: day(rows.end.saturating_sub(1)),
            ts_min,
            ts_max,
            user_min: user.iter().min().copied().unwrap_or(0),
            user_max: user.iter().max().copied().unwrap_or(0),
            users: encode_ids(user)?,
            times: encode_times(time)?,
            inserts: None,
            groups: Vec::new(),
            properties: Vec::new(),
        };
        scratch.id_hashes.clear();
        let sources = || self.parts.iter().map(|p| p.source);
        let kinds: BTreeSet<Kind> = sources().flat_map(|s| s.core.groups.iter().map(|g| g.kind)).collect();
        let mut groups: Vec<GroupColumn> = Vec::new();
        for kind in kinds {
            tick.tick()?;
            let g = group(&self.parts, kind, at)?;
            if !g.more.is_empty() || g.first.iter().any(|s| *s != 0) {
                push(&mut sealed.groups, (kind, encode_group(&g)?))?;
                if scratch.keys.iter().any(|(_, k)| *k == kind) {
                    push(&mut groups, g)?;
                }
            }
        }
        let properties: BTreeSet<u32> = sources().flat_map(|s| s.properties.iter().map(|p| p.0)).collect();
        for property in properties {
            tick.tick()?;
            let key = scratch.keys.iter().find(|(p, _)| *p == property).map(|(_, kind)| *kind);
            let beside = groups.iter().find(|g| Some(g.kind) == key);
            if let Some(column) = column(&self.parts, property, at, beside, scratch, tick)? {
                push(&mut sealed.properties, (property, column))?;
            }
        }
        if self.has_inserts(rows.clone()) {
            let inserts = Inserts {
                hash: copy(self.hash.get(rows.clone()))?,
                priority: copy(self.priority.get(rows))?,
            };
            sealed.inserts = Some(match scratch.insert_ids {
                Some(property) => encode_inserts_beside(&inserts, property, &scratch.id_hashes)?,
                None => encode_inserts(&inserts)?,
            });
        }
        Ok(sealed)
    }
}

fn copy<T: Copy>(from: Option<&[T]>) -> Result<Vec<T>> {
    let from = from.unwrap_or_default();
    let mut out = try_vec(from.len(), "insert hashes")?;
    out.extend_from_slice(from);
    Ok(out)
}

fn group(parts: &[Part<'_>], kind: Kind, at: &[At]) -> Result<GroupColumn> {
    let columns: Vec<Option<&GroupColumn>> = parts.iter().map(|p| p.source.core.group(kind)).collect();
    let mut first = try_vec(at.len(), "groups")?;
    let of = |i: u32| columns.get(i as usize).copied().flatten();
    first.extend(
        at.iter()
            .map(|(i, r)| of(*i).and_then(|g| g.first.get(*r as usize).copied()).unwrap_or(0)),
    );
    let mut more = Vec::new();
    if columns.iter().flatten().any(|g| !g.more.is_empty()) {
        for (new, (i, r)) in at.iter().enumerate() {
            if let Some(g) = of(*i).filter(|g| !g.more.is_empty()) {
                for (_, group) in entries(g, *r as usize) {
                    push(&mut more, (new as u32, *group))?;
                }
            }
        }
    }
    Ok(GroupColumn { kind, first, more })
}

/// One encoded property column, which may follow from the groups stored `beside`; `None` when no row has the property.
fn column(
    parts: &[Part<'_>],
    property: u32,
    at: &[At],
    beside: Option<&GroupColumn>,
    scratch: &mut Scratch,
    tick: &mut dyn Tick,
) -> Result<Option<Vec<u8>>> {
    let columns: Vec<Option<&RawColumn>> = parts.iter().map(|p| p.source.property(property)).collect();
    let only_numbers = columns.iter().flatten().all(|c| match c {
        // Infinity reads as null, which a column of numbers does not have.
        RawColumn::Number(v) => !v.iter().any(|f| f.is_infinite()),
        RawColumn::Dict { .. } => false,
    });
    if only_numbers && let Some(numbers) = numbers(&columns, at, scratch)? {
        return numbers.map(|v| encode_numbers(&v)).transpose();
    }
    codes(&columns, at, scratch, tick)?;
    let count = scratch.values.len();
    if count == 0 {
        return Ok(None);
    }
    if scratch.insert_ids == Some(property) {
        scratch.id_hashes = hashes(&scratch.codes, &scratch.values)?;
    }
    let set = scratch.codes.iter().filter(|c| **c != 0).count();
    if too_many_distinct(count, set)
        && let Some(numbers) = as_numbers(&scratch.values, &scratch.codes)?
    {
        return encode_numbers(&numbers).map(Some);
    }
    let Scratch { codes, values, .. } = scratch;
    encode_smallest(codes, values, beside).map(Some)
}

/// The column as numbers when every part stores numbers and they are too many for a dictionary; the inner `None` = no row
/// is set.
#[allow(clippy::type_complexity)]
fn numbers(columns: &[Option<&RawColumn>], at: &[At], scratch: &mut Scratch) -> Result<Option<Option<Vec<f64>>>> {
    let mut out: Vec<f64> = try_vec(at.len(), "numbers")?;
    // Adding 0.0 makes -0.0 positive and leaves all else as it is.
    out.extend(at.iter().map(|(i, r)| match columns.get(*i as usize) {
        Some(Some(RawColumn::Number(v))) => v.get(*r as usize).copied().map_or(f64::NAN, |f| f + 0.0),
        _ => f64::NAN,
    }));
    let set = out.iter().filter(|f| !f.is_nan()).count();
    if set == 0 {
        return Ok(Some(None));
    }
    scratch.begin(0)?;
    for f in out.iter().filter(|f| !f.is_nan()) {
        scratch.code(&f.to_bits().to_le_bytes())?;
        if too_many_distinct(scratch.values.len(), set) {
            return Ok(Some(Some(out)));
        }
    }
    Ok(None)
}

/// As [`codes`] where all rows come from one dictionary, whose values are distinct: nothing has to be compared.
fn codes_of_one(old: &[u32], values: &RawValues, at: &[At], scratch: &mut Scratch, tick: &mut dyn Tick) -> Result<()> {
    scratch.begin(values.len() + 1)?;
    let Scratch {
        slots,
        epoch,
        codes,
        values: own,
        ..
    } = scratch;
    codes.try_reserve(at.len()).map_err(|_| Error::OutOfMemory("column"))?;
    let epoch = u64::from(*epoch) << 32;
    // Code 0 stays 0.
    if let Some(s) = slots.first_mut() {
        *s = epoch;
    }
    for rows in at.chunks(EVERY) {
        tick.tick()?;
        for (_, r) in rows {
            let code = old.get(*r as usize).copied().unwrap_or(0);
            let Some(slot) = slots.get_mut(code as usize) else {
                continue;
            };
            if *slot < epoch {
                own.push(values.of_code(code))?;
                *slot = epoch | own.len() as u64;
            }
            codes.push(*slot as u32);
        }
    }
    Ok(())
}

/// Gives the rows codes in the order in which values appear; 0 = not set.
fn codes(columns: &[Option<&RawColumn>], at: &[At], scratch: &mut Scratch, tick: &mut dyn Tick) -> Result<()> {
    if let [
        Some(RawColumn::Dict {
            codes,
            values,
            distinct: true,
        }),
    ] = columns
    {
        return codes_of_one(codes, values, at, scratch, tick);
    }
    let mut bases: Vec<usize> = try_vec(columns.len(), "dictionary")?;
    let mut slots = 0usize;
    for c in columns {
        bases.push(slots);
        slots += match c {
            Some(RawColumn::Dict {
                values, distinct: true, ..
            }) => values.len() + 1,
            _ => 0,
        };
    }
    scratch.begin(slots)?;
    scratch
        .codes
        .try_reserve(at.len())
        .map_err(|_| Error::OutOfMemory("column"))?;
    let epoch = u64::from(scratch.epoch) << 32;
    let mut number = Vec::new();
    for rows in at.chunks(EVERY) {
        tick.tick()?;
        for (i, r) in rows {
            let (i, r) = (*i as usize, *r as usize);
            let code = match columns.get(i) {
                Some(Some(RawColumn::Dict {
                    codes,
                    values,
                    distinct,
                })) => match codes.get(r).copied().unwrap_or(0) {
                    0 => 0,
                    // Where nearly every code comes once there is nothing to remember.
                    old if !distinct => scratch.code(values.of_code(old))?,
                    old => {
                        let slot = bases.get(i).copied().unwrap_or(0) + old as usize;
                        match scratch.slots.get(slot) {
                            Some(s) if s & !0xffff_ffff == epoch => *s as u32,
                            _ => {
                                let new = scratch.code(values.of_code(old))?;
                                if let Some(s) = scratch.slots.get_mut(slot) {
                                    *s = epoch | u64::from(new);
                                }
                                new
                            }
                        }
                    }
                },
                Some(Some(RawColumn::Number(v))) => match v.get(r) {
                    Some(f) if !f.is_nan() => {
                        number.clear();
                        put_value(&mut number, &Value::number(*f))?;
                        scratch.code(&number)?
                    }
                    _ => 0,
                },
                _ => 0,
            };
            scratch.codes.push(code);
        }
    }
    Ok(())
}

/// The column as numbers, when it holds nothing else.
fn as_numbers(values: &RawValues, codes: &[u32]) -> Result<Option<Vec<f64>>> {
    let mut table: Vec<f64> = try_vec(values.len() + 1, "numbers")?;
    table.push(f64::NAN);
    for code in 1..=values.len() as u32 {
        match number_of(values.of_code(code))?.and_then(|v| exact_number(&v)) {
            Some(f) => table.push(f),
            None => return Ok(None),
        }
    }
    let mut out = try_vec(codes.len(), "numbers")?;
    out.extend(
        codes
            .iter()
            .map(|c| table.get(*c as usize).copied().unwrap_or(f64::NAN)),
    );
    Ok(Some(out))
}
