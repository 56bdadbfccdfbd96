//! The SQL type `roaringbitmap`: a set of integers. Names and meaning follow pg_roaringbitmap.
//!
//! An `integer` stands for the unsigned number of the same 32 bits, so the order is 0 … 2147483647, -2147483648 … -1.
//! The stored bytes are the portable format of the Roaring specification and nothing else.

use super::{binary, from_c_str, from_hex, stored, text, to_c_string};
use crate::pg::ErrorReport;
use crate::pg::interrupts::Interrupts;
use crate::pg::varlena::{Int4Array, Roaring, RoaringBuf, received};
use engine::bitmap::{self, Bitmap, Op, View};
use engine::error::Error;
use pgrx::iter::SetOfIterator;
use pgrx::prelude::*;
use std::ffi::{CStr, CString};

fn decode(value: &Roaring<'_>) -> Result<Bitmap, ErrorReport> {
    Bitmap::from_portable(value.0).map_err(stored)
}

fn encode(set: Bitmap) -> Result<RoaringBuf, ErrorReport> {
    RoaringBuf::new(set.into_portable().map_err(stored)?)
}

fn view<'a>(value: &Roaring<'a>) -> Result<View<'a>, ErrorReport> {
    View::new(value.0).map_err(stored)
}

/// Bytes from outside become a value: checked whole, and written anew, so that stored bytes are always our own.
fn import(bytes: &[u8], wrong: impl Fn(Error) -> ErrorReport + Copy) -> Result<RoaringBuf, ErrorReport> {
    let set = Bitmap::from_portable(bytes).map_err(wrong)?;
    RoaringBuf::new(set.into_portable().map_err(wrong)?)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn roaringbitmap_in(literal: &CStr) -> Result<RoaringBuf, ErrorReport> {
    let literal = from_c_str(literal)?;
    match from_hex(literal) {
        Some(bytes) => import(&bytes?, text),
        None => RoaringBuf::new(
            Bitmap::parse(literal, &mut Interrupts)
                .and_then(Bitmap::into_portable)
                .map_err(text)?,
        ),
    }
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn roaringbitmap_out(a: Roaring<'_>) -> Result<CString, ErrorReport> {
    to_c_string(decode(&a)?.to_text(&mut Interrupts).map_err(stored)?)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn roaringbitmap_recv(mut message: pgrx::Internal) -> Result<RoaringBuf, ErrorReport> {
    import(&received(&mut message)?, binary)
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
    import(bytes, binary)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_build(ids: Array<'_, i32>) -> Result<RoaringBuf, ErrorReport> {
    if ids.contains_nulls() {
        return Err(ErrorReport::new(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "array must not contain nulls",
            "",
        ));
    }
    let ids = ids.iter().flatten().map(|id| id as u32);
    encode(Bitmap::from_ids(ids, &mut Interrupts).map_err(stored)?)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_to_array(a: Roaring<'_>) -> Result<Int4Array, ErrorReport> {
    let set = decode(&a)?;
    Int4Array::from_ids(set.len(), set.iter().map(|id| id as i32), &mut Interrupts)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_iterate(a: Roaring<'_>) -> Result<SetOfIterator<'static, i32>, ErrorReport> {
    Ok(SetOfIterator::new(decode(&a)?.into_iter().map(|id| id as i32)))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_cardinality(a: Roaring<'_>) -> Result<i64, ErrorReport> {
    Ok(count(view(&a)?.cardinality()))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_is_empty(a: Roaring<'_>) -> Result<bool, ErrorReport> {
    Ok(view(&a)?.is_empty())
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_and(a: Roaring<'_>, b: Roaring<'_>) -> Result<RoaringBuf, ErrorReport> {
    apply(Op::And, &a, &b)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_or(a: Roaring<'_>, b: Roaring<'_>) -> Result<RoaringBuf, ErrorReport> {
    apply(Op::Or, &a, &b)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_xor(a: Roaring<'_>, b: Roaring<'_>) -> Result<RoaringBuf, ErrorReport> {
    apply(Op::Xor, &a, &b)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_andnot(a: Roaring<'_>, b: Roaring<'_>) -> Result<RoaringBuf, ErrorReport> {
    apply(Op::AndNot, &a, &b)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_and_cardinality(a: Roaring<'_>, b: Roaring<'_>) -> Result<i64, ErrorReport> {
    cardinality_of(Op::And, &a, &b)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_or_cardinality(a: Roaring<'_>, b: Roaring<'_>) -> Result<i64, ErrorReport> {
    cardinality_of(Op::Or, &a, &b)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_xor_cardinality(a: Roaring<'_>, b: Roaring<'_>) -> Result<i64, ErrorReport> {
    cardinality_of(Op::Xor, &a, &b)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_andnot_cardinality(a: Roaring<'_>, b: Roaring<'_>) -> Result<i64, ErrorReport> {
    cardinality_of(Op::AndNot, &a, &b)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_contains(a: Roaring<'_>, b: Roaring<'_>) -> Result<bool, ErrorReport> {
    Ok(decode(&a)?.contains_all(&decode(&b)?))
}

#[pg_extern(schema = "analytics_groups", name = "rb_contains", immutable, strict, parallel_safe)]
fn rb_contains_id(a: Roaring<'_>, id: i32) -> Result<bool, ErrorReport> {
    view(&a)?.contains(id as u32).map_err(stored)
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
fn rb_id_containedby(id: i32, a: Roaring<'_>) -> Result<bool, ErrorReport> {
    rb_contains_id(a, id)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_intersect(a: Roaring<'_>, b: Roaring<'_>) -> Result<bool, ErrorReport> {
    Ok(decode(&a)?.intersects(&decode(&b)?))
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_equals(a: Roaring<'_>, b: Roaring<'_>) -> Result<bool, ErrorReport> {
    bitmap::same(a.0, b.0).map_err(stored)
}

#[pg_extern(schema = "analytics_groups", immutable, strict, parallel_safe)]
fn rb_not_equals(a: Roaring<'_>, b: Roaring<'_>) -> Result<bool, ErrorReport> {
    rb_equals(a, b).map(|same| !same)
}

fn apply(op: Op, a: &Roaring<'_>, b: &Roaring<'_>) -> Result<RoaringBuf, ErrorReport> {
    encode(decode(a)?.apply(op, decode(b)?).map_err(stored)?)
}

fn cardinality_of(op: Op, a: &Roaring<'_>, b: &Roaring<'_>) -> Result<i64, ErrorReport> {
    Ok(count(decode(a)?.cardinality_of(op, &decode(b)?)))
}

/// A set has at most 2^32 ids.
pub fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
