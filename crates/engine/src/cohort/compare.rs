//! Comparing a number of a subject with the number of a condition.

/// `at_least`, `at_most`, `exactly`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Compare {
    AtLeast(f64),
    AtMost(f64),
    Exactly(f64),
}

impl Compare {
    /// Does a number fulfil it?
    pub fn holds(self, x: f64) -> bool {
        match self {
            Compare::AtLeast(n) => x >= n,
            Compare::AtMost(n) => x <= n,
            Compare::Exactly(n) => x == n,
        }
    }

    /// The number it compares with.
    pub(super) fn number(self) -> f64 {
        match self {
            Compare::AtLeast(n) | Compare::AtMost(n) | Compare::Exactly(n) => n,
        }
    }

    /// When all that matters for a count is whether it is 0: is it fulfilled by the others?
    pub(super) fn of_any(self) -> Option<bool> {
        match self {
            Compare::AtLeast(1.0) => Some(true),
            Compare::AtMost(0.0) | Compare::Exactly(0.0) => Some(false),
            _ => None,
        }
    }
}
