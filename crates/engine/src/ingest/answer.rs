//! The reply to an ingestion call, in the shape of `/import`.

use super::RecordError;
use serde_json::{Value, json};

/// Events that were discarded because they are `blocked` are told where there are any. `code` is 400 as soon as one record failed; the good ones were stored all the same.
pub fn answer(imported: usize, duplicates: usize, blocked: u64, failed: &[RecordError]) -> Value {
    let records: Vec<Value> = failed
        .iter()
        .map(|f| json!({"index": f.index, "$insert_id": f.insert_id, "field": f.field, "message": f.message}))
        .collect();
    let mut answer = if records.is_empty() {
        json!({
            "code": 200,
            "status": "OK",
            "num_records_imported": imported,
            "num_duplicates": duplicates,
            "failed_records": records,
        })
    } else {
        json!({
            "code": 400,
            "status": "Bad Request",
            "error": "some data points in the request failed validation",
            "num_records_imported": imported,
            "num_duplicates": duplicates,
            "failed_records": records,
        })
    };
    if let Some(members) = answer.as_object_mut().filter(|_| blocked > 0) {
        members.insert("num_blocked".into(), blocked.into());
    }
    answer
}
