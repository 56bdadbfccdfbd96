//! The running state of every behaviour aggregate: one flat buffer, changed in place while there is room.
//!
//! ```text
//! byte 0      format version (1)
//! byte 1      kind of aggregate
//! byte 2      number of conditions, at most 64
//! byte 3      zero
//! byte 4..8   bytes of parameters, u32
//! byte 8..12  bytes of rows, u32
//! byte 12..   parameters | rows | free room
//! ```
//!
//! A row is its time (i64), the conditions it meets (one bit each, in whole bytes), and for kinds with text the length
//! of the text (u32) and its bytes. Everything is little-endian and at any alignment. A full buffer is replaced by one
//! of twice the size, so that each byte is copied a constant number of times on average.
//!
//! A state can be forged, because it is a value of an ordinary SQL type. Every function checks the header, whoever reads
//! rows finds what is cut off, and [`check`] looks at every byte of a value that comes from outside.

use super::{MAX_CONDITIONS, Row, funnel, path, retention, sequence};
use crate::error::{Error, Result, try_vec};

const VERSION: u8 = 1;
const HEADER: usize = 12;
/// Size of the first buffer: with the four bytes Postgres puts before it a power of two, as all later ones.
const FIRST: usize = 60;
/// Postgres refuses larger values.
const MAX_STATE: usize = 0x3fff_ff00;

/// Which aggregate a state belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Rows of a funnel.
    Funnel = 1,
    /// Which conditions were met at all: one row, its time zero.
    Conditions = 2,
    /// Births and returns.
    Returns = 3,
    /// Rows of a sequence, the times of its pattern in the unit of the rows.
    Sequence = 4,
    /// The same with a value each.
    Next = 5,
    /// Names of events.
    Path = 6,
    /// The value with the least time: one row.
    First = 7,
    /// The value with the largest time: one row.
    Last = 8,
    /// Rows of a sequence in microseconds, the times of its pattern in seconds.
    SequenceInSeconds = 9,
    /// The same with a value each.
    NextInSeconds = 10,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        use Kind::*;
        [
            Funnel,
            Conditions,
            Returns,
            Sequence,
            Next,
            Path,
            First,
            Last,
            SequenceInSeconds,
            NextInSeconds,
        ]
        .into_iter()
        .find(|k| *k as u8 == byte)
    }

    fn has_text(self) -> bool {
        matches!(
            self,
            Kind::Next | Kind::NextInSeconds | Kind::Path | Kind::First | Kind::Last
        )
    }
}

/// What became of a state: `None` = changed in place, `Some` = the bytes of the state that takes its place.
pub type Change = Option<Vec<u8>>;

/// What an aggregate was asked, the same for every row and every part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    pub kind: Kind,
    pub conditions: usize,
    pub parameters: &'a [u8],
}

/// A row with text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextRow<'a> {
    pub row: Row,
    pub text: &'a [u8],
}

/// The header, checked against the length of the buffer.
#[derive(Debug, Clone, Copy)]
struct Head {
    kind: Kind,
    conditions: usize,
    parameters: usize,
    rows: usize,
}

fn bad() -> Error {
    Error::corrupt("state of a behaviour aggregate")
}

fn cut_off() -> Error {
    Error::corrupt("state of a behaviour aggregate: a row is cut off")
}

impl Head {
    fn read(state: &[u8]) -> Result<Self> {
        let [VERSION, kind, conditions, 0, a, b, c, d, e, f, g, h] = *state.first_chunk::<HEADER>().ok_or_else(bad)?
        else {
            return Err(bad());
        };
        let head = Head {
            kind: Kind::of(kind).ok_or_else(bad)?,
            conditions: usize::from(conditions),
            parameters: u32::from_le_bytes([a, b, c, d]) as usize,
            rows: u32::from_le_bytes([e, f, g, h]) as usize,
        };
        let whole = head.kind.has_text() || head.rows.is_multiple_of(head.width());
        if head.end() <= state.len() && whole && head.conditions <= MAX_CONDITIONS {
            Ok(head)
        } else {
            Err(bad())
        }
    }

