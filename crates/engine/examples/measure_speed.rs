//! What the kernels of insights, lifecycle and frequency cost: processor time a row, on one thread, over 90 days of one event.
//!
//!     cargo run --release -p engine --example measure_speed              all
//!     cargo run --release -p engine --example measure_speed -- country   those whose names contain "country"
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use engine::breakdown::Dimension;
use engine::chunk::{Chunk, Column, Events, GroupColumn, Hits, Kind, ProfileColumn, PropertyColumn, USER};
use engine::insights::{Aggregate, Inner, Kernel, Measure, Metric, Plan, Smoothing, Timeline, finish};
use engine::mask::Mask;
use engine::tick::NoTick;
use engine::time::{Calendar, DAY_MS, Unit};
use engine::value::Value;
use engine::{frequency, lifecycle};
use std::sync::Arc;

const DAYS: i32 = 90;
const ROWS_A_DAY: usize = 40_000;
const USERS: u64 = 300_000;
const COMPANIES: u32 = 20_000;
const COMPANY: Kind = 1;
const COUNTRY: u32 = 1;
const AMOUNT: u32 = 2;
const MEMORY: usize = 1 << 32;
/// Seconds of processor time for each figure.
const LONG_ENOUGH: f64 = 0.6;

/// Processor time of this process in user mode, in seconds.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<f64>().unwrap() / 100.0
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Days as the store hands them over, sorted by user and time; some users are busier than others.
fn days() -> Vec<Chunk> {
    let mut r = Random(88_172_645_463_325_252);
    let texts: Vec<Value> = (0..40).map(|i| Value::str(format!("c{i}"))).collect();
    let mut chunks = Vec::new();
    for day in 0..DAYS {
        let mut rows: Vec<(u32, i64)> = (0..ROWS_A_DAY)
            .map(|_| {
                let user = (r.next() % USERS).min(r.next() % USERS) as u32 + 1;
                (user, i64::from(day) * DAY_MS + (r.next() % DAY_MS as u64) as i64)
            })
            .collect();
        rows.sort_unstable();
        let codes = rows.iter().map(|_| (r.next() % 40) as u32 + 1).collect();
        let amounts = rows.iter().map(|_| (r.next() % 100_000) as f64 / 100.0).collect();
        chunks.push(Chunk {
            events: Events::One(1),
            user: rows.iter().map(|r| r.0).collect(),
            time: rows.iter().map(|r| r.1).collect(),
            inserts: None,
            groups: vec![GroupColumn {
                kind: COMPANY,
                first: rows.iter().map(|(user, _)| user % COMPANIES + 1).collect(),
                more: Vec::new(),
            }],
            properties: vec![
                PropertyColumn {
                    property: COUNTRY,
                    column: Column::Dict {
                        values: texts.clone(),
                        codes,
                    },
                },
                PropertyColumn {
                    property: AMOUNT,
                    column: Column::Number(amounts),
                },
            ],
        });
    }
    chunks
}

/// Prints what `gather` and `finish` cost by the row.
fn time<P>(name: &str, rows: usize, mut gather: impl FnMut() -> P, mut finish: impl FnMut(P) -> usize) {
    let only = std::env::args().nth(1);
    if only.is_some_and(|part| !name.contains(&part)) {
        return;
    }
    let (mut gathering, mut finishing, mut rounds) = (0.0, 0.0, 0);
    while gathering + finishing < LONG_ENOUGH {
        let start = processor_time();
        let partial = gather();
        let between = processor_time();
        assert!(finish(partial) > 0);
        gathering += between - start;
        finishing += processor_time() - between;
        rounds += 1;
    }
    let by_row = |t: f64| t * 1e9 / (rounds * rows) as f64;
    println!(
        "{name:34} gather {:6.2}  finish {:6.2} ns/row",
        by_row(gathering),
        by_row(finishing)
    );
}

