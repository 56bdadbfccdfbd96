//! Sets of 64-bit ids: the value behind the SQL type `roaringbitmap64`.
//!
//! ```text
//! parts u64 | (upper half of the ids u32 | a set of their lower halves in the 32-bit portable format)*
//! ```
//!
//! This is the 64-bit extension of the Roaring specification, little-endian; the parts ascend by their upper halves and
//! none is empty.

use super::ops::Stats;
use super::writer::Ranges;
use super::{Bitmap, Op, View, ops};
use crate::error::{Error, Result, try_vec};
use crate::tick::Tick;
use std::cmp::Ordering;

/// Bytes of the smallest part: its key and a set of one run.
const MIN_PART: usize = 4 + 4 + 1 + 4 + 2 + 4;

/// Ids that filling or flipping a range may add: a set of so many ids is hundreds of megabytes in runs already.
const MAX_FILL: u64 = 1 << 38;

/// A set of 64-bit ids whose number of parts fits its bytes; the parts are checked one after the other, as they are read.
#[derive(Debug, Clone, Copy)]
pub struct View64<'a> {
    bytes: &'a [u8],
    parts: u64,
    body: &'a [u8],
}

/// Where a part ends is only known when it was read.
struct Parts<'a> {
    left: u64,
    rest: &'a [u8],
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<(u32, View<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let part = self
            .rest
            .split_first_chunk::<4>()
            .ok_or_else(|| Error::corrupt("bitmap: a part is cut off"))
            .and_then(|(key, rest)| Ok((u32::from_le_bytes(*key), View::prefix(rest)?)));
        Some(match part {
            Ok((key, (view, rest))) => {
                self.rest = rest;
                Ok((key, view))
            }
            Err(e) => {
                self.left = 0;
                Err(e)
            }
        })
    }
}

fn split(id: u64) -> (u32, u32) {
    ((id >> 32) as u32, id as u32)
}

fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

impl<'a> View64<'a> {
    /// Reads the header. [`Error::Corrupt`] when it declares more than there can be.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        let (parts, body) = bytes
            .split_first_chunk::<8>()
            .ok_or_else(|| Error::corrupt("bitmap: the header is cut off"))?;
        let parts = u64::from_le_bytes(*parts);
        if parts > (body.len() / MIN_PART) as u64 {
            return Err(Error::corrupt("bitmap: more parts than there is room for"));
        }
        Ok(View64 { bytes, parts, body })
    }

    fn parts(&self) -> Parts<'a> {
        Parts {
            left: self.parts,
            rest: self.body,
        }
    }

    /// True for the set without ids.
    pub fn is_empty(&self) -> bool {
        self.parts == 0
    }

    /// Number of ids.
    pub fn cardinality(&self) -> Result<u64> {
        let mut n = 0u64;
        for part in self.parts() {
            n = n.saturating_add(part?.1.cardinality());
        }
        Ok(n)
    }

    /// Number of parts and of the containers in them.
    pub fn containers(&self) -> Result<(u64, u64)> {
        let mut n = 0;
        for part in self.parts() {
            n += part?.1.containers() as u64;
        }
        Ok((self.parts, n))
    }

    /// The 32-bit sets with the upper halves of their ids.
    pub fn try_for_each_part(&self, mut f: impl FnMut(u32, View<'a>) -> Result<()>) -> Result<()> {
        self.parts()
            .try_for_each(|part| part.and_then(|(key, view)| f(key, view)))
    }

    /// Is `id` in the set?
    pub fn contains(&self, id: u64) -> Result<bool> {
        let (high, low) = split(id);
        for part in self.parts() {
            let (key, view) = part?;
            if key >= high {
                return if key == high { view.contains(low) } else { Ok(false) };
            }
        }
        Ok(false)
    }

    /// How many ids are smaller than or equal to `id`.
    pub fn rank(&self, id: u64) -> Result<u64> {
        let (high, low) = split(id);
        let mut n = 0;
        for part in self.parts() {
            let (key, view) = part?;
            match key.cmp(&high) {
                Ordering::Less => n += view.cardinality(),
                Ordering::Equal => return Ok(n + view.rank(low)?),
                Ordering::Greater => break,
            }
        }
        Ok(n)
    }

    /// The smallest id.
    pub fn min(&self) -> Result<Option<u64>> {
        match self.parts().next().transpose()? {
            Some((key, view)) => Ok(view.min()?.map(|low| join(key, low))),
            None => Ok(None),
        }
    }

    /// The largest id.
    pub fn max(&self) -> Result<Option<u64>> {
        let mut last = None;
        for part in self.parts() {
            last = Some(part?);
        }
        match last {
            Some((key, view)) => Ok(view.max()?.map(|low| join(key, low))),
            None => Ok(None),
        }
    }

    /// Calls `f` with every id, ascending in a well-formed set; stops at the first error.
    pub fn try_for_each(&self, mut f: impl FnMut(u64) -> Result<()>) -> Result<()> {
        self.try_for_each_part(|key, view| view.try_for_each(|low| f(join(key, low))))
    }

    /// Checks everything: what follows the parts, their order, and each of them down to its ids.
    pub fn check(&self) -> Result<()> {
        let mut parts = self.parts();
        let mut before = None;
        for part in &mut parts {
            let (key, view) = part?;
            if before >= Some(key) {
                return Err(Error::corrupt("bitmap: parts out of order"));
            }
            if view.is_empty() {
                return Err(Error::corrupt("bitmap: an empty part"));
            }
            view.check()?;
            before = Some(key);
        }
        match parts.rest.len() {
            0 => Ok(()),
            n => Err(Error::corrupt(format!("bitmap: {n} bytes too many"))),
        }
    }
}

/// Writes part after part.
pub(super) struct Writer64 {
    out: Vec<u8>,
    parts: u64,
}

impl Writer64 {
    pub(super) fn with_room(bytes: usize) -> Result<Self> {
        let mut out = try_vec(bytes.saturating_add(8), "bitmap")?;
        out.extend_from_slice(&[0; 8]);
        Ok(Writer64 { out, parts: 0 })
    }

    /// `write` appends a set that is not empty.
    fn part(&mut self, key: u32, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        self.out.extend_from_slice(&key.to_le_bytes());
        write(&mut self.out)?;
        self.parts += 1;
        Ok(())
    }

    pub(super) fn copy(&mut self, key: u32, set: &[u8]) -> Result<()> {
        self.part(key, |out| {
            out.try_reserve(set.len()).map_err(|_| Error::OutOfMemory("bitmap"))?;
            out.extend_from_slice(set);
            Ok(())
        })
    }

    /// As [`Writer64::copy`], unless the set is empty.
    pub(super) fn copy_some(&mut self, key: u32, set: &[u8]) -> Result<()> {
        if View::new(set)?.is_empty() {
            return Ok(());
        }
        self.copy(key, set)
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        if let Some(parts) = self.out.first_chunk_mut::<8>() {
            *parts = self.parts.to_le_bytes();
        }
        self.out
    }
}

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
