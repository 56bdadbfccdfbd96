//! Writes sets in the portable format, container by container, each in its smallest form.

use super::Op;
use super::container::{Words, low, run};
use super::kernels::{self, Bits};
use super::view::{ARRAY_LIMIT, CONTAINER_WORDS, COOKIE_PLAIN, COOKIE_RUNS, Container, OFFSETS_FROM, fill};
use crate::error::{Error, Result, try_vec};

const BITS_BYTES: usize = CONTAINER_WORDS * 8;

fn no_memory<E>(_: E) -> Error {
    Error::OutOfMemory("bitmap")
}

/// Bytes of a container of `runs` runs.
fn run_bytes(runs: usize) -> usize {
    2 + 4 * runs
}

/// The number of runs from which on bits are smaller.
const MANY_RUNS: usize = (BITS_BYTES - 2).div_ceil(4);

/// Bytes in front of the containers.
fn header_bytes(containers: usize, runs: bool) -> usize {
    let cookie = if runs { 4 + containers.div_ceil(8) } else { 8 };
    let offsets = !runs || containers >= OFFSETS_FROM;
    cookie + containers * if offsets { 8 } else { 4 }
}

/// A run: its first id and its length less one.
fn encoded(first: u16, last: u16) -> [u8; 4] {
    let [a, b] = first.to_le_bytes();
    let [c, d] = last.saturating_sub(first).to_le_bytes();
    [a, b, c, d]
}

/// Containers are written in the order of their keys. One set has one encoding: a container is an array up to 4,096
/// ids and bits above, but runs when those are smaller.
#[derive(Default)]
pub(super) struct Writer {
    descriptions: Vec<[u8; 4]>,
    starts: Vec<u32>,
    is_run: Vec<bool>,
    /// Bytes kept free in front of the containers: the header, if the guess at its length was right.
    front: usize,
    /// The room for the header, then the containers.
    bytes: Vec<u8>,
}

