//! Groups by how many of their users did something: as a breakdown, and as a condition on what a metric counts.

use super::metrics::MetricSpec;
use super::{Report, need};
use crate::error::Result;
use crate::pg::interrupts::Interrupts;
use crate::settings;
use crate::store::scan;
use engine::chunk::{Chunk, Hits, Kind};
use engine::cohort::Compare;
use engine::expr::SelectorSpec;
use engine::insights::{UsersWhoDid, UsersWhoDidTable};
use engine::tick::Tick;
use engine::time::Buckets;

/// The groups that a metric counts.
pub struct Groups {
    users: UsersWhoDidTable,
    is: Compare,
}

impl Groups {
    /// Keeps what they have of what was picked.
    pub fn keep(
        &self,
        buckets: &Buckets,
        chunk: &Chunk,
        hits: &mut Hits,
        tick: &mut dyn Tick,
    ) -> Result<(), engine::error::Error> {
        self.users.keep(self.is, buckets, chunk, hits, tick)
    }
}

impl Report<'_> {
    /// How many users of each group did something in each interval, so many times each: a pass over the store of its own.
    pub fn users_who_did(&self, selector: &SelectorSpec, times: u32, by: Kind) -> Result<UsersWhoDidTable> {
        let bound = self.context.bind(selector, by, None)?;
        let mut kernel = UsersWhoDid::new(
            by,
            times,
            &self.time.buckets,
            self.remap.as_deref(),
            settings::query_memory(),
        )?;
        let need = need([&bound].into_iter(), [by], &[]);
        scan::scan(
            self.sql,
            self.project,
            &need,
            self.time.buckets.range,
            &mut |chunk, keep| {
                let hits = bound.hits(chunk, keep, by, &mut Interrupts)?;
                Ok(kernel.push(chunk, &hits, &mut Interrupts)?)
            },
        )?;
        Ok(kernel.finish()?)
    }

    /// The groups of a metric, when it does not count all.
    pub fn groups(&self, spec: &MetricSpec) -> Result<Option<Groups>> {
        let Some(g) = &spec.groups else { return Ok(None) };
        let users = self.users_who_did(&g.selector, g.times, spec.by)?;
        Ok(Some(Groups { users, is: g.is }))
    }
}
