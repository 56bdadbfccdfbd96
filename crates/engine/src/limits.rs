//! Every bound on what comes in from outside. The extension fills them from its settings.

/// Limits of ingestion. `Default` gives the documented defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Bytes of one record of JSON.
    pub record_bytes: usize,
    /// Properties of one event.
    pub properties: usize,
    /// Keys of one nested object.
    pub object_keys: usize,
    /// Nesting depth of objects and lists below a property.
    pub depth: usize,
    /// Elements of one list (group keys are exempt).
    pub list_elements: usize,
    /// Characters of a string value, a name, an id; longer values are cut.
    pub string_chars: usize,
    /// Bytes of one list or object of an event.
    pub event_compound_bytes: usize,
    /// Bytes of one list or object of a profile.
    pub profile_compound_bytes: usize,
    /// Properties of one profile.
    pub profile_properties: usize,
    /// Bytes of `$insert_id`.
    pub insert_id_bytes: usize,
    /// Groups one event may belong to, per key.
    pub groups_per_event: usize,
    /// Records of one call.
    pub batch_records: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            record_bytes: 1 << 20,
            properties: 255,
            object_keys: 255,
            depth: 3,
            list_elements: 254,
            string_chars: 255,
            event_compound_bytes: 8 << 10,
            profile_compound_bytes: 256 << 10,
            profile_properties: 2000,
            insert_id_bytes: 36,
            groups_per_event: 300,
            batch_records: 1_000_000,
        }
    }
}
