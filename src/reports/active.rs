//! Who was active when: what lifecycle and frequency gather, from stored sets of settled days where these can stand for
//! rows, from rows elsewhere.

use super::insights::need;
use super::insights::settled::Settled;
use crate::error::Result;
use crate::pg::spi::Sql;
use crate::registry::Project;
use crate::settings;
use crate::store::scan;
use engine::chunk::{Chunk, Hits, Kind, SubjectNo};
use engine::error::Error;
use engine::expr::Selector;
use engine::tick::Tick;
use engine::time::Span64;

/// What is gathered.
pub struct Activity<'a> {
    pub by: Kind,
    pub selector: &'a Selector,
    /// The instants that are read.
    pub span: Span64,
    /// A day is never divided: sets of days say all there is to know.
    pub whole_days: bool,
    /// Identity merges.
    pub remap: Option<&'a [SubjectNo]>,
}

/// Kernels that together have seen all activity: made by `make`, filled with `fill(kernel, start of a day, portable set of
/// its subjects)` or with `push(kernel, chunk, picked rows)`.
pub fn gather<K: Send>(
    sql: &Sql,
    project: &Project,
    of: &Activity,
    make: impl Fn() -> Result<K, Error> + Sync,
    mut fill: impl FnMut(&mut K, i64, &[u8]) -> Result<(), Error>,
    push: impl Fn(&mut K, &Chunk, &Hits, &mut dyn Tick) -> Result<(), Error> + Sync,
) -> Result<Vec<K>> {
    let Activity { by, selector, span, .. } = *of;
    let need = need([selector].into_iter(), [by], &[]);
    let mut kernels = vec![make()?];
    if need.events.as_ref().is_some_and(Vec::is_empty) {
        return Ok(kernels);
    }
    let waiting = scan::waiting(sql, project, &need, span)?;
    let settled = match of.whole_days {
        true => Settled::of_subjects(sql, project, by, selector, span, of.remap, &waiting)?,
        false => None,
    };
    if let (Some(s), Some(kernel)) = (&settled, kernels.first_mut()) {
        s.each(project, by, &mut |day, subjects| Ok(fill(kernel, day, subjects)?))?;
    }
    if settled.as_ref().is_some_and(Settled::answers_all) {
        return Ok(kernels);
    }
    let selectors = std::slice::from_ref(selector);
    kernels.extend(scan::scan_with(
        sql,
        project,
        &need,
        span,
        &waiting,
        &|head| settled.as_ref().is_none_or(|s| s.wants(selectors, head)),
        &settings::workers(),
        make,
        |kernel, chunk, keep, tick| {
            let hits = match &settled {
                Some(s) => selector.hits(chunk, &*s.rows(0, chunk, keep, tick)?, by, tick)?,
                None => selector.hits(chunk, keep, by, tick)?,
            };
            push(kernel, chunk, &hits, tick)
        },
    )?);
    Ok(kernels)
}
