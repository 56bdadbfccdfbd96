-- Who did it: what becomes of $user_id, $device_id and distinct_id. Semantics 3.2.
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

SELECT * FROM analytics_groups.verify();
SELECT analytics_groups.drop_project('t_distinct_id');
