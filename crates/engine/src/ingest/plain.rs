//! The fast way through the rule book: records of the usual shape, read without a copy.
//!
//! Usual is a record with one `event`, one object of `properties`, scalars in it, each name once, and nothing that any rule
//! refuses, cuts or reports. Of every other record [`read`] says nothing, and [`super::record::accept`] judges it: this
//! file can only agree with that one or keep silent, and has no words for errors.

use super::identity::{banned, identify};
use super::record::IDENTITY_EVENTS;
use super::scan::{Scalar, Scan};
use super::{Key, Settings, instant, settle};
use crate::error::Result;
use crate::intern::push;
use crate::names::Names;
use crate::row::insert_hash;
use crate::value::Value;
use std::fmt::Write;
use std::ops::Range;

/// What a property means besides its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing.
    Stored,
    /// It is not stored.
    Dropped,
    /// Its presence alone is for the other reader to judge.
    Judged,
    Meaning(usize),
    /// The groups of the key with this index.
    Group(usize),
}

/// Properties with a meaning, by [`Role::Meaning`]. The first four are not stored.
const MEANINGS: [&str; 7] = [
    "time",
    "$time",
    "distinct_id",
    "$distinct_id",
    "$user_id",
    "$device_id",
    "$insert_id",
];
const TIME: usize = 0;
const DOLLAR_TIME: usize = 1;
const DISTINCT_ID: usize = 2;
const DOLLAR_DISTINCT_ID: usize = 3;
const USER_ID: usize = 4;
const DEVICE_ID: usize = 5;
const INSERT_ID: usize = 6;

fn role(name: &str, keys: &[Key]) -> Role {
    if let Some(m) = MEANINGS.iter().position(|m| *m == name) {
        return Role::Meaning(m);
    }
    match name {
        "token" | "ip" => Role::Dropped,
        "bucket" | "$bucket" | "$ignore" => Role::Judged,
        _ => keys
            .iter()
            .position(|k| k.property == name)
            .map_or(Role::Stored, Role::Group),
    }
}

/// The properties met so far, and the order they came in last: the next record has most likely the same.
#[derive(Default)]
pub(super) struct Shape {
    keys: Vec<Key>,
    /// Whether the fast way is open at all: not when a group key is named like a property with a meaning.
    open: bool,
    properties: Vec<Known>,
    by_name: Names,
    order: Vec<u32>,
    line: u64,
}

struct Known {
    name: Box<str>,
    role: Role,
    /// The last line it was met in.
    line: u64,
}

/// Stands for the number of a property that was never met before.
const NEW: u32 = u32::MAX;
/// New properties one record may bring on the fast way: each is compared with the others.
const MOST_NEW: usize = 32;

impl Shape {
    pub fn new(keys: &[Key]) -> Self {
        Shape {
            keys: keys.to_vec(),
            open: keys.iter().all(|k| role(&k.property, &[]) == Role::Stored),
            ..Shape::default()
        }
    }

    /// Properties met so far.
    pub fn len(&self) -> usize {
        self.properties.len()
    }

    pub fn name(&self, property: usize) -> &str {
        self.properties.get(property).map_or("", |p| &p.name)
    }

    /// The index of a property, which is made when it is new.
    pub fn property(&mut self, name: &str) -> Result<usize> {
        let next = u32::try_from(self.properties.len()).unwrap_or(NEW);
        let index = self.by_name.insert(name, next)?;
        if index == next {
            let known = Known {
                name: name.into(),
                role: role(name, &self.keys),
                line: 0,
            };
            push(&mut self.properties, known)?;
        }
        Ok(index as usize)
    }

    /// Forgets the properties.
    pub fn clear(&mut self) {
        self.properties.clear();
        self.by_name.clear();
        self.order.clear();
    }
}

/// Where a text is.
#[derive(Debug, Clone)]
enum Text {
    /// In the line.
    Line(Range<usize>),
    /// In the scratch, because it is not written like that in the line.
    Scratch(Range<usize>),
}

/// A property of a record.
struct Field {
    property: u32,
    name: Range<usize>,
    value: FieldValue,
}

enum FieldValue {
    Text(Text),
    Other(Value),
}

/// A record that passed. It lives as long as the reader, so that no record costs an allocation.
#[derive(Default)]
pub(super) struct Plain {
    fields: Vec<Field>,
    /// Texts that are not in the line: unescaped, or made of numbers.
    scratch: String,
    /// Index into `fields`, by meaning.
    meant: [Option<usize>; MEANINGS.len()],
    event: Range<usize>,
    user: Option<Text>,
    groups: Vec<Option<Text>>,
    pub time: i64,
    /// 0 = none.
    pub insert_hash: u64,
    in_order: bool,
}

impl Plain {
    fn text<'t>(&'t self, line: &'t str, at: &Text) -> &'t str {
        match at {
            Text::Line(r) => line.get(r.clone()),
            Text::Scratch(r) => self.scratch.get(r.clone()),
        }
        .unwrap_or_default()
    }

