//! Whose event it is: the computation of `distinct_id`, and which values are no ids at all.

use super::{RecordProblem, cut};
use crate::limits::Limits;
use crate::value::Value;
use std::borrow::Cow;

/// Marks the ids of devices among distinct ids.
pub(super) const DEVICE: &str = "$device:";

/// Values that broken clients send for "nobody"; compared without case.
const BANNED: [&str; 17] = [
    "00000000-0000-0000-0000-000000000000",
    "anon",
    "anonymous",
    "nil",
    "none",
    "null",
    "n/a",
    "na",
    "undefined",
    "unknown",
    "<nil>",
    "0",
    "-1",
    "true",
    "false",
    "[]",
    "{}",
];

pub(super) fn banned(s: &str) -> bool {
    // Only the nil UUID is longer than the others.
    (s.len() <= 9 || s.len() == 36) && BANNED.iter().any(|b| b.eq_ignore_ascii_case(s))
}

/// Whose event it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The user id, `$device:` and the device id, or empty for nobody.
    pub distinct_id: Box<str>,
    /// Without the `$device:` prefix.
    pub device_id: Option<Box<str>>,
    pub user_id: Option<Box<str>>,
}

/// Computes `distinct_id` from `$user_id`, `$device_id` and the id that was sent as `distinct_id`.
///
/// A user id wins over a device id, which wins over what was sent. One leading `$device:` of a device id is not part of
/// it. A sent id that begins with `$device:` is a device, any other one is a user. Empty counts as missing. Ids are cut
/// at `string_chars`.
pub fn identify(user: Option<&str>, device: Option<&str>, sent: Option<&str>, limits: &Limits) -> Identity {
    let chars = limits.string_chars;
    let some = |s: &str| (!s.is_empty()).then(|| Box::<str>::from(cut(s, chars)));
    let device_of = |s: &str| some(s.strip_prefix(DEVICE).unwrap_or(s));
    let mut user_id = user.and_then(some);
    let mut device_id = device.and_then(device_of);
    if user_id.is_none() && device_id.is_none() {
        match sent.map(|s| (s, s.strip_prefix(DEVICE))) {
            Some((_, Some(rest))) => device_id = device_of(rest),
            Some((s, None)) => user_id = some(s),
            None => {}
        }
    }
    let distinct_id = match (&user_id, &device_id) {
        (Some(u), _) => u.clone(),
        (None, Some(d)) => format!("{DEVICE}{d}").into(),
        (None, None) => "".into(),
    };
    Identity {
        distinct_id,
        device_id,
        user_id,
    }
}

/// Does an id name a user? A `$user_id` that names a device is the device it names: devices become users, and never each
/// other.
pub(super) fn is_user(id: &str) -> bool {
    !id.is_empty() && !is_device(id)
}

/// Does an id name a device?
pub fn is_device(id: &str) -> bool {
    id.starts_with(DEVICE)
}

/// The text of a number used as an id: decimal, without an exponent, `1` for `1.0`.
pub fn canonical_number(f: f64) -> String {
    match Value::number(f) {
        Value::Int(i) => i.to_string(),
        _ => f.to_string(),
    }
}

/// The id that a string or a number is; an error for everything else.
///
/// Numbers beyond 64 bits have lost digits when they arrive here, so that two ids could become one: they are refused.
pub(crate) fn id_text(v: &Value) -> Result<Cow<'_, str>, &'static str> {
    match v {
        Value::Str(s) => Ok(Cow::Borrowed(s)),
        Value::Int(i) => Ok(Cow::Owned(i.to_string())),
        Value::Float(f) if f.fract() == 0.0 => Err("a number beyond 64 bits must be sent as a string"),
        Value::Float(f) => Ok(Cow::Owned(canonical_number(*f))),
        _ => Err("must be a string or a number"),
    }
}

/// An id of a user or a device given by itself, as events that send it as `distinct_id` have it.
///
/// # Errors
/// The reason why it is none.
pub fn given_id(field: &str, id: &str, limits: &Limits) -> Result<Box<str>, String> {
    sent_id(field, Some(&Value::str(id))).map_err(|p| p.message)?;
    let id = identify(None, None, Some(id), limits).distinct_id;
    match &*id {
        "" => Err(format!("'{field}' is invalid: must not be empty")),
        _ => Ok(id),
    }
}

/// Reads an id of a user or a device; missing and null are `None`, banned values an error.
pub(crate) fn sent_id<'a>(field: &str, v: Option<&'a Value>) -> Result<Option<Cow<'a, str>>, RecordProblem> {
    let text = match v {
        None | Some(Value::Null) => return Ok(None),
        Some(v) => id_text(v).map_err(|why| RecordProblem::new(field, why))?,
    };
    let bare = text.trim_start_matches(DEVICE);
    if banned(bare) {
        return Err(RecordProblem::new(field, format_args!("\"{text}\" stands for nobody")));
    }
    if text.as_bytes().contains(&0) {
        return Err(RecordProblem::new(field, "must not contain the character U+0000"));
    }
    Ok(Some(text))
}
