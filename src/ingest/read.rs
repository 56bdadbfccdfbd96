//! Reading the rows of a relation as lines of JSON, slice by slice, and which of them were read before.

use super::import::Mode;
use super::relation::{Mapping, Relation};
use crate::error::{Failure, Result};
use crate::pg::interrupts::{self, Interrupts};
use crate::pg::spi::{Arg, Cursor, Rows, Sql};
use crate::registry::Project;
use crate::settings;
use engine::error::Error;
use engine::tick::Tick;
use serde_json::Value as Json;
use std::time::{Duration, Instant};

/// Rows that are fetched at once.
const FETCH: usize = 1000;

/// Bytes of a slice.
const SLICE_BYTES: usize = 16 << 20;

/// How often an import says how far it is.
const EVERY: Duration = Duration::from_secs(5);

/// What becomes of a value that is read.
pub(super) enum Slot {
    /// How every line begins, up to the brace before its properties; nothing is read.
    Begin(String),
    /// The same around what is read.
    Around(&'static str, &'static str),
    /// A JSON object whose members are properties.
    Object,
    /// A property: its name in quotes and a colon. What is NULL is left out.
    Property(String),
}

impl Slot {
    pub fn property(name: &str) -> Slot {
        Slot::Property(format!("{}:", Json::from(name)))
    }
}

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
    slots: Vec<Slot>,
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
        slots: Vec<(Slot, String)>,
        most: usize,
    ) -> Result<Self> {
        let insert_time = mapping.column(relation, "insert_time_column")?;
        let (slots, columns): (Vec<Slot>, Vec<String>) = slots.into_iter().unzip();
        let select = format!("SELECT {} FROM {} s", columns.join(", "), relation.sql);
        let mut reader = Reader {
            sql,
            project,
            cursor: None,
            slots,
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
                line(&rows, i, &self.slots, &mut lines.bytes)?;
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

/// Appends a row as a line.
fn line(rows: &Rows, i: usize, slots: &[Slot], out: &mut Vec<u8>) -> Result<()> {
    let from = out.len();
    let mut empty = true;
    let mut whole = None;
    for (column, slot) in slots.iter().enumerate() {
        let value = match slot {
            Slot::Begin(_) => None,
            _ => rows.bytes_or_null(i, column, true)?,
        };
        out.try_reserve(value.as_ref().map_or(0, Vec::len) + 300)
            .map_err(|_| Error::OutOfMemory("rows of an import"))?;
        match (slot, value) {
            (Slot::Begin(json), _) => out.extend_from_slice(json.as_bytes()),
            (Slot::Around(before, after), value) => {
                out.extend_from_slice(before.as_bytes());
                out.extend_from_slice(value.as_deref().unwrap_or(b"null"));
                out.extend_from_slice(after.as_bytes());
            }
            (_, None) => {}
            (Slot::Object, Some(value)) => match members(&value) {
                Some(members) => {
                    out.extend_from_slice(members);
                    empty = members.is_empty();
                }
                None if value.trim_ascii() == b"null" => {}
                None => whole = Some((out.len(), value)),
            },
            (Slot::Property(name), Some(value)) => {
                if !std::mem::take(&mut empty) {
                    out.push(b',');
                }
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(&value);
            }
        }
    }
    if let Some((at, value)) = whole {
        // Not an object: the record is refused for it.
        out.truncate(at.saturating_sub(1));
        out.extend_from_slice(&value);
    } else {
        out.push(b'}');
    }
    out.push(b'}');
    // A line break inside of JSON is only white space between its tokens.
    for b in out.iter_mut().skip(from) {
        if matches!(*b, b'\n' | b'\r') {
            *b = b' ';
        }
    }
    out.push(b'\n');
    Ok(())
}

/// What is between the braces of an object.
fn members(json: &[u8]) -> Option<&[u8]> {
    let inside = json.trim_ascii().strip_prefix(b"{")?.strip_suffix(b"}")?;
    Some(inside.trim_ascii())
}
