//! Attempts by search: every option of a funnel, for one subject at a time.
//!
//! The events of each selector are listed by position; a step is found by a search in its list, so that one attempt costs
//! about the number of steps, however many events lie between. Used events are skipped through links that are shortened as
//! they are followed (union-find), so that many simultaneous events do no harm.
//!
//! # Re-entry
//!
//! *Default*: the first entry; when every attempt counts, the next one is the first after the end of the attempt before:
//! its last event, the excluding event, or the end of its window. The event that breaks a strict order may enter again.
//!
//! *Optimized, uniques*: every entry is tried on its own. Of several before (by position) the same second event only the
//! last is kept. The counted one has gone furthest, and is the earliest of those.
//!
//! *Optimized, totals*: entries in order. One without a second event is an attempt that failed at once. Else the last entry
//! before that second event, of those that would take the same one, begins the attempt; those between are absorbed. It
//! ends as in default re-entry. In strict order nothing is absorbed: an entry right after another has broken it.

use super::attempts::{Attempts, Fill};
use super::list::{BARRED, List, TAKEN, is, time_at};
use super::prepared::{Prepared, block};
use super::{Count, Ordering, Reentry};
use crate::error::Result;
use crate::gather::{Budget, grow_within, push_within, time_of};
use crate::tick::Tick;
use crate::time::Span64;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// As many steps as were asked for.
    Reached,
    Window,
    Excluded(u32),
    Broken(i64),
}

/// Finds the attempts of one subject after another.
#[derive(Debug)]
pub(super) struct Search<'a> {
    p: &'a Prepared<'a>,
    /// Open steps by number of steps done.
    open: Vec<u128>,
    /// One per selector.
    lists: Vec<List>,
    entries: List,
    /// By position.
    flags: Vec<u8>,
    /// The attempt at hand.
    fills: Vec<Fill>,
    /// Attempts that were made, in order of their entries.
    pub attempts: Attempts,
    /// (held value, position)
    by_held: Vec<(u32, u32)>,
    /// Second event of each entry, and last entry before each second event.
    seconds: Vec<u32>,
    owners: Vec<u32>,
    made: u64,
    budget: Budget,
}

const NONE: u32 = u32::MAX;

impl<'a> Search<'a> {
    pub fn new(p: &'a Prepared<'a>) -> Self {
        Search {
            open: (0..p.plan.steps).map(|k| block(p.plan, k)).collect(),
            lists: (0..p.plan.selectors()).map(|_| List::default()).collect(),
            entries: List::default(),
            flags: Vec::new(),
            fills: Vec::with_capacity(p.plan.steps),
            attempts: Attempts::default(),
            by_held: Vec::new(),
            seconds: Vec::new(),
            owners: Vec::new(),
            made: 0,
            budget: Budget::new(p.plan.memory_limit),
            p,
        }
    }

    /// Finds the attempts that begin in `span`; only the one that counts when `one`.
    pub fn run(&mut self, events: &[u64], span: Span64, one: bool, tick: &mut dyn Tick) -> Result<()> {
        self.attempts.clear();
        self.flags.clear();
        let more = events.len().saturating_sub(self.flags.capacity());
        if more > 0 {
            grow_within(&mut self.flags, events.len(), &mut self.budget)?;
        }
        self.flags.resize(events.len(), 0);
        self.lists.iter_mut().for_each(List::clear);
        if self.p.plan.held.is_empty() {
            self.view(events, None, span)?;
            return self.attempts_of_view(events, span, one, tick);
        }
        if self.p.plan.ordering == Ordering::Strict
            && let Some(any) = self.lists.last_mut()
        {
            for pos in 0..events.len() as u32 {
                any.push(pos, &mut self.budget)?;
            }
            any.remember(&mut self.budget)?;
        }
        let first = events.iter().find(|e| self.p.is_entry(**e, span));
        let only = first
            .filter(|_| one && self.p.plan.reentry == Reentry::Default)
            .map(|e| self.p.held(*e));
        let mut by_held = std::mem::take(&mut self.by_held);
        by_held.clear();
        for (pos, e) in events.iter().enumerate() {
            let held = self.p.held(*e);
            if held != 0 && only.is_none_or(|o| o == held) {
                push_within(&mut by_held, (held, pos as u32), &mut self.budget)?;
            }
        }
        by_held.sort_unstable();
        for view in by_held.chunk_by(|a, b| a.0 == b.0) {
            self.view(events, Some(view), span)?;
            self.attempts_of_view(events, span, one, tick)?;
            // Attempts of other values know nothing of these.
            for (_, pos) in view {
                if let Some(f) = self.flags.get_mut(*pos as usize) {
                    *f = 0;
                }
            }
        }
        self.by_held = by_held;
        self.attempts.sort();
        Ok(())
    }

