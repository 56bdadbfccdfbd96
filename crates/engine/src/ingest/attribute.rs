//! Which groups a value of a group key names.

use super::{cut, id_text};
use crate::limits::Limits;
use crate::value::Value;
use std::borrow::Cow;
use std::collections::HashSet;

/// The groups that a value names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attribution {
    /// Distinct ids in the order they were sent, none empty.
    pub ids: Vec<Box<str>>,
    /// Distinct ids beyond `groups_per_event`, which are not attributed.
    pub dropped: usize,
    /// Values that are no ids: booleans, objects, nested lists, numbers beyond 64 bits, texts with U+0000, and in strict mode ids longer
    /// than `string_chars`, which are cut otherwise.
    pub refused: usize,
    /// What is wrong with the first of them.
    pub problem: Option<String>,
}

/// Reads the value of a group key: a string or number names one group, a list one group for each of its strings and
/// numbers. Missing, null and empty strings name none. Case counts, and nothing is trimmed.
pub fn attribute(value: Option<&Value>, limits: &Limits, strict: bool) -> Attribution {
    let mut a = Attribution::default();
    match value {
        None => {}
        Some(Value::List(l)) => {
            let mut seen = Seen::default();
            for v in l {
                a.add(v, limits, strict, &mut seen);
            }
        }
        Some(v) => a.add(v, limits, strict, &mut Seen::default()),
    }
    a
}

/// Ids met before: short lists are searched, long ones hashed.
#[derive(Default)]
struct Seen<'a> {
    hashed: Option<HashSet<Cow<'a, str>>>,
}

const SEARCH_UP_TO: usize = 16;

impl Attribution {
    fn refuse(&mut self, why: &str) {
        self.refused += 1;
        self.problem.get_or_insert_with(|| why.to_owned());
    }

    fn add<'a>(&mut self, v: &'a Value, limits: &Limits, strict: bool, seen: &mut Seen<'a>) {
        if matches!(v, Value::Null) {
            return;
        }
        let id = match id_text(v) {
            Ok(id) if id.is_empty() => return,
            Ok(id) if id.as_bytes().contains(&0) => {
                return self.refuse("a group id must not contain the character U+0000");
            }
            Ok(id) => id,
            Err(why) => return self.refuse(&format!("a group id {why}")),
        };
        let short = cut(&id, limits.string_chars);
        let too_long = short.len() < id.len();
        if too_long && strict {
            return self.refuse(&format!(
                "a group id must not be longer than {} characters",
                limits.string_chars
            ));
        }
        let id = if too_long { short.to_owned().into() } else { id };
        let known = match &mut seen.hashed {
            Some(h) => !h.insert(id.clone()),
            None if self.ids.iter().any(|i| **i == *id) => true,
            None => {
                if self.ids.len() >= SEARCH_UP_TO.min(limits.groups_per_event) {
                    let all = self.ids.iter().map(|i| Cow::Owned(i.to_string()));
                    seen.hashed = Some(all.chain([id.clone()]).collect());
                }
                false
            }
        };
        if known {
            return;
        }
        if self.ids.len() < limits.groups_per_event {
            self.ids.push(id.into());
        } else {
            self.dropped += 1;
        }
    }
}
