//! The rows of the law, one by one.

mod random;

use super::*;
use crate::limits::Limits;
use serde_json::{Map, Value as Json, json};

/// 2024-01-01 00:00:00.999 UTC.
const NOW: i64 = 1_704_067_200_999;
const NOW_TEXT: &str = "2024-01-01T00:00:00";

fn read(v: &Json, what: What) -> (Vec<(usize, Update)>, Vec<RecordError>) {
    parse_updates(&Value::from_json(v), &Limits::default(), what)
}

/// A user update of these operations that leaves `$last_seen` alone.
fn update(ops: &Json) -> Update {
    let mut record = ops.clone();
    record["$distinct_id"] = json!("u");
    record["$ignore_time"] = json!(true);
    let (mut good, bad) = read(&record, What::Users);
    assert_eq!(bad, []);
    good.pop().unwrap().1
}

fn applied(profile: Option<Json>, ops: Json) -> Result<Option<Json>, RecordProblem> {
    let profile = profile.as_ref().map(Value::from_json);
    let done = apply(profile.as_ref(), &update(&ops), NOW, &Limits::default())?;
    Ok(done.map(|v| v.to_json()))
}

/// What a profile becomes.
fn after(profile: Json, ops: Json) -> Json {
    applied(Some(profile), ops).unwrap().unwrap()
}

/// The field that a profile's refusal names.
fn field(profile: Json, ops: Json) -> String {
    applied(Some(profile), ops).unwrap_err().field
}

/// The field that the refusal of a record names.
fn unread(record: Json, what: What) -> String {
    let (good, bad) = read(&record, what);
    assert_eq!((good.len(), bad.len()), (0, 1), "{record}");
    assert!(bad[0].message.starts_with(&format!("'{}' is invalid: ", bad[0].field)));
    bad[0].field.clone()
}

/// The field that the refusal of operations names.
fn unread_ops(ops: Json) -> String {
    let mut record = ops;
    record["$distinct_id"] = json!("u");
    unread(record, What::Users)
}

#[test]
fn the_worked_example() {
    let mut p = json!({});
    for op in [
        json!({"$set": {"plan": "pro", "n": 1}}),
        json!({"$set_once": {"plan": "free", "src": "ad"}}),
        json!({"$add": {"n": 2, "m": -1}}),
        json!({"$append": {"t": "x"}}),
        json!({"$append": {"t": "x"}}),
        json!({"$union": {"t": ["x", "y"]}}),
        json!({"$remove": {"t": "x"}}),
        json!({"$unset": ["src"]}),
    ] {
        p = after(p, op);
    }
    assert_eq!(p, json!({"plan": "pro", "n": 3, "m": -1, "t": ["y"]}));
}

#[test]
fn set_and_set_once() {
    assert_eq!(
        after(json!({"a": 1, "b": 2}), json!({"$set": {"a": "x", "c": [1]}})),
        json!({"a": "x", "b": 2, "c": [1]})
    );
    assert_eq!(
        after(json!({"a": 1}), json!({"$set_once": {"a": 2, "b": 3}})),
        json!({"a": 1, "b": 3})
    );
    // Set to nothing but set.
    assert_eq!(
        after(json!({"a": ""}), json!({"$set_once": {"a": 2}})),
        json!({"a": ""})
    );
    // Null is "not set".
    assert_eq!(
        after(json!({"a": 1, "b": 2}), json!({"$set": {"a": null}})),
        json!({"b": 2})
    );
    assert_eq!(
        after(json!({"a": null}), json!({"$set_once": {"a": 2, "b": null}})),
        json!({"a": 2})
    );
}

#[test]
fn add() {
    assert_eq!(
        after(json!({"n": 1}), json!({"$add": {"n": 2, "m": -1.5}})),
        json!({"n": 3, "m": -1.5})
    );
    assert_eq!(after(json!({"n": 0.5}), json!({"$add": {"n": 0.5}})), json!({"n": 1}));
    assert_eq!(after(json!({"n": null}), json!({"$add": {"n": 2}})), json!({"n": 2}));
    assert_eq!(
        after(json!({"n": 9007199254740992i64}), json!({"$add": {"n": 1}})),
        json!({"n": 9007199254740993i64})
    );
    assert_eq!(
        after(json!({"n": i64::MAX}), json!({"$add": {"n": 1}})),
        json!({"n": 9223372036854775808.0})
    );
    for v in [json!("1"), json!(true), json!([1]), json!({})] {
        assert_eq!(field(json!({"n": v}), json!({"$add": {"n": 1}})), "$add.n");
        assert_eq!(unread_ops(json!({"$add": {"n": v}})), "$add.n");
    }
    assert_eq!(unread_ops(json!({"$add": {"n": null}})), "$add.n");
    assert_eq!(
        field(json!({"n": f64::MAX}), json!({"$add": {"n": f64::MAX}})),
        "$add.n"
    );
}

