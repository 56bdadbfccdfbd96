//! Flows with every option: several anchors one after another, inside of sessions, with events that end the way between two
//! anchors, with properties that must not change, and with events told apart by the values of a property.
//!
//! Anchors are the steps of a funnel in loose order: each is the first event after the one before that fits, all within the
//! window of the first. What lies between two of them is shown from the left up to the forward steps of the former, then from
//! the right up to the reverse steps of the latter; where more lies between there is a break. A way that misses an anchor
//! ends after the forward steps of the last one it reached.

use super::{Count, MAX_STEPS};
use crate::breakdown::Dimension;
use crate::chunk::{Chunk, Hits, Kind, USER};
use crate::error::{Error, Result};
use crate::funnel::carried::{Row, Sources, Table};
use crate::funnel::{Exclusion, MAX_HELD};
use crate::gather::{Budget, canonical, for_each_event, pack};
use crate::partial::{Reader, Tag, Writer};
use crate::postings::{Part, Postings};
use crate::sessions::Starts;
use crate::stream::Ranks;
use crate::tick::Tick;
use crate::time::Span64;

/// Most anchors, and most selectors of events that end the way.
pub const MAX_ANCHORS: usize = 10;
pub const MAX_EXCLUSIONS: usize = 20;

/// One anchor.
#[derive(Debug, Clone, Default)]
pub struct Anchor {
    /// Steps to show before it, and after it.
    pub reverse: usize,
    pub forward: usize,
    /// By event number: events that it names; a hidden one is no anchor without it.
    pub named: Vec<bool>,
}

/// Events that are told apart by the values of a property.
#[derive(Debug, Clone)]
pub struct Split {
    /// `None` = every event that no other split names.
    pub event: Option<u32>,
    pub of: Dimension,
}

/// A question about flows.
#[derive(Debug, Clone)]
pub struct Journey<'a> {
    pub by: Kind,
    pub anchors: Vec<Anchor>,
    /// Where first anchors count.
    pub entry: Span64,
    /// How far the last anchor may be from the first, and a step from its own; milliseconds, inclusive.
    pub within_ms: i64,
    /// Equal steps one after the other are one.
    pub collapse: bool,
    pub count: Count,
    /// By event number: events that are no steps, unless they are anchors.
    pub hidden: Vec<bool>,
    /// Between which anchors each selector ends the way.
    pub exclusions: Vec<Exclusion>,
    /// Properties that all anchors must have with one value.
    pub held: Vec<Dimension>,
    pub splits: Vec<Split>,
    pub ranks: &'a Ranks,
    pub remap: Option<&'a [u32]>,
    /// Every session is a subject of its own.
    pub sessions: Option<&'a Starts>,
    pub memory_limit: usize,
}

