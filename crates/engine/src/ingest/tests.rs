//! The rows of the law, one by one: attribution, validation, limits, reserved names, identity.

mod blocked;
mod columns;
mod doors;
mod exported;
mod random;
mod sticky;

use super::*;
use crate::error::Error;
use crate::tick::{NoTick, Tick};
use serde_json::{Value as Json, json};

/// 2024-01-01 00:00:00 UTC.
const NOW: i64 = 1_704_067_200_000;
const HOUR: i64 = 3_600_000;

fn keys() -> Vec<Key> {
    [(1, "company_id"), (2, "team_id")]
        .map(|(kind, p)| Key {
            kind,
            property: p.into(),
        })
        .into()
}

fn one(record: Json, strict: bool) -> Outcome {
    one_within(record, strict, &Limits::default())
}

fn one_within(record: Json, strict: bool, limits: &Limits) -> Outcome {
    let keys = keys();
    let s = Settings {
        limits,
        now_ms: NOW,
        strict,
        keys: &keys,
        sticky: None,
    };
    parse_value(Value::from_json(&record), 7, &s)
}

/// The event of good properties, which get a time.
fn event(mut properties: Json, strict: bool) -> Event {
    properties["time"] = json!(1_700_000_000);
    match one(json!({"event": "E", "properties": properties}), strict) {
        Outcome::Event(e, _) => e,
        other => panic!("{other:?}"),
    }
}

fn notes(properties: Json) -> Vec<Unattributed> {
    match one(json!({"event": "E", "properties": properties}), false) {
        Outcome::Event(_, n) => n,
        other => panic!("{other:?}"),
    }
}

/// (field, message) of the refusal of some properties, which get a time unless they have one.
fn refused(mut properties: Json, strict: bool) -> (String, String) {
    if properties.get("time").is_none() {
        properties["time"] = json!(1_700_000_000);
    }
    whole_refused(json!({"event": "E", "properties": properties}), strict)
}

fn whole_refused(record: Json, strict: bool) -> (String, String) {
    match one(record, strict) {
        Outcome::Failed(e) => {
            assert_eq!(e.index, 7);
            assert_eq!(
                e.message.split(" is invalid: ").next(),
                Some(format!("'{}'", e.field).as_str())
            );
            (e.field, e.message)
        }
        other => panic!("{other:?}"),
    }
}

fn groups_of(properties: Json) -> Vec<(Kind, Vec<String>)> {
    let texts = |ids: Vec<Box<str>>| ids.into_iter().map(String::from).collect();
    event(properties, true)
        .groups
        .into_iter()
        .map(|(k, ids)| (k, texts(ids)))
        .collect()
}

fn companies(v: Json) -> Vec<String> {
    match groups_of(json!({"company_id": v})).as_slice() {
        [] => vec![],
        [(1, ids)] => ids.clone(),
        other => panic!("{other:?}"),
    }
}

// §1.3

#[test]
fn attribution_follows_the_table() {
    assert!(groups_of(json!({})).is_empty());
    assert_eq!(companies(json!("acme")), ["acme"]);
    assert_eq!(companies(json!(["a", "b"])), ["a", "b"]);
    assert_eq!(companies(json!(["b", "a", "b", "a"])), ["b", "a"]);
    assert!(companies(json!("")).is_empty());
    assert_eq!(companies(json!(["", "a", ""])), ["a"]);
    assert!(companies(json!(null)).is_empty());
    assert_eq!(companies(json!([null, "a"])), ["a"]);
    assert!(companies(json!([])).is_empty());
    assert_eq!(companies(json!(128746312)), ["128746312"]);
    assert_eq!(companies(json!([1.0, 1, "1", 2.5, -0.0])), ["1", "2.5", "0"]);
    assert_eq!(companies(json!(["Acme", "acme", " acme"])), ["Acme", "acme", " acme"]);
    assert!(groups_of(json!({"Company_ID": "acme"})).is_empty());
}