    /// Lists the events of each selector, of those at hand.
    fn view(&mut self, events: &[u64], of: Option<&[(u32, u32)]>, span: Span64) -> Result<()> {
        // The list of any event stays when values are held: it has the others' events, too.
        let strict = self.p.plan.ordering == Ordering::Strict && of.is_some();
        let lists = self.lists.len() - usize::from(strict);
        for list in self.lists.iter_mut().take(lists) {
            list.clear();
        }
        if strict && let Some(any) = self.lists.last_mut() {
            any.restore();
        }
        self.entries.clear();
        let all = 0..if of.is_none() { events.len() as u32 } else { 0 };
        let some = of.unwrap_or(&[]).iter().map(|v| v.1);
        for pos in all.chain(some) {
            let Some(e) = events.get(pos as usize) else { continue };
            let mut mask = self.p.mask(*e);
            if self.p.is_entry(*e, span) {
                self.entries.push(pos, &mut self.budget)?;
            }
            while mask != 0 {
                let k = mask.trailing_zeros() as usize;
                mask &= mask - 1;
                if k < lists
                    && let Some(list) = self.lists.get_mut(k)
                {
                    list.push(pos, &mut self.budget)?;
                }
            }
        }
        Ok(())
    }

    fn attempts_of_view(&mut self, events: &[u64], span: Span64, one: bool, tick: &mut dyn Tick) -> Result<()> {
        match (self.p.plan.count, self.p.plan.reentry) {
            // With a breakdown, uniques are chosen from what totals would count.
            (Count::Unique, Reentry::Optimized) => self.every_entry(events, span, one, tick),
            (_, Reentry::Default) => self.one_after_another(events, span, one, tick),
            (_, Reentry::Optimized) => self.most_recent(events, span, tick),
        }
    }

    /// Attempts are short: one in a few hundred asks whether to go on.
    fn pause(&mut self, tick: &mut dyn Tick) -> Result<()> {
        self.made += 1;
        if self.made.is_multiple_of(256) {
            tick.tick()?;
        }
        Ok(())
    }

    /// The next free entry at or after a position.
    fn entry_from(&mut self, cursor: u32) -> Option<u32> {
        let mut i = self.entries.lower(|p| p < cursor);
        loop {
            i = self.entries.free(i, &self.flags);
            let pos = self.entries.get(i)?;
            if !is(&self.flags, pos, BARRED) {
                return Some(pos);
            }
            i += 1;
        }
    }

    fn one_after_another(&mut self, events: &[u64], span: Span64, one: bool, tick: &mut dyn Tick) -> Result<()> {
        let mut cursor = 0;
        while let Some(entry) = self.entry_from(cursor) {
            self.pause(tick)?;
            let end = self.attempt(events, entry, span, self.p.plan.steps);
            cursor = self.close(events, end);
            self.keep()?;
            if one {
                break;
            }
        }
        Ok(())
    }

