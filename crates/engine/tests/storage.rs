//! Rows to chunks to stored bytes and back.

// Tests may stop at the first surprise; the lints exempt only functions marked as tests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::{chunk, event_row, rows};
use engine::block::{self, Wanted};
use engine::chunk::{Column, Events};
use engine::chunk_builder::ChunkBuilder;
use engine::error::Error;
use engine::row::{self, EventRow, insert_hash};
use engine::value::Value;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_row_comes_back(r in event_row()) {
        prop_assert_eq!(row::decode(&row::encode(&r).unwrap()).unwrap(), r);
    }

    #[test]
    fn a_chunk_holds_the_rows_pushed_into_it(events in vec((event_row(), -2i64..2), 0..80)) {
        prop_assert_eq!(rows(&chunk(&events)), events);
    }

    #[test]
    fn a_block_holds_the_rows_of_its_chunk(
        events in vec((event_row(), -2i64..2), 0..600),
        kinds in prop::option::of(vec(1u16..6, 0..3)),
        properties in prop::option::of(vec(1u32..5, 0..3)),
        inserts in any::<bool>(),
        one in any::<bool>(),
    ) {
        let mut c = chunk(&events);
        if one {
            c.events = Events::One(4_000_000_000);
        }
        let bytes = block::encode(&c).unwrap();
        prop_assert_eq!(rows(&block::decode(&bytes, &Wanted::all()).unwrap()), rows(&c));
        let wanted = Wanted { kinds, properties, inserts };
        let got = block::decode(&bytes, &wanted).unwrap();
        let mut want = c.clone();
        want.groups.retain(|g| wanted.kinds.as_ref().is_none_or(|k| k.contains(&g.kind)));
        want.properties.retain(|p| wanted.properties.as_ref().is_none_or(|k| k.contains(&p.property)));
        if !inserts {
            want.inserts = None;
        }
        prop_assert_eq!(rows(&got), rows(&want));
        prop_assert_eq!(&got.inserts, &want.inserts);
        // Columns that are asked for later are those that are decoded at once.
        let kinds: Vec<u16> = c.groups.iter().map(|g| g.kind).collect();
        let properties: Vec<u32> = c.properties.iter().map(|p| p.property).collect();
        let mut whole = c.clone();
        whole.inserts = want.inserts;
        let mut later = got.clone();
        block::add_columns(&bytes, &kinds, &properties, &mut later).unwrap();
        later.check().unwrap();
        prop_assert_eq!(rows(&later), rows(&whole));
        block::add_columns(&bytes, &kinds, &properties, &mut later).unwrap();
        prop_assert_eq!(rows(&later), rows(&whole), "what is there already stays as it is");
        later.time.push(0);
        prop_assert!(block::add_columns(&bytes, &kinds, &properties, &mut later).is_err());
    }
}

#[test]
fn the_builder_puts_odd_rows_right() {
    let mut b = ChunkBuilder::new();
    let row = EventRow {
        groups: vec![(2, vec![0, 5, 9, 5, 3, 9]), (1, vec![]), (2, vec![7, 5])],
        properties: vec![(8, Value::str("a")), (8, Value::str("b"))],
        ..EventRow::default()
    };
    b.push(&row, 0).unwrap();
    b.push(&EventRow::default(), 0).unwrap();
    let c = b.finish().unwrap();
    c.check().unwrap();
    assert_eq!(c.groups.len(), 1);
    assert_eq!(c.group(2).unwrap().of_row(0).collect::<Vec<_>>(), [5, 3, 7, 9]);
    assert_eq!(c.group(2).unwrap().of_row(1).count(), 0);
    assert_eq!(c.property(8).unwrap().get(0).unwrap().as_str(), Some("b"));
    assert_eq!(c.property(8).unwrap().get(1), None);
    let users = EventRow {
        groups: vec![(0, vec![1])],
        ..EventRow::default()
    };
    assert!(matches!(ChunkBuilder::new().push(&users, 0), Err(Error::Param { .. })));
}

#[test]
fn insert_hashes_are_stable_and_never_zero() {
    assert_eq!(insert_hash(""), 0x2d06_8005_38d3_94c2);
    assert_eq!(
        insert_hash("5d958f87-542d-4c10-9422-0ed75893dc81"),
        insert_hash("5d958f87-542d-4c10-9422-0ed75893dc81")
    );
    assert_ne!(insert_hash("a"), insert_hash("b"));
}

#[test]
fn a_chunk_that_breaks_its_own_rules_is_not_written() {
    let mut c = chunk(&[(EventRow::default(), 0), (EventRow::default(), 0)]);
    c.user.pop();
    assert!(matches!(block::encode(&c), Err(Error::Corrupt(_))));
    let mut c = chunk(&[(
        EventRow {
            properties: vec![(1, Value::Null)],
            ..EventRow::default()
        },
        0,
    )]);
    if let Column::Dict { codes, .. } = &mut c.properties[0].column {
        codes[0] = 9;
    }
    assert!(matches!(block::encode(&c), Err(Error::Corrupt(_))));
}
