//! Breakdowns: which segments an event or a subject belongs to.
//!
//! A segment is a tuple of texts, one per dimension. Texts and tuples are numbered as they are met ([`Segments`]), so
//! that counting works on small integers; the numbering belongs to one partial and is translated when partials merge.

mod coded;
mod codes;
mod dimension;
mod pairs;
mod shape;

pub use coded::Coded;
pub use dimension::{Breakdown, Dimension, Event, Scope};
pub use shape::{Named, Ranges, Shape};

use crate::chunk::{Kind, SubjectNo};
use crate::error::{Error, Result};
use crate::gather::{Budget, grow_within, push_within};
use crate::partial::{Reader, Writer};
use crate::value::Value;
use rustc_hash::FxHashMap;
use std::collections::HashMap;
use std::sync::Arc;

/// Most dimensions of one breakdown.
pub const MAX_DIMENSIONS: usize = 4;

/// Segments are numbered below this.
pub const MAX_SEGMENTS: u32 = 1 << 31;

/// Segment of what has no value.
pub const NOT_SET: &str = "(not set)";
/// Segment of the empty string.
pub const EMPTY: &str = "(empty string)";
/// Every position of the segment that holds what is beyond the top.
pub const OTHER: &str = "$other";

/// A text, or the subject whose id it will be.
#[derive(Debug, Clone)]
enum Text {
    Known(Arc<str>),
    IdOf(Kind, SubjectNo),
}

/// The text of each subject: in arrays where numbers are dense.
#[derive(Debug, Clone, Default)]
struct Subjects {
    /// Text + 1 by subject, for each kind there is.
    dense: Vec<(Kind, Vec<u32>)>,
    others: FxHashMap<(Kind, SubjectNo), u32>,
    len: usize,
}

impl Subjects {
    fn get(&self, kind: Kind, no: SubjectNo) -> Option<u32> {
        let own = self.dense.iter().find(|(k, _)| *k == kind);
        let known = own.and_then(|(_, v)| v.get(no as usize)?.checked_sub(1));
        known.or_else(|| self.others.get(&(kind, no)).copied())
    }

    fn insert(&mut self, kind: Kind, no: SubjectNo, text: u32, budget: &mut Budget) -> Result<()> {
        self.len += 1;
        // At most so much room for each subject there is.
        if no as usize / 64 > self.len + 1024 {
            budget.take(12 + ENTRY)?;
            self.others.try_reserve(1).map_err(|_| Error::OutOfMemory("segments"))?;
            self.others.insert((kind, no), text);
            return Ok(());
        }
        if !self.dense.iter().any(|(k, _)| *k == kind) {
            push_within(&mut self.dense, (kind, Vec::new()), budget)?;
        }
        let Some((_, own)) = self.dense.iter_mut().find(|(k, _)| *k == kind) else {
            return Ok(());
        };
        let need = no as usize + 1;
        if own.len() < need {
            if own.capacity() < need {
                grow_within(own, need.max(own.len() * 2) - own.len(), budget)?;
            }
            own.resize(need, 0);
        }
        if let Some(slot) = own.get_mut(no as usize) {
            *slot = text + 1;
        }
        Ok(())
    }
}

/// Numbers for texts and for tuples of them.
#[derive(Debug, Clone, Default)]
pub struct Segments {
    dimensions: usize,
    texts: Vec<Text>,
    by_text: HashMap<Arc<str>, u32>,
    by_subject: Subjects,
    /// Unused positions are 0.
    tuples: Vec<[u32; MAX_DIMENSIONS]>,
    by_tuple: FxHashMap<[u32; MAX_DIMENSIONS], u32>,
    /// Segment of each text, when there is one dimension.
    single: Vec<Option<u32>>,
}

/// In front of a text in the bytes of a partial, where else the kind of a subject is.
const KNOWN: u32 = u32::MAX;

// What an entry of a hash map costs beyond its content, counted generously.
const ENTRY: usize = 16;

impl Segments {
    /// No segments yet. Without dimensions there is one, the empty tuple, from the start.
    pub fn new(dimensions: usize) -> Self {
        let mut s = Segments {
            dimensions,
            ..Segments::default()
        };
        if dimensions == 0 {
            s.tuples.push([0; MAX_DIMENSIONS]);
        }
        s
    }

