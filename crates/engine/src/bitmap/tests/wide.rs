//! Sets of 64-bit ids against sets of numbers and against the library.

use super::super::state::{self as states, Wide};
use super::super::wide::{self, View64};
use super::*;
use roaring::RoaringTreemap;

type Oracle64 = BTreeSet<u64>;

/// Sets whose ids share upper halves, or do not.
fn ids64() -> impl Strategy<Value = Vec<u64>> {
    let high = prop_oneof![Just(0u64), Just(1), Just(5), Just(0xffff_ffff), 0..0xffff_ffffu64];
    let part = (high, ids()).prop_map(|(h, lows)| {
        lows.into_iter()
            .map(move |l| h << 32 | u64::from(l))
            .collect::<Vec<_>>()
    });
    let sparse = proptest::collection::vec(any::<u64>(), 0..20);
    (proptest::collection::vec(part, 0..4), sparse)
        .prop_map(|(parts, s)| parts.into_iter().flatten().chain(s).collect())
}

fn of(ids: &[u64]) -> Vec<u8> {
    wide::of_ids(ids.to_vec()).unwrap()
}

fn list(set: &[u8]) -> Vec<u64> {
    let mut ids = Vec::new();
    let each = View64::new(set).unwrap().try_for_each(|id| {
        ids.push(id);
        Ok(())
    });
    each.unwrap();
    ids
}

fn oracle64(ids: &[u64]) -> Oracle64 {
    ids.iter().copied().collect()
}

fn of_op64(op: Op, a: &Oracle64, b: &Oracle64) -> Oracle64 {
    match op {
        Op::And => a & b,
        Op::Or => a | b,
        Op::Xor => a ^ b,
        Op::AndNot => a - b,
    }
}

