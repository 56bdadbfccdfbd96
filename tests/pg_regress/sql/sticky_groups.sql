-- Groups that a user is in until further notice, as set_group, add_group and remove_group of the client libraries: semantics 1.4.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_sticky') > 0 AS created;
SET analytics_groups.project = 't_sticky';
SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;
SELECT analytics_groups.add_group_key('team_id', 'Team') IS NOT NULL AS added;

-- The list on the user's profile, and the groups of each event.
CREATE FUNCTION pg_temp.profile(id text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT analytics_groups.user_profile(id) - '$last_seen' - '$created'
$$;
CREATE FUNCTION pg_temp.groups() RETURNS TABLE (event text, company_id jsonb, team_id jsonb) LANGUAGE sql AS $$
    SELECT e ->> 'event', e #> '{properties,company_id}', e #> '{properties,team_id}'
    FROM analytics_groups.export_events('2024-01-01', '2024-01-01') AS e
    ORDER BY e #>> '{properties,time}', 1
$$;
CREATE FUNCTION pg_temp.companies(event text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(segment[1], ' ' ORDER BY segment[1] COLLATE "C")
    FROM analytics_groups.insights(jsonb_build_array(jsonb_build_object('event', event, 'measure', 'total', 'by', 'company_id')),
                                   '2024-01-01', '2024-01-01', unit => 'range', breakdown => '["group.company_id"]')
    WHERE value > 0
$$;

-- ---- set = register the list, and people.set -----------------------------------------------------------------------------
SELECT analytics_groups.track('01 before', 'u1', '{}', at => '2024-01-01 10:01Z');
SELECT analytics_groups.set_group('u1', 'company_id', '"acme"');
SELECT analytics_groups.track('02 set', 'u1', '{}', at => '2024-01-01 10:02Z');
SELECT pg_temp.profile('u1');
SELECT analytics_groups.set_group('u1', 'company_id', '["initech", 42, "initech"]');
SELECT analytics_groups.track('03 set to others', 'u1', '{}', at => '2024-01-01 10:03Z');
SELECT pg_temp.profile('u1');

-- ---- add = append if absent, and people.$union ---------------------------------------------------------------------------
SELECT analytics_groups.set_group('u1', 'company_id', '"acme"');
SELECT analytics_groups.add_group('u1', 'company_id', '"globex"');
SELECT analytics_groups.add_group('u1', 'company_id', '"acme"');
SELECT analytics_groups.add_group('u1', 'team_id', '7');
SELECT pg_temp.profile('u1');

-- All ways in: one event, an array, lines, COPY.
SELECT analytics_groups.track('04 one', 'u1', '{"plan": "pro"}', at => '2024-01-01 10:04Z');
SELECT analytics_groups.track('[{"event": "05 array", "properties": {"distinct_id": "u1", "time": 1704103500}}]') ->> 'code' AS code;
SELECT analytics_groups.track_ndjson('{"event": "06 lines", "properties": {"distinct_id": "u1", "time": 1704103560}}') ->> 'code' AS code;
COPY analytics_groups.inbox FROM STDIN;
{"event": "07 copy", "properties": {"distinct_id": "u1", "time": 1704103620}}
\.
-- What an event carries wins, as its properties win over super properties: another group, and none.
SELECT analytics_groups.track('08 its own', 'u1', '{"company_id": "hooli"}', at => '2024-01-01 10:08Z');
SELECT analytics_groups.track('09 null', 'u1', '{"company_id": null}', at => '2024-01-01 10:09Z');
SELECT analytics_groups.track('10 empty', 'u1', '{"company_id": ""}', at => '2024-01-01 10:10Z');
-- Nobody else is in them.
SELECT analytics_groups.track('11 somebody else', 'u2', '{}', at => '2024-01-01 10:11Z');
SELECT analytics_groups.track('12 nobody', NULL, '{}', at => '2024-01-01 10:12Z');
-- An import is history, which carries what it carries.
CREATE TEMP TABLE history AS SELECT 'u1' AS id, '2024-01-01 10:13Z'::timestamptz AS at;
SELECT analytics_groups.import_events('history', '{"event_name": "13 imported", "time_column": "at", "user_column": "id"}', mode => 'one_time')
    ->> 'num_records_imported' AS imported;

-- ---- remove = remove, and people.$remove; with the last one the key goes ---------------------------------------------------
SELECT analytics_groups.remove_group('u1', 'company_id', '"acme"');
SELECT pg_temp.profile('u1');
SELECT analytics_groups.track('14 one left', 'u1', '{}', at => '2024-01-01 10:14Z');
SELECT analytics_groups.remove_group('u1', 'company_id', '"absent"');
SELECT analytics_groups.remove_group('u1', 'company_id', '"globex"');
SELECT analytics_groups.remove_group('u1', 'team_id', '"7"');
SELECT pg_temp.profile('u1');
SELECT analytics_groups.track('15 none left', 'u1', '{}', at => '2024-01-01 10:15Z');
SELECT * FROM pg_temp.groups();
SELECT event, pg_temp.companies(event) AS companies FROM unnest('{01 before,02 set,03 set to others,04 one,08 its own,14 one left,15 none left}'::text[]) AS event;

-- An empty list takes the user out of all groups of the key.
SELECT analytics_groups.set_group('u1', 'company_id', '["a", "b"]');
SELECT analytics_groups.set_group('u1', 'company_id', '[]');
SELECT pg_temp.profile('u1') AS profile, (SELECT count(*) FROM analytics_t_sticky.sticky_group) AS held;

-- ---- The user is found under any id --------------------------------------------------------------------------------------
SELECT analytics_groups.identify('$device:phone', 'ann');
SELECT analytics_groups.add_group('$device:phone', 'company_id', '"acme"');
SELECT analytics_groups.track('ann', 'ann', '{}', at => '2024-01-01 11:00Z');
SELECT analytics_groups.track('phone', NULL, '{"$device_id": "phone"}', at => '2024-01-01 11:01Z');
SELECT event, pg_temp.companies(event) AS companies FROM unnest('{ann,phone}'::text[]) AS event;

-- ---- Wrong arguments -----------------------------------------------------------------------------------------------------
SELECT analytics_groups.set_group('u1', 'nope', '"acme"');
SELECT analytics_groups.set_group('u1', 'user', '"acme"');
SELECT analytics_groups.set_group('u1', NULL, '"acme"');
SELECT analytics_groups.set_group(NULL, 'company_id', '"acme"');
SELECT analytics_groups.set_group('', 'company_id', '"acme"');
SELECT analytics_groups.set_group('undefined', 'company_id', '"acme"');
SELECT analytics_groups.set_group('u1', 'company_id', NULL);
SELECT analytics_groups.set_group('u1', 'company_id', 'null');
SELECT analytics_groups.set_group('u1', 'company_id', '["acme", ""]');
SELECT analytics_groups.set_group('u1', 'company_id', 'true');
SELECT analytics_groups.set_group('u1', 'company_id', '[["acme"]]');
SELECT analytics_groups.add_group('u1', 'company_id', '["acme", "globex"]');
SELECT analytics_groups.add_group('u1', 'company_id', '""');
SELECT analytics_groups.set_group('u1', 'company_id', to_jsonb(repeat('x', 256)));
SELECT analytics_groups.set_group('u1', 'company_id', (SELECT jsonb_agg(i) FROM generate_series(1, 301) AS i));
SELECT analytics_groups.set_group('u1', 'company_id', (SELECT jsonb_agg(i) FROM generate_series(1, 300) AS i));
SELECT analytics_groups.add_group('u1', 'company_id', '301');
SELECT analytics_groups.set_group('u1', 'company_id', '[]');

-- ---- Deleting ------------------------------------------------------------------------------------------------------------
SELECT analytics_groups.set_group(u, 'company_id', '["acme", "globex"]') FROM unnest('{v1,v2}'::text[]) AS u;
SELECT analytics_groups.add_group('v2', 'team_id', '"red"');
-- A group is taken from its users; a user takes all of it along; a key goes with its groups.
SELECT analytics_groups.delete_group('company_id', 'acme');
SELECT kind, ids FROM analytics_t_sticky.sticky_group ORDER BY no, kind;
SELECT analytics_groups.delete_user('v1');
SELECT kind, ids FROM analytics_t_sticky.sticky_group ORDER BY no, kind;
SELECT analytics_groups.drop_group_key('team_id');
SELECT kind, ids FROM analytics_t_sticky.sticky_group ORDER BY no, kind;
CALL analytics_groups.maintain();
SELECT * FROM analytics_groups.erased('v1');

-- ---- For writers ---------------------------------------------------------------------------------------------------------
CREATE ROLE t_sticky_reader;
CREATE ROLE t_sticky_writer;
SELECT analytics_groups.create_project('t_sticky_rights') > 0 AS created;
SELECT analytics_groups.add_group_key('company_id', project => 't_sticky_rights') IS NOT NULL AS added;
SELECT analytics_groups.grant_access('t_sticky_reader', 'reader', project => 't_sticky_rights');
SELECT analytics_groups.grant_access('t_sticky_writer', 'writer', project => 't_sticky_rights');
SET ROLE t_sticky_reader;
SELECT analytics_groups.set_group('u1', 'company_id', '"acme"', project => 't_sticky_rights');
SET ROLE t_sticky_writer;
SELECT analytics_groups.set_group('u1', 'company_id', '"acme"', project => 't_sticky_rights');
SELECT analytics_groups.track('mine', 'u1', '{}', at => '2024-01-01 11:00Z', project => 't_sticky_rights');
SELECT e #> '{properties,company_id}' AS company_id FROM analytics_groups.export_events('2024-01-01', '2024-01-01', project => 't_sticky_rights') AS e;
RESET ROLE;
SELECT analytics_groups.drop_project('t_sticky_rights');
SELECT analytics_groups.drop_project('t_sticky');
DROP ROLE t_sticky_reader, t_sticky_writer;
