//! Event selectors: reading and picking.

use super::world::{COMPANY, World};
use crate::chunk::{Chunk, Column, Events, GroupColumn, Hits, Kind, PropertyColumn, USER};
use crate::error::Error;
use crate::expr::{Expr, Selector, SelectorSpec, parse};
use crate::mask::Mask;
use crate::tick::{NoTick, Tick};
use serde_json::json;

fn spec(j: serde_json::Value) -> SelectorSpec {
    SelectorSpec::parse(&j).unwrap()
}

fn refused(j: serde_json::Value, message: &str, in_hint: &str) {
    match SelectorSpec::parse_with(&j, &["label", "measure"]) {
        Err(Error::Param {
            message: m,
            hint: Some(h),
        }) => {
            assert_eq!(m, message, "{j}");
            assert!(h.contains(in_hint), "{j}: {h}");
        }
        other => panic!("{j}: {other:?}"),
    }
}

#[test]
fn reading() {
    let s = spec(json!("Buy"));
    assert_eq!(s.event_names(), ["Buy"]);
    assert_eq!(spec(json!("*")), spec(json!({"event": "$any"})));
    assert!(spec(json!("$any")).event_names().is_empty());
    let s = spec(json!({"any": ["Buy", {"event": "Login", "filter": "properties[\"n\"] > 1"}, {"any": ["Buy", "*"]}]}));
    assert_eq!(s.event_names(), ["Buy", "Login"]);
    assert_eq!(s.alternatives.len(), 4);
    assert!(s.references().properties.contains("n"));
    // A filter on `any` holds for all of it.
    let s = spec(json!({"any": ["Buy", {"event": "Login", "filter": "true"}], "filter": "false"}));
    let texts: Vec<String> = s
        .alternatives
        .iter()
        .flat_map(|a| &a.filter)
        .map(Expr::to_string)
        .collect();
    assert_eq!(texts, ["false", "false and true"]);
    let extra = json!({"event": "Buy", "label": "A", "filter": null, "first_time": false});
    assert!(SelectorSpec::parse_with(&extra, &["label"]).is_ok());
}

#[test]
fn what_reading_refuses() {
    refused(json!(5), "an event selector can't be a number", "\"Purchase\"");
    refused(json!([]), "an event selector can't be an array", "{\"any\":[selector");
    refused(json!(""), "the event name is empty", "Purchase");
    refused(json!({}), "an event selector needs event or any", "event");
    refused(
        json!({"filter": "true"}),
        "an event selector needs event or any",
        "event",
    );
    refused(json!({"any": []}), "any needs at least one selector", "any");
    refused(json!({"any": "Buy"}), "any must be an array of selectors", "any");
    refused(
        json!({"any": ["Buy"], "event": "Buy"}),
        "event and any exclude each other",
        "any",
    );
    refused(json!({"event": 1}), "event must be a string", "Purchase");
    refused(json!({"event": "A", "filter": 1}), "filter must be a string", "filter");
    refused(
        json!({"event": "A", "fliter": "true"}),
        "unknown key \"fliter\" in an event selector",
        "Did you mean filter? Allowed are event, filter, any, first_time, label, measure.",
    );
    // The caller's keys are not for selectors inside of it.
    refused(
        json!({"any": ["A", {"event": "B", "label": "x"}]}),
        "unknown key \"label\" in an event selector, selector 2 of any",
        "Allowed are event, filter, any, first_time.",
    );
    refused(
        json!({"event": "A", "first_time": 1}),
        "first_time must be true or false",
        "selector",
    );
    refused(
        json!({"any": ["B", {"event": "A", "first_time": true}], "first_time": true}),
        "first_time inside of first_time, selector 2 of any",
        "say it inside alone",
    );
    let mut deep = json!("A");
    for _ in 0..40 {
        deep = json!({"any": [deep]});
    }
    refused(deep, "more than 16 levels of any", "selector");
    assert!(matches!(
        SelectorSpec::parse(&json!({"any": vec!["A"; 1001]})),
        Err(Error::Limit { hint: Some(_), .. })
    ));
}

#[test]
fn errors_of_filters_say_where_they_are() {
    let j = json!({"any": ["A", {"event": "B", "filter": "properties[\"x\"] = 1"}]});
    let Err(Error::Syntax {
        message,
        position,
        hint,
    }) = SelectorSpec::parse(&j)
    else {
        panic!()
    };
    assert_eq!(message, "filter of \"B\", selector 2 of any: unexpected \"=\"");
    assert_eq!(position, 17);
    assert!(hint.unwrap().contains("=="));
    let s = spec(json!({"event": "B", "filter": "user[\"x\"] == 1"}));
    let Err(Error::Param { message, .. }) = s.bind(&World::new(), COMPANY, None) else {
        panic!()
    };
    assert!(message.starts_with("filter of \"B\": user[\"x\"]"), "{message}");
}

