//! Conditions on profiles, for all subjects at once: a filter is asked as if everybody had one event without properties.

use super::members::Members;
use crate::chunk::{Kind, SubjectNo};
use crate::error::Result;
use crate::expr::Filter;
use crate::gather::Budget;
use crate::mask::Mask;
use crate::subject_rows;
use crate::tick::Tick;

/// Subjects asked together.
const BLOCK: u32 = 1 << 16;

/// The subjects whose profile a filter, bound for `by`, picks.
pub fn who(filter: &Filter, by: Kind, most: SubjectNo, budget: &mut Budget, tick: &mut dyn Tick) -> Result<Members> {
    let mut members = Members::none(most, budget)?;
    let mut from = 1;
    while from <= most {
        let to = from.saturating_add(BLOCK).min(most.saturating_add(1));
        if to == from {
            break;
        }
        let chunk = subject_rows::chunk(by, from..to, 0)?;
        let hits = filter.hits(&chunk, &Mask::all(chunk.len()), tick)?;
        hits.rows.ones().for_each(|row| members.put(from + row as u32, true));
        from = to;
    }
    Ok(members)
}

/// True when a filter does not pick somebody of whom nothing is known.
pub fn nobody_fits(filter: &Filter, by: Kind, most: SubjectNo, tick: &mut dyn Tick) -> Result<bool> {
    let beyond = most.saturating_add(1);
    let chunk = subject_rows::chunk(by, beyond..beyond.saturating_add(1), 0)?;
    if chunk.is_empty() {
        return Ok(false);
    }
    Ok(!filter.hits(&chunk, &Mask::all(chunk.len()), tick)?.rows.any())
}
