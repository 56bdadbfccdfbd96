//! Which segments an attempt belongs to, and whether the global filter takes it.

use super::attempts::Fill;
use super::counts::{Counts, Reached};
use super::prepared::{Place, Prepared};
use super::{Attribution, Plan};
use crate::breakdown::{Dimension, MAX_DIMENSIONS, Segments, texts_of};
use crate::chunk::{Chunk, Column, Events, Kind, Membership, PropertyColumn, SharedProfile, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::expr::{self, Expr, Filter, Func, LookedUp, Names};
use crate::gather::{Budget, push_within};
use crate::mask::Mask;
use crate::tick::NoTick;
use crate::time::Calendar;
use crate::value::Value;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A filter on attempts: what it reads is attributed to an attempt like a breakdown.
#[derive(Debug, Clone)]
pub struct GlobalFilter {
    /// What it reads of events.
    pub(super) reads: Vec<Dimension>,
    /// Property n is what `reads[n]` is.
    filter: Filter,
}

impl GlobalFilter {
    /// Binds a filter to a project, for a funnel that counts `by`.
    pub fn new(expr: &Expr, names: &dyn Names, by: Kind) -> Result<Self> {
        // For its errors, in the words that were written.
        expr::bind(expr, names, by)?;
        let r = expr.references();
        if r.time || r.event_name || (r.distinct_id && by != USER) {
            return Err(Error::param_hint(
                "the filter of a funnel is about attempts, which have no time, no event name and no distinct_id",
                "Put the condition into the steps: {\"event\":\"Purchase\",\"filter\":\"…\"}.",
            ));
        }
        let mut slots: BTreeMap<String, u32> = BTreeMap::new();
        let mut reads = Vec::new();
        let mut add = |name: String, d: Option<Dimension>| {
            if let Some(d) = d {
                slots.insert(name, reads.len() as u32);
                reads.push(d);
            }
        };
        for p in &r.properties {
            add(
                slot(&Expr::Property(p.clone())),
                names.property(p).map(Dimension::EventProperty),
            );
        }
        for p in &r.user {
            add(
                slot(&Expr::User(p.clone())),
                names.user_column(p).map(Dimension::UserProfile),
            );
        }
        if r.distinct_id {
            add(
                slot(&Expr::DistinctId),
                names.distinct_ids().map(Dimension::UserProfile),
            );
        }
        for (key, property) in &r.group {
            let name = slot(&Expr::Group {
                key: key.clone(),
                property: property.clone(),
            });
            let dimension = names.group_kind(key).and_then(|kind| {
                if let Some(no) = names.group_at_event(kind, property) {
                    return Some(Dimension::EventProperty(no));
                }
                Some(Dimension::GroupProperty {
                    kind,
                    column: names.group_column(kind, property)?,
                    membership: if by == USER { names.membership(kind) } else { None },
                    via_profile: false,
                })
            });
            add(name, dimension);
        }
        for (property, column) in &r.lookups {
            let name = slot(&Expr::Lookup {
                property: property.clone(),
                column: column.clone(),
            });
            let joined = names.lookup(property, column).map(|joined| match joined {
                LookedUp::Event(no) => Dimension::EventProperty(no),
                LookedUp::User(column) => Dimension::UserProfile(column),
                LookedUp::Group(kind, column) => Dimension::GroupProperty {
                    kind,
                    column,
                    membership: if by == USER { names.membership(kind) } else { None },
                    via_profile: false,
                },
            });
            add(name, joined);
        }
        for name in &r.cohorts {
            let dimension = names.cohort(name).map(|c| Dimension::of_subject(by, c.members));
            add(slot(&Expr::Cohort(name.clone())), dimension);
        }
        let attributed = Attributed {
            slots,
            calendar: names.calendar(),
        };
        Ok(GlobalFilter {
            filter: expr::bind(&as_properties(expr), &attributed, USER)?,
            reads,
        })
    }

    /// Does it take an attempt with these values?
    fn takes<'v>(&self, values: impl Iterator<Item = Option<&'v Value>>) -> Result<bool> {
        let mut chunk = Chunk {
            events: Events::One(1),
            user: vec![1],
            time: vec![0],
            ..Chunk::default()
        };
        for (n, (d, value)) in self.reads.iter().zip(values).enumerate() {
            let Some(value) = value else { continue };
            let value = match (d, value) {
                // A filter only sees the groups that have the property.
                (Dimension::GroupProperty { .. }, Value::List(l)) => {
                    Value::List(l.iter().filter(|v| **v != Value::Null).cloned().collect())
                }
                (_, v) => v.clone(),
            };
            chunk.properties.push(PropertyColumn {
                property: n as u32,
                column: Column::Dict {
                    values: vec![value],
                    codes: vec![1],
                },
            });
        }
        Ok(self.filter.hits(&chunk, &Mask::all(1), &mut NoTick)?.rows.any())
    }
}

