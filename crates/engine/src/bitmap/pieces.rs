//! Questions to a large stored set of which only the pieces that matter are fetched: the header, and one container.

use super::View;
use crate::error::Result;

/// Bytes that are fetched first: about one piece of a TOAST table, which often holds the header.
const FIRST: usize = 1900;

/// A set of `len` bytes; `fetch` reads bytes of it from a place on, as many as asked for or fewer at the end.
pub struct Pieces<F> {
    len: usize,
    fetch: F,
}

impl<F: FnMut(usize, usize) -> Result<Vec<u8>>> Pieces<F> {
    /// A set that lies elsewhere.
    pub fn new(len: usize, fetch: F) -> Self {
        Pieces { len, fetch }
    }

    fn header(&mut self) -> Result<Vec<u8>> {
        let mut first = (self.fetch)(0, FIRST.min(self.len))?;
        let len = View::header_len(&first)?;
        if len <= first.len() {
            first.truncate(len);
            return Ok(first);
        }
        (self.fetch)(0, len.min(self.len))
    }

    /// Number of ids.
    pub fn cardinality(&mut self) -> Result<u64> {
        Ok(View::new(&self.header()?)?.cardinality())
    }

    /// True for the set without ids.
    pub fn is_empty(&mut self) -> Result<bool> {
        Ok(View::new(&self.header()?)?.is_empty())
    }

    /// Is `id` in the set?
    pub fn contains(&mut self, id: u32) -> Result<bool> {
        let header = self.header()?;
        let view = View::new(&header)?;
        let Some(i) = view.place(id) else { return Ok(false) };
        match view.span(i, self.len) {
            Some(span) => {
                let body = (self.fetch)(span.start, span.len())?;
                Ok(view.container_in(i, &body)?.contains(id as u16))
            }
            None => View::new(&(self.fetch)(0, self.len)?)?.contains(id),
        }
    }

    /// The smallest id.
    pub fn min(&mut self) -> Result<Option<u32>> {
        self.bound(|_| 0, |(first, _)| first, |set| set.min())
    }

    /// The largest id.
    pub fn max(&mut self) -> Result<Option<u32>> {
        self.bound(|n| n - 1, |(_, last)| last, |set| set.max())
    }

    fn bound(
        &mut self,
        which: impl Fn(usize) -> usize,
        side: impl Fn((u16, u16)) -> u16,
        of_all: impl Fn(&View<'_>) -> Result<Option<u32>>,
    ) -> Result<Option<u32>> {
        let header = self.header()?;
        let view = View::new(&header)?;
        if view.is_empty() {
            return Ok(None);
        }
        let i = which(view.containers());
        match view.span(i, self.len) {
            Some(span) => {
                let body = (self.fetch)(span.start, span.len())?;
                let low = side(view.container_in(i, &body)?.bounds());
                Ok(Some(u32::from(view.key(i)) << 16 | u32::from(low)))
            }
            None => of_all(&View::new(&(self.fetch)(0, self.len)?)?),
        }
    }
}
