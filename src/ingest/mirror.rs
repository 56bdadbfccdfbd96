//! Mode `mirror` of an import: the store has the events of a relation as it is now. What is new is taken in, what changed
//! takes the place of what it was, and what is gone goes.
//!
//! A row is told by its insert id. Of each a digest of that, a hash of the content and which event it became is kept in
//! `import_row`; one join finds what differs, what is gone as well as what is to be read. A row whose event is blocked is
//! not kept: it is new again with every call, until it is let in. Everything is in one transaction, under the locks of a
//! deletion.

use super::line::{Slot, line};
use super::read::{FETCH, Lines, Origin, SLICE_BYTES};
use super::relation::{Column, Form, Mapping, Relation, Selected};
use super::runs::{self, Part, Run};
use super::{Stored, lanes};
use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::row_values::Buffers;
use crate::pg::spi::{Arg, Cursor, Sql};
use crate::pg::{Oid, owner};
use crate::registry::lexicon::{self, Space};
use crate::registry::{Project, access, blocked};
use crate::settings;
use crate::store::erase::{self, Erasure, Judge, Reach, What};
use engine::chunk::Chunk;
use engine::erase::of_inserts;
use engine::error::Error;
use engine::ingest::{RecordError, SLICE};
use engine::mask::Mask;
use engine::row::insert_hash;
use engine::tick::Tick;
use pgrx::JsonB;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What is mirrored.
pub(super) struct Source<'s> {
    pub mapping: &'s Mapping,
    /// The mapping as it was given: with another one, every row is another.
    pub text: &'s str,
    pub relation: &'s Relation,
    pub slots: Vec<(Slot, Selected)>,
    /// The name of the event of a row as SQL, if they have names of their own.
    pub event: String,
    /// The name of all events.
    pub name: Option<&'s str>,
}

/// The column that tells rows.
pub(super) fn identity<'r>(mapping: &Mapping, relation: &'r Relation) -> Result<&'r Column> {
    mapping.needed(
        relation,
        "insert_id_column",
        "Mode 'mirror' must know a row again when it has changed: name the column that tells rows, a key of the table, with {\"insert_id_column\": \"id\"}.",
    )
}

/// Mirrors in a statement of its own, which sees everything that was stored before nobody else could write.
pub(super) fn alone(sql: &Sql, source: Option<Oid>, mapping: &str, project: Option<&str>) -> Result<JsonB> {
    let name = project.map_or_else(settings::project, str::to_string);
    access::administered(sql, &name)?;
    erase::lock(sql, &name)?;
    let source = source.ok_or_else(|| Failure::internal("a source that is NULL"))?;
    let rows = sql.write(
        "SELECT analytics_groups._mirror_events($1, $2::jsonb, $3)",
        &[Arg::Oid(source), Arg::Text(mapping), Arg::Text(&name)],
    )?;
    rows.get::<JsonB>(0, 0)
        .ok_or_else(|| Failure::internal("an import without an answer"))
}

/// The events of a name with these insert ids.
struct Mirrored<'a>(&'a [u64]);

impl Judge for Mirrored<'_> {
    fn gone(&mut self, chunk: &Chunk) -> Result<Mask> {
        Ok(of_inserts(chunk, self.0))
    }
}

/// What the rows are compared by, as SQL.
struct Compared {
    /// Each row once, with its key and hash; `$2` is the mapping.
    rows: String,
    /// How many rows there are, how many of them have no id, and how many ids there are.
    counts: String,
}

fn compared(source: &Source) -> Result<Compared> {
    let id = identity(source.mapping, source.relation)?;
    let (mut names, mut hashed) = (Vec::new(), Vec::new());
    for column in source.mapping.telling(source.relation) {
        names.push(column.sql());
        hashed.push(column.hashed());
    }
    let (names, hashed, relation) = (names.join(", "), hashed.join(", "), &source.relation.sql);
    let (id, key) = (id.id(), id.sql());
    // Rows that are the same in every column are one; of others with one id the one with the smallest hash is taken.
    let rows = format!(
        "(SELECT DISTINCT ON (s.\"$key\") s.* FROM (
             SELECT {names}, {id} AS \"$id\", md5({id})::uuid AS \"$key\",
                    hash_record_extended(ROW({hashed}), hashtextextended($2, 0)) AS \"$hash\"
             FROM {relation} s WHERE {key} IS NOT NULL) s
          ORDER BY s.\"$key\", s.\"$hash\") s"
    );
    Ok(Compared {
        rows,
        counts: format!("SELECT count(*), count({key}), count(DISTINCT {id}) FROM {relation} s"),
    })
}

/// What an import changes, in numbers.
#[derive(Default)]
struct Counts {
    rows: u64,
    without_id: u64,
    /// Rows that are another one with the same id.
    collapsed: u64,
    new: u64,
    changed: u64,
    removed: u64,
}

