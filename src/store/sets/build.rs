//! Counting the sets of days anew from their segments.

use super::count::{Counted, count};
use super::{ANY, RARE, day_row};
use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Sql};
use crate::registry::Project;
use crate::store::settle::{Pace, Touched};
use engine::chunk::USER;
use engine::codec;
use engine::gather::Budget;
use engine::tick::Tick;
use std::collections::{BTreeMap, BTreeSet};

/// Rows of the days that are counted together: bounds the memory.
const ROWS_AT_ONCE: u64 = 4_000_000;
/// Bytes of sets that are written by one statement.
const BYTES_AT_ONCE: usize = 4 << 20;

/// Sets that wait to be written together.
#[derive(Default)]
struct Writer {
    kinds: Vec<i32>,
    events: Vec<i32>,
    days: Vec<i32>,
    /// Events, rows, cardinality.
    numbers: [Vec<i64>; 3],
    data: Vec<Vec<u8>>,
    bytes: usize,
}

impl Writer {
    fn push(&mut self, event: u32, day: i32, counted: &mut Counted) -> Result<()> {
        for (kind, members) in &mut counted.kinds {
            Interrupts.tick()?;
            let subjects = members.set.to_vec();
            let data = codec::encode_subjects(&subjects, &mut Interrupts)?;
            self.kinds.push(i32::from(*kind));
            self.events.push(event as i32);
            self.days.push(day);
            let [events, rows, cards] = &mut self.numbers;
            events.push(members.events as i64);
            rows.push(counted.rows as i64);
            cards.push(subjects.len() as i64);
            self.bytes += data.len();
            self.data.push(data);
        }
        Ok(())
    }

    fn flush(&mut self, sql: &Sql, project: &Project) -> Result<()> {
        if self.kinds.is_empty() {
            return Ok(());
        }
        let data: Vec<&[u8]> = self.data.iter().map(Vec::as_slice).collect();
        let [events, rows, cards] = &self.numbers;
        sql.write(
            &project.sql(
                "INSERT INTO @.subject_set (kind, event, day, events, rows, card, data)
                 SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7)",
            ),
            &[
                Arg::Int4s(&self.kinds),
                Arg::Int4s(&self.events),
                Arg::Int4s(&self.days),
                Arg::Ints(events),
                Arg::Ints(rows),
                Arg::Ints(cards),
                Arg::ByteStrings(&data),
            ],
        )?;
        *self = Writer::default();
        Ok(())
    }
}

/// Takes away the sets of pairs.
fn delete(sql: &Sql, project: &Project, pairs: &[(u32, i32)]) -> Result<()> {
    let kinds: Vec<i32> = std::iter::once(USER)
        .chain(project.keys.iter().map(|k| k.kind))
        .map(i32::from)
        .collect();
    let events: Vec<i32> = pairs.iter().map(|(e, _)| *e as i32).collect();
    let days: Vec<i32> = pairs.iter().map(|(_, d)| *d).collect();
    sql.write(
        &project.sql(
            "DELETE FROM @.subject_set s USING unnest($1, $2) AS t(event, day), unnest($3) AS k(kind)
             WHERE s.kind = k.kind AND s.event = t.event AND s.day = t.day",
        ),
        &[Arg::Int4s(&events), Arg::Int4s(&days), Arg::Int4s(&kinds)],
    )?;
    Ok(())
}

fn write_day(sql: &Sql, project: &Project, day: i32, uncovered: &BTreeSet<u32>) -> Result<()> {
    let uncovered: Vec<i32> = uncovered.iter().map(|e| *e as i32).collect();
    sql.write(
        &project.sql(
            "INSERT INTO @.event_day (day, uncovered) VALUES ($1, $2)
             ON CONFLICT (day) DO UPDATE SET uncovered = excluded.uncovered WHERE event_day.uncovered <> excluded.uncovered",
        ),
        &[Arg::Int4(day), Arg::Int4s(&uncovered)],
    )?;
    Ok(())
}

