//! Who had the sessions of one segment in one bucket.

use super::Had;
use super::members::no_such_bucket;
use super::segments::{SegmentCounts, Segmented, Shown, shown};
use crate::breakdown::OTHER;
use crate::chunk::SubjectNo;
use crate::error::Result;
use crate::gather::push_within;
use crate::tick::{EVERY, Tick};

/// The sessions of a subject that are in one line and in the bucket that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    pub line: u32,
    pub subject: SubjectNo,
    pub events: u64,
}

/// The position of the bucket with a label.
pub(super) fn position(question: &Segmented, label: i64) -> Result<u32> {
    let found = question.plan.buckets.labels.iter().position(|l| *l == label);
    found.map(|n| n as u32).ok_or_else(no_such_bucket)
}

/// The subjects with sessions in a segment, in order of their numbers; of those beyond the segments that are shown where it
/// is the rest. Only for counts of a question that has [`Segmented::whose`].
pub fn segment_members(
    question: &Segmented,
    mut counted: SegmentCounts,
    segment: &[String],
    tick: &mut dyn Tick,
) -> Result<Vec<(SubjectNo, Had)>> {
    let rest = !segment.is_empty() && segment.iter().all(|t| t == OTHER);
    let line_of = if rest {
        let Shown { order, line_of } = shown(question, &mut counted, tick)?;
        let rest = order.len() as u32;
        line_of.into_iter().map(|l| l == rest).collect()
    } else {
        let texts = |s: usize| counted.segments.texts(s).map(|t| &**t);
        let same = |s: usize| texts(s).eq(segment.iter().map(String::as_str));
        (0..counted.segments.len()).map(same).collect::<Vec<bool>>()
    };
    let SegmentCounts {
        combinations,
        mut owns,
        mut budget,
        ..
    } = counted;
    tick.tick()?;
    owns.sort_unstable_by_key(|o| o.subject);
    let mut found: Vec<(SubjectNo, Had)> = Vec::new();
    for (i, own) in owns.iter().enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        let is_in = |s: &u32| line_of.get(*s as usize) == Some(&true);
        if !combinations.members(&own.line).iter().any(is_in) {
            continue;
        }
        match found.last_mut() {
            Some((last, had)) if *last == own.subject => {
                had.sessions += 1;
                had.events += own.events;
            }
            _ => {
                let had = Had {
                    sessions: 1,
                    events: own.events,
                };
                push_within(&mut found, (own.subject, had), &mut budget)?;
            }
        }
    }
    Ok(found)
}
