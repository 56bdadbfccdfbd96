//! Who is behind one value of a report: the subjects of its cell, what each did and what each adds to it.
//!
//! The kernel counts the cell as it counts the report's, but by subject: the same selectors, segments and instants.

use super::cell::{Summed, number_of};
use super::cells::Table;
use super::evaluate::{of_keys, of_subject, whole};
use super::finish::{Part, parts};
use super::measure::{Aggregate, Inner, Measure, Metric};
use super::partial::Counts;
use super::per_subject::{Add, PerSubject};
use super::rank::rank;
use super::subject_values::SubjectValues;
use super::{Partial, Plan};
use crate::chunk::{Kind, SubjectNo, USER};
use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, grow_within, push_within, zeroed};
use crate::sessions::Starts;
use crate::subjects::SubjectSet;
use crate::tick::{EVERY, Tick};
use crate::value::Value;

/// One of those behind a value. Number 0 is nobody: events without a user, which count in totals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member {
    pub no: SubjectNo,
    /// Its events that count: those of a measured property have a number.
    pub events: u64,
    /// What it adds: of a total its events, of different subjects 1, of sessions how many it had, else its own value of the
    /// measure.
    pub value: Option<f64>,
}

/// What a plan must count for [`members`] of a metric: an interval that is the cell's, and these metrics, all with the
/// selection of the one in question.
pub fn metrics(measure: Measure, by: Kind) -> Vec<Metric> {
    let of = |measure| Metric {
        measure,
        by,
        label: String::new(),
        profiles: false,
    };
    let values = |property, aggregate| Measure::PerSubject {
        inner: Inner::Property { property, aggregate },
        outer: Aggregate::Sum,
    };
    let mut list = vec![of(Measure::PerSubject {
        inner: Inner::Total,
        outer: Aggregate::Sum,
    })];
    match measure {
        Measure::Property { property, aggregate } => {
            // Of a subject without a number there is no least one, so that it does not appear.
            let distinct = aggregate == Aggregate::Distinct;
            let inner = if distinct { aggregate } else { Aggregate::Min };
            list.push(of(values(property, inner)));
        }
        Measure::PerSubject {
            inner: Inner::Property { property, aggregate },
            ..
        } => list.push(of(values(property, aggregate))),
        // The sessions of each, or those who count in the segment.
        Measure::Sessions | Measure::UniqueIn(_) => list.push(of(measure)),
        _ => {}
    }
    // What is left of the whole is what nobody did.
    match measure {
        Measure::Total if by == USER => list.push(of(Measure::Total)),
        Measure::Property { property, aggregate } if by == USER && aggregate != Aggregate::Distinct => {
            list.push(of(Measure::Property {
                property,
                aggregate: Aggregate::Sum,
            }));
        }
        _ => {}
    }
    list
}

