//! What a metric reads of a chunk: the picked rows run by run, and the values of a property.

use super::runs::Run;
use crate::breakdown::Segments;
use crate::chunk::{Chunk, Column, Hits, Kind, SubjectNo, USER};
use crate::error::{Result, try_vec};
use crate::gather::{Budget, push_within};
use crate::subjects::SubjectSet;
use crate::tick::{EVERY, Tick};
use crate::value::Value;
use rustc_hash::FxHashMap;

/// Picked rows of which each has one subject at most.
pub struct Picked<'c> {
    pub runs: &'c [Run],
    hits: &'c Hits,
    /// Every row is picked.
    whole: bool,
    subjects: &'c [SubjectNo],
    remap: Option<&'c [SubjectNo]>,
    /// Rows without a subject do not count.
    pub must: bool,
}

impl<'c> Picked<'c> {
    /// `None` where rows may have several subjects. `must`: the metric counts subjects.
    pub fn new(
        chunk: &'c Chunk,
        by: Kind,
        hits: &'c Hits,
        runs: &'c [Run],
        remap: Option<&'c [SubjectNo]>,
        must: bool,
    ) -> Option<Self> {
        let subjects = match chunk.group(by) {
            _ if by == USER => chunk.user.as_slice(),
            Some(g) if g.more.is_empty() => g.first.as_slice(),
            Some(_) => return None,
            None => &[],
        };
        Some(Picked {
            runs,
            hits,
            whole: hits.rows.is_full(),
            subjects,
            remap: remap.filter(|_| by == USER),
            must: must || by != USER,
        })
    }

    /// The subject of a row, 0 = nobody.
    #[inline]
    pub fn subject(&self, row: usize) -> SubjectNo {
        let no = self.subjects.get(row).copied().unwrap_or(0);
        match self.remap {
            Some(table) => table.get(no as usize).copied().unwrap_or(no),
            None => no,
        }
    }

    /// The subjects of a run as they are stored, when all of its rows count and there are no identity merges.
    pub fn plain(&self, run: &Run) -> Option<&'c [SubjectNo]> {
        match (self.whole, self.remap) {
            (true, None) => self.subjects.get(run.rows()),
            _ => None,
        }
    }

    /// The largest subject of the chunk, before identity merges.
    pub fn top(&self) -> SubjectNo {
        self.subjects.iter().copied().max().unwrap_or(0)
    }

    /// How many rows are picked, in a run or not.
    pub fn rows(&self) -> usize {
        self.hits.rows.count()
    }

    /// All rows of a run count, whoever they are of.
    pub fn everything(&self) -> bool {
        self.whole && !self.must
    }

    /// Adds the subjects of a run to a set.
    pub fn add_to(&self, run: &Run, set: &mut SubjectSet, budget: &mut Budget) -> Result<()> {
        if let Some(subjects) = self.plain(run) {
            return set.extend_run(subjects, budget);
        }
        // The events of a subject come in runs.
        let mut last = 0;
        self.try_each(run, |_, no| {
            if no == last {
                return Ok(());
            }
            last = no;
            set.add(no, budget)
        })
    }

    /// How many rows of a run count.
    pub fn count(&self, run: &Run) -> u64 {
        if self.must {
            let mut n = 0;
            self.each(run, |_, _| n += 1);
            return n;
        }
        if self.whole {
            return run.len() as u64;
        }
        self.hits.rows.count_in(run.rows()) as u64
    }

    /// Calls `f(row, subject)` for the rows of a run that count.
    #[inline]
    pub fn each(&self, run: &Run, mut f: impl FnMut(usize, SubjectNo)) {
        if self.whole {
            for row in run.rows() {
                let no = self.subject(row);
                if no != 0 || !self.must {
                    f(row, no);
                }
            }
        } else {
            for row in self.hits.rows.ones_in(run.rows()) {
                let no = self.subject(row);
                if no != 0 || !self.must {
                    f(row, no);
                }
            }
        }
    }

    /// The same for what may fail.
    #[inline]
    pub fn try_each(&self, run: &Run, mut f: impl FnMut(usize, SubjectNo) -> Result<()>) -> Result<()> {
        if self.whole {
            for row in run.rows() {
                let no = self.subject(row);
                if no != 0 || !self.must {
                    f(row, no)?;
                }
            }
        } else {
            for row in self.hits.rows.ones_in(run.rows()) {
                let no = self.subject(row);
                if no != 0 || !self.must {
                    f(row, no)?;
                }
            }
        }
        Ok(())
    }

    /// Calls `f` with every run, and the tick in between.
    pub fn runs(&self, tick: &mut dyn Tick, mut f: impl FnMut(&Run) -> Result<()>) -> Result<()> {
        let mut since = EVERY;
        for run in self.runs {
            if since >= EVERY {
                since = 0;
                tick.tick()?;
            }
            since += run.len();
            f(run)?;
        }
        Ok(())
    }
}

