//! The running state of the bitmap aggregates: one flat buffer, changed in place while there is room.
//!
//! ```text
//! byte 0      format version (1)
//! byte 1      kind of aggregate
//! byte 2..4   zero
//! byte 4..8   bytes of the settled set, u32
//! byte 8..12  bytes pending, u32
//! byte 12..   the settled set (portable format) | what is pending | free room
//! ```
//!
//! Everything is little-endian and at any alignment. Pending are ids (`u32` each) while a set is built, and sets
//! (`u32` length, portable format) while sets are united. When the room for pending entries is used up they are merged
//! into the settled set, but never before they are as large as it: every byte is then copied a constant number of times
//! on average, and no memory is held between two calls.
//!
//! A state can be forged, because it is a value of an ordinary SQL type. Each function checks the header, and sets are
//! decoded with all checks whenever they are used.

use super::{Bitmap, Op, add_ids};
use crate::error::{Error, Result, try_vec};
use crate::tick::NoTick;
use roaring::{MultiOps, RoaringBitmap};

const VERSION: u8 = 1;
const HEADER: usize = 12;
/// Pending bytes that are always allowed before a merge.
const MIN_PENDING: usize = 4096;
/// Pending bytes that are never exceeded, except by a single set.
const MAX_PENDING: usize = 16 << 20;
/// Postgres refuses larger values.
const MAX_STATE: usize = 0x3fff_ff00;

/// What the aggregate does with its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Collects ids.
    Build = 1,
    /// Unites sets.
    Or = 2,
    /// Intersects sets.
    And = 3,
    /// Keeps the ids that are in an odd number of sets.
    Xor = 4,
}

/// What became of a state: `None` = changed in place, `Some` = the bytes of the state that takes its place.
pub type Change = Option<Vec<u8>>;

/// The header, checked against the length of the buffer.
#[derive(Debug, Clone, Copy)]
struct Head {
    kind: Kind,
    settled: usize,
    pending: usize,
}

impl Head {
    fn read(state: &[u8]) -> Result<Self> {
        let bad = || Error::corrupt("state of a bitmap aggregate");
        let [VERSION, kind, 0, 0, a, b, c, d, e, f, g, h] = *state.first_chunk::<HEADER>().ok_or_else(bad)? else {
            return Err(bad());
        };
        let head = Head {
            kind: match kind {
                1 => Kind::Build,
                2 => Kind::Or,
                3 => Kind::And,
                4 => Kind::Xor,
                _ => return Err(bad()),
            },
            settled: u32::from_le_bytes([a, b, c, d]) as usize,
            pending: u32::from_le_bytes([e, f, g, h]) as usize,
        };
        let fits = head.end() <= state.len();
        let whole = match head.kind {
            Kind::Build => head.pending.is_multiple_of(4),
            Kind::And => head.pending == 0 && head.settled > 0,
            Kind::Or | Kind::Xor => head.settled > 0,
        };
        if fits && whole { Ok(head) } else { Err(bad()) }
    }

    fn of(state: &[u8], kind: Kind) -> Result<Self> {
        let head = Head::read(state)?;
        if head.kind != kind {
            return Err(Error::corrupt("state of another bitmap aggregate"));
        }
        Ok(head)
    }

    fn bytes(self) -> [u8; HEADER] {
        let [a, b, c, d] = (self.settled as u32).to_le_bytes();
        let [e, f, g, h] = (self.pending as u32).to_le_bytes();
        [VERSION, self.kind as u8, 0, 0, a, b, c, d, e, f, g, h]
    }

    /// First free byte.
    fn end(self) -> usize {
        HEADER + self.settled + self.pending
    }

    fn settled(self, state: &[u8]) -> &[u8] {
        state.get(HEADER..HEADER + self.settled).unwrap_or_default()
    }

    fn pending(self, state: &[u8]) -> &[u8] {
        state.get(HEADER + self.settled..self.end()).unwrap_or_default()
    }

    /// Appends to what is pending, if there is room.
    fn append(self, state: &mut [u8], parts: &[&[u8]]) -> bool {
        let mut head = self;
        let need: usize = parts.iter().map(|p| p.len()).sum();
        if state.len() - self.end() < need {
            return false;
        }
        for part in parts {
            if let Some(free) = state.get_mut(head.end()..head.end() + part.len()) {
                free.copy_from_slice(part);
            }
            head.pending += part.len();
        }
        head.write(state);
        true
    }