    fn write(self, state: &mut [u8]) {
        let [a, b, c, d] = (self.parameters as u32).to_le_bytes();
        let [e, f, g, h] = (self.rows as u32).to_le_bytes();
        if let Some(head) = state.first_chunk_mut::<HEADER>() {
            *head = [
                VERSION,
                self.kind as u8,
                self.conditions as u8,
                0,
                a,
                b,
                c,
                d,
                e,
                f,
                g,
                h,
            ];
        }
    }

    /// Bytes of a row without its text.
    fn width(self) -> usize {
        8 + self.conditions.div_ceil(8)
    }

    /// First byte of the rows.
    fn first(self) -> usize {
        HEADER + self.parameters
    }

    /// First free byte.
    fn end(self) -> usize {
        HEADER + self.parameters + self.rows
    }

    fn asked(self, state: &[u8]) -> Asked<'_> {
        Asked {
            kind: self.kind,
            conditions: self.conditions,
            parameters: state.get(HEADER..self.first()).unwrap_or_default(),
        }
    }

    fn rows(self, state: &[u8]) -> &[u8] {
        state.get(self.first()..self.end()).unwrap_or_default()
    }

    /// The header of the same state with room for `more` bytes of rows, and its bytes when that took a new buffer.
    fn with_room(self, state: &[u8], more: usize) -> Result<Change> {
        let wanted = self.end() + more;
        if wanted <= state.len() {
            return Ok(None);
        }
        let mut new = sized(wanted)?;
        if let (Some(to), Some(from)) = (new.get_mut(..self.end()), state.get(..self.end())) {
            to.copy_from_slice(from);
        }
        Ok(Some(new))
    }
}

/// A zeroed buffer of at least `n` bytes: bytes that were never written must not leak other memory.
fn sized(n: usize) -> Result<Vec<u8>> {
    if n > MAX_STATE {
        return Err(Error::Limit {
            message: "a group of rows is too large for a behaviour aggregate".into(),
            hint: Some("A group holds up to 1 GB; group by something finer, or leave rows out with FILTER.".into()),
        });
    }
    let size = (n + 4).next_power_of_two().saturating_sub(4).clamp(FIRST, MAX_STATE);
    let mut v = try_vec(size, "state of a behaviour aggregate")?;
    v.resize(size, 0);
    Ok(v)
}

/// A state without rows.
pub fn start(asked: Asked<'_>) -> Result<Vec<u8>> {
    let head = Head {
        kind: asked.kind,
        conditions: asked.conditions,
        parameters: asked.parameters.len(),
        rows: 0,
    };
    let mut state = sized(head.end())?;
    head.write(&mut state);
    if let Some(to) = state.get_mut(HEADER..head.end()) {
        to.copy_from_slice(asked.parameters);
    }
    Ok(state)
}

/// Fails unless the state was asked the same.
fn same(state: &[u8], asked: Asked<'_>) -> Result<Head> {
    let head = Head::read(state)?;
    let has = head.asked(state);
    if has == asked {
        return Ok(head);
    }
    if has.kind != asked.kind {
        return Err(Error::corrupt("state of another behaviour aggregate"));
    }
    Err(Error::param_hint(
        if has.conditions == asked.conditions {
            "the parameters of a behaviour aggregate differ between rows of one group".to_string()
        } else {
            format!(
                "rows of one group have {} and {} conditions",
                has.conditions, asked.conditions
            )
        },
        "Everything but the time, the conditions and the value must be the same for all rows: make them constants.",
    ))
}

/// Checks that the state was asked the same, and leaves it as it is.
pub fn pass(state: &[u8], asked: Asked<'_>) -> Result<Change> {
    same(state, asked).map(|_| None)
}

/// Adds a row.
pub fn push(state: &mut [u8], asked: Asked<'_>, row: Row, text: Option<&[u8]>) -> Result<Change> {
    let head = same(state, asked)?;
    let width = head.width();
    let need = width + text.map_or(0, |t| 4 + t.len());
    let mut moved = head.with_room(state, need)?;
    let buffer = moved.as_deref_mut().unwrap_or(state);
    if let Some(room) = buffer.get_mut(head.end()..head.end() + need) {
        write_row(room, width, row, text);
    }
    Head {
        rows: head.rows + need,
        ..head
    }
    .write(buffer);
    Ok(moved)
}

/// Is there room for a row with a text of so many bytes?
pub(super) fn has_room(state: &[u8], text: usize) -> Result<bool> {
    let head = Head::read(state)?;
    Ok(head.end() + head.width() + 4 + text <= state.len())
}

