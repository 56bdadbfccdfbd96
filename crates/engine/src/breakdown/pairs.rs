//! Breakdowns by a list and by what its elements stand for in a lookup table: each element goes with its own, not with those
//! of the others.

use super::dimension::{Dimension, Event};
use super::shape::{Shape, shaped};
use super::{MAX_DIMENSIONS, Segments};
use crate::chunk::Column;
use crate::error::{Error, Result};
use crate::gather::{Budget, push_within};
use crate::lookup::Lookup;
use crate::value::Value;
use rustc_hash::FxHashMap;

type Tuple = [u32; MAX_DIMENSIONS];

/// The dimensions of a breakdown that read one property.
#[derive(Debug)]
struct Pair<'p> {
    of: u32,
    members: Vec<Member<'p>>,
    /// (start in `tuples`, number) per code of the property.
    known: FxHashMap<u32, (usize, usize)>,
    tuples: Vec<Tuple>,
}

#[derive(Debug)]
struct Member<'p> {
    dimension: usize,
    /// `None` = the property itself.
    lookup: Option<&'p Lookup>,
    shape: Option<&'p Shape>,
}

/// What belongs together in a breakdown.
#[derive(Debug, Default)]
pub(super) struct Pairs<'p> {
    dimensions: usize,
    pairs: Vec<Pair<'p>>,
    /// Combinations for one row, and those in the making.
    all: Vec<Tuple>,
    next: Vec<Tuple>,
    texts: Vec<u32>,
}

impl<'p> Pairs<'p> {
    pub fn of(dimensions: &'p [Dimension]) -> Self {
        let mut pairs: Vec<Pair> = Vec::new();
        for (dimension, d) in dimensions.iter().enumerate() {
            let (plain, shape) = d.plain();
            let (of, lookup) = match plain {
                Dimension::EventProperty(p) => (*p, None),
                Dimension::Lookup { of, lookup, .. } => (*of, Some(&**lookup)),
                _ => continue,
            };
            let member = Member {
                dimension,
                lookup,
                shape,
            };
            match pairs.iter_mut().find(|p| p.of == of) {
                Some(pair) => pair.members.push(member),
                None => pairs.push(Pair {
                    of,
                    members: vec![member],
                    known: FxHashMap::default(),
                    tuples: Vec::new(),
                }),
            }
        }
        pairs.retain(|p| p.members.len() > 1 && p.members.iter().any(|m| m.lookup.is_some()));
        Pairs {
            dimensions: dimensions.len(),
            pairs,
            ..Pairs::default()
        }
    }

    /// Codes of the next chunk mean something else.
    pub fn next_chunk(&mut self) {
        for pair in &mut self.pairs {
            pair.known.clear();
            pair.tuples.clear();
        }
    }

    pub fn bytes(&self) -> usize {
        let pairs = self
            .pairs
            .iter()
            .map(|p| p.known.len() * 32 + p.tuples.capacity() * size_of::<Tuple>());
        pairs.sum::<usize>() + (self.all.capacity() + self.next.capacity()) * size_of::<Tuple>()
    }

