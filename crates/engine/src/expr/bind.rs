//! From the tree as written to a tree that can be evaluated: looks names up, folds constants, finds mistakes of type.

use super::ast::{BinaryOp, Expr, Func};
use super::eval::{Node, ty};
use super::parser::regex;
use crate::chunk::{Kind, Membership, SharedProfile};
use crate::error::{Error, Result};
use crate::time::Calendar;
use crate::value::Value;
use std::sync::Arc;

/// What a project knows: numbers of names, and columns of profiles.
pub trait Names {
    /// Number of an event name; `None` = nobody sent it.
    fn event(&self, name: &str) -> Option<u32>;
    /// Numbers of all events that an event name stands for: more than its own where events are merged.
    fn events(&self, name: &str) -> Vec<u32> {
        self.event(name).into_iter().collect()
    }
    /// The events that any event is; `None` = really any.
    fn any_event(&self) -> Option<&[u32]> {
        None
    }
    /// Number of an event property; `None` = nobody sent it.
    fn property(&self, name: &str) -> Option<u32>;
    /// Kind of a registered group key.
    fn group_kind(&self, key: &str) -> Option<Kind>;
    /// A property of user profiles by user number; `None` = no user has it. `$distinct_id` is the user's own id.
    fn user_column(&self, property: &str) -> Option<SharedProfile>;
    /// A property of group profiles by group number; `None` = no group has it. `$group_id` is the group's own id.
    fn group_column(&self, kind: Kind, property: &str) -> Option<SharedProfile>;
    /// The groups of one key in the users' profile lists: used in user reports where an event carries no group of that key.
    fn membership(&self, kind: Kind) -> Option<Arc<Membership>>;
    /// Event names by event number.
    fn event_names(&self) -> Option<SharedProfile>;
    /// distinct_ids by user number.
    fn distinct_ids(&self) -> Option<SharedProfile>;
    /// A cohort; `None` = there is none of that name.
    fn cohort(&self, name: &str) -> Option<CohortColumn> {
        let _ = name;
        None
    }
    /// A column of the lookup table that a property is mapped to; `None` = the property never has a value.
    fn lookup(&self, property: &str, column: &str) -> Option<LookedUp> {
        let _ = (property, column);
        None
    }
    /// The number of a property of groups as it was when events happened, joined to the events; `None` = it is asked for as
    /// it is now.
    fn group_at_event(&self, kind: Kind, property: &str) -> Option<u32> {
        let _ = (kind, property);
        None
    }
    /// The project's calendar.
    fn calendar(&self) -> &Calendar;
}

/// A column of a lookup table, joined to a property.
#[derive(Debug, Clone)]
pub enum LookedUp {
    /// Of events, under this number.
    Event(u32),
    /// Of the users' profiles.
    User(SharedProfile),
    /// Of the profiles of the groups of a key.
    Group(Kind, SharedProfile),
}

/// A cohort as filters read it.
#[derive(Debug, Clone)]
pub struct CohortColumn {
    /// Whom it holds: users, or the groups of one key.
    pub kind: Kind,
    /// The same in words.
    pub of: String,
    /// By subject number, before identity merges: true for members.
    pub members: SharedProfile,
}

/// Turns the names of one expression into leaves.
pub(super) trait Resolve {
    /// Number of the leaf for a property, a time, a name or an id.
    fn leaf(&mut self, e: &Expr) -> Result<usize>;
    fn calendar(&self) -> &Calendar;
}

/// Binds a whole filter, which must be a condition.
pub(super) fn condition(e: &Expr, resolve: &mut dyn Resolve) -> Result<Node> {
    let node = value(e, resolve)?;
    let types = node.types();
    if types & ty::BOOL == 0 {
        return Err(Error::param_hint(
            format!("the filter is not a condition but {}", ty::names(types)),
            "Compare it with something, such as properties[\"amount\"] > 10 or properties[\"plan\"] == \"pro\".",
        ));
    }
    Ok(node)
}

/// Binds an expression of any type.
pub(super) fn value(e: &Expr, resolve: &mut dyn Resolve) -> Result<Node> {
    build(e, resolve, &mut Vec::new())
}

