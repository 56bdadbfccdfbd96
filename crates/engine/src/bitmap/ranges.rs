//! Stretches of ids, one after the other, as a set.

use super::writer::Writer;
use crate::error::{Error, Result};

/// Collects stretches of ids in ascending order; neighbours are joined.
#[derive(Default)]
pub(super) struct Ranges {
    writer: Writer,
    key: u16,
    runs: Vec<(u16, u16)>,
}

impl Ranges {
    pub(super) fn push(&mut self, first: u32, last: u32) -> Result<()> {
        let mut first = first;
        loop {
            let key = (first >> 16) as u16;
            let end = last.min(first | 0xffff);
            if key != self.key {
                self.flush()?;
                self.key = key;
            }
            self.runs.try_reserve(1).map_err(|_| Error::OutOfMemory("bitmap"))?;
            match self.runs.last_mut() {
                Some((_, open)) if open.checked_add(1) == Some(first as u16) => *open = end as u16,
                _ => self.runs.push((first as u16, end as u16)),
            }
            if end == last {
                return Ok(());
            }
            first = end.wrapping_add(1);
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.writer.push_runs(self.key, &self.runs)?;
        self.runs.clear();
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writer.is_empty() && self.runs.is_empty()
    }

    pub(super) fn finish_into(mut self, out: &mut Vec<u8>) -> Result<()> {
        self.flush()?;
        self.writer.finish_into(out)
    }

    pub(super) fn finish(self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.finish_into(&mut out)?;
        Ok(out)
    }
}
