//! The running state of the bitmap aggregates: one flat buffer, changed in place while there is room.
//!
//! ```text
//! byte 0      format version (1)
//! byte 1      kind of aggregate
//! byte 2      width of the ids: 0 = 32 bits, 1 = 64 bits
//! byte 3      zero
//! byte 4..8   bytes of the settled set, u32
//! byte 8..12  bytes pending, u32
//! byte 12..   the settled set (portable format) | what is pending | free room
//! ```
//!
//! Everything is little-endian and at any alignment. Pending are ids while a set is built, and sets
//! (`u32` length, portable format) while sets are united. When the room for pending entries is used up they are merged
//! into the settled set, but never before they are as large as it: every byte is then copied a constant number of times
//! on average, and no memory is held between two calls.
//!
//! A state can be forged, because it is a value of an ordinary SQL type. Each function checks the header, and sets are
//! decoded with all checks whenever they are used.

use super::unite::{unite, unite64};
use super::wide::{self, View64};
use super::{Op, View, ops, sort_ids};
use crate::error::{Error, Result, try_vec};
use crate::tick::NoTick;

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

/// How wide the ids of a set are, and what is done with sets of such ids in their portable format.
pub trait Width {
    /// An id.
    type Id: Copy;
    /// An id as it is pending.
    type Bytes: AsRef<[u8]>;
    /// Bytes of a pending id.
    const ID: usize;
    /// What the header says.
    const TAG: u8;

    /// The id as it is pending.
    fn bytes(id: Self::Id) -> Self::Bytes;
    /// Writes the id to the front of the free room, if there is enough.
    fn put(id: Self::Id, free: &mut [u8]) -> bool;
    /// The set of pending ids.
    fn build(pending: &[u8]) -> Result<Vec<u8>>;
    /// `a op b`.
    fn apply(op: Op, a: &[u8], b: &[u8]) -> Result<Vec<u8>>;
    /// The union of sets, or what is in an odd number of them.
    fn unite(sets: &[&[u8]], odd: bool) -> Result<Vec<u8>>;
    /// Checks a set down to its ids.
    fn check(set: &[u8]) -> Result<()>;
    /// Number of ids of a set.
    fn cardinality(set: &[u8]) -> Result<u64>;
}

/// Ids of 32 bits.
pub struct Narrow;

/// Ids of 64 bits.
pub struct Wide;

fn views<'a, V>(sets: &[&'a [u8]], view: impl Fn(&'a [u8]) -> Result<V>) -> Result<Vec<V>> {
    let mut views = try_vec(sets.len(), "bitmaps")?;
    for set in sets {
        views.push(view(set)?);
    }
    Ok(views)
}

impl Width for Narrow {
    type Id = u32;
    type Bytes = [u8; 4];
    const ID: usize = 4;
    const TAG: u8 = 0;

    fn bytes(id: u32) -> [u8; 4] {
        id.to_le_bytes()
    }

    #[inline]
    fn put(id: u32, free: &mut [u8]) -> bool {
        match free.first_chunk_mut() {
            Some(to) => *to = id.to_le_bytes(),
            None => return false,
        }
        true
    }

    fn build(pending: &[u8]) -> Result<Vec<u8>> {
        let (pending, _) = pending.as_chunks();
        let mut ids = try_vec(pending.len(), "ids of a bitmap")?;
        ids.extend(pending.iter().map(|id| u32::from_le_bytes(*id)));
        sort_ids(&mut ids);
        let mut set = Vec::new();
        ops::of_sorted(&ids, &mut set)?;
        Ok(set)
    }

    fn apply(op: Op, a: &[u8], b: &[u8]) -> Result<Vec<u8>> {
        ops::apply(op, &View::new(a)?, &View::new(b)?, &mut NoTick)
    }

    fn unite(sets: &[&[u8]], odd: bool) -> Result<Vec<u8>> {
        unite(&views(sets, View::new)?, odd)
    }

    fn check(set: &[u8]) -> Result<()> {
        View::new(set)?.check()
    }

    fn cardinality(set: &[u8]) -> Result<u64> {
        Ok(View::new(set)?.cardinality())
    }
}

impl Width for Wide {
    type Id = u64;
    type Bytes = [u8; 8];
    const ID: usize = 8;
    const TAG: u8 = 1;

    fn bytes(id: u64) -> [u8; 8] {
        id.to_le_bytes()
    }

    #[inline]
    fn put(id: u64, free: &mut [u8]) -> bool {
        match free.first_chunk_mut() {
            Some(to) => *to = id.to_le_bytes(),
            None => return false,
        }
        true
    }

    fn build(pending: &[u8]) -> Result<Vec<u8>> {
        let (pending, _) = pending.as_chunks();
        let mut ids = try_vec(pending.len(), "ids of a bitmap")?;
        ids.extend(pending.iter().map(|id| u64::from_le_bytes(*id)));
        wide::of_ids(ids)
    }

    fn apply(op: Op, a: &[u8], b: &[u8]) -> Result<Vec<u8>> {
        wide::apply(op, &View64::new(a)?, &View64::new(b)?, &mut NoTick)
    }

