//! The tree of a filter as it was written: names are texts, nothing is looked up.

use crate::value::Value;
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter, Write};

/// One expression. Printing it gives a text that parses to the same tree.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Undefined,
    /// Null, a boolean, a number or a string.
    Literal(Value),
    List(Vec<Expr>),
    /// `properties["p"]`
    Property(String),
    /// `user["p"]`
    User(String),
    /// `group["key"]["p"]`
    Group {
        key: String,
        property: String,
    },
    /// `lookup["property"]["column"]`: what a property stands for in a lookup table.
    Lookup {
        property: String,
        column: String,
    },
    /// When the event happened, in milliseconds since 1970-01-01 UTC.
    Time,
    EventName,
    DistinctId,
    Cohort(String),
    /// The element an enclosing `any` or `all` looks at.
    Var(String),
    /// A member of an object or an element of a list.
    Member(Box<Expr>, Step),
    Neg(Box<Expr>),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    Call(Func, Vec<Expr>),
    /// `any(X, list, condition)`, `all(X, list, condition)`
    Quantified {
        all: bool,
        var: String,
        list: Box<Expr>,
        condition: Box<Expr>,
    },
}

/// What is between the brackets of [`Expr::Member`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Key(String),
    At(usize),
}

/// Operators with two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

impl BinaryOp {
    pub(super) fn symbol(self) -> &'static str {
        match self {
            BinaryOp::Eq => "==",
            BinaryOp::Ne => "!=",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::In => "in",
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Rem => "%",
        }
    }

    pub(super) fn precedence(self) -> u8 {
        match self {
            BinaryOp::Add | BinaryOp::Sub => prec::SUM,
            BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem => prec::PRODUCT,
            _ => prec::COMPARE,
        }
    }
}

/// How tightly operators bind, loosest first.
pub(super) mod prec {
    pub const OR: u8 = 1;
    pub const AND: u8 = 2;
    pub const NOT: u8 = 3;
    pub const COMPARE: u8 = 4;
    pub const SUM: u8 = 5;
    pub const PRODUCT: u8 = 6;
    pub const UNARY: u8 = 7;
    pub const ATOM: u8 = 8;
}

/// Functions with ordinary arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Func {
    Floor,
    Round,
    Ceil,
    Boolean,
    Number,
    String,
    Defined,
    Datetime,
    Lower,
    Upper,
    Len,
    HasPrefix,
    HasSuffix,
    Contains,
    Matches,
    InList,
}

/// Every spelling of every function, with the fewest and the most arguments; the first spelling is the printed one.
pub(super) const FUNCS: [(&str, Func, usize, usize); 18] = [
    ("floor", Func::Floor, 1, 1),
    ("round", Func::Round, 1, 1),
    ("ceil", Func::Ceil, 1, 1),
    ("boolean", Func::Boolean, 1, 1),
    ("number", Func::Number, 1, 1),
    ("string", Func::String, 1, 2),
    ("defined", Func::Defined, 1, 1),
    ("datetime", Func::Datetime, 1, 1),
    ("lower", Func::Lower, 1, 1),
    ("upper", Func::Upper, 1, 1),
    ("len", Func::Len, 1, 1),
    ("has_prefix", Func::HasPrefix, 2, 2),
    ("starts_with", Func::HasPrefix, 2, 2),
    ("has_suffix", Func::HasSuffix, 2, 2),
    ("ends_with", Func::HasSuffix, 2, 2),
    ("contains", Func::Contains, 2, 2),
    ("matches", Func::Matches, 2, 2),
    ("in_list", Func::InList, 2, 2),
];

/// What an expression reads, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct References {
    /// Event properties.
    pub properties: BTreeSet<String>,
    /// Properties of user profiles.
    pub user: BTreeSet<String>,
    /// Group key and property of group profiles; the property `$group_id` is the group's own id.
    pub group: BTreeSet<(String, String)>,
    /// Properties and the columns of the lookup tables that are joined to them.
    pub lookups: BTreeSet<(String, String)>,
    /// The time of the event.
    pub time: bool,
    /// The name of the event.
    pub event_name: bool,
    /// The distinct_id of the event's user.
    pub distinct_id: bool,
    /// Cohorts.
    pub cohorts: BTreeSet<String>,
}

impl References {
    /// Adds what `other` reads.
    pub fn merge(&mut self, other: References) {
        self.properties.extend(other.properties);
        self.user.extend(other.user);
        self.group.extend(other.group);
        self.lookups.extend(other.lookups);
        self.time |= other.time;
        self.event_name |= other.event_name;
        self.distinct_id |= other.distinct_id;
        self.cohorts.extend(other.cohorts);
    }
}

impl Expr {
    /// What the expression reads.
    pub fn references(&self) -> References {
        let mut r = References::default();
        self.visit(&mut |e| match e {
            Expr::Property(p) => {
                r.properties.insert(p.clone());
            }
            Expr::User(p) => {
                r.user.insert(p.clone());
            }
            Expr::Group { key, property } => {
                r.group.insert((key.clone(), property.clone()));
            }
            Expr::Lookup { property, column } => {
                r.lookups.insert((property.clone(), column.clone()));
            }
            Expr::Time => r.time = true,
            Expr::EventName => r.event_name = true,
            Expr::DistinctId => r.distinct_id = true,
            Expr::Cohort(name) => {
                r.cohorts.insert(name.clone());
            }
            _ => {}
        });
        r
    }