    fn every_entry(&mut self, events: &[u64], span: Span64, one: bool, tick: &mut dyn Tick) -> Result<()> {
        let count = self.entries.len();
        self.seconds.clear();
        self.owners.clear();
        for _ in 0..events.len() {
            push_within(&mut self.owners, NONE, &mut self.budget)?;
        }
        for i in 0..count {
            self.pause(tick)?;
            let entry = self.entries.get(i).unwrap_or(NONE);
            self.attempt(events, entry, span, 2);
            let second = self.fills.get(1).map_or(NONE, |f| f.at);
            push_within(&mut self.seconds, second, &mut self.budget)?;
            if entry < second
                && let Some(o) = self.owners.get_mut(second as usize)
            {
                *o = entry;
            }
        }
        for i in 0..count {
            let entry = self.entries.get(i).unwrap_or(NONE);
            let second = self.seconds.get(i).copied().unwrap_or(NONE);
            let owner = self.owners.get(second as usize).copied().unwrap_or(NONE);
            if owner != NONE && owner > entry {
                continue;
            }
            self.pause(tick)?;
            let end = self.attempt(events, entry, span, self.p.plan.steps);
            if !one {
                self.keep()?;
                continue;
            }
            let better = match self.attempts.only() {
                Some((first, len)) => (self.fills.len(), first) > (len, entry),
                None => true,
            };
            if better {
                self.attempts.clear();
                self.keep()?;
            }
            if end == End::Reached {
                break;
            }
        }
        Ok(())
    }

    fn most_recent(&mut self, events: &[u64], span: Span64, tick: &mut dyn Tick) -> Result<()> {
        let mut cursor = 0;
        while let Some(first) = self.entry_from(cursor) {
            self.pause(tick)?;
            let end = self.attempt(events, first, span, 2);
            let Some(second) = self.fills.get(1).map(|f| f.at) else {
                if let End::Excluded(x) = end {
                    self.flag(x, BARRED);
                }
                self.flag(first, TAKEN);
                self.keep()?;
                cursor = first + 1;
                continue;
            };
            let mut entry = first;
            if self.p.plan.ordering != Ordering::Strict {
                let mut i = self.entries.lower(|p| p < second);
                while i > 0 {
                    i -= 1;
                    let Some(last) = self.entries.get(i).filter(|p| *p > first) else {
                        break;
                    };
                    if is(&self.flags, last, TAKEN | BARRED) {
                        continue;
                    }
                    self.attempt(events, last, span, 2);
                    if self.fills.get(1).is_some_and(|f| f.at == second) {
                        entry = last;
                        break;
                    }
                }
            }
            let end = self.attempt(events, entry, span, self.p.plan.steps);
            cursor = self.close(events, end);
            self.keep()?;
        }
        Ok(())
    }

    fn flag(&mut self, pos: u32, flag: u8) {
        if let Some(f) = self.flags.get_mut(pos as usize) {
            *f |= flag;
        }
    }

    /// Uses up the events of the attempt at hand; says where the next entry may be.
    fn close(&mut self, events: &[u64], end: End) -> u32 {
        let start = self.fills.first().map_or(0, |f| f.reached);
        let mut last = 0;
        for f in &self.fills {
            last = last.max(f.at);
            if let Some(flags) = self.flags.get_mut(f.at as usize) {
                *flags |= TAKEN;
            }
        }
        let from = |t: i64| events.partition_point(|e| time_of(*e) < t) as u32;
        match end {
            End::Reached => last + 1,
            End::Window => from(start.saturating_add(self.p.plan.window_ms).saturating_add(1)),
            End::Excluded(x) => {
                self.flag(x, BARRED);
                x + 1
            }
            End::Broken(t) => from(t),
        }
    }

    /// Remembers the attempt at hand.
    fn keep(&mut self) -> Result<()> {
        for f in &self.fills {
            self.attempts.push(*f, &mut self.budget)?;
        }
        self.attempts.close(self.fills.len(), &mut self.budget)
    }

