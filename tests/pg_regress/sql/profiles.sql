-- Profiles of users and groups: semantics 2.7 and 2.8.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_profiles') > 0 AS created;
SET analytics_groups.project = 't_profiles';

SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;

-- The times of creation and change are today's; the rest is what is compared.
CREATE FUNCTION pg_temp.u(id text) RETURNS jsonb LANGUAGE sql AS $$ SELECT analytics_groups.user_profile(id) - '$last_seen' - '$created' $$;
CREATE FUNCTION pg_temp.g(id text) RETURNS jsonb LANGUAGE sql AS $$ SELECT analytics_groups.group_profile('company_id', id) - '$last_seen' - '$created' $$;
CREATE FUNCTION pg_temp.user_op(op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE a jsonb := analytics_groups.update_users('{"$distinct_id": "u1"}'::jsonb || op);
BEGIN
    RETURN CASE WHEN a ->> 'code' = '200' THEN pg_temp.u('u1') ELSE a -> 'failed_records' END;
END $$;
CREATE FUNCTION pg_temp.group_op(op jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE a jsonb := analytics_groups.update_groups('{"$group_key": "company_id", "$group_id": "acme"}'::jsonb || op);
BEGIN
    RETURN CASE WHEN a ->> 'code' = '200' THEN pg_temp.g('acme') ELSE a -> 'failed_records' END;
END $$;

-- ---- The example of 2.7, step by step, for a user and for a group ------------------------------------------------------
SELECT pg_temp.u('u1') IS NULL AS "no profile yet";
SELECT pg_temp.user_op('{"$set": {"plan": "pro", "n": 1}}');
SELECT pg_temp.user_op('{"$set_once": {"plan": "free", "src": "ad"}}');
SELECT pg_temp.user_op('{"$add": {"n": 2, "m": -1}}');
SELECT pg_temp.user_op('{"$append": {"t": "x"}}');
SELECT pg_temp.user_op('{"$append": {"t": "x"}}');
SELECT pg_temp.user_op('{"$union": {"t": ["x", "y"]}}');
SELECT pg_temp.user_op('{"$remove": {"t": "x"}}');
SELECT pg_temp.user_op('{"$unset": ["src"]}');

SELECT pg_temp.group_op('{"$set": {"plan": "pro", "n": 1}}');
SELECT pg_temp.group_op('{"$set_once": {"plan": "free", "src": "ad"}}');
SELECT pg_temp.group_op('{"$add": {"n": 2, "m": -1}}');
SELECT pg_temp.group_op('{"$append": {"t": "x"}}');
SELECT pg_temp.group_op('{"$append": {"t": "x"}}');
SELECT pg_temp.group_op('{"$union": {"t": ["x", "y"]}}');
SELECT pg_temp.group_op('{"$remove": {"t": "x"}}');
SELECT pg_temp.group_op('{"$unset": ["src"]}');

-- ---- The corners -------------------------------------------------------------------------------------------------------
SELECT pg_temp.user_op('{"$set": {"empty": "", "nothing": null, "list": [1, "1"], "object": {"a": 1}}}');
-- Equality is typed: 1 is not "1".
SELECT pg_temp.user_op('{"$union": {"list": [1, "2"]}}');
SELECT pg_temp.user_op('{"$remove": {"list": "1"}}');
SELECT pg_temp.user_op('{"$remove": {"list": "absent"}}');
-- A scalar is a list of one for append and union.
SELECT pg_temp.user_op('{"$append": {"plan": "max"}}');
SELECT pg_temp.user_op('{"$set": {"plan": "pro"}}');
-- A type that does not fit is an error of this record.
SELECT pg_temp.user_op('{"$add": {"plan": 1}}');
SELECT pg_temp.user_op('{"$add": {"n": "1"}}');
SELECT pg_temp.user_op('{"$union": {"t": "x"}}');
SELECT pg_temp.user_op('{"$union": {"t": []}}');
SELECT pg_temp.user_op('{"$remove": {"n": 99}}');
SELECT pg_temp.user_op('{"$unset": "n"}');
SELECT pg_temp.user_op('{"$set": 5}');
SELECT pg_temp.user_op('{"$sett": {"n": 1}}');
SELECT pg_temp.user_op('{}');
-- Several operations in one object run in the order of the table.
SELECT pg_temp.user_op('{"$unset": ["m"], "$append": {"o": 1}, "$set": {"o": [0], "m": 5}, "$add": {"m": 1}}');
-- $delete removes the profile whatever its value; the events stay.
SELECT analytics_groups.track('Seen', 'u1', '{"company_id": "acme"}', at => '2024-01-01 10:00Z');
SELECT pg_temp.user_op('{"$delete": ""}');
SELECT pg_temp.group_op('{"$delete": ""}');
SELECT metric, value
FROM analytics_groups.insights('[{"event": "Seen", "measure": "unique", "label": "users"},
                                 {"event": "Seen", "measure": "unique", "by": "company_id", "label": "companies"}]',
                               '2024-01-01', '2024-01-01') ORDER BY metric DESC;

-- ---- Batches -----------------------------------------------------------------------------------------------------------
-- Good updates are stored although others fail.
SELECT jsonb_pretty(analytics_groups.update_groups('[
  {"$group_key": "company_id", "$group_id": "globex", "$set": {"plan": "free"}},
  {"$group_key": "nobody_id",  "$group_id": "x",      "$set": {"plan": "free"}},
  {"$group_key": "company_id", "$set": {"plan": "free"}},
  {"$group_id": "y", "$set": {"plan": "free"}},
  {"$group_key": "company_id", "$group_id": "", "$set": {"plan": "free"}},
  {"$group_key": "company_id", "$group_id": 42, "$set": {"plan": "enterprise"}}]'));
SELECT jsonb_pretty(analytics_groups.update_users('[
  {"$distinct_id": "u2", "$set": {"plan": "free"}},
  {"$set": {"plan": "free"}},
  {"$distinct_id": "", "$set": {"plan": "free"}},
  7]'));
SELECT pg_temp.g('globex') AS globex, pg_temp.g('42') AS "42", pg_temp.u('u2') AS u2;
-- The same profile twice in one batch: in order.
SELECT analytics_groups.update_users('[{"$distinct_id": "u3", "$set": {"n": 1}}, {"$distinct_id": "u3", "$add": {"n": 1}}]') ->> 'code' AS code;
SELECT pg_temp.u('u3');

-- ---- Profiles join events when the question is asked, with the value of now ----------------------------------------------
SELECT analytics_groups.track('Seen', 'u2', '{"company_id": "globex"}', at => '2024-01-01 11:00Z');
SELECT segment[1] AS plan, value
FROM analytics_groups.insights('[{"event": "Seen", "measure": "unique", "by": "company_id"}]', '2024-01-01', '2024-01-01',
                               breakdown => '["group.company_id.plan"]') ORDER BY segment;
SELECT analytics_groups.update_groups('{"$group_key": "company_id", "$group_id": "globex", "$set": {"plan": "pro"}}') ->> 'code' AS code;
SELECT segment[1] AS plan, value
FROM analytics_groups.insights('[{"event": "Seen", "measure": "unique", "by": "company_id"}]', '2024-01-01', '2024-01-01',
                               breakdown => '["group.company_id.plan"]') ORDER BY segment;

-- A profile may be large, not endless.
SELECT analytics_groups.update_users(jsonb_build_object('$distinct_id', 'u4', '$set',
    (SELECT jsonb_object_agg('p' || i, i) FROM generate_series(1, 2001) AS i))) #>> '{failed_records,0,message}' AS "2001 properties";
SELECT analytics_groups.update_users(jsonb_build_object('$distinct_id', 'u4', '$set',
    jsonb_build_object('l', (SELECT jsonb_agg(repeat('x', 200)) FROM generate_series(1, 2000))))) #>> '{failed_records,0,message}' AS "a list of 400 kB";

SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.drop_project('t_profiles');
