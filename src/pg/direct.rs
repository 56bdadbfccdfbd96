//! Functions that the executor calls for every row of a table, without the layer that `#[pg_extern]` puts around a call:
//! for the transition functions of aggregates that layer costs more than the work.
//!
//! [`per_row!`] makes one. Its SQL declaration is written by hand in the scripts under `sql/`, and has to name the
//! arguments in the same order and of the types that the Rust arguments stand for.

use crate::pg::behaviour::{BehaviourState, Instant, RawBehaviour, Span, TextBytes};
use crate::pg::varlena::{RawRb64State, RawRbState, RawState, Rb64State, RbState, Roaring, Roaring64, payload};
use pgrx::{FromDatum, PgSqlErrorCode, pg_sys, pg_sys::panic::ErrorReport};

/// A Rust type that arguments are read as.
pub trait Argument: Sized {
    /// The argument behind a datum that is not null.
    ///
    /// # Safety
    /// The datum is of the SQL type that this type stands for, and lives as long as the call.
    unsafe fn read(datum: pg_sys::Datum) -> Option<Self>;
}

/// The arguments of a call, one after the other.
pub struct Arguments<'a>(std::slice::Iter<'a, pg_sys::NullableDatum>);

impl<'a> Arguments<'a> {
    /// Those of this call; fails when SQL declares another number of them than `expected`.
    ///
    /// # Safety
    /// `fcinfo` comes from the function manager, for the call that goes on.
    #[inline]
    pub unsafe fn of(fcinfo: pg_sys::FunctionCallInfo, expected: usize) -> Result<Self, ErrorReport> {
        // SAFETY: the function manager lays out `nargs` arguments behind the struct.
        let arguments = unsafe {
            let call = &*fcinfo;
            call.args.as_slice(usize::try_from(call.nargs).unwrap_or_default())
        };
        if arguments.len() == expected {
            return Ok(Arguments(arguments.iter()));
        }
        Err(ErrorReport::new(
            PgSqlErrorCode::ERRCODE_INVALID_FUNCTION_DEFINITION,
            format!(
                "a function of analytics_groups is called with {} arguments and has {expected}",
                arguments.len()
            ),
            "",
        )
        .set_hint(
            "The library and the extension's SQL are of different versions: ALTER EXTENSION analytics_groups UPDATE.",
        ))
    }

    /// The next argument, unless it is NULL.
    ///
    /// # Safety
    /// SQL declares it as the type that `T` stands for.
    #[inline]
    pub unsafe fn next<T: Argument>(&mut self) -> Option<T> {
        let argument = self.0.next().filter(|a| !a.isnull)?;
        // SAFETY: as the caller promised.
        unsafe { T::read(argument.value) }
    }
}

macro_rules! from_datum {
    ($($name:ty),*) => {$(
        impl Argument for $name {
            #[inline]
            unsafe fn read(datum: pg_sys::Datum) -> Option<Self> {
                // SAFETY: as the caller promised.
                unsafe { <$name>::from_polymorphic_datum(datum, false, pg_sys::InvalidOid) }
            }
        }
    )*};
}

macro_rules! bytes {
    ($($name:ident),*) => {$(
        impl Argument for $name<'_> {
            #[inline]
            unsafe fn read(datum: pg_sys::Datum) -> Option<Self> {
                // SAFETY: as the caller promised; the bytes live as long as the call, as the arguments do.
                unsafe { Some($name(payload(datum))) }
            }
        }
    )*};
}

macro_rules! in_place {
    ($($name:ident),*) => {$(
        impl Argument for $name {
            #[inline]
            unsafe fn read(datum: pg_sys::Datum) -> Option<Self> {
                Some($name::of(datum))
            }
        }
    )*};
}

from_datum!(bool, i32, i64, &str, Instant, Span);
bytes!(BehaviourState, TextBytes, RbState, Rb64State, Roaring, Roaring64);
in_place!(RawBehaviour, RawRbState, RawRb64State);

/// Makes functions that the executor calls for every row.
///
/// The first argument is the call; the others are options, NULL being none, so that in SQL only functions that check
/// for NULL themselves are declared other than STRICT. The result is the state, or none for NULL. The symbol in the
/// library is the name of the function with `_row` after it.
macro_rules! per_row {
    ($($(#[$doc:meta])* fn $name:ident($fcinfo:ident $(, $arg:ident: Option<$ty:ty>)* $(,)?) -> $state:ty $body:block)*) => {$(
        $(#[$doc])*
        #[inline]
        fn $name(
            $fcinfo: $crate::pg::FunctionCallInfo
            $(, $arg: Option<$ty>)*
        ) -> Result<Option<$state>, $crate::pg::ErrorReport> $body

        const _: () = {
            #[unsafe(export_name = concat!(stringify!($name), "_row"))]
            extern "C-unwind" fn called(fcinfo: pgrx::pg_sys::FunctionCallInfo) -> pgrx::pg_sys::Datum {
                // SAFETY: only the function manager calls this, with the arguments that the SQL declaration names.
                unsafe {
                    $crate::pg::direct::answer(fcinfo, || {
                        let expected = [$(stringify!($arg)),*].len();
                        let mut arguments = $crate::pg::direct::Arguments::of(fcinfo, expected)?;
                        $(let $arg = arguments.next::<$ty>();)*
                        $name(fcinfo $(, $arg)*)
                    })
                }
            }

            #[unsafe(export_name = concat!("pg_finfo_", stringify!($name), "_row"))]
            extern "C" fn version() -> *const pgrx::pg_sys::Pg_finfo_record {
                static RECORD: pgrx::pg_sys::Pg_finfo_record = pgrx::pg_sys::Pg_finfo_record { api_version: 1 };
                &RECORD
            }
        };
    )*};
}
pub(crate) use per_row;

/// Runs a call: its result as the function manager wants it, an error or a panic raised as an error of Postgres.
///
/// # Safety
/// `fcinfo` comes from the function manager, for the call that goes on.
#[inline]
pub unsafe fn answer<S: RawState>(
    fcinfo: pg_sys::FunctionCallInfo,
    call: impl FnOnce() -> Result<Option<S>, ErrorReport>,
) -> pg_sys::Datum {
    // SAFETY: as the caller promised; the guard is what `#[pg_extern]` uses, so that no panic crosses into C.
    unsafe {
        pg_sys::submodules::panic::pgrx_extern_c_guard(move || {
            let state = call().unwrap_or_else(raise);
            (*fcinfo).isnull = state.is_none();
            state.map_or(pg_sys::Datum::null(), |s| s.datum())
        })
    }
}

#[cold]
fn raise<S>(error: ErrorReport) -> S {
    error.report(pgrx::PgLogLevel::ERROR);
    unreachable!("an error of this level does not return")
}
