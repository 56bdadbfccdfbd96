-- Who did what on which day, counted by maintenance: exactly the sealed rows, or not there at all.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET analytics_groups.auto_maintain = off;

SELECT analytics_groups.create_project('t_subject_sets') > 0 AS created;
SET analytics_groups.project = 't_subject_sets';
SELECT analytics_groups.add_group_key('company_id') IS NOT NULL AS added;

-- n events of a day, by `users` users in turn; user i belongs to the companies c(i % 7) and, for every third, to "shared" as well.
CREATE FUNCTION pg_temp.send(event text, day date, n int, users int, first_user int DEFAULT 0) RETURNS text LANGUAGE sql AS $$
    SELECT analytics_groups.track(jsonb_agg(jsonb_build_object('event', event, 'properties', jsonb_build_object(
               'time', extract(epoch FROM day)::bigint * 1000 + i * 1000, 'distinct_id', 'u' || (first_user + i % users),
               '$insert_id', format('%s-%s-%s-%s', event, day, first_user, i),
               'company_id', CASE WHEN i % 3 = 0 THEN jsonb_build_array('c' || i % 7, 'shared') ELSE to_jsonb('c' || i % 7) END)))) ->> 'code'
    FROM generate_series(1, n) i
$$;
-- The sets, and the days with the events that have none. Day 19723 is 2024-01-01.
CREATE VIEW pg_temp.sets AS
SELECT s.kind, coalesce(e.name, '(any)') AS event, s.day, s.events, s.rows, s.card,
       (SELECT analytics_groups.rb_cardinality(substr(s.data, 16)::analytics_groups.roaringbitmap)) AS members
FROM analytics_t_subject_sets.subject_set s LEFT JOIN analytics_t_subject_sets.event_name e ON e.no = s.event
ORDER BY s.day, s.kind, event;
CREATE VIEW pg_temp.days AS
SELECT d.day, array(SELECT coalesce(e.name, '(any)') FROM unnest(d.uncovered) u LEFT JOIN analytics_t_subject_sets.event_name e ON e.no = u ORDER BY 1) AS uncovered
FROM analytics_t_subject_sets.event_day d ORDER BY d.day;

SELECT pg_temp.send('View', '2024-01-01', 1000, 300);
SELECT pg_temp.send('Buy', '2024-01-01', 100, 50);
SELECT pg_temp.send('Rare', '2024-01-01', 10, 5, 5000);
SELECT pg_temp.send('Rare', '2024-01-02', 10, 5, 5000);
-- An event of nobody is a row without a user.
SELECT analytics_groups.track('Buy', '', at => '2024-01-01 05:00Z');
-- What waits is in no set.
TABLE pg_temp.sets;
TABLE pg_temp.days;
CALL analytics_groups.maintain('t_subject_sets');
-- "Rare" has too few rows for sets of its own, and is part of "any event".
TABLE pg_temp.sets;
TABLE pg_temp.days;
SELECT * FROM analytics_groups.verify();

-- A few late events, sealed while ingesting: counting the day anew does not pay, so its sets that became wrong are gone.
SELECT pg_temp.send('Buy', '2024-01-01', 10, 5, 900);
SELECT analytics_groups._maintain('t_subject_sets', false) AS sealed;
TABLE pg_temp.sets;
TABLE pg_temp.days;
SELECT * FROM analytics_groups.verify();
-- The next maintenance, busy with another day, has time for the day that was left.
SELECT pg_temp.send('View', '2024-01-03', 800, 100);
SELECT analytics_groups._maintain('t_subject_sets', false) AS sealed;
TABLE pg_temp.sets;
TABLE pg_temp.days;
SELECT * FROM analytics_groups.verify();

-- A day that grows by a quarter is counted at once.
SELECT pg_temp.send('View', '2024-01-03', 300, 120, 50);
SELECT analytics_groups._maintain('t_subject_sets', false) AS sealed;
SELECT * FROM pg_temp.sets WHERE day = 19725;
-- CALL maintain() leaves nothing undone.
SELECT pg_temp.send('Buy', '2024-01-01', 1, 1, 901);
SELECT pg_temp.send('Buy', '2024-01-03', 1, 1, 901);
CALL analytics_groups.maintain('t_subject_sets');
SELECT * FROM pg_temp.sets WHERE event IN ('Buy', '(any)');
TABLE pg_temp.days;

-- A replacement is no further row.
SELECT pg_temp.send('View', '2024-01-03', 100, 120, 50);
CALL analytics_groups.maintain('t_subject_sets');
SELECT * FROM pg_temp.sets WHERE day = 19725 AND event = 'View';

-- Backfilling a key counts its groups.
SELECT analytics_groups.track(jsonb_agg(jsonb_build_object('event', 'Plan', 'properties', jsonb_build_object(
           'time', 1704412800 + i, 'distinct_id', 'u' || i, 'team', 't' || i % 9)))) ->> 'code' AS code FROM generate_series(1, 90) i;
CALL analytics_groups.maintain('t_subject_sets');
SELECT * FROM pg_temp.sets WHERE event = 'Plan';
SELECT analytics_groups.add_group_key('team', backfill => true) IS NOT NULL AS added;
SELECT * FROM pg_temp.sets WHERE event = 'Plan';
SELECT * FROM analytics_groups.verify();

-- verify() compares every set with the segments.
UPDATE analytics_t_subject_sets.subject_set SET rows = rows + 1 WHERE kind = 0 AND event = 0 AND day = 19723;
UPDATE analytics_t_subject_sets.subject_set SET data = (SELECT data FROM analytics_t_subject_sets.subject_set WHERE kind = 0 AND event = 0 AND day = 19725)
WHERE kind = 1 AND event = 0 AND day = 19723;
UPDATE analytics_t_subject_sets.subject_set SET data = set_byte(data, 20, 255) WHERE kind = 1 AND event = 0 AND day = 19725;
DELETE FROM analytics_t_subject_sets.subject_set WHERE kind = 0 AND event = 0 AND day = 19725;
INSERT INTO analytics_t_subject_sets.subject_set SELECT kind, event, day + 100, events, rows, card, data FROM analytics_t_subject_sets.subject_set WHERE kind = 1 AND event = 0 AND day = 19725;
DELETE FROM analytics_t_subject_sets.event_day WHERE day = 19724;
SELECT * FROM analytics_groups.verify();

SELECT storage, buffers, events IS NULL AS no_events, bytes > 0 AS has_bytes FROM analytics_groups.storage_stats() WHERE storage = 'subject_set';
SELECT analytics_groups.drop_project('t_subject_sets');
