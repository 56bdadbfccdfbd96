//! From what was found to who fulfils each condition.

use super::members::Members;
use super::partial::{Found, Partial, other_report};
use super::plan::{Plan, What};
use super::sequence::Search;
use crate::chunk::SubjectNo;
use crate::error::Result;
use crate::gather::{Budget, tag_of};
use crate::insights::Aggregate;
use crate::insights::per_subject::Add;
use crate::parallel::Workers;
use crate::subjects::SubjectSet;
use crate::tick::Tick;

/// Who fulfils each condition, in the order of the plan.
pub fn finish(plan: &Plan, partial: Partial, workers: &Workers, tick: &mut dyn Tick) -> Result<Vec<Members>> {
    if partial.found.len() != plan.counted.len() {
        return Err(other_report());
    }
    let mut budget = partial.budget;
    budget.set_limit(plan.memory_limit);
    let mut out = crate::error::try_vec(plan.counted.len(), "conditions of a cohort")?;
    for (found, counted) in partial.found.into_iter().zip(&plan.counted) {
        tick.tick()?;
        let mut members = if counted.holds_for_none() {
            Members::all(plan.most, &mut budget)?
        } else {
            Members::none(plan.most, &mut budget)?
        };
        match (found, counted.what) {
            (Found::Set(set), What::Times(is)) => {
                members = Members::none(plan.most, &mut budget)?;
                members.add(&set);
                if is.of_any() == Some(false) {
                    members.not();
                }
            }
            (Found::Times(mut times), What::Times(is)) => {
                times.each::<Add>(|no, n| members.put(no, is.holds(f64::from(n))));
            }
            (Found::Users(mut users), What::Users { times, is }) => {
                users.each(times, |group, n| {
                    members.put(group as SubjectNo, is.holds(f64::from(n)));
                    Ok(())
                })?;
            }
            (Found::Sums(v), What::Measured { aggregate, is, .. }) => {
                for (no, (sum, n)) in v.0.iter().enumerate().filter(|(_, x)| x.1 > 0) {
                    let value = match aggregate {
                        Aggregate::Average => sum.value() / *n as f64,
                        _ => sum.value(),
                    };
                    members.put(no as SubjectNo, is.holds(value));
                }
            }
            (Found::Extremes(v), What::Measured { is, .. }) => {
                for (no, x) in v.0.iter().enumerate().filter(|(_, x)| !x.is_nan()) {
                    members.put(no as SubjectNo, is.holds(*x));
                }
            }
            (Found::Medians(v), What::Measured { is, .. }) => {
                for (no, values) in v.0.iter().enumerate() {
                    if let Some(median) = values.median(is.number()) {
                        members.put(no as SubjectNo, is.holds(median));
                    }
                }
            }
            (Found::Distinct(mut d), What::Measured { is, .. }) => {
                d.each(|no, n| members.put(no, is.holds(n as f64)));
            }
            (Found::Firsts(v), What::FirstTime) => {
                for (no, t) in v.0.iter().enumerate() {
                    if *t >= counted.span.from && *t < counted.span.to {
                        members.put(no as SubjectNo, true);
                    }
                }
            }
            (Found::Steps(postings), What::Sequence) => {
                let steps = counted.selectors.len();
                let found = postings.walk(
                    workers,
                    |event| tag_of(event) >> (steps - 1) & 1 == 1,
                    plan.memory_limit,
                    tick,
                    || Ok((Search::default(), SubjectSet::default(), Budget::new(plan.memory_limit))),
                    |(search, set, budget), no, events| match search.completes(events, steps)? {
                        true => set.add(no, budget),
                        false => Ok(()),
                    },
                )?;
                found.iter().for_each(|(_, set, _)| members.add(set));
            }
            _ => return Err(other_report()),
        }
        out.push(members);
    }
    Ok(out)
}
