//! A filter bound to a project: picks rows of chunks.

use super::ast::Expr;
use super::bind::{LookedUp, Names, Resolve, condition};
use super::plan::{Further, Leaf, Of, Plan, Rows, Scan};
use crate::chunk::{Chunk, Hits, Kind, Membership, SharedProfile, USER};
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::tick::Tick;
use crate::time::Calendar;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A condition on events, ready to be evaluated. It can be shared between threads.
#[derive(Debug, Clone)]
pub struct Filter {
    by: Kind,
    leaves: Vec<Leaf>,
    plan: Plan,
    properties: BTreeSet<u32>,
    kinds: BTreeSet<Kind>,
    /// Depends on the group that is counted, so that every attribution of an event is asked on its own.
    per_subject: bool,
}

/// Binds a filter to a project, for a report that counts `by` users or the groups of one key.
///
/// Unknown properties are never set; unknown group keys, user properties in a report by group, and conditions that can't
/// be true or false are [`Error::Param`].
pub fn bind(expr: &Expr, names: &dyn Names, by: Kind) -> Result<Filter> {
    let mut binder = Binder {
        names,
        by,
        seen: Vec::new(),
        leaves: Vec::new(),
    };
    let node = condition(expr, &mut binder)?;
    let leaves = binder.leaves;
    let mut properties = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    let mut per_subject = false;
    for leaf in &leaves {
        match leaf {
            Leaf::Property(p) => {
                properties.insert(*p);
            }
            Leaf::Profile { of: Of::Subject, .. } => {
                kinds.insert(by);
                per_subject = true;
            }
            Leaf::Groups { kind, .. } => {
                kinds.insert(*kind);
            }
            Leaf::Profile { .. } | Leaf::Time | Leaf::Unset => {}
        }
    }
    Ok(Filter {
        by,
        plan: Plan::new(node),
        leaves,
        properties,
        kinds,
        per_subject,
    })
}

impl Filter {
    /// Event properties whose columns it reads.
    pub fn properties(&self) -> &BTreeSet<u32> {
        &self.properties
    }

    /// Does it look at the time of an event?
    pub fn reads_time(&self) -> bool {
        self.leaves.iter().any(|l| matches!(l, Leaf::Time))
    }

    /// Does it look at the user of an event, for what is counted by a group key?
    pub fn reads_user(&self) -> bool {
        self.leaves.iter().any(|l| match l {
            Leaf::Profile { of, .. } => *of == Of::User,
            Leaf::Groups { membership, .. } => membership.is_some(),
            Leaf::Unset | Leaf::Property(_) | Leaf::Time => false,
        })
    }

    /// Group kinds whose columns it reads.
    pub fn kinds(&self) -> &BTreeSet<Kind> {
        &self.kinds
    }

    /// Which of the picked `rows` it holds for.
    ///
    /// Where it reads properties of the counted group, each attribution is asked on its own: `Hits::more` is then there
    /// whenever the chunk has rows with several groups.
    pub fn hits(&self, chunk: &Chunk, rows: &Mask, tick: &mut dyn Tick) -> Result<Hits> {
        let scan = Scan::new(chunk, &self.leaves);
        let group = chunk.group(self.by).filter(|_| self.per_subject);
        let first = group.map_or(&[][..], |g| &g.first);
        let hit = self.plan.run(&scan, &Rows { first }, rows, tick)?;
        let Some(g) = group.filter(|g| !g.more.is_empty()) else {
            return Ok(Hits::rows(hit));
        };
        let picked = Mask::from_fn(g.more.len(), |i| g.more.get(i).is_some_and(|e| rows.get(e.0 as usize)));
        let more = self.plan.run(&scan, &Further { entries: &g.more }, &picked, tick)?;
        Ok(Hits {
            rows: hit,
            more: Some(more),
        })
    }
}

