//! Selectors that pick first times, against a plain look at all events.

use super::world::{COMPANY, World};
use crate::chunk::{Chunk, Column, Events, GroupColumn, Kind, PropertyColumn, SubjectNo, USER};
use crate::error::Error;
use crate::expr::{FirstTimes, FirstTimesKernel, Selector, SelectorSpec};
use crate::gather::canonical;
use crate::mask::Mask;
use crate::tick::NoTick;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Number of the event, user, time, companies, and the property n.
type Row = (u32, SubjectNo, i64, Vec<SubjectNo>, i64);

fn chunk(rows: &[Row]) -> Chunk {
    let mut more = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        more.extend(row.3.iter().skip(1).map(|no| (i as u32, *no)));
    }
    Chunk {
        events: Events::Each(rows.iter().map(|r| r.0).collect()),
        user: rows.iter().map(|r| r.1).collect(),
        time: rows.iter().map(|r| r.2).collect(),
        groups: vec![GroupColumn {
            kind: COMPANY,
            first: rows.iter().map(|r| r.3.first().copied().unwrap_or(0)).collect(),
            more,
        }],
        properties: vec![PropertyColumn {
            property: 2,
            column: Column::Number(rows.iter().map(|r| r.4 as f64).collect()),
        }],
        ..Chunk::default()
    }
}

/// First times of every selector that needs them, found with one kernel for each chunk.
fn firsts(spec: &SelectorSpec, chunks: &[Chunk], by: Kind, remap: Option<&[SubjectNo]>) -> Vec<Arc<FirstTimes>> {
    let find = |every: &SelectorSpec| {
        let selector = every.bind(&World::new(), by, None).unwrap();
        let kernels = chunks.iter().map(|c| {
            let mut kernel = FirstTimesKernel::new(by, remap, 1 << 20);
            let hits = selector.hits(c, &Mask::all(c.len()), by, &mut NoTick).unwrap();
            kernel.push(c, &hits, &mut NoTick).unwrap();
            kernel
        });
        let kernel = kernels.reduce(|a, b| a.merge(b).unwrap());
        let kernel = kernel.unwrap_or_else(|| FirstTimesKernel::new(by, remap, 1 << 20));
        Arc::new(kernel.finish(&mut NoTick).unwrap())
    };
    spec.firsts().iter().map(find).collect()
}

/// (chunk, row, subject) of everything picked.
fn picked(selector: &Selector, chunks: &[Chunk], by: Kind) -> Vec<(usize, usize, SubjectNo)> {
    let mut out = Vec::new();
    for (n, c) in chunks.iter().enumerate() {
        let hits = selector.hits(c, &Mask::all(c.len()), by, &mut NoTick).unwrap();
        c.for_each_subject(by, &hits, |row, no| out.push((n, row, no)));
    }
    out.retain(|p| p.2 != 0);
    out.sort_unstable();
    out
}

/// The selectors of the tests, and what each says in words of this file.
fn selector(n: usize) -> (Json, fn(&Row) -> Option<usize>) {
    match n {
        0 => (json!({"event": "Buy", "first_time": true}), |r| (r.0 == 2).then_some(0)),
        1 => (
            json!({"event": "Buy", "filter": "properties[\"n\"] > 1", "first_time": true}),
            |r| (r.0 == 2 && r.4 > 1).then_some(0),
        ),
        2 => (json!({"any": ["Buy", "Login"], "first_time": true}), |r| {
            (r.0 <= 2).then_some(0)
        }),
        // The first of each.
        _ => (
            json!({"any": [{"event": "Buy", "first_time": true}, {"event": "Login", "first_time": true}]}),
            |r| (r.0 <= 2).then_some(r.0 as usize),
        ),
    }
}

proptest! {
    #[test]
    fn first_times_are_those_of_a_plain_look(
        parts in vec(vec((1u32..4, 0u32..4, 0i64..5, vec(1u32..4, 0..3), 0i64..4), 0..12), 1..4),
        n in 0usize..4,
        by in prop_oneof![Just(USER), Just(COMPANY)],
        merged in any::<bool>(),
    ) {
        let parts: Vec<Vec<Row>> = parts
            .into_iter()
            .map(|mut rows| {
                for r in &mut rows {
                    r.3.sort_unstable();
                    r.3.dedup();
                }
                rows
            })
            .collect();
        let chunks: Vec<Chunk> = parts.iter().map(|p| chunk(p)).collect();
        let table = [0, 1, 1, 3];
        let remap = merged.then_some(&table[..]);
        let (text, of) = selector(n);
        let spec = SelectorSpec::parse(&text).unwrap();
        let known = firsts(&spec, &chunks, by, remap);
        let found = picked(&spec.bind_with(&World::new(), by, None, &known).unwrap(), &chunks, by);

        let subjects = |r: &Row| if by == USER { vec![r.1] } else { r.3.clone() };
        let mut first: BTreeMap<(usize, SubjectNo), i64> = BTreeMap::new();
        for row in parts.iter().flatten() {
            let Some(which) = of(row) else { continue };
            for no in subjects(row) {
                let at = first.entry((which, canonical(remap, by, no))).or_insert(i64::MAX);
                *at = (*at).min(row.2);
            }
        }
        let mut expected = Vec::new();
        for (c, rows) in parts.iter().enumerate() {
            for (i, row) in rows.iter().enumerate() {
                let Some(which) = of(row) else { continue };
                for no in subjects(row) {
                    if no != 0 && first.get(&(which, canonical(remap, by, no))) == Some(&row.2) {
                        expected.push((c, i, no));
                    }
                }
            }
        }
        expected.sort_unstable();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn the_filter_of_the_report_does_not_move_first_times() {
    // The first Buy has n = 1, and a report about n = 2 sees no first time at all.
    let rows: Vec<Row> = vec![(2, 1, 10, vec![], 1), (2, 1, 20, vec![], 2)];
    let chunks = [chunk(&rows)];
    let spec = SelectorSpec::parse(&json!({"event": "Buy", "first_time": true})).unwrap();
    let known = firsts(&spec, &chunks, USER, None);
    let global = crate::expr::parse("properties[\"n\"] == 2").unwrap();
    let bound = spec.bind_with(&World::new(), USER, Some(&global), &known).unwrap();
    assert_eq!(picked(&bound, &chunks, USER), []);
    assert!(!bound.is_plain());
    let bound = spec.bind_with(&World::new(), USER, None, &known).unwrap();
    assert_eq!(picked(&bound, &chunks, USER), [(0, 0, 1)]);
    assert!(!bound.is_plain());
    assert!(matches!(spec.bind(&World::new(), USER, None), Err(Error::Param { .. })));
}

#[test]
fn first_times_are_bounded() {
    let mut kernel = FirstTimesKernel::new(USER, None, 1000);
    let far = chunk(&[(2, 1_000_000, 10, vec![], 1)]);
    let hits = crate::chunk::Hits::rows(Mask::all(1));
    assert!(matches!(
        kernel.push(&far, &hits, &mut NoTick),
        Err(Error::Limit { .. })
    ));
}
