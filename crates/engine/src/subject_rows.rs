//! Subjects as rows: everybody has one event without a name and without properties, so that what asks of events can ask of
//! profiles.

use crate::chunk::{Chunk, Events, GroupColumn, Kind, SubjectNo, USER};
use crate::error::{Result, try_vec};

/// A chunk of an event of each subject, all at one time.
pub(crate) fn chunk(by: Kind, subjects: impl ExactSizeIterator<Item = SubjectNo>, at: i64) -> Result<Chunk> {
    let n = subjects.len();
    let mut own = try_vec(n, "subjects")?;
    own.extend(subjects);
    let mut chunk = Chunk {
        events: Events::One(0),
        time: try_vec(n, "subjects")?,
        ..Chunk::default()
    };
    chunk.time.resize(n, at);
    if by == USER {
        chunk.user = own;
    } else {
        chunk.user = try_vec(n, "subjects")?;
        chunk.user.resize(n, 0);
        chunk.groups.push(GroupColumn {
            kind: by,
            first: own,
            more: Vec::new(),
        });
    }
    Ok(chunk)
}