    fn write(self, state: &mut [u8]) {
        if let Some(h) = state.first_chunk_mut::<HEADER>() {
            *h = self.bytes();
        }
    }

    /// Pending bytes up to which the buffer grows instead of merging.
    fn threshold(self) -> usize {
        self.settled.clamp(MIN_PENDING, MAX_PENDING)
    }

    /// The same state in a buffer with more room, unless it is time to merge.
    fn grown(self, state: &[u8], need: usize) -> Result<Option<Vec<u8>>> {
        let wanted = self.pending + need;
        if wanted > self.threshold() {
            return Ok(None);
        }
        let room = (self.pending * 2).max(4 * need).min(self.threshold()).max(wanted);
        let mut new = sized(HEADER + self.settled + room)?;
        if let (Some(to), Some(from)) = (new.get_mut(..self.end()), state.get(..self.end())) {
            to.copy_from_slice(from);
        }
        Ok(Some(new))
    }
}

/// A zeroed buffer: bytes of a state that were never written must not leak other memory.
fn sized(n: usize) -> Result<Vec<u8>> {
    if n > MAX_STATE {
        return Err(Error::Limit {
            message: "a bitmap aggregate grew too large".into(),
            hint: None,
        });
    }
    let mut v = try_vec(n, "state of a bitmap aggregate")?;
    v.resize(n, 0);
    Ok(v)
}

/// A state with `set` settled, nothing pending and `room` free bytes.
fn settled(kind: Kind, set: &[u8], room: usize) -> Result<Vec<u8>> {
    let head = Head {
        kind,
        settled: set.len(),
        pending: 0,
    };
    let mut state = sized(HEADER + set.len() + room)?;
    head.write(&mut state);
    if let Some(to) = state.get_mut(HEADER..head.end()) {
        to.copy_from_slice(set);
    }
    Ok(state)
}

/// Replaces what `state` holds by `set`: in place when it fits.
fn replace(state: &mut [u8], kind: Kind, set: Bitmap) -> Result<Change> {
    let set = set.into_portable()?;
    let room = if kind == Kind::And {
        0
    } else {
        set.len().clamp(MIN_PENDING, MAX_PENDING)
    };
    // In place only while a good part of the buffer stays free for what comes next.
    if HEADER + set.len() + room / 2 <= state.len() {
        let head = Head {
            kind,
            settled: set.len(),
            pending: 0,
        };
        if let Some(to) = state.get_mut(HEADER..head.end()) {
            to.copy_from_slice(&set);
        }
        head.write(state);
        return Ok(None);
    }
    settled(kind, &set, room).map(Some)
}

/// The state after the first id.
pub fn start_id(id: u32) -> Result<Vec<u8>> {
    let mut state = settled(Kind::Build, &[], 16)?;
    push_id(&mut state, id)?;
    Ok(state)
}

/// Adds an id to a state of [`Kind::Build`].
pub fn push_id(state: &mut [u8], id: u32) -> Result<Change> {
    let head = Head::of(state, Kind::Build)?;
    let id = id.to_le_bytes();
    if head.append(state, &[&id]) {
        return Ok(None);
    }
    if let Some(mut new) = head.grown(state, 4)? {
        head.append(&mut new, &[&id]);
        return Ok(Some(new));
    }
    let mut ids = Bitmap::from_ids([u32::from_le_bytes(id)], &mut NoTick)?;
    ids = ids.apply(Op::Or, finish(state)?)?;
    replace(state, Kind::Build, ids)
}

/// The state after the first set, given in the portable format.
pub fn start_set(kind: Kind, set: &[u8]) -> Result<Vec<u8>> {
    settled(kind, set, 0)
}

/// Adds a set, given in the portable format, to a state of `kind`.
pub fn push_set(state: &mut [u8], kind: Kind, set: &[u8]) -> Result<Change> {
    let head = Head::of(state, kind)?;
    match kind {
        Kind::And => {
            let new = finish(state)?.apply(Op::And, Bitmap::from_portable(set)?)?;
            return replace(state, kind, new);
        }
        Kind::Build => {
            let new = finish(state)?.apply(Op::Or, Bitmap::from_portable(set)?)?;
            return replace(state, kind, new);
        }
        Kind::Or | Kind::Xor => {}
    }
    let length = (set.len() as u32).to_le_bytes();
    if head.append(state, &[&length, set]) {
        return Ok(None);
    }
    if let Some(mut new) = head.grown(state, set.len() + 4)? {
        head.append(&mut new, &[&length, set]);
        return Ok(Some(new));
    }
    let mut sets = sets(head, state)?;
    sets.try_reserve(1).map_err(|_| Error::OutOfMemory("bitmaps"))?;
    sets.push(Bitmap::from_portable(set)?.0);
    replace(state, kind, merged(kind, sets))
}

