//! A row of a relation as a line of JSON.
//!
//! Values of the common types are written here as `to_json` writes them, with instants in UTC: a call of it for every value
//! costs more than everything else that an import does with a row.

use super::relation::Form;
use crate::error::Result;
use crate::pg::row_values::{Cell, Row};
use engine::error::Error;
use serde_json::Value as Json;
use std::io::Write;

/// What becomes of a value that is read.
pub(super) enum Slot {
    /// How every line begins, up to the brace before its properties; nothing is read.
    Begin(String),
    /// The same around what is read.
    Around(&'static str, &'static str),
    /// A JSON object whose members are properties.
    Object,
    /// A property: its name in quotes and a colon. What is NULL is left out.
    Property(String),
    /// The same, with null for what is NULL.
    Nullable(String),
}

impl Slot {
    pub fn property(name: &str) -> Slot {
        Slot::Property(format!("{}:", Json::from(name)))
    }

    /// A property that a row takes away when it has none.
    pub fn nullable(name: &str) -> Slot {
        Slot::Nullable(format!("{}:", Json::from(name)))
    }
}

/// Appends a row as a line.
pub(super) fn line(row: &Row, slots: &[(Slot, Form)], out: &mut Vec<u8>) -> Result<()> {
    let mut empty = true;
    let mut whole = None;
    for (column, (slot, form)) in slots.iter().enumerate() {
        let value = match slot {
            Slot::Begin(_) => None,
            _ => row.cell(column)?,
        };
        // A character takes six at most.
        let room = match &value {
            Some(Cell::Text(text)) => text.len().saturating_mul(6),
            _ => 0,
        };
        out.try_reserve(room + 300)
            .map_err(|_| Error::OutOfMemory("rows of an import"))?;
        match (slot, value) {
            (Slot::Begin(json), _) => out.extend_from_slice(json.as_bytes()),
            (Slot::Around(before, after), value) => {
                out.extend_from_slice(before.as_bytes());
                match value {
                    Some(cell) => put(cell, *form, out),
                    None => out.extend_from_slice(b"null"),
                }
                out.extend_from_slice(after.as_bytes());
            }
            (Slot::Nullable(name), None) => {
                if !std::mem::take(&mut empty) {
                    out.push(b',');
                }
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b"null");
            }
            (_, None) => {}
            (Slot::Object, Some(Cell::Text(value))) => match members(&value) {
                Some(members) => {
                    put_json(members, out);
                    empty = members.is_empty();
                }
                None if value.trim_ascii() == b"null" => {}
                None => whole = Some((out.len(), value)),
            },
            // A time that is none is left out: the record is refused for it.
            (_, Some(Cell::Infinite(_))) if *form == Form::Instant => {}
            (Slot::Object, Some(cell)) => put(cell, *form, out),
            (Slot::Property(name) | Slot::Nullable(name), Some(cell)) => {
                if !std::mem::take(&mut empty) {
                    out.push(b',');
                }
                out.extend_from_slice(name.as_bytes());
                put(cell, *form, out);
            }
        }
    }
    if let Some((at, value)) = whole {
        // Not an object: the record is refused for it.
        out.truncate(at.saturating_sub(1));
        put_json(&value, out);
    } else {
        out.push(b'}');
    }
    out.extend_from_slice(b"}\n");
    Ok(())
}

/// What is between the braces of an object.
fn members(json: &[u8]) -> Option<&[u8]> {
    let inside = json.trim_ascii().strip_prefix(b"{")?.strip_suffix(b"}")?;
    Some(inside.trim_ascii())
}

