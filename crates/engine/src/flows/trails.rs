//! The ways of each subject from anchor to anchor, and the paths they become.

use super::journeys::{Journey, JourneyPartial};
use super::rows::{At, Edge, Layout, PathRow, graph, shown as most_frequent, top_sequences};
use super::trail_members::Wanted;
use super::{BREAK, Count, END, EVENT, NOTHING, OTHER};
use crate::breakdown::{EMPTY, NOT_SET};
use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, push_within, tag_of, time_of, zeroed};
use crate::parallel::Workers;
use crate::tick::{EVERY, Tick};
use crate::value::Value;
use hashbrown::{HashMap, HashSet};
use rustc_hash::{FxBuildHasher, FxHashMap};

/// How often each path was taken, and how its places are laid out.
#[derive(Debug)]
pub struct Trails {
    paths: Vec<(Box<[u16]>, u64)>,
    layout: Layout,
    /// Texts of codes, in byte order.
    names: Vec<String>,
}

impl Trails {
    /// Number of entries.
    pub fn entries(&self) -> u64 {
        self.paths.iter().map(|(_, n)| n).sum()
    }

    /// The graph: at most `rows` events per position, the rest of it as `$other`.
    pub fn edges(&self, rows: usize, tick: &mut dyn Tick) -> Result<Vec<Edge>> {
        graph(&self.layout, &self.paths, &self.names, rows, tick)
    }

    /// The events that the graph shows, by place.
    pub(super) fn shown(&self, rows: usize, tick: &mut dyn Tick) -> Result<HashSet<(usize, &str)>> {
        let found = most_frequent(&self.layout, &self.paths, rows, tick)?;
        let mut shown = HashSet::new();
        shown
            .try_reserve(found.len())
            .map_err(|_| Error::OutOfMemory("flows"))?;
        let text = |code: u16| self.names.get(usize::from(code.saturating_sub(EVENT)));
        shown.extend(
            found
                .into_iter()
                .filter_map(|(place, code)| Some((place, text(code)?.as_str()))),
        );
        Ok(shown)
    }

    /// The `top` most common paths.
    pub fn top(&self, top: usize, tick: &mut dyn Tick) -> Result<Vec<PathRow>> {
        top_sequences(&self.paths, &self.names, self.entries(), top, tick)
    }
}

/// What a tag says of an event.
#[derive(Debug, Clone, Copy)]
struct What {
    code: u16,
    /// Bit k: it is anchor k.
    anchors: u16,
    /// Bit k: exclusion k.
    exclusions: u32,
    visible: bool,
    /// Code of the held values; 0 = one of them is not set.
    held: u32,
}

pub(super) struct Prepared<'q> {
    question: &'q Journey<'q>,
    /// By tag.
    what: Vec<What>,
    /// Where the places of each anchor begin; the anchor itself is `reverse` places further.
    bases: Vec<usize>,
    width: usize,
}

/// A step that could be taken.
#[derive(Debug, Clone, Copy)]
struct Step {
    code: u16,
    /// Time of its first and last event; they differ when equal ones are collapsed.
    first: i64,
    last: i64,
    /// Position of its first event.
    at: u32,
}

/// An anchor that was reached.
#[derive(Debug, Clone, Copy)]
struct Reached {
    step: usize,
    t: i64,
}

/// How a way ended.
enum End {
    Converted,
    Window,
    /// At the position of an event.
    Excluded(u32),
}

pub(super) struct Walker<'w> {
    p: &'w Prepared<'w>,
    found: HashMap<Box<[u16]>, u64, FxBuildHasher>,
    steps: Vec<Step>,
    /// Step of each event; none for what is not visible.
    step_of: Vec<u32>,
    /// (held values, position) of what may be an anchor or an exclusion.
    marks: Vec<(u32, u32)>,
    reached: Vec<Reached>,
    path: Vec<u16>,
    /// Paths that are looked for: they are counted here, and no others.
    wanted: Option<&'w Wanted>,
    pub taken: u64,
    budget: Budget,
}

const NONE: u32 = u32::MAX;

/// How a value is shown next to the name of its event.
fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => NOT_SET.to_string(),
        Some(Value::Str(s)) if s.is_empty() => EMPTY.to_string(),
        Some(v) => v.to_text(),
    }
}

