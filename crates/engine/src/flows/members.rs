//! Who is behind a number of flows: each subject's paths are found as ever, and those that are meant are counted.

use super::rows::{At, Edge, around, is_rest, shown};
use super::{END, EVENT, NOTHING, PLACES, Partial, Path, Paths, Plan, events};
use crate::chunk::SubjectNo;
use crate::error::{Error, Result};
use crate::parallel::Workers;
use crate::tick::Tick;
use hashbrown::HashSet;

/// What is meant, in the words of the answer.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// Paths with an event at a position, and an event after it; none is any.
    Edge {
        /// From 1.
        anchor: i32,
        step: i32,
        event: Option<&'a str>,
        next: Option<&'a str>,
        /// The anchor and the step of what comes after it.
        next_anchor: Option<i32>,
        next_step: Option<i32>,
    },
    /// Whole paths.
    Path(&'a [String]),
}

/// The rest of a position's events, in the words of the answer.
pub(super) const REST: &str = "$other";

impl<'a> Asked<'a> {
    /// An edge of a graph, as its row names it.
    pub fn edge(e: &'a Edge) -> Self {
        Asked::Edge {
            anchor: e.anchor,
            step: e.step,
            event: Some(&e.from.event),
            next: Some(&e.to.event),
            next_anchor: Some(e.next_anchor),
            next_step: Some(e.next_step),
        }
    }

    /// Does the answer depend on which events are shown?
    pub fn needs_shown(&self) -> bool {
        match self {
            Asked::Edge { event, next, .. } => *event == Some(REST) || *next == Some(REST),
            Asked::Path(_) => false,
        }
    }
}

/// What a place of a path must hold.
#[derive(Debug, Clone, Copy)]
enum Code {
    Any,
    Is(u16),
    Rest,
    /// No event is called so.
    Nothing,
}

/// What is meant, in codes.
#[derive(Debug)]
pub struct Wanted {
    place: usize,
    from: Code,
    to: Option<Code>,
    path: Option<Option<Path>>,
    shown: HashSet<(usize, u16)>,
    anchor: usize,
}

impl Wanted {
    /// Translates what is asked. `paths` of the whole report and the events it shows per position are for what needs them.
    pub fn new(
        plan: &Plan,
        names: &[String],
        asked: Asked,
        report: Option<(&Paths, usize)>,
        tick: &mut dyn Tick,
    ) -> Result<Self> {
        let code = |text: &str| {
            let n = names.iter().position(|n| n == text)?;
            u16::try_from(n).ok()?.checked_add(EVENT)
        };
        let mut wanted = Wanted {
            place: plan.reverse,
            from: Code::Any,
            to: None,
            path: None,
            shown: HashSet::new(),
            anchor: plan.reverse,
        };
        if let Some((paths, rows)) = report {
            wanted.shown = shown(&around(plan), &paths.paths, rows, tick)?;
        }
        match asked {
            Asked::Path(texts) => {
                let mut path = Path::default();
                let mut known = !texts.is_empty() && texts.len() <= PLACES;
                for (i, text) in texts.iter().enumerate().take(PLACES) {
                    let ends = i == 0 && text == "(start)" || i + 1 == texts.len() && text == "(drop-off)";
                    match if ends { Some(END) } else { code(text) } {
                        Some(c) => path.put(i, c),
                        None => known = false,
                    }
                }
                wanted.path = Some(known.then_some(path));
            }
            Asked::Edge {
                anchor,
                step,
                event,
                next,
                next_anchor,
                next_step,
            } => {
                if anchor != 1 {
                    return Err(no_anchor(anchor, 1));
                }
                let goes_on = next.is_some() || next_anchor.is_some() || next_step.is_some();
                let last = (plan.reverse + plan.forward) as i64;
                let place = i64::from(step) + plan.reverse as i64;
                let most = if goes_on { last - 1 } else { last };
                if !(0..=most).contains(&place) {
                    return Err(Error::param_hint(
                        format!("the flow has no step {step}"),
                        format!(
                            "Steps are {} to {}; that of an edge is the one it begins at.",
                            -(plan.reverse as i64),
                            most - plan.reverse as i64
                        ),
                    ));
                }
                wanted.place = usize::try_from(place).unwrap_or(0);
                let of = |text: Option<&str>, place: usize| match text {
                    None => Code::Any,
                    Some(REST) => Code::Rest,
                    Some("(drop-off)") if place > plan.reverse => Code::Is(END),
                    Some("(start)") if place < plan.reverse => Code::Is(END),
                    Some(text) => code(text).map_or(Code::Nothing, Code::Is),
                };
                wanted.from = of(event, wanted.place);
                let elsewhere = next_anchor.is_some_and(|a| a != 1)
                    || next_step.is_some_and(|s| i64::from(s) != i64::from(step) + 1);
                wanted.to = goes_on.then(|| match elsewhere {
                    true => Code::Nothing,
                    false => of(next, wanted.place + 1),
                });
            }
        }
        Ok(wanted)
    }

    fn holds(&self, code: Code, path: &Path, place: usize) -> bool {
        let found = path.get(place);
        match code {
            Code::Any => found != NOTHING,
            Code::Is(c) => found == c,
            Code::Rest => {
                let step = place as i32 - self.anchor as i32;
                is_rest(&self.shown, At { anchor: 1, step }, place, found)
            }
            Code::Nothing => false,
        }
    }

    fn takes(&self, path: &Path) -> bool {
        if let Some(wanted) = &self.path {
            return wanted.as_ref().is_some_and(|w| path.left() == *w);
        }
        self.holds(self.from, path, self.place) && self.to.is_none_or(|c| self.holds(c, path, self.place + 1))
    }
}

/// There are anchors 1 to `n`.
pub(super) fn no_anchor(anchor: i32, n: usize) -> Error {
    let hint = match n {
        1 => "There is only anchor 1.".to_string(),
        n => format!("Anchors are 1 to {n}; that of an edge is the one it begins at."),
    };
    Error::param_hint(format!("the flow has no anchor {anchor}"), hint)
}

/// The subjects with such a path, in order of their numbers, and how many they have.
pub fn find(
    plan: &Plan,
    partial: Partial,
    wanted: &Wanted,
    workers: &Workers,
    tick: &mut dyn Tick,
) -> Result<Vec<(SubjectNo, u64)>> {
    let mut found = events::walk_each(plan, partial, workers, tick, |path| wanted.takes(path))?;
    tick.tick()?;
    found.sort_unstable();
    Ok(found)
}
