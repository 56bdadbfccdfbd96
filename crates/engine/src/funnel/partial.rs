//! What was gathered so far: merging, and the bytes it travels as.

use super::Plan;
use super::table::Table;
use crate::error::{Error, Result};
use crate::gather::Budget;
use crate::partial::{Reader, Tag, Writer};
use crate::postings::Postings;

/// The events of the steps, gathered so far.
#[derive(Debug, Clone)]
pub struct Partial {
    pub(super) selectors: usize,
    /// Tagged with entries of `table`.
    pub(super) postings: Postings,
    pub(super) table: Table,
    pub(super) budget: Budget,
}

impl Partial {
    pub(super) fn new(plan: &Plan) -> Result<Self> {
        let mut budget = Budget::new(plan.memory_limit);
        Ok(Partial {
            selectors: plan.selectors(),
            postings: Postings::default(),
            table: Table::new(plan.carried().len(), plan.selectors(), &mut budget)?.of_many(plan.measured.is_some()),
            budget,
        })
    }

    /// Memory in use.
    pub fn bytes(&self) -> usize {
        self.budget.used()
    }

    /// True when this partial can belong to `plan`.
    pub(super) fn fits(&self, plan: &Plan) -> bool {
        self.selectors == plan.selectors() && self.table.sources() == plan.carried().len()
    }

    /// Both together; the order makes no difference to what comes out in the end.
    pub fn merge(self, other: Partial, plan: &Plan) -> Result<Partial> {
        if !self.fits(plan) || !other.fits(plan) {
            return Err(Error::corrupt("partial: of another funnel"));
        }
        let (mut into, mut from) = if self.bytes() >= other.bytes() {
            (self, other)
        } else {
            (other, self)
        };
        into.budget.set_limit(plan.memory_limit);
        let tags = into.table.absorb(&from.table, &mut into.budget)?;
        from.postings.retag(&tags);
        into.postings.append(from.postings, &mut into.budget)?;
        Ok(into)
    }

    /// Bytes for another process.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut w = Writer::new(Tag::Funnel, self.postings.len() * 12 + self.table.len() * 20)?;
        w.len(self.selectors)?;
        self.table.encode(&mut w)?;
        self.postings.encode(&mut w)?;
        w.finish()
    }

    /// Reads what `encode` wrote for the same plan.
    pub fn decode(bytes: &[u8], plan: &Plan) -> Result<Partial> {
        let bad = || Error::corrupt("partial: not of this funnel");
        plan.check()?;
        let mut r = Reader::new(Tag::Funnel, bytes)?;
        let mut p = Partial::new(plan)?;
        if r.u64()? != plan.selectors() as u64 {
            return Err(bad());
        }
        p.table = Table::decode(&mut r, p.table.sources(), plan.selectors(), &mut p.budget)?;
        let known = p.table.len();
        p.postings = Postings::decode(&mut r, &mut p.budget, |tag| (tag as usize) < known)?;
        r.finish()?;
        Ok(p)
    }
}
