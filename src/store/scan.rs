//! Reading: the events of a span as chunks, each row once, whether it is sealed or still waits.

use super::kept::{self, VERSION, Version};
use super::raw::{Core, Raw};
use super::segment::{self, Head};
use crate::error::Result;
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Rows, Sql};
use crate::registry::Project;
use crate::settings;
use engine::block::decoded::Asked;
use engine::chunk::{Chunk, Kind};
use engine::chunk_builder::ChunkBuilder;
use engine::dedupe::Duplicates;
use engine::error::Error;
use engine::mask::Mask;
use engine::parallel::{PerThread, Workers};
use engine::row;
use engine::tick::{EVERY, Tick};
use engine::time::Span64;
use std::borrow::Cow;

/// What a reader needs.
#[derive(Debug, Clone, Default)]
pub struct Need {
    /// Event numbers; `None` = any event.
    pub events: Option<Vec<u32>>,
    /// Group columns.
    pub kinds: Vec<Kind>,
    /// Property columns.
    pub properties: Vec<u32>,
    /// Instants, ascending, between which it does not matter when an event happened: a segment that lies between two
    /// neighbours is read without its times, and all of its rows have the first of them. `None` = times matter.
    pub cuts: Option<Vec<i64>>,
    /// Users do not matter: a segment may be read without them, and its rows then have user 0.
    pub nobody: bool,
}

impl Need {
    /// With what is joined to events by their groups and times, which must be read for it.
    fn completed(&self, project: &Project) -> Cow<'_, Need> {
        let kinds = project.lookups.borrow().kinds(&self.properties);
        if kinds.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut need = self.clone();
        need.kinds.extend(kinds.into_iter().filter(|k| !self.kinds.contains(k)));
        need.kinds.sort_unstable();
        need.cuts = None;
        Cow::Owned(need)
    }

    /// Which core columns of a segment are read.
    fn core(&self, head: &Head, may_touch: bool) -> Core {
        let place = |t: i64| self.cuts.as_ref().map(|cuts| cuts.partition_point(|c| *c <= t));
        Core {
            // Duplicates are found by everything.
            users: may_touch || !self.nobody,
            times: may_touch || self.cuts.is_none() || place(head.at_min) != place(head.at_max),
            inserts: may_touch,
        }
    }
}

/// Segments whose columns are looked up together.
const SEGMENTS_AT_ONCE: usize = 256;

/// Calls `each` with every chunk that may hold wanted events and the mask of its rows that count: inside the span, and not
/// replaced by a duplicate. Rows of other events may be among them. Everything happens on the calling thread, segments in
/// the order of their days.
pub fn scan(
    sql: &Sql,
    project: &Project,
    need: &Need,
    span: Span64,
    each: &mut dyn FnMut(&Chunk, &Mask) -> Result<()>,
) -> Result<()> {
    if need.events.as_ref().is_some_and(Vec::is_empty) {
        return Ok(());
    }
    let need = need.completed(project);
    let need = need.as_ref();
    let waiting = waiting(sql, project, need, span)?;
    let refs: Vec<&Chunk> = waiting.iter().collect();
    let duplicates = Duplicates::new(&refs, &mut Interrupts)?;
    let lookups = project.lookups.borrow().clone();
    find(sql, project, need, span)?.fetch(sql, project, need, &|_| true, &duplicates, &mut |raw| {
        let (mut chunk, keep) = look(&raw, span, &duplicates, &mut Interrupts)?;
        if keep.any() {
            lookups.join(&mut chunk, &need.properties, &mut Interrupts)?;
            each(&chunk, &keep)?;
        }
        Ok(())
    })?;
    for (chunk, stays) in waiting.iter().zip(duplicates.delta_masks()) {
        Interrupts.tick()?;
        let keep = staying(chunk, span, stays);
        if keep.any() {
            each(chunk, &keep)?;
        }
    }
    Ok(())
}

/// The same on several threads: each makes a state for itself, is given chunks in any order, and the answer has the states
/// of all. `push` knows nothing but what it is given. At least one state comes back.
pub fn scan_on<K: Send>(
    sql: &Sql,
    project: &Project,
    need: &Need,
    span: Span64,
    workers: &Workers,
    make: impl Fn() -> Result<K, Error> + Sync,
    push: impl Fn(&mut K, &Chunk, &Mask, &mut dyn Tick) -> Result<(), Error> + Sync,
) -> Result<Vec<K>> {
    if need.events.as_ref().is_some_and(Vec::is_empty) {
        return Ok(vec![make()?]);
    }
    let waiting = waiting(sql, project, need, span)?;
    scan_with(sql, project, need, span, &waiting, &|_| true, workers, make, push)
}

