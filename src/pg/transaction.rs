//! What a backend remembers must not outlive a rollback: hooks into the end of (sub)transactions.

use pgrx::callbacks::*;

/// Calls `on_commit` when the current transaction commits, `on_abort` when it rolls back, is prepared, or when any of its
/// subtransactions rolls back. Register once per transaction.
pub fn at_end(on_commit: fn(), on_abort: fn()) {
    register_xact_callback(PgXactCallbackEvent::Commit, on_commit);
    register_xact_callback(PgXactCallbackEvent::Abort, on_abort);
    register_xact_callback(PgXactCallbackEvent::Prepare, on_abort);
    register_subxact_callback(PgSubXactCallbackEvent::AbortSub, move |_, _| on_abort());
}
