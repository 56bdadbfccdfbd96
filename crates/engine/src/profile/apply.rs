//! Applying an update to a profile: whole or not at all.

use super::{Op, RecordProblem, Update};
use crate::ingest::json_bytes;
use crate::limits::Limits;
use crate::value::Value;
use std::collections::{BTreeMap, HashSet};

/// The property that tells when a profile was last updated: text, UTC, `YYYY-MM-DDTHH:MM:SS`.
pub const LAST_SEEN: &str = "$last_seen";

type Properties = BTreeMap<Box<str>, Value>;
type Check<T> = Result<T, RecordProblem>;

/// The profile after an update; `None` = there is none (before, or any more).
///
/// A profile comes into being when a property is set; an update that leaves none creates nothing. Unless `ignore_time`,
/// `$last_seen` becomes the time of the update, for users and groups alike and even if an operation names it.
///
/// # Errors
/// What is wrong, by operation and property; nothing of the update applies then.
pub fn apply(profile: Option<&Value>, update: &Update, now_ms: i64, limits: &Limits) -> Check<Option<Value>> {
    let mut p: Properties = match profile {
        Some(Value::Object(m)) => m.iter().cloned().collect(),
        _ => Properties::new(),
    };
    let before = count(&p);
    let mut deleted = false;
    for op in &update.ops {
        match op {
            Op::Set(pairs) => {
                for (k, v) in pairs {
                    set(&mut p, k, v);
                }
            }
            Op::SetOnce(pairs) => {
                for (k, v) in pairs {
                    if !is_set(p.get(k)) {
                        set(&mut p, k, v);
                    }
                }
            }
            Op::Add(pairs) => each(&mut p, pairs, "$add", limits, add)?,
            Op::Append(pairs) => each(&mut p, pairs, "$append", limits, append)?,
            Op::Union(pairs) => each(&mut p, pairs, "$union", limits, union)?,
            Op::Remove(pairs) => each(&mut p, pairs, "$remove", limits, remove)?,
            Op::Unset(names) => p.retain(|k, _| names.binary_search(k).is_err()),
            Op::Delete => deleted = true,
        }
    }
    let after = count(&p);
    if after > limits.profile_properties && after > before {
        let why = format!(
            "a profile must not have more than {} properties",
            limits.profile_properties
        );
        return Err(RecordProblem::new("record", why));
    }
    if deleted || profile.is_none() && p.is_empty() {
        return Ok(None);
    }
    if !update.ignore_time {
        let at = update.time.unwrap_or(now_ms).min(now_ms);
        if let Some(text) = iso_seconds(at) {
            p.insert(LAST_SEEN.into(), Value::str(text));
        }
    }
    Ok(Some(Value::Object(p.into_iter().collect())))
}

/// `$last_seen` is ours and does not count.
fn count(p: &Properties) -> usize {
    p.len() - usize::from(p.contains_key(LAST_SEEN))
}

fn is_set(v: Option<&Value>) -> bool {
    v.is_some_and(|v| !matches!(v, Value::Null))
}

fn set(p: &mut Properties, name: &str, v: &Value) {
    if matches!(v, Value::Null) {
        p.remove(name);
    } else {
        p.insert(name.into(), v.clone());
    }
}

/// Replaces each named property by `f(old, payload)`; a `None` removes it.
fn each<T>(
    p: &mut Properties,
    pairs: &[(Box<str>, T)],
    op: &str,
    limits: &Limits,
    f: impl Fn(Option<Value>, &T) -> Result<Option<Value>, String>,
) -> Check<()> {
    for (name, payload) in pairs {
        let old = p.remove(name).filter(|v| is_set(Some(v)));
        let problem = |why: String| RecordProblem::new(format!("{op}.{name}"), why);
        let Some(new) = f(old, payload).map_err(problem)? else {
            continue;
        };
        if let Value::List(_) = &new
            && json_bytes(&new) > limits.profile_compound_bytes
        {
            let most = limits.profile_compound_bytes;
            return Err(problem(format!(
                "a list or object must not be larger than {most} bytes"
            )));
        }
        p.insert(name.clone(), new);
    }
    Ok(())
}

fn kind_of(v: &Value) -> &'static str {
    match v {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Int(_) | Value::Float(_) => "a number",
        Value::Str(_) => "a string",
        Value::List(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn add(old: Option<Value>, by: &Value) -> Result<Option<Value>, String> {
    let sum = match (old.unwrap_or(Value::Int(0)), by) {
        // Whole numbers stay exact as long as they fit.
        (Value::Int(a), Value::Int(b)) => a
            .checked_add(*b)
            .map_or(Value::number(a as f64 + *b as f64), Value::Int),
        (old, by) => match (old.as_f64(), by.as_f64()) {
            (Some(a), Some(b)) => Value::number(a + b),
            _ => return Err(format!("the profile holds {}, not a number", kind_of(&old))),
        },
    };
    match sum {
        Value::Null => Err("the sum is too large".into()),
        sum => Ok(Some(sum)),
    }
}

/// A list as it is, nothing as an empty one, anything else as a list of one element.
fn as_list(v: Option<Value>) -> Vec<Value> {
    match v {
        None => Vec::new(),
        Some(Value::List(l)) => l,
        Some(one) => vec![one],
    }
}

fn append(old: Option<Value>, v: &Value) -> Result<Option<Value>, String> {
    let mut l = as_list(old);
    l.push(v.clone());
    Ok(Some(Value::List(l)))
}

fn union(old: Option<Value>, more: &Vec<Value>) -> Result<Option<Value>, String> {
    let mut l = as_list(old);
    let mut have: HashSet<Value> = l.iter().cloned().collect();
    for v in more {
        if have.insert(v.clone()) {
            l.push(v.clone());
        }
    }
    Ok(Some(Value::List(l)))
}

fn remove(old: Option<Value>, v: &Value) -> Result<Option<Value>, String> {
    match old {
        None => Ok(None),
        Some(Value::List(mut l)) => {
            l.retain(|e| e != v);
            Ok(Some(Value::List(l)))
        }
        Some(one) if one == *v => Ok(None),
        Some(other) => Err(format!(
            "the profile holds {} of another value, not a list",
            kind_of(&other)
        )),
    }
}

fn iso_seconds(ms: i64) -> Option<String> {
    let t = jiff::Timestamp::from_second(ms.div_euclid(1000)).ok()?;
    Some(jiff::tz::TimeZone::UTC.to_datetime(t).to_string())
}
