-- sessions: how often people come, how long they stay. Semantics 9.1, example by example.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_sessions') > 0 AS created;
SET analytics_groups.project = 't_sessions';
SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;

-- One user's events of one day, as 'Event 10:00, Other 10:30'.
CREATE FUNCTION pg_temp.send(who text, day date, events text, properties jsonb DEFAULT '{}') RETURNS bigint LANGUAGE sql AS $$
    SELECT count(analytics_groups.track(split_part(e, ' ', 1), who, properties, at => day + split_part(e, ' ', 2)::time))
    FROM unnest(string_to_array(events, ', ')) AS e
$$;

-- ---- By inactivity -----------------------------------------------------------------------------------------------------------
-- A gap of more than 30 minutes ends a session: 10 minutes and 35 minutes.
SELECT pg_temp.send('ann', '2024-01-10', 'A 01:00, A 01:10, A 01:50, A 02:10, A 02:25');
SELECT * FROM analytics_groups.sessions('2024-01-10', '2024-01-10');
-- A gap of exactly the timeout continues; a millisecond more does not.
SELECT sessions FROM analytics_groups.sessions('2024-01-10', '2024-01-10', timeout => '40 minutes');
SELECT sessions FROM analytics_groups.sessions('2024-01-10', '2024-01-10', timeout => '39:59.999');
-- Midnight of the project's zone ends every session: 20 minutes and 5 minutes.
SELECT pg_temp.send('ben', '2024-01-11', 'A 23:30, A 23:50');
SELECT pg_temp.send('ben', '2024-01-12', 'A 00:05, A 00:10');
SELECT bucket, sessions, events_per_session, avg_duration FROM analytics_groups.sessions('2024-01-11', '2024-01-12');
-- A session belongs to the bucket of its start. Every bucket has a row; of no sessions there is no average.
SELECT * FROM analytics_groups.sessions('2024-01-10', '2024-01-10', unit => 'hour') WHERE bucket < '2024-01-10 04:00Z';
SELECT bucket, sessions, median_duration FROM analytics_groups.sessions('2024-01-09', '2024-01-12', unit => 'week');
SELECT bucket, sessions, median_duration FROM analytics_groups.sessions('2024-01-09', '2024-01-12', unit => 'range');

-- ---- By start and end events -------------------------------------------------------------------------------------------------
-- A start inside of a session is nothing special, and an end without a session makes none: one session of 45 minutes.
SELECT pg_temp.send('cas', '2024-02-01', 'Login 11:00, Login 11:15, Logout 11:45, Logout 12:15');
SELECT * FROM analytics_groups.sessions('2024-02-01', '2024-02-01', starts => '"Login"', ends => '"Logout"');
-- Cut at midnight it has no duration: the first day has a session without one, the second day none.
SELECT pg_temp.send('dot', '2024-02-02', 'Login 23:00, A 23:10');
SELECT pg_temp.send('dot', '2024-02-03', 'A 00:30, Logout 01:00');
SELECT * FROM analytics_groups.sessions('2024-02-02', '2024-02-03', starts => '"Login"', ends => '"Logout"');

-- ---- By the value of a property ----------------------------------------------------------------------------------------------
-- 30 and 15 minutes; an event without the property is passed over; another value begins another session.
SELECT pg_temp.send('eva', '2024-03-01', 'A 23:15, A 23:45', '{"session_id": 456}');
SELECT pg_temp.send('eva', '2024-03-01', 'A 23:50');
SELECT pg_temp.send('eva', '2024-03-02', 'A 00:15, A 00:30', '{"session_id": 456}');
SELECT pg_temp.send('eva', '2024-03-02', 'A 09:00, A 12:00', '{"session_id": 457}');
SELECT * FROM analytics_groups.sessions('2024-03-01', '2024-03-02', property => 'session_id');

