//! What is joined to events and profiles: lookup tables, `lookup.property.column`, and what properties of groups were when
//! events happened, `group.key.property@event`.

use super::{Context, LOOKUP};
use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::store::{history, lookup as table};
use engine::breakdown::Dimension;
use engine::chunk::{Kind, SharedProfile};
use engine::expr::LookedUp;
use std::sync::Arc;

impl Context<'_> {
    /// The number of an event property, or of what one stands for in a lookup table: `lookup.property.column`.
    pub fn load_named(&mut self, name: &str) -> Result<u32> {
        let Some(rest) = name.strip_prefix(LOOKUP) else {
            return self.load_property(name);
        };
        let (property, column) = self.split_lookup(rest)?;
        match self.load_lookup(&property, &column)? {
            LookedUp::Event(no) => Ok(no),
            LookedUp::User(_) | LookedUp::Group(..) => Err(Failure::param(
                format!("\"{property}\" is a property of profiles, and one of events is asked for"),
                "Map a property of events: SELECT analytics_groups.map_lookup('property', 'table').",
            )),
        }
    }

    /// The number of a property of groups as it was when events happened.
    pub fn load_history(&mut self, kind: Kind, property: &str) -> Result<u32> {
        let key = (kind, property.to_string());
        if let Some(no) = self.histories.get(&key) {
            return Ok(*no);
        }
        let history = history::read(self.sql, self.project, kind, property)?;
        let no = self.project.lookups.borrow_mut().add_history(Arc::new(history))?;
        self.histories.insert(key, no);
        Ok(no)
    }

    /// The property and the column of a name. Both may contain dots: what is mapped decides where the property ends.
    fn split_lookup(&self, name: &str) -> Result<(String, String)> {
        let mapped = table::mapped(self.sql, self.project)?;
        let split = |p: &String| Some((p.clone(), name.strip_prefix(p.as_str())?.strip_prefix('.')?.to_string()));
        match mapped.iter().filter_map(split).max_by_key(|(p, _)| p.len()) {
            Some(found) => Ok(found),
            None => {
                let property = name.rsplit_once('.').map_or(name, |(p, _)| p);
                Err(table::not_mapped(self.sql, self.project, property)?)
            }
        }
    }

    /// What a property stands for in its lookup table.
    pub fn load_lookup(&mut self, property: &str, column: &str) -> Result<LookedUp> {
        let key = (property.to_string(), column.to_string());
        if let Some(known) = self.lookups.get(&key) {
            return Ok(known.clone());
        }
        let lookup = table::read(self.sql, self.project, property, column)?;
        let joined =
            |profile: SharedProfile| Ok::<_, Failure>(Arc::new(lookup.join_profile(&profile, &mut Interrupts)?));
        let found = if let Some(name) = property.strip_prefix("user.") {
            LookedUp::User(joined(self.load_user(name)?)?)
        } else if let Some((key, name)) = property.strip_prefix("group.").and_then(|p| self.project.split_key(p)) {
            let kind = key.kind;
            self.load_membership(kind)?;
            LookedUp::Group(kind, joined(self.load_group(kind, name)?)?)
        } else {
            let of = self.load_property(property)?;
            LookedUp::Event(self.project.lookups.borrow_mut().add(of, lookup)?)
        };
        self.lookups.insert(key, found.clone());
        Ok(found)
    }

    /// A breakdown by what a property stands for in its lookup table.
    pub fn lookup_dimension(&mut self, name: &str) -> Result<Dimension> {
        let (property, column) = self.split_lookup(name)?;
        Ok(match self.load_lookup(&property, &column)? {
            LookedUp::Event(no) => {
                let joined = self.project.lookups.borrow().get(no);
                let (of, lookup) = joined.ok_or_else(|| Failure::internal("a lookup table was not kept"))?;
                Dimension::Lookup {
                    property: no,
                    of,
                    lookup,
                }
            }
            LookedUp::User(column) => Dimension::UserProfile(column),
            LookedUp::Group(kind, column) => Dimension::GroupProperty {
                kind,
                column,
                membership: self.load_membership(kind)?,
                via_profile: false,
            },
        })
    }
}
