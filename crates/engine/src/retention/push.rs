//! From chunks to births and returns: what cannot change the answer is left out as early as possible.
//!
//! Of one subject's births in one calendar unit only the first counts, and with calendar buckets the last of its returns in
//! a unit says all: that there was one, and whether it came after a birth in the same unit.

use super::{Alignment, BORN, Births, Criterion, Plan, RETURNED};
use crate::chunk::{Chunk, Hits, SubjectNo, USER};
use crate::error::Result;
use crate::gather::{BucketFinder, Budget, for_each_event, grow_within, pack, tag_of, time_of};
use crate::postings::Postings;
use crate::tick::{EVERY, Tick};
use crate::time::Span64;

/// Subjects up to here get a place of their own in arrays by number.
const MOST_PLACES: usize = 1 << 22;

/// What a subject did in one calendar unit. Nothing: `first > last` and no return.
#[derive(Debug, Clone, Copy)]
struct Place {
    first_birth: i64,
    last_return: i64,
    /// One of the events at `first_birth` is a return as well.
    both: bool,
}

const NOTHING: Place = Place {
    first_birth: i64::MAX,
    last_return: i64::MIN,
    both: false,
};

/// Arrays by subject, kept from chunk to chunk.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    of: Vec<Place>,
    touched: Vec<SubjectNo>,
    /// When each user was first born, where only that counts.
    first: Vec<i64>,
}

/// Which parts of an event count.
struct Tags<'a> {
    born: &'a Hits,
    returned: &'a Hits,
    births: Span64,
    returns: Span64,
    all: (bool, bool),
}

impl Tags<'_> {
    #[inline]
    fn of(&self, row: usize, t: i64) -> u32 {
        let inside = |span: Span64| t >= span.from && t < span.to;
        let born = (self.all.0 || self.born.rows.get(row)) && inside(self.births);
        let returned = (self.all.1 || self.returned.rows.get(row)) && inside(self.returns);
        (u32::from(born) * BORN) | (u32::from(returned) * RETURNED)
    }
}

/// Adds the events of a chunk.
pub(super) fn push(
    plan: &Plan,
    postings: &mut Postings,
    places: &mut Places,
    chunk: &Chunk,
    (born, returned): (&Hits, &Hits),
    budget: &mut Budget,
    tick: &mut dyn Tick,
) -> Result<()> {
    let (births, returns) = plan.reads();
    let any = |h: &Hits| h.rows.any() || h.more.is_some();
    if !any(born) && !any(returned) {
        return Ok(());
    }
    let tags = Tags {
        born,
        returned,
        births,
        returns,
        all: (born.rows.is_all(), returned.rows.is_all()),
    };
    let mut sink = Sink::new(plan, returns, postings, budget);
    let whole_rows = born.more.is_none() && returned.more.is_none();
    let first_births = plan.births == Births::First && plan.criterion != Criterion::Streak;
    if first_births
        && whole_rows
        && plan.by == USER
        && plan.remap.is_none()
        && let most = chunk.user.iter().max().copied().unwrap_or(0)
        && let Some(first) = places.first_births(most, sink.budget)?
    {
        for (row, (no, t)) in chunk.user.iter().zip(&chunk.time).enumerate() {
            if row % EVERY == 0 {
                tick.tick()?;
            }
            let tag = tags.of(row, *t);
            if tag & BORN != 0
                && let Some(f) = first.get_mut(*no as usize)
            {
                *f = (*f).min(*t);
            }
            if tag & RETURNED != 0 && *no != 0 {
                sink.add(*no, *t, RETURNED)?;
            }
        }
        return Ok(());
    }
    if plan.by == USER && plan.remap.is_none() {
        for (row, (no, t)) in chunk.user.iter().zip(&chunk.time).enumerate() {
            if row % EVERY == 0 {
                tick.tick()?;
            }
            let tag = tags.of(row, *t);
            if tag != 0 && *no != 0 {
                sink.add(*no, *t, tag)?;
            }
        }
        return Ok(());
    }
    if plan.by != USER && plan.alignment == Alignment::Calendar && whole_rows {
        let Some(column) = chunk.group(plan.by) else {
            return Ok(());
        };
        let most = column.first.iter().max().copied().unwrap_or(0);
        let most = most.max(column.more.iter().map(|(_, g)| *g).max().unwrap_or(0)) as usize;
        if most < MOST_PLACES {
            places.make_room(most + 1, sink.budget)?;
            let mut unit = None;
            for (row, (no, t)) in column.first.iter().zip(&chunk.time).enumerate() {
                if row % EVERY == 0 {
                    tick.tick()?;
                }
                let tag = tags.of(row, *t);
                if tag == 0 || *no == 0 {
                    continue;
                }
                let now = sink.unit(*t);
                if unit != Some(now) {
                    places.flush(&mut sink)?;
                    unit = Some(now);
                }
                places.add(*no, *t, tag, sink.budget)?;
            }
            places.flush(&mut sink)?;
            // Lists are rare: their further groups are not worth a place.
            for (i, (row, no)) in column.more.iter().enumerate() {
                if i % EVERY == 0 {
                    tick.tick()?;
                }
                let Some(t) = chunk.time.get(*row as usize) else {
                    continue;
                };
                let tag = tags.of(*row as usize, *t);
                if tag != 0 {
                    sink.postings.push(*no, pack(*t, tag)?, sink.budget)?;
                }
            }
            return Ok(());
        }
    }
    let hits = [born.clone(), returned.clone()];
    let inside = |span: Span64, t: i64| t >= span.from && t < span.to;
    for_each_event(chunk, plan.by, &hits, plan.remap, tick, |row, no, mask| {
        let Some(&t) = chunk.time.get(row) else { return Ok(()) };
        let born = mask & 1 != 0 && inside(births, t);
        let returned = mask & 2 != 0 && inside(returns, t);
        match (u32::from(born) * BORN) | (u32::from(returned) * RETURNED) {
            0 => Ok(()),
            tag => sink.add(no, t, tag),
        }
    })
}

