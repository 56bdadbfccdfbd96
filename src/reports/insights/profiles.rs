//! Metrics of profiles: who has one, and the property that is measured.

use super::Report;
use super::metrics::{MeasureSpec, MetricSpec};
use crate::error::Result;
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::Arg;
use engine::chunk::{Kind, SubjectNo, USER};
use engine::expr::Selector;
use engine::insights::Profiles;
use engine::tick::{EVERY, Tick};

impl Report<'_> {
    /// What picks the events of a metric: none for one of profiles.
    pub fn selector(&self, spec: &MetricSpec) -> Result<Selector> {
        if spec.profiles {
            return Ok(Selector {
                alternatives: Vec::new(),
            });
        }
        self.context.bind(&spec.selector, spec.by, self.filter.as_ref())
    }

    /// What the metrics of profiles count, by their place among all.
    pub fn profiles(&mut self, specs: &[MetricSpec]) -> Result<Vec<(usize, Profiles)>> {
        let mut all = Vec::new();
        for (i, spec) in specs.iter().enumerate().filter(|(_, s)| s.profiles) {
            let property = match &spec.measure {
                MeasureSpec::OfProfiles(p, _) if spec.by == USER => Some(self.context.load_user(p)?),
                MeasureSpec::OfProfiles(p, _) => Some(self.context.load_group(spec.by, p)?),
                _ => None,
            };
            let profiles = Profiles {
                who: self.who_has_one(spec.by)?,
                selector: self
                    .context
                    .bind(&spec.selector, spec.by, self.filter.as_ref())?
                    .of_every_event(),
                property,
            };
            all.push((i, profiles));
        }
        Ok(all)
    }

    /// The users, or groups of a key, that have a profile. One who was merged into another is that other.
    fn who_has_one(&self, kind: Kind) -> Result<Vec<SubjectNo>> {
        let rows = if kind == USER {
            self.sql
                .read(&self.project.sql("SELECT no FROM @.user_profile ORDER BY no"), &[])?
        } else {
            self.sql.read(
                &self
                    .project
                    .sql("SELECT no FROM @.group_profile WHERE kind = $1 ORDER BY no"),
                &[Arg::Int2(kind as i16)],
            )?
        };
        let remap = self.remap.as_deref().filter(|_| kind == USER);
        let merged = |no: SubjectNo| remap.and_then(|r| r.get(no as usize)).is_some_and(|to| *to != no);
        let mut who = engine::error::try_vec(rows.len(), "profiles")?;
        for i in 0..rows.len() {
            if i % EVERY == 0 {
                Interrupts.tick()?;
            }
            let no = u32::try_from(rows.int(i, 0)?).unwrap_or(0);
            if no != 0 && !merged(no) {
                who.push(no);
            }
        }
        Ok(who)
    }
}
