-- The sealed events by user, from which sessions and flows are read: answers are the same in every state of the store.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SELECT analytics_groups.create_project('t_stream') > 0 AS created;
SET analytics_groups.project = 't_stream';
SET analytics_groups.auto_maintain = off;

-- 4,000 events of 40 users on six days, many at the same minute, some sent twice, some of nobody.
CREATE TEMP TABLE sent (n int, event text, who text, at timestamptz, insert_id text);
INSERT INTO sent
SELECT i, chr(65 + (i * 7 % 11) % 5), CASE WHEN i % 50 = 0 THEN '' ELSE 'u' || i * i % 41 END,
       '2024-01-01Z'::timestamptz + make_interval(mins => i * 7919 % (6 * 24 * 60) / 3 * 3), CASE WHEN i % 3 = 0 THEN 'i' || i END
FROM generate_series(1, 4000) AS i;
-- Every tenth of those that carry an insert id comes again, later.
INSERT INTO sent SELECT n + 5000, event, who, at, insert_id FROM sent WHERE n % 30 = 0;

CREATE FUNCTION pg_temp.send(first int, last int) RETURNS text LANGUAGE sql AS $$
    SELECT (analytics_groups.track_ndjson(string_agg(jsonb_build_object('event', event, 'properties', jsonb_strip_nulls(jsonb_build_object(
        'distinct_id', who, 'time', extract(epoch FROM at)::bigint, '$insert_id', insert_id)))::text, e'\n' ORDER BY n))) ->> 'status'
    FROM sent WHERE n BETWEEN first AND last
$$;

-- What plain SQL says of the events up to one, an event with an insert id once.
CREATE FUNCTION pg_temp.counting(last int) RETURNS TABLE (event text, who text, at timestamptz) LANGUAGE sql AS $$
    SELECT event, who, at FROM sent WHERE n <= last AND who <> '' AND insert_id IS NULL
    UNION ALL SELECT * FROM (SELECT DISTINCT ON (event, who, at, insert_id) event, who, at FROM sent
                             WHERE n <= last AND who <> '' AND insert_id IS NOT NULL) AS once
$$;
CREATE FUNCTION pg_temp.sessions(last int) RETURNS TABLE (bucket timestamptz, sessions bigint, events_per_session float8) LANGUAGE sql AS $$
    SELECT d, count(*) FILTER (WHERE begins), (count(*)::float8 / nullif(count(*) FILTER (WHERE begins), 0))
    FROM (SELECT date_trunc('day', at) AS d, coalesce(at - lag(at) OVER (PARTITION BY who, date_trunc('day', at) ORDER BY at) > '30 minutes', true) AS begins
          FROM pg_temp.counting(last)) AS t GROUP BY d
$$;
CREATE FUNCTION pg_temp.paths(last int) RETURNS TABLE (path text[], count bigint) LANGUAGE sql AS $$
    WITH e AS (SELECT *, row_number() OVER (PARTITION BY who ORDER BY at, event COLLATE "C") AS k FROM pg_temp.counting(last)),
         a AS (SELECT who, min(k) AS k FROM e WHERE event = 'B' GROUP BY who)
    SELECT array['B', coalesce(e1.event, '(drop-off)')] || CASE WHEN e1.event IS NOT NULL THEN array[coalesce(e2.event, '(drop-off)')] ELSE '{}' END, count(*)
    FROM a LEFT JOIN e e1 ON e1.who = a.who AND e1.k = a.k + 1 LEFT JOIN e e2 ON e2.who = a.who AND e2.k = a.k + 2
    GROUP BY 1
$$;
-- How many rows differ, in sessions and in paths: 0 and 0. A backward step makes the second way through the kernels.
CREATE FUNCTION pg_temp.differences(last int) RETURNS TABLE (sessions bigint, paths bigint, by_filter bigint, problems bigint) LANGUAGE sql AS $$
    SELECT (SELECT count(*) FROM pg_temp.sessions(last) AS w FULL JOIN analytics_groups.sessions('2024-01-01', '2024-01-06') AS g USING (bucket)
            WHERE (w.sessions, w.events_per_session) IS DISTINCT FROM (nullif(g.sessions, 0), g.events_per_session)),
           (SELECT count(*) FROM pg_temp.paths(last) AS w FULL JOIN analytics_groups.flow_paths('"B"', '2024-01-01', '2024-01-06', forward => 2) AS g USING (path)
            WHERE w.count IS DISTINCT FROM g.count),
           (SELECT count(*) FROM pg_temp.paths(last) AS w
            FULL JOIN analytics_groups.flow_paths('{"event":"B","filter":"1 == 1"}', '2024-01-01', '2024-01-06', forward => 2) AS g USING (path)
            WHERE w.count IS DISTINCT FROM g.count),
           (SELECT count(*) FROM analytics_groups.verify())
