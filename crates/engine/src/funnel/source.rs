//! Reading the property values that a funnel needs of an event: held ones, dimensions, and what the filter asks for.

use super::table::Table;
use crate::breakdown::{Dimension, Shape};
use crate::chunk::{Chunk, Column, Kind, Membership, ProfileColumn, SubjectNo, USER};
use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, grow_within};
use crate::value::Value;
use rustc_hash::FxHashMap;

/// Not looked up yet.
const UNKNOWN: u32 = u32::MAX;
/// A quarter of an hour, and 1973-03-03: since then no part of a date begins inside of one.
const QUARTER_MS: i64 = 900_000;
const SINCE_1973: i64 = 100_000_000_000;

/// The codes of the values of rows; remembers what it looked up.
#[derive(Debug)]
pub(crate) struct Sources<'p> {
    by: Kind,
    dimensions: Vec<&'p Dimension>,
    /// Per source, the table's code for each code of the column.
    known: Vec<Known>,
    codes: Vec<u32>,
    last: (Vec<u32>, u32),
}

/// What was looked up: the table's code for each code of a column, and for each number or quarter of an hour.
#[derive(Debug, Default)]
struct Known {
    /// Only numbers count; anything else is not set.
    numbers: bool,
    codes: Vec<u32>,
    others: FxHashMap<u64, u32>,
}

/// A row whose values are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'c> {
    pub chunk: &'c Chunk,
    pub row: usize,
    /// After identity merges; 0 = none.
    pub user: SubjectNo,
    pub subject: SubjectNo,
}

/// The tags of the codes of a column, for the selectors that picked the events at hand.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    mask: u128,
    tags: Vec<u32>,
    /// How many other selectors may come before it is not worth it.
    left: usize,
}

impl Memo {
    /// For the next chunk, whose codes are below `codes`. Nothing is kept where there are none.
    pub fn begin(&mut self, codes: Option<usize>, selectors: usize, budget: &mut Budget) -> Result<()> {
        self.mask = 0;
        self.left = codes.map_or(0, |_| selectors);
        forget(&mut self.tags, codes.unwrap_or(0), budget)
    }

    /// The tag, where it is known.
    #[inline]
    pub fn get(&mut self, mask: u128, code: u32) -> Option<u32> {
        if mask != self.mask {
            self.left = self.left.checked_sub(1)?;
            self.tags.fill(UNKNOWN);
            self.mask = mask;
        }
        self.tags.get(code as usize).copied().filter(|t| *t != UNKNOWN)
    }

    /// Remembers a tag that was not known.
    #[inline]
    pub fn put(&mut self, mask: u128, code: u32, tag: u32) {
        if mask == self.mask
            && let Some(t) = self.tags.get_mut(code as usize)
        {
            *t = tag;
        }
    }
}

impl<'p> Sources<'p> {
    pub fn new(by: Kind, dimensions: Vec<&'p Dimension>, budget: &mut Budget) -> Result<Self> {
        let mut s = Sources {
            by,
            known: Vec::new(),
            codes: vec![0; dimensions.len()],
            last: (vec![0; dimensions.len()], 0),
            dimensions,
        };
        for d in &s.dimensions {
            let mut known = Known::default();
            match d.plain().0 {
                Dimension::UserProfile(p)
                | Dimension::GroupProperty { column: p, .. }
                | Dimension::GroupId { ids: p, .. } => forget(&mut known.codes, p.values.len(), budget)?,
                _ => {}
            }
            s.known.push(known);
        }
        Ok(s)
    }

    /// The same, the last one for its numbers alone when `yes`.
    pub fn measuring(mut self, yes: bool) -> Self {
        if let Some(known) = self.known.last_mut() {
            known.numbers = yes;
        }
        self
    }

    pub fn is_empty(&self) -> bool {
        self.dimensions.is_empty()
    }

    /// Must be called before the rows of another chunk are asked for: codes mean something else there.
    pub fn next_chunk(&mut self, chunk: &Chunk, budget: &mut Budget) -> Result<()> {
        for (d, known) in self.dimensions.iter().zip(&mut self.known) {
            if let Some(p) = d.event_property()
                && let Some(Column::Dict { values, .. }) = chunk.property(p)
            {
                forget(&mut known.codes, values.len(), budget)?;
            }
        }
        Ok(())
    }

