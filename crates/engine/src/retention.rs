//! Retention: of the users or groups that did one thing, how many came back to do another, and when.
//!
//! Gathers births and returns per subject, then walks each subject's events in time. Evaluates no filter.

pub mod detail;
mod finish;
mod places;
mod push;
#[cfg(test)]
mod tests;

pub use finish::{Counts, Row, count_on, finish, rows};

use crate::chunk::{Chunk, Hits, Kind, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::gather::Budget;
use crate::partial::{Reader, Tag, Writer};
use crate::postings::{Part, Postings};
use crate::tick::Tick;
use crate::time::{Buckets, Calendar, DAY_MS, Span64, Unit};

/// Most buckets after the 0th.
pub const MAX_BUCKETS: usize = 10_000;

/// When a subject counts as retained in bucket n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criterion {
    /// A return in bucket n.
    On,
    /// A return in bucket n or later, up to the end of the data.
    OnOrAfter,
    /// A return in any bucket up to n.
    OnOrBefore,
    /// A return in every bucket from 0 to n; the birth itself fills bucket 0 when it is a return as well.
    Streak,
}

/// What bucket n is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    /// From n to n + 1 units after the birth; a unit is 24 hours, 7 or 30 times that.
    Rolling,
    /// The n-th calendar unit after the birth's.
    Calendar,
}

/// Which births of a subject count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Births {
    /// The first in every calendar unit of the range.
    Every,
    /// The first ever, when it lies in the range. Chunks must reach back to the beginning.
    First,
}

/// What a retention report asks.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    by: Kind,
    buckets: usize,
    criterion: Criterion,
    alignment: Alignment,
    births: Births,
    now_ms: i64,
    remap: Option<&'a [SubjectNo]>,
    memory_limit: usize,
    /// Rows of the report.
    cohorts: Buckets,
    /// Start of every calendar unit from the first cohort's to the end of the last cohort's last bucket.
    edges: Vec<i64>,
    /// The same with the end of what is read of returns.
    units: Buckets,
    /// Length of a rolling unit.
    unit_ms: i64,
}

/// The question in the words of the report.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    pub by: Kind,
    /// Day, Week or Month.
    pub unit: Unit,
    /// Buckets 0 to this.
    pub buckets: usize,
    pub criterion: Criterion,
    pub alignment: Alignment,
    pub births: Births,
    /// Days of births, both inclusive.
    pub from_day: i32,
    pub to_day: i32,
    /// Decides which cells are complete.
    pub now_ms: i64,
    /// Canonical user of each user, where identities were merged.
    pub remap: Option<&'a [SubjectNo]>,
    /// Bytes a partial, or the answer, may take.
    pub memory_limit: usize,
}

const BORN: u32 = 1;
const RETURNED: u32 = 2;

impl<'a> Plan<'a> {
    /// Works out the calendar once, so that no event needs it.
    pub fn new(q: Question<'a>, calendar: &Calendar) -> Result<Self> {
        let days = match q.unit {
            Unit::Day => 1,
            Unit::Week => 7,
            Unit::Month => 30,
            _ => return Err(Error::param_hint("retention by this unit", "Use day, week or month.")),
        };
        if q.buckets > MAX_BUCKETS {
            return Err(Error::param_hint(
                format!("retention of {} buckets", q.buckets),
                format!("At most {MAX_BUCKETS} are possible."),
            ));
        }
        let cohorts = calendar.buckets(q.unit, q.from_day, q.to_day)?;
        let cells = cohorts.len().saturating_mul(q.buckets + 1);
        if cells.saturating_mul(size_of::<Row>() + 16) > q.memory_limit {
            return Err(Error::Limit {
                message: format!("a retention report of {cells} cells"),
                hint: Some("Use a larger unit, a shorter range or fewer buckets.".into()),
            });
        }
        let mut edges = cohorts.labels.clone();
        if q.alignment == Alignment::Calendar {
            let first = calendar.unit_start_day(q.unit, q.from_day)?;
            for n in edges.len()..cohorts.len() + q.buckets + 1 {
                // Past the end of the calendar nothing happens any more.
                let day = calendar.add_units(q.unit, first, n as i64);
                edges.push(day.and_then(|d| calendar.day_start(d)).unwrap_or(i64::MAX));
            }
        }
        let mut plan = Plan {
            by: q.by,
            buckets: q.buckets,
            criterion: q.criterion,
            alignment: q.alignment,
            births: q.births,
            now_ms: q.now_ms,
            remap: q.remap,
            memory_limit: q.memory_limit,
            cohorts,
            units: Buckets {
                labels: edges.clone(),
                starts: edges.clone(),
                range: Span64 { from: 0, to: 0 },
            },
            edges,
            unit_ms: days * DAY_MS,
        };
        plan.units.range = Span64 {
            from: plan.edges.first().copied().unwrap_or(0),
            to: plan.reads().1.to,
        };
        Ok(plan)
    }