impl Places {
    /// Room for the first births of users up to `most`, unless there are too many.
    fn first_births(&mut self, most: SubjectNo, budget: &mut Budget) -> Result<Option<&mut [i64]>> {
        let n = most as usize + 1;
        if n > MOST_PLACES {
            return Ok(None);
        }
        if self.first.len() < n {
            let room = n.next_power_of_two();
            let more = room - self.first.len();
            grow_within(&mut self.first, more, budget)?;
            self.first.resize(room, i64::MAX);
        }
        Ok(Some(&mut self.first))
    }

    /// Adds the first births, once all chunks are read.
    pub(super) fn finish(&mut self, postings: &mut Postings, budget: &mut Budget) -> Result<()> {
        for (no, t) in self.first.iter().enumerate().skip(1).filter(|(_, t)| **t != i64::MAX) {
            postings.push(no as SubjectNo, pack(*t, BORN)?, budget)?;
        }
        self.first.clear();
        Ok(())
    }

    fn make_room(&mut self, n: usize, budget: &mut Budget) -> Result<()> {
        if self.of.len() < n {
            let more = n.next_power_of_two().saturating_sub(self.of.len());
            grow_within(&mut self.of, more, budget)?;
            self.of.resize(n.next_power_of_two(), NOTHING);
        }
        Ok(())
    }

    #[inline]
    fn add(&mut self, no: SubjectNo, t: i64, tag: u32, budget: &mut Budget) -> Result<()> {
        let Some(p) = self.of.get_mut(no as usize) else {
            return Ok(());
        };
        if p.first_birth == i64::MAX && p.last_return == i64::MIN {
            crate::gather::push_within(&mut self.touched, no, budget)?;
        }
        if tag & BORN != 0 && t <= p.first_birth {
            let both = tag & RETURNED != 0;
            p.both = if t < p.first_birth { both } else { p.both | both };
            p.first_birth = t;
        }
        if tag & RETURNED != 0 {
            p.last_return = p.last_return.max(t);
        }
        Ok(())
    }

    /// Hands on what a unit had.
    fn flush(&mut self, sink: &mut Sink) -> Result<()> {
        for no in self.touched.drain(..) {
            let Some(p) = self.of.get_mut(no as usize) else {
                continue;
            };
            let Place {
                first_birth,
                last_return,
                both,
            } = std::mem::replace(p, NOTHING);
            if first_birth != i64::MAX {
                let tag = if both { BORN | RETURNED } else { BORN };
                sink.postings.push(no, pack(first_birth, tag)?, sink.budget)?;
            }
            if last_return != i64::MIN && !(both && last_return == first_birth) {
                sink.postings.push(no, pack(last_return, RETURNED)?, sink.budget)?;
            }
        }
        Ok(())
    }
}

/// Postings that take no event which the one before makes superfluous.
struct Sink<'s, 'p> {
    plan: &'p Plan<'p>,
    postings: &'s mut Postings,
    budget: &'s mut Budget,
    units: BucketFinder<'p>,
    cohorts: BucketFinder<'p>,
    /// The subject of the events below.
    no: SubjectNo,
    /// The cohort and time of the last birth added.
    birth: Option<(Option<usize>, i64)>,
}

impl<'s, 'p> Sink<'s, 'p> {
    fn new(plan: &'p Plan<'p>, returns: Span64, postings: &'s mut Postings, budget: &'s mut Budget) -> Self {
        let from = plan.edges.first().copied().unwrap_or(0);
        Sink {
            plan,
            postings,
            budget,
            units: BucketFinder::new(&plan.edges, Span64 { from, to: returns.to }),
            cohorts: BucketFinder::new(&plan.cohorts.starts, plan.cohorts.range),
            no: 0,
            birth: None,
        }
    }

    #[inline]
    fn unit(&mut self, t: i64) -> Option<usize> {
        self.units.of(t)
    }

    fn same_unit(&mut self, a: i64, b: i64) -> bool {
        match (self.plan.criterion, self.plan.alignment) {
            (Criterion::OnOrAfter, _) => true,
            (_, Alignment::Calendar) => self.unit(a).is_some() && self.unit(a) == self.unit(b),
            _ => false,
        }
    }

    #[inline]
    fn add(&mut self, no: SubjectNo, t: i64, mut tag: u32) -> Result<()> {
        if no != self.no {
            self.no = no;
            self.birth = None;
        } else if tag & BORN != 0
            && let Some((cohort, before)) = self.birth
            && before < t
            && (self.plan.births == Births::First || cohort.is_some() && cohort == self.cohorts.of(t))
        {
            tag &= !BORN;
        }
        match tag {
            0 => return Ok(()),
            RETURNED => {
                if let Some((last_no, last)) = self.postings.last_mut()
                    && last_no == no
                    && tag_of(*last) == RETURNED
                {
                    let (before, entry) = (*last, pack(t, RETURNED)?);
                    if self.same_unit(time_of(before), t) {
                        if let Some((_, last)) = self.postings.last_mut() {
                            *last = before.max(entry);
                        }
                        return Ok(());
                    }
                }
            }
            _ => self.birth = Some((self.cohorts.of(t), t)),
        }
        self.postings.push(no, pack(t, tag)?, self.budget)
    }
}
