//! Flows: what subjects do right after, and right before, an anchor event.
//!
//! Every entry (an anchor event in range) becomes one path. [`StreamKernel`] follows each user's first anchor along the
//! user-major stream; [`EventKernel`] gathers events in any order and answers every question about one anchor. Both end in
//! a [`Partial`]. [`JourneyKernel`] has every option.

mod events;
mod journeys;
#[cfg(test)]
mod journeys_tests;
mod members;
mod rows;
mod stream;
#[cfg(test)]
mod tests;
mod trail_members;
mod trails;

use crate::chunk::Kind;
use crate::error::{Error, Result};
use crate::gather::Budget;
use crate::parallel::Workers;
use crate::partial::{Reader, Tag, Writer};
use crate::postings::Postings;
use crate::stream::Ranks;
use crate::tick::Tick;
use crate::time::Span64;
pub use events::EventKernel;
use hashbrown::HashMap;
pub use journeys::{Anchor, Journey, JourneyKernel, JourneyPartial, MAX_ANCHORS, MAX_EXCLUSIONS, Split};
pub use members::{Asked, Wanted, find};
pub use rows::{Edge, Node, PathRow, edges, top_paths};
use rustc_hash::FxBuildHasher;
pub use stream::StreamKernel;
pub use trail_members::find_on_trails;
pub use trails::{Trails, finish_journeys};

/// Most steps on either side of the anchor.
pub const MAX_STEPS: usize = 5;
/// Most event names of a project that has flows.
pub const MAX_NAMES: usize = BREAK as usize - EVENT as usize;

/// Which anchors of a subject are entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// The first one in range.
    Unique,
    /// Every one in range; with `collapse` only the first of those that follow each other.
    Total,
}

/// A question about flows.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    pub by: Kind,
    /// Where anchors count.
    pub entry: Span64,
    pub forward: usize,
    pub reverse: usize,
    /// How far a step may be from its anchor, milliseconds, inclusive.
    pub within_ms: i64,
    /// Equal events one after the other are one step.
    pub collapse: bool,
    pub count: Count,
    /// By event number: events that are no steps, unless they are anchors.
    pub hidden: Vec<bool>,
    /// By event number: events that the anchor names; a hidden one is no anchor without it.
    pub named: Vec<bool>,
    pub ranks: &'a Ranks,
    pub remap: Option<&'a [u32]>,
    pub memory_limit: usize,
}

impl Plan<'_> {
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<()> {
        if self.forward > MAX_STEPS || self.reverse > MAX_STEPS || self.forward + self.reverse == 0 {
            return Err(Error::param_hint(
                format!("forward and reverse must be 0 to {MAX_STEPS}, and not both 0"),
                "For example forward => 3.",
            ));
        }
        if self.ranks.len() > MAX_NAMES {
            return Err(Error::Limit {
                message: format!("flows through more than {MAX_NAMES} event names"),
                hint: Some("Put what varies into a property of the event.".into()),
            });
        }
        Ok(())
    }

    /// The events that can be on a path.
    pub fn span(&self) -> Span64 {
        let reach = |steps: usize| if steps > 0 { self.within_ms.max(0) } else { 0 };
        Span64 {
            from: self.entry.from.saturating_sub(reach(self.reverse)),
            to: self.entry.to.saturating_add(reach(self.forward)),
        }
    }

    #[inline]
    fn hides(&self, event: u32) -> bool {
        self.hidden.get(event as usize).copied().unwrap_or(false)
    }

    #[inline]
    fn names(&self, event: u32) -> bool {
        self.named.get(event as usize).copied().unwrap_or(false)
    }

    #[inline]
    fn code(&self, event: u32) -> Result<u16> {
        u16::try_from(self.ranks.rank(event)? + u32::from(EVENT)).map_err(|_| Error::corrupt("an event without a rank"))
    }
}

/// Codes of a path's places: nothing, an end (nothing earlier, nothing later), and from here the ranks of event names.
const NOTHING: u16 = 0;
const END: u16 = 1;
const EVENT: u16 = 2;
/// Steps between two anchors that are not shown, and the rest of a position's events.
const BREAK: u16 = u16::MAX - 1;
const OTHER: u16 = u16::MAX;
const PLACES: usize = 12;

