//! Arguments and results that several reports share.

use super::context::Context;
use crate::error::{Failure, Result};
use engine::expr::{Expr, SelectorSpec};
use pgrx::datum::Date;
use serde_json::Value as Json;

/// Both dates of a range as days since 1970-01-01.
pub fn range(from: Option<Date>, to: Option<Date>) -> Result<(i32, i32)> {
    let day = |d: Option<Date>, name: &str| {
        let d = d.ok_or_else(|| {
            Failure::param(
                format!("{name} must not be NULL"),
                "Both dates are inclusive, in the project's time zone.",
            )
        })?;
        if d.is_infinity() || d.is_neg_infinity() {
            return Err(Failure::param(format!("{name} must not be infinite"), "Name a day."));
        }
        Ok(d.to_unix_epoch_days())
    };
    let (from, to) = (day(from, "from_date")?, day(to, "to_date")?);
    if from > to {
        return Err(Failure::param(
            "from_date lies after to_date",
            "Both dates are inclusive.",
        ));
    }
    Ok((from, to))
}

/// An argument that must be there.
pub fn required<T>(value: Option<T>, name: &str, hint: &str) -> Result<T> {
    value.ok_or_else(|| Failure::param(format!("{name} must not be NULL"), hint))
}

/// A report-wide filter.
pub fn filter(text: Option<&str>) -> Result<Option<Expr>> {
    match text {
        None => Ok(None),
        Some(t) => Ok(Some(
            engine::expr::parse(t).map_err(|e| Failure::from(e).within("filter"))?,
        )),
    }
}

/// An event selector, with the name of its argument in errors.
pub fn selector(json: &Json, argument: &str, extra: &[&str]) -> Result<SelectorSpec> {
    SelectorSpec::parse_with(json, extra).map_err(|e| Failure::from(e).within(argument))
}

/// A notice for every event of a selector that nobody ever sent.
pub fn notice_unknown(context: &Context, specs: &[&SelectorSpec]) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for name in specs.iter().flat_map(|s| s.event_names()) {
        if seen.insert(name) {
            context.notice_unknown_event(name)?;
        }
    }
    Ok(())
}
