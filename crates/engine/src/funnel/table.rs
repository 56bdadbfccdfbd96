//! What the tags of gathered events stand for: the steps an event matches and the property values it carries.
//!
//! Values, tuples of values and (steps, tuple) pairs are numbered as they are met. The numbering belongs to one partial and
//! is translated when partials merge.

use crate::codec;
use crate::error::{Error, MEMORY_HINT, Result, try_vec};
use crate::gather::{Budget, TAG_BITS, push_within};
use crate::partial::{Reader, Writer};
use crate::value::Value;
use hashbrown::{DefaultHashBuilder, HashTable};
use rustc_hash::FxHashMap;
use std::cmp::Ordering;
use std::hash::BuildHasher;

/// What an entry of a table costs beyond its content, counted generously.
const ENTRY: usize = 16;
/// Not looked up yet.
const UNKNOWN: u32 = u32::MAX;

/// Numbers for combinations of steps and values.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Values an event carries: held properties, dimensions, what the filter reads.
    sources: usize,
    /// Code c = `values[c - 1]`; 0 = not set.
    values: Vec<Value>,
    by_value: HashTable<u32>,
    /// Codes of the values, `sources` for each tuple. Tuple 0 has nothing set.
    tuples: Vec<u32>,
    by_tuple: HashTable<u32>,
    /// (bits of the selectors that picked the event, number of its tuple), by tag.
    combos: Vec<(u128, u32)>,
    by_combo: FxHashMap<(u128, u32), u32>,
    last: ((u128, u32), u32),
    /// Tag of each tuple, for each selector that picked the event alone.
    alone: Vec<Vec<u32>>,
    /// Tuple of each code, when there is one source.
    of_code: Vec<u32>,
    hasher: DefaultHashBuilder,
    /// What to do about too many of them.
    hint: &'static str,
}

const FEWER: &str = "Hold, filter or break down by properties with fewer values, or use fewer steps.";

impl Table {
    /// Every selector alone, numbered as the selectors are, without values.
    pub fn new(sources: usize, selectors: usize, budget: &mut Budget) -> Result<Self> {
        let mut t = Table {
            sources,
            values: Vec::new(),
            by_value: HashTable::new(),
            tuples: vec![0; sources],
            by_tuple: HashTable::new(),
            combos: Vec::new(),
            by_combo: FxHashMap::default(),
            last: ((0, 0), 0),
            alone: vec![Vec::new(); selectors.min(128)],
            of_code: Vec::new(),
            hasher: DefaultHashBuilder::default(),
            hint: FEWER,
        };
        for k in 0..selectors.min(128) {
            t.tag(1 << k, 0, budget)?;
        }
        Ok(t)
    }

    /// The same for values that are too many only because there are many events: a part of the subjects has fewer.
    pub fn of_many(mut self, yes: bool) -> Self {
        if yes {
            self.hint = MEMORY_HINT;
        }
        self
    }

    pub fn sources(&self) -> usize {
        self.sources
    }

    /// Number of tags.
    pub fn len(&self) -> usize {
        self.combos.len()
    }

    pub fn combo(&self, tag: usize) -> (u128, u32) {
        self.combos.get(tag).copied().unwrap_or((0, 0))
    }

    /// The codes of a tuple.
    pub fn tuple(&self, n: u32) -> &[u32] {
        let from = (n as usize).saturating_mul(self.sources);
        self.tuples.get(from..from + self.sources).unwrap_or(&[])
    }

    /// The value of a code; `None` = not set.
    pub fn value(&self, code: u32) -> Option<&Value> {
        (code as usize).checked_sub(1).and_then(|i| self.values.get(i))
    }

    /// The code of a value.
    pub fn code(&mut self, value: Option<&Value>, budget: &mut Budget) -> Result<u32> {
        let Some(value) = value.filter(|v| **v != Value::Null) else {
            return Ok(0);
        };
        let hash = self.hasher.hash_one(value);
        let values = &self.values;
        let is = |c: &u32| values.get(*c as usize - 1) == Some(value);
        if let Some(c) = self.by_value.find(hash, is) {
            return Ok(*c);
        }
        budget.take(value.memory() + ENTRY)?;
        push_within(&mut self.values, value.clone(), budget)?;
        let code = u32::try_from(self.values.len()).map_err(|_| self.too_many("values"))?;
        let (values, hasher) = (&self.values, &self.hasher);
        let rehash = |c: &u32| values.get(*c as usize - 1).map_or(0, |v| hasher.hash_one(v));
        self.by_value.try_reserve(1, rehash).map_err(|_| oom())?;
        self.by_value.insert_unique(hash, code, rehash);
        Ok(code)
    }

