//! Updates of user and group profiles.

use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{self, Arg, Sql};
use crate::registry::lexicon::{self, Space};
use crate::registry::{Project, access};
use crate::settings;
use crate::store::history::{Recorder, Said};
use crate::store::identity;
use engine::chunk::{Kind, USER};
use engine::ingest::{self, RecordError};
use engine::limits::Limits;
use engine::profile::{self, Op, RecordProblem, Target, Update, What};
use engine::tick::{EVERY, Tick};
use engine::value::Value;
use pgrx::JsonB;
use pgrx::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// Whose profile: kind and number.
type Owner = (Kind, u32);

/// The updates that can be read, by index, and the errors of the others.
type Parsed = (Vec<(usize, Update)>, Vec<RecordError>);

/// A profile that an update touches, before and after.
struct Slot {
    before: Option<Value>,
    after: Option<Value>,
}

fn update(what: What, updates: Option<Jsonb>, project: Option<&str>) -> Result<JsonB> {
    let updates = updates.ok_or_else(|| {
        Failure::param(
            "updates must not be NULL",
            "Send one update object or an array of them.",
        )
    })?;
    let limits = settings::limits();
    let parsed = parse(&updates.records("updates")?, &limits, what)?;
    let (applied, failed) = spi::connect(|sql| {
        let project = super::open(sql, project)?;
        apply(sql, &project, Said::Changes, parsed, &limits)
    })?;
    Ok(JsonB(ingest::answer(applied, 0, 0, &failed)))
}

/// Reads and applies updates; returns how many, and what was wrong with the others.
pub fn apply_records(
    sql: &Sql,
    project: &Project,
    what: What,
    said: Said,
    records: &[&str],
) -> Result<(usize, Vec<RecordError>)> {
    let limits = settings::limits();
    apply(sql, project, said, parse(records, &limits, what)?, &limits)
}

fn apply(
    sql: &Sql,
    project: &Project,
    said: Said,
    (updates, mut failed): Parsed,
    limits: &Limits,
) -> Result<(usize, Vec<RecordError>)> {
    let owners = owners(sql, project, &updates, &mut failed)?;
    let mut slots = lock(sql, project, &owners, &updates)?;
    let all: Vec<Owner> = slots.keys().copied().collect();
    let mut history = Recorder::new(sql, project, said, &all)?;
    let now = super::now_ms();
    let mut applied = 0;
    for (index, update) in &updates {
        let Some(owner) = owners.get(index) else {
            continue;
        };
        let Some(slot) = slots.get_mut(owner) else {
            continue;
        };
        let before = slot.after.as_ref();
        let after = profile::apply(before, update, now, limits);
        match after.and_then(|after| history.record(*owner, before, after, update, now)) {
            Ok(after) => {
                slot.after = after;
                applied += 1;
            }
            Err(problem) => failed.push(problem.at(*index, None)),
        }
    }
    write(sql, project, &slots)?;
    know_listed(sql, project, &slots)?;
    history.write(sql, project)?;
    failed.sort_by_key(|f| f.index);
    Ok((applied, failed))
}

/// Reads the updates one by one: what is wrong with a record fails that record alone.
fn parse(records: &[&str], limits: &Limits, what: What) -> Result<Parsed> {
    if records.len() > limits.batch_records {
        return Err(engine::error::Error::Limit {
            message: format!("more than {} records in one call", limits.batch_records),
            hint: Some("Split the records over several calls.".into()),
        }
        .into());
    }
    let (mut updates, mut failed) = (Vec::new(), Vec::new());
    for (index, record) in records.iter().enumerate() {
        if index % EVERY == 0 {
            Interrupts.tick()?;
        }
        match serde_json::from_str::<Value>(record) {
            Err(e) => failed.push(RecordProblem::new("record", e).at(index, None)),
            // A list inside the list is no update, whatever is in it.
            Ok(Value::List(_)) => failed.push(RecordProblem::new("record", "must be an object").at(index, None)),
            Ok(value) => {
                let (good, bad) = profile::parse_updates(&value, limits, what);
                updates.extend(good.into_iter().map(|(_, update)| (index, update)));
                failed.extend(bad.into_iter().map(|f| RecordError { index, ..f }));
            }
        }
    }
    Ok((updates, failed))
}

