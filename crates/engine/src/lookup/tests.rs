//! Lookup tables against joins by hand.

use super::{Lookup, Lookups, Table};
use crate::breakdown::{Breakdown, Dimension, Event, Segments};
use crate::chunk::{Chunk, Column, Events, ProfileColumn, PropertyColumn, USER};
use crate::error::Error;
use crate::gather::Budget;
use crate::tick::NoTick;
use crate::value::Value;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn csv(text: &str) -> Result<Table, Error> {
    Table::from_csv(text, &mut NoTick)
}

fn message(found: Result<Table, Error>) -> String {
    match found {
        Err(Error::Param { message, .. } | Error::Limit { message, .. }) => message,
        other => panic!("{other:?}"),
    }
}

fn lookup(pairs: &[(&str, &str)]) -> Lookup {
    let pairs = pairs.iter().map(|(k, v)| (Box::from(*k), json(v)));
    Lookup::new(pairs, &mut NoTick).unwrap()
}

#[test]
fn fields_say_their_types() {
    let table = csv("k,v\n1,12\n2,-0.5\n3,1e3\n4,True\n5,FALSE\n6,\n7,\"[\"\"a\"\",\"\"b\"\"]\"\n8,[1]\n9,007\n10,2024-01-31T10:00:00Z\n11, 5\n12,-\n13,[a\n14,nan\n15,1e999\n").unwrap();
    let expected = [
        "12",
        "-0.5",
        "1000",
        "true",
        "false",
        "null",
        r#"["a","b"]"#,
        r#""[1]""#,
        r#""007""#,
        r#""2024-01-31T10:00:00Z""#,
        r#"" 5""#,
        r#""-""#,
        r#""[a""#,
        r#""nan""#,
        r#""1e999""#,
    ];
    assert_eq!(table.data[1], format!("[{}]", expected.join(",")));
    assert_eq!((table.rows, table.columns.len()), (15, 2));
}

