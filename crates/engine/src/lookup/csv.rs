//! CSV as RFC 4180 has it: fields between commas, quotes around what holds commas, quotes or line ends.

use crate::error::{Error, Result};
use crate::value::Value;
use std::collections::HashSet;

/// Most columns of a table.
pub const MAX_COLUMNS: usize = 1000;
/// Longest name of a column, in bytes.
const MAX_NAME: usize = 255;

/// What is wrong with the quotes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// A quote in a field that does not begin with one.
    Bare,
    /// Something between the closing quote of a field and the next comma.
    After,
    /// The text ends inside of quotes.
    Open,
}

impl Problem {
    pub fn message(self) -> &'static str {
        match self {
            Problem::Bare => "a quote inside of a field that is not quoted",
            Problem::After => "text after the closing quote of a field",
            Problem::Open => "a quote that is never closed",
        }
    }
}

/// Splits a text into records; empty lines are none.
pub struct Records<'t> {
    rest: &'t str,
}

impl<'t> Records<'t> {
    pub fn new(text: &'t str) -> Self {
        Records {
            rest: text.strip_prefix('\u{feff}').unwrap_or(text),
        }
    }

    /// Reads the next record into `fields`; false at the end. After a problem the reader goes on with the next line.
    pub fn next(&mut self, fields: &mut Vec<String>) -> std::result::Result<bool, Problem> {
        fields.clear();
        while let Some(rest) = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n')) {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return Ok(false);
        }
        loop {
            let (field, rest) = match self.rest.strip_prefix('"') {
                Some(quoted) => match unquoted(quoted) {
                    Some(found) => found,
                    None => {
                        self.rest = "";
                        return Err(Problem::Open);
                    }
                },
                None => {
                    let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
                    let (field, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
                    let last = rest.is_empty() || rest.starts_with('\n');
                    let field = if last {
                        field.strip_suffix('\r').unwrap_or(field)
                    } else {
                        field
                    };
                    if field.contains('"') {
                        return self.skip(Problem::Bare);
                    }
                    (field.to_string(), rest)
                }
            };
            fields.push(field);
            if let Some(rest) = rest.strip_prefix(',') {
                self.rest = rest;
                continue;
            }
            let ended = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n'));
            match ended {
                Some(rest) => self.rest = rest,
                None if rest.is_empty() || rest == "\r" => self.rest = "",
                None => {
                    self.rest = rest;
                    return self.skip(Problem::After);
                }
            }
            return Ok(true);
        }
    }

    fn skip(&mut self, problem: Problem) -> std::result::Result<bool, Problem> {
        self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        Err(problem)
    }
}

/// The text up to the closing quote, with doubled quotes as one, and what follows.
fn unquoted(mut rest: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    loop {
        let (part, after) = rest.split_once('"')?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, after)),
        }
    }
}

/// Checks the names of the columns of a text.
pub fn check_header(columns: &[String], hint: &str) -> Result<()> {
    if columns.len() > MAX_COLUMNS {
        return Err(Error::Limit {
            message: format!("more than {MAX_COLUMNS} columns"),
            hint: Some("Leave out columns that no report needs.".into()),
        });
    }
    let mut seen = HashSet::new();
    for (i, name) in columns.iter().enumerate() {
        let wrong = |what: &str| Err(Error::param_hint(format!("header: {what}"), hint));
        if name.trim().is_empty() {
            return wrong(&format!("column {} has no name", i + 1));
        }
        if name.len() > MAX_NAME {
            return wrong(&format!("the name of column {} is longer than {MAX_NAME} bytes", i + 1));
        }
        if !seen.insert(name.as_str()) {
            return wrong(&format!("two columns are called \"{name}\""));
        }
    }
    Ok(())
}

/// What a field of CSV says: a number as JSON writes them, true or false, a list of texts, or a text; nothing when empty.
/// Dates stay texts, which is how filters and breakdowns read them.
pub fn value_of(field: String) -> Value {
    if field.is_empty() {
        return Value::Null;
    }
    if field.eq_ignore_ascii_case("true") {
        return Value::Bool(true);
    }
    if field.eq_ignore_ascii_case("false") {
        return Value::Bool(false);
    }
    // JSON would pass over spaces.
    let trimmed = field.trim().len() == field.len();
    if trimmed && field.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        if let Ok(n @ (Value::Int(_) | Value::Float(_))) = serde_json::from_str(&field) {
            return n;
        }
    } else if trimmed
        && field.starts_with('[')
        && let Ok(list) = serde_json::from_str::<Vec<Box<str>>>(&field)
    {
        return Value::List(list.into_iter().map(Value::Str).collect());
    }
    Value::str(field)
}