/// The name under which an attributed value is a property: how it is written, which no two sources share.
fn slot(e: &Expr) -> String {
    e.to_string()
}

/// The same expression with every source as a property.
fn as_properties(e: &Expr) -> Expr {
    let list = |l: &[Expr]| l.iter().map(as_properties).collect();
    let boxed = |e: &Expr| Box::new(as_properties(e));
    match e {
        Expr::Property(_) | Expr::User(_) | Expr::Group { .. } | Expr::Lookup { .. } | Expr::DistinctId => {
            Expr::Property(slot(e))
        }
        Expr::List(l) => Expr::List(list(l)),
        Expr::And(l) => Expr::And(list(l)),
        Expr::Or(l) => Expr::Or(list(l)),
        Expr::Call(f, l) => Expr::Call(*f, list(l)),
        Expr::Member(e, step) => Expr::Member(boxed(e), step.clone()),
        Expr::Neg(e) => Expr::Neg(boxed(e)),
        Expr::Not(e) => Expr::Not(boxed(e)),
        Expr::Binary(op, a, b) => Expr::Binary(*op, boxed(a), boxed(b)),
        Expr::Quantified {
            all,
            var,
            list,
            condition,
        } => Expr::Quantified {
            all: *all,
            var: var.clone(),
            list: boxed(list),
            condition: boxed(condition),
        },
        Expr::Cohort(_) => Expr::Call(Func::Boolean, vec![Expr::Property(slot(e))]),
        Expr::Undefined | Expr::Literal(_) | Expr::Time | Expr::EventName | Expr::Var(_) => e.clone(),
    }
}

/// Names of attributed values.
struct Attributed<'a> {
    slots: BTreeMap<String, u32>,
    calendar: &'a Calendar,
}

impl Names for Attributed<'_> {
    fn event(&self, _: &str) -> Option<u32> {
        None
    }
    fn property(&self, name: &str) -> Option<u32> {
        self.slots.get(name).copied()
    }
    fn group_kind(&self, _: &str) -> Option<Kind> {
        None
    }
    fn user_column(&self, _: &str) -> Option<SharedProfile> {
        None
    }
    fn group_column(&self, _: Kind, _: &str) -> Option<SharedProfile> {
        None
    }
    fn membership(&self, _: Kind) -> Option<Arc<Membership>> {
        None
    }
    fn event_names(&self) -> Option<SharedProfile> {
        None
    }
    fn distinct_ids(&self) -> Option<SharedProfile> {
        None
    }
    fn calendar(&self) -> &Calendar {
        self.calendar
    }
}

/// Is it a property of the very subject that is counted, and not of what it did?
pub(crate) fn is_of_subject(d: &Dimension, by: Kind) -> bool {
    match d.plain().0 {
        Dimension::UserProfile(_) => true,
        // What a user's groups say: found event by event, though it is the same each time.
        Dimension::GroupProperty { via_profile: true, .. } => false,
        Dimension::GroupProperty { kind, .. } | Dimension::GroupId { kind, .. } => *kind == by,
        _ => false,
    }
}

/// Attributes values to attempts; remembers what it worked out.
#[derive(Debug)]
pub(super) struct Attributor<'a> {
    p: &'a Prepared<'a>,
    /// The attributed code of each dimension, and of each value the filter reads.
    codes: Vec<u32>,
    dimensions: usize,
    passes: HashMap<Box<[u32]>, bool>,
    /// Segments of the codes of the dimensions, as a range of `lists`.
    known: FxHashMap<[u32; MAX_DIMENSIONS], (usize, usize)>,
    lists: Vec<u32>,
    budget: Budget,
}

impl<'a> Attributor<'a> {
    pub fn new(p: &'a Prepared<'a>) -> Self {
        let plan: &Plan = p.plan;
        Attributor {
            codes: vec![0; p.places().len()],
            dimensions: plan.breakdown.len(),
            passes: HashMap::new(),
            known: FxHashMap::default(),
            lists: Vec::new(),
            budget: Budget::new(plan.memory_limit),
            p,
        }
    }

