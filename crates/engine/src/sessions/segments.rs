//! Sessions by segment: broken down by what was done in them, by who did it, and by what they are themselves.
//!
//! Events are gathered with the values they carry, spread over partitions by subject, sorted and cut into sessions. A session
//! takes a property of its events from the first one that has it when inactivity ends sessions, else from the one that began
//! it. Where that is a list the session is in the segment of each element, and once in the rest.

mod counts;
mod cut;

pub use counts::{SegmentCounts, show_segments};
pub(super) use counts::{Shown, shown};
pub use cut::{count_segments, finish_segments};

use super::Plan;
use super::events::{ENDS, Marks, STARTS, hashes, value_hash};
use super::segment_members::position;
use crate::breakdown::{Dimension, MAX_DIMENSIONS, Shape};
use crate::chunk::{Chunk, Hits, Kind, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::funnel::carried::{self, Sources, Table, is_of_subject};
use crate::gather::{Budget, canonical, for_each_event, push_within};
use crate::partial::{Reader, Tag, Writer};
use crate::postings::Part;
use crate::stream::Ranks;
use crate::tick::Tick;

/// What sessions are broken down by.
#[derive(Debug, Clone)]
pub enum Feature {
    /// A property of its events, or of its subject.
    Of(Dimension),
    /// Seconds; not set where it was cut before its end event.
    Duration(Option<Shape>),
    /// Number of its events.
    Events(Option<Shape>),
    /// Name of its first event, and of its last one.
    StartEvent,
    EndEvent,
}

/// A question about sessions by segment.
#[derive(Debug, Clone)]
pub struct Segmented<'a> {
    pub plan: &'a Plan<'a>,
    pub by: Kind,
    pub ranks: &'a Ranks,
    /// In the order of ranks.
    pub names: &'a [String],
    pub features: Vec<Feature>,
    /// Segments to show; the rest becomes one.
    pub top: usize,
    /// The label of a bucket: keeps who had its sessions.
    pub whose: Option<i64>,
}

impl Segmented<'_> {
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<()> {
        if self.features.len() > MAX_DIMENSIONS {
            return Err(Error::param_hint(
                format!("a breakdown of {} dimensions", self.features.len()),
                format!("At most {MAX_DIMENSIONS} are possible."),
            ));
        }
        for f in &self.features {
            if let Feature::Of(d) = f {
                d.scope(self.by)?;
                if matches!(d.plain().0, Dimension::UsersWhoDid(_)) {
                    return Err(Error::param_hint(
                        "\"users_who_did\" can not break down sessions",
                        "Break down by a property of events, users, groups or of the session.",
                    ));
                }
            }
        }
        self.whose.map_or(Ok(()), |label| position(self, label).map(|_| ()))
    }

    /// What events carry.
    fn carried(&self) -> Vec<&Dimension> {
        let mut carried = Vec::new();
        for f in &self.features {
            match f {
                Feature::Of(d) if !is_of_subject(d, self.by) => carried.push(d),
                _ => {}
            }
        }
        carried
    }
}

/// An event of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Event {
    subject: SubjectNo,
    /// Rank of the event name, and what the event does to a session.
    tag: u32,
    time: i64,
    /// Hash of the property's value.
    value: u64,
    /// Number of the values it carries.
    carries: u32,
}

/// Partitions by subject, and events of a page of one.
const PARTITIONS: usize = 64;
const PAGE: usize = 4096;
fn partition(subject: SubjectNo) -> usize {
    subject as usize % PARTITIONS
}

/// The only selector that the table of values knows.
const ALL: u128 = 1;

/// What was gathered.
#[derive(Debug, Clone)]
pub struct SegmentPartial {
    /// Pages of each partition.
    parts: Vec<Vec<Vec<Event>>>,
    table: Table,
    budget: Budget,
}

/// Gathers the events of subjects of any kind, in any order.
#[derive(Debug)]
pub struct SegmentKernel<'q> {
    question: &'q Segmented<'q>,
    sources: Sources<'q>,
    /// Events of other subjects are passed over.
    only: Part,
    partial: SegmentPartial,
}

fn put(pages: &mut Vec<Vec<Event>>, event: Event, budget: &mut Budget) -> Result<()> {
    if pages.last().is_none_or(|p| p.len() >= PAGE) {
        push_within(pages, Vec::new(), budget)?;
    }
    match pages.last_mut() {
        Some(page) => push_within(page, event, budget),
        None => Ok(()),
    }
}

impl<'q> SegmentKernel<'q> {
    /// Checks the question.
    pub fn new(question: &'q Segmented<'q>) -> Result<Self> {
        question.check()?;
        let mut partial = SegmentPartial::new(question)?;
        let sources = Sources::new(question.by, question.carried(), &mut partial.budget)?;
        Ok(SegmentKernel {
            question,
            sources,
            only: Part::WHOLE,
            partial,
        })
    }

