//! The stream under the users that its ids stand for: after identity merges, events lie in other places, some in other
//! parts.

use super::build::{Sorted, keys_of};
use super::{PART_BITS, Part, Ranks, part_of};
use crate::chunk::SubjectNo;
use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, push_within};
use crate::tick::{EVERY, Tick};
use std::collections::BTreeMap;

/// Events of one part and day.
#[derive(Default)]
struct Events {
    /// Of users who are in the part under their own number, in order.
    own: Vec<u64>,
    /// Of ids that stand for a user of the part, in any order.
    moved: Vec<u64>,
}

/// Takes parts one by one, as they are stored, and makes those that users are in.
pub struct Merged<'a> {
    ranks: &'a Ranks,
    table: &'a [SubjectNo],
    parts: BTreeMap<(u32, i32), Events>,
    budget: Budget,
}

/// Bytes that an event takes at most while parts are merged.
pub const MERGED_BYTES: usize = 24;

impl<'a> Merged<'a> {
    /// No events yet. `table` is that of [`crate::identity::table`]; at most `memory` bytes will be held.
    pub fn new(ranks: &'a Ranks, table: &'a [SubjectNo], memory: usize) -> Self {
        Merged {
            ranks,
            table,
            parts: BTreeMap::new(),
            budget: Budget::new(memory),
        }
    }

    /// Adds a part with all of its columns; each once.
    pub fn push(&mut self, number: u32, day: i32, part: &Part, tick: &mut dyn Tick) -> Result<()> {
        self.budget.take(part.n.saturating_mul(size_of::<u64>()))?;
        let mut own: Vec<u64> = try_vec(part.n, "a part of the stream")?;
        let (parts, budget, table) = (&mut self.parts, &mut self.budget, self.table);
        let mut seen = 0usize;
        keys_of(part, self.ranks, &mut |low, keys| {
            if seen.is_multiple_of(EVERY) {
                tick.tick()?;
            }
            seen += 1;
            let user = number << PART_BITS | low;
            let to = table.get(user as usize).copied().unwrap_or(user);
            if to == user {
                own.extend_from_slice(keys);
                return Ok(());
            }
            let moved = &mut parts.entry((part_of(to), day)).or_default().moved;
            for key in keys {
                push_within(moved, Sorted::under(to, *key), budget)?;
            }
            Ok(())
        })?;
        self.parts.entry((number, day)).or_default().own = own;
        Ok(())
    }

    /// The parts by (part, day), each sorted.
    pub fn finish(self, tick: &mut dyn Tick) -> Result<Vec<((u32, i32), Sorted)>> {
        let mut out = try_vec(self.parts.len(), "parts of the stream")?;
        for (place, Events { own, mut moved }) in self.parts {
            tick.tick()?;
            if moved.is_empty() {
                out.push((place, Sorted::from_keys(own)));
                continue;
            }
            moved.sort_unstable();
            let mut keys: Vec<u64> = Vec::new();
            keys.try_reserve_exact(own.len() + moved.len())
                .map_err(|_| Error::OutOfMemory("a part of the stream"))?;
            let mut more = moved.into_iter().peekable();
            for key in own {
                while let Some(k) = more.next_if(|k| *k < key) {
                    keys.push(k);
                }
                keys.push(key);
            }
            keys.extend(more);
            out.push((place, Sorted::from_keys(keys)));
        }
        Ok(out)
    }
}
