//! Values while a filter is evaluated, and what the operators and functions do with them.
//!
//! Texts, lists and objects are borrowed from columns and profiles wherever they come from there.

use super::ast::{BinaryOp, Func};
use crate::time::Calendar;
use crate::value::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// A value of the language. Numbers keep the canonical form of [`Value`]: whole numbers are `Int`.
#[derive(Debug, Clone)]
pub(super) enum V<'a> {
    Undefined,
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Cow<'a, str>),
    List(Cow<'a, [Value]>),
    Object(Cow<'a, Value>),
}

impl<'a> From<&'a Value> for V<'a> {
    fn from(v: &'a Value) -> Self {
        match v {
            Value::Null => V::Null,
            Value::Bool(b) => V::Bool(*b),
            Value::Int(i) => V::Int(*i),
            Value::Float(f) => V::Float(*f),
            Value::Str(s) => V::Str(Cow::Borrowed(s)),
            Value::List(l) => V::List(Cow::Borrowed(l)),
            Value::Object(_) => V::Object(Cow::Borrowed(v)),
        }
    }
}

impl<'a> From<Option<&'a Value>> for V<'a> {
    fn from(v: Option<&'a Value>) -> Self {
        v.map_or(V::Undefined, V::from)
    }
}

impl<'a> From<Value> for V<'a> {
    fn from(v: Value) -> Self {
        match v {
            Value::Null => V::Null,
            Value::Bool(b) => V::Bool(b),
            Value::Int(i) => V::Int(i),
            Value::Float(f) => V::Float(f),
            Value::Str(s) => V::Str(Cow::Owned(s.into())),
            Value::List(l) => V::List(Cow::Owned(l)),
            Value::Object(_) => V::Object(Cow::Owned(v)),
        }
    }
}

impl From<Option<bool>> for V<'_> {
    fn from(b: Option<bool>) -> Self {
        b.map_or(V::Undefined, V::Bool)
    }
}

impl<'a> V<'a> {
    /// The canonical number; what JSON can't hold is undefined.
    pub fn num(f: f64) -> V<'a> {
        match Value::number(f) {
            Value::Int(i) => V::Int(i),
            Value::Float(f) => V::Float(f),
            _ => V::Undefined,
        }
    }

    /// The same value, borrowed from this one.
    pub fn by_ref(&self) -> V<'_> {
        match self {
            V::Undefined => V::Undefined,
            V::Null => V::Null,
            V::Bool(b) => V::Bool(*b),
            V::Int(i) => V::Int(*i),
            V::Float(f) => V::Float(*f),
            V::Str(s) => V::Str(Cow::Borrowed(s)),
            V::List(l) => V::List(Cow::Borrowed(l)),
            V::Object(o) => V::Object(Cow::Borrowed(o)),
        }
    }

    /// The value to keep; `None` for undefined.
    pub fn into_value(self) -> Option<Value> {
        Some(match self {
            V::Undefined => return None,
            V::Null => Value::Null,
            V::Bool(b) => Value::Bool(b),
            V::Int(i) => Value::Int(i),
            V::Float(f) => Value::Float(f),
            V::Str(s) => Value::str(s),
            V::List(l) => Value::List(l.into_owned()),
            V::Object(o) => o.into_owned(),
        })
    }

    pub fn is_true(&self) -> bool {
        matches!(self, V::Bool(true))
    }

    /// Neither undefined nor null.
    pub fn defined(&self) -> bool {
        !matches!(self, V::Undefined | V::Null)
    }

    fn as_f64(&self) -> Option<f64> {
        match self {
            V::Int(i) => Some(*i as f64),
            V::Float(f) => Some(*f),
            _ => None,
        }
    }

    fn as_str(&self) -> Option<&str> {
        match self {
            V::Str(s) => Some(s),
            _ => None,
        }
    }

    /// How this value and `other` are ordered in [`Value`]'s total order; undefined comes first.
    fn total_cmp(&self, other: &Value) -> Ordering {
        match (self, other) {
            (V::Str(a), Value::Str(b)) => (**a).cmp(&**b),
            (V::List(a), Value::List(b)) => (**a).cmp(b.as_slice()),
            (V::Undefined, _) => Ordering::Less,
            (V::Null, b) => Value::Null.cmp(b),
            (V::Bool(a), b) => Value::Bool(*a).cmp(b),
            (V::Int(a), b) => Value::Int(*a).cmp(b),
            (V::Float(a), b) => Value::Float(*a).cmp(b),
            (V::Object(a), b) => (**a).cmp(b),
            // Of another type: any string and any list will do, and empty ones need no memory.
            (V::Str(_), b) => Value::str("").cmp(b),
            (V::List(_), b) => Value::List(Vec::new()).cmp(b),
        }
    }

    /// Is this value one of `sorted`? A list also is when one of its elements is.
    pub fn among(&self, sorted: &[Value]) -> bool {
        let found = |v: &V| sorted.binary_search_by(|s| v.total_cmp(s).reverse()).is_ok();
        match self {
            V::Undefined => false,
            V::List(l) => found(self) || l.iter().any(|e| found(&V::from(e))),
            _ => found(self),
        }
    }
}

