//! What was sent, exported and sent again, is the same event.

use super::doors::ndjson;
use super::random::line;
use super::*;
use crate::chunk_builder::ChunkBuilder;
use crate::export::Names;
use crate::row::EventRow;
use proptest::prelude::*;

/// The number of a name, in order of appearance.
fn number(names: &mut Vec<String>, name: &str) -> u32 {
    let at = names.iter().position(|n| n == name).unwrap_or_else(|| {
        names.push(name.to_string());
        names.len() - 1
    });
    at as u32 + 1
}

/// The events as they lie in a store, and out of it again.
fn exported(events: &[Event]) -> Vec<u8> {
    let (mut of_events, mut of_properties) = (Vec::new(), Vec::new());
    let mut builder = ChunkBuilder::new();
    for e in events {
        let row = EventRow {
            event: number(&mut of_events, &e.name),
            time: e.time,
            properties: {
                let mut all: Vec<(u32, Value)> = e
                    .properties
                    .iter()
                    .map(|(p, v)| (number(&mut of_properties, p), v.clone()))
                    .collect();
                all.sort_by_key(|(no, _)| *no);
                all
            },
            ..EventRow::default()
        };
        builder.push(&row, 1).unwrap();
    }
    let chunk = builder.finish().unwrap();
    fn numbered(names: &[String]) -> impl Iterator<Item = (u32, &str)> {
        (1..).zip(names.iter().map(String::as_str))
    }
    let names = Names::new(numbered(&of_events), numbered(&of_properties));
    let mut out = Vec::new();
    for (row, e) in events.iter().enumerate() {
        names.write(&chunk, row, &e.distinct_id, &mut out).unwrap();
        out.push(b'\n');
    }
    out
}

/// The same with the positions they have when only they are sent.
fn renumbered(events: Vec<Event>) -> Vec<Event> {
    let each = events.into_iter().enumerate();
    each.map(|(index, e)| Event { index, ..e }).collect()
}

#[test]
fn an_event_comes_out_as_it_was_sent() {
    let sent = json!({"event": "Say \"hi\"", "properties": {
        "time": 1_700_000_000, "$device_id": "d1", "$user_id": "u1", "$insert_id": "x-1", "company_id": ["acme", "globex"],
        "amount": 9.5, "n": 3, "ok": true, "empty": "", "nothing": null, "list": [1, "a", null], "object": {"k": {"l": [1.5]}}, "token": "t"}});
    let batch = ndjson(sent.to_string().as_bytes(), true, &Limits::default());
    let line = exported(&batch.events);
    let back: Json = serde_json::from_slice(&line).unwrap();
    assert_eq!(
        back,
        json!({"event": "Say \"hi\"", "properties": {
            "time": 1_700_000_000_000_i64, "distinct_id": "u1", "$device_id": "d1", "$user_id": "u1", "$insert_id": "x-1",
            "company_id": ["acme", "globex"], "amount": 9.5, "n": 3, "ok": true, "empty": "", "list": [1, "a", null],
            "object": {"k": {"l": [1.5]}}}})
    );
}

proptest! {
    #[test]
    fn events_sent_again_are_the_same(lines in prop::collection::vec(line(), 0..20), strict: bool) {
        let limits = Limits::default();
        let sent = ndjson(&lines.join(&b'\n'), strict, &limits);
        let again = ndjson(&exported(&sent.events), strict, &limits);
        prop_assert!(again.failed.is_empty(), "{:?}", again.failed);
        prop_assert_eq!(again.events, renumbered(sent.events));
        prop_assert_eq!(again.unattributed.len(), sent.unattributed.len());
    }
}
