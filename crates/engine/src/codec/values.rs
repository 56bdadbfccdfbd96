//! Property values as tagged bytes, and lists of them: the dictionaries of property columns.

use super::frame::{Reader, put_varint, unzigzag, zigzag};
use super::front::{front_coded, get_front};
use crate::error::{Error, Result, try_vec};
use crate::value::Value;
use std::borrow::Cow;

/// Deepest nesting of lists and objects that is written or read.
pub const MAX_DEPTH: usize = 16;
/// Most bytes a compressed list of values may unpack to.
pub const MAX_UNPACKED: usize = 1 << 30;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const FLOAT: u8 = 4;
pub(super) const STR: u8 = 5;
const LIST: u8 = 6;
const OBJECT: u8 = 7;
/// A text that reads as a UUID in lower case: half the bytes, and those of a random one cannot be compressed any further.
const UUID: u8 = 8;

const STORED: u8 = 0;
const LZ4: u8 = 1;
const HEX: u8 = 2;
const FRONT: u8 = 3;
/// Below this nothing is won by compression.
const MIN_LZ4: usize = 128;

fn reserve(out: &mut Vec<u8>, n: usize) -> Result<()> {
    out.try_reserve(n).map_err(|_| Error::OutOfMemory("encoded values"))
}

/// Where a UUID has its dashes.
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// What a hexadecimal digit in lower case stands for; 255 for every other byte. Made by the compiler: out of bounds would
/// not build.
#[allow(clippy::indexing_slicing)]
const DIGIT: [u8; 256] = {
    let mut t = [255u8; 256];
    let mut i = 0;
    while i < 16 {
        t[b"0123456789abcdef"[i] as usize] = i as u8;
        i += 1;
    }
    t
};

/// The bytes of a text that is a UUID in lower case with dashes, so that [`uuid_text`] gives the same text back.
fn uuid_bytes(s: &str) -> Option<[u8; 16]> {
    let text: &[u8; 36] = s.as_bytes().try_into().ok()?;
    let mut out = [0u8; 16];
    let mut at = 0;
    let mut seen = 0u8;
    // Groups of 4, 2, 2, 2 and 6 bytes.
    for (group, first) in [(4, 0), (2, 9), (2, 14), (2, 19), (6, 24)] {
        let digits = text.get(first..first + 2 * group)?;
        for (pair, slot) in digits.as_chunks::<2>().0.iter().zip(out.get_mut(at..at + group)?) {
            let [high, low] = pair.map(|b| DIGIT.get(usize::from(b)).copied().unwrap_or(255));
            seen |= high | low;
            *slot = high << 4 | low & 15;
        }
        at += group;
    }
    (seen < 16 && DASHES.iter().all(|d| text.get(*d) == Some(&b'-'))).then_some(out)
}

/// The text of a UUID.
fn uuid_chars(bytes: &[u8]) -> [u8; 36] {
    let mut out = [b'-'; 36];
    let digits = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
    let places = out.iter_mut().enumerate().filter(|(i, _)| !DASHES.contains(i));
    for ((_, slot), digit) in places.zip(digits) {
        *slot = b"0123456789abcdef".get(usize::from(digit)).copied().unwrap_or(b'0');
    }
    out
}

fn uuid_text(bytes: &[u8]) -> String {
    uuid_chars(bytes).iter().map(|b| char::from(*b)).collect()
}

/// The text that a stored value is, if it is one that is written out.
#[inline]
pub(crate) fn text_of(stored: &[u8]) -> Option<&[u8]> {
    match stored {
        // Most texts are shorter than 128 bytes.
        [STR, n, text @ ..] if *n < 0x80 => Some(text),
        [STR, rest @ ..] => {
            let mut r = Reader::new(rest, super::frame::Codec::Column);
            r.varint().ok()?;
            Some(r.rest())
        }
        _ => None,
    }
}

/// Calls `f` with the text that a stored value is, if it is one.
pub(crate) fn with_text<T>(stored: &[u8], f: impl FnOnce(&[u8]) -> T) -> Option<T> {
    match stored {
        [UUID, bytes @ ..] => Some(f(&uuid_chars(bytes))),
        _ => text_of(stored).map(f),
    }
}

