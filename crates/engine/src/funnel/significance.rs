//! Do segments convert better or worse than the rest, or is it chance?
//!
//! Of a population of N entries of which K converted, a segment of n entries would have X conversions, X hypergeometric.
//! What it has, k, is unlikely by chance when P(X < k) or P(X ≥ k) is small.

use super::counts::{NO_LINE, Shown};
use super::{Counts, Plan};
use crate::error::{Error, Result, try_vec};
use crate::tick::Tick;
use std::sync::Arc;

/// Fewer entries say nothing.
const ENOUGH: u64 = 30;

/// What the comparison says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Higher,
    Lower,
    NotSignificant,
    /// Fewer than 30 entries.
    InsufficientSamples,
    /// The segment is the whole population, or the control itself.
    Nothing,
}

/// One segment against its population.
#[derive(Debug, Clone, PartialEq)]
pub struct Significance {
    pub segment: Arc<[String]>,
    pub entered: u64,
    pub converted: u64,
    pub conversion: Option<f64>,
    /// 1 − max(P(X < k), P(X ≥ k)); none when there is nothing to compare with.
    pub p_value: Option<f64>,
    pub verdict: Verdict,
}

/// Each segment against everything, or against itself and `control` together.
pub fn significance(
    plan: &Plan,
    mut counts: Counts,
    control: Option<&[String]>,
    tick: &mut dyn Tick,
) -> Result<Vec<Significance>> {
    if plan.breakdown.is_empty() {
        return Err(Error::param_hint(
            "significance compares segments, and there is no breakdown",
            "For example breakdown => '[\"country\"]'.",
        ));
    }
    let Shown { names, line } = counts.rank(plan, tick)?;
    let control = match control {
        None => None,
        Some(c) => Some(names.iter().position(|n| n == c).ok_or_else(|| {
            Error::param_hint(
                format!("no segment is {{{}}}", c.join(",")),
                "control must be one of the segments that funnel() shows.",
            )
        })?),
    };
    let of_lines = counts.tally(plan, &line, names.len(), tick)?;
    let mut together: Vec<u32> = try_vec(line.len(), "segments")?;
    let shown = |l: &u32| (*l as usize) < names.len();
    together.extend(line.iter().map(|l| if shown(l) { 0 } else { NO_LINE }));
    let all = counts.tally(plan, &together, 1, tick)?;
    let mut rows = try_vec(names.len(), "rows of a funnel")?;
    for (n, (name, (entered, converted))) in names.into_iter().zip(of_lines).enumerate() {
        let population = match control {
            None => all.first().copied(),
            Some(c) => {
                for (t, l) in together.iter_mut().zip(&line) {
                    *t = if *l as usize == c || *l as usize == n {
                        0
                    } else {
                        NO_LINE
                    };
                }
                counts.tally(plan, &together, 1, tick)?.first().copied()
            }
        };
        let (of, of_converted) = population.unwrap_or((0, 0));
        let compares = control != Some(n) && of > entered;
        let p_value = compares.then(|| p_value(of, of_converted, entered, converted));
        let better = u128::from(converted) * u128::from(of) > u128::from(of_converted) * u128::from(entered);
        rows.push(Significance {
            segment: name.into(),
            entered,
            converted,
            conversion: (entered > 0).then(|| converted as f64 / entered as f64),
            p_value,
            verdict: match p_value {
                None => Verdict::Nothing,
                Some(_) if entered < ENOUGH => Verdict::InsufficientSamples,
                Some(p) if 1.0 - p <= 0.95 => Verdict::NotSignificant,
                Some(_) if better => Verdict::Higher,
                Some(_) => Verdict::Lower,
            },
        });
    }
    Ok(rows)
}

/// 1 − max(P(X < k), P(X ≥ k)) for X conversions among `n` of `of` entries of which `of_converted` converted.
fn p_value(of: u64, of_converted: u64, n: u64, k: u64) -> f64 {
    let (of, all, n, k) = (of as f64, of_converted as f64, n as f64, k as f64);
    let ln_choose = |a: f64, b: f64| ln_factorial(a) - ln_factorial(b) - ln_factorial(a - b);
    let ln_one = |x: f64| ln_choose(all, x) + ln_choose(of - all, n - x) - ln_choose(of, n);
    let (least, most) = ((n + all - of).max(0.0), n.min(all));
    // The tail on the far side of the mean, whose terms only fall.
    let upward = k > n * all / of;
    let mut x = if upward { k } else { k - 1.0 };
    if x < least || x > most {
        return 0.0;
    }
    let mut term = ln_one(x).exp();
    let mut tail = 0.0;
    while (least..=most).contains(&x) && term > tail * 1e-18 {
        tail += term;
        if upward {
            term *= (all - x) * (n - x) / ((x + 1.0) * (of - all - n + x + 1.0));
            x += 1.0;
        } else {
            term *= x * (of - all - n + x) / ((all - x + 1.0) * (n - x + 1.0));
            x -= 1.0;
        }
    }
    tail.min(1.0 - tail).clamp(0.0, 1.0)
}

/// ln(x!), exact for small x, by Stirling's series beyond (error below 1e-15 of the value).
fn ln_factorial(x: f64) -> f64 {
    if x < 2.0 {
        return 0.0;
    }
    if x < 64.0 {
        return (2..=x as u32).map(|i| f64::from(i).ln()).sum();
    }
    let series = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1260.0 * x.powi(5));
    x * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI * x).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_worked_examples() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 5e-7, "{a} {b}");
        near(p_value(100, 50, 40, 28), 0.001008);
        near(p_value(100, 50, 40, 20), 0.419208);
        near(p_value(1000, 300, 200, 75), 0.006742);
    }

    fn choose(n: u64, k: u64) -> f64 {
        if k > n {
            return 0.0;
        }
        (0..k).map(|i| (n - i) as f64 / (k - i) as f64).product()
    }

    proptest! {
        #[test]
        fn both_tails_are_sums_of_the_density(of in 2u64..60, all in 0u64..60, n in 1u64..60, k in 0u64..60) {
            let (all, n) = (all % (of + 1), 1 + (n - 1) % (of - 1));
            let (least, most) = ((n + all).saturating_sub(of), n.min(all));
            let k = least + k % (most - least + 1);
            let one = |x: u64| choose(all, x) * choose(of - all, n - x) / choose(of, n);
            let below: f64 = (least..k).map(one).sum();
            let wanted = 1.0 - below.max(1.0 - below);
            prop_assert!((p_value(of, all, n, k) - wanted).abs() < 1e-9);
        }
    }

    #[test]
    fn large_populations() {
        assert!(p_value(2_000_000, 1_000_000, 1_000_000, 500_000) > 0.49);
        assert_eq!(p_value(2_000_000, 1_000_000, 1_000_000, 900_000), 0.0);
    }
}
