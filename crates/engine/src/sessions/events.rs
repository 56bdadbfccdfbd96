//! Sessions of any kind, from events in any order.

use super::{Mode, Partial, Plan, Session};
use crate::chunk::{Chunk, Column, Hits, Kind, SubjectNo};
use crate::error::{Error, Result, try_vec};
use crate::gather::{BucketFinder, for_each_event, push_within};
use crate::stream::Ranks;
use crate::tick::{EVERY, Tick};
use crate::time::Span64;
use crate::value::Value;

/// An event of a subject. Sorted by its fields, events are in the order of the law: time, event name, and where that
/// says nothing an end before a start, and a value in the order of its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub subject: SubjectNo,
    pub time: i64,
    /// Rank of the event name, and what the event does to a session.
    pub tag: u32,
    /// Hash of the property's value.
    pub value: u64,
}

pub(super) const ENDS: u32 = 1;
pub(super) const STARTS: u32 = 2;

/// What begins and ends sessions among the rows of a chunk.
#[derive(Debug, Clone)]
pub enum Marks {
    /// Nothing but time.
    None,
    /// Start events and end events.
    Events(Hits, Hits),
    /// The number of a property.
    Property(u32),
}

/// Gathers the events of subjects of any kind.
pub struct EventKernel<'p> {
    plan: &'p Plan<'p>,
    by: Kind,
    ranks: &'p Ranks,
    partial: Partial,
}

impl<'p> EventKernel<'p> {
    /// Nothing yet.
    pub fn new(plan: &'p Plan, by: Kind, ranks: &'p Ranks) -> Result<Self> {
        if ranks.len() >= 1 << 20 {
            return Err(Error::Limit {
                message: "more than 2^20 event names".into(),
                hint: None,
            });
        }
        Ok(EventKernel {
            plan,
            by,
            ranks,
            partial: Partial::new(plan)?,
        })
    }

    /// Takes the picked rows of a chunk.
    pub fn push(&mut self, chunk: &Chunk, hits: &Hits, marks: &Marks, tick: &mut dyn Tick) -> Result<()> {
        let hashes = match marks {
            Marks::Property(p) => hashes(chunk.property(*p))?,
            _ => Vec::new(),
        };
        let mut selectors = vec![hits.clone()];
        if let Marks::Events(starts, ends) = marks {
            selectors.extend([ends.clone(), starts.clone()]);
        }
        let (plan, ranks, partial) = (self.plan, self.ranks, &mut self.partial);
        for_each_event(chunk, self.by, &selectors, plan.remap, tick, |row, subject, mask| {
            let event = chunk.event(row);
            if mask & 1 == 0 || plan.excludes(event) {
                return Ok(());
            }
            let value = match marks {
                Marks::Property(p) => match value_hash(chunk.property(*p), &hashes, row) {
                    Some(h) => h,
                    None => return Ok(()),
                },
                _ => 0,
            };
            let row = Row {
                subject,
                time: chunk.time.get(row).copied().unwrap_or(0),
                tag: ranks.rank(event)? << 2 | (mask >> 1) as u32 & (ENDS | STARTS),
                value,
            };
            push_within(&mut partial.rows, row, &mut partial.budget)
        })
    }

    /// What was gathered.
    pub fn finish(self) -> Partial {
        self.partial
    }
}

fn hash(v: &Value) -> u64 {
    crate::row::insert_hash(&v.to_json().to_string())
}

pub(super) fn hashes(column: Option<&Column>) -> Result<Vec<u64>> {
    let mut out = Vec::new();
    if let Some(Column::Dict { values, .. }) = column {
        out = try_vec(values.len(), "values of a property")?;
        out.extend(values.iter().map(|v| if *v == Value::Null { 0 } else { hash(v) }));
    }
    Ok(out)
}

pub(super) fn value_hash(column: Option<&Column>, hashes: &[u64], row: usize) -> Option<u64> {
    match column? {
        Column::Dict { codes, .. } => {
            let code = codes.get(row).copied().filter(|c| *c != 0)?;
            hashes.get(code as usize - 1).copied().filter(|h| *h != 0)
        }
        column => column.get(row).map(|v| hash(&v)),
    }
}

/// Cuts the gathered events into sessions, and counts them.
pub(super) fn walk(plan: &Plan, partial: &mut Partial, tick: &mut dyn Tick) -> Result<()> {
    let rows = std::mem::take(&mut partial.rows);
    cut(plan, rows, tick, |_, bucket, session| partial.add(bucket, session))
}

/// Sorts events and calls `f` with every session, its subject and bucket, subject by subject.
pub(super) fn cut(
    plan: &Plan,
    mut rows: Vec<Row>,
    tick: &mut dyn Tick,
    mut f: impl FnMut(SubjectNo, usize, Session) -> Result<()>,
) -> Result<()> {
    tick.tick()?;
    rows.sort_unstable();
    let buckets = &plan.buckets;
    let mut finder = BucketFinder::new(&buckets.starts, buckets.range);
    let mut days = BucketFinder::new(&plan.days, buckets.range);
    let mut cutter = Cutter::new(plan.mode);
    let mut last: Option<(SubjectNo, usize)> = None;
    let mut add = |no: SubjectNo, s: Option<Session>| match s {
        None => Ok(()),
        Some(s) => match finder.of(s.start) {
            Some(b) => f(no, b, s),
            None => Err(Error::corrupt("a session outside of the range")),
        },
    };
    for (i, row) in rows.iter().enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        let Some(day) = days.of(row.time) else { continue };
        if let Some((before, _)) = last.replace((row.subject, day)).filter(|l| *l != (row.subject, day)) {
            add(before, cutter.end())?;
        }
        add(row.subject, cutter.next(row))?;
    }
    add(last.map_or(0, |(no, _)| no), cutter.end())
}

/// The session that is open, of one subject and day.
struct Cutter {
    mode: Mode,
    open: Option<(Span64, u64, u64)>,
}

impl Cutter {
    fn new(mode: Mode) -> Self {
        Cutter { mode, open: None }
    }

    /// Takes an event; answers the session that ended before it or with it.
    fn next(&mut self, row: &Row) -> Option<Session> {
        let begins = (
            Span64 {
                from: row.time,
                to: row.time,
            },
            1,
            row.value,
        );
        let goes_on = match (self.mode, &self.open) {
            (_, None) => false,
            (Mode::Timeout(gap), Some((span, _, _))) => row.time - span.to <= gap,
            (Mode::Property, Some((_, _, value))) => *value == row.value,
            (Mode::Events, Some(_)) => true,
        };
        if let Some((span, events, _)) = self.open.as_mut().filter(|_| goes_on) {
            (span.to, *events) = (row.time, *events + 1);
            if self.mode == Mode::Events && row.tag & ENDS != 0 {
                return self.close(true);
            }
            return None;
        }
        if self.mode == Mode::Events && row.tag & STARTS == 0 {
            return None;
        }
        let ended = self.close(true);
        self.open = Some(begins);
        ended
    }

    /// Midnight, or the end of the subject's events.
    fn end(&mut self) -> Option<Session> {
        self.close(self.mode != Mode::Events)
    }

    fn close(&mut self, timed: bool) -> Option<Session> {
        let (span, events, _) = self.open.take()?;
        Some(Session {
            start: span.from,
            events,
            duration: u32::try_from(span.to - span.from).ok().filter(|_| timed),
        })
    }
}
