//! The SQL types of the extension: input, output, functions and operators.

pub mod roaringbitmap;
pub mod roaringbitmap64;
mod sql;

use crate::pg::{ErrorReport, guc};
use engine::error::Error;
use pgrx::PgSqlErrorCode::{self, *};

/// The SQL error of an engine error; `bytes` is the SQLSTATE when bytes or a text are not a value of the type, and `wrong`
/// what the message is then, if it has a fixed one.
fn report(e: Error, bytes: PgSqlErrorCode, wrong: Option<&str>) -> ErrorReport {
    let code = match &e {
        Error::Corrupt(_) | Error::Syntax { .. } => bytes,
        Error::Limit { .. } => ERRCODE_PROGRAM_LIMIT_EXCEEDED,
        Error::Param { .. } => ERRCODE_INVALID_PARAMETER_VALUE,
        Error::Cancelled => ERRCODE_QUERY_CANCELED,
        Error::OutOfMemory(_) => ERRCODE_OUT_OF_MEMORY,
        Error::Unsupported { .. } => ERRCODE_FEATURE_NOT_SUPPORTED,
    };
    let (message, detail) = match &e {
        // What was never stored is not corrupt, it is just wrong.
        Error::Corrupt(what) if bytes != ERRCODE_DATA_CORRUPTED => match wrong {
            Some(wrong) => (wrong.to_string(), Some(what.clone())),
            None => (format!("invalid bytes: {what}"), None),
        },
        Error::Syntax { message, position, .. } => (
            message.clone(),
            Some(format!("At character {position} of the literal.")),
        ),
        _ => (e.to_string(), None),
    };
    let hint = match e {
        Error::Limit { hint, .. } | Error::Syntax { hint, .. } | Error::Param { hint, .. } => hint,
        _ => None,
    };
    let mut report = ErrorReport::new(code, message, "");
    if let Some(detail) = detail {
        report = report.set_detail(detail);
    }
    match hint {
        Some(hint) => report.set_hint(hint),
        None => report,
    }
}

/// For stored values: what is wrong with them is corruption.
pub fn stored(e: Error) -> ErrorReport {
    report(e, ERRCODE_DATA_CORRUPTED, None)
}

/// For text that a person or a dump wrote.
pub fn text(e: Error) -> ErrorReport {
    report(e, ERRCODE_INVALID_TEXT_REPRESENTATION, None)
}

/// For bytes that came from outside.
pub fn binary(e: Error) -> ErrorReport {
    report(e, ERRCODE_INVALID_BINARY_REPRESENTATION, None)
}

/// The message of pg_roaringbitmap for what is no set; what it does not say is in the detail and the hint.
const NO_SET: Option<&str> = Some("bitmap format is error");

/// For the text of a set that a person or a dump wrote.
pub fn set_text(e: Error) -> ErrorReport {
    report(e, ERRCODE_INVALID_TEXT_REPRESENTATION, NO_SET)
}

/// For the bytes of a set that came from outside.
pub fn set_binary(e: Error) -> ErrorReport {
    report(e, ERRCODE_INVALID_BINARY_REPRESENTATION, NO_SET)
}

/// The setting of pg_roaringbitmap that says how sets are written as text; it works without that extension as well.
const OUTPUT_FORMAT: &std::ffi::CStr = c"roaringbitmap.output_format";

/// Without the setting, sets of more ids than this are written as bytes: a dump must not fail on a large one.
const MAX_LISTED: u64 = 10_000_000;

/// Is a set of so many ids written as `\x…`, and not as `{1,2,3}`?
pub fn as_bytes(ids: u64) -> Result<bool, ErrorReport> {
    match guc::by_name(OUTPUT_FORMAT).as_deref() {
        None | Some("") => Ok(ids > MAX_LISTED),
        Some("array") => Ok(false),
        Some("bytea") => Ok(true),
        Some(other) => Err(ErrorReport::new(
            ERRCODE_INVALID_PARAMETER_VALUE,
            format!("invalid value for parameter \"roaringbitmap.output_format\": \"{other}\""),
            "",
        )
        .set_hint("Available values: array, bytea.")),
    }
}

/// An array of ids that holds a NULL.
pub fn null_id() -> ErrorReport {
    ErrorReport::new(ERRCODE_NULL_VALUE_NOT_ALLOWED, "array must not contain nulls", "")
}

/// A number of ids as SQL counts them.
pub fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Intersection over union of two sets; not a number for two empty ones.
pub fn jaccard(a: u64, b: u64, both: u64) -> f64 {
    both as f64 / (a + b - both) as f64
}

/// Which of `total` ids in order a selection takes: how many to skip, and how many to take.
pub fn selected(total: u64, limit: i64, offset: i64, reverse: bool) -> (u64, u64) {
    let limit = u64::try_from(limit).unwrap_or(0);
    let offset = u64::try_from(offset).unwrap_or(0);
    let take = limit.min(total.saturating_sub(offset));
    let skip = if reverse {
        total.saturating_sub(offset).saturating_sub(take)
    } else {
        offset
    };
    (skip, take)
}

/// Bytes written as `\x` and hexadecimal digits; `None` when the text does not begin like that.
pub fn from_hex(text: &str) -> Option<Result<Vec<u8>, ErrorReport>> {
    let digits = text.trim_ascii().strip_prefix("\\x")?;
    let bad = |message| {
        ErrorReport::new(ERRCODE_INVALID_TEXT_REPRESENTATION, message, "")
            .set_hint("After \\x comes an even number of hexadecimal digits.")
    };
    let mut bytes = Vec::new();
    if bytes.try_reserve_exact(digits.len() / 2).is_err() {
        return Some(Err(ErrorReport::new(ERRCODE_OUT_OF_MEMORY, "out of memory: bytes", "")));
    }
    let (pairs, odd) = digits.as_bytes().as_chunks::<2>();
    if !odd.is_empty() {
        return Some(Err(bad("invalid hexadecimal data: odd number of digits")));
    }
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    for [hi, lo] in pairs {
        match (digit(*hi), digit(*lo)) {
            (Some(hi), Some(lo)) => bytes.push(hi << 4 | lo),
            _ => return Some(Err(bad("invalid hexadecimal digit"))),
        }
    }
    Some(Ok(bytes))
}

/// `\x` and the hexadecimal digits of `bytes`.
pub fn to_hex(bytes: &[u8]) -> Result<String, ErrorReport> {
    let mut out = String::new();
    let size = bytes.len().saturating_mul(2).saturating_add(2);
    crate::pg::varlena::total_size(size)?;
    out.try_reserve_exact(size)
        .map_err(|_| ErrorReport::new(ERRCODE_OUT_OF_MEMORY, "out of memory: text", ""))?;
    out.push_str("\\x");
    for b in bytes {
        for digit in [b >> 4, b & 15] {
            out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    Ok(out)
}

/// The text of a value as C wants it.
pub fn to_c_string(text: String) -> Result<std::ffi::CString, ErrorReport> {
    std::ffi::CString::new(text).map_err(|_| ErrorReport::new(ERRCODE_INTERNAL_ERROR, "a text with a zero byte", ""))
}

/// The argument of an INPUT function as text.
pub fn from_c_str(text: &std::ffi::CStr) -> Result<&str, ErrorReport> {
    text.to_str().map_err(|_| {
        ErrorReport::new(
            ERRCODE_INVALID_TEXT_REPRESENTATION,
            "invalid character in a literal",
            "",
        )
    })
}
