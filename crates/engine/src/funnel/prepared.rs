//! The table of a whole funnel in its final order: what a walker looks tags up in. Shared by threads.

use super::attribute::is_of_subject;
use super::source::shaped;
use super::table::Table;
use super::{Ordering, Plan};
use crate::breakdown::Dimension;
use crate::chunk::{ProfileColumn, SubjectNo};
use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, tag_of, time_of};
use crate::postings::Postings;
use crate::time::Span64;
use crate::value::Value;
use rustc_hash::FxHashMap;

/// Masks and values by tag.
#[derive(Debug)]
pub struct Prepared<'p> {
    pub(super) plan: &'p Plan<'p>,
    /// Bits of the selectors that picked the event.
    masks: Vec<u128>,
    /// The one step of each tag, when no tag has two.
    single: Option<Vec<u8>>,
    /// Code of the held values; 0 = one of them is not set.
    held: Vec<u32>,
    tuples: Vec<u32>,
    /// The number that is measured, NaN = none; empty when nothing is.
    numbers: Vec<f64>,
    /// Steps that an entry may fill.
    entries: u128,
    table: Table,
    /// Where the values of each source are.
    places: Vec<Place<'p>>,
}

/// Where the values of a source are.
#[derive(Debug)]
pub(super) enum Place<'p> {
    /// At this position of the tuples that events carry, and whether all events of a subject carry the same.
    Event(usize, bool),
    /// In the profiles of subjects; the table's code for each code of the column.
    Subject(&'p ProfileColumn, Vec<u32>),
}

impl<'p> Prepared<'p> {
    /// Brings tags into their final order, those of the events included: simultaneous events then come in an order that
    /// does not depend on how they were stored.
    pub(super) fn new(
        plan: &'p Plan<'p>,
        mut table: Table,
        postings: &mut Postings,
        budget: &mut Budget,
    ) -> Result<Self> {
        let places = places(plan, &mut table, budget)?;
        let order = table.canonical()?;
        let mut tags: Vec<u32> = try_vec(order.len(), "steps of a funnel")?;
        tags.resize(order.len(), 0);
        for (new, old) in order.iter().enumerate() {
            if let Some(t) = tags.get_mut(*old as usize) {
                *t = new as u32;
            }
        }
        postings.retag(&tags);
        budget.take(order.len() * 40)?;
        let mut p = Prepared {
            plan,
            masks: try_vec(order.len(), "steps of a funnel")?,
            single: None,
            held: try_vec(order.len(), "values of a funnel")?,
            tuples: try_vec(order.len(), "values of a funnel")?,
            numbers: Vec::new(),
            entries: first_block(plan),
            table,
            places,
        };
        let mut codes: FxHashMap<&[u32], u32> = FxHashMap::default();
        let holds = plan.held.len();
        for old in &order {
            let (mask, tuple) = p.table.combo(*old as usize);
            p.masks.push(mask);
            p.tuples.push(tuple);
            let held = p.table.tuple(tuple).get(..holds).unwrap_or(&[]);
            p.held.push(if held.contains(&0) {
                0
            } else {
                codes
                    .try_reserve(1)
                    .map_err(|_| Error::OutOfMemory("values of a funnel"))?;
                let next = codes.len() as u32 + 1;
                *codes.entry(held).or_insert(next)
            });
        }
        if plan.measured.is_some() {
            p.numbers = try_vec(order.len(), "values of a funnel")?;
            for old in &order {
                let code = p.table.tuple(p.table.combo(*old as usize).1).last();
                let number = code.and_then(|c| p.table.value(*c)).and_then(Value::as_f64);
                p.numbers.push(number.unwrap_or(f64::NAN));
            }
        }
        if p.masks.iter().all(|m| m.count_ones() == 1) {
            let mut single = try_vec(order.len(), "steps of a funnel")?;
            single.extend(p.masks.iter().map(|m| m.trailing_zeros() as u8));
            p.single = Some(single);
        }
        Ok(p)
    }

    /// The selectors that picked an event.
    #[inline]
    pub(super) fn mask(&self, event: u64) -> u128 {
        self.masks.get(tag_of(event) as usize).copied().unwrap_or(0)
    }

    /// The step of every tag, when each has exactly one.
    pub(super) fn single(&self) -> Option<&[u8]> {
        self.single.as_deref()
    }

