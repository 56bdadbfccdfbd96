//! Random filters over random chunks against the naive evaluator; random texts against the parser.

use super::naive::picks;
use super::world::{COMPANY, TEAM, World, json};
use crate::chunk::{Chunk, Column, Events, GroupColumn, Kind, PropertyColumn, SubjectNo, USER};
use crate::expr::{BinaryOp, Expr, Func, References, Step, bind, parse};
use crate::mask::Mask;
use crate::tick::NoTick;
use crate::value::Value;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeSet;

const DAY: i64 = 86_400_000;

fn literal() -> BoxedStrategy<Expr> {
    let values = [
        "null",
        "true",
        "false",
        "0",
        "1",
        "2",
        "2.5",
        "-3",
        "10",
        "1e3",
        "\"\"",
        "\"a\"",
        "\"ab\"",
        "\"b c\"",
        "\"false\"",
        "\"7\"",
        "\"-1.5\"",
        "\"pro\"",
        "\"acme\"",
        "\"u1\"",
        "\"Buy\"",
        "\"2024-01-02\"",
        "1704063600000",
    ];
    let scalar = select(values.to_vec()).prop_map(|s| Expr::Literal(json(s)));
    prop_oneof![9 => scalar, 1 => Just(Expr::Undefined)].boxed()
}

fn source(by: Kind) -> BoxedStrategy<Expr> {
    let property = select(vec!["s", "s", "n", "n", "m", "m", "l", "l", "gone", "nope"]);
    let property = property.prop_map(|p| Expr::Property(p.into()));
    let company = select(vec!["plan", "seats", "tags", "$group_id", "nope"]);
    let company = company.prop_map(|p| Expr::Group {
        key: "company_id".into(),
        property: p.into(),
    });
    let team = select(vec!["size", "$group_id"]).prop_map(|p| Expr::Group {
        key: "team".into(),
        property: p.into(),
    });
    let event = select(vec![Expr::Time, Expr::EventName, Expr::DistinctId]);
    let user = select(vec!["plan", "age", "tags", "nope"]).prop_map(|p| Expr::User(p.into()));
    if by == USER {
        prop_oneof![8 => property, 3 => company, 1 => team, 1 => event, 2 => user].boxed()
    } else {
        prop_oneof![8 => property, 4 => company, 2 => team, 1 => event].boxed()
    }
}

fn value(by: Kind, depth: u32, vars: bool) -> BoxedStrategy<Expr> {
    let leaf = prop_oneof![3 => source(by), 2 => literal()].boxed();
    let leaf = if vars {
        prop_oneof![1 => leaf, 2 => Just(Expr::Var("X".into()))].boxed()
    } else {
        leaf
    };
    if depth == 0 {
        return leaf;
    }
    let sub = || value(by, depth - 1, vars);
    let ops = vec![
        BinaryOp::Add,
        BinaryOp::Sub,
        BinaryOp::Mul,
        BinaryOp::Div,
        BinaryOp::Rem,
    ];
    let funcs = vec![
        Func::Floor,
        Func::Round,
        Func::Ceil,
        Func::Number,
        Func::String,
        Func::Boolean,
        Func::Datetime,
        Func::Lower,
        Func::Upper,
        Func::Len,
    ];
    let steps = vec![Step::At(0), Step::At(2), Step::Key("k".into())];
    prop_oneof![
        4 => leaf,
        2 => (select(ops), sub(), sub()).prop_map(|(op, a, b)| Expr::Binary(op, a.into(), b.into())),
        2 => (select(funcs), sub()).prop_map(|(f, e)| match (f, e) {
            // A literal that is no date does not parse.
            (Func::Datetime, Expr::Literal(_)) => Expr::Call(f, vec![Expr::Property("s".into())]),
            (f, e) => Expr::Call(f, vec![e]),
        }),
        1 => (sub(), sub()).prop_map(|(e, d)| Expr::Call(Func::String, vec![e, d])),
        1 => source(by).prop_map(|e| Expr::Neg(e.into())),
        1 => (sub(), select(steps)).prop_map(|(e, s)| Expr::Member(e.into(), s)),
        1 => vec(sub(), 0..3).prop_map(Expr::List),
        1 => condition(by, depth - 1, vars),
    ]
    .boxed()
}

