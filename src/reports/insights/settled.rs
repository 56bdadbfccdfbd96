//! What stored sets answer without a look at rows: totals and different subjects of plain events by days and more.
//!
//! A set stands for the sealed rows of one event on one day. Days that it does not stand for, because something waits there
//! or because no set was stored, are open: their rows are counted as ever, and nothing is counted twice.

use crate::error::Result;
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::Sql;
use crate::registry::Project;
use crate::store::segment::Head;
use crate::store::sets::{self, ANY, Sets};
use engine::chunk::{Chunk, Events, Kind, SubjectNo, USER};
use engine::expr::Selector;
use engine::insights::{Measure, Metric, Partial, Plan};
use engine::mask::Mask;
use engine::tick::{EVERY, Tick};
use engine::time::{DayCache, Span64, Unit};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Which metrics take their days from sets.
pub struct Settled {
    /// Per metric the events whose sets it takes, or [`ANY`] alone; none for a metric that needs rows.
    events: Vec<Option<Vec<u32>>>,
    sets: Sets,
    /// By event ([`ANY`] is one) the days that are open, as instants, ascending.
    open: BTreeMap<u32, Vec<Span64>>,
}

/// The events of a metric that sets can answer.
fn events(plan: &Plan, measure: Measure, selector: &Selector) -> Option<Vec<u32>> {
    let counted = matches!(
        measure,
        Measure::Total | Measure::Unique | Measure::Active { .. } | Measure::CumulativeUnique
    );
    let plain = counted && plan.breakdown.is_empty() && selector.is_plain();
    plain.then(|| selector.events().unwrap_or_else(|| vec![ANY]))
}

/// True when the number of subjects is enough and nobody asks who they are.
fn only_how_many(unit: Unit, measure: Measure, events: &[u32]) -> bool {
    let one_day = match measure {
        Measure::Total => return true,
        Measure::Unique => unit == Unit::Day,
        Measure::Active { days } => days <= 1,
        _ => false,
    };
    // Who did two events is in two sets.
    one_day && events.len() <= 1
}

impl Settled {
    /// Reads the sets that a report can use; `None` when it can use none.
    pub fn read(
        sql: &Sql,
        project: &Project,
        plan: &Plan,
        unit: Unit,
        selectors: &[Selector],
        waiting: &[Chunk],
    ) -> Result<Option<Settled>> {
        let of_days = !matches!(unit, Unit::Minute | Unit::Hour);
        let each = plan.metrics.iter().zip(selectors);
        let events: Vec<Option<Vec<u32>>> = each
            .map(|(m, s)| events(plan, m.measure, s).filter(|_| of_days))
            .collect();
        let asked: BTreeSet<u32> = events.iter().flatten().flatten().copied().collect();
        if asked.is_empty() {
            return Ok(None);
        }
        let usable = || plan.metrics.iter().zip(&events);
        let kinds: BTreeSet<Kind> = usable().filter(|(_, e)| e.is_some()).map(|(m, _)| m.by).collect();
        let how_many = |m: &Metric, e: &[u32]| {
            // Two ids of a set may be one user.
            only_how_many(unit, m.measure, e) && (plan.remap.is_none() || m.by != USER || m.measure == Measure::Total)
        };
        let who = usable().any(|(m, e)| e.as_ref().is_some_and(|e| !how_many(m, e)));
        let span = plan.time.reads();
        let calendar = &project.calendar;
        let (first, last) = (calendar.day_of(span.from)?, calendar.day_of(span.to.saturating_sub(1))?);
        let kinds: Vec<Kind> = kinds.into_iter().collect();
        let asked: Vec<u32> = asked.into_iter().collect();
        let mut sets = sets::read(sql, project, &kinds, &asked, first, last, who)?;
        if who && let Some(remap) = plan.remap {
            sets.merge(remap)?;
        }
        Ok(Some(Self::over(project, events, sets, span, waiting)?))
    }

    /// The sets of subjects that can stand for the rows of one selector; `None` when there can be none. `span` may begin before any event.
    pub fn of_subjects(
        sql: &Sql,
        project: &Project,
        by: Kind,
        selector: &Selector,
        span: Span64,
        remap: Option<&[SubjectNo]>,
        waiting: &[Chunk],
    ) -> Result<Option<Settled>> {
        if !selector.is_plain() {
            return Ok(None);
        }
        let events = selector.events().unwrap_or_else(|| vec![ANY]);
        let first = match span.from {
            i64::MIN => i32::MIN,
            from => project.calendar.day_of(from)?,
        };
        let last = project.calendar.day_of(span.to.saturating_sub(1))?;
        let mut sets = sets::read(sql, project, &[by], &events, first, last, true)?;
        if let Some(remap) = remap {
            sets.merge(remap)?;
        }
        Ok(Some(Self::over(project, vec![Some(events)], sets, span, waiting)?))
    }

