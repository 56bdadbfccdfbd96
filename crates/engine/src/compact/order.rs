//! The rows of one event in the order of a segment, each event once.

use super::days::DayTable;
use super::source::{Part, entries};
use crate::codec::raw::{RawColumn, value_of};
use crate::codec::values::put_value;
use crate::error::{Error, Result, try_vec};
use crate::intern::push;
use crate::tick::{EVERY, Tick};
use crate::time::Calendar;
use crate::value::Value;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

/// A row: which part, which of its rows.
pub(super) type At = (u32, u32);

/// Rows of one event sorted by (day, user, time, insert hash, content), without duplicates.
pub struct Arranged<'a> {
    pub event: u32,
    pub(super) parts: Vec<Part<'a>>,
    pub(super) at: Vec<At>,
    /// Columns in this order.
    pub(super) user: Vec<u32>,
    pub(super) time: Vec<i64>,
    /// Empty when no row has an insert hash.
    pub(super) hash: Vec<u64>,
    /// 0 for a row without insert hash; as long as `hash`.
    pub(super) priority: Vec<i64>,
    /// Each day with the end of its rows.
    pub(super) days: Vec<(i32, usize)>,
}

impl<'a> Arranged<'a> {
    /// Sorts rows and drops duplicates as [`crate::dedupe::keep_masks`] does. All rows are taken to be of `event`.
    pub fn new(event: u32, parts: Vec<Part<'a>>, calendar: &Calendar, tick: &mut dyn Tick) -> Result<Self> {
        let total: usize = parts.iter().map(|p| p.rows.len()).sum();
        if u32::try_from(total).is_err() {
            return Err(Error::Limit {
                message: "more than 2^32 events in one compaction".into(),
                hint: Some("Compact fewer blocks at a time.".into()),
            });
        }
        let times = || {
            let of = |p: &'_ Part<'_>| -> Vec<i64> { p.rows.iter().map(|r| time_of(p, *r)).collect() };
            parts.iter().flat_map(of)
        };
        let table = DayTable::new(calendar, times())?;
        let mut at: Vec<At> = try_vec(total, "rows of an event")?;
        // Day, user, millisecond of the day and place in `at`, in one number: sorting needs no look at the columns.
        let mut keys: Vec<u128> = try_vec(total, "sorted rows")?;
        for (i, p) in parts.iter().enumerate() {
            for r in &p.rows {
                if keys.len().is_multiple_of(EVERY) {
                    tick.tick()?;
                }
                let (day, ms) = table.locate(time_of(p, *r))?;
                let user = p.source.core.user.get(*r as usize).copied().unwrap_or(0);
                // Flipping the sign bit makes days before 1970 come first.
                let day = day as u32 ^ 1 << 31;
                keys.push(u128::from(day) << 96 | u128::from(user) << 64 | u128::from(ms) << 32 | at.len() as u128);
                at.push((i as u32, *r));
            }
        }
        tick.tick()?;
        keys.sort_unstable();
        tick.tick()?;
        let mut out = Arranged {
            event,
            parts,
            at: try_vec(total, "sorted rows")?,
            user: try_vec(total, "sorted rows")?,
            time: try_vec(total, "sorted rows")?,
            hash: Vec::new(),
            priority: Vec::new(),
            days: Vec::new(),
        };
        out.take(&keys, &at, tick)?;
        drop(keys);
        out.inserts(tick)?;
        Ok(out)
    }

    /// Puts the rows in the order of the keys, equal keys in the order of what they hold.
    fn take(&mut self, keys: &[u128], at: &[At], tick: &mut dyn Tick) -> Result<()> {
        let mut left = EVERY;
        let mut tied: Vec<At> = Vec::new();
        for run in keys.chunk_by(|a, b| a >> 32 == b >> 32) {
            left = left.saturating_sub(run.len());
            if left == 0 {
                left = EVERY;
                tick.tick()?;
            }
            let place = |k: &u128| at.get(*k as u32 as usize).copied().unwrap_or_default();
            let Some(first) = run.first() else { continue };
            let day = ((first >> 96) as u32 ^ 1 << 31) as i32;
            let before = self.at.len();
            if run.len() == 1 {
                self.at.push(place(first));
            } else {
                tied.clear();
                tied.try_reserve(run.len())
                    .map_err(|_| Error::OutOfMemory("sorted rows"))?;
                tied.extend(run.iter().map(place));
                self.settle_ties(&mut tied)?;
                self.at.extend_from_slice(&tied);
            }
            for (i, r) in self.at.get(before..).unwrap_or_default() {
                let Some(p) = self.parts.get(*i as usize) else { continue };
                self.user.push((first >> 64) as u32);
                self.time.push(time_of(p, *r));
            }
            match self.days.last_mut() {
                Some((d, end)) if *d == day => *end = self.at.len(),
                _ => push(&mut self.days, (day, self.at.len()))?,
            }
        }
        Ok(())
    }

