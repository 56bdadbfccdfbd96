use super::*;
use crate::chunk::USER;
use crate::gather::testing::*;
use crate::tick::NoTick;
use crate::time::HOUR_MS;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Selector bits of the events: born, returned.
const A: u128 = 1;
const B: u128 = 2;

fn question(unit: Unit, from_day: i32, to_day: i32, criterion: Criterion) -> Question<'static> {
    Question {
        by: USER,
        unit,
        buckets: 3,
        criterion,
        alignment: Alignment::Rolling,
        births: Births::Every,
        from_day,
        to_day,
        now_ms: i64::MAX,
        remap: None,
        memory_limit: 1 << 30,
    }
}

fn gather<'p>(plan: &'p Plan<'p>, events: &[Ev], only: &Option<BTreeSet<u32>>) -> Partial {
    let mut k = Kernel::new(plan);
    let (chunk, hits) = chunk_of(events, 2, plan.by, only);
    k.push(&chunk, &hits[0], &hits[1], &mut NoTick).unwrap();
    k.finish().unwrap()
}

fn run(q: Question, events: &[Ev]) -> Vec<Row> {
    let plan = Plan::new(q, &Calendar::utc()).unwrap();
    finish(&plan, gather(&plan, events, &None), &mut NoTick).unwrap()
}

/// Size and buckets of the first cohort.
fn first_row(rows: &[Row]) -> (u64, Vec<u64>) {
    let cohort = rows[0].cohort;
    let row = rows.iter().filter(|r| r.cohort == cohort);
    (rows[0].size, row.map(|r| r.retained).collect())
}

#[test]
fn buckets_of_the_worked_example() {
    let birth = Ev::new(utc("2024-01-01T20:00:00"), A, 1, &[]);
    let d = day("2024-01-01");
    for (back, rolling, calendar) in [
        ("2024-01-02T06:00:00", 0, 1),
        ("2024-01-02T21:00:00", 1, 1),
        ("2024-01-04T19:59:00", 2, 3),
    ] {
        let events = [birth.clone(), Ev::new(utc(back), B, 1, &[])];
        for (alignment, n) in [(Alignment::Rolling, rolling), (Alignment::Calendar, calendar)] {
            let rows = run(
                Question {
                    alignment,
                    ..question(Unit::Day, d, d, Criterion::On)
                },
                &events,
            );
            let expected: Vec<u64> = (0..4).map(|b| u64::from(b == n)).collect();
            assert_eq!(first_row(&rows), (1, expected), "{back} {alignment:?}");
        }
    }
}

#[test]
fn weeks_and_months_of_the_documentation() {
    let bucket = |unit, alignment, born: &str, back: &str| {
        let d = Calendar::utc().day_of(utc(born)).unwrap();
        let events = [Ev::new(utc(born), A, 1, &[]), Ev::new(utc(back), B, 1, &[])];
        let rows = run(
            Question {
                alignment,
                buckets: 60,
                ..question(unit, d, d, Criterion::On)
            },
            &events,
        );
        first_row(&rows).1.iter().position(|n| *n == 1)
    };
    use Alignment::{Calendar as C, Rolling as R};
    // Tuesday 15:00: Day 1 ends on Thursday 14:59.
    assert_eq!(
        bucket(Unit::Day, R, "2024-01-02T15:00:00", "2024-01-03T14:59:00"),
        Some(0)
    );
    assert_eq!(
        bucket(Unit::Day, R, "2024-01-02T15:00:00", "2024-01-03T15:00:00"),
        Some(1)
    );
    assert_eq!(
        bucket(Unit::Day, R, "2024-01-02T15:00:00", "2024-01-04T14:59:00"),
        Some(1)
    );
    assert_eq!(
        bucket(Unit::Month, R, "2024-01-01T00:00:00", "2024-01-31T00:00:00"),
        Some(1)
    );
    // Monday 20:00 to Tuesday 06:00; Friday to Monday; 25 February to 3 March.
    assert_eq!(
        bucket(Unit::Day, C, "2024-01-01T20:00:00", "2024-01-02T06:00:00"),
        Some(1)
    );
    assert_eq!(
        bucket(Unit::Week, C, "2024-01-05T12:00:00", "2024-01-08T12:00:00"),
        Some(1)
    );
    assert_eq!(
        bucket(Unit::Month, C, "2024-02-25T12:00:00", "2024-03-03T12:00:00"),
        Some(1)
    );
}

