//! Events as the tests of the kernels write them down, and the chunks that hold them.

use crate::chunk::{Chunk, Column, Events, GroupColumn, Hits, Kind, PropertyColumn, USER};
use crate::mask::Mask;
use crate::time::Calendar;
use crate::value::Value;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The group keys of the tests.
pub const COMPANY: Kind = 1;
pub const TEAM: Kind = 2;
/// A property with values of any type, and one with numbers only.
pub const P: u32 = 7;
pub const N: u32 = 8;

/// One event and which of a report's selectors it matches.
#[derive(Debug, Clone, Default)]
pub struct Ev {
    pub t: i64,
    pub mask: u128,
    pub user: u32,
    pub companies: Vec<u32>,
    pub teams: Vec<u32>,
    pub p: Option<Value>,
    pub n: Option<f64>,
}

impl Ev {
    /// An event of a user and companies, matching the selectors in `mask`.
    pub fn new(t: i64, mask: u128, user: u32, companies: &[u32]) -> Ev {
        Ev {
            t,
            mask,
            user,
            companies: companies.to_vec(),
            ..Ev::default()
        }
    }

    /// The subjects of `by` that selector hits pick; `only` restricts companies as a filter on group properties does.
    pub fn subjects(&self, by: Kind, only: &Option<BTreeSet<u32>>, remap: Option<&[u32]>) -> BTreeSet<u32> {
        match by {
            USER => BTreeSet::from([self.canonical_user(remap)])
                .into_iter()
                .filter(|u| *u != 0)
                .collect(),
            COMPANY => {
                let picked = |c: &&u32| only.as_ref().is_none_or(|o| o.contains(c));
                self.companies.iter().filter(picked).copied().collect()
            }
            _ => self.teams.iter().copied().collect(),
        }
    }

    pub fn canonical_user(&self, remap: Option<&[u32]>) -> u32 {
        let table = remap.unwrap_or(&[]);
        table.get(self.user as usize).copied().unwrap_or(self.user)
    }
}

fn column(kind: Kind, lists: Vec<&Vec<u32>>) -> GroupColumn {
    let mut g = GroupColumn {
        kind,
        first: Vec::new(),
        more: Vec::new(),
    };
    for (row, list) in lists.into_iter().enumerate() {
        g.first.push(list.first().copied().unwrap_or(0));
        g.more.extend(list.iter().skip(1).map(|c| (row as u32, *c)));
    }
    g.more.sort_unstable();
    g
}

/// A chunk of the events, and what `selectors` selectors picked when `by` is counted.
pub fn chunk_of(events: &[Ev], selectors: usize, by: Kind, only: &Option<BTreeSet<u32>>) -> (Chunk, Vec<Hits>) {
    let mut values: Vec<Value> = Vec::new();
    let mut codes = Vec::new();
    for e in events {
        codes.push(match &e.p {
            None => 0,
            Some(v) => {
                let at = values.iter().position(|o| o == v).unwrap_or_else(|| {
                    values.push(v.clone());
                    values.len() - 1
                });
                at as u32 + 1
            }
        });
    }
    let mut chunk = Chunk {
        events: Events::One(1),
        user: events.iter().map(|e| e.user).collect(),
        time: events.iter().map(|e| e.t).collect(),
        ..Chunk::default()
    };
    // A column that no row needs is left out, as the store does.
    if events.iter().any(|e| !e.companies.is_empty()) {
        chunk
            .groups
            .push(column(COMPANY, events.iter().map(|e| &e.companies).collect()));
    }
    if events.iter().any(|e| !e.teams.is_empty()) {
        chunk
            .groups
            .push(column(TEAM, events.iter().map(|e| &e.teams).collect()));
    }
    if !values.is_empty() {
        chunk.properties.push(PropertyColumn {
            property: P,
            column: Column::Dict { values, codes },
        });
    }
    if events.iter().any(|e| e.n.is_some()) {
        let numbers = events.iter().map(|e| e.n.unwrap_or(f64::NAN)).collect();
        chunk.properties.push(PropertyColumn {
            property: N,
            column: Column::Number(numbers),
        });
    }
    chunk.check().unwrap();
    let hits = (0..selectors).map(|k| {
        let matching = |row: usize| events[row].mask >> k & 1 == 1;
        match only.as_ref().filter(|_| by == COMPANY) {
            None => Hits::rows(Mask::from_fn(events.len(), matching)),
            Some(only) => {
                let more = chunk.group(COMPANY).map_or(&[][..], |g| &g.more);
                let picked = |i: usize| matching(more[i].0 as usize) && only.contains(&more[i].1);
                let first = |row: usize| events[row].companies.first().is_some_and(|c| only.contains(c));
                Hits {
                    rows: Mask::from_fn(events.len(), |row| matching(row) && first(row)),
                    more: Some(Mask::from_fn(more.len(), picked)),
                }
            }
        }
    });
    (chunk.clone(), hits.collect())
}

/// Deals the events out to chunks.
pub fn deal(events: &[Ev], to: &[usize]) -> Vec<Vec<Ev>> {
    let mut chunks = vec![Vec::new(); 4];
    for (e, c) in events.iter().zip(to.iter().cycle()) {
        chunks[c % 4].push(e.clone());
    }
    chunks
}

/// An instant in a zone.
pub fn at(zone: &str, s: &str) -> i64 {
    let d: DateTime = s.parse().unwrap();
    d.to_zoned(TimeZone::get(zone).unwrap())
        .unwrap()
        .timestamp()
        .as_millisecond()
}

/// An instant in UTC.
pub fn utc(s: &str) -> i64 {
    at("UTC", s)
}

/// A day in UTC.
pub fn day(s: &str) -> i32 {
    Calendar::utc().day_of(utc(&format!("{s}T00:00:00"))).unwrap()
}

/// Zones with the eve of a change of their clocks; the last has no changes near it.
pub const ZONES: [(&str, &str); 5] = [
    ("Europe/Berlin", "2024-03-30"),
    ("Europe/Berlin", "2024-10-26"),
    ("America/Sao_Paulo", "2018-11-03"),
    ("Pacific/Chatham", "2024-04-06"),
    ("UTC", "2024-02-28"),
];

/// Companies of an event: mostly none or one, sometimes a list.
pub fn groups() -> impl Strategy<Value = Vec<u32>> {
    prop_oneof![
        2 => Just(vec![]),
        4 => (1u32..5).prop_map(|c| vec![c]),
        2 => Just(vec![1, 2, 3, 4]).prop_shuffle().prop_flat_map(|v| (0..4usize).prop_map(move |n| v[..n].to_vec())),
    ]
}

/// A table of identity merges for users below 8, or none.
pub fn remaps() -> impl Strategy<Value = Option<Vec<u32>>> {
    prop_oneof![
        Just(None),
        Just(Some(vec![0, 1, 1, 3, 3, 1])),
        Just(Some(vec![0, 5, 2, 5, 4, 5, 6, 2])),
    ]
}

/// A filter on the properties of companies, or none.
pub fn filters() -> impl Strategy<Value = Option<BTreeSet<u32>>> {
    prop_oneof![3 => Just(None), 1 => prop::collection::btree_set(1u32..5, 0..4).prop_map(Some)]
}
