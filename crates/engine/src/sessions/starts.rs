//! When the sessions of every subject began, which tells the session of any event: for reports that count sessions, or look
//! for things inside of one. Sessions by inactivity, of the whole days of a plan's range.

use super::{Mode, Plan};
use crate::chunk::{Chunk, Hits, Kind, SubjectNo};
use crate::error::{Error, Result};
use crate::gather::{BucketFinder, Budget, pack, push_within, time_of, try_for_each_subject, zeroed};
use crate::mask::Mask;
use crate::parallel::Workers;
use crate::postings::Postings;
use crate::stream::{Columns, FIRST, PART_BITS, Part};
use crate::tick::{EVERY, Tick};
use crate::time::Span64;

/// The usual inactivity that ends a session, milliseconds.
pub const USUAL_TIMEOUT: i64 = 30 * 60 * 1000;

/// The sessions of all subjects, numbered from 1 by subject and time.
#[derive(Debug, Clone, PartialEq)]
pub struct Starts {
    /// Where the sessions of each subject begin in `at`; they end where those of the next begin.
    offsets: Vec<u32>,
    at: Vec<i64>,
    /// By event number: events that are in no session.
    excluded: Vec<bool>,
    range: Span64,
}

/// Sessions that were found, in any order of subjects.
#[derive(Debug, Clone)]
pub struct Found {
    subjects: Vec<SubjectNo>,
    at: Vec<i64>,
    budget: Budget,
}

impl Found {
    fn new(limit: usize) -> Self {
        Found {
            subjects: Vec::new(),
            at: Vec::new(),
            budget: Budget::new(limit),
        }
    }

    #[inline]
    fn push(&mut self, subject: SubjectNo, at: i64) -> Result<()> {
        push_within(&mut self.subjects, subject, &mut self.budget)?;
        push_within(&mut self.at, at, &mut self.budget)
    }
}

fn timeout(plan: &Plan) -> Result<i64> {
    match plan.mode {
        Mode::Timeout(t) => Ok(t),
        _ => Err(Error::param("sessions inside of a report are those by inactivity")),
    }
}

/// Finds the sessions of users along the user-major stream, its parts in any order.
pub struct StreamStarts<'p> {
    plan: &'p Plan<'p>,
    timeout: i64,
    found: Found,
}

impl<'p> StreamStarts<'p> {
    /// Nothing yet.
    pub fn new(plan: &'p Plan) -> Result<Self> {
        Ok(StreamStarts {
            plan,
            timeout: timeout(plan)?,
            found: Found::new(plan.memory_limit),
        })
    }

    /// What it reads of a part.
    pub fn columns(&self) -> Columns {
        Columns {
            users: true,
            times: true,
            events: self.plan.excluded.iter().any(|x| *x),
        }
    }

    /// Takes part `number` of a day that begins at `day_start`.
    pub fn push(&mut self, number: u32, day_start: i64, part: &Part, tick: &mut dyn Tick) -> Result<()> {
        let mut times = part.times.iter();
        let mut events = part.events.iter();
        let mut since = EVERY;
        for (user, length) in part.users.iter().zip(&part.lengths) {
            if since >= EVERY {
                since = 0;
                tick.tick()?;
            }
            since += *length as usize;
            let (mut at, mut last) = (day_start, None);
            for step in times.by_ref().take(*length as usize) {
                at += i64::from(step & !FIRST);
                if events.next().is_some_and(|e| self.plan.excludes(*e)) {
                    continue;
                }
                if last.is_none_or(|l: i64| at - l > self.timeout) {
                    self.found.push(number << PART_BITS | user, at)?;
                }
                last = Some(at);
            }
        }
        Ok(())
    }

    /// What was found.
    pub fn finish(self) -> Found {
        self.found
    }
}

/// Gathers the events of subjects of any kind, in any order.
pub struct EventStarts<'p> {
    plan: &'p Plan<'p>,
    by: Kind,
    postings: Postings,
    budget: Budget,
}

impl<'p> EventStarts<'p> {
    /// Nothing yet.
    pub fn new(plan: &'p Plan, by: Kind) -> Result<Self> {
        timeout(plan)?;
        Ok(EventStarts {
            plan,
            by,
            postings: Postings::default(),
            budget: Budget::new(plan.memory_limit),
        })
    }

    /// Takes the rows of a chunk that count.
    pub fn push(&mut self, chunk: &Chunk, keep: &Mask, tick: &mut dyn Tick) -> Result<()> {
        let (plan, postings, budget) = (self.plan, &mut self.postings, &mut self.budget);
        let hits = Hits::rows(keep.clone());
        try_for_each_subject(chunk, self.by, &hits, plan.remap, tick, |row, no| {
            match chunk.time.get(row) {
                Some(t) if !plan.excludes(chunk.event(row)) => postings.push(no, pack(*t, 0)?, budget),
                _ => Ok(()),
            }
        })
    }

