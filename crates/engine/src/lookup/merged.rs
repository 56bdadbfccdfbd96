//! Properties that are one property: of each event the first of them that it carries.

use super::MEMORY;
use crate::chunk::Column;
use crate::error::{Error, Result, try_vec};
use crate::intern::Interner;
use crate::tick::{EVERY, Tick};
use crate::value::Value;

/// Of each row the value of the first column that has one. The columns have as many rows each. O(rows + values).
pub fn first_of(columns: &[&Column], tick: &mut dyn Tick) -> Result<Option<Column>> {
    let Some(rows) = columns.first().map(|c| c.len()) else {
        return Ok(None);
    };
    let all_numbers: Option<Vec<&Vec<f64>>> = columns
        .iter()
        .map(|c| match c {
            Column::Number(numbers) => Some(numbers),
            Column::Dict { .. } => None,
        })
        .collect();
    if let Some(columns) = all_numbers {
        let mut out = try_vec(rows, MEMORY)?;
        for row in 0..rows {
            if row % EVERY == 0 {
                tick.tick()?;
            }
            let set = columns.iter().filter_map(|c| c.get(row)).find(|n| !n.is_nan());
            out.push(set.copied().unwrap_or(f64::NAN));
        }
        return Ok(Some(Column::Number(out)));
    }
    let mut codes: Vec<u32> = try_vec(rows, MEMORY)?;
    codes.resize(rows, 0);
    let mut all = Interner::default();
    for column in columns {
        // What the codes of this column are called in the one that is made; found when a row needs it.
        let mut known: Vec<u32> = Vec::new();
        if let Column::Dict { values, .. } = column {
            known
                .try_reserve_exact(values.len() + 1)
                .map_err(|_| Error::OutOfMemory(MEMORY))?;
            known.resize(values.len() + 1, 0);
        }
        for (row, code) in codes.iter_mut().enumerate() {
            if row % EVERY == 0 {
                tick.tick()?;
            }
            if *code != 0 {
                continue;
            }
            *code = match column {
                Column::Number(numbers) => match numbers.get(row) {
                    Some(n) if !n.is_nan() => all.code(&Value::number(*n))?,
                    _ => 0,
                },
                Column::Dict { values, codes } => {
                    let own = codes.get(row).copied().unwrap_or(0) as usize;
                    match (known.get_mut(own), own.checked_sub(1).and_then(|i| values.get(i))) {
                        (Some(known), Some(value)) => {
                            if *known == 0 {
                                *known = all.code(value)?;
                            }
                            *known
                        }
                        _ => 0,
                    }
                }
            };
        }
    }
    Ok(Some(Column::Dict {
        values: all.into_values(),
        codes,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::NoTick;
    use proptest::prelude::*;

    fn column(dict: bool, cells: &[Option<i8>]) -> Column {
        if !dict {
            return Column::Number(cells.iter().map(|c| c.map_or(f64::NAN, f64::from)).collect());
        }
        let mut all = Interner::default();
        let codes = cells
            .iter()
            .map(|c| {
                c.map_or(0, |n| {
                    all.code(&if n % 2 == 0 {
                        Value::number(f64::from(n))
                    } else {
                        Value::str("odd")
                    })
                    .unwrap()
                })
            })
            .collect();
        Column::Dict {
            values: all.into_values(),
            codes,
        }
    }

    proptest! {
        #[test]
        fn the_first_that_is_set_counts(
            rows in proptest::collection::vec(proptest::collection::vec(proptest::option::of(0i8..6), 3), 0..40),
            dicts in proptest::collection::vec(any::<bool>(), 3),
        ) {
            let columns: Vec<Column> = dicts
                .iter()
                .enumerate()
                .map(|(i, dict)| column(*dict, &rows.iter().map(|r| r[i]).collect::<Vec<_>>()))
                .collect();
            let found = first_of(&columns.iter().collect::<Vec<_>>(), &mut NoTick).unwrap().unwrap();
            prop_assert_eq!(found.len(), rows.len());
            for row in 0..rows.len() {
                let naive = columns.iter().find_map(|c| c.get(row)).map(|v| v.into_owned());
                prop_assert_eq!(found.get(row).map(|v| v.into_owned()), naive);
            }
            if let Column::Dict { values, .. } = &found {
                prop_assert!((1..values.len()).all(|i| !values[..i].contains(&values[i])));
            }
        }
    }
}
