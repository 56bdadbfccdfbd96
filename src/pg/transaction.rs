//! Transactions: what a backend remembers must not outlive a rollback, so there are hooks into the end of
//! (sub)transactions; and locks that are held until then.

use pgrx::callbacks::*;
use pgrx::{IntoDatum, direct_function_call, pg_sys};

/// Takes an advisory lock, shared, until the end of the transaction, as `pg_advisory_xact_lock_shared` does; without a
/// statement around it, for this is done once per event.
pub fn lock_shared(key: i64) {
    // SAFETY: a function of one bigint without a result, called with one.
    unsafe { direct_function_call::<()>(pg_sys::pg_advisory_xact_lock_shared_int8, &[key.into_datum()]) };
}

/// Calls `on_commit` when the current transaction commits, `on_abort` when it rolls back, is prepared, or when any of its
/// subtransactions rolls back. Register once per transaction.
pub fn at_end(on_commit: fn(), on_abort: fn()) {
    register_xact_callback(PgXactCallbackEvent::Commit, on_commit);
    register_xact_callback(PgXactCallbackEvent::Abort, on_abort);
    register_xact_callback(PgXactCallbackEvent::Prepare, on_abort);
    register_subxact_callback(PgSubXactCallbackEvent::AbortSub, move |_, _| on_abort());
}

/// Does the transaction see the state of its beginning throughout (REPEATABLE READ and up)?
pub fn keeps_its_snapshot() -> bool {
    // SAFETY: reads a global of the backend.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}
