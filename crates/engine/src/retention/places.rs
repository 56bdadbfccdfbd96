//! What each subject did in the calendar unit at hand, in arrays by subject: its first birth and its last return say all.

use super::push::Way;
use super::{Alignment, BORN, Births, Criterion, Plan, RETURNED};
use crate::chunk::{SubjectNo, USER};
use crate::error::Result;
use crate::gather::{Budget, grow_within, pack};
use crate::insights::runs::Run;
use crate::postings::Postings;
use crate::tick::{EVERY, Tick};
use crate::time::DAY_MS;

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
    /// The calendar unit they are of; `Some(None)` = before the first.
    unit: Option<Option<usize>>,
    /// Runs of the chunk at hand.
    pub(super) runs: Vec<Run>,
    /// When each user was first born, where only that counts.
    first: Vec<i64>,
}

impl Places {
    /// What follows is of this unit: what another one had is handed on.
    #[inline]
    pub(super) fn begin(&mut self, unit: Option<usize>, postings: &mut Postings, budget: &mut Budget) -> Result<()> {
        if self.unit == Some(unit) {
            return Ok(());
        }
        self.flush(postings, budget)?;
        self.unit = Some(unit);
        Ok(())
    }

    /// Adds events of one unit and tag.
    pub(super) fn add_all(
        &mut self,
        subjects: &[SubjectNo],
        times: &[i64],
        tag: u32,
        budget: &mut Budget,
    ) -> Result<()> {
        if tag == 0 {
            return Ok(());
        }
        if self.touched.capacity() < self.touched.len() + subjects.len() {
            let more = subjects.len().max(self.touched.capacity() / 2);
            grow_within(&mut self.touched, more, budget)?;
        }
        let (born, returned) = (tag & BORN != 0, tag & RETURNED != 0);
        for (no, t) in subjects.iter().zip(times).filter(|(no, _)| **no != 0) {
            let Some(p) = self.of.get_mut(*no as usize) else {
                continue;
            };
            if p.first_birth == i64::MAX && p.last_return == i64::MIN {
                self.touched.push(*no);
            }
            if born && *t <= p.first_birth {
                p.both = returned || *t == p.first_birth && p.both;
                p.first_birth = *t;
            }
            if returned {
                p.last_return = p.last_return.max(*t);
            }
        }
        Ok(())
    }

    /// How the rows of a chunk are to be gathered; there is room for it from then on.
    pub(super) fn way(
        &mut self,
        plan: &Plan,
        firsts: &[SubjectNo],
        more: &[(u32, SubjectNo)],
        budget: &mut Budget,
    ) -> Result<Way> {
        let most = firsts.iter().max().copied().unwrap_or(0);
        let most = most.max(more.iter().map(|(_, g)| *g).max().unwrap_or(0)) as usize;
        if plan.by == USER && plan.births == Births::First && plan.criterion != Criterion::Streak && most < MOST_PLACES
        {
            self.make_room_for_births(most + 1, budget)?;
            return Ok(Way::FirstBirths);
        }
        // The rows of a day come by user: of days the row before says enough.
        let pays = plan.by != USER || plan.unit_ms > DAY_MS;
        if pays
            && plan.alignment == Alignment::Calendar
            && most < MOST_PLACES.min(budget.limit() / 8 / size_of::<Place>())
        {
            self.make_room(most + 1, budget)?;
            return Ok(Way::ByUnit);
        }
        Ok(Way::InTurn)
    }

    fn make_room_for_births(&mut self, n: usize, budget: &mut Budget) -> Result<()> {
        if self.first.len() < n {
            let room = n.next_power_of_two();
            let more = room - self.first.len();
            grow_within(&mut self.first, more, budget)?;
            self.first.resize(room, i64::MAX);
        }
        Ok(())
    }

    /// Adds a birth of a user.
    #[inline]
    pub(super) fn add_birth(&mut self, no: SubjectNo, t: i64) {
        if let Some(f) = self.first.get_mut(no as usize) {
            *f = (*f).min(t);
        }
    }

    /// Adds a birth of each row.
    pub(super) fn add_births(&mut self, users: &[SubjectNo], times: &[i64], tick: &mut dyn Tick) -> Result<()> {
        for (users, times) in users.chunks(EVERY).zip(times.chunks(EVERY)) {
            tick.tick()?;
            for (no, t) in users.iter().zip(times) {
                self.add_birth(*no, *t);
            }
        }
        Ok(())
    }

    /// Adds the first births, once all chunks are read.
    pub(super) fn finish(&mut self, postings: &mut Postings, budget: &mut Budget) -> Result<()> {
        self.flush(postings, budget)?;
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
    pub(super) fn add(&mut self, no: SubjectNo, t: i64, tag: u32, budget: &mut Budget) -> Result<()> {
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
    fn flush(&mut self, postings: &mut Postings, budget: &mut Budget) -> Result<()> {
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
                postings.push(no, pack(first_birth, tag)?, budget)?;
            }
            if last_return != i64::MIN && !(both && last_return == first_birth) {
                postings.push(no, pack(last_return, RETURNED)?, budget)?;
            }
        }
        Ok(())
    }
}
