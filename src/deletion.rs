//! Deleting for good: a user, a group, events, a group key. For the admins of a project, as its owner.
//!
//! The SQL functions are in sql/deletion.sql: they take the locks in a statement of their own, so that these see what was
//! there when nobody wrote any more.

mod proof;

use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Arg, Sql};
use crate::pg::{ErrorReport, owner};
use crate::registry::Project;
use crate::registry::access::administered;
use crate::reports::context::Context;
use crate::reports::{self, subject};
use crate::settings;
use crate::store::erase::{self, Erasure, Judge, Reach, What};
use crate::store::{cohort, identity};
use engine::chunk::{Chunk, Kind, SubjectNo, USER};
use engine::erase::{leave, of_group, of_users};
use engine::expr::{Expr, Selector};
use engine::ingest::attribute;
use engine::limits::Limits;
use engine::mask::Mask;
use engine::value::Value;
use pgrx::datum::Date;
use pgrx::prelude::*;

/// Runs `f` as the owner of a project that the caller administers, while nobody else writes.
pub fn alone<R>(project: &str, f: impl FnOnce(&Sql, &Project) -> Result<R>) -> Result<R> {
    spi::connect(|sql| {
        let project = administered(sql, project)?;
        erase::lock(sql, &project.name)?;
        owner::as_owner(project.owner, || f(sql, &project))
    })
}

/// The events of a user.
struct OfUser<'a>(&'a [SubjectNo]);

impl Judge for OfUser<'_> {
    fn gone(&mut self, chunk: &Chunk) -> Result<Mask> {
        Ok(of_users(chunk, self.0))
    }
}

/// The events of a group: those it shares with others stay theirs.
struct OfGroup<'a> {
    kind: Kind,
    no: SubjectNo,
    /// Its own, and those that were merged into it.
    ids: &'a [String],
    property: Option<u32>,
    limits: Limits,
}

impl Judge for OfGroup<'_> {
    fn gone(&mut self, chunk: &Chunk) -> Result<Mask> {
        Ok(of_group(chunk, self.kind, self.no).0)
    }

    fn changed(&mut self, chunk: &Chunk) -> Mask {
        of_group(chunk, self.kind, self.no).1
    }

    fn change(&mut self, chunk: &mut Chunk, rows: &Mask) -> Result<()> {
        let names = |v: &Value| {
            attribute(Some(v), &self.limits, false)
                .ids
                .iter()
                .any(|id| self.ids.iter().any(|own| **id == **own))
        };
        let group = (self.kind, self.no);
        Ok(leave(chunk, group, rows, self.property, &names, &mut Interrupts)?)
    }
}

/// What a selector picks.
struct Picked(Selector);

impl Judge for Picked {
    fn gone(&mut self, chunk: &Chunk) -> Result<Mask> {
        let all = Mask::all(chunk.len());
        Ok(self.0.hits(chunk, &all, USER, &mut Interrupts)?.rows)
    }
}

fn unknown(what: &str, project: &Project, views: &str) -> Failure {
    Failure::unknown(
        format!("{what} is not known in project \"{}\"", project.name),
        format!("Nothing was deleted: no event, no profile and no link has this id, or it was deleted before. {views}"),
    )
}

fn user(sql: &Sql, project: &Project, id: &str) -> Result<u64> {
    let Some(user) = subject::find(sql, project, USER, id)? else {
        let hint = format!(
            "SELECT * FROM analytics_groups.erased('{}') looks for traces.",
            id.replace('\'', "''")
        );
        return Err(unknown(&format!("user \"{id}\""), project, &hint));
    };
    let reach = Reach {
        users: (
            user.all.first().copied().unwrap_or(0),
            user.all.last().copied().unwrap_or(0),
        ),
        ..Reach::default()
    };
    let mut erasure = Erasure::begin(sql, project)?;
    let events = erasure.erase(&reach, &mut OfUser(&user.all))?;
    erasure.end()?;
    identity::erase(sql, project, &user.all)?;
    let numbers: Vec<i64> = user.all.iter().map(|no| i64::from(*no)).collect();
    for text in [
        "DELETE FROM @.user_profile WHERE no = ANY($1)",
        "DELETE FROM @.sticky_group WHERE no = ANY($1)",
        "DELETE FROM @.subject WHERE kind = 0 AND no = ANY($1)",
    ] {
        sql.write(&project.sql(text), &[Arg::Ints(&numbers)])?;
    }
    cohort::forget(sql, project, USER, &user.all)?;
    erase::ids_are_gone(sql, project)?;
    erase::log(sql, project, What::User, events)?;
    Ok(events)
}

