-- History of group properties: the value at the time of the event, "group.<key>.<property>@event".
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SELECT analytics_groups.create_project('t_history') > 0 AS created;
SET analytics_groups.project = 't_history';
SELECT count(analytics_groups.add_group_key(k)) AS registered FROM unnest('{company_id,team}'::text[]) AS k;
SELECT analytics_groups.group_set('company_id', 'old', '{"plan": "basic"}');

-- It is an option of a property. What is set when it begins holds for all time before.
SELECT analytics_groups.keep_history('company_id', 'plan');
SELECT analytics_groups.keep_history('company_id', 'seats');
SELECT changed, since, value FROM analytics_groups.group_history('company_id', 'old');

-- Updates say when with $time; the last change is the profile of today.
CREATE FUNCTION pg_temp.set_at(id text, at timestamptz, op text, properties jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(a #>> '{failed_records,0,message}', a ->> 'status') FROM analytics_groups.update_groups(jsonb_build_object(
        '$group_key', 'company_id', '$group_id', id, '$time', extract(epoch FROM at)::bigint, op, properties)) AS a $$;
SELECT pg_temp.set_at('acme', '2024-01-01Z', '$set', '{"plan": "free", "seats": 1, "city": "Ulm"}');
SELECT pg_temp.set_at('acme', '2024-02-01Z', '$set', '{"plan": "pro", "city": "Bonn"}');
SELECT pg_temp.set_at('acme', '2024-02-10Z', '$add', '{"seats": 4}');
SELECT pg_temp.set_at('acme', '2024-03-01Z', '$unset', '["plan"]');
SELECT pg_temp.set_at('globex', '2024-01-15Z', '$set', '{"plan": "pro"}');
SELECT changed, since, value FROM analytics_groups.group_history('company_id', 'acme');
SELECT analytics_groups.group_profile('company_id', 'acme') - '$last_seen' AS today;
-- An update that changes nothing is no change.
SELECT pg_temp.set_at('globex', '2024-02-15Z', '$set', '{"plan": "pro"}');
SELECT since, value FROM analytics_groups.group_history('company_id', 'globex', 'plan');

-- What is said of the past is history: the profile stays as it is. Only $set and $unset make sense there.
SELECT pg_temp.set_at('globex', '2023-12-01Z', '$set', '{"plan": "trial", "city": "Springfield"}');
SELECT since, value FROM analytics_groups.group_history('company_id', 'globex', 'plan');
SELECT analytics_groups.group_profile('company_id', 'globex') - '$last_seen' AS today;
SELECT pg_temp.set_at('acme', '2024-01-20Z', '$add', '{"seats": 1}');

SELECT a ->> 'num_records_imported' AS imported FROM analytics_groups.track_ndjson($$
{"event": "Visit", "properties": {"time": 1704067199.999, "distinct_id": "u1", "company_id": "acme"}}
{"event": "Visit", "properties": {"time": 1704067200, "distinct_id": "u1", "company_id": "acme"}}
{"event": "Visit", "properties": {"time": 1706745600, "distinct_id": "u2", "company_id": "acme"}}
{"event": "Visit", "properties": {"time": 1706832000, "distinct_id": "u2", "company_id": ["acme", "globex"]}}
{"event": "Visit", "properties": {"time": 1709251200, "distinct_id": "u1", "company_id": "acme"}}
{"event": "Visit", "properties": {"time": 1701475200, "distinct_id": "u3", "company_id": "globex", "team": "red"}}
{"event": "Visit", "properties": {"time": 1701475200, "distinct_id": "u4", "company_id": "old"}}
{"event": "Visit", "properties": {"time": 1709251201, "distinct_id": "u5"}}
$$) a;
CREATE FUNCTION pg_temp.by_plan(property text, by text DEFAULT 'user', unit text DEFAULT 'range') RETURNS TABLE (plan text, bucket date, users float8, events float8) LANGUAGE sql AS $$
    SELECT segment[1], bucket::date, max(value) FILTER (WHERE metric = 'A'), max(value) FILTER (WHERE metric = 'B')
    FROM analytics_groups.insights(jsonb_build_array(jsonb_build_object('event', 'Visit', 'measure', 'unique', 'by', by), jsonb_build_object('event', 'Visit', 'by', by)),
        '2023-12-01', '2024-03-31', unit => unit, breakdown => jsonb_build_array(property)) GROUP BY 1, 2 HAVING max(value) > 0 ORDER BY 2, 1 $$;
-- At the time of the event against today. An event of two companies has the plans of both, each once.
SELECT plan, users, events FROM pg_temp.by_plan('group.company_id.plan@event');
SELECT plan, users, events FROM pg_temp.by_plan('group.company_id.plan');
SELECT plan, users AS companies, events FROM pg_temp.by_plan('group.company_id.plan@event', 'company_id');
SELECT plan, bucket, users FROM pg_temp.by_plan('group.company_id.plan@event', unit => 'month');
CREATE TEMP TABLE before AS SELECT by, p.* FROM unnest('{user,company_id,team}'::text[]) AS by, pg_temp.by_plan('group.company_id.plan@event', by, 'week') AS p;
CALL analytics_groups.maintain('t_history');
SELECT count(*) AS differences FROM ((TABLE before EXCEPT SELECT by, p.* FROM unnest('{user,company_id,team}'::text[]) AS by, pg_temp.by_plan('group.company_id.plan@event', by, 'week') AS p) UNION ALL
    (SELECT by, p.* FROM unnest('{user,company_id,team}'::text[]) AS by, pg_temp.by_plan('group.company_id.plan@event', by, 'week') AS p EXCEPT TABLE before)) AS d;

