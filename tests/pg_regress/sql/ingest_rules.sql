-- The table of semantics 2.2 (what /import?strict=1 accepts), field by field, each line with the values at both sides of its limit.
\set SHOW_CONTEXT never
\pset format unaligned
SET TimeZone = 'UTC';

SELECT analytics_groups.create_project('t_ingest_rules') > 0 AS created;
SET analytics_groups.project = 't_ingest_rules';
SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;

-- A record is good but for what is laid over it; the answer is OK, or what is wrong.
CREATE FUNCTION pg_temp.answer(record jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(a #>> '{failed_records,0,message}', a ->> 'status') FROM analytics_groups.track(jsonb_build_array(record)) AS a
$$;
CREATE FUNCTION pg_temp.properties(over jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.answer(jsonb_build_object('event', 'E', 'properties',
        '{"distinct_id": "u1", "time": 1704103200, "$insert_id": "a1"}'::jsonb || over))
$$;
CREATE FUNCTION pg_temp.keys(n int) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_object_agg('k' || i, i) FROM generate_series(1, n) AS i $$;
CREATE FUNCTION pg_temp.elements(n int) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_agg(i) FROM generate_series(1, n) AS i $$;

-- ---- record: a JSON object with event and properties, below 1 MB, up to 255 properties (the page of /import says fewer) ---------
SELECT record, pg_temp.answer(record) FROM unnest(ARRAY['5', '[]', '{}', '{"event": "E"}', '{"event": "E", "properties": 5}',
    '{"properties": {"time": 1704103200}}']::jsonb[]) AS record;
SELECT n AS "bytes of text", pg_temp.properties(jsonb_build_object('a', repeat('x', n))) FROM unnest('{900000,1100000}'::int[]) AS n;
-- Three properties are there already.
SELECT n + 3 AS properties, pg_temp.properties(pg_temp.keys(n)) FROM unnest('{251,252,253}'::int[]) AS n;

-- ---- nested objects: up to 255 keys each, at most 3 deep ----------------------------------------------------------------------
SELECT n AS keys, pg_temp.properties(jsonb_build_object('o', pg_temp.keys(n))) FROM unnest('{254,255,256}'::int[]) AS n;
SELECT v AS value, pg_temp.properties(jsonb_build_object('o', v))
FROM unnest(ARRAY['{"a": 1}', '{"a": {"b": 1}}', '{"a": {"b": {"c": 1}}}', '{"a": {"b": {"c": {"d": 1}}}}']::jsonb[]) AS v;

-- ---- arrays: fewer than 255 elements, but for the ids of a group key, of which an event is attributed to 300 ------------------------------------------------------------
SELECT n AS elements, pg_temp.properties(jsonb_build_object('l', pg_temp.elements(n))) AS "of a property",
       pg_temp.properties(jsonb_build_object('company_id', pg_temp.elements(n))) AS "of a group key"
FROM unnest('{254,255,256,301}'::int[]) AS n;

-- ---- event: a string, which is required -----------------------------------------------------------------------------------------
SELECT e AS event, pg_temp.answer(jsonb_build_object('event', e, 'properties', '{"distinct_id": "u1", "time": 1704103200, "$insert_id": "a2"}'::jsonb))
FROM unnest(ARRAY['"E"', '""', 'null', '5', '["E"]', '"$identify"', '"$create_alias"', '"$merge"']::jsonb[]) AS e;

-- ---- properties.time: required, seconds or milliseconds, not before 1971, not more than an hour ahead ----------------------------
SELECT pg_temp.answer('{"event": "E", "properties": {"distinct_id": "u1"}}') AS "without a time";
SELECT t AS time, pg_temp.properties(jsonb_build_object('time', t))
FROM unnest(ARRAY['1704103200', '1704103200000', '1704103200.5', '31535999', '31536000', '31535999999', '-1', '"1704103200"', 'true', 'null']::jsonb[]) AS t;
SELECT minutes AS "minutes ahead", pg_temp.properties(jsonb_build_object('time', extract(epoch FROM now())::bigint + minutes * 60))
FROM unnest('{1,59,61}'::int[]) AS minutes;

-- ---- properties.distinct_id: optional, "" is nobody, not a banned value, in whatever case -----------------------------------------
SELECT pg_temp.answer('{"event": "E", "properties": {"time": 1704103200}}') AS "without an id";
CREATE TEMP VIEW banned AS SELECT id FROM unnest('{00000000-0000-0000-0000-000000000000,anon,anonymous,nil,none,"null",n/a,na,undefined,unknown,<nil>,0,-1,true,false,[],"{}",ANON,Unknown}'::text[]) AS id;
SELECT id, pg_temp.properties(jsonb_build_object('distinct_id', id)) FROM banned;
SELECT id, pg_temp.properties(jsonb_build_object('distinct_id', id)) FROM unnest(ARRAY['""', '42', '"anonymous-7"', '["u1"]', 'true']::jsonb[]) AS id;

-- ---- properties.$insert_id: at most 36 bytes, letters, digits and -, not a banned value; without one an event is never a duplicate -
SELECT pg_temp.answer('{"event": "E", "properties": {"distinct_id": "u1", "time": 1704103200}}') AS "without one";
SELECT id, pg_temp.properties(jsonb_build_object('$insert_id', id)) FROM banned;
SELECT length(id) AS bytes, pg_temp.properties(jsonb_build_object('$insert_id', id)) FROM unnest(ARRAY[repeat('a', 36), repeat('a', 37)]) AS id;
SELECT id, pg_temp.properties(jsonb_build_object('$insert_id', id)) FROM unnest(ARRAY['"A-9"', '"a_b"', '"a b"', '"ä"', '""', '5']::jsonb[]) AS id;

-- ---- strings: valid UTF-8; values are cut to 255 characters --------------------------------------------------------------------------
SELECT analytics_groups.track_ndjson('{"event":"E","properties":{"distinct_id":"u1","time":1704103200,"s":"'::bytea || '\xc3'::bytea || '"}}'::bytea)
    #>> '{failed_records,0,message}' AS "half a letter";
SELECT pg_temp.properties(jsonb_build_object('$insert_id', 'cut', 's', repeat('ä', 300)));
SELECT length(e #>> '{properties,s}') AS characters FROM analytics_groups.export_events('2024-01-01', '2024-01-01') AS e WHERE e -> 'properties' ? 's';

-- ---- Partial success: good records are stored and counted, the others listed -----------------------------------------------------------
SELECT analytics_groups.track('[{"event": "E", "properties": {"time": 1704103200, "distinct_id": "u1", "$insert_id": "p1"}},
                                {"event": "E", "properties": {"time": "yesterday", "distinct_id": "u1", "$insert_id": "p2"}}]');

SELECT analytics_groups.drop_project('t_ingest_rules');
