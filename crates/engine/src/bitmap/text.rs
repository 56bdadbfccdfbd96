//! Sets as text: `{1,2,-1}`, signed numbers in the order of the unsigned ids.

use super::wide::{self, View64};
use super::{View, of_ids};
use crate::error::{Error, Result};
use crate::tick::{EVERY, Tick};
use std::fmt::Write as _;

/// Postgres refuses values of a gigabyte and more.
const MAX_TEXT: usize = 0x3fff_ff00;

/// Characters of a wrong literal that a message shows.
const SHOWN: usize = 60;

fn bad(text: &str, at: usize, message: String, hint: &str) -> Error {
    Error::Syntax {
        message,
        position: text.get(..at).map_or(1, |before| before.chars().count() + 1),
        hint: Some(hint.to_string()),
    }
}

fn malformed(text: &str, at: usize) -> Error {
    bad(
        text,
        at,
        "malformed bitmap literal".into(),
        "Write it like {1,2,3}, or as \\x and the hexadecimal digits of the portable format.",
    )
}

/// The numbers between the braces, in any order, spaces allowed; `kind` is what SQL calls them.
fn numbers<T>(text: &str, kind: &str, number: impl Fn(i64) -> Option<T>, tick: &mut impl Tick) -> Result<Vec<T>> {
    let mut ids: Vec<T> = Vec::new();
    let space = |mut at: usize| {
        while text.as_bytes().get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        at
    };
    let byte = |at: usize| text.as_bytes().get(at).copied();
    let shown = |at: usize| {
        text.get(at..)
            .unwrap_or_default()
            .chars()
            .take(SHOWN)
            .collect::<String>()
    };
    let mut at = space(0);
    if byte(at) != Some(b'{') {
        return Err(malformed(text, at));
    }
    at = space(at + 1);
    if byte(at) != Some(b'}') {
        loop {
            if ids.len().is_multiple_of(EVERY) {
                tick.tick()?;
                ids.try_reserve(EVERY)
                    .map_err(|_| Error::OutOfMemory("ids of a bitmap"))?;
            }
            let start = at;
            if matches!(byte(at), Some(b'-' | b'+')) {
                at += 1;
            }
            let digits = at;
            while byte(at).is_some_and(|b| b.is_ascii_digit()) {
                at += 1;
            }
            if digits == at {
                let end = byte(start).is_none();
                return Err(if end {
                    malformed(text, start)
                } else {
                    bad(
                        text,
                        start,
                        format!("invalid input syntax for {kind}: \"{}\"", shown(start)),
                        "Ids are whole numbers.",
                    )
                });
            }
            let value = text
                .get(start..at)
                .and_then(|digits| digits.parse().ok())
                .and_then(&number);
            ids.push(value.ok_or_else(|| {
                let message = format!("value \"{}\" is out of range for type {kind}", shown(start));
                bad(text, start, message, "roaringbitmap64 holds ids of 64 bits.")
            })?);
            at = space(at);
            if byte(at) != Some(b',') {
                break;
            }
            at = space(at + 1);
        }
        if byte(at) != Some(b'}') {
            return Err(malformed(text, at));
        }
    }
    at = space(at + 1);
    if at == text.len() {
        Ok(ids)
    } else {
        Err(malformed(text, at))
    }
}

/// Reads a set of 32-bit ids into the portable format. [`Error::Syntax`] when the text is none.
pub fn parse(text: &str, tick: &mut impl Tick) -> Result<Vec<u8>> {
    of_ids(numbers(
        text,
        "integer",
        |n| i32::try_from(n).ok().map(|n| n as u32),
        tick,
    )?)
}

/// Reads a set of 64-bit ids into the portable format. [`Error::Syntax`] when the text is none.
pub fn parse64(text: &str, tick: &mut impl Tick) -> Result<Vec<u8>> {
    wide::of_ids(numbers(text, "bigint", |n| Some(n as u64), tick)?)
}

/// Writes signed numbers, as many as were announced at most.
struct Text<'t, T> {
    out: String,
    n: u64,
    ids: u64,
    tick: &'t mut T,
}

impl<'t, T: Tick> Text<'t, T> {
    /// `longest` is what a number may take, with the comma.
    fn new(ids: u64, longest: usize, tick: &'t mut T) -> Result<Self> {
        let size = usize::try_from(ids).unwrap_or(usize::MAX).saturating_mul(longest);
        if size > MAX_TEXT {
            return Err(Error::Limit {
                message: format!("a bitmap of {ids} ids is too large to be written as text"),
                hint: Some(
                    "Use rb_cardinality, rb_iterate, SET roaringbitmap.output_format = bytea, or binary COPY.".into(),
                ),
            });
        }
        let mut out = String::new();
        out.try_reserve(size + 2)
            .map_err(|_| Error::OutOfMemory("text of a bitmap"))?;
        out.push('{');
        Ok(Text { out, n: 0, ids, tick })
    }

    fn push(&mut self, id: i64) -> Result<()> {
        if self.n == self.ids {
            // Room was reserved for so many; a string grows without asking.
            return Err(Error::corrupt("bitmap: more ids than the header has"));
        }
        if self.n > 0 {
            self.out.push(',');
        }
        if self.n.is_multiple_of(EVERY as u64) {
            self.tick.tick()?;
        }
        self.n += 1;
        // Writing to a String never fails.
        let _ = write!(self.out, "{id}");
        Ok(())
    }

    fn finish(mut self) -> String {
        self.out.push('}');
        self.out
    }
}

/// Writes a set of 32-bit ids.
pub fn write(set: &View<'_>, tick: &mut impl Tick) -> Result<String> {
    let mut text = Text::new(set.cardinality(), 12, tick)?;
    set.try_for_each(|id| text.push(i64::from(id as i32)))?;
    Ok(text.finish())
}

/// Writes a set of 64-bit ids.
pub fn write64(set: &View64<'_>, tick: &mut impl Tick) -> Result<String> {
    let mut text = Text::new(set.cardinality()?, 21, tick)?;
    set.try_for_each(|id| text.push(id as i64))?;
    Ok(text.finish())
}