/// The numbers of a property; NaN where there is none.
pub enum Numbers<'c> {
    Floats(&'c [f64]),
    Codes { codes: &'c [u32], numbers: Vec<f64> },
    Nothing,
}

impl<'c> Numbers<'c> {
    /// Of a property of a chunk.
    pub fn of(chunk: &'c Chunk, property: u32) -> Result<Self> {
        Ok(match chunk.property(property) {
            None => Numbers::Nothing,
            Some(Column::Number(v)) => Numbers::Floats(v),
            Some(Column::Dict { values, codes }) => {
                let mut numbers = try_vec(values.len() + 1, "values of a property")?;
                numbers.push(f64::NAN);
                numbers.extend(values.iter().map(|v| v.as_f64().unwrap_or(f64::NAN)));
                Numbers::Codes { codes, numbers }
            }
        })
    }

    /// The number of a row.
    #[inline]
    pub fn get(&self, row: usize) -> f64 {
        match self {
            Numbers::Floats(v) => v.get(row).copied().unwrap_or(f64::NAN),
            Numbers::Codes { codes, numbers } => {
                let code = codes.get(row).copied().unwrap_or(0);
                numbers.get(code as usize).copied().unwrap_or(f64::NAN)
            }
            Numbers::Nothing => f64::NAN,
        }
    }
}

/// Numbers of the different values of a property, from 1 up, the same in all chunks of a partial.
#[derive(Debug, Default)]
pub struct ValueNumbers {
    /// By bits of a number.
    of_numbers: FxHashMap<u64, u32>,
    last: (u64, u32),
    /// Of the codes of one chunk: where their numbers are in `list`; a code that was not met has none.
    spans: Vec<Option<(u32, u32)>>,
    list: Vec<u32>,
}

impl ValueNumbers {
    /// Must be called before the rows of another chunk are asked for: codes mean something else there.
    pub fn next_chunk(&mut self, column: Option<&Column>) -> Result<()> {
        self.list.clear();
        self.spans.clear();
        let codes = match column {
            Some(Column::Dict { values, .. }) => values.len() + 1,
            _ => 0,
        };
        self.spans
            .try_reserve(codes)
            .map_err(|_| crate::error::Error::OutOfMemory("values of a property"))?;
        self.spans.resize(codes, None);
        Ok(())
    }

    /// The numbers of the values of a row: several for a list, none when it is not set.
    #[inline]
    pub fn of(
        &mut self,
        column: Option<&Column>,
        row: usize,
        all: &mut Segments,
        budget: &mut Budget,
    ) -> Result<&[u32]> {
        let (from, n) = match column {
            None => return Ok(&[]),
            Some(Column::Dict { values, codes }) => {
                let code = codes.get(row).copied().unwrap_or(0);
                match self.spans.get(code as usize) {
                    Some(Some(span)) => *span,
                    _ => self.learn(code, values, all, budget)?,
                }
            }
            Some(Column::Number(v)) => {
                let x = v.get(row).copied().unwrap_or(f64::NAN) + 0.0;
                if x.is_nan() {
                    return Ok(&[]);
                }
                if self.last.0 != x.to_bits() || self.last.1 == 0 {
                    self.last = (x.to_bits(), self.learn_number(x, all, budget)?);
                }
                return Ok(std::slice::from_ref(&self.last.1));
            }
        };
        Ok(self.list.get(from as usize..(from + n) as usize).unwrap_or(&[]))
    }

    fn learn_number(&mut self, x: f64, all: &mut Segments, budget: &mut Budget) -> Result<u32> {
        if let Some(n) = self.of_numbers.get(&x.to_bits()) {
            return Ok(*n);
        }
        let n = number(&Value::number(x).to_text(), all, budget)?;
        budget.take(24)?;
        self.of_numbers
            .try_reserve(1)
            .map_err(|_| crate::error::Error::OutOfMemory("values of a property"))?;
        self.of_numbers.insert(x.to_bits(), n);
        Ok(n)
    }

    #[cold]
    fn learn(&mut self, code: u32, values: &[Value], all: &mut Segments, budget: &mut Budget) -> Result<(u32, u32)> {
        let from = self.list.len();
        let value = (code as usize).checked_sub(1).and_then(|i| values.get(i));
        match value {
            None | Some(Value::Null) => {}
            Some(Value::List(items)) => {
                for v in items.iter().filter(|v| !matches!(v, Value::Null)) {
                    let n = number(&v.to_text(), all, budget)?;
                    if !self.list.iter().skip(from).any(|m| *m == n) {
                        push_within(&mut self.list, n, budget)?;
                    }
                }
            }
            Some(v) => {
                let n = number(&v.to_text(), all, budget)?;
                push_within(&mut self.list, n, budget)?;
            }
        }
        let span = (from as u32, (self.list.len() - from) as u32);
        if let Some(s) = self.spans.get_mut(code as usize) {
            *s = Some(span);
        }
        Ok(span)
    }

    /// Memory of what was worked out, as it was counted.
    pub fn bytes(&self) -> usize {
        self.of_numbers.len() * 24 + self.list.capacity() * 4
    }
}

/// Values count as one when they read the same: `1` and `"1"`.
fn number(text: &str, all: &mut Segments, budget: &mut Budget) -> Result<u32> {
    let text = all.text(text, budget)?;
    Ok(all.single(text, budget)? + 1)
}
