//! Filters over single profiles, for queries of users and of groups.

use super::ast::Expr;
use super::bind::{Resolve, condition};
use super::eval::{Node, Source};
use super::ops::V;
use crate::error::{Error, Result};
use crate::time::Calendar;
use crate::value::Value;
use std::borrow::Cow;

/// Whose profiles a filter looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileScope<'a> {
    /// `user["p"]` and `properties["p"]` read the profile, `$distinct_id` is its id.
    User,
    /// `group[key]["p"]` with this key and `properties["p"]` read the profile, `$group_id` is its id.
    Group(&'a str),
}

/// A condition on profiles, ready to be evaluated.
#[derive(Debug, Clone)]
pub struct ProfileFilter {
    node: Node,
    fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq)]
enum Field {
    Id,
    Property(String),
}

impl ProfileFilter {
    /// Binds a filter to one sort of profile. What only events have, and profiles of another sort, are [`Error::Param`].
    pub fn bind(expr: &Expr, scope: ProfileScope, calendar: &Calendar) -> Result<ProfileFilter> {
        let mut binder = Binder {
            scope,
            calendar,
            fields: Vec::new(),
        };
        Ok(ProfileFilter {
            node: condition(expr, &mut binder)?,
            fields: binder.fields,
        })
    }

    /// Does the condition hold for the profile with these properties (an object) and this id?
    pub fn matches(&self, properties: &Value, id: &str) -> bool {
        let source = Profile {
            fields: &self.fields,
            properties,
            id,
        };
        self.node.eval(&source, None).is_true()
    }
}

/// Does a filter hold for one profile? Of several profiles ask a [`ProfileFilter`], which is bound once.
pub fn eval_object(
    expr: &Expr,
    scope: ProfileScope,
    properties: &Value,
    id: &str,
    calendar: &Calendar,
) -> Result<bool> {
    Ok(ProfileFilter::bind(expr, scope, calendar)?.matches(properties, id))
}

/// The value of an expression of any type over a profile; `None` = undefined.
#[cfg(test)]
pub(super) fn value_of(expr: &Expr, properties: &Value, calendar: &Calendar) -> Result<Option<Value>> {
    let mut binder = Binder {
        scope: ProfileScope::User,
        calendar,
        fields: Vec::new(),
    };
    let node = super::bind::value(expr, &mut binder)?;
    let source = Profile {
        fields: &binder.fields,
        properties,
        id: "u1",
    };
    Ok(node.eval(&source, None).into_value())
}

struct Profile<'a> {
    fields: &'a [Field],
    properties: &'a Value,
    id: &'a str,
}

impl Source for Profile<'_> {
    fn leaf(&self, leaf: usize) -> V<'_> {
        match self.fields.get(leaf) {
            Some(Field::Id) => V::Str(Cow::Borrowed(self.id)),
            Some(Field::Property(p)) => self.properties.get(p).into(),
            None => V::Undefined,
        }
    }
}

struct Binder<'a> {
    scope: ProfileScope<'a>,
    calendar: &'a Calendar,
    fields: Vec<Field>,
}

impl Binder<'_> {
    fn property(&self, p: &str) -> Field {
        match (self.scope, p) {
            (ProfileScope::User, "$distinct_id") | (ProfileScope::Group(_), "$group_id") => Field::Id,
            _ => Field::Property(p.to_string()),
        }
    }
}

impl Resolve for Binder<'_> {
    fn leaf(&mut self, e: &Expr) -> Result<usize> {
        let field = match (e, self.scope) {
            (Expr::Group { property, .. }, _) if property.ends_with("@event") => {
                return Err(Error::param_hint(
                    format!("{e} belongs to events, and profiles are queried"),
                    "Leave @event out: profiles are as they are now; group_history lists what they were.",
                ));
            }
            (Expr::Property(p), _) | (Expr::User(p), ProfileScope::User) => self.property(p),
            (Expr::Group { key, property }, ProfileScope::Group(scope)) if key == scope => self.property(property),
            (Expr::DistinctId, _) => Field::Id,
            (Expr::User(_) | Expr::Group { .. }, ProfileScope::Group(key)) => {
                return Err(Error::param_hint(
                    format!("{e} is not available in a query of \"{key}\" groups"),
                    format!("Use group[\"{key}\"][\"property\"] or properties[\"property\"]."),
                ));
            }
            (Expr::Group { .. }, ProfileScope::User) => {
                return Err(Error::param_hint(
                    format!("{e} is not available in a query of users"),
                    "Use user[\"property\"] or properties[\"property\"]; the groups a user is linked to are in the user's own property of that key.",
                ));
            }
            (Expr::Lookup { .. }, _) => {
                return Err(Error::param_hint(
                    format!("{e} is not available in a query of profiles"),
                    "Lookup tables are joined in reports; a cohort with this condition can be listed: cohort_members('name').",
                ));
            }
            (Expr::Cohort(_), _) => {
                return Err(Error::param_hint(
                    format!("{e} is not available in a query of profiles"),
                    "cohort_members('name') lists the members of a cohort with their profiles.",
                ));
            }
            _ => {
                return Err(Error::param_hint(
                    format!("{e} belongs to events, and profiles are queried"),
                    "Use properties[\"property\"].",
                ));
            }
        };
        let i = self.fields.iter().position(|f| *f == field);
        Ok(i.unwrap_or_else(|| {
            self.fields.push(field);
            self.fields.len() - 1
        }))
    }

    fn calendar(&self) -> &Calendar {
        self.calendar
    }
}
