//! One sealed segment: its row in `segment`, its columns in `segment_column`.

use crate::error::{Failure, Result};
use crate::pg::spi::{Arg, Rows, Sql};
use crate::registry::Project;
use engine::chunk::{Chunk, Events, Kind, PropertyColumn};
use engine::codec;
use engine::compact::Sealed;
use std::collections::HashMap;

/// What the row of a segment says, without its buffers.
#[derive(Debug, Clone)]
pub struct Head {
    pub no: i64,
    pub event: u32,
    pub n: usize,
    pub day_min: i32,
    pub day_max: i32,
    pub at_min: i64,
    pub at_max: i64,
    pub user_min: i64,
    pub user_max: i64,
}

/// Columns of [`Head`], in order; `users`, `times` and `inserts` may follow.
pub const HEAD: &str = "no, event, n, day_min, day_max, at_min, at_max, user_min, user_max";

/// Reads a head from the first columns of a result.
pub fn head(rows: &Rows, i: usize) -> Result<Head> {
    let int4 = |c: usize| {
        rows.get::<i32>(i, c)
            .ok_or_else(|| Failure::internal("unexpected NULL"))
    };
    Ok(Head {
        no: rows.int(i, 0)?,
        event: int4(1)? as u32,
        n: usize::try_from(int4(2)?).map_err(|_| engine::error::Error::corrupt("segment with a negative row count"))?,
        day_min: int4(3)?,
        day_max: int4(4)?,
        at_min: rows.int(i, 5)?,
        at_max: rows.int(i, 6)?,
        user_min: rows.int(i, 7)?,
        user_max: rows.int(i, 8)?,
    })
}

/// The columns of several segments, fetched together; buffers stay in TOAST until they are decoded.
pub struct Columns<'a> {
    rows: Rows<'a>,
    by_segment: HashMap<i64, Vec<usize>>,
}

/// Finds the wanted columns of segments; `None` = every column.
pub fn columns<'a>(
    sql: &'a Sql,
    project: &Project,
    segments: &[i64],
    wanted: Option<(&[Kind], &[u32])>,
) -> Result<Columns<'a>> {
    let rows = match wanted {
        None => sql.write(
            &project.sql("SELECT segment, class::text, no, data FROM @.segment_column WHERE segment = ANY($1)"),
            &[Arg::Ints(segments)],
        )?,
        Some((kinds, properties)) => {
            let kinds: Vec<i32> = kinds.iter().map(|k| i32::from(*k)).collect();
            let properties: Vec<i32> = properties.iter().map(|p| *p as i32).collect();
            sql.read(
                &project.sql(
                    "SELECT segment, class::text, no, data FROM @.segment_column
                     WHERE segment = ANY($1) AND (class = 'g' AND no = ANY($2) OR class = 'p' AND no = ANY($3))",
                ),
                &[Arg::Ints(segments), Arg::Int4s(&kinds), Arg::Int4s(&properties)],
            )?
        }
    };
    let mut by_segment: HashMap<i64, Vec<usize>> = HashMap::new();
    for i in 0..rows.len() {
        by_segment.entry(rows.int(i, 0)?).or_default().push(i);
    }
    Ok(Columns { rows, by_segment })
}

impl Columns<'_> {
    /// Copies the fetched columns of one segment, still encoded.
    pub fn fetch(
        &self,
        segment: i64,
        groups: &mut Vec<(Kind, Vec<u8>)>,
        properties: &mut Vec<(u32, Vec<u8>)>,
    ) -> Result<()> {
        for &i in self.by_segment.get(&segment).map(Vec::as_slice).unwrap_or(&[]) {
            let no: i32 = self.rows.get(i, 2).unwrap_or_default();
            let data = self.rows.bytes(i, 3)?;
            if self.rows.text(i, 1)? == "g" {
                groups.push((no as Kind, data));
            } else {
                properties.push((no as u32, data));
            }
        }
        Ok(())
    }

    /// Decodes the fetched columns of one segment into a chunk that has its core columns already.
    pub fn decode_into(&self, segment: i64, chunk: &mut Chunk) -> Result<()> {
        let n = chunk.len();
        for &i in self.by_segment.get(&segment).map(Vec::as_slice).unwrap_or(&[]) {
            let no: i32 = self.rows.get(i, 2).unwrap_or_default();
            let data = self.rows.bytes(i, 3)?;
            if self.rows.text(i, 1)? == "g" {
                chunk.groups.push(codec::decode_group(no as Kind, &data, n)?);
            } else {
                let column = codec::decode_column(&data, n)?;
                chunk.properties.push(PropertyColumn {
                    property: no as u32,
                    column,
                });
            }
        }
        chunk.groups.sort_by_key(|g| g.kind);
        chunk.properties.sort_by_key(|p| p.property);
        Ok(())
    }
}

