//! Everything that talks to Postgres through raw pointers; `unsafe` lives here and nowhere else.

pub mod agg_state;
pub mod varlena;