/// Adds what another state of the same kind has collected.
pub fn combine(state: &mut [u8], other: &[u8]) -> Result<Change> {
    let from = Head::read(other)?;
    let kind = from.kind;
    Head::of(state, kind)?;
    let mut buffer = Buffer {
        given: state,
        moved: None,
    };
    match kind {
        Kind::Build => {
            if from.settled > 0 {
                buffer.change(|s| push_set(s, kind, from.settled(other)))?;
            }
            for id in ids(from, other) {
                buffer.change(|s| push_id(s, id))?;
            }
        }
        Kind::Or | Kind::And | Kind::Xor => {
            buffer.change(|s| push_set(s, kind, from.settled(other)))?;
            for set in Entries(from.pending(other)) {
                let set = set?;
                buffer.change(|s| push_set(s, kind, set))?;
            }
        }
    }
    Ok(buffer.moved)
}

/// The set a state stands for.
pub fn finish(state: &[u8]) -> Result<Bitmap> {
    let head = Head::read(state)?;
    match head.kind {
        Kind::And => Bitmap::from_portable(head.settled(state)),
        Kind::Or | Kind::Xor => Ok(merged(head.kind, sets(head, state)?)),
        Kind::Build => {
            let mut set = match head.settled(state) {
                [] => Bitmap::default(),
                bytes => Bitmap::from_portable(bytes)?,
            };
            let mut batch = try_vec(head.pending / 4, "ids of a bitmap")?;
            batch.extend(ids(head, state));
            add_ids(&mut set.0, &mut batch);
            Ok(set)
        }
    }
}

/// The part of the buffer that is in use.
pub fn used(state: &[u8]) -> Result<&[u8]> {
    let head = Head::read(state)?;
    state
        .get(..head.end())
        .ok_or_else(|| Error::corrupt("state of a bitmap aggregate"))
}

/// Checks bytes that claim to be a state, all of them, down to each set.
pub fn check(state: &[u8]) -> Result<()> {
    if used(state)?.len() != state.len() {
        return Err(Error::corrupt("state of a bitmap aggregate: bytes too many"));
    }
    finish(state).map(drop)
}

fn ids(head: Head, state: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let (ids, _): (&[[u8; 4]], _) = head.pending(state).as_chunks();
    ids.iter().map(|id| u32::from_le_bytes(*id))
}

/// Every set of the state, decoded.
fn sets(head: Head, state: &[u8]) -> Result<Vec<RoaringBitmap>> {
    let mut sets = Vec::new();
    for bytes in std::iter::once(Ok(head.settled(state))).chain(Entries(head.pending(state))) {
        sets.try_reserve(1).map_err(|_| Error::OutOfMemory("bitmaps"))?;
        sets.push(Bitmap::from_portable(bytes?)?.0);
    }
    Ok(sets)
}

fn merged(kind: Kind, sets: Vec<RoaringBitmap>) -> Bitmap {
    Bitmap(match kind {
        Kind::Xor => sets.symmetric_difference(),
        Kind::And => sets.intersection(),
        Kind::Or | Kind::Build => sets.union(),
    })
}

/// The pending sets, one after the other.
struct Entries<'a>(&'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = Result<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let entry = self.0.split_first_chunk::<4>().and_then(|(n, rest)| {
            let n = u32::from_le_bytes(*n) as usize;
            rest.split_at_checked(n)
        });
        let (set, rest) = entry.unwrap_or_default();
        self.0 = rest;
        Some(match entry {
            Some(_) => Ok(set),
            None => Err(Error::corrupt("state of a bitmap aggregate: a set is cut off")),
        })
    }
}

/// A state through a series of changes, wherever it lies.
struct Buffer<'a> {
    given: &'a mut [u8],
    moved: Option<Vec<u8>>,
}

impl Buffer<'_> {
    fn change(&mut self, f: impl FnOnce(&mut [u8]) -> Result<Change>) -> Result<()> {
        let now = match &mut self.moved {
            Some(m) => m.as_mut_slice(),
            None => &mut *self.given,
        };
        if let Some(new) = f(now)? {
            self.moved = Some(new);
        }
        Ok(())
    }
}
