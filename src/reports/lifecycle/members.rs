//! lifecycle_members: who is new, retained, resurrected or dormant in an interval.

use super::Question;
use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::instants::to_ms;
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::reports::arguments::required;
use crate::reports::members::{self, Page};
use engine::lifecycle::{STATES, State, members as find};
use pgrx::JsonB;
use pgrx::datum::{Date, TimestampWithTimeZone};
use pgrx::prelude::*;

fn run(sql: &Sql, q: &Question, bucket: i64, state: State, page: Page) -> Result<Vec<(String, JsonB)>> {
    q.ask(sql, |project, plan, partial| {
        let found = find(plan, partial, bucket, state, &mut Interrupts)?;
        let found: Vec<_> = found.into_iter().map(|no| (no, ())).collect();
        let rows = members::rows(sql, project, plan.by, &found, page)?;
        Ok(rows.into_iter().map(|(id, (), properties)| (id, properties)).collect())
    })
}

#[pg_extern(schema = "analytics_groups", name = "lifecycle_members", stable, parallel_restricted)]
#[allow(clippy::too_many_arguments)]
fn lifecycle_members(
    event: default!(Option<Jsonb>, "'\"$any\"'"),
    from_date: default!(Option<Date>, "NULL"),
    to_date: default!(Option<Date>, "NULL"),
    by: default!(Option<&str>, "'user'"),
    unit: default!(Option<&str>, "'week'"),
    bucket: default!(Option<TimestampWithTimeZone>, "NULL"),
    state: default!(Option<&str>, "'dormant'"),
    after: default!(Option<&str>, "NULL"),
    page_size: default!(Option<i32>, "NULL"),
    project: default!(Option<&str>, "NULL"),
) -> Result<TableIterator<'static, (name!(id, String), name!(properties, JsonB))>, ErrorReport> {
    let state = STATES.into_iter().find(|s| Some(s.name()) == state).ok_or_else(|| {
        Failure::param(
            format!("unknown state {}", state.map_or("NULL".into(), |s| format!("\"{s}\""))),
            "Use 'new', 'retained', 'resurrected' or 'dormant'.",
        )
    })?;
    let bucket = required(bucket, "bucket", "It is the column \"bucket\" of the report's row.")?;
    let page = Page::new(after, page_size)?;
    let question = Question::new(event, (from_date, to_date), by, unit, project)?;
    let rows = spi::connect(|sql| run(sql, &question, to_ms(bucket), state, page))?;
    Ok(TableIterator::new(rows))
}
