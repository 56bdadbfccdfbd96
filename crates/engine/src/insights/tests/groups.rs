//! Groups chosen by how many of their users did something, against leaving out the others by hand.

use super::questions::events;
use super::*;
use crate::cohort::Compare;

/// How many users did what the second selector picks, so many times each.
fn users(events: &[Ev], only: &Option<BTreeSet<u32>>, times: usize, within: (i64, i64), company: u32) -> usize {
    let mut of_user: BTreeMap<u32, usize> = BTreeMap::new();
    for e in events.iter().filter(|e| e.mask >> 1 & 1 == 1 && e.user != 0) {
        if e.t >= within.0 && e.t < within.1 && e.subjects(COMPANY, only, None).contains(&company) {
            *of_user.entry(e.user).or_default() += 1;
        }
    }
    of_user.values().filter(|n| **n >= times).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn only_groups_of_so_many_users_count(
        drawn in events(utc("2024-01-01T00:00:00")), only in filters(), times in 1usize..3, n in 0usize..4, way in 0usize..3,
        unit in prop::sample::select(vec![Unit::Day, Unit::Range]), broken_down in any::<bool>(), total in any::<bool>(),
    ) {
        let is = [Compare::AtLeast(n as f64), Compare::AtMost(n as f64), Compare::Exactly(n as f64)][way];
        let buckets = range(unit, "2024-01-01", "2024-01-04");
        let mut users_who_did = UsersWhoDid::new(COMPANY, times as u32, &buckets, None, 1 << 20).unwrap();
        let (chunk, mut hits) = chunk_of(&drawn, 2, COMPANY, &only);
        users_who_did.push(&chunk, &hits[1], &mut NoTick).unwrap();
        let table = users_who_did.finish().unwrap();
        table.keep(is, &buckets, &chunk, &mut hits[0], &mut NoTick).unwrap();

        let breakdown = if broken_down { vec![Dimension::EventProperty(P)] } else { vec![] };
        let measure = if total { Measure::Total } else { Measure::Unique };
        let p = plan(vec![metric(measure, COMPANY)], buckets.clone(), breakdown);
        let mut kernel = Kernel::new(&p).unwrap();
        kernel.push(&chunk, &hits[..1], &mut NoTick).unwrap();
        let found = finish(&p, kernel.finish(), &mut NoTick).unwrap();

        let kept: Vec<Ev> = drawn.iter().map(|e| {
            let bucket = (0..buckets.len()).find(|i| buckets.starts[*i] <= e.t && e.t < buckets.end(*i));
            let fits = |company: &u32| bucket.is_some_and(|b| {
                let n = users(&drawn, &only, times, (buckets.starts[b], buckets.end(b)), *company);
                is.holds(n as f64)
            });
            let companies = e.companies.iter().filter(|c| only.as_ref().is_none_or(|o| o.contains(c)));
            Ev { companies: companies.copied().filter(fits).collect(), ..e.clone() }
        }).filter(|e| !e.companies.is_empty()).collect();
        prop_assert_eq!(found, run(&p, &kept));
    }
}
