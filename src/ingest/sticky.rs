//! Groups that users are in until further notice: set_group, add_group and remove_group, and whom they mean for events.
//!
//! As the super properties of a client library, but kept with the user: they hold for whatever is sent later of the user under
//! any id, as identities are known by then. What a device was given before it became a user's stays behind, as its profile
//! does. What an event carries itself wins (engine: ingest/sticky.rs). The list of the user's profile is kept in step, so that
//! group properties are there for reports by user.
//!
//! A project in which nobody ever was in a group this way has `sticky` false in the registry, which is read with every call
//! anyway: then nothing is looked up, and lines are read as fast as ever.

use super::profiles;
use crate::deletion;
use crate::error::{Failure, Result};
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Arg, Sql};
use crate::pg::{ErrorReport, owner};
use crate::registry::Project;
use crate::registry::lexicon::{self, Space};
use crate::settings;
use crate::store::history::Said;
use crate::store::identity;
use engine::chunk::{Kind, USER};
use engine::ingest::{self, Held, attribute, given_id};
use engine::limits::Limits;
use engine::profile::What;
use engine::value::Value;
use pgrx::prelude::*;
use serde_json::json;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

/// Users whose groups one call remembers.
const MOST_KNOWN: usize = 100_000;

/// The groups of users, looked up once a call.
pub struct Sticky<'a> {
    sql: &'a Sql,
    project: &'a Project,
    known: RefCell<HashMap<Box<str>, Rc<[Held]>>>,
    failure: RefCell<Option<Failure>>,
}

impl fmt::Debug for Sticky<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "sticky groups of {}", self.project.name)
    }
}

impl<'a> Sticky<'a> {
    /// `None` when nobody of the project was ever in a group this way.
    pub fn of(sql: &'a Sql, project: &'a Project) -> Option<Self> {
        project.sticky.then(|| Sticky {
            sql,
            project,
            known: RefCell::default(),
            failure: RefCell::default(),
        })
    }

    /// What went wrong since it was last asked.
    pub fn outcome(&self) -> Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    fn look_up(&self, id: &str) -> Result<Rc<[Held]>> {
        let nobody = || Rc::from(Vec::new());
        let no = match lexicon::recall(self.project.table, Space::Subject(USER), id) {
            Some(no) => no,
            None => {
                let text = self.project.sql("SELECT no FROM @.subject WHERE kind = 0 AND id = $1");
                let rows = self.sql.write_by_key(&text, &[Arg::Text(id)])?;
                if rows.len() == 0 {
                    return Ok(nobody());
                }
                u32::try_from(rows.int(0, 0)?).unwrap_or(0)
            }
        };
        let ends = identity::ends(self.sql, self.project, &[no], true)?;
        let Some(user) = ends.first() else {
            return Ok(nobody());
        };
        let text = self.project.sql("SELECT kind, ids FROM @.sticky_group WHERE no = $1");
        let rows = self.sql.write_by_key(&text, &[Arg::Int(i64::from(*user))])?;
        let held = (0..rows.len()).filter_map(|i| {
            let ids: Vec<String> = rows.get(i, 1)?;
            Some((
                rows.get::<i16>(i, 0)? as Kind,
                ids.into_iter().map(Into::into).collect(),
            ))
        });
        Ok(held.collect())
    }
}

impl ingest::Sticky for Sticky<'_> {
    fn held(&self, distinct_id: &str) -> Rc<[Held]> {
        if let Some(held) = self.known.borrow().get(distinct_id) {
            return held.clone();
        }
        let held = self.look_up(distinct_id).unwrap_or_else(|f| {
            self.failure.borrow_mut().get_or_insert(f);
            Rc::from(Vec::new())
        });
        let mut known = self.known.borrow_mut();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(distinct_id.into(), held.clone());
        held
    }
}

/// What is to be done with the groups of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Set,
    Add,
    Remove,
}

/// The ids of an argument, by the rules for events.
fn ids(argument: &str, given: Option<Jsonb>, change: Change, limits: &Limits) -> Result<Vec<Box<str>>> {
    let hint = match change {
        Change::Set => {
            "Give an id or a list of ids as JSON: '\"acme\"', '42' or '[\"acme\", \"globex\"]'. '[]' takes the user out of all groups of the key."
        }
        _ => "Give one id as JSON: '\"acme\"' or '42'. set_group takes a list.",
    };
    let wrong = |why: String| Failure::param(format!("{argument} {why}"), hint);
    let value = match given {
        Some(given) => given.value(argument)?,
        None => return Err(wrong("must not be NULL".into())),
    };
    let empty = |v: &Value| matches!(v, Value::Null) || matches!(v, Value::Str(s) if s.is_empty());
    let blank = match &value {
        Value::List(_) if change != Change::Set => return Err(wrong("must be one id".into())),
        Value::List(list) => list.iter().any(empty),
        one => empty(one),
    };
    if blank {
        return Err(wrong("must not be null or empty, nor hold such an id".into()));
    }
    let read = attribute(Some(&value), limits, true);
    if let Some(why) = read.problem {
        return Err(wrong(format!("is invalid: {why}")));
    }
    if read.dropped > 0 {
        return Err(too_many(limits));
    }
    Ok(read.ids)
}

