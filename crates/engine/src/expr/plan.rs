//! How a filter is run over a chunk: masks for `and`, `or` and `not`, a table per dictionary for conditions on one
//! property, plain comparison for numbers, and the interpreter for the rest.

use super::eval::{Node, Nothing, OneValue, Source, ty};
use super::number::NumberTest;
use super::ops::V;
use crate::chunk::{Chunk, Column, GroupColumn, Kind, Membership, ProfileColumn, SharedProfile, SubjectNo};
use crate::error::{Result, try_vec};
use crate::mask::Mask;
use crate::tick::{EVERY, Tick};
use crate::value::Value;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// What a leaf of the tree stands for.
#[derive(Debug, Clone)]
pub(super) enum Leaf {
    /// Never set: nobody ever sent it.
    Unset,
    Property(u32),
    Time,
    Profile {
        of: Of,
        column: SharedProfile,
    },
    /// A property of all groups of one key that the event belongs to, or else its user.
    Groups {
        kind: Kind,
        column: SharedProfile,
        membership: Option<Arc<Membership>>,
    },
}

/// Whose number a profile column is read with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    User,
    Event,
    /// The group that is counted.
    Subject,
}

/// A leaf with the columns of one chunk.
enum Live<'c> {
    Unset,
    Column(&'c Column),
    Time,
    Profile(Of, &'c ProfileColumn),
    Groups {
        attributed: Option<&'c GroupColumn>,
        column: &'c ProfileColumn,
        membership: Option<&'c Membership>,
    },
}

/// A chunk as the leaves of one filter see it.
pub(super) struct Scan<'c> {
    chunk: &'c Chunk,
    live: Vec<Live<'c>>,
}

impl<'c> Scan<'c> {
    pub fn new(chunk: &'c Chunk, leaves: &'c [Leaf]) -> Self {
        let live = leaves.iter().map(|leaf| match leaf {
            Leaf::Unset => Live::Unset,
            Leaf::Property(p) => chunk.property(*p).map_or(Live::Unset, Live::Column),
            Leaf::Time => Live::Time,
            Leaf::Profile { of, column } => Live::Profile(*of, column),
            Leaf::Groups {
                kind,
                column,
                membership,
            } => Live::Groups {
                attributed: chunk.group(*kind),
                column,
                membership: membership.as_deref(),
            },
        });
        Scan {
            chunk,
            live: live.collect(),
        }
    }

    fn user(&self, row: usize) -> SubjectNo {
        self.chunk.user.get(row).copied().unwrap_or(0)
    }
}

/// What masks are about: rows, or further attributions of rows.
pub(super) trait Items {
    fn row(&self, i: usize) -> usize;
    /// The counted group, when the filter asks for it.
    fn subject(&self, i: usize) -> SubjectNo;
}

/// Every row with its first group.
pub(super) struct Rows<'a> {
    pub first: &'a [SubjectNo],
}

impl Items for Rows<'_> {
    fn row(&self, i: usize) -> usize {
        i
    }
    fn subject(&self, i: usize) -> SubjectNo {
        self.first.get(i).copied().unwrap_or(0)
    }
}

/// The entries of [`GroupColumn::more`].
pub(super) struct Further<'a> {
    pub entries: &'a [(u32, SubjectNo)],
}

impl Items for Further<'_> {
    fn row(&self, i: usize) -> usize {
        self.entries.get(i).map_or(usize::MAX, |e| e.0 as usize)
    }
    fn subject(&self, i: usize) -> SubjectNo {
        self.entries.get(i).map_or(0, |e| e.1)
    }
}

/// One row as the source of the leaves.
struct RowSource<'s, 'c> {
    scan: &'s Scan<'c>,
    row: usize,
    subject: SubjectNo,
}

impl Source for RowSource<'_, '_> {
    fn leaf(&self, leaf: usize) -> V<'_> {
        match self.scan.live.get(leaf) {
            None | Some(Live::Unset) => V::Undefined,
            Some(Live::Column(c)) => column_value(c, self.row),
            Some(Live::Time) => self.scan.chunk.time.get(self.row).map_or(V::Undefined, |t| V::Int(*t)),
            Some(Live::Profile(of, column)) => column.get(self.number(*of)).into(),
            Some(Live::Groups {
                attributed,
                column,
                membership,
            }) => {
                let own = attributed.iter().flat_map(|g| g.of_row(self.row));
                let mut own = own.peekable();
                if own.peek().is_some() {
                    return joined(column, own);
                }
                let of_user = membership.map(|m| m.of(self.scan.user(self.row)));
                joined(column, of_user.into_iter().flatten().copied().filter(|g| *g != 0))
            }
        }
    }
}

impl RowSource<'_, '_> {
    fn number(&self, of: Of) -> u32 {
        match of {
            Of::User => self.scan.user(self.row),
            Of::Event => self.scan.chunk.event(self.row),
            Of::Subject => self.subject,
        }
    }
}

