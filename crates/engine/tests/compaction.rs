//! Compaction against the obvious way: expand to rows, drop duplicates, sort.

// Tests may stop at the first surprise; the lints exempt only functions marked as tests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::{Prioritised, chunk, event_row, rows, without_duplicates};
use engine::block;
use engine::chunk::{Chunk, Column, Events, PropertyColumn};
use engine::codec;
use engine::compact::{Arranged, Extent, Growth, Scratch, Sealed, Source, by_event, choose, compact};
use engine::error::{Error, Result};
use engine::row::EventRow;
use engine::tick::{NoTick, Tick};
use engine::time::Calendar;
use engine::value::Value;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn sources(chunks: Vec<Chunk>) -> Vec<Source> {
    chunks.into_iter().map(|c| Source::from_chunk(c).unwrap()).collect()
}

fn run(chunks: Vec<Chunk>, calendar: &Calendar, target: usize, max: usize) -> Vec<Sealed> {
    compact(&sources(chunks), calendar, target, max, &mut NoTick).unwrap()
}

/// A segment as a reader gets it.
fn opened(s: &Sealed) -> Chunk {
    let group = |(kind, b): &(u16, Vec<u8>)| codec::decode_group(*kind, b, s.rows).unwrap();
    let groups: Vec<_> = s.groups.iter().map(group).collect();
    let property = |(property, b): &(u32, Vec<u8>)| PropertyColumn {
        property: *property,
        column: codec::decode_column_beside(b, s.rows, &|kind| groups.iter().find(|g| g.kind == kind)).unwrap(),
    };
    Chunk {
        events: Events::One(s.event),
        user: codec::decode_ids(&s.users, s.rows).unwrap(),
        time: codec::decode_times(&s.times, s.rows).unwrap(),
        inserts: s.inserts.as_ref().map(|b| codec::decode_inserts(b, s.rows).unwrap()),
        groups: groups.clone(),
        properties: s.properties.iter().map(property).collect(),
    }
}

/// A segment as compaction reads it again.
fn source(s: &Sealed) -> Source {
    let mut source = Source::from_segment(s.event, s.rows, &s.users, &s.times).unwrap();
    s.groups.iter().for_each(|(k, b)| source.add_group(*k, b).unwrap());
    s.properties
        .iter()
        .for_each(|(p, b)| source.add_property(*p, b).unwrap());
    s.inserts.iter().for_each(|b| source.add_inserts(b).unwrap());
    source
}

fn day(calendar: &Calendar, t: i64) -> i32 {
    calendar.day_of(t).unwrap()
}

/// Property values as compaction compares them: by property, not set first.
fn content(r: &EventRow) -> (Vec<Vec<u32>>, Vec<Option<Value>>) {
    let groups = [1, 4].map(|k| {
        r.groups
            .iter()
            .find(|g| g.0 == k)
            .map(|g| g.1.clone())
            .unwrap_or_default()
    });
    let properties = [1, 2, 3, 70_000].map(|p| r.properties.iter().find(|x| x.0 == p).map(|x| x.1.clone()));
    (groups.into(), properties.into())
}

fn naive(all: &[Prioritised], calendar: &Calendar) -> Vec<Prioritised> {
    let mut kept = without_duplicates(all);
    for (r, p) in &mut kept {
        if r.insert_hash == 0 {
            *p = 0;
        }
    }
    kept.sort_by_key(|(r, _)| {
        (
            r.event,
            day(calendar, r.time),
            r.user,
            r.time,
            r.insert_hash,
            content(r),
        )
    });
    kept
}