fn too_many(limits: &Limits) -> Failure {
    engine::error::Error::Limit {
        message: format!(
            "a user can't be in more than {} groups of a key",
            limits.groups_per_event
        ),
        hint: Some("One event can't be attributed to more; remove_group makes room.".into()),
    }
    .into()
}

fn change(
    distinct_id: Option<&str>,
    group_key: Option<&str>,
    (argument, given): (&str, Option<Jsonb>),
    change: Change,
    project: Option<&str>,
) -> Result<()> {
    const WHOSE: &str = "It is a distinct_id: of a user, or '$device:' and the id of a device.";
    let limits = settings::limits();
    let id = distinct_id.ok_or_else(|| Failure::param("distinct_id must not be NULL", WHOSE))?;
    let id = given_id("distinct_id", id, &limits).map_err(|why| Failure::param(why, WHOSE))?;
    let key = group_key.ok_or_else(|| {
        Failure::param(
            "group_key must not be NULL",
            "Name a registered key, for example 'company_id'.",
        )
    })?;
    let ids = ids(argument, given, change, &limits)?;
    spi::connect(|sql| {
        let project = super::open(sql, project)?;
        let Some(kind) = project.key(key).map(|k| k.kind) else {
            let known: Vec<&str> = project.keys.iter().map(|k| k.property.as_str()).collect();
            let hint = match known.as_slice() {
                [] => format!(
                    "Register it first: SELECT analytics_groups.add_group_key('{}');",
                    key.replace('\'', "''")
                ),
                known => format!("The keys are: {}.", known.join(", ")),
            };
            let message = format!("unknown group key \"{key}\" in project \"{}\"", project.name);
            return Err(Failure::unknown(message, hint));
        };
        let numbers = lexicon::number(sql, &project, Space::Subject(USER), &[&id])?;
        let user = identity::ends(sql, &project, &numbers, true)?
            .first()
            .copied()
            .unwrap_or(0);
        let user = i64::from(user);
        let texts: Vec<&str> = ids.iter().map(|id| &**id).collect();
        let whose = [Arg::Int2(kind as i16), Arg::Int(user), Arg::Texts(&texts)];
        if change == Change::Remove {
            sql.write(
                &project.sql("UPDATE @.sticky_group SET ids = array_remove(ids, $3[1]) WHERE kind = $1 AND no = $2"),
                &whose,
            )?;
        } else {
            let ids = match change {
                Change::Add => "CASE WHEN EXCLUDED.ids[1] = ANY (s.ids) THEN s.ids ELSE s.ids || EXCLUDED.ids END",
                _ => "EXCLUDED.ids",
            };
            let rows = sql.write(
                &project.sql(&format!(
                    "INSERT INTO @.sticky_group AS s (kind, no, ids) VALUES ($1, $2, $3)
                     ON CONFLICT (kind, no) DO UPDATE SET ids = {ids} RETURNING cardinality(ids)::bigint"
                )),
                &whose,
            )?;
            if rows.int(0, 0)? > limits.groups_per_event as i64 {
                return Err(too_many(&limits));
            }
        }
        sql.write(
            &project.sql("DELETE FROM @.sticky_group WHERE kind = $1 AND no = $2 AND ids = '{}'"),
            &[Arg::Int2(kind as i16), Arg::Int(user)],
        )?;
        if !project.sticky && change != Change::Remove {
            // The registry is written by the owners of projects; this says no more than that there may be such users.
            owner::as_owner(project.owner, || {
                sql.write(
                    "UPDATE analytics_groups.project SET sticky = true WHERE name = $1 AND NOT sticky",
                    &[Arg::Text(&project.name)],
                )
                .map(drop)
            })?;
        }
        let update = match change {
            Change::Remove => {
                let [gone] = texts.as_slice() else {
                    return Err(Failure::internal("a group to remove that is not one"));
                };
                return deletion::leave_profiles(sql, &project, key, gone, Some(user)).map(drop);
            }
            Change::Set if ids.is_empty() => json!({"$distinct_id": &*id, "$unset": [key]}),
            Change::Set => json!({"$distinct_id": &*id, "$set": {key: texts}}),
            Change::Add => json!({"$distinct_id": &*id, "$union": {key: texts}}),
        };
        let (_, failed) = profiles::apply_records(sql, &project, What::Users, Said::Changes, &[&update.to_string()])?;
        match failed.into_iter().next() {
            Some(f) => Err(Failure::param(
                f.message,
                "Neither the user's groups nor the profile were changed.",
            )),
            None => Ok(()),
        }
    })
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn set_group(
    distinct_id: Option<&str>,
    group_key: Option<&str>,
    group_ids: Option<Jsonb>,
    project: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    Ok(change(
        distinct_id,
        group_key,
        ("group_ids", group_ids),
        Change::Set,
        project,
    )?)
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn add_group(
    distinct_id: Option<&str>,
    group_key: Option<&str>,
    group_id: Option<Jsonb>,
    project: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    Ok(change(
        distinct_id,
        group_key,
        ("group_id", group_id),
        Change::Add,
        project,
    )?)
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn remove_group(
    distinct_id: Option<&str>,
    group_key: Option<&str>,
    group_id: Option<Jsonb>,
    project: default!(Option<&str>, "NULL"),
) -> Result<(), ErrorReport> {
    Ok(change(
        distinct_id,
        group_key,
        ("group_id", group_id),
        Change::Remove,
        project,
    )?)
}
