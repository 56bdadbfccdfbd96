//! The values of a dictionary in order: texts by their bytes, so that neighbours share how they begin.

use crate::chunk::GroupColumn;
use crate::codec::raw::RawValues;
use crate::codec::values::{hex_digits, text_of};
use crate::codec::{encode_dictionary, encode_following};
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

/// Different values from which on it is worth a try to sort them although most rows differ.
const SORT_FROM: usize = 4096;

/// Encodes a property column in the form that is smallest, of which it may be one that follows from the groups `beside`. The
/// codes may be changed.
pub(crate) fn encode_smallest(codes: &mut [u32], values: &RawValues, beside: Option<&GroupColumn>) -> Result<Vec<u8>> {
    let (count, set) = (values.len(), codes.iter().filter(|c| **c != 0).count());
    // Where most rows differ, codes in the order of the rows take next to no room, and sorting much time.
    let mut plain = None;
    if count > set / 2 && count > 256 {
        let bytes = encode_dictionary(codes, count, values.bytes())?;
        // In order, texts may share enough to pay for codes; random ones, of which half is told by hexadecimal digits, do not.
        if count < SORT_FROM || !only_texts(values) || hex_digits(count, values.bytes()).is_some() {
            return Ok(bytes);
        }
        plain = Some(bytes);
    }
    let ordered = encode_sorted(codes, values, beside)?;
    Ok(plain.filter(|p| p.len() <= ordered.len()).unwrap_or(ordered))
}

/// The column with its dictionary in order.
fn encode_sorted(codes: &mut [u32], values: &RawValues, beside: Option<&GroupColumn>) -> Result<Vec<u8>> {
    let count = values.len();
    let order = sorted(values)?;
    let mut rank: Vec<u32> = try_vec(count + 1, "dictionary")?;
    rank.resize(count + 1, 0);
    let mut bytes: Vec<u8> = try_vec(values.bytes().len(), "dictionary")?;
    for (new, old) in (1..).zip(&order) {
        bytes.extend_from_slice(values.of_code(*old));
        if let Some(slot) = rank.get_mut(*old as usize) {
            *slot = new;
        }
    }
    for c in codes.iter_mut() {
        *c = rank.get(*c as usize).copied().unwrap_or(0);
    }
    let plain = encode_dictionary(codes, count, &bytes)?;
    let following = match beside {
        Some(groups) => encode_following(groups, codes, count, &bytes, plain.len())?,
        None => None,
    };
    Ok(following.unwrap_or(plain))
}

/// Are all values texts as they are written?
fn only_texts(values: &RawValues) -> bool {
    (1..=values.len() as u32).all(|code| text_of(values.of_code(code)).is_some())
}

/// The codes of all values in the order of the values: texts last.
fn sorted(values: &RawValues) -> Result<Vec<u32>> {
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
