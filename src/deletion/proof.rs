//! The proof of a deletion: everything that is stored is read, and every place is named where something of a user is left,
//! or of a number that stands for nobody.

use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{self, Arg, Sql};
use crate::registry::{self, Project};
use crate::reports::{self, subject};
use crate::store::identity;
use engine::bitmap::{Bitmap, View};
use engine::block::{self, Wanted};
use engine::chunk::{SubjectNo, USER};
use engine::codec;
use engine::row;
use engine::stream::{Buffers, Columns, Part, decode};
use engine::tick::{EVERY, Tick};
use pgrx::prelude::*;

/// Whose traces are looked for: a user by all of its numbers, and everybody whom the dictionary has not.
struct Traces<'a> {
    sql: &'a Sql,
    project: &'a Project,
    all: Vec<SubjectNo>,
    known: Bitmap,
    found: Vec<(String, i64)>,
}

impl Traces<'_> {
    fn is(&self, no: SubjectNo) -> bool {
        no != 0 && (self.all.binary_search(&no).is_ok() || !self.known.contains(no))
    }

    fn note(&mut self, place: &str, traces: i64) {
        if traces > 0 {
            self.found.push((place.to_string(), traces));
        }
    }

    fn count(&self, users: &[SubjectNo]) -> Result<i64> {
        let mut n = 0;
        for (i, no) in users.iter().enumerate() {
            if i % EVERY == 0 {
                Interrupts.tick()?;
            }
            n += i64::from(self.is(*no));
        }
        Ok(n)
    }

    /// Rows of a table whose number is one of these.
    fn rows(&mut self, place: &str, text: &str) -> Result<()> {
        let rows = self.sql.read(&self.project.sql(text), &[])?;
        let mut n = 0;
        for i in 0..rows.len() {
            if i % EVERY == 0 {
                Interrupts.tick()?;
            }
            n += i64::from(self.is(u32::try_from(rows.int(i, 0)?).unwrap_or(0)));
        }
        drop(rows);
        self.note(place, n);
        Ok(())
    }

    fn waiting(&mut self) -> Result<()> {
        let rows = self.sql.read(&self.project.sql("SELECT data FROM @.event_row"), &[])?;
        let mut n = 0;
        for i in 0..rows.len() {
            if i % EVERY == 0 {
                Interrupts.tick()?;
            }
            n += i64::from(self.is(row::decode(&rows.bytes(i, 0)?)?.user));
        }
        drop(rows);
        self.note("events that wait, single", n);
        let rows = self
            .sql
            .read(&self.project.sql("SELECT batch, data FROM @.event_block"), &[])?;
        let wanted = Wanted {
            kinds: Some(Vec::new()),
            properties: Some(Vec::new()),
            inserts: false,
        };
        let mut n = 0;
        for i in 0..rows.len() {
            Interrupts.tick()?;
            let chunk = block::decode(&rows.bytes(i, 1)?, &wanted)
                .map_err(|e| Failure::from(e).within(format!("block {}", rows.int(i, 0).unwrap_or(0))))?;
            n += self.count(&chunk.user)?;
        }
        drop(rows);
        self.note("events that wait, in blocks", n);
        Ok(())
    }

    fn sealed(&mut self) -> Result<()> {
        let text = self
            .project
            .sql("SELECT no, n::bigint, users FROM @.segment ORDER BY no");
        let rows = self.sql.read(&text, &[])?;
        let mut n = 0;
        for i in 0..rows.len() {
            Interrupts.tick()?;
            let length = usize::try_from(rows.int(i, 1)?).unwrap_or(0);
            let users = codec::decode_ids(&rows.bytes(i, 2)?, length)
                .map_err(|e| Failure::from(e).within(format!("segment {}", rows.int(i, 0).unwrap_or(0))))?;
            n += self.count(&users)?;
        }
        drop(rows);
        self.note("sealed events", n);
        Ok(())
    }

    /// Stored sets of users.
    fn sets(&mut self, place: &str, text: &str) -> Result<()> {
        let rows = self.sql.read(&self.project.sql(text), &[])?;
        let mut n = 0;
        for i in 0..rows.len() {
            Interrupts.tick()?;
            let data = rows.bytes(i, 0)?;
            let (portable, _) = codec::open_subjects(&data).map_err(|e| Failure::from(e).within(place))?;
            let mut any = false;
            View::new(portable)?.try_for_each(|no| {
                any |= self.is(no);
                Ok(())
            })?;
            n += i64::from(any);
        }
        drop(rows);
        self.note(place, n);
        Ok(())
    }

    fn stream(&mut self) -> Result<()> {
        let rows = self.sql.read(
            &self
                .project
                .sql("SELECT part::bigint, n::bigint, users FROM @.user_stream WHERE part >= 0"),
            &[],
        )?;
        let columns = Columns {
            users: true,
            times: false,
            events: false,
        };
        let mut part = Part::default();
        let mut n = 0;
        for i in 0..rows.len() {
            Interrupts.tick()?;
            let number = u32::try_from(rows.int(i, 0)?).unwrap_or(0);
            let buffers = Buffers {
                n: usize::try_from(rows.int(i, 1)?).unwrap_or(0),
                users: rows.bytes(i, 2)?,
                times: Vec::new(),
                events: Vec::new(),
            };
            decode(&buffers, columns, &mut part).map_err(|e| Failure::from(e).within("user_stream"))?;
            n += i64::from(part.users.iter().any(|low| self.is(number << 16 | *low)));
        }
        drop(rows);
        self.note("days of the stream of users", n);
        Ok(())
    }

    /// Texts that name the id.
    fn named(&mut self, place: &str, text: &str, id: &str) -> Result<()> {
        let rows = self.sql.read(&self.project.sql(text), &[Arg::Text(id)])?;
        let n = rows.int(0, 0)?;
        drop(rows);
        self.note(place, n);
        Ok(())
    }
}

