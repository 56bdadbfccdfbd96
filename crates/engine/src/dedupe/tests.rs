//! Duplicates against a map of all rows.

use super::*;
use crate::chunk::Events;
use crate::tick::NoTick;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Row = (u32, u32, i64, u64, i64);

fn chunk(rows: &[Row]) -> Chunk {
    Chunk {
        events: Events::Each(rows.iter().map(|r| r.0).collect()),
        user: rows.iter().map(|r| r.1).collect(),
        time: rows.iter().map(|r| r.2).collect(),
        inserts: Some(Inserts {
            hash: rows.iter().map(|r| r.3).collect(),
            priority: rows.iter().map(|r| r.4).collect(),
        }),
        ..Chunk::default()
    }
}

fn naive(chunks: &[Vec<Row>]) -> Vec<Vec<bool>> {
    let mut best = BTreeMap::new();
    for (c, rows) in chunks.iter().enumerate() {
        for (i, r) in rows.iter().enumerate() {
            let held = best.entry((r.0, r.1, r.2, r.3)).or_insert((r.4, c, i));
            *held = (*held).max((r.4, c, i));
        }
    }
    let stays = |c: usize, i: usize, r: &Row| r.3 == 0 || best[&(r.0, r.1, r.2, r.3)] == (r.4, c, i);
    let each = chunks.iter().enumerate();
    each.map(|(c, rows)| rows.iter().enumerate().map(|(i, r)| stays(c, i, r)).collect())
        .collect()
}

fn bools(mask: &Option<Mask>, n: usize) -> Vec<bool> {
    (0..n).map(|i| mask.as_ref().is_none_or(|m| m.get(i))).collect()
}

fn row() -> impl Strategy<Value = Row> {
    (0u32..2, 0u32..3, 0i64..3, 0u64..4, -2i64..3)
}

proptest! {
    #[test]
    fn masks_agree_with_the_naive_way(
        rows in prop::collection::vec(prop::collection::vec(row(), 0..40), 0..5),
        without in 0usize..6,
    ) {
        let mut rows = rows;
        let mut chunks: Vec<Chunk> = rows.iter().map(|r| chunk(r)).collect();
        if let Some(c) = chunks.get_mut(without) {
            c.inserts = None;
            rows[without].iter_mut().for_each(|r| r.3 = 0);
        }
        let masks = keep_masks(&chunks.iter().collect::<Vec<_>>(), &mut NoTick).unwrap();
        let got: Vec<_> = masks.iter().zip(&rows).map(|(m, r)| bools(m, r.len())).collect();
        let want = naive(&rows);
        prop_assert!(masks.iter().flatten().all(|m| m.count() < m.len()), "a mask that drops nothing is None");
        prop_assert_eq!(got, want);
    }

    #[test]
    fn delta_against_sealed_is_the_same_as_all_at_once(
        sealed in prop::collection::vec(prop::collection::vec(row(), 0..40), 0..4),
        delta in prop::collection::vec(prop::collection::vec(row(), 0..20), 0..4),
    ) {
        // Segments hold no duplicates among themselves.
        let clean = naive(&sealed);
        let sealed: Vec<Vec<Row>> = sealed
            .iter()
            .zip(&clean)
            .map(|(rows, keep)| rows.iter().zip(keep).filter(|(_, k)| **k).map(|(r, _)| *r).collect())
            .collect();
        let all: Vec<Vec<Row>> = sealed.iter().chain(&delta).cloned().collect();
        let want = naive(&all);
        let sealed: Vec<Chunk> = sealed.iter().map(|r| chunk(r)).collect();
        let delta: Vec<Chunk> = delta.iter().map(|r| chunk(r)).collect();
        let d = Duplicates::new(&delta.iter().collect::<Vec<_>>(), &mut NoTick).unwrap();
        let mut got = Vec::new();
        for c in &sealed {
            let mut mask = None;
            let touches = (0..2).any(|e| {
                let times = (0..c.len()).filter(|i| c.event(*i) == e).map(|i| c.time[i]);
                let (lo, hi) = times.fold((i64::MAX, i64::MIN), |(a, b), t| (a.min(t), b.max(t)));
                lo <= hi && d.may_touch(e, lo, hi)
            });
            if touches {
                mask = d.check(c, || Ok(c.inserts.clone()), &mut NoTick).unwrap();
            }
            got.push(bools(&mask, c.len()));
        }
        got.extend(d.delta_masks().iter().zip(&delta).map(|(m, c)| bools(m, c.len())));
        prop_assert_eq!(got, want);
    }
}

#[test]
fn only_ranges_with_delta_rows_are_touched() {
    let delta = chunk(&[(1, 1, 100, 7, 1), (1, 1, 300, 8, 1), (2, 1, 200, 0, 1)]);
    let d = Duplicates::new(&[&delta], &mut NoTick).unwrap();
    assert!(d.may_touch(1, 100, 100) && d.may_touch(1, 0, 1000));
    assert!(!d.may_touch(1, 101, 299) && !d.may_touch(1, 301, 999));
    assert!(
        !d.may_touch(2, 0, 1000),
        "rows without an insert hash have no duplicates"
    );
    assert!(!d.may_touch(3, 0, 1000));
}
