//! Size and depth limits of values, and the cutting of strings.

use crate::value::Value;

/// What a value may look like; counts and bytes are those of [`crate::limits::Limits`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub depth: usize,
    pub object_keys: usize,
    pub list_elements: usize,
    pub compound_bytes: usize,
    pub string_chars: usize,
}

/// Checks a value against its bounds and cuts its strings and keys. Returns its size as sent, in bytes of compact JSON
/// without counting escapes.
pub(crate) fn tidy(v: &mut Value, b: &Bounds) -> Result<usize, String> {
    let bytes = walk(v, b, 1)?;
    if bytes > b.compound_bytes && matches!(v, Value::List(_) | Value::Object(_)) {
        return Err(format!(
            "a list or object must not be larger than {} bytes",
            b.compound_bytes
        ));
    }
    Ok(bytes)
}

/// Bytes of compact JSON, without counting escapes. The value must be bounded in depth.
pub(crate) fn json_bytes(v: &Value) -> usize {
    match v {
        Value::Null | Value::Bool(_) => 4,
        Value::Int(i) => i.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1,
        // The longest a double gets, near enough.
        Value::Float(_) => 17,
        Value::Str(s) => s.len() + 2,
        Value::List(l) => l.iter().map(|e| 1 + json_bytes(e)).sum::<usize>() + 2,
        Value::Object(m) => m.iter().map(|(k, e)| 4 + k.len() + json_bytes(e)).sum::<usize>() + 2,
    }
}

/// `depth` is what a compound value found here has. The recursion ends at the depth limit.
fn walk(v: &mut Value, b: &Bounds, depth: usize) -> Result<usize, String> {
    match v {
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => Ok(json_bytes(v)),
        Value::Str(s) => {
            let n = s.len() + 2;
            text(s, b.string_chars)?;
            Ok(n)
        }
        Value::List(_) | Value::Object(_) if depth > b.depth => {
            Err(format!("must not be nested deeper than {} levels", b.depth))
        }
        Value::List(l) => {
            if l.len() > b.list_elements {
                return Err(format!("a list must not have more than {} elements", b.list_elements));
            }
            let mut n = 2;
            for e in l.iter_mut() {
                n += 1 + walk(e, b, depth + 1)?;
            }
            Ok(n)
        }
        Value::Object(m) => {
            if m.len() > b.object_keys {
                return Err(format!("an object must not have more than {} keys", b.object_keys));
            }
            let mut n = 2;
            let mut was_cut = false;
            for (k, e) in m.iter_mut() {
                n += 4 + k.len() + walk(e, b, depth + 1)?;
                was_cut |= text(k, b.string_chars)?;
            }
            if was_cut {
                // Cutting keeps the order but may make neighbours equal.
                last_of_equals(m);
            }
            Ok(n)
        }
    }
}

/// Checks and cuts one string; true when it was cut.
pub(super) fn text(s: &mut Box<str>, chars: usize) -> Result<bool, String> {
    if s.as_bytes().contains(&0) {
        return Err("a string must not contain the character U+0000".into());
    }
    let short = cut(s, chars);
    let was_cut = short.len() < s.len();
    if was_cut {
        *s = short.into();
    }
    Ok(was_cut)
}

/// The first `chars` characters.
pub(crate) fn cut(s: &str, chars: usize) -> &str {
    // No character is shorter than a byte.
    if s.len() <= chars {
        return s;
    }
    match s.char_indices().nth(chars) {
        Some((end, _)) => s.get(..end).unwrap_or(s),
        None => s,
    }
}

/// Keeps the last of neighbours with the same name.
pub(super) fn last_of_equals(m: &mut Vec<(Box<str>, Value)>) {
    // dedup_by drops the later one, `a`, so its value moves to the earlier.
    m.dedup_by(|a, b| {
        let same = a.0 == b.0;
        if same {
            std::mem::swap(a, b);
        }
        same
    });
}
