//! Evaluating the dimensions of a breakdown for events and subjects.

use super::{MAX_DIMENSIONS, NOT_SET, Segments, texts_of};
use crate::chunk::{Chunk, Column, Kind, Membership, ProfileColumn, SharedProfile, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::gather::{Budget, grow_within, push_within};
use crate::insights::UsersWhoDidTable;
use crate::value::Value;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// One dimension of a breakdown.
#[derive(Debug, Clone)]
pub enum Dimension {
    /// A property of the event, by its number in the project's lexicon.
    EventProperty(u32),
    /// A property of the user's profile. Only for what is counted by user.
    UserProfile(SharedProfile),
    /// A property of the profiles of a group key: of the very group that is counted when the report counts by this
    /// key, else of all groups of the key that the event is attributed to, each an element of a list. An event without
    /// one is looked up in `membership`, if given, when users are counted.
    GroupProperty {
        kind: Kind,
        column: SharedProfile,
        membership: Option<Arc<Membership>>,
        /// Only through `membership`, whatever the event says. Only for what is counted by user.
        via_profile: bool,
    },
    /// The ids of a group key, found as with `GroupProperty`; `ids` gives the id of each group.
    GroupId {
        kind: Kind,
        ids: SharedProfile,
        membership: Option<Arc<Membership>>,
    },
    /// "Number of users who did …": of the very group that is counted. Only for what is counted by that group key.
    UsersWhoDid(Arc<UsersWhoDidTable>),
}

/// What values depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The row alone.
    Row,
    /// The group that is counted as well.
    Subject,
}

impl Dimension {
    /// Checks that the dimension makes sense for what is counted by `by`, and says what its values depend on.
    pub fn scope(&self, by: Kind) -> Result<Scope> {
        let only_users = |what: &str| {
            Err(Error::param_hint(
                format!("{what} can not break down what is counted by a group key"),
                "Count by user, or break down by a property of the group: \"group.<key>.<property>\".",
            ))
        };
        match self {
            Dimension::UserProfile(_) if by != USER => only_users("a property of the user's profile"),
            Dimension::GroupProperty { via_profile: true, .. } if by != USER => {
                only_users("a group property through the user's profile")
            }
            Dimension::UsersWhoDid(table) if table.kind() != by => Err(Error::param_hint(
                "\"users_who_did\" is a property of groups",
                "Count the metric by the group key that \"users_who_did\" counts users for, for example \"by\":\"company_id\".",
            )),
            Dimension::UsersWhoDid(_) => Ok(Scope::Subject),
            Dimension::GroupProperty { kind, .. } | Dimension::GroupId { kind, .. } if *kind == by => {
                Ok(Scope::Subject)
            }
            _ => Ok(Scope::Row),
        }
    }
}

/// Texts of the codes of a column, worked out once per code.
#[derive(Debug, Default)]
struct Codes {
    /// (start in `texts`, number of texts) per code; no texts = not worked out yet.
    spans: Vec<(u32, u32)>,
    texts: Vec<u32>,
}

impl Codes {
    fn reset(&mut self, values: usize, budget: &mut Budget) -> Result<()> {
        self.texts.clear();
        self.spans.clear();
        if self.spans.capacity() <= values {
            grow_within(&mut self.spans, values + 1, budget)?;
        }
        self.spans.resize(values + 1, (0, 0));
        Ok(())
    }

    #[inline]
    fn of(&mut self, code: u32, values: &[Value], segments: &mut Segments, budget: &mut Budget) -> Result<&[u32]> {
        let known = self.spans.get(code as usize).copied().unwrap_or((0, 0));
        let (from, n) = if known.1 > 0 {
            known
        } else {
            self.learn(code, values, segments, budget)?
        };
        Ok(self.texts.get(from as usize..(from + n) as usize).unwrap_or(&[]))
    }

