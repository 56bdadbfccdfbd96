//! Bytes that come from outside: cut off, flipped, forged. They are refused, or they are a state like any other.

use super::*;
use crate::behaviour::path::Options;
use crate::behaviour::retention::Periods;
use crate::behaviour::{funnel, path, retention, sequence};

/// One state of each kind, with rows.
fn samples() -> Vec<Vec<u8>> {
    let funnel = Plan::new(3, 10, Mode::STRICT_ORDER).unwrap().parameters();
    let periods = Periods::new(5, 4).unwrap().parameters();
    let pattern = b"(?1)(?t<=5)(?2).*(?3)";
    let options = Options::new(5, true).unwrap().parameters();
    [
        (Kind::Funnel, 3, &funnel[..]),
        (Kind::Funnel, 64, &funnel[..]),
        (Kind::Conditions, 9, &[]),
        (Kind::Returns, 2, &periods[..]),
        (Kind::Sequence, 3, &pattern[..]),
        (Kind::Next, 3, &pattern[..]),
        (Kind::SequenceInSeconds, 3, &pattern[..]),
        (Kind::NextInSeconds, 3, &pattern[..]),
        (Kind::Path, 0, &options[..]),
        (Kind::First, 0, &[]),
        (Kind::Last, 0, &[]),
    ]
    .into_iter()
    .map(|(kind, conditions, parameters)| {
        let asked = Asked {
            kind,
            conditions,
            parameters,
        };
        let mut s = state::start(asked).unwrap();
        for i in 0..6 {
            let meets = if conditions == 0 {
                0
            } else {
                1 << (i % conditions.min(3))
            };
            let row = Row { at: i as i64, meets };
            let moved = match kind {
                Kind::Conditions => state::mark(&mut s, asked, meets),
                Kind::First | Kind::Last => state::keep(&mut s, asked, row.at, b"value"),
                Kind::Next | Kind::NextInSeconds | Kind::Path => state::push(&mut s, asked, row, Some(b"name")),
                _ => state::push(&mut s, asked, row, None),
            };
            if let Some(new) = moved.unwrap() {
                s = new;
            }
        }
        state::used(&s).unwrap().to_vec()
    })
    .collect()
}

/// Does with bytes whatever an aggregate would do with a state.
fn use_all(bytes: &[u8], samples: &[Vec<u8>]) {
    let _ = funnel::level(bytes, &mut NoTick);
    let _ = funnel::times(bytes, &mut NoTick);
    let _ = retention::met(bytes);
    let _ = retention::returns(bytes, &mut NoTick);
    let _ = sequence::count(bytes, usize::MAX, &mut NoTick);
    let _ = sequence::next(bytes, &mut NoTick);
    let _ = path::path(bytes, &mut NoTick);
    let _ = path::touch(bytes);
    for sample in samples {
        let _ = state::combine(&mut sample.clone(), bytes);
        let _ = state::combine(&mut bytes.to_vec(), sample);
    }
}

#[test]
fn every_cut_is_refused() {
    for s in samples() {
        state::check(&s, |_| true).unwrap();
        for n in 0..s.len() {
            assert!(
                matches!(state::check(&s[..n], |_| true), Err(Error::Corrupt(_))),
                "{n} of {s:?}"
            );
        }
        let mut longer = s.clone();
        longer.push(0);
        assert!(state::check(&longer, |_| true).is_err());
    }
}

#[test]
fn every_flipped_bit_is_refused_or_a_state() {
    let samples = samples();
    for s in &samples {
        for bit in 0..s.len() * 8 {
            let mut bytes = s.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            match state::check(&bytes, |_| true) {
                Ok(()) => assert_eq!(state::used(&bytes).unwrap().len(), bytes.len()),
                Err(e) => assert!(matches!(e, Error::Corrupt(_)), "{e:?}"),
            }
            use_all(&bytes, &samples);
        }
    }
}

#[test]
fn text_that_is_none_to_the_server() {
    let next = &samples()[5];
    assert!(matches!(state::check(next, |t| t != b"name"), Err(Error::Corrupt(_))));
}

#[test]
fn forged_sizes_reserve_nothing() {
    for s in samples() {
        for at in [4, 8] {
            let mut bytes = s.clone();
            bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            assert!(state::check(&bytes, |_| true).is_err());
            use_all(&bytes, &[]);
        }
    }
}

/// Random damage, several kinds at once. What passes the check is used; nothing may panic.
#[test]
fn damaged_states() {
    let wanted: usize = std::env::var("BEHAVIOUR_MUTATIONS")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(50_000);
    let samples = samples();
    let mut dice = Dice::new(4711);
    let mut passed = 0usize;
    for _ in 0..wanted {
        let mut bytes = samples[dice.below(samples.len() as u64) as usize].clone();
        for _ in 0..1 + dice.below(4) {
            let n = bytes.len() as u64;
            match dice.below(6) {
                0 => bytes.truncate(dice.below(n + 1) as usize),
                1 if n > 0 => bytes[dice.below(n) as usize] ^= 1 << dice.below(8),
                2 if n > 0 => bytes[dice.below(n) as usize] = dice.next() as u8,
                3 => bytes.extend((0..dice.below(12)).map(|_| dice.next() as u8)),
                4 if n > 12 => {
                    // A count that fits what is there: deeper than the header.
                    let rows = (n - 12).saturating_sub(u64::from(bytes[4])) as u32;
                    bytes[8..12].copy_from_slice(&rows.to_le_bytes());
                }
                5 if n > 12 => {
                    let other = &samples[dice.below(samples.len() as u64) as usize];
                    bytes[..3].copy_from_slice(&other[..3]);
                }
                _ => {}
            }
        }
        if state::check(&bytes, |_| true).is_ok() {
            passed += 1;
            use_all(&bytes, &samples[..1]);
        } else if dice.below(8) == 0 {
            use_all(&bytes, &[]);
        }
    }
    assert!(passed > wanted / 100, "{passed} of {wanted} get past the check");
    println!("{wanted} damaged states, {passed} get past the check");
}