/// What a segment says about itself, and where segments may end.
fn check_cuts(sealed: &[Sealed], calendar: &Calendar, target: usize, max: usize) {
    for s in sealed {
        let c = opened(s);
        c.check().unwrap();
        assert!(!c.is_empty());
        let days: Vec<i32> = c.time.iter().map(|t| day(calendar, *t)).collect();
        assert_eq!((s.day_min, s.day_max), (days[0], days[days.len() - 1]));
        assert_eq!(s.ts_min, *c.time.iter().min().unwrap());
        assert_eq!(s.ts_max, *c.time.iter().max().unwrap());
        assert_eq!(
            (s.user_min, s.user_max),
            (*c.user.iter().min().unwrap(), *c.user.iter().max().unwrap())
        );
        let one_user_one_day = s.day_min == s.day_max && s.user_min == s.user_max;
        assert!(c.len() <= max || one_user_one_day, "{} rows", c.len());
        assert!(c.inserts.as_ref().is_none_or(|i| i.hash.iter().any(|h| *h != 0)));
        for p in &c.properties {
            match &p.column {
                Column::Dict { values, codes } => {
                    let distinct: std::collections::BTreeSet<&Value> = values.iter().collect();
                    assert_eq!(distinct.len(), values.len(), "distinct");
                    assert!(
                        (1..=values.len()).all(|k| codes.contains(&(k as u32))),
                        "every value is used"
                    );
                }
                Column::Number(v) => assert!(v.iter().any(|f| !f.is_nan())),
            }
        }
    }
    let in_day = |event: u32, d: i32| {
        let own = sealed.iter().filter(|s| s.event == event);
        own.map(|s| opened(s).time.iter().filter(|t| day(calendar, **t) == d).count())
            .sum::<usize>()
    };
    for pair in sealed.windows(2).filter(|p| p[0].event == p[1].event) {
        let (a, b) = (&pair[0], &pair[1]);
        let split_day = a.day_min == b.day_min && a.day_max == a.day_min && b.day_max == a.day_min;
        assert!(
            a.day_max < b.day_min || split_day && a.user_max < b.user_min,
            "segments overlap"
        );
        // Days are whole unless they are too large; then they share a segment with no other day.
        assert_eq!(split_day, in_day(a.event, a.day_max) > max && a.day_max == b.day_min);
        if in_day(a.event, a.day_max) <= max {
            let no_room = a.rows + in_day(b.event, b.day_min) > max;
            assert!(a.rows >= target.min(max) || no_room, "cut too early");
        }
    }
}

/// The rows of an arrangement, in its order.
fn arranged_rows(a: &Arranged<'_>, calendar: &Calendar) -> Vec<Prioritised> {
    if a.is_empty() {
        return Vec::new();
    }
    let sealed = a.encode(0..a.len(), &mut Scratch::default(), &mut NoTick).unwrap();
    assert_eq!(sealed.day_min, day(calendar, opened(&sealed).time[0]));
    rows(&opened(&sealed))
}

