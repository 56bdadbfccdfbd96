//! Funnels: how many users or groups went through steps within a window, and how long it took.
//!
//! Gathers the events of all steps per subject ([`Kernel`], [`Partial`]), then walks each subject's events in time
//! ([`Walker`]) and counts its attempts ([`Counts`]). Evaluates no filter of steps.
//!
//! # What is counted
//!
//! * An **attempt** begins with an event in the range that matches step 1 and takes, for each further step, the earliest
//!   event that qualifies: not used in the attempt, not earlier than the event of the step before (less the grace), not
//!   later than the window, which runs from the entry and is inclusive. Simultaneous events are in order of the set of
//!   steps they match as a number, step 1 the lowest bit; then of the values they carry, what is not set first.
//! * Steps of `floating` may come in any order among their neighbours in it, but all before the next anchored step. An
//!   event that could fill several open ones fills the lowest. Grace does not apply to a funnel with floating steps.
//! * In [`Ordering::Strict`] the very next event of the subject must be the next step.
//! * An **exclusion** ends the attempt when it happens strictly between two neighbouring steps.
//! * **Held** properties must have one value in all events of an attempt; attempts of different values run side by side.
//! * [`Count::Unique`] counts each subject once, [`Count::Total`] each attempt; a further attempt begins after the end of
//!   the one before it. With a breakdown, uniques form attempts as totals do and count the best one of each segment.
//! * With [`Plan::sessions`] every session is what a subject is otherwise: it is counted once, and its events are all there
//!   are. Values of profiles are those of the subject whose session it is.
//! * [`Reentry::Optimized`] tries every step-1 event; how is told where attempts are searched for.
//! * [`Plan::measured`] is a property whose numbers are taken of the events that fill the steps of the counted attempts.
//!   Which attempts those are does not depend on it, but of simultaneous events that are alike in everything else the one
//!   without a number comes first, then the one with the smaller.
mod alike;
mod attempts;
mod attribute;
pub(crate) mod carried;
mod cascade;
mod counts;
mod decided;
mod in_turn;
mod latest;
mod list;
mod members;
mod partial;
mod prepared;
mod rows;
mod search;
mod sift;
mod significance;
mod sliding;
mod source;
mod stages;
mod table;
#[cfg(test)]
mod tests;
mod times;
mod walk;

pub use alike::Alike;
pub use attribute::GlobalFilter;
pub use cascade::Cascade;
pub use counts::Counts;
pub use decided::count_decided;
pub use members::{Asked, Found, Outcome, find_on};
pub use partial::Partial;
pub use prepared::Prepared;
pub use rows::{Numbers, StepRow, count_on, finish, finish_on, rows};
pub use significance::{Significance, Verdict, significance};
pub use times::{TimeRow, times};
pub use walk::Walker;

use crate::breakdown::{Dimension, MAX_DIMENSIONS};
use crate::chunk::{Chunk, Hits, Kind, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::gather::{self, canonical, for_each_event, pack};
use crate::postings::{Part, Postings};
use crate::sessions::Starts;
use crate::tick::Tick;
use crate::time::{Buckets, Span64};
use source::{Memo, Row, Sources};

/// Most steps of a funnel.
pub const MAX_STEPS: usize = 100;
/// Most properties held constant.
pub const MAX_HELD: usize = 3;
/// Most selectors of steps and exclusions together.
pub const MAX_SELECTORS: usize = 127;
/// Longest window: 367 days, so that a year fits wherever it begins.
pub const MAX_WINDOW_MS: i64 = 367 * crate::time::DAY_MS;

/// What may lie between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ordering {
    /// Anything.
    #[default]
    Loose,
    /// Nothing.
    Strict,
}

/// Which step-1 events begin an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reentry {
    /// The first one after the attempt before it.
    #[default]
    Default,
    /// Every one; of several before the same step 2 the most recent.
    Optimized,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Count {
    /// Subjects.
    #[default]
    Unique,
    /// Attempts.
    Total,
}

