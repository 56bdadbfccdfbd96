//! What was found for the conditions of a cohort in some chunks: merges in any order, and goes to other processes as bytes.

use super::around::Around;
use super::distinct::Distinct;
use super::plan::{Plan, What};
use crate::chunk::{Kind, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::gather::{Budget, grow_within};
use crate::insights::Aggregate;
use crate::insights::exact_sum::ExactSum;
use crate::insights::group_users::GroupUsers;
use crate::insights::per_subject::{Add, PerSubject};
use crate::partial::{Reader, Tag, Writer};
use crate::postings::Postings;
use crate::subjects::SubjectSet;

/// A value per subject; `none` stands for no value.
#[derive(Debug, Clone)]
pub(super) struct Dense<T>(pub Vec<T>);

impl<T: Clone> Dense<T> {
    #[inline]
    pub fn at(&mut self, no: SubjectNo, none: &T, budget: &mut Budget) -> Result<&mut T> {
        if no as usize >= self.0.len() {
            let more = (no as usize + 1 - self.0.len()).max(self.0.len() / 4);
            if self.0.capacity() < self.0.len() + more {
                grow_within(&mut self.0, more, budget)?;
            }
            self.0.resize(self.0.len() + more, none.clone());
        }
        self.0
            .get_mut(no as usize)
            .ok_or_else(|| Error::corrupt("cohort: no room for a subject"))
    }
}

/// What was found for one condition.
#[derive(Debug, Clone)]
pub(super) enum Found {
    Set(SubjectSet),
    Times(PerSubject),
    Users(GroupUsers),
    /// Sum and number of the values.
    Sums(Dense<(ExactSum, u64)>),
    /// Least or largest value, NaN for none.
    Extremes(Dense<f64>),
    /// Values around the number that the median is compared with.
    Medians(Dense<Around>),
    Distinct(Distinct),
    /// First time, `i64::MAX` for none.
    Firsts(Dense<i64>),
    Steps(Postings),
}

impl Found {
    fn new(what: What, most: SubjectNo, by: Kind, budget: &mut Budget) -> Result<Found> {
        Ok(match what {
            What::Times(is) if is.of_any().is_some() => Found::Set(SubjectSet::default()),
            What::Times(_) => Found::Times(PerSubject::default()),
            What::Users { .. } => Found::Users(GroupUsers::default()),
            What::Measured { aggregate, .. } => match aggregate {
                Aggregate::Min | Aggregate::Max => Found::Extremes(Dense(Vec::new())),
                Aggregate::Percentile(_) => Found::Medians(Dense(Vec::new())),
                Aggregate::Distinct => Found::Distinct(Distinct::default()),
                _ => Found::Sums(Dense(Vec::new())),
            },
            What::FirstTime => Found::Firsts(Dense(Vec::new())),
            What::Sequence => Found::Steps(Postings::for_subjects(most, by == USER, budget)?),
        })
    }
}

/// No value yet.
pub(super) fn nothing() -> (ExactSum, u64) {
    (ExactSum::default(), 0)
}

/// The lesser or the larger of two numbers, of which the first may be missing.
pub(super) fn extreme(aggregate: Aggregate, a: f64, b: f64) -> f64 {
    let keep = if aggregate == Aggregate::Min { a <= b } else { a >= b };
    if keep { a } else { b }
}

/// What was found in some chunks.
#[derive(Debug, Clone)]
pub struct Partial {
    pub(super) found: Vec<Found>,
    pub(super) budget: Budget,
}

pub(super) fn other_report() -> Error {
    Error::corrupt("partial: of another report")
}

impl Partial {
    pub(super) fn new(plan: &Plan) -> Result<Self> {
        let mut budget = Budget::new(plan.memory_limit);
        let found = plan
            .counted
            .iter()
            .map(|c| Found::new(c.what, plan.most, plan.by, &mut budget));
        Ok(Partial {
            found: found.collect::<Result<_>>()?,
            budget,
        })
    }

    /// Memory in use.
    pub fn bytes(&self) -> usize {
        self.budget.used()
    }

    /// Both together, of the same plan.
    pub fn merge(self, other: Partial, plan: &Plan) -> Result<Partial> {
        let (mut into, from) = if self.bytes() >= other.bytes() {
            (self, other)
        } else {
            (other, self)
        };
        if into.found.len() != from.found.len() || into.found.len() != plan.counted.len() {
            return Err(other_report());
        }
        let budget = &mut into.budget;
        budget.set_limit(plan.memory_limit);
        for ((a, b), counted) in into.found.iter_mut().zip(from.found).zip(&plan.counted) {
            match (a, b) {
                (Found::Set(a), Found::Set(b)) => a.union(&b, budget)?,
                (Found::Times(a), Found::Times(b)) => a.merge::<Add>(&b, budget)?,
                (Found::Users(a), Found::Users(b)) => a.merge(&b, budget)?,
                (Found::Sums(a), Found::Sums(b)) => {
                    for (no, (sum, n)) in b.0.iter().enumerate().filter(|(_, x)| x.1 > 0) {
                        let ours = a.at(no as SubjectNo, &nothing(), budget)?;
                        ours.0.merge(sum, budget)?;
                        ours.1 += n;
                    }
                }
                (Found::Extremes(a), Found::Extremes(b)) => {
                    let What::Measured { aggregate, .. } = counted.what else {
                        return Err(other_report());
                    };
                    for (no, x) in b.0.iter().enumerate().filter(|(_, x)| !x.is_nan()) {
                        let ours = a.at(no as SubjectNo, &f64::NAN, budget)?;
                        *ours = extreme(aggregate, *ours, *x);
                    }
                }
                (Found::Medians(a), Found::Medians(b)) => {
                    for (no, values) in b.0.iter().enumerate().filter(|(_, v)| v.len() > 0) {
                        a.at(no as SubjectNo, &Around::default(), budget)?.merge(values);
                    }
                }
                (Found::Distinct(a), Found::Distinct(b)) => a.merge(b, budget)?,
                (Found::Firsts(a), Found::Firsts(b)) => {
                    for (no, t) in b.0.iter().enumerate().filter(|(_, t)| **t != i64::MAX) {
                        let ours = a.at(no as SubjectNo, &i64::MAX, budget)?;
                        *ours = (*ours).min(*t);
                    }
                }
                (Found::Steps(a), Found::Steps(b)) => a.append(b, budget)?,
                _ => return Err(other_report()),
            }
        }
        Ok(into)
    }

    /// Bytes for another process.
    pub fn encode(&mut self) -> Result<Vec<u8>> {
        let mut w = Writer::new(Tag::Cohort, self.bytes())?;
        w.len(self.found.len())?;
        for found in &mut self.found {
            match found {
                Found::Set(s) => s.encode(&mut w)?,
                Found::Times(n) => n.encode::<Add>(&mut w)?,
                Found::Users(u) => u.encode(&mut w)?,
                Found::Sums(v) => {
                    w.len(v.0.iter().filter(|x| x.1 > 0).count())?;
                    for (no, (sum, n)) in v.0.iter().enumerate().filter(|(_, x)| x.1 > 0) {
                        w.u32(no as u32)?;
                        w.u64(*n)?;
                        sum.encode(&mut w)?;
                    }
                }
                Found::Extremes(v) => {
                    w.len(v.0.len())?;
                    v.0.iter().try_for_each(|x| w.u64(x.to_bits()))?;
                }
                Found::Medians(v) => {
                    w.len(v.0.iter().filter(|v| v.len() > 0).count())?;
                    for (no, values) in v.0.iter().enumerate().filter(|(_, v)| v.len() > 0) {
                        w.u32(no as u32)?;
                        values.encode(&mut w)?;
                    }
                }
                Found::Distinct(d) => d.encode(&mut w)?,
                Found::Firsts(v) => {
                    w.len(v.0.len())?;
                    v.0.iter().try_for_each(|t| w.u64(*t as u64))?;
                }
                Found::Steps(p) => p.encode(&mut w)?,
            }
        }
        w.finish()
    }

    /// Reads what `encode` wrote for the same plan.
    pub fn decode(bytes: &[u8], plan: &Plan) -> Result<Partial> {
        let mut r = Reader::new(Tag::Cohort, bytes)?;
        let mut p = Partial::new(plan)?;
        if r.len(1)? != p.found.len() {
            return Err(other_report());
        }
        let budget = &mut p.budget;
        for (found, counted) in p.found.iter_mut().zip(&plan.counted) {
            match found {
                Found::Set(s) => *s = SubjectSet::decode(&mut r, budget)?,
                Found::Times(n) => *n = PerSubject::decode(&mut r, budget)?,
                Found::Users(u) => u.decode(&mut r, |cell| cell <= u64::from(u32::MAX), budget)?,
                Found::Sums(v) => {
                    for _ in 0..r.len(12)? {
                        let (no, n) = (r.u32()?, r.u64()?);
                        let sum = ExactSum::decode(&mut r, budget)?;
                        *v.at(no, &nothing(), budget)? = (sum, n);
                    }
                }
                Found::Extremes(v) => {
                    for bits in r.u64s()? {
                        let no = v.0.len() as SubjectNo;
                        *v.at(no, &f64::NAN, budget)? = f64::from_bits(bits);
                        v.0.truncate(no as usize + 1);
                    }
                }
                Found::Medians(v) => {
                    for _ in 0..r.len(4 + Around::WRITTEN)? {
                        let no = r.u32()?;
                        *v.at(no, &Around::default(), budget)? = Around::decode(&mut r)?;
                    }
                }
                Found::Distinct(d) => *d = Distinct::decode(&mut r, budget)?,
                Found::Firsts(v) => {
                    for t in r.u64s()? {
                        let no = v.0.len() as SubjectNo;
                        *v.at(no, &i64::MAX, budget)? = t as i64;
                        v.0.truncate(no as usize + 1);
                    }
                }
                Found::Steps(p) => {
                    let steps = counted.selectors.len();
                    *p = Postings::decode(&mut r, budget, |tag| tag != 0 && tag >> steps == 0)?;
                }
            }
        }
        r.finish()?;
        Ok(p)
    }
}