/// Nodes by tag, their texts numbered in byte order.
fn nodes(
    q: &Journey,
    names: &[String],
    partial: &JourneyPartial,
    order: &[u32],
    tick: &mut dyn Tick,
) -> Result<(Vec<u16>, Vec<String>)> {
    let (held, most) = (q.held.len(), usize::from(BREAK - EVENT));
    // Event and code of the value it is split by, each once.
    let mut known: FxHashMap<(u32, Option<u32>), u32> = FxHashMap::default();
    let mut of_tag: Vec<u32> = try_vec(order.len(), "flows")?;
    let mut texts: Vec<String> = Vec::new();
    for (i, old) in order.iter().enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        let (mask, tuple) = partial.table.combo(*old as usize);
        let (rank, ..) = q.read_mark(mask.saturating_sub(1));
        let split = q.split_of(q.ranks.event(rank));
        let code = |split: usize| partial.table.tuple(tuple).get(held + split).copied().unwrap_or(0);
        let node = (rank, split.map(code));
        let next = texts.len() as u32;
        known.try_reserve(1).map_err(|_| Error::OutOfMemory("flows"))?;
        let n = *known.entry(node).or_insert(next);
        of_tag.push(n);
        if n < next {
            continue;
        }
        if texts.len() >= most {
            return Err(Error::Limit {
                message: format!("flows through more than {most} different steps"),
                hint: Some("Split events by properties with fewer values.".into()),
            });
        }
        let name = names.get(rank as usize).map_or("", String::as_str);
        texts.push(match node.1 {
            None => name.to_string(),
            Some(code) => format!("{name} [{}]", shown(partial.table.value(code))),
        });
    }
    let mut sorted = texts.clone();
    sorted.sort_unstable();
    sorted.dedup();
    let code = |n: &u32| {
        let text = texts.get(*n as usize).map_or("", String::as_str);
        let place = sorted.binary_search_by(|t| t.as_str().cmp(text));
        place.map_or(NOTHING, |n| n as u16 + EVENT)
    };
    let codes = of_tag.iter().map(code).collect();
    Ok((codes, sorted))
}

/// What the places of paths are.
pub(super) fn layout(question: &Journey) -> Layout {
    let places = question.anchors.iter().zip(1..).flat_map(|(a, anchor)| {
        let steps = -(a.reverse as i32)..=a.forward as i32 + 1;
        steps.map(move |step| At { anchor, step })
    });
    Layout {
        places: places.collect(),
    }
}

pub(super) fn prepare<'q>(
    question: &'q Journey,
    names: &[String],
    partial: &mut JourneyPartial,
    tick: &mut dyn Tick,
) -> Result<(Prepared<'q>, Vec<String>)> {
    let order = partial.table.canonical()?;
    let mut tags: Vec<u32> = zeroed(order.len(), &mut partial.budget)?;
    for (new, old) in order.iter().enumerate() {
        if let Some(t) = tags.get_mut(*old as usize) {
            *t = new as u32;
        }
    }
    partial.postings.retag(&tags);
    let (codes, texts) = nodes(question, names, partial, &order, tick)?;
    let mut known: FxHashMap<&[u32], u32> = FxHashMap::default();
    let mut what: Vec<What> = try_vec(order.len(), "flows")?;
    for (old, code) in order.iter().zip(codes) {
        let (mask, tuple) = partial.table.combo(*old as usize);
        let (_, anchors, exclusions, visible) = question.read_mark(mask.saturating_sub(1));
        let held = partial.table.tuple(tuple).get(..question.held.len()).unwrap_or(&[]);
        let next = known.len() as u32 + 1;
        known.try_reserve(1).map_err(|_| Error::OutOfMemory("flows"))?;
        let held = if held.contains(&0) {
            0
        } else {
            *known.entry(held).or_insert(next)
        };
        what.push(What {
            code,
            anchors,
            exclusions,
            visible,
            held,
        });
    }
    let (mut bases, mut width) = (Vec::new(), 0);
    for a in &question.anchors {
        bases.push(width);
        // One more for a break, or the end.
        width += a.reverse + 1 + a.forward + 1;
    }
    Ok((
        Prepared {
            question,
            what,
            bases,
            width,
        },
        texts,
    ))
}

/// All ways of the answer. `names` of events, in the order of ranks.
pub fn finish_journeys(
    question: &Journey,
    names: &[String],
    mut partial: JourneyPartial,
    workers: &Workers,
    tick: &mut dyn Tick,
) -> Result<Trails> {
    partial.budget.set_limit(question.memory_limit);
    let (prepared, texts) = prepare(question, names, &mut partial, tick)?;
    let more = question.memory_limit.saturating_sub(partial.budget.used());
    let make = || Ok(Walker::new(&prepared, None, more));
    let enters = |e: u64| prepared.enters(e);
    let walkers = partial
        .postings
        .walk_long(workers, enters, more, tick, make, |w, _, events, tick| {
            w.subject(events, tick)
        })?;
    let mut walkers = walkers.into_iter();
    let mut found = walkers.next().map(|w| w.found).unwrap_or_default();
    for w in walkers {
        for (path, n) in w.found {
            if found.len() == found.capacity() {
                found.try_reserve(1).map_err(|_| Error::OutOfMemory("flows"))?;
            }
            *found.entry(path).or_default() += n;
        }
    }
    let mut paths = try_vec(found.len(), "flows")?;
    paths.extend(found);
    Ok(Trails {
        paths,
        layout: layout(question),
        names: texts,
    })
}

