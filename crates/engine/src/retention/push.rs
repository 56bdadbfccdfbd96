//! From chunks to births and returns: what cannot change the answer is left out as early as possible.
//!
//! Of one subject's births in one calendar unit only the first counts, and with calendar buckets the last of its returns in
//! a unit says all: that there was one, and whether it came after a birth in the same unit.

use super::places::Places;
use super::{Alignment, BORN, Births, Criterion, Plan, RETURNED};
use crate::chunk::{Chunk, Hits, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::gather::{BucketFinder, Budget, for_each_event, pack, tag_of, time_of};
use crate::insights::runs;
use crate::postings::Postings;
use crate::tick::{EVERY, Tick};
use crate::time::Span64;
use std::ops::Range;

/// Which parts of an event count.
struct Tags<'a> {
    born: &'a Hits,
    returned: &'a Hits,
    births: Span64,
    returns: Span64,
    all: (bool, bool),
}

impl Tags<'_> {
    /// What counts of each of these rows, whose events happened from `first` to `last`; `None` = not the same of all.
    fn of_all(&self, rows: Range<usize>, first: i64, last: i64) -> Option<u32> {
        let whole = |hits: &Hits, all: bool, span: Span64| {
            if last < span.from || first >= span.to || !all && hits.rows.count_in(rows.clone()) == 0 {
                return Some(false);
            }
            (all && first >= span.from && last < span.to).then_some(true)
        };
        let born = whole(self.born, self.all.0, self.births)?;
        let returned = whole(self.returned, self.all.1, self.returns)?;
        Some((u32::from(born) * BORN) | (u32::from(returned) * RETURNED))
    }

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
    let calendar = plan.alignment == Alignment::Calendar;
    let whole_rows = born.more.is_none() && returned.more.is_none();
    let as_sent = plan.by != USER || plan.remap.is_none();
    if whole_rows && as_sent {
        let column = chunk.group(plan.by);
        let (firsts, more) = match column {
            _ if plan.by == USER => (chunk.user.as_slice(), &[][..]),
            Some(column) => (column.first.as_slice(), column.more.as_slice()),
            None => return Ok(()),
        };
        let runs = if calendar {
            runs::find(&chunk.time, &plan.units, |_| false, &mut places.runs, budget, tick)?;
            std::mem::take(&mut places.runs)
        } else {
            Vec::new()
        };
        let mut rows = WholeRows {
            tags: &tags,
            firsts,
            times: &chunk.time,
            way: places.way(plan, firsts, more, budget)?,
            places,
            sink: Sink::new(plan, returns, postings, budget),
        };
        let mut at = 0;
        for run in &runs {
            rows.add(at..run.from as usize, None, tick)?;
            rows.add(run.rows(), Some(run.bucket as usize), tick)?;
            at = run.to as usize;
        }
        rows.add(at..chunk.len(), None, tick)?;
        push_lists(more, chunk, &tags, &mut rows.sink, tick)?;
        places.runs = runs;
        return Ok(());
    }
    let mut sink = Sink::new(plan, returns, postings, budget);
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

/// How the rows of a chunk are gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// First births in an array, returns in turn.
    FirstBirths,
    /// All in arrays, unit by unit.
    ByUnit,
    /// All in turn.
    InTurn,
}

/// Rows of one subject at most, none of them merged with another.
struct WholeRows<'s, 'p> {
    tags: &'s Tags<'s>,
    firsts: &'s [SubjectNo],
    times: &'s [i64],
    way: Way,
    places: &'s mut Places,
    sink: Sink<'s, 'p>,
}

impl WholeRows<'_, '_> {
    /// Adds rows of one calendar unit, or of any.
    fn add(&mut self, rows: Range<usize>, unit: Option<usize>, tick: &mut dyn Tick) -> Result<()> {
        let (Some(firsts), Some(times)) = (self.firsts.get(rows.clone()), self.times.get(rows.clone())) else {
            return Err(Error::corrupt("retention: columns of different length"));
        };
        let (Some(a), Some(b)) = (times.iter().min(), times.iter().max()) else {
            return Ok(());
        };
        // What is the same of every row need not be asked of each.
        let tag = self.tags.of_all(rows.clone(), *a, *b);
        if let Some(tag) = tag {
            let sink = &mut self.sink;
            match (self.way, tag, unit) {
                (_, 0, _) => return Ok(()),
                (Way::FirstBirths, BORN, _) => return self.places.add_births(firsts, times, tick),
                (Way::ByUnit, tag, Some(unit)) => {
                    self.places.begin(Some(unit), sink.postings, sink.budget)?;
                    tick.tick()?;
                    return self.places.add_all(firsts, times, tag, sink.budget);
                }
                (Way::FirstBirths | Way::InTurn, RETURNED, Some(_)) => {
                    return sink.add_last_returns(firsts, times, tick);
                }
                _ => {}
            }
        }
        for (i, (no, t)) in firsts.iter().zip(times).enumerate() {
            if i % EVERY == 0 {
                tick.tick()?;
            }
            let mut tag = self.tags.of(rows.start + i, *t);
            if tag == 0 || *no == 0 {
                continue;
            }
            match self.way {
                Way::ByUnit => {
                    let unit = self.sink.unit(*t);
                    self.places.begin(unit, self.sink.postings, self.sink.budget)?;
                    self.places.add(*no, *t, tag, self.sink.budget)?;
                    continue;
                }
                Way::FirstBirths => {
                    if tag & BORN != 0 {
                        self.places.add_birth(*no, *t);
                    }
                    tag &= RETURNED;
                }
                Way::InTurn => {}
            }
            if tag != 0 {
                self.sink.add(*no, *t, tag)?;
            }
        }
        Ok(())
    }
}

/// Adds the further groups of lists. They are rare, and not worth a place.
fn push_lists(
    more: &[(u32, SubjectNo)],
    chunk: &Chunk,
    tags: &Tags,
    sink: &mut Sink,
    tick: &mut dyn Tick,
) -> Result<()> {
    for (i, (row, no)) in more.iter().enumerate() {
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
    Ok(())
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

    /// Adds returns of one unit: of neighbouring rows of one user the last says all.
    fn add_last_returns(&mut self, users: &[SubjectNo], times: &[i64], tick: &mut dyn Tick) -> Result<()> {
        self.no = 0;
        let (mut no, mut last) = (0, i64::MIN);
        for (users, times) in users.chunks(EVERY).zip(times.chunks(EVERY)) {
            tick.tick()?;
            for (user, t) in users.iter().zip(times) {
                if *user == no {
                    last = last.max(*t);
                    continue;
                }
                if no != 0 {
                    self.postings.push(no, pack(last, RETURNED)?, self.budget)?;
                }
                (no, last) = (*user, *t);
            }
        }
        match no {
            0 => Ok(()),
            no => self.postings.push(no, pack(last, RETURNED)?, self.budget),
        }
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