-- ---- What counts -------------------------------------------------------------------------------------------------------------
-- Events that no user does, and hidden ones, neither begin nor prolong a session.
SELECT pg_temp.send('fay', '2024-04-01', 'A 10:00, $campaign_delivery 10:20, A 10:40, Heartbeat 12:00');
SELECT sessions, events_per_session FROM analytics_groups.sessions('2024-04-01', '2024-04-01');
UPDATE analytics_t_sessions.event_name SET hidden = true WHERE name = 'Heartbeat';
SELECT sessions, events_per_session FROM analytics_groups.sessions('2024-04-01', '2024-04-01');
-- By a group key: the events of all its users together, and nothing of those that belong to none.
SELECT pg_temp.send('gus', '2024-05-01', 'A 10:00, A 10:40', '{"company_id": ["acme", "globex"]}');
SELECT pg_temp.send('hal', '2024-05-01', 'A 10:20', '{"company_id": "acme", "plan": "pro"}');
SELECT pg_temp.send('ida', '2024-05-01', 'A 10:20');
SELECT by, sessions, events_per_session, avg_duration
FROM unnest('{user,company_id}'::text[]) AS by, analytics_groups.sessions('2024-05-01', '2024-05-01', by => by);
-- A filter decides which events are looked at.
SELECT sessions, events_per_session FROM analytics_groups.sessions('2024-05-01', '2024-05-01', filter => 'properties["plan"] == "pro"');
SELECT sessions, events_per_session FROM analytics_groups.sessions('2024-05-01', '2024-05-01', filter => 'defined(properties["company_id"])');

-- ---- Broken down ---------------------------------------------------------------------------------------------------------------
-- By what was done: a property is that of the first event of the session that has it, and lists count for each element.
SELECT pg_temp.send('jan', '2024-06-01', 'Open 08:00'), pg_temp.send('jan', '2024-06-01', 'View 08:05', '{"country": "de", "tags": ["a", "b"]}'),
       pg_temp.send('jan', '2024-06-01', 'Buy 08:20', '{"country": "fr"}'), pg_temp.send('jan', '2024-06-01', 'Open 12:00, Open 12:02', '{"tags": "b"}'),
       pg_temp.send('kim', '2024-06-01', 'View 09:00', '{"country": "fr"}');
SELECT count(*) FROM analytics_groups.people_set('jan', '{"plan": "pro"}');
SELECT segment, sessions, events_per_session, avg_duration FROM analytics_groups.sessions('2024-06-01', '2024-06-01', breakdown => '["country"]');
SELECT segment, sessions FROM analytics_groups.sessions('2024-06-01', '2024-06-01', breakdown => '["tags"]');
-- The session of 8:00 is in two segments of the rest, and there once.
SELECT segment, sessions FROM analytics_groups.sessions('2024-06-01', '2024-06-01', breakdown => '["tags"]', top => 1);
-- By who did it, and by what the session is itself: its first and last event, how many there are, how many seconds it took.
SELECT segment, sessions FROM analytics_groups.sessions('2024-06-01', '2024-06-01', breakdown => '["user.plan", "$origin_start"]');
SELECT segment, sessions, p90_duration FROM analytics_groups.sessions('2024-06-01', '2024-06-01', breakdown => '["$origin_end", "$event_count"]');
SELECT segment, sessions FROM analytics_groups.sessions('2024-06-01', '2024-06-01', breakdown => '[{"property": "$duration_s", "bucket": {"size": 600, "min": 60, "max": 1260}}]');
-- By a group key, and by its property.
SELECT count(*) FROM analytics_groups.group_set('company_id', 'acme', '{"tier": "gold"}');
SELECT segment, sessions FROM analytics_groups.sessions('2024-05-01', '2024-05-01', by => 'company_id', breakdown => '["group.company_id", "group.company_id.tier"]');
SELECT segment, sessions FROM analytics_groups.sessions('2024-05-01', '2024-05-01', breakdown => '["group.company_id.tier"]');
-- Where a start event or a property makes the session, its first event alone says what it has.
SELECT segment, sessions, avg_duration FROM analytics_groups.sessions('2024-06-01', '2024-06-01', starts => '"Open"', ends => '"Buy"', breakdown => '["country", "$duration_s"]');
SELECT segment, sessions FROM analytics_groups.sessions('2024-03-01', '2024-03-02', unit => 'range', property => 'session_id', breakdown => '["session_id", "$event_count"]');

