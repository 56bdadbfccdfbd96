//! The SQL type `roaringbitmap`: a set of integers. Names and meaning follow pg_roaringbitmap.
//!
//! An `integer` stands for the unsigned number of the same 32 bits, so the order is 0 … 2147483647, -2147483648 … -1.
//! The stored bytes are the portable format of the Roaring specification and nothing else.

use super::{
    as_bytes, count, from_c_str, from_hex, jaccard, null_id, selected, set_binary, set_text, stored, to_c_string,
    to_hex,
};
use crate::pg::ErrorReport;
use crate::pg::interrupts::Interrupts;
use crate::pg::varlena::{Int4Array, LazyRoaring, Roaring, RoaringBuf, Toasted, received};
use engine::bitmap::text::{parse, write};
use engine::bitmap::{Op, Pieces, View, ops};
use pgrx::iter::{SetOfIterator, TableIterator};
use pgrx::prelude::*;
use std::cmp::Ordering;
use std::ffi::{CStr, CString};

/// Ids there can be: one past the largest, as the exclusive end of a range.
const END: i64 = 1 << 32;

fn view<'a>(value: &Roaring<'a>) -> Result<View<'a>, ErrorReport> {
    View::new(value.0).map_err(stored)
}

/// A set in a TOAST table: what is asked of it fetches the header and one container at most.
fn pieces(value: Toasted) -> Pieces<impl FnMut(usize, usize) -> engine::error::Result<Vec<u8>>> {
    Pieces::new(value.len(), move |first, count| value.slice(first, count))
}

fn whole<'a>(value: &'a [u8]) -> Result<View<'a>, ErrorReport> {
    View::new(value).map_err(stored)
}

fn made(set: engine::error::Result<Vec<u8>>) -> Result<RoaringBuf, ErrorReport> {
    RoaringBuf::new(set.map_err(stored)?)
}

/// First and last id of `start .. end`, cut to the ids there are; `None` when nothing is between them.
fn range(start: i64, end: i64) -> Option<(u32, u32)> {
    let (start, end) = (start.max(0), end.clamp(0, END));
    let last = u32::try_from(end.checked_sub(1)?).ok()?;
    u32::try_from(start)
        .ok()
        .filter(|first| *first <= last)
        .map(|first| (first, last))
}

fn with_range(op: Op, a: &Roaring<'_>, start: i64, end: i64) -> Result<RoaringBuf, ErrorReport> {
    // Nothing is in a range that ends before it begins.
    let (first, last) = range(start, end).unwrap_or((1, 0));
    made(ops::with_range(op, &view(a)?, first, last, &mut Interrupts))
}

