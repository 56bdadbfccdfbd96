//! Ways from anchor to anchor against an obvious loop, and the graph against what must be conserved.

use super::*;
use crate::breakdown::Dimension;
use crate::chunk::{Chunk, Column, Events, Hits, PropertyColumn, USER};
use crate::funnel::Exclusion;
use crate::mask::Mask;
use crate::postings::Part;
use crate::sessions::{self, EventStarts, Mode, Starts};
use crate::tick::NoTick;
use crate::time::{Calendar, DAY_MS, HOUR_MS, Unit};
use crate::value::Value;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const DAY: i32 = 19_810;
/// Numbers of "A", "B", "C", "D".
const SORTED: [u32; 4] = [3, 1, 4, 2];
const NAMES: [&str; 4] = ["A", "B", "C", "D"];
const VALUE: u32 = 5;

#[derive(Debug, Clone)]
struct Ev {
    user: u32,
    t: i64,
    event: u32,
    /// Bit k: what selector k picks; the first decides whether it is looked at.
    mask: u32,
    value: Option<&'static str>,
}

fn name(event: u32) -> &'static str {
    NAMES[SORTED.iter().position(|e| *e == event).unwrap()]
}

/// A question as the loop understands it.
#[derive(Debug, Clone)]
struct Ask {
    /// (reverse, forward)
    anchors: Vec<(usize, usize)>,
    within: i64,
    collapse: bool,
    total: bool,
    sessions: bool,
    hold: bool,
    /// Event that is split, or all.
    split: Option<Option<u32>>,
    hidden: Option<u32>,
    exclusions: Vec<(usize, usize)>,
}

fn entry() -> Span64 {
    let start = i64::from(DAY) * DAY_MS;
    Span64 {
        from: start,
        to: start + 2 * DAY_MS,
    }
}

impl Ask {
    fn question<'a>(&self, ranks: &'a Ranks, starts: Option<&'a Starts>) -> Journey<'a> {
        let anchors = self.anchors.iter().map(|(reverse, forward)| Anchor {
            reverse: *reverse,
            forward: *forward,
            named: Vec::new(),
        });
        Journey {
            by: USER,
            anchors: anchors.collect(),
            entry: entry(),
            within_ms: self.within,
            collapse: self.collapse,
            count: if self.total { Count::Total } else { Count::Unique },
            hidden: (0..5).map(|e| Some(e) == self.hidden).collect(),
            exclusions: self
                .exclusions
                .iter()
                .map(|(from, to)| Exclusion { from: *from, to: *to })
                .collect(),
            held: self
                .hold
                .then_some(Dimension::EventProperty(VALUE))
                .into_iter()
                .collect(),
            splits: self
                .split
                .map(|event| Split {
                    event,
                    of: Dimension::EventProperty(VALUE),
                })
                .into_iter()
                .collect(),
            ranks,
            remap: None,
            sessions: starts,
            memory_limit: usize::MAX,
        }
    }

    fn is_anchor(&self, e: &Ev, k: usize) -> bool {
        e.mask >> (1 + k) & 1 == 1 && Some(e.event) != self.hidden
    }

    fn excludes(&self, e: &Ev, k: usize) -> bool {
        let n = self.anchors.len();
        let applies = |(i, x): (usize, &(usize, usize))| x.0 < k && k <= x.1 && e.mask >> (1 + n + i) & 1 == 1;
        self.exclusions.iter().enumerate().any(applies)
    }

    fn node(&self, e: &Ev) -> String {
        match self.split {
            Some(of) if of.is_none_or(|x| x == e.event) => {
                let value = match e.value {
                    None => "(not set)",
                    Some("") => "(empty string)",
                    Some(v) => v,
                };
                format!("{} [{value}]", name(e.event))
            }
            _ => name(e.event).to_string(),
        }
    }

