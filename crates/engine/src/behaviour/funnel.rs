//! How far a subject came through the steps of a funnel: the longest chain anchored at its first step.
//!
//! A chain takes rows for step 1, 2, 3 … in order of time, none later than `window` after the first. Simultaneous rows may
//! be taken in any order. Each row takes one step (`row_fills_many`: as many as it meets; `strict_increase`: each step is
//! later than the one before). The answer is the length of the longest chain there is: a fact about a set of rows.
//!
//! `strict_order` and `strict_dedup` end the rows early. For them, rows happen condition by condition: first by time, then
//! those that meet no condition, then those that meet the first, and so on; a row that meets several happens as often.
//! What happens is judged by the longest chain of all that happened before.

use super::state::{Asked, Kind};
use super::ties::{Rule, Ties};
use super::{MAX_CONDITIONS, Row};
use crate::error::{Error, Result, try_vec};
use crate::tick::{EVERY, Tick};

/// A set of the modes a funnel can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mode(u16);

impl Mode {
    /// The chain begins at the earliest row that meets the first condition.
    pub const FIRST_ENTRY: Mode = Mode(1);
    /// What is out of order ends the rows.
    pub const STRICT_ORDER: Mode = Mode(2);
    /// A step that happens again ends the rows.
    pub const STRICT_DEDUP: Mode = Mode(4);
    /// Each step is later than the one before.
    pub const STRICT_INCREASE: Mode = Mode(8);
    /// No row takes two steps, although ROW_FILLS_MANY is on.
    pub const STRICT_ONCE: Mode = Mode(16);
    /// What is out of order is passed over instead.
    pub const ALLOW_REENTRY: Mode = Mode(32);
    /// A row takes as many steps as it meets.
    pub const ROW_FILLS_MANY: Mode = Mode(64);

    const NAMES: [(&'static str, Mode); 8] = [
        ("default", Mode(0)),
        ("first_entry", Mode::FIRST_ENTRY),
        ("strict_order", Mode::STRICT_ORDER),
        ("strict_dedup", Mode::STRICT_DEDUP),
        ("strict_increase", Mode::STRICT_INCREASE),
        ("strict_once", Mode::STRICT_ONCE),
        ("allow_reentry", Mode::ALLOW_REENTRY),
        ("row_fills_many", Mode::ROW_FILLS_MANY),
    ];

    /// A list of names, separated by commas; nothing is the default.
    pub fn parse(names: &str) -> Result<Mode> {
        let mut mode = Mode(0);
        if names.is_empty() {
            return Ok(mode);
        }
        for name in names.split(',') {
            let name = name.trim();
            let known = Mode::NAMES.iter().find(|(n, _)| *n == name);
            let Some((_, m)) = known else {
                let all: Vec<&str> = Mode::NAMES.iter().map(|(n, _)| *n).collect();
                return Err(Error::param_hint(
                    format!("window_funnel has no mode \"{name}\""),
                    format!("A mode is a list, separated by commas, of: {}.", all.join(", ")),
                ));
            };
            mode = mode | *m;
        }
        if mode.has(Mode::ALLOW_REENTRY) && !mode.has(Mode::STRICT_ORDER) {
            return Err(Error::param_hint(
                "the mode allow_reentry needs strict_order",
                "It says what strict_order does with a row out of order: 'strict_order, allow_reentry'.",
            ));
        }
        Ok(mode)
    }

    pub fn has(self, other: Mode) -> bool {
        self.0 & other.0 == other.0
    }

    fn rule(self) -> Rule {
        if self.has(Mode::STRICT_INCREASE) {
            Rule::Later
        } else if self.has(Mode::ROW_FILLS_MANY) && !self.has(Mode::STRICT_ONCE) {
            Rule::Many
        } else {
            Rule::Distinct
        }
    }
}

impl std::ops::BitOr for Mode {
    type Output = Mode;

    fn bitor(self, other: Mode) -> Mode {
        Mode(self.0 | other.0)
    }
}

/// The question: how many steps, how long, which mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    steps: usize,
    window: i64,
    mode: Mode,
}

