//! Cascades against the definition: the passes that a report makes, over events dealt out to chunks.

use super::*;
use crate::parallel::Workers;
use crate::tick::NoTick;

/// What a cascade and the walk of those it leaves answer; `None` where it says that events are better gathered at once.
pub fn by_cascade(p: &Plan, events: &[Ev], only: &Option<BTreeSet<u32>>, dealt: &[usize]) -> Option<Vec<StepRow>> {
    let one = |e: &Ev| (e.mask & p.step_bits()).count_ones() <= 1;
    if !events.iter().all(one) {
        return None;
    }
    let workers = Workers::new(2, 0);
    let mut cascade = Cascade::new(p, 7).unwrap()?;
    let chunks: Vec<_> = deal(events, dealt)
        .iter()
        .map(|part| chunk_of(part, p.selectors(), p.by, only))
        .collect();
    while let Some(steps) = cascade.steps() {
        let mut readers = [cascade.reader().unwrap(), cascade.reader().unwrap()];
        for (n, (chunk, hits)) in chunks.iter().enumerate() {
            for k in steps.clone() {
                cascade
                    .push(&mut readers[n % 2], k, chunk, &hits[k], &mut NoTick)
                    .unwrap();
            }
        }
        if !cascade.advance(readers, &workers, &mut NoTick).unwrap() {
            return None;
        }
    }
    let mut kernel = Kernel::new(p).unwrap();
    if cascade.goes_on() {
        for (chunk, hits) in &chunks {
            for (k, hits) in hits.iter().enumerate().take(p.steps) {
                cascade.push_entries(k, chunk, hits, &mut NoTick).unwrap();
            }
            let undecided = |h: &Hits| cascade.undecided(chunk, h.clone(), &mut NoTick).unwrap();
            let hits: Vec<Hits> = hits.iter().map(undecided).collect();
            kernel.push(chunk, &hits, &mut NoTick).unwrap();
        }
    }
    let mut counts = count_decided(&cascade, &workers, &mut NoTick).unwrap();
    counts
        .merge(rows::count_on(p, kernel.finish(), &workers, &mut NoTick).unwrap())
        .unwrap();
    Some(rows::rows(p, counts, &mut NoTick).unwrap())
}

#[test]
fn the_first_entry_decides_who_goes_no_further_with_any_other() {
    let p = Plan {
        reentry: Reentry::Optimized,
        grace_ms: 0,
        ..plan(3, USER, 0, 1000, 100)
    };
    let mut cascade = Cascade::new(&p, 4).unwrap().unwrap();
    // 1 converts at once; 2 has a step 3 too late for its first entry; 3 has none; 4 never enters.
    let events = [
        Ev::new(0, 1, 1, &[]),
        Ev::new(10, 2, 1, &[]),
        Ev::new(20, 4, 1, &[]),
        Ev::new(0, 1, 2, &[]),
        Ev::new(10, 2, 2, &[]),
        Ev::new(101, 4, 2, &[]),
        Ev::new(0, 1, 3, &[]),
        Ev::new(10, 2, 3, &[]),
        Ev::new(10, 2, 4, &[]),
    ];
    let (chunk, hits) = chunk_of(&events, 3, USER, &None);
    while let Some(steps) = cascade.steps() {
        let mut reader = cascade.reader().unwrap();
        for k in steps {
            cascade.push(&mut reader, k, &chunk, &hits[k], &mut NoTick).unwrap();
        }
        assert!(cascade.advance([reader], &Workers::serial(), &mut NoTick).unwrap());
    }
    let left = hits
        .iter()
        .map(|h| cascade.undecided(&chunk, h.clone(), &mut NoTick).unwrap());
    let users: Vec<u32> = left
        .flat_map(|h| h.rows.ones().map(|r| events[r].user).collect::<Vec<_>>())
        .collect();
    assert_eq!(users, [2, 2, 2]);
}

#[test]
fn a_subject_without_room_is_noticed() {
    let p = plan(2, USER, 0, 10, 10);
    let mut cascade = Cascade::new(&p, 4).unwrap().unwrap();
    let (chunk, hits) = chunk_of(&[Ev::new(1, 1, 5, &[])], 2, USER, &None);
    let mut reader = cascade.reader().unwrap();
    cascade.push(&mut reader, 0, &chunk, &hits[0], &mut NoTick).unwrap();
    assert!(!cascade.advance([reader], &Workers::serial(), &mut NoTick).unwrap());
}

#[test]
fn many_subjects_are_gathered() {
    let p = plan(2, USER, 0, 10, 10);
    assert!(Cascade::new(&p, 1 << 14).unwrap().is_some());
    // More than a cache has room for.
    assert!(Cascade::new(&p, 1 << 20).unwrap().is_none());
    let small = Plan {
        memory_limit: 1 << 19,
        ..p
    };
    assert!(Cascade::new(&small, 1 << 14).unwrap().is_none());
}
