//! Reading the property values that a funnel needs of an event: held ones, dimensions, and what the filter asks for.

use super::table::Table;
use crate::breakdown::Dimension;
use crate::chunk::{Chunk, Column, Kind, Membership, SubjectNo, USER};
use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, grow_within};
use crate::value::Value;

/// Not looked up yet.
const UNKNOWN: u32 = u32::MAX;

/// The codes of the values of rows; remembers what it looked up.
#[derive(Debug)]
pub(super) struct Sources<'p> {
    by: Kind,
    dimensions: Vec<&'p Dimension>,
    /// Per source, the table's code for each code of the column.
    known: Vec<Vec<u32>>,
    codes: Vec<u32>,
    last: (Vec<u32>, u32),
}

/// A row whose values are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'c> {
    pub chunk: &'c Chunk,
    pub row: usize,
    /// After identity merges; 0 = none.
    pub user: SubjectNo,
    pub subject: SubjectNo,
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
            let mut known = Vec::new();
            match d {
                Dimension::UserProfile(p)
                | Dimension::GroupProperty { column: p, .. }
                | Dimension::GroupId { ids: p, .. } => forget(&mut known, p.values.len(), budget)?,
                _ => {}
            }
            s.known.push(known);
        }
        Ok(s)
    }

    pub fn is_empty(&self) -> bool {
        self.dimensions.is_empty()
    }

    /// Must be called before the rows of another chunk are asked for: codes mean something else there.
    pub fn next_chunk(&mut self, chunk: &Chunk, budget: &mut Budget) -> Result<()> {
        for (d, known) in self.dimensions.iter().zip(&mut self.known) {
            if let Dimension::EventProperty(p) = d
                && let Some(Column::Dict { values, .. }) = chunk.property(*p)
            {
                forget(known, values.len(), budget)?;
            }
        }
        Ok(())
    }

    /// The number of the tuple of values of a row.
    pub fn tuple(&mut self, row: Row, table: &mut Table, budget: &mut Budget) -> Result<u32> {
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

/// The table's code for a code of a column of `values`.
#[inline]
fn translated(known: &mut [u32], code: u32, values: &[Value], table: &mut Table, budget: &mut Budget) -> Result<u32> {
    match known.get(code as usize) {
        Some(c) if *c != UNKNOWN => Ok(*c),
        _ => {
            let value = (code as usize).checked_sub(1).and_then(|i| values.get(i));
            let c = table.code(value, budget)?;
            if let Some(k) = known.get_mut(code as usize) {
                *k = c;
            }
            Ok(c)
        }
    }
}

fn look_up(d: &Dimension, by: Kind, at: Row, known: &mut [u32], table: &mut Table, budget: &mut Budget) -> Result<u32> {
    match d {
        Dimension::EventProperty(p) => match at.chunk.property(*p) {
            Some(Column::Dict { values, codes }) => {
                let code = codes.get(at.row).copied().unwrap_or(0);
                translated(known, code, values, table, budget)
            }
            Some(Column::Number(numbers)) => {
                let n = numbers.get(at.row).copied().filter(|n| !n.is_nan());
                table.code(n.map(Value::number).as_ref(), budget)
            }
            None => Ok(0),
        },
        Dimension::UserProfile(column) => {
            let code = if at.user == 0 { 0 } else { column.code(at.user) };
            translated(known, code, &column.values, table, budget)
        }
        Dimension::GroupProperty {
            kind,
            column,
            membership,
            via_profile,
        } => of_groups(
            Groups {
                by,
                kind: *kind,
                membership: membership.as_deref(),
                via_profile: *via_profile,
            },
            at,
            column,
            known,
            table,
            budget,
        ),
        Dimension::GroupId { kind, ids, membership } => of_groups(
            Groups {
                by,
                kind: *kind,
                membership: membership.as_deref(),
                via_profile: false,
            },
            at,
            ids,
            known,
            table,
            budget,
        ),
        Dimension::Time(_) | Dimension::Shaped(..) => Err(Error::param_hint(
            "funnels have no breakdown into ranges or by dates",
            "Break down by the property itself.",
        )),
        Dimension::UsersWhoDid(_) => Err(Error::param_hint(
            "\"users_who_did\" can not break down a funnel",
            "Break down by a property of events, users or groups.",
        )),
    }
}

/// Where the groups of an event are found.
#[derive(Clone, Copy)]
struct Groups<'m> {
    by: Kind,
    kind: Kind,
    membership: Option<&'m Membership>,
    via_profile: bool,
}

impl Groups<'_> {
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
    column: &crate::chunk::ProfileColumn,
    known: &mut [u32],
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
        return translated(known, code, &column.values, table, budget);
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
    table.code(Some(&Value::List(list)).filter(|_| set), budget)
}