#[test]
fn criteria_of_the_worked_example() {
    let active: [&[i64]; 5] = [&[0, 2], &[1], &[0, 1, 2], &[], &[3]];
    let mut events = Vec::new();
    for (g, buckets) in active.iter().enumerate() {
        events.push(Ev::new(0, A, 1, &[g as u32 + 1]));
        events.extend(
            buckets
                .iter()
                .map(|b| Ev::new(b * DAY_MS + HOUR_MS, B, 2, &[g as u32 + 1])),
        );
    }
    for (criterion, expected) in [
        (Criterion::On, [2, 2, 2, 1]),
        (Criterion::OnOrAfter, [4, 4, 3, 1]),
        (Criterion::OnOrBefore, [2, 3, 3, 4]),
        (Criterion::Streak, [2, 1, 1, 0]),
    ] {
        let q = Question {
            by: COMPANY,
            ..question(Unit::Day, 0, 0, criterion)
        };
        assert_eq!(first_row(&run(q, &events)), (5, expected.to_vec()), "{criterion:?}");
    }
}

#[test]
fn the_birth_is_a_return_only_in_a_streak() {
    let both = [Ev::new(5, A | B, 1, &[])];
    assert_eq!(
        first_row(&run(question(Unit::Day, 0, 0, Criterion::On), &both)).1,
        [0, 0, 0, 0]
    );
    assert_eq!(
        first_row(&run(question(Unit::Day, 0, 0, Criterion::Streak), &both)).1,
        [1, 0, 0, 0]
    );
    // Another event of the same instant is not later.
    let twins = [Ev::new(5, A, 1, &[]), Ev::new(5, B, 1, &[])];
    assert_eq!(
        first_row(&run(question(Unit::Day, 0, 0, Criterion::On), &twins)).1,
        [0, 0, 0, 0]
    );
    assert_eq!(
        first_row(&run(question(Unit::Day, 0, 0, Criterion::Streak), &twins)).1,
        [0, 0, 0, 0]
    );
}

#[test]
fn companies_are_retained_by_any_of_their_users() {
    let t = |s: &str| utc(&format!("2024-01-{s}:00"));
    let events = [
        Ev::new(t("01T09:00"), A, 1, &[1]),
        Ev::new(t("02T10:00"), B, 2, &[1]),
        Ev::new(t("01T12:00"), A, 3, &[2]),
        Ev::new(t("01T18:00"), B, 3, &[2]),
    ];
    let q = question(Unit::Day, day("2024-01-01"), day("2024-01-01"), Criterion::On);
    let companies = Question {
        by: COMPANY,
        ..q.clone()
    };
    assert_eq!(first_row(&run(companies, &events)), (2, vec![1, 1, 0, 0]));
    assert_eq!(first_row(&run(q, &events)), (2, vec![1, 0, 0, 0]));
}

/// Appendix B: Signup, then Login. acme = 1, globex = 2.
#[test]
fn the_end_to_end_example() {
    let t = |s: &str| utc(&format!("2024-01-{s}:00"));
    let events = [
        Ev::new(t("01T09:00"), A, 10, &[]),
        Ev::new(t("01T10:00"), A, 1, &[1]),
        Ev::new(t("01T10:05"), A, 2, &[2]),
        Ev::new(t("03T10:00"), B, 5, &[]),
        Ev::new(t("03T10:00"), B, 1, &[1]),
    ];
    let q = question(Unit::Day, day("2024-01-01"), day("2024-01-03"), Criterion::On);
    assert_eq!(first_row(&run(q.clone(), &events)), (3, vec![0, 0, 1, 0]));
    assert_eq!(
        first_row(&run(Question { by: COMPANY, ..q }, &events)),
        (2, vec![0, 0, 1, 0])
    );
}

#[test]
fn the_first_birth_ever_may_lie_before_the_range() {
    let events = [
        Ev::new(-5, A, 1, &[]),
        Ev::new(5, A, 1, &[]),
        Ev::new(6, A, 2, &[]),
        Ev::new(7, B, 2, &[]),
    ];
    let q = question(Unit::Day, 0, 0, Criterion::On);
    assert_eq!(first_row(&run(q.clone(), &events)), (2, vec![1, 0, 0, 0]));
    assert_eq!(
        first_row(&run(
            Question {
                births: Births::First,
                ..q
            },
            &events
        )),
        (1, vec![1, 0, 0, 0])
    );
}

#[test]
fn cells_are_complete_when_the_youngest_member_is_through() {
    // Wednesday to Tuesday: two weeks of births, both cut by the range.
    let (from, to) = (day("2024-01-03"), day("2024-01-09"));
    let complete = |alignment, now: &str| -> Vec<bool> {
        let now_ms = utc(now);
        let q = Question {
            alignment,
            now_ms,
            buckets: 1,
            ..question(Unit::Week, from, to, Criterion::On)
        };
        run(q, &[]).iter().map(|r| r.complete).collect()
    };
    use Alignment::{Calendar as C, Rolling as R};
    // The first row's births end on the 8th, the second's on the 10th.
    assert_eq!(complete(R, "2024-01-14T23:59:59"), [false, false, false, false]);
    assert_eq!(complete(R, "2024-01-15T00:00:00"), [true, false, false, false]);
    assert_eq!(complete(R, "2024-01-17T00:00:00"), [true, false, true, false]);
    assert_eq!(complete(R, "2024-01-24T00:00:00"), [true, true, true, true]);
    assert_eq!(complete(C, "2024-01-07T23:59:59"), [false, false, false, false]);
    assert_eq!(complete(C, "2024-01-08T00:00:00"), [true, false, false, false]);
    assert_eq!(complete(C, "2024-01-15T00:00:00"), [true, true, true, false]);
    assert_eq!(complete(C, "2024-01-22T00:00:00"), [true, true, true, true]);
}