impl Journey<'_> {
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<()> {
        let wrong = |message: &str, hint: &str| Err(Error::param_hint(message, hint));
        let n = self.anchors.len();
        if !(1..=MAX_ANCHORS).contains(&n) {
            return Err(Error::param_hint(
                format!("flows with {n} anchors"),
                format!("Name 1 to {MAX_ANCHORS}."),
            ));
        }
        if self
            .anchors
            .iter()
            .any(|a| a.forward > MAX_STEPS || a.reverse > MAX_STEPS)
        {
            return wrong("forward and reverse must be 0 to 5", "For example forward => 3.");
        }
        if n == 1 && self.anchors.iter().all(|a| a.forward + a.reverse == 0) {
            return wrong("forward and reverse must not both be 0", "For example forward => 3.");
        }
        if self.exclusions.len() > MAX_EXCLUSIONS {
            return wrong(
                "too many exclusions",
                "Combine exclusions of the same anchors with {\"any\":[…]}.",
            );
        }
        if self.exclusions.iter().any(|x| x.from >= x.to || x.to >= n) {
            return wrong(
                "an exclusion must lie between two anchors",
                "\"between\":[1,2] is after the first anchor and before the second.",
            );
        }
        if self.held.len() > MAX_HELD {
            return Err(Error::param_hint(
                format!("{} properties held constant", self.held.len()),
                format!("At most {MAX_HELD} are possible."),
            ));
        }
        if self.held.iter().any(|d| !matches!(d, Dimension::EventProperty(_))) {
            return wrong(
                "only properties of events can be held constant",
                "For example hold => '{item_id}'.",
            );
        }
        for split in &self.splits {
            split.of.scope(self.by)?;
            if matches!(split.of.plain().0, Dimension::UsersWhoDid(_)) {
                return wrong(
                    "\"users_who_did\" can not split events",
                    "Split by a property of events, users or groups.",
                );
            }
        }
        Ok(())
    }

    /// The events that can be on a path.
    pub fn span(&self) -> Span64 {
        let reach = |steps: bool| if steps { self.within_ms.max(0) } else { 0 };
        let forward = self.anchors.len() > 1 || self.anchors.iter().any(|a| a.forward > 0);
        // The last anchor may be a window later, and its steps another.
        let beyond = reach(self.anchors.len() > 1 && self.anchors.iter().any(|a| a.forward > 0));
        Span64 {
            from: self
                .entry
                .from
                .saturating_sub(reach(self.anchors.first().is_some_and(|a| a.reverse > 0))),
            to: self.entry.to.saturating_add(reach(forward)).saturating_add(beyond),
        }
    }

    /// Selections that [`JourneyKernel::push`] takes: of what is looked at, of the anchors, and of the exclusions.
    pub fn selectors(&self) -> usize {
        1 + self.anchors.len() + self.exclusions.len()
    }

    /// What an event carries: held properties, then the splits.
    pub fn carried(&self) -> Vec<&Dimension> {
        self.held.iter().chain(self.splits.iter().map(|s| &s.of)).collect()
    }

    /// The split of an event, as its place among all.
    pub(super) fn split_of(&self, event: u32) -> Option<usize> {
        let of = |e: Option<u32>| self.splits.iter().position(|s| s.event == e);
        of(Some(event)).or_else(|| of(None))
    }

    fn hides(&self, event: u32) -> bool {
        self.hidden.get(event as usize).copied().unwrap_or(false)
    }

    /// What an event does on a way, as a number: of simultaneous events the lesser comes first.
    fn mark(&self, rank: u32, anchors: u128, exclusions: u128, visible: bool) -> u128 {
        let mut mark = u128::from(rank);
        for k in 0..self.anchors.len() {
            mark = mark << 1 | (!anchors >> k & 1);
        }
        (mark << self.exclusions.len() | exclusions) << 1 | u128::from(!visible)
    }

    /// Rank, anchors, exclusions and visibility of a mark.
    pub(super) fn read_mark(&self, mark: u128) -> (u32, u16, u32, bool) {
        let (n, m) = (self.anchors.len(), self.exclusions.len());
        let anchors = (0..n).fold(0, |a, k| a | ((!(mark >> (m + n - k)) & 1) as u16) << k);
        let exclusions = (mark >> 1) as u32 & ((1u32 << m) - 1);
        ((mark >> (1 + m + n)) as u32, anchors, exclusions, mark & 1 == 0)
    }
}

/// Gathers the events of subjects of any kind, in any order.
#[derive(Debug)]
pub struct JourneyKernel<'q> {
    question: &'q Journey<'q>,
    sources: Sources<'q>,
    partial: JourneyPartial,
}

/// What was gathered.
#[derive(Debug, Clone)]
pub struct JourneyPartial {
    pub(super) postings: Postings,
    /// Marks and values by tag.
    pub(super) table: Table,
    pub(super) budget: Budget,
}

impl<'q> JourneyKernel<'q> {
    /// Checks the question.
    pub fn new(question: &'q Journey<'q>) -> Result<Self> {
        question.check()?;
        let mut partial = JourneyPartial::new(question)?;
        Ok(JourneyKernel {
            sources: Sources::new(question.by, question.carried(), &mut partial.budget)?,
            question,
            partial,
        })
    }

    /// The same for one part of the subjects, or of the sessions.
    pub fn only(mut self, part: Part) -> Self {
        self.partial.postings = std::mem::take(&mut self.partial.postings).only(part);
        self
    }