/// As [`scan_on`], with what [`waiting`] answered for the same question, and without the segments that are not `wanted`.
#[allow(clippy::too_many_arguments)]
pub fn scan_with<K: Send>(
    sql: &Sql,
    project: &Project,
    need: &Need,
    span: Span64,
    waiting: &[Chunk],
    wanted: &dyn Fn(&Head) -> bool,
    workers: &Workers,
    make: impl Fn() -> Result<K, Error> + Sync,
    push: impl Fn(&mut K, &Chunk, &Mask, &mut dyn Tick) -> Result<(), Error> + Sync,
) -> Result<Vec<K>> {
    Passes::new(sql, project, need, span, workers, waiting)?.run(None, wanted, make, push)
}

/// Several passes over the same events.
pub struct Passes<'a> {
    sql: &'a Sql,
    project: &'a Project,
    need: Cow<'a, Need>,
    span: Span64,
    workers: &'a Workers<'a>,
    waiting: &'a [Chunk],
    found: Found<'a>,
    duplicates: Duplicates<'a>,
}

impl<'a> Passes<'a> {
    /// Passes over what `need` says, of which [`waiting`] answered what is not sealed.
    pub fn new(
        sql: &'a Sql,
        project: &'a Project,
        need: &'a Need,
        span: Span64,
        workers: &'a Workers<'a>,
        waiting: &'a [Chunk],
    ) -> Result<Self> {
        let refs: Vec<&Chunk> = waiting.iter().collect();
        let need = need.completed(project);
        Ok(Passes {
            duplicates: Duplicates::new(&refs, &mut Interrupts)?,
            found: find(sql, project, &need, span)?,
            sql,
            project,
            need,
            span,
            workers,
            waiting,
        })
    }

    /// Rows there are to read in one pass over all events, or more: some lie outside of the span.
    pub fn rows(&self) -> usize {
        let sealed = self.found.heads.iter().map(|(_, h)| h.n);
        sealed.chain(self.waiting.iter().map(Chunk::len)).sum()
    }

    /// One pass, over some of the events or all of them; as [`scan_on`]. What waits may have other events among it.
    pub fn run<K: Send>(
        &self,
        events: Option<&[u32]>,
        wanted: &dyn Fn(&Head) -> bool,
        make: impl Fn() -> Result<K, Error> + Sync,
        push: impl Fn(&mut K, &Chunk, &Mask, &mut dyn Tick) -> Result<(), Error> + Sync,
    ) -> Result<Vec<K>> {
        let (span, duplicates) = (self.span, &self.duplicates);
        let wanted = |head: &Head| events.is_none_or(|e| e.contains(&head.event)) && wanted(head);
        let states = PerThread::new(self.workers);
        let lookups = self.project.lookups.borrow().clone();
        let properties = &self.need.properties;
        let job = |thread: usize, raw: Raw, tick: &mut dyn Tick| {
            let (mut chunk, keep) = look(&raw, span, duplicates, tick)?;
            drop(raw);
            if keep.any() {
                lookups.join(&mut chunk, properties, tick)?;
                states.with(thread, &make, |k| push(k, &chunk, &keep, tick))?;
            }
            Ok(())
        };
        self.workers.stream(
            &mut Interrupts,
            |feeder| {
                self.found
                    .fetch(self.sql, self.project, &self.need, &wanted, duplicates, &mut |raw| {
                        let rows = raw.head.n;
                        Ok(feeder.push(raw, rows)?)
                    })
            },
            &job,
        )?;
        let waiting = self.waiting;
        let rows = waiting.iter().map(Chunk::len).sum();
        // Sealed events only win over waiting ones of their own name, which this pass has seen.
        let masks = duplicates.delta_masks();
        let job = |thread: usize, item: usize, tick: &mut dyn Tick| {
            let (Some(chunk), Some(stays)) = (waiting.get(item), masks.get(item)) else {
                return Ok(());
            };
            let keep = staying(chunk, span, stays.clone());
            if keep.any() {
                states.with(thread, &make, |k| push(k, chunk, &keep, tick))?;
            }
            Ok(())
        };
        self.workers.each(waiting.len(), rows, &mut Interrupts, &job)?;
        let mut out: Vec<K> = states.into_states().collect();
        if out.is_empty() {
            out.push(make()?);
        }
        Ok(out)
    }
}