    /// Number of dimensions.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Number of segments.
    pub fn len(&self) -> usize {
        self.tuples.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.tuples.is_empty()
    }

    /// Number of a text.
    pub fn text(&mut self, text: &str, budget: &mut Budget) -> Result<u32> {
        if let Some(n) = self.by_text.get(text) {
            return Ok(*n);
        }
        let n = number(self.texts.len())?;
        budget.take(text.len() + 2 * (size_of::<Arc<str>>() + ENTRY))?;
        self.by_text
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory("segments"))?;
        let shared: Arc<str> = text.into();
        self.by_text.insert(shared.clone(), n);
        push_within(&mut self.texts, Text::Known(shared), budget)?;
        Ok(n)
    }

    /// Number of the text that is the id of a subject. It must differ from every other text of its dimension.
    pub fn number(&mut self, kind: Kind, no: SubjectNo, budget: &mut Budget) -> Result<u32> {
        if let Some(n) = self.by_subject.get(kind, no) {
            return Ok(n);
        }
        let n = number(self.texts.len())?;
        self.by_subject.insert(kind, no, n, budget)?;
        push_within(&mut self.texts, Text::IdOf(kind, no), budget)?;
        Ok(n)
    }

    /// Says what the id of a subject is.
    pub fn name(&mut self, kind: Kind, no: SubjectNo, id: &str, budget: &mut Budget) -> Result<()> {
        let text = self.by_subject.get(kind, no);
        if let Some(text) = text.and_then(|n| self.texts.get_mut(n as usize)) {
            budget.take(id.len() + 2 * size_of::<usize>())?;
            *text = Text::Known(id.into());
        }
        Ok(())
    }

    /// True when there are subjects whose ids may not be known.
    pub fn has_numbers(&self) -> bool {
        self.by_subject.len > 0
    }

    /// The subjects whose ids a segment lacks.
    pub fn unnamed(&self, segment: usize) -> impl Iterator<Item = (Kind, SubjectNo)> + '_ {
        self.all_texts(segment).filter_map(|t| match t {
            Text::IdOf(kind, no) => Some((*kind, *no)),
            Text::Known(_) => None,
        })
    }

    /// Is it called [`OTHER`] in every position?
    pub fn is_other(&self, segment: usize) -> bool {
        self.all_texts(segment)
            .all(|t| matches!(t, Text::Known(text) if **text == *OTHER))
    }

    fn all_texts(&self, segment: usize) -> impl Iterator<Item = &Text> + '_ {
        let tuple = self.tuples.get(segment).into_iter().flatten();
        tuple.take(self.dimensions).filter_map(|t| self.texts.get(*t as usize))
    }

    /// Number of a tuple of texts.
    pub fn segment(&mut self, tuple: [u32; MAX_DIMENSIONS], budget: &mut Budget) -> Result<u32> {
        if self.dimensions == 1 {
            let [text, ..] = tuple;
            return self.single(text, budget);
        }
        if let Some(n) = self.by_tuple.get(&tuple) {
            return Ok(*n);
        }
        let n = number(self.tuples.len())?;
        budget.take(size_of_val(&tuple) + 4 + ENTRY)?;
        self.by_tuple
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory("segments"))?;
        self.by_tuple.insert(tuple, n);
        push_within(&mut self.tuples, tuple, budget)?;
        Ok(n)
    }

    /// Number of the segment of one text, for breakdowns of one dimension.
    #[inline]
    pub fn single(&mut self, text: u32, budget: &mut Budget) -> Result<u32> {
        if let Some(Some(n)) = self.single.get(text as usize) {
            return Ok(*n);
        }
        while self.single.len() <= text as usize {
            push_within(&mut self.single, None, budget)?;
        }
        let n = number(self.tuples.len())?;
        push_within(&mut self.tuples, [text, 0, 0, 0], budget)?;
        if let Some(s) = self.single.get_mut(text as usize) {
            *s = Some(n);
        }
        Ok(n)
    }

    /// The texts of a segment, as far as they are known.
    pub fn texts(&self, segment: usize) -> impl Iterator<Item = &Arc<str>> + '_ {
        self.all_texts(segment).filter_map(|t| match t {
            Text::Known(text) => Some(text),
            Text::IdOf(..) => None,
        })
    }

    /// Takes over another's segments; the answer translates its numbers into ours.
    pub fn absorb(&mut self, other: &Segments, budget: &mut Budget) -> Result<Vec<u32>> {
        let mut translation = crate::error::try_vec(other.len(), "segments")?;
        if self.dimensions == 0 {
            translation.push(0);
            return Ok(translation);
        }
        let mut texts = crate::error::try_vec(other.texts.len(), "segments")?;
        for t in &other.texts {
            texts.push(match t {
                Text::Known(t) => self.text(t, budget)?,
                Text::IdOf(kind, no) => self.number(*kind, *no, budget)?,
            });
        }
        for tuple in &other.tuples {
            let mut ours = [0; MAX_DIMENSIONS];
            for (o, t) in ours.iter_mut().zip(tuple).take(self.dimensions) {
                *o = texts.get(*t as usize).copied().unwrap_or(0);
            }
            translation.push(self.segment(ours, budget)?);
        }
        Ok(translation)
    }

    /// Writes the segments.
    pub fn encode(&self, w: &mut Writer) -> Result<()> {
        w.len(self.dimensions)?;
        w.len(self.texts.len())?;
        self.texts.iter().try_for_each(|t| match t {
            Text::Known(t) => {
                w.u32(KNOWN)?;
                w.text(t)
            }
            Text::IdOf(kind, no) => {
                w.u32(u32::from(*kind))?;
                w.u32(*no)
            }
        })?;
        w.len(self.tuples.len())?;
        self.tuples
            .iter()
            .flat_map(|t| t.iter().take(self.dimensions))
            .try_for_each(|n| w.u32(*n))
    }

    /// Reads the segments, counting their memory.
    pub fn decode(r: &mut Reader, budget: &mut Budget) -> Result<Self> {
        let bad = || Error::corrupt("partial: not a breakdown");
        let dimensions = usize::try_from(r.u64()?).map_err(|_| bad())?;
        if dimensions > MAX_DIMENSIONS {
            return Err(bad());
        }
        let mut s = Segments::new(dimensions);
        for i in 0..r.len(8)? {
            let found = match r.u32()? {
                KNOWN => s.text(r.text()?, budget)?,
                kind => s.number(Kind::try_from(kind).map_err(|_| bad())?, r.u32()?, budget)?,
            };
            if found as usize != i {
                return Err(bad());
            }
        }
        let count = r.len(4 * dimensions)?;
        if dimensions == 0 && count != 1 {
            return Err(bad());
        }
        for i in 0..count {
            let mut tuple = [0; MAX_DIMENSIONS];
            for t in tuple.iter_mut().take(dimensions) {
                *t = r.u32()?;
                if *t as usize >= s.texts.len() {
                    return Err(bad());
                }
            }
            if dimensions > 0 && s.segment(tuple, budget)? as usize != i {
                return Err(bad());
            }
        }
        Ok(s)
    }
}

fn number(n: usize) -> Result<u32> {
    u32::try_from(n)
        .ok()
        .filter(|n| *n < MAX_SEGMENTS)
        .ok_or_else(|| Error::Limit {
            message: "too many segments".into(),
            hint: Some("Break down by a property with fewer values.".into()),
        })
}

/// Calls `f` with the text of every segment a value belongs to: the elements of a list, else the value itself. The same
/// text may come more than once.
pub fn texts_of(value: Option<&Value>, f: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    match value {
        None | Some(Value::Null) => f(NOT_SET),
        Some(Value::Str(s)) if s.is_empty() => f(EMPTY),
        Some(Value::Str(s)) => f(s),
        Some(Value::List(l)) if l.is_empty() => f(NOT_SET),
        Some(Value::List(l)) => l.iter().try_for_each(|v| match v {
            Value::List(_) => f(&v.to_text()),
            v => texts_of(Some(v), f),
        }),
        Some(v) => f(&v.to_text()),
    }
}
