//! The average row of retention: all complete cohorts of a bucket as one.

use super::{Measure, Row};
use crate::error::{Result, try_vec};
use std::sync::Arc;

/// How cohorts are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Average {
    /// Each by its size: large cohorts say more. The rate is Σ size·retained / Σ size².
    Weighted,
    /// As if they were one: the rate is Σ retained / Σ size.
    Pooled,
}

/// One bucket of one segment. Nothing where no cohort is complete and has somebody.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryRow {
    pub segment: Arc<[String]>,
    pub bucket: usize,
    pub size: Option<f64>,
    pub retained: Option<f64>,
    pub value: Option<f64>,
}

/// Every segment × bucket. `rows` come by segment, then cohort, then bucket, `columns` of these.
pub fn summary(rows: &[Row], columns: usize, measure: Measure, average: Average) -> Result<Vec<SummaryRow>> {
    let mut out = try_vec(rows.len(), "rows of a report")?;
    for of_segment in rows.chunk_by(|a, b| a.segment == b.segment) {
        let Some(segment) = of_segment.first().map(|r| r.segment.clone()) else {
            continue;
        };
        for bucket in 0..columns {
            let cohorts = of_segment
                .iter()
                .filter(|r| r.bucket == bucket && r.complete && r.size > 0);
            let mut sums = Sums::default();
            cohorts.for_each(|r| sums.add(r));
            let (size, retained, value) = sums.means(measure, average);
            out.push(SummaryRow {
                segment: segment.clone(),
                bucket,
                size,
                retained,
                value,
            });
        }
    }
    Ok(out)
}

/// Sums over cohorts of sizes P, retained C and values V.
#[derive(Debug, Default)]
struct Sums {
    p: f64,
    pp: f64,
    c: f64,
    pc: f64,
    v: f64,
    pv: f64,
    cv: f64,
}

impl Sums {
    fn add(&mut self, r: &Row) {
        let (p, c, v) = (r.size as f64, r.retained as f64, r.value.unwrap_or(0.0));
        self.p += p;
        self.pp += p * p;
        self.c += c;
        self.pc += p * c;
        self.v += v;
        self.pv += p * v;
        self.cv += c * v;
    }

    fn means(&self, measure: Measure, average: Average) -> (Option<f64>, Option<f64>, Option<f64>) {
        let by = |a: f64, b: f64| (b > 0.0).then(|| a / b);
        let some = |x: f64| (self.p > 0.0).then_some(x);
        let (size, retained) = match average {
            Average::Weighted => (by(self.pp, self.p), by(self.pc, self.p)),
            Average::Pooled => (some(self.p), some(self.c)),
        };
        let value = match (measure, average) {
            (Measure::Rate, Average::Weighted) => by(self.pc, self.pp),
            (Measure::Rate, Average::Pooled) => by(self.c, self.p),
            (Measure::Count, _) => retained,
            (Measure::Sum(_), Average::Pooled) => some(self.v),
            // The mean over all who came back.
            (Measure::Average(_), Average::Pooled) => by(self.cv, self.c),
            (_, Average::Weighted) => by(self.pv, self.p),
        };
        (size, retained, value)
    }
}
