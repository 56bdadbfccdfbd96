//! subject_ids and subject_names: text ids as the small numbers a project's dictionary gives them, and back, so that sets of
//! users or groups can be kept and combined as bitmaps.

use super::arguments::required;
use super::subject;
use crate::error::Result;
use crate::pg::ErrorReport;
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{self, Sql};
use crate::pg::varlena::{Roaring, RoaringBuf};
use crate::registry;
use crate::registry::lexicon::{self, Space};
use crate::settings;
use crate::store::identity;
use crate::types::stored;
use engine::bitmap::View;
use engine::chunk::{SubjectNo, USER};
use engine::error::Error;
use engine::tick::Tick;
use pgrx::prelude::*;

/// Numbers whose names are read together.
const AT_ONCE: usize = 10_000;

/// What a row of names takes, about.
const ROW: usize = 120;

const BY: &str = "'user', or a registered group key, for example 'company_id'.";

fn numbers(sql: &Sql, by: &str, ids: &[&str], project: Option<&str>) -> Result<Vec<SubjectNo>> {
    let project = registry::open(sql, project)?;
    let kind = project.kind(by)?;
    let numbers = lexicon::numbers(sql, &project, Space::Subject(kind), ids)?;
    if kind == USER {
        return identity::ends(sql, &project, &numbers, false);
    }
    Ok(numbers)
}

#[pg_extern(schema = "analytics_groups", stable, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
fn subject_ids(
    by: Option<&str>,
    ids: Option<Vec<Option<String>>>,
    project: default!(Option<&str>, "NULL"),
) -> Result<RoaringBuf, ErrorReport> {
    let by = required(by, "by", BY)?;
    let ids = ids.unwrap_or_default();
    let ids: Vec<&str> = ids.iter().flatten().map(String::as_str).collect();
    let numbers = spi::connect(|sql| numbers(sql, by, &ids, project))?;
    RoaringBuf::new(engine::bitmap::of_ids(numbers).map_err(stored)?)
}

fn names(sql: &Sql, by: &str, set: &View<'_>, project: Option<&str>) -> Result<Vec<(i32, String)>> {
    let project = registry::open(sql, project)?;
    let kind = project.kind(by)?;
    let size = usize::try_from(set.cardinality()).unwrap_or(usize::MAX);
    if size.saturating_mul(ROW) > settings::query_memory() {
        return Err(Error::Limit {
            message: format!("the names of {size} subjects need more memory than analytics_groups.query_memory"),
            hint: Some("Ask for a part of the set: rb_select(set, 10000, 0), rb_select(set, 10000, 10000), …".into()),
        }
        .into());
    }
    let mut numbers: Vec<SubjectNo> = engine::error::try_vec(size, "numbers of subjects")?;
    set.try_for_each(|no| {
        numbers.push(no);
        Ok(())
    })?;
    let mut out = engine::error::try_vec(size, "names of subjects")?;
    for part in numbers.chunks(AT_ONCE) {
        Interrupts.tick()?;
        for (no, id) in subject::ids(sql, &project, kind, part)? {
            out.push((no as i32, id));
        }
    }
    Ok(out)
}

#[pg_extern(schema = "analytics_groups", stable, parallel_restricted)]
fn subject_names(
    by: Option<&str>,
    subjects: Option<Roaring<'_>>,
    project: default!(Option<&str>, "NULL"),
) -> Result<TableIterator<'static, (name!(no, i32), name!(id, String))>, ErrorReport> {
    let by = required(by, "by", BY)?;
    let rows = match subjects {
        None => Vec::new(),
        Some(set) => {
            let set = View::new(set.0).map_err(stored)?;
            spi::connect(|sql| names(sql, by, &set, project))?
        }
    };
    Ok(TableIterator::new(rows))
}
