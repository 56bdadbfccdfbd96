//! Every event name of a project in byte order: the order of simultaneous events, and what flows are made of.

use super::Project;
use crate::error::Result;
use crate::pg::spi::Sql;
use engine::stream::Ranks;

/// Events that tools send for themselves: they neither begin nor prolong a session.
const NO_ACTIVITY: [&str; 10] = [
    "$identify",
    "$create_alias",
    "$merge",
    "$hotshard_events",
    "$campaign_delivery",
    "$campaign_bounced",
    "$campaign_marked_spam",
    "$message_suppressed",
    "$unsubscribe",
    "$journey_entered",
];

/// The names of a project.
pub struct EventNames {
    pub ranks: Ranks,
    /// In byte order.
    pub names: Vec<String>,
    /// By event number: hidden in the lexicon.
    pub hidden: Vec<bool>,
}

impl EventNames {
    /// Reads them on the caller's snapshot; with `fresh`, as they are now.
    pub fn read(sql: &Sql, project: &Project, fresh: bool) -> Result<Self> {
        let text = project.sql("SELECT no::bigint, name, hidden FROM @.event_name ORDER BY name");
        let rows = if fresh {
            sql.write(&text, &[])?
        } else {
            sql.read(&text, &[])?
        };
        let mut sorted = engine::error::try_vec(rows.len(), "event names")?;
        let mut names = engine::error::try_vec(rows.len(), "event names")?;
        let mut hidden = Vec::new();
        for i in 0..rows.len() {
            let no = u32::try_from(rows.int(i, 0)?).unwrap_or(0);
            sorted.push(no);
            names.push(rows.text(i, 1)?.to_string());
            if rows.get::<bool>(i, 2) == Some(true) {
                set(&mut hidden, no);
            }
        }
        Ok(EventNames {
            ranks: Ranks::new(&sorted)?,
            names,
            hidden,
        })
    }

    /// By event number: what sessions pass over, which is what is hidden and what no user does.
    pub fn no_activity(&self) -> Vec<bool> {
        let mut out = self.hidden.clone();
        for (rank, name) in (0..).zip(&self.names) {
            if NO_ACTIVITY.contains(&name.as_str()) {
                set(&mut out, self.ranks.event(rank));
            }
        }
        out
    }

    /// The number of a name.
    pub fn number(&self, name: &str) -> Option<u32> {
        let at = self.names.binary_search_by(|n| n.as_str().cmp(name)).ok()?;
        Some(self.ranks.event(at as u32))
    }
}

/// Says yes for one event; events past the end are a no.
pub fn set(table: &mut Vec<bool>, event: u32) {
    let at = event as usize;
    if table.len() <= at {
        table.resize(at + 1, false);
    }
    if let Some(slot) = table.get_mut(at) {
        *slot = true;
    }
}