/// Same type and same value.
fn same(a: &V, b: &V) -> bool {
    match (a, b) {
        (V::Undefined, V::Undefined) | (V::Null, V::Null) => true,
        (V::Bool(a), V::Bool(b)) => a == b,
        (V::Int(a), V::Int(b)) => a == b,
        (V::Float(a), V::Float(b)) => a == b,
        (V::Str(a), V::Str(b)) => a == b,
        (V::List(a), V::List(b)) => a == b,
        (V::Object(a), V::Object(b)) => a == b,
        _ => false,
    }
}

/// `==`: a list equals a scalar when any of its elements does.
pub(super) fn equal(a: &V, b: &V) -> bool {
    match (a, b) {
        (V::List(_), V::List(_)) => same(a, b),
        (V::List(l), x) | (x, V::List(l)) => l.iter().any(|e| same(&V::from(e), x)),
        _ => same(a, b),
    }
}

/// True when it holds for any element, false when it does not hold for the others, `None` when it makes no sense for
/// all of them.
fn any_element(list: &[Value], mut f: impl FnMut(&V) -> Option<bool>) -> Option<bool> {
    let mut out = None;
    for e in list {
        match f(&V::from(e)) {
            Some(true) => return Some(true),
            Some(false) => out = Some(false),
            None => {}
        }
    }
    out
}