    /// The combinations of texts of an event, each once, where lists are to be kept together with what their elements
    /// stand for; `lists` has the texts of each dimension alone.
    pub fn tuples(
        &mut self,
        event: &Event,
        lists: &[Vec<u32>; MAX_DIMENSIONS],
        segments: &mut Segments,
        budget: &mut Budget,
    ) -> Result<Option<&[Tuple]>> {
        let mut paired = [false; MAX_DIMENSIONS];
        self.all.clear();
        for pair in &mut self.pairs {
            let Some(Column::Dict { values, codes }) = event.chunk.property(pair.of) else {
                continue;
            };
            let code = codes.get(event.row).copied().unwrap_or(0);
            let value = (code as usize).checked_sub(1).and_then(|i| values.get(i));
            let Some(Value::List(list)) = value.filter(|v| **v != Value::List(Vec::new())) else {
                continue;
            };
            for m in &pair.members {
                if let Some(p) = paired.get_mut(m.dimension) {
                    *p = true;
                }
            }
            let (from, n) = match pair.known.get(&code) {
                Some(known) => *known,
                None => pair.learn(code, list, &mut self.texts, segments, budget)?,
            };
            let own = pair.tuples.get(from..from + n).unwrap_or(&[]);
            combine(&mut self.all, &mut self.next, own, budget)?;
        }
        if self.all.is_empty() {
            return Ok(None);
        }
        for (i, list) in lists.iter().enumerate().take(self.dimensions) {
            if !paired.get(i).copied().unwrap_or(true) {
                let mut own = Vec::new();
                for text in list {
                    let mut tuple = [0; MAX_DIMENSIONS];
                    if let Some(t) = tuple.get_mut(i) {
                        *t = *text;
                    }
                    own.try_reserve(1).map_err(|_| Error::OutOfMemory("segments"))?;
                    own.push(tuple);
                }
                combine(&mut self.all, &mut self.next, &own, budget)?;
            }
        }
        Ok(Some(&self.all))
    }
}

/// Every one of `all` with every one of `more`, which have other places.
fn combine(all: &mut Vec<Tuple>, next: &mut Vec<Tuple>, more: &[Tuple], budget: &mut Budget) -> Result<()> {
    next.clear();
    if all.is_empty() {
        more.iter().try_for_each(|t| push_within(next, *t, budget))?;
    }
    for a in all.iter() {
        for b in more {
            let mut tuple = *a;
            for (t, other) in tuple.iter_mut().zip(b) {
                *t += other;
            }
            push_within(next, tuple, budget)?;
        }
    }
    std::mem::swap(all, next);
    Ok(())
}

impl Pair<'_> {
    /// Works out the combinations for a list.
    #[cold]
    fn learn(
        &mut self,
        code: u32,
        list: &[Value],
        texts: &mut Vec<u32>,
        segments: &mut Segments,
        budget: &mut Budget,
    ) -> Result<(usize, usize)> {
        let from = self.tuples.len();
        for element in list {
            let first = self.tuples.len();
            push_within(&mut self.tuples, [0; MAX_DIMENSIONS], budget)?;
            for m in &self.members {
                texts.clear();
                let mut add = |text: &str| {
                    let n = segments.text(text, budget)?;
                    push_within(texts, n, budget)
                };
                match m.lookup {
                    // As an element of a list, not as a list itself.
                    None => shaped(m.shape, Some(&Value::List(vec![element.clone()])), &mut add)?,
                    Some(lookup) => shaped(m.shape, lookup.of(element), &mut add)?,
                }
                // One more text is one more copy of what there is.
                let last = self.tuples.len();
                for (n, text) in texts.iter().enumerate() {
                    for i in first..last {
                        let Some(mut tuple) = self.tuples.get(i).copied() else {
                            continue;
                        };
                        if let Some(t) = tuple.get_mut(m.dimension) {
                            *t = *text;
                        }
                        if n + 1 < texts.len() {
                            push_within(&mut self.tuples, tuple, budget)?;
                        } else if let Some(own) = self.tuples.get_mut(i) {
                            *own = tuple;
                        }
                    }
                }
            }
        }
        if let Some(tail) = self.tuples.get_mut(from..) {
            tail.sort_unstable();
        }
        let mut kept = from;
        for i in from..self.tuples.len() {
            if i == from || self.tuples.get(i) != self.tuples.get(kept - 1) {
                self.tuples.swap(i, kept);
                kept += 1;
            }
        }
        self.tuples.truncate(kept);
        budget.take(32)?;
        self.known.try_reserve(1).map_err(|_| Error::OutOfMemory("segments"))?;
        self.known.insert(code, (from, kept - from));
        Ok((from, kept - from))
    }
}