/// Takes all sets away, and answers with everything that is sealed, so that they are counted anew.
pub fn forget(sql: &Sql, project: &Project) -> Result<Touched> {
    sql.write(&project.sql("DELETE FROM @.subject_set"), &[])?;
    sql.write(&project.sql("DELETE FROM @.event_day"), &[])?;
    let rows = sql.write(
        &project.sql("SELECT event, day_min, day_max, n, times FROM @.segment"),
        &[],
    )?;
    let mut touched = Touched::default();
    for i in 0..rows.len() {
        Interrupts.tick()?;
        let int = |c: usize| rows.get::<i32>(i, c).unwrap_or_default();
        let (event, n) = (int(0) as u32, int(3).max(0) as usize);
        if int(1) == int(2) {
            touched.add(event, int(1), n as u64);
            continue;
        }
        let times = codec::decode_times(&rows.bytes(i, 4)?, n)?;
        let mut from = 0;
        for day in int(1)..=int(2) {
            let end = project.calendar.day_start(day.saturating_add(1))?;
            let to = times.partition_point(|t| *t < end);
            if to > from {
                touched.add(event, day, (to - from) as u64);
            }
            from = to;
        }
    }
    Ok(touched)
}

/// Uncovered events by day.
type Days = BTreeMap<i32, BTreeSet<u32>>;

/// The touched days, and those that still lack sets.
fn open_days(sql: &Sql, project: &Project, touched: &BTreeSet<i32>) -> Result<Days> {
    let list: Vec<i32> = touched.iter().copied().collect();
    let rows = sql.write(
        &project.sql("SELECT day, uncovered FROM @.event_day WHERE day = ANY($1) OR 0 = ANY(uncovered)"),
        &[Arg::Int4s(&list)],
    )?;
    let mut days: Days = touched.iter().map(|d| (*d, BTreeSet::new())).collect();
    for i in 0..rows.len() {
        let (day, uncovered) = day_row(&rows, i)?;
        days.insert(day, uncovered.into_iter().collect());
    }
    Ok(days)
}

/// Sealed rows of days, by what segments say of themselves: a segment of several days counts evenly for each.
fn sizes(sql: &Sql, project: &Project, days: &Days) -> Result<BTreeMap<i32, u64>> {
    let (Some((first, _)), Some((last, _))) = (days.first_key_value(), days.last_key_value()) else {
        return Ok(BTreeMap::new());
    };
    let rows = sql.write(
        &project.sql(
            "SELECT day_min, day_max, sum(n)::bigint FROM @.segment WHERE day_max >= $1 AND day_min <= $2 GROUP BY 1, 2",
        ),
        &[Arg::Int4(*first), Arg::Int4(*last)],
    )?;
    let mut out = BTreeMap::new();
    for i in 0..rows.len() {
        let (a, b) = (rows.get::<i32>(i, 0).unwrap_or(0), rows.get::<i32>(i, 1).unwrap_or(0));
        let each = rows.int(i, 2)?.max(0) as u64 / (i64::from(b) - i64::from(a) + 1).max(1) as u64;
        for (day, _) in days.range(a..=b.max(a)) {
            *out.entry(*day).or_default() += each.max(1);
        }
    }
    Ok(out)
}

