//! What a report knows of the project's names: filled from its references before anything is bound, so that binding and
//! counting need no SQL.

mod first_times;
mod lookups;
mod profiles;

use super::cohort;
use crate::error::{Failure, Result};
use crate::pg::interrupts::{self};
use crate::pg::spi::{Arg, Sql};
use crate::registry::Project;
use crate::registry::event_names::Governed;
use crate::registry::lexicon::{self, Space};
use crate::store::identity::{self, Remap};
use engine::breakdown::{Dimension, EMPTY, NOT_SET, OTHER};
use engine::chunk::{Kind, Membership, SharedProfile, SubjectNo, USER};
use engine::cohort::Members;
use engine::expr::{CohortColumn, LookedUp, Names, References, SelectorSpec};
use engine::time::Calendar;
use engine::value::Value;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The id of the subject itself, as a property of its profile.
pub const GROUP_ID: &str = "$group_id";
/// The same for users.
pub const DISTINCT_ID: &str = "$distinct_id";
/// Before the names of what properties stand for in lookup tables.
pub const LOOKUP: &str = "lookup.";
/// Behind the name of a property of groups: as it was when the event happened.
pub const AT_EVENT: &str = "@event";

/// What breakdowns do without until it is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct OnDemand {
    /// The groups in the users' profile lists: a pass over all profiles, for events without a group alone.
    pub memberships: bool,
    /// The ids of subjects: of all, where few are shown.
    pub ids: bool,
}

/// Names of one project, as far as a report needs them.
pub struct Context<'a> {
    sql: &'a Sql,
    project: &'a Project,
    events: HashMap<String, u32>,
    properties: HashMap<String, u32>,
    users: BTreeMap<String, SharedProfile>,
    groups: BTreeMap<(Kind, String), SharedProfile>,
    memberships: BTreeMap<Kind, Arc<Membership>>,
    event_names: Option<SharedProfile>,
    distinct_ids: Option<SharedProfile>,
    cohorts: BTreeMap<String, Cohort>,
    /// By property and column.
    lookups: BTreeMap<(String, String), LookedUp>,
    /// Numbers of properties that are one, by the one that they are merged into.
    merged: HashMap<u32, u32>,
    /// Numbers of properties of groups as they were.
    histories: BTreeMap<(Kind, String), u32>,
    inside: Inside,
    governed: Governed,
    remap: OnceCell<Remap>,
    pub on_demand: OnDemand,
}

/// A cohort whose members were found.
pub struct Cohort {
    pub kind: Kind,
    pub members: Members,
    /// There may be numbers among the members of whom nothing is known.
    pub open: bool,
    of: String,
    remap: Remap,
    column: SharedProfile,
}

/// Where members of cohorts are looked for: as of which day, and inside of which other cohorts.
#[derive(Debug, Clone)]
pub struct Inside {
    day: Option<i32>,
    today: i32,
    names: Vec<String>,
}

impl Inside {
    /// As of now.
    pub fn now(project: &Project) -> Result<Self> {
        let today = project.calendar.day_of(crate::ingest::now_ms())?;
        Ok(Inside {
            day: None,
            today,
            names: Vec::new(),
        })
    }

    /// As of the end of a day; of today when that lies in the future.
    pub fn until(self, day: i32) -> Self {
        Inside { day: Some(day), ..self }
    }

    /// The same inside of one more cohort.
    pub fn enter(&self, name: &str) -> Result<Self> {
        if self.names.iter().any(|n| n == name) {
            return Err(Failure::param(
                format!("cohort \"{name}\" depends on itself"),
                "Define one of the cohorts it is made of anew.",
            ));
        }
        let mut inside = self.clone();
        inside.names.push(name.to_string());
        Ok(inside)
    }

    /// The last day whose events count.
    pub fn day(&self) -> i32 {
        self.day.map_or(self.today, |d| d.min(self.today))
    }
}

impl<'a> Context<'a> {
    /// Looks up everything that `references` and the selectors name.
    pub fn new(sql: &'a Sql, project: &'a Project, specs: &[&SelectorSpec], references: References) -> Result<Self> {
        Context::inside(sql, project, specs, references, Inside::now(project)?)
    }

