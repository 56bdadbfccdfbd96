//! What reads text: the literals of both kinds of sets, the patterns of sequences, the modes of funnels.

use engine::behaviour::funnel::{Mode, Plan};
use engine::behaviour::pattern::{self, Gap};
use engine::behaviour::sequence;
use engine::behaviour::state::{Asked, Kind};
use engine::bitmap::wide::{self, View64};
use engine::bitmap::{View, ops, text};
use engine::error::Error;
use engine::tick::NoTick;
use std::collections::BTreeSet;

/// Numbers between braces, read in the most obvious way.
fn numbers<N: std::str::FromStr + Ord>(text: &str) -> Option<BTreeSet<N>> {
    let space = |c: char| c.is_ascii_whitespace();
    let inside = text.trim_matches(space).strip_prefix('{')?.strip_suffix('}')?;
    if inside.trim_matches(space).is_empty() {
        return Some(BTreeSet::new());
    }
    inside.split(',').map(|n| n.trim_matches(space).parse().ok()).collect()
}

fn position(text: &str, error: &Error) {
    match error {
        Error::Syntax { position, .. } => assert!((1..=text.chars().count() + 1).contains(position)),
        Error::Limit { .. } => {}
        other => panic!("{other:?}"),
    }
}

pub fn narrow(bytes: &[u8]) {
    let words = String::from_utf8_lossy(bytes);
    let want = numbers::<i32>(&words);
    match text::parse(&words, &mut NoTick) {
        Ok(set) => {
            let view = View::new(&set).unwrap();
            view.check().unwrap();
            let want: Vec<u32> = {
                let ids: BTreeSet<u32> = want.unwrap().into_iter().map(|id| id as u32).collect();
                ids.into_iter().collect()
            };
            assert_eq!(ops::into_ids(&view).unwrap().collect::<Vec<_>>(), want);
            let written = text::write(&view, &mut NoTick).unwrap();
            assert_eq!(text::parse(&written, &mut NoTick).unwrap(), set);
            assert_eq!(ops::import(&set).unwrap(), set);
        }
        Err(e) => {
            assert_eq!(want, None);
            position(&words, &e);
        }
    }
}

pub fn wide(bytes: &[u8]) {
    let words = String::from_utf8_lossy(bytes);
    let want = numbers::<i64>(&words);
    match text::parse64(&words, &mut NoTick) {
        Ok(set) => {
            let view = View64::new(&set).unwrap();
            view.check().unwrap();
            let want: Vec<u64> = {
                let ids: BTreeSet<u64> = want.unwrap().into_iter().map(|id| id as u64).collect();
                ids.into_iter().collect()
            };
            assert_eq!(wide::into_ids(&view).unwrap().collect::<Vec<_>>(), want);
            let written = text::write64(&view, &mut NoTick).unwrap();
            assert_eq!(text::parse64(&written, &mut NoTick).unwrap(), set);
            assert_eq!(wide::import(&set).unwrap(), set);
        }
        Err(e) => {
            assert_eq!(want, None);
            position(&words, &e);
        }
    }
}

/// Byte 0: conditions; byte 1: what a second is; the rest is the pattern.
pub fn pattern(bytes: &[u8]) {
    let Some((&[conditions, unit], rest)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let conditions = usize::from(conditions);
    let (unit, kind) = match unit % 2 {
        0 => (1, Kind::Sequence),
        _ => (1_000_000, Kind::NextInSeconds),
    };
    let asked = Asked {
        kind,
        conditions,
        parameters: rest,
    };
    let kept = sequence::pattern(asked);
    let Ok(words) = std::str::from_utf8(rest) else {
        assert!(kept.is_err());
        return;
    };
    let read = pattern::parse(words, conditions, unit);
    if (1..=64).contains(&conditions) {
        assert_eq!(read, kept);
    } else {
        assert!(kept.is_err());
    }
    match read {
        Ok(items) => {
            assert!((1..=1000).contains(&items.len()));
            assert!(!matches!(items[0].gap, Gap::Within(..)));
            assert!(items.iter().all(|i| i.meets.count_ones() <= 1));
            // Written in the plainest way, it is the same pattern.
            let mut plain = String::new();
            for item in &items {
                match item.gap {
                    Gap::Next => {}
                    Gap::Any => plain.push_str(".*"),
                    Gap::Within(from, to) => {
                        let decimals = |n: u64| match unit {
                            1 => n.to_string(),
                            _ => format!("{}.{:06}", n / unit, n % unit),
                        };
                        if from > 0 {
                            plain.push_str(&format!("(?t>={})", decimals(from)));
                        }
                        plain.push_str(&format!("(?t<={})", decimals(to)));
                    }
                }
                match item.meets {
                    0 => plain.push('.'),
                    one => plain.push_str(&format!("(?{})", one.trailing_zeros() + 1)),
                }
            }
            assert_eq!(
                pattern::parse(&plain, conditions, unit).unwrap(),
                items,
                "{words:?} {plain:?}"
            );
        }
        Err(e) => position(words, &e),
    }
}

/// Byte 0: steps; byte 1..9: the window; the rest is the list of modes.
pub fn modes(bytes: &[u8]) {
    let Some((&[steps, a, b, c, d, e, f, g, h], rest)) = bytes.split_first_chunk::<9>() else {
        return;
    };
    let (steps, window) = (usize::from(steps), i64::from_le_bytes([a, b, c, d, e, f, g, h]));
    if let Ok(mode) = Mode::parse(&String::from_utf8_lossy(rest)) {
        assert!(mode.has(Mode::STRICT_ORDER) || !mode.has(Mode::ALLOW_REENTRY));
        let plan = Plan::new(steps, window, mode);
        assert_eq!(plan.is_ok(), (1..=64).contains(&steps) && window >= 0);
        if let Ok(plan) = plan {
            let kept = Asked {
                kind: Kind::Funnel,
                conditions: steps,
                parameters: &plan.parameters(),
            };
            assert_eq!(Plan::read(kept), Ok(plan));
        }
    }
    let forged = Asked {
        kind: Kind::Funnel,
        conditions: steps,
        parameters: rest,
    };
    if let Ok(plan) = Plan::read(forged) {
        assert_eq!(plan.parameters(), rest);
    }
}
