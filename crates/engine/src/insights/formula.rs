//! Formulas over the curves of a report: `stickiness = A / B`.

use crate::error::{Error, Result};

/// A formula, bound to the metrics of a report by their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    /// Its name, or its text when it has none.
    pub label: String,
    node: Node,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Number(f64),
    /// The metric with this index.
    Metric(usize),
    Minus(Box<Node>),
    Two(Operator, Box<(Node, Node)>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// Most brackets and signs inside of each other.
const MAX_LEVELS: usize = 64;
const MAX_LENGTH: usize = 10_000;

impl Formula {
    /// Reads `name = expression` or an expression: `+ - * / ( )`, numbers, and labels, in double quotes where they are
    /// not a plain word.
    pub fn parse(text: &str, labels: &[&str]) -> Result<Formula> {
        if text.len() > MAX_LENGTH {
            return Err(Error::param("a formula of more than 10000 bytes"));
        }
        let split = text
            .find('=')
            .filter(|at| text.get(..*at).is_some_and(|name| !name.contains('"')));
        let (name, from) = match split {
            Some(at) => (text.get(..at).unwrap_or("").trim(), at + 1),
            None => (text.trim(), 0),
        };
        let mut p = Parser {
            text,
            at: from,
            labels,
            level: 0,
        };
        if name.is_empty() {
            return Err(p.wrong("a formula without a name or text"));
        }
        let node = p.sum()?;
        p.space();
        if p.at < text.len() {
            return Err(p.wrong("unexpected text"));
        }
        Ok(Formula {
            label: name.to_string(),
            node,
        })
    }

    /// Indices of the metrics it uses.
    pub fn metrics(&self) -> Vec<usize> {
        let mut found = Vec::new();
        self.node.metrics(&mut found);
        found
    }

    /// Its value where metric i has the value `of(i)`: none where an operand has none, or a divisor is 0.
    pub fn value(&self, of: &dyn Fn(usize) -> Option<f64>) -> Option<f64> {
        self.node.value(of).filter(|v| v.is_finite())
    }
}

impl Node {
    fn metrics(&self, found: &mut Vec<usize>) {
        match self {
            Node::Number(_) => {}
            Node::Metric(m) => found.push(*m),
            Node::Minus(a) => a.metrics(found),
            Node::Two(_, pair) => {
                pair.0.metrics(found);
                pair.1.metrics(found);
            }
        }
    }

    fn value(&self, of: &dyn Fn(usize) -> Option<f64>) -> Option<f64> {
        match self {
            Node::Number(x) => Some(*x),
            Node::Metric(m) => of(*m),
            Node::Minus(a) => a.value(of).map(|x| -x),
            Node::Two(operator, pair) => {
                let (a, b) = (pair.0.value(of)?, pair.1.value(of)?);
                match operator {
                    Operator::Add => Some(a + b),
                    Operator::Subtract => Some(a - b),
                    Operator::Multiply => Some(a * b),
                    Operator::Divide if b == 0.0 => None,
                    Operator::Divide => Some(a / b),
                }
            }
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    labels: &'a [&'a str],
    level: usize,
}

impl<'a> Parser<'a> {
    fn wrong(&self, message: impl Into<String>) -> Error {
        Error::Syntax {
            message: message.into(),
            position: self.text.get(..self.at).unwrap_or("").chars().count() + 1,
            hint: Some(format!(
                "A formula is like \"stickiness = A / B\": + - * / ( ), numbers, and the labels {}.",
                self.labels.join(", ")
            )),
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, c: char) -> bool {
        self.space();
        let found = self.rest().starts_with(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn sum(&mut self) -> Result<Node> {
        let mut left = self.product()?;
        loop {
            let operator = match () {
                _ if self.take('+') => Operator::Add,
                _ if self.take('-') => Operator::Subtract,
                _ => return Ok(left),
            };
            left = Node::Two(operator, Box::new((left, self.product()?)));
        }
    }

    fn product(&mut self) -> Result<Node> {
        let mut left = self.factor()?;
        loop {
            let operator = match () {
                _ if self.take('*') => Operator::Multiply,
                _ if self.take('/') => Operator::Divide,
                _ => return Ok(left),
            };
            left = Node::Two(operator, Box::new((left, self.factor()?)));
        }
    }

    fn factor(&mut self) -> Result<Node> {
        self.level += 1;
        if self.level > MAX_LEVELS {
            return Err(self.wrong("too many brackets inside of each other"));
        }
        let node = self.atom();
        self.level -= 1;
        node
    }

    fn atom(&mut self) -> Result<Node> {
        if self.take('-') {
            return Ok(Node::Minus(Box::new(self.factor()?)));
        }
        if self.take('(') {
            let inner = self.sum()?;
            return if self.take(')') {
                Ok(inner)
            } else {
                Err(self.wrong("a bracket is not closed"))
            };
        }
        self.space();
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Err(self.wrong("the formula ends early"));
        };
        if first == '"' {
            let inner = rest.get(1..).unwrap_or("");
            let Some(end) = inner.find('"') else {
                return Err(self.wrong("a quoted label is not closed"));
            };
            let node = self.metric(inner.get(..end).unwrap_or(""))?;
            self.at += end + 2;
            return Ok(node);
        }
        if first.is_ascii_digit() || first == '.' {
            let bytes = rest.as_bytes();
            let exponent = |i: usize| i > 0 && matches!(bytes.get(i - 1), Some(b'e' | b'E'));
            let part = |(i, b): &(usize, &u8)| {
                b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E') || matches!(b, b'+' | b'-') && exponent(*i)
            };
            let length = bytes.iter().enumerate().take_while(part).count();
            let number = rest.get(..length).and_then(|t| t.parse::<f64>().ok());
            let Some(x) = number.filter(|x| x.is_finite()) else {
                return Err(self.wrong("not a number"));
            };
            self.at += length;
            return Ok(Node::Number(x));
        }
        let word = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '$');
        let length: usize = rest.chars().take_while(word).map(char::len_utf8).sum();
        if length == 0 {
            return Err(self.wrong(format!("unexpected \"{first}\"")));
        }
        let node = self.metric(rest.get(..length).unwrap_or(""))?;
        self.at += length;
        Ok(node)
    }

    fn metric(&self, label: &str) -> Result<Node> {
        let found = self.labels.iter().position(|l| *l == label);
        found
            .map(Node::Metric)
            .ok_or_else(|| self.wrong(format!("no metric has the label \"{label}\"")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(text: &str) -> Option<f64> {
        let labels = ["A", "B", "label 2", "none"];
        let f = Formula::parse(text, &labels).unwrap();
        f.value(&|m| [Some(6.0), Some(4.0), Some(0.0), None][m])
    }

    #[test]
    fn formulas_follow_the_rules_of_arithmetic() {
        for (text, expected) in [
            ("A + B * 2", 14.0),
            ("(A + B) * 2", 20.0),
            ("A - B - 1", 1.0),
            ("A / B / 2", 0.75),
            ("-A + -(-B)", -2.0),
            ("2 - -1.5e1", 17.0),
            ("\"label 2\" + .5", 0.5),
            ("ratio = A/B", 1.5),
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
        for text in ["A / \"label 2\"", "A + none", "1e308 * 1e308", "0 * (A / 0)"] {
            assert_eq!(value(text), None, "{text}");
        }
        let f = Formula::parse(" share = A / B ", &["A", "B"]).unwrap();
        assert_eq!((f.label.as_str(), f.metrics()), ("share", vec![0, 1]));
        assert_eq!(Formula::parse(" A - B", &["A", "B"]).unwrap().label, "A - B");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_position() {
        for (text, at) in [
            ("A +", 4),
            ("A B", 3),
            ("(A", 3),
            ("A + C", 5),
            ("x = ", 5),
            ("= A", 2),
            ("\"A", 1),
            ("1.2.3", 1),
            ("ä ? A", 1),
            ("", 1),
            ("A ^ 2", 3),
        ] {
            match Formula::parse(text, &["A", "B"]) {
                Err(Error::Syntax {
                    position,
                    hint: Some(_),
                    ..
                }) => assert_eq!(position, at, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(Formula::parse(&"(".repeat(5000), &["A"]).is_err());
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "[AB ()+*/=\"0-9.e-]{0,40}") {
            if let Ok(f) = Formula::parse(&text, &["A", "B"]) {
                f.value(&|m| Some(m as f64));
            }
        }
    }
}