    /// The same for what finds the members of a cohort.
    pub fn inside(
        sql: &'a Sql,
        project: &'a Project,
        specs: &[&SelectorSpec],
        mut references: References,
        inside: Inside,
    ) -> Result<Self> {
        let mut c = Context {
            sql,
            project,
            events: HashMap::new(),
            properties: HashMap::new(),
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            memberships: BTreeMap::new(),
            event_names: None,
            distinct_ids: None,
            cohorts: BTreeMap::new(),
            lookups: BTreeMap::new(),
            merged: HashMap::new(),
            histories: BTreeMap::new(),
            inside,
            governed: Governed::read(sql, project)?,
            remap: OnceCell::new(),
            on_demand: OnDemand::default(),
        };
        let mut names = BTreeSet::new();
        for spec in specs {
            references.merge(spec.references());
            names.extend(spec.event_names());
        }
        c.find(Space::Event, names)?;
        c.add(&references)?;
        Ok(c)
    }

    /// The same with events and their properties as they were sent: none is hidden or merged.
    pub fn ungoverned(mut self) -> Result<Self> {
        self.governed = Governed::default();
        let names: Vec<String> = std::mem::take(&mut self.properties).into_keys().collect();
        self.find(Space::Property, names.iter().map(String::as_str))?;
        Ok(self)
    }

