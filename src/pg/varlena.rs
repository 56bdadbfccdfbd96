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
                let bytes: Option<$crate::pg::varlena::Payload<'fcx>> = unsafe { arg.unbox_arg_using_from_datum() };
                $name(bytes.map_or(&[], |b| b.0))
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
    /// A `roaringbitmap64` argument: the portable format.
    Roaring64,
    "analytics_groups.roaringbitmap64"
);
owned!(
    /// A `roaringbitmap64` result.
    Roaring64Buf,
    "analytics_groups.roaringbitmap64"
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
borrowed!(
    /// An `rb64_state` argument, to be read.
    Rb64State,
    "analytics_groups.rb64_state"
);
owned!(
    /// An `rb64_state` result.
    Rb64StateBuf,
    "analytics_groups.rb64_state"
);
owned!(
    /// An `integer[]` result, in the layout of an array without nulls. See [`Int4Array::from_ids`].
    Int4Array,
    "integer[]"
);
owned!(
    /// A `bigint[]` result, in the layout of an array without nulls. See [`Int8Array::from_ids`].
    Int8Array,
    "bigint[]"
);

/// The header of a one-dimensional array of `len` elements of `width` bytes, and room for them.
fn array_of(len: u64, element: pg_sys::Oid, width: usize) -> Result<(Vec<u8>, usize), ErrorReport> {
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
    let element = i32::try_from(element.to_u32()).unwrap_or_default();
    let header: &[i32] = if n == 0 {
        &[0, 0, element]
    } else {
        &[1, 0, element, n, 1]
    };
    let size = (n as usize).saturating_mul(width).saturating_add(header.len() * 4);
    if total_size(size).is_err() {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(size)
        .map_err(|_| ErrorReport::new(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, "out of memory: array", ""))?;
    bytes.extend(header.iter().flat_map(|v| v.to_ne_bytes()));
    Ok((bytes, n as usize))
}

fn fill<const N: usize>(
    bytes: &mut Vec<u8>,
    elements: impl Iterator<Item = [u8; N]>,
    interrupts: &mut impl Tick,
) -> Result<(), ErrorReport> {
    for (i, element) in elements.enumerate() {
        if i % EVERY == 0 {
            interrupts
                .tick()
                .map_err(|_| ErrorReport::new(PgSqlErrorCode::ERRCODE_QUERY_CANCELED, "cancelled", ""))?;
        }
        bytes.extend_from_slice(&element);
    }
    Ok(())
}

impl Int4Array {
    /// The one-dimensional array of `len` integers.
    pub fn from_ids(len: u64, ids: impl Iterator<Item = i32>, interrupts: &mut impl Tick) -> Result<Self, ErrorReport> {
        let (mut bytes, n) = array_of(len, pg_sys::INT4OID, 4)?;
        fill(&mut bytes, ids.take(n).map(i32::to_ne_bytes), interrupts)?;
        Int4Array::new(bytes)
    }
}

impl Int8Array {
    /// The one-dimensional array of `len` bigints.
    pub fn from_ids(len: u64, ids: impl Iterator<Item = i64>, interrupts: &mut impl Tick) -> Result<Self, ErrorReport> {
        // The elements of an array are aligned to 8 bytes, and so is what follows a header of 4 + 5 * 4 bytes.
        let (mut bytes, n) = array_of(len, pg_sys::INT8OID, 8)?;
        fill(&mut bytes, ids.take(n).map(i64::to_ne_bytes), interrupts)?;
        Int8Array::new(bytes)
    }
}

/// The same varlena with a header of four bytes, uncompressed: itself when it is like that.
///
/// # Safety
/// `datum` is a varlena that is not null.
#[inline]
pub(super) unsafe fn plain(datum: pg_sys::Datum) -> *mut pg_sys::varlena {
    let value = datum.cast_mut_ptr::<pg_sys::varlena>();
    // SAFETY: as the caller promised.
    unsafe {
        if pgrx::varatt_is_4b_u(value) {
            value
        } else {
            pg_sys::pg_detoast_datum(value)
        }
    }
}

/// The bytes of a varlena; Postgres is asked for them only when they are compressed or lie elsewhere.
///
/// # Safety
/// `datum` is a varlena that is not null and lives as long as `'a`.
#[inline]
pub(super) unsafe fn payload<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    let value = datum.cast_mut_ptr::<pg_sys::varlena>();
    // SAFETY: as the caller promised; what is detoasted lives as long as the call.
    unsafe {
        let short = pgrx::varatt_is_1b(value) && !pgrx::varatt_is_1b_e(value);
        let value = if short { value } else { plain(datum) };
        std::slice::from_raw_parts(pgrx::vardata_any(value).cast::<u8>(), pgrx::varsize_any_exhdr(value))
    }
}

/// The bytes of a varlena argument. See [`payload`].
pub struct Payload<'a>(pub(super) &'a [u8]);