impl Plan {
    pub fn new(steps: usize, window: i64, mode: Mode) -> Result<Self> {
        super::conditions(steps)?;
        if window < 0 {
            return Err(Error::param_hint(
                "the window of a funnel is negative",
                "It is the longest time from the first step to the last; zero allows simultaneous rows only.",
            ));
        }
        Ok(Plan { steps, window, mode })
    }

    /// What a state keeps of it.
    pub fn parameters(self) -> [u8; 10] {
        let [a, b, c, d, e, f, g, h] = self.window.to_le_bytes();
        let [i, j] = self.mode.0.to_le_bytes();
        [a, b, c, d, e, f, g, h, i, j]
    }

    /// The question a state was asked.
    pub fn read(asked: Asked<'_>) -> Result<Self> {
        let bad = || Error::corrupt("parameters of a funnel");
        let [a, b, c, d, e, f, g, h, i, j] = *asked.parameters else {
            return Err(bad());
        };
        let mode = Mode(u16::from_le_bytes([i, j]));
        if asked.kind != Kind::Funnel || mode.0 >= 128 {
            return Err(bad());
        }
        Plan::new(asked.conditions, i64::from_le_bytes([a, b, c, d, e, f, g, h]), mode).map_err(|_| bad())
    }

    /// Does it depend on a row that meets these conditions?
    pub fn wants(self, meets: u64) -> bool {
        meets != 0 || self.mode.has(Mode::STRICT_ORDER)
    }

    fn in_window(self, start: i64, at: i64) -> bool {
        // `at` is not before `start`, so this is the distance even where i64 would overflow.
        (at as u64).wrapping_sub(start as u64) <= self.window as u64
    }
}

/// The number of steps of the longest chain.
pub fn level(state: &[u8], tick: &mut impl Tick) -> Result<usize> {
    let plan = Plan::read(super::state::asked_as(state, [Kind::Funnel])?)?;
    let mut walk = Walk::new(plan, None);
    walk.all(&super::order::by_time(state, tick)?, tick)?;
    Ok(walk.level)
}

/// When the steps of the longest chain happened. Of several the one that ends first, of these the one that begins last,
/// and its steps in between as early as can be.
pub fn times(state: &[u8], tick: &mut impl Tick) -> Result<Vec<i64>> {
    let plan = Plan::read(super::state::asked_as(state, [Kind::Funnel])?)?;
    let mut walk = Walk::new(plan, Some(Trails::new(plan.steps)?));
    walk.all(&super::order::by_time(state, tick)?, tick)?;
    Ok(walk.trails.map(|t| t.best).unwrap_or_default())
}

/// One pass over the rows. For each number of steps it knows the latest start of a chain that took as many: whatever
/// goes on from an earlier start goes on from a later one, too.
struct Walk {
    plan: Plan,
    rule: Rule,
    /// Start of the best chain with so many steps, by steps - 1; up to `level` they are set.
    starts: [i64; MAX_CONDITIONS],
    level: usize,
    trails: Option<Trails>,
}

/// The times of each of those chains.
struct Trails {
    width: usize,
    times: Vec<i64>,
    best: Vec<i64>,
}

impl Trails {
    fn new(width: usize) -> Result<Self> {
        let mut times = try_vec(width * width, "times of a funnel")?;
        times.resize(width * width, 0);
        Ok(Trails {
            width,
            times,
            best: try_vec(width, "times of a funnel")?,
        })
    }

    /// The chain with `to` steps becomes the one with `from` steps and the others at `at`.
    fn extend(&mut self, from: usize, to: usize, at: i64) {
        let width = self.width;
        let (lower, upper) = self.times.split_at_mut((to - 1) * width);
        let Some(new) = upper.get_mut(..to) else { return };
        if from > 0
            && let (Some(to), Some(kept)) = (
                new.get_mut(..from),
                lower.get((from - 1) * width..(from - 1) * width + from),
            )
        {
            to.copy_from_slice(kept);
        }
        if let Some(rest) = new.get_mut(from..) {
            rest.fill(at);
        }
    }

