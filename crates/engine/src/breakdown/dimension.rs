//! Evaluating the dimensions of a breakdown for events and subjects.

use super::codes::Codes;
use super::pairs::Pairs;
use super::shape::{Shape, shaped};
use super::{MAX_DIMENSIONS, NOT_SET, Segments};
use crate::chunk::{Chunk, Column, Kind, Membership, SharedProfile, SubjectNo, USER};
use crate::error::{Error, Result};
use crate::gather::{Budget, push_within};
use crate::insights::UsersWhoDidTable;
use crate::lookup::Lookup;
use crate::value::Value;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A quarter of an hour.
const QUARTER_MS: i64 = 900_000;
/// 1973-03-03.
const SINCE_1973: i64 = 100_000_000_000;

/// One dimension of a breakdown.
#[derive(Debug, Clone)]
pub enum Dimension {
    /// A property of the event, by its number in the project's lexicon.
    EventProperty(u32),
    /// A column of a lookup table, joined under the number `property` to the property `of` of the event. Elements of a list
    /// stay together with what they stand for where several of these are combined.
    Lookup {
        property: u32,
        of: u32,
        lookup: Arc<Lookup>,
    },
    /// A property of the user's profile, or another value by user. Entry 0 is for events without a user: profiles leave it
    /// unset, cohorts do not. Only for what is counted by user.
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
    /// The ids of users, only for what is counted by user, or of a group key, found as with `GroupProperty`. They stay
    /// numbers up to `most` while counting; the texts of those that are shown are asked for in the end.
    Numbers {
        kind: Kind,
        most: SubjectNo,
        membership: Option<Arc<Membership>>,
    },
    /// The time of the event, in a shape of dates.
    Time(Shape),
    /// The values of another dimension in a shape: of a property of the event, of the user's profile or of groups.
    Shaped(Box<Dimension>, Shape),
    /// "Number of users who did …": of the very group that is counted. Only for what is counted by that group key.
    UsersWhoDid(Arc<UsersWhoDidTable>),
}

impl Dimension {
    /// The dimension whose values are shaped, or itself; and the shape.
    pub fn plain(&self) -> (&Dimension, Option<&Shape>) {
        match self {
            Dimension::Shaped(inner, shape) => (inner, Some(shape)),
            d => (d, None),
        }
    }

    /// The property of the event whose column it reads.
    pub fn event_property(&self) -> Option<u32> {
        match self.plain().0 {
            Dimension::EventProperty(p) | Dimension::Lookup { property: p, .. } => Some(*p),
            _ => None,
        }
    }
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
    /// A value of the very subject that is counted: by subject number, users before identity merges.
    pub fn of_subject(by: Kind, column: SharedProfile) -> Self {
        if by == USER {
            return Dimension::UserProfile(column);
        }
        Dimension::GroupProperty {
            kind: by,
            column,
            membership: None,
            via_profile: false,
        }
    }

    /// Checks that the dimension makes sense for what is counted by `by`, and says what its values depend on.
    pub fn scope(&self, by: Kind) -> Result<Scope> {
        let only_users = |what: &str| {
            Err(Error::param_hint(
                format!("{what} can not break down what is counted by a group key"),
                "Count by user, or break down by a property of the group: \"group.<key>.<property>\".",
            ))
        };
        match self {
            Dimension::Shaped(inner, _) => inner.scope(by),
            Dimension::UserProfile(_) | Dimension::Numbers { kind: USER, .. } if by != USER => {
                only_users("a property of the user's profile")
            }
            Dimension::GroupProperty { via_profile: true, .. } if by != USER => {
                only_users("a group property through the user's profile")
            }
            Dimension::UsersWhoDid(table) if table.kind() != by => Err(Error::param_hint(
                "\"users_who_did\" is a property of groups",
                "Count the metric by the group key that \"users_who_did\" counts users for, for example \"by\":\"company_id\".",
            )),
            Dimension::UsersWhoDid(_) => Ok(Scope::Subject),
            Dimension::Numbers { kind: USER, .. } => Ok(Scope::Row),
            Dimension::GroupProperty { kind, .. }
            | Dimension::GroupId { kind, .. }
            | Dimension::Numbers { kind, .. }
                if *kind == by =>
            {
                Ok(Scope::Subject)
            }
            _ => Ok(Scope::Row),
        }
    }
}

