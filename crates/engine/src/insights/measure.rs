//! What a metric measures.

use crate::chunk::Kind;

/// What is measured of the picked events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// Events. By a group key: events attributed to it, once each, also with several groups; but an event counts in
    /// the own segment of each of its groups.
    Total,
    /// Different subjects with at least one event in the interval.
    Unique,
    /// The same, each in one segment of an interval only.
    UniqueIn(Touch),
    /// Different subjects with at least one event in the `days` days that end with the last day of the interval inside
    /// of the range: 1, 7 and 30 are DAU, WAU and MAU. Days before the range count.
    Active { days: u32 },
    /// Different subjects with at least one event since the start of the range.
    CumulativeUnique,
    /// Different sessions of the subjects with at least one event in the interval. An event that is in no session counts
    /// for nothing.
    Sessions,
    /// An aggregate of an event property over the events, which are counted as in [`Measure::Total`]. Events where it
    /// is not set, or not a number, do not contribute.
    Property { property: u32, aggregate: Aggregate },
    /// An aggregate over the subjects with at least one event in the interval of a value of each.
    PerSubject { inner: Inner, outer: Aggregate },
}

/// Which event of an interval says where a subject counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    First,
    Last,
}

/// How many values become one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregate {
    /// Exact, rounded once; 0 of nothing.
    Sum,
    /// The exact sum by the number of values.
    Average,
    Min,
    Max,
    /// From 0 to 1, exact, between two values linear (`percentile_cont`).
    Percentile(f64),
    /// Different values, of any type, each element of a list; 0 of nothing. Not over subjects.
    Distinct,
    /// One row per value, with the number of subjects that have it. Only over subjects.
    Distribution,
}

/// The value of one subject, from its events in the interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Inner {
    /// The number of its events.
    Total,
    /// An aggregate of an event property; a subject of whose events none has a number has a sum of 0 and no average,
    /// least or largest value.
    Property { property: u32, aggregate: Aggregate },
}

/// One curve of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    pub measure: Measure,
    pub by: Kind,
    pub label: String,
    /// Profiles are counted, those of today in every interval: see [`Kernel::push_profiles`](super::Kernel::push_profiles).
    pub profiles: bool,
}

impl Measure {
    /// The event property it reads.
    pub fn property(&self) -> Option<u32> {
        match self {
            Measure::Property { property, .. } => Some(*property),
            Measure::PerSubject {
                inner: Inner::Property { property, .. },
                ..
            } => Some(*property),
            _ => None,
        }
    }

    /// Days of its trailing window.
    pub fn trailing_days(&self) -> Option<u32> {
        match self {
            Measure::Active { days } => Some((*days).max(1)),
            _ => None,
        }
    }

    /// Which event decides where a subject counts, if one does.
    pub fn touch(&self) -> Option<Touch> {
        match self {
            Measure::UniqueIn(touch) => Some(*touch),
            _ => None,
        }
    }

    /// True when it counts subjects, so that events of nobody do not matter.
    pub(super) fn needs_subject(&self) -> bool {
        !matches!(self, Measure::Total | Measure::Property { .. })
    }

    /// True when it counts different values of a property.
    pub(super) fn counts_values(&self) -> bool {
        let distinct = |a: &Aggregate| *a == Aggregate::Distinct;
        match self {
            Measure::Property { aggregate, .. } => distinct(aggregate),
            Measure::PerSubject {
                inner: Inner::Property { aggregate, .. },
                ..
            } => distinct(aggregate),
            _ => false,
        }
    }

    /// True when it is a list of values instead of one.
    pub fn is_distribution(&self) -> bool {
        matches!(
            self,
            Measure::PerSubject {
                outer: Aggregate::Distribution,
                ..
            }
        )
    }
}
