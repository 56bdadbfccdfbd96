-- What is told twice is stored once: the hash of an insert id follows from the id, the property of a group key from the groups.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';

SELECT analytics_groups.create_project('t_stored_once') > 0 AS created;
SET analytics_groups.project = 't_stored_once';
SELECT analytics_groups.add_group_key('company_id') IS NOT NULL AS added;
SET analytics_groups.auto_maintain = off;

-- 900 events of ten companies. Insert ids are 16 hexadecimal digits, UUIDs, numbers (which are stored as numbers), words, or
-- missing; some events belong to two companies, some to none, some name theirs by a number.
CREATE FUNCTION pg_temp.send(version int) RETURNS text LANGUAGE sql AS $$
    SELECT analytics_groups.track_ndjson(string_agg(jsonb_build_object('event', 'Buy', 'properties',
               jsonb_strip_nulls(jsonb_build_object(
                   'distinct_id', 'u' || i % 90, 'time', 1704103200000 + i * 1000, 'version', version,
                   '$insert_id', CASE i % 5 WHEN 0 THEN to_jsonb(left(md5(i::text), 16)) WHEN 1 THEN to_jsonb(md5(i::text)::uuid)
                       WHEN 2 THEN to_jsonb(i) WHEN 3 THEN to_jsonb('word-' || i) END,
                   'company_id', CASE WHEN i % 70 = 0 THEN jsonb_build_array('c' || i % 10, 'c5') WHEN i % 71 = 0 THEN to_jsonb(42)
                       WHEN i % 73 = 0 THEN NULL ELSE to_jsonb('c' || i % 10) END)))::text, E'\n')) ->> 'num_records_imported'
    FROM generate_series(1, 900) i
$$;

CREATE VIEW pg_temp.bought AS
SELECT (SELECT value FROM analytics_groups.insights('["Buy"]', '2024-01-01', '2024-01-01')) AS events,
       (SELECT string_agg(segment[1] || ' x ' || value, ', ' ORDER BY segment)
        FROM analytics_groups.insights('["Buy"]', '2024-01-01', '2024-01-01', breakdown => '["version"]')) AS versions;

SELECT pg_temp.send(1);
CREATE TABLE pg_temp.waiting AS
SELECT * FROM analytics_groups.insights('["Buy"]', '2024-01-01', '2024-01-01', breakdown => '["company_id"]');
SELECT segment[1] AS company, value FROM pg_temp.waiting ORDER BY segment;
CALL analytics_groups.maintain('t_stored_once');

-- Sealed: hashes that follow from a property (form 1), a column that follows groups (form 4), and the same answers.
SELECT n, get_byte(inserts, 2) AS form FROM analytics_t_stored_once.segment;
SELECT name, get_byte(data, 2) AS form FROM analytics_t_stored_once.segment_column c
JOIN analytics_t_stored_once.property p USING (no) WHERE class = 'p' AND name = 'company_id';
SELECT count(*) AS differences FROM (
    (TABLE pg_temp.waiting EXCEPT
     SELECT * FROM analytics_groups.insights('["Buy"]', '2024-01-01', '2024-01-01', breakdown => '["company_id"]'))
    UNION ALL
    (SELECT * FROM analytics_groups.insights('["Buy"]', '2024-01-01', '2024-01-01', breakdown => '["company_id"]') EXCEPT
     TABLE pg_temp.waiting)) d;
TABLE pg_temp.bought;

-- The same again: the 180 without an insert id are new, all others replace what is sealed, at once and when they are sealed.
SELECT pg_temp.send(2);
TABLE pg_temp.bought;
CALL analytics_groups.maintain('t_stored_once');
TABLE pg_temp.bought;

-- Once more, of which the sealed ones stay.
SET analytics_groups.dedupe = 'skip';
SELECT pg_temp.send(3);
RESET analytics_groups.dedupe;
TABLE pg_temp.bought;
CALL analytics_groups.maintain('t_stored_once');
TABLE pg_temp.bought;
SELECT * FROM analytics_groups.verify();

-- A segment that this very maintenance has written is looked at for duplicates like any other: day 1 finds its events in what
-- came of merging day 0.
SET analytics_groups.segment_rows = 100;
CREATE FUNCTION pg_temp.sell(day int, first int, last int, version int) RETURNS text LANGUAGE sql AS $$
    SELECT analytics_groups.track_ndjson(string_agg(jsonb_build_object('event', 'Sell', 'properties', jsonb_build_object(
               'distinct_id', 'u' || i, 'time', 1704153600000 + day * 86400000 + i, '$insert_id', 's' || i, 'version', version)
               )::text, E'\n')) ->> 'num_records_imported'
    FROM generate_series(first, last) i
$$;
SELECT pg_temp.sell(0, 1, 20, 1), pg_temp.sell(1, 1, 20, 1);
SELECT analytics_groups._maintain('t_stored_once', false) AS sealed;
SELECT pg_temp.sell(0, 101, 230, 1), pg_temp.sell(1, 1, 20, 2);
SELECT analytics_groups._maintain('t_stored_once', false) AS sealed;
SELECT segment[1] AS version, sum(value) AS events
FROM analytics_groups.insights('["Sell"]', '2024-01-01', '2024-01-05', breakdown => '["version"]') GROUP BY 1 ORDER BY 1;
SELECT * FROM analytics_groups.verify();

-- Without the insert ids their hashes are not known: that is damage, and said to be.
DELETE FROM analytics_t_stored_once.segment_column c USING analytics_t_stored_once.property p
WHERE c.class = 'p' AND c.no = p.no AND p.name = '$insert_id';
SELECT regexp_replace(object, '\d+', 'N') AS object, regexp_replace(problem, '\d+', 'N') AS problem FROM analytics_groups.verify();
DROP VIEW pg_temp.bought;
SELECT analytics_groups.drop_project('t_stored_once');
