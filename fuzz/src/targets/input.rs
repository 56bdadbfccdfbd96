//! How an input is taken apart.
//!
//! ```text
//! byte 0       what is done
//! byte 1       how: see the bits below
//! byte 2..4    bytes of the first value, u16; the rest is the second
//! byte 4..12   a number
//! byte 12..16  another
//! byte 16..    the two values
//! ```

/// The values have not been checked, as if they had been damaged where they are stored.
const UNCHECKED: u8 = 1;
/// The values are written short: see [`inflated`].
const INFLATED: u8 = 2;
/// A value is made of the bytes instead of being them.
const MADE: u8 = 4;
/// The header is made to fit what follows.
const MENDED: u8 = 8;

/// Bytes a short value may stand for.
const MOST: usize = 9_000;

/// Begins a repetition in a short value.
const REPEAT: u8 = 0xfe;

pub struct Input {
    pub op: u8,
    pub unchecked: bool,
    pub made: bool,
    pub mended: bool,
    pub x: u64,
    pub y: u32,
    pub a: Vec<u8>,
    pub b: Vec<u8>,
}

impl Input {
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (&[op, how, s, t, a, b, c, d, e, f, g, h, i, j, k, l], rest) = bytes.split_first_chunk::<16>()?;
        let rest = if how & INFLATED != 0 {
            inflated(rest)
        } else {
            rest.to_vec()
        };
        let (first, second) = rest.split_at(usize::from(u16::from_le_bytes([s, t])).min(rest.len()));
        Some(Input {
            op,
            unchecked: how & UNCHECKED != 0,
            made: how & MADE != 0,
            mended: how & MENDED != 0,
            x: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            y: u32::from_le_bytes([i, j, k, l]),
            a: first.to_vec(),
            b: second.to_vec(),
        })
    }
}

/// Short values: `fe n v` is the byte v n+1 times, and from n = 128 on 64 times more often; so 8 kB of a container fit in
/// a few bytes.
fn inflated(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some((byte, rest)) = bytes.split_first() {
        bytes = rest;
        match rest {
            [n, v, rest @ ..] if *byte == REPEAT => {
                bytes = rest;
                let n = usize::from(*n);
                let n = if n < 128 { n + 1 } else { (n - 127) * 64 };
                out.resize(out.len() + n, *v);
            }
            _ => out.push(*byte),
        }
        if out.len() > MOST {
            out.truncate(MOST);
            break;
        }
    }
    out
}