#[test]
fn too_much_is_refused_with_a_hint() {
    let q = question(Unit::Day, 0, 9, Criterion::On);
    let refused = |q: Question| Plan::new(q, &Calendar::utc()).unwrap_err();
    assert!(matches!(
        refused(Question {
            buckets: MAX_BUCKETS + 1,
            ..q.clone()
        }),
        Error::Param { hint: Some(_), .. }
    ));
    assert!(matches!(
        refused(Question {
            unit: Unit::Hour,
            ..q.clone()
        }),
        Error::Param { hint: Some(_), .. }
    ));
    assert!(matches!(
        refused(Question {
            memory_limit: 1000,
            ..q
        }),
        Error::Limit { hint: Some(_), .. }
    ));
}

/// Straight from the definitions, one subject, row and bucket at a time.
fn oracle(q: &Question, calendar: &Calendar, events: &[Ev], only: &Option<BTreeSet<u32>>) -> Vec<Row> {
    let mut streams: BTreeMap<u32, Vec<(i64, u128)>> = BTreeMap::new();
    for e in events {
        for s in e.subjects(q.by, only, q.remap) {
            streams.entry(s).or_default().push((e.t, e.mask));
        }
    }
    let fixed = match q.unit {
        Unit::Day => DAY_MS,
        Unit::Week => 7 * DAY_MS,
        _ => 30 * DAY_MS,
    };
    let range = calendar.days(q.from_day, q.to_day).unwrap();
    let mut cohorts: Vec<i32> = (q.from_day..=q.to_day)
        .map(|d| calendar.unit_start_day(q.unit, d).unwrap())
        .collect();
    cohorts.dedup();
    let mut rows = Vec::new();
    for unit_day in cohorts {
        let start = calendar.day_start(unit_day).unwrap();
        let after = |n: i64| {
            calendar
                .day_start(calendar.add_units(q.unit, unit_day, n).unwrap())
                .unwrap()
        };
        let (from, to) = (start.max(range.from), after(1).min(range.to));
        let mut size = 0;
        let mut retained = vec![0; q.buckets + 1];
        for stream in streams.values() {
            let births = || stream.iter().filter(|(_, m)| m & A != 0).map(|(t, _)| *t);
            let here = || births().filter(|t| *t >= from && *t < to);
            let t0 = match q.births {
                Births::Every => here().min(),
                Births::First => births().min().filter(|t| *t >= from && *t < to),
            };
            let Some(t0) = t0 else { continue };
            size += 1;
            let bucket = |t: i64| match q.alignment {
                Alignment::Rolling => (t - t0) / fixed,
                Alignment::Calendar => {
                    calendar.unit_index(q.unit, t).unwrap() - calendar.unit_index(q.unit, t0).unwrap()
                }
            };
            let returns = stream
                .iter()
                .filter(|(t, m)| m & B != 0 && *t > t0)
                .map(|(t, _)| bucket(*t));
            let mut active: BTreeSet<i64> = returns.collect();
            if q.criterion == Criterion::Streak && stream.iter().any(|(t, m)| *t == t0 && *m == A | B) {
                active.insert(0);
            }
            for (n, cell) in (0i64..).zip(&mut retained) {
                let kept = match q.criterion {
                    Criterion::On => active.contains(&n),
                    Criterion::OnOrAfter => active.iter().any(|b| *b >= n),
                    Criterion::OnOrBefore => active.iter().any(|b| *b <= n),
                    Criterion::Streak => (0..=n).all(|b| active.contains(&b)),
                };
                *cell += u64::from(kept);
            }
        }
        for (n, kept) in retained.into_iter().enumerate() {
            let end = match q.alignment {
                Alignment::Rolling => to + (n as i64 + 1) * fixed,
                Alignment::Calendar => after(n as i64 + 1),
            };
            rows.push(Row {
                cohort: start,
                size,
                bucket: n,
                retained: kept,
                value: if size == 0 {
                    None
                } else {
                    Some(kept as f64 / size as f64)
                },
                complete: end <= q.now_ms,
            });
        }
    }
    rows
}

