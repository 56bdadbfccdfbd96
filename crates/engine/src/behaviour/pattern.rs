//! The patterns of sequences: `(?1).*(?2)(?t<=3600)(?3)`.
//!
//! ```text
//! (?N)        a row that meets condition N
//! .           any row
//! .*          any number of rows
//! (?t<=S)     any number of rows, and from the row matched before to the one matched next at most S seconds
//!             (units of the column, when times are integers); also < >= > ==; several between two rows all hold
//! ```

use super::MAX_CONDITIONS;
use crate::error::{Error, Result};

/// More rows than this no pattern matches one by one.
const MAX_ITEMS: usize = 1000;

/// What may lie between a row of the pattern and the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// Nothing.
    Next,
    /// Anything.
    Any,
    /// Anything, when the later row comes from the first to the second of these after the earlier.
    Within(u64, u64),
}

/// One row of the pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    pub gap: Gap,
    /// The bit a row must have; 0 = any row.
    pub meets: u64,
}

/// Reads a pattern over so many conditions. `unit`: what one second is in the times of the rows.
pub fn parse(pattern: &str, conditions: usize, unit: u64) -> Result<Vec<Item>> {
    let mut reader = Reader {
        pattern,
        rest: pattern,
        unit,
    };
    let mut items = Vec::new();
    let mut gap = Gap::Next;
    while let Some(token) = reader.token(conditions)? {
        match token {
            Token::Row(meets) => {
                items.try_reserve(1).map_err(|_| Error::OutOfMemory("pattern"))?;
                items.push(Item { gap, meets });
                gap = Gap::Next;
            }
            Token::Any => {
                if gap == Gap::Next {
                    gap = Gap::Any;
                }
            }
            Token::Time(from, to) => {
                if items.is_empty() {
                    return Err(reader.error(
                        "a time stands before the first row",
                        "(?t…) says how far apart two rows are: (?1)(?t<=60)(?2).",
                    ));
                }
                gap = match gap {
                    Gap::Within(f, t) => Gap::Within(f.max(from), t.min(to)),
                    _ => Gap::Within(from, to),
                };
            }
        }
        if items.len() > MAX_ITEMS {
            return Err(Error::Limit {
                message: format!("a pattern of more than {MAX_ITEMS} rows"),
                hint: Some("Use .* for any number of rows.".into()),
            });
        }
    }
    if items.is_empty() {
        return Err(reader.error(
            "the pattern matches no row",
            "A pattern is made of (?1), (?2) … and . for rows, with .* or (?t<=60) between them.",
        ));
    }
    if matches!(gap, Gap::Within(..)) {
        return Err(reader.error(
            "a time stands after the last row",
            "(?t…) says how far apart two rows are: (?1)(?t<=60)(?2).",
        ));
    }
    Ok(items)
}

enum Token {
    Row(u64),
    Any,
    Time(u64, u64),
}

struct Reader<'a> {
    pattern: &'a str,
    rest: &'a str,
    unit: u64,
}

impl Reader<'_> {
    fn error(&self, message: &str, hint: &str) -> Error {
        Error::Syntax {
            message: message.into(),
            position: self.pattern.chars().count() - self.rest.chars().count() + 1,
            hint: Some(hint.into()),
        }
    }

    fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn token(&mut self, conditions: usize) -> Result<Option<Token>> {
        self.rest = self.rest.trim_start();
        if self.rest.is_empty() {
            return Ok(None);
        }
        if self.eat(".*") {
            return Ok(Some(Token::Any));
        }
        if self.eat(".") {
            return Ok(Some(Token::Row(0)));
        }
        let at = self.rest;
        if !self.eat("(?") {
            return Err(self.error(
                "the pattern can't be read",
                "It is made of (?1), (?2) … and . for rows, .* for any number of rows, and (?t<=60) for the time between two rows.",
            ));
        }
        let token = if self.eat("t") {
            self.time()?
        } else {
            self.condition(conditions, at)?
        };
        if !self.eat(")") {
            return Err(self.error("a parenthesis is not closed", "Write (?1) or (?t<=60)."));
        }
        Ok(Some(token))
    }

    fn condition(&mut self, conditions: usize, at: &str) -> Result<Token> {
        let n = self.digits();
        match n.and_then(|n| usize::try_from(n).ok()) {
            Some(n) if (1..=conditions.min(MAX_CONDITIONS)).contains(&n) => Ok(Token::Row(1 << (n - 1))),
            _ => {
                let start = self.pattern.len() - at.len();
                Err(Error::Syntax {
                    message: "no such condition".into(),
                    position: self.pattern.get(..start).map_or(0, |p| p.chars().count()) + 1,
                    hint: Some(format!("There are {conditions}, and (?1) is the first.")),
                })
            }
        }
    }

    fn digits(&mut self) -> Option<u64> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end)?;
        let n = digits.parse().ok()?;
        self.rest = rest;
        Some(n)
    }

    fn time(&mut self) -> Result<Token> {
        const OPERATORS: [&str; 5] = ["<=", ">=", "==", "<", ">"];
        const HINT: &str = "After (?t comes <=, <, >=, > or == and a number: (?t<=60).";
        let Some(operator) = OPERATORS.into_iter().find(|o| self.rest.starts_with(o)) else {
            return Err(self.error("no comparison of times", HINT));
        };
        self.eat(operator);
        let n = self
            .number()
            .ok_or_else(|| self.error("no time to compare with", HINT))?;
        // A range that ends before it begins never holds.
        Ok(match operator {
            "<=" => Token::Time(0, n),
            ">=" => Token::Time(n, u64::MAX),
            "==" => Token::Time(n, n),
            "<" if n == 0 => Token::Time(1, 0),
            "<" => Token::Time(0, n - 1),
            _ if n == u64::MAX => Token::Time(1, 0),
            _ => Token::Time(n + 1, u64::MAX),
        })
    }

    /// A number of seconds, with as many decimals as the times have.
    fn number(&mut self) -> Option<u64> {
        let mut n = self.digits()?.checked_mul(self.unit)?;
        if self.rest.starts_with('.') {
            self.eat(".");
            let before = self.rest;
            self.digits()?;
            let digits = before.get(..before.len() - self.rest.len())?;
            let mut unit = self.unit;
            for digit in digits.bytes() {
                if !unit.is_multiple_of(10) {
                    return None;
                }
                unit /= 10;
                n = n.checked_add(u64::from(digit - b'0') * unit)?;
            }
        }
        Some(n)
    }
}
