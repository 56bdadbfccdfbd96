//! Many sets at once: the union of all, or the ids that are in an odd number of them.

use super::View;
use super::container::{Words, low};
use super::view::{CONTAINER_WORDS, Container};
use super::wide::{View64, Writer64};
use super::writer::Writer;
use crate::error::{Error, Result, try_vec};

/// Ids up to which lists are sorted together; more are quicker to set as bits and to read back in order.
const SORTED: u64 = 128;

/// Unites the sets, or takes their symmetric difference when `odd`: container by container, each pass over one key.
pub(super) fn unite(sets: &[View<'_>], odd: bool) -> Result<Vec<u8>> {
    let containers: usize = sets.iter().map(View::containers).sum();
    let mut all: Vec<(u16, u32, Container<'_>)> = try_vec(containers, "bitmaps")?;
    for set in sets {
        for i in 0..set.containers() {
            let (key, container) = set.container(i)?;
            all.push((key, set.size(i), container));
        }
    }
    all.sort_unstable_by_key(|(key, _, _)| *key);
    let mut out = Writer::default();
    let mut ids: Vec<u16> = Vec::new();
    for same_key in all.chunk_by(|a, b| a.0 == b.0) {
        let Some((key, size, container)) = same_key.first() else {
            continue;
        };
        let sum: u64 = same_key.iter().map(|(_, n, _)| u64::from(*n)).sum();
        if same_key.len() == 1 {
            out.copy(*key, *size, *container)?;
        } else if sum <= SORTED && same_key.iter().all(|c| matches!(c.2, Container::Array(_))) {
            ids.clear();
            for (_, _, container) in same_key {
                if let Container::Array(more) = container {
                    ids.extend(more.iter().map(|id| low(*id)));
                }
            }
            ids.sort_unstable();
            if odd {
                keep_odd(&mut ids);
            } else {
                ids.dedup();
            }
            out.push_ids(*key, &ids)?;
        } else {
            let mut words: Words = [0; CONTAINER_WORDS];
            for (_, _, container) in same_key {
                add(&mut words, container, odd)?;
            }
            out.push_words(*key, &words)?;
        }
    }
    out.finish()
}

/// Of sorted ids, keeps one of those that are there an odd number of times.
fn keep_odd(ids: &mut Vec<u16>) {
    let mut kept = Vec::with_capacity(ids.len().min(SORTED as usize));
    for same in ids.chunk_by(|a, b| a == b) {
        if same.len() % 2 == 1 {
            kept.extend(same.first());
        }
    }
    *ids = kept;
}

fn add(words: &mut Words, container: &Container<'_>, odd: bool) -> Result<()> {
    match (odd, container) {
        (false, _) => container.or_into(words)?,
        (true, Container::Array(ids)) => {
            for id in ids.iter().map(|id| low(*id)) {
                if let Some(word) = words.get_mut(usize::from(id >> 6)) {
                    *word ^= 1 << (id & 63);
                }
            }
        }
        (true, other) => {
            let mut more: Words = [0; CONTAINER_WORDS];
            other.or_into(&mut more)?;
            for (word, more) in words.iter_mut().zip(more) {
                *word ^= more;
            }
        }
    }
    Ok(())
}

/// As [`unite`], for sets of 64-bit ids.
pub(super) fn unite64(sets: &[View64<'_>], odd: bool) -> Result<Vec<u8>> {
    let mut all: Vec<(u32, View<'_>)> = Vec::new();
    for set in sets {
        set.try_for_each_part(|key, view| {
            all.try_reserve(1).map_err(|_| Error::OutOfMemory("bitmaps"))?;
            all.push((key, view));
            Ok(())
        })?;
    }
    all.sort_unstable_by_key(|(key, _)| *key);
    let mut out = Writer64::with_room(0)?;
    let mut same: Vec<View<'_>> = Vec::new();
    for same_key in all.chunk_by(|a, b| a.0 == b.0) {
        let Some((key, first)) = same_key.first() else { continue };
        if same_key.len() == 1 {
            out.copy_some(*key, first.bytes())?;
        } else {
            same.clear();
            same.extend(same_key.iter().map(|(_, view)| *view));
            out.copy_some(*key, &unite(&same, odd)?)?;
        }
    }
    Ok(out.finish())
}
