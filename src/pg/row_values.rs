//! The values of a row as they lie in it: without a copy, and without a conversion in Postgres.

use crate::error::{Failure, Result};
use crate::pg::instants::PG_EPOCH_US;
use crate::pg::spi::Rows;
use pgrx::{FromDatum, pg_sys};
use std::borrow::Cow;

/// A value of one of the types that are read this way.
pub enum Cell<'r> {
    Text(Cow<'r, [u8]>),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// Microseconds since 1970-01-01 UTC, or those of a timestamp without a zone if it were UTC.
    Instant(i64),
    /// An instant after, or before, all others.
    Infinite(bool),
}

/// Room for the values of a row, used for one after another.
#[derive(Default)]
pub struct Buffers {
    datums: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
}

/// A row, taken apart.
pub struct Row<'r> {
    datums: &'r [pg_sys::Datum],
    nulls: &'r [bool],
    types: pg_sys::TupleDesc,
}

impl Rows<'_> {
    /// Takes a row apart.
    pub fn row<'r>(&'r self, row: usize, buffers: &'r mut Buffers) -> Result<Row<'r>> {
        let (tuple, types) = self.tuple(row).ok_or_else(|| Failure::internal("a row too many"))?;
        // SAFETY: the description of a live result.
        let columns = unsafe { (*types).natts }.max(0) as usize;
        buffers.datums.resize(columns, pg_sys::Datum::null());
        buffers.nulls.resize(columns, true);
        // SAFETY: a tuple of this result with its description, and room for as many values as that has. What they point to
        // lives as long as the result, which is borrowed.
        unsafe { pg_sys::heap_deform_tuple(tuple, types, buffers.datums.as_mut_ptr(), buffers.nulls.as_mut_ptr()) };
        Ok(Row {
            datums: &buffers.datums,
            nulls: &buffers.nulls,
            types,
        })
    }
}

impl<'r> Row<'r> {
    /// A value; `None` is NULL.
    pub fn cell(&self, column: usize) -> Result<Option<Cell<'r>>> {
        let (Some(datum), Some(false)) = (self.datums.get(column).copied(), self.nulls.get(column).copied()) else {
            return Ok(None);
        };
        // SAFETY: the description has as many columns as there are datums, and they are not NULL; each is read as its type
        // says.
        unsafe {
            let cell = match (*(*self.types).attrs.as_ptr().add(column)).atttypid {
                pg_sys::TEXTOID => text(datum)?,
                pg_sys::INT8OID => Cell::Int(i64::from_datum(datum, false).unwrap_or(0)),
                pg_sys::FLOAT8OID => Cell::Float(f64::from_datum(datum, false).unwrap_or(0.0)),
                pg_sys::BOOLOID => Cell::Bool(datum.value() != 0),
                pg_sys::TIMESTAMPTZOID | pg_sys::TIMESTAMPOID => match i64::from_datum(datum, false).unwrap_or(0) {
                    i64::MAX => Cell::Infinite(true),
                    i64::MIN => Cell::Infinite(false),
                    us => Cell::Instant(us.saturating_add(PG_EPOCH_US)),
                },
                _ => return Err(Failure::internal("a value of a type that is not read this way")),
            };
            Ok(Some(cell))
        }
    }
}

/// The bytes of a text: those of the row, unless they lie outside of it or are compressed.
///
/// # Safety
/// A text of a row that lives as long as `'r`.
unsafe fn text<'r>(datum: pg_sys::Datum) -> Result<Cell<'r>> {
    // SAFETY: see above; the copy that detoasting makes is freed only when it is a copy.
    unsafe {
        let original = datum.cast_mut_ptr::<pg_sys::varlena>();
        let flat = pg_sys::pg_detoast_datum_packed(original);
        let bytes = pgrx::varlena_to_byte_slice(flat);
        if flat == original {
            return Ok(Cell::Text(Cow::Borrowed(bytes)));
        }
        let mut copy = engine::error::try_vec(bytes.len(), "a value")?;
        copy.extend_from_slice(bytes);
        pg_sys::pfree(flat.cast());
        Ok(Cell::Text(Cow::Owned(copy)))
    }
}
