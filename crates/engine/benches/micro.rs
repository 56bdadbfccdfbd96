//! What the formats cost: nanoseconds and bytes a row of every codec, over columns shaped like a segment's. No harness of its
//! own crate: each figure is the fastest of many short rounds, which says on a busy machine what it says on an idle one.
//!
//!     cargo bench -p engine                       all
//!     cargo bench -p engine --bench micro -- ids  those whose names contain "ids"
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use engine::bitmap::{Bitmap, Op};
use engine::block::{self, Wanted};
use engine::chunk::{Chunk, Column, Events, GroupColumn, Inserts, PropertyColumn};
use engine::codec;
use engine::tick::NoTick;
use engine::value::Value;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Rows of a sealed segment.
const ROWS: usize = 65_536;

/// How long one figure may take.
const BUDGET: Duration = Duration::from_millis(300);

/// A small generator (xorshift64*): the figures need no good randomness, only the same numbers each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }

    /// Skewed: small numbers are common, as popular values are.
    fn skewed(&mut self, n: u64) -> u64 {
        let u = self.below(1 << 20) as f64 / f64::from(1 << 20);
        ((u * u * u) * n as f64) as u64
    }
}

/// One day of one event: sorted by user and time, a group and some properties each.
fn segment() -> Chunk {
    let mut r = Random(42);
    let mut keys: Vec<(u32, i64)> = (0..ROWS)
        .map(|_| {
            (
                1 + r.skewed(200_000) as u32,
                1_735_689_600_000 + r.below(86_400_000) as i64,
            )
        })
        .collect();
    keys.sort_unstable();
    let property = |property, column| PropertyColumn { property, column };
    let texts = |n: usize| (0..n).map(|i| Value::str(format!("value {i}"))).collect::<Vec<_>>();
    let codes = |r: &mut Random, n: u64| (0..ROWS).map(|_| r.skewed(n + 1) as u32).collect::<Vec<_>>();
    // Every value a dictionary holds is used.
    let dense = |values: usize, mut codes: Vec<u32>| {
        codes
            .iter_mut()
            .enumerate()
            .take(values)
            .for_each(|(i, c)| *c = i as u32 + 1);
        Column::Dict {
            values: texts(values),
            codes,
        }
    };
    let (few, many) = (codes(&mut r, 60), codes(&mut r, 20_000));
    Chunk {
        events: Events::One(3),
        user: keys.iter().map(|k| k.0).collect(),
        time: keys.iter().map(|k| k.1).collect(),
        inserts: Some(Inserts {
            hash: (0..ROWS).map(|_| r.next() | 1).collect(),
            priority: (0..ROWS as i64).map(|i| i / 1000).collect(),
        }),
        groups: vec![GroupColumn {
            kind: 1,
            first: keys.iter().map(|k| 1 + k.0 % 12_000).collect(),
            more: Vec::new(),
        }],
        properties: vec![
            property(1, dense(60, few)),
            property(2, dense(20_000, many)),
            property(
                3,
                Column::Number((0..ROWS).map(|_| r.skewed(50_000) as f64 / 100.0).collect()),
            ),
        ],
    }
}

struct Bench {
    wanted: Vec<String>,
}

impl Bench {
    /// Prints ns a row of the fastest round, and bytes a row where something is stored.
    fn run<T>(&self, name: &str, rows: usize, bytes: Option<usize>, mut f: impl FnMut() -> T) {
        if !self.wanted.is_empty() && !self.wanted.iter().any(|w| name.contains(w.as_str())) {
            return;
        }
        let start = Instant::now();
        let mut best = Duration::MAX;
        while start.elapsed() < BUDGET {
            let round = Instant::now();
            black_box(f());
            best = best.min(round.elapsed());
        }
        let ns = best.as_secs_f64() * 1e9 / rows as f64;
        let stored = bytes.map_or(String::new(), |b| format!("{:8.2} B/row", b as f64 / rows as f64));
        println!("{name:<28} {ns:9.3} ns/row {stored}");
    }
}

fn main() {
    // `cargo bench` passes --bench along.
    let bench = Bench {
        wanted: std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect(),
    };
    let chunk = segment();
    codecs(&bench, &chunk);
    blocks(&bench, &chunk);
    bitmaps(&bench);
}

fn codecs(bench: &Bench, chunk: &Chunk) {
    let ids = codec::encode_ids(&chunk.user).unwrap();
    bench.run("ids encode", ROWS, Some(ids.len()), || codec::encode_ids(&chunk.user));
    bench.run("ids decode", ROWS, None, || codec::decode_ids(&ids, ROWS));
    let times = codec::encode_times(&chunk.time).unwrap();
    bench.run("times encode", ROWS, Some(times.len()), || {
        codec::encode_times(&chunk.time)
    });
    bench.run("times decode", ROWS, None, || codec::decode_times(&times, ROWS));
    let group = codec::encode_group(&chunk.groups[0]).unwrap();
    bench.run("group encode", ROWS, Some(group.len()), || {
        codec::encode_group(&chunk.groups[0])
    });
    bench.run("group decode", ROWS, None, || codec::decode_group(1, &group, ROWS));
    let inserts = chunk.inserts.as_ref().unwrap();
    let stored = codec::encode_inserts(inserts).unwrap();
    bench.run("inserts encode", ROWS, Some(stored.len()), || {
        codec::encode_inserts(inserts)
    });
    bench.run("inserts decode", ROWS, None, || codec::decode_inserts(&stored, ROWS));
    for (p, name) in chunk.properties.iter().zip(["60 values", "20,000 values", "numbers"]) {
        let stored = codec::encode_column(&p.column).unwrap();
        bench.run(&format!("{name} encode"), ROWS, Some(stored.len()), || {
            codec::encode_column(&p.column)
        });
        bench.run(&format!("{name} decode"), ROWS, None, || {
            codec::decode_column(&stored, ROWS)
        });
    }
}

fn blocks(bench: &Bench, chunk: &Chunk) {
    let stored = block::encode(chunk).unwrap();
    bench.run("block encode", ROWS, Some(stored.len()), || block::encode(chunk));
    bench.run("block decode", ROWS, None, || block::decode(&stored, &Wanted::all()));
    bench.run("block decode, users+times", ROWS, None, || {
        block::decode(
            &stored,
            &Wanted {
                kinds: Some(vec![]),
                properties: Some(vec![]),
                inserts: false,
            },
        )
    });
}

fn bitmaps(bench: &Bench) {
    let mut r = Random(7);
    // A common event's users of a day: one in twenty of a million.
    let set = |r: &mut Random| -> Vec<u32> { (0..50_000).map(|_| r.below(1_000_000) as u32).collect() };
    let (a, b) = (set(&mut r), set(&mut r));
    let (x, y) = (
        Bitmap::from_ids(a.iter().copied(), &mut NoTick).unwrap(),
        Bitmap::from_ids(b.iter().copied(), &mut NoTick).unwrap(),
    );
    let n = a.len();
    let stored = x.clone().into_portable().unwrap();
    bench.run("bitmap build", n, Some(stored.len()), || {
        Bitmap::from_ids(a.iter().copied(), &mut NoTick)
    });
    bench.run("bitmap read", n, None, || Bitmap::from_portable(&stored));
    bench.run("bitmap count of and", n, None, || x.cardinality_of(Op::And, &y));
    bench.run("bitmap or", n, None, || x.clone().apply(Op::Or, y.clone()));
    bench.run("bitmap walk", n, None, || x.iter().map(u64::from).sum::<u64>());
}
