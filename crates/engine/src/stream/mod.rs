//! The user-major stream: every event of a day that has a user, in the order of (user, time, event name).
//!
//! A day is kept in parts of 65,536 users each, so that parts of different numbers share no user and can be worked on at
//! the same time. Sessions and flows read it front to back, without sorting anything. Knows nothing of reports.

mod build;
mod codec;
mod merged;
mod pace;
#[cfg(test)]
mod tests;

use crate::chunk::SubjectNo;
use crate::error::{Error, Result, try_vec};
pub use build::{Builder, Extra, Sorted, merge};
pub use codec::{Buffers, Columns, decode, encode};
pub use merged::{MERGED_BYTES, Merged};
pub use pace::{Due, choose};

/// Users of one part are those whose numbers agree above these bits.
pub const PART_BITS: u32 = 16;
/// Users of one part.
pub const PART_USERS: usize = 1 << PART_BITS;
/// Marks the first event of a user in [`Part::times`].
pub const FIRST: u32 = 1 << 27;
/// Most event names a project may have for its days to be kept as a stream.
pub const MAX_NAMES: usize = 1 << 20;

/// The part a user is in.
#[inline]
pub fn part_of(user: SubjectNo) -> u32 {
    user >> PART_BITS
}

/// One day and one part in memory. Columns that were not asked for are empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Part {
    /// Number of events.
    pub n: usize,
    /// Low bits of the user of each run, ascending.
    pub users: Vec<u32>,
    /// Events of each run.
    pub lengths: Vec<u32>,
    /// One per event: milliseconds since the event before it of the same user, or [`FIRST`] + milliseconds since the day
    /// began for the first event of a user.
    pub times: Vec<u32>,
    /// Number of the event name, one per event.
    pub events: Vec<u32>,
}

impl Part {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.n = 0;
        self.users.clear();
        self.lengths.clear();
        self.times.clear();
        self.events.clear();
    }
}

/// Event names in byte order: the order of simultaneous events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ranks {
    by_event: Vec<u32>,
    by_rank: Vec<u32>,
}

const UNKNOWN: u32 = u32::MAX;

impl Ranks {
    /// From the numbers of all event names, sorted by name.
    pub fn new(sorted: &[u32]) -> Result<Self> {
        if sorted.len() > MAX_NAMES {
            return Err(Error::Limit {
                message: format!("more than {MAX_NAMES} event names"),
                hint: Some("Put what varies into a property of the event.".into()),
            });
        }
        let top = sorted.iter().max().map_or(0, |e| *e as usize + 1);
        let mut ranks = Ranks {
            by_event: try_vec(top, "event names")?,
            by_rank: try_vec(sorted.len(), "event names")?,
        };
        ranks.by_event.resize(top, UNKNOWN);
        for (rank, event) in (0..).zip(sorted) {
            if let Some(slot) = ranks.by_event.get_mut(*event as usize) {
                *slot = rank;
            }
        }
        ranks.by_rank.extend_from_slice(sorted);
        Ok(ranks)
    }

    /// The same with events in the place of those that they are merged into.
    pub fn merged(&self, into: &[(u32, u32)]) -> Result<Ranks> {
        let mut ranks = self.clone();
        for (event, target) in into {
            let rank = self.rank(*target)?;
            if let Some(slot) = ranks.by_event.get_mut(*event as usize) {
                *slot = rank;
            }
        }
        Ok(ranks)
    }

    /// Where an event stands among all names.
    #[inline]
    pub fn rank(&self, event: u32) -> Result<u32> {
        match self.by_event.get(event as usize) {
            Some(r) if *r != UNKNOWN => Ok(*r),
            _ => Err(Error::corrupt("an event that is not in the lexicon")),
        }
    }

    /// The event of a rank; 0 for one that nobody has.
    #[inline]
    pub fn event(&self, rank: u32) -> u32 {
        self.by_rank.get(rank as usize).copied().unwrap_or(0)
    }

    /// One more than the greatest number of an event.
    pub fn top(&self) -> usize {
        self.by_event.len()
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.by_rank.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.by_rank.is_empty()
    }
}

/// A part as a reader gets it: stored buffers to be decoded wherever there is time, or rows that were just gathered.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    Stored(Buffers),
    Gathered(Sorted),
}

/// A part of one day, on its way to a kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    pub part: u32,
    pub day: i32,
    pub source: Source,
}

impl Piece {
    /// Number of events.
    pub fn len(&self) -> usize {
        match &self.source {
            Source::Stored(buffers) => buffers.n,
            Source::Gathered(sorted) => sorted.len(),
        }
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Decodes the wanted columns.
    pub fn load(&self, columns: Columns, ranks: &Ranks, into: &mut Part) -> Result<()> {
        match &self.source {
            Source::Stored(buffers) => decode(buffers, columns, into).map_err(|e| match e {
                Error::Corrupt(what) => {
                    Error::Corrupt(format!("stream of day {}, part {}: {what}", self.day, self.part))
                }
                e => e,
            }),
            Source::Gathered(sorted) => sorted.part(ranks, into),
        }
    }
}
