//! The texts of the values of a column, worked out once per code.

use super::Segments;
use super::shape::{Shape, shaped};
use crate::error::{Error, Result};
use crate::gather::{Budget, grow_within, push_within};
use crate::value::Value;

/// Texts of the codes of a column, worked out once per code.
#[derive(Debug, Default)]
pub struct Codes {
    /// (start in `texts`, number of texts) per code; no texts = not worked out yet.
    pub spans: Vec<(u32, u32)>,
    pub texts: Vec<u32>,
}

impl Codes {
    /// Forgets the texts; codes go up to `values`.
    pub fn reset(&mut self, values: usize, budget: &mut Budget) -> Result<()> {
        self.texts.clear();
        self.spans.clear();
        if self.spans.capacity() <= values {
            grow_within(&mut self.spans, values + 1, budget)?;
        }
        self.spans.resize(values + 1, (0, 0));
        Ok(())
    }

    #[inline]
    /// Numbers of the texts of a code, each once.
    pub fn of(
        &mut self,
        code: u32,
        values: &[Value],
        shape: Option<&Shape>,
        segments: &mut Segments,
        budget: &mut Budget,
    ) -> Result<&[u32]> {
        let known = self.spans.get(code as usize).copied().unwrap_or((0, 0));
        let (from, n) = if known.1 > 0 {
            known
        } else {
            self.learn(code, values, shape, segments, budget)?
        };
        Ok(self.texts.get(from as usize..(from + n) as usize).unwrap_or(&[]))
    }

    #[cold]
    fn learn(
        &mut self,
        code: u32,
        values: &[Value],
        shape: Option<&Shape>,
        segments: &mut Segments,
        budget: &mut Budget,
    ) -> Result<(u32, u32)> {
        let value = (code as usize).checked_sub(1).and_then(|i| values.get(i));
        let from = self.texts.len();
        shaped(shape, value, &mut |text| {
            let n = segments.text(text, budget)?;
            push_within(&mut self.texts, n, budget)
        })?;
        // The texts of this code are the tail: each once.
        if let Some(tail) = self.texts.get_mut(from..) {
            tail.sort_unstable();
        }
        let mut kept = from;
        for i in from..self.texts.len() {
            if i == from || self.texts.get(i) != self.texts.get(kept - 1) {
                self.texts.swap(i, kept);
                kept += 1;
            }
        }
        self.texts.truncate(kept);
        let too_many = |_| Error::corrupt("breakdown: too many values");
        let span = (
            u32::try_from(from).map_err(too_many)?,
            u32::try_from(self.texts.len() - from).map_err(too_many)?,
        );
        if let Some(s) = self.spans.get_mut(code as usize) {
            *s = span;
        }
        Ok(span)
    }
}
