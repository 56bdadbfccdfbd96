//! Two groups of a key that are one: the events, profile and places of the one that is given up become the other's, for good.
//!
//! The SQL function is in sql/merging.sql: it takes the locks in a statement of its own, so that this sees what was there
//! when nobody wrote any more. Events, lists of users and definitions keep the id they were sent with: it is one more id of
//! the other group from now on.

use crate::deletion::alone;
use crate::error::{Failure, Result};
use crate::ingest::profiles::apply_records;
use crate::pg::ErrorReport;
use crate::pg::interrupts::{Interrupts, notice};
use crate::pg::spi::{Arg, Sql};
use crate::registry::Project;
use crate::registry::lexicon::{self, Space};
use crate::store::cohort;
use crate::store::erase::{self, Erasure, Judge, Reach};
use crate::store::history::Said;
use engine::chunk::{Chunk, Kind, SubjectNo, USER};
use engine::mask::Mask;
use engine::profile::What;
use engine::regroup;
use pgrx::prelude::*;

/// The events of a group become another's.
struct Moves {
    kind: Kind,
    from: SubjectNo,
    into: SubjectNo,
    events: u64,
}

impl Judge for Moves {
    fn gone(&mut self, chunk: &Chunk) -> Result<Mask> {
        Ok(Mask::none(chunk.len()))
    }

    fn changed(&mut self, chunk: &Chunk) -> Mask {
        regroup::of(chunk, self.kind, self.from)
    }

    fn change(&mut self, chunk: &mut Chunk, rows: &Mask) -> Result<()> {
        self.events += rows.count() as u64;
        Ok(regroup::merge(chunk, self.kind, self.from, self.into, &mut Interrupts)?)
    }
}

/// The number of a group, which is made where it is new, and the id that is its own.
fn group(sql: &Sql, project: &Project, kind: Kind, id: &str) -> Result<(SubjectNo, String)> {
    if lexicon::find(sql, project, Space::Subject(kind), &[id])?.is_empty() {
        notice(&format!(
            "group \"{id}\" was not known in project \"{}\" before",
            project.name
        ));
    }
    let numbers = lexicon::number(sql, project, Space::Subject(kind), &[id])?;
    let no = numbers.first().copied().unwrap_or(0);
    let own = sql.write(
        &project.sql("SELECT id FROM @.subject WHERE kind = $1 AND no = $2"),
        &[Arg::Int2(kind as i16), Arg::Int(i64::from(no))],
    )?;
    Ok((no, own.text(0, 0)?.to_string()))
}

fn merge(sql: &Sql, project: &Project, key: &str, from_id: &str, into_id: &str) -> Result<u64> {
    let kind = project.kind(key)?;
    if kind == USER {
        return Err(Failure::param(
            "users are not the groups of a key",
            "Merge users with analytics_groups.merge('from', 'into').",
        ));
    }
    for (name, id) in [("from_id", from_id), ("into_id", into_id)] {
        let longest = crate::settings::limits().string_chars;
        if id.is_empty() || id.chars().count() > longest {
            return Err(Failure::param(
                format!("{name} cannot be the id of a group"),
                format!("Ids have 1 to {longest} characters."),
            ));
        }
    }
    let (into, _) = group(sql, project, kind, into_id)?;
    let (from, own) = group(sql, project, kind, from_id)?;
    match (from == into, own == from_id) {
        (true, true) => {
            return Err(Failure::param(
                format!("\"{from_id}\" cannot be merged into itself"),
                "Name the group that is given up, and the one that stays.",
            ));
        }
        // It was done before.
        (true, false) => return Ok(0),
        (false, true) => {}
        (false, false) => {
            return Err(Failure::param(
                format!("\"{from_id}\" was merged into \"{own}\" before"),
                format!("Merge \"{own}\", which is both."),
            ));
        }
    }
    let mut moves = Moves {
        kind,
        from,
        into,
        events: 0,
    };
    let reach = Reach {
        kinds: vec![kind],
        ..Reach::default()
    };
    let mut erasure = Erasure::begin(sql, project)?;
    erasure.erase(&reach, &mut moves)?;
    erasure.end()?;
    profiles(sql, project, (key, into_id), &moves)?;
    cohort::merge(sql, project, kind, from, into)?;
    let numbers = [
        Arg::Int2(kind as i16),
        Arg::Int(i64::from(from)),
        Arg::Int(i64::from(into)),
    ];
    for text in [
        "UPDATE @.merged_group SET no = $3 WHERE kind = $1 AND no = $2",
        "WITH gone AS (DELETE FROM @.subject WHERE kind = $1 AND no = $2 RETURNING id)
         INSERT INTO @.merged_group (kind, id, no) SELECT $1, id, $3 FROM gone",
    ] {
        sql.write(&project.sql(text), &numbers)?;
    }
    erase::ids_are_gone(sql, project)?;
    Ok(moves.events)
}

/// Fills the profile of the group that stays with what only the other has, and takes over the past of properties of which
/// it has none.
fn profiles(sql: &Sql, project: &Project, (key, into_id): (&str, &str), moves: &Moves) -> Result<()> {
    let (from, into) = (i64::from(moves.from), i64::from(moves.into));
    let kind = Arg::Int2(moves.kind as i16);
    for text in [
        "UPDATE @.group_history h SET no = $3 WHERE kind = $1 AND no = $2
         AND NOT EXISTS (SELECT FROM @.group_history o WHERE o.kind = $1 AND o.no = $3 AND o.property = h.property)",
        "DELETE FROM @.group_history WHERE kind = $1 AND no = $2 AND $3 IS NOT NULL",
    ] {
        sql.write(&project.sql(text), &[kind, Arg::Int(from), Arg::Int(into)])?;
    }
    let rows = sql.write(
        &project.sql("DELETE FROM @.group_profile WHERE kind = $1 AND no = $2 RETURNING properties::text"),
        &[kind, Arg::Int(from)],
    )?;
    if rows.len() == 0 {
        return Ok(());
    }
    let properties: serde_json::Value =
        serde_json::from_str(rows.text(0, 0)?).map_err(|e| Failure::internal(format!("profile: {e}")))?;
    drop(rows);
    if properties.as_object().is_none_or(serde_json::Map::is_empty) {
        return Ok(());
    }
    let update = serde_json::json!({"$group_key": key, "$group_id": into_id, "$set_once": properties}).to_string();
    let (_, failed) = apply_records(sql, project, What::Groups, Said::Changes, &[&update])?;
    match failed.first() {
        None => Ok(()),
        Some(f) => Err(Failure::param(
            format!("the profiles of both cannot be one: {}", f.message),
            "Nothing was merged. Shorten one of the profiles, or raise the limit that is named.",
        )),
    }
}

#[pg_extern(schema = "analytics_groups", name = "_merge_groups", volatile, strict)]
#[search_path(pg_catalog, pg_temp)]
fn merge_groups(project: &str, group_key: &str, from_id: &str, into_id: &str) -> Result<i64, ErrorReport> {
    let events = alone(project, |sql, project| merge(sql, project, group_key, from_id, into_id))?;
    Ok(i64::try_from(events).unwrap_or(i64::MAX))
}
