//! Sound inputs to begin with: sets in each form, states of each kind, texts.

use engine::behaviour::Row;
use engine::behaviour::funnel::{Mode, Plan};
use engine::behaviour::path::Options;
use engine::behaviour::retention::Periods;
use engine::behaviour::state::{self, Asked, Kind};
use engine::bitmap::state::{self as sets, Kind as SetKind, Narrow, Wide, Width};
use engine::bitmap::{of_ids, ops, wide};
use roaring::RoaringBitmap;

pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "bitmap32" => pairs(&narrow(), 32),
        "bitmap64" => pairs(&wides(), 32),
        "state32" => pairs(&set_states::<Narrow>(&narrow(), 9), 16),
        "state64" => pairs(&set_states::<Wide>(&wides(), 9), 16),
        "text32" | "text64" => TEXTS.iter().map(|t| t.as_bytes().to_vec()).collect(),
        "funnel" => behaviour(&[Kind::Funnel]),
        "retention" => behaviour(&[Kind::Conditions, Kind::Returns]),
        "sequence" => behaviour(&[Kind::Sequence, Kind::SequenceInSeconds, Kind::Next, Kind::NextInSeconds]),
        "path" => behaviour(&[Kind::Path]),
        "touch" => behaviour(&[Kind::First, Kind::Last]),
        "pattern" => PATTERNS
            .iter()
            .flat_map(|p| (0..2).map(move |unit| [&[3, unit], p.as_bytes()].concat()))
            .collect(),
        "modes" => MODES
            .iter()
            .map(|m| [&[3, 10, 0, 0, 0, 0, 0, 0, 0], m.as_bytes()].concat())
            .chain([[&[3; 9][..], &Plan::new(3, 5, Mode::STRICT_ORDER).unwrap().parameters()].concat()])
            .collect(),
        _ => Vec::new(),
    }
}

const TEXTS: [&str; 12] = [
    "{}",
    " { } ",
    "{1,2,3}",
    "{ 1 , -1 ,\t+7 }",
    "{2147483647,-2147483648,0,-0}",
    "{9223372036854775807,-9223372036854775808}",
    "{9223372036854775808}",
    "{1,2",
    "{1,,2}",
    "{a}",
    "\\x3a300000",
    "{1,2,3,4,5,6,7,8,9,10,11,12,70000,70001,70002,140000}",
];

const PATTERNS: [&str; 12] = [
    "(?1)",
    "(?1)(?2)(?3)",
    "(?1).*(?2)(?t<=3600)(?3)",
    "(?1)(?t<=5)(?t>=2)(?2).(?3)",
    "(?1)(?t==1.5)(?2)",
    "(?1)(?t<0)(?2)",
    "(?1)(?t>18446744073709551615)(?2)",
    " (?1) .* . (?2) ",
    ".",
    ".*(?3).*",
    "(?4)",
    "(?1)(?t<=5)",
];

const MODES: [&str; 6] = [
    "",
    "default",
    "strict_order, allow_reentry",
    "allow_reentry",
    "first_entry,strict_dedup,strict_increase",
    "strict_once , row_fills_many",
];

/// Values as they are in front of the head of an input.
fn input(op: u8, how: u8, x: u64, y: u32, a: &[u8], b: &[u8]) -> Vec<u8> {
    let (values, how, split) = match [a, b].concat() {
        values if values.len() > 600 => (short(&values), how | 2, a.len()),
        values => (values, how, a.len()),
    };
    let mut out = vec![op, how];
    out.extend_from_slice(&(split as u16).to_le_bytes());
    out.extend_from_slice(&x.to_le_bytes());
    out.extend_from_slice(&y.to_le_bytes());
    out.extend_from_slice(&values);
    out
}

/// Long values with their repetitions counted.
fn short(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for same in bytes.chunk_by(|a, b| a == b) {
        let (byte, mut n) = (same[0], same.len());
        while n >= 64 {
            let times = (n / 64).min(128);
            out.extend_from_slice(&[0xfe, (times + 127) as u8, byte]);
            n -= times * 64;
        }
        if n > 3 || (byte == 0xfe && n > 0) {
            out.extend_from_slice(&[0xfe, n as u8 - 1, byte]);
        } else {
            out.extend(std::iter::repeat_n(byte, n));
        }
    }
    out
}

/// Each operation with some pairs of values, checked and not.
fn pairs(values: &[Vec<u8>], ops: usize) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for op in 0..ops {
        for (i, a) in values.iter().enumerate() {
            let b = &values[(i * 5 + op) % values.len()];
            out.push(input(op as u8, (i % 2) as u8, 70_000 + op as u64, 5, a, b));
        }
        // What is made of the bytes, where a target makes something.
        for many in [0, 0xe0] {
            let (a, b) = ([1, 9, 135, 140, 33, 190, 200], [3, 180, 130, 17]);
            out.push(input(op as u8 | many, 4, 65_500, 3, &a, &b));
        }
    }
    out
}

fn lists() -> Vec<Vec<u32>> {
    vec![
        vec![],
        vec![5],
        vec![1, 2, 3, 70_000, u32::MAX],
        (10..400).collect(),
        (0..6).flat_map(|c| (c << 16)..(c << 16) + 20).collect(),
        (0..6).map(|c| c << 16 | 77).collect(),
        (0..65_536).step_by(8).collect(),
        (65_536..131_072).filter(|i| i % 16 > 3).collect(),
        vec![3, 9, 65_541, 131_072],
    ]
}

