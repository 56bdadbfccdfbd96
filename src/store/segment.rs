//! One sealed segment: its row in `segment`, its columns in `segment_column`.

use crate::error::{Failure, Result};
use crate::pg::spi::{Arg, Rows, Sql};
use crate::registry::Project;
use engine::chunk::{Chunk, Events, Inserts, Kind, PropertyColumn};
use engine::codec;
use engine::compact::Sealed;
use engine::ingest::INSERT_ID_PROPERTY;
use std::collections::{BTreeMap, HashMap};

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
    sql: &'a Sql,
    project: &'a Project,
    fresh: bool,
    rows: Rows<'a>,
    by_segment: HashMap<i64, Vec<usize>>,
    /// Groups nobody asked for, which property columns follow.
    beside: Option<Box<Columns<'a>>>,
}

/// Columns of one segment, still encoded.
#[derive(Default)]
pub struct Encoded {
    pub groups: Vec<(Kind, Vec<u8>)>,
    pub properties: Vec<(u32, Vec<u8>)>,
    /// Groups that are only there because properties follow them.
    pub beside: Vec<(Kind, Vec<u8>)>,
}

impl Encoded {
    /// Decodes into a chunk that has its core columns already.
    pub fn decode_into(&self, chunk: &mut Chunk) -> engine::error::Result<()> {
        let n = chunk.len();
        let decode = |(kind, bytes): &(Kind, Vec<u8>)| codec::decode_group(*kind, bytes, n);
        let beside = self
            .beside
            .iter()
            .map(decode)
            .collect::<engine::error::Result<Vec<_>>>()?;
        for g in &self.groups {
            chunk.groups.push(decode(g)?);
        }
        chunk.groups.sort_unstable_by_key(|g| g.kind);
        let Chunk { groups, properties, .. } = chunk;
        let groups = |kind: Kind| groups.iter().chain(&beside).find(|g| g.kind == kind);
        for (property, bytes) in &self.properties {
            properties.push(PropertyColumn {
                property: *property,
                column: codec::decode_column_beside(bytes, n, &groups)?,
            });
        }
        properties.sort_unstable_by_key(|p| p.property);
        Ok(())
    }
}

/// Finds the wanted columns of segments; `None` = every column. `fresh` also sees segments that this transaction has
/// written.
pub fn columns<'a>(
    sql: &'a Sql,
    project: &'a Project,
    segments: &[i64],
    wanted: Option<(&[Kind], &[u32])>,
    fresh: bool,
) -> Result<Columns<'a>> {
    let read = |text: &str, args: &[Arg]| {
        if fresh {
            sql.write(text, args)
        } else {
            sql.read(text, args)
        }
    };
    let rows = match wanted {
        None => read(
            &project.sql("SELECT segment, class::text, no, data FROM @.segment_column WHERE segment = ANY($1)"),
            &[Arg::Ints(segments)],
        )?,
        Some((kinds, properties)) => {
            let kinds: Vec<i32> = kinds.iter().map(|k| i32::from(*k)).collect();
            let properties: Vec<i32> = properties.iter().map(|p| *p as i32).collect();
            read(
                &project.sql(
                    "SELECT segment, class::text, no, data FROM @.segment_column
                     WHERE segment = ANY($1) AND (class = 'g' AND no = ANY($2) OR class = 'p' AND no = ANY($3))",
                ),
                &[Arg::Ints(segments), Arg::Int4s(&kinds), Arg::Int4s(&properties)],
            )?
        }
    };
    let mut by_segment: HashMap<i64, Vec<usize>> = HashMap::new();
    let mut firsts: BTreeMap<i32, usize> = BTreeMap::new();
    for i in 0..rows.len() {
        by_segment.entry(rows.int(i, 0)?).or_default().push(i);
        if rows.text(i, 1)? == "p" {
            firsts.entry(rows.get(i, 2).unwrap_or_default()).or_insert(i);
        }
    }
    let mut out = Columns {
        sql,
        project,
        fresh,
        rows,
        by_segment,
        beside: None,
    };
    // Columns of one property follow one kind, or none: the first tells.
    if let Some((kinds, _)) = wanted.filter(|_| !project.keys.is_empty()) {
        let mut more: Vec<Kind> = Vec::new();
        for i in firsts.into_values() {
            let kind = codec::followed(&out.rows.bytes(i, 3)?)?;
            more.extend(kind.filter(|k| !kinds.contains(k) && !more.contains(k)));
        }
        if !more.is_empty() {
            out.beside = Some(Box::new(columns(sql, project, segments, Some((&more, &[])), fresh)?));
        }
    }
    Ok(out)
}