#[test]
fn append_and_union() {
    assert_eq!(after(json!({}), json!({"$append": {"t": "x"}})), json!({"t": ["x"]}));
    assert_eq!(
        after(json!({"t": ["x"]}), json!({"$append": {"t": "x"}})),
        json!({"t": ["x", "x"]})
    );
    assert_eq!(
        after(json!({"t": "x"}), json!({"$append": {"t": ["y"]}})),
        json!({"t": ["x", ["y"]]})
    );
    assert_eq!(
        after(json!({}), json!({"$append": {"t": {"id": 1}}})),
        json!({"t": [{"id": 1}]})
    );
    assert_eq!(
        after(json!({}), json!({"$union": {"t": ["x", "y", "x"]}})),
        json!({"t": ["x", "y"]})
    );
    assert_eq!(
        after(
            json!({"t": ["x", "x", 1]}),
            json!({"$union": {"t": ["x", "1", 1.0, "z"]}})
        ),
        json!({"t": ["x", "x", 1, "1", "z"]})
    );
    assert_eq!(
        after(json!({"t": "x"}), json!({"$union": {"t": ["x", "y"]}})),
        json!({"t": ["x", "y"]})
    );
    for bad in [
        json!([]),
        json!("x"),
        json!([true]),
        json!([null]),
        json!([["x"]]),
        json!([{}]),
        json!(null),
    ] {
        assert_eq!(unread_ops(json!({"$union": {"t": bad}})), "$union.t");
    }
    assert_eq!(unread_ops(json!({"$append": {"t": null}})), "$append.t");
}

#[test]
fn remove() {
    let r = |p: Json, v: Json| after(p, json!({"$remove": {"t": v}}));
    assert_eq!(r(json!({"t": ["x", "y", "x"]}), json!("x")), json!({"t": ["y"]}));
    assert_eq!(r(json!({"t": ["x"]}), json!("x")), json!({"t": []}));
    assert_eq!(r(json!({"t": ["x"]}), json!("z")), json!({"t": ["x"]}));
    assert_eq!(r(json!({"a": 1}), json!("x")), json!({"a": 1}));
    assert_eq!(
        r(json!({"t": [1, "1", 1.0, true]}), json!(1)),
        json!({"t": ["1", true]})
    );
    assert_eq!(r(json!({"t": "x", "a": 1}), json!("x")), json!({"a": 1}));
    assert_eq!(field(json!({"t": "x"}), json!({"$remove": {"t": "y"}})), "$remove.t");
    assert_eq!(field(json!({"t": "1"}), json!({"$remove": {"t": 1}})), "$remove.t");
    for bad in [json!(["x"]), json!({}), json!(null)] {
        assert_eq!(unread_ops(json!({"$remove": {"t": bad}})), "$remove.t");
    }
}

#[test]
fn unset_and_delete() {
    assert_eq!(
        after(json!({"a": 1, "b": 2, "c": 3}), json!({"$unset": ["c", "a", "z", "a"]})),
        json!({"b": 2})
    );
    assert_eq!(after(json!({"a": 1}), json!({"$unset": ["a"]})), json!({}));
    for bad in [json!([]), json!("a"), json!([1]), json!({"a": 1})] {
        assert_eq!(unread_ops(json!({"$unset": bad})), "$unset");
    }
    for any in [json!(""), json!(null), json!({}), json!([1])] {
        assert_eq!(applied(Some(json!({"a": 1})), json!({"$delete": any})), Ok(None));
        assert_eq!(applied(None, json!({"$delete": any})), Ok(None));
    }
    assert_eq!(
        applied(Some(json!({"a": 1})), json!({"$delete": "", "$set": {"b": 1}})),
        Ok(None)
    );
}

