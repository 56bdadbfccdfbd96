//! Operations on sets of 32-bit ids in the portable format: bytes in, bytes out, container by container. Nothing but
//! the result is allocated.

use super::container::Words;
use super::pair::Scratch;
use super::ranges::Ranges;
use super::view::{ARRAY_LIMIT, CONTAINER_WORDS, Container};
use super::writer::{Writer, is_smallest};
use super::{Bitmap, Op, View};
use crate::error::Result;
use crate::tick::Tick;
use std::cmp::Ordering;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Containers between two looks whether to go on.
const TICK_CONTAINERS: usize = 512;

impl Op {
    /// Is an id in the result that is in the left set only?
    pub(super) fn keeps_left(self) -> bool {
        self != Op::And
    }

    /// Is an id in the result that is in the right set only?
    pub(super) fn keeps_right(self) -> bool {
        matches!(self, Op::Or | Op::Xor)
    }

    /// Is an id in the result that is in both sets?
    pub(super) fn keeps_both(self) -> bool {
        matches!(self, Op::And | Op::Or)
    }

    pub(super) fn of_words(self, a: u64, b: u64) -> u64 {
        match self {
            Op::And => a & b,
            Op::Or => a | b,
            Op::Xor => a ^ b,
            Op::AndNot => a & !b,
        }
    }

    /// Size of the result, given those of the operands and of what they share.
    pub(super) fn size(self, a: u64, b: u64, both: u64) -> u64 {
        match self {
            Op::And => both,
            Op::Or => (a + b).saturating_sub(both),
            Op::Xor => (a + b).saturating_sub(2 * both),
            Op::AndNot => a.saturating_sub(both),
        }
    }
}

/// `a op b`.
pub fn apply(op: Op, a: &View<'_>, b: &View<'_>, tick: &mut impl Tick) -> Result<Vec<u8>> {
    merge(op, a, b, tick)?.finish()
}

