//! How many events are attributed to a group key: the figure in the view `group_keys`.

use crate::pg::ErrorReport;
use crate::pg::spi;
use crate::registry;
use crate::store::scan::{self, Need};
use engine::chunk::Hits;
use engine::time::Span64;
use pgrx::prelude::*;

/// Every event there is.
pub const ALWAYS: Span64 = Span64 {
    from: i64::MIN,
    to: i64::MAX,
};

#[pg_extern(
    schema = "analytics_groups",
    name = "_attributed_events",
    stable,
    strict,
    parallel_restricted
)]
#[search_path(pg_catalog, pg_temp)]
fn attributed_events(project: &str, property: &str) -> Result<i64, ErrorReport> {
    let n = spi::connect(|sql| {
        let project = registry::open(sql, Some(project))?;
        let kind = project.kind(property)?;
        let need = Need {
            events: None,
            kinds: vec![kind],
            properties: Vec::new(),
            ..Need::default()
        };
        let mut n = 0i64;
        scan::scan(sql, &project, &need, ALWAYS, &mut |chunk, keep| {
            // A row with any group has a first one.
            if let Some(g) = chunk.group(kind) {
                let Hits { rows, .. } = Hits::rows(keep.clone());
                n += rows.ones().filter(|r| g.first.get(*r).is_some_and(|s| *s != 0)).count() as i64;
            }
            Ok(())
        })?;
        Ok(n)
    })?;
    Ok(n)
}