/// Decodes a segment and says which of its rows count.
pub(super) fn look(
    raw: &Raw,
    span: Span64,
    duplicates: &Duplicates,
    tick: &mut dyn Tick,
) -> Result<(Chunk, Mask), Error> {
    let chunk = raw.decode()?;
    let mut keep = if raw.head.at_min >= span.from && raw.head.at_max < span.to {
        Mask::all(chunk.len())
    } else {
        inside(&chunk, span)
    };
    if let Some(stays) = duplicates.check(&chunk, || raw.inserts(), tick)? {
        keep.and(&stays);
    }
    Ok((chunk, keep))
}

pub(super) fn staying(chunk: &Chunk, span: Span64, stays: Option<Mask>) -> Mask {
    let mut keep = inside(chunk, span);
    if let Some(stays) = stays {
        keep.and(&stays);
    }
    keep
}

fn inside(chunk: &Chunk, span: Span64) -> Mask {
    let within = |t: i64| t >= span.from && t < span.to;
    if chunk.time.iter().all(|t| within(*t)) {
        return Mask::all(chunk.len());
    }
    Mask::from_fn(chunk.len(), |i| chunk.time.get(i).is_some_and(|t| within(*t)))
}

fn event_list(need: &Need) -> Option<Vec<i32>> {
    need.events.as_ref().map(|e| e.iter().map(|n| *n as i32).collect())
}

/// Wanted events that wait, decoded, with their insert columns. Of single rows some may be outside of the span.
pub fn waiting(sql: &Sql, project: &Project, need: &Need, span: Span64) -> Result<Vec<Chunk>> {
    kept::forget_erased(project);
    let need = need.completed(project);
    let need = need.as_ref();
    let mut wanted = need.events.clone();
    if let Some(events) = &mut wanted {
        events.sort_unstable();
    }
    let lookups = project.lookups.borrow().clone();
    let properties = lookups.stored(&need.properties);
    // Duplicates are of one event and time, so that rows of others are of no use to anybody.
    let asked = Asked {
        events: wanted.as_deref(),
        kinds: &need.kinds,
        properties: &properties,
        span,
    };
    let times = [Arg::Int(span.from), Arg::Int(span.to)];
    let events = event_list(need);
    let columns =
        format!("SELECT batch, n::bigint, data, {VERSION} FROM @.event_block WHERE at_max >= $1 AND at_min < $2");
    let blocks = match &events {
        None => sql.read(&project.sql(&format!("{columns} ORDER BY batch")), &times)?,
        Some(e) => sql.read(
            &project.sql(&format!("{columns} AND events && $3 ORDER BY batch")),
            &[times[0], times[1], Arg::Int4s(e)],
        )?,
    };
    let row_bytes = 40 + 8 * (need.kinds.len() + need.properties.len());
    let mut bytes = 0usize;
    let mut chunks = Vec::new();
    for i in 0..blocks.len() {
        Interrupts.tick()?;
        let rows = usize::try_from(blocks.int(i, 1)?).unwrap_or(0);
        check_memory(bytes.saturating_add(row_bytes.saturating_mul(rows)))?;
        let batch = blocks.int(i, 0)?;
        let version = Version::read(&blocks, i, batch, 3)?;
        let chunk =
            kept::rows_of(version, &asked, || blocks.bytes(i, 2)).map_err(|e| e.within(format!("block {batch}")))?;
        bytes = bytes.saturating_add(row_bytes.saturating_mul(chunk.len()));
        if !chunk.is_empty() {
            chunks.push(chunk);
        }
    }
    drop(blocks);
    let rows = match &events {
        None => sql.read(
            &project.sql("SELECT batch, data FROM @.event_row WHERE at >= $1 AND at < $2"),
            &times,
        )?,
        Some(e) => sql.read(
            &project.sql("SELECT batch, data FROM @.event_row WHERE at >= $1 AND at < $2 AND event = ANY($3)"),
            &[times[0], times[1], Arg::Int4s(e)],
        )?,
    };
    check_memory(bytes.saturating_add(row_bytes.saturating_mul(rows.len())))?;
    if rows.len() > 0 {
        let mut builder = ChunkBuilder::new();
        for i in 0..rows.len() {
            if i % EVERY == 0 {
                Interrupts.tick()?;
            }
            builder.push(&row::decode(&rows.bytes(i, 1)?)?, rows.int(i, 0)?)?;
        }
        chunks.push(builder.finish()?);
    }
    for chunk in &mut chunks {
        lookups.join(chunk, &need.properties, &mut Interrupts)?;
    }
    Ok(chunks)
}