fn column_value(column: &Column, row: usize) -> V<'_> {
    match column {
        Column::Dict { values, codes } => coded(values, codes.get(row).copied().unwrap_or(0)),
        Column::Number(v) => v.get(row).map_or(V::Undefined, |f| V::num(*f)),
    }
}

fn coded(values: &[Value], code: u32) -> V<'_> {
    (code as usize).checked_sub(1).and_then(|i| values.get(i)).into()
}

/// The property of one group as it is; of several groups the list of what is set, where elements of lists are elements.
fn joined<'a>(column: &'a ProfileColumn, mut groups: impl Iterator<Item = SubjectNo>) -> V<'a> {
    let Some(one) = groups.next() else {
        return V::Undefined;
    };
    let Some(two) = groups.next() else {
        return column.get(one).into();
    };
    let mut all = Vec::new();
    for group in [one, two].into_iter().chain(groups) {
        match column.get(group) {
            None | Some(Value::Null) => {}
            Some(Value::List(l)) => all.extend(l.iter().cloned()),
            Some(v) => all.push(v.clone()),
        }
    }
    if all.is_empty() {
        V::Undefined
    } else {
        V::List(Cow::Owned(all))
    }
}

/// A filter cut into parts that are run over masks.
#[derive(Debug, Clone)]
pub(super) enum Plan {
    Const(bool),
    And(Vec<Plan>),
    Or(Vec<Plan>),
    Not(Box<Plan>),
    /// A condition on exactly one leaf.
    One {
        leaf: usize,
        node: Node,
        number: Option<NumberTest>,
        /// Its answer for every code of the profile column behind the leaf, once it is known.
        profile: OnceLock<Vec<bool>>,
    },
    Any(Node),
}

impl Plan {
    pub fn new(node: Node) -> Plan {
        let leaves = node.leaves();
        let mut leaves = leaves.iter();
        match (leaves.next(), leaves.next()) {
            (None, _) => Plan::Const(node.eval(&Nothing, None).is_true()),
            (Some(leaf), None) => Plan::One {
                leaf: *leaf,
                number: NumberTest::of(&node),
                node,
                profile: OnceLock::new(),
            },
            _ => match node {
                Node::And(l) => Plan::And(Plan::parts(l)),
                Node::Or(l) => Plan::Or(Plan::parts(l)),
                // Not being true is not enough: the negation of a text is not true either.
                Node::Not(e) if e.types() & !ty::LOGICAL == 0 => Plan::Not(Box::new(Plan::new(*e))),
                node => Plan::Any(node),
            },
        }
    }

    /// Cheap parts first, so that the others see fewer rows.
    fn parts(nodes: Vec<Node>) -> Vec<Plan> {
        let mut parts: Vec<Plan> = nodes.into_iter().map(Plan::new).collect();
        parts.sort_by_key(Plan::cost);
        parts
    }

    fn cost(&self) -> usize {
        match self {
            Plan::Const(_) => 0,
            Plan::One { .. } => 1,
            Plan::And(l) | Plan::Or(l) => l.iter().map(Plan::cost).sum(),
            Plan::Not(p) => p.cost(),
            Plan::Any(_) => 100,
        }
    }

    /// Which of the `picked` items it is true for.
    pub fn run(&self, scan: &Scan, items: &impl Items, picked: &Mask, tick: &mut dyn Tick) -> Result<Mask> {
        match self {
            Plan::Const(true) => Ok(picked.clone()),
            Plan::Const(false) => Ok(Mask::none(picked.len())),
            Plan::And(parts) => {
                let mut left = picked.clone();
                for part in parts {
                    if !left.any() {
                        break;
                    }
                    left = part.run(scan, items, &left, tick)?;
                }
                Ok(left)
            }
            Plan::Or(parts) => {
                let mut open = picked.clone();
                let mut hit = Mask::none(picked.len());
                for part in parts {
                    if !open.any() {
                        break;
                    }
                    let more = part.run(scan, items, &open, tick)?;
                    hit.or(&more);
                    open = without(open, &more);
                }
                Ok(hit)
            }
            Plan::Not(part) => {
                let hit = part.run(scan, items, picked, tick)?;
                Ok(without(picked.clone(), &hit))
            }
            Plan::Any(node) => each(node, scan, items, picked, tick),
            Plan::One {
                leaf,
                node,
                number,
                profile,
            } => One {
                node,
                number: number.as_ref(),
                profile,
                scan,
            }
            .run(*leaf, items, picked, tick),
        }
    }
}

fn without(mut from: Mask, what: &Mask) -> Mask {
    let mut rest = what.clone();
    rest.not();
    from.and(&rest);
    from
}

