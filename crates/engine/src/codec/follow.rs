//! Property columns that say again what a group column says: the property of a group key is stored beside the groups it
//! names, and a group has one text for the most part. Such a column has a value for each group, and one for each of the
//! few rows that say something else: lists, numbers, texts that were cut.

use super::column::{DICT, codes_fit};
use super::frame::{Codec, Reader, open, seal};
use super::ints::{get_presence, get_u32s, put_presence, put_u32s};
use super::values::put_encoded;
use crate::chunk::{GroupColumn, Kind, USER};
use crate::error::{Result, try_vec};

/// The way of a column whose codes follow from the first groups of a kind.
pub(super) const FOLLOWS: u8 = 4;

/// Which of the different groups a row has, counted from the least; and how many there are.
fn places(first: &[u32]) -> Result<(Vec<u32>, usize)> {
    let mut out: Vec<u32> = try_vec(first.len(), "groups")?;
    let top = first.iter().max().map_or(0, |g| *g as usize);
    if top <= first.len().saturating_mul(16).saturating_add(65_536) {
        let mut table: Vec<u32> = try_vec(top + 1, "groups")?;
        table.resize(top + 1, 0);
        for g in first {
            if let Some(slot) = table.get_mut(*g as usize) {
                *slot = 1;
            }
        }
        let mut n = 0;
        for slot in &mut table {
            let there = *slot;
            *slot = n;
            n += there;
        }
        out.extend(first.iter().map(|g| table.get(*g as usize).copied().unwrap_or(0)));
        return Ok((out, n as usize));
    }
    let mut all: Vec<u32> = try_vec(first.len(), "groups")?;
    all.extend_from_slice(first);
    all.sort_unstable();
    all.dedup();
    out.extend(first.iter().map(|g| all.binary_search(g).map_or(0, |i| i as u32)));
    Ok((out, all.len()))
}

/// Encodes a column of codes for `count` values, which are encoded already, by the groups of its rows. `None` when that is
/// no smaller than `plain`, the column by itself.
pub(crate) fn encode_following(
    groups: &GroupColumn,
    codes: &[u32],
    count: usize,
    raw: &[u8],
    plain: usize,
) -> Result<Option<Vec<u8>>> {
    if groups.first.len() != codes.len() {
        return Ok(None);
    }
    codes_fit(count, codes)?;
    let (places, different) = places(&groups.first)?;
    // The code that a group has first.
    let mut of_group: Vec<u32> = try_vec(different, "groups")?;
    of_group.resize(different, u32::MAX);
    let mut own: Vec<u32> = Vec::new();
    let most = codes.len() / 8;
    for (place, code) in places.iter().zip(codes) {
        match of_group.get_mut(*place as usize) {
            Some(slot) if *slot == u32::MAX => *slot = *code,
            Some(slot) if slot == code => {}
            _ if own.len() >= most => return Ok(None),
            _ => crate::intern::push(&mut own, *code)?,
        }
    }
    let mut out = Vec::new();
    out.extend_from_slice(&groups.kind.to_le_bytes());
    put_u32s(&mut out, &of_group)?;
    put_presence(&mut out, codes.len(), |i| {
        let place = places.get(i).map_or(0, |p| *p as usize);
        of_group.get(place) != codes.get(i)
    })?;
    put_u32s(&mut out, &own)?;
    put_encoded(&mut out, count, raw)?;
    let out = seal(Codec::Column, FOLLOWS, codes.len(), &out)?;
    Ok((out.len() < plain).then_some(out))
}

/// The kind of groups that a property column follows, if it does.
pub fn followed(column: &[u8]) -> Result<Option<Kind>> {
    // Only the header is looked at: checksums are for those who decode.
    let mut r = Reader::new(column, Codec::Column);
    let flags = r.take(3)?.last().copied();
    if flags != Some(FOLLOWS) {
        return Ok(None);
    }
    kind_of(&mut open(Codec::Column, column)?.payload).map(Some)
}

fn kind_of(r: &mut Reader<'_>) -> Result<Kind> {
    match r.u16()? {
        USER => Err(r.corrupt("users are not groups")),
        kind => Ok(kind),
    }
}

/// Gives the groups of a kind, if they are there.
pub type Groups<'a> = &'a dyn Fn(Kind) -> Option<&'a GroupColumn>;

/// For columns that follow nothing.
pub(crate) fn no_groups<'a>(_: Kind) -> Option<&'a GroupColumn> {
    None
}

/// The codes of a column; the list of its values is left to read.
pub(super) fn get_codes(flags: u8, r: &mut Reader<'_>, rows: usize, groups: Groups<'_>) -> Result<Vec<u32>> {
    if flags == DICT {
        return get_u32s(r, rows);
    }
    let kind = kind_of(r)?;
    let Some(g) = groups(kind).filter(|g| g.first.len() == rows) else {
        return Err(r.corrupt(&format!("the groups of kind {kind} are missing")));
    };
    let (mut codes, different) = places(&g.first)?;
    let of_group = get_u32s(r, different)?;
    for c in &mut codes {
        *c = of_group.get(*c as usize).copied().unwrap_or(0);
    }
    let presence = get_presence(r, rows)?;
    let own = presence.count(rows);
    let mut own = get_u32s(r, own)?.into_iter();
    if own.len() > 0 {
        for (i, c) in codes.iter_mut().enumerate() {
            if presence.get(i) {
                *c = own.next().unwrap_or(0);
            }
        }
    }
    Ok(codes)
}

/// Is this a way of codes and values?
pub(super) fn has_codes(flags: u8) -> bool {
    matches!(flags, DICT | FOLLOWS)
}
