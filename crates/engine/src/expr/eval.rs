//! The bound tree: names have become numbers of leaves, constants are folded. Evaluates it for one row or one profile.

use super::ast::{BinaryOp, Func, Step};
use super::ops::{self, V};
use crate::time::Calendar;
use crate::value::Value;
use regex::Regex;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// An expression that can be evaluated. Leaves are numbered; a [`Source`] knows what they stand for.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// A value that does not depend on the row; `None` = undefined.
    Const(Option<Value>),
    Leaf(usize),
    /// The element of an enclosing `any` or `all`, counted from the innermost.
    Var(usize),
    List(Vec<Node>),
    Member(Box<Node>, Step),
    Neg(Box<Node>),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Binary(BinaryOp, Box<Node>, Box<Node>),
    /// `in` with a constant list, sorted.
    Among(Box<Node>, Vec<Value>),
    Matches(Box<Node>, Regex),
    Call(Func, Vec<Node>, Calendar),
    Quantified {
        all: bool,
        list: Box<Node>,
        condition: Box<Node>,
    },
}

/// Gives the leaves their values.
pub(super) trait Source {
    fn leaf(&self, leaf: usize) -> V<'_>;
}

/// No leaf has a value.
pub(super) struct Nothing;

impl Source for Nothing {
    fn leaf(&self, _: usize) -> V<'_> {
        V::Undefined
    }
}

/// Every leaf has the same value: for expressions with one leaf.
pub(super) struct OneValue<'a>(pub V<'a>);

impl Source for OneValue<'_> {
    fn leaf(&self, _: usize) -> V<'_> {
        self.0.by_ref()
    }
}

/// The elements that enclosing quantifiers look at.
pub(super) struct Env<'e> {
    value: V<'e>,
    outer: Option<&'e Env<'e>>,
}

/// Possible types of an expression, as bits.
pub(super) mod ty {
    pub const UNDEFINED: u8 = 1;
    pub const NULL: u8 = 2;
    pub const BOOL: u8 = 4;
    pub const NUMBER: u8 = 8;
    pub const STRING: u8 = 16;
    pub const LIST: u8 = 32;
    pub const OBJECT: u8 = 64;
    pub const ANY: u8 = 127;
    /// What `and` and `or` take, and what has a negation.
    pub const LOGICAL: u8 = BOOL | UNDEFINED;

    /// Names for messages.
    pub fn names(types: u8) -> String {
        let all = [
            (BOOL, "a boolean"),
            (NUMBER, "a number"),
            (STRING, "a string"),
            (LIST, "a list"),
            (OBJECT, "an object"),
            (NULL, "null"),
            (UNDEFINED, "undefined"),
        ];
        // "a number or undefined" reads worse than what people wrote: a number.
        let types = if types & !UNDEFINED != 0 {
            types & !UNDEFINED
        } else {
            types
        };
        let names: Vec<&str> = all.iter().filter(|t| t.0 & types != 0).map(|t| t.1).collect();
        names.join(" or ")
    }
}

impl Node {
    /// Replaces a tree that reads nothing by its value.
    pub fn fold(self) -> Node {
        match self {
            Node::Const(_) => self,
            node if node.closed(0) => Node::Const(node.eval(&Nothing, None).into_value()),
            node => node,
        }
    }

    fn children(&self) -> impl Iterator<Item = &Node> {
        let (many, one, two): (&[Node], Option<&Node>, Option<&Node>) = match self {
            Node::Const(_) | Node::Leaf(_) | Node::Var(_) => (&[], None, None),
            Node::List(l) | Node::And(l) | Node::Or(l) | Node::Call(_, l, _) => (l, None, None),
            Node::Member(e, _) | Node::Neg(e) | Node::Not(e) | Node::Among(e, _) | Node::Matches(e, _) => {
                (&[], Some(e), None)
            }
            Node::Binary(_, a, b) => (&[], Some(a), Some(b)),
            Node::Quantified { list, condition, .. } => (&[], Some(list), Some(condition)),
        };
        many.iter().chain(one).chain(two)
    }

    /// No leaf, and no variable of a quantifier outside of it.
    fn closed(&self, bound: usize) -> bool {
        match self {
            Node::Leaf(_) => false,
            Node::Var(i) => *i < bound,
            Node::Quantified { list, condition, .. } => list.closed(bound) && condition.closed(bound + 1),
            _ => self.children().all(|c| c.closed(bound)),
        }
    }

    /// The leaves it reads.
    pub fn leaves(&self) -> BTreeSet<usize> {
        let mut out = BTreeSet::new();
        self.add_leaves(&mut out);
        out
    }

    fn add_leaves(&self, out: &mut BTreeSet<usize>) {
        if let Node::Leaf(i) = self {
            out.insert(*i);
        }
        self.children().for_each(|c| c.add_leaves(out));
    }

