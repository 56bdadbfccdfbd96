//! Which segments are rewritten together with new rows, so that there are few and each row is rewritten seldom.

use std::collections::BTreeMap;

/// What is known of a segment without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    pub day_min: i32,
    pub day_max: i32,
    pub rows: usize,
}

impl Extent {
    fn days(&self) -> u64 {
        (i64::from(self.day_max) - i64::from(self.day_min) + 1).max(1) as u64
    }
}

/// Chooses from the segments of an event those that are merged with new rows (by day, at least one); answers with their
/// indices, ascending.
///
/// A segment is chosen when it has at most `factor` times as many rows as come to its days: new ones, and those of segments
/// chosen before. So a row that is rewritten finds itself in a segment that is larger by a `factor`th part at least, and is
/// rewritten at most log(target) / log(1 + 1 / factor) times before its segment is full; of segments that lie over one
/// another each is more than `factor` times as large as all smaller ones on its days together. Beside the new rows the
/// nearest segment before and after is looked at too, while it has less than `target` rows: rare events end in few
/// segments.
pub fn choose(new: &BTreeMap<i32, u64>, segments: &[Extent], target: usize, factor: u64) -> Vec<usize> {
    let (Some((first, _)), Some((last, _))) = (new.first_key_value(), new.last_key_value()) else {
        return Vec::new();
    };
    let (mut lo, mut hi) = (*first, *last);
    let mut total: u64 = new.values().sum();
    // Rows that come to a day: exact for the new ones, a chosen segment spreads evenly.
    let mut chosen: Vec<usize> = Vec::new();
    let mut by_size: Vec<usize> = (0..segments.len()).collect();
    by_size.sort_unstable_by_key(|i| segments.get(*i).map_or(0, |s| s.rows));
    loop {
        let before = |s: &Extent| s.day_max < lo;
        let after = |s: &Extent| s.day_min > hi;
        let left = || by_size.iter().copied().filter(|i| !chosen.contains(i));
        let nearest_before = left()
            .filter_map(|i| segments.get(i))
            .filter(|s| before(s))
            .map(|s| s.day_max)
            .max();
        let nearest_after = left()
            .filter_map(|i| segments.get(i))
            .filter(|s| after(s))
            .map(|s| s.day_min)
            .min();
        let next = left().find(|i| {
            let Some(s) = segments.get(*i) else { return false };
            let coming = if before(s) || after(s) {
                let near = Some(s.day_max) == nearest_before || Some(s.day_min) == nearest_after;
                if !near || s.rows >= target { 0 } else { total }
            } else {
                let own: u64 = new.range(s.day_min..=s.day_max).map(|(_, n)| *n).sum();
                own + chosen
                    .iter()
                    .filter_map(|c| segments.get(*c))
                    .map(|c| shared(c, s))
                    .sum::<u64>()
            };
            s.rows as u64 <= coming.saturating_mul(factor)
        });
        let Some((i, s)) = next.and_then(|i| Some((i, segments.get(i)?))) else {
            break;
        };
        (lo, hi) = (lo.min(s.day_min), hi.max(s.day_max));
        total += s.rows as u64;
        chosen.push(i);
    }
    chosen.sort_unstable();
    chosen
}

/// Rows of `a` on the days of `b`, if they spread evenly.
fn shared(a: &Extent, b: &Extent) -> u64 {
    let days = i64::from(a.day_max.min(b.day_max)) - i64::from(a.day_min.max(b.day_min)) + 1;
    (a.rows as u64).saturating_mul(days.max(0) as u64) / a.days()
}
