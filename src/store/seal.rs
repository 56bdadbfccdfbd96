//! Sealing the rows of one event: next to the segments that are there, or together with them.
//!
//! New rows become segments of their own beside large old ones, so that a few late rows do not rewrite a large segment;
//! [`choose`] decides which segments are small enough to be merged. Segments of an event may therefore lie over one
//! another in days and users. What holds for all of them together: no event is in two, duplicates that come later are
//! looked for in the old segments before anything is written.

use super::segment::{self, Head};
use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Sql};
use crate::registry::Project;
use crate::settings;
use engine::chunk::{Chunk, Kind};
use engine::codec;
use engine::compact::{Arranged, Extent, Growth, Part, Scratch, Sealed, Source, choose};
use engine::parallel::PerThread;
use engine::tick::Tick;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Segments that are encoded before they are written.
const AT_ONCE: usize = 8;

/// While ingesting, a segment is rewritten when three times as many rows come to it: a row is rewritten seldom ...
pub const EAGER: Growth = Growth { times: 3, per: 1 };
/// ... and when a fourth of its rows come to it once somebody has asked to maintain: segments are few.
pub const TIDY: Growth = Growth { times: 1, per: 4 };

/// The segments of an event while it is sealed.
pub struct Sealer<'a> {
    pub sql: &'a Sql,
    pub project: &'a Project,
    names: Names,
    scratch: PerThread<Scratch>,
}

/// What the names of a project tell about its columns.
struct Names {
    insert_ids: Option<u32>,
    keys: Vec<(u32, Kind)>,
}

impl Names {
    fn scratch(&self) -> Scratch {
        Scratch::with_insert_ids(self.insert_ids).with_keys(self.keys.clone())
    }
}

fn extent(h: &Head) -> Extent {
    Extent {
        day_min: h.day_min,
        day_max: h.day_max,
        rows: h.n,
    }
}

/// Cuts the days of an arrangement into runs of about `target` rows: each is sealed by itself.
fn groups(rows: &Arranged, target: usize) -> Vec<(Range<usize>, BTreeMap<i32, u64>)> {
    let mut out: Vec<(Range<usize>, BTreeMap<i32, u64>)> = Vec::new();
    for (day, own) in rows.days() {
        let n = own.len() as u64;
        match out.last_mut() {
            Some((range, days)) if range.len() + own.len() <= target => {
                range.end = own.end;
                days.insert(day, n);
            }
            _ => out.push((own, BTreeMap::from([(day, n)]))),
        }
    }
    out
}

impl<'a> Sealer<'a> {
    /// Ready to seal with what the project's names tell.
    pub fn new(sql: &'a Sql, project: &'a Project) -> Result<Self> {
        let names = Names {
            insert_ids: segment::insert_ids(sql, project, true)?,
            keys: segment::keys(sql, project)?,
        };
        Ok(Sealer {
            sql,
            project,
            names,
            scratch: PerThread::new(&settings::workers()),
        })
    }

    /// Writes those rows of a segment that stay in its place; without any, it is gone.
    pub fn keep(&mut self, head: &Head, rows: Vec<u32>) -> Result<()> {
        if rows.is_empty() {
            return segment::delete(self.sql, self.project, &[head.no]);
        }
        for source in &self.load(std::slice::from_ref(head))? {
            let part = Part {
                source,
                rows: rows.clone(),
            };
            self.merge(head.event, vec![part], std::slice::from_ref(head))?;
        }
        Ok(())
    }

    /// Writes those rows of a chunk in place of the segment that it was.
    pub fn replace(&mut self, head: &Head, chunk: Chunk, rows: Vec<u32>) -> Result<()> {
        if rows.is_empty() {
            return segment::delete(self.sql, self.project, &[head.no]);
        }
        let source = Source::from_chunk(chunk)?;
        let part = Part { source: &source, rows };
        self.merge(head.event, vec![part], std::slice::from_ref(head))?;
        Ok(())
    }

