-- Profiles of groups with their past (semantics 2.12): a warehouse keeps versions of a group, one row each, with the time since
-- when it holds. start_time_column says which column that is.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SELECT analytics_groups.create_project('t_versions') > 0 AS created;
SET analytics_groups.project = 't_versions';
SELECT count(analytics_groups.add_group_key('company_id')) AS registered;
SELECT analytics_groups.keep_history('company_id', 'plan');
SELECT analytics_groups.keep_history('company_id', 'seats');
CREATE SCHEMA crm;
CREATE TABLE crm.versions (account text, valid_from timestamptz, plan text, seats int, city text, loaded timestamptz DEFAULT now());
-- In no order.
INSERT INTO crm.versions VALUES
    ('acme',   '2024-03-01Z', NULL,   5, 'Bonn'),
    ('acme',   '2024-01-01Z', 'free', 1, 'Ulm'),
    ('globex', '2024-01-15Z', 'pro',  2, 'Springfield'),
    ('acme',   '2024-02-01Z', 'pro',  5, 'Bonn'),
    ('old',    '-infinity',   'free', 9, 'Rome'),
    ('old',    '2024-02-15Z', 'pro',  9, NULL);
CREATE FUNCTION pg_temp.import(mode text DEFAULT 'full') RETURNS jsonb LANGUAGE sql AS $$
    SELECT analytics_groups.import_profiles('crm.versions', '{"group_key": "company_id", "group_id_column": "account", "start_time_column": "valid_from",
        "insert_time_column": "loaded"}', mode) $$;
-- Columns whose history is not kept are named: of them the last version stays.
SELECT pg_temp.import();

-- Each version holds until the next one begins, also where it says what the one before said; NULL = not set while it holds.
CREATE VIEW pg_temp.history AS SELECT g AS account, h.* FROM unnest('{acme,globex,old}'::text[]) AS g, analytics_groups.group_history('company_id', g) AS h;
SELECT * FROM pg_temp.history;
-- The last version is the profile of today. That a version began is no sign of life.
SELECT id, properties FROM analytics_groups.query_groups('company_id');

-- Reports ask for the plan at the time of the event.
SELECT a ->> 'num_records_imported' AS imported FROM analytics_groups.track_ndjson($$
{"event": "Visit", "properties": {"time": 1703980800, "distinct_id": "u1", "company_id": "acme"}}
{"event": "Visit", "properties": {"time": 1704067200, "distinct_id": "u1", "company_id": "acme"}}
{"event": "Visit", "properties": {"time": 1707955200, "distinct_id": "u2", "company_id": "acme"}}
{"event": "Visit", "properties": {"time": 1711929600, "distinct_id": "u2", "company_id": "acme"}}
{"event": "Visit", "properties": {"time": 1704067200, "distinct_id": "u3", "company_id": "old"}}
{"event": "Visit", "properties": {"time": 1711929600, "distinct_id": "u3", "company_id": ["old", "globex"]}}
$$) a;
CREATE VIEW pg_temp.visits AS SELECT bucket::date AS month, segment[1] AS plan, value AS visits FROM analytics_groups.insights('["Visit"]', '2023-12-01', '2024-04-30', unit => 'month',
    breakdown => '["group.company_id.plan@event"]') WHERE value > 0 ORDER BY 1, 2;
SELECT * FROM pg_temp.visits;
-- Run again, nothing is another.
CREATE TEMP TABLE before AS SELECT account, changed, since, value FROM pg_temp.history UNION ALL SELECT id, NULL, NULL, properties FROM analytics_groups.query_groups('company_id');
SET client_min_messages = warning;
SELECT pg_temp.import() ->> 'num_records_imported' AS again;
CREATE VIEW pg_temp.after AS SELECT account, changed, since, value FROM pg_temp.history UNION ALL SELECT id, NULL, NULL, properties FROM analytics_groups.query_groups('company_id');
SELECT count(*) AS differences FROM ((TABLE before EXCEPT TABLE pg_temp.after) UNION ALL (TABLE pg_temp.after EXCEPT TABLE before)) AS d;

-- A version that comes late, between two others, is history alone; one that is corrected takes the place of what it was. A
-- column without history takes what comes last, late or not.
SELECT pg_temp.import('append') ->> 'num_rows' AS marked;
INSERT INTO crm.versions VALUES ('acme', '2024-02-10Z', 'trial', 5, 'Late', now() + interval '1 s'), ('globex', '2024-01-15Z', 'team', 3, 'Shelbyville', now() + interval '1 s');
SELECT pg_temp.import('append') ->> 'num_rows' AS late;
SELECT account, since, value FROM pg_temp.history WHERE changed = 'plan' AND account <> 'old';
SELECT id, properties FROM analytics_groups.query_groups('company_id');
-- Of two versions that begin at once the one that was inserted later stays.
INSERT INTO crm.versions VALUES ('initech', '2024-01-01Z', 'second', 2, 'B', now() + interval '3 s'), ('initech', '2024-01-01Z', 'first', 1, 'A', now() + interval '2 s');
SELECT pg_temp.import('append') ->> 'num_rows' AS twice;
SELECT changed, since, value FROM analytics_groups.group_history('company_id', 'initech');
-- Rows that do not say since when they hold, or do not hold yet, are refused.
INSERT INTO crm.versions VALUES ('initech', NULL, 'pro', 1, 'C', now() + interval '4 s'), ('initech', now() + interval '1 day', 'pro', 1, 'C', now() + interval '4 s'),
    ('initech', 'infinity', 'pro', 1, 'C', now() + interval '4 s');
