//! How the values of a dimension become texts: as they are, in ranges of numbers, or as parts of dates.

use super::{NOT_SET, texts_of};
use crate::error::{Error, Result};
use crate::time::{Calendar, DateUnit};
use crate::value::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Segment of what is no number where numbers are asked for.
pub const NON_NUMERIC: &str = "(non-numeric values)";
/// Segment of what is no date where dates are asked for.
pub const NO_DATE: &str = "(no date)";

/// Segment of the values that no named bucket lists.
pub const REMAINING: &str = "(remaining values)";
/// Most bounds of ranges of different widths.
pub const MAX_BOUNDS: usize = 10;
/// Most buckets with names.
pub const MAX_NAMED: usize = 100;

/// Ranges `lower <= x < upper`, with one below and one above when they have an end.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranges(Bounds);

#[derive(Debug, Clone, PartialEq)]
enum Bounds {
    Even(Even),
    /// Ascending.
    At(Vec<f64>),
}

#[derive(Debug, Clone, PartialEq)]
struct Even {
    size: f64,
    min: Option<f64>,
    max: Option<f64>,
}

fn text_of(x: f64) -> String {
    Value::number(x).to_text()
}

impl Ranges {
    /// Ranges between bounds, which ascend; one below the first and one from the last on.
    pub fn at(bounds: Vec<f64>) -> Result<Self> {
        let ascend = bounds.windows(2).all(|w| matches!(w, [a, b] if a < b));
        if bounds.is_empty() || bounds.len() > MAX_BOUNDS || !ascend || !bounds.iter().all(|x| x.is_finite()) {
            return Err(Error::param_hint(
                format!("bucket: \"at\" must be 1 to {MAX_BOUNDS} ascending numbers"),
                "For example {\"property\":\"amount\",\"bucket\":{\"at\":[10,50,100]}}.",
            ));
        }
        Ok(Ranges(Bounds::At(bounds)))
    }

    /// Ranges of `size` from `min`, or from 0 in both directions, up to `max`; the last one ends with `max`.
    pub fn new(size: f64, min: Option<f64>, max: Option<f64>) -> Result<Self> {
        let finite = |x: Option<f64>| x.is_none_or(f64::is_finite);
        let wrong = |message: &str| {
            Err(Error::param_hint(
                format!("bucket: {message}"),
                "For example {\"property\":\"amount\",\"bucket\":{\"size\":10,\"min\":0,\"max\":100}}.",
            ))
        };
        if !(size.is_finite() && size > 0.0 && finite(min) && finite(max)) {
            return wrong("\"size\" must be a number above 0");
        }
        match (min, max) {
            (Some(min), Some(max)) if min >= max => wrong("\"min\" must be below \"max\""),
            _ => Ok(Ranges(Bounds::Even(Even { size, min, max }))),
        }
    }

    /// The text of the range a number lies in.
    fn text(&self, x: f64) -> String {
        let bounds = match &self.0 {
            Bounds::Even(even) => return even.text(x),
            Bounds::At(bounds) => bounds,
        };
        let above = bounds.partition_point(|b| *b <= x);
        let bound = |i: usize| bounds.get(i).copied().map(text_of).unwrap_or_default();
        match above {
            0 => format!("<{}", bound(0)),
            n if n == bounds.len() => format!(">={}", bound(n - 1)),
            n => format!("[{},{})", bound(n - 1), bound(n)),
        }
    }
}

impl Even {
    fn text(&self, x: f64) -> String {
        let text = text_of;
        if let Some(min) = self.min
            && x < min
        {
            return format!("<{}", text(min));
        }
        if let Some(max) = self.max
            && x >= max
        {
            return format!(">={}", text(max));
        }
        let origin = self.min.unwrap_or(0.0);
        // Multiples of 0.1 are meant as such: what is written decides.
        let at = |n: f64| {
            let bound = origin + n * self.size;
            format!("{bound:.9}").parse::<f64>().unwrap_or(bound) + 0.0
        };
        // The quotient may be off by a rounding; the bounds decide.
        let mut n = ((x - origin) / self.size).floor();
        if at(n) > x {
            n -= 1.0;
        } else if at(n + 1.0) <= x {
            n += 1.0;
        }
        let end = self.max.map_or(at(n + 1.0), |max| at(n + 1.0).min(max));
        format!("[{},{})", text(at(n)), text(end))
    }
}

/// Buckets with names, each a list of values. The first that lists a value has it.
#[derive(Debug, Clone, Default)]
pub struct Named {
    bucket_of: HashMap<String, Arc<str>>,
}

