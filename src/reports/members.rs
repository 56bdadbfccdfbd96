//! Who is behind a number: subjects as ids with their profiles, in order of the ids, page by page.
//!
//! A `*_members` function asks what its report asks, and which number of the answer is meant. Events of nobody, which count
//! in totals of users, are the row with the id `''`.

use super::arguments;
use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Rows, Sql};
use crate::registry::Project;
use crate::settings;
use engine::chunk::{Kind, SubjectNo, USER};
use engine::error::Error;
use engine::tick::{EVERY, Tick};
use pgrx::JsonB;

/// Profiles that are read together.
const AT_ONCE: usize = 10_000;

/// Which members to return: those after an id, and how many.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    after: Option<&'a str>,
    size: usize,
}

impl<'a> Page<'a> {
    /// From the arguments: NULL is from the start, and everybody.
    pub fn new(after: Option<&'a str>, size: Option<i32>) -> Result<Self> {
        let size = match size {
            None => usize::MAX,
            Some(n) => usize::try_from(n).ok().filter(|n| *n > 0).ok_or_else(|| {
                Failure::param(
                    "page_size must be 1 or more",
                    "Ask for the next page with after => the last id of this one; NULL returns everybody.",
                )
            })?,
        };
        Ok(Page { after, size })
    }
}

/// The members as rows: id, what is known of each, properties. `found` is in order of the numbers; number 0 is nobody.
pub fn rows<T: Copy>(
    sql: &Sql,
    project: &Project,
    kind: Kind,
    found: &[(SubjectNo, T)],
    page: Page,
) -> Result<Vec<(String, T, JsonB)>> {
    let nobody = found.first().filter(|m| m.0 == 0);
    let mut out = engine::error::try_vec(found.len().min(page.size), "members")?;
    if let (Some((_, t)), None) = (nobody, page.after) {
        out.push((String::new(), *t, JsonB(serde_json::json!({}))));
    }
    let limit = page.size.saturating_sub(out.len());
    let named = found.get(usize::from(nobody.is_some())..).unwrap_or(&[]);
    if limit == 0 || named.is_empty() {
        return Ok(out);
    }
    let mut memory = Memory::default();
    let ids = ids(sql, project, kind, named, page.after, limit, &mut memory)?;
    for part in ids.chunks(AT_ONCE) {
        let numbers: Vec<i64> = part.iter().map(|(no, _)| i64::from(*no)).collect();
        let profiles = profiles(sql, project, kind, &numbers)?;
        let mut order: Vec<(i64, usize)> = engine::error::try_vec(profiles.len(), "profiles")?;
        for i in 0..profiles.len() {
            order.push((profiles.int(i, 0)?, i));
        }
        order.sort_unstable();
        for (no, id) in part {
            let at = order.binary_search_by_key(&i64::from(*no), |p| p.0).ok();
            let profile = match at.and_then(|a| order.get(a)) {
                Some((_, i)) => {
                    let text = profiles.text(*i, 1)?;
                    memory.take(text.len().saturating_mul(3))?;
                    serde_json::from_str(text).map_err(|e| Failure::internal(format!("profile: {e}")))?
                }
                None => serde_json::json!({}),
            };
            if let Some((_, t)) = named.binary_search_by_key(no, |m| m.0).ok().and_then(|i| named.get(i)) {
                out.push((id.clone(), *t, JsonB(profile)));
            }
        }
    }
    Ok(out)
}

/// Numbers and ids of a page, in order of the ids.
fn ids<T>(
    sql: &Sql,
    project: &Project,
    kind: Kind,
    named: &[(SubjectNo, T)],
    after: Option<&str>,
    limit: usize,
    memory: &mut Memory,
) -> Result<Vec<(SubjectNo, String)>> {
    const ID: usize = 120;
    memory.take(
        named
            .len()
            .saturating_mul(8)
            .saturating_add(named.len().min(limit).saturating_mul(ID)),
    )?;
    let mut numbers: Vec<i64> = engine::error::try_vec(named.len(), "members")?;
    numbers.extend(named.iter().map(|(no, _)| i64::from(*no)));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = sql.read(
        &project.sql(
            "SELECT s.no, s.id FROM @.subject s JOIN unnest($2) AS m (no) ON m.no = s.no
             WHERE s.kind = $1 AND s.id > $3 ORDER BY s.id LIMIT $4",
        ),
        &[
            Arg::Int2(kind as i16),
            Arg::Ints(&numbers),
            Arg::Text(after.unwrap_or("")),
            Arg::Int(limit),
        ],
    )?;
    drop(numbers);
    let mut ids = engine::error::try_vec(rows.len(), "members")?;
    for i in 0..rows.len() {
        if i % EVERY == 0 {
            Interrupts.tick()?;
        }
        ids.push((
            u32::try_from(rows.int(i, 0)?).unwrap_or(0),
            rows.text(i, 1)?.to_string(),
        ));
    }
    Ok(ids)
}

/// Number and properties of those who have a profile.
fn profiles<'s>(sql: &'s Sql, project: &Project, kind: Kind, numbers: &[i64]) -> Result<Rows<'s>> {
    Interrupts.tick()?;
    if kind == USER {
        return sql.read(
            &project.sql("SELECT no, properties::text FROM @.user_profile WHERE no = ANY($1)"),
            &[Arg::Ints(numbers)],
        );
    }
    sql.read(
        &project.sql("SELECT no, properties::text FROM @.group_profile WHERE kind = $2 AND no = ANY($1)"),
        &[Arg::Ints(numbers), Arg::Int2(kind as i16)],
    )
}

/// What an answer takes, within the setting.
#[derive(Default)]
struct Memory(usize);

impl Memory {
    fn take(&mut self, bytes: usize) -> Result<()> {
        self.0 = self.0.saturating_add(bytes);
        if self.0 <= settings::query_memory() {
            return Ok(());
        }
        Err(Error::Limit {
            message: "so many members need more memory than analytics_groups.query_memory".into(),
            hint: Some("Ask page by page: page_size => 10000, after => the last id of the page before.".into()),
        }
        .into())
    }
}

/// The segment that is meant, which has one text for each of `dimensions` properties.
pub fn segment(texts: Option<Vec<Option<String>>>, dimensions: usize) -> Result<Vec<String>> {
    const HINT: &str = "It is the column \"segment\" of the report's row, for example segment => '{Germany}'.";
    let texts: Vec<String> = texts
        .unwrap_or_default()
        .into_iter()
        .map(|t| arguments::required(t, "a text of segment", HINT))
        .collect::<Result<_>>()?;
    if texts.len() != dimensions {
        return Err(Failure::param(
            format!("segment has {} texts for a breakdown of {dimensions}", texts.len()),
            if dimensions == 0 {
                "Leave segment out, or add the breakdown of the report."
            } else {
                HINT
            },
        ));
    }
    Ok(texts)
}

/// Is it the rest, which stands for every segment that is not shown?
pub fn is_rest(segment: &[String]) -> bool {
    !segment.is_empty() && segment.iter().all(|t| t == engine::breakdown::OTHER)
}