    fn find<'n>(&mut self, space: Space, names: impl IntoIterator<Item = &'n str>) -> Result<()> {
        let names: Vec<&str> = names.into_iter().collect();
        if names.is_empty() {
            return Ok(());
        }
        for (name, no) in lexicon::find(self.sql, self.project, space, &names)? {
            if space == Space::Event {
                self.events.insert(name.to_string(), no);
            } else {
                let no = self.one(no)?;
                self.properties.insert(name.to_string(), no);
            }
        }
        Ok(())
    }

    /// The number under which a property is read: that of its own column, or of the one that it shares with others.
    fn one(&mut self, property: u32) -> Result<u32> {
        let Some(all) = self.governed.one(property) else {
            return Ok(property);
        };
        let target = all.first().copied().unwrap_or(property);
        if let Some(no) = self.merged.get(&target) {
            return Ok(*no);
        }
        let no = self.project.lookups.borrow_mut().add_merged(all)?;
        self.merged.insert(target, no);
        Ok(no)
    }

    fn add(&mut self, references: &References) -> Result<()> {
        self.find(Space::Property, references.properties.iter().map(String::as_str))?;
        for p in &references.properties {
            self.load_property(p)?;
        }
        for p in &references.user {
            self.load_user(p)?;
        }
        for (key, p) in &references.group {
            let Some(kind) = self.project.key(key).map(|k| k.kind) else {
                continue;
            };
            match p.strip_suffix(AT_EVENT) {
                Some(p) => drop(self.load_history(kind, p)?),
                None => {
                    self.load_group(kind, p)?;
                    self.load_membership(kind)?;
                }
            }
        }
        for (property, column) in &references.lookups {
            self.load_lookup(property, column)?;
        }
        for name in &references.cohorts {
            self.load_cohort(name)?;
        }
        if references.event_name {
            self.event_names = Some(self.names_of_events()?);
        }
        if references.distinct_id {
            self.distinct_ids = Some(self.ids(USER)?);
        }
        Ok(())
    }

    /// A cohort: its members are found when it is first asked for.
    pub fn load_cohort(&mut self, name: &str) -> Result<&Cohort> {
        if !self.cohorts.contains_key(name) {
            let found = cohort::find(self.sql, self.project, name, &self.inside)?;
            let column = found
                .members
                .column(found.remap.as_deref(), Value::Bool(true), Value::Bool(false))?;
            let cohort = Cohort {
                kind: found.kind,
                of: self.project.plural(found.kind),
                members: found.members,
                open: found.open,
                remap: found.remap,
                column,
            };
            self.cohorts.insert(name.to_string(), cohort);
        }
        self.cohorts
            .get(name)
            .ok_or_else(|| Failure::internal("a cohort was not kept"))
    }

    /// A breakdown of what counts `by` into members of a cohort and the rest.
    pub fn cohort_dimension(&mut self, name: &str, by: Kind) -> Result<Dimension> {
        let cohort = self.load_cohort(name)?;
        if cohort.kind != by {
            return Err(Failure::param(
                format!(
                    "breakdown: cohort \"{name}\" holds {}, and something else is counted",
                    cohort.of
                ),
                format!(
                    "A cohort filters and breaks down what it holds: count by {}, or define a cohort of what is counted.",
                    cohort.of
                ),
            ));
        }
        let inside = Value::str(format!("In {name}"));
        let outside = Value::str(format!("Not In {name}"));
        let column = cohort.members.column(cohort.remap.as_deref(), inside, outside)?;
        Ok(Dimension::of_subject(by, column))
    }

    /// A property of the groups of a key.
    pub fn load_group(&mut self, kind: Kind, property: &str) -> Result<SharedProfile> {
        let key = (kind, property.to_string());
        if let Some(c) = self.groups.get(&key) {
            return Ok(c.clone());
        }
        let itself = property == GROUP_ID;
        let column = if itself {
            self.ids(kind)?
        } else {
            self.profile(kind, property)?
        };
        if !itself && column.values.is_empty() {
            return Err(self.unknown_of_profiles(kind, property)?);
        }
        self.groups.insert(key, column.clone());
        Ok(column)
    }

    /// A property of users.
    pub fn load_user(&mut self, property: &str) -> Result<SharedProfile> {
        if let Some(c) = self.users.get(property) {
            return Ok(c.clone());
        }
        let itself = property == DISTINCT_ID;
        let column = if itself {
            self.ids(USER)?
        } else {
            self.profile(USER, property)?
        };
        if !itself && column.values.is_empty() {
            return Err(self.unknown_of_profiles(USER, property)?);
        }
        self.users.insert(property.to_string(), column.clone());
        Ok(column)
    }

    /// The number of an event property. One that no event ever carried is an error: it would read as "not set" on every
    /// event, and a slip of the pen with it.
    pub fn load_property(&mut self, name: &str) -> Result<u32> {
        if !self.properties.contains_key(name) {
            self.find(Space::Property, [name])?;
        }
        match self.properties.get(name) {
            Some(no) => Ok(*no),
            None => {
                let near = lexicon::near(self.sql, self.project, Space::Property, name)?;
                Err(self.unknown(
                    "event",
                    name,
                    &near,
                    "A property is known from the first event that carries it.",
                ))
            }
        }
    }

    fn unknown(&self, of: &str, name: &str, near: &[String], otherwise: &str) -> Failure {
        let near: Vec<String> = near.iter().map(|n| format!("\"{n}\"")).collect();
        Failure::unknown(
            format!(
                "no {of} of project \"{}\" has the property \"{name}\"",
                self.project.name
            ),
            if near.is_empty() {
                otherwise.to_string()
            } else {
                format!("Did you mean {}?", near.join(" or "))
            },
        )
    }

    /// The error for a profile property that no profile of the kind has.
    fn unknown_of_profiles(&self, kind: Kind, name: &str) -> Result<Failure> {
        let (table, of) = match self.project.keys.iter().find(|k| k.kind == kind) {
            None => ("@.user_profile WHERE $1 = 0", "user".to_string()),
            Some(k) => ("@.group_profile WHERE kind = $1", k.property.clone()),
        };
        let rows = self.sql.read(
            &self.project.sql(&format!(
                "SELECT DISTINCT jsonb_object_keys(properties) FROM {table} LIMIT 5000"
            )),
            &[Arg::Int2(kind as i16)],
        )?;
        let known = (0..rows.len()).map(|i| rows.text(i, 0)).collect::<Result<Vec<_>>>()?;
        let near = lexicon::nearest(name, known.into_iter());
        Ok(self.unknown(
            &of,
            name,
            &near,
            "A property is known from the first profile that has it.",
        ))
    }

    /// The greatest number of a kind, when its ids can stay numbers until they are shown: not when one reads like
    /// something else that a segment may be called.
    pub fn numbers(&self, kind: Kind) -> Result<Option<SubjectNo>> {
        if !self.on_demand.ids {
            return Ok(None);
        }
        let rows = self.sql.read(
            &self
                .project
                .sql("SELECT no FROM @.subject WHERE kind = $1 AND id = ANY($2) LIMIT 1"),
            &[Arg::Int2(kind as i16), Arg::Texts(&["", NOT_SET, EMPTY, OTHER])],
        )?;
        if rows.len() > 0 {
            return Ok(None);
        }
        Ok(Some(self.most(kind)?))
    }

    /// The ids of subjects, in order of their numbers.
    pub fn ids_of(&self, kind: Kind, numbers: &[i64], f: &mut dyn FnMut(SubjectNo, &str) -> Result<()>) -> Result<()> {
        let rows = self.sql.read(
            &self
                .project
                .sql("SELECT no, id FROM @.subject WHERE kind = $1 AND no = ANY($2)"),
            &[Arg::Int2(kind as i16), Arg::Ints(numbers)],
        )?;
        for i in 0..rows.len() {
            f(rows.int(i, 0)? as SubjectNo, rows.text(i, 1)?)?;
        }
        Ok(())
    }

    /// Says that nobody ever sent an event, with near spellings.
    pub fn notice_unknown_event(&self, name: &str) -> Result<()> {
        if !self.events.contains_key(name) {
            let near = lexicon::near(self.sql, self.project, Space::Event, name)?;
            let near: Vec<String> = near.iter().map(|n| format!("\"{n}\"")).collect();
            let hint = if near.is_empty() {
                String::new()
            } else {
                format!(" Did you mean {}?", near.join(" or "))
            };
            interrupts::notice(&format!(
                "event \"{name}\" was never sent to project \"{}\".{hint}",
                self.project.name
            ));
        }
        Ok(())
    }

    /// The greatest number that a subject of the kind has.
    pub fn most(&self, kind: Kind) -> Result<SubjectNo> {
        let rows = self.sql.read(
            &self
                .project
                .sql("SELECT coalesce(max(no), 0) FROM @.subject WHERE kind = $1"),
            &[Arg::Int2(kind as i16)],
        )?;
        Ok(u32::try_from(rows.int(0, 0)?).unwrap_or(u32::MAX))
    }

    /// Where identities were merged: the user of each number.
    pub fn remap(&self) -> Result<Remap> {
        if let Some(remap) = self.remap.get() {
            return Ok(remap.clone());
        }
        let remap = identity::remap(self.sql, self.project)?;
        Ok(self.remap.get_or_init(|| remap).clone())
    }
}