proptest! {
    #[test]
    fn compaction_is_dedupe_and_sort(
        batches in vec(vec(event_row(), 0..60), 0..5),
        target in 0usize..40,
        max in 0usize..60,
        berlin in any::<bool>(),
        stored in any::<bool>(),
    ) {
        let calendar = if berlin { Calendar::new("Europe/Berlin", "monday").unwrap() } else { Calendar::utc() };
        // As ingestion does: a batch has one priority. Repeats inside of a batch go to the later row.
        let batches: Vec<Vec<Prioritised>> = batches
            .into_iter()
            .zip(1..)
            .map(|(rows, p)| rows.into_iter().map(|r| (r, p)).collect())
            .collect();
        let all: Vec<Prioritised> = batches.concat();
        let stores = |c: Chunk| match stored {
            true => block::decode(&block::encode(&c).unwrap(), &block::Wanted::all()).unwrap(),
            false => c,
        };
        let sealed = run(batches.iter().map(|b| stores(chunk(b))).collect(), &calendar, target, max);
        check_cuts(&sealed, &calendar, target.max(1), max.max(1));
        let got: Vec<Prioritised> = sealed.iter().flat_map(|s| rows(&opened(s))).collect();
        prop_assert_eq!(got, naive(&all, &calendar));
    }

    #[test]
    fn chunking_does_not_matter(
        events in vec(event_row(), 1..120),
        cuts in vec(any::<prop::sample::Index>(), 0..4),
        swap in any::<u64>(),
        target in 1usize..60,
    ) {
        let calendar = Calendar::utc();
        // Distinct priorities, so that every row order gives the same winners.
        let mut all: Vec<Prioritised> = events.into_iter().zip(1..).collect();
        let once = run(vec![chunk(&all)], &calendar, target, 80);
        let n = all.len();
        all.sort_by_key(|(_, p)| (*p as u64).wrapping_mul(swap | 1));
        let mut at: Vec<usize> = cuts.iter().map(|i| i.index(n)).chain([0, n]).collect();
        at.sort_unstable();
        let parts: Vec<Chunk> = at.windows(2).map(|w| chunk(&all[w[0]..w[1]])).collect();
        let many = run(parts.clone(), &calendar, target, 80);
        prop_assert_eq!(&many, &once);
        let joined = vec![Source::join(sources(parts.clone()), &mut NoTick).unwrap()];
        let joined = compact(&joined, &calendar, target, 80, &mut NoTick).unwrap();
        prop_assert_eq!(&joined, &once);
        // Segments together with what came later are the same as all at once.
        let (old, new) = parts.split_at(parts.len() / 2);
        let mut again: Vec<Source> = run(old.to_vec(), &calendar, 7, 9).iter().map(source).collect();
        again.extend(new.iter().map(|c| Source::from_block(&block::encode(c).unwrap()).unwrap()));
        let again = compact(&again, &calendar, target, 80, &mut NoTick).unwrap();
        prop_assert_eq!(again, once);
    }

    #[test]
    fn new_rows_meet_the_same_events_in_segments(
        old in vec(event_row(), 0..80),
        new in vec(event_row(), 1..60),
        berlin in any::<bool>(),
    ) {
        let calendar = if berlin { Calendar::new("Europe/Berlin", "monday").unwrap() } else { Calendar::utc() };
        let old: Vec<Prioritised> = old.into_iter().map(|r| (r, 1)).collect();
        let new: Vec<Prioritised> = new.into_iter().map(|r| (r, 2)).collect();
        let sealed = run(vec![chunk(&old)], &calendar, 5, 20);
        let waiting = sources(vec![chunk(&new)]);
        for (event, parts) in by_event(&waiting, &mut NoTick).unwrap() {
            let fresh = Arranged::new(event, parts, &calendar, &mut NoTick).unwrap();
            for s in sealed.iter().filter(|s| s.event == event) {
                let c = opened(s);
                let mut got = fresh.meet(0..fresh.len(), &calendar, &c.user, &c.time, &mut NoTick).unwrap();
                let hash = |i: usize| c.inserts.as_ref().map_or(0, |x| x.hash[i]);
                got.retain(|(i, k)| fresh.insert(*i).0 == hash(*k));
                let fresh_rows = arranged_rows(&fresh, &calendar);
                let old_rows = rows(&c);
                let mut want = Vec::new();
                for (i, (a, _)) in fresh_rows.iter().enumerate() {
                    for (k, (b, _)) in old_rows.iter().enumerate() {
                        if a.insert_hash != 0 && (a.user, a.time, a.insert_hash) == (b.user, b.time, b.insert_hash) {
                            want.push((i, k));
                        }
                    }
                }
                prop_assert_eq!(got, want);
            }
        }
    }

    #[test]
    fn picked_rows_are_those_of_the_days(events in vec(event_row(), 1..60), drop in 0usize..60) {
        let calendar = Calendar::utc();
        let all: Vec<Prioritised> = events.into_iter().map(|r| (r, 1)).collect();
        let waiting = sources(vec![chunk(&all)]);
        for (event, parts) in by_event(&waiting, &mut NoTick).unwrap() {
            let whole = Arranged::new(event, parts, &calendar, &mut NoTick).unwrap();
            let whole_rows = arranged_rows(&whole, &calendar);
            let mut seen = 0;
            for (d, range) in whole.days() {
                prop_assert_eq!(range.start, seen);
                seen = range.end;
                let parts = whole.parts(range.clone(), |i| i != drop).unwrap();
                let again = Arranged::new(event, parts, &calendar, &mut NoTick).unwrap();
                let want: Vec<_> = range.filter(|i| *i != drop).map(|i| whole_rows[i].clone()).collect();
                prop_assert!(want.iter().all(|(r, _)| day(&calendar, r.time) == d));
                prop_assert_eq!(arranged_rows(&again, &calendar), want);
            }
            prop_assert_eq!(seen, whole.len());
        }
    }

    #[test]
    fn segments_that_stay_are_much_larger_than_what_comes_to_them(
        new in proptest::collection::btree_map(0i32..30, 1u64..200, 1..8),
        segments in vec((0i32..30, 0i32..6, 1usize..2000), 0..12),
        growth in (1u64..5, 1u64..5).prop_map(|(times, per)| Growth { times, per }),
    ) {
        let segments: Vec<Extent> = segments
            .into_iter()
            .map(|(day_min, days, rows)| Extent { day_min, day_max: day_min + days, rows })
            .collect();
        let chosen = choose(&new, &segments, 500, growth);
        prop_assert!(chosen.is_sorted_by(|a, b| a < b) && chosen.iter().all(|i| *i < segments.len()));
        let total: u64 = new.values().sum::<u64>() + chosen.iter().map(|i| segments[*i].rows as u64).sum::<u64>();
        for (i, s) in segments.iter().enumerate() {
            let coming: u64 = new.range(s.day_min..=s.day_max).map(|(_, n)| *n).sum();
            if chosen.contains(&i) {
                prop_assert!(growth.pays(s.rows as u64, total - s.rows as u64), "not worth it");
            } else {
                prop_assert!(!growth.pays(s.rows as u64, coming), "left beside many new rows");
            }
        }
    }
}

