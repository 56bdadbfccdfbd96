//! What a window function is given: the rows of its partition one after the other, and memory that lives as long as it.

use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use pgrx::{FromDatum, PgSqlErrorCode, pg_sys, pg_sys::panic::ErrorReport};
use std::ffi::{c_int, c_void};

// Of windowapi.h, which the bindings leave out. They raise errors, so each call goes through a guard.
unsafe extern "C-unwind" {
    fn WinGetPartitionLocalMemory(window: *mut c_void, size: usize) -> *mut c_void;
    fn WinGetFuncArgCurrent(window: *mut c_void, argument: c_int, is_null: *mut bool) -> pg_sys::Datum;
}

/// A call of a window function, for one row.
pub struct Window(*mut c_void);

/// What a function keeps from row to row of a partition; zeros before the first.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    pub number: i64,
    pub last: i64,
}

impl Window {
    /// Fails when the function is not called as a window function.
    pub fn of(fcinfo: pg_sys::FunctionCallInfo) -> Result<Self, ErrorReport> {
        // SAFETY: `fcinfo` comes from the function manager for this very call; its context is null or a node.
        let window = unsafe {
            fcinfo
                .as_ref()
                .filter(|f| pgrx::is_a(f.context, pg_sys::NodeTag::T_WindowObjectData))
                .map(|f| Window(f.context.cast::<c_void>()))
        };
        window.ok_or_else(|| {
            ErrorReport::new(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "this is a window function",
                "",
            )
            .set_hint("Call it with OVER (PARTITION BY … ORDER BY …).")
        })
    }

    /// The argument of the current row; `T` must be how its declared SQL type is read.
    pub fn argument<T: FromDatum>(&self, n: i32) -> Option<T> {
        let mut is_null = true;
        // SAFETY: the window object of this call; the executor evaluates the argument for the current row, and the function
        // is declared with arguments of the types that are read.
        unsafe {
            let datum = pg_guard_ffi_boundary(|| WinGetFuncArgCurrent(self.0, n, &mut is_null));
            T::from_datum(datum, is_null)
        }
    }

    /// The memory of the partition.
    pub fn kept(&mut self) -> Result<&mut Kept, ErrorReport> {
        // SAFETY: the window object of this call. The memory has the size asked for, is zeroed when it is first asked for,
        // aligned for anything, and lives until the partition ends; nobody else refers to it.
        unsafe {
            pg_guard_ffi_boundary(|| WinGetPartitionLocalMemory(self.0, size_of::<Kept>()))
                .cast::<Kept>()
                .as_mut()
        }
        .ok_or_else(|| ErrorReport::new(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, "out of memory: partition", ""))
    }
}
