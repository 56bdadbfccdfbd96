//! Counting by segment: quickly where one code of a row decides its segments, row by row otherwise.

use super::cell::{Cell, key_of};
use super::cells::Table;
use super::combinations::Combinations;
use super::partial::Counts;
use super::per_subject::Add;
use super::plain::{Source, counted};
use super::runs::Run;
use super::source::{Numbers, Picked};
use crate::breakdown::{Breakdown, Coded, Event, MAX_SEGMENTS, Scope, Segments};
use crate::chunk::{Hits, Kind, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::gather::{Budget, for_each_row};
use crate::tick::Tick;
use crate::value::Value;

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
    fn of(&mut self, source: &Source, row: usize, no: SubjectNo, bucket: u32, budget: &mut Budget) -> Result<u32> {
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

/// Where the cells of codes are, in one interval.
#[derive(Debug, Default)]
pub struct Positions {
    /// By code; [`UNKNOWN`] until it is met.
    of: Vec<u32>,
    bucket: Option<u32>,
}

impl Positions {
    /// Makes room for `codes` codes and forgets what they meant, unless `lasting`: that they mean the same as before.
    pub fn begin(&mut self, codes: usize, lasting: bool) -> Result<()> {
        if lasting && self.of.len() == codes {
            return Ok(());
        }
        self.bucket = None;
        self.of.clear();
        self.of.try_reserve(codes).map_err(|_| Error::OutOfMemory("segments"))?;
        self.of.resize(codes, UNKNOWN);
        Ok(())
    }

    /// Can cells be remembered for `rows` rows of an interval? What was remembered of another one is forgotten, which
    /// has to pay.
    fn remember(&mut self, bucket: u32, rows: usize) -> bool {
        if self.bucket == Some(bucket) {
            return true;
        }
        if self.of.len() > rows.saturating_mul(4) {
            return false;
        }
        self.of.fill(UNKNOWN);
        self.bucket = Some(bucket);
        true
    }
}

/// The rows of a chunk where one code per row decides, and what its table is.
struct Coder<'a, 'c> {
    picked: &'a Picked<'c>,
    coded: &'a Coded<'c>,
    positions: &'a mut Positions,
}

impl Coder<'_, '_> {
    /// Calls `add(cell, row, subject)` for each row that `counts`, with the cell, or cells, of its line.
    #[allow(clippy::too_many_arguments)]
    fn each<T: Cell>(
        &mut self,
        table: &mut Table<T>,
        union: bool,
        lines: &mut Lines,
        source: &mut Source,
        values: &mut Segments,
        budget: &mut Budget,
        tick: &mut dyn Tick,
        counts: impl Fn(usize) -> bool,
        mut add: impl FnMut(&mut T, usize, SubjectNo, &mut Source, &mut Segments, &mut Budget) -> Result<()>,
    ) -> Result<()> {
        let (picked, coded, positions) = (self.picked, self.coded, &mut *self.positions);
        picked.runs(tick, |run| {
            let remembered = positions.remember(run.bucket, run.len());
            picked.try_each(run, |row, no| {
                if !counts(row) {
                    return Ok(());
                }
                let code = coded.code(row, no);
                if remembered
                    && let Some(at) = code.and_then(|c| positions.of.get(c as usize))
                    && let Some(cell) = table.at(*at as usize)
                {
                    return add(cell, row, no, source, values, budget);
                }
                let line = match code.and_then(|c| lines.by_code.get(c as usize).copied()) {
                    Some(line) if line != UNKNOWN => line,
                    _ => {
                        let line = lines.of(source, row, no, run.bucket, budget)?;
                        if let Some(l) = code.and_then(|c| lines.by_code.get_mut(c as usize)) {
                            *l = line;
                        }
                        line
                    }
                };
                if union && line >= MAX_SEGMENTS {
                    for segment in lines.combinations.members(&line) {
                        let cell = table.slot(*segment, run.bucket as usize, budget)?;
                        add(cell, row, no, source, values, budget)?;
                    }
                    return Ok(());
                }
                let at = table.place(line, run.bucket as usize, budget)?;
                if remembered && let Some(p) = code.and_then(|c| positions.of.get_mut(c as usize)) {
                    *p = u32::try_from(at).unwrap_or(UNKNOWN);
                }
                match table.at(at) {
                    Some(cell) => add(cell, row, no, source, values, budget),
                    None => Err(Error::corrupt("insights: no such cell")),
                }
            })
        })
    }
}

/// Counts the picked rows of a chunk where one code per row decides its segments.
#[allow(clippy::too_many_arguments)]
pub fn push_coded(
    counts: &mut Counts,
    picked: &Picked,
    coded: &Coded,
    mut source: Source,
    lines: &mut Lines,
    positions: &mut Positions,
    values: &mut Segments,
    budget: &mut Budget,
    tick: &mut dyn Tick,
) -> Result<()> {
    let mut c = Coder {
        picked,
        coded,
        positions,
    };
    let (s, l, v, b) = (&mut source, lines, values, &mut *budget);
    let always = |_: usize| true;
    match counts {
        Counts::Totals(t) => c.each(t, false, l, s, v, b, tick, always, |cell, _, _, _, _, _| {
            *cell = cell.saturating_add(1);
            Ok(())
        }),
        Counts::Sets(t) if s.sessions.is_some() => {
            let (sessions, chunk) = (s.sessions, s.chunk);
            let inside = |row: usize| sessions.is_none_or(|x| !x.excludes(chunk.event(row)));
            c.each(
                t,
                true,
                l,
                s,
                v,
                b,
                tick,
                inside,
                |cell, row, no, _, _, b| match counted(sessions, chunk, row, no) {
                    0 => Ok(()),
                    session => cell.add(session, b),
                },
            )
        }
        Counts::Sets(t) => c.each(t, true, l, s, v, b, tick, always, |cell, _, no, _, _, b| {
            cell.add(no, b)
        }),
        Counts::Times(t) => c.each(t, false, l, s, v, b, tick, always, |cell, _, no, _, _, b| {
            cell.put::<Add>(no, 1, b)
        }),
        Counts::Sums(t) => {
            let n = Numbers::of(s.chunk, s.property)?;
            c.each(
                t,
                false,
                l,
                s,
                v,
                b,
                tick,
                |row| !n.get(row).is_nan(),
                |cell, row, _, _, _, b| cell.add(n.get(row), b),
            )
        }
        Counts::Extremes(t) => {
            let n = Numbers::of(s.chunk, s.property)?;
            c.each(
                t,
                false,
                l,
                s,
                v,
                b,
                tick,
                |row| !n.get(row).is_nan(),
                |cell, row, _, _, _, _| {
                    cell.add(n.get(row));
                    Ok(())
                },
            )
        }
        Counts::Values(t) => {
            let n = Numbers::of(s.chunk, s.property)?;
            c.each(
                t,
                false,
                l,
                s,
                v,
                b,
                tick,
                |row| !n.get(row).is_nan(),
                |cell, row, _, _, _, b| cell.extend(std::iter::once(n.get(row)), b),
            )
        }
        Counts::Distinct(t) => {
            let column = s.column;
            // As in `push_rows`, an event without a value opens no segment.
            let is_value = |v: &Value| match v {
                Value::Null => false,
                Value::List(l) => l.iter().any(|v| !matches!(v, Value::Null)),
                _ => true,
            };
            let set = |row: usize| column.and_then(|c| c.get(row)).is_some_and(|v| is_value(&v));
            c.each(t, true, l, s, v, b, tick, set, |cell, row, _, s, v, b| {
                let list = s.ids.of(s.column, row, v, b)?;
                list.iter().try_for_each(|id| cell.add(*id, b))
            })
        }
        Counts::PerValue(t) => {
            let n = Numbers::of(s.chunk, s.property)?;
            let zero = s.zero;
            c.each(
                t,
                false,
                l,
                s,
                v,
                b,
                tick,
                |row| zero || !n.get(row).is_nan(),
                |cell, row, no, _, _, b| {
                    let x = n.get(row);
                    cell.push(no, key_of(if x.is_nan() { 0.0 } else { x }), b)
                },
            )
        }
        Counts::PerDistinct(t) => c.each(t, false, l, s, v, b, tick, always, |cell, row, no, s, v, b| {
            let list = s.ids.of(s.column, row, v, b)?;
            let list = if list.is_empty() { &[0] } else { list };
            list.iter().try_for_each(|id| cell.push(no, u64::from(*id), b))
        }),
    }
}

/// Finds the interval of rows that come in order.
struct Cursor<'a> {
    runs: std::slice::Iter<'a, Run>,
    run: Option<&'a Run>,
}

impl<'a> Cursor<'a> {
    fn new(runs: &'a [Run]) -> Self {
        let mut runs = runs.iter();
        Cursor { run: runs.next(), runs }
    }

    fn bucket(&mut self, row: usize) -> Option<u32> {
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
        let event = Event {
            chunk,
            row,
            user: match subjects {
                [user] if by == USER => *user,
                _ => 0,
            },
            by,
            bucket: column_of_table,
        };
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
