//! "Number of users who did …": how many different users of each group did something, per interval.
//!
//! A kernel of its own that runs before the report which breaks down by it.

use super::group_users::GroupUsers;
use crate::chunk::{Chunk, Hits, Kind, SubjectNo, USER};
use crate::cohort::Compare;
use crate::error::{Error, Result};
use crate::gather::{BucketFinder, Budget, canonical, push_within, try_for_each_subject};
use crate::mask::Mask;
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
    /// A cell has the bucket in its upper half.
    found: GroupUsers,
    budget: Budget,
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

    /// Keeps of what was picked the groups whose number of users fulfils a comparison in the interval of the event.
    pub fn keep(
        &self,
        is: Compare,
        buckets: &Buckets,
        chunk: &Chunk,
        hits: &mut Hits,
        tick: &mut dyn Tick,
    ) -> Result<()> {
        let Some(groups) = chunk.group(self.kind) else {
            *hits = Hits::rows(Mask::none(chunk.len()));
            return Ok(());
        };
        let mut finder = BucketFinder::new(&buckets.starts, buckets.range);
        // The events of a group come in runs.
        let mut last = ((usize::MAX, 0), false);
        let mut fits = |row: usize, group: SubjectNo| {
            let Some(bucket) = chunk.time.get(row).and_then(|t| finder.of(*t)) else {
                return false;
            };
            if last.0 != (bucket, group) {
                last = ((bucket, group), is.holds(f64::from(self.users(bucket, group))));
            }
            last.1
        };
        if !groups.more.is_empty() {
            let mut more = match hits.more.take() {
                Some(more) => more,
                None => Mask::from_fn(groups.more.len(), |i| {
                    groups.more.get(i).is_some_and(|e| hits.rows.get(e.0 as usize))
                }),
            };
            more.retain(tick, |i| {
                groups.more.get(i).is_some_and(|(row, no)| fits(*row as usize, *no))
            })?;
            hits.more = Some(more);
        }
        hits.rows
            .retain(tick, |row| groups.first.get(row).is_some_and(|no| fits(row, *no)))
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
            found: GroupUsers::default(),
            budget: Budget::new(memory_limit),
        })
    }

    /// Gathers the picked events of a chunk.
    pub fn push(&mut self, chunk: &Chunk, hits: &Hits, tick: &mut dyn Tick) -> Result<()> {
        let mut finder = BucketFinder::new(&self.buckets.starts, self.buckets.range);
        let UsersWhoDid {
            found, budget, remap, ..
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
            found.add(cell, user, 1, budget)
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
        self.found.merge(&other.found, &mut self.budget)?;
        Ok(self)
    }

    /// Bytes for another process.
    pub fn encode(&mut self) -> Result<Vec<u8>> {
        let mut w = Writer::new(Tag::UsersWhoDid, self.found.written())?;
        w.u32(u32::from(self.kind))?;
        w.u32(self.at_least)?;
        w.len(self.buckets.len())?;
        self.found.encode(&mut w)?;
        w.finish()
    }

    /// Adds what another process encoded for the same question.
    pub fn merge_encoded(mut self, bytes: &[u8]) -> Result<Self> {
        let mut r = Reader::new(Tag::UsersWhoDid, bytes)?;
        let same =
            r.u32()? == u32::from(self.kind) && r.u32()? == self.at_least && r.u64()? == self.buckets.len() as u64;
        if !same {
            return Err(Error::corrupt("partial: not of this report"));
        }
        let buckets = self.buckets.len() as u64;
        self.found
            .decode(&mut r, |cell| cell >> 32 < buckets, &mut self.budget)?;
        r.finish()?;
        Ok(self)
    }

    /// Counts the users.
    pub fn finish(mut self) -> Result<UsersWhoDidTable> {
        let mut cells: Vec<(u64, u32)> = Vec::new();
        let budget = &mut self.budget;
        self.found.each(self.at_least, |cell, users| {
            push_within(&mut cells, (cell, users), budget)
        })?;
        Ok(UsersWhoDidTable { kind: self.kind, cells })
    }
}
