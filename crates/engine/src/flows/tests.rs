use super::*;
use crate::chunk::{Chunk, Events, Hits, USER};
use crate::mask::Mask;
use crate::parallel::Workers;
use crate::stream::{Builder, Columns, Part, decode, encode};
use crate::tick::NoTick;
use crate::time::{Calendar, DayCache};
use proptest::prelude::*;
use std::collections::BTreeMap;

const HOUR: i64 = 3_600_000;
const DAY: i32 = 19_810;
/// Numbers of "A", "B", "C", "D".
const SORTED: [u32; 4] = [3, 1, 4, 2];
const A: u32 = 3;

#[derive(Debug, Clone)]
struct Ev {
    user: u32,
    t: i64,
    event: u32,
    /// A filter of the anchor lets it through.
    passes: bool,
}

fn names() -> Vec<String> {
    ["A", "B", "C", "D"].map(String::from).to_vec()
}

/// The path of every entry by the words of the law, earliest event first.
fn paths(plan: &Plan, anchors: &[bool], events: &[Ev]) -> BTreeMap<Vec<String>, u64> {
    let rank = |e: u32| SORTED.iter().position(|x| *x == e).unwrap();
    let is_anchor = |e: &Ev| anchors[e.event as usize] && e.passes && (!plan.hides(e.event) || plan.names(e.event));
    let mut users: BTreeMap<u32, Vec<&Ev>> = BTreeMap::new();
    for e in events.iter().filter(|e| e.user != 0) {
        users.entry(e.user).or_default().push(e);
    }
    let mut found = BTreeMap::new();
    for (_, mut list) in users {
        list.retain(|e| is_anchor(e) || !plan.hides(e.event));
        list.sort_by_key(|e| (e.t, rank(e.event), !is_anchor(e)));
        let inside = |e: &Ev| e.t >= plan.entry.from && e.t < plan.entry.to;
        let mut entries: Vec<usize> = (0..list.len())
            .filter(|i| is_anchor(list[*i]) && inside(list[*i]))
            .collect();
        if plan.count == Count::Unique {
            entries.truncate(1);
        } else if plan.collapse {
            let mut kept: Vec<usize> = Vec::new();
            for i in entries {
                let repeats = |j: &usize| list[*j..=i].iter().all(|e| e.event == list[i].event);
                if !kept.last().is_some_and(repeats) {
                    kept.push(i);
                }
            }
            entries = kept;
        }
        for i in entries {
            let walk = |others: &mut dyn Iterator<Item = &&Ev>, steps: usize, end: &str| {
                let (mut at, mut out) = (list[i].event, Vec::new());
                for e in others {
                    if out.len() == steps || (e.t - list[i].t).abs() > plan.within_ms {
                        break;
                    }
                    if !plan.collapse || e.event != at {
                        out.push(names()[rank(e.event)].clone());
                        at = e.event;
                    }
                }
                if out.len() < steps {
                    out.push(end.to_string());
                }
                out
            };
            let mut path = walk(&mut list[..i].iter().rev(), plan.reverse, "(start)");
            path.reverse();
            path.push(names()[rank(list[i].event)].clone());
            path.extend(walk(&mut list[i + 1..].iter(), plan.forward, "(drop-off)"));
            *found.entry(path).or_default() += 1;
        }
    }
    found
}

fn gather(plan: &Plan, anchors: &[bool], events: &[Ev]) -> Partial {
    let chunk = Chunk {
        events: Events::Each(events.iter().map(|e| e.event).collect()),
        user: events.iter().map(|e| e.user).collect(),
        time: events.iter().map(|e| e.t).collect(),
        ..Chunk::default()
    };
    let picked = Mask::from_fn(events.len(), |i| anchors[events[i].event as usize] && events[i].passes);
    let mut kernel = EventKernel::new(plan).unwrap();
    kernel
        .push(&chunk, &Mask::all(events.len()), &Hits::rows(picked), &mut NoTick)
        .unwrap();
    kernel.finish()
}

/// Through stored parts, each part with a kernel of its own.
fn streamed(plan: &Plan, anchors: &[bool], times: bool, events: &[Ev]) -> Vec<Partial> {
    let calendar = Calendar::utc();
    let mut days = DayCache::new(&calendar);
    let mut builder = Builder::new(plan.ranks, usize::MAX);
    for e in events {
        let (day, ms) = days.locate(e.t).unwrap();
        builder.push(e.user, day, ms, e.event).unwrap();
    }
    let mut partials = Vec::new();
    let sorted = builder.finish(&mut NoTick).unwrap();
    for of_part in sorted.chunk_by(|a, b| a.0.0 == b.0.0) {
        let mut fast = StreamKernel::answers(plan).then(|| StreamKernel::new(plan, anchors, times).unwrap());
        let mut slow = EventKernel::new(plan).unwrap();
        for ((number, day), s) in of_part {
            let (mut built, mut part) = (Part::default(), Part::default());
            s.part(plan.ranks, &mut built).unwrap();
            let columns = fast.as_ref().map_or(Columns::ALL, StreamKernel::columns);
            decode(&encode(&built).unwrap(), columns, &mut part).unwrap();
            let start = calendar.day_start(*day).unwrap();
            match &mut fast {
                Some(f) => f.push(*number, start, &part, &mut NoTick).unwrap(),
                None => slow.push_part(*number, start, &part, anchors, &mut NoTick).unwrap(),
            }
        }
        partials.push(fast.map_or_else(|| slow.finish(), |f| f.finish().unwrap()));
    }
    partials
}

