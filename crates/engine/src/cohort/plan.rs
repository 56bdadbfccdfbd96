//! What is counted for the conditions of a cohort, and which events that needs.

use super::compare::Compare;
use crate::chunk::{Kind, SubjectNo};
use crate::expr::Selector;
use crate::insights::Aggregate;
use crate::time::Span64;

/// What is counted.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    pub by: Kind,
    pub counted: Vec<Counted>,
    /// The largest number of a subject that is expected.
    pub most: SubjectNo,
    /// Canonical user of each user, where identities were merged.
    pub remap: Option<&'a [SubjectNo]>,
    /// Bytes a partial, or the answer, may take.
    pub memory_limit: usize,
}

/// One condition on events.
#[derive(Debug, Clone)]
pub struct Counted {
    /// One selector, or the steps of a sequence.
    pub selectors: Vec<Selector>,
    /// The instants of its window.
    pub span: Span64,
    pub what: What,
}

/// What is asked of the events in the window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum What {
    Times(Compare),
    /// The users of a group who did it so many times.
    Users {
        times: u32,
        is: Compare,
    },
    Measured {
        property: u32,
        aggregate: Aggregate,
        is: Compare,
    },
    FirstTime,
    Sequence,
}

impl Counted {
    /// The instants whose events it has to see: a first time needs all history before it.
    pub fn reads(&self) -> Span64 {
        match self.what {
            What::FirstTime if self.span.from < self.span.to => Span64 {
                from: i64::MIN,
                to: self.span.to,
            },
            _ => self.span,
        }
    }

    /// Does it have to see an event in a run of instants (both inclusive)?
    pub fn wants(&self, event: u32, first: i64, last: i64) -> bool {
        let span = self.reads();
        let asked = |s: &Selector| s.events().is_none_or(|e| e.contains(&event));
        first < span.to && last >= span.from && self.selectors.iter().any(asked)
    }

    /// Does somebody without any event fulfil it?
    pub fn holds_for_none(&self) -> bool {
        match self.what {
            What::Times(is) | What::Users { is, .. } => is.holds(0.0),
            What::Measured { aggregate, is, .. } => {
                matches!(aggregate, Aggregate::Sum | Aggregate::Distinct) && is.holds(0.0)
            }
            What::FirstTime | What::Sequence => false,
        }
    }
}

impl Plan<'_> {
    /// The instants that have to be read; empty when there is nothing to count.
    pub fn reads(&self) -> Span64 {
        let spans = self.counted.iter().map(Counted::reads).filter(|s| s.from < s.to);
        let both = spans.reduce(|a, b| Span64 {
            from: a.from.min(b.from),
            to: a.to.max(b.to),
        });
        both.unwrap_or(Span64 { from: 0, to: 0 })
    }
}
