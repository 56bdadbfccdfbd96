//! The meaning of the language, case by case (semantics.md §2.15, §4.6, §4.8).

use super::world::{COMPANY, World, json};
use crate::chunk::{Chunk, Column, Events, GroupColumn, Hits, PropertyColumn, USER};
use crate::error::Error;
use crate::expr::profile::value_of;
use crate::expr::{Filter, ProfileFilter, ProfileScope, bind, eval_object, parse};
use crate::mask::Mask;
use crate::tick::NoTick;
use crate::time::Calendar;

const PROFILE: &str = r#"{"s":"hello","n":5,"f":2.5,"t":true,"nul":null,"tags":["a","b","a long one"],"nums":[1,5,10],
    "empty":[],"o":{"k":"v"},"cart":[{"sku":"A","price":5},{"sku":"B","price":50}]}"#;

/// Compares values of expressions over a profile; `undefined` is what it says.
fn table(cases: &[(&str, &str)]) {
    let calendar = Calendar::new("Europe/Berlin", "monday").unwrap();
    for (text, expected) in cases {
        let e = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let got = value_of(&e, &json(PROFILE), &calendar).unwrap_or_else(|e| panic!("{text}: {e}"));
        let expected = (*expected != "undefined").then(|| json(expected));
        assert_eq!(got, expected, "{text}");
    }
}

#[test]
fn equality_is_strict_and_inequality_its_negation() {
    table(&[
        ("1 == 1.0", "true"),
        ("1 == \"1\"", "false"),
        ("1 != \"1\"", "true"),
        ("true == 1", "false"),
        ("\"a\" == \"A\"", "false"),
        ("properties[\"nul\"] == null", "true"),
        ("properties[\"missing\"] == null", "false"),
        ("properties[\"missing\"] == undefined", "true"),
        ("properties[\"nul\"] == undefined", "false"),
        ("properties[\"missing\"] == \"x\"", "false"),
        ("properties[\"missing\"] != \"x\"", "true"),
        ("properties[\"nul\"] != \"x\"", "true"),
        ("9007199254740993 == 9007199254740992", "false"),
        ("[1,2] == [1,2]", "true"),
        ("[1,2] == [2,1]", "false"),
    ]);
}

#[test]
fn comparisons_need_two_numbers() {
    table(&[
        ("2 < 10", "true"),
        ("10 <= 10", "true"),
        ("9007199254740993 > 9007199254740992", "true"),
        ("\"2\" < \"10\"", "undefined"),
        ("2 < \"10\"", "undefined"),
        ("null < 1", "undefined"),
        ("properties[\"missing\"] >= 0", "undefined"),
        ("true > false", "undefined"),
        ("not (\"a\" < \"b\")", "true"),
    ]);
}

#[test]
fn arithmetic() {
    table(&[
        ("1 + 2", "3"),
        ("\"a\" + \"b\"", "\"ab\""),
        ("\"a\" + 1", "undefined"),
        ("1 + null", "undefined"),
        ("7 / 2", "3.5"),
        ("8 / 2", "4"),
        ("1 / 0", "undefined"),
        ("0 / 0", "undefined"),
        ("7 % 3", "1"),
        ("-7 % 3", "-1"),
        ("7 % -3", "1"),
        ("-7.5 % 2", "-1.5"),
        ("7 % 0", "undefined"),
        ("1e308 * 10", "undefined"),
        ("9223372036854775807 + 1", "9223372036854775808"),
        ("-properties[\"n\"]", "-5"),
        ("-\"x\"", "undefined"),
        ("2 + 3 * 4 - 6 / 2", "11"),
        ("(2 + 3) * 4", "20"),
        ("10 - 3 - 2", "5"),
        ("- 2 * 3", "-6"),
    ]);
}