    /// The number of a tuple of codes, one per source.
    pub fn tuple_number(&mut self, codes: &[u32], budget: &mut Budget) -> Result<u32> {
        if codes.iter().all(|c| *c == 0) {
            return Ok(0);
        }
        if let [code] = codes {
            if let Some(n) = self.of_code.get(*code as usize).filter(|n| **n != UNKNOWN) {
                return Ok(*n);
            }
            let n = self.find_tuple(codes, budget)?;
            put(&mut self.of_code, *code as usize, n, budget)?;
            return Ok(n);
        }
        self.find_tuple(codes, budget)
    }

    fn find_tuple(&mut self, codes: &[u32], budget: &mut Budget) -> Result<u32> {
        let hash = self.hasher.hash_one(codes);
        let (tuples, sources) = (&self.tuples, self.sources);
        let at = |n: &u32| {
            let from = *n as usize * sources;
            tuples.get(from..from + sources).unwrap_or(&[])
        };
        if let Some(n) = self.by_tuple.find(hash, |n| at(n) == codes) {
            return Ok(*n);
        }
        let n = self.tuples.len().checked_div(sources).unwrap_or(0);
        let n = u32::try_from(n).map_err(|_| self.too_many("combinations of values"))?;
        budget.take(ENTRY)?;
        for c in codes {
            push_within(&mut self.tuples, *c, budget)?;
        }
        let (tuples, hasher) = (&self.tuples, &self.hasher);
        let rehash = |n: &u32| {
            let from = *n as usize * sources;
            hasher.hash_one(tuples.get(from..from + sources).unwrap_or(&[]))
        };
        self.by_tuple.try_reserve(1, rehash).map_err(|_| oom())?;
        self.by_tuple.insert_unique(hash, n, rehash);
        Ok(n)
    }

    /// The tag of an event that the selectors in `mask` picked and that carries the values of `tuple`.
    #[inline]
    pub fn tag(&mut self, mask: u128, tuple: u32, budget: &mut Budget) -> Result<u32> {
        let k = mask.trailing_zeros() as usize;
        if !mask.is_power_of_two() || k >= self.alone.len() {
            if self.last.0 != (mask, tuple) {
                self.last = ((mask, tuple), self.look_up((mask, tuple), budget)?);
            }
            return Ok(self.last.1);
        }
        let tags = self.alone.get(k);
        if let Some(tag) = tags.and_then(|t| t.get(tuple as usize)).filter(|t| **t != UNKNOWN) {
            return Ok(*tag);
        }
        let tag = self.look_up((mask, tuple), budget)?;
        if let Some(tags) = self.alone.get_mut(k) {
            put(tags, tuple as usize, tag, budget)?;
        }
        Ok(tag)
    }

    fn look_up(&mut self, combo: (u128, u32), budget: &mut Budget) -> Result<u32> {
        if let Some(n) = self.by_combo.get(&combo) {
            return Ok(*n);
        }
        let n = u32::try_from(self.combos.len())
            .ok()
            .filter(|n| *n < 1 << TAG_BITS)
            .ok_or_else(|| self.too_many("combinations of steps and values"))?;
        budget.take(size_of_val(&combo) + ENTRY)?;
        self.by_combo.try_reserve(1).map_err(|_| oom())?;
        self.by_combo.insert(combo, n);
        push_within(&mut self.combos, combo, budget)?;
        Ok(n)
    }

    fn too_many(&self, what: &str) -> Error {
        Error::Limit {
            message: format!("the events of the report have too many different {what}"),
            hint: Some(self.hint.into()),
        }
    }

    /// Takes over the values that another numbered; the answer has our tuple for each of its tuples.
    pub fn absorb_tuples(&mut self, other: &Table, budget: &mut Budget) -> Result<Vec<u32>> {
        let mut codes = try_vec(other.values.len() + 1, "values of a funnel")?;
        codes.push(0);
        for v in &other.values {
            codes.push(self.code(Some(v), budget)?);
        }
        let count = other.tuples.len().checked_div(self.sources).unwrap_or(1);
        let mut tuples = try_vec(count, "values of a funnel")?;
        let mut ours = try_vec(self.sources, "values of a funnel")?;
        for n in 0..count {
            ours.clear();
            let theirs = other.tuple(n as u32).iter();
            ours.extend(theirs.map(|c| codes.get(*c as usize).copied().unwrap_or(0)));
            tuples.push(self.tuple_number(&ours, budget)?);
        }
        Ok(tuples)
    }

    /// Takes over what another numbered; the answer has our tag for each of its tags.
    pub fn absorb(&mut self, other: &Table, budget: &mut Budget) -> Result<Vec<u32>> {
        let tuples = self.absorb_tuples(other, budget)?;
        let mut tags = try_vec(other.combos.len(), "steps of a funnel")?;
        for (mask, tuple) in &other.combos {
            let tuple = tuples.get(*tuple as usize).copied().unwrap_or(0);
            tags.push(self.tag(*mask, tuple, budget)?);
        }
        Ok(tags)
    }

