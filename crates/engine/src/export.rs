//! Events as the JSON objects that ingestion takes: what was sent comes out, one object an event.
//!
//! Properties are stored as they were sent, `$insert_id`, `$device_id`, `$user_id` and those of group keys among them;
//! what is not stored as a property, the time and whose event it is, is added. Sent again, an event is the same one.

use crate::chunk::{Chunk, Column};
use crate::error::{Error, Result};
use crate::value::Value;
use std::collections::HashMap;

/// The names behind the numbers of a project, as JSON texts.
#[derive(Debug, Default)]
pub struct Names {
    events: HashMap<u32, Box<str>>,
    properties: HashMap<u32, Box<str>>,
}

/// A text in quotes, as JSON has it.
fn quoted(text: &str) -> Box<str> {
    serde_json::Value::from(text).to_string().into()
}

impl Names {
    /// From numbers and names.
    pub fn new<'n>(
        events: impl Iterator<Item = (u32, &'n str)>,
        properties: impl Iterator<Item = (u32, &'n str)>,
    ) -> Names {
        Names {
            events: events.map(|(no, name)| (no, quoted(name))).collect(),
            properties: properties.map(|(no, name)| (no, quoted(name))).collect(),
        }
    }

    /// The numbers of all properties, ascending.
    pub fn properties(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.properties.keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// Appends one row of a chunk. `user` is whose event it is said to be; empty = nobody's.
    ///
    /// # Errors
    /// An event without a name.
    pub fn write(&self, chunk: &Chunk, row: usize, user: &str, out: &mut Vec<u8>) -> Result<()> {
        let event = chunk.event(row);
        let missing = || Error::corrupt(format!("event {event} has no name"));
        out.extend_from_slice(b"{\"event\":");
        out.extend_from_slice(self.events.get(&event).ok_or_else(missing)?.as_bytes());
        out.extend_from_slice(b",\"properties\":{\"time\":");
        json(out, &chunk.time.get(row).copied().unwrap_or(0))?;
        out.extend_from_slice(b",\"distinct_id\":");
        json(out, user)?;
        self.pairs(chunk, row, false, out)?;
        out.extend_from_slice(b"}}");
        Ok(())
    }

    /// Appends the properties of one row of a chunk, as one object.
    ///
    /// # Errors
    /// A value that can't be written.
    pub fn properties_of(&self, chunk: &Chunk, row: usize, out: &mut Vec<u8>) -> Result<()> {
        out.push(b'{');
        self.pairs(chunk, row, true, out)?;
        out.push(b'}');
        Ok(())
    }

    /// Appends names and values of the properties that a row has; the first of an object has no comma before it.
    fn pairs(&self, chunk: &Chunk, row: usize, mut first: bool, out: &mut Vec<u8>) -> Result<()> {
        for p in &chunk.properties {
            // Columns that were joined for a filter have no name of their own.
            let Some(name) = self.properties.get(&p.property) else {
                continue;
            };
            let begin = out.len();
            if !first {
                out.push(b',');
            }
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            match &p.column {
                Column::Dict { values, codes } => {
                    let code = codes.get(row).copied().unwrap_or(0) as usize;
                    match code.checked_sub(1).and_then(|i| values.get(i)) {
                        Some(v) => value(out, v)?,
                        None => out.truncate(begin),
                    }
                }
                Column::Number(numbers) => match numbers.get(row).filter(|n| !n.is_nan()) {
                    Some(n) => value(out, &Value::number(*n))?,
                    None => out.truncate(begin),
                },
            }
            first &= out.len() == begin;
        }
        Ok(())
    }
}

fn json<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, v: &T) -> Result<()> {
    serde_json::to_writer(out, v).map_err(|e| Error::corrupt(format!("a value that is no JSON: {e}")))
}

/// Appends a value. The recursion ends at the depth that ingestion allows.
fn value(out: &mut Vec<u8>, v: &Value) -> Result<()> {
    match v {
        Value::Null => json(out, &()),
        Value::Bool(b) => json(out, b),
        Value::Int(i) => json(out, i),
        Value::Float(f) => json(out, f),
        Value::Str(s) => json(out, &**s),
        Value::List(list) => {
            out.push(b'[');
            for (i, element) in list.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                value(out, element)?;
            }
            out.push(b']');
            Ok(())
        }
        Value::Object(pairs) => {
            out.push(b'{');
            for (i, (name, element)) in pairs.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                json(out, &**name)?;
                out.push(b':');
                value(out, element)?;
            }
            out.push(b'}');
            Ok(())
        }
    }
}