    fn unite(sets: &[&[u8]], odd: bool) -> Result<Vec<u8>> {
        unite64(&views(sets, View64::new)?, odd)
    }

    fn check(set: &[u8]) -> Result<()> {
        View64::new(set)?.check()
    }

    fn cardinality(set: &[u8]) -> Result<u64> {
        View64::new(set)?.cardinality()
    }
}

/// What became of a state: `None` = changed in place, `Some` = the bytes of the state that takes its place.
pub type Change = Option<Vec<u8>>;

/// The header, checked against the length of the buffer.
#[derive(Debug, Clone, Copy)]
struct Head {
    kind: Kind,
    tag: u8,
    settled: usize,
    pending: usize,
}

impl Head {
    fn read(state: &[u8]) -> Result<Self> {
        let bad = || Error::corrupt("state of a bitmap aggregate");
        let [VERSION, kind, tag @ (0 | 1), 0, a, b, c, d, e, f, g, h] =
            *state.first_chunk::<HEADER>().ok_or_else(bad)?
        else {
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
            tag,
            settled: u32::from_le_bytes([a, b, c, d]) as usize,
            pending: u32::from_le_bytes([e, f, g, h]) as usize,
        };
        let fits = head.end() <= state.len();
        let whole = match head.kind {
            Kind::Build => head
                .pending
                .is_multiple_of(if tag == Wide::TAG { Wide::ID } else { Narrow::ID }),
            Kind::And => head.pending == 0 && head.settled > 0,
            Kind::Or | Kind::Xor => head.settled > 0,
        };
        if fits && whole { Ok(head) } else { Err(bad()) }
    }

    /// The header of a state with ids of the width `W`.
    fn wide<W: Width>(state: &[u8]) -> Result<Self> {
        let head = Head::read(state)?;
        if head.tag != W::TAG {
            return Err(Error::corrupt("state of a bitmap aggregate over ids of another width"));
        }
        Ok(head)
    }

    fn of<W: Width>(state: &[u8], kind: Kind) -> Result<Self> {
        let head = Head::wide::<W>(state)?;
        if head.kind != kind {
            return Err(Error::corrupt("state of another bitmap aggregate"));
        }
        Ok(head)
    }

