//! The values that gathered events carry, for other reports that say of several events what they have: numbers for tuples
//! of values, and where the properties of the very subject are looked up instead.

pub(crate) use super::attribute::is_of_subject;
use super::source::shaped;
pub(crate) use super::source::{Row, Sources};
pub(crate) use super::table::Table;
use crate::breakdown::{Dimension, Shape};
use crate::chunk::{Kind, ProfileColumn};
use crate::error::{Result, try_vec};
use crate::gather::Budget;

/// The column of a property of the counted subject itself.
pub(crate) fn column_of_subject(d: &Dimension, by: Kind) -> Option<(&ProfileColumn, Option<&Shape>)> {
    let (plain, shape) = d.plain();
    match plain {
        Dimension::UserProfile(column)
        | Dimension::GroupProperty { column, .. }
        | Dimension::GroupId { ids: column, .. }
            if is_of_subject(d, by) =>
        {
            Some((column, shape))
        }
        _ => None,
    }
}

/// The table's code of each code of a column.
pub(crate) fn codes(
    column: &ProfileColumn,
    shape: Option<&Shape>,
    table: &mut Table,
    budget: &mut Budget,
) -> Result<Vec<u32>> {
    budget.take((column.values.len() + 1) * 4)?;
    let mut codes: Vec<u32> = try_vec(column.values.len() + 1, "values of subjects")?;
    codes.push(0);
    for value in &column.values {
        codes.push(table.code(shaped(Some(value), shape)?.as_ref(), budget)?);
    }
    Ok(codes)
}
