//! What an admin keeps out: events that are discarded when they arrive, by name or for what they carry, and properties that
//! they are stripped of.

use super::Project;
use crate::error::{Failure, Result};
use crate::pg::spi::{Arg, Sql};
use engine::ingest::{Blocked, DropFilter};
use engine::value::Value;

/// The blocked names as they are now. Asked for with every call while there are any, so that nobody works with old ones.
pub fn read(sql: &Sql, project: &Project) -> Result<Blocked> {
    if !project.blocked {
        return Ok(Blocked::default());
    }
    let names = |table: &str| {
        let rows = sql.write(&project.sql(&format!("SELECT name FROM @.{table} WHERE blocked")), &[])?;
        (0..rows.len())
            .map(|i| Ok(rows.text(i, 0)?.to_string()))
            .collect::<Result<_>>()
    };
    let rows = sql.write(
        &project.sql("SELECT event, properties::text FROM @.drop_filter ORDER BY no"),
        &[],
    )?;
    let filters = (0..rows.len()).map(|i| {
        let properties: Value =
            serde_json::from_str(rows.text(i, 1)?).map_err(|e| Failure::internal(format!("drop filter: {e}")))?;
        Ok(DropFilter::new(rows.text(i, 0)?, properties)?)
    });
    Ok(Blocked {
        events: names("event_name")?,
        properties: names("property")?,
        filters: filters.collect::<Result<_>>()?,
    })
}

/// Says whether anything is kept out at all.
pub fn note(sql: &Sql, project: &Project) -> Result<()> {
    let found = sql.write(
        &project.sql(
            "SELECT EXISTS (SELECT FROM @.event_name WHERE blocked) OR EXISTS (SELECT FROM @.property WHERE blocked)
                    OR EXISTS (SELECT FROM @.drop_filter)",
        ),
        &[],
    )?;
    sql.write(
        "UPDATE analytics_groups.project SET blocked = $2 WHERE name = $1",
        &[Arg::Text(&project.name), Arg::Bool(found.get(0, 0).unwrap_or(true))],
    )?;
    Ok(())
}