    /// Seals the new rows of an event whose segments are `heads`.
    pub fn seal(&mut self, rows: &Arranged, heads: &[Head]) -> Result<()> {
        let target = settings::segment_rows();
        let mut left: Vec<Head> = heads.to_vec();
        let mut alone = Vec::new();
        for (range, days) in groups(rows, target) {
            Interrupts.tick()?;
            let extents: Vec<Extent> = left.iter().map(extent).collect();
            let mut chosen: BTreeSet<usize> = choose(&days, &extents, target, EAGER).into_iter().collect();
            let mut lost: BTreeSet<usize> = BTreeSet::new();
            self.duplicates(rows, range.clone(), &left, &mut chosen, &mut lost)?;
            let merged: Vec<Head> = chosen
                .iter()
                .filter_map(|i| left.get(*i))
                .map(|h| (*h).clone())
                .collect();
            let mut at = 0;
            left.retain(|_| {
                at += 1;
                !chosen.contains(&(at - 1))
            });
            if merged.is_empty() && lost.is_empty() {
                alone.push(range);
                continue;
            }
            let old = self.load(&merged)?;
            let mut parts = rows.parts(range, |i| !lost.contains(&i))?;
            for source in &old {
                parts.push(Part::whole(source)?);
            }
            // What was merged may have rows on the days that come next.
            left.extend(self.merge(rows.event, parts, &merged)?);
        }
        self.write(rows, alone, target)?;
        Ok(())
    }

    /// Merges segments of an event that have become too many, or too small beside one another.
    pub fn tidy(&mut self, event: u32, heads: Vec<Head>) -> Result<()> {
        let target = settings::segment_rows();
        let mut left = heads;
        left.sort_by_key(|h| (h.n, h.no));
        // The smallest first; what is merged is gone, and what it becomes is not looked at again this time.
        while let Some(seed) = (!left.is_empty()).then(|| left.remove(0)) {
            let days = i64::from(seed.day_max) - i64::from(seed.day_min) + 1;
            let each = (seed.n as u64 / days.max(1) as u64).max(1);
            let days: BTreeMap<i32, u64> = (seed.day_min..=seed.day_max).map(|d| (d, each)).collect();
            let over: Vec<usize> = (0..left.len())
                .filter(|i| {
                    left.get(*i)
                        .is_some_and(|h| h.day_min <= seed.day_max && h.day_max >= seed.day_min)
                })
                .collect();
            // Parts of one large day that is cut between users lie side by side.
            let apart = |h: &Head| h.user_min > seed.user_max || h.user_max < seed.user_min;
            let over: Vec<usize> = over
                .into_iter()
                .filter(|i| left.get(*i).is_some_and(|h| !apart(h)))
                .collect();
            let extents: Vec<Extent> = over.iter().filter_map(|i| left.get(*i)).map(extent).collect();
            let chosen: BTreeSet<usize> = choose(&days, &extents, target, TIDY)
                .into_iter()
                .filter_map(|i| over.get(i).copied())
                .collect();
            if chosen.is_empty() {
                continue;
            }
            let mut merged = vec![seed];
            let mut at = 0;
            left.retain(|h| {
                at += 1;
                let stays = !chosen.contains(&(at - 1));
                if !stays {
                    merged.push(h.clone());
                }
                stays
            });
            let old = self.load(&merged)?;
            let parts = old.iter().map(Part::whole).collect::<engine::error::Result<Vec<_>>>()?;
            self.merge(event, parts, &merged)?;
        }
        Ok(())
    }

    /// Writes the rows of all parts in place of the segments they came from, and answers with the new segments.
    fn merge(&mut self, event: u32, parts: Vec<Part>, old: &[Head]) -> Result<Vec<Head>> {
        let all = Arranged::new(event, parts, &self.project.calendar, &mut Interrupts)?;
        if !old.is_empty() {
            let numbers: Vec<i64> = old.iter().map(|h| h.no).collect();
            segment::delete(self.sql, self.project, &numbers)?;
        }
        let whole = 0..all.len();
        self.write(&all, vec![whole], settings::segment_rows())
    }

    /// Writes rows as segments: ranges of whole days, encoded on as many threads as a report may have.
    fn write(&mut self, rows: &Arranged, ranges: Vec<Range<usize>>, target: usize) -> Result<Vec<Head>> {
        let mut parts = Vec::new();
        for range in ranges {
            parts.extend(rows.cut(range, target, target * 2)?);
        }
        let (workers, mut out) = (settings::workers(), Vec::new());
        let (names, scratch) = (&self.names, &self.scratch);
        for parts in parts.chunks(AT_ONCE) {
            let n = parts.iter().map(Range::len).sum();
            let sealed: Vec<Mutex<Option<Sealed>>> = parts.iter().map(|_| Mutex::new(None)).collect();
            workers.each(parts.len(), n, &mut Interrupts, &|thread, i, tick| {
                let (Some(part), Some(place)) = (parts.get(i), sealed.get(i)) else {
                    return Ok(());
                };
                let encode = |scratch: &mut Scratch| rows.encode(part.clone(), scratch, tick);
                let done = scratch.with(thread, || Ok(names.scratch()), encode)?;
                *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
                Ok(())
            })?;
            for sealed in sealed {
                if let Some(sealed) = sealed.into_inner().unwrap_or_else(PoisonError::into_inner) {
                    out.push(segment::insert(self.sql, self.project, &sealed)?);
                }
            }
        }
        Ok(out)
    }