    /// The tags in an order that does not depend on how they were met: by the selectors as a number, step 1 the lowest
    /// bit, then by the values, what is not set first.
    pub fn canonical(&self) -> Result<Vec<u32>> {
        let tuples = self.ranks_of_tuples()?;
        let rank = |tuple: u32| tuples.get(tuple as usize).copied().unwrap_or(0);
        let mut order: Vec<u32> = try_vec(self.combos.len(), "steps of a funnel")?;
        order.extend(0..self.combos.len() as u32);
        order.sort_unstable_by_key(|at| {
            let (mask, tuple) = self.combo(*at as usize);
            (mask, rank(tuple))
        });
        Ok(order)
    }

    /// The place of each tuple among all, by its values. There may be many: each value is compared with others once, and
    /// not once for every tuple and step it is in.
    fn ranks_of_tuples(&self) -> Result<Vec<u32>> {
        let values = ranks(self.values.len(), |a, b| self.values.get(a).cmp(&self.values.get(b)))?;
        let code = |c: u32| (c as usize).checked_sub(1).and_then(|i| values.get(i)).map(|r| r + 1);
        let count = self.tuples.len().checked_div(self.sources).unwrap_or(1);
        let codes = |n: usize| self.tuple(n as u32).iter().map(|c| code(*c));
        ranks(count, |a, b| codes(a).cmp(codes(b)))
    }

    /// Writes the table.
    pub fn encode(&self, w: &mut Writer) -> Result<()> {
        w.len(self.sources)?;
        w.bytes(&codec::encode_values(&self.values)?)?;
        w.u32s(&self.tuples)?;
        w.len(self.combos.len())?;
        for (mask, tuple) in &self.combos {
            w.u64(*mask as u64)?;
            w.u64((*mask >> 64) as u64)?;
            w.u32(*tuple)?;
        }
        Ok(())
    }

    /// Reads a table of events with `sources` values, picked by `selectors` selectors.
    pub fn decode(r: &mut Reader, sources: usize, selectors: usize, budget: &mut Budget) -> Result<Self> {
        Table::new(sources, selectors, budget)?.read(r, selectors, budget)
    }

    /// Reads what `encode` wrote into a table that is as it was made; masks have at most so many bits.
    pub fn read(mut self, r: &mut Reader, bits: usize, budget: &mut Budget) -> Result<Self> {
        let sources = self.sources;
        let t = &mut self;
        let bad = || Error::corrupt("partial: not of this funnel");
        if r.u64()? != sources as u64 {
            return Err(bad());
        }
        for (i, v) in codec::decode_values(r.bytes()?)?.iter().enumerate() {
            if t.code(Some(v), budget)? as usize != i + 1 {
                return Err(bad());
            }
        }
        let tuples = r.u32s()?;
        if tuples.len() < sources || tuples.len().checked_rem(sources).unwrap_or(tuples.len()) != 0 {
            return Err(bad());
        }
        for (n, codes) in tuples.chunks(sources.max(1)).enumerate() {
            let known = codes.iter().all(|c| *c as usize <= t.values.len());
            if !known || t.tuple_number(codes, budget)? as usize != n {
                return Err(bad());
            }
        }
        let count = tuples.len().checked_div(sources).unwrap_or(1);
        for i in 0..r.len(20)? {
            let mask = u128::from(r.u64()?) | u128::from(r.u64()?) << 64;
            let tuple = r.u32()?;
            let inside = mask != 0 && mask.checked_shr(bits as u32).unwrap_or(0) == 0;
            if !inside || tuple as usize >= count || t.tag(mask, tuple, budget)? as usize != i {
                return Err(bad());
            }
        }
        Ok(self)
    }
}

/// The place of each of `n` things in their order; those that are equal have one place.
fn ranks(n: usize, compare: impl Fn(usize, usize) -> Ordering) -> Result<Vec<u32>> {
    let mut order: Vec<u32> = try_vec(n, "values of a funnel")?;
    order.extend(0..n as u32);
    order.sort_unstable_by(|a, b| compare(*a as usize, *b as usize));
    let mut ranks: Vec<u32> = try_vec(n, "values of a funnel")?;
    ranks.resize(n, 0);
    let (mut rank, mut before) = (0, None);
    for at in &order {
        if before.is_some_and(|b: u32| compare(b as usize, *at as usize) != Ordering::Equal) {
            rank += 1;
        }
        before = Some(*at);
        if let Some(r) = ranks.get_mut(*at as usize) {
            *r = rank;
        }
    }
    Ok(ranks)
}

/// Sets an element of a list that grows as needed.
#[cold]
fn put(list: &mut Vec<u32>, at: usize, n: u32, budget: &mut Budget) -> Result<()> {
    while list.len() <= at {
        push_within(list, UNKNOWN, budget)?;
    }
    if let Some(x) = list.get_mut(at) {
        *x = n;
    }
    Ok(())
}

fn oom() -> Error {
    Error::OutOfMemory("steps of a funnel")
}