/// Which event of an attempt says what its property is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Attribution {
    /// The first step at which the property is set. A property of the counted subject's profile is the same at every step.
    #[default]
    First,
    /// The last one.
    Last,
    /// This step (from 0), set or not.
    Step(usize),
}

/// Between which steps a selector ends an attempt: after `from`, before `to`, both counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exclusion {
    pub from: usize,
    pub to: usize,
}

/// What a funnel asks.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    /// Number of steps, 2 to [`MAX_STEPS`].
    pub steps: usize,
    pub by: Kind,
    /// Where the entry may lie. Completion may lie up to `window_ms` later, so chunks must reach that far.
    pub entry: Span64,
    /// Longest time from the entry to a step, inclusive, in milliseconds.
    pub window_ms: i64,
    /// How much earlier than the step before it a step may be, in milliseconds.
    pub grace_ms: i64,
    pub ordering: Ordering,
    /// Steps in any order among neighbours: bit k for step k, from 0.
    pub floating: u128,
    pub reentry: Reentry,
    pub count: Count,
    /// One per selector of exclusions.
    pub exclusions: Vec<Exclusion>,
    /// Properties held constant.
    pub held: Vec<Dimension>,
    pub breakdown: Vec<Dimension>,
    pub attribution: Attribution,
    /// On the attributed values of attempts.
    pub filter: Option<GlobalFilter>,
    /// The property of events whose numbers are summed up, step by step.
    pub measured: Option<Dimension>,
    /// Segments to show; the rest becomes one.
    pub top: usize,
    /// A funnel of its own for each interval of `entry`.
    pub buckets: Option<&'a Buckets>,
    /// Canonical user of each user, where identities were merged.
    pub remap: Option<&'a [SubjectNo]>,
    /// Count sessions: each is a subject of its own, with what happens in it and no more.
    pub sessions: Option<&'a Starts>,
    /// Bytes a partial, or the answer, may take.
    pub memory_limit: usize,
}