#[test]
fn a_profile_comes_into_being_when_a_property_is_set() {
    let new = |ops| applied(None, ops).unwrap();
    assert_eq!(new(json!({"$set": {"a": 1}})), Some(json!({"a": 1})));
    assert_eq!(new(json!({"$set_once": {"a": 1}})), Some(json!({"a": 1})));
    assert_eq!(new(json!({"$add": {"a": 1}})), Some(json!({"a": 1})));
    assert_eq!(new(json!({"$append": {"a": 1}})), Some(json!({"a": [1]})));
    assert_eq!(new(json!({"$union": {"a": [1]}})), Some(json!({"a": [1]})));
    assert_eq!(new(json!({"$set": {}})), None);
    assert_eq!(new(json!({"$set": {"a": null}})), None);
    assert_eq!(new(json!({"$remove": {"a": 1}})), None);
    assert_eq!(new(json!({"$unset": ["a"]})), None);
    assert_eq!(new(json!({"$set": {"a": 1}, "$unset": ["a"]})), None);
}

#[test]
fn operations_apply_in_their_own_order_and_all_or_none() {
    let ops = json!({"$unset": ["u"], "$remove": {"t": "x"}, "$union": {"t": ["x", "y"]}, "$append": {"t": "z"},
        "$add": {"n": 1}, "$set_once": {"n": 5, "m": 7}, "$set": {"n": 1, "u": 1}});
    assert_eq!(after(json!({}), ops), json!({"n": 2, "m": 7, "t": ["z", "y"]}));
    let profile = Value::from_json(&json!({"s": "text"}));
    let failing = update(&json!({"$set": {"a": 1}, "$add": {"s": 1}}));
    let problem = apply(Some(&profile), &failing, NOW, &Limits::default()).unwrap_err();
    assert_eq!(
        problem.message,
        "'$add.s' is invalid: the profile holds a string, not a number"
    );
}

#[test]
fn last_seen_is_the_time_of_the_update() {
    let run = |profile: Option<Json>, record: Json, what| {
        let (good, bad) = read(&record, what);
        assert_eq!(bad, []);
        let profile = profile.as_ref().map(Value::from_json);
        let done = apply(profile.as_ref(), &good[0].1, NOW, &Limits::default()).unwrap();
        done.map(|v| v.to_json())
    };
    let user = |ops: Json| {
        let mut r = ops;
        r["$distinct_id"] = json!("u");
        run(Some(json!({"a": 1})), r, What::Users).unwrap()
    };
    assert_eq!(user(json!({"$unset": ["z"]})), json!({"a": 1, "$last_seen": NOW_TEXT}));
    assert_eq!(
        user(json!({"$unset": ["z"], "$time": 1_700_000_000})),
        json!({"a": 1, "$last_seen": "2023-11-14T22:13:20"})
    );
    assert_eq!(
        user(json!({"$unset": ["z"], "$time": 1_700_000_000_999i64}))["$last_seen"],
        "2023-11-14T22:13:20"
    );
    assert_eq!(
        user(json!({"$unset": ["z"], "$time": 1_800_000_000}))["$last_seen"],
        NOW_TEXT
    );
    assert_eq!(user(json!({"$set": {"$last_seen": "x"}}))["$last_seen"], NOW_TEXT);
    assert_eq!(
        user(json!({"$set": {"$last_seen": "x"}, "$ignore_time": true}))["$last_seen"],
        "x"
    );
    assert_eq!(user(json!({"$unset": ["z"], "$ignore_time": true})), json!({"a": 1}));
    let group = json!({"$group_key": "company_id", "$group_id": "acme", "$set": {"plan": "pro"}});
    assert_eq!(
        run(None, group, What::Groups),
        Some(json!({"plan": "pro", "$last_seen": NOW_TEXT}))
    );
    // What does not come into being has not been seen.
    assert_eq!(
        run(None, json!({"$distinct_id": "u", "$unset": ["a"]}), What::Users),
        None
    );
}

