//! Property values: what an event or a profile can hold.
//!
//! Numbers have one canonical form ([`Value::number`]), so that equality, hashing and dictionaries agree that
//! `1` and `1.0` are the same value.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// One JSON value in the engine's own form.
#[derive(Debug, Clone)]
pub enum Value {
    Null,
    Bool(bool),
    /// Every number that is a whole number of `i64`.
    Int(i64),
    /// Every other number; never NaN, never infinite.
    Float(f64),
    Str(Box<str>),
    List(Vec<Value>),
    /// Keys in byte order, each once.
    Object(Vec<(Box<str>, Value)>),
}

impl Value {
    /// A string value.
    pub fn str(s: impl Into<Box<str>>) -> Self {
        Value::Str(s.into())
    }

    /// The canonical form of a number: whole numbers that fit become [`Value::Int`]; NaN and infinities, which JSON
    /// does not have, become [`Value::Null`].
    pub fn number(f: f64) -> Self {
        if !f.is_finite() {
            Value::Null
        } else if f.fract() == 0.0 && f.abs() < 9.0e18 {
            Value::Int(f as i64)
        } else {
            Value::Float(f)
        }
    }

    /// An object from pairs in any order; of equal keys the last wins.
    pub fn object(pairs: impl IntoIterator<Item = (Box<str>, Value)>) -> Self {
        let map: std::collections::BTreeMap<Box<str>, Value> = pairs.into_iter().collect();
        Value::Object(map.into_iter().collect())
    }

    /// Bytes it takes in memory, about: with what the allocator needs beside a text.
    pub fn memory(&self) -> usize {
        let beside = match self {
            Value::Str(s) => s.len() + 16,
            Value::List(v) => v.iter().map(Value::memory).sum(),
            Value::Object(v) => v.iter().map(|(key, value)| key.len() + 32 + value.memory()).sum(),
            _ => 0,
        };
        size_of::<Value>() + beside
    }

    /// The number this value is, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(i) => Some(*i as f64),
            Value::Float(f) => Some(*f),
            _ => None,
        }
    }

    /// The string this value is, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(s) => Some(s),
            _ => None,
        }
    }

    /// Member of an object.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Object(m) => m
                .binary_search_by(|(k, _)| (**k).cmp(key))
                .ok()
                .and_then(|i| m.get(i))
                .map(|(_, v)| v),
            _ => None,
        }
    }

    /// How a number, string or boolean reads as text: `1`, `0.5`, `abc`, `true`; compound values as JSON.
    pub fn to_text(&self) -> String {
        match self {
            Value::Str(s) => s.to_string(),
            other => other.to_json().to_string(),
        }
    }

    /// The same value for serde_json.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as J;
        match self {
            Value::Null => J::Null,
            Value::Bool(b) => J::Bool(*b),
            Value::Int(i) => J::from(*i),
            Value::Float(f) => J::from(*f),
            Value::Str(s) => J::from(&**s),
            Value::List(l) => J::Array(l.iter().map(Value::to_json).collect()),
            Value::Object(m) => J::Object(m.iter().map(|(k, v)| (k.to_string(), v.to_json())).collect()),
        }
    }

    /// The value a serde_json value means.
    pub fn from_json(j: &serde_json::Value) -> Self {
        use serde_json::Value as J;
        match j {
            J::Null => Value::Null,
            J::Bool(b) => Value::Bool(*b),
            J::Number(n) => match n.as_i64() {
                Some(i) => Value::Int(i),
                None => Value::number(n.as_f64().unwrap_or(f64::NAN)),
            },
            J::String(s) => Value::str(s.as_str()),
            J::Array(a) => Value::List(a.iter().map(Value::from_json).collect()),
            J::Object(m) => Value::object(m.iter().map(|(k, v)| (k.as_str().into(), Value::from_json(v)))),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Value::Null => 0,
            Value::Bool(_) => 1,
            Value::Int(_) | Value::Float(_) => 2,
            Value::Str(_) => 3,
            Value::List(_) => 4,
            Value::Object(_) => 5,
        }
    }
}

/// Whole numbers are `Int` and fractions `Float`, so a comparison of the two never has to call them equal.
fn cmp_numbers(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Int(x), Value::Int(y)) => x.cmp(y),
        (x, y) => {
            let (fx, fy) = (x.as_f64().unwrap_or(0.0), y.as_f64().unwrap_or(0.0));
            fx.total_cmp(&fy)
                .then_with(|| matches!(x, Value::Float(_)).cmp(&matches!(y, Value::Float(_))))
        }
    }
}

/// Total order: null, booleans, numbers, strings in byte order, lists, objects.
impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Str(a), Value::Str(b)) => a.cmp(b),
            (Value::List(a), Value::List(b)) => a.cmp(b),
            (Value::Object(a), Value::Object(b)) => a.cmp(b),
            (a, b) if a.rank() == 2 && b.rank() == 2 => cmp_numbers(a, b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, h: &mut H) {
        self.rank().hash(h);
        match self {
            Value::Null => {}
            Value::Bool(b) => b.hash(h),
            Value::Int(i) => i.hash(h),
            Value::Float(f) => f.to_bits().hash(h),
            Value::Str(s) => s.hash(h),
            Value::List(l) => l.hash(h),
            Value::Object(m) => m.hash(h),
        }
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }
    fn visit_i64<E>(self, i: i64) -> Result<Value, E> {
        Ok(Value::Int(i))
    }
    fn visit_u64<E>(self, u: u64) -> Result<Value, E> {
        Ok(i64::try_from(u).map_or_else(|_| Value::number(u as f64), Value::Int))
    }
    fn visit_f64<E>(self, f: f64) -> Result<Value, E> {
        Ok(Value::number(f))
    }
    fn visit_str<E>(self, s: &str) -> Result<Value, E> {
        Ok(Value::str(s))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut l = Vec::new();
        while let Some(v) = seq.next_element()? {
            l.push(v);
        }
        Ok(Value::List(l))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut pairs: Vec<(Box<str>, Value)> = Vec::new();
        while let Some((k, v)) = map.next_entry::<Box<str>, Value>()? {
            pairs.push((k, v));
        }
        Ok(Value::object(pairs))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(JsonVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form() {
        let parse = |s: &str| serde_json::from_str::<Value>(s).unwrap();
        assert_eq!(parse("1"), parse("1.0"));
        assert_eq!(parse("1e3").to_text(), "1000");
        assert_eq!(parse("0.5").to_text(), "0.5");
        assert_ne!(parse("1"), parse("\"1\""));
        assert_eq!(parse("18446744073709551615").to_text(), "1.8446744073709552e+19");
        assert!(parse("9007199254740993") > parse("9007199254740992"));
    }

    #[test]
    fn objects_are_sorted_and_the_last_of_equal_keys_wins() {
        let v: Value = serde_json::from_str(r#"{"b":1,"a":{"z":[1,null,true]},"b":2}"#).unwrap();
        assert_eq!(v.to_text(), r#"{"a":{"z":[1,null,true]},"b":2}"#);
        assert_eq!(v.get("b"), Some(&Value::Int(2)));
        assert_eq!(Value::from_json(&v.to_json()), v);
    }
}
