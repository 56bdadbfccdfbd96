//! Reading a lookup table: from CSV, or from objects, one for each row. All of it is good or none is taken.

use super::csv::{MAX_COLUMNS, Records, check_header, value_of};
use crate::error::{Error, Result, try_vec};
use crate::intern::push;
use crate::tick::{EVERY, Tick};
use crate::value::Value;
use std::collections::HashMap;

/// Most bytes of one table.
pub const MAX_BYTES: usize = 100_000_000;
/// Most rows of all tables of a project together.
pub const MAX_ROWS: usize = 5_000_000;
const HEADER: &str =
    "The first line names the columns, the join key first: \"sku,category,price\". Names are different and not blank.";
/// Problems that are told.
const SHOWN: usize = 10;

const BLANK_KEY: &str = "primary key is required and cannot be blank";
const WRONG_FIELDS: &str = "invalid row: wrong number of fields";

/// A lookup table: the first column is the join key.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub columns: Vec<String>,
    /// The columns as they are stored: JSON arrays of one length, null where nothing is set.
    pub data: Vec<String>,
    pub rows: usize,
    /// What it was read from.
    pub bytes: usize,
}

/// A column in the making.
#[derive(Default)]
struct Array {
    text: String,
    len: usize,
}

impl Array {
    fn push(&mut self, value: &Value) -> Result<()> {
        let owned;
        let item = match value {
            Value::Null => "null",
            v => {
                owned = v.to_json().to_string();
                &owned
            }
        };
        self.text
            .try_reserve(item.len() + 2)
            .map_err(|_| Error::OutOfMemory("a lookup table"))?;
        self.text.push(if self.len == 0 { '[' } else { ',' });
        self.text.push_str(item);
        self.len += 1;
        Ok(())
    }

    /// Nothing is set up to a row.
    fn pad(&mut self, rows: usize) -> Result<()> {
        while self.len < rows {
            self.push(&Value::Null)?;
        }
        Ok(())
    }

    fn finish(mut self) -> String {
        self.text.push_str(if self.len == 0 { "[]" } else { "]" });
        self.text
    }
}

/// What is wrong with rows, which count from 1.
struct Problems {
    shown: Vec<String>,
    total: usize,
}

impl Problems {
    fn add(&mut self, text: impl FnOnce() -> String) {
        self.total += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(text());
        }
    }

    fn none(self) -> Result<()> {
        let (shown, rest) = (self.shown.len(), self.total - self.shown.len());
        if shown == 0 {
            return Ok(());
        }
        let mut message = self.shown.join("; ");
        if rest > 0 {
            message.push_str(&format!("; and {rest} more"));
        }
        Err(Error::param_hint(
            message,
            "Nothing was stored. Rows count from 1, the header not among them.",
        ))
    }
}

fn check_size(bytes: usize) -> Result<()> {
    if bytes > MAX_BYTES {
        return Err(Error::Limit {
            message: format!("a lookup table of {bytes} bytes; at most {MAX_BYTES} are possible"),
            hint: Some("Leave out columns that no report needs, or keep the attributes in group profiles.".into()),
        });
    }
    Ok(())
}

fn check_rows(rows: usize) -> Result<()> {
    if rows > MAX_ROWS {
        return Err(Error::Limit {
            message: format!("more than {MAX_ROWS} rows in a lookup table"),
            hint: Some("Leave out rows that no event refers to.".into()),
        });
    }
    Ok(())
}

/// The join keys met so far, with their rows.
#[derive(Default)]
struct Keys {
    list: Array,
    rows: HashMap<Box<str>, usize>,
}

impl Keys {
    fn add(&mut self, row: usize, key: &str, problems: &mut Problems) -> Result<()> {
        if key.trim().is_empty() {
            problems.add(|| format!("{BLANK_KEY} (row {row})"));
            return Ok(());
        }
        if let Some(first) = self.rows.get(key) {
            problems.add(|| format!("invalid row: row indexes {first} and {row} have the same primary key"));
            return Ok(());
        }
        self.rows
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory("a lookup table"))?;
        self.rows.insert(key.into(), row);
        self.list.push(&Value::str(key))
    }
}

