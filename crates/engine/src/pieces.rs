//! A span of time in pieces of so many events, for readers that hand over what they have before they go on.

use crate::error::{Error, Result};
use crate::time::Span64;

/// Cuts a span where segments begin, given by their first instants, ascending, and their events: after `first` events or
/// more, then after four times as many each time, up to `most`. The pieces lie next to one another and cover the span.
/// O(segments).
///
/// # Errors
/// No memory for the pieces.
pub fn cut(segments: &[(i64, usize)], span: Span64, first: usize, most: usize) -> Result<Vec<Span64>> {
    let mut spans = Vec::new();
    let (mut from, mut events, mut target) = (span.from, 0usize, first);
    let mut end = |from: i64, to: i64| -> Result<()> {
        spans
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory("pieces of a span"))?;
        spans.push(Span64 { from, to });
        Ok(())
    };
    for (at, n) in segments {
        if events >= target && *at > from && *at < span.to {
            end(from, *at)?;
            (from, events, target) = (*at, 0, target.saturating_mul(4).min(most));
        }
        events = events.saturating_add(*n);
    }
    if from < span.to {
        end(from, span.to)?;
    }
    Ok(spans)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pieces_grow() {
        let segments: Vec<(i64, usize)> = (0..100).map(|i| (i * 10, 10)).collect();
        let spans = cut(&segments, Span64 { from: 5, to: 2_000 }, 20, 100).unwrap();
        let ends: Vec<i64> = spans.iter().map(|s| s.to).collect();
        assert_eq!(ends[..3], [20, 100, 200]);
    }

    proptest! {
        #[test]
        fn pieces_cover_the_span_and_no_more(
            mut segments in prop::collection::vec((-50i64..150, 0usize..40), 0..40),
            from in -20i64..120, length in 0i64..100, first in 1usize..60,
        ) {
            segments.sort_unstable();
            let span = Span64 { from, to: from + length };
            let spans = cut(&segments, span, first, 100).unwrap();
            let instants = |s: &Span64| (s.from..s.to).collect::<Vec<_>>();
            prop_assert!(spans.iter().all(|s| s.from < s.to));
            prop_assert_eq!(spans.iter().flat_map(instants).collect::<Vec<_>>(), instants(&span));
        }
    }
}
