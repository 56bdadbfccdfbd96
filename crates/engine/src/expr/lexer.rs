//! Cuts the text of a filter into tokens. Knows spelling, not grammar.

use crate::error::{Error, Result};
use crate::value::Value;
use std::iter::{Enumerate, Peekable};
use std::str::Chars;

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tok {
    Number(Value),
    Str(String),
    Ident(String),
    Op(&'static str),
    End,
}

/// A token and the position of its first character, counted from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub tok: Tok,
    pub at: usize,
}

/// A syntax error with a hint.
pub(super) fn syntax(at: usize, message: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::Syntax {
        message: message.into(),
        position: at,
        hint: Some(hint.into()),
    }
}

struct Lexer<'a> {
    /// Characters with their positions from 0. Positions travel with the characters instead of being counted beside
    /// them: the optimiser of rustc 1.95 loses the count of a character that a match guard takes.
    chars: Peekable<Enumerate<Chars<'a>>>,
    /// Position after the last character, from 1.
    end: usize,
}

/// Every token of `text`, the last of which is [`Tok::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut lexer = Lexer {
        chars: text.chars().enumerate().peekable(),
        end: text.chars().count() + 1,
    };
    let mut out = Vec::new();
    loop {
        let token = lexer.token()?;
        let end = token.tok == Tok::End;
        out.push(token);
        if end {
            return Ok(out);
        }
    }
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        self.chars.next().map(|(_, c)| c)
    }

    fn next_if(&mut self, f: impl FnOnce(char) -> bool) -> Option<char> {
        let (_, c) = *self.chars.peek()?;
        if !f(c) {
            return None;
        }
        self.next()
    }

    /// Position of the next character, from 1.
    fn at(&mut self) -> usize {
        self.chars.peek().map_or(self.end, |(i, _)| i + 1)
    }

    fn token(&mut self) -> Result<Token> {
        while self.next_if(char::is_whitespace).is_some() {}
        let at = self.at();
        let Some(c) = self.next() else {
            return Ok(Token { tok: Tok::End, at });
        };
        let tok = match c {
            '"' | '\'' => Tok::Str(self.string(c, at)?),
            '0'..='9' => self.number(c, at)?,
            c if c.is_alphabetic() || c == '_' || c == '$' => {
                let mut name = String::from(c);
                while let Some(c) = self.next_if(|c| c.is_alphanumeric() || c == '_' || c == '$') {
                    name.push(c);
                }
                Tok::Ident(name)
            }
            c => Tok::Op(self.operator(c, at)?),
        };
        Ok(Token { tok, at })
    }

    fn operator(&mut self, c: char, at: usize) -> Result<&'static str> {
        let then_equals = |l: &mut Self| l.next_if(|c| c == '=').is_some();
        let unknown = |text: &str, hint: &str| Err(syntax(at, format!("unexpected \"{text}\""), hint));
        Ok(match c {
            '(' => "(",
            ')' => ")",
            '[' => "[",
            ']' => "]",
            ',' => ",",
            '+' => "+",
            '-' => "-",
            '*' => "*",
            '/' => "/",
            '%' => "%",
            '=' if then_equals(self) => "==",
            '!' if then_equals(self) => "!=",
            '<' if then_equals(self) => "<=",
            '<' if self.next_if(|c| c == '>').is_some() => return unknown("<>", "Use != for \"is not equal to\"."),
            '<' => "<",
            '>' if then_equals(self) => ">=",
            '>' => ">",
            '=' => return unknown("=", "Use == to compare."),
            '!' => return unknown("!", "Use the word not, or != for \"is not equal to\"."),
            '&' => return unknown("&", "Use the word and."),
            '|' => return unknown("|", "Use the word or."),
            '.' => return unknown(".", "Properties are written properties[\"country\"] or user[\"plan\"]."),
            '“' | '”' | '‘' | '’' | '`' => {
                return unknown(&c.to_string(), "Strings need straight quotes: \"text\" or 'text'.");
            }
            c => {
                return unknown(
                    &c.to_string(),
                    "This character has no meaning here; a text belongs in quotes.",
                );
            }
        })
    }

    fn number(&mut self, first: char, at: usize) -> Result<Tok> {
        let mut text = String::from(first);
        let digits = |l: &mut Self, text: &mut String| {
            let before = text.len();
            while let Some(c) = l.next_if(|c| c.is_ascii_digit()) {
                text.push(c);
            }
            text.len() > before
        };
        digits(self, &mut text);
        let bad = |text: &str| {
            Err(syntax(
                at,
                format!("\"{text}\" is not a number"),
                "Numbers are written 12, 0.5 or 1e3.",
            ))
        };
        if self.next_if(|c| c == '.').is_some() {
            text.push('.');
            if !digits(self, &mut text) {
                return bad(&text);
            }
        }
        if let Some(e) = self.next_if(|c| c == 'e' || c == 'E') {
            text.push(e);
            if let Some(sign) = self.next_if(|c| c == '+' || c == '-') {
                text.push(sign);
            }
            if !digits(self, &mut text) {
                return bad(&text);
            }
        }
        if let Some(c) = self.next_if(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            text.push(c);
            return Err(syntax(
                at,
                format!("\"{text}\" is not a number"),
                "A text belongs in quotes.",
            ));
        }
        if let Ok(i) = text.parse::<i64>() {
            return Ok(Tok::Number(Value::Int(i)));
        }
        match text.parse::<f64>() {
            Ok(f) if f.is_finite() => Ok(Tok::Number(Value::number(f))),
            _ => Err(syntax(at, "the number is too large", "Numbers reach to about 1.7e308.")),
        }
    }

    fn string(&mut self, quote: char, opened: usize) -> Result<String> {
        let mut out = String::new();
        loop {
            let at = self.at();
            let Some(c) = self.next() else {
                return Err(syntax(
                    opened,
                    "the string does not end",
                    format!("It is opened here; close it with {quote}."),
                ));
            };
            match c {
                '\\' => out.push(self.escape(at)?),
                c if c == quote => return Ok(out),
                c => out.push(c),
            }
        }
    }

    fn escape(&mut self, at: usize) -> Result<char> {
        let bad = || {
            syntax(
                at,
                "unknown escape in a string",
                "After a backslash come \" ' \\ / b f n r t or u with four hexadecimal digits; write \\\\ for a backslash.",
            )
        };
        Ok(match self.next().ok_or_else(bad)? {
            c @ ('"' | '\'' | '\\' | '/') => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let unit = self.hex4().ok_or_else(bad)?;
                let code = if (0xD800..0xDC00).contains(&unit) {
                    // Two escapes make one character outside of the basic plane.
                    let low = (self.next() == Some('\\') && self.next() == Some('u'))
                        .then(|| self.hex4())
                        .flatten()
                        .filter(|low| (0xDC00..0xE000).contains(low))
                        .ok_or_else(bad)?;
                    0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
                } else {
                    unit
                };
                char::from_u32(code).ok_or_else(bad)?
            }
            _ => return Err(bad()),
        })
    }

    fn hex4(&mut self) -> Option<u32> {
        let mut code = 0;
        for _ in 0..4 {
            code = code * 16 + self.next()?.to_digit(16)?;
        }
        Some(code)
    }
}