impl Table {
    /// From CSV with a header.
    pub fn from_csv(text: &str, tick: &mut dyn Tick) -> Result<Table> {
        check_size(text.len())?;
        let mut records = Records::new(text);
        let mut columns = Vec::new();
        match records.next(&mut columns) {
            Ok(true) => check_header(&columns, HEADER)?,
            Ok(false) => {
                return Err(Error::param_hint(
                    "the table is empty",
                    "The first line names the columns, the join key first: \"sku,category,price\".",
                ));
            }
            Err(problem) => return Err(Error::param(format!("header: {}", problem.message()))),
        }
        let mut values: Vec<Array> = try_vec(columns.len(), "a lookup table")?;
        values.resize_with(columns.len() - 1, Array::default);
        let (mut keys, mut fields, mut row) = (Keys::default(), Vec::new(), 0);
        let mut problems = Problems {
            shown: Vec::new(),
            total: 0,
        };
        loop {
            let found = records.next(&mut fields);
            row += 1;
            if row % EVERY == 0 {
                tick.tick()?;
            }
            match found {
                Ok(false) => break,
                Err(problem) => problems.add(|| format!("invalid row: {} (row {row})", problem.message())),
                Ok(true) if fields.len() != columns.len() => {
                    problems.add(|| {
                        format!(
                            "{WRONG_FIELDS} (row {row} has {}, the header {})",
                            fields.len(),
                            columns.len()
                        )
                    });
                }
                Ok(true) => {
                    let mut fields = fields.drain(..);
                    keys.add(row, &fields.next().unwrap_or_default(), &mut problems)?;
                    if problems.total == 0 {
                        for (column, field) in values.iter_mut().zip(fields) {
                            column.push(&value_of(field))?;
                        }
                    }
                }
            }
            check_rows(keys.list.len)?;
        }
        problems.none()?;
        Ok(finish(columns, keys, values, text.len()))
    }

    /// From the JSON texts of objects, one for each row, whose member `key` is the join key.
    pub fn from_objects(rows: &[&str], key: &str, tick: &mut dyn Tick) -> Result<Table> {
        let bytes = rows.iter().map(|r| r.len()).sum();
        check_size(bytes)?;
        check_rows(rows.len())?;
        let mut columns = vec![key.to_string()];
        let mut places: HashMap<Box<str>, usize> = HashMap::new();
        let mut values: Vec<Array> = Vec::new();
        let mut keys = Keys::default();
        let mut problems = Problems {
            shown: Vec::new(),
            total: 0,
        };
        for (i, text) in rows.iter().enumerate() {
            let row = i + 1;
            if row % EVERY == 0 {
                tick.tick()?;
            }
            let object = match serde_json::from_str(text) {
                Ok(Value::Object(o)) => o,
                Ok(_) => {
                    problems.add(|| format!("invalid row: not an object (row {row})"));
                    continue;
                }
                Err(e) => {
                    problems.add(|| format!("invalid row: {e} (row {row})"));
                    continue;
                }
            };
            let own = object.iter().find(|(name, _)| **name == *key).map(|(_, v)| v);
            let own = match own {
                None | Some(Value::Null) => String::new(),
                Some(Value::List(_) | Value::Object(_)) => {
                    problems.add(|| format!("invalid row: the primary key must be a text or a number (row {row})"));
                    continue;
                }
                Some(v) => v.to_text(),
            };
            keys.add(row, &own, &mut problems)?;
            for (name, value) in object.into_iter().filter(|(name, _)| **name != *key) {
                let nested = match &value {
                    Value::Object(_) => true,
                    Value::List(l) => l.iter().any(|v| matches!(v, Value::List(_) | Value::Object(_))),
                    _ => false,
                };
                if nested {
                    problems.add(|| format!("invalid row: \"{name}\" is an object (row {row})"));
                    continue;
                }
                let place = match places.get(&name) {
                    Some(place) => *place,
                    None => {
                        if columns.len() == MAX_COLUMNS {
                            columns.push(name.to_string());
                            check_header(&columns, HEADER)?;
                        }
                        columns.push(name.to_string());
                        push(&mut values, Array::default())?;
                        *places.entry(name).or_insert(values.len() - 1)
                    }
                };
                if let Some(column) = values.get_mut(place).filter(|_| problems.total == 0) {
                    column.pad(i)?;
                    column.push(if value == Value::str("") { &Value::Null } else { &value })?;
                }
            }
        }
        problems.none()?;
        check_header(&columns, HEADER)?;
        for column in &mut values {
            column.pad(rows.len())?;
        }
        Ok(finish(columns, keys, values, bytes))
    }
}

fn finish(columns: Vec<String>, keys: Keys, values: Vec<Array>, bytes: usize) -> Table {
    let rows = keys.list.len;
    let data = [keys.list].into_iter().chain(values).map(Array::finish).collect();
    Table {
        columns,
        data,
        rows,
        bytes,
    }
}
