//! Comparing every stored set with the segments.

use super::count::{self, Counted};
use super::{ANY, RARE, Set, day_row, name, set_row};
use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Sql};
use crate::registry::Project;
use engine::bitmap::Bitmap;
use engine::chunk::{Kind, USER};
use engine::tick::Tick;
use std::collections::{BTreeMap, BTreeSet};

/// Days that are compared together.
const DAYS_AT_ONCE: usize = 16;

/// Calls `problem(object, what)` for everything that is not as it should be.
pub fn verify(sql: &Sql, project: &Project, problem: &mut dyn FnMut(&str, String)) -> Result<()> {
    let mut days: BTreeMap<i32, BTreeSet<u32>> = BTreeMap::new();
    let rows = sql.read(&project.sql("SELECT day, uncovered FROM @.event_day"), &[])?;
    for i in 0..rows.len() {
        let (day, uncovered) = day_row(&rows, i)?;
        days.insert(day, uncovered.into_iter().collect());
    }
    drop(rows);
    let listed: BTreeSet<i32> = days.keys().copied().collect();
    let rows = sql.read(
        &project.sql("SELECT day_min, day_max FROM @.segment UNION SELECT day, day FROM @.subject_set"),
        &[],
    )?;
    for i in 0..rows.len() {
        let (a, b) = (rows.get::<i32>(i, 0).unwrap_or(0), rows.get::<i32>(i, 1).unwrap_or(0));
        for day in a..=b {
            days.entry(day).or_default();
        }
    }
    drop(rows);
    let rows = sql.read(&project.sql("SELECT DISTINCT event FROM @.segment ORDER BY event"), &[])?;
    let events: Vec<i32> = (0..rows.len()).filter_map(|i| rows.get(i, 0)).collect();
    drop(rows);
    let list: Vec<i32> = days.keys().copied().collect();
    for part in list.chunks(DAYS_AT_ONCE) {
        let (Some(from), Some(to)) = (part.first(), part.last()) else {
            continue;
        };
        let mut check = Check {
            stored: stored(sql, project, *from, *to, problem)?,
            days: &days,
            listed: &listed,
            problem,
        };
        let mut any: BTreeMap<i32, Counted> = BTreeMap::new();
        count::count(
            sql,
            project,
            false,
            &events,
            (*from, *to),
            &|_, _| true,
            &mut |event, of_days| {
                for (day, mut counted) in of_days {
                    any.entry(day).or_default().union(&counted)?;
                    check.pair(event, day, &mut counted)?;
                }
                Ok(())
            },
        )?;
        for (day, counted) in &mut any {
            check.pair(ANY, *day, counted)?;
        }
        check.rest();
    }
    Ok(())
}

type Key = (Kind, u32, i32);

fn stored(
    sql: &Sql,
    project: &Project,
    from: i32,
    to: i32,
    problem: &mut dyn FnMut(&str, String),
) -> Result<BTreeMap<Key, Set>> {
    let rows = sql.read(
        &project
            .sql("SELECT kind, event, day, events, rows, card, data FROM @.subject_set WHERE day BETWEEN $1 AND $2"),
        &[Arg::Int4(from), Arg::Int4(to)],
    )?;
    let mut out = BTreeMap::new();
    for i in 0..rows.len() {
        Interrupts.tick()?;
        let set = set_row(&rows, i, true)?;
        if set.day < from || set.day > to {
            problem(&set.name(), "lies outside of its day".into());
        }
        out.insert((set.kind, set.event, set.day), set);
    }
    Ok(out)
}

struct Check<'a> {
    stored: BTreeMap<Key, Set>,
    days: &'a BTreeMap<i32, BTreeSet<u32>>,
    listed: &'a BTreeSet<i32>,
    problem: &'a mut dyn FnMut(&str, String),
}

impl Check<'_> {
    /// Compares what was counted of an event (or any) and day with what is stored.
    fn pair(&mut self, event: u32, day: i32, counted: &mut Counted) -> Result<()> {
        if !self.listed.contains(&day) {
            (self.problem)(
                &format!("event_day {day}"),
                format!("is missing, and event {event} has rows that day"),
            );
            return Ok(());
        }
        if self.days.get(&day).is_some_and(|e| e.contains(&event)) {
            return Ok(());
        }
        for (kind, members) in &mut counted.kinds {
            Interrupts.tick()?;
            let Some(set) = self.stored.remove(&(*kind, event, day)) else {
                (self.problem)(&name(*kind, event, day), "is missing".into());
                continue;
            };
            let same = |set: &Set| -> Result<bool> {
                let subjects = Bitmap::from_portable(set.portable()?).map_err(Failure::from)?;
                let expected = members.set.to_vec();
                Ok(
                    (set.events, set.rows, set.card) == (members.events, counted.rows, expected.len() as u64)
                        && subjects.iter().eq(expected),
                )
            };
            let mut same = same;
            match same(&set) {
                Ok(true) => {}
                Ok(false) => (self.problem)(&set.name(), "is not what its segments hold".into()),
                Err(e) => (self.problem)(&set.name(), e.message),
            }
        }
        if counted.rows < RARE && event != ANY && counted.kinds.contains_key(&USER) {
            (self.problem)(
                &format!("event_day {day}"),
                format!("event {event} has too few rows for sets of its own"),
            );
        }
        Ok(())
    }

    /// Sets that nothing was counted for.
    fn rest(self) {
        for set in self.stored.values() {
            (self.problem)(&set.name(), "has no sealed rows, or is of an uncovered event".into());
        }
    }
}
