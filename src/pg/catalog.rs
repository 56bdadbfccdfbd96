//! Whether anything changed that a session remembers of the system catalogs.

use pgrx::pg_sys::{self, Datum, Oid, SysCacheIdentifier};
use std::cell::Cell;
use std::ffi::c_int;

thread_local! {
    static GENERATION: Cell<u64> = const { Cell::new(0) };
    static WATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Called by Postgres when a row of a watched catalog changes, or when it has lost track of what changed.
unsafe extern "C-unwind" fn changed(_: Datum, _: c_int, _: u32) {
    GENERATION.set(GENERATION.get().wrapping_add(1));
}

/// A number that is another one as soon as a schema, a table, a role or a membership has changed: what was read from these
/// catalogs under one number holds as long as the number does. Changes of others count from their commit on.
pub fn generation() -> u64 {
    if !WATCHING.replace(true) {
        for cache in [
            SysCacheIdentifier::NAMESPACEOID,
            SysCacheIdentifier::RELOID,
            SysCacheIdentifier::AUTHOID,
            SysCacheIdentifier::AUTHMEMROLEMEM,
        ] {
            // SAFETY: registers a function that lives as long as the process, once.
            unsafe { pg_sys::CacheRegisterSyscacheCallback(cache as c_int, Some(changed), Datum::from(0)) };
        }
    }
    // SAFETY: inside a transaction, as every SQL function is; takes in what other sessions have committed.
    unsafe { pg_sys::AcceptInvalidationMessages() };
    GENERATION.get()
}

/// The role that asks.
pub fn current_user() -> Oid {
    // SAFETY: reads a global of the backend.
    unsafe { pg_sys::GetUserId() }
}