    fn insert_of(&self, (i, r): At) -> (u64, i64) {
        let inserts = self.parts.get(i as usize).and_then(|p| p.source.inserts());
        inserts.map_or((0, 0), |i| {
            let hash = i.hash.get(r as usize).copied().unwrap_or(0);
            let priority = i.priority.get(r as usize).copied().unwrap_or(0);
            (hash, if hash == 0 { 0 } else { priority })
        })
    }

    fn inserts(&mut self, tick: &mut dyn Tick) -> Result<()> {
        if !self.parts.iter().any(|p| p.source.inserts().is_some()) {
            return Ok(());
        }
        let mut hash = try_vec(self.at.len(), "insert hashes")?;
        let mut priority = try_vec(self.at.len(), "insert hashes")?;
        let mut any = false;
        for (i, at) in self.at.iter().enumerate() {
            if i % EVERY == 0 {
                tick.tick()?;
            }
            let (h, p) = self.insert_of(*at);
            any |= h != 0;
            hash.push(h);
            priority.push(p);
        }
        if any {
            (self.hash, self.priority) = (hash, priority);
        }
        Ok(())
    }

    /// Orders rows of one user and instant, and keeps one of each insert hash.
    fn settle_ties(&self, rows: &mut Vec<At>) -> Result<()> {
        let mut failed = None;
        rows.sort_unstable_by(|a, b| {
            let ((ha, pa), (hb, pb)) = (self.insert_of(*a), self.insert_of(*b));
            ha.cmp(&hb).then_with(|| match ha {
                0 => self.content(*a, *b).unwrap_or_else(|e| {
                    failed = Some(e);
                    Ordering::Equal
                }),
                // The winner first; of equal priorities the later row.
                _ => (pb, *b).cmp(&(pa, *a)),
            })
        });
        if let Some(e) = failed {
            return Err(e);
        }
        let mut last = 0;
        rows.retain(|r| {
            let (hash, _) = self.insert_of(*r);
            let again = hash != 0 && hash == last;
            last = hash;
            !again
        });
        Ok(())
    }

