//! What the tags of gathered events stand for: what an event is, the segments of a birth, the number of a return.

use crate::breakdown::{MAX_SEGMENTS, Segments};
use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, TAG_BITS, push_within};
use crate::insights::combinations::Combinations;
use crate::partial::{Reader, Writer};
use rustc_hash::FxHashMap;

/// What an entry of a map costs beyond its content, counted generously.
const ENTRY: usize = 16;

/// What an event is: its bits ([`super::BORN`], [`super::RETURNED`]), its line, and the bits of its number or of NaN.
pub(super) type Meaning = (u32, u32, u64);

/// Numbers for what events are.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub segments: Segments,
    /// Segments of births, or sets of them.
    pub lines: Combinations,
    meanings: Vec<Meaning>,
    by_meaning: FxHashMap<Meaning, u32>,
    last: (Meaning, u32),
}

impl Table {
    pub fn new(dimensions: usize) -> Self {
        Table {
            segments: Segments::new(dimensions),
            lines: Combinations::default(),
            meanings: Vec::new(),
            by_meaning: FxHashMap::default(),
            last: ((0, 0, 0), 0),
        }
    }

    /// Number of tags.
    pub fn len(&self) -> usize {
        self.meanings.len()
    }

    pub fn meaning(&self, tag: u32) -> Meaning {
        self.meanings.get(tag as usize).copied().unwrap_or((0, 0, 0))
    }

    /// The tag of an event.
    #[inline]
    pub fn tag(&mut self, bits: u32, line: u32, x: f64, budget: &mut Budget) -> Result<u32> {
        // NaN and zero have one form each.
        let x = if x.is_nan() { f64::NAN } else { x + 0.0 };
        self.number((bits, line, x.to_bits()), budget)
    }

    #[inline]
    fn number(&mut self, meaning: Meaning, budget: &mut Budget) -> Result<u32> {
        if self.last.0 == meaning {
            return Ok(self.last.1);
        }
        let n = match self.by_meaning.get(&meaning) {
            Some(n) => *n,
            None => self.learn(meaning, budget)?,
        };
        self.last = (meaning, n);
        Ok(n)
    }

    fn learn(&mut self, meaning: Meaning, budget: &mut Budget) -> Result<u32> {
        let n = u32::try_from(self.meanings.len()).ok().filter(|n| *n < 1 << TAG_BITS);
        let n = n.ok_or_else(|| Error::Limit {
            message: "retention of too many different segments and numbers".into(),
            hint: Some("Break down by properties with fewer values, or ask for a shorter range.".into()),
        })?;
        budget.take(size_of::<Meaning>() + ENTRY)?;
        self.by_meaning
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory("segments"))?;
        self.by_meaning.insert(meaning, n);
        push_within(&mut self.meanings, meaning, budget)?;
        Ok(n)
    }

    /// Takes over what another numbered; the answer has our tag for each of its tags.
    pub fn absorb(&mut self, other: &Table, budget: &mut Budget) -> Result<Vec<u32>> {
        let segments = self.segments.absorb(&other.segments, budget)?;
        let sets = self.lines.absorb(&other.lines, &segments, budget)?;
        let mut tags = try_vec(other.meanings.len(), "segments")?;
        for (bits, line, x) in &other.meanings {
            let line = match line.checked_sub(MAX_SEGMENTS) {
                None => segments.get(*line as usize).copied().unwrap_or(0),
                Some(n) => sets.get(n as usize).copied().unwrap_or(0),
            };
            tags.push(self.number((*bits, line, *x), budget)?);
        }
        Ok(tags)
    }

    /// For each tag its place in an order that does not depend on how they were met, and the meanings in that order:
    /// births before those that are returns as well, then by the texts of their segments, then by number.
    pub fn canonical(&self) -> Result<(Vec<u32>, Vec<Meaning>)> {
        let mut order: Vec<u32> = try_vec(self.meanings.len(), "segments")?;
        order.extend(0..self.meanings.len() as u32);
        let texts = |line: &u32| {
            let mut all: Vec<Vec<&str>> = self
                .lines
                .members(line)
                .iter()
                .map(|s| self.segments.texts(*s as usize).map(|t| &**t).collect())
                .collect();
            all.sort_unstable();
            all
        };
        order.sort_by(|a, b| {
            let (a, b) = (self.meaning(*a), self.meaning(*b));
            let lines = || {
                if a.1 == b.1 {
                    std::cmp::Ordering::Equal
                } else {
                    texts(&a.1).cmp(&texts(&b.1))
                }
            };
            a.0.cmp(&b.0).then_with(lines).then_with(|| a.2.cmp(&b.2))
        });
        let mut places: Vec<u32> = try_vec(order.len(), "segments")?;
        places.resize(order.len(), 0);
        let mut meanings = try_vec(order.len(), "segments")?;
        for (place, tag) in order.iter().enumerate() {
            if let Some(p) = places.get_mut(*tag as usize) {
                *p = place as u32;
            }
            meanings.push(self.meaning(*tag));
        }
        Ok((places, meanings))
    }

    /// Writes the table.
    pub fn encode(&self, w: &mut Writer) -> Result<()> {
        self.segments.encode(w)?;
        self.lines.encode(w)?;
        w.len(self.meanings.len())?;
        for (bits, line, x) in &self.meanings {
            w.u32(*bits)?;
            w.u32(*line)?;
            w.u64(*x)?;
        }
        Ok(())
    }

    /// Reads a table of births in segments of so many dimensions.
    pub fn decode(r: &mut Reader, dimensions: usize, budget: &mut Budget) -> Result<Self> {
        let bad = || Error::corrupt("partial: not of this retention");
        let mut t = Table::new(dimensions);
        t.segments = Segments::decode(r, budget)?;
        if t.segments.dimensions() != dimensions {
            return Err(bad());
        }
        t.lines = Combinations::decode(r, t.segments.len(), budget)?;
        for i in 0..r.len(16)? {
            let (bits, line, x) = (r.u32()?, r.u32()?, r.u64()?);
            let known = match line.checked_sub(MAX_SEGMENTS) {
                None => (line as usize) < t.segments.len() || bits & super::BORN == 0 && line == 0,
                Some(n) => (n as usize) < t.lines.len(),
            };
            if !(1..=3).contains(&bits) || !known || t.number((bits, line, x), budget)? as usize != i {
                return Err(bad());
            }
        }
        Ok(t)
    }
}
