//! The inner loops over two containers, compiled for the vector instructions of the CPU they run on.
//!
//! Each loop is written once, generic over the instructions, and picked at run time: AVX-512, AVX2, SSE4.2 or what every
//! CPU of the architecture has. Picking costs a look at a static, so it is done once for a pair of containers. What a
//! loop calls must be inlined, or it is compiled without those instructions.

use super::Op;
use super::view::CONTAINER_WORDS;
use fearless_simd::{Level, Simd, SimdBase, SimdInto, SimdMask, dispatch, u16x8};

/// One bit per id of a container, as it is stored.
pub(super) type Bits = [[u8; 8]; CONTAINER_WORDS];

#[inline(always)]
fn word(bits: &Bits, i: usize) -> u64 {
    bits.get(i).map_or(0, |w| u64::from_le_bytes(*w))
}

/// Ids of a container of bits.
pub(super) fn count(bits: &Bits) -> u32 {
    dispatch!(Level::new(), _simd => count_ones(|i| word(bits, i)))
}

/// Ids that two containers of bits have in common.
pub(super) fn count_common(a: &Bits, b: &Bits) -> u32 {
    dispatch!(Level::new(), _simd => count_ones(|i| word(a, i) & word(b, i)))
}

/// Writes `a op b` and says how many ids it has.
pub(super) fn combine(op: Op, a: &Bits, b: &Bits, to: &mut Bits) -> u32 {
    dispatch!(Level::new(), _simd => combine_any(op, a, b, to))
}

#[inline(always)]
fn combine_any(op: Op, a: &Bits, b: &Bits, to: &mut Bits) -> u32 {
    match op {
        Op::And => combine_by(a, b, to, |x, y| x & y),
        Op::Or => combine_by(a, b, to, |x, y| x | y),
        Op::Xor => combine_by(a, b, to, |x, y| x ^ y),
        Op::AndNot => combine_by(a, b, to, |x, y| x & !y),
    }
    // The words are still in the nearest cache.
    count_ones(|i| word(to, i))
}

#[inline(always)]
fn combine_by(a: &Bits, b: &Bits, to: &mut Bits, op: impl Fn(u64, u64) -> u64) {
    for ((to, x), y) in to.iter_mut().zip(a).zip(b) {
        *to = op(u64::from_le_bytes(*x), u64::from_le_bytes(*y)).to_le_bytes();
    }
}

/// How many stretches of ones there are; stops counting at `limit` or soon after.
pub(super) fn stretches(bits: &Bits, limit: usize) -> usize {
    dispatch!(Level::new(), _simd => stretches_any(bits, limit))
}

#[inline(always)]
fn stretches_any(bits: &Bits, limit: usize) -> usize {
    let (mut n, mut before) = (0, 0);
    let (parts, _) = bits.as_chunks::<64>();
    for part in parts {
        for word in part {
            let word = u64::from_le_bytes(*word);
            n += (word & !(word << 1 | before)).count_ones() as usize;
            before = word >> 63;
        }
        if n >= limit {
            break;
        }
    }
    n
}

/// A carry-save adder: `(carry, sum)` of three words, bit by bit.
#[inline(always)]
fn add3(a: u64, b: u64, c: u64) -> (u64, u64) {
    let u = a ^ b;
    ((a & b) | (u & c), u ^ c)
}

/// Words that are added up side by side: the compiler makes vector code of it.
const LANES: usize = 8;

