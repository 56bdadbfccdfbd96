//! Sorted texts, each by what it adds to the one before: paths and numbered names share most of what they say.

use super::frame::{Codec, Reader, put_varint};
use super::ints::{get_u32s, put_u32s};
use super::values::{MAX_UNPACKED, STR};
use crate::error::{Error, Result, try_vec};

/// How the bytes that texts add are kept: as they are ...
const PLAIN: u8 = 0;
/// ... or the most frequent ones, a table of which comes first, in four bits each; the highest number says that the two
/// after it are the halves of another byte.
const SHORT: u8 = 1;
const ESCAPE: u8 = 15;

/// What the texts of a list add to one another.
struct Added<'a> {
    first: &'a [u8],
    /// Bytes shared with the text before, and bytes added, from the second text on.
    shared: Vec<u32>,
    lengths: Vec<u32>,
    bytes: Vec<u8>,
}

/// The next value of a list, if it is a text.
fn text<'a>(r: &mut Reader<'a>) -> Option<&'a [u8]> {
    if r.u8().ok()? != STR {
        return None;
    }
    let n = r.count().ok()?;
    r.take(n).ok()
}

/// `None` when a value is no text or not greater than the one before.
fn added(count: usize, raw: &[u8]) -> Result<Option<Added<'_>>> {
    let mut r = Reader::new(raw, Codec::Column);
    let Some(first) = text(&mut r) else { return Ok(None) };
    let mut out = Added {
        first,
        shared: Vec::new(),
        lengths: Vec::new(),
        bytes: Vec::new(),
    };
    let mut last = first;
    for i in 1..count {
        let Some(own) = text(&mut r).filter(|own| *own > last) else {
            return Ok(None);
        };
        if i == 1 {
            // Sorted so far: it will most likely go on like this.
            out.shared = try_vec(count, "encoded values")?;
            out.lengths = try_vec(count, "encoded values")?;
        }
        let shared = last.iter().zip(own).take_while(|(a, b)| a == b).count();
        let new = own.get(shared..).unwrap_or_default();
        out.shared.push(shared as u32);
        out.lengths.push(new.len() as u32);
        out.bytes
            .try_reserve(new.len())
            .map_err(|_| Error::OutOfMemory("encoded values"))?;
        out.bytes.extend_from_slice(new);
        last = own;
    }
    Ok((r.left() == 0).then_some(out))
}

/// The most frequent bytes, at most as many as have a number of their own; of equally frequent ones the lower first.
fn frequent(bytes: &[u8]) -> Vec<u8> {
    let mut counts = [0usize; 256];
    for b in bytes {
        if let Some(n) = counts.get_mut(usize::from(*b)) {
            *n += 1;
        }
    }
    let mut order: Vec<(usize, u8)> = counts
        .iter()
        .copied()
        .zip(0..=u8::MAX)
        .filter(|(n, _)| *n > 0)
        .collect();
    order.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    order.truncate(usize::from(ESCAPE));
    order.into_iter().map(|(_, b)| b).collect()
}

/// Four bits each, the lower half of a byte first.
#[derive(Default)]
struct Halves {
    out: Vec<u8>,
    open: Option<u8>,
}

