//! Reserving the prefix of our settings, so that a misspelt one is reported.

use pgrx::pg_sys;
use std::ffi::CStr;

/// Makes `prefix.anything-else` an error (a warning on PostgreSQL 14).
pub fn reserve_prefix(prefix: &CStr) {
    // SAFETY: called from _PG_init with a NUL-terminated static text.
    #[cfg(not(feature = "pg14"))]
    unsafe {
        pg_sys::MarkGUCPrefixReserved(prefix.as_ptr())
    }
    // SAFETY: as above.
    #[cfg(feature = "pg14")]
    unsafe {
        pg_sys::EmitWarningsOnPlaceholders(prefix.as_ptr())
    }
}