/// Events with an insert id as they come in: its hash, and the id itself as a property. Of some the two do not agree.
fn with_ids(rows: Vec<(EventRow, u8)>) -> Vec<EventRow> {
    let given = |(mut row, id): (EventRow, u8)| {
        let text = match id % 8 {
            0 => return row,
            1 => "5d958f87-542d-4c10-9422-0ed75893dc81".to_string(),
            i => format!("{i:08x}"),
        };
        if id < 240 {
            row.insert_hash = engine::row::insert_hash(&text);
        }
        row.properties.retain(|(p, _)| *p != 3);
        row.properties.push((3, Value::str(text)));
        row.properties.sort_by_key(|(p, _)| *p);
        row
    };
    rows.into_iter().map(given).collect()
}

/// Sets properties 1 and 70,000 to what the groups of kinds 1 and 4 are called, or to a list of that.
fn say_groups(row: &mut EventRow) {
    row.properties.retain(|(p, _)| *p != 1 && *p != 70_000);
    for (kind, list) in &row.groups {
        let name = |g: &u32| Value::str(format!("company_{g:07}"));
        let value = match list.as_slice() {
            [one] => name(one),
            list => Value::List(list.iter().map(name).collect()),
        };
        row.properties.push((if *kind == 1 { 1 } else { 70_000 }, value));
    }
    row.properties.sort_by_key(|(p, _)| *p);
}

#[test]
fn a_property_that_follows_its_groups_takes_no_room_for_codes() {
    let rows: Vec<Prioritised> = (0..20_000u32)
        .map(|i| {
            let mut row = event(i, 10, Value::Null).0;
            row.groups = vec![(1, vec![1 + i.wrapping_mul(2_654_435_761) % 3000])];
            if i % 100 == 0 {
                row.groups = vec![(1, vec![1 + i % 3000, 4000])];
            }
            say_groups(&mut row);
            (row, 1)
        })
        .collect();
    let waiting = sources(vec![chunk(&rows)]);
    let seal = |scratch: &mut Scratch| {
        let (event, parts) = by_event(&waiting, &mut NoTick).unwrap().remove(0);
        let rows = Arranged::new(event, parts, &Calendar::utc(), &mut NoTick).unwrap();
        rows.encode(0..rows.len(), scratch, &mut NoTick).unwrap()
    };
    let plain = seal(&mut Scratch::default());
    let following = seal(&mut Scratch::default().with_keys(vec![(1, 1)]));
    let size = |s: &Sealed| s.properties.iter().find(|(p, _)| *p == 1).unwrap().1.len();
    assert!(
        size(&following) * 2 < size(&plain),
        "{} of {}",
        size(&following),
        size(&plain)
    );
    let column = &following.properties.iter().find(|(p, _)| *p == 1).unwrap().1;
    assert_eq!(codec::followed(column).unwrap(), Some(1));
    assert!(
        codec::decode_column(column, following.rows).is_err(),
        "the groups are needed"
    );
    assert_eq!(common::rows(&opened(&following)), common::rows(&opened(&plain)));
    assert_eq!(common::rows(&opened(&following)), naive(&rows, &Calendar::utc()));
}

