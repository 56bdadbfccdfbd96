//! Every reader of bytes, fed with what is almost right: stored values with bits turned, cut, stretched, spliced, and with
//! counts and offsets put to the values that hurt. A reader refuses or answers; it never panics, and what is taken in from
//! outside comes out as a sound set.
//!
//! `ANALYTICS_GROUPS_MUTATIONS=1000000 cargo test -p engine mutations` runs longer, from another start each time if
//! `ANALYTICS_GROUPS_SEED` says so.

use super::super::state::{self as states, Narrow, Wide, Width};
use super::super::wide::{self, View64};
use super::*;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // xorshift64*, good enough to choose places.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Sound values of every kind: sets of both widths, in several forms, and states.
fn golden() -> Vec<Vec<u8>> {
    let mixed: Vec<u32> = (0..40)
        .chain((0..5000).map(|i| (1 << 16) + i * 2))
        .chain([7 << 16, (7 << 16) + 9, u32::MAX])
        .collect();
    let sets: Vec<Vec<u32>> = vec![
        vec![],
        vec![5],
        vec![1, 2, 3, 70_000, u32::MAX],
        (10..400).collect(),
        (0..6).flat_map(|c| (c << 16)..(c << 16) + 20).collect(),
        (0..6).map(|c| c << 16 | 77).collect(),
        mixed,
    ];
    let mut out = Vec::new();
    for ids in &sets {
        let narrow = bytes(ids);
        let ids64: Vec<u64> = ids.iter().map(|id| u64::from(*id) << (id % 3 * 13)).collect();
        let wide = wide::of_ids(ids64.clone()).unwrap();
        let mut plain = Vec::new();
        let mut without = set(ids).0;
        without.remove_run_compression();
        without.serialize_into(&mut plain).unwrap();
        for kind in [Kind::Or, Kind::And, Kind::Xor] {
            let mut s = states::start_set::<Narrow>(kind, &narrow).unwrap();
            s = states::push_set::<Narrow>(&mut s, kind, &bytes(&[3, 9]))
                .unwrap()
                .unwrap_or(s);
            out.push(states::used(&s).unwrap().to_vec());
            let mut s = states::start_set::<Wide>(kind, &wide).unwrap();
            s = states::push_set::<Wide>(&mut s, kind, &wide::of_ids(vec![3, 1 << 40]).unwrap())
                .unwrap()
                .unwrap_or(s);
            out.push(states::used(&s).unwrap().to_vec());
        }
        if let Some(s) = build(ids) {
            out.push(super::state::used(&s).unwrap().to_vec());
        }
        out.extend([narrow, plain, wide]);
    }
    out
}

fn mutate(value: &mut Vec<u8>, other: &[u8], r: &mut Random) {
    const HURTS: [u32; 9] = [
        0,
        1,
        0xff,
        0xffff,
        0x1_0000,
        0x7fff_ffff,
        0x8000_0000,
        u32::MAX - 1,
        u32::MAX,
    ];
    for _ in 0..1 + r.below(4) {
        let at = r.below(value.len());
        match r.below(8) {
            0 | 1 => {
                if let Some(b) = value.get_mut(at) {
                    *b ^= 1 << r.below(8);
                }
            }
            2 => {
                if let Some(b) = value.get_mut(at) {
                    *b = r.next() as u8;
                }
            }
            3 => value.truncate(at),
            4 => value.extend((0..1 + r.below(9)).map(|_| r.next() as u8)),
            5 => {
                let width = [1, 2, 4][r.below(3)];
                let hurt = HURTS[r.below(HURTS.len())].to_le_bytes();
                for (to, from) in value.iter_mut().skip(at).zip(hurt.iter().take(width)) {
                    *to = *from;
                }
            }
            6 => {
                let from = r.below(other.len());
                let n = r.below(40);
                let piece: Vec<u8> = other.iter().skip(from).take(n).copied().collect();
                value.splice(at..(at + r.below(20)).min(value.len()), piece);
            }
            _ => {
                let end = (at + r.below(12)).min(value.len());
                value.drain(at..end);
            }
        }
    }
}

