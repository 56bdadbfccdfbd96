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

/// How many times as many rows as a segment has must come to it before it is rewritten, as a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    pub times: u64,
    pub per: u64,
}

impl Growth {
    /// Is a segment of so many rows worth rewriting when so many come to it?
    pub fn pays(self, rows: u64, coming: u64) -> bool {
        rows.saturating_mul(self.times) <= coming.saturating_mul(self.per)
    }
}

/// Chooses from the segments of an event those that are merged with new rows (by day, at least one); answers with their
/// indices, ascending.
///
/// Segments are taken up together, the smallest first, when the rows that come to the largest of them – new ones, and those
/// of the others on its days – are `growth` times its own. So a row that is rewritten finds itself in a segment that has
/// grown by that much, and is rewritten at most log(target) / log(1 + growth) times before its segment is full; of segments
/// that lie over one another each is larger than what comes to it. Beside the new rows the nearest segment before and
/// after is looked at too, while it has less than `target` rows: rare events end in few segments.
pub fn choose(new: &BTreeMap<i32, u64>, segments: &[Extent], target: usize, growth: Growth) -> Vec<usize> {
    let (Some((first, _)), Some((last, _))) = (new.first_key_value(), new.last_key_value()) else {
        return Vec::new();
    };
    let (mut lo, mut hi) = (*first, *last);
    let mut by_size: Vec<(usize, &Extent)> = segments.iter().enumerate().collect();
    by_size.sort_by_key(|(_, s)| s.rows);
    // What is merged for sure; what would be with one more; what is too large, as things stand.
    let (mut chosen, mut with): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut passed: Vec<usize> = Vec::new();
    loop {
        let left = || {
            let seen = |i: &usize| chosen.contains(i) || with.contains(i) || passed.contains(i);
            by_size.iter().copied().filter(move |(i, _)| !seen(i))
        };
        let before = left().map(|(_, s)| s.day_max).filter(|d| *d < lo).max();
        let after = left().map(|(_, s)| s.day_min).filter(|d| *d > hi).min();
        let next = left().find(|(_, s)| {
            let near = Some(s.day_max) == before || Some(s.day_min) == after;
            let apart = s.day_max < lo || s.day_min > hi;
            !apart || near && s.rows < target
        });
        let Some((i, s)) = next else { break };
        let group = || with.iter().copied().chain([i]);
        let largest = group().max_by_key(|k| segments.get(*k).map_or(0, |s| s.rows));
        if let Some((k, m)) = largest.and_then(|k| Some((k, segments.get(k)?))) {
            let others = chosen.iter().copied().chain(group()).filter(|o| *o != k);
            let joined = others.filter_map(|o| segments.get(o));
            // A neighbour counts whole, for it is on no common day.
            let near = m.day_max < *first || m.day_min > *last;
            let coming: u64 = if near {
                new.values().sum::<u64>() + joined.map(|o| o.rows as u64).sum::<u64>()
            } else {
                let own: u64 = new.range(m.day_min..=m.day_max).map(|(_, n)| *n).sum();
                own + joined.map(|o| shared(o, m)).sum::<u64>()
            };
            if growth.pays(m.rows as u64, coming) {
                (lo, hi) = (lo.min(s.day_min), hi.max(s.day_max));
                chosen.append(&mut with);
                chosen.push(i);
                passed.clear();
                continue;
            }
        }
        if s.rows < target {
            (lo, hi) = (lo.min(s.day_min), hi.max(s.day_max));
            with.push(i);
        } else {
            passed.push(i);
        }
    }
    chosen.sort_unstable();
    chosen
}

/// Rows of `a` on the days of `b`, if they spread evenly.
fn shared(a: &Extent, b: &Extent) -> u64 {
    let days = i64::from(a.day_max.min(b.day_max)) - i64::from(a.day_min.max(b.day_min)) + 1;
    (a.rows as u64).saturating_mul(days.max(0) as u64) / a.days()
}
