//! Metrics of profiles. They are those of today: each counts as an event of its subject in the last interval, and what the
//! last interval has, all have.

use super::{Kernel, Plan};
use crate::breakdown::Dimension;
use crate::chunk::{Chunk, Column, Hits, PropertyColumn, SharedProfile, SubjectNo};
use crate::error::{Error, Result, try_vec};
use crate::expr::Selector;
use crate::mask::Mask;
use crate::subject_rows;
use crate::tick::Tick;

/// Under this number a measure of profiles finds its property.
pub const PROFILE_PROPERTY: u32 = u32::MAX;

/// Subjects counted together.
const BLOCK: usize = 1 << 16;

/// What a metric of profiles counts.
#[derive(Debug, Clone)]
pub struct Profiles {
    /// The subjects that have a profile, none of them merged into another.
    pub who: Vec<SubjectNo>,
    /// Picks some of them, as if each had an event.
    pub selector: Selector,
    /// The property that is measured.
    pub property: Option<SharedProfile>,
}

/// Refuses to break profiles down by what only events have.
pub(super) fn check(breakdown: &[Dimension]) -> Result<()> {
    let of_events = |d: &Dimension| {
        let d = d.plain().0;
        matches!(
            d,
            Dimension::EventProperty(_) | Dimension::Lookup { .. } | Dimension::Time(_) | Dimension::UsersWhoDid(_)
        )
    };
    if breakdown.iter().any(of_events) {
        return Err(Error::param_hint(
            "a metric of profiles can not be broken down by what events have",
            "Break it down by \"user.<property>\", \"group.<key>\", \"group.<key>.<property>\" or \"cohort.<name>\".",
        ));
    }
    Ok(())
}

impl Kernel<'_> {
    /// Counts profiles for a metric.
    pub fn push_profiles(&mut self, metric: usize, profiles: &Profiles, tick: &mut dyn Tick) -> Result<()> {
        let plan: &Plan = self.plan;
        let Some(by) = plan.metrics.get(metric).map(|m| m.by) else {
            return Err(Error::corrupt("insights: no such metric"));
        };
        let at = plan.time.buckets.starts.last().copied().unwrap_or(0);
        let at = at.max(plan.time.buckets.range.from);
        let column = profiles.property.as_ref();
        let mut values = try_vec(column.map_or(0, |p| p.values.len()), "a property of profiles")?;
        values.extend(column.iter().flat_map(|p| p.values.iter().cloned()));
        for who in profiles.who.chunks(BLOCK) {
            let mut chunk = subject_rows::chunk(by, who.iter().copied(), at)?;
            if let Some(property) = &profiles.property {
                let mut codes = try_vec(who.len(), "a property of profiles")?;
                codes.extend(who.iter().map(|no| property.code(*no)));
                chunk.properties.push(PropertyColumn {
                    property: PROFILE_PROPERTY,
                    column: Column::Dict { values, codes },
                });
            }
            self.push(&chunk, &picked(plan, metric, profiles, &chunk, tick)?, tick)?;
            values = match chunk.properties.pop().map(|p| p.column) {
                Some(Column::Dict { values, .. }) => values,
                _ => Vec::new(),
            };
        }
        Ok(())
    }
}

/// The rows that the metric counts; the others count none.
fn picked(plan: &Plan, metric: usize, profiles: &Profiles, chunk: &Chunk, tick: &mut dyn Tick) -> Result<Vec<Hits>> {
    let mut hits = try_vec(plan.metrics.len(), "metrics")?;
    for (i, m) in plan.metrics.iter().enumerate() {
        hits.push(if i == metric {
            profiles.selector.hits(chunk, &Mask::all(chunk.len()), m.by, tick)?
        } else {
            Hits::rows(Mask::none(chunk.len()))
        });
    }
    Ok(hits)
}
