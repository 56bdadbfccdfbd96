//! Groups that users are in until further notice.

use super::*;
use crate::ingest::{Held, Sticky, fill_ndjson};
use crate::tick::NoTick;
use std::rc::Rc;

/// u1 is in acme and globex of the first key; nobody else is in anything.
#[derive(Debug)]
struct OneUser;

impl Sticky for OneUser {
    fn held(&self, distinct_id: &str) -> Rc<[Held]> {
        match distinct_id {
            "u1" => Rc::new([(keys()[0].kind, vec!["acme".into(), "globex".into()])]),
            _ => Rc::new([]),
        }
    }
}

fn settings<'a>(limits: &'a Limits, keys: &'a [Key]) -> Settings<'a> {
    Settings {
        limits,
        now_ms: NOW,
        strict: true,
        keys,
        sticky: Some(&OneUser),
    }
}

fn sent(mut properties: Json) -> Event {
    let (limits, keys) = (Limits::default(), keys());
    properties["time"] = json!(1_700_000_000);
    let record = json!({"event": "E", "properties": properties});
    match parse_value(Value::from_json(&record), 0, &settings(&limits, &keys)) {
        Outcome::Event(e, _) => e,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_event_without_the_key_gets_the_groups_of_its_user() {
    let keys = keys();
    let e = sent(json!({"distinct_id": "u1", "a": 1, "z": 2, &*keys[1].property: "other"}));
    assert_eq!(e.groups[0], (keys[0].kind, vec!["acme".into(), "globex".into()]));
    assert_eq!(e.groups[1], (keys[1].kind, vec!["other".into()]));
    assert!(e.properties.is_sorted_by(|a, b| a.0 < b.0));
    // Exactly what it would be had the groups been sent.
    let spelt = json!({"distinct_id": "u1", "a": 1, "z": 2, &*keys[1].property: "other", &*keys[0].property: ["acme", "globex"]});
    assert_eq!(e, sent(spelt));
    assert!(sent(json!({"distinct_id": "u2"})).groups.is_empty());
    assert!(sent(json!({})).groups.is_empty());
}

#[test]
fn what_an_event_carries_wins() {
    let key = keys()[0].property.clone();
    for value in [json!(null), json!(""), json!([])] {
        assert!(sent(json!({"distinct_id": "u1", &*key: value})).groups.is_empty());
    }
    let e = sent(json!({"distinct_id": "u1", &*key: "initech"}));
    assert_eq!(e.groups, [(keys()[0].kind, vec!["initech".into()])]);
}

#[test]
fn columns_get_what_rows_get() {
    let (limits, keys) = (Limits::default(), keys());
    let line = br#"{"event":"E","properties":{"time":1700000000,"distinct_id":"u1"}}"#;
    let mut intake = Intake::new(&keys);
    fill_ndjson(line, &settings(&limits, &keys), &mut NoTick, &mut intake, &mut |_| {
        Ok(())
    })
    .unwrap();
    assert_eq!(intake.len(), 1);
    assert_eq!(
        intake.unnumbered(Space::Subject(keys[0].kind)).unwrap(),
        ["acme", "globex"]
    );
}