/// The subject of each update, by its index; new ids get a number, except where there is nothing to create.
fn owners(
    sql: &Sql,
    project: &Project,
    updates: &[(usize, Update)],
    failed: &mut Vec<RecordError>,
) -> Result<HashMap<usize, Owner>> {
    let mut by_kind: BTreeMap<Kind, Vec<(usize, &str)>> = BTreeMap::new();
    for (index, update) in updates {
        match &update.target {
            Target::User(id) => by_kind.entry(USER).or_default().push((*index, id)),
            Target::Group { key, id } => match project.key(key) {
                Some(k) => by_kind.entry(k.kind).or_default().push((*index, id)),
                None => failed
                    .push(RecordProblem::new("$group_key", format!("unknown group key \"{key}\"")).at(*index, None)),
            },
        }
    }
    let mut owners = HashMap::new();
    for (kind, ids) in by_kind {
        let texts: Vec<&str> = ids.iter().map(|(_, id)| *id).collect();
        let mut numbers = lexicon::number(sql, project, Space::Subject(kind), &texts)?;
        if kind == USER {
            // What is sent under a device, or under an id that was merged, is the user's.
            numbers = identity::ends(sql, project, &numbers, true)?;
        }
        owners.extend(ids.iter().zip(numbers).map(|((i, _), no)| (*i, (kind, no))));
    }
    Ok(owners)
}

/// Locks the profiles in order of their numbers, making the row where an update may create it: two sessions that update one
/// new profile meet at that row, and neither overwrites what the other set.
fn lock(
    sql: &Sql,
    project: &Project,
    owners: &HashMap<usize, Owner>,
    updates: &[(usize, Update)],
) -> Result<BTreeMap<Owner, Slot>> {
    let mut create: BTreeMap<Kind, Vec<i64>> = BTreeMap::new();
    for (index, update) in updates {
        let creates = update
            .ops
            .iter()
            .any(|op| !matches!(op, Op::Remove(_) | Op::Unset(_) | Op::Delete));
        if let Some((kind, no)) = owners.get(index) {
            let numbers = create.entry(*kind).or_default();
            if creates {
                numbers.push(i64::from(*no));
            }
        }
    }
    let mut slots: BTreeMap<Owner, Slot> = owners
        .values()
        .map(|o| {
            (
                *o,
                Slot {
                    before: None,
                    after: None,
                },
            )
        })
        .collect();
    for (kind, mut numbers) in create {
        numbers.sort_unstable();
        numbers.dedup();
        let all: Vec<i64> = slots
            .keys()
            .filter(|(k, _)| *k == kind)
            .map(|(_, no)| i64::from(*no))
            .collect();
        let kind_no = Arg::Int2(kind as i16);
        let rows = if kind == USER {
            sql.write(
                &project.sql("INSERT INTO @.user_profile (no, properties) SELECT x, '{}' FROM unnest($1) x ON CONFLICT DO NOTHING"),
                &[Arg::Ints(&numbers)],
            )?;
            sql.write(
                &project
                    .sql("SELECT no, properties::text FROM @.user_profile WHERE no = ANY($1) ORDER BY no FOR UPDATE"),
                &[Arg::Ints(&all)],
            )?
        } else {
            sql.write(
                &project.sql(
                    "INSERT INTO @.group_profile (kind, no, properties) SELECT $2, x, '{}' FROM unnest($1) x ON CONFLICT DO NOTHING",
                ),
                &[Arg::Ints(&numbers), kind_no],
            )?;
            sql.write(
                &project.sql(
                    "SELECT no, properties::text FROM @.group_profile WHERE no = ANY($1) AND kind = $2 ORDER BY no FOR UPDATE",
                ),
                &[Arg::Ints(&all), kind_no],
            )?
        };
        for i in 0..rows.len() {
            let no = u32::try_from(rows.int(i, 0)?).unwrap_or(0);
            let json: serde_json::Value =
                serde_json::from_str(rows.text(i, 1)?).map_err(|e| Failure::internal(format!("profile: {e}")))?;
            let value = Value::from_json(&json);
            // A row that was made a moment ago, or that holds nothing, is no profile yet.
            let profile = (value != Value::Object(Vec::new())).then_some(value);
            if let Some(slot) = slots.get_mut(&(kind, no)) {
                *slot = Slot {
                    before: profile.clone(),
                    after: profile,
                };
            }
        }
    }
    Ok(slots)
}