fn condition(by: Kind, depth: u32, vars: bool) -> BoxedStrategy<Expr> {
    let compare = vec![
        BinaryOp::Eq,
        BinaryOp::Ne,
        BinaryOp::Lt,
        BinaryOp::Le,
        BinaryOp::Gt,
        BinaryOp::Ge,
        BinaryOp::In,
    ];
    let sub = || value(by, depth.saturating_sub(1), vars);
    let binary = (select(compare), sub(), sub()).prop_map(|(op, a, b)| Expr::Binary(op, a.into(), b.into()));
    let texts = vec![Func::HasPrefix, Func::HasSuffix, Func::Contains];
    let leaf = prop_oneof![
        6 => binary,
        1 => (sub(), vec(literal(), 0..5)).prop_map(|(e, l)| Expr::Binary(BinaryOp::In, e.into(), Expr::List(l).into())),
        1 => (sub(), vec(sub(), 0..3)).prop_map(|(e, l)| Expr::Call(Func::InList, vec![e, Expr::List(l)])),
        1 => sub().prop_map(|e| Expr::Call(Func::Defined, vec![e])),
        1 => (select(texts), sub(), sub()).prop_map(|(f, a, b)| Expr::Call(f, vec![a, b])),
        1 => (sub(), select(vec!["^a", "b", "\\d+"]))
            .prop_map(|(e, p)| Expr::Call(Func::Matches, vec![e, Expr::Literal(Value::str(p))])),
        1 => source(by),
    ]
    .boxed();
    if depth == 0 {
        return leaf;
    }
    let inner = || condition(by, depth - 1, vars);
    prop_oneof![
        4 => leaf,
        2 => vec(inner(), 2..4).prop_map(Expr::And),
        2 => vec(inner(), 2..4).prop_map(Expr::Or),
        2 => inner().prop_map(|e| Expr::Not(e.into())),
        1 => (any::<bool>(), sub(), condition(by, depth - 1, true)).prop_map(|(all, list, condition)| {
            Expr::Quantified {
                all,
                var: "X".into(),
                list: list.into(),
                condition: condition.into(),
            }
        }),
    ]
    .boxed()
}

fn dict(pool: &[&str], picks: &[usize]) -> Column {
    let values: Vec<Value> = pool.iter().map(|s| json(s)).collect();
    Column::Dict {
        codes: picks.iter().map(|p| (p % (values.len() + 1)) as u32).collect(),
        values,
    }
}

fn groups(kind: Kind, lists: &[BTreeSet<SubjectNo>]) -> GroupColumn {
    let mut column = GroupColumn {
        kind,
        first: lists.iter().map(|l| l.first().copied().unwrap_or(0)).collect(),
        more: Vec::new(),
    };
    for (row, list) in lists.iter().enumerate() {
        column.more.extend(list.iter().skip(1).map(|g| (row as u32, *g)));
    }
    column
}

type RandomRow = (u32, u32, i64, [usize; 3], Option<i8>, BTreeSet<u32>, BTreeSet<u32>);

fn chunk() -> impl Strategy<Value = Chunk> {
    let row = (
        1u32..=3,
        0u32..5,
        -2i64..3,
        prop::array::uniform3(0usize..100),
        proptest::option::of(any::<i8>()),
        prop::collection::btree_set(1u32..=5, 0..4),
        prop::collection::btree_set(1u32..=3, 0..3),
    );
    (vec(row, 0..90), any::<bool>(), any::<bool>()).prop_map(|(rows, one, no_team): (Vec<RandomRow>, bool, bool)| {
        let picks = |k: usize| rows.iter().map(|r| r.3[k]).collect::<Vec<_>>();
        let number = |r: &RandomRow| r.4.map_or(f64::NAN, |n| f64::from(n) / 2.0);
        let columns = [
            dict(
                &[
                    "\"a\"",
                    "\"ab\"",
                    "\"b c\"",
                    "\"Pro\"",
                    "\"\"",
                    "\"7\"",
                    "\"false\"",
                    "\"2024-01-02\"",
                ],
                &picks(0),
            ),
            Column::Number(rows.iter().map(number).collect()),
            dict(
                &[
                    "null",
                    "true",
                    "false",
                    "0",
                    "2.5",
                    "10",
                    "\"a\"",
                    "[\"a\",2,null]",
                    "{\"k\":\"a\"}",
                    "[{\"k\":1},{\"k\":10}]",
                    "1000000000001",
                ],
                &picks(1),
            ),
            dict(
                &[
                    "[]",
                    "[\"a\"]",
                    "[\"ab\",\"pro\"]",
                    "[1,2.5,10]",
                    "[[\"a\"],\"7\"]",
                    "[true,null]",
                ],
                &picks(2),
            ),
        ];
        let mut all = vec![groups(COMPANY, &rows.iter().map(|r| r.5.clone()).collect::<Vec<_>>())];
        if !no_team {
            all.push(groups(TEAM, &rows.iter().map(|r| r.6.clone()).collect::<Vec<_>>()));
        }
        let chunk = Chunk {
            events: match one {
                true => Events::One(2),
                false => Events::Each(rows.iter().map(|r| r.0).collect()),
            },
            user: rows.iter().map(|r| r.1).collect(),
            time: rows.iter().map(|r| 1_704_063_600_000 + r.2 * DAY).collect(),
            inserts: None,
            groups: all,
            properties: columns
                .into_iter()
                .enumerate()
                .map(|(i, column)| PropertyColumn {
                    property: i as u32 + 1,
                    column,
                })
                .collect(),
        };
        chunk.check().unwrap();
        chunk
    })
}

