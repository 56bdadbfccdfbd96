//! What an import reads: a table, a view or a foreign table, and what its columns mean.
//!
//! A relation is read as the caller, by statements of our own in which Postgres has quoted every name.

use super::marks::Marks;
use crate::error::{Failure, Result};
use crate::pg::Oid;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::{Arg, Sql};
use crate::reports::required;
use pgrx::prelude::*;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// What becomes of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Instant,
    /// A time without a zone, or a date: taken as UTC.
    Local,
    Number,
    Json,
    Other,
}

/// A column of a relation.
#[derive(Debug)]
pub struct Column {
    pub name: String,
    /// As SQL, of the relation that is called `s`.
    sql: String,
    /// The SQL of its type.
    of_type: String,
    shape: Shape,
    /// The type that its values are read as, when they need not become JSON in Postgres.
    read_as: Option<&'static str>,
}

/// How what is selected becomes JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// It is JSON, as text.
    Json,
    /// It is a value.
    Value,
    /// It is an instant, and becomes a number that ingestion reads; or that number, as text.
    Instant,
}

/// A column as it is read.
pub struct Selected {
    pub sql: String,
    pub form: Form,
}

impl Selected {
    /// Nothing is read.
    pub fn nothing() -> Selected {
        Selected {
            sql: "NULL::text".into(),
            form: Form::Json,
        }
    }
}

impl Column {
    /// Its value as JSON. Instants are written in UTC, whatever the session's time zone is.
    pub fn json(&self) -> Selected {
        match self.read_as {
            Some(as_type) => Selected {
                sql: format!("{}::{as_type}", self.sql),
                form: Form::Value,
            },
            None => Selected {
                sql: format!("to_json({})::text", self.sql),
                form: Form::Json,
            },
        }
    }

    /// Its value as a text, whatever its type is.
    pub fn text(&self) -> Selected {
        Selected {
            sql: format!("{}::text", self.sql),
            form: Form::Value,
        }
    }

    /// The instant that it is.
    pub fn instant(&self) -> Result<Selected> {
        let sql = match self.shape {
            Shape::Instant => format!("{}::timestamptz", self.sql),
            Shape::Local => format!("{}::timestamp AT TIME ZONE 'UTC'", self.sql),
            Shape::Number => return Ok(self.json()),
            _ => {
                return Err(self.not(
                    "time_column",
                    "a timestamp, a date, or a number of seconds or milliseconds",
                ));
            }
        };
        Ok(Selected {
            sql,
            form: Form::Instant,
        })
    }

    /// The instant from which a row holds; what holds since the beginning of time is 1970 for us.
    pub fn start(&self) -> Result<Selected> {
        let selected = self.instant().map_err(|_| {
            self.not(
                "start_time_column",
                "a timestamp, a date, or a number of seconds or milliseconds",
            )
        })?;
        Ok(match selected.form {
            Form::Instant => Selected {
                sql: format!(
                    "CASE WHEN isfinite({0}) OR {0} > 'epoch' THEN {0} WHEN {0} < 'epoch' THEN 'epoch' END",
                    selected.sql
                ),
                form: Form::Instant,
            },
            _ => selected,
        })
    }

    /// A JSON object of properties.
    pub fn object(&self) -> Result<Selected> {
        match self.shape {
            Shape::Json => Ok(Selected {
                sql: format!("{}::text", self.sql),
                form: Form::Json,
            }),
            _ => Err(self.not("json_properties_column", "of type json or jsonb")),
        }
    }

    /// Its values as insert times.
    pub fn marks(&self) -> Result<Marks> {
        let (before, behind, cast) = match self.shape {
            Shape::Instant => (
                "to_char(",
                " AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')",
                "::timestamp AT TIME ZONE 'UTC'".into(),
            ),
            Shape::Local => (
                "to_char((",
                ")::timestamp, 'YYYY-MM-DD HH24:MI:SS.US')",
                "::timestamp".into(),
            ),
            Shape::Number => ("(", ")::text", format!("::{}", self.of_type)),
            _ => return Err(self.not("insert_time_column", "a timestamp, a date or a number")),
        };
        let finite = match self.shape {
            Shape::Number => format!("{} IS NOT NULL", self.sql),
            _ => format!("isfinite({})", self.sql),
        };
        Ok(Marks {
            column: self.sql.clone(),
            text: (before, behind),
            cast,
            finite,
        })
    }