    pub fn event<'t>(&self, line: &'t str) -> &'t str {
        line.get(self.event.clone()).unwrap_or_default()
    }

    /// The distinct id; `None` for an event of nobody.
    pub fn user<'t>(&'t self, line: &'t str) -> Option<&'t str> {
        self.user.as_ref().map(|t| self.text(line, t))
    }

    /// The one group of the key with this index, if it has any.
    pub fn group<'t>(&'t self, line: &'t str, key: usize) -> Option<&'t str> {
        let at = self.groups.get(key)?.as_ref()?;
        Some(self.text(line, at))
    }

    /// Hands on what is stored: the index of each property, and its text or other value. Names the new ones.
    pub fn stored(
        &self,
        line: &str,
        shape: &mut Shape,
        mut f: impl FnMut(usize, std::result::Result<&str, &Value>) -> Result<()>,
    ) -> Result<()> {
        if !self.in_order {
            shape.order.clear();
        }
        for field in &self.fields {
            let index = match field.property {
                NEW => shape.property(line.get(field.name.clone()).unwrap_or_default())?,
                known => known as usize,
            };
            if !self.in_order {
                push(&mut shape.order, index as u32)?;
            }
            let stored = match shape.properties.get(index).map(|p| p.role) {
                Some(Role::Stored | Role::Group(_)) => true,
                Some(Role::Meaning(m)) => m >= USER_ID,
                _ => false,
            };
            match &field.value {
                _ if !stored => {}
                FieldValue::Other(Value::Null) => {}
                FieldValue::Other(v) => f(index, Err(v))?,
                FieldValue::Text(t) => f(index, Ok(self.text(line, t)))?,
            }
        }
        Ok(())
    }

    /// The field of a meaning, unless it is null.
    fn meant(&self, m: usize) -> Option<&FieldValue> {
        let at = (*self.meant.get(m)?)?;
        let field = self.fields.get(at)?;
        (!matches!(field.value, FieldValue::Other(Value::Null))).then_some(&field.value)
    }
}

/// Reads a record, or leaves it to the other reader (`None`). The line must not be longer than a record may be.
pub(super) fn read(line: &str, settings: &Settings, shape: &mut Shape, out: &mut Plain) -> Option<()> {
    if !shape.open {
        return None;
    }
    out.fields.clear();
    out.scratch.clear();
    out.meant = Default::default();
    out.groups.clear();
    out.groups.resize(shape.keys.len(), None);
    let (mut event, mut properties) = (None, false);
    let mut s = Scan::new(line.as_bytes());
    s.expect(b'{')?;
    loop {
        let name = s.name()?;
        s.expect(b':')?;
        match line.as_bytes().get(name)? {
            b"event" if event.is_none() => match s.scalar()? {
                Scalar::Text {
                    start,
                    end,
                    escaped: false,
                } => event = Some(start..end),
                _ => return None,
            },
            b"properties" if !properties => {
                properties = true;
                read_properties(&mut s, line, settings, shape, out)?;
            }
            b"event" | b"properties" => return None,
            _ => {
                if let Scalar::Text { escaped: true, .. } = s.scalar()? {
                    return None;
                }
            }
        }
        if !s.eat(b',') {
            break;
        }
    }
    s.expect(b'}')?;
    if !s.at_end() || !properties {
        return None;
    }
    out.event = event?;
    judge(line, settings, shape, out)
}

fn read_properties(s: &mut Scan, line: &str, settings: &Settings, shape: &mut Shape, out: &mut Plain) -> Option<()> {
    shape.line += 1;
    out.in_order = true;
    let mut new = 0;
    s.expect(b'{')?;
    loop {
        let name = s.name()?;
        s.expect(b':')?;
        let scalar = s.scalar()?;
        if name.len() > settings.limits.string_chars {
            return None;
        }
        let text = line.get(name.clone())?;
        let at = out.fields.len();
        let expected = shape.order.get(at).copied();
        let property = match expected.and_then(|p| shape.properties.get(p as usize)) {
            Some(p) if *p.name == *text => expected?,
            _ => {
                out.in_order = false;
                shape.by_name.get(text).unwrap_or(NEW)
            }
        };
        let role = match shape.properties.get_mut(property as usize) {
            Some(p) if p.line == shape.line => return None,
            Some(p) => {
                p.line = shape.line;
                p.role
            }
            None => {
                let same = |f: &&Field| f.property == NEW && line.get(f.name.clone()) == Some(text);
                new += 1;
                if new > MOST_NEW || out.fields.iter().find(same).is_some() {
                    return None;
                }
                role(text, &shape.keys)
            }
        };
        let value = value(scalar, line, &mut out.scratch)?;
        match role {
            Role::Judged => return None,
            Role::Meaning(m) => *out.meant.get_mut(m)? = Some(at),
            Role::Group(key) => *out.groups.get_mut(key)? = group(&value, &mut out.scratch)?,
            Role::Stored | Role::Dropped => {}
        }
        out.fields.push(Field { property, name, value });
        if !s.eat(b',') {
            break;
        }
    }
    out.in_order &= out.fields.len() == shape.order.len();
    s.expect(b'}')
}

