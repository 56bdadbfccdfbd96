//! Numbers of the events that fill the steps.

use super::*;
use crate::breakdown::Dimension;
use crate::error::MEMORY_HINT;
use crate::gather::Budget;
use crate::parallel::Workers;

fn measuring(base: Plan<'static>) -> Plan<'static> {
    Plan {
        measured: Some(Dimension::EventProperty(N)),
        ..base
    }
}

fn amount(t: i64, mask: u128, user: u32, n: f64) -> Ev {
    Ev {
        n: Some(n),
        ..Ev::new(t, mask, user, &[])
    }
}

fn sums(rows: &[StepRow]) -> Vec<f64> {
    rows.iter().map(|r| r.numbers.unwrap().sum).collect()
}

#[test]
fn only_the_events_that_fill_a_step_contribute() {
    // 100 fills no step; the first B has no number, and the second comes too late for it.
    let events = [
        amount(0, 1, 1, 5.0),
        amount(1, 1, 1, 100.0),
        Ev::new(2, 2, 1, &[]),
        amount(3, 2, 1, 7.0),
        amount(4, 1, 2, 1.5),
        amount(5, 2, 2, -2.0),
    ];
    let p = plan(2, USER, 0, 100, 50);
    let rows = run(&measuring(p.clone()), &events);
    assert_eq!(counts(&rows), [2, 2]);
    assert_eq!(
        rows.iter().map(|r| r.numbers).collect::<Vec<_>>(),
        [
            Some(Numbers {
                sum: 6.5,
                average: Some(3.25),
                median: Some(3.25),
                min: Some(1.5),
                max: Some(5.0)
            }),
            Some(Numbers {
                sum: -2.0,
                average: Some(-2.0),
                median: Some(-2.0),
                min: Some(-2.0),
                max: Some(-2.0)
            }),
        ]
    );
    // Nobody asks.
    assert!(run(&p, &events).iter().all(|r| r.numbers.is_none()));
    // As totals u1 has a second attempt: none, since the A of 100 came while the first was under way.
    let totals = measuring(Plan {
        count: Count::Total,
        ..p
    });
    assert_eq!(sums(&run(&totals, &events)), [6.5, -2.0]);
}

#[test]
fn nothing_has_a_sum_of_zero() {
    let rows = run(&measuring(plan(2, USER, 0, 100, 50)), &[Ev::new(0, 1, 1, &[])]);
    let nothing = Numbers {
        sum: 0.0,
        average: None,
        median: None,
        min: None,
        max: None,
    };
    assert_eq!(counts(&rows), [1, 0]);
    assert!(rows.iter().all(|r| r.numbers == Some(nothing)));
}

#[test]
fn of_simultaneous_events_that_are_alike_the_smallest_number_comes_first() {
    let p = measuring(plan(2, USER, 0, 100, 50));
    let events = [amount(0, 1, 1, 5.0), amount(0, 1, 1, 3.0), amount(7, 2, 1, 1.0)];
    assert_eq!(sums(&run(&p, &events)), [3.0, 1.0]);
    let unset = [&events[..], &[Ev::new(0, 1, 1, &[])]].concat();
    assert_eq!(sums(&run(&p, &unset)), [0.0, 1.0]);
}

#[test]
fn sums_are_exact() {
    let numbers = [1e100, 0.1, -1e100, 0.2];
    let events: Vec<Ev> = (1..).zip(numbers).map(|(u, n)| amount(0, 1, u, n)).collect();
    assert_eq!(sums(&run(&measuring(plan(2, USER, 0, 100, 50)), &events))[0], 0.1 + 0.2);
}

#[test]
fn only_properties_of_events_can_be_summed_up() {
    let p = Plan {
        measured: Some(Dimension::UserProfile(Default::default())),
        ..plan(2, USER, 0, 100, 50)
    };
    assert!(matches!(p.check(), Err(Error::Param { hint: Some(_), .. })));
}

/// There are only so many tags. A part of the subjects has fewer numbers, and whoever gathers part by part is told to.
#[test]
fn more_different_numbers_than_tags_ask_for_parts() {
    let full = |of_many: bool| {
        let mut budget = Budget::new(1 << 30);
        let mut table = table::Table::new(1, 1, &mut budget).unwrap().of_many(of_many);
        let tags = 1 << crate::gather::TAG_BITS;
        (0..=tags).try_for_each(|tuple| table.tag(1, tuple, &mut budget).map(|_| ()))
    };
    assert!(matches!(full(true), Err(Error::Limit { hint: Some(h), .. }) if h == MEMORY_HINT));
}

#[test]
fn a_part_has_the_numbers_of_its_subjects() {
    let p = measuring(plan(2, USER, 0, 100, 50));
    let events: Vec<Ev> = (0..8000).map(|i| amount(0, 1, 1 + i / 4, f64::from(i))).collect();
    let (chunk, hits) = chunk_of(&events, 2, USER, &None);
    let mut all = Counts::new(&p).unwrap();
    for part in Part::all(4) {
        let mut k = Kernel::new(&p).unwrap().only(part);
        k.push(&chunk, &hits, &mut NoTick).unwrap();
        let partial = k.finish();
        assert!(partial.table.len() < 4000, "{}", partial.table.len());
        all.merge(count_on(&p, partial, &Workers::serial(), &mut NoTick).unwrap())
            .unwrap();
    }
    let rows = rows::rows(&p, all, &mut NoTick).unwrap();
    // Of the four of each user the smallest.
    assert_eq!(counts(&rows), [2000, 0]);
    assert_eq!(sums(&rows)[0], f64::from(2 * 2000 * 1999));
}