    /// What a hash of the row takes of it: the value, or a text of those that have no hash.
    pub fn hashed(&self) -> String {
        match (self.read_as, self.shape) {
            (Some("text"), _) => format!("{}::text COLLATE \"C\"", self.sql),
            (Some(_), _) | (None, Shape::Number | Shape::Local) => self.sql.clone(),
            _ => format!("to_json({})::text COLLATE \"C\"", self.sql),
        }
    }

    /// The text of an id that ingestion reads from it, as SQL.
    pub fn id(&self) -> String {
        match self.shape {
            Shape::Number => format!("trim_scale({}::numeric)::text", self.sql),
            _ => format!("{}::text", self.sql),
        }
    }

    /// Its name as SQL, of the relation that is called `s`.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    fn not(&self, key: &str, wanted: &str) -> Failure {
        Failure::new(
            PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
            format!(
                "mapping: {key}: column \"{}\" is of type {}, and must be {wanted}",
                self.name, self.of_type
            ),
            "Convert it in a view, and import the view.",
        )
    }
}

/// A relation that the caller may read.
pub struct Relation {
    /// Schema and name, quoted.
    pub sql: String,
    pub columns: Vec<Column>,
}

impl Relation {
    /// Looks at a relation.
    pub fn open(sql: &Sql, source: Option<Oid>) -> Result<Relation> {
        const HINT: &str =
            "Name a table, a view or a foreign table, for example 'shop.orders'; a query is given as a view.";
        let source = required(source, "source", HINT)?;
        let rows = sql.write(
            "SELECT c.relkind::text, quote_ident(n.nspname) || '.' || quote_ident(c.relname),
                    has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1",
            &[Arg::Oid(source)],
        )?;
        if rows.len() == 0 {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
                "source: there is no such relation",
                HINT,
            ));
        }
        let name = rows.text(0, 1)?.to_string();
        if !matches!(rows.text(0, 0)?, "r" | "p" | "v" | "m" | "f") {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
                format!("source: {name} has no rows to read"),
                HINT,
            ));
        }
        if rows.get::<bool>(0, 2) != Some(true) {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("source: permission denied for {name}"),
                "An import reads as whoever calls it: ask the owner for GRANT SELECT, and for GRANT USAGE on the schema.",
            ));
        }
        let rows = sql.write(
            "SELECT a.attname::text, quote_ident(a.attname), format_type(t.oid, NULL), format_type(coalesce(b.oid, t.oid), NULL)
             FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON b.oid = t.typbasetype
             WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
            &[Arg::Oid(source)],
        )?;
        let mut columns = Vec::new();
        for i in 0..rows.len() {
            columns.push(Column {
                name: rows.text(i, 0)?.to_string(),
                sql: format!("s.{}", rows.text(i, 1)?),
                of_type: rows.text(i, 2)?.to_string(),
                read_as: match rows.text(i, 3)? {
                    "text" | "character varying" => Some("text"),
                    "smallint" | "integer" | "bigint" => Some("bigint"),
                    "double precision" => Some("double precision"),
                    "boolean" => Some("boolean"),
                    "timestamp with time zone" => Some("timestamptz"),
                    "timestamp without time zone" => Some("timestamp"),
                    _ => None,
                },
                shape: match rows.text(i, 3)? {
                    "timestamp with time zone" => Shape::Instant,
                    "timestamp without time zone" | "date" => Shape::Local,
                    "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" => Shape::Number,
                    "json" | "jsonb" => Shape::Json,
                    _ => Shape::Other,
                },
            });
        }
        Ok(Relation { sql: name, columns })
    }

    /// The column of a name that the mapping gives.
    fn column(&self, key: &str, name: &str) -> Result<&Column> {
        self.columns.iter().find(|c| c.name == name).ok_or_else(|| {
            let known = self.columns.iter().map(|c| c.name.as_str());
            let near = crate::registry::lexicon::nearest(name, known.clone());
            Failure::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                format!("mapping: {key}: {} has no column \"{name}\"", self.sql),
                match near.first() {
                    Some(near) => format!("Did you mean \"{near}\"?"),
                    None => format!("It has: {}.", known.collect::<Vec<_>>().join(", ")),
                },
            )
        })
    }
}

/// What the columns of a relation mean: a JSON object.
pub struct Mapping {
    texts: BTreeMap<String, String>,
    /// The properties that columns become; `None` = left out.
    properties: BTreeMap<String, Option<String>>,
}

