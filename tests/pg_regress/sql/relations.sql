-- A project as relations: analytics_<project>.events, users and groups, for any SQL and for BI tools.
SET timezone = 'UTC';
SELECT analytics_groups.create_project('bi') > 0 AS created;
SET analytics_groups.project = 'bi';
SELECT analytics_groups.add_group_key('company_id') IS NOT NULL AS company, analytics_groups.add_group_key('team') IS NOT NULL AS team;
SELECT a ->> 'num_records_imported' AS imported FROM analytics_groups.track_ndjson($$
{"event": "Visit", "properties": {"time": 1704790800, "$device_id": "D1", "$insert_id": "i1", "page": "/"}}
{"event": "Login", "properties": {"time": 1704791100, "$device_id": "D1", "$user_id": "ann", "$insert_id": "i2", "company_id": "acme"}}
{"event": "Order", "properties": {"time": 1704877200.25, "distinct_id": "ann", "$insert_id": "i3", "company_id": ["globex", "acme"], "team": "red", "amount": 49.5, "items": ["a", "b"], "gift": true}}
{"event": "Order", "properties": {"time": 1707555600, "distinct_id": "bob", "$insert_id": "i4", "company_id": "globex", "amount": 7, "address": {"city": "Ulm"}}}
{"event": "Cron", "properties": {"time": 1707555601, "distinct_id": "", "$insert_id": "i5", "note": "nobody's"}}
$$) a;
SELECT analytics_groups.people_set('ann', '{"role": "admin"}');
SELECT analytics_groups.people_set('cid', '{"role": "guest"}');
SELECT analytics_groups.group_set('company_id', 'acme', '{"plan": "pro"}');

-- Events, with the user after identity merges and the groups that each counts for.
SELECT event, "time", distinct_id, properties, groups FROM analytics_bi.events ORDER BY "time";
SELECT distinct_id, properties - '$last_seen' AS properties, first_seen, last_seen FROM analytics_bi.users ORDER BY 1;
SELECT group_key, group_id, properties - '$last_seen' AS properties, first_seen, last_seen FROM analytics_bi.groups ORDER BY 1, 2;

-- Any SQL: revenue by plan and month.
SELECT date_trunc('month', e."time") AS month, g.properties ->> 'plan' AS plan, sum((e.properties ->> 'amount')::numeric) AS revenue
FROM analytics_bi.events e
CROSS JOIN LATERAL jsonb_array_elements_text(e.groups -> 'company_id') AS of(company)
LEFT JOIN analytics_bi.groups g ON g.group_key = 'company_id' AND g.group_id = of.company
WHERE e.event = 'Order' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) FROM analytics_bi.events;
SELECT count(DISTINCT distinct_id) FROM analytics_bi.events WHERE event IN ('Order', 'Login');

-- What is sealed reads the same; conditions on time and event decide which segments are read.
CALL analytics_groups.maintain('bi');
SELECT event, "time", distinct_id, properties, groups FROM analytics_bi.events ORDER BY "time";
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT * FROM analytics_bi.events WHERE event = 'Order' AND "time" >= '2024-02-01' AND "time" < '2024-03-01';
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM analytics_bi.events;
EXPLAIN (COSTS OFF) SELECT * FROM analytics_bi.users WHERE distinct_id = 'ann' AND last_seen > now();