fn answer(plan: &Plan, partials: Vec<Partial>) -> BTreeMap<Vec<String>, u64> {
    let mut all = Partial::new(plan);
    for p in partials {
        let p = Partial::decode(&p.encode().unwrap(), plan).unwrap();
        all = p.merge(all, plan).unwrap();
    }
    let paths = finish(plan, all, &Workers::serial(), &mut NoTick).unwrap();
    let rows = top_paths(plan, &paths, &names(), usize::MAX, &mut NoTick).unwrap();
    assert!(rows.is_sorted_by(|a, b| a.count > b.count || a.count == b.count && a.path < b.path));
    rows.into_iter().map(|r| (r.path, r.count)).collect()
}

fn plan(ranks: &Ranks, forward: usize) -> Plan<'_> {
    let start = i64::from(DAY) * 24 * HOUR;
    Plan {
        by: USER,
        entry: Span64 {
            from: start,
            to: start + 48 * HOUR,
        },
        forward,
        reverse: 0,
        within_ms: 30 * 24 * HOUR,
        collapse: false,
        count: Count::Unique,
        hidden: Vec::new(),
        named: Vec::new(),
        ranks,
        remap: None,
        memory_limit: usize::MAX,
    }
}

fn events() -> impl Strategy<Value = Vec<Ev>> {
    let one = (
        prop_oneof![0u32..3, Just(70_000)],
        -24i64..96,
        0i64..2,
        1u32..5,
        prop::bool::weighted(0.8),
    );
    prop::collection::vec(one, 0..50).prop_map(|list| {
        let ev = |(user, hour, ms, event, passes)| Ev {
            user,
            t: (i64::from(DAY) * 24 + hour) * HOUR + ms,
            event,
            passes,
        };
        list.into_iter().map(ev).collect()
    })
}

