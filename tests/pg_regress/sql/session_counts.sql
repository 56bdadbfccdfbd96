-- Reports that count sessions: the measure sessions of insights, and funnels inside of sessions. Semantics 4.2, 5.4 and 9.1.
-- A session is one by inactivity of 30 minutes, made by everything its user, or group, does, and ends at midnight.
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

SELECT analytics_groups.create_project('t_session_counts') > 0 AS created;
SET analytics_groups.project = 't_session_counts';
SELECT analytics_groups.add_group_key('company_id', 'Company') IS NOT NULL AS added;

-- One user's events of one day, as 'Event 10:00, Other 10:30'.
CREATE FUNCTION pg_temp.send(who text, day date, events text, properties jsonb DEFAULT '{}') RETURNS bigint LANGUAGE sql AS $$
    SELECT count(analytics_groups.track(split_part(e, ' ', 1), who, properties, at => day + split_part(e, ' ', 2)::time))
    FROM unnest(string_to_array(events, ', ')) AS e
$$;

-- ---- insights: sessions with at least one matching event -----------------------------------------------------------------------
-- ann has two sessions, the first with two purchases; ben one without; the View at 10:25 keeps ann's first session alive.
SELECT pg_temp.send('ann', '2024-01-10', 'Buy 10:00, View 10:25, Buy 10:50, View 12:00, Buy 12:10', '{"plan": "pro"}');
SELECT pg_temp.send('ben', '2024-01-10', 'View 23:50, View 23:55');
SELECT pg_temp.send('ben', '2024-01-11', 'View 00:05, Buy 00:10', '{"plan": "free"}');
SELECT metric, bucket, value FROM analytics_groups.insights('[{"event": "Buy", "measure": "sessions"}, {"event": "$any", "measure": "sessions", "label": "all"}, {"event": "Buy", "measure": "unique", "label": "buyers"}]',
    '2024-01-10', '2024-01-11');
-- A session counts in every interval in which it has such an event, and once in the whole range.
SELECT unit, i.bucket, i.value FROM unnest('{hour,range}'::text[]) AS unit, analytics_groups.insights('{"event": "$any", "measure": "sessions"}', '2024-01-10', '2024-01-11', unit => unit) AS i WHERE value > 0;
-- Filters decide which events match, not what a session is: the one at 10:00 is one, whatever lies between its purchases.
SELECT value FROM analytics_groups.insights('{"event": "Buy", "measure": "sessions"}', '2024-01-10', '2024-01-10', filter => 'properties["plan"] == "pro"');
-- By segment a session counts in each that it touches.
SELECT pg_temp.send('cas', '2024-01-12', 'Buy 10:00', '{"plan": "free"}'), pg_temp.send('cas', '2024-01-12', 'Buy 10:05', '{"plan": "pro"}');
SELECT segment, value FROM analytics_groups.insights('{"event": "Buy", "measure": "sessions"}', '2024-01-10', '2024-01-12', unit => 'range', breakdown => '["plan"]');
-- In formulas, and compared with the day before.
SELECT metric, value FROM analytics_groups.insights('[{"event": "Buy", "measure": "sessions"}, {"event": "$any", "measure": "sessions"}]', '2024-01-11', '2024-01-11',
    formulas => '{"share = A / B"}', compare => '1 day');
-- By a group key: the union of what its users do. gus and hal take turns, so the company has one session where each has two.
SELECT pg_temp.send('gus', '2024-01-20', 'Buy 10:00, View 10:50', '{"company_id": ["acme", "globex"]}'), pg_temp.send('hal', '2024-01-20', 'Buy 10:25, Buy 11:15', '{"company_id": "acme"}');
SELECT by, i.value FROM unnest('{user,company_id}'::text[]) AS by, analytics_groups.insights(jsonb_build_object('event', 'Buy', 'measure', 'sessions', 'by', by), '2024-01-20', '2024-01-20') AS i;
SELECT segment, value FROM analytics_groups.insights('{"event": "$any", "measure": "sessions", "by": "company_id"}', '2024-01-20', '2024-01-20', breakdown => '["group.company_id"]');
-- Who is behind it: the values add up to the number of the report, here 4; events in no session are not among theirs.
SELECT id, events, value FROM analytics_groups.insights_members('{"event": "$any", "measure": "sessions"}', '2024-01-10', '2024-01-11', unit => 'range');
SELECT id, events, value FROM analytics_groups.insights_members('{"event": "Buy", "measure": "sessions"}', '2024-01-10', '2024-01-12', unit => 'range', breakdown => '["plan"]', segment => '{pro}');
SELECT id, events, value FROM analytics_groups.insights_members('{"event": "$any", "measure": "sessions", "by": "company_id"}', '2024-01-20', '2024-01-20');
-- What sessions pass over is in none.
SELECT pg_temp.send('ida', '2024-01-21', 'Heartbeat 10:00, View 10:10, Heartbeat 10:20');
UPDATE analytics_t_session_counts.event_name SET hidden = true WHERE name = 'Heartbeat';
SELECT metric, value FROM analytics_groups.insights('[{"event": "Heartbeat", "measure": "sessions"}, {"event": "View", "measure": "sessions"}]', '2024-01-21', '2024-01-21');
SELECT m.metric, w.id FROM unnest('{A,B}'::text[]) AS m(metric), analytics_groups.insights_members('[{"event": "Heartbeat", "measure": "sessions"}, {"event": "View", "measure": "sessions"}]', '2024-01-21', '2024-01-21', metric => m.metric) AS w;

