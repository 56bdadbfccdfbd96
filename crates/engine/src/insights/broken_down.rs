//! Counting by segment, row by row: any breakdown, and rows with several groups.

use super::cell::key_of;
use super::combinations::Combinations;
use super::partial::Counts;
use super::per_subject::Add;
use super::plain::{Source, counted};
use super::runs::Run;
use super::source::Numbers;
use crate::breakdown::{Breakdown, Event, Scope, Segments};
use crate::chunk::{Hits, Kind, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::gather::{Budget, for_each_row};
use crate::tick::Tick;

/// Not a line of any table, not a position in one.
pub const UNKNOWN: u32 = u32::MAX;

/// What finds the segments of a row.
pub struct Lines<'k, 'p> {
    pub breakdown: &'k mut Breakdown<'p>,
    pub segments: &'k mut Segments,
    pub combinations: &'k mut Combinations,
    /// Line of each code, where one code of a row decides; [`UNKNOWN`] until it is met.
    pub by_code: &'k mut Vec<u32>,
    pub by: Kind,
    pub remap: Option<&'k [SubjectNo]>,
}

impl Lines<'_, '_> {
    /// The line of a row of one subject at most.
    pub fn of(&mut self, source: &Source, row: usize, no: SubjectNo, bucket: u32, budget: &mut Budget) -> Result<u32> {
        let event = Event {
            chunk: source.chunk,
            row,
            user: if self.by == USER { no } else { 0 },
            by: self.by,
            bucket: bucket as usize,
        };
        let found = self.breakdown.of(event, no, self.segments, budget)?;
        self.combinations.line(found, budget)
    }
}

/// Finds the interval of rows that come in order.
pub struct Cursor<'a> {
    runs: std::slice::Iter<'a, Run>,
    run: Option<&'a Run>,
}

impl<'a> Cursor<'a> {
    pub fn new(runs: &'a [Run]) -> Self {
        let mut runs = runs.iter();
        Cursor { run: runs.next(), runs }
    }

    /// That of a row, if it is in any.
    pub fn bucket(&mut self, row: usize) -> Option<u32> {
        while self.run.is_some_and(|r| r.to as usize <= row) {
            self.run = self.runs.next();
        }
        self.run.filter(|r| r.from as usize <= row).map(|r| r.bucket)
    }
}

/// Counts the picked rows of a chunk one by one: any breakdown, or none, and rows with several groups.
#[allow(clippy::too_many_arguments)]
pub fn push_rows(
    counts: &mut Counts,
    hits: &Hits,
    runs: &[Run],
    scope: Scope,
    source: Source,
    lines: &mut Lines,
    values: &mut Segments,
    budget: &mut Budget,
    tick: &mut dyn Tick,
) -> Result<()> {
    let mut cursor = Cursor::new(runs);
    let mut union: Vec<u32> = Vec::new();
    let (chunk, column, by, zero, ids) = (source.chunk, source.column, lines.by, source.zero, source.ids);
    let sessions = source.sessions;
    let numbers = match counts {
        Counts::Sums(_) | Counts::Extremes(_) | Counts::Values(_) | Counts::PerValue(_) => {
            Numbers::of(chunk, source.property)?
        }
        _ => Numbers::Nothing,
    };
    for_each_row(chunk, by, hits, lines.remap, tick, |row, subjects| {
        let Some(bucket) = cursor.bucket(row) else {
            return Ok(());
        };
        let column_of_table = bucket as usize;
        let x = numbers.get(row);
        let list: &[u32] = match counts {
            Counts::Distinct(_) | Counts::PerDistinct(_) => ids.of(column, row, values, budget)?,
            _ => &[],
        };
        // What does not count anywhere must not bring a segment into being.
        let counts_here = match counts {
            Counts::Totals(_) => true,
            Counts::Sets(_) if sessions.is_some_and(|s| s.excludes(chunk.event(row))) => false,
            Counts::Sets(_) | Counts::Times(_) | Counts::PerDistinct(_) => !subjects.is_empty(),
            Counts::PerValue(_) => !subjects.is_empty() && (zero || !x.is_nan()),
            Counts::Sums(_) | Counts::Extremes(_) | Counts::Values(_) => !x.is_nan(),
            Counts::Distinct(_) => !list.is_empty(),
        };
        if !counts_here {
            return Ok(());
        }
        let event = Event::of_row(chunk, row, by, subjects, column_of_table);
        let per_subject = matches!(
            counts,
            Counts::Sets(_) | Counts::Times(_) | Counts::PerValue(_) | Counts::PerDistinct(_)
        );
        union.clear();
        let whom: &[SubjectNo] = if scope == Scope::Subject { subjects } else { &[0] };
        for no in whom {
            let found = lines.breakdown.of(event, *no, lines.segments, budget)?;
            if !per_subject {
                // Two groups of one event can share a segment: it counts there once.
                union
                    .try_reserve(found.len())
                    .map_err(|_| Error::OutOfMemory("segments of an event"))?;
                union.extend_from_slice(found);
                continue;
            }
            let those = if scope == Scope::Subject {
                std::slice::from_ref(no)
            } else {
                subjects
            };
            if let Counts::Sets(table) = counts {
                for s in found.iter() {
                    let set = table.slot(*s, column_of_table, budget)?;
                    those
                        .iter()
                        .try_for_each(|no| match counted(sessions, chunk, row, *no) {
                            0 => Ok(()),
                            whom => set.add(whom, budget),
                        })?;
                }
                continue;
            }
            let line = lines.combinations.line(found, budget)?;
            for no in those {
                match counts {
                    Counts::Times(t) => t.slot(line, column_of_table, budget)?.put::<Add>(*no, 1, budget)?,
                    Counts::PerValue(t) => {
                        let key = key_of(if x.is_nan() { 0.0 } else { x });
                        t.slot(line, column_of_table, budget)?.push(*no, key, budget)?;
                    }
                    Counts::PerDistinct(t) => {
                        let cell = t.slot(line, column_of_table, budget)?;
                        for id in if list.is_empty() { &[0] } else { list } {
                            cell.push(*no, u64::from(*id), budget)?;
                        }
                    }
                    _ => {}
                }
            }
        }
        if per_subject {
            return Ok(());
        }
        if let Counts::Distinct(table) = counts {
            for s in &union {
                let set = table.slot(*s, column_of_table, budget)?;
                list.iter().try_for_each(|id| set.add(*id, budget))?;
            }
            return Ok(());
        }
        let line = lines.combinations.line(&mut union, budget)?;
        match counts {
            Counts::Totals(t) => {
                let cell = t.slot(line, column_of_table, budget)?;
                *cell = cell.saturating_add(1);
            }
            Counts::Sums(t) => t.slot(line, column_of_table, budget)?.add(x, budget)?,
            Counts::Extremes(t) => t.slot(line, column_of_table, budget)?.add(x),
            Counts::Values(t) => t
                .slot(line, column_of_table, budget)?
                .extend(std::iter::once(x), budget)?,
            _ => {}
        }
        Ok(())
    })
}
