//! Rows in order of time. A group can have as many rows as fit into a state, so sorting them asks in between whether to
//! go on: in runs, which are then merged.

use super::Row;
use super::state::{TextRow, rows, text_rows};
use crate::error::{Error, Result, try_vec};
use crate::tick::{EVERY, Tick};
use std::cmp::Ordering;

/// Rows that are sorted at one go: a few milliseconds.
const RUN: usize = 1 << 16;

/// Sorts; equal rows in any order. O(n log n), and room for as many rows again when there are more than a run.
pub(super) fn sort<T: Copy>(
    rows: &mut Vec<T>,
    tick: &mut impl Tick,
    compare: impl Fn(&T, &T) -> Ordering,
) -> Result<()> {
    in_runs(rows, RUN, tick, compare)
}

fn in_runs<T: Copy>(
    rows: &mut Vec<T>,
    run: usize,
    tick: &mut impl Tick,
    compare: impl Fn(&T, &T) -> Ordering,
) -> Result<()> {
    for part in rows.chunks_mut(run) {
        tick.tick()?;
        if !part.is_sorted_by(|a, b| compare(a, b).is_le()) {
            part.sort_unstable_by(&compare);
        }
    }
    if rows.len() <= run {
        return Ok(());
    }
    let mut merged = try_vec(rows.len(), "rows of a behaviour aggregate")?;
    let mut width = run;
    while width < rows.len() {
        merged.clear();
        for pair in rows.chunks(width.saturating_mul(2)) {
            let (a, b) = pair.split_at(width.min(pair.len()));
            merge(a, b, &mut merged, tick, &compare)?;
        }
        std::mem::swap(rows, &mut merged);
        width = width.saturating_mul(2);
    }
    Ok(())
}

/// Appends both, which are sorted, to `out`, which has room for them.
fn merge<T: Copy>(
    mut a: &[T],
    mut b: &[T],
    out: &mut Vec<T>,
    tick: &mut impl Tick,
    compare: impl Fn(&T, &T) -> Ordering,
) -> Result<()> {
    while let (Some(_), Some(_)) = (a.first(), b.first()) {
        tick.tick()?;
        for _ in 0..EVERY {
            match (a.split_first(), b.split_first()) {
                (Some((x, rest)), Some((y, _))) if compare(x, y).is_le() => {
                    out.push(*x);
                    a = rest;
                }
                (Some(_), Some((y, rest))) => {
                    out.push(*y);
                    b = rest;
                }
                _ => break,
            }
        }
    }
    tick.tick()?;
    out.extend_from_slice(a);
    out.extend_from_slice(b);
    Ok(())
}

/// All rows of a kind without text, by time and then by the conditions they meet.
pub(super) fn by_time(state: &[u8], tick: &mut impl Tick) -> Result<Vec<Row>> {
    let mut all = unsorted(state, tick)?;
    sort(&mut all, tick, Row::cmp)?;
    Ok(all)
}

/// All rows of a kind without text, in the order they came.
pub(super) fn unsorted(state: &[u8], tick: &mut impl Tick) -> Result<Vec<Row>> {
    let rows = rows(state)?;
    let mut all = try_vec(rows.len(), "rows of a behaviour aggregate")?;
    for (i, row) in rows.enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        all.push(row?);
    }
    Ok(all)
}

/// All rows of a kind with text, in the order they came.
pub(super) fn unsorted_texts<'a>(state: &'a [u8], tick: &mut impl Tick) -> Result<Vec<TextRow<'a>>> {
    let mut all = Vec::new();
    for (i, row) in text_rows(state)?.enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
            all.try_reserve(EVERY)
                .map_err(|_| Error::OutOfMemory("rows of a behaviour aggregate"))?;
        }
        all.push(row?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::NoTick;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorts_as_the_standard_library(mut rows in prop::collection::vec(0u16..500, 0..300), run in 1usize..40) {
            let mut wanted = rows.clone();
            wanted.sort();
            in_runs(&mut rows, run, &mut NoTick, u16::cmp).unwrap();
            prop_assert_eq!(rows, wanted);
        }
    }

    /// Says stop when it is asked for the n-th time.
    struct Stop(usize);

    impl Tick for Stop {
        fn tick(&mut self) -> Result<()> {
            self.0 = self.0.checked_sub(1).ok_or(Error::Cancelled)?;
            Ok(())
        }
    }

    #[test]
    fn asks_at_least_once_a_run_and_obeys() {
        let rows: Vec<u64> = (0..4 * EVERY as u64)
            .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .collect();
        let asked = |n| {
            let mut rows = rows.clone();
            in_runs(&mut rows, EVERY, &mut Stop(n), u64::cmp)
        };
        // Four runs, then all rows are merged twice, and each time it asks every so many rows.
        for n in 0..4 + 4 {
            assert!(matches!(asked(n), Err(Error::Cancelled)), "after {n}");
        }
    }
}