/// A breakdown at work: what was worked out per dimension so far.
#[derive(Debug)]
pub struct Breakdown<'p> {
    pub(super) dimensions: &'p [Dimension],
    codes: Vec<Codes>,
    numbers: Vec<FxHashMap<u64, u32>>,
    lists: [Vec<u32>; MAX_DIMENSIONS],
    segments: Vec<u32>,
    pairs: Pairs<'p>,
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
            match d.plain().0 {
                Dimension::UserProfile(p)
                | Dimension::GroupProperty { column: p, .. }
                | Dimension::GroupId { ids: p, .. } => c.reset(p.values.len(), budget)?,
                _ => {}
            }
            codes.push(c);
        }
        Ok(Breakdown {
            dimensions,
            numbers: dimensions.iter().map(|_| FxHashMap::default()).collect(),
            codes,
            lists: Default::default(),
            segments: Vec::new(),
            pairs: Pairs::of(dimensions),
        })
    }

    /// Must be called before the rows of another chunk are asked for: codes mean something else there.
    pub fn next_chunk(&mut self, chunk: &Chunk, budget: &mut Budget) -> Result<()> {
        self.pairs.next_chunk();
        for (d, codes) in self.dimensions.iter().zip(&mut self.codes) {
            if let Some(p) = d.event_property() {
                let n = match chunk.property(p) {
                    Some(Column::Dict { values, .. }) => values.len(),
                    _ => 0,
                };
                codes.reset(n, budget)?;
            }
        }
        Ok(())
    }

    /// Memory of what was worked out.
    pub fn bytes(&self) -> usize {
        let codes = self
            .codes
            .iter()
            .map(|c| c.spans.capacity() * 8 + c.texts.capacity() * 4);
        let numbers = self.numbers.iter().map(|n| n.len() * 32);
        let lists = self.lists.iter().map(|l| l.capacity() * 4);
        codes.chain(numbers).chain(lists).sum::<usize>() + self.segments.capacity() * 4 + self.pairs.bytes()
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
        } else if let Some(tuples) = self.pairs.tuples(&event, &self.lists, segments, budget)? {
            for tuple in tuples {
                push_within(&mut self.segments, segments.segment(*tuple, budget)?, budget)?;
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
        let (d, shape) = d.plain();
        match d {
            Dimension::EventProperty(p) | Dimension::Lookup { property: p, .. } => match event.chunk.property(*p) {
                Some(Column::Dict {
                    values,
                    codes: row_codes,
                }) => {
                    let code = row_codes.get(event.row).copied().unwrap_or(0);
                    add(out, codes.of(code, values, shape, segments, budget)?, budget)
                }
                Some(Column::Number(numbers_of_rows)) => {
                    let n = numbers_of_rows.get(event.row).copied().unwrap_or(f64::NAN);
                    let text = match numbers.get(&n.to_bits()) {
                        Some(text) => *text,
                        None => {
                            let mut number = 0;
                            shaped(shape, Some(&Value::number(n)), &mut |text| {
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
                None => add(out, codes.of(0, &[], shape, segments, budget)?, budget),
            },
            Dimension::UserProfile(column) => {
                // Nobody has no profile, but is outside of every cohort.
                let code = column.code(event.user);
                add(out, codes.of(code, &column.values, shape, segments, budget)?, budget)
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
                        codes.of(column.code(no), &column.values, shape, segments, budget)?,
                        budget,
                    )
                })?;
                as_list(out, segments, budget)
            }
            Dimension::GroupId { kind, ids, membership } => {
                for_groups(event, *kind, subject, membership.as_deref(), false, |no| {
                    add(
                        out,
                        codes.of(ids.code(no), &ids.values, shape, segments, budget)?,
                        budget,
                    )
                })?;
                as_list(out, segments, budget)
            }
            Dimension::Numbers { kind: USER, .. } => {
                if event.user != 0 {
                    add(out, &[segments.number(USER, event.user, budget)?], budget)?;
                }
                as_list(out, segments, budget)
            }
            Dimension::Numbers { kind, membership, .. } => {
                for_groups(event, *kind, subject, membership.as_deref(), false, |no| {
                    add(out, &[segments.number(*kind, no, budget)?], budget)
                })?;
                as_list(out, segments, budget)
            }
            Dimension::Time(shape) => {
                let t = event.chunk.time.get(event.row).copied().unwrap_or(0);
                // Clocks differ from UTC by whole quarters of an hour, and change at such. The last that did not was set in
                // 1972: before, every instant is looked up.
                let key = if t < SINCE_1973 {
                    t
                } else {
                    t.div_euclid(QUARTER_MS) + SINCE_1973
                } as u64;
                let text = match numbers.get(&key) {
                    Some(text) => *text,
                    None => {
                        let text = segments.text(&shape.of_instant(t)?, budget)?;
                        budget.take(32)?;
                        numbers.try_reserve(1).map_err(|_| Error::OutOfMemory("segments"))?;
                        numbers.insert(key, text);
                        text
                    }
                };
                add(out, &[text], budget)
            }
            // Shapes do not nest.
            Dimension::Shaped(..) => add(out, codes.of(0, &[], shape, segments, budget)?, budget),
            Dimension::UsersWhoDid(table) => {
                let text = segments.text(&table.users(event.bucket, subject).to_string(), budget)?;
                add(out, &[text], budget)
            }
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

impl<'c> Event<'c> {
    /// The event of a row with its subjects of the kind that is counted.
    pub fn of_row(chunk: &'c Chunk, row: usize, by: Kind, subjects: &[SubjectNo], bucket: usize) -> Self {
        let user = match subjects {
            [user] if by == USER => *user,
            _ => 0,
        };
        Event {
            chunk,
            row,
            user,
            by,
            bucket,
        }
    }
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
        membership.read_of(event.user)?.iter().try_for_each(|no| f(*no))?;
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
