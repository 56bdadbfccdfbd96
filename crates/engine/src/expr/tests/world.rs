//! A small project for the tests, and rows as maps of names.

use crate::chunk::Membership;
use crate::chunk::{Chunk, Kind, ProfileColumn, SharedProfile, SubjectNo, USER};
use crate::expr::{CohortColumn, Names};
use crate::time::Calendar;
use crate::value::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

pub const COMPANY: Kind = 1;
pub const TEAM: Kind = 2;
pub const EVENTS: [&str; 2] = ["Login", "Buy"];
/// Properties 1, 2, …; the last is in the lexicon but in no chunk.
pub const PROPERTIES: [&str; 5] = ["s", "n", "m", "l", "gone"];
pub const KEYS: [(&str, Kind); 2] = [("company_id", COMPANY), ("team", TEAM)];

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

pub struct World {
    pub calendar: Calendar,
    /// Profiles of kind and number.
    pub profiles: BTreeMap<(Kind, SubjectNo), Value>,
    pub membership: BTreeMap<Kind, Arc<Membership>>,
}

impl World {
    pub fn new() -> World {
        let profiles = [
            (
                USER,
                1,
                r#"{"plan":"pro","age":33,"$distinct_id":"u1","company_id":["acme"]}"#,
            ),
            (USER, 2, r#"{"plan":"free","age":null,"$distinct_id":"u2"}"#),
            (USER, 3, r#"{"tags":["a","b"],"$distinct_id":"u3"}"#),
            (
                COMPANY,
                1,
                r#"{"$group_id":"acme","plan":"pro","seats":10,"tags":["a","b"]}"#,
            ),
            (COMPANY, 2, r#"{"$group_id":"globex","plan":"free","seats":2.5}"#),
            (COMPANY, 3, r#"{"$group_id":"42","plan":null,"tags":[]}"#),
            (COMPANY, 4, r#"{"$group_id":"initech"}"#),
            (TEAM, 1, r#"{"$group_id":"eng","size":7}"#),
            (TEAM, 2, r#"{"$group_id":"ops","size":"seven"}"#),
        ];
        World {
            calendar: Calendar::new("Europe/Berlin", "monday").unwrap(),
            profiles: profiles.into_iter().map(|(k, n, p)| ((k, n), json(p))).collect(),
            membership: [(
                COMPANY,
                Arc::new(Membership::from_pairs(&[(1, 1), (1, 2), (2, 3)]).unwrap()),
            )]
            .into(),
        }
    }

    fn column(&self, kind: Kind, property: &str) -> Option<SharedProfile> {
        let mut column = ProfileColumn::default();
        for ((k, no), profile) in &self.profiles {
            if let Some(v) = profile.get(property).filter(|_| *k == kind) {
                let code = column.values.iter().position(|x| x == v).unwrap_or_else(|| {
                    column.values.push(v.clone());
                    column.values.len() - 1
                });
                column.codes.resize(*no as usize + 1, 0);
                column.codes[*no as usize] = code as u32 + 1;
            }
        }
        (!column.values.is_empty()).then(|| Arc::new(column))
    }

    pub fn profile(&self, kind: Kind, no: SubjectNo) -> Option<&Value> {
        self.profiles.get(&(kind, no))
    }

    /// A row of a chunk as maps of names, for the naive evaluator.
    pub fn row<'a>(&'a self, chunk: &'a Chunk, row: usize, by: Kind, subject: SubjectNo) -> Row<'a> {
        let mut properties = BTreeMap::new();
        for (i, name) in PROPERTIES.iter().enumerate() {
            if let Some(v) = chunk.property(i as u32 + 1).and_then(|c| c.get(row)) {
                properties.insert(name.to_string(), v.into_owned());
            }
        }
        let user = chunk.user[row];
        let mut groups = BTreeMap::new();
        for (key, kind) in KEYS {
            let mut list: Vec<SubjectNo> = chunk.group(kind).map(|g| g.of_row(row).collect()).unwrap_or_default();
            if kind == by {
                list = [subject].into_iter().filter(|s| *s != 0).collect();
            } else if list.is_empty() && by == USER {
                let lists = self.membership.get(&kind);
                list = lists.map(|m| m.of(user).to_vec()).unwrap_or_default();
            }
            let profiles = list
                .iter()
                .map(|no| self.profile(kind, *no).cloned().unwrap_or(json("{}")));
            groups.insert(key.to_string(), profiles.collect());
        }
        Row {
            properties,
            user: self.profile(USER, user).cloned().unwrap_or(json("{}")),
            groups,
            time: chunk.time[row],
            event: EVENTS.get((chunk.event(row) as usize).wrapping_sub(1)).copied(),
        }
    }
}

impl Names for World {
    fn event(&self, name: &str) -> Option<u32> {
        EVENTS.iter().position(|e| *e == name).map(|i| i as u32 + 1)
    }
    fn property(&self, name: &str) -> Option<u32> {
        PROPERTIES.iter().position(|p| *p == name).map(|i| i as u32 + 1)
    }
    fn group_kind(&self, key: &str) -> Option<Kind> {
        KEYS.iter().find(|k| k.0 == key).map(|k| k.1)
    }
    fn user_column(&self, property: &str) -> Option<SharedProfile> {
        self.column(USER, property)
    }
    fn group_column(&self, kind: Kind, property: &str) -> Option<SharedProfile> {
        self.column(kind, property)
    }
    fn membership(&self, kind: Kind) -> Option<Arc<Membership>> {
        self.membership.get(&kind).cloned()
    }
    fn event_names(&self) -> Option<SharedProfile> {
        Some(Arc::new(ProfileColumn {
            values: EVENTS.map(Value::str).to_vec(),
            codes: (0..=EVENTS.len() as u32).collect(),
        }))
    }
    fn distinct_ids(&self) -> Option<SharedProfile> {
        self.column(USER, "$distinct_id")
    }
    /// "staff" holds user 1, "large" the companies 2 and 3.
    fn cohort(&self, name: &str) -> Option<CohortColumn> {
        let (kind, members) = match name {
            "staff" => (USER, vec![2, 1, 2]),
            "large" => (COMPANY, vec![2, 2, 1, 1]),
            _ => return None,
        };
        Some(CohortColumn {
            kind,
            of: if kind == USER { "users" } else { "groups of company_id" }.to_string(),
            members: Arc::new(ProfileColumn {
                values: vec![Value::Bool(true), Value::Bool(false)],
                codes: members,
            }),
        })
    }
    fn calendar(&self) -> &Calendar {
        &self.calendar
    }
}

/// One event, everything by name.
pub struct Row<'a> {
    pub properties: BTreeMap<String, Value>,
    pub user: Value,
    pub groups: BTreeMap<String, Vec<Value>>,
    pub time: i64,
    pub event: Option<&'a str>,
}
