//! The states of the behaviour aggregates, one target for each family of kinds.

use super::input::Input;
use engine::behaviour::funnel::{Mode, Plan};
use engine::behaviour::path::Options;
use engine::behaviour::retention::Periods;
use engine::behaviour::state::{self, Asked, Change, Kind};
use engine::behaviour::{Row, funnel as steps, path as paths, retention as returns, sequence as sequences};
use engine::error::{Error, Result};
use engine::tick::NoTick;

/// Rows a made state is given at most.
const MOST: usize = 200;

const MODES: [Mode; 7] = [
    Mode::FIRST_ENTRY,
    Mode::STRICT_ORDER,
    Mode::STRICT_DEDUP,
    Mode::STRICT_INCREASE,
    Mode::STRICT_ONCE,
    Mode::ALLOW_REENTRY,
    Mode::ROW_FILLS_MANY,
];

pub fn funnel(bytes: &[u8]) {
    run(bytes, &[Kind::Funnel]);
}

pub fn retention(bytes: &[u8]) {
    run(bytes, &[Kind::Conditions, Kind::Returns]);
}

pub fn sequence(bytes: &[u8]) {
    let kinds = [Kind::Sequence, Kind::SequenceInSeconds, Kind::Next, Kind::NextInSeconds];
    run(bytes, &kinds);
}

pub fn path(bytes: &[u8]) {
    run(bytes, &[Kind::Path]);
}

pub fn touch(bytes: &[u8]) {
    run(bytes, &[Kind::First, Kind::Last]);
}

/// What a final function says.
#[derive(Debug, PartialEq)]
enum Answer {
    Funnel(usize, Vec<i64>),
    Met(Vec<bool>),
    Returns(Option<Vec<bool>>),
    Count(usize),
    Text(Option<Vec<u8>>),
    Path(Vec<Vec<u8>>),
}

fn answer(kind: Kind, s: &[u8]) -> Result<Answer> {
    Ok(match kind {
        Kind::Funnel => Answer::Funnel(steps::level(s, &mut NoTick)?, steps::times(s, &mut NoTick)?),
        Kind::Conditions => Answer::Met(returns::met(s)?),
        Kind::Returns => Answer::Returns(returns::returns(s, &mut NoTick)?),
        Kind::Sequence | Kind::SequenceInSeconds => {
            let all = sequences::count(s, usize::MAX, &mut NoTick)?;
            assert_eq!(sequences::count(s, 1, &mut NoTick)?, all.min(1));
            Answer::Count(all)
        }
        Kind::Next | Kind::NextInSeconds => Answer::Text(sequences::next(s, &mut NoTick)?.map(<[u8]>::to_vec)),
        Kind::Path => Answer::Path(paths::path(s, &mut NoTick)?.into_iter().map(<[u8]>::to_vec).collect()),
        Kind::First | Kind::Last => Answer::Text(paths::touch(s)?.map(<[u8]>::to_vec)),
    })
}

fn has_text(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Next | Kind::NextInSeconds | Kind::Path | Kind::First | Kind::Last
    )
}

fn is_text(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok()
}

fn after(mut state: Vec<u8>, f: impl FnOnce(&mut [u8]) -> Result<Change>) -> Result<Vec<u8>> {
    Ok(f(&mut state)?.unwrap_or(state))
}

fn run(bytes: &[u8], kinds: &[Kind]) {
    let Some(i) = Input::read(bytes) else { return };
    let kind = kinds[usize::from(i.op) % kinds.len()];
    if i.made {
        made(&i, kind);
        return;
    }
    let (a, b) = if i.mended {
        (mended(kind, &i, &i.a), mended(kind, &i, &i.b))
    } else {
        (i.a.clone(), i.b.clone())
    };
    if i.unchecked {
        use_all(&i, kind, &a, &b);
    } else if state::check(&a, is_text).is_ok() && state::asked(&a).unwrap().kind == kind {
        laws(kind, &a, &b);
    }
}

