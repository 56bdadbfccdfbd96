//! A batch in columns from the start: what records become when there are many of them.
//!
//! Names stay text until the batch is complete; names whose numbers the caller knows are numbers at once. Then the caller
//! numbers the others, duplicates inside the batch fall away, and the columns are encoded as one block.

use super::cells::{Cells, SpaceNames};
use super::column::{PropertyBuilder, pick};
use super::plain::{self, Plain};
use super::shape::Shape;
use super::{Blocked, Event, INSERT_ID_PROPERTY, Key, Outcome, RecordError, Settings, Unattributed, cut};
use crate::block;
use crate::chunk::{GroupColumn, Inserts, Kind, SubjectNo, USER};
use crate::error::{Error, Result, try_vec};
use crate::intern::{pad_to, push};
use crate::names::Names;
use crate::regroup;
use crate::row::insert_hash;
use crate::value::Value;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::Arc;

/// A space of names; a name has one number in each space it occurs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    Event,
    Property,
    Subject(Kind),
}

/// Events after which a batch is full: one block holds them, and reading it stays cheap.
pub const SLICE: usize = 50_000;
/// Rows times columns after which it is full, for events that have little in common.
const MOST_CELLS: usize = 16 << 20;
/// Bytes of records after which it is full.
const MOST_BYTES: usize = 64 << 20;
/// Properties that are remembered from one batch to the next.
const MOST_PROPERTIES: usize = 1000;

#[derive(Default)]
struct Groups {
    kind: Kind,
    names: SpaceNames,
    /// The first group of each row, as long as the last row that has one.
    first: Cells,
    /// Further groups, and the rows they belong to.
    more: Cells,
    more_rows: Vec<u32>,
}

/// A batch of events on their way to a block.
#[derive(Default)]
pub struct Intake {
    event_names: SpaceNames,
    events: Cells,
    user_names: SpaceNames,
    users: Cells,
    /// The devices that events link to their users, and the rows of these events. They are named as users are.
    devices: Cells,
    device_rows: Vec<u32>,
    time: Vec<i64>,
    hash: Vec<u64>,
    groups: Vec<Groups>,
    shape: Shape,
    /// By their index in `shape`.
    properties: Vec<PropertyBuilder>,
    /// The numbers of the properties that have values, in the order of their indices.
    property_numbers: Vec<u32>,
    plain: Plain,
    bytes: usize,
    /// The records that were refused.
    pub failed: Vec<RecordError>,
    /// Records dropped because they carry `$ignore`.
    pub ignored: usize,
    pub unattributed: Vec<Unattributed>,
    /// Events that were discarded because they are blocked, by their names.
    pub blocked: BTreeMap<String, u64>,
    /// The same of those that were discarded for what they carry.
    pub dropped: BTreeMap<String, u64>,
    /// Which records these were.
    pub dropped_records: Vec<usize>,
    block: Blocked,
}

impl Intake {
    /// An empty batch of a project with these group keys.
    pub fn new(keys: &[Key]) -> Self {
        let groups = keys.iter().map(|k| Groups {
            kind: k.kind,
            ..Groups::default()
        });
        Intake {
            groups: groups.collect(),
            shape: Shape::new(keys),
            ..Intake::default()
        }
    }

    /// Says what is blocked, for the records that are taken in from now on.
    pub fn block(&mut self, names: Blocked) {
        self.block = names;
    }

    /// Takes the blocked properties off all events. Returns which there were. To be asked before names are numbered.
    pub fn strip(&mut self) -> Vec<String> {
        let mut stripped = Vec::new();
        if self.block.properties.is_empty() {
            return stripped;
        }
        for (i, p) in self.properties.iter_mut().enumerate() {
            let name = self.shape.name(i);
            if !p.is_empty() && self.block.properties.contains(name) {
                p.clear();
                stripped.push(name.to_string());
            }
        }
        stripped
    }

    /// Discards an event that is blocked, and counts it.
    #[inline]
    fn discards(&mut self, event: &str) -> bool {
        if self.block.events.is_empty() || !self.block.events.contains(event) {
            return false;
        }
        *self.blocked.entry(event.to_string()).or_default() += 1;
        true
    }

    /// Events so far.
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// True when there are no events.
    pub fn is_empty(&self) -> bool {
        self.time.is_empty()
    }

    /// True when it should be stored before more is taken in, so that memory stays bounded.
    pub fn is_full(&self) -> bool {
        self.len() >= SLICE || self.shape.len().saturating_mul(self.len()) > MOST_CELLS || self.bytes > MOST_BYTES
    }

