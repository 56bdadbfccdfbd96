//! What the user-major stream costs and gains, in CPU time of one thread.
//!
//!     cargo run --release -p engine --example stream_figures -- 10000000
//!     … -- 3000000 'next 3'        only the figures with this in their name
//!
//! Users come back with decaying interest; sessions of 8 events on average, a minute apart; 40 event names, Zipf.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use engine::chunk::USER;
use engine::flows::{self, Count};
use engine::parallel::Workers;
use engine::sessions::{self, Mode};
use engine::stream::{Builder, Columns, Part, Piece, Ranks, Source, encode};
use engine::tick::NoTick;
use engine::time::{Calendar, DAY_MS, Unit};

const DAYS: i32 = 91;
const FIRST_DAY: i32 = 20_089;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }
}

/// CPU nanoseconds of this thread.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

fn timed<T>(what: &str, events: usize, mut f: impl FnMut() -> T) -> T {
    if std::env::args().nth(2).is_some_and(|only| !what.contains(&only)) {
        return f();
    }
    // The clock ticks every few milliseconds.
    let start = cpu();
    let mut result = None;
    for _ in 0..20 {
        result = Some(f());
    }
    let each = (cpu() - start) / 20.0;
    println!(
        "{what:<42} {:>8.2} ms {:>7.2} ns/event",
        each / 1e6,
        each / events as f64
    );
    result.unwrap()
}

/// About `wanted` events, as parts ready to be stored.
fn generate(wanted: usize, ranks: &Ranks) -> (usize, Vec<Piece>) {
    let mut r = Random(88_172_645_463_325_252);
    let users = (wanted / 52).max(1);
    let weights: Vec<f64> = (1..=40).map(|k| 1.0 / f64::from(k)).collect();
    let total: f64 = weights.iter().sum();
    let names: Vec<u32> = (0..1 << 12)
        .map(|i| {
            let mut x = f64::from(i) / 4096.0 * total;
            1 + weights
                .iter()
                .take_while(|w| (x - *w >= 0.0).then(|| x -= *w).is_some())
                .count()
                .min(39) as u32
        })
        .collect();
    let mut builder = Builder::new(ranks, usize::MAX);
    let mut n = 0;
    for user in 1..=users as u32 {
        let born = (r.unit() * f64::from(DAYS)) as i32;
        for day in born..DAYS {
            let interest = 0.04 + 0.9 * (-f64::from(day - born) / 6.0).exp();
            if r.unit() > interest {
                continue;
            }
            let mut t = r.unit() * 0.6 * DAY_MS as f64;
            loop {
                t += r.exponential(60_000.0);
                if t >= DAY_MS as f64 {
                    break;
                }
                let event = names[(r.next() >> 52) as usize];
                builder.push(user, FIRST_DAY + day, t as u32, event).unwrap();
                n += 1;
                if r.unit() < 0.125 {
                    if r.unit() < 0.75 {
                        break;
                    }
                    t += r.exponential(3.0 * 3_600_000.0) + 1_800_000.0;
                }
            }
        }
    }
    let start = cpu();
    let parts = builder.finish(&mut NoTick).unwrap();
    println!("{n} events, {users} users, {} parts", parts.len());
    println!(
        "{:<42} {:>8.2} ms {:>7.2} ns/event",
        "sort",
        (cpu() - start) / 1e6,
        (cpu() - start) / n as f64
    );
    let start = cpu();
    let mut part = Part::default();
    let pieces = parts.iter().map(|((number, day), sorted)| {
        sorted.part(ranks, &mut part).unwrap();
        Piece {
            part: *number,
            day: *day,
            source: Source::Stored(encode(&part).unwrap()),
        }
    });
    let pieces: Vec<Piece> = pieces.collect();
    println!(
        "{:<42} {:>8.2} ms {:>7.2} ns/event",
        "encode",
        (cpu() - start) / 1e6,
        (cpu() - start) / n as f64
    );
    (n, pieces)
}