#[test]
fn in_is_substring_or_membership() {
    table(&[
        ("\"ell\" in \"hello\"", "true"),
        ("\"hello\" in \"ell\"", "false"),
        ("\"ell\" in properties[\"s\"]", "true"),
        ("\"x\" in properties[\"missing\"]", "undefined"),
        ("not \"x\" in properties[\"missing\"]", "true"),
        ("5 in \"5\"", "undefined"),
        ("properties[\"n\"] in [1, 5]", "true"),
        ("properties[\"n\"] in [\"5\"]", "false"),
        ("properties[\"n\"] in []", "false"),
        ("properties[\"n\"] not in [1, 5]", "false"),
        ("properties[\"missing\"] in [1, null]", "false"),
        ("properties[\"missing\"] not in [1]", "true"),
        ("properties[\"nul\"] in [null]", "true"),
        ("\"a\" in properties[\"tags\"]", "true"),
        ("\"long\" in properties[\"tags\"]", "false"),
        ("properties[\"tags\"] in [\"b\", \"z\"]", "true"),
        ("in_list(properties[\"s\"], [\"x\", \"hello\"])", "true"),
        ("in_list(properties[\"s\"], \"hello\")", "undefined"),
    ]);
}

#[test]
fn and_or_not_know_three_values() {
    table(&[
        ("true and true", "true"),
        ("undefined and true", "false"),
        ("undefined or true", "true"),
        ("undefined or undefined", "false"),
        ("not undefined", "true"),
        ("not null", "undefined"),
        ("not 1", "undefined"),
        ("not properties[\"s\"]", "undefined"),
        ("not not true", "true"),
        ("properties[\"t\"] and true", "true"),
        ("properties[\"s\"] or false", "false"),
        ("true or false and false", "true"),
        ("not false and false", "false"),
        ("not 1 == 2", "true"),
        ("TRUE AND Not FALSE", "true"),
    ]);
}

#[test]
fn functions() {
    table(&[
        ("number(\"abc\")", "undefined"),
        ("number(\" -1.5e1 \")", "-15"),
        ("number(\"inf\")", "undefined"),
        ("number(\"\")", "undefined"),
        ("number(true)", "1"),
        ("number(null)", "undefined"),
        ("number(undefined)", "undefined"),
        ("string(10)", "\"10\""),
        ("string(2.50)", "\"2.5\""),
        ("string(true)", "\"true\""),
        ("string(null)", "null"),
        ("string(undefined)", "undefined"),
        ("string(undefined, \"none\")", "\"none\""),
        ("string(null, \"none\")", "\"none\""),
        ("string(1, \"none\")", "\"1\""),
        ("boolean(\"false\")", "false"),
        ("boolean(\"x\")", "true"),
        ("boolean(\"\")", "false"),
        ("boolean(0)", "false"),
        ("boolean(null)", "false"),
        ("boolean(undefined)", "false"),
        ("defined(undefined)", "false"),
        ("defined(null)", "false"),
        ("defined(\"\")", "true"),
        ("defined(false)", "true"),
        ("floor(2.7)", "2"),
        ("floor(-2.2)", "-3"),
        ("ceil(2.2)", "3"),
        ("round(2.5)", "3"),
        ("round(-2.5)", "-3"),
        ("floor(\"2\")", "undefined"),
        ("lower(\"ÄB\")", "\"äb\""),
        ("upper(1)", "undefined"),
        ("len(\"äö\")", "2"),
        ("len(properties[\"tags\"])", "3"),
        ("len(1)", "undefined"),
        ("has_prefix(\"hello\", \"he\")", "true"),
        ("starts_with(\"hello\", \"lo\")", "false"),
        ("has_suffix(\"hello\", \"lo\")", "true"),
        ("ends_with(properties[\"missing\"], \"x\")", "undefined"),
        ("contains(\"hello\", \"ell\")", "true"),
        ("contains(5, \"5\")", "undefined"),
        ("matches(\"abc123\", \"\\\\d+$\")", "true"),
        ("matches(\"abc\", \"^B\")", "false"),
        ("matches(\"abc\", \"(?i)^AB\")", "true"),
    ]);
}

#[test]
fn instants_are_milliseconds() {
    table(&[
        ("datetime(\"2024-01-01\")", "1704063600000"),
        ("datetime(\"2024-01-01T00:00:00Z\")", "1704067200000"),
        (
            "datetime(\"2024-01-01T10:00:00\") - datetime(\"2024-01-01\")",
            "36000000",
        ),
        ("datetime(1704067200)", "1704067200000"),
        ("datetime(1704067200000)", "1704067200000"),
        ("datetime(\"20\" + \"x\")", "undefined"),
        ("datetime(properties[\"missing\"])", "undefined"),
    ]);
}

