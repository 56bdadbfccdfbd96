//! Dictionaries under construction: each distinct value once, found by a table of indices.

use crate::error::{Error, Result};
use crate::value::Value;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

/// Numbers values from 1 in the order they first appear; 0 is left for "not set".
#[derive(Default)]
pub(crate) struct Interner {
    values: Vec<Value>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Interner {
    /// The code of a value, which is cloned when it is new.
    pub fn code(&mut self, v: &Value) -> Result<u32> {
        let hash = self.hasher.hash_one(v);
        let at = |c: u32, values: &[Value]| values.get(c as usize - 1) == Some(v);
        if let Some(c) = self.table.find(hash, |c| at(*c, &self.values)) {
            return Ok(*c);
        }
        let oom = |_| Error::OutOfMemory("dictionary");
        self.values
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory("dictionary"))?;
        self.values.push(v.clone());
        let code = u32::try_from(self.values.len()).map_err(|_| Error::Limit {
            message: "more than 2^32 distinct values in one column".into(),
            hint: None,
        })?;
        let (values, hasher) = (&self.values, &self.hasher);
        let rehash = |c: &u32| values.get(*c as usize - 1).map_or(0, |v| hasher.hash_one(v));
        self.table.try_reserve(1, rehash).map_err(oom)?;
        self.table.insert_unique(hash, code, rehash);
        Ok(code)
    }

    /// The values in the order of their codes.
    pub fn into_values(self) -> Vec<Value> {
        self.values
    }
}

/// Appends to a vector that grows with incoming data.
pub(crate) fn push<T>(v: &mut Vec<T>, x: T) -> Result<()> {
    v.try_reserve(1).map_err(|_| Error::OutOfMemory("column"))?;
    v.push(x);
    Ok(())
}

/// Appends zeros (or whatever the default is) up to a length.
pub(crate) fn pad_to<T: Default + Clone>(v: &mut Vec<T>, len: usize) -> Result<()> {
    v.try_reserve(len.saturating_sub(v.len()))
        .map_err(|_| Error::OutOfMemory("column"))?;
    if v.len() < len {
        v.resize(len, T::default());
    }
    Ok(())
}
