//! Which user an id stands for: the links between ids, how they are made, and the table that reports count through.
//!
//! A link is a row of `identity`: an id, by its number, and the id it belongs to, which may belong to another in turn.
//! Whoever is at the end is counted. A row is written once and stays: the first link of an id is the one it has. Events
//! link devices to users; the verbs of `ingest::identity` also link users to users, one verb at a time for each of the two
//! ends, so that links never run in a circle. No link leads to a device.
//!
//! Reports need all links, of which there may be a million: maintenance seals them, as two columns in one row.

use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Sql};
use crate::pg::{Oid, transaction};
use crate::registry::Project;
use crate::store::settle::Pace;
use engine::chunk::SubjectNo;
use engine::codec;
use engine::error::Error;
use engine::identity::{self, MOST_HOPS};
use engine::ingest::is_device;
use engine::tick::{EVERY, Tick};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::sync::Arc;

/// The user every number stands for, up to the largest that is linked.
#[derive(Clone)]
pub struct Table(Arc<Vec<SubjectNo>>);

impl Deref for Table {
    type Target = [SubjectNo];

    fn deref(&self) -> &[SubjectNo] {
        &self.0
    }
}

/// The table of a project; `None` when nobody is linked.
pub type Remap = Option<Table>;

/// Ids of one user beyond which verbs link no more.
const MOST_IDS: i64 = 500;

/// Devices a backend remembers as linked before it starts over.
const MOST_REMEMBERED: usize = 2_000_000;

/// An id and what it is linked to, by their numbers.
type Link = (SubjectNo, SubjectNo);

/// Open links that an ingestion seals by the way.
const ENOUGH_OPEN: i64 = 1000;

type Devices = HashMap<Oid, HashSet<SubjectNo>>;

/// The devices that are known to be linked, so that their next event costs nothing.
#[derive(Default)]
struct Memory {
    committed: Devices,
    /// Linked by the running transaction, or seen by it; its own links may yet be rolled back.
    pending: Devices,
    /// The hooks of the running transaction are set.
    hooked: bool,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::new(Memory::default());
}

fn on_commit() {
    MEMORY.with_borrow_mut(|m| {
        m.hooked = false;
        if m.committed.values().map(HashSet::len).sum::<usize>() > MOST_REMEMBERED {
            m.committed.clear();
        }
        for (project, devices) in std::mem::take(&mut m.pending) {
            let known = m.committed.entry(project).or_default();
            // What there is no memory for can be looked up again.
            if known.try_reserve(devices.len()).is_ok() {
                known.extend(devices);
            }
        }
    });
}

fn on_abort() {
    MEMORY.with_borrow_mut(|m| {
        m.hooked = false;
        m.pending.clear();
    });
}

fn remember(project: &Project, devices: &[Link]) -> Result<()> {
    let hooked = MEMORY.with_borrow_mut(|m| {
        let pending = m.pending.entry(project.table).or_default();
        pending
            .try_reserve(devices.len())
            .map_err(|_| Error::OutOfMemory("linked devices"))?;
        pending.extend(devices.iter().map(|(device, _)| *device));
        Ok::<_, Failure>(std::mem::replace(&mut m.hooked, true))
    })?;
    if !hooked {
        transaction::at_end(on_commit, on_abort);
    }
    Ok(())
}