/// How many containers of both sets have the same key.
fn shared_keys(a: &View<'_>, b: &View<'_>) -> usize {
    let (mut i, mut j, mut n) = (0, 0, 0);
    while i < a.containers() && j < b.containers() {
        let (x, y) = (a.key(i), b.key(j));
        n += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    n
}

/// `a op b`, not yet put together.
pub(super) fn merge(op: Op, a: &View<'_>, b: &View<'_>, tick: &mut impl Tick) -> Result<Writer> {
    let shared = shared_keys(a, b);
    let (containers, bytes) = match op {
        Op::And => (shared, a.bytes().len().min(b.bytes().len())),
        Op::AndNot => (a.containers(), a.bytes().len()),
        Op::Or | Op::Xor => (
            a.containers() + b.containers() - shared,
            a.bytes().len() + b.bytes().len(),
        ),
    };
    let mut out = Writer::with_room(containers, bytes, a.has_runs() || b.has_runs())?;
    let mut scratch = Scratch::default();
    let (mut i, mut j) = (0, 0);
    while i < a.containers() || j < b.containers() {
        if (i + j) % TICK_CONTAINERS == 0 {
            tick.tick()?;
        }
        let order = if i == a.containers() {
            Ordering::Greater
        } else if j == b.containers() {
            Ordering::Less
        } else {
            a.key(i).cmp(&b.key(j))
        };
        match order {
            Ordering::Less if op.keeps_left() => out.copy(a.key(i), a.size(i), a.container(i)?.1)?,
            Ordering::Greater if op.keeps_right() => out.copy(b.key(j), b.size(j), b.container(j)?.1)?,
            Ordering::Equal => scratch.pair(op, a.key(i), a.container(i)?.1, b.container(j)?.1, &mut out)?,
            _ if op == Op::And && (i == a.containers() || j == b.containers()) => break,
            _ if op == Op::AndNot && i == a.containers() => break,
            _ => {}
        }
        i += usize::from(order != Ordering::Greater);
        j += usize::from(order != Ordering::Less);
    }
    Ok(out)
}

/// Passes the ids each pair of containers has in common, until `go_on` says no.
fn for_common(a: &View<'_>, b: &View<'_>, mut go_on: impl FnMut(usize, usize, u32) -> bool) -> Result<()> {
    let (mut i, mut j) = (0, 0);
    while i < a.containers() && j < b.containers() {
        let order = a.key(i).cmp(&b.key(j));
        if order == Ordering::Equal && !go_on(i, j, a.container(i)?.1.common(&b.container(j)?.1)) {
            break;
        }
        i += usize::from(order != Ordering::Greater);
        j += usize::from(order != Ordering::Less);
    }
    Ok(())
}

/// How many ids the sets have in common.
pub fn common(a: &View<'_>, b: &View<'_>) -> Result<u64> {
    let mut n = 0;
    for_common(a, b, |_, _, both| {
        n += u64::from(both);
        true
    })?;
    Ok(n)
}

/// How many ids `a op b` has, without making it.
pub fn cardinality_of(op: Op, a: &View<'_>, b: &View<'_>) -> Result<u64> {
    Ok(op.size(a.cardinality(), b.cardinality(), common(a, b)?))
}

/// Have the sets an id in common?
pub fn intersects(a: &View<'_>, b: &View<'_>) -> Result<bool> {
    let mut found = false;
    for_common(a, b, |_, _, both| {
        found = both > 0;
        !found
    })?;
    Ok(found)
}

/// Is every id of `b` in `a`?
pub fn contains_all(a: &View<'_>, b: &View<'_>) -> Result<bool> {
    if b.containers() > a.containers() || b.cardinality() > a.cardinality() {
        return Ok(false);
    }
    let mut whole = 0;
    for_common(a, b, |_, j, both| {
        let all = both == b.size(j);
        whole += usize::from(all);
        all
    })?;
    Ok(whole == b.containers())
}

/// Compares the sets as lists of their ids: the smaller first id that differs is the smaller set, and a list that ends
/// is smaller than one that goes on.
pub fn compare(a: &View<'_>, b: &View<'_>) -> Result<Ordering> {
    let n = a.containers().min(b.containers());
    for i in 0..n {
        match a.key(i).cmp(&b.key(i)) {
            Ordering::Equal => {}
            other => return Ok(other),
        }
        let (x, y) = (a.container(i)?.1, b.container(i)?.1);
        if same_bytes(&x, &y) {
            continue;
        }
        let (mut p, mut q): (Words, Words) = ([0; CONTAINER_WORDS], [0; CONTAINER_WORDS]);
        x.or_into(&mut p)?;
        y.or_into(&mut q)?;
        let Some(at) = p.iter().zip(&q).position(|(v, w)| v != w) else {
            continue;
        };
        let (v, w) = (p.get(at).copied().unwrap_or(0), q.get(at).copied().unwrap_or(0));
        let bit = (v ^ w).trailing_zeros();
        let in_a = v >> bit & 1 == 1;
        // The set that lacks the id goes on with a larger one, or ends.
        let (other, words, word) = if in_a { (b, &q, w) } else { (a, &p, v) };
        let later = (word >> bit) != 0
            || words.get(at + 1..).unwrap_or_default().iter().any(|w| *w != 0)
            || other.containers() > i + 1;
        return Ok(if in_a == later {
            Ordering::Less
        } else {
            Ordering::Greater
        });
    }
    Ok(a.containers().cmp(&b.containers()))
}

fn same_bytes(a: &Container<'_>, b: &Container<'_>) -> bool {
    match (a, b) {
        (Container::Array(x), Container::Array(y)) => x == y,
        (Container::Bits(x), Container::Bits(y)) => x == y,
        (Container::Runs(x), Container::Runs(y)) => x == y,
        _ => false,
    }
}

/// Are the sets equal, whatever their encoding?
pub fn same(a: &View<'_>, b: &View<'_>) -> Result<bool> {
    if a.bytes() == b.bytes() {
        return Ok(true);
    }
    if a.containers() != b.containers() || (0..a.containers()).any(|i| a.key(i) != b.key(i) || a.size(i) != b.size(i)) {
        return Ok(false);
    }
    Ok(compare(a, b)? == Ordering::Equal)
}

/// A hash of the ids, the same for every encoding of a set.
pub fn hash(a: &View<'_>, seed: u64) -> Result<u64> {
    let mut hash = seed;
    let mut scratch = Vec::new();
    for i in 0..a.containers() {
        let (key, container) = a.container(i)?;
        let seed = hash ^ (u64::from(key) << 32 | u64::from(a.size(i)));
        hash = if is_smallest(&container, a.size(i)) {
            let bytes = match container {
                Container::Array(ids) => ids.as_flattened(),
                Container::Bits(bits) => bits.as_flattened(),
                Container::Runs(runs) => runs.as_flattened(),
            };
            xxh3_64_with_seed(bytes, seed)
        } else {
            let mut writer = Writer::default();
            writer.push(key, container, &mut scratch)?;
            xxh3_64_with_seed(writer.contents(), seed)
        };
    }
    Ok(hash)
}

/// The set of the ids `first ..= last`.
pub fn range(first: u32, last: u32) -> Result<Vec<u8>> {
    let mut ranges = Ranges::default();
    if first <= last {
        ranges.push(first, last)?;
    }
    ranges.finish()
}

/// What becomes of the ids of `a` in `first ..= last`: [`Op::And`] keeps only them, [`Op::AndNot`] removes them,
/// [`Op::Or`] adds all of the range, [`Op::Xor`] turns the range around. Nothing is in a range that ends before it begins.
pub fn with_range(op: Op, a: &View<'_>, first: u32, last: u32, tick: &mut impl Tick) -> Result<Vec<u8>> {
    apply(op, a, &View::new(&range(first, last)?)?, tick)
}

/// Number of ids.
pub fn cardinality(a: &View<'_>) -> Result<u64> {
    Ok(a.cardinality())
}

/// The ids in ascending order, decoded and checked.
pub fn into_ids(a: &View<'_>) -> Result<impl Iterator<Item = u32> + use<>> {
    Ok(Bitmap::from_portable(a.bytes())?.into_iter())
}

/// Bytes from outside: checked whole, and written anew, so that stored bytes are always our own.
pub fn import(bytes: &[u8]) -> Result<Vec<u8>> {
    let set = Bitmap::from_portable(bytes)?;
    View::new(bytes)?.check_header()?;
    set.into_portable()
}

/// How a set is stored.
pub fn stats(a: &View<'_>) -> Result<Stats> {
    let mut stats = Stats {
        cardinality: a.cardinality(),
        bytes: a.bytes().len() as u64,
        ..Stats::default()
    };
    stats.add(a)?;
    Ok(stats)
}

/// Containers of a set by their forms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Ids.
    pub cardinality: u64,
    /// Bytes of the portable format.
    pub bytes: u64,
    /// Containers that list their ids.
    pub arrays: u64,
    /// Containers with one bit per id.
    pub bits: u64,
    /// Containers of stretches of ids.
    pub runs: u64,
}

