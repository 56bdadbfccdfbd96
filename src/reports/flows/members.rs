//! flow_members: who is behind an edge, a node or a path of a flow.

use super::{Arguments, Around, Ground, Question, Ways, ask, positive, question};
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
use engine::flows::{Asked, Wanted, find, find_on_trails};
use engine::postings::Part;
use pgrx::JsonB;
use pgrx::datum::{Date, Interval};
use pgrx::prelude::*;

type Row = (String, i64, JsonB);

/// Subjects, and how many paths of each.
type Found = Vec<(SubjectNo, u64)>;

/// What `walk` finds of all subjects, part by part where memory is short. Sessions of one subject may be in several.
fn all(walk: impl Fn(Part) -> Result<Found>) -> Result<Found> {
    let mut found = in_parts(walk, |mut a: Found, b| {
        a.try_reserve(b.len()).map_err(|_| Error::OutOfMemory("members"))?;
        a.extend(b);
        Ok(a)
    })?;
    found.sort_unstable();
    found.dedup_by(|next, one| {
        let same = next.0 == one.0;
        one.1 += if same { next.1 } else { 0 };
        same
    });
    Ok(found)
}

/// Around one anchor.
fn around(a: &Around, asked: Asked, rows: usize) -> Result<Found> {
    let paths = if asked.needs_shown() { Some(a.paths()?) } else { None };
    let report = paths.as_ref().map(|p| (p, rows));
    let wanted = Wanted::new(a.plan, &a.ground.names.names, asked, report, &mut Interrupts)?;
    drop(paths);
    let workers = settings::workers();
    all(|part| {
        let partial = a.gathered(part, &workers)?;
        Ok(find(a.plan, partial, &wanted, &workers, &mut Interrupts)?)
    })
}

/// From anchor to anchor.
fn ways(w: &Ways, asked: Asked, rows: usize) -> Result<Found> {
    let trails = if asked.needs_shown() { Some(w.trails()?) } else { None };
    let report = trails.as_ref().map(|t| (t, rows));
    let (names, workers) = (&w.ground.names.names, settings::workers());
    all(|part| {
        let partial = w.gathered(part, &workers)?;
        Ok(find_on_trails(
            w.journey,
            names,
            partial,
            asked,
            report,
            &workers,
            &mut Interrupts,
        )?)
    })
}

fn run(sql: &Sql, q: &Question, asked: Asked, rows: usize, project: Option<&str>, page: Page) -> Result<Vec<Row>> {
    let shown = |ground: &Ground, found: Found| {
        let rows = members::rows(ground.sql, ground.project, ground.by, &found, page)?;
        Ok(rows.into_iter().map(|(id, n, p)| (id, n as i64, p)).collect())
    };
    ask(
        sql,
        q,
        project,
        |a| shown(a.ground, around(a, asked, rows)?),
        |w| shown(w.ground, ways(w, asked, rows)?),
    )
}

#[pg_extern(schema = "analytics_groups", name = "flow_members", stable, parallel_restricted)]
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
    exclude: default!(Option<Jsonb>, "NULL"),
    hold: default!(Option<Vec<Option<String>>>, "NULL"),
    split: default!(Option<Jsonb>, "NULL"),
    filter: default!(Option<&str>, "NULL"),
    anchor: default!(Option<i32>, "1"),
    step: default!(Option<i32>, "0"),
    event: default!(Option<&str>, "NULL"),
    next_event: default!(Option<&str>, "NULL"),
    next_anchor: default!(Option<i32>, "NULL"),
    next_step: default!(Option<i32>, "NULL"),
    path: default!(Option<Vec<Option<String>>>, "NULL"),
    after: default!(Option<&str>, "NULL"),
    page_size: default!(Option<i32>, "NULL"),
    project: default!(Option<&str>, "NULL"),
) -> Result<TableIterator<'static, (name!(id, String), name!(times, i64), name!(properties, JsonB))>, ErrorReport> {
    let q = question(Arguments {
        anchors,
        range: (from_date, to_date),
        by,
        forward,
        reverse,
        within,
        count,
        collapse,
        hide,
        exclude,
        hold,
        split,
        filter,
    })?;
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
        Some(_) if event.is_some() || next_event.is_some() || next_anchor.is_some() || next_step.is_some() => {
            return Err(Failure::param(
                "a path and an event of one exclude each other",
                "Ask for path, or for step, event and next_event.",
            )
            .into());
        }
        Some(path) => Asked::Path(path),
        None => Asked::Edge {
            anchor: required(
                anchor,
                "anchor",
                "It is the column \"anchor\" of the report's row; 1 is the first.",
            )?,
            step: required(
                step,
                "step",
                "It is the column \"step\" of the report's row; 0 is the anchor.",
            )?,
            event,
            next: next_event,
            next_anchor,
            next_step,
        },
    };
    let page = Page::new(after, page_size)?;
    let rows = spi::connect(|sql| run(sql, &q, asked, shown, project, page))?;
    Ok(TableIterator::new(rows))
}
