//! The definition of the longest chain, tried out chain by chain.

use super::*;
use crate::behaviour::funnel::{level, times};

/// What the modes are made of, spelled out.
#[derive(Clone, Copy)]
struct Rules {
    first_entry: bool,
    order: bool,
    dedup: bool,
    increase: bool,
    many: bool,
    reentry: bool,
}

impl Rules {
    fn of(mode: Mode) -> Self {
        Rules {
            first_entry: mode.has(Mode::FIRST_ENTRY),
            order: mode.has(Mode::STRICT_ORDER),
            dedup: mode.has(Mode::STRICT_DEDUP),
            increase: mode.has(Mode::STRICT_INCREASE),
            many: mode.has(Mode::ROW_FILLS_MANY) && !mode.has(Mode::STRICT_ONCE),
            reentry: mode.has(Mode::ALLOW_REENTRY),
        }
    }
}

/// Every chain of these rows, as the times of its steps.
fn chains(rows: &[Row], steps: usize, window: i64, rules: Rules, visit: &mut impl FnMut(&[i64])) {
    let entry = rows.iter().filter(|r| r.meets & 1 == 1).map(|r| r.at).min();
    let mut chain: Vec<usize> = Vec::new();
    fn go(
        rows: &[Row],
        steps: usize,
        window: i64,
        rules: Rules,
        entry: Option<i64>,
        chain: &mut Vec<usize>,
        visit: &mut impl FnMut(&[i64]),
    ) {
        let taken: Vec<i64> = chain.iter().map(|&i| rows[i].at).collect();
        visit(&taken);
        let step = chain.len();
        if step == steps {
            return;
        }
        for (i, row) in rows.iter().enumerate() {
            let fits = row.meets >> step & 1 == 1
                && (rules.many || !chain.contains(&i))
                && match (taken.first(), taken.last()) {
                    (Some(first), Some(last)) => {
                        row.at - first <= window
                            && if rules.increase {
                                row.at > *last
                            } else {
                                row.at >= *last
                            }
                    }
                    _ => !rules.first_entry || Some(row.at) == entry,
                };
            if fits {
                chain.push(i);
                go(rows, steps, window, rules, entry, chain, visit);
                chain.pop();
            }
        }
    }
    go(rows, steps, window, rules, entry, &mut chain, visit);
}

fn longest(rows: &[Row], steps: usize, window: i64, rules: Rules) -> usize {
    let mut most = 0;
    chains(rows, steps, window, rules, &mut |c| most = most.max(c.len()));
    most
}

/// The rows as far as they count: what happens is added, condition by condition, until something ends it.
fn happened(rows: &[Row], steps: usize, window: i64, rules: Rules) -> Vec<Row> {
    if !rules.order && !rules.dedup {
        return rows.to_vec();
    }
    let mut happenings: Vec<(i64, usize)> = rows
        .iter()
        .flat_map(|r| {
            (0..=steps)
                .filter(|s| {
                    if *s == 0 {
                        r.meets == 0
                    } else {
                        r.meets >> (s - 1) & 1 == 1
                    }
                })
                .map(|s| (r.at, s))
        })
        .collect();
    happenings.sort();
    happenings.dedup();
    let mut seen: Vec<Row> = rows.iter().map(|r| Row { at: r.at, meets: 0 }).collect();
    for (at, step) in happenings {
        let before = longest(&seen, steps, window, rules);
        let entered = before > 0;
        let out_of_order = rules.order && entered && (step == 0 || step > before + 1);
        if step == 0 || out_of_order {
            if out_of_order && !rules.reentry {
                break;
            }
            continue;
        }
        if rules.dedup && step > 1 && step <= before {
            break;
        }
        let mut times = 0;
        for (s, r) in seen.iter_mut().zip(rows) {
            if r.at == at && r.meets >> (step - 1) & 1 == 1 {
                s.meets |= 1 << (step - 1);
                times += 1;
            }
        }
        if rules.dedup && step > 1 && times > 1 && longest(&seen, steps, window, rules) >= step {
            break;
        }
    }
    seen
}

/// The longest chain that ends first, of these the one that begins last, with its steps as early as can be.
fn slow_times(rows: &[Row], steps: usize, window: i64, mode: Mode) -> Vec<i64> {
    let rules = Rules::of(mode);
    let seen = happened(rows, steps, window, rules);
    let mut best: Vec<i64> = Vec::new();
    let key = |c: &[i64]| {
        (
            std::cmp::Reverse(c.len()),
            c.last().copied(),
            c.first().map(|f| -f),
            c.to_vec(),
        )
    };
    chains(&seen, steps, window, rules, &mut |c| {
        if key(c) < key(&best) {
            best = c.to_vec();
        }
    });
    best
}

fn case(dice: &mut Dice) -> (Vec<Row>, usize, i64) {
    let steps = 1 + dice.below(4) as usize;
    let span = 1 + dice.below(8);
    let window = dice.below(span + 1) as i64;
    let several = dice.below(2) == 0;
    let rows = (0..dice.below(8))
        .map(|_| Row {
            at: dice.below(span) as i64,
            meets: if several {
                dice.below(1 << steps)
            } else {
                1 << dice.below(steps as u64 + 1) & !(1 << steps)
            },
        })
        .collect();
    (rows, steps, window)
}