fn check(e: &Expr, chunk: &Chunk, base: &Mask, by: Kind) -> Result<(), TestCaseError> {
    let world = World::new();
    let filter = match bind(e, &world, by) {
        Ok(f) => f,
        // A constant can turn out to be undefined, and is then no condition.
        Err(err) => {
            prop_assert_eq!(e.references(), References::default(), "{}: {}", e, err);
            return Ok(());
        }
    };
    let hits = filter.hits(chunk, base, &mut NoTick).unwrap();
    prop_assert!(hits.rows.ones().all(|row| base.get(row)));
    let naive = |row, subject| picks(e, &world.row(chunk, row, by, subject), &world.calendar);
    if by == USER {
        prop_assert_eq!(&hits.more, &None);
        let expected = Mask::from_fn(chunk.len(), |row| base.get(row) && naive(row, 0));
        prop_assert_eq!(&hits.rows, &expected, "{}", e);
    } else {
        let mut got = BTreeSet::new();
        chunk.for_each_subject(by, &hits, |row, subject| {
            got.insert((row, subject));
        });
        let of_row = |row| {
            chunk
                .group(by)
                .into_iter()
                .flat_map(move |g| g.of_row(row))
                .map(move |g| (row, g))
        };
        let expected: BTreeSet<_> = base
            .ones()
            .flat_map(of_row)
            .filter(|(row, g)| naive(*row, *g))
            .collect();
        prop_assert_eq!(got, expected, "{}", e);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn filters_pick_what_the_naive_evaluator_picks_for_users(
        e in condition(USER, 3, false),
        chunk in chunk(),
        base in any::<u64>(),
    ) {
        check(&e, &chunk, &Mask::from_fn(chunk.len(), |i| base >> (i % 61) & 1 == 1), USER)?;
    }

    #[test]
    fn filters_pick_what_the_naive_evaluator_picks_for_groups(
        e in condition(COMPANY, 3, false),
        chunk in chunk(),
        base in any::<u64>(),
        by in select(vec![COMPANY, TEAM]),
    ) {
        check(&e, &chunk, &Mask::from_fn(chunk.len(), |i| base >> (i % 61) & 1 == 1), by)?;
    }

    #[test]
    fn printing_parses_to_the_same_tree(e in condition(USER, 4, false)) {
        let text = e.to_string();
        prop_assert_eq!(parse(&text).map_err(|e| format!("{e:?}: {text}")), Ok(e));
    }

    #[test]
    fn any_text_parses_or_is_an_error_inside_of_it(
        parts in vec(prop_oneof![
            3 => select(vec![
                "properties", "user", "group", "event", "[", "]", "(", ")", "\"a\"", "'$time'", ",", "==", "!=", "<", ">=",
                "and", "OR", "not", "in", "any(X,", "all(", "X", "1", "2.5e3", "-", "+", "*", "/", "%", "true", "null",
                "datetime(\"2024-01-01\")", "matches(", "string(", " ", "\\", "\"", "'", ".", "len(",
            ]).prop_map(String::from),
            1 => any::<String>(),
        ], 0..14),
        glue in select(vec!["", " "]),
    ) {
        let text = parts.join(glue);
        match parse(&text) {
            Ok(e) => prop_assert_eq!(parse(&e.to_string()), Ok(e)),
            Err(crate::error::Error::Syntax { position, hint, .. }) => {
                prop_assert!(hint.is_some());
                prop_assert!((1..=text.chars().count() + 1).contains(&position));
            }
            Err(other) => prop_assert!(false, "{:?}", other),
        }
    }
}
