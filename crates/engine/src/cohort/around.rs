//! The median of a subject's values, as far as comparing it with one number needs it: how many values lie on each side of
//! the number, and which come next to it. So a subject takes the same room however many values it has.

use crate::error::{Error, Result};
use crate::partial::{Reader, Writer};

/// The values of one subject, seen from a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Around {
    below: u64,
    equal: u64,
    above: u64,
    /// The largest below; −∞ for none.
    under: f64,
    /// The least above; ∞ for none.
    over: f64,
}

impl Default for Around {
    fn default() -> Self {
        Around {
            below: 0,
            equal: 0,
            above: 0,
            under: f64::NEG_INFINITY,
            over: f64::INFINITY,
        }
    }
}

impl Around {
    /// Bytes of one that is written.
    pub const WRITTEN: usize = 40;

    /// Adds a value, seen from `number`.
    pub fn add(&mut self, x: f64, number: f64) {
        if x < number {
            self.below += 1;
            self.under = self.under.max(x);
        } else if x > number {
            self.above += 1;
            self.over = self.over.min(x);
        } else {
            self.equal += 1;
        }
    }

    /// Adds the values of another, seen from the same number.
    pub fn merge(&mut self, other: &Around) {
        self.below = self.below.saturating_add(other.below);
        self.equal = self.equal.saturating_add(other.equal);
        self.above = self.above.saturating_add(other.above);
        self.under = self.under.max(other.under);
        self.over = self.over.min(other.over);
    }

    /// How many values there are.
    pub fn len(&self) -> u64 {
        self.below.saturating_add(self.equal).saturating_add(self.above)
    }

    /// A value that compares with `number` as the median does; none of no values. Where the values in the middle lie on
    /// both sides it is the median itself, computed as `percentile_cont` does: these two are then next to the number. Where
    /// both lie on one side, so does what is between them.
    pub fn median(&self, number: f64) -> Option<f64> {
        let last = self.len().checked_sub(1)?;
        let at = |place: u64| match place {
            p if p < self.below => self.under,
            p if p - self.below < self.equal => number,
            _ => self.over,
        };
        let (low, high) = (at(last / 2), at(last - last / 2));
        Some(if low == high { low } else { low + 0.5 * (high - low) })
    }

    /// Writes it.
    pub fn encode(&self, w: &mut Writer) -> Result<()> {
        [self.below, self.equal, self.above]
            .iter()
            .try_for_each(|n| w.u64(*n))?;
        w.u64(self.under.to_bits())?;
        w.u64(self.over.to_bits())
    }

    /// Reads it.
    pub fn decode(r: &mut Reader) -> Result<Self> {
        let read = Around {
            below: r.u64()?,
            equal: r.u64()?,
            above: r.u64()?,
            under: f64::from_bits(r.u64()?),
            over: f64::from_bits(r.u64()?),
        };
        if read.under.is_nan() || read.over.is_nan() {
            return Err(Error::corrupt("partial: not a median"));
        }
        Ok(read)
    }
}
