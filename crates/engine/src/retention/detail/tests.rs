use super::super::{Alignment, Births, Criterion, Kernel as PlainKernel, Question, finish as plain_finish};
use super::*;
use crate::breakdown::{OTHER, texts_of};
use crate::gather::testing::*;
use crate::tick::NoTick;
use crate::time::{Calendar, DAY_MS, HOUR_MS, Unit};
use crate::value::Value;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Selector bits of the events: born, returned.
const A: u128 = 1;
const B: u128 = 2;

fn question(unit: Unit, days: i32, criterion: Criterion) -> Question<'static> {
    Question {
        by: USER,
        unit,
        buckets: 3,
        criterion,
        alignment: Alignment::Rolling,
        births: Births::Every,
        from_day: 0,
        to_day: days,
        now_ms: 20 * DAY_MS,
        remap: None,
        memory_limit: 1 << 30,
    }
}

fn gather(detail: &Detail, events: &[Ev]) -> Partial {
    let mut k = Kernel::new(detail).unwrap();
    let (chunk, hits) = chunk_of(events, 2, detail.plan.by, &None);
    k.push(&chunk, &hits[0], &hits[1], &mut NoTick).unwrap();
    k.finish()
}

fn answer(detail: &Detail, partial: Partial) -> Vec<Row> {
    let counts = count_on(detail, partial, &crate::parallel::Workers::serial(), &mut NoTick).unwrap();
    rows(detail, counts, &mut NoTick).unwrap()
}

fn born(hour: i64, user: u32, p: &str) -> Ev {
    Ev {
        p: Some(Value::str(p)),
        ..Ev::new(hour * HOUR_MS, A, user, &[])
    }
}

fn paid(hour: i64, user: u32, n: f64) -> Ev {
    Ev {
        n: Some(n),
        ..Ev::new(hour * HOUR_MS, B, user, &[])
    }
}

#[test]
fn a_segment_is_that_of_the_birth_and_sums_are_of_the_returns() {
    // Two come from de, one of them pays 10 on day 1 and 5 on day 2; one comes from us and pays 7 on day 2.
    let events = [
        born(1, 1, "de"),
        born(2, 2, "de"),
        born(3, 3, "us"),
        paid(30, 1, 10.0),
        paid(50, 1, 5.0),
        paid(60, 3, 7.0),
    ];
    let of = |measure, criterion| {
        let plan = Plan::new(question(Unit::Day, 0, criterion), &Calendar::utc()).unwrap();
        let detail = Detail::new(plan, Vec::new(), vec![Dimension::EventProperty(P)], measure, 9).unwrap();
        let rows = answer(&detail, gather(&detail, &events));
        let values = |s: &str| -> Vec<Option<f64>> {
            let of = rows.iter().filter(|r| *r.segment == [s.to_string()]);
            of.map(|r| r.value).collect()
        };
        (values("de"), values("us"))
    };
    let some = |v: &[f64]| v.iter().map(|x| Some(*x)).collect::<Vec<_>>();
    assert_eq!(
        of(Measure::Rate, Criterion::On),
        (some(&[0.0, 0.5, 0.5, 0.0]), some(&[0.0, 0.0, 1.0, 0.0]))
    );
    assert_eq!(
        of(Measure::Sum(N), Criterion::On),
        (some(&[0.0, 10.0, 5.0, 0.0]), some(&[0.0, 0.0, 7.0, 0.0]))
    );
    // What came in so far, which is what one is worth.
    assert_eq!(
        of(Measure::Sum(N), Criterion::OnOrBefore),
        (some(&[0.0, 10.0, 15.0, 15.0]), some(&[0.0, 0.0, 7.0, 7.0]))
    );
    assert_eq!(
        of(Measure::Average(N), Criterion::OnOrAfter).0,
        [Some(15.0), Some(15.0), Some(5.0), None]
    );
}