/// Takes a group out of the lists of user profiles, or of that of one user; returns how many had it.
pub fn leave_profiles(sql: &Sql, project: &Project, key: &str, id: &str, of: Option<i64>) -> Result<u64> {
    let whose = if of.is_some() { "AND no = $3" } else { "" };
    let text = format!(
        "UPDATE @.user_profile p SET updated_at = now(),
             properties = CASE WHEN x.rest IS NULL THEN p.properties - $1 ELSE jsonb_set(p.properties, ARRAY[$1], x.rest) END
         FROM (SELECT u.no, (SELECT jsonb_agg(e.value ORDER BY e.n)
                                 FILTER (WHERE analytics_groups._group_id(e.value) IS DISTINCT FROM $2)
                             FROM jsonb_array_elements(u.list) WITH ORDINALITY e(value, n)) AS rest
               FROM (SELECT no, CASE jsonb_typeof(properties -> $1) WHEN 'array' THEN properties -> $1
                                ELSE jsonb_build_array(properties -> $1) END AS list
                     FROM @.user_profile WHERE properties ? $1 {whose}) u
               WHERE EXISTS (SELECT FROM jsonb_array_elements(u.list) e WHERE analytics_groups._group_id(e.value) = $2)) x
         WHERE p.no = x.no"
    );
    let mut args = vec![Arg::Text(key), Arg::Text(id)];
    args.extend(of.map(Arg::Int));
    Ok(sql.write(&project.sql(&text), &args)?.processed())
}

/// Takes a group away from the users who are in it until further notice; returns how many were.
fn leave_users(sql: &Sql, project: &Project, kind: Kind, id: &str) -> Result<u64> {
    let group = [Arg::Int2(kind as i16), Arg::Text(id)];
    let left = sql
        .write(
            &project.sql("UPDATE @.sticky_group SET ids = array_remove(ids, $2) WHERE kind = $1 AND $2 = ANY (ids)"),
            &group,
        )?
        .processed();
    let empty = project.sql("DELETE FROM @.sticky_group WHERE kind = $1 AND ids = '{}'");
    sql.write(&empty, &[Arg::Int2(kind as i16)])?;
    Ok(left)
}

fn group(sql: &Sql, project: &Project, key: &str, id: &str, with_events: bool) -> Result<u64> {
    let kind = project.kind(key)?;
    if kind == USER {
        return Err(Failure::param(
            "users are not the groups of a key",
            "Delete a user with analytics_groups.delete_user('id').",
        ));
    }
    let group = subject::find(sql, project, kind, id)?;
    let ids = match &group {
        Some(group) => subject::names(sql, project, group)?,
        None => vec![id.to_string()],
    };
    let own = match &group {
        Some(group) => subject::ids(sql, project, kind, &[group.no])?.remove(&group.no),
        None => None,
    };
    if let Some(own) = own.filter(|own| own != id) {
        return Err(Failure::param(
            format!("group \"{id}\" of key \"{key}\" was merged into \"{own}\""),
            format!("Delete \"{own}\", which is both."),
        ));
    }
    let mut listed = 0;
    for id in &ids {
        listed += leave_profiles(sql, project, key, id, None)? + leave_users(sql, project, kind, id)?;
    }
    let Some(group) = group else {
        return match listed {
            0 => {
                let what = format!("group \"{id}\" of key \"{key}\"");
                Err(unknown(&what, project, "query_groups lists the groups there are."))
            }
            _ => erase::log(sql, project, What::Group, 0).map(|()| 0),
        };
    };
    let number = [Arg::Int2(kind as i16), Arg::Int(i64::from(group.no))];
    sql.write(
        &project.sql("DELETE FROM @.group_profile WHERE kind = $1 AND no = $2"),
        &number,
    )?;
    sql.write(
        &project.sql("DELETE FROM @.group_history WHERE kind = $1 AND no = $2"),
        &number,
    )?;
    let mut events = 0;
    if with_events {
        let found = sql.write(
            &project.sql("SELECT no::bigint FROM @.property WHERE name = $1"),
            &[Arg::Text(key)],
        )?;
        let property = (found.len() > 0).then(|| found.int(0, 0)).transpose()?;
        drop(found);
        let mut judge = OfGroup {
            kind,
            no: group.no,
            ids: &ids,
            property: property.and_then(|no| u32::try_from(no).ok()),
            limits: settings::limits(),
        };
        let reach = Reach {
            kinds: vec![kind],
            ..Reach::default()
        };
        let mut erasure = Erasure::begin(sql, project)?;
        events = erasure.erase(&reach, &mut judge)?;
        erasure.end()?;
        for text in [
            "DELETE FROM @.subject WHERE kind = $1 AND no = $2",
            "DELETE FROM @.merged_group WHERE kind = $1 AND no = $2",
        ] {
            sql.write(&project.sql(text), &number)?;
        }
        cohort::forget(sql, project, kind, &[group.no])?;
        erase::ids_are_gone(sql, project)?;
    }
    erase::log(sql, project, What::Group, events)?;
    Ok(events)
}