-- ---- funnel: all steps inside of one session -------------------------------------------------------------------------------------
-- dot looks in the morning and buys in the evening: a conversion of hers, but of no session. eve does both in two of three.
SELECT pg_temp.send('dot', '2024-02-01', 'View 09:00, Buy 18:00');
SELECT pg_temp.send('eve', '2024-02-01', 'View 09:00, Buy 09:20, View 09:25, View 12:00, View 15:00, Open 15:20, Buy 15:40', '{"plan": "pro"}');
SELECT counting, f.step, f.event, f.count, f.overall_conversion, f.avg_time FROM unnest('{unique,total,sessions}'::text[]) AS counting, analytics_groups.funnel('["View", "Buy"]', '2024-02-01', '2024-02-01', count => counting) AS f ORDER BY 1 DESC, 2;
-- A session is entered once, as long as it may be, and midnight ends it.
SELECT pg_temp.send('fay', '2024-02-02', 'View 23:55'), pg_temp.send('fay', '2024-02-03', 'Buy 00:05');
SELECT count FROM analytics_groups.funnel('["View", "Buy"]', '2024-02-02', '2024-02-03', count => 'sessions');
-- All options are those of a funnel, with sessions for subjects.
SELECT segment, step, count FROM analytics_groups.funnel('["View", "Buy"]', '2024-02-01', '2024-02-01', count => 'sessions', breakdown => '["plan"]');
SELECT step, count FROM analytics_groups.funnel('["View", "Buy"]', '2024-02-01', '2024-02-01', count => 'sessions', exclude => '["Open"]');
SELECT count(*) FROM analytics_groups.people_set('eve', '{"tier": "gold"}');
SELECT segment, step, count FROM analytics_groups.funnel('["View", "Buy"]', '2024-02-01', '2024-02-01', count => 'sessions', breakdown => '["user.tier"]');
-- By company: different people, one session.
SELECT by, f.step, f.count FROM unnest('{user,company_id}'::text[]) AS by, analytics_groups.funnel('["View", "Buy"]', '2024-01-20', '2024-01-20', by => by, count => 'sessions') AS f ORDER BY 1, 2;
-- Who is behind a step, and with how many sessions: eve dropped out in one of three, dot in the one she had in the morning.
SELECT id, times FROM analytics_groups.funnel_members('["View", "Buy"]', '2024-02-01', '2024-02-01', count => 'sessions', step => 1);
SELECT id, times FROM analytics_groups.funnel_members('["View", "Buy"]', '2024-02-01', '2024-02-01', count => 'sessions', step => 2, outcome => 'dropped');
SELECT id, times FROM analytics_groups.funnel_members('["View", "Buy"]', '2024-02-01', '2024-02-01', count => 'sessions', step => 2, breakdown => '["user.tier"]', segment => '{gold}');
-- The trend and its kin count sessions as well.
SELECT bucket, step, count FROM analytics_groups.funnel_trend('["View", "Buy"]', '2024-02-01', '2024-02-02', count => 'sessions');
SELECT at_least, below, count FROM analytics_groups.funnel_times('["View", "Buy"]', '2024-02-01', '2024-02-01', count => 'sessions', buckets => 2);

-- ---- The same after maintenance ----------------------------------------------------------------------------------------------------
CALL analytics_groups.maintain();
SELECT metric, bucket, value FROM analytics_groups.insights('[{"event": "Buy", "measure": "sessions"}, {"event": "$any", "measure": "sessions", "label": "all"}, {"event": "Buy", "measure": "unique", "label": "buyers"}]',
    '2024-01-10', '2024-01-11');
SELECT metric, value FROM analytics_groups.insights('[{"event": "Heartbeat", "measure": "sessions"}, {"event": "View", "measure": "sessions"}]', '2024-01-21', '2024-01-21');
SELECT segment, value FROM analytics_groups.insights('{"event": "$any", "measure": "sessions", "by": "company_id"}', '2024-01-20', '2024-01-20', breakdown => '["group.company_id"]');
SELECT counting, f.step, f.count FROM unnest('{unique,total,sessions}'::text[]) AS counting, analytics_groups.funnel('["View", "Buy"]', '2024-02-01', '2024-02-01', count => counting) AS f ORDER BY 1 DESC, 2;
SELECT segment, step, count FROM analytics_groups.funnel('["View", "Buy"]', '2024-02-01', '2024-02-01', count => 'sessions', breakdown => '["user.tier"]');

-- ---- Mistakes ------------------------------------------------------------------------------------------------------------------------
-- The window of a funnel that counts sessions is the session.
SELECT * FROM analytics_groups.funnel('["View", "Buy"]', '2024-02-01', '2024-02-01', count => 'sessions', within => '1 hour');
SELECT * FROM analytics_groups.insights('{"event": "Buy", "measure": "sessions", "property": "plan"}', '2024-02-01', '2024-02-01');

SELECT analytics_groups.drop_project('t_session_counts');