impl Columns<'_> {
    /// Copies the fetched columns of one segment, still encoded.
    pub fn fetch(&self, segment: i64) -> Result<Encoded> {
        let mut out = Encoded::default();
        for &i in self.by_segment.get(&segment).map(Vec::as_slice).unwrap_or(&[]) {
            let no: i32 = self.rows.get(i, 2).unwrap_or_default();
            let data = self.rows.bytes(i, 3)?;
            if self.rows.text(i, 1)? == "g" {
                out.groups.push((no as Kind, data));
            } else {
                out.properties.push((no as u32, data));
            }
        }
        if let Some(beside) = &self.beside {
            out.beside = beside.fetch(segment)?.groups;
        }
        for (_, data) in &out.properties {
            if let Some(kind) = codec::followed(data)?
                && !out.groups.iter().chain(&out.beside).any(|(k, _)| *k == kind)
            {
                let more = columns(self.sql, self.project, &[segment], Some((&[kind], &[])), self.fresh)?;
                out.beside.append(&mut more.fetch(segment)?.groups);
            }
        }
        Ok(out)
    }
}

/// Decodes users and times of a segment from a result whose columns after [`HEAD`] begin with these.
pub fn core(rows: &Rows, i: usize, head: &Head) -> Result<Chunk> {
    let damaged = |e: engine::error::Error| Failure::from(e).within(format!("segment {}", head.no));
    Ok(Chunk {
        events: Events::One(head.event),
        user: codec::decode_ids(&rows.bytes(i, 9)?, head.n).map_err(damaged)?,
        time: codec::decode_times(&rows.bytes(i, 10)?, head.n).map_err(damaged)?,
        ..Chunk::default()
    })
}

/// The number of the property that holds insert ids; hashes of segments that have it may follow from it.
pub fn insert_ids(sql: &Sql, project: &Project, fresh: bool) -> Result<Option<u32>> {
    let text = project.sql("SELECT no FROM @.property WHERE name = $1");
    let args = [Arg::Text(INSERT_ID_PROPERTY)];
    let rows = if fresh {
        sql.write(&text, &args)?
    } else {
        sql.read(&text, &args)?
    };
    Ok(rows.get::<i32>(0, 0).map(|no| no as u32))
}

/// The properties of group keys, for sealing: their columns may follow the groups.
pub fn keys(sql: &Sql, project: &Project) -> Result<Vec<(u32, Kind)>> {
    let names: Vec<&str> = project.keys.iter().map(|k| k.property.as_str()).collect();
    let rows = sql.write(
        &project.sql("SELECT no::bigint, name FROM @.property WHERE name = ANY($1)"),
        &[Arg::Texts(&names)],
    )?;
    let mut out = Vec::new();
    for i in 0..rows.len() {
        let name = rows.text(i, 1)?;
        let key = project.keys.iter().find(|k| k.property == name);
        out.extend(key.map(|k| (rows.int(i, 0).unwrap_or(0) as u32, k.kind)));
    }
    // Insert ids are looked up by themselves.
    out.retain(|(_, kind)| {
        project
            .keys
            .iter()
            .any(|k| k.kind == *kind && k.property != INSERT_ID_PROPERTY)
    });
    Ok(out)
}

/// Decodes insert hashes and priorities of `n` rows, with the encoded columns of the properties they may follow from.
pub fn decode_inserts(bytes: &[u8], n: usize, properties: &[(u32, Vec<u8>)]) -> engine::error::Result<Inserts> {
    codec::decode_inserts_with(bytes, n, |property| {
        match properties.iter().find(|(p, _)| *p == property) {
            Some((_, column)) => codec::insert_hashes(column, n),
            None => Err(engine::error::Error::corrupt(format!(
                "inserts: property {property}, which they follow from, is missing"
            ))),
        }
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
