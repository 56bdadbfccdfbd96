//! The law of insights as plain as it can be written, against the kernel.

use super::*;

fn texts(v: Option<&Value>) -> BTreeSet<String> {
    match v {
        Some(Value::List(l)) if !l.is_empty() => l.iter().map(|e| single(Some(e))).collect(),
        Some(Value::List(_)) => BTreeSet::from(["(not set)".to_string()]),
        v => BTreeSet::from([single(v)]),
    }
}

fn single(v: Option<&Value>) -> String {
    match v {
        None | Some(Value::Null) => "(not set)".into(),
        Some(Value::Str(s)) if s.is_empty() => "(empty string)".into(),
        Some(v) => v.to_text(),
    }
}

/// What the events say that the kernel is given in tables.
struct World<'a> {
    plan: &'a Plan<'a>,
    events: &'a [Ev],
    only: &'a Option<BTreeSet<u32>>,
    /// The selection that "users who did" looks at.
    did: usize,
    at_least: usize,
}

impl World<'_> {
    fn bucket(&self, t: i64) -> Option<usize> {
        (0..self.plan.buckets.len()).find(|b| self.plan.buckets.starts[*b] <= t && t < self.plan.buckets.end(*b))
    }

    fn users_who_did(&self, bucket: usize, company: u32) -> usize {
        let mut users: BTreeMap<u32, usize> = BTreeMap::new();
        for e in self.events {
            let companies = e.subjects(COMPANY, self.only, None);
            let user = e.canonical_user(self.plan.remap);
            let counts = e.mask >> self.did & 1 == 1 && companies.contains(&company) && user != 0;
            if counts && self.bucket(e.t) == Some(bucket) {
                *users.entry(user).or_default() += 1;
            }
        }
        users.values().filter(|n| **n >= self.at_least).count()
    }

    /// The values of a dimension for an event, when `subject` is counted by `by`.
    fn values(&self, d: &Dimension, e: &Ev, by: Kind, subject: Option<u32>, bucket: usize) -> BTreeSet<String> {
        let user = e.canonical_user(self.plan.remap);
        let groups = |kind: Kind, membership: &Option<Arc<Membership>>, via_profile: bool| -> Vec<u32> {
            if by == kind {
                return vec![subject.unwrap()];
            }
            let on_event = if kind == COMPANY {
                e.companies.clone()
            } else {
                e.teams.clone()
            };
            if !via_profile && !on_event.is_empty() {
                return on_event;
            }
            match membership {
                Some(m) if by == USER && user != 0 => m.of(user).to_vec(),
                _ => vec![],
            }
        };
        let of_all = |groups: Vec<u32>, column: &SharedProfile| -> BTreeSet<String> {
            if groups.is_empty() {
                return BTreeSet::from(["(not set)".to_string()]);
            }
            groups.iter().flat_map(|g| texts(column.get(*g))).collect()
        };
        match d {
            Dimension::EventProperty(P) => texts(e.p.as_ref()),
            Dimension::EventProperty(_) => texts(e.n.map(Value::number).as_ref()),
            Dimension::UserProfile(column) => texts(column.get(user).filter(|_| user != 0)),
            Dimension::GroupProperty {
                kind,
                column,
                membership,
                via_profile,
            } => of_all(groups(*kind, membership, *via_profile), column),
            Dimension::GroupId { kind, ids, membership } => of_all(groups(*kind, membership, false), ids),
            Dimension::UsersWhoDid(_) => BTreeSet::from([self.users_who_did(bucket, subject.unwrap()).to_string()]),
        }
    }

    fn segments(&self, e: &Ev, by: Kind, subject: Option<u32>, bucket: usize) -> BTreeSet<Vec<String>> {
        let mut all = BTreeSet::from([vec![]]);
        for d in &self.plan.breakdown {
            let values = self.values(d, e, by, subject, bucket);
            let longer = |s: &Vec<String>| {
                values
                    .iter()
                    .map(|v| [&s[..], std::slice::from_ref(v)].concat())
                    .collect::<Vec<_>>()
            };
            all = all.iter().flat_map(longer).collect();
        }
        all
    }

    fn rows(&self) -> Vec<Row> {
        let plan = self.plan;
        // What counts, as (event or subject), per metric, segment and bucket.
        let mut cells: BTreeMap<(usize, Vec<String>, usize), BTreeSet<u32>> = BTreeMap::new();
        for (i, m) in plan.metrics.iter().enumerate() {
            for (number, e) in self.events.iter().enumerate().filter(|(_, e)| e.mask >> i & 1 == 1) {
                let Some(bucket) = self.bucket(e.t) else { continue };
                let subjects = e.subjects(m.by, self.only, plan.remap);
                let mut counted: Vec<Option<u32>> = subjects.into_iter().map(Some).collect();
                if counted.is_empty() && m.by == USER && m.measure == Measure::Total {
                    counted.push(None);
                }
                for subject in counted {
                    for s in self.segments(e, m.by, subject, bucket) {
                        let what = if m.measure == Measure::Total {
                            number as u32
                        } else {
                            subject.unwrap()
                        };
                        cells.entry((i, s, bucket)).or_default().insert(what);
                    }
                }
            }
        }
        let mut names: Vec<Vec<String>> = cells.keys().map(|(_, s, _)| s.clone()).collect();
        if plan.breakdown.is_empty() {
            names = vec![vec![]];
        }
        names.sort();
        names.dedup();
        let union = |metric: usize, of: &[Vec<String>], bucket: Option<usize>| -> usize {
            let wanted = |(m, s, b): &(usize, Vec<String>, usize)| {
                *m == metric && of.contains(s) && bucket.is_none_or(|x| x == *b)
            };
            let sets: Vec<_> = cells.iter().filter(|(k, _)| wanted(k)).map(|(_, v)| v).collect();
            sets.into_iter().flatten().collect::<BTreeSet<_>>().len()
        };
        names.sort_by_key(|s| std::cmp::Reverse(union(0, std::slice::from_ref(s), None)));
        let rest = names.split_off(plan.top.min(names.len()));
        let mut lines: Vec<(Vec<String>, Vec<Vec<String>>)> = names.into_iter().map(|s| (s.clone(), vec![s])).collect();
        if !rest.is_empty() {
            lines.push((vec!["$other".to_string(); plan.breakdown.len()], rest));
        }
        let mut rows = Vec::new();
        for (i, m) in plan.metrics.iter().enumerate() {
            for (name, of) in &lines {
                for (bucket, label) in plan.buckets.labels.iter().enumerate() {
                    rows.push(Row {
                        metric: m.label.as_str().into(),
                        segment: name.clone().into(),
                        bucket: *label,
                        value: Some(union(i, of, Some(bucket)) as f64),
                    });
                }
            }
        }
        rows
    }
}