impl FromDatum for Payload<'_> {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        // SAFETY: the datum of a varlena argument, which lives as long as the call.
        (!is_null).then(|| unsafe { Payload(payload(datum)) })
    }
}

/// A state passed through untouched, so that it can be changed where it lies.
pub trait RawState {
    /// The state at `datum`, which is not null.
    fn of(datum: pg_sys::Datum) -> Self;
    /// Where it lies.
    fn datum(&self) -> pg_sys::Datum;
}

macro_rules! raw_state {
    ($(#[$doc:meta])* $name:ident, $sql:literal) => {
        $(#[$doc])*
        pub struct $name(pg_sys::Datum);

        impl RawState for $name {
            fn of(datum: pg_sys::Datum) -> Self {
                $name(datum)
            }
            fn datum(&self) -> pg_sys::Datum {
                self.0
            }
        }

        sql_name!($name, $sql);

        impl FromDatum for $name {
            unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
                (!is_null).then_some($name(datum))
            }
        }
    };
}

pub(super) use raw_state;

raw_state!(
    /// An `rb_state` where it lies.
    RawRbState,
    "analytics_groups.rb_state"
);
raw_state!(
    /// An `rb64_state` where it lies.
    RawRb64State,
    "analytics_groups.rb64_state"
);

/// A `roaringbitmap` argument that is not fetched before it is looked at.
pub enum LazyRoaring<'a> {
    /// The bytes.
    Whole(&'a [u8]),
    /// They lie in a TOAST table.
    Toasted(Toasted),
}

sql_name!(LazyRoaring<'_>, "analytics_groups.roaringbitmap");

/// A value in a TOAST table.
#[derive(Clone, Copy)]
pub struct Toasted(pg_sys::Datum);

// SAFETY: the SQL declaration makes every such argument a varlena of this type, not null; its bytes live as long as the
// call.
unsafe impl<'fcx> ArgAbi<'fcx> for LazyRoaring<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: only the pointer is taken from the datum, and the first byte behind it tells where the value lies.
        let raw: Option<RawRbState> = unsafe { arg.unbox_arg_using_from_datum() };
        let datum = raw.map_or(pg_sys::Datum::null(), |r| r.0);
        // SAFETY: see above; a value that is not in a TOAST table is detoasted as any other argument.
        unsafe {
            if !datum.is_null() && pgrx::varatt_is_1b_e(datum.cast_mut_ptr()) {
                return LazyRoaring::Toasted(Toasted(datum));
            }
            let bytes: Option<&'fcx [u8]> =
                FromDatum::from_polymorphic_datum(datum, datum.is_null(), pg_sys::InvalidOid);
            LazyRoaring::Whole(bytes.unwrap_or_default())
        }
    }
}

impl Toasted {
    /// Bytes of the whole value.
    pub fn len(self) -> usize {
        // SAFETY: the datum is a varlena argument of the call that goes on.
        unsafe { pg_sys::toast_raw_datum_size(self.0) }.saturating_sub(VARHDRSZ)
    }

    /// Fetches `count` bytes from `first` on, or fewer at the end.
    pub fn slice(self, first: usize, count: usize) -> engine::error::Result<Vec<u8>> {
        let large = |_| engine::error::Error::corrupt("a place beyond the largest value");
        let (first, count) = (
            i32::try_from(first).map_err(large)?,
            i32::try_from(count).map_err(large)?,
        );
        let mut bytes = Vec::new();
        // SAFETY: the datum is a varlena argument of the call that goes on; the slice is a plain value in the memory of
        // the call, freed after it was copied.
        unsafe {
            let slice = pg_sys::pg_detoast_datum_slice(self.0.cast_mut_ptr(), first, count);
            let data =
                std::slice::from_raw_parts(pgrx::vardata_any(slice).cast::<u8>(), pgrx::varsize_any_exhdr(slice));
            let room = bytes.try_reserve_exact(data.len());
            if room.is_ok() {
                bytes.extend_from_slice(data);
            }
            pg_sys::pfree(slice.cast());
            room.map_err(|_| engine::error::Error::OutOfMemory("bitmap"))?;
        }
        Ok(bytes)
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