#[test]
fn any_element_of_a_list_decides() {
    table(&[
        ("properties[\"tags\"] == \"a\"", "true"),
        ("properties[\"tags\"] != \"a\"", "false"),
        ("properties[\"tags\"] != \"z\"", "true"),
        ("properties[\"nums\"] > 7", "true"),
        ("properties[\"nums\"] > 10", "false"),
        ("properties[\"tags\"] > 10", "undefined"),
        ("properties[\"empty\"] > 10", "undefined"),
        ("contains(properties[\"tags\"], \"long\")", "true"),
        ("not contains(properties[\"tags\"], \"long\")", "false"),
        ("not contains(properties[\"tags\"], \"z\")", "true"),
        ("upper(properties[\"tags\"]) == \"B\"", "true"),
        ("any(X, properties[\"tags\"], X == \"b\")", "true"),
        ("all(X, properties[\"tags\"], X == \"b\")", "false"),
        ("all(X, properties[\"nums\"], X > 0)", "true"),
        ("all(X, properties[\"empty\"], true)", "false"),
        ("all(X, properties[\"missing\"], true)", "false"),
        ("all(X, properties[\"nul\"], true)", "false"),
        ("any(X, properties[\"empty\"], true)", "false"),
        ("any(X, properties[\"n\"], X == 5)", "true"),
        ("all(tag, [\"ab\", \"ac\"], has_prefix(tag, \"a\"))", "true"),
        ("any(X, [1, 2], any(Y, [2, 3], X == Y))", "true"),
        ("any(X, [1], any(X, [2], X == 1))", "false"),
    ]);
}

#[test]
fn members_of_objects() {
    table(&[
        ("properties[\"o\"][\"k\"]", "\"v\""),
        ("properties[\"o\"][\"z\"]", "undefined"),
        ("properties[\"tags\"][1]", "\"b\""),
        ("properties[\"tags\"][9]", "undefined"),
        (
            "any(X, properties[\"cart\"], X[\"sku\"] == \"A\" and X[\"price\"] > 10)",
            "false",
        ),
        (
            "any(X, properties[\"cart\"], X[\"sku\"] == \"B\" and X[\"price\"] > 10)",
            "true",
        ),
    ]);
}