    /// The paths of one subject's events, in order, by the words of the law.
    fn ways(&self, list: &[&Ev], found: &mut BTreeMap<Vec<String>, u64>) {
        // Which step each visible event is part of.
        let mut steps: Vec<(String, Vec<usize>)> = Vec::new();
        let mut step_of: BTreeMap<usize, usize> = BTreeMap::new();
        for (i, e) in list.iter().enumerate().filter(|(_, e)| Some(e.event) != self.hidden) {
            let node = self.node(e);
            match steps.last_mut() {
                Some((last, events)) if self.collapse && *last == node => events.push(i),
                _ => steps.push((node, vec![i])),
            }
            step_of.insert(i, steps.len() - 1);
        }
        let same = |i: usize, j: usize| !self.hold || list[i].value == list[j].value;
        let enters = |i: usize| {
            let inside = list[i].t >= entry().from && list[i].t < entry().to;
            self.is_anchor(list[i], 0) && inside && (!self.hold || list[i].value.is_some())
        };
        let entries: Vec<usize> = (0..list.len()).filter(|i| enters(*i)).collect();
        let mut values: Vec<usize> = Vec::new();
        for i in &entries {
            if !values.iter().any(|v| same(*v, *i)) {
                values.push(*i);
            }
        }
        if !self.total {
            values.truncate(1);
        }
        for value in values {
            let (mut from, mut before) = (0, None);
            while let Some(first) = entries
                .iter()
                .copied()
                .find(|i| *i >= from && same(*i, value) && !(self.collapse && before == Some(step_of[i])))
            {
                before = Some(step_of[&first]);
                let end = list[first].t + self.within;
                let mut reached = vec![first];
                let mut stopped = None;
                from = list.len();
                for k in 1..self.anchors.len() {
                    let last = reached[k - 1];
                    let later = || (last + 1..list.len()).filter(|j| list[*j].t <= end && same(*j, value));
                    let next = later().find(|j| self.is_anchor(list[*j], k) && step_of[j] > step_of[&last]);
                    let until = next.map_or(end + 1, |j| list[j].t);
                    let between = |j: &usize| list[*j].t > list[last].t && list[*j].t < until;
                    if let Some(x) = later().find(|j| self.excludes(list[*j], k) && between(j)) {
                        stopped = Some(x);
                        from = x + 1;
                        break;
                    }
                    match next {
                        Some(j) => reached.push(j),
                        None => {
                            from = (0..list.len()).find(|j| list[*j].t > end).unwrap_or(list.len());
                            break;
                        }
                    }
                }
                let all = reached.len() == self.anchors.len();
                if all {
                    from = reached[reached.len() - 1] + 1;
                }
                let mut path = Vec::new();
                for k in (1..=self.anchors[0].0).rev() {
                    let at = step_of[&first].checked_sub(k);
                    let near = |s: &usize| list[*steps[*s].1.last().unwrap()].t >= list[first].t - self.within;
                    match at.filter(near) {
                        Some(s) => path.push(steps[s].0.clone()),
                        None => path = vec!["(start)".into()],
                    }
                }
                for (k, at) in reached.iter().enumerate() {
                    let forward = self.anchors[k].1;
                    let own = step_of[at];
                    path.push(steps[own].0.clone());
                    if let Some(next) = reached.get(k + 1) {
                        let between: Vec<String> = steps[own + 1..step_of[next]].iter().map(|s| s.0.clone()).collect();
                        let left = between.len().min(forward);
                        let right = (between.len() - left).min(self.anchors[k + 1].0);
                        path.extend_from_slice(&between[..left]);
                        if left + right < between.len() {
                            path.push("≈".into());
                        }
                        path.extend_from_slice(&between[between.len() - right..]);
                        continue;
                    }
                    let near = |s: &&(String, Vec<usize>)| {
                        list[s.1[0]].t <= list[*at].t + self.within && stopped.is_none_or(|x| s.1[0] < x)
                    };
                    let after: Vec<String> = steps[own + 1..]
                        .iter()
                        .take_while(near)
                        .take(forward)
                        .map(|s| s.0.clone())
                        .collect();
                    let ends = after.len() < forward || !all;
                    path.extend(after);
                    if ends {
                        path.push("(drop-off)".into());
                    }
                }
                *found.entry(path).or_default() += 1;
                if !self.total {
                    break;
                }
            }
        }
    }

    fn paths(&self, events: &[Ev]) -> BTreeMap<Vec<String>, u64> {
        let mut subjects: BTreeMap<(u32, u32), Vec<&Ev>> = BTreeMap::new();
        let sessions = sessions_of(events);
        for e in events.iter().filter(|e| e.user != 0) {
            let session = if self.sessions {
                sessions.get(&(e.user, e.t)).copied()
            } else {
                Some(0)
            };
            if let Some(session) = session.filter(|_| e.mask & 1 == 1) {
                subjects.entry((e.user, session)).or_default().push(e);
            }
        }
        let mut found = BTreeMap::new();
        for list in subjects.values_mut() {
            list.sort_by_key(|e| (e.t, name(e.event)));
            self.ways(list, &mut found);
        }
        found
    }
}