    /// The same for one part of the subjects.
    pub fn only(self, part: Part) -> Self {
        SegmentKernel { only: part, ..self }
    }

    /// Takes the picked rows of a chunk.
    pub fn push(&mut self, chunk: &Chunk, hits: &Hits, marks: &Marks, tick: &mut dyn Tick) -> Result<()> {
        let Segmented { plan, by, ranks, .. } = *self.question;
        let hashes = match marks {
            Marks::Property(p) => hashes(chunk.property(*p))?,
            _ => Vec::new(),
        };
        let mut selectors = vec![hits.clone()];
        if let Marks::Events(starts, ends) = marks {
            selectors.extend([ends.clone(), starts.clone()]);
        }
        let (sources, only) = (&mut self.sources, self.only);
        let SegmentPartial { parts, table, budget } = &mut self.partial;
        sources.next_chunk(chunk, budget)?;
        for_each_event(chunk, by, &selectors, plan.remap, tick, |row, subject, mask| {
            let event = chunk.event(row);
            if mask & 1 == 0 || plan.excludes(event) || !only.has(subject) {
                return Ok(());
            }
            let value = match marks {
                Marks::Property(p) => match value_hash(chunk.property(*p), &hashes, row) {
                    Some(h) => h,
                    None => return Ok(()),
                },
                _ => 0,
            };
            let mut carries = 0;
            if !sources.is_empty() {
                let user = chunk.user.get(row).copied().unwrap_or(0);
                let at = carried::Row {
                    chunk,
                    row,
                    user: canonical(plan.remap, USER, user),
                    subject,
                };
                let tuple = sources.tuple(at, table, budget)?;
                carries = table.tag(ALL, tuple, budget)?;
            }
            let event = Event {
                subject,
                tag: ranks.rank(event)? << 2 | (mask >> 1) as u32 & (ENDS | STARTS),
                time: chunk.time.get(row).copied().unwrap_or(0),
                value,
                carries,
            };
            match parts.get_mut(partition(subject)) {
                Some(pages) => put(pages, event, budget),
                None => Ok(()),
            }
        })
    }

    /// What was gathered.
    pub fn finish(self) -> SegmentPartial {
        self.partial
    }
}

impl SegmentPartial {
    fn new(question: &Segmented) -> Result<Self> {
        let mut budget = Budget::new(question.plan.memory_limit);
        Ok(SegmentPartial {
            parts: vec![Vec::new(); PARTITIONS],
            table: Table::new(question.carried().len(), 1, &mut budget)?,
            budget,
        })
    }

    /// Both together, in any order.
    pub fn merge(mut self, mut other: SegmentPartial, question: &Segmented) -> Result<SegmentPartial> {
        self.budget.set_limit(question.plan.memory_limit);
        if self.table.sources() != other.table.sources() {
            return Err(Error::corrupt("partial: of other sessions"));
        }
        let ours = self.table.absorb(&other.table, &mut self.budget)?;
        for (into, from) in self.parts.iter_mut().zip(&mut other.parts) {
            for mut page in std::mem::take(from) {
                for e in &mut page {
                    e.carries = ours.get(e.carries as usize).copied().unwrap_or(0);
                }
                self.budget.take(page.capacity() * size_of::<Event>())?;
                // Pages that are not full may lie among full ones.
                push_within(into, page, &mut self.budget)?;
            }
        }
        Ok(self)
    }

    /// Bytes for another process.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let n = self.parts.iter().flatten().map(Vec::len).sum::<usize>();
        let mut w = Writer::new(Tag::SessionSegments, n * 28)?;
        self.table.encode(&mut w)?;
        w.len(n)?;
        for e in self.parts.iter().flatten().flatten() {
            w.u32(e.subject)?;
            w.u32(e.tag)?;
            w.u64(e.time as u64)?;
            w.u64(e.value)?;
            w.u32(e.carries)?;
        }
        w.finish()
    }

    /// Reads what `encode` wrote for the same question.
    pub fn decode(bytes: &[u8], question: &Segmented) -> Result<SegmentPartial> {
        let mut r = Reader::new(Tag::SessionSegments, bytes)?;
        let mut p = SegmentPartial::new(question)?;
        p.table = Table::decode(&mut r, p.table.sources(), 1, &mut p.budget)?;
        for _ in 0..r.len(28)? {
            let event = Event {
                subject: r.u32()?,
                tag: r.u32()?,
                time: r.u64()? as i64,
                value: r.u64()?,
                carries: r.u32()?,
            };
            if event.carries as usize >= p.table.len() || event.tag >> 2 >= question.ranks.len() as u32 {
                return Err(Error::corrupt("partial: not events of these sessions"));
            }
            if let Some(pages) = p.parts.get_mut(partition(event.subject)) {
                put(pages, event, &mut p.budget)?;
            }
        }
        r.finish()?;
        Ok(p)
    }
}