-- ---- The same after maintenance ----------------------------------------------------------------------------------------------
CALL analytics_groups.maintain();
SELECT * FROM analytics_groups.sessions('2024-01-10', '2024-01-12');
SELECT * FROM analytics_groups.sessions('2024-02-01', '2024-02-03', starts => '"Login"', ends => '"Logout"');
SELECT * FROM analytics_groups.sessions('2024-03-01', '2024-03-02', property => 'session_id');
SELECT sessions, events_per_session FROM analytics_groups.sessions('2024-04-01', '2024-04-01');
SELECT by, sessions, events_per_session, avg_duration
FROM unnest('{user,company_id}'::text[]) AS by, analytics_groups.sessions('2024-05-01', '2024-05-01', by => by);
SELECT segment, sessions, events_per_session, avg_duration FROM analytics_groups.sessions('2024-06-01', '2024-06-01', breakdown => '["country"]');
SELECT segment, sessions FROM analytics_groups.sessions('2024-06-01', '2024-06-01', breakdown => '["user.plan", "$origin_start"]');

-- ---- Days of the project's zone ----------------------------------------------------------------------------------------------
SELECT analytics_groups.create_project('t_sessions_ny', 'America/New_York') > 0 AS created;
SET analytics_groups.project = 't_sessions_ny';
SELECT count(analytics_groups.track('A', 'ann', '{}', at => t)) FROM unnest('{2024-03-10 04:50Z,2024-03-10 05:10Z,2024-03-11 03:50Z,2024-03-11 04:10Z}'::timestamptz[]) AS t;
CALL analytics_groups.maintain();
-- Four sessions: midnight is at 05:00Z before the clocks change, and at 04:00Z after it.
SELECT bucket, sessions FROM analytics_groups.sessions('2024-03-09', '2024-03-11');

-- ---- Mistakes ----------------------------------------------------------------------------------------------------------------
SELECT * FROM analytics_groups.sessions('2024-03-09', NULL);
SELECT * FROM analytics_groups.sessions('2024-03-09', '2024-03-11', timeout => '-1 minutes');
SELECT * FROM analytics_groups.sessions('2024-03-09', '2024-03-11', starts => '"A"');
SELECT * FROM analytics_groups.sessions('2024-03-09', '2024-03-11', starts => '"A"', ends => '"A"', property => 'p');
SELECT * FROM analytics_groups.sessions('2024-03-09', '2024-03-11', starts => '"A"', ends => '"A"', timeout => '1 hour');
SELECT * FROM analytics_groups.sessions('2024-03-09', '2024-03-11', property => 'session_id');
SELECT * FROM analytics_groups.sessions('2024-03-09', '2024-03-11', by => 'company_id');
SELECT * FROM analytics_groups.sessions('2024-03-09', '2024-03-11', unit => 'fortnight');
SELECT * FROM analytics_groups.sessions('2024-03-09', '2024-03-11', breakdown => '["plan"]');
SELECT * FROM analytics_groups.sessions('2024-03-09', '2024-03-11', breakdown => '["$origin_start", "$origin_end", "$duration_s", "$event_count", "$origin_start"]');
SELECT * FROM analytics_groups.sessions('2024-03-09', '2024-03-11', breakdown => '[{"users_who_did": "A"}]');
SELECT * FROM analytics_groups.sessions('2024-03-09', '2024-03-11', breakdown => '["$origin_start"]', top => 0);

SELECT analytics_groups.drop_project('t_sessions');
SELECT analytics_groups.drop_project('t_sessions_ny');
