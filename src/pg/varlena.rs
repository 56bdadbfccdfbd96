//! Arguments and results of the extension's own variable-length types.
//!
//! For each SQL type there is a borrowed view for arguments, without a copy unless the value was toasted, and an owned
//! buffer for results. The bytes of a value may begin at any address.

use engine::tick::{EVERY, Tick};
use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{FromDatum, Internal, PgSqlErrorCode, pg_sys, pg_sys::panic::ErrorReport};

/// Header of a plain variable-length value.
const VARHDRSZ: usize = 4;
/// The largest value palloc gives memory for.
const MAX_ALLOC: usize = 0x3fff_ffff;

/// The size of a value with `payload` bytes, if Postgres can hold it.
pub fn total_size(payload: usize) -> Result<i32, ErrorReport> {
    payload
        .checked_add(VARHDRSZ)
        .filter(|n| *n <= MAX_ALLOC)
        .and_then(|n| i32::try_from(n).ok())
        .ok_or_else(|| {
            ErrorReport::new(
                PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("a value of {payload} bytes is too large"),
                "",
            )
        })
}

/// Copies `payload` into a new value in the current memory context.
pub fn new_varlena(payload: &[u8]) -> Result<*mut pg_sys::varlena, ErrorReport> {
    let total = total_size(payload.len())?;
    // SAFETY: palloc returns `total` writable bytes, aligned for a varlena header, or raises; the payload does not
    // overlap them and is VARHDRSZ shorter.
    unsafe {
        let value = pg_sys::palloc(total as usize).cast::<pg_sys::varlena>();
        pgrx::set_varsize_4b(value, total);
        let to = value.cast::<u8>().add(VARHDRSZ);
        std::ptr::copy_nonoverlapping(payload.as_ptr(), to, payload.len());
        Ok(value)
    }
}

macro_rules! sql_name {
    ($rust:ty, $sql:literal) => {
        // SAFETY: says only by which name the type goes in generated SQL; the SQL scripts create it.
        unsafe impl SqlTranslatable for $rust {
            const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!($rust);
            const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
            const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal($sql));
            const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal($sql)));
        }
    };
}

/// A borrowed argument of the SQL type `$sql`: its bytes, detoasted.
macro_rules! borrowed {
    ($(#[$doc:meta])* $name:ident, $sql:literal) => {
        $(#[$doc])*
        pub struct $name<'a>(pub &'a [u8]);

        sql_name!($name<'_>, $sql);

        // SAFETY: the SQL declaration makes every such argument a varlena of this type, not null; its detoasted bytes
        // live as long as the call.
        unsafe impl<'fcx> ArgAbi<'fcx> for $name<'fcx> {
            unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
                // SAFETY: see above.
                let bytes: Option<&'fcx [u8]> = unsafe { arg.unbox_arg_using_from_datum() };
                $name(bytes.unwrap_or_default())
            }
        }
    };
}

