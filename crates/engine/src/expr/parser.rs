//! Builds the tree of a filter. Everything wrong with a text is found here or in the lexer, with its position.

use super::ast::{BinaryOp, Expr, FUNCS, Func, Step, prec};
use super::lexer::{Tok, Token, syntax, tokens};
use crate::error::{Error, Result};
use crate::time::Calendar;
use crate::value::Value;
use regex::{Regex, RegexBuilder};

/// Most characters of a filter.
pub const MAX_CHARS: usize = 20_000;
/// Most levels of nesting: parentheses, functions, operators. Chains of `and` and of `or` are one level.
pub const MAX_DEPTH: usize = 64;
/// Most bytes of a compiled regular expression.
const MAX_REGEX: usize = 1 << 20;

const KEYWORDS: [&str; 13] = [
    "and",
    "or",
    "not",
    "in",
    "true",
    "false",
    "null",
    "undefined",
    "properties",
    "user",
    "group",
    "event",
    "lookup",
];

/// Reads a filter.
///
/// Errors are [`Error::Syntax`] with the position of the first character that makes no sense and a hint.
pub fn parse(text: &str) -> Result<Expr> {
    if text.chars().nth(MAX_CHARS).is_some() {
        return Err(syntax(
            MAX_CHARS + 1,
            format!("the filter is longer than {MAX_CHARS} characters"),
            "Use in [...] for lists of values, or split the filter.",
        ));
    }
    let mut p = Parser {
        tokens: tokens(text)?,
        next: 0,
        depth: 0,
        vars: Vec::new(),
    };
    if p.peek() == &Tok::End {
        return Err(syntax(
            p.at(),
            "the filter is empty",
            "Write a condition such as properties[\"country\"] == \"DE\".",
        ));
    }
    let (expr, _) = p.expr(prec::OR)?;
    match p.peek() {
        Tok::End => Ok(expr),
        Tok::Op(")") => Err(p.unexpected("No parenthesis is open here.")),
        Tok::Op("]") => Err(p.unexpected("No bracket is open here.")),
        Tok::Op(",") => {
            Err(p.unexpected("A comma stands between arguments and in lists; use and or or between conditions."))
        }
        Tok::Op("[") => Err(p.unexpected("Brackets follow properties, user, group, event, or a value with members.")),
        Tok::Ident(name) => {
            let hint = match name.to_ascii_lowercase().as_str() {
                "is" => "Use == null, defined(…) or not defined(…).".to_string(),
                "like" | "ilike" => {
                    "Use contains(text, part), starts_with, ends_with or matches(text, \"regex\").".to_string()
                }
                "between" => "Write x >= low and x <= high.".to_string(),
                word => near(word, ["and", "or", "in", "not"].into_iter())
                    .map(|n| format!("Did you mean {n}?"))
                    .unwrap_or_else(|| "An operator such as ==, and, or in is missing before it.".into()),
            };
            Err(p.unexpected(hint))
        }
        _ => Err(p.unexpected("An operator such as ==, and, or in is missing before it.")),
    }
}

/// Compiles the pattern of `matches`, with bounded memory.
pub(super) fn regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_REGEX)
        .dfa_size_limit(MAX_REGEX)
        .build()
        .map_err(|e| match e {
            regex::Error::CompiledTooBig(_) => "it needs too much memory".to_string(),
            // The last line says what is wrong; the others draw it.
            e => e.to_string().lines().last().unwrap_or_default().trim().to_string(),
        })
}

/// The name nearest to what was typed, if any is near.
pub(super) fn near<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    names
        .map(|n| (strsim::damerau_levenshtein(&typed, &n.to_lowercase()), n))
        .filter(|(d, n)| *d <= 1.max(n.chars().count() / 3))
        .min_by_key(|(d, _)| *d)
        .map(|(_, n)| n)
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    /// Variables of the enclosing `any` and `all`, innermost last.
    vars: Vec<String>,
}

/// An expression and how many levels it has.
type Tall = (Expr, usize);

impl Parser {
    fn token(&self, i: usize) -> (&Tok, usize) {
        match self.tokens.get(i).or(self.tokens.last()) {
            Some(t) => (&t.tok, t.at),
            None => (&Tok::End, 1),
        }
    }

