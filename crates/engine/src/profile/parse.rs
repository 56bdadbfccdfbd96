//! Reading the updates of `/engage` and `/groups`.

use super::{Op, RecordError, RecordProblem, Target, Update, What};
use crate::ingest::{Bounds, cut, id_text, identify, instant, sent_id, tidy};
use crate::limits::Limits;
use crate::value::Value;

type Check<T> = Result<T, RecordProblem>;
type Pairs = Vec<(Box<str>, Value)>;

/// Operations in the order they apply.
const OPS: [&str; 8] = [
    "$set",
    "$set_once",
    "$add",
    "$append",
    "$union",
    "$remove",
    "$unset",
    "$delete",
];

/// Members that are no operations. `$token` is not checked; `$ip`, `$latitude` and `$longitude` only serve a look-up of
/// places, which does not happen here.
const MODIFIERS: [&str; 10] = [
    "$token",
    "$distinct_id",
    "$group_key",
    "$group_id",
    "$ip",
    "$time",
    "$ignore_time",
    "$ignore_alias",
    "$latitude",
    "$longitude",
];

/// Reads one update or an array of them. The numbers are positions in the array, from 0; each position is in one of the
/// two answers.
pub fn parse_updates(v: &Value, limits: &Limits, what: What) -> (Vec<(usize, Update)>, Vec<RecordError>) {
    let records = match v {
        Value::List(l) => l.as_slice(),
        one => std::slice::from_ref(one),
    };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (index, record) in records.iter().enumerate() {
        match update(record, limits, what) {
            Ok(u) => good.push((index, u)),
            Err(problem) => bad.push(problem.at(index, None)),
        }
    }
    (good, bad)
}

fn update(record: &Value, limits: &Limits, what: What) -> Check<Update> {
    let Value::Object(members) = record else {
        return Err(RecordProblem::new("record", "must be a JSON object"));
    };
    let target = target(record, limits, what)?;
    for (name, _) in members {
        if !OPS.contains(&&**name) && !MODIFIERS.contains(&&**name) {
            let why = if name.starts_with('$') {
                format!("unknown operation; it must be one of {}", OPS.join(", "))
            } else {
                "properties belong into an operation, such as $set".to_owned()
            };
            return Err(RecordProblem::new(cut(name, limits.string_chars), why));
        }
    }
    let mut bytes = 0;
    let mut ops = Vec::new();
    for name in OPS {
        if let Some(payload) = record.get(name) {
            ops.push(Reader { name, limits, what }.op(payload, &mut bytes)?);
        }
    }
    if bytes > limits.record_bytes {
        let why = format!("must not be larger than {} bytes", limits.record_bytes);
        return Err(RecordProblem::new("record", why));
    }
    if ops.is_empty() {
        let why = format!("no operation; it must have one of {}", OPS.join(", "));
        return Err(RecordProblem::new("record", why));
    }
    let time = match record.get("$time") {
        None | Some(Value::Null) => None,
        Some(v) => Some(instant(v).map_err(|why| RecordProblem::new("$time", why))?),
    };
    Ok(Update {
        target,
        ops,
        time,
        ignore_time: flag(record, "$ignore_time")?,
        ignore_alias: flag(record, "$ignore_alias")?,
    })
}

fn flag(record: &Value, name: &str) -> Check<bool> {
    match record.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(b)) => Ok(*b),
        Some(_) => Err(RecordProblem::new(name, "must be true or false")),
    }
}

fn target(record: &Value, limits: &Limits, what: What) -> Check<Target> {
    let missing = |field: &str| RecordProblem::new(field, "must not be missing");
    match what {
        What::Users => {
            if record.get("$group_key").is_some() || record.get("$group_id").is_some() {
                return Err(RecordProblem::new(
                    "$group_key",
                    "this is an update of a group, not of a user",
                ));
            }
            let id = sent_id("$distinct_id", record.get("$distinct_id"))?.ok_or_else(|| missing("$distinct_id"))?;
            let id = identify(None, None, Some(&id), limits).distinct_id;
            if id.is_empty() {
                return Err(missing("$distinct_id"));
            }
            Ok(Target::User(id))
        }
        What::Groups => {
            if record.get("$distinct_id").is_some() {
                return Err(RecordProblem::new(
                    "$distinct_id",
                    "this is an update of a user, not of a group",
                ));
            }
            let read = |field: &str| -> Check<Box<str>> {
                let v = record.get(field).filter(|v| !matches!(v, Value::Null));
                let id = id_text(v.ok_or_else(|| missing(field))?).map_err(|why| RecordProblem::new(field, why))?;
                let why = if id.is_empty() {
                    "must not be empty".to_owned()
                } else if id.as_bytes().contains(&0) {
                    "must not contain the character U+0000".to_owned()
                } else if cut(&id, limits.string_chars).len() < id.len() {
                    format!("must not be longer than {} characters", limits.string_chars)
                } else {
                    return Ok(id.into());
                };
                Err(RecordProblem::new(field, why))
            };
            Ok(Target::Group {
                key: read("$group_key")?,
                id: read("$group_id")?,
            })
        }
    }
}