impl Plan<'_> {
    /// Each subject once, from its first entry, in loose order, within 7 days and with a grace of 2 seconds.
    pub fn new(steps: usize, by: Kind, entry: Span64, memory_limit: usize) -> Self {
        Plan {
            steps,
            by,
            entry,
            window_ms: 7 * crate::time::DAY_MS,
            grace_ms: 2000,
            ordering: Ordering::Loose,
            floating: 0,
            reentry: Reentry::Default,
            count: Count::Unique,
            exclusions: Vec::new(),
            held: Vec::new(),
            breakdown: Vec::new(),
            attribution: Attribution::First,
            filter: None,
            measured: None,
            top: 200,
            buckets: None,
            remap: None,
            sessions: None,
            memory_limit,
        }
    }

    /// Selections that [`Kernel::push`] takes: of the steps, of the exclusions, and in strict order of any event.
    pub fn selectors(&self) -> usize {
        self.steps + self.exclusions.len() + usize::from(self.ordering == Ordering::Strict)
    }

    /// What to read of the store: entries lie in the range, completion up to the window later.
    pub fn reads(&self) -> Span64 {
        Span64 {
            from: self.entry.from,
            to: self.entry.to.saturating_add(self.window_ms),
        }
    }

    /// Checks that the question makes sense.
    pub fn check(&self) -> Result<()> {
        let wrong = |message: &str, hint: &str| Err(Error::param_hint(message, hint));
        if !(2..=MAX_STEPS).contains(&self.steps) {
            return Err(Error::param_hint(
                format!("a funnel of {} steps", self.steps),
                format!("A funnel has 2 to {MAX_STEPS} steps."),
            ));
        }
        if !(1..=MAX_WINDOW_MS).contains(&self.window_ms) {
            return wrong(
                "the window of a funnel is too short or too long",
                "\"within\" must be positive and at most 367 days.",
            );
        }
        if !(0..=MAX_WINDOW_MS).contains(&self.grace_ms) {
            return wrong(
                "the grace of a funnel is negative or too long",
                "\"grace\" is usually a few seconds; '0' turns it off.",
            );
        }
        if self.steps + self.exclusions.len() > MAX_SELECTORS {
            return wrong(
                "too many steps and exclusions",
                "Combine exclusions of the same steps with {\"any\":[…]}.",
            );
        }
        if self.exclusions.iter().any(|x| x.from >= x.to || x.to >= self.steps) {
            return wrong(
                "an exclusion must lie between two steps of the funnel",
                "\"between\":[1,2] is after the first step and before the second.",
            );
        }
        if self.ordering == Ordering::Strict {
            if self.floating != 0 {
                return wrong(
                    "strict order and steps in any order exclude each other",
                    "Leave \"order\":\"any\" out, or use ordering => 'loose'.",
                );
            }
            if !self.exclusions.is_empty() {
                return wrong(
                    "exclusions make no sense in strict order",
                    "In strict order every event between two steps ends the attempt already.",
                );
            }
        }
        if self.held.len() > MAX_HELD {
            return Err(Error::param_hint(
                format!("{} properties held constant", self.held.len()),
                format!("At most {MAX_HELD} are possible."),
            ));
        }
        if self.held.iter().any(|d| !matches!(d, Dimension::EventProperty(_))) {
            return wrong(
                "only properties of events can be held constant",
                "For example hold => '{item_id}'.",
            );
        }
        if self.breakdown.len() > MAX_DIMENSIONS {
            return Err(Error::param_hint(
                format!("a breakdown of {} dimensions", self.breakdown.len()),
                format!("At most {MAX_DIMENSIONS} are possible."),
            ));
        }
        if matches!(&self.measured, Some(d) if !matches!(d, Dimension::EventProperty(_))) {
            return wrong(
                "only a property of events can be summed up by step",
                "For example property => 'amount'.",
            );
        }
        if matches!(self.attribution, Attribution::Step(k) if k >= self.steps) {
            return wrong(
                "attribution to a step that the funnel does not have",
                "Use 'first', 'last', or a step such as 'step1'.",
            );
        }
        for d in self.sources() {
            d.scope(self.by)?;
            if matches!(d.plain().0, Dimension::UsersWhoDid(_)) {
                return wrong(
                    "\"users_who_did\" can not break down a funnel",
                    "Break down by a property of events, users or groups.",
                );
            }
        }
        Ok(())
    }

    /// Every property that is asked for: the held ones, the dimensions, then what the filter reads.
    pub fn sources(&self) -> Vec<&Dimension> {
        let filter = self.filter.iter().flat_map(|f| &f.reads);
        self.held.iter().chain(&self.breakdown).chain(filter).collect()
    }

    /// What an event carries: those, and last what is measured. A property of the counted subject itself is looked up when
    /// its events are walked.
    fn carried(&self) -> Vec<&Dimension> {
        let sources = self.sources().into_iter();
        let of_events = sources.filter(|d| !attribute::is_of_subject(d, self.by));
        of_events.chain(&self.measured).collect()
    }

    /// Numbers for each step of an attempt: when it was reached, and what is measured.
    fn words(&self) -> usize {
        1 + usize::from(self.measured.is_some())
    }

    /// Can an attempt lack the step whose value is asked for, and so have another value than a longer one?
    fn may_lack_value(&self) -> bool {
        matches!(self.attribution, Attribution::Step(k) if k > 0 || self.floating & 1 == 1)
    }

    /// The last instant an event can matter.
    fn last(&self) -> i64 {
        self.entry.to.saturating_sub(1).saturating_add(self.window_ms)
    }

    /// Who has an event of a subject: the subject, or its session; 0 = nobody.
    #[inline]
    fn counted(&self, event: u32, subject: SubjectNo, t: i64) -> u32 {
        self.sessions.map_or(subject, |s| s.of(event, subject, t))
    }

    /// Whose profile speaks for what is counted.
    fn owner(&self, counted: u32) -> SubjectNo {
        self.sessions.map_or(counted, |s| s.owner(counted))
    }

    fn step_bits(&self) -> u128 {
        (1u128 << self.steps) - 1
    }
}

/// Gathers chunks.
#[derive(Debug)]
pub struct Kernel<'p> {
    plan: &'p Plan<'p>,
    sources: Sources<'p>,
    memo: Memo,
    partial: Partial,
}

