-- Who is whom: semantics 3.2 and 3.3, devices that become users; 3.4, the verbs; 3.5, what it does to counts.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_identity') > 0 AS created;
SET analytics_groups.project = 't_identity';
SELECT analytics_groups.add_group_key('company_id') IS NOT NULL AS registered;

-- Whoever has an event, and how many.
CREATE VIEW pg_temp.users AS
SELECT id, events::int FROM analytics_groups.insights_members('["$any"]', '2024-01-01', '2024-12-31', 'range') ORDER BY id;
CREATE FUNCTION pg_temp.sent(minute int, properties jsonb, event text DEFAULT 'E') RETURNS boolean LANGUAGE sql AS
$$ SELECT analytics_groups.track(event, NULL, properties, at => '2024-01-01 10:00Z'::timestamptz + minute * interval '1 minute') $$;
CREATE FUNCTION pg_temp.uniques(by text DEFAULT 'user') RETURNS int LANGUAGE sql AS
$$ SELECT value::int FROM analytics_groups.insights(jsonb_build_array(jsonb_build_object('event', '$any', 'measure', 'unique', 'by', by)),
                                                    '2024-01-01', '2024-12-31', 'range') $$;

-- 3.2: whose an event is. One event of each form; the id that was sent beside $user_id or $device_id does not matter.
CREATE TEMP TABLE forms (no int, properties jsonb, note text);
INSERT INTO forms VALUES
  (1, '{"$user_id": "rule-1"}', '$user_id'),
  (2, '{"$device_id": "rule-2"}', '$device_id'),
  (3, '{"distinct_id": "rule-3"}', 'a distinct_id is a user'),
  (4, '{"distinct_id": "$device:rule-3"}', 'unless it begins with $device:'),
  (5, '{"$user_id": "rule-4", "distinct_id": "overwritten"}', 'what was sent is overwritten'),
  (6, '{"$device_id": "rule-4", "distinct_id": "overwritten"}', 'what was sent is overwritten'),
  (7, '{"$device_id": "$device:rule-5"}', 'one leading $device: is stripped'),
  (8, '{"distinct_id": "0a6c3a1e-7c0f-4c7e-9c57-9a3f5a1f0c11"}', 'a bare UUID is a user'),
  (9, '{"$device_id": "+49 30 1234"}', 'a device, whatever it looks like'),
  (10, '{"user_id": "rule-7"}', 'only the literal names count: nobody'),
  (11, '{"distinct_id": ""}', 'nobody'),
  (12, '{}', 'nobody');
SELECT bool_and(pg_temp.sent(no, properties, 'Form ' || no)) AS stored FROM forms;
SELECT f.properties, note, m.id AS distinct_id
FROM forms AS f, analytics_groups.insights_members(jsonb_build_array('Form ' || no), '2024-01-01', '2024-01-01', 'range') AS m ORDER BY no;
-- Nobody counts among events and not among users.
SELECT value AS events FROM analytics_groups.insights('["$any"]', '2024-01-01', '2024-01-01');
SELECT pg_temp.uniques() AS users;

-- One at a time or many in a batch: the same.
SELECT count(*) AS many FROM forms, analytics_groups.track_ndjson(jsonb_build_object('event', 'Many ' || no, 'properties', properties || '{"time": 1704103200}')::text) AS a
WHERE a ->> 'code' = '200';
SELECT count(*) AS alike FROM forms, analytics_groups.insights_members(jsonb_build_array('Form ' || no), '2024-01-01', '2024-01-01', 'range') AS one,
    analytics_groups.insights_members(jsonb_build_array('Many ' || no), '2024-01-01', '2024-01-01', 'range') AS many WHERE one.id = many.id;

