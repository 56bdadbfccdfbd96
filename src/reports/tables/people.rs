//! The relations `users` and `groups`: who is known, by an event or a profile.

use super::texts;
use crate::error::Result;
use crate::pg::foreign::{Asked, Cell, Rows};
use crate::pg::instants::micros;
use crate::pg::spi::Sql;
use crate::registry::Project;
use crate::reports::query_profiles::{self, Seen};
use engine::chunk::{Kind, USER};

/// Rows that are handed over together.
const AT_ONCE: usize = 10_000;

/// A relation while it is read.
pub struct People {
    project: Project,
    columns: Vec<String>,
    /// Users, or one group key after the other, with their names.
    kinds: Vec<(Kind, String)>,
    /// The ids that are asked for; `None` = all.
    only: Option<Vec<String>>,
    /// Those of the first of `kinds`, once they are known, and the last id that was handed over.
    seen: Option<Seen>,
    after: String,
}

impl People {
    /// Users.
    pub fn users(_sql: &Sql, project: Project, asked: &Asked) -> Result<People> {
        Ok(People {
            kinds: vec![(USER, String::new())],
            only: texts(asked, "distinct_id").map(|ids| ids.into_iter().collect()),
            columns: asked.columns.clone(),
            project,
            seen: None,
            after: String::new(),
        })
    }

    /// Groups of every key, or of those that are asked for.
    pub fn groups(_sql: &Sql, project: Project, asked: &Asked) -> Result<People> {
        let keys = texts(asked, "group_key");
        let wanted = |property: &String| keys.as_ref().is_none_or(|k| k.contains(property));
        let kinds = project.keys.iter().filter(|k| wanted(&k.property));
        Ok(People {
            kinds: kinds.map(|k| (k.kind, k.property.clone())).collect(),
            only: texts(asked, "group_id").map(|ids| ids.into_iter().collect()),
            columns: asked.columns.clone(),
            project,
            seen: None,
            after: String::new(),
        })
    }

    /// The next of them; false after the last.
    pub fn fill(&mut self, sql: &Sql, rows: &mut Rows) -> Result<bool> {
        let Some((kind, key)) = self.kinds.first() else {
            return Ok(false);
        };
        let seen = match self.seen.take() {
            Some(seen) => seen,
            None => query_profiles::seen(sql, &self.project, *kind)?,
        };
        let place = |name: &str| {
            self.columns
                .iter()
                .any(|c| c == name)
                .then(|| rows.place(name))
                .flatten()
        };
        let places = [
            place(if *kind == USER { "distinct_id" } else { "group_id" }),
            place("group_key"),
            place("properties"),
            place("first_seen"),
            place("last_seen"),
        ];
        let only: Option<Vec<&str>> = self.only.as_ref().map(|ids| ids.iter().map(String::as_str).collect());
        let (mut n, mut last, mut json) = (0, None, Vec::new());
        query_profiles::known(
            sql,
            &self.project,
            *kind,
            &seen,
            (&self.after, only.as_deref()),
            &mut |one| {
                json.clear();
                json.extend_from_slice(one.profile.as_deref().unwrap_or("{}").as_bytes());
                json.push(0);
                let instant = |at: Option<i64>| at.map_or(Cell::Null, |ms| Cell::Instant(micros(ms)));
                let cells = [
                    Cell::Text(&one.id),
                    Cell::Text(key),
                    Cell::Json(&json),
                    instant(one.seen.map(|s| s.0)),
                    instant(one.seen.map(|s| s.1)),
                ];
                let there = places.iter().zip(cells);
                let there: Vec<(usize, Cell)> = there.filter_map(|(place, cell)| Some(((*place)?, cell))).collect();
                rows.push(&there)?;
                n += 1;
                last = Some(one.id);
                Ok(n < AT_ONCE)
            },
        )?;
        match last.filter(|_| n >= AT_ONCE) {
            Some(id) => (self.after, self.seen) = (id, Some(seen)),
            None => {
                self.kinds.remove(0);
                self.after.clear();
            }
        }
        Ok(!self.kinds.is_empty())
    }
}