impl Prepared<'_> {
    fn what(&self, event: u64) -> What {
        self.what.get(tag_of(event) as usize).copied().unwrap_or(What {
            code: NOTHING,
            anchors: 0,
            exclusions: 0,
            visible: false,
            held: 0,
        })
    }

    pub fn enters(&self, event: u64) -> bool {
        let (what, t, entry) = (self.what(event), time_of(event), self.question.entry);
        what.anchors & 1 == 1 && what.held != 0 && t >= entry.from && t < entry.to
    }
}

impl<'w> Walker<'w> {
    pub fn new(p: &'w Prepared<'w>, wanted: Option<&'w Wanted>, memory_limit: usize) -> Self {
        Walker {
            p,
            found: HashMap::default(),
            steps: Vec::new(),
            step_of: Vec::new(),
            marks: Vec::new(),
            reached: Vec::new(),
            path: Vec::new(),
            wanted,
            taken: 0,
            budget: Budget::new(memory_limit),
        }
    }

    /// Adds the paths of one subject, whose events are in order.
    pub fn subject(&mut self, events: &[u64], tick: &mut dyn Tick) -> Result<()> {
        let (p, q) = (self.p, self.p.question);
        self.steps.clear();
        self.step_of.clear();
        self.marks.clear();
        let mut only = None;
        for (i, e) in events.iter().enumerate() {
            if i % EVERY == 0 {
                tick.tick()?;
            }
            let (what, t) = (p.what(*e), time_of(*e));
            let mut at = NONE;
            if what.visible {
                match self.steps.last_mut() {
                    Some(s) if q.collapse && s.code == what.code => s.last = t,
                    _ => {
                        let step = Step {
                            code: what.code,
                            first: t,
                            last: t,
                            at: i as u32,
                        };
                        push_within(&mut self.steps, step, &mut self.budget)?;
                    }
                }
                at = self.steps.len() as u32 - 1;
            }
            push_within(&mut self.step_of, at, &mut self.budget)?;
            if what.held != 0 && (what.anchors != 0 || what.exclusions != 0) {
                push_within(&mut self.marks, (what.held, i as u32), &mut self.budget)?;
            }
            if only.is_none() && p.enters(*e) {
                only = Some(what.held);
            }
        }
        if q.count == Count::Unique {
            self.marks.retain(|(held, _)| Some(*held) == only);
        } else {
            self.marks.sort_unstable();
        }
        let marks = std::mem::take(&mut self.marks);
        let mut result = Ok(());
        for view in marks.chunk_by(|a, b| a.0 == b.0) {
            result = self.ways(events, view, tick);
            if result.is_err() {
                break;
            }
        }
        self.marks = marks;
        result
    }

    /// The ways among events of one held value.
    fn ways(&mut self, events: &[u64], view: &[(u32, u32)], tick: &mut dyn Tick) -> Result<()> {
        let (p, q) = (self.p, self.p.question);
        let (mut cursor, mut before) = (0, None);
        let mut since = 0;
        while let Some((_, pos)) = view.get(cursor) {
            since += 1;
            if since % 256 == 0 {
                tick.tick()?;
            }
            let event = events.get(*pos as usize).copied().unwrap_or(0);
            let step = self.step_of.get(*pos as usize).copied().unwrap_or(NONE);
            if !p.enters(event) || q.collapse && before == Some(step) {
                cursor += 1;
                continue;
            }
            before = Some(step);
            let (end, next) = self.way(events, view, cursor, step as usize, tick)?;
            self.lay(&end)?;
            if q.count == Count::Unique {
                return Ok(());
            }
            cursor = next;
        }
        Ok(())
    }

