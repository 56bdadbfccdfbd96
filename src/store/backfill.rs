//! Attributing events that were stored before a group key was registered.

use super::settle::{self, Pace};
use super::{Lock, segment, sets};
use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{self, Arg, Sql};
use crate::registry::lexicon::{self, Space};
use crate::registry::{self, Project};
use crate::settings;
use engine::block::{self, Wanted};
use engine::chunk::{Chunk, Column, GroupColumn, Kind, PropertyColumn};
use engine::codec;
use engine::ingest::attribute;
use engine::limits::Limits;
use engine::regroup;
use engine::row;
use engine::tick::{EVERY, Tick};
use engine::value::Value;
use pgrx::prelude::*;
use std::collections::HashMap;

/// The groups each stored value of the property stands for, with ids turned into numbers.
struct Attributor<'a> {
    sql: &'a Sql,
    project: &'a Project,
    kind: Kind,
    limits: Limits,
    known: HashMap<Value, Vec<u32>>,
}

impl Attributor<'_> {
    /// Learns the groups of many values with one trip to the dictionary.
    fn learn<'v>(&mut self, values: impl Iterator<Item = &'v Value>) -> Result<()> {
        let mut ids: HashMap<Value, Vec<Box<str>>> = HashMap::new();
        for v in values {
            if !self.known.contains_key(v) && !ids.contains_key(v) {
                ids.insert(v.clone(), attribute(Some(v), &self.limits, false).ids);
            }
        }
        let names = ids.values().flatten().map(|s| &**s);
        let numbers = lexicon::assign(self.sql, self.project, Space::Subject(self.kind), names)?;
        for (v, list) in &ids {
            let groups = list.iter().filter_map(|id| numbers.get(&**id).copied()).collect();
            self.known.insert(v.clone(), regroup::distinct(groups));
        }
        Ok(())
    }

    fn groups(&self, v: &Value) -> &[u32] {
        self.known.get(v).map(Vec::as_slice).unwrap_or(&[])
    }

    /// The group column of a property column; `None` when no row is attributed.
    fn column(&mut self, column: &Column) -> Result<Option<GroupColumn>> {
        let values: Vec<Value> = match column {
            Column::Dict { values, .. } => values.clone(),
            Column::Number(v) => v.iter().filter(|f| !f.is_nan()).map(|f| Value::number(*f)).collect(),
        };
        self.learn(values.iter())?;
        let mut out = GroupColumn {
            kind: self.kind,
            first: Vec::new(),
            more: Vec::new(),
        };
        for i in 0..column.len() {
            if i % EVERY == 0 {
                Interrupts.tick()?;
            }
            let groups = column.get(i).map(|v| self.groups(&v).to_vec()).unwrap_or_default();
            out.first.push(groups.first().copied().unwrap_or(0));
            out.more.extend(groups.iter().skip(1).map(|g| (i as u32, *g)));
        }
        out.more.sort_unstable();
        Ok(out.first.iter().any(|g| *g != 0).then_some(out))
    }
}

fn property_column(chunk: &Chunk, property: u32) -> Option<&PropertyColumn> {
    chunk.properties.iter().find(|p| p.property == property)
}

fn backfill_segments(a: &mut Attributor, property: u32) -> Result<()> {
    let (sql, project) = (a.sql, a.project);
    let rows = sql.write(
        &project.sql(
            "SELECT c.segment, s.n::bigint, c.data FROM @.segment_column c JOIN @.segment s ON s.no = c.segment
             WHERE c.class = 'p' AND c.no = $1 ORDER BY c.segment",
        ),
        &[Arg::Int4(property as i32)],
    )?;
    let insert = project.sql("INSERT INTO @.segment_column (segment, class, no, data) VALUES ($1, 'g', $2, $3)");
    for i in 0..rows.len() {
        Interrupts.tick()?;
        let n = usize::try_from(rows.int(i, 1)?).unwrap_or(0);
        let no = rows.int(i, 0)?;
        let data = rows.bytes(i, 2)?;
        let damaged = |e: engine::error::Error| Failure::from(e).within(format!("segment {no}"));
        // A key that had this property before may have left groups that it follows.
        let mut beside = None;
        if let Some(kind) = codec::followed(&data).map_err(damaged)? {
            let groups = segment::columns(sql, project, &[no], Some((&[kind], &[])), true)?
                .fetch(no)?
                .groups;
            beside = groups.first().map(|(k, b)| codec::decode_group(*k, b, n)).transpose()?;
        }
        let groups = |kind: Kind| beside.as_ref().filter(|g| g.kind == kind);
        let column = codec::decode_column_beside(&data, n, &groups).map_err(damaged)?;
        if let Some(groups) = a.column(&column)? {
            let data = codec::encode_group(&groups)?;
            sql.write(
                &insert,
                &[Arg::Int(no), Arg::Int4(i32::from(a.kind)), Arg::Bytes(&data)],
            )?;
        }
    }
    Ok(())
}

