//! The rows of the law, one by one, then naive oracles under random input.

use super::*;
use crate::error::Error;
use crate::tick::{NoTick, Tick};
use proptest::prelude::*;
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
    // 300 UUIDs: more than 255 elements and more than 8 KB.
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
    assert_eq!(event(json!({"l": vec![0; 255]}), true).properties.len(), 1);
    assert_eq!(refused(json!({"l": vec![0; 256]}), true).0, "properties.l");
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
        assert_eq!(at(json!(1_700_000_000.1234), strict), Ok(1_700_000_000_123));
        assert_eq!(at(json!(1_700_000_000.1236), strict), Ok(1_700_000_000_124));
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

// The doors

fn settings<'a>(limits: &'a Limits, keys: &'a [Key], strict: bool) -> Settings<'a> {
    Settings {
        limits,
        now_ms: NOW,
        strict,
        keys,
    }
}

fn ndjson(bytes: &[u8], strict: bool, limits: &Limits) -> Batch {
    parse_ndjson(bytes, &settings(limits, &keys(), strict), &mut NoTick).unwrap()
}

#[test]
fn a_bad_line_fails_alone() {
    let good = r#"{"event":"E","properties":{"time":1700000000,"distinct_id":"u"}}"#;
    let deep = format!(
        r#"{{"event":"E","properties":{{"time":1700000000,"x":{}{}}}}}"#,
        "[".repeat(500),
        "]".repeat(500)
    );
    let long = format!("{good}{}x", " ".repeat(2000));
    let mut bytes = b"\xef\xbb\xbf".to_vec();
    for line in [
        good.as_bytes(),
        b"\r",
        b"",
        b" \t ",
        &good.as_bytes()[..30],
        b"{\"event\":\"\xff\",\"properties\":{\"time\":1700000000}}",
        b"{\"event\":\"E\0\",\"properties\":{\"time\":1700000000}}",
        br#"{"event":"E\u0000","properties":{"time":1700000000}}"#,
        deep.as_bytes(),
        long.as_bytes(),
        format!("{good} {good}").as_bytes(),
        format!("{good}\r").as_bytes(),
        br#"{"event":"E","properties":{"$ignore":true}}"#,
        br#"{"event":"\ud800","properties":{"time":1700000000}}"#,
        br#"{"event":"E","properties":{"time":1e999}}"#,
        good.as_bytes(),
    ] {
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    let limits = Limits {
        record_bytes: 1200,
        ..Limits::default()
    };
    let b = ndjson(&bytes, true, &limits);
    assert_eq!(b.events.iter().map(|e| e.index).collect::<Vec<_>>(), [0, 8, 12]);
    let failed: Vec<(usize, &str)> = b.failed.iter().map(|f| (f.index, f.field.as_str())).collect();
    assert_eq!(
        failed,
        [
            (1, "record"),
            (2, "record"),
            (3, "record"),
            (4, "event"),
            (5, "properties.x"),
            (6, "record"),
            (7, "record"),
            (10, "record"),
            (11, "record")
        ]
    );
    assert_eq!(b.ignored, 1);
    assert!(
        b.failed[0].message.contains("EOF while parsing"),
        "{}",
        b.failed[0].message
    );
    assert!(!b.failed[0].message.contains("line"), "{}", b.failed[0].message);
    // Without a line end after the last record.
    assert_eq!(ndjson(good.as_bytes(), true, &limits).events.len(), 1);
    assert_eq!(ndjson(b"", true, &limits), Batch::default());
}

fn batch(text: &str) -> crate::error::Result<Batch> {
    parse_batch_json(text, &settings(&Limits::default(), &keys(), true), &mut NoTick)
}

#[test]
fn json_is_one_event_or_an_array() {
    let good = r#"{"event":"E","properties":{"time":1700000000,"distinct_id":"u","company_id":"a"}}"#;
    assert_eq!(batch(good).unwrap().events.len(), 1);
    let b = batch(&format!(" [{good}, 1, {{}}, [[]], {good}] ")).unwrap();
    assert_eq!(b.events.iter().map(|e| e.index).collect::<Vec<_>>(), [0, 4]);
    assert_eq!(b.failed.iter().map(|f| f.index).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(batch("[]").unwrap(), Batch::default());
    for other in ["1", "null", "\"x\""] {
        assert!(
            matches!(batch(other), Err(Error::Param { hint: Some(_), .. })),
            "{other}"
        );
    }
}

#[test]
fn broken_json_is_an_error_with_its_position() {
    for (text, at) in [("", 1), ("[{]", 3), ("[\n  {\"ä\": x}]", 11), ("{} {}", 4), ("[1,]", 4)] {
        match batch(text) {
            Err(Error::Syntax { position, hint, .. }) => assert_eq!((position, hint.is_some()), (at, true), "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn the_size_of_a_record_in_an_array_is_limited_while_it_is_read() {
    let good = r#"{"event":"E","properties":{"time":1700000000}}"#;
    let wide = format!(
        r#"{{"event":"E","properties":{{"time":1700000000,"x":[{}0]}}}}"#,
        "0,".repeat(1 << 20)
    );
    let b = batch(&format!("[{good},{wide},{good}]")).unwrap();
    assert_eq!(b.events.iter().map(|e| e.index).collect::<Vec<_>>(), [0, 2]);
    assert_eq!((b.failed[0].index, b.failed[0].field.as_str()), (1, "record"));
    let pairs: String = (0..100_000).map(|i| format!("\"k{i:06}\":{i},")).collect();
    let b = batch(&format!(r#"[{{"event":"E","properties":{{{pairs}"time":1}}}},{good}]"#)).unwrap();
    assert_eq!((b.failed[0].field.as_str(), b.events.len()), ("record", 1));
}

#[test]
fn a_call_has_a_limit_of_records_and_can_be_stopped() {
    let limits = Limits {
        batch_records: 2,
        ..Limits::default()
    };
    let keys = keys();
    let s = settings(&limits, &keys, true);
    for n in [2, 3] {
        let array = format!("[{}]", vec!["1"; n].join(","));
        let lines = vec!["1"; n].join("\n");
        let results = [
            parse_batch_json(&array, &s, &mut NoTick),
            parse_ndjson(lines.as_bytes(), &s, &mut NoTick),
        ];
        for r in results {
            match r {
                Ok(b) => assert_eq!((n, b.failed.len()), (2, 2)),
                Err(e) => assert!(n == 3 && matches!(e, Error::Limit { hint: Some(_), .. })),
            }
        }
    }
    struct Stop;
    impl Tick for Stop {
        fn tick(&mut self) -> crate::error::Result<()> {
            Err(Error::Cancelled)
        }
    }
    assert_eq!(parse_ndjson(b"1", &s, &mut Stop), Err(Error::Cancelled));
    assert_eq!(parse_batch_json("[1]", &s, &mut Stop), Err(Error::Cancelled));
}

#[test]
fn the_last_of_equal_names_counts() {
    let b = batch(
        r#"{"event":"A","event":"B","properties":{"x":1},"properties":{"x":2,"time":1700000000,"x":3,"a":0,"x":4}}"#,
    )
    .unwrap();
    assert_eq!(&*b.events[0].name, "B");
    assert_eq!(
        Value::Object(b.events[0].properties.clone()),
        Value::from_json(&json!({"a": 0, "x": 4}))
    );
}

#[test]
fn arguments_win_over_properties() {
    let (limits, keys) = (Limits::default(), keys());
    let s = settings(&limits, &keys, true);
    let p = Value::from_json(
        &json!({"time": "junk", "distinct_id": "old", "$insert_id": "old", "company_id": "a", "p": 1}),
    );
    let e = match from_parts("E", Some("u"), p.clone(), 1_700_000_000_123, Some("new"), &s) {
        Outcome::Event(e, _) => e,
        other => panic!("{other:?}"),
    };
    assert_eq!((&*e.name, &*e.distinct_id, e.time), ("E", "u", 1_700_000_000_123));
    assert_eq!((e.insert_id.as_deref(), e.groups.len()), (Some("new"), 1));
    let want = json!({"$insert_id": "new", "company_id": "a", "p": 1});
    assert_eq!(Value::Object(e.properties), Value::from_json(&want));
    match from_parts("E", None, p, NOW + HOUR, None, &s) {
        Outcome::Event(e, _) => assert_eq!(
            (&*e.distinct_id, e.time, e.insert_id.as_deref()),
            ("old", NOW, Some("old"))
        ),
        other => panic!("{other:?}"),
    }
    assert!(
        matches!(from_parts("E", Some(""), Value::Null, NOW, None, &s), Outcome::Event(e, _) if e.distinct_id.is_empty())
    );
    assert!(
        matches!(from_parts("E", None, Value::Int(1), NOW, None, &s), Outcome::Failed(e) if e.field == "properties")
    );
    assert!(
        matches!(from_parts("E", None, Value::Null, NOW + HOUR + 1, None, &s), Outcome::Failed(e) if e.field == "properties.time")
    );
}

#[test]
fn the_answer_has_the_shape_of_import() {
    assert_eq!(
        answer(3, 1, &[]),
        json!({"code": 200, "status": "OK", "num_records_imported": 3, "num_duplicates": 1, "failed_records": []})
    );
    let failed = RecordProblem::new("properties.time", "must not be missing").at(2, Some("x".into()));
    assert_eq!(
        answer(1, 0, &[failed]),
        json!({"code": 400, "status": "Bad Request", "error": "some data points in the request failed validation",
            "num_records_imported": 1, "num_duplicates": 0, "failed_records": [{"index": 2, "$insert_id": "x",
            "field": "properties.time", "message": "'properties.time' is invalid: must not be missing"}]})
    );
}

// Random input

/// Attribution, said again over serde_json: every id in order, then what is kept of them.
fn naive_attribution(v: Option<&Json>, limits: &Limits, strict: bool) -> (Vec<String>, usize, usize) {
    let values = match v {
        None => vec![],
        Some(Json::Array(a)) => a.clone(),
        Some(one) => vec![one.clone()],
    };
    let (mut all, mut refused) = (Vec::new(), 0);
    for v in values {
        let text = match &v {
            Json::Null => continue,
            Json::String(s) => Some(s.clone()),
            Json::Number(n) => match n.as_i64() {
                Some(i) => Some(i.to_string()),
                None => n.as_f64().filter(|f| f.fract() != 0.0 || f.abs() < 9e18).map(|f| {
                    let t = format!("{f:.1}");
                    if f.fract() == 0.0 {
                        format!("{}", t.trim_end_matches(".0").parse::<i64>().unwrap())
                    } else {
                        f.to_string()
                    }
                }),
            },
            _ => None,
        };
        match text {
            Some(t) if t.is_empty() => {}
            Some(t) if t.contains('\0') => refused += 1,
            Some(t) if t.chars().count() > limits.string_chars && strict => refused += 1,
            Some(t) => all.push(t.chars().take(limits.string_chars).collect::<String>()),
            None => refused += 1,
        }
    }
    let mut distinct: Vec<String> = Vec::new();
    for id in all {
        if !distinct.contains(&id) {
            distinct.push(id);
        }
    }
    let dropped = distinct.len().saturating_sub(limits.groups_per_event);
    distinct.truncate(limits.groups_per_event);
    (distinct, dropped, refused)
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        (-3i64..30).prop_map(|i| json!(i)),
        any::<i64>().prop_map(|i| json!(i)),
        any::<u64>().prop_map(|u| json!(u)),
        any::<f64>().prop_map(|f| json!(f)),
        (0i64..20).prop_map(|i| json!(i as f64 / 2.0)),
        "[a-cé\0]{0,7}".prop_map(|s| json!(s)),
        prop::sample::select(BANNED.to_vec()).prop_map(|s| json!(s)),
        prop::sample::select(vec!["u1", "$device:d", "x-1", "1"]).prop_map(|s| json!(s)),
        Just(json!(1_700_000_000)),
    ];
    leaf.prop_recursive(5, 60, 40, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 0..40).prop_map(Json::Array),
            1 => prop::collection::btree_map("[a-c]{0,7}", inner, 0..5).prop_map(|m| Json::Object(m.into_iter().collect())),
        ]
    })
}

fn any_record() -> impl Strategy<Value = Json> {
    let names = vec![
        "time",
        "$time",
        "distinct_id",
        "$distinct_id",
        "$device_id",
        "$user_id",
        "$insert_id",
        "company_id",
        "team_id",
        "a",
        "b",
        "aaaaaaaaa",
        "token",
        "bucket",
        "$ignore",
    ];
    // Mostly sound, so that events come through as well.
    let sound = (any::<bool>(), any::<bool>()).prop_map(|(a, b)| {
        let mut p = json!({"time": 1_700_000_000, "distinct_id": "u1"});
        if a {
            p["$insert_id"] = json!("x-1");
        }
        if b {
            p["company_id"] = json!(["a", "b", "a"]);
        }
        p
    });
    let extra = prop::collection::vec((prop::sample::select(names), any_json()), 0..4);
    (sound, extra, 0..12).prop_map(|(mut p, extra, odd)| {
        for (k, v) in extra {
            p[k] = v;
        }
        match odd {
            0 => json!({"event": p["time"], "properties": p}),
            1 => json!({"event": "E", "properties": p["company_id"]}),
            2 => p["a"].clone(),
            _ => json!({"event": "E", "properties": p}),
        }
    })
}

fn small_limits() -> Limits {
    Limits {
        properties: 6,
        object_keys: 3,
        list_elements: 20,
        string_chars: 5,
        event_compound_bytes: 200,
        groups_per_event: 18,
        ..Limits::default()
    }
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let no_newline = |mut v: Vec<u8>| {
        v.retain(|b| *b != b'\n');
        v
    };
    prop_oneof![
        4 => any_record().prop_map(|j| j.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(no_newline),
        1 => "[ \t\r]{0,3}".prop_map(String::into_bytes),
        1 => (any_record(), any::<prop::sample::Index>(), any::<u8>()).prop_map(move |(j, at, byte)| {
            let mut v = j.to_string().into_bytes();
            let at = at.index(v.len());
            v[at] = byte;
            no_newline(v)
        }),
    ]
}

proptest! {
    #[test]
    fn attribution_agrees_with_the_naive_way(v in prop::option::of(any_json()), strict: bool, small: bool) {
        let limits = if small { small_limits() } else { Limits::default() };
        let a = attribute(v.as_ref().map(Value::from_json).as_ref(), &limits, strict);
        let got: Vec<String> = a.ids.into_iter().map(String::from).collect();
        let problem = a.problem.is_some();
        prop_assert_eq!((got, a.dropped, a.refused), naive_attribution(v.as_ref(), &limits, strict));
        prop_assert_eq!(problem, a.refused > 0);
    }

    #[test]
    fn many_ids_agree_with_the_naive_way(ids in prop::collection::vec(0u32..60, 0..120), most in 0usize..40) {
        let limits = Limits { groups_per_event: most, ..Limits::default() };
        let v = json!(ids);
        let a = attribute(Some(&Value::from_json(&v)), &limits, true);
        let got: Vec<String> = a.ids.into_iter().map(String::from).collect();
        prop_assert_eq!((got, a.dropped, a.refused), naive_attribution(Some(&v), &limits, true));
    }

    #[test]
    fn every_line_is_accounted_for_on_its_own(lines in prop::collection::vec(line(), 0..12), strict: bool) {
        let limits = small_limits();
        let mut got = ndjson(&lines.join(&b'\n'), strict, &limits);
        // The byte order mark is part of the file, not of the line.
        let mut want = Batch::default();
        let mut index = 0;
        for (n, l) in lines.iter().enumerate() {
            let l = if n == 0 { l.strip_prefix(b"\xef\xbb\xbf").unwrap_or(l) } else { l };
            if l.iter().all(|b| b.is_ascii_whitespace()) {
                continue;
            }
            let mut alone = ndjson(l, strict, &limits);
            prop_assert_eq!(alone.events.len() + alone.failed.len() + alone.ignored, 1);
            alone.events.iter_mut().for_each(|e| e.index = index);
            alone.failed.iter_mut().for_each(|e| e.index = index);
            alone.unattributed.iter_mut().for_each(|e| e.index = index);
            want.events.append(&mut alone.events);
            want.failed.append(&mut alone.failed);
            want.unattributed.append(&mut alone.unattributed);
            want.ignored += alone.ignored;
            index += 1;
        }
        prop_assert_eq!(got.events.len() + got.failed.len() + got.ignored, index);
        got.unattributed.sort_by_key(|u| (u.index, u.kind));
        prop_assert_eq!(got, want);
    }

    #[test]
    fn all_doors_lead_to_the_same_events(records in prop::collection::vec(any_record(), 0..8), strict: bool) {
        let limits = small_limits();
        let keys = keys();
        let s = settings(&limits, &keys, strict);
        let lines: Vec<String> = records.iter().map(Json::to_string).collect();
        let a = parse_ndjson(lines.join("\r\n").as_bytes(), &s, &mut NoTick).unwrap();
        let b = parse_batch_json(&format!("[{}]", lines.join(",")), &s, &mut NoTick).unwrap();
        prop_assert_eq!(&a, &b);
        let mut c = Batch::default();
        for (i, r) in records.iter().enumerate() {
            c.push(parse_value(Value::from_json(r), i, &s)).unwrap();
        }
        prop_assert_eq!(&a, &c);
    }

    #[test]
    fn any_text_is_read_without_panic(text in ".{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = batch(&text);
        let lines = bytes.split(|b| *b == b'\n').filter(|l| !l.trim_ascii().is_empty()).count();
        let b = ndjson(&bytes, false, &Limits::default());
        let bom_only = usize::from(bytes.split(|b| *b == b'\n').next().unwrap().trim_ascii() == b"\xef\xbb\xbf");
        prop_assert_eq!(b.events.len() + b.failed.len() + b.ignored, lines - bom_only);
    }
}

/// Not a test: `cargo test --release -p engine ingest::tests::speed -- --ignored --nocapture`.
#[test]
#[ignore = "prints the time per event"]
fn speed() {
    let mut text = String::new();
    for i in 0..200_000u64 {
        let h = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        text.push_str(&format!(
            "{{\"event\":\"Page Viewed\",\"properties\":{{\"time\":{},\"distinct_id\":\"user-{}\",\"$insert_id\":\"{h:016x}{i:016x}\",\
             \"company_id\":\"company-{}\",\"plan\":\"enterprise\",\"country\":\"DE\",\"url\":\"https://app.example.com/projects/{}\",\
             \"amount\":{}.{:02},\"items\":{},\"mobile\":{},\"browser\":\"Firefox\",\"os\":\"Linux\",\"ref\":\"newsletter\"}}}}\n",
            1_700_000_000 + i, h % 10_000, h % 700, h % 977, h % 900, h % 100, h % 9, i % 2 == 0
        ));
    }
    let (limits, keys) = (Limits::default(), keys());
    let s = settings(&limits, &keys, true);
    let mut best = f64::MAX;
    let mut n = 0;
    for _ in 0..7 {
        let t = std::time::Instant::now();
        n = 0;
        each_ndjson(text.as_bytes(), &s, &mut NoTick, &mut |o| {
            n += usize::from(matches!(std::hint::black_box(&o), Outcome::Event(..)));
            Ok(())
        })
        .unwrap();
        best = best.min(t.elapsed().as_secs_f64());
    }
    println!("{:.3} µs per event of {} bytes", best * 1e6 / n as f64, text.len() / n);
    let t = std::time::Instant::now();
    let b = parse_ndjson(text.as_bytes(), &s, &mut NoTick).unwrap();
    println!(
        "{:.3} µs per event when collected",
        t.elapsed().as_secs_f64() * 1e6 / b.events.len() as f64
    );
}
