-- Runs first: what every function refers to. Never IF NOT EXISTS: an extension must not adopt what somebody else made.

CREATE SCHEMA analytics_groups;
COMMENT ON SCHEMA analytics_groups IS 'Product and group analytics: types, functions and reports of the extension analytics_groups';

-- Shells; sql/types.sql, sql/types64.sql and sql/behaviour.sql complete them.
CREATE TYPE analytics_groups.roaringbitmap;
CREATE TYPE analytics_groups.rb_state;
CREATE TYPE analytics_groups.behaviour_state;
CREATE TYPE analytics_groups.roaringbitmap64;
CREATE TYPE analytics_groups.rb64_state;
