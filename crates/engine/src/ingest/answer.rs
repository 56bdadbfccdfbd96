//! The reply to an ingestion call, in the shape of `/import`.

use super::RecordError;
use serde_json::{Value, json};

/// `code` is 400 as soon as one record failed; the good ones were stored all the same.
pub fn answer(imported: usize, duplicates: usize, failed: &[RecordError]) -> Value {
    let records: Vec<Value> = failed
        .iter()
        .map(|f| json!({"index": f.index, "$insert_id": f.insert_id, "field": f.field, "message": f.message}))
        .collect();
    if records.is_empty() {
        return json!({
            "code": 200,
            "status": "OK",
            "num_records_imported": imported,
            "num_duplicates": duplicates,
            "failed_records": records,
        });
    }
    json!({
        "code": 400,
        "status": "Bad Request",
        "error": "some data points in the request failed validation",
        "num_records_imported": imported,
        "num_duplicates": duplicates,
        "failed_records": records,
    })
}