/// Everything that reads a set or a state.
fn read_all(bytes: &[u8], sound: &[u8], sound64: &[u8]) {
    const FEW: u64 = 1 << 22;
    if let Ok(view) = View::new(bytes) {
        let _ = (
            view.min(),
            view.max(),
            view.rank(70_000),
            view.contains(3),
            view.check(),
        );
        let _ = (ops::stats(&view), ops::hash(&view, 1), ops::compact(&view));
        let good = View::new(sound).unwrap();
        for (a, b) in [(&view, &good), (&good, &view)] {
            for op in [Op::And, Op::Or, Op::Xor, Op::AndNot] {
                let _ = (ops::apply(op, a, b, &mut NoTick), ops::cardinality_of(op, a, b));
            }
            let _ = (
                ops::contains_all(a, b),
                ops::intersects(a, b),
                ops::compare(a, b),
                ops::same(a, b),
            );
        }
        let _ = (
            ops::shift(&view, 70_001, &mut NoTick),
            ops::slice(&view, 2, 100, &mut NoTick),
        );
        let _ = ops::with_range(Op::Xor, &view, 5, 140_000, &mut NoTick);
        if view.cardinality() < FEW {
            let _ = text::write(&view, &mut NoTick);
        }
    }
    let mut pieces = Pieces::new(bytes.len(), |from, n| {
        Ok(bytes.get(from..).unwrap_or_default().iter().take(n).copied().collect())
    });
    let _ = (
        pieces.cardinality(),
        pieces.contains(70_000),
        pieces.min(),
        pieces.max(),
        pieces.is_empty(),
    );
    if let Ok(set) = ops::import(bytes) {
        assert_eq!(ops::import(&set).as_ref(), Ok(&set), "what is taken in is sound");
        View::new(&set).unwrap().check().unwrap();
    }
    if let Ok(view) = View64::new(bytes) {
        let _ = (
            view.min(),
            view.max(),
            view.rank(70_000),
            view.contains(3),
            view.check(),
        );
        let _ = (wide::stats(&view), wide::hash(&view, 1), wide::compact(&view));
        let good = View64::new(sound64).unwrap();
        for (a, b) in [(&view, &good), (&good, &view)] {
            for op in [Op::And, Op::Or, Op::Xor, Op::AndNot] {
                let _ = (wide::apply(op, a, b, &mut NoTick), wide::cardinality_of(op, a, b));
            }
            let _ = (
                wide::contains_all(a, b),
                wide::intersects(a, b),
                wide::compare(a, b),
                wide::same(a, b),
            );
        }
        let _ = (
            wide::shift(&view, 1 << 33, &mut NoTick),
            wide::slice(&view, 2, 100, &mut NoTick),
        );
        let _ = (
            wide::with_range(Op::And, &view, 5, 1 << 40, &mut NoTick),
            wide::to_narrow(&view, &mut NoTick),
        );
        if view.cardinality().is_ok_and(|n| n < FEW) {
            let _ = text::write64(&view, &mut NoTick);
        }
    }
    if let Ok(set) = wide::import(bytes) {
        assert_eq!(wide::import(&set).as_ref(), Ok(&set), "what is taken in is sound");
        View64::new(&set).unwrap().check().unwrap();
    }
    read_state::<Narrow>(bytes, 9, sound);
    read_state::<Wide>(bytes, 9, sound64);
    let words = String::from_utf8_lossy(bytes);
    let _ = (text::parse(&words, &mut NoTick), text::parse64(&words, &mut NoTick));
}

fn read_state<W: Width>(bytes: &[u8], id: W::Id, sound: &[u8]) {
    let checked = states::check::<W>(bytes);
    let (finished, counted) = (states::finish::<W>(bytes), states::cardinality::<W>(bytes));
    if checked.is_ok() {
        assert_eq!(
            W::cardinality(&finished.unwrap()),
            counted,
            "a state that was checked is sound"
        );
    }
    let mut s = bytes.to_vec();
    let _ = states::push_id::<W>(&mut s, id);
    for kind in [Kind::Build, Kind::Or, Kind::And, Kind::Xor] {
        let mut s = bytes.to_vec();
        let _ = states::push_set::<W>(&mut s, kind, sound);
        let mut good = match kind {
            Kind::Build => states::start_id::<W>(id).unwrap(),
            _ => states::start_set::<W>(kind, sound).unwrap(),
        };
        let _ = states::combine::<W>(&mut good, bytes);
    }
}

