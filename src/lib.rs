//! Product and group analytics inside PostgreSQL.
::pgrx::pg_module_magic!(name, version);
