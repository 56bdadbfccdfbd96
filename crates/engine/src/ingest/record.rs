//! One record: validation, normalisation and attribution, in this order of precedence.

use super::clean::{last_of_equals, text};
use super::identity::{banned, identify, sent_id};
use super::json::{Draft, Properties};
use super::source::too_large;
use super::{
    Bounds, Event, Outcome, Reason, RecordProblem, Settings, Unattributed, attribute, cut, id_text, instant, settle,
    sticky, tidy,
};
use crate::chunk::Kind;
use crate::value::Value;

type Pairs = Vec<(Box<str>, Value)>;
type Check<T> = Result<T, RecordProblem>;

/// Events that link identities in the original system; here that is done by function calls.
pub(super) const IDENTITY_EVENTS: [&str; 3] = ["$identify", "$create_alias", "$merge"];

/// Reads one record that is already parsed.
pub fn parse_value(v: Value, index: usize, settings: &Settings) -> Outcome {
    accept(Draft::from_value(v), None, index, settings)
}

/// Makes an event of the arguments of `track`: `distinct_id`, the time (milliseconds since 1970-01-01 UTC) and the
/// insert id win over properties of that meaning, and NULL is no property at all.
pub fn from_parts(
    event: &str,
    distinct_id: Option<&str>,
    properties: Value,
    at_ms: i64,
    insert_id: Option<&str>,
    settings: &Settings,
) -> Outcome {
    let properties = match Properties::from_value(properties) {
        None => Properties::Map(Vec::new()),
        Some(p) => p,
    };
    let properties = match properties {
        Properties::Map(mut pairs) => {
            // Of equal names the last counts.
            let ids = [("distinct_id", distinct_id), ("$insert_id", insert_id)];
            pairs.extend(ids.iter().filter_map(|(k, v)| Some(((*k).into(), Value::str((*v)?)))));
            Properties::Map(pairs)
        }
        other => other,
    };
    let draft = Draft::Record {
        event: Some(Value::str(event)),
        properties: Some(properties),
    };
    accept(draft, Some(at_ms), 0, settings)
}

/// Decides over a record. `at` replaces its time.
pub(super) fn accept(draft: Draft, at: Option<i64>, index: usize, settings: &Settings) -> Outcome {
    let fail = |field: &str, why: &str| Outcome::Failed(RecordProblem::new(field, why).at(index, None));
    let (event, mut pairs) = match draft {
        Draft::NotAnObject => return fail("record", "must be a JSON object with event and properties"),
        Draft::TooLarge => return fail("record", &too_large(settings.limits.record_bytes)),
        Draft::Record { event, properties } => match properties {
            None => return fail("properties", "must not be missing"),
            Some(Properties::NotAnObject) => return fail("properties", "must be an object"),
            Some(Properties::Map(pairs)) => (event, pairs),
        },
    };
    if pairs.iter().any(|(k, _)| &**k == "$ignore") {
        return Outcome::Ignored;
    }
    let sent_insert_id = find_last(&pairs, "$insert_id").and_then(|v| id_text(v).ok().map(|s| s.into_owned()));
    let made = order_names(&mut pairs, settings).and_then(|()| make(event, pairs, at, index, settings));
    match made {
        Ok((event, notes)) => Outcome::Event(event, notes),
        Err(problem) => {
            let shown = sent_insert_id.map(|s| cut(&s, settings.limits.string_chars).to_owned());
            Outcome::Failed(problem.at(index, shown))
        }
    }
}

fn find_last<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a Value> {
    pairs.iter().rev().find(|(k, _)| &**k == name).map(|(_, v)| v)
}

/// Cuts and sorts the names; of equal names the last stays.
fn order_names(pairs: &mut Pairs, settings: &Settings) -> Check<()> {
    for (k, _) in pairs.iter_mut() {
        text(k, settings.limits.string_chars).map_err(|why| RecordProblem::new("properties", why))?;
    }
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    last_of_equals(pairs);
    Ok(())
}

fn property(name: &str, why: impl std::fmt::Display) -> RecordProblem {
    RecordProblem::new(format!("properties.{name}"), why)
}

fn event_name(event: Option<Value>, chars: usize) -> Check<Box<str>> {
    let problem = |why: &str| Err(RecordProblem::new("event", why));
    let mut name = match event {
        None | Some(Value::Null) => return problem("must not be missing"),
        Some(Value::Str(s)) if s.is_empty() => return problem("must not be empty"),
        Some(Value::Str(s)) => s,
        Some(_) => return problem("must be a string"),
    };
    if IDENTITY_EVENTS.contains(&&*name) {
        return problem("identity events are not allowed when project is using simplified identity management");
    }
    text(&mut name, chars).map_err(|why| RecordProblem::new("event", why))?;
    Ok(name)
}

/// Properties that are not stored.
#[derive(Default)]
struct Taken {
    time: Option<Value>,
    dollar_time: Option<Value>,
    distinct_id: Option<Value>,
    dollar_distinct_id: Option<Value>,
}

/// Takes out what is not stored. `pairs` keeps its order.
fn take_reserved(pairs: &mut Pairs) -> Check<Taken> {
    let mut t = Taken::default();
    let mut forbidden = None;
    pairs.retain_mut(|(k, v)| {
        let slot = match &**k {
            "time" => &mut t.time,
            "$time" => &mut t.dollar_time,
            "distinct_id" => &mut t.distinct_id,
            "$distinct_id" => &mut t.dollar_distinct_id,
            "token" | "ip" => return false,
            "bucket" | "$bucket" => {
                forbidden = Some(property(k, "the name is reserved"));
                return false;
            }
            _ => return !matches!(v, Value::Null),
        };
        *slot = Some(std::mem::replace(v, Value::Null)).filter(|v| !matches!(v, Value::Null));
        false
    });
    forbidden.map_or(Ok(t), Err)
}

