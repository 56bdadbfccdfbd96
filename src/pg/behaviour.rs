//! Arguments, states and results of the behaviour aggregates.
//!
//! Their transition functions run once for every row of somebody's table, so an argument is read where it lies whenever
//! it has the form in which the executor passes it, without a call into Postgres.

use super::agg_state::{changed, made, must_be_aggregate};
use super::direct::Argument;
use super::varlena::{RawState, borrowed, new_varlena, owned, plain, raw_state, sql_name, total_size};
use engine::behaviour::state::Change;
use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{FromDatum, PgSqlErrorCode, pg_sys, pg_sys::panic::ErrorReport};

const DAY_US: i64 = 86_400_000_000;

borrowed!(
    /// A state, to be read.
    BehaviourState,
    "analytics_groups.behaviour_state"
);
owned!(
    /// A state as a result.
    BehaviourStateBuf,
    "analytics_groups.behaviour_state"
);
borrowed!(
    /// A text in whatever encoding the database has.
    TextBytes,
    "text"
);
owned!(
    /// A text in the encoding of the database.
    TextBuf,
    "text"
);
owned!(
    /// A `text[]` without NULLs. See [`TextArray::of`].
    TextArray,
    "text[]"
);

impl TextArray {
    /// The one-dimensional array of these texts.
    pub fn of(texts: &[&[u8]]) -> Result<Self, ErrorReport> {
        let n = i32::try_from(texts.len()).unwrap_or(i32::MAX);
        let text = i32::try_from(pg_sys::TEXTOID.to_u32()).unwrap_or_default();
        let header: &[i32] = if n == 0 { &[0, 0, text] } else { &[1, 0, text, n, 1] };
        // After the header each text is a varlena with four bytes of length, aligned to four.
        let element = |t: &&[u8]| t.len().saturating_add(4).next_multiple_of(4);
        let size = texts.iter().map(element).fold(4 * header.len(), usize::saturating_add);
        total_size(size)?;
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(size)
            .map_err(|_| ErrorReport::new(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, "out of memory: array", ""))?;
        bytes.extend(header.iter().flat_map(|v| v.to_ne_bytes()));
        for t in texts {
            bytes.extend_from_slice(&length_word(t.len().saturating_add(4)));
            bytes.extend_from_slice(t);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        TextArray::new(bytes)
    }
}

/// The four bytes before a plain varlena of so many bytes in all.
fn length_word(size: usize) -> [u8; 4] {
    let size = size as u32;
    if cfg!(target_endian = "big") {
        size & 0x3fff_ffff
    } else {
        size << 2
    }
    .to_ne_bytes()
}

/// Is this a text to the server, in the encoding of the database?
pub fn is_text(bytes: &[u8]) -> bool {
    let Ok(len) = i32::try_from(bytes.len()) else {
        return false;
    };
    // SAFETY: reads `len` bytes; with noError it answers and does not raise.
    unsafe { pg_sys::pg_verifymbstr(bytes.as_ptr().cast(), len, true) }
}

/// An argument type that is copied out of its datum.
macro_rules! copied {
    ($(#[$doc:meta])* $name:ident($inner:ty), $sql:literal, $read:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name(pub $inner);

        sql_name!($name, $sql);

        impl FromDatum for $name {
            unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
                let read: fn(pg_sys::Datum) -> $inner = $read;
                (!is_null).then(|| $name(read(datum)))
            }
        }
    };
}

copied!(
    /// A `timestamptz` as Postgres counts: microseconds; the infinities are the ends of the range.
    Instant(i64),
    "timestamp with time zone",
    |datum| datum.value() as i64
);
copied!(
    /// An `interval` in microseconds: a day has 24 hours and a month 30 days.
    Span(i64),
    "interval",
    |datum| {
        // SAFETY: a datum of type interval points to one.
        let i = unsafe { datum.cast_mut_ptr::<pg_sys::Interval>().read() };
        let days = i64::from(i.month) * 30 + i64::from(i.day);
        days.saturating_mul(DAY_US).saturating_add(i.time)
    }
);

/// A `boolean[]`, where it lies.
pub struct Flags<'a>(&'a [u8]);

impl Argument for Flags<'_> {
    #[inline]
    unsafe fn read(datum: pg_sys::Datum) -> Option<Self> {
        // SAFETY: as the caller promised: a varlena, which lives as long as the call. The elements are aligned, so the
        // header has four bytes.
        unsafe {
            let value = plain(datum);
            let len = pgrx::varsize_4b(value).saturating_sub(4);
            Some(Flags(std::slice::from_raw_parts(value.cast::<u8>().add(4), len)))
        }
    }
}

impl Flags<'_> {
    /// Which of the elements are true, as bits, and how many elements there are. NULL is not true. Beyond 64 elements
    /// the bits are those of the first 64.
    pub fn read(&self) -> Result<(u64, usize), ErrorReport> {
        let word = |i: usize| {
            let bytes = self.0.get(4 * i..4 * i + 4).and_then(|b| b.first_chunk::<4>());
            bytes.map_or(0, |b| i32::from_ne_bytes(*b))
        };
        // ArrayType after its varlena header: ndim, dataoffset (0 = no nulls), elemtype; then dims and lower bounds.
        let (dimensions, offset) = (word(0), word(1));
        match dimensions {
            0 => return Ok((0, 0)),
            1 => {}
            n => {
                return Err(ErrorReport::new(
                    PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                    format!("conditions are an array of {n} dimensions"),
                    "",
                )
                .set_hint("Give the conditions one by one, or VARIADIC and an array of one dimension."));
            }
        }
        let n = usize::try_from(word(3)).unwrap_or(0);
        let mut bits = 0u64;
        if offset == 0 {
            let values = self.0.get(20..20 + n).unwrap_or_default();
            for (i, v) in values.iter().take(64).enumerate() {
                bits |= u64::from(*v != 0) << i;
            }
        } else {
            let nulls = self.0.get(20..).unwrap_or_default();
            let start = usize::try_from(offset).unwrap_or(4).saturating_sub(4);
            let mut values = self.0.get(start..).unwrap_or_default().iter();
            for i in 0..n.min(64) {
                let there = nulls.get(i / 8).is_some_and(|b| b >> (i % 8) & 1 == 1);
                if there && values.next().is_some_and(|v| *v != 0) {
                    bits |= 1 << i;
                }
            }
        }
        Ok((bits, n))
    }
}

raw_state!(
    /// A state passed through untouched, so that it can be changed where it lies.
    RawBehaviour,
    "analytics_groups.behaviour_state"
);

/// The state after one more input: `start` makes the one before the first, `step` gets the whole buffer, used or not, and
/// changes it in place or returns the bytes of the state that replaces it. The contract is that of [`super::agg_state`].
pub fn change(
    fcinfo: pg_sys::FunctionCallInfo,
    state: Option<RawBehaviour>,
    start: impl FnOnce() -> Result<Vec<u8>, ErrorReport>,
    step: impl FnOnce(&mut [u8]) -> Result<Change, ErrorReport>,
) -> Result<RawBehaviour, ErrorReport> {
    must_be_aggregate(fcinfo)?;
    match state {
        Some(state) => changed(state, step),
        None => {
            let mut first = start()?;
            let grown = step(&mut first)?;
            made(grown.as_deref().unwrap_or(&first))
        }
    }
}
