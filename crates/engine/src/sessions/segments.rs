//! Sessions by segment: broken down by what was done in them, by who did it, and by what they are themselves.
//!
//! Events are gathered with the values they carry, spread over partitions by subject, sorted and cut into sessions. A session
//! takes a property of its events from the first one that has it when inactivity ends sessions, else from the one that began
//! it. Where that is a list the session is in the segment of each element, and once in the rest.

use super::events::{ENDS, Marks, STARTS, hashes, value_hash};
use super::segment_members::{Own, position};
use super::{Cell, Mode, Plan, Row, of_bucket};
use crate::breakdown::{Dimension, MAX_DIMENSIONS, MAX_SEGMENTS, OTHER, Segments, Shape, texts_of};
use crate::chunk::{Chunk, Hits, Kind, ProfileColumn, SubjectNo, USER};
use crate::error::{Error, Result, try_vec};
use crate::funnel::carried::{self, Sources, Table, is_of_subject};
use crate::gather::{BucketFinder, Budget, canonical, for_each_event, push_within};
use crate::insights::Combinations;
use crate::parallel::{PerThread, Workers};
use crate::partial::{Reader, Tag, Writer};
use crate::postings::Part;
use crate::stream::Ranks;
use crate::tick::{EVERY, Tick};
use crate::value::Value;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::sync::{Arc, Mutex, PoisonError};

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

/// Where a feature's values are.
enum Place<'q> {
    Carried(usize),
    Subject(&'q ProfileColumn, Vec<u32>),
    Duration(Option<&'q Shape>),
    Events(Option<&'q Shape>),
    StartEvent,
    EndEvent,
}

/// What all threads share.
struct Prepared<'q> {
    question: &'q Segmented<'q>,
    /// The bucket whose sessions are kept.
    whose: Option<u32>,
    table: Table,
    /// Tuple of each number that events carry.
    tuples: Vec<u32>,
    places: Vec<Place<'q>>,
}

fn places<'q>(question: &'q Segmented, table: &mut Table, budget: &mut Budget) -> Result<Vec<Place<'q>>> {
    let (mut places, mut carried) = (Vec::new(), 0);
    for f in &question.features {
        places.push(match f {
            Feature::Duration(shape) => Place::Duration(shape.as_ref()),
            Feature::Events(shape) => Place::Events(shape.as_ref()),
            Feature::StartEvent => Place::StartEvent,
            Feature::EndEvent => Place::EndEvent,
            Feature::Of(d) => match carried::column_of_subject(d, question.by) {
                Some((column, shape)) => Place::Subject(column, carried::codes(column, shape, table, budget)?),
                None => {
                    carried += 1;
                    Place::Carried(carried - 1)
                }
            },
        });
    }
    Ok(places)
}

/// Cuts the events of one subject after another into sessions and counts them by line, that is a segment or several, and
/// bucket.
struct Walker<'w> {
    p: &'w Prepared<'w>,
    /// Line of the values of features.
    known: FxHashMap<[u64; MAX_DIMENSIONS], u32>,
    counts: SegmentCounts,
}

