-- Raw export (semantics 2.13): every event as it was sent, in the JSON that ingestion takes.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SELECT count(analytics_groups.create_project(p)) AS created FROM unnest('{t_export,t_copy}'::text[]) AS p;
SET analytics_groups.project = 't_export';
SELECT count(analytics_groups.add_group_key(k, project => p)) AS registered
FROM unnest('{t_export,t_copy}'::text[]) AS p, unnest('{company_id,team_id}'::text[]) AS k;
SELECT analytics_groups.track_ndjson($$
{"event":"Visit","properties":{"time":1704099600,"$device_id":"d1","$insert_id":"v-1","path":"/"}}
{"event":"Sign Up","properties":{"time":1704099660.25,"$device_id":"d1","$user_id":"ann","company_id":"acme","team_id":["red","blue"]}}
{"event":"Visit","properties":{"time":1704186000,"$device_id":"d1","path":"","tags":["a",1,null,true]}}
{"event":"Purchase","properties":{"time":1704186060,"distinct_id":"bob","company_id":["globex","acme","globex"],"amount":49.5,"items":[{"sku":"p1","n":2}],"box":{"w":1,"h":{"unit":"cm"}}}}
{"event":"Purchase","properties":{"time":1704186060,"distinct_id":"bob","company_id":42,"amount":-3,"coupon":null,"$insert_id":"p-2"}}
{"event":"Purchase","properties":{"time":1704186060,"distinct_id":"bob","company_id":42,"amount":7,"vip":false,"$insert_id":"p-2"}}
{"event":"Heartbeat","properties":{"time":1704272400,"company_id":"acme","quote":"say \"hi\"\n\\ ünï"}}
{"event":"Visit","properties":{"time":1704272460,"distinct_id":"$device:d2"}}
$$) ->> 'num_records_imported' AS stored;
-- Links made by hand are not on any event.
SELECT analytics_groups.identify('$device:d2', 'ann');

-- Each event once (of the duplicates p-2 the last), with "time" in ms and the id that it is counted under. What was sent
-- as null is not set, and neither stored nor exported; the credential "token" and the address "ip" are not stored either.
CREATE FUNCTION pg_temp.exported(from_date date DEFAULT '2024-01-01', to_date date DEFAULT '2024-01-31', events text[] DEFAULT NULL,
                                 filter text DEFAULT NULL, project text DEFAULT NULL) RETURNS SETOF jsonb
LANGUAGE sql STABLE AS $$ SELECT e FROM analytics_groups.export_events(from_date, to_date, events, filter, project) AS e ORDER BY e #> '{properties,time}', e::text $$;
SELECT * FROM pg_temp.exported();
-- By days, which are those of the project's time zone; by event; by a condition, on profiles and groups as well.
SELECT count(*) FROM pg_temp.exported('2024-01-02', '2024-01-02');
SELECT e -> 'properties' ->> 'amount' AS amount FROM pg_temp.exported(events => '{Purchase,Nobody Did}') AS e;
SELECT count(*) FROM pg_temp.exported(events => '{}');
SELECT e ->> 'event' AS event FROM pg_temp.exported(filter => 'group["company_id"]["$group_id"] == "acme"') AS e;
SELECT e ->> 'event' AS event FROM pg_temp.exported(filter => 'properties["amount"] > 10') AS e;
-- The answer can be asked for in a select list, too, and a cursor need not read it to its end.
SELECT count(*) FROM (SELECT analytics_groups.export_events('2024-01-01', '2024-01-31')) AS e;
BEGIN READ ONLY;
DECLARE page CURSOR FOR SELECT e ->> 'event' FROM analytics_groups.export_events('2024-01-03', '2024-01-03') AS e;
MOVE 1 IN page;
COMMIT;