/// Reads the payload of one operation.
struct Reader<'a> {
    name: &'static str,
    limits: &'a Limits,
    what: What,
}

impl Reader<'_> {
    fn problem(&self, why: impl std::fmt::Display) -> RecordProblem {
        RecordProblem::new(self.name, why)
    }

    fn problem_of(&self, property: &str, why: impl std::fmt::Display) -> RecordProblem {
        RecordProblem::new(format!("{}.{property}", self.name), why)
    }

    fn op(&self, payload: &Value, bytes: &mut usize) -> Check<Op> {
        match self.name {
            "$delete" => return Ok(Op::Delete),
            "$unset" => return self.names(payload).map(Op::Unset),
            _ => {}
        }
        let pairs = self.pairs(payload, bytes)?;
        Ok(match self.name {
            "$set" => Op::Set(pairs),
            "$set_once" => Op::SetOnce(pairs),
            "$add" => Op::Add(self.all(pairs, |v| v.as_f64().is_some(), "must be a number")?),
            "$append" => Op::Append(self.all(pairs, |v| !matches!(v, Value::Null), "must not be null")?),
            "$remove" => Op::Remove(self.all(pairs, is_scalar, "must be a string, a number, true or false")?),
            // $union; OPS has no other.
            _ => Op::Union(self.lists(pairs)?),
        })
    }

    /// A name as it is stored.
    fn property(&self, name: &str) -> Check<Box<str>> {
        let name = cut(name, self.limits.string_chars);
        let reserved: &[&str] = match self.what {
            What::Users => &["$distinct_id"],
            What::Groups => &["$group_key", "$group_id"],
        };
        if reserved.contains(&name) {
            return Err(self.problem_of(name, "the name is reserved"));
        }
        if name.as_bytes().contains(&0) {
            return Err(self.problem("a property name must not contain the character U+0000"));
        }
        Ok(name.into())
    }

    fn pairs(&self, payload: &Value, bytes: &mut usize) -> Check<Pairs> {
        let Value::Object(members) = payload else {
            return Err(self.problem("must be an object of properties"));
        };
        let mut pairs: Pairs = Vec::with_capacity(members.len());
        for (k, v) in members {
            let (name, mut v) = (self.property(k)?, v.clone());
            let size = tidy(&mut v, &bounds(self.limits)).map_err(|why| self.problem_of(&name, why))?;
            *bytes = bytes.saturating_add(size + k.len() + 4);
            pairs.push((name, v));
        }
        Ok(match Value::object(pairs) {
            // Cutting names may have made some equal.
            Value::Object(m) => m,
            _ => Vec::new(),
        })
    }

    fn all(&self, pairs: Pairs, ok: impl Fn(&Value) -> bool, why: &str) -> Check<Pairs> {
        match pairs.iter().find(|(_, v)| !ok(v)) {
            Some((k, _)) => Err(self.problem_of(k, why)),
            None => Ok(pairs),
        }
    }

    fn lists(&self, pairs: Pairs) -> Check<Vec<(Box<str>, Vec<Value>)>> {
        let list = |(k, v): (Box<str>, Value)| match v {
            Value::List(l) if l.is_empty() => Err(self.problem_of(&k, "the list must not be empty")),
            Value::List(l) if !l.iter().all(|e| matches!(e, Value::Str(_)) || e.as_f64().is_some()) => {
                Err(self.problem_of(&k, "the list must hold strings and numbers alone"))
            }
            Value::List(l) => Ok((k, l)),
            _ => Err(self.problem_of(&k, "must be a list")),
        };
        pairs.into_iter().map(list).collect()
    }

    fn names(&self, payload: &Value) -> Check<Vec<Box<str>>> {
        let Value::List(l) = payload else {
            return Err(self.problem("must be a list of property names"));
        };
        let mut names = Vec::with_capacity(l.len());
        for v in l {
            let name = v
                .as_str()
                .ok_or_else(|| self.problem("must hold property names alone"))?;
            names.push(self.property(name)?);
        }
        if names.is_empty() {
            return Err(self.problem("must have at least one property name"));
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

fn is_scalar(v: &Value) -> bool {
    matches!(v, Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Str(_))
}

/// Lists of profiles are bounded by their bytes alone.
fn bounds(limits: &Limits) -> Bounds {
    Bounds {
        depth: limits.depth,
        object_keys: limits.object_keys,
        list_elements: usize::MAX,
        compound_bytes: limits.profile_compound_bytes,
        string_chars: limits.string_chars,
    }
}
