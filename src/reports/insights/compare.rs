//! The comparison of insights with an earlier period: the same question over days that lie an interval before.

use crate::error::{Failure, Result};
use engine::error::Error;
use engine::insights::{Row, Shown};
use engine::time::{Calendar, Unit};
use pgrx::datum::Interval;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the label of a compared curve ends with.
pub const SUFFIX: &str = " (compared)";

/// The days that lie `by` before a range. Of a month without such a day it is the last.
pub fn earlier(calendar: &Calendar, by: &Interval, days: (i32, i32)) -> Result<(i32, i32)> {
    let back = |day: i32| {
        let month = calendar.add_units(Unit::Month, day, -i64::from(by.months()))?;
        Ok::<_, Error>(month.saturating_sub(by.days()))
    };
    let whole = by.micros() == 0 && by.months() >= 0 && by.days() >= 0 && (by.months(), by.days()) != (0, 0);
    if !whole {
        return Err(Failure::param(
            "compare must be whole days, weeks, months or years",
            "compare => '7 days' shows every metric once more, over the days that lie a week before.",
        ));
    }
    Ok((back(days.0)?, back(days.1)?))
}

/// The segments of an answer to a question with so many dimensions.
pub fn shown(rows: &[Row], dimensions: usize) -> Shown {
    let mut seen = BTreeSet::new();
    let mut shown = Shown {
        segments: Vec::new(),
        rest: false,
    };
    for r in rows {
        let segment = r.segment.get(..dimensions).unwrap_or(&[]);
        if dimensions == 0 || !seen.insert(segment) {
            continue;
        }
        if segment.iter().all(|text| text == engine::breakdown::OTHER) {
            shown.rest = true;
        } else {
            shown.segments.push(segment.to_vec());
        }
    }
    if dimensions == 0 {
        shown.segments.push(Vec::new());
    }
    shown
}

/// Adds the curves of the earlier period, interval by interval at those of the later one, which begin at `labels`. Where
/// the earlier period has fewer intervals there is no value.
pub fn append(rows: &mut Vec<Row>, before: Vec<Row>, labels: &[i64]) -> Result<()> {
    let curves = before.chunk_by(|a, b| (&a.metric, &a.segment) == (&b.metric, &b.segment));
    for curve in curves {
        let Some(first) = curve.first() else { continue };
        let metric: Arc<str> = format!("{}{SUFFIX}", first.metric).into();
        rows.try_reserve(labels.len())
            .map_err(|_| Error::OutOfMemory("rows of a report"))?;
        for (i, label) in labels.iter().enumerate() {
            rows.push(Row {
                metric: metric.clone(),
                segment: first.segment.clone(),
                bucket: *label,
                value: curve.get(i).and_then(|r| r.value),
            });
        }
    }
    Ok(())
}