/// Links devices to users, given in order of the devices: two batches that meet wait for one another instead of
/// deadlocking. A device that is linked already stays where it is.
pub fn link(sql: &Sql, project: &Project, mut links: Vec<Link>) -> Result<()> {
    MEMORY.with_borrow(|m| {
        for known in [&m.committed, &m.pending]
            .into_iter()
            .filter_map(|k| k.get(&project.table))
        {
            links.retain(|(device, _)| !known.contains(device));
        }
    });
    // What is there is looked up first: an insert would wait while it is being sealed.
    let text = "INSERT INTO @.identity (no, linked_to) SELECT d, u FROM unnest($1, $2) AS t(d, u)
                WHERE NOT EXISTS (SELECT FROM @.identity i WHERE i.no = d) ORDER BY d ON CONFLICT DO NOTHING";
    match links.as_slice() {
        [] => return Ok(()),
        [(device, user)] => {
            let text = "INSERT INTO @.identity (no, linked_to) SELECT $1, $2
                        WHERE NOT EXISTS (SELECT FROM @.identity i WHERE i.no = $1) ON CONFLICT DO NOTHING";
            sql.write_by_key(
                &project.sql(text),
                &[Arg::Int(i64::from(*device)), Arg::Int(i64::from(*user))],
            )?;
        }
        links => {
            let devices: Vec<i64> = links.iter().map(|(d, _)| i64::from(*d)).collect();
            let users: Vec<i64> = links.iter().map(|(_, u)| i64::from(*u)).collect();
            sql.write(&project.sql(text), &[Arg::Ints(&devices), Arg::Ints(&users)])?;
        }
    }
    remember(project, &links)
}

/// The table of all links, on the caller's snapshot.
pub fn remap(sql: &Sql, project: &Project) -> Result<Remap> {
    let rows = sql.read(
        &project.sql(
            "SELECT no, linked_to, false FROM @.identity WHERE NOT sealed
             UNION ALL SELECT version, 0, true FROM @.identity_sealed",
        ),
        &[],
    )?;
    if rows.len() == 0 {
        return Ok(None);
    }
    let mut links = engine::error::try_vec(rows.len(), "merged identities")?;
    let mut sealed = None;
    for i in 0..rows.len() {
        if i % EVERY == 0 {
            Interrupts.tick()?;
        }
        if rows.get::<bool>(i, 2).unwrap_or(false) {
            sealed = Some(table_of(sql, project, rows.int(i, 0)?)?);
        } else {
            links.push((number(rows.int(i, 0)?), number(rows.int(i, 1)?)));
        }
    }
    Ok(Some(match sealed {
        Some(sealed) if links.is_empty() => sealed.table,
        Some(sealed) => Table(Arc::new(identity::table_over(&sealed.table, &links, |no| {
            sealed.is_end(no)
        })?)),
        None => Table(Arc::new(identity::table(&links)?)),
    }))
}

/// The table of the sealed links of one version.
#[derive(Clone)]
struct Sealed {
    project: Oid,
    version: i64,
    table: Table,
    /// Bit by number: who stands for somebody else.
    ends: Arc<Vec<u64>>,
}

impl Sealed {
    fn is_end(&self, no: SubjectNo) -> bool {
        self.ends.get(no as usize / 64).is_some_and(|w| w >> (no % 64) & 1 == 1)
    }
}

/// Numbers of a table that a backend keeps from one report to the next.
const MOST_KEPT: usize = 4 << 20;

thread_local! {
    /// The one table that a backend keeps: most use one project.
    static KEPT: RefCell<Option<Sealed>> = const { RefCell::new(None) };
}

/// The table of sealed links, read when the backend has it not.
fn table_of(sql: &Sql, project: &Project, version: i64) -> Result<Sealed> {
    let kept = KEPT.with_borrow(|k| k.clone());
    if let Some(kept) = kept.filter(|k| (k.project, k.version) == (project.table, version)) {
        return Ok(kept);
    }
    let table = identity::table(&read_sealed(sql, project, false)?)?;
    let most = table.iter().copied().max().unwrap_or(0) as usize;
    let mut ends: Vec<u64> = engine::error::try_vec(most / 64 + 1, "merged identities")?;
    ends.resize(most / 64 + 1, 0);
    for (no, to) in (0..).zip(&table) {
        if no != *to
            && let Some(w) = ends.get_mut(*to as usize / 64)
        {
            *w |= 1 << (*to % 64);
        }
    }
    let sealed = Sealed {
        project: project.table,
        version,
        table: Table(Arc::new(table)),
        ends: Arc::new(ends),
    };
    KEPT.set((sealed.table.len() <= MOST_KEPT).then(|| sealed.clone()));
    Ok(sealed)
}

