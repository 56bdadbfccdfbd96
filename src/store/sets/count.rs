//! Who is in the segments of which event and day.

use super::ANY;
use crate::error::Result;
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Rows, Sql};
use crate::registry::Project;
use engine::chunk::{GroupColumn, Kind, SubjectNo, USER};
use engine::codec;
use engine::gather::Budget;
use engine::subjects::SubjectSet;
use engine::tick::{EVERY, Tick};
use std::collections::{BTreeMap, HashMap};

/// Segments whose group columns are fetched together.
const SEGMENTS_AT_ONCE: usize = 256;

/// Who did something, of one kind.
#[derive(Default)]
pub(super) struct Members {
    pub events: u64,
    pub set: SubjectSet,
}

/// What is sealed of one event (or any) on one day.
#[derive(Default)]
pub(super) struct Counted {
    pub rows: u64,
    pub kinds: BTreeMap<Kind, Members>,
}

impl Counted {
    fn add(&mut self, kind: Kind, events: u64, subjects: impl Iterator<Item = SubjectNo>) -> Result<()> {
        let members = self.kinds.entry(kind).or_default();
        members.events += events;
        let mut room = Budget::new(usize::MAX);
        for (i, s) in subjects.enumerate() {
            if i % EVERY == 0 {
                Interrupts.tick()?;
            }
            members.set.add(s, &mut room)?;
        }
        Ok(())
    }

    pub(super) fn union(&mut self, other: &Counted) -> Result<()> {
        self.rows += other.rows;
        for (kind, theirs) in &other.kinds {
            let ours = self.kinds.entry(*kind).or_default();
            ours.events += theirs.events;
            ours.set.union(&theirs.set, &mut Budget::new(usize::MAX))?;
        }
        Ok(())
    }
}

/// Counts the segments of `events` over `from ..= to` and hands over each event with its days. `wanted` picks pairs;
/// `fresh` looks at what this transaction wrote.
pub(super) fn count(
    sql: &Sql,
    project: &Project,
    fresh: bool,
    events: &[i32],
    (from, to): (i32, i32),
    wanted: &dyn Fn(u32, i32) -> bool,
    each: &mut dyn FnMut(u32, BTreeMap<i32, Counted>) -> Result<()>,
) -> Result<()> {
    let run = |text: &str, args: &[Arg]| {
        if fresh {
            sql.write(&project.sql(text), args)
        } else {
            sql.read(&project.sql(text), args)
        }
    };
    let rows = run(
        "SELECT no, event, n, day_min, day_max, users, times FROM @.segment
         WHERE event = ANY($1) AND day_max >= $2 AND day_min <= $3 ORDER BY event, day_min, no",
        &[Arg::Int4s(events), Arg::Int4(from), Arg::Int4(to)],
    )?;
    let int = |i: usize, c: usize| rows.get::<i32>(i, c).unwrap_or_default();
    let mut open: (u32, BTreeMap<i32, Counted>) = (ANY, BTreeMap::new());
    for first in (0..rows.len()).step_by(SEGMENTS_AT_ONCE) {
        let part = first..(first + SEGMENTS_AT_ONCE).min(rows.len());
        let numbers = part.clone().map(|i| rows.int(i, 0)).collect::<Result<Vec<_>>>()?;
        let groups = run(
            "SELECT segment, no, data FROM @.segment_column WHERE segment = ANY($1) AND class = 'g'",
            &[Arg::Ints(&numbers)],
        )?;
        let mut of_segment: HashMap<i64, Vec<usize>> = HashMap::new();
        for g in 0..groups.len() {
            of_segment.entry(groups.int(g, 0)?).or_default().push(g);
        }
        for i in part {
            Interrupts.tick()?;
            let event = int(i, 1) as u32;
            if open.0 != event {
                let done = std::mem::replace(&mut open, (event, BTreeMap::new()));
                if !done.1.is_empty() {
                    each(done.0, done.1)?;
                }
            }
            let days: Vec<i32> = (int(i, 3).max(from)..=int(i, 4).min(to))
                .filter(|d| wanted(event, *d))
                .collect();
            if days.is_empty() {
                continue;
            }
            let own = of_segment.get(&rows.int(i, 0)?).map(Vec::as_slice).unwrap_or_default();
            segment(project, &rows, i, &groups, own, &days, &mut open.1)
                .map_err(|e| e.within(format!("segment {}", rows.int(i, 0).unwrap_or(0))))?;
        }
    }
    if !open.1.is_empty() {
        each(open.0, open.1)?;
    }
    Ok(())
}

fn segment(
    project: &Project,
    rows: &Rows,
    i: usize,
    groups: &Rows,
    own: &[usize],
    days: &[i32],
    into: &mut BTreeMap<i32, Counted>,
) -> Result<()> {
    let int = |c: usize| rows.get::<i32>(i, c).unwrap_or_default();
    let n = usize::try_from(int(2)).map_err(|_| engine::error::Error::corrupt("a negative row count"))?;
    let users = codec::decode_ids(&rows.bytes(i, 5)?, n)?;
    let columns = own
        .iter()
        .map(|g| {
            let kind = groups.get::<i32>(*g, 1).unwrap_or_default() as Kind;
            Ok(codec::decode_group(kind, &groups.bytes(*g, 2)?, n)?)
        })
        .collect::<Result<Vec<GroupColumn>>>()?;
    // Rows are sorted by day, so the rows of a day lie between two instants.
    let times = match int(3) == int(4) {
        true => Vec::new(),
        false => codec::decode_times(&rows.bytes(i, 6)?, n)?,
    };
    for day in days {
        let (lo, hi) = if int(3) == int(4) {
            (0, n)
        } else {
            let before = |d: i32| -> Result<usize> {
                let start = project.calendar.day_start(d)?;
                Ok(times.partition_point(|t| *t < start))
            };
            (before(*day)?, before(day.saturating_add(1))?)
        };
        if lo >= hi {
            continue;
        }
        let counted = into.entry(*day).or_default();
        counted.rows += (hi - lo) as u64;
        let set = |v: &[SubjectNo]| -> (u64, Vec<SubjectNo>) {
            let v: Vec<SubjectNo> = v
                .get(lo..hi)
                .unwrap_or_default()
                .iter()
                .copied()
                .filter(|s| *s != 0)
                .collect();
            (v.len() as u64, v)
        };
        let (events, subjects) = set(&users);
        counted.add(USER, events, subjects.into_iter())?;
        for g in &columns {
            let (events, mut subjects) = set(&g.first);
            let from = g.more.partition_point(|(r, _)| (*r as usize) < lo);
            let to = g.more.partition_point(|(r, _)| (*r as usize) < hi);
            subjects.extend(g.more.get(from..to).unwrap_or_default().iter().map(|(_, s)| *s));
            if events > 0 {
                counted.add(g.kind, events, subjects.into_iter())?;
            }
        }
    }
    Ok(())
}
