//! Operations on sets of 64-bit ids: part by part with those of 32-bit sets, bytes in, bytes out.

use super::super::ops::{self, Stats};
use super::super::ranges::Ranges;
use super::super::{Bitmap, Op, View};
use super::{MAX_FILL, View64, Writer64, join, split};
use crate::error::{Error, Result};
use crate::tick::Tick;
use std::cmp::Ordering;

/// Passes the parts of both sets in the order of their keys, together where the keys are equal.
fn pairs<'a, 'b>(
    a: &View64<'a>,
    b: &View64<'b>,
    mut f: impl FnMut(u32, Option<View<'a>>, Option<View<'b>>) -> Result<bool>,
) -> Result<()> {
    let (mut left, mut right) = (a.parts(), b.parts());
    let (mut x, mut y) = (left.next().transpose()?, right.next().transpose()?);
    loop {
        let order = match (&x, &y) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((k, _)), Some((l, _))) => k.cmp(l),
        };
        let mut of = (None, None);
        let mut key = 0;
        if order != Ordering::Greater
            && let Some((k, view)) = x.take()
        {
            (key, of.0) = (k, Some(view));
            x = left.next().transpose()?;
        }
        if order != Ordering::Less
            && let Some((k, view)) = y.take()
        {
            (key, of.1) = (k, Some(view));
            y = right.next().transpose()?;
        }
        if !f(key, of.0, of.1)? {
            return Ok(());
        }
    }
}

/// `a op b`.
pub fn apply(op: Op, a: &View64<'_>, b: &View64<'_>, tick: &mut impl Tick) -> Result<Vec<u8>> {
    let bytes = if op.keeps_right() {
        a.bytes.len() + b.bytes.len()
    } else {
        a.bytes.len()
    };
    let mut out = Writer64::with_room(bytes)?;
    let mut n = 0usize;
    pairs(a, b, |key, x, y| {
        n += 1;
        if n.is_multiple_of(crate::tick::EVERY) {
            tick.tick()?;
        }
        match (x, y) {
            (Some(x), Some(y)) => {
                let both = ops::merge(op, &x, &y, tick)?;
                if !both.is_empty() {
                    out.part(key, |to| both.finish_into(to))?;
                }
            }
            (Some(x), None) if op.keeps_left() => out.copy(key, x.bytes())?,
            (None, Some(y)) if op.keeps_right() => out.copy(key, y.bytes())?,
            _ => {}
        }
        Ok(true)
    })?;
    Ok(out.finish())
}

/// How many ids the sets have in common.
pub fn common(a: &View64<'_>, b: &View64<'_>) -> Result<u64> {
    let mut n = 0u64;
    pairs(a, b, |_, x, y| {
        if let (Some(x), Some(y)) = (x, y) {
            n = n.saturating_add(ops::common(&x, &y)?);
        }
        Ok(true)
    })?;
    Ok(n)
}

/// How many ids `a op b` has, without making it.
pub fn cardinality_of(op: Op, a: &View64<'_>, b: &View64<'_>) -> Result<u64> {
    Ok(op.size(a.cardinality()?, b.cardinality()?, common(a, b)?))
}

/// Have the sets an id in common?
pub fn intersects(a: &View64<'_>, b: &View64<'_>) -> Result<bool> {
    let mut found = false;
    pairs(a, b, |_, x, y| {
        if let (Some(x), Some(y)) = (x, y) {
            found = ops::intersects(&x, &y)?;
        }
        Ok(!found)
    })?;
    Ok(found)
}

/// Is every id of `b` in `a`?
pub fn contains_all(a: &View64<'_>, b: &View64<'_>) -> Result<bool> {
    let mut all = true;
    pairs(a, b, |_, x, y| {
        all = match (x, y) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(x), Some(y)) => ops::contains_all(&x, &y)?,
        };
        Ok(all)
    })?;
    Ok(all)
}

