//! SQL from Rust: read-only and writing statements with kept plans, values borrowed from the result.
//!
//! `read` always executes read-only, on the snapshot of the calling statement: no transaction id is assigned (so it
//! works on a hot standby) and a report sees one state of the data, whatever its own transaction wrote before.

use crate::error::{Failure, Result};
use engine::error::Error;
use pgrx::prelude::*;
use pgrx::{FromDatum, IntoDatum, pg_sys};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::marker::PhantomData;

/// Proof of a connection to SPI; statements are run through it.
pub struct Sql {
    _not_send: PhantomData<*mut ()>,
}

/// A statement parameter.
#[derive(Clone, Copy)]
pub enum Arg<'a> {
    Bool(bool),
    Int2(i16),
    Int4(i32),
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Oid(pg_sys::Oid),
    Int4s(&'a [i32]),
    Ints(&'a [i64]),
    Texts(&'a [&'a str]),
    ByteStrings(&'a [&'a [u8]]),
}

impl Arg<'_> {
    fn type_oid(&self) -> pg_sys::Oid {
        match self {
            Arg::Bool(_) => pg_sys::BOOLOID,
            Arg::Int2(_) => pg_sys::INT2OID,
            Arg::Int4(_) => pg_sys::INT4OID,
            Arg::Int(_) => pg_sys::INT8OID,
            Arg::Text(_) => pg_sys::TEXTOID,
            Arg::Bytes(_) => pg_sys::BYTEAOID,
            Arg::Oid(_) => pg_sys::OIDOID,
            Arg::Int4s(_) => pg_sys::INT4ARRAYOID,
            Arg::Ints(_) => pg_sys::INT8ARRAYOID,
            Arg::Texts(_) => pg_sys::TEXTARRAYOID,
            Arg::ByteStrings(_) => pg_sys::BYTEAARRAYOID,
        }
    }

    fn datum(&self) -> Result<pg_sys::Datum> {
        let datum = match *self {
            Arg::Bool(v) => v.into_datum(),
            Arg::Int2(v) => v.into_datum(),
            Arg::Int4(v) => v.into_datum(),
            Arg::Int(v) => v.into_datum(),
            Arg::Text(v) => v.into_datum(),
            Arg::Bytes(v) => fits(v.len())?.then(|| v.into_datum()).flatten(),
            Arg::Oid(v) => v.into_datum(),
            Arg::Int4s(v) => v.into_datum(),
            Arg::Ints(v) => v.into_datum(),
            Arg::Texts(v) => v.into_datum(),
            Arg::ByteStrings(v) => fits(v.iter().map(|b| b.len() + 8).sum())?
                .then(|| v.to_vec().into_datum())
                .flatten(),
        };
        datum.ok_or_else(|| Failure::internal("a statement parameter could not be converted"))
    }
}

/// A value above 1 GB cannot be a Postgres datum: say so instead of failing inside palloc.
fn fits(bytes: usize) -> Result<bool> {
    if bytes >= 0x3fff_ff00 {
        return Err(Error::Limit {
            message: format!("a stored value of {bytes} bytes is larger than 1 GB"),
            hint: Some("Send the events in smaller batches.".into()),
        }
        .into());
    }
    Ok(true)
}

/// Kept plans of this backend, by statement text. Postgres re-plans them when tables, roles or settings change.
struct Plans(HashMap<String, pg_sys::SPIPlanPtr>);

/// More texts than this are not expected of one backend (a few per project); then the plans are made anew.
const MAX_PLANS: usize = 1000;

thread_local! {
    static PLANS: RefCell<Plans> = RefCell::new(Plans(HashMap::new()));
}

/// How Postgres plans a kept statement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Planning {
    /// As it sees fit: often anew for the values of each call.
    Auto,
    /// Once, whatever the values are: for a look-up by key, planning costs more than running.
    Once,
}

