//! Every setting of the extension, `analytics_groups.*`. None of them decides about rights.

use crate::pg::threads;
use engine::limits::Limits;
use engine::parallel::Workers;
use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use std::ffi::{CStr, CString};

static PROJECT: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c"default"));
static MAX_GROUP_KEYS: GucSetting<i32> = GucSetting::<i32>::new(5);
static MAX_GROUPS_PER_EVENT: GucSetting<i32> = GucSetting::<i32>::new(300);
static AUTO_MAINTAIN: GucSetting<bool> = GucSetting::<bool>::new(true);
static MAINTAIN_AFTER: GucSetting<i32> = GucSetting::<i32>::new(200_000);
static FOLD_AFTER: GucSetting<i32> = GucSetting::<i32>::new(10_000);
static DEDUPE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c"replace"));
static QUERY_MEMORY: GucSetting<i32> = GucSetting::<i32>::new(1 << 20);
static SESSION_CACHE: GucSetting<i32> = GucSetting::<i32>::new(32 << 10);
static MAX_THREADS: GucSetting<i32> = GucSetting::<i32>::new(-1);
static THREAD_ROWS: GucSetting<i32> = GucSetting::<i32>::new(100_000);
static BLOCK_EVENTS: GucSetting<i32> = GucSetting::<i32>::new(200);
static SEGMENT_ROWS: GucSetting<i32> = GucSetting::<i32>::new(65_536);
static MAX_RECORD_SIZE: GucSetting<i32> = GucSetting::<i32>::new(1024);
static MAX_PROPERTIES: GucSetting<i32> = GucSetting::<i32>::new(255);
static MAX_STRING_LENGTH: GucSetting<i32> = GucSetting::<i32>::new(255);
static MAX_LIST_ELEMENTS: GucSetting<i32> = GucSetting::<i32>::new(254);
static MAX_OBJECT_KEYS: GucSetting<i32> = GucSetting::<i32>::new(255);
static MAX_NESTING_DEPTH: GucSetting<i32> = GucSetting::<i32>::new(3);
static MAX_VALUE_SIZE: GucSetting<i32> = GucSetting::<i32>::new(8);
static MAX_PROFILE_VALUE_SIZE: GucSetting<i32> = GucSetting::<i32>::new(256);
static MAX_INSERT_ID_LENGTH: GucSetting<i32> = GucSetting::<i32>::new(36);
static MAX_PROFILE_PROPERTIES: GucSetting<i32> = GucSetting::<i32>::new(2000);
static MAX_BATCH_RECORDS: GucSetting<i32> = GucSetting::<i32>::new(1_000_000);

fn int(
    name: &'static CStr,
    short: &'static CStr,
    long: &'static CStr,
    setting: &'static GucSetting<i32>,
    range: std::ops::RangeInclusive<i32>,
    flags: GucFlags,
) {
    GucRegistry::define_int_guc(
        name,
        short,
        long,
        setting,
        *range.start(),
        *range.end(),
        GucContext::Userset,
        flags,
    );
}