/// Up to twelve codes, the anchor at place `reverse`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub(crate) struct Path([u64; 3]);

impl std::hash::Hash for Path {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        // Word by word, which the hasher does in one multiplication each.
        self.0.iter().for_each(|w| state.write_u64(*w));
    }
}

impl Path {
    #[inline]
    fn get(&self, place: usize) -> u16 {
        self.0
            .get(place / 4)
            .map_or(NOTHING, |w| (w >> (place % 4 * 16)) as u16)
    }

    /// The same without empty places in front.
    fn left(&self) -> Path {
        let mut path = Path::default();
        let from = (0..PLACES).take_while(|p| self.get(*p) == NOTHING).count();
        (from..PLACES).for_each(|p| path.put(p - from, self.get(p)));
        path
    }

    /// Fills a place that is empty.
    #[inline]
    fn put(&mut self, place: usize, code: u16) {
        if let Some(w) = self.0.get_mut(place / 4) {
            *w |= u64::from(code) << (place % 4 * 16);
        }
    }
}

/// A part of the answer: of some users, or of some events.
#[derive(Debug, Clone)]
pub struct Partial {
    paths: HashMap<Path, u64, FxBuildHasher>,
    postings: Postings,
    budget: Budget,
}

impl Partial {
    fn new(plan: &Plan) -> Self {
        Partial {
            paths: HashMap::default(),
            postings: Postings::default(),
            budget: Budget::new(plan.memory_limit),
        }
    }

    #[inline]
    fn add(&mut self, path: Path, n: u64) -> Result<()> {
        if let Some(count) = self.paths.get_mut(&path) {
            *count += n;
            return Ok(());
        }
        if self.paths.len() == self.paths.capacity() {
            self.budget.take(self.paths.capacity().max(4) * 40)?;
            self.paths.try_reserve(1).map_err(|_| Error::OutOfMemory("paths"))?;
        }
        self.paths.insert(path, n);
        Ok(())
    }

    /// Both together, in any order: partials of different users, or of different events.
    pub fn merge(mut self, other: Partial, plan: &Plan) -> Result<Partial> {
        self.budget.set_limit(plan.memory_limit);
        for (path, n) in other.paths {
            self.add(path, n)?;
        }
        self.postings.append(other.postings, &mut self.budget)?;
        Ok(self)
    }

    /// Bytes for another process.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut w = Writer::new(Tag::Flows, self.paths.len() * 32 + self.postings.len() * 12)?;
        w.len(self.paths.len())?;
        for (path, n) in &self.paths {
            path.0.iter().try_for_each(|p| w.u64(*p))?;
            w.u64(*n)?;
        }
        self.postings.encode(&mut w)?;
        w.finish()
    }

    /// Reads what `encode` wrote for the same plan.
    pub fn decode(bytes: &[u8], plan: &Plan) -> Result<Partial> {
        let mut r = Reader::new(Tag::Flows, bytes)?;
        let mut partial = Partial::new(plan);
        for _ in 0..r.len(32)? {
            let path = Path([r.u64()?, r.u64()?, r.u64()?]);
            let n = r.u64()?;
            partial.add(path, n)?;
        }
        partial.postings = Postings::decode(&mut r, &mut partial.budget, |_| true)?;
        r.finish()?;
        Ok(partial)
    }
}

/// How often each path was taken.
#[derive(Debug, Clone, Default)]
pub struct Paths {
    paths: Vec<(Path, u64)>,
}

impl Paths {
    /// Number of entries.
    pub fn entries(&self) -> u64 {
        self.paths.iter().map(|(_, n)| n).sum()
    }
}

/// All paths of the answer; [`edges`] and [`top_paths`] make rows of them.
pub fn finish(plan: &Plan, partial: Partial, workers: &Workers, tick: &mut dyn Tick) -> Result<Paths> {
    let partial = events::walk(plan, partial, workers, tick)?;
    let mut paths = crate::error::try_vec(partial.paths.len(), "paths")?;
    paths.extend(partial.paths);
    Ok(Paths { paths })
}
