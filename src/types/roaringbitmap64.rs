//! The SQL type `roaringbitmap64`: a set of bigints. Names and meaning follow pg_roaringbitmap.
//!
//! A `bigint` stands for the unsigned number of the same 64 bits, so negative ids come last. The stored bytes are the
//! 64-bit extension of the portable format of the Roaring specification and nothing else.

use super::{
    as_bytes, count, from_c_str, from_hex, jaccard, null_id, selected, set_binary, set_text, stored, to_c_string,
    to_hex,
};
use crate::pg::ErrorReport;
use crate::pg::interrupts::Interrupts;
use crate::pg::varlena::{Int8Array, Roaring, Roaring64, Roaring64Buf, RoaringBuf, received};
use engine::bitmap::text::{parse64 as parse, write64 as write};
use engine::bitmap::wide::{self as ops, View64 as View};
use engine::bitmap::{Op, View as Narrow};
use pgrx::iter::{SetOfIterator, TableIterator};
use pgrx::prelude::*;
use std::cmp::Ordering;
use std::ffi::{CStr, CString};

fn view<'a>(value: &Roaring64<'a>) -> Result<View<'a>, ErrorReport> {
    View::new(value.0).map_err(stored)
}

fn made(set: engine::error::Result<Vec<u8>>) -> Result<Roaring64Buf, ErrorReport> {
    Roaring64Buf::new(set.map_err(stored)?)
}

/// First and last id of `start .. end`, both unsigned; without an end when that is 0. `None` when nothing is between.
fn range(start: i64, end: i64) -> Option<(u64, u64)> {
    let (first, last) = (start as u64, (end as u64).wrapping_sub(1));
    (first <= last).then_some((first, last))
}