fn events(origin: i64) -> impl Strategy<Value = Vec<Ev>> {
    let hours = (-60i64..240, prop_oneof![4 => Just(0i64), 1 => -1i64..2]).prop_map(|(h, ms)| h * HOUR_MS + ms);
    let days = (-3i64..120).prop_map(|d| d * DAY_MS);
    let ev = (prop_oneof![5 => hours, 2 => days], 1u128..4, 0u32..6, groups());
    let ev = ev.prop_map(move |(t, mask, user, companies)| Ev::new(origin + t, mask, user, &companies));
    prop::collection::vec(ev, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1200))]
    #[test]
    fn agrees_with_the_definition(
        (zone, eve, events) in prop::sample::select(&ZONES[..]).prop_flat_map(|(z, d)| {
            let origin = at(z, &format!("{d}T00:00:00"));
            (Just(z), Just(d), events(origin))
        }),
        by in prop::sample::select(vec![USER, COMPANY]),
        unit in prop::sample::select(vec![Unit::Day, Unit::Week, Unit::Month]),
        week_start in prop::sample::select(vec!["monday", "sunday", "thursday"]),
        criterion in prop::sample::select(vec![Criterion::On, Criterion::OnOrAfter, Criterion::OnOrBefore, Criterion::Streak]),
        rolling in any::<bool>(), first in any::<bool>(),
        buckets in 0usize..6, length in 0i32..40, now in -2i64..100,
        only in filters(), remap in remaps(),
        dealt in prop::collection::vec(0usize..4, 1..40), order in Just(vec![0, 1, 2, 3]).prop_shuffle(),
    ) {
        let calendar = Calendar::new(zone, week_start).unwrap();
        let from_day = day(eve);
        let q = Question {
            by,
            buckets,
            alignment: if rolling { Alignment::Rolling } else { Alignment::Calendar },
            births: if first { Births::First } else { Births::Every },
            now_ms: at(zone, &format!("{eve}T00:00:00")) + now * DAY_MS,
            remap: remap.as_deref(),
            ..question(unit, from_day, from_day + length, criterion)
        };
        let expected = oracle(&q, &calendar, &events, &only);
        let plan = Plan::new(q, &calendar).unwrap();
        prop_assert_eq!(&finish(&plan, gather(&plan, &events, &only), &mut NoTick).unwrap(), &expected);
        // As a store would hold them: by user and time, which lets returns collapse.
        let mut sorted = events.clone();
        sorted.sort_by_key(|e| (e.user, e.t));
        prop_assert_eq!(&finish(&plan, gather(&plan, &sorted, &only), &mut NoTick).unwrap(), &expected);
        // One kernel over a chunk for each day and what its events are, as the store has them.
        let mut days: BTreeMap<(i32, u128), Vec<Ev>> = BTreeMap::new();
        for e in &sorted {
            days.entry((calendar.day_of(e.t).unwrap(), e.mask)).or_default().push(e.clone());
        }
        let mut kernel = Kernel::new(&plan);
        for events in days.values() {
            let (chunk, hits) = chunk_of(events, 2, by, &only);
            kernel.push(&chunk, &hits[0], &hits[1], &mut NoTick).unwrap();
        }
        prop_assert_eq!(&finish(&plan, kernel.finish().unwrap(), &mut NoTick).unwrap(), &expected);
        let parts = deal(&sorted, &dealt);
        let mut parts: Vec<Option<Partial>> = parts.iter().map(|e| Some(gather(&plan, e, &only))).collect();
        let mut all: Option<Partial> = None;
        for i in order {
            let part = parts[i].take().unwrap();
            let part = Partial::decode(&part.encode().unwrap(), &plan).unwrap();
            all = Some(match all {
                None => part,
                Some(a) => a.merge(part, &plan).unwrap(),
            });
        }
        prop_assert_eq!(&finish(&plan, all.unwrap(), &mut NoTick).unwrap(), &expected);
    }

    #[test]
    fn garbage_is_refused(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let plan = Plan::new(question(Unit::Day, 0, 3, Criterion::On), &Calendar::utc()).unwrap();
        let events: Vec<Ev> = (0..20).map(|i| Ev::new(i, 1 + i as u128 % 3, 1 + i as u32 % 3, &[])).collect();
        let bytes = gather(&plan, &events, &None).encode().unwrap();
        let mut broken = bytes.clone();
        broken[at.index(bytes.len())] ^= byte;
        prop_assert_eq!(Partial::decode(&broken, &plan).is_ok(), broken == bytes);
        prop_assert!(Partial::decode(&bytes[..cut.index(bytes.len())], &plan).is_err());
        let n = broken.len() - 4;
        let sum = crc32c::crc32c(&broken[..n]).to_le_bytes();
        broken[n..].copy_from_slice(&sum);
        if let Ok(partial) = Partial::decode(&broken, &plan) {
            finish(&plan, partial, &mut NoTick).unwrap();
        }
    }
}