#[test]
fn values_that_are_no_ids_fail_in_strict_mode_and_are_counted_otherwise() {
    for bad in [
        json!(true),
        json!({"id": "a"}),
        json!([["a"]]),
        json!(18446744073709551615u64),
    ] {
        let (field, _) = refused(json!({"company_id": bad.clone()}), true);
        assert_eq!(field, "properties.company_id");
        let (field, _) = refused(json!({"company_id": ["a", bad.clone()]}), true);
        assert_eq!(field, "properties.company_id");
        let e = event(json!({"company_id": ["a", bad.clone(), "b"]}), false);
        assert_eq!(e.groups, [(1, vec!["a".into(), "b".into()])]);
        // What is stored is what was sent.
        let sent = Value::from_json(&json!(["a", bad.clone(), "b"]));
        assert_eq!(e.properties, [("company_id".into(), sent)]);
        let note = Unattributed {
            index: 7,
            kind: 1,
            reason: Reason::NotAnId,
            values: 1,
        };
        assert_eq!(notes(json!({"company_id": ["a", bad]})), [note]);
    }
}

#[test]
fn the_first_300_distinct_ids_are_kept() {
    let mut ids: Vec<String> = (0..300).map(|i| format!("g{i}")).collect();
    ids.extend(ids.clone());
    ids.splice(10..10, ["g0".into(), "g1".into()]);
    ids.extend((300..320).map(|i| format!("g{i}")));
    ids.push("g319".into());
    let e = event(json!({"company_id": ids}), true);
    let want: Vec<Box<str>> = (0..300).map(|i| format!("g{i}").into()).collect();
    assert_eq!(e.groups, [(1, want)]);
    let n = notes(json!({"company_id": ids}));
    assert_eq!((n[0].reason, n[0].values, n.len()), (Reason::TooMany, 20, 1));
}

#[test]
fn lists_of_groups_are_exempt_from_the_limits_of_lists() {
    // 300 UUIDs: more than 254 elements and more than 8 KB.
    let ids: Vec<String> = (0..300).map(|i| format!("{i:036}")).collect();
    assert_eq!(companies(json!(ids)).len(), 300);
    assert_eq!(refused(json!({"other": ids}), true).0, "properties.other");
}

#[test]
fn long_group_ids_fail_in_strict_mode_and_are_cut_otherwise() {
    let long = "ä".repeat(256);
    assert_eq!(refused(json!({"company_id": long}), true).0, "properties.company_id");
    assert_eq!(companies(json!("ä".repeat(255))), ["ä".repeat(255)]);
    let e = event(json!({"company_id": [long, "ä".repeat(300)]}), false);
    assert_eq!(e.groups, [(1, vec!["ä".repeat(255).into()])]);
}

#[test]
fn the_worked_example_of_attribution() {
    let g = |p| groups_of(p);
    assert_eq!(
        g(json!({"distinct_id": "u1", "company_id": "acme", "team_id": "eng"})),
        [(1, vec!["acme".into()]), (2, vec!["eng".into()])]
    );
    assert_eq!(
        g(json!({"distinct_id": "u2", "company_id": ["acme", "globex"]})),
        [(1, vec!["acme".into(), "globex".into()])]
    );
    assert!(g(json!({"distinct_id": "u3", "company_id": ""})).is_empty());
    assert!(g(json!({"distinct_id": "u4", "Company_ID": "acme"})).is_empty());
    assert_eq!(
        g(json!({"distinct_id": "u1", "company_id": 42})),
        [(1, vec!["42".into()])]
    );
}

// §2.2

#[test]
fn a_record_is_an_object_with_event_and_properties() {
    for (record, field) in [
        (json!(1), "record"),
        (json!([{"event": "E", "properties": {}}]), "record"),
        (json!({"event": "E"}), "properties"),
        (json!({"event": "E", "properties": null}), "properties"),
        (json!({"event": "E", "properties": []}), "properties"),
        (json!({"properties": {"time": 1}}), "event"),
        (json!({"event": null, "properties": {}}), "event"),
        (json!({"event": "", "properties": {}}), "event"),
        (json!({"event": 5, "properties": {}}), "event"),
        (json!({"event": "a\u{0}b", "properties": {}}), "event"),
        (json!({"event": "$identify", "properties": {}}), "event"),
        (json!({"event": "$create_alias", "properties": {}}), "event"),
        (json!({"event": "$merge", "properties": {}}), "event"),
    ] {
        for strict in [true, false] {
            assert_eq!(whole_refused(record.clone(), strict).0, field, "{record}");
        }
    }
    let e = event(json!({}), true);
    assert_eq!((&*e.name, e.index, e.properties.len()), ("E", 7, 0));
}

