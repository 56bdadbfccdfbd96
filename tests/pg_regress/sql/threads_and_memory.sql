-- The number of threads and the memory a report may use decide how long it takes, never what it answers.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET analytics_groups.auto_maintain = off;
SELECT analytics_groups.create_project('t_threads') > 0 AS created;
SET analytics_groups.project = 't_threads';
SELECT analytics_groups.add_group_key('company_id') IS NOT NULL AS added;

-- 60,000 events of 8,000 users in 300 companies over 20 days; a third of them still waits when reports are asked.
CREATE FUNCTION pg_temp.send(first int, last int) RETURNS text LANGUAGE sql AS $$
    SELECT analytics_groups.track_ndjson(string_agg(jsonb_build_object('event', (ARRAY['View', 'Add', 'Buy'])[1 + abs(hashint4(i) % 3)],
               'properties', jsonb_build_object('time', 1704067200000 + i * 28800::bigint, 'distinct_id', 'u' || abs(hashint4(i + 100000) % 8000),
                   '$insert_id', 'i' || i, 'company_id', 'c' || abs(hashint4(i + 200000) % 300), 'amount', i % 97))::text, E'\n')) ->> 'num_records_imported'
    FROM generate_series(first, last) i
$$;
SELECT pg_temp.send(1, 20000), pg_temp.send(20001, 40000);
CALL analytics_groups.maintain('t_threads');
SELECT pg_temp.send(40001, 60000);

-- Every report in one number.
CREATE FUNCTION pg_temp.digest() RETURNS text LANGUAGE sql AS $$
    SELECT md5(string_agg(r, E'\n' ORDER BY r)) FROM (
        SELECT i::text FROM analytics_groups.insights('["View", {"event": "$any", "measure": "unique"}, {"event": "View", "measure": "wau", "by": "company_id"},
            {"event": "Buy", "measure": "sum", "property": "amount"}, {"event": "Buy", "measure": "p90", "property": "amount"}]', '2024-01-01', '2024-01-20') i
        UNION ALL SELECT f::text FROM analytics_groups.funnel('["View", "Add", "Buy"]', '2024-01-01', '2024-01-20') f
        UNION ALL SELECT f::text FROM analytics_groups.funnel('["View", "Add", "Buy"]', '2024-01-01', '2024-01-20', by => 'company_id', reentry => 'optimized') f
        UNION ALL SELECT i::text FROM analytics_groups.insights('[{"event": "Buy", "first_time": true},
            {"event": "Buy", "first_time": true, "measure": "unique", "by": "company_id"}]', '2024-01-01', '2024-01-20') i
        UNION ALL SELECT r::text FROM analytics_groups.retention('"View"', '"Buy"', '2024-01-01', '2024-01-20', buckets => 5) r
        UNION ALL SELECT r::text FROM analytics_groups.retention('"View"', '"View"', '2024-01-01', '2024-01-20', by => 'company_id', alignment => 'calendar', criterion => 'on') r
        UNION ALL SELECT s::text FROM analytics_groups.sessions('2024-01-01', '2024-01-20', timeout => '2 hours') s
        UNION ALL SELECT p::text FROM analytics_groups.flow_paths('"View"', '2024-01-01', '2024-01-20', forward => 3) p
        UNION ALL SELECT l::text FROM analytics_groups.lifecycle('"View"', '2024-01-01', '2024-01-20', by => 'company_id') l
    ) AS t(r)
$$;
SET analytics_groups.max_threads = 0;
SELECT pg_temp.digest() AS digest \gset
SET analytics_groups.thread_rows = 0;
SET analytics_groups.max_threads = 1;
SELECT pg_temp.digest() = :'digest' AS "the same with one thread";
SET analytics_groups.max_threads = 2;
SELECT pg_temp.digest() = :'digest' AS "with two";
SET analytics_groups.max_threads = 4;
SELECT pg_temp.digest() = :'digest' AS "with four";

-- Sealing what waits changes nothing either.
CALL analytics_groups.maintain('t_threads');
SELECT pg_temp.digest() = :'digest' AS "the same after maintenance";

-- A funnel whose events do not fit into memory is counted part by part.
SELECT step, count FROM analytics_groups.funnel('["View", "Add", "Buy"]', '2024-01-01', '2024-01-20');
SET analytics_groups.query_memory = '1MB';
SELECT step, count FROM analytics_groups.funnel('["View", "Add", "Buy"]', '2024-01-01', '2024-01-20');
SELECT sum(retained) FROM analytics_groups.retention('"View"', '"$any"', '2024-01-01', '2024-01-20', buckets => 3, unit => 'week');
RESET analytics_groups.query_memory;
SELECT sum(retained) FROM analytics_groups.retention('"View"', '"$any"', '2024-01-01', '2024-01-20', buckets => 3, unit => 'week');

SELECT * FROM analytics_groups.verify();
SET client_min_messages = warning;
SELECT analytics_groups.drop_project('t_threads');