    /// The instants whose events can matter: `born` events for births, `returned` ones for returns. The caller need
    /// not read anything outside of them.
    pub fn reads(&self) -> (Span64, Span64) {
        let range = self.cohorts.range;
        let back = if self.births == Births::First {
            i64::MIN
        } else {
            range.from
        };
        let last = self.cohorts.len().saturating_sub(1);
        let to = match self.criterion {
            Criterion::OnOrAfter => i64::MAX,
            _ => self.edge(last, range.to, self.buckets + 1),
        };
        (
            Span64 {
                from: back,
                to: range.to,
            },
            Span64 { from: range.from, to },
        )
    }

    /// Calendar start of every cohort.
    pub fn cohorts(&self) -> &[i64] {
        &self.cohorts.labels
    }

    /// Where bucket `n` begins for a birth at `t0` in cohort `c`.
    fn edge(&self, c: usize, t0: i64, n: usize) -> i64 {
        match self.alignment {
            Alignment::Rolling => t0.saturating_add(self.unit_ms.saturating_mul(n as i64)),
            Alignment::Calendar => self.edges.get(c + n).copied().unwrap_or(i64::MAX),
        }
    }
}

/// Gathers chunks.
#[derive(Debug)]
pub struct Kernel<'p> {
    plan: &'p Plan<'p>,
    partial: Partial,
    places: places::Places,
}

/// Births and returns gathered so far.
#[derive(Debug, Clone)]
pub struct Partial {
    postings: Postings,
    budget: Budget,
}

impl<'p> Kernel<'p> {
    /// Nothing gathered.
    pub fn new(plan: &'p Plan<'p>) -> Self {
        Kernel {
            plan,
            partial: Partial {
                postings: Postings::default(),
                budget: Budget::new(plan.memory_limit),
            },
            places: places::Places::default(),
        }
    }

    /// The same for subjects numbered up to about `most`, which decides how they are spread and not what comes out.
    pub fn for_subjects(mut self, most: SubjectNo) -> Result<Self> {
        let p = &mut self.partial;
        p.postings = Postings::for_subjects(most, self.plan.by == USER, &mut p.budget)?;
        Ok(self)
    }

    /// The same for one part of the subjects.
    pub fn only(mut self, part: Part) -> Self {
        self.partial.postings = std::mem::take(&mut self.partial.postings).only(part);
        self
    }

    /// Gathers the events of a chunk: what the selectors of births and of returns picked. An event may be both.
    pub fn push(&mut self, chunk: &Chunk, born: &Hits, returned: &Hits, tick: &mut dyn Tick) -> Result<()> {
        let Partial { postings, budget } = &mut self.partial;
        push::push(
            self.plan,
            postings,
            &mut self.places,
            chunk,
            (born, returned),
            budget,
            tick,
        )
    }

    /// What was gathered.
    pub fn finish(mut self) -> Result<Partial> {
        let Partial { postings, budget } = &mut self.partial;
        self.places.finish(postings, budget)?;
        Ok(self.partial)
    }
}

impl Partial {
    /// Memory in use.
    pub fn bytes(&self) -> usize {
        self.budget.used()
    }

    /// Both together; the order makes no difference to what comes out in the end.
    pub fn merge(self, other: Partial, plan: &Plan) -> Result<Partial> {
        let (mut into, from) = if self.bytes() >= other.bytes() {
            (self, other)
        } else {
            (other, self)
        };
        into.budget.set_limit(plan.memory_limit);
        into.postings.append(from.postings, &mut into.budget)?;
        Ok(into)
    }

    /// Bytes for another process.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut w = Writer::new(Tag::Retention, self.postings.len() * 12)?;
        self.postings.encode(&mut w)?;
        w.finish()
    }

    /// Reads what `encode` wrote for the same plan.
    pub fn decode(bytes: &[u8], plan: &Plan) -> Result<Partial> {
        let mut r = Reader::new(Tag::Retention, bytes)?;
        let mut budget = Budget::new(plan.memory_limit);
        let tags = BORN..=BORN | RETURNED;
        let postings = Postings::decode(&mut r, &mut budget, |tag| tags.contains(&tag))?;
        r.finish()?;
        Ok(Partial { postings, budget })
    }
}