/// Counts the ones of the words that `word` gives for the places `0 .. CONTAINER_WORDS`, with adders (Harley and Seal):
/// eight words into one that has a bit for every eight ones, so that only one word in eight is counted bit by bit.
#[inline(always)]
fn count_ones(word: impl Fn(usize) -> u64) -> u32 {
    let (mut ones, mut twos, mut fours, mut n) = ([0u64; LANES], [0u64; LANES], [0u64; LANES], [0u32; LANES]);
    for start in (0..CONTAINER_WORDS).step_by(8 * LANES) {
        let lanes = ones.iter_mut().zip(&mut twos).zip(&mut fours).zip(&mut n).enumerate();
        for (lane, (((ones, twos), fours), n)) in lanes {
            let w = |i: usize| word(start + i * LANES + lane);
            let (t1, o) = add3(*ones, w(0), w(1));
            let (t2, o) = add3(o, w(2), w(3));
            let (t3, o) = add3(o, w(4), w(5));
            let (t4, o) = add3(o, w(6), w(7));
            let (f1, t) = add3(*twos, t1, t2);
            let (f2, t) = add3(t, t3, t4);
            let (eights, f) = add3(*fours, f1, f2);
            (*ones, *twos, *fours) = (o, t, f);
            *n += eights.count_ones();
        }
    }
    let sum = |a: &[u64; LANES]| a.iter().map(|w| w.count_ones()).sum::<u32>();
    8 * n.iter().sum::<u32>() + sum(&ones) + 2 * sum(&twos) + 4 * sum(&fours)
}

/// Ids compared at a time: each of one block with each of another.
pub(super) const BLOCK: usize = 8;

/// How many ids two sorted lists have in common.
pub(super) fn common(a: &[[u8; 2]], b: &[[u8; 2]]) -> u32 {
    dispatch!(Level::new(), simd => intersect_any::<_, false>(simd, a, b, &mut [])) as u32
}

/// The ids two sorted lists have in common.
pub(super) fn intersect(a: &[[u8; 2]], b: &[[u8; 2]], out: &mut Vec<u16>) {
    out.clear();
    // A block is written whole, and only the ids in common are counted.
    out.resize(a.len().min(b.len()) + BLOCK, 0);
    let n = dispatch!(Level::new(), simd => intersect_any::<_, true>(simd, a, b, out));
    out.truncate(n);
}

#[inline(always)]
fn block(ids: &[[u8; 2]], at: usize) -> Option<[u16; BLOCK]> {
    let &[a, b, c, d, e, f, g, h] = ids.get(at..)?.first_chunk::<BLOCK>()?;
    let id = u16::from_le_bytes;
    Some([id(a), id(b), id(c), id(d), id(e), id(f), id(g), id(h)])
}

/// Counts the ids in common, and writes them when told so.
///
/// All pairs of two sorted blocks are compared, then the block with the smaller end is left behind: Schlegel, Willhalm,
/// Lehner, "Fast Sorted-Set Intersection using SIMD Instructions" (ADMS 2011), here with plain comparisons.
#[inline(always)]
fn intersect_any<S: Simd, const WRITE: bool>(simd: S, a: &[[u8; 2]], b: &[[u8; 2]], out: &mut [u16]) -> usize {
    let (mut i, mut j, mut n) = (0, 0, 0);
    while let (Some(x), Some(y)) = (block(a, i), block(b, j)) {
        let xs: u16x8<S> = x.simd_into(simd);
        let mut found = xs.simd_eq(u16x8::splat(simd, y[0]));
        for id in &y[1..] {
            found |= xs.simd_eq(u16x8::splat(simd, *id));
        }
        if WRITE {
            let Some(to) = out.get_mut(n..).and_then(<[u16]>::first_chunk_mut::<BLOCK>) else {
                break;
            };
            *to = simd.compress_u16x8(xs, found).into();
        }
        n += found.to_bitmask().count_ones() as usize;
        let (last_x, last_y) = (x[BLOCK - 1], y[BLOCK - 1]);
        i += BLOCK * usize::from(last_x <= last_y);
        j += BLOCK * usize::from(last_y <= last_x);
    }
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let (x, y) = (u16::from_le_bytes(*x), u16::from_le_bytes(*y));
        if WRITE && let Some(to) = out.get_mut(n) {
            *to = x;
        }
        n += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    n
}

#[cfg(test)]
mod tests;
