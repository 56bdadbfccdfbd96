//! Product and group analytics inside PostgreSQL.
//!
//! A thin shell around the `engine` crate: it reads arguments, calls the engine, and hands rows back. This file is the
//! table of contents; CONTRIBUTING.md has the map.

mod aggregates;
mod cohorts;
mod deletion;
mod error;
mod governance;
mod group_merges;
mod ingest;
mod lookups;
mod pg;
mod registry;
mod reports;
mod settings;
mod store;
#[cfg(any(test, feature = "pg_test"))]
mod tests;
mod types;

::pgrx::pg_module_magic!(name, version);

pgrx::extension_sql_file!("../sql/bootstrap.sql", bootstrap);

// Lets `schema = "analytics_groups"` be said of a function. The schema itself is made by bootstrap.sql, which comes
// first and fails when somebody else already made one; the IF NOT EXISTS this line generates then finds our own.
#[pgrx::pg_schema]
mod analytics_groups {}

pgrx::extension_sql_file!(
    "../sql/registry.sql",
    name = "registry",
    requires = [registry::check_calendar]
);
pgrx::extension_sql_file!("../sql/access.sql", name = "access", requires = ["registry"]);
pgrx::extension_sql_file!(
    "../sql/upkeep.sql",
    name = "upkeep",
    requires = ["registry", store::maintain::maintain]
);
pgrx::extension_sql_file!(
    "../sql/track.sql",
    name = "track",
    requires = [ingest::track::track_one]
);
pgrx::extension_sql_file!(
    "../sql/profiles.sql",
    name = "profiles",
    requires = [
        "registry",
        ingest::profiles::update_users,
        ingest::profiles::update_groups
    ]
);
pgrx::extension_sql_file!(
    "../sql/inbox.sql",
    name = "inbox",
    requires = [
        ingest::inbox::analytics_groups::inbox_begin,
        ingest::inbox::analytics_groups::inbox_line,
        ingest::inbox::analytics_groups::inbox_end
    ]
);
pgrx::extension_sql_file!(
    "../sql/views.sql",
    name = "views",
    requires = ["registry", reports::attributed::attributed_events]
);
pgrx::extension_sql_file!(
    "../sql/tables.sql",
    name = "tables",
    requires = ["registry", reports::tables::relations]
);
pgrx::extension_sql_file!("../sql/monitor.sql", name = "monitor", requires = ["registry"]);
pgrx::extension_sql_file!("../sql/history.sql", name = "history", requires = ["registry"]);
pgrx::extension_sql_file!("../sql/moving.sql", name = "moving", requires = ["views"]);
pgrx::extension_sql_file!(
    "../sql/deletion.sql",
    name = "deletion",
    requires = [
        "registry",
        "views",
        deletion::hold,
        deletion::erase_user,
        deletion::erase_group,
        deletion::erase_events,
        deletion::drop_key
    ]
);
pgrx::extension_sql_file!(
    "../sql/merging.sql",
    name = "merging",
    requires = ["registry", group_merges::merge_groups]
);
pgrx::extension_sql_file!("../sql/comments.sql", finalize);

#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    settings::register();
    pg::memory::keep_freed();
}

/// Called by the test framework of pgrx.
#[cfg(test)]
pub mod pg_test {
    pub fn setup(_options: Vec<&str>) {}

    pub fn postgresql_conf_options() -> Vec<&'static str> {
        Vec::new()
    }
}
