//! Counting the subjects that a cascade has decided.

use super::attribute::Attributor;
use super::cascade::{AT_ONCE, Cascade};
use super::counts::Counts;
use super::prepared::Prepared;
use super::table::Table;
use crate::error::Result;
use crate::gather::Budget;
use crate::parallel::{PerThread, Workers, merge};
use crate::postings::Postings;
use crate::tick::Tick;

/// Counts the attempts of all who are decided; the others are left to [`super::count_on`].
pub fn count_decided(cascade: &Cascade, workers: &Workers, tick: &mut dyn Tick) -> Result<Counts> {
    let plan = cascade.stages.plan;
    let mut budget = Budget::new(plan.memory_limit);
    let (table, tuples) = match cascade.take_alike() {
        Some(alike) => alike.into_parts(),
        None => (
            Table::new(plan.carried().len(), plan.selectors(), &mut budget)?,
            Vec::new(),
        ),
    };
    let prepared = Prepared::new(plan, table, &mut Postings::default(), &mut budget)?;
    let attributes = !plan.breakdown.is_empty() || plan.filter.is_some();
    let make = || {
        let attributor = attributes.then(|| Attributor::new(&prepared));
        Ok((Counts::new(plan)?, attributor, Vec::new()))
    };
    let states = PerThread::new(workers);
    let subjects = cascade.subjects();
    workers.each(subjects.div_ceil(AT_ONCE), subjects, tick, &|thread, item, _| {
        states.with(thread, make, |(counts, attributor, reached)| {
            for (no, cells) in cascade.part(item) {
                if !cascade.stages.reached(cells, reached)? {
                    continue;
                }
                let times = reached.iter().copied();
                let Some(attributor) = attributor else {
                    counts.attempt(0, times)?;
                    continue;
                };
                let tuple = tuples.get(no as usize).map_or(0, |n| n.saturating_sub(1));
                attributor.attribute_alike(no, tuple);
                let passes = attributor.passes()?;
                if plan.breakdown.is_empty() {
                    if passes {
                        counts.attempt(0, times)?;
                    }
                    continue;
                }
                attributor.count_alone(0, passes, times, counts)?;
            }
            Ok(())
        })
    })?;
    let states = states.into_states().map(|(counts, _, _)| counts);
    merge(states.chain([Counts::new(plan)?]), |mut a, b| {
        a.merge(b)?;
        Ok(a)
    })
}
