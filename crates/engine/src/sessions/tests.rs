use super::*;
use crate::chunk::{Chunk, Column, Events, Hits, PropertyColumn, USER};
use crate::mask::Mask;
use crate::parallel::Workers;
use crate::stream::{Builder, Columns, Part, Ranks, decode, encode};
use crate::tick::NoTick;
use crate::time::{DayCache, Unit};
use crate::value::Value;
use proptest::prelude::*;
use std::collections::BTreeMap;

const MINUTE: i64 = 60_000;
const DAY: i32 = 19_810; // 2024-03-28, three days before clocks change in Berlin
const LAST: i32 = DAY + 5;
/// Numbers of "A", "B", "C".
const SORTED: [u32; 3] = [3, 1, 2];

#[derive(Debug, Clone)]
struct Ev {
    user: u32,
    t: i64,
    event: u32,
    start: bool,
    end: bool,
    value: Option<i64>,
}

fn ev(user: u32, t: i64) -> Ev {
    Ev {
        user,
        t,
        event: 1,
        start: false,
        end: false,
        value: None,
    }
}

/// Sessions of one subject and day, by the words of the law.
fn cut(mode: Mode, day: &[&Ev]) -> Vec<(i64, u64, Option<i64>)> {
    let mut sessions: Vec<Vec<&Ev>> = Vec::new();
    let mut closed: Vec<bool> = Vec::new();
    for e in day {
        let open = sessions.last().zip(closed.last()).filter(|(_, c)| !**c).map(|(s, _)| s);
        let last = open.and_then(|s| s.last());
        let joins = match mode {
            Mode::Timeout(gap) => last.is_some_and(|l| e.t - l.t <= gap),
            Mode::Events => last.is_some(),
            Mode::Property if e.value.is_none() => continue,
            Mode::Property => last.is_some_and(|l| l.value == e.value),
        };
        if joins {
            sessions.last_mut().unwrap().push(e);
            if mode == Mode::Events && e.end {
                *closed.last_mut().unwrap() = true;
            }
        } else if mode != Mode::Events || e.start {
            sessions.push(vec![e]);
            closed.push(false);
        }
    }
    let timed = |c: bool| mode != Mode::Events || c;
    sessions
        .iter()
        .zip(closed)
        .map(|(s, c)| (s[0].t, s.len() as u64, timed(c).then(|| s[s.len() - 1].t - s[0].t)))
        .collect()
}

fn oracle(mode: Mode, calendar: &Calendar, buckets: &Buckets, excluded: &[u32], events: &[Ev]) -> Vec<Row> {
    let mut of_day: BTreeMap<(u32, i32), Vec<&Ev>> = BTreeMap::new();
    for e in events.iter().filter(|e| e.user != 0 && !excluded.contains(&e.event)) {
        let day = calendar.day_of(e.t).unwrap();
        if (DAY..=LAST).contains(&day) {
            of_day.entry((e.user, day)).or_default().push(e);
        }
    }
    let mut cells: Vec<Vec<(u64, Option<i64>)>> = vec![Vec::new(); buckets.len()];
    for (_, mut day) in of_day {
        day.sort_by_key(|e| {
            let rank = SORTED.iter().position(|s| *s == e.event);
            let value = e.value.map(|v| crate::row::insert_hash(&v.to_string()));
            // Where starts and ends are not asked for, they are events like any other.
            let marked = mode == Mode::Events;
            (e.t, rank, marked && e.start, marked && e.end, value)
        });
        for (start, n, duration) in cut(mode, &day) {
            cells[buckets.of(start).unwrap()].push((n, duration));
        }
    }
    let row = |(bucket, cell): (&i64, &Vec<(u64, Option<i64>)>)| {
        let mut durations: Vec<i64> = cell.iter().filter_map(|c| c.1).collect();
        durations.sort_unstable();
        let d = durations.len();
        let mean = |sum: f64, n: usize| (n > 0).then(|| sum / n as f64);
        Row {
            bucket: *bucket,
            sessions: cell.len() as u64,
            events_per_session: mean(cell.iter().map(|c| c.0 as f64).sum(), cell.len()),
            avg_duration: mean(durations.iter().map(|d| *d as f64).sum(), d),
            median_duration: (d > 0).then(|| (durations[(d - 1) / 2] + durations[d / 2]) as f64 / 2.0),
        }
    };
    buckets.labels.iter().zip(&cells).map(row).collect()
}