/// The subjects in the first segment that the plan shows, or in its rest where it shows that, in order of their numbers.
/// Of a distribution those whose value reads `value`; `sessions` are those that were counted, where they were.
pub fn members(
    plan: &Plan,
    measure: Measure,
    value: Option<&str>,
    sessions: Option<&Starts>,
    mut partial: Partial,
    tick: &mut dyn Tick,
) -> Result<Vec<Member>> {
    if !partial.fits(plan) {
        return Err(Error::corrupt("partial: of another report"));
    }
    partial.budget.set_limit(plan.memory_limit);
    partial.settle(plan, tick)?;
    let shown = rank(plan, &mut partial, tick)?;
    let rest = shown.len() as u32;
    let mut line: Vec<u32> = zeroed(partial.segments.len(), &mut partial.budget)?;
    line.fill(rest);
    for (n, s) in shown.iter().enumerate() {
        if let Some(l) = line.get_mut(*s) {
            *l = n as u32;
        }
    }
    let asked = if plan.shown.as_ref().is_some_and(|s| s.rest) {
        rest
    } else {
        0
    };
    let Partial {
        counts,
        combinations,
        budget,
        ..
    } = &mut partial;
    let mut cell = Cell {
        measure,
        limit: plan.memory_limit,
        positions: Vec::new(),
        found: Vec::new(),
        left: None,
    };
    let mut all = 0;
    for (i, counts) in counts.iter_mut().enumerate() {
        let cells = parts(counts, combinations, &line, rest, budget, tick)?;
        cell.positions = try_vec(cells.len(), "segments")?;
        cell.positions
            .extend(cells.iter().filter(|p| p.0 == asked).map(|p| p.2));
        match counts {
            Counts::Times(t) if i == 0 => cell.doers(t, budget)?,
            Counts::PerValue(t) => cell.values(t, true, budget, tick)?,
            Counts::PerDistinct(t) => cell.values(t, false, budget, tick)?,
            Counts::Sets(t) if measure.touch().is_some() => cell.only(t)?,
            Counts::Sets(t) => cell.sessions(t, sessions.ok_or_else(no_sessions)?, budget, tick)?,
            Counts::Totals(t) => all = whole(t, &cell.positions, cell.limit, |n, _| Ok(*n))?,
            Counts::Sums(t) => cell.leave(t, budget)?,
            _ => return Err(Error::corrupt("insights: cells of another measure")),
        }
        budget.give(cells.capacity() * size_of::<Part>());
    }
    // What was counted beside the subjects and their values is the whole.
    let whole_counted = counts.iter().any(|c| matches!(c, Counts::Totals(_) | Counts::Sums(_)));
    let Cell { mut found, left, .. } = cell;
    let counted: u64 = found.iter().map(|m| m.events).sum();
    let (events, of_nobody) = match (measure, left) {
        (Measure::Total, _) => {
            let n = all.saturating_sub(counted);
            (n, Some(n as f64))
        }
        (Measure::Property { aggregate, .. }, Some(l)) => match aggregate {
            Aggregate::Sum => (l.n, Some(l.sum.value())),
            Aggregate::Average => (l.n, Some(l.sum.value() / l.n as f64)),
            _ => (l.n, None),
        },
        _ => (0, None),
    };
    if let Measure::Property { .. } | Measure::PerSubject { .. } | Measure::Sessions = measure {
        found.retain(|m| m.value.is_some());
    }
    if let Some(text) = value {
        found.retain(|m| m.value.is_some_and(|v| *Value::number(v).to_text() == *text));
    }
    if events > 0 && whole_counted {
        found.try_reserve(1).map_err(|_| Error::OutOfMemory("members"))?;
        found.insert(
            0,
            Member {
                no: 0,
                events,
                value: of_nobody,
            },
        );
    }
    Ok(found)
}

fn no_sessions() -> Error {
    Error::param("insights: the sessions are not known")
}

/// The cell in question while its members are found.
struct Cell {
    measure: Measure,
    limit: usize,
    /// Of the table at hand.
    positions: Vec<u32>,
    found: Vec<Member>,
    /// The sum of a property less what the members have of it.
    left: Option<Summed>,
}

impl Cell {
    /// Finds who did something, and how often.
    fn doers(&mut self, table: &mut Table<PerSubject>, budget: &mut Budget) -> Result<()> {
        let (measure, found) = (self.measure, &mut self.found);
        whole(table, &self.positions, self.limit, |cell, _| {
            let mut result = Ok(());
            cell.each::<Add>(|no, n| {
                let value = match measure {
                    Measure::Unique | Measure::CumulativeUnique | Measure::Active { .. } => Some(1.0),
                    Measure::Property { .. } | Measure::Sessions => None,
                    Measure::UniqueIn(_) => Some(1.0),
                    Measure::PerSubject {
                        inner: Inner::Property { .. },
                        ..
                    } => None,
                    _ => Some(f64::from(n)),
                };
                let events = u64::from(n);
                if result.is_ok() {
                    result = push_within(found, Member { no, events, value }, budget);
                }
            });
            result
        })
    }

