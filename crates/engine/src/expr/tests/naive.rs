//! A deliberately simple evaluator of filters over a row of names: what the fast one is compared with.

use super::world::Row;
use crate::expr::{BinaryOp, Expr, Func, Step};
use crate::time::Calendar;
use crate::value::Value;
use std::cmp::Ordering;

/// `None` = undefined.
type Val = Option<Value>;

/// A filter picks what it is exactly `true` for.
pub fn picks(e: &Expr, row: &Row, calendar: &Calendar) -> bool {
    Naive { row, calendar }.value(e, &[]) == Some(Value::Bool(true))
}

struct Naive<'a> {
    row: &'a Row<'a>,
    calendar: &'a Calendar,
}

fn is_true(v: &Val) -> bool {
    *v == Some(Value::Bool(true))
}

/// A list as its elements, anything else as the one value it is.
fn spread(v: &Val) -> Vec<Val> {
    match v {
        Some(Value::List(l)) => l.iter().cloned().map(Some).collect(),
        v => vec![v.clone()],
    }
}

fn is_list(v: &Val) -> bool {
    matches!(v, Some(Value::List(_)))
}

/// Any element decides; without one that makes sense there is no answer.
fn any_of(answers: Vec<Option<bool>>) -> Val {
    if answers.contains(&Some(true)) {
        Some(Value::Bool(true))
    } else if answers.contains(&Some(false)) {
        Some(Value::Bool(false))
    } else {
        None
    }
}

fn number(v: &Val) -> Option<f64> {
    v.as_ref().and_then(Value::as_f64)
}

fn text(v: &Val) -> Option<&str> {
    v.as_ref().and_then(Value::as_str)
}

fn equal(a: &Val, b: &Val) -> bool {
    if is_list(a) != is_list(b) {
        spread(a).iter().any(|x| spread(b).iter().any(|y| x == y))
    } else {
        a == b
    }
}

fn canonical(f: f64) -> Val {
    f.is_finite().then(|| Value::number(f))
}