#[test]
fn sizes_are_limited() {
    let many = |n: usize| -> Json {
        (0..n)
            .map(|i| (format!("p{i:03}"), json!(i)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    // The time is a property as well.
    assert_eq!(event(many(254), true).properties.len(), 254);
    assert_eq!(refused(many(255), true).0, "properties");
    assert_eq!(event(json!({"o": many(255)}), true).properties.len(), 1);
    assert_eq!(refused(json!({"o": many(256)}), true).0, "properties.o");
    assert_eq!(event(json!({"l": vec![0; 254]}), true).properties.len(), 1);
    assert_eq!(refused(json!({"l": vec![0; 255]}), true).0, "properties.l");
    assert_eq!(event(json!({"d": {"a": {"b": {"c": 1}}}}), true).properties.len(), 1);
    assert_eq!(refused(json!({"d": {"a": {"b": {"c": {}}}}}), true).0, "properties.d");
    assert_eq!(refused(json!({"d": [[[[]]]]}), false).0, "properties.d");
    // 8 KB as sent: 32 × (253 + 3) + 2 − 1 is about the limit.
    assert_eq!(event(json!({"c": vec!["x".repeat(253); 31]}), true).properties.len(), 1);
    assert_eq!(refused(json!({"c": vec!["x".repeat(253); 33]}), true).0, "properties.c");
    let limits = Limits {
        record_bytes: 100,
        ..Limits::default()
    };
    let big = json!({"event": "E", "properties": {"time": 1_700_000_000, "a": "x".repeat(120)}});
    assert!(matches!(one_within(big, true, &limits), Outcome::Failed(e) if e.field == "record"));
}

#[test]
fn times_are_seconds_or_milliseconds() {
    let at = |t: Json, strict| match one(json!({"event": "E", "properties": {"time": t}}), strict) {
        Outcome::Event(e, _) => Ok(e.time),
        Outcome::Failed(e) => Err((e.field, e.message)),
        Outcome::Ignored => panic!(),
    };
    for strict in [true, false] {
        assert_eq!(at(json!(1_700_000_000), strict), Ok(1_700_000_000_000));
        assert_eq!(at(json!(1_700_000_000_123i64), strict), Ok(1_700_000_000_123));
        assert_eq!(at(json!(1_700_000_000.123_4), strict), Ok(1_700_000_000_123));
        assert_eq!(at(json!(1_700_000_000.123_6), strict), Ok(1_700_000_000_124));
        assert_eq!(at(json!(1_700_000_000_123.0), strict), Ok(1_700_000_000_123));
        assert_eq!(at(json!(31_536_000), strict), Ok(31_536_000_000));
        assert_eq!(
            at(json!(10_000_000_000i64), strict),
            Err((
                "properties.time".into(),
                "'properties.time' is invalid: must not be earlier than 1971-01-01".into()
            ))
        );
        assert_eq!(at(json!(NOW), strict), Ok(NOW));
        assert_eq!(at(json!(NOW + 1), strict), Ok(NOW));
        assert_eq!(at(json!(NOW + HOUR), strict), Ok(NOW));
        for bad in [
            json!(31_535_999),
            json!(0),
            json!(-1),
            json!(1_700_000_000_123.5),
            json!("1700000000"),
            json!("2024-01-01T00:00:00"),
            json!(true),
            json!([]),
            json!({}),
            json!(i64::MIN),
        ] {
            assert_eq!(at(bad.clone(), strict).unwrap_err().0, "properties.time", "{bad}");
        }
    }
    assert!(at(json!(NOW + HOUR + 1), true).is_err());
    assert_eq!(at(json!(NOW + HOUR + 1), false), Ok(NOW));
    assert!(at(json!(9_999_999_999i64), true).is_err());
    assert_eq!(at(json!(i64::MAX), false), Ok(NOW));
    assert_eq!(
        at(json!(null), true).unwrap_err().1,
        "'properties.time' is invalid: must not be missing"
    );
    assert_eq!(at(json!(null), false), Ok(NOW));
}

#[test]
fn dollar_time_is_second_choice() {
    let e = event(json!({"$time": 1_600_000_000}), true);
    assert_eq!((e.time, e.properties.len()), (1_700_000_000_000, 0));
    match one(
        json!({"event": "E", "properties": {"$time": 1_600_000_000, "time": null}}),
        true,
    ) {
        Outcome::Event(e, _) => assert_eq!(e.time, 1_600_000_000_000),
        other => panic!("{other:?}"),
    }
}

const BANNED: [&str; 17] = [
    "00000000-0000-0000-0000-000000000000",
    "anon",
    "anonymous",
    "nil",
    "none",
    "null",
    "n/a",
    "na",
    "undefined",
    "unknown",
    "<nil>",
    "0",
    "-1",
    "true",
    "false",
    "[]",
    "{}",
];

#[test]
fn values_for_nobody_are_refused() {
    for b in BANNED {
        for v in [b.to_owned(), b.to_uppercase()] {
            for strict in [true, false] {
                assert_eq!(refused(json!({"distinct_id": v}), strict).0, "properties.distinct_id");
                assert_eq!(refused(json!({"$distinct_id": v}), strict).0, "properties.distinct_id");
                assert_eq!(refused(json!({"$user_id": v}), strict).0, "properties.$user_id");
                assert_eq!(refused(json!({"$device_id": v}), strict).0, "properties.$device_id");
                assert_eq!(refused(json!({"$insert_id": v}), strict).0, "properties.$insert_id");
            }
        }
        assert_eq!(
            refused(json!({"distinct_id": format!("$device:{b}")}), true).0,
            "properties.distinct_id"
        );
    }
    for v in [
        json!(0),
        json!(-1),
        json!(-0.0),
        json!(true),
        json!([]),
        json!({}),
        json!(["u"]),
    ] {
        assert_eq!(refused(json!({"distinct_id": v}), true).0, "properties.distinct_id");
    }
    // Near misses are ids.
    for v in ["anonymous1", "00", "nulls", "00000000-0000-0000-0000-000000000001"] {
        assert_eq!(&*event(json!({"distinct_id": v}), true).distinct_id, v);
    }
}

#[test]
fn insert_ids_are_short_and_plain() {
    let id = |v: Json| event(json!({"$insert_id": v}), true).insert_id.map(String::from);
    assert_eq!(id(json!("Ab-9")), Some("Ab-9".into()));
    assert_eq!(id(json!("a".repeat(36))), Some("a".repeat(36)));
    assert_eq!(id(json!(12345)), Some("12345".into()));
    assert_eq!(id(json!(null)), None);
    assert_eq!(event(json!({}), true).insert_id, None);
    for bad in [
        json!(""),
        json!("a".repeat(37)),
        json!("a b"),
        json!("a_b"),
        json!("ä"),
        json!(1.5),
        json!(true),
        json!([]),
    ] {
        assert_eq!(refused(json!({"$insert_id": bad}), false).0, "properties.$insert_id");
    }
    // A refused record is named by its id, whatever is wrong with it.
    match one(json!({"event": "E", "properties": {"$insert_id": "a b"}}), true) {
        Outcome::Failed(e) => assert_eq!(e.insert_id.as_deref(), Some("a b")),
        other => panic!("{other:?}"),
    }
}

// §2.4, §2.5

#[test]
fn strings_and_names_are_cut() {
    let (long, cut) = ("é".repeat(300), "é".repeat(255));
    let e = match one(
        json!({"event": long, "properties": {"time": 1_700_000_000, "distinct_id": long,
        "p": long, "l": [long], "o": {"k": {"s": long}}, long.clone(): 1}}),
        true,
    ) {
        Outcome::Event(e, _) => e,
        other => panic!("{other:?}"),
    };
    assert_eq!((&*e.name, &*e.distinct_id), (&*cut, &*cut));
    let want = json!({"p": cut, "l": [cut], "o": {"k": {"s": cut}}, cut.clone(): 1});
    assert_eq!(Value::Object(e.properties), Value::from_json(&want));
}

#[test]
fn names_that_are_equal_when_cut_are_one() {
    let (a, b) = (format!("{}1", "k".repeat(255)), format!("{}2", "k".repeat(255)));
    let e = event(json!({a.clone(): 1, b.clone(): 2, "o": {a: 1, b: 2}}), true);
    let name = "k".repeat(255);
    let want = json!({name.clone(): 2, "o": {name: 2}});
    assert_eq!(Value::Object(e.properties), Value::from_json(&want));
}

#[test]
fn types_stay_what_they_are() {
    let p =
        json!({"s": "", "n": 1.5, "i": 1.0, "b": false, "d": "2024-01-01T00:00:00", "l": [1, null], "o": {"x": null}});
    let e = event(p.clone(), true);
    assert_eq!(Value::Object(e.properties), Value::from_json(&p));
}

#[test]
fn reserved_properties() {
    let e = event(
        json!({"token": "t", "ip": "1.2.3.4", "$time": 5, "distinct_id": "u", "$distinct_id": "v", "gone": null,
            "$device_id": "$device:d", "$user_id": 12, "$insert_id": "x1", "company_id": ["a"], "$event_name": "n", "p": 1}),
        true,
    );
    let want = json!({"$device_id": "$device:d", "$user_id": 12, "$insert_id": "x1", "company_id": ["a"],
        "$event_name": "n", "p": 1});
    assert_eq!(Value::Object(e.properties), Value::from_json(&want));
    for name in ["bucket", "$bucket"] {
        assert_eq!(refused(json!({name: 1}), false).0, format!("properties.{name}"));
    }
    // $ignore comes before any complaint.
    for strict in [true, false] {
        assert_eq!(
            one(json!({"properties": {"$ignore": null, "bucket": 1}}), strict),
            Outcome::Ignored
        );
    }
    assert_eq!(refused(json!({"a": "x\u{0}"}), true).0, "properties.a");
    assert_eq!(refused(json!({"a": {"b\u{0}": 1}}), true).0, "properties.a");
    assert_eq!(refused(json!({"b\u{0}": 1}), true).0, "properties");
}

// §3.2

#[test]
fn the_computation_of_distinct_id() {
    let who = |p: Json| {
        let e = event(p, true);
        (
            e.distinct_id.to_string(),
            e.device_id.map(String::from),
            e.user_id.map(String::from),
        )
    };
    let is = |d: &str, device: Option<&str>, user: Option<&str>| {
        (d.to_owned(), device.map(str::to_owned), user.map(str::to_owned))
    };
    // 1, 4
    assert_eq!(
        who(json!({"$user_id": "U1", "distinct_id": "x"})),
        is("U1", None, Some("U1"))
    );
    assert_eq!(
        who(json!({"$user_id": "U1", "$device_id": "D1", "distinct_id": "x"})),
        is("U1", Some("D1"), Some("U1"))
    );
    // 2, 4
    assert_eq!(
        who(json!({"$device_id": "D1", "distinct_id": "x"})),
        is("$device:D1", Some("D1"), None)
    );
    assert_eq!(
        who(json!({"$user_id": "", "$device_id": "D1"})),
        is("$device:D1", Some("D1"), None)
    );
    // 3
    assert_eq!(
        who(json!({"distinct_id": "$device:D1"})),
        is("$device:D1", Some("D1"), None)
    );
    assert_eq!(who(json!({"distinct_id": "x"})), is("x", None, Some("x")));
    assert_eq!(who(json!({"$distinct_id": "x"})), is("x", None, Some("x")));
    // 5
    assert_eq!(
        who(json!({"$device_id": "$device:D1"})),
        is("$device:D1", Some("D1"), None)
    );
    // 6
    let uuid = "3f0b2c1e-8f4e-4d0a-9a50-0d6c0f1b2a3c";
    assert_eq!(who(json!({"distinct_id": uuid})), is(uuid, None, Some(uuid)));
    // 7
    assert_eq!(
        who(json!({"$device_id": "+4912345"})),
        is("$device:+4912345", Some("+4912345"), None)
    );
    assert_eq!(who(json!({"user_id": "U1"})), is("", None, None));
    // 8, and the groups stay
    for p in [
        json!({"distinct_id": ""}),
        json!({}),
        json!({"distinct_id": null}),
        json!({"$device_id": "$device:"}),
    ] {
        assert_eq!(who(p), is("", None, None));
    }
    assert_eq!(
        groups_of(json!({"distinct_id": "", "company_id": "a"})),
        [(1, vec!["a".into()])]
    );
    // Always a string.
    assert_eq!(who(json!({"distinct_id": 42.0})), is("42", None, Some("42")));
    assert_eq!(who(json!({"distinct_id": 1.5})), is("1.5", None, Some("1.5")));
    // The prefix is not part of what is cut.
    let long = "d".repeat(300);
    let (cut, prefixed) = ("d".repeat(255), format!("$device:{}", "d".repeat(255)));
    assert_eq!(who(json!({"$device_id": long})), is(&prefixed, Some(&cut), None));
    assert_eq!(
        who(json!({"distinct_id": format!("$device:{long}")})),
        is(&prefixed, Some(&cut), None)
    );
}

#[test]
fn numbers_as_ids_have_one_text() {
    for (f, want) in [
        (1.0, "1"),
        (42.0, "42"),
        (-0.0, "0"),
        (0.5, "0.5"),
        (1e-7, "0.0000001"),
        (1e20, "100000000000000000000"),
    ] {
        assert_eq!(canonical_number(f), want);
    }
}