    /// The codes of the rows, when they alone decide the tuple; of a column that no row has, none.
    pub fn only_codes<'c>(&self, chunk: &'c Chunk) -> Option<&'c [u32]> {
        self.only_column(chunk).map(|(codes, _)| codes)
    }

    /// The same with the number of values they are codes of.
    pub fn only_column<'c>(&self, chunk: &'c Chunk) -> Option<(&'c [u32], usize)> {
        let [d] = self.dimensions.as_slice() else { return None };
        match chunk.property(d.event_property()?) {
            Some(Column::Dict { codes, values }) => Some((codes, values.len())),
            Some(Column::Number(_)) => None,
            None => Some((&[], 0)),
        }
    }

    /// The number of the tuple of values of a row.
    pub fn tuple(&mut self, row: Row, table: &mut Table, budget: &mut Budget) -> Result<u32> {
        if let ([d], [known]) = (self.dimensions.as_slice(), self.known.as_mut_slice()) {
            let code = look_up(d, self.by, row, known, table, budget)?;
            return table.tuple_number(&[code], budget);
        }
        for ((d, known), code) in self.dimensions.iter().zip(&mut self.known).zip(&mut self.codes) {
            *code = look_up(d, self.by, row, known, table, budget)?;
        }
        if self.codes != self.last.0 {
            self.last.1 = table.tuple_number(&self.codes, budget)?;
            self.last.0.clone_from(&self.codes);
        }
        Ok(self.last.1)
    }
}

fn forget(known: &mut Vec<u32>, values: usize, budget: &mut Budget) -> Result<()> {
    known.clear();
    if known.capacity() <= values {
        grow_within(known, values + 1, budget)?;
    }
    known.resize(values + 1, UNKNOWN);
    Ok(())
}

/// The value that a source takes for a value of its column: itself, or the texts of its shape, so that values of one
/// shape are one.
pub(super) fn shaped(value: Option<&Value>, shape: Option<&Shape>) -> Result<Option<Value>> {
    let (Some(value), Some(shape)) = (value.filter(|v| **v != Value::Null), shape) else {
        return Ok(value.cloned());
    };
    let mut texts: Vec<Value> = Vec::new();
    shape.texts_of(Some(value), &mut |text| {
        texts
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory("values of a funnel"))?;
        texts.push(Value::str(text));
        Ok(())
    })?;
    texts.sort();
    texts.dedup();
    Ok(match texts.len() {
        1 => texts.pop(),
        _ => Some(Value::List(texts)),
    })
}

impl Known {
    /// The table's code for a code of a column of `values`.
    #[inline]
    fn translated(
        &mut self,
        code: u32,
        values: &[Value],
        shape: Option<&Shape>,
        table: &mut Table,
        budget: &mut Budget,
    ) -> Result<u32> {
        match self.codes.get(code as usize) {
            Some(c) if *c != UNKNOWN => Ok(*c),
            _ => {
                let value = (code as usize).checked_sub(1).and_then(|i| values.get(i));
                let value = value.filter(|v| !self.numbers || v.as_f64().is_some());
                let c = match shape {
                    None => table.code(value, budget)?,
                    shape => table.code(shaped(value, shape)?.as_ref(), budget)?,
                };
                if let Some(k) = self.codes.get_mut(code as usize) {
                    *k = c;
                }
                Ok(c)
            }
        }
    }

    /// The same for what has no codes: `value` makes it, unless it is known by its `key`.
    fn other(
        &mut self,
        key: u64,
        table: &mut Table,
        budget: &mut Budget,
        value: impl FnOnce() -> Result<Option<Value>>,
    ) -> Result<u32> {
        if let Some(c) = self.others.get(&key) {
            return Ok(*c);
        }
        let c = table.code(value()?.as_ref(), budget)?;
        budget.take(16)?;
        self.others
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory("values of a funnel"))?;
        self.others.insert(key, c);
        Ok(c)
    }
}