fn value() -> impl Strategy<Value = Option<Value>> {
    let json = prop::sample::select(vec![
        "null",
        "\"\"",
        "\"a\"",
        "\"b\"",
        "1",
        "\"1\"",
        "1.5",
        "true",
        "[]",
        "[\"a\",\"b\"]",
        "[\"b\",1,\"\",null,\"b\"]",
        "[[1],{}]",
        "{\"k\":1}",
    ]);
    prop_oneof![1 => Just(None), 4 => json.prop_map(|j| Some(serde_json::from_str(j).unwrap()))]
}

fn profiles() -> impl Strategy<Value = SharedProfile> {
    prop::collection::vec(value(), 0..9).prop_map(|v| {
        let mut values: Vec<Value> = v.iter().flatten().cloned().collect();
        values.sort();
        values.dedup();
        let code = |v: &Option<Value>| v.as_ref().map_or(0, |v| values.binary_search(v).unwrap() as u32 + 1);
        let codes = v.iter().map(code).collect();
        Arc::new(ProfileColumn { values, codes })
    })
}

fn memberships() -> impl Strategy<Value = Option<Arc<Membership>>> {
    let lists = prop::collection::vec(groups(), 0..8).prop_map(|lists| {
        let of = |(user, list): (usize, Vec<u32>)| list.into_iter().map(move |g| (user as u32, g));
        let mut pairs: Vec<(u32, u32)> = lists.into_iter().enumerate().flat_map(of).collect();
        pairs.sort_unstable();
        Some(Arc::new(Membership::from_pairs(&pairs).unwrap()))
    });
    prop_oneof![Just(None), lists]
}