-- 3.3: the story of two devices and two users, told event by event; users are counted after each.
SELECT analytics_groups.create_project('t_identity_story') > 0 AS created;
SET analytics_groups.project = 't_identity_story';
SELECT analytics_groups.add_group_key('company_id') IS NOT NULL AS registered;
SELECT pg_temp.sent(1, '{"$device_id": "D1"}') AS e1;
SELECT pg_temp.sent(2, '{"$device_id": "D1"}') AS e2;
SELECT pg_temp.uniques() AS users;
TABLE pg_temp.users;
-- The first event with both says whose the device is: retroactively, and for what is to come.
SELECT pg_temp.sent(3, '{"$device_id": "D1", "$user_id": "U1"}') AS e3;
TABLE pg_temp.users;
SELECT pg_temp.sent(4, '{"$device_id": "D1"}') AS e4;
SELECT pg_temp.sent(5, '{"$device_id": "D2"}') AS e5;
TABLE pg_temp.users;
SELECT pg_temp.sent(6, '{"$device_id": "D2", "$user_id": "U1"}') AS e6;
TABLE pg_temp.users;
-- Somebody else on the same device: the event is theirs, the device stays with the first.
SELECT pg_temp.sent(7, '{"$device_id": "D1", "$user_id": "U9"}') AS e7;
SELECT pg_temp.sent(8, '{"$device_id": "D1"}') AS e8;
TABLE pg_temp.users;
SELECT pg_temp.uniques() AS users;
-- The same after maintenance.
CALL analytics_groups.maintain('t_identity_story');
TABLE pg_temp.users;
SELECT pg_temp.uniques() AS users;
SELECT * FROM analytics_groups.verify();

-- Maintenance seals links; those that come later are beside them.
SELECT sealed, count(*) FROM analytics_t_identity_story.identity GROUP BY sealed ORDER BY sealed;

-- It is the order of ingestion that counts, not the time of the event: an old event that comes late links nothing anew,
-- and one from last year links as well as any.
SELECT analytics_groups.track_ndjson($$
{"event":"E","properties":{"time":1704103200,"$device_id":"D3","$user_id":"U3"}}
{"event":"E","properties":{"time":1704016800,"$device_id":"D3","$user_id":"U9"}}
{"event":"E","properties":{"time":1672567200,"$device_id":"D4","$user_id":"U4"}}
{"event":"E","properties":{"time":1704103260,"$device_id":"D3"}}
{"event":"E","properties":{"time":1704103260,"$device_id":"D4"}}
$$) ->> 'code' AS code;
TABLE pg_temp.users;
-- In one transaction, or not at all: a link that is rolled back was never there, also for whoever saw it.
BEGIN;
SELECT pg_temp.sent(10, '{"$device_id": "D5", "$user_id": "U5"}');
SELECT pg_temp.sent(11, '{"$device_id": "D5"}');
SELECT * FROM pg_temp.users WHERE id LIKE '%5';
SAVEPOINT s;
SELECT pg_temp.sent(12, '{"$device_id": "D6", "$user_id": "U6"}');
ROLLBACK TO s;
SELECT pg_temp.sent(13, '{"$device_id": "D6", "$user_id": "U66"}');
SELECT pg_temp.sent(14, '{"$device_id": "D6"}');
COMMIT;
SELECT * FROM pg_temp.users WHERE id LIKE '%5' OR id LIKE '%6';
BEGIN;
SELECT pg_temp.sent(15, '{"$device_id": "D7", "$user_id": "U7"}');
ROLLBACK;
SELECT pg_temp.sent(16, '{"$device_id": "D7", "$user_id": "U77"}');
SELECT pg_temp.sent(17, '{"$device_id": "D7"}');
SELECT * FROM pg_temp.users WHERE id LIKE '%7';
-- What is replaced as a duplicate was sent all the same: both devices are U8's.
SELECT analytics_groups.track('E', NULL, '{"$device_id": "D8", "$user_id": "U8"}', at => '2024-01-02Z', insert_id => 'x');
SELECT analytics_groups.track('E', NULL, '{"$device_id": "D88", "$user_id": "U8"}', at => '2024-01-02Z', insert_id => 'x');
SELECT pg_temp.sent(18, '{"$device_id": "D8"}') AND pg_temp.sent(18, '{"$device_id": "D88"}') AS sent;
SELECT * FROM pg_temp.users WHERE id LIKE '%8';
-- Two events of one device and user are two, though the second names the user: the identity of an event is the id it was
-- sent with.
SELECT analytics_groups.track('Twin', NULL, '{"$device_id": "D8"}', at => '2024-01-02Z', insert_id => 'y');
SELECT analytics_groups.track('Twin', NULL, '{"$device_id": "D8", "$user_id": "U8"}', at => '2024-01-02Z', insert_id => 'y');
SELECT id, events FROM analytics_groups.insights_members('["Twin"]', '2024-01-02', '2024-01-02');
-- Devices become users, and never each other: a $user_id that names a device links nothing.
SELECT pg_temp.sent(20, '{"$device_id": "D10", "$user_id": "$device:D11"}') AND pg_temp.sent(21, '{"$device_id": "D10"}') AS sent;
SELECT * FROM pg_temp.users WHERE id LIKE '%D1_';