    /// Takes a chunk; `hits` has what each selector picked: [`Journey::selectors`] of them.
    pub fn push(&mut self, chunk: &Chunk, hits: &[Hits], tick: &mut dyn Tick) -> Result<()> {
        let q = self.question;
        if hits.len() != q.selectors() {
            return Err(Error::param("flows: one selection per selector is needed"));
        }
        let sources = &mut self.sources;
        let JourneyPartial {
            postings,
            table,
            budget,
        } = &mut self.partial;
        sources.next_chunk(chunk, budget)?;
        let n = q.anchors.len();
        for_each_event(chunk, q.by, hits, q.remap, tick, |row, subject, mask| {
            let event = chunk.event(row);
            let Some(&t) = chunk.time.get(row).filter(|_| mask & 1 == 1) else {
                return Ok(());
            };
            let whom = q.sessions.map_or(subject, |s| s.of(event, subject, t));
            let hidden = q.hides(event);
            let may = |k: usize| {
                !hidden
                    || q.anchors
                        .get(k)
                        .is_some_and(|a| a.named.get(event as usize) == Some(&true))
            };
            let picked = mask >> 1 & ((1 << n) - 1);
            let anchors = (0..n).filter(|k| may(*k)).fold(0, |a, k| a | picked & 1 << k);
            let exclusions = mask >> (1 + n);
            let visible = !hidden || anchors != 0;
            if whom == 0 || !visible && exclusions == 0 {
                return Ok(());
            }
            let mut tuple = 0;
            if !sources.is_empty() {
                let user = chunk.user.get(row).copied().unwrap_or(0);
                let at = Row {
                    chunk,
                    row,
                    user: canonical(q.remap, USER, user),
                    subject,
                };
                tuple = sources.tuple(at, table, budget)?;
            }
            let mark = q.mark(q.ranks.rank(event)?, anchors, exclusions, visible);
            // Marks are numbered from 1: no selector is known by 0.
            let tag = table.tag(mark + 1, tuple, budget)?;
            postings.push(whom, pack(t, tag)?, budget)
        })
    }

    /// What was gathered.
    pub fn finish(self) -> JourneyPartial {
        self.partial
    }
}

/// Bits of a mark and one more.
const MARK_BITS: usize = 20 + MAX_ANCHORS + MAX_EXCLUSIONS + 2;

impl JourneyPartial {
    fn new(question: &Journey) -> Result<Self> {
        let mut budget = Budget::new(question.memory_limit);
        Ok(JourneyPartial {
            postings: Postings::default(),
            table: Table::new(question.carried().len(), 0, &mut budget)?,
            budget,
        })
    }

    /// Both together, in any order.
    pub fn merge(mut self, mut other: JourneyPartial, question: &Journey) -> Result<JourneyPartial> {
        self.budget.set_limit(question.memory_limit);
        if self.table.sources() != other.table.sources() {
            return Err(Error::corrupt("partial: of other flows"));
        }
        let tags = self.table.absorb(&other.table, &mut self.budget)?;
        other.postings.retag(&tags);
        self.postings.append(other.postings, &mut self.budget)?;
        Ok(self)
    }

    /// Bytes for another process.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut w = Writer::new(Tag::Journeys, self.postings.len() * 12 + self.table.len() * 20)?;
        self.table.encode(&mut w)?;
        self.postings.encode(&mut w)?;
        w.finish()
    }

    /// Reads what `encode` wrote for the same question.
    pub fn decode(bytes: &[u8], question: &Journey) -> Result<JourneyPartial> {
        let mut r = Reader::new(Tag::Journeys, bytes)?;
        let mut p = JourneyPartial::new(question)?;
        p.table = p.table.read(&mut r, MARK_BITS, &mut p.budget)?;
        let known = p.table.len();
        for tag in 0..known {
            let (rank, ..) = question.read_mark(p.table.combo(tag).0.saturating_sub(1));
            if rank as usize >= question.ranks.len() {
                return Err(Error::corrupt("partial: not events of these flows"));
            }
        }
        p.postings = Postings::decode(&mut r, &mut p.budget, |tag| (tag as usize) < known)?;
        r.finish()?;
        Ok(p)
    }
}