-- In filters, as a measured property, in funnels, retention, flows and cohorts.
SELECT value FROM analytics_groups.insights('[{"event": "Visit", "filter": "group[\"company_id\"][\"plan@event\"] == \"pro\""}]', '2023-12-01', '2024-03-31', unit => 'range');
SELECT value FROM analytics_groups.insights('[{"event": "Visit", "filter": "not defined(group[\"company_id\"][\"plan@event\"])"}]', '2023-12-01', '2024-03-31', unit => 'range');
SELECT segment, step, count FROM analytics_groups.funnel('["Visit", {"event": "Visit", "filter": "group[\"company_id\"][\"seats@event\"] >= 1"}]', '2023-12-01', '2024-03-31', within => '60 days',
    breakdown => '["group.company_id.plan@event"]') WHERE count > 0 ORDER BY 1, 2;
SELECT segment, sum(size) AS size FROM analytics_groups.retention('"Visit"', '"Visit"', '2023-12-01', '2024-03-31', unit => 'month', buckets => 1, breakdown => '["group.company_id.plan@event"]')
WHERE bucket = 0 GROUP BY 1 HAVING sum(size) > 0 ORDER BY 1;
-- The filter of a funnel sees what an attempt is attributed to.
SELECT step, count FROM analytics_groups.funnel('["Visit", "Visit"]', '2023-12-01', '2024-03-31', within => '60 days', filter => 'group["company_id"]["plan@event"] == "free"');
SELECT segment, sum(sessions) AS sessions FROM analytics_groups.sessions('2023-12-01', '2024-03-31', unit => 'range', breakdown => '["group.company_id.plan@event"]') GROUP BY 1 ORDER BY 1;
SELECT analytics_groups.define_cohort('once_pro', '{"did": {"event": "Visit", "filter": "group[\"company_id\"][\"plan@event\"] == \"pro\""}, "at_least": 1, "within": "100 years"}');
SELECT id FROM analytics_groups.cohort_members('once_pro') ORDER BY 1;
-- Numbers are numbers: buckets of seats.
SELECT segment, value FROM analytics_groups.insights('["Visit"]', '2023-12-01', '2024-03-31', unit => 'range', breakdown => '[{"property": "group.company_id.seats@event", "bucket": {"size": 3, "min": 0, "max": 6}}]') ORDER BY 1;

-- Mistakes.
SELECT * FROM analytics_groups.insights('["Visit"]', '2024-01-01', '2024-03-31', breakdown => '["group.company_id.city@event"]');
SELECT analytics_groups.define_cohort('wrong', '{"where": "group[\"company_id\"][\"plan@event\"] == \"pro\""}', by => 'company_id');
SELECT * FROM analytics_groups.query_groups('company_id', 'group["company_id"]["plan@event"] == "pro"');
SELECT analytics_groups.keep_history('account', 'plan');
SELECT analytics_groups.keep_history('company_id', '');
SELECT analytics_groups.keep_history('company_id', '$group_id');

-- Events that a filter on the past picks can be deleted; a deleted group has no past; what is no longer kept is gone.
SELECT analytics_groups.delete_events('"Visit"', '2023-12-01', '2024-03-31', filter => 'group["company_id"]["plan@event"] == "trial"') AS events;
SELECT analytics_groups.delete_group('company_id', 'old', events => true) AS events;
SELECT count(*) FROM analytics_groups.group_history('company_id', 'old');
SELECT analytics_groups.group_delete('company_id', 'globex');
SELECT changed, value FROM analytics_groups.group_history('company_id', 'globex');
SELECT analytics_groups.keep_history('company_id', 'plan', keep => false);
SELECT DISTINCT changed FROM analytics_groups.group_history('company_id', 'acme');
SELECT analytics_groups.drop_cohort('once_pro');
-- A history that does not fit into the memory of a report is not read into it.
SELECT analytics_groups.keep_history('team', 'tier');
SELECT analytics_groups.update_groups((SELECT jsonb_agg(jsonb_build_object('$group_key', 'team', '$group_id', 't' || i, '$set', '{"tier": "gold"}'::jsonb))
                                       FROM generate_series(1, 20000) AS i)) ->> 'num_records_imported' AS imported;
SET analytics_groups.query_memory = '1MB';
SELECT * FROM analytics_groups.insights('["Visit"]', '2024-01-01', '2024-03-31', unit => 'range', breakdown => '["group.team.tier@event"]');
RESET analytics_groups.query_memory;
SELECT analytics_groups.drop_group_key('team');

SELECT analytics_groups.drop_group_key('company_id');
SELECT count(*) FROM analytics_t_history.group_history;
SELECT * FROM analytics_groups.verify(project => 't_history');
SELECT analytics_groups.drop_project('t_history');