/// How many ids come before the range, and how many are in it.
fn places(a: &View<'_>, start: i64, end: i64) -> Result<(u64, u64), ErrorReport> {
    let Some((first, last)) = range(start, end) else {
        return Ok((0, 0));
    };
    let before = match first.checked_sub(1) {
        Some(id) => a.rank(id).map_err(stored)?,
        None => 0,
    };
    Ok((before, a.rank(last).map_err(stored)?.saturating_sub(before)))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn roaringbitmap_in(literal: &CStr) -> Result<RoaringBuf, ErrorReport> {
    let literal = from_c_str(literal)?;
    RoaringBuf::new(match from_hex(literal) {
        Some(bytes) => ops::import(&bytes?).map_err(set_text)?,
        None => parse(literal, &mut Interrupts).map_err(set_text)?,
    })
}

#[pg_extern(schema = "analytics_groups", stable, strict, parallel_safe)]
fn roaringbitmap_out(a: Roaring<'_>) -> Result<CString, ErrorReport> {
    let set = view(&a)?;
    to_c_string(if as_bytes(ops::cardinality(&set).map_err(stored)?)? {
        to_hex(a.0)?
    } else {
        write(&set, &mut Interrupts).map_err(stored)?
    })
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn roaringbitmap_recv(mut message: pgrx::Internal) -> Result<RoaringBuf, ErrorReport> {
    RoaringBuf::new(ops::import(&received(&mut message)?).map_err(set_binary)?)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn roaringbitmap_send(a: Roaring<'_>) -> &[u8] {
    a.0
}

#[pg_extern(
    schema = "analytics_groups",
    name = "roaringbitmap",
    immutable,
    strict,
    parallel_safe
)]
fn roaringbitmap_from_bytea(bytes: &[u8]) -> Result<RoaringBuf, ErrorReport> {
    RoaringBuf::new(ops::import(bytes).map_err(set_binary)?)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_from_bytea(bytes: &[u8]) -> Result<RoaringBuf, ErrorReport> {
    roaringbitmap_from_bytea(bytes)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_build(ids: Array<'_, i32>) -> Result<RoaringBuf, ErrorReport> {
    if ids.contains_nulls() {
        return Err(null_id());
    }
    let mut list = engine::error::try_vec(ids.len(), "ids of a bitmap").map_err(stored)?;
    match ids.as_slice() {
        Ok(ids) => list.extend(ids.iter().map(|id| *id as u32)),
        Err(_) => list.extend(ids.iter().flatten().map(|id| id as u32)),
    }
    made(engine::bitmap::of_ids(list))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_to_array(a: Roaring<'_>) -> Result<Int4Array, ErrorReport> {
    let set = view(&a)?;
    let ids = ops::into_ids(&set).map_err(stored)?.map(|id| id as i32);
    Int4Array::from_ids(ops::cardinality(&set).map_err(stored)?, ids, &mut Interrupts)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_iterate(a: Roaring<'_>) -> Result<SetOfIterator<'static, i32>, ErrorReport> {
    Ok(SetOfIterator::new(
        ops::into_ids(&view(&a)?).map_err(stored)?.map(|id| id as i32),
    ))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_cardinality(a: LazyRoaring<'_>) -> Result<i64, ErrorReport> {
    Ok(count(match a {
        LazyRoaring::Whole(bytes) => whole(bytes)?.cardinality(),
        LazyRoaring::Toasted(value) => pieces(value).cardinality().map_err(stored)?,
    }))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_is_empty(a: LazyRoaring<'_>) -> Result<bool, ErrorReport> {
    match a {
        LazyRoaring::Whole(bytes) => Ok(whole(bytes)?.is_empty()),
        LazyRoaring::Toasted(value) => pieces(value).is_empty().map_err(stored),
    }
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_min(a: LazyRoaring<'_>) -> Result<Option<i32>, ErrorReport> {
    let id = match a {
        LazyRoaring::Whole(bytes) => whole(bytes)?.min(),
        LazyRoaring::Toasted(value) => pieces(value).min(),
    };
    Ok(id.map_err(stored)?.map(|id| id as i32))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_max(a: LazyRoaring<'_>) -> Result<Option<i32>, ErrorReport> {
    let id = match a {
        LazyRoaring::Whole(bytes) => whole(bytes)?.max(),
        LazyRoaring::Toasted(value) => pieces(value).max(),
    };
    Ok(id.map_err(stored)?.map(|id| id as i32))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_runoptimize(a: Roaring<'_>) -> Result<RoaringBuf, ErrorReport> {
    made(ops::compact(&view(&a)?))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_add(a: Roaring<'_>, id: i32) -> Result<RoaringBuf, ErrorReport> {
    made(ops::with_range(
        Op::Or,
        &view(&a)?,
        id as u32,
        id as u32,
        &mut Interrupts,
    ))
}

#[pg_extern(schema = "analytics_groups", name = "rb_add", immutable, strict, parallel_safe)]
fn rb_add_to(id: i32, a: Roaring<'_>) -> Result<RoaringBuf, ErrorReport> {
    rb_add(a, id)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_remove(a: Roaring<'_>, id: i32) -> Result<RoaringBuf, ErrorReport> {
    made(ops::with_range(
        Op::AndNot,
        &view(&a)?,
        id as u32,
        id as u32,
        &mut Interrupts,
    ))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_and(a: Roaring<'_>, b: Roaring<'_>) -> Result<RoaringBuf, ErrorReport> {
    made(ops::apply(Op::And, &view(&a)?, &view(&b)?, &mut Interrupts))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_or(a: Roaring<'_>, b: Roaring<'_>) -> Result<RoaringBuf, ErrorReport> {
    made(ops::apply(Op::Or, &view(&a)?, &view(&b)?, &mut Interrupts))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_xor(a: Roaring<'_>, b: Roaring<'_>) -> Result<RoaringBuf, ErrorReport> {
    made(ops::apply(Op::Xor, &view(&a)?, &view(&b)?, &mut Interrupts))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_andnot(a: Roaring<'_>, b: Roaring<'_>) -> Result<RoaringBuf, ErrorReport> {
    made(ops::apply(Op::AndNot, &view(&a)?, &view(&b)?, &mut Interrupts))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_and_cardinality(a: Roaring<'_>, b: Roaring<'_>) -> Result<i64, ErrorReport> {
    ops::cardinality_of(Op::And, &view(&a)?, &view(&b)?)
        .map(count)
        .map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_or_cardinality(a: Roaring<'_>, b: Roaring<'_>) -> Result<i64, ErrorReport> {
    ops::cardinality_of(Op::Or, &view(&a)?, &view(&b)?)
        .map(count)
        .map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_xor_cardinality(a: Roaring<'_>, b: Roaring<'_>) -> Result<i64, ErrorReport> {
    ops::cardinality_of(Op::Xor, &view(&a)?, &view(&b)?)
        .map(count)
        .map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_andnot_cardinality(a: Roaring<'_>, b: Roaring<'_>) -> Result<i64, ErrorReport> {
    ops::cardinality_of(Op::AndNot, &view(&a)?, &view(&b)?)
        .map(count)
        .map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_jaccard_dist(a: Roaring<'_>, b: Roaring<'_>) -> Result<f64, ErrorReport> {
    let (a, b) = (view(&a)?, view(&b)?);
    let size = |set| ops::cardinality(set).map_err(stored);
    Ok(jaccard(size(&a)?, size(&b)?, ops::common(&a, &b).map_err(stored)?))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_contains(a: Roaring<'_>, b: Roaring<'_>) -> Result<bool, ErrorReport> {
    ops::contains_all(&view(&a)?, &view(&b)?).map_err(stored)
}

#[pg_extern(schema = "analytics_groups", name = "rb_contains", immutable, strict, parallel_safe)]
fn rb_contains_id(a: LazyRoaring<'_>, id: i32) -> Result<bool, ErrorReport> {
    match a {
        LazyRoaring::Whole(bytes) => whole(bytes)?.contains(id as u32).map_err(stored),
        LazyRoaring::Toasted(value) => pieces(value).contains(id as u32).map_err(stored),
    }
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_exsit(a: LazyRoaring<'_>, id: i32) -> Result<bool, ErrorReport> {
    rb_contains_id(a, id)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_containedby(a: Roaring<'_>, b: Roaring<'_>) -> Result<bool, ErrorReport> {
    rb_contains(b, a)
}

#[pg_extern(
    schema = "analytics_groups",
    name = "rb_containedby",
    immutable,
    strict,
    parallel_safe
)]
fn rb_id_containedby(id: i32, a: LazyRoaring<'_>) -> Result<bool, ErrorReport> {
    rb_contains_id(a, id)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_intersect(a: Roaring<'_>, b: Roaring<'_>) -> Result<bool, ErrorReport> {
    ops::intersects(&view(&a)?, &view(&b)?).map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_rank(a: Roaring<'_>, id: i32) -> Result<i64, ErrorReport> {
    view(&a)?.rank(id as u32).map(count).map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_index(a: Roaring<'_>, id: i32) -> Result<i64, ErrorReport> {
    let a = view(&a)?;
    if !a.contains(id as u32).map_err(stored)? {
        return Ok(-1);
    }
    Ok(count(a.rank(id as u32).map_err(stored)?) - 1)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_fill(a: Roaring<'_>, range_start: i64, range_end: i64) -> Result<RoaringBuf, ErrorReport> {
    with_range(Op::Or, &a, range_start, range_end)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_clear(a: Roaring<'_>, range_start: i64, range_end: i64) -> Result<RoaringBuf, ErrorReport> {
    with_range(Op::AndNot, &a, range_start, range_end)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_flip(a: Roaring<'_>, range_start: i64, range_end: i64) -> Result<RoaringBuf, ErrorReport> {
    with_range(Op::Xor, &a, range_start, range_end)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_range(a: Roaring<'_>, range_start: i64, range_end: i64) -> Result<RoaringBuf, ErrorReport> {
    with_range(Op::And, &a, range_start, range_end)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_range_cardinality(a: Roaring<'_>, range_start: i64, range_end: i64) -> Result<i64, ErrorReport> {
    Ok(count(places(&view(&a)?, range_start, range_end)?.1))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_select(
    a: Roaring<'_>,
    bitset_limit: i64,
    bitset_offset: default!(i64, 0),
    reverse: default!(bool, false),
    range_start: default!(i64, 0),
    range_end: default!(i64, 4294967296),
) -> Result<RoaringBuf, ErrorReport> {
    let a = view(&a)?;
    let (before, total) = places(&a, range_start, range_end)?;
    let (skip, take) = selected(total, bitset_limit, bitset_offset, reverse);
    made(ops::slice(&a, before.saturating_add(skip), take, &mut Interrupts))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_shiftright(a: Roaring<'_>, distance: i64) -> Result<RoaringBuf, ErrorReport> {
    made(ops::shift(&view(&a)?, distance, &mut Interrupts))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_shiftleft(a: Roaring<'_>, distance: i64) -> Result<RoaringBuf, ErrorReport> {
    // The one distance without a counterpart moves everything out either way.
    rb_shiftright(a, distance.checked_neg().unwrap_or(i64::MAX))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_equals(a: Roaring<'_>, b: Roaring<'_>) -> Result<bool, ErrorReport> {
    ops::same(&view(&a)?, &view(&b)?).map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_not_equals(a: Roaring<'_>, b: Roaring<'_>) -> Result<bool, ErrorReport> {
    rb_equals(a, b).map(|same| !same)
}

fn order(a: &Roaring<'_>, b: &Roaring<'_>) -> Result<Ordering, ErrorReport> {
    ops::compare(&view(a)?, &view(b)?).map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_cmp(a: Roaring<'_>, b: Roaring<'_>) -> Result<i32, ErrorReport> {
    Ok(order(&a, &b)? as i32)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_lt(a: Roaring<'_>, b: Roaring<'_>) -> Result<bool, ErrorReport> {
    Ok(order(&a, &b)?.is_lt())
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_le(a: Roaring<'_>, b: Roaring<'_>) -> Result<bool, ErrorReport> {
    Ok(order(&a, &b)?.is_le())
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_gt(a: Roaring<'_>, b: Roaring<'_>) -> Result<bool, ErrorReport> {
    Ok(order(&a, &b)?.is_gt())
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_ge(a: Roaring<'_>, b: Roaring<'_>) -> Result<bool, ErrorReport> {
    Ok(order(&a, &b)?.is_ge())
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_hash(a: Roaring<'_>) -> Result<i32, ErrorReport> {
    ops::hash(&view(&a)?, 0).map(|h| h as i32).map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_hash_extended(a: Roaring<'_>, seed: i64) -> Result<i64, ErrorReport> {
    // With seed 0 the lower half is rb_hash, as Postgres demands.
    ops::hash(&view(&a)?, seed as u64).map(|h| h as i64).map_err(stored)
}

/// How a set is stored.
#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
#[allow(clippy::type_complexity)]
fn rb_stats(
    a: Roaring<'_>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(cardinality, i64),
            name!(smallest, Option<i32>),
            name!(largest, Option<i32>),
            name!(arrays, i64),
            name!(bits, i64),
            name!(runs, i64),
            name!(bytes, i64),
        ),
    >,
    ErrorReport,
> {
    let set = view(&a)?;
    let stats = ops::stats(&set).map_err(stored)?;
    Ok(TableIterator::once((
        count(stats.cardinality),
        set.min().map_err(stored)?.map(|id| id as i32),
        set.max().map_err(stored)?.map(|id| id as i32),
        count(stats.arrays),
        count(stats.bits),
        count(stats.runs),
        count(stats.bytes),
    )))
}
