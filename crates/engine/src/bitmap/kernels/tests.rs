//! Each loop at every level of instructions this machine has, beside sets of the standard library.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn levels() -> Vec<Level> {
    let best = Level::new();
    let mut all = vec![Level::baseline(), best];
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    all.extend(
        best.as_sse4_2()
            .map(Level::Sse4_2)
            .into_iter()
            .chain(best.as_avx2().map(Level::Avx2)),
    );
    all
}

/// Few ids or many, all over the container or close together.
fn ids() -> impl Strategy<Value = BTreeSet<u16>> {
    (0..5000usize, 0..=16u32, any::<u16>(), any::<u64>()).prop_map(|(n, narrow, from, seed)| {
        let mut state = seed | 1;
        let mut next = || {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 40) as u16
        };
        let span = u16::MAX.checked_shr(narrow).unwrap_or(0);
        (0..n).map(|_| from.wrapping_add(next() & span)).collect()
    })
}

fn listed(ids: &BTreeSet<u16>) -> Vec<[u8; 2]> {
    ids.iter().map(|id| id.to_le_bytes()).collect()
}

fn bits(ids: &BTreeSet<u16>) -> Bits {
    let mut words = [0u64; CONTAINER_WORDS];
    for id in ids {
        words[usize::from(*id) / 64] |= 1 << (id % 64);
    }
    words.map(u64::to_le_bytes)
}

proptest! {
    #[test]
    fn lists_intersect_at_every_level(a in ids(), b in ids()) {
        let both: Vec<u16> = a.intersection(&b).copied().collect();
        let (x, y) = (listed(&a), listed(&b));
        for level in levels() {
            let mut out = vec![0; x.len().min(y.len()) + BLOCK];
            let n = dispatch!(level, simd => intersect_any::<_, true>(simd, &x, &y, &mut out));
            prop_assert_eq!(&out[..n], &both[..], "{:?}", level);
            let n = dispatch!(level, simd => intersect_any::<_, false>(simd, &x, &y, &mut []));
            prop_assert_eq!(n, both.len(), "{:?}", level);
        }
        let mut out = vec![7; 3];
        intersect(&x, &y, &mut out);
        prop_assert_eq!(out, both.clone());
        prop_assert_eq!(common(&x, &y) as usize, both.len());
    }

    /// The lists of a forged value are in no order, and ids are there again and again.
    #[test]
    fn no_list_leads_out_of_bounds(a in prop::collection::vec(0..9u16, 0..80), b in prop::collection::vec(0..9u16, 0..80)) {
        let bytes = |ids: &[u16]| ids.iter().map(|id| id.to_le_bytes()).collect::<Vec<_>>();
        let mut out = Vec::new();
        intersect(&bytes(&a), &bytes(&b), &mut out);
        prop_assert!(out.len() <= a.len().min(b.len()) + BLOCK);
        common(&bytes(&a), &bytes(&b));
    }

    #[test]
    fn bits_are_combined_and_counted_at_every_level(a in ids(), b in ids()) {
        let (x, y) = (bits(&a), bits(&b));
        for (op, expected) in [
            (Op::And, a.intersection(&b).copied().collect::<BTreeSet<_>>()),
            (Op::Or, a.union(&b).copied().collect()),
            (Op::Xor, a.symmetric_difference(&b).copied().collect()),
            (Op::AndNot, a.difference(&b).copied().collect()),
        ] {
            for level in levels() {
                let mut to = [[0xaa; 8]; CONTAINER_WORDS];
                let n = dispatch!(level, _simd => combine_any(op, &x, &y, &mut to));
                prop_assert_eq!(n as usize, expected.len(), "{:?} {:?}", op, level);
                prop_assert!(to == bits(&expected), "{:?} {:?}", op, level);
            }
            let mut to = [[0; 8]; CONTAINER_WORDS];
            prop_assert_eq!(combine(op, &x, &y, &mut to) as usize, expected.len());
        }
        prop_assert_eq!(count(&x) as usize, a.len());
        prop_assert_eq!(count_common(&x, &y) as usize, a.intersection(&b).count());
    }

    #[test]
    fn stretches_are_counted_at_every_level(a in ids(), limit in 0..3000usize) {
        let slow = a.iter().filter(|id| id.checked_sub(1).is_none_or(|before| !a.contains(&before))).count();
        let x = bits(&a);
        for level in levels() {
            prop_assert_eq!(dispatch!(level, _simd => stretches_any(&x, usize::MAX)), slow, "{:?}", level);
            let n = dispatch!(level, _simd => stretches_any(&x, limit));
            prop_assert!(if slow < limit { n == slow } else { n >= limit && n <= slow }, "{:?}", level);
        }
        prop_assert_eq!(stretches(&x, usize::MAX), slow);
    }
}

#[test]
fn full_and_empty_containers() {
    let (none, all) = ([[0; 8]; CONTAINER_WORDS], [[0xff; 8]; CONTAINER_WORDS]);
    assert_eq!((count(&none), count(&all)), (0, 1 << 16));
    assert_eq!((stretches(&none, 2047), stretches(&all, 2047)), (0, 1));
    let mut to = none;
    assert_eq!(combine(Op::AndNot, &all, &all, &mut to), 0);
    assert_eq!(combine(Op::Or, &all, &none, &mut to), 1 << 16);
    assert_eq!(common(&[], &[[1, 0]; 20]), 0);
}