    /// Gives each its value of a property; `one_each` when every event that counts has one entry.
    fn values(
        &mut self,
        table: &mut Table<SubjectValues>,
        one_each: bool,
        budget: &mut Budget,
        tick: &mut dyn Tick,
    ) -> Result<()> {
        let (measure, found) = (self.measure, &mut self.found);
        let mut own = Summed::default();
        whole(table, &self.positions, self.limit, |cell, _| {
            let mut pairs: Vec<(SubjectNo, u64)> = Vec::new();
            grow_within(&mut pairs, cell.len(), budget)?;
            pairs.extend(cell.subjects.iter().copied().zip(cell.values.iter().copied()));
            tick.tick()?;
            pairs.sort_unstable();
            tick.tick()?;
            let mut keys: Vec<u64> = Vec::new();
            for (i, same) in pairs.chunk_by(|a, b| a.0 == b.0).enumerate() {
                if i % EVERY == 0 {
                    tick.tick()?;
                }
                keys.clear();
                keys.try_reserve(same.len())
                    .map_err(|_| Error::OutOfMemory("values of subjects"))?;
                keys.extend(same.iter().map(|(_, v)| *v));
                let value = match measure {
                    Measure::Property { aggregate, .. } if aggregate != Aggregate::Distinct => {
                        for key in &keys {
                            own.add(-number_of(*key), budget)?;
                        }
                        of_keys(&mut keys, aggregate, budget)?
                    }
                    Measure::Property { .. } => {
                        let n = of_subject(&keys, Aggregate::Distinct, budget)?.map(number_of);
                        n.filter(|n| *n > 0.0)
                    }
                    Measure::PerSubject {
                        inner: Inner::Property { aggregate, .. },
                        ..
                    } => of_subject(&keys, aggregate, budget)?.map(number_of),
                    _ => None,
                };
                let no = same.first().map_or(0, |p| p.0);
                if let Ok(at) = found.binary_search_by_key(&no, |m| m.no)
                    && let Some(m) = found.get_mut(at)
                {
                    m.value = value;
                    m.events = if one_each { same.len() as u64 } else { m.events };
                }
            }
            budget.give(pairs.capacity() * size_of::<(SubjectNo, u64)>());
            Ok(())
        })?;
        self.left = Some(own);
        Ok(())
    }

    /// Gives each the number of its sessions.
    fn sessions(
        &mut self,
        table: &mut Table<SubjectSet>,
        sessions: &Starts,
        budget: &mut Budget,
        tick: &mut dyn Tick,
    ) -> Result<()> {
        let (positions, limit, found) = (&self.positions, self.limit, &mut self.found);
        tick.tick()?;
        whole(table, positions, limit, |set, _| {
            let mut all: Vec<u32> = Vec::new();
            grow_within(&mut all, set.entries(), budget)?;
            set.each(|session| all.push(session));
            tick.tick()?;
            all.sort_unstable();
            all.dedup();
            // Sessions are numbered subject by subject.
            for own in all.chunk_by(|a, b| sessions.owner(*a) == sessions.owner(*b)) {
                let no = own.first().map_or(0, |s| sessions.owner(*s));
                if let Ok(at) = found.binary_search_by_key(&no, |m| m.no)
                    && let Some(m) = found.get_mut(at)
                {
                    m.value = Some(own.len() as f64);
                }
            }
            budget.give(all.capacity() * size_of::<u32>());
            Ok(())
        })
    }

    /// Leaves out whoever is not in a set.
    fn only(&mut self, table: &mut Table<SubjectSet>) -> Result<()> {
        let found = &mut self.found;
        whole(table, &self.positions, self.limit, |set, _| {
            found.retain(|m| set.contains(m.no));
            Ok(())
        })
    }

    /// What is left of the whole sum.
    fn leave(&mut self, table: &mut Table<Summed>, budget: &mut Budget) -> Result<()> {
        let mine = self.left.take().unwrap_or_default();
        self.left = Some(whole(table, &self.positions, self.limit, |all, _| {
            let mut left = mine.clone();
            left.sum.merge(&all.sum, budget)?;
            left.n = all.n.saturating_sub(mine.n);
            Ok(left)
        })?);
        Ok(())
    }
}
