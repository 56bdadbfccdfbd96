//! The path of a subject: the names of its events in order of time, simultaneous ones in byte order; and the first and
//! last value it had.

use super::Row;
use super::order::{sort, unsorted_texts};
use super::state::{self, Asked, Change, Kind, TextRow, asked, asked_as, text_rows};
use crate::error::{Error, Result};
use crate::tick::{NoTick, Tick};

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

/// Adds an event. A path that is told up to a number of events keeps not many more than that: a full buffer loses those
/// that can't be told any more before it grows.
pub fn push(state: &mut [u8], asked: Asked<'_>, at: i64, name: &[u8]) -> Result<Change> {
    if !state::has_room(state, name.len())? {
        shorten(state, asked)?;
    }
    state::push(state, asked, Row { at, meets: 0 }, Some(name))
}

/// Leaves only the rows that the answer can have, if that halves them.
fn shorten(state: &mut [u8], asked: Asked<'_>) -> Result<()> {
    let Options { most, collapse } = Options::read(asked)?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    // What is between two equal names that are told once may still come.
    if collapse || state::asked(state)? != asked || text_rows(state)?.count() / 2 < most {
        return Ok(());
    }
    let mut rows = unsorted_texts(state, &mut NoTick)?;
    if let Some(last) = most.checked_sub(1).filter(|n| *n < rows.len()) {
        rows.select_nth_unstable_by(last, order);
        rows.truncate(most);
    }
    let kept = state::written(&rows)?;
    state::replace_rows(state, &kept)
}

fn order(a: &TextRow<'_>, b: &TextRow<'_>) -> std::cmp::Ordering {
    (a.row.at, a.text).cmp(&(b.row.at, b.text))
}

/// The names along the path.
pub fn path<'a>(state: &'a [u8], tick: &mut impl Tick) -> Result<Vec<&'a [u8]>> {
    let options = Options::read(asked_as(state, [Kind::Path])?)?;
    let mut rows = unsorted_texts(state, tick)?;
    sort(&mut rows, tick, order)?;
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