impl Naive<'_> {
    fn value(&self, e: &Expr, vars: &[(String, Val)]) -> Val {
        let v = |e: &Expr| self.value(e, vars);
        match e {
            Expr::Undefined | Expr::Cohort(_) | Expr::Lookup { .. } => None,
            Expr::Literal(x) => Some(x.clone()),
            Expr::List(l) => Some(Value::List(l.iter().filter_map(v).collect())),
            Expr::Property(p) => self.row.properties.get(p).cloned(),
            Expr::User(p) => self.row.user.get(p).cloned(),
            Expr::Group { key, property } => self.group(key, property),
            Expr::Time => Some(Value::Int(self.row.time)),
            Expr::EventName => self.row.event.map(Value::str),
            Expr::DistinctId => self.row.user.get("$distinct_id").cloned(),
            Expr::Var(name) => vars.iter().rev().find(|x| x.0 == *name).and_then(|x| x.1.clone()),
            Expr::Member(e, step) => match (v(e), step) {
                (Some(o), Step::Key(k)) => o.get(k).cloned(),
                (Some(Value::List(l)), Step::At(i)) => l.get(*i).cloned(),
                _ => None,
            },
            Expr::Neg(e) => number(&v(e)).and_then(|f| canonical(-f)),
            Expr::Not(e) => match v(e) {
                None => Some(Value::Bool(true)),
                Some(Value::Bool(b)) => Some(Value::Bool(!b)),
                _ => None,
            },
            Expr::And(l) => Some(Value::Bool(l.iter().all(|e| is_true(&v(e))))),
            Expr::Or(l) => Some(Value::Bool(l.iter().any(|e| is_true(&v(e))))),
            Expr::Binary(op, a, b) => self.binary(*op, v(a), v(b)),
            Expr::Call(f, args) => self.call(*f, args.iter().map(v).collect()),
            Expr::Quantified {
                all,
                var,
                list,
                condition,
            } => {
                let list = v(list);
                let elements = match list {
                    None | Some(Value::Null) => vec![],
                    list => spread(&list),
                };
                let holds = |x: &Val| {
                    let mut inner = vars.to_vec();
                    inner.push((var.clone(), x.clone()));
                    is_true(&self.value(condition, &inner))
                };
                let count = elements.iter().filter(|x| holds(x)).count();
                Some(Value::Bool(count > 0 && (!*all || count == elements.len())))
            }
        }
    }

    fn group(&self, key: &str, property: &str) -> Val {
        let profiles = &self.row.groups[key];
        if let [one] = profiles.as_slice() {
            return one.get(property).cloned();
        }
        let set = profiles.iter().filter_map(|p| p.get(property).cloned());
        let all: Vec<Value> = set
            .filter(|v| *v != Value::Null)
            .flat_map(|v| spread(&Some(v)))
            .flatten()
            .collect();
        (!all.is_empty()).then_some(Value::List(all))
    }

    fn binary(&self, op: BinaryOp, a: Val, b: Val) -> Val {
        let compare = |test: fn(Ordering) -> bool| {
            if is_list(&a) && is_list(&b) {
                return None;
            }
            let mut answers = vec![];
            for x in spread(&a) {
                for y in spread(&b) {
                    answers.push(match (number(&x), number(&y)) {
                        (Some(x), Some(y)) => x.partial_cmp(&y).map(test),
                        _ => None,
                    });
                }
            }
            any_of(answers)
        };
        let calculate = |f: fn(f64, f64) -> f64| match (number(&a), number(&b)) {
            (Some(x), Some(y)) => canonical(f(x, y)),
            _ => None,
        };
        match op {
            BinaryOp::Eq => Some(Value::Bool(equal(&a, &b))),
            BinaryOp::Ne => Some(Value::Bool(!equal(&a, &b))),
            BinaryOp::Lt => compare(Ordering::is_lt),
            BinaryOp::Le => compare(Ordering::is_le),
            BinaryOp::Gt => compare(Ordering::is_gt),
            BinaryOp::Ge => compare(Ordering::is_ge),
            BinaryOp::In => match &b {
                Some(Value::List(l)) => {
                    let mut wanted = spread(&a);
                    wanted.push(a.clone());
                    Some(Value::Bool(l.iter().any(|e| wanted.contains(&Some(e.clone())))))
                }
                Some(Value::Str(whole)) => {
                    any_of(spread(&a).iter().map(|x| text(x).map(|x| whole.contains(x))).collect())
                }
                _ => None,
            },
            BinaryOp::Add => match (text(&a), text(&b)) {
                (Some(x), Some(y)) => Some(Value::str(format!("{x}{y}"))),
                _ => calculate(|x, y| x + y),
            },
            BinaryOp::Sub => calculate(|x, y| x - y),
            BinaryOp::Mul => calculate(|x, y| x * y),
            BinaryOp::Div => calculate(|x, y| if y == 0.0 { f64::NAN } else { x / y }),
            BinaryOp::Rem => calculate(|x, y| if y == 0.0 { f64::NAN } else { x % y }),
        }
    }

    fn call(&self, f: Func, args: Vec<Val>) -> Val {
        let a = args[0].clone();
        let on_text = |test: &dyn Fn(&str) -> bool| any_of(spread(&a).iter().map(|x| text(x).map(test)).collect());
        match f {
            Func::Defined => Some(Value::Bool(!matches!(a, None | Some(Value::Null)))),
            Func::Boolean => {
                let falsy = match &a {
                    None => true,
                    Some(v) => {
                        let falsies = [
                            Value::Null,
                            Value::Int(0),
                            Value::str(""),
                            Value::str("false"),
                            Value::Bool(false),
                        ];
                        falsies.contains(v)
                    }
                };
                Some(Value::Bool(!falsy))
            }
            Func::Len => match a {
                Some(Value::Str(s)) => Some(Value::Int(s.chars().count() as i64)),
                Some(Value::List(l)) => Some(Value::Int(l.len() as i64)),
                _ => None,
            },
            Func::HasPrefix | Func::HasSuffix | Func::Contains | Func::Matches => {
                let part = text(&args[1])?.to_string();
                match f {
                    Func::HasPrefix => on_text(&|s| s.starts_with(&part)),
                    Func::HasSuffix => on_text(&|s| s.ends_with(&part)),
                    Func::Contains => on_text(&|s| s.contains(&part)),
                    _ => on_text(&|s| regex::Regex::new(&part).unwrap().is_match(s)),
                }
            }
            Func::InList if is_list(&args[1]) => self.binary(BinaryOp::In, a, args[1].clone()),
            Func::InList => None,
            Func::String if matches!(a, None | Some(Value::Null)) && args.len() == 2 => args[1].clone(),
            // Element by element; a list inside of the list is a value without parts.
            _ if is_list(&a) => {
                let each = |x: Val| match (f, &x) {
                    (Func::String, Some(Value::List(_))) => Some(Value::str(x?.to_text())),
                    (_, Some(Value::List(_))) => None,
                    _ => self.call(f, vec![x]),
                };
                Some(Value::List(spread(&a).into_iter().filter_map(each).collect()))
            }
            Func::Floor => canonical(number(&a)?.floor()),
            Func::Ceil => canonical(number(&a)?.ceil()),
            Func::Round => canonical(number(&a)?.round()),
            Func::Number => match a? {
                Value::Bool(b) => Some(Value::Int(b as i64)),
                Value::Str(s) => canonical(s.trim().parse::<f64>().ok()?),
                v => v.as_f64().and_then(canonical),
            },
            Func::String => match a? {
                Value::Null => Some(Value::Null),
                v => Some(Value::str(v.to_text())),
            },
            Func::Lower => Some(Value::str(text(&a)?.to_lowercase())),
            Func::Upper => Some(Value::str(text(&a)?.to_uppercase())),
            Func::Datetime => match a? {
                Value::Str(s) => self.calendar.parse_instant(&s).map(Value::Int),
                v => {
                    let f = v.as_f64()?;
                    canonical(if f.abs() < 1e10 { f * 1000.0 } else { f }.round())
                }
            },
        }
    }
}