proptest! {
    #[test]
    fn hashes_that_follow_from_ids_are_as_good_as_stored_ones(
        batches in vec(vec((event_row(), any::<u8>()), 1..60), 1..4),
        property in prop_oneof![4 => Just(3u32), 1 => Just(2u32), 1 => Just(99u32)],
        keys in vec((prop_oneof![Just(1u32), Just(2), Just(70_000)], prop_oneof![Just(1u16), Just(4)]), 0..3),
        faithful in any::<bool>(),
    ) {
        let calendar = Calendar::utc();
        let mut batches: Vec<Vec<Prioritised>> = batches
            .into_iter()
            .zip(1..)
            .map(|(rows, p)| with_ids(rows).into_iter().map(|r| (r, p)).collect())
            .collect();
        if faithful {
            for (row, _) in batches.iter_mut().flatten() {
                say_groups(row);
            }
        }
        let want = naive(&batches.concat(), &calendar);
        let seal = |sources: &[Source]| -> Vec<Sealed> {
            let mut scratch = Scratch::with_insert_ids(Some(property)).with_keys(keys.clone());
            let of_event = by_event(sources, &mut NoTick).unwrap().into_iter();
            of_event
                .map(|(event, parts)| {
                    let rows = Arranged::new(event, parts, &calendar, &mut NoTick).unwrap();
                    rows.encode(0..rows.len(), &mut scratch, &mut NoTick).unwrap()
                })
                .collect()
        };
        let read = |sealed: &[Sealed]| -> Vec<Prioritised> {
            let each = sealed.iter().map(|s| Source::join(vec![source(s)], &mut NoTick).unwrap());
            let plain: Vec<Source> = each.collect();
            run_sources(&plain, &calendar).iter().flat_map(|s| rows(&opened(s))).collect()
        };
        let (old, new) = batches.split_at(batches.len() / 2);
        let once = seal(&sources(batches.iter().map(|b| chunk(b)).collect()));
        prop_assert_eq!(&read(&once), &want);
        // Again and together with later ones: what follows from the ids is there at every moment.
        let mut again: Vec<Source> = seal(&sources(old.iter().map(|b| chunk(b)).collect())).iter().map(source).collect();
        again.extend(sources(new.iter().map(|b| chunk(b)).collect()));
        let again = seal(&again);
        prop_assert_eq!(&again, &once);
        let joined = vec![Source::join(once.iter().map(source).collect(), &mut NoTick).unwrap()];
        prop_assert_eq!(read(&seal(&joined)), want);
    }
}

fn run_sources(sources: &[Source], calendar: &Calendar) -> Vec<Sealed> {
    compact(sources, calendar, 1 << 20, 1 << 20, &mut NoTick).unwrap()
}

#[test]
fn rows_that_trickle_in_are_rewritten_seldom() {
    // Every day some rows: each waits with others of its size until there are four.
    let growth = Growth { times: 3, per: 1 };
    let (mut segments, mut written, mut most): (Vec<Extent>, usize, usize) = (Vec::new(), 0, 0);
    for day in 0..256 {
        let chosen = choose(&BTreeMap::from([(day, 100)]), &segments, 100_000, growth);
        let mut merged = Extent {
            day_min: day,
            day_max: day,
            rows: 100,
        };
        for i in &chosen {
            merged.day_min = merged.day_min.min(segments[*i].day_min);
            merged.day_max = merged.day_max.max(segments[*i].day_max);
            merged.rows += segments[*i].rows;
        }
        let mut i = 0;
        segments.retain(|_| {
            i += 1;
            !chosen.contains(&(i - 1))
        });
        written += merged.rows;
        segments.push(merged);
        most = most.max(segments.len());
        let apart = |a: &Extent, b: &Extent| a.day_max < b.day_min;
        segments.sort_by_key(|s| s.day_min);
        assert!(
            segments.windows(2).all(|w| apart(&w[0], &w[1])),
            "neighbours are merged"
        );
    }
    assert_eq!(segments.iter().map(|s| s.rows).sum::<usize>(), 25_600);
    assert!(written <= 25_600 * 5, "each row at most 1 + log4(256) times, {written}");
    assert!(most <= 3 * 4 + 1, "{most} segments");
}

fn event(user: u32, time: i64, v: Value) -> Prioritised {
    let row = EventRow {
        event: 1,
        user,
        time,
        properties: vec![(5, v)],
        ..EventRow::default()
    };
    (row, 1)
}

#[test]
fn numbers_and_dictionaries_meet() {
    let calendar = Calendar::utc();
    // Large enough for a column of numbers; a second chunk with text; a third with few numbers.
    let numbers: Vec<Prioritised> = (0..1000)
        .map(|i| event(i, 10, Value::number(f64::from(i) / 8.0)))
        .collect();
    let text: Vec<Prioritised> = (0..10).map(|i| event(2000 + i, 10, Value::str("x"))).collect();
    let few: Vec<Prioritised> = (0..1000)
        .map(|i| event(3000 + i, 10, Value::Int(i64::from(i % 3))))
        .collect();
    let block = |rows: &[Prioritised]| block::encode(&chunk(rows)).unwrap();
    let stored = |rows: &[Prioritised]| block::decode(&block(rows), &block::Wanted::all()).unwrap();
    assert!(matches!(stored(&numbers).property(5), Some(Column::Number(_))));
    for (parts, is_number) in [
        (vec![&numbers], true),
        (vec![&numbers, &text], false),
        (vec![&few, &numbers], true),
        (vec![&few], false),
        (vec![&text, &few, &numbers], false),
    ] {
        let all: Vec<Prioritised> = parts.iter().flat_map(|p| p.iter().cloned()).collect();
        let from_blocks: Vec<Source> = parts.iter().map(|p| Source::from_block(&block(p)).unwrap()).collect();
        let from_blocks = compact(&from_blocks, &calendar, 1 << 20, 1 << 20, &mut NoTick).unwrap();
        let from_rows = run(vec![chunk(&all)], &calendar, 1 << 20, 1 << 20);
        assert_eq!(from_blocks, from_rows);
        let joined = parts.iter().map(|p| Source::from_block(&block(p)).unwrap()).collect();
        let joined = vec![Source::join(joined, &mut NoTick).unwrap()];
        assert_eq!(
            compact(&joined, &calendar, 1 << 20, 1 << 20, &mut NoTick).unwrap(),
            from_rows
        );
        assert_eq!(
            matches!(opened(&from_rows[0]).property(5), Some(Column::Number(_))),
            is_number
        );
        assert_eq!(
            from_rows
                .iter()
                .flat_map(|s| rows(&opened(s)))
                .collect::<Vec<_>>()
                .len(),
            all.len()
        );
    }
}

