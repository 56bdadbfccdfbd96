//! Sets of 32-bit ids: bytes from outside, and bytes that were damaged where they are stored.

use super::input::Input;
use engine::bitmap::{self, Op, Pieces, View, of_ids, ops, text};
use engine::error::Result;
use engine::tick::NoTick;
use roaring::RoaringBitmap as Oracle;

pub const OPS: [Op; 4] = [Op::And, Op::Or, Op::Xor, Op::AndNot];

/// Ids that are told one by one.
const FEW: u64 = 2000;

/// Ids a range spans at most: five containers.
const SPAN: u32 = 0x4_ffff;

pub fn run(bytes: &[u8]) {
    let Some(mut i) = Input::read(bytes) else { return };
    if i.made {
        // Almost the same value: containers of the same form meet.
        i.b = i.a.clone();
        if let Some(byte) = i.b.get_mut(i.y as usize) {
            *byte ^= 1 << (i.y >> 29);
        }
    }
    if i.unchecked {
        let spare = spare(&i);
        if let Ok(a) = View::new(&i.a) {
            let b = View::new(&i.b).unwrap_or_else(|_| View::new(&spare).unwrap());
            use_all(&i, &a, &b);
            use_all(&i, &b, &a);
        }
        use_pieces(&i, &i.a);
        return;
    }
    let Some(a) = taken(&i.a) else { return };
    let b = ops::import(&i.b).unwrap_or_else(|_| spare(&i));
    laws(&i, &a, &b);
}

/// Some set, when the input gives none.
fn spare(i: &Input) -> Vec<u8> {
    of_ids(vec![i.x as u32, i.y, (i.x >> 32) as u32, 1, 2, 3, 70_000]).unwrap()
}

/// Takes a set in from outside: what is taken is sound, and what is not is refused by each of the checks.
fn taken(bytes: &[u8]) -> Option<Vec<u8>> {
    let set = ops::import(bytes);
    let checked = View::new(bytes).and_then(|v| v.check());
    assert_eq!(set.is_ok(), checked.is_ok(), "one check refuses what the other lets in");
    let set = set.ok()?;
    assert!(bitmap::same(bytes, &set).unwrap());
    assert_eq!(ops::import(&set).as_ref(), Ok(&set), "what is taken in is sound");
    Some(set)
}

fn oracle(set: &[u8]) -> Oracle {
    let mut rest = set;
    let o = Oracle::deserialize_from(&mut rest).unwrap();
    assert!(rest.is_empty());
    o
}

/// A result is a sound set, and the right one.
fn is(got: Result<Vec<u8>>, want: &Oracle) {
    let got = got.unwrap();
    let view = View::new(&got).unwrap();
    view.check().unwrap();
    assert_eq!(view.cardinality(), want.len());
    assert_eq!(oracle(&got).symmetric_difference_len(want), 0);
}

fn applied(op: Op, a: &Oracle, b: &Oracle) -> Oracle {
    match op {
        Op::And => a & b,
        Op::Or => a | b,
        Op::Xor => a ^ b,
        Op::AndNot => a - b,
    }
}