fn plan(sql: &str, args: &[Arg], planning: Planning) -> Result<pg_sys::SPIPlanPtr> {
    if let Some(p) = PLANS.with_borrow(|p| p.0.get(sql).copied()) {
        return Ok(p);
    }
    let text = CString::new(sql).map_err(|_| Failure::internal("NUL in a statement"))?;
    let mut types: Vec<pg_sys::Oid> = args.iter().map(Arg::type_oid).collect();
    let options = match planning {
        Planning::Auto => 0,
        Planning::Once => pg_sys::CURSOR_OPT_GENERIC_PLAN as i32,
    };
    // SAFETY: connected to SPI (a `Sql` exists); `types` has as many elements as stated; a NULL plan is checked.
    let p = unsafe {
        let p = pg_sys::SPI_prepare_cursor(text.as_ptr(), types.len() as i32, types.as_mut_ptr(), options);
        if p.is_null() || pg_sys::SPI_keepplan(p) != 0 {
            return Err(Failure::internal("a statement could not be prepared"));
        }
        p
    };
    PLANS.with_borrow_mut(|plans| {
        if plans.0.len() >= MAX_PLANS {
            for (_, old) in plans.0.drain() {
                // SAFETY: the plan was kept above and is not executing: statements never run inside this function.
                unsafe { pg_sys::SPI_freeplan(old) };
            }
        }
        plans.0.insert(sql.to_string(), p);
    });
    Ok(p)
}

/// Connects to SPI for the duration of `f`, in which no name is looked up where the caller says.
pub fn connect<R>(f: impl FnOnce(&Sql) -> Result<R>) -> Result<R> {
    with_own_search_path(|| Spi::connect(|_| f(&Sql { _not_send: PhantomData })))
}

/// What statements of ours may find without a schema.
const SEARCH_PATH: &CStr = c"pg_catalog, pg_temp";

/// Runs `f` with our own search_path. Most functions have it as a setting, too; but functions that return rows would have
/// the setting made and undone for each of them, which costs more than many a report does.
fn with_own_search_path<R>(f: impl FnOnce() -> Result<R>) -> Result<R> {
    // SAFETY: a text that Postgres keeps for the variable, or NULL; nobody changes it while it is compared.
    let is_set = unsafe {
        let path = pg_sys::namespace_search_path;
        !path.is_null() && CStr::from_ptr(path) == SEARCH_PATH
    };
    if is_set {
        return f();
    }
    // SAFETY: what Postgres does itself for a function with a setting. An error on the way aborts the transaction or its
    // subtransaction, which undoes the setting; it is allowed while workers run, for it ends before they do.
    let level = unsafe {
        let level = pg_sys::NewGUCNestLevel();
        pg_sys::set_config_option(
            c"search_path".as_ptr(),
            SEARCH_PATH.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
        level
    };
    let answer = f();
    // SAFETY: the level made above; `f` has ended those it made.
    unsafe { pg_sys::AtEOXact_GUC(true, level) };
    answer
}

impl Sql {
    fn run(&self, sql: &str, args: &[Arg], read_only: bool, planning: Planning) -> Result<Rows<'_>> {
        let plan = plan(sql, args, planning)?;
        let mut datums = args.iter().map(Arg::datum).collect::<Result<Vec<_>>>()?;
        // SAFETY: the plan is alive (kept), and was prepared with these argument types; no argument is NULL.
        let status = unsafe {
            pg_sys::SPI_tuptable = std::ptr::null_mut();
            pg_sys::SPI_execute_plan(plan, datums.as_mut_ptr(), std::ptr::null(), read_only, 0)
        };
        if status < 0 {
            return Err(Failure::internal(format!("statement failed with SPI status {status}")));
        }
        // SAFETY: both globals were set by the execution just before.
        let (table, processed) = unsafe { (pg_sys::SPI_tuptable, pg_sys::SPI_processed) };
        Ok(Rows {
            table,
            processed,
            _sql: PhantomData,
        })
    }

    /// Runs a statement that only reads, on the caller's snapshot.
    pub fn read(&self, sql: &str, args: &[Arg]) -> Result<Rows<'_>> {
        self.run(sql, args, true, Planning::Auto)
    }

    /// Runs a statement once, without keeping a plan: for what defines objects or grants privileges.
    pub fn command(&self, sql: &str) -> Result<()> {
        let text = CString::new(sql).map_err(|_| Failure::internal("NUL in a statement"))?;
        // SAFETY: connected to SPI; the text is NUL-terminated and outlives the call.
        let status = unsafe { pg_sys::SPI_execute(text.as_ptr(), false, 0) };
        if status < 0 {
            return Err(Failure::internal(format!("statement failed with SPI status {status}")));
        }
        Ok(())
    }

    /// Runs a statement that may write; it sees what was committed when it starts.
    pub fn write(&self, sql: &str, args: &[Arg]) -> Result<Rows<'_>> {
        self.run(sql, args, false, Planning::Auto)
    }

    /// As [`Sql::write`], for a statement that finds or stores one row by key: it is planned once, unless
    /// the same text was planned otherwise before.
    pub fn write_by_key(&self, sql: &str, args: &[Arg]) -> Result<Rows<'_>> {
        self.run(sql, args, false, Planning::Once)
    }
}

