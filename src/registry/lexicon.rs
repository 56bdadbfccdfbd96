//! Names to numbers: events, properties, and the dictionary of subjects.
//!
//! Numbers are dense, assigned in first-seen order. A backend remembers what it looked up, but only what is committed: a
//! number that a rollback takes back must never reach a later event.

use super::Project;
use crate::error::{Failure, Result};
use crate::pg::Oid;
use crate::pg::spi::{Arg, Sql};
use crate::pg::transaction;
use engine::chunk::USER;
pub use engine::ingest::Space;
use engine::names::Names;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

fn select(space: Space) -> &'static str {
    match space {
        Space::Event => "SELECT name, no::bigint FROM @.event_name WHERE name = ANY($1)",
        Space::Property => "SELECT name, no::bigint FROM @.property WHERE name = ANY($1)",
        Space::Subject(USER) => "SELECT id, no FROM @.subject WHERE id = ANY($1) AND kind = $2",
        // The id of a group that was merged is one more id of the other.
        Space::Subject(_) => {
            "SELECT id, no FROM @.subject WHERE id = ANY($1) AND kind = $2
             UNION ALL SELECT id, no FROM @.merged_group WHERE id = ANY($1) AND kind = $2"
        }
    }
}

fn insert(space: Space) -> String {
    // The names come sorted: two batches that meet wait for one another instead of deadlocking.
    match space {
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

/// The names of each project and space. They are shared with whoever reads a batch just now.
type Memories = HashMap<(Oid, Space), Arc<Names>>;

/// Bytes of names a backend remembers before it starts over: some two million ids of usual length.
const MAX_REMEMBERED: usize = 100 << 20;

#[derive(Default)]
struct Memory {
    committed: Memories,
    /// Looked up or inserted by the running transaction; its own inserts may yet be rolled back.
    pending: Memories,
    /// The same, learnt while `pending` was shared with whoever reads a batch: it is added to that when it no longer is.
    fresh: Memories,
    /// The hooks of the running transaction are set.
    hooked: bool,
    /// What each project's numbers hold for.
    erasures: HashMap<Oid, i32>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::new(Memory::default());
}

fn on_commit() {
    MEMORY.with_borrow_mut(|m| {
        m.hooked = false;
        if m.committed.values().map(|n| n.bytes()).sum::<usize>() > MAX_REMEMBERED {
            m.committed.clear();
        }
        let pending = std::mem::take(&mut m.pending);
        for (space, names) in pending.into_iter().chain(std::mem::take(&mut m.fresh)) {
            match m.committed.get_mut(&space) {
                None => {
                    m.committed.insert(space, names);
                }
                // Without memory for more, what was known is known no longer: it can be looked up again.
                Some(known) => {
                    if Arc::make_mut(known).extend(&names).is_err() {
                        m.committed.remove(&space);
                    }
                }
            }
        }
    });
}

fn on_abort() {
    MEMORY.with_borrow_mut(|m| {
        m.hooked = false;
        m.pending.clear();
        m.fresh.clear();
    });
}

/// Forgets what this backend remembers of a project that erased ids since: their texts have no number any more, and
/// whoever comes again gets a new one. Every writer says so when it opens a project, under the lock that keeps erasures out
/// until the transaction ends.
pub fn hold(project: Oid, erasures: i32) {
    MEMORY.with_borrow_mut(|m| {
        if m.erasures.insert(project, erasures).unwrap_or(0) != erasures {
            m.committed.retain(|(of, _), _| *of != project);
            m.pending.retain(|(of, _), _| *of != project);
            m.fresh.retain(|(of, _), _| *of != project);
        }
    });
}

/// What this backend remembers of a space: what is committed, and what the running transaction has seen.
pub fn known(project: Oid, space: Space) -> Vec<Arc<Names>> {
    MEMORY.with_borrow_mut(|m| {
        let space = (project, space);
        if let Some(fresh) = m.fresh.get(&space)
            && let Some(pending) = m.pending.get_mut(&space).and_then(Arc::get_mut)
            && pending.extend(fresh).is_ok()
        {
            m.fresh.remove(&space);
        }
        let of = |names: &Memories| names.get(&space).cloned();
        [of(&m.committed), of(&m.pending), of(&m.fresh)]
            .into_iter()
            .flatten()
            .collect()
    })
}

/// What this backend remembers of a name.
pub fn recall(project: Oid, space: Space, name: &str) -> Option<u32> {
    MEMORY.with_borrow(|m| {
        let of = |names: &Memories| names.get(&(project, space)).and_then(|n| n.get(name));
        of(&m.committed).or_else(|| of(&m.pending)).or_else(|| of(&m.fresh))
    })
}

fn remember(project: Oid, space: Space, names: &Names) -> Result<()> {
    let hooked = MEMORY.with_borrow_mut(|m| {
        let pending = m.pending.entry((project, space)).or_default();
        match Arc::get_mut(pending) {
            Some(pending) => pending.extend(names)?,
            None => Arc::make_mut(m.fresh.entry((project, space)).or_default()).extend(names)?,
        }
        Ok::<_, Failure>(std::mem::replace(&mut m.hooked, true))
    })?;
    if !hooked {
        transaction::at_end(on_commit, on_abort);
    }
    Ok(())
}

/// The numbers of names that this backend does not remember, made where they are new. Duplicates in `names` are fine.
fn learn(sql: &Sql, project: &Project, space: Space, mut missing: Vec<&str>) -> Result<Names> {
    let mut learnt = Names::new();
    if missing.is_empty() {
        return Ok(learnt);
    }
    missing.sort_unstable();
    missing.dedup();
    if let [one] = missing.as_slice()
        && let Some(no) = look_up_one(sql, project, space, one)?
    {
        learnt.insert(one, no)?;
        remember(project.table, space, &learnt)?;
        return Ok(learnt);
    }
    let text = project.sql(select(space));
    lookup(sql, &text, space, &missing, &mut learnt)?;
    let unknown = |learnt: &Names, names: &mut Vec<&str>| names.retain(|n| learnt.get(n).is_none());
    unknown(&learnt, &mut missing);
    if !missing.is_empty() {
        lookup(sql, &project.sql(&insert(space)), space, &missing, &mut learnt)?;
        // Somebody else's insert of the same name won the race and is committed by now.
        unknown(&learnt, &mut missing);
        if !missing.is_empty() {
            lookup(sql, &text, space, &missing, &mut learnt)?;
        }
    }
    remember(project.table, space, &learnt)?;
    Ok(learnt)
}

fn nameless() -> Failure {
    Failure::internal("a name got no number")
}

/// The numbers of names, made where they are new, in the order of the names.
pub fn number(sql: &Sql, project: &Project, space: Space, names: &[&str]) -> Result<Vec<u32>> {
    let known = known(project.table, space);
    let recall = |name: &str| known.iter().find_map(|k| k.get(name));
    let mut numbers = engine::error::try_vec(names.len(), "numbers of names")?;
    let mut missing = Vec::new();
    for name in names {
        let no = recall(name);
        if no.is_none() {
            missing.push(*name);
        }
        numbers.push(no.unwrap_or(0));
    }
    drop(known);
    let learnt = learn(sql, project, space, missing)?;
    for (no, name) in numbers.iter_mut().zip(names) {
        if *no == 0 {
            *no = learnt.get(name).ok_or_else(nameless)?;
        }
    }
    Ok(numbers)
}

/// As [`number`], as a map from the names; duplicates in `names` are fine.
pub fn assign<'n>(
    sql: &Sql,
    project: &Project,
    space: Space,
    names: impl IntoIterator<Item = &'n str>,
) -> Result<HashMap<&'n str, u32>> {
    let names: Vec<&str> = names.into_iter().collect();
    let numbers = number(sql, project, space, &names)?;
    Ok(names.into_iter().zip(numbers).collect())
}