fn lookup<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a Value> {
    let i = pairs.binary_search_by(|(k, _)| (**k).cmp(name)).ok()?;
    pairs.get(i).map(|(_, v)| v)
}

fn make(
    event: Option<Value>,
    mut pairs: Pairs,
    at: Option<i64>,
    index: usize,
    settings: &Settings,
) -> Check<(Event, Vec<Unattributed>)> {
    let limits = settings.limits;
    let name = event_name(event, limits.string_chars)?;
    if pairs.len() > limits.properties {
        let why = format!("must not have more than {} properties", limits.properties);
        return Err(RecordProblem::new("properties", why));
    }
    // Values are read before they are cut, so that the rules see what was sent.
    let insert_id = insert_id(lookup(&pairs, "$insert_id"), settings)?;
    let (groups, notes) = groups(&pairs, index, settings)?;
    let open = sticky::open(&pairs, settings);
    let taken = take_reserved(&mut pairs)?;
    let time = time(taken.time.or(taken.dollar_time), at, settings)?;
    let user = sent_id("properties.$user_id", lookup(&pairs, "$user_id"))?;
    let device = sent_id("properties.$device_id", lookup(&pairs, "$device_id"))?;
    let sent = taken.distinct_id.or(taken.dollar_distinct_id);
    let sent = sent_id("properties.distinct_id", sent.as_ref())?;
    let who = identify(user.as_deref(), device.as_deref(), sent.as_deref(), limits);
    check_values(&mut pairs, settings)?;
    let mut event = Event {
        index,
        name,
        distinct_id: who.distinct_id,
        device_id: who.device_id,
        user_id: who.user_id,
        time,
        insert_id,
        groups,
        properties: pairs,
    };
    sticky::attach(&mut event, &open, settings);
    Ok((event, notes))
}

fn insert_id(v: Option<&Value>, settings: &Settings) -> Check<Option<Box<str>>> {
    let wrong = |why: String| Err(property("$insert_id", why));
    let id = match v {
        None | Some(Value::Null) => return Ok(None),
        Some(v) => id_text(v).map_err(|why| property("$insert_id", why))?,
    };
    let most = settings.limits.insert_id_bytes;
    if id.is_empty() {
        return wrong("must not be empty".into());
    }
    if id.len() > most {
        return wrong(format!("must not be longer than {most} bytes"));
    }
    if banned(&id) {
        return wrong(format!("\"{id}\" identifies nothing"));
    }
    if !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return wrong("must consist of letters, digits and - alone".into());
    }
    Ok(Some(id.into()))
}

fn time(sent: Option<Value>, at: Option<i64>, settings: &Settings) -> Check<i64> {
    let t = match (at, sent) {
        (Some(at), _) => Ok(at),
        (None, Some(v)) => instant(&v),
        (None, None) if settings.strict => Err("must not be missing"),
        (None, None) => return Ok(settings.now_ms),
    };
    t.and_then(|t| settle(t, settings.now_ms, settings.strict))
        .map_err(|why| property("time", why))
}

type Groups = Vec<(Kind, Vec<Box<str>>)>;

fn groups(pairs: &Pairs, index: usize, settings: &Settings) -> Check<(Groups, Vec<Unattributed>)> {
    let (mut groups, mut notes) = (Vec::new(), Vec::new());
    for key in settings.keys {
        let Some(value) = lookup(pairs, &key.property) else {
            continue;
        };
        let a = attribute(Some(value), settings.limits, settings.strict);
        if settings.strict
            && let Some(why) = a.problem
        {
            return Err(property(&key.property, why));
        }
        for (values, reason) in [(a.dropped, Reason::TooMany), (a.refused, Reason::NotAnId)] {
            if values > 0 {
                notes.push(Unattributed {
                    index,
                    kind: key.kind,
                    reason,
                    values,
                });
            }
        }
        if !a.ids.is_empty() {
            groups.push((key.kind, a.ids));
        }
    }
    Ok((groups, notes))
}

/// Checks and cuts what is stored. Lists of group ids may be as long as a record.
fn check_values(pairs: &mut Pairs, settings: &Settings) -> Check<()> {
    let limits = settings.limits;
    let bounds = Bounds {
        depth: limits.depth,
        object_keys: limits.object_keys,
        list_elements: limits.list_elements,
        compound_bytes: limits.event_compound_bytes,
        string_chars: limits.string_chars,
    };
    let mut bytes = 0usize;
    for (k, v) in pairs.iter_mut() {
        let free = matches!(v, Value::List(_)) && settings.keys.iter().any(|key| *key.property == **k);
        let b = if free {
            Bounds {
                list_elements: usize::MAX,
                compound_bytes: usize::MAX,
                ..bounds
            }
        } else {
            bounds
        };
        bytes = bytes.saturating_add(k.len() + 4 + tidy(v, &b).map_err(|why| property(k, why))?);
    }
    if bytes > limits.record_bytes {
        return Err(RecordProblem::new("record", too_large(limits.record_bytes)));
    }
    Ok(())
}