fn with_range(op: Op, a: &Roaring64<'_>, start: i64, end: i64) -> Result<Roaring64Buf, ErrorReport> {
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
fn roaringbitmap64_in(literal: &CStr) -> Result<Roaring64Buf, ErrorReport> {
    let literal = from_c_str(literal)?;
    Roaring64Buf::new(match from_hex(literal) {
        Some(bytes) => ops::import(&bytes?).map_err(set_text)?,
        None => parse(literal, &mut Interrupts).map_err(set_text)?,
    })
}

#[pg_extern(schema = "analytics_groups", stable, strict, parallel_safe)]
fn roaringbitmap64_out(a: Roaring64<'_>) -> Result<CString, ErrorReport> {
    let set = view(&a)?;
    to_c_string(if as_bytes(ops::cardinality(&set).map_err(stored)?)? {
        to_hex(a.0)?
    } else {
        write(&set, &mut Interrupts).map_err(stored)?
    })
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn roaringbitmap64_recv(mut message: pgrx::Internal) -> Result<Roaring64Buf, ErrorReport> {
    Roaring64Buf::new(ops::import(&received(&mut message)?).map_err(set_binary)?)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn roaringbitmap64_send(a: Roaring64<'_>) -> &[u8] {
    a.0
}

#[pg_extern(
    schema = "analytics_groups",
    name = "roaringbitmap64",
    immutable,
    strict,
    parallel_safe
)]
fn roaringbitmap64_from_bytea(bytes: &[u8]) -> Result<Roaring64Buf, ErrorReport> {
    Roaring64Buf::new(ops::import(bytes).map_err(set_binary)?)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_from_bytea(bytes: &[u8]) -> Result<Roaring64Buf, ErrorReport> {
    roaringbitmap64_from_bytea(bytes)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_build(ids: Array<'_, i64>) -> Result<Roaring64Buf, ErrorReport> {
    if ids.contains_nulls() {
        return Err(null_id());
    }
    let mut list = engine::error::try_vec(ids.len(), "ids of a bitmap").map_err(stored)?;
    match ids.as_slice() {
        Ok(ids) => list.extend(ids.iter().map(|id| *id as u64)),
        Err(_) => list.extend(ids.iter().flatten().map(|id| id as u64)),
    }
    made(ops::of_ids(list))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_to_array(a: Roaring64<'_>) -> Result<Int8Array, ErrorReport> {
    let set = view(&a)?;
    let ids = ops::into_ids(&set).map_err(stored)?.map(|id| id as i64);
    Int8Array::from_ids(ops::cardinality(&set).map_err(stored)?, ids, &mut Interrupts)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_iterate(a: Roaring64<'_>) -> Result<SetOfIterator<'static, i64>, ErrorReport> {
    Ok(SetOfIterator::new(
        ops::into_ids(&view(&a)?).map_err(stored)?.map(|id| id as i64),
    ))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_cardinality(a: Roaring64<'_>) -> Result<i64, ErrorReport> {
    Ok(count(ops::cardinality(&view(&a)?).map_err(stored)?))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_is_empty(a: Roaring64<'_>) -> Result<bool, ErrorReport> {
    Ok(view(&a)?.is_empty())
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_min(a: Roaring64<'_>) -> Result<Option<i64>, ErrorReport> {
    Ok(view(&a)?.min().map_err(stored)?.map(|id| id as i64))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_max(a: Roaring64<'_>) -> Result<Option<i64>, ErrorReport> {
    Ok(view(&a)?.max().map_err(stored)?.map(|id| id as i64))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_runoptimize(a: Roaring64<'_>) -> Result<Roaring64Buf, ErrorReport> {
    made(ops::compact(&view(&a)?))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_add(a: Roaring64<'_>, id: i64) -> Result<Roaring64Buf, ErrorReport> {
    made(ops::with_range(
        Op::Or,
        &view(&a)?,
        id as u64,
        id as u64,
        &mut Interrupts,
    ))
}

#[pg_extern(schema = "analytics_groups", name = "rb64_add", immutable, strict, parallel_safe)]
fn rb64_add_to(id: i64, a: Roaring64<'_>) -> Result<Roaring64Buf, ErrorReport> {
    rb64_add(a, id)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_remove(a: Roaring64<'_>, id: i64) -> Result<Roaring64Buf, ErrorReport> {
    made(ops::with_range(
        Op::AndNot,
        &view(&a)?,
        id as u64,
        id as u64,
        &mut Interrupts,
    ))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_and(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<Roaring64Buf, ErrorReport> {
    made(ops::apply(Op::And, &view(&a)?, &view(&b)?, &mut Interrupts))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_or(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<Roaring64Buf, ErrorReport> {
    made(ops::apply(Op::Or, &view(&a)?, &view(&b)?, &mut Interrupts))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_xor(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<Roaring64Buf, ErrorReport> {
    made(ops::apply(Op::Xor, &view(&a)?, &view(&b)?, &mut Interrupts))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_andnot(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<Roaring64Buf, ErrorReport> {
    made(ops::apply(Op::AndNot, &view(&a)?, &view(&b)?, &mut Interrupts))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_and_cardinality(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<i64, ErrorReport> {
    ops::cardinality_of(Op::And, &view(&a)?, &view(&b)?)
        .map(count)
        .map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_or_cardinality(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<i64, ErrorReport> {
    ops::cardinality_of(Op::Or, &view(&a)?, &view(&b)?)
        .map(count)
        .map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_xor_cardinality(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<i64, ErrorReport> {
    ops::cardinality_of(Op::Xor, &view(&a)?, &view(&b)?)
        .map(count)
        .map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_andnot_cardinality(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<i64, ErrorReport> {
    ops::cardinality_of(Op::AndNot, &view(&a)?, &view(&b)?)
        .map(count)
        .map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_jaccard_dist(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<f64, ErrorReport> {
    let (a, b) = (view(&a)?, view(&b)?);
    let size = |set| ops::cardinality(set).map_err(stored);
    Ok(jaccard(size(&a)?, size(&b)?, ops::common(&a, &b).map_err(stored)?))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_contains(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<bool, ErrorReport> {
    ops::contains_all(&view(&a)?, &view(&b)?).map_err(stored)
}

#[pg_extern(
    schema = "analytics_groups",
    name = "rb64_contains",
    immutable,
    strict,
    parallel_safe
)]
fn rb64_contains_id(a: Roaring64<'_>, id: i64) -> Result<bool, ErrorReport> {
    view(&a)?.contains(id as u64).map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_containedby(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<bool, ErrorReport> {
    rb64_contains(b, a)
}

#[pg_extern(
    schema = "analytics_groups",
    name = "rb64_containedby",
    immutable,
    strict,
    parallel_safe
)]
fn rb64_id_containedby(id: i64, a: Roaring64<'_>) -> Result<bool, ErrorReport> {
    rb64_contains_id(a, id)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_intersect(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<bool, ErrorReport> {
    ops::intersects(&view(&a)?, &view(&b)?).map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_rank(a: Roaring64<'_>, id: i64) -> Result<i64, ErrorReport> {
    view(&a)?.rank(id as u64).map(count).map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_index(a: Roaring64<'_>, id: i64) -> Result<i64, ErrorReport> {
    let a = view(&a)?;
    if !a.contains(id as u64).map_err(stored)? {
        return Ok(-1);
    }
    Ok(count(a.rank(id as u64).map_err(stored)?) - 1)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_fill(a: Roaring64<'_>, range_start: i64, range_end: i64) -> Result<Roaring64Buf, ErrorReport> {
    with_range(Op::Or, &a, range_start, range_end)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_clear(a: Roaring64<'_>, range_start: i64, range_end: i64) -> Result<Roaring64Buf, ErrorReport> {
    with_range(Op::AndNot, &a, range_start, range_end)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_flip(a: Roaring64<'_>, range_start: i64, range_end: i64) -> Result<Roaring64Buf, ErrorReport> {
    with_range(Op::Xor, &a, range_start, range_end)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_range(a: Roaring64<'_>, range_start: i64, range_end: i64) -> Result<Roaring64Buf, ErrorReport> {
    with_range(Op::And, &a, range_start, range_end)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_range_cardinality(a: Roaring64<'_>, range_start: i64, range_end: i64) -> Result<i64, ErrorReport> {
    Ok(count(places(&view(&a)?, range_start, range_end)?.1))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_select(
    a: Roaring64<'_>,
    bitset_limit: i64,
    bitset_offset: default!(i64, 0),
    reverse: default!(bool, false),
    range_start: default!(i64, 0),
    range_end: default!(i64, 0),
) -> Result<Roaring64Buf, ErrorReport> {
    let a = view(&a)?;
    let (before, total) = places(&a, range_start, range_end)?;
    let (skip, take) = selected(total, bitset_limit, bitset_offset, reverse);
    made(ops::slice(&a, before.saturating_add(skip), take, &mut Interrupts))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_shiftright(a: Roaring64<'_>, distance: i64) -> Result<Roaring64Buf, ErrorReport> {
    made(ops::shift(&view(&a)?, distance, &mut Interrupts))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_shiftleft(a: Roaring64<'_>, distance: i64) -> Result<Roaring64Buf, ErrorReport> {
    // The one distance without a counterpart moves everything out either way.
    rb64_shiftright(a, distance.checked_neg().unwrap_or(i64::MAX))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_equals(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<bool, ErrorReport> {
    ops::same(&view(&a)?, &view(&b)?).map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_not_equals(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<bool, ErrorReport> {
    rb64_equals(a, b).map(|same| !same)
}

fn order(a: &Roaring64<'_>, b: &Roaring64<'_>) -> Result<Ordering, ErrorReport> {
    ops::compare(&view(a)?, &view(b)?).map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_cmp(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<i32, ErrorReport> {
    Ok(order(&a, &b)? as i32)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_lt(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<bool, ErrorReport> {
    Ok(order(&a, &b)?.is_lt())
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_le(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<bool, ErrorReport> {
    Ok(order(&a, &b)?.is_le())
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_gt(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<bool, ErrorReport> {
    Ok(order(&a, &b)?.is_gt())
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_ge(a: Roaring64<'_>, b: Roaring64<'_>) -> Result<bool, ErrorReport> {
    Ok(order(&a, &b)?.is_ge())
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_hash(a: Roaring64<'_>) -> Result<i32, ErrorReport> {
    ops::hash(&view(&a)?, 0).map(|h| h as i32).map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_hash_extended(a: Roaring64<'_>, seed: i64) -> Result<i64, ErrorReport> {
    // With seed 0 the lower half is rb64_hash, as Postgres demands.
    ops::hash(&view(&a)?, seed as u64).map(|h| h as i64).map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_from_roaringbitmap(a: Roaring<'_>) -> Result<Roaring64Buf, ErrorReport> {
    let a = Narrow::new(a.0).map_err(stored)?;
    made(ops::from_narrow(&a, &mut Interrupts))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb64_to_roaringbitmap(a: Roaring64<'_>) -> Result<RoaringBuf, ErrorReport> {
    match ops::to_narrow(&view(&a)?, &mut Interrupts).map_err(stored)? {
        Ok(set) => RoaringBuf::new(set),
        Err(id) => Err(ErrorReport::new(
            PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
            format!("value \"{id}\" is out of range for type integer"),
            "",
        )),
    }
}

/// How a set is stored.
#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
#[allow(clippy::type_complexity)]
fn rb64_stats(
    a: Roaring64<'_>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(cardinality, i64),
            name!(smallest, Option<i64>),
            name!(largest, Option<i64>),
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
        set.min().map_err(stored)?.map(|id| id as i64),
        set.max().map_err(stored)?.map(|id| id as i64),
        count(stats.arrays),
        count(stats.bits),
        count(stats.runs),
        count(stats.bytes),
    )))
}