    /// Says which numbers are known, for the records that are taken in from now on.
    pub fn know(&mut self, mut of: impl FnMut(Space) -> Vec<Arc<Names>>) -> Result<()> {
        self.settle()?;
        self.event_names.known = of(Space::Event);
        self.user_names.known = of(Space::Subject(USER));
        for g in &mut self.groups {
            g.names.known = of(Space::Subject(g.kind));
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        self.users.settle(&mut self.user_names)?;
        self.devices.settle(&mut self.user_names)?;
        for g in &mut self.groups {
            g.first.settle(&mut g.names)?;
            g.more.settle(&mut g.names)?;
        }
        Ok(())
    }

    /// Takes a record of the usual shape; `false` leaves it to [`Intake::take`]. After an error the batch must not be
    /// used any further.
    pub(super) fn take_plain(&mut self, line: &str, settings: &Settings) -> Result<bool> {
        if plain::read(line, settings, &mut self.shape, &mut self.plain).is_none() {
            return Ok(false);
        }
        if !self.block.events.is_empty() || !self.block.filters.is_empty() {
            let event = self.plain.event(line).to_string();
            if self.discards(&event) {
                return Ok(true);
            }
            if self.block.suspects(&event) {
                return Ok(false);
            }
        }
        let row = self.len();
        self.events.push_now(&mut self.event_names, self.plain.event(line))?;
        match self.plain.user(line) {
            Some(u) => self.users.push(&mut self.user_names, u)?,
            None => push(&mut self.users.numbers, 0)?,
        }
        if let Some(d) = self.plain.linked_device(line) {
            self.devices.push(&mut self.user_names, d)?;
            push(&mut self.device_rows, row as u32)?;
        }
        push(&mut self.time, self.plain.time)?;
        push(&mut self.hash, self.plain.insert_hash)?;
        for (key, g) in self.groups.iter_mut().enumerate() {
            if let Some(id) = self.plain.group(line, key) {
                if g.first.numbers.len() < row {
                    pad_to(&mut g.first.numbers, row)?;
                }
                g.first.push(&mut g.names, id)?;
            }
        }
        let (properties, chars) = (&mut self.properties, settings.limits.string_chars);
        self.plain.stored(line, &mut self.shape, |index, v| {
            let Some(p) = column(properties, index)? else {
                return Ok(());
            };
            match v {
                Ok(text) => p.push_text(row, cut(text, chars)),
                Err(value) => p.push(row, &value),
            }
        })?;
        self.bytes = self.bytes.saturating_add(line.len());
        Ok(true)
    }

    /// Takes what became of a record of `bytes` bytes. After an error the batch must not be used any further.
    pub fn take(&mut self, outcome: Outcome, bytes: usize) -> Result<()> {
        match outcome {
            Outcome::Event(e, _) if self.discards(&e.name) => {}
            Outcome::Event(e, _) if self.block.drops(&e) => {
                *self.dropped.entry(e.name.to_string()).or_default() += 1;
                push(&mut self.dropped_records, e.index)?;
            }
            Outcome::Event(e, notes) => {
                self.take_event(&e)?;
                for n in notes {
                    push(&mut self.unattributed, n)?;
                }
                self.bytes = self.bytes.saturating_add(bytes);
            }
            Outcome::Failed(e) => push(&mut self.failed, e)?,
            Outcome::Ignored => self.ignored += 1,
        }
        Ok(())
    }

    fn take_event(&mut self, e: &Event) -> Result<()> {
        let row = self.len();
        self.events.push_now(&mut self.event_names, &e.name)?;
        match &*e.distinct_id {
            "" => push(&mut self.users.numbers, 0)?,
            id => self.users.push(&mut self.user_names, id)?,
        }
        if let Some(d) = e.linked_device() {
            self.devices.push(&mut self.user_names, &d)?;
            push(&mut self.device_rows, row as u32)?;
        }
        push(&mut self.time, e.time)?;
        push(&mut self.hash, e.insert_id.as_deref().map_or(0, insert_hash))?;
        for (kind, ids) in &e.groups {
            let Some(g) = self.groups.iter_mut().find(|g| g.kind == *kind) else {
                continue;
            };
            for (i, id) in ids.iter().enumerate() {
                if i == 0 {
                    pad_to(&mut g.first.numbers, row)?;
                    g.first.push(&mut g.names, id)?;
                } else {
                    push(&mut g.more_rows, row as u32)?;
                    g.more.push(&mut g.names, id)?;
                }
            }
        }
        for (name, v) in &e.properties {
            let index = self.shape.property(name)?;
            if let Some(p) = column(&mut self.properties, index)? {
                match v {
                    Value::Str(s) => p.push_text(row, s)?,
                    v => p.push(row, v)?,
                }
            }
        }
        Ok(())
    }

    /// The spaces that names of this batch may need numbers of.
    pub fn spaces(&self) -> Vec<Space> {
        let kinds = self.groups.iter().map(|g| Space::Subject(g.kind));
        [Space::Event, Space::Property, Space::Subject(USER)]
            .into_iter()
            .chain(kinds)
            .collect()
    }

    fn groups_of(&self, kind: Kind) -> Option<&Groups> {
        self.groups.iter().find(|g| g.kind == kind)
    }

    /// The names of a space that need a number, each once.
    pub fn unnumbered(&mut self, space: Space) -> Result<Vec<&str>> {
        self.settle()?;
        let names = match space {
            Space::Event => &self.event_names,
            Space::Subject(USER) => &self.user_names,
            Space::Subject(kind) => match self.groups_of(kind) {
                Some(g) => &g.names,
                None => return Ok(Vec::new()),
            },
            Space::Property => {
                let mut out = try_vec(self.properties.len(), "names")?;
                let set = self.properties.iter().enumerate().filter(|(_, p)| !p.is_empty());
                out.extend(set.map(|(i, _)| self.shape.name(i)));
                return Ok(out);
            }
        };
        names.new.in_order()
    }

    /// Gives the names that [`Intake::unnumbered`] lists their numbers, in the same order.
    pub fn number(&mut self, space: Space, numbers: &[u32]) -> Result<()> {
        if numbers.len() != self.unnumbered(space)?.len() {
            return Err(Error::param("one number a name"));
        }
        match space {
            Space::Event => self.events.number(numbers),
            Space::Subject(USER) => {
                self.users.number(numbers);
                self.devices.number(numbers);
            }
            Space::Subject(kind) => {
                if let Some(g) = self.groups.iter_mut().find(|g| g.kind == kind) {
                    g.first.number(numbers);
                    g.more.number(numbers);
                }
            }
            Space::Property => self.property_numbers = numbers.to_vec(),
        }
        Ok(())
    }

    /// The devices that events of the batch link to users: each once, with the user it came with first, in order of their
    /// numbers. To be asked when users have their numbers and before duplicates fall away: what is replaced was sent.
    pub fn links(&self) -> Result<Vec<(SubjectNo, SubjectNo)>> {
        let mut found = try_vec(self.device_rows.len(), "links of devices")?;
        for (device, row) in self.devices.numbers.iter().zip(&self.device_rows) {
            let user = self.users.numbers.get(*row as usize).copied().unwrap_or(0);
            found.push((*device, *row, user));
        }
        found.sort_unstable();
        found.dedup_by_key(|(device, ..)| *device);
        found.retain(|(device, _, user)| *device != 0 && *user != 0);
        let mut links = try_vec(found.len(), "links of devices")?;
        links.extend(found.into_iter().map(|(device, _, user)| (device, user)));
        Ok(links)
    }

    /// Drops all but the last (or the first) of the events with one identity, which takes the place of the first. Returns
    /// how many fell away. For a batch whose names are numbered. O(n).
    pub fn dedupe(&mut self, keep_last: bool) -> Result<usize> {
        let identity = |row: u32| {
            let r = row as usize;
            let number = |c: &Cells| c.numbers.get(r).copied().unwrap_or(0);
            (
                self.hash.get(r).copied().unwrap_or(0),
                self.time.get(r).copied().unwrap_or(0),
                number(&self.users),
                number(&self.events),
            )
        };
        let hasher = DefaultHashBuilder::default();
        // Positions in `kept`, which holds the rows that stay.
        let mut seen: HashTable<u32> = HashTable::new();
        let mut kept: Vec<u32> = try_vec(self.len(), "kept rows")?;
        let with_id = self.hash.iter().filter(|h| **h != 0).count();
        seen.try_reserve(with_id, |_| 0)
            .map_err(|_| Error::OutOfMemory("kept rows"))?;
        for row in 0..self.len() as u32 {
            let id = identity(row);
            if id.0 == 0 {
                kept.push(row);
                continue;
            }
            // The insert hash is well mixed, but not secret.
            let hash = hasher.hash_one(id.0);
            let of = |at: &u32| kept.get(*at as usize).map_or(u32::MAX, |r| *r);
            match seen.find(hash, |at| identity(of(at)) == id) {
                None => {
                    let rehash = |at: &u32| hasher.hash_one(identity(of(at)).0);
                    seen.insert_unique(hash, kept.len() as u32, rehash);
                    kept.push(row);
                }
                Some(at) if keep_last => {
                    let at = *at as usize;
                    if let Some(slot) = kept.get_mut(at) {
                        *slot = row;
                    }
                }
                Some(_) => {}
            }
        }
        let dropped = self.len() - kept.len();
        if dropped > 0 {
            self.keep(&kept)?;
        }
        Ok(dropped)
    }

    /// Keeps these rows, in this order.
    fn keep(&mut self, rows: &[u32]) -> Result<()> {
        self.time = pick(&self.time, rows, 0)?;
        self.hash = pick(&self.hash, rows, 0)?;
        self.events.numbers = pick(&self.events.numbers, rows, 0)?;
        self.users.numbers = pick(&self.users.numbers, rows, 0)?;
        for g in &mut self.groups {
            g.first.numbers = pick(&g.first.numbers, rows, 0)?;
            let (mut more, mut more_rows) = (Vec::new(), Vec::new());
            for (new, old) in rows.iter().enumerate() {
                let from = g.more_rows.partition_point(|r| r < old);
                for (r, no) in g.more_rows.iter().zip(&g.more.numbers).skip(from) {
                    if r != old {
                        break;
                    }
                    push(&mut more_rows, new as u32)?;
                    push(&mut more, *no)?;
                }
            }
            (g.more.numbers, g.more_rows) = (more, more_rows);
        }
        self.properties.iter_mut().try_for_each(|p| p.keep(rows))
    }

    /// The different numbers of the events, ascending; and the first and the last instant (0 of an empty batch).
    pub fn summary(&self) -> Result<(Vec<u32>, i64, i64)> {
        let mut events = try_vec(self.len(), "a batch of events")?;
        events.extend_from_slice(&self.events.numbers);
        events.sort_unstable();
        events.dedup();
        let min = self.time.iter().copied().min().unwrap_or(0);
        let max = self.time.iter().copied().max().unwrap_or(0);
        Ok((events, min, max))
    }

    /// The block of the batch, whose names are numbered. All events have one priority among duplicates.
    pub fn encode(&mut self, priority: i64) -> Result<Vec<u8>> {
        let n = self.len();
        let mut priorities = try_vec(n, "priorities")?;
        priorities.resize(n, priority);
        let inserts = Inserts {
            hash: std::mem::take(&mut self.hash),
            priority: priorities,
        };
        let mut block = block::Assembly::new(n, &self.events.numbers, &self.users.numbers, &self.time)?;
        let mut groups: Vec<GroupColumn> = try_vec(self.groups.len(), "groups")?;
        for g in &mut self.groups {
            if g.first.numbers.iter().all(|g| *g == 0) {
                continue;
            }
            pad_to(&mut g.first.numbers, n)?;
            let mut more = try_vec(g.more_rows.len(), "further groups")?;
            more.extend(g.more_rows.iter().copied().zip(g.more.numbers.iter().copied()));
            // Two ids of a list may be one group by now.
            regroup::once(&g.first.numbers, &mut more);
            let column = GroupColumn {
                kind: g.kind,
                first: std::mem::take(&mut g.first.numbers),
                more,
            };
            block.group(&column)?;
            groups.push(column);
        }
        let mut ids = None;
        let set = self.properties.iter_mut().enumerate().filter(|(_, p)| !p.is_empty());
        for ((i, p), no) in set.zip(&self.property_numbers) {
            let name = self.shape.name(i);
            let kind = self.shape.keys.iter().find(|k| k.property == name).map(|k| k.kind);
            let beside = groups
                .iter()
                .find(|g| Some(g.kind) == kind && name != INSERT_ID_PROPERTY);
            if let Some(body) = p.encode(n, beside)? {
                block.property(*no, body)?;
                if name == INSERT_ID_PROPERTY {
                    ids = p.insert_hashes()?.map(|hashes| (*no, hashes));
                }
            }
        }
        for column in groups {
            if let Some(g) = self.groups.iter_mut().find(|g| g.kind == column.kind) {
                g.first.numbers = column.first;
            }
        }
        block.inserts(&inserts, ids.as_ref().map(|(no, hashes)| (*no, hashes.as_slice())))?;
        self.hash = inserts.hash;
        block.finish()
    }

    /// Makes it empty, and ready for more: refused records and notes are gone as well.
    pub fn clear(&mut self) {
        for names in [&mut self.event_names, &mut self.user_names] {
            names.new.clear();
        }
        self.events.clear();
        self.users.clear();
        self.devices.clear();
        self.device_rows.clear();
        self.time.clear();
        self.hash.clear();
        for g in &mut self.groups {
            g.names.new.clear();
            g.first.clear();
            g.more.clear();
            g.more_rows.clear();
        }
        if self.shape.len() > MOST_PROPERTIES {
            self.shape.clear();
            self.properties.clear();
        }
        self.properties.iter_mut().for_each(PropertyBuilder::clear);
        self.property_numbers.clear();
        self.bytes = 0;
        self.failed.clear();
        self.ignored = 0;
        self.unattributed.clear();
        self.blocked.clear();
        self.dropped.clear();
        self.dropped_records.clear();
    }
}

/// The column of a property, with those before it.
#[inline]
fn column(properties: &mut Vec<PropertyBuilder>, index: usize) -> Result<Option<&mut PropertyBuilder>> {
    while properties.len() <= index {
        push(properties, PropertyBuilder::default())?;
    }
    Ok(properties.get_mut(index))
}
