//! Rows of flows: the edges of a graph with a few nodes per step, and the most common paths.

use super::{END, EVENT, NOTHING, PLACES, Path, Paths, Plan};
use crate::error::{Error, Result};
use crate::tick::{EVERY, Tick};
use hashbrown::{HashMap, HashSet};
use std::cmp::Reverse;

/// One end of an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub event: String,
    /// ANCHOR, FORWARD, REVERSE, OTHER, DROPOFF or START.
    pub kind: &'static str,
}

/// From one position to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Position of `from`: 0 is the anchor, negative is before it.
    pub step: i32,
    pub from: Node,
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

/// The rest of a position's events.
const OTHER: u16 = u16::MAX;

fn oom<T>(_: T) -> Error {
    Error::OutOfMemory("flows")
}

fn node(plan: &Plan, names: &[String], place: usize, code: u16) -> Node {
    let side = place.cmp(&plan.reverse);
    let (event, kind) = match code {
        OTHER => ("$other", "OTHER"),
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
pub(super) fn shown(plan: &Plan, paths: &Paths, rows: usize, tick: &mut dyn Tick) -> Result<HashSet<(usize, u16)>> {
    let mut counts: HashMap<(usize, u16), u64> = HashMap::new();
    for (i, (path, n)) in paths.paths.iter().enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        for place in 0..PLACES {
            let code = path.get(place);
            if code >= EVENT && place != plan.reverse {
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

/// Is the event at a place of a path among the rest of what is there?
pub(super) fn is_rest(shown: &HashSet<(usize, u16)>, anchor: usize, place: usize, code: u16) -> bool {
    code >= EVENT && place != anchor && !shown.contains(&(place, code))
}

/// The graph: at most `rows` events per position, the rest of it as `$other`. `names` in the order of ranks. Sorted by
/// step, count descending, event, next event.
pub fn edges(plan: &Plan, paths: &Paths, names: &[String], rows: usize, tick: &mut dyn Tick) -> Result<Vec<Edge>> {
    let shown = shown(plan, paths, rows, tick)?;
    let mut counts: HashMap<(usize, u16, u16), u64> = HashMap::new();
    for (i, (path, n)) in paths.paths.iter().enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        let code = |place: usize| match path.get(place) {
            c if is_rest(&shown, plan.reverse, place, c) => OTHER,
            c => c,
        };
        for place in 0..PLACES - 1 {
            let (a, b) = (code(place), code(place + 1));
            if a != NOTHING && b != NOTHING {
                counts.try_reserve(1).map_err(oom)?;
                *counts.entry((place, a, b)).or_default() += n;
            }
        }
    }
    let mut edges = crate::error::try_vec(counts.len(), "flows")?;
    edges.extend(counts.into_iter().map(|((place, a, b), count)| Edge {
        step: place as i32 - plan.reverse as i32,
        from: node(plan, names, place, a),
        to: node(plan, names, place + 1, b),
        count,
    }));
    edges.sort_unstable_by(|a, b| {
        let key = |e: &Edge| (e.step, Reverse(e.count));
        key(a)
            .cmp(&key(b))
            .then_with(|| (&a.from.event, &a.to.event).cmp(&(&b.from.event, &b.to.event)))
            .then_with(|| (a.from.kind, a.to.kind).cmp(&(b.from.kind, b.to.kind)))
    });
    Ok(edges)
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
    // Only paths as frequent as the last one that is shown have to be compared as text.
    if let Some(last) = top.checked_sub(1).filter(|last| *last < ranked.len()) {
        let (_, (least, _), _) = ranked.select_nth_unstable_by_key(last, |(n, _)| Reverse(*n));
        let least = *least;
        ranked.retain(|(n, _)| *n >= least);
    }
    // After an event an end is a drop-off; in front there is only a start.
    let texts = |path: &Path| -> Vec<String> {
        (0..PLACES)
            .map(|place| (place, path.get(place)))
            .take_while(|(_, code)| *code != NOTHING)
            .map(|(place, code)| match (place, code) {
                (0, END) => "(start)".to_string(),
                (_, END) => "(drop-off)".to_string(),
                (_, code) => node(plan, names, plan.reverse, code).event,
            })
            .collect()
    };
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
