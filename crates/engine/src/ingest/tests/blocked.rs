//! What is blocked leaves a batch as if it had never been sent, and is counted.

use super::doors::settings;
use super::random::line;
use super::*;
use crate::chunk::USER;
use proptest::prelude::*;
use std::collections::HashSet;

/// A batch of lines, with what is blocked.
fn filled(text: &[u8], keys: &[Key], blocked: Blocked) -> Intake {
    let limits = Limits::default();
    let s = settings(&limits, keys, false);
    let mut intake = Intake::new(keys);
    intake.block(blocked);
    fill_ndjson(text, &s, &mut NoTick, &mut intake, &mut |_| Ok(())).unwrap();
    intake
}

fn names(intake: &mut Intake, space: Space) -> Vec<String> {
    intake
        .unnumbered(space)
        .unwrap()
        .into_iter()
        .map(str::to_string)
        .collect()
}

const LINES: &str = r#"
{"event":"Debug","properties":{"distinct_id":"nobody else","time":1704096000,"$insert_id":"a","secret":1}}
{"event":"Kept","properties":{"distinct_id":"u1","time":1704096000,"$insert_id":"b","secret":1,"plan":"pro"}}
{"event":"Debug","properties":{"distinct_id":"u1","time":1704096000,"$insert_id":"c","escaped":"\u00e9"}}
"#;

#[test]
fn blocked_names_leave_nothing_behind() {
    let blocked = Blocked {
        events: HashSet::from(["Debug".to_string()]),
        properties: HashSet::from(["secret".to_string()]),
        ..Blocked::default()
    };
    let mut intake = filled(LINES.as_bytes(), &[], blocked);
    assert_eq!(intake.len(), 1);
    assert_eq!(
        intake.blocked.get("Debug"),
        Some(&2),
        "by the fast reader and by the other"
    );
    assert_eq!(intake.strip(), ["secret"]);
    assert_eq!(names(&mut intake, Space::Event), ["Kept"]);
    assert_eq!(names(&mut intake, Space::Subject(USER)), ["u1"]);
    let mut properties = names(&mut intake, Space::Property);
    properties.sort();
    assert_eq!(properties, ["$insert_id", "plan"]);
    intake.clear();
    assert!(intake.blocked.is_empty());
}

#[test]
fn dropped_events_leave_nothing_behind() {
    const LINES: &str = r#"
{"event":"View","properties":{"distinct_id":"u1","time":1704096000,"env":"test","only here":1}}
{"event":"View","properties":{"distinct_id":"u2","time":1704096000,"env":"live"}}
{"event":"View","properties":{"distinct_id":"u3","time":1704096000,"env":["live","test"]}}
{"event":"Click","properties":{"distinct_id":"u4","time":1704096000,"env":"test"}}
"#;
    let filter = serde_json::from_str(r#"{"env": "test"}"#).unwrap();
    let blocked = Blocked {
        filters: vec![DropFilter::new("View", filter).unwrap()],
        ..Blocked::default()
    };
    let mut intake = filled(LINES.as_bytes(), &[], blocked);
    assert_eq!(intake.dropped.get("View"), Some(&2));
    assert_eq!(names(&mut intake, Space::Subject(USER)), ["u2", "u4"]);
    assert_eq!(names(&mut intake, Space::Property), ["env"]);
}

proptest! {
    /// Each event is either taken or counted as blocked, by its own name.
    #[test]
    fn every_event_is_taken_or_counted(lines in prop::collection::vec(line(), 0..20), blocked in prop::sample::subsequence(vec!["A", "B", "é", "Purchase", "e"], 0..5)) {
        let text = lines.join(&b'\n');
        let blocked: HashSet<String> = blocked.into_iter().map(str::to_string).collect();
        let limits = Limits::default();
        let all = parse_ndjson(&text, &settings(&limits, &[], false), &mut NoTick).unwrap();
        let gone = all.events.iter().filter(|e| blocked.contains(&*e.name)).count();
        let intake = filled(&text, &[], Blocked { events: blocked, ..Blocked::default() });
        prop_assert_eq!(intake.blocked.values().sum::<u64>(), gone as u64);
        prop_assert_eq!(intake.len(), all.events.len() - gone);
    }
}
