//! Errors of the SQL surface: each carries its SQLSTATE, what was wrong, and a hint that helps.

use crate::pg::ErrorReport;
use engine::error::Error;
use pgrx::prelude::*;

/// An error on its way to the client.
#[derive(Debug, Clone)]
pub struct Failure {
    pub code: PgSqlErrorCode,
    pub message: String,
    pub hint: Option<String>,
}

/// Result of everything in the extension below its SQL functions, which turn a [`Failure`] into an ERROR.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// An error with its SQLSTATE and hint.
    pub fn new(code: PgSqlErrorCode, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Failure {
            code,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    /// A wrong argument (22023).
    pub fn param(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Failure::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message, hint)
    }

    /// A name that stands for nothing (42704).
    pub fn unknown(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Failure::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, message, hint)
    }

    /// Something that is part of the language but not yet built (0A000).
    pub fn not_available(what: impl std::fmt::Display) -> Self {
        Failure::new(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!("{what} is not available yet"),
            "See CHANGELOG.md for what this version does.",
        )
    }

    /// A state that cannot be (XX000).
    pub fn internal(message: impl Into<String>) -> Self {
        Failure {
            code: PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
            message: message.into(),
            hint: None,
        }
    }

    /// The same error with where it happened in front.
    pub fn within(mut self, place: impl std::fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        let message = e.to_string();
        let (code, hint) = match e {
            Error::Corrupt(_) => (
                PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
                Some("SELECT * FROM analytics_groups.verify() lists every damaged buffer.".to_string()),
            ),
            Error::Limit { hint, .. } => (PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, hint),
            Error::Syntax { hint, .. } | Error::Param { hint, .. } => {
                (PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, hint)
            }
            Error::Unsupported { hint, .. } => (PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED, hint),
            Error::Cancelled => (PgSqlErrorCode::ERRCODE_QUERY_CANCELED, None),
            Error::OutOfMemory(_) => (PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, None),
        };
        Failure { code, message, hint }
    }
}

impl From<Failure> for ErrorReport {
    fn from(f: Failure) -> Self {
        let report = ErrorReport::new(f.code, f.message, "");
        match f.hint {
            Some(h) => report.set_hint(h),
            None => report,
        }
    }
}
