//! The relation `events`: every event that counts, with its user and its groups.

use super::{span, texts};
use crate::error::Result;
use crate::pg::foreign::{Asked, Cell, Rows};
use crate::pg::instants::micros;
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::Sql;
use crate::registry::Project;
use crate::reports::subject;
use crate::store::identity::{self, Remap};
use crate::store::pieces::{self, Pieces};
use crate::store::scan::{self, Need};
use engine::chunk::{Chunk, Hits, Kind, SubjectNo, USER};
use engine::error::{Error, try_vec};
use engine::export::Names;
use engine::mask::Mask;
use engine::tick::{EVERY, Tick};
use std::collections::{BTreeMap, HashMap};

/// Events of the first piece that is read, so that whoever asks for a few is served soon; and of the largest.
const FIRST_PIECE: usize = 16_384;
const LARGEST_PIECE: usize = 1 << 20;

/// Where the columns of the relation are; `None` = nobody looks at it.
struct Places {
    event: Option<usize>,
    time: Option<usize>,
    distinct_id: Option<usize>,
    properties: Option<usize>,
    groups: Option<usize>,
}

impl Places {
    fn of(asked: &[String], rows: &Rows) -> Places {
        let place = |name: &str| asked.iter().any(|c| c == name).then(|| rows.place(name)).flatten();
        Places {
            event: place("event"),
            time: place("time"),
            distinct_id: place("distinct_id"),
            properties: place("properties"),
            groups: place("groups"),
        }
    }
}

/// The relation while it is read.
pub struct Events {
    project: Project,
    columns: Vec<String>,
    need: Need,
    /// Numbers of the users that are asked for, ascending; `None` = everybody, and nobody.
    users: Option<Vec<SubjectNo>>,
    remap: Remap,
    events: HashMap<u32, String>,
    names: Names,
    pieces: Pieces,
    next: usize,
}

impl Events {
    /// What is asked, before anything is read.
    pub fn open(sql: &Sql, project: Project, asked: &Asked) -> Result<Events> {
        let looks_at = |name: &str| asked.columns.iter().any(|c| c == name);
        let (events, properties) = (named(sql, &project, "event_name")?, named(sql, &project, "property")?);
        let names = Names::new(
            events.iter().map(|(no, name)| (*no, name.as_str())),
            properties.iter().map(|(no, name)| (*no, name.as_str())),
        );
        let wanted = texts(asked, "event").map(|wanted| {
            let numbers = events.iter().filter(|(_, name)| wanted.contains(name));
            let mut numbers: Vec<u32> = numbers.map(|(no, _)| *no).collect();
            numbers.sort_unstable();
            numbers
        });
        let users = match texts(asked, "distinct_id") {
            None => None,
            Some(ids) => {
                let mut all = Vec::new();
                for id in ids {
                    all.extend(
                        subject::find(sql, &project, USER, &id)?
                            .map(|s| s.all)
                            .unwrap_or_default(),
                    );
                }
                all.sort_unstable();
                Some(all)
            }
        };
        let need = Need {
            events: wanted,
            kinds: match looks_at("groups") {
                true => project.keys.iter().map(|k| k.kind).collect(),
                false => Vec::new(),
            },
            properties: match looks_at("properties") {
                true => names.properties(),
                false => Vec::new(),
            },
            ..Need::default()
        };
        let mut span = span(&asked.conditions, "time");
        if users.as_ref().is_some_and(Vec::is_empty) || need.events.as_ref().is_some_and(Vec::is_empty) {
            span.to = span.from;
        }
        let pieces = pieces::pieces(sql, &project, &need, span, FIRST_PIECE, LARGEST_PIECE)?;
        Ok(Events {
            remap: identity::remap(sql, &project)?,
            columns: asked.columns.clone(),
            project,
            need,
            users,
            events: events.into_iter().collect(),
            names,
            pieces,
            next: 0,
        })
    }

    /// The events of the next piece of time; false after the last.
    pub fn fill(&mut self, sql: &Sql, rows: &mut Rows) -> Result<bool> {
        let Some(span) = self.pieces.spans.get(self.next).copied() else {
            return Ok(false);
        };
        self.next += 1;
        let places = Places::of(&self.columns, rows);
        scan::scan(sql, &self.project, &self.need, span, &mut |chunk, keep| {
            self.push(sql, chunk, keep, &places, rows)
        })?;
        Ok(self.next < self.pieces.spans.len())
    }