/// Defines the settings; called once when the library is loaded.
pub fn register() {
    GucRegistry::define_string_guc(
        c"analytics_groups.project",
        c"The project of calls that name none.",
        c"Every function takes project => 'name'; without it this project is meant. The project default is created the first time it is needed.",
        &PROJECT,
        GucContext::Userset,
        GucFlags::empty(),
    );
    int(
        c"analytics_groups.max_group_keys",
        c"Group keys one project may register.",
        c"The sixth add_group_key is an error by default. There is no technical meaning behind the number; every key costs one column of group numbers per event that carries it.",
        &MAX_GROUP_KEYS,
        1..=1000,
        GucFlags::empty(),
    );
    int(
        c"analytics_groups.max_groups_per_event",
        c"Groups of one key that one event may be attributed to.",
        c"A longer list is cut after this many distinct ids; what was left out is reported and counted in ingest_errors.",
        &MAX_GROUPS_PER_EVENT,
        1..=10_000,
        GucFlags::empty(),
    );
    GucRegistry::define_bool_guc(
        c"analytics_groups.auto_maintain",
        c"Maintain while ingesting when much is waiting.",
        c"When on, a call that ingests seals waiting events once there are more than analytics_groups.maintain_after of them. Turn it off to maintain only by CALL analytics_groups.maintain().",
        &AUTO_MAINTAIN,
        GucContext::Userset,
        GucFlags::empty(),
    );
    int(
        c"analytics_groups.maintain_after",
        c"Events that may wait before ingestion maintains.",
        c"Only used with analytics_groups.auto_maintain.",
        &MAINTAIN_AFTER,
        1..=i32::MAX,
        GucFlags::empty(),
    );
    int(
        c"analytics_groups.fold_after",
        c"Single events that may wait as rows before ingestion makes a block of them.",
        c"Reports read a block many times faster than as many rows. Only used with analytics_groups.auto_maintain.",
        &FOLD_AFTER,
        1..=i32::MAX,
        GucFlags::empty(),
    );
    GucRegistry::define_string_guc(
        c"analytics_groups.dedupe",
        c"Which of two events with one identity stays: replace (the last ingested) or skip (the first).",
        c"Identity is event, distinct_id, time and $insert_id; an event without $insert_id is never a duplicate. The setting counts at ingestion.",
        &DEDUPE,
        GucContext::Userset,
        GucFlags::empty(),
    );
    int(
        c"analytics_groups.query_memory",
        c"Memory one report may use.",
        c"A report that needs more is an error with a hint, never a dead server.",
        &QUERY_MEMORY,
        1024..=i32::MAX,
        GucFlags::UNIT_KB,
    );
    int(
        c"analytics_groups.session_cache",
        c"Memory in which a session keeps decoded events that wait for maintenance, and as much for lookup tables.",
        c"Reports of one session that look at the same waiting batches, or join the same lookup table, decode them once. 0 keeps nothing.",
        &SESSION_CACHE,
        0..=i32::MAX,
        GucFlags::UNIT_KB,
    );
    int(
        c"analytics_groups.max_threads",
        c"Threads one report may use, the backend's own included.",
        c"-1 is the number of processors, at most 4. With 0 or 1 a report starts no threads. Threads only compute: everything that touches the database stays in the backend's main thread. Small reports start none. Maintenance encodes segments on as many, and an import reads rows on one beside its own.",
        &MAX_THREADS,
        -1..=64,
        GucFlags::empty(),
    );
    int(
        c"analytics_groups.thread_rows",
        c"Rows from which a report starts threads.",
        c"Starting threads costs some hundredths of a millisecond; a hundred thousand rows are about a millisecond of work.",
        &THREAD_ROWS,
        0..=i32::MAX,
        GucFlags::empty(),
    );
    int(
        c"analytics_groups.block_events",
        c"Events from which a batch is stored as one compressed block.",
        c"Smaller batches are stored as single rows until the next maintenance.",
        &BLOCK_EVENTS,
        1..=1_000_000,
        GucFlags::empty(),
    );
    int(
        c"analytics_groups.segment_rows",
        c"Rows a sealed segment aims at.",
        c"Rare events share a segment over many days; a day with more than twice as many rows is cut by users.",
        &SEGMENT_ROWS,
        16..=1_000_000,
        GucFlags::empty(),
    );
    int(
        c"analytics_groups.max_record_size",
        c"Size of one event or profile update.",
        c"A larger record is refused, the others beside it are stored.",
        &MAX_RECORD_SIZE,
        1..=102_400,
        GucFlags::UNIT_KB,
    );
    int(
        c"analytics_groups.max_properties",
        c"Properties of one event.",
        c"An event with more is refused.",
        &MAX_PROPERTIES,
        1..=10_000,
        GucFlags::empty(),
    );
    int(
        c"analytics_groups.max_string_length",
        c"Characters of a name, an id or a string value.",
        c"Longer values are cut; a longer group id is refused in strict mode. Ids are indexed, so the limit cannot be raised past 500.",
        &MAX_STRING_LENGTH,
        1..=500,
        GucFlags::empty(),
    );
    int(
        c"analytics_groups.max_list_elements",
        c"Elements of one list of an event.",
        c"An event with a longer list is refused; the lists of group keys may be as long as an event.",
        &MAX_LIST_ELEMENTS,
        1..=100_000,
        GucFlags::empty(),
    );
    int(
        c"analytics_groups.max_object_keys",
        c"Keys of one object of an event.",
        c"An event with more is refused.",
        &MAX_OBJECT_KEYS,
        1..=100_000,
        GucFlags::empty(),
    );
    int(
        c"analytics_groups.max_nesting_depth",
        c"How deep objects and lists may lie in one another below a property.",
        c"A record with more is refused.",
        &MAX_NESTING_DEPTH,
        1..=12,
        GucFlags::empty(),
    );
    int(
        c"analytics_groups.max_value_size",
        c"Size of one list or object of an event.",
        c"An event with a larger one is refused; the lists of group keys may be as large as an event.",
        &MAX_VALUE_SIZE,
        1..=102_400,
        GucFlags::UNIT_KB,
    );
    int(
        c"analytics_groups.max_profile_value_size",
        c"Size of one list or object of a profile.",
        c"An update that would make a larger one is refused.",
        &MAX_PROFILE_VALUE_SIZE,
        1..=102_400,
        GucFlags::UNIT_KB,
    );
    int(
        c"analytics_groups.max_insert_id_length",
        c"Bytes of $insert_id.",
        c"An event with a longer one is refused.",
        &MAX_INSERT_ID_LENGTH,
        1..=255,
        GucFlags::empty(),
    );
    int(
        c"analytics_groups.max_profile_properties",
        c"Properties of one profile.",
        c"An update that would add more is refused.",
        &MAX_PROFILE_PROPERTIES,
        1..=100_000,
        GucFlags::empty(),
    );
    int(
        c"analytics_groups.max_batch_records",
        c"Records of one call.",
        c"A longer batch is refused as a whole.",
        &MAX_BATCH_RECORDS,
        1..=10_000_000,
        GucFlags::empty(),
    );
    crate::pg::guc::reserve_prefix(c"analytics_groups");
}