/// The bytes with a header before them that fits: parameters, then rows.
fn mended(kind: Kind, i: &Input, bytes: &[u8]) -> Vec<u8> {
    let conditions = (i.x as u8) % 66;
    let parameters = usize::from((i.x >> 8) as u8).min(bytes.len());
    let mut rows = bytes.len() - parameters;
    if !has_text(kind) {
        rows -= rows % (8 + usize::from(conditions.div_ceil(8)));
    }
    let mut state = vec![1, kind as u8, conditions, 0];
    state.extend_from_slice(&(parameters as u32).to_le_bytes());
    state.extend_from_slice(&(rows as u32).to_le_bytes());
    state.extend_from_slice(&bytes[..parameters + rows]);
    state
}

/// The same rows in another order, through the transition functions.
fn turned(s: &[u8]) -> Vec<u8> {
    let asked = state::asked(s).unwrap();
    let mut new = state::start(asked).unwrap();
    if has_text(asked.kind) {
        let rows: Vec<_> = state::text_rows(s).unwrap().map(|r| r.unwrap()).collect();
        for r in rows.iter().rev() {
            new = after(new, |s| state::push(s, asked, r.row, Some(r.text))).unwrap();
        }
    } else {
        let rows: Vec<Row> = state::rows(s).unwrap().map(|r| r.unwrap()).collect();
        for r in rows.iter().rev() {
            new = after(new, |s| state::push(s, asked, *r, None)).unwrap();
        }
    }
    new
}

/// What holds of a state that went through the check.
fn laws(kind: Kind, a: &[u8], b: &[u8]) {
    assert_eq!(state::used(a).unwrap(), a);
    let said = answer(kind, a).unwrap();
    let asked = state::asked(a).unwrap();
    if let Answer::Funnel(level, times) = &said {
        let plan = Plan::read(asked).unwrap();
        assert!(*level <= asked.conditions);
        assert_eq!(times.len(), *level);
        assert!(times.is_sorted());
        if let (Some(first), Some(last)) = (times.first(), times.last()) {
            let window = i64::from_le_bytes(*plan.parameters().first_chunk().unwrap());
            assert!(i128::from(*last) - i128::from(*first) <= i128::from(window));
        }
    }
    if let Answer::Path(names) = &said {
        let most = i32::from_le_bytes(*asked.parameters.first_chunk().unwrap());
        assert!(names.len() <= most as usize);
    }
    let other = turned(a);
    assert_eq!(answer(kind, &other).unwrap(), said);
    let other = state::used(&other).unwrap();
    assert_eq!(other.len(), a.len());
    state::check(other, is_text).unwrap();

    let both = after(a.to_vec(), |s| state::combine(s, b));
    if state::check(b, is_text).is_err() {
        return;
    }
    let alike = state::asked(b).unwrap() == asked;
    assert_eq!(both.is_ok(), alike);
    let Ok(both) = both else { return };
    let both = state::used(&both).unwrap().to_vec();
    state::check(&both, is_text).unwrap();
    let turned = after(b.to_vec(), |s| state::combine(s, a)).unwrap();
    let together = answer(kind, &both).unwrap();
    assert_eq!(answer(kind, &turned).unwrap(), together);
    if let (Answer::Funnel(apart, _), Answer::Funnel(level, _)) = (said, together) {
        let [.., mode, _] = Plan::read(asked).unwrap().parameters();
        // Without a mode that ends the rows early or pins the start, more rows never make a chain shorter.
        if mode & 0b111 == 0 {
            assert!(apart <= level);
        }
    }
}

/// Every function, on bytes of which nothing is known. They may refuse.
fn use_all(i: &Input, kind: Kind, a: &[u8], b: &[u8]) {
    let _ = answer(kind, a);
    let _ = state::check(a, is_text);
    let _ = state::used(a);
    let row = Row {
        at: i.x as i64,
        meets: u64::from(i.y),
    };
    if let Ok(asked) = state::asked(a) {
        let _ = state::pass(a, asked);
        let _ = after(a.to_vec(), |s| match kind {
            Kind::Conditions => state::mark(s, asked, row.meets),
            Kind::First | Kind::Last => state::keep(s, asked, row.at, b"text"),
            Kind::Path => paths::push(s, asked, row.at, b"text"),
            _ => state::push(s, asked, row, has_text(kind).then_some(b"text")),
        })
        .map(|s| answer(kind, &s));
    }
    if let Ok(s) = after(a.to_vec(), |s| state::combine(s, b)) {
        let _ = (answer(kind, &s), state::check(&s, is_text));
    }
}

