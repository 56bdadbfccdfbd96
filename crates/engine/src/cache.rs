//! What a session keeps from one report to the next: values under a key, as many as a limit allows, the longest unused
//! go first.

use crate::error::{Error, Result};
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Get(u8),
        Keep(u8, u32, usize),
        Forget(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0u8..6).prop_map(Step::Get),
            (0u8..6, any::<u32>(), 0usize..9).prop_map(|(k, v, bytes)| Step::Keep(k, v, bytes)),
            (0u8..6).prop_map(Step::Forget),
        ]
    }

    proptest! {
        /// A list, the longest unused first.
        #[test]
        fn keeps_what_was_used_last(steps in proptest::collection::vec(step(), 0..60), limit in 0usize..16) {
            let mut cache = Cache::default();
            let mut naive: Vec<(u8, u32, usize)> = Vec::new();
            for step in steps {
                match step {
                    Step::Get(key) => {
                        let at = naive.iter().position(|e| e.0 == key);
                        if let Some(at) = at {
                            let e = naive.remove(at);
                            naive.push(e);
                        }
                        prop_assert_eq!(cache.get(&key).copied(), at.and(naive.last()).map(|e| e.1));
                    }
                    Step::Keep(key, value, bytes) => {
                        cache.keep(key, value, bytes, limit).unwrap();
                        naive.retain(|e| e.0 != key);
                        if bytes <= limit {
                            while naive.iter().map(|e| e.2).sum::<usize>() + bytes > limit {
                                naive.remove(0);
                            }
                            naive.push((key, value, bytes));
                        }
                    }
                    Step::Forget(key) => {
                        let at = naive.iter().position(|e| e.0 == key);
                        prop_assert_eq!(cache.forget(&key), at.map(|at| naive.remove(at).1));
                    }
                }
                prop_assert!(naive.iter().map(|e| e.2).sum::<usize>() <= limit);
            }
        }
    }
}
