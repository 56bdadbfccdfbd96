//! The byte format of partial results, for workers and nodes: a tag, a version, the body, and a checksum.
//!
//! Fixed-width little-endian numbers; whatever is read is checked against what is left, so garbage is an error and
//! never a large allocation.

use crate::error::{Error, Result, try_vec};

/// Which kernel a partial belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    Insights = 1,
    Funnel = 2,
    Retention = 3,
    UsersWhoDid = 4,
    RetentionDetail = 5,
    Lifecycle = 10,
    Frequency = 11,
    Sessions = 16,
    Flows = 17,
    SessionSegments = 18,
    Journeys = 19,
    Cohort = 20,
}

const VERSION: u8 = 1;

/// Writes a partial.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Begins a partial of which about `size` bytes are expected.
    pub fn new(tag: Tag, size: usize) -> Result<Self> {
        let mut bytes = try_vec(size.saturating_add(64), "a partial result")?;
        bytes.extend([tag as u8, VERSION]);
        Ok(Writer { bytes })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes
            .try_reserve(bytes.len())
            .map_err(|_| Error::OutOfMemory("a partial result"))?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// One number.
    pub fn u32(&mut self, n: u32) -> Result<()> {
        self.put(&n.to_le_bytes())
    }

    /// One number.
    pub fn u64(&mut self, n: u64) -> Result<()> {
        self.put(&n.to_le_bytes())
    }

    /// A length.
    pub fn len(&mut self, n: usize) -> Result<()> {
        self.u64(n as u64)
    }

    /// Length and numbers.
    pub fn u32s(&mut self, v: &[u32]) -> Result<()> {
        self.len(v.len())?;
        v.iter().try_for_each(|n| self.u32(*n))
    }

    /// Length and numbers.
    pub fn u64s(&mut self, v: &[u64]) -> Result<()> {
        self.len(v.len())?;
        v.iter().try_for_each(|n| self.u64(*n))
    }

    /// Length and text.
    pub fn text(&mut self, s: &str) -> Result<()> {
        self.len(s.len())?;
        self.put(s.as_bytes())
    }

    /// Length and bytes.
    pub fn bytes(&mut self, b: &[u8]) -> Result<()> {
        self.len(b.len())?;
        self.put(b)
    }

    /// The finished bytes.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        let sum = crc32c::crc32c(&self.bytes);
        self.u32(sum)?;
        Ok(self.bytes)
    }
}

/// Reads what [`Writer`] wrote.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

fn bad(what: &str) -> Error {
    Error::corrupt(format!("partial: {what}"))
}

impl<'a> Reader<'a> {
    /// Checks tag, version and checksum.
    pub fn new(tag: Tag, bytes: &'a [u8]) -> Result<Self> {
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or_else(|| bad("too short"))?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
            return Err(bad("wrong checksum"));
        }
        match body {
            [t, VERSION, rest @ ..] if *t == tag as u8 => Ok(Reader { rest }),
            [t, _, ..] if *t == tag as u8 => Err(bad("unknown version")),
            _ => Err(bad("of another report")),
        }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or_else(|| bad("ends early"))?;
        self.rest = rest;
        Ok(head)
    }

    /// One number.
    pub fn u32(&mut self) -> Result<u32> {
        let (head, rest) = self.rest.split_first_chunk().ok_or_else(|| bad("ends early"))?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*head))
    }

    /// One number.
    pub fn u64(&mut self) -> Result<u64> {
        let (head, rest) = self.rest.split_first_chunk().ok_or_else(|| bad("ends early"))?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*head))
    }

    /// The number of items that follow, each of at least `size` bytes.
    pub fn len(&mut self, size: usize) -> Result<usize> {
        let n = usize::try_from(self.u64()?).map_err(|_| bad("length out of range"))?;
        if n.checked_mul(size.max(1)).is_none_or(|b| b > self.rest.len()) {
            return Err(bad("length out of range"));
        }
        Ok(n)
    }

    /// Length and numbers.
    pub fn u32s(&mut self) -> Result<Vec<u32>> {
        let n = self.len(4)?;
        let mut v = try_vec(n, "a partial result")?;
        let (chunks, _) = self.take(n * 4)?.as_chunks::<4>();
        v.extend(chunks.iter().map(|c| u32::from_le_bytes(*c)));
        Ok(v)
    }

    /// Length and numbers.
    pub fn u64s(&mut self) -> Result<Vec<u64>> {
        let n = self.len(8)?;
        let mut v = try_vec(n, "a partial result")?;
        let (chunks, _) = self.take(n * 8)?.as_chunks::<8>();
        v.extend(chunks.iter().map(|c| u64::from_le_bytes(*c)));
        Ok(v)
    }

    /// Length and text.
    pub fn text(&mut self) -> Result<&'a str> {
        let n = self.len(1)?;
        std::str::from_utf8(self.take(n)?).map_err(|_| bad("text is not UTF-8"))
    }

    /// Length and bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let n = self.len(1)?;
        self.take(n)
    }

    /// Checks that nothing is left.
    pub fn finish(self) -> Result<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(bad("bytes left over"))
        }
    }
}