fn main() {
    let wanted = std::env::args()
        .nth(1)
        .and_then(|a| a.parse().ok())
        .unwrap_or(2_000_000);
    let calendar = Calendar::utc();
    let sorted: Vec<u32> = (1..=40).map(|e| e * 17 % 41).collect();
    let ranks = Ranks::new(&sorted).unwrap();
    let names: Vec<String> = (1..=40).map(|e| format!("event {e:02}")).collect();
    let (n, pieces) = generate(wanted, &ranks);
    let bytes = pieces.iter().fold([0; 3], |sum, p| match &p.source {
        Source::Stored(b) => [sum[0] + b.users.len(), sum[1] + b.times.len(), sum[2] + b.events.len()],
        Source::Gathered(_) => sum,
    });
    let per = |b: usize| b as f64 / n as f64;
    println!(
        "bytes per event: users {:.2}, times {:.2}, events {:.2}, all {:.2}",
        per(bytes[0]),
        per(bytes[1]),
        per(bytes[2]),
        per(bytes.iter().sum())
    );
    let start = |p: &Piece| calendar.day_start(p.day).unwrap();
    let mut part = Part::default();
    let none = Columns {
        users: false,
        times: false,
        events: false,
    };
    for (what, columns) in [
        ("decode users", Columns { users: true, ..none }),
        ("decode times", Columns { times: true, ..none }),
        ("decode events", Columns { events: true, ..none }),
        ("decode all", Columns::ALL),
    ] {
        timed(what, n, || {
            pieces.iter().for_each(|p| p.load(columns, &ranks, &mut part).unwrap())
        });
    }
    for (what, unit) in [("sessions by day", Unit::Day), ("sessions by hour", Unit::Hour)] {
        let last = FIRST_DAY + DAYS - 1;
        let buckets = calendar.buckets(unit, FIRST_DAY, last).unwrap();
        let plan = sessions::Plan::new(Mode::Timeout(1_800_000), &calendar, FIRST_DAY, last, buckets).unwrap();
        let rows = timed(what, n, || {
            let mut kernel = sessions::StreamKernel::new(&plan).unwrap();
            for p in &pieces {
                p.load(kernel.columns(), &ranks, &mut part).unwrap();
                kernel.push(start(p), &part, &mut NoTick).unwrap();
            }
            sessions::finish(&plan, kernel.finish(), &Workers::serial(), &mut NoTick).unwrap()
        });
        println!("  {} sessions", rows.iter().map(|r| r.sessions).sum::<u64>());
    }
    for (what, count, reverse, within) in [
        ("first login, next 3, no limit", Count::Unique, 0, 400),
        ("first login, next 3, 30 days", Count::Unique, 0, 30),
        ("first login, next 3, 1 before", Count::Unique, 1, 30),
        ("every login, next 3", Count::Total, 0, 30),
    ] {
        let entry = calendar.days(FIRST_DAY, FIRST_DAY + DAYS - 1).unwrap();
        let plan = flows::Plan {
            by: USER,
            entry,
            forward: 3,
            reverse,
            within_ms: within * DAY_MS,
            collapse: false,
            count,
            hidden: Vec::new(),
            named: Vec::new(),
            ranks: &ranks,
            remap: None,
            memory_limit: usize::MAX,
        };
        let anchors: Vec<bool> = (0..42).map(|e| e == 5).collect();
        let rows = timed(what, n, || {
            let partial = if flows::StreamKernel::answers(&plan) {
                let mut kernel = flows::StreamKernel::new(&plan, &anchors, within < 400).unwrap();
                for p in &pieces {
                    p.load(kernel.columns(), &ranks, &mut part).unwrap();
                    kernel.push(p.part, start(p), &part, &mut NoTick).unwrap();
                }
                kernel.finish().unwrap()
            } else {
                let mut kernel = flows::EventKernel::new(&plan).unwrap();
                for p in &pieces {
                    p.load(Columns::ALL, &ranks, &mut part).unwrap();
                    kernel
                        .push_part(p.part, start(p), &part, &anchors, &mut NoTick)
                        .unwrap();
                }
                kernel.finish()
            };
            let paths = flows::finish(&plan, partial, &Workers::serial(), &mut NoTick).unwrap();
            flows::top_paths(&plan, &paths, &names, 50, &mut NoTick).unwrap()
        });
        println!("  top path {:?} {}", rows[0].path, rows[0].count);
    }
}