impl Sql {
    /// Opens a cursor for a statement that is run once, and may do whatever the caller may. Its rows are those of one
    /// moment, also when others are written while it is read.
    pub fn cursor(&self, sql: &str, args: &[Arg]) -> Result<Cursor<'_>> {
        self.open_cursor(sql, args, false, 0)
    }

    /// The same of what the calling statement sees: several of them read one state of the data.
    pub fn cursor_of_statement(&self, sql: &str, args: &[Arg]) -> Result<Cursor<'_>> {
        self.open_cursor(sql, args, true, 0)
    }

    /// The same for rows that are read more than once: Postgres keeps them, on disk when they are many.
    pub fn rewindable_cursor_of_statement(&self, sql: &str, args: &[Arg]) -> Result<Cursor<'_>> {
        self.open_cursor(sql, args, true, pg_sys::CURSOR_OPT_SCROLL)
    }

    fn open_cursor(&self, sql: &str, args: &[Arg], read_only: bool, options: u32) -> Result<Cursor<'_>> {
        let text = CString::new(sql).map_err(|_| Failure::internal("NUL in a statement"))?;
        let mut types: Vec<pg_sys::Oid> = args.iter().map(Arg::type_oid).collect();
        let mut datums = args.iter().map(Arg::datum).collect::<Result<Vec<_>>>()?;
        // SAFETY: connected to SPI; `types` and `datums` have as many elements as stated, none is NULL; a NULL plan is
        // checked. The plan belongs to this connection, and the portal keeps what it needs of it.
        let portal = unsafe {
            let count = types.len() as i32;
            let plan = pg_sys::SPI_prepare_cursor(text.as_ptr(), count, types.as_mut_ptr(), options as i32);
            if plan.is_null() {
                return Err(Failure::internal("a statement could not be prepared"));
            }
            pg_sys::SPI_cursor_open(std::ptr::null(), plan, datums.as_mut_ptr(), std::ptr::null(), read_only)
        };
        Ok(Cursor {
            portal,
            _sql: PhantomData,
        })
    }
}

/// An open cursor. One that is not closed ends with the transaction, or with its failure.
pub struct Cursor<'a> {
    portal: pg_sys::Portal,
    _sql: PhantomData<&'a Sql>,
}

impl<'a> Cursor<'a> {
    /// The next rows; none after the last.
    pub fn fetch(&mut self, most: usize) -> Result<Rows<'a>> {
        // SAFETY: the portal is open: only `close` takes it away. Both globals are set by the fetch.
        let (table, processed) = unsafe {
            pg_sys::SPI_tuptable = std::ptr::null_mut();
            pg_sys::SPI_cursor_fetch(self.portal, true, most as std::ffi::c_long);
            (pg_sys::SPI_tuptable, pg_sys::SPI_processed)
        };
        Ok(Rows {
            table,
            processed,
            _sql: PhantomData,
        })
    }

    /// Goes back before the first row. Only of a cursor that was opened for it.
    pub fn rewind(&mut self) {
        // SAFETY: the portal is open: only `close` takes it away. One that can't go back raises an error.
        unsafe {
            pg_sys::SPI_scroll_cursor_move(
                self.portal,
                pg_sys::FetchDirection::FETCH_BACKWARD,
                std::ffi::c_long::MAX,
            );
        }
    }

    /// Closes it.
    pub fn close(self) {
        // SAFETY: the portal is open, and nobody has it after this.
        unsafe { pg_sys::SPI_cursor_close(self.portal) }
    }
}

