//! The cost of taking events in, stage by stage, without a server: CPU time per event of a made-up but reproducible day
//! of a B2B product.
//!
//!     cargo run --release -p engine --example ingest_speed -- [events]          times the stages
//!     cargo run --release -p engine --example ingest_speed -- events --columns  those of the columns alone
//!     cargo run --release -p engine --example ingest_speed -- events --print    writes the events to standard output

// A tool for developers: it may stop at the first surprise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fmt::Write;

const USERS: u64 = 250_000;
const COMPANIES: u64 = 15_000;
const COUNTRIES: [&str; 12] = [
    "US",
    "DE",
    "GB",
    "FR",
    "IN",
    "BR",
    "CA",
    "JP",
    "AU",
    "NL",
    "SE",
    "Côte d'Ivoire",
];
const BROWSERS: [&str; 5] = ["Chrome", "Safari", "Firefox", "Edge", "Samsung Internet"];
const SYSTEMS: [&str; 5] = ["Windows", "macOS", "iOS", "Android", "Linux"];
const PLANS: [&str; 4] = ["free", "starter", "pro", "enterprise"];
const REFERRERS: [&str; 6] = [
    "",
    "https://www.google.com/",
    "https://news.example.org/",
    "newsletter",
    "partner",
    "direct",
];
const VERBS: [&str; 40] = [
    "Page Viewed",
    "Item Viewed",
    "Search",
    "Login",
    "Add To Cart",
    "Report Opened",
    "Comment Added",
    "File Uploaded",
    "Invite Sent",
    "Purchase",
    "Project Created",
    "Task Completed",
    "Export Started",
    "Settings Changed",
    "Sign Up",
    "Logout",
    "Dashboard Opened",
    "Filter Applied",
    "Row Edited",
    "Row Deleted",
    "Chart Saved",
    "Alert Fired",
    "Message Sent",
    "Call Started",
    "Call Ended",
    "Trial Started",
    "Plan Changed",
    "Seat Added",
    "Seat Removed",
    "Integration Added",
    "Webhook Failed",
    "Token Created",
    "Password Reset",
    "Email Opened",
    "Email Clicked",
    "Survey Shown",
    "Survey Answered",
    "Feature Used",
    "Error Shown",
    "Session Timeout",
];

/// splitmix64: well mixed numbers from a counter.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Near enough to Zipf: rank 0 is the most frequent of `n`.
    fn zipf(&mut self, n: usize) -> usize {
        (((n as f64 + 1.0).powf(self.unit()) - 1.0) as usize).min(n - 1)
    }
}

/// Appends one event a line. Times advance through `first_ms` + 90 days, as events arrive.
fn events(n: u64) -> String {
    let mut d = Dice(42);
    let mut out = String::new();
    for i in 0..n {
        // Users are active by a skewed weight, and belong to one company, with skewed sizes.
        let user = ((d.unit() * d.unit().sqrt()) * USERS as f64) as u64;
        let of_user = Dice(user).next();
        let company = ((of_user % 1_000_000) as f64 / 1e6).powi(2) * COMPANIES as f64;
        let time = 1_700_000_000_000 + i * 7_776_000_000 / n + d.next() % 5000;
        let (a, b) = (d.next(), d.next());
        let id = format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            b >> 52,
            b & 0xffff_ffff_ffff
        );
        writeln!(
            out,
            "{{\"event\":\"{}\",\"properties\":{{\"time\":{},\"distinct_id\":\"user_{user}\",\"$insert_id\":\"{id}\",\
             \"company_id\":\"company_{}\",\"country\":\"{}\",\"browser\":\"{}\",\"$os\":\"{}\",\"plan\":\"{}\",\
             \"url\":\"https://app.example.com/p/{}/items/{}\",\"amount\":{}.{:02},\"referrer\":\"{}\",\"items\":{}}}}}",
            VERBS[d.zipf(VERBS.len())],
            time,
            company as u64,
            COUNTRIES[(of_user >> 8) as usize % COUNTRIES.len()],
            BROWSERS[d.zipf(BROWSERS.len())],
            SYSTEMS[(of_user >> 16) as usize % SYSTEMS.len()],
            PLANS[(company as usize * 7) % PLANS.len()],
            company as u64,
            d.zipf(50_000),
            d.zipf(2000),
            d.next() % 100,
            REFERRERS[d.zipf(REFERRERS.len())],
            1 + d.zipf(9),
        )
        .unwrap();
    }
    out
}

fn main() {
    let mut args = std::env::args().skip(1);
    let n: u64 = args.next().map_or(200_000, |a| a.parse().expect("a number of events"));
    let text = events(n);
    let mode = args.next();
    if mode.as_deref() == Some("--print") {
        print!("{text}");
        return;
    }
    println!("{n} events of {} bytes", text.len() / n as usize);
    stages::run(&text, mode.as_deref() == Some("--columns"));
}

