//! Who is in a cohort: one bit per subject.

use crate::chunk::{ProfileColumn, SharedProfile, SubjectNo};
use crate::error::{Result, try_vec};
use crate::gather::{Budget, zeroed};
use crate::subjects::SubjectSet;
use crate::value::Value;
use std::sync::Arc;

/// A set of the subjects `1 ..= most` of one kind, as they are counted after identity merges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    most: SubjectNo,
    words: Vec<u64>,
}

impl Members {
    /// Nobody.
    pub fn none(most: SubjectNo, budget: &mut Budget) -> Result<Self> {
        Ok(Members {
            most,
            words: zeroed(most as usize / 64 + 1, budget)?,
        })
    }

    /// Everybody.
    pub fn all(most: SubjectNo, budget: &mut Budget) -> Result<Self> {
        let mut all = Members::none(most, budget)?;
        all.not();
        Ok(all)
    }

    /// The same members in memory of its own.
    pub fn copy(&self, budget: &mut Budget) -> Result<Self> {
        let mut copy = Members::none(self.most, budget)?;
        copy.words.copy_from_slice(&self.words);
        Ok(copy)
    }

    /// The largest number there is.
    pub fn most(&self) -> SubjectNo {
        self.most
    }

    /// Makes a subject a member or not; whoever is not there is passed over.
    #[inline]
    pub fn put(&mut self, no: SubjectNo, member: bool) {
        if no == 0 || no > self.most {
            return;
        }
        if let Some(w) = self.words.get_mut(no as usize / 64) {
            let bit = 1 << (no % 64);
            *w = if member { *w | bit } else { *w & !bit };
        }
    }

    /// Is a subject a member?
    #[inline]
    pub fn contains(&self, no: SubjectNo) -> bool {
        self.words
            .get(no as usize / 64)
            .is_some_and(|w| w >> (no % 64) & 1 == 1)
    }

    /// Adds the members of a set.
    pub fn add(&mut self, set: &SubjectSet) {
        set.each(|no| self.put(no, true));
    }

    /// Keeps who is in both.
    pub fn and(&mut self, other: &Members) {
        for (i, w) in self.words.iter_mut().enumerate() {
            *w &= other.words.get(i).copied().unwrap_or(0);
        }
    }

    /// Adds who is in the other.
    pub fn or(&mut self, other: &Members) {
        for (w, o) in self.words.iter_mut().zip(&other.words) {
            *w |= o;
        }
        self.trim();
    }

    /// Everybody who is not in it.
    pub fn not(&mut self) {
        self.words.iter_mut().for_each(|w| *w = !*w);
        self.trim();
    }

    /// Nobody is 0 or beyond the largest number.
    fn trim(&mut self) {
        if let Some(w) = self.words.first_mut() {
            *w &= !1;
        }
        if let Some(w) = self.words.last_mut() {
            *w &= u64::MAX >> (63 - self.most % 64);
        }
    }

    /// Number of members.
    pub fn count(&self) -> u64 {
        self.words.iter().map(|w| u64::from(w.count_ones())).sum()
    }

    /// The members in order.
    pub fn to_vec(&self) -> Result<Vec<SubjectNo>> {
        let mut out = try_vec(
            usize::try_from(self.count()).unwrap_or(usize::MAX),
            "members of a cohort",
        )?;
        for (i, w) in self.words.iter().enumerate() {
            let mut w = *w;
            while w != 0 {
                out.push(i as u32 * 64 + w.trailing_zeros());
                w &= w - 1;
            }
        }
        Ok(out)
    }

    /// Leaves out who was merged into somebody else.
    pub fn canonical(&mut self, remap: Option<&[SubjectNo]>) {
        for (no, to) in remap.unwrap_or(&[]).iter().enumerate() {
            if *to != no as SubjectNo {
                self.put(no as SubjectNo, false);
            }
        }
    }

    /// Moves members that were merged into somebody else since they were noted.
    pub fn merged(&mut self, remap: Option<&[SubjectNo]>) {
        for (no, to) in remap.unwrap_or(&[]).iter().enumerate() {
            if *to != no as SubjectNo && self.contains(no as SubjectNo) {
                self.put(no as SubjectNo, false);
                self.put(*to, true);
            }
        }
    }

    /// A property by subject number, for filters and breakdowns: `inside` for members and for everybody who was merged into
    /// one, `outside` for the rest, nobody included.
    pub fn column(&self, remap: Option<&[SubjectNo]>, inside: Value, outside: Value) -> Result<SharedProfile> {
        let mut codes = try_vec(self.most as usize + 1, "a cohort")?;
        codes.extend((0..=self.most).map(|no| if self.contains(no) { 1 } else { 2 }));
        for (no, to) in remap.unwrap_or(&[]).iter().enumerate() {
            if let Some(code) = codes.get_mut(no)
                && self.contains(*to)
            {
                *code = 1;
            }
        }
        Ok(Arc::new(ProfileColumn {
            values: vec![inside, outside],
            codes,
        }))
    }
}
