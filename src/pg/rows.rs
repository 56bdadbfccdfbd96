//! Rows that are handed to Postgres while they are found: it keeps them, on disk when they are many, so that a function
//! may return more than fits into memory.

use crate::error::{Failure, Result};
use pgrx::prelude::*;
use pgrx::{PgMemoryContexts, direct_function_call_as_datum, pg_sys};
use std::ffi::CStr;

/// Bytes of rows made before their memory is taken back.
const MOST_MADE: usize = 1 << 20;

/// The rows of a function that RETURNS SETOF jsonb.
pub struct JsonbRows {
    store: *mut pg_sys::Tuplestorestate,
    row: pg_sys::TupleDesc,
    scratch: PgMemoryContexts,
    made: usize,
}

impl JsonbRows {
    /// Takes over the answer of the running call, which has no rows yet. Whatever the function itself returns is ignored.
    pub fn new(fcinfo: pg_sys::FunctionCallInfo) -> Result<Self> {
        let refused = || {
            Failure::new(
                PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
                "a function that returns rows was called where none are expected",
                "Call it in FROM, or in the select list of a query.",
            )
        };
        // SAFETY: `fcinfo` comes from the function manager for this very call; its resultinfo is NULL or a node.
        let result = unsafe {
            let result = fcinfo.as_ref().map_or(std::ptr::null_mut(), |f| f.resultinfo);
            if !pgrx::is_a(result, pg_sys::NodeTag::T_ReturnSetInfo) {
                return Err(refused());
            }
            &mut *result.cast::<pg_sys::ReturnSetInfo>()
        };
        let modes = result.allowedModes as u32;
        if modes & pg_sys::SetFunctionReturnMode::SFRM_Materialize == 0 || result.expectedDesc.is_null() {
            return Err(refused());
        }
        // SAFETY: the executor's node is alive during the call. Rows and their description outlive the call, so they are
        // made in the memory of the query, as nodeFunctionscan.c asks; the memory context is put back.
        let (store, row) = unsafe {
            let of_query = (*result.econtext).ecxt_per_query_memory;
            let old = pg_sys::MemoryContextSwitchTo(of_query);
            let row = pg_sys::CreateTupleDescCopy(result.expectedDesc);
            let random = modes & pg_sys::SetFunctionReturnMode::SFRM_Materialize_Random != 0;
            let store = pg_sys::tuplestore_begin_heap(random, false, pg_sys::work_mem);
            pg_sys::MemoryContextSwitchTo(old);
            (store, row)
        };
        result.returnMode = pg_sys::SetFunctionReturnMode::SFRM_Materialize;
        result.setResult = store;
        result.setDesc = row;
        Ok(JsonbRows {
            store,
            row,
            scratch: PgMemoryContexts::new("rows of a function"),
            made: 0,
        })
    }

    /// Adds a row: a JSON text that ends with a NUL.
    pub fn push(&mut self, json: &[u8]) -> Result<()> {
        let text = CStr::from_bytes_with_nul(json).map_err(|_| Failure::internal("a text with NUL inside"))?;
        let (store, row) = (self.store, self.row);
        // SAFETY: jsonb_in takes a C string, of which it keeps nothing; the store and the description belong to the query,
        // which is running, and the description has the one column of a set of jsonb. What is made for the row lies in
        // our own context, of which nothing is used after the store has copied the row.
        let stored = unsafe {
            self.scratch.switch_to(|_| {
                let argument = pg_sys::Datum::from(text.as_ptr());
                let Some(mut value) = direct_function_call_as_datum(pg_sys::jsonb_in, &[Some(argument)]) else {
                    return false;
                };
                pg_sys::tuplestore_putvalues(store, row, &mut value, &mut false);
                true
            })
        };
        self.made = self.made.saturating_add(json.len());
        if self.made > MOST_MADE {
            self.made = 0;
            // SAFETY: see above: nothing in it is used any more.
            unsafe { self.scratch.reset() };
        }
        if !stored {
            return Err(Failure::internal("an event that is no JSON"));
        }
        Ok(())
    }
}