#[test]
fn mutations_of_stored_bytes() {
    let golden = golden();
    let (sound, sound64) = (
        bytes(&[1, 2, 3, 65_000, 70_000, 1 << 30]),
        wide::of_ids(vec![1, 2, 70_000, 1 << 35]).unwrap(),
    );
    let mut r = Random(setting("ANALYTICS_GROUPS_SEED", 0x5eed) | 1);
    for value in &golden {
        read_all(value, &sound, &sound64);
    }
    for _ in 0..setting("ANALYTICS_GROUPS_MUTATIONS", 500) {
        let mut value = golden[r.below(golden.len())].clone();
        let other = &golden[r.below(golden.len())];
        mutate(&mut value, other, &mut r);
        read_all(&value, &sound, &sound64);
    }
}

/// Adds what both widths have in common: sets and states cut at each byte are refused.
#[test]
fn every_truncation_is_refused() {
    for value in golden() {
        let narrow = ops::import(&value).is_ok();
        let wide = wide::import(&value).is_ok();
        let state = states::check::<Narrow>(&value).is_ok();
        let state64 = states::check::<Wide>(&value).is_ok();
        assert!(narrow || wide || state || state64);
        for cut in (0..value.len()).filter(|n| value.len() < 600 || *n < 100 || n % 61 == 0) {
            let part = &value[..cut];
            assert!(!narrow || ops::import(part).is_err());
            assert!(!wide || wide::import(part).is_err());
            assert!(!state || states::check::<Narrow>(part).is_err());
            assert!(!state64 || states::check::<Wide>(part).is_err());
        }
        let long = [&value[..], &[0]].concat();
        assert!(!narrow || ops::import(&long).is_err());
        assert!(!wide || wide::import(&long).is_err());
    }
}

/// Decoding reads a container of runs without looking at the number of ids its header has; a set that was let in with a
/// wrong one would be counted wrong ever after.
#[test]
fn runs_are_as_many_ids_as_their_header_says() {
    let ids: Vec<u32> = (10..400).collect();
    let narrow = bytes(&ids);
    let wide = wide::of_ids(ids.iter().map(|id| u64::from(*id)).collect()).unwrap();
    let state = states::start_set::<Narrow>(Kind::And, &narrow).unwrap();
    let state64 = states::start_set::<Wide>(Kind::And, &wide).unwrap();
    // Cookie, which containers are runs, key: the number of ids less one comes next.
    let count = 4 + 1 + 2;
    for at in [count, count + 1] {
        let forged = |value: &[u8], before: usize| {
            let mut value = value.to_vec();
            value[before + at] ^= 3;
            value
        };
        let set = forged(&narrow, 0);
        assert!(matches!(View::new(&set).unwrap().check(), Err(Error::Corrupt(_))));
        assert!(matches!(ops::import(&set), Err(Error::Corrupt(_))));
        let set = forged(&wide, 8 + 4);
        assert!(matches!(View64::new(&set).unwrap().check(), Err(Error::Corrupt(_))));
        assert!(matches!(wide::import(&set), Err(Error::Corrupt(_))));
        assert!(states::check::<Narrow>(&forged(&state, 12)).is_err());
        assert!(states::check::<Wide>(&forged(&state64, 12 + 8 + 4)).is_err());
    }
}

/// Room for a text is reserved for as many ids as the header has: more are an error, not a text that grows without end.
#[test]
fn a_text_has_no_more_ids_than_the_header() {
    let ids: Vec<u32> = (10..40_000).collect();
    let mut narrow = bytes(&ids);
    narrow[7..9].copy_from_slice(&[3, 0]);
    assert!(matches!(
        text::write(&View::new(&narrow).unwrap(), &mut NoTick),
        Err(Error::Corrupt(_))
    ));
    let mut wide = wide::of_ids(ids.iter().map(|id| u64::from(*id)).collect()).unwrap();
    wide[8 + 4 + 7..8 + 4 + 9].copy_from_slice(&[3, 0]);
    assert!(matches!(
        text::write64(&View64::new(&wide).unwrap(), &mut NoTick),
        Err(Error::Corrupt(_))
    ));
}