fn lookup(sql: &Sql, text: &str, space: Space, names: &[&str], into: &mut Names) -> Result<()> {
    // A writing statement takes a fresh snapshot, so it sees what a concurrent batch has just committed.
    let rows = match space {
        Space::Subject(kind) => sql.write(text, &[Arg::Texts(names), Arg::Int2(kind as i16)])?,
        _ => sql.write(text, &[Arg::Texts(names)])?,
    };
    for i in 0..rows.len() {
        let no = u32::try_from(rows.int(i, 1)?).map_err(|_| Failure::internal("a number beyond 32 bits"))?;
        into.insert(rows.text(i, 0)?, no)?;
    }
    Ok(())
}

/// The number of one name, as single events need it.
fn look_up_one(sql: &Sql, project: &Project, space: Space, name: &str) -> Result<Option<u32>> {
    let rows = match space {
        Space::Event => sql.write_by_key(
            &project.sql("SELECT no::bigint FROM @.event_name WHERE name = $1"),
            &[Arg::Text(name)],
        )?,
        Space::Property => sql.write_by_key(
            &project.sql("SELECT no::bigint FROM @.property WHERE name = $1"),
            &[Arg::Text(name)],
        )?,
        Space::Subject(kind) => sql.write_by_key(
            &project.sql("SELECT no FROM @.subject WHERE id = $1 AND kind = $2"),
            &[Arg::Text(name), Arg::Int2(kind as i16)],
        )?,
    };
    if rows.len() == 0 {
        return Ok(None);
    }
    let no = u32::try_from(rows.int(0, 0)?).map_err(|_| Failure::internal("a number beyond 32 bits"))?;
    Ok(Some(no))
}

/// The numbers of those names that exist, in no order, for reports: reads only.
pub fn numbers(sql: &Sql, project: &Project, space: Space, names: &[&str]) -> Result<Vec<u32>> {
    let text = project.sql(select(space));
    let rows = match space {
        Space::Subject(kind) => sql.read(&text, &[Arg::Texts(names), Arg::Int2(kind as i16)])?,
        _ => sql.read(&text, &[Arg::Texts(names)])?,
    };
    let mut numbers = engine::error::try_vec(rows.len(), "numbers of names")?;
    for i in 0..rows.len() {
        numbers.push(u32::try_from(rows.int(i, 1)?).map_err(|_| Failure::internal("a number beyond 32 bits"))?);
    }
    Ok(numbers)
}

/// The numbers of names that exist, for reports: reads only.
pub fn find<'n>(sql: &Sql, project: &Project, space: Space, names: &[&'n str]) -> Result<HashMap<&'n str, u32>> {
    let text = project.sql(select(space));
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
