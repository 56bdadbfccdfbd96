//! Settings: the prefix of ours is reserved, so that a misspelt one is reported; others are read by name.

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

/// The value of a setting of whoever defined it, or of a placeholder that SET made; `None` when there is none.
pub fn by_name(name: &CStr) -> Option<String> {
    // SAFETY: a NUL-terminated name; with missing_ok an unknown name gives NULL instead of an error. The text belongs
    // to the setting and is copied before anything can change it.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value).to_string_lossy().into_owned())
    }
}
