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
    /// The same as reports show them: merged events in the place of the one they are merged into.
    pub shown: Option<Ranks>,
    /// In byte order.
    pub names: Vec<String>,
    /// By event number: hidden in the lexicon.
    pub hidden: Vec<bool>,
    /// Events, and those they are merged into.
    into: Vec<(u32, u32)>,
}

impl EventNames {
    /// Reads them on the caller's snapshot; with `fresh`, as they are now.
    pub fn read(sql: &Sql, project: &Project, fresh: bool) -> Result<Self> {
        let text = project.sql(
            "SELECT e.no::bigint, e.name, coalesce(c.hidden, e.hidden), c.no::bigint
             FROM @.event_name e LEFT JOIN @.event_name c ON c.no = e.merged_into ORDER BY e.name",
        );
        let rows = if fresh {
            sql.write(&text, &[])?
        } else {
            sql.read(&text, &[])?
        };
        let mut sorted = engine::error::try_vec(rows.len(), "event names")?;
        let mut names = engine::error::try_vec(rows.len(), "event names")?;
        let (mut hidden, mut into) = (Vec::new(), Vec::new());
        for i in 0..rows.len() {
            let no = u32::try_from(rows.int(i, 0)?).unwrap_or(0);
            sorted.push(no);
            names.push(rows.text(i, 1)?.to_string());
            if rows.get::<bool>(i, 2) == Some(true) {
                set(&mut hidden, no);
            }
            if let Some(target) = rows.get::<i64>(i, 3) {
                into.push((no, u32::try_from(target).unwrap_or(0)));
            }
        }
        let ranks = Ranks::new(&sorted)?;
        let shown = match into.is_empty() {
            true => None,
            false => Some(ranks.merged(&into)?),
        };
        Ok(EventNames {
            ranks,
            shown,
            names,
            hidden,
            into,
        })
    }

    /// Is any event merged into another? Then what is stored in the order of names is not in the order that is shown.
    pub fn is_merged(&self) -> bool {
        self.shown.is_some()
    }

    /// Where events stand among the names that are shown.
    pub fn shown(&self) -> &Ranks {
        self.shown.as_ref().unwrap_or(&self.ranks)
    }

    /// All events that a name stands for.
    pub fn numbers(&self, name: &str) -> Vec<u32> {
        let Some(no) = self.number(name) else {
            return Vec::new();
        };
        let others = self.into.iter().filter(|(_, target)| *target == no).map(|(e, _)| *e);
        std::iter::once(no).chain(others).collect()
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

    /// The number of a name; of a merged event that of the one it is merged into.
    pub fn number(&self, name: &str) -> Option<u32> {
        let at = self.names.binary_search_by(|n| n.as_str().cmp(name)).ok()?;
        let no = self.ranks.event(at as u32);
        let target = self.into.iter().find(|(e, _)| *e == no);
        Some(target.map_or(no, |(_, target)| *target))
    }
}

/// What selectors have to know of the lexicon.
#[derive(Debug, Default)]
pub struct Governed {
    /// Events, and those they are merged into.
    into: Vec<(u32, u32)>,
    /// What any event is, when something is hidden.
    pub visible: Option<Vec<u32>>,
    /// Properties, and those they are merged into, in order of their numbers.
    properties: Vec<(u32, u32)>,
}

impl Governed {
    /// Reads it on the caller's snapshot.
    pub fn read(sql: &Sql, project: &Project) -> Result<Self> {
        let rows = sql.read(
            &project.sql(
                "SELECT no::bigint, hidden, merged_into::bigint, true FROM @.event_name WHERE hidden OR merged_into IS NOT NULL
                 UNION ALL SELECT no::bigint, false, merged_into::bigint, false FROM @.property WHERE merged_into IS NOT NULL
                 ORDER BY 1",
            ),
            &[],
        )?;
        let mut governed = Governed::default();
        let mut hides = false;
        for i in 0..rows.len() {
            hides |= rows.get::<bool>(i, 1) == Some(true);
            if let Some(target) = rows.get::<i64>(i, 2) {
                let number = |n: i64| u32::try_from(n).unwrap_or(0);
                let of_events = rows.get::<bool>(i, 3) == Some(true);
                let into = if of_events {
                    &mut governed.into
                } else {
                    &mut governed.properties
                };
                into.push((number(rows.int(i, 0)?), number(target)));
            }
        }
        if hides {
            let rows = sql.read(
                &project.sql(
                    "SELECT e.no::bigint FROM @.event_name e LEFT JOIN @.event_name c ON c.no = e.merged_into
                     WHERE NOT coalesce(c.hidden, e.hidden) ORDER BY 1",
                ),
                &[],
            )?;
            let visible = (0..rows.len()).map(|i| Ok(u32::try_from(rows.int(i, 0)?).unwrap_or(0)));
            governed.visible = Some(visible.collect::<Result<_>>()?);
        }
        Ok(governed)
    }

    /// All properties that are one with a property, the one that they are merged into first; `None` when it is alone.
    pub fn one(&self, property: u32) -> Option<Vec<u32>> {
        let target = self
            .properties
            .iter()
            .find(|(p, _)| *p == property)
            .map_or(property, |(_, t)| *t);
        let others = self.properties.iter().filter(|(_, t)| *t == target).map(|(p, _)| *p);
        let all: Vec<u32> = std::iter::once(target).chain(others).collect();
        (all.len() > 1).then_some(all)
    }

    /// All events that are one with an event.
    pub fn all(&self, event: u32) -> Vec<u32> {
        let target = self.into.iter().find(|(e, _)| *e == event).map_or(event, |(_, t)| *t);
        let others = self.into.iter().filter(|(_, t)| *t == target).map(|(e, _)| *e);
        std::iter::once(target).chain(others).collect()
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
