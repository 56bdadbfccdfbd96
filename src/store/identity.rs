//! Which user an id stands for: the links between ids, how they are made, and the table that reports count through.
//!
//! A link is a row of `identity`: an id, by its number, and the id it belongs to, which may belong to another in turn.
//! Whoever is at the end is counted. A row is written once and stays: the first link of an id is the one it has. Events
//! link devices to users; the verbs of `ingest::identity` also link users to users, one verb at a time for each of the two
//! ends, so that links never run in a circle. No link leads to a device but from a device, and none of these is made.

use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Sql};
use crate::pg::{Oid, transaction};
use crate::registry::Project;
use engine::chunk::SubjectNo;
use engine::error::Error;
use engine::identity::{self, MOST_HOPS};
use engine::ingest::is_device;
use engine::tick::{EVERY, Tick};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The user every number stands for, up to the largest that is linked; `None` when nobody is.
pub type Remap = Option<Arc<[SubjectNo]>>;

/// Ids of one user beyond which verbs link no more.
const MOST_IDS: i64 = 500;

/// Devices a backend remembers as linked before it starts over.
const MOST_REMEMBERED: usize = 2_000_000;

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

fn remember(project: &Project, devices: &[(SubjectNo, SubjectNo)]) -> Result<()> {
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
pub fn link(sql: &Sql, project: &Project, mut links: Vec<(SubjectNo, SubjectNo)>) -> Result<()> {
    MEMORY.with_borrow(|m| {
        for known in [&m.committed, &m.pending]
            .into_iter()
            .filter_map(|k| k.get(&project.table))
        {
            links.retain(|(device, _)| !known.contains(device));
        }
    });
    let text =
        "INSERT INTO @.identity (no, linked_to) SELECT d, u FROM unnest($1, $2) AS t(d, u) ON CONFLICT DO NOTHING";
    match links.as_slice() {
        [] => return Ok(()),
        [(device, user)] => {
            let text = "INSERT INTO @.identity (no, linked_to) VALUES ($1, $2) ON CONFLICT DO NOTHING";
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
    let rows = sql.read(&project.sql("SELECT no, linked_to FROM @.identity"), &[])?;
    if rows.len() == 0 {
        return Ok(None);
    }
    let mut links = engine::error::try_vec(rows.len(), "merged identities")?;
    for i in 0..rows.len() {
        if i % EVERY == 0 {
            Interrupts.tick()?;
        }
        links.push((number(rows.int(i, 0)?), number(rows.int(i, 1)?)));
    }
    Ok(Some(identity::table(&links)?.into()))
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
