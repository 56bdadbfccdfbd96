//! The figures of one company: how many of its users are active, new and come back, from the events attributed to it.
//!
//! Everything is about the users of those events and about those events alone. A user is *new* in the 30 days that hold
//! its first event with the company, over all history.

use crate::chunk::{Chunk, Kind, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::gather::{Budget, canonical, pack, time_of};
use crate::mask::Mask;
use crate::parallel::Workers;
use crate::postings::{Part, Postings};
use crate::relations::rows_of;
use crate::tick::{EVERY, Tick};
use crate::time::{Calendar, DAY_MS, Span64};

/// Days of a month of figures.
const MONTH: i32 = 30;

/// Which company, and as of which day.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    kind: Kind,
    company: SubjectNo,
    remap: Option<&'a [SubjectNo]>,
    memory_limit: usize,
    day: Span64,
    week: Span64,
    month: Span64,
    /// The 30 days before those of `month`.
    before: Span64,
}

impl<'a> Plan<'a> {
    /// As of the end of `day`.
    pub fn new(
        calendar: &Calendar,
        kind: Kind,
        company: SubjectNo,
        day: i32,
        remap: Option<&'a [SubjectNo]>,
        memory_limit: usize,
    ) -> Result<Self> {
        let back = |n: i32| day.saturating_sub(n);
        Ok(Plan {
            kind,
            company,
            remap,
            memory_limit,
            day: calendar.days(day, day)?,
            week: calendar.days(back(6), day)?,
            month: calendar.days(back(MONTH - 1), day)?,
            before: calendar.days(back(2 * MONTH - 1), back(MONTH))?,
        })
    }

    /// The instants that have to be read.
    pub fn reads(&self) -> Span64 {
        Span64 {
            from: i64::MIN,
            to: self.day.to,
        }
    }
}

/// How many of those who had time to come back did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    pub of: u64,
    pub kept: u64,
}

impl Share {
    /// The rate; none of nobody.
    pub fn rate(self) -> Option<f64> {
        (self.of > 0).then(|| self.kept as f64 / self.of as f64)
    }

    fn add(&mut self, other: Share) {
        self.of += other.of;
        self.kept += other.kept;
    }
}

/// The figures. Those of a month are of the 30 days that end with the day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Users active on the day, in its 7 and in its 30 days.
    pub dau: u64,
    pub wau: u64,
    pub mau: u64,
    /// Events of users in the 30 days.
    pub events: u64,
    /// The active of the 30 days by what they did before: nothing, something in the 30 days before, something earlier.
    pub new: u64,
    pub retained: u64,
    pub resurrected: u64,
    /// Active in the 30 days before and not in these.
    pub dormant: u64,
    /// Of all users that are old enough: active from 24 to 48 hours, 7 to 14 days, 30 to 60 days after their first event.
    pub day_1: Share,
    pub week_1: Share,
    pub month_1: Share,
}

impl Figures {
    /// Both together, of different users.
    pub fn merge(mut self, other: Figures) -> Figures {
        self.dau += other.dau;
        self.wau += other.wau;
        self.mau += other.mau;
        self.events += other.events;
        self.new += other.new;
        self.retained += other.retained;
        self.resurrected += other.resurrected;
        self.dormant += other.dormant;
        self.day_1.add(other.day_1);
        self.week_1.add(other.week_1);
        self.month_1.add(other.month_1);
        self
    }

    /// Takes one user into account, whose times are in order.
    fn user(&mut self, plan: &Plan, times: &[u64]) {
        let Some(first) = times.first().map(|e| time_of(*e)) else {
            return;
        };
        let count = |span: Span64| {
            let from = times.partition_point(|e| time_of(*e) < span.from);
            times.partition_point(|e| time_of(*e) < span.to) - from
        };
        let active = |span: Span64| u64::from(count(span) > 0);
        self.dau += active(plan.day);
        self.wau += active(plan.week);
        let (now, before) = (count(plan.month), active(plan.before) > 0);
        self.events += now as u64;
        match (now > 0, before) {
            (true, _) if first >= plan.month.from => self.new += 1,
            (true, true) => self.retained += 1,
            (true, false) => self.resurrected += 1,
            (false, true) => self.dormant += 1,
            (false, false) => {}
        }
        self.mau += u64::from(now > 0);
        let share = |from: i64, to: i64| {
            let span = Span64 {
                from: first.saturating_add(from * DAY_MS),
                to: first.saturating_add(to * DAY_MS),
            };
            let old_enough = span.to <= plan.day.to;
            Share {
                of: u64::from(old_enough),
                kept: if old_enough { active(span) } else { 0 },
            }
        };
        self.day_1.add(share(1, 2));
        self.week_1.add(share(7, 14));
        self.month_1.add(share(30, 60));
    }
}

/// The company's events so far.
#[derive(Debug, Clone)]
pub struct Partial {
    postings: Postings,
    budget: Budget,
}

/// Gathers chunks.
#[derive(Debug)]
pub struct Kernel<'p> {
    plan: &'p Plan<'p>,
    partial: Partial,
}

impl<'p> Kernel<'p> {
    /// Nothing gathered, of one part of the users.
    pub fn new(plan: &'p Plan<'p>, part: Part) -> Self {
        Kernel {
            plan,
            partial: Partial {
                postings: Postings::default().only(part),
                budget: Budget::new(plan.memory_limit),
            },
        }
    }

    /// Takes the rows of a chunk that count.
    pub fn push(&mut self, chunk: &Chunk, keep: &Mask, tick: &mut dyn Tick) -> Result<()> {
        let (plan, p) = (self.plan, &mut self.partial);
        let mut rows = rows_of(chunk, plan.kind, &[plan.company]);
        rows.and(keep);
        for (i, row) in rows.ones().enumerate() {
            if i % EVERY == 0 {
                tick.tick()?;
            }
            let user = canonical(plan.remap, USER, chunk.user.get(row).copied().unwrap_or(0));
            if let Some(t) = chunk.time.get(row).filter(|_| user != 0) {
                p.postings.push(user, pack(*t, 0)?, &mut p.budget)?;
            }
        }
        Ok(())
    }

    /// What was gathered.
    pub fn finish(self) -> Partial {
        self.partial
    }
}

impl Partial {
    /// Both together, in any order.
    pub fn merge(mut self, other: Partial) -> Result<Partial> {
        self.postings.append(other.postings, &mut self.budget)?;
        Ok(self)
    }
}

/// The figures of everything gathered.
pub fn finish(plan: &Plan, partial: Partial, workers: &Workers, tick: &mut dyn Tick) -> Result<Figures> {
    let Partial { postings, budget } = partial;
    let more = plan.memory_limit.saturating_sub(budget.used());
    let make = || Ok(Figures::default());
    let found = postings.walk(
        workers,
        |_| true,
        more,
        tick,
        make,
        |figures, _, times| {
            figures.user(plan, times);
            Ok(())
        },
    )?;
    let all = found.into_iter().reduce(Figures::merge);
    all.ok_or_else(|| Error::corrupt("figures without a thread"))
}

#[cfg(test)]
mod tests;
