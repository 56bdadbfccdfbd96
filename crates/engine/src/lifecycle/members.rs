//! Who is in a state in one interval.

use super::{BEFORE, Partial, Plan, State};
use crate::chunk::SubjectNo;
use crate::error::{Error, Result};
use crate::gather::{grow_within, push_within};
use crate::tick::Tick;

/// The subjects in `state` in the interval that begins at `bucket`, in order of their numbers.
pub fn members(
    plan: &Plan,
    mut partial: Partial,
    bucket: i64,
    state: State,
    tick: &mut dyn Tick,
) -> Result<Vec<SubjectNo>> {
    if partial.sets.len() != plan.slots.len() {
        return Err(Error::corrupt("partial: of another report"));
    }
    let labels = plan.slots.labels.iter().enumerate().skip(BEFORE);
    let Some((slot, _)) = labels.into_iter().find(|(_, l)| **l == bucket) else {
        return Err(Error::param_hint(
            "the report has no interval that begins at bucket",
            "It is the column \"bucket\" of the report's row; the first interval is taken whole.",
        ));
    };
    partial.budget.set_limit(plan.memory_limit);
    // By subject, the last interval before this one it was active in, counted from 1; in this one, by its sign.
    let mut last: Vec<(u32, bool)> = Vec::new();
    for (n, set) in partial.sets.iter_mut().enumerate().take(slot + 1) {
        tick.tick()?;
        set.settle();
        let top = set.top() as usize;
        if last.len() <= top {
            let more = top + 1 - last.len();
            grow_within(&mut last, more, &mut partial.budget)?;
            last.resize(top + 1, (0, false));
        }
        let seen = last.as_mut_slice();
        set.each(|no| {
            if let Some(s) = seen.get_mut(no as usize) {
                if n == slot {
                    s.1 = true;
                } else {
                    s.0 = n as u32 + 1;
                }
            }
        });
    }
    let mut found = Vec::new();
    for (no, (before, now)) in last.iter().enumerate() {
        let just = *before as usize == slot;
        let is = match (now, before) {
            (true, 0) => state == State::New,
            (true, _) if just => state == State::Retained,
            (true, _) => state == State::Resurrected,
            (false, _) => just && state == State::Dormant,
        };
        if is {
            push_within(&mut found, no as SubjectNo, &mut partial.budget)?;
        }
    }
    Ok(found)
}
