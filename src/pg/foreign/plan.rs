//! What a query needs of a relation, found while it is planned: columns, and conditions that compare one to a value.
//!
//! A value may be a constant, a parameter, or anything else that is the same for the whole scan, such as
//! `now() - interval '30 days'`; it is computed when the scan begins. All conditions also stay with Postgres.

use super::{Op, Relation, names, raised};
use crate::error::{Failure, Result};
use pgrx::pg_sys::NodeTag;
use pgrx::{PgList, is_a, pg_sys};
use std::ffi::CStr;
use std::ptr::null_mut;

/// A condition whose value is not known yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planned {
    /// The number of the column.
    pub column: i32,
    pub op: Op,
    /// The type of the value.
    pub value: pg_sys::Oid,
}

/// The B-tree families of timestamptz and its relatives, and of text.
const INSTANTS: pg_sys::Oid = pg_sys::Oid::from_u32(434);
const TEXTS: pg_sys::Oid = pg_sys::Oid::from_u32(1994);

/// The operators by the number that a B-tree has for each, from 1.
const STRATEGIES: [Op; 5] = [Op::Less, Op::LessOrEqual, Op::Equal, Op::GreaterOrEqual, Op::Greater];
const ANY_OF: i32 = 6;

fn op(number: i32) -> Option<Op> {
    match number {
        ANY_OF => Some(Op::AnyOf),
        _ => STRATEGIES.get(usize::try_from(number).ok()?.checked_sub(1)?).copied(),
    }
}

#[pgrx::pg_guard]
pub(super) unsafe extern "C-unwind" fn size<T: Relation>(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    table: pg_sys::Oid,
) {
    // SAFETY: the planner's own nodes, and a table that it has locked.
    unsafe {
        let (schema, name) = raised(names(table));
        let rows = raised(T::estimate(&schema, &name)).max(1.0);
        let wanted = pg_sys::clauselist_selectivity(
            root,
            (*rel).baserestrictinfo,
            0,
            pg_sys::JoinType::JOIN_INNER,
            null_mut(),
        );
        (*rel).tuples = rows;
        (*rel).rows = (rows * wanted).max(1.0).round();
    }
}

/// What reading a row costs, in units of the planner: it is decoded and written as JSON.
const ROW_COST: f64 = 0.05;

#[pgrx::pg_guard]
pub(super) unsafe extern "C-unwind" fn paths(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    _table: pg_sys::Oid,
) {
    // SAFETY: the planner's own nodes; the one way there is to read the relation is added to them.
    unsafe {
        let (rows, cost) = ((*rel).rows, 10.0 + (*rel).rows * ROW_COST);
        #[cfg(any(feature = "pg14", feature = "pg15", feature = "pg16"))]
        let path = pg_sys::create_foreignscan_path(
            root,
            rel,
            null_mut(),
            rows,
            10.0,
            cost,
            null_mut(),
            (*rel).lateral_relids,
            null_mut(),
            null_mut(),
        );
        #[cfg(feature = "pg17")]
        let path = pg_sys::create_foreignscan_path(
            root,
            rel,
            null_mut(),
            rows,
            10.0,
            cost,
            null_mut(),
            (*rel).lateral_relids,
            null_mut(),
            null_mut(),
            null_mut(),
        );
        #[cfg(feature = "pg18")]
        let path = pg_sys::create_foreignscan_path(
            root,
            rel,
            null_mut(),
            rows,
            0,
            10.0,
            cost,
            null_mut(),
            (*rel).lateral_relids,
            null_mut(),
            null_mut(),
            null_mut(),
        );
        pg_sys::add_path(rel, path.cast());
    }
}

