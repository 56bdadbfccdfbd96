//! The fast way through the rule book: records of the usual shape, read without a copy.
//!
//! Usual is a record with one `event`, one object of `properties`, scalars in it, each name once, and nothing that any rule
//! refuses, cuts or reports. Of every other record [`read`] says nothing, and [`super::record::accept`] judges it: this
//! file can only agree with that one or keep silent, and has no words for errors.

use super::identity::{DEVICE, banned, identify, is_user};
use super::record::IDENTITY_EVENTS;
use super::scan::{Scalar, Scan};
use super::shape::{
    DEVICE_ID, DISTINCT_ID, DOLLAR_DISTINCT_ID, DOLLAR_TIME, INSERT_ID, MEANINGS, NEW, Role, Shape, TIME, USER_ID, role,
};
use super::{Settings, instant, settle};
use crate::error::Result;
use crate::intern::push;
use crate::row::insert_hash;
use crate::value::Value;
use std::fmt::Write;
use std::ops::Range;

/// New properties one record may bring on the fast way: each is compared with the others.
const MOST_NEW: usize = 32;

/// A property of a record. A text with `escaped` is in the scratch, not in the line.
#[derive(Clone, Copy)]
struct Field {
    property: u32,
    /// Where its name is in the line, when `property` is [`NEW`].
    name: (u32, u32),
    value: Scalar,
}

/// A record that passed. It lives as long as the reader, so that no record costs an allocation.
#[derive(Default)]
pub(super) struct Plain {
    fields: Vec<Field>,
    /// Texts that are not in the line: unescaped, or made of numbers.
    scratch: String,
    /// Index into `fields`, by meaning.
    meant: [Option<u32>; MEANINGS.len()],
    event: Range<usize>,
    /// Texts, or null.
    user: Scalar,
    device: Scalar,
    groups: Vec<Scalar>,
    pub time: i64,
    /// 0 = none.
    pub insert_hash: u64,
    in_order: bool,
}

impl Plain {
    /// The characters of a text; `None` of everything else.
    fn text<'t>(&'t self, line: &'t str, value: Scalar) -> Option<&'t str> {
        match value {
            Scalar::Text { start, end, escaped } => {
                let of = if escaped { &self.scratch } else { line };
                of.get(start as usize..end as usize)
            }
            _ => None,
        }
    }