mod stages {
    use engine::chunk_builder::ChunkBuilder;
    use engine::ingest::{Intake, Key, Settings, fill_ndjson, parse_ndjson};
    use engine::limits::Limits;
    use engine::names::Names;
    use engine::row::{EventRow, insert_hash};
    use engine::tick::NoTick;
    use std::collections::HashMap;
    use std::sync::Arc;

    /// Processor time of this process in seconds.
    fn cpu() -> f64 {
        let stat = std::fs::read_to_string("/proc/self/schedstat").expect("schedstat");
        let ns: f64 = stat.split(' ').next().unwrap().parse().unwrap();
        ns / 1e9
    }

    /// Prints the mean of some runs (the kernel counts processor time in ticks), and returns the result of the last.
    fn time<R>(what: &str, events: usize, mut f: impl FnMut() -> R) -> R {
        let start = std::time::Instant::now();
        let before = cpu();
        let mut runs = 0u32;
        loop {
            let last = std::hint::black_box(f());
            runs += 1;
            if start.elapsed().as_secs_f64() > 0.7 {
                let mean = (cpu() - before) / f64::from(runs);
                println!("{what:<40} {:8.1} ns per event", mean * 1e9 / events as f64);
                return last;
            }
        }
    }

    fn numbers<'a>(names: impl Iterator<Item = &'a str>) -> HashMap<&'a str, u32> {
        let mut of = HashMap::new();
        for n in names {
            let next = of.len() as u32 + 1;
            of.entry(n).or_insert(next);
        }
        of
    }

    fn rows(text: &str, count: usize, settings: &Settings) {
        println!("one record at a time:");
        let batch = time("  parse", count, || {
            parse_ndjson(text.as_bytes(), settings, &mut NoTick).unwrap()
        });
        let rows = time("  number", count, || {
            let e = &batch.events;
            let names = numbers(e.iter().map(|e| &*e.name));
            let users = numbers(e.iter().map(|e| &*e.distinct_id));
            let properties = numbers(e.iter().flat_map(|e| e.properties.iter().map(|(p, _)| &**p)));
            let groups = numbers(
                e.iter()
                    .flat_map(|e| e.groups.iter().flat_map(|(_, g)| g.iter().map(|g| &**g))),
            );
            e.iter()
                .map(|e| EventRow {
                    event: names[&*e.name],
                    user: users[&*e.distinct_id],
                    time: e.time,
                    insert_hash: e.insert_id.as_deref().map_or(0, insert_hash),
                    groups: e
                        .groups
                        .iter()
                        .map(|(k, g)| (*k, g.iter().map(|g| groups[&**g]).collect()))
                        .collect(),
                    properties: e
                        .properties
                        .iter()
                        .map(|(p, v)| (properties[&**p], v.clone()))
                        .collect(),
                })
                .collect::<Vec<_>>()
        });
        let chunk = time("  columns", count, || {
            let mut b = ChunkBuilder::new();
            rows.iter().for_each(|r| b.push(r, 1).unwrap());
            b.finish().unwrap()
        });
        let block = time("  encode", count, || engine::block::encode(&chunk).unwrap());
        println!("  block: {:.1} bytes per event", block.len() as f64 / count as f64);
    }

    pub fn run(text: &str, columns_alone: bool) {
        let limits = Limits::default();
        let keys = [Key {
            kind: 1,
            property: "company_id".into(),
        }];
        let settings = Settings {
            limits: &limits,
            now_ms: 1_800_000_000_000,
            strict: true,
            keys: &keys,
            sticky: None,
        };
        // One slice of what a call stores at once.
        let lines: usize = text.split_inclusive('\n').take(50_000).map(str::len).sum();
        let text = &text[..lines];
        let count = text.lines().count();
        if !columns_alone {
            rows(text, count, &settings);
        }
        println!("in columns:");
        let mut intake = Intake::new(&keys);
        let fill = |intake: &mut Intake| {
            intake.clear();
            fill_ndjson(text.as_bytes(), &settings, &mut NoTick, intake, &mut |_| Ok(())).unwrap();
        };
        time("  parse, all names new", count, || fill(&mut intake));
        let mut known = HashMap::new();
        for space in intake.spaces() {
            let mut names = Names::new();
            for (i, n) in intake.unnumbered(space).unwrap().iter().enumerate() {
                names.insert(n, i as u32 + 1).unwrap();
            }
            known.insert(space, Arc::new(names));
        }
        intake.know(|space| vec![known[&space].clone()]).unwrap();
        time("  parse, all names known", count, || fill(&mut intake));
        time("  number", count, || {
            for space in intake.spaces() {
                let numbers: Vec<u32> = intake
                    .unnumbered(space)
                    .unwrap()
                    .iter()
                    .map(|n| known[&space].get(n).unwrap())
                    .collect();
                intake.number(space, &numbers).unwrap();
            }
        });
        time("  dedupe", count, || intake.dedupe(true).unwrap());
        let block = time("  encode", count, || intake.encode(1).unwrap());
        println!("  block: {:.1} bytes per event", block.len() as f64 / count as f64);
    }
}