#[pgrx::pg_guard]
pub(super) unsafe extern "C-unwind" fn plan<T: Relation>(
    _root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    table: pg_sys::Oid,
    _path: *mut pg_sys::ForeignPath,
    targets: *mut pg_sys::List,
    clauses: *mut pg_sys::List,
    outer: *mut pg_sys::Plan,
) -> *mut pg_sys::ForeignScan {
    // SAFETY: the planner's own nodes. The lists made here are of integers and of expressions of the query, which the
    // planner can copy with the plan.
    unsafe {
        let clauses = pg_sys::extract_actual_clauses(clauses, false);
        let columns = needed(rel, clauses);
        let (mut private, mut values) = (null_mut(), null_mut());
        for clause in PgList::<pg_sys::Node>::from_pg(clauses).iter_ptr() {
            let Some((found, value)) = condition((*rel).relid, clause) else {
                continue;
            };
            let column = pg_sys::get_attname(table, found.0 as pg_sys::AttrNumber, true);
            let prunes = |name: &CStr| T::PRUNES_BY.iter().any(|n| n.as_bytes() == name.to_bytes());
            if column.is_null() || !prunes(CStr::from_ptr(column)) {
                continue;
            }
            values = pg_sys::lappend(values, value.cast());
            for number in [found.0, found.1, found.2.to_u32() as i32] {
                private = pg_sys::lappend_int(private, number);
            }
        }
        let private = pg_sys::lappend(pg_sys::lappend(null_mut(), columns.cast()), private.cast());
        pg_sys::make_foreignscan(
            targets,
            clauses,
            (*rel).relid,
            values,
            private,
            null_mut(),
            null_mut(),
            outer,
        )
    }
}

/// The numbers of the columns that the query looks at.
///
/// # Safety
/// `rel` is the planner's, `clauses` are those of its scan.
unsafe fn needed(rel: *mut pg_sys::RelOptInfo, clauses: *mut pg_sys::List) -> *mut pg_sys::List {
    // SAFETY: both lists are of expressions; a set of the planner is read member by member.
    unsafe {
        let mut set = null_mut();
        pg_sys::pull_varattnos((*(*rel).reltarget).exprs.cast(), (*rel).relid, &mut set);
        pg_sys::pull_varattnos(clauses.cast(), (*rel).relid, &mut set);
        let mut columns = null_mut();
        let all = pg_sys::bms_is_member(-pg_sys::FirstLowInvalidHeapAttributeNumber, set);
        for attribute in 1..=i32::from((*rel).max_attr) {
            if all || pg_sys::bms_is_member(attribute - pg_sys::FirstLowInvalidHeapAttributeNumber, set) {
                columns = pg_sys::lappend_int(columns, attribute);
            }
        }
        columns
    }
}

/// Column, operator and type of the value of a condition that compares a column to something else, and the value.
///
/// # Safety
/// `clause` is an expression of the planner.
unsafe fn condition(
    rel: pg_sys::Index,
    clause: *mut pg_sys::Node,
) -> Option<((i32, i32, pg_sys::Oid), *mut pg_sys::Expr)> {
    // SAFETY: the tag of a node says what it is; arguments of operators are expressions.
    unsafe {
        if is_a(clause, NodeTag::T_OpExpr) {
            let expr = clause.cast::<pg_sys::OpExpr>();
            let args = PgList::<pg_sys::Node>::from_pg((*expr).args);
            let (left, right) = (args.get_ptr(0)?, args.get_ptr(1)?);
            if let Some(var) = column(rel, left) {
                let (number, value) = compared((*var).vartype, (*expr).opno, (*expr).inputcollid)?;
                return fixed(right).map(|v| ((i32::from((*var).varattno), number, value), v));
            }
            let var = column(rel, right)?;
            let swapped = pg_sys::get_commutator((*expr).opno);
            let (number, value) = compared((*var).vartype, swapped, (*expr).inputcollid)?;
            return fixed(left).map(|v| ((i32::from((*var).varattno), number, value), v));
        }
        if is_a(clause, NodeTag::T_ScalarArrayOpExpr) {
            let expr = clause.cast::<pg_sys::ScalarArrayOpExpr>();
            let args = PgList::<pg_sys::Node>::from_pg((*expr).args);
            let (left, right) = (args.get_ptr(0)?, args.get_ptr(1)?);
            let var = column(rel, left)?;
            let (number, _) = compared((*var).vartype, (*expr).opno, (*expr).inputcollid)?;
            let texts = (*var).vartype == pg_sys::TEXTOID && pg_sys::exprType(right) == pg_sys::TEXTARRAYOID;
            if !(*expr).useOr || op(number) != Some(Op::Equal) || !texts {
                return None;
            }
            return fixed(right).map(|v| ((i32::from((*var).varattno), ANY_OF, pg_sys::TEXTARRAYOID), v));
        }
        None
    }
}

