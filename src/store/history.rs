//! The past of properties of groups: which are kept, and since when a group has which value.
//!
//! A change is written with the update that makes it, under the lock of the profile. What an update says of a time before
//! the last change is history alone: the profile stays as it is.

use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Sql};
use crate::registry::Project;
use crate::settings;
use engine::chunk::{Kind, SubjectNo, USER};
use engine::error::Error;
use engine::history::History;
use engine::profile::{Op, RecordProblem, Update};
use engine::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A property of the groups of a key, over time.
pub fn read(sql: &Sql, project: &Project, kind: Kind, property: &str) -> Result<History> {
    let of = [Arg::Int2(kind as i16), Arg::Text(property)];
    let kept = sql.read(
        &project.sql("SELECT FROM @.kept_history WHERE kind = $1 AND property = $2"),
        &of,
    )?;
    if kept.len() == 0 {
        let keys = project.keys.iter().find(|k| k.kind == kind);
        let key = keys.map_or("", |k| k.property.as_str());
        return Err(Failure::unknown(
            format!("the history of \"{property}\" of {key} is not kept"),
            format!(
                "An admin can have it kept from now on: SELECT analytics_groups.keep_history('{key}', '{property}')."
            ),
        ));
    }
    // Before any of it is in memory: what a row takes there, and what its value does.
    let size = sql.read(
        &project.sql(
            "SELECT count(*) * 64 + coalesce(sum(pg_column_size(value)), 0) FROM @.group_history WHERE kind = $1 AND property = $2",
        ),
        &of,
    )?;
    within_memory(property, usize::try_from(size.int(0, 0)?).unwrap_or(usize::MAX))?;
    let rows = sql.read(
        &project.sql(
            "SELECT no, since, coalesce(value, 'null')::text FROM @.group_history
             WHERE kind = $1 AND property = $2 ORDER BY no, since",
        ),
        &of,
    )?;
    let changes = (0..rows.len()).map(|i| {
        let change = || -> Result<(SubjectNo, i64, Value)> {
            let json: serde_json::Value =
                serde_json::from_str(rows.text(i, 2)?).map_err(|e| Failure::internal(format!("history: {e}")))?;
            let no = u32::try_from(rows.int(i, 0)?).unwrap_or(0);
            Ok((no, rows.int(i, 1)?, Value::from_json(&json)))
        };
        change().map_err(|f| Error::corrupt(f.message))
    });
    let history = History::new(kind, changes, &mut Interrupts)?;
    within_memory(property, history.memory())?;
    Ok(history)
}

fn within_memory(property: &str, bytes: usize) -> Result<()> {
    if bytes <= settings::query_memory() {
        return Ok(());
    }
    Err(Error::Limit {
        message: format!("the history of \"{property}\" needs {bytes} bytes, more than analytics_groups.query_memory"),
        hint: Some("Raise the setting.".into()),
    }
    .into())
}

/// A property of one group: kind, number, name.
type Place = (Kind, SubjectNo, Box<str>);

/// What updates with a time say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Since when something is another than it was.
    Changes,
    /// What was, from then until the next version begins, also where it is what it was before.
    Versions,
}

/// The properties of the groups of a key whose past is kept.
pub fn kept(sql: &Sql, project: &Project, kind: Kind) -> Result<BTreeSet<String>> {
    let rows = sql.write(
        &project.sql("SELECT property FROM @.kept_history WHERE kind = $1"),
        &[Arg::Int2(kind as i16)],
    )?;
    (0..rows.len()).map(|i| Ok(rows.text(i, 0)?.to_string())).collect()
}

/// Writes down what a batch of updates changes.
pub struct Recorder {
    said: Said,
    kept: BTreeMap<Kind, BTreeSet<Box<str>>>,
    /// The last change of each.
    latest: BTreeMap<Place, i64>,
    changes: BTreeMap<(Place, i64), Option<Value>>,
}

impl Recorder {
    /// For profiles that are locked.
    pub fn new(sql: &Sql, project: &Project, said: Said, owners: &[(Kind, SubjectNo)]) -> Result<Recorder> {
        let mut recorder = Recorder {
            said,
            kept: BTreeMap::new(),
            latest: BTreeMap::new(),
            changes: BTreeMap::new(),
        };
        if owners.iter().all(|(kind, _)| *kind == USER) {
            return Ok(recorder);
        }
        let kept = sql.write(&project.sql("SELECT kind::bigint, property FROM @.kept_history"), &[])?;
        for i in 0..kept.len() {
            let kind = Kind::try_from(kept.int(i, 0)?).unwrap_or(USER);
            recorder.kept.entry(kind).or_default().insert(kept.text(i, 1)?.into());
        }
        for kind in recorder.kept.keys() {
            let numbers: Vec<i64> = owners
                .iter()
                .filter(|(k, _)| k == kind)
                .map(|(_, no)| i64::from(*no))
                .collect();
            let rows = sql.write(
                &project.sql(
                    "SELECT no, property, max(since) FROM @.group_history
                     WHERE kind = $1 AND no = ANY($2) GROUP BY no, property",
                ),
                &[Arg::Int2(*kind as i16), Arg::Ints(&numbers)],
            )?;
            for i in 0..rows.len() {
                let no = u32::try_from(rows.int(i, 0)?).unwrap_or(0);
                recorder
                    .latest
                    .insert((*kind, no, rows.text(i, 1)?.into()), rows.int(i, 2)?);
            }
        }
        Ok(recorder)
    }

