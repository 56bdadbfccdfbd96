//! Columns of names that become numbers: at once where the number is known, and when the batch is complete otherwise.

use crate::error::{Error, Result};
use crate::intern::push;
use crate::names::Names;
use std::sync::Arc;

/// The names of one space.
#[derive(Default)]
pub(super) struct SpaceNames {
    /// What the caller knows.
    pub known: Vec<Arc<Names>>,
    /// Names without a number: 0, 1, 2 … in the order they came.
    pub new: Names,
}

/// A column of numbers, some of which are still to come.
#[derive(Default)]
pub(super) struct Cells {
    pub numbers: Vec<u32>,
    /// Position and index among the new names.
    open: Vec<(u32, u32)>,
    /// Names that wait to be looked up together, and for each its position and where it ends in the text.
    waiting: String,
    ends: Vec<(u32, u32)>,
}

/// Names that are looked up together. What a session knows of a project is larger than the processor's caches: one after
/// the other, every look-up would wait for memory; side by side they wait together.
const TOGETHER: usize = 64;

impl Cells {
    /// Adds a name of a space with few names.
    pub fn push_now(&mut self, names: &mut SpaceNames, name: &str) -> Result<()> {
        push(&mut self.numbers, 0)?;
        let at = self.numbers.len() as u32 - 1;
        match names.known.iter().find_map(|k| k.get(name)) {
            Some(no) => self.set(at, no),
            None => self.leave_open(names, at, name)?,
        }
        Ok(())
    }

    /// Adds a name of a space with many names.
    pub fn push(&mut self, names: &mut SpaceNames, name: &str) -> Result<()> {
        push(&mut self.numbers, 0)?;
        self.waiting
            .try_reserve(name.len())
            .map_err(|_| Error::OutOfMemory("names"))?;
        self.waiting.push_str(name);
        push(
            &mut self.ends,
            (self.numbers.len() as u32 - 1, self.waiting.len() as u32),
        )?;
        if self.ends.len() >= TOGETHER {
            self.settle(names)?;
        }
        Ok(())
    }

    /// Looks up the names that wait.
    pub fn settle(&mut self, names: &mut SpaceNames) -> Result<()> {
        let (waiting, ends) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.ends));
        let mut found = [0u32; TOGETHER];
        let each = || {
            let starts = std::iter::once(0).chain(ends.iter().map(|(_, end)| *end as usize));
            let texts = starts
                .zip(&ends)
                .map(|(start, (_, end))| waiting.get(start..*end as usize));
            texts.map(Option::unwrap_or_default)
        };
        for known in &names.known {
            for (no, name) in found.iter_mut().zip(each()) {
                if *no == 0 {
                    *no = known.get(name).unwrap_or(0);
                }
            }
        }
        for ((no, name), (at, _)) in found.iter().zip(each()).zip(&ends) {
            match no {
                0 => self.leave_open(names, *at, name)?,
                no => self.set(*at, *no),
            }
        }
        // The room is kept.
        (self.waiting, self.ends) = (waiting, ends);
        self.waiting.clear();
        self.ends.clear();
        Ok(())
    }

    fn set(&mut self, at: u32, no: u32) {
        if let Some(cell) = self.numbers.get_mut(at as usize) {
            *cell = no;
        }
    }

    /// A name that nobody knows gets its number later.
    fn leave_open(&mut self, names: &mut SpaceNames, at: u32, name: &str) -> Result<()> {
        let next = names.new.len() as u32;
        let index = names.new.insert(name, next)?;
        push(&mut self.open, (at, index))
    }

    /// Fills in the numbers of the names that had none, by their order in [`SpaceNames::new`].
    pub fn number(&mut self, numbers: &[u32]) {
        for (at, index) in self.open.drain(..) {
            if let (Some(cell), Some(no)) = (self.numbers.get_mut(at as usize), numbers.get(index as usize)) {
                *cell = *no;
            }
        }
    }

    /// Forgets the rows and keeps the room.
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.open.clear();
        self.waiting.clear();
        self.ends.clear();
    }
}