-- Reports follow: before and after the login is one funnel, and one user comes back, not two.
SELECT pg_temp.sent(30, '{"$device_id": "F1"}', 'Visit') AND pg_temp.sent(31, '{"$device_id": "F1", "$user_id": "ann", "company_id": "acme"}', 'Sign Up')
   AND pg_temp.sent(32, '{"distinct_id": "ann", "company_id": "acme"}', 'Buy') AND pg_temp.sent(1440, '{"$device_id": "F1"}', 'Visit') AS sent;
SELECT step, event, count FROM analytics_groups.funnel('["Visit", "Sign Up", "Buy"]', '2024-01-01', '2024-01-31') ORDER BY step;
SELECT size, bucket, retained FROM analytics_groups.retention('"Sign Up"', '"Visit"', '2024-01-01', '2024-01-01', buckets => 1, criterion => 'on') ORDER BY bucket;
SELECT path, count FROM analytics_groups.flow_paths('["Sign Up"]', '2024-01-01', '2024-01-31', forward => 1, reverse => 1);
SELECT sum(sessions) AS sessions FROM analytics_groups.sessions('2024-01-01', '2024-01-31', filter => '"$distinct_id" == "ann"');
SELECT state, count FROM analytics_groups.lifecycle('"Visit"', '2024-01-01', '2024-01-02', unit => 'day') WHERE count > 0 AND bucket = '2024-01-02' ORDER BY state;
SELECT segment, value FROM analytics_groups.insights('["Visit"]', '2024-01-01', '2024-01-31', 'range', breakdown => '["user.$distinct_id"]');
-- 3.5: a group's history begins with the first event that names it. What was merged into a user never reaches it.
SELECT pg_temp.uniques('company_id') AS companies;
SELECT value AS events_of_companies FROM analytics_groups.insights('[{"event": "$any", "by": "company_id"}]', '2024-01-01', '2024-12-31', 'range');
SELECT id, events FROM analytics_groups.group_members('company_id', 'acme');
-- One at a time: by any of the ids, and named by the one that counts.
SELECT at, event, user_id FROM analytics_groups.activity('user', '$device:F1', '2024-01-01', '2024-01-31');
SELECT group_key, group_id, events FROM analytics_groups.user_groups('$device:F1');

-- A profile is kept under the user. One that was kept under the device before is not carried over; what is sent under the
-- device from then on is the user's.
SELECT pg_temp.sent(40, '{"$device_id": "P1"}');
SELECT analytics_groups.people_set('$device:P1', '{"plan": "anonymous", "company_id": ["acme"]}');
SELECT analytics_groups.people_set('bob', '{"plan": "pro"}');
SELECT segment, value FROM analytics_groups.insights('["$any"]', '2024-01-01', '2024-01-01', breakdown => '["user.plan"]') WHERE segment <> '{(not set)}';
SELECT pg_temp.sent(41, '{"$device_id": "P1", "$user_id": "bob"}');
SELECT segment, value FROM analytics_groups.insights('["$any"]', '2024-01-01', '2024-01-01', breakdown => '["user.plan"]') WHERE segment <> '{(not set)}';
SELECT analytics_groups.user_profile('$device:P1') - '$last_seen' AS profile;
SELECT analytics_groups.people_set('$device:P1', '{"seats": 3}');
SELECT analytics_groups.user_profile('bob') - '$last_seen' AS profile;
SELECT id, properties - '$last_seen' AS properties FROM analytics_groups.query_users() WHERE id IN ('bob', '$device:P1');
SELECT id, listed FROM analytics_groups.group_members('company_id', 'acme');
SELECT metric, value FROM analytics_groups.insights('[{"profiles": "user"}]', '2024-01-01', '2024-01-01');
SELECT value AS of_pros FROM analytics_groups.insights('["$any"]', '2024-01-01', '2024-01-01', filter => 'user["plan"] == "pro"');
-- A cohort of users knows them by all of their ids.
SELECT analytics_groups.define_cohort('visitors', '{"did": "Visit", "at_least": 2, "from_date": "2024-01-01", "to_date": "2024-01-31"}');
SELECT id FROM analytics_groups.cohort_members('visitors');
SELECT analytics_groups.freeze_cohort('visitors');
SELECT value FROM analytics_groups.insights('[{"event": "$any", "filter": "cohort(\"visitors\")"}]', '2024-01-01', '2024-01-31', 'range');