fn chunk(events: &[Ev]) -> Chunk {
    let values: Vec<Value> = (1..4).map(Value::Int).collect();
    let codes = events.iter().map(|e| e.value.map_or(0, |v| v as u32)).collect();
    Chunk {
        events: Events::Each(events.iter().map(|e| e.event).collect()),
        user: events.iter().map(|e| e.user).collect(),
        time: events.iter().map(|e| e.t).collect(),
        properties: vec![PropertyColumn {
            property: 5,
            column: Column::Dict { values, codes },
        }],
        ..Chunk::default()
    }
}

fn gather<'p>(plan: &'p Plan, ranks: &'p Ranks, events: &[Ev]) -> Partial {
    let hits = |f: fn(&Ev) -> bool| Hits::rows(Mask::from_fn(events.len(), |i| f(&events[i])));
    let marks = match plan.mode {
        Mode::Timeout(_) => Marks::None,
        Mode::Events => Marks::Events(hits(|e| e.start), hits(|e| e.end)),
        Mode::Property => Marks::Property(5),
    };
    let mut kernel = EventKernel::new(plan, USER, ranks).unwrap();
    let range = plan.buckets.range;
    let inside = Mask::from_fn(events.len(), |i| events[i].t >= range.from && events[i].t < range.to);
    kernel
        .push(&chunk(events), &Hits::rows(inside), &marks, &mut NoTick)
        .unwrap();
    kernel.finish()
}

/// Through the stream, a kernel of its own for every part, stored and read again.
fn streamed(plan: &Plan, calendar: &Calendar, ranks: &Ranks, events: &[Ev]) -> Partial {
    let mut days = DayCache::new(calendar);
    let mut builder = Builder::new(ranks, usize::MAX);
    for e in events {
        let (day, ms) = days.locate(e.t).unwrap();
        if (DAY..=LAST).contains(&day) {
            builder.push(e.user, day, ms, e.event).unwrap();
        }
    }
    let mut all = StreamKernel::new(plan).unwrap().finish();
    for ((_, day), sorted) in builder.finish(&mut NoTick).unwrap() {
        let (mut built, mut part) = (Part::default(), Part::default());
        sorted.part(ranks, &mut built).unwrap();
        let mut kernel = StreamKernel::new(plan).unwrap();
        decode(&encode(&built).unwrap(), kernel.columns(), &mut part).unwrap();
        assert_ne!(kernel.columns(), Columns::ALL);
        kernel
            .push(calendar.day_start(day).unwrap(), &part, &mut NoTick)
            .unwrap();
        all = kernel.finish().merge(all, plan).unwrap();
    }
    all
}

fn plan<'a>(mode: Mode, calendar: &Calendar, unit: Unit) -> Plan<'a> {
    let buckets = calendar.buckets(unit, DAY, LAST).unwrap();
    Plan::new(mode, calendar, DAY, LAST, buckets).unwrap()
}

fn events() -> impl Strategy<Value = Vec<Ev>> {
    let t = prop_oneof![
        (0i64..6 * 24 * 6).prop_map(|x| x * 10 * MINUTE),
        (0i64..8 * 24 * 60).prop_map(|x| x * MINUTE + x % 3 - 1),
    ];
    let one = (
        prop_oneof![0u32..3, Just(70_000)],
        t,
        1u32..4,
        any::<(bool, bool)>(),
        prop::option::of(1i64..4),
    );
    prop::collection::vec(one, 0..60).prop_map(|list| {
        let ev = |(user, t, event, (start, end), value)| Ev {
            user,
            t: (i64::from(DAY) - 1) * 86_400_000 + t,
            event,
            start,
            end,
            value,
        };
        list.into_iter().map(ev).collect()
    })
}