SELECT a ->> 'num_failed' AS refused FROM pg_temp.import('append') a;
SELECT field, message FROM analytics_groups.import_errors WHERE project = 't_versions' ORDER BY message;
SELECT analytics_groups.group_profile('company_id', 'initech') AS unchanged;

-- Seconds or milliseconds do as well, and dates are UTC; a JSON column adds to the version what it has.
CREATE TABLE crm.days (account text, day date, more jsonb);
INSERT INTO crm.days VALUES ('days', '2024-02-01', '{"plan": "pro"}'), ('days', '2024-01-01', '{"plan": "free", "seats": 3}');
SELECT analytics_groups.import_profiles('crm.days', '{"group_key": "company_id", "group_id_column": "account", "start_time_column": "day", "json_properties_column": "more"}') ->> 'num_records_imported' AS imported;
SELECT changed, since, value FROM analytics_groups.group_history('company_id', 'days');
CREATE VIEW crm.seconds AS SELECT 'seconds' AS account, 1704067200 AS begins, 'pro' AS plan;
SELECT analytics_groups.import_profiles('crm.seconds', '{"group_key": "company_id", "group_id_column": "account", "start_time_column_name": "begins"}') ->> 'num_records_imported' AS imported;
SELECT changed, since, value FROM analytics_groups.group_history('company_id', 'seconds');

-- Two hundred versions, every second of them late, against a question of every event to the table itself.
CREATE TABLE crm.many AS SELECT DISTINCT ON (account, valid_from) * FROM (
    SELECT 'g' || (hashint4(i) & 7) AS account, '2024-01-01Z'::timestamptz + (hashint4(i + 1000) & 1023) * interval '1 hour' AS valid_from,
        (ARRAY['free', 'pro', 'team', NULL])[1 + (hashint4(i + 2000) & 3)] AS plan, i % 2 AS half FROM generate_series(1, 200) AS i) AS x ORDER BY account, valid_from, half;
CREATE VIEW crm.early AS SELECT account, valid_from, plan FROM crm.many WHERE half = 0;
CREATE VIEW crm.late AS SELECT account, valid_from, plan FROM crm.many WHERE half = 1;
SELECT analytics_groups.import_profiles(source, '{"group_key": "company_id", "group_id_column": "account", "start_time_column": "valid_from"}') ->> 'num_failed' AS refused
FROM unnest('{crm.early,crm.late}'::regclass[]) AS source;
CREATE TABLE crm.seen AS SELECT 'g' || g AS company_id, '2024-01-01Z'::timestamptz + i * interval '7 hours' AS at FROM generate_series(0, 7) AS g, generate_series(1, 150) AS i;
SELECT analytics_groups.import_events('crm.seen', '{"event_name": "Seen", "time_column": "at"}', 'one_time') ->> 'num_records_imported' AS events;
CREATE VIEW pg_temp.reported AS SELECT segment[1] AS company, segment[2] AS plan, value::bigint AS events FROM analytics_groups.insights('["Seen"]', '2023-12-01', '2024-04-30', unit => 'range',
    breakdown => '["group.company_id", "group.company_id.plan@event"]') WHERE value > 0;
CREATE VIEW pg_temp.counted AS SELECT company_id, coalesce((SELECT coalesce(m.plan, '(not set)') FROM crm.many m WHERE m.account = company_id AND m.valid_from <= at
    ORDER BY m.valid_from DESC LIMIT 1), '(not set)') AS plan, count(*) AS events FROM crm.seen GROUP BY 1, 2;
SELECT count(*) AS segments, sum(events) AS events FROM pg_temp.reported;
SELECT count(*) AS differences FROM ((TABLE pg_temp.reported EXCEPT TABLE pg_temp.counted) UNION ALL (TABLE pg_temp.counted EXCEPT TABLE pg_temp.reported)) AS d;
-- And today is what the last version says.
SELECT count(*) AS differences FROM (SELECT DISTINCT ON (account) account, plan FROM crm.many ORDER BY account, valid_from DESC) AS m
WHERE analytics_groups.group_profile('company_id', account) ->> 'plan' IS DISTINCT FROM plan;

-- The past of users is not kept. A start must be a time.
SELECT analytics_groups.import_profiles('crm.versions', '{"user_column": "account", "start_time_column": "valid_from"}');
SELECT analytics_groups.import_profiles('crm.versions', '{"group_key": "company_id", "group_id_column": "account", "start_time_column": "plan"}');
SELECT analytics_groups.import_profiles('crm.versions', '{"group_key": "company_id", "group_id_column": "account", "start_time_column": "valid"}');
SELECT * FROM analytics_groups.verify('t_versions');
DROP SCHEMA crm CASCADE;
SELECT analytics_groups.drop_project('t_versions');
