//! A run of events in memory, columns side by side: what the store hands to the kernels.

mod pick;

use crate::error::{Error, Result, try_vec};
use crate::mask::Mask;
use crate::value::Value;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// What is counted: 0 = users, 1 and up = the group keys of a project.
pub type Kind = u16;

/// Users.
pub const USER: Kind = 0;

/// Dense number of a user or a group inside its kind; 0 = nobody.
pub type SubjectNo = u32;

/// Rows of events. Every row column has the length of `time`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chunk {
    pub events: Events,
    /// The user of each row, before identity merges; 0 = an event without a user.
    pub user: Vec<SubjectNo>,
    /// Milliseconds since 1970-01-01 UTC.
    pub time: Vec<i64>,
    /// What duplicates are found by; `None` when it was not read.
    pub inserts: Option<Inserts>,
    /// One per kind that any row is attributed to, sorted by kind. A missing kind means no row is.
    pub groups: Vec<GroupColumn>,
    /// Sorted by property. A missing one means no row has it.
    pub properties: Vec<PropertyColumn>,
}

/// The event name of each row, as its number in the project's lexicon.
#[derive(Debug, Clone, PartialEq)]
pub enum Events {
    One(u32),
    Each(Vec<u32>),
}

impl Default for Events {
    fn default() -> Self {
        Events::Each(Vec::new())
    }
}

/// The part of an event's identity that is not in the other columns, and who wins among equals.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inserts {
    /// Hash of `$insert_id`; 0 = none, never a duplicate.
    pub hash: Vec<u64>,
    /// Of two events with one identity the higher priority stays. Grows with every ingested batch in mode `replace`,
    /// falls in mode `skip`.
    pub priority: Vec<i64>,
}

/// The groups of one key that each row is attributed to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroupColumn {
    pub kind: Kind,
    /// First group of each row, 0 = none.
    pub first: Vec<SubjectNo>,
    /// Further groups as (row, group), sorted, without duplicates and without the row's first.
    pub more: Vec<(u32, SubjectNo)>,
}

/// One event property of every row.
#[derive(Debug, Clone, PartialEq)]
pub struct PropertyColumn {
    /// Number in the project's lexicon of properties.
    pub property: u32,
    pub column: Column,
}

/// Values of one property.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// `codes[row]`: 0 = not set, k = `values[k - 1]`. The values are distinct.
    Dict { values: Vec<Value>, codes: Vec<u32> },
    /// Numbers only; NaN = not set.
    Number(Vec<f64>),
}

/// A property of profiles, by subject number: code 0 = not set, k = `values[k - 1]`; past the end = not set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProfileColumn {
    pub values: Vec<Value>,
    pub codes: Vec<u32>,
}

impl ProfileColumn {
    /// The value of subject `no`, if it is set.
    pub fn get(&self, no: SubjectNo) -> Option<&Value> {
        match self.code(no) {
            0 => None,
            c => self.values.get(c as usize - 1),
        }
    }

    /// The code of subject `no`, 0 = not set.
    pub fn code(&self, no: SubjectNo) -> u32 {
        self.codes.get(no as usize).copied().unwrap_or(0)
    }
}

/// A profile column shared between filters, breakdowns and threads.
pub type SharedProfile = Arc<ProfileColumn>;

/// The groups of one key that each user's profile lists: how a user report finds group properties when the event itself
/// names no group. Users are numbered as they are counted, after identity merges.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Membership {
    /// Where the groups of each user begin in `groups`; they end where the next user's begin.
    starts: Vec<u32>,
    groups: Vec<SubjectNo>,
    /// Nobody read the profiles yet; set when somebody's are asked for.
    unread: Option<OnceLock<()>>,
}

impl Membership {
    /// Stands for memberships that will be read when the first of them is asked for.
    pub fn unread() -> Self {
        Membership {
            unread: Some(OnceLock::new()),
            ..Membership::default()
        }
    }

    /// True for [`Membership::unread`].
    pub fn is_unread(&self) -> bool {
        self.unread.is_some()
    }

    /// True when memberships that were not read were asked for: what was counted with them is of no use.
    pub fn is_missed(&self) -> bool {
        self.unread.as_ref().is_some_and(|asked| asked.get().is_some())
    }

    /// The groups of a user, or an error when nobody read the profiles.
    pub fn read_of(&self, user: SubjectNo) -> Result<&[SubjectNo]> {
        match &self.unread {
            None => Ok(self.of(user)),
            Some(asked) => {
                asked.get_or_init(|| ());
                Err(Error::corrupt("memberships that were not read"))
            }
        }
    }

    /// From (user, group), sorted.
    pub fn from_pairs(pairs: &[(SubjectNo, SubjectNo)]) -> Result<Self> {
        let users = pairs.last().map_or(0, |(u, _)| *u as usize + 1);
        let mut m = Membership {
            starts: try_vec(users, "memberships")?,
            groups: try_vec(pairs.len(), "memberships")?,
            unread: None,
        };
        for (user, group) in pairs {
            while m.starts.len() <= *user as usize {
                m.starts.push(m.groups.len() as u32);
            }
            m.groups.push(*group);
        }
        Ok(m)
    }

    /// The groups of a user.
    pub fn of(&self, user: SubjectNo) -> &[SubjectNo] {
        let from = self.starts.get(user as usize).copied().unwrap_or(u32::MAX) as usize;
        let to = self
            .starts
            .get(user as usize + 1)
            .map_or(self.groups.len(), |to| *to as usize);
        self.groups.get(from..to).unwrap_or(&[])
    }
}