CREATE TEMP TABLE before AS TABLE pg_temp.users;
CALL analytics_groups.maintain('t_identity_story');
SELECT sealed, count(*) FROM analytics_t_identity_story.identity GROUP BY sealed ORDER BY sealed;
SELECT * FROM before EXCEPT TABLE pg_temp.users;
SELECT * FROM analytics_groups.verify();

-- 3.4: the verbs. identify: an id of before is a user's.
SELECT analytics_groups.create_project('t_identity_verbs') > 0 AS created;
SET analytics_groups.project = 't_identity_verbs';
SELECT bool_and(pg_temp.sent(i::int, jsonb_build_object('distinct_id', id))) FROM unnest('{a,b,c,d,$device:D1,$device:D2}'::text[]) WITH ORDINALITY AS t(id, i);
SELECT analytics_groups.identify('a', 'b');
TABLE pg_temp.users;
-- Once more changes nothing; somebody else's it can not become.
SELECT analytics_groups.identify('a', 'b');
SELECT analytics_groups.identify('a', 'c');
-- alias: a further id of a user; a chain is fine.
SELECT analytics_groups.alias('b', 'c');
SELECT analytics_groups.alias('c', 'never seen before');
SELECT pg_temp.sent(10, '{"distinct_id": "never seen before"}');
TABLE pg_temp.users;
-- merge: two users with whatever they stand for.
SELECT analytics_groups.identify('$device:D1', 'd');
SELECT analytics_groups.merge('c', '$device:D1');
TABLE pg_temp.users;
SELECT at, user_id FROM analytics_groups.activity('user', 'a', '2024-01-01', '2024-01-31');
-- A device is never whom others are merged into, in whatever order it is said.
SELECT analytics_groups.merge('e', '$device:D2');
TABLE pg_temp.users;
SELECT analytics_groups.merge('$device:D8', '$device:D9');
-- What is no id is an error.
SELECT analytics_groups.identify('anonymous', 'd');
SELECT analytics_groups.identify('', 'd');
SELECT analytics_groups.identify('x', '$device:');
SELECT analytics_groups.alias('d', NULL);
-- Events that say it in the way of before are refused, as ever.
SELECT analytics_groups.track('$identify', 'd', '{"$anon_id": "x"}');
-- 500 ids are one user at most; the verb that would make it more is an error, and nothing is lost.
SELECT count(*) FILTER (WHERE analytics_groups.identify('anon-' || i, 'crowd')) AS linked FROM generate_series(1, 499) AS i;
SELECT analytics_groups.identify('anon-500', 'crowd');
SELECT analytics_groups.merge('crowd', 'd');
SELECT bool_and(pg_temp.sent(20, jsonb_build_object('distinct_id', id))) FROM unnest('{anon-1,anon-499,anon-500}'::text[]) AS id;
TABLE pg_temp.users;
CALL analytics_groups.maintain('t_identity_verbs');
TABLE pg_temp.users;
SELECT * FROM analytics_groups.verify();

-- Only writers say who is whom; readers see it.
CREATE ROLE t_identity_reader;
SELECT analytics_groups.grant_access('t_identity_reader', 'reader');
SET ROLE t_identity_reader;
SELECT analytics_groups.merge('anon-500', 'd');
SELECT id, events FROM analytics_groups.insights_members('["$any"]', '2024-01-01', '2024-01-31', 'range') ORDER BY id;
RESET ROLE;

SELECT analytics_groups.drop_project('t_identity'), analytics_groups.drop_project('t_identity_story'), analytics_groups.drop_project('t_identity_verbs');
DROP OWNED BY t_identity_reader;
DROP ROLE t_identity_reader;