    fn peek(&self) -> &Tok {
        self.token(self.next).0
    }

    fn at(&self) -> usize {
        self.token(self.next).1
    }

    fn is_op(&self, op: &str) -> bool {
        matches!(self.peek(), Tok::Op(o) if *o == op)
    }

    fn take_op(&mut self, op: &str) -> bool {
        let yes = self.is_op(op);
        self.next += usize::from(yes);
        yes
    }

    fn word(&self, ahead: usize, word: &str) -> bool {
        matches!(self.token(self.next + ahead).0, Tok::Ident(w) if w.eq_ignore_ascii_case(word))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let yes = self.word(0, word);
        self.next += usize::from(yes);
        yes
    }

    fn unexpected(&self, hint: impl Into<String>) -> Error {
        let message = match self.peek() {
            Tok::End => "the filter ends too early".to_string(),
            Tok::Number(n) => format!("unexpected number {}", n.to_text()),
            Tok::Str(s) => format!("unexpected string \"{s}\""),
            Tok::Ident(w) => format!("unexpected \"{w}\""),
            Tok::Op(o) => format!("unexpected \"{o}\""),
        };
        syntax(self.at(), message, hint)
    }

    fn too_deep(at: usize) -> Error {
        syntax(
            at,
            format!("more than {MAX_DEPTH} levels of nesting"),
            "Remove parentheses, or use in [...] for lists of values.",
        )
    }

    fn tall(at: usize, expr: Expr, below: usize) -> Result<Tall> {
        if below >= MAX_DEPTH {
            return Err(Self::too_deep(at));
        }
        Ok((expr, below + 1))
    }

    /// An expression of operators that bind at least as tightly as `min`.
    fn expr(&mut self, min: u8) -> Result<Tall> {
        if self.depth >= MAX_DEPTH {
            return Err(Self::too_deep(self.at()));
        }
        self.depth += 1;
        let out = self.operators(min);
        self.depth -= 1;
        out
    }

    fn operators(&mut self, min: u8) -> Result<Tall> {
        let (mut left, mut height) = self.prefix(min)?;
        let mut compared = false;
        loop {
            let at = self.at();
            let chain = [("or", prec::OR), ("and", prec::AND)]
                .into_iter()
                .find(|(word, p)| *p >= min && self.word(0, word));
            if let Some((word, p)) = chain {
                let mut all = vec![left];
                while self.take_word(word) {
                    let (e, h) = self.expr(p + 1)?;
                    all.push(e);
                    height = height.max(h);
                }
                let e = if p == prec::OR { Expr::Or(all) } else { Expr::And(all) };
                (left, height) = Self::tall(at, e, height)?;
                continue;
            }
            let negated = self.word(0, "not") && self.word(1, "in");
            let Some(op) = self.binary(negated).filter(|op| op.precedence() >= min) else {
                return Ok((left, height));
            };
            let p = op.precedence();
            if p == prec::COMPARE && compared {
                return Err(self.unexpected(
                    "Comparisons can't be chained: write a < b and b < c, or put parentheses around one of them.",
                ));
            }
            self.next += 1 + usize::from(negated);
            let (right, h) = self.expr(p + 1)?;
            let e = Expr::Binary(op, Box::new(left), Box::new(right));
            (left, height) = Self::tall(at, e, height.max(h))?;
            if negated {
                (left, height) = Self::tall(at, Expr::Not(Box::new(left)), height)?;
            }
            compared = p == prec::COMPARE;
        }
    }

    fn binary(&self, negated: bool) -> Option<BinaryOp> {
        Some(match self.peek() {
            Tok::Op("==") => BinaryOp::Eq,
            Tok::Op("!=") => BinaryOp::Ne,
            Tok::Op("<") => BinaryOp::Lt,
            Tok::Op("<=") => BinaryOp::Le,
            Tok::Op(">") => BinaryOp::Gt,
            Tok::Op(">=") => BinaryOp::Ge,
            Tok::Op("+") => BinaryOp::Add,
            Tok::Op("-") => BinaryOp::Sub,
            Tok::Op("*") => BinaryOp::Mul,
            Tok::Op("/") => BinaryOp::Div,
            Tok::Op("%") => BinaryOp::Rem,
            _ if negated || self.word(0, "in") => BinaryOp::In,
            _ => return None,
        })
    }

