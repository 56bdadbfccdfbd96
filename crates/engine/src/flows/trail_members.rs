//! Who is behind a number of flows with every option: the paths of each subject are laid out as ever, and those that are
//! meant are counted.

use super::journeys::{Journey, JourneyPartial};
use super::members::{Asked, REST, no_anchor};
use super::rows::{At, Layout, is_rest, node};
use super::trails::{Trails, Walker, layout, prepare};
use super::{END, EVENT, NOTHING};
use crate::chunk::SubjectNo;
use crate::error::{Error, Result};
use crate::gather::{Budget, push_within};
use crate::parallel::Workers;
use crate::tick::Tick;
use hashbrown::HashSet;

/// What the next place of a path that is not empty must be.
#[derive(Debug)]
struct Next {
    event: Option<String>,
    anchor: Option<i32>,
    step: Option<i32>,
}

#[derive(Debug)]
enum Meant {
    /// A place, what is there, and what comes after it.
    Edge(usize, Option<String>, Option<Next>),
    /// The codes in order; none where a text is not of these flows.
    Path(Option<Vec<u16>>),
}

/// What is meant, for the paths of one partial.
#[derive(Debug)]
pub(super) struct Wanted {
    meant: Meant,
    layout: Layout,
    names: Vec<String>,
    shown: HashSet<(usize, u16)>,
}

fn no_memory<T>(_: T) -> Error {
    Error::OutOfMemory("flows")
}

impl Wanted {
    fn new(
        question: &Journey,
        names: Vec<String>,
        asked: Asked,
        report: Option<(&Trails, usize)>,
        tick: &mut dyn Tick,
    ) -> Result<Self> {
        let layout = layout(question);
        let code = |text: &str| {
            let n = names.binary_search_by(|n| n.as_str().cmp(text)).ok()?;
            u16::try_from(n).ok()?.checked_add(EVENT)
        };
        // What one part of the subjects does not do has no code there.
        let mut shown = HashSet::new();
        if let Some((trails, rows)) = report {
            for (place, text) in trails.shown(rows, tick)? {
                if let Some(code) = code(text) {
                    shown.try_reserve(1).map_err(no_memory)?;
                    shown.insert((place, code));
                }
            }
        }
        let meant = match asked {
            Asked::Path(texts) => {
                let of = |(i, text): (usize, &String)| match text.as_str() {
                    "(start)" if i == 0 => Some(END),
                    "(drop-off)" if i + 1 == texts.len() => Some(END),
                    "≈" => Some(super::BREAK),
                    text => code(text),
                };
                Meant::Path(texts.iter().enumerate().map(of).collect())
            }
            Asked::Edge {
                anchor,
                step,
                event,
                next,
                next_anchor,
                next_step,
            } => {
                let n = question.anchors.len();
                let own = usize::try_from(anchor).ok().and_then(|a| a.checked_sub(1));
                let Some(own) = own.and_then(|a| question.anchors.get(a)) else {
                    return Err(no_anchor(anchor, n));
                };
                let place = layout.places.iter().position(|at| *at == At { anchor, step });
                let place = place.ok_or_else(|| {
                    Error::param_hint(
                        format!("anchor {anchor} of the flow has no step {step}"),
                        format!(
                            "Steps are {} to {}; that of an edge is the one it begins at.",
                            -(own.reverse as i64),
                            own.forward + 1
                        ),
                    )
                })?;
                let goes_on = next.is_some() || next_anchor.is_some() || next_step.is_some();
                let next = goes_on.then(|| Next {
                    event: next.map(str::to_string),
                    anchor: next_anchor,
                    step: next_step,
                });
                Meant::Edge(place, event.map(str::to_string), next)
            }
        };
        Ok(Wanted {
            meant,
            layout,
            names,
            shown,
        })
    }

    /// Is the code at a place what the text says?
    fn is(&self, place: usize, code: u16, text: Option<&str>) -> bool {
        let Some(at) = self.layout.places.get(place).filter(|_| code != NOTHING) else {
            return false;
        };
        match text {
            None => true,
            Some(REST) => is_rest(&self.shown, *at, place, code),
            Some(text) => node(*at, &self.names, code).event == text,
        }
    }

    /// Is this path one of those that are meant?
    pub fn takes(&self, path: &[u16]) -> bool {
        let mut filled = path.iter().copied().enumerate().filter(|(_, c)| *c != NOTHING);
        match &self.meant {
            Meant::Path(None) => false,
            Meant::Path(Some(codes)) => filled.map(|(_, c)| c).eq(codes.iter().copied()),
            Meant::Edge(place, event, next) => {
                let Some((_, code)) = filled.by_ref().find(|(p, _)| p == place) else {
                    return false;
                };
                if !self.is(*place, code, event.as_deref()) {
                    return false;
                }
                let Some(next) = next else { return true };
                let Some((then, code)) = filled.next() else {
                    return false;
                };
                self.layout.places.get(then).is_some_and(|at| {
                    next.anchor.is_none_or(|a| a == at.anchor) && next.step.is_none_or(|s| s == at.step)
                }) && self.is(then, code, next.event.as_deref())
            }
        }
    }
}

/// The subjects with such a path, in order of their numbers, and how many they have. `report` is all of it and the events it
/// shows per position, for what needs them ([`Asked::needs_shown`]).
pub fn find_on_trails(
    question: &Journey,
    names: &[String],
    mut partial: JourneyPartial,
    asked: Asked,
    report: Option<(&Trails, usize)>,
    workers: &Workers,
    tick: &mut dyn Tick,
) -> Result<Vec<(SubjectNo, u64)>> {
    partial.budget.set_limit(question.memory_limit);
    let (prepared, texts) = prepare(question, names, &mut partial, tick)?;
    let wanted = Wanted::new(question, texts, asked, report, tick)?;
    let more = question.memory_limit.saturating_sub(partial.budget.used());
    let make = || {
        let walker = Walker::new(&prepared, Some(&wanted), more);
        Ok((walker, Vec::new(), Budget::new(more)))
    };
    let enters = |e: u64| prepared.enters(e);
    let states = partial.postings.walk_long(
        workers,
        enters,
        more,
        tick,
        make,
        |(walker, found, budget), no, events, tick| {
            walker.taken = 0;
            walker.subject(events, tick)?;
            match walker.taken {
                0 => Ok(()),
                n => push_within(found, (no, n), budget),
            }
        },
    )?;
    let mut all: Vec<(SubjectNo, u64)> = Vec::new();
    for (_, found, _) in states {
        all.try_reserve(found.len()).map_err(no_memory)?;
        all.extend(found);
    }
    tick.tick()?;
    all.sort_unstable();
    if let Some(sessions) = question.sessions {
        // Sessions are numbered subject by subject.
        for (no, _) in &mut all {
            *no = sessions.owner(*no);
        }
        all.dedup_by(|next, one| {
            let same = next.0 == one.0;
            one.1 += if same { next.1 } else { 0 };
            same
        });
    }
    Ok(all)
}