fn agrees(mode: Mode, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut levels = [0; 5];
    for n in 0..cases(3000) {
        let (rows, steps, window) = case(&mut dice);
        let plan = Plan::new(steps, window, mode).unwrap();
        let parameters = plan.parameters();
        let asked = Asked {
            kind: Kind::Funnel,
            conditions: steps,
            parameters: &parameters,
        };
        let wanted = slow_times(&rows, steps, window, mode);
        let wants: Vec<Row> = rows.iter().copied().filter(|r| plan.wants(r.meets)).collect();
        for s in [state_of(asked, &wants), state_of_parts(asked, &wants, &mut dice)] {
            let found = times(&s, &mut NoTick).unwrap();
            assert_eq!(
                found, wanted,
                "case {n}: {mode:?} {steps} steps, window {window}, {rows:?}"
            );
            assert_eq!(level(&s, &mut NoTick).unwrap(), wanted.len(), "case {n}");
        }
        levels[wanted.len()] += 1;
    }
    assert!(levels.iter().all(|n| *n > 0), "cases too much alike: {levels:?}");
}

macro_rules! agree {
    ($($name:ident = $mode:literal;)*) => {
        $(
            #[test]
            fn $name() {
                agrees(Mode::parse($mode).unwrap(), $mode.bytes().map(u64::from).sum());
            }
        )*

        /// Whatever they are combined with.
        #[test]
        fn any_modes_agree() {
            let names = ["first_entry", "strict_order", "strict_dedup", "strict_increase", "strict_once", "allow_reentry", "row_fills_many"];
            for set in 0..128u32 {
                let list: Vec<&str> = (0..7).filter(|i| set >> i & 1 == 1).map(|i| names[i]).collect();
                if let Ok(mode) = Mode::parse(&list.join(",")) {
                    let mut dice = Dice::new(u64::from(set) + 1000);
                    for _ in 0..cases(3000) / 10 {
                        let (rows, steps, window) = case(&mut dice);
                        let plan = Plan::new(steps, window, mode).unwrap();
                        let parameters = plan.parameters();
                        let asked = Asked { kind: Kind::Funnel, conditions: steps, parameters: &parameters };
                        let rows: Vec<Row> = rows.into_iter().filter(|r| plan.wants(r.meets)).collect();
                        let s = state_of_parts(asked, &rows, &mut dice);
                        assert_eq!(
                            times(&s, &mut NoTick).unwrap(),
                            slow_times(&rows, steps, window, mode),
                            "{list:?} {steps} steps, window {window}, {rows:?}"
                        );
                    }
                }
            }
        }
    };
}

agree! {
    default_agrees = "";
    first_entry_agrees = "first_entry";
    strict_order_agrees = "strict_order";
    strict_order_with_reentry_agrees = "strict_order, allow_reentry";
    strict_dedup_agrees = "strict_dedup";
    strict_increase_agrees = "strict_increase";
    row_fills_many_agrees = "row_fills_many";
    strict_once_agrees = "strict_once, row_fills_many";
    strict_order_and_many_agrees = "strict_order, row_fills_many";
    strict_dedup_and_many_agrees = "strict_dedup, row_fills_many";
}

#[test]
fn a_large_tie_is_no_slower_and_exact() {
    // 200 rows at one instant: 64 steps can be taken when rows meet them in a staircase that needs every row moved.
    let steps = 64;
    let plan = Plan::new(steps, 0, Mode::default()).unwrap();
    let parameters = plan.parameters();
    let asked = Asked {
        kind: Kind::Funnel,
        conditions: steps,
        parameters: &parameters,
    };
    let mut rows: Vec<Row> = (0..63).map(|i| Row { at: 0, meets: 3 << i }).collect();
    let s = state_of(asked, &rows);
    assert_eq!(level(&s, &mut NoTick).unwrap(), 63);
    rows.push(Row { at: 0, meets: 1 });
    rows.extend((0..5000).map(|_| Row {
        at: 0,
        meets: u64::MAX << 40,
    }));
    let s = state_of(asked, &rows);
    assert_eq!(level(&s, &mut NoTick).unwrap(), 64);
}

#[test]
fn the_ends_of_time() {
    let plan = Plan::new(2, i64::MAX, Mode::default()).unwrap();
    let parameters = plan.parameters();
    let asked = Asked {
        kind: Kind::Funnel,
        conditions: 2,
        parameters: &parameters,
    };
    let reached = |a: i64, b: i64| {
        let s = state_of(asked, &[Row { at: a, meets: 1 }, Row { at: b, meets: 2 }]);
        level(&s, &mut NoTick).unwrap()
    };
    assert_eq!(reached(0, i64::MAX), 2);
    assert_eq!(reached(i64::MIN, -1), 2);
    assert_eq!(reached(i64::MIN, 0), 1);
    assert_eq!(reached(i64::MIN, i64::MAX), 1);
}

#[test]
fn modes_that_make_no_sense() {
    for (names, hint) in [
        ("strict", "A mode is a list"),
        ("strict_order,", "A mode is a list"),
        ("allow_reentry", "strict_order, allow_reentry"),
    ] {
        match Mode::parse(names) {
            Err(Error::Param { hint: Some(h), .. }) => assert!(h.contains(hint), "{h}"),
            other => panic!("{names}: {other:?}"),
        }
    }
    assert!(matches!(
        Plan::new(2, -1, Mode::default()),
        Err(Error::Param { hint: Some(_), .. })
    ));
    assert!(matches!(
        Plan::new(65, 1, Mode::default()),
        Err(Error::Limit { hint: Some(_), .. })
    ));
    assert!(matches!(
        Plan::new(0, 1, Mode::default()),
        Err(Error::Param { hint: Some(_), .. })
    ));
    assert_eq!(
        Mode::parse(" strict_order , allow_reentry "),
        Mode::parse("allow_reentry,strict_order")
    );
}
