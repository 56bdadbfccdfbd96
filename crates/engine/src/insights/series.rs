//! What is done to finished curves: rolling averages and running sums.

use super::Timeline;
use crate::error::{Error, Result};

/// What every point becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Smoothing {
    #[default]
    None,
    /// The mean of the last n intervals, the point's own among them, also of those before the range. Intervals without a
    /// value are left out; without any there is none.
    Rolling(usize),
    /// The sum of all points since the start of the range; none before the first value.
    Cumulative,
}

/// Most intervals of a rolling average.
const MOST: usize = 1000;

impl Smoothing {
    /// A rolling average of `n` intervals.
    pub fn rolling(n: i64) -> Result<Self> {
        match usize::try_from(n) {
            Ok(n @ 1..=MOST) => Ok(Smoothing::Rolling(n)),
            _ => Err(Error::param_hint(
                format!("a rolling average of {n} intervals"),
                format!("It is over 1 to {MOST} intervals, the point's own among them."),
            )),
        }
    }

    /// Intervals before the range that it looks at.
    pub fn before(&self) -> usize {
        match self {
            Smoothing::Rolling(n) => n.saturating_sub(1),
            _ => 0,
        }
    }

    /// The points of the range, from those of all intervals.
    pub(super) fn apply(&self, points: &[Option<f64>], time: &Timeline) -> Vec<Option<f64>> {
        let counted = points.iter().enumerate().filter(|(i, _)| !time.is_gap(*i));
        let counted: Vec<Option<f64>> = counted.map(|(_, p)| *p).collect();
        let lead = time.lead.saturating_sub(usize::from(time.gap));
        match self {
            Smoothing::None => counted.into_iter().skip(lead).collect(),
            Smoothing::Rolling(n) => (lead..counted.len())
                .map(|i| {
                    let window = counted.get((i + 1).saturating_sub(*n)..=i).unwrap_or(&[]);
                    let present = || window.iter().flatten();
                    match present().count() {
                        0 => None,
                        n => Some(present().sum::<f64>() / n as f64),
                    }
                })
                .collect(),
            Smoothing::Cumulative => {
                let mut sum = None;
                let add = |p: Option<f64>| {
                    if let Some(x) = p {
                        sum = Some(sum.unwrap_or(0.0) + x);
                    }
                    sum
                };
                counted.into_iter().skip(lead).map(add).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Calendar, Unit};

    fn points(v: &[f64]) -> Vec<Option<f64>> {
        v.iter().map(|x| Some(*x)).collect()
    }

    #[test]
    fn the_rolling_average_of_the_worked_example() {
        let smooth = Smoothing::rolling(7).unwrap();
        let time = Timeline::new(&Calendar::utc(), Unit::Day, 100, 102, smooth.before(), 0).unwrap();
        assert_eq!((time.lead, time.buckets.len()), (6, 9));
        let found = smooth.apply(&points(&[3.0, 0.0, 6.0, 3.0, 0.0, 9.0, 7.0, 0.0, 3.0]), &time);
        assert_eq!(found, points(&[4.0, 25.0 / 7.0, 4.0]));
        assert!(Smoothing::rolling(0).is_err() && Smoothing::rolling(1001).is_err());
    }

    #[test]
    fn points_without_a_value_are_left_out() {
        let time = Timeline::from(Calendar::utc().buckets(Unit::Day, 0, 3).unwrap());
        let p = [None, Some(4.0), None, Some(2.0)];
        assert_eq!(
            Smoothing::Rolling(2).apply(&p, &time),
            [None, Some(4.0), Some(4.0), Some(2.0)]
        );
        assert_eq!(
            Smoothing::Cumulative.apply(&p, &time),
            [None, Some(4.0), Some(4.0), Some(6.0)]
        );
        assert_eq!(Smoothing::None.apply(&p, &time), p);
    }

    #[test]
    fn what_a_first_week_lacks_is_counted_nowhere() {
        // 1970-01-01 is a Thursday: the range begins with a Saturday, in the week of Monday 1969-12-29.
        let time = Timeline::new(&Calendar::utc(), Unit::Week, 2, 10, 1, 0).unwrap();
        assert!(time.gap && time.lead == 2 && time.is_gap(1) && !time.is_gap(0));
        let day = 86_400_000;
        assert_eq!(time.buckets.labels, [-10 * day, -3 * day, -3 * day, 4 * day]);
        assert_eq!(time.buckets.starts, [-10 * day, -3 * day, 2 * day, 4 * day]);
        let found = Smoothing::Rolling(2).apply(&points(&[2.0, 100.0, 4.0, 6.0]), &time);
        assert_eq!(found, points(&[3.0, 5.0]));
    }
}