#[test]
fn profiles_are_limited() {
    let limits = Limits::default();
    let many = |from: usize, to: usize| -> Json {
        (from..to)
            .map(|i| (format!("p{i}"), json!(i)))
            .collect::<Map<_, _>>()
            .into()
    };
    assert_eq!(
        after(json!({}), json!({"$set": many(0, 2000)}))
            .as_object()
            .unwrap()
            .len(),
        2000
    );
    assert_eq!(field(json!({}), json!({"$set": many(0, 2001)})), "record");
    assert_eq!(field(many(0, 2000), json!({"$add": {"q": 1}})), "record");
    // A full profile can still change, and $last_seen has room.
    let seen = Value::from_json(&many(0, 2000));
    let mut u = update(&json!({"$set": {"p1": "x"}}));
    u.ignore_time = false;
    let done = apply(Some(&seen), &u, NOW, &limits).unwrap().unwrap();
    assert_eq!(done.get("$last_seen"), Some(&Value::str(NOW_TEXT)));
    assert!(apply(Some(&done), &u, NOW, &limits).is_ok());
    assert_eq!(
        after(many(0, 2000), json!({"$set": {"q": 1}, "$unset": ["p0"]}))["q"],
        1
    );

    let text = "x".repeat(253);
    let kb: Vec<Json> = vec![json!(text); 1024];
    assert!(applied(None, json!({"$set": {"l": kb[..1000]}})).is_ok());
    assert_eq!(unread_ops(json!({"$set": {"l": vec![json!(text); 1030]}})), "$set.l");
    assert_eq!(
        field(json!({"l": kb[..1023]}), json!({"$append": {"l": text}})),
        "$append.l"
    );
    assert_eq!(
        field(
            json!({"l": kb[..1020]}),
            json!({"$union": {"l": (0..40).map(|i| format!("{i}{}", "y".repeat(200))).collect::<Vec<_>>()}})
        ),
        "$union.l"
    );
    // What is too long already can get shorter.
    assert!(applied(Some(json!({"l": kb})), json!({"$remove": {"l": text}})).is_ok());
    assert_eq!(unread_ops(json!({"$set": {"d": [[[[]]]]}})), "$set.d");
    assert_eq!(unread_ops(json!({"$set": {"d": "a\u{0}"}})), "$set.d");
    assert_eq!(unread_ops(json!({"$set": {"d\u{0}": 1}})), "$set");
    let small = Limits {
        record_bytes: 50,
        ..Limits::default()
    };
    let record = Value::from_json(&json!({"$distinct_id": "u", "$set": {"a": "x".repeat(60)}}));
    assert_eq!(parse_updates(&record, &small, What::Users).1[0].field, "record");
}

#[test]
fn strings_and_names_are_cut() {
    let (long, cut) = ("é".repeat(300), "é".repeat(255));
    let p = after(
        json!({}),
        json!({"$set": {long.clone(): long, "o": {"k": [long]}}, "$append": {"l": long}}),
    );
    assert_eq!(p, json!({cut.clone(): cut, "o": {"k": [cut]}, "l": [cut]}));
    assert_eq!(
        after(p.clone(), json!({"$remove": {"l": long}, "$unset": [long]})),
        json!({"o": {"k": [cut]}, "l": []})
    );
    assert_eq!(
        after(json!({}), json!({"$union": {"l": [long, cut]}})),
        json!({"l": [cut]})
    );
    let (a, b) = (format!("{}1", "k".repeat(255)), format!("{}2", "k".repeat(255)));
    assert_eq!(
        after(json!({}), json!({"$set": {a: 1, b: 2}})),
        json!({"k".repeat(255): 2})
    );
}

