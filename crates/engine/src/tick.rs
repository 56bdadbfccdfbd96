//! Cancellation: long loops hold a [`Tick`] and call it at least every [`EVERY`] rows.

use crate::error::Result;

/// Rows a loop may process between two calls of [`Tick::tick`].
pub const EVERY: usize = 4096;

/// Asked regularly whether to go on.
pub trait Tick {
    /// Returns [`crate::error::Error::Cancelled`] when the work should stop.
    fn tick(&mut self) -> Result<()>;
}

/// Never stops; for tests and short work.
pub struct NoTick;

impl Tick for NoTick {
    fn tick(&mut self) -> Result<()> {
        Ok(())
    }
}
