//! The table of cohorts: name, whom it holds, its definition, and the members of a frozen one.

use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Sql};
use crate::registry::{Project, lexicon};
use engine::chunk::{Kind, SubjectNo};
use engine::codec;
use engine::gather::Budget;
use engine::subjects::SubjectSet;
use engine::tick::Tick;
use serde_json::Value as Json;

/// A cohort as it is stored.
pub struct Stored {
    pub kind: Kind,
    pub definition: Json,
    /// The members of a frozen cohort, numbered as they were when it was frozen.
    pub frozen: Option<Vec<u8>>,
}

/// A cohort by its name; an unknown one is an error with near spellings.
pub fn read(sql: &Sql, project: &Project, name: &str) -> Result<Stored> {
    let rows = sql.read(
        &project.sql("SELECT kind, definition::text, members FROM @.cohort WHERE name = $1"),
        &[Arg::Text(name)],
    )?;
    if rows.len() == 0 {
        return Err(unknown(sql, project, name)?);
    }
    let kind: i16 = rows.get(0, 0).ok_or_else(|| Failure::internal("unexpected NULL"))?;
    Ok(Stored {
        kind: kind as Kind,
        definition: definition(name, rows.text(0, 1)?)?,
        frozen: rows.bytes_or_null(0, 2, true)?,
    })
}

fn definition(name: &str, text: &str) -> Result<Json> {
    serde_json::from_str(text).map_err(|e| Failure::internal(format!("definition of cohort \"{name}\": {e}")))
}

/// The error for a cohort that does not exist.
pub fn unknown(sql: &Sql, project: &Project, name: &str) -> Result<Failure> {
    let rows = sql.read(&project.sql("SELECT name FROM @.cohort ORDER BY name LIMIT 5000"), &[])?;
    let known = (0..rows.len()).map(|i| rows.text(i, 0)).collect::<Result<Vec<_>>>()?;
    let near: Vec<String> = lexicon::nearest(name, known.into_iter())
        .iter()
        .map(|n| format!("\"{n}\""))
        .collect();
    Ok(Failure::unknown(
        format!("unknown cohort \"{name}\" in project \"{}\"", project.name),
        if near.is_empty() {
            "Cohorts are made with define_cohort(…) and listed in the view cohorts.".to_string()
        } else {
            format!("Did you mean {}?", near.join(" or "))
        },
    ))
}

/// Every cohort with its definition, for what depends on what. Sees what the same transaction has just written.
pub fn all(sql: &Sql, project: &Project) -> Result<Vec<(String, Kind, Json)>> {
    let rows = sql.write(
        &project.sql("SELECT name, kind, definition::text FROM @.cohort ORDER BY name"),
        &[],
    )?;
    (0..rows.len())
        .map(|i| {
            let name = rows.text(i, 0)?.to_string();
            let kind: i16 = rows.get(i, 1).ok_or_else(|| Failure::internal("unexpected NULL"))?;
            let json = definition(&name, rows.text(i, 2)?)?;
            Ok((name, kind as Kind, json))
        })
        .collect()
}

/// Stores a definition, in place of one of the same name. The cohort is dynamic.
pub fn write(sql: &Sql, project: &Project, name: &str, kind: Kind, definition: &Json) -> Result<()> {
    sql.write(
        &project.sql(
            "INSERT INTO @.cohort (name, kind, definition) VALUES ($1, $2, $3::jsonb)
             ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, definition = excluded.definition, members = NULL,
                 frozen_at = NULL, updated_at = now()",
        ),
        &[
            Arg::Text(name),
            Arg::Int2(kind as i16),
            Arg::Text(&definition.to_string()),
        ],
    )?;
    Ok(())
}

/// Deletes a cohort; false when there is none.
pub fn delete(sql: &Sql, project: &Project, name: &str) -> Result<bool> {
    let gone = sql.write(&project.sql("DELETE FROM @.cohort WHERE name = $1"), &[Arg::Text(name)])?;
    Ok(gone.processed() > 0)
}

/// Keeps the members (in order) as they are.
pub fn freeze(sql: &Sql, project: &Project, name: &str, members: &[SubjectNo]) -> Result<()> {
    let bytes = codec::encode_subjects(members, &mut Interrupts)?;
    sql.write(
        &project.sql("UPDATE @.cohort SET members = $2, frozen_at = now(), updated_at = now() WHERE name = $1"),
        &[Arg::Text(name), Arg::Bytes(&bytes)],
    )?;
    Ok(())
}

/// The members of a frozen cohort.
pub fn members(name: &str, bytes: &[u8], budget: &mut Budget) -> Result<SubjectSet> {
    let damaged = |e: engine::error::Error| Failure::from(e).within(object(name));
    let (portable, _) = codec::open_subjects(bytes).map_err(damaged)?;
    let mut set = SubjectSet::default();
    set.union_portable(portable, budget).map_err(damaged)?;
    Ok(set)
}

fn object(name: &str) -> String {
    format!("cohort \"{name}\"")
}

/// Calls `problem` with every cohort whose stored members are not as they should be.
pub fn verify(sql: &Sql, project: &Project, problem: &mut dyn FnMut(&str, String)) -> Result<()> {
    let rows = sql.read(
        &project.sql("SELECT name, members FROM @.cohort WHERE members IS NOT NULL ORDER BY name"),
        &[],
    )?;
    for i in 0..rows.len() {
        let name = rows.text(i, 0)?;
        if let Err(f) = members(name, &rows.bytes(i, 1)?, &mut Budget::new(usize::MAX)) {
            problem(&object(name), f.message);
        }
    }
    Ok(())
}

/// Takes subjects (in order) out of frozen cohorts.
pub fn forget(sql: &Sql, project: &Project, kind: Kind, gone: &[SubjectNo]) -> Result<()> {
    change(sql, project, kind, &|members| {
        members.retain(|no| gone.binary_search(no).is_err())
    })
}

/// Puts a group in the place of another in frozen cohorts.
pub fn merge(sql: &Sql, project: &Project, kind: Kind, from: SubjectNo, into: SubjectNo) -> Result<()> {
    change(sql, project, kind, &|members| {
        if let Ok(at) = members.binary_search(&from) {
            members.remove(at);
            if let Err(at) = members.binary_search(&into) {
                members.insert(at, into);
            }
        }
    })
}

/// Changes the members (in order) of every frozen cohort of a kind.
fn change(sql: &Sql, project: &Project, kind: Kind, f: &dyn Fn(&mut Vec<SubjectNo>)) -> Result<()> {
    let rows = sql.write(
        &project.sql("SELECT name, members FROM @.cohort WHERE kind = $1 AND members IS NOT NULL ORDER BY name"),
        &[Arg::Int2(kind as i16)],
    )?;
    for i in 0..rows.len() {
        Interrupts.tick()?;
        let name = rows.text(i, 0)?;
        let before = members(name, &rows.bytes(i, 1)?, &mut Budget::new(usize::MAX))?.to_vec();
        let mut after = engine::error::try_vec(before.len(), "members")?;
        after.extend_from_slice(&before);
        f(&mut after);
        if after != before {
            let bytes = codec::encode_subjects(&after, &mut Interrupts)?;
            sql.write(
                &project.sql("UPDATE @.cohort SET members = $2 WHERE name = $1"),
                &[Arg::Text(name), Arg::Bytes(&bytes)],
            )?;
        }
    }
    Ok(())
}
