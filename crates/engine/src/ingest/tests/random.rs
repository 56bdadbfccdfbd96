//! Naive oracles and invariants under random input, and the measurement of speed.

use super::doors::{batch, ndjson, settings};
use super::*;
use proptest::prelude::*;

/// Attribution, said again over serde_json: every id in order, then what is kept of them.
fn naive_attribution(v: Option<&Json>, limits: &Limits, strict: bool) -> (Vec<String>, usize, usize) {
    let values = match v {
        None => vec![],
        Some(Json::Array(a)) => a.clone(),
        Some(one) => vec![one.clone()],
    };
    let (mut all, mut refused) = (Vec::new(), 0);
    for v in values {
        let text = match &v {
            Json::Null => continue,
            Json::String(s) => Some(s.clone()),
            Json::Number(n) => match n.as_i64() {
                Some(i) => Some(i.to_string()),
                None => n.as_f64().filter(|f| f.fract() != 0.0 || f.abs() < 9e18).map(|f| {
                    let t = format!("{f:.1}");
                    if f.fract() == 0.0 {
                        format!("{}", t.trim_end_matches(".0").parse::<i64>().unwrap())
                    } else {
                        f.to_string()
                    }
                }),
            },
            _ => None,
        };
        match text {
            Some(t) if t.is_empty() => {}
            Some(t) if t.contains('\0') => refused += 1,
            Some(t) if t.chars().count() > limits.string_chars && strict => refused += 1,
            Some(t) => all.push(t.chars().take(limits.string_chars).collect::<String>()),
            None => refused += 1,
        }
    }
    let mut distinct: Vec<String> = Vec::new();
    for id in all {
        if !distinct.contains(&id) {
            distinct.push(id);
        }
    }
    let dropped = distinct.len().saturating_sub(limits.groups_per_event);
    distinct.truncate(limits.groups_per_event);
    (distinct, dropped, refused)
}

pub(super) fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        (-3i64..30).prop_map(|i| json!(i)),
        any::<i64>().prop_map(|i| json!(i)),
        any::<u64>().prop_map(|u| json!(u)),
        any::<f64>().prop_map(|f| json!(f)),
        (0i64..20).prop_map(|i| json!(i as f64 / 2.0)),
        "[a-cé\0]{0,7}".prop_map(|s| json!(s)),
        prop::sample::select(BANNED.to_vec()).prop_map(|s| json!(s)),
        prop::sample::select(vec!["u1", "$device:d", "x-1", "1"]).prop_map(|s| json!(s)),
        Just(json!(1_700_000_000)),
    ];
    leaf.prop_recursive(5, 60, 40, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 0..40).prop_map(Json::Array),
            1 => prop::collection::btree_map("[a-c]{0,7}", inner, 0..5).prop_map(|m| Json::Object(m.into_iter().collect())),
        ]
    })
}

fn any_record() -> impl Strategy<Value = Json> {
    let names = vec![
        "time",
        "$time",
        "distinct_id",
        "$distinct_id",
        "$device_id",
        "$user_id",
        "$insert_id",
        "company_id",
        "team_id",
        "a",
        "b",
        "aaaaaaaaa",
        "token",
        "bucket",
        "$ignore",
    ];
    // Mostly sound, so that events come through as well.
    let sound = (any::<bool>(), any::<bool>()).prop_map(|(a, b)| {
        let mut p = json!({"time": 1_700_000_000, "distinct_id": "u1"});
        if a {
            p["$insert_id"] = json!("x-1");
        }
        if b {
            p["company_id"] = json!(["a", "b", "a"]);
        }
        p
    });
    let extra = prop::collection::vec((prop::sample::select(names), any_json()), 0..4);
    (sound, extra, 0..12).prop_map(|(mut p, extra, odd)| {
        for (k, v) in extra {
            p[k] = v;
        }
        match odd {
            0 => json!({"event": p["time"], "properties": p}),
            1 => json!({"event": "E", "properties": p["company_id"]}),
            2 => p["a"].clone(),
            _ => json!({"event": "E", "properties": p}),
        }
    })
}

pub(super) fn small_limits() -> Limits {
    Limits {
        properties: 6,
        object_keys: 3,
        list_elements: 20,
        string_chars: 5,
        event_compound_bytes: 200,
        groups_per_event: 18,
        ..Limits::default()
    }
}

