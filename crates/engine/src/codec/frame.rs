//! The envelope of every stored buffer, and the bounded cursors that read and write what is inside.
//!
//! Header, little endian: version u8, codec u8, flags u8, rows u32, payload length u32, CRC32C u32 of the eleven bytes
//! before it and the payload after it.

use crate::error::{Error, Result, try_vec};

/// The format version this code writes, and the only one so far.
pub const VERSION: u8 = 1;
/// Bytes before the payload.
pub const HEADER: usize = 15;
const CRC_AT: usize = 11;

/// What a buffer holds. The numbers are part of the stored format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    Ids = 1,
    Times = 2,
    Inserts = 3,
    Group = 4,
    Column = 5,
    Values = 6,
    Block = 7,
    Row = 8,
    Subjects = 9,
    StreamUsers = 10,
    StreamTimes = 11,
    StreamEvents = 12,
}

impl Codec {
    fn name(self) -> &'static str {
        match self {
            Codec::Ids => "ids",
            Codec::Times => "times",
            Codec::Inserts => "inserts",
            Codec::Group => "group column",
            Codec::Column => "property column",
            Codec::Values => "values",
            Codec::Block => "block",
            Codec::Row => "row",
            Codec::Subjects => "set of subjects",
            Codec::StreamUsers => "users of the stream",
            Codec::StreamTimes => "times of the stream",
            Codec::StreamEvents => "events of the stream",
        }
    }

    pub(crate) fn corrupt(self, what: &str) -> Error {
        Error::corrupt(format!("{}: {what}", self.name()))
    }
}

/// A buffer whose header and checksum are right.
pub struct Frame<'a> {
    pub flags: u8,
    pub rows: usize,
    pub payload: Reader<'a>,
}

/// Wraps a payload.
pub fn seal(codec: Codec, flags: u8, rows: usize, payload: &[u8]) -> Result<Vec<u8>> {
    let too_big = |what: &str| Error::Limit {
        message: format!("{} with more than 2^32 {what}", codec.name()),
        hint: Some("Write smaller batches.".into()),
    };
    let rows = u32::try_from(rows).map_err(|_| too_big("rows"))?;
    let len = u32::try_from(payload.len()).map_err(|_| too_big("bytes"))?;
    let mut out = try_vec(HEADER.saturating_add(payload.len()), "stored buffer")?;
    out.extend_from_slice(&[VERSION, codec as u8, flags]);
    out.extend_from_slice(&rows.to_le_bytes());
    out.extend_from_slice(&len.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out), payload);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(payload);
    Ok(out)
}

/// Checks the envelope: version, codec, length to the byte, checksum.
pub fn open(codec: Codec, bytes: &[u8]) -> Result<Frame<'_>> {
    let mut r = Reader::new(bytes, codec);
    let version = r.u8()?;
    if version != VERSION {
        return Err(codec.corrupt(&format!("unknown format version {version}")));
    }
    let found = r.u8()?;
    if found != codec as u8 {
        return Err(codec.corrupt(&format!("buffer of kind {found}")));
    }
    let flags = r.u8()?;
    let rows = r.u32()? as usize;
    let len = r.u32()? as usize;
    let stored = r.u32()?;
    if r.left() != len {
        return Err(codec.corrupt("wrong length"));
    }
    let header = bytes.get(..CRC_AT).unwrap_or_default();
    if crc32c::crc32c_append(crc32c::crc32c(header), r.rest()) != stored {
        return Err(codec.corrupt("checksum mismatch"));
    }
    Ok(Frame {
        flags,
        rows,
        payload: r,
    })
}

/// As [`open`], for a buffer whose number of rows the caller knows.
pub fn open_rows(codec: Codec, bytes: &[u8], rows: usize) -> Result<Frame<'_>> {
    let f = open(codec, bytes)?;
    if f.rows != rows {
        return Err(codec.corrupt(&format!("{} rows where {rows} were expected", f.rows)));
    }
    Ok(f)
}

/// Reads forward and never past the end.
pub struct Reader<'a> {
    bytes: &'a [u8],
    codec: Codec,
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `bytes`; `codec` is named in errors.
    pub fn new(bytes: &'a [u8], codec: Codec) -> Self {
        Reader { bytes, codec }
    }

    /// Bytes not read yet.
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    /// What is not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// What is being read.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// An error that names what is being read.
    pub fn corrupt(&self, what: &str) -> Error {
        self.codec.corrupt(what)
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (head, tail) = self
            .bytes
            .split_at_checked(n)
            .ok_or_else(|| self.corrupt("truncated"))?;
        self.bytes = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, tail) = self
            .bytes
            .split_first_chunk()
            .ok_or_else(|| self.corrupt("truncated"))?;
        self.bytes = tail;
        Ok(*head)
    }

    pub fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// An unsigned LEB128 number in its shortest form.
    pub fn varint(&mut self) -> Result<u64> {
        let mut v = 0u64;
        for shift in (0..64).step_by(7) {
            let b = self.u8()?;
            let bits = u64::from(b & 0x7f);
            if shift == 63 && bits > 1 || shift > 0 && b == 0 {
                break;
            }
            v |= bits << shift;
            if b & 0x80 == 0 {
                return Ok(v);
            }
        }
        Err(self.corrupt("malformed number"))
    }

    /// A varint that must fit 32 bits.
    pub fn varint32(&mut self) -> Result<u32> {
        u32::try_from(self.varint()?).map_err(|_| self.corrupt("number too large"))
    }

    /// The length of a list whose elements take at least one byte each.
    pub fn count(&mut self) -> Result<usize> {
        let n = self.varint()?;
        match usize::try_from(n) {
            Ok(n) if n <= self.left() => Ok(n),
            _ => Err(self.corrupt("list longer than the buffer")),
        }
    }

    /// Ends reading: nothing may be left.
    pub fn finish(self) -> Result<()> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(self.corrupt("trailing bytes"))
        }
    }
}

/// Appends an unsigned LEB128 number.
pub fn put_varint(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

/// Small magnitudes of either sign become small unsigned numbers.
pub fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub fn unzigzag(v: u64) -> i64 {
    (v >> 1) as i64 ^ -((v & 1) as i64)
}
