//! What is wrong with a text, where, and what to do about it.

use crate::error::Error;
use crate::expr::{BinaryOp, Expr, MAX_CHARS, MAX_DEPTH, parse};
use crate::value::Value;

/// Message, position, and a part of the hint.
fn wrong(text: &str, message: &str, position: usize, hint: &str) {
    match parse(text) {
        Err(Error::Syntax {
            message: m,
            position: p,
            hint: Some(h),
        }) => {
            assert_eq!((m.as_str(), p), (message, position), "{text}");
            assert!(h.contains(hint), "{text}: {h}");
        }
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn errors_point_at_the_place_and_help() {
    wrong("", "the filter is empty", 1, "properties[\"country\"]");
    wrong("  ", "the filter is empty", 3, "properties[\"country\"]");
    wrong("properties[\"a\"] = 1", "unexpected \"=\"", 17, "Use == to compare");
    wrong("properties[\"a\"] <> 1", "unexpected \"<>\"", 17, "!=");
    wrong("true && false", "unexpected \"&\"", 6, "the word and");
    wrong("!true", "unexpected \"!\"", 1, "the word not");
    wrong("user.plan == 1", "unexpected \".\"", 5, "properties[\"country\"]");
    wrong("“a” == 1", "unexpected \"“\"", 1, "straight quotes");
    wrong("properties[\"ä\"] == §", "unexpected \"§\"", 20, "quotes");
    wrong(
        "country == \"DE\"",
        "unknown name \"country\"",
        1,
        "properties[\"country\"]",
    );
    wrong(
        "properties[\"a\"] == DE",
        "unknown name \"DE\"",
        20,
        "Strings need quotes: \"DE\"",
    );
    wrong(
        "property[\"a\"] == 1",
        "unknown name \"property\"",
        1,
        "Did you mean properties[",
    );
    wrong(
        "properties[\"a\"] == nul",
        "unknown name \"nul\"",
        20,
        "Did you mean null?",
    );
    wrong("properties[a] == 1", "unexpected \"a\"", 12, "in quotes");
    wrong("properties == 1", "unexpected \"==\"", 12, "Write properties[");
    wrong(
        "group[\"a\"] == 1",
        "unexpected \"==\"",
        12,
        "group[\"company_id\"][\"plan\"]",
    );
    wrong(
        "event[\"x\"] == 1",
        "an event has no field \"x\"",
        7,
        "properties[\"x\"]",
    );
    wrong(
        "(true and (false)",
        "the filter ends too early",
        18,
        "opened at position 1",
    );
    wrong("true)", "unexpected \")\"", 5, "No parenthesis is open");
    wrong("1 in [1, 2", "the filter ends too early", 11, "opened at position 6");
    wrong("1 in [1, 2)", "unexpected \")\"", 11, "Expected ]");
    wrong("true true", "unexpected \"true\"", 6, "operator");
    wrong("properties[\"a\"] is null", "unexpected \"is\"", 17, "== null");
    wrong("properties[\"a\"] like 'x%'", "unexpected \"like\"", 17, "contains");
    wrong(
        "properties[\"a\"] between 1 and 2",
        "unexpected \"between\"",
        17,
        ">= low",
    );
    wrong("true adn false", "unexpected \"adn\"", 6, "Did you mean and?");
    wrong(
        "properties[\"a\"] == ",
        "the filter ends too early",
        20,
        "value is missing",
    );
    wrong("== 1", "unexpected \"==\"", 1, "value is missing");
    wrong("and true", "unexpected \"and\"", 1, "value is missing");
    wrong("1 < 2 < 3", "unexpected \"<\"", 7, "a < b and b < c");
    wrong("1 == not true", "unexpected \"not\"", 6, "(not …)");
    wrong("\"abc", "the string does not end", 1, "close it with \"");
    wrong("\"a\\x\"", "unknown escape in a string", 3, "\\\\");
    wrong("'\\ud800'", "unknown escape in a string", 2, "hexadecimal");
    wrong("1.e", "\"1.\" is not a number", 1, "0.5");
    wrong("12abc == 1", "\"12a\" is not a number", 1, "quotes");
    wrong("1e999 > 1", "the number is too large", 1, "1.7e308");
    wrong("properties[\"a\"][-1]", "unexpected \"-\"", 17, "whole number");
}

#[test]
fn errors_of_functions() {
    wrong(
        "contain(\"a\", \"b\")",
        "unknown function \"contain\"",
        1,
        "Did you mean contains?",
    );
    wrong(
        "frobnicate(1)",
        "unknown function \"frobnicate\"",
        1,
        "The functions are floor",
    );
    wrong("true and lower", "unknown name \"lower\"", 10, "lower(…)");
    wrong("floor(1, 2) == 1", "floor takes 1 argument, not 2", 1, "floor(value)");
    wrong("1 == string()", "string takes 1 or 2 arguments, not 0", 6, "default");
    wrong(
        "contains(\"a\")",
        "contains takes 2 arguments, not 1",
        1,
        "contains(text, \"part\")",
    );
    wrong("in_list(1)", "in_list takes 2 arguments, not 1", 1, "in_list(value");
    wrong("any(properties[\"a\"], true)", "unexpected \"properties\"", 5, "any(X,");
    wrong("all(X, [1])", "unexpected \")\"", 11, "all(X,");
    wrong("any(X, [X], true)", "unknown name \"X\"", 9, "quotes");
    wrong("cohort(vip)", "unexpected \"vip\"", 8, "in quotes");
    wrong(
        "datetime(\"yesterday\") > 1",
        "\"yesterday\" is not a date",
        10,
        "2024-01-31",
    );
    wrong("datetime(null) > 1", "null is not a date", 10, "2024-01-31");
    wrong(
        "matches(\"a\", properties[\"p\"])",
        "the pattern of matches must be written out",
        14,
        "regex",
    );
    let e = parse("matches('a',  '(')").unwrap_err();
    assert!(
        matches!(&e, Error::Syntax { position: 15, message, .. } if message.contains("unclosed group")),
        "{e:?}"
    );
    let e = parse("matches('a', '(a{1000}){1000}{1000}')").unwrap_err();
    assert!(
        matches!(&e, Error::Syntax { message, .. } if message.contains("memory")),
        "{e:?}"
    );
}

#[test]
fn length_and_depth_are_bounded() {
    let long = format!("true{}", " ".repeat(MAX_CHARS));
    assert!(matches!(parse(&long), Err(Error::Syntax { position: 20_001, .. })));
    let nested = |n| format!("{}true{}", "(".repeat(n), ")".repeat(n));
    assert!(parse(&nested(MAX_DEPTH - 1)).is_ok());
    wrong(&nested(MAX_DEPTH), "more than 64 levels of nesting", 65, "parentheses");
    wrong(&nested(9_000), "more than 64 levels of nesting", 65, "parentheses");
    assert!(parse(&"not ".repeat(4_000)).is_err());
    assert!(parse(&format!("1{} == 1", " + 1".repeat(60))).is_ok());
    assert!(parse(&format!("1{} == 1", " + 1".repeat(3_000))).is_err());
    assert!(parse(&format!("properties[\"a\"]{}", "[0]".repeat(3_000))).is_err());
    // Chains of conditions are one level, however long.
    let chain = format!("properties[\"a\"] == 0{}", " or properties[\"a\"] == 1".repeat(800));
    assert!(matches!(parse(&chain), Ok(Expr::Or(l)) if l.len() == 801));
}

#[test]
fn spellings() {
    let same = |a: &str, b: &str| assert_eq!(parse(a).unwrap(), parse(b).unwrap(), "{a}");
    same("'it\\'s \"x\"' == 1", "\"it's \\\"x\\\"\" == 1");
    same("\"\\u00e4\\ud83d\\ude00\\n\" == 1", "'ä😀\n' == 1");
    same(
        "PROPERTIES[\"a\"] IN [1] AND NOT True",
        "properties[\"a\"] in [1] and not true",
    );
    same("event[\"$time\"] > 1", "\"$time\" > 1");
    same("properties[\"$time\"] > 1", "'$time' > 1");
    same("event[\"$name\"] == 'x'", "properties[\"$event_name\"] == 'x'");
    same("properties[\"$distinct_id\"] == 'x'", "\"$distinct_id\" == 'x'");
    same("starts_with('a', 'b')", "Has_Prefix('a','b')");
    same("1 not in [2]", "not (1 in [2])");
    same("not 1 in [2]", "not (1 in [2])");
    same(
        "1 + 2 * 3 == 7 and true or false",
        "((1 + (2 * 3)) == 7 and true) or false",
    );
    same("not true and false", "(not true) and false");
    same("-1 - -1 == 0", "((-1) - (-1)) == 0");
    assert_ne!(parse("(true and true) and true"), parse("true and true and true"));
    assert_eq!(
        parse("-1.50 < 2e3").unwrap(),
        Expr::Binary(
            BinaryOp::Lt,
            Expr::Literal(Value::number(-1.5)).into(),
            Expr::Literal(Value::Int(2000)).into()
        )
    );
    assert_eq!(parse("cohort('vip')"), Ok(Expr::Cohort("vip".into())));
}

#[test]
fn printing_puts_parentheses_where_they_are_needed() {
    for text in [
        "(true or false) and not (true and false)",
        "not not 1 == 2",
        "(1 + 2) * -properties[\"a\"] - (3 - 4) / --5 == 6 % 7",
        "(1 < 2) == (not true)",
        "(properties[\"a\"] + \"b\")[\"k\"][0] == undefined",
        "any(X, [1, [2]], X[\"a\"] in [null, \"\\\"\\\\\\n\"])",
        "string(group[\"k\"][\"p\"], \"none\") == user[\"plan\"]",
    ] {
        assert_eq!(parse(text).unwrap().to_string(), text);
    }
}