impl Walker<'_> {
    fn subject(&mut self, events: &[Event]) -> Result<()> {
        let plan = self.p.question.plan;
        let mut days = BucketFinder::new(&plan.days, plan.buckets.range);
        // Where the open session begins, its day, and when its last event was.
        let mut open: Option<(usize, usize, i64)> = None;
        for (i, e) in events.iter().enumerate() {
            let Some(day) = days.of(e.time) else { continue };
            if let Some((from, of_day, last)) = open {
                let ended = of_day != day
                    || match plan.mode {
                        Mode::Timeout(gap) => e.time - last > gap,
                        Mode::Property => events.get(from).is_none_or(|f| f.value != e.value),
                        Mode::Events => false,
                    };
                if ended {
                    self.session(events.get(from..i).unwrap_or(&[]), plan.mode != Mode::Events)?;
                    open = None;
                }
            }
            match &mut open {
                Some((from, ..)) if plan.mode == Mode::Events && e.tag & ENDS != 0 => {
                    let from = *from;
                    self.session(events.get(from..=i).unwrap_or(&[]), true)?;
                    open = None;
                }
                Some((.., last)) => *last = e.time,
                None if plan.mode != Mode::Events || e.tag & STARTS != 0 => open = Some((i, day, e.time)),
                None => {}
            }
        }
        if let Some((from, ..)) = open {
            self.session(events.get(from..).unwrap_or(&[]), plan.mode != Mode::Events)?;
        }
        Ok(())
    }

    fn session(&mut self, events: &[Event], timed: bool) -> Result<()> {
        let plan = self.p.question.plan;
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Ok(());
        };
        let duration = u32::try_from(last.time - first.time).ok().filter(|_| timed);
        let mut key = [0u64; MAX_DIMENSIONS];
        for (k, place) in key.iter_mut().zip(&self.p.places) {
            *k = match place {
                Place::Carried(at) => {
                    let code = |e: &Event| self.p.code(e, *at);
                    let mut of = events.iter().map(code);
                    u64::from(match plan.mode {
                        Mode::Timeout(_) => of.find(|c| *c != 0).unwrap_or(0),
                        _ => of.next().unwrap_or(0),
                    })
                }
                Place::Subject(column, codes) => {
                    let code = codes.get(column.code(first.subject) as usize);
                    u64::from(code.copied().unwrap_or(0))
                }
                // 0 is not set.
                Place::Duration(_) => duration.map_or(0, |d| u64::from(d) + 1),
                Place::Events(_) => events.len() as u64,
                Place::StartEvent => u64::from(first.tag >> 2),
                Place::EndEvent => u64::from(last.tag >> 2),
            };
        }
        let line = match self.known.get(&key) {
            Some(line) => *line,
            None => self.learn(key)?,
        };
        let bucket = plan.buckets.of(first.time);
        let bucket = bucket.ok_or_else(|| Error::corrupt("a session outside of the range"))?;
        let at = (line, bucket as u32);
        let counts = &mut self.counts;
        if !counts.cells.contains_key(&at) {
            counts.budget.take(size_of::<((u32, u32), Cell)>() * 2)?;
            counts
                .cells
                .try_reserve(1)
                .map_err(|_| Error::OutOfMemory("segments"))?;
        }
        let cell = counts.cells.entry(at).or_default();
        cell.sessions += 1;
        cell.events += events.len() as u64;
        if self.p.whose == Some(bucket as u32) {
            let own = Own {
                line,
                subject: first.subject,
                events: events.len() as u64,
            };
            push_within(&mut counts.owns, own, &mut counts.budget)?;
        }
        match duration {
            Some(d) => push_within(&mut cell.durations, d, &mut counts.budget),
            None => Ok(()),
        }
    }

    /// The line of values that were not met before: every combination of their texts is a segment.
    #[cold]
    fn learn(&mut self, key: [u64; MAX_DIMENSIONS]) -> Result<u32> {
        let mut tuples: Vec<[u32; MAX_DIMENSIONS]> = vec![[0; MAX_DIMENSIONS]];
        for (n, (k, place)) in key.iter().zip(&self.p.places).enumerate() {
            let mut texts: Vec<u32> = Vec::new();
            let (segments, budget) = (&mut self.counts.segments, &mut self.counts.budget);
            let mut add = |text: &str| {
                let n = segments.text(text, budget)?;
                push_within(&mut texts, n, budget)
            };
            let number = |n: f64, shape: &Option<&Shape>| (Some(Value::number(n)), shape.map(Clone::clone));
            let (value, shape) = match place {
                Place::Carried(_) | Place::Subject(..) => (self.p.table.value(*k as u32).cloned(), None),
                Place::Duration(shape) if *k == 0 => (None, shape.cloned()),
                Place::Duration(shape) => number((*k - 1) as f64 / 1000.0, shape),
                Place::Events(shape) => number(*k as f64, shape),
                Place::StartEvent | Place::EndEvent => {
                    let name = self.p.question.names.get(*k as usize);
                    (name.map(|n| Value::str(n.as_str())), None)
                }
            };
            match shape {
                Some(shape) => shape.texts_of(value.as_ref(), &mut add)?,
                None => texts_of(value.as_ref(), &mut add)?,
            }
            texts.sort_unstable();
            texts.dedup();
            let mut longer = Vec::new();
            for tuple in &tuples {
                for text in &texts {
                    let mut t = *tuple;
                    if let Some(place) = t.get_mut(n) {
                        *place = *text;
                    }
                    push_within(&mut longer, t, &mut self.counts.budget)?;
                }
            }
            tuples = longer;
        }
        let SegmentCounts {
            segments: known,
            combinations,
            budget,
            ..
        } = &mut self.counts;
        let mut segments: Vec<u32> = Vec::new();
        for t in tuples {
            let n = known.segment(t, budget)?;
            push_within(&mut segments, n, budget)?;
        }
        let line = combinations.line(&mut segments, budget)?;
        budget.take(64)?;
        self.known.try_reserve(1).map_err(|_| Error::OutOfMemory("segments"))?;
        self.known.insert(key, line);
        Ok(line)
    }
}

impl Prepared<'_> {
    #[inline]
    fn code(&self, e: &Event, at: usize) -> u32 {
        let tuple = self.tuples.get(e.carries as usize).copied().unwrap_or(0);
        self.table.tuple(tuple).get(at).copied().unwrap_or(0)
    }
}

