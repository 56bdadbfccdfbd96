//! Cancellation and notices.

use engine::error::Result;
use engine::tick::Tick;
use pgrx::prelude::*;

/// Checks for a pending cancel or timeout; Postgres raises the error itself.
pub struct Interrupts;

impl Tick for Interrupts {
    fn tick(&mut self) -> Result<()> {
        pgrx::check_for_interrupts!();
        Ok(())
    }
}

/// Sends a NOTICE. Interrupts are taken first, so that the notice itself cannot jump over live Rust frames.
pub fn notice(message: &str) {
    pgrx::check_for_interrupts!();
    ereport!(
        NOTICE,
        PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
        message.to_string()
    );
}

/// Sends a WARNING with a hint, under the same rule.
pub fn warning(message: &str, hint: &str) {
    pgrx::check_for_interrupts!();
    pgrx::pg_sys::panic::ErrorReport::new(
        PgSqlErrorCode::ERRCODE_WARNING,
        message.to_string(),
        pgrx::function_name!(),
    )
    .set_hint(hint.to_string())
    .report(PgLogLevel::WARNING);
}
