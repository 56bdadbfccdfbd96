//! The functions behind the aggregates that `sql/types.sql` and `sql/behaviour.sql` declare.

pub mod behaviour;
pub mod roaringbitmap;
pub mod roaringbitmap64;
