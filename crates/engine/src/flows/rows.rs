//! Rows of flows: the edges of a graph with a few nodes per step, and the most common paths.

use super::{BREAK, END, EVENT, NOTHING, OTHER, PLACES, Path, Paths, Plan};
use crate::error::{Error, Result};
use crate::tick::{EVERY, Tick};
use hashbrown::{HashMap, HashSet};
use std::cmp::Reverse;

/// One end of an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub event: String,
    /// ANCHOR, FORWARD, REVERSE, OTHER, DROPOFF, START or BREAK.
    pub kind: &'static str,
}

/// From one position to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The anchor, from 1, that `step` counts from: 0 is the anchor, negative is before it.
    pub anchor: i32,
    pub step: i32,
    pub from: Node,
    /// The same of `to`: the next step of the anchor, or a step at the next one.
    pub next_anchor: i32,
    pub next_step: i32,
    pub to: Node,
    pub count: u64,
}

/// A path and how often it was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct PathRow {
    pub path: Vec<String>,
    pub count: u64,
    /// Of all entries.
    pub share: f64,
}

/// A place of a path: an anchor, from 1, and the step from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    pub anchor: i32,
    pub step: i32,
}

/// What each place of the paths is.
#[derive(Debug)]
pub(super) struct Layout {
    pub places: Vec<At>,
}

/// A path as its codes, place by place.
pub(super) trait Codes {
    fn code(&self, place: usize) -> u16;
}

impl Codes for Path {
    #[inline]
    fn code(&self, place: usize) -> u16 {
        self.get(place)
    }
}

impl Codes for Box<[u16]> {
    #[inline]
    fn code(&self, place: usize) -> u16 {
        <[u16]>::get(self, place).copied().unwrap_or(NOTHING)
    }
}

fn oom<T>(_: T) -> Error {
    Error::OutOfMemory("flows")
}

pub(super) fn node(at: At, names: &[String], code: u16) -> Node {
    let side = at.step.cmp(&0);
    let (event, kind) = match code {
        OTHER => ("$other", "OTHER"),
        BREAK => ("≈", "BREAK"),
        END if side.is_lt() => ("(start)", "START"),
        END => ("(drop-off)", "DROPOFF"),
        code => {
            let name = names.get(usize::from(code.saturating_sub(EVENT)));
            let kind = match side {
                std::cmp::Ordering::Less => "REVERSE",
                std::cmp::Ordering::Equal => "ANCHOR",
                std::cmp::Ordering::Greater => "FORWARD",
            };
            (name.map_or("", String::as_str), kind)
        }
    };
    Node {
        event: event.to_string(),
        kind,
    }
}

/// The `rows` most frequent events of each position: count descending, then name, which is the order of codes.
pub(super) fn shown<P: Codes>(
    layout: &Layout,
    paths: &[(P, u64)],
    rows: usize,
    tick: &mut dyn Tick,
) -> Result<HashSet<(usize, u16)>> {
    let mut counts: HashMap<(usize, u16), u64> = HashMap::new();
    for (i, (path, n)) in paths.iter().enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        for (place, at) in layout.places.iter().enumerate() {
            let code = path.code(place);
            if (EVENT..BREAK).contains(&code) && at.step != 0 {
                counts.try_reserve(1).map_err(oom)?;
                *counts.entry((place, code)).or_default() += n;
            }
        }
    }
    let mut ranked: Vec<(usize, Reverse<u64>, u16)> = crate::error::try_vec(counts.len(), "flows")?;
    ranked.extend(counts.into_iter().map(|((place, code), n)| (place, Reverse(n), code)));
    ranked.sort_unstable();
    let mut shown = HashSet::new();
    for of_place in ranked.chunk_by(|a, b| a.0 == b.0) {
        for (place, _, code) in of_place.iter().take(rows) {
            shown.try_reserve(1).map_err(oom)?;
            shown.insert((*place, *code));
        }
    }
    Ok(shown)
}

/// Is the event at a place of a path, which is not an anchor's, among the rest of what is there?
pub(super) fn is_rest(shown: &HashSet<(usize, u16)>, at: At, place: usize, code: u16) -> bool {
    (EVENT..BREAK).contains(&code) && at.step != 0 && !shown.contains(&(place, code))
}

/// The graph: at most `rows` events per position, the rest of it as `$other`. `names` in the order of codes. Sorted by
/// place, count descending, event, next event.
pub(super) fn graph<P: Codes>(
    layout: &Layout,
    paths: &[(P, u64)],
    names: &[String],
    rows: usize,
    tick: &mut dyn Tick,
) -> Result<Vec<Edge>> {
    let shown = shown(layout, paths, rows, tick)?;
    /// A code at a place.
    type Coded = (usize, u16);
    let mut counts: HashMap<(Coded, Coded), u64> = HashMap::new();
    for (i, (path, n)) in paths.iter().enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        let mut before = None;
        for (place, at) in layout.places.iter().enumerate() {
            let code = match path.code(place) {
                NOTHING => continue,
                c if is_rest(&shown, *at, place, c) => OTHER,
                c => c,
            };
            if let Some(from) = before.replace((place, code)) {
                counts.try_reserve(1).map_err(oom)?;
                *counts.entry((from, (place, code))).or_default() += n;
            }
        }
    }
    let mut edges: Vec<(usize, usize, Edge)> = crate::error::try_vec(counts.len(), "flows")?;
    let at = |place: usize| layout.places.get(place).copied().unwrap_or(At { anchor: 0, step: 0 });
    edges.extend(counts.into_iter().map(|(((a, from), (b, to)), count)| {
        let edge = Edge {
            anchor: at(a).anchor,
            step: at(a).step,
            from: node(at(a), names, from),
            next_anchor: at(b).anchor,
            next_step: at(b).step,
            to: node(at(b), names, to),
            count,
        };
        (a, b, edge)
    }));
    edges.sort_unstable_by(|(a, b, e), (c, d, f)| {
        (a, Reverse(e.count))
            .cmp(&(c, Reverse(f.count)))
            .then_with(|| (&e.from.event, &e.to.event).cmp(&(&f.from.event, &f.to.event)))
            .then_with(|| (e.from.kind, e.to.kind, b).cmp(&(f.from.kind, f.to.kind, d)))
    });
    let mut out = crate::error::try_vec(edges.len(), "flows")?;
    out.extend(edges.into_iter().map(|(.., e)| e));
    Ok(out)
}

