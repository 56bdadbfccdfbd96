//! The verbs that say which ids are one user: identify, alias, merge. Events with a `$device_id` and a `$user_id` say it
//! by themselves.

use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::spi;
use crate::registry::lexicon::{self, Space};
use crate::settings;
use crate::store::identity::{self, Join};
use engine::chunk::USER;
use engine::ingest::given_id;
use pgrx::prelude::*;

/// An id as it is given to a verb: its argument, and what was given.
type Given<'a> = (&'static str, Option<&'a str>);

/// Makes two ids one user; `first` = only when the first belongs to nobody else.
fn unite(from: Given, into: Given, first: bool, project: Option<&str>) -> Result<bool> {
    let limits = settings::limits();
    let id = |(name, id): Given<'_>| -> Result<Box<str>> {
        const HINT: &str = "It is a distinct_id: of a user, or '$device:' and the id of a device.";
        let id = id.ok_or_else(|| Failure::param(format!("{name} must not be NULL"), HINT))?;
        given_id(name, id, &limits).map_err(|why| Failure::param(why, HINT))
    };
    let (from, into) = (id(from)?, id(into)?);
    spi::connect(|sql| {
        let project = super::open(sql, project)?;
        let numbers = lexicon::number(sql, &project, Space::Subject(USER), &[&from, &into])?;
        let [from_no, into_no] = *numbers.as_slice() else {
            return Err(Failure::internal("an id got no number"));
        };
        let join = Join {
            from: (&from, from_no),
            into: (&into, into_no),
            first,
        };
        identity::join(sql, &project, &join)
    })
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn identify(
    anon_id: Option<&str>,
    user_id: Option<&str>,
    project: default!(Option<&str>, "NULL"),
) -> Result<bool, ErrorReport> {
    Ok(unite(("anon_id", anon_id), ("user_id", user_id), true, project)?)
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn alias(
    distinct_id: Option<&str>,
    alias: Option<&str>,
    project: default!(Option<&str>, "NULL"),
) -> Result<bool, ErrorReport> {
    Ok(unite(("alias", alias), ("distinct_id", distinct_id), true, project)?)
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn merge(
    from_id: Option<&str>,
    into_id: Option<&str>,
    project: default!(Option<&str>, "NULL"),
) -> Result<bool, ErrorReport> {
    Ok(unite(("from_id", from_id), ("into_id", into_id), false, project)?)
}