/// Whether stored bytes, one value as [`put_text`] and [`put_value`] write it, are this text.
pub(crate) fn is_text(stored: &[u8], s: &str) -> bool {
    match stored {
        [STR, rest @ ..] => {
            // The length is in the header, whose own length it determines: equal lengths of the whole are enough.
            let header = if s.len() < 0x80 {
                1
            } else {
                s.len().ilog2() as usize / 7 + 1
            };
            rest.len() == header + s.len() && rest.ends_with(s.as_bytes())
        }
        [UUID, bytes @ ..] => uuid_bytes(s).is_some_and(|b| b == bytes),
        _ => false,
    }
}

/// Appends a value that is a text.
pub(crate) fn put_text(out: &mut Vec<u8>, s: &str) -> Result<()> {
    if let Some(bytes) = uuid_bytes(s) {
        reserve(out, 17)?;
        out.push(UUID);
        out.extend_from_slice(&bytes);
        return Ok(());
    }
    reserve(out, 1)?;
    out.push(STR);
    put_str(out, s)
}

fn put_str(out: &mut Vec<u8>, s: &str) -> Result<()> {
    reserve(out, s.len().saturating_add(10))?;
    put_varint(out, s.len() as u64);
    out.extend_from_slice(s.as_bytes());
    Ok(())
}

/// Appends one value. Numbers and objects are written in their canonical form.
pub fn put_value(out: &mut Vec<u8>, v: &Value) -> Result<()> {
    put_nested(out, v, 0)
}

fn put_nested(out: &mut Vec<u8>, v: &Value, depth: usize) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(Error::Limit {
            message: format!("value nested deeper than {MAX_DEPTH} levels"),
            hint: Some("Flatten the object or list.".into()),
        });
    }
    reserve(out, 16)?;
    match v {
        Value::Null => out.push(NULL),
        Value::Bool(false) => out.push(FALSE),
        Value::Bool(true) => out.push(TRUE),
        Value::Int(i) => {
            out.push(INT);
            put_varint(out, zigzag(*i));
        }
        Value::Float(f) => match Value::number(*f) {
            Value::Float(f) => {
                out.push(FLOAT);
                out.extend_from_slice(&f.to_le_bytes());
            }
            whole => put_nested(out, &whole, depth)?,
        },
        Value::Str(s) => put_text(out, s)?,
        Value::List(l) => {
            out.push(LIST);
            put_varint(out, l.len() as u64);
            for v in l {
                put_nested(out, v, depth + 1)?;
            }
        }
        Value::Object(m) if !m.is_sorted_by(|a, b| a.0 < b.0) => {
            put_nested(out, &Value::object(m.iter().cloned()), depth)?;
        }
        Value::Object(m) => {
            out.push(OBJECT);
            put_varint(out, m.len() as u64);
            for (k, v) in m {
                put_str(out, k)?;
                put_nested(out, v, depth + 1)?;
            }
        }
    }
    Ok(())
}

fn get_str(r: &mut Reader<'_>) -> Result<Box<str>> {
    let n = r.count()?;
    let text = std::str::from_utf8(r.take(n)?).map_err(|_| r.corrupt("text that is not UTF-8"))?;
    let mut s = String::new();
    s.try_reserve_exact(n).map_err(|_| Error::OutOfMemory("text"))?;
    s.push_str(text);
    Ok(s.into_boxed_str())
}

/// Reads one value.
pub fn get_value(r: &mut Reader<'_>) -> Result<Value> {
    get_nested(r, 0)
}

fn get_nested(r: &mut Reader<'_>, depth: usize) -> Result<Value> {
    if depth > MAX_DEPTH {
        return Err(r.corrupt("value nested too deep"));
    }
    Ok(match r.u8()? {
        NULL => Value::Null,
        FALSE => Value::Bool(false),
        TRUE => Value::Bool(true),
        INT => Value::Int(unzigzag(r.varint()?)),
        FLOAT => {
            let f = f64::from_bits(r.u64()?);
            match Value::number(f) {
                v @ Value::Float(_) => v,
                _ => return Err(r.corrupt("number not in canonical form")),
            }
        }
        STR => Value::Str(get_str(r)?),
        UUID => Value::str(uuid_text(r.take(16)?)),
        LIST => {
            let n = r.count()?;
            let mut l = try_vec(n, "list")?;
            for _ in 0..n {
                l.push(get_nested(r, depth + 1)?);
            }
            Value::List(l)
        }
        OBJECT => {
            let n = r.count()?;
            let mut m: Vec<(Box<str>, Value)> = try_vec(n, "object")?;
            for _ in 0..n {
                let key = get_str(r)?;
                if m.last().is_some_and(|(last, _)| *last >= key) {
                    return Err(r.corrupt("keys of an object out of order"));
                }
                m.push((key, get_nested(r, depth + 1)?));
            }
            Value::Object(m)
        }
        _ => return Err(r.corrupt("unknown type of value")),
    })
}