#[test]
fn brackets_are_several_units() {
    let events = [
        born(0, 1, "x"),
        paid(26, 1, 1.0),
        paid(24 * 8, 1, 1.0),
        born(0, 2, "x"),
        paid(24 * 6, 2, 1.0),
    ];
    let brackets = vec![1, 7, 30];
    let q = Question {
        buckets: last_bucket(&brackets).unwrap(),
        ..question(Unit::Day, 0, Criterion::On)
    };
    let plan = Plan::new(q, &Calendar::utc()).unwrap();
    let detail = Detail::new(plan, brackets, Vec::new(), Measure::Rate, 9).unwrap();
    let found = answer(&detail, gather(&detail, &events));
    let retained: Vec<u64> = found.iter().map(|r| r.retained).collect();
    let complete: Vec<bool> = found.iter().map(|r| r.complete).collect();
    assert_eq!((retained, complete), (vec![0, 2, 1], vec![true, true, false]));
    for wrong in [
        vec![0, 1],
        vec![3, 3],
        vec![7, 1],
        vec![],
        vec![MAX_BUCKETS + 1],
        (1..1000).collect(),
    ] {
        assert!(last_bucket(&wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn the_average_row_of_the_documentation() {
    let row = |size, retained, complete| Row {
        segment: Arc::new([]),
        cohort: 0,
        size,
        bucket: 0,
        retained,
        value: Some(retained as f64 / size as f64),
        complete,
    };
    let rows = [row(1000, 500, true), row(500, 400, true), row(700, 10, false)];
    let of = |measure, average| summary(&rows, 1, measure, average).unwrap().remove(0);
    let weighted = of(Measure::Rate, Average::Weighted);
    let round = |x: Option<f64>| (x.unwrap() * 100.0).round() / 100.0;
    assert_eq!(
        (round(weighted.size), round(weighted.retained), round(weighted.value)),
        (833.33, 466.67, 0.56)
    );
    let pooled = of(Measure::Rate, Average::Pooled);
    assert_eq!(
        (pooled.size, pooled.retained, pooled.value),
        (Some(1500.0), Some(900.0), Some(0.6))
    );
    let nobody = summary(&[row(700, 10, false)], 1, Measure::Rate, Average::Weighted).unwrap();
    assert_eq!((nobody[0].size, nobody[0].value), (None, None));
}

/// The cells of one birth by the words of the law: retained and sum, by bucket.
fn cells(
    detail: &Detail,
    q: &Question,
    calendar: &Calendar,
    t0: i64,
    both: bool,
    returns: &[(i64, f64)],
) -> Vec<(bool, f64)> {
    let unit_ms = match q.unit {
        Unit::Day => DAY_MS,
        Unit::Week => 7 * DAY_MS,
        _ => 30 * DAY_MS,
    };
    let unit = |t: i64| match q.alignment {
        Alignment::Rolling => (t - t0) / unit_ms,
        Alignment::Calendar => calendar.unit_index(q.unit, t).unwrap() - calendar.unit_index(q.unit, t0).unwrap(),
    };
    let bounds = |n: usize| {
        let end = |n: usize| *detail.brackets.get(n).unwrap_or(&(n + 1)) as i64;
        (if n == 0 { 0 } else { end(n - 1) }, end(n))
    };
    let inside = |n: usize, t: i64| (bounds(n).0..bounds(n).1).contains(&unit(t));
    let mut streak = true;
    (0..detail.columns())
        .map(|n| {
            let here = returns.iter().any(|(t, _)| inside(n, *t));
            streak &= here || n == 0 && both;
            let takes = |t: i64| match q.criterion {
                Criterion::On => inside(n, t),
                Criterion::OnOrAfter => unit(t) >= bounds(n).0,
                Criterion::OnOrBefore => unit(t) < bounds(n).1,
                Criterion::Streak => streak && inside(n, t),
            };
            let sum = returns
                .iter()
                .filter(|(t, x)| takes(*t) && !x.is_nan())
                .map(|(_, x)| x)
                .sum();
            let retained = match q.criterion {
                Criterion::Streak => streak,
                _ => returns.iter().any(|(t, _)| takes(*t)),
            };
            (retained, sum)
        })
        .collect()
}

/// (subject, cohort, birth, segments, cells) of every birth that counts.
type Born = (u32, usize, i64, BTreeSet<String>, Vec<(bool, f64)>);

fn definition(detail: &Detail, q: &Question, calendar: &Calendar, events: &[Ev]) -> Vec<Born> {
    let texts = |e: &Ev| {
        let mut all = BTreeSet::new();
        texts_of(e.p.as_ref(), &mut |t| {
            all.insert(t.to_string());
            Ok(())
        })
        .unwrap();
        all
    };
    let buckets = calendar.buckets(q.unit, q.from_day, q.to_day).unwrap();
    let mut found = Vec::new();
    for no in 1..9 {
        let mine = |e: &&Ev| e.subjects(q.by, &None, q.remap).contains(&no);
        let own: Vec<&Ev> = events.iter().filter(mine).collect();
        let mut births: Vec<&&Ev> = own.iter().filter(|e| e.mask & A != 0).collect();
        births.sort_by_key(|e| (e.t, e.mask & B, texts(e)));
        if q.births == Births::First {
            births.truncate(1);
        }
        let mut seen = BTreeSet::new();
        for b in births {
            let Some(c) = buckets.of(b.t).filter(|c| seen.insert(*c)) else {
                continue;
            };
            let both = own.iter().any(|e| e.t == b.t && e.mask & (A | B) == A | B);
            let mut back: Vec<(i64, f64)> = own
                .iter()
                .filter(|e| e.mask & B != 0 && e.t > b.t)
                .map(|e| (e.t, e.n.unwrap_or(f64::NAN)))
                .collect();
            back.sort_by_key(|r| r.0);
            found.push((no, c, b.t, texts(b), cells(detail, q, calendar, b.t, both, &back)));
        }
    }
    found
}

fn events() -> impl Strategy<Value = Vec<Ev>> {
    let hours = (-60i64..240, prop_oneof![4 => Just(0i64), 1 => -1i64..2]).prop_map(|(h, ms)| h * HOUR_MS + ms);
    let values = prop::sample::select(vec![
        "null",
        "\"\"",
        "\"a\"",
        "\"b\"",
        "[\"a\",\"b\"]",
        "1",
        "\"$other\"",
    ]);
    let ev = (
        prop_oneof![5 => hours, 2 => (-3i64..120).prop_map(|d| d * DAY_MS)],
        1u128..4,
        0u32..6,
        groups(),
        values,
        prop::option::of(-4i32..9),
    );
    let ev = ev.prop_map(|(t, mask, user, companies, p, n)| Ev {
        p: Some(serde_json::from_str(p).unwrap()),
        n: n.map(f64::from),
        ..Ev::new(t, mask, user, &companies)
    });
    prop::collection::vec(ev, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn agrees_with_the_definition(
        events in events(), by in prop::sample::select(vec![USER, COMPANY]),
        unit in prop::sample::select(vec![Unit::Day, Unit::Week, Unit::Month]),
        criterion in prop::sample::select(vec![Criterion::On, Criterion::OnOrAfter, Criterion::OnOrBefore, Criterion::Streak]),
        rolling in any::<bool>(), first in any::<bool>(), length in 0i32..9, top in 1usize..4,
        brackets in prop_oneof![Just(vec![]), prop::collection::btree_set(1usize..9, 1..4).prop_map(|b| b.into_iter().collect())],
        broken_down in any::<bool>(), measure in 0usize..4, remap in remaps(),
        dealt in prop::collection::vec(0usize..4, 1..40), column in any::<prop::sample::Index>(), lost in any::<bool>(),
    ) {
        let calendar = Calendar::utc();
        let measure = [Measure::Rate, Measure::Count, Measure::Sum(N), Measure::Average(N)][measure];
        let q = Question {
            by,
            buckets: if brackets.is_empty() { 3 } else { last_bucket(&brackets).unwrap() },
            alignment: if rolling { Alignment::Rolling } else { Alignment::Calendar },
            births: if first { Births::First } else { Births::Every },
            remap: remap.as_deref(),
            ..question(unit, length, criterion)
        };
        let breakdown = if broken_down { vec![Dimension::EventProperty(P)] } else { vec![] };
        let detail = Detail::new(Plan::new(q.clone(), &calendar).unwrap(), brackets, breakdown, measure, top).unwrap();
        let born = definition(&detail, &q, &calendar, &events);
        let plain = answer(&detail, gather(&detail, &events));

        // Segments by births, the rest as one.
        let mut scores: BTreeMap<&str, usize> = BTreeMap::new();
        for (.., texts, _) in &born {
            texts.iter().for_each(|t| *scores.entry(t).or_default() += 1);
        }
        let mut order: Vec<&str> = scores.keys().copied().filter(|s| *s != OTHER).collect();
        order.sort_by_key(|s| (std::cmp::Reverse(scores[s]), *s));
        order.truncate(top);
        let mut shown: Vec<(Vec<String>, BTreeSet<&str>)> = order.iter().map(|s| (vec![s.to_string()], BTreeSet::from([*s]))).collect();
        let rest: BTreeSet<&str> = scores.keys().copied().filter(|s| !order.contains(s)).collect();
        if !rest.is_empty() {
            shown.push((vec![OTHER.to_string()], rest));
        }
        if !broken_down {
            shown = vec![(vec![], scores.keys().copied().collect())];
        }
        let mut expected = Vec::new();
        let cohorts = detail.plan.cohorts.labels.len();
        for (name, segments) in &shown {
            for c in 0..cohorts {
                let here: Vec<&Born> = born.iter().filter(|b| b.1 == c && b.3.iter().any(|t| segments.contains(t.as_str()))).collect();
                for n in 0..detail.columns() {
                    let size = here.len() as u64;
                    let kept: Vec<f64> = here.iter().filter(|b| b.4[n].0).map(|b| b.4[n].1).collect();
                    let (retained, sum) = (kept.len() as u64, kept.iter().sum::<f64>());
                    let value = match measure {
                        Measure::Rate => (size > 0).then(|| retained as f64 / size as f64),
                        Measure::Count => Some(retained as f64),
                        Measure::Sum(_) => Some(sum),
                        Measure::Average(_) => (retained > 0).then(|| sum / retained as f64),
                    };
                    expected.push((name.clone(), c, n, size, retained, value));
                }
            }
        }
        let found: Vec<_> = plain.iter().map(|r| {
            let c = detail.plan.cohorts.labels.iter().position(|l| *l == r.cohort).unwrap();
            (r.segment.to_vec(), c, r.bucket, r.size, r.retained, r.value)
        }).collect();
        prop_assert_eq!(&found, &expected);

        // The same from parts in any order, through bytes.
        let mut all: Option<Partial> = None;
        for events in deal(&events, &dealt) {
            let part = Partial::decode(&gather(&detail, &events).encode().unwrap(), &detail).unwrap();
            all = Some(match all {
                None => part,
                Some(a) => a.merge(part, &detail).unwrap(),
            });
        }
        prop_assert_eq!(&answer(&detail, all.unwrap()), &plain);

        // The plain kernel says the same of the plain question.
        if !broken_down && detail.brackets.is_empty() {
            let mut k = PlainKernel::new(&detail.plan);
            let (chunk, hits) = chunk_of(&events, 2, by, &None);
            k.push(&chunk, &hits[0], &hits[1], &mut NoTick).unwrap();
            let theirs = plain_finish(&detail.plan, k.finish().unwrap(), &mut NoTick).unwrap();
            let numbers = |r: &Row| (r.cohort, r.size, r.bucket, r.retained, r.complete);
            let theirs: Vec<_> = theirs.iter().map(|r| (r.cohort, r.size, r.bucket, r.retained, r.complete)).collect();
            prop_assert_eq!(plain.iter().map(numbers).collect::<Vec<_>>(), theirs);
        }

        // Whoever is behind a cell.
        let n = column.index(detail.columns());
        for (name, segments) in &shown {
            let outcome = if lost { Outcome::Lost } else { Outcome::Retained };
            let asked = Asked { cohort: length as usize % cohorts, bucket: Some(n), outcome };
            let serial = crate::parallel::Workers::serial();
            let members = find_on(&detail, gather(&detail, &events), asked, &serial, &mut NoTick).unwrap();
            let members = members.finish(&detail, name).unwrap();
            let measured = matches!(measure, Measure::Sum(_) | Measure::Average(_));
            let wanted: Vec<Member> = born.iter()
                .filter(|b| b.1 == asked.cohort && b.3.iter().any(|t| segments.contains(t.as_str())) && b.4[n].0 != lost)
                .map(|b| Member { no: b.0, born: b.2, value: if measured { b.4[n].1 } else { 1.0 } })
                .collect();
            prop_assert_eq!(members, wanted);
        }
    }
}
