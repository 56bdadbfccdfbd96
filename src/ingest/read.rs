//! Reading the rows of a relation as lines of JSON, slice by slice, and which of them were read before.

use super::import::Mode;
use super::line::{Slot, line};
use super::relation::{Form, Mapping, Relation, Selected};
use super::runs;
use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::row_values::Buffers;
use crate::pg::spi::{Arg, Cursor, Sql};
use crate::registry::Project;
use crate::settings;
use engine::tick::Tick;

/// Rows that are fetched at once.
pub(super) const FETCH: usize = 1000;

/// Bytes of a slice.
pub(super) const SLICE_BYTES: usize = 16 << 20;

/// A slice of lines.
#[derive(Default)]
pub(super) struct Lines {
    pub bytes: Vec<u8>,
    pub count: usize,
    /// Of a mirror: where each line comes from.
    pub origins: Vec<Origin>,
}

/// A row as it is remembered.
pub(super) struct Origin {
    /// Tells the row: a uuid.
    pub key: String,
    /// Tells its content.
    pub hash: i64,
    pub event: String,
    pub insert_id: String,
}

pub(super) fn no_insert_time() -> Failure {
    Failure::param(
        "mapping: insert_time_column is missing, which mode 'append' needs",
        "Name the column that says when a row was inserted, or import all rows with mode => 'one_time'.",
    )
}

/// Which rows an import reads.
pub(super) struct Asked<'m> {
    pub mapping: &'m Mapping,
    pub relation: &'m Relation,
    pub mode: Mode,
    pub target: &'m str,
    /// Nothing later than this, of mode `append`.
    pub until: Option<&'m str>,
    /// Rows of a slice, at most.
    pub most: usize,
    /// What the rows are sorted by, as SQL.
    pub order: Option<String>,
}

/// The rows of a relation.
pub(super) struct Reader<'a> {
    /// `None` = there is nothing to read.
    cursor: Option<Cursor<'a>>,
    slots: Vec<(Slot, Form)>,
    buffers: Buffers,
    until: Option<String>,
    most: usize,
}

impl<'a> Reader<'a> {
    /// Opens the rows that an import is to read, with the columns of `slots`.
    pub fn open(sql: &'a Sql, project: &Project, asked: &Asked, slots: Vec<(Slot, Selected)>) -> Result<Self> {
        let (mapping, relation) = (asked.mapping, asked.relation);
        let insert_time = mapping.column(relation, "insert_time_column")?;
        let columns: Vec<String> = slots.iter().map(|(_, selected)| selected.sql.clone()).collect();
        let slots = slots
            .into_iter()
            .map(|(slot, selected)| (slot, selected.form))
            .collect();
        let select = format!("SELECT {} FROM {} s", columns.join(", "), relation.sql);
        let order = asked
            .order
            .as_ref()
            .map_or(String::new(), |by| format!(" ORDER BY {by}"));
        let mut reader = Reader {
            cursor: None,
            slots,
            buffers: Buffers::default(),
            until: None,
            most: settings::limits().batch_records.clamp(1, asked.most),
        };
        if asked.mode != Mode::Append {
            reader.cursor = Some(sql.cursor(&format!("{select}{order}"), &[])?);
            return Ok(reader);
        }
        let marks = insert_time.ok_or_else(no_insert_time)?.marks()?;
        let after = runs::after(sql, project, &relation.sql, asked.target)?;
        let until = match asked.until {
            // Somebody else may have read them meanwhile.
            Some(until) => {
                let args = [Arg::Text(&after), Arg::Text(until)];
                let mut found = sql.cursor(&format!("SELECT {}", marks.is_later("$2", "$1")), &args)?;
                let later = found.fetch(1)?.get::<bool>(0, 0) == Some(true);
                found.close();
                later.then(|| until.to_string())
            }
            None => {
                let mut found = sql.cursor(&format!("SELECT {} FROM {} s", marks.largest(), relation.sql), &[])?;
                let until = found.fetch(1)?.get::<String>(0, 0);
                found.close();
                until
            }
        };
        // Of no rows, or of rows without an insert time, none is new.
        if let Some(until) = until {
            let args = [Arg::Text(&after), Arg::Text(&until)];
            let condition = marks.between("$1", "$2");
            reader.cursor = Some(sql.cursor(&format!("{select} WHERE {condition}{order}"), &args)?);
            reader.until = Some(until);
        }
        Ok(reader)
    }

    /// The next slice; none after the last row.
    pub fn lines(&mut self) -> Result<Option<Lines>> {
        let mut lines = Lines::default();
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

    /// Up to which insert time the rows were read, if that counts.
    pub fn close(self) -> Option<String> {
        if let Some(cursor) = self.cursor {
            cursor.close();
        }
        self.until
    }
}