    #[inline]
    pub(super) fn held(&self, event: u64) -> u32 {
        self.held.get(tag_of(event) as usize).copied().unwrap_or(0)
    }

    /// The number that an event carries for what is measured; NaN = none.
    #[inline]
    pub(super) fn number(&self, event: Option<&u64>) -> f64 {
        let number = event.and_then(|e| self.numbers.get(tag_of(*e) as usize));
        number.copied().unwrap_or(f64::NAN)
    }

    /// The code of a value that an event carries.
    pub(super) fn code(&self, event: u64, at: usize) -> u32 {
        self.code_of_tuple(self.tuple(event), at)
    }

    /// The tuple of values that an event carries.
    #[inline]
    pub(super) fn tuple(&self, event: u64) -> u32 {
        self.tuples.get(tag_of(event) as usize).copied().unwrap_or(0)
    }

    /// Do events carry values?
    pub(super) fn carries(&self) -> bool {
        self.table.sources() > 0
    }

    /// The code of a value of a tuple.
    pub(super) fn code_of_tuple(&self, tuple: u32, at: usize) -> u32 {
        self.table.tuple(tuple).get(at).copied().unwrap_or(0)
    }

    /// Does whatever is attributed to an attempt of these events not depend on which of them it has?
    pub(super) fn alike(&self, events: &[u64]) -> bool {
        let tuple = |e: &u64| self.tuple(*e);
        let first = events.first().map_or(0, tuple);
        events.iter().all(|e| tuple(e) == first) && (first == 0 || !self.plan.may_lack_value())
    }

    /// Where the values of each dimension are, then of each that the filter reads.
    pub(super) fn places(&self) -> &[Place<'p>] {
        &self.places
    }

    pub(super) fn value(&self, code: u32) -> Option<&Value> {
        self.table.value(code)
    }

    /// Can this event begin an attempt somewhere in `span`?
    #[inline]
    pub(super) fn is_entry(&self, event: u64, span: Span64) -> bool {
        let t = time_of(event);
        t >= span.from && t < span.to && self.mask(event) & self.entries != 0 && self.held(event) != 0
    }

    /// Steps that an entry may fill.
    pub(super) fn entries(&self) -> u128 {
        self.entries
    }
}

/// Steps that are open once `filled` steps are done: the next one, and when it floats its floating neighbours.
pub(super) fn block(plan: &Plan, filled: usize) -> u128 {
    let floats = |k: usize| plan.floating >> k & 1 == 1;
    if plan.ordering == Ordering::Strict || !floats(filled) {
        return 1 << filled;
    }
    let (mut first, mut last) = (filled, filled);
    while first > 0 && floats(first - 1) {
        first -= 1;
    }
    while last + 1 < plan.steps && floats(last + 1) {
        last += 1;
    }
    (first..=last).fold(0, |m, k| m | 1 << k)
}

impl Place<'_> {
    /// The code of a subject's own value.
    pub(super) fn of_subject(column: &ProfileColumn, codes: &[u32], subject: SubjectNo) -> u32 {
        codes.get(column.code(subject) as usize).copied().unwrap_or(0)
    }
}

fn places<'p>(plan: &'p Plan<'p>, table: &mut Table, budget: &mut Budget) -> Result<Vec<Place<'p>>> {
    let mut carried = plan.held.len();
    let mut places = Vec::new();
    for d in plan.sources().into_iter().skip(plan.held.len()) {
        let (plain, shape) = d.plain();
        let column = match plain {
            Dimension::UserProfile(column)
            | Dimension::GroupProperty { column, .. }
            | Dimension::GroupId { ids: column, .. }
                if is_of_subject(d, plan.by) =>
            {
                column
            }
            _ => {
                let same = matches!(plain, Dimension::GroupProperty { via_profile: true, .. });
                places.push(Place::Event(carried, same));
                carried += 1;
                continue;
            }
        };
        budget.take((column.values.len() + 1) * 4)?;
        let mut codes: Vec<u32> = try_vec(column.values.len() + 1, "values of a funnel")?;
        codes.push(0);
        for value in &column.values {
            codes.push(table.code(shaped(Some(value), shape)?.as_ref(), budget)?);
        }
        places.push(Place::Subject(column, codes));
    }
    Ok(places)
}

fn first_block(plan: &Plan) -> u128 {
    block(plan, 0)
}