    /// The first free event of a selector from an instant on that the attempt at hand does not use.
    fn first(&mut self, selector: usize, events: &[u64], from: i64) -> Option<u32> {
        let list = self.lists.get_mut(selector)?;
        let mut i = list.lower(|p| time_at(events, p) < from);
        loop {
            i = list.free(i, &self.flags);
            let pos = list.get(i)?;
            if !self.fills.iter().any(|f| f.at == pos) {
                return Some(pos);
            }
            i += 1;
        }
    }

    /// Makes an attempt from an entry, of at most `limit` steps, into `fills`.
    fn attempt(&mut self, events: &[u64], entry: u32, span: Span64, limit: usize) -> End {
        let plan = self.p.plan;
        self.fills.clear();
        let Some(event) = events.get(entry as usize) else {
            return End::Window;
        };
        let start = time_of(*event);
        let end = start.saturating_add(plan.window_ms);
        let step = (self.p.mask(*event) & self.p.entries()).trailing_zeros();
        self.fills.push(Fill {
            step,
            at: entry,
            reached: start,
        });
        let mut done = 1u128 << step;
        let (mut time, mut reached) = (start, start);
        while self.fills.len() < limit {
            let filled = self.fills.len();
            let open = self.open.get(filled).copied().unwrap_or(0) & !done;
            let found = if plan.ordering == Ordering::Strict {
                match self.very_next(events, filled, time, end) {
                    Ok(pos) => Some(pos),
                    Err(end) => return end,
                }
            } else {
                let grace = if plan.floating == 0 { plan.grace_ms } else { 0 };
                let from = time.saturating_sub(grace).max(span.from);
                self.earliest(events, open, from).filter(|p| time_at(events, *p) <= end)
            };
            if let Some(x) = self.excluded(events, filled, reached, found, end) {
                return End::Excluded(x);
            }
            let Some(pos) = found else { return End::Window };
            let Some(event) = events.get(pos as usize) else {
                return End::Window;
            };
            let step = (self.p.mask(*event) & open).trailing_zeros();
            time = time_of(*event);
            reached = reached.max(time);
            done |= 1u128.checked_shl(step).unwrap_or(0);
            self.fills.push(Fill { step, at: pos, reached });
        }
        End::Reached
    }

    /// The earliest event from an instant on that fills an open step.
    fn earliest(&mut self, events: &[u64], open: u128, from: i64) -> Option<u32> {
        let mut best: Option<u32> = None;
        let mut left = open;
        while left != 0 {
            let k = left.trailing_zeros() as usize;
            left &= left - 1;
            let found = self.first(k, events, from);
            best = match (best, found) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        best
    }

    /// The subject's very next event, if it is the step.
    fn very_next(&mut self, events: &[u64], step: usize, from: i64, end: i64) -> Result<u32, End> {
        let any = self.lists.len() - 1;
        let next = self
            .first(any, events, from)
            .map(|p| time_at(events, p))
            .filter(|t| *t <= end)
            .ok_or(End::Window)?;
        // Of simultaneous events the one that matches comes first.
        match self.first(step, events, from) {
            Some(pos) if time_at(events, pos) == next => Ok(pos),
            _ => Err(End::Broken(next)),
        }
    }

    /// The first event that ends the attempt between the steps before and after the gap.
    fn excluded(&mut self, events: &[u64], filled: usize, reached: i64, found: Option<u32>, end: i64) -> Option<u32> {
        let plan = self.p.plan;
        if plan.exclusions.is_empty() || plan.floating >> (filled - 1) & 3 != 0 {
            return None;
        }
        // Strictly between the two.
        let last = found.map_or(end, |p| time_at(events, p) - 1);
        let mut best: Option<u32> = None;
        for (n, x) in plan.exclusions.iter().enumerate() {
            if x.from < filled && filled <= x.to {
                let pos = self.first(plan.steps + n, events, reached.saturating_add(1));
                let pos = pos.filter(|p| time_at(events, *p) <= last);
                best = match (best, pos) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
        }
        best
    }
}
