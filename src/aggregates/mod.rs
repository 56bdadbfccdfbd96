//! The functions behind the aggregates that `sql/types.sql` declares.

pub mod roaringbitmap;
pub mod roaringbitmap64;