    fn prefix(&mut self, min: u8) -> Result<Tall> {
        let at = self.at();
        if self.word(0, "not") {
            if min > prec::NOT {
                return Err(self.unexpected("Put parentheses around it: (not …)."));
            }
            self.next += 1;
            let (e, h) = self.expr(prec::NOT)?;
            return Self::tall(at, Expr::Not(Box::new(e)), h);
        }
        if self.take_op("-") {
            let (e, h) = self.expr(prec::UNARY)?;
            // One tree for one text: a minus before a number is part of the number.
            return match e {
                Expr::Literal(Value::Int(i)) if i >= 0 => Ok((Expr::Literal(Value::Int(-i)), h)),
                Expr::Literal(Value::Float(f)) if f >= 0.0 => Ok((Expr::Literal(Value::number(-f)), h)),
                e => Self::tall(at, Expr::Neg(Box::new(e)), h),
            };
        }
        let (mut e, mut h, members) = self.primary()?;
        while members && self.is_op("[") {
            let at = self.at();
            self.next += 1;
            let step = match self.peek().clone() {
                Tok::Str(key) => Step::Key(key),
                Tok::Number(Value::Int(i)) => Step::At(usize::try_from(i).unwrap_or(usize::MAX)),
                _ => {
                    return Err(
                        self.unexpected("A member is a name in quotes or a whole number from 0: [\"name\"] or [0].")
                    );
                }
            };
            self.next += 1;
            self.close("]", at)?;
            (e, h) = Self::tall(at, Expr::Member(Box::new(e), step), h)?;
        }
        Ok((e, h))
    }

    fn close(&mut self, op: &str, opened: usize) -> Result<()> {
        if self.take_op(op) {
            return Ok(());
        }
        let what = if op == ")" { "parenthesis" } else { "bracket" };
        Err(self.unexpected(format!(
            "Expected {op} here: the {what} opened at position {opened} is not closed."
        )))
    }

    /// A value without operators, its height, and whether `[member]` may follow.
    fn primary(&mut self) -> Result<(Expr, usize, bool)> {
        let at = self.at();
        match self.peek().clone() {
            Tok::Number(n) => {
                self.next += 1;
                Ok((Expr::Literal(n), 1, false))
            }
            Tok::Str(s) => {
                self.next += 1;
                Ok(match s.as_str() {
                    "$time" => (Expr::Time, 1, false),
                    "$distinct_id" => (Expr::DistinctId, 1, false),
                    _ => (Expr::Literal(Value::str(s)), 1, false),
                })
            }
            Tok::Op("(") => {
                self.next += 1;
                let (e, h) = self.expr(prec::OR)?;
                self.close(")", at)?;
                Ok((e, h, true))
            }
            Tok::Op("[") => {
                self.next += 1;
                let (items, _, h) = self.items("]", at)?;
                let (e, h) = Self::tall(at, Expr::List(items), h)?;
                Ok((e, h, false))
            }
            Tok::Ident(name) => self.named(&name, at),
            Tok::End => Err(self.unexpected("A value is missing: a property, a \"text\", a number …")),
            Tok::Op(")") => {
                Err(self.unexpected("A value is missing before the parenthesis, or no parenthesis is open here."))
            }
            Tok::Op(_) => Err(self.unexpected("A value is missing before it: a property, a \"text\", a number …")),
        }
    }

    /// Expressions between commas up to `end`, where each begins, and the height of the highest.
    fn items(&mut self, end: &str, opened: usize) -> Result<(Vec<Expr>, Vec<usize>, usize)> {
        let (mut items, mut places, mut height) = (Vec::new(), Vec::new(), 0);
        if self.take_op(end) {
            return Ok((items, places, height));
        }
        loop {
            places.push(self.at());
            let (e, h) = self.expr(prec::OR)?;
            items.push(e);
            height = height.max(h);
            if !self.take_op(",") {
                self.close(end, opened)?;
                return Ok((items, places, height));
            }
        }
    }