/// Brings the sets in step with the segments.
///
/// [`Pace::Now`] counts every touched day anew, and every other that lacks sets. [`Pace::Later`] bounds the work, so that
/// events that trickle in do not count a large day over and over: of the touched days it counts those that grew by a
/// quarter or more since the sets of a day cost what its rows cost; of the others the sets that became wrong are
/// dropped. Then it counts days that lack sets and were left alone this time, oldest first, until it has read twice as
/// many rows as were sealed.
pub fn settle(sql: &Sql, project: &Project, touched: &Touched, pace: Pace) -> Result<()> {
    let mut grown: BTreeMap<i32, u64> = BTreeMap::new();
    let mut events: BTreeMap<i32, BTreeSet<u32>> = BTreeMap::new();
    for ((event, day), n) in touched.rows() {
        *grown.entry(day).or_default() += n;
        events.entry(day).or_default().insert(event);
    }
    let mut days = open_days(sql, project, &grown.keys().copied().collect())?;
    if days.is_empty() {
        return Ok(());
    }
    let sizes = sizes(sql, project, &days)?;
    let size = |day: i32| sizes.get(&day).copied().unwrap_or(0);
    let mut now: BTreeSet<i32> = BTreeSet::new();
    let mut stale: Vec<(u32, i32)> = Vec::new();
    for (day, uncovered) in &mut days {
        let own = events.remove(day).unwrap_or_default();
        let new = grown.get(day).copied().unwrap_or(0);
        stale.extend(own.iter().map(|e| (*e, *day)));
        stale.push((ANY, *day));
        uncovered.extend(own);
        if pace == Pace::Now || new > 0 && new.saturating_mul(4) >= size(*day) {
            now.insert(*day);
        }
    }
    if pace == Pace::Later {
        let (mut read, enough) = (0, grown.values().sum::<u64>().saturating_mul(2));
        for day in days.keys().filter(|d| !grown.contains_key(d)) {
            if read >= enough {
                break;
            }
            read += size(*day);
            now.insert(*day);
        }
        // Left alone and not counted either: as it was.
        days.retain(|d, _| now.contains(d) || grown.contains_key(d));
    }
    delete(sql, project, &stale)?;
    for (day, uncovered) in days.iter_mut().filter(|(d, _)| !now.contains(d)) {
        uncovered.insert(ANY);
        write_day(sql, project, *day, uncovered)?;
    }
    let mut batch: Days = BTreeMap::new();
    let mut rows = 0;
    for day in now {
        if rows > 0 && rows + size(day) > ROWS_AT_ONCE {
            build(sql, project, std::mem::take(&mut batch))?;
            rows = 0;
        }
        rows += size(day);
        batch.extend(days.remove_entry(&day));
    }
    build(sql, project, batch)
}

/// Counts the uncovered events of days, and from them and the sets of the others, any event.
fn build(sql: &Sql, project: &Project, mut days: Days) -> Result<()> {
    let (Some((from, _)), Some((to, _))) = (days.first_key_value(), days.last_key_value()) else {
        return Ok(());
    };
    let range = (*from, *to);
    let missing = std::mem::take(&mut days);
    let mut any: BTreeMap<i32, Counted> = missing.keys().map(|d| (*d, Counted::default())).collect();
    covered(sql, project, &missing, &mut any)?;
    let events: BTreeSet<i32> = missing
        .values()
        .flatten()
        .filter(|e| **e != ANY)
        .map(|e| *e as i32)
        .collect();
    let events: Vec<i32> = events.into_iter().collect();
    let mut writer = Writer::default();
    days.extend(missing.keys().map(|d| (*d, BTreeSet::new())));
    count(
        sql,
        project,
        true,
        &events,
        range,
        &|event, day| missing.get(&day).is_some_and(|e| e.contains(&event)),
        &mut |event, of_days| {
            for (day, mut counted) in of_days {
                if let Some(any) = any.get_mut(&day) {
                    any.union(&counted)?;
                }
                if counted.rows < RARE {
                    days.entry(day).or_default().insert(event);
                    continue;
                }
                writer.push(event, day, &mut counted)?;
                if writer.bytes > BYTES_AT_ONCE {
                    writer.flush(sql, project)?;
                }
            }
            Ok(())
        },
    )?;
    for (day, counted) in &mut any {
        writer.push(ANY, *day, counted)?;
        if writer.bytes > BYTES_AT_ONCE {
            writer.flush(sql, project)?;
        }
        write_day(sql, project, *day, days.get(day).unwrap_or(&BTreeSet::new()))?;
    }
    writer.flush(sql, project)
}

/// Adds the sets that the other events of the days have.
fn covered(sql: &Sql, project: &Project, days: &Days, any: &mut BTreeMap<i32, Counted>) -> Result<()> {
    let list: Vec<i32> = days.keys().copied().collect();
    let rows = sql.write(
        &project.sql(
            "SELECT kind, event, day, events, rows, card, data FROM @.subject_set WHERE day = ANY($1) AND event <> 0",
        ),
        &[Arg::Int4s(&list)],
    )?;
    for i in 0..rows.len() {
        Interrupts.tick()?;
        let set = super::set_row(&rows, i, true)?;
        let day = any
            .get_mut(&set.day)
            .ok_or_else(|| Failure::internal("a day nobody asked for"))?;
        if set.kind == USER {
            day.rows += set.rows;
        }
        let members = day.kinds.entry(set.kind).or_default();
        members.events += set.events;
        members
            .set
            .union_portable(set.portable()?, &mut Budget::new(usize::MAX))?;
    }
    Ok(())
}