#[test]
fn the_example_of_list_properties() {
    let chunk = Chunk {
        events: Events::One(1),
        user: vec![1; 3],
        time: vec![0; 3],
        properties: vec![PropertyColumn {
            property: 4,
            column: Column::Dict {
                values: [r#"["P1","P2","P4"]"#, r#"["P2","P3","P4"]"#, r#"["P3","P4"]"#]
                    .map(json)
                    .to_vec(),
                codes: vec![1, 2, 3],
            },
        }],
        ..Chunk::default()
    };
    let count = |text| run(text, &chunk, USER).rows.count();
    assert_eq!(count("any(X, properties[\"l\"], X == \"P1\")"), 1);
    assert_eq!(count("properties[\"l\"] == \"P1\""), 1);
    assert_eq!(count("all(X, properties[\"l\"], X == \"P1\")"), 0);
    assert_eq!(count("properties[\"l\"] != \"P1\""), 2);
    assert_eq!(count("properties[\"gone\"] != \"P1\""), 3);
    assert_eq!(count("properties[\"nobody sent this\"] == \"P1\""), 0);
    assert_eq!(count("not defined(properties[\"nobody sent this\"])"), 3);
}

fn filter(text: &str, by: u16) -> Result<Filter, Error> {
    bind(&parse(text).unwrap(), &World::new(), by)
}

fn run(text: &str, chunk: &Chunk, by: u16) -> Hits {
    filter(text, by)
        .unwrap()
        .hits(chunk, &Mask::all(chunk.len()), &mut NoTick)
        .unwrap()
}

/// Row 0 of acme (pro) and globex (free), row 1 of globex, row 2 of nobody, by user 1 (linked to acme and globex),
/// row 3 of nobody, by user 2 (linked to 42).
fn attributed() -> Chunk {
    Chunk {
        events: Events::One(1),
        user: vec![1, 2, 1, 2],
        time: vec![0; 4],
        groups: vec![GroupColumn {
            kind: COMPANY,
            first: vec![1, 2, 0, 0],
            more: vec![(0, 2)],
        }],
        ..Chunk::default()
    }
}

#[test]
fn in_a_group_report_every_attribution_is_asked_on_its_own() {
    let chunk = attributed();
    let subjects = |text: &str| {
        let mut out = Vec::new();
        chunk.for_each_subject(COMPANY, &run(text, &chunk, COMPANY), |row, s| out.push((row, s)));
        out
    };
    let plan = |op: &str| subjects(&format!("group[\"company_id\"][\"plan\"] {op}"));
    assert_eq!(plan("== \"pro\""), [(0, 1)]);
    assert_eq!(plan("== \"free\""), [(1, 2), (0, 2)]);
    assert_eq!(plan("!= \"pro\""), [(1, 2), (0, 2)]);
    assert_eq!(subjects("group[\"company_id\"][\"$group_id\"] == \"acme\""), [(0, 1)]);
    // Without properties of the group both attributions follow the row.
    assert_eq!(run("\"$distinct_id\" == \"u1\"", &chunk, COMPANY).more, None);
    assert_eq!(subjects("\"$distinct_id\" == \"u1\""), [(0, 1), (0, 2)]);
}

#[test]
fn in_a_user_report_groups_come_from_the_event_or_else_from_the_profile() {
    let chunk = attributed();
    let rows = |text: &str| run(text, &chunk, USER).rows.ones().collect::<Vec<_>>();
    assert_eq!(rows("group[\"company_id\"][\"plan\"] == \"pro\""), [0, 2]);
    assert_eq!(rows("group[\"company_id\"][\"plan\"] != \"pro\""), [1, 3]);
    assert_eq!(rows("all(X, group[\"company_id\"][\"plan\"], X == \"free\")"), [1]);
    assert_eq!(rows("group[\"company_id\"][\"plan\"] == null"), [3]);
    // Elements of a list of one of several groups are elements of the joined list.
    assert_eq!(rows("group[\"company_id\"][\"tags\"] == \"a\""), [0, 2]);
    assert_eq!(rows("defined(group[\"company_id\"][\"tags\"])"), [0, 2, 3]);
    assert_eq!(rows("group[\"company_id\"][\"$group_id\"] in [\"globex\"]"), [0, 1, 2]);
    // Nobody is linked to teams.
    assert_eq!(rows("defined(group[\"team\"][\"size\"])"), [0; 0]);
}

#[test]
fn filters_tell_what_they_read() {
    let f = filter(
        "properties[\"n\"] > 1 and properties[\"s\"] == \"a\" and properties[\"nope\"] == 1 and group[\"team\"][\"size\"] > 1",
        COMPANY,
    )
    .unwrap();
    assert_eq!(f.properties().iter().copied().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(f.kinds().iter().copied().collect::<Vec<_>>(), [2]);
    let r = parse("user[\"plan\"] == properties[\"p\"] or event[\"$name\"] == \"x\" and group[\"k\"][\"$group_id\"] == '$distinct_id'")
        .unwrap()
        .references();
    assert_eq!(r.properties.into_iter().collect::<Vec<_>>(), ["p"]);
    assert_eq!(r.user.into_iter().collect::<Vec<_>>(), ["plan"]);
    assert_eq!(
        r.group.into_iter().collect::<Vec<_>>(),
        [("k".into(), "$group_id".into())]
    );
    assert!(r.event_name && r.distinct_id && !r.time);
    fn shared<T: Send + Sync>() {}
    shared::<Filter>();
}

#[test]
fn cohorts_are_conditions_on_what_is_counted() {
    let chunk = attributed();
    let rows = |text: &str| {
        run(text, &chunk, USER)
            .rows
            .ones()
            .map(|r| chunk.user[r])
            .collect::<Vec<_>>()
    };
    let all = rows("true");
    let staff: Vec<u32> = all.iter().copied().filter(|u| *u == 1).collect();
    assert!(!staff.is_empty() && staff.len() < all.len());
    assert_eq!(rows("cohort(\"staff\")"), staff);
    // Whoever the cohort does not know is not in it.
    assert_eq!(rows("not cohort(\"staff\")").len(), all.len() - staff.len());
    assert_eq!(rows("cohort(\"staff\") and not cohort(\"staff\")"), [0; 0]);
    // Each group of an event is asked on its own.
    let pairs = |text: &str| {
        let mut out = Vec::new();
        chunk.for_each_subject(COMPANY, &run(text, &chunk, COMPANY), |row, s| out.push((row, s)));
        out
    };
    let everything = pairs("true");
    let large: Vec<_> = everything.iter().copied().filter(|(_, s)| [2, 3].contains(s)).collect();
    assert!(!large.is_empty() && large.len() < everything.len());
    assert_eq!(pairs("cohort(\"large\")"), large);
    assert_eq!(pairs("not cohort(\"large\")").len(), everything.len() - large.len());
    refused(
        "cohort(\"large\")",
        USER,
        "cohort \"large\" holds groups of company_id, and something else is counted",
    );
    refused(
        "cohort(\"staff\")",
        COMPANY,
        "cohort \"staff\" holds users, and something else is counted",
    );
    let read = parse("cohort(\"staff\") or any(x, properties[\"l\"], cohort('large'))")
        .unwrap()
        .references();
    assert_eq!(read.cohorts.into_iter().collect::<Vec<_>>(), ["large", "staff"]);
}

fn refused(text: &str, by: u16, message: &str) {
    match filter(text, by) {
        Err(Error::Param { message: m, hint }) => {
            assert_eq!(m, message, "{text}");
            assert!(hint.is_some(), "{text}");
        }
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn what_binding_refuses() {
    refused("1", USER, "the filter is not a condition but a number");
    refused("\"pro\"", USER, "the filter is not a condition but a string");
    refused(
        "properties[\"a\"] * 2",
        USER,
        "the filter is not a condition but a number",
    );
    refused("undefined", USER, "the filter is not a condition but undefined");
    refused(
        "properties[\"a\"] == 1 or 2",
        USER,
        "or needs conditions, but 2 is a number",
    );
    refused(
        "\"x\" and properties[\"a\"]",
        USER,
        "and needs conditions, but \"x\" is a string",
    );
    refused("cohort(\"vip\")", USER, "unknown cohort \"vip\"");
    refused("group[\"planet\"][\"x\"] == 1", USER, "unknown group key \"planet\"");
    refused(
        "user[\"plan\"] == \"pro\"",
        COMPANY,
        "user[\"plan\"] is not available when groups are counted",
    );
    assert!(filter("properties[\"t\"]", USER).is_ok());
    assert!(filter("properties[\"nope\"]", USER).is_ok());
    assert!(filter("undefined or properties[\"nope\"]", USER).is_ok());
}

#[test]
fn profiles_are_asked_alike() {
    let utc = Calendar::utc();
    let holds = |text: &str, scope| eval_object(&parse(text).unwrap(), scope, &json(PROFILE), "id-1", &utc);
    let company = ProfileScope::Group("company_id");
    for (text, scope) in [
        (
            "user[\"n\"] == 5 and properties[\"s\"] == \"hello\"",
            ProfileScope::User,
        ),
        (
            "user[\"$distinct_id\"] == \"id-1\" and \"$distinct_id\" == \"id-1\"",
            ProfileScope::User,
        ),
        ("group[\"company_id\"][\"n\"] == 5 and properties[\"f\"] < 3", company),
        (
            "group[\"company_id\"][\"$group_id\"] == \"id-1\" and properties[\"$group_id\"] != \"x\"",
            company,
        ),
        ("not defined(properties[\"zzz\"])", company),
    ] {
        assert_eq!(holds(text, scope), Ok(true), "{text}");
        assert_eq!(holds(&format!("not ({text})"), scope), Ok(false), "{text}");
    }
    for (text, scope) in [
        ("user[\"n\"] == 5", company),
        ("group[\"team\"][\"n\"] == 5", company),
        ("group[\"company_id\"][\"n\"] == 5", ProfileScope::User),
        ("\"$time\" > 5", ProfileScope::User),
        ("event[\"$name\"] == \"x\"", company),
        ("5", company),
    ] {
        assert!(
            matches!(holds(text, scope), Err(Error::Param { hint: Some(_), .. })),
            "{text}"
        );
    }
    let bound = ProfileFilter::bind(&parse("user[\"n\"] > 1").unwrap(), ProfileScope::User, &utc).unwrap();
    assert!(bound.matches(&json("{\"n\":2}"), "a"));
    assert!(!bound.matches(&json("{}"), "a"));
    assert!(!bound.matches(&json("[2]"), "a"));
}
