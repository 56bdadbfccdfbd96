//! Reports whose events do not fit into memory at once: they are read again for every part of the subjects.

use crate::error::{Failure, Result};
use engine::error::MEMORY_HINT;
use engine::postings::Part;

/// Most parts; what does not fit in so many is too big for another reason.
const MOST: u32 = 64;

/// Runs `run` for all subjects at once, and when that needs too much memory, for more and more parts of them, whose
/// answers merge.
pub fn in_parts<T>(run: impl Fn(Part) -> Result<T>, merge: impl Fn(T, T) -> Result<T>) -> Result<T> {
    let mut of = 1;
    loop {
        let whole = Part::all(of).map(&run).reduce(|a, b| merge(a?, b?));
        match whole {
            Some(Err(f)) if of < MOST && f.hint.as_deref() == Some(MEMORY_HINT) => of *= 4,
            Some(answer) => return answer,
            None => return Err(Failure::internal("a report in no parts")),
        }
    }
}
