//! What is blocked in the lexicon: events that are discarded when they arrive, properties that they are stripped of.

use super::Project;
use crate::error::Result;
use crate::pg::spi::Sql;
use engine::ingest::Blocked;

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
    Ok(Blocked {
        events: names("event_name")?,
        properties: names("property")?,
    })
}
