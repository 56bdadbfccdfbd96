-- What track and track_ndjson accept, what they refuse and what they say: semantics 2.2, 2.4 and 2.5.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_ingest_validation') > 0 AS created;
SET analytics_groups.project = 't_ingest_validation';

SELECT analytics_groups.add_group_key('company_id') IS NOT NULL AS added;

-- One event with these properties over good ones; answers the first failed record, or how many were imported.
CREATE FUNCTION pg_temp.try(event jsonb, properties jsonb, strict boolean DEFAULT true) RETURNS text LANGUAGE sql AS $$
    SELECT (a ->> 'code') || ' ' || (a ->> 'num_records_imported') || ' imported'
           || coalesce(': ' || (a #>> '{failed_records,0,field}') || ': ' || (a #>> '{failed_records,0,message}'), '')
    FROM analytics_groups.track(jsonb_build_object('event', event, 'properties',
             '{"distinct_id": "u1", "time": 1704103200, "$insert_id": "i-1"}'::jsonb || properties), strict) AS a
$$;

-- ---- The answer -----------------------------------------------------------------------------------------------------
-- Good records are stored although others fail.
SELECT jsonb_pretty(analytics_groups.track('[
  {"event": "Good", "properties": {"distinct_id": "u1", "time": 1704103200, "$insert_id": "g1"}},
  {"event": "Late", "properties": {"distinct_id": "u1", "time": -5, "$insert_id": "g2"}},
  {"properties": {"distinct_id": "u1", "time": 1704103200, "$insert_id": "g3"}},
  {"event": "Good", "properties": {"distinct_id": "u2", "time": 1704103200, "$insert_id": "g4"}}]'));
SELECT jsonb_pretty(analytics_groups.track('[]'));
SELECT jsonb_pretty(analytics_groups.track_ndjson(''));
-- on_error => 'abort' makes it all or nothing.
SELECT analytics_groups.track('[
  {"event": "Good", "properties": {"distinct_id": "u3", "time": 1704103200, "$insert_id": "g5"}},
  {"event": "Late", "properties": {"distinct_id": "u3", "time": -5, "$insert_id": "g6"}}]', on_error => 'abort');
SELECT value FROM analytics_groups.insights('[{"event": "Good", "measure": "unique"}]', '2024-01-01', '2024-01-01');

-- ---- Records --------------------------------------------------------------------------------------------------------
SELECT pg_temp.try('"E"', '{}')                            AS fine;
SELECT pg_temp.try('null', '{}')                           AS "event null";
SELECT pg_temp.try('""', '{}')                             AS "event empty";
SELECT pg_temp.try('7', '{}')                              AS "event a number";
SELECT pg_temp.try(to_jsonb(repeat('n', 300)), '{}')       AS "event of 300 characters";
SELECT analytics_groups.track('{"event": "E"}') -> 'failed_records' AS "no properties";
SELECT analytics_groups.track('{"event": "E", "properties": []}') -> 'failed_records' AS "properties a list";
SELECT analytics_groups.track('["E", 1, null]') -> 'failed_records' AS "records that are none";
SELECT analytics_groups.track('"E"'::jsonb) AS "a string";
SELECT analytics_groups.track(NULL::jsonb) AS "nothing";

-- ---- time -----------------------------------------------------------------------------------------------------------
-- Seconds, seconds with a fraction, milliseconds: the same instant.
SELECT pg_temp.try('"Time"', '{"time": 1704103200, "$insert_id": "t1"}') AS seconds;
SELECT pg_temp.try('"Time"', '{"time": 1704103200.25, "$insert_id": "t2"}') AS fraction;
SELECT pg_temp.try('"Time"', '{"time": 1704103200250, "$insert_id": "t3"}') AS milliseconds;
SELECT bucket, value FROM analytics_groups.insights('["Time"]', '2024-01-01', '2024-01-01', unit => 'hour') WHERE value > 0;
SELECT pg_temp.try('"Time"', '{"time": null}')             AS "null";
SELECT pg_temp.try('"Time"', '{"time": "1704103200"}')     AS "a string of digits";
SELECT pg_temp.try('"Time"', '{"time": "yesterday"}')      AS "a word";
SELECT pg_temp.try('"Time"', '{"time": true}')             AS "a boolean";
SELECT pg_temp.try('"Time"', '{"time": -1}')               AS negative;
SELECT pg_temp.try('"Time"', '{"time": 0}')                AS zero;
SELECT pg_temp.try('"Time"', '{"time": 31535999}')         AS "the last second of 1970";
SELECT pg_temp.try('"Time"', '{"time": 31536000}')         AS "the first of 1971";
SELECT pg_temp.try('"Time"', '{"time": 9999999999}')       AS "the year 2286";
SELECT pg_temp.try('"Time"', '{"time": 1e300}')            AS "1e300";
SELECT pg_temp.try('"Time"', '{"time": 9223372036854775807}') AS "the largest bigint";
-- Up to an hour ahead is a clock that is wrong: it becomes now. More is refused.
SELECT pg_temp.try('"Time"', jsonb_build_object('time', extract(epoch FROM now())::bigint + 1800)) AS "half an hour ahead";
SELECT pg_temp.try('"Time"', jsonb_build_object('time', extract(epoch FROM now())::bigint + 7200)) AS "two hours ahead";
SELECT analytics_groups.track('Time', 'u1', at => now() + interval '2 hours');
SELECT analytics_groups.track('Time', 'u1', at => 'infinity');
SELECT analytics_groups.track('Time', 'u1', at => '-infinity');
SELECT analytics_groups.track('Time', 'u1', at => NULL);

-- ---- distinct_id ----------------------------------------------------------------------------------------------------
SELECT pg_temp.try('"Id"', '{"distinct_id": ""}')          AS "empty: nobody";
SELECT pg_temp.try('"Id"', '{"distinct_id": 42}')          AS "a number";
SELECT pg_temp.try('"Id"', '{"distinct_id": ["u1"]}')      AS "a list";
SELECT id, pg_temp.try('"Id"', jsonb_build_object('distinct_id', id)) AS answer
FROM unnest('{00000000-0000-0000-0000-000000000000,anon,anonymous,nil,none,"null",n/a,na,undefined,unknown,<nil>,0,-1,true,false,[],"{}",Anonymous}'::text[])
     WITH ORDINALITY AS t(id, n)
ORDER BY n;

-- ---- $insert_id -----------------------------------------------------------------------------------------------------
SELECT pg_temp.try('"Insert"', '{"$insert_id": "0123456789abcdefABCDEF-0123456789abc"}') AS "36 bytes";
SELECT pg_temp.try('"Insert"', '{"$insert_id": "0123456789abcdefABCDEF-0123456789abcd"}') AS "37 bytes";
SELECT pg_temp.try('"Insert"', '{"$insert_id": "a_b"}')    AS "an underscore";
SELECT pg_temp.try('"Insert"', '{"$insert_id": "ä"}')      AS "a letter of another alphabet";
SELECT pg_temp.try('"Insert"', '{"$insert_id": "none"}')   AS "a banned one";
SELECT pg_temp.try('"Insert"', '{"$insert_id": ""}')       AS "empty";
SELECT pg_temp.try('"Insert"', '{"$insert_id": null}')     AS "null";
SELECT pg_temp.try('"Insert"', '{"$insert_id": 5}')        AS "a number";

-- ---- Properties -----------------------------------------------------------------------------------------------------
CREATE FUNCTION pg_temp.many(n int) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_object_agg('p' || i, i) FROM generate_series(1, n) AS i $$;
SELECT pg_temp.try('"Props"', pg_temp.many(200))           AS "200 properties";
SELECT pg_temp.try('"Props"', pg_temp.many(300))           AS "300 properties";
SELECT pg_temp.try('"Props"', jsonb_build_object('o', pg_temp.many(254))) AS "254 keys in an object";
SELECT pg_temp.try('"Props"', jsonb_build_object('o', pg_temp.many(256))) AS "256 keys in an object";
SELECT pg_temp.try('"Props"', '{"o": {"a": {"b": 1}}}')    AS "nested 2 deep";
SELECT pg_temp.try('"Props"', '{"o": {"a": {"b": {"c": {"d": 1}}}}}') AS "nested 4 deep";
SELECT pg_temp.try('"Props"', jsonb_build_object('l', (SELECT jsonb_agg(i) FROM generate_series(1, 254) AS i))) AS "a list of 254";
SELECT pg_temp.try('"Props"', jsonb_build_object('l', (SELECT jsonb_agg(i) FROM generate_series(1, 256) AS i))) AS "a list of 256";
SELECT pg_temp.try('"Props"', jsonb_build_object('company_id', (SELECT jsonb_agg('c' || i) FROM generate_series(1, 290) AS i)))
    AS "290 groups: a group key's list may be longer";
SELECT pg_temp.try('"Props"', jsonb_build_object('l', (SELECT jsonb_agg(repeat('x', 100)) FROM generate_series(1, 100))))
    AS "a list of 10 kB";
SELECT pg_temp.try('"Cut"', jsonb_build_object('s', repeat('x', 300))) AS "a string of 300 is cut to 255";
SELECT pg_temp.try('"Props"', jsonb_build_object(repeat('k', 300), 1)) AS "a name of 300";
SELECT pg_temp.try('"Props"', jsonb_build_object('s', repeat('x', 1100000))) AS "a record over 1 MB";
SELECT pg_temp.try('"Props"', '{"bucket": 1}')             AS "a reserved name";
SELECT pg_temp.try('"Props"', '{"": 1}')                   AS "an empty name";
SELECT pg_temp.try('"Props"', '{"n": 1e400}') ~ '^(200|400) ' AS "a number beyond float8 has an answer";
-- $ignore drops the event without a word.
SELECT pg_temp.try('"Ignored"', '{"$ignore": true}')       AS ignored;
SELECT value FROM analytics_groups.insights('["Ignored"]', '2024-01-01', '2024-01-01');
-- A cut string counts as what is left of it.
SELECT length(segment[1]) AS characters, value
FROM analytics_groups.insights('["Cut"]', '2024-01-01', '2024-01-01', breakdown => '["s"]');

-- ---- strict => false: what can be made good is made good -----------------------------------------------------------------
SELECT pg_temp.try('"Lax"', jsonb_build_object('time', extract(epoch FROM now())::bigint + 7200), false) AS "the future is now";
SELECT pg_temp.try('"Lax"', '{"time": -1}', false) AS "before 1971";
SELECT analytics_groups.track('[{"event": "Lax", "properties": {"distinct_id": "u1", "time": 1704103200}}, 5]', strict => false);

-- ---- NDJSON ---------------------------------------------------------------------------------------------------------
-- One bad line in the middle costs nothing but itself. Blank lines are no records, CR LF ends a line like LF.
SELECT jsonb_pretty(analytics_groups.track_ndjson(concat_ws(E'\n',
    '{"event":"Line","properties":{"distinct_id":"u1","time":1704103200,"$insert_id":"l1"}}',
    '{"event":"Line","properties":{"distinct_id":"u2","time":1704103200,"$insert_id":"l2"',
    '',
    'hello',
    E'{"event":"Line","properties":{"distinct_id":"u3","time":1704103200,"$insert_id":"l3"}}\r',
    '[{"event":"Line"}]',
    '{"event":"Line","properties":{"distinct_id":"u4","time":1704103200,"$insert_id":"l4"}} trailing',
    '{"event":"Line","properties":{"distinct_id":"u5","time":1704103200,"$insert_id":"l5"}}')));
SELECT value FROM analytics_groups.insights('[{"event": "Line", "measure": "unique"}]', '2024-01-01', '2024-01-01');
-- What text cannot hold comes as bytea: invalid UTF-8, a zero byte, an escaped zero, half a surrogate pair.
SELECT jsonb_pretty(analytics_groups.track_ndjson(
    '{"event":"Bytes","properties":{"distinct_id":"u1","time":1704103200,"$insert_id":"b1","s":"'::bytea || '\xff'::bytea || '"}}'::bytea
    || '\x0a'::bytea
    || '{"event":"Bytes","properties":{"distinct_id":"u2","time":1704103200,"$insert_id":"b2","s":"'::bytea || '\x00'::bytea || '"}}'::bytea
    || '\x0a'::bytea
    || convert_to('{"event":"Bytes","properties":{"distinct_id":"u3","time":1704103200,"$insert_id":"b3","s":"' || chr(92) || 'u0000"}}', 'UTF8')
    || '\x0a'::bytea
    || convert_to('{"event":"Bytes","properties":{"distinct_id":"u4","time":1704103200,"$insert_id":"b4","s":"' || chr(92) || 'ud800"}}', 'UTF8')
    || '\x0a'::bytea
    || convert_to('{"event":"Bytes","properties":{"distinct_id":"ü5","time":1704103200,"$insert_id":"b5","s":"größe"}}', 'UTF8')));
SELECT segment[1] AS s, value
FROM analytics_groups.insights('["Bytes"]', '2024-01-01', '2024-01-01', breakdown => '["s"]') ORDER BY segment;
-- Ten thousand brackets are refused, not followed.
SELECT analytics_groups.track_ndjson('{"event":"Deep","properties":{"distinct_id":"u1","time":1704103200,"$insert_id":"d1","x":'
    || repeat('[', 10000) || repeat(']', 10000) || '}}') #>> '{failed_records,0,message}' AS deep;
SELECT analytics_groups.track_ndjson(repeat('{"a":', 10000)) #>> '{failed_records,0,message}' AS deep;
SELECT analytics_groups.track_ndjson(NULL::text) AS nothing;
-- The same property twice in one object: the last one counts.
SELECT analytics_groups.track_ndjson('{"event":"Twice","properties":{"distinct_id":"u1","time":1704103200,"$insert_id":"w1","s":"first","s":"last"}}') ->> 'code' AS code;
SELECT segment[1] AS s, value FROM analytics_groups.insights('["Twice"]', '2024-01-01', '2024-01-01', breakdown => '["s"]');

SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.drop_project('t_ingest_validation');