/// Reads sealed links.
fn sealed(n: i64, numbers: &[u8], linked_to: &[u8]) -> Result<Vec<Link>> {
    let n = usize::try_from(n).unwrap_or(0);
    let column = |bytes: &[u8]| codec::decode_ids(bytes, n).map_err(|e| Failure::from(e).within("identity_sealed"));
    let (numbers, linked_to) = (column(numbers)?, column(linked_to)?);
    let mut links = engine::error::try_vec(n, "merged identities")?;
    links.extend(numbers.into_iter().zip(linked_to));
    Ok(links)
}

/// The sealed links, as the running transaction sees them or on the caller's snapshot.
fn read_sealed(sql: &Sql, project: &Project, fresh: bool) -> Result<Vec<Link>> {
    let text = project.sql("SELECT n::bigint, numbers, linked_to FROM @.identity_sealed");
    let rows = if fresh {
        sql.write(&text, &[])?
    } else {
        sql.read(&text, &[])?
    };
    match rows.len() {
        0 => Ok(Vec::new()),
        _ => sealed(rows.int(0, 0)?, &rows.bytes(0, 1)?, &rows.bytes(0, 2)?),
    }
}

/// Seals links that are open, when there are enough of them beside those that are sealed, which are written anew.
pub fn seal(sql: &Sql, project: &Project, pace: Pace) -> Result<()> {
    let rows = sql.write(
        &project.sql(
            "SELECT (SELECT count(*) FROM @.identity WHERE NOT sealed), (SELECT coalesce(sum(n), 0)::bigint FROM @.identity_sealed)",
        ),
        &[],
    )?;
    let (open, before) = (rows.int(0, 0)?, rows.int(0, 1)?);
    drop(rows);
    let enough = match pace {
        Pace::Now => open > 0 && open.saturating_mul(64) >= before,
        Pace::Later => open >= ENOUGH_OPEN && open.saturating_mul(8) >= before,
    };
    if !enough {
        return Ok(());
    }
    let mut links = read_sealed(sql, project, true)?;
    let rows = sql.write(
        &project.sql("UPDATE @.identity SET sealed = true WHERE NOT sealed RETURNING no, linked_to"),
        &[],
    )?;
    links
        .try_reserve(rows.len())
        .map_err(|_| Error::OutOfMemory("merged identities"))?;
    for i in 0..rows.len() {
        if i % EVERY == 0 {
            Interrupts.tick()?;
        }
        links.push((number(rows.int(i, 0)?), number(rows.int(i, 1)?)));
    }
    drop(rows);
    links.sort_unstable();
    write_sealed(sql, project, &links)?;
    // Until statistics say so, nobody knows that almost all are sealed, and every report would read the whole table.
    sql.command(&project.sql("ANALYZE @.identity (sealed)"))
}

/// Writes the sealed links, in order, in place of those that were.
fn write_sealed(sql: &Sql, project: &Project, links: &[Link]) -> Result<()> {
    sql.write(&project.sql("DELETE FROM @.identity_sealed"), &[])?;
    if links.is_empty() {
        return Ok(());
    }
    let column = |of: fn(&Link) -> SubjectNo| codec::encode_ids(&links.iter().map(of).collect::<Vec<_>>());
    let (numbers, linked_to) = (column(|l| l.0)?, column(|l| l.1)?);
    let n = i32::try_from(links.len()).map_err(|_| Error::OutOfMemory("merged identities"))?;
    sql.write(
        &project.sql("INSERT INTO @.identity_sealed (version, n, numbers, linked_to) VALUES (nextval('@.batch_no'::regclass), $1, $2, $3)"),
        &[Arg::Int4(n), Arg::Bytes(&numbers), Arg::Bytes(&linked_to)],
    )?;
    Ok(())
}