    /// Finds the days that are open.
    fn over(
        project: &Project,
        events: Vec<Option<Vec<u32>>>,
        sets: Sets,
        span: Span64,
        waiting: &[Chunk],
    ) -> Result<Settled> {
        let calendar = &project.calendar;
        let mut days: BTreeSet<(u32, i32)> = sets.uncovered.iter().copied().collect();
        let mut cache = DayCache::new(calendar);
        // The day of each event's row before, for the first of them: putting every row into a set would take longer.
        let mut before = [i32::MIN; 1024];
        for chunk in waiting {
            for (row, t) in chunk
                .time
                .iter()
                .enumerate()
                .filter(|(_, t)| **t >= span.from && **t < span.to)
            {
                if row % EVERY == 0 {
                    Interrupts.tick()?;
                }
                let (event, day) = (chunk.event(row), cache.day_of(*t)?);
                match before.get_mut(event as usize) {
                    Some(before) if *before == day => continue,
                    Some(before) => *before = day,
                    None => {}
                }
                days.extend([(event, day), (ANY, day)]);
            }
        }
        let mut open: BTreeMap<u32, Vec<Span64>> = BTreeMap::new();
        for (event, day) in days {
            let spans = open.entry(event).or_default();
            let span = calendar.days(day, day)?;
            match spans.last_mut() {
                Some(last) if last.to >= span.from => last.to = span.to,
                _ => spans.push(span),
            }
        }
        Ok(Settled { events, sets, open })
    }

    /// Calls `f` with the first instant of every day that is not open and the subjects of each of its sets.
    pub fn each(&self, project: &Project, by: Kind, f: &mut dyn FnMut(i64, &[u8]) -> Result<()>) -> Result<()> {
        for set in self.sets.sets.iter().filter(|s| s.kind == by) {
            Interrupts.tick()?;
            let at = project.calendar.day_start(set.day)?;
            if !self.is_open(set.event, at) {
                f(at, set.portable()?)?;
            }
        }
        Ok(())
    }

    fn is_open(&self, event: u32, at: i64) -> bool {
        let spans = self.open.get(&event).map(Vec::as_slice).unwrap_or(&[]);
        let after = spans.partition_point(|s| s.to <= at);
        spans.get(after).is_some_and(|s| s.from <= at)
    }

    /// Adds what the sets know.
    pub fn fill(&self, project: &Project, plan: &Plan, unit: Unit, partial: &mut Partial) -> Result<()> {
        let mut start = BTreeMap::new();
        for (i, (m, events)) in plan.metrics.iter().zip(&self.events).enumerate() {
            let Some(events) = events else { continue };
            let how_many = only_how_many(unit, m.measure, events);
            for set in self
                .sets
                .sets
                .iter()
                .filter(|s| s.kind == m.by && events.contains(&s.event))
            {
                Interrupts.tick()?;
                let at = match start.get(&set.day) {
                    Some(at) => *at,
                    None => {
                        let at = project.calendar.day_start(set.day)?;
                        start.insert(set.day, at);
                        at
                    }
                };
                if self.is_open(set.event, at) {
                    continue;
                }
                if m.measure == Measure::Total {
                    // Without a user an event is an event; without a group it is none of that key.
                    let events = if m.by == USER { set.rows } else { set.events };
                    partial.add_total(plan, i, at, events)?;
                } else if how_many {
                    partial.add_known(plan, i, at, set.card)?;
                } else {
                    partial.add_portable(plan, i, at, set.portable()?)?;
                }
            }
        }
        Ok(())
    }

    /// True when no metric needs any sealed row.
    pub fn answers_all(&self) -> bool {
        self.open.is_empty() && self.events.iter().all(Option::is_some)
    }

    /// Must the rows of a segment be looked at?
    pub fn wants(&self, selectors: &[Selector], head: &Head) -> bool {
        self.events.iter().zip(selectors).any(|(events, selector)| {
            if selector.events().is_some_and(|e| !e.contains(&head.event)) {
                return false;
            }
            let Some(events) = events else { return true };
            let event = if events.as_slice() == [ANY] { ANY } else { head.event };
            let spans = self.open.get(&event).map(Vec::as_slice).unwrap_or(&[]);
            spans.iter().any(|s| s.from <= head.at_max && s.to > head.at_min)
        })
    }

    /// The rows of a chunk that a metric has to count, of those that count at all. What waits is always on open days.
    pub fn rows<'m>(
        &self,
        metric: usize,
        chunk: &Chunk,
        keep: &'m Mask,
        tick: &mut dyn Tick,
    ) -> Result<Cow<'m, Mask>, engine::error::Error> {
        let (Some(Some(events)), Events::One(event)) = (self.events.get(metric), &chunk.events) else {
            return Ok(Cow::Borrowed(keep));
        };
        let event = if events.as_slice() == [ANY] { ANY } else { *event };
        let mut rows = keep.clone();
        rows.retain(tick, |row| chunk.time.get(row).is_some_and(|t| self.is_open(event, *t)))?;
        Ok(Cow::Owned(rows))
    }
}