    /// Cuts what several gathered into sessions.
    pub fn finish(all: Vec<Self>, workers: &Workers, tick: &mut dyn Tick) -> Result<Vec<Found>> {
        let mut all = all.into_iter();
        let Some(mut one) = all.next() else {
            return Ok(Vec::new());
        };
        for other in all {
            one.postings.append(other.postings, &mut one.budget)?;
        }
        let (plan, timeout) = (one.plan, timeout(one.plan)?);
        let more = plan.memory_limit.saturating_sub(one.budget.used());
        let make = || Ok(Found::new(more));
        one.postings.walk(
            workers,
            |_| true,
            more,
            tick,
            make,
            |found, no, events| {
                let mut days = BucketFinder::new(&plan.days, plan.buckets.range);
                let mut last: Option<(usize, i64)> = None;
                for event in events {
                    let t = time_of(*event);
                    let Some(day) = days.of(t) else { continue };
                    if last.is_none_or(|(d, l)| d != day || t - l > timeout) {
                        found.push(no, t)?;
                    }
                    last = Some((day, t));
                }
                Ok(())
            },
        )
    }
}

impl Starts {
    /// From what was found, each session once.
    pub fn new(plan: &Plan, found: Vec<Found>, tick: &mut dyn Tick) -> Result<Self> {
        let mut budget = Budget::new(plan.memory_limit);
        budget.take(found.iter().map(|f| f.budget.used()).sum())?;
        let sessions: usize = found.iter().map(|f| f.at.len()).sum();
        u32::try_from(sessions)
            .ok()
            .filter(|n| *n < u32::MAX)
            .ok_or_else(|| Error::Limit {
                message: "too many sessions".into(),
                hint: Some("Ask for a shorter range.".into()),
            })?;
        let subjects = found
            .iter()
            .flat_map(|f| &f.subjects)
            .max()
            .map_or(0, |s| *s as usize + 1);
        // First how many each subject has, then where they end, and as they are put in place, from the end, where they begin.
        let mut offsets: Vec<u32> = zeroed(subjects + 1, &mut budget)?;
        for f in &found {
            for part in f.subjects.chunks(EVERY) {
                tick.tick()?;
                for s in part {
                    if let Some(n) = offsets.get_mut(*s as usize) {
                        *n += 1;
                    }
                }
            }
        }
        let mut sum = 0;
        for n in &mut offsets {
            sum += *n;
            *n = sum;
        }
        let mut at: Vec<i64> = zeroed(sessions, &mut budget)?;
        for f in found {
            for (subjects, times) in f.subjects.chunks(EVERY).zip(f.at.chunks(EVERY)) {
                tick.tick()?;
                for (s, t) in subjects.iter().zip(times) {
                    if let Some(n) = offsets.get_mut(*s as usize) {
                        *n = n.saturating_sub(1);
                        if let Some(slot) = at.get_mut(*n as usize) {
                            *slot = *t;
                        }
                    }
                }
            }
        }
        for (i, (from, to)) in offsets.iter().zip(offsets.iter().skip(1)).enumerate() {
            if i % EVERY == 0 {
                tick.tick()?;
            }
            if let Some(own) = at.get_mut(*from as usize..*to as usize)
                && own.len() > 1
            {
                own.sort_unstable();
            }
        }
        Ok(Starts {
            offsets,
            at,
            excluded: plan.excluded.clone(),
            range: plan.buckets.range,
        })
    }

    /// Number of sessions, and the greatest number of one.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// True when an event is in no session, whenever it happens.
    #[inline]
    pub fn excludes(&self, event: u32) -> bool {
        self.excluded.get(event as usize).copied().unwrap_or(false)
    }

    /// The session of an event of a subject, as it is counted after identity merges; 0 when it is in none.
    #[inline]
    pub fn of(&self, event: u32, subject: SubjectNo, t: i64) -> u32 {
        if t < self.range.from || t >= self.range.to || self.excludes(event) {
            return 0;
        }
        let place = |s: usize| self.offsets.get(s).copied();
        let (Some(from), Some(to)) = (place(subject as usize), place(subject as usize + 1)) else {
            return 0;
        };
        let own = self.at.get(from as usize..to as usize).unwrap_or(&[]);
        match own.partition_point(|start| *start <= t) as u32 {
            0 => 0,
            n => from + n,
        }
    }

    /// Whose session it is; 0 for none.
    pub fn owner(&self, session: u32) -> SubjectNo {
        if session == 0 || session as usize > self.at.len() {
            return 0;
        }
        // The last subject whose sessions begin before it.
        let after = self.offsets.partition_point(|from| *from < session);
        after.saturating_sub(1) as SubjectNo
    }
}
