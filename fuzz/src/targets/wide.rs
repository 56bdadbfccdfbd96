//! Sets of 64-bit ids: bytes from outside, and bytes that were damaged where they are stored.

use super::input::Input;
use super::narrow::OPS;
use engine::bitmap::wide::{self, View64, of_ids};
use engine::bitmap::{Op, View, ops, text};
use engine::error::{Error, Result};
use engine::tick::NoTick;
use roaring::RoaringTreemap as Oracle;

/// Ids that are told one by one.
const FEW: u64 = 1000;

/// Ids a range spans at most.
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
        if let Ok(a) = View64::new(&i.a) {
            let b = View64::new(&i.b).unwrap_or_else(|_| View64::new(&spare).unwrap());
            use_all(&i, &a, &b);
            use_all(&i, &b, &a);
        }
        return;
    }
    let Some(a) = taken(&i.a) else { return };
    let b = wide::import(&i.b).unwrap_or_else(|_| spare(&i));
    laws(&i, &a, &b);
}

fn spare(i: &Input) -> Vec<u8> {
    of_ids(vec![i.x, u64::from(i.y), i.x >> 32, 1, 2, 3, 1 << 32, u64::MAX]).unwrap()
}

fn taken(bytes: &[u8]) -> Option<Vec<u8>> {
    let set = wide::import(bytes);
    let checked = View64::new(bytes).and_then(|v| v.check());
    assert_eq!(set.is_ok(), checked.is_ok(), "one check refuses what the other lets in");
    let set = set.ok()?;
    assert!(wide::same(&View64::new(bytes).unwrap(), &View64::new(&set).unwrap()).unwrap());
    assert_eq!(wide::import(&set).as_ref(), Ok(&set), "what is taken in is sound");
    Some(set)
}

fn oracle(set: &[u8]) -> Oracle {
    let mut rest = set;
    let o = Oracle::deserialize_from(&mut rest).unwrap();
    assert!(rest.is_empty());
    o
}

fn is(got: Result<Vec<u8>>, want: &Oracle) {
    let got = got.unwrap();
    let view = View64::new(&got).unwrap();
    view.check().unwrap();
    assert_eq!(view.cardinality().unwrap(), want.len());
    assert!((oracle(&got) ^ want).is_empty());
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
    let (v, w) = (View64::new(a).unwrap(), View64::new(b).unwrap());
    let (p, q) = (oracle(a), oracle(b));
    let op = OPS[usize::from(i.op) % 4];
    let (x, y) = (i.x, i.y);
    match i.op / 4 % 8 {
        0 => {
            is(wide::apply(op, &v, &w, &mut NoTick), &applied(op, &p, &q));
            let n = wide::cardinality_of(op, &v, &w).unwrap();
            assert_eq!(n, applied(op, &p, &q).len());
        }
        1 => {
            let both = wide::common(&v, &w).unwrap();
            assert_eq!(both, p.intersection_len(&q));
            let union = wide::cardinality_of(Op::Or, &v, &w).unwrap();
            assert_eq!(union + both, p.len() + q.len());
            assert_eq!(wide::intersects(&v, &w).unwrap(), both > 0);
            assert_eq!(wide::contains_all(&v, &w).unwrap(), q.is_subset(&p));
            assert_eq!(wide::contains_all(&w, &v).unwrap(), p.is_subset(&q));
        }
        2 => {
            assert_eq!(v.cardinality().unwrap(), p.len());
            assert_eq!(v.min().unwrap(), p.min());
            assert_eq!(v.max().unwrap(), p.max());
            assert_eq!(v.is_empty(), p.is_empty());
            for id in [x, u64::from(y), p.min().unwrap_or(0), p.max().unwrap_or(9)] {
                assert_eq!(v.contains(id).unwrap(), p.contains(id));
                assert_eq!(v.rank(id).unwrap(), p.rank(id));
            }
            let stats = wide::stats(&v).unwrap();
            assert_eq!(stats.arrays + stats.bits + stats.runs, v.containers().unwrap().1);
        }
        3 => {
            let order = wide::compare(&v, &w).unwrap();
            assert_eq!(order, wide::compare(&w, &v).unwrap().reverse());
            let same = (&p ^ &q).is_empty();
            assert_eq!(order.is_eq(), same);
            assert_eq!(wide::same(&v, &w).unwrap(), same);
            if p.len().min(q.len()) <= FEW {
                assert_eq!(order, p.iter().cmp(q.iter()));
            }
            let small = wide::compact(&v).unwrap();
            is(Ok(small.clone()), &p);
            let small = View64::new(&small).unwrap();
            assert_eq!(wide::hash(&small, x), wide::hash(&v, x));
        }
        4 => {
            let last = x.saturating_add(u64::from(y & SPAN));
            let mut range = Oracle::new();
            range.insert_range(x..=last);
            is(wide::with_range(op, &v, x, last, &mut NoTick), &applied(op, &p, &range));
        }
        5 if p.len() <= FEW => {
            let ids: Vec<u64> = p.iter().collect();
            assert_eq!(wide::into_ids(&v).unwrap().collect::<Vec<_>>(), ids);
            let mut told = Vec::new();
            v.try_for_each(|id| {
                told.push(id);
                Ok(())
            })
            .unwrap();
            assert_eq!(told, ids);
            let written = text::write64(&v, &mut NoTick).unwrap();
            is(text::parse64(&written, &mut NoTick), &p);
            is(of_ids(ids), &p);
        }
        6 if p.len() <= FEW => {
            let distance = x as i64;
            let at = |id: u64| u64::try_from(i128::from(id) + i128::from(distance)).ok();
            is(
                wide::shift(&v, distance, &mut NoTick),
                &p.iter().filter_map(at).collect(),
            );
            let (skip, take) = (x >> 32 & 0xfff, u64::from(y));
            let want = p.iter().skip(skip as usize).take(take as usize).collect();
            is(wide::slice(&v, skip, take, &mut NoTick), &want);
        }
        7 => match wide::to_narrow(&v, &mut NoTick).unwrap() {
            Ok(narrow) => {
                let narrow = View::new(&narrow).unwrap();
                narrow.check().unwrap();
                assert_eq!(narrow.cardinality(), p.len());
                is(wide::from_narrow(&narrow, &mut NoTick), &p);
            }
            Err(id) => {
                assert!(p.contains(id as u64) && i32::try_from(id).is_err());
                // Whatever is smaller fits.
                let before: Oracle = p.iter().take_while(|i| *i < id as u64).take(1000).collect();
                assert!(before.iter().all(|id| i32::try_from(id as i64).is_ok()));
            }
        },
        _ => {}
    }
}