fn build(e: &Expr, r: &mut dyn Resolve, vars: &mut Vec<String>) -> Result<Node> {
    let boxed = |n: Node| Box::new(n);
    let node = match e {
        Expr::Undefined => Node::Const(None),
        Expr::Literal(v) => Node::Const(Some(v.clone())),
        Expr::List(l) => Node::List(all(l, r, vars)?),
        Expr::Property(_)
        | Expr::User(_)
        | Expr::Group { .. }
        | Expr::Lookup { .. }
        | Expr::Time
        | Expr::EventName
        | Expr::DistinctId => Node::Leaf(r.leaf(e)?),
        // Who is unknown to the cohort is not in it.
        Expr::Cohort(_) => Node::Call(Func::Boolean, vec![Node::Leaf(r.leaf(e)?)], r.calendar().clone()),
        Expr::Var(name) => match vars.iter().rev().position(|v| v == name) {
            Some(i) => Node::Var(i),
            None => return Err(Error::param(format!("unknown name \"{name}\" in a filter"))),
        },
        Expr::Member(e, step) => Node::Member(boxed(build(e, r, vars)?), step.clone()),
        Expr::Neg(e) => Node::Neg(boxed(build(e, r, vars)?)),
        Expr::Not(e) => Node::Not(boxed(build(e, r, vars)?)),
        Expr::And(l) => Node::And(conditions("and", l, r, vars)?),
        Expr::Or(l) => Node::Or(conditions("or", l, r, vars)?),
        Expr::Binary(op, a, b) => {
            let (a, b) = (build(a, r, vars)?, build(b, r, vars)?);
            in_constant(*op == BinaryOp::In, a, b, |a, b| Node::Binary(*op, boxed(a), boxed(b)))
        }
        Expr::Call(Func::Matches, args) => match args.as_slice() {
            [e, Expr::Literal(Value::Str(pattern))] => {
                let regex = regex(pattern)
                    .map_err(|why| Error::param(format!("\"{pattern}\" is not a regular expression: {why}")))?;
                Node::Matches(boxed(build(e, r, vars)?), regex)
            }
            _ => return Err(Error::param("the pattern of matches must be written out")),
        },
        Expr::Call(func, args) => {
            let calendar = r.calendar().clone();
            let args = all(args, r, vars)?;
            match (func, <[Node; 2]>::try_from(args)) {
                (func, Ok([a, b])) => in_constant(*func == Func::InList, a, b, |a, b| {
                    Node::Call(*func, vec![a, b], calendar)
                }),
                (func, Err(args)) => Node::Call(*func, args, calendar),
            }
        }
        Expr::Quantified {
            all,
            var,
            list,
            condition,
        } => {
            let list = build(list, r, vars)?;
            vars.push(var.clone());
            let condition = build(condition, r, vars);
            vars.pop();
            Node::Quantified {
                all: *all,
                list: boxed(list),
                condition: boxed(condition?),
            }
        }
    };
    Ok(node.fold())
}

/// Membership in a constant list is a binary search.
fn in_constant(is_in: bool, a: Node, b: Node, other: impl FnOnce(Node, Node) -> Node) -> Node {
    match b {
        Node::Const(Some(Value::List(mut list))) if is_in => {
            list.sort();
            list.dedup();
            Node::Among(Box::new(a), list)
        }
        b => other(a, b),
    }
}

fn all(list: &[Expr], r: &mut dyn Resolve, vars: &mut Vec<String>) -> Result<Vec<Node>> {
    list.iter().map(|e| build(e, r, vars)).collect()
}

/// Operands of `and` and `or`: what can never be a boolean is a mistake.
fn conditions(word: &str, list: &[Expr], r: &mut dyn Resolve, vars: &mut Vec<String>) -> Result<Vec<Node>> {
    let nodes = all(list, r, vars)?;
    for (e, node) in list.iter().zip(&nodes) {
        let types = node.types();
        if types & ty::BOOL == 0 && types != ty::UNDEFINED {
            let mut text: String = e.to_string().chars().take(60).collect();
            if text.len() < e.to_string().len() {
                text.push('…');
            }
            let hint = if matches!(node, Node::Const(_)) {
                "Repeat the comparison on both sides: x == \"a\" or x == \"b\"; or write x in [\"a\", \"b\"]."
            } else {
                "Compare it with something, or use boolean(…)."
            };
            return Err(Error::param_hint(
                format!("{word} needs conditions, but {text} is {}", ty::names(types)),
                hint,
            ));
        }
    }
    Ok(nodes)
}