/// The bytes of rows that meet no conditions.
pub(super) fn written(rows: &[TextRow<'_>]) -> Result<Vec<u8>> {
    let size = |r: &TextRow<'_>| 12 + r.text.len();
    let mut bytes = try_vec(rows.iter().map(size).sum(), "state of a behaviour aggregate")?;
    for r in rows {
        bytes.extend_from_slice(&r.row.at.to_le_bytes());
        bytes.extend_from_slice(&(r.text.len() as u32).to_le_bytes());
        bytes.extend_from_slice(r.text);
    }
    Ok(bytes)
}

/// Puts rows, not more of them than there are, in the place of all that a state has.
pub(super) fn replace_rows(state: &mut [u8], rows: &[u8]) -> Result<()> {
    let head = Head::read(state)?;
    let room = state.get_mut(head.first()..head.first() + rows.len()).ok_or_else(bad)?;
    room.copy_from_slice(rows);
    Head {
        rows: rows.len(),
        ..head
    }
    .write(state);
    Ok(())
}

fn write_row(room: &mut [u8], width: usize, row: Row, text: Option<&[u8]>) {
    if let Some(to) = room.get_mut(..8) {
        to.copy_from_slice(&row.at.to_le_bytes());
    }
    let meets = row.meets.to_le_bytes();
    if let (Some(to), Some(from)) = (room.get_mut(8..width), meets.get(..width - 8)) {
        to.copy_from_slice(from);
    }
    if let Some(text) = text
        && let Some((length, rest)) = room.get_mut(width..).and_then(|r| r.split_at_mut_checked(4))
    {
        length.copy_from_slice(&(text.len() as u32).to_le_bytes());
        if let Some(to) = rest.get_mut(..text.len()) {
            to.copy_from_slice(text);
        }
    }
}

/// Marks conditions as met, in a state of [`Kind::Conditions`].
pub fn mark(state: &mut [u8], asked: Asked<'_>, meets: u64) -> Result<Change> {
    let head = same(state, asked)?;
    let Some(row) = rows(state)?.next() else {
        return push(state, asked, Row { at: 0, meets }, None);
    };
    let row = Row {
        at: 0,
        meets: row?.meets | meets,
    };
    let width = head.width();
    if let Some(room) = state.get_mut(head.first()..head.first() + width) {
        write_row(room, width, row, None);
    }
    Ok(None)
}

/// Keeps the earlier or later of the value there is and this one, in a state of [`Kind::First`] or [`Kind::Last`].
/// Of simultaneous ones the first keeps the least, the last the largest in byte order.
pub fn keep(state: &mut [u8], asked: Asked<'_>, at: i64, text: &[u8]) -> Result<Change> {
    let head = same(state, asked)?;
    let now = text_rows(state)?.next().transpose()?;
    let order = now.map(|now| (at, text).cmp(&(now.row.at, now.text)));
    let replaces = order.is_none_or(|o| match head.kind {
        Kind::Last => o.is_gt(),
        _ => o.is_lt(),
    });
    if !replaces {
        return Ok(None);
    }
    Head { rows: 0, ..head }.write(state);
    push(state, asked, Row { at, meets: 0 }, Some(text))
}

/// Adds what another state, asked the same, has collected.
pub fn combine(state: &mut [u8], other: &[u8]) -> Result<Change> {
    let from = Head::read(other)?;
    let asked = from.asked(other);
    let head = same(state, asked)?;
    match from.kind {
        Kind::Conditions => {
            let row = rows(other)?.next().transpose()?;
            return row.map_or(Ok(None), |r| mark(state, asked, r.meets));
        }
        Kind::First | Kind::Last => {
            let row = text_rows(other)?.next().transpose()?;
            return row.map_or(Ok(None), |r| keep(state, asked, r.row.at, r.text));
        }
        Kind::Funnel
        | Kind::Returns
        | Kind::Sequence
        | Kind::SequenceInSeconds
        | Kind::Next
        | Kind::NextInSeconds
        | Kind::Path => {}
    }
    let more = from.rows(other);
    let mut moved = head.with_room(state, more.len())?;
    let buffer = moved.as_deref_mut().unwrap_or(state);
    if let Some(room) = buffer.get_mut(head.end()..head.end() + more.len()) {
        room.copy_from_slice(more);
    }
    Head {
        rows: head.rows + more.len(),
        ..head
    }
    .write(buffer);
    Ok(moved)
}

/// What the state was asked.
pub fn asked(state: &[u8]) -> Result<Asked<'_>> {
    Ok(Head::read(state)?.asked(state))
}