    /// The rows of a chunk that are asked for.
    fn push(&self, sql: &Sql, chunk: &Chunk, keep: &Mask, places: &Places, rows: &mut Rows) -> Result<()> {
        let mut picked = keep.clone();
        if self.need.events.is_some() || self.users.is_some() {
            let event = |row: usize| {
                self.need
                    .events
                    .as_ref()
                    .is_none_or(|e| e.binary_search(&chunk.event(row)).is_ok())
            };
            let of = |row: usize| chunk.user.get(row).copied().unwrap_or(0);
            let user = |row: usize| self.users.as_ref().is_none_or(|u| u.binary_search(&of(row)).is_ok());
            picked.and(&Mask::from_fn(chunk.len(), |row| event(row) && user(row)));
        }
        let users = match places.distinct_id {
            Some(_) => self.users_of(sql, chunk, &picked)?,
            None => BTreeMap::new(),
        };
        let groups = match places.groups {
            Some(_) => self.groups_of(sql, chunk, &picked)?,
            None => Vec::new(),
        };
        let mut of_row = groups.iter().peekable();
        let (mut properties, mut object) = (Vec::new(), Vec::new());
        for (i, row) in picked.ones().enumerate() {
            if i % EVERY == 0 {
                Interrupts.tick()?;
            }
            let mut cells = [(0, Cell::Null); 5];
            let mut used = cells.iter_mut();
            let mut cell = |place: Option<usize>, value| {
                if let (Some(place), Some(slot)) = (place, used.next()) {
                    *slot = (place, value);
                }
            };
            if let Some(name) = self.events.get(&chunk.event(row)) {
                cell(places.event, Cell::Text(name));
            }
            if let Some(at) = chunk.time.get(row) {
                cell(places.time, Cell::Instant(micros(*at)));
            }
            if let Some(id) = users.get(&self.canonical(chunk.user.get(row).copied().unwrap_or(0))) {
                cell(places.distinct_id, Cell::Text(id));
            }
            if places.properties.is_some() {
                properties.clear();
                self.names.properties_of(chunk, row, &mut properties)?;
                properties.push(0);
                cell(places.properties, Cell::Json(&properties));
            }
            if places.groups.is_some() {
                object.clear();
                let mut of_this = Vec::new();
                while let Some((_, kind, id)) = of_row.next_if(|(r, ..)| *r == row) {
                    of_this.push((*kind, id.as_str()));
                }
                self.write_groups(&of_this, &mut object)?;
                cell(places.groups, Cell::Json(&object));
            }
            rows.push(&cells)?;
        }
        Ok(())
    }

    fn canonical(&self, user: SubjectNo) -> SubjectNo {
        let end = self.remap.as_deref().and_then(|r| r.get(user as usize).copied());
        end.unwrap_or(user)
    }

    /// The ids of the users of the picked rows, by their numbers after identity merges.
    fn users_of(&self, sql: &Sql, chunk: &Chunk, picked: &Mask) -> Result<BTreeMap<SubjectNo, String>> {
        let mut numbers = try_vec(picked.count(), "the users of a segment")?;
        let of = |row: usize| self.canonical(chunk.user.get(row).copied().unwrap_or(0));
        numbers.extend(picked.ones().map(of).filter(|no| *no != 0));
        numbers.sort_unstable();
        numbers.dedup();
        let ids = match numbers.is_empty() {
            true => BTreeMap::new(),
            false => subject::ids(sql, &self.project, USER, &numbers)?,
        };
        if ids.len() < numbers.len() {
            return Err(Error::corrupt("a user of an event has no id").into());
        }
        Ok(ids)
    }

    /// The groups that the picked rows count for, in order of the rows.
    fn groups_of(&self, sql: &Sql, chunk: &Chunk, picked: &Mask) -> Result<Vec<(usize, Kind, String)>> {
        let mut all = Vec::new();
        for kind in &self.need.kinds {
            let mut found: Vec<(usize, SubjectNo)> = Vec::new();
            let mut room = Ok(());
            chunk.for_each_subject(*kind, &Hits::rows(picked.clone()), |row, no| {
                if room.is_ok() {
                    room = found.try_reserve(1);
                }
                if room.is_ok() {
                    found.push((row, no));
                }
            });
            room.map_err(|_| Error::OutOfMemory("the groups of a segment"))?;
            let mut numbers: Vec<SubjectNo> = found.iter().map(|(_, no)| *no).collect();
            numbers.sort_unstable();
            numbers.dedup();
            let ids = match numbers.is_empty() {
                true => BTreeMap::new(),
                false => subject::ids(sql, &self.project, *kind, &numbers)?,
            };
            all.try_reserve(found.len())
                .map_err(|_| Error::OutOfMemory("the groups of a segment"))?;
            all.extend(
                found
                    .into_iter()
                    .filter_map(|(row, no)| Some((row, *kind, ids.get(&no)?.clone()))),
            );
        }
        all.sort();
        Ok(all)
    }

    /// `{"company_id": ["acme"]}`, with a NUL at its end.
    fn write_groups(&self, groups: &[(Kind, &str)], out: &mut Vec<u8>) -> Result<()> {
        let mut object = serde_json::Map::new();
        for (kind, id) in groups {
            let Some(key) = self.project.keys.iter().find(|k| k.kind == *kind) else {
                continue;
            };
            let list = object
                .entry(key.property.as_str())
                .or_insert_with(|| serde_json::json!([]));
            if let Some(list) = list.as_array_mut() {
                list.push((*id).into());
            }
        }
        out.extend_from_slice(serde_json::Value::Object(object).to_string().as_bytes());
        out.push(0);
        Ok(())
    }

    /// How much of the store was looked at.
    pub fn explain(&self) -> Vec<(&'static str, String)> {
        let (read, all) = self.pieces.segments;
        vec![("Segments", format!("{read} of {all}"))]
    }
}

/// Numbers and names of events or properties.
fn named(sql: &Sql, project: &Project, table: &str) -> Result<Vec<(u32, String)>> {
    let rows = sql.read(&project.sql(&format!("SELECT no::bigint, name FROM @.{table}")), &[])?;
    let each = (0..rows.len()).map(|i| {
        let no = u32::try_from(rows.int(i, 0)?).unwrap_or(0);
        Ok((no, rows.text(i, 1)?.to_string()))
    });
    each.collect()
}
