//! What the kernels of funnels, retention and counting by segment cost: processor time a row, on one thread, over a month of
//! days of a few events. Sessions, flows, measures and ingestion have programs of their own under examples/.
//!
//!     cargo bench -p engine --bench kernels
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use engine::breakdown::Dimension;
use engine::chunk::{Chunk, Events, GroupColumn, Hits, Kind, ProfileColumn, USER};
use engine::funnel::{self, Reentry};
use engine::insights::{self, Measure, Metric, Smoothing};
use engine::mask::Mask;
use engine::parallel::Workers;
use engine::retention::{self, Alignment, Births, Criterion};
use engine::tick::NoTick;
use engine::time::{Calendar, DAY_MS, Span64, Unit};
use engine::value::Value;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const COMPANY: Kind = 1;
const FIRST_DAY: i32 = 20_089;
const DAYS: i32 = 28;
const USERS: u64 = 100_000;
const COMPANIES: u32 = 6_000;
const MEMORY: usize = 1 << 30;
/// Rows of each event on a day; the first steps of a funnel are the frequent ones.
const PER_DAY: [usize; 3] = [18_000, 9_000, 6_000];
const ROUNDS: usize = 15;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Chunks as the store hands them over: by day, then event, each sorted by user and time. Some users do far more than others.
fn month() -> Vec<(usize, Chunk)> {
    let mut r = Random(88_172_645_463_325_252);
    let mut chunks = Vec::new();
    for day in 0..DAYS {
        for (event, rows) in PER_DAY.iter().enumerate() {
            let start = i64::from(FIRST_DAY + day) * DAY_MS;
            let mut keys: Vec<(u32, i64)> = (0..*rows)
                .map(|_| {
                    let user = 1 + (r.unit().powi(2) * USERS as f64) as u32;
                    (user, start + (r.unit() * DAY_MS as f64) as i64)
                })
                .collect();
            keys.sort_unstable();
            let chunk = Chunk {
                events: Events::One(event as u32 + 1),
                user: keys.iter().map(|k| k.0).collect(),
                time: keys.iter().map(|k| k.1).collect(),
                groups: vec![GroupColumn {
                    kind: COMPANY,
                    first: keys.iter().map(|k| 1 + k.0 % COMPANIES).collect(),
                    more: Vec::new(),
                }],
                ..Chunk::default()
            };
            chunks.push((event, chunk));
        }
    }
    chunks
}

/// Each selector picks one event.
fn hits(event: usize, selectors: usize, rows: usize) -> Vec<Hits> {
    (0..selectors)
        .map(|s| Hits::rows(if s == event { Mask::all(rows) } else { Mask::none(rows) }))
        .collect()
}

/// Nanoseconds this thread has been on a processor, which others on the machine do not change; the clock where the kernel
/// does not say.
fn now(start: Instant) -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let spent = stat.and_then(|s| s.split(' ').next().and_then(|n| n.parse().ok()));
    spent.unwrap_or(start.elapsed().as_secs_f64() * 1e9)
}

/// The mean of some rounds: the kernel counts in steps of milliseconds.
fn run<T>(name: &str, rows: usize, mut f: impl FnMut() -> T) {
    let start = Instant::now();
    black_box(f());
    let before = now(start);
    for _ in 0..ROUNDS {
        black_box(f());
    }
    let ns = (now(start) - before) / ROUNDS as f64;
    println!("{name:<36} {:8.2} ms {:8.2} ns/row", ns / 1e6, ns / rows as f64);
}

/// As a report reads them: each step alone, then what is left.
fn step_by_step(plan: &funnel::Plan, chunks: &[(&Chunk, Vec<Hits>)]) -> Vec<funnel::StepRow> {
    let mut cascade = funnel::Cascade::new(plan, COMPANIES).unwrap().unwrap();
    while let Some(steps) = cascade.steps() {
        let mut reader = cascade.reader().unwrap();
        for (k, (chunk, hits)) in steps.flat_map(|k| chunks.iter().map(move |c| (k, c))) {
            if hits[k].rows.any() {
                cascade.push(&mut reader, k, chunk, &hits[k], &mut NoTick).unwrap();
            }
        }
        assert!(cascade.advance([reader], &Workers::serial(), &mut NoTick).unwrap());
    }
    let mut rest = None;
    if cascade.goes_on() {
        let mut kernel = funnel::Kernel::new(plan).unwrap().for_subjects(USERS as u32).unwrap();
        for (chunk, hits) in chunks {
            if hits[0].rows.any() {
                cascade.push_entries(0, chunk, &hits[0], &mut NoTick).unwrap();
            }
            let left: Vec<Hits> = hits
                .iter()
                .map(|h| cascade.undecided(chunk, h.clone(), &mut NoTick).unwrap())
                .collect();
            kernel.push(chunk, &left, &mut NoTick).unwrap();
        }
        rest = Some(funnel::count_on(plan, kernel.finish(), &Workers::serial(), &mut NoTick).unwrap());
    }
    let mut counts = funnel::count_decided(&cascade, &Workers::serial(), &mut NoTick).unwrap();
    if let Some(rest) = rest {
        counts.merge(rest).unwrap();
    }
    funnel::rows(plan, counts, &mut NoTick).unwrap()
}