    /// Looks for the new rows in the segments that are not merged anyway. A segment that holds a row which is replaced
    /// now is chosen too; a new row that loses against an old one is noted in `lost`.
    ///
    /// Users and times of the segments tell most events apart, so that their insert hashes are hardly ever read.
    fn duplicates(
        &self,
        rows: &Arranged,
        range: Range<usize>,
        heads: &[Head],
        chosen: &mut BTreeSet<usize>,
        lost: &mut BTreeSet<usize>,
    ) -> Result<()> {
        let Some((first, last)) = rows
            .time_range(range.clone())
            .filter(|_| rows.has_inserts(range.clone()))
        else {
            return Ok(());
        };
        let asked: BTreeMap<i64, usize> = heads
            .iter()
            .enumerate()
            .filter(|(i, h)| !chosen.contains(i) && h.at_min <= last && h.at_max >= first)
            .map(|(i, h)| (h.no, i))
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        let numbers: Vec<i64> = asked.keys().copied().collect();
        let found = self.sql.write(
            &self
                .project
                .sql("SELECT no, users, times, inserts FROM @.segment WHERE no = ANY($1) AND inserts IS NOT NULL"),
            &[Arg::Ints(&numbers)],
        )?;
        for k in 0..found.len() {
            Interrupts.tick()?;
            let no = found.int(k, 0)?;
            let Some((i, head)) = asked.get(&no).and_then(|i| Some((*i, heads.get(*i)?))) else {
                continue;
            };
            let damaged = |e: engine::error::Error| Failure::from(e).within(format!("segment {no}"));
            let users = codec::decode_ids(&found.bytes(k, 1)?, head.n).map_err(damaged)?;
            let times = codec::decode_times(&found.bytes(k, 2)?, head.n).map_err(damaged)?;
            let met = rows.meet(range.clone(), &self.project.calendar, &users, &times, &mut Interrupts)?;
            if met.is_empty() {
                continue;
            }
            let mut ids = Vec::new();
            if let Some(property) = self.names.insert_ids {
                ids = segment::columns(self.sql, self.project, &[no], Some((&[], &[property])), true)?
                    .fetch(no)?
                    .properties;
            }
            let inserts = segment::decode_inserts(&found.bytes(k, 3)?, head.n, &ids).map_err(damaged)?;
            for (new, old) in met {
                let (hash, priority) = rows.insert(new);
                if inserts.hash.get(old) != Some(&hash) {
                    continue;
                }
                // Of equal priorities the later row stays, as everywhere: the new one.
                if inserts.priority.get(old).is_some_and(|p| *p > priority) {
                    lost.insert(new);
                } else {
                    chosen.insert(i);
                }
            }
        }
        Ok(())
    }

    /// Segments as they are stored.
    fn load(&self, heads: &[Head]) -> Result<Vec<Source>> {
        let numbers: Vec<i64> = heads.iter().map(|h| h.no).collect();
        let rows = self.sql.write(
            &self.project.sql(
                "SELECT no, event, n::bigint, users, times, inserts FROM @.segment WHERE no = ANY($1) ORDER BY no",
            ),
            &[Arg::Ints(&numbers)],
        )?;
        let columns = segment::columns(self.sql, self.project, &numbers, None, true)?;
        let mut out = Vec::new();
        for i in 0..rows.len() {
            Interrupts.tick()?;
            let no = rows.int(i, 0)?;
            let n = usize::try_from(rows.int(i, 2)?).unwrap_or(usize::MAX);
            let source = || -> Result<Source> {
                let event = rows.get::<i32>(i, 1).unwrap_or_default() as u32;
                let mut source = Source::from_segment(event, n, &rows.bytes(i, 3)?, &rows.bytes(i, 4)?)?;
                let columns = columns.fetch(no)?;
                for (kind, bytes) in columns.groups {
                    source.add_group(kind, &bytes)?;
                }
                for (property, bytes) in columns.properties {
                    source.add_property(property, &bytes)?;
                }
                if let Some(inserts) = rows.bytes_or_null(i, 5, true)? {
                    source.add_inserts(&inserts)?;
                }
                Ok(source)
            };
            out.push(source().map_err(|e| e.within(format!("segment {no}")))?);
        }
        Ok(out)
    }
}
