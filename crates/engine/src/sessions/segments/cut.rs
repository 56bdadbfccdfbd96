//! Cuts the events of subjects into sessions, partition by partition on threads, and counts them by segment and bucket.

use super::super::events::{ENDS, STARTS};
use super::super::segment_members::{Own, position};
use super::super::{Cell, Mode, Row};
use super::counts::{SegmentCounts, show_segments};
use super::{Event, Feature, SegmentPartial, Segmented};
use crate::breakdown::{MAX_DIMENSIONS, Shape, texts_of};
use crate::chunk::ProfileColumn;
use crate::error::{Error, Result, try_vec};
use crate::funnel::carried::{self, Table};
use crate::gather::{BucketFinder, Budget, push_within};
use crate::parallel::{PerThread, Workers};
use crate::tick::{EVERY, Tick};
use crate::value::Value;
use rustc_hash::FxHashMap;
use std::sync::{Mutex, PoisonError};

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