fn traces(sql: &Sql, id: &str, project: Option<&str>) -> Result<Vec<(String, i64)>> {
    let project = &registry::open(sql, project)?;
    let all = subject::find(sql, project, USER, id)?.map_or_else(Vec::new, |user| user.all);
    let rows = sql.read(&project.sql("SELECT no FROM @.subject WHERE kind = 0 ORDER BY no"), &[])?;
    let mut numbers = engine::error::try_vec(rows.len(), "numbers of the dictionary")?;
    for i in 0..rows.len() {
        numbers.push(u32::try_from(rows.int(i, 0)?).unwrap_or(0));
    }
    drop(rows);
    let mut t = Traces {
        sql,
        project,
        all,
        known: Bitmap::from_ids(numbers, &mut Interrupts)?,
        found: Vec::new(),
    };
    t.rows("ids in the dictionary", "SELECT no FROM @.subject WHERE kind = 0")?;
    t.rows("profiles", "SELECT no FROM @.user_profile")?;
    t.rows("groups until further notice", "SELECT no FROM @.sticky_group")?;
    t.rows(
        "links between ids",
        "SELECT no FROM @.identity UNION ALL SELECT linked_to FROM @.identity",
    )?;
    let sealed = identity::sealed_of(sql, project, |no| t.is(no))?;
    t.note("links between ids, sealed", sealed);
    t.waiting()?;
    t.sealed()?;
    t.sets("sets of users", "SELECT data FROM @.subject_set WHERE kind = 0")?;
    t.stream()?;
    t.sets(
        "frozen cohorts",
        "SELECT members FROM @.cohort WHERE kind = 0 AND members IS NOT NULL",
    )?;
    t.named(
        "definitions of cohorts that name it",
        // In a selector as it is, in the text of a filter with its quotes escaped.
        r#"SELECT count(*) FROM @.cohort WHERE position(to_json($1)::text IN replace(definition::text, '\"', '"')) > 0"#,
        id,
    )?;
    t.named(
        "lookup tables that list it",
        "SELECT count(DISTINCT lookup) FROM @.lookup_column WHERE position(to_json($1)::text IN data) > 0",
        id,
    )?;
    let disk = sql.read(
        "SELECT count(DISTINCT name) FROM analytics_groups._on_disk($1)",
        &[Arg::Text(&project.name)],
    )?;
    t.note("tables with deleted rows still on disk", disk.int(0, 0)?);
    Ok(t.found)
}

#[pg_extern(schema = "analytics_groups", stable, parallel_restricted)]
#[allow(clippy::type_complexity)]
fn erased(
    distinct_id: Option<&str>,
    project: default!(Option<&str>, "NULL"),
) -> Result<TableIterator<'static, (name!(place, String), name!(traces, i64))>, ErrorReport> {
    let id = reports::required(distinct_id, "distinct_id", "The id that was deleted.")?;
    let found = spi::connect(|sql| traces(sql, id, project))?;
    Ok(TableIterator::new(found))
}
