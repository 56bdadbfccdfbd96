-- Which groups an event belongs to: semantics 1.3, row by row.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_attribution') > 0 AS created;
SET analytics_groups.project = 't_attribution';

SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;
SELECT analytics_groups.add_group_key('team_id', 'Team') IS NOT NULL AS added;

-- Every row of the table is an event name of its own, so that the reports below tell them apart.
SELECT analytics_groups.track('missing',            'u1', '{}',                                            at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('string',             'u1', '{"company_id": "acme"}',                        at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('list',               'u1', '{"company_id": ["acme", "globex"]}',            at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('list, twice',        'u1', '{"company_id": ["acme", "acme", "globex"]}',    at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('empty string',       'u1', '{"company_id": ""}',                            at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('empty in list',      'u1', '{"company_id": ["", "acme"]}',                  at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('null',               'u1', '{"company_id": null}',                          at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('null in list',       'u1', '{"company_id": [null, "acme"]}',                at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('empty list',         'u1', '{"company_id": []}',                            at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('number',             'u1', '{"company_id": 128746312}',                     at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('number 1.0',         'u1', '{"company_id": 1.0}',                           at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('numbers in list',    'u1', '{"company_id": [1, "1", 2]}',                   at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('other case of key',  'u1', '{"Company_Id": "acme"}',                        at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('other case of id',   'u1', '{"company_id": "Acme"}',                        at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('both keys',          'u1', '{"company_id": "acme", "team_id": "red"}',      at => '2024-01-01 10:00Z');

-- Booleans, objects and nested lists name no group. Strict ingestion refuses such an event and says why; lax ingestion stores it
-- without the group.
SELECT analytics_groups.track('[
  {"event": "boolean",     "properties": {"distinct_id": "u1", "time": 1704103200, "$insert_id": "a1", "company_id": true}},
  {"event": "object",      "properties": {"distinct_id": "u1", "time": 1704103200, "$insert_id": "a2", "company_id": {"id": "acme"}}},
  {"event": "nested list", "properties": {"distinct_id": "u1", "time": 1704103200, "$insert_id": "a3", "company_id": [["acme"], "globex"]}}]')
  -> 'failed_records' #> '{0}' AS first_of_three;
SELECT analytics_groups.track('[
  {"event": "lax boolean",     "properties": {"distinct_id": "u1", "time": 1704103200, "$insert_id": "b1", "company_id": true}},
  {"event": "lax object",      "properties": {"distinct_id": "u1", "time": 1704103200, "$insert_id": "b2", "company_id": {"id": "acme"}}},
  {"event": "lax nested list", "properties": {"distinct_id": "u1", "time": 1704103200, "$insert_id": "b3", "company_id": [["acme"], "globex"]}}]', strict => false)
  ->> 'num_records_imported' AS imported;

-- More than 300 groups of one event: the first 300 different ones count, the rest is reported.
SELECT analytics_groups.track(jsonb_build_object('event', '301 groups', 'properties', jsonb_build_object(
    'distinct_id', 'u1', 'time', 1704103200, '$insert_id', 'a4',
    'company_id', (SELECT jsonb_agg('g' || lpad((i / 2)::text, 3, '0') ORDER BY i) FROM generate_series(0, 601) AS i))));

-- What could not be attributed is counted and never lost without a word.
SELECT property, unattributed_values FROM analytics_groups.group_keys WHERE project = 't_attribution' ORDER BY property;
SELECT outcome, field, message, sum(records) AS records FROM analytics_groups.ingest_errors WHERE project = 't_attribution'
GROUP BY outcome, field, message ORDER BY outcome, field, message;

-- How many events there are, and which companies and teams they belong to.
CREATE FUNCTION pg_temp.groups_of(event text, key text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN count(*) > 10 THEN count(*) || ' groups' ELSE string_agg(segment[1], ' ' ORDER BY segment[1] COLLATE "C") END
    FROM analytics_groups.insights(jsonb_build_array(jsonb_build_object('event', event, 'measure', 'total', 'by', key)),
                                   '2024-01-01', '2024-01-01', unit => 'range',
                                   breakdown => jsonb_build_array('group.' || key), top => 1000)
    WHERE value > 0
$$;
CREATE FUNCTION pg_temp.events_of(event text) RETURNS float8 LANGUAGE sql AS $$
    SELECT value FROM analytics_groups.insights(jsonb_build_array(event), '2024-01-01', '2024-01-01')
$$;
SELECT event, pg_temp.events_of(event) AS events, pg_temp.groups_of(event, 'company_id') AS companies, pg_temp.groups_of(event, 'team_id') AS teams
FROM unnest('{missing,string,list,"list, twice",empty string,empty in list,"null",null in list,empty list,number,number 1.0,
numbers in list,other case of key,other case of id,both keys,boolean,object,nested list,lax boolean,lax object,lax nested list,301 groups}'::text[])
     WITH ORDINALITY AS t(event, n)
ORDER BY n;

-- An event of two companies is one event in a total and one in each company's own row.
SELECT metric, segment, value
FROM analytics_groups.insights('[{"event": "list", "measure": "total", "by": "company_id"}]', '2024-01-01', '2024-01-01',
                               unit => 'range');
SELECT metric, segment, value
FROM analytics_groups.insights('[{"event": "list", "measure": "total", "by": "company_id"}]', '2024-01-01', '2024-01-01',
                               unit => 'range', breakdown => '["group.company_id"]')
ORDER BY segment;

-- The worked example of 1.3: 5 events, 4 users, 3 companies (acme, globex, 42), 1 team.
SELECT analytics_groups.create_project('t_attribution_example') > 0 AS created;
SET analytics_groups.project = 't_attribution_example';
SELECT analytics_groups.add_group_key('company_id') IS NOT NULL AS added;
SELECT analytics_groups.add_group_key('team_id') IS NOT NULL AS added;
SELECT analytics_groups.track('e1', 'u1', '{"company_id": "acme", "team_id": "eng"}', at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('e2', 'u2', '{"company_id": ["acme", "globex"]}', at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('e3', 'u3', '{"company_id": ""}', at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('e4', 'u4', '{"Company_ID": "acme"}', at => '2024-01-01 10:00Z');
SELECT analytics_groups.track('e5', 'u1', '{"company_id": 42}', at => '2024-01-01 10:00Z');
SELECT metric, value
FROM analytics_groups.insights('[{"event": "$any", "measure": "total", "label": "1 events"},
                                 {"event": "$any", "measure": "unique", "label": "2 users"},
                                 {"event": "$any", "measure": "unique", "by": "company_id", "label": "3 companies"},
                                 {"event": "$any", "measure": "unique", "by": "team_id", "label": "4 teams"}]',
                               '2024-01-01', '2024-01-01')
ORDER BY metric;

-- No backfill: what was sent before the key existed stays outside, unless asked for.
SELECT analytics_groups.track('e6', 'u5', '{"plan_id": "gold"}', at => '2024-01-02 10:00Z');
SELECT analytics_groups.add_group_key('plan_id') IS NOT NULL AS added;
SELECT analytics_groups.track('e6', 'u5', '{"plan_id": "silver"}', at => '2024-01-02 11:00Z');
SELECT property, groups, attributed_events FROM analytics_groups.group_keys WHERE project = 't_attribution_example' AND property = 'plan_id';
SELECT value FROM analytics_groups.insights('[{"event": "e6", "measure": "unique", "by": "plan_id"}]', '2024-01-02', '2024-01-02');
SELECT analytics_groups.track('e7', 'u5', '{"tier_id": "gold"}', at => '2024-01-02 10:00Z');
SELECT analytics_groups.add_group_key('tier_id', backfill => true) IS NOT NULL AS added;
SELECT analytics_groups.track('e7', 'u5', '{"tier_id": "silver"}', at => '2024-01-02 11:00Z');
SELECT value FROM analytics_groups.insights('[{"event": "e7", "measure": "unique", "by": "tier_id"}]', '2024-01-02', '2024-01-02');

-- A company on the user's profile attributes none of the user's events.
SELECT analytics_groups.update_users('{"$distinct_id": "u9", "$set": {"company_id": ["acme"]}}') ->> 'status' AS status;
SELECT analytics_groups.track('e9', 'u9', '{}', at => '2024-01-03 10:00Z');
SELECT value FROM analytics_groups.insights('[{"event": "e9", "measure": "unique", "by": "company_id"}]', '2024-01-03', '2024-01-03');

-- All of it is the same after compaction.
CALL analytics_groups.maintain('t_attribution_example');
CALL analytics_groups.maintain('t_attribution');
SELECT metric, value
FROM analytics_groups.insights('[{"event": "$any", "measure": "total", "label": "1 events"},
                                 {"event": "$any", "measure": "unique", "label": "2 users"},
                                 {"event": "$any", "measure": "unique", "by": "company_id", "label": "3 companies"},
                                 {"event": "$any", "measure": "unique", "by": "team_id", "label": "4 teams"}]',
                               '2024-01-01', '2024-01-01')
ORDER BY metric;
SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.drop_project('t_attribution_example');
SET analytics_groups.project = 't_attribution';
SELECT event, pg_temp.groups_of(event, 'company_id') AS companies, pg_temp.groups_of(event, 'team_id') AS teams
FROM unnest('{list,"list, twice",empty in list,null in list,numbers in list,other case of id,both keys,lax nested list,301 groups}'::text[])
     WITH ORDINALITY AS t(event, n)
ORDER BY n;

SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.drop_project('t_attribution');