/// Appends a list of values: count u32, method u8, unpacked length u32, bytes to the end of the buffer.
pub fn put_values(out: &mut Vec<u8>, values: &[Value]) -> Result<()> {
    let mut raw = try_vec(values.len().saturating_mul(8), "encoded values")?;
    for v in values {
        put_value(&mut raw, v)?;
    }
    put_encoded(out, values.len(), &raw)
}

/// As [`put_values`], for values that are encoded already, one after the other.
pub(crate) fn put_encoded(out: &mut Vec<u8>, count: usize, raw: &[u8]) -> Result<()> {
    if raw.len() > MAX_UNPACKED || count > MAX_UNPACKED {
        return Err(Error::Limit {
            message: "more than 1 GiB of distinct values in one column".into(),
            hint: Some("Write smaller batches.".into()),
        });
    }
    out.extend_from_slice(&(count as u32).to_le_bytes());
    if let Some(digits) = hex_digits(count, raw) {
        return put_hex(out, digits, raw);
    }
    let front = if raw.len() >= MIN_LZ4 {
        front_coded(count, raw)?
    } else {
        None
    };
    // What this has made a third of is hardly smaller in any other way.
    let done = front.as_ref().is_some_and(|f| f.len() <= raw.len() / 3);
    let least = front.as_ref().map_or(raw.len(), Vec::len);
    if raw.len() >= MIN_LZ4 && !done {
        let room = lz4_flex::block::get_maximum_output_size(raw.len());
        let mut packed = try_vec(room, "compressed values")?;
        packed.resize(room, 0u8);
        let n = lz4_flex::block::compress_into(raw, &mut packed).unwrap_or(usize::MAX);
        // An eighth is the least that is worth unpacking for.
        if n <= raw.len() - raw.len() / 8 && n < least {
            reserve(out, 5 + n)?;
            out.push(LZ4);
            out.extend_from_slice(&(raw.len() as u32).to_le_bytes());
            out.extend_from_slice(packed.get(..n).unwrap_or_default());
            return Ok(());
        }
    }
    if let Some(front) = front.filter(|f| f.len() <= raw.len() - raw.len() / 8) {
        reserve(out, 5 + front.len())?;
        out.push(FRONT);
        out.extend_from_slice(&(raw.len() as u32).to_le_bytes());
        out.extend_from_slice(&front);
        return Ok(());
    }
    reserve(out, 5 + raw.len())?;
    out.push(STORED);
    out.extend_from_slice(&(raw.len() as u32).to_le_bytes());
    out.extend_from_slice(raw);
    Ok(())
}

/// Most digits of a text in a list of hexadecimal texts: their number is one byte.
const MAX_DIGITS: usize = 126;

/// The number of digits, when all values are texts of as many hexadecimal digits in lower case, an even number. Ids are
/// like this; no compression finds out that half of each byte is always the same.
pub(crate) fn hex_digits(count: usize, raw: &[u8]) -> Option<usize> {
    let digits = match raw {
        [STR, n, ..] if *n as usize <= MAX_DIGITS && *n > 0 && n.is_multiple_of(2) => usize::from(*n),
        _ => return None,
    };
    if count < 2 || raw.len() != count.checked_mul(digits + 2)? {
        return None;
    }
    let digit = |b: &u8| DIGIT.get(usize::from(*b)).is_some_and(|d| *d < 16);
    let all = raw.chunks_exact(digits + 2).all(|v| match v {
        [STR, n, text @ ..] => usize::from(*n) == digits && text.iter().all(digit),
        _ => false,
    });
    all.then_some(digits)
}

fn put_hex(out: &mut Vec<u8>, digits: usize, raw: &[u8]) -> Result<()> {
    reserve(out, 6 + raw.len() / 2)?;
    out.push(HEX);
    out.extend_from_slice(&(raw.len() as u32).to_le_bytes());
    out.push(digits as u8);
    for v in raw.chunks_exact(digits + 2) {
        let text = v.get(2..).unwrap_or_default();
        out.extend(text.as_chunks::<2>().0.iter().map(|pair| {
            let [high, low] = pair.map(|b| DIGIT.get(usize::from(b)).copied().unwrap_or(0) & 15);
            high << 4 | low
        }));
    }
    Ok(())
}