/// `users_who_did` stands for a table that is made from the events; it only goes with companies.
fn dimension(by: Kind) -> BoxedStrategy<Dimension> {
    let group = (COMPANY..=TEAM, profiles(), memberships(), any::<bool>()).prop_map(
        move |(kind, column, membership, via_profile)| Dimension::GroupProperty {
            kind,
            column,
            membership,
            via_profile: via_profile && by == USER,
        },
    );
    let id = (COMPANY..=TEAM, profiles(), memberships()).prop_map(|(kind, ids, membership)| Dimension::GroupId {
        kind,
        ids,
        membership,
    });
    let event = prop::sample::select(vec![P, N]).prop_map(Dimension::EventProperty);
    match by {
        USER => prop_oneof![3 => event, 2 => profiles().prop_map(Dimension::UserProfile), 2 => group, 1 => id].boxed(),
        COMPANY => {
            let users = Just(Dimension::UsersWhoDid(Arc::default()));
            prop_oneof![3 => event, 2 => group, 1 => id, 1 => users].boxed()
        }
        _ => prop_oneof![2 => event, 2 => group, 1 => id].boxed(),
    }
}

/// Kinds that metrics count by, and dimensions that make sense for all of them.
fn question() -> impl Strategy<Value = (Vec<Metric>, Vec<Dimension>)> {
    let measure = || prop::sample::select(vec![Measure::Total, Measure::Unique]);
    let alone = (USER..=TEAM).prop_flat_map(move |by| {
        let metrics = prop::collection::vec(measure().prop_map(move |m| metric(m, by)), 1..3);
        (metrics, prop::collection::vec(dimension(by), 0..4))
    });
    let mixed = prop::collection::vec((measure(), USER..=TEAM).prop_map(|(m, by)| metric(m, by)), 1..4);
    let mixed = (mixed, prop::collection::vec(dimension(TEAM), 0..3));
    prop_oneof![alone, mixed]
}

