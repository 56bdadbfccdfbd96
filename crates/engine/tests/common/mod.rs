//! Random events, and chunks made of them.

use engine::chunk::Chunk;
use engine::chunk_builder::ChunkBuilder;
use engine::row::EventRow;
use engine::value::Value;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// An event and its priority.
pub type Prioritised = (EventRow, i64);

fn value(property: u32) -> BoxedStrategy<Value> {
    match property {
        1 => "[a-d]{0,2}".prop_map(Value::str).boxed(),
        2 => (0i64..2000).prop_map(|k| Value::number(k as f64 / 4.0)).boxed(),
        3 => prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any::<f64>().prop_map(Value::number),
            vec((-2i64..2).prop_map(Value::Int), 0..3).prop_map(Value::List),
        ]
        .boxed(),
        _ => Just(Value::object([("k".into(), Value::Bool(true))])).boxed(),
    }
}

fn properties() -> impl Strategy<Value = Vec<(u32, Value)>> {
    let one = |p: u32| prop_oneof![1 => Just(None), 2 => value(p).prop_map(move |v| Some((p, v)))];
    (one(1), one(2), one(3), one(70_000)).prop_map(|(a, b, c, d)| [a, b, c, d].into_iter().flatten().collect())
}

fn groups() -> impl Strategy<Value = Vec<(u16, Vec<u32>)>> {
    let list = |max| vec(1u32..max, 0..4);
    (list(6), list(4)).prop_map(|(a, b)| {
        let each = [(1u16, a), (4, b)].into_iter();
        each.map(|(kind, l)| (kind, distinct(l)))
            .filter(|(_, l)| !l.is_empty())
            .collect()
    })
}

/// First stays first, the rest ascending, each once: what a chunk keeps of a list.
fn distinct(list: Vec<u32>) -> Vec<u32> {
    let Some(first) = list.first().copied() else {
        return list;
    };
    let rest: std::collections::BTreeSet<u32> = list.into_iter().filter(|g| *g != first).collect();
    [first].into_iter().chain(rest).collect()
}

/// Few users, times and insert ids, so that ties and duplicates are common.
pub fn event_row() -> impl Strategy<Value = EventRow> {
    let time = (0i64..4, 0i64..3).prop_map(|(day, x)| day * 86_400_000 + x * 7_200_000 - 3_600_000);
    (1u32..4, 0u32..6, time, 0u64..4, groups(), properties()).prop_map(
        |(event, user, time, insert_hash, groups, properties)| EventRow {
            event,
            user,
            time,
            insert_hash,
            groups,
            properties,
        },
    )
}

/// A batch as a chunk.
pub fn chunk(rows: &[Prioritised]) -> Chunk {
    let mut b = ChunkBuilder::new();
    for (row, priority) in rows {
        b.push(row, *priority).unwrap();
    }
    b.finish().unwrap()
}

/// All that a chunk says about its rows.
pub fn rows(chunk: &Chunk) -> Vec<Prioritised> {
    chunk.check().unwrap();
    let priority = |i: usize| chunk.inserts.as_ref().map_or(0, |ins| ins.priority[i]);
    (0..chunk.len())
        .map(|i| (EventRow::from_chunk(chunk, i), priority(i)))
        .collect()
}

/// Drops duplicates: of one identity the highest priority stays, then the later one.
#[allow(dead_code)]
pub fn without_duplicates(rows: &[Prioritised]) -> Vec<Prioritised> {
    let mut best: BTreeMap<(u32, u32, i64, u64), (i64, usize)> = BTreeMap::new();
    let identity = |r: &EventRow| (r.event, r.user, r.time, r.insert_hash);
    for (i, (r, p)) in rows.iter().enumerate() {
        let held = best.entry(identity(r)).or_insert((*p, i));
        *held = (*held).max((*p, i));
    }
    let stays = |(i, (r, _)): &(usize, &Prioritised)| r.insert_hash == 0 || best[&identity(r)].1 == *i;
    rows.iter().enumerate().filter(stays).map(|(_, x)| x.clone()).collect()
}
