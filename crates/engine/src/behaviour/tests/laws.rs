//! What the executor may do with states.

use super::*;
use crate::behaviour::funnel::level;

fn asked(parameters: &[u8; 10]) -> Asked<'_> {
    Asked {
        kind: Kind::Funnel,
        conditions: 3,
        parameters,
    }
}

#[test]
fn an_empty_part_changes_nothing_and_keeps_the_question() {
    let parameters = Plan::new(3, 10, Mode::default()).unwrap().parameters();
    let asked = asked(&parameters);
    let rows: Vec<Row> = (0..20)
        .map(|i| Row {
            at: i,
            meets: 1 << (i % 3),
        })
        .collect();
    let full = state_of(asked, &rows);
    let mut left = state::start(asked).unwrap();
    let left = state::combine(&mut left, &full).unwrap().unwrap();
    let mut right = full.clone();
    assert_eq!(state::combine(&mut right, &state::start(asked).unwrap()).unwrap(), None);
    for s in [&left, &right] {
        assert_eq!(state::used(s).unwrap(), state::used(&full).unwrap());
        assert_eq!(level(s, &mut NoTick).unwrap(), 3);
    }
    let mut empty = state::start(asked).unwrap();
    assert_eq!(state::combine(&mut empty, &state::start(asked).unwrap()).unwrap(), None);
    assert_eq!(level(&empty, &mut NoTick).unwrap(), 0);
}

#[test]
fn what_was_asked_must_be_the_same() {
    let one = Plan::new(3, 10, Mode::default()).unwrap().parameters();
    let window = Plan::new(3, 11, Mode::default()).unwrap().parameters();
    let mode = Plan::new(3, 10, Mode::STRICT_ORDER).unwrap().parameters();
    let mut s = state::start(asked(&one)).unwrap();
    for other in [
        asked(&window),
        asked(&mode),
        Asked {
            conditions: 4,
            ..asked(&one)
        },
    ] {
        let part = state::start(other).unwrap();
        let row = Row { at: 0, meets: 1 };
        for e in [
            state::combine(&mut s, &part),
            state::push(&mut s, other, row, None),
            state::pass(&s, other),
        ] {
            assert!(matches!(e, Err(Error::Param { hint: Some(_), .. })), "{e:?}");
        }
    }
    let part = state::start(Asked {
        kind: Kind::Sequence,
        ..asked(&one)
    })
    .unwrap();
    assert!(matches!(state::combine(&mut s, &part), Err(Error::Corrupt(_))));
}

#[test]
fn a_state_grows_by_doubling() {
    let parameters = Plan::new(3, 10, Mode::default()).unwrap().parameters();
    let asked = asked(&parameters);
    let mut s = state::start(asked).unwrap();
    let mut moves = 0;
    let mut copied = 0;
    let n = 100_000;
    for i in 0..n {
        if let Some(new) = state::push(&mut s, asked, Row { at: i, meets: 1 }, None).unwrap() {
            assert!((new.len() + 4).is_power_of_two());
            copied += s.len();
            moves += 1;
            s = new;
        }
    }
    assert!(moves <= 16, "{moves}");
    assert!(copied < 2 * s.len());
    assert_eq!(state::rows(&s).unwrap().len(), n as usize);
}