/// Compares the sets as lists of their ids; see [`ops::compare`].
pub fn compare(a: &View64<'_>, b: &View64<'_>) -> Result<Ordering> {
    let (mut left, mut right) = (a.parts(), b.parts());
    loop {
        match (left.next().transpose()?, right.next().transpose()?) {
            (None, None) => return Ok(Ordering::Equal),
            (None, Some(_)) => return Ok(Ordering::Less),
            (Some(_), None) => return Ok(Ordering::Greater),
            (Some((k, x)), Some((l, y))) => {
                let order = k
                    .cmp(&l)
                    .then(if k == l { ops::compare(&x, &y)? } else { Ordering::Equal });
                if order == Ordering::Equal {
                    continue;
                }
                // A part that is the beginning of the other is not the smaller one if its set goes on with larger ids.
                let ends = if k == l { end_of(&x, &y)? } else { None };
                return Ok(match ends {
                    Some(Ordering::Less) if left.left > 0 => Ordering::Greater,
                    Some(Ordering::Greater) if right.left > 0 => Ordering::Less,
                    _ => order,
                });
            }
        }
    }
}

/// Which of two different sets is the beginning of the other, if one is.
fn end_of(x: &View<'_>, y: &View<'_>) -> Result<Option<Ordering>> {
    let begins = |short: &View<'_>, long: &View<'_>| -> Result<bool> {
        let n = short.cardinality();
        let last = short.max()?.unwrap_or(0);
        Ok(n < long.cardinality() && long.rank(last)? == n && ops::contains_all(long, short)?)
    };
    Ok(if begins(x, y)? {
        Some(Ordering::Less)
    } else if begins(y, x)? {
        Some(Ordering::Greater)
    } else {
        None
    })
}

/// Are the sets equal, whatever their encoding?
pub fn same(a: &View64<'_>, b: &View64<'_>) -> Result<bool> {
    if a.bytes == b.bytes {
        return Ok(true);
    }
    let mut same = a.parts == b.parts;
    if same {
        pairs(a, b, |_, x, y| {
            same = match (x, y) {
                (Some(x), Some(y)) => ops::same(&x, &y)?,
                _ => false,
            };
            Ok(same)
        })?;
    }
    Ok(same)
}

/// A hash of the ids, the same for every encoding of a set.
pub fn hash(a: &View64<'_>, seed: u64) -> Result<u64> {
    let mut hash = seed;
    a.try_for_each_part(|key, view| {
        hash = ops::hash(&view, hash.rotate_left(17) ^ u64::from(key))?;
        Ok(())
    })?;
    Ok(hash)
}

/// The set of `ids`, in any order, with or without repetitions.
pub fn of_ids(mut ids: Vec<u64>) -> Result<Vec<u8>> {
    if !ids.is_sorted() {
        ids.sort_unstable();
    }
    let mut out = Writer64::with_room(0)?;
    let mut lows: Vec<u32> = Vec::new();
    for same_key in ids.chunk_by(|a, b| a >> 32 == b >> 32) {
        let key = same_key.first().map_or(0, |id| split(*id).0);
        lows.clear();
        lows.try_reserve(same_key.len())
            .map_err(|_| Error::OutOfMemory("ids of a bitmap"))?;
        lows.extend(same_key.iter().map(|id| *id as u32));
        out.part(key, |to| ops::of_sorted(&lows, to))?;
    }
    Ok(out.finish())
}