impl Halves {
    fn push(&mut self, half: u8) {
        match self.open.take() {
            None => self.open = Some(half),
            Some(low) => self.out.push(low | half << 4),
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.out.extend(self.open);
        self.out
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    let table = frequent(bytes);
    let mut numbers = [ESCAPE; 256];
    for (i, b) in (0..).zip(&table) {
        if let Some(n) = numbers.get_mut(usize::from(*b)) {
            *n = i;
        }
    }
    let number = |b: u8| numbers.get(usize::from(b)).copied().unwrap_or(ESCAPE);
    let escaped = bytes.iter().filter(|b| number(**b) == ESCAPE).count();
    let short = (bytes.len() + 2 * escaped).div_ceil(2) + table.len() + 1;
    let oom = |_| Error::OutOfMemory("encoded values");
    if short >= bytes.len() {
        out.try_reserve(bytes.len() + 1).map_err(oom)?;
        out.push(PLAIN);
        out.extend_from_slice(bytes);
        return Ok(());
    }
    out.try_reserve(short + 1).map_err(oom)?;
    out.extend_from_slice(&[SHORT, table.len() as u8]);
    out.extend_from_slice(&table);
    let mut halves = Halves {
        out: try_vec(short, "encoded values")?,
        open: None,
    };
    for b in bytes {
        let n = number(*b);
        halves.push(n);
        if n == ESCAPE {
            halves.push(b & 15);
            halves.push(b >> 4);
        }
    }
    out.extend_from_slice(&halves.finish());
    Ok(())
}

/// The body of a list of `count` values, which are encoded one after the other in `raw`: the first text, what the others
/// share, what they add. `None` when they are no texts in ascending order.
pub(super) fn front_coded(count: usize, raw: &[u8]) -> Result<Option<Vec<u8>>> {
    if count < 2 {
        return Ok(None);
    }
    let Some(added) = added(count, raw)? else {
        return Ok(None);
    };
    let mut out = try_vec(added.first.len() + 10, "encoded values")?;
    put_varint(&mut out, added.first.len() as u64);
    out.extend_from_slice(added.first);
    put_u32s(&mut out, &added.shared)?;
    put_u32s(&mut out, &added.lengths)?;
    put_bytes(&mut out, &added.bytes)?;
    Ok(Some(out))
}

/// Bytes of a text of `n` bytes as a value.
fn framed(n: usize) -> Result<usize> {
    let length = n.max(1).ilog2() as usize / 7 + 1;
    n.checked_add(1 + length)
        .ok_or_else(|| Codec::Column.corrupt("wrong length of values"))
}

/// Bytes that texts add, one after the other.
enum Source<'a> {
    Plain(Reader<'a>),
    Short {
        table: &'a [u8],
        bytes: &'a [u8],
        /// Halves read so far.
        at: usize,
    },
}

impl Source<'_> {
    fn append(&mut self, n: usize, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Source::Plain(r) => out.extend_from_slice(r.take(n)?),
            Source::Short { table, bytes, at } => {
                let truncated = || Codec::Column.corrupt("truncated");
                let mut half = || {
                    let byte = bytes.get(*at / 2).copied().ok_or_else(truncated)?;
                    let half = if *at % 2 == 0 { byte & 15 } else { byte >> 4 };
                    *at += 1;
                    Ok::<u8, Error>(half)
                };
                for _ in 0..n {
                    let number = half()?;
                    let b = match number {
                        ESCAPE => half()? | half()? << 4,
                        n => *table.get(usize::from(n)).ok_or_else(truncated)?,
                    };
                    out.push(b);
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self {
            Source::Plain(r) => r.finish(),
            Source::Short { bytes, at, .. } if at.div_ceil(2) == bytes.len() => Ok(()),
            Source::Short { .. } => Err(Codec::Column.corrupt("trailing bytes")),
        }
    }
}

/// The values that [`front_coded`] wrote in their usual form, which takes `raw_len` bytes.
pub(super) fn get_front(mut r: Reader<'_>, count: usize, raw_len: usize) -> Result<Vec<u8>> {
    let wrong = || Codec::Column.corrupt("wrong length of values");
    // Each text but the first adds a byte at least, which takes four bits at least.
    if count < 2 || count / 2 > r.left() || raw_len > MAX_UNPACKED {
        return Err(wrong());
    }
    let n = r.count()?;
    let first = r.take(n)?;
    let shared = get_u32s(&mut r, count - 1)?;
    let lengths = get_u32s(&mut r, count - 1)?;
    let mut source = match r.u8()? {
        PLAIN => Source::Plain(r),
        SHORT => {
            let n = usize::from(r.u8()?);
            Source::Short {
                table: r.take(n)?,
                bytes: r.rest(),
                at: 0,
            }
        }
        _ => return Err(r.corrupt("unknown form of texts")),
    };
    let mut raw: Vec<u8> = Vec::new();
    let room = |raw: &mut Vec<u8>, n: usize| match raw.len().checked_add(n) {
        Some(len) if len <= raw_len => raw.try_reserve(n).map_err(|_| Error::OutOfMemory("unpacked values")),
        _ => Err(wrong()),
    };
    let head = |raw: &mut Vec<u8>, n: usize| {
        raw.push(STR);
        put_varint(raw, n as u64);
        raw.len()
    };
    room(&mut raw, framed(first.len())?)?;
    let mut start = head(&mut raw, first.len());
    raw.extend_from_slice(first);
    for (shared, length) in shared.iter().zip(&lengths) {
        let (shared, length) = (*shared as usize, *length as usize);
        let end = start
            .checked_add(shared)
            .filter(|end| *end <= raw.len())
            .ok_or_else(wrong)?;
        let n = shared.checked_add(length).ok_or_else(wrong)?;
        room(&mut raw, framed(n)?)?;
        let next = head(&mut raw, n);
        raw.extend_from_within(start..end);
        source.append(length, &mut raw)?;
        start = next;
    }
    source.finish()?;
    if raw.len() != raw_len {
        return Err(wrong());
    }
    Ok(raw)
}
