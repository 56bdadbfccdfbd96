//! Reading the rows of a relation as lines of JSON, slice by slice, and which of them were read before.

use super::import::Mode;
use super::line::{Slot, line};
use super::relation::{Form, Mapping, Relation, Selected};
use crate::error::{Failure, Result};
use crate::pg::interrupts::{self, Interrupts};
use crate::pg::row_values::Buffers;
use crate::pg::spi::{Arg, Cursor, Sql};
use crate::registry::Project;
use crate::settings;
use engine::tick::Tick;
use std::time::{Duration, Instant};

/// Rows that are fetched at once.
const FETCH: usize = 1000;

/// Bytes of a slice.
const SLICE_BYTES: usize = 16 << 20;

/// How often an import says how far it is.
const EVERY: Duration = Duration::from_secs(5);

/// A slice of lines.
pub(super) struct Lines {
    pub bytes: Vec<u8>,
    pub count: usize,
}

/// How far the imports of a relation are.
struct Mark {
    source: String,
    target: String,
    until: String,
}

/// The rows of a relation.
pub(super) struct Reader<'a> {
    sql: &'a Sql,
    project: &'a Project,
    /// `None` = there is nothing to read.
    cursor: Option<Cursor<'a>>,
    slots: Vec<(Slot, Form)>,
    buffers: Buffers,
    mark: Option<Mark>,
    most: usize,
    said: Instant,
}

impl<'a> Reader<'a> {
    /// Opens the rows that an import is to read, with the columns of `slots`; at `most` so many are a slice.
    #[allow(clippy::too_many_arguments)]
    pub fn open(
        sql: &'a Sql,
        project: &'a Project,
        mapping: &Mapping,
        relation: &Relation,
        mode: Mode,
        target: &str,
        slots: Vec<(Slot, Selected)>,
        most: usize,
    ) -> Result<Self> {
        let insert_time = mapping.column(relation, "insert_time_column")?;
        let columns: Vec<String> = slots.iter().map(|(_, selected)| selected.sql.clone()).collect();
        let slots = slots.into_iter().map(|(slot, selected)| (slot, selected.form)).collect();
        let select = format!("SELECT {} FROM {} s", columns.join(", "), relation.sql);
        let mut reader = Reader {
            sql,
            project,
            cursor: None,
            slots,
            buffers: Buffers::default(),
            mark: None,
            most: settings::limits().batch_records.clamp(1, most),
            said: Instant::now(),
        };
        if mode == Mode::All {
            reader.cursor = Some(sql.cursor(&select, &[])?);
            return Ok(reader);
        }
        let insert_time = insert_time.ok_or_else(|| {
            Failure::param(
                "mapping: insert_time_column is missing, which mode 'append' needs",
                "Name the column that says when a row was inserted, or import all rows with mode => 'one_time'.",
            )
        })?;
        let (largest, condition) = insert_time.mark("$1", "$2")?;
        let after = after(sql, project, &relation.sql, target)?;
        let mut found = sql.cursor(&format!("SELECT {largest} FROM {} s", relation.sql), &[])?;
        let until = found.fetch(1)?.get::<String>(0, 0);
        found.close();
        // Of no rows, or of rows without an insert time, none is new.
        if let Some(until) = until {
            let args = [Arg::Text(&after), Arg::Text(&until)];
            reader.cursor = Some(sql.cursor(&format!("{select} WHERE {condition}"), &args)?);
            reader.mark = Some(Mark {
                source: relation.sql.clone(),
                target: target.to_string(),
                until,
            });
        }
        Ok(reader)
    }

    /// The next slice; none after the last row.
    pub fn lines(&mut self) -> Result<Option<Lines>> {
        let mut lines = Lines {
            bytes: Vec::new(),
            count: 0,
        };
        let Some(cursor) = &mut self.cursor else {
            return Ok(None);
        };
        while lines.count < self.most && lines.bytes.len() < SLICE_BYTES {
            Interrupts.tick()?;
            let rows = cursor.fetch(FETCH.min(self.most - lines.count))?;
            if rows.len() == 0 {
                break;
            }
            for i in 0..rows.len() {
                line(&rows.row(i, &mut self.buffers)?, &self.slots, &mut lines.bytes)?;
            }
            lines.count += rows.len();
        }
        Ok((lines.count > 0).then_some(lines))
    }

    /// Says every few seconds how far it is.
    pub fn progress(&mut self, of: &str, rows: usize, refused: usize) {
        if self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            interrupts::notice(&format!("{of}: {rows} rows read, {refused} of them refused"));
        }
    }

    /// Notes which rows were read.
    pub fn close(self) -> Result<()> {
        if let Some(cursor) = self.cursor {
            cursor.close();
        }
        if let Some(mark) = self.mark {
            self.sql.write(
                &self
                    .project
                    .sql("UPDATE @.import_mark SET mark = $3, updated_at = now() WHERE source = $1 AND target = $2"),
                &[Arg::Text(&mark.source), Arg::Text(&mark.target), Arg::Text(&mark.until)],
            )?;
        }
        Ok(())
    }
}

/// The largest insert time that was read before, empty when nothing was. Whoever imports the same meanwhile waits here,
/// and finds ours.
fn after(sql: &Sql, project: &Project, source: &str, target: &str) -> Result<String> {
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