/// What becomes of the ids of `a` in `first ..= last`: [`Op::And`] keeps only them, [`Op::AndNot`] removes them,
/// [`Op::Or`] adds all of the range, [`Op::Xor`] turns the range around.
pub fn with_range(op: Op, a: &View64<'_>, first: u64, last: u64, tick: &mut impl Tick) -> Result<Vec<u8>> {
    if first > last {
        let nothing = Writer64::with_room(0)?.finish();
        return apply(op, a, &View64::new(&nothing)?, tick);
    }
    if op.keeps_right() {
        if last - first >= MAX_FILL {
            return Err(Error::Limit {
                message: format!("a range of more than {MAX_FILL} ids is too large to be filled"),
                hint: Some("Name an end of the range: 0 means that there is none.".into()),
            });
        }
        let range = range(first, last)?;
        return apply(op, a, &View64::new(&range)?, tick);
    }
    let ((from, low_from), (to, low_to)) = (split(first), split(last));
    let mut out = Writer64::with_room(a.bytes.len())?;
    a.try_for_each_part(|key, view| {
        tick.tick()?;
        let inside = (from..=to).contains(&key);
        let low = if key == from { low_from } else { 0 };
        let high = if key == to { low_to } else { u32::MAX };
        if inside && (low, high) != (0, u32::MAX) {
            let range = ops::range(low, high)?;
            out.copy_some(key, &ops::apply(op, &view, &View::new(&range)?, tick)?)
        } else if inside == (op == Op::And) {
            out.copy(key, view.bytes())
        } else {
            Ok(())
        }
    })?;
    Ok(out.finish())
}

/// The set of the ids `first ..= last`.
fn range(first: u64, last: u64) -> Result<Vec<u8>> {
    let mut out = Ranges64::new()?;
    out.push(first, last)?;
    out.finish()
}

/// Collects stretches of ids in ascending order.
struct Ranges64 {
    out: Writer64,
    key: u32,
    ranges: Ranges,
}

impl Ranges64 {
    fn new() -> Result<Self> {
        Ok(Ranges64 {
            out: Writer64::with_room(0)?,
            key: 0,
            ranges: Ranges::default(),
        })
    }

    fn push(&mut self, first: u64, last: u64) -> Result<()> {
        let mut first = first;
        loop {
            let (key, low) = split(first);
            if key != self.key {
                self.flush()?;
                self.key = key;
            }
            let end = last.min(first | 0xffff_ffff);
            self.ranges.push(low, end as u32)?;
            if end == last {
                return Ok(());
            }
            first = end.wrapping_add(1);
        }
    }

    fn flush(&mut self) -> Result<()> {
        let ranges = std::mem::take(&mut self.ranges);
        if ranges.is_empty() {
            return Ok(());
        }
        self.out.part(self.key, |to| ranges.finish_into(to))
    }

    fn finish(mut self) -> Result<Vec<u8>> {
        self.flush()?;
        Ok(self.out.finish())
    }
}

/// Every id moved by `distance`; those that leave the 64 bits are dropped.
pub fn shift(a: &View64<'_>, distance: i64, tick: &mut impl Tick) -> Result<Vec<u8>> {
    let mut out = Ranges64::new()?;
    let mut n = 0usize;
    a.try_for_each_part(|key, view| {
        view.try_for_each_range(|first, last| {
            n += 1;
            if n.is_multiple_of(crate::tick::EVERY) {
                tick.tick()?;
            }
            let at = |low: u32| i128::from(join(key, low)) + i128::from(distance);
            let (first, last) = (at(first).max(0), at(last).min(i128::from(u64::MAX)));
            match (u64::try_from(first), u64::try_from(last)) {
                (Ok(first), Ok(last)) if first <= last => out.push(first, last),
                _ => Ok(()),
            }
        })
    })?;
    out.finish()
}

/// The ids at the places `skip .. skip + take`, counted from 0 in ascending order.
pub fn slice(a: &View64<'_>, skip: u64, take: u64, tick: &mut impl Tick) -> Result<Vec<u8>> {
    let mut out = Writer64::with_room(0)?;
    let (mut skip, mut take) = (skip, take);
    a.try_for_each_part(|key, view| {
        let n = view.cardinality();
        if skip >= n {
            skip -= n;
        } else if take > 0 {
            let here = (n - skip).min(take);
            out.copy_some(key, &ops::slice(&view, skip, here, tick)?)?;
            (skip, take) = (0, take - here);
        }
        Ok(())
    })?;
    Ok(out.finish())
}

