-- What a project answers and holds, as lines of text that do not depend on where rows lie on disk. Two servers with the same
-- lines hold the same project. Reports only: digest_store.sql adds the tables themselves.
\pset format unaligned
\pset tuples_only on
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET client_min_messages = warning;
SELECT 'keys', property, display_name, data_group_id, is_company_key, groups, attributed_events FROM analytics_groups.group_keys WHERE project = 'default' ORDER BY property COLLATE "C";
SELECT 'events', project, event FROM analytics_groups.lexicon_events WHERE project = 'default' ORDER BY event COLLATE "C";
SELECT 'insights', md5(string_agg(i::text, E'\n' ORDER BY i::text COLLATE "C")), count(*)
FROM analytics_groups.insights('[{"event": "$any", "measure": "unique", "label": "users"}, {"event": "$any", "measure": "total", "label": "events"},
                                 {"event": "$any", "measure": "unique", "by": "company_id", "label": "companies"},
                                 {"event": "Payment", "filter": "properties[\"amount\"] > 100", "label": "large payments"}]', '2024-01-01', '2024-04-30') AS i;
SELECT 'breakdown', md5(string_agg(i::text, E'\n' ORDER BY i::text COLLATE "C")), count(*)
FROM analytics_groups.insights('[{"event": "$any", "measure": "unique", "by": "company_id"}]', '2024-01-01', '2024-04-30', unit => 'week',
                               breakdown => '["group.company_id.plan", "country"]') AS i;
SELECT 'measures', md5(string_agg(i::text, E'\n' ORDER BY i::text COLLATE "C")), count(*)
FROM analytics_groups.insights('[{"event": "Payment", "measure": "sum", "property": "amount"}, {"event": "Payment", "measure": "p90", "property": "amount"},
                                 {"event": "$any", "measure": "wau", "by": "company_id"}, {"event": "$any", "measure": "cumulative_unique"},
                                 {"event": "$any", "measure": "distribution", "by": "company_id"}]', '2024-01-01', '2024-04-30', unit => 'week', rolling => 2) AS i;
SELECT 'lifecycle', by, md5(string_agg(l::text, E'\n' ORDER BY l::text COLLATE "C")), count(*)
FROM unnest('{user,company_id}'::text[]) AS by, analytics_groups.lifecycle('"$any"', '2024-01-01', '2024-03-31', by => by) AS l GROUP BY by ORDER BY by;
SELECT 'frequency', by, md5(string_agg(f::text, E'\n' ORDER BY f::text COLLATE "C")), count(*)
FROM unnest('{user,company_id}'::text[]) AS by, analytics_groups.frequency('"$any"', '2024-01-01', '2024-03-31', by => by) AS f GROUP BY by ORDER BY by;
SELECT 'funnel', by, f.* FROM unnest('{user,company_id,team_id}'::text[]) AS by,
     analytics_groups.funnel('["Sign Up", "Invite Sent", "Payment"]', '2024-01-01', '2024-04-30', by => by, within => '30 days') AS f ORDER BY by, step;
SELECT 'attempts', ordering, md5(string_agg(f::text, E'\n' ORDER BY f::text COLLATE "C")), count(*) FROM unnest('{loose,any,strict}'::text[]) AS ordering,
     analytics_groups.funnel('["Sign Up", "Invite Sent", "Payment"]', '2024-01-01', '2024-04-30', within => '30 days', count => 'total', ordering => ordering,
                             reentry => 'optimized', breakdown => '["country"]') AS f GROUP BY ordering ORDER BY ordering;
SELECT 'retention', by, md5(string_agg(r::text, E'\n' ORDER BY r::text COLLATE "C")), count(*)
FROM unnest('{user,company_id}'::text[]) AS by,
     analytics_groups.retention('"Sign Up"', '"$any"', '2024-01-01', '2024-03-31', by => by, unit => 'week') AS r GROUP BY by ORDER BY by;
SELECT 'sessions', by, md5(string_agg(s::text, E'\n' ORDER BY s::text COLLATE "C")), count(*)
FROM unnest('{user,company_id}'::text[]) AS by, analytics_groups.sessions('2024-01-01', '2024-03-31', by => by) AS s GROUP BY by ORDER BY by;
SELECT 'flows', by, counting, md5(string_agg(f::text, E'\n' ORDER BY f::text COLLATE "C")), count(*)
FROM unnest('{user,company_id}'::text[]) AS by, unnest('{unique,total}'::text[]) AS counting,
     analytics_groups.flows('"Sign Up"', '2024-01-01', '2024-03-31', by => by, count => counting, rows => 10) AS f GROUP BY by, counting ORDER BY by, counting;
SELECT 'segments', by, md5(string_agg(s::text, E'\n' ORDER BY s::text COLLATE "C")), count(*)
FROM unnest('{user,company_id}'::text[]) AS by, analytics_groups.sessions('2024-01-01', '2024-03-31', by => by, unit => 'week', breakdown => '["country", "$origin_start"]') AS s GROUP BY by ORDER BY by;
SELECT 'counted sessions', by, i.value, f.step, f.count FROM unnest('{user,company_id}'::text[]) AS by,
     analytics_groups.insights(jsonb_build_object('event', 'Payment', 'measure', 'sessions', 'by', by), '2024-01-01', '2024-03-31', unit => 'range') AS i,
     analytics_groups.funnel('["Sign Up", "Invite Sent", "Payment"]', '2024-01-01', '2024-03-31', by => by, count => 'sessions') AS f ORDER BY by, f.step;
