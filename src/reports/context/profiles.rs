//! Profiles as columns by subject number: ids, properties, and the groups that users list; after identity merges.

use super::Context;
use crate::error::Result;
use crate::pg::spi::Arg;
use engine::chunk::{Kind, Membership, ProfileColumn, SharedProfile, SubjectNo, USER};
use engine::error::Error;
use engine::value::Value;
use std::collections::HashMap;
use std::sync::Arc;

impl Context<'_> {
    /// The groups of a key in the users' profile lists.
    pub fn load_membership(&mut self, kind: Kind) -> Result<Option<Arc<Membership>>> {
        let Some(key) = self.project.keys.iter().find(|k| k.kind == kind) else {
            return Ok(None);
        };
        if let Some(m) = self.memberships.get(&kind) {
            return Ok(Some(m.clone()));
        }
        if self.on_demand.memberships {
            let m = Arc::new(Membership::unread());
            self.memberships.insert(kind, m.clone());
            return Ok(Some(m));
        }
        let rows = self.sql.read(
            &self.project.sql(
                "SELECT p.no, s.no FROM @.user_profile p
                 CROSS JOIN LATERAL analytics_groups._listed(p.properties, $1) l (id)
                 JOIN (SELECT kind, id, no FROM @.subject UNION ALL SELECT kind, id, no FROM @.merged_group) s
                     ON s.kind = $2 AND s.id = l.id
                 WHERE p.properties ? $1 GROUP BY p.no, s.no ORDER BY p.no, s.no",
            ),
            &[Arg::Text(&key.property), Arg::Int2(kind as i16)],
        )?;
        let mut pairs: Vec<(SubjectNo, SubjectNo)> = engine::error::try_vec(rows.len(), "memberships")?;
        for i in 0..rows.len() {
            pairs.push((rows.int(i, 0)? as u32, rows.int(i, 1)? as u32));
        }
        if let Some(remap) = self.remap()? {
            let own = pairs;
            let groups = |user: SubjectNo| {
                let (from, to) = (
                    own.partition_point(|p| p.0 < user),
                    own.partition_point(|p| p.0 <= user),
                );
                own.get(from..to).unwrap_or_default()
            };
            // Every number of a user has the groups that the user's profile lists.
            let linked = |no: SubjectNo| remap.get(no as usize).copied().filter(|to| *to != no);
            let mut all: Vec<(SubjectNo, SubjectNo)> = engine::error::try_vec(own.len(), "memberships")?;
            all.extend(own.iter().filter(|(user, _)| linked(*user).is_none()));
            for no in 0..remap.len() as SubjectNo {
                if let Some(user) = linked(no) {
                    let more = groups(user);
                    all.try_reserve(more.len())
                        .map_err(|_| Error::OutOfMemory("memberships"))?;
                    all.extend(more.iter().map(|(_, group)| (no, *group)));
                }
            }
            all.sort_unstable();
            pairs = all;
        }
        let m = Arc::new(Membership::from_pairs(&pairs)?);
        self.memberships.insert(kind, m.clone());
        Ok(Some(m))
    }

    /// True when memberships were asked for that had not been read. They are read from now on.
    pub fn missed_memberships(&mut self) -> bool {
        let missed = self.memberships.values().any(|m| m.is_missed());
        if missed {
            self.on_demand.memberships = false;
            self.memberships.retain(|_, m| !m.is_unread());
        }
        missed
    }

    /// The ids of all subjects.
    pub(super) fn ids(&self, kind: Kind) -> Result<SharedProfile> {
        let rows = self.sql.read(
            &self
                .project
                .sql("SELECT no, id FROM @.subject WHERE kind = $1 ORDER BY no"),
            &[Arg::Int2(kind as i16)],
        )?;
        let ids = column((0..rows.len()).map(|i| Ok((rows.int(i, 0)? as u32, Value::str(rows.text(i, 1)?)))))?;
        self.of_users(kind, ids)
    }

    pub(super) fn names_of_events(&self) -> Result<SharedProfile> {
        let rows = self.sql.read(
            &self
                .project
                .sql("SELECT e.no::bigint, coalesce(c.name, e.name) FROM @.event_name e LEFT JOIN @.event_name c ON c.no = e.merged_into ORDER BY 1"),
            &[],
        )?;
        Ok(column((0..rows.len()).map(|i| Ok((rows.int(i, 0)? as u32, Value::str(rows.text(i, 1)?)))))?.finish())
    }

    pub(super) fn profile(&self, kind: Kind, property: &str) -> Result<SharedProfile> {
        let rows = if kind == USER {
            self.sql.read(
                &self
                    .project
                    .sql("SELECT no, (properties -> $1)::text FROM @.user_profile WHERE properties ? $1 ORDER BY no"),
                &[Arg::Text(property)],
            )?
        } else {
            self.sql.read(
                &self.project.sql(
                    "SELECT no, (properties -> $1)::text FROM @.group_profile WHERE kind = $2 AND properties ? $1 ORDER BY no",
                ),
                &[Arg::Text(property), Arg::Int2(kind as i16)],
            )?
        };
        let mut column = Column::default();
        // Few values are different, and what is written alike is one value.
        let mut known: HashMap<&str, u32> = HashMap::new();
        for i in 0..rows.len() {
            let text = rows.text(i, 1)?;
            let code = match known.get(text) {
                Some(code) => *code,
                None => {
                    let value =
                        serde_json::from_str(text).map_err(|e| Error::corrupt(format!("profile property: {e}")))?;
                    let code = column.code(value)?;
                    known
                        .try_reserve(1)
                        .map_err(|_| Error::OutOfMemory("a profile property"))?;
                    *known.entry(text).or_insert(code)
                }
            };
            column.put(rows.int(i, 0)? as u32, code)?;
        }
        self.of_users(kind, column)
    }

    /// Lets every number of a user have what the user has. What is kept under the other numbers is nobody's.
    fn of_users(&self, kind: Kind, mut column: Column) -> Result<SharedProfile> {
        if kind == USER
            && let Some(remap) = self.remap()?
        {
            let of = |column: &Column, no: SubjectNo| column.column.codes.get(no as usize).copied().unwrap_or(0);
            for (no, to) in (0..).zip(remap.iter()) {
                if no != *to {
                    let code = of(&column, *to);
                    column.set(no, code)?;
                }
            }
        }
        Ok(column.finish())
    }
}