fn write(sql: &Sql, project: &Project, slots: &BTreeMap<Owner, Slot>) -> Result<()> {
    let kinds: std::collections::BTreeSet<Kind> = slots.keys().map(|(k, _)| *k).collect();
    for kind in kinds {
        let (mut changed, mut gone) = (Vec::new(), Vec::new());
        for ((_, no), slot) in slots.iter().filter(|((k, _), _)| *k == kind) {
            match &slot.after {
                None => gone.push(i64::from(*no)),
                Some(v) if slot.before.as_ref() != Some(v) => changed.push((i64::from(*no), v.to_json().to_string())),
                Some(_) => {}
            }
        }
        let numbers: Vec<i64> = changed.iter().map(|(no, _)| *no).collect();
        let texts: Vec<&str> = changed.iter().map(|(_, t)| t.as_str()).collect();
        let (table, key, where_kind) = if kind == USER {
            ("user_profile", "", "")
        } else {
            ("group_profile", "p.kind = $3 AND ", "kind = $2 AND ")
        };
        let set = project.sql(&format!(
            "UPDATE @.{table} p SET properties = x.t::jsonb, updated_at = now()
             FROM unnest($1, $2) AS x(no, t) WHERE {key}p.no = x.no"
        ));
        let delete = project.sql(&format!("DELETE FROM @.{table} WHERE {where_kind}no = ANY($1)"));
        let kind_no = Arg::Int2(kind as i16);
        if kind == USER {
            sql.write(&set, &[Arg::Ints(&numbers), Arg::Texts(&texts)])?;
            sql.write(&delete, &[Arg::Ints(&gone)])?;
        } else {
            sql.write(&set, &[Arg::Ints(&numbers), Arg::Texts(&texts), kind_no])?;
            sql.write(&delete, &[Arg::Ints(&gone), kind_no])?;
        }
    }
    Ok(())
}

/// Makes the groups known that changed profiles of users list: a list may be all that is known of a group.
fn know_listed(sql: &Sql, project: &Project, slots: &BTreeMap<Owner, Slot>) -> Result<()> {
    for key in &project.keys {
        let list = |profile: &Option<Value>| match profile {
            Some(Value::Object(pairs)) => pairs
                .iter()
                .find(|(name, _)| **name == *key.property)
                .map(|(_, v)| v.clone()),
            _ => None,
        };
        let users = slots.iter().filter(|((kind, _), _)| *kind == USER);
        let changed: Vec<i64> = users
            .filter(|(_, slot)| list(&slot.after).is_some_and(|after| list(&slot.before) != Some(after)))
            .map(|((_, no), _)| i64::from(*no))
            .collect();
        if !changed.is_empty() {
            number_listed(sql, project, key.kind, &key.property, Some(&changed))?;
        }
    }
    Ok(())
}

/// Gives a number to each group that profiles list under a key, those of some users or of all. An id that is longer than
/// ids may be names no group.
fn number_listed(sql: &Sql, project: &Project, kind: Kind, property: &str, users: Option<&[i64]>) -> Result<()> {
    let whose = if users.is_some() { "AND p.no = ANY($4)" } else { "" };
    let text = project.sql(&format!(
        "SELECT DISTINCT l.id FROM @.user_profile p CROSS JOIN LATERAL analytics_groups._listed(p.properties, $1) l (id)
         WHERE p.properties ? $1 AND length(l.id) <= $3 {whose}
         AND NOT EXISTS (SELECT FROM @.subject s WHERE s.kind = $2 AND s.id = l.id)
         AND NOT EXISTS (SELECT FROM @.merged_group m WHERE m.kind = $2 AND m.id = l.id)"
    ));
    let longest = i32::try_from(settings::limits().string_chars).unwrap_or(i32::MAX);
    let mut args = vec![Arg::Text(property), Arg::Int2(kind as i16), Arg::Int4(longest)];
    args.extend(users.map(Arg::Ints));
    let rows = sql.write(&text, &args)?;
    let mut ids = engine::error::try_vec(rows.len(), "groups in the lists of users")?;
    for i in 0..rows.len() {
        if i % EVERY == 0 {
            Interrupts.tick()?;
        }
        ids.push(rows.text(i, 0)?);
    }
    lexicon::number(sql, project, Space::Subject(kind), &ids)?;
    Ok(())
}

#[pg_extern(schema = "analytics_groups", name = "_number_listed", volatile, strict)]
#[search_path(pg_catalog, pg_temp)]
fn number_listed_of_all(project: &str, kind: i16, property: &str) -> Result<(), ErrorReport> {
    spi::connect(|sql| {
        let project = access::administered(sql, project)?;
        // Another kind would make users of groups, or numbers of nothing.
        if project.kind(property)? != kind as Kind || kind == USER as i16 {
            return Err(Failure::param(
                format!("{kind} is not the kind of the key \"{property}\""),
                "add_group_key calls this for the key that it registers.",
            ));
        }
        number_listed(sql, &project, kind as Kind, property, None)
    })?;
    Ok(())
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn update_users(updates: Option<Jsonb>, project: default!(Option<&str>, "NULL")) -> Result<JsonB, ErrorReport> {
    Ok(update(What::Users, updates, project)?)
}

#[pg_extern(schema = "analytics_groups", volatile)]
#[search_path(pg_catalog, pg_temp)]
fn update_groups(updates: Option<Jsonb>, project: default!(Option<&str>, "NULL")) -> Result<JsonB, ErrorReport> {
    Ok(update(What::Groups, updates, project)?)
}