/// Every reader and operation, on bytes of which nothing is known. They may refuse.
fn use_all(i: &Input, a: &View64<'_>, b: &View64<'_>) {
    let op = OPS[usize::from(i.op) % 4];
    let (x, y) = (i.x, i.y);
    match i.op / 4 % 8 {
        0 => drop(wide::apply(op, a, b, &mut NoTick)),
        1 => {
            let _ = wide::cardinality_of(op, a, b);
            let _ = wide::intersects(a, b);
            let _ = wide::contains_all(a, b);
        }
        2 => {
            let _ = (a.min(), a.max(), a.rank(x), a.contains(x), a.cardinality());
            let _ = (wide::stats(a), a.check(), a.containers());
        }
        3 => {
            let _ = (wide::compare(a, b), wide::same(a, b));
            let _ = (wide::hash(a, x), wide::compact(a));
        }
        4 => {
            let _ = wide::with_range(op, a, x, x.saturating_add(u64::from(y & SPAN)), &mut NoTick);
            if !matches!(op, Op::Or | Op::Xor) {
                let _ = wide::with_range(op, a, x, u64::MAX - u64::from(y), &mut NoTick);
            } else {
                let all = wide::with_range(op, a, 0, u64::MAX, &mut NoTick);
                assert!(matches!(all, Err(Error::Limit { .. })));
            }
        }
        5 => {
            let _ = wide::into_ids(a).map(|ids| ids.take(100).count());
            if a.cardinality().is_ok_and(|n| n <= FEW) {
                let _ = text::write64(a, &mut NoTick);
            }
        }
        6 => {
            let _ = wide::shift(a, x as i64, &mut NoTick);
            let _ = wide::slice(a, x >> 32 & 0xfff, u64::from(y), &mut NoTick);
        }
        _ => {
            let _ = wide::to_narrow(a, &mut NoTick);
            if let Ok(narrow) = View::new(&i.a) {
                let _ = wide::from_narrow(&narrow, &mut NoTick);
                let _ = ops::stats(&narrow);
            }
        }
    }
}
