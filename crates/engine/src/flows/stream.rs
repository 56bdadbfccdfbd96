//! What users do after their first anchor, followed along the user-major stream with a few bytes of state per user.

use super::{Count, END, MAX_STEPS, Partial, Path, Plan};
use crate::error::{Error, Result};
use crate::gather::zeroed;
use crate::stream::{Columns, FIRST, PART_USERS, Part};
use crate::tick::{EVERY, Tick};

/// State of a user: nothing yet, the number of codes on the path so far, or all done.
const WAITING: u8 = 0;
const DONE: u8 = u8::MAX;

const ANCHOR: u8 = 1;
const HIDDEN: u8 = 2;

/// Follows users part by part: all days of one part in order, then those of the next. Kernels of different parts are
/// merged; a user's tail is carried from day to day, so the days of one part are not spread over kernels.
pub struct StreamKernel<'p> {
    plan: &'p Plan<'p>,
    /// By event number: what it is, and its code.
    kinds: Vec<(u8, u16)>,
    times: bool,
    number: Option<u32>,
    states: Vec<u8>,
    walks: Vec<Walk>,
    partial: Partial,
}

/// Where a user is: the codes so far in the lower 80 bits, for the last code ends the walk; the last instant of a step,
/// counted from the start of the range, in the upper 48. Sixteen bytes, for a user's walk is seldom in the cache.
#[derive(Debug, Clone, Copy, Default)]
struct Walk(u128);

const CODE_BITS: usize = 16;
const UNTIL_AT: usize = MAX_STEPS * CODE_BITS;

impl Walk {
    fn new(until: i64, anchor: u16) -> Self {
        let until = until.clamp(0, (1 << (128 - UNTIL_AT)) - 1) as u128;
        Walk(until << UNTIL_AT | u128::from(anchor))
    }

    #[inline]
    fn until(self) -> i64 {
        (self.0 >> UNTIL_AT) as i64
    }

    #[inline]
    fn code(self, place: usize) -> u16 {
        (self.0 >> (place * CODE_BITS)) as u16
    }

    #[inline]
    fn put(&mut self, place: usize, code: u16) {
        self.0 |= u128::from(code) << (place * CODE_BITS);
    }

    /// The whole path, which ends with `code` at `place`.
    #[inline]
    fn path(self, place: usize, code: u16) -> Path {
        let codes = self.0 & ((1 << UNTIL_AT) - 1);
        let mut path = Path([codes as u64, (codes >> 64) as u64, 0]);
        path.put(place, code);
        path
    }
}

impl<'p> StreamKernel<'p> {
    /// Can this kernel answer the question?
    pub fn answers(plan: &Plan) -> bool {
        plan.count == Count::Unique && plan.reverse == 0 && plan.forward > 0
    }

    /// Nothing yet. `anchors` by event number. Without `times` no step can be too late: all events there are lie within
    /// `plan.within_ms` of each other.
    pub fn new(plan: &'p Plan, anchors: &[bool], times: bool) -> Result<Self> {
        plan.check()?;
        if !Self::answers(plan) {
            return Err(Error::param("these flows can't be read off the stream"));
        }
        let mut partial = Partial::new(plan);
        let budget = &mut partial.budget;
        let mut kinds: Vec<(u8, u16)> = zeroed(anchors.len().max(plan.ranks.top()), budget)?;
        for (event, kind) in (0..).zip(&mut kinds) {
            let hidden = plan.hides(event);
            let picked = anchors.get(event as usize).copied().unwrap_or(false);
            let anchor = picked && (!hidden || plan.names(event));
            let what = if anchor { ANCHOR } else { 0 } | if hidden { HIDDEN } else { 0 };
            *kind = (what, plan.code(event).unwrap_or(0));
        }
        Ok(StreamKernel {
            plan,
            kinds,
            times,
            number: None,
            states: zeroed(PART_USERS, budget)?,
            walks: zeroed(PART_USERS, budget)?,
            partial,
        })
    }

    /// What it reads of a part.
    pub fn columns(&self) -> Columns {
        Columns {
            users: true,
            times: self.times,
            events: true,
        }
    }

    /// Takes part `number` of a day that begins at `day_start`.
    pub fn push(&mut self, number: u32, day_start: i64, part: &Part, tick: &mut dyn Tick) -> Result<()> {
        if self.number != Some(number) {
            self.end_part()?;
            self.number = Some(number);
        }
        let enters = day_start >= self.plan.entry.from && day_start < self.plan.entry.to;
        let mut from = 0;
        for (i, (user, length)) in part.users.iter().zip(&part.lengths).enumerate() {
            if i % EVERY == 0 {
                tick.tick()?;
            }
            let to = from + *length as usize;
            let run = from..to;
            from = to;
            match self.states.get(*user as usize) {
                None | Some(&DONE) => {}
                Some(&WAITING) if !enters => {}
                Some(_) => {
                    let events = part.events.get(run.clone()).unwrap_or(&[]);
                    let times = part.times.get(run).unwrap_or(&[]);
                    self.follow(*user as usize, day_start, events, times)?;
                }
            }
        }
        Ok(())
    }

    /// Goes along the events of one user and day.
    #[inline]
    fn follow(&mut self, user: usize, day_start: i64, events: &[u32], times: &[u32]) -> Result<()> {
        let (Some(state), Some(walk)) = (self.states.get_mut(user), self.walks.get_mut(user)) else {
            return Ok(());
        };
        let kind = |event: &u32| self.kinds.get(*event as usize).copied().unwrap_or((0, 0));
        // Counted from the start of the range.
        let mut at = day_start - self.plan.entry.from;
        let mut next = 0;
        if *state == WAITING {
            let Some(i) = events.iter().position(|e| kind(e).0 & ANCHOR != 0) else {
                return Ok(());
            };
            next = i + 1;
            at += times.iter().take(next).map(|t| i64::from(t & !FIRST)).sum::<i64>();
            let anchor = events.get(i).map_or(END, |e| kind(e).1);
            *walk = Walk::new(at.saturating_add(self.plan.within_ms), anchor);
            *state = 1;
        }
        let mut now = *walk;
        let mut steps = times.iter().skip(next);
        for event in events.iter().skip(next) {
            let place = usize::from(*state);
            if let Some(t) = steps.next() {
                at += i64::from(t & !FIRST);
                if at > now.until() {
                    *state = DONE;
                    return self.partial.add(now.path(place, END), 1);
                }
            }
            let (what, code) = kind(event);
            let visible = what & HIDDEN == 0 || what & ANCHOR != 0;
            if !visible || self.plan.collapse && now.code(place - 1) == code {
                continue;
            }
            if code == 0 {
                return Err(Error::corrupt("an event that is not in the lexicon"));
            }
            if place == self.plan.forward {
                *state = DONE;
                return self.partial.add(now.path(place, code), 1);
            }
            now.put(place, code);
            *state += 1;
        }
        *walk = now;
        Ok(())
    }

    /// Users of the part that are still on their way did nothing more.
    fn end_part(&mut self) -> Result<()> {
        if self.number.is_none() {
            return Ok(());
        }
        for (state, walk) in self.states.iter_mut().zip(&self.walks) {
            if *state != WAITING && *state != DONE {
                self.partial.add(walk.path(usize::from(*state), END), 1)?;
            }
            *state = WAITING;
        }
        Ok(())
    }

    /// What was found.
    pub fn finish(mut self) -> Result<Partial> {
        self.end_part()?;
        Ok(self.partial)
    }
}