impl Writer {
    /// With room for `containers` and for `bytes` of their contents and the header. When the result has just so many
    /// containers, and `runs` if and only if some are runs, the contents need not be moved in the end.
    pub(super) fn with_room(containers: usize, bytes: usize, runs: bool) -> Result<Self> {
        let front = header_bytes(containers, runs);
        let mut room = try_vec(bytes.saturating_add(front), "bitmap")?;
        room.resize(front, 0);
        Ok(Writer {
            descriptions: try_vec(containers, "bitmap")?,
            starts: try_vec(containers, "bitmap")?,
            is_run: try_vec(containers, "bitmap")?,
            front,
            bytes: room,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.descriptions.is_empty()
    }

    /// What the one container holds: ids, bits or runs.
    pub(super) fn contents(&self) -> &[u8] {
        let counted = self.is_run.first() == Some(&true);
        self.bytes
            .get(self.front + if counted { 2 } else { 0 }..)
            .unwrap_or_default()
    }

    /// Begins a container of `ids` ids that takes `bytes`.
    fn begin(&mut self, key: u16, ids: u32, is_run: bool, bytes: usize) -> Result<()> {
        self.bytes.try_reserve(bytes).map_err(no_memory)?;
        self.describe(key, ids, is_run, self.bytes.len())
    }

    /// Enters a container of `ids` ids that begins at `at`.
    fn describe(&mut self, key: u16, ids: u32, is_run: bool, at: usize) -> Result<()> {
        self.descriptions.try_reserve(1).map_err(no_memory)?;
        self.starts.try_reserve(1).map_err(no_memory)?;
        self.is_run.try_reserve(1).map_err(no_memory)?;
        let start = u32::try_from(at - self.front).map_err(|_| Error::Limit {
            message: "a bitmap grew too large".into(),
            hint: None,
        })?;
        let [a, b] = key.to_le_bytes();
        let [c, d] = (ids.wrapping_sub(1) as u16).to_le_bytes();
        self.descriptions.push([a, b, c, d]);
        self.starts.push(start);
        self.is_run.push(is_run);
        Ok(())
    }

    /// Copies a container as it is.
    pub(super) fn copy(&mut self, key: u16, ids: u32, container: Container<'_>) -> Result<()> {
        match container {
            Container::Array(a) => {
                self.begin(key, ids, false, a.len() * 2)?;
                self.bytes.extend_from_slice(a.as_flattened());
            }
            Container::Bits(b) => {
                self.begin(key, ids, false, BITS_BYTES)?;
                self.bytes.extend_from_slice(b.as_flattened());
            }
            Container::Runs(r) => {
                self.begin(key, ids, true, run_bytes(r.len()))?;
                self.bytes.extend_from_slice(&(r.len() as u16).to_le_bytes());
                self.bytes.extend_from_slice(r.as_flattened());
            }
        }
        Ok(())
    }

    /// Writes a container in its smallest form, whatever form it comes in.
    pub(super) fn push(&mut self, key: u16, container: Container<'_>, scratch: &mut Vec<(u16, u16)>) -> Result<()> {
        scratch.clear();
        container.try_for_each_range(|first, last| {
            scratch.try_reserve(1).map_err(no_memory)?;
            match scratch.last_mut() {
                Some((_, end)) if end.wrapping_add(1) == first && first != 0 => *end = last,
                _ => scratch.push((first, last)),
            }
            Ok(())
        })?;
        self.push_runs(key, scratch)
    }

    /// Writes ids, ascending.
    pub(super) fn push_ids(&mut self, key: u16, ids: &[u16]) -> Result<()> {
        let Some((first, rest)) = ids.split_first() else {
            return Ok(());
        };
        if ids.len() > ARRAY_LIMIT as usize {
            return self.push_many(key, ids.iter().copied());
        }
        // As many as fit 16 bits, which the compiler can count side by side.
        let gaps: u16 = ids
            .iter()
            .zip(rest)
            .map(|(a, b)| u16::from(b.wrapping_sub(*a) != 1))
            .sum();
        let gaps = usize::from(gaps);
        if run_bytes(gaps + 1) < ids.len() * 2 {
            self.begin(key, ids.len() as u32, true, run_bytes(gaps + 1))?;
            self.bytes.extend_from_slice(&(gaps as u16 + 1).to_le_bytes());
            let (mut first, mut last) = (*first, *first);
            for id in rest {
                if id.wrapping_sub(last) != 1 {
                    self.run(first, last);
                    first = *id;
                }
                last = *id;
            }
            self.run(first, last);
            return Ok(());
        }
        self.begin(key, ids.len() as u32, false, ids.len() * 2)?;
        let (to, _) = self.zeroed(ids.len() * 2).as_chunks_mut::<2>();
        for (to, id) in to.iter_mut().zip(ids) {
            *to = id.to_le_bytes();
        }
        Ok(())
    }

    fn run(&mut self, first: u16, last: u16) {
        self.bytes.extend_from_slice(&encoded(first, last));
    }

    /// Writes ids in ascending order; repetitions do not matter. Quick for many only.
    #[inline(never)]
    pub(super) fn push_many(&mut self, key: u16, ids: impl Iterator<Item = u16>) -> Result<()> {
        let mut words: Words = [0; CONTAINER_WORDS];
        // Neighbours mostly share a word, which is written when it is full.
        let (mut at, mut word) = (0, 0u64);
        for id in ids {
            let next = usize::from(id >> 6);
            if next != at {
                if let Some(to) = words.get_mut(at) {
                    *to |= word;
                }
                (at, word) = (next, 0);
            }
            word |= 1 << (id & 63);
        }
        if let Some(to) = words.get_mut(at) {
            *to |= word;
        }
        self.push_words(key, &words)
    }

    /// So many more bytes, which are zero.
    fn zeroed(&mut self, bytes: usize) -> &mut [u8] {
        let at = self.bytes.len();
        self.bytes.resize(at + bytes, 0);
        self.bytes.get_mut(at..).unwrap_or_default()
    }

    /// Writes the ids whose bits are set.
    pub(super) fn push_words(&mut self, key: u16, words: &Words) -> Result<()> {
        let bits = words.map(u64::to_le_bytes);
        self.push_bits(key, &bits, kernels::count(&bits))
    }

    /// Writes `a op b` of two containers of bits.
    pub(super) fn combine(&mut self, key: u16, op: Op, a: &[[u8; 8]], b: &[[u8; 8]]) -> Result<()> {
        let (Some(a), Some(b)) = (a.first_chunk(), b.first_chunk()) else {
            return Ok(());
        };
        // Where the container most often ends up. It has no place yet when it turns out to be something else.
        let at = self.bytes.len();
        self.bytes.try_reserve(BITS_BYTES).map_err(no_memory)?;
        let (to, _) = self.zeroed(BITS_BYTES).as_chunks_mut::<8>();
        let Some(to) = to.first_chunk_mut() else { return Ok(()) };
        let n = kernels::combine(op, a, b, to);
        if n > ARRAY_LIMIT && kernels::stretches(to, MANY_RUNS) >= MANY_RUNS {
            return self.describe(key, n, false, at);
        }
        let bits = *to;
        self.bytes.truncate(at);
        self.push_bits(key, &bits, n)
    }

    /// Writes the `n` ids whose bits are set.
    fn push_bits(&mut self, key: u16, bits: &Bits, n: u32) -> Result<()> {
        if n <= ARRAY_LIMIT {
            let mut ids = [0u16; ARRAY_LIMIT as usize];
            let mut free = ids.iter_mut();
            for (i, word) in bits.iter().enumerate() {
                let mut word = u64::from_le_bytes(*word);
                while word != 0 {
                    if let Some(id) = free.next() {
                        *id = i as u16 * 64 + word.trailing_zeros() as u16;
                    }
                    word &= word - 1;
                }
            }
            return self.push_ids(key, ids.get(..n as usize).unwrap_or_default());
        }
        let runs = kernels::stretches(bits, MANY_RUNS);
        if runs < MANY_RUNS {
            self.begin(key, n, true, run_bytes(runs))?;
            self.bytes.extend_from_slice(&(runs as u16).to_le_bytes());
            return Container::Bits(bits).try_for_each_range(|first, last| {
                self.run(first, last);
                Ok(())
            });
        }
        self.begin(key, n, false, BITS_BYTES)?;
        self.bytes.extend_from_slice(bits.as_flattened());
        Ok(())
    }

    /// Writes stretches of ids: ascending, with a gap between two.
    pub(super) fn push_runs(&mut self, key: u16, runs: &[(u16, u16)]) -> Result<()> {
        let n: u32 = runs.iter().map(|(f, l)| u32::from(l.saturating_sub(*f)) + 1).sum();
        if n == 0 {
            return Ok(());
        }
        if run_bytes(runs.len()) < (n as usize * 2).min(BITS_BYTES) {
            self.begin(key, n, true, run_bytes(runs.len()))?;
            self.bytes.extend_from_slice(&(runs.len() as u16).to_le_bytes());
            let (to, _) = self.zeroed(4 * runs.len()).as_chunks_mut::<4>();
            for (to, (first, last)) in to.iter_mut().zip(runs) {
                *to = encoded(*first, *last);
            }
        } else if n <= ARRAY_LIMIT {
            self.begin(key, n, false, n as usize * 2)?;
            for id in runs.iter().flat_map(|(f, l)| *f..=*l) {
                self.bytes.extend_from_slice(&id.to_le_bytes());
            }
        } else {
            let mut words: Words = [0; CONTAINER_WORDS];
            for (first, last) in runs {
                fill(&mut words, u32::from(*first), u32::from(*last))?;
            }
            self.begin(key, n, false, BITS_BYTES)?;
            for word in words {
                self.bytes.extend_from_slice(&word.to_le_bytes());
            }
        }
        Ok(())
    }

    /// The bytes in front of the containers.
    fn header(&self) -> Result<Vec<u8>> {
        let n = self.descriptions.len();
        let runs = self.is_run.contains(&true);
        let header = header_bytes(n, runs);
        let mut out = try_vec(header, "bitmap")?;
        if runs {
            out.extend_from_slice(&COOKIE_RUNS.to_le_bytes());
            out.extend_from_slice(&(n as u16).wrapping_sub(1).to_le_bytes());
            for eight in self.is_run.chunks(8) {
                out.push(eight.iter().rev().fold(0, |byte, is_run| byte << 1 | u8::from(*is_run)));
            }
        } else {
            out.extend_from_slice(&COOKIE_PLAIN.to_le_bytes());
            out.extend_from_slice(&(n as u32).to_le_bytes());
        }
        out.extend_from_slice(self.descriptions.as_flattened());
        if out.len() < header {
            out.extend(
                self.starts
                    .iter()
                    .flat_map(|start| (header as u32).saturating_add(*start).to_le_bytes()),
            );
        }
        Ok(out)
    }

    /// The bytes of the set, appended to `out`.
    pub(super) fn finish_into(self, out: &mut Vec<u8>) -> Result<()> {
        let header = self.header()?;
        let body = self.bytes.get(self.front..).unwrap_or_default();
        out.try_reserve_exact(header.len() + body.len()).map_err(no_memory)?;
        out.extend_from_slice(&header);
        out.extend_from_slice(body);
        Ok(())
    }

    /// The bytes of the set.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        let header = self.header()?;
        let body = self.bytes.len() - self.front;
        if header.len() != self.front {
            let grown = header.len().saturating_sub(self.front);
            self.bytes.try_reserve(grown).map_err(no_memory)?;
            self.bytes.resize(self.bytes.len() + grown, 0);
            self.bytes.copy_within(self.front..self.front + body, header.len());
            self.bytes.truncate(header.len() + body);
        }
        if let Some(to) = self.bytes.get_mut(..header.len()) {
            to.copy_from_slice(&header);
        }
        Ok(self.bytes)
    }
}

/// Is this the form [`Writer`] would give the container?
pub(super) fn is_smallest(container: &Container<'_>, ids: u32) -> bool {
    let mut runs = 0usize;
    let mut joined = true;
    match container {
        Container::Array(a) => {
            let rest = a.get(1..).unwrap_or_default();
            runs = 1 + a
                .iter()
                .zip(rest)
                .map(|(x, y)| usize::from(low(*y).wrapping_sub(low(*x)) != 1))
                .sum::<usize>();
        }
        Container::Bits(bits) => {
            let mut before = 0;
            for word in bits.iter().map(|w| u64::from_le_bytes(*w)) {
                runs += (word & !(word << 1 | before)).count_ones() as usize;
                before = word >> 63;
            }
        }
        Container::Runs(r) => {
            runs = r.len();
            let rest = r.get(1..).unwrap_or_default();
            joined = r.iter().zip(rest).all(|(x, y)| run(y).0.wrapping_sub(run(x).1) > 1);
        }
    }
    let smaller = run_bytes(runs) < (ids as usize * 2).min(BITS_BYTES);
    match container {
        Container::Runs(_) => smaller && joined,
        Container::Array(_) | Container::Bits(_) => !smaller,
    }
}