/// The limits of ingestion as they are set now.
pub fn limits() -> Limits {
    let n = |s: &GucSetting<i32>| usize::try_from(s.get()).unwrap_or(0);
    Limits {
        record_bytes: n(&MAX_RECORD_SIZE) << 10,
        properties: n(&MAX_PROPERTIES),
        string_chars: n(&MAX_STRING_LENGTH),
        profile_properties: n(&MAX_PROFILE_PROPERTIES),
        groups_per_event: n(&MAX_GROUPS_PER_EVENT),
        batch_records: n(&MAX_BATCH_RECORDS),
        object_keys: n(&MAX_OBJECT_KEYS),
        depth: n(&MAX_NESTING_DEPTH),
        list_elements: n(&MAX_LIST_ELEMENTS),
        event_compound_bytes: n(&MAX_VALUE_SIZE) << 10,
        profile_compound_bytes: n(&MAX_PROFILE_VALUE_SIZE) << 10,
        insert_id_bytes: n(&MAX_INSERT_ID_LENGTH),
    }
}

fn text(setting: &GucSetting<Option<CString>>, default: &str) -> String {
    match setting.get().and_then(|c| c.into_string().ok()) {
        Some(s) if !s.is_empty() => s,
        _ => default.to_string(),
    }
}

/// Group keys one project may register.
pub fn max_group_keys() -> i32 {
    MAX_GROUP_KEYS.get()
}

/// The project of calls that name none.
pub fn project() -> String {
    text(&PROJECT, "default")
}

/// Which of two events with one identity stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dedupe {
    Replace,
    Skip,
}

/// The dedupe mode, or an error that names the two.
pub fn dedupe() -> crate::error::Result<Dedupe> {
    match text(&DEDUPE, "replace").as_str() {
        "replace" => Ok(Dedupe::Replace),
        "skip" => Ok(Dedupe::Skip),
        other => Err(crate::error::Failure::param(
            format!("unknown value \"{other}\" of analytics_groups.dedupe"),
            "Use replace or skip.",
        )),
    }
}

/// Bytes one report may use.
pub fn query_memory() -> usize {
    usize::try_from(QUERY_MEMORY.get()).unwrap_or(1) << 10
}

/// From how many single events on ingestion makes a block of them.
pub fn fold_after() -> i64 {
    i64::from(FOLD_AFTER.get())
}

/// Bytes of decoded waiting events that a session keeps between reports, and of lookup tables.
pub fn session_cache() -> usize {
    usize::try_from(SESSION_CACHE.get()).unwrap_or(0) << 10
}

/// Whether ingestion maintains, and from how many waiting events on.
pub fn auto_maintain() -> Option<i64> {
    AUTO_MAINTAIN.get().then(|| i64::from(MAINTAIN_AFTER.get()))
}

/// Events from which a batch becomes a block.
pub fn block_events() -> usize {
    usize::try_from(BLOCK_EVENTS.get()).unwrap_or(1)
}

/// Rows a segment aims at.
pub fn segment_rows() -> usize {
    usize::try_from(SEGMENT_ROWS.get()).unwrap_or(1)
}

fn threads() -> usize {
    usize::try_from(MAX_THREADS.get())
        .unwrap_or_else(|_| std::thread::available_parallelism().map_or(1, |n| n.get().min(4)))
}

/// The threads of an import, which has one lane beside the backend.
pub fn import_workers() -> Workers<'static> {
    Workers::new(threads().min(2), 1).quietly(&threads::signals_blocked)
}

/// The threads of a report.
pub fn workers() -> Workers<'static> {
    let threads = threads();
    let from = usize::try_from(THREAD_ROWS.get()).unwrap_or(0);
    Workers::new(threads, from).quietly(&threads::signals_blocked)
}