    fn bytes(self) -> [u8; HEADER] {
        let [a, b, c, d] = (self.settled as u32).to_le_bytes();
        let [e, f, g, h] = (self.pending as u32).to_le_bytes();
        [VERSION, self.kind as u8, self.tag, 0, a, b, c, d, e, f, g, h]
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
fn settled<W: Width>(kind: Kind, set: &[u8], room: usize) -> Result<Vec<u8>> {
    let head = Head {
        kind,
        tag: W::TAG,
        settled: set.len(),
        pending: 0,
    };
    let mut state = sized(
        (HEADER + set.len())
            .saturating_add(room)
            .min(MAX_STATE.max(HEADER + set.len())),
    )?;
    head.write(&mut state);
    if let Some(to) = state.get_mut(HEADER..head.end()) {
        to.copy_from_slice(set);
    }
    Ok(state)
}

/// Replaces what `state` holds by `set`: in place when it fits.
fn replace<W: Width>(state: &mut [u8], kind: Kind, set: &[u8]) -> Result<Change> {
    let room = if kind == Kind::And {
        0
    } else {
        set.len().clamp(MIN_PENDING, MAX_PENDING)
    };
    // In place only while a good part of the buffer stays free for what comes next.
    if HEADER + set.len() + room / 2 <= state.len() {
        let head = Head {
            kind,
            tag: W::TAG,
            settled: set.len(),
            pending: 0,
        };
        if let Some(to) = state.get_mut(HEADER..head.end()) {
            to.copy_from_slice(set);
        }
        head.write(state);
        return Ok(None);
    }
    settled::<W>(kind, set, room).map(Some)
}

/// The state after the first id.
pub fn start_id<W: Width>(id: W::Id) -> Result<Vec<u8>> {
    let mut state = settled::<W>(Kind::Build, &[], 4 * W::ID)?;
    push_id::<W>(&mut state, id)?;
    Ok(state)
}

/// What almost every row does: appends an id where there is room, and nothing else.
#[inline]
fn push_where_room<W: Width>(state: &mut [u8], id: W::Id) -> bool {
    let Some(&[v, k, t, z, a, b, c, d, e, f, g, h]) = state.first_chunk::<HEADER>() else {
        return false;
    };
    let (settled, pending) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    let end = HEADER + settled as usize + pending as usize;
    let ours = [v, k, t, z] == [VERSION, Kind::Build as u8, W::TAG, 0] && (pending as usize).is_multiple_of(W::ID);
    if !ours || !state.get_mut(end..).is_some_and(|free| W::put(id, free)) {
        return false;
    }
    if let Some(count) = state.get_mut(8..).and_then(<[u8]>::first_chunk_mut) {
        *count = (pending + W::ID as u32).to_le_bytes();
    }
    true
}

/// Adds an id to a state of [`Kind::Build`].
#[inline]
pub fn push_id<W: Width>(state: &mut [u8], id: W::Id) -> Result<Change> {
    if push_where_room::<W>(state, id) {
        return Ok(None);
    }
    make_room::<W>(state, id)
}

fn make_room<W: Width>(state: &mut [u8], id: W::Id) -> Result<Change> {
    let head = Head::of::<W>(state, Kind::Build)?;
    let id = W::bytes(id);
    let id = id.as_ref();
    if let Some(mut new) = head.grown(state, W::ID)? {
        head.append(&mut new, &[id]);
        return Ok(Some(new));
    }
    let set = finish::<W>(state)?;
    let mut moved = replace::<W>(state, Kind::Build, &set)?;
    let now = moved.as_deref_mut().unwrap_or(state);
    if !Head::of::<W>(now, Kind::Build)?.append(now, &[id]) {
        return Err(Error::corrupt("state of a bitmap aggregate: no room"));
    }
    Ok(moved)
}

/// The state after the first set, given in the portable format.
pub fn start_set<W: Width>(kind: Kind, set: &[u8]) -> Result<Vec<u8>> {
    settled::<W>(kind, set, 0)
}

/// Adds a set, given in the portable format, to a state of `kind`.
pub fn push_set<W: Width>(state: &mut [u8], kind: Kind, set: &[u8]) -> Result<Change> {
    let head = Head::of::<W>(state, kind)?;
    match kind {
        Kind::And => {
            let new = W::apply(Op::And, head.settled(state), set)?;
            return replace::<W>(state, kind, &new);
        }
        Kind::Build => {
            let new = W::apply(Op::Or, &finish::<W>(state)?, set)?;
            return replace::<W>(state, kind, &new);
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
    sets.push(set);
    let new = W::unite(&sets, kind == Kind::Xor)?;
    replace::<W>(state, kind, &new)
}

/// Adds what another state of the same kind has collected.
pub fn combine<W: Width>(state: &mut [u8], other: &[u8]) -> Result<Change> {
    let from = Head::wide::<W>(other)?;
    let kind = from.kind;
    Head::of::<W>(state, kind)?;
    if kind == Kind::Build {
        return push_set::<W>(state, kind, &finish::<W>(other)?);
    }
    let mut buffer = Buffer {
        given: state,
        moved: None,
    };
    buffer.change(|s| push_set::<W>(s, kind, from.settled(other)))?;
    for set in Entries(from.pending(other)) {
        let set = set?;
        buffer.change(|s| push_set::<W>(s, kind, set))?;
    }
    Ok(buffer.moved)
}

/// The set a state stands for, in the portable format.
pub fn finish<W: Width>(state: &[u8]) -> Result<Vec<u8>> {
    let head = Head::wide::<W>(state)?;
    match head.kind {
        Kind::And => copied(head.settled(state)),
        Kind::Or | Kind::Xor if head.pending == 0 => copied(head.settled(state)),
        Kind::Or | Kind::Xor => W::unite(&sets(head, state)?, head.kind == Kind::Xor),
        Kind::Build => match (head.settled(state), head.pending(state)) {
            ([], pending) => W::build(pending),
            (set, []) => copied(set),
            (set, pending) => W::apply(Op::Or, set, &W::build(pending)?),
        },
    }
}

fn copied(set: &[u8]) -> Result<Vec<u8>> {
    let mut copy = try_vec(set.len(), "bitmap")?;
    copy.extend_from_slice(set);
    Ok(copy)
}

/// Number of ids of the set a state stands for.
pub fn cardinality<W: Width>(state: &[u8]) -> Result<u64> {
    let head = Head::wide::<W>(state)?;
    if head.pending == 0 && head.settled > 0 {
        return W::cardinality(head.settled(state));
    }
    W::cardinality(&finish::<W>(state)?)
}

/// The part of the buffer that is in use.
pub fn used(state: &[u8]) -> Result<&[u8]> {
    let head = Head::read(state)?;
    state
        .get(..head.end())
        .ok_or_else(|| Error::corrupt("state of a bitmap aggregate"))
}

/// Checks bytes that claim to be a state, all of them, down to each set.
pub fn check<W: Width>(state: &[u8]) -> Result<()> {
    let head = Head::wide::<W>(state)?;
    if used(state)?.len() != state.len() {
        return Err(Error::corrupt("state of a bitmap aggregate: bytes too many"));
    }
    if head.settled > 0 {
        W::check(head.settled(state))?;
    }
    if head.kind != Kind::Build {
        Entries(head.pending(state)).try_for_each(|set| W::check(set?))?;
    }
    Ok(())
}

/// Every set of the state.
fn sets(head: Head, state: &[u8]) -> Result<Vec<&[u8]>> {
    let mut sets = Vec::new();
    for bytes in std::iter::once(Ok(head.settled(state))).chain(Entries(head.pending(state))) {
        sets.try_reserve(1).map_err(|_| Error::OutOfMemory("bitmaps"))?;
        sets.push(bytes?);
    }
    Ok(sets)
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