SELECT 'journeys', by, counting, md5(string_agg(f::text, E'\n' ORDER BY f::text COLLATE "C")), count(*)
FROM unnest('{user,company_id}'::text[]) AS by, unnest('{unique,total,sessions}'::text[]) AS counting,
     analytics_groups.flows('["Sign Up", {"event": "Payment", "reverse": 2}]', '2024-01-01', '2024-03-31', by => by, count => counting, split => '{"Payment": "country"}') AS f GROUP BY by, counting ORDER BY by, counting;
SELECT 'whom', by, (SELECT md5(string_agg(m::text, E'\n')) FROM analytics_groups.insights_members(jsonb_build_object('event', '$any', 'by', by), '2024-01-01', '2024-04-30', unit => 'range') AS m),
       (SELECT md5(string_agg(m::text, E'\n')) FROM analytics_groups.funnel_members('["Sign Up", "Invite Sent", "Payment"]', '2024-01-01', '2024-04-30', by => by, within => '30 days', step => 2, outcome => 'dropped') AS m),
       (SELECT md5(string_agg(m::text, E'\n')) FROM analytics_groups.retention_members('"Sign Up"', '"$any"', '2024-01-01', '2024-03-31', by => by, unit => 'month', cohort => '2024-02-01Z', bucket => 1, outcome => 'lost') AS m),
       (SELECT md5(string_agg(m::text, E'\n')) FROM analytics_groups.flow_members('"Sign Up"', '2024-01-01', '2024-03-31', by => by, next_event => '(drop-off)') AS m)
FROM unnest('{user,company_id}'::text[]) AS by ORDER BY by;
SELECT 'worth', segment, bucket, retained, value FROM analytics_groups.retention('"Sign Up"', '"Payment"', '2024-01-01', '2024-03-31', unit => 'month', brackets => '{1,3}', criterion => 'on_or_before',
     measure => 'sum', property => 'amount', breakdown => '["country"]') AS r WHERE cohort = '2024-01-01Z' ORDER BY segment, bucket;
SELECT 'activity', by, md5(string_agg(a::text, E'\n')), count(*) FROM (VALUES ('user', 'u000001'), ('company_id', 'c0001')) AS of (by, id),
     analytics_groups.activity(by, id, '2024-01-01', '2024-04-30', page_size => NULL) AS a GROUP BY by ORDER BY by;
SELECT 'exported', count(*), md5(string_agg(md5(e::text), '' ORDER BY md5(e::text))) FROM analytics_groups.export_events('2024-01-01', '2024-04-30') AS e;
SELECT 'relations', (SELECT md5(string_agg(md5(e::text), '' ORDER BY md5(e::text))) FROM analytics_default.events AS e),
       (SELECT md5(string_agg(u::text, '' ORDER BY u::text COLLATE "C")) FROM analytics_default.users AS u),
       (SELECT md5(string_agg(g::text, '' ORDER BY g::text COLLATE "C")) FROM analytics_default.groups AS g);
SELECT 'belongs', md5(string_agg(m::text, E'\n')), (SELECT md5(string_agg(g::text, E'\n')) FROM analytics_groups.user_groups('u000001') AS g) FROM analytics_groups.group_members('company_id', 'c0001') AS m;
SELECT 'cohorts', cohort, by, definition, frozen_at IS NOT NULL FROM analytics_groups.cohorts WHERE project = 'default' ORDER BY cohort COLLATE "C";
SELECT 'members', c.cohort, md5(string_agg(m.id, E'\n' ORDER BY m.id COLLATE "C")), count(*)
FROM analytics_groups.cohorts AS c, analytics_groups.cohort_members(c.cohort) AS m WHERE c.project = 'default' GROUP BY c.cohort ORDER BY c.cohort COLLATE "C";
SELECT 'in cohorts', by, i.segment, i.value FROM (VALUES ('user', 'payers'), ('company_id', 'growing')) AS of (by, name),
     analytics_groups.insights(jsonb_build_object('event', '$any', 'measure', 'unique', 'by', by), '2024-01-01', '2024-04-30', unit => 'range',
                               breakdown => jsonb_build_array('cohort.' || name)) AS i ORDER BY by, i.segment;
SELECT 'lookups', lookup_table, id, columns, rows, properties FROM analytics_groups.lookup_tables WHERE project = 'default' ORDER BY lookup_table COLLATE "C";
SELECT 'looked up', i.segment, i.value FROM analytics_groups.insights('[{"event": "$any", "measure": "unique"}]', '2024-01-01', '2024-04-30', unit => 'range', breakdown => '["lookup.country.continent"]', filter => 'lookup["country"]["eu"] != false') AS i ORDER BY i.segment;
SELECT 'size', by, md5(string_agg(s::text, E'\n' ORDER BY s::text COLLATE "C")), sum(size) FROM (VALUES ('user', 'payers'), ('company_id', 'growing')) AS of (by, name),
     analytics_groups.cohort_size(name, '2024-01-01', '2024-03-31', unit => 'month') AS s GROUP BY by ORDER BY by;
SELECT 'profiles', analytics_groups.user_profile('u000001'), analytics_groups.group_profile('company_id', 'c0001');