$$;
CREATE FUNCTION pg_temp.stored() RETURNS TABLE (days bigint, marked bigint, events bigint) LANGUAGE sql AS $$
    SELECT count(DISTINCT day) FILTER (WHERE part >= 0), count(*) FILTER (WHERE part < 0), coalesce(sum(n) FILTER (WHERE part >= 0), 0)
    FROM analytics_t_stream.user_stream
$$;

-- Everything waits.
SELECT pg_temp.send(1, 2000);
SELECT * FROM pg_temp.differences(2000);
SELECT * FROM pg_temp.stored();
-- (Asked about other events, the comparison does find differences.)
SELECT sessions > 0 AS sessions, paths > 0 AS paths, by_filter > 0 AS by_filter FROM pg_temp.differences(1900);
-- Everything is sealed: the stream has the events that have a user.
CALL analytics_groups.maintain();
SELECT * FROM pg_temp.differences(2000);
SELECT s.*, (SELECT count(*) FROM pg_temp.counting(2000)) AS counted FROM pg_temp.stored() AS s;
-- Half waits, on days that are sealed: merged while reading.
SELECT pg_temp.send(2001, 4000);
SELECT * FROM pg_temp.differences(4000);
CALL analytics_groups.maintain();
SELECT * FROM pg_temp.differences(4000);
-- Duplicates of sealed events wait, and one by one, new events late.
SELECT pg_temp.send(5001, 9000);
SELECT * FROM pg_temp.differences(9000);
INSERT INTO sent VALUES (9001, 'E', 'u3', '2024-01-02 12:34:56Z'), (9002, 'A', 'new', '2024-01-03 00:00Z'), (9003, 'A', 'new', '2024-01-06 00:10Z');
SELECT count(analytics_groups.track(event, who, '{}', at => at)) FROM sent WHERE n > 9000;
SELECT * FROM pg_temp.differences(9003);
CALL analytics_groups.maintain();
SELECT * FROM pg_temp.differences(9003);
SELECT s.*, (SELECT count(*) FROM pg_temp.counting(9003)) AS counted FROM pg_temp.stored() AS s;

-- A day that has not been built yet is marked, and gathered when it is asked for.
BEGIN;
DELETE FROM analytics_t_stream.user_stream WHERE day = date '2024-01-03' - date '1970-01-01';
SELECT problem FROM analytics_groups.verify();
INSERT INTO analytics_t_stream.user_stream VALUES (date '2024-01-03' - date '1970-01-01', -1, 0, '', '', '');
SELECT * FROM pg_temp.differences(9003);
SELECT * FROM pg_temp.stored();
-- The next maintenance builds it, though it changes nothing else.
CALL analytics_groups.maintain();
SELECT * FROM pg_temp.differences(9003);
SELECT * FROM pg_temp.stored();
ROLLBACK;

-- A rolled-back maintenance leaves what was there.
INSERT INTO sent VALUES (9004, 'C', 'u5', '2024-01-04 01:02:03Z');
SELECT analytics_groups.track(event, who, '{}', at => at) FROM sent WHERE n > 9003;
BEGIN;
CALL analytics_groups.maintain();
ROLLBACK;
SELECT * FROM pg_temp.differences(9004);

-- A stream that is not what the segments hold is reported, and so are damaged bytes.
BEGIN;
UPDATE analytics_t_stream.user_stream SET day = day + 1 WHERE day = date '2024-01-06' - date '1970-01-01';
SELECT * FROM analytics_groups.verify();
ROLLBACK;
BEGIN;
UPDATE analytics_t_stream.user_stream SET times = set_byte(times, 20, get_byte(times, 20) # 4) WHERE day = date '2024-01-05' - date '1970-01-01';
SELECT * FROM analytics_groups.verify();
SELECT count(*) FROM analytics_groups.sessions('2024-01-05', '2024-01-05');
ROLLBACK;

SELECT storage, events FROM analytics_groups.storage_stats() WHERE storage = 'user_stream';
SELECT analytics_groups.drop_project('t_stream');