fn events(
    sql: &Sql,
    project: &Project,
    event: &serde_json::Value,
    range: (i32, i32),
    filter: Option<&Expr>,
) -> Result<u64> {
    let spec = reports::selector(event, "event", &[])?;
    let references = filter.map(Expr::references).unwrap_or_default();
    let context = Context::new(sql, project, &[&spec], references)?.ungoverned()?;
    reports::notice_unknown(&context, &[&spec])?;
    let selector = context.bind(&spec, USER, filter)?;
    let properties: Vec<u32> = selector.properties().into_iter().collect();
    let mut kinds = project.lookups.borrow().kinds(&properties);
    kinds.extend(selector.kinds());
    let reach = Reach {
        events: selector.events(),
        span: project.calendar.days(range.0, range.1)?,
        kinds: kinds.into_iter().collect(),
        properties,
        ..Reach::default()
    };
    let mut erasure = Erasure::begin(sql, project)?;
    let events = erasure.erase(&reach, &mut Picked(selector))?;
    erasure.end()?;
    if events > 0 {
        erase::log(sql, project, What::Events, events)?;
    }
    Ok(events)
}

fn key(sql: &Sql, project: &Project, kind: Kind, property: &str) -> Result<()> {
    Erasure::begin(sql, project)?.end()?;
    erase::detach(sql, project, kind, property)?;
    for text in [
        "DELETE FROM @.group_profile WHERE kind = $1",
        "DELETE FROM @.group_history WHERE kind = $1",
        "DELETE FROM @.kept_history WHERE kind = $1",
        "DELETE FROM @.sticky_group WHERE kind = $1",
        "DELETE FROM @.merged_group WHERE kind = $1",
        "DELETE FROM @.subject WHERE kind = $1",
    ] {
        sql.write(&project.sql(text), &[Arg::Int2(kind as i16)])?;
    }
    sql.write(
        "DELETE FROM analytics_groups.group_key k USING analytics_groups.project p
         WHERE p.id = k.project AND p.name = $1 AND k.kind = $2",
        &[Arg::Text(&project.name), Arg::Int2(kind as i16)],
    )?;
    sql.command(&project.sql(&format!("DROP SEQUENCE IF EXISTS @.subject_no_{kind}")))?;
    erase::ids_are_gone(sql, project)?;
    erase::log(sql, project, What::Key, 0)
}

fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Waits until nobody else writes or maintains, and keeps it that way until the end of the transaction.
#[pg_extern(schema = "analytics_groups", name = "_hold", volatile, strict)]
#[search_path(pg_catalog, pg_temp)]
fn hold(project: &str) -> Result<(), ErrorReport> {
    spi::connect(|sql| {
        sql.write("SELECT analytics_groups._need($1, 'admin')", &[Arg::Text(project)])?;
        erase::lock(sql, project)
    })?;
    Ok(())
}

#[pg_extern(schema = "analytics_groups", name = "_delete_user", volatile, strict)]
#[search_path(pg_catalog, pg_temp)]
fn erase_user(project: &str, distinct_id: &str) -> Result<i64, ErrorReport> {
    Ok(count(alone(project, |sql, project| user(sql, project, distinct_id))?))
}

#[pg_extern(schema = "analytics_groups", name = "_delete_group", volatile, strict)]
#[search_path(pg_catalog, pg_temp)]
fn erase_group(project: &str, group_key: &str, group_id: &str, events: bool) -> Result<i64, ErrorReport> {
    let gone = alone(project, |sql, project| group(sql, project, group_key, group_id, events))?;
    Ok(count(gone))
}

#[pg_extern(schema = "analytics_groups", name = "_delete_events", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn erase_events(
    project: &str,
    event: Option<Jsonb>,
    from_date: Option<Date>,
    to_date: Option<Date>,
    filter: Option<&str>,
) -> Result<i64, ErrorReport> {
    let event = reports::required(event, "event", "'\"$any\"' is any event.")?.parse("event")?;
    let range = reports::range(from_date, to_date)?;
    let filter = reports::filter(filter)?;
    let gone = alone(project, |sql, project| {
        events(sql, project, &event, range, filter.as_ref())
    })?;
    Ok(count(gone))
}

#[pg_extern(schema = "analytics_groups", name = "_drop_key", volatile, strict)]
#[search_path(pg_catalog, pg_temp)]
fn drop_key(project: &str, kind: i16, property: &str) -> Result<(), ErrorReport> {
    alone(project, |sql, project| match project.key(property) {
        Some(k) if k.kind as i16 == kind => key(sql, project, k.kind, property),
        _ => Err(Failure::internal("a key to drop that is not registered")),
    })?;
    Ok(())
}