fn number_order(a: &V, b: &V) -> Option<Ordering> {
    match (a, b) {
        (V::Int(x), V::Int(y)) => Some(x.cmp(y)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

fn compare(op: BinaryOp, a: &V, b: &V) -> Option<bool> {
    match (a, b) {
        (V::List(_), V::List(_)) => None,
        (V::List(l), b) => any_element(l, |a| compare_scalars(op, a, b)),
        (a, V::List(l)) => any_element(l, |b| compare_scalars(op, a, b)),
        (a, b) => compare_scalars(op, a, b),
    }
}

fn compare_scalars(op: BinaryOp, a: &V, b: &V) -> Option<bool> {
    let order = number_order(a, b)?;
    Some(match op {
        BinaryOp::Lt => order.is_lt(),
        BinaryOp::Le => order.is_le(),
        BinaryOp::Gt => order.is_gt(),
        _ => order.is_ge(),
    })
}

/// `in`: membership in a list, or part of a text.
fn is_in(a: &V, b: &V) -> Option<bool> {
    match b {
        V::List(l) => Some(l.iter().any(|e| equal_element(a, e))),
        V::Str(whole) => texts(a, |part| whole.contains(part)),
        _ => None,
    }
}

/// Membership of one element: the value itself, or an element of it when it is a list.
fn equal_element(a: &V, e: &Value) -> bool {
    let e = V::from(e);
    same(a, &e) || matches!(a, V::List(l) if l.iter().any(|x| same(&V::from(x), &e)))
}

/// A condition on a text, or on any text of a list.
pub(super) fn texts(v: &V, f: impl Fn(&str) -> bool) -> Option<bool> {
    match v {
        V::List(l) => any_element(l, |e| e.as_str().map(&f)),
        v => v.as_str().map(f),
    }
}

/// The operators with two operands. The answer never borrows from them.
pub(super) fn binary<'a>(op: BinaryOp, a: &V, b: &V) -> V<'a> {
    match op {
        BinaryOp::Eq => V::Bool(equal(a, b)),
        BinaryOp::Ne => V::Bool(!equal(a, b)),
        BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => compare(op, a, b).into(),
        BinaryOp::In => is_in(a, b).into(),
        _ => arithmetic(op, a, b),
    }
}

fn arithmetic<'a>(op: BinaryOp, a: &V, b: &V) -> V<'a> {
    if let (BinaryOp::Add, V::Str(a), V::Str(b)) = (op, a, b) {
        return V::Str(Cow::Owned([&**a, &**b].concat()));
    }
    if let (V::Int(x), V::Int(y)) = (a, b) {
        let exact = match op {
            BinaryOp::Add => x.checked_add(*y),
            BinaryOp::Sub => x.checked_sub(*y),
            BinaryOp::Mul => x.checked_mul(*y),
            BinaryOp::Div => x.checked_rem(*y).filter(|r| *r == 0).and(x.checked_div(*y)),
            _ => x.checked_rem(*y),
        };
        if let Some(i) = exact {
            return V::Int(i);
        }
    }
    let (Some(x), Some(y)) = (a.as_f64(), b.as_f64()) else {
        return V::Undefined;
    };
    // Division by 0 gives NaN or an infinity, and both are undefined.
    V::num(match op {
        BinaryOp::Add => x + y,
        BinaryOp::Sub => x - y,
        BinaryOp::Mul => x * y,
        BinaryOp::Div => x / y,
        _ => x % y,
    })
}

/// Unary minus.
pub(super) fn negate<'a>(v: &V) -> V<'a> {
    match v {
        V::Int(i) => i.checked_neg().map_or(V::num(-(*i as f64)), V::Int),
        V::Float(f) => V::num(-f),
        _ => V::Undefined,
    }
}

/// `not`: undefined counts as false, other types have no negation.
pub(super) fn not<'a>(v: &V) -> V<'a> {
    match v {
        V::Bool(b) => V::Bool(!b),
        V::Undefined => V::Bool(true),
        _ => V::Undefined,
    }
}

/// Functions of one value, and `string`'s default.
pub(super) fn call1<'a>(func: Func, v: V<'a>, calendar: &Calendar) -> V<'a> {
    match (func, v) {
        (Func::Boolean, v) => V::Bool(truthy(&v)),
        (Func::Defined, v) => V::Bool(v.defined()),
        (Func::Len, V::Str(s)) => V::Int(s.chars().count() as i64),
        (Func::Len, V::List(l)) => V::Int(l.len() as i64),
        (Func::Len, _) => V::Undefined,
        (f, V::List(l)) => {
            let each = |e| scalar(f, V::from(e), calendar).into_value();
            V::List(Cow::Owned(l.iter().filter_map(each).collect()))
        }
        (f, v) => scalar(f, v, calendar),
    }
}

fn truthy(v: &V) -> bool {
    match v {
        V::Undefined | V::Null | V::Int(0) => false,
        V::Bool(b) => *b,
        V::Str(s) => !s.is_empty() && s != "false",
        _ => true,
    }
}

fn scalar<'a>(func: Func, v: V<'a>, calendar: &Calendar) -> V<'a> {
    match (func, v) {
        (Func::Floor, V::Float(f)) => V::num(f.floor()),
        (Func::Ceil, V::Float(f)) => V::num(f.ceil()),
        (Func::Round, V::Float(f)) => V::num(f.round()),
        (Func::Floor | Func::Ceil | Func::Round | Func::Number, V::Int(i)) => V::Int(i),
        (Func::Number, V::Float(f)) => V::Float(f),
        (Func::Number, V::Bool(b)) => V::Int(i64::from(b)),
        (Func::Number, V::Str(s)) => number_of(&s),
        (Func::String, v @ (V::Undefined | V::Null | V::Str(_))) => v,
        (Func::String, v) => V::Str(Cow::Owned(v.into_value().unwrap_or(Value::Null).to_text())),
        (Func::Lower, V::Str(s)) => V::Str(Cow::Owned(s.to_lowercase())),
        (Func::Upper, V::Str(s)) => V::Str(Cow::Owned(s.to_uppercase())),
        (Func::Datetime, V::Str(s)) => calendar.parse_instant(&s).map_or(V::Undefined, V::Int),
        (Func::Datetime, v) => match v.as_f64() {
            Some(seconds) if seconds.abs() < 1e10 => V::num((seconds * 1000.0).round()),
            Some(ms) => V::num(ms.round()),
            None => V::Undefined,
        },
        _ => V::Undefined,
    }
}

/// The number a text is written as. `inf`, `nan` and the like are no numbers.
fn number_of<'a>(s: &str) -> V<'a> {
    let s = s.trim();
    if let Ok(i) = s.parse::<i64>() {
        return V::Int(i);
    }
    let spelled = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    match s.parse::<f64>() {
        Ok(f) if s.chars().all(spelled) => V::num(f),
        _ => V::Undefined,
    }
}

/// Functions of two values.
pub(super) fn call2<'a>(func: Func, a: &V, b: &V) -> V<'a> {
    match (func, b) {
        (Func::HasPrefix, V::Str(p)) => texts(a, |s| s.starts_with(&**p)).into(),
        (Func::HasSuffix, V::Str(p)) => texts(a, |s| s.ends_with(&**p)).into(),
        (Func::Contains, V::Str(p)) => texts(a, |s| s.contains(&**p)).into(),
        (Func::InList, V::List(_)) => is_in(a, b).into(),
        _ => V::Undefined,
    }
}