/// The interpreter, item by item.
fn each(node: &Node, scan: &Scan, items: &impl Items, picked: &Mask, tick: &mut dyn Tick) -> Result<Mask> {
    let mut out = picked.clone();
    out.retain(tick, |i| at_item(node, scan, items, i))?;
    Ok(out)
}

fn at_item(node: &Node, scan: &Scan, items: &impl Items, i: usize) -> bool {
    let source = RowSource {
        scan,
        row: items.row(i),
        subject: items.subject(i),
    };
    node.eval(&source, None).is_true()
}

fn of_value(node: &Node, value: V) -> bool {
    node.eval(&OneValue(value), None).is_true()
}

/// The answer of a condition on one leaf for every code of a dictionary; code 0 = not set.
fn table(node: &Node, values: &[Value], tick: &mut dyn Tick) -> Result<Vec<bool>> {
    let mut out = try_vec(values.len() + 1, "a filter's answers for a dictionary")?;
    out.push(of_value(node, V::Undefined));
    for block in values.chunks(EVERY) {
        tick.tick()?;
        out.extend(block.iter().map(|v| of_value(node, v.into())));
    }
    Ok(out)
}

fn answer(table: &[bool], code: u32) -> bool {
    table.get(code as usize).copied().unwrap_or(false)
}

/// A condition on one leaf at work.
struct One<'p, 'c> {
    node: &'p Node,
    number: Option<&'p NumberTest>,
    profile: &'p OnceLock<Vec<bool>>,
    scan: &'p Scan<'c>,
}

impl One<'_, '_> {
    fn run(&self, leaf: usize, items: &impl Items, picked: &Mask, tick: &mut dyn Tick) -> Result<Mask> {
        let (node, scan) = (self.node, self.scan);
        let mut out = picked.clone();
        match scan.live.get(leaf) {
            None | Some(Live::Unset) => {
                if !of_value(node, V::Undefined) {
                    out = Mask::none(picked.len());
                }
            }
            Some(Live::Column(Column::Dict { values, codes })) => {
                let code = |i: usize| codes.get(items.row(i)).copied().unwrap_or(0);
                if picked.count() > values.len() {
                    let table = table(node, values, tick)?;
                    out.retain(tick, |i| answer(&table, code(i)))?;
                } else {
                    out.retain(tick, |i| of_value(node, coded(values, code(i))))?;
                }
            }
            Some(Live::Column(Column::Number(v))) => {
                let value = |i: usize| v.get(items.row(i)).copied().unwrap_or(f64::NAN);
                match self.number {
                    Some(test) => test.retain(&mut out, tick, value)?,
                    None => out.retain(tick, |i| of_value(node, V::num(value(i))))?,
                }
            }
            Some(Live::Time) => match self.number {
                Some(test) => {
                    let time = |i: usize| scan.chunk.time.get(items.row(i)).map_or(f64::NAN, |t| *t as f64);
                    test.retain(&mut out, tick, time)?;
                }
                None => return each(node, scan, items, picked, tick),
            },
            Some(Live::Profile(of, column)) => {
                let number = |i: usize| match of {
                    Of::User => scan.user(items.row(i)),
                    Of::Event => scan.chunk.event(items.row(i)),
                    Of::Subject => items.subject(i),
                };
                match self.profile_table(column, picked, tick)? {
                    Some(table) => out.retain(tick, |i| answer(table, column.code(number(i))))?,
                    None => out.retain(tick, |i| of_value(node, column.get(number(i)).into()))?,
                }
            }
            Some(Live::Groups {
                attributed,
                column,
                membership,
            }) => {
                let Some(table) = self.profile_table(column, picked, tick)? else {
                    return each(node, scan, items, picked, tick);
                };
                let mut several = Mask::none(scan.chunk.len());
                let further = attributed.map_or(&[][..], |g| &g.more);
                further.iter().for_each(|(row, _)| several.set(*row as usize, true));
                out.retain(tick, |i| {
                    let row = items.row(i);
                    let first = attributed.and_then(|g| g.first.get(row)).copied().unwrap_or(0);
                    if several.get(row) || first == 0 && membership.is_some() {
                        at_item(node, scan, items, i)
                    } else {
                        answer(table, column.code(first))
                    }
                })?;
            }
        }
        Ok(out)
    }

    /// The answers for a profile column, unless it holds far more values than rows are asked for.
    fn profile_table(&self, column: &ProfileColumn, picked: &Mask, tick: &mut dyn Tick) -> Result<Option<&[bool]>> {
        if let Some(t) = self.profile.get() {
            return Ok(Some(t));
        }
        if column.values.len() > EVERY.max(picked.count().saturating_mul(16)) {
            return Ok(None);
        }
        let table = table(self.node, &column.values, tick)?;
        Ok(Some(self.profile.get_or_init(|| table)))
    }
}
