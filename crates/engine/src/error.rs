//! The one error type of the engine. The extension maps each variant to a SQLSTATE.

/// What can go wrong in the engine.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// Stored bytes are not what they claim to be (SQLSTATE XX001).
    #[error("corrupt data: {0}")]
    Corrupt(String),
    /// Something sized by data is larger than allowed (SQLSTATE 54000).
    #[error("{message}")]
    Limit { message: String, hint: Option<String> },
    /// A text that does not parse (SQLSTATE 22023). `position` counts characters from 1.
    #[error("{message} at position {position}")]
    Syntax {
        message: String,
        position: usize,
        hint: Option<String>,
    },
    /// An argument that makes no sense (SQLSTATE 22023).
    #[error("{message}")]
    Param { message: String, hint: Option<String> },
    /// Something that is part of the language but not yet built (SQLSTATE 0A000).
    #[error("{message} is not available yet")]
    Unsupported { message: String, hint: Option<String> },
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// Memory for `what` could not be reserved (SQLSTATE 53200).
    #[error("out of memory: {0}")]
    OutOfMemory(&'static str),
}

/// Result of the engine's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The hint of whatever would need more memory than it may use.
pub const MEMORY_HINT: &str =
    "Raise analytics_groups.query_memory, or ask for a shorter range, a larger unit or fewer segments.";

impl Error {
    /// Corrupt bytes, with what was being read.
    pub fn corrupt(what: impl Into<String>) -> Self {
        Error::Corrupt(what.into())
    }

    /// A wrong argument, without a hint.
    pub fn param(message: impl Into<String>) -> Self {
        Error::Param {
            message: message.into(),
            hint: None,
        }
    }

    /// A wrong argument and what to do about it.
    pub fn param_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Error::Param {
            message: message.into(),
            hint: Some(hint.into()),
        }
    }
}

/// A vector with room for `n` elements, or an error instead of an abort.
///
/// An allocation that fails in the global allocator ends the process, and with it every session of the server;
/// whatever is sized by data is reserved through here.
pub fn try_vec<T>(n: usize, what: &'static str) -> Result<Vec<T>> {
    let mut v = Vec::new();
    v.try_reserve_exact(n).map_err(|_| Error::OutOfMemory(what))?;
    Ok(v)
}