fn laws(i: &Input, a: &[u8], b: &[u8]) {
    let (v, w) = (View::new(a).unwrap(), View::new(b).unwrap());
    let (p, q) = (oracle(a), oracle(b));
    let op = OPS[usize::from(i.op) % 4];
    let (x, y) = (i.x as u32, i.y);
    match i.op / 4 % 8 {
        0 => {
            is(ops::apply(op, &v, &w, &mut NoTick), &applied(op, &p, &q));
            let n = ops::cardinality_of(op, &v, &w).unwrap();
            assert_eq!(n, applied(op, &p, &q).len());
        }
        1 => {
            let both = ops::common(&v, &w).unwrap();
            assert_eq!(both, p.intersection_len(&q));
            let union = ops::cardinality_of(Op::Or, &v, &w).unwrap();
            assert_eq!(union + both, v.cardinality() + w.cardinality());
            assert_eq!(ops::intersects(&v, &w).unwrap(), both > 0);
            assert_eq!(ops::contains_all(&v, &w).unwrap(), q.is_subset(&p));
            assert_eq!(ops::contains_all(&w, &v).unwrap(), p.is_subset(&q));
        }
        2 => {
            assert_eq!(v.cardinality(), p.len());
            assert_eq!(v.min().unwrap(), p.min());
            assert_eq!(v.max().unwrap(), p.max());
            assert_eq!(v.is_empty(), p.is_empty());
            for id in [x, y, p.min().unwrap_or(0), p.max().unwrap_or(9)] {
                assert_eq!(v.contains(id).unwrap(), p.contains(id));
                assert_eq!(v.rank(id).unwrap(), p.rank(id));
            }
            let stats = ops::stats(&v).unwrap();
            assert_eq!(stats.arrays + stats.bits + stats.runs, v.containers() as u64);
            assert_eq!(ops::cardinality(&v).unwrap(), p.len());
        }
        3 => {
            let order = ops::compare(&v, &w).unwrap();
            assert_eq!(order, ops::compare(&w, &v).unwrap().reverse());
            let same = p.symmetric_difference_len(&q) == 0;
            assert_eq!(order.is_eq(), same);
            assert_eq!(ops::same(&v, &w).unwrap(), same);
            if p.len().min(q.len()) <= FEW {
                assert_eq!(order, p.iter().cmp(q.iter()));
            }
            let small = ops::compact(&v).unwrap();
            is(Ok(small.clone()), &p);
            let small = View::new(&small).unwrap();
            assert_eq!(ops::hash(&small, i.x), ops::hash(&v, i.x));
            assert_eq!(ops::compact(&small).unwrap(), small.bytes());
        }
        4 => {
            let last = x.saturating_add(y & SPAN);
            let mut range = Oracle::new();
            range.insert_range(x..=last);
            is(ops::with_range(op, &v, x, last, &mut NoTick), &applied(op, &p, &range));
            is(ops::range(x, last), &range);
        }
        5 if p.len() <= FEW => {
            let ids: Vec<u32> = p.iter().collect();
            assert_eq!(ops::into_ids(&v).unwrap().collect::<Vec<_>>(), ids);
            let mut told = Vec::new();
            v.try_for_each(|id| {
                told.push(id);
                Ok(())
            })
            .unwrap();
            assert_eq!(told, ids);
            let mut ranges = Oracle::new();
            v.try_for_each_range(|first, last| {
                assert!(ranges.max().is_none_or(|m| m < first));
                ranges.insert_range(first..=last);
                Ok(())
            })
            .unwrap();
            assert_eq!(ranges.symmetric_difference_len(&p), 0);
            let written = text::write(&v, &mut NoTick).unwrap();
            is(text::parse(&written, &mut NoTick), &p);
            is(of_ids(ids), &p);
        }
        6 => {
            let distance = i.x as i64;
            if p.len() <= FEW {
                let at = |id: u32| u32::try_from(i128::from(id) + i128::from(distance)).ok();
                is(
                    ops::shift(&v, distance, &mut NoTick),
                    &p.iter().filter_map(at).collect(),
                );
                let (skip, take) = (i.x >> 32 & 0xfff, u64::from(i.y));
                let want = p.iter().skip(skip as usize).take(take as usize).collect();
                is(ops::slice(&v, skip, take, &mut NoTick), &want);
            } else {
                let there = ops::slice(&v, i.x, u64::from(i.y), &mut NoTick).unwrap();
                let n = p.len().saturating_sub(i.x).min(u64::from(i.y));
                assert_eq!(View::new(&there).unwrap().cardinality(), n);
            }
        }
        7 => {
            let mut pieces = pieces(a);
            assert_eq!(pieces.cardinality().unwrap(), p.len());
            assert_eq!(pieces.min().unwrap(), p.min());
            assert_eq!(pieces.max().unwrap(), p.max());
            assert_eq!(pieces.is_empty().unwrap(), p.is_empty());
            for id in [x, y] {
                assert_eq!(pieces.contains(id).unwrap(), p.contains(id));
            }
            if v.words() <= 16 * 1024 {
                let mut words = vec![0u64; v.words()];
                v.or_into(&mut words).unwrap();
                assert_eq!(words.iter().map(|w| u64::from(w.count_ones())).sum::<u64>(), p.len());
                assert!(
                    p.iter()
                        .take(100)
                        .all(|id| words[id as usize / 64] >> (id % 64) & 1 == 1)
                );
            }
        }
        _ => {}
    }
}

fn pieces(set: &[u8]) -> Pieces<impl FnMut(usize, usize) -> Result<Vec<u8>>> {
    Pieces::new(set.len(), move |from, n| {
        let there = set.get(from..).unwrap_or_default();
        Ok(there.get(..n).unwrap_or(there).to_vec())
    })
}

/// Every reader and operation, on bytes of which nothing is known. They may refuse.
fn use_all(i: &Input, a: &View<'_>, b: &View<'_>) {
    let op = OPS[usize::from(i.op) % 4];
    let (x, y) = (i.x as u32, i.y);
    match i.op / 4 % 8 {
        0 => drop(ops::apply(op, a, b, &mut NoTick)),
        1 => {
            let _ = ops::cardinality_of(op, a, b);
            let _ = ops::intersects(a, b);
            let _ = ops::contains_all(a, b);
        }
        2 => {
            let _ = (a.min(), a.max(), a.rank(x), a.rank(y), a.contains(x), a.contains(y));
            let _ = (ops::stats(a), ops::cardinality(a), a.check());
        }
        3 => {
            let _ = (ops::compare(a, b), ops::same(a, b));
            let _ = (ops::hash(a, i.x), ops::compact(a));
        }
        4 => drop(ops::with_range(op, a, x, x.saturating_add(y & SPAN), &mut NoTick)),
        5 => {
            let _ = ops::into_ids(a).map(|ids| ids.take(100).count());
            if a.cardinality() <= FEW {
                let _ = text::write(a, &mut NoTick);
            }
        }
        6 => {
            let _ = ops::shift(a, i.x as i64, &mut NoTick);
            let _ = ops::slice(a, i.x >> 32 & 0xfff, u64::from(i.y), &mut NoTick);
        }
        _ => {
            if a.words() <= 16 * 1024 {
                let _ = a.or_into(&mut vec![0u64; a.words()]);
            }
            let _ = View::prefix(a.bytes()).map(|(v, rest)| (v.check(), rest.len()));
        }
    }
}

fn use_pieces(i: &Input, bytes: &[u8]) {
    let mut pieces = pieces(bytes);
    match i.op % 5 {
        0 => drop(pieces.cardinality()),
        1 => drop(pieces.min()),
        2 => drop(pieces.max()),
        3 => drop(pieces.is_empty()),
        _ => drop(pieces.contains(i.y)),
    }
}
