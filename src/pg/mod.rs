//! The only place that names `pg_sys` or needs `unsafe`: everything else speaks safe Rust through these modules.

pub mod agg_state;
pub mod guc;
pub mod interrupts;
pub mod owner;
pub mod spi;
pub mod transaction;
pub mod varlena;