/// Appends a value. Writing to a vector cannot fail.
fn put(cell: Cell, form: Form, out: &mut Vec<u8>) {
    match cell {
        Cell::Text(json) if form != Form::Value => put_json(&json, out),
        Cell::Text(text) => put_text(&text, out),
        Cell::Int(i) => put_int(i, out),
        Cell::Bool(b) => out.extend_from_slice(if b { b"true" } else { b"false" }),
        Cell::Float(x) if !x.is_finite() => {
            let name: &[u8] = match x {
                _ if x.is_nan() => b"\"NaN\"",
                _ if x > 0.0 => b"\"Infinity\"",
                _ => b"\"-Infinity\"",
            };
            out.extend_from_slice(name);
        }
        // Below, whole numbers have all their digits; above, nobody reads them.
        Cell::Float(x) if x.abs() < 1e15 => drop(write!(out, "{x}")),
        Cell::Float(x) => drop(write!(out, "{x:e}")),
        Cell::Infinite(later) => out.extend_from_slice(if later { b"\"infinity\"" } else { b"\"-infinity\"" }),
        Cell::Instant(us) if form == Form::Instant => put_int(milliseconds(us), out),
        Cell::Instant(us) => put_instant(us, out),
    }
}

/// An instant as a number that ingestion reads. What lies before 1971, which is refused, is 0: a small number would be taken
/// for seconds.
fn milliseconds(us: i64) -> i64 {
    const FIRST: i64 = 365 * DAY_US;
    if us < FIRST {
        return 0;
    }
    us.saturating_add(500).div_euclid(1000)
}

/// JSON on one line: a line break inside of it is only white space between its tokens.
fn put_json(json: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    out.extend_from_slice(json);
    for b in out.iter_mut().skip(from) {
        if matches!(*b, b'\n' | b'\r') {
            *b = b' ';
        }
    }
}

fn put_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let escaped = |b: u8| (b < b' ') | (b == b'"') | (b == b'\\');
    // Without a way out of the loop, so that it works on many bytes at once.
    if text.iter().fold(false, |any, b| any | escaped(*b)) {
        for b in text {
            match *b {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', *b]),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                b if b < b' ' => drop(write!(out, "\\u{b:04x}")),
                b => out.push(b),
            }
        }
    } else {
        out.extend_from_slice(text);
    }
    out.push(b'"');
}

fn put_int(i: i64, out: &mut Vec<u8>) {
    if i < 0 {
        out.push(b'-');
    }
    put_digits(i.unsigned_abs(), 1, out);
}

/// Decimal digits, at least so many.
fn put_digits(mut n: u64, least: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut from = digits.len();
    for (i, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (n % 10) as u8;
        n /= 10;
        from = i;
        if n == 0 {
            break;
        }
    }
    let from = from.min(digits.len().saturating_sub(least));
    out.extend_from_slice(digits.get(from..).unwrap_or_default());
}

const DAY_US: i64 = 86_400_000_000;

/// `"2024-01-31T09:00:00.25"`.
fn put_instant(us: i64, out: &mut Vec<u8>) {
    let (day, of_day) = (us.div_euclid(DAY_US), us.rem_euclid(DAY_US));
    let (year, month, day) = civil(day);
    out.push(b'"');
    // There is no year 0: it is the first before Christ.
    put_digits(if year > 0 { year } else { 1 - year }.unsigned_abs(), 4, out);
    for (before, n) in [
        (b'-', month),
        (b'-', day),
        (b'T', of_day / 3_600_000_000),
        (b':', of_day / 60_000_000 % 60),
        (b':', of_day / 1_000_000 % 60),
    ] {
        out.push(before);
        put_digits(n.unsigned_abs(), 2, out);
    }
    let fraction = of_day % 1_000_000;
    if fraction > 0 {
        out.push(b'.');
        put_digits(fraction.unsigned_abs(), 6, out);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    out.extend_from_slice(if year > 0 { b"\"" } else { b" BC\"" });
}

/// Year, month and day of a day since 1970-01-01, in the Gregorian calendar: years that begin with March, in eras of 400.
fn civil(day: i64) -> (i64, i64, i64) {
    let z = day + 719_468;
    let (era, of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_based = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_based + 2) / 5 + 1;
    let month = if march_based < 10 {
        march_based + 3
    } else {
        march_based - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}
