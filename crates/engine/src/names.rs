//! Names and their numbers, kept in one piece of text: what a session remembers of a project's dictionaries, and the names
//! of a batch that have no number yet.

use crate::error::{Error, Result};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::{BuildHasher, Hasher};

/// A table from names to numbers. Reading allocates nothing; a name costs its bytes and some 20 more.
#[derive(Clone, Default)]
pub struct Names {
    text: String,
    table: HashTable<Entry>,
    hasher: DefaultHashBuilder,
}

#[derive(Clone, Copy)]
struct Entry {
    start: u32,
    len: u32,
    hash: u32,
    no: u32,
}

impl Entry {
    fn name<'t>(&self, text: &'t str) -> &'t str {
        let start = self.start as usize;
        text.get(start..start + self.len as usize).unwrap_or_default()
    }
}

fn hash(hasher: &DefaultHashBuilder, name: &str) -> u64 {
    let mut h = hasher.build_hasher();
    h.write(name.as_bytes());
    // 32 bits are kept; the table takes its place from the lowest and its tag from the highest ones.
    let h = h.finish() as u32;
    widen(h)
}

fn widen(h: u32) -> u64 {
    u64::from(h) << 32 | u64::from(h)
}

impl Names {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of a name.
    pub fn get(&self, name: &str) -> Option<u32> {
        if self.table.is_empty() {
            return None;
        }
        self.find(hash(&self.hasher, name), name)
    }

    fn find(&self, hash: u64, name: &str) -> Option<u32> {
        let same = |e: &Entry| e.hash == hash as u32 && e.name(&self.text) == name;
        self.table.find(hash, same).map(|e| e.no)
    }

    /// Sets the number of a name, unless it has one; returns what it has then.
    pub fn insert(&mut self, name: &str, no: u32) -> Result<u32> {
        let hash = hash(&self.hasher, name);
        if let Some(no) = self.find(hash, name) {
            return Ok(no);
        }
        let (Ok(start), Ok(len)) = (u32::try_from(self.text.len()), u32::try_from(name.len())) else {
            return Err(Error::Limit {
                message: "more than 4 GB of names".into(),
                hint: Some("Write smaller batches.".into()),
            });
        };
        self.text
            .try_reserve(name.len())
            .map_err(|_| Error::OutOfMemory("names"))?;
        let rehash = |e: &Entry| widen(e.hash);
        self.table
            .try_reserve(1, rehash)
            .map_err(|_| Error::OutOfMemory("names"))?;
        self.text.push_str(name);
        let entry = Entry {
            start,
            len,
            hash: hash as u32,
            no,
        };
        self.table.insert_unique(hash, entry, rehash);
        Ok(no)
    }

    /// Takes over what another table has.
    pub fn extend(&mut self, other: &Names) -> Result<()> {
        other
            .iter()
            .try_for_each(|(name, no)| self.insert(name, no).map(|_| ()))
    }

    /// Names with their numbers, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.table.iter().map(|e| (e.name(&self.text), e.no))
    }

    /// The names by their numbers, for a table whose numbers are 0, 1, 2 … without gaps.
    pub fn in_order(&self) -> Result<Vec<&str>> {
        let mut out = crate::error::try_vec(self.len(), "names")?;
        out.resize(self.len(), "");
        for (name, no) in self.iter() {
            if let Some(slot) = out.get_mut(no as usize) {
                *slot = name;
            }
        }
        Ok(out)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Bytes held, near enough.
    pub fn bytes(&self) -> usize {
        self.text.capacity() + self.table.capacity() * (size_of::<Entry>() + 2)
    }

    /// Forgets the names and keeps the room.
    pub fn clear(&mut self) {
        self.text.clear();
        self.table.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn names_agree_with_a_map(steps in proptest::collection::vec(("[a-cé]{0,3}", any::<u32>()), 0..200), cut in 0usize..200) {
            let (mut names, mut map) = (Names::new(), HashMap::new());
            for (i, (name, no)) in steps.iter().enumerate() {
                if i == cut {
                    names.clear();
                    map.clear();
                }
                let first = *map.entry(name.clone()).or_insert(*no);
                prop_assert_eq!(names.insert(name, *no).unwrap(), first);
            }
            prop_assert_eq!(names.len(), map.len());
            for (name, _) in &steps {
                prop_assert_eq!(names.get(name), map.get(name).copied());
            }
            let mut copy = Names::new();
            copy.extend(&names).unwrap();
            let all: HashMap<String, u32> = copy.iter().map(|(n, no)| (n.to_string(), no)).collect();
            prop_assert_eq!(all, map);
        }
    }

    #[test]
    fn numbered_without_gaps_they_come_in_order() {
        let mut names = Names::new();
        for (i, n) in ["b", "", "a", "longer"].iter().enumerate() {
            names.insert(n, i as u32).unwrap();
        }
        assert_eq!(names.in_order().unwrap(), ["b", "", "a", "longer"]);
    }
}
