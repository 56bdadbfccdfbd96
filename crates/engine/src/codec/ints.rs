//! Streams of integers: constant, raw, or bit packed in blocks of 256 with a control byte each.
//!
//! Streams have no envelope; the columns of this folder are made of them. The caller knows the number of elements.

use super::frame::Reader;
use crate::error::{Error, Result, try_vec};
use bitpacking::{BitPacker, BitPacker8x};

/// Elements of one packed block. The last one is padded.
pub const BLOCK: usize = BitPacker8x::BLOCK_LEN;

const CONST: u8 = 0;
const PACKED: u8 = 1;
const RAW: u8 = 2;

/// Control byte of a block: low bits are the width of an element; this one says "with an own start": steps from one
/// element to the next, beginning there (32-bit streams) or offsets from it (64-bit streams).
const OWN: u8 = 0x40;
/// Control byte of a block that is not packed.
const PLAIN: u8 = 0x80;

fn width(range: u32) -> u8 {
    (32 - range.leading_zeros()) as u8
}

const fn packed_len(bits: u8) -> usize {
    bits as usize * BLOCK / 8
}

/// Fills a block from the values there are and repeats the last one in the padding.
fn pad<T: Copy>(block: &mut [T; BLOCK], values: &[T], last: T) {
    for (i, slot) in block.iter_mut().enumerate() {
        *slot = values.get(i).copied().unwrap_or(last);
    }
}

fn reserve(out: &mut Vec<u8>, n: usize) -> Result<()> {
    out.try_reserve(n).map_err(|_| Error::OutOfMemory("encoded column"))
}

fn pack_into(out: &mut Vec<u8>, block: &[u32; BLOCK], bits: u8) {
    let mut buf = [0u8; packed_len(32)];
    let n = BitPacker8x::new().compress(block, &mut buf, bits);
    out.extend_from_slice(buf.get(..n).unwrap_or(&buf));
}

/// Replaces a sorted block by the steps from `first`, and returns the widest one's bits.
///
/// The packer has sorted blocks of its own, but without compiling for one CPU its sums are many times slower than these.
fn to_steps(block: &mut [u32; BLOCK], first: u32) -> u8 {
    let (mut last, mut all) = (first, 0);
    for v in block {
        let step = v.wrapping_sub(last);
        last = *v;
        all |= step;
        *v = step;
    }
    width(all)
}

/// The inverse of [`to_steps`].
fn from_steps(block: &mut [u32; BLOCK], first: u32) {
    let mut at = first;
    for v in block {
        at = at.wrapping_add(*v);
        *v = at;
    }
}

/// Appends a stream of 32-bit numbers.
pub fn put_u32s(out: &mut Vec<u8>, values: &[u32]) -> Result<()> {
    reserve(out, 16 + values.len() * 4 + values.len() / BLOCK)?;
    let (min, max) = match (values.iter().min(), values.iter().max()) {
        (Some(a), Some(b)) => (*a, *b),
        _ => (0, 0),
    };
    if min == max {
        out.push(CONST);
        out.extend_from_slice(&min.to_le_bytes());
        return Ok(());
    }
    let start = out.len();
    out.push(PACKED);
    out.extend_from_slice(&min.to_le_bytes());
    for chunk in values.chunks(BLOCK) {
        let first = chunk.first().copied().unwrap_or(min);
        let mut block = [0u32; BLOCK];
        pad(&mut block, chunk, chunk.last().copied().unwrap_or(min));
        let bits = width(chunk.iter().max().copied().unwrap_or(min) - min);
        let mut steps = block;
        let step_bits = if chunk.is_sorted() {
            to_steps(&mut steps, first)
        } else {
            32
        };
        let stepped = packed_len(step_bits) + 4;
        if chunk.len() * 4 <= packed_len(bits).min(stepped) {
            out.push(PLAIN);
            chunk.iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes()));
        } else if stepped < packed_len(bits) {
            out.push(OWN | step_bits);
            out.extend_from_slice(&first.to_le_bytes());
            pack_into(out, &steps, step_bits);
        } else {
            out.push(bits);
            block.iter_mut().for_each(|v| *v -= min);
            pack_into(out, &block, bits);
        }
    }
    if out.len() - start > values.len() * 4 {
        out.truncate(start);
        out.push(RAW);
        values.iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes()));
    }
    Ok(())
}

