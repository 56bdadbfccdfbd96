//! frequency_members: who was active in so many hours of a day, or days of a week or month.

use super::Question;
use crate::error::Result;
use crate::pg::ErrorReport;
use crate::pg::instants::to_ms;
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Sql};
use crate::reports::arguments::required;
use crate::reports::members::{self, Page};
use engine::frequency::members as find;
use pgrx::JsonB;
use pgrx::datum::{Date, TimestampWithTimeZone};
use pgrx::prelude::*;

fn run(sql: &Sql, q: &Question, bucket: i64, active: u32, page: Page) -> Result<Vec<(String, i32, JsonB)>> {
    q.ask(sql, |project, plan, partial| {
        let found = find(plan, partial, bucket, active, &mut Interrupts)?;
        let rows = members::rows(sql, project, plan.by, &found, page)?;
        Ok(rows
            .into_iter()
            .map(|(id, n, properties)| (id, n as i32, properties))
            .collect())
    })
}

#[pg_extern(schema = "analytics_groups", name = "frequency_members", stable, parallel_restricted)]
#[allow(clippy::too_many_arguments)]
fn frequency_members(
    event: default!(Option<Jsonb>, "'\"$any\"'"),
    from_date: default!(Option<Date>, "NULL"),
    to_date: default!(Option<Date>, "NULL"),
    by: default!(Option<&str>, "'user'"),
    unit: default!(Option<&str>, "'week'"),
    every: default!(Option<&str>, "NULL"),
    cumulative: default!(Option<bool>, "true"),
    bucket: default!(Option<TimestampWithTimeZone>, "NULL"),
    active: default!(Option<i32>, "1"),
    after: default!(Option<&str>, "NULL"),
    page_size: default!(Option<i32>, "NULL"),
    project: default!(Option<&str>, "NULL"),
) -> Result<TableIterator<'static, (name!(id, String), name!(active_in, i32), name!(properties, JsonB))>, ErrorReport> {
    let bucket = required(bucket, "bucket", "It is the column \"bucket\" of the report's row.")?;
    let active = required(active, "active", "It is the column \"active\" of the report's row.")?;
    let page = Page::new(after, page_size)?;
    let question = Question::new(event, (from_date, to_date), by, (unit, every), cumulative, project)?;
    let active = u32::try_from(active).unwrap_or(0);
    let rows = spi::connect(|sql| run(sql, &question, to_ms(bucket), active, page))?;
    Ok(TableIterator::new(rows))
}