/// Events Login, Buy, Buy, Login, Buy with n = 1 2 3 4 5; companies [1,2], [1], [2], none, [2,3].
fn chunk() -> Chunk {
    Chunk {
        events: Events::Each(vec![1, 2, 2, 1, 2]),
        user: vec![1; 5],
        time: vec![0; 5],
        groups: vec![GroupColumn {
            kind: COMPANY,
            first: vec![1, 1, 2, 0, 2],
            more: vec![(0, 2), (4, 3)],
        }],
        properties: vec![PropertyColumn {
            property: 2,
            column: Column::Number(vec![1.0, 2.0, 3.0, 4.0, 5.0]),
        }],
        ..Chunk::default()
    }
}

fn bound(j: serde_json::Value, by: Kind, global: Option<&str>) -> Selector {
    let global = global.map(|g| parse(g).unwrap());
    spec(j).bind(&World::new(), by, global.as_ref()).unwrap()
}

fn hits(j: serde_json::Value, by: Kind, global: Option<&str>) -> Hits {
    bound(j, by, global)
        .hits(&chunk(), &Mask::all(5), by, &mut NoTick)
        .unwrap()
}

fn rows(j: serde_json::Value, global: Option<&str>) -> Vec<usize> {
    hits(j, USER, global).rows.ones().collect()
}

fn subjects(j: serde_json::Value, global: Option<&str>) -> Vec<(usize, u32)> {
    let mut out = Vec::new();
    chunk().for_each_subject(COMPANY, &hits(j, COMPANY, global), |row, s| out.push((row, s)));
    out.sort();
    out
}

#[test]
fn picking_rows() {
    assert_eq!(rows(json!("Buy"), None), [1, 2, 4]);
    assert_eq!(rows(json!("*"), None), [0, 1, 2, 3, 4]);
    assert_eq!(rows(json!("Nobody sent this"), None), [0; 0]);
    let custom = json!({"any": [{"event": "Buy", "filter": "properties[\"n\"] > 2"}, "Login"]});
    assert_eq!(rows(custom.clone(), None), [0, 2, 3, 4]);
    assert_eq!(rows(custom.clone(), Some("properties[\"n\"] < 4")), [0, 2]);
    let base = Mask::from_fn(5, |i| i >= 3);
    let picked = bound(custom, USER, None)
        .hits(&chunk(), &base, USER, &mut NoTick)
        .unwrap();
    assert_eq!(picked.rows.ones().collect::<Vec<_>>(), [3, 4]);
    let one = Chunk {
        events: Events::One(2),
        ..chunk()
    };
    let picked = bound(json!("Buy"), USER, None)
        .hits(&one, &Mask::all(5), USER, &mut NoTick)
        .unwrap();
    assert_eq!(picked.rows.count(), 5);
}

#[test]
fn choices_of_rows_and_of_attributions_are_joined() {
    let acme = "group[\"company_id\"][\"$group_id\"] == \"acme\"";
    let globex = "group[\"company_id\"][\"$group_id\"] == \"globex\"";
    assert_eq!(subjects(json!({"event": "Login", "filter": globex}), None), [(0, 2)]);
    let mixed = json!({"any": [{"event": "Login", "filter": acme}, {"event": "Buy"}]});
    assert_eq!(subjects(mixed, None), [(0, 1), (1, 1), (2, 2), (4, 2), (4, 3)]);
    let mixed = json!({"any": ["Buy", {"event": "*", "filter": globex}]});
    assert_eq!(subjects(mixed, None), [(0, 2), (1, 1), (2, 2), (4, 2), (4, 3)]);
    assert_eq!(subjects(json!("*"), Some(globex)), [(0, 2), (2, 2), (4, 2)]);
    let both = json!({"any": [{"event": "*", "filter": acme}, {"event": "*", "filter": globex}]});
    assert_eq!(subjects(both, None), [(0, 1), (0, 2), (1, 1), (2, 2), (4, 2)]);
}

#[test]
fn what_a_selector_reads() {
    let s = bound(
        json!({"any": ["Buy", "Nobody sent this", {"event": "Login", "filter": "properties[\"n\"] > 1"}]}),
        USER,
        None,
    );
    assert_eq!(s.events(), Some(vec![1, 2]));
    assert_eq!(s.properties().into_iter().collect::<Vec<_>>(), [2]);
    let s = bound(
        json!({"any": ["Buy", {"event": "*", "filter": "group[\"team\"][\"size\"] > 1"}]}),
        USER,
        None,
    );
    assert_eq!(s.events(), None);
    assert_eq!(s.kinds().into_iter().collect::<Vec<_>>(), [2]);
    assert_eq!(bound(json!("Nobody sent this"), USER, None).events(), Some(vec![]));
}

#[test]
fn picking_stops_when_it_is_asked_to() {
    struct Stop;
    impl Tick for Stop {
        fn tick(&mut self) -> crate::error::Result<()> {
            Err(Error::Cancelled)
        }
    }
    for filter in [
        "properties[\"n\"] > 1",
        "properties[\"n\"] > 1 and user[\"plan\"] == properties[\"s\"]",
    ] {
        let s = bound(json!({"event": "*", "filter": filter}), USER, None);
        assert_eq!(s.hits(&chunk(), &Mask::all(5), USER, &mut Stop), Err(Error::Cancelled));
    }
}