    /// The profile after an update that is to become `after`: the same, but for what was said of the past.
    pub fn record(
        &mut self,
        (kind, no): (Kind, SubjectNo),
        before: Option<&Value>,
        after: Option<Value>,
        update: &Update,
        now_ms: i64,
    ) -> Result<Option<Value>, RecordProblem> {
        let versions = self.said == Said::Versions;
        if versions {
            let why = match update.time {
                None => Some("must not be missing: nothing says since when the row holds"),
                Some(at) if at > now_ms => Some("must not be in the future: the row does not hold yet"),
                Some(_) => None,
            };
            if let Some(why) = why {
                return Err(RecordProblem::new("$time", why));
            }
        }
        let Some(kept) = self.kept.get(&kind) else {
            return Ok(after);
        };
        let at = update.time.unwrap_or(now_ms).min(now_ms);
        let mut changes = Vec::new();
        let mut after = after;
        for property in kept {
            let place = (kind, no, property.clone());
            let (old, new) = (member(before, property), member(after.as_ref(), property));
            let latest = self.latest.get(&place).copied();
            match latest.filter(|latest| at < *latest && after.is_some()) {
                None => {
                    if new != old || versions && said(update, property)?.is_some() {
                        let since = latest.map_or(at, |latest| latest.max(at));
                        changes.push((place, since, new.cloned()));
                    }
                }
                Some(_) => {
                    let Some(value) = said(update, property)? else {
                        continue;
                    };
                    changes.push((place, at, value));
                    let old = old.cloned();
                    put(&mut after, property, old);
                }
            }
        }
        for (place, since, value) in changes {
            let latest = self.latest.entry(place.clone()).or_insert(since);
            *latest = since.max(*latest);
            self.changes.insert((place, since), value);
        }
        Ok(after)
    }

    /// Stores what was recorded.
    pub fn write(self, sql: &Sql, project: &Project) -> Result<()> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let (mut kinds, mut properties, mut numbers, mut since, mut values) = (vec![], vec![], vec![], vec![], vec![]);
        for (((kind, no, property), at), value) in &self.changes {
            kinds.push(i64::from(*kind));
            properties.push(&**property);
            numbers.push(i64::from(*no));
            since.push(*at);
            values.push(value.as_ref().map_or("null".to_string(), |v| v.to_json().to_string()));
        }
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        sql.write(
            &project.sql(
                "INSERT INTO @.group_history (kind, property, no, since, value)
                 SELECT k, p, n, s, nullif(v::jsonb, 'null') FROM unnest($1, $2, $3, $4, $5) AS x(k, p, n, s, v)
                 ON CONFLICT (kind, property, no, since) DO UPDATE SET value = EXCLUDED.value",
            ),
            &[
                Arg::Ints(&kinds),
                Arg::Texts(&properties),
                Arg::Ints(&numbers),
                Arg::Ints(&since),
                Arg::Texts(&values),
            ],
        )?;
        Ok(())
    }
}

fn member<'v>(profile: Option<&'v Value>, property: &str) -> Option<&'v Value> {
    match profile? {
        Value::Object(pairs) => pairs.iter().find(|(name, _)| **name == *property).map(|(_, v)| v),
        _ => None,
    }
}

/// Gives a property of a profile a value, or takes it away.
fn put(profile: &mut Option<Value>, property: &str, value: Option<Value>) {
    if let Some(Value::Object(pairs)) = profile {
        pairs.retain(|(name, _)| **name != *property);
        if let Some(value) = value {
            let at = pairs.partition_point(|(name, _)| **name < *property);
            pairs.insert(at, (property.into(), value));
        }
    }
}

/// What an update says that a property was at a time in the past; `None` = nothing.
fn said(update: &Update, property: &str) -> Result<Option<Option<Value>>, RecordProblem> {
    let mut found = None;
    let is = |name: &str| name == property;
    for op in &update.ops {
        let relative = match op {
            Op::Set(pairs) => {
                if let Some((_, value)) = pairs.iter().find(|(name, _)| is(name)) {
                    found = Some(Some(value.clone()).filter(|v| *v != Value::Null));
                }
                false
            }
            Op::Unset(names) => {
                if names.iter().any(|name| is(name)) {
                    found = Some(None);
                }
                false
            }
            Op::SetOnce(pairs) | Op::Add(pairs) | Op::Append(pairs) | Op::Remove(pairs) => {
                pairs.iter().any(|(name, _)| is(name))
            }
            Op::Union(pairs) => pairs.iter().any(|(name, _)| is(name)),
            Op::Delete => false,
        };
        if relative {
            return Err(RecordProblem::new(
                "$time",
                format!("\"{property}\" has changed since then: only $set and $unset can be said of its past"),
            ));
        }
    }
    Ok(found)
}