    #[cold]
    fn learn(
        &mut self,
        code: u32,
        values: &[Value],
        segments: &mut Segments,
        budget: &mut Budget,
    ) -> Result<(u32, u32)> {
        let value = (code as usize).checked_sub(1).and_then(|i| values.get(i));
        let from = self.texts.len();
        texts_of(value, &mut |text| {
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

/// A breakdown at work: what was worked out per dimension so far.
#[derive(Debug)]
pub struct Breakdown<'p> {
    dimensions: &'p [Dimension],
    codes: Vec<Codes>,
    numbers: Vec<FxHashMap<u64, u32>>,
    lists: [Vec<u32>; MAX_DIMENSIONS],
    segments: Vec<u32>,
}

impl<'p> Breakdown<'p> {
    /// At most [`MAX_DIMENSIONS`].
    pub fn new(dimensions: &'p [Dimension], budget: &mut Budget) -> Result<Self> {
        if dimensions.len() > MAX_DIMENSIONS {
            return Err(Error::param_hint(
                format!("a breakdown of {} dimensions", dimensions.len()),
                format!("At most {MAX_DIMENSIONS} are possible."),
            ));
        }
        let mut codes = Vec::new();
        for d in dimensions {
            let mut c = Codes::default();
            match d {
                Dimension::UserProfile(p)
                | Dimension::GroupProperty { column: p, .. }
                | Dimension::GroupId { ids: p, .. } => c.reset(p.values.len(), budget)?,
                Dimension::EventProperty(_) | Dimension::UsersWhoDid(_) => {}
            }
            codes.push(c);
        }
        Ok(Breakdown {
            dimensions,
            numbers: dimensions.iter().map(|_| FxHashMap::default()).collect(),
            codes,
            lists: Default::default(),
            segments: Vec::new(),
        })
    }

    /// Must be called before the rows of another chunk are asked for: codes mean something else there.
    pub fn next_chunk(&mut self, chunk: &Chunk, budget: &mut Budget) -> Result<()> {
        for (d, codes) in self.dimensions.iter().zip(&mut self.codes) {
            if let Dimension::EventProperty(p) = d {
                let n = match chunk.property(*p) {
                    Some(Column::Dict { values, .. }) => values.len(),
                    _ => 0,
                };
                codes.reset(n, budget)?;
            }
        }
        Ok(())
    }

    /// Where one code of each row decides its segments, when what is counted has one subject per row at most: the code,
    /// the number of different codes, and whether they mean the same in every chunk.
    pub fn coded<'c>(&self, chunk: &'c Chunk, by: Kind) -> Option<(Coded<'c>, usize, bool)>
    where
        'p: 'c,
    {
        let [dimension] = self.dimensions else { return None };
        match dimension {
            Dimension::EventProperty(p) => match chunk.property(*p) {
                Some(Column::Dict { values, codes }) => Some((Coded::Column(codes), values.len() + 1, false)),
                Some(Column::Number(_)) => None,
                None => Some((Coded::Unset, 1, false)),
            },
            Dimension::UserProfile(column) if by == USER => {
                Some((Coded::Subject(column), column.values.len() + 1, true))
            }
            Dimension::GroupProperty {
                kind,
                column,
                membership,
                via_profile: false,
            }
            | Dimension::GroupId {
                kind,
                ids: column,
                membership,
            } => {
                let codes = column.values.len() + 1;
                if *kind == by {
                    return Some((Coded::Subject(column), codes, true));
                }
                let groups = chunk.group(*kind).filter(|g| g.more.is_empty())?;
                let coded = Coded::Group {
                    first: &groups.first,
                    column,
                    alone: membership.is_none() || by != USER,
                };
                Some((coded, codes, true))
            }
            _ => None,
        }
    }

    /// Memory of what was worked out.
    pub fn bytes(&self) -> usize {
        let codes = self
            .codes
            .iter()
            .map(|c| c.spans.capacity() * 8 + c.texts.capacity() * 4);
        let numbers = self.numbers.iter().map(|n| n.len() * 32);
        let lists = self.lists.iter().map(|l| l.capacity() * 4);
        codes.chain(numbers).chain(lists).sum::<usize>() + self.segments.capacity() * 4
    }

    /// The segments of an event, each once, for what is counted by `by`. `user` is the row's user after identity
    /// merges; `subject` is the one that is counted and only matters to dimensions of [`Scope::Subject`].
    pub fn of(
        &mut self,
        event: Event,
        subject: SubjectNo,
        segments: &mut Segments,
        budget: &mut Budget,
    ) -> Result<&mut Vec<u32>> {
        for i in 0..self.dimensions.len() {
            self.values(i, &event, subject, segments, budget)?;
        }
        self.segments.clear();
        if self.dimensions.is_empty() {
            // Everything is in the one segment there is.
            push_within(&mut self.segments, 0, budget)?;
        } else if let [_] = self.dimensions {
            let [list, ..] = &self.lists;
            for text in list {
                push_within(&mut self.segments, segments.single(*text, budget)?, budget)?;
            }
        } else {
            self.cross(segments, budget)?;
        }
        Ok(&mut self.segments)
    }

    fn cross(&mut self, segments: &mut Segments, budget: &mut Budget) -> Result<()> {
        // An odometer over the lists; every list has at least one text.
        let mut at = [0usize; MAX_DIMENSIONS];
        loop {
            let mut tuple = [0; MAX_DIMENSIONS];
            for ((t, list), i) in tuple.iter_mut().zip(&self.lists).zip(&at).take(self.dimensions.len()) {
                *t = list.get(*i).copied().unwrap_or(0);
            }
            push_within(&mut self.segments, segments.segment(tuple, budget)?, budget)?;
            let mut wheels = at.iter_mut().zip(&self.lists).take(self.dimensions.len());
            let turned = wheels.any(|(i, list)| {
                *i += 1;
                if *i < list.len() {
                    return true;
                }
                *i = 0;
                false
            });
            if !turned {
                return Ok(());
            }
        }
    }

    fn values(
        &mut self,
        i: usize,
        event: &Event,
        subject: SubjectNo,
        segments: &mut Segments,
        budget: &mut Budget,
    ) -> Result<()> {
        let (Some(d), Some(codes), Some(numbers), Some(out)) = (
            self.dimensions.get(i),
            self.codes.get_mut(i),
            self.numbers.get_mut(i),
            self.lists.get_mut(i),
        ) else {
            return Ok(());
        };
        out.clear();
        match d {
            Dimension::EventProperty(p) => match event.chunk.property(*p) {
                Some(Column::Dict {
                    values,
                    codes: row_codes,
                }) => {
                    let code = row_codes.get(event.row).copied().unwrap_or(0);
                    add(out, codes.of(code, values, segments, budget)?, budget)
                }
                Some(Column::Number(numbers_of_rows)) => {
                    let n = numbers_of_rows.get(event.row).copied().unwrap_or(f64::NAN);
                    let text = match numbers.get(&n.to_bits()) {
                        Some(text) => *text,
                        None => {
                            let mut number = 0;
                            texts_of(Some(&Value::number(n)), &mut |text| {
                                number = segments.text(text, budget)?;
                                Ok(())
                            })?;
                            budget.take(32)?;
                            numbers.try_reserve(1).map_err(|_| Error::OutOfMemory("segments"))?;
                            numbers.insert(n.to_bits(), number);
                            number
                        }
                    };
                    add(out, &[text], budget)
                }
                None => add(out, codes.of(0, &[], segments, budget)?, budget),
            },
            Dimension::UserProfile(column) => {
                let code = if event.user == 0 { 0 } else { column.code(event.user) };
                add(out, codes.of(code, &column.values, segments, budget)?, budget)
            }
            Dimension::GroupProperty {
                kind,
                column,
                membership,
                via_profile,
            } => {
                for_groups(event, *kind, subject, membership.as_deref(), *via_profile, |no| {
                    add(
                        out,
                        codes.of(column.code(no), &column.values, segments, budget)?,
                        budget,
                    )
                })?;
                as_list(out, segments, budget)
            }
            Dimension::GroupId { kind, ids, membership } => {
                for_groups(event, *kind, subject, membership.as_deref(), false, |no| {
                    add(out, codes.of(ids.code(no), &ids.values, segments, budget)?, budget)
                })?;
                as_list(out, segments, budget)
            }
            Dimension::UsersWhoDid(table) => {
                let text = segments.text(&table.users(event.bucket, subject).to_string(), budget)?;
                add(out, &[text], budget)
            }
        }
    }
}

/// A code of each row that decides its segments.
#[derive(Debug, Clone, Copy)]
pub enum Coded<'c> {
    /// By row.
    Column(&'c [u32]),
    /// The same for all rows: nothing is set.
    Unset,
    /// By the subject that is counted; nobody has nothing set.
    Subject(&'c ProfileColumn),
    /// By the group of the event; `alone`: an event without one has nothing set.
    Group {
        first: &'c [SubjectNo],
        column: &'c ProfileColumn,
        alone: bool,
    },
}

impl Coded<'_> {
    /// The code of a row; `None` where it does not decide.
    #[inline]
    pub fn code(&self, row: usize, subject: SubjectNo) -> Option<u32> {
        match self {
            Coded::Column(codes) => codes.get(row).copied(),
            Coded::Unset => Some(0),
            // Subject 0 is nobody, and no profile is stored for it.
            Coded::Subject(column) => Some(if subject == 0 { 0 } else { column.code(subject) }),
            Coded::Group { first, column, alone } => match first.get(row).copied().unwrap_or(0) {
                0 if *alone => Some(0),
                0 => None,
                group => Some(column.code(group)),
            },
        }
    }
}

/// The event whose segments are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Event<'c> {
    pub chunk: &'c Chunk,
    pub row: usize,
    /// After identity merges; 0 = none.
    pub user: SubjectNo,
    pub by: Kind,
    pub bucket: usize,
}

fn for_groups(
    event: &Event,
    kind: Kind,
    subject: SubjectNo,
    membership: Option<&Membership>,
    via_profile: bool,
    mut f: impl FnMut(SubjectNo) -> Result<()>,
) -> Result<()> {
    if event.by == kind {
        return f(subject);
    }
    let mut found = false;
    if !via_profile && let Some(column) = event.chunk.group(kind) {
        for no in column.of_row(event.row) {
            found = true;
            f(no)?;
        }
    }
    // One way only: a user's profile speaks for what is counted by user, never for a group.
    if !found
        && event.by == USER
        && event.user != 0
        && let Some(membership) = membership
    {
        membership.of(event.user).iter().try_for_each(|no| f(*no))?;
    }
    Ok(())
}

#[inline]
fn add(out: &mut Vec<u32>, texts: &[u32], budget: &mut Budget) -> Result<()> {
    texts.iter().try_for_each(|t| push_within(out, *t, budget))
}

/// The texts of several groups as one list: each once, or the segment of what has no value.
fn as_list(out: &mut Vec<u32>, segments: &mut Segments, budget: &mut Budget) -> Result<()> {
    if out.is_empty() {
        return push_within(out, segments.text(NOT_SET, budget)?, budget);
    }
    distinct(out);
    Ok(())
}

fn distinct(texts: &mut Vec<u32>) {
    if texts.len() > 1 {
        texts.sort_unstable();
        texts.dedup();
    }
}