    fn visit(&self, f: &mut impl FnMut(&Expr)) {
        f(self);
        match self {
            Expr::Member(e, _) | Expr::Neg(e) | Expr::Not(e) => e.visit(f),
            Expr::List(l) | Expr::And(l) | Expr::Or(l) | Expr::Call(_, l) => l.iter().for_each(|e| e.visit(f)),
            Expr::Binary(_, a, b) => {
                a.visit(f);
                b.visit(f);
            }
            Expr::Quantified { list, condition, .. } => {
                list.visit(f);
                condition.visit(f);
            }
            Expr::Undefined
            | Expr::Literal(_)
            | Expr::Property(_)
            | Expr::User(_)
            | Expr::Group { .. }
            | Expr::Lookup { .. }
            | Expr::Time
            | Expr::EventName
            | Expr::DistinctId
            | Expr::Cohort(_)
            | Expr::Var(_) => {}
        }
    }

    fn precedence(&self) -> u8 {
        match self {
            Expr::Or(_) => prec::OR,
            Expr::And(_) => prec::AND,
            Expr::Not(_) => prec::NOT,
            Expr::Binary(op, ..) => op.precedence(),
            Expr::Neg(_) => prec::UNARY,
            Expr::Literal(Value::Int(i)) if *i < 0 => prec::UNARY,
            Expr::Literal(Value::Float(x)) if *x < 0.0 => prec::UNARY,
            _ => prec::ATOM,
        }
    }

    /// Prints with parentheses where the expression binds less tightly than its place asks for.
    fn print(&self, f: &mut Formatter<'_>, place: u8) -> fmt::Result {
        if self.precedence() < place {
            write!(f, "({self})")
        } else {
            write!(f, "{self}")
        }
    }
}

fn quoted(s: &str) -> serde_json::Value {
    serde_json::Value::from(s)
}

fn separated(f: &mut Formatter<'_>, items: &[Expr], by: &str, place: u8) -> fmt::Result {
    for (i, e) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(by)?;
        }
        e.print(f, place)?;
    }
    Ok(())
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Undefined => f.write_str("undefined"),
            Expr::Literal(v) => write!(f, "{}", v.to_json()),
            Expr::List(l) => {
                f.write_char('[')?;
                separated(f, l, ", ", prec::OR)?;
                f.write_char(']')
            }
            Expr::Property(p) => write!(f, "properties[{}]", quoted(p)),
            Expr::User(p) => write!(f, "user[{}]", quoted(p)),
            Expr::Group { key, property } => write!(f, "group[{}][{}]", quoted(key), quoted(property)),
            Expr::Lookup { property, column } => write!(f, "lookup[{}][{}]", quoted(property), quoted(column)),
            Expr::Time => f.write_str("event[\"$time\"]"),
            Expr::EventName => f.write_str("event[\"$name\"]"),
            Expr::DistinctId => f.write_str("event[\"$distinct_id\"]"),
            Expr::Cohort(name) => write!(f, "cohort({})", quoted(name)),
            Expr::Var(name) => f.write_str(name),
            Expr::Member(e, step) => {
                // The parser takes no bracket right after these.
                match **e {
                    Expr::Undefined
                    | Expr::Literal(_)
                    | Expr::List(_)
                    | Expr::Time
                    | Expr::EventName
                    | Expr::DistinctId => write!(f, "({e})")?,
                    _ => e.print(f, prec::ATOM)?,
                }
                match step {
                    Step::Key(k) => write!(f, "[{}]", quoted(k)),
                    Step::At(i) => write!(f, "[{i}]"),
                }
            }
            Expr::Neg(e) => {
                f.write_char('-')?;
                e.print(f, prec::UNARY)
            }
            Expr::Not(e) => {
                f.write_str("not ")?;
                e.print(f, prec::NOT)
            }
            Expr::And(l) => separated(f, l, " and ", prec::AND + 1),
            Expr::Or(l) => separated(f, l, " or ", prec::OR + 1),
            Expr::Binary(op, a, b) => {
                let p = op.precedence();
                a.print(f, if p == prec::COMPARE { p + 1 } else { p })?;
                write!(f, " {} ", op.symbol())?;
                b.print(f, p + 1)
            }
            Expr::Call(func, args) => {
                let name = FUNCS.iter().find(|x| x.1 == *func).map_or("", |x| x.0);
                write!(f, "{name}(")?;
                separated(f, args, ", ", prec::OR)?;
                f.write_char(')')
            }
            Expr::Quantified {
                all,
                var,
                list,
                condition,
            } => {
                let name = if *all { "all" } else { "any" };
                write!(f, "{name}({var}, {list}, {condition})")
            }
        }
    }
}
