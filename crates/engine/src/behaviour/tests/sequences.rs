//! Patterns, matched by trying every way.

use super::*;
use crate::behaviour::pattern::{Gap, Item, parse};
use crate::behaviour::sequence::{count, next};

/// The end of a match that begins with item `n` after row `from`; the least of all.
fn ends(items: &[Item], rows: &[Row], n: usize, from: Option<usize>, least: usize) -> Option<usize> {
    let Some(item) = items.get(n) else { return from };
    let first = from.map_or(least, |f| f + 1);
    let mut best = None;
    for i in first..rows.len() {
        let gap = from.map_or(Gap::Any, |_| item.gap);
        let fits = (item.meets == 0 || rows[i].meets & item.meets != 0)
            && match gap {
                Gap::Next => from.is_none_or(|f| i == f + 1),
                Gap::Any => true,
                Gap::Within(lo, hi) => {
                    let d = (rows[i].at - rows[from.unwrap()].at) as u64;
                    lo <= d && d <= hi
                }
            };
        if fits && let Some(end) = ends(items, rows, n + 1, Some(i), least) {
            best = Some(best.map_or(end, |b: usize| b.min(end)));
        }
    }
    best
}

fn slow_count(pattern: &str, conditions: usize, rows: &[Row]) -> usize {
    let items = parse(pattern, conditions, 1).unwrap();
    let mut rows = rows.to_vec();
    rows.sort_by_key(|r| (r.at, r.meets.trailing_zeros(), r.meets));
    let mut from = 0;
    let mut n = 0;
    while let Some(end) = ends(&items, &rows, 0, None, from) {
        n += 1;
        from = end + 1;
    }
    n
}

fn random_pattern(dice: &mut Dice, conditions: u64) -> String {
    let mut pattern = String::new();
    for i in 0..1 + dice.below(4) {
        if i > 0 {
            for _ in 0..[0, 1, 1, 2][dice.below(4) as usize] {
                match dice.below(4) {
                    0 => pattern.push_str(".*"),
                    _ => {
                        let op = ["<=", "<", ">=", ">", "=="][dice.below(5) as usize];
                        pattern.push_str(&format!("(?t{op}{})", dice.below(5)));
                    }
                }
            }
        }
        match dice.below(6) {
            0 => pattern.push('.'),
            _ => pattern.push_str(&format!("(?{})", 1 + dice.below(conditions))),
        }
    }
    if dice.below(6) == 0 {
        pattern.push_str(".*");
    }
    pattern
}

#[test]
fn sequences_agree() {
    let mut dice = Dice::new(77);
    let mut found = [0; 3];
    for n in 0..cases(20_000) {
        let conditions = 1 + dice.below(3);
        let pattern = random_pattern(&mut dice, conditions);
        let span = 1 + dice.below(10);
        let rows: Vec<Row> = (0..dice.below(9))
            .map(|_| Row {
                at: dice.below(span) as i64,
                meets: 1 + dice.below((1 << conditions) - 1),
            })
            .collect();
        let wanted = slow_count(&pattern, conditions as usize, &rows);
        let asked = Asked {
            kind: Kind::Sequence,
            conditions: conditions as usize,
            parameters: pattern.as_bytes(),
        };
        for s in [state_of(asked, &rows), state_of_parts(asked, &rows, &mut dice)] {
            assert_eq!(
                count(&s, usize::MAX, &mut NoTick).unwrap(),
                wanted,
                "case {n}: {pattern} {rows:?}"
            );
            assert_eq!(count(&s, 1, &mut NoTick).unwrap(), wanted.min(1), "case {n}");
        }
        found[wanted.min(2)] += 1;
    }
    assert!(found.iter().all(|n| *n > 0), "cases too much alike: {found:?}");
}

#[test]
fn what_comes_next() {
    let mut dice = Dice::new(78);
    for n in 0..cases(5000) {
        let conditions = 1 + dice.below(3);
        let pattern = random_pattern(&mut dice, conditions);
        let mut rows: Vec<(Row, Vec<u8>)> = (0..dice.below(8))
            .map(|_| {
                let row = Row {
                    at: dice.below(6) as i64,
                    meets: dice.below(1 << conditions),
                };
                (row, vec![b'a' + dice.below(4) as u8; dice.below(40) as usize])
            })
            .collect();
        let asked = Asked {
            kind: Kind::Next,
            conditions: conditions as usize,
            parameters: pattern.as_bytes(),
        };
        dice.shuffle(&mut rows);
        let mut s = state::start(asked).unwrap();
        for (row, text) in &rows {
            if let Some(new) = state::push(&mut s, asked, *row, Some(text)).unwrap() {
                s = new;
            }
        }
        rows.sort_by_key(|(r, t)| (r.at, r.meets.trailing_zeros(), r.meets, t.clone()));
        let plain: Vec<Row> = rows.iter().map(|r| r.0).collect();
        let items = parse(&pattern, conditions as usize, 1).unwrap();
        let wanted = ends(&items, &plain, 0, None, 0)
            .and_then(|e| rows.get(e + 1))
            .map(|r| r.1.as_slice());
        assert_eq!(next(&s, &mut NoTick).unwrap(), wanted, "case {n}: {pattern} {rows:?}");
    }
}

#[test]
fn seconds_have_decimals() {
    let items = parse("(?1) (?t>=0.25)(?t<1.5) (?2)", 2, 1_000_000).unwrap();
    assert_eq!(items.last().map(|i| i.gap), Some(Gap::Within(250_000, 1_499_999)));
}

#[test]
fn patterns_that_make_no_sense() {
    for (pattern, position, message) in [
        ("", 1, "matches no row"),
        (".*", 3, "matches no row"),
        ("(?3)", 1, "no such condition"),
        ("(?0)", 1, "no such condition"),
        ("(?1)x", 5, "can't be read"),
        ("(?1", 4, "not closed"),
        ("(?t<5)(?1)", 7, "before the first row"),
        ("(?1)(?t<5)", 11, "after the last row"),
        ("(?1)(?t~5)(?2)", 8, "no comparison"),
        ("(?1)(?t<)(?2)", 9, "no time"),
        ("(?1)(?t<1.23)(?2)", 13, "no time"),
        ("(?1)(?t<99999999999999999999)(?2)", 9, "no time"),
    ] {
        match parse(pattern, 2, 10) {
            Err(Error::Syntax {
                message: m,
                position: p,
                hint: Some(_),
            }) => {
                assert!(m.contains(message), "{pattern}: {m}");
                assert_eq!(p, position, "{pattern}");
            }
            other => panic!("{pattern}: {other:?}"),
        }
    }
    assert!(matches!(parse(&".".repeat(1001), 1, 1), Err(Error::Limit { .. })));
}
