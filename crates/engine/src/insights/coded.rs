//! Counting by segment where one code of each row decides: first the cells of a run's rows, in a loop that does nothing
//! else, then the counting.

use super::broken_down::{Lines, UNKNOWN};
use super::cell::key_of;
use super::cells::Table;
use super::latest::Latest;
use super::partial::Counts;
use super::per_subject::Add;
use super::plain::{Source, counted};
use super::runs::Run;
use super::source::{Numbers, Picked};
use crate::breakdown::{Coded, MAX_SEGMENTS, Segments};
use crate::chunk::SubjectNo;
use crate::error::{Error, Result};
use crate::gather::Budget;
use crate::subjects::SubjectSet;
use crate::tick::Tick;
use crate::value::Value;

/// Where the cells of codes are, in one interval; and room for a run.
#[derive(Debug, Default)]
pub struct Positions {
    /// By code; [`UNKNOWN`] until it is met.
    of: Vec<u32>,
    bucket: Option<u32>,
    rows: Vec<u32>,
    subjects: Vec<SubjectNo>,
    cells: Vec<u32>,
}

impl Positions {
    /// Makes room for `codes` codes and forgets what they meant, unless `lasting`: that they mean the same as before.
    pub fn begin(&mut self, codes: usize, lasting: bool) -> Result<()> {
        if lasting && self.of.len() == codes {
            return Ok(());
        }
        self.bucket = None;
        self.of.clear();
        self.of.try_reserve(codes).map_err(|_| no_memory())?;
        self.of.resize(codes, UNKNOWN);
        Ok(())
    }

    /// Can cells be remembered for `rows` rows of an interval? What was remembered of another one is forgotten, which
    /// has to pay.
    fn remember(&mut self, bucket: u32, rows: usize) -> bool {
        if self.bucket == Some(bucket) {
            return true;
        }
        if self.bucket.is_some() {
            if self.of.len() > rows.saturating_mul(4) {
                return false;
            }
            self.of.fill(UNKNOWN);
        }
        self.bucket = Some(bucket);
        true
    }
}

fn no_memory() -> Error {
    Error::OutOfMemory("segments")
}

/// The rows of a run that count.
struct Rows<'r> {
    first: usize,
    /// Their numbers; `None` = all, from `first` on.
    some: Option<&'r [u32]>,
    subjects: &'r [SubjectNo],
}

impl<'r> Rows<'r> {
    fn of(picked: &Picked<'r>, run: &Run, rows: &'r mut Vec<u32>, subjects: &'r mut Vec<SubjectNo>) -> Result<Self> {
        let first = run.from as usize;
        if let Some(plain) = picked.plain(run).filter(|s| !(picked.must && s.contains(&0))) {
            return Ok(Rows {
                first,
                some: None,
                subjects: plain,
            });
        }
        rows.clear();
        subjects.clear();
        rows.try_reserve(run.len()).map_err(|_| no_memory())?;
        subjects.try_reserve(run.len()).map_err(|_| no_memory())?;
        picked.each(run, |row, no| {
            rows.push(row as u32);
            subjects.push(no);
        });
        Ok(Rows {
            first,
            some: Some(rows),
            subjects,
        })
    }

    fn row(&self, i: usize) -> usize {
        match self.some {
            None => self.first + i,
            Some(rows) => rows.get(i).map_or(usize::MAX, |r| *r as usize),
        }
    }

    /// Sets `cells` to what `f` makes of a column in these rows.
    #[inline(always)]
    fn fill(&self, cells: &mut [u32], column: &[u32], f: impl Fn(u32) -> u32) {
        match self.some {
            None => {
                let own = column.get(self.first..self.first + self.subjects.len());
                for (cell, x) in cells.iter_mut().zip(own.unwrap_or(&[])) {
                    *cell = f(*x);
                }
            }
            Some(rows) => {
                for (cell, row) in cells.iter_mut().zip(rows) {
                    if let Some(x) = column.get(*row as usize) {
                        *cell = f(*x);
                    }
                }
            }
        }
    }

    /// The cell of every row, where it is known.
    fn cells(&self, coded: &Coded, of: &[u32], cells: &mut Vec<u32>) -> Result<()> {
        let place = |code: u32| of.get(code as usize).copied().unwrap_or(UNKNOWN);
        let n = self.subjects.len();
        cells.clear();
        cells.try_reserve(n).map_err(|_| no_memory())?;
        cells.resize(n, UNKNOWN);
        let by_subject = cells.iter_mut().zip(self.subjects);
        match coded {
            Coded::Column(codes) => self.fill(cells, codes, place),
            Coded::Unset => cells.fill(place(0)),
            Coded::Subject(column) => by_subject.for_each(|(cell, no)| *cell = place(column.code(*no))),
            Coded::Number => by_subject.for_each(|(cell, no)| *cell = place(*no)),
            Coded::GroupNumber { first, alone } => {
                let nobody = if *alone { place(0) } else { UNKNOWN };
                self.fill(cells, first, |group| match group {
                    0 => nobody,
                    group => place(group),
                });
            }
            Coded::Group { first, column, alone } => {
                let nobody = if *alone { place(0) } else { UNKNOWN };
                self.fill(cells, first, |group| match group {
                    0 => nobody,
                    group => place(column.code(group)),
                });
            }
        }
        Ok(())
    }
}

/// Where a row counts.
enum Place {
    Cell(usize),
    /// In each segment of a line that stands for several.
    Each(u32),
}