fn events(origin: i64) -> impl Strategy<Value = Vec<Ev>> {
    let hours = prop_oneof![4 => -5i64..120, 1 => Just(24i64), 1 => 0i64..3].prop_map(|h| h * crate::time::HOUR_MS);
    let n = prop_oneof![
        Just(None),
        prop::sample::select(vec![0.0, -0.0, 1.0, 1.5, 2.0]).prop_map(Some)
    ];
    let ev = (hours, -1i64..2, 0u128..8, 0u32..7, groups(), groups(), value(), n);
    let ev = ev.prop_map(move |(h, ms, mask, user, companies, teams, p, n)| Ev {
        teams,
        p,
        n,
        ..Ev::new(origin + h + ms, mask, user, &companies)
    });
    prop::collection::vec(ev, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn agrees_with_the_definition(
        (zone, eve, events) in prop::sample::select(&ZONES[..]).prop_flat_map(|(z, d)| {
            (Just(z), Just(d), events(at(z, &format!("{d}T00:00:00"))))
        }),
        (metrics, mut breakdown) in question(),
        unit in prop::sample::select(vec![Unit::Hour, Unit::Day, Unit::Week, Unit::Month, Unit::Range]),
        length in 0i32..4, top in prop_oneof![Just(200usize), 0usize..4], at_least in 1u32..3,
        only in filters(), remap in remaps(),
        dealt in prop::collection::vec(0usize..4, 1..40), order in Just(vec![0, 1, 2, 3]).prop_shuffle(),
    ) {
        let from = day(eve);
        let buckets = Calendar::new(zone, "monday").unwrap().buckets(unit, from, from + length).unwrap();
        let chunks = deal(&events, &dealt);
        // The pre-pass, by two workers that merge.
        let worker = |chunks: &[Vec<Ev>]| {
            let mut users = UsersWhoDid::new(COMPANY, at_least, &buckets, remap.as_deref(), 1 << 20).unwrap();
            for events in chunks {
                let (chunk, hits) = chunk_of(events, 1, COMPANY, &only);
                users.push(&chunk, &hits[0], &mut NoTick).unwrap();
            }
            users
        };
        let far = worker(&chunks[2..]).encode().unwrap();
        let table = Arc::new(worker(&chunks[..1]).merge(worker(&chunks[1..2])).unwrap().merge_encoded(&far).unwrap().finish().unwrap());
        for d in &mut breakdown {
            if matches!(d, Dimension::UsersWhoDid(_)) {
                *d = Dimension::UsersWhoDid(table.clone());
            }
        }
        let p = Plan { top, remap: remap.as_deref(), ..plan(metrics, buckets.clone(), breakdown) };
        let world = World { plan: &p, events: &events, only: &only, did: 0, at_least: at_least as usize };
        let expected = world.rows();
        prop_assert_eq!(&finish(&p, gather(&p, &events, &only), &mut NoTick).unwrap(), &expected);
        // One kernel over several chunks, whose codes differ.
        let mut parts: Vec<Option<Partial>> = chunks.iter().map(|e| Some(gather(&p, e, &only))).collect();
        let mut all: Option<Partial> = None;
        for i in order {
            let part = Partial::decode(&parts[i].take().unwrap().encode().unwrap(), &p).unwrap();
            all = Some(match all {
                None => part,
                Some(a) => a.merge(part, &p).unwrap(),
            });
        }
        prop_assert_eq!(&finish(&p, all.unwrap(), &mut NoTick).unwrap(), &expected);
        let mut kernel = Kernel::new(&p).unwrap();
        for events in &chunks {
            let of = |(i, m): (usize, &Metric)| chunk_of(events, p.metrics.len(), m.by, &only).1.remove(i);
            let hits: Vec<Hits> = p.metrics.iter().enumerate().map(of).collect();
            kernel.push(&chunk_of(events, 0, USER, &None).0, &hits, &mut NoTick).unwrap();
        }
        prop_assert_eq!(&finish(&p, kernel.finish(), &mut NoTick).unwrap(), &expected);
    }

    #[test]
    fn garbage_is_refused(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let metrics = vec![metric(Measure::Unique, USER), metric(Measure::Total, COMPANY)];
        let p = plan(metrics, one_day(Unit::Hour), vec![Dimension::EventProperty(P), Dimension::EventProperty(N)]);
        let event = |i: u32| Ev { p: list(&["a", "b"]), n: Some(f64::from(i % 3)), ..Ev::new(T + i64::from(i) * 1_000_000, 3, i, &[i + 1]) };
        let bytes = gather(&p, &(0..20).map(event).collect::<Vec<_>>(), &None).encode().unwrap();
        let mut broken = bytes.clone();
        broken[at.index(bytes.len())] ^= byte;
        prop_assert_eq!(Partial::decode(&broken, &p).is_ok(), broken == bytes);
        prop_assert!(Partial::decode(&bytes[..cut.index(bytes.len())], &p).is_err());
        let n = broken.len() - 4;
        let sum = crc32c::crc32c(&broken[..n]).to_le_bytes();
        broken[n..].copy_from_slice(&sum);
        if let Ok(partial) = Partial::decode(&broken, &p) {
            finish(&p, partial, &mut NoTick).unwrap();
        }
    }
}
