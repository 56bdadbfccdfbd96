//! The path of a subject: the names of its events in order of time, simultaneous ones in byte order; and the first and
//! last value it had.

use super::state::{Asked, Kind, TextRow, asked, asked_as, text_rows};
use crate::error::{Error, Result};

/// How a path is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    most: i32,
    collapse: bool,
}

impl Options {
    /// At most so many names; `collapse`: a name that follows itself is told once.
    pub fn new(most: i32, collapse: bool) -> Result<Self> {
        if most < 1 {
            return Err(Error::param_hint(
                format!("a path of {most} events can't be told"),
                "Give the largest number of events, at least 1.",
            ));
        }
        Ok(Options { most, collapse })
    }

    /// What a state keeps of it.
    pub fn parameters(self) -> [u8; 5] {
        let [a, b, c, d] = self.most.to_le_bytes();
        [a, b, c, d, u8::from(self.collapse)]
    }

    /// The question a state was asked.
    pub fn read(asked: Asked<'_>) -> Result<Self> {
        let bad = || Error::corrupt("parameters of a path");
        let [a, b, c, d, collapse @ 0..=1] = *asked.parameters else {
            return Err(bad());
        };
        if asked.kind != Kind::Path || asked.conditions != 0 {
            return Err(bad());
        }
        Options::new(i32::from_le_bytes([a, b, c, d]), collapse == 1).map_err(|_| bad())
    }
}

/// The names along the path.
pub fn path(state: &[u8]) -> Result<Vec<&[u8]>> {
    let options = Options::read(asked_as(state, [Kind::Path])?)?;
    let mut rows: Vec<TextRow<'_>> = Vec::new();
    for row in text_rows(state)? {
        rows.try_reserve(1).map_err(|_| Error::OutOfMemory("rows of a path"))?;
        rows.push(row?);
    }
    rows.sort_unstable_by_key(|r| (r.row.at, r.text));
    if options.collapse {
        rows.dedup_by_key(|r| r.text);
    }
    rows.truncate(usize::try_from(options.most).unwrap_or(usize::MAX));
    let mut names = crate::error::try_vec(rows.len(), "names of a path")?;
    names.extend(rows.iter().map(|r| r.text));
    Ok(names)
}

/// The value of a first or last touch.
pub fn touch(state: &[u8]) -> Result<Option<&[u8]>> {
    match asked(state)?.kind {
        Kind::First | Kind::Last => Ok(text_rows(state)?.next().transpose()?.map(|r| r.text)),
        _ => Err(Error::corrupt("state of another behaviour aggregate")),
    }
}