/// What was counted of some subjects.
#[derive(Debug)]
pub struct SegmentCounts {
    pub(super) segments: Segments,
    pub(super) combinations: Combinations,
    /// By line and bucket.
    cells: FxHashMap<(u32, u32), Cell>,
    /// The sessions of one bucket, in any order, where somebody asks whose they are.
    pub(super) owns: Vec<Own>,
    pub(super) budget: Budget,
}

impl SegmentCounts {
    fn new(question: &Segmented, limit: usize) -> Self {
        SegmentCounts {
            segments: Segments::new(question.features.len()),
            combinations: Combinations::default(),
            cells: FxHashMap::default(),
            owns: Vec::new(),
            budget: Budget::new(limit),
        }
    }

    /// Both together, in any order: of different subjects.
    pub fn merge(mut self, other: SegmentCounts) -> Result<SegmentCounts> {
        self.absorb(other)?;
        Ok(self)
    }

    fn absorb(&mut self, other: SegmentCounts) -> Result<()> {
        let budget = &mut self.budget;
        let segments = self.segments.absorb(&other.segments, budget)?;
        let sets = self.combinations.absorb(&other.combinations, &segments, budget)?;
        let ours = |line: u32| match line.checked_sub(MAX_SEGMENTS) {
            None => segments.get(line as usize).copied().unwrap_or(0),
            Some(n) => sets.get(n as usize).copied().unwrap_or(0),
        };
        for own in other.owns {
            let line = ours(own.line);
            push_within(&mut self.owns, Own { line, ..own }, budget)?;
        }
        for ((line, bucket), cell) in other.cells {
            let line = ours(line);
            if !self.cells.contains_key(&(line, bucket)) {
                budget.take(size_of::<((u32, u32), Cell)>() * 2)?;
                self.cells.try_reserve(1).map_err(|_| Error::OutOfMemory("segments"))?;
            }
            add(self.cells.entry((line, bucket)).or_default(), &cell, budget)?;
        }
        Ok(())
    }
}

fn add(into: &mut Cell, from: &Cell, budget: &mut Budget) -> Result<()> {
    into.sessions += from.sessions;
    into.events += from.events;
    super::extend(&mut into.durations, &from.durations, budget)
}

/// One row per segment and bucket; segments by the number of sessions, ties by text, the rest as `$other` last.
pub fn finish_segments(
    question: &Segmented,
    partial: SegmentPartial,
    workers: &Workers,
    tick: &mut dyn Tick,
) -> Result<Vec<Row>> {
    show_segments(question, count_segments(question, partial, workers, tick)?, tick)
}

/// Cuts the events of every subject into sessions and counts them, on threads.
pub fn count_segments(
    question: &Segmented,
    mut partial: SegmentPartial,
    workers: &Workers,
    tick: &mut dyn Tick,
) -> Result<SegmentCounts> {
    let plan = question.plan;
    let mut budget = std::mem::replace(&mut partial.budget, Budget::new(0));
    budget.set_limit(plan.memory_limit);
    let places = places(question, &mut partial.table, &mut budget)?;
    let order = partial.table.canonical()?;
    let mut numbers: Vec<u32> = crate::gather::zeroed(order.len(), &mut budget)?;
    let mut tuples: Vec<u32> = try_vec(order.len(), "values of sessions")?;
    for (new, old) in order.iter().enumerate() {
        tuples.push(partial.table.combo(*old as usize).1);
        if let Some(n) = numbers.get_mut(*old as usize) {
            *n = new as u32;
        }
    }
    let prepared = Prepared {
        question,
        whose: question.whose.map(|label| position(question, label)).transpose()?,
        table: partial.table,
        tuples,
        places,
    };
    let more = budget.limit().saturating_sub(budget.used());
    let rows = partial.parts.iter().flatten().map(Vec::len).sum();
    let parts: Vec<Mutex<Vec<Vec<Event>>>> = partial.parts.into_iter().map(Mutex::new).collect();
    let states = PerThread::new(workers);
    let make = || {
        Ok(Walker {
            p: &prepared,
            known: FxHashMap::default(),
            counts: SegmentCounts::new(question, more),
        })
    };
    workers.each(parts.len(), rows, tick, &|thread, item, tick| {
        let Some(part) = parts.get(item) else { return Ok(()) };
        let pages = std::mem::take(&mut *part.lock().unwrap_or_else(PoisonError::into_inner));
        let n = pages.iter().map(Vec::len).sum::<usize>();
        states.with(thread, make, |walker: &mut Walker| {
            walker.counts.budget.take(n * size_of::<Event>())?;
            let mut events: Vec<Event> = try_vec(n, "sessions")?;
            for page in pages {
                tick.tick()?;
                events.extend(page.into_iter().map(|e| Event {
                    carries: numbers.get(e.carries as usize).copied().unwrap_or(0),
                    ..e
                }));
            }
            events.sort_unstable_by_key(|e| (e.subject, e.time, e.tag, e.value, e.carries));
            let mut since = EVERY;
            for own in events.chunk_by(|a, b| a.subject == b.subject) {
                if since >= EVERY {
                    since = 0;
                    tick.tick()?;
                }
                since += own.len();
                walker.subject(own)?;
            }
            walker.counts.budget.give(n * size_of::<Event>());
            Ok(())
        })
    })?;
    let mut counts = SegmentCounts::new(question, plan.memory_limit);
    for w in states.into_states() {
        counts.absorb(w.counts)?;
    }
    Ok(counts)
}

