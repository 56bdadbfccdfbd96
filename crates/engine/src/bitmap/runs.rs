//! Operations on containers of runs.
//!
//! Which list goes on is a branch: the processor guesses it right where runs come at regular distances, and need not wait
//! for the next run to be read. What becomes of a run is none.

use super::Op;
use super::container::run;

/// Collects stretches in ascending order; those that touch are joined. The first place stays empty: what is open is
/// written there before anything is.
struct Stretches<'a> {
    out: &'a mut Vec<(u16, u16)>,
    n: usize,
    first: i32,
    end: i32,
}

impl<'a> Stretches<'a> {
    /// With room for `most` stretches.
    fn new(out: &'a mut Vec<(u16, u16)>, most: usize) -> Self {
        out.clear();
        out.resize(most + 1, (0, 0));
        Stretches {
            out,
            n: 0,
            first: 0,
            end: -1,
        }
    }

    /// Adds `from .. to`, which may be nothing.
    #[inline(always)]
    fn add(&mut self, from: i32, to: i32) {
        let some = from < to;
        let apart = some & (from > self.end);
        self.write();
        self.n += usize::from(apart);
        self.first = if apart { from } else { self.first };
        self.end = if some { self.end.max(to) } else { self.end };
    }

    #[inline(always)]
    fn write(&mut self) {
        if let Some(to) = self.out.get_mut(self.n) {
            *to = (self.first as u16, (self.end - 1) as u16);
        }
    }

    fn finish(mut self) -> &'a [(u16, u16)] {
        self.write();
        self.out.get(1..=self.n).unwrap_or_default()
    }
}

/// A run as its first id and the one behind its last.
#[inline(always)]
fn edges(r: &[u8; 4]) -> (i32, i32) {
    let (first, last) = run(r);
    (first.into(), i32::from(last) + 1)
}

/// `a op b` of stretches of ids, with a gap between two.
pub(super) fn merge<'a>(op: Op, a: &[[u8; 4]], b: &[[u8; 4]], out: &'a mut Vec<(u16, u16)>) -> &'a [(u16, u16)] {
    match op {
        Op::And => {
            let mut out = Stretches::new(out, a.len() + b.len());
            in_common(a, b, |from, to| out.add(from, to));
            out.finish()
        }
        Op::Or => unite(a, b, out),
        Op::Xor | Op::AndNot => {
            sweep(op, a, b, out);
            out
        }
    }
}

/// Passes what pairs of runs have in common: `from .. to`, which is nothing when it ends before it begins.
#[inline(always)]
fn in_common(a: &[[u8; 4]], b: &[[u8; 4]], mut f: impl FnMut(i32, i32)) {
    let (mut a, mut b) = (a.iter().map(edges), b.iter().map(edges));
    let (mut left, mut right) = (a.next(), b.next());
    while let (Some((x, x_end)), Some((y, y_end))) = (left, right) {
        f(x.max(y), x_end.min(y_end));
        if x_end < y_end {
            left = a.next();
        } else {
            right = b.next();
        }
    }
}

/// How many ids two lists of runs have in common.
pub(super) fn common(a: &[[u8; 4]], b: &[[u8; 4]]) -> u32 {
    let mut n = 0u32;
    in_common(a, b, |from, to| n = n.saturating_add((to - from).max(0) as u32));
    n
}

fn unite<'a>(a: &[[u8; 4]], b: &[[u8; 4]], out: &'a mut Vec<(u16, u16)>) -> &'a [(u16, u16)] {
    let mut out = Stretches::new(out, a.len() + b.len());
    let (mut a, mut b) = (a.iter().map(edges), b.iter().map(edges));
    let (mut left, mut right) = (a.next(), b.next());
    while let (Some(x), Some(y)) = (left, right) {
        if x.0 <= y.0 {
            out.add(x.0, x.1);
            left = a.next();
        } else {
            out.add(y.0, y.1);
            right = b.next();
        }
    }
    for (from, to) in left.into_iter().chain(a).chain(right).chain(b) {
        out.add(from, to);
    }
    out.finish()
}

/// `a op b` of stretches of ids, by sweeping over where they begin and end: for any operation.
fn sweep(op: Op, a: &[[u8; 4]], b: &[[u8; 4]], out: &mut Vec<(u16, u16)>) {
    // Each run as its first id and the one behind its last; the edges of a list ascend.
    let edge = |runs: &'_ [[u8; 4]], i: usize| -> u32 {
        match runs.get(i / 2).map(run) {
            Some((first, _)) if i.is_multiple_of(2) => u32::from(first),
            Some((_, last)) => u32::from(last) + 1,
            None => u32::MAX,
        }
    };
    out.clear();
    let (mut i, mut j) = (0, 0);
    let mut open: Option<u32> = None;
    loop {
        let (x, y) = (edge(a, i), edge(b, j));
        let at = x.min(y);
        if at == u32::MAX {
            return;
        }
        i += usize::from(x == at);
        j += usize::from(y == at);
        let (in_a, in_b) = (i % 2 == 1, j % 2 == 1);
        let inside = match op {
            Op::And => in_a && in_b,
            Op::Or => in_a || in_b,
            Op::Xor => in_a != in_b,
            Op::AndNot => in_a && !in_b,
        };
        match (open, inside) {
            (None, true) => {
                // Continues what ended right here.
                match out.last() {
                    Some((first, last)) if u32::from(*last) + 1 == at => {
                        open = Some(u32::from(*first));
                        out.pop();
                    }
                    _ => open = Some(at),
                }
            }
            (Some(first), false) => {
                if at > first {
                    out.push((first as u16, (at - 1) as u16));
                }
                open = None;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
