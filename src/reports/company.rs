//! company_profile: the figures of one company, the group of the company key.

use super::arguments::required;
use super::context::Context;
use super::parts::in_parts;
use super::subject;
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{self, Arg, Sql};
use crate::registry::{self, Project};
use crate::settings;
use crate::store::scan::{self, Need};
use engine::chunk::Kind;
use engine::company::{Figures, Kernel, Plan, finish};
use engine::expr::References;
use pgrx::JsonB;
use pgrx::datum::Date;
use pgrx::prelude::*;

/// The company key and the property that names a company.
fn company_key(sql: &Sql, project: &Project) -> Result<(Kind, String)> {
    let rows = sql.read(
        "SELECT k.kind, coalesce(k.name_property, '$name') FROM analytics_groups.project p
         JOIN analytics_groups.group_key k ON k.project = p.id WHERE p.name = $1 AND k.is_company_key",
        &[Arg::Text(&project.name)],
    )?;
    if rows.len() == 0 {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("project \"{}\" has no company key", project.name),
            "Choose one of the registered keys: SELECT analytics_groups.set_company_key('company_id');",
        ));
    }
    let kind = rows.get::<i16>(0, 0).unwrap_or_default() as Kind;
    Ok((kind, rows.text(0, 1)?.to_string()))
}

struct Profile {
    id: String,
    name: Option<String>,
    figures: Figures,
    properties: serde_json::Value,
}

fn run(sql: &Sql, id: &str, as_of: Option<Date>, project: Option<&str>) -> Result<Profile> {
    let project = registry::open(sql, project)?;
    let (kind, name_property) = company_key(sql, &project)?;
    let Some(company) = subject::find(sql, &project, kind, id)? else {
        return Err(Failure::unknown(
            format!("unknown company \"{id}\" in project \"{}\"", project.name),
            "A company is known from its first event or profile; query_groups lists them.",
        ));
    };
    let today = project.calendar.day_of(crate::ingest::now_ms())?;
    let day = as_of.map_or(today, |d| d.to_unix_epoch_days());
    let remap = Context::new(sql, &project, &[], References::default())?.remap()?;
    let limit = settings::query_memory();
    let plan = Plan::new(&project.calendar, kind, company.no, day, remap.as_deref(), limit)?;
    let need = Need {
        events: None,
        kinds: vec![kind],
        properties: Vec::new(),
        ..Need::default()
    };
    let workers = settings::workers();
    let count = |part| {
        let kernels = scan::scan_on(
            sql,
            &project,
            &need,
            plan.reads(),
            &workers,
            || Ok(Kernel::new(&plan, part)),
            |kernel, chunk, keep, tick| kernel.push(chunk, keep, tick),
        )?;
        let partial = engine::parallel::merge(kernels.into_iter().map(Kernel::finish), |a, b| a.merge(b))?;
        Ok(finish(&plan, partial, &workers, &mut Interrupts)?)
    };
    let figures = in_parts(count, |a, b| Ok(a.merge(b)))?;
    let properties = subject::profile(sql, &project, kind, company.no)?;
    let name = properties.get(&name_property).and_then(|n| n.as_str());
    // Asked for by an id that was merged, it answers with its own.
    let own = subject::ids(sql, &project, kind, &[company.no])?.remove(&company.no);
    Ok(Profile {
        id: own.unwrap_or_else(|| id.to_string()),
        name: name.map(str::to_string),
        figures,
        properties,
    })
}

#[pg_extern(schema = "analytics_groups", stable, parallel_restricted)]
#[allow(clippy::type_complexity)]
fn company_profile(
    group_id: Option<&str>,
    as_of: default!(Option<Date>, "NULL"),
    project: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(id, String),
            name!(name, Option<String>),
            name!(dau, i64),
            name!(wau, i64),
            name!(mau, i64),
            name!(new_users, i64),
            name!(retained_users, i64),
            name!(resurrected_users, i64),
            name!(dormant_users, i64),
            name!(events, i64),
            name!(events_per_user, Option<f64>),
            name!(day_1_retention, Option<f64>),
            name!(week_1_retention, Option<f64>),
            name!(month_1_retention, Option<f64>),
            name!(properties, JsonB),
        ),
    >,
    ErrorReport,
> {
    let id = required(group_id, "group_id", "The id of a company, for example 'acme'.")?;
    let p = spi::connect(|sql| run(sql, id, as_of, project))?;
    let f = p.figures;
    let row = (
        p.id,
        p.name,
        f.dau as i64,
        f.wau as i64,
        f.mau as i64,
        f.new as i64,
        f.retained as i64,
        f.resurrected as i64,
        f.dormant as i64,
        f.events as i64,
        (f.mau > 0).then(|| f.events as f64 / f.mau as f64),
        f.day_1.rate(),
        f.week_1.rate(),
        f.month_1.rate(),
        JsonB(p.properties),
    );
    Ok(TableIterator::once(row))
}