#[test]
fn values_that_mostly_differ_are_still_each_once_in_a_segment() {
    let text = |i: u32| Value::str(format!("id-{}", i.wrapping_mul(2_654_435_761) % 2500));
    let batch = |from: u32| -> Vec<Prioritised> {
        (from..from + 1500)
            .map(|i| event(i, i64::from(i % 40), text(i)))
            .collect()
    };
    let (a, b) = (batch(0), batch(1500));
    let once = run(
        vec![chunk(&[a.clone(), b.clone()].concat())],
        &Calendar::utc(),
        700,
        900,
    );
    let joined = vec![Source::join(sources(vec![chunk(&a), chunk(&b)]), &mut NoTick).unwrap()];
    let joined = compact(&joined, &Calendar::utc(), 700, 900, &mut NoTick).unwrap();
    assert_eq!(joined, once);
    check_cuts(&joined, &Calendar::utc(), 700, 900);
}

#[test]
fn odd_numbers_in_a_column_become_what_they_read_as() {
    let c = |v: Vec<f64>| Chunk {
        events: Events::One(1),
        user: (0..v.len() as u32).collect(),
        time: vec![0; v.len()],
        properties: vec![engine::chunk::PropertyColumn {
            property: 5,
            column: Column::Number(v),
        }],
        ..Chunk::default()
    };
    for v in [vec![-0.0, f64::NAN, 1.5], vec![f64::INFINITY, 2.0]] {
        let c = c(v);
        let sealed = run(vec![c.clone()], &Calendar::utc(), 10, 10);
        let got: Vec<_> = rows(&opened(&sealed[0])).into_iter().map(|r| r.0.properties).collect();
        let want: Vec<_> = rows(&c).into_iter().map(|r| r.0.properties).collect();
        assert_eq!(got, want);
    }
}

#[test]
fn a_day_of_one_busy_user_is_one_segment() {
    let busy = (0..100).map(|i| event(7, i, Value::Null));
    let others = (0..30).map(|i| event(i, 5, Value::Null));
    let sealed = run(
        vec![chunk(&busy.chain(others).collect::<Vec<_>>())],
        &Calendar::utc(),
        10,
        20,
    );
    let shape: Vec<_> = sealed.iter().map(|s| (s.user_min, s.user_max, s.rows)).collect();
    assert_eq!(shape, [(0, 6, 7), (7, 7, 101), (8, 26, 19), (27, 29, 3)]);
}

struct Stop(u32);

impl Tick for Stop {
    fn tick(&mut self) -> Result<()> {
        self.0 = self.0.checked_sub(1).ok_or(Error::Cancelled)?;
        Ok(())
    }
}

#[test]
fn compaction_stops_when_asked() {
    let rows: Vec<Prioritised> = (0..20_000)
        .map(|i| event(i % 900, i64::from(i), Value::Int(i64::from(i))))
        .collect();
    let c = chunk(&rows);
    let c = sources(vec![c]);
    let mut left = Stop(u32::MAX);
    compact(&c, &Calendar::utc(), 1000, 2000, &mut left).unwrap();
    let ticks = u32::MAX - left.0;
    assert!(ticks > 10);
    for at in [0, 1, ticks / 2, ticks - 1] {
        let got = compact(&c, &Calendar::utc(), 1000, 2000, &mut Stop(at));
        assert_eq!(got, Err(Error::Cancelled));
    }
}
