//! Names to numbers: events, properties, and the dictionary of subjects.
//!
//! Numbers are dense, assigned in first-seen order. A backend remembers what it looked up, but only what is committed: a
//! number that a rollback takes back must never reach a later event.

use super::Project;
use crate::error::{Failure, Result};
use crate::pg::Oid;
use crate::pg::spi::{Arg, Sql};
use crate::pg::transaction;
use engine::chunk::Kind;
use std::cell::RefCell;
use std::collections::HashMap;

/// A space of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    Event,
    Property,
    Subject(Kind),
}

impl Space {
    fn select(self) -> &'static str {
        match self {
            Space::Event => "SELECT name, no::bigint FROM @.event_name WHERE name = ANY($1)",
            Space::Property => "SELECT name, no::bigint FROM @.property WHERE name = ANY($1)",
            Space::Subject(_) => "SELECT id, no FROM @.subject WHERE id = ANY($1) AND kind = $2",
        }
    }

    fn insert(self) -> String {
        // The names come sorted: two batches that meet wait for one another instead of deadlocking.
        match self {
            Space::Event => "INSERT INTO @.event_name (no, name) SELECT nextval('@.event_name_no'::regclass), x
                 FROM unnest($1) x ON CONFLICT (name) DO NOTHING RETURNING name, no::bigint"
                .into(),
            Space::Property => "INSERT INTO @.property (no, name) SELECT nextval('@.property_no'::regclass), x
                 FROM unnest($1) x ON CONFLICT (name) DO NOTHING RETURNING name, no::bigint"
                .into(),
            Space::Subject(kind) => format!(
                "INSERT INTO @.subject (kind, no, id) SELECT $2, nextval('@.subject_no_{kind}'::regclass), x
                 FROM unnest($1) x ON CONFLICT (kind, id) DO NOTHING RETURNING id, no"
            ),
        }
    }
}

type Names = HashMap<Box<str>, u32>;

/// Entries a backend remembers before it starts over: some 100 MB with ids of usual length.
const MAX_REMEMBERED: usize = 1_000_000;

#[derive(Default)]
struct Memory {
    committed: HashMap<(Oid, Space), Names>,
    /// Looked up or inserted by the running transaction; its own inserts may yet be rolled back.
    pending: HashMap<(Oid, Space), Names>,
    /// The hooks of the running transaction are set.
    hooked: bool,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::new(Memory::default());
}

fn on_commit() {
    MEMORY.with_borrow_mut(|m| {
        m.hooked = false;
        if m.committed.values().map(HashMap::len).sum::<usize>() > MAX_REMEMBERED {
            m.committed.clear();
        }
        let pending = std::mem::take(&mut m.pending);
        for (space, names) in pending {
            m.committed.entry(space).or_default().extend(names);
        }
    });
}

fn on_abort() {
    MEMORY.with_borrow_mut(|m| {
        m.hooked = false;
        m.pending.clear();
    });
}

/// What this backend remembers of a name.
pub fn recall(project: Oid, space: Space, name: &str) -> Option<u32> {
    MEMORY.with_borrow(|m| {
        let key = (project, space);
        let of = |names: &HashMap<(Oid, Space), Names>| names.get(&key).and_then(|n| n.get(name).copied());
        of(&m.committed).or_else(|| of(&m.pending))
    })
}

fn remember(project: Oid, space: Space, names: impl Iterator<Item = (Box<str>, u32)>) {
    let hooked = MEMORY.with_borrow_mut(|m| {
        m.pending.entry((project, space)).or_default().extend(names);
        std::mem::replace(&mut m.hooked, true)
    });
    if !hooked {
        transaction::at_end(on_commit, on_abort);
    }
}