/// The rows of a chunk where one code per row decides, and where their cells are.
struct Coder<'a, 'c> {
    picked: &'a Picked<'c>,
    coded: &'a Coded<'c>,
    positions: &'a mut Positions,
}

impl Coder<'_, '_> {
    /// Finds the cell of a row whose code was not met before.
    #[allow(clippy::too_many_arguments)]
    fn find<T: Default>(
        coded: &Coded,
        of: Option<&mut [u32]>,
        table: &mut Table<T>,
        union: bool,
        lines: &mut Lines,
        source: &Source,
        (row, no, bucket): (usize, SubjectNo, u32),
        budget: &mut Budget,
    ) -> Result<Place> {
        let code = coded.code(row, no).map(|c| c as usize);
        let mut known = None;
        if let Some(of) = of {
            known = code.and_then(|c| of.get_mut(c));
        }
        if let Some(at) = &known
            && **at != UNKNOWN
        {
            return Ok(Place::Cell(**at as usize));
        }
        let line = match code.and_then(|c| lines.by_code.get(c).copied()) {
            Some(line) if line != UNKNOWN => line,
            _ => {
                let line = lines.of(source, row, no, bucket, budget)?;
                if let Some(l) = code.and_then(|c| lines.by_code.get_mut(c)) {
                    *l = line;
                }
                line
            }
        };
        if union && line >= MAX_SEGMENTS {
            return Ok(Place::Each(line));
        }
        let at = table.place(line, bucket as usize, budget)?;
        if let Some(known) = known {
            *known = u32::try_from(at).unwrap_or(UNKNOWN);
        }
        Ok(Place::Cell(at))
    }

    /// Calls `add(cell, row, subject)` for each row that `counts`, with the cell, or cells, of its line.
    #[allow(clippy::too_many_arguments)]
    fn each<T: Default>(
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
        let (picked, coded) = (self.picked, self.coded);
        picked.runs(tick, |run| {
            let remembered = self.positions.remember(run.bucket, run.len());
            let Positions {
                of,
                rows,
                subjects,
                cells,
                ..
            } = &mut *self.positions;
            let rows = Rows::of(picked, run, rows, subjects)?;
            let known: &[u32] = if remembered { of } else { &[] };
            rows.cells(coded, known, cells)?;
            for (i, (no, cell)) in rows.subjects.iter().zip(cells.iter()).enumerate() {
                let row = rows.row(i);
                if !counts(row) {
                    continue;
                }
                if let Some(cell) = table.at(*cell as usize) {
                    add(cell, row, *no, source, values, budget)?;
                    continue;
                }
                let of = remembered.then_some(of.as_mut_slice());
                let at = (row, *no, run.bucket);
                match Self::find(coded, of, table, union, lines, source, at, budget)? {
                    Place::Cell(at) => {
                        let cell = table.at(at).ok_or_else(no_such_cell)?;
                        add(cell, row, *no, source, values, budget)?;
                    }
                    Place::Each(line) => {
                        for segment in lines.combinations.members(&line) {
                            let cell = table.slot(*segment, run.bucket as usize, budget)?;
                            add(cell, row, *no, source, values, budget)?;
                        }
                    }
                }
            }
            Ok(())
        })
    }

    /// Adds the subject of each row to the set of its cell, or to those who were there last.
    fn each_subject(
        &mut self,
        table: &mut Table<SubjectSet>,
        latest: &mut Latest,
        lines: &mut Lines,
        source: &mut Source,
        budget: &mut Budget,
        tick: &mut dyn Tick,
    ) -> Result<()> {
        let (picked, coded) = (self.picked, self.coded);
        picked.runs(tick, |run| {
            let remembered = self.positions.remember(run.bucket, run.len());
            let Positions {
                of,
                rows,
                subjects,
                cells,
                ..
            } = &mut *self.positions;
            let rows = Rows::of(picked, run, rows, subjects)?;
            let known: &[u32] = if remembered { of } else { &[] };
            rows.cells(coded, known, cells)?;
            for (i, (no, cell)) in rows.subjects.iter().zip(cells.iter()).enumerate() {
                if latest.is_in(*no, *cell) {
                    continue;
                }
                if *cell != UNKNOWN {
                    latest.put(*no, *cell, table, budget)?;
                    continue;
                }
                let of = remembered.then_some(of.as_mut_slice());
                let at = (rows.row(i), *no, run.bucket);
                match Self::find(coded, of, table, true, lines, source, at, budget)? {
                    Place::Cell(at) => match u32::try_from(at) {
                        Ok(at) if at != UNKNOWN => latest.put(*no, at, table, budget)?,
                        _ => table.at(at).ok_or_else(no_such_cell)?.add(*no, budget)?,
                    },
                    Place::Each(line) => {
                        for segment in lines.combinations.members(&line) {
                            let set = table.slot(*segment, run.bucket as usize, budget)?;
                            set.add(*no, budget)?;
                        }
                    }
                }
            }
            Ok(())
        })
    }
}

fn no_such_cell() -> Error {
    Error::corrupt("insights: no such cell")
}

/// Counts the picked rows of a chunk where one code per row decides its segments.
#[allow(clippy::too_many_arguments)]
pub fn push_coded(
    counts: &mut Counts,
    latest: &mut Latest,
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
            // As in `push_rows`, an event that is never in a session opens no segment.
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
        Counts::Sets(t) => {
            if latest.begin(picked.top(), picked.rows(), t, b)? {
                return c.each_subject(t, latest, l, s, b, tick);
            }
            c.each(t, true, l, s, v, b, tick, always, |cell, _, no, _, _, b| {
                cell.add(no, b)
            })
        }
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