/// An owned result of the SQL type `$sql`.
macro_rules! owned {
    ($(#[$doc:meta])* $name:ident, $sql:literal) => {
        $(#[$doc])*
        pub struct $name(Vec<u8>);

        impl $name {
            /// The value with these bytes; SQLSTATE 54000 when it is too large for Postgres.
            pub fn new(bytes: Vec<u8>) -> Result<Self, ErrorReport> {
                total_size(bytes.len())?;
                Ok($name(bytes))
            }
        }

        sql_name!($name, $sql);

        // SAFETY: returns a fresh varlena of the declared type in the current memory context.
        unsafe impl BoxRet for $name {
            unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
                match new_varlena(&self.0) {
                    // SAFETY: see above.
                    Ok(value) => unsafe { fcinfo.return_raw_datum(pg_sys::Datum::from(value)) },
                    // The size was checked in `new`.
                    Err(_) => fcinfo.return_null(),
                }
            }
        }
    };
}

pub(super) use {borrowed, owned, sql_name};

borrowed!(
    /// A `roaringbitmap` argument: the portable format.
    Roaring,
    "analytics_groups.roaringbitmap"
);
owned!(
    /// A `roaringbitmap` result.
    RoaringBuf,
    "analytics_groups.roaringbitmap"
);
borrowed!(
    /// An `rb_state` argument, to be read.
    RbState,
    "analytics_groups.rb_state"
);
owned!(
    /// An `rb_state` result.
    RbStateBuf,
    "analytics_groups.rb_state"
);
owned!(
    /// An `integer[]` result, in the layout of an array without nulls. See [`Int4Array::from_ids`].
    Int4Array,
    "integer[]"
);

impl Int4Array {
    /// The one-dimensional array of `len` integers.
    pub fn from_ids(len: u64, ids: impl Iterator<Item = i32>, interrupts: &mut impl Tick) -> Result<Self, ErrorReport> {
        let too_large = || {
            ErrorReport::new(
                PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("an array of {len} elements is too large"),
                "",
            )
            .set_hint("Read the elements one by one with rb_iterate.")
        };
        let n = i32::try_from(len).map_err(|_| too_large())?;
        // ArrayType after its varlena header: ndim, dataoffset (0 = no nulls), elemtype; then dims and lower bounds.
        let int4 = i32::try_from(pg_sys::INT4OID.to_u32()).unwrap_or_default();
        let header: &[i32] = if n == 0 { &[0, 0, int4] } else { &[1, 0, int4, n, 1] };
        let size = (n as usize).saturating_add(header.len()).saturating_mul(4);
        if total_size(size).is_err() {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(size)
            .map_err(|_| ErrorReport::new(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, "out of memory: array", ""))?;
        for (i, v) in header.iter().copied().chain(ids.take(n as usize)).enumerate() {
            if i % EVERY == 0 {
                interrupts
                    .tick()
                    .map_err(|_| ErrorReport::new(PgSqlErrorCode::ERRCODE_QUERY_CANCELED, "cancelled", ""))?;
            }
            bytes.extend_from_slice(&v.to_ne_bytes());
        }
        Int4Array::new(bytes)
    }
}

/// An argument passed through untouched, so that a state can be changed where it lies.
pub struct RawRbState(pub pg_sys::Datum);

sql_name!(RawRbState, "analytics_groups.rb_state");

impl FromDatum for RawRbState {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        (!is_null).then_some(RawRbState(datum))
    }
}

// SAFETY: hands on the datum of an argument that is not null.
unsafe impl<'fcx> ArgAbi<'fcx> for RawRbState {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: `from_polymorphic_datum` above does not look behind the datum.
        let raw: Option<RawRbState> = unsafe { arg.unbox_arg_using_from_datum() };
        raw.unwrap_or(RawRbState(pg_sys::Datum::null()))
    }
}

// SAFETY: the datum is an argument of this call or was made for it by `agg_state::change`.
unsafe impl BoxRet for RawRbState {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: see above.
        unsafe { fcinfo.return_raw_datum(self.0) }
    }
}

/// Takes all that is left of the message a RECEIVE function was given.
pub fn received(message: &mut Internal) -> Result<Vec<u8>, ErrorReport> {
    let bad = || {
        ErrorReport::new(
            PgSqlErrorCode::ERRCODE_INVALID_BINARY_REPRESENTATION,
            "a binary message is missing",
            "",
        )
    };
    // SAFETY: only RECEIVE functions call this, and Postgres passes them a StringInfo; SQL can't make an `internal`.
    let buffer = unsafe { message.get_mut::<pg_sys::StringInfoData>() }.ok_or_else(bad)?;
    let len = usize::try_from(buffer.len).map_err(|_| bad())?;
    let cursor = usize::try_from(buffer.cursor).map_err(|_| bad())?;
    if buffer.data.is_null() {
        return Err(bad());
    }
    // SAFETY: a StringInfo holds `len` initialised bytes at `data`.
    let all = unsafe { std::slice::from_raw_parts(buffer.data.cast::<u8>().cast_const(), len) };
    let rest = all.get(cursor..).ok_or_else(bad)?;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(rest.len())
        .map_err(|_| ErrorReport::new(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, "out of memory: message", ""))?;
    bytes.extend_from_slice(rest);
    buffer.cursor = buffer.len;
    Ok(bytes)
}