/// The numbers of names, made where they are new. Duplicates in `names` are fine.
pub fn assign<'n>(
    sql: &Sql,
    project: &Project,
    space: Space,
    names: impl IntoIterator<Item = &'n str>,
) -> Result<HashMap<&'n str, u32>> {
    let mut found: HashMap<&str, u32> = HashMap::new();
    let mut missing: Vec<&str> = Vec::new();
    for name in names {
        if found.contains_key(name) {
            continue;
        }
        match recall(project.table, space, name) {
            Some(no) => {
                found.insert(name, no);
            }
            None => missing.push(name),
        }
    }
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        return Ok(found);
    }
    let mut learnt: Names = HashMap::new();
    let text = project.sql(space.select());
    lookup(sql, &text, space, &missing, &mut learnt)?;
    let new: Vec<&str> = missing.iter().copied().filter(|n| !learnt.contains_key(*n)).collect();
    if !new.is_empty() {
        lookup(sql, &project.sql(&space.insert()), space, &new, &mut learnt)?;
        // Somebody else's insert of the same name won the race and is committed by now.
        let lost: Vec<&str> = new.iter().copied().filter(|n| !learnt.contains_key(*n)).collect();
        if !lost.is_empty() {
            lookup(sql, &text, space, &lost, &mut learnt)?;
        }
    }
    for name in missing {
        let no = learnt
            .get(name)
            .copied()
            .ok_or_else(|| Failure::internal("a name got no number"))?;
        found.insert(name, no);
    }
    remember(project.table, space, learnt.into_iter());
    Ok(found)
}

fn lookup(sql: &Sql, text: &str, space: Space, names: &[&str], into: &mut Names) -> Result<()> {
    // A writing statement takes a fresh snapshot, so it sees what a concurrent batch has just committed.
    let rows = match space {
        Space::Subject(kind) => sql.write(text, &[Arg::Texts(names), Arg::Int2(kind as i16)])?,
        _ => sql.write(text, &[Arg::Texts(names)])?,
    };
    for i in 0..rows.len() {
        let no = u32::try_from(rows.int(i, 1)?).map_err(|_| Failure::internal("a number beyond 32 bits"))?;
        into.insert(rows.text(i, 0)?.into(), no);
    }
    Ok(())
}

/// The numbers of names that exist, for reports: reads only.
pub fn find<'n>(sql: &Sql, project: &Project, space: Space, names: &[&'n str]) -> Result<HashMap<&'n str, u32>> {
    let text = project.sql(space.select());
    let rows = match space {
        Space::Subject(kind) => sql.read(&text, &[Arg::Texts(names), Arg::Int2(kind as i16)])?,
        _ => sql.read(&text, &[Arg::Texts(names)])?,
    };
    let mut found = HashMap::new();
    for i in 0..rows.len() {
        let name = rows.text(i, 0)?;
        if let Some(n) = names.iter().find(|n| **n == name) {
            found.insert(*n, u32::try_from(rows.int(i, 1)?).unwrap_or(0));
        }
    }
    Ok(found)
}

/// Names near to one that does not exist, for notices and hints.
pub fn near(sql: &Sql, project: &Project, space: Space, name: &str) -> Result<Vec<String>> {
    let text = match space {
        Space::Event => "SELECT name FROM @.event_name ORDER BY no LIMIT 5000",
        Space::Property => "SELECT name FROM @.property ORDER BY no LIMIT 5000",
        Space::Subject(_) => return Ok(Vec::new()),
    };
    let rows = sql.read(&project.sql(text), &[])?;
    let known = (0..rows.len()).map(|i| rows.text(i, 0)).collect::<Result<Vec<_>>>()?;
    Ok(nearest(name, known.into_iter()))
}

/// At most three of the known names that are spelt like `name`.
pub fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut near: Vec<(usize, String)> = Vec::new();
    for known in known {
        let distance = strsim::damerau_levenshtein(&known.to_lowercase(), &name.to_lowercase());
        if distance <= 1 + name.chars().count() / 4 {
            near.push((distance, known.to_string()));
        }
    }
    near.sort();
    near.into_iter().take(3).map(|(_, n)| n).collect()
}
