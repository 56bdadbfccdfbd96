//! Questions answered from the portable bytes alone, without decoding the set.

use super::MAX_CONTAINERS;
use crate::error::{Error, Result};

/// Cookie of a set without run containers; the number of containers follows.
pub(super) const COOKIE_PLAIN: u32 = 12346;
/// Lower half of the cookie of a set with run containers; the upper half is the number of containers less one.
pub(super) const COOKIE_RUNS: u16 = 12347;
/// Sets with run containers have a table of offsets from this many containers on.
pub(super) const OFFSETS_FROM: usize = 4;
/// More ids than this in a container are a bit map of 8 kB, fewer a sorted array.
pub(super) const ARRAY_LIMIT: u32 = 4096;
/// Words of one container as a bit map.
pub(super) const CONTAINER_WORDS: usize = 1024;

/// The lower halves of the ids that share an upper half.
#[derive(Debug, Clone, Copy)]
pub(super) enum Container<'a> {
    /// Each id, sorted.
    Array(&'a [[u8; 2]]),
    /// One bit per id.
    Bits(&'a [[u8; 8]]),
    /// First id and length less one.
    Runs(&'a [[u8; 4]]),
}

fn cut() -> Error {
    Error::corrupt("bitmap: a container is cut off")
}

/// Sets the bits `first ..= last`.
pub(super) fn fill(block: &mut [u64; CONTAINER_WORDS], first: u32, last: u32) -> Result<()> {
    let (from, to) = (first as usize / 64, last as usize / 64);
    let run = block
        .get_mut(from..=to)
        .ok_or_else(|| Error::corrupt("bitmap: a run past the end of its container"))?;
    let (head, tail) = (u64::MAX << (first % 64), u64::MAX >> (63 - last % 64));
    match run {
        [word] => *word |= head & tail,
        [a, middle @ .., b] => {
            *a |= head;
            middle.fill(u64::MAX);
            *b |= tail;
        }
        [] => {}
    }
    Ok(())
}

/// A portable set whose header fits its bytes; the containers themselves are not checked.
///
/// ```text
/// no runs   cookie u32 | containers u32 | (key u16, cardinality - 1 u16)* | offset u32 *            | containers
/// runs      cookie u16, containers - 1 u16 | run bits | (key, cardinality - 1)* | offset* from 4 on | containers
/// ```
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    bytes: &'a [u8],
    /// One bit per container; empty when no container is a run container.
    runs: &'a [u8],
    descriptions: &'a [[u8; 4]],
    /// Where each container begins; `None` when the first begins at `body` and the others follow.
    offsets: Option<&'a [[u8; 4]]>,
    body: usize,
}

impl<'a> View<'a> {
    /// Reads the header. [`Error::Corrupt`] when it is not one or when it declares more than there is.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        let short = || Error::corrupt("bitmap: the header is cut off");
        let (cookie, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
        let cookie = u32::from_le_bytes(*cookie);
        let (count, runs, rest) = if cookie == COOKIE_PLAIN {
            let (n, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
            (u32::from_le_bytes(*n) as usize, &[][..], rest)
        } else if cookie as u16 == COOKIE_RUNS {
            let n = (cookie >> 16) as usize + 1;
            let (runs, rest) = rest.split_at_checked(n.div_ceil(8)).ok_or_else(short)?;
            (n, runs, rest)
        } else {
            return Err(Error::corrupt("bitmap: not the portable format"));
        };
        if count > MAX_CONTAINERS {
            return Err(Error::corrupt("bitmap: too many containers"));
        }
        let (descriptions, mut rest) = rest.split_at_checked(count * 4).ok_or_else(short)?;
        let mut offsets = None;
        if runs.is_empty() || count >= OFFSETS_FROM {
            let (o, r) = rest.split_at_checked(count * 4).ok_or_else(short)?;
            offsets = Some(o.as_chunks().0);
            rest = r;
        }
        Ok(View {
            bytes,
            runs,
            descriptions: descriptions.as_chunks().0,
            offsets,
            body: bytes.len() - rest.len(),
        })
    }

    /// Reads one set from the front of `bytes`, and gives what follows it.
    ///
    /// The containers are stepped over by their sizes, whatever the table of offsets says.
    pub fn prefix(bytes: &'a [u8]) -> Result<(Self, &'a [u8])> {
        let view = View::new(bytes)?;
        let mut end = view.body;
        for i in 0..view.descriptions.len() {
            end = end.saturating_add(view.bytes_at(i, end)?);
        }
        let (own, rest) = bytes.split_at_checked(end).ok_or_else(cut)?;
        Ok((View { bytes: own, ..view }, rest))
    }

    /// Checks everything: each container down to its ids, and what the header says of them.
    pub fn check(&self) -> Result<()> {
        super::Bitmap::from_portable(self.bytes)?;
        self.check_header()
    }

    /// Checks what decoding does not look at: that the table of offsets leads to the containers, and that runs are as
    /// many ids as the header has.
    pub(super) fn check_header(&self) -> Result<()> {
        let mut at = self.body;
        for i in 0..self.containers() {
            if self.start(i)? != at {
                return Err(Error::corrupt("bitmap: an offset that leads elsewhere"));
            }
            if let (_, Container::Runs(runs)) = self.container(i)? {
                let ids: u64 = runs
                    .iter()
                    .map(|&[_, _, lo, hi]| u64::from(u16::from_le_bytes([lo, hi])) + 1)
                    .sum();
                if ids != u64::from(self.size(i)) {
                    return Err(Error::corrupt("bitmap: runs of more or fewer ids than the header has"));
                }
            }
            at += self.bytes_at(i, at)?;
        }
        Ok(())
    }

    /// Bytes of the header, as far as its first bytes say: 4 are enough for sets with runs, 8 for others.
    pub(super) fn header_len(first: &[u8]) -> Result<usize> {
        let short = || Error::corrupt("bitmap: the header is cut off");
        let (cookie, rest) = first.split_first_chunk::<4>().ok_or_else(short)?;
        let cookie = u32::from_le_bytes(*cookie);
        if cookie as u16 == COOKIE_RUNS {
            let n = (cookie >> 16) as usize + 1;
            return Ok(4 + n.div_ceil(8) + n * if n >= OFFSETS_FROM { 8 } else { 4 });
        }
        let n = rest.first_chunk::<4>().ok_or_else(short)?;
        let n = u32::from_le_bytes(*n) as usize;
        if cookie != COOKIE_PLAIN || n > MAX_CONTAINERS {
            return Err(Error::corrupt("bitmap: not the portable format"));
        }
        Ok(8 + n * 8)
    }

    /// Which container may hold `id`.
    pub(super) fn place(&self, id: u32) -> Option<usize> {
        let key = (id >> 16) as u16;
        self.descriptions
            .binary_search_by_key(&key, |&[lo, hi, _, _]| u16::from_le_bytes([lo, hi]))
            .ok()
    }

    /// Where container `i` lies in a set of `len` bytes; `None` when the header does not tell.
    pub(super) fn span(&self, i: usize, len: usize) -> Option<std::ops::Range<usize>> {
        let at = |i: usize| self.offsets?.get(i).map(|o| u32::from_le_bytes(*o) as usize);
        let (start, end) = (at(i)?, at(i + 1).unwrap_or(len));
        (start <= end && end <= len).then_some(start..end)
    }

    /// The bytes this set was read from.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Number of containers.
    pub fn containers(&self) -> usize {
        self.descriptions.len()
    }

    /// May one of the containers be stored as runs?
    pub(super) fn has_runs(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Smallest and largest id of a container.
    fn bounds(&self, i: usize) -> Result<(u32, u32)> {
        let (key, container) = self.container(i)?;
        let (first, last) = container.bounds();
        let base = u32::from(key) << 16;
        Ok((base | u32::from(first), base | u32::from(last)))
    }

    /// The smallest id.
    pub fn min(&self) -> Result<Option<u32>> {
        if self.is_empty() {
            return Ok(None);
        }
        self.bounds(0).map(|(first, _)| Some(first))
    }

    /// The largest id.
    pub fn max(&self) -> Result<Option<u32>> {
        match self.containers().checked_sub(1) {
            None => Ok(None),
            Some(i) => self.bounds(i).map(|(_, last)| Some(last)),
        }
    }

    /// How many ids are smaller than or equal to `id`.
    pub fn rank(&self, id: u32) -> Result<u64> {
        let (key, low) = ((id >> 16) as u16, id as u16);
        let mut n = 0;
        for i in 0..self.containers() {
            match self.key(i).cmp(&key) {
                std::cmp::Ordering::Less => n += u64::from(self.size(i)),
                std::cmp::Ordering::Equal => {
                    n += u64::from(self.container(i)?.1.rank(low));
                    break;
                }
                std::cmp::Ordering::Greater => break,
            }
        }
        Ok(n)
    }

    /// Number of ids as the header has it; for a set that was checked, its true number.
    pub fn cardinality(&self) -> u64 {
        self.descriptions
            .iter()
            .map(|&[_, _, lo, hi]| u64::from(u16::from_le_bytes([lo, hi])) + 1)
            .sum()
    }

    /// True for the set without ids.
    pub fn is_empty(&self) -> bool {
        self.descriptions.is_empty()
    }

    /// Is `id` in the set? Looks at one container only.
    pub fn contains(&self, id: u32) -> Result<bool> {
        let low = id as u16;
        let Some(i) = self.place(id) else {
            return Ok(false);
        };
        let body = self.bytes.get(self.start(i)?..).ok_or_else(cut)?;
        if self.is_run(i) {
            let (n, runs) = body.split_first_chunk::<2>().ok_or_else(cut)?;
            let runs = runs.get(..usize::from(u16::from_le_bytes(*n)) * 4).ok_or_else(cut)?;
            let runs: &[[u8; 4]] = runs.as_chunks().0;
            let after = runs.partition_point(|&[lo, hi, _, _]| u16::from_le_bytes([lo, hi]) <= low);
            let run = after.checked_sub(1).and_then(|i| runs.get(i));
            return Ok(run.is_some_and(|&[a, b, c, d]| {
                let into = low.checked_sub(u16::from_le_bytes([a, b]));
                into.is_some_and(|into| into <= u16::from_le_bytes([c, d]))
            }));
        }
        let n = self.size(i);
        if n <= ARRAY_LIMIT {
            let values = body.get(..n as usize * 2).ok_or_else(cut)?;
            let values: &[[u8; 2]] = values.as_chunks().0;
            Ok(values.binary_search_by_key(&low, |v| u16::from_le_bytes(*v)).is_ok())
        } else {
            let byte = body.get(usize::from(low / 8)).ok_or_else(cut)?;
            Ok(byte >> (low % 8) & 1 == 1)
        }
    }

    /// Words of a bit set that has room for every id: [`View::or_into`] needs as many.
    pub fn words(&self) -> usize {
        self.descriptions.last().map_or(0, |&[lo, hi, _, _]| {
            (usize::from(u16::from_le_bytes([lo, hi])) + 1) * CONTAINER_WORDS
        })
    }

    /// Sets bit `id % 64` of word `id / 64` for every id. `words` must have at least [`View::words`] elements.
    ///
    /// Cost: one bit per id of an array, one word per 64 ids of a bit map or a run; nothing is allocated.
    pub fn or_into(&self, words: &mut [u64]) -> Result<()> {
        let (blocks, _) = words.as_chunks_mut::<CONTAINER_WORDS>();
        for i in 0..self.descriptions.len() {
            let (key, container) = self.container(i)?;
            let block = blocks
                .get_mut(usize::from(key))
                .ok_or_else(|| Error::corrupt("bitmap: keys out of order, or too little room for its ids"))?;
            match container {
                Container::Array(ids) => {
                    for id in ids {
                        let low = u16::from_le_bytes(*id);
                        if let Some(word) = block.get_mut(usize::from(low >> 6)) {
                            *word |= 1 << (low & 63);
                        }
                    }
                }
                Container::Bits(bits) => {
                    for (word, more) in block.iter_mut().zip(bits) {
                        *word |= u64::from_le_bytes(*more);
                    }
                }
                Container::Runs(runs) => {
                    for &[a, b, c, d] in runs {
                        let first = u32::from(u16::from_le_bytes([a, b]));
                        let last = first + u32::from(u16::from_le_bytes([c, d]));
                        fill(block, first, last)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Calls `f` with every id, ascending in a well-formed set; stops at the first error.
    pub fn try_for_each(&self, mut f: impl FnMut(u32) -> Result<()>) -> Result<()> {
        for i in 0..self.descriptions.len() {
            let (key, container) = self.container(i)?;
            let base = u32::from(key) << 16;
            match container {
                Container::Array(ids) => {
                    for id in ids {
                        f(base | u32::from(u16::from_le_bytes(*id)))?;
                    }
                }
                Container::Bits(bits) => {
                    for (at, word) in (base..).step_by(64).zip(bits) {
                        let mut word = u64::from_le_bytes(*word);
                        while word != 0 {
                            f(at + word.trailing_zeros())?;
                            word &= word - 1;
                        }
                    }
                }
                Container::Runs(runs) => {
                    for &[a, b, c, d] in runs {
                        let first = u32::from(u16::from_le_bytes([a, b]));
                        let last = first + u32::from(u16::from_le_bytes([c, d]));
                        if last > 0xffff {
                            return Err(Error::corrupt("bitmap: a run past the end of its container"));
                        }
                        for low in first..=last {
                            f(base | low)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Calls `f` with the first and the last id of every stretch of neighbouring ids, ascending; stretches of two
    /// containers are not joined. Stops at the first error.
    pub fn try_for_each_range(&self, mut f: impl FnMut(u32, u32) -> Result<()>) -> Result<()> {
        for i in 0..self.descriptions.len() {
            let (key, container) = self.container(i)?;
            let base = u32::from(key) << 16;
            container.try_for_each_range(|first, last| f(base | u32::from(first), base | u32::from(last)))?;
        }
        Ok(())
    }

    /// Key and contents of container `i`, whole or not at all.
    pub(super) fn container(&self, i: usize) -> Result<(u16, Container<'a>)> {
        let key = self.key(i);
        let body = self.bytes.get(self.start(i)?..).ok_or_else(cut)?;
        Ok((key, self.container_in(i, body)?))
    }

    /// Contents of container `i`, which `body` begins with.
    pub(super) fn container_in<'b>(&self, i: usize, body: &'b [u8]) -> Result<Container<'b>> {
        Ok(if self.is_run(i) {
            let (n, runs) = body.split_first_chunk::<2>().ok_or_else(cut)?;
            let runs = runs.get(..usize::from(u16::from_le_bytes(*n)) * 4).ok_or_else(cut)?;
            Container::Runs(runs.as_chunks().0)
        } else if self.size(i) <= ARRAY_LIMIT {
            Container::Array(body.get(..self.size(i) as usize * 2).ok_or_else(cut)?.as_chunks().0)
        } else {
            Container::Bits(body.get(..CONTAINER_WORDS * 8).ok_or_else(cut)?.as_chunks().0)
        })
    }

    #[inline]
    fn is_run(&self, i: usize) -> bool {
        self.runs.get(i / 8).is_some_and(|b| b >> (i % 8) & 1 == 1)
    }

    /// Upper half of the ids of container `i`.
    #[inline]
    pub(super) fn key(&self, i: usize) -> u16 {
        self.descriptions
            .get(i)
            .map_or(0, |&[lo, hi, _, _]| u16::from_le_bytes([lo, hi]))
    }

    /// Ids of container `i`; 0 past the end.
    #[inline]
    pub(super) fn size(&self, i: usize) -> u32 {
        self.descriptions
            .get(i)
            .map_or(0, |&[_, _, lo, hi]| u32::from(u16::from_le_bytes([lo, hi])) + 1)
    }

    /// First byte of container `i`.
    #[inline]
    fn start(&self, i: usize) -> Result<usize> {
        if let Some(offsets) = self.offsets {
            return Ok(offsets.get(i).map_or(0, |o| u32::from_le_bytes(*o) as usize));
        }
        // At most two containers to step over.
        let mut at = self.body;
        for k in 0..i {
            at += self.bytes_at(k, at)?;
        }
        Ok(at)
    }

    /// Bytes of container `i`, which begins at `at`.
    fn bytes_at(&self, i: usize, at: usize) -> Result<usize> {
        Ok(if self.is_run(i) {
            let n = self.bytes.get(at..).and_then(|b| b.first_chunk::<2>());
            2 + usize::from(u16::from_le_bytes(*n.ok_or_else(cut)?)) * 4
        } else if self.size(i) <= ARRAY_LIMIT {
            self.size(i) as usize * 2
        } else {
            CONTAINER_WORDS * 8
        })
    }
}
