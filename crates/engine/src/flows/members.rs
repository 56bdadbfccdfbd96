//! Who is behind a number of flows: each subject's paths are found as ever, and those that are meant are counted.

use super::rows::is_rest;
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
        step: i32,
        event: Option<&'a str>,
        next: Option<&'a str>,
    },
    /// Whole paths.
    Path(&'a [String]),
}

/// The rest of a position's events, in the words of the answer.
const REST: &str = "$other";

impl Asked<'_> {
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
            wanted.shown = super::rows::shown(plan, paths, rows, tick)?;
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
            Asked::Edge { step, event, next } => {
                let last = (plan.reverse + plan.forward) as i64;
                let place = i64::from(step) + plan.reverse as i64;
                let most = if next.is_some() { last - 1 } else { last };
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
                wanted.to = next.map(|n| of(Some(n), wanted.place + 1));
            }
        }
        Ok(wanted)
    }

    fn holds(&self, code: Code, path: &Path, place: usize) -> bool {
        let found = path.get(place);
        match code {
            Code::Any => found != NOTHING,
            Code::Is(c) => found == c,
            Code::Rest => is_rest(&self.shown, self.anchor, place, found),
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