struct Binder<'a> {
    names: &'a dyn Names,
    by: Kind,
    /// What was asked for before, in the order of `leaves`.
    seen: Vec<Expr>,
    leaves: Vec<Leaf>,
}

fn profile(of: Of, column: Option<SharedProfile>) -> Leaf {
    column.map_or(Leaf::Unset, |column| Leaf::Profile { of, column })
}

impl Binder<'_> {
    fn cohort(&self, name: &str) -> Result<Leaf> {
        let cohort = self
            .names
            .cohort(name)
            .ok_or_else(|| Error::param_hint(format!("unknown cohort \"{name}\""), "Make it with define_cohort(…)."))?;
        if cohort.kind != self.by {
            return Err(Error::param_hint(
                format!("cohort \"{name}\" holds {}, and something else is counted", cohort.of),
                format!(
                    "A cohort filters and breaks down what it holds: count by {}, or define a cohort of what is counted.",
                    cohort.of
                ),
            ));
        }
        let of = if self.by == USER { Of::User } else { Of::Subject };
        Ok(profile(of, Some(cohort.members)))
    }

    fn group(&self, key: &str, property: &str) -> Result<Leaf> {
        let kind = self.names.group_kind(key).ok_or_else(|| {
            Error::param_hint(
                format!("unknown group key \"{key}\""),
                format!("Group keys are registered with add_group_key('{key}') and listed in the view group_keys."),
            )
        })?;
        if let Some(no) = self.names.group_at_event(kind, property) {
            return Ok(Leaf::Property(no));
        }
        Ok(self.of_groups(kind, self.names.group_column(kind, property)))
    }

    fn of_groups(&self, kind: Kind, column: Option<SharedProfile>) -> Leaf {
        if kind == self.by {
            return profile(Of::Subject, column);
        }
        let membership: Option<Arc<Membership>> = match self.by {
            USER => self.names.membership(kind),
            _ => None,
        };
        column.map_or(Leaf::Unset, |column| Leaf::Groups {
            kind,
            column,
            membership,
        })
    }

    fn user(&self, e: &Expr, column: Option<SharedProfile>) -> Result<Leaf> {
        if self.by != USER {
            return Err(Error::param_hint(
                format!("{e} is not available when groups are counted"),
                "Users may use properties of their groups, never the reverse: count by user, or use group[…] or properties[…].",
            ));
        }
        Ok(profile(Of::User, column))
    }

    fn lookup(&self, e: &Expr, property: &str, column: &str) -> Result<Leaf> {
        match self.names.lookup(property, column) {
            None => Ok(Leaf::Unset),
            Some(LookedUp::Event(no)) => Ok(Leaf::Property(no)),
            Some(LookedUp::User(column)) => self.user(e, Some(column)),
            Some(LookedUp::Group(kind, column)) => Ok(self.of_groups(kind, Some(column))),
        }
    }
}

impl Resolve for Binder<'_> {
    fn leaf(&mut self, e: &Expr) -> Result<usize> {
        if let Some(i) = self.seen.iter().position(|s| s == e) {
            return Ok(i);
        }
        let leaf = match e {
            Expr::Property(p) => self.names.property(p).map_or(Leaf::Unset, Leaf::Property),
            Expr::User(p) => self.user(e, self.names.user_column(p))?,
            Expr::Group { key, property } => self.group(key, property)?,
            Expr::Lookup { property, column } => self.lookup(e, property, column)?,
            Expr::Time => Leaf::Time,
            Expr::EventName => profile(Of::Event, self.names.event_names()),
            Expr::DistinctId => profile(Of::User, self.names.distinct_ids()),
            Expr::Cohort(name) => self.cohort(name)?,
            _ => Leaf::Unset,
        };
        self.seen.push(e.clone());
        self.leaves.push(leaf);
        Ok(self.leaves.len() - 1)
    }

    fn calendar(&self) -> &Calendar {
        self.names.calendar()
    }
}