/// The session of each (user, instant) in range: of all events, looked at or not.
fn sessions_of(events: &[Ev]) -> BTreeMap<(u32, i64), u32> {
    let inside = |e: &&Ev| e.user != 0 && e.t >= entry().from && e.t < entry().to;
    let times: BTreeSet<(u32, i64)> = events.iter().filter(inside).map(|e| (e.user, e.t)).collect();
    let (mut last, mut n, mut found) = (None, 0, BTreeMap::new());
    for (user, t) in times {
        let goes_on =
            |(u, l): (u32, i64)| u == user && l.div_euclid(DAY_MS) == t.div_euclid(DAY_MS) && t - l <= 2 * HOUR_MS;
        if !last.is_some_and(goes_on) {
            n += 1;
        }
        last = Some((user, t));
        found.insert((user, t), n);
    }
    found
}

fn chunk(events: &[Ev]) -> Chunk {
    let mut values: Vec<&str> = events.iter().filter_map(|e| e.value).collect();
    values.sort_unstable();
    values.dedup();
    let code = |e: &Ev| e.value.map_or(0, |v| values.binary_search(&v).unwrap() as u32 + 1);
    Chunk {
        events: Events::Each(events.iter().map(|e| e.event).collect()),
        user: events.iter().map(|e| e.user).collect(),
        time: events.iter().map(|e| e.t).collect(),
        properties: vec![PropertyColumn {
            property: VALUE,
            column: Column::Dict {
                codes: events.iter().map(code).collect(),
                values: values.iter().map(|v| Value::str(*v)).collect(),
            },
        }],
        ..Chunk::default()
    }
}

fn starts(events: &[Ev]) -> Starts {
    let calendar = Calendar::utc();
    let buckets = calendar.buckets(Unit::Range, DAY, DAY + 1).unwrap();
    let plan = sessions::Plan::new(Mode::Timeout(2 * HOUR_MS), &calendar, DAY, DAY + 1, buckets).unwrap();
    let mut kernel = EventStarts::new(&plan, USER).unwrap();
    let inside = |i: usize| events[i].t >= entry().from && events[i].t < entry().to;
    kernel
        .push(&chunk(events), &Mask::from_fn(events.len(), inside), &mut NoTick)
        .unwrap();
    let found = EventStarts::finish(vec![kernel], &Workers::serial(), &mut NoTick).unwrap();
    Starts::new(&plan, found, &mut NoTick).unwrap()
}

fn gather(q: &Journey, events: &[Ev]) -> JourneyPartial {
    gather_part(q, events, Part::WHOLE)
}

fn gather_part(q: &Journey, events: &[Ev], part: Part) -> JourneyPartial {
    let pick = |k: usize| Hits::rows(Mask::from_fn(events.len(), |i| events[i].mask >> k & 1 == 1));
    let hits: Vec<Hits> = (0..q.selectors()).map(pick).collect();
    let mut kernel = JourneyKernel::new(q).unwrap().only(part);
    kernel.push(&chunk(events), &hits, &mut NoTick).unwrap();
    JourneyPartial::decode(&kernel.finish().encode().unwrap(), q).unwrap()
}

fn names() -> Vec<String> {
    NAMES.map(String::from).to_vec()
}

fn trails(q: &Journey, events: &[Ev], cut: usize) -> Trails {
    let (a, b) = events.split_at(cut);
    let partial = gather(q, b).merge(gather(q, a), q).unwrap();
    finish_journeys(q, &names(), partial, &Workers::new(2, 0), &mut NoTick).unwrap()
}

fn answer(trails: &Trails) -> BTreeMap<Vec<String>, u64> {
    let rows = trails.top(usize::MAX, &mut NoTick).unwrap();
    assert!(rows.is_sorted_by(|a, b| a.count > b.count || a.count == b.count && a.path < b.path));
    rows.into_iter().map(|r| (r.path, r.count)).collect()
}

/// Simultaneous events of one user and name are copies of each other, so that no order between them matters.
fn events() -> impl Strategy<Value = Vec<Ev>> {
    let value = prop::sample::select(vec![None, Some("x"), Some("x"), Some("y"), Some("")]);
    let one = (0u32..3, -12i64..60, 0i64..2, 1u32..5, 0u32..256, value);
    prop::collection::vec(one, 0..50).prop_map(|list| {
        let mut out: Vec<Ev> = Vec::new();
        for (user, hour, ms, event, mask, value) in list {
            let t = (i64::from(DAY) * 24 + hour) * HOUR_MS + ms;
            let twin = out.iter().find(|e| (e.user, e.t, e.event) == (user, t, event)).cloned();
            // Most events are looked at.
            let mask = if mask % 8 == 7 { mask & !1 } else { mask | 1 };
            out.push(twin.unwrap_or(Ev {
                user,
                t,
                event,
                mask,
                value,
            }));
        }
        out
    })
}