impl<'p> Kernel<'p> {
    /// Checks the plan.
    pub fn new(plan: &'p Plan<'p>) -> Result<Self> {
        plan.check()?;
        let mut partial = Partial::new(plan)?;
        Ok(Kernel {
            plan,
            sources: Sources::new(plan.by, plan.carried(), &mut partial.budget)?.measuring(plan.measured.is_some()),
            memo: Memo::default(),
            partial,
        })
    }

    /// The same for subjects numbered up to about `most`, which decides how they are spread and not what comes out.
    pub fn for_subjects(mut self, most: SubjectNo) -> Result<Self> {
        let p = &mut self.partial;
        p.postings = Postings::for_subjects(most, self.plan.by == USER, &mut p.budget)?;
        Ok(self)
    }

    /// The same for one part of the subjects.
    pub fn only(mut self, part: Part) -> Self {
        self.partial.postings = std::mem::take(&mut self.partial.postings).only(part);
        self
    }

    /// Gathers the events of a chunk; `hits` has what each selector picked: [`Plan::selectors`] of them.
    pub fn push(&mut self, chunk: &Chunk, hits: &[Hits], tick: &mut dyn Tick) -> Result<()> {
        let plan = self.plan;
        if hits.len() != plan.selectors() {
            return Err(Error::param("funnel: one selection per selector is needed"));
        }
        let (from, last) = (plan.entry.from, plan.last());
        let (sources, memo) = (&mut self.sources, &mut self.memo);
        let Partial {
            postings,
            table,
            budget,
            ..
        } = &mut self.partial;
        if sources.is_empty() {
            let inside = chunk.time.iter().all(|t| *t >= from && *t <= last);
            // What a selector picks alone has its number as a tag.
            let plain = inside && plan.sessions.is_none();
            if plain && gather::push_disjoint(postings, chunk, plan.by, hits, plan.remap, budget, tick)? {
                return Ok(());
            }
            return for_each_event(chunk, plan.by, hits, plan.remap, tick, |row, no, mask| {
                match chunk.time.get(row) {
                    Some(&t) if t >= from && t <= last => match plan.counted(chunk.event(row), no, t) {
                        0 => Ok(()),
                        whom => {
                            let tag = table.tag(mask, 0, budget)?;
                            postings.push(whom, pack(t, tag)?, budget)
                        }
                    },
                    _ => Ok(()),
                }
            });
        }
        sources.next_chunk(chunk, budget)?;
        // What fills no step carries no values, but an exclusion must be of the held ones.
        let excluding = if plan.held.is_empty() { 0 } else { !0 << plan.steps };
        let carrying = plan.step_bits() | excluding;
        let column = sources.only_column(chunk);
        memo.begin(column.map(|(_, values)| values), hits.len(), budget)?;
        for_each_event(chunk, plan.by, hits, plan.remap, tick, |row, no, mask| {
            let Some(&t) = chunk.time.get(row).filter(|t| **t >= from && **t <= last) else {
                return Ok(());
            };
            let whom = plan.counted(chunk.event(row), no, t);
            // Values of others would fill the table in vain.
            if whom == 0 || !postings.takes(whom) {
                return Ok(());
            }
            let code = column.map_or(0, |(codes, _)| codes.get(row).copied().unwrap_or(0));
            if let Some(tag) = memo.get(mask, code) {
                return postings.push(whom, pack(t, tag)?, budget);
            }
            let mut tuple = 0;
            if mask & carrying != 0 {
                let user = chunk.user.get(row).copied().unwrap_or(0);
                let at = Row {
                    chunk,
                    row,
                    user: canonical(plan.remap, USER, user),
                    subject: no,
                };
                tuple = sources.tuple(at, table, budget)?;
            }
            let tag = table.tag(mask, tuple, budget)?;
            memo.put(mask, code, tag);
            postings.push(whom, pack(t, tag)?, budget)
        })
    }

    /// What was gathered.
    pub fn finish(self) -> Partial {
        self.partial
    }
}
