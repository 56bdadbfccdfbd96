//! Partial results of insights: merging, and the bytes they travel as.

use super::cells::Table;
use super::combinations::Combinations;
use super::{Measure, Plan};
use crate::breakdown::{MAX_SEGMENTS, Segments};
use crate::error::{Error, Result};
use crate::gather::Budget;
use crate::partial::{Reader, Tag, Writer};
use crate::subjects::SubjectSet;

/// What was counted so far.
#[derive(Debug, Clone)]
pub struct Partial {
    pub(super) segments: Segments,
    pub(super) combinations: Combinations,
    /// One per metric.
    pub(super) counts: Vec<Counts>,
    pub(super) buckets: usize,
    pub(super) budget: Budget,
}

/// The cells of one metric.
#[derive(Debug, Clone)]
pub(super) enum Counts {
    Totals(Table<u64>),
    Sets(Table<SubjectSet>),
}

impl Counts {
    fn new(measure: Measure, single: bool, buckets: usize, budget: &mut Budget) -> Result<Self> {
        Ok(match measure {
            Measure::Total => Counts::Totals(Table::new(single, buckets, budget)?),
            Measure::Unique => Counts::Sets(Table::new(single, buckets, budget)?),
        })
    }

    pub(super) fn measure(&self) -> Measure {
        match self {
            Counts::Totals(_) => Measure::Total,
            Counts::Sets(_) => Measure::Unique,
        }
    }
}

impl Partial {
    /// Nothing counted.
    pub(super) fn new(plan: &Plan) -> Result<Self> {
        let mut budget = Budget::new(plan.memory_limit);
        let (single, buckets) = (plan.breakdown.is_empty(), plan.buckets.len());
        let counts = plan
            .metrics
            .iter()
            .map(|m| Counts::new(m.measure, single, buckets, &mut budget));
        Ok(Partial {
            counts: counts.collect::<Result<_>>()?,
            segments: Segments::new(plan.breakdown.len()),
            combinations: Combinations::default(),
            buckets,
            budget,
        })
    }

    /// Memory in use.
    pub fn bytes(&self) -> usize {
        self.budget.used()
    }

    /// True when this partial can belong to `plan`.
    pub(super) fn fits(&self, plan: &Plan) -> bool {
        let measures = plan.metrics.iter().map(|m| m.measure);
        self.buckets == plan.buckets.len()
            && self.segments.dimensions() == plan.breakdown.len()
            && self.counts.iter().map(Counts::measure).eq(measures)
    }

    /// Both together; the order makes no difference to what comes out in the end.
    pub fn merge(self, other: Partial, plan: &Plan) -> Result<Partial> {
        if !self.fits(plan) || !other.fits(plan) {
            return Err(Error::corrupt("partial: of another report"));
        }
        let (mut into, from) = if self.bytes() >= other.bytes() {
            (self, other)
        } else {
            (other, self)
        };
        let Partial {
            segments,
            combinations,
            counts,
            budget,
            ..
        } = &mut into;
        budget.set_limit(plan.memory_limit);
        let translation = segments.absorb(&from.segments, budget)?;
        let sets = combinations.absorb(&from.combinations, &translation, budget)?;
        let ours = |line: u32| match line.checked_sub(MAX_SEGMENTS) {
            None => translation.get(line as usize).copied().unwrap_or(0),
            Some(n) => sets.get(n as usize).copied().unwrap_or(0),
        };
        for (a, b) in counts.iter_mut().zip(from.counts) {
            match (a, b) {
                (Counts::Totals(a), Counts::Totals(mut b)) => {
                    for (segment, bucket, n) in b.iter_mut() {
                        let cell = a.slot(ours(segment), bucket, budget)?;
                        *cell = cell.saturating_add(*n);
                    }
                }
                (Counts::Sets(a), Counts::Sets(mut b)) => {
                    for (segment, bucket, set) in b.iter_mut() {
                        a.slot(ours(segment), bucket, budget)?.union(set, budget)?;
                    }
                }
                _ => return Err(Error::corrupt("partial: of another report")),
            }
        }
        Ok(into)
    }

    /// Bytes for another process.
    pub fn encode(&mut self) -> Result<Vec<u8>> {
        let mut w = Writer::new(Tag::Insights, self.bytes())?;
        w.len(self.buckets)?;
        self.segments.encode(&mut w)?;
        self.combinations.encode(&mut w)?;
        w.len(self.counts.len())?;
        for counts in &mut self.counts {
            match counts {
                Counts::Totals(table) => {
                    w.u32(0)?;
                    w.len(table.len())?;
                    for (segment, bucket, n) in table.iter_mut() {
                        w.u32(segment)?;
                        w.u32(bucket as u32)?;
                        w.u64(*n)?;
                    }
                }
                Counts::Sets(table) => {
                    w.u32(1)?;
                    w.len(table.len())?;
                    for (segment, bucket, set) in table.iter_mut() {
                        w.u32(segment)?;
                        w.u32(bucket as u32)?;
                        set.encode(&mut w)?;
                    }
                }
            }
        }
        w.finish()
    }

    /// Reads what `encode` wrote for the same plan.
    pub fn decode(bytes: &[u8], plan: &Plan) -> Result<Partial> {
        let bad = || Error::corrupt("partial: not counts of this report");
        let mut r = Reader::new(Tag::Insights, bytes)?;
        let mut budget = Budget::new(plan.memory_limit);
        let buckets = plan.buckets.len();
        if r.u64()? != buckets as u64 {
            return Err(bad());
        }
        let segments = Segments::decode(&mut r, &mut budget)?;
        let combinations = Combinations::decode(&mut r, segments.len(), &mut budget)?;
        let single = segments.dimensions() == 0;
        let mut counts = Vec::new();
        if r.len(4)? != plan.metrics.len() {
            return Err(bad());
        }
        for m in &plan.metrics {
            let mut c = Counts::new(m.measure, single, buckets, &mut budget)?;
            let tag = r.u32()?;
            for n in 0..r.len(16)? {
                let (segment, bucket) = (r.u32()?, r.u32()? as usize);
                let known = match segment.checked_sub(MAX_SEGMENTS) {
                    None => (segment as usize) < segments.len(),
                    Some(n) => tag == 0 && (n as usize) < combinations.len(),
                };
                if !known || bucket >= buckets {
                    return Err(bad());
                }
                let made = match (&mut c, tag) {
                    (Counts::Totals(t), 0) => {
                        *t.slot(segment, bucket, &mut budget)? = r.u64()?;
                        t.len()
                    }
                    (Counts::Sets(t), 1) => {
                        let set = SubjectSet::decode(&mut r, &mut budget)?;
                        *t.slot(segment, bucket, &mut budget)? = set;
                        t.len()
                    }
                    _ => return Err(bad()),
                };
                if made != n + 1 {
                    return Err(bad());
                }
            }
            counts.push(c);
        }
        r.finish()?;
        let partial = Partial {
            segments,
            combinations,
            counts,
            buckets,
            budget,
        };
        if partial.fits(plan) { Ok(partial) } else { Err(bad()) }
    }
}
