//! What is kept of imports: how far they are, for whoever watches, and the rows that were refused.

use super::Stored;
use super::import::Tally;
use super::marks::Marks;
use crate::error::Result;
use crate::pg::interrupts;
use crate::pg::spi::{Arg, Sql};
use crate::registry::Project;
use engine::ingest::RecordError;
use std::time::{Duration, Instant};

/// How often an import says how far it is.
const EVERY: Duration = Duration::from_secs(5);

/// Refused rows of one call that are kept, the first of them.
const KEPT_OF_A_CALL: usize = 1000;

/// An import in progress.
pub(super) struct Run<'a> {
    sql: &'a Sql,
    project: &'a Project,
    function: &'static str,
    pub source: String,
    pub target: String,
    pub tally: Tally,
    kept: usize,
    said: Instant,
}

/// Which part of an import a transaction is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// One of several; whether more follow.
    Batch {
        more: bool,
    },
}

impl<'a> Run<'a> {
    pub fn new(sql: &'a Sql, project: &'a Project, function: &'static str, source: &str, target: &str) -> Self {
        Run {
            sql,
            project,
            function,
            source: source.to_string(),
            target: target.to_string(),
            tally: Tally::default(),
            kept: 0,
            said: Instant::now(),
        }
    }

    /// Adds what became of so many rows.
    pub fn took(&mut self, rows: usize, stored: Stored) -> Result<()> {
        self.keep(&stored.failed)?;
        self.tally.add(rows, stored);
        if self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            let (rows, refused) = (self.tally.rows, self.tally.refused);
            interrupts::notice(&format!(
                "{}: {rows} rows read, {refused} of them refused",
                self.function
            ));
        }
        Ok(())
    }

    /// Keeps rows that were refused.
    fn keep(&mut self, failed: &[RecordError]) -> Result<()> {
        let room = KEPT_OF_A_CALL.saturating_sub(self.kept);
        let failed = failed.get(..failed.len().min(room)).unwrap_or_default();
        if failed.is_empty() {
            return Ok(());
        }
        self.kept += failed.len();
        let row = |f: &RecordError| (f.index + self.tally.rows + 1) as i64;
        let rows: Vec<i64> = failed.iter().map(row).collect();
        let ids: Vec<&str> = failed.iter().map(|f| f.insert_id.as_deref().unwrap_or("")).collect();
        let fields: Vec<&str> = failed.iter().map(|f| f.field.as_str()).collect();
        let messages: Vec<&str> = failed.iter().map(|f| f.message.as_str()).collect();
        self.sql.write(
            &self.project.sql(
                "INSERT INTO @.import_error (source, target, row_no, insert_id, field, message)
                 SELECT $1, $2, r, nullif(i, ''), f, m FROM unnest($3, $4, $5, $6) AS t(r, i, f, m)",
            ),
            &[
                Arg::Text(&self.source),
                Arg::Text(&self.target),
                Arg::Ints(&rows),
                Arg::Texts(&ids),
                Arg::Texts(&fields),
                Arg::Texts(&messages),
            ],
        )?;
        // The newest of a project stay.
        self.sql.write(
            &self
                .project
                .sql("DELETE FROM @.import_error WHERE no <= (SELECT max(no) - 10000 FROM @.import_error)"),
            &[],
        )?;
        Ok(())
    }

    /// Notes how far the import came: up to which insert time, if that counts.
    pub fn end(&self, until: Option<&str>, part: Part) -> Result<()> {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.sql.write(
            &self.project.sql(
                "INSERT INTO @.import_mark AS m (source, target, mark, rows_read, imported, refused) VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (source, target) DO UPDATE SET
                     mark = coalesce(nullif($3, ''), m.mark), updated_at = now(),
                     rows_read = CASE WHEN $7 THEN m.rows_read ELSE 0 END + $4,
                     imported = CASE WHEN $7 THEN m.imported ELSE 0 END + $5,
                     refused = CASE WHEN $7 THEN m.refused ELSE 0 END + $6,
                     started_at = CASE WHEN $7 THEN m.started_at ELSE now() END,
                     rows_expected = CASE WHEN $7 THEN m.rows_expected END,
                     pid = CASE WHEN $8 THEN m.pid END",
            ),
            &[
                Arg::Text(&self.source),
                Arg::Text(&self.target),
                Arg::Text(until.unwrap_or("")),
                Arg::Int(count(self.tally.rows)),
                Arg::Int(count(self.tally.imported)),
                Arg::Int(count(self.tally.refused)),
                Arg::Bool(part != Part::Whole),
                Arg::Bool(part == Part::Batch { more: true }),
            ],
        )?;
        Ok(())
    }
}

/// The largest insert time that was read before, empty when nothing was. Whoever imports the same meanwhile waits here,
/// and finds ours.
pub(super) fn after(sql: &Sql, project: &Project, source: &str, target: &str) -> Result<String> {
    let of = [Arg::Text(source), Arg::Text(target)];
    sql.write(
        &project.sql("INSERT INTO @.import_mark (source, target, mark) VALUES ($1, $2, '') ON CONFLICT DO NOTHING"),
        &of,
    )?;
    let rows = sql.write(
        &project.sql("SELECT mark FROM @.import_mark WHERE source = $1 AND target = $2 FOR UPDATE"),
        &of,
    )?;
    Ok(rows.text(0, 0)?.to_string())
}

/// The insert times that cut what is not read yet into batches of about `rows` rows, the last of all rows at the end; and
/// notes that these are being read.
pub(super) fn plan(
    sql: &Sql,
    project: &Project,
    (source, target): (&str, &str),
    marks: &Marks,
    rows: i64,
) -> Result<Vec<String>> {
    let after = after(sql, project, source, target)?;
    let mut found = sql.cursor(&marks.cuts(source, "$1", "$2"), &[Arg::Text(&after), Arg::Int(rows)])?;
    let (mut cuts, mut expected): (Vec<String>, i64) = (Vec::new(), 0);
    loop {
        let rows = found.fetch(1000)?;
        if rows.len() == 0 {
            break;
        }
        for i in 0..rows.len() {
            expected = rows.int(i, 1)?;
            cuts.push(rows.text(i, 0)?.to_string());
        }
    }
    found.close();
    // Rows of one insert time are read together.
    cuts.dedup();
    sql.write(
        &project.sql(
            "UPDATE @.import_mark SET started_at = now(), updated_at = now(), pid = CASE WHEN $3 > 0 THEN pg_backend_pid() END, rows_read = 0, imported = 0, refused = 0,
                 rows_expected = $3 WHERE source = $1 AND target = $2",
        ),
        &[Arg::Text(source), Arg::Text(target), Arg::Int(expected)],
    )?;
    Ok(cuts)
}
