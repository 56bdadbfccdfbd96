//! Counting without a breakdown where every row has one subject at most: the common case, run by run in tight loops.

use super::cell::key_of;
use super::partial::Counts;
use super::per_subject::Add;
use super::source::{Numbers, Picked, ValueNumbers};
use crate::breakdown::Segments;
use crate::chunk::{Chunk, Column, SubjectNo};
use crate::error::Result;
use crate::gather::Budget;
use crate::sessions::Starts;
use crate::tick::Tick;

/// What a metric counts and where it finds it.
pub struct Source<'c, 'n> {
    pub chunk: &'c Chunk,
    pub column: Option<&'c Column>,
    pub property: u32,
    /// For metrics that count different values.
    pub ids: &'n mut ValueNumbers,
    /// The value of a subject is a sum, so that a subject without a number has 0.
    pub zero: bool,
    /// Sessions are counted, not subjects.
    pub sessions: Option<&'c Starts>,
}

/// What is counted of a row of a subject: the subject, or its session; 0 = nothing.
#[inline]
pub fn counted(sessions: Option<&Starts>, chunk: &Chunk, row: usize, no: SubjectNo) -> u32 {
    let at = || chunk.time.get(row).copied().unwrap_or(i64::MIN);
    sessions.map_or(no, |s| s.of(chunk.event(row), no, at()))
}

/// Counts the picked rows of a chunk.
pub fn push(
    counts: &mut Counts,
    picked: &Picked,
    source: Source,
    values: &mut Segments,
    budget: &mut Budget,
    tick: &mut dyn Tick,
) -> Result<()> {
    if let (Counts::Sets(table), Some(_)) = (&mut *counts, source.sessions) {
        return picked.runs(tick, |run| {
            picked.try_each(run, |row, no| match counted(source.sessions, source.chunk, row, no) {
                0 => Ok(()),
                session => table.slot(0, run.bucket as usize, budget)?.add(session, budget),
            })
        });
    }
    let Source {
        chunk,
        column,
        property,
        ids,
        zero,
        ..
    } = source;
    match counts {
        Counts::Totals(table) => picked.runs(tick, |run| {
            let cell = table.slot(0, run.bucket as usize, budget)?;
            *cell = cell.saturating_add(picked.count(run));
            Ok(())
        }),
        Counts::Sets(table) => picked.runs(tick, |run| {
            let set = table.slot(0, run.bucket as usize, budget)?;
            picked.add_to(run, set, budget)
        }),
        Counts::Times(table) => picked.runs(tick, |run| {
            let cell = table.slot(0, run.bucket as usize, budget)?;
            picked.try_each(run, |_, no| cell.put::<Add>(no, 1, budget))
        }),
        Counts::Sums(table) => {
            let numbers = Numbers::of(chunk, property)?;
            picked.runs(tick, |run| {
                let cell = table.slot(0, run.bucket as usize, budget)?;
                match &numbers {
                    Numbers::Nothing => Ok(()),
                    Numbers::Floats(v) if picked.everything() => {
                        let slice = v.get(run.rows()).unwrap_or(&[]);
                        slice.iter().try_for_each(|x| cell.add(*x, budget))
                    }
                    _ => picked.try_each(run, |row, _| cell.add(numbers.get(row), budget)),
                }
            })
        }
        Counts::Extremes(table) => {
            let numbers = Numbers::of(chunk, property)?;
            picked.runs(tick, |run| {
                let cell = table.slot(0, run.bucket as usize, budget)?;
                picked.each(run, |row, _| cell.add(numbers.get(row)));
                Ok(())
            })
        }
        Counts::Values(table) => {
            let numbers = Numbers::of(chunk, property)?;
            picked.runs(tick, |run| {
                let cell = table.slot(0, run.bucket as usize, budget)?;
                match &numbers {
                    Numbers::Nothing => Ok(()),
                    Numbers::Floats(v) if picked.everything() => {
                        cell.extend(v.get(run.rows()).unwrap_or(&[]).iter().copied(), budget)
                    }
                    _ => {
                        cell.reserve(run.len(), budget)?;
                        picked.each(run, |row, _| {
                            let x = numbers.get(row);
                            if !x.is_nan() && cell.keys.len() < cell.keys.capacity() {
                                cell.keys.push(key_of(x));
                            }
                        });
                        Ok(())
                    }
                }
            })
        }
        Counts::Distinct(table) => {
            let mut last = None;
            picked.runs(tick, |run| {
                let cell = table.slot(0, run.bucket as usize, budget)?;
                picked.try_each(run, |row, _| {
                    for id in ids.of(column, row, values, budget)? {
                        if last != Some((run.bucket, *id)) {
                            cell.add(*id, budget)?;
                            last = Some((run.bucket, *id));
                        }
                    }
                    Ok(())
                })
            })
        }
        Counts::PerValue(table) => {
            let numbers = Numbers::of(chunk, property)?;
            picked.runs(tick, |run| {
                let cell = table.slot(0, run.bucket as usize, budget)?;
                picked.try_each(run, |row, no| {
                    let x = numbers.get(row);
                    if x.is_nan() && !zero {
                        return Ok(());
                    }
                    cell.push(no, key_of(if x.is_nan() { 0.0 } else { x }), budget)
                })
            })
        }
        Counts::PerDistinct(table) => picked.runs(tick, |run| {
            let cell = table.slot(0, run.bucket as usize, budget)?;
            picked.try_each(run, |row, no| {
                let list = ids.of(column, row, values, budget)?;
                // Number 0 is no value; it says that the subject is there.
                for id in if list.is_empty() { &[0] } else { list } {
                    cell.push(no, u64::from(*id), budget)?;
                }
                Ok(())
            })
        }),
    }
}
