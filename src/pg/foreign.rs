//! Relations that are computed when they are read: a foreign data wrapper around a [`Relation`].
//!
//! What a query needs of it, the columns and the conditions that say where rows lie, is found by `plan`; this file runs
//! the scan. Rows are handed over piece by piece and kept by Postgres until they are fetched, on disk when they are many,
//! so that a LIMIT ends early and a large relation needs little memory.

mod plan;
mod rows;

pub use rows::{Cell, Rows};

use crate::error::{Failure, Result};
use crate::pg::ErrorReport;
use pgrx::memcxt::PgMemoryContexts;
use pgrx::pg_sys::panic::ErrorReportable;
use pgrx::{FromDatum, PgBox, direct_function_call, pg_sys};
use std::ffi::{CStr, CString};

/// How a column is compared to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
    /// Equal to one of several.
    AnyOf,
}

/// What a column is compared to.
#[derive(Debug, Clone)]
pub enum Value {
    Texts(Vec<String>),
    /// Microseconds since 2000-01-01 UTC; the ends of the range are the infinities.
    Instant(i64),
}

/// Every row that the query wants meets this. Postgres checks it again: a relation may use it or not.
#[derive(Debug, Clone)]
pub struct Condition {
    pub column: String,
    pub op: Op,
    pub value: Value,
}

/// What a query asks of a relation.
#[derive(Debug, Default)]
pub struct Asked {
    pub schema: String,
    pub relation: String,
    /// The columns whose values are looked at.
    pub columns: Vec<String>,
    pub conditions: Vec<Condition>,
}

/// A relation that is being read.
pub trait Relation: Sized + 'static {
    /// The columns that conditions on can save work.
    const PRUNES_BY: &'static [&'static str];

    /// How many rows there are, roughly; for the planner.
    fn estimate(schema: &str, relation: &str) -> Result<f64>;

    /// Begins to read.
    fn open(asked: Asked) -> Result<Self>;

    /// Adds the next rows; false when there are none after them.
    fn fill(&mut self, rows: &mut Rows) -> Result<bool>;

    /// What was read, for EXPLAIN ANALYZE.
    fn explain(&self) -> Vec<(&'static str, String)>;
}

/// The answer of a function that RETURNS fdw_handler, as the number that its datum is.
pub fn handler<T: Relation>() -> i64 {
    // SAFETY: a node of its own type, made in the memory of the caller, who keeps it as long as it is in use.
    let mut routine = unsafe { PgBox::<pg_sys::FdwRoutine>::alloc_node(pg_sys::NodeTag::T_FdwRoutine) };
    routine.GetForeignRelSize = Some(plan::size::<T>);
    routine.GetForeignPaths = Some(plan::paths);
    routine.GetForeignPlan = Some(plan::plan::<T>);
    routine.BeginForeignScan = Some(begin::<T>);
    routine.IterateForeignScan = Some(iterate::<T>);
    routine.ReScanForeignScan = Some(rescan::<T>);
    routine.EndForeignScan = Some(end::<T>);
    routine.ExplainForeignScan = Some(explain::<T>);
    routine.into_pg() as i64
}

/// Schema and name of a relation.
///
/// # Safety
/// `oid` is that of a relation that is locked.
unsafe fn names(oid: pg_sys::Oid) -> Result<(String, String)> {
    // SAFETY: the caller's relation exists while it is locked; both answers are palloc'd texts or NULL.
    unsafe {
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(oid));
        let name = pg_sys::get_rel_name(oid);
        if schema.is_null() || name.is_null() {
            return Err(Failure::internal("a relation without a name"));
        }
        let text = |p: *const std::ffi::c_char| CStr::from_ptr(p).to_string_lossy().into_owned();
        Ok((text(schema), text(name)))
    }
}

/// Turns what was found wrong into an ERROR.
fn raised<R>(result: Result<R>) -> R {
    result.map_err(ErrorReport::from).unwrap_or_report()
}

