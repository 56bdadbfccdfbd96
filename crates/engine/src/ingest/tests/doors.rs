//! The ways in: lines, arrays, parsed values, arguments; and the answer.

use super::*;

pub(super) fn settings<'a>(limits: &'a Limits, keys: &'a [Key], strict: bool) -> Settings<'a> {
    Settings {
        limits,
        now_ms: NOW,
        strict,
        keys,
        sticky: None,
    }
}

pub(super) fn ndjson(bytes: &[u8], strict: bool, limits: &Limits) -> Batch {
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

pub(super) fn batch(text: &str) -> crate::error::Result<Batch> {
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
        answer(3, 1, 0, &[]),
        json!({"code": 200, "status": "OK", "num_records_imported": 3, "num_duplicates": 1, "failed_records": []})
    );
    let failed = RecordProblem::new("properties.time", "must not be missing").at(2, Some("x".into()));
    assert_eq!(
        answer(1, 0, 0, &[failed]),
        json!({"code": 400, "status": "Bad Request", "error": "some data points in the request failed validation",
            "num_records_imported": 1, "num_duplicates": 0, "failed_records": [{"index": 2, "$insert_id": "x",
            "field": "properties.time", "message": "'properties.time' is invalid: must not be missing"}]})
    );
}