proptest! {
    #[test]
    fn every_way_answers_as_the_law(
        mut list in events(),
        (forward, reverse) in (0usize..6, 0usize..6).prop_filter("a step", |(f, r)| f + r > 0),
        within in prop::sample::select(vec![0, 2 * HOUR, 24 * HOUR, 24 * HOUR + 1, 30 * 24 * HOUR]),
        (collapse, total, streams) in any::<(bool, bool, bool)>(),
        anchors in prop::sample::select(vec![vec![A], vec![A, 1], vec![1, 2, 3, 4]]),
        hidden in prop::option::of(1u32..5),
        named: bool,
        cut in any::<prop::sample::Index>(),
    ) {
        let ranks = Ranks::new(&SORTED).unwrap();
        let mut plan = plan(&ranks, forward);
        (plan.reverse, plan.within_ms, plan.collapse) = (reverse, within, collapse);
        plan.count = if total { Count::Total } else { Count::Unique };
        let table = |list: &[u32]| -> Vec<bool> { (0..5).map(|e| list.contains(&e)).collect() };
        plan.hidden = table(&Vec::from_iter(hidden));
        plan.named = if named { table(&anchors) } else { Vec::new() };
        let anchors = table(&anchors);
        let span = plan.span();
        list.retain(|e| e.t >= span.from && e.t < span.to);
        if streams {
            // The stream knows no properties, and whole days only.
            list.iter_mut().for_each(|e| e.passes = true);
            let want = paths(&plan, &anchors, &list);
            prop_assert_eq!(answer(&plan, streamed(&plan, &anchors, true, &list)), want.clone());
            if within == 30 * 24 * HOUR {
                prop_assert_eq!(answer(&plan, streamed(&plan, &anchors, false, &list)), want);
            }
        }
        let want = paths(&plan, &anchors, &list);
        let (a, b) = list.split_at(cut.index(list.len() + 1));
        let partials = vec![gather(&plan, &anchors, a), gather(&plan, &anchors, b)];
        prop_assert_eq!(answer(&plan, partials), want.clone());
        for (path, n) in want {
            let wanted = Wanted::new(&plan, &names(), Asked::Path(&path), None, &mut NoTick).unwrap();
            let who = find(&plan, gather(&plan, &anchors, &list), &wanted, &Workers::serial(), &mut NoTick).unwrap();
            prop_assert_eq!(who.iter().map(|(_, n)| n).sum::<u64>(), n);
            for (no, times) in who {
                let own: Vec<Ev> = list.iter().filter(|e| e.user == no).cloned().collect();
                prop_assert_eq!(paths(&plan, &anchors, &own).get(&path).copied(), Some(times));
            }
        }
    }

    /// Whatever is merged into `$other`: what flows into a step flows on or drops off, and equals the step before it.
    #[test]
    fn graphs_conserve(list in events(), forward in 1usize..4, reverse in 0usize..3, rows in 1usize..4) {
        let ranks = Ranks::new(&SORTED).unwrap();
        let mut plan = plan(&ranks, forward);
        plan.reverse = reverse;
        let anchors = vec![false, false, false, true, false];
        let found = finish(&plan, gather(&plan, &anchors, &list), &Workers::serial(), &mut NoTick).unwrap();
        let graph = edges(&plan, &found, &names(), rows, &mut NoTick).unwrap();
        let sum = |step: i32, from: Option<&Node>, to: Option<&Node>| -> u64 {
            let fits = |e: &&Edge| e.step == step && from.is_none_or(|n| e.from == *n) && to.is_none_or(|n| e.to == *n);
            graph.iter().filter(fits).map(|e| e.count).sum()
        };
        prop_assert_eq!(sum(0, None, None), found.entries());
        for e in graph.iter().filter(|e| e.to.kind != "DROPOFF" && e.step + 1 < forward as i32) {
            prop_assert_eq!(sum(e.step, None, Some(&e.to)), sum(e.step + 1, Some(&e.to), None));
        }
        // Whoever is behind an edge, with the rest as one: together they are its count.
        for e in &graph {
            let asked = Asked::edge(e);
            let report = asked.needs_shown().then_some((&found, rows));
            let wanted = Wanted::new(&plan, &names(), asked, report, &mut NoTick).unwrap();
            let who = find(&plan, gather(&plan, &anchors, &list), &wanted, &Workers::serial(), &mut NoTick).unwrap();
            prop_assert_eq!(who.iter().map(|(_, n)| n).sum::<u64>(), e.count);
            prop_assert!(who.is_sorted_by(|a, b| a.0 < b.0));
        }
        for step in -(reverse as i32)..forward as i32 {
            let mut shown: Vec<&str> = graph.iter().filter(|e| e.step == step && e.to.kind == "FORWARD").map(|e| e.to.event.as_str()).collect();
            shown.sort_unstable();
            shown.dedup();
            prop_assert!(shown.len() <= rows);
        }
    }

    #[test]
    fn garbage_is_no_partial(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let ranks = Ranks::new(&SORTED).unwrap();
        prop_assert!(Partial::decode(&bytes, &plan(&ranks, 1)).is_err());
    }
}

/// u1 A,B,C; u2 A,B,B,D; u3 A,C; u4 A; u5 A,D,B, an hour apart.
fn example() -> Vec<Ev> {
    let users = ["ABC", "ABBD", "AC", "A", "ADB"];
    let mut out = Vec::new();
    for (user, word) in (1..).zip(users) {
        for (hour, letter) in (0..).zip(word.bytes()) {
            out.push(Ev {
                user,
                t: (i64::from(DAY) * 24 + hour) * HOUR,
                event: SORTED[usize::from(letter - b'A')],
                passes: true,
            });
        }
    }
    out
}

fn graph(plan: &Plan, rows: usize) -> Vec<String> {
    let anchors = vec![false, false, false, true, false];
    let found = finish(
        plan,
        gather(plan, &anchors, &example()),
        &Workers::serial(),
        &mut NoTick,
    )
    .unwrap();
    let edges = edges(plan, &found, &names(), rows, &mut NoTick).unwrap();
    edges
        .iter()
        .map(|e| format!("{} {} {} {}", e.step, e.from.event, e.to.event, e.count))
        .collect()
}

#[test]
fn worked_example_of_the_law() {
    let ranks = Ranks::new(&SORTED).unwrap();
    let mut plan = plan(&ranks, 2);
    let plain = ["0 A B 2", "0 A (drop-off) 1", "0 A C 1", "0 A D 1"];
    assert_eq!(graph(&plan, 50)[..4], plain);
    assert_eq!(
        graph(&plan, 50)[4..],
        ["1 B B 1", "1 B C 1", "1 C (drop-off) 1", "1 D B 1"]
    );
    assert_eq!(graph(&plan, 1)[..3], ["0 A $other 2", "0 A B 2", "0 A (drop-off) 1"]);
    plan.collapse = true;
    assert_eq!(
        graph(&plan, 50)[4..],
        ["1 B C 1", "1 B D 1", "1 C (drop-off) 1", "1 D B 1"]
    );
    plan.collapse = false;
    plan.hidden = vec![false, false, true, false, false];
    assert_eq!(
        graph(&plan, 50),
        [
            "0 A B 3",
            "0 A (drop-off) 1",
            "0 A C 1",
            "1 B (drop-off) 1",
            "1 B B 1",
            "1 B C 1",
            "1 C (drop-off) 1"
        ]
    );
}
