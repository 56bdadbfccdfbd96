//! The analytics engine: storage formats, the filter language, and the kernels behind every report.
//!
//! Nothing here knows Postgres. The extension reads arguments, copies buffers in, and turns rows out; every
//! algorithm lives here, next to a slow and obvious oracle in its tests.
#![forbid(unsafe_code)]

pub mod behaviour;
pub mod bitmap;
pub mod block;
pub mod breakdown;
pub mod cache;
pub mod chunk;
pub mod chunk_builder;
pub mod codec;
pub mod cohort;
pub mod compact;
pub mod company;
pub mod dedupe;
pub mod erase;
pub mod error;
pub mod export;
pub mod expr;
pub mod flows;
pub mod frequency;
pub mod funnel;
pub mod gather;
pub mod history;
pub mod identity;
pub mod ingest;
pub mod insights;
mod intern;
pub mod lifecycle;
pub mod limits;
pub mod lookup;
pub mod mask;
pub mod names;
pub mod parallel;
pub mod partial;
pub mod pieces;
pub mod postings;
pub mod profile;
pub mod regroup;
pub mod relations;
pub mod retention;
pub mod row;
pub mod sessions;
pub mod stream;
mod subject_rows;
pub mod subjects;
pub mod tick;
pub mod time;
pub mod value;