proptest! {
    #[test]
    fn every_way_answers_as_the_law(
        events in events(),
        cut in any::<prop::sample::Index>(),
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin"]),
        unit in prop::sample::select(vec![Unit::Hour, Unit::Day, Unit::Week, Unit::Range]),
        mode in prop::sample::select(vec![
            Mode::Timeout(30 * MINUTE), Mode::Timeout(0), Mode::Timeout(600 * MINUTE), Mode::Events, Mode::Property,
        ]),
        excluded in prop::option::of(1u32..4),
    ) {
        let calendar = Calendar::new(zone, "monday").unwrap();
        let ranks = Ranks::new(&SORTED).unwrap();
        let mut plan = plan(mode, &calendar, unit);
        plan.excluded = (0..4).map(|e| Some(e) == excluded).collect();
        let excluded: Vec<u32> = excluded.into_iter().collect();
        let want = oracle(mode, &calendar, &plan.buckets, &excluded, &events);
        let (a, b) = events.split_at(cut.index(events.len() + 1));
        let (a, b) = (gather(&plan, &ranks, a), gather(&plan, &ranks, b));
        let a = Partial::decode(&a.encode().unwrap(), &plan).unwrap();
        let merged = b.merge(a, &plan).unwrap();
        prop_assert_eq!(&finish(&plan, merged, &Workers::new(2, 0), &mut NoTick).unwrap(), &want);
        if let Mode::Timeout(_) = mode {
            let partial = streamed(&plan, &calendar, &ranks, &events);
            let partial = Partial::decode(&partial.encode().unwrap(), &plan).unwrap();
            prop_assert_eq!(&finish(&plan, partial, &Workers::new(2, 0), &mut NoTick).unwrap(), &want);
        }
    }

    #[test]
    fn garbage_is_no_partial(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let calendar = Calendar::utc();
        let plan = plan(Mode::Events, &calendar, Unit::Day);
        prop_assert!(Partial::decode(&bytes, &plan).is_err());
    }
}

fn sessions(mode: Mode, list: &[Ev]) -> Vec<(u64, Option<f64>)> {
    let calendar = Calendar::utc();
    let ranks = Ranks::new(&SORTED).unwrap();
    let plan = plan(mode, &calendar, Unit::Day);
    let rows = finish(&plan, gather(&plan, &ranks, list), &Workers::serial(), &mut NoTick).unwrap();
    rows.iter()
        .map(|r| (r.sessions, r.avg_duration.map(|d| d / MINUTE as f64)))
        .collect()
}

fn at(day: i32, hour: i64, minute: i64) -> i64 {
    i64::from(DAY + day) * 86_400_000 + (hour * 60 + minute) * MINUTE
}

#[test]
fn examples_of_the_law() {
    let gap = Mode::Timeout(30 * MINUTE);
    let times = [(1, 0), (1, 10), (1, 50), (2, 10), (2, 25)];
    let one: Vec<Ev> = times.iter().map(|(h, m)| ev(1, at(0, *h, *m))).collect();
    assert_eq!(sessions(gap, &one)[0], (2, Some(22.5))); // 10 and 35 minutes
    let night = [at(0, 23, 30), at(0, 23, 50), at(1, 0, 5), at(1, 0, 10)].map(|t| ev(1, t));
    assert_eq!(sessions(gap, &night)[..2], [(1, Some(20.0)), (1, Some(5.0))]);
    let login = |h, m| Ev {
        start: true,
        ..ev(1, at(0, h, m))
    };
    let logout = |h, m| Ev {
        end: true,
        ..ev(1, at(0, h, m))
    };
    let shift = [login(11, 0), login(11, 15), logout(11, 45), logout(12, 15)];
    assert_eq!(sessions(Mode::Events, &shift)[0], (1, Some(45.0)));
    let property = |t, v| Ev {
        value: Some(v),
        ..ev(1, t)
    };
    let changes = [
        (at(0, 23, 15), 1),
        (at(0, 23, 45), 1),
        (at(1, 0, 15), 1),
        (at(1, 0, 30), 1),
    ];
    let changes = changes.map(|(t, v)| property(t, v));
    assert_eq!(
        sessions(Mode::Property, &changes)[..2],
        [(1, Some(30.0)), (1, Some(15.0))]
    );
    // Cut at midnight before its end event: a session without a duration, and the end alone makes none.
    let over = [
        Ev {
            start: true,
            ..ev(1, at(0, 23, 0))
        },
        Ev {
            end: true,
            ..ev(1, at(1, 1, 0))
        },
    ];
    assert_eq!(sessions(Mode::Events, &over)[..2], [(1, None), (0, None)]);
}