const OPS: [Op; 4] = [Op::And, Op::Or, Op::Xor, Op::AndNot];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn algebra_of_wide_sets(a in ids64(), b in ids64(), probe in any::<u64>()) {
        let (x, y, ox, oy) = (of(&a), of(&b), oracle64(&a), oracle64(&b));
        let (u, v) = (View64::new(&x).unwrap(), View64::new(&y).unwrap());
        u.check().unwrap();
        prop_assert_eq!(list(&x), ox.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!(u.cardinality().unwrap(), ox.len() as u64);
        prop_assert_eq!((u.min().unwrap(), u.max().unwrap()), (ox.first().copied(), ox.last().copied()));
        // The library reads what we write, and writes what we write once runs are stored as runs.
        let library = RoaringTreemap::deserialize_from(&x[..]).unwrap();
        prop_assert!(library.iter().eq(ox.iter().copied()));
        let mut again = Vec::new();
        library.serialize_into(&mut again).unwrap();
        prop_assert_eq!(&again, &x);
        for op in OPS {
            let want = of_op64(op, &ox, &oy);
            let set = of(&want.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(&wide::apply(op, &u, &v, &mut NoTick).unwrap(), &set);
            prop_assert_eq!(wide::cardinality_of(op, &u, &v).unwrap(), want.len() as u64);
        }
        prop_assert_eq!(wide::intersects(&u, &v).unwrap(), !ox.is_disjoint(&oy));
        prop_assert_eq!(wide::contains_all(&u, &v).unwrap(), ox.is_superset(&oy));
        prop_assert_eq!(wide::compare(&u, &v).unwrap(), ox.iter().cmp(oy.iter()));
        prop_assert_eq!(wide::same(&u, &v).unwrap(), ox == oy);
        prop_assert_eq!(wide::hash(&u, 1).unwrap() == wide::hash(&v, 1).unwrap(), ox == oy);
        for probe in a.iter().chain(&b).step_by(1 + (a.len() + b.len()) / 40).copied().chain([probe]) {
            prop_assert_eq!(u.contains(probe).unwrap(), ox.contains(&probe));
            prop_assert_eq!(u.rank(probe).unwrap(), ox.range(..=probe).count() as u64);
        }
        // A beginning of the set comes before it.
        let first: Vec<u64> = ox.iter().copied().take(ox.len() / 2).collect();
        let half = of(&first);
        prop_assert_eq!(wide::compare(&View64::new(&half).unwrap(), &u).unwrap(), first.iter().cmp(ox.iter()));
        prop_assert_eq!(&wide::compact(&u).unwrap(), &x);
    }

    #[test]
    fn ranges_of_wide_sets(a in ids64(), from in any::<u64>(), n in prop_oneof![0..70_000u64, Just(u64::MAX)]) {
        let (x, ox) = (of(&a), oracle64(&a));
        let u = View64::new(&x).unwrap();
        for first in a.iter().copied().take(2).chain([from]) {
            let last = first.saturating_add(n);
            let range: Oracle64 = if n < 1 << 20 { (first..=last).collect() } else { ox.range(first..=last).copied().collect() };
            for op in OPS {
                if n > 1 << 20 && matches!(op, Op::Or | Op::Xor) {
                    continue;
                }
                let want: Vec<u64> = of_op64(op, &ox, &range).into_iter().collect();
                prop_assert_eq!(list(&wide::with_range(op, &u, first, last, &mut NoTick).unwrap()), want);
            }
        }
        for by in [0i64, 1, -1, 1 << 32, -(1 << 33) - 5, i64::MAX, i64::MIN] {
            let moved = ox.iter().map(|id| i128::from(*id) + i128::from(by));
            let want: Vec<u64> = moved.filter_map(|id| u64::try_from(id).ok()).collect();
            prop_assert_eq!(wide::shift(&u, by, &mut NoTick).unwrap(), of(&want));
        }
        for (skip, take) in [(0u64, 1u64), (3, 5), (ox.len() as u64 / 2, 4000), (ox.len() as u64, 2), (0, u64::MAX)] {
            let want: Vec<u64> = ox.iter().copied().skip(skip as usize).take(take.min(1 << 40) as usize).collect();
            prop_assert_eq!(wide::slice(&u, skip, take, &mut NoTick).unwrap(), of(&want));
        }
        let text = text::write64(&u, &mut NoTick).unwrap();
        prop_assert_eq!(text::parse64(&text, &mut NoTick).unwrap(), x);
    }

    #[test]
    fn widths_convert_as_signed_numbers(a in ids(), far in any::<i64>()) {
        let wanted: BTreeSet<u64> = a.iter().map(|id| i64::from(*id as i32) as u64).collect();
        let narrow = bytes(&a);
        let x = wide::from_narrow(&View::new(&narrow).unwrap(), &mut NoTick).unwrap();
        prop_assert_eq!(list(&x), wanted.iter().copied().collect::<Vec<_>>());
        let u = View64::new(&x).unwrap();
        prop_assert_eq!(wide::to_narrow(&u, &mut NoTick).unwrap(), Ok(narrow));
        let mut more: Vec<u64> = wanted.into_iter().collect();
        more.push(far as u64);
        let x = of(&more);
        let back = wide::to_narrow(&View64::new(&x).unwrap(), &mut NoTick).unwrap();
        match i32::try_from(far) {
            Ok(_) => prop_assert!(back.is_ok()),
            Err(_) => prop_assert_eq!(back, Err(far)),
        }
    }

    #[test]
    fn states_of_wide_sets(a in proptest::collection::vec(any::<u64>(), 1..3000), narrow in 1..1_000_000u64, cut in any::<prop::sample::Index>(), sets in proptest::collection::vec(ids64(), 1..7)) {
        let a: Vec<u64> = a.iter().map(|id| id % narrow).collect();
        let build = |ids: &[u64]| {
            let mut s = None;
            for id in ids {
                feed(&mut s, || states::start_id::<Wide>(*id).unwrap(), |s| states::push_id::<Wide>(s, *id).unwrap());
            }
            s
        };
        let want: Vec<u64> = oracle64(&a).into_iter().collect();
        let whole = build(&a).unwrap();
        prop_assert_eq!(states::finish::<Wide>(&whole).unwrap(), of(&want));
        states::check::<Wide>(states::used(&whole).unwrap()).unwrap();
        let (l, r) = a.split_at(cut.index(a.len()));
        for (x, y) in [(build(l), build(r)), (build(r), build(l))] {
            let (Some(mut x), Some(y)) = (x, y) else { continue };
            let x = states::combine::<Wide>(&mut x, states::used(&y).unwrap()).unwrap().unwrap_or(x);
            prop_assert_eq!(states::finish::<Wide>(&x).unwrap(), of(&want));
            prop_assert_eq!(states::cardinality::<Wide>(&x).unwrap(), want.len() as u64);
        }
        for (kind, op) in [(Kind::Or, Op::Or), (Kind::And, Op::And), (Kind::Xor, Op::Xor)] {
            let want = sets.iter().map(|s| oracle64(s)).reduce(|a, b| of_op64(op, &a, &b)).unwrap();
            let want = of(&want.into_iter().collect::<Vec<_>>());
            let fold = |sets: &[Vec<u64>]| {
                let mut s = None;
                for ids in sets {
                    let b = of(ids);
                    feed(&mut s, || states::start_set::<Wide>(kind, &b).unwrap(), |s| states::push_set::<Wide>(s, kind, &b).unwrap());
                }
                s
            };
            let whole = fold(&sets).unwrap();
            prop_assert_eq!(&states::finish::<Wide>(&whole).unwrap(), &want);
            states::check::<Wide>(states::used(&whole).unwrap()).unwrap();
            let (l, r) = sets.split_at(cut.index(sets.len()));
            for (x, y) in [(fold(l), fold(r)), (fold(r), fold(l))] {
                let (Some(mut x), Some(y)) = (x, y) else { continue };
                let x = states::combine::<Wide>(&mut x, states::used(&y).unwrap()).unwrap().unwrap_or(x);
                prop_assert_eq!(&states::finish::<Wide>(&x).unwrap(), &want);
            }
        }
    }
}

#[test]
fn a_range_without_an_end_is_not_filled() {
    let x = of(&[1, 10]);
    let u = View64::new(&x).unwrap();
    for op in [Op::Or, Op::Xor] {
        let all = wide::with_range(op, &u, 0, u64::MAX, &mut NoTick);
        assert!(matches!(all, Err(Error::Limit { hint: Some(_), .. })));
    }
    assert_eq!(
        list(&wide::with_range(Op::And, &u, 2, u64::MAX, &mut NoTick).unwrap()),
        [10]
    );
}

#[test]
fn states_of_another_width_are_refused() {
    let narrow = states::start_id::<states::Narrow>(1).unwrap();
    let mut own = states::start_id::<Wide>(1).unwrap();
    assert!(matches!(
        states::combine::<Wide>(&mut own, &narrow),
        Err(Error::Corrupt(_))
    ));
    assert!(matches!(states::finish::<Wide>(&narrow), Err(Error::Corrupt(_))));
    assert!(matches!(states::finish::<states::Narrow>(&own), Err(Error::Corrupt(_))));
}
