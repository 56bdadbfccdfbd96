//! jsonb arguments as text. A jsonb number may be larger than any float: that must be the error of the one record it is in,
//! with a message, so the text is parsed where records are told apart and not while arguments are unpacked.

use crate::error::{Failure, Result};
use engine::value::Value;
use pgrx::callconv::{Arg, ArgAbi};
use pgrx::direct_function_call;
use pgrx::pg_sys;
use pgrx::pgrx_sql_entity_graph::metadata::*;
use pgrx::prelude::*;
use serde_json::value::RawValue;

/// A jsonb argument: its JSON text.
pub struct Jsonb(String);

// SAFETY: says only by which name the type goes in generated SQL.
unsafe impl SqlTranslatable for Jsonb {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Jsonb);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: std::result::Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("jsonb"));
    const RETURN_SQL: std::result::Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal("jsonb")));
}

impl FromDatum for Jsonb {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: the SQL declaration makes the datum a jsonb, which jsonb_out turns into a palloc'd C string.
        let text = unsafe { direct_function_call::<&core::ffi::CStr>(pg_sys::jsonb_out, &[Some(datum)]) }?;
        let owned = text.to_string_lossy().into_owned();
        // SAFETY: the string was made for this call and is not used afterwards.
        unsafe { pg_sys::pfree(text.as_ptr().cast_mut().cast()) };
        Some(Jsonb(owned))
    }
}

// SAFETY: as FromDatum, which copies.
unsafe impl<'fcx> ArgAbi<'fcx> for Jsonb {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: see above; a function that is called with NULL takes Option<Jsonb>.
        let text: Option<Jsonb> = unsafe { arg.unbox_arg_using_from_datum() };
        text.unwrap_or_else(|| Jsonb("null".into()))
    }
}

impl Jsonb {
    /// The argument as it is written.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The argument as a tree, for what is small: metrics, steps, selectors.
    pub fn parse(&self, argument: &str) -> Result<serde_json::Value> {
        serde_json::from_str(&self.0).map_err(|e| unreadable(argument, &e))
    }

    /// The argument as a value of the engine.
    pub fn value(&self, argument: &str) -> Result<Value> {
        serde_json::from_str(&self.0).map_err(|e| unreadable(argument, &e))
    }

    /// The texts of the elements of an array, or of the one value that it is. None of them is parsed yet.
    pub fn records(&self, argument: &str) -> Result<Vec<&str>> {
        if !self.0.starts_with('[') {
            return Ok(vec![&self.0]);
        }
        let elements: Vec<&RawValue> = serde_json::from_str(&self.0).map_err(|e| unreadable(argument, &e))?;
        Ok(elements.into_iter().map(RawValue::get).collect())
    }
}

fn unreadable(argument: &str, e: &serde_json::Error) -> Failure {
    Failure::param(
        format!("{argument}: {e}"),
        "Numbers must fit into a double precision value, and objects must not be nested endlessly.",
    )
}