impl Named {
    /// From names and the values of each, which are compared as texts.
    pub fn new(buckets: impl IntoIterator<Item = (String, Vec<Value>)>) -> Result<Self> {
        const HINT: &str = "For example {\"property\":\"country\",\"bucket\":[{\"name\":\"DACH\",\"values\":[\"DE\",\"AT\",\"CH\"]}]}.";
        let mut named = Named::default();
        for (n, (name, values)) in buckets.into_iter().enumerate() {
            if n >= MAX_NAMED {
                return Err(Error::param_hint(
                    format!("bucket: more than {MAX_NAMED} buckets"),
                    HINT,
                ));
            }
            if name.is_empty() || values.is_empty() {
                return Err(Error::param_hint("bucket: each needs a name and values", HINT));
            }
            let name: Arc<str> = name.into();
            for value in &values {
                if matches!(value, Value::Null | Value::List(_) | Value::Object(_)) {
                    return Err(Error::param_hint(
                        "bucket: values must be texts, numbers or booleans",
                        HINT,
                    ));
                }
                named.bucket_of.entry(value.to_text()).or_insert_with(|| name.clone());
            }
        }
        Ok(named)
    }

    fn text(&self, value: &Value) -> &str {
        match value {
            Value::Object(_) => REMAINING,
            v => self.bucket_of.get(&v.to_text()).map_or(REMAINING, |name| name),
        }
    }
}

/// How values become texts.
#[derive(Debug, Clone)]
pub enum Shape {
    /// Ranges of numbers.
    Numbers(Ranges),
    /// Buckets with names.
    Named(Arc<Named>),
    /// Parts of dates and times, as the project's clock shows them. A value is a text that names an instant.
    Dates(Calendar, DateUnit),
}

impl Shape {
    /// Calls `f` with the text of every segment a value belongs to: those of the elements of a list, else its own. The
    /// same text may come more than once.
    pub fn texts_of(&self, value: Option<&Value>, f: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        match value {
            None | Some(Value::Null) => f(NOT_SET),
            Some(Value::List(l)) if l.is_empty() => f(NOT_SET),
            Some(Value::List(l)) => l.iter().try_for_each(|v| match v {
                Value::List(_) => f(self.wrong()),
                v => self.texts_of(Some(v), f),
            }),
            Some(v) => match self {
                Shape::Numbers(ranges) => match v.as_f64() {
                    Some(x) => f(&ranges.text(x)),
                    None => f(NON_NUMERIC),
                },
                Shape::Named(named) => f(named.text(v)),
                Shape::Dates(calendar, unit) => match v.as_str().and_then(|s| calendar.parse_instant(s)) {
                    Some(t) => f(&calendar.date_part(*unit, t)?),
                    None => f(NO_DATE),
                },
            },
        }
    }

    /// The text of a value of another kind.
    fn wrong(&self) -> &'static str {
        match self {
            Shape::Numbers(_) => NON_NUMERIC,
            Shape::Named(_) => REMAINING,
            Shape::Dates(..) => NO_DATE,
        }
    }

    /// The text of an instant, for dimensions of time.
    pub fn of_instant(&self, t: i64) -> Result<String> {
        match self {
            Shape::Dates(calendar, unit) => calendar.date_part(*unit, t),
            Shape::Numbers(_) => Err(Error::param("a time is no number")),
            Shape::Named(_) => Err(Error::param("a time is in no bucket with a name")),
        }
    }
}