-- Every way to say when: dates, timestamps, the value first, what is computed when the query begins.
SELECT event FROM analytics_bi.events WHERE "time" BETWEEN timestamptz '2024-01-09 09:05Z' AND '2024-01-10 09:00:00.25Z' ORDER BY "time";
SELECT event FROM analytics_bi.events WHERE "time" > '2024-01-09 09:05Z' AND date '2024-01-11' > "time" ORDER BY "time";
SELECT event FROM analytics_bi.events WHERE "time" = timestamp '2024-01-10 09:00:00.25';
SELECT count(*) FROM analytics_bi.events WHERE "time" >= now() - interval '30 days';
SELECT count(*) FROM analytics_bi.events WHERE "time" < 'infinity' AND "time" > '-infinity';
SELECT count(*) FROM analytics_bi.events WHERE "time" < date '5000000-01-01' AND "time" >= date '4000-01-01 BC';
SELECT count(*) FROM analytics_bi.events WHERE "time" < date 'infinity' AND "time" > date '-infinity';
SELECT count(*) FROM analytics_bi.events WHERE "time" > NULL;
SELECT count(*) FROM analytics_bi.events WHERE event = 'Order' AND event = 'Login';
SET timezone = 'America/New_York';
SELECT event FROM analytics_bi.events WHERE "time" >= timestamp '2024-01-10 04:00' AND "time" < date '2024-02-01';
SET timezone = 'UTC';
PREPARE of_user(text, timestamptz) AS SELECT event FROM analytics_bi.events WHERE distinct_id = $1 AND "time" >= $2 ORDER BY "time";
SET plan_cache_mode = force_generic_plan;
EXECUTE of_user('ann', '2024-01-09 09:01Z');
EXECUTE of_user('bob', '2024-01-01');
EXECUTE of_user(NULL, '2024-01-01');
RESET plan_cache_mode;
-- The inner side of a join is read anew for each of its outer rows.
SELECT u.distinct_id, (SELECT count(*) FROM analytics_bi.events e WHERE e.distinct_id = u.distinct_id) AS events FROM analytics_bi.users u ORDER BY 1;
-- A merged id is not there any more; its events are those of the user.
SELECT count(*) FROM analytics_bi.events WHERE distinct_id = '$device:D1';
SELECT event FROM analytics_bi.events WHERE distinct_id = ANY (ARRAY['nobody such', 'bob']);
SELECT event FROM analytics_bi.events WHERE distinct_id IS NULL;

-- A few rows of many, a cursor, a COPY for other tools.
SELECT count(*) FROM (SELECT FROM analytics_bi.events LIMIT 2) AS two;
BEGIN;
DECLARE c CURSOR FOR SELECT event FROM analytics_bi.events WHERE event = 'Order';
FETCH 1 FROM c;
SELECT analytics_groups.track('Order', 'late', at => '2024-02-01');
FETCH 5 FROM c;
ROLLBACK;
COPY (SELECT event, "time", properties ->> 'amount' AS amount FROM analytics_bi.events WHERE event = 'Order' ORDER BY "time") TO STDOUT (FORMAT csv, HEADER);

-- Read, never written; in READ ONLY transactions too.
BEGIN READ ONLY;
SELECT count(*) FROM analytics_bi.events WHERE event = 'Order';
COMMIT;
INSERT INTO analytics_bi.events (event) VALUES ('Order');
DELETE FROM analytics_bi.users;
-- A foreign table elsewhere is no way around.
CREATE FOREIGN TABLE public.events (event text) SERVER analytics_groups;
SELECT * FROM public.events;
DROP FOREIGN TABLE public.events;
CREATE FOREIGN TABLE analytics_bi.other (event text) SERVER analytics_groups;
SELECT * FROM analytics_bi.other;
DROP FOREIGN TABLE analytics_bi.other;
CREATE FOREIGN TABLE analytics_bi.other (event text) SERVER analytics_groups OPTIONS (relation 'events');
ALTER FOREIGN TABLE analytics_bi.events ALTER COLUMN event TYPE integer USING 1;
ALTER FOREIGN TABLE analytics_bi.events ALTER COLUMN event TYPE integer;
SELECT event FROM analytics_bi.events;
ALTER FOREIGN TABLE analytics_bi.events ALTER COLUMN event TYPE text;
ALTER FOREIGN TABLE analytics_bi.events DROP COLUMN groups;
SELECT count(e) FROM analytics_bi.events e WHERE event = 'Order';

-- The relations follow the project.
SELECT analytics_groups.rename_project('bi', 'bi2');
SELECT count(*) FROM analytics_bi2.events;
SELECT analytics_groups.drop_project('bi2');