fn bits_of(control: u8, r: &Reader<'_>) -> Result<u8> {
    match control & 0x3f {
        bits @ 0..=32 if control & PLAIN == 0 => Ok(bits),
        _ => Err(r.corrupt("unknown block control")),
    }
}

fn plain_u32s(r: &mut Reader<'_>, out: &mut Vec<u32>, n: usize) -> Result<()> {
    let bytes = r.take(n.saturating_mul(4))?;
    out.extend(bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)));
    Ok(())
}

/// Reads a stream of `n` numbers. The caller vouches for `n`: a constant stream of any length takes five bytes.
pub fn get_u32s(r: &mut Reader<'_>, n: usize) -> Result<Vec<u32>> {
    let mut out = Vec::new();
    get_u32s_into(r, n, &mut out)?;
    Ok(out)
}

/// As [`get_u32s`], into a vector whose memory is used again; what it held is gone.
pub fn get_u32s_into(r: &mut Reader<'_>, n: usize, out: &mut Vec<u32>) -> Result<()> {
    let room = |out: &mut Vec<u32>| {
        out.try_reserve_exact(n)
            .map_err(|_| Error::OutOfMemory("column of ids"))
    };
    out.clear();
    let method = r.u8()?;
    match method {
        CONST => {
            let v = r.u32()?;
            room(out)?;
            out.resize(n, v);
            Ok(())
        }
        RAW => {
            if n.saturating_mul(4) > r.left() {
                return Err(r.corrupt("truncated"));
            }
            room(out)?;
            plain_u32s(r, out, n)
        }
        PACKED => {
            let min = r.u32()?;
            // Every block has at least its control byte.
            if n.div_ceil(BLOCK) > r.left() {
                return Err(r.corrupt("truncated"));
            }
            room(out)?;
            let packer = BitPacker8x::new();
            let mut block = [0u32; BLOCK];
            while out.len() < n {
                let rows = (n - out.len()).min(BLOCK);
                let control = r.u8()?;
                if control == PLAIN {
                    plain_u32s(r, out, rows)?;
                    continue;
                }
                let bits = bits_of(control, r)?;
                let first = if control & OWN != 0 { Some(r.u32()?) } else { None };
                packer.decompress(r.take(packed_len(bits))?, &mut block, bits);
                // Wrapping: these are what the encoder subtracted, whatever the bytes say.
                match first {
                    Some(first) => from_steps(&mut block, first),
                    None if min != 0 => block.iter_mut().for_each(|v| *v = v.wrapping_add(min)),
                    None => {}
                }
                out.extend_from_slice(block.get(..rows).unwrap_or(&block));
            }
            Ok(())
        }
        _ => Err(r.corrupt("unknown encoding of ids")),
    }
}

fn narrow(from: i64, to: i64) -> Option<u32> {
    u32::try_from(i128::from(to) - i128::from(from)).ok()
}

/// Appends a stream of 64-bit numbers.
pub fn put_i64s(out: &mut Vec<u8>, values: &[i64]) -> Result<()> {
    reserve(out, 24 + values.len() * 8 + values.len() / BLOCK * 9)?;
    let (min, max) = match (values.iter().min(), values.iter().max()) {
        (Some(a), Some(b)) => (*a, *b),
        _ => (0, 0),
    };
    if min == max {
        out.push(CONST);
        out.extend_from_slice(&min.to_le_bytes());
        return Ok(());
    }
    let start = out.len();
    out.push(PACKED);
    out.extend_from_slice(&min.to_le_bytes());
    let mut block = [0u32; BLOCK];
    for chunk in values.chunks(BLOCK) {
        let low = chunk.iter().min().copied().unwrap_or(min);
        let top = chunk.iter().max().copied().unwrap_or(min);
        let global = narrow(min, top).map(|range| packed_len(width(range)));
        let own = narrow(low, top).map(|range| packed_len(width(range)) + 8);
        let plain = chunk.len() * 8;
        let (base, range, mark) = match (global, own) {
            (Some(g), own) if g <= own.unwrap_or(usize::MAX) && g < plain => (min, narrow(min, top), 0),
            (_, Some(o)) if o < plain => (low, narrow(low, top), OWN),
            _ => (0, None, PLAIN),
        };
        let Some(range) = range else {
            out.push(PLAIN);
            chunk.iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes()));
            continue;
        };
        let bits = width(range);
        out.push(mark | bits);
        if mark == OWN {
            out.extend_from_slice(&base.to_le_bytes());
        }
        block.fill(0);
        for (slot, v) in block.iter_mut().zip(chunk) {
            *slot = v.wrapping_sub(base) as u32;
        }
        pack_into(out, &block, bits);
    }
    if out.len() - start > values.len() * 8 {
        out.truncate(start);
        out.push(RAW);
        values.iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes()));
    }
    Ok(())
}

