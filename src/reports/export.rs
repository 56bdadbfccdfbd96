//! export_events: every event as it was sent, in the JSON that ingestion takes.
//!
//! Segment after segment is decoded, and its rows are handed to Postgres, which keeps them on disk when they are many.

use super::arguments::{self, required};
use super::context::Context;
use super::subject;
use crate::error::Result;
use crate::pg::interrupts::Interrupts;
use crate::pg::rows::JsonbRows;
use crate::pg::spi::{self, Sql};
use crate::pg::{ErrorReport, FunctionCallInfo};
use crate::registry::{self, Project};
use crate::store::scan::{self, Need};
use engine::chunk::{Chunk, SubjectNo, USER};
use engine::error::{Error, try_vec};
use engine::export::Names;
use engine::expr::{AlternativeSpec, Expr, SelectorSpec};
use engine::mask::Mask;
use engine::tick::{EVERY, Tick};
use pgrx::datum::Date;
use pgrx::prelude::*;
use std::collections::BTreeMap;

/// What is asked.
struct Question<'a> {
    range: (Option<Date>, Option<Date>),
    /// `None` = all.
    events: Option<Vec<String>>,
    filter: Option<&'a str>,
    project: Option<&'a str>,
}

fn run(sql: &Sql, q: Question, rows: &mut JsonbRows) -> Result<()> {
    let project = registry::open(sql, q.project)?;
    let days = arguments::range(q.range.0, q.range.1)?;
    let filter = arguments::filter(q.filter)?;
    let pick = |event: Option<String>| AlternativeSpec {
        event,
        filter: None,
        first: None,
    };
    let spec = SelectorSpec {
        alternatives: match q.events {
            None => vec![pick(None)],
            Some(names) => names.into_iter().map(|name| pick(Some(name))).collect(),
        },
    };
    let references = filter.as_ref().map(Expr::references).unwrap_or_default();
    let context = Context::new(sql, &project, &[&spec], references)?.ungoverned()?;
    arguments::notice_unknown(&context, &[&spec])?;
    let selector = context.bind(&spec, USER, filter.as_ref())?;
    let remap = context.remap()?;
    let names = names(sql, &project)?;
    let mut properties = names.properties();
    properties.extend(selector.properties());
    properties.sort_unstable();
    properties.dedup();
    let need = Need {
        events: selector.events(),
        kinds: selector.kinds().into_iter().collect(),
        properties,
        ..Need::default()
    };
    let span = project.calendar.days(days.0, days.1)?;
    let mut line = Vec::new();
    scan::scan(sql, &project, &need, span, &mut |chunk, keep| {
        let picked = selector.hits(chunk, keep, USER, &mut Interrupts)?.rows;
        let users = Users::read(sql, &project, chunk, &picked, remap.as_deref())?;
        for (i, row) in picked.ones().enumerate() {
            if i % EVERY == 0 {
                Interrupts.tick()?;
            }
            line.clear();
            names.write(chunk, row, users.id(chunk, row), &mut line)?;
            line.push(0);
            rows.push(&line)?;
        }
        Ok(())
    })
}

/// The names of all events and properties.
fn names(sql: &Sql, project: &Project) -> Result<Names> {
    let read = |table: &str| sql.read(&project.sql(&format!("SELECT no::bigint, name FROM @.{table}")), &[]);
    let (events, properties) = (read("event_name")?, read("property")?);
    let named = |rows: &spi::Rows<'_>| -> Result<Vec<(u32, String)>> {
        let each = (0..rows.len()).map(|i| {
            let no = u32::try_from(rows.int(i, 0)?).unwrap_or(0);
            Ok((no, rows.text(i, 1)?.to_string()))
        });
        each.collect()
    };
    let (events, properties) = (named(&events)?, named(&properties)?);
    Ok(Names::new(
        events.iter().map(|(no, name)| (*no, name.as_str())),
        properties.iter().map(|(no, name)| (*no, name.as_str())),
    ))
}

/// The users of the picked rows of a chunk, after identity merges.
struct Users<'r> {
    remap: Option<&'r [SubjectNo]>,
    ids: BTreeMap<SubjectNo, String>,
}

impl<'r> Users<'r> {
    fn read(
        sql: &Sql,
        project: &Project,
        chunk: &Chunk,
        picked: &Mask,
        remap: Option<&'r [SubjectNo]>,
    ) -> Result<Self> {
        let mut users = Users {
            remap,
            ids: BTreeMap::new(),
        };
        let mut numbers = try_vec(picked.count(), "the users of a segment")?;
        numbers.extend(picked.ones().map(|row| users.of(chunk, row)).filter(|no| *no != 0));
        numbers.sort_unstable();
        numbers.dedup();
        if !numbers.is_empty() {
            users.ids = subject::ids(sql, project, USER, &numbers)?;
        }
        if users.ids.len() < numbers.len() {
            return Err(Error::corrupt("a user of an event has no id").into());
        }
        Ok(users)
    }

    fn of(&self, chunk: &Chunk, row: usize) -> SubjectNo {
        let user = chunk.user.get(row).copied().unwrap_or(0);
        self.remap.and_then(|r| r.get(user as usize).copied()).unwrap_or(user)
    }

    /// Empty for an event of nobody.
    fn id(&self, chunk: &Chunk, row: usize) -> &str {
        self.ids.get(&self.of(chunk, row)).map_or("", String::as_str)
    }
}

#[pg_extern(
    schema = "analytics_groups",
    stable,
    parallel_restricted,
    sql = r#"
CREATE FUNCTION analytics_groups.export_events(from_date date, to_date date, events text[] DEFAULT NULL,
    filter text DEFAULT NULL, project text DEFAULT NULL) RETURNS SETOF jsonb
STABLE PARALLEL RESTRICTED ROWS 100000 LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#
)]
fn export_events(
    from_date: Option<Date>,
    to_date: Option<Date>,
    events: Option<Vec<Option<String>>>,
    filter: Option<&str>,
    project: Option<&str>,
    fcinfo: FunctionCallInfo,
) -> Result<(), ErrorReport> {
    const EVENTS: &str = "It is a list of event names; without it all events are exported.";
    let named = |events: Vec<Option<String>>| -> Result<Vec<String>> {
        let each = events.into_iter().map(|e| required(e, "an element of events", EVENTS));
        each.collect()
    };
    let question = Question {
        range: (from_date, to_date),
        events: events.map(named).transpose()?,
        filter,
        project,
    };
    let mut rows = JsonbRows::new(fcinfo)?;
    spi::connect(|sql| run(sql, question, &mut rows))?;
    Ok(())
}
