//! Runs beside sets of the standard library, and beside the sweep that is made for any operation.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

type Runs = Vec<[u8; 4]>;

fn encoded(first: u16, len: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (first.to_le_bytes(), len.to_le_bytes());
    [a, b, c, d]
}

/// Ascending runs. Some touch, as in values other writers made; some end with the container.
fn runs() -> impl Strategy<Value = Runs> {
    (0..3u16, prop::collection::vec((0..40u16, 0..60u16), 0..60)).prop_map(|(from, steps)| {
        let mut at = u32::from(from) * 32_000;
        let mut runs = Vec::new();
        for (gap, len) in steps {
            let first = at + u32::from(gap);
            let last = (first + u32::from(len)).min(0xffff);
            if first > last {
                break;
            }
            runs.push(encoded(first as u16, (last - first) as u16));
            at = last + 1;
        }
        runs
    })
}

fn set(runs: &[[u8; 4]]) -> BTreeSet<u16> {
    runs.iter().map(run).flat_map(|(first, last)| first..=last).collect()
}

/// The stretches of a set.
fn stretches(set: &BTreeSet<u16>) -> Vec<(u16, u16)> {
    let mut out: Vec<(u16, u16)> = Vec::new();
    for id in set {
        match out.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*id) => *last = *id,
            _ => out.push((*id, *id)),
        }
    }
    out
}

proptest! {
    #[test]
    fn runs_are_merged(a in runs(), b in runs()) {
        let (x, y) = (set(&a), set(&b));
        let mut out = vec![(1, 2); 5];
        let mut swept = Vec::new();
        for (op, expected) in [
            (Op::And, x.intersection(&y).copied().collect::<BTreeSet<_>>()),
            (Op::Or, x.union(&y).copied().collect()),
            (Op::Xor, x.symmetric_difference(&y).copied().collect()),
            (Op::AndNot, x.difference(&y).copied().collect()),
        ] {
            let expected = stretches(&expected);
            prop_assert_eq!(merge(op, &a, &b, &mut out), &expected[..], "{:?}", op);
            sweep(op, &a, &b, &mut swept);
            prop_assert_eq!(&swept, &expected, "{:?}", op);
        }
        prop_assert_eq!(common(&a, &b) as usize, x.intersection(&y).count());
    }

    /// Runs of a forged value overlap, are in no order, and reach past the end.
    #[test]
    fn no_runs_lead_out_of_bounds(a in prop::collection::vec(any::<[u8; 4]>(), 0..50), b in prop::collection::vec(any::<[u8; 4]>(), 0..50)) {
        let mut out = Vec::new();
        for op in [Op::And, Op::Or] {
            let ids: u64 = merge(op, &a, &b, &mut out).iter().map(|(f, l)| u64::from(l.saturating_sub(*f)) + 1).sum();
            prop_assert!(ids <= 1 << 16);
        }
        common(&a, &b);
    }
}

#[test]
fn whole_containers() {
    let (all, first, last) = (encoded(0, 0xffff), encoded(0, 0), encoded(0xffff, 0));
    let mut out = Vec::new();
    assert_eq!(merge(Op::Or, &[all], &[all], &mut out), [(0, 0xffff)]);
    assert_eq!(
        merge(Op::And, &[all], &[first, last], &mut out),
        [(0, 0), (0xffff, 0xffff)]
    );
    assert_eq!(merge(Op::Or, &[first], &[last], &mut out), [(0, 0), (0xffff, 0xffff)]);
    assert_eq!(merge(Op::And, &[first], &[last], &mut out), []);
    assert_eq!(merge(Op::Or, &[], &[], &mut out), []);
    assert_eq!(common(&[all], &[all]), 1 << 16);
}