    fn named(&mut self, name: &str, at: usize) -> Result<(Expr, usize, bool)> {
        self.next += 1;
        if let Some(i) = self.vars.iter().rposition(|v| v == name)
            && !self.is_op("(")
        {
            let var = self.vars.get(i).cloned().unwrap_or_default();
            return Ok((Expr::Var(var), 1, true));
        }
        let lower = name.to_ascii_lowercase();
        let leaf = match lower.as_str() {
            "true" => Expr::Literal(Value::Bool(true)),
            "false" => Expr::Literal(Value::Bool(false)),
            "null" => Expr::Literal(Value::Null),
            "undefined" => Expr::Undefined,
            "properties" => match self.bracketed("properties[\"country\"]")?.0 {
                p if p == "$time" => Expr::Time,
                p if p == "$distinct_id" => Expr::DistinctId,
                p if p == "$event_name" => Expr::EventName,
                p => Expr::Property(p),
            },
            "user" => Expr::User(self.bracketed("user[\"plan\"]")?.0),
            "group" => {
                let usage = "group[\"company_id\"][\"plan\"]";
                let key = self.bracketed(usage)?.0;
                let property = self.bracketed(usage)?.0;
                Expr::Group { key, property }
            }
            "lookup" => {
                let usage = "lookup[\"product_id\"][\"category\"]";
                let property = self.bracketed(usage)?.0;
                let column = self.bracketed(usage)?.0;
                Expr::Lookup { property, column }
            }
            "event" => match self.bracketed("event[\"$time\"]")? {
                (n, _) if n == "$time" || n == "time" => Expr::Time,
                (n, _) if n == "$name" || n == "name" || n == "$event_name" => Expr::EventName,
                (n, _) if n == "$distinct_id" || n == "distinct_id" => Expr::DistinctId,
                (n, at) => {
                    return Err(syntax(
                        at,
                        format!("an event has no field \"{n}\""),
                        format!("It has $time, $name and $distinct_id; for a property write properties[\"{n}\"]."),
                    ));
                }
            },
            "and" | "or" | "in" | "not" => {
                self.next -= 1;
                return Err(self.unexpected("A value is missing before it: a property, a \"text\", a number …"));
            }
            _ if self.is_op("(") => {
                let (e, h) = self.call(name, &lower, at)?;
                return Ok((e, h, true));
            }
            _ => return Err(self.unknown_name(name, &lower, at)),
        };
        let members = !matches!(
            leaf,
            Expr::Literal(_) | Expr::Undefined | Expr::Time | Expr::EventName | Expr::DistinctId
        );
        Ok((leaf, 1, members))
    }

    fn unknown_name(&self, name: &str, lower: &str, at: usize) -> Error {
        let functions = || FUNCS.iter().map(|x| x.0).chain(["any", "all", "cohort"]);
        let hint = if functions().any(|f| f == lower) {
            format!("{lower} is a function: write {lower}(…).")
        } else if self.is_op("[")
            && let Some(n) = near(lower, ["properties", "user", "group", "event", "lookup"].into_iter())
        {
            format!("Did you mean {n}[…]?")
        } else if let Some(n) = near(lower, KEYWORDS.into_iter().skip(4)) {
            format!("Did you mean {n}? A text belongs in quotes.")
        } else {
            format!("Strings need quotes: \"{name}\". Properties are written properties[\"{name}\"].")
        };
        syntax(at, format!("unknown name \"{name}\""), hint)
    }

    /// `["name"]` and the position of the name.
    fn bracketed(&mut self, usage: &str) -> Result<(String, usize)> {
        let opened = self.at();
        let wrong = |p: &Self| p.unexpected(format!("Write {usage}, with the name in quotes."));
        if !self.take_op("[") {
            return Err(wrong(self));
        }
        let at = self.at();
        let Tok::Str(name) = self.peek().clone() else {
            return Err(wrong(self));
        };
        self.next += 1;
        self.close("]", opened)?;
        Ok((name, at))
    }