    /// Order of two rows by what they hold: groups, then properties; not set comes first.
    fn content(&self, a: At, b: At) -> Result<Ordering> {
        let (Some(pa), Some(pb)) = (self.parts.get(a.0 as usize), self.parts.get(b.0 as usize)) else {
            return Ok(Ordering::Equal);
        };
        let mut kinds: Vec<_> = pa
            .source
            .core
            .groups
            .iter()
            .chain(&pb.source.core.groups)
            .map(|g| g.kind)
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            let list = |p: &Part<'_>, r: u32| -> Vec<u32> {
                let Some(g) = p.source.core.group(kind) else {
                    return vec![0];
                };
                let rest = entries(g, r as usize).iter().map(|(_, s)| *s);
                g.first.get(r as usize).copied().into_iter().chain(rest).collect()
            };
            let order = list(pa, a.1).cmp(&list(pb, b.1));
            if order.is_ne() {
                return Ok(order);
            }
        }
        let mut properties: Vec<u32> = pa
            .source
            .properties
            .iter()
            .chain(&pb.source.properties)
            .map(|p| p.0)
            .collect();
        properties.sort_unstable();
        properties.dedup();
        for property in properties {
            let (x, y) = (encoded(pa, property, a.1)?, encoded(pb, property, b.1)?);
            let order = match (&x, &y) {
                (x, y) if x == y => Ordering::Equal,
                (Some(x), Some(y)) => value_of(x)?.cmp(&value_of(y)?),
                (x, y) => x.is_some().cmp(&y.is_some()),
            };
            if order.is_ne() {
                return Ok(order);
            }
        }
        Ok(Ordering::Equal)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// True when there are no rows.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// Each day with its rows, in order.
    pub fn days(&self) -> impl Iterator<Item = (i32, Range<usize>)> + '_ {
        let starts = std::iter::once(0).chain(self.days.iter().map(|(_, end)| *end));
        self.days
            .iter()
            .zip(starts)
            .map(|((day, end), start)| (*day, start..*end))
    }

    /// First and last instant of rows.
    pub fn time_range(&self, rows: Range<usize>) -> Option<(i64, i64)> {
        let own = self.time.get(rows)?;
        Some((*own.iter().min()?, *own.iter().max()?))
    }

    /// Do any of the rows have an insert hash?
    pub fn has_inserts(&self, rows: Range<usize>) -> bool {
        self.hash.get(rows).is_some_and(|h| h.iter().any(|h| *h != 0))
    }

    /// The rows of a range that `stays` names, as parts of another arrangement.
    pub fn parts(&self, rows: Range<usize>, stays: impl Fn(usize) -> bool) -> Result<Vec<Part<'a>>> {
        let mut out: Vec<Part<'a>> = try_vec(self.parts.len(), "rows of an event")?;
        out.extend(self.parts.iter().map(|p| Part {
            source: p.source,
            rows: Vec::new(),
        }));
        for i in rows {
            if let Some((part, row)) = self.at.get(i)
                && stays(i)
                && let Some(p) = out.get_mut(*part as usize)
            {
                push(&mut p.rows, *row)?;
            }
        }
        out.iter_mut().for_each(|p| p.rows.sort_unstable());
        out.retain(|p| !p.rows.is_empty());
        Ok(out)
    }

    /// Which rows share event, user, time and insert hash with a row of a sealed segment whose priority is told by `inserts`:
    /// (row here, row there). Columns of the segment are sorted as here; only rows that meet in user and time are compared
    /// further, so `inserts` is asked seldom.
    pub fn meet(
        &self,
        rows: Range<usize>,
        calendar: &Calendar,
        user: &[u32],
        time: &[i64],
        tick: &mut dyn Tick,
    ) -> Result<Vec<(usize, usize)>> {
        let mut out = Vec::new();
        for (day, own) in self.days() {
            let own = own.start.max(rows.start)..own.end.min(rows.end);
            if own.is_empty() {
                continue;
            }
            // A segment is sorted by day first, so the rows of a day lie between two instants.
            let start = calendar.day_start(day)?;
            let end = calendar.day_start(day.saturating_add(1))?;
            let (mut at, to) = (time.partition_point(|t| *t < start), time.partition_point(|t| *t < end));
            let key = |i: usize| {
                (
                    user.get(i).copied().unwrap_or(u32::MAX),
                    time.get(i).copied().unwrap_or(i64::MAX),
                )
            };
            for i in own {
                if i % EVERY == 0 {
                    tick.tick()?;
                }
                if self.hash.get(i).is_none_or(|h| *h == 0) {
                    continue;
                }
                let (Some(u), Some(t)) = (self.user.get(i), self.time.get(i)) else {
                    break;
                };
                let wanted = (*u, *t);
                // Steps that double: cheap for neighbours, and for few rows beside many.
                let mut step = 1;
                while at + step < to && key(at + step) < wanted {
                    at += step;
                    step *= 2;
                }
                let far = (at + step).min(to);
                let (mut lo, mut hi) = (at, far);
                while lo < hi {
                    let mid = lo + (hi - lo) / 2;
                    if key(mid) < wanted { lo = mid + 1 } else { hi = mid }
                }
                at = lo;
                let mut same = at;
                while same < to && key(same) == wanted {
                    push(&mut out, (i, same))?;
                    same += 1;
                }
            }
        }
        Ok(out)
    }

    /// Insert hash and priority of a row.
    pub fn insert(&self, row: usize) -> (u64, i64) {
        let hash = self.hash.get(row).copied().unwrap_or(0);
        (hash, self.priority.get(row).copied().unwrap_or(0))
    }
}

fn time_of(p: &Part<'_>, row: u32) -> i64 {
    p.source.core.time.get(row as usize).copied().unwrap_or(0)
}

/// The encoded value of a row, if it is set.
fn encoded<'s>(p: &Part<'s>, property: u32, row: u32) -> Result<Option<Cow<'s, [u8]>>> {
    Ok(match p.source.property(property) {
        None => None,
        Some(RawColumn::Dict { codes, values, .. }) => match codes.get(row as usize).copied().unwrap_or(0) {
            0 => None,
            code => Some(Cow::Borrowed(values.of_code(code))),
        },
        Some(RawColumn::Number(v)) => match v.get(row as usize) {
            Some(f) if !f.is_nan() => {
                let mut out = Vec::new();
                put_value(&mut out, &Value::number(*f))?;
                Some(Cow::Owned(out))
            }
            _ => None,
        },
    })
}