fn value(scalar: Scalar, line: &str, scratch: &mut String) -> Option<FieldValue> {
    Some(match scalar {
        Scalar::Text {
            start,
            end,
            escaped: false,
        } => FieldValue::Text(Text::Line(start..end)),
        Scalar::Text { start, end, .. } => {
            let text: String = serde_json::from_str(line.get(start - 1..end + 1)?).ok()?;
            if text.as_bytes().contains(&0) {
                return None;
            }
            FieldValue::Text(keep(scratch, &text))
        }
        Scalar::Int(i) => FieldValue::Other(Value::Int(i)),
        Scalar::Float(f) => FieldValue::Other(Value::Float(f)),
        Scalar::Bool(b) => FieldValue::Other(Value::Bool(b)),
        Scalar::Null => FieldValue::Other(Value::Null),
    })
}

/// Puts a text into the scratch.
fn keep(scratch: &mut String, text: impl std::fmt::Display) -> Text {
    let start = scratch.len();
    // Writing to a string cannot fail.
    let _ = write!(scratch, "{text}");
    Text::Scratch(start..scratch.len())
}

/// The text of an id: a string or a whole number; what else may be an id is left to the other reader.
fn id(value: &FieldValue, scratch: &mut String) -> Option<Text> {
    match value {
        FieldValue::Text(t) => Some(t.clone()),
        FieldValue::Other(Value::Int(i)) => Some(keep(scratch, i)),
        FieldValue::Other(_) => None,
    }
}

/// The one group that a value of a group key names, if any; the outer `None` leaves it to the other reader.
#[allow(clippy::option_option)]
fn group(value: &FieldValue, scratch: &mut String) -> Option<Option<Text>> {
    match value {
        FieldValue::Other(Value::Null) => Some(None),
        v => id(v, scratch).map(Some),
    }
}

/// What the rules ask of a record beyond its shape.
fn judge(line: &str, settings: &Settings, shape: &Shape, out: &mut Plain) -> Option<()> {
    let limits = settings.limits;
    let chars = limits.string_chars;
    // No number is longer in compact JSON, as it is counted, than this plus what it is here.
    let size = line.len().saturating_add(out.fields.len().saturating_mul(20));
    if out.fields.len() > limits.properties || size > limits.record_bytes {
        return None;
    }
    let event = out.event(line);
    if event.is_empty() || event.len() > chars || IDENTITY_EVENTS.contains(&event) {
        return None;
    }
    out.time = match out.meant(TIME).or(out.meant(DOLLAR_TIME)) {
        Some(FieldValue::Other(v)) => settle(instant(v).ok()?, settings.now_ms, settings.strict).ok()?,
        Some(FieldValue::Text(_)) => return None,
        None if settings.strict => return None,
        None => settings.now_ms,
    };
    out.insert_hash = match out.meant(INSERT_ID) {
        None => 0,
        Some(FieldValue::Text(t)) => insert_hash(insert_id(out.text(line, t), limits.insert_id_bytes)?),
        Some(FieldValue::Other(_)) => return None,
    };
    for key in 0..shape.keys.len() {
        match out.group(line, key) {
            Some("") => *out.groups.get_mut(key)? = None,
            Some(g) if g.len() > chars => return None,
            _ => {}
        }
    }
    whose(line, settings, out)
}

fn insert_id(id: &str, most: usize) -> Option<&str> {
    let sound = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (!id.is_empty() && id.len() <= most && id.bytes().all(sound) && !banned(id)).then_some(id)
}

/// Finds the user as [`identify`] does.
fn whose(line: &str, settings: &Settings, out: &mut Plain) -> Option<()> {
    let mut scratch = std::mem::take(&mut out.scratch);
    let mut find = |m: usize| match out.meant(m) {
        None => Some(None),
        Some(v) => id(v, &mut scratch).map(Some),
    };
    let user = find(USER_ID);
    let device = find(DEVICE_ID);
    let sent = match out.meant(DISTINCT_ID) {
        Some(_) => find(DISTINCT_ID),
        None => find(DOLLAR_DISTINCT_ID),
    };
    out.scratch = scratch;
    let (user, device, sent) = (user?, device?, sent?);
    let text = |t: &Option<Text>| t.as_ref().map(|t| out.text(line, t));
    let texts = [text(&user), text(&device), text(&sent)];
    for t in texts.iter().flatten() {
        if t.len() > settings.limits.string_chars || banned(t.trim_start_matches("$device:")) {
            return None;
        }
    }
    out.user = match texts {
        [Some(u), _, _] if !u.is_empty() => user,
        [_, None, Some(s)] if !s.is_empty() && !s.starts_with("$device:") => sent,
        [user, device, sent] => {
            let id = identify(user, device, sent, settings.limits).distinct_id;
            (!id.is_empty()).then(|| keep(&mut out.scratch, id))
        }
    };
    Some(())
}
