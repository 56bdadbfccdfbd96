-- Every table and sequence of the project in the schema analytics_default and of the registry, as one line each.
\pset format unaligned
\pset tuples_only on
SET TimeZone = 'UTC';
SET bytea_output = 'hex';
SELECT format('SELECT %L, count(*), md5(string_agg(md5(t::text), '''' ORDER BY md5(t::text))) FROM %I.%I AS t', c.oid::regclass::text, n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('analytics_default', 'analytics_groups') AND c.relkind IN ('r', 'p') ORDER BY c.oid::regclass::text COLLATE "C"
\gexec
SELECT schemaname, sequencename, last_value FROM pg_sequences WHERE schemaname IN ('analytics_default', 'analytics_groups')
ORDER BY schemaname COLLATE "C", sequencename COLLATE "C";