impl Stats {
    pub(super) fn add(&mut self, a: &View<'_>) -> Result<()> {
        for i in 0..a.containers() {
            match a.container(i)?.1 {
                Container::Array(_) => self.arrays += 1,
                Container::Bits(_) => self.bits += 1,
                Container::Runs(_) => self.runs += 1,
            }
        }
        Ok(())
    }
}

/// The set of sorted ids; repetitions do not matter.
pub(super) fn of_sorted(ids: &[u32], out: &mut Vec<u8>) -> Result<()> {
    let mut writer = Writer::with_room(0, ids.len() * 2, false)?;
    let mut lows: Vec<u16> = Vec::new();
    let mut rest = ids;
    while let Some(first) = rest.first() {
        let key = first >> 16;
        let (same_key, after) = rest.split_at(len_of_key(rest, key));
        rest = after;
        if same_key.len() > ARRAY_LIMIT as usize {
            writer.push_many(key as u16, same_key.iter().map(|id| *id as u16))?;
            continue;
        }
        lows.clear();
        lows.extend(same_key.iter().map(|id| *id as u16));
        lows.dedup();
        writer.push_ids(key as u16, &lows)?;
    }
    writer.finish_into(out)
}

/// How many of the sorted ids, from the first on, have the upper half `key`: looks twice as far each time.
fn len_of_key(ids: &[u32], key: u32) -> usize {
    let mut far = 64;
    while ids.get(far).is_some_and(|id| id >> 16 == key) {
        far *= 2;
    }
    let near = ids.get(..far).unwrap_or(ids);
    near.partition_point(|id| id >> 16 <= key)
}

/// Every id moved by `distance`; those that leave the 32 bits are dropped.
pub fn shift(a: &View<'_>, distance: i64, tick: &mut impl Tick) -> Result<Vec<u8>> {
    let mut out = Ranges::default();
    let mut n = 0usize;
    a.try_for_each_range(|first, last| {
        n += 1;
        if n.is_multiple_of(crate::tick::EVERY) {
            tick.tick()?;
        }
        let at = |id: u32| i128::from(id) + i128::from(distance);
        let (first, last) = (at(first).max(0), at(last).min(i128::from(u32::MAX)));
        match (u32::try_from(first), u32::try_from(last)) {
            (Ok(first), Ok(last)) if first <= last => out.push(first, last),
            _ => Ok(()),
        }
    })?;
    out.finish()
}

/// The ids at the places `skip .. skip + take`, counted from 0 in ascending order.
pub fn slice(a: &View<'_>, skip: u64, take: u64, tick: &mut impl Tick) -> Result<Vec<u8>> {
    let mut out = Ranges::default();
    let end = skip.saturating_add(take);
    let mut at = 0u64;
    for i in 0..a.containers() {
        let size = u64::from(a.size(i));
        if i % TICK_CONTAINERS == 0 {
            tick.tick()?;
        }
        if at + size > skip && at < end {
            let (key, container) = a.container(i)?;
            let base = u32::from(key) << 16;
            container.try_for_each_range(|first, last| {
                let n = u64::from(last.saturating_sub(first)) + 1;
                let (from, to) = (skip.saturating_sub(at), end.saturating_sub(at).min(n));
                at += n;
                if from < to {
                    let first = base | u32::from(first);
                    out.push(first + from as u32, first + (to - 1) as u32)?;
                }
                Ok(())
            })?;
        } else {
            at += size;
        }
    }
    out.finish()
}

/// The same set in the encoding of this module: every container in its smallest form.
pub fn compact(a: &View<'_>) -> Result<Vec<u8>> {
    let mut out = Writer::with_room(a.containers(), a.bytes().len(), a.has_runs())?;
    let mut scratch = Vec::new();
    for i in 0..a.containers() {
        let (key, container) = a.container(i)?;
        if is_smallest(&container, a.size(i)) {
            out.copy(key, a.size(i), container)?;
        } else {
            out.push(key, container, &mut scratch)?;
        }
    }
    out.finish()
}