    /// Attributes the values of an attempt of a subject, or a session, for the two questions that follow.
    pub fn attribute(&mut self, counted: SubjectNo, events: &[u64], fills: &[Fill]) {
        let plan = self.p.plan;
        let subject = plan.owner(counted);
        let event = |f: &Fill| events.get(f.at as usize).copied().unwrap_or(0);
        for (code, place) in self.codes.iter_mut().zip(self.p.places()) {
            let (at, same) = match place {
                Place::Event(at, same) => (*at, *same),
                Place::Subject(column, codes) => {
                    *code = Place::of_subject(column, codes, subject);
                    continue;
                }
            };
            let of = |f: &Fill| self.p.code(event(f), at);
            let set = |c: &u32| *c != 0;
            let found = match plan.attribution {
                _ if same => fills.first().map(of),
                Attribution::First => fills.iter().map(of).find(set),
                Attribution::Last => fills.iter().rev().map(of).find(set),
                Attribution::Step(k) => fills.iter().find(|f| f.step as usize == k).map(of),
            };
            *code = found.unwrap_or(0);
        }
    }

    /// The same for a subject all of whose events carry one tuple of values.
    pub fn attribute_alike(&mut self, counted: SubjectNo, tuple: u32) {
        let subject = self.p.plan.owner(counted);
        for (code, place) in self.codes.iter_mut().zip(self.p.places()) {
            *code = match place {
                Place::Event(at, _) => self.p.code_of_tuple(tuple, *at),
                Place::Subject(column, codes) => Place::of_subject(column, codes, subject),
            };
        }
    }

    /// Does the filter take the attempt?
    pub fn passes(&mut self) -> Result<bool> {
        let Some(filter) = &self.p.plan.filter else {
            return Ok(true);
        };
        let codes = self.codes.get(self.dimensions..).unwrap_or(&[]);
        if let Some(p) = self.passes.get(codes) {
            return Ok(*p);
        }
        let passes = filter.takes(codes.iter().map(|c| self.p.value(*c)))?;
        self.budget.take(codes.len() * 4 + 64)?;
        self.passes.try_reserve(1).map_err(|_| Error::OutOfMemory("a filter"))?;
        self.passes.insert(codes.into(), passes);
        Ok(passes)
    }

    /// Counts the attempt, which no other of its subject competes with, in its segments.
    pub fn count_alone<R: Reached>(
        &mut self,
        bucket: usize,
        passes: bool,
        reached: impl ExactSizeIterator<Item = R>,
        counts: &mut Counts,
    ) -> Result<()> {
        if !passes {
            return Ok(());
        }
        let segments = self.segments(&mut counts.segments, &mut counts.budget)?;
        if let [segment] = segments
            && !counts.keeps_all()
        {
            return counts.alone(bucket, *segment, reached);
        }
        let mut record = counts.subject(bucket)?;
        record.attempt(segments, passes, reached)
    }

    /// The segments of the attempt, each once.
    pub fn segments(&mut self, segments: &mut Segments, budget: &mut Budget) -> Result<&[u32]> {
        let mut key = [0; MAX_DIMENSIONS];
        for (k, c) in key.iter_mut().zip(self.codes.iter().take(self.dimensions)) {
            *k = *c;
        }
        let (from, to) = match self.known.get(&key) {
            Some(range) => *range,
            None => {
                let from = self.lists.len();
                self.learn(key, segments, budget)?;
                let range = (from, self.lists.len());
                self.budget.take(64)?;
                self.known.try_reserve(1).map_err(|_| Error::OutOfMemory("segments"))?;
                self.known.insert(key, range);
                range
            }
        };
        Ok(self.lists.get(from..to).unwrap_or(&[]))
    }

    /// Appends the segments of values to `lists`: every combination of their texts.
    fn learn(&mut self, key: [u32; MAX_DIMENSIONS], segments: &mut Segments, budget: &mut Budget) -> Result<()> {
        let mut tuples: Vec<[u32; MAX_DIMENSIONS]> = vec![[0; MAX_DIMENSIONS]];
        for (d, code) in key.iter().enumerate().take(self.dimensions) {
            let mut texts: Vec<u32> = Vec::new();
            texts_of(self.p.value(*code), &mut |text| {
                let n = segments.text(text, budget)?;
                push_within(&mut texts, n, budget)
            })?;
            texts.sort_unstable();
            texts.dedup();
            let mut longer = Vec::new();
            for tuple in &tuples {
                for text in &texts {
                    let mut t = *tuple;
                    if let Some(place) = t.get_mut(d) {
                        *place = *text;
                    }
                    push_within(&mut longer, t, budget)?;
                }
            }
            tuples = longer;
        }
        for t in tuples {
            let n = segments.segment(t, budget)?;
            push_within(&mut self.lists, n, &mut self.budget)?;
        }
        Ok(())
    }
}