/// Decodes the core columns of a segment from a result whose columns after [`HEAD`] are users, times and inserts.
pub fn core(rows: &Rows, i: usize, head: &Head, with_inserts: bool) -> Result<Chunk> {
    let damaged = |e: engine::error::Error| Failure::from(e).within(format!("segment {}", head.no));
    Ok(Chunk {
        events: Events::One(head.event),
        user: codec::decode_ids(&rows.bytes(i, 9)?, head.n).map_err(damaged)?,
        time: codec::decode_times(&rows.bytes(i, 10)?, head.n).map_err(damaged)?,
        inserts: match rows.bytes_or_null(i, 11, with_inserts)? {
            Some(bytes) => Some(codec::decode_inserts(&bytes, head.n).map_err(damaged)?),
            None => None,
        },
        groups: Vec::new(),
        properties: Vec::new(),
    })
}

/// Writes a sealed segment.
pub fn insert(sql: &Sql, project: &Project, sealed: &Sealed) -> Result<Head> {
    // No row has an insert id: none can ever be a duplicate.
    let inserts = sealed.inserts.as_deref().unwrap_or_default();
    let rows = sql.write(
        &project.sql(
            "INSERT INTO @.segment (no, event, n, day_min, day_max, at_min, at_max, user_min, user_max, users, times, inserts)
             VALUES (nextval('@.segment_no'::regclass), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, nullif($11, '')) RETURNING no",
        ),
        &[
            Arg::Int4(sealed.event as i32),
            Arg::Int4(sealed.rows as i32),
            Arg::Int4(sealed.day_min),
            Arg::Int4(sealed.day_max),
            Arg::Int(sealed.ts_min),
            Arg::Int(sealed.ts_max),
            Arg::Int(i64::from(sealed.user_min)),
            Arg::Int(i64::from(sealed.user_max)),
            Arg::Bytes(&sealed.users),
            Arg::Bytes(&sealed.times),
            Arg::Bytes(inserts),
        ],
    )?;
    let no = rows.int(0, 0)?;
    drop(rows);
    let groups = sealed.groups.iter().map(|(k, b)| ("g", i32::from(*k), b.as_slice()));
    let properties = sealed.properties.iter().map(|(p, b)| ("p", *p as i32, b.as_slice()));
    let all: Vec<_> = groups.chain(properties).collect();
    let text = project.sql(
        "INSERT INTO @.segment_column (segment, class, no, data)
         SELECT $1, c::\"char\", n, d FROM unnest($2, $3, $4) AS t(c, n, d)",
    );
    // A few columns at a time: the statement holds them once more.
    for part in all.chunks(16) {
        let classes: Vec<&str> = part.iter().map(|c| c.0).collect();
        let numbers: Vec<i32> = part.iter().map(|c| c.1).collect();
        let data: Vec<&[u8]> = part.iter().map(|c| c.2).collect();
        sql.write(
            &text,
            &[
                Arg::Int(no),
                Arg::Texts(&classes),
                Arg::Int4s(&numbers),
                Arg::ByteStrings(&data),
            ],
        )?;
    }
    Ok(Head {
        no,
        event: sealed.event,
        n: sealed.rows,
        day_min: sealed.day_min,
        day_max: sealed.day_max,
        at_min: sealed.ts_min,
        at_max: sealed.ts_max,
        user_min: i64::from(sealed.user_min),
        user_max: i64::from(sealed.user_max),
    })
}

/// Deletes segments with their columns.
pub fn delete(sql: &Sql, project: &Project, segments: &[i64]) -> Result<()> {
    sql.write(
        &project.sql("DELETE FROM @.segment_column WHERE segment = ANY($1)"),
        &[Arg::Ints(segments)],
    )?;
    let gone = sql.write(
        &project.sql("DELETE FROM @.segment WHERE no = ANY($1)"),
        &[Arg::Ints(segments)],
    )?;
    if gone.processed() != segments.len() as u64 {
        return Err(Failure::internal("a segment disappeared during maintenance"));
    }
    Ok(())
}
