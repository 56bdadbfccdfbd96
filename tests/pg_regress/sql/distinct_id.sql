-- Who did it: the simplified identity model with $device_id and $user_id. Semantics 3.2 and 3.3.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_distinct_id') > 0 AS created;
SET analytics_groups.project = 't_distinct_id';

-- One event of these properties; the name tells the rows apart.
CREATE FUNCTION pg_temp.sent(event text, properties jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT analytics_groups.track(jsonb_build_object('event', event, 'properties',
        jsonb_build_object('time', 1704103200, '$insert_id', replace(event, ' ', '-')) || properties)) ->> 'code'
$$;
CREATE FUNCTION pg_temp.who(event text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(segment[1], ' ' ORDER BY segment[1] COLLATE "C"), 'nobody')
    FROM analytics_groups.insights(jsonb_build_array(jsonb_build_object('event', event)), '2024-01-01', '2024-01-01',
                                   breakdown => '["user.$distinct_id"]')
    WHERE value > 0
$$;

-- ---- 3.2: what becomes of the ids that were sent -----------------------------------------------------------------------
SELECT pg_temp.sent('1 user id',             '{"$user_id": "ann"}');
SELECT pg_temp.sent('2 device id',           '{"$device_id": "D0"}');
SELECT pg_temp.sent('3 a device as sent',    '{"distinct_id": "$device:D9"}');
SELECT pg_temp.sent('3 a user as sent',      '{"distinct_id": "bob"}');
SELECT pg_temp.sent('4 user id wins',        '{"$user_id": "ann", "distinct_id": "bob"}');
SELECT pg_temp.sent('4 device id wins',      '{"$device_id": "D0", "distinct_id": "bob"}');
SELECT pg_temp.sent('5 prefix once',         '{"$device_id": "$device:D8"}');
SELECT pg_temp.sent('6 a uuid is a user',    '{"distinct_id": "3e1ccc34-6c8e-4b0e-9ed2-5ba2ecb9b4f4"}');
SELECT pg_temp.sent('8 nobody',              '{"distinct_id": ""}');
SELECT pg_temp.sent('8 empty user id',       '{"$user_id": "", "$device_id": "D0"}');
SELECT pg_temp.sent('8 a number',            '{"$user_id": 42}');
SELECT event, pg_temp.who(event) AS distinct_id
FROM unnest('{1 user id,2 device id,3 a device as sent,3 a user as sent,4 user id wins,4 device id wins,5 prefix once,
6 a uuid is a user,8 nobody,8 empty user id,8 a number}'::text[]) WITH ORDINALITY AS t(event, n) ORDER BY n;

-- An event of nobody is in totals, and in no count of users; its groups have it all the same.
SELECT analytics_groups.add_group_key('company_id') IS NOT NULL AS added;
SELECT pg_temp.sent('Nightly', '{"distinct_id": "", "company_id": "acme"}');
SELECT metric, value
FROM analytics_groups.insights('[{"event": "Nightly", "label": "1 events"}, {"event": "Nightly", "measure": "unique", "label": "2 users"},
                                 {"event": "Nightly", "measure": "unique", "by": "company_id", "label": "3 companies"}]',
                               '2024-01-01', '2024-01-01') ORDER BY metric;

-- ---- 3.3: devices become users, back to their first event ---------------------------------------------------------------
SELECT pg_temp.sent('e1', '{"$device_id": "D1"}');
SELECT pg_temp.sent('e2', '{"$device_id": "D1"}');
SELECT event, pg_temp.who(event) AS distinct_id FROM unnest('{e1,e2}'::text[]) AS event ORDER BY event;
SELECT pg_temp.sent('e3', '{"$device_id": "D1", "$user_id": "U1"}');
SELECT event, pg_temp.who(event) AS distinct_id FROM unnest('{e1,e2,e3}'::text[]) AS event ORDER BY event;
SELECT pg_temp.sent('e4', '{"$device_id": "D1"}');
SELECT pg_temp.sent('e5', '{"$device_id": "D2"}');
SELECT pg_temp.sent('e6', '{"$device_id": "D2", "$user_id": "U1"}');
-- Another user on the first device: the event is that user's, the device stays with whom it met first.
SELECT pg_temp.sent('e7', '{"$device_id": "D1", "$user_id": "U9"}');
SELECT pg_temp.sent('e8', '{"$device_id": "D1"}');
SELECT event, pg_temp.who(event) AS distinct_id FROM unnest('{e1,e2,e3,e4,e5,e6,e7,e8}'::text[]) AS event ORDER BY event;
-- Two users, U1 and U9.
SELECT value FROM analytics_groups.insights('[{"any": ["e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8"], "measure": "unique"}]',
                                            '2024-01-01', '2024-01-01');
CALL analytics_groups.maintain('t_distinct_id');
SELECT event, pg_temp.who(event) AS distinct_id FROM unnest('{e1,e2,e3,e4,e5,e6,e7,e8}'::text[]) AS event ORDER BY event;

-- A merge makes one funnel of what came before and after the login, also when the early part is compacted already.
SELECT analytics_groups.track('Landed', '$device:D3', '{}', at => '2024-01-02 10:00Z');
CALL analytics_groups.maintain('t_distinct_id');
SELECT step, event, count FROM analytics_groups.funnel('["Landed", "Logged In"]', '2024-01-02', '2024-01-02') ORDER BY step;
SELECT analytics_groups.track('Logged In', 'U3', '{"$device_id": "D3", "$user_id": "U3"}', at => '2024-01-02 11:00Z');
SELECT step, event, count FROM analytics_groups.funnel('["Landed", "Logged In"]', '2024-01-02', '2024-01-02') ORDER BY step;

-- What was anonymous does not become the company's.
SELECT analytics_groups.track('Landed', '$device:D4', '{}', at => '2024-01-03 10:00Z');
SELECT analytics_groups.track('Logged In', 'U4', '{"$device_id": "D4", "$user_id": "U4", "company_id": "acme"}', at => '2024-01-03 11:00Z');
SELECT value FROM analytics_groups.insights('[{"event": "Landed", "measure": "unique", "by": "company_id"}]', '2024-01-03', '2024-01-03');

SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.drop_project('t_distinct_id');