impl Column {
    /// The value of a row, if it is set.
    pub fn get(&self, row: usize) -> Option<Cow<'_, Value>> {
        match self {
            Column::Dict { values, codes } => match codes.get(row).copied().unwrap_or(0) {
                0 => None,
                c => values.get(c as usize - 1).map(Cow::Borrowed),
            },
            Column::Number(v) => v
                .get(row)
                .filter(|f| !f.is_nan())
                .map(|f| Cow::Owned(Value::number(*f))),
        }
    }

    /// Rows of the column.
    pub fn len(&self) -> usize {
        match self {
            Column::Dict { codes, .. } => codes.len(),
            Column::Number(v) => v.len(),
        }
    }

    /// True when the column has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl GroupColumn {
    /// Every group of a row.
    pub fn of_row(&self, row: usize) -> impl Iterator<Item = SubjectNo> + '_ {
        let first = self.first.get(row).copied().filter(|g| *g != 0);
        let from = self.more.partition_point(|(r, _)| (*r as usize) < row);
        let rest = self
            .more
            .iter()
            .skip(from)
            .take_while(move |(r, _)| *r as usize == row)
            .map(|(_, g)| *g);
        first.into_iter().chain(rest)
    }
}

impl Chunk {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// True when there are no rows.
    pub fn is_empty(&self) -> bool {
        self.time.is_empty()
    }

    /// Event number of a row.
    pub fn event(&self, row: usize) -> u32 {
        match &self.events {
            Events::One(e) => *e,
            Events::Each(v) => v.get(row).copied().unwrap_or(0),
        }
    }

    /// The groups of one kind, when any row has one.
    pub fn group(&self, kind: Kind) -> Option<&GroupColumn> {
        self.groups
            .binary_search_by_key(&kind, |g| g.kind)
            .ok()
            .and_then(|i| self.groups.get(i))
    }

    /// The column of a property, when any row has it.
    pub fn property(&self, property: u32) -> Option<&Column> {
        let i = self.properties.binary_search_by_key(&property, |p| p.property).ok()?;
        self.properties.get(i).map(|p| &p.column)
    }

    /// Calls `f(row, subject)` for every picked (row, subject) of `kind`; rows without a subject of that kind are passed
    /// over. First subjects come in row order, further groups of lists after them.
    pub fn for_each_subject(&self, kind: Kind, hits: &Hits, mut f: impl FnMut(usize, SubjectNo)) {
        if kind == USER {
            for row in hits.rows.ones() {
                if let Some(&u) = self.user.get(row)
                    && u != 0
                {
                    f(row, u);
                }
            }
            return;
        }
        let Some(g) = self.group(kind) else { return };
        for row in hits.rows.ones() {
            if let Some(&s) = g.first.get(row)
                && s != 0
            {
                f(row, s);
            }
        }
        for (i, &(row, s)) in g.more.iter().enumerate() {
            let hit = match &hits.more {
                Some(m) => m.get(i),
                None => hits.rows.get(row as usize),
            };
            if hit {
                f(row as usize, s);
            }
        }
    }

    /// Checks that every column has the same number of rows and that lists of groups are sorted.
    pub fn check(&self) -> Result<()> {
        let n = self.len();
        let bad = |what: &str| Err(Error::corrupt(format!("chunk: {what}")));
        if self.user.len() != n || matches!(&self.events, Events::Each(v) if v.len() != n) {
            return bad("columns of different length");
        }
        if let Some(i) = &self.inserts
            && (i.hash.len() != n || i.priority.len() != n)
        {
            return bad("insert column of another length");
        }
        if !self.groups.is_sorted_by(|a, b| a.kind < b.kind)
            || !self.properties.is_sorted_by(|a, b| a.property < b.property)
        {
            return bad("columns out of order");
        }
        for g in &self.groups {
            if g.first.len() != n || g.kind == USER {
                return bad("group column of another length");
            }
            let sorted = g.more.is_sorted_by(|a, b| a < b);
            if !sorted || g.more.iter().any(|(r, s)| *r as usize >= n || *s == 0) {
                return bad("list of groups out of order");
            }
        }
        for p in &self.properties {
            let codes_fit = match &p.column {
                Column::Dict { values, codes } => codes.iter().all(|c| *c as usize <= values.len()),
                Column::Number(_) => true,
            };
            if p.column.len() != n || !codes_fit {
                return bad("property column of another length");
            }
        }
        Ok(())
    }
}

/// What a selector picked from a chunk.
///
/// `more` is only there when the choice depends on the group itself (a filter on properties of the group that is
/// counted): it then says, entry by entry, which of [`GroupColumn::more`] are picked. Without it an entry follows its row.
#[derive(Debug, Clone, PartialEq)]
pub struct Hits {
    pub rows: Mask,
    pub more: Option<Mask>,
}

impl Hits {
    /// Whole rows.
    pub fn rows(rows: Mask) -> Self {
        Hits { rows, more: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn membership_keeps_every_pair(pairs in proptest::collection::btree_set((0u32..20, 1u32..9), 0..40)) {
            let pairs: Vec<_> = pairs.into_iter().collect();
            let m = Membership::from_pairs(&pairs).unwrap();
            for user in 0..25 {
                let naive: Vec<u32> = pairs.iter().filter(|(u, _)| *u == user).map(|(_, g)| *g).collect();
                prop_assert_eq!(m.of(user), &naive[..]);
            }
        }
    }
}