fn main() {
    let chunks = days();
    let rows: usize = chunks.iter().map(Chunk::len).sum();
    let industries = Dimension::GroupProperty {
        kind: COMPANY,
        column: Arc::new(ProfileColumn {
            values: (0..20).map(|i| Value::str(format!("i{i}"))).collect(),
            codes: (0..=COMPANIES).map(|c| c % 21).collect(),
        }),
        membership: None,
        via_profile: false,
    };
    let of = |aggregate| Measure::Property {
        property: AMOUNT,
        aggregate,
    };
    let p90 = Aggregate::Percentile(0.9);
    let (sum, p90_of_amount) = (of(Aggregate::Sum), of(p90));
    let unique = Measure::Unique;
    let events = |outer| Measure::PerSubject {
        inner: Inner::Total,
        outer,
    };
    let spent = Measure::PerSubject {
        inner: Inner::Property {
            property: AMOUNT,
            aggregate: Aggregate::Sum,
        },
        outer: p90,
    };
    let country = || vec![Dimension::EventProperty(COUNTRY)];
    type Case<'c> = (&'c str, Vec<(Measure, Kind)>, Unit, Vec<Dimension>);
    let cases: Vec<Case> = vec![
        ("total by day", vec![(Measure::Total, USER)], Unit::Day, vec![]),
        ("total by hour", vec![(Measure::Total, USER)], Unit::Hour, vec![]),
        ("unique by day", vec![(unique, USER)], Unit::Day, vec![]),
        ("unique by range", vec![(unique, USER)], Unit::Range, vec![]),
        ("unique companies by day", vec![(unique, COMPANY)], Unit::Day, vec![]),
        (
            "wau by day",
            vec![(Measure::Active { days: 7 }, USER)],
            Unit::Day,
            vec![],
        ),
        (
            "cumulative unique by day",
            vec![(Measure::CumulativeUnique, USER)],
            Unit::Day,
            vec![],
        ),
        ("sum by day", vec![(sum, USER)], Unit::Day, vec![]),
        ("p90 by day", vec![(p90_of_amount, USER)], Unit::Day, vec![]),
        (
            "sum and p90 by day",
            vec![(sum, USER), (p90_of_amount, USER)],
            Unit::Day,
            vec![],
        ),
        ("min by day", vec![(of(Aggregate::Min), USER)], Unit::Day, vec![]),
        (
            "distinct by day",
            vec![(of(Aggregate::Distinct), USER)],
            Unit::Day,
            vec![],
        ),
        ("total by country", vec![(Measure::Total, USER)], Unit::Range, country()),
        ("unique by country", vec![(unique, USER)], Unit::Range, country()),
        ("unique by country and day", vec![(unique, USER)], Unit::Day, country()),
        ("sum by country", vec![(sum, USER)], Unit::Range, country()),
        (
            "companies and users by industry",
            vec![(unique, COMPANY), (unique, USER)],
            Unit::Range,
            vec![industries],
        ),
        (
            "events per user, distribution",
            vec![(events(Aggregate::Distribution), USER)],
            Unit::Range,
            vec![],
        ),
        (
            "events per user by day, average",
            vec![(events(Aggregate::Average), USER)],
            Unit::Day,
            vec![],
        ),
        ("sum per user, p90", vec![(spent, USER)], Unit::Range, vec![]),
        ("sum per user by day, p90", vec![(spent, USER)], Unit::Day, vec![]),
    ];
    for every in [1, 2] {
        println!(
            "{}",
            if every == 1 {
                "every row is picked"
            } else {
                "about half of the rows are picked"
            }
        );
        for (name, metrics, unit, breakdown) in &cases {
            let trailing = metrics.iter().filter_map(|m| m.0.trailing_days()).max().unwrap_or(0);
            let metric = |(measure, by): &(Measure, Kind)| Metric {
                measure: *measure,
                by: *by,
                label: format!("{measure:?} {by}"),
                profiles: false,
            };
            let plan = Plan {
                metrics: metrics.iter().map(metric).collect(),
                time: Timeline::new(&Calendar::utc(), *unit, 0, DAYS - 1, 0, trailing).unwrap(),
                breakdown: breakdown.clone(),
                formulas: Vec::new(),
                smoothing: Smoothing::None,
                top: 200,
                shown: None,
                remap: None,
                memory_limit: MEMORY,
            };
            let picked = |c: &Chunk| match every {
                1 => Mask::all(c.len()),
                _ => Mask::from_fn(c.len(), |i| i * 7919 % 13 < 6),
            };
            let hits: Vec<Vec<Hits>> = chunks
                .iter()
                .map(|c| vec![Hits::rows(picked(c)); metrics.len()])
                .collect();
            let gather = || {
                let mut kernel = Kernel::new(&plan).unwrap();
                for (c, h) in chunks.iter().zip(&hits) {
                    kernel.push(c, h, &mut NoTick).unwrap();
                }
                kernel.finish()
            };
            time(name, rows, gather, |p| finish(&plan, p, &mut NoTick).unwrap().len());
        }
    }
    let all: Vec<Hits> = chunks.iter().map(|c| Hits::rows(Mask::all(c.len()))).collect();
    let range = (0, DAYS - 1);
    for (name, by, unit) in [
        ("lifecycle of users by week", USER, Unit::Week),
        ("lifecycle of companies by week", COMPANY, Unit::Week),
        ("lifecycle of users by day", USER, Unit::Day),
    ] {
        let plan = lifecycle::Plan::new(by, &Calendar::utc(), unit, range, None, MEMORY).unwrap();
        let gather = || {
            let mut kernel = lifecycle::Kernel::new(&plan).unwrap();
            for (c, h) in chunks.iter().zip(&all) {
                kernel.push(c, h, &mut NoTick).unwrap();
            }
            kernel.finish()
        };
        time(name, rows, gather, |p| {
            lifecycle::finish(&plan, p, &mut NoTick).unwrap().len()
        });
    }
    for (name, by, units) in [
        ("frequency of users, days a week", USER, (Unit::Week, Unit::Day)),
        ("frequency of companies, days a week", COMPANY, (Unit::Week, Unit::Day)),
        ("frequency of users, hours a day", USER, (Unit::Day, Unit::Hour)),
    ] {
        let plan = frequency::Plan::new(by, &Calendar::utc(), units, range, true, MEMORY).unwrap();
        let gather = || {
            let mut kernel = frequency::Kernel::new(&plan).unwrap();
            for (c, h) in chunks.iter().zip(&all) {
                kernel.push(c, h, &mut NoTick).unwrap();
            }
            kernel.finish()
        };
        time(name, rows, gather, |p| {
            frequency::finish(&plan, p, &mut NoTick).unwrap().len()
        });
    }
}