pub(super) fn line() -> impl Strategy<Value = Vec<u8>> {
    let no_newline = |mut v: Vec<u8>| {
        v.retain(|b| *b != b'\n');
        v
    };
    prop_oneof![
        4 => any_record().prop_map(|j| j.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(no_newline),
        1 => "[ \t\r]{0,3}".prop_map(String::into_bytes),
        1 => (any_record(), any::<prop::sample::Index>(), any::<u8>()).prop_map(move |(j, at, byte)| {
            let mut v = j.to_string().into_bytes();
            let at = at.index(v.len());
            v[at] = byte;
            no_newline(v)
        }),
    ]
}

proptest! {
    #[test]
    fn attribution_agrees_with_the_naive_way(v in prop::option::of(any_json()), strict: bool, small: bool) {
        let limits = if small { small_limits() } else { Limits::default() };
        let a = attribute(v.as_ref().map(Value::from_json).as_ref(), &limits, strict);
        let got: Vec<String> = a.ids.into_iter().map(String::from).collect();
        let problem = a.problem.is_some();
        prop_assert_eq!((got, a.dropped, a.refused), naive_attribution(v.as_ref(), &limits, strict));
        prop_assert_eq!(problem, a.refused > 0);
    }

    #[test]
    fn many_ids_agree_with_the_naive_way(ids in prop::collection::vec(0u32..60, 0..120), most in 0usize..40) {
        let limits = Limits { groups_per_event: most, ..Limits::default() };
        let v = json!(ids);
        let a = attribute(Some(&Value::from_json(&v)), &limits, true);
        let got: Vec<String> = a.ids.into_iter().map(String::from).collect();
        prop_assert_eq!((got, a.dropped, a.refused), naive_attribution(Some(&v), &limits, true));
    }

    #[test]
    fn every_line_is_accounted_for_on_its_own(lines in prop::collection::vec(line(), 0..12), strict: bool) {
        let limits = small_limits();
        let mut got = ndjson(&lines.join(&b'\n'), strict, &limits);
        // The byte order mark is part of the file, not of the line.
        let mut want = Batch::default();
        let mut index = 0;
        for (n, l) in lines.iter().enumerate() {
            let l = if n == 0 { l.strip_prefix(b"\xef\xbb\xbf").unwrap_or(l) } else { l };
            if l.iter().all(|b| b.is_ascii_whitespace()) {
                continue;
            }
            let mut alone = ndjson(l, strict, &limits);
            prop_assert_eq!(alone.events.len() + alone.failed.len() + alone.ignored, 1);
            alone.events.iter_mut().for_each(|e| e.index = index);
            alone.failed.iter_mut().for_each(|e| e.index = index);
            alone.unattributed.iter_mut().for_each(|e| e.index = index);
            want.events.append(&mut alone.events);
            want.failed.append(&mut alone.failed);
            want.unattributed.append(&mut alone.unattributed);
            want.ignored += alone.ignored;
            index += 1;
        }
        prop_assert_eq!(got.events.len() + got.failed.len() + got.ignored, index);
        got.unattributed.sort_by_key(|u| (u.index, u.kind));
        prop_assert_eq!(got, want);
    }

    #[test]
    fn all_doors_lead_to_the_same_events(records in prop::collection::vec(any_record(), 0..8), strict: bool) {
        let limits = small_limits();
        let keys = keys();
        let s = settings(&limits, &keys, strict);
        let lines: Vec<String> = records.iter().map(Json::to_string).collect();
        let a = parse_ndjson(lines.join("\r\n").as_bytes(), &s, &mut NoTick).unwrap();
        let b = parse_batch_json(&format!("[{}]", lines.join(",")), &s, &mut NoTick).unwrap();
        prop_assert_eq!(&a, &b);
        let mut c = Batch::default();
        for (i, r) in records.iter().enumerate() {
            c.push(parse_value(Value::from_json(r), i, &s)).unwrap();
        }
        prop_assert_eq!(&a, &c);
    }

    #[test]
    fn any_text_is_read_without_panic(text in ".{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = batch(&text);
        let lines = bytes.split(|b| *b == b'\n').filter(|l| !l.trim_ascii().is_empty()).count();
        let b = ndjson(&bytes, false, &Limits::default());
        let bom_only = usize::from(bytes.split(|b| *b == b'\n').next().unwrap().trim_ascii() == b"\xef\xbb\xbf");
        prop_assert_eq!(b.events.len() + b.failed.len() + b.ignored, lines - bom_only);
    }
}

/// Not a test: `cargo test --release -p engine ingest::tests::random::speed -- --ignored --nocapture`.
#[test]
#[ignore = "prints the time per event"]
fn speed() {
    let mut text = String::new();
    for i in 0..200_000u64 {
        let h = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        text.push_str(&format!(
            "{{\"event\":\"Page Viewed\",\"properties\":{{\"time\":{},\"distinct_id\":\"user-{}\",\"$insert_id\":\"{h:016x}{i:016x}\",\
             \"company_id\":\"company-{}\",\"plan\":\"enterprise\",\"country\":\"DE\",\"url\":\"https://app.example.com/projects/{}\",\
             \"amount\":{}.{:02},\"items\":{},\"mobile\":{},\"browser\":\"Firefox\",\"os\":\"Linux\",\"ref\":\"newsletter\"}}}}\n",
            1_700_000_000 + i, h % 10_000, h % 700, h % 977, h % 900, h % 100, h % 9, i % 2 == 0
        ));
    }
    let (limits, keys) = (Limits::default(), keys());
    let s = settings(&limits, &keys, true);
    let mut best = f64::MAX;
    let mut n = 0;
    for _ in 0..7 {
        let t = std::time::Instant::now();
        n = 0;
        each_ndjson(text.as_bytes(), &s, &mut NoTick, &mut |o| {
            n += usize::from(matches!(std::hint::black_box(&o), Outcome::Event(..)));
            Ok(())
        })
        .unwrap();
        best = best.min(t.elapsed().as_secs_f64());
    }
    println!("{:.3} µs per event of {} bytes", best * 1e6 / n as f64, text.len() / n);
    let t = std::time::Instant::now();
    let b = parse_ndjson(text.as_bytes(), &s, &mut NoTick).unwrap();
    println!(
        "{:.3} µs per event when collected",
        t.elapsed().as_secs_f64() * 1e6 / b.events.len() as f64
    );
}
