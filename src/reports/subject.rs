//! One user or group by its id, and names for numbers.

use crate::error::{Failure, Result};
use crate::pg::spi::{Arg, Sql};
use crate::registry::Project;
use crate::registry::lexicon::{self, Space};
use crate::store::identity;
use engine::chunk::{Kind, SubjectNo, USER};
use std::collections::BTreeMap;

/// A user or group that is known.
pub struct Subject {
    pub kind: Kind,
    /// As it is counted, after identity merges.
    pub no: SubjectNo,
    /// Every number it has on events, ascending.
    pub all: Vec<SubjectNo>,
}

/// The subject of an id; `None` when nothing is known of it.
pub fn find(sql: &Sql, project: &Project, kind: Kind, id: &str) -> Result<Option<Subject>> {
    let found = lexicon::find(sql, project, Space::Subject(kind), &[id])?;
    let Some(no) = found.get(id).copied() else {
        return Ok(None);
    };
    if kind != USER {
        return Ok(Some(Subject {
            kind,
            no,
            all: vec![no],
        }));
    }
    let ends = identity::ends(sql, project, &[no], false)?;
    let user = ends.first().copied().unwrap_or(no);
    Ok(Some(Subject {
        kind,
        no: user,
        all: identity::cluster(sql, project, user)?,
    }))
}

/// Every id of a group: its own, and those of groups that were merged into it.
pub fn names(sql: &Sql, project: &Project, group: &Subject) -> Result<Vec<String>> {
    let rows = sql.read(
        &project.sql(
            "SELECT id FROM @.subject WHERE kind = $1 AND no = $2
             UNION ALL SELECT id FROM @.merged_group WHERE kind = $1 AND no = $2 ORDER BY 1",
        ),
        &[Arg::Int2(group.kind as i16), Arg::Int(i64::from(group.no))],
    )?;
    (0..rows.len()).map(|i| Ok(rows.text(i, 0)?.to_string())).collect()
}

/// The ids of subjects.
pub fn ids(sql: &Sql, project: &Project, kind: Kind, numbers: &[SubjectNo]) -> Result<BTreeMap<SubjectNo, String>> {
    let numbers: Vec<i64> = numbers.iter().map(|n| i64::from(*n)).collect();
    let rows = sql.read(
        &project.sql("SELECT no, id FROM @.subject WHERE kind = $1 AND no = ANY($2)"),
        &[Arg::Int2(kind as i16), Arg::Ints(&numbers)],
    )?;
    (0..rows.len())
        .map(|i| {
            Ok((
                u32::try_from(rows.int(i, 0)?).unwrap_or(0),
                rows.text(i, 1)?.to_string(),
            ))
        })
        .collect()
}

/// The profile of a subject; an empty one where there is none.
pub fn profile(sql: &Sql, project: &Project, kind: Kind, no: SubjectNo) -> Result<serde_json::Value> {
    let no = Arg::Int(i64::from(no));
    let rows = match kind {
        USER => sql.read(
            &project.sql("SELECT properties::text FROM @.user_profile WHERE no = $1"),
            &[no],
        )?,
        kind => sql.read(
            &project.sql("SELECT properties::text FROM @.group_profile WHERE kind = $2 AND no = $1"),
            &[no, Arg::Int2(kind as i16)],
        )?,
    };
    match rows.len() {
        0 => Ok(serde_json::json!({})),
        _ => serde_json::from_str(rows.text(0, 0)?).map_err(|e| Failure::internal(format!("profile: {e}"))),
    }
}

/// The ids of users, by their numbers on events, as they are after identity merges.
pub fn canonical_ids(sql: &Sql, project: &Project, numbers: &[SubjectNo]) -> Result<BTreeMap<SubjectNo, String>> {
    let ends = identity::ends(sql, project, numbers, false)?;
    let ids = ids(sql, project, USER, &ends)?;
    let each = numbers.iter().zip(&ends);
    Ok(each
        .filter_map(|(no, end)| Some((*no, ids.get(end)?.clone())))
        .collect())
}