    pub fn event<'t>(&self, line: &'t str) -> &'t str {
        line.get(self.event.clone()).unwrap_or_default()
    }

    /// The distinct id; `None` for an event of nobody.
    pub fn user<'t>(&'t self, line: &'t str) -> Option<&'t str> {
        self.text(line, self.user)
    }

    /// The distinct id of the device that the event links to its user.
    pub fn linked_device<'t>(&'t self, line: &'t str) -> Option<&'t str> {
        self.text(line, self.device)
    }

    /// The one group of the key with this index, if it has any.
    pub fn group<'t>(&'t self, line: &'t str, key: usize) -> Option<&'t str> {
        self.text(line, *self.groups.get(key)?)
    }

    /// Hands on what is stored: the index of each property, and its text or other value. Names the new ones.
    pub fn stored(
        &self,
        line: &str,
        shape: &mut Shape,
        mut f: impl FnMut(usize, std::result::Result<&str, Value>) -> Result<()>,
    ) -> Result<()> {
        if !self.in_order {
            shape.order.clear();
        }
        for field in &self.fields {
            let index = match field.property {
                NEW => shape.property(
                    line.get(field.name.0 as usize..field.name.1 as usize)
                        .unwrap_or_default(),
                )?,
                known => known as usize,
            };
            if !self.in_order {
                push(&mut shape.order, index as u32)?;
            }
            match shape.properties.get(index).map(|p| p.role) {
                Some(Role::Stored | Role::Group(_)) => {}
                Some(Role::Meaning(m)) if m >= USER_ID => {}
                _ => continue,
            }
            match field.value {
                Scalar::Text { .. } => f(index, Ok(self.text(line, field.value).unwrap_or_default()))?,
                Scalar::Null => {}
                Scalar::Int(i) => f(index, Err(Value::Int(i)))?,
                Scalar::Float(x) => f(index, Err(Value::Float(x)))?,
                Scalar::Bool(b) => f(index, Err(Value::Bool(b)))?,
            }
        }
        Ok(())
    }

    /// The value of a meaning, unless it is null.
    fn meant(&self, m: usize) -> Option<Scalar> {
        let at = (*self.meant.get(m)?)?;
        let value = self.fields.get(at as usize)?.value;
        (value != Scalar::Null).then_some(value)
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
    out.groups.resize(shape.keys.len(), Scalar::Null);
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
                } => event = Some(start as usize..end as usize),
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
        let expected = shape.order.get(out.fields.len()).copied().unwrap_or(NEW);
        let known = shape.properties.get(expected as usize);
        // As jsonb is written, with a space behind every comma.
        s.pass_space();
        let (property, name) = if known.is_some_and(|k| s.eat_all(&k.written)) {
            (expected, (0, 0))
        } else {
            let name = s.name()?;
            s.expect(b':')?;
            if name.len() > settings.limits.string_chars {
                return None;
            }
            let property = shape.by_name.get(line.get(name.clone())?).unwrap_or(NEW);
            out.in_order &= property == expected && property != NEW;
            (property, (name.start as u32, name.end as u32))
        };
        let role = match shape.properties.get_mut(property as usize) {
            Some(p) if p.line == shape.line => return None,
            Some(p) => {
                p.line = shape.line;
                p.role
            }
            None => {
                let text = |name: (u32, u32)| line.get(name.0 as usize..name.1 as usize);
                new += 1;
                if new > MOST_NEW
                    || out
                        .fields
                        .iter()
                        .any(|f| f.property == NEW && text(f.name) == text(name))
                {
                    return None;
                }
                role(text(name)?, &shape.keys)
            }
        };
        let mut value = s.scalar()?;
        if let Scalar::Text { escaped: true, .. } = value {
            value = unescape(value, line, &mut out.scratch)?;
        }
        match role {
            Role::Judged => return None,
            Role::Meaning(m) => *out.meant.get_mut(m)? = Some(out.fields.len() as u32),
            Role::Group(key) => *out.groups.get_mut(key)? = id(value, &mut out.scratch)?,
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

/// The characters that an escaped text of the line stands for, put into the scratch.
fn unescape(value: Scalar, line: &str, scratch: &mut String) -> Option<Scalar> {
    let Scalar::Text { start, end, .. } = value else {
        return None;
    };
    let quoted = line.get((start as usize).checked_sub(1)?..end as usize + 1)?;
    let text: String = serde_json::from_str(quoted).ok()?;
    (!text.as_bytes().contains(&0)).then(|| keep(scratch, &text))
}

/// Puts a text into the scratch.
fn keep(scratch: &mut String, text: impl std::fmt::Display) -> Scalar {
    let start = scratch.len() as u32;
    // Writing to a string cannot fail.
    let _ = write!(scratch, "{text}");
    Scalar::Text {
        start,
        end: scratch.len() as u32,
        escaped: true,
    }
}

/// The text of an id, or null: a string or a whole number; what else may be an id is left to the other reader.
fn id(value: Scalar, scratch: &mut String) -> Option<Scalar> {
    match value {
        Scalar::Text { .. } | Scalar::Null => Some(value),
        Scalar::Int(i) => Some(keep(scratch, i)),
        Scalar::Float(_) | Scalar::Bool(_) => None,
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
    let time = match out.meant(TIME).or(out.meant(DOLLAR_TIME)) {
        Some(Scalar::Int(i)) => Some(Value::Int(i)),
        Some(Scalar::Float(f)) => Some(Value::Float(f)),
        Some(_) => return None,
        None => None,
    };
    out.time = match time {
        Some(v) => settle(instant(&v).ok()?, settings.now_ms, settings.strict).ok()?,
        None if settings.strict => return None,
        None => settings.now_ms,
    };
    out.insert_hash = match out.meant(INSERT_ID) {
        None => 0,
        Some(v) => insert_hash(insert_id(out.text(line, v)?, limits.insert_id_bytes)?),
    };
    for key in 0..shape.keys.len() {
        match out.group(line, key) {
            Some("") => *out.groups.get_mut(key)? = Scalar::Null,
            Some(g) if g.len() > chars => return None,
            _ => {}
        }
    }
    whose(line, settings, out)
}

fn insert_id(id: &str, most: usize) -> Option<&str> {
    // Without a way out of the loop, so that it works on many bytes at once.
    let sound = |b: u8| b.is_ascii_alphanumeric() | (b == b'-');
    let sound = id.bytes().fold(true, |all, b| all & sound(b));
    (!id.is_empty() && id.len() <= most && sound && !banned(id)).then_some(id)
}

/// Finds the user as [`identify`] does.
fn whose(line: &str, settings: &Settings, out: &mut Plain) -> Option<()> {
    let mut values = [out.meant(USER_ID), out.meant(DEVICE_ID), out.meant(DISTINCT_ID)];
    if values.get(2).is_some_and(Option::is_none) {
        *values.last_mut()? = out.meant(DOLLAR_DISTINCT_ID);
    }
    for v in values.iter_mut().flatten() {
        *v = id(*v, &mut out.scratch)?;
    }
    let texts = values.map(|v| v.and_then(|v| out.text(line, v)));
    for t in texts.iter().flatten() {
        let mut bare = *t;
        while let Some(rest) = bare.strip_prefix(DEVICE) {
            bare = rest;
        }
        if t.len() > settings.limits.string_chars || banned(bare) {
            return None;
        }
    }
    let links = matches!(texts, [Some(u), Some(_), _] if is_user(u));
    out.user = match texts {
        [Some(u), _, _] if !u.is_empty() => values.first().copied()??,
        [_, None, Some(s)] if !s.is_empty() && !s.starts_with(DEVICE) => values.last().copied()??,
        [user, device, sent] => match &*identify(user, device, sent, settings.limits).distinct_id {
            "" => Scalar::Null,
            id => keep(&mut out.scratch, id),
        },
    };
    let [_, device, _] = values;
    out.device = match device {
        Some(d) if links => linked_device(line, d, &mut out.scratch)?,
        _ => Scalar::Null,
    };
    Some(())
}

/// The distinct id of a device; null when nothing follows the prefix.
fn linked_device(line: &str, value: Scalar, scratch: &mut String) -> Option<Scalar> {
    let Scalar::Text { start, end, escaped } = value else {
        return None;
    };
    let range = start as usize..end as usize;
    let text = if escaped {
        scratch.get(range.clone())?
    } else {
        line.get(range.clone())?
    };
    match text.strip_prefix(DEVICE) {
        Some("") => return Some(Scalar::Null),
        Some(_) => return Some(value),
        None if text.is_empty() => return Some(Scalar::Null),
        None => {}
    }
    let from = scratch.len() as u32;
    // Texts of the scratch are few: numbers, and what was escaped.
    let copied = if escaped { Some(text.to_owned()) } else { None };
    scratch.push_str(DEVICE);
    scratch.push_str(copied.as_deref().or_else(|| line.get(range)).unwrap_or_default());
    Some(Scalar::Text {
        start: from,
        end: scratch.len() as u32,
        escaped: true,
    })
}
