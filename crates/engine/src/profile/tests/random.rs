//! The operations, said again over serde_json, and random updates for both.

use super::*;
use proptest::prelude::*;

/// Numbers are the same by value, all else by type and value.
fn same(a: &Json, b: &Json) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(x), Some(y)) => x == y,
        _ => a == b,
    }
}

fn listed(v: Option<&Json>) -> Vec<Json> {
    match v {
        None | Some(Json::Null) => vec![],
        Some(Json::Array(l)) => l.clone(),
        Some(one) => vec![one.clone()],
    }
}

fn naive(profile: Option<&Map<String, Json>>, ops: &Map<String, Json>) -> Result<Option<Map<String, Json>>, ()> {
    let mut p = profile.cloned().unwrap_or_default();
    let pairs = |op: &str| -> Map<String, Json> { ops.get(op).and_then(Json::as_object).cloned().unwrap_or_default() };
    for (k, v) in pairs("$set") {
        p.insert(k, v);
    }
    for (k, v) in pairs("$set_once") {
        if p.get(&k).is_none_or(Json::is_null) {
            p.insert(k, v);
        }
    }
    for (k, v) in pairs("$add") {
        let old = match p.get(&k) {
            None | Some(Json::Null) => 0.0,
            Some(old) => old.as_f64().ok_or(())?,
        };
        p.insert(k, json!(old + v.as_f64().unwrap()));
    }
    for (k, v) in pairs("$append") {
        let l = [listed(p.get(&k)), vec![v]].concat();
        p.insert(k, json!(l));
    }
    for (k, more) in pairs("$union") {
        let mut l = listed(p.get(&k));
        for v in more.as_array().unwrap() {
            if !l.iter().any(|have| same(have, v)) {
                l.push(v.clone());
            }
        }
        p.insert(k, json!(l));
    }
    for (k, v) in pairs("$remove") {
        match p.get(&k) {
            None | Some(Json::Null) => {}
            Some(Json::Array(l)) => {
                let rest: Vec<Json> = l.iter().filter(|have| !same(have, &v)).cloned().collect();
                p.insert(k, json!(rest));
            }
            Some(one) if same(one, &v) => {
                p.remove(&k);
            }
            Some(_) => return Err(()),
        }
    }
    for name in listed(ops.get("$unset")) {
        p.remove(name.as_str().unwrap());
    }
    // Null is "not set".
    p.retain(|_, v| !v.is_null());
    let gone = ops.contains_key("$delete") || profile.is_none() && p.is_empty();
    Ok((!gone).then_some(p))
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        (-2i64..4).prop_map(|i| json!(i)),
        (-2i64..6).prop_map(|i| json!(i as f64 / 2.0)),
        prop::sample::select(vec!["", "1", "x", "y"]).prop_map(|s| json!(s)),
    ]
}

fn value() -> impl Strategy<Value = Json> {
    prop_oneof![
        4 => scalar(),
        1 => any::<bool>().prop_map(|b| json!(b)),
        1 => Just(json!({"k": 1})),
        4 => prop::collection::vec(scalar(), 0..5).prop_map(|l| json!(l)),
    ]
}

fn name() -> impl Strategy<Value = String> {
    "[a-d]"
}

fn pairs_of(v: impl Strategy<Value = Json>, n: usize) -> impl Strategy<Value = Json> {
    prop::collection::btree_map(name(), v, 0..n).prop_map(|m| Json::Object(m.into_iter().collect()))
}

fn operations() -> impl Strategy<Value = Json> {
    let number = scalar().prop_filter("a number", Json::is_number);
    let names = prop::collection::vec(name(), 1..3).prop_map(|l| json!(l));
    let unions = prop::collection::vec(scalar(), 1..4).prop_map(|l| json!(l));
    let nullable = prop_oneof![5 => value(), 1 => Just(json!(null))];
    let op = prop_oneof![
        3 => pairs_of(nullable.clone(), 4).prop_map(|p| ("$set", p)),
        3 => pairs_of(nullable, 4).prop_map(|p| ("$set_once", p)),
        2 => pairs_of(number, 2).prop_map(|p| ("$add", p)),
        3 => pairs_of(value(), 3).prop_map(|p| ("$append", p)),
        3 => pairs_of(unions, 3).prop_map(|p| ("$union", p)),
        2 => pairs_of(scalar(), 2).prop_map(|p| ("$remove", p)),
        2 => names.prop_map(|n| ("$unset", n)),
        1 => Just(("$delete", json!(""))),
    ];
    prop::collection::vec(op, 1..4)
        .prop_map(|ops| Json::Object(ops.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()))
}

proptest! {
    #[test]
    fn operations_agree_with_the_naive_way(
        start in prop::option::of(pairs_of(value(), 4)),
        updates in prop::collection::vec(operations(), 1..6),
    ) {
        let limits = Limits::default();
        let mut got = start.as_ref().map(Value::from_json);
        let mut want = start.as_ref().and_then(Json::as_object).cloned();
        for ops in &updates {
            let result = apply(got.as_ref(), &update(ops), NOW, &limits);
            let naive = naive(want.as_ref(), ops.as_object().unwrap());
            prop_assert_eq!(result.is_err(), naive.is_err(), "{} on {:?}", ops, want);
            if let (Ok(g), Ok(w)) = (result, naive) {
                (got, want) = (g, w);
            }
            prop_assert_eq!(&got, &want.as_ref().map(|m| Value::from_json(&Json::Object(m.clone()))), "{}", ops);
        }
    }

    #[test]
    fn any_json_is_read_without_panic(text in "[\\[\\]{}:,\"$a-z0-9. ]{0,60}") {
        if let Ok(v) = serde_json::from_str::<Value>(&text) {
            for what in [What::Users, What::Groups] {
                let n = match &v { Value::List(l) => l.len(), _ => 1 };
                let (good, bad) = parse_updates(&v, &Limits::default(), what);
                prop_assert_eq!(good.len() + bad.len(), n);
            }
        }
    }
}
