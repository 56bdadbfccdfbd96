//! Where a pattern matches in the rows of a subject.
//!
//! Rows are in order of time; of simultaneous ones the row whose first condition has the lower number comes first, then
//! the one whose conditions read as the smaller number (bit 0 = condition 1), then the lesser value. A match may begin at
//! any row. Of all matches the one that ends first is found; the next is looked for after its last row, so matches don't
//! overlap and are as many as can be.

use super::Row;
use super::order::{sort, unsorted, unsorted_texts};
use super::pattern::{Gap, Item, parse};
use super::state::{Asked, Kind, asked_as};
use crate::error::{Error, Result, try_vec};
use crate::tick::{EVERY, Tick};
use std::cmp::Ordering;
use std::collections::VecDeque;

/// The kind of state for a pattern, after the pattern was read: `seconds` says that its times are seconds and those of
/// the rows microseconds, `values` that rows have one.
pub fn kind(seconds: bool, values: bool) -> Kind {
    match (seconds, values) {
        (false, false) => Kind::Sequence,
        (true, false) => Kind::SequenceInSeconds,
        (false, true) => Kind::Next,
        (true, true) => Kind::NextInSeconds,
    }
}

/// The pattern of a question, which keeps it as text.
pub fn pattern(asked: Asked<'_>) -> Result<Vec<Item>> {
    super::conditions(asked.conditions)?;
    let unit = match asked.kind {
        Kind::SequenceInSeconds | Kind::NextInSeconds => 1_000_000,
        Kind::Sequence | Kind::Next => 1,
        _ => return Err(Error::corrupt("state of another behaviour aggregate")),
    };
    let pattern = std::str::from_utf8(asked.parameters).map_err(|_| Error::corrupt("pattern of a sequence"))?;
    parse(pattern, asked.conditions, unit)
}

fn order(a: &Row, b: &Row) -> Ordering {
    let key = |r: &Row| (r.at, r.meets.trailing_zeros(), r.meets);
    key(a).cmp(&key(b))
}

/// Number of matches, counted up to `most`.
pub fn count(state: &[u8], most: usize, tick: &mut impl Tick) -> Result<usize> {
    let items = pattern(asked_as(state, [Kind::Sequence, Kind::SequenceInSeconds])?)?;
    let mut rows = unsorted(state, tick)?;
    sort(&mut rows, tick, order)?;
    let mut search = Search::new(&items)?;
    let mut found = 0;
    for (i, row) in rows.iter().enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        if search.step(i, *row)? {
            found += 1;
            if found == most {
                break;
            }
        }
    }
    Ok(found)
}

/// The value of the row that comes right after the first match.
pub fn next<'a>(state: &'a [u8], tick: &mut impl Tick) -> Result<Option<&'a [u8]>> {
    let items = pattern(asked_as(state, [Kind::Next, Kind::NextInSeconds])?)?;
    let mut rows = unsorted_texts(state, tick)?;
    sort(&mut rows, tick, |a, b| {
        order(&a.row, &b.row).then_with(|| a.text.cmp(b.text))
    })?;
    let mut search = Search::new(&items)?;
    for (i, row) in rows.iter().enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        if search.step(i, row.row)? {
            return Ok(rows.get(i + 1).map(|r| r.text));
        }
    }
    Ok(None)
}

/// Reads rows one by one. Before each row of the pattern it knows which rows a match of all that is before can have ended
/// with; nothing else of the past matters.
struct Search<'a> {
    items: &'a [Item],
    before: Vec<Before>,
}

/// Rows with which a match of the part before a gap ended.
#[derive(Default)]
struct Before {
    /// The last of them, by number.
    last: Option<usize>,
    /// For a gap with times: those still near enough, in order.
    times: VecDeque<i64>,
}

impl<'a> Search<'a> {
    fn new(items: &'a [Item]) -> Result<Self> {
        let mut before = try_vec(items.len(), "pattern")?;
        before.resize_with(items.len(), Before::default);
        Ok(Search { items, before })
    }

    /// Reads row number `i`. Answers whether a match ends with it, and then begins anew.
    fn step(&mut self, i: usize, row: Row) -> Result<bool> {
        // From the last item down, so that a row that ends the part before is not taken again at once.
        for n in (0..self.items.len()).rev() {
            let Some(item) = self.items.get(n) else { continue };
            if item.meets != 0 && row.meets & item.meets == 0 {
                continue;
            }
            if n > 0 && !self.before.get_mut(n).is_some_and(|b| b.leads_to(item.gap, i, row.at)) {
                continue;
            }
            match (self.items.get(n + 1), self.before.get_mut(n + 1)) {
                (Some(next), Some(b)) => b.add(next.gap, i, row.at)?,
                _ => {
                    for b in &mut self.before {
                        b.last = None;
                        b.times.clear();
                    }
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

impl Before {
    fn leads_to(&mut self, gap: Gap, i: usize, at: i64) -> bool {
        match gap {
            Gap::Next => self.last.is_some_and(|l| l + 1 == i),
            Gap::Any => self.last.is_some(),
            Gap::Within(from, to) => {
                let since = |t: i64| (at as u64).wrapping_sub(t as u64);
                while self.times.front().is_some_and(|t| since(*t) > to) {
                    self.times.pop_front();
                }
                self.times.front().is_some_and(|t| since(*t) >= from) && from <= to
            }
        }
    }

    fn add(&mut self, gap: Gap, i: usize, at: i64) -> Result<()> {
        self.last = Some(i);
        if let Gap::Within(from, to) = gap {
            // The first is the farthest away and the last the nearest; often only one of them can ever matter.
            if from == 0 {
                self.times.clear();
            } else if to == u64::MAX && !self.times.is_empty() {
                return Ok(());
            }
            self.times
                .try_reserve(1)
                .map_err(|_| Error::OutOfMemory("rows of a sequence"))?;
            self.times.push_back(at);
        }
        Ok(())
    }
}