/// The same set with every container in its smallest form.
pub fn compact(a: &View64<'_>) -> Result<Vec<u8>> {
    let mut out = Writer64::with_room(a.bytes.len())?;
    a.try_for_each_part(|key, view| out.copy(key, &ops::compact(&view)?))?;
    Ok(out.finish())
}

/// Number of ids.
pub fn cardinality(a: &View64<'_>) -> Result<u64> {
    a.cardinality()
}

/// The ids in ascending order, decoded and checked.
pub fn into_ids(a: &View64<'_>) -> Result<impl Iterator<Item = u64> + use<>> {
    let mut parts: Vec<(u32, Bitmap)> = Vec::new();
    a.try_for_each_part(|key, view| {
        parts.try_reserve(1).map_err(|_| Error::OutOfMemory("bitmap"))?;
        parts.push((key, Bitmap::from_portable(view.bytes())?));
        Ok(())
    })?;
    Ok(parts
        .into_iter()
        .flat_map(|(key, part)| part.into_iter().map(move |low| join(key, low))))
}

/// Bytes from outside: checked whole, and written anew, so that stored bytes are always our own.
pub fn import(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = Writer64::with_room(bytes.len())?;
    let view = View64::new(bytes)?;
    view.check()?;
    view.try_for_each_part(|key, part| out.copy(key, &ops::import(part.bytes())?))?;
    Ok(out.finish())
}

/// How a set is stored.
pub fn stats(a: &View64<'_>) -> Result<Stats> {
    let mut stats = Stats {
        cardinality: a.cardinality()?,
        bytes: a.bytes.len() as u64,
        ..Stats::default()
    };
    a.try_for_each_part(|_, view| stats.add(&view))?;
    Ok(stats)
}

/// The lower half of 32 bits: ids that are not negative as a signed number.
const LAST_POSITIVE: u32 = 0x7fff_ffff;

/// The set of the same signed numbers in 64 bits.
pub fn from_narrow(a: &View<'_>, tick: &mut impl Tick) -> Result<Vec<u8>> {
    let mut out = Writer64::with_room(a.bytes().len())?;
    for (key, first, last) in [(0, 0, LAST_POSITIVE), (u32::MAX, LAST_POSITIVE + 1, u32::MAX)] {
        let half = ops::range(first, last)?;
        out.copy_some(key, &ops::apply(Op::And, a, &View::new(&half)?, tick)?)?;
    }
    Ok(out.finish())
}

/// The set of the same signed numbers in 32 bits, or the first id that does not fit.
pub fn to_narrow(a: &View64<'_>, tick: &mut impl Tick) -> Result<Result<Vec<u8>, i64>> {
    let mut set = ops::range(1, 0)?;
    let mut misfit = None;
    a.try_for_each_part(|key, view| {
        let (first, last) = (view.min()?.unwrap_or(0), view.max()?.unwrap_or(0));
        let bad = match key {
            0 if last <= LAST_POSITIVE => None,
            0 => view_after(&view, LAST_POSITIVE)?,
            u32::MAX if first > LAST_POSITIVE => None,
            _ => Some(first),
        };
        if misfit.is_none() {
            misfit = bad.map(|low| join(key, low) as i64);
        }
        if misfit.is_none() {
            set = ops::apply(Op::Or, &View::new(&set)?, &view, tick)?;
        }
        Ok(())
    })?;
    Ok(match misfit {
        Some(id) => Err(id),
        None => Ok(set),
    })
}

/// The first id after `id`.
fn view_after(view: &View<'_>, id: u32) -> Result<Option<u32>> {
    let skip = view.rank(id)?;
    let one = ops::slice(view, skip, 1, &mut crate::tick::NoTick)?;
    View::new(&one)?.min()
}