fn plain_i64s(r: &mut Reader<'_>, out: &mut Vec<i64>, n: usize) -> Result<()> {
    let bytes = r.take(n.saturating_mul(8))?;
    out.extend(bytes.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)));
    Ok(())
}

/// Reads a stream of `n` numbers; the caller vouches for `n`.
pub fn get_i64s(r: &mut Reader<'_>, n: usize) -> Result<Vec<i64>> {
    let method = r.u8()?;
    match method {
        CONST => {
            let v = r.i64()?;
            let mut out = try_vec(n, "column of times")?;
            out.resize(n, v);
            Ok(out)
        }
        RAW => {
            if n.saturating_mul(8) > r.left() {
                return Err(r.corrupt("truncated"));
            }
            let mut out = try_vec(n, "column of times")?;
            plain_i64s(r, &mut out, n)?;
            Ok(out)
        }
        PACKED => {
            let min = r.i64()?;
            if n.div_ceil(BLOCK) > r.left() {
                return Err(r.corrupt("truncated"));
            }
            let mut out = try_vec(n, "column of times")?;
            let packer = BitPacker8x::new();
            let mut block = [0u32; BLOCK];
            while out.len() < n {
                let rows = (n - out.len()).min(BLOCK);
                let control = r.u8()?;
                if control == PLAIN {
                    plain_i64s(r, &mut out, rows)?;
                    continue;
                }
                let bits = bits_of(control, r)?;
                let base = if control & OWN != 0 { r.i64()? } else { min };
                packer.decompress(r.take(packed_len(bits))?, &mut block, bits);
                let decoded = block.get(..rows).unwrap_or(&block);
                out.extend(decoded.iter().map(|v| base.wrapping_add(i64::from(*v))));
            }
            Ok(out)
        }
        _ => Err(r.corrupt("unknown encoding of times")),
    }
}

/// Appends which of `n` elements are there: 0 = all, 2 = none, 1 and a bitmap otherwise.
pub fn put_presence(out: &mut Vec<u8>, n: usize, mut there: impl FnMut(usize) -> bool) -> Result<()> {
    let at = out.len();
    reserve(out, 1 + n.div_ceil(8))?;
    out.push(1);
    let (mut set, mut byte) = (0usize, 0u8);
    for i in 0..n {
        let on = there(i);
        set += usize::from(on);
        byte |= u8::from(on) << (i % 8);
        if i % 8 == 7 || i + 1 == n {
            out.push(byte);
            byte = 0;
        }
    }
    let short = if set == n {
        0
    } else if set == 0 {
        2
    } else {
        return Ok(());
    };
    out.truncate(at);
    out.push(short);
    Ok(())
}

/// Which elements of a column are there.
pub enum Presence<'a> {
    All,
    None,
    Bits(&'a [u8]),
}

impl Presence<'_> {
    /// Is element `i` there?
    pub fn get(&self, i: usize) -> bool {
        match self {
            Presence::All => true,
            Presence::None => false,
            Presence::Bits(b) => b.get(i / 8).is_some_and(|b| b >> (i % 8) & 1 == 1),
        }
    }

    /// Number of elements that are there, of `n`.
    pub fn count(&self, n: usize) -> usize {
        match self {
            Presence::All => n,
            Presence::None => 0,
            Presence::Bits(b) => b.iter().map(|b| b.count_ones() as usize).sum(),
        }
    }
}

/// Reads what [`put_presence`] wrote.
pub fn get_presence<'a>(r: &mut Reader<'a>, n: usize) -> Result<Presence<'a>> {
    match r.u8()? {
        0 => Ok(Presence::All),
        2 => Ok(Presence::None),
        1 => {
            let bits = r.take(n.div_ceil(8))?;
            if !n.is_multiple_of(8) && bits.last().is_some_and(|b| b >> (n % 8) != 0) {
                return Err(r.corrupt("presence beyond the last row"));
            }
            Ok(Presence::Bits(bits))
        }
        _ => Err(r.corrupt("unknown presence")),
    }
}
