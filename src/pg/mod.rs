//! The only place that names `pg_sys` or needs `unsafe`: everything else speaks safe Rust through these modules.

pub mod agg_state;
pub mod behaviour;
pub mod catalog;
pub mod direct;
pub mod foreign;
pub mod guc;
pub mod instants;
pub mod interrupts;
pub mod jsonb;
pub mod memory;
pub mod owner;
pub mod row_values;
pub mod rows;
pub mod spi;
pub mod threads;
pub mod transaction;
pub mod varlena;
pub mod window;

#[cfg(any(test, feature = "pg_test"))]
pub use pgrx::pg_sys::panic::CaughtError;
pub use pgrx::pg_sys::panic::ErrorReport;
pub use pgrx::pg_sys::{FunctionCallInfo, Oid};

/// Runs `f` as the next statement of the transaction would: it sees what this one has written so far. A test is one
/// statement, and reports only see what was there when theirs began.
#[cfg(any(test, feature = "pg_test"))]
pub fn as_next_statement<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: inside a transaction. An error on the way aborts it, which pops the snapshot as well.
    unsafe {
        pgrx::pg_sys::CommandCounterIncrement();
        pgrx::pg_sys::PushActiveSnapshot(pgrx::pg_sys::GetTransactionSnapshot());
    }
    let answer = f();
    // SAFETY: the snapshot pushed above is still the topmost one: `f` has balanced its own.
    unsafe { pgrx::pg_sys::PopActiveSnapshot() };
    answer
}