/// The column that an expression is.
///
/// # Safety
/// `node` is an expression of the planner.
unsafe fn column(rel: pg_sys::Index, node: *mut pg_sys::Node) -> Option<*mut pg_sys::Var> {
    // SAFETY: the tag of a node says what it is.
    unsafe {
        let var = node.cast::<pg_sys::Var>();
        let ours = is_a(node, NodeTag::T_Var) && (*var).varno as u32 == rel;
        (ours && (*var).varlevelsup == 0 && (*var).varattno > 0).then_some(var)
    }
}

/// An expression, if its value is the same for all rows of the scan.
///
/// # Safety
/// `node` is an expression of the planner.
unsafe fn fixed(node: *mut pg_sys::Node) -> Option<*mut pg_sys::Expr> {
    // SAFETY: both only look at the expression.
    let varies = unsafe { pg_sys::contain_var_clause(node) || pg_sys::contain_volatile_functions(node) };
    (!varies).then_some(node.cast())
}

/// The number of an operator on a column of a type, and the type that it compares the column to.
///
/// # Safety
/// `operator` is the oid of an operator, or none.
unsafe fn compared(column: pg_sys::Oid, operator: pg_sys::Oid, collation: pg_sys::Oid) -> Option<(i32, pg_sys::Oid)> {
    // SAFETY: look-ups in the catalogs; the family is asked whether it has the operator before it is asked for more.
    unsafe {
        let of_family = |family| operator != pg_sys::InvalidOid && pg_sys::op_in_opfamily(operator, family);
        let (mut number, mut left, mut right) = (0, pg_sys::InvalidOid, pg_sys::InvalidOid);
        match column {
            pg_sys::TIMESTAMPTZOID if of_family(INSTANTS) => {
                pg_sys::get_op_opfamily_properties(operator, INSTANTS, false, &mut number, &mut left, &mut right);
                let known = [pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPOID, pg_sys::DATEOID].contains(&right);
                (left == pg_sys::TIMESTAMPTZOID && known).then_some((number, right))
            }
            // Where different texts can be equal, Postgres decides alone.
            pg_sys::TEXTOID if of_family(TEXTS) && pg_sys::get_collation_isdeterministic(collation) => {
                number = pg_sys::get_op_opfamily_strategy(operator, TEXTS);
                (op(number) == Some(Op::Equal)).then_some((number, pg_sys::TEXTOID))
            }
            _ => None,
        }
    }
}

/// The columns and the conditions of a plan.
///
/// # Safety
/// `private` is the list that `plan` made.
unsafe fn unpacked(private: *mut pg_sys::List) -> Result<(Vec<i32>, Vec<i32>)> {
    // SAFETY: see above: two lists of integers, of which empty ones are NULL.
    unsafe {
        let integers = |n| {
            let list = PgList::<()>::from_pg(pg_sys::list_nth(private, n).cast());
            (0..list.len()).map(|i| list.get_int(i)).collect::<Option<Vec<i32>>>()
        };
        integers(0)
            .zip(integers(1))
            .ok_or_else(|| Failure::internal("a plan that is not ours"))
    }
}

/// The numbers of the columns that a plan needs.
///
/// # Safety
/// `private` is the list that `plan` made.
pub(super) unsafe fn columns(private: *mut pg_sys::List) -> Result<Vec<i32>> {
    // SAFETY: as above.
    Ok(unsafe { unpacked(private) }?.0)
}

/// The conditions of a plan, in the order of their values.
///
/// # Safety
/// `private` is the list that `plan` made.
pub(super) unsafe fn conditions(private: *mut pg_sys::List) -> Result<Vec<Planned>> {
    // SAFETY: as above.
    let numbers = unsafe { unpacked(private) }?.1;
    let planned = |n: &[i32]| match *n {
        [column, number, value] => Some(Planned {
            column,
            op: op(number)?,
            value: pg_sys::Oid::from_u32(value as u32),
        }),
        _ => None,
    };
    numbers
        .chunks(3)
        .map(planned)
        .collect::<Option<_>>()
        .ok_or_else(|| Failure::internal("a plan that is not ours"))
}