pub(super) fn run(sql: &Sql, project: &Project, mut run: Run, mut source: Source) -> Result<JsonB> {
    let compared = compared(&source)?;
    runs::after(sql, project, &run.source, &run.target)?;
    let found = sql.write(
        &project.sql("SELECT no::bigint FROM @.import_mark WHERE source = $1 AND target = $2"),
        &[Arg::Text(&run.source), Arg::Text(&run.target)],
    )?;
    let import = found.int(0, 0)?;
    drop(found);
    let args = [Arg::Int(import), Arg::Text(source.text)];
    let mut counts = Counts::default();

    let mut found = sql.cursor_of_statement(&compared.counts, &[])?;
    {
        let rows = found.fetch(1)?;
        let n = |column| rows.int(0, column).map(|n| n.unsigned_abs());
        counts.rows = n(0)?;
        counts.without_id = counts.rows - n(1)?;
        counts.collapsed = n(1)? - n(2)?;
    }
    found.close();

    let slots = std::mem::take(&mut source.slots);
    let columns: Vec<&str> = slots.iter().map(|(_, selected)| selected.sql.as_str()).collect();
    let text = project.sql(&format!(
        "SELECT {}, s.\"$key\"::text, s.\"$hash\", s.\"$id\", {}, r.key::text, r.event::bigint, r.insert_hash
         FROM {} FULL JOIN (SELECT r.key, r.hash, r.event, r.insert_hash FROM @.import_row r WHERE r.import = $1) r
             ON r.key = s.\"$key\"
         WHERE r.hash IS DISTINCT FROM s.\"$hash\"",
        columns.join(", "),
        source.event,
        compared.rows
    ));
    let found = sql.write(
        &project.sql("SELECT EXISTS (SELECT FROM @.import_row WHERE import = $1)"),
        &[Arg::Int(import)],
    )?;
    let again = found.get::<bool>(0, 0) == Some(true);
    drop(found);
    let cursor = if again {
        let mut cursor = sql.rewindable_cursor_of_statement(&text, &args)?;
        let gone = gone(sql, project, import, (&mut cursor, slots.len()), &mut counts)?;
        erase(sql, project, gone)?;
        cursor.rewind();
        cursor
    } else {
        sql.cursor_of_statement(&text, &args)?
    };

    let slots = slots
        .into_iter()
        .map(|(slot, selected)| (slot, selected.form))
        .collect();
    let mut reader = Reader {
        cursor,
        slots,
        buffers: Buffers::default(),
        name: source.name.map(str::to_string),
        new: 0,
        changed: 0,
    };
    let blocked = blocked::read(sql, project)?.events;
    lanes::run(sql, project, &mut || reader.lines(), &mut |lines, stored| {
        remember(sql, project, import, lines, (&stored, &blocked))?;
        run.took(lines.count, stored)
    })?;
    (counts.new, counts.changed) = (reader.new, reader.changed);
    reader.cursor.close();
    refuse(sql, project, &mut run, &counts)?;
    run.end(None, Part::Whole)?;
    let read = run.tally.rows as u64;
    run.tally.rows = counts.rows as usize;
    let unchanged = counts.rows.saturating_sub(read + counts.collapsed);
    run.tally.duplicates += counts.collapsed as usize;
    Ok(run.tally.answer_with(&[
        ("num_new", counts.new),
        ("num_changed", counts.changed),
        ("num_removed", counts.removed),
        ("num_unchanged", unchanged),
    ]))
}

/// The events of rows that vanished or changed: hashes of insert ids by event. Forgets the rows. What the cursor gives of
/// them is behind the first `at` columns.
fn gone(
    sql: &Sql,
    project: &Project,
    import: i64,
    (cursor, at): (&mut Cursor, usize),
    counts: &mut Counts,
) -> Result<BTreeMap<u32, Vec<u64>>> {
    let mut gone: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    loop {
        Interrupts.tick()?;
        let rows = cursor.fetch(FETCH)?;
        if rows.len() == 0 {
            break;
        }
        let mut keys = Vec::new();
        for i in 0..rows.len() {
            let Some(key) = rows.get::<String>(i, at + 4) else {
                continue;
            };
            keys.push(key);
            let event = u32::try_from(rows.int(i, at + 5)?).unwrap_or(0);
            let hashes = gone.entry(event).or_default();
            hashes
                .try_reserve(1)
                .map_err(|_| Error::OutOfMemory("rows of an import"))?;
            hashes.push(rows.int(i, at + 6)?.cast_unsigned());
            if rows.get::<i64>(i, at + 1).is_none() {
                counts.removed += 1;
            }
        }
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        if !keys.is_empty() {
            sql.write(
                &project.sql("DELETE FROM @.import_row WHERE import = $1 AND key = ANY ($2::uuid[])"),
                &[Arg::Int(import), Arg::Texts(&keys)],
            )?;
        }
    }
    Ok(gone)
}