-- There and back: the copy answers what the original answers, before and after maintenance. Links that events make form
-- again; those made by hand are taken along first.
SELECT count(analytics_groups.merge(id, linked_to, project => 't_copy')) FROM analytics_groups.export_identities() WHERE id = '$device:d2';
SELECT id, linked_to FROM analytics_groups.export_identities(project => 't_export');
SELECT analytics_groups.track_ndjson(string_agg(e::text, E'\n'), project => 't_copy') - 'failed_records' AS taken FROM pg_temp.exported() AS e;
SELECT id, linked_to FROM analytics_groups.export_identities(project => 't_copy');
CREATE FUNCTION pg_temp.answers(project text) RETURNS TABLE (answer text) LANGUAGE sql AS $$
    SELECT e::text FROM pg_temp.exported(project => project) AS e
    UNION ALL SELECT i::text FROM analytics_groups.insights('["$any", {"event":"$any","measure":"unique"}, {"event":"$any","measure":"unique","by":"company_id"},
        {"event":"$any","measure":"unique","by":"team_id"}, {"event":"Purchase","measure":"sum","property":"amount"}]', '2024-01-01', '2024-01-05', project => project) AS i
    UNION ALL SELECT i::text FROM analytics_groups.insights('["$any"]', '2024-01-01', '2024-01-05', breakdown => '["path","tags"]', project => project) AS i
    UNION ALL SELECT f::text FROM analytics_groups.funnel('["Visit","Sign Up"]', '2024-01-01', '2024-01-05', project => project) AS f
    UNION ALL SELECT f::text FROM analytics_groups.funnel('["Sign Up","Purchase"]', '2024-01-01', '2024-01-05', by => 'company_id', project => project) AS f
    UNION ALL SELECT r::text FROM analytics_groups.retention('"Visit"', '"$any"', '2024-01-01', '2024-01-05', project => project) AS r
    UNION ALL SELECT f::text FROM analytics_groups.flows('"Visit"', '2024-01-01', '2024-01-05', project => project) AS f
    UNION ALL SELECT a::text FROM analytics_groups.activity('user', 'ann', '2024-01-01', '2024-01-05', project => project) AS a $$;
CREATE TEMP TABLE original AS SELECT pg_temp.answers('t_export') AS answer;
CREATE FUNCTION pg_temp.differences() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM ((TABLE original EXCEPT ALL SELECT pg_temp.answers('t_copy')) UNION ALL
                          (SELECT pg_temp.answers('t_copy') EXCEPT ALL TABLE original)) AS d $$;
SELECT count(*) > 40 AS answers, pg_temp.differences() FROM original;
CALL analytics_groups.maintain('t_copy');
SELECT pg_temp.differences();
CALL analytics_groups.maintain('t_export');
SELECT count(*) AS differences FROM (SELECT pg_temp.answers('t_export') EXCEPT ALL TABLE original) AS d;

-- Many rows go to disk, not into memory.
SET work_mem = '64kB';
SELECT analytics_groups.track_ndjson(string_agg(format('{"event":"Many","properties":{"time":%s,"distinct_id":"u%s","$insert_id":"m-%s","n":%s}}',
    1706745600 + i, i % 97, i, i), E'\n'), project => 't_copy') ->> 'num_records_imported' AS stored FROM generate_series(1, 5000) AS i;
SELECT count(*), count(DISTINCT e), sum((e #>> '{properties,n}')::int) FROM analytics_groups.export_events('2024-02-01', '2024-02-29', project => 't_copy') AS e;
RESET work_mem;

-- What is wrong is said.
SELECT * FROM analytics_groups.export_events(NULL, '2024-01-31');
SELECT * FROM analytics_groups.export_events('2024-02-01', '2024-01-31');
SELECT * FROM analytics_groups.export_events('2024-01-01', '2024-01-31', events => '{NULL}');
SELECT * FROM analytics_groups.export_events('2024-01-01', '2024-01-31', filter => 'properties["amount" > 1');
SELECT * FROM analytics_groups.export_events('2024-01-01', '2024-01-31', project => 'nowhere');
SELECT analytics_groups.drop_project(p) FROM unnest('{t_export,t_copy}'::text[]) AS p;