/// Takes away the links of a whole user: nobody else is linked to any of these.
pub fn erase(sql: &Sql, project: &Project, all: &[SubjectNo]) -> Result<()> {
    let numbers: Vec<i64> = all.iter().map(|no| i64::from(*no)).collect();
    let gone = sql.write(
        &project.sql("DELETE FROM @.identity WHERE no = ANY($1) RETURNING sealed"),
        &[Arg::Ints(&numbers)],
    )?;
    if !(0..gone.len()).any(|i| gone.get::<bool>(i, 0) == Some(true)) {
        return Ok(());
    }
    drop(gone);
    let mut links = read_sealed(sql, project, true)?;
    links.retain(|(no, _)| all.binary_search(no).is_err());
    write_sealed(sql, project, &links)
}

/// Links of these, or of ids that are not known, among the sealed ones.
pub fn sealed_of(sql: &Sql, project: &Project, is: impl Fn(SubjectNo) -> bool) -> Result<i64> {
    let links = read_sealed(sql, project, false)?;
    Ok(links.iter().filter(|(no, to)| is(*no) || is(*to)).count() as i64)
}

/// Says what is wrong with the links.
pub fn verify(sql: &Sql, project: &Project, problem: &mut dyn FnMut(&str, String)) -> Result<()> {
    let links = match read_sealed(sql, project, false) {
        Ok(links) => links,
        Err(f) => {
            problem("identity_sealed", f.message);
            return Ok(());
        }
    };
    let rows = sql.read(
        &project.sql("SELECT no, linked_to FROM @.identity WHERE sealed ORDER BY no"),
        &[],
    )?;
    let mut alike = rows.len() == links.len();
    for (i, link) in links.iter().enumerate().take(rows.len()) {
        if i % EVERY == 0 {
            Interrupts.tick()?;
        }
        alike &= *link == (number(rows.int(i, 0)?), number(rows.int(i, 1)?));
    }
    if !alike {
        problem("identity_sealed", "is not what the sealed links are".into());
    }
    let rows = sql.read(
        &project.sql(
            "SELECT i.no FROM @.identity i LEFT JOIN @.subject a ON a.kind = 0 AND a.no = i.no
             LEFT JOIN @.subject b ON b.kind = 0 AND b.no = i.linked_to
             WHERE a.no IS NULL OR b.no IS NULL OR starts_with(b.id, '$device:') OR i.no = i.linked_to ORDER BY i.no LIMIT 10",
        ),
        &[],
    )?;
    for i in 0..rows.len() {
        problem(
            &format!("identity {}", rows.int(i, 0)?),
            "is not linked to a user of the dictionary".into(),
        );
    }
    Ok(())
}

fn number(no: i64) -> SubjectNo {
    u32::try_from(no).unwrap_or(0)
}

/// Who these stand for, in their order. `fresh` looks past the snapshot of the calling statement.
pub fn ends(sql: &Sql, project: &Project, numbers: &[SubjectNo], fresh: bool) -> Result<Vec<SubjectNo>> {
    let text = project.sql("SELECT no, linked_to FROM @.identity WHERE no = ANY($1)");
    let mut ends = numbers.to_vec();
    for _ in 0..MOST_HOPS {
        let mut asked: Vec<i64> = ends.iter().map(|no| i64::from(*no)).collect();
        asked.sort_unstable();
        asked.dedup();
        let args = [Arg::Ints(&asked)];
        let rows = if fresh {
            sql.write(&text, &args)?
        } else {
            sql.read(&text, &args)?
        };
        if rows.len() == 0 {
            return Ok(ends);
        }
        let mut to = HashMap::new();
        for i in 0..rows.len() {
            to.insert(number(rows.int(i, 0)?), number(rows.int(i, 1)?));
        }
        for end in &mut ends {
            *end = to.get(end).copied().unwrap_or(*end);
        }
        Interrupts.tick()?;
    }
    Err(Error::corrupt("identity: links that run in a circle").into())
}

/// Everybody who stands for a user, the user among them.
const CLUSTER: &str = "WITH RECURSIVE cluster (no) AS (
        SELECT x FROM unnest($1) x UNION SELECT i.no FROM cluster c JOIN @.identity i ON i.linked_to = c.no)";

