//! flow_members: who is behind an edge, a node or a path of a flow.

use super::{Question, Ready, ask, positive, question};
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::reports::arguments::required;
use crate::reports::members::{self, Page};
use crate::reports::parts::in_parts;
use crate::settings;
use engine::chunk::SubjectNo;
use engine::error::Error;
use engine::flows::{Asked, Wanted, find};
use pgrx::JsonB;
use pgrx::datum::{Date, Interval};
use pgrx::prelude::*;

type Row = (String, i64, JsonB);

fn run(sql: &Sql, q: &Question, asked: Asked, rows: usize, project: Option<&str>, page: Page) -> Result<Vec<Row>> {
    ask(sql, q, project, |r: &Ready| {
        let paths = if asked.needs_shown() { Some(r.paths()?) } else { None };
        let report = paths.as_ref().map(|p| (p, rows));
        let wanted = Wanted::new(r.plan, &r.names.names, asked, report, &mut Interrupts)?;
        drop(paths);
        let workers = settings::workers();
        let walk = |part| {
            let partial = r.gathered(part, &workers)?;
            Ok(find(r.plan, partial, &wanted, &workers, &mut Interrupts)?)
        };
        let mut found = in_parts(walk, |mut a: Vec<(SubjectNo, u64)>, b| {
            a.try_reserve(b.len()).map_err(|_| Error::OutOfMemory("members"))?;
            a.extend(b);
            Ok(a)
        })?;
        found.sort_unstable();
        let rows = members::rows(r.sql, r.project, r.plan.by, &found, page)?;
        Ok(rows.into_iter().map(|(id, n, p)| (id, n as i64, p)).collect())
    })
}

#[pg_extern(schema = "analytics_groups", name = "flow_members", stable, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn flow_members(
    anchors: Option<Jsonb>,
    from_date: Option<Date>,
    to_date: Option<Date>,
    by: default!(Option<&str>, "'user'"),
    forward: default!(Option<i32>, "3"),
    reverse: default!(Option<i32>, "0"),
    within: default!(Option<Interval>, "'30 days'"),
    rows: default!(Option<i32>, "3"),
    collapse: default!(Option<bool>, "false"),
    hide: default!(Option<Vec<Option<String>>>, "NULL"),
    count: default!(Option<&str>, "'unique'"),
    step: default!(Option<i32>, "0"),
    event: default!(Option<&str>, "NULL"),
    next_event: default!(Option<&str>, "NULL"),
    path: default!(Option<Vec<Option<String>>>, "NULL"),
    after: default!(Option<&str>, "NULL"),
    page_size: default!(Option<i32>, "NULL"),
    project: default!(Option<&str>, "NULL"),
) -> Result<TableIterator<'static, (name!(id, String), name!(times, i64), name!(properties, JsonB))>, ErrorReport> {
    let range = (from_date, to_date);
    let q = question(anchors, range, by, forward, reverse, within, count, collapse, hide)?;
    let shown = positive(
        rows,
        50,
        "rows",
        "It is the number of events to show per step; the rest becomes $other.",
    )?;
    const PATH: &str = "It is the column \"path\" of flow_paths, for example path => '{Sign Up,Login,(drop-off)}'.";
    let path = path
        .map(|p| p.into_iter().map(|t| required(t, "a text of path", PATH)).collect())
        .transpose()?;
    let path: Option<Vec<String>> = path;
    let asked = match &path {
        Some(_) if event.is_some() || next_event.is_some() => {
            return Err(Failure::param(
                "a path and an event of one exclude each other",
                "Ask for path, or for step, event and next_event.",
            )
            .into());
        }
        Some(path) => Asked::Path(path),
        None => Asked::Edge {
            step: required(
                step,
                "step",
                "It is the column \"step\" of the report's row; 0 is the anchor.",
            )?,
            event,
            next: next_event,
        },
    };
    let page = Page::new(after, page_size)?;
    let rows = spi::connect(|sql| run(sql, &q, asked, shown, project, page))?;
    Ok(TableIterator::new(rows))
}