fn erase(sql: &Sql, project: &Project, gone: BTreeMap<u32, Vec<u64>>) -> Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    owner::as_owner(project.owner, || {
        let mut erasure = Erasure::begin(sql, project)?;
        let mut events = 0;
        for (event, mut hashes) in gone {
            hashes.sort_unstable();
            let reach = Reach {
                events: Some(vec![event]),
                inserts: true,
                ..Reach::default()
            };
            events += erasure.erase(&reach, &mut Mirrored(&hashes))?;
        }
        erasure.end()?;
        erase::log(sql, project, What::Mirror, events)
    })
}

/// Rows that have no id are not mirrored.
fn refuse(sql: &Sql, project: &Project, run: &mut Run, counts: &Counts) -> Result<()> {
    if counts.without_id == 0 {
        return Ok(());
    }
    let error = RecordError {
        index: 0,
        insert_id: None,
        field: "properties.$insert_id".into(),
        message: format!(
            "'properties.$insert_id' is invalid: must not be missing in mode 'mirror', as it is in {} rows",
            counts.without_id
        ),
    };
    super::keep_errors(sql, project, std::slice::from_ref(&error), &[])?;
    let stored = Stored {
        failed: vec![error],
        ..Stored::default()
    };
    let rows = counts.without_id as usize;
    run.took(rows, stored)?;
    run.tally.refused += rows - 1;
    Ok(())
}

/// Keeps which rows are stored: not those that were refused, nor those that are kept out.
fn remember(
    sql: &Sql,
    project: &Project,
    import: i64,
    lines: &Lines,
    (stored, blocked): (&Stored, &HashSet<String>),
) -> Result<()> {
    let failed = stored.failed.iter().map(|f| f.index);
    let out: BTreeSet<usize> = failed.chain(stored.dropped.iter().copied()).collect();
    let good = || {
        let all = lines.origins.iter().enumerate();
        all.filter(|(i, o)| !out.contains(i) && !blocked.contains(&o.event))
            .map(|(_, origin)| origin)
    };
    let names: Vec<&str> = good().map(|o| o.event.as_str()).collect();
    let events = lexicon::number(sql, project, Space::Event, &names)?;
    let events: Vec<i32> = events.into_iter().map(u32::cast_signed).collect();
    let keys: Vec<&str> = good().map(|o| o.key.as_str()).collect();
    let hashes: Vec<i64> = good().map(|o| o.hash).collect();
    let inserts: Vec<i64> = good().map(|o| insert_hash(&o.insert_id).cast_signed()).collect();
    sql.write(
        &project.sql(
            "INSERT INTO @.import_row (import, key, hash, event, insert_hash)
             SELECT $1, k::uuid, h, e, i FROM unnest($2, $3, $4, $5) AS t(k, h, e, i)",
        ),
        &[
            Arg::Int(import),
            Arg::Texts(&keys),
            Arg::Ints(&hashes),
            Arg::Int4s(&events),
            Arg::Ints(&inserts),
        ],
    )?;
    Ok(())
}

/// The rows that are new or changed.
struct Reader<'a> {
    cursor: Cursor<'a>,
    slots: Vec<(Slot, Form)>,
    buffers: Buffers,
    name: Option<String>,
    new: u64,
    changed: u64,
}

impl Reader<'_> {
    fn lines(&mut self) -> Result<Option<Lines>> {
        let mut lines = Lines::default();
        let most = settings::limits().batch_records.clamp(1, SLICE);
        let chars = settings::limits().string_chars;
        while lines.count < most && lines.bytes.len() < SLICE_BYTES {
            Interrupts.tick()?;
            let rows = self.cursor.fetch(FETCH.min(most - lines.count))?;
            if rows.len() == 0 {
                break;
            }
            let at = self.slots.len();
            for i in 0..rows.len() {
                let Some(hash) = rows.get::<i64>(i, at + 1) else {
                    // It is gone.
                    continue;
                };
                line(&rows.row(i, &mut self.buffers)?, &self.slots, &mut lines.bytes)?;
                // A longer name is cut.
                let event = match &self.name {
                    Some(name) => name.clone(),
                    None => rows.get::<String>(i, at + 3).unwrap_or_default(),
                };
                lines.origins.push(Origin {
                    key: rows.text(i, at)?.to_string(),
                    hash,
                    event: event.chars().take(chars).collect(),
                    insert_id: rows.text(i, at + 2)?.to_string(),
                });
                match rows.get::<i64>(i, at + 5) {
                    Some(_) => self.changed += 1,
                    None => self.new += 1,
                }
                lines.count += 1;
            }
        }
        Ok((lines.count > 0).then_some(lines))
    }
}
