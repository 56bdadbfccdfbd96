//! "Number of users who did …": how many different users of each group did something, per interval.
//!
//! A kernel of its own that runs before the report which breaks down by it.

use crate::chunk::{Chunk, Hits, Kind, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::gather::{BucketFinder, Budget, canonical, push_within, try_for_each_subject};
use crate::partial::{Reader, Tag, Writer};
use crate::tick::Tick;
use crate::time::Buckets;

/// Gathers (bucket, group, user) and how many events each has. Its own partial.
#[derive(Debug, Clone)]
pub struct UsersWhoDid<'a> {
    kind: Kind,
    at_least: u32,
    buckets: &'a Buckets,
    remap: Option<&'a [SubjectNo]>,
    /// (bucket, group) and user with a number of events; sorted and distinct up to `clean`.
    found: Vec<Found>,
    clean: usize,
    budget: Budget,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    cell: u64,
    user: SubjectNo,
    events: u32,
}

/// The number of users per (bucket, group); groups without any have 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UsersWhoDidTable {
    kind: Kind,
    /// Sorted by (bucket, group).
    cells: Vec<(u64, u32)>,
}

impl UsersWhoDidTable {
    /// The group key the users are counted for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Users of a group in a bucket.
    pub fn users(&self, bucket: usize, group: SubjectNo) -> u32 {
        let cell = (bucket as u64) << 32 | u64::from(group);
        let at = self.cells.binary_search_by_key(&cell, |(c, _)| *c).ok();
        at.and_then(|i| self.cells.get(i)).map_or(0, |(_, n)| *n)
    }
}

impl<'a> UsersWhoDid<'a> {
    /// Users with at least `at_least` events attributed to a group of `kind` within a bucket.
    pub fn new(
        kind: Kind,
        at_least: u32,
        buckets: &'a Buckets,
        remap: Option<&'a [SubjectNo]>,
        memory_limit: usize,
    ) -> Result<Self> {
        if kind == USER {
            return Err(Error::param_hint(
                "\"users_who_did\" counts the users of groups",
                "Count the metric by a group key.",
            ));
        }
        if at_least == 0 {
            return Err(Error::param_hint("\"at_least\" is 0", "It must be 1 or more."));
        }
        Ok(UsersWhoDid {
            kind,
            at_least,
            buckets,
            remap,
            found: Vec::new(),
            clean: 0,
            budget: Budget::new(memory_limit),
        })
    }

    /// Gathers the picked events of a chunk.
    pub fn push(&mut self, chunk: &Chunk, hits: &Hits, tick: &mut dyn Tick) -> Result<()> {
        let mut finder = BucketFinder::new(&self.buckets.starts, self.buckets.range);
        let UsersWhoDid {
            found,
            clean,
            budget,
            remap,
            ..
        } = self;
        try_for_each_subject(chunk, self.kind, hits, None, tick, |row, group| {
            let Some(bucket) = chunk.time.get(row).and_then(|t| finder.of(*t)) else {
                return Ok(());
            };
            let user = canonical(*remap, USER, chunk.user.get(row).copied().unwrap_or(0));
            if user == 0 {
                return Ok(());
            }
            let cell = (bucket as u64) << 32 | u64::from(group);
            add(found, clean, Found { cell, user, events: 1 }, budget)
        })
    }

    /// Memory in use.
    pub fn bytes(&self) -> usize {
        self.budget.used()
    }

    /// Both together, of the same question.
    pub fn merge(mut self, other: UsersWhoDid) -> Result<Self> {
        if (self.kind, self.at_least, self.buckets) != (other.kind, other.at_least, other.buckets) {
            return Err(Error::corrupt("partial: of another report"));
        }
        for f in &other.found {
            add(&mut self.found, &mut self.clean, *f, &mut self.budget)?;
        }
        Ok(self)
    }

    /// Bytes for another process.
    pub fn encode(&mut self) -> Result<Vec<u8>> {
        settle(&mut self.found, &mut self.clean);
        let mut w = Writer::new(Tag::UsersWhoDid, self.found.len() * size_of::<Found>())?;
        w.u32(u32::from(self.kind))?;
        w.u32(self.at_least)?;
        w.len(self.buckets.len())?;
        w.len(self.found.len())?;
        for f in &self.found {
            w.u64(f.cell)?;
            w.u32(f.user)?;
            w.u32(f.events)?;
        }
        w.finish()
    }

    /// Adds what another process encoded for the same question.
    pub fn merge_encoded(mut self, bytes: &[u8]) -> Result<Self> {
        let bad = || Error::corrupt("partial: not of this report");
        let mut r = Reader::new(Tag::UsersWhoDid, bytes)?;
        let same =
            r.u32()? == u32::from(self.kind) && r.u32()? == self.at_least && r.u64()? == self.buckets.len() as u64;
        if !same {
            return Err(bad());
        }
        for _ in 0..r.len(16)? {
            let f = Found {
                cell: r.u64()?,
                user: r.u32()?,
                events: r.u32()?,
            };
            if f.user == 0 || f.cell >> 32 >= self.buckets.len() as u64 || f.cell as u32 == 0 {
                return Err(bad());
            }
            add(&mut self.found, &mut self.clean, f, &mut self.budget)?;
        }
        r.finish()?;
        Ok(self)
    }

    /// Counts the users.
    pub fn finish(mut self) -> Result<UsersWhoDidTable> {
        settle(&mut self.found, &mut self.clean);
        let mut cells: Vec<(u64, u32)> = Vec::new();
        for f in self.found.iter().filter(|f| f.events >= self.at_least) {
            match cells.last_mut() {
                Some((cell, n)) if *cell == f.cell => *n += 1,
                _ => push_within(&mut cells, (f.cell, 1), &mut self.budget)?,
            }
        }
        Ok(UsersWhoDidTable { kind: self.kind, cells })
    }
}

fn add(found: &mut Vec<Found>, clean: &mut usize, f: Found, budget: &mut Budget) -> Result<()> {
    if let Some(last) = found.last_mut()
        && (last.cell, last.user) == (f.cell, f.user)
    {
        last.events = last.events.saturating_add(f.events);
        return Ok(());
    }
    if found.len() == found.capacity() && found.len() >= clean.saturating_mul(2).max(1024) {
        settle(found, clean);
    }
    push_within(found, f, budget)
}

fn settle(found: &mut Vec<Found>, clean: &mut usize) {
    found.sort_unstable();
    found.dedup_by(|from, into| {
        let same = (from.cell, from.user) == (into.cell, into.user);
        if same {
            into.events = into.events.saturating_add(from.events);
        }
        same
    });
    *clean = found.len();
}
