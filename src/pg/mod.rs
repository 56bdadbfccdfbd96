//! The only place that names `pg_sys` or needs `unsafe`: everything else speaks safe Rust through these modules.

pub mod agg_state;
pub mod catalog;
pub mod guc;
pub mod instants;
pub mod interrupts;
pub mod jsonb;
pub mod owner;
pub mod spi;
pub mod threads;
pub mod transaction;
pub mod varlena;

#[cfg(any(test, feature = "pg_test"))]
pub use pgrx::pg_sys::panic::CaughtError;
pub use pgrx::pg_sys::panic::ErrorReport;
pub use pgrx::pg_sys::{FunctionCallInfo, Oid};