fn backfill_blocks(a: &mut Attributor, property: u32) -> Result<()> {
    let (sql, project) = (a.sql, a.project);
    let rows = sql.write(
        &project.sql("SELECT batch, data FROM @.event_block ORDER BY batch"),
        &[],
    )?;
    for i in 0..rows.len() {
        Interrupts.tick()?;
        let mut chunk = block::decode(&rows.bytes(i, 1)?, &Wanted::all())?;
        let column = property_column(&chunk, property).map(|p| p.column.clone());
        let Some(groups) = column.map(|c| a.column(&c)).transpose()?.flatten() else {
            continue;
        };
        chunk.groups.push(groups);
        chunk.groups.sort_by_key(|g| g.kind);
        let data = block::encode(&chunk)?;
        sql.write(
            &project.sql("UPDATE @.event_block SET data = $2 WHERE batch = $1"),
            &[Arg::Int(rows.int(i, 0)?), Arg::Bytes(&data)],
        )?;
    }
    Ok(())
}

fn backfill_rows(a: &mut Attributor, property: u32) -> Result<()> {
    let (sql, project) = (a.sql, a.project);
    let rows = sql.write(&project.sql("SELECT ctid::text, data FROM @.event_row"), &[])?;
    let update = project.sql("UPDATE @.event_row SET data = $2 WHERE ctid = $1::tid");
    for i in 0..rows.len() {
        if i % EVERY == 0 {
            Interrupts.tick()?;
        }
        let mut event = row::decode(&rows.bytes(i, 1)?)?;
        let Some((_, value)) = event.properties.iter().find(|(p, _)| *p == property) else {
            continue;
        };
        let value = value.clone();
        a.learn(std::iter::once(&value))?;
        let groups = a.groups(&value).to_vec();
        if groups.is_empty() {
            continue;
        }
        event.groups.push((a.kind, groups));
        event.groups.sort_by_key(|(k, _)| *k);
        let data = row::encode(&event)?;
        sql.write(&update, &[Arg::Text(rows.text(i, 0)?), Arg::Bytes(&data)])?;
    }
    Ok(())
}

/// Attributes stored events to a key that was just registered. Waits for ingestions that began without knowing the key, so
/// that no event stays in between.
#[pg_extern(schema = "analytics_groups", name = "_backfill", volatile, strict)]
#[search_path(pg_catalog, pg_temp)]
fn backfill(project: &str, kind: i16, property: &str) -> Result<(), crate::pg::ErrorReport> {
    spi::connect(|sql| {
        super::lock(sql, project, Lock::Ingest)?;
        super::lock(sql, project, Lock::Maintain)?;
        sql.write("SELECT analytics_groups._need($1, 'admin')", &[Arg::Text(project)])?;
        let project = registry::open_for_writing(sql, Some(project))?;
        if !project
            .keys
            .iter()
            .any(|k| i32::from(k.kind) == i32::from(kind) && k.property == property)
        {
            return Err(Failure::internal("backfill of a key that is not registered"));
        }
        let found = sql.write(
            &project.sql("SELECT no FROM @.property WHERE name = $1"),
            &[Arg::Text(property)],
        )?;
        let Some(number) = found.get::<i32>(0, 0) else {
            return Ok(());
        };
        let mut a = Attributor {
            sql,
            project: &project,
            kind: kind as Kind,
            limits: settings::limits(),
            known: HashMap::new(),
        };
        backfill_segments(&mut a, number as u32)?;
        backfill_blocks(&mut a, number as u32)?;
        backfill_rows(&mut a, number as u32)?;
        let touched = sets::build::forget(sql, &project)?;
        settle::settle(sql, &project, &touched, Pace::Now)
    })?;
    Ok(())
}
