-- Properties that are one property under several names, and events that are discarded for what they carry.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET search_path = analytics_groups, public;
SELECT create_project('one_property') > 0 AS created;
SET analytics_groups.project = 'one_property';
SELECT add_group_key('company_id') IS NOT NULL AS registered;

SELECT track_ndjson('
{"event":"Signed Up","properties":{"distinct_id":"u1","time":1704103200,"$insert_id":"a1","plan":"pro","seats":5}}
{"event":"Signed Up","properties":{"distinct_id":"u2","time":1704103200,"$insert_id":"a2","Plan":"pro","seat_count":3}}
{"event":"Signed Up","properties":{"distinct_id":"u3","time":1704103200,"$insert_id":"a3","plan_name":"free","Plan":"Free"}}
{"event":"Signed Up","properties":{"distinct_id":"u4","time":1704103200,"$insert_id":"a4","plan":"free","plan_name":"pro","seats":"many"}}
{"event":"Signed Up","properties":{"distinct_id":"u5","time":1704103200,"$insert_id":"a5"}}
') ->> 'num_records_imported' AS imported;
CALL maintain('one_property');

CREATE FUNCTION pg_temp.by(property text) RETURNS TABLE (segment text[], users float8) LANGUAGE sql AS
$$ SELECT segment, value FROM analytics_groups.insights('[{"event": "Signed Up", "measure": "unique"}]', '2024-01-01', '2024-01-01', 'range',
                                                        breakdown => jsonb_build_array(property)) ORDER BY 1 $$;
SELECT * FROM pg_temp.by('plan');

-- From now on a question for any of the three is one for all: plan counts first, then the others as they were first sent.
SELECT merge_properties('{Plan,plan_name}', 'plan');
SELECT * FROM pg_temp.by('plan');
SELECT * FROM pg_temp.by('Plan');
SELECT value AS pro FROM insights('[{"event": "Signed Up", "measure": "unique"}]', '2024-01-01', '2024-01-01', 'range', filter => 'properties["plan_name"] == "pro"');
SELECT property, merged_into FROM lexicon_properties WHERE project = 'one_property' AND merged_into IS NOT NULL ORDER BY 1;

-- Numbers are added up whichever name they came under; what is no number still is none.
SELECT merge_properties('{seat_count}', 'seats');
SELECT value AS seats FROM insights('[{"event": "Signed Up", "measure": "sum", "property": "seats"}]', '2024-01-01', '2024-01-01', 'range');

-- A lookup table of one of them is joined to what they are together. What waits counts as what is sealed.
SELECT set_lookup_table('plans', E'plan,kind\nfree,unpaid\npro,paid') IS NOT NULL AS stored;
SELECT map_lookup('plan', 'plans');
SELECT track('Signed Up', 'u6', '{"plan_name": "pro"}', at => '2024-01-01 12:00', insert_id => 'a6');
SELECT * FROM pg_temp.by('lookup.plan.kind');

-- Funnels that hold it constant, cohorts, the seats of each user: everything that names a property.
SELECT track('Paid', 'u2', '{"plan": "pro"}', at => '2024-01-01 13:00', insert_id => 'b1'), track('Paid', 'u3', '{"plan": "Free"}', at => '2024-01-01 13:00', insert_id => 'b2');
SELECT step, count FROM funnel('["Signed Up", "Paid"]', '2024-01-01', '2024-01-01', hold => '{plan}');

-- What was sent stays: exports, feeds and deletions know nothing of it.
SELECT e -> 'properties' ->> 'distinct_id' AS id, e -> 'properties' -> 'plan' AS plan, e -> 'properties' -> 'Plan' AS "Plan" FROM export_events('2024-01-01', '2024-01-01', '{Signed Up}') e ORDER BY 1;
SELECT delete_events('"Signed Up"', '2024-01-01', '2024-01-01', filter => 'properties["plan"] == "pro"') AS deleted;
SELECT * FROM pg_temp.by('plan');

-- And taken apart again.
SELECT unmerge_properties('{plan_name}');
SELECT * FROM pg_temp.by('plan');
SELECT unmerge_properties('{plan_name}');

-- What cannot be.
SELECT merge_properties('{plan}', 'plan_name');
SELECT merge_properties('{plan_name}', 'Plan');
SELECT merge_properties('{plan}', 'plan');
SELECT merge_properties('{plna}', 'plan');
SELECT merge_properties('{}', 'plan');
SELECT merge_properties('{plan_name}', NULL);
SELECT merge_properties('{company_id}', 'company');
SELECT merge_properties('{plan_name}', '$insert_id');

-- ---- Drop filters: events of a name that carry what nobody wants. -----------------------------------------------------
SELECT add_drop_filter('Page View', '{"env": ["test", "staging"]}');
SELECT add_drop_filter('Page View', '{"bot": true, "visits": 0}');
SELECT add_drop_filter('Page View', '{"env": ["test", "staging"]}');
SELECT event, properties FROM drop_filters WHERE project = 'one_property';
SELECT track_ndjson('
{"event":"Page View","properties":{"distinct_id":"u1","time":1704103200,"$insert_id":"p1","env":"live"}}
{"event":"Page View","properties":{"distinct_id":"u1","time":1704103200,"$insert_id":"p2","env":"test"}}
{"event":"Page View","properties":{"distinct_id":"u1","time":1704103200,"$insert_id":"p3","env":["live","staging"]}}
{"event":"Page View","properties":{"distinct_id":"u1","time":1704103200,"$insert_id":"p4","bot":true,"visits":0.0}}
{"event":"Page View","properties":{"distinct_id":"u1","time":1704103200,"$insert_id":"p5","bot":true,"visits":1}}
{"event":"Signed Up","properties":{"distinct_id":"u1","time":1704103200,"$insert_id":"p6","env":"test"}}
') AS answer;
SELECT track('Page View', 'u1', '{"env": "staging"}', at => '2024-01-01') AS tracked, track('Page View', 'u1', '{"env": "Staging"}', at => '2024-01-01') AS tracked;
SELECT value AS views FROM insights('["Page View"]', '2024-01-01', '2024-01-01', 'range');
SELECT outcome, field, message, sum(records) AS records FROM ingest_errors WHERE project = 'one_property' GROUP BY 1, 2, 3 ORDER BY field, message;
SELECT remove_drop_filter('Page View', '{"visits": 0, "bot": true}') AS removed;
SELECT track('Page View', 'u1', '{"bot": true, "visits": 0}', at => '2024-01-01') AS tracked;
SELECT remove_drop_filter('Page View') AS removed;
SELECT remove_drop_filter('Page View');
SELECT track('Page View', 'u1', '{"env": "test"}', at => '2024-01-01') AS tracked;
SELECT add_drop_filter('Page View', '{}');
SELECT add_drop_filter('Page View', '["env"]');
SELECT add_drop_filter('Page View', '{"env": []}');
SELECT add_drop_filter('Page View', '{"env": {"a": 1}}');
SELECT add_drop_filter('Page View', NULL);
SELECT add_drop_filter('E' || i, '{"a": 1}') FROM generate_series(1, 16) i;
SELECT count(*) FROM drop_filters WHERE project = 'one_property';

SELECT * FROM verify();
SELECT drop_project('one_property');
