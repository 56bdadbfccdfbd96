-- Where sealed events lie: large segments stay as they are, late events come to lie beside them, and nothing counts twice.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET analytics_groups.auto_maintain = off;
-- A small aim shows with few events what a day of millions does.
SET analytics_groups.segment_rows = 1000;

SELECT analytics_groups.create_project('t_segments') > 0 AS created;
SET analytics_groups.project = 't_segments';

-- n events of a day by `users` users; `version` is a property, the insert_id is made of event, day and number.
CREATE FUNCTION pg_temp.send(event text, day date, n int, users int, version int DEFAULT 1, first int DEFAULT 1) RETURNS text LANGUAGE sql AS $$
    SELECT analytics_groups.track(jsonb_agg(jsonb_build_object('event', event, 'properties', jsonb_build_object(
               'time', extract(epoch FROM day)::bigint * 1000 + i * 1000, 'distinct_id', 'u' || i % users,
               '$insert_id', format('%s-%s-%s', event, day, i), 'version', version)))) ->> 'code'
    FROM generate_series(first, first + n - 1) i
$$;
-- Days are counted from 2024-01-01.
CREATE VIEW pg_temp.segments AS
SELECT e.name AS event, s.day_min - 19723 AS first_day, s.day_max - 19723 AS last_day, s.n
FROM analytics_t_segments.segment s JOIN analytics_t_segments.event_name e ON e.no = s.event ORDER BY 1, 2, s.user_min, s.n DESC;
CREATE VIEW pg_temp.versions AS
SELECT metric AS event, segment[1] AS version, sum(value) AS events
FROM analytics_groups.insights('["View", "Rare"]', '2024-01-01', '2024-01-31', breakdown => '["version"]') WHERE value > 0 GROUP BY 1, 2 ORDER BY 1, 2;

-- A large day is cut between users, a smaller one is a segment, days with few events share one.
SELECT pg_temp.send('View', '2024-01-01', 5000, 100), pg_temp.send('View', '2024-01-02', 1500, 100), pg_temp.send('View', '2024-01-03', 20, 100),
       pg_temp.send('View', '2024-01-04', 20, 100);
CALL analytics_groups.maintain('t_segments');
TABLE pg_temp.segments;
-- Some late events: a segment of their own that lies over the days of the others.
SELECT pg_temp.send('View', '2024-01-01', 100, 100, first => 5001), pg_temp.send('View', '2024-01-02', 100, 100, first => 5001);
SELECT analytics_groups._maintain('t_segments', false) AS sealed;
TABLE pg_temp.segments;
-- Three times as many: now the small segment is merged with them.
SELECT pg_temp.send('View', '2024-01-01', 360, 100, first => 6001), pg_temp.send('View', '2024-01-02', 360, 100, first => 6001);
SELECT analytics_groups._maintain('t_segments', false) AS sealed;
TABLE pg_temp.segments;
-- CALL maintain() also merges what has more than a quarter of the rows beside it.
SELECT pg_temp.send('View', '2024-01-02', 400, 100, first => 7001);
SELECT analytics_groups._maintain('t_segments', false) AS sealed;
TABLE pg_temp.segments;
CALL analytics_groups.maintain('t_segments');
TABLE pg_temp.segments;
SELECT * FROM analytics_groups.verify();
TABLE pg_temp.versions;

-- Events that replace earlier ones: only segments that hold one of them are written anew.
CREATE TEMP TABLE before AS SELECT no, n FROM analytics_t_segments.segment;
SELECT pg_temp.send('View', '2024-01-02', 3, 100, version => 2, first => 10);
SELECT analytics_groups._maintain('t_segments', false) AS sealed;
SELECT b.n AS written_anew FROM before b WHERE NOT EXISTS (SELECT FROM analytics_t_segments.segment s WHERE s.no = b.no);
TABLE pg_temp.versions;
SELECT * FROM analytics_groups.verify();
-- In mode skip the old ones stay, and nothing is written at all.
TRUNCATE before;
INSERT INTO before SELECT no, n FROM analytics_t_segments.segment;
SET analytics_groups.dedupe = 'skip';
SELECT pg_temp.send('View', '2024-01-01', 400, 100, version => 3, first => 10);
SELECT analytics_groups._maintain('t_segments', false) AS sealed;
SELECT count(*) FILTER (WHERE b.no IS NULL) AS new, count(*) FILTER (WHERE s.no IS NULL) AS gone
FROM before b FULL JOIN analytics_t_segments.segment s ON s.no = b.no WHERE b.no IS NULL OR s.no IS NULL;
TABLE pg_temp.versions;
RESET analytics_groups.dedupe;

-- A rare event, day after day: few segments, and each event is written a few times only.
DO $$ BEGIN
    FOR d IN 0..15 LOOP
        PERFORM pg_temp.send('Rare', date '2024-01-01' + d, 10, 5);
        PERFORM analytics_groups._maintain('t_segments', false);
    END LOOP;
END $$;
SELECT * FROM pg_temp.segments WHERE event = 'Rare';
TABLE pg_temp.versions;
SELECT * FROM analytics_groups.verify();
-- verify() finds an event that is in two segments.
INSERT INTO analytics_t_segments.segment_column SELECT 1000000, class, c.no, data FROM analytics_t_segments.segment_column c
WHERE segment = (SELECT no FROM analytics_t_segments.segment ORDER BY n DESC, no LIMIT 1);
INSERT INTO analytics_t_segments.segment SELECT (s).* FROM (
    SELECT jsonb_populate_record(s, '{"no": 1000000}') AS s FROM analytics_t_segments.segment s ORDER BY n DESC, no LIMIT 1) x;
SELECT regexp_replace(object, '\d+, .*', '…') AS object, problem FROM analytics_groups.verify() WHERE object NOT LIKE 'subject_set%';

SELECT analytics_groups.drop_project('t_segments');