#[test]
fn records_name_what_they_are_about() {
    let set = json!({"a": 1});
    let user = |id: Json| {
        read(&json!({"$distinct_id": id, "$set": set}), What::Users).0[0]
            .1
            .target
            .clone()
    };
    assert_eq!(user(json!("u1")), Target::User("u1".into()));
    assert_eq!(user(json!(42.0)), Target::User("42".into()));
    assert_eq!(user(json!("$device:$device:d")), Target::User("$device:d".into()));
    for bad in [
        json!(null),
        json!(""),
        json!("anon"),
        json!(0),
        json!(["u"]),
        json!("$device:"),
    ] {
        assert_eq!(
            unread(json!({"$distinct_id": bad, "$set": set}), What::Users),
            "$distinct_id"
        );
    }
    assert_eq!(unread(json!({"$set": set}), What::Users), "$distinct_id");
    let group = |id: Json| json!({"$group_key": "company_id", "$group_id": id, "$set": set});
    let target = |id: Json| read(&group(id), What::Groups).0[0].1.target.clone();
    let acme = |id: &str| Target::Group {
        key: "company_id".into(),
        id: id.into(),
    };
    assert_eq!(target(json!("acme")), acme("acme"));
    assert_eq!(target(json!(42.0)), acme("42"));
    // What stands for nobody may be the name of a group.
    assert_eq!(target(json!("none")), acme("none"));
    for bad in [
        json!(null),
        json!(""),
        json!(true),
        json!(["a"]),
        json!({}),
        json!("x".repeat(256)),
        json!("a\u{0}"),
    ] {
        assert_eq!(unread(group(bad), What::Groups), "$group_id");
    }
    assert_eq!(
        unread(json!({"$group_id": "a", "$set": set}), What::Groups),
        "$group_key"
    );
    assert_eq!(
        unread(json!({"$group_key": "", "$group_id": "a", "$set": set}), What::Groups),
        "$group_key"
    );
    // An update sent to the wrong door.
    assert_eq!(unread(group(json!("a")), What::Users), "$group_key");
    assert_eq!(
        unread(json!({"$distinct_id": "u", "$set": set}), What::Groups),
        "$distinct_id"
    );
}

#[test]
fn members_of_a_record() {
    let all = json!({"$token": "t", "$distinct_id": "u", "$ip": "0", "$time": 1_700_000_000, "$ignore_time": true,
        "$ignore_alias": true, "$latitude": 1.5, "$longitude": 2, "$delete": ""});
    let (good, bad) = read(&all, What::Users);
    assert_eq!(bad, []);
    let u = &good[0].1;
    assert_eq!(
        (u.time, u.ignore_time, u.ignore_alias),
        (Some(1_700_000_000_000), true, true)
    );
    assert_eq!(u.ops, [Op::Delete]);
    assert_eq!(unread_ops(json!({"$sett": {"a": 1}})), "$sett");
    assert_eq!(unread_ops(json!({"plan": "x", "$set": {"a": 1}})), "plan");
    assert_eq!(unread_ops(json!({})), "record");
    assert_eq!(unread_ops(json!({"$set": {}, "$time": "x"})), "$time");
    assert_eq!(unread_ops(json!({"$set": {}, "$ignore_time": 1})), "$ignore_time");
    assert_eq!(
        unread_ops(json!({"$set": {}, "$ignore_alias": "true"})),
        "$ignore_alias"
    );
    for op in ["$set", "$set_once", "$add", "$append", "$union", "$remove"] {
        for bad in [json!([]), json!(1), json!(null), json!("a")] {
            assert_eq!(unread_ops(json!({op: bad})), op);
        }
    }
    assert_eq!(unread_ops(json!({"$set": {"$distinct_id": 1}})), "$set.$distinct_id");
    for name in ["$group_key", "$group_id"] {
        let mut r = json!({"$group_key": "k", "$group_id": "a"});
        r["$set_once"] = json!({name: 1});
        assert_eq!(unread(r, What::Groups), format!("$set_once.{name}"));
    }
}

#[test]
fn a_batch_keeps_its_positions() {
    let v = json!([{"$distinct_id": "a", "$set": {"x": 1}}, 5, {"$distinct_id": "b"}, {"$distinct_id": "c", "$delete": ""}]);
    let (good, bad) = read(&v, What::Users);
    assert_eq!(good.iter().map(|g| g.0).collect::<Vec<_>>(), [0, 3]);
    assert_eq!(bad.iter().map(|b| b.index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(read(&json!([]), What::Users), (vec![], vec![]));
    assert_eq!(unread(json!("x"), What::Users), "record");
}

#[test]
fn all_eight_operations_work_for_groups() {
    let record = json!({"$group_key": "k", "$group_id": "g", "$set": {"a": 1}, "$set_once": {"b": 1}, "$add": {"c": 1},
        "$append": {"d": 1}, "$union": {"e": [1]}, "$remove": {"e": 2}, "$unset": ["a"], "$ignore_time": true});
    let (good, bad) = read(&record, What::Groups);
    assert_eq!(bad, []);
    let p = apply(None, &good[0].1, NOW, &Limits::default()).unwrap().unwrap();
    assert_eq!(p.to_json(), json!({"b": 1, "c": 1, "d": [1], "e": [1]}));
}
