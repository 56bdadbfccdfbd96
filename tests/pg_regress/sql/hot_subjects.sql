-- Ids with very many events on a day (semantics 2.11): shown, never rewritten.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SELECT analytics_groups.create_project('t_hot', timezone => 'Asia/Kolkata') > 0 AS created;
SET analytics_groups.project = 't_hot';
SELECT analytics_groups.add_group_key('company_id') IS NOT NULL AS registered;
-- A bot of acme, somebody of two companies, and events of nobody, most of them after midnight in Kolkata.
SELECT a ->> 'num_records_imported' AS imported FROM (SELECT analytics_groups.track_ndjson(string_agg(jsonb_build_object('event', 'Ping', 'properties', jsonb_build_object(
    'time', 1704133800 + i, 'distinct_id', CASE WHEN i % 3 > 0 THEN 'bot' WHEN i % 2 = 0 THEN 'ann' ELSE '' END,
    'company_id', CASE WHEN i % 3 > 0 THEN '"acme"'::jsonb ELSE '["acme", "globex"]' END))::text, E'\n')) FROM generate_series(-30, 299) AS i) AS x(a);
SELECT * FROM analytics_groups.hot_subjects('2024-01-01', '2024-01-31', at_least => 40);
SELECT * FROM analytics_groups.hot_subjects('2024-01-01', '2024-01-31', by => 'company_id', at_least => 100);
CALL analytics_groups.maintain('t_hot');
SELECT * FROM analytics_groups.hot_subjects('2024-01-01', '2024-01-31', by => 'company_id', at_least => 100);
SELECT count(*) FROM analytics_groups.hot_subjects('2024-01-01', '2024-01-31');
SELECT count(*) FROM analytics_groups.hot_subjects('2024-02-01', '2024-02-01', at_least => 1);
SELECT * FROM analytics_groups.hot_subjects('2024-01-01', '2024-01-31', by => 'team');
SELECT * FROM analytics_groups.hot_subjects('2024-01-01', '2024-01-31', at_least => 0);
SELECT analytics_groups.drop_project('t_hot');
