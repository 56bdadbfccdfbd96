//! The functions behind the aggregates that `sql/types.sql` declares. No `unsafe` here.

pub mod roaringbitmap;
