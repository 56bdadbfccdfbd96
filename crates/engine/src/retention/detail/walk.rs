//! One subject's births and returns: which cells it is in.

use super::super::{Alignment, BORN, Births, Criterion, RETURNED};
use super::Detail;
use super::table::Meaning;
use crate::error::{Error, Result};
use crate::gather::{BucketFinder, Budget, tag_of, time_of};
use crate::insights::cell::Summed;

/// A birth that counts, with what came after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Birth {
    pub cohort: usize,
    pub at: i64,
    /// The segment, or set of segments, it is in.
    pub line: u32,
}

/// Follows one subject after another.
#[derive(Debug)]
pub(super) struct Walker<'a> {
    detail: &'a Detail<'a>,
    meanings: &'a [Meaning],
    cohorts: BucketFinder<'a>,
    /// Time and number of the returns of the subject at hand.
    returns: Vec<(i64, f64)>,
    /// What the birth at hand has in each bucket of the answer, and beyond.
    cells: Vec<Own>,
    budget: Budget,
}

/// What one birth has in one bucket.
#[derive(Debug, Clone, Default)]
pub(super) struct Own {
    pub retained: bool,
    /// Of the returns that the criterion looks at.
    pub sum: Summed,
    /// A return in this very bucket.
    here: bool,
}

impl<'a> Walker<'a> {
    pub fn new(detail: &'a Detail<'a>, meanings: &'a [Meaning]) -> Result<Self> {
        let mut cells = crate::error::try_vec(detail.columns() + 1, "a report")?;
        cells.resize(detail.columns() + 1, Own::default());
        Ok(Walker {
            detail,
            meanings,
            cohorts: BucketFinder::new(&detail.plan.cohorts.starts, detail.plan.cohorts.range),
            returns: Vec::new(),
            cells,
            budget: Budget::new(detail.plan.memory_limit),
        })
    }

    fn meaning(&self, event: u64) -> Meaning {
        self.meanings.get(tag_of(event) as usize).copied().unwrap_or((0, 0, 0))
    }

    /// Calls `f` with every birth of a subject that counts and its cells, one per bucket. `events` are in order of time.
    pub fn subject(&mut self, events: &[u64], mut f: impl FnMut(Birth, &[Own]) -> Result<()>) -> Result<()> {
        self.returns.clear();
        self.returns
            .try_reserve(events.len())
            .map_err(|_| Error::OutOfMemory("returns"))?;
        for e in events {
            let (bits, _, x) = self.meaning(*e);
            if bits & RETURNED != 0 {
                self.returns.push((time_of(*e), f64::from_bits(x)));
            }
        }
        let mut counted = None;
        for (i, e) in events.iter().enumerate() {
            let (bits, line, _) = self.meaning(*e);
            if bits & BORN == 0 {
                continue;
            }
            let at = time_of(*e);
            if let Some(cohort) = self.cohorts.of(at)
                && counted != Some(cohort)
            {
                counted = Some(cohort);
                // Of simultaneous births any that is a return as well makes the birth one.
                let same = events.get(i..).unwrap_or(&[]).iter().take_while(|e| time_of(**e) == at);
                let both = same.clone().any(|e| self.meaning(*e).0 == BORN | RETURNED);
                let birth = Birth { cohort, at, line };
                self.fill(birth, both)?;
                f(birth, self.cells.get(..self.detail.columns()).unwrap_or(&[]))?;
            }
            // The first birth ever is the only one, also when it lies outside of the range.
            if self.detail.plan.births == Births::First {
                break;
            }
        }
        Ok(())
    }

    /// The bucket of the answer that an instant after a birth lies in.
    fn column(&self, birth: Birth, t: i64) -> usize {
        let plan = &self.detail.plan;
        let unit = match plan.alignment {
            Alignment::Rolling => (t - birth.at).checked_div(plan.unit_ms).unwrap_or(0),
            Alignment::Calendar => {
                let starts = plan.edges.get(birth.cohort..).unwrap_or(&[]);
                starts.partition_point(|s| *s <= t) as i64 - 1
            }
        };
        self.detail.column(usize::try_from(unit).unwrap_or(0))
    }

    /// Works out the cells of a birth.
    fn fill(&mut self, birth: Birth, both: bool) -> Result<()> {
        let columns = self.detail.columns();
        let criterion = self.detail.plan.criterion;
        for cell in &mut self.cells {
            *cell = Own::default();
        }
        let after = self.returns.partition_point(|(t, _)| *t <= birth.at);
        for i in after..self.returns.len() {
            let Some((t, x)) = self.returns.get(i).copied() else {
                break;
            };
            let n = self.column(birth, t);
            if n >= columns && criterion != Criterion::OnOrAfter {
                break;
            }
            if let Some(cell) = self.cells.get_mut(n) {
                cell.here = true;
                cell.sum.add(x, &mut self.budget)?;
            }
        }
        let budget = &mut self.budget;
        // What a criterion looks at beside the bucket itself.
        let mut gone = Summed::default();
        let mut so_far = criterion == Criterion::Streak;
        let mut gather = |n: usize, cell: &mut Own| -> Result<()> {
            match criterion {
                Criterion::On => cell.retained = cell.here,
                Criterion::Streak => {
                    so_far &= cell.here || n == 0 && both;
                    cell.retained = so_far;
                    if !so_far {
                        cell.sum = Summed::default();
                    }
                }
                Criterion::OnOrAfter | Criterion::OnOrBefore => {
                    so_far |= cell.here;
                    cell.retained = so_far;
                    gone.sum.merge(&cell.sum.sum, budget)?;
                    gone.n += cell.sum.n;
                    cell.sum = gone.clone();
                }
            }
            Ok(())
        };
        let mut cells = self.cells.iter_mut().enumerate();
        match criterion {
            Criterion::OnOrAfter => cells.rev().try_for_each(|(n, cell)| gather(n, cell)),
            _ => cells.try_for_each(|(n, cell)| gather(n, cell)),
        }
    }
}