/// A scan between two of its rows.
struct Scan<T> {
    relation: Option<T>,
    /// The values of the conditions, to be computed when the scan begins.
    values: *mut pg_sys::List,
    conditions: Vec<plan::Planned>,
    rows: Option<Rows>,
    finished: bool,
}

/// The scan of a node, which `begin` made; `None` under a plain EXPLAIN.
///
/// # Safety
/// `node` is a node of ours that the executor is running.
unsafe fn scan_of<'a, T: Relation>(node: *mut pg_sys::ForeignScanState) -> Option<&'a mut Scan<T>> {
    // SAFETY: fdw_state is NULL or what `begin` has put there, which lives as long as the memory of the query.
    unsafe { (*node).fdw_state.cast::<Scan<T>>().as_mut() }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn begin<T: Relation>(node: *mut pg_sys::ForeignScanState, flags: std::ffi::c_int) {
    if flags as u32 & pg_sys::EXEC_FLAG_EXPLAIN_ONLY != 0 {
        return;
    }
    // SAFETY: the executor's nodes are valid while the query runs, the plan is one that `plan::plan` has made, and the
    // current memory context is that of the query. What is made here is dropped with it, also after an error.
    unsafe {
        let plan = (*node).ss.ps.plan.cast::<pg_sys::ForeignScan>();
        let values = pg_sys::ExecInitExprList((*plan).fdw_exprs, node.cast());
        let scan = Scan::<T> {
            relation: None,
            values,
            conditions: raised(plan::conditions((*plan).fdw_private)),
            rows: None,
            finished: false,
        };
        let kept = PgMemoryContexts::For((*(*node).ss.ps.state).es_query_cxt).leak_and_drop_on_delete(scan);
        (*node).fdw_state = kept.cast();
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn iterate<T: Relation>(node: *mut pg_sys::ForeignScanState) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the executor calls this between `begin` and `end`, with the slot of the scan.
    unsafe {
        let slot = (*node).ss.ss_ScanTupleSlot;
        pg_sys::ExecClearTuple(slot);
        let Some(scan) = scan_of::<T>(node) else {
            return slot;
        };
        loop {
            if scan.rows.as_mut().is_some_and(|rows| rows.take(slot)) || scan.finished {
                return slot;
            }
            let rows = match &mut scan.rows {
                Some(rows) => {
                    rows.clear();
                    rows
                }
                none => none.insert(Rows::new(node)),
            };
            if scan.relation.is_none() {
                match raised(asked(node, scan.values, &scan.conditions)) {
                    Some(asked) => scan.relation = Some(raised(T::open(asked))),
                    None => scan.finished = true,
                }
            }
            if let Some(relation) = &mut scan.relation {
                scan.finished = !raised(relation.fill(rows));
            }
        }
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn rescan<T: Relation>(node: *mut pg_sys::ForeignScanState) {
    // SAFETY: the executor calls this between `begin` and `end`.
    if let Some(scan) = unsafe { scan_of::<T>(node) } {
        scan.relation = None;
        scan.finished = false;
        if let Some(rows) = &mut scan.rows {
            rows.clear();
        }
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn end<T: Relation>(node: *mut pg_sys::ForeignScanState) {
    // SAFETY: the executor calls this once, after everything else.
    if let Some(scan) = unsafe { scan_of::<T>(node) } {
        scan.relation = None;
        if let Some(rows) = scan.rows.take() {
            rows.end();
        }
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn explain<T: Relation>(
    node: *mut pg_sys::ForeignScanState,
    state: *mut pg_sys::ExplainState,
) {
    // SAFETY: the plan is one of ours; labels and values are C strings that EXPLAIN copies.
    unsafe {
        let show = |label: &str, value: &str| {
            if let (Ok(label), Ok(value)) = (CString::new(label), CString::new(value)) {
                pg_sys::ExplainPropertyText(label.as_ptr(), value.as_ptr(), state);
            }
        };
        let plan = (*node).ss.ps.plan.cast::<pg_sys::ForeignScan>();
        let mut pruned: Vec<String> = raised(plan::conditions((*plan).fdw_private))
            .iter()
            .filter_map(|c| column_name(node, c.column))
            .collect();
        pruned.dedup();
        if !pruned.is_empty() {
            show("Pruned by", &pruned.join(", "));
        }
        if let Some(relation) = scan_of::<T>(node).and_then(|s| s.relation.as_ref()) {
            for (label, value) in relation.explain() {
                show(label, &value);
            }
        }
    }
}

/// The name of a column of the scanned relation.
///
/// # Safety
/// `node` is a node of ours that the executor has set up.
unsafe fn column_name(node: *mut pg_sys::ForeignScanState, attribute: i32) -> Option<String> {
    // SAFETY: the relation is open as long as the node is.
    unsafe {
        let oid = (*(*node).ss.ss_currentRelation).rd_id;
        let name = pg_sys::get_attname(oid, attribute as pg_sys::AttrNumber, true);
        (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}

/// What the query asks, with the values that its conditions have now; `None` when one of them can't be true.
///
/// # Safety
/// `node` is a node of ours that the executor is running, with its list of values.
unsafe fn asked(
    node: *mut pg_sys::ForeignScanState,
    values: *mut pg_sys::List,
    conditions: &[plan::Planned],
) -> Result<Option<Asked>> {
    // SAFETY: relation and plan belong to the node; each expression is a state that ExecInitExprList has made for it, and
    // is evaluated in the memory of one row, which is where the executor has us.
    unsafe {
        let oid = (*(*node).ss.ss_currentRelation).rd_id;
        let (schema, relation) = names(oid)?;
        let mut asked = Asked {
            schema,
            relation,
            ..Asked::default()
        };
        let plan = (*node).ss.ps.plan.cast::<pg_sys::ForeignScan>();
        for attribute in plan::columns((*plan).fdw_private)? {
            asked.columns.extend(column_name(node, attribute));
        }
        let context = (*node).ss.ps.ps_ExprContext;
        for (i, condition) in conditions.iter().enumerate() {
            let state = pg_sys::list_nth(values, i as i32).cast::<pg_sys::ExprState>();
            let Some(evaluate) = (*state).evalfunc else {
                continue;
            };
            let mut is_null = false;
            let datum = evaluate(state, context, &mut is_null);
            if is_null {
                return Ok(None);
            }
            let Some(value) = value(datum, condition.value) else {
                return Ok(None);
            };
            asked
                .conditions
                .extend(column_name(node, condition.column).map(|column| Condition {
                    column,
                    op: condition.op,
                    value,
                }));
        }
        Ok(Some(asked))
    }
}

/// Days from 2000-01-01 to the end of the range of timestamps, 294277-01-01; infinity is greater.
const DAYS_OF_INSTANTS: i32 = 106_751_983;

/// A value of a condition; `None` = NULL.
///
/// # Safety
/// `datum` is a value of the type, not NULL.
unsafe fn value(datum: pg_sys::Datum, of: pg_sys::Oid) -> Option<Value> {
    // SAFETY: see above; the functions take the type they are called with.
    unsafe {
        let instant = |d: pg_sys::Datum| Value::Instant(d.value() as i64);
        match of {
            pg_sys::TIMESTAMPTZOID => Some(instant(datum)),
            pg_sys::TIMESTAMPOID => {
                direct_function_call::<pg_sys::Datum>(pg_sys::timestamp_timestamptz, &[Some(datum)]).map(instant)
            }
            // Days beyond what an instant can hold are later than every event.
            pg_sys::DATEOID if datum.value() as i32 >= DAYS_OF_INSTANTS => Some(Value::Instant(i64::MAX)),
            pg_sys::DATEOID => {
                direct_function_call::<pg_sys::Datum>(pg_sys::date_timestamptz, &[Some(datum)]).map(instant)
            }
            pg_sys::TEXTARRAYOID => {
                let texts = Vec::<Option<String>>::from_datum(datum, false)?;
                Some(Value::Texts(texts.into_iter().flatten().collect()))
            }
            _ => String::from_datum(datum, false).map(|text| Value::Texts(vec![text])),
        }
    }
}
