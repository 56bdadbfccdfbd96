//! The properties that records have, and in which order: records of one source are written alike.

use super::Key;
use super::scan::plain_run;
use crate::error::Result;
use crate::intern::push;
use crate::names::Names;

/// What a property means besides its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing.
    Stored,
    /// It is not stored.
    Dropped,
    /// Its presence alone is for the other reader to judge.
    Judged,
    Meaning(usize),
    /// The groups of the key with this index.
    Group(usize),
}

/// Properties with a meaning, by [`Role::Meaning`]. The first four are not stored.
pub(super) const MEANINGS: [&str; 7] = [
    "time",
    "$time",
    "distinct_id",
    "$distinct_id",
    "$user_id",
    "$device_id",
    super::INSERT_ID_PROPERTY,
];
pub(super) const TIME: usize = 0;
pub(super) const DOLLAR_TIME: usize = 1;
pub(super) const DISTINCT_ID: usize = 2;
pub(super) const DOLLAR_DISTINCT_ID: usize = 3;
pub(super) const USER_ID: usize = 4;
pub(super) const DEVICE_ID: usize = 5;
pub(super) const INSERT_ID: usize = 6;

pub(super) fn role(name: &str, keys: &[Key]) -> Role {
    if let Some(m) = MEANINGS.iter().position(|m| *m == name) {
        return Role::Meaning(m);
    }
    match name {
        "token" | "ip" => Role::Dropped,
        "bucket" | "$bucket" | "$ignore" => Role::Judged,
        _ => keys
            .iter()
            .position(|k| k.property == name)
            .map_or(Role::Stored, Role::Group),
    }
}

/// The properties met so far, and the order they came in last: the next record has most likely the same.
#[derive(Default)]
pub(super) struct Shape {
    pub keys: Vec<Key>,
    /// Whether the fast way is open at all: not when a group key is named like a property with a meaning.
    pub open: bool,
    pub properties: Vec<Known>,
    pub by_name: Names,
    pub order: Vec<u32>,
    /// How many records were read.
    pub line: u64,
}

pub(super) struct Known {
    pub name: Box<str>,
    /// How it is written most of the time: quoted, with a colon. [`NEVER`] for a name that has to be escaped.
    pub written: Box<[u8]>,
    pub role: Role,
    /// The last line it was met in.
    pub line: u64,
}

/// Bytes that no JSON text has.
const NEVER: &[u8] = &[0];

/// Stands for the number of a property that was never met before.
pub(super) const NEW: u32 = u32::MAX;

impl Shape {
    pub fn new(keys: &[Key]) -> Self {
        Shape {
            keys: keys.to_vec(),
            open: keys.iter().all(|k| role(&k.property, &[]) == Role::Stored),
            ..Shape::default()
        }
    }

    /// Properties met so far.
    pub fn len(&self) -> usize {
        self.properties.len()
    }

    pub fn name(&self, property: usize) -> &str {
        self.properties.get(property).map_or("", |p| &p.name)
    }

    /// The index of a property, which is made when it is new.
    pub fn property(&mut self, name: &str) -> Result<usize> {
        let next = u32::try_from(self.properties.len()).unwrap_or(NEW);
        let index = self.by_name.insert(name, next)?;
        if index == next {
            let written = match plain_run(name.as_bytes()) == name.len() {
                true => [b"\"", name.as_bytes(), b"\":"].concat(),
                false => NEVER.to_vec(),
            };
            let known = Known {
                name: name.into(),
                written: written.into(),
                role: role(name, &self.keys),
                line: 0,
            };
            push(&mut self.properties, known)?;
        }
        Ok(index as usize)
    }

    /// Forgets the properties.
    pub fn clear(&mut self) {
        self.properties.clear();
        self.by_name.clear();
        self.order.clear();
    }
}
