//! `a op b` of two containers with the same upper half of their ids.

use super::container::{Words, intersect_arrays, low};
use super::view::{CONTAINER_WORDS, Container};
use super::writer::Writer;
use super::{Op, kernels, runs};
use crate::error::{Error, Result};

/// Room that is used again for each pair of containers.
#[derive(Default)]
pub(super) struct Scratch {
    ids: Vec<u16>,
    runs: Vec<(u16, u16)>,
}

impl Scratch {
    /// Empties the room, and makes it large enough for whatever becomes of these two: what is pushed or resized after
    /// that can't fail.
    fn reserve(&mut self, a: &Container<'_>, b: &Container<'_>) -> Result<()> {
        let ids = |c: &Container<'_>| if let Container::Array(ids) = c { ids.len() } else { 0 };
        let runs = |c: &Container<'_>| if let Container::Runs(runs) = c { runs.len() } else { 0 };
        self.ids.clear();
        self.runs.clear();
        self.ids
            .try_reserve(ids(a) + ids(b) + kernels::BLOCK)
            .and_then(|()| self.runs.try_reserve(runs(a) + runs(b) + 1))
            .map_err(|_| Error::OutOfMemory("bitmap"))
    }

    pub(super) fn pair(
        &mut self,
        op: Op,
        key: u16,
        a: Container<'_>,
        b: Container<'_>,
        out: &mut Writer,
    ) -> Result<()> {
        use Container::{Array, Bits, Runs};
        self.reserve(&a, &b)?;
        match (op, a, b) {
            (Op::And, Array(x), Array(y)) => {
                intersect_arrays(x, y, &mut self.ids);
                out.push_ids(key, &self.ids)
            }
            (_, Array(x), Array(y)) => {
                merge_arrays(op, x, y, &mut self.ids);
                out.push_ids(key, &self.ids)
            }
            (Op::And, Array(ids), other) | (Op::And, other, Array(ids)) => {
                self.ids
                    .extend(ids.iter().map(|id| low(*id)).filter(|id| other.contains(*id)));
                out.push_ids(key, &self.ids)
            }
            (Op::AndNot, Array(ids), other) => {
                self.ids
                    .extend(ids.iter().map(|id| low(*id)).filter(|id| !other.contains(*id)));
                out.push_ids(key, &self.ids)
            }
            (_, Bits(x), Bits(y)) => out.combine(key, op, x, y),
            (_, Runs(x), Runs(y)) => {
                let runs = runs::merge(op, x, y, &mut self.runs);
                out.push_runs(key, runs)
            }
            _ => {
                let mut words: Words = [0; CONTAINER_WORDS];
                a.or_into(&mut words)?;
                match (op, b) {
                    (Op::Or, _) => b.or_into(&mut words)?,
                    (_, Bits(bits)) => {
                        for (word, other) in words.iter_mut().zip(bits) {
                            *word = op.of_words(*word, u64::from_le_bytes(*other));
                        }
                    }
                    _ => {
                        let mut right: Words = [0; CONTAINER_WORDS];
                        b.or_into(&mut right)?;
                        for (word, other) in words.iter_mut().zip(right) {
                            *word = op.of_words(*word, other);
                        }
                    }
                }
                out.push_words(key, &words)
            }
        }
    }
}

/// `a op b` of sorted ids, for the operations that keep what is on the left only.
fn merge_arrays(op: Op, a: &[[u8; 2]], b: &[[u8; 2]], out: &mut Vec<u16>) {
    let (left, right, both) = (op.keeps_left(), op.keeps_right(), op.keeps_both());
    out.resize(a.len() + b.len(), 0);
    let (mut i, mut j, mut n) = (0, 0, 0);
    // Written first and counted after: no branch depends on the ids.
    while let (Some(x), Some(y), Some(to)) = (a.get(i), b.get(j), out.get_mut(n)) {
        let (x, y) = (low(*x), low(*y));
        *to = x.min(y);
        n += usize::from((left && x < y) || (right && y < x) || (both && x == y));
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    out.truncate(n);
    if left {
        out.extend(a.get(i..).unwrap_or_default().iter().map(|id| low(*id)));
    }
    if right {
        out.extend(b.get(j..).unwrap_or_default().iter().map(|id| low(*id)));
    }
}
