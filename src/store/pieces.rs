//! A span of time in pieces of so many events, for readers that hand over what they have before they go on.

use super::scan::Need;
use crate::error::Result;
use crate::pg::spi::{Arg, Sql};
use crate::registry::Project;
use engine::error::try_vec;
use engine::time::Span64;

/// The pieces of a span, and what they will read.
pub struct Pieces {
    /// Ascending, next to one another.
    pub spans: Vec<Span64>,
    /// Segments that may hold wanted events, and segments there are.
    pub segments: (usize, i64),
}

/// Cuts a span where segments begin: `first` events or more, then four times as many each time, up to `most`. A segment
/// that lies over a cut is read for both sides, which is why pieces grow.
pub fn pieces(sql: &Sql, project: &Project, need: &Need, span: Span64, first: usize, most: usize) -> Result<Pieces> {
    let events: Option<Vec<i32>> = need.events.as_ref().map(|e| e.iter().map(|n| *n as i32).collect());
    let heads = "SELECT at_min, n::bigint FROM @.segment WHERE at_max >= $1 AND at_min < $2";
    let times = [Arg::Int(span.from), Arg::Int(span.to)];
    let rows = match &events {
        None => sql.read(&project.sql(&format!("{heads} ORDER BY at_min")), &times)?,
        Some(e) => sql.read(
            &project.sql(&format!("{heads} AND event = ANY($3) ORDER BY at_min")),
            &[times[0], times[1], Arg::Int4s(e)],
        )?,
    };
    let all = sql
        .read(&project.sql("SELECT count(*) FROM @.segment"), &[])?
        .int(0, 0)?;
    let mut heads = try_vec(rows.len(), "segments")?;
    for i in 0..rows.len() {
        heads.push((rows.int(i, 0)?, usize::try_from(rows.int(i, 1)?).unwrap_or(0)));
    }
    Ok(Pieces {
        spans: engine::pieces::cut(&heads, span, first, most)?,
        segments: (heads.len(), all),
    })
}
