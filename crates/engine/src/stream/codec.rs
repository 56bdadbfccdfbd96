//! The stored form of a part: three buffers that are read apart, so that a question pays for what it looks at.

use super::{FIRST, PART_USERS, Part};
use crate::codec::frame::{Codec, open_rows, seal};
use crate::codec::ints::{get_u32s_into, put_u32s};
use crate::error::{Error, Result};

/// A stored part. Columns that were not read are empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Buffers {
    /// Number of events.
    pub n: usize,
    pub users: Vec<u8>,
    pub times: Vec<u8>,
    pub events: Vec<u8>,
}

/// Which columns a reader looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Columns {
    /// Users and the lengths of their runs.
    pub users: bool,
    pub times: bool,
    pub events: bool,
}

impl Columns {
    /// All of them.
    pub const ALL: Columns = Columns {
        users: true,
        times: true,
        events: true,
    };
}

/// Encodes a part that has all its columns.
pub fn encode(part: &Part) -> Result<Buffers> {
    check(part, Columns::ALL)?;
    let mut out = Vec::new();
    out.extend_from_slice(&(part.users.len() as u32).to_le_bytes());
    put_u32s(&mut out, &part.users)?;
    put_u32s(&mut out, &part.lengths)?;
    let users = seal(Codec::StreamUsers, 0, part.n, &out)?;
    out.clear();
    put_u32s(&mut out, &part.times)?;
    let times = seal(Codec::StreamTimes, 0, part.n, &out)?;
    out.clear();
    put_u32s(&mut out, &part.events)?;
    let events = seal(Codec::StreamEvents, 0, part.n, &out)?;
    Ok(Buffers {
        n: part.n,
        users,
        times,
        events,
    })
}

/// Decodes the wanted columns into a part whose memory is used again.
pub fn decode(buffers: &Buffers, columns: Columns, part: &mut Part) -> Result<()> {
    part.clear();
    part.n = buffers.n;
    let open = |codec: Codec, bytes| {
        let f = open_rows(codec, bytes, buffers.n)?;
        match f.flags {
            0 => Ok(f.payload),
            _ => Err(codec.corrupt("unknown flags")),
        }
    };
    if columns.users {
        let mut r = open(Codec::StreamUsers, &buffers.users)?;
        let runs = r.u32()? as usize;
        if runs > PART_USERS {
            return Err(r.corrupt("more users than a part has"));
        }
        get_u32s_into(&mut r, runs, &mut part.users)?;
        get_u32s_into(&mut r, runs, &mut part.lengths)?;
        r.finish()?;
    }
    if columns.times {
        let mut r = open(Codec::StreamTimes, &buffers.times)?;
        get_u32s_into(&mut r, part.n, &mut part.times)?;
        r.finish()?;
    }
    if columns.events {
        let mut r = open(Codec::StreamEvents, &buffers.events)?;
        get_u32s_into(&mut r, part.n, &mut part.events)?;
        r.finish()?;
    }
    check(part, columns)
}

/// What kernels rely on: runs cover all events and belong to ascending users of the part, no time is out of reach.
fn check(part: &Part, columns: Columns) -> Result<()> {
    let bad = |what: &str| Err(Error::corrupt(what));
    if columns.users {
        let ascending = part.users.is_sorted_by(|a, b| a < b);
        if part.users.len() != part.lengths.len()
            || !ascending
            || part.users.last().is_some_and(|u| *u as usize >= PART_USERS)
        {
            return bad("users out of order");
        }
        let total: u64 = part.lengths.iter().map(|l| u64::from(*l)).sum();
        if total != part.n as u64 || part.lengths.contains(&0) {
            return bad("runs that do not cover the events");
        }
    }
    if columns.times {
        let all = part.times.iter().fold(0, |all, t| all | t);
        if part.times.len() != part.n || all >= FIRST << 1 || part.times.first().is_some_and(|t| t & FIRST == 0) {
            return bad("times out of range");
        }
    }
    if columns.events && part.events.len() != part.n {
        return bad("events that are not one per row");
    }
    Ok(())
}