    fn call(&mut self, name: &str, lower: &str, at: usize) -> Result<Tall> {
        let opened = self.at();
        match lower {
            "any" | "all" => return self.quantified(lower == "all", at, opened),
            "cohort" => {
                self.next += 1;
                let Tok::Str(cohort) = self.peek().clone() else {
                    return Err(self.unexpected("Write cohort(\"name\"), with the name in quotes."));
                };
                self.next += 1;
                self.close(")", opened)?;
                return Ok((Expr::Cohort(cohort), 1));
            }
            _ => {}
        }
        let Some((spelled, func, fewest, most)) = FUNCS.into_iter().find(|x| x.0 == lower) else {
            let names = FUNCS.iter().map(|x| x.0).chain(["any", "all", "cohort"]);
            let hint = match near(lower, names.clone()) {
                Some(n) => format!("Did you mean {n}?"),
                None => format!("The functions are {}.", names.collect::<Vec<_>>().join(", ")),
            };
            return Err(syntax(at, format!("unknown function \"{name}\""), hint));
        };
        self.next += 1;
        let (args, places, h) = self.items(")", opened)?;
        if args.len() < fewest || args.len() > most {
            let wants = if fewest == most {
                fewest.to_string()
            } else {
                format!("{fewest} or {most}")
            };
            return Err(syntax(
                at,
                format!(
                    "{spelled} takes {wants} argument{}, not {}",
                    if most == 1 { "" } else { "s" },
                    args.len()
                ),
                match func {
                    Func::String => "Write string(value) or string(value, \"default\").".to_string(),
                    Func::InList => "Write in_list(value, [\"a\", \"b\"]).".to_string(),
                    _ if fewest == 2 => format!("Write {spelled}(text, \"part\")."),
                    _ => format!("Write {spelled}(value)."),
                },
            ));
        }
        Self::check_literals(func, &args, |i| places.get(i).copied().unwrap_or(at))?;
        Self::tall(at, Expr::Call(func, args), h)
    }

    /// Patterns and dates that are written out are checked now, while their position is known.
    fn check_literals(func: Func, args: &[Expr], place: impl Fn(usize) -> usize) -> Result<()> {
        match (func, args) {
            (Func::Matches, [_, Expr::Literal(Value::Str(pattern))]) => match regex(pattern) {
                Ok(_) => Ok(()),
                Err(why) => Err(syntax(
                    place(1),
                    format!("\"{pattern}\" is not a regular expression: {why}"),
                    "Write backslashes twice inside a string: \"\\\\d+\". Look-around and back-references are not available.",
                )),
            },
            (Func::Matches, _) => Err(syntax(
                place(1),
                "the pattern of matches must be written out",
                "Write matches(text, \"regex\"); for a pattern that is a property use contains.",
            )),
            (Func::Datetime, [Expr::Literal(v)])
                if v.as_f64().is_none() && v.as_str().and_then(|s| Calendar::utc().parse_instant(s)).is_none() =>
            {
                Err(syntax(
                    place(0),
                    format!("{} is not a date", v.to_json()),
                    "Write datetime(\"2024-01-31\") or datetime(\"2024-01-31T10:00:00Z\").",
                ))
            }
            _ => Ok(()),
        }
    }

    fn quantified(&mut self, all: bool, at: usize, opened: usize) -> Result<Tall> {
        let name = if all { "all" } else { "any" };
        let usage = format!("Write {name}(X, properties[\"tags\"], X == \"vip\").");
        self.next += 1;
        let var = match self.peek().clone() {
            Tok::Ident(v) if !KEYWORDS.iter().any(|k| v.eq_ignore_ascii_case(k)) => v,
            _ => return Err(self.unexpected(usage)),
        };
        self.next += 1;
        if !self.take_op(",") {
            return Err(self.unexpected(usage));
        }
        let (list, a) = self.expr(prec::OR)?;
        if !self.take_op(",") {
            return Err(self.unexpected(usage));
        }
        self.vars.push(var.clone());
        let condition = self.expr(prec::OR);
        self.vars.pop();
        let (condition, b) = condition?;
        self.close(")", opened)?;
        let e = Expr::Quantified {
            all,
            var,
            list: Box::new(list),
            condition: Box::new(condition),
        };
        Self::tall(at, e, a.max(b))
    }
}