/// Result of a statement; freed when dropped.
pub struct Rows<'a> {
    table: *mut pg_sys::SPITupleTable,
    processed: u64,
    _sql: PhantomData<&'a Sql>,
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        if !self.table.is_null() {
            // SAFETY: a table of this connection, not freed before: `Rows` is its only holder.
            unsafe { pg_sys::SPI_freetuptable(self.table) }
        }
    }
}

impl Rows<'_> {
    /// Rows returned.
    pub fn len(&self) -> usize {
        if self.table.is_null() {
            return 0;
        }
        // SAFETY: a live table.
        unsafe { (*self.table).numvals as usize }
    }

    /// Rows returned or changed.
    pub fn processed(&self) -> u64 {
        self.processed
    }

    /// A row, with the description of all of them.
    pub(super) fn tuple(&self, row: usize) -> Option<(pg_sys::HeapTuple, pg_sys::TupleDesc)> {
        // SAFETY: a live table with a row of this number.
        (row < self.len()).then(|| unsafe { (*(*self.table).vals.add(row), (*self.table).tupdesc) })
    }

    fn datum(&self, row: usize, column: usize) -> Option<pg_sys::Datum> {
        if row >= self.len() {
            return None;
        }
        let mut is_null = false;
        // SAFETY: `row` is inside the table; SPI_getbinval checks the column number and reports NULL for a wrong one.
        let d = unsafe {
            let tuple = *(*self.table).vals.add(row);
            pg_sys::SPI_getbinval(tuple, (*self.table).tupdesc, column as i32 + 1, &mut is_null)
        };
        (!is_null).then_some(d)
    }

    /// A value by row and column (both from 0); `None` is NULL.
    pub fn get<T: FromDatum>(&self, row: usize, column: usize) -> Option<T> {
        let d = self.datum(row, column)?;
        // SAFETY: the datum is not NULL and of the column's type; callers name the matching Rust type.
        unsafe { T::from_datum(d, false) }
    }

    /// An integer column that is never NULL.
    pub fn int(&self, row: usize, column: usize) -> Result<i64> {
        self.get::<i64>(row, column)
            .ok_or_else(|| Failure::internal("unexpected NULL"))
    }

    /// A text value borrowed from the result.
    pub fn text(&self, row: usize, column: usize) -> Result<&str> {
        self.get::<&str>(row, column)
            .ok_or_else(|| Failure::internal("unexpected NULL"))
    }

    /// As [`Rows::bytes`]; nothing for NULL, or when it is not `wanted`.
    pub fn bytes_or_null(&self, row: usize, column: usize, wanted: bool) -> Result<Option<Vec<u8>>> {
        if !wanted || self.datum(row, column).is_none() {
            return Ok(None);
        }
        self.bytes(row, column).map(Some)
    }

    /// A bytea value, fetched from its TOAST chunks into memory of our own; the copy Postgres made is given back at
    /// once, so a scan over many buffers holds one of them.
    pub fn bytes(&self, row: usize, column: usize) -> Result<Vec<u8>> {
        let d = self
            .datum(row, column)
            .ok_or_else(|| Failure::internal("unexpected NULL"))?;
        // SAFETY: a non-NULL bytea datum; the detoasted copy is freed only when it is a copy.
        unsafe {
            let original = d.cast_mut_ptr::<pg_sys::varlena>();
            let flat = pg_sys::pg_detoast_datum_packed(original);
            let bytes = pgrx::varlena_to_byte_slice(flat);
            let mut v = engine::error::try_vec(bytes.len(), "a stored buffer")?;
            v.extend_from_slice(bytes);
            if flat != original {
                pg_sys::pfree(flat.cast());
            }
            Ok(v)
        }
    }
}