    /// Goes from an entry from anchor to anchor; says how it ended and where the next entry may be.
    fn way(
        &mut self,
        events: &[u64],
        view: &[(u32, u32)],
        entry: usize,
        step: usize,
        tick: &mut dyn Tick,
    ) -> Result<(End, usize)> {
        let (p, q) = (self.p, self.p.question);
        let event = |i: usize| view.get(i).and_then(|(_, pos)| events.get(*pos as usize)).copied();
        let position = |i: usize| view.get(i).map_or(NONE, |(_, pos)| *pos);
        let start = event(entry).map_or(0, time_of);
        let end = start.saturating_add(q.within_ms);
        self.reached.clear();
        self.reached.push(Reached { step, t: start });
        let (mut last, mut step, mut i) = (start, step, entry);
        for k in 1..q.anchors.len() {
            let between = q.exclusions.iter().enumerate().filter(|(_, x)| x.from < k && k <= x.to);
            let ends = between.fold(0u32, |bits, (n, _)| bits | 1 << n);
            // An event that ends the way unless the next anchor is there at the same time.
            let mut ending: Option<(usize, i64)> = None;
            loop {
                i += 1;
                if i % EVERY == 0 {
                    tick.tick()?;
                }
                let next = event(i);
                let t = next.map_or(i64::MAX, time_of);
                if let Some((x, at)) = ending
                    && t > at
                {
                    return Ok((End::Excluded(position(x)), x + 1));
                }
                let Some(next) = next.filter(|_| t <= end) else {
                    return Ok((End::Window, i));
                };
                let what = p.what(next);
                let its = self.step_of.get(position(i) as usize).copied().unwrap_or(NONE);
                if what.anchors >> k & 1 == 1 && its != NONE && its as usize > step {
                    (last, step) = (t, its as usize);
                    break;
                }
                if what.exclusions & ends != 0 && t > last && ending.is_none() {
                    ending = Some((i, t));
                }
            }
            self.reached.push(Reached { step, t: last });
        }
        Ok((End::Converted, i + 1))
    }

    /// Lays the way at hand out as a path and counts it.
    fn lay(&mut self, end: &End) -> Result<()> {
        let (p, q) = (self.p, self.p.question);
        self.path.clear();
        self.path.resize(p.width, NOTHING);
        let steps = &self.steps;
        let code = |i: usize| steps.get(i).map_or(END, |s| s.code);
        let mut put = |place: usize, code: u16| {
            if let Some(slot) = self.path.get_mut(place) {
                *slot = code;
            }
        };
        for (i, (r, anchor)) in self.reached.iter().zip(&q.anchors).enumerate() {
            let own = p.bases.get(i).copied().unwrap_or(0) + anchor.reverse;
            put(own, code(r.step));
            if i == 0 {
                for k in 1..=anchor.reverse {
                    let before = r.step.checked_sub(k).and_then(|s| steps.get(s));
                    match before.filter(|s| s.last >= r.t.saturating_sub(q.within_ms)) {
                        Some(s) => put(own - k, s.code),
                        None => {
                            put(own - k, END);
                            break;
                        }
                    }
                }
            }
            if let (Some(next), Some(following)) = (self.reached.get(i + 1), q.anchors.get(i + 1)) {
                let between = next.step.saturating_sub(r.step + 1);
                let left = between.min(anchor.forward);
                let right = (between - left).min(following.reverse);
                (1..=left).for_each(|k| put(own + k, code(r.step + k)));
                if between > left + right {
                    put(own + left + 1, BREAK);
                }
                let theirs = p.bases.get(i + 1).copied().unwrap_or(0) + following.reverse;
                (1..=right).for_each(|k| put(theirs - k, code(next.step - k)));
                continue;
            }
            let before = match end {
                End::Excluded(pos) => *pos,
                _ => NONE,
            };
            let mut shown = 0;
            while shown < anchor.forward {
                let after = steps.get(r.step + shown + 1);
                let near = |s: &&Step| s.first <= r.t.saturating_add(q.within_ms) && s.at < before;
                match after.filter(near) {
                    Some(s) => put(own + shown + 1, s.code),
                    None => break,
                }
                shown += 1;
            }
            if shown < anchor.forward || !matches!(end, End::Converted) {
                put(own + shown + 1, END);
            }
        }
        if let Some(wanted) = self.wanted {
            self.taken += u64::from(wanted.takes(&self.path));
            return Ok(());
        }
        if let Some(n) = self.found.get_mut(self.path.as_slice()) {
            *n += 1;
            return Ok(());
        }
        self.budget.take(self.path.len() * 2 + 64)?;
        self.found.try_reserve(1).map_err(|_| Error::OutOfMemory("flows"))?;
        self.found.insert(self.path.as_slice().into(), 1);
        Ok(())
    }
}

// A code is never one of these.
const _: () = assert!(BREAK < OTHER && END < EVENT && NOTHING < EVENT);
