//! What an admin keeps out: events and properties by name, and events by what they carry.

use super::Event;
use crate::error::{Error, Result};
use crate::value::Value;
use std::collections::HashSet;

/// Names that are blocked: events that are discarded, properties that are taken off those that stay.
#[derive(Debug, Clone, Default)]
pub struct Blocked {
    pub events: HashSet<String>,
    pub properties: HashSet<String>,
    pub filters: Vec<DropFilter>,
}

impl Blocked {
    /// True when an event of this name is discarded, or may be for what it carries.
    pub fn suspects(&self, event: &str) -> bool {
        self.filters.iter().any(|f| f.event == event)
    }

    /// True when an event is discarded for what it carries.
    pub fn drops(&self, event: &Event) -> bool {
        self.filters.iter().any(|f| f.drops(event))
    }
}

/// Events of a name that are discarded when each of some properties is one of some values.
#[derive(Debug, Clone, PartialEq)]
pub struct DropFilter {
    pub event: String,
    /// By name.
    all: Vec<(Box<str>, Vec<Value>)>,
}

/// Properties of one filter, and values of one property.
const MOST: usize = 100;

impl DropFilter {
    /// From `{"property": value or [values], …}`; values are strings, numbers and booleans.
    pub fn new(event: &str, properties: Value) -> Result<DropFilter> {
        const EXAMPLE: &str = "For example: {\"env\": [\"test\", \"staging\"], \"bot\": true}.";
        let wrong = |why: String| Error::Param {
            message: format!("properties: {why}"),
            hint: Some(EXAMPLE.into()),
        };
        let Value::Object(pairs) = properties else {
            return Err(wrong("must be an object of properties and their values".into()));
        };
        if pairs.is_empty() || pairs.len() > MOST {
            return Err(wrong(format!("must name 1 to {MOST} properties")));
        }
        let mut all = Vec::new();
        for (name, value) in pairs {
            let values = match value {
                Value::List(values) => values,
                value => vec![value],
            };
            if values.is_empty() || values.len() > MOST {
                return Err(wrong(format!("\"{name}\" must have 1 to {MOST} values")));
            }
            if values
                .iter()
                .any(|v| matches!(v, Value::Null | Value::List(_) | Value::Object(_)))
            {
                return Err(wrong(format!(
                    "\"{name}\" must be a string, a number or a boolean, or a list of these"
                )));
            }
            all.push((name, values));
        }
        Ok(DropFilter {
            event: event.to_string(),
            all,
        })
    }

    /// A list that an event carries is one of the values when one of its elements is.
    pub fn drops(&self, event: &Event) -> bool {
        *event.name == *self.event
            && self.all.iter().all(|(name, values)| {
                let carried = event.properties.iter().find(|(n, _)| n == name).map(|(_, v)| v);
                match carried {
                    None => false,
                    Some(Value::List(list)) => list.iter().any(|v| values.contains(v)),
                    Some(v) => values.contains(v),
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, properties: &str) -> Event {
        let Value::Object(properties) = serde_json::from_str(properties).unwrap() else {
            panic!("an object");
        };
        Event {
            name: name.into(),
            properties,
            ..Event::default()
        }
    }

    fn filter(properties: &str) -> Result<DropFilter> {
        DropFilter::new("View", serde_json::from_str(properties).unwrap())
    }

    #[test]
    fn every_property_must_be_one_of_its_values() {
        let f = filter(r#"{"env": ["test", "staging"], "n": 1}"#).unwrap();
        for (name, properties, dropped) in [
            ("View", r#"{"env": "test", "n": 1}"#, true),
            ("View", r#"{"env": "staging", "n": 1.0, "more": 2}"#, true),
            ("View", r#"{"env": ["live", "test"], "n": [1]}"#, true),
            ("View", r#"{"env": "test"}"#, false),
            ("View", r#"{"env": "Test", "n": 1}"#, false),
            ("View", r#"{"env": "test", "n": "1"}"#, false),
            ("Click", r#"{"env": "test", "n": 1}"#, false),
        ] {
            assert_eq!(f.drops(&event(name, properties)), dropped, "{name} {properties}");
        }
    }

    #[test]
    fn what_can_never_match_is_an_error() {
        for properties in [
            "{}",
            "[]",
            "1",
            r#"{"a": []}"#,
            r#"{"a": null}"#,
            r#"{"a": [[1]]}"#,
            r#"{"a": {}}"#,
        ] {
            assert!(filter(properties).is_err(), "{properties}");
        }
    }
}