impl Names for Context<'_> {
    fn event(&self, name: &str) -> Option<u32> {
        self.events.get(name).copied()
    }
    fn events(&self, name: &str) -> Vec<u32> {
        self.event(name).map_or_else(Vec::new, |no| self.governed.all(no))
    }
    fn any_event(&self) -> Option<&[u32]> {
        self.governed.visible.as_deref()
    }
    fn property(&self, name: &str) -> Option<u32> {
        self.properties.get(name).copied()
    }
    fn group_kind(&self, key: &str) -> Option<Kind> {
        self.project.key(key).map(|k| k.kind)
    }
    fn user_column(&self, property: &str) -> Option<SharedProfile> {
        self.users.get(property).cloned()
    }
    fn group_column(&self, kind: Kind, property: &str) -> Option<SharedProfile> {
        self.groups.get(&(kind, property.to_string())).cloned()
    }
    fn membership(&self, kind: Kind) -> Option<Arc<Membership>> {
        self.memberships.get(&kind).cloned()
    }
    fn event_names(&self) -> Option<SharedProfile> {
        self.event_names.clone()
    }
    fn distinct_ids(&self) -> Option<SharedProfile> {
        self.distinct_ids.clone()
    }
    fn cohort(&self, name: &str) -> Option<CohortColumn> {
        self.cohorts.get(name).map(|c| CohortColumn {
            kind: c.kind,
            of: c.of.clone(),
            members: c.column.clone(),
        })
    }
    fn group_at_event(&self, kind: Kind, property: &str) -> Option<u32> {
        let property = property.strip_suffix(AT_EVENT)?;
        self.histories.get(&(kind, property.to_string())).copied()
    }
    fn lookup(&self, property: &str, column: &str) -> Option<LookedUp> {
        self.lookups.get(&(property.to_string(), column.to_string())).cloned()
    }
    fn calendar(&self) -> &Calendar {
        &self.project.calendar
    }
}