    /// Types it can have, whatever the row.
    pub fn types(&self) -> u8 {
        use ty::*;
        match self {
            Node::Const(None) => UNDEFINED,
            Node::Const(Some(v)) => match v {
                Value::Null => NULL,
                Value::Bool(_) => BOOL,
                Value::Int(_) | Value::Float(_) => NUMBER,
                Value::Str(_) => STRING,
                Value::List(_) => LIST,
                Value::Object(_) => OBJECT,
            },
            Node::Leaf(_) | Node::Var(_) | Node::Member(..) => ANY,
            Node::List(_) => LIST,
            Node::Neg(_) => NUMBER | UNDEFINED,
            Node::Not(e) => {
                let t = e.types();
                let boolean = if t & LOGICAL != 0 { BOOL } else { 0 };
                boolean | if t & !LOGICAL != 0 { UNDEFINED } else { 0 }
            }
            Node::And(_) | Node::Or(_) | Node::Among(..) | Node::Quantified { .. } => BOOL,
            Node::Matches(..) => BOOL | UNDEFINED,
            Node::Binary(op, ..) => match op {
                BinaryOp::Eq | BinaryOp::Ne => BOOL,
                BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge | BinaryOp::In => BOOL | UNDEFINED,
                BinaryOp::Add => NUMBER | STRING | UNDEFINED,
                BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem => NUMBER | UNDEFINED,
            },
            Node::Call(f, ..) => match f {
                Func::Boolean | Func::Defined => BOOL,
                Func::Len => NUMBER | UNDEFINED,
                Func::Floor | Func::Round | Func::Ceil | Func::Number | Func::Datetime => NUMBER | LIST | UNDEFINED,
                // The default may be anything.
                Func::String => ANY,
                Func::Lower | Func::Upper => STRING | LIST | UNDEFINED,
                Func::HasPrefix | Func::HasSuffix | Func::Contains | Func::Matches | Func::InList => BOOL | UNDEFINED,
            },
        }
    }

    /// The value for what `source` stands for.
    pub fn eval<'r, S: Source>(&'r self, source: &'r S, env: Option<&'r Env<'r>>) -> V<'r> {
        match self {
            Node::Const(v) => v.as_ref().into(),
            Node::Leaf(i) => source.leaf(*i),
            Node::Var(i) => {
                let mut at = env;
                for _ in 0..*i {
                    at = at.and_then(|e| e.outer);
                }
                at.map_or(V::Undefined, |e| e.value.by_ref())
            }
            Node::List(items) => {
                let values = items.iter().filter_map(|e| e.eval(source, env).into_value());
                V::List(Cow::Owned(values.collect()))
            }
            Node::Member(e, step) => member(e.eval(source, env), step),
            Node::Neg(e) => ops::negate(&e.eval(source, env)),
            Node::Not(e) => ops::not(&e.eval(source, env)),
            Node::And(l) => V::Bool(l.iter().all(|e| e.eval(source, env).is_true())),
            Node::Or(l) => V::Bool(l.iter().any(|e| e.eval(source, env).is_true())),
            Node::Binary(op, a, b) => ops::binary(*op, &a.eval(source, env), &b.eval(source, env)),
            Node::Among(e, sorted) => V::Bool(e.eval(source, env).among(sorted)),
            Node::Matches(e, regex) => ops::texts(&e.eval(source, env), |s| regex.is_match(s)).into(),
            Node::Call(f, args, calendar) => match (f, args.as_slice()) {
                (Func::String, [e, default]) => match ops::call1(*f, e.eval(source, env), calendar) {
                    V::Undefined | V::Null => default.eval(source, env),
                    v => v,
                },
                (_, [e]) => ops::call1(*f, e.eval(source, env), calendar),
                (_, [a, b]) => ops::call2(*f, &a.eval(source, env), &b.eval(source, env)),
                _ => V::Undefined,
            },
            Node::Quantified { all, list, condition } => {
                let holds = |value: V| {
                    let inner = Env { value, outer: env };
                    condition.eval(source, Some(&inner)).is_true()
                };
                V::Bool(match list.eval(source, env) {
                    V::Undefined | V::Null => false,
                    V::List(l) if *all => !l.is_empty() && l.iter().all(|e| holds(e.into())),
                    V::List(l) => l.iter().any(|e| holds(e.into())),
                    one => holds(one),
                })
            }
        }
    }
}

fn member<'a>(v: V<'a>, step: &Step) -> V<'a> {
    match (v, step) {
        (V::Object(Cow::Borrowed(o)), Step::Key(k)) => o.get(k).into(),
        (V::Object(Cow::Owned(o)), Step::Key(k)) => o.get(k).cloned().map_or(V::Undefined, V::from),
        (V::List(Cow::Borrowed(l)), Step::At(i)) => l.get(*i).into(),
        (V::List(Cow::Owned(l)), Step::At(i)) => l.get(*i).cloned().map_or(V::Undefined, V::from),
        _ => V::Undefined,
    }
}