#[test]
fn csv_is_that_of_the_rfc() {
    let table = csv("\u{feff}k,\"a \"\"b\"\"\",c\r\n\"x,y\",\"two\r\nlines\",\r\n\r\nlast,\"\",\"1\"").unwrap();
    assert_eq!(table.columns, ["k", "a \"b\"", "c"]);
    assert_eq!(
        table.data,
        [r#"["x,y","last"]"#, r#"["two\r\nlines",null]"#, "[null,1]"]
    );
    let only_keys = csv("k\na\nb").unwrap();
    assert_eq!(only_keys.data, [r#"["a","b"]"#]);
    assert_eq!(csv("k,v\n").unwrap().data, ["[]", "[]"]);
}

#[test]
fn wrong_tables_are_refused_with_every_reason() {
    for (text, expected) in [
        ("", "the table is empty"),
        ("k,v,v\n", "header: two columns are called \"v\""),
        ("k,,v\n", "header: column 2 has no name"),
        ("k,\"v\n", "header: a quote that is never closed"),
        ("k,v\n ,1\n", "primary key is required and cannot be blank (row 1)"),
        (
            "k,v\na,1,2\n",
            "invalid row: wrong number of fields (row 1 has 3, the header 2)",
        ),
        (
            "k,v\na,1\na,2\n",
            "invalid row: row indexes 1 and 2 have the same primary key",
        ),
        (
            "k,v\na,b\"c\nd,\"e\"f\ng,\"h",
            "invalid row: a quote inside of a field that is not quoted (row 1); invalid row: text after the closing quote of a field (row 2); invalid row: a quote that is never closed (row 3)",
        ),
    ] {
        assert_eq!(message(csv(text)), expected, "{text}");
    }
    let many: String = (0..12).map(|i| format!("a{i}\n")).collect();
    let told = message(csv(&format!("k,v\n{many}")));
    assert!(told.ends_with("; and 2 more"), "{told}");
    let long = "k,v\n".repeat(25_000_001);
    assert!(matches!(csv(&long), Err(Error::Limit { .. })));
}

#[test]
fn rows_are_objects_of_any_members() {
    let rows = [
        r#"{"sku":"p1","category":"Shoes"}"#,
        r#"{"price":1.50,"sku":2,"tags":["a",1],"category":""}"#,
    ];
    let table = Table::from_objects(&rows, "sku", &mut NoTick).unwrap();
    assert_eq!(table.columns, ["sku", "category", "price", "tags"]);
    assert_eq!(
        table.data,
        [r#"["p1","2"]"#, r#"["Shoes",null]"#, "[null,1.5]", r#"[null,["a",1]]"#]
    );
    for (rows, expected) in [
        (["1"], "invalid row: not an object (row 1)"),
        ([r#"{"a":1}"#], "primary key is required and cannot be blank (row 1)"),
        (
            [r#"{"sku":[1]}"#],
            "invalid row: the primary key must be a text or a number (row 1)",
        ),
        ([r#"{"sku":1,"a":{"b":1}}"#], "invalid row: \"a\" is an object (row 1)"),
    ] {
        assert_eq!(message(Table::from_objects(&rows, "sku", &mut NoTick)), expected);
    }
}

#[test]
fn lists_stand_for_lists() {
    let of = lookup(&[
        ("P1", "\"Shoes\""),
        ("P2", "\"Hats\""),
        ("42", "[\"x\",\"y\"]"),
        ("true", "1"),
    ]);
    let column = Column::Dict {
        values: vec![
            json(r#"["P1","P9","P2"]"#),
            json("\"P1\""),
            json(r#"["P9"]"#),
            json("[42.0, true]"),
            json("42"),
            json("{\"P1\":1}"),
        ],
        codes: vec![1, 2, 3, 4, 5, 6, 0],
    };
    let joined = of.join(&column, &mut NoTick).unwrap();
    let found: Vec<_> = (0..7).map(|row| joined.get(row).map(|v| v.to_text())).collect();
    let expected = [
        Some(r#"["Shoes",null,"Hats"]"#),
        Some("Shoes"),
        None,
        Some(r#"["x","y",1]"#),
        Some(r#"["x","y"]"#),
        None,
        None,
    ];
    assert_eq!(found, expected.map(|t| t.map(str::to_string)));
}

/// The combinations of category and product of the worked example of lists: each product with its own category.
#[test]
fn elements_stay_with_what_they_stand_for() {
    let lookup = Arc::new(lookup(&[
        ("P1", "\"Shoes\""),
        ("P2", "\"Shoes\""),
        ("P3", "[\"Hats\",\"Sale\"]"),
    ]));
    let mut lookups = Lookups::default();
    let joined = lookups.add(7, lookup.clone()).unwrap();
    let values = ["[\"P1\",\"P2\",\"P4\"]", "[\"P2\",\"P3\"]", "\"P3\"", "[]"]
        .map(json)
        .to_vec();
    let mut chunk = Chunk {
        events: Events::One(1),
        user: vec![1; 5],
        time: vec![0; 5],
        properties: vec![PropertyColumn {
            property: 7,
            column: Column::Dict {
                values,
                codes: vec![1, 2, 3, 4, 0],
            },
        }],
        ..Chunk::default()
    };
    lookups.join(&mut chunk, &[7, joined], &mut NoTick).unwrap();
    chunk.check().unwrap();
    let dimensions = [
        Dimension::Lookup {
            property: joined,
            of: 7,
            lookup,
        },
        Dimension::EventProperty(7),
    ];
    let budget = &mut Budget::new(1 << 20);
    let mut breakdown = Breakdown::new(&dimensions, budget).unwrap();
    let mut segments = Segments::new(2);
    breakdown.next_chunk(&chunk, budget).unwrap();
    let mut of = |row: usize| -> BTreeSet<String> {
        let event = Event::of_row(&chunk, row, USER, &[1], 0);
        let found = breakdown.of(event, 1, &mut segments, budget).unwrap().clone();
        let text = |s: &u32| {
            segments
                .texts(*s as usize)
                .map(|t| t.to_string())
                .collect::<Vec<_>>()
                .join(" ")
        };
        found.iter().map(text).collect()
    };
    let set = |texts: &[&str]| texts.iter().map(|t| t.to_string()).collect::<BTreeSet<_>>();
    assert_eq!(of(0), set(&["Shoes P1", "Shoes P2", "(not set) P4"]));
    assert_eq!(of(1), set(&["Shoes P2", "Hats P3", "Sale P3"]));
    assert_eq!(of(2), set(&["Hats P3", "Sale P3"]));
    assert_eq!(of(3), set(&["(not set) (not set)"]));
    assert_eq!(of(4), set(&["(not set) (not set)"]));
}

/// What a property can hold, near to the keys.
fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        "[abc1]{0,2}".prop_map(Value::str),
        (-2i64..13).prop_map(Value::Int),
        Just(Value::Float(0.5)),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
    ];
    prop_oneof![
        4 => scalar.clone(),
        1 => proptest::collection::vec(scalar, 0..4).prop_map(Value::List),
    ]
}

/// The join as one would do it by hand.
fn by_hand(table: &BTreeMap<String, Value>, value: &Value) -> Option<Value> {
    let of = |v: &Value| match v {
        Value::Null | Value::List(_) | Value::Object(_) => None,
        v => table.get(&v.to_text()).filter(|v| **v != Value::Null).cloned(),
    };
    let Value::List(list) = value else { return of(value) };
    let mut all = Vec::new();
    for element in list {
        match of(element) {
            Some(Value::List(l)) => all.extend(l),
            found => all.push(found.unwrap_or(Value::Null)),
        }
    }
    all.iter().any(|v| *v != Value::Null).then_some(Value::List(all))
}

proptest! {
    #[test]
    fn joins_are_as_by_hand(
        table in proptest::collection::btree_map("[abc1]{1,2}|-?[0-9]|1[0-9]|0\\.5|true|-0", value(), 0..20),
        rows in proptest::collection::vec(proptest::option::of(value()), 1..30),
        numbers in proptest::collection::vec(prop_oneof![
            Just(f64::NAN), Just(-0.0), Just(0.5), (-2i32..13).prop_map(f64::from)
        ], 1..30),
    ) {
        // Through what is stored.
        let keys = serde_json::to_string(&table.keys().collect::<Vec<_>>()).unwrap();
        let column = Value::List(table.values().cloned().collect()).to_text();
        let lookup = Lookup::read(&keys, &column, &mut NoTick).unwrap();

        let mut values: Vec<Value> = Vec::new();
        let codes: Vec<u32> = rows.iter().map(|v| match v {
            None => 0,
            Some(v) => values.iter().position(|o| o == v).unwrap_or_else(|| {
                values.push(v.clone());
                values.len() - 1
            }) as u32 + 1,
        }).collect();
        let profiles = ProfileColumn { values: values.clone(), codes: codes.clone() };
        let joined = lookup.join(&Column::Dict { values, codes }, &mut NoTick).unwrap();
        let of_profiles = lookup.join_profile(&profiles, &mut NoTick).unwrap();
        for (row, value) in rows.iter().enumerate() {
            let expected = value.as_ref().and_then(|v| by_hand(&table, v));
            prop_assert_eq!(joined.get(row).map(|v| v.into_owned()), expected.clone());
            prop_assert_eq!(of_profiles.get(row as u32).cloned(), expected);
        }
        let joined_numbers = lookup.join(&Column::Number(numbers.clone()), &mut NoTick).unwrap();
        for (row, n) in numbers.iter().enumerate() {
            let expected = if n.is_nan() { None } else { by_hand(&table, &Value::number(*n)) };
            prop_assert_eq!(joined_numbers.get(row).map(|v| v.into_owned()), expected);
        }
        for column in [joined, joined_numbers] {
            let Column::Dict { values, codes } = column else { panic!("not a dictionary") };
            let distinct: BTreeSet<&Value> = values.iter().collect();
            prop_assert_eq!(distinct.len(), values.len(), "values are distinct");
            prop_assert!(codes.iter().all(|c| *c as usize <= values.len()));
        }
    }

    #[test]
    fn csv_gives_back_what_was_written(
        rows in proptest::collection::vec(proptest::collection::vec("[a,\"\n\r é]{0,4}", 3), 0..8)
    ) {
        let quoted = |f: &String| format!("\"{}\"", f.replace('"', "\"\""));
        let line = |(i, row): (usize, &Vec<String>)| {
            let fields: Vec<String> = [format!("k{i}")].iter().chain(row).map(quoted).collect();
            fields.join(",")
        };
        let lines: Vec<String> = ["k,a,b,c".to_string()].into_iter().chain(rows.iter().enumerate().map(line)).collect();
        for end in ["\n", "\r\n"] {
            let table = csv(&lines.join(end)).unwrap();
            prop_assert_eq!(table.rows, rows.len());
            for (i, data) in table.data.iter().skip(1).enumerate() {
                let found: Vec<Option<String>> = serde_json::from_str(data).unwrap();
                let written: Vec<Option<String>> =
                    rows.iter().map(|r| Some(r[i].clone()).filter(|f| !f.is_empty())).collect();
                prop_assert_eq!(found, written);
            }
        }
    }
}
