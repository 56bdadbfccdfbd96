//! The values of a dictionary in order: texts by their bytes, so that neighbours share how they begin.

use crate::codec::raw::RawValues;
use crate::codec::values::text_of;
use crate::error::{Result, try_vec};
use std::cmp::Ordering;

/// Bytes of a text that are compared at once.
const STEP: usize = 8;
/// Where looking further eight bytes at a time ends: texts that share as much are compared as a whole.
const DEEPEST: usize = 512;

/// The next eight bytes of a text as a number that orders as they do; beyond its end are zeros.
fn key(text: &[u8], from: usize) -> u64 {
    let rest = text.get(from..).unwrap_or_default();
    match rest.first_chunk::<STEP>() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => {
            let mut bytes = [0; STEP];
            bytes.iter_mut().zip(rest).for_each(|(to, b)| *to = *b);
            u64::from_be_bytes(bytes)
        }
    }
}

fn compare(values: &RawValues, a: u32, b: u32) -> Ordering {
    let (a, b) = (values.of_code(a), values.of_code(b));
    match (text_of(a), text_of(b)) {
        (Some(x), Some(y)) => x.cmp(y),
        (x, y) => x.is_some().cmp(&y.is_some()).then_with(|| a.cmp(b)),
    }
}

/// Are all values texts as they are written?
pub(super) fn only_texts(values: &RawValues) -> bool {
    (1..=values.len() as u32).all(|code| text_of(values.of_code(code)).is_some())
}

/// The codes of all values in the order of the values: texts last.
pub(super) fn sorted(values: &RawValues) -> Result<Vec<u32>> {
    let count = values.len();
    let mut order: Vec<u32> = try_vec(count, "dictionary")?;
    if only_texts(values) && count > 16 {
        let mut keys: Vec<(u64, u32)> = try_vec(count, "dictionary")?;
        keys.extend((1..=count as u32).map(|code| (0, code)));
        let shared = shared_by_all(values);
        sort_texts(values, &mut keys, shared);
        order.extend(keys.iter().map(|(_, code)| *code));
    } else {
        order.extend(1..=count as u32);
        order.sort_unstable_by(|a, b| compare(values, *a, *b));
    }
    Ok(order)
}

/// Bytes all texts begin with.
fn shared_by_all(values: &RawValues) -> usize {
    let first = text_of(values.of_code(1)).unwrap_or_default();
    (2..=values.len() as u32).fold(first.len(), |shared, code| {
        let text = text_of(values.of_code(code)).unwrap_or_default();
        let common = first.iter().zip(text).take(shared).take_while(|(a, b)| a == b);
        common.count()
    })
}

/// Sorts texts that agree in their first `from` bytes.
fn sort_texts(values: &RawValues, keys: &mut [(u64, u32)], from: usize) {
    if from > DEEPEST || keys.len() < 8 {
        keys.sort_unstable_by(|a, b| compare(values, a.1, b.1));
        return;
    }
    let text = |code: u32| text_of(values.of_code(code)).unwrap_or_default();
    for (k, code) in keys.iter_mut() {
        *k = key(text(*code), from);
    }
    keys.sort_unstable();
    for run in keys.chunk_by_mut(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
        let next = from.saturating_add(STEP);
        // Zeros may be beyond an end or part of a text: only the lengths know.
        if run.iter().all(|(_, code)| text(*code).len() > next) {
            sort_texts(values, run, next);
        } else {
            run.sort_unstable_by(|a, b| compare(values, a.1, b.1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::values::put_value;
    use crate::value::Value;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "(https://shop\\.example/(item|page)/[0-9]{0,6}){1,3}",
            "[ab\\x00]{0,20}",
            "[a-c]{0,3}",
            Just("a".repeat(600)),
            "b{509,530}[a-c\\x00]{0,3}",
        ]
    }

    proptest! {
        #[test]
        fn values_are_in_order(
            texts in vec(text(), 0..300),
            others in vec(any::<i64>(), 0..3),
            mixed in any::<bool>(),
        ) {
            let mut all: Vec<Value> = texts.into_iter().map(Value::str).collect();
            if mixed {
                all.extend(others.into_iter().map(Value::Int));
            }
            let mut values = RawValues::default();
            let mut raw = Vec::new();
            for v in &all {
                raw.clear();
                put_value(&mut raw, v).unwrap();
                values.push(&raw).unwrap();
            }
            let order = sorted(&values).unwrap();
            let mut seen = order.clone();
            seen.sort_unstable();
            prop_assert_eq!(seen, (1..=all.len() as u32).collect::<Vec<_>>());
            let place = |v: &Value| match v {
                Value::Str(s) => (1, s.as_bytes().to_vec()),
                _ => (0, Vec::new()),
            };
            let got: Vec<_> = order.iter().map(|c| place(&all[*c as usize - 1])).collect();
            prop_assert!(got.is_sorted());
        }
    }
}