fn asks() -> impl Strategy<Value = Ask> {
    let anchors = prop::collection::vec((0usize..4, 0usize..4), 1..4);
    let within = prop::sample::select(vec![0, 2 * HOUR_MS, DAY_MS, 30 * DAY_MS]);
    let split = prop::option::of(prop::option::of(1u32..5));
    let exclusions = prop::collection::vec((0usize..2, 1usize..3), 0..3);
    let flags = any::<(bool, bool, bool, bool)>();
    (anchors, within, flags, split, prop::option::of(1u32..5), exclusions).prop_map(
        |(mut anchors, within, (collapse, total, sessions, hold), split, hidden, exclusions)| {
            if anchors.len() == 1 && anchors[0] == (0, 0) {
                anchors[0] = (1, 1);
            }
            let n = anchors.len();
            Ask {
                anchors,
                within: if sessions { 30 * DAY_MS } else { within },
                collapse,
                total: total && !sessions,
                sessions,
                hold,
                split,
                hidden,
                exclusions: exclusions.into_iter().filter(|(a, b)| a < b && *b < n).collect(),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_way_is_that_of_the_law(ask in asks(), events in events(), cut in any::<prop::sample::Index>()) {
        let ranks = Ranks::new(&SORTED).unwrap();
        let starts = starts(&events);
        let q = ask.question(&ranks, Some(&starts).filter(|_| ask.sessions));
        let span = if ask.sessions { entry() } else { q.span() };
        let inside: Vec<Ev> = events.iter().filter(|e| e.t >= span.from && e.t < span.to).cloned().collect();
        let found = trails(&q, &inside, cut.index(inside.len() + 1));
        prop_assert_eq!(answer(&found), ask.paths(&inside));
    }

    /// Whatever is merged into `$other`: what flows into a node flows on, or it ends there.
    #[test]
    fn graphs_conserve(ask in asks(), events in events(), rows in 1usize..4) {
        let ranks = Ranks::new(&SORTED).unwrap();
        let starts = starts(&events);
        let q = ask.question(&ranks, Some(&starts).filter(|_| ask.sessions));
        let found = trails(&q, &events, 0);
        let graph = found.edges(rows, &mut NoTick).unwrap();
        type At<'e> = (i32, i32, &'e Node);
        let (mut into, mut out): (BTreeMap<String, u64>, BTreeMap<String, u64>) = Default::default();
        let key = |(anchor, step, node): At| format!("{anchor} {step} {} {}", node.event, node.kind);
        let mut last = 0;
        for e in &graph {
            *out.entry(key((e.anchor, e.step, &e.from))).or_default() += e.count;
            *into.entry(key((e.next_anchor, e.next_step, &e.to))).or_default() += e.count;
            let onwards = e.next_anchor == e.anchor && e.next_step == e.step + 1;
            prop_assert!(onwards || e.next_anchor == e.anchor + 1 && e.next_step <= 0, "{:?}", e);
            if e.next_anchor == q.anchors.len() as i32 && e.to.kind == "ANCHOR" {
                last += e.count;
            }
        }
        // Nothing flows on from where paths end, nothing flows into where they begin; all else is in balance.
        let n = q.anchors.len() as i32;
        let first = |k: &&String| !into.contains_key(*k);
        let ends = |k: &&String| !out.contains_key(*k);
        let beginnings: u64 = out.iter().filter(|(k, _)| first(k)).map(|(_, n)| n).sum();
        let endings: u64 = into.iter().filter(|(k, _)| ends(k)).map(|(_, n)| n).sum();
        let alone = q.anchors.iter().all(|a| a.forward + a.reverse == 0);
        if !alone {
            prop_assert_eq!(beginnings, endings);
            prop_assert_eq!(beginnings, found.entries());
        }
        for (node, n) in into.iter().filter(|(k, _)| !ends(k)) {
            prop_assert_eq!(Some(n), out.get(node), "{}", node);
        }
        // Who reached the last anchor is who did not drop off before it.
        let converted = ask.paths(&events);
        prop_assert!(n == 1 || last <= converted.values().sum::<u64>());
    }

    /// Whoever is behind an edge or a path, together they have been there as often as the report says.
    #[test]
    fn members_make_up_what_is_counted(
        ask in asks(), events in events(), rows in 1usize..4, cut in any::<prop::sample::Index>(), parts in 1u32..4,
    ) {
        let ranks = Ranks::new(&SORTED).unwrap();
        let starts = starts(&events);
        let q = ask.question(&ranks, Some(&starts).filter(|_| ask.sessions));
        let found = trails(&q, &events, cut.index(events.len() + 1));
        let who = |asked: Asked| {
            let mut all: BTreeMap<u32, u64> = BTreeMap::new();
            for part in Part::all(parts) {
                let report = Some((&found, rows)).filter(|_| asked.needs_shown());
                let partial = gather_part(&q, &events, part);
                let of = find_on_trails(&q, &names(), partial, asked, report, &Workers::new(2, 0), &mut NoTick).unwrap();
                assert!(of.is_sorted_by(|a, b| a.0 < b.0));
                for (no, n) in of {
                    *all.entry(no).or_default() += n;
                }
            }
            all
        };
        for e in found.edges(rows, &mut NoTick).unwrap() {
            let who = who(Asked::edge(&e));
            prop_assert_eq!(who.values().sum::<u64>(), e.count, "{:?}", e);
            prop_assert!(who.keys().all(|no| (1..3).contains(no)));
        }
        for row in found.top(5, &mut NoTick).unwrap() {
            prop_assert_eq!(who(Asked::Path(&row.path)).values().sum::<u64>(), row.count, "{:?}", row);
        }
        // Who entered at all is behind the first anchor.
        let own = |user: u32| {
            let mine: Vec<Ev> = events.iter().filter(|e| e.user == user).cloned().collect();
            ask.paths(&mine).values().sum::<u64>()
        };
        let first = Asked::Edge { anchor: 1, step: 0, event: None, next: None, next_anchor: None, next_step: None };
        let want: BTreeMap<u32, u64> = (1..3).map(|u| (u, own(u))).filter(|(_, n)| *n > 0).collect();
        prop_assert_eq!(who(first), want);
    }

    /// Around one anchor the two kernels say the same.
    #[test]
    fn one_anchor_is_a_journey(mut ask in asks(), events in events()) {
        let ranks = Ranks::new(&SORTED).unwrap();
        ask.anchors.truncate(1);
        if ask.anchors[0] == (0, 0) {
            ask.anchors[0] = (2, 1);
        }
        (ask.sessions, ask.hold, ask.split) = (false, false, None);
        ask.exclusions.clear();
        let q = ask.question(&ranks, None);
        let plan = Plan {
            by: USER,
            entry: entry(),
            forward: ask.anchors[0].1,
            reverse: ask.anchors[0].0,
            within_ms: ask.within,
            collapse: ask.collapse,
            count: q.count,
            hidden: q.hidden.clone(),
            named: Vec::new(),
            ranks: &ranks,
            remap: None,
            memory_limit: usize::MAX,
        };
        let looked_at: Vec<Ev> = events.into_iter().filter(|e| e.mask & 1 == 1).collect();
        let mut kernel = EventKernel::new(&plan).unwrap();
        let picked = Mask::from_fn(looked_at.len(), |i| looked_at[i].mask >> 1 & 1 == 1);
        kernel.push(&chunk(&looked_at), &Mask::all(looked_at.len()), &Hits::rows(picked), &mut NoTick).unwrap();
        let paths = finish(&plan, kernel.finish(), &Workers::serial(), &mut NoTick).unwrap();
        let found = trails(&q, &looked_at, 0);
        prop_assert_eq!(
            found.edges(2, &mut NoTick).unwrap(),
            edges(&plan, &paths, &names(), 2, &mut NoTick).unwrap()
        );
        prop_assert_eq!(
            found.top(3, &mut NoTick).unwrap(),
            top_paths(&plan, &paths, &names(), 3, &mut NoTick).unwrap()
        );
    }

    #[test]
    fn garbage_is_no_partial(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let ranks = Ranks::new(&SORTED).unwrap();
        let ask = Ask {
            anchors: vec![(0, 1)],
            within: 0,
            collapse: false,
            total: false,
            sessions: false,
            hold: false,
            split: None,
            hidden: None,
            exclusions: vec![],
        };
        prop_assert!(JourneyPartial::decode(&bytes, &ask.question(&ranks, None)).is_err());
    }
}