/// What the state was asked, if it is one of these kinds.
pub fn asked_as<const N: usize>(state: &[u8], kinds: [Kind; N]) -> Result<Asked<'_>> {
    let asked = asked(state)?;
    if kinds.contains(&asked.kind) {
        Ok(asked)
    } else {
        Err(Error::corrupt("state of another behaviour aggregate"))
    }
}

/// The rows of a kind without text, in the order they came.
pub fn rows(state: &[u8]) -> Result<impl ExactSizeIterator<Item = Result<Row>>> {
    let head = Head::read(state)?;
    if head.kind.has_text() {
        return Err(bad());
    }
    Ok(head
        .rows(state)
        .chunks_exact(head.width())
        .map(move |bytes| row(bytes, head.conditions).ok_or_else(cut_off)))
}

fn row(bytes: &[u8], conditions: usize) -> Option<Row> {
    let (at, rest) = bytes.split_first_chunk::<8>()?;
    let mut meets = [0; 8];
    meets.get_mut(..rest.len())?.copy_from_slice(rest);
    let meets = u64::from_le_bytes(meets);
    let known = u64::MAX.checked_shr(64 - conditions as u32).unwrap_or(0);
    (meets & !known == 0).then_some(Row {
        at: i64::from_le_bytes(*at),
        meets,
    })
}

/// The rows of a kind with text, in the order they came.
pub fn text_rows(state: &[u8]) -> Result<impl Iterator<Item = Result<TextRow<'_>>>> {
    let head = Head::read(state)?;
    if !head.kind.has_text() {
        return Err(bad());
    }
    Ok(TextRows {
        rest: head.rows(state),
        width: head.width(),
        conditions: head.conditions,
    })
}

struct TextRows<'a> {
    rest: &'a [u8],
    width: usize,
    conditions: usize,
}

impl<'a> Iterator for TextRows<'a> {
    type Item = Result<TextRow<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = self.rest.split_at_checked(self.width).and_then(|(fixed, rest)| {
            let row = row(fixed, self.conditions)?;
            let (length, rest) = rest.split_first_chunk::<4>()?;
            let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            Some((TextRow { row, text }, rest))
        });
        self.rest = entry.map(|e| e.1).unwrap_or_default();
        Some(entry.map(|e| e.0).ok_or_else(cut_off))
    }
}

/// The part of the buffer that is in use.
pub fn used(state: &[u8]) -> Result<&[u8]> {
    let head = Head::read(state)?;
    state.get(..head.end()).ok_or_else(bad)
}

/// Checks bytes that claim to be a state, all of them. `is_text` says what is a text to the server.
pub fn check(state: &[u8], mut is_text: impl FnMut(&[u8]) -> bool) -> Result<()> {
    if used(state)?.len() != state.len() {
        return Err(Error::corrupt("state of a behaviour aggregate: bytes too many"));
    }
    let asked = asked(state)?;
    let mut count = 0usize;
    if asked.kind.has_text() {
        for row in text_rows(state)? {
            if !is_text(row?.text) {
                return Err(Error::corrupt("state of a behaviour aggregate: no text"));
            }
            count += 1;
        }
    } else {
        for row in rows(state)? {
            row?;
            count += 1;
        }
    }
    let fine = match asked.kind {
        Kind::Funnel => funnel::Plan::read(asked).is_ok(),
        Kind::Returns => retention::Periods::read(asked).is_ok(),
        Kind::Sequence | Kind::SequenceInSeconds | Kind::Next | Kind::NextInSeconds => sequence::pattern(asked).is_ok(),
        Kind::Path => path::Options::read(asked).is_ok(),
        Kind::Conditions => asked.parameters.is_empty() && asked.conditions > 0 && count <= 1,
        Kind::First | Kind::Last => asked.parameters.is_empty() && asked.conditions == 0 && count <= 1,
    };
    if fine { Ok(()) } else { Err(bad()) }
}