/// The places of the paths around one anchor.
pub(super) fn around(plan: &Plan) -> Layout {
    let places = (0..PLACES as i32).map(|place| At {
        anchor: 1,
        step: place - plan.reverse as i32,
    });
    Layout {
        places: places.collect(),
    }
}

/// The graph of the paths around one anchor.
pub fn edges(plan: &Plan, paths: &Paths, names: &[String], rows: usize, tick: &mut dyn Tick) -> Result<Vec<Edge>> {
    graph(&around(plan), &paths.paths, names, rows, tick)
}

/// The texts of a path, from its codes in order.
fn texts(codes: impl Iterator<Item = u16>, names: &[String]) -> Vec<String> {
    // After an event an end is a drop-off; in front there is only a start.
    let text = |(place, code): (usize, u16)| {
        let at = At {
            anchor: 1,
            step: if place == 0 { -1 } else { 1 },
        };
        node(at, names, code).event
    };
    codes.enumerate().map(text).collect()
}

/// The `top` most common sequences of codes, wherever their anchors are: count descending, then the path itself.
pub(super) fn top_sequences(
    paths: &[(Box<[u16]>, u64)],
    names: &[String],
    entries: u64,
    top: usize,
    tick: &mut dyn Tick,
) -> Result<Vec<PathRow>> {
    let mut counts: HashMap<Vec<u16>, u64> = HashMap::new();
    for (i, (path, n)) in paths.iter().enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        let mut sequence = crate::error::try_vec(path.len(), "flows")?;
        sequence.extend(path.iter().copied().filter(|c| *c != NOTHING));
        counts.try_reserve(1).map_err(oom)?;
        *counts.entry(sequence).or_default() += n;
    }
    let mut ranked: Vec<(u64, Vec<u16>)> = crate::error::try_vec(counts.len(), "flows")?;
    ranked.extend(counts.into_iter().map(|(path, n)| (n, path)));
    most_common(&mut ranked, top);
    rows_of(&ranked, entries, top, tick, |path| texts(path.iter().copied(), names))
}

/// Leaves only paths that are as frequent as the last one that is shown: no others have to be compared as text.
fn most_common<P>(ranked: &mut Vec<(u64, P)>, top: usize) {
    if let Some(last) = top.checked_sub(1).filter(|last| *last < ranked.len()) {
        let (_, (least, _), _) = ranked.select_nth_unstable_by_key(last, |(n, _)| Reverse(*n));
        let least = *least;
        ranked.retain(|(n, _)| *n >= least);
    }
}

fn rows_of<P>(
    ranked: &[(u64, P)],
    entries: u64,
    top: usize,
    tick: &mut dyn Tick,
    texts: impl Fn(&P) -> Vec<String>,
) -> Result<Vec<PathRow>> {
    let mut rows: Vec<PathRow> = crate::error::try_vec(ranked.len(), "flows")?;
    for (i, (count, path)) in ranked.iter().enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        rows.push(PathRow {
            path: texts(path),
            count: *count,
            share: *count as f64 / entries as f64,
        });
    }
    rows.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.path.cmp(&b.path)));
    rows.truncate(top);
    Ok(rows)
}

/// The `top` most common paths: count descending, then the path itself.
pub fn top_paths(
    plan: &Plan,
    paths: &Paths,
    names: &[String],
    top: usize,
    tick: &mut dyn Tick,
) -> Result<Vec<PathRow>> {
    let entries = paths.entries();
    let mut ranked: Vec<(u64, Path)> = crate::error::try_vec(paths.paths.len(), "flows")?;
    if plan.reverse == 0 {
        ranked.extend(paths.paths.iter().map(|(p, n)| (*n, *p)));
    } else {
        // The same events around another of them as the anchor are the same path: empty places in front don't count.
        let mut same: Vec<(Path, u64)> = crate::error::try_vec(paths.paths.len(), "flows")?;
        same.extend(paths.paths.iter().map(|(p, n)| (p.left(), *n)));
        tick.tick()?;
        same.sort_unstable();
        for equal in same.chunk_by(|a, b| a.0 == b.0) {
            let count = equal.iter().map(|(_, n)| n).sum();
            ranked.extend(equal.first().map(|(path, _)| (count, *path)));
        }
    }
    tick.tick()?;
    most_common(&mut ranked, top);
    rows_of(&ranked, entries, top, tick, |path: &Path| {
        let codes = (0..PLACES).map(|place| path.get(place));
        texts(codes.take_while(|code| *code != NOTHING), names)
    })
}