fn look_up(d: &Dimension, by: Kind, at: Row, known: &mut Known, table: &mut Table, budget: &mut Budget) -> Result<u32> {
    let (plain, shape) = d.plain();
    let (groups, column) = match plain {
        Dimension::EventProperty(p) | Dimension::Lookup { property: p, .. } => {
            return match at.chunk.property(*p) {
                Some(Column::Dict { values, codes }) => {
                    let code = codes.get(at.row).copied().unwrap_or(0);
                    known.translated(code, values, shape, table, budget)
                }
                Some(Column::Number(numbers)) => match numbers.get(at.row) {
                    Some(n) if !n.is_nan() => {
                        known.other(n.to_bits(), table, budget, || shaped(Some(&Value::number(*n)), shape))
                    }
                    _ => Ok(0),
                },
                None => Ok(0),
            };
        }
        Dimension::UserProfile(column) => {
            let code = if at.user == 0 { 0 } else { column.code(at.user) };
            return known.translated(code, &column.values, shape, table, budget);
        }
        Dimension::Time(shape) => {
            let Some(t) = at.chunk.time.get(at.row).copied() else {
                return Ok(0);
            };
            let text = || Ok(Some(Value::str(shape.of_instant(t)?)));
            return if t >= SINCE_1973 {
                known.other((t / QUARTER_MS) as u64, table, budget, text)
            } else {
                table.code(text()?.as_ref(), budget)
            };
        }
        Dimension::GroupProperty {
            kind,
            column,
            membership,
            via_profile,
        } => (Groups::new(by, *kind, membership.as_deref(), *via_profile), column),
        Dimension::GroupId { kind, ids, membership } => (Groups::new(by, *kind, membership.as_deref(), false), ids),
        Dimension::Numbers { .. } => return Err(Error::corrupt("funnel: ids that were not read")),
        Dimension::Shaped(..) | Dimension::UsersWhoDid(_) => {
            return Err(Error::param_hint(
                "\"users_who_did\" can not break down a funnel",
                "Break down by a property of events, users or groups.",
            ));
        }
    };
    of_groups(groups, at, column, shape, known, table, budget)
}

/// Where the groups of an event are found.
#[derive(Clone, Copy)]
struct Groups<'m> {
    by: Kind,
    kind: Kind,
    membership: Option<&'m Membership>,
    via_profile: bool,
}

impl<'m> Groups<'m> {
    fn new(by: Kind, kind: Kind, membership: Option<&'m Membership>, via_profile: bool) -> Self {
        Groups {
            by,
            kind,
            membership,
            via_profile,
        }
    }

    /// The same groups as those of a breakdown of insights: the counted group itself, else those of the event, else
    /// those in the profile of a counted user.
    fn for_each(&self, at: Row, mut f: impl FnMut(SubjectNo) -> Result<()>) -> Result<()> {
        if self.by == self.kind {
            return f(at.subject);
        }
        let mut found = false;
        if !self.via_profile
            && let Some(column) = at.chunk.group(self.kind)
        {
            for no in column.of_row(at.row) {
                found = true;
                f(no)?;
            }
        }
        if !found
            && self.by == USER
            && at.user != 0
            && let Some(m) = self.membership
        {
            m.of(at.user).iter().try_for_each(|no| f(*no))?;
        }
        Ok(())
    }
}

/// The property of one group is its value, that of several the list of theirs.
fn of_groups(
    groups: Groups,
    at: Row,
    column: &ProfileColumn,
    shape: Option<&Shape>,
    known: &mut Known,
    table: &mut Table,
    budget: &mut Budget,
) -> Result<u32> {
    let (mut count, mut one) = (0, 0);
    groups.for_each(at, |no| {
        count += 1;
        one = no;
        Ok(())
    })?;
    if count < 2 {
        let code = if count == 0 { 0 } else { column.code(one) };
        return known.translated(code, &column.values, shape, table, budget);
    }
    let mut list: Vec<Value> = try_vec(count, "groups of an event")?;
    let mut set = false;
    groups.for_each(at, |no| {
        let value = column.get(no);
        set |= value.is_some();
        let more = match value {
            Some(Value::List(l)) => l.len(),
            _ => 1,
        };
        list.try_reserve(more)
            .map_err(|_| Error::OutOfMemory("groups of an event"))?;
        match value {
            Some(Value::List(l)) => list.extend(l.iter().cloned()),
            Some(v) => list.push(v.clone()),
            // A group without the property is a segment of its own.
            None => list.push(Value::Null),
        }
        Ok(())
    })?;
    list.sort();
    list.dedup();
    let list = Value::List(list);
    table.code(shaped(Some(&list).filter(|_| set), shape)?.as_ref(), budget)
}
