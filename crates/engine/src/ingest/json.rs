//! Reading records out of JSON text with bounded memory and depth, straight into [`Value`].

use crate::limits::Limits;
use crate::value::Value;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::fmt;

/// A record as it was sent.
#[derive(Debug)]
pub(super) enum Draft {
    NotAnObject,
    TooLarge,
    Record {
        event: Option<Value>,
        properties: Option<Properties>,
    },
}

/// The member `properties`.
#[derive(Debug)]
pub(super) enum Properties {
    /// In any order; of equal names the last counts.
    Map(Vec<(Box<str>, Value)>),
    NotAnObject,
}

impl Draft {
    /// Reads one text that must be one JSON value and nothing else.
    pub(super) fn parse(text: &str, limits: &Limits) -> serde_json::Result<Draft> {
        let mut d = serde_json::Deserializer::from_str(text);
        let draft = Record { limits }.deserialize(&mut d)?;
        d.end()?;
        Ok(draft)
    }

    /// A record that somebody else parsed.
    pub(super) fn from_value(v: Value) -> Draft {
        let Value::Object(members) = v else {
            return Draft::NotAnObject;
        };
        let (mut event, mut properties) = (None, None);
        for (k, v) in members {
            match &*k {
                "event" => event = Some(v),
                "properties" => properties = Some(v),
                _ => {}
            }
        }
        Draft::Record {
            event,
            properties: properties.and_then(Properties::from_value),
        }
    }
}

impl Properties {
    /// `None` when there is nothing; pairs otherwise.
    pub(super) fn from_value(v: Value) -> Option<Properties> {
        match v {
            Value::Null => None,
            Value::Object(m) => Some(Properties::Map(m)),
            _ => Some(Properties::NotAnObject),
        }
    }
}

/// What a record may still take up, and how deep it may go.
///
/// What lies beyond is read over without being kept, so that memory is bounded by `record_bytes` whatever is sent.
struct Meter {
    left: Cell<usize>,
    over: Cell<bool>,
}

impl Meter {
    fn charge(&self, bytes: usize) {
        match self.left.get().checked_sub(bytes) {
            Some(n) => self.left.set(n),
            None => self.over.set(true),
        }
    }
}

/// Implements the scalar visits of a seed for which only compounds are of interest.
macro_rules! scalars_are {
    ($as:expr) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($as)
        }
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($as)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($as)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($as)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($as)
        }
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($as)
        }
    };
}

fn skip_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<(), A::Error> {
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn skip_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Reads a record.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub limits: &'a Limits,
}

impl<'de> DeserializeSeed<'de> for Record<'_> {
    type Value = Draft;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Draft, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Record<'_> {
    type Value = Draft;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an event")
    }

    scalars_are!(Draft::NotAnObject);

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Draft, A::Error> {
        skip_seq(seq)?;
        Ok(Draft::NotAnObject)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Draft, A::Error> {
        let meter = Meter {
            left: Cell::new(self.limits.record_bytes),
            over: Cell::new(false),
        };
        let depth = self.limits.depth;
        let (mut event, mut properties) = (None, None);
        while let Some(member) = map.next_key::<Member>()? {
            match member {
                Member::Event => event = Some(map.next_value_seed(Any { meter: &meter, depth })?),
                Member::Properties => properties = map.next_value_seed(Pairs { meter: &meter, depth })?,
                Member::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if meter.over.get() {
            return Ok(Draft::TooLarge);
        }
        Ok(Draft::Record { event, properties })
    }
}

/// The members of a record that mean something.
enum Member {
    Event,
    Properties,
    Other,
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Member;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_str<E>(self, s: &str) -> Result<Member, E> {
                Ok(match s {
                    "event" => Member::Event,
                    "properties" => Member::Properties,
                    _ => Member::Other,
                })
            }
        }
        d.deserialize_str(Name)
    }
}

/// Reads the member `properties`.
struct Pairs<'a> {
    meter: &'a Meter,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Pairs<'_> {
    type Value = Option<Properties>;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pairs<'_> {
    type Value = Option<Properties>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Some(Properties::NotAnObject))
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Some(Properties::NotAnObject))
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Some(Properties::NotAnObject))
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Some(Properties::NotAnObject))
    }
    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Some(Properties::NotAnObject))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        skip_seq(seq)?;
        Ok(Some(Properties::NotAnObject))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::with_capacity(16);
        self.meter.pairs(map, self.depth, &mut pairs)?;
        Ok(Some(Properties::Map(pairs)))
    }
}

impl Meter {
    fn pairs<'de, A: MapAccess<'de>>(
        &self,
        mut map: A,
        depth: usize,
        pairs: &mut Vec<(Box<str>, Value)>,
    ) -> Result<(), A::Error> {
        while !self.over.get() {
            let Some(k) = map.next_key::<Box<str>>()? else {
                return Ok(());
            };
            self.charge(k.len() + 4);
            pairs.push((k, map.next_value_seed(Any { meter: self, depth })?));
        }
        skip_map(map)
    }
}

/// Reads any value. `depth` compounds may still nest; the next one is read as empty, which is one too deep as well.
struct Any<'a> {
    meter: &'a Meter,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Any<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        self.meter.charge(4);
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        self.meter.charge(4);
        Ok(Value::Bool(b))
    }
    fn visit_i64<E>(self, i: i64) -> Result<Value, E> {
        self.meter.charge(1);
        Ok(Value::Int(i))
    }
    fn visit_u64<E>(self, u: u64) -> Result<Value, E> {
        self.meter.charge(1);
        Ok(i64::try_from(u).map_or_else(|_| Value::number(u as f64), Value::Int))
    }
    fn visit_f64<E>(self, f: f64) -> Result<Value, E> {
        self.meter.charge(3);
        Ok(Value::number(f))
    }
    fn visit_str<E>(self, s: &str) -> Result<Value, E> {
        self.meter.charge(s.len() + 2);
        Ok(Value::Str(s.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        self.meter.charge(2);
        let mut l = Vec::new();
        if let Some(depth) = self.depth.checked_sub(1) {
            while !self.meter.over.get() {
                let Some(v) = seq.next_element_seed(Any {
                    meter: self.meter,
                    depth,
                })?
                else {
                    return Ok(Value::List(l));
                };
                self.meter.charge(1);
                l.push(v);
            }
        }
        skip_seq(seq)?;
        Ok(Value::List(l))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        self.meter.charge(2);
        let mut pairs = Vec::new();
        match self.depth.checked_sub(1) {
            Some(depth) => self.meter.pairs(map, depth, &mut pairs)?,
            None => skip_map(map)?,
        }
        Ok(Value::object(pairs))
    }
}
