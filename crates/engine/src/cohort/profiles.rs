//! Conditions on profiles, for all subjects at once: a filter is asked as if everybody had one event without properties.

use super::members::Members;
use crate::chunk::{Chunk, Events, GroupColumn, Kind, SubjectNo, USER};
use crate::error::{Result, try_vec};
use crate::expr::Filter;
use crate::gather::Budget;
use crate::mask::Mask;
use crate::tick::Tick;

/// Subjects asked together.
const BLOCK: u32 = 1 << 16;

fn block(by: Kind, from: SubjectNo, to: SubjectNo) -> Result<Chunk> {
    let n = (to - from) as usize;
    let subjects = || {
        let mut v = try_vec(n, "subjects")?;
        v.extend(from..to);
        Ok::<_, crate::error::Error>(v)
    };
    let mut chunk = Chunk {
        events: Events::One(0),
        time: try_vec(n, "subjects")?,
        user: try_vec(n, "subjects")?,
        ..Chunk::default()
    };
    chunk.time.resize(n, 0);
    if by == USER {
        chunk.user = subjects()?;
    } else {
        chunk.user.resize(n, 0);
        chunk.groups.push(GroupColumn {
            kind: by,
            first: subjects()?,
            more: Vec::new(),
        });
    }
    Ok(chunk)
}

/// The subjects whose profile a filter, bound for `by`, picks.
pub fn who(filter: &Filter, by: Kind, most: SubjectNo, budget: &mut Budget, tick: &mut dyn Tick) -> Result<Members> {
    let mut members = Members::none(most, budget)?;
    let mut from = 1;
    while from <= most {
        let to = from.saturating_add(BLOCK).min(most.saturating_add(1));
        if to == from {
            break;
        }
        let chunk = block(by, from, to)?;
        let hits = filter.hits(&chunk, &Mask::all(chunk.len()), tick)?;
        hits.rows.ones().for_each(|row| members.put(from + row as u32, true));
        from = to;
    }
    Ok(members)
}

/// True when a filter does not pick somebody of whom nothing is known.
pub fn nobody_fits(filter: &Filter, by: Kind, most: SubjectNo, tick: &mut dyn Tick) -> Result<bool> {
    let beyond = most.saturating_add(1);
    let chunk = block(by, beyond, beyond.saturating_add(1))?;
    if chunk.is_empty() {
        return Ok(false);
    }
    Ok(!filter.hits(&chunk, &Mask::all(chunk.len()), tick)?.rows.any())
}