/// Every number a user has on events, ascending; `user` is at the end of its links.
pub fn cluster(sql: &Sql, project: &Project, user: SubjectNo) -> Result<Vec<SubjectNo>> {
    let text = project.sql(&format!("{CLUSTER} SELECT no FROM cluster ORDER BY no"));
    let rows = sql.read(&text, &[Arg::Ints(&[i64::from(user)])])?;
    let mut all = engine::error::try_vec(rows.len(), "identities of a user")?;
    for i in 0..rows.len() {
        all.push(number(rows.int(i, 0)?));
    }
    Ok(all)
}

/// What a verb asks for.
pub struct Join<'a> {
    /// Two ids that are on record, with their numbers.
    pub from: (&'a str, SubjectNo),
    pub into: (&'a str, SubjectNo),
    /// `from` goes alone: not when it belongs to somebody else already.
    pub first: bool,
}

/// Makes two ids one user. False when they are not, because `from` belongs to somebody else.
pub fn join(sql: &Sql, project: &Project, join: &Join) -> Result<bool> {
    loop {
        Interrupts.tick()?;
        let ends = ends(sql, project, &[join.from.1, join.into.1], true)?;
        let [from, into] = *ends.as_slice() else {
            return Err(Failure::internal("an id without an end"));
        };
        if from == into {
            return Ok(true);
        }
        if join.first && from != join.from.1 {
            return Ok(false);
        }
        // Only a device that is nobody's stands for itself.
        let devices = [(from, join.from), (into, join.into)].map(|(end, (id, no))| end == no && is_device(id));
        let (from, into) = match devices {
            [true, true] => {
                return Err(Failure::param(
                    format!(
                        "\"{}\" and \"{}\" are both devices: there is no user to merge them into",
                        join.from.0, join.into.0
                    ),
                    "Link each of them to a user: analytics_groups.identify(device, user).",
                ));
            }
            // Devices become users, never the other way around.
            [false, true] => (into, from),
            _ => (from, into),
        };
        lock(sql, project, [from, into])?;
        // Somebody else may have linked one of them meanwhile.
        if self::ends(sql, project, &[from, into], true)? != [from, into] {
            continue;
        }
        let both = [i64::from(from), i64::from(into)];
        let rows = sql.write(
            &project.sql(&format!("{CLUSTER} SELECT count(*) FROM cluster")),
            &[Arg::Ints(&both)],
        )?;
        let ids = rows.int(0, 0)?;
        if ids > MOST_IDS {
            return Err(Error::Limit {
                message: format!(
                    "\"{}\" and \"{}\" together would be one user with {ids} ids; {MOST_IDS} is the most",
                    join.from.0, join.into.0
                ),
                hint: Some(
                    "So many ids are rarely one person: look for a shared device, a test account, or a constant sent as an id."
                        .into(),
                ),
            }
            .into());
        }
        let written = sql.write(
            &project.sql("INSERT INTO @.identity (no, linked_to) VALUES ($1, $2) ON CONFLICT DO NOTHING"),
            &[Arg::Int(i64::from(from)), Arg::Int(i64::from(into))],
        )?;
        // An event may have linked the device meanwhile.
        if written.processed() == 1 {
            return Ok(true);
        }
    }
}

/// Lets one verb after the other link these two: they are locked in order, and changed, though nothing changes, so that a
/// repeatable read transaction that began earlier fails instead of missing the link.
fn lock(sql: &Sql, project: &Project, ends: [SubjectNo; 2]) -> Result<()> {
    sql.write(
        &project.sql(
            "WITH locked AS (SELECT no FROM @.subject WHERE kind = 0 AND no = ANY($1) ORDER BY no FOR NO KEY UPDATE)
             UPDATE @.subject s SET id = s.id FROM locked l WHERE s.kind = 0 AND s.no = l.no",
        ),
        &[Arg::Ints(&ends.map(i64::from))],
    )?;
    Ok(())
}
