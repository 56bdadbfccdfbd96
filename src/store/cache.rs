//! What a backend keeps from one report to the next: values under a key, as many as a limit allows, the longest unused
//! go first.

use engine::error::{Error, Result};
use std::collections::HashMap;
use std::hash::Hash;

/// Values with what they take in memory.
pub struct Cache<K, V> {
    entries: HashMap<K, Entry<V>>,
    bytes: usize,
    clock: u64,
}

struct Entry<V> {
    used: u64,
    bytes: usize,
    value: V,
}

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Cache {
            entries: HashMap::new(),
            bytes: 0,
            clock: 0,
        }
    }
}

impl<K: Hash + Eq + Clone, V> Cache<K, V> {
    /// The value of a key, which is in use now.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        self.clock += 1;
        let entry = self.entries.get_mut(key)?;
        entry.used = self.clock;
        Some(&entry.value)
    }

    /// Keeps a value of so many bytes, unless it would not fit into the limit by itself.
    pub fn keep(&mut self, key: K, value: V, bytes: usize, limit: usize) -> Result<()> {
        self.forget(&key);
        if bytes > limit {
            return Ok(());
        }
        while self.bytes.saturating_add(bytes) > limit {
            let oldest = self.entries.iter().min_by_key(|(_, e)| e.used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            self.forget(&oldest);
        }
        let reserved = self.entries.try_reserve(1);
        reserved.map_err(|_| Error::OutOfMemory("what a session keeps"))?;
        self.clock += 1;
        self.bytes += bytes;
        let used = self.clock;
        self.entries.insert(key, Entry { used, bytes, value });
        Ok(())
    }

    /// Takes a value out.
    pub fn forget(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.remove(key)?;
        self.bytes = self.bytes.saturating_sub(entry.bytes);
        Some(entry.value)
    }
}
