//! Retention, paths and touches.

use super::*;
use crate::behaviour::path::{self, Options, path};
use crate::behaviour::retention::{BORN, Periods, RETURNED, met, returns};

#[test]
fn returns_agree() {
    let mut dice = Dice::new(5);
    for n in 0..cases(5000) {
        let length = 1 + dice.below(4) as i64;
        let count = 1 + dice.below(5) as i32;
        let rows: Vec<Row> = (0..dice.below(8))
            .map(|_| Row {
                at: dice.below(20) as i64 - 10,
                meets: dice.below(4),
            })
            .collect();
        let parameters = Periods::new(length, count).unwrap().parameters();
        let asked = Asked {
            kind: Kind::Returns,
            conditions: 2,
            parameters: &parameters,
        };
        let birth = rows.iter().filter(|r| r.meets & BORN != 0).map(|r| r.at).min();
        let wanted = birth.map(|b| {
            (0..i64::from(count))
                .map(|i| {
                    rows.iter().any(|r| {
                        r.meets & RETURNED != 0 && r.at > b && r.at >= b + i * length && r.at < b + (i + 1) * length
                    })
                })
                .collect::<Vec<bool>>()
        });
        let s = state_of_parts(asked, &rows, &mut dice);
        assert_eq!(returns(&s, &mut NoTick).unwrap(), wanted, "case {n}: {rows:?}");
    }
}

#[test]
fn conditions_that_were_met() {
    let mut dice = Dice::new(6);
    for n in 0..cases(5000) {
        let conditions = 1 + dice.below(10) as usize;
        let asked = Asked {
            kind: Kind::Conditions,
            conditions,
            parameters: &[],
        };
        let marks: Vec<u64> = (0..dice.below(5)).map(|_| dice.below(1 << conditions)).collect();
        let mut parts = [state::start(asked).unwrap(), state::start(asked).unwrap()];
        for m in &marks {
            let part = &mut parts[dice.below(2) as usize];
            if let Some(new) = state::mark(part, asked, *m).unwrap() {
                *part = new;
            }
        }
        let [mut a, b] = parts;
        if let Some(new) = state::combine(&mut a, &b).unwrap() {
            a = new;
        }
        let all = marks.iter().fold(0, |a, m| a | m);
        let wanted: Vec<bool> = (0..conditions).map(|i| all & 1 == 1 && all >> i & 1 == 1).collect();
        assert_eq!(met(&a).unwrap(), wanted, "case {n}: {marks:?}");
    }
}

#[test]
fn paths_and_touches_agree() {
    let mut dice = Dice::new(7);
    for n in 0..cases(5000) {
        let most = 1 + dice.below(6) as i32;
        let collapse = dice.below(2) == 1;
        let mut rows: Vec<(i64, Vec<u8>)> = (0..dice.below(if n % 10 == 0 { 100 } else { 9 }))
            .map(|_| {
                (
                    dice.below(5) as i64,
                    vec![b'a' + dice.below(3) as u8; 1 + dice.below(30) as usize],
                )
            })
            .collect();
        let parameters = Options::new(most, collapse).unwrap().parameters();
        let asked = |kind| Asked {
            kind,
            conditions: 0,
            parameters: if kind == Kind::Path { &parameters } else { &[] },
        };
        let mut states = [Kind::Path, Kind::First, Kind::Last].map(|kind| {
            let mut parts = [state::start(asked(kind)).unwrap(), state::start(asked(kind)).unwrap()];
            for (at, text) in &rows {
                let part = &mut parts[dice.below(2) as usize];
                let moved = match kind {
                    Kind::Path => path::push(part, asked(kind), *at, text),
                    _ => state::keep(part, asked(kind), *at, text),
                };
                if let Some(new) = moved.unwrap() {
                    *part = new;
                }
            }
            let [mut a, b] = parts;
            if let Some(new) = state::combine(&mut a, &b).unwrap() {
                a = new;
            }
            a
        });
        rows.sort();
        let mut wanted: Vec<&[u8]> = Vec::new();
        for (_, text) in &rows {
            if (!collapse || wanted.last() != Some(&text.as_slice())) && wanted.len() < most as usize {
                wanted.push(text);
            }
        }
        let [p, first, last] = &mut states;
        assert_eq!(path(p, &mut NoTick).unwrap(), wanted, "case {n}: {rows:?}");
        assert_eq!(
            path::touch(first).unwrap(),
            rows.first().map(|r| r.1.as_slice()),
            "case {n}"
        );
        assert_eq!(
            path::touch(last).unwrap(),
            rows.last().map(|r| r.1.as_slice()),
            "case {n}"
        );
    }
}

#[test]
fn a_short_path_is_collected_in_a_small_state() {
    let size = |most, collapse| {
        let parameters = Options::new(most, collapse).unwrap().parameters();
        let asked = Asked {
            kind: Kind::Path,
            conditions: 0,
            parameters: &parameters,
        };
        let mut s = state::start(asked).unwrap();
        for n in 0..10_000i64 {
            if let Some(new) = path::push(&mut s, asked, n * 7919 % 10_007, b"View").unwrap() {
                s = new;
            }
        }
        assert_eq!(
            path(&s, &mut NoTick).unwrap().len(),
            if collapse { 1 } else { most as usize }
        );
        s.len()
    };
    assert!(size(5, false) < 512);
    assert!(size(100, false) < 8192);
    // All of these have to be kept.
    assert!(size(5, true) > 160_000);
    assert!(size(10_000, false) > 160_000);
}

#[test]
fn questions_that_make_no_sense() {
    assert!(matches!(Periods::new(0, 3), Err(Error::Param { hint: Some(_), .. })));
    assert!(matches!(Periods::new(-1, 3), Err(Error::Param { hint: Some(_), .. })));
    assert!(matches!(Periods::new(1, 0), Err(Error::Param { hint: Some(_), .. })));
    assert!(matches!(
        Periods::new(1, 10_001),
        Err(Error::Param { hint: Some(_), .. })
    ));
    assert!(matches!(
        Options::new(0, false),
        Err(Error::Param { hint: Some(_), .. })
    ));
}