fn main() {
    let chunks = month();
    let rows: usize = chunks.iter().map(|(_, c)| c.len()).sum();
    let prepared: Vec<(&Chunk, Vec<Hits>)> = chunks.iter().map(|(e, c)| (c, hits(*e, 3, c.len()))).collect();
    let entry = Span64 {
        from: i64::from(FIRST_DAY) * DAY_MS,
        to: i64::from(FIRST_DAY + DAYS) * DAY_MS,
    };
    for (by, who) in [(USER, "users"), (COMPANY, "companies")] {
        for (reentry, how) in [(Reentry::Default, "first entry"), (Reentry::Optimized, "best entry")] {
            let mut plan = funnel::Plan::new(3, by, entry, MEMORY);
            plan.grace_ms = 0;
            plan.reentry = reentry;
            let gather = || {
                let mut kernel = funnel::Kernel::new(&plan).unwrap().for_subjects(USERS as u32).unwrap();
                for (chunk, hits) in &prepared {
                    kernel.push(chunk, hits, &mut NoTick).unwrap();
                }
                kernel.finish()
            };
            run(&format!("funnel, {who}, {how}"), rows, || {
                funnel::finish(&plan, gather(), &mut NoTick).unwrap()
            });
            if reentry == Reentry::Default {
                run(&format!("  of that gathering {who}"), rows, gather);
            }
            if by == COMPANY {
                run(&format!("  step by step, {who}, {how}"), rows, || {
                    step_by_step(&plan, &prepared)
                });
            }
        }
        // Born by the first event, back by the second.
        let calendar = Calendar::utc();
        for (births, unit, how) in [
            (Births::Every, Unit::Day, "every birth"),
            (Births::First, Unit::Day, "first birth"),
            (Births::Every, Unit::Week, "every week's"),
        ] {
            let question = retention::Question {
                by,
                unit,
                buckets: 27,
                criterion: Criterion::On,
                alignment: Alignment::Calendar,
                births,
                from_day: FIRST_DAY,
                to_day: FIRST_DAY + DAYS - 1,
                now_ms: entry.to,
                remap: None,
                memory_limit: MEMORY,
            };
            let plan = retention::Plan::new(question, &calendar).unwrap();
            let used: usize = prepared
                .iter()
                .filter(|(_, h)| !h[2].rows.any())
                .map(|(c, _)| c.len())
                .sum();
            run(&format!("retention, {who}, {how}"), used, || {
                let mut kernel = retention::Kernel::new(&plan).for_subjects(USERS as u32).unwrap();
                for (chunk, hits) in prepared.iter().filter(|(_, h)| !h[2].rows.any()) {
                    kernel.push(chunk, &hits[0], &hits[1], &mut NoTick).unwrap();
                }
                retention::finish(&plan, kernel.finish().unwrap(), &mut NoTick).unwrap()
            });
        }
    }
    let industries = Dimension::GroupProperty {
        kind: COMPANY,
        column: Arc::new(ProfileColumn {
            values: (0..20).map(|i| Value::str(format!("i{i}"))).collect(),
            codes: (0..=COMPANIES).map(|c| c % 21).collect(),
        }),
        membership: None,
        via_profile: false,
    };
    let ids = Dimension::Numbers {
        kind: COMPANY,
        most: COMPANIES,
        membership: None,
    };
    for (name, dimension) in [("industry", industries), ("company", ids)] {
        for (unit, when) in [(Unit::Range, ""), (Unit::Week, " and week"), (Unit::Day, " and day")] {
            let metric = |measure, by| Metric {
                measure,
                by,
                label: format!("{measure:?} {by}"),
                profiles: false,
            };
            let time = Calendar::utc().buckets(unit, FIRST_DAY, FIRST_DAY + DAYS - 1).unwrap();
            let plan = insights::Plan {
                metrics: vec![metric(Measure::Total, USER), metric(Measure::Unique, USER)],
                time: time.into(),
                breakdown: vec![dimension.clone()],
                formulas: Vec::new(),
                smoothing: Smoothing::None,
                top: 10,
                shown: None,
                remap: None,
                memory_limit: MEMORY,
            };
            run(&format!("events and users by {name}{when}"), rows, || {
                let mut kernel = insights::Kernel::new(&plan).unwrap();
                for (_, chunk) in &chunks {
                    let all = vec![Hits::rows(Mask::all(chunk.len())); 2];
                    kernel.push(chunk, &all, &mut NoTick).unwrap();
                }
                let mut partial = kernel.finish();
                for (kind, no) in insights::unnamed(&plan, &mut partial, &mut NoTick).unwrap() {
                    partial.name(kind, no, &no.to_string()).unwrap();
                }
                insights::finish(&plan, partial, &mut NoTick).unwrap()
            });
        }
    }
}
