//! The functions behind the aggregates that `sql/types.sql` declares.

pub mod roaringbitmap;
