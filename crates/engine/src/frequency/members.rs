//! Who was active in so many parts of one interval.

use super::{Partial, Plan};
use crate::chunk::SubjectNo;
use crate::error::{Error, Result};
use crate::gather::push_within;
use crate::insights::per_subject::Or;
use crate::tick::Tick;

/// The subjects that were active in (at least, when the plan is cumulative) `active` parts of the interval that begins at
/// `bucket`, in order of their numbers, and in how many they were.
pub fn members(
    plan: &Plan,
    mut partial: Partial,
    bucket: i64,
    active: u32,
    tick: &mut dyn Tick,
) -> Result<Vec<(SubjectNo, u32)>> {
    if partial.masks.len() != plan.intervals.len() {
        return Err(Error::corrupt("partial: of another report"));
    }
    let place = plan.intervals.labels.iter().position(|l| *l == bucket);
    let Some((masks, size)) = place.and_then(|i| Some((partial.masks.get_mut(i)?, plan.size.get(i)?))) else {
        return Err(Error::param_hint(
            "the report has no interval that begins at bucket",
            "It is the column \"bucket\" of the report's row.",
        ));
    };
    if !(1..=*size).contains(&active) {
        return Err(Error::param_hint(
            format!("active must be 1 to {size}"),
            "It is the column \"active\" of the report's row.",
        ));
    }
    tick.tick()?;
    let (mut found, mut result, budget) = (Vec::new(), Ok(()), &mut partial.budget);
    masks.each::<Or>(|no, mask| {
        let n = mask.count_ones();
        if result.is_ok() && (n == active || plan.cumulative && n > active) {
            result = push_within(&mut found, (no, n), budget);
        }
    });
    result.map(|()| found)
}