    fn found(&mut self, steps: usize) {
        let at = (steps - 1) * self.width;
        self.best.clear();
        self.best
            .extend_from_slice(self.times.get(at..at + steps).unwrap_or_default());
    }
}

impl Walk {
    fn new(plan: Plan, trails: Option<Trails>) -> Self {
        Walk {
            plan,
            rule: plan.mode.rule(),
            starts: [0; MAX_CONDITIONS],
            level: 0,
            trails,
        }
    }

    fn all(&mut self, rows: &[Row], tick: &mut impl Tick) -> Result<()> {
        let mut since = 0;
        for group in rows.chunk_by(|a, b| a.at == b.at) {
            since += group.len();
            if since >= EVERY {
                tick.tick()?;
                since = 0;
            }
            if !self.instant(group)? || self.level == self.plan.steps {
                break;
            }
        }
        Ok(())
    }

    /// Simultaneous rows. Answers whether the scan goes on.
    fn instant(&mut self, rows: &[Row]) -> Result<bool> {
        let Some(&Row { at, .. }) = rows.first() else {
            return Ok(true);
        };
        let mode = self.plan.mode;
        let ordered = mode.has(Mode::STRICT_ORDER);
        let skips = mode.has(Mode::ALLOW_REENTRY);
        let dedup = mode.has(Mode::STRICT_DEDUP);
        if ordered && !skips && self.level > 0 && rows.iter().any(|r| r.meets == 0) {
            return Ok(false);
        }
        let before = self.level;
        let mut level = before;
        let mut union = rows.iter().fold(0, |all, r| all | r.meets);
        if mode.has(Mode::FIRST_ENTRY) && before > 0 {
            union &= !1;
        }
        let mut ties = Ties::new(self.rule, rows);
        // What each step at this instant continues; applied from the last step down, so that it is what was before.
        let mut floors = [(0u8, 0u8); MAX_CONDITIONS];
        let mut count = 0;
        let mut go_on = true;
        while union != 0 {
            let step = union.trailing_zeros() as usize + 1;
            union &= union - 1;
            if step > 1 {
                if dedup && step <= level {
                    go_on = false;
                    break;
                }
                if ordered && level > 0 && step > level + 1 {
                    if skips {
                        continue;
                    }
                    go_on = false;
                    break;
                }
            }
            // Only a chain that has come as far, or comes as far right now, can take the step.
            if step > level + 1 {
                continue;
            }
            let floor = ties.floor(step)?;
            if floor > 0 && !self.open(floor, at) {
                continue;
            }
            level = level.max(step);
            if let Some(f) = floors.get_mut(count) {
                *f = (step as u8, floor as u8);
            }
            count += 1;
            if dedup && step > 1 && rows.iter().filter(|r| r.meets >> (step - 1) & 1 == 1).nth(1).is_some() {
                go_on = false;
                break;
            }
        }
        for &(step, floor) in floors.get(..count).unwrap_or_default().iter().rev() {
            self.advance(usize::from(floor), usize::from(step), at);
        }
        if level > before {
            self.level = level;
            if let Some(t) = &mut self.trails {
                t.found(level);
            }
        }
        Ok(go_on)
    }

    /// Is there a chain of so many steps that can still go on?
    fn open(&self, steps: usize, at: i64) -> bool {
        steps <= self.level && self.starts.get(steps - 1).is_some_and(|s| self.plan.in_window(*s, at))
    }

    fn advance(&mut self, mut from: usize, to: usize, at: i64) {
        // With the same start, a chain that had already come further had its steps earlier.
        while from > 0 && from + 1 < to && from < self.level && self.starts.get(from) == self.starts.get(from - 1) {
            from += 1;
        }
        let start = match from {
            0 => at,
            _ => self.starts.get(from - 1).copied().unwrap_or(at),
        };
        let reached = to <= self.level;
        if let Some(slot) = self.starts.get_mut(to - 1)
            && (!reached || *slot < start)
        {
            *slot = start;
            if let Some(t) = &mut self.trails {
                t.extend(from, to, at);
            }
        }
    }
}
