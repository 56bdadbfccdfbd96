-- Events that wait for maintenance: what a session keeps of them between reports, and single events that become a block.
SET TimeZone = 'UTC';
SET analytics_groups.auto_maintain = off;
SELECT analytics_groups.create_project('t_waiting') IS NOT NULL AS created;
SET analytics_groups.project = 't_waiting';
SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;

-- A batch of 300 events of 60 users in 12 companies and 6 teams.
CREATE FUNCTION pg_temp.batch(day int, insert_ids text, OUT imported text) LANGUAGE sql AS $$
    SELECT analytics_groups.track_ndjson(string_agg(format(
        '{"event":"%s","properties":{"time":%s,"distinct_id":"u%s","company_id":"c%s","team_id":"t%s","plan":"p%s","size":"s%s","$insert_id":"%s%s"}}',
        CASE WHEN i % 3 = 0 THEN 'Login' ELSE 'View' END, 1740700800000 + day * 86400000 + i % 60 * 1000, i % 60, i % 12, i % 6, i % 4, i % 8, insert_ids, i), E'\n'))
        ->> 'num_records_imported'
    FROM generate_series(1, 300) i
$$;
SELECT pg_temp.batch(1, 'a');
SELECT storage, events FROM analytics_groups.storage_stats() WHERE events > 0 ORDER BY storage;

-- The first question decodes the batch, the others find it decoded: one event or any, with or without a property, users or companies.
CREATE FUNCTION pg_temp.ask() RETURNS TABLE (question text, answers text) LANGUAGE sql AS $$
    SELECT 'logins by user', string_agg(value::text, ' ' ORDER BY bucket) FROM analytics_groups.insights('[{"event":"Login","measure":"unique"}]', '2025-03-01', '2025-03-02')
    UNION ALL
    SELECT 'any event by company', string_agg(value::text, ' ' ORDER BY bucket) FROM analytics_groups.insights('[{"event":"$any","measure":"unique","by":"company_id"}]', '2025-03-01', '2025-03-02')
    UNION ALL
    SELECT 'views', string_agg(value::text, ' ' ORDER BY bucket) FROM analytics_groups.insights('[{"event":"View"}]', '2025-03-01', '2025-03-02')
    UNION ALL
    SELECT 'views by plan', string_agg(segment::text || ': ' || value, ', ' ORDER BY segment::text)
    FROM analytics_groups.insights('[{"event":"View"}]', '2025-03-01', '2025-03-02', unit => 'range', breakdown => '["plan"]')
$$;
SELECT * FROM pg_temp.ask();
SELECT * FROM pg_temp.ask();

-- What is kept is of one version of a batch. A key that is backfilled changes the batch, in this transaction and for good …
BEGIN;
SELECT analytics_groups.add_group_key('team_id', 'Team', backfill => true) IS NOT NULL AS added;
SELECT value FROM analytics_groups.insights('[{"event":"Login","measure":"unique","by":"team_id"}]', '2025-03-01', '2025-03-01');
SAVEPOINT before;
SELECT analytics_groups.add_group_key('plan', 'Plan', backfill => true) IS NOT NULL AS added;
SELECT value FROM analytics_groups.insights('[{"event":"Login","measure":"unique","by":"plan"}]', '2025-03-01', '2025-03-01');
ROLLBACK TO before;
-- … and what was rolled back is gone: the batch now has groups of another key.
SELECT analytics_groups.add_group_key('size', 'Size', backfill => true) IS NOT NULL AS added;
SELECT value FROM analytics_groups.insights('[{"event":"Login","measure":"unique","by":"size"}]', '2025-03-01', '2025-03-01');
ROLLBACK TO before;
SELECT value FROM analytics_groups.insights('[{"event":"Login","measure":"unique","by":"team_id"}]', '2025-03-01', '2025-03-01');
COMMIT;
SELECT value FROM analytics_groups.insights('[{"event":"Login","measure":"unique","by":"team_id"}]', '2025-03-01', '2025-03-01');

-- The same events once more change nothing; a second day does.
SELECT pg_temp.batch(1, 'a');
SELECT * FROM pg_temp.ask();
SELECT pg_temp.batch(2, 'b');
SELECT * FROM pg_temp.ask();

-- Nothing is kept with a cache of 0, and nothing changes.
SET analytics_groups.session_cache = 0;
SELECT * FROM pg_temp.ask();
RESET analytics_groups.session_cache;
CALL analytics_groups.maintain('t_waiting');
SELECT * FROM pg_temp.ask();

-- Single events wait as rows. From fold_after of them on ingestion makes a block of them, which reports read faster.
SET analytics_groups.fold_after = 500;
SET analytics_groups.auto_maintain = on;
SELECT count(analytics_groups.track('Login', 's' || i % 50, jsonb_build_object('company_id', 'c' || i % 12, 'plan', 'p1'),
    at => '2025-03-02 12:00:00Z', insert_id => 's' || i % 1500))
FROM generate_series(1, 2000) i;
SELECT storage, events > 0 AS some FROM analytics_groups.storage_stats() WHERE storage LIKE 'event%' ORDER BY storage;
SELECT sum(events) FROM analytics_groups.storage_stats() WHERE storage LIKE 'event%';
SELECT * FROM pg_temp.ask();
SELECT count(*) AS problems FROM analytics_groups.verify();
CALL analytics_groups.maintain('t_waiting');
SELECT * FROM pg_temp.ask();
SELECT storage, events FROM analytics_groups.storage_stats() WHERE events > 0 AND storage <> 'user_stream' ORDER BY storage;

SELECT analytics_groups.drop_project('t_waiting');