/// A question, and rows that are put into two states and the two together.
fn made(i: &Input, kind: Kind) {
    let (n, y) = (usize::from(i.x as u8), i.y);
    let mut parameters: Vec<u8> = Vec::new();
    let conditions = match kind {
        Kind::Funnel => {
            let modes = (i.x >> 8) as u8;
            let mode = MODES.iter().enumerate().filter(|(b, _)| modes >> b & 1 == 1);
            let mode = mode.fold(Mode::default(), |all, (_, m)| all | *m);
            let plan = Plan::new(1 + n % 64, i64::from(y), mode).unwrap();
            parameters.extend_from_slice(&plan.parameters());
            1 + n % 64
        }
        Kind::Conditions => 1 + n % 64,
        Kind::Returns => {
            let periods = Periods::new(1 + i64::from(y), 1 + n as i32 % 40).unwrap();
            parameters.extend_from_slice(&periods.parameters());
            2
        }
        Kind::Sequence | Kind::SequenceInSeconds | Kind::Next | Kind::NextInSeconds => {
            parameters.extend_from_slice(&i.b);
            1 + n % 64
        }
        Kind::Path => {
            parameters.extend_from_slice(&Options::new(1 + n as i32, y % 2 == 1).unwrap().parameters());
            0
        }
        Kind::First | Kind::Last => 0,
    };
    let asked = Asked {
        kind,
        conditions,
        parameters: &parameters,
    };
    let empty = state::start(asked).unwrap();
    if let Err(e) = state::check(state::used(&empty).unwrap(), is_text) {
        // The one question that can be none is a pattern.
        assert!(matches!(e, Error::Corrupt(_)));
        assert!(sequences::pattern(asked).is_err());
        return;
    }
    let known = u64::MAX.checked_shr(64 - conditions as u32).unwrap_or(0);
    let unit = if matches!(kind, Kind::SequenceInSeconds | Kind::NextInSeconds) {
        500_000
    } else {
        1
    };
    let mut at = 0i64;
    let (mut one, mut two, mut all) = (empty.clone(), empty.clone(), empty);
    let mut met = 0;
    let mut best: Option<(i64, &[u8])> = None;
    for row in i.a.chunks_exact(3).take(MOST) {
        let (by, mask, more) = (row[0] as i8, u64::from(row[1]), row[2]);
        at += i64::from(by) * unit;
        let meets = (mask | u64::from(more) << 8).rotate_left(u32::from(more & 0x30)) & known;
        let text: &[u8] = &b"abcb"[usize::from(more & 1)..2 + usize::from(more % 3)];
        met |= meets;
        // The state with all rows keeps each of them; the parts leave out what a short path can't tell.
        let add = |s: Vec<u8>, short: bool| {
            after(s, |s| match kind {
                Kind::Path if short => paths::push(s, asked, at, text),
                Kind::Conditions => state::mark(s, asked, meets),
                Kind::First | Kind::Last => state::keep(s, asked, at, text),
                _ => state::push(s, asked, Row { at, meets }, has_text(kind).then_some(text)),
            })
            .unwrap()
        };
        all = add(all, false);
        if more & 0x80 == 0 {
            one = add(one, true);
        } else {
            two = add(two, true);
        }
        best = Some(match (best, kind) {
            (None, _) => (at, text),
            (Some(b), Kind::First) => b.min((at, text)),
            (Some(b), _) => b.max((at, text)),
        });
    }
    let (one, two) = (state::used(&one).unwrap(), state::used(&two).unwrap());
    laws(kind, one, two);
    let said = answer(kind, &all).unwrap();
    let both = after(one.to_vec(), |s| state::combine(s, two)).unwrap();
    assert_eq!(answer(kind, &both).unwrap(), said);
    match said {
        Answer::Met(flags) => {
            assert!(
                flags
                    .iter()
                    .enumerate()
                    .all(|(n, f)| *f == (met & 1 == 1 && met >> n & 1 == 1))
            );
        }
        Answer::Text(text) if matches!(kind, Kind::First | Kind::Last) => {
            assert_eq!(text.as_deref(), best.map(|(_, text)| text));
        }
        _ => {}
    }
}