fn narrow() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for ids in lists() {
        let set = of_ids(ids.clone()).unwrap();
        let mut plain = Vec::new();
        let mut other: RoaringBitmap = ids.into_iter().collect();
        other.remove_run_compression();
        other.serialize_into(&mut plain).unwrap();
        out.extend([set, plain]);
    }
    out.push(ops::range(100, 300_000).unwrap());
    out.dedup();
    out
}

fn wides() -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = lists()
        .into_iter()
        .map(|ids| wide::of_ids(ids.iter().map(|id| u64::from(*id) << (id % 3 * 13)).collect()).unwrap())
        .collect();
    out.push(wide::of_ids(vec![1, 2, 3]).unwrap());
    out.push(wide::of_ids(vec![1, u64::MAX, u64::MAX - 1]).unwrap());
    out.push(wide::of_ids((0..50).map(|i| i << 31).collect()).unwrap());
    out.push(wide::of_ids(((1 << 32) - 50..(1 << 32) + 50).collect()).unwrap());
    out
}

fn set_states<W: Width>(sets_of: &[Vec<u8>], id: u8) -> Vec<Vec<u8>>
where
    W::Id: From<u32>,
{
    let mut out = Vec::new();
    let kept = |s: &[u8]| sets::used(s).unwrap().to_vec();
    for (i, set) in sets_of.iter().enumerate() {
        let kind = [SetKind::Or, SetKind::And, SetKind::Xor][i % 3];
        let mut s = sets::start_set::<W>(kind, set).unwrap();
        out.push(kept(&s));
        let more = &sets_of[(i + 2) % sets_of.len()];
        if let Some(new) = sets::push_set::<W>(&mut s, kind, more).unwrap() {
            s = new;
        }
        out.push(kept(&s));
        let mut s = sets::start_id::<W>(u32::from(id).into()).unwrap();
        for n in 0..i as u32 * 3 {
            if let Some(new) = sets::push_id::<W>(&mut s, (n * 40_000).into()).unwrap() {
                s = new;
            }
        }
        out.push(kept(&s));
        if let Some(new) = sets::push_set::<W>(&mut s, SetKind::Build, set).unwrap() {
            s = new;
        }
        out.push(kept(&s));
    }
    out
}

/// States as they are, with their header taken off, and what they are made of.
fn behaviour(kinds: &[Kind]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for (op, kind) in kinds.iter().enumerate() {
        for (n, rows) in [(1, 1), (3, 6), (9, 8), (64, 20)] {
            let s = made(*kind, n, rows);
            let t = made(*kind, n, 4);
            let parameters = s[4];
            for how in 0..2 {
                out.push(input(op as u8, how, 5, 3, &s, &t));
                let x = u64::from(s[2]) | u64::from(parameters) << 8;
                out.push(input(op as u8, 8 | how, x, 3, &s[12..], &t[12..]));
            }
            for mode in 0..8u64 {
                let rows: Vec<u8> = (0..rows * 3)
                    .map(|i| (i * 37 % (5 + rows)) as u8 ^ ((i % 3 / 2) << 7) as u8)
                    .collect();
                let pattern: &[u8] = PATTERNS[mode as usize % 5].as_bytes();
                out.push(input(op as u8, 4, n as u64 | (1 << mode >> 1) << 8, 20, &rows, pattern));
            }
        }
    }
    out
}

fn made(kind: Kind, conditions: usize, rows: usize) -> Vec<u8> {
    let pattern = PATTERNS[conditions % 4].as_bytes();
    let (conditions, parameters) = match kind {
        Kind::Funnel => {
            let mode = if rows % 4 == 0 {
                Mode::STRICT_ORDER
            } else {
                Mode::default()
            };
            (
                conditions,
                Plan::new(conditions, 10, mode).unwrap().parameters().to_vec(),
            )
        }
        Kind::Conditions => (conditions, Vec::new()),
        Kind::Returns => (2, Periods::new(5, 4).unwrap().parameters().to_vec()),
        Kind::Sequence | Kind::SequenceInSeconds | Kind::Next | Kind::NextInSeconds => {
            (conditions.max(3), pattern.to_vec())
        }
        Kind::Path => (0, Options::new(5, conditions == 3).unwrap().parameters().to_vec()),
        Kind::First | Kind::Last => (0, Vec::new()),
    };
    let asked = Asked {
        kind,
        conditions,
        parameters: &parameters,
    };
    let mut s = state::start(asked).unwrap();
    for i in 0..rows {
        let meets = if conditions == 0 { 0 } else { 1 << (i % conditions) };
        let row = Row {
            at: i as i64 / 2,
            meets,
        };
        let name: &[u8] = [&b"open"[..], b"buy", b""][i % 3];
        let moved = match kind {
            Kind::Conditions => state::mark(&mut s, asked, meets),
            Kind::First | Kind::Last => state::keep(&mut s, asked, row.at, name),
            Kind::Next | Kind::NextInSeconds | Kind::Path => state::push(&mut s, asked, row, Some(name)),
            _ => state::push(&mut s, asked, row, None),
        };
        if let Some(new) = moved.unwrap() {
            s = new;
        }
    }
    state::used(&s).unwrap().to_vec()
}
