//! The rows of a relation between the moment they are found and the moment they are fetched.

use crate::error::{Failure, Result};
use pgrx::memcxt::PgMemoryContexts;
use pgrx::{IntoDatum, PgSqlErrorCode, direct_function_call_as_datum, pg_sys};
use std::ffi::CStr;

/// Bytes of values made before their memory is taken back.
const MOST_MADE: usize = 1 << 20;

/// A value of a column.
#[derive(Debug, Clone, Copy)]
pub enum Cell<'a> {
    Null,
    Text(&'a str),
    /// Microseconds since 2000-01-01 UTC.
    Instant(i64),
    /// A JSON text that ends with a NUL.
    Json(&'a [u8]),
}

/// Rows that were found and not fetched yet.
pub struct Rows {
    store: *mut pg_sys::Tuplestorestate,
    row: pg_sys::TupleDesc,
    /// The row that was fetched last; scans have slots of another kind.
    fetched: *mut pg_sys::TupleTableSlot,
    /// Names and types of the columns; of one that was dropped the name is empty.
    columns: Vec<(String, pg_sys::Oid)>,
    /// The memory of the query, and a part of it that is taken back with everything else.
    of_query: pg_sys::MemoryContext,
    scratch: pg_sys::MemoryContext,
    made: usize,
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
}

impl Rows {
    /// No rows yet, of the relation that a node scans.
    ///
    /// # Safety
    /// `node` is a node that the executor is running.
    pub(super) unsafe fn new(node: *mut pg_sys::ForeignScanState) -> Rows {
        // SAFETY: the relation and its description stay open with the node; the store is made in the memory of the query,
        // as it outlives the row that is asked for.
        unsafe {
            let of_query = (*(*node).ss.ps.state).es_query_cxt;
            let scratch = pg_sys::AllocSetContextCreateInternal(
                of_query,
                c"rows of a relation".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            );
            let old = pg_sys::MemoryContextSwitchTo(of_query);
            let store = pg_sys::tuplestore_begin_heap(false, false, pg_sys::work_mem);
            let row = pg_sys::CreateTupleDescCopy((*(*node).ss.ss_currentRelation).rd_att);
            let fetched = pg_sys::MakeSingleTupleTableSlot(row, &raw const pg_sys::TTSOpsMinimalTuple);
            pg_sys::MemoryContextSwitchTo(old);
            let columns = pgrx::PgTupleDesc::from_pg_copy(row)
                .iter()
                .map(|a| {
                    (
                        if a.attisdropped {
                            String::new()
                        } else {
                            a.name().to_string()
                        },
                        a.atttypid,
                    )
                })
                .collect::<Vec<_>>();
            Rows {
                store,
                row,
                fetched,
                of_query,
                scratch,
                made: 0,
                values: vec![pg_sys::Datum::from(0); columns.len()],
                nulls: vec![true; columns.len()],
                columns,
            }
        }
    }

    /// Puts the next row into an empty slot, where it stays until the next one is taken; false when there is none.
    ///
    /// # Safety
    /// `slot` is one for rows of the relation.
    pub(super) unsafe fn take(&mut self, slot: *mut pg_sys::TupleTableSlot) -> bool {
        // SAFETY: the store lives until `end`, and nothing is put into it before the next row is asked for. A row from disk
        // is made in the memory of the query, for our own slot frees it; both slots have one value for each column.
        unsafe {
            let old = pg_sys::MemoryContextSwitchTo(self.of_query);
            let found = pg_sys::tuplestore_gettupleslot(self.store, true, false, self.fetched);
            pg_sys::MemoryContextSwitchTo(old);
            if !found {
                return false;
            }
            pg_sys::slot_getsomeattrs_int(self.fetched, (*self.row).natts);
            for i in 0..self.columns.len() {
                *(*slot).tts_values.add(i) = *(*self.fetched).tts_values.add(i);
                *(*slot).tts_isnull.add(i) = *(*self.fetched).tts_isnull.add(i);
            }
            pg_sys::ExecStoreVirtualTuple(slot);
            true
        }
    }

    /// Forgets all rows.
    pub(super) fn clear(&mut self) {
        // SAFETY: the store lives until `end`.
        unsafe { pg_sys::tuplestore_clear(self.store) }
    }

    /// Gives the files of the rows back.
    pub(super) fn end(self) {
        // SAFETY: nothing uses the store after this.
        unsafe { pg_sys::tuplestore_end(self.store) }
    }

    /// The place of a column, if the relation has it.
    pub fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|(name, _)| name == column)
    }

    /// Adds a row: values at their places; every other column is NULL.
    pub fn push(&mut self, cells: &[(usize, Cell)]) -> Result<()> {
        let (store, row, columns) = (self.store, self.row, &self.columns);
        let (values, nulls) = (&mut self.values, &mut self.nulls);
        nulls.fill(true);
        let mut bytes = 0;
        // SAFETY: each value is of the type of its column, which is checked, and `values` and `nulls` have one element for
        // each column. The store copies the row; what was made for it lies in our own context, of which nothing is used
        // afterwards. jsonb_in takes a C string, of which it keeps nothing.
        unsafe {
            PgMemoryContexts::For(self.scratch).switch_to(|_| -> Result<()> {
                for (place, cell) in cells {
                    let (datum, of) = match cell {
                        Cell::Null => continue,
                        Cell::Text(text) => {
                            bytes += text.len();
                            (text.into_datum(), pg_sys::TEXTOID)
                        }
                        Cell::Instant(us) => (Some(pg_sys::Datum::from(*us)), pg_sys::TIMESTAMPTZOID),
                        Cell::Json(json) => {
                            bytes += json.len();
                            let text = CStr::from_bytes_with_nul(json)
                                .map_err(|_| Failure::internal("a text with NUL inside"))?;
                            let argument = pg_sys::Datum::from(text.as_ptr());
                            let value = direct_function_call_as_datum(pg_sys::jsonb_in, &[Some(argument)]);
                            (value, pg_sys::JSONBOID)
                        }
                    };
                    let column = columns.get(*place).filter(|(_, is)| *is == of);
                    let (Some(_), Some(datum), Some(value), Some(null)) =
                        (column, datum, values.get_mut(*place), nulls.get_mut(*place))
                    else {
                        return Err(wrong_type(columns.get(*place)));
                    };
                    (*value, *null) = (datum, false);
                }
                pg_sys::tuplestore_putvalues(store, row, values.as_mut_ptr(), nulls.as_mut_ptr());
                Ok(())
            })?;
        }
        self.made = self.made.saturating_add(bytes);
        if self.made > MOST_MADE {
            self.made = 0;
            // SAFETY: see above: nothing in it is used any more.
            unsafe { pg_sys::MemoryContextReset(self.scratch) };
        }
        Ok(())
    }
}

fn wrong_type(column: Option<&(String, pg_sys::Oid)>) -> Failure {
    let name = column.map_or("", |(name, _)| name);
    Failure::new(
        PgSqlErrorCode::ERRCODE_FDW_INVALID_DATA_TYPE,
        format!("column \"{name}\" has another type than create_project gave it"),
        "Give it the type that events, users and groups of a new project have.",
    )
}
