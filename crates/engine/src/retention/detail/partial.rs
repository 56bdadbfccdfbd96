//! Partial results of retention in detail: merging, and the bytes they travel as.

use super::Detail;
use super::table::Table;
use crate::error::{Error, Result};
use crate::gather::Budget;
use crate::partial::{Reader, Tag, Writer};
use crate::postings::Postings;

/// Births and returns gathered so far.
#[derive(Debug, Clone)]
pub struct Partial {
    pub(super) postings: Postings,
    pub(super) table: Table,
    pub(super) budget: Budget,
}

impl Partial {
    pub(super) fn new(detail: &Detail) -> Self {
        Partial {
            postings: Postings::default(),
            table: Table::new(detail.breakdown.len()),
            budget: Budget::new(detail.plan.memory_limit),
        }
    }

    /// Memory in use.
    pub fn bytes(&self) -> usize {
        self.budget.used()
    }

    /// Both together; the order makes no difference to what comes out in the end.
    pub fn merge(self, other: Partial, detail: &Detail) -> Result<Partial> {
        let dimensions = detail.breakdown.len();
        if self.table.segments.dimensions() != dimensions || other.table.segments.dimensions() != dimensions {
            return Err(Error::corrupt("partial: of another retention"));
        }
        let (mut into, mut from) = if self.bytes() >= other.bytes() {
            (self, other)
        } else {
            (other, self)
        };
        into.budget.set_limit(detail.plan.memory_limit);
        let tags = into.table.absorb(&from.table, &mut into.budget)?;
        from.postings.retag(&tags);
        into.postings.append(from.postings, &mut into.budget)?;
        Ok(into)
    }

    /// Bytes for another process.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut w = Writer::new(Tag::RetentionDetail, self.postings.len() * 12 + self.table.len() * 16)?;
        self.table.encode(&mut w)?;
        self.postings.encode(&mut w)?;
        w.finish()
    }

    /// Reads what `encode` wrote for the same question.
    pub fn decode(bytes: &[u8], detail: &Detail) -> Result<Partial> {
        let mut r = Reader::new(Tag::RetentionDetail, bytes)?;
        let mut p = Partial::new(detail);
        p.table = Table::decode(&mut r, detail.breakdown.len(), &mut p.budget)?;
        let known = p.table.len();
        p.postings = Postings::decode(&mut r, &mut p.budget, |tag| (tag as usize) < known)?;
        r.finish()?;
        Ok(p)
    }
}