/// What `property_mappings` of a mapping says: the property of a column, or that it is none. Errors say what is wrong.
pub(super) fn properties(pairs: serde_json::Map<String, Json>) -> Result<BTreeMap<String, Option<String>>, String> {
    let property = |(column, property): (String, Json)| match property {
        Json::Null => Ok((column, None)),
        Json::String(name) if !name.is_empty() => Ok((column, Some(name))),
        _ => Err(format!(
            "property_mappings: the property of \"{column}\" must be a name, or null to leave the column out"
        )),
    };
    pairs.into_iter().map(property).collect()
}

impl Mapping {
    /// Reads an object with some of these keys. The names that the warehouse API has for columns, which end in
    /// `_column_name`, are taken as well.
    pub fn read(mapping: Option<Jsonb>, keys: &[&str]) -> Result<Mapping> {
        let hint = || {
            format!(
                "It is a JSON object with the keys {} and property_mappings.",
                keys.join(", ")
            )
        };
        let wrong = |what: String| Failure::param(format!("mapping: {what}"), hint());
        let Json::Object(object) = required(mapping, "mapping", &hint())?.parse("mapping")? else {
            return Err(wrong("it must be an object".into()));
        };
        let mut out = Mapping {
            texts: BTreeMap::new(),
            properties: BTreeMap::new(),
        };
        for (key, value) in object {
            let key = match key.strip_suffix("_name") {
                Some(short) if short.ends_with("_column") => short.to_string(),
                _ => key,
            };
            match value {
                Json::Null => {}
                Json::Object(pairs) if key == "property_mappings" => {
                    out.properties = properties(pairs).map_err(wrong)?;
                }
                _ if key == "property_mappings" => return Err(wrong("property_mappings must be an object".into())),
                Json::String(text) if keys.contains(&key.as_str()) && !text.is_empty() => {
                    out.texts.insert(key, text);
                }
                _ if keys.contains(&key.as_str()) => return Err(wrong(format!("{key} must be a name"))),
                _ => return Err(wrong(format!("unknown key \"{key}\""))),
            }
        }
        Ok(out)
    }

    /// The text of a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }

    /// The column of a key.
    pub fn column<'r>(&self, relation: &'r Relation, key: &str) -> Result<Option<&'r Column>> {
        self.text(key).map(|name| relation.column(key, name)).transpose()
    }

    /// The column of a key that must be there.
    pub fn needed<'r>(&self, relation: &'r Relation, key: &str, hint: &str) -> Result<&'r Column> {
        self.column(relation, key)?
            .ok_or_else(|| Failure::param(format!("mapping: {key} is missing"), hint))
    }

    /// The columns that say something of a row: all but those that are left out, and the insert time.
    pub fn telling<'r>(&self, relation: &'r Relation) -> Vec<&'r Column> {
        let named = |key: &str, c: &Column| self.text(key) == Some(c.name.as_str());
        let is_key = |c: &Column| {
            self.texts
                .iter()
                .any(|(key, name)| key.ends_with("_column") && *name == c.name)
        };
        let left_out = |c: &Column| self.properties.get(&c.name) == Some(&None) && !is_key(c);
        let tells = |c: &&Column| !left_out(c) && !named("insert_time_column", c);
        relation.columns.iter().filter(tells).collect()
    }

    /// The columns that become properties, with the names of these: all that no key names. `taken` are names that are
    /// made otherwise.
    pub fn rest<'r>(&self, relation: &'r Relation, taken: &[&str]) -> Result<Vec<(String, &'r Column)>> {
        for name in self.properties.keys() {
            relation.column("property_mappings", name)?;
        }
        let named: BTreeSet<&str> = self
            .texts
            .iter()
            .filter(|(key, _)| key.ends_with("_column"))
            .map(|(_, name)| name.as_str())
            .collect();
        let mut used: BTreeSet<&str> = taken.iter().copied().collect();
        let mut out = Vec::new();
        for column in &relation.columns {
            let property = match self.properties.get(&column.name) {
                Some(None) => continue,
                Some(Some(property)) => property.as_str(),
                None if named.contains(column.name.as_str()) => continue,
                None => column.name.as_str(),
            };
            if !used.insert(property) {
                return Err(Failure::param(
                    format!("mapping: column \"{}\" would be a second \"{property}\"", column.name),
                    "Give it another name in property_mappings, or leave it out: {\"property_mappings\": {\"column\": null}}.",
                ));
            }
            out.push((property.to_string(), column));
        }
        Ok(out)
    }
}