/// The texts of a value under a shape, or as it is.
pub fn shaped(shape: Option<&Shape>, value: Option<&Value>, f: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    match shape {
        None => texts_of(value, f),
        Some(s) => s.texts_of(value, f),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather::testing::at;

    fn texts(shape: &Shape, json: &str) -> String {
        let value: Value = serde_json::from_str(json).unwrap();
        let mut all = Vec::new();
        let mut keep = |t: &str| {
            all.push(t.to_string());
            Ok(())
        };
        shape.texts_of(Some(&value), &mut keep).unwrap();
        all.join(" ")
    }

    #[test]
    fn even_ranges_of_the_worked_example() {
        let shape = Shape::Numbers(Ranges::new(10.0, Some(50.0), Some(100.0)).unwrap());
        for (value, expected) in [
            ("12", "<50"),
            ("50", "[50,60)"),
            ("59.9", "[50,60)"),
            ("60", "[60,70)"),
            ("100", ">=100"),
            ("\"a\"", "(non-numeric values)"),
            ("\"\"", "(non-numeric values)"),
            ("true", "(non-numeric values)"),
            ("null", "(not set)"),
            ("[]", "(not set)"),
            ("[7, 55, null, [1]]", "<50 [50,60) (not set) (non-numeric values)"),
        ] {
            assert_eq!(texts(&shape, value), expected, "{value}");
        }
    }

    #[test]
    fn ranges_without_ends_and_with_uneven_ones() {
        let open = Shape::Numbers(Ranges::new(0.1, None, None).unwrap());
        for (value, expected) in [
            ("0.3", "[0.3,0.4)"),
            ("-0.05", "[-0.1,0)"),
            ("0.7", "[0.7,0.8)"),
            ("1e6", "[1000000,1000000.1)"),
        ] {
            assert_eq!(texts(&open, value), expected, "{value}");
        }
        let uneven = Shape::Numbers(Ranges::new(10.0, Some(0.0), Some(25.0)).unwrap());
        assert_eq!(texts(&uneven, "[24, 25]"), "[20,25) >=25");
        for (size, min, max) in [
            (0.0, None, None),
            (-1.0, None, None),
            (f64::NAN, None, None),
            (1.0, Some(2.0), Some(2.0)),
        ] {
            assert!(matches!(
                Ranges::new(size, min, max),
                Err(Error::Param { hint: Some(_), .. })
            ));
        }
    }

    #[test]
    fn ranges_between_bounds() {
        let shape = Shape::Numbers(Ranges::at(vec![10.0, 50.0, 100.0]).unwrap());
        for (value, expected) in [
            ("9.99", "<10"),
            ("10", "[10,50)"),
            ("49", "[10,50)"),
            ("50", "[50,100)"),
            ("100", ">=100"),
            ("1e9", ">=100"),
            ("\"a\"", "(non-numeric values)"),
            ("[5, 60, null]", "<10 [50,100) (not set)"),
        ] {
            assert_eq!(texts(&shape, value), expected, "{value}");
        }
        assert_eq!(
            texts(&Shape::Numbers(Ranges::at(vec![0.5]).unwrap()), "[0, 0.5]"),
            "<0.5 >=0.5"
        );
        for wrong in [
            vec![],
            vec![2.0, 1.0],
            vec![1.0, 1.0],
            vec![f64::NAN],
            (0..11).map(f64::from).collect(),
        ] {
            assert!(matches!(Ranges::at(wrong), Err(Error::Param { hint: Some(_), .. })));
        }
    }

    #[test]
    fn buckets_with_names() {
        let value = |json: &str| serde_json::from_str::<Value>(json).unwrap();
        let named = Named::new([
            ("DACH".to_string(), vec![value("\"DE\""), value("\"AT\"")]),
            ("few".to_string(), vec![value("1"), value("true"), value("\"DE\"")]),
        ]);
        let shape = Shape::Named(Arc::new(named.unwrap()));
        for (value, expected) in [
            ("\"DE\"", "DACH"),
            ("\"FR\"", "(remaining values)"),
            ("\"\"", "(remaining values)"),
            ("1", "few"),
            ("true", "few"),
            ("null", "(not set)"),
            ("{\"a\": 1}", "(remaining values)"),
            ("[\"AT\", \"FR\", [1]]", "DACH (remaining values) (remaining values)"),
        ] {
            assert_eq!(texts(&shape, value), expected, "{value}");
        }
        for wrong in [("", vec![value("1")]), ("a", vec![]), ("a", vec![Value::Null])] {
            let wrong = Named::new([(wrong.0.to_string(), wrong.1)]);
            assert!(matches!(wrong, Err(Error::Param { hint: Some(_), .. })));
        }
    }

    #[test]
    fn parts_of_dates_follow_the_clock_of_the_project() {
        let new_york = Calendar::new("America/New_York", "sunday").unwrap();
        let t = at("UTC", "2024-03-10T04:30:00");
        for (unit, expected) in [
            (DateUnit::Hour, "2024-03-09 23:00"),
            (DateUnit::Day, "2024-03-09"),
            (DateUnit::Week, "2024-03-03"),
            (DateUnit::Month, "2024-03-01"),
            (DateUnit::Quarter, "2024-01-01"),
            (DateUnit::Year, "2024-01-01"),
            (DateUnit::HourOfDay, "23"),
            (DateUnit::DayOfWeek, "saturday"),
        ] {
            let shape = Shape::Dates(new_york.clone(), unit);
            assert_eq!(shape.of_instant(t).unwrap(), expected);
            assert_eq!(texts(&shape, "\"2024-03-10T04:30:00Z\""), expected);
        }
        let days = Shape::Dates(new_york, DateUnit::Day);
        assert_eq!(
            texts(&days, "[\"2024-01-31\", \"soon\", 5, null]"),
            "2024-01-31 (no date) (no date) (not set)"
        );
    }
}
