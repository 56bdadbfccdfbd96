//! Which days a maintenance builds, so that the work stays in proportion to what is ingested.

/// A day whose stream is to be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub day: i32,
    /// Rows it has.
    pub size: u64,
    /// Rows that earlier maintenances have saved up for it.
    pub saved: u64,
}

/// Chooses among the days that are due: those that cost least come first. A day costs its rows less what was saved for
/// it, and all that are built together cost no more than `budget`. Answers the days to build, and the others with what is
/// then saved up for them: the first of them gets what is left, so that every day's turn comes. A day of more than
/// `largest` rows is never built.
pub fn choose(mut due: Vec<Due>, mut budget: u64, largest: u64) -> (Vec<i32>, Vec<Due>) {
    due.sort_unstable_by_key(|d| (d.size.saturating_sub(d.saved), d.day));
    let (mut build, mut wait) = (Vec::new(), Vec::new());
    for mut d in due {
        let cost = d.size.saturating_sub(d.saved);
        if d.size <= largest && cost <= budget {
            budget -= cost;
            build.push(d.day);
            continue;
        }
        if d.size <= largest {
            d.saved = d.saved.saturating_add(std::mem::take(&mut budget));
        }
        wait.push(d);
    }
    (build, wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_more_than_the_budget(due in prop::collection::vec((0u64..100, 0u64..50), 0..10), budget in 0u64..200, largest in 50u64..100) {
            let due: Vec<Due> = (0..).zip(due).map(|(day, (size, saved))| Due { day, size, saved }).collect();
            let (build, wait) = choose(due.clone(), budget, largest);
            prop_assert_eq!(build.len() + wait.len(), due.len());
            let of = |day: i32| due[day as usize];
            let cost: u64 = build.iter().map(|d| of(*d).size.saturating_sub(of(*d).saved)).sum();
            let saved: u64 = wait.iter().map(|d| d.saved - of(d.day).saved).sum();
            prop_assert!(cost + saved <= budget);
            prop_assert!(build.iter().all(|d| of(*d).size <= largest));
            // Whoever waits did not fit, and nothing is lost while somebody waits who could be built one day.
            let waits = wait.iter().any(|d| d.size <= largest);
            prop_assert!(!waits || cost + saved == budget);
        }

        /// Days grow and grow; whatever the pattern, what is built in all is no more than the budgets were.
        #[test]
        fn all_together_stay_within_all_budgets(growth in prop::collection::vec((0usize..3, 1u64..400), 1..80)) {
            let (mut size, mut saved, mut built) = ([0u64; 3], [None::<u64>; 3], 0);
            for (i, (day, rows)) in growth.iter().enumerate() {
                size[*day] += rows;
                saved[*day].get_or_insert(0);
                let due = (0..3).filter_map(|d| Some(Due { day: d as i32, size: size[d], saved: saved[d]? })).collect();
                let (build, wait) = choose(due, 1000, u64::MAX);
                built += build.iter().map(|d| size[*d as usize]).sum::<u64>();
                saved = [None; 3];
                wait.iter().for_each(|d| saved[d.day as usize] = Some(d.saved));
                prop_assert!(built <= 1000 * (i as u64 + 1));
            }
        }
    }

    #[test]
    fn a_large_day_has_its_turn() {
        let mut due = Due {
            day: 7,
            size: 2500,
            saved: 0,
        };
        for saved in [1000, 2000] {
            let (build, wait) = choose(vec![due], 1000, 10_000);
            due = wait[0];
            assert_eq!((build.len(), due.saved), (0, saved));
        }
        assert_eq!(choose(vec![due], 1000, 10_000), (vec![7], vec![]));
    }
}