/// A profile column in the making.
#[derive(Default)]
struct Column {
    seen: HashMap<Value, u32>,
    column: ProfileColumn,
}

impl Column {
    /// The code of a value.
    fn code(&mut self, value: Value) -> Result<u32> {
        if matches!(value, Value::Null) {
            return Ok(0);
        }
        if let Some(code) = self.seen.get(&value) {
            return Ok(*code);
        }
        let values = &mut self.column.values;
        let reserved = values.try_reserve(1).and_then(|()| self.seen.try_reserve(1));
        reserved.map_err(|_| Error::OutOfMemory("a profile property"))?;
        values.push(value.clone());
        let code = values.len() as u32;
        self.seen.insert(value, code);
        Ok(code)
    }

    /// Says what a subject has.
    fn put(&mut self, no: SubjectNo, code: u32) -> Result<()> {
        if code == 0 {
            return Ok(());
        }
        self.set(no, code)
    }

    /// The same, also when it has nothing.
    fn set(&mut self, no: SubjectNo, code: u32) -> Result<()> {
        let codes = &mut self.column.codes;
        let index = no as usize;
        if codes.len() <= index {
            codes
                .try_reserve(index + 1 - codes.len())
                .map_err(|_| Error::OutOfMemory("a profile property"))?;
            codes.resize(index + 1, 0);
        }
        if let Some(slot) = codes.get_mut(index) {
            *slot = code;
        }
        Ok(())
    }

    fn finish(self) -> SharedProfile {
        Arc::new(self.column)
    }
}

/// A profile column from (number, value).
fn column(rows: impl Iterator<Item = Result<(SubjectNo, Value)>>) -> Result<Column> {
    let mut column = Column::default();
    for row in rows {
        let (no, value) = row?;
        let code = column.code(value)?;
        column.put(no, code)?;
    }
    Ok(column)
}