/// Segments as the lines of an answer.
pub(super) struct Shown {
    /// Those that are shown, best first.
    pub order: Vec<usize>,
    /// The line of each segment; the rest shares the one after those that are shown.
    pub line_of: Vec<u32>,
}

/// Which segments are shown: by the number of sessions, ties by text.
pub(super) fn shown(question: &Segmented, counted: &mut SegmentCounts, tick: &mut dyn Tick) -> Result<Shown> {
    let all = counted.segments.len();
    let mut score: Vec<u64> = crate::gather::zeroed(all, &mut counted.budget)?;
    for (i, ((line, _), cell)) in counted.cells.iter().enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        for s in counted.combinations.members(line) {
            if let Some(n) = score.get_mut(*s as usize) {
                *n += cell.sessions;
            }
        }
    }
    let texts = |s: usize| counted.segments.texts(s);
    let points = |s: usize| Reverse(score.get(s).copied().unwrap_or(0));
    let mut order: Vec<usize> = try_vec(all, "segments")?;
    order.extend((0..all).filter(|s| texts(*s).any(|t| **t != *OTHER)));
    order.sort_unstable_by(|a, b| points(*a).cmp(&points(*b)).then_with(|| texts(*a).cmp(texts(*b))));
    order.truncate(question.top);
    let mut line_of: Vec<u32> = crate::gather::zeroed(all, &mut counted.budget)?;
    line_of.fill(order.len() as u32);
    for (n, s) in order.iter().enumerate() {
        if let Some(l) = line_of.get_mut(*s) {
            *l = n as u32;
        }
    }
    Ok(Shown { order, line_of })
}

/// The segments to show become rows.
pub fn show_segments(question: &Segmented, mut counted: SegmentCounts, tick: &mut dyn Tick) -> Result<Vec<Row>> {
    let plan = question.plan;
    let Shown { order, line_of } = shown(question, &mut counted, tick)?;
    let mut budget = std::mem::replace(&mut counted.budget, Budget::new(0));
    let budget = &mut budget;
    let all = counted.segments.len();
    let texts = |s: usize| counted.segments.texts(s);
    let rest = order.len();
    let lines = rest + usize::from(rest < all);
    let buckets = plan.buckets.len();
    if lines.saturating_mul(buckets).saturating_mul(size_of::<Row>()) > plan.memory_limit {
        return Err(Error::Limit {
            message: "the report has too many rows".into(),
            hint: Some("Use a larger unit, a shorter range, or a smaller \"top\".".into()),
        });
    }
    budget.take(lines.saturating_mul(buckets).saturating_mul(size_of::<Cell>()))?;
    let mut cells: Vec<Cell> = try_vec(lines.saturating_mul(buckets), "sessions")?;
    cells.resize(lines.saturating_mul(buckets), Cell::default());
    for (i, ((line, bucket), cell)) in counted.cells.iter().enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        let mut in_rest = false;
        for s in counted.combinations.members(line) {
            let line = line_of.get(*s as usize).copied().unwrap_or(rest as u32) as usize;
            if line == rest && std::mem::replace(&mut in_rest, true) {
                continue;
            }
            if let Some(into) = cells.get_mut(line * buckets + *bucket as usize) {
                add(into, cell, budget)?;
            }
        }
    }
    let mut rows = try_vec(cells.len(), "sessions")?;
    for (line, of_line) in cells.chunks_mut(buckets.max(1)).enumerate() {
        let segment: Arc<[String]> = match order.get(line) {
            Some(s) => texts(*s).map(|t| t.to_string()).collect(),
            None => question.features.iter().map(|_| OTHER.to_string()).collect(),
        };
        for (cell, bucket) in of_line.iter_mut().zip(&plan.buckets.labels) {
            tick.tick()?;
            rows.push(Row {
                segment: segment.clone(),
                ..of_bucket(cell, *bucket)
            });
        }
    }
    Ok(rows)
}