fn check_memory(bytes: usize) -> Result<()> {
    if bytes > settings::query_memory() {
        return Err(Error::Limit {
            message: "the events that wait for maintenance need more memory than analytics_groups.query_memory".into(),
            hint: Some("Run CALL analytics_groups.maintain(), or raise the setting.".into()),
        }
        .into());
    }
    Ok(())
}

/// Segments that may hold wanted events, in order of their days; buffers stay in TOAST until they are fetched.
struct Found<'a> {
    rows: Rows<'a>,
    /// With the place of each in `rows`.
    heads: Vec<(usize, Head)>,
}

fn find<'a>(sql: &'a Sql, project: &Project, need: &Need, span: Span64) -> Result<Found<'a>> {
    let columns = format!("SELECT {}, users, times, inserts FROM @.segment", segment::HEAD);
    let times = [Arg::Int(span.from), Arg::Int(span.to)];
    let rows = match event_list(need) {
        None => sql.read(
            &project.sql(&format!(
                "{columns} WHERE at_max >= $1 AND at_min < $2 ORDER BY day_min, event, user_min, no"
            )),
            &times,
        )?,
        Some(e) => sql.read(
            &project.sql(&format!(
                "{columns} WHERE at_max >= $1 AND at_min < $2 AND event = ANY($3) ORDER BY day_min, event, user_min, no"
            )),
            &[times[0], times[1], Arg::Int4s(&e)],
        )?,
    };
    let mut heads = engine::error::try_vec(rows.len(), "segments")?;
    for i in 0..rows.len() {
        heads.push((i, segment::head(&rows, i)?));
    }
    Ok(Found { rows, heads })
}

impl Found<'_> {
    /// Fetches those that are `wanted`.
    fn fetch(
        &self,
        sql: &Sql,
        project: &Project,
        need: &Need,
        wanted: &dyn Fn(&Head) -> bool,
        duplicates: &Duplicates,
        each: &mut dyn FnMut(Raw) -> Result<()>,
    ) -> Result<()> {
        let mut heads = engine::error::try_vec(self.heads.len(), "segments")?;
        heads.extend(self.heads.iter().filter(|(_, h)| wanted(h)));
        // Insert hashes follow from the insert ids, for the most part; only what waits makes them interesting.
        let insert_ids = match duplicates.is_empty() {
            true => None,
            false => segment::insert_ids(sql, project, false)?,
        };
        let properties = project.lookups.borrow().stored(&need.properties);
        let with_columns = !need.kinds.is_empty() || !need.properties.is_empty();
        for part in heads.chunks(SEGMENTS_AT_ONCE) {
            let numbers: Vec<i64> = part.iter().map(|(_, h)| h.no).collect();
            let found = if with_columns {
                Some(segment::columns(
                    sql,
                    project,
                    &numbers,
                    Some((&need.kinds, &properties)),
                    false,
                )?)
            } else {
                None
            };
            let touched = |h: &Head| duplicates.may_touch(h.event, h.at_min, h.at_max);
            let asked: Vec<i64> = part.iter().filter(|(_, h)| touched(h)).map(|(_, h)| h.no).collect();
            let ids = match insert_ids {
                Some(property) if !asked.is_empty() => {
                    Some(segment::columns(sql, project, &asked, Some((&[], &[property])), false)?)
                }
                _ => None,
            };
            for (i, head) in part {
                Interrupts.tick()?;
                let core = need.core(head, touched(head));
                each(Raw::fetch(
                    &self.rows,
                    *i,
                    head.clone(),
                    core,
                    ids.as_ref(),
                    found.as_ref(),
                )?)?;
            }
        }
        Ok(())
    }
}