/// The values that [`put_hex`] packed, in their usual form.
fn get_hex(mut r: Reader<'_>, count: usize, raw_len: usize) -> Result<Vec<u8>> {
    const TEXT: [u8; 16] = *b"0123456789abcdef";
    let digits = usize::from(r.u8()?);
    let fits = (2..=MAX_DIGITS).contains(&digits)
        && digits.is_multiple_of(2)
        && r.left().checked_mul(2) == count.checked_mul(digits)
        && count.checked_mul(digits + 2) == Some(raw_len);
    if !fits {
        return Err(r.corrupt("wrong length of values"));
    }
    let mut raw = try_vec(raw_len, "unpacked values")?;
    for v in r.rest().chunks_exact(digits / 2) {
        raw.extend_from_slice(&[STR, digits as u8]);
        for b in v {
            let digit = |d: u8| TEXT.get(usize::from(d)).copied().unwrap_or(b'0');
            raw.extend_from_slice(&[digit(b >> 4), digit(b & 15)]);
        }
    }
    Ok(raw)
}

/// Reads what [`put_values`] wrote; takes the reader to its end.
pub fn get_values(r: Reader<'_>) -> Result<Vec<Value>> {
    let codec = r.codec();
    let (count, raw) = get_encoded(r)?;
    list_of(Reader::new(&raw, codec), count)
}

/// The number of values that [`put_values`] wrote, and their encoded form, one after the other; takes the reader to its
/// end.
pub(crate) fn get_encoded(mut r: Reader<'_>) -> Result<(usize, Cow<'_, [u8]>)> {
    let count = r.u32()? as usize;
    let method = r.u8()?;
    let raw_len = r.u32()? as usize;
    match method {
        STORED if raw_len == r.left() => Ok((count, Cow::Borrowed(r.rest()))),
        // LZ4 cannot expand by more than 255; whoever declares more is lying.
        LZ4 if raw_len <= MAX_UNPACKED && raw_len / 255 <= r.left() => {
            let mut raw = try_vec(raw_len, "unpacked values")?;
            raw.resize(raw_len, 0u8);
            match lz4_flex::block::decompress_into(r.rest(), &mut raw) {
                Ok(n) if n == raw_len => Ok((count, Cow::Owned(raw))),
                _ => Err(r.corrupt("values do not unpack")),
            }
        }
        HEX => Ok((count, Cow::Owned(get_hex(r, count, raw_len)?))),
        FRONT => Ok((count, Cow::Owned(get_front(r, count, raw_len)?))),
        STORED | LZ4 => Err(r.corrupt("wrong length of values")),
        _ => Err(r.corrupt("unknown compression of values")),
    }
}

/// Steps over one encoded value. Texts are not looked into.
pub(crate) fn skip_value(r: &mut Reader<'_>) -> Result<()> {
    skip_nested(r, 0)
}

fn skip_nested(r: &mut Reader<'_>, depth: usize) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(r.corrupt("value nested too deep"));
    }
    match r.u8()? {
        NULL | FALSE | TRUE => {}
        INT => drop(r.varint()?),
        FLOAT => drop(r.take(8)?),
        STR => {
            let n = r.count()?;
            r.take(n)?;
        }
        UUID => drop(r.take(16)?),
        LIST => {
            for _ in 0..r.count()? {
                skip_nested(r, depth + 1)?;
            }
        }
        OBJECT => {
            for _ in 0..r.count()? {
                let n = r.count()?;
                r.take(n)?;
                skip_nested(r, depth + 1)?;
            }
        }
        _ => return Err(r.corrupt("unknown type of value")),
    }
    Ok(())
}

/// The number that an encoded value is, if it is one.
pub(crate) fn number_of(encoded: &[u8]) -> Result<Option<Value>> {
    match encoded.first() {
        Some(&INT) | Some(&FLOAT) => get_value(&mut Reader::new(encoded, super::frame::Codec::Column)).map(Some),
        _ => Ok(None),
    }
}

fn list_of(mut r: Reader<'_>, count: usize) -> Result<Vec<Value>> {
    if count > r.left() {
        return Err(r.corrupt("more values than bytes"));
    }
    let mut values = try_vec(count, "values")?;
    for _ in 0..count {
        values.push(get_value(&mut r)?);
    }
    r.finish()?;
    Ok(values)
}
